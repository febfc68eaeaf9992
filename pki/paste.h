/* pki: certificates as people paste them or servers hand them out. Private to pki/. */
#ifndef FERRULE_PKI_PASTE_H
#define FERRULE_PKI_PASTE_H

#include "pki/pki.h"

/* Far above any chain, far below what would hurt. */
#define PKI_PASTE_LIMIT (1024 * 1024)

/*
 * Reads certificates in any form they come in: PEM (several, CERTIFICATE or PKCS7, other text
 * around it is ignored, private keys too), bare base64 as IOS asks for it, DER, PKCS#7. A last
 * line "quit" is taken for the end. `what` begins the error text. Returns 0 with *out (at least
 * one certificate, owned by the caller), or -1 with `error` filled and *out NULL.
 */
int pki_paste_parse(const void *data, size_t len, const char *what, STACK_OF(X509) * *out,
	struct pki_error *error);

#endif
