/* Whole sessions against a libssl client: handshake, hand-over of the keys, data, ends. */
#include "ktls/alert.h"
#include "tests/unit/ktls_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <CUnit/CUnit.h>
#include <openssl/err.h>

#define CBC_SUITE "ECDHE-ECDSA-AES128-SHA256"

/* Around KiB, record and several records; 0 to 40 are tried one by one. */
static const size_t edge_lengths[] = {1023, 1024, 1025, 16383, 16384, 16385, 32768, 100 * 1024};

static bool data_crosses(struct pair *pair, size_t len)
{
	uint8_t *data = malloc(len + 1);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 31 + len);
	pair->plain_len = 0;
	bool crosses = pair_write(pair, data, len) && pair_open(pair) == KTLS_WANT_READ &&
		       pair->plain_len == len && memcmp(pair->plain, data, len) == 0 &&
		       pair_seal_matches(pair, data, len);
	free(data);
	return crosses;
}

static bool all_lengths_cross(struct pair *pair)
{
	bool cross = true;
	for (size_t len = 0; len <= 40; len++)
		cross = cross && data_crosses(pair, len);
	for (size_t i = 0; i < sizeof edge_lengths / sizeof *edge_lengths; i++)
		cross = cross && data_crosses(pair, edge_lengths[i]);
	return cross;
}

static void check_info(const struct pair *pair, enum ktls_version version, const char *suite)
{
	struct ktls_info info;
	ktls_session_info(pair->session, &info);
	CU_ASSERT_STRING_EQUAL(info.version, ktls_version_name(version));
	CU_ASSERT_STRING_EQUAL(info.cipher, suite);
	CU_ASSERT_STRING_EQUAL(info.server_name, "host.example");
	CU_ASSERT_STRING_EQUAL(info.key_exchange, "X25519");
	CU_ASSERT_FALSE(info.resumed);
	CU_ASSERT_STRING_EQUAL(ktls_session_error(pair->session), "");
}

static void check_session(enum ktls_version version, const char *suite, enum ktls_engine engine)
{
	struct pair_options options = {.version = version, .suite = suite};
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT_EQUAL(ktls_session_engine(pair->session, KTLS_TX), engine);
	CU_ASSERT_EQUAL(ktls_session_engine(pair->session, KTLS_RX), engine);
	CU_ASSERT_EQUAL(pair->session->ssl == NULL, engine == KTLS_ENGINE_AEAD);
	check_info(pair, version, suite);
	CU_ASSERT(all_lengths_cross(pair));
	pair_free(pair);
}

static void test_aead_sessions(void)
{
	for (int i = 0; i < 2 * KTLS_CIPHERS; i++) {
		enum ktls_version version = (enum ktls_version)(i % 2);
		check_session(
			version, pair_suite(version, (enum ktls_cipher)(i / 2)), KTLS_ENGINE_AEAD);
	}
}

static void test_libssl_sessions(void)
{
	check_session(KTLS_TLS12, CBC_SUITE, KTLS_ENGINE_LIBSSL);
	check_session(KTLS_TLS12, "ECDHE-ECDSA-AES256-CCM", KTLS_ENGINE_LIBSSL);
	check_session(KTLS_TLS13, "TLS_AES_128_CCM_SHA256", KTLS_ENGINE_LIBSSL);
}

/* Where libssl finds other implementations of its key schedule than those that tell us. */
static void test_secret_sessions(void)
{
	CU_ASSERT_EQUAL(EVP_set_default_properties(NULL, "ferrule.keys=no"), 1);
	for (int i = 0; i < 2 * KTLS_CIPHERS; i++) {
		enum ktls_version version = (enum ktls_version)(i % 2);
		check_session(version, pair_suite(version, (enum ktls_cipher)(i / 2)),
			KTLS_ENGINE_LIBSSL);
	}
	CU_ASSERT_EQUAL(EVP_set_default_properties(NULL, ""), 1);
}

/* An operator's default query goes on to hold for everything else that libssl fetches. */
static void test_default_queries(void)
{
	static const char *const queries[] = {"provider=default", "?provider=other", "?fips=yes"};
	for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
		CU_ASSERT_EQUAL(EVP_set_default_properties(NULL, queries[i]), 1);
		check_session(KTLS_TLS13, "TLS_AES_128_GCM_SHA256", KTLS_ENGINE_AEAD);
		check_session(KTLS_TLS12, "ECDHE-ECDSA-AES128-GCM-SHA256", KTLS_ENGINE_AEAD);
	}
	CU_ASSERT_EQUAL(EVP_set_default_properties(NULL, ""), 1);
}

