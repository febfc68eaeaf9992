/* pki: certificates as DER: single, or in a certs-only CMS (RFC 8894 3.4). Private to pki/. */
#ifndef FERRULE_PKI_BAG_H
#define FERRULE_PKI_BAG_H

#include "pki/pki.h"

/* More are a mistake or an attack. */
#define PKI_BAG_MAX 64

/*
 * Each returns 0 and *out (owned by the caller, at least one certificate, no duplicates),
 * or -1 with `error` filled and *out NULL. Bytes behind the structure are refused. `what`
 * begins the error text: "the answer to GetCACert".
 */
int pki_bag_parse_certificate(const void *der, size_t len, const char *what, STACK_OF(X509) * *out,
	struct pki_error *error);
int pki_bag_parse_cms(const void *der, size_t len, const char *what, STACK_OF(X509) * *out,
	struct pki_error *error);
/* Either of the two. */
int pki_bag_parse(const void *der, size_t len, const char *what, STACK_OF(X509) * *out,
	struct pki_error *error);

/*
 * Takes the one certificate for `key` out of the bag: by its public key, never by position.
 * Returns 0, or -1 with `error` filled: there is none, or more than one. The caller owns *out.
 */
int pki_bag_take(
	STACK_OF(X509) * bag, EVP_PKEY *key, const char *what, X509 **out, struct pki_error *error);

#endif
