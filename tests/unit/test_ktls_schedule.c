/* Key schedule against published traces, and against libssl in test_ktls_session.c. */
#include "ktls/schedule.h"

#include <string.h>
#include <CUnit/CUnit.h>
#include <openssl/crypto.h>

static bool equals_hex(const uint8_t *data, size_t len, const char *hex)
{
	long size = 0;
	uint8_t *expected = OPENSSL_hexstr2buf(hex, &size);
	bool equal = expected && (size_t)size == len && memcmp(data, expected, len) == 0;
	OPENSSL_free(expected);
	return equal;
}

static void from_hex(const char *hex, uint8_t *out, size_t size)
{
	size_t len = 0;
	CU_ASSERT_EQUAL_FATAL(OPENSSL_hexstr2buf_ex(out, size, &len, hex, '\0'), 1);
}

#define CLIENT_SECRET "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"
#define SERVER_SECRET "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"

static void check_tls13(
	enum ktls_cipher cipher, const char *secret_hex, const char *key, const char *iv)
{
	struct ktls_crypto crypto;
	struct ktls_keys keys;
	uint8_t secret[KTLS_SECRET_MAX];
	CU_ASSERT_EQUAL_FATAL(ktls_crypto_init(&crypto), 0);
	from_hex(secret_hex, secret, sizeof secret);
	CU_ASSERT_EQUAL(ktls_keys_tls13(&crypto, cipher, secret, &keys), 0);
	CU_ASSERT(equals_hex(keys.key, ktls_cipher_parameters[cipher].key_size, key));
	CU_ASSERT(equals_hex(keys.iv, sizeof keys.iv, iv));
	ktls_crypto_done(&crypto);
}

/* RFC 8448 3: "derive read/write traffic keys for application data". */
static void test_rfc8448(void)
{
	check_tls13(KTLS_AES_128_GCM, CLIENT_SECRET, "17422dda596ed5d9acd890e3c63f5051",
		"5b78923dee08579033e523d9");
	check_tls13(KTLS_AES_128_GCM, SERVER_SECRET, "9f02283b6c9c07efc26bb9f2ac92e356",
		"cf782b88dd83549aadf1e984");
}

/* Computed with python's hmac from RFC 5869 and RFC 8446 7.1; secrets of 32 and 48 bytes. */
static void test_other_ciphers(void)
{
	check_tls13(KTLS_CHACHA20_POLY1305, CLIENT_SECRET,
		"c8afd24f48952725381a54085e8d8e3856d8d89e3019243b30a9db54809a3732",
		"5b78923dee08579033e523d9");
	check_tls13(KTLS_AES_256_GCM,
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		"202122232425262728292a2b2c2d2e2f",
		"6877d022f1c61d24ebb7487c16752d9a4798e40431c75b39320e537c90e23225",
		"42822531a0fe88648fc09e9f");
}

static void check_update(enum ktls_cipher cipher, const char *from, const char *to)
{
	struct ktls_crypto crypto;
	uint8_t secret[KTLS_SECRET_MAX] = {0};
	CU_ASSERT_EQUAL_FATAL(ktls_crypto_init(&crypto), 0);
	from_hex(from, secret, sizeof secret);
	CU_ASSERT_EQUAL(ktls_secret_update(&crypto, cipher, secret), 0);
	CU_ASSERT(equals_hex(secret, ktls_cipher_parameters[cipher].secret_size, to));
	ktls_crypto_done(&crypto);
}

static void test_traffic_update(void)
{
	check_update(KTLS_AES_128_GCM, CLIENT_SECRET,
		"fcdfcc72725aaee48bf64e4fd8b749cdbdbab39d90da0b26e2245ca6ea167207");
	check_update(KTLS_CHACHA20_POLY1305, SERVER_SECRET,
		"51921b8aa3001976eb401d0a4319a8516416a6c56001a357e5d162031e84f916");
	check_update(KTLS_AES_256_GCM,
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		"202122232425262728292a2b2c2d2e2f",
		"401331b63e9d59f202e8f041042d9516f4cd7fa2e2ee14631d3b49fc340d7af3"
		"7fc2c0c9f252d8036f81ec5b85cbe5db");
}

