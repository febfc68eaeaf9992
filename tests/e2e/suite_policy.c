/* Who may come in, by which door, under which name, and with which password. */
#include "tests/e2e/suites.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http_fixture.h"
#include "tests/e2e/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GET(path)    "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#define PLAIN(action)                                                                              \
	"http_server = true; http_address = [ \"127.0.0.1\" ]; http_port = 0;\n"                   \
	"http_action = " action ";"

/* ---- access class ---- */

static const struct {
	const char *rules, *host;
	bool permitted;
} classes[] = {
	{"\"permit 127.0.0.0/8\", \"deny any\"", "127.0.0.1", true},
	{"\"permit 127.0.0.1/32\"", "127.0.0.1", true},
	{"\"permit any\"", "127.0.0.1", true},
	{"\"deny any\"", "127.0.0.1", false},
	{"\"permit 10.0.0.0/8\"", "127.0.0.1", false},
	{"\"permit 10.0.0.0/8\", \"deny any\"", "127.0.0.1", false},
	{"\"deny 127.0.0.1/32\", \"permit any\"", "127.0.0.1", false},
	{"\"permit 127.0.0.1/32\", \"deny 127.0.0.0/8\"", "127.0.0.1", true},
	{"\"permit 126.0.0.0/7\"", "127.0.0.1", true},
	{"\"permit 0.0.0.0/0\"", "127.0.0.1", true},
	{"\"permit ::/0\"", "127.0.0.1", false},
	{"\"permit ::1/128\"", "::1", true},
	{"\"permit ::/0\"", "::1", true},
	{"\"permit 127.0.0.0/8\"", "::1", false},
	{"\"permit 0.0.0.0/0\"", "::1", false},
	{"\"deny ::1/128\", \"permit any\"", "::1", false},
};

/* Not a byte of the handshake, not even an alert. */
static void expect_denied(const struct http_fixture *fixture, struct client_options options)
{
	struct client *client;

	options.port =
		options.plain ? fixture->ferrule->plain_ports[0] : fixture->ferrule->ports[0];
	client = client_connect(&options);
	if (client == NULL)
		return; /* closed sooner than we looked */
	if (client_handshake(client) && options.plain) {
		client_say(client, GET("/denied"));
		client_drain(client);
	}
	EXPECT(client->end == CLIENT_FIN || client->end == CLIENT_RESET);
	EXPECT_EQUAL(client->alert, -1);
	client_free(client);
}

static void expect_class(size_t nth)
{
	struct client_options options = {.host = classes[nth].host};
	struct http_fixture fixture;
	struct client *client;
	char extra[256];

	snprintf(extra, sizeof(extra), "access_class = [ %s ];", classes[nth].rules);
	if (!http_fixture_start(&fixture, (struct ferrule_settings){.address = classes[nth].host,
						  .server_extra = {extra}}))
		return;
	if (classes[nth].permitted) {
		client = http_client_with(&fixture, options);
		if (client != NULL)
			http_expect(client, GET("/"), 200, "ok");
		client_free(client);
	} else {
		expect_denied(&fixture, options);
		EXPECT_EQUAL(http_backend_connections(fixture.backend), 0);
	}
	http_fixture_stop(&fixture);
}

static void test_access_class(void)
{
	for (size_t i = 0; i < COUNT(classes); i++) {
		harness_deadline_set(20);
		harness_note(classes[i].rules);
		expect_class(i);
	}
	harness_note(NULL);
}

static void test_access_class_of_plain_server(void)
{
	static const char extra[] = PLAIN("\"proxy\"") " access_class = [ \"permit 10.0.0.0/8\" ];";
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.server_extra = {extra}}))
		return;
	expect_denied(&fixture, (struct client_options){.plain = true});
	expect_denied(&fixture, (struct client_options){0});
	EXPECT_EQUAL(http_backend_connections(fixture.backend), 0);
	http_fixture_stop(&fixture);
}

/* ---- basic authentication ---- */

/* An htpasswd line with a hash of OpenSSL's. */
static bool password_add(FILE *file, const char *user, const char *password)
{
	const char *argv[] = {"openssl", "passwd", "-6", password, NULL};
	const char *output = harness_path("passwd.out");
	char *hash = NULL;
	bool added;

	remove(output);
	added = EXPECT_EQUAL(process_run(argv, NULL, output), 0);
	if (added)
		hash = harness_file_read(output, NULL);
	added = hash != NULL && fprintf(file, "%s:%s", user, hash) > 0;
	free(hash);
	return added;
}

