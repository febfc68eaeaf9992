/* mode "http": how large a request may be, how long it may take, how many there may be. */
#include "tests/e2e/suites.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* A clock that ferrule reads at other moments than we do: seconds are counted roundly. */
#define SLACK 100

/* ---- sizes ---- */

#define LIMITS                                                                                     \
	"limits: { request_line = 300; head = 2000; fields = 20; body = 1000; };"                  \
	" backend_connections = 0;"

/* A request with a line of so many bytes, so many header lines and so many bytes of head. */
static char *request_of(size_t line, unsigned fields, size_t head)
{
	char *text = calloc(1, line + head + 32 * (size_t)fields + 256);
	size_t len, end;

	if (text == NULL)
		return NULL;
	len = (size_t)sprintf(text, "GET /");
	while (len < line - strlen(" HTTP/1.1"))
		text[len++] = 'a';
	len += (size_t)sprintf(text + len, " HTTP/1.1\r\nHost: a\r\n");
	for (unsigned i = 2; i < fields; i++)
		len += (size_t)sprintf(text + len, "X-%02u: x\r\n", i);
	len += (size_t)sprintf(text + len, "X-Last: ");
	end = head > len + 4 ? head - 4 : len;
	while (len < end)
		text[len++] = 'x';
	strcpy(text + len, "\r\n\r\n");
	return text;
}

/* An answer, and when it is a refusal the end of the connection; never a word behind it. */
static void expect_verdict(struct http_fixture *fixture, const char *request, int status)
{
	uint64_t before = http_backend_bytes(fixture->backend);
	struct client *client = http_client(fixture);
	struct http_response response;
	char body[4096];

	if (client == NULL)
		return;
	EXPECT(client_say(client, request));
	if (EXPECT(http_read_head(client, &response)) && EXPECT_EQUAL(response.status, status) &&
		EXPECT(http_read_text(client, &response, body, sizeof(body))) && status != 200)
		http_expect_end(client);
	client_free(client);
	http_backend_settle(fixture->backend);
	if (status != 200)
		EXPECT_EQUAL(http_backend_bytes(fixture->backend), before);
}

static const struct {
	size_t line;
	unsigned fields;
	size_t head;
	int status;
} sizes[] = {
	{300, 2, 0, 200},
	{301, 2, 0, 414},
	{1000, 2, 0, 414},
	{3000, 2, 0, 414},
	{50, 20, 0, 200},
	{50, 21, 0, 431},
	{50, 2, 2000, 200},
	{50, 2, 2001, 431},
	{50, 2, 100000, 431},
};

static void test_head_sizes(void)
{
	struct http_fixture fixture;
	char note[64];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.server_extra = {LIMITS}}))
		return;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *request = request_of(sizes[i].line, sizes[i].fields, sizes[i].head);

		snprintf(note, sizeof(note), "line %zu, fields %u, head %zu", sizes[i].line,
			sizes[i].fields, sizes[i].head);
		harness_note(note);
		if (EXPECT(request != NULL))
			expect_verdict(&fixture, request, sizes[i].status);
		free(request);
	}
	harness_note(NULL);
	http_fixture_stop(&fixture);
}

/* Without any setting: what browsers send passes, what they do not does not. */
static void test_default_sizes(void)
{
	struct http_fixture fixture;
	char *request;

	if (!http_fixture_start(&fixture,
		    (struct ferrule_settings){.server_extra = {"backend_connections = 0;"}}))
		return;
	if (EXPECT((request = request_of(8000, 90, 16000)) != NULL))
		expect_verdict(&fixture, request, 200);
	free(request);
	if (EXPECT((request = request_of(9000, 2, 0)) != NULL))
		expect_verdict(&fixture, request, 414);
	free(request);
	if (EXPECT((request = request_of(50, 2, 40000)) != NULL))
		expect_verdict(&fixture, request, 431);
	free(request);
	http_fixture_stop(&fixture);
}

/* It grows past whatever is thought of as small, and another request is behind it. */
static void test_large_head_in_pieces(void)
{
	char *request = request_of(50, 2, 15000);
	struct http_fixture fixture;
	struct client *client;
	size_t len;

	if (!EXPECT(request != NULL))
		return;
	len = strlen(request);
	if (http_fixture_start(&fixture, (struct ferrule_settings){0})) {
		client = http_client(&fixture);
		for (size_t i = 0; client != NULL && i < len; i += 100)
			EXPECT(client_write(client, request + i, len - i < 100 ? len - i : 100));
		if (client != NULL && EXPECT(client_say(client, GET("/behind")))) {
			http_expect_answer(client, 200, "ok");
			http_expect_answer(client, 200, "ok");
			EXPECT_EQUAL(http_backend_count(fixture.backend, "X-Last: xxx"), 1);
			EXPECT_EQUAL(http_backend_count(fixture.backend, "/behind"), 1);
		}
		client_free(client);
		http_fixture_stop(&fixture);
	}
	free(request);
}

