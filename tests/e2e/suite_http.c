/* mode "http": what is asked arrives once and whole, and so does what is answered. */
#include "tests/e2e/suites.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http_fixture.h"
#include "tests/e2e/pattern.h"
#include "tests/e2e/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB          ((uint64_t)1 << 20)
#define GET(path)    "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* The size of what is called big: the guest has one slow CPU. */
static uint64_t big(void)
{
	return harness_has_ktls() || harness_is_sanitized() ? 4 * MIB : 20 * MIB;
}

static void answer(struct http_fixture *fixture, const char *path, const char *text)
{
	http_backend_answer(fixture->backend, path, &(struct http_answer){.text = text});
}

/* A head that announces what .pattern sends. */
static const char *head_with_length(uint64_t len)
{
	static _Thread_local char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
		(unsigned long long)len);
	return head;
}

static const char chunked_head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
static const char endless_head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

/* ---- requests ---- */

/* What is sent, and what the backend reads of it. */
static const struct {
	const char *request, *line, *host, *body;
} forms[] = {
	{GET("/a?b=c&d"), "GET /a?b=c&d HTTP/1.1\r\n", "localhost", ""},
	{GET("/%7Ea/%2F//b/./c/../d"), "GET /%7Ea/%2F//b/./c/../d HTTP/1.1\r\n", "localhost", ""},
	{"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "POST /p HTTP/1.1\r\n",
		"a", "hello"},
	{"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /p HTTP/1.1\r\n", "a",
		""},
	{"POST /p HTTP/1.1\r\nHost: a\r\n\r\n", "POST /p HTTP/1.1\r\n", "a", ""},
	{"PUT /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "PUT /p HTTP/1.1\r\n", "a",
		"abc"},
	{"GET /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "GET /b HTTP/1.1\r\n", "a",
		"abc"},
	{"DELETE /p HTTP/1.1\r\nHost: a\r\n\r\n", "DELETE /p HTTP/1.1\r\n", "a", ""},
	{"PROPFIND /p HTTP/1.1\r\nHost: a\r\n\r\n", "PROPFIND /p HTTP/1.1\r\n", "a", ""},
	{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\n", "a", ""},
	{"GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x?y HTTP/1.1\r\n", "b:81", ""},
	{"GET https://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n", "b", ""},
	{"GET / HTTP/1.1\r\nhOsT: [::1]:8443\r\n\r\n", "GET / HTTP/1.1\r\n", "[::1]:8443", ""},
	{"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n"
	 "0123456789\r\n0\r\n\r\n",
		"POST /c HTTP/1.1\r\n", "a", "abc0123456789"},
	{"POST /c HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\n\r\n003;x=y\r\nabc\r\n"
	 "000\r\nX-Sum: 1\r\n\r\n",
		"POST /c HTTP/1.1\r\n", "a", "abc"},
};

static void expect_form(struct http_fixture *fixture, size_t nth)
{
	size_t before = http_backend_requests(fixture->backend);
	struct client *client = http_client(fixture);
	const struct http_seen *seen = NULL;
	char host[64];

	if (client != NULL && http_expect(client, forms[nth].request, 200, "ok"))
		seen = http_backend_wait(fixture->backend, before);
	client_free(client);
	if (seen == NULL)
		return;
	EXPECT(strncmp(seen->head, forms[nth].line, strlen(forms[nth].line)) == 0);
	EXPECT_EQUAL(http_head_field(seen->head, "Host", host, sizeof(host)), 1);
	EXPECT_TEXT(host, forms[nth].host);
	EXPECT(seen->complete);
	EXPECT_TEXT(seen->body, forms[nth].body);
}

static void test_request_forms(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < COUNT(forms); i++) {
		harness_note(forms[i].request);
		expect_form(&fixture, i);
	}
	harness_note(NULL);
	EXPECT_EQUAL(http_backend_requests(fixture.backend), COUNT(forms));
	http_fixture_stop(&fixture);
}

