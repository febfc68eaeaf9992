/* pki: the names a certificate of ours is made for. Private to pki/. */
#ifndef FERRULE_PKI_NAMES_H
#define FERRULE_PKI_NAMES_H

#include "pki/pki.h"

#include <openssl/x509v3.h>

struct pki_names {
	char *common_name;   /* owned */
	GENERAL_NAMES *alts; /* owned: in lower case, without duplicates */
};

/*
 * The common name is HOSTNAME.DOMAIN (a host name with a dot in it is complete
 * as it is); the alternative names are the host name, that name and alt_names.
 * Not localhost: clients are meant to trust this certificate, and it must not
 * speak for their own machine (RFC 6761 6.3). Returns 0, or -1 with `error` filled.
 */
int pki_names_init(
	struct pki_names *names, const struct pki_trustpoint *trustpoint, struct pki_error *error);
void pki_names_done(struct pki_names *names);

/* True when the certificate has this common name and this set of alternative names. */
bool pki_names_match(const struct pki_names *names, const X509 *certificate);

#endif