static void expect_body_of(struct http_fixture *fixture, size_t len, int status)
{
	char *text = calloc(1, len + 256);
	size_t start;

	if (!EXPECT(text != NULL))
		return;
	start = (size_t)sprintf(
		text, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", len);
	memset(text + start, 'b', len);
	expect_verdict(fixture, text, status);
	free(text);
}

/* A body without an announced length is found too long on its way: it never arrives whole. */
static void expect_chunks_of(struct http_fixture *fixture, size_t count, int status)
{
	size_t before = http_backend_count(fixture->backend, NULL);
	struct client *client = http_client(fixture);

	if (client == NULL)
		return;
	EXPECT(http_ask(client, "POST", "/", "Transfer-Encoding: chunked\r\n"));
	for (size_t i = 0; i < count && client_say(client, "a\r\n0123456789\r\n"); i++)
		; /* it may have heard enough */
	client_say(client, "0\r\n\r\n");
	if (http_expect_answer(client, status, NULL) && status != 200)
		client_drain(client);
	EXPECT(client->end != CLIENT_DEADLINE);
	client_free(client);
	http_backend_settle(fixture->backend);
	EXPECT_EQUAL(http_backend_count(fixture->backend, NULL), before + (status == 200 ? 1 : 0));
}

static void test_body_sizes(void)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.server_extra = {LIMITS}}))
		return;
	expect_body_of(&fixture, 1000, 200);
	expect_body_of(&fixture, 1001, 413);
	expect_body_of(&fixture, 100000, 413);
	expect_chunks_of(&fixture, 100, 200);
	expect_chunks_of(&fixture, 101, 413);
	expect_chunks_of(&fixture, 1000, 413);
	/* Nobody has to send it to be told. */
	client = http_client(&fixture);
	if (client != NULL) {
		EXPECT(http_ask(
			client, "POST", "/", "Content-Length: 1001\r\nExpect: 100-continue\r\n"));
		http_expect_answer(client, 413, NULL);
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* ---- times ---- */

static void expect_seconds(int64_t start, int64_t least)
{
	EXPECT(harness_now() - start >= least * 1000 - SLACK);
}

/* The head does not come to its end, whether its bytes trickle in or not. */
static void expect_header_timeout(struct http_fixture *fixture, const char *beginning, bool trickle)
{
	struct client *client = http_client(fixture);
	int64_t start = harness_now();
	struct conn_line line;

	if (client == NULL)
		return;
	EXPECT(client_say(client, beginning));
	while (trickle && harness_now() - start < 900 && client_say(client, "x"))
		harness_pause(100);
	if (http_expect_answer(client, 408, NULL))
		client_drain(client);
	expect_seconds(start, 1);
	EXPECT_EQUAL(client->end, CLIENT_CLOSE_NOTIFY);
	if (conn_line_after(fixture->ferrule, client, &line))
		EXPECT(conn_line_get(&line, "cause")[0] != '\0');
	client_free(client);
}

static void test_header_timeout(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.timeouts = "header = 1;"}))
		return;
	expect_header_timeout(&fixture, "G", false);
	expect_header_timeout(&fixture, "GET / HTTP/1.1\r\n", false);
	expect_header_timeout(&fixture, "GET / HTTP/1.1\r\nHost: a\r\nX: ", true);
	EXPECT_EQUAL(http_backend_bytes(fixture.backend), 0);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

/* It runs from the first byte of a request: before that only the idle time counts. */
static void test_header_timeout_between_requests(void)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.timeouts = "header = 1;"}))
		return;
	client = http_client(&fixture);
	if (client != NULL) {
		harness_pause(1500);
		http_expect(client, GET("/"), 200, "ok");
		harness_pause(1500);
		http_expect(client, GET("/"), 200, "ok");
		EXPECT(client_say(client, "GET / HT"));
		http_expect_answer(client, 408, NULL);
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* Between requests the end is in order and nothing is said. */
static void expect_idle_end(struct http_fixture *fixture, unsigned requests)
{
	struct client *client = http_client(fixture);
	int64_t start = harness_now();
	struct conn_line line;

	if (client == NULL)
		return;
	for (unsigned i = 0; i < requests; i++)
		http_expect(client, GET("/"), 200, "ok");
	http_expect_end(client);
	expect_seconds(start, 1);
	if (conn_line_after(fixture->ferrule, client, &line)) {
		EXPECT_CONTAINS(conn_line_get(&line, "cause"), "idle");
		EXPECT_EQUAL(conn_line_number(&line, "requests"), requests);
	}
	client_free(client);
}

static void test_idle_timeout(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.idle_timeout = 1}))
		return;
	expect_idle_end(&fixture, 0);
	expect_idle_end(&fixture, 1);
	expect_idle_end(&fixture, 5);
	http_fixture_stop(&fixture);
}