static const struct pair_options handshake_cases[] = {
	{.version = KTLS_TLS13, .suite = "TLS_AES_128_GCM_SHA256"},
	{.version = KTLS_TLS12, .suite = "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{.version = KTLS_TLS12, .suite = CBC_SUITE},
};

#define HANDSHAKE_CASES (sizeof handshake_cases / sizeof *handshake_cases)

static struct ktls_tickets two_tickets(void)
{
	struct ktls_tickets tickets = {.lifetime = 3600};
	CU_ASSERT_EQUAL(ktls_tickets_rotate(&tickets), 0);
	return tickets;
}

/* The request is there with the Finished: libssl must not swallow any of it. */
static void check_early(struct pair_options options, size_t chunk, size_t room)
{
	struct ktls_tickets tickets = two_tickets();
	options.chunk = chunk;
	options.room = room;
	options.tickets = &tickets;
	options.early = "GET / HTTP/1.1\r\nHost: early\r\n\r\n";
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	/* TLS 1.2's client cannot have written yet: it waits for the server's Finished */
	if (options.version == KTLS_TLS12)
		CU_ASSERT(pair_write(pair, options.early, strlen(options.early)));
	CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
	CU_ASSERT_EQUAL(pair->plain_len, strlen(options.early));
	CU_ASSERT_EQUAL(memcmp(pair->plain, options.early, pair->plain_len), 0);
	CU_ASSERT(all_lengths_cross(pair));
	pair_free(pair);
}

static void test_early_data(void)
{
	for (size_t i = 0; i < HANDSHAKE_CASES; i++)
		check_early(handshake_cases[i], 0, 0);
}

static void test_bytewise_input(void)
{
	for (size_t i = 0; i < HANDSHAKE_CASES; i++)
		check_early(handshake_cases[i], 1, 0);
}

static void test_tiny_output(void)
{
	for (size_t i = 0; i < HANDSHAKE_CASES; i++) {
		check_early(handshake_cases[i], 0, 1);
		check_early(handshake_cases[i], 0, 100);
		check_early(handshake_cases[i], 1, 7);
	}
}

static void check_client_closes(const struct pair_options *options)
{
	struct pair *pair = pair_new(options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT(pair_write(pair, "last", 4));
	SSL_shutdown(pair->client);
	CU_ASSERT_EQUAL(pair_open(pair), KTLS_CLOSED);
	CU_ASSERT_EQUAL(pair->plain_len, 4);
	pair_free(pair);
}

static void check_session_closes(const struct pair_options *options)
{
	struct pair *pair = pair_new(options);
	uint8_t bytes[KTLS_REPLY_ROOM];
	struct ktls_output reply = {bytes, 0, sizeof bytes};
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT(pair_seal_matches(pair, "last", 4));
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &reply), KTLS_DONE);
	size_t once = reply.len;
	CU_ASSERT(once > 0);
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &reply), KTLS_DONE);
	CU_ASSERT_EQUAL(reply.len, once);
	pair_deliver(pair, &reply);
	CU_ASSERT_EQUAL(pair_client_alert(pair), 0);
	/* the other direction is still open (RFC 8446 6.1) */
	CU_ASSERT(pair_write(pair, "more", 4));
	CU_ASSERT_EQUAL(pair_open(pair), KTLS_WANT_READ);
	CU_ASSERT_EQUAL(pair->plain_len, 4);
	pair_free(pair);
}

static void test_close_notify(void)
{
	for (size_t i = 0; i < HANDSHAKE_CASES; i++) {
		check_client_closes(&handshake_cases[i]);
		check_session_closes(&handshake_cases[i]);
	}
}

/* Not sent, and not forgotten, while there is no room for it. */
static void test_close_notify_without_room(void)
{
	struct pair *pair = pair_simple(KTLS_TLS13, KTLS_AES_128_GCM);
	uint8_t bytes[KTLS_REPLY_ROOM];
	struct ktls_output none = {bytes, 0, 3}, reply = {bytes, 0, sizeof bytes};
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &none), KTLS_WANT_WRITE);
	CU_ASSERT_EQUAL(none.len, 0);
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &reply), KTLS_DONE);
	pair_deliver(pair, &reply);
	CU_ASSERT_EQUAL(pair_client_alert(pair), 0);
	pair_free(pair);
}

