/* Alerts, KeyUpdate, floods and record limits: what a session does about control records. */
#include "ktls/alert.h"
#include "tests/unit/ktls_pair.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <CUnit/CUnit.h>
#include <openssl/err.h>

static const uint8_t key_update[5] = {24, 0, 0, 1, 0};
static const uint8_t key_update_request[5] = {24, 0, 0, 1, 1};

static struct pair *tls13(void)
{
	struct pair *pair = pair_simple(KTLS_TLS13, KTLS_AES_256_GCM);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	return pair;
}

static struct pair *tls12(void)
{
	struct pair *pair = pair_simple(KTLS_TLS12, KTLS_AES_128_GCM);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	return pair;
}

/* One forged record; what ktls_open() made of it and which alert the client then read. */
static void check_answer(struct pair *pair, uint8_t type, const void *data, size_t len, int alert)
{
	CU_ASSERT(pair_forge(pair, type, data, len));
	CU_ASSERT_EQUAL(pair_open(pair), alert < 0 ? KTLS_WANT_READ : KTLS_FAILED);
	CU_ASSERT_EQUAL(pair_client_alert(pair), alert);
	if (alert >= 0)
		CU_ASSERT_STRING_NOT_EQUAL(ktls_session_error(pair->session), "");
	pair_free(pair);
}

/* ---- alerts --------------------------------------------------------------- */

static enum ktls_status expected_of_alert(
	enum ktls_version version, uint8_t level, uint8_t description)
{
	if (description == KTLS_ALERT_CLOSE_NOTIFY)
		return KTLS_CLOSED;
	if (version == KTLS_TLS12)
		return level == 1 ? KTLS_WANT_READ : KTLS_FAILED;
	return description == KTLS_ALERT_USER_CANCELED ? KTLS_WANT_READ : KTLS_FAILED;
}

static void check_alert_received(struct pair *pair, uint8_t level, uint8_t description)
{
	const uint8_t alert[2] = {level, description};
	enum ktls_status expected = expected_of_alert(pair->session->version, level, description);
	CU_ASSERT(pair_forge(pair, KTLS_RECORD_ALERT, alert, sizeof alert));
	CU_ASSERT_EQUAL(pair_open(pair), expected);
	/* RFC 8446 6.2: a fatal alert is not answered */
	CU_ASSERT_EQUAL(pair_client_read(pair), SSL_ERROR_WANT_READ);
	pair->session->closed = false;
	pair->session->warnings = 0;
	free(pair->session->error);
	pair->session->error = NULL;
}

static void test_alerts_received(void)
{
	struct pair *pairs[] = {tls12(), tls13()};
	for (int i = 0; i < 2; i++) {
		for (int description = 0; description < 256; description++) {
			check_alert_received(pairs[i], 1, (uint8_t)description);
			check_alert_received(pairs[i], 2, (uint8_t)description);
		}
		pair_free(pairs[i]);
	}
}

static void test_alerts_sent(void)
{
	for (int description = 1; description < 256; description++) {
		/* to TLS 1.3's client user_canceled is no end, whatever its level */
		bool is_tls12 = description % 2 || description == KTLS_ALERT_USER_CANCELED;
		struct pair *pair = is_tls12 ? tls12() : tls13();
		uint8_t bytes[KTLS_REPLY_ROOM];
		struct ktls_output reply = {bytes, 0, sizeof bytes};
		CU_ASSERT_EQUAL(ktls_alert(pair->session, (uint8_t)description, &reply), KTLS_DONE);
		pair_deliver(pair, &reply);
		CU_ASSERT_EQUAL(pair_client_alert(pair), description);
		/* nothing may follow it */
		reply.len = 0;
		CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &reply), KTLS_DONE);
		CU_ASSERT_EQUAL(reply.len, 0);
		pair_free(pair);
	}
}

