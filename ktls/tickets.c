/*
 * Session tickets with keys that supervisor and workers share (RFC 5077 4). The
 * memory has one writer; readers retry when the sequence moved under them.
 */
#include "ktls/session.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#define NAME   16
#define AES    32
#define HMAC   32
#define AES_IV 16

_Static_assert(NAME + AES + HMAC == KTLS_TICKET_KEY_SIZE, "nginx's and HAProxy's 80-byte layout");

void ktls_tickets_set(struct ktls_tickets *tickets, const uint8_t *keys, uint32_t count)
{
	uint8_t copy[KTLS_TICKET_KEYS][KTLS_TICKET_KEY_SIZE];
	memcpy(copy, keys, (size_t)count * KTLS_TICKET_KEY_SIZE);
	uint32_t sequence = __atomic_load_n(&tickets->sequence, __ATOMIC_RELAXED);
	__atomic_store_n(&tickets->sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(tickets->keys, copy, (size_t)count * KTLS_TICKET_KEY_SIZE);
	__atomic_store_n(&tickets->count, count, __ATOMIC_RELAXED);
	__atomic_store_n(&tickets->sequence, sequence + 2, __ATOMIC_RELEASE);
	OPENSSL_cleanse(copy, sizeof copy);
}

int ktls_tickets_rotate(struct ktls_tickets *tickets)
{
	uint8_t keys[KTLS_TICKET_KEYS + 1][KTLS_TICKET_KEY_SIZE];
	uint32_t count = tickets->count;
	int result = -1;
	memcpy(keys[1], tickets->keys, sizeof tickets->keys);
	if (RAND_priv_bytes(keys[0], KTLS_TICKET_KEY_SIZE) == 1) {
		ktls_tickets_set(
			tickets, keys[0], count < KTLS_TICKET_KEYS ? count + 1 : KTLS_TICKET_KEYS);
		result = 0;
	}
	OPENSSL_cleanse(keys, sizeof keys);
	return result;
}

/*
 * Copies the key with that name, or the first one when name is NULL. Returns its
 * index, or -1.
 */
static int ticket_key(
	const struct ktls_tickets *tickets, const uint8_t *name, uint8_t key[KTLS_TICKET_KEY_SIZE])
{
	uint32_t before, after;
	int found;
	do {
		found = -1;
		before = __atomic_load_n(&tickets->sequence, __ATOMIC_ACQUIRE);
		uint32_t count = __atomic_load_n(&tickets->count, __ATOMIC_RELAXED);
		for (uint32_t i = 0; i < count && i < KTLS_TICKET_KEYS && found < 0; i++) {
			if (name && memcmp(tickets->keys[i], name, NAME) != 0)
				continue;
			memcpy(key, tickets->keys[i], KTLS_TICKET_KEY_SIZE);
			found = (int)i;
		}
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		after = __atomic_load_n(&tickets->sequence, __ATOMIC_RELAXED);
	} while (before != after || before & 1);
	return found;
}

static bool set_mac_key(EVP_MAC_CTX *mac, uint8_t *key)
{
	static char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key, HMAC),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 use it, 2 use it and send a new one, 0 ignore. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int encrypt)
{
	const struct ktls_session *session = SSL_get_app_data(ssl);
	const EVP_CIPHER *aes = session->server->crypto.aes_256_cbc;
	uint8_t key[KTLS_TICKET_KEY_SIZE];
	int result = -1;
	int index = ticket_key(session->server->tickets, encrypt ? NULL : name, key);
	if (index < 0) {
		result = 0;
		goto out;
	}
	if (encrypt) {
		memcpy(name, key, NAME);
		if (RAND_bytes(iv, AES_IV) != 1)
			goto out;
	}
	if (EVP_CipherInit_ex(cipher, aes, NULL, key + NAME, iv, encrypt) != 1 ||
		!set_mac_key(mac, key + NAME + AES))
		goto out;
	result = index == 0 ? 1 : 2;
out:
	OPENSSL_cleanse(key, sizeof key);
	return result;
}

void ktls_tickets_attach(SSL_CTX *ctx, const struct ktls_tickets *tickets)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_timeout(ctx, (long)tickets->lifetime);
}