/* ktls_open() and ktls_seal() with room for next to nothing. */
static void test_small_buffers(void)
{
	struct pair *pair = pair_simple(KTLS_TLS13, KTLS_AES_128_GCM);
	uint8_t bytes[512], answer[KTLS_REPLY_ROOM];
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT(pair_write(pair, "0123456789", 10));
	struct ktls_input in = {pair->input, pair->input_len};
	struct ktls_output out = {bytes, 0, 31}, reply = {answer, 0, sizeof answer};
	CU_ASSERT_EQUAL(in.len, 32); /* header 5, data 10, type 1, tag 16 */
	CU_ASSERT_EQUAL(ktls_open(pair->session, &in, &out, &reply), KTLS_WANT_WRITE);
	CU_ASSERT_EQUAL(in.len, 32);
	out.size = 32;
	reply.size = KTLS_REPLY_ROOM - 1;
	CU_ASSERT_EQUAL(ktls_open(pair->session, &in, &out, &reply), KTLS_WANT_WRITE);
	reply.size = KTLS_REPLY_ROOM;
	CU_ASSERT_EQUAL(ktls_open(pair->session, &in, &out, &reply), KTLS_WANT_READ);
	CU_ASSERT_EQUAL(out.len, 10);

	struct ktls_input text = {(const uint8_t *)"abc", 3};
	struct ktls_output sealed = {bytes, 0, 3 + KTLS_RECORD_OVERHEAD + KTLS_REPLY_ROOM - 1};
	CU_ASSERT_EQUAL(ktls_seal(pair->session, &text, &sealed), KTLS_WANT_WRITE);
	CU_ASSERT_EQUAL(sealed.len, 0);
	sealed.size++;
	CU_ASSERT_EQUAL(ktls_seal(pair->session, &text, &sealed), KTLS_DONE);
	pair_free(pair);
}

static int refused_handshake(struct pair *pair, const struct pair_options *options)
{
	CU_ASSERT_EQUAL(pair_handshake(pair, options), KTLS_FAILED);
	CU_ASSERT_STRING_NOT_EQUAL(ktls_session_error(pair->session), "");
	ERR_clear_error();
	SSL_do_handshake(pair->client);
	int reason = ERR_GET_REASON(ERR_peek_error());
	ERR_clear_error();
	return reason - SSL_AD_REASON_OFFSET;
}