static void test_malformed_alerts(void)
{
	check_answer(tls13(), KTLS_RECORD_ALERT, "", 0, KTLS_ALERT_UNEXPECTED_MESSAGE);
	check_answer(tls13(), KTLS_RECORD_ALERT, "\1", 1, KTLS_ALERT_DECODE_ERROR);
	check_answer(tls13(), KTLS_RECORD_ALERT, "\1\0\1\0", 4, KTLS_ALERT_DECODE_ERROR);
	check_answer(tls12(), KTLS_RECORD_ALERT, "\1\0\1", 3, KTLS_ALERT_DECODE_ERROR);
}

static void test_unexpected_types(void)
{
	static const uint8_t types[] = {1, 19, 20, 24, 25, 128, 255};
	for (size_t i = 0; i < sizeof types; i++)
		check_answer(tls13(), types[i], "x", 1, KTLS_ALERT_UNEXPECTED_MESSAGE);
	check_answer(tls12(), 20, "\1", 1, KTLS_ALERT_UNEXPECTED_MESSAGE);
	check_answer(tls13(), KTLS_RECORD_HANDSHAKE, "", 0, KTLS_ALERT_UNEXPECTED_MESSAGE);
	check_answer(tls12(), KTLS_RECORD_HANDSHAKE, "", 0, KTLS_ALERT_UNEXPECTED_MESSAGE);
}

static void test_all_zero_record(void)
{
	/* type 0 behind zeros: nothing but padding inside (RFC 8446 5.4) */
	check_answer(tls13(), 0, "\0\0\0\0", 4, KTLS_ALERT_UNEXPECTED_MESSAGE);
}

static void test_padded_control_records(void)
{
	struct pair *pair = tls13();
	/* content, type and padding; the engine's own type byte is one more zero */
	CU_ASSERT(pair_forge(pair, 0, "hello\x17\0\0\0", 9));
	CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
	CU_ASSERT_EQUAL(pair->plain_len, 5);
	CU_ASSERT(pair_forge(pair, 0, "\1\0\x15\0\0\0\0", 7));
	CU_ASSERT_EQUAL(pair_open(pair), KTLS_CLOSED);
	pair_free(pair);
}

static void check_raw(struct pair *pair, const char *bytes, size_t len, int alert)
{
	pair_inject(pair, bytes, len);
	CU_ASSERT_EQUAL(pair_open(pair), KTLS_FAILED);
	CU_ASSERT_EQUAL(pair_client_alert(pair), alert);
	pair_free(pair);
}

static void test_raw_records(void)
{
	char noise[64] = "\x17\x03\x03\x00\x28";
	check_raw(tls13(), noise, 45, KTLS_ALERT_BAD_RECORD_MAC);
	check_raw(tls12(), noise, 45, KTLS_ALERT_BAD_RECORD_MAC);
	check_raw(tls13(), "\x17\x03\x03\x00\x05", 5, KTLS_ALERT_BAD_RECORD_MAC);
	check_raw(tls12(), "\x17\x03\x03\x41\x01", 5, KTLS_ALERT_RECORD_OVERFLOW);
	check_raw(tls13(), "\x17\x02\x00\x00\x40", 5, KTLS_ALERT_PROTOCOL_VERSION);
	check_raw(tls13(), "\x14\x03\x03\x00\x01\x01", 6, KTLS_ALERT_UNEXPECTED_MESSAGE);
	check_raw(tls12(), "GET / HTTP/1.1\r\n\r\n", 18, KTLS_ALERT_UNEXPECTED_MESSAGE);
}

/* A record cut short is no error: the rest may come. */
static void test_partial_record(void)
{
	struct pair *pair = tls13();
	CU_ASSERT(pair_forge(pair, KTLS_RECORD_DATA, "hello", 5));
	size_t whole = pair->input_len;
	for (size_t len = 0; len < whole; len++) {
		pair->input_len = len;
		CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
		CU_ASSERT_EQUAL(pair->input_len, len);
	}
	pair->input_len = whole;
	CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
	CU_ASSERT_EQUAL(pair->plain_len, 5);
	pair_free(pair);
}

/* ---- KeyUpdate -------------------------------------------------------------- */

