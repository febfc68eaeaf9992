/* The user-space record engine: headers, refusals, and 200,000 records against libssl. */
#include "ktls/alert.h"
#include "tests/unit/ktls_pair.h"

#include <stdlib.h>
#include <string.h>
#include <CUnit/CUnit.h>

/* 12 combinations of version, cipher and direction share them. */
#define RECORDS_EACH 17000
#define BATCH        16

/* xorshift64: the same lengths and bytes in every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t random_len(uint64_t *state)
{
	uint64_t number = next_random(state);
	return 1 + (number % 64 == 0 ? number / 64 % KTLS_RECORD_PLAINTEXT : number / 64 % 700);
}

static void random_fill(uint64_t *state, uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t number = next_random(state);
		memcpy(data + i, &number, len - i < 8 ? len - i : 8);
	}
}

static bool client_writes_batch(struct pair *pair, uint64_t *state, uint8_t *data)
{
	size_t total = 0;
	pair->plain_len = 0;
	for (int i = 0; i < BATCH && total < PAIR_BUFFER / 4; i++) {
		size_t len = random_len(state);
		random_fill(state, data + total, len);
		if (!pair_write(pair, data + total, len))
			return false;
		total += len;
	}
	return pair_open(pair) == KTLS_WANT_READ && pair->plain_len == total &&
	       memcmp(pair->plain, data, total) == 0;
}

static bool session_writes_batch(struct pair *pair, uint64_t *state, uint8_t *data)
{
	for (int i = 0; i < BATCH; i++) {
		size_t len = random_len(state);
		random_fill(state, data, len);
		if (!pair_seal_matches(pair, data, len))
			return false;
	}
	return true;
}

static void test_differential(void)
{
	uint64_t state = 0x9e3779b97f4a7c15, records = 0;
	uint8_t *data = malloc(PAIR_BUFFER);
	for (int i = 0; i < 2 * KTLS_CIPHERS; i++) {
		struct pair *pair =
			pair_simple((enum ktls_version)(i % 2), (enum ktls_cipher)(i / 2));
		CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
		bool equal = true;
		for (int j = 0; equal && j < RECORDS_EACH / BATCH; j++)
			equal = client_writes_batch(pair, &state, data) &&
				session_writes_batch(pair, &state, data);
		CU_ASSERT(equal);
		records += pair->session->side[KTLS_RX].aead.sequence;
		records += pair->session->side[KTLS_TX].aead.sequence;
		pair_free(pair);
	}
	CU_ASSERT(records >= 200000);
	free(data);
}

struct engines {
	struct ktls_crypto crypto;
	struct ktls_aead tx, rx;
};

/* Both ends of one direction under fixed keys. */
static void engines_init(
	struct engines *engines, enum ktls_version version, enum ktls_cipher cipher)
{
	struct ktls_keys keys;
	memset(engines, 0, sizeof *engines);
	memset(&keys, 7, sizeof keys);
	CU_ASSERT_EQUAL_FATAL(ktls_crypto_init(&engines->crypto), 0);
	CU_ASSERT_EQUAL_FATAL(
		ktls_aead_init(&engines->tx, &engines->crypto, version, cipher, &keys, KTLS_TX, 0),
		0);
	CU_ASSERT_EQUAL_FATAL(
		ktls_aead_init(&engines->rx, &engines->crypto, version, cipher, &keys, KTLS_RX, 0),
		0);
}

static void engines_done(struct engines *engines)
{
	ktls_aead_done(&engines->tx);
	ktls_aead_done(&engines->rx);
	ktls_crypto_done(&engines->crypto);
}

static void check_every_bit(enum ktls_version version, enum ktls_cipher cipher)
{
	struct engines engines;
	uint8_t record[128], out[128], type;
	engines_init(&engines, version, cipher);
	int len =
		ktls_aead_seal(&engines.tx, KTLS_RECORD_DATA, (const uint8_t *)"hello", 5, record);
	CU_ASSERT_EQUAL_FATAL((size_t)len, 5 + ktls_aead_overhead(&engines.tx));
	/* the header is not touched: its length decides how much is opened */
	for (int bit = 8 * KTLS_RECORD_HEADER; bit < 8 * len; bit++) {
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		int n = ktls_aead_open(&engines.rx, record, (size_t)len, out, &type);
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CU_ASSERT_EQUAL(n, -KTLS_ALERT_BAD_RECORD_MAC);
	}
	CU_ASSERT_EQUAL(engines.rx.sequence, 0);
	CU_ASSERT_EQUAL(ktls_aead_open(&engines.rx, record, (size_t)len, out, &type), 5);
	CU_ASSERT_EQUAL(type, KTLS_RECORD_DATA);
	CU_ASSERT_EQUAL(memcmp(out, "hello", 5), 0);
	/* the same record again: its sequence number has passed */
	int replayed = ktls_aead_open(&engines.rx, record, (size_t)len, out, &type);
	CU_ASSERT_EQUAL(replayed, -KTLS_ALERT_BAD_RECORD_MAC);
	engines_done(&engines);
}

