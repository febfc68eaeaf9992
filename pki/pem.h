/* pki: a key and its certificates as PEM. Private to pki/. */
#ifndef FERRULE_PKI_PEM_H
#define FERRULE_PKI_PEM_H

#include "pki/pki.h"

#include <openssl/bio.h>

/* All owned; every member may be NULL in a half-built or empty one. */
struct pki_credentials {
	X509 *certificate;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* issuers, without `certificate` and without duplicates */
};

void pki_credentials_done(struct pki_credentials *credentials);
/* A reference to everything in `from`. Returns 0, or -1 when memory ran out. */
int pki_credentials_copy(struct pki_credentials *to, const struct pki_credentials *from);

struct pki_pem_files {
	const char *certificate; /* leaf first, its chain may follow */
	const char *key;
	const char *chain; /* further issuers, or NULL */
};

/*
 * Reads a certificate, its chain and its key; checks that the key is strong
 * enough for TLS and belongs to the certificate. Never asks for a passphrase.
 * Returns 0, or -1 with `error` filled and *out empty.
 */
int pki_pem_load(
	const struct pki_pem_files *files, struct pki_credentials *out, struct pki_error *error);

/*
 * Adds every certificate of a file that is not there yet. Returns 0, or -1 with
 * `error` filled: it cannot be read, or holds none.
 */
int pki_pem_load_certificates(
	const char *path, STACK_OF(X509) * certificates, struct pki_error *error);

/* A private key that is strong enough, alone. */
int pki_pem_load_key(const char *path, EVP_PKEY **key, struct pki_error *error);

/* The same check for one that comes from elsewhere; `where` begins the error. */
int pki_pem_check_key(const EVP_PKEY *key, const char *where, struct pki_error *error);

/* As text; NULL when memory ran out. The caller frees the BIO, which wipes it. */
BIO *pki_pem_write_key(EVP_PKEY *key);
/* First the one, unless it is NULL, then the others, if there are any. */
BIO *pki_pem_write_certificates(X509 *first, const STACK_OF(X509) * others);

#endif
