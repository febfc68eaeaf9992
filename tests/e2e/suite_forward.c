/* mode "http": what the backend is told of a request, and the client of a response. */
#include "tests/e2e/suites.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void expect_field(const char *head, const char *name, const char *value)
{
	char actual[512];

	EXPECT_EQUAL(http_head_field(head, name, actual, sizeof(actual)), 1);
	if (!EXPECT_TEXT(actual, value))
		fprintf(stderr, "%s in %s\n", name, head);
}

static void expect_no_field(const char *head, const char *name)
{
	if (!EXPECT_EQUAL(http_head_field(head, name, NULL, 0), 0))
		fprintf(stderr, "%s in %s\n", name, head);
}

/* Asks on a connection of its own and returns what the backend saw; NULL: failed. */
static const struct http_seen *ask_with(
	struct http_fixture *fixture, struct client_options options, const char *request)
{
	size_t before = http_backend_requests(fixture->backend);
	struct client *client = http_client_with(fixture, options);
	bool asked = client != NULL && http_expect(client, request, 200, NULL);

	client_free(client);
	return asked ? http_backend_wait(fixture->backend, before) : NULL;
}

static const struct http_seen *ask(struct http_fixture *fixture, const char *request)
{
	return ask_with(fixture, (struct client_options){0}, request);
}

/* ---- what is added ---- */

static void test_forwarded(void)
{
	struct http_fixture fixture;
	const struct http_seen *seen;
	char port[16], value[256];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	snprintf(port, sizeof(port), "%u", fixture.ferrule->ports[0]);
	seen = ask(&fixture, GET("/"));
	if (seen != NULL) {
		expect_field(seen->head, "X-Forwarded-For", "127.0.0.1");
		expect_field(seen->head, "X-Forwarded-Proto", "https");
		expect_field(seen->head, "X-Forwarded-Port", port);
		EXPECT_EQUAL(http_head_field(seen->head, "Forwarded", value, sizeof(value)), 1);
		EXPECT_CONTAINS(value, "for=");
		EXPECT_CONTAINS(value, "127.0.0.1");
		EXPECT_CONTAINS(value, "proto=https");
		expect_no_field(seen->head, "X-Client-Cert-Verify");
	}
	http_fixture_stop(&fixture);
}

/* RFC 7239 6: an IPv6 address is in brackets and quoted. */
static void test_forwarded_ipv6(void)
{
	struct http_fixture fixture;
	const struct http_seen *seen;
	char value[256];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.address = "::1"}))
		return;
	seen = ask_with(&fixture, (struct client_options){.host = "::1"}, GET("/"));
	if (seen != NULL) {
		expect_field(seen->head, "X-Forwarded-For", "::1");
		http_head_field(seen->head, "Forwarded", value, sizeof(value));
		EXPECT_CONTAINS(value, "for=\"[::1]");
	}
	http_fixture_stop(&fixture);
}

/* ---- what is left out ---- */

/* All values of a client that would pass for us hold this word. */
static const char forged[] = "GET / HTTP/1.1\r\nHost: localhost\r\n"
			     "X-Forwarded-For: 6.6.6.6-evil\r\n"
			     "x-forwarded-for: 6.6.6.7-evil\r\n"
			     "X_Forwarded_For: evil\r\n"
			     "X-Forwarded_For: evil\r\n"
			     "X.Forwarded.For: evil\r\n"
			     "X-Forwarded-Proto: evil\r\n"
			     "X_FORWARDED_PROTO: evil\r\n"
			     "X-Forwarded-Port: evil\r\n"
			     "X-Forwarded-Host: evil\r\n"
			     "X-Forwarded-Server: evil\r\n"
			     "X-Forwarded-Anything: evil\r\n"
			     "Forwarded: for=evil\r\n"
			     "FORWARDED: for=evil\r\n"
			     "X-Real-IP: evil\r\n"
			     "X_Real_Ip: evil\r\n"
			     "X-Client-Cert-Verify: evil\r\n"
			     "X-Client-Cert-Subject: CN=evil\r\n"
			     "X_Client_Cert_Subject: CN=evil\r\n"
			     "X-Client_Cert-Subject: CN=evil\r\n"
			     "x.client.cert.fingerprint: evil\r\n"
			     "X-Client-Cert-Fingerprint: evil\r\n"
			     "X-Client-Cert-Whatever: evil\r\n"
			     "Proxy: http://evil\r\n"
			     "X-Honest: yes\r\n\r\n";

