/* mode "http": backends that die, lie and babble, and clients that vanish. */
#include "tests/e2e/suites.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http_fixture.h"
#include "tests/e2e/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GET(path)    "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define LARGE        ((uint64_t)10 << 20)

/* Waits until the backend's connection is over on both sides: ferrule has noticed. */
static void expect_noticed(struct http_fixture *fixture)
{
	http_backend_wait_open(fixture->backend, 0);
}

/* ---- kept connections that have died ---- */

static const struct http_answer dies_next = {.after = HTTP_DIE_NEXT, .times = 1};

/*
 * The request that finds the connection dead, on a fresh fixture whose pool holds one:
 * the right answer for whoever may try twice, and never a second try for the others,
 * which may also have got a connection of their own to begin with.
 */
static void expect_on_dead_connection(const char *request, bool may_try_twice)
{
	struct http_response response;
	struct http_fixture fixture;
	struct client *client;

	harness_note(request);
	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/first", &dies_next);
	client = http_client(&fixture);
	if (client != NULL && http_expect(client, GET("/first"), 200, "ok") &&
		EXPECT(client_say(client, request)) && EXPECT(http_read_head(client, &response))) {
		if (may_try_twice || response.status != 502)
			EXPECT_EQUAL(response.status, 200);
		EXPECT_EQUAL(http_backend_count(fixture.backend, "/second"), may_try_twice ? 2 : 1);
	}
	client_free(client);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
	harness_note(NULL);
}

/* RFC 9110 9.2.2: what may be done twice is sent once more, and nothing else is. */
static void test_retry_of_idempotent(void)
{
	expect_on_dead_connection(GET("/second"), true);
	expect_on_dead_connection("DELETE /second HTTP/1.1\r\nHost: localhost\r\n\r\n", true);
}

static void test_no_retry_of_post(void)
{
	static const char with_body[] =
		"POST /second HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";

	expect_on_dead_connection(with_body, false);
	expect_on_dead_connection("POST /second HTTP/1.1\r\nHost: localhost\r\n\r\n", false);
	expect_on_dead_connection("PATCH /second HTTP/1.1\r\nHost: localhost\r\n\r\n", false);
}

/* A connection that ended while nobody used it is no loss, not even for a POST. */
static void test_idle_connection_ends(void)
{
	static const char post[] =
		"POST /second HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/first", &(struct http_answer){.after = HTTP_LINGER});
	client = http_client(&fixture);
	for (int i = 0; client != NULL && i < 5; i++) {
		http_expect(client, GET("/first"), 200, "ok");
		expect_noticed(&fixture);
		http_expect(client, post, 200, "ok");
	}
	EXPECT_EQUAL(http_backend_count(fixture.backend, "/second"), 5);
	client_free(client);
	http_fixture_stop(&fixture);
}

