/* pki: the names a certificate of ours is made for. Private to pki/. */
#ifndef FERRULE_PKI_NAMES_H
#define FERRULE_PKI_NAMES_H

#include "pki/pki.h"

#include <openssl/x509v3.h>

struct pki_names {
	char *device;        /* owned: HOSTNAME.DOMAIN in lower case */
	X509_NAME *subject;  /* owned */
	GENERAL_NAMES *alts; /* owned: in lower case, without duplicates */
};

/*
 * The subject is subject_name or CN=HOSTNAME.DOMAIN (a host name with a dot in it is
 * complete as it is), with fqdn, ip_address and serial_number as IOS adds them
 * (unstructuredName and unstructuredAddress, RFC 2985 5.4). The alternative names are
 * fqdn or HOSTNAME.DOMAIN, the common name when a client could ask for it, ip_address
 * and alt_names; in a self-signed certificate the bare host name too, which no CA
 * would vouch for. Not localhost: clients are meant to trust this certificate, and it
 * must not speak for their own machine (RFC 6761 6.3). Returns 0, or -1 with `error`
 * filled.
 */
int pki_names_init(
	struct pki_names *names, const struct pki_trustpoint *trustpoint, struct pki_error *error);
void pki_names_done(struct pki_names *names);

/* True when the certificate has this subject and this set of alternative names. */
bool pki_names_match(const struct pki_names *names, const X509 *certificate);

/* Is it among these alternative names? */
bool pki_names_have(const GENERAL_NAMES *names, GENERAL_NAME *wanted);

/* "DNS:router1.example.com", "IP:192.0.2.7"; cut off when it does not fit. */
void pki_names_text(const GENERAL_NAME *name, char *text, size_t size);

#endif