static void test_forged_headers(void)
{
	struct http_fixture fixture;
	const struct http_seen *seen;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	seen = ask(&fixture, forged);
	if (seen != NULL) {
		EXPECT(strstr(seen->head, "evil") == NULL);
		expect_field(seen->head, "X-Forwarded-For", "127.0.0.1");
		expect_field(seen->head, "X-Honest", "yes");
	}
	http_fixture_stop(&fixture);
}

/* Then somebody in front of us is trusted with those, but nobody with certificates. */
static void test_forwarded_off(void)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n"
				      "X-Forwarded-For: 10.1.2.3, 10.4.5.6\r\n"
				      "X-Forwarded-Proto: http\r\n"
				      "Forwarded: for=10.1.2.3;proto=http\r\n"
				      "X-Real-IP: 10.1.2.3\r\n"
				      "X-Client-Cert-Verify: SUCCESS\r\n"
				      "X_Client_Cert_Subject: CN=evil\r\n\r\n";
	struct http_fixture fixture;
	const struct http_seen *seen;

	if (!http_fixture_start(
		    &fixture, (struct ferrule_settings){.server_extra = {"forwarded = false;"}}))
		return;
	seen = ask(&fixture, request);
	if (seen != NULL) {
		expect_field(seen->head, "X-Forwarded-For", "10.1.2.3, 10.4.5.6");
		expect_field(seen->head, "X-Forwarded-Proto", "http");
		expect_field(seen->head, "Forwarded", "for=10.1.2.3;proto=http");
		expect_field(seen->head, "X-Real-IP", "10.1.2.3");
		expect_no_field(seen->head, "X-Forwarded-Port");
		expect_no_field(seen->head, "X-Client-Cert-Verify");
		EXPECT(strstr(seen->head, "evil") == NULL);
	}
	seen = ask(&fixture, GET("/none"));
	if (seen != NULL)
		expect_no_field(seen->head, "X-Forwarded-For");
	http_fixture_stop(&fixture);
}

/* RFC 9110 7.6.1: what belongs to the connection stays on it. */
static void test_hop_by_hop(void)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n"
				      "Connection: keep-alive, X-Mine\r\n"
				      "Keep-Alive: timeout=5\r\n"
				      "Proxy-Connection: keep-alive\r\n"
				      "TE: trailers\r\n"
				      "Upgrade: h2c\r\n"
				      "HTTP2-Settings: AAMAAABkAAQAAP__\r\n"
				      "X-Mine: 1\r\n"
				      "X-Other: 2\r\n\r\n";
	static const char *const gone[] = {
		"Keep-Alive", "Proxy-Connection", "TE", "Upgrade", "HTTP2-Settings", "X-Mine"};
	struct http_fixture fixture;
	const struct http_seen *seen;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	seen = ask(&fixture, request);
	for (size_t i = 0; seen != NULL && i < sizeof(gone) / sizeof(gone[0]); i++)
		expect_no_field(seen->head, gone[i]);
	if (seen != NULL)
		expect_field(seen->head, "X-Other", "2");
	http_fixture_stop(&fixture);
}

/* Connection names headers, but it must not take ours away, nor the framing. */
static void test_connection_names_ours(void)
{
	static const char request[] =
		"GET / HTTP/1.1\r\nHost: localhost\r\n"
		"Connection: X-Forwarded-For, X-Forwarded-Proto, Forwarded\r\n"
		"Connection: X-Client-Cert-Verify\r\n\r\n";
	struct http_fixture fixture;
	const struct http_seen *seen;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	seen = ask(&fixture, request);
	if (seen != NULL) {
		expect_field(seen->head, "Host", "localhost");
		expect_field(seen->head, "X-Forwarded-For", "127.0.0.1");
		expect_field(seen->head, "X-Forwarded-Proto", "https");
	}
	http_fixture_stop(&fixture);
}

