/* Handshakes: versions, suites, keys, refusals, and how connections are resumed. */
#include "tests/e2e/suites.h"
#include "tests/e2e/ferrule.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/pattern.h"
#include "tests/e2e/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <openssl/rand.h>

#define TICKET_KEY_SIZE 80

static const struct {
	int version;
	const char *version_name;
	const char *ec, *rsa; /* OpenSSL's name with either kind of certificate */
} suites[] = {
	{TLS1_2_VERSION, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
	{TLS1_2_VERSION, "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
	{TLS1_2_VERSION, "TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"},
	{TLS1_3_VERSION, "TLSv1.3", "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"},
	{TLS1_3_VERSION, "TLSv1.3", "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
	{TLS1_3_VERSION, "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
};

/* Says a line to the echo backend and expects it back, then ends in both directions. */
static void expect_echo(struct client *client)
{
	char text[8] = "";

	EXPECT(client_say(client, "echo\nhow now"));
	EXPECT(client_read_all(client, text, strlen("how now")));
	EXPECT_TEXT(text, "how now");
	EXPECT(client_shutdown(client));
	EXPECT_EQUAL(client_drain(client), CLIENT_CLOSE_NOTIFY);
}

static void expect_suite(
	const struct fixture *fixture, const char *version_name, struct client_options options)
{
	struct client *client = fixture_client(fixture, options);
	struct conn_line line;

	if (client == NULL)
		return;
	expect_echo(client);
	if (conn_line_after(fixture->ferrule, client, &line)) {
		EXPECT_TEXT(conn_line_get(&line, "server"), "web0");
		EXPECT_TEXT(conn_line_get(&line, "tls"), version_name);
		EXPECT_TEXT(conn_line_get(&line, "cipher"), SSL_get_cipher_name(client->ssl));
		EXPECT_TEXT(conn_line_get(&line, "resumed"), "no");
		EXPECT_TEXT(conn_line_get(&line, "client_cert"), "-");
		EXPECT_EQUAL(conn_line_number(&line, "bytes_in"), strlen("echo\nhow now"));
		EXPECT_EQUAL(conn_line_number(&line, "bytes_out"), strlen("how now"));
	}
	client_free(client);
}

static void expect_all_suites(enum identity_kind identity)
{
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){.identity = identity}))
		return;
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		expect_suite(&fixture, suites[i].version_name,
			(struct client_options){
				.version = suites[i].version,
				.ciphers = identity == IDENTITY_EC ? suites[i].ec : suites[i].rsa,
			});
	fixture_stop(&fixture);
}

static void test_every_suite_ecdsa(void)
{
	expect_all_suites(IDENTITY_EC);
}

static void test_every_suite_rsa(void)
{
	expect_all_suites(IDENTITY_RSA);
}

static void test_cbc_suite(void)
{
	static const char name[] = "ECDHE-ECDSA-AES128-SHA256";
	struct fixture fixture;

	if (!fixture_start(&fixture,
		    (struct ferrule_settings){.ciphersuites = "\"ECDHE-ECDSA-AES128-SHA256\""}))
		return;
	expect_suite(&fixture, "TLSv1.2",
		(struct client_options){.version = TLS1_2_VERSION, .ciphers = name});
	fixture_stop(&fixture);
}

static void test_self_signed_default(void)
{
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){.self_signed = true}))
		return;
	expect_suite(&fixture, "TLSv1.3", (struct client_options){0});
	fixture_stop(&fixture);
}

/* ---- refusals ---- */

static void expect_refusal(const struct fixture *fixture, struct client_options options, int alert)
{
	struct client *client;

	options.port = fixture->ferrule->ports[0];
	client = client_connect(&options);
	if (!EXPECT(client != NULL))
		return;
	EXPECT(!client_handshake(client));
	EXPECT_EQUAL(client->end, CLIENT_ALERT);
	EXPECT_EQUAL(client->alert, alert);
	client_free(client);
	fixture_expect_service(fixture);
}

static void test_old_version_is_refused(void)
{
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	expect_refusal(&fixture,
		(struct client_options){.version = TLS1_VERSION, .ciphers = "DEFAULT:@SECLEVEL=0"},
		SSL_AD_PROTOCOL_VERSION);
	fixture_stop(&fixture);
}

static void test_version_not_configured_is_refused(void)
{
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){.versions = "\"1.3\""}))
		return;
	expect_refusal(&fixture, (struct client_options){.version = TLS1_2_VERSION},
		SSL_AD_PROTOCOL_VERSION);
	fixture_stop(&fixture);
}

