/* What ferrule refuses to wait for, to hold, or to start with. */
#include "tests/e2e/suites.h"
#include "tests/e2e/ferrule.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/net.h"
#include "tests/e2e/process.h"
#include "tests/e2e/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- timeouts ---- */

/* Opens a connection, says that much, and expects the end after about a second. */
static void expect_handshake_timeout(const struct ferrule *ferrule, const void *data, size_t len)
{
	int fd = net_connect("127.0.0.1", ferrule->ports[0], 0);
	int64_t start = harness_now();
	struct conn_line line;
	uint8_t answer[64];
	ssize_t got;

	if (!EXPECT(fd >= 0))
		return;
	EXPECT(net_write(fd, data, len) == 0);
	got = net_read(fd, answer, sizeof(answer));
	EXPECT(harness_now() - start >= 900);
	EXPECT(harness_now() - start < 5000);
	/* RFC 8446 6.2: an alert before the end, in the clear at this stage. */
	if (EXPECT(got >= 7)) {
		EXPECT_EQUAL(answer[0], RECORD_ALERT);
		EXPECT_EQUAL(net_read(fd, answer, sizeof(answer)), 0);
	}
	if (conn_line_wait(ferrule, net_local_port(fd), &line)) {
		EXPECT_TEXT(conn_line_get(&line, "state"), "HANDSHAKE");
		EXPECT_CONTAINS(conn_line_get(&line, "cause"), "handshake");
	}
	close(fd);
}

static void test_handshake_timeout(void)
{
	/* The beginning of a ClientHello that never goes on. */
	static const uint8_t beginning[] = {22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3};
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){.handshake_timeout = 1}))
		return;
	expect_handshake_timeout(fixture.ferrule, "", 0);
	expect_handshake_timeout(fixture.ferrule, beginning, sizeof(beginning));
	fixture_expect_service(&fixture);
	fixture_stop(&fixture);
}

/* Bytes that trickle in do not put the handshake's end off. */
static void test_handshake_trickle(void)
{
	static const uint8_t header[] = {22, 3, 1, 0x20, 0};
	struct fixture fixture;
	int64_t start = harness_now();
	int fd;

	if (!fixture_start(&fixture, (struct ferrule_settings){.handshake_timeout = 1}))
		return;
	fd = net_connect("127.0.0.1", fixture.ferrule->ports[0], 0);
	if (EXPECT(fd >= 0) && EXPECT(net_write(fd, header, sizeof(header)) == 0)) {
		while (harness_now() - start < 5000 && net_write(fd, "\1", 1) == 0)
			harness_pause(50);
		EXPECT(harness_now() - start < 5000);
	}
	close(fd);
	fixture_stop(&fixture);
}

static void expect_idle_timeout(const struct fixture *fixture, const char *command)
{
	struct client *client = fixture_visit(fixture, (struct client_options){0}, command);
	int64_t start = harness_now();
	struct conn_line line;

	if (client == NULL)
		return;
	client_drain(client);
	EXPECT(client->end == CLIENT_CLOSE_NOTIFY || client->end == CLIENT_FIN);
	EXPECT(harness_now() - start >= 900);
	EXPECT(harness_now() - start < 8000);
	if (conn_line_after(fixture->ferrule, client, &line))
		EXPECT_CONTAINS(conn_line_get(&line, "cause"), "idle");
	client_free(client);
}

static void test_idle_timeout(void)
{
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){.idle_timeout = 1}))
		return;
	expect_idle_timeout(&fixture, "echo\n");
	expect_idle_timeout(&fixture, "stall\n");
	expect_idle_timeout(&fixture, "pause 100000 3\n");
	fixture_stop(&fixture);
}

/* Traffic in either direction is life: three seconds of it under a limit of two. */
static void test_busy_is_not_idle(void)
{
	struct fixture fixture;
	struct client *client;
	char answer;

	if (!fixture_start(&fixture, (struct ferrule_settings){.idle_timeout = 2}))
		return;
	client = fixture_visit(&fixture, (struct client_options){0}, "echo\n");
	for (int i = 0; client != NULL && i < 6; i++) {
		harness_pause(500);
		EXPECT(client_say(client, "."));
		EXPECT(client_read_all(client, &answer, 1));
	}
	client_free(client);
	fixture_stop(&fixture);
}

/* ---- connections ---- */

#define LIMIT 4

/* One more than allowed: no service, whichever way it is told. */
static void expect_no_room(const struct fixture *fixture)
{
	struct client *client =
		client_connect(&(struct client_options){.port = fixture->ferrule->ports[0]});

	if (!EXPECT(client != NULL))
		return;
	if (client_handshake(client)) {
		client_say(client, "send 10 1\n");
		EXPECT_EQUAL(client_read_pattern(client, 1), 0);
	}
	EXPECT(client->end != CLIENT_DEADLINE);
	client_free(client);
}

