/* mode "http": backend_max_connections, which small servers behind it can rely on. */
#include "tests/e2e/suites.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"

#define LIMIT    3
#define OF_ONE   "backend_max_connections = 1;"
#define OF_THREE "backend_max_connections = 3;"
#define VISITORS 16 /* so many come to each of two workers */

/* Told when to come again, on a connection that goes on; the backend hears nothing. */
static bool expect_busy(struct client *client)
{
	struct http_response response;
	char value[32], body[4096];

	if (!EXPECT(client_say(client, GET("/busy"))) ||
		!EXPECT(http_read_head(client, &response)) || !EXPECT_EQUAL(response.status, 503))
		return false;
	http_field(&response, "Retry-After", value, sizeof(value));
	EXPECT(strtol(value, NULL, 10) > 0);
	EXPECT(!response.closes);
	return EXPECT(http_read_text(client, &response, body, sizeof(body)));
}

/* A client whose request is with the backend, which takes its time. */
static struct client *hold(struct http_fixture *fixture)
{
	size_t before = http_backend_requests(fixture->backend);
	struct client *client = http_client(fixture);

	http_backend_answer(fixture->backend, "/held", &(struct http_answer){.held = true});
	if (client != NULL && EXPECT(client_say(client, GET("/held"))))
		EXPECT(http_backend_wait_heads(fixture->backend, before + 1));
	return client;
}

static void let_go(struct http_fixture *fixture, struct client *client)
{
	http_backend_release(fixture->backend);
	if (client != NULL)
		http_expect_answer(client, 200, "ok");
}

static void expect_shown(const struct http_fixture *fixture, const char *line)
{
	const char *const words[] = {"show", "server", "status", NULL};
	char *output = NULL;

	EXPECT_EQUAL(ferrule_command(fixture->ferrule, words, &output), 0);
	if (EXPECT(output != NULL))
		EXPECT_CONTAINS(output, line);
	free(output);
}

/* The next one is refused and those before it are not; with them gone there is room again. */
static void test_limit(void)
{
	struct client *clients[LIMIT], *late;
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.server_extra = {OF_THREE}}))
		return;
	for (size_t i = 0; i < LIMIT; i++)
		clients[i] = hold(&fixture);
	late = http_client(&fixture);
	if (late != NULL && expect_busy(late) && expect_busy(late)) {
		expect_shown(&fixture, "backend connections allowed: 3\n");
		expect_shown(&fixture, "Server requests refused: 2\n");
		expect_shown(&fixture, "Server current backend connections: 3\n");
		EXPECT(ferrule_wait_log(
			fixture.ferrule, "status=503 cause=\"backend_max_connections reached\""));
	}
	for (size_t i = 0; i < LIMIT; i++)
		http_backend_release(fixture.backend);
	for (size_t i = 0; i < LIMIT; i++)
		if (clients[i] != NULL)
			http_expect_answer(clients[i], 200, "ok");
	if (late != NULL)
		http_expect(late, GET("/"), 200, "ok");
	for (size_t i = 0; i < LIMIT; i++)
		client_free(clients[i]);
	client_free(late);
	EXPECT(!http_backend_has(fixture.backend, "/busy"));
	EXPECT_EQUAL(http_backend_connections(fixture.backend), LIMIT);
	http_fixture_stop(&fixture);
}

/* One that is idle serves again, or goes for a request that wants a fresh one. */
static void test_idle_is_no_obstacle(void)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.server_extra = {OF_ONE}}))
		return;
	client = http_client(&fixture);
	for (int i = 0; client != NULL && i < 5; i++) {
		http_expect(client, GET("/"), 200, "ok");
		http_expect(client, GET("/"), 200, "ok");
		http_expect(client, POST("/"), 200, "ok");
	}
	client_free(client);
	EXPECT_EQUAL(http_backend_connections(fixture.backend), 6);
	http_backend_wait_open(fixture.backend, 1);
	http_fixture_stop(&fixture);
}

/* The backend gives it up just when it is needed: the one in its place is none too many. */
static void test_retry(void)
{
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.server_extra = {OF_ONE}}))
		return;
	http_backend_answer(fixture.backend, "/dies",
		&(struct http_answer){.after = HTTP_DIE_NEXT, .times = 1});
	client = http_client(&fixture);
	if (client != NULL) {
		http_expect(client, GET("/dies"), 200, "ok");
		http_expect(client, GET("/again"), 200, "ok");
	}
	client_free(client);
	EXPECT_EQUAL(http_backend_connections(fixture.backend), 2);
	http_fixture_stop(&fixture);
}

/* What a client leaves behind in the middle of a request is given up. */
static void test_aborted_request(void)
{
	struct http_fixture fixture;
	struct client *client;
	struct conn_line line;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.server_extra = {OF_ONE}}))
		return;
	client = hold(&fixture);
	if (client != NULL)
		conn_line_after(fixture.ferrule, client, &line);
	client_free(client);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

/* ---- several workers, at once and one after the other ---- */