/* Either these go on or nothing does: a body without its length would be a second request. */
static void test_connection_names_framing(void)
{
	static const char *const requests[] = {
		"POST / HTTP/1.1\r\nHost: a\r\nConnection: Host\r\nContent-Length: 5\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\n"
		"Content-Length: 5\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: a\r\nConnection: close, Transfer-Encoding\r\n"
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	};
	struct http_response response;
	struct http_fixture fixture;
	const struct http_seen *seen;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < 3; i++) {
		size_t before = http_backend_requests(fixture.backend);
		struct client *client = http_client(&fixture);

		if (client == NULL || !EXPECT(client_say(client, requests[i])) ||
			!EXPECT(http_read_head(client, &response)))
			response.status = 0;
		if (response.status == 200) {
			seen = http_backend_wait(fixture.backend, before);
			EXPECT(seen != NULL && strcmp(seen->body, "hello") == 0);
			if (seen != NULL)
				expect_field(seen->head, "Host", "a");
		} else {
			EXPECT_EQUAL(response.status, 400);
		}
		client_free(client);
	}
	http_fixture_stop(&fixture);
}

/* ---- what stays as it is ---- */

#define LINES                                                                                      \
	"aCCept: text/html, */*;q=0.1\r\n"                                                         \
	"authorization: Basic dXNlcjpwYXNz\r\n"                                                    \
	"COOKIE: a=1; b=\"2\"\r\n"                                                                 \
	"X-Repeated: 1\r\n"                                                                        \
	"X-Between:    spaces   kept   \r\n"                                                       \
	"X-Repeated: 2\r\n"                                                                        \
	"X-Empty:\r\n"                                                                             \
	"X_Underscore: yes\r\n"                                                                    \
	"X-Latin: \xe4\xf6\xfc\r\n"                                                                \
	"Referer: https://localhost/?q=%20\r\n"

static void test_order_and_case(void)
{
	struct http_fixture fixture;
	const struct http_seen *seen;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	seen = ask(&fixture, "GET / HTTP/1.1\r\nHost: localhost\r\n" LINES "\r\n");
	if (seen != NULL && !EXPECT(strstr(seen->head, LINES) != NULL))
		fprintf(stderr, "the backend got:\n%s", seen->head);
	http_fixture_stop(&fixture);
}

#define ANSWER_LINES                                                                               \
	"sErVer: legacy/0.1\r\n"                                                                   \
	"Set-Cookie: a=1; Path=/\r\n"                                                              \
	"X-Between:    spaces   kept   \r\n"                                                       \
	"set-cookie: b=2\r\n"                                                                      \
	"WWW-Authenticate: Digest realm=\"old\"\r\n"

static void test_response_headers_kept(void)
{
	static const char text[] =
		"HTTP/1.1 401 Not You\r\n" ANSWER_LINES "Connection: X-Mine, keep-alive\r\n"
		"Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nX-Mine: 1\r\n"
		"Content-Length: 2\r\n\r\nok";
	struct http_response response;
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/", &(struct http_answer){.text = text});
	client = http_client(&fixture);
	if (client != NULL && EXPECT(client_say(client, GET("/"))) &&
		EXPECT(http_read_head(client, &response))) {
		EXPECT(strncmp(response.head, "HTTP/1.1 401 Not You\r\n", 22) == 0);
		if (!EXPECT(strstr(response.head, ANSWER_LINES) != NULL))
			fprintf(stderr, "the client got:\n%s", response.head);
		expect_no_field(response.head, "Keep-Alive");
		expect_no_field(response.head, "Proxy-Connection");
		expect_no_field(response.head, "X-Mine");
		EXPECT_EQUAL(http_head_field(response.head, "Date", NULL, 0), 1);
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* ---- what is set in every response ---- */

#define SET                                                                                        \
	"http_server = true; http_address = [ \"127.0.0.1\" ]; http_port = 0;\n"                   \
	"http_action = \"proxy\"; hsts = 31536000;\n"                                              \
	"response_headers = [ \"X-Frame-Options: DENY\", \"Server: ferrule\" ];"

static void expect_set(struct http_fixture *fixture, const char *request, int status, bool plain)
{
	struct client *client = http_client_with(fixture, (struct client_options){.plain = plain});
	struct http_response response;

	if (client == NULL)
		return;
	if (EXPECT(client_say(client, request)) && EXPECT(http_read_head(client, &response)) &&
		EXPECT_EQUAL(response.status, status)) {
		expect_field(response.head, "X-Frame-Options", "DENY");
		expect_field(response.head, "Server", "ferrule");
		/* RFC 6797 7.2: never over plain HTTP. */
		if (plain)
			expect_no_field(response.head, "Strict-Transport-Security");
		else
			expect_field(
				response.head, "Strict-Transport-Security", "max-age=31536000");
	}
	client_free(client);
}

static void test_set_response_headers(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.server_extra = {SET}}))
		return;
	http_backend_answer(fixture.backend, "/own",
		&(struct http_answer){.text = "HTTP/1.1 200 OK\r\nX-FRAME-options: "
					      "SAMEORIGIN\r\nServer: legacy\r\n"
					      "Strict-Transport-Security: max-age=1\r\n"
					      "Content-Length: 2\r\n\r\nok"});
	http_backend_answer(fixture.backend, "/nonsense",
		&(struct http_answer){.text = "NONSENSE\r\n\r\n", .after = HTTP_CLOSE});
	expect_set(&fixture, GET("/"), 200, false);
	expect_set(&fixture, GET("/own"), 200, false);
	expect_set(&fixture, GET("/nonsense"), 502, false);
	expect_set(&fixture, GET("/"), 200, true);
	http_fixture_stop(&fixture);
}

