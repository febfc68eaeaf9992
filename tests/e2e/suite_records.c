/* Bytes that no honest client sends: each is answered by the right alert, and the
 * worker goes on serving. */
#include "tests/e2e/suites.h"
#include "tests/e2e/ferrule.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/net.h"
#include "tests/e2e/records.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* What the crafted records are sealed with. */
static struct client_options aes_128_gcm(int version)
{
	return (struct client_options){.version = version,
		.ciphers = version == TLS1_3_VERSION ? "TLS_AES_128_GCM_SHA256"
						     : "ECDHE-ECDSA-AES128-GCM-SHA256"};
}

/* Runs a test for both versions against a fixture of its own. */
static void for_each_version(void (*test)(const struct fixture *fixture, int version))
{
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < 2; i++) {
		test(&fixture, versions[i]);
		fixture_expect_service(&fixture);
	}
	fixture_stop(&fixture);
}

static void with_fixture(void (*test)(const struct fixture *fixture))
{
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	test(&fixture);
	fixture_expect_service(&fixture);
	fixture_stop(&fixture);
}

/* A client that has said "echo" in a crafted record and got its answer. */
static struct client *open_crafted(
	const struct fixture *fixture, int version, struct record_sealer *sealer)
{
	struct client *client = fixture_client(fixture, aes_128_gcm(version));
	char answer[3] = "";

	if (client == NULL)
		return NULL;
	if (EXPECT(record_sealer_init(sealer, client)) &&
		EXPECT(record_send(sealer, RECORD_DATA, "echo\nhi", 7)) &&
		EXPECT(client_read_all(client, answer, 2)) && EXPECT_TEXT(answer, "hi"))
		return client;
	client_free(client);
	return NULL;
}

static bool still_echoes(struct record_sealer *sealer, const char *text)
{
	char answer[64] = "";

	return record_send(sealer, RECORD_DATA, text, strlen(text)) &&
	       client_read_all(sealer->client, answer, strlen(text)) && strcmp(answer, text) == 0;
}

/* Expects the fatal alert, and the cause in the log; frees the client. */
static void expect_alert(
	const struct fixture *fixture, struct client *client, int alert, const char *cause)
{
	struct conn_line line;

	client_drain(client);
	EXPECT_EQUAL(client->end, CLIENT_ALERT);
	EXPECT_EQUAL(client->alert, alert);
	if (conn_line_after(fixture->ferrule, client, &line))
		EXPECT_CONTAINS(conn_line_get(&line, "cause"), cause);
	client_free(client);
}

/* As expect_alert() where the protocol leaves open which one it is. */
static void expect_any_alert(
	const struct fixture *fixture, struct client *client, const char *cause)
{
	client_drain(client);
	expect_alert(fixture, client, client->alert, cause);
}

/* ---- before the handshake ---- */

/* Sends the bytes on a bare connection; what comes back until its end, as a string. */
static ssize_t answer_to(
	const struct fixture *fixture, const void *data, size_t len, char *answer, size_t size)
{
	int fd = net_connect("127.0.0.1", fixture->ferrule->ports[0], 0);
	size_t used = 0;
	ssize_t got = -1;

	if (fd < 0)
		return -1;
	if (net_write(fd, data, len) == 0)
		while (used < size - 1 && (got = net_read(fd, answer + used, size - 1 - used)) > 0)
			used += (size_t)got;
	answer[used] = '\0';
	close(fd);
	return got < 0 && used == 0 ? -1 : (ssize_t)used;
}

static void plain_http(const struct fixture *fixture)
{
	static const char request[] = "GET /path HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char answer[4096] = "";

	EXPECT(answer_to(fixture, request, sizeof(request) - 1, answer, sizeof(answer)) > 0);
	EXPECT(strncmp(answer, "HTTP/1.1 400 ", 13) == 0);
	EXPECT_CONTAINS(answer, "https://");
}

static void test_plain_http(void)
{
	with_fixture(plain_http);
}

static void random_bytes(const struct fixture *fixture)
{
	static const struct {
		const char *name;
		uint8_t bytes[13];
	} openings[] = {
		{"noise", {0xff, 0x8a, 0x11, 0x92, 0xe3, 0x54, 0xc5, 0x06, 0x77}},
		{"unknown type", {99, 3, 1, 0, 4, 1, 2, 3, 4}},
		{"nonsense in a ClientHello", {22, 3, 1, 0, 8, 1, 0, 0, 4, 9, 9, 9, 9}},
		{"data before the handshake", {23, 3, 3, 0, 4, 1, 2, 3, 4}},
		{"record too long", {22, 3, 1, 0xff, 0xff, 1, 2, 3, 4}},
	};

	for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
		char answer[256] = "";
		ssize_t got = answer_to(fixture, openings[i].bytes, sizeof(openings[i].bytes),
			answer, sizeof(answer));

		if (!EXPECT(got >= 7 && answer[0] == RECORD_ALERT))
			fprintf(stderr, "no alert after: %s\n", openings[i].name);
	}
}

