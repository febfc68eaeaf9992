/* Bodies in both directions, compared byte for byte: sizes, paces, ends, numbers. */
#include "tests/e2e/suites.h"
#include "tests/e2e/ferrule.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/nginx.h"
#include "tests/e2e/pattern.h"
#include "tests/e2e/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
/* What a worker may grow by while a body of any size passes. */
#define GROWTH_KIB 4096

static const uint64_t sizes[] = {0, 1, 1023, 16384, 16385, MIB, 64 * MIB};
static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* What is freed stays in the sanitizer's quarantine for a while. */
static int64_t growth_most(void)
{
	return harness_is_sanitized() ? 4 * GROWTH_KIB : GROWTH_KIB;
}

static uint64_t largest(void)
{
	return harness_has_ktls() ? 64 * MIB : 1024 * MIB;
}

/* ---- sizes ---- */

static void expect_download(
	const struct fixture *fixture, struct client_options options, uint64_t size)
{
	struct conn_line line;
	struct client *client;
	char command[64];

	snprintf(command, sizeof(command), "send %llu 3\n", (unsigned long long)size);
	client = fixture_visit(fixture, options, command);
	if (client == NULL)
		return;
	EXPECT_EQUAL(client_read_pattern(client, 3), size);
	EXPECT_EQUAL(client->end, CLIENT_CLOSE_NOTIFY);
	EXPECT(client_shutdown(client));
	EXPECT_EQUAL(client_wait_fin(client), CLIENT_FIN);
	if (conn_line_after(fixture->ferrule, client, &line)) {
		EXPECT_EQUAL(conn_line_number(&line, "bytes_out"), size);
		EXPECT_EQUAL(conn_line_number(&line, "bytes_in"), strlen(command));
	}
	client_free(client);
}

/* `nth`: how many connections the backend has seen end before this one. */
static void expect_upload(
	const struct fixture *fixture, struct client_options options, uint64_t size, size_t nth)
{
	struct client *client = fixture_visit(fixture, options, "sink 4\n");
	struct backend_report report;
	struct conn_line line;

	if (client == NULL)
		return;
	EXPECT(client_send_pattern(client, size, 4));
	EXPECT(client_shutdown(client));
	EXPECT(backend_wait(fixture->backend, nth, &report));
	EXPECT_EQUAL(report.received, size);
	EXPECT(report.good);
	EXPECT(!report.reset);
	EXPECT_EQUAL(client_drain(client), CLIENT_CLOSE_NOTIFY);
	if (conn_line_after(fixture->ferrule, client, &line))
		EXPECT_EQUAL(conn_line_number(&line, "bytes_in"), size + strlen("sink 4\n"));
	client_free(client);
}

static void test_downloads(void)
{
	struct fixture fixture;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
			expect_download(&fixture, (struct client_options){.version = versions[i]},
				sizes[j]);
	fixture_stop(&fixture);
}

static void test_uploads(void)
{
	struct fixture fixture;
	size_t nth = 0;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
			expect_upload(&fixture, (struct client_options){.version = versions[i]},
				sizes[j], nth++);
	fixture_stop(&fixture);
}

/* The largest body, and what the worker has grown by when it has passed. */
static void expect_no_growth(void (*transfer)(const struct fixture *, uint64_t size, size_t nth))
{
	struct fixture fixture;
	int64_t before;

	harness_deadline_set(120);
	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	transfer(&fixture, 4 * MIB, 0); /* buffers, pools and the allocator are warm now */
	before = process_children_rss(fixture.ferrule->pid);
	EXPECT(before > 0);
	transfer(&fixture, largest(), 1);
	EXPECT(process_children_rss(fixture.ferrule->pid) - before < growth_most());
	fixture_stop(&fixture);
}

static void download_any(const struct fixture *fixture, uint64_t size, size_t nth)
{
	(void)nth;
	expect_download(fixture, (struct client_options){0}, size);
}

static void upload_any(const struct fixture *fixture, uint64_t size, size_t nth)
{
	expect_upload(fixture, (struct client_options){0}, size, nth);
}

static void test_largest_download(void)
{
	expect_no_growth(download_any);
}

static void test_largest_upload(void)
{
	expect_no_growth(upload_any);
}