/* ---- PROXY protocol ---- */

static void expect_proxied(struct http_fixture *fixture, size_t connection)
{
	struct client *client = http_client(fixture);
	struct http_proxy_header header;

	if (client == NULL)
		return;
	for (int i = 0; i < 3; i++)
		http_expect(client, GET("/"), 200, "ok");
	if (http_backend_proxy_header(fixture->backend, connection, &header)) {
		EXPECT_EQUAL(header.command, 1);
		EXPECT_EQUAL(header.family, 0x11);
		EXPECT_TEXT(header.source, "127.0.0.1");
		EXPECT_EQUAL(header.source_port, client->local_port);
		EXPECT_TEXT(header.destination, "127.0.0.1");
		EXPECT_EQUAL(header.destination_port, fixture->ferrule->ports[0]);
	}
	client_free(client);
}

/* It speaks of one client: no connection is handed on to another one. */
static void test_proxy_protocol(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start_proxied(&fixture,
		    (struct ferrule_settings){.server_extra = {"proxy_protocol = true;"}}))
		return;
	for (size_t i = 0; i < 3; i++)
		expect_proxied(&fixture, i);
	http_backend_wait_open(fixture.backend, 0);
	EXPECT_EQUAL(http_backend_connections(fixture.backend), 3);
	http_fixture_stop(&fixture);
}

static void test_proxy_protocol_ipv6(void)
{
	struct http_proxy_header header;
	struct http_fixture fixture;

	if (!http_fixture_start_proxied(
		    &fixture, (struct ferrule_settings){.address = "::1",
				      .server_extra = {"proxy_protocol = true;"}}))
		return;
	if (ask_with(&fixture, (struct client_options){.host = "::1"}, GET("/")) != NULL &&
		http_backend_proxy_header(fixture.backend, 0, &header)) {
		EXPECT_EQUAL(header.family, 0x21);
		EXPECT_TEXT(header.source, "::1");
		EXPECT_TEXT(header.destination, "::1");
		EXPECT_EQUAL(header.destination_port, fixture.ferrule->ports[0]);
	}
	http_fixture_stop(&fixture);
}

/* ---- client certificates ---- */

/* "ca" issues "alice" and "late", who has expired; "stranger" has issued himself. */
static bool certificates_write(void)
{
	const char *ca = harness_path("ca");

	return EXPECT(identity_write_as(
		       ca, "Test CA", &(struct identity_options){.is_authority = true})) &&
	       EXPECT(identity_write_as(harness_path("alice"), "alice",
		       &(struct identity_options){.authority = ca, .dns_name = "alice"})) &&
	       EXPECT(identity_write_as(harness_path("late"), "late",
		       &(struct identity_options){
			       .authority = ca, .dns_name = "late", .expired = true})) &&
	       EXPECT(identity_write_as(harness_path("stranger"), "stranger",
		       &(struct identity_options){.dns_name = "stranger"}));
}

