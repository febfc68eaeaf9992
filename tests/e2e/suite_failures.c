/* Backends that fail: what the client is told, and what it must never be told. */
#include "tests/e2e/suites.h"
#include "tests/e2e/ferrule.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/net.h"
#include "tests/e2e/process.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* Records of one byte, and what the worker may grow by over them. */
#define PIECES     3000
#define PIECES_KIB 1024
/* ms: a client that says nothing for 100 gets its backend nevertheless. */
#define PATIENCE 200

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void expect_polite_refusal(const struct ferrule *ferrule)
{
	struct client *client = client_open(&(struct client_options){.port = ferrule->ports[0]});
	struct conn_line line;

	if (!EXPECT(client != NULL))
		return;
	EXPECT_EQUAL(client_drain(client), CLIENT_CLOSE_NOTIFY);
	if (conn_line_after(ferrule, client, &line))
		EXPECT_CONTAINS(conn_line_get(&line, "cause"), "refused");
	client_free(client);
}

static void test_backend_down(void)
{
	char address[64];
	uint16_t port = 0;
	int fd = net_listen(&port, -1); /* bound, not listening: refuses, and stays ours */
	struct ferrule *ferrule;

	if (!EXPECT(fd >= 0))
		return;
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	ferrule = ferrule_start(&(struct ferrule_settings){.backends = {address}});
	if (ferrule != NULL)
		expect_polite_refusal(ferrule);
	ferrule_stop(ferrule);
	close(fd);
}

/* What a client sends meanwhile stays in its socket, but for a little. */
static void expect_little_taken(const struct ferrule *ferrule)
{
	struct client *client = client_open(&(struct client_options){.port = ferrule->ports[0]});
	struct conn_line line;

	if (!EXPECT(client != NULL))
		return;
	client_send_pattern(client, 64 << 20, 1); /* is cut off at some point */
	if (conn_line_after(ferrule, client, &line)) {
		EXPECT_CONTAINS(conn_line_get(&line, "cause"), "connect timed out");
		EXPECT(conn_line_number(&line, "bytes_in") < 4 << 20);
	}
	client_free(client);
}

/* Nor do records of one byte, each in a segment of its own, take up a buffer each. */
static void expect_pieces_joined(const struct ferrule *ferrule)
{
	struct client *client = client_open(&(struct client_options){.port = ferrule->ports[0]});
	int64_t before = process_children_rss(ferrule->pid), most = before;

	if (!EXPECT(client != NULL))
		return;
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	for (int i = 0; i < PIECES && EXPECT(client_say(client, "x")); i++) {
		int64_t now = i % 100 == 0 ? process_children_rss(ferrule->pid) : 0;
		most = now > most ? now : most;
	}
	/* What is freed stays in the sanitizer's quarantine for a while. */
	EXPECT(most - before < (harness_is_sanitized() ? 4 : 1) * PIECES_KIB);
	client_free(client);
}

/* A client that goes while the backend is being waited for is not waited for itself. */
static void expect_end_noticed(const struct ferrule *ferrule)
{
	struct client *client = client_open(&(struct client_options){.port = ferrule->ports[0]});
	struct conn_line line;
	uint16_t port;

	if (!EXPECT(client != NULL))
		return;
	port = client->local_port;
	harness_pause(PATIENCE); /* until it has been asked for */
	client_reset(client);
	if (conn_line_wait(ferrule, port, &line))
		EXPECT(!strstr(conn_line_get(&line, "cause"), "timed out"));
}

/* Its queue is full and nobody takes anything from it: connecting hangs. */
static void with_deaf_backend(const char *timeouts, void (*expect)(const struct ferrule *ferrule))
{
	char address[64];
	uint16_t port = 0;
	int fd = net_listen(&port, 0), waiting = net_connect("127.0.0.1", port, 0);
	struct ferrule *ferrule;

	if (!EXPECT(fd >= 0 && waiting >= 0))
		return;
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	ferrule = ferrule_start(
		&(struct ferrule_settings){.backends = {address}, .timeouts = timeouts});
	if (ferrule != NULL)
		expect(ferrule);
	ferrule_stop(ferrule);
	close(waiting);
	close(fd);
}

static void test_pieces_for_a_deaf_backend(void)
{
	with_deaf_backend("connect = 20;", expect_pieces_joined);
}

