/*
 * The user-space record engine: headers, refusals, records against libssl, and its two
 * implementations of AES-GCM against one another.
 */
#include "ktls/alert.h"
#include "tests/unit/ktls_pair.h"

#include <stdlib.h>
#include <string.h>
#include <CUnit/CUnit.h>
#include <sys/mman.h>

/* 20 combinations of version, cipher, implementation and direction share them. */
#define RECORDS_EACH 17008 /* whole batches */
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

/* A version, a cipher and who computes it: all that there are, one after the other. */
struct variant {
	enum ktls_version version;
	enum ktls_cipher cipher;
	const struct ktls_aead_ops *ops;
};

#define VARIANTS (2 * KTLS_CIPHERS * 2)

/* False where there is no such implementation. */
static bool variant_set(struct variant *variant, int index)
{
	variant->version = (enum ktls_version)(index % 2);
	variant->cipher = (enum ktls_cipher)(index / 2 % KTLS_CIPHERS);
	variant->ops = index < 2 * KTLS_CIPHERS ? &ktls_aead_libcrypto
						: ktls_aead_ipsec_mb(variant->cipher);
	return variant->ops;
}

static uint64_t exchange_records(const struct variant *variant, uint64_t *state, uint8_t *data)
{
	struct pair_options options = {.version = variant->version,
		.suite = pair_suite(variant->version, variant->cipher),
		.aead = variant->ops};
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	bool equal = true;
	for (int j = 0; equal && j < RECORDS_EACH / BATCH; j++)
		equal = client_writes_batch(pair, state, data) &&
			session_writes_batch(pair, state, data);
	CU_ASSERT(equal);
	const struct ktls_aead *tx = &pair->session->side[KTLS_TX].aead;
	const struct ktls_aead *rx = &pair->session->side[KTLS_RX].aead;
	CU_ASSERT_PTR_EQUAL(tx->ops, variant->ops);
	CU_ASSERT_PTR_EQUAL(rx->ops, variant->ops);
	uint64_t records = tx->sequence + rx->sequence;
	CU_ASSERT(records >= 2 * RECORDS_EACH);
	pair_free(pair);
	return records;
}

static void test_differential(void)
{
	uint64_t state = 0x9e3779b97f4a7c15, records = 0;
	uint8_t *data = malloc(PAIR_BUFFER);
	for (int i = 0; i < VARIANTS; i++) {
		struct variant variant;
		if (variant_set(&variant, i))
			records += exchange_records(&variant, &state, data);
	}
	CU_ASSERT(records >= 200000);
	free(data);
}

struct engines {
	struct ktls_crypto crypto;
	struct ktls_aead tx, rx;
};

/* Both ends of one direction under fixed keys; `ops`: NULL for the default. */
static void engines_init_by(struct engines *engines, enum ktls_version version,
	enum ktls_cipher cipher, const struct ktls_aead_ops *ops)
{
	struct ktls_keys keys;
	memset(engines, 0, sizeof *engines);
	memset(&keys, 7, sizeof keys);
	CU_ASSERT_EQUAL_FATAL(ktls_crypto_init(&engines->crypto), 0);
	if (ops)
		engines->crypto.aead[cipher] = ops;
	CU_ASSERT_EQUAL_FATAL(
		ktls_aead_init(&engines->tx, &engines->crypto, version, cipher, &keys, KTLS_TX, 0),
		0);
	CU_ASSERT_EQUAL_FATAL(
		ktls_aead_init(&engines->rx, &engines->crypto, version, cipher, &keys, KTLS_RX, 0),
		0);
}

static void engines_init(
	struct engines *engines, enum ktls_version version, enum ktls_cipher cipher)
{
	engines_init_by(engines, version, cipher, NULL);
}

static void engines_done(struct engines *engines)
{
	ktls_aead_done(&engines->tx);
	ktls_aead_done(&engines->rx);
	ktls_crypto_done(&engines->crypto);
}

static void check_every_bit(const struct variant *variant)
{
	struct engines engines;
	uint8_t record[128], out[128], type;
	engines_init_by(&engines, variant->version, variant->cipher, variant->ops);
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
	for (int i = 0; i < VARIANTS; i++) {
		struct variant variant;
		if (variant_set(&variant, i))
			check_every_bit(&variant);
	}
}

#define PASSES 8

/*
 * Two implementations of one direction, and buffers that end where memory does: assembly
 * that reads or writes beyond them is not seen by a sanitizer.
 */
struct twins {
	struct engines libcrypto, ipsec_mb;
	uint8_t *data_end, *record_end, *out_end;
	uint8_t expected[KTLS_RECORD_MAX];
};

#define GUARDED 32768 /* a multiple of every page size, with room for a record */

