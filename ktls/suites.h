/*
 * The ciphersuites of a server. A configured name may be OpenSSL's, the RFC's
 * (TLS_… or the older SSL_…), or one of IOS, which may stand for several. What
 * is broken, or needs other credentials than certificates, is refused with the
 * reason and the nearest sound suite. Private to ktls/.
 */
#ifndef FERRULE_KTLS_SUITES_H
#define FERRULE_KTLS_SUITES_H

#include "ktls/ktls.h"
#include "ktls/problem.h"

#include <openssl/ssl.h>

#define KTLS_SUITES_MAX 128

/* Types of keys that can serve a suite, as bits. */
enum {
	KTLS_KEY_RSA = 1, /* signs and decrypts: the only one for RSA key exchange */
	KTLS_KEY_RSA_PSS = 2,
	KTLS_KEY_ECDSA = 4, /* and EdDSA (RFC 8422 2) */
	KTLS_KEY_ANY = 7,
};

struct ktls_suites {
	const SSL_CIPHER *list[KTLS_SUITES_MAX]; /* libssl's, static; in order of preference */
	size_t count;
	bool tls12, tls13; /* versions that are on and have a suite */
};

/* Both return 0, or -1 with the problem in words. */
int ktls_suites_resolve(const struct ktls_server_options *options, struct ktls_suites *out,
	const struct ktls_problem *problem);
/* Sets suites and versions. */
int ktls_suites_apply(
	const struct ktls_suites *suites, SSL_CTX *ctx, const struct ktls_problem *problem);

/* KTLS_KEY_…: what a key is, and what a suite can do with. */
unsigned ktls_suites_key(const EVP_PKEY *key);
unsigned ktls_suites_all_keys(const struct ktls_server_options *options); /* 0: none yet */
unsigned ktls_suites_keys(const SSL_CIPHER *suite);

/* False when ktls has no engine of its own for the suite's cipher. */
bool ktls_suites_cipher(const SSL_CIPHER *suite, enum ktls_cipher *cipher);
const char *ktls_suites_algorithm(const SSL_CIPHER *suite); /* "AES-256-CBC" */
const char *ktls_suites_mac(const SSL_CIPHER *suite);       /* "AEAD", "SHA256" */

#endif