static void test_no_common_cipher_is_refused(void)
{
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	/* An RSA suite, and the certificate's key is an EC one. */
	expect_refusal(&fixture,
		(struct client_options){
			.version = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-GCM-SHA256"},
		SSL_AD_HANDSHAKE_FAILURE);
	fixture_stop(&fixture);
}

/* ---- unusual but right ---- */

static void test_hello_retry_request(void)
{
	/* The first group gets the key share; a server without it asks for another. */
	static const char *const groups[] = {"P-521:X25519", "X448:X25519", "ffdhe8192:X25519"};
	struct fixture fixture;
	unsigned retries = 0;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		struct client *client = fixture_client(&fixture,
			(struct client_options){.version = TLS1_3_VERSION, .groups = groups[i]});

		if (client == NULL)
			continue;
		retries += client->hellos == 2;
		expect_echo(client);
		client_free(client);
	}
	EXPECT(retries > 0);
	fixture_stop(&fixture);
}

static void test_key_exchange_is_logged(void)
{
	struct fixture fixture;
	struct conn_line line;
	struct client *client;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = fixture_client(&fixture, (struct client_options){.groups = "X25519"});
	if (client != NULL) {
		expect_echo(client);
		if (conn_line_after(fixture.ferrule, client, &line))
			EXPECT_TEXT(conn_line_get(&line, "kx"), "X25519");
	}
	client_free(client);
	fixture_stop(&fixture);
}

static void test_bytes_one_at_a_time(void)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < 2; i++) {
		struct client *client = fixture_client(&fixture,
			(struct client_options){.version = versions[i], .one_byte = true});

		if (client == NULL)
			continue;
		expect_echo(client);
		client_free(client);
	}
	fixture_stop(&fixture);
}

/* The client's Finished and its first request in one segment: nothing may be lost. */
static void test_early_request(void)
{
	struct fixture fixture;
	struct client *client;
	uint8_t bytes[8192];
	char text[6] = "";
	size_t len;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = client_connect(&(struct client_options){
		.port = fixture.ferrule->ports[0], .version = TLS1_3_VERSION});
	if (EXPECT(client != NULL) && EXPECT(client_handshake_hold(client))) {
		len = client_seal(client, "echo\nearly", 10, bytes, sizeof(bytes));
		EXPECT(client_send_raw(client, bytes, len));
		EXPECT(client_read_all(client, text, strlen("early")));
		EXPECT_TEXT(text, "early");
	}
	client_free(client);
	fixture_stop(&fixture);
}

/* The client's Finished, its end and what nobody may look at any more, in one segment. */
static void test_early_end(void)
{
	static const uint8_t behind[] = {23, 3, 3, 0, 0};
	struct fixture fixture;
	struct client *client;
	struct conn_line line;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = client_connect(&(struct client_options){
		.port = fixture.ferrule->ports[0], .version = TLS1_3_VERSION});
	if (EXPECT(client != NULL) && EXPECT(client_handshake_hold(client))) {
		setsockopt(client->fd, IPPROTO_TCP, TCP_CORK, &(int){1}, sizeof(int));
		EXPECT(client_shutdown(client));
		EXPECT(client_send_raw(client, behind, sizeof(behind)));
		setsockopt(client->fd, IPPROTO_TCP, TCP_CORK, &(int){0}, sizeof(int));
		EXPECT_EQUAL(client_drain(client), CLIENT_CLOSE_NOTIFY);
		if (conn_line_after(fixture.ferrule, client, &line))
			EXPECT_CONTAINS(conn_line_get(&line, "cause"), "client closed");
	}
	client_free(client);
	fixture_stop(&fixture);
}

/* ---- resumption ---- */

/* A session to resume; with TLS 1.3 the tickets come with the first bytes. */
static SSL_SESSION *session_from(uint16_t port, int version)
{
	struct client *client =
		client_open(&(struct client_options){.port = port, .version = version});
	SSL_SESSION *session = NULL;

	if (!EXPECT(client != NULL))
		return NULL;
	expect_echo(client);
	if (EXPECT(client->session != NULL)) {
		session = client->session;
		SSL_SESSION_up_ref(session);
	}
	client_free(client);
	return session;
}