static void test_cbc_both_ways(void)
{
	static const char name[] = "ECDHE-ECDSA-AES128-SHA256";
	struct client_options options = {.version = TLS1_2_VERSION, .ciphers = name};
	struct fixture fixture;

	if (!fixture_start(&fixture,
		    (struct ferrule_settings){.ciphersuites = "\"ECDHE-ECDSA-AES128-SHA256\""}))
		return;
	expect_upload(&fixture, options, 4 * MIB + 1, 0);
	expect_download(&fixture, options, 4 * MIB + 1);
	fixture_stop(&fixture);
}

/* Both directions full at once: neither may wait for the other. */
static void test_echo_both_ways(void)
{
	struct fixture fixture;
	struct client *client;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = fixture_visit(&fixture, (struct client_options){0}, "echo\n");
	if (client != NULL) {
		EXPECT(client_send_pattern(client, 8 * MIB, 5));
		EXPECT(client_shutdown(client));
		EXPECT_EQUAL(client_read_pattern(client, 5), 8 * MIB);
		EXPECT_EQUAL(client->end, CLIENT_CLOSE_NOTIFY);
	}
	client_free(client);
	fixture_stop(&fixture);
}

/* ---- paces ---- */

/* Reads `count` bytes of the pattern, a little at a time. */
static bool read_slowly(struct client *client, uint64_t count, uint64_t seed)
{
	uint8_t data[4096];

	for (uint64_t offset = 0; offset < count;) {
		size_t got = client_read(client, data, sizeof(data));

		if (got == 0 || !pattern_matches(seed, offset, data, got))
			return false;
		offset += got;
		harness_pause(1);
	}
	return true;
}

static bool write_slowly(struct client *client, uint64_t count, uint64_t seed)
{
	uint8_t data[1000];

	for (uint64_t offset = 0; offset < count; offset += sizeof(data)) {
		pattern_fill(seed, offset, data, sizeof(data));
		if (!client_write(client, data, sizeof(data)))
			return false;
		harness_pause(1);
	}
	return true;
}

/* The backend has far more to send than any queue holds: ferrule must not hold it. */
static void test_slow_reader(void)
{
	struct fixture fixture;
	struct client *client;
	int64_t before;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	fixture_expect_service(&fixture);
	before = process_children_rss(fixture.ferrule->pid);
	client = fixture_visit(
		&fixture, (struct client_options){.receive_buffer = 16384}, "send 1000000000 6\n");
	if (client != NULL) {
		EXPECT(read_slowly(client, 2 * MIB, 6));
		EXPECT(process_children_rss(fixture.ferrule->pid) - before < growth_most());
		client_reset(client);
	}
	fixture_expect_service(&fixture);
	fixture_stop(&fixture);
}

/* The same the other way round: a backend that hardly reads. */
static void test_slow_backend(void)
{
	struct fixture fixture;
	struct client *client;
	struct backend_report report;
	int64_t before;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	fixture_expect_service(&fixture);
	before = process_children_rss(fixture.ferrule->pid);
	client = fixture_visit(&fixture, (struct client_options){0}, "slow 7\n");
	if (client != NULL) {
		EXPECT(client_send_pattern(client, 32 * MIB, 7));
		EXPECT(process_children_rss(fixture.ferrule->pid) - before < growth_most());
		EXPECT(client_shutdown(client));
		EXPECT(backend_wait(fixture.backend, 1, &report));
		EXPECT_EQUAL(report.received, 32 * MIB);
		EXPECT(report.good);
	}
	client_free(client);
	fixture_stop(&fixture);
}

static void test_slow_writer_and_reader(void)
{
	struct fixture fixture;
	struct client *client;
	char answer[64];

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = fixture_visit(&fixture, (struct client_options){0}, "slow 8\n");
	if (client != NULL) {
		EXPECT(write_slowly(client, 300000, 8));
		EXPECT(client_shutdown(client));
		EXPECT(client_read_text(client, answer, sizeof(answer)));
		EXPECT_TEXT(answer, "300000 good\n");
	}
	client_free(client);
	fixture_stop(&fixture);
}

static bool write_pieces(struct client *client, uint64_t count, uint64_t seed)
{
	uint8_t piece;

	for (uint64_t offset = 0; offset < count; offset++) {
		pattern_fill(seed, offset, &piece, 1);
		if (!client_write(client, &piece, 1))
			return false;
	}
	return true;
}

