#include "ktls/schedule.h"

#include "ktls/aead.h"

#include <string.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>

/* clang-format off */
const struct ktls_cipher_parameters ktls_cipher_parameters[KTLS_CIPHERS] = {
	[KTLS_AES_128_GCM]       = { "AES-128-GCM",       "AES-128-GCM",       "SHA256", 16, 32,  4, true  },
	[KTLS_AES_256_GCM]       = { "AES-256-GCM",       "AES-256-GCM",       "SHA384", 32, 48,  4, true  },
	[KTLS_CHACHA20_POLY1305] = { "CHACHA20-POLY1305", "ChaCha20-Poly1305", "SHA256", 32, 32, 12, false },
};
/* clang-format on */

const char *ktls_cipher_name(enum ktls_cipher cipher)
{
	return ktls_cipher_parameters[cipher].name;
}

const char *ktls_version_name(enum ktls_version version)
{
	return version == KTLS_TLS13 ? "TLSv1.3" : "TLSv1.2";
}

/* Who has OpenSSL take its ciphers from another provider than its own wants just that one. */
static const struct ktls_aead_ops *fastest(enum ktls_cipher cipher, const EVP_CIPHER *fetched)
{
	const OSSL_PROVIDER *provider = EVP_CIPHER_get0_provider(fetched);
	const struct ktls_aead_ops *ops = ktls_aead_ipsec_mb(cipher);
	return ops && strcmp(OSSL_PROVIDER_get0_name(provider), "default") == 0
		       ? ops
		       : &ktls_aead_libcrypto;
}

const char *ktls_cipher_library(enum ktls_cipher cipher)
{
	const char *evp_name = ktls_cipher_parameters[cipher].evp_name;
	EVP_CIPHER *fetched = EVP_CIPHER_fetch(NULL, evp_name, NULL);
	const char *name = fetched ? fastest(cipher, fetched)->name : "none";
	EVP_CIPHER_free(fetched);
	return name;
}

/* OSSL_PARAM takes pointers to non-const although it only reads through them. */
static void *unconst(const void *pointer)
{
	union {
		const void *from;
		void *to;
	} u = {.from = pointer};
	return u.to;
}

static EVP_KDF_CTX *expand_new(const char *digest)
{
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, unconst(digest), 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = hkdf ? EVP_KDF_CTX_new(hkdf) : NULL;
	EVP_KDF_free(hkdf);
	if (ctx && EVP_KDF_CTX_set_params(ctx, params) == 1)
		return ctx;
	EVP_KDF_CTX_free(ctx);
	return NULL;
}

int ktls_crypto_init(struct ktls_crypto *crypto)
{
	memset(crypto, 0, sizeof *crypto);
	crypto->aes_256_cbc = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	bool complete = crypto->aes_256_cbc;
	for (int i = 0; i < KTLS_CIPHERS; i++) {
		const struct ktls_cipher_parameters *parameters = &ktls_cipher_parameters[i];
		crypto->ciphers[i] = EVP_CIPHER_fetch(NULL, parameters->evp_name, NULL);
		crypto->expand[i] = expand_new(parameters->digest);
		complete = complete && crypto->ciphers[i] && crypto->expand[i];
		if (complete)
			crypto->aead[i] = fastest((enum ktls_cipher)i, crypto->ciphers[i]);
	}
	if (complete)
		return 0;
	ktls_crypto_done(crypto);
	return -1;
}

void ktls_crypto_done(struct ktls_crypto *crypto)
{
	EVP_CIPHER_free(crypto->aes_256_cbc);
	for (int i = 0; i < KTLS_CIPHERS; i++) {
		EVP_CIPHER_free(crypto->ciphers[i]);
		EVP_KDF_CTX_free(crypto->expand[i]);
	}
	memset(crypto, 0, sizeof *crypto);
}

/* The context outlives the session: it must not keep its secret. */
static int expand(EVP_KDF_CTX *ctx, const uint8_t *secret, size_t secret_size, uint8_t *info,
	size_t info_len, uint8_t *out, size_t out_size)
{
	uint8_t nothing = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, unconst(secret), secret_size),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, info_len),
		OSSL_PARAM_construct_end(),
	};
	OSSL_PARAM wipe[] = {
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, &nothing, sizeof nothing),
		OSSL_PARAM_construct_end(),
	};
	int derived = EVP_KDF_derive(ctx, out, out_size, params) > 0 ? 0 : -1;
	return EVP_KDF_CTX_set_params(ctx, wipe) == 1 ? derived : -1;
}

int ktls_expand_label(const struct ktls_crypto *crypto, enum ktls_cipher cipher,
	const uint8_t *secret, const char *label, uint8_t *out, size_t out_size)
{
	const struct ktls_cipher_parameters *parameters = &ktls_cipher_parameters[cipher];
	/* struct HkdfLabel: uint16 length, opaque label<7..255>, opaque context<0..255> */
	uint8_t info[2 + 1 + 6 + 32 + 1];
	size_t label_len = strlen(label);
	if (label_len > 32)
		return -1;
	info[0] = (uint8_t)(out_size >> 8);
	info[1] = (uint8_t)out_size;
	info[2] = (uint8_t)(6 + label_len);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, label_len);
	info[9 + label_len] = 0;
	return expand(crypto->expand[cipher], secret, parameters->secret_size, info, 10 + label_len,
		out, out_size);
}

int ktls_keys_tls13(const struct ktls_crypto *crypto, enum ktls_cipher cipher,
	const uint8_t *secret, struct ktls_keys *keys)
{
	if (ktls_expand_label(crypto, cipher, secret, "key", keys->key,
		    ktls_cipher_parameters[cipher].key_size) < 0)
		return -1;
	return ktls_expand_label(crypto, cipher, secret, "iv", keys->iv, sizeof keys->iv);
}

int ktls_secret_update(const struct ktls_crypto *crypto, enum ktls_cipher cipher, uint8_t *secret)
{
	size_t size = ktls_cipher_parameters[cipher].secret_size;
	uint8_t next[KTLS_SECRET_MAX];
	int updated = ktls_expand_label(crypto, cipher, secret, "traffic upd", next, size);
	if (updated == 0)
		memcpy(secret, next, size);
	OPENSSL_cleanse(next, sizeof next);
	return updated;
}

int ktls_keys_tls12(enum ktls_cipher cipher, const uint8_t *block, size_t len,
	struct ktls_keys *client, struct ktls_keys *server)
{
	const struct ktls_cipher_parameters *parameters = &ktls_cipher_parameters[cipher];
	size_t key = parameters->key_size, iv = parameters->fixed_iv;
	if (len != 2 * (key + iv))
		return -1;
	memset(client, 0, sizeof *client);
	memset(server, 0, sizeof *server);
	memcpy(client->key, block, key);
	memcpy(server->key, block + key, key);
	memcpy(client->iv, block + 2 * key, iv);
	memcpy(server->iv, block + 2 * key + iv, iv);
	return 0;
}