/* The end of as many bytes, behind which nothing may be touched. */
static uint8_t *guarded_new(void)
{
	uint8_t *memory = mmap(NULL, (size_t)2 * GUARDED, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_NOT_EQUAL_FATAL(memory, MAP_FAILED);
	CU_ASSERT_EQUAL_FATAL(mprotect(memory + GUARDED, GUARDED, PROT_NONE), 0);
	return memory + GUARDED;
}

static void guarded_free(uint8_t *end)
{
	munmap(end - GUARDED, (size_t)2 * GUARDED);
}

/* Both seal the same record, open one another's, and refuse it with one bit flipped. */
static bool twins_agree(struct twins *twins, size_t len, uint64_t *state)
{
	const size_t size = len + ktls_aead_overhead(&twins->libcrypto.tx);
	const uint8_t *data = twins->data_end - len;
	uint8_t *record = twins->record_end - size,
		*out = twins->out_end - len - (twins->libcrypto.tx.version == KTLS_TLS13);
	const size_t bits = 8 * (size - KTLS_RECORD_HEADER);
	const size_t bit = 8 * KTLS_RECORD_HEADER + next_random(state) % bits;
	uint8_t type;
	int n = ktls_aead_seal(&twins->libcrypto.tx, KTLS_RECORD_DATA, data, len, twins->expected);
	if (ktls_aead_seal(&twins->ipsec_mb.tx, KTLS_RECORD_DATA, data, len, record) != n ||
		n != (int)size || memcmp(record, twins->expected, size) != 0)
		return false;
	record[bit / 8] ^= (uint8_t)(1 << bit % 8);
	if (ktls_aead_open(&twins->ipsec_mb.rx, record, size, out, &type) !=
		-KTLS_ALERT_BAD_RECORD_MAC)
		return false;
	record[bit / 8] ^= (uint8_t)(1 << bit % 8);
	return ktls_aead_open(&twins->ipsec_mb.rx, record, size, out, &type) == (int)len &&
	       type == KTLS_RECORD_DATA && memcmp(out, data, len) == 0 &&
	       ktls_aead_open(&twins->libcrypto.rx, record, size, out, &type) == (int)len &&
	       memcmp(out, data, len) == 0;
}

static void check_every_length(const struct variant *variant)
{
	uint64_t state = 0x2545f4914f6cdd1d;
	struct twins *twins = malloc(sizeof *twins);
	twins->data_end = guarded_new();
	twins->record_end = guarded_new();
	twins->out_end = guarded_new();
	engines_init_by(&twins->libcrypto, variant->version, variant->cipher, &ktls_aead_libcrypto);
	engines_init_by(&twins->ipsec_mb, variant->version, variant->cipher, variant->ops);
	bool agree = true;
	for (int i = 0; i < PASSES; i++) {
		random_fill(&state, twins->data_end - GUARDED, GUARDED);
		for (size_t len = 0; agree && len <= KTLS_RECORD_PLAINTEXT; len++)
			agree = twins_agree(twins, len, &state);
	}
	CU_ASSERT(agree);
	CU_ASSERT_EQUAL(twins->ipsec_mb.rx.sequence, PASSES * (KTLS_RECORD_PLAINTEXT + 1));
	engines_done(&twins->libcrypto);
	engines_done(&twins->ipsec_mb);
	guarded_free(twins->data_end);
	guarded_free(twins->record_end);
	guarded_free(twins->out_end);
	free(twins);
}

/* Half a million records sealed by each, and opened by the other. */
static void test_every_length(void)
{
	for (int i = 2 * KTLS_CIPHERS; i < VARIANTS; i++) {
		struct variant variant;
		if (variant_set(&variant, i))
			check_every_length(&variant);
	}
}

/* A library that is there is used, but not where only validated modules may be. */
static void test_implementations(void)
{
	struct ktls_crypto crypto;
#if defined(FERRULE_IPSEC_MB)
	const bool is_there = __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
	CU_ASSERT_EQUAL(ktls_aead_ipsec_mb(KTLS_AES_128_GCM) != NULL, is_there);
#endif
	CU_ASSERT_PTR_NULL(ktls_aead_ipsec_mb(KTLS_CHACHA20_POLY1305));
	CU_ASSERT_EQUAL_FATAL(ktls_crypto_init(&crypto), 0);
	for (int i = 0; i < KTLS_CIPHERS; i++) {
		const struct ktls_aead_ops *found = ktls_aead_ipsec_mb((enum ktls_cipher)i);
		CU_ASSERT_PTR_EQUAL(crypto.aead[i], found ? found : &ktls_aead_libcrypto);
	}
	ktls_crypto_done(&crypto);
	CU_ASSERT_EQUAL(EVP_default_properties_enable_fips(NULL, 1), 1);
	CU_ASSERT_PTR_NULL(ktls_aead_ipsec_mb(KTLS_AES_128_GCM));
	CU_ASSERT_EQUAL(EVP_default_properties_enable_fips(NULL, 0), 1);
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
	{"libipsec-mb against libcrypto, every length", test_every_length},
	{"the implementation that is there", test_implementations},
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