static void test_every_bit(void)
{
	for (int i = 0; i < 2 * KTLS_CIPHERS; i++)
		check_every_bit((enum ktls_version)(i % 2), (enum ktls_cipher)(i / 2));
}

struct header_case {
	enum ktls_version version;
	uint8_t header[KTLS_RECORD_HEADER];
	int expected;
};

/* clang-format off */
static const struct header_case header_cases[] = {
	{KTLS_TLS13, {23, 3, 3, 0x41, 0x00}, 5 + 16384 + 256},
	{KTLS_TLS13, {23, 3, 3, 0x41, 0x01}, -KTLS_ALERT_RECORD_OVERFLOW},
	{KTLS_TLS13, {23, 3, 3, 0xff, 0xff}, -KTLS_ALERT_RECORD_OVERFLOW},
	{KTLS_TLS13, {23, 3, 3, 0x00, 0x11}, 5 + 17},
	{KTLS_TLS13, {23, 3, 3, 0x00, 0x10}, -KTLS_ALERT_BAD_RECORD_MAC},
	{KTLS_TLS13, {23, 3, 3, 0x00, 0x00}, -KTLS_ALERT_BAD_RECORD_MAC},
	{KTLS_TLS13, {23, 3, 1, 0x00, 0x20}, -KTLS_ALERT_PROTOCOL_VERSION},
	{KTLS_TLS13, {23, 2, 3, 0x00, 0x20}, -KTLS_ALERT_PROTOCOL_VERSION},
	{KTLS_TLS13, {20, 3, 3, 0x00, 0x01}, -KTLS_ALERT_UNEXPECTED_MESSAGE},
	{KTLS_TLS13, {21, 3, 3, 0x00, 0x02}, -KTLS_ALERT_UNEXPECTED_MESSAGE},
	{KTLS_TLS13, {'G', 'E', 'T', ' ', '/'}, -KTLS_ALERT_UNEXPECTED_MESSAGE},
	{KTLS_TLS12, {21, 3, 3, 0x00, 0x1a}, 5 + 26},
	{KTLS_TLS12, {23, 3, 3, 0x00, 0x18}, 5 + 24},
	{KTLS_TLS12, {23, 3, 3, 0x00, 0x17}, -KTLS_ALERT_BAD_RECORD_MAC},
	{KTLS_TLS12, {24, 3, 3, 0x00, 0x40}, -KTLS_ALERT_UNEXPECTED_MESSAGE},
	{KTLS_TLS12, {19, 3, 3, 0x00, 0x40}, -KTLS_ALERT_UNEXPECTED_MESSAGE},
	{KTLS_TLS12, {23, 3, 3, 0x41, 0x01}, -KTLS_ALERT_RECORD_OVERFLOW},
};
/* clang-format on */

static void test_headers(void)
{
	for (size_t i = 0; i < sizeof header_cases / sizeof *header_cases; i++) {
		const struct header_case *c = &header_cases[i];
		struct engines engines;
		engines_init(&engines, c->version, KTLS_AES_128_GCM);
		CU_ASSERT_EQUAL(ktls_record_length(&engines.rx, c->header), c->expected);
		engines_done(&engines);
	}
}

/*
 * Seals `len` bytes of content, the byte of `type` and `padding` zeros as one
 * TLSInnerPlaintext (RFC 8446 5.2), opens it, and returns what opening returned.
 */
static int open_padded(size_t len, uint8_t type, size_t padding, uint8_t *opened_type)
{
	static uint8_t inner[KTLS_RECORD_MAX], record[KTLS_RECORD_MAX], out[KTLS_RECORD_MAX];
	struct engines engines;
	engines_init(&engines, KTLS_TLS13, KTLS_AES_128_GCM);
	memset(inner, 'x', len);
	inner[len] = type;
	memset(inner + len + 1, 0, padding);
	/* the engine appends one type byte: the last zero of the padding, or `type` itself */
	size_t body = len + padding;
	int n = ktls_aead_seal(
		&engines.tx, (enum ktls_record_type)inner[body], inner, body, record);
	n = ktls_aead_open(&engines.rx, record, (size_t)n, out, opened_type);
	engines_done(&engines);
	return n;
}