static void test_no_common_suite(void)
{
	struct pair_options options = handshake_cases[0];
	struct pair *pair = pair_prepare(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	SSL_set_ciphersuites(pair->client, "TLS_AES_256_GCM_SHA384");
	CU_ASSERT_EQUAL(refused_handshake(pair, &options), SSL_AD_HANDSHAKE_FAILURE);
	pair_free(pair);
}

static void test_no_common_version(void)
{
	struct pair_options options = handshake_cases[0];
	struct pair *pair = pair_prepare(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	SSL_set_min_proto_version(pair->client, TLS1_2_VERSION);
	SSL_set_max_proto_version(pair->client, TLS1_2_VERSION);
	CU_ASSERT_EQUAL(refused_handshake(pair, &options), SSL_AD_PROTOCOL_VERSION);
	pair_free(pair);
}

/* Plain HTTP on the TLS port, and noise. */
static void test_no_tls_at_all(void)
{
	static const char *const inputs[] = {
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
		"\x15\x03\x03\x00\x02\x02\x28",
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	};
	for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
		struct pair *pair = pair_prepare(&handshake_cases[0]);
		uint8_t bytes[1024];
		CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
		char copy[64] = "";
		size_t len = i == 1 ? 9 : i == 2 ? 7 : strlen(inputs[i]);
		memcpy(copy, inputs[i], len);
		struct ktls_input in = {(const uint8_t *)copy, len};
		struct ktls_output out = {bytes, 0, sizeof bytes};
		CU_ASSERT_EQUAL(ktls_handshake(pair->session, &in, &out), KTLS_FAILED);
		CU_ASSERT_STRING_NOT_EQUAL(ktls_session_error(pair->session), "");
		pair_free(pair);
	}
}

static void test_alpn(void)
{
	static const unsigned char offered[] = "\x02h2\x08http/1.1";
	struct pair *pair = pair_prepare(&handshake_cases[0]);
	const unsigned char *chosen;
	unsigned chosen_len;
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	SSL_set_alpn_protos(pair->client, offered, sizeof offered - 1);
	CU_ASSERT_EQUAL(pair_handshake(pair, &handshake_cases[0]), KTLS_DONE);
	SSL_get0_alpn_selected(pair->client, &chosen, &chosen_len);
	CU_ASSERT_EQUAL_FATAL(chosen_len, 8);
	CU_ASSERT_EQUAL(memcmp(chosen, "http/1.1", 8), 0);
	pair_free(pair);
}

/* A group the client did not guess: HelloRetryRequest, and the same secrets at the end. */
static void test_hello_retry(void)
{
	static char groups[] = "P-521:P-384"; /* the macro casts const away */
	struct pair *pair = pair_prepare(&handshake_cases[0]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	SSL_set1_groups_list(pair->client, groups);
	CU_ASSERT_EQUAL(pair_handshake(pair, &handshake_cases[0]), KTLS_DONE);
	CU_ASSERT(all_lengths_cross(pair));
	pair_free(pair);
}

/* ---- without TLS -------------------------------------------------------------- */

static void check_plain_controls(struct ktls_session *session)
{
	struct ktls_output none = {NULL, 0, 0};
	CU_ASSERT_EQUAL(ktls_account(session, KTLS_RX, 100, &none), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_account(session, KTLS_TX, 1 << 30, &none), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_alert(session, KTLS_ALERT_INTERNAL_ERROR, &none), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_close_notify(session, &none), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_close_notify(session, &none), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_flush(session), KTLS_DONE);
	CU_ASSERT_FALSE(ktls_is_pending(session));
	CU_ASSERT_FALSE(ktls_offload_is_wanted(session));
	CU_ASSERT_EQUAL(ktls_offload_install(session), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_handshake(session, NULL, NULL), KTLS_DONE);
	CU_ASSERT_EQUAL(none.len, 0);
	ktls_session_trace(session, NULL, NULL);
}

static void check_plain_info(const struct ktls_session *session)
{
	struct ktls_info info;
	ktls_session_info(session, &info);
	const char *const texts[] = {info.version, info.cipher, info.key_exchange,
		info.authentication, info.cipher_algorithm, info.mac, info.server_name,
		info.client_subject, info.client_fingerprint, info.client_verify,
		ktls_session_error(session), ktls_session_reason(session)};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		CU_ASSERT_STRING_EQUAL(texts[i], "");
	CU_ASSERT_EQUAL(info.name_index, 0);
	CU_ASSERT_EQUAL(info.cipher_bits, 0);
	CU_ASSERT_FALSE(info.resumed);
	CU_ASSERT(ktls_session_is_plain(session));
	for (int direction = KTLS_TX; direction <= KTLS_RX; direction++) {
		enum ktls_direction each = (enum ktls_direction)direction;
		CU_ASSERT_EQUAL(ktls_session_engine(session, each), KTLS_ENGINE_PLAIN);
		CU_ASSERT(ktls_takes_plaintext(session, each));
		CU_ASSERT_STRING_EQUAL(
			ktls_engine_name(ktls_session_engine(session, each)), "none");
	}
}

static void test_plain(void)
{
	uint8_t bytes[8];
	struct ktls_output out = {bytes, 0, sizeof bytes}, none = {NULL, 0, 0};
	int fds[2];
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	struct ktls_session *session = ktls_session_new_plain(fds[0]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(session);
	check_plain_info(session);
	CU_ASSERT_EQUAL(ktls_recv(session, &out, &none), KTLS_WANT_READ);
	CU_ASSERT_EQUAL(send(fds[1], "0123456789", 10, 0), 10);
	CU_ASSERT_EQUAL(ktls_recv(session, &out, &none), KTLS_DONE);
	CU_ASSERT_EQUAL(out.len, 8);
	CU_ASSERT_EQUAL(ktls_recv(session, &out, &none), KTLS_WANT_WRITE);
	out.len = 6;
	CU_ASSERT_EQUAL(ktls_recv(session, &out, &none), KTLS_DONE);
	CU_ASSERT_EQUAL(memcmp(bytes, "01234589", 8), 0);
	out.len = 0;
	CU_ASSERT_EQUAL(ktls_recv(session, &out, &none), KTLS_WANT_READ);
	check_plain_controls(session);
	CU_ASSERT_EQUAL(recv(fds[1], bytes, 1, MSG_DONTWAIT), -1); /* nothing was sent */
	/* our end having said goodbye does not close theirs */
	CU_ASSERT_EQUAL(send(fds[1], "x", 1, 0), 1);
	close(fds[1]);
	CU_ASSERT_EQUAL(ktls_recv(session, &out, &none), KTLS_DONE);
	CU_ASSERT_EQUAL(out.len, 1);
	CU_ASSERT_EQUAL(ktls_recv(session, &out, &none), KTLS_CLOSED);
	check_plain_info(session);
	ktls_session_free(session);
	close(fds[0]);
}

static void test_plain_errors(void)
{
	uint8_t bytes[8];
	struct ktls_output out = {bytes, 0, sizeof bytes}, none = {NULL, 0, 0};
	struct ktls_session *session = ktls_session_new_plain(-1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(session);
	CU_ASSERT_EQUAL(ktls_recv(session, &out, &none), KTLS_FAILED);
	CU_ASSERT_STRING_EQUAL(ktls_session_error(session), "receive: Bad file descriptor");
	ktls_session_free(session);
}

/* ---- trace ------------------------------------------------------------------------ */

struct states {
	char last[64];
	int changes;
	bool follow; /* each from where the one before led to */
};

static void on_state(void *arg, const char *old_state, const char *new_state)
{
	struct states *states = arg;
	if (states->changes++)
		states->follow = states->follow && strcmp(states->last, old_state) == 0;
	states->follow = states->follow && strcmp(old_state, new_state) != 0;
	snprintf(states->last, sizeof states->last, "%s", new_state);
}

static void test_trace(void)
{
	for (size_t i = 0; i < HANDSHAKE_CASES; i++) {
		struct pair *pair = pair_prepare(&handshake_cases[i]);
		struct states states = {.follow = true}, never = {.follow = true};
		CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
		ktls_session_trace(pair->session, on_state, &never);
		ktls_session_trace(pair->session, NULL, NULL);
		ktls_session_trace(pair->session, on_state, &states);
		CU_ASSERT_EQUAL(pair_handshake(pair, &handshake_cases[i]), KTLS_DONE);
		CU_ASSERT_EQUAL(never.changes, 0);
		CU_ASSERT(states.changes > 5);
		CU_ASSERT(states.follow);
		/* the words of document 000 */
		CU_ASSERT_STRING_EQUAL(states.last, "SSL negotiation finished successfully");
		int changes = states.changes;
		CU_ASSERT(all_lengths_cross(pair));
		CU_ASSERT_EQUAL(states.changes, changes);
		CU_ASSERT_EQUAL(pair->session->trace == NULL, pair->session->ssl == NULL);
		pair_free(pair);
	}
}

/* A handshake that fails, and a session freed on its way. */
static void test_trace_of_a_failure(void)
{
	struct pair *pair = pair_prepare(&handshake_cases[0]);
	struct states states = {.follow = true};
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	ktls_session_trace(pair->session, on_state, &states);
	SSL_set_ciphersuites(pair->client, "TLS_AES_256_GCM_SHA384");
	CU_ASSERT_EQUAL(pair_handshake(pair, &handshake_cases[0]), KTLS_FAILED);
	CU_ASSERT(states.changes > 0);
	CU_ASSERT(states.follow);
	ERR_clear_error();
	pair_free(pair);
}

static CU_TestInfo session_tests[] = {
	{"three AEADs, two versions", test_aead_sessions},
	{"CBC and CCM stay with libssl", test_libssl_sessions},
	{"keys that libssl does not show", test_secret_sessions},
	{"an operator's default properties", test_default_queries},
	{"a request behind the Finished", test_early_data},
	{"handshake byte by byte", test_bytewise_input},
	{"handshake into a tiny buffer", test_tiny_output},
	{"close_notify", test_close_notify},
	{"close_notify without room", test_close_notify_without_room},
	{"buffers a byte too small", test_small_buffers},
	{"no common suite", test_no_common_suite},
	{"no common version", test_no_common_version},
	{"no TLS at all", test_no_tls_at_all},
	{"ALPN", test_alpn},
	{"HelloRetryRequest", test_hello_retry},
	{"plain", test_plain},
	{"plain, errors", test_plain_errors},
	{"trace", test_trace},
	{"trace of a failure", test_trace_of_a_failure},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo ktls_session_suites[];
CU_SuiteInfo ktls_session_suites[] = {
	{"ktls session", NULL, NULL, NULL, NULL, session_tests},
	CU_SUITE_INFO_NULL,
};
