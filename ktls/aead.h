/*
 * The AEADs of the record engine (RFC 5116) and who computes them. A key is one
 * direction's; nonces are the caller's business, who never gives one twice.
 */
#ifndef FERRULE_KTLS_AEAD_H
#define FERRULE_KTLS_AEAD_H

#include "ktls/schedule.h"

#define KTLS_TAG_SIZE 16

/* One record as an AEAD sees it. */
struct ktls_aead_message {
	const uint8_t *data; /* seal: the plaintext; open: the ciphertext, the tag behind it */
	size_t len;          /* of data, without the tag */
	uint8_t nonce[KTLS_IV_SIZE];
	uint8_t additional[8 + 5]; /* RFC 5246 6.2.3.3, RFC 8446 5.2 */
	uint8_t additional_len;
};

struct ktls_aead_ops {
	const char *name; /* of the library */
	/* The key of the cipher's size, expanded for one direction; NULL when that fails. */
	void *(*key_new)(const struct ktls_crypto *crypto, enum ktls_cipher cipher,
		const uint8_t *key, enum ktls_direction direction);
	/* Wipes it, too. Not for NULL. */
	void (*key_free)(void *key);
	/*
	 * Seals the message's data, behind it the byte at `type` unless that is NULL, and
	 * behind both the tag, into out, which does not overlap data. Whether it could.
	 */
	bool (*seal)(void *key, const struct ktls_aead_message *message, const uint8_t *type,
		uint8_t *out);
	/*
	 * Opens len bytes into out, which does not overlap data. Whether the tag is right: if
	 * not, what is in out means nothing. Takes the same time wherever a tag differs.
	 */
	bool (*open)(void *key, const struct ktls_aead_message *message, uint8_t *out);
};

/* Of every cipher, on every machine. */
extern const struct ktls_aead_ops ktls_aead_libcrypto;

/*
 * libipsec-mb's, of AES-GCM; NULL for another cipher, for a processor without AES
 * instructions, where OpenSSL's default properties demand FIPS, with another version of the
 * library than this was built with, and in a build without it.
 */
const struct ktls_aead_ops *ktls_aead_ipsec_mb(enum ktls_cipher cipher);

#endif
