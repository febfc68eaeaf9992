/* What ferrule writes and shows: access log, status of the servers, debugging. */
#include "tests/e2e/suites.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http_fixture.h"
#include "tests/e2e/json.h"
#include "tests/e2e/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GET(path)    "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* ---- access log ---- */

static bool logged_start(struct http_fixture *fixture, const char *format, const char *extra)
{
	char log[400];

	snprintf(log, sizeof(log), "access = \"%s\"; access_format = \"%s\";",
		harness_path("access"), format);
	return http_fixture_start(
		fixture, (struct ferrule_settings){.log_extra = log, .server_extra = {extra}});
}

/* Waits for the whole line that holds the mark: to be freed. */
static char *line_wait(const char *path, const char *mark)
{
	do {
		char *text = harness_file_read(path, NULL);
		char *found = text != NULL ? strstr(text, mark) : NULL;
		char *end = found != NULL ? strchr(found, '\n') : NULL;

		if (end != NULL) {
			while (found > text && found[-1] != '\n')
				found--;
			found = strndup(found, (size_t)(end - found));
			free(text);
			return found;
		}
		free(text);
	} while (harness_tick());
	EXPECT(false && "a line in the access log");
	return strdup("");
}

static size_t lines_of(const char *path)
{
	char *text = harness_file_read(path, NULL);
	size_t count = 0;

	for (const char *next = text; next != NULL && (next = strchr(next, '\n')) != NULL; next++)
		count++;
	free(text);
	return count;
}

#define ODD                                                                                        \
	"GET /odd?a=\"b\" HTTP/1.1\r\nHost: localhost\r\nReferer: https://a/\"x\"\r\n"             \
	"User-Agent: curl\"\\/1.0 \x80\xff\t'\r\n\r\n"

static void ask_all(struct http_fixture *fixture)
{
	struct client *client = http_client(fixture);

	if (client == NULL)
		return;
	http_expect(client,
		"GET /one?q=1 HTTP/1.1\r\nHost: localhost\r\nReferer: http://r/\r\n"
		"User-Agent: agent/1.0\r\n\r\n",
		200, "ok");
	http_expect(client, ODD, 200, "ok");
	http_expect(client, GET("/last"), 200, "ok");
	client_free(client);
	client = http_client(fixture);
	if (client != NULL)
		http_expect(client, "GET /refused HTTP/1.1\r\n\r\n", 400, NULL);
	client_free(client);
}

static void test_combined_log(void)
{
	struct http_fixture fixture;
	const char *path;
	char *line;

	if (!logged_start(&fixture, "combined", NULL))
		return;
	path = harness_path("access");
	ask_all(&fixture);
	line = line_wait(path, "/one?q=1");
	EXPECT(strncmp(line, "127.0.0.1 - - [", 15) == 0);
	EXPECT_CONTAINS(line, "\"GET /one?q=1 HTTP/1.1\" 200 2 \"http://r/\" \"agent/1.0\"");
	free(line);
	/* What a client may say cannot end a field or a line. */
	line = line_wait(path, "/odd");
	EXPECT(strstr(line, "\"x\"") == NULL || strstr(line, "\\\"x\\\"") != NULL);
	for (const char *next = line; *next != '\0'; next++)
		EXPECT((unsigned char)*next >= 0x20 && (unsigned char)*next < 0x7f);
	free(line);
	free(line_wait(path, "\" 400 "));
	EXPECT_EQUAL(lines_of(path), 4);
	http_fixture_stop(&fixture);
}

static void test_json_log(void)
{
	static const char *const marks[] = {"/one", "/odd", "/last", "400"};
	struct http_fixture fixture;
	const char *path;

	if (!logged_start(&fixture, "json", NULL))
		return;
	path = harness_path("access");
	ask_all(&fixture);
	for (size_t i = 0; i < COUNT(marks); i++) {
		char *line = line_wait(path, marks[i]);

		EXPECT(line[0] == '{' && json_is_valid(line));
		EXPECT_CONTAINS(line, "127.0.0.1");
		EXPECT_CONTAINS(line, "web0");
		EXPECT_CONTAINS(line, i < 3 ? "200" : "400");
		free(line);
	}
	EXPECT_EQUAL(lines_of(path), 4);
	http_fixture_stop(&fixture);
}

