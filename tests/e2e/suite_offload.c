/*
 * Who protects the records: the kernel where FERRULE_KTLS=1 promises it, ferrule
 * itself elsewhere. And what the kernel is known to get wrong (K1, K2).
 */
#include "tests/e2e/suites.h"
#include "tests/e2e/ferrule.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	int version;
	const char *cipher;
} suites[] = {
	{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
	{TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"},
	{TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"},
};

/* A counter of /proc/net/tls_stat, 0 where the file does not exist. */
static int64_t kernel_counter(const char *name)
{
	char *text = harness_file_read("/proc/net/tls_stat", NULL);
	const char *found = text != NULL ? strstr(text, name) : NULL;
	int64_t value = found != NULL ? strtoll(found + strlen(name), NULL, 10) : 0;

	free(text);
	return value;
}

/* Enough in both directions that an offload which waits for a body engages too. */
static void move_bytes(struct client *client)
{
	uint8_t data[4096] = {0};

	EXPECT(client_say(client, "echo\n"));
	for (int i = 0; i < 64; i++)
		EXPECT(client_write(client, data, sizeof(data)) &&
			client_read_all(client, data, sizeof(data)));
	EXPECT(client_shutdown(client));
	EXPECT_EQUAL(client_drain(client), CLIENT_CLOSE_NOTIFY);
}

/* Expects the engines in the log, and a reason wherever it is not the kernel both ways. */
static void expect_engines(const struct fixture *fixture, struct client_options options,
	const char *tx, const char *rx)
{
	struct client *client = fixture_client(fixture, options);
	struct conn_line line;

	if (client == NULL)
		return;
	move_bytes(client);
	if (conn_line_after(fixture->ferrule, client, &line)) {
		EXPECT_TEXT(conn_line_get(&line, "offload_tx"), tx);
		EXPECT_TEXT(conn_line_get(&line, "offload_rx"), rx);
		if (strcmp(tx, "kernel") != 0 || strcmp(rx, "kernel") != 0)
			EXPECT(strlen(conn_line_get(&line, "offload_reason")) > 1);
	}
	client_free(client);
}

static void test_every_suite(void)
{
	const char *engine = harness_has_ktls() ? "kernel" : "aead";
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		int64_t sent = kernel_counter("TlsTxSw"), received = kernel_counter("TlsRxSw");

		expect_engines(&fixture,
			(struct client_options){
				.version = suites[i].version, .ciphers = suites[i].cipher},
			engine, engine);
		if (harness_has_ktls()) {
			EXPECT(kernel_counter("TlsTxSw") > sent);
			EXPECT(kernel_counter("TlsRxSw") > received);
		}
	}
	fixture_stop(&fixture);
}

static void test_policies(void)
{
	static const struct {
		const char *policy, *tx, *rx; /* where the kernel has TLS */
	} policies[] = {
		{"auto", "kernel", "kernel"},
		{"both", "kernel", "kernel"},
		{"required", "kernel", "kernel"},
		{"tx", "kernel", "aead"},
		{"off", "aead", "aead"},
	};

	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct fixture fixture;
		bool kernel = harness_has_ktls();

		if (!kernel && strcmp(policies[i].policy, "required") == 0)
			continue; /* see test_required_but_impossible() */
		if (!fixture_start(
			    &fixture, (struct ferrule_settings){.offload = policies[i].policy}))
			continue;
		expect_engines(&fixture, (struct client_options){0},
			kernel ? policies[i].tx : "aead", kernel ? policies[i].rx : "aead");
		fixture_stop(&fixture);
	}
}

/* No kernel knows this suite: better said at start than to every client. */
static void test_required_but_impossible(void)
{
	struct ferrule_settings settings = {.backends = {"127.0.0.1:9"},
		.offload = "required",
		.ciphersuites = "\"ECDHE-ECDSA-AES128-SHA256\""};
	struct ferrule *ferrule = ferrule_launch(&settings);

	if (ferrule == NULL)
		return;
	EXPECT_EQUAL(process_wait(ferrule->pid), 1);
	EXPECT(ferrule_count_log(ferrule, "ECDHE-ECDSA-AES128-SHA256 cannot be offloaded") == 1);
	free(ferrule);
}

static void test_cbc_stays_with_libssl(void)
{
	struct fixture fixture;

	if (!fixture_start(&fixture,
		    (struct ferrule_settings){.ciphersuites = "\"ECDHE-ECDSA-AES128-SHA256\""}))
		return;
	expect_engines(&fixture,
		(struct client_options){
			.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA256"},
		"libssl", "libssl");
	fixture_stop(&fixture);
}

/* ---- status ---- */

/* The number behind the first "name": of the text, -1 when there is none. */
static int64_t json_number(const char *text, const char *name)
{
	char key[64];
	const char *found;

	snprintf(key, sizeof(key), "\"%s\":", name);
	found = strstr(text, key);
	return found != NULL ? strtoll(found + strlen(key), NULL, 10) : -1;
}

static void expect_status(const struct fixture *fixture, int64_t open, int64_t accepted)
{
	char *status = ferrule_show_offload(fixture->ferrule);

	if (!EXPECT(status != NULL))
		return;
	EXPECT_CONTAINS(status, "\"web0\"");
	EXPECT_EQUAL(json_number(status, "open"), open);
	EXPECT_EQUAL(json_number(status, "accepted"), accepted);
	EXPECT_EQUAL(json_number(status, "refused"), 0);
	EXPECT_EQUAL(json_number(status, "handshakes_failed"), 0);
	EXPECT_EQUAL(json_number(status, "both"), harness_has_ktls() ? accepted : 0);
	EXPECT_EQUAL(json_number(status, "tx"), 0);
	EXPECT_EQUAL(json_number(status, "none"), harness_has_ktls() ? 0 : accepted);
	free(status);
}

static void test_status(void)
{
	struct fixture fixture;
	struct conn_line line;
	struct client *client;
	char answer;

	if (!fixture_start(&fixture, (struct ferrule_settings){.workers = 2}))
		return;
	expect_status(&fixture, 0, 0);
	client = fixture_visit(&fixture, (struct client_options){0}, "echo\n.");
	if (client != NULL && EXPECT(client_read_all(client, &answer, 1))) {
		expect_status(&fixture, 1, 1);
		EXPECT(client_shutdown(client));
		EXPECT_EQUAL(client_drain(client), CLIENT_CLOSE_NOTIFY);
		conn_line_after(fixture.ferrule, client, &line);
		expect_status(&fixture, 0, 1);
	}
	client_free(client);
	fixture_stop(&fixture);
}

/* ---- K2: nothing is lost at close ---- */

#define BODY 300000

static int drain_tries(void)
{
	return harness_has_ktls() ? 100 : 20;
}

/* Reads a little at a time, so that the server's socket is full when it closes. */
static int64_t read_haltingly(struct client *client)
{
	uint8_t data[8192];
	int64_t total = 0;
	size_t got;

	while ((got = client_read(client, data, sizeof(data))) > 0) {
		total += (int64_t)got;
		harness_pause(1);
	}
	return total;
}

static bool drain_once(const struct fixture *fixture, struct client_options options,
	const char *command, bool shutdown_first)
{
	struct client *client = fixture_visit(fixture, options, command);
	bool complete;

	if (client == NULL)
		return false;
	if (shutdown_first)
		client_shutdown(client);
	complete = options.receive_buffer > 0 ? read_haltingly(client) == BODY
					      : client_read_pattern(client, 1) == BODY;
	complete = complete && client->end == CLIENT_CLOSE_NOTIFY;
	client_free(client);
	return complete;
}

static void expect_nothing_lost(
	struct client_options options, const char *command, bool shutdown_first)
{
	struct fixture fixture;
	int complete = 0;

	harness_deadline_set(90);
	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (int i = 0; i < drain_tries(); i++) {
		options.version = i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
		if (shutdown_first) /* in TLS 1.2 a close_notify ends both directions */
			options.version = TLS1_3_VERSION;
		complete += drain_once(&fixture, options, command, shutdown_first);
	}
	EXPECT_EQUAL(complete, drain_tries());
	fixture_stop(&fixture);
}

static void test_close_fast_reader(void)
{
	expect_nothing_lost((struct client_options){0}, "send 300000 1\n", false);
}

static void test_close_full_socket(void)
{
	expect_nothing_lost(
		(struct client_options){.receive_buffer = 8192}, "send 300000 1\n", false);
}

static void test_close_after_half_close(void)
{
	expect_nothing_lost((struct client_options){0}, "answer 300000 1\n", true);
}

/* ---- K1, U3: pipes run out ---- */

#define PIPE_LIMIT "/proc/sys/fs/pipe-user-pages-soft"
#define TOGETHER   24

static void expect_transfers_together(const struct fixture *fixture)
{
	struct client *clients[TOGETHER] = {0};

	for (size_t i = 0; i < TOGETHER; i++)
		clients[i] =
			fixture_visit(fixture, (struct client_options){0}, "send 1000000 33\n");
	for (size_t i = 0; i < TOGETHER; i++) {
		if (clients[i] != NULL) {
			EXPECT_EQUAL(client_read_pattern(clients[i], 33), 1000000);
			EXPECT_EQUAL(clients[i]->end, CLIENT_CLOSE_NOTIFY);
		}
		client_free(clients[i]);
	}
}

static void test_pipes_exhausted(void)
{
	char *limit = harness_file_read(PIPE_LIMIT, NULL);
	struct fixture fixture;

	/* The limit is the whole machine's: only a guest may change it. */
	if (!harness_has_ktls() || limit == NULL || !harness_file_write(PIPE_LIMIT, "40", 2)) {
		free(limit);
		return;
	}
	if (fixture_start(&fixture, (struct ferrule_settings){0})) {
		expect_transfers_together(&fixture);
		fixture_stop(&fixture);
	}
	EXPECT(harness_file_write(PIPE_LIMIT, limit, strlen(limit)));
	free(limit);
}

static CU_TestInfo tests[] = {
	{"every version and cipher", test_every_suite},
	{"policies", test_policies},
	{"required but impossible", test_required_but_impossible},
	{"CBC stays with libssl", test_cbc_stays_with_libssl},
	{"status", test_status},
	{"nothing lost at close: fast reader", test_close_fast_reader},
	{"nothing lost at close: full socket", test_close_full_socket},
	{"nothing lost at close: half-closed", test_close_after_half_close},
	{"pipes exhausted", test_pipes_exhausted},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo offload_suites[] = {
	{"offload", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