static bool data_crosses(struct pair *pair)
{
	pair->plain_len = 0;
	return pair_write(pair, "question", 8) && pair_open(pair) == KTLS_WANT_READ &&
	       pair->plain_len == 8 && memcmp(pair->plain, "question", 8) == 0 &&
	       pair_seal_matches(pair, "answer", 6);
}

static void check_key_updates(enum ktls_cipher cipher, int kind)
{
	struct pair *pair = pair_simple(KTLS_TLS13, cipher);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	for (int generation = 0; generation < 40; generation++) {
		CU_ASSERT_EQUAL(SSL_key_update(pair->client, kind), 1);
		CU_ASSERT(data_crosses(pair));
	}
	/* the client's libssl keeps up, so the generations are its own */
	CU_ASSERT_EQUAL(pair->session->side[KTLS_RX].aead.sequence, 1);
	uint64_t sent = pair->session->side[KTLS_TX].aead.sequence;
	CU_ASSERT_EQUAL(sent, kind == SSL_KEY_UPDATE_REQUESTED ? 1 : 40);
	pair_free(pair);
}

static void test_key_update(void)
{
	for (int cipher = 0; cipher < KTLS_CIPHERS; cipher++) {
		check_key_updates((enum ktls_cipher)cipher, SSL_KEY_UPDATE_NOT_REQUESTED);
		check_key_updates((enum ktls_cipher)cipher, SSL_KEY_UPDATE_REQUESTED);
	}
}

/* RFC 8446 5.1 lets a message be spread over records, byte by byte. */
static void test_key_update_in_pieces(void)
{
	struct pair *pair = tls13();
	for (size_t i = 0; i < sizeof key_update; i++) {
		CU_ASSERT(pair_forge(pair, KTLS_RECORD_HANDSHAKE, &key_update[i], 1));
		CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
	}
	CU_ASSERT_EQUAL(pair->session->side[KTLS_RX].aead.sequence, 0);
	pair_free(pair);
}

static void test_key_update_interleaved(void)
{
	struct pair *pair = tls13();
	CU_ASSERT(pair_forge(pair, KTLS_RECORD_HANDSHAKE, key_update, 3));
	check_answer(pair, KTLS_RECORD_DATA, "x", 1, KTLS_ALERT_UNEXPECTED_MESSAGE);
}

static void test_malformed_key_updates(void)
{
	static const uint8_t two[10] = {24, 0, 0, 1, 0, 24, 0, 0, 1, 0};
	check_answer(tls13(), KTLS_RECORD_HANDSHAKE, two, 10, KTLS_ALERT_UNEXPECTED_MESSAGE);
	check_answer(
		tls13(), KTLS_RECORD_HANDSHAKE, "\x18\0\0\1\2", 5, KTLS_ALERT_ILLEGAL_PARAMETER);
	check_answer(tls13(), KTLS_RECORD_HANDSHAKE, "\x18\0\0\2\0", 5, KTLS_ALERT_DECODE_ERROR);
	check_answer(tls13(), KTLS_RECORD_HANDSHAKE, "\x18\1\0\1\0", 5, KTLS_ALERT_DECODE_ERROR);
	check_answer(tls13(), KTLS_RECORD_HANDSHAKE, "\1\0\0\0", 4, KTLS_ALERT_UNEXPECTED_MESSAGE);
	check_answer(tls13(), KTLS_RECORD_HANDSHAKE, "\4", 1, KTLS_ALERT_UNEXPECTED_MESSAGE);
}

/* RFC 8446 6.1: after our close_notify the peer's request stays without an answer. */
static void test_key_update_after_close(void)
{
	struct pair *pair = tls13();
	uint8_t bytes[KTLS_REPLY_ROOM];
	struct ktls_output reply = {bytes, 0, sizeof bytes};
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &reply), KTLS_DONE);
	CU_ASSERT(pair_forge(pair, KTLS_RECORD_HANDSHAKE, key_update_request, 5));
	CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
	CU_ASSERT_EQUAL(BIO_pending(pair->to_client), 0);
	CU_ASSERT_EQUAL(pair->session->side[KTLS_RX].aead.sequence, 0);
	pair_free(pair);
}