/* The way logrotate does it: moved away, then told. No line is lost, none comes twice. */
static void test_log_is_reopened(void)
{
	struct http_fixture fixture;
	const char *path, *old;
	struct client *client;

	if (!logged_start(&fixture, "combined", NULL))
		return;
	path = harness_path("access");
	old = harness_path("access.1");
	client = http_client(&fixture);
	if (client != NULL) {
		http_expect(client, GET("/before"), 200, "ok");
		free(line_wait(path, "/before"));
		EXPECT(rename(path, old) == 0);
		EXPECT(kill(fixture.ferrule->pid, SIGUSR1) == 0);
		/* An empty new file is what says that it has been done. */
		for (char *text = NULL; text == NULL && harness_tick();)
			free(text = harness_file_read(path, NULL));
		http_expect(client, GET("/after"), 200, "ok");
		free(line_wait(path, "/after"));
		EXPECT_EQUAL(lines_of(old), 1);
		EXPECT_EQUAL(lines_of(path), 1);
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* Both servers write into it, and a request that nobody finished has its line, too. */
static void test_log_of_broken_requests(void)
{
	static const char extra[] = "http_server = true; http_address = [ \"127.0.0.1\" ];"
				    " http_port = 0; http_action = \"redirect\";";
	struct http_fixture fixture;
	struct client *client;
	const char *path;
	char byte;

	if (!logged_start(&fixture, "combined", extra))
		return;
	path = harness_path("access");
	http_backend_answer(fixture.backend, "/broken",
		&(struct http_answer){.text = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
			.after = HTTP_CLOSE});
	client = http_client_with(&fixture, (struct client_options){.plain = true});
	if (client != NULL)
		EXPECT(client_say(client, GET("/plain")) && client_read(client, &byte, 1) == 1);
	client_free(client);
	free(line_wait(path, "\"GET /plain HTTP/1.1\" 30"));
	client = http_client(&fixture);
	if (client != NULL && EXPECT(client_say(client, GET("/broken"))))
		client_drain(client);
	client_free(client);
	free(line_wait(path, "/broken"));
	http_fixture_stop(&fixture);
}

/* Who does not wait for the answer has a line that says so; a head not yet whole has none. */
static void test_log_of_impatient_clients(void)
{
	struct http_fixture fixture;
	struct conn_line conn_line;
	struct client *client;
	const char *path;
	char *line;

	if (!logged_start(&fixture, "combined", NULL))
		return;
	path = harness_path("access");
	http_backend_answer(fixture.backend, "/held", &(struct http_answer){.held = true});
	client = http_client(&fixture);
	if (client != NULL && EXPECT(client_say(client, "GET /half HTTP/1.1\r\nHost: ")))
		conn_line_after(fixture.ferrule, client, &conn_line);
	client_free(client);
	client = http_client(&fixture);
	if (client != NULL && EXPECT(client_say(client, GET("/held"))) &&
		EXPECT(http_backend_wait_heads(fixture.backend, 1)))
		conn_line_after(fixture.ferrule, client, &conn_line);
	client_free(client);
	line = line_wait(path, "/held");
	EXPECT_CONTAINS(line, "\"GET /held HTTP/1.1\" 499 0 ");
	EXPECT_CONTAINS(line, "upstream=127.0.0.1:");
	free(line);
	EXPECT_EQUAL(lines_of(path), 1);
	http_fixture_stop(&fixture);
}

/* ---- status ---- */

/* Every line of the documents' examples, and what is on it here. */
static const struct {
	const char *label, *value;
} server_status[] = {
	{"HTTP server status:", "Disabled"},
	{"HTTP server port:", "80"},
	{"HTTP server authentication method:", "none"},
	{"HTTP server access class:", NULL},
	{"HTTP server base path:", NULL},
	{"Maximum number of concurrent server connections allowed:", "77"},
	{"Maximum number of concurrent backend connections allowed:", "77"},
	{"Server idle time-out:", "61 seconds"},
	{"Server life time-out:", "3600 seconds"},
	{"Maximum number of requests allowed on a connection:", "1234"},
	{"HTTP secure server capability:", "Present"},
	{"HTTP secure server status:", "Enabled"},
	{"HTTP secure server port:", NULL},
	{"HTTP secure server ciphersuite:", NULL},
	{"HTTP secure server client authentication:", "Disabled"},
	{"HTTP secure server trustpoint:", "TP"},
};

static bool displayed_start(struct http_fixture *fixture)
{
	return http_fixture_start(fixture, (struct ferrule_settings){.max_connections = 77,
						   .idle_timeout = 61,
						   .timeouts = "life = 3600; requests = 1234;"});
}

/* NULL: the command failed. */
static char *show(const struct http_fixture *fixture, const char *const words[])
{
	char *output = NULL;

	if (EXPECT_EQUAL(ferrule_command(fixture->ferrule, words, &output), 0))
		return output;
	fprintf(stderr, "ferrule said: %s\n", output != NULL ? output : "");
	free(output);
	return NULL;
}

static void expect_label(const char *text, const char *label, const char *value)
{
	const char *found = strcasestr(text, label);
	char line[256] = "";

	if (found != NULL)
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(found, "\n"), found);
	if (EXPECT_CONTAINS(line, label) && value != NULL)
		EXPECT_CONTAINS(line, value);
}

static void test_show_server_status(void)
{
	struct http_fixture fixture;
	char *text, port[16];

	if (!displayed_start(&fixture))
		return;
	text = show(&fixture, (const char *const[]){"show", "server", "status", NULL});
	for (size_t i = 0; text != NULL && i < COUNT(server_status); i++)
		expect_label(text, server_status[i].label, server_status[i].value);
	if (text != NULL) {
		snprintf(port, sizeof(port), "%u", fixture.ferrule->ports[0]);
		expect_label(text, "HTTP secure server port:", port);
	}
	free(text);
	http_fixture_stop(&fixture);
}

static void test_show_secure_status(void)
{
	struct http_fixture fixture;
	char *text;

	if (!displayed_start(&fixture))
		return;
	text = show(&fixture, (const char *const[]){"show", "server", "secure", "status", NULL});
	for (size_t i = 0; text != NULL && i < COUNT(server_status); i++)
		if (strstr(server_status[i].label, "secure server") != NULL &&
			strstr(server_status[i].label, "capability") == NULL)
			expect_label(text, server_status[i].label, server_status[i].value);
	free(text);
	http_fixture_stop(&fixture);
}

static void test_show_of_other_settings(void)
{
	static const char extra[] =
		"http_server = true; http_address = [ \"127.0.0.1\" ]; http_port = 0;"
		" access_class = [ \"permit 127.0.0.0/8\", \"deny any\" ];"
		" client_auth = \"optional\"; client_auth_trustpoint = \"CA\";";
	struct http_fixture fixture;
	char *text, trustpoints[600];

	EXPECT(identity_write_as(
		harness_path("ca"), "CA", &(struct identity_options){.is_authority = true}));
	snprintf(trustpoints, sizeof(trustpoints),
		"{ name = \"CA\"; enrollment: { method = \"pem\"; }; files: { ca = \"%s\"; }; }",
		harness_path("ca.pem"));
	if (!http_fixture_start(&fixture, (struct ferrule_settings){.trustpoints = trustpoints,
						  .server_extra = {extra},
						  .ciphersuites = "\"TLS_AES_128_GCM_SHA256\""}))
		return;
	text = show(&fixture, (const char *const[]){"show", "server", "status", NULL});
	if (text != NULL) {
		expect_label(text, "HTTP server status:", "Enabled");
		expect_label(text, "HTTP server access class:", "127.0.0.0/8");
		expect_label(text, "HTTP secure server ciphersuite:", "TLS_AES_128_GCM_SHA256");
		expect_label(text, "HTTP secure server client authentication:", "Optional");
	}
	free(text);
	http_fixture_stop(&fixture);
}

static void test_show_ciphersuites(void)
{
	struct http_fixture fixture;
	char *text;

	if (!displayed_start(&fixture))
		return;
	text = show(&fixture, (const char *const[]){"show", "ciphersuites", NULL});
	if (text != NULL) {
		EXPECT_CONTAINS(text, "TLS_AES_128_GCM_SHA256");
		EXPECT_CONTAINS(text, "ECDHE-ECDSA-AES128-GCM-SHA256");
	}
	free(text);
	http_fixture_stop(&fixture);
}

static void test_show_json(void)
{
	static const char *const commands[][6] = {
		{"show", "server", "status", "--json", NULL},
		{"show", "server", "secure", "status", "--json", NULL},
		{"show", "ciphersuites", "--json", NULL},
		{"show", "sessions", "--json", NULL},
		{"show", "offload", "--json", NULL},
	};
	struct http_fixture fixture;
	char *text;

	if (!displayed_start(&fixture))
		return;
	for (size_t i = 0; i < COUNT(commands); i++) {
		harness_note(commands[i][1]);
		text = show(&fixture, commands[i]);
		if (text != NULL && !EXPECT(json_is_valid(text)))
			fprintf(stderr, "not JSON: %s\n", text);
		free(text);
	}
	harness_note(NULL);
	http_fixture_stop(&fixture);
}

/* ---- debugging ---- */

static void debug(const struct http_fixture *fixture, const char *what, const char *whether)
{
	free(show(fixture, (const char *const[]){"debug", what, whether, NULL}));
}

static void ask_once(const struct http_fixture *fixture)
{
	struct client *client =
		http_client_with(fixture, (struct client_options){.version = TLS1_3_VERSION,
						  .ciphers = "TLS_AES_256_GCM_SHA384"});
	struct conn_line line;

	if (client == NULL)
		return;
	http_expect(client, GET("/"), 200, "ok");
	conn_line_after(fixture->ferrule, client, &line); /* all of its lines are written */
	client_free(client);
}

#define SESSION_LINE "HTTPS SSL Session Established/Handshake done - Peer 127.0.0.1"
#define STATE_LINE   "HTTPS SSL State Change - Peer 127.0.0.1"

static void test_debug_session(void)
{
	static const char *const fields[] = {SESSION_LINE,
		"state = ", "SessionInfo: Digest=", "SSLVer=TLSv1.3",
		"KeyEx=", "Auth=", "Cipher=", "(256)", "Mac="};
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	ask_once(&fixture);
	EXPECT_EQUAL(ferrule_count_log(fixture.ferrule, SESSION_LINE), 0);
	debug(&fixture, "secure-session", "on");
	ask_once(&fixture);
	for (size_t i = 0; i < COUNT(fields); i++)
		if (!EXPECT(ferrule_count_log(fixture.ferrule, fields[i]) > 0))
			fprintf(stderr, "not in the log: %s\n", fields[i]);
	EXPECT_EQUAL(ferrule_count_log(fixture.ferrule, SESSION_LINE), 1);
	EXPECT_EQUAL(ferrule_count_log(fixture.ferrule, STATE_LINE), 0);
	debug(&fixture, "secure-session", "off");
	ask_once(&fixture);
	EXPECT_EQUAL(ferrule_count_log(fixture.ferrule, SESSION_LINE), 1);
	http_fixture_stop(&fixture);
}

static void test_debug_state(void)
{
	struct http_fixture fixture;
	unsigned count;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	debug(&fixture, "secure-state", "on");
	ask_once(&fixture);
	count = ferrule_count_log(fixture.ferrule, STATE_LINE);
	EXPECT(count > 0);
	EXPECT_EQUAL(ferrule_count_log(fixture.ferrule, "Old State = "), count);
	EXPECT_EQUAL(ferrule_count_log(fixture.ferrule, "New State = "), count);
	EXPECT_EQUAL(ferrule_count_log(fixture.ferrule, SESSION_LINE), 0);
	debug(&fixture, "secure-state", "off");
	ask_once(&fixture);
	EXPECT_EQUAL(ferrule_count_log(fixture.ferrule, STATE_LINE), count);
	http_fixture_stop(&fixture);
}

/* All of it, on every worker. */
static void test_debug_all(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.workers = 2}))
		return;
	debug(&fixture, "secure-all", "on");
	for (int i = 0; i < 8; i++)
		ask_once(&fixture);
	EXPECT_EQUAL(ferrule_count_log(fixture.ferrule, SESSION_LINE), 8);
	EXPECT(ferrule_count_log(fixture.ferrule, STATE_LINE) >= 8);
	debug(&fixture, "secure-all", "off");
	for (int i = 0; i < 8; i++)
		ask_once(&fixture);
	EXPECT_EQUAL(ferrule_count_log(fixture.ferrule, SESSION_LINE), 8);
	http_fixture_stop(&fixture);
}