static bool passwords_write(void)
{
	FILE *file = fopen(harness_path("htpasswd"), "we");
	bool written;

	if (!EXPECT(file != NULL))
		return false;
	written = password_add(file, "alice", "secret") &&
		  password_add(file, "bob", "with:colon and space");
	return EXPECT(fclose(file) == 0 && written);
}

static bool guarded_start(struct http_fixture *fixture)
{
	char extra[800];

	if (!passwords_write())
		return false;
	snprintf(extra, sizeof(extra),
		PLAIN("\"proxy\"") "\nauthentication: { method = \"basic\"; file = \"%s\"; "
				   "realm = \"the device\"; };",
		harness_path("htpasswd"));
	return http_fixture_start(fixture, (struct ferrule_settings){.server_extra = {extra}});
}

static const struct {
	const char *credentials; /* encoded by `printf %s USER:PASSWORD | base64` */
	bool good;
} attempts[] = {
	{NULL, false},
	{"Basic YWxpY2U6c2VjcmV0", true},                 /* alice:secret */
	{"bAsIc YWxpY2U6c2VjcmV0", true},                 /* RFC 9110 11.1: any case */
	{"Basic Ym9iOndpdGg6Y29sb24gYW5kIHNwYWNl", true}, /* bob:with:colon and space */
	{"Basic YWxpY2U6d3Jvbmc=", false},                /* alice:wrong */
	{"Basic YWxpY2U6", false},                        /* alice: */
	{"Basic bWFsbG9yeTpzZWNyZXQ=", false},            /* mallory:secret */
	{"Basic OnNlY3JldA==", false},                    /* :secret */
	{"Basic YWxpY2U=", false},                        /* alice */
	{"Basic", false},
	{"Basic !!!", false},
	{"Basic YWxpY2U6c2VjcmV0====", false},
	{"Basic YWxpY2U6c2VjcmV0AA==", false}, /* alice:secret\0 */
	{"Digest username=\"alice\"", false},
	{"YWxpY2U6c2VjcmV0", false},
};

static void expect_challenge(const struct http_response *response)
{
	char value[128];

	http_field(response, "WWW-Authenticate", value, sizeof(value));
	EXPECT(strncasecmp(value, "Basic ", 6) == 0);
	EXPECT_CONTAINS(value, "realm=\"the device\"");
}

static void expect_attempt(struct http_fixture *fixture, size_t nth, bool plain)
{
	size_t before = http_backend_requests(fixture->backend);
	struct client *client = http_client_with(fixture, (struct client_options){.plain = plain});
	struct http_response response;
	char fields[128] = "";

	if (client == NULL)
		return;
	if (attempts[nth].credentials != NULL)
		snprintf(
			fields, sizeof(fields), "Authorization: %s\r\n", attempts[nth].credentials);
	if (EXPECT(http_ask(client, "GET", "/guarded", fields)) &&
		EXPECT(http_read_head(client, &response))) {
		EXPECT_EQUAL(response.status, attempts[nth].good ? 200 : 401);
		if (!attempts[nth].good)
			expect_challenge(&response);
	}
	client_free(client);
	EXPECT_EQUAL(
		http_backend_requests(fixture->backend), before + (attempts[nth].good ? 1 : 0));
}

static void test_basic_authentication(void)
{
	struct http_fixture fixture;

	if (!guarded_start(&fixture))
		return;
	for (size_t i = 0; i < 2 * COUNT(attempts); i++) {
		harness_note(attempts[i / 2].credentials);
		expect_attempt(&fixture, i / 2, i % 2 == 1);
	}
	harness_note(NULL);
	http_fixture_stop(&fixture);
}