struct key_block_vector {
	enum ktls_cipher cipher;
	const char *block, *client_key, *server_key, *client_iv, *server_iv;
};

/* NIST CAVP, TLS 1.2 KDF, SHA-256, first vector; for SHA-384 python's hmac had its inputs. */
#define BLOCK_SHA256                                                                               \
	"d06139889fffac1e3a71865f504aa5d0d2a2e89506c6f2279b670c3e1b74f531016a2530c51a3a0f"         \
	"7e1d6590d0f0566b2f387f8d11fd4f731cdd572d2eae927f6f2f81410b25e6960be68985add6c384"         \
	"45ad9f8c64bf8068"
#define BLOCK_SHA384                                                                               \
	"b84552bae02337724b10e65bbdb999f7310a88373cac4f9362c5768eb986898e8d1197f03b7cfef9"         \
	"1d37d6d451a0d710390326a35375d2174cf0cf2aba7204858835f8b4396a24b8"

/* Cut up as RFC 5246 6.3 says. */
static const struct key_block_vector key_block_vectors[] = {
	{KTLS_AES_128_GCM, BLOCK_SHA256, "d06139889fffac1e3a71865f504aa5d0",
		"d2a2e89506c6f2279b670c3e1b74f531", "016a2530", "c51a3a0f"},
	{KTLS_CHACHA20_POLY1305, BLOCK_SHA256,
		"d06139889fffac1e3a71865f504aa5d0d2a2e89506c6f2279b670c3e1b74f531",
		"016a2530c51a3a0f7e1d6590d0f0566b2f387f8d11fd4f731cdd572d2eae927f",
		"6f2f81410b25e6960be68985", "add6c38445ad9f8c64bf8068"},
	{KTLS_AES_256_GCM, BLOCK_SHA384,
		"b84552bae02337724b10e65bbdb999f7310a88373cac4f9362c5768eb986898e",
		"8d1197f03b7cfef91d37d6d451a0d710390326a35375d2174cf0cf2aba720485", "8835f8b4",
		"396a24b8"},
};

static void test_key_block(void)
{
	for (size_t i = 0; i < sizeof key_block_vectors / sizeof *key_block_vectors; i++) {
		const struct key_block_vector *vector = &key_block_vectors[i];
		size_t key = ktls_cipher_parameters[vector->cipher].key_size;
		size_t iv = ktls_cipher_parameters[vector->cipher].fixed_iv, len = 2 * (key + iv);
		uint8_t block[2 * (KTLS_KEY_MAX + KTLS_IV_SIZE)];
		struct ktls_keys client, server;
		from_hex(vector->block, block, sizeof block);
		CU_ASSERT_EQUAL(ktls_keys_tls12(vector->cipher, block, len, &client, &server), 0);
		CU_ASSERT(equals_hex(client.key, key, vector->client_key));
		CU_ASSERT(equals_hex(server.key, key, vector->server_key));
		CU_ASSERT(equals_hex(client.iv, iv, vector->client_iv));
		CU_ASSERT(equals_hex(server.iv, iv, vector->server_iv));
		CU_ASSERT_EQUAL(
			ktls_keys_tls12(vector->cipher, block, len - 1, &client, &server), -1);
	}
}

static void test_label_too_long(void)
{
	struct ktls_crypto crypto;
	uint8_t secret[KTLS_SECRET_MAX] = {0}, out[16];
	CU_ASSERT_EQUAL_FATAL(ktls_crypto_init(&crypto), 0);
	CU_ASSERT_EQUAL(ktls_expand_label(&crypto, KTLS_AES_128_GCM, secret,
				"a label of more than 32 characters", out, sizeof out),
		-1);
	ktls_crypto_done(&crypto);
}

static CU_TestInfo schedule_tests[] = {
	{"RFC 8448 traffic keys", test_rfc8448},
	{"keys of 32 bytes, secrets of 48", test_other_ciphers},
	{"traffic upd", test_traffic_update},
	{"TLS 1.2 key block", test_key_block},
	{"label too long", test_label_too_long},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo ktls_schedule_suites[];
CU_SuiteInfo ktls_schedule_suites[] = {
	{"ktls schedule", NULL, NULL, NULL, NULL, schedule_tests},
	CU_SUITE_INFO_NULL,
};