/* A backend that says nothing, or not enough. */
static void test_backend_timeout(void)
{
	struct http_fixture fixture;
	struct client *client;
	char text[64];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.idle_timeout = 1}))
		return;
	http_backend_answer(fixture.backend, "/never",
		&(struct http_answer){.text = "", .after = HTTP_SILENCE});
	http_backend_answer(fixture.backend, "/head",
		&(struct http_answer){.text = "HTTP/1.1 200 OK\r\nX:", .after = HTTP_SILENCE});
	http_backend_answer(fixture.backend, "/half",
		&(struct http_answer){.text = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
			.after = HTTP_SILENCE});
	client = http_client(&fixture);
	if (client != NULL)
		http_expect(client, GET("/never"), 504, NULL);
	client_free(client);
	client = http_client(&fixture);
	if (client != NULL)
		http_expect(client, GET("/head"), 504, NULL);
	client_free(client);
	client = http_client(&fixture);
	if (client != NULL && http_expect(client, GET("/half"), 200, NULL)) {
		EXPECT(client_read_all(client, text, 4));
		http_expect_cut(client);
	}
	client_free(client);
	http_backend_wait_open(fixture.backend, 0); /* none of these is kept */
	http_fixture_stop(&fixture);
}

/* A client that stops in the middle of its body: told, and nothing complete at the backend. */
static void test_body_timeout(void)
{
	struct http_fixture fixture;
	struct http_response response;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.idle_timeout = 1}))
		return;
	client = http_client(&fixture);
	if (client != NULL) {
		EXPECT(http_ask(client, "POST", "/", "Content-Length: 10\r\n"));
		EXPECT(client_say(client, "half"));
		if (http_read_head(client, &response))
			EXPECT(response.status == 408 || response.status == 504);
		client_drain(client);
		EXPECT(client->end != CLIENT_DEADLINE);
	}
	client_free(client);
	http_backend_settle(fixture.backend);
	EXPECT_EQUAL(http_backend_count(fixture.backend, NULL), 0);
	http_fixture_stop(&fixture);
}

/* ---- the life of a connection ---- */

/* A connection at its limit that is working on a request is closed when that is done. */
static void test_life_ends_with_request(void)
{
	struct http_response response;
	struct http_fixture fixture;
	struct client *client;
	char body[16];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.timeouts = "life = 1;"}))
		return;
	http_backend_answer(fixture.backend, "/held", &(struct http_answer){.held = true});
	client = http_client(&fixture);
	if (client != NULL && EXPECT(client_say(client, GET("/held")))) {
		http_backend_wait_heads(fixture.backend, 1);
		harness_pause(1500);
		http_backend_release(fixture.backend);
		if (EXPECT(http_read_head(client, &response))) {
			EXPECT_EQUAL(response.status, 200);
			EXPECT(response.closes);
			EXPECT(http_read_text(client, &response, body, sizeof(body)));
			EXPECT_TEXT(body, "ok");
			http_expect_end(client);
		}
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* Nor does a busy connection outlive it: some response is its last, and says so or ends it. */
static void test_life_of_busy_connection(void)
{
	struct http_response response = {.closes = false};
	struct http_fixture fixture;
	struct client *client;
	int64_t start;
	char body[16];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.timeouts = "life = 1;"}))
		return;
	start = harness_now();
	client = http_client(&fixture);
	while (client != NULL && !response.closes && harness_now() - start < 10000) {
		if (!client_say(client, GET("/")) || !http_read_head(client, &response))
			break;
		EXPECT_EQUAL(response.status, 200);
		EXPECT(http_read_text(client, &response, body, sizeof(body)));
		harness_pause(20);
	}
	if (client != NULL)
		http_expect_end(client);
	expect_seconds(start, 1);
	EXPECT(harness_now() - start < 10000);
	client_free(client);
	http_fixture_stop(&fixture);
}