/* A body that comes with a refused request is no second request. */
static void test_refused_with_body(void)
{
	static const char post[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 43\r\n\r\n"
				   "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct http_response response;
	struct http_fixture fixture;
	struct client *client;
	char body[4096];

	if (!guarded_start(&fixture))
		return;
	client = http_client(&fixture);
	if (client != NULL && EXPECT(client_say(client, post)) &&
		EXPECT(http_read_head(client, &response))) {
		EXPECT_EQUAL(response.status, 401);
		EXPECT(http_read_text(client, &response, body, sizeof(body)));
		if (response.closes)
			http_expect_end(client);
		else
			http_expect(client, GET("/"), 401, NULL);
	}
	client_free(client);
	EXPECT_EQUAL(http_backend_bytes(fixture.backend), 0);
	http_fixture_stop(&fixture);
}

/* ---- the plain server ---- */

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 307 || status == 308;
}

static void expect_redirect(
	struct http_fixture *fixture, const char *request, const char *host, const char *target)
{
	struct client *client = http_client_with(fixture, (struct client_options){.plain = true});
	struct http_response response;
	char expected[256], location[256];

	if (client == NULL)
		return;
	harness_note(request);
	snprintf(expected, sizeof(expected), "https://%s:%u%s", host, fixture->ferrule->ports[0],
		target);
	if (EXPECT(client_say(client, request)) && EXPECT(http_read_head(client, &response)) &&
		EXPECT(is_redirect(response.status))) {
		http_field(&response, "Location", location, sizeof(location));
		EXPECT_TEXT(location, expected);
	}
	harness_note(NULL);
	client_free(client);
}

static void test_redirect(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(
		    &fixture, (struct ferrule_settings){.server_extra = {PLAIN("\"redirect\"")}}))
		return;
	EXPECT(fixture.ferrule->plain_ports[0] != 0);
	expect_redirect(&fixture, GET("/a/b?c=d&e"), "localhost", "/a/b?c=d&e");
	expect_redirect(
		&fixture, "GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n", "localhost", "/");
	expect_redirect(&fixture, "GET /x HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "[::1]", "/x");
	expect_redirect(&fixture, "GET /x HTTP/1.1\r\nHost: [::1]\r\n\r\n", "[::1]", "/x");
	expect_redirect(
		&fixture, "GET /x HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n", "127.0.0.1", "/x");
	expect_redirect(&fixture, "GET http://b.example/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
		"b.example", "/x?y");
	expect_redirect(&fixture, "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", "a", "/x");
	expect_redirect(&fixture, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		"a", "/x");
	EXPECT_EQUAL(http_backend_connections(fixture.backend), 0);
	http_fixture_stop(&fixture);
}

/* What would break out of the Location line, or lead somewhere else, is no request at all. */
static void test_redirect_refuses(void)
{
	static const char *const requests[] = {
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a@evil\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /\rSet-Cookie:x HTTP/1.1\r\nHost: a\r\n\r\n",
	};
	struct http_fixture fixture;

	if (!http_fixture_start(
		    &fixture, (struct ferrule_settings){.server_extra = {PLAIN("\"redirect\"")}}))
		return;
	for (size_t i = 0; i < COUNT(requests); i++) {
		struct client *client =
			http_client_with(&fixture, (struct client_options){.plain = true});

		harness_note(requests[i]);
		if (client != NULL)
			http_expect(client, requests[i], 400, NULL);
		client_free(client);
	}
	harness_note(NULL);
	http_fixture_stop(&fixture);
}

static void test_plain_proxy(void)
{
	struct http_fixture fixture;
	const struct http_seen *seen;
	struct client *client;
	char value[64], port[16];

	if (!http_fixture_start(
		    &fixture, (struct ferrule_settings){.server_extra = {PLAIN("\"proxy\"")}}))
		return;
	client = http_client_with(&fixture, (struct client_options){.plain = true});
	for (int i = 0; client != NULL && i < 5; i++)
		http_expect(client, GET("/"), 200, "ok");
	client_free(client);
	seen = http_backend_wait(fixture.backend, 0);
	if (seen != NULL) {
		http_head_field(seen->head, "X-Forwarded-Proto", value, sizeof(value));
		EXPECT_TEXT(value, "http");
		snprintf(port, sizeof(port), "%u", fixture.ferrule->plain_ports[0]);
		http_head_field(seen->head, "X-Forwarded-Port", value, sizeof(value));
		EXPECT_TEXT(value, port);
	}
	/* Both servers have one backend and one pool. */
	http_fixture_expect_service(&fixture);
	EXPECT_EQUAL(http_backend_connections(fixture.backend), 1);
	http_fixture_stop(&fixture);
}

