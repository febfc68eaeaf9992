#include "tests/e2e/records.h"

#include <stdlib.h>
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>

#define TAG            16
#define EXPLICIT_NONCE 8 /* TLS 1.2 (RFC 5288 3) */
#define SALT           4

static char sha256[] = "SHA256"; /* OSSL_PARAM wants it writable */

/* ---- keys ---- */

static bool derive(const char *kdf_name, OSSL_PARAM *parameters, uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, kdf_name, NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	bool derived = ctx != NULL && EVP_KDF_derive(ctx, out, len, parameters) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return derived;
}

/* HKDF-Expand-Label with an empty context (RFC 8446 7.1). */
static bool expand_label(const uint8_t secret[32], const char *label, uint8_t *out, size_t len)
{
	uint8_t info[64] = {0, (uint8_t)len, (uint8_t)(6 + strlen(label))};
	size_t label_len = strlen(label);
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	uint8_t key[32];
	OSSL_PARAM parameters[5];

	memcpy(key, secret, sizeof(key));
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, label_len); /* the byte behind it is the context's length: 0 */
	parameters[0] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	parameters[1] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256, 0);
	parameters[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key, sizeof(key));
	parameters[3] =
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, 10 + label_len);
	parameters[4] = OSSL_PARAM_construct_end();
	return derive("HKDF", parameters, out, len);
}

static bool keys_from_secret(struct record_sealer *sealer)
{
	sealer->sequence = 0;
	return expand_label(sealer->secret, "key", sealer->key, sizeof(sealer->key)) &&
	       expand_label(sealer->secret, "iv", sealer->iv, sizeof(sealer->iv));
}

/* TLS 1.2: client key, server key, client salt, server salt (RFC 5246 6.3). */
static bool keys_from_master(struct record_sealer *sealer)
{
	const SSL *ssl = sealer->client->ssl;
	uint8_t master[48], seed[64 + 13], block[2 * 16 + 2 * SALT];
	size_t master_len =
		SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
	static char label[] = "key expansion";
	OSSL_PARAM parameters[4];

	memcpy(seed, label, 13);
	SSL_get_server_random(ssl, seed + 13, 32);
	SSL_get_client_random(ssl, seed + 13 + 32, 32);
	parameters[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256, 0);
	parameters[1] =
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, master_len);
	parameters[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof(seed));
	parameters[3] = OSSL_PARAM_construct_end();
	if (!derive("TLS1-PRF", parameters, block, sizeof(block)))
		return false;
	memcpy(sealer->key, block, sizeof(sealer->key));
	memcpy(sealer->iv, block + 32, SALT);
	sealer->sequence = 1; /* Finished was 0 */
	return true;
}

bool record_sealer_init(struct record_sealer *sealer, struct client *client)
{
	*sealer = (struct record_sealer){.client = client};
	sealer->tls13 = SSL_version(client->ssl) == TLS1_3_VERSION;
	memcpy(sealer->secret, client->secret, sizeof(sealer->secret));
	return sealer->tls13 ? keys_from_secret(sealer) : keys_from_master(sealer);
}

/* ---- records ---- */

static void put_number(uint8_t *out, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

struct aead_input {
	const uint8_t *nonce, *associated, *data;
	size_t associated_len, len;
};

/* Ciphertext and tag to out. */
static bool encrypt(const uint8_t key[16], const struct aead_input *in, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len;
	bool done = ctx != NULL &&
		    EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, in->nonce) == 1 &&
		    EVP_EncryptUpdate(ctx, NULL, &len, in->associated, (int)in->associated_len) &&
		    EVP_EncryptUpdate(ctx, out, &len, in->data, (int)in->len) == 1 &&
		    EVP_EncryptFinal_ex(ctx, out + in->len, &len) == 1 &&
		    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, out + in->len) == 1;

	EVP_CIPHER_CTX_free(ctx);
	return done;
}

/* RFC 8446 5.2: the real type travels inside, the header is the associated data. */
static size_t seal_tls13(struct record_sealer *sealer, enum record_type type, const void *data,
	size_t len, uint8_t *out)
{
	uint8_t nonce[12];
	uint8_t *inner = malloc(len + 1);
	struct aead_input in = {nonce, out, inner, RECORD_HEADER, len + 1};
	bool done;

	if (inner == NULL)
		return 0;
	if (len > 0)
		memcpy(inner, data, len);
	inner[len] = (uint8_t)type;
	put_number(nonce, 0, SALT);
	put_number(nonce + SALT, sealer->sequence++, 8);
	for (size_t i = 0; i < sizeof(nonce); i++)
		nonce[i] ^= sealer->iv[i];
	out[0] = RECORD_DATA;
	put_number(out + 1, 0x0303, 2);
	put_number(out + 3, len + 1 + TAG, 2);
	done = encrypt(sealer->key, &in, out + RECORD_HEADER);
	free(inner);
	return done ? RECORD_HEADER + len + 1 + TAG : 0;
}

/* RFC 5246 6.2.3.3 and RFC 5288 3. */
static size_t seal_tls12(struct record_sealer *sealer, enum record_type type, const void *data,
	size_t len, uint8_t *out)
{
	uint8_t nonce[12], associated[13];
	struct aead_input in = {nonce, associated, data, sizeof(associated), len};

	put_number(associated, sealer->sequence, 8);
	associated[8] = (uint8_t)type;
	put_number(associated + 9, 0x0303, 2);
	put_number(associated + 11, len, 2);
	memcpy(nonce, sealer->iv, SALT);
	put_number(nonce + SALT, sealer->sequence++, EXPLICIT_NONCE);
	out[0] = (uint8_t)type;
	put_number(out + 1, 0x0303, 2);
	put_number(out + 3, EXPLICIT_NONCE + len + TAG, 2);
	memcpy(out + RECORD_HEADER, nonce + SALT, EXPLICIT_NONCE);
	if (!encrypt(sealer->key, &in, out + RECORD_HEADER + EXPLICIT_NONCE))
		return 0;
	return RECORD_HEADER + EXPLICIT_NONCE + len + TAG;
}

size_t record_seal(struct record_sealer *sealer, enum record_type type, const void *data,
	size_t len, uint8_t *out)
{
	return sealer->tls13 ? seal_tls13(sealer, type, data, len, out)
			     : seal_tls12(sealer, type, data, len, out);
}

bool record_send(struct record_sealer *sealer, enum record_type type, const void *data, size_t len)
{
	uint8_t *record = malloc(len + RECORD_OVERHEAD);
	size_t size = record != NULL ? record_seal(sealer, type, data, len, record) : 0;
	bool sent = size > 0 && client_send_raw(sealer->client, record, size);

	free(record);
	return sent;
}

bool record_send_alert(struct record_sealer *sealer, uint8_t level, uint8_t description)
{
	const uint8_t alert[] = {level, description};

	return record_send(sealer, RECORD_ALERT, alert, sizeof(alert));
}

bool record_send_key_updates(struct record_sealer *sealer, unsigned count, bool request)
{
	const uint8_t message[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, request ? 1 : 0};
	uint8_t next[32];

	while (count-- > 0) {
		if (!record_send(sealer, RECORD_HANDSHAKE, message, sizeof(message)))
			return false;
		if (!expand_label(sealer->secret, "traffic upd", next, sizeof(next)))
			return false;
		memcpy(sealer->secret, next, sizeof(next));
		if (!keys_from_secret(sealer))
			return false;
	}
	return true;
}