static void test_random_bytes(void)
{
	with_fixture(random_bytes);
}

/* ---- damaged records ---- */

static void expect_truncated(const struct fixture *fixture, struct client *client)
{
	struct conn_line line;

	EXPECT(client_wait_fin(client) != CLIENT_DEADLINE);
	if (conn_line_after(fixture->ferrule, client, &line))
		EXPECT_CONTAINS(conn_line_get(&line, "cause"), "truncat");
	client_free(client);
}

static void truncated_record(const struct fixture *fixture, int version)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, version, &sealer);
	uint8_t record[64 + RECORD_OVERHEAD], data[64] = {0};
	size_t len;

	if (client == NULL)
		return;
	len = record_seal(&sealer, RECORD_DATA, data, sizeof(data), record);
	EXPECT(client_send_raw(client, record, len / 2));
	shutdown(client->fd, SHUT_WR);
	expect_truncated(fixture, client);
}

static void test_truncated_record(void)
{
	for_each_version(truncated_record);
}

static void no_close_notify(const struct fixture *fixture, int version)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, version, &sealer);

	if (client == NULL)
		return;
	shutdown(client->fd, SHUT_WR);
	expect_truncated(fixture, client);
}

static void test_no_close_notify(void)
{
	for_each_version(no_close_notify);
}

static void oversize_record(const struct fixture *fixture, int version)
{
	/* Above the 2^14 + 2048 of TLS 1.2 and the 2^14 + 256 of TLS 1.3. */
	static const uint8_t header[] = {RECORD_DATA, 3, 3, 0x60, 0, 1, 2, 3, 4, 5, 6, 7, 8};
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, version, &sealer);

	if (client == NULL)
		return;
	EXPECT(client_send_raw(client, header, sizeof(header)));
	expect_alert(fixture, client, SSL_AD_RECORD_OVERFLOW, "record");
}

static void test_oversize_record(void)
{
	for_each_version(oversize_record);
}

/* The record as such is not too long, but what it decrypts to is (RFC 8446 5.4). */
static void oversize_plaintext(const struct fixture *fixture, int version)
{
	static const uint8_t data[RECORD_PLAINTEXT + 1];
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, version, &sealer);

	if (client == NULL)
		return;
	EXPECT(record_send(&sealer, RECORD_DATA, data, sizeof(data)));
	expect_alert(fixture, client, SSL_AD_RECORD_OVERFLOW, "record");
}

static void test_oversize_plaintext(void)
{
	for_each_version(oversize_plaintext);
}

static void corrupted_record(const struct fixture *fixture, int version)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, version, &sealer);
	uint8_t record[64 + RECORD_OVERHEAD], data[64] = {0};
	size_t len;

	if (client == NULL)
		return;
	len = record_seal(&sealer, RECORD_DATA, data, sizeof(data), record);
	record[len - 1] ^= 1;
	EXPECT(client_send_raw(client, record, len));
	expect_alert(fixture, client, SSL_AD_BAD_RECORD_MAC, "record");
}

static void test_corrupted_record(void)
{
	for_each_version(corrupted_record);
}

static void replayed_record(const struct fixture *fixture, int version)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, version, &sealer);

	if (client == NULL)
		return;
	sealer.sequence--;
	EXPECT(record_send(&sealer, RECORD_DATA, "hi", 2));
	expect_alert(fixture, client, SSL_AD_BAD_RECORD_MAC, "record");
}

static void test_replayed_record(void)
{
	for_each_version(replayed_record);
}

static void unknown_type(const struct fixture *fixture, int version)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, version, &sealer);

	if (client == NULL)
		return;
	EXPECT(record_send(&sealer, (enum record_type)99, "hi", 2));
	expect_alert(fixture, client, SSL_AD_UNEXPECTED_MESSAGE, "");
}

static void test_unknown_type(void)
{
	for_each_version(unknown_type);
}

/* ---- alerts ---- */

/* RFC 8446 6 and the registry: what a client can say, known or not. */
static const uint8_t fatal_alerts[] = {10, 20, 21, 22, 30, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49,
	50, 51, 60, 70, 71, 80, 86, 109, 110, 111, 112, 113, 114, 115, 116, 120, 121, 199, 255};