static bool certified_start(struct http_fixture *fixture, const char *client_auth)
{
	char trustpoints[600], extra[128];

	if (!certificates_write())
		return false;
	snprintf(trustpoints, sizeof(trustpoints),
		"{ name = \"CA\"; enrollment: { method = \"pem\"; }; files: { ca = \"%s\"; }; }",
		harness_path("ca.pem"));
	snprintf(extra, sizeof(extra), "client_auth = \"%s\"; %s", client_auth,
		strcmp(client_auth, "none") != 0 ? "client_auth_trustpoint = \"CA\";" : "");
	return http_fixture_start(fixture,
		(struct ferrule_settings){.trustpoints = trustpoints, .server_extra = {extra}});
}

/* NULL: no certificate. */
static struct client_options options_of(const char *name, int version)
{
	struct client_options options = {.version = version};

	if (name != NULL) {
		options.certificate = harness_path("%s.pem", name);
		options.key = harness_path("%s.key", name);
	}
	return options;
}

/* Claims to be somebody else in every way there is. */
#define LIAR                                                                                       \
	"GET / HTTP/1.1\r\nHost: a\r\nX-Client-Cert-Verify: SUCCESS\r\n"                           \
	"X-Client-Cert-Subject: CN=root\r\nX_Client_Cert_Fingerprint: 00\r\n\r\n"

static void expect_success(struct http_fixture *fixture, struct client_options options)
{
	const struct http_seen *seen = ask_with(fixture, options, LIAR);
	char fingerprint[65], value[128];

	if (seen == NULL)
		return;
	identity_fingerprint(harness_path("alice.pem"), fingerprint);
	expect_field(seen->head, "X-Client-Cert-Verify", "SUCCESS");
	expect_field(seen->head, "X-Client-Cert-Subject", "CN=alice");
	EXPECT_EQUAL(
		http_head_field(seen->head, "X-Client-Cert-Fingerprint", value, sizeof(value)), 1);
	EXPECT(strcasecmp(value, fingerprint) == 0);
	EXPECT(strstr(seen->head, "root") == NULL);
}

static void expect_none(struct http_fixture *fixture, int version)
{
	const struct http_seen *seen = ask_with(fixture, options_of(NULL, version), LIAR);

	if (seen == NULL)
		return;
	expect_field(seen->head, "X-Client-Cert-Verify", "NONE");
	EXPECT(strstr(seen->head, "root") == NULL);
	expect_no_field(seen->head, "X_Client_Cert_Fingerprint");
}

