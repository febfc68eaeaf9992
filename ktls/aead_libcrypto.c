/* The AEADs by libcrypto; a key is an EVP_CIPHER_CTX, whose freeing wipes the key schedule. */
#include "ktls/aead.h"

#include <string.h>

static void *libcrypto_key_new(const struct ktls_crypto *crypto, enum ktls_cipher cipher,
	const uint8_t *key, enum ktls_direction direction)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (ctx && EVP_CipherInit_ex(ctx, crypto->ciphers[cipher], NULL, key, NULL,
			   direction == KTLS_TX) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static void libcrypto_key_free(void *key)
{
	EVP_CIPHER_CTX_free(key);
}

static bool libcrypto_begin(EVP_CIPHER_CTX *ctx, const struct ktls_aead_message *message)
{
	int ignored;
	return EVP_CipherInit_ex(ctx, NULL, NULL, NULL, message->nonce, -1) == 1 &&
	       EVP_CipherUpdate(
		       ctx, NULL, &ignored, message->additional, message->additional_len) == 1;
}

static bool libcrypto_seal(
	void *key, const struct ktls_aead_message *message, const uint8_t *type, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = key;
	int n = 0, m = 0, final;
	return libcrypto_begin(ctx, message) &&
	       (!message->len ||
		       EVP_CipherUpdate(ctx, out, &n, message->data, (int)message->len) == 1) &&
	       (!type || EVP_CipherUpdate(ctx, out + n, &m, type, 1) == 1) &&
	       EVP_CipherFinal_ex(ctx, out + n + m, &final) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, KTLS_TAG_SIZE, out + n + m) == 1;
}

static bool libcrypto_open(void *key, const struct ktls_aead_message *message, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = key;
	uint8_t tag[KTLS_TAG_SIZE]; /* not const for libcrypto, although it only reads */
	int n = 0, final;
	memcpy(tag, message->data + message->len, sizeof tag);
	return libcrypto_begin(ctx, message) &&
	       (!message->len ||
		       EVP_CipherUpdate(ctx, out, &n, message->data, (int)message->len) == 1) &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) == 1 &&
	       EVP_CipherFinal_ex(ctx, out + n, &final) == 1;
}

const struct ktls_aead_ops ktls_aead_libcrypto = {
	"libcrypto", libcrypto_key_new, libcrypto_key_free, libcrypto_seal, libcrypto_open};