/* A backend that never answers anything is not asked again and again. */
static void test_no_endless_retry(void)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(
		fixture.backend, "/dead", &(struct http_answer){.text = "", .after = HTTP_CLOSE});
	client = http_client(&fixture);
	if (client != NULL) {
		http_expect(client, GET("/"), 200, "ok");
		http_expect(client, GET("/dead"), 502, NULL);
		EXPECT(http_backend_count(fixture.backend, "/dead") <= 2);
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* ---- what follows a response unasked ---- */

#define EVIL "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

/* Sent in one piece with the response, or while the connection waits in the pool. */
static const struct http_answer babblers[] = {
	{.text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" EVIL},
	{.text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" EVIL},
	{.text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", .late = EVIL},
	{.text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		.late = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
		.after = HTTP_CLOSE},
	{.text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n"},
	{.text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", .late = "x"},
};

/* What has arrived by then is nobody's answer. */
static void expect_unheard(const struct http_answer *babbler)
{
	struct http_answer answer = *babbler;
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	answer.after = answer.after == HTTP_KEEP ? HTTP_LINGER : answer.after;
	http_backend_answer(fixture.backend, "/babbler", &answer);
	client = http_client(&fixture);
	if (client != NULL) {
		http_expect(client, GET("/babbler"), 200, "ok");
		expect_noticed(&fixture);
		http_expect(client, GET("/mine"), 200, "ok");
	}
	client_free(client);
	http_fixture_stop(&fixture);
}

/* The same when the backend goes on with the connection, and nobody waits for anything. */
static void expect_unheard_kept(const struct http_answer *babbler)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/babbler", babbler);
	for (int i = 0; i < 3; i++) {
		client = http_client(&fixture);
		if (client != NULL) {
			http_expect(client, GET("/babbler") GET("/mine"), 200, "ok");
			http_expect_answer(client, 200, "ok");
			http_expect(client, GET("/babbler"), 200, "ok");
			http_expect(client, GET("/mine"), 200, "ok");
		}
		client_free(client);
	}
	http_fixture_stop(&fixture);
}

static void test_extra_bytes(void)
{
	for (size_t i = 0; i < COUNT(babblers); i++) {
		harness_note(babblers[i].late != NULL ? babblers[i].late : babblers[i].text);
		expect_unheard(&babblers[i]);
		if (babblers[i].late == NULL)
			expect_unheard_kept(&babblers[i]);
	}
	harness_note(NULL);
}

/* ---- nonsense ---- */

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define LEN     "Content-Length: 4\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

#define NONSENSE(text)                                                                             \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

static const struct {
	const char *text;
	size_t len;
} nonsense[] = {
	NONSENSE("NONSENSE\r\n\r\nevil"),
	NONSENSE("\r\n\r\n"),
	NONSENSE("\0\0\0\0"),
	NONSENSE("evil"),
	NONSENSE("HTTP/1.1\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/1.1 \r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/1.1 20 OK\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/1.1 2000 OK\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/1.1 099 OK\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/1.1 600 OK\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/1.1 2x0 OK\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/1.1 -20 OK\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/1.1  200 OK\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/1.1\t200\tOK\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/2.0 200 OK\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/0.9 200 OK\r\n" LEN "\r\nevil"),
	NONSENSE("http/1.1 200 OK\r\n" LEN "\r\nevil"),
	NONSENSE("ICY 200 OK\r\n" LEN "\r\nevil"),
	NONSENSE(" HTTP/1.1 200 OK\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/1.1 200 O\0K\r\n" LEN "\r\nevil"),
	NONSENSE("HTTP/1.1 200 OK\nContent-Length: 4\n\nevil"),
	NONSENSE(OK_HEAD "Content-Length: 4\n\r\nevil"),
	NONSENSE(OK_HEAD LEN "X: a\nY: b\r\n\r\nevil"),
	NONSENSE(OK_HEAD LEN "X: a\rY: b\r\n\r\nevil"),
	NONSENSE(OK_HEAD LEN "X: a\0b\r\n\r\nevil"),
	NONSENSE(OK_HEAD LEN "X: a\r\n folded\r\n\r\nevil"),
	NONSENSE(OK_HEAD " " LEN "\r\nevil"),
	NONSENSE(OK_HEAD "Content-Length : 4\r\n\r\nevil"),
	NONSENSE(OK_HEAD LEN "no colon\r\n\r\nevil"),
	NONSENSE(OK_HEAD LEN ": no name\r\n\r\nevil"),
	NONSENSE(OK_HEAD LEN "a b: c\r\n\r\nevil"),
	NONSENSE(OK_HEAD LEN CHUNKED "\r\n4\r\nevil\r\n0\r\n\r\n"),
	NONSENSE(OK_HEAD CHUNKED LEN "\r\n4\r\nevil\r\n0\r\n\r\n"),
	NONSENSE(OK_HEAD LEN "Content-Length: 5\r\n\r\nevil!"),
	NONSENSE(OK_HEAD "Content-Length: 4, 5\r\n\r\nevil!"),
	NONSENSE(OK_HEAD "Content-Length: -4\r\n\r\nevil"),
	NONSENSE(OK_HEAD "Content-Length: +4\r\n\r\nevil"),
	NONSENSE(OK_HEAD "Content-Length: 0x4\r\n\r\nevil"),
	NONSENSE(OK_HEAD "Content-Length: 4 4\r\n\r\nevil"),
	NONSENSE(OK_HEAD "Content-Length: four\r\n\r\nevil"),
	NONSENSE(OK_HEAD "Content-Length:\r\n\r\nevil"),
	NONSENSE(OK_HEAD "Content-Length: 18446744073709551620\r\n\r\nevil"),
	NONSENSE(OK_HEAD "Content-Length: 9223372036854775808\r\n\r\nevil"),
	NONSENSE(OK_HEAD "Transfer-Encoding: gzip\r\n\r\nevil"),
	NONSENSE(OK_HEAD "Transfer-Encoding: chunked, gzip\r\n\r\nevil"),
	NONSENSE(OK_HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n"),
	NONSENSE(OK_HEAD "Transfer-Encoding: xchunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n"),
	NONSENSE(OK_HEAD CHUNKED CHUNKED "\r\n4\r\nevil\r\n0\r\n\r\n"),
	NONSENSE("HTTP/1.0 200 OK\r\n" CHUNKED LEN "\r\n4\r\nevil\r\n0\r\n\r\n"),
	NONSENSE(
		"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: evil\r\n\r\n"),
	NONSENSE("HTTP/1.1 200 OK\r\nContent-Le"),
	NONSENSE("HTTP/1.1 100 Continue\r\n\r\n"),
};

/* The client gets a 502 of ours and goes on; none of the backend's words get through. */
static void expect_bad_gateway(struct http_fixture *fixture, const char *path)
{
	struct client *client = http_client(fixture);
	struct http_response response;
	char body[4096];

	if (client == NULL)
		return;
	EXPECT(http_ask(client, "GET", path, NULL));
	do {
		if (!EXPECT(http_read_head(client, &response)))
			break;
	} while (response.status == 100);
	if (EXPECT_EQUAL(response.status, 502) &&
		EXPECT(http_read_text(client, &response, body, sizeof(body))))
		EXPECT(strstr(body, "evil") == NULL);
	if (!response.closes)
		http_expect(client, GET("/next"), 200, "ok");
	client_free(client);
	http_backend_wait_open(
		fixture->backend, 1); /* of the two it is not the bad one that stays */
}

#define HINT "HTTP/1.1 103 Early Hints\r\n\r\n"

/* So many hints and an answer: all are passed on as long as they are not endless. */
static void expect_hints(struct http_fixture *fixture, unsigned count, int status)
{
	char *text = calloc(count + 1, sizeof(HINT));
	struct client *client = http_client(fixture);

	for (unsigned i = 0; text != NULL && i < count; i++)
		memcpy(text + i * (sizeof(HINT) - 1), HINT, sizeof(HINT) - 1);
	if (EXPECT(text != NULL) && client != NULL) {
		http_backend_answer(fixture->backend, "/hints",
			&(struct http_answer){.interim = text, .times = 1});
		EXPECT(client_say(client, GET("/hints")));
		for (unsigned i = 0; i < count && i < 64; i++)
			http_expect_answer(client, 103, NULL);
		http_expect_answer(client, status, NULL);
	}
	client_free(client);
	http_backend_settle(fixture->backend);
	free(text);
}

static void test_endless_hints(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture,
		    (struct ferrule_settings){.server_extra = {"backend_connections = 0;"}}))
		return;
	expect_hints(&fixture, 64, 200);
	expect_hints(&fixture, 65, 502);
	expect_hints(&fixture, 5000, 502);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

static void test_nonsense(void)
{
	struct http_fixture fixture;
	char path[16];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < COUNT(nonsense); i++) {
		snprintf(path, sizeof(path), "/%zu", i);
		http_backend_answer(fixture.backend, path,
			&(struct http_answer){.text = nonsense[i].text,
				.len = nonsense[i].len,
				.after = HTTP_LINGER});
	}
	for (size_t i = 0; i < COUNT(nonsense); i++) {
		harness_deadline_set(20); /* one row's fault is not the next one's */
		harness_note(nonsense[i].text);
		snprintf(path, sizeof(path), "/%zu", i);
		expect_bad_gateway(&fixture, path);
	}
	harness_note(NULL);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

/* A head beyond the limits: one long line, many lines, one that never ends. */
static void test_head_too_big(void)
{
	char *text = calloc(1, 100000);
	struct http_fixture fixture;
	size_t len;

	if (!EXPECT(text != NULL) || !http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	len = (size_t)sprintf(text, OK_HEAD LEN "X: ");
	memset(text + len, 'x', 30000);
	strcpy(text + len + 30000, "\r\n\r\nevil");
	http_backend_answer(fixture.backend, "/long",
		&(struct http_answer){.text = text, .after = HTTP_LINGER});
	expect_bad_gateway(&fixture, "/long");
	len = (size_t)sprintf(text, OK_HEAD LEN);
	for (int i = 0; i < 3000; i++)
		len += (size_t)sprintf(text + len, "X-%d: y\r\n", i);
	strcpy(text + len, "\r\nevil");
	http_backend_answer(fixture.backend, "/many",
		&(struct http_answer){.text = text, .after = HTTP_LINGER});
	expect_bad_gateway(&fixture, "/many");
	http_backend_answer(fixture.backend, "/endless",
		&(struct http_answer){
			.text = OK_HEAD "X: ", .pattern = LARGE, .after = HTTP_LINGER});
	expect_bad_gateway(&fixture, "/endless");
	http_fixture_stop(&fixture);
	free(text);
}

/* ---- bodies cut short ---- */

static const struct http_answer cut_short[] = {
	{.text = OK_HEAD "Content-Length: 1000000\r\n\r\n", .pattern = 500000},
	{.text = OK_HEAD "Content-Length: 1000000\r\n\r\n", .pattern = 999999},
	{.text = OK_HEAD "Content-Length: 1000000\r\n\r\n"},
	{.text = OK_HEAD CHUNKED "\r\n"},
	{.text = OK_HEAD CHUNKED "\r\n5\r\nhel"},
	{.text = OK_HEAD CHUNKED "\r\n5\r\nhello\r\n"},
	{.text = OK_HEAD CHUNKED "\r\n5\r\nhello\r\n0\r\n"},
	{.text = OK_HEAD CHUNKED "\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n"},
	{.text = OK_HEAD CHUNKED "\r\n5\r\nhello!!0\r\n\r\n"},
	{.text = OK_HEAD CHUNKED "\r\nFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"},
	{.text = OK_HEAD CHUNKED "\r\n-5\r\nhello\r\n0\r\n\r\n"},
	{.text = OK_HEAD CHUNKED "\r\n0x5\r\nhello\r\n0\r\n\r\n"},
	{.text = OK_HEAD CHUNKED "\r\n5\nhello\r\n0\r\n\r\n"},
	{.text = OK_HEAD CHUNKED "\r\n5 \r\nhello\r\n0\r\n\r\n"},
	{.text = OK_HEAD CHUNKED "\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{.text = OK_HEAD CHUNKED "\r\n5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"},
};

/*
 * RFC 8446 6.1, RFC 9112 8: whatever arrives, it is not a whole response, unless it
 * is a 502 that says so.
 */
static void expect_incomplete(struct http_fixture *fixture, const char *path, int version)
{
	struct client *client =
		http_client_with(fixture, (struct client_options){.version = version});
	struct http_response response;
	char *body = malloc(LARGE);

	if (client == NULL || !EXPECT(body != NULL))
		return;
	EXPECT(http_ask(client, "GET", path, NULL));
	if (http_read_head(client, &response) && response.status != 502) {
		EXPECT(!http_read_text(client, &response, body, LARGE));
		client_drain(client);
		EXPECT(client->end != CLIENT_CLOSE_NOTIFY);
	}
	EXPECT(client->end != CLIENT_DEADLINE);
	client_free(client);
	free(body);
}

static void expect_cut_short(enum http_after after)
{
	struct http_fixture fixture;
	char path[16];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < COUNT(cut_short); i++) {
		struct http_answer answer = cut_short[i];

		answer.after = after;
		snprintf(path, sizeof(path), "/%zu", i);
		harness_deadline_set(20);
		harness_note(answer.text);
		http_backend_answer(fixture.backend, path, &answer);
		expect_incomplete(&fixture, path, i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
	}
	harness_note(NULL);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

static void test_backend_closes_in_the_middle(void)
{
	expect_cut_short(HTTP_CLOSE);
}

static void test_backend_resets_in_the_middle(void)
{
	expect_cut_short(HTTP_RESET);
}

/* The end of the stream is the body's end, but a reset is none. */
static void test_reset_of_endless_body(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/endless",
		&(struct http_answer){.text = OK_HEAD "Connection: close\r\n\r\n",
			.pattern = 300000,
			.after = HTTP_RESET});
	for (int i = 0; i < 4; i++)
		expect_incomplete(
			&fixture, "/endless", i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
	http_fixture_stop(&fixture);
}

/* ---- backends out of reach ---- */

static void test_backend_refuses(void)
{
	struct ferrule_settings settings = {.mode = "http"};
	struct ferrule *ferrule;
	struct client *client;
	char address[64];
	uint16_t port = 0;
	int fd = net_listen(&port, -1); /* bound, not listening: refuses, and stays ours */

	if (!EXPECT(fd >= 0))
		return;
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	settings.backends[0] = address;
	ferrule = ferrule_start(&settings);
	if (ferrule != NULL) {
		client = client_open(&(struct client_options){.port = ferrule->ports[0]});
		if (EXPECT(client != NULL))
			http_expect(client, GET("/"), 502, NULL);
		client_free(client);
	}
	ferrule_stop(ferrule);
	close(fd);
}

/* Its queue is full and nobody takes anything from it: connecting hangs. */
static void test_backend_does_not_accept(void)
{
	struct ferrule_settings settings = {.mode = "http", .timeouts = "connect = 1;"};
	struct ferrule *ferrule;
	struct client *client;
	char address[64];
	uint16_t port = 0;
	int fd = net_listen(&port, 0), waiting = net_connect("127.0.0.1", port, 0);

	if (!EXPECT(fd >= 0 && waiting >= 0))
		return;
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	settings.backends[0] = address;
	ferrule = ferrule_start(&settings);
	if (ferrule != NULL) {
		client = client_open(&(struct client_options){.port = ferrule->ports[0]});
		if (EXPECT(client != NULL))
			http_expect(client, GET("/"), 504, NULL);
		client_free(client);
	}
	ferrule_stop(ferrule);
	close(waiting);
	close(fd);
}

/* ---- clients that vanish ---- */

static void vanish_from_download(struct http_fixture *fixture)
{
	struct client *client = http_client(fixture);
	struct http_response response;
	char beginning[1000];

	if (client == NULL)
		return;
	EXPECT(client_say(client, GET("/large")));
	EXPECT(http_read_head(client, &response));
	EXPECT(client_read_all(client, beginning, sizeof(beginning)));
	client_reset(client);
}

static void vanish_from_upload(struct http_fixture *fixture)
{
	struct client *client = http_client(fixture);

	if (client == NULL)
		return;
	EXPECT(http_ask(client, "PUT", "/broken", "Content-Length: 1000000\r\n"));
	EXPECT(client_send_pattern(client, 100000, 1));
	client_reset(client);
}

/* The next request must not be answered with the rest of that response. */
static void test_client_vanishes(void)
{
	struct http_fixture fixture;
	char head[128];

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	snprintf(head, sizeof(head), OK_HEAD "Content-Length: %llu\r\n\r\n",
		(unsigned long long)LARGE);
	http_backend_answer(fixture.backend, "/large",
		&(struct http_answer){.text = head, .pattern = LARGE, .seed = 1});
	for (int i = 0; i < 5; i++) {
		struct client *client;

		vanish_from_download(&fixture);
		vanish_from_upload(&fixture);
		client = http_client(&fixture);
		for (int j = 0; client != NULL && j < 4; j++)
			http_expect(client, GET("/mine"), 200, "ok");
		client_free(client);
	}
	EXPECT_EQUAL(http_backend_count(fixture.backend, "/mine"), 20);
	http_backend_wait_open(fixture.backend, 1); /* the good one; all broken ones are let go */
	http_fixture_stop(&fixture);
}

/* It goes while its request is being worked on: whoever comes next gets an answer of theirs. */
static void test_client_does_not_wait(void)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	http_backend_answer(fixture.backend, "/held",
		&(struct http_answer){
			.held = true, .text = OK_HEAD "Content-Length: 6\r\n\r\nothers"});
	client = http_client(&fixture);
	EXPECT(client != NULL && client_say(client, GET("/held")));
	http_backend_wait_heads(fixture.backend, 1);
	if (client != NULL)
		client_reset(client);
	http_backend_release(fixture.backend);
	for (int i = 0; i < 5; i++) {
		client = http_client(&fixture);
		if (client != NULL)
			http_expect(client, GET("/mine"), 200, "ok");
		client_free(client);
	}
	http_fixture_stop(&fixture);
}

static CU_TestInfo tests[] = {
	{"retry of idempotent requests", test_retry_of_idempotent},
	{"no retry of POST", test_no_retry_of_post},
	{"idle backend connection ends", test_idle_connection_ends},
	{"no endless retry", test_no_endless_retry},
	{"bytes behind a response", test_extra_bytes},
	{"nonsense is a 502", test_nonsense},
	{"endless interim responses are a 502", test_endless_hints},
	{"head too big is a 502", test_head_too_big},
	{"backend closes in the middle", test_backend_closes_in_the_middle},
	{"backend resets in the middle", test_backend_resets_in_the_middle},
	{"reset of a body until close", test_reset_of_endless_body},
	{"backend refuses", test_backend_refuses},
	{"backend does not accept", test_backend_does_not_accept},
	{"client vanishes in the middle", test_client_vanishes},
	{"client does not wait", test_client_does_not_wait},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo http_faults_suites[] = {
	{"http faults", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