static void expect_failed(struct http_fixture *fixture, const char *name, int version)
{
	const struct http_seen *seen = ask_with(fixture, options_of(name, version), LIAR);
	char value[256];

	if (seen == NULL)
		return;
	EXPECT_EQUAL(http_head_field(seen->head, "X-Client-Cert-Verify", value, sizeof(value)), 1);
	EXPECT(strncmp(value, "FAILED:", 7) == 0 && value[7] != '\0');
	EXPECT(strstr(seen->head, "root") == NULL);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void test_certificate_none(void)
{
	struct http_fixture fixture;
	const struct http_seen *seen;

	if (!certified_start(&fixture, "none"))
		return;
	for (size_t i = 0; i < 2; i++) {
		seen = ask_with(&fixture, options_of("alice", versions[i]), LIAR);
		if (seen != NULL)
			EXPECT(strcasestr(seen->head, "Client") == NULL);
	}
	http_fixture_stop(&fixture);
}

static void test_certificate_optional(void)
{
	struct http_fixture fixture;

	if (!certified_start(&fixture, "optional"))
		return;
	for (size_t i = 0; i < 2; i++) {
		harness_note(i == 0 ? "TLS 1.2" : "TLS 1.3");
		expect_success(&fixture, options_of("alice", versions[i]));
		expect_none(&fixture, versions[i]);
		expect_failed(&fixture, "stranger", versions[i]);
		expect_failed(&fixture, "late", versions[i]);
	}
	harness_note(NULL);
	http_fixture_stop(&fixture);
}

/* TLS 1.3 tells the client only after its own side of the handshake is done. */
static void expect_shut_out(struct http_fixture *fixture, const char *name, int version)
{
	struct client_options options = options_of(name, version);
	struct client *client;

	options.port = fixture->ferrule->ports[0];
	client = client_connect(&options);
	if (!EXPECT(client != NULL))
		return;
	if (client_handshake(client)) {
		client_say(client, GET("/shut-out"));
		client_drain(client);
	}
	EXPECT_EQUAL(client->end, CLIENT_ALERT);
	/* RFC 8446 6.2, RFC 5246 7.2.2 */
	if (name == NULL)
		EXPECT_EQUAL(client->alert, version == TLS1_3_VERSION ? SSL_AD_CERTIFICATE_REQUIRED
								      : SSL_AD_HANDSHAKE_FAILURE);
	else
		EXPECT_EQUAL(client->alert,
			strcmp(name, "late") == 0 ? SSL_AD_CERTIFICATE_EXPIRED : SSL_AD_UNKNOWN_CA);
	client_free(client);
}

static void test_certificate_required(void)
{
	struct http_fixture fixture;

	if (!certified_start(&fixture, "required"))
		return;
	for (size_t i = 0; i < 2; i++) {
		harness_note(i == 0 ? "TLS 1.2" : "TLS 1.3");
		expect_success(&fixture, options_of("alice", versions[i]));
		expect_shut_out(&fixture, NULL, versions[i]);
		expect_shut_out(&fixture, "stranger", versions[i]);
		expect_shut_out(&fixture, "late", versions[i]);
	}
	harness_note(NULL);
	EXPECT(!http_backend_has(fixture.backend, "shut-out"));
	http_fixture_stop(&fixture);
}

/* The ticket alone, without the certificate: nobody, unless it is honoured. */
static void expect_resumed(struct http_fixture *fixture, struct client_options options)
{
	size_t before = http_backend_requests(fixture->backend);
	struct client *client;
	const struct http_seen *seen;
	bool resumed;

	options.certificate = options.key = NULL;
	client = http_client_with(fixture, options);
	if (client == NULL)
		return;
	resumed = SSL_session_reused(client->ssl) == 1;
	if (http_expect(client, LIAR, 200, "ok")) {
		seen = http_backend_wait(fixture->backend, before);
		if (seen != NULL)
			expect_field(
				seen->head, "X-Client-Cert-Verify", resumed ? "SUCCESS" : "NONE");
	}
	client_free(client);
}

/* Whoever resumes a session is who began it. */
static void test_certificate_resumed(void)
{
	struct http_fixture fixture;

	if (!certified_start(&fixture, "optional"))
		return;
	for (size_t i = 0; i < 2; i++) {
		struct client_options options = options_of("alice", versions[i]);
		struct client *client = http_client_with(&fixture, options);

		harness_note(i == 0 ? "TLS 1.2" : "TLS 1.3");
		if (client != NULL && http_expect(client, GET("/"), 200, "ok") &&
			client->session != NULL) {
			options.session = client->session;
			expect_success(&fixture, options);
			expect_resumed(&fixture, options);
		}
		client_free(client);
	}
	harness_note(NULL);
	http_fixture_stop(&fixture);
}

static CU_TestInfo tests[] = {
	{"forwarded", test_forwarded},
	{"forwarded, IPv6", test_forwarded_ipv6},
	{"forged headers are dropped", test_forged_headers},
	{"forwarded = false", test_forwarded_off},
	{"hop-by-hop headers", test_hop_by_hop},
	{"Connection names our headers", test_connection_names_ours},
	{"Connection names the framing", test_connection_names_framing},
	{"order and case", test_order_and_case},
	{"response headers are kept", test_response_headers_kept},
	{"response headers are set", test_set_response_headers},
	{"PROXY protocol", test_proxy_protocol},
	{"PROXY protocol, IPv6", test_proxy_protocol_ipv6},
	{"client certificate none", test_certificate_none},
	{"client certificate optional", test_certificate_optional},
	{"client certificate required", test_certificate_required},
	{"client certificate, resumed", test_certificate_resumed},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo forward_suites[] = {
	{"forward", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
