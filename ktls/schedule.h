/*
 * The key schedule after the handshake: traffic keys of TLS 1.3 (RFC 8446 7.3)
 * and TLS 1.2 (RFC 5246 6.3), for the three AEADs that ferrule takes over.
 */
#ifndef FERRULE_KTLS_SCHEDULE_H
#define FERRULE_KTLS_SCHEDULE_H

#include "ktls/ktls.h"

#include <openssl/kdf.h>

#define KTLS_KEY_MAX    32
#define KTLS_IV_SIZE    12
#define KTLS_SECRET_MAX 48

struct ktls_aead_ops;

/* Made once: fetching an algorithm costs more than the derivation that uses it. */
struct ktls_crypto {
	EVP_KDF_CTX *expand[KTLS_CIPHERS]; /* HKDF-Expand with the cipher's digest; no key */
	EVP_CIPHER *ciphers[KTLS_CIPHERS];
	const struct ktls_aead_ops *aead[KTLS_CIPHERS]; /* who computes them */
	EVP_CIPHER *aes_256_cbc;                        /* of tickets */
};

/* 0, or -1 when this libcrypto lacks one of them. */
int ktls_crypto_init(struct ktls_crypto *crypto);
void ktls_crypto_done(struct ktls_crypto *crypto);

/* Sizes in bytes; fixed_iv is TLS 1.2's, from the key block. */
struct ktls_cipher_parameters {
	const char *name;
	const char *evp_name;
	char digest[8]; /* of the TLS 1.2 PRF and the TLS 1.3 schedule */
	size_t key_size, secret_size, fixed_iv;
	bool explicit_nonce; /* TLS 1.2: 8 bytes on the wire (RFC 5288 3) */
};
extern const struct ktls_cipher_parameters ktls_cipher_parameters[KTLS_CIPHERS];

/*
 * What protects one direction. iv holds 12 bytes, but for the GCM suites of TLS
 * 1.2 only the 4 of the salt, followed by zeros.
 */
struct ktls_keys {
	uint8_t key[KTLS_KEY_MAX];
	uint8_t iv[KTLS_IV_SIZE];
};

/* HKDF-Expand-Label with an empty context (RFC 8446 7.1). 0 or -1. */
int ktls_expand_label(const struct ktls_crypto *crypto, enum ktls_cipher cipher,
	const uint8_t *secret, const char *label, uint8_t *out, size_t out_size);

/* Traffic keys from a TLS 1.3 traffic secret. 0 or -1. */
int ktls_keys_tls13(const struct ktls_crypto *crypto, enum ktls_cipher cipher,
	const uint8_t *secret, struct ktls_keys *keys);

/* The secret of the next generation, in place (RFC 8446 7.2). 0 or -1. */
int ktls_secret_update(const struct ktls_crypto *crypto, enum ktls_cipher cipher, uint8_t *secret);

/*
 * Both directions' keys from TLS 1.2's key block of `len` bytes (RFC 5246 6.3). 0, or -1
 * when it is not as long as the cipher's.
 */
int ktls_keys_tls12(enum ktls_cipher cipher, const uint8_t *block, size_t len,
	struct ktls_keys *client, struct ktls_keys *server);

#endif
