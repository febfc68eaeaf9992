/* pki: certificate requests (RFC 2986). Private to pki/. */
#ifndef FERRULE_PKI_REQUEST_H
#define FERRULE_PKI_REQUEST_H

#include "pki/names.h"
#include "pki/store.h"

/* What the certificate is to be used for. */
enum pki_purpose { PKI_PURPOSE_GENERAL, PKI_PURPOSE_SIGNATURE, PKI_PURPOSE_ENCRYPTION };

enum pki_purpose pki_purpose_of(enum pki_usage usage, enum pki_pair pair);
/* "General Purpose", "Signature", "Encryption" */
const char *pki_purpose_name(enum pki_purpose purpose);

const EVP_MD *pki_hash_digest(enum pki_hash hash);
const char *pki_hash_name(enum pki_hash hash); /* "sha256" */

/*
 * Subject, alternative names, usages, signed with the key. `password` becomes the
 * challengePassword (RFC 2985 5.4.1) when it is neither NULL nor empty. NULL with
 * `error` filled when it cannot be made; the caller owns it.
 */
X509_REQ *pki_request_make(const struct pki_trustpoint *trustpoint, const struct pki_names *names,
	EVP_PKEY *key, enum pki_purpose purpose, const struct pki_secret *password,
	struct pki_error *error);

#endif