static void test_too_many_connections(void)
{
	struct client *clients[LIMIT] = {0};
	struct conn_line line;
	struct fixture fixture;
	char answer;

	if (!fixture_start(
		    &fixture, (struct ferrule_settings){.workers = 2, .max_connections = LIMIT}))
		return;
	for (size_t i = 0; i < LIMIT; i++) {
		clients[i] = fixture_visit(&fixture, (struct client_options){0}, "echo\n.");
		EXPECT(clients[i] != NULL && client_read_all(clients[i], &answer, 1));
	}
	expect_no_room(&fixture);
	/* One leaves, and when its line is written there is room for one. */
	if (clients[0] != NULL && EXPECT(client_shutdown(clients[0]))) {
		client_drain(clients[0]);
		conn_line_after(fixture.ferrule, clients[0], &line);
		fixture_expect_service(&fixture);
	}
	for (size_t i = 0; i < LIMIT; i++)
		client_free(clients[i]);
	fixture_stop(&fixture);
}

/* ---- descriptors ---- */

/* Must be refused, and says so: the limit, and each part of the need. */
static void expect_refused(const char *mode, const char *extra, const char *parts)
{
	struct ferrule_settings settings = {.backends = {"127.0.0.1:9"},
		.mode = mode,
		.max_connections = 1000,
		.descriptors = 97,
		.server_extra = {extra}};
	struct ferrule *ferrule = ferrule_launch(&settings);
	char *log;

	if (ferrule == NULL)
		return;
	EXPECT_EQUAL(process_wait(ferrule->pid), 1);
	log = harness_file_read(ferrule->log_path, NULL);
	if (EXPECT(log != NULL)) {
		EXPECT_CONTAINS(log, "max_connections and backend_max_connections need");
		EXPECT_CONTAINS(log, parts);
		EXPECT_CONTAINS(log, "the limit is 97;");
	}
	free(log);
	free(ferrule);
}

static void test_descriptor_limit_is_checked(void)
{
	expect_refused("tunnel", NULL, "(1000 for clients, 1000 for backends or files, ");
	expect_refused("http", NULL, "(1000 for clients, 1000 for backends or files, ");
	expect_refused("http", "backend_max_connections = 4; backend_connections = 500;",
		"(1000 for clients, 4 for backends or files, ");
}

/* Room for the clients and a few connections to the backend is enough. */
static void test_descriptors_follow_the_limit(void)
{
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){.mode = "http",
					     .max_connections = 1000,
					     .descriptors = 1700,
					     .server_extra = {"backend_max_connections = 4;"}}))
		return;
	fixture_stop(&fixture);
}

#define WAITING 20

/* A worker that cannot accept waits for better times instead of trying all the time. */
static void expect_calm(const struct fixture *fixture, pid_t worker)
{
	int open_now = process_descriptors(worker);
	struct client *clients[WAITING] = {0};
	int64_t before;

	if (!EXPECT(open_now > 0) ||
		!EXPECT(process_limit_descriptors(worker, (unsigned)open_now + 3)))
		return;
	for (size_t i = 0; i < WAITING; i++)
		clients[i] = client_connect(
			&(struct client_options){.port = fixture->ferrule->ports[0]});
	before = process_children_cpu(fixture->ferrule->pid);
	harness_pause(1000);
	EXPECT(process_children_cpu(fixture->ferrule->pid) - before < 200);
	EXPECT(process_limit_descriptors(worker, (unsigned)open_now + 1000));
	for (size_t i = 0; i < WAITING; i++)
		client_free(clients[i]);
}

static void test_descriptors_exhausted(void)
{
	pid_t workers[PROCESS_MAX_CHILDREN];
	struct fixture fixture;

	/* Without CAP_SYS_RESOURCE only one's own user's processes can be limited. */
	if (!fixture_start(&fixture, (struct ferrule_settings){.keep_user = true}))
		return;
	fixture_expect_service(&fixture);
	if (EXPECT_EQUAL(process_children(fixture.ferrule->pid, workers), 1))
		expect_calm(&fixture, workers[0]);
	fixture_expect_service(&fixture);
	fixture_stop(&fixture);
}

/* ---- configurations ---- */

static void test_bad_configuration_is_refused(void)
{
	struct ferrule_settings settings = {
		.backends = {"127.0.0.1:9"}, .extra = "no_such_key = 1;"};
	struct ferrule *ferrule = ferrule_launch(&settings);
	char *log;

	if (ferrule == NULL)
		return;
	EXPECT_EQUAL(process_wait(ferrule->pid), 1);
	log = harness_file_read(ferrule->log_path, NULL);
	if (EXPECT(log != NULL)) {
		EXPECT_CONTAINS(log, "ferrule.conf:");
		EXPECT_CONTAINS(log, "no_such_key");
	}
	free(log);
	free(ferrule);
}

static CU_TestInfo tests[] = {
	{"handshake timeout", test_handshake_timeout},
	{"handshake timeout under a trickle", test_handshake_trickle},
	{"idle timeout", test_idle_timeout},
	{"busy is not idle", test_busy_is_not_idle},
	{"more connections than allowed", test_too_many_connections},
	{"descriptor limit is checked at start", test_descriptor_limit_is_checked},
	{"descriptors follow the limit of backend connections", test_descriptors_follow_the_limit},
	{"descriptors exhausted at run time", test_descriptors_exhausted},
	{"bad configuration is refused", test_bad_configuration_is_refused},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo limits_suites[] = {
	{"limits", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
