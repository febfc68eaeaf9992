/* Clients that take all the time in the world, and others that must not notice. */
#include "tests/e2e/suites.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http_fixture.h"
#include "tests/e2e/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define GET(path)    "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define CROWD        10000
#define SMALL_CROWD  500
#define GOOD_CLIENTS 50
#define GOOD_ROUNDS  20
#define BESIDES      1000 /* descriptors: of ferrule itself, the good ones, the backends */

/* As many as ferrule would take: a descriptor for each of them. */
static size_t crowd_size(void)
{
	struct rlimit limit = {0};
	size_t most;

	if (harness_has_ktls() || harness_is_sanitized())
		return SMALL_CROWD;
	getrlimit(RLIMIT_NOFILE, &limit);
	most = (size_t)limit.rlim_max - BESIDES;
	return most < CROWD ? most : CROWD;
}

struct crowd {
	pid_t pid;
	const char *log;
};

static struct crowd crowd_spawn(const struct http_fixture *fixture, size_t count, const char *what)
{
	struct crowd crowd = {.log = harness_path("slow.log")};
	char port[16], number[32];
	const char *argv[] = {"/proc/self/exe", "--slow-client", port, number, what, NULL};
	struct process_options options = {
		.argv = argv, .output = crowd.log, .descriptors = (unsigned)count + 100};

	snprintf(port, sizeof(port), "%u", fixture->ferrule->ports[0]);
	snprintf(number, sizeof(number), "%zu", count);
	crowd.pid = process_spawn(&options);
	return crowd;
}

static bool crowd_said(const struct crowd *crowd, const char *format, size_t first, size_t second)
{
	char *log = harness_file_read(crowd->log, NULL);
	char text[64];
	bool said;

	if (second > 0)
		snprintf(text, sizeof(text), "%s %zu of %zu\n", format, first, second);
	else
		snprintf(text, sizeof(text), "%s %zu\n", format, first);
	said = log != NULL && strstr(log, text) != NULL;
	free(log);
	return said;
}

/* Each of the good clients keeps its connection through all rounds. */
static void expect_good_service(const struct http_fixture *fixture)
{
	struct client *clients[GOOD_CLIENTS];
	int64_t start = harness_now();

	for (size_t i = 0; i < GOOD_CLIENTS; i++)
		clients[i] = http_client(fixture);
	for (size_t i = 0; i < (size_t)GOOD_CLIENTS * GOOD_ROUNDS; i++)
		if (clients[i % GOOD_CLIENTS] != NULL)
			http_expect(clients[i % GOOD_CLIENTS], GET("/good"), 200, "ok");
	for (size_t i = 0; i < GOOD_CLIENTS; i++)
		client_free(clients[i]);
	printf("(%d requests in %lld ms) ", GOOD_CLIENTS * GOOD_ROUNDS,
		(long long)(harness_now() - start));
}

static void print_cost(const struct http_fixture *fixture, size_t count, int64_t before)
{
	int64_t grown = process_children_rss(fixture->ferrule->pid) - before;

	printf("(%zu slow ones, %lld KiB: %.1f each) ", count, (long long)grown,
		(double)grown / (double)count);
}

static void expect_slow_crowd(size_t count, const char *what)
{
	struct http_fixture fixture;
	int64_t before;
	struct crowd crowd;

	harness_deadline_set(180);
	if (!http_fixture_start(&fixture,
		    (struct ferrule_settings){.max_connections = (unsigned)count + 2 * GOOD_CLIENTS,
			    .handshake_timeout = 120,
			    .timeouts = "header = 3600;",
			    .server_extra = {"backend_max_connections = 50;"}}))
		return;
	before = process_children_rss(fixture.ferrule->pid);
	crowd = crowd_spawn(&fixture, count, what);
	while (!crowd_said(&crowd, "open", count, 0) && process_is_running(crowd.pid) &&
		harness_tick())
		;
	if (EXPECT(crowd_said(&crowd, "open", count, 0))) {
		print_cost(&fixture, count, before);
		expect_good_service(&fixture);
		EXPECT_EQUAL(
			http_backend_count(fixture.backend, "/good"), GOOD_CLIENTS * GOOD_ROUNDS);
		EXPECT(!http_backend_has(fixture.backend, "/slow"));
	}
	EXPECT_EQUAL(process_stop(crowd.pid, SIGTERM), 0);
	EXPECT(crowd_said(&crowd, "alive", count, count)); /* none of them was too slow, either */
	http_fixture_stop(&fixture);
}

static void test_slow_crowd(void)
{
	expect_slow_crowd(crowd_size(), "requests");
}

/* The same a layer below: no record of theirs is whole. */
static void test_slow_records(void)
{
	expect_slow_crowd(crowd_size() / 4, "records");
}

static void expect_cut_off(const char *what, const struct ferrule_settings *settings)
{
	size_t count = SMALL_CROWD;
	struct http_fixture fixture;
	struct crowd crowd;

	harness_deadline_set(60);
	if (!http_fixture_start(&fixture, *settings))
		return;
	crowd = crowd_spawn(&fixture, count, what);
	if (!EXPECT_EQUAL(process_wait(crowd.pid), 0))
		process_stop(crowd.pid, SIGKILL);
	EXPECT(crowd_said(&crowd, "alive", 0, count));
	EXPECT_EQUAL(http_backend_bytes(fixture.backend), 0);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

/* A drop now and then does not put the end of the head's time off. */
static void test_slow_heads_are_cut_off(void)
{
	expect_cut_off("requests",
		&(struct ferrule_settings){.handshake_timeout = 60, .timeouts = "header = 3;"});
}

/* Nor is a connection in use that has not got beyond a part of a record. */
static void test_slow_records_are_cut_off(void)
{
	expect_cut_off(
		"records", &(struct ferrule_settings){.handshake_timeout = 60, .idle_timeout = 3});
}

static CU_TestInfo tests[] = {
	{"slow crowd beside good clients", test_slow_crowd},
	{"slow records beside good clients", test_slow_records},
	{"slow heads are cut off", test_slow_heads_are_cut_off},
	{"slow records are cut off", test_slow_records_are_cut_off},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo slow_suites[] = {
	{"slow", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