static void test_pieces(void)
{
	struct fixture fixture;
	struct client *client;
	char answer[64];

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = fixture_visit(&fixture, (struct client_options){0}, "pieces 20000 9\n");
	if (client != NULL)
		EXPECT_EQUAL(client_read_pattern(client, 9), 20000);
	client_free(client);
	client = fixture_visit(&fixture, (struct client_options){0}, "sink 9\n");
	if (client != NULL) {
		EXPECT(write_pieces(client, 5000, 9));
		EXPECT(client_shutdown(client));
		EXPECT(client_read_text(client, answer, sizeof(answer)));
		EXPECT_TEXT(answer, "5000 good\n");
	}
	client_free(client);
	fixture_stop(&fixture);
}

/* Records torn apart at every byte of the network. */
static void test_split_records(void)
{
	struct fixture fixture;
	struct client *client;
	uint8_t data[3000], sealed[4096];
	size_t len = 0;
	char answer[64];

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = fixture_visit(&fixture, (struct client_options){0}, "sink 10\n");
	if (client != NULL) {
		pattern_fill(10, 0, data, sizeof(data));
		len = client_seal(client, data, sizeof(data), sealed, sizeof(sealed));
		for (size_t i = 0; i < len; i++)
			EXPECT(client_send_raw(client, sealed + i, 1));
		EXPECT(client_shutdown(client));
		EXPECT(client_read_text(client, answer, sizeof(answer)));
		EXPECT_TEXT(answer, "3000 good\n");
	}
	client_free(client);
	fixture_stop(&fixture);
}

/* ---- ends ---- */

static void test_client_half_closes(void)
{
	struct fixture fixture;
	struct client *client;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = fixture_visit(&fixture, (struct client_options){.version = TLS1_3_VERSION},
		"answer 3000000 11\n");
	if (client != NULL) {
		/* The backend answers only after the end that our close_notify stands for. */
		EXPECT(client_shutdown(client));
		EXPECT_EQUAL(client_read_pattern(client, 11), 3000000);
		EXPECT_EQUAL(client->end, CLIENT_CLOSE_NOTIFY);
	}
	client_free(client);
	fixture_stop(&fixture);
}

static void test_backend_half_closes(void)
{
	struct fixture fixture;
	struct client *client;
	struct backend_report report;

	if (!fixture_start(&fixture, (struct ferrule_settings){0}))
		return;
	client = fixture_visit(
		&fixture, (struct client_options){.version = TLS1_3_VERSION}, "half 1000 12\n");
	if (client != NULL) {
		EXPECT_EQUAL(client_read_pattern(client, 12), 1000);
		EXPECT_EQUAL(client->end, CLIENT_CLOSE_NOTIFY);
		/* RFC 8446 6.1: their close_notify ends their direction, not ours. */
		EXPECT(client_send_pattern(client, 2 * MIB, 12));
		EXPECT(client_shutdown(client));
		EXPECT(backend_wait(fixture.backend, 0, &report));
		EXPECT_EQUAL(report.received, 2 * MIB);
		EXPECT(report.good);
	}
	client_free(client);
	fixture_stop(&fixture);
}

/* ---- numbers ---- */

#define CROWD       1000
#define GUEST_CROWD 200

static size_t crowd_open(const struct fixture *fixture, struct client **clients, size_t count)
{
	struct client_options options = {.port = fixture->ferrule->ports[0]};
	size_t opened = 0;

	for (size_t i = 0; i < count; i++)
		clients[i] = client_connect(&options);
	for (size_t i = 0; i < count; i++)
		opened += clients[i] != NULL && client_handshake(clients[i]);
	return opened;
}

/* Every one of them asks, then every one of them is answered. */
static size_t crowd_ask(struct client **clients, size_t count)
{
	char command[64];
	size_t served = 0;

	for (size_t i = 0; i < count; i++) {
		snprintf(command, sizeof(command), "send 20000 %zu\n", i);
		client_say(clients[i], command);
	}
	for (size_t i = 0; i < count; i++)
		served += client_read_pattern(clients[i], i) == 20000 &&
			  clients[i]->end == CLIENT_CLOSE_NOTIFY;
	return served;
}