static void test_padding(void)
{
	static const size_t paddings[] = {0, 1, 15, 255, 4096, KTLS_RECORD_PLAINTEXT - 3};
	uint8_t type = 0;
	for (size_t i = 0; i < sizeof paddings / sizeof *paddings; i++) {
		CU_ASSERT_EQUAL(open_padded(3, KTLS_RECORD_DATA, paddings[i], &type), 3);
		CU_ASSERT_EQUAL(type, KTLS_RECORD_DATA);
	}
	CU_ASSERT_EQUAL(open_padded(0, KTLS_RECORD_ALERT, 7, &type), 0);
	CU_ASSERT_EQUAL(type, KTLS_RECORD_ALERT);
	/* RFC 8446 5.4: no non-zero octet at all */
	CU_ASSERT_EQUAL(open_padded(0, 0, 0, &type), -KTLS_ALERT_UNEXPECTED_MESSAGE);
	CU_ASSERT_EQUAL(open_padded(0, 0, 500, &type), -KTLS_ALERT_UNEXPECTED_MESSAGE);
}

/* Seals `content` bytes of 23 and zeros up to len by hand: the engine refuses to. */
static int open_oversize(enum ktls_version version, size_t content, size_t len)
{
	static uint8_t inner[KTLS_RECORD_MAX], record[KTLS_RECORD_MAX], out[KTLS_RECORD_MAX];
	struct engines engines;
	engines_init(&engines, version, KTLS_CHACHA20_POLY1305);
	struct ktls_aead_message message = {.data = inner, .len = len};
	message.additional_len = version == KTLS_TLS13 ? 5 : 13;
	size_t wire_len = len + 16, header_len = version == KTLS_TLS13 ? wire_len : len;
	const uint8_t header[5] = {23, 3, 3, (uint8_t)(wire_len >> 8), (uint8_t)wire_len};
	uint8_t *additional = message.additional + message.additional_len;
	memcpy(record, header, 5);
	memcpy(additional - 5, header, 3);
	additional[-2] = (uint8_t)(header_len >> 8);
	additional[-1] = (uint8_t)header_len;
	memset(message.nonce, 7, sizeof message.nonce); /* sequence number 0 */
	memset(inner, 0, sizeof inner);
	memset(inner, 23, content);
	CU_ASSERT(engines.tx.ops->seal(engines.tx.key, &message, NULL, record + 5));
	uint8_t type;
	int n = ktls_aead_open(&engines.rx, record, 5 + wire_len, out, &type);
	engines_done(&engines);
	return n;
}

static void test_oversize(void)
{
	CU_ASSERT_EQUAL(open_oversize(KTLS_TLS12, 16384, 16384), 16384);
	CU_ASSERT_EQUAL(open_oversize(KTLS_TLS12, 16385, 16385), -KTLS_ALERT_RECORD_OVERFLOW);
	CU_ASSERT_EQUAL(open_oversize(KTLS_TLS13, 16385, 16385), 16384);
	CU_ASSERT_EQUAL(open_oversize(KTLS_TLS13, 100, 16385), 99);
	CU_ASSERT_EQUAL(open_oversize(KTLS_TLS13, 16386, 16386), -KTLS_ALERT_RECORD_OVERFLOW);
	/* RFC 8446 5.4: padding counts, too */
	CU_ASSERT_EQUAL(open_oversize(KTLS_TLS13, 100, 16386), -KTLS_ALERT_RECORD_OVERFLOW);
	CU_ASSERT_EQUAL(open_oversize(KTLS_TLS13, 100, 16624), -KTLS_ALERT_RECORD_OVERFLOW);
}

static CU_TestInfo record_tests[] = {
	{"200,000 records against libssl", test_differential},
	{"every flipped bit is noticed", test_every_bit},
	{"record headers", test_headers},
	{"padding", test_padding},
	{"more than 2^14 bytes inside", test_oversize},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo ktls_record_suites[];
CU_SuiteInfo ktls_record_suites[] = {
	{"ktls record", NULL, NULL, NULL, NULL, record_tests},
	CU_SUITE_INFO_NULL,
};