static void expect_plain(struct http_fixture *fixture, const char *path, const char *verdict)
{
	struct client *client = http_client_with(fixture, (struct client_options){.plain = true});
	struct http_response response;
	const char *actual = "nothing";

	if (client == NULL)
		return;
	if (EXPECT(http_ask(client, "GET", path, NULL)) &&
		EXPECT(http_read_head(client, &response))) {
		if (is_redirect(response.status))
			actual = "redirect";
		else if (response.status == 200)
			actual = "proxy";
		else if (response.status >= 400 && response.status < 500)
			actual = "refuse";
	}
	harness_note(path);
	EXPECT_TEXT(actual, verdict);
	harness_note(NULL);
	client_free(client);
}

static void test_plain_refuse(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(
		    &fixture, (struct ferrule_settings){.server_extra = {PLAIN("\"refuse\"")}}))
		return;
	expect_plain(&fixture, "/", "refuse");
	EXPECT_EQUAL(http_backend_connections(fixture.backend), 0);
	http_fixture_stop(&fixture);
}

static void test_plain_by_path(void)
{
	static const char extra[] = PLAIN("( { path = \"/soap/\"; action = \"refuse\"; }, "
					  "{ path = \"/api/open/\"; action = \"proxy\"; }, "
					  "{ path = \"/api/\"; action = \"refuse\"; } )");
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.server_extra = {extra}}))
		return;
	expect_plain(&fixture, "/", "redirect");
	expect_plain(&fixture, "/soap/", "refuse");
	expect_plain(&fixture, "/soap/x?y", "refuse");
	expect_plain(&fixture, "/soapbox", "redirect");
	expect_plain(&fixture, "/api/x", "refuse");
	expect_plain(&fixture, "/api/open/x", "proxy");
	EXPECT_EQUAL(http_backend_requests(fixture.backend), 1);
	http_fixture_stop(&fixture);
}

/* A way around the path that is refused would be a way to the backend. */
static void test_plain_path_in_disguise(void)
{
	static const char extra[] = PLAIN("( { path = \"/soap/\"; action = \"refuse\"; }, "
					  "{ path = \"/\"; action = \"proxy\"; } )");
	static const char *const paths[] = {"/soap/x", "/%73oap/x", "/x/../soap/x", "/./soap/x",
		"//soap/x", "/x/%2e%2e/soap/x", "/%2e/soap/x"};
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.server_extra = {extra}}))
		return;
	for (size_t i = 0; i < COUNT(paths); i++)
		expect_plain(&fixture, paths[i], "refuse");
	expect_plain(&fixture, "/other", "proxy");
	http_fixture_stop(&fixture);
}

/* S2: one port for both servers. Nothing is opened: it is only checked. */
static void test_one_port_for_both(void)
{
	static const char extra[] = "http_server = true; http_port = 443;"
				    " http_address = [ \"127.0.0.1\" ];";
	struct ferrule_settings settings = {.backends = {"127.0.0.1:9"},
		.mode = "http",
		.server_extra = {extra},
		.secure_port = 443};
	struct ferrule *ferrule = ferrule_prepare(&settings);
	char *output;

	if (!EXPECT(ferrule != NULL))
		return;
	EXPECT_EQUAL(ferrule_command(ferrule, (const char *const[]){"check", NULL}, &output), 1);
	if (EXPECT(output != NULL)) {
		EXPECT_CONTAINS(output, "Port 443 in use by HTTP");
		EXPECT_CONTAINS(output, "ferrule.conf:");
	}
	free(output);
	free(ferrule);
}

/* ---- names ---- */

struct named {
	struct http_fixture fixture;
	struct http_backend *second;
};

static bool named_identity(const char *name, const char *dns_name)
{
	return EXPECT(identity_write_as(
		harness_path("%s", name), name, &(struct identity_options){.dns_name = dns_name}));
}

