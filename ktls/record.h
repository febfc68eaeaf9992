/*
 * The user-space record engine: one AEAD-protected direction of a TLS 1.2 or 1.3
 * connection after the handshake (RFC 5246 6.2.3.3, RFC 8446 5.2).
 */
#ifndef FERRULE_KTLS_RECORD_H
#define FERRULE_KTLS_RECORD_H

#include "ktls/aead.h"

#define KTLS_RECORD_HEADER 5

enum ktls_record_type {
	KTLS_RECORD_CHANGE_CIPHER_SPEC = 20,
	KTLS_RECORD_ALERT = 21,
	KTLS_RECORD_HANDSHAKE = 22,
	KTLS_RECORD_DATA = 23,
};

struct ktls_aead {
	const struct ktls_aead_ops *ops;
	void *key;         /* owned; what ops made of it */
	uint64_t sequence; /* of the next record; never reused under one key */
	uint8_t iv[KTLS_IV_SIZE];
	uint8_t version, cipher; /* enum ktls_version, enum ktls_cipher */
};

/* Sets the keys of one direction, starting at `sequence`. 0 or -1 (no memory). */
int ktls_aead_init(struct ktls_aead *aead, const struct ktls_crypto *crypto,
	enum ktls_version version, enum ktls_cipher cipher, const struct ktls_keys *keys,
	enum ktls_direction direction, uint64_t sequence);
void ktls_aead_done(struct ktls_aead *aead);

/* Bytes that a record adds to its plaintext: header, nonce, inner type, tag. */
size_t ktls_aead_overhead(const struct ktls_aead *aead);

/*
 * Seals len (0..KTLS_RECORD_PLAINTEXT) bytes into out, which has room for
 * len + ktls_aead_overhead() bytes and does not overlap data. Returns the
 * record's length, or -1 when the cipher failed.
 */
int ktls_aead_seal(struct ktls_aead *aead, enum ktls_record_type type, const uint8_t *data,
	size_t len, uint8_t *out);

/* The whole record's length from its 5-byte header, or a negative TLS alert. */
int ktls_record_length(const struct ktls_aead *aead, const uint8_t *header);

/*
 * Opens one whole record of ktls_record_length() bytes into out (room for as
 * many), returns the plaintext's length and its type, or a negative TLS alert.
 */
int ktls_aead_open(
	struct ktls_aead *aead, const uint8_t *record, size_t len, uint8_t *out, uint8_t *type);

#endif