static void expect_resumed(const struct ferrule *ferrule, int version, SSL_SESSION *session)
{
	struct conn_line line;
	struct client *client = client_open(&(struct client_options){
		.port = ferrule->ports[0], .version = version, .session = session});

	if (!EXPECT(client != NULL))
		return;
	EXPECT(SSL_session_reused(client->ssl));
	expect_echo(client);
	if (conn_line_after(ferrule, client, &line))
		EXPECT_TEXT(conn_line_get(&line, "resumed"), "yes");
	client_free(client);
}

static void expect_resumption(const struct ferrule *from, const struct ferrule *to)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	for (size_t i = 0; i < 2; i++) {
		SSL_SESSION *session = session_from(from->ports[0], versions[i]);

		if (session == NULL)
			continue;
		expect_resumed(to, versions[i], session);
		SSL_SESSION_free(session);
	}
}

static void test_resumption(void)
{
	struct fixture fixture;

	/* Two workers: whichever gets the second connection has to know the ticket. */
	if (!fixture_start(&fixture, (struct ferrule_settings){.workers = 2}))
		return;
	for (int i = 0; i < 4; i++)
		expect_resumption(fixture.ferrule, fixture.ferrule);
	fixture_stop(&fixture);
}

static bool tickets_write(const char *path)
{
	uint8_t key[TICKET_KEY_SIZE];

	return RAND_bytes(key, sizeof(key)) == 1 && harness_file_write(path, key, sizeof(key)) &&
	       chmod(path, 0600) == 0;
}

static void test_tickets_file_is_shared(void)
{
	const char *path = harness_path("tickets");
	struct ferrule_settings settings = {.tickets_file = path};
	struct fixture first, second;

	if (!EXPECT(tickets_write(path)) || !fixture_start(&first, settings))
		return;
	if (fixture_start(&second, settings)) {
		expect_resumption(first.ferrule, second.ferrule);
		fixture_stop(&second);
	}
	fixture_stop(&first);
}

static void test_foreign_ticket_is_ignored(void)
{
	struct fixture first, second;
	SSL_SESSION *session;
	struct client *client;

	if (!fixture_start(&first, (struct ferrule_settings){0}))
		return;
	session = session_from(first.ferrule->ports[0], TLS1_3_VERSION);
	if (session != NULL && fixture_start(&second, (struct ferrule_settings){0})) {
		client = fixture_client(&second, (struct client_options){.session = session});
		if (client != NULL) {
			EXPECT(!SSL_session_reused(client->ssl));
			expect_echo(client);
		}
		client_free(client);
		fixture_stop(&second);
	}
	SSL_SESSION_free(session);
	fixture_stop(&first);
}

/* ---- a foreign client ---- */

static void test_openssl_s_client(void)
{
	const char *input = harness_path("request"), *output = harness_path("answer");
	const char *argv[] = {"openssl", "s_client", "-quiet", "-verify_quiet", "-CAfile", NULL,
		"-verify_return_error", "-servername", "localhost", "-connect", NULL, NULL};
	struct fixture fixture;
	char address[64];

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	snprintf(address, sizeof(address), "127.0.0.1:%u", fixture.ferrule->ports[0]);
	argv[5] = fixture.ferrule->certificate_path;
	argv[10] = address;
	EXPECT(harness_file_write(input, "send 100000 9\n", 14));
	EXPECT_EQUAL(process_run(argv, input, output), 0);
	EXPECT(pattern_file_matches(output, 9, 100000));
	fixture_stop(&fixture);
}

static CU_TestInfo tests[] = {
	{"every suite, ECDSA", test_every_suite_ecdsa},
	{"every suite, RSA", test_every_suite_rsa},
	{"CBC suite", test_cbc_suite},
	{"self-signed default", test_self_signed_default},
	{"old version is refused", test_old_version_is_refused},
	{"version not configured is refused", test_version_not_configured_is_refused},
	{"no common cipher is refused", test_no_common_cipher_is_refused},
	{"HelloRetryRequest", test_hello_retry_request},
	{"key exchange is logged", test_key_exchange_is_logged},
	{"bytes one at a time", test_bytes_one_at_a_time},
	{"request in the segment of Finished", test_early_request},
	{"end in the segment of Finished", test_early_end},
	{"resumption", test_resumption},
	{"tickets file is shared", test_tickets_file_is_shared},
	{"foreign ticket is ignored", test_foreign_ticket_is_ignored},
	{"openssl s_client", test_openssl_s_client},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo handshake_suites[] = {
	{"handshake", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