static void test_client_leaves_a_deaf_backend(void)
{
	with_deaf_backend("connect = 300;", expect_end_noticed);
}

static void test_backend_does_not_accept(void)
{
	with_deaf_backend("connect = 1;", expect_little_taken);
}

static void test_backend_closes_at_once(void)
{
	struct fixture fixture;
	struct client *client;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = fixture_visit(&fixture, (struct client_options){0}, "close\n");
	if (client != NULL)
		EXPECT_EQUAL(client_drain(client), CLIENT_CLOSE_NOTIFY);
	client_free(client);
	fixture_stop(&fixture);
}

/* RFC 8446 6.1: a close_notify would make a body cut short look complete. */
static void expect_no_false_end(const struct fixture *fixture, int version)
{
	struct client *client = fixture_visit(
		fixture, (struct client_options){.version = version}, "reset 200000 15\n");
	struct conn_line line;

	if (client == NULL)
		return;
	EXPECT(client_read_pattern(client, 15) >= 0); /* a part of it, but the right one */
	EXPECT(client->end != CLIENT_CLOSE_NOTIFY);
	EXPECT(client->end != CLIENT_DEADLINE);
	if (conn_line_after(fixture->ferrule, client, &line))
		EXPECT_CONTAINS(conn_line_get(&line, "cause"), "reset");
	client_free(client);
}

static void test_backend_resets(void)
{
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (int i = 0; i < 10; i++)
		expect_no_false_end(&fixture, versions[i % 2]);
	fixture_stop(&fixture);
}

/* A client that vanishes in the middle: the backend is let go, the worker goes on. */
static void test_client_resets(void)
{
	struct fixture fixture;
	struct backend_report report;
	struct client *client;
	char beginning[1000];

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < 10; i++) {
		client =
			fixture_visit(&fixture, (struct client_options){0}, "send 1000000000 16\n");
		if (client == NULL)
			continue;
		EXPECT(client_read_all(client, beginning, sizeof(beginning)));
		client_reset(client);
		EXPECT(backend_wait(fixture.backend, i, &report));
	}
	fixture_expect_service(&fixture);
	fixture_stop(&fixture);
}

/* What the client broke off is not handed on as if it were complete. */
static void test_client_vanishes_from_upload(void)
{
	struct fixture fixture;
	struct backend_report report;
	struct client *client;
	char answer;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = fixture_visit(&fixture, (struct client_options){0}, "echo\n.");
	if (client != NULL) {
		EXPECT(client_read_all(client, &answer, 1)); /* the backend is connected */
		client_reset(client);
		EXPECT(backend_wait(fixture.backend, 0, &report));
		EXPECT(report.reset);
	}
	fixture_stop(&fixture);
}

/*
 * A backend that takes no more, but may still answer: the rest of the upload is read
 * and dropped, though no other event brings the connection to be looked at.
 */
static void test_backend_stops_reading(void)
{
	struct backend *backend = backend_start(harness_path("backend.sock"));
	struct fixture fixture = {.backend = backend};

	if (!EXPECT(backend != NULL))
		return;
	fixture.ferrule =
		ferrule_start(&(struct ferrule_settings){.backends = {backend_address(backend)}});
	for (int i = 0; fixture.ferrule && i < 2; i++) {
		struct client *client = fixture_visit(&fixture,
			(struct client_options){.version = versions[i]}, "deaf 4194304 1\n");
		if (client == NULL)
			continue;
		EXPECT(client_send_pattern(client, 32 << 20, 1));
		client_reset(client);
	}
	fixture_stop(&fixture);
}

static CU_TestInfo tests[] = {
	{"backend down", test_backend_down},
	{"backend does not accept", test_backend_does_not_accept},
	{"pieces for a deaf backend", test_pieces_for_a_deaf_backend},
	{"client leaves a deaf backend", test_client_leaves_a_deaf_backend},
	{"backend closes at once", test_backend_closes_at_once},
	{"backend resets in the middle", test_backend_resets},
	{"client resets in the middle", test_client_resets},
	{"client vanishes from an upload", test_client_vanishes_from_upload},
	{"backend stops reading", test_backend_stops_reading},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo failures_suites[] = {
	{"failures", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