/* Every byte in a record of its own, on the way back, too. */
static void test_one_byte_pieces(void)
{
	static const char request[] =
		"POST /p HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
		"5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
	static const char response[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				       "6\r\npieces\r\n0\r\nX-Sum: 2\r\n\r\n";
	struct http_fixture fixture;
	struct client *client;
	const struct http_seen *seen;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(
		fixture.backend, "/p", &(struct http_answer){.text = response, .pieces = true});
	client = http_client(&fixture);
	for (int round = 0; client != NULL && round < 2; round++) {
		for (size_t i = 0; i < sizeof(request) - 1; i++)
			EXPECT(client_write(client, request + i, 1));
		http_expect_answer(client, 200, "pieces");
		seen = http_backend_wait(fixture.backend, (size_t)round);
		if (seen != NULL)
			EXPECT_TEXT(seen->body, "hello");
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* ---- HTTP/1.0 ---- */

static void expect_http10_close(struct http_fixture *fixture)
{
	struct client *client = http_client(fixture);
	const struct http_seen *seen;

	if (client == NULL)
		return;
	if (http_expect(client, "GET /old HTTP/1.0\r\nHost: a\r\n\r\n", 200, "ok"))
		http_expect_end(client);
	seen = http_backend_wait(fixture->backend, 0);
	if (seen != NULL)
		EXPECT_CONTAINS(seen->head, "GET /old HTTP/1.0\r\n");
	client_free(client);
}

static void expect_http10_keep_alive(struct http_fixture *fixture)
{
	static const char request[] =
		"GET /kept HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
	struct client *client = http_client(fixture);
	struct http_response response;
	char value[32], body[8];

	for (int i = 0; client != NULL && i < 3; i++) {
		EXPECT(client_say(client, request));
		if (!EXPECT(http_read_head(client, &response)))
			break;
		http_field(&response, "Connection", value, sizeof(value));
		EXPECT_CONTAINS(value, "keep-alive");
		EXPECT(http_read_text(client, &response, body, sizeof(body)));
	}
	client_free(client);
}

static void test_http10(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	expect_http10_close(&fixture);
	expect_http10_keep_alive(&fixture);
	http_fixture_stop(&fixture);
}

/* ---- responses ---- */

/* Responses without a body, whatever they announce; the next one must be found behind them. */
static const struct {
	const char *method, *text;
	int status;
	const char *absent; /* a header that must not arrive */
} bodiless[] = {
	{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", 200, NULL},
	{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, NULL},
	{"HEAD", "HTTP/1.1 200 OK\r\n\r\n", 200, NULL},
	{"GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, NULL},
	{"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, "Content-Length"},
	{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000000\r\n\r\n", 304, NULL},
	{"GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304, NULL},
	{"POST", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, NULL},
};

static void expect_bodiless(struct client *client, const char *method, size_t nth)
{
	struct http_response response;
	char path[16];

	snprintf(path, sizeof(path), "/%zu", nth);
	if (!EXPECT(http_ask(client, method, path, NULL)) ||
		!EXPECT(http_read_head(client, &response)))
		return;
	EXPECT_EQUAL(response.status, bodiless[nth].status);
	if (bodiless[nth].absent != NULL)
		EXPECT_EQUAL(http_head_field(response.head, bodiless[nth].absent, NULL, 0), 0);
	http_expect(client, GET("/next"), 200, "ok");
}

static void test_responses_without_body(void)
{
	struct http_fixture fixture;
	struct client *client;
	char path[16];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < COUNT(bodiless); i++) {
		snprintf(path, sizeof(path), "/%zu", i);
		answer(&fixture, path, bodiless[i].text);
	}
	client = http_client(&fixture);
	for (size_t i = 0; client != NULL && i < COUNT(bodiless); i++) {
		harness_note(bodiless[i].text);
		expect_bodiless(client, bodiless[i].method, i);
	}
	harness_note(NULL);
	client_free(client);
	http_fixture_stop(&fixture);
}

/* Chunks and trailers arrive as what they were. */
static void test_trailers(void)
{
	static const char request[] =
		"POST /t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
		"Trailer: X-Up\r\n\r\n5;ext=\"a b\"\r\nhello\r\n0;last\r\nX-Up: 1\r\n\r\n";
	static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
				   "Trailer: X-Down\r\n\r\n4;ext\r\nbody\r\n0\r\nX-Down: 2\r\n\r\n";
	struct http_response response;
	struct http_fixture fixture;
	const struct http_seen *seen;
	struct client *client;
	char body[64];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	answer(&fixture, "/t", text);
	client = http_client(&fixture);
	if (client != NULL && EXPECT(client_say(client, request)) &&
		EXPECT(http_read_head(client, &response))) {
		EXPECT(http_read_text(client, &response, body, sizeof(body)));
		EXPECT_TEXT(body, "body");
		EXPECT_CONTAINS(response.trailers, "X-Down: 2");
		seen = http_backend_wait(fixture.backend, 0);
		if (seen != NULL) {
			EXPECT_TEXT(seen->body, "hello");
			EXPECT_CONTAINS(seen->trailers, "X-Up: 1");
		}
		http_expect(client, GET("/"), 200, "ok");
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

static void test_until_close(void)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/long",
		&(struct http_answer){
			.text = endless_head, .pattern = big(), .seed = 3, .after = HTTP_CLOSE});
	http_backend_answer(fixture.backend, "/empty",
		&(struct http_answer){.text = "HTTP/1.0 200 OK\r\n\r\n", .after = HTTP_CLOSE});
	client = http_client(&fixture);
	if (client != NULL && EXPECT(client_say(client, GET("/long")))) {
		http_expect_pattern(client, 200, big(), 3);
		EXPECT_EQUAL(client->end, CLIENT_CLOSE_NOTIFY);
	}
	client_free(client);
	client = http_client(&fixture);
	if (client != NULL)
		http_expect(client, GET("/empty"), 200, "");
	client_free(client);
	http_fixture_stop(&fixture);
}

/* A backend that ends each connection does not make the client's end. */
static void test_backend_closes_each_time(void)
{
	static const struct http_answer answers[] = {
		{.text = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
			.after = HTTP_CLOSE,
			.times = 3},
		{.text = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
			.after = HTTP_CLOSE,
			.times = 3},
		{.text = "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: "
			 "chunked\r\n\r\n"
			 "2\r\nok\r\n0\r\n\r\n",
			.after = HTTP_CLOSE},
	};
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < COUNT(answers); i++)
		http_backend_answer(fixture.backend, "/", &answers[i]);
	client = http_client(&fixture);
	for (int i = 0; client != NULL && i < 9; i++)
		http_expect(client, GET("/"), 200, "ok");
	EXPECT_EQUAL(http_backend_connections(fixture.backend), 9);
	client_free(client);
	http_fixture_stop(&fixture);
}

/* ---- interim responses ---- */

#define EXPECTING(path)                                                                            \
	"POST " path " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"                       \
	"Expect: 100-continue\r\n\r\n"

static void test_expect_continue(void)
{
	struct http_fixture fixture;
	const struct http_seen *seen;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/willing",
		&(struct http_answer){.interim = "HTTP/1.1 100 Continue\r\n\r\n"});
	client = http_client(&fixture);
	for (size_t i = 0; client != NULL && i < 3; i++) {
		if (!http_expect(client, EXPECTING("/willing"), 100, NULL))
			break;
		http_expect(client, "hello", 200, "ok");
		seen = http_backend_wait(fixture.backend, i);
		if (seen != NULL)
			EXPECT_TEXT(seen->body, "hello");
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* What the client never sent must not be waited for, nor taken from the next request. */
static void test_expect_refused(void)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/unwilling",
		&(struct http_answer){.unread = true,
			.after = HTTP_LINGER,
			.text = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno"});
	client = http_client(&fixture);
	if (client != NULL)
		http_expect(client, EXPECTING("/unwilling"), 417, "no");
	client_free(client);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

/* RFC 9110 15.2: passed on, but not to HTTP/1.0. */
static void test_early_hints(void)
{
	static const char hints[] = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/hints", &(struct http_answer){.interim = hints});
	client = http_client(&fixture);
	if (client != NULL) {
		http_expect(client, GET("/hints"), 103, NULL);
		http_expect_answer(client, 200, "ok");
	}
	client_free(client);
	client = http_client(&fixture);
	if (client != NULL)
		http_expect(client, "GET /hints HTTP/1.0\r\nHost: a\r\n\r\n", 200, "ok");
	client_free(client);
	http_fixture_stop(&fixture);
}

/* ---- pipelining ---- */

#define PIPELINED 100

static void test_pipelined(void)
{
	char *requests = calloc(PIPELINED, 160);
	struct http_fixture fixture;
	struct client *client;
	size_t len = 0;

	if (!EXPECT(requests != NULL) ||
		!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < 10; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/%zu", i);
		http_backend_answer(fixture.backend, path,
			&(struct http_answer){.text = chunked_head,
				.pattern = 5000 * i,
				.seed = i,
				.chunked = true});
	}
	for (size_t i = 0; i < PIPELINED; i++)
		len += (size_t)sprintf(requests + len,
			i % 3 == 0
				? "POST /%zu HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
				: "GET /%zu HTTP/1.1\r\nHost: a\r\n\r\n",
			i % 10);
	client = http_client(&fixture);
	if (client != NULL && EXPECT(client_write(client, requests, len)))
		for (size_t i = 0; i < PIPELINED; i++)
			if (!http_expect_pattern(client, 200, 5000 * (i % 10), i % 10))
				break;
	EXPECT_EQUAL(http_backend_count(fixture.backend, NULL), PIPELINED);
	client_free(client);
	http_fixture_stop(&fixture);
	free(requests);
}

/* Nothing behind a request that says close is served. */
static void test_nothing_behind_close(void)
{
	static const char requests[] =
		"GET /first HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/second");
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = http_client(&fixture);
	if (client != NULL && http_expect(client, requests, 200, "ok"))
		http_expect_end(client);
	client_free(client);
	EXPECT(!http_backend_has(fixture.backend, "/second"));
	http_fixture_stop(&fixture);
}

/* ---- persistence at the backend ---- */

static void test_connection_is_kept(void)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = http_client(&fixture);
	for (int i = 0; client != NULL && i < 50; i++)
		http_expect(client, GET("/"), 200, "ok");
	EXPECT_EQUAL(http_backend_connections(fixture.backend), 1);
	client_free(client);
	http_fixture_stop(&fixture);
}

static void test_connection_is_shared(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (int i = 0; i < 10; i++) {
		struct client *client = http_client(&fixture);

		if (client != NULL)
			http_expect(client, GET("/"), 200, "ok");
		client_free(client);
	}
	EXPECT_EQUAL(http_backend_connections(fixture.backend), 1);
	http_fixture_stop(&fixture);
}

#define CROWD 8

/* Requests at the same time have connections of their own, of which some are kept. */
static void expect_crowd(struct http_fixture *fixture, size_t kept)
{
	struct client *clients[CROWD];

	http_backend_answer(fixture->backend, "/held", &(struct http_answer){.held = true});
	for (size_t i = 0; i < CROWD; i++) {
		clients[i] = http_client(fixture);
		EXPECT(clients[i] != NULL && client_say(clients[i], GET("/held")));
	}
	http_backend_wait_heads(fixture->backend, CROWD);
	EXPECT_EQUAL(http_backend_connections(fixture->backend), CROWD);
	for (size_t i = 0; i < CROWD; i++)
		http_backend_release(fixture->backend);
	for (size_t i = 0; i < CROWD; i++)
		if (clients[i] != NULL)
			http_expect_answer(clients[i], 200, "ok");
	http_backend_wait_open(fixture->backend, kept);
	for (size_t i = 0; i < CROWD; i++)
		client_free(clients[i]);
}

static void test_backend_connections(void)
{
	static const char *const extras[] = {
		"backend_connections = 0;", "backend_connections = 3;"};
	struct http_fixture fixture;

	for (size_t i = 0; i < COUNT(extras); i++) {
		if (!http_fixture_start(
			    &fixture, (struct ferrule_settings){.server_extra = {extras[i]}}))
			return;
		expect_crowd(&fixture, 3 * i);
		http_fixture_expect_service(&fixture);
		http_fixture_stop(&fixture);
	}
}

/* ---- big bodies ---- */

static bool send_chunks(struct client *client, uint64_t count, uint64_t seed)
{
	char data[30000], line[32];

	for (uint64_t offset = 0; offset < count;) {
		uint64_t left = count - offset;
		size_t len = left < sizeof(data) ? (size_t)left : sizeof(data);

		pattern_fill(seed, offset, data, len);
		snprintf(line, sizeof(line), "%zx\r\n", len);
		if (!client_say(client, line) || !client_write(client, data, len) ||
			!client_say(client, "\r\n"))
			return false;
		offset += len;
	}
	return client_say(client, "0\r\n\r\n");
}

static bool send_big_request(struct client *client, const char *path, bool chunked, uint64_t seed)
{
	char fields[64];

	snprintf(fields, sizeof(fields), "Content-Length: %llu\r\n", (unsigned long long)big());
	if (!EXPECT(http_ask(
		    client, "PUT", path, chunked ? "Transfer-Encoding: chunked\r\n" : fields)))
		return false;
	return chunked ? send_chunks(client, big(), seed)
		       : client_send_pattern(client, big(), seed);
}

static void expect_uploaded(struct http_fixture *fixture, size_t nth, uint64_t seed)
{
	const struct http_seen *seen = http_backend_wait(fixture->backend, nth);

	if (seen == NULL)
		return;
	EXPECT(seen->complete);
	EXPECT_EQUAL(seen->body_len, big());
	EXPECT(pattern_matches(seed, 0, seen->body, seen->body_len));
}

static void test_big_uploads(void)
{
	struct http_fixture fixture;
	struct client *client;

	harness_deadline_set(60);
	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = http_client(&fixture);
	for (size_t i = 0; client != NULL && i < 4; i++) {
		if (!EXPECT(send_big_request(client, "/up", i % 2 == 0, i)) ||
			!http_expect_answer(client, 200, "ok"))
			break;
		expect_uploaded(&fixture, i, i);
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

static void test_big_downloads(void)
{
	struct http_fixture fixture;
	struct client *client;

	harness_deadline_set(60);
	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/length",
		&(struct http_answer){
			.text = head_with_length(big()), .pattern = big(), .seed = 5});
	http_backend_answer(fixture.backend, "/chunked",
		&(struct http_answer){
			.text = chunked_head, .pattern = big(), .seed = 6, .chunked = true});
	client = http_client(&fixture);
	for (int i = 0; client != NULL && i < 2; i++) {
		EXPECT(client_say(client, GET("/length") GET("/chunked")));
		http_expect_pattern(client, 200, big(), 5);
		http_expect_pattern(client, 200, big(), 6);
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* Whether it answers before or after: what a slow backend reads is all there is. */
static void test_slow_backend(void)
{
	uint64_t size = harness_has_ktls() ? 2 * MIB : 12 * MIB;
	struct http_fixture fixture;
	struct client *client;
	char fields[64];

	harness_deadline_set(60);
	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/0", &(struct http_answer){.slow = true});
	http_backend_answer(
		fixture.backend, "/1", &(struct http_answer){.slow = true, .early = true});
	snprintf(fields, sizeof(fields), "Content-Length: %llu\r\n", (unsigned long long)size);
	client = http_client(&fixture);
	for (size_t i = 0; client != NULL && i < 4; i++) {
		bool chunked = i >= 2;
		const struct http_seen *seen;

		EXPECT(http_ask(client, "PUT", i % 2 == 0 ? "/0" : "/1",
			chunked ? "Transfer-Encoding: chunked\r\n" : fields));
		EXPECT(chunked ? send_chunks(client, size, i)
			       : client_send_pattern(client, size, i));
		if (!http_expect_answer(client, 200, "ok"))
			break;
		seen = http_backend_wait(fixture.backend, i);
		if (seen != NULL && EXPECT_EQUAL(seen->body_len, size))
			EXPECT(seen->complete && pattern_matches(i, 0, seen->body, size));
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* The backend answers while it is still being sent to. */
static void test_big_both_ways_at_once(void)
{
	struct http_fixture fixture;
	struct client *client;

	harness_deadline_set(60);
	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/early",
		&(struct http_answer){.text = head_with_length(big()),
			.pattern = big(),
			.seed = 7,
			.early = true});
	client = http_client(&fixture);
	for (size_t i = 0; client != NULL && i < 2; i++) {
		if (!EXPECT(send_big_request(client, "/early", i == 1, i)) ||
			!http_expect_pattern(client, 200, big(), 7))
			break;
		expect_uploaded(&fixture, 2 * i, i);
		http_expect(client, GET("/next"), 200, "ok");
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* ---- answers that come early ---- */

static const char too_large[] = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
				"Content-Length: 2\r\n\r\nno";

/* It ends, or goes on as if nothing had been, as the answer said. */
static void expect_told(struct client *client, struct http_response *response)
{
	char body[4096];

	EXPECT(http_read_text(client, response, body, sizeof(body)));
	if (response->status == 413)
		EXPECT_TEXT(body, "no"); /* the backend's own words */
	if (!response->closes) {
		http_expect(client, GET("/next"), 200, "ok");
		return;
	}
	client_drain(client);
	EXPECT(client->end != CLIENT_DEADLINE);
}

/* Whether the rest of the upload is taken or not: the answer arrives. */
static void expect_refused_upload(struct http_fixture *fixture, bool chunked, int or_status)
{
	struct client *client = http_client(fixture);
	struct http_response response;

	if (client == NULL)
		return;
	send_big_request(client, "/refuses", chunked, 1);
	if (EXPECT(http_read_head(client, &response))) {
		if (response.status != or_status)
			EXPECT_EQUAL(response.status, 413);
		expect_told(client, &response);
	}
	client_free(client);
}

static void test_upload_refused_early(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/refuses",
		&(struct http_answer){.text = too_large, .unread = true, .after = HTTP_LINGER});
	expect_refused_upload(&fixture, false, 0);
	expect_refused_upload(&fixture, true, 0);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

/* A backend that slams the door: its answer if it got through, else a 502; never a hang. */
static void test_upload_slammed(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/refuses",
		&(struct http_answer){.text = too_large, .unread = true, .after = HTTP_CLOSE});
	expect_refused_upload(&fixture, false, 502);
	expect_refused_upload(&fixture, true, 502);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

/* ---- other protocols ---- */

#define UPGRADE(path)                                                                              \
	"GET " path " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"                      \
	"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                                      \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static const char switching[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
				"Upgrade: websocket\r\n\r\n";

/* From the 101 on the bytes are nobody's business, not even those that look like HTTP. */
static void expect_echo(struct client *client)
{
	struct http_body body = {.seed = 9};
	struct http_response fake = {.status = 200, .length = (int64_t)MIB};
	char text[64] = "";

	EXPECT(client_say(client, GET("/inside")));
	EXPECT(client_read_all(client, text, strlen(GET("/inside"))));
	EXPECT_TEXT(text, GET("/inside"));
	EXPECT(client_send_pattern(client, MIB, 9));
	EXPECT(http_read_body(client, &fake, &body));
	EXPECT(client_shutdown(client));
	http_expect_end(client);
}

static void test_websocket(void)
{
	struct http_response response;
	struct http_fixture fixture;
	const struct http_seen *seen;
	struct client *client;
	char value[64];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/ws",
		&(struct http_answer){.text = switching, .after = HTTP_ECHO});
	client = http_client(&fixture);
	if (client != NULL && EXPECT(client_say(client, UPGRADE("/ws"))) &&
		EXPECT(http_read_head(client, &response)) && EXPECT_EQUAL(response.status, 101)) {
		http_field(&response, "Upgrade", value, sizeof(value));
		EXPECT_TEXT(value, "websocket");
		http_field(&response, "Connection", value, sizeof(value));
		EXPECT_CONTAINS(value, "upgrade");
		expect_echo(client);
	}
	client_free(client);
	seen = http_backend_wait(fixture.backend, 0);
	if (seen != NULL) {
		http_head_field(seen->head, "Connection", value, sizeof(value));
		EXPECT_CONTAINS(value, "upgrade");
		http_head_field(seen->head, "Upgrade", value, sizeof(value));
		EXPECT_TEXT(value, "websocket");
	}
	http_backend_wait_open(fixture.backend, 0); /* such a connection is nobody else's */
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

/* The client speaks first, before it knows whether the backend switches. */
static void test_upgrade_refused(void)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	answer(&fixture, "/426", "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
	client = http_client(&fixture);
	if (client != NULL) {
		http_expect(client, UPGRADE("/426"), 426, "no");
		http_expect(client, GET("/next"), 200, "ok");
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* ---- the built-in file backend is HTTP, too ---- */

static void test_no_tunnel_to_files(void)
{
	struct ferrule_settings settings = {
		.backends = {"files:/tmp"}, .server_extra = {"mode = \"tunnel\";"}};
	struct ferrule *ferrule = ferrule_launch(&settings);
	char *log;

	if (ferrule == NULL)
		return;
	EXPECT_EQUAL(process_wait(ferrule->pid), 1);
	log = harness_file_read(ferrule->log_path, NULL);
	if (EXPECT(log != NULL)) {
		EXPECT_CONTAINS(log, "ferrule.conf:");
		EXPECT_CONTAINS(log, "mode");
	}
	free(log);
	free(ferrule);
}

static CU_TestInfo tests[] = {
	{"requests of every form", test_request_forms},
	{"one-byte pieces", test_one_byte_pieces},
	{"HTTP/1.0", test_http10},
	{"responses without a body", test_responses_without_body},
	{"trailers and extensions", test_trailers},
	{"responses until close", test_until_close},
	{"backend closes each time", test_backend_closes_each_time},
	{"Expect: 100-continue", test_expect_continue},
	{"Expect is refused", test_expect_refused},
	{"early hints", test_early_hints},
	{"pipelined requests", test_pipelined},
	{"nothing is served behind close", test_nothing_behind_close},
	{"backend connection is kept", test_connection_is_kept},
	{"backend connection is shared", test_connection_is_shared},
	{"backend_connections", test_backend_connections},
	{"big uploads", test_big_uploads},
	{"big downloads", test_big_downloads},
	{"slow backend", test_slow_backend},
	{"big both ways at once", test_big_both_ways_at_once},
	{"upload refused early", test_upload_refused_early},
	{"upload slammed", test_upload_slammed},
	{"WebSocket", test_websocket},
	{"upgrade refused", test_upgrade_refused},
	{"no tunnel to files", test_no_tunnel_to_files},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo http_suites[] = {
	{"http", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