static void test_life_of_idle_connection(void)
{
	struct http_fixture fixture;
	struct client *client;
	int64_t start = harness_now();

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.timeouts = "life = 1;"}))
		return;
	client = http_client(&fixture);
	if (client != NULL) {
		http_expect(client, GET("/"), 200, "ok");
		http_expect_end(client);
	}
	expect_seconds(start, 1);
	client_free(client);
	http_fixture_stop(&fixture);
}

/* The last one allowed says that it is. */
static void test_requests_of_a_connection(void)
{
	struct http_response response;
	struct http_fixture fixture;
	struct client *client;
	char body[16];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.timeouts = "requests = 3;"}))
		return;
	client = http_client(&fixture);
	for (int i = 1; client != NULL && i <= 3; i++) {
		EXPECT(client_say(client, GET("/")));
		if (!EXPECT(http_read_head(client, &response)))
			break;
		EXPECT_EQUAL(response.closes, i == 3);
		EXPECT(http_read_text(client, &response, body, sizeof(body)));
	}
	if (client != NULL)
		http_expect_end(client);
	client_free(client);
	EXPECT_EQUAL(http_backend_requests(fixture.backend), 3);
	http_fixture_stop(&fixture);
}

/* The same when they come at once: the fourth is not served. */
static void test_requests_pipelined(void)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.timeouts = "requests = 3;"}))
		return;
	client = http_client(&fixture);
	if (client != NULL) {
		EXPECT(client_say(client, GET("/") GET("/") GET("/") GET("/fourth")));
		for (int i = 0; i < 3; i++)
			http_expect_answer(client, 200, "ok");
		http_expect_end(client);
	}
	client_free(client);
	EXPECT(!http_backend_has(fixture.backend, "/fourth"));
	http_fixture_stop(&fixture);
}

/* ---- how many connections ---- */

#define LIMIT 3

/* One more than allowed is told when to come again, and told no more. */
static void expect_unavailable(struct http_fixture *fixture)
{
	struct client *client = http_client(fixture);
	struct http_response response;
	char value[32], body[4096];

	if (client == NULL)
		return;
	EXPECT(client_say(client, GET("/unavailable")));
	if (EXPECT(http_read_head(client, &response))) {
		EXPECT_EQUAL(response.status, 503);
		http_field(&response, "Retry-After", value, sizeof(value));
		EXPECT(strtol(value, NULL, 10) > 0);
		EXPECT(response.closes);
		EXPECT(http_read_text(client, &response, body, sizeof(body)));
		http_expect_end(client);
	}
	client_free(client);
}

static void test_max_connections(void)
{
	struct client *clients[LIMIT];
	struct http_fixture fixture;
	struct conn_line line;

	if (!http_fixture_start(
		    &fixture, (struct ferrule_settings){.workers = 2, .max_connections = LIMIT}))
		return;
	for (size_t i = 0; i < LIMIT; i++) {
		clients[i] = http_client(&fixture);
		if (clients[i] != NULL)
			http_expect(clients[i], GET("/"), 200, "ok");
	}
	for (int i = 0; i < 5; i++)
		expect_unavailable(&fixture);
	EXPECT(!http_backend_has(fixture.backend, "/unavailable"));
	for (size_t i = 0; i < LIMIT; i++)
		if (clients[i] != NULL)
			http_expect(clients[i], GET("/"), 200, "ok");
	/* One leaves, and when its line is written there is room for one. */
	if (clients[0] != NULL && EXPECT(client_shutdown(clients[0]))) {
		client_drain(clients[0]);
		conn_line_after(fixture.ferrule, clients[0], &line);
		http_fixture_expect_service(&fixture);
	}
	for (size_t i = 0; i < LIMIT; i++)
		client_free(clients[i]);
	http_fixture_stop(&fixture);
}

static CU_TestInfo tests[] = {
	{"sizes of heads", test_head_sizes},
	{"sizes of heads by default", test_default_sizes},
	{"large head in pieces", test_large_head_in_pieces},
	{"sizes of bodies", test_body_sizes},
	{"header timeout", test_header_timeout},
	{"header timeout between requests", test_header_timeout_between_requests},
	{"idle timeout between requests", test_idle_timeout},
	{"backend timeout", test_backend_timeout},
	{"body timeout", test_body_timeout},
	{"life ends with the request", test_life_ends_with_request},
	{"life of a busy connection", test_life_of_busy_connection},
	{"life of an idle connection", test_life_of_idle_connection},
	{"requests of a connection", test_requests_of_a_connection},
	{"requests of a connection, pipelined", test_requests_pipelined},
	{"max_connections", test_max_connections},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo http_limits_suites[] = {
	{"http limits", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
