/* pki: key and certificates in one encrypted file (RFC 7292). Private to pki/. */
#ifndef FERRULE_PKI_PKCS12_H
#define FERRULE_PKI_PKCS12_H

#include "pki/pem.h"

/*
 * A file with RC2-40 and the like is decrypted in a library context of its own, which
 * has OpenSSL's legacy provider. Returns 0 with key and certificate, or -1 with `error`
 * filled.
 */
int pki_pkcs12_read(const void *data, size_t len, const char *password, struct pki_credentials *out,
	struct pki_error *error);

/*
 * AES-256 and SHA-256; `legacy`: triple DES, RC2-40 and SHA-1, as old routers read it. The
 * caller wipes *out. Returns 0, or -1 with `error` filled.
 */
int pki_pkcs12_write(const struct pki_credentials *credentials, const char *name,
	const char *password, bool legacy, unsigned char **out, size_t *len,
	struct pki_error *error);

#endif
