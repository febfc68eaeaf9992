/* pki: is an issued certificate what was asked for? Private to pki/. */
#ifndef FERRULE_PKI_ISSUED_H
#define FERRULE_PKI_ISSUED_H

#include "pki/request.h"

/* All borrowed. */
struct pki_issued_expected {
	const struct pki_names *names; /* NULL: whatever the certificate says (PKCS#12) */
	EVP_PKEY *key;
	enum pki_purpose purpose;
	const STACK_OF(X509) * trusted;   /* CA certificates that were authenticated */
	const STACK_OF(X509) * untrusted; /* whatever else may be in the chain */
	X509 *renewed;                    /* the certificate before it; NULL: none */
	bool same_key;                    /* it is renewed for the key it had */
};

/*
 * Judges the certificate; each reason is one of RFC 5280, RFC 8894 or the request's.
 * Returns 0 with the chain to send to clients in *chain (the caller owns it) and what
 * the operator should know in `warning` ("" when there is nothing); or -1 with `error`
 * filled.
 */
int pki_issued_check(X509 *certificate, const struct pki_issued_expected *expected,
	STACK_OF(X509) * *chain, struct pki_error *warning, struct pki_error *error);

#endif