static void test_wrong_usage(void)
{
	static const char *const commands[][5] = {
		{"debug", "secure-session", "perhaps", NULL},
		{"debug", "nothing", "on", NULL},
		{"show", "server", NULL},
		{"show", "server", "insecure", "status", NULL},
	};
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < COUNT(commands); i++) {
		char *output = NULL;

		harness_note(commands[i][1]);
		EXPECT_EQUAL(ferrule_command(fixture.ferrule, commands[i], &output), 2);
		free(output);
	}
	harness_note(NULL);
	http_fixture_stop(&fixture);
}

static CU_TestInfo tests[] = {
	{"combined access log", test_combined_log},
	{"JSON access log", test_json_log},
	{"access log is reopened", test_log_is_reopened},
	{"access log of broken requests", test_log_of_broken_requests},
	{"access log of impatient clients", test_log_of_impatient_clients},
	{"show server status", test_show_server_status},
	{"show server secure status", test_show_secure_status},
	{"show server status, other settings", test_show_of_other_settings},
	{"show ciphersuites", test_show_ciphersuites},
	{"show --json", test_show_json},
	{"debug secure-session", test_debug_session},
	{"debug secure-state", test_debug_state},
	{"debug secure-all", test_debug_all},
	{"wrong usage", test_wrong_usage},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo display_suites[] = {
	{"display", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