/* ---- renegotiation ------------------------------------------------------------ */

static void test_renegotiation(void)
{
	struct pair *pair = tls12();
	CU_ASSERT_EQUAL(SSL_renegotiate(pair->client), 1);
	SSL_do_handshake(pair->client);
	CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
	ERR_clear_error();
	CU_ASSERT_EQUAL(SSL_do_handshake(pair->client), -1);
	CU_ASSERT_EQUAL(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	ERR_clear_error();
	pair_free(pair);
}

static void test_renegotiation_flood(void)
{
	struct pair *pair = tls12();
	for (int i = 0; i < BUDGET_WARNINGS; i++) {
		CU_ASSERT(pair_forge(pair, KTLS_RECORD_HANDSHAKE, "\1\0\0\0", 4));
		CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
	}
	CU_ASSERT(pair_forge(pair, KTLS_RECORD_HANDSHAKE, "\1\0\0\0", 4));
	CU_ASSERT_EQUAL(pair_open(pair), KTLS_FAILED);
	pair_free(pair);
}

/* ---- floods -------------------------------------------------------------------- */

struct flood {
	uint8_t type;
	const char *data;
	size_t len;
	int budget;
};

/* Just as many as allowed, data, as many again; then one more. */
static void check_flood(struct pair *pair, const struct flood *flood)
{
	for (int round = 0; round < 2; round++) {
		CU_ASSERT(pair_forge(pair, KTLS_RECORD_DATA, "x", 1));
		for (int i = 0; i < flood->budget; i++) {
			CU_ASSERT(pair_forge(pair, flood->type, flood->data, flood->len));
			CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
			if (flood->type == KTLS_RECORD_HANDSHAKE) {
				ktls_aead_done(&pair->forger);
				pair->forges = false; /* the keys have changed */
			}
		}
	}
	CU_ASSERT_EQUAL(pair_client_read(pair), SSL_ERROR_WANT_READ);
	check_answer(pair, flood->type, flood->data, flood->len, KTLS_ALERT_UNEXPECTED_MESSAGE);
}

static void test_floods(void)
{
	static const struct flood empty = {KTLS_RECORD_DATA, "", 0, 32};
	static const struct flood canceled = {KTLS_RECORD_ALERT, "\1\x5a", 2, 4};
	static const struct flood updates = {KTLS_RECORD_HANDSHAKE, "\x18\0\0\1\0", 5, 32};
	check_flood(tls12(), &empty);
	check_flood(tls13(), &empty);
	check_flood(tls12(), &canceled);
	check_flood(tls13(), &canceled);
	check_flood(tls13(), &updates);
}

static int64_t now_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

/* With data between them the count of a second holds; every new second starts it anew. */
static void test_key_updates_per_second(void)
{
	struct pair *pair = tls13();
	int sent = 0;
	int64_t began = now_seconds();
	enum ktls_status status = KTLS_WANT_READ;
	while (status == KTLS_WANT_READ && sent < 1000) {
		CU_ASSERT(pair_forge(pair, KTLS_RECORD_DATA, "x", 1));
		CU_ASSERT(pair_forge(pair, KTLS_RECORD_HANDSHAKE, key_update, 5));
		status = pair_open(pair);
		ktls_aead_done(&pair->forger);
		pair->forges = false;
		sent++;
	}
	CU_ASSERT_EQUAL(status, KTLS_FAILED);
	CU_ASSERT(sent > 100);
	CU_ASSERT(sent <= 100 * (now_seconds() - began + 1) + 1);
	CU_ASSERT_EQUAL(pair_client_alert(pair), KTLS_ALERT_UNEXPECTED_MESSAGE);
	pair_free(pair);
}

/* ---- limits ---------------------------------------------------------------------- */

static struct pair *limited(enum ktls_version version, enum ktls_cipher cipher)
{
	struct pair_options options = {
		.version = version,
		.suite = pair_suite(version, cipher),
		.record_limit = 16,
	};
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	return pair;
}

/* The session changes its own keys in time and the client's libssl follows. */
static void test_tx_limit(void)
{
	struct pair *pair = limited(KTLS_TLS13, KTLS_AES_128_GCM);
	for (int i = 0; i < 200; i++) {
		CU_ASSERT(pair_seal_matches(pair, "some data", 9));
		CU_ASSERT(pair->session->side[KTLS_TX].aead.sequence < 16);
	}
	CU_ASSERT_EQUAL(pair->session->side[KTLS_RX].aead.sequence, 0);
	pair_free(pair);
}

/* It asks the client for new keys, and libssl answers with its next record. */
static void test_rx_limit(void)
{
	struct pair *pair = limited(KTLS_TLS13, KTLS_AES_128_GCM);
	for (int i = 0; i < 200; i++) {
		CU_ASSERT(pair_write(pair, "some data", 9));
		CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
		CU_ASSERT(pair->session->side[KTLS_RX].aead.sequence < 16);
		pair_client_read(pair);
	}
	pair_free(pair);
}

/* A client that is asked and does not. */
static void test_rx_limit_ignored(void)
{
	struct pair *pair = limited(KTLS_TLS13, KTLS_AES_128_GCM);
	for (int i = 0; i < 15; i++) {
		CU_ASSERT(pair_forge(pair, KTLS_RECORD_DATA, "x", 1));
		CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
	}
	check_answer(pair, KTLS_RECORD_DATA, "x", 1, KTLS_ALERT_INTERNAL_ERROR);
}

static void test_tls12_limit(void)
{
	struct pair *pair = limited(KTLS_TLS12, KTLS_AES_128_GCM);
	for (int i = 1; i < 13; i++) /* 1: the Finished */
		CU_ASSERT(pair_seal_matches(pair, "x", 1));
	CU_ASSERT_FALSE(pair_seal_matches(pair, "x", 1));
	CU_ASSERT_EQUAL(pair_client_alert(pair), KTLS_ALERT_INTERNAL_ERROR);
	pair_free(pair);
}

/* RFC 8446 5.5: ChaCha20-Poly1305 has no limit within reach. */
static void test_chacha_limit(void)
{
	struct pair *pair = limited(KTLS_TLS12, KTLS_CHACHA20_POLY1305);
	for (int i = 0; i < 40; i++)
		CU_ASSERT(pair_seal_matches(pair, "x", 1));
	pair_free(pair);
}

static CU_TestInfo alert_tests[] = {
	{"every alert received", test_alerts_received},
	{"every alert sent", test_alerts_sent},
	{"malformed alerts", test_malformed_alerts},
	{"unexpected types", test_unexpected_types},
	{"nothing but padding", test_all_zero_record},
	{"padded records", test_padded_control_records},
	{"raw records", test_raw_records},
	{"partial record", test_partial_record},
	{"renegotiation", test_renegotiation},
	{"renegotiation flood", test_renegotiation_flood},
	{"floods", test_floods},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo key_update_tests[] = {
	{"KeyUpdate", test_key_update},
	{"KeyUpdate in pieces", test_key_update_in_pieces},
	{"KeyUpdate interleaved", test_key_update_interleaved},
	{"malformed KeyUpdates", test_malformed_key_updates},
	{"KeyUpdate after close_notify", test_key_update_after_close},
	{"KeyUpdates in a second", test_key_updates_per_second},
	{"limit of sent records", test_tx_limit},
	{"limit of received records", test_rx_limit},
	{"limit of received records ignored", test_rx_limit_ignored},
	{"limit in TLS 1.2", test_tls12_limit},
	{"no limit for ChaCha20-Poly1305", test_chacha_limit},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo ktls_control_suites[];
CU_SuiteInfo ktls_control_suites[] = {
	{"ktls alerts", NULL, NULL, NULL, NULL, alert_tests},
	{"ktls keys", NULL, NULL, NULL, NULL, key_update_tests},
	CU_SUITE_INFO_NULL,
};