static void expect_session_ended_by(const struct fixture *fixture, int version, uint8_t description)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, version, &sealer);
	struct conn_line line;

	if (client == NULL)
		return;
	EXPECT(record_send_alert(&sealer, ALERT_FATAL, description));
	EXPECT(client_wait_fin(client) != CLIENT_DEADLINE);
	if (conn_line_after(fixture->ferrule, client, &line))
		EXPECT_CONTAINS(conn_line_get(&line, "cause"), "alert");
	client_free(client);
}

static void every_fatal_alert(const struct fixture *fixture, int version)
{
	for (size_t i = 0; i < sizeof(fatal_alerts); i++)
		expect_session_ended_by(fixture, version, fatal_alerts[i]);
}

static void test_every_fatal_alert(void)
{
	for_each_version(every_fatal_alert);
}

/* RFC 8446 6.1: user_canceled says nothing by itself, a close_notify follows. */
static void user_canceled(const struct fixture *fixture, int version)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, version, &sealer);

	if (client == NULL)
		return;
	EXPECT(record_send_alert(&sealer, ALERT_WARNING, SSL_AD_USER_CANCELLED));
	EXPECT(record_send_alert(&sealer, ALERT_WARNING, SSL_AD_CLOSE_NOTIFY));
	EXPECT_EQUAL(client_drain(client), CLIENT_CLOSE_NOTIFY);
	client_free(client);
}

static void test_user_canceled(void)
{
	for_each_version(user_canceled);
}

static void malformed_alert(const struct fixture *fixture, int version)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, version, &sealer);

	if (client == NULL)
		return;
	EXPECT(record_send(&sealer, RECORD_ALERT, "\1", 1));
	expect_any_alert(fixture, client, "alert");
}

static void test_malformed_alert(void)
{
	for_each_version(malformed_alert);
}

/* ---- floods: 32 empty records, 4 warnings, 32 KeyUpdates or 100 a second ---- */

static void empty_records(const struct fixture *fixture, int version)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, version, &sealer);

	if (client == NULL)
		return;
	for (int i = 0; i < 20; i++)
		EXPECT(record_send(&sealer, RECORD_DATA, "", 0));
	EXPECT(still_echoes(&sealer, "after twenty"));
	for (int i = 0; i < 20; i++)
		EXPECT(record_send(&sealer, RECORD_DATA, "", 0));
	EXPECT(still_echoes(&sealer, "after twenty more"));
	for (int i = 0; i < 40; i++)
		record_send(&sealer, RECORD_DATA, "", 0);
	/* The kernel swallows them and tells nobody: then they must do no harm. */
	if (harness_has_ktls() && still_echoes(&sealer, "after the flood"))
		client_free(client);
	else
		expect_any_alert(fixture, client, "empty");
}

static void test_empty_records(void)
{
	for_each_version(empty_records);
}

static void warning_alerts(const struct fixture *fixture)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, TLS1_2_VERSION, &sealer);

	if (client == NULL)
		return;
	for (int i = 0; i < 3; i++)
		EXPECT(record_send_alert(&sealer, ALERT_WARNING, SSL_AD_USER_CANCELLED));
	EXPECT(still_echoes(&sealer, "after three"));
	for (int i = 0; i < 8; i++)
		record_send_alert(&sealer, ALERT_WARNING, SSL_AD_USER_CANCELLED);
	expect_any_alert(fixture, client, "alert");
}

static void test_warning_alerts(void)
{
	with_fixture(warning_alerts);
}

/* A kernel without re-keying (K5) has to end the session at the first one. */
static bool can_update_keys(void)
{
	return !harness_has_ktls() || harness_has_rekey();
}

static void key_update_flood(const struct fixture *fixture)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, TLS1_3_VERSION, &sealer);

	if (client == NULL)
		return;
	if (can_update_keys()) {
		EXPECT(record_send_key_updates(&sealer, 20, false));
		EXPECT(still_echoes(&sealer, "after twenty"));
	}
	record_send_key_updates(&sealer, 40, false);
	expect_any_alert(fixture, client, "KeyUpdate");
}

static void test_key_update_flood(void)
{
	with_fixture(key_update_flood);
}

/* Never two in a row, but far above 100 a second. */
static void key_update_rate(const struct fixture *fixture)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, TLS1_3_VERSION, &sealer);

	if (client == NULL)
		return;
	for (int i = 0; i < 300; i++)
		if (!record_send_key_updates(&sealer, 1, false) ||
			!record_send(&sealer, RECORD_DATA, ".", 1))
			break;
	expect_any_alert(fixture, client, "KeyUpdate");
}