static void test_workers(void)
{
	struct client *clients[VISITORS], *held;
	struct http_fixture fixture;

	if (!http_fixture_start(
		    &fixture, (struct ferrule_settings){.workers = 2, .server_extra = {OF_ONE}}))
		return;
	/* The idle one of one worker is no obstacle to the other, and does not stay long. */
	for (size_t i = 0; i < VISITORS; i++) {
		clients[i] = http_client(&fixture);
		if (clients[i] != NULL)
			http_expect(clients[i], GET("/"), 200, "ok");
	}
	http_backend_wait_open(fixture.backend, 1);
	/* One that is in use is one to both of them. */
	held = hold(&fixture);
	for (size_t i = 0; i < VISITORS; i++)
		if (clients[i] != NULL)
			expect_busy(clients[i]);
	let_go(&fixture, held);
	for (size_t i = 0; i < VISITORS; i++) {
		if (clients[i] != NULL)
			http_expect(clients[i], GET("/"), 200, "ok");
		client_free(clients[i]);
	}
	client_free(held);
	http_fixture_stop(&fixture);
}

/* What old workers still have with the backend counts. */
static void test_reload(void)
{
	struct http_fixture fixture;
	struct client *held, *late;
	char *output = NULL;

	if (!http_fixture_start(&fixture, (struct ferrule_settings){.server_extra = {OF_ONE}}))
		return;
	held = hold(&fixture);
	EXPECT_EQUAL(ferrule_reload(fixture.ferrule, &output), 0);
	free(output);
	late = http_client(&fixture);
	if (late != NULL && expect_busy(late)) {
		let_go(&fixture, held);
		http_expect(late, GET("/"), 200, "ok");
	}
	client_free(held);
	client_free(late);
	http_fixture_stop(&fixture);
}

/* With a PROXY header each client has its own: it keeps it only while there is room. */
static void test_private_connections(void)
{
	struct client *clients[2];
	struct http_fixture fixture;

	if (!http_fixture_start_proxied(&fixture,
		    (struct ferrule_settings){.server_extra = {"proxy_protocol = true;" OF_ONE}}))
		return;
	for (size_t i = 0; i < 2; i++)
		clients[i] = http_client(&fixture);
	for (size_t i = 0; i < 6; i++)
		if (clients[i % 2] != NULL)
			http_expect(clients[i % 2], GET("/"), 200, "ok");
	for (size_t i = 0; i < 2; i++)
		client_free(clients[i]);
	http_fixture_stop(&fixture);
}

/* ---- names with backends of their own ---- */

/* "b.example.com" leads to the second backend, everything else to the fixture's. */
static bool start_named(struct http_fixture *fixture, const struct http_backend *second)
{
	const char *certificate = harness_path("second.pem"), *key = harness_path("second.key");
	char trustpoint[700], extra[300];

	EXPECT(identity_write(IDENTITY_EC, "b.example.com", certificate, key));
	snprintf(trustpoint, sizeof(trustpoint),
		"{ name = \"TP2\"; enrollment: { method = \"pem\"; };"
		" files: { certificate = \"%s\"; key = \"%s\"; }; }",
		certificate, key);
	snprintf(extra, sizeof(extra),
		OF_ONE " certificates = ( { server_name = \"b.example.com\"; trustpoint = \"TP2\";"
		       " backend = \"%s\"; } );",
		http_backend_address(second));
	return http_fixture_start(fixture,
		(struct ferrule_settings){.server_extra = {extra}, .trustpoints = trustpoint});
}

/* The limit is that of all backends together, and an idle one goes for another's sake. */
static void expect_one_for_all(struct http_fixture *fixture, struct http_backend *second)
{
	struct client *clients[2] = {http_client(fixture),
		http_client_with(fixture, (struct client_options){.server_name = "b.example.com"})};

	for (size_t i = 0; i < 6; i++)
		if (clients[i % 2] != NULL)
			http_expect(clients[i % 2], GET("/"), 200, "ok");
	EXPECT_EQUAL(http_backend_connections(fixture->backend), 3);
	EXPECT_EQUAL(http_backend_connections(second), 3);
	client_free(clients[0]);
	clients[0] = hold(fixture);
	if (clients[1] != NULL)
		expect_busy(clients[1]);
	let_go(fixture, clients[0]);
	for (size_t i = 0; i < 2; i++)
		client_free(clients[i]);
}

static void test_several_backends(void)
{
	struct http_backend *second = http_backend_start(false);
	struct http_fixture fixture;

	if (!EXPECT(second != NULL))
		return;
	if (start_named(&fixture, second)) {
		expect_one_for_all(&fixture, second);
		http_fixture_stop(&fixture);
	}
	http_backend_stop(second);
}

static CU_TestInfo tests[] = {
	{"limit", test_limit},
	{"an idle one is no obstacle", test_idle_is_no_obstacle},
	{"retry", test_retry},
	{"aborted request", test_aborted_request},
	{"workers", test_workers},
	{"reload", test_reload},
	{"private connections", test_private_connections},
	{"several backends", test_several_backends},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo backend_limit_suites[] = {
	{"backend limit", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