static void test_many_at_once(void)
{
	size_t count = harness_has_ktls() ? GUEST_CROWD : CROWD;
	struct client **clients = calloc(count, sizeof(struct client *));
	struct fixture fixture;

	harness_deadline_set(90);
	if (!EXPECT(clients != NULL))
		return;
	if (fixture_start(&fixture,
		    (struct ferrule_settings){
			    .workers = 2, .max_connections = 2000, .handshake_timeout = 60})) {
		if (EXPECT_EQUAL(crowd_open(&fixture, clients, count), count))
			EXPECT_EQUAL(crowd_ask(clients, count), count);
		for (size_t i = 0; i < count; i++)
			client_free(clients[i]);
		fixture_stop(&fixture);
	}
	free(clients);
}

/* ---- other places for a backend and a listener ---- */

static void expect_transfers(const struct ferrule_settings *settings, const char *host)
{
	struct ferrule *ferrule = ferrule_start(settings);
	struct client *client;

	if (ferrule == NULL)
		return;
	client = client_open(&(struct client_options){.port = ferrule->ports[0], .host = host});
	if (EXPECT(client != NULL)) {
		EXPECT(client_say(client, "send 300000 13\n"));
		EXPECT_EQUAL(client_read_pattern(client, 13), 300000);
		EXPECT_EQUAL(client->end, CLIENT_CLOSE_NOTIFY);
	}
	client_free(client);
	ferrule_stop(ferrule);
}

static void test_unix_backend(void)
{
	struct backend *backend = backend_start(harness_path("backend.sock"));

	if (!EXPECT(backend != NULL))
		return;
	expect_transfers(&(struct ferrule_settings){.backends = {backend_address(backend)}}, NULL);
	backend_stop(backend);
}

static void test_ipv6_listener(void)
{
	struct backend *backend = backend_start(NULL);

	if (!EXPECT(backend != NULL))
		return;
	expect_transfers(&(struct ferrule_settings){.backends = {backend_address(backend)},
				 .address = "::1"},
		"::1");
	backend_stop(backend);
}

/* ---- curl in front, nginx behind ---- */

#define CURL_SIZE (16 * MIB)

static int curl(
	const struct ferrule *ferrule, const char *option, const char *file, const char *name)
{
	char url[128];
	const char *argv[] = {"curl", "-sS", "-f", "--http1.1", "--cacert",
		ferrule->certificate_path, option, file, url, NULL};

	snprintf(url, sizeof(url), "https://localhost:%u/%s", ferrule->ports[0], name);
	return process_run(argv, NULL, harness_path("curl.log"));
}

static void expect_curl(const struct ferrule *ferrule, const char *root)
{
	const char *original = harness_path("original"), *copy = harness_path("copy");
	char stored[400];

	snprintf(stored, sizeof(stored), "%s/stored", root);
	EXPECT(pattern_file_write(original, 14, CURL_SIZE));
	EXPECT_EQUAL(curl(ferrule, "-T", original, "stored"), 0);
	EXPECT(pattern_file_matches(stored, 14, CURL_SIZE));
	EXPECT_EQUAL(curl(ferrule, "-o", copy, "stored"), 0);
	EXPECT(pattern_file_matches(copy, 14, CURL_SIZE));
}

static void test_curl_and_nginx(void)
{
	struct nginx *nginx = nginx_start();
	struct ferrule *ferrule;

	if (!EXPECT(nginx != NULL))
		return;
	ferrule = ferrule_start(&(struct ferrule_settings){.backends = {nginx->address}});
	if (ferrule != NULL)
		expect_curl(ferrule, nginx->root);
	ferrule_stop(ferrule);
	nginx_stop(nginx);
}

static CU_TestInfo tests[] = {
	{"downloads of every size", test_downloads},
	{"uploads of every size", test_uploads},
	{"largest download, worker does not grow", test_largest_download},
	{"largest upload, worker does not grow", test_largest_upload},
	{"CBC suite both ways", test_cbc_both_ways},
	{"both directions at once", test_echo_both_ways},
	{"slow reader", test_slow_reader},
	{"slow backend", test_slow_backend},
	{"slow writer, slow backend", test_slow_writer_and_reader},
	{"one-byte pieces", test_pieces},
	{"records split at every byte", test_split_records},
	{"client half-closes", test_client_half_closes},
	{"backend half-closes", test_backend_half_closes},
	{"many connections at once", test_many_at_once},
	{"unix backend", test_unix_backend},
	{"IPv6 listener", test_ipv6_listener},
	{"curl and nginx", test_curl_and_nginx},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo transfer_suites[] = {
	{"transfer", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