static void test_key_update_rate(void)
{
	with_fixture(key_update_rate);
}

/* ---- KeyUpdate as it is meant ---- */

static void expect_echo(struct client *client, const char *text)
{
	char answer[64] = "";

	EXPECT(client_say(client, text));
	EXPECT(client_read_all(client, answer, strlen(text)));
	EXPECT_TEXT(answer, text);
}

static void key_update(const struct fixture *fixture)
{
	struct client *client = fixture_visit(
		fixture, (struct client_options){.version = TLS1_3_VERSION}, "echo\n");

	if (client == NULL)
		return;
	expect_echo(client, "before");
	EXPECT_EQUAL(SSL_key_update(client->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
	if (!can_update_keys()) {
		client_say(client, "under new keys");
		expect_any_alert(fixture, client, "KeyUpdate");
		return;
	}
	expect_echo(client, "under new keys");
	EXPECT_EQUAL(client->key_updates, 0);
	EXPECT_EQUAL(SSL_key_update(client->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	expect_echo(client, "both under new keys");
	EXPECT_EQUAL(client->key_updates, 1);
	expect_echo(client, "and on");
	EXPECT(client_shutdown(client));
	EXPECT_EQUAL(client_drain(client), CLIENT_CLOSE_NOTIFY);
	client_free(client);
}

static void test_key_update(void)
{
	with_fixture(key_update);
}

static void expect_handshake_message_refused(
	const struct fixture *fixture, const uint8_t *message, size_t len, const char *cause)
{
	struct record_sealer sealer;
	struct client *client = open_crafted(fixture, TLS1_3_VERSION, &sealer);

	if (client == NULL)
		return;
	EXPECT(record_send(&sealer, RECORD_HANDSHAKE, message, len));
	expect_any_alert(fixture, client, cause);
}

static void bad_handshake_messages(const struct fixture *fixture)
{
	static const uint8_t neither_0_nor_1[] = {24, 0, 0, 1, 2};
	static const uint8_t too_long[] = {24, 0, 0, 2, 0, 0};
	static const uint8_t client_hello[] = {1, 0, 0, 4, 3, 3, 0, 0};
	static const uint8_t finished[] = {20, 0, 0, 2, 0, 0};

	expect_handshake_message_refused(fixture, neither_0_nor_1, sizeof(neither_0_nor_1), "");
	expect_handshake_message_refused(fixture, too_long, sizeof(too_long), "");
	expect_handshake_message_refused(fixture, client_hello, sizeof(client_hello), "");
	expect_handshake_message_refused(fixture, finished, sizeof(finished), "");
}

static void test_bad_handshake_messages(void)
{
	with_fixture(bad_handshake_messages);
}

static void renegotiation(const struct fixture *fixture)
{
	struct client *client = fixture_visit(
		fixture, (struct client_options){.version = TLS1_2_VERSION}, "echo\n");
	struct conn_line line;

	if (client == NULL)
		return;
	expect_echo(client, "before");
	EXPECT_EQUAL(SSL_renegotiate(client->ssl), 1);
	/* RFC 5246 7.2.2: no_renegotiation; libssl gives up the session then. */
	EXPECT(!client_handshake(client));
	EXPECT_EQUAL(client->alert, SSL_AD_NO_RENEGOTIATION);
	conn_line_after(fixture->ferrule, client, &line);
	client_free(client);
}

static void test_renegotiation(void)
{
	with_fixture(renegotiation);
}

static CU_TestInfo tests[] = {
	{"plain HTTP on the secure port", test_plain_http},
	{"random bytes", test_random_bytes},
	{"truncated record", test_truncated_record},
	{"no close_notify", test_no_close_notify},
	{"oversize record", test_oversize_record},
	{"oversize plaintext", test_oversize_plaintext},
	{"corrupted record", test_corrupted_record},
	{"replayed record", test_replayed_record},
	{"unknown record type", test_unknown_type},
	{"every fatal alert", test_every_fatal_alert},
	{"user_canceled", test_user_canceled},
	{"malformed alert", test_malformed_alert},
	{"flood of empty records", test_empty_records},
	{"flood of warning alerts", test_warning_alerts},
	{"flood of KeyUpdates", test_key_update_flood},
	{"KeyUpdates above 100 a second", test_key_update_rate},
	{"KeyUpdate", test_key_update},
	{"bad handshake messages", test_bad_handshake_messages},
	{"renegotiation", test_renegotiation},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo records_suites[] = {
	{"records", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