static bool named_start(struct named *named)
{
	char trustpoints[1600], extra[600];

	if (!named_identity("second", "b.example.com") ||
		!named_identity("wild", "*.wild.example.com"))
		return false;
	named->second = http_backend_start(false);
	if (!EXPECT(named->second != NULL))
		return false;
	http_backend_answer(named->second, NULL,
		&(struct http_answer){
			.text = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"});
#define TRUSTPOINT                                                                                 \
	"{ name = \"%s\"; enrollment: { method = \"pem\"; };\n"                                    \
	"  files: { certificate = \"%s\"; key = \"%s\"; }; }"
	snprintf(trustpoints, sizeof(trustpoints), TRUSTPOINT ", " TRUSTPOINT, "TP2",
		harness_path("second.pem"), harness_path("second.key"), "TP3",
		harness_path("wild.pem"), harness_path("wild.key"));
	snprintf(extra, sizeof(extra),
		"certificates = ( { server_name = \"b.example.com\"; trustpoint = \"TP2\";"
		" backend = \"%s\"; },\n"
		" { server_name = \"*.wild.example.com\"; trustpoint = \"TP3\"; } );",
		http_backend_address(named->second));
	if (http_fixture_start(&named->fixture,
		    (struct ferrule_settings){.trustpoints = trustpoints, .server_extra = {extra}}))
		return true;
	http_backend_stop(named->second);
	return false;
}

static void named_stop(struct named *named)
{
	http_fixture_stop(&named->fixture);
	http_backend_stop(named->second);
}

/* What the client asks for, whose certificate it gets, and who answers. */
static const struct {
	const char *server_name, *common_name, *answer;
} names[] = {
	{NULL, "first", "ok"},
	{"localhost", "first", "ok"},
	{"unknown.example.com", "first", "ok"},
	{"b.example.com", "second", "second"},
	{"B.Example.COM", "second", "second"},
	{"x.b.example.com", "first", "ok"},
	{"a.wild.example.com", "wild", "ok"},
	{"A.WILD.example.com", "wild", "ok"},
	{"wild.example.com", "first", "ok"},
	{"x.a.wild.example.com", "first", "ok"},
};

static void expect_name(struct named *named, size_t nth, int version)
{
	struct client *client = http_client_with(&named->fixture,
		(struct client_options){.server_name = names[nth].server_name, .version = version});
	X509 *certificate;
	char shown[64] = "";

	if (client == NULL)
		return;
	certificate = SSL_get1_peer_certificate(client->ssl);
	if (certificate != NULL)
		X509_NAME_get_text_by_NID(
			X509_get_subject_name(certificate), NID_commonName, shown, sizeof(shown));
	X509_free(certificate);
	EXPECT_TEXT(shown, names[nth].common_name);
	for (int i = 0; i < 2; i++)
		http_expect(client, GET("/"), 200, names[nth].answer);
	client_free(client);
}

static void test_names(void)
{
	struct named named;

	if (!named_start(&named))
		return;
	for (size_t i = 0; i < 2 * COUNT(names); i++) {
		harness_note(names[i / 2].server_name);
		expect_name(&named, i / 2, i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
	}
	harness_note(NULL);
	named_stop(&named);
}

/* A ticket got under one name opens no other one's backend. */
static void test_names_and_tickets(void)
{
	struct client_options options = {.server_name = "b.example.com"};
	struct client *client, *resumed;
	struct named named;

	if (!named_start(&named))
		return;
	client = http_client_with(&named.fixture, options);
	if (client != NULL && http_expect(client, GET("/"), 200, "second") &&
		client->session != NULL) {
		options.session = client->session;
		resumed = http_client_with(&named.fixture, options);
		if (resumed != NULL)
			http_expect(resumed, GET("/"), 200, "second");
		client_free(resumed);
		options.server_name = "localhost";
		resumed = http_client_with(&named.fixture, options);
		if (resumed != NULL)
			http_expect(resumed, GET("/"), 200, "ok");
		client_free(resumed);
	}
	client_free(client);
	named_stop(&named);
}

static CU_TestInfo tests[] = {
	{"access class", test_access_class},
	{"access class of the plain server", test_access_class_of_plain_server},
	{"basic authentication", test_basic_authentication},
	{"body of a refused request", test_refused_with_body},
	{"plain server redirects", test_redirect},
	{"plain server refuses bad requests", test_redirect_refuses},
	{"plain server passes through", test_plain_proxy},
	{"plain server refuses", test_plain_refuse},
	{"plain server by path", test_plain_by_path},
	{"plain server, path in disguise", test_plain_path_in_disguise},
	{"one port for both servers", test_one_port_for_both},
	{"names and certificates", test_names},
	{"names and tickets", test_names_and_tickets},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo policy_suites[] = {
	{"policy", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
