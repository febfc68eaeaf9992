/* The built-in file backend, asked by curl and by a client of our own. */
#include "tests/e2e/suites.h"
#include "tests/e2e/ferrule.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http.h"
#include "tests/e2e/pattern.h"
#include "tests/e2e/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB    ((uint64_t)1 << 20)
#define SIZE   300000
#define SEED   21
#define GROWTH 4096 /* KiB */
#define INDEX  "<p>index</p>\n"
#define SECRET "not for the public\n"

/* ferrule with the tree of tree_make(). */
static struct ferrule *site;

static bool tree_make(void)
{
	const char *directory = harness_path("www/directory");

	return mkdir(harness_path("www"), 0755) == 0 && mkdir(directory, 0755) == 0 &&
	       harness_file_write(harness_path("www/index.html"), INDEX, strlen(INDEX)) &&
	       harness_file_write(harness_path("www/directory/index.html"), INDEX, strlen(INDEX)) &&
	       harness_file_write(harness_path("www/empty"), "", 0) &&
	       pattern_file_write(harness_path("www/body"), SEED, SIZE) &&
	       harness_file_write(harness_path("secret"), SECRET, strlen(SECRET)) &&
	       symlink(harness_path("secret"), harness_path("www/link")) == 0;
}

static void site_start(void)
{
	char backend[300];

	harness_test_start();
	snprintf(backend, sizeof(backend), "files:%s/www", harness_scratch());
	site = NULL;
	if (EXPECT(tree_make()))
		site = ferrule_start(&(struct ferrule_settings){.backends = {backend}});
}

static void site_stop(void)
{
	ferrule_stop(site);
	harness_test_end();
}

static struct client *site_client(void)
{
	struct client *client;

	if (site == NULL)
		return NULL;
	client = client_open(&(struct client_options){.port = site->ports[0]});
	EXPECT(client != NULL);
	return client;
}

/* Asks and expects the status; the body is still to be read. */
static bool ask(struct client *client, const char *method, const char *path, const char *fields,
	int status, struct http_response *response)
{
	return EXPECT(http_ask(client, method, path, fields)) &&
	       EXPECT(http_read_head(client, response)) && EXPECT_EQUAL(response->status, status);
}

/* Reads the body and expects the text. */
static void expect_body(
	struct client *client, const struct http_response *response, const char *text)
{
	char body[256] = "";

	if (EXPECT_EQUAL(response->length, strlen(text)) &&
		EXPECT(client_read_all(client, body, strlen(text))))
		EXPECT_TEXT(body, text);
}

/* ---- one connection, many requests ---- */

static void test_keep_alive(void)
{
	struct client *client = site_client();
	struct http_response response;

	for (int i = 0; client != NULL && i < 50; i++) {
		if (!ask(client, "GET", "/body", NULL, 200, &response))
			break;
		EXPECT(!response.closes);
		EXPECT_EQUAL(response.length, SIZE);
		EXPECT(http_read_pattern(client, &response, SEED, 0));
		if (ask(client, "GET", "/", NULL, 200, &response))
			expect_body(client, &response, INDEX);
	}
	client_free(client);
}

static void test_pipelined(void)
{
	struct client *client = site_client();
	struct http_response response;

	if (client == NULL)
		return;
	for (int i = 0; i < 20; i++)
		EXPECT(http_ask(client, "GET", "/body", NULL));
	for (int i = 0; i < 20; i++) {
		if (!EXPECT(http_read_head(client, &response)))
			break;
		EXPECT(http_read_pattern(client, &response, SEED, 0));
	}
	client_free(client);
}

static void test_connection_close(void)
{
	struct client *client = site_client();
	struct http_response response;

	if (client == NULL)
		return;
	if (ask(client, "GET", "/body", "Connection: close\r\n", 200, &response)) {
		EXPECT(response.closes);
		EXPECT(http_read_pattern(client, &response, SEED, 0));
		EXPECT_EQUAL(client_drain(client), CLIENT_CLOSE_NOTIFY);
	}
	client_free(client);
}

/* ---- methods and fields ---- */

static void test_head_and_types(void)
{
	struct client *client = site_client();
	struct http_response response;
	char type[64];

	if (client == NULL)
		return;
	if (ask(client, "HEAD", "/body", NULL, 200, &response))
		EXPECT_EQUAL(response.length, SIZE); /* and no body: the next answer parses */
	if (ask(client, "GET", "/index.html", NULL, 200, &response)) {
		http_field(&response, "Content-Type", type, sizeof(type));
		EXPECT_CONTAINS(type, "text/html");
		expect_body(client, &response, INDEX);
	}
	if (ask(client, "GET", "/directory/", NULL, 200, &response))
		expect_body(client, &response, INDEX);
	if (ask(client, "GET", "/empty", NULL, 200, &response))
		expect_body(client, &response, "");
	client_free(client);
}

static void expect_range(struct client *client, const char *range, const char *answer,
	uint64_t offset, int64_t length)
{
	struct http_response response;
	char fields[128], value[128];

	snprintf(fields, sizeof(fields), "Range: bytes=%s\r\n", range);
	if (!ask(client, "GET", "/body", fields, 206, &response))
		return;
	http_field(&response, "Content-Range", value, sizeof(value));
	EXPECT_TEXT(value, answer);
	EXPECT_EQUAL(response.length, length);
	EXPECT(http_read_pattern(client, &response, SEED, offset));
}

static void test_range(void)
{
	struct client *client = site_client();
	struct http_response response;
	char body[4096];

	if (client == NULL)
		return;
	expect_range(client, "0-0", "bytes 0-0/300000", 0, 1);
	expect_range(client, "1000-250000", "bytes 1000-250000/300000", 1000, 249001);
	expect_range(client, "299999-", "bytes 299999-299999/300000", 299999, 1);
	expect_range(client, "-1000", "bytes 299000-299999/300000", 299000, 1000);
	if (ask(client, "GET", "/body", "Range: bytes=300000-\r\n", 416, &response) &&
		EXPECT(response.length >= 0 && response.length < (int64_t)sizeof(body)))
		EXPECT(client_read_all(client, body, (size_t)response.length));
	expect_range(client, "5-9", "bytes 5-9/300000", 5, 5);
	client_free(client);
}

static void test_not_modified(void)
{
	struct client *client = site_client();
	struct http_response response;
	char date[64] = "", fields[128];

	if (client == NULL)
		return;
	if (ask(client, "GET", "/index.html", NULL, 200, &response)) {
		http_field(&response, "Last-Modified", date, sizeof(date));
		EXPECT(date[0] != '\0');
		expect_body(client, &response, INDEX);
	}
	snprintf(fields, sizeof(fields), "If-Modified-Since: %s\r\n", date);
	ask(client, "GET", "/index.html", fields, 304, &response);
	snprintf(fields, sizeof(fields), "If-Modified-Since: Thu, 01 Jan 1970 00:00:01 GMT\r\n");
	if (ask(client, "GET", "/index.html", fields, 200, &response))
		expect_body(client, &response, INDEX);
	client_free(client);
}

/* ---- what must not be served ---- */

/* The status that curl sees for the path as it is written; the body must not leak. */
static int curl_status(const char *path)
{
	const char *output = harness_path("curl.out"), *body = harness_path("curl.body");
	char url[300];
	const char *argv[] = {"curl", "-sS", "--http1.1", "--path-as-is", "--cacert",
		site->certificate_path, "-o", body, "-w", "%{http_code}", url, NULL};
	char *text;
	int status = -1;

	unlink(output);
	unlink(body);
	snprintf(url, sizeof(url), "https://localhost:%u%s", site->ports[0], path);
	EXPECT_EQUAL(process_run(argv, NULL, output), 0);
	text = harness_file_read(output, NULL);
	if (text != NULL)
		status = (int)strtol(text, NULL, 10);
	free(text);
	text = harness_file_read(body, NULL);
	EXPECT(text == NULL || strstr(text, SECRET) == NULL);
	free(text);
	return status;
}

static void test_refused_paths(void)
{
	static const char *const paths[] = {"/../secret", "/directory/../../secret",
		"/%2e%2e/secret", "/..%2fsecret", "/directory/..%2f..%2fsecret", "//../secret",
		"/link", "/index.html%00.txt"};

	if (site == NULL)
		return;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int status = curl_status(paths[i]);

		EXPECT(status == 400 || status == 403 || status == 404);
	}
	EXPECT_EQUAL(curl_status("/missing"), 404);
	EXPECT_EQUAL(curl_status("/index.html"), 200);
}

static void test_refused_method(void)
{
	struct client *client = site_client();
	struct http_response response;

	if (client == NULL)
		return;
	if (EXPECT(http_ask(client, "DELETE", "/index.html", NULL)) &&
		EXPECT(http_read_head(client, &response)))
		EXPECT(response.status == 405 || response.status == 501);
	EXPECT(access(harness_path("www/index.html"), F_OK) == 0);
	client_free(client);
}

static void test_nonsense_request(void)
{
	struct client *client = site_client();
	struct http_response response;

	if (client == NULL)
		return;
	EXPECT(client_say(client, "NONSENSE\r\n\r\n"));
	if (EXPECT(http_read_head(client, &response)))
		EXPECT_EQUAL(response.status, 400);
	client_drain(client);
	EXPECT(client->end != CLIENT_DEADLINE);
	client_free(client);
}

/* ---- the largest one ---- */

static void test_largest_file(void)
{
	uint64_t size = harness_has_ktls() ? 64 * MIB : 1024 * MIB;
	struct client *client = site_client();
	struct http_response response;
	int64_t before;

	harness_deadline_set(120);
	if (client == NULL)
		return;
	EXPECT(pattern_file_write(harness_path("www/large"), SEED, size));
	if (ask(client, "GET", "/body", NULL, 200, &response))
		EXPECT(http_read_pattern(client, &response, SEED, 0));
	before = process_children_rss(site->pid);
	if (ask(client, "GET", "/large", NULL, 200, &response)) {
		EXPECT_EQUAL(response.length, size);
		EXPECT(http_read_pattern(client, &response, SEED, 0));
	}
	EXPECT(process_children_rss(site->pid) - before < GROWTH);
	client_free(client);
}

static CU_TestInfo tests[] = {
	{"keep-alive", test_keep_alive},
	{"pipelined requests", test_pipelined},
	{"Connection: close", test_connection_close},
	{"HEAD, types, index", test_head_and_types},
	{"Range", test_range},
	{"If-Modified-Since", test_not_modified},
	{"refused paths", test_refused_paths},
	{"refused method", test_refused_method},
	{"nonsense request", test_nonsense_request},
	{"largest file, worker does not grow", test_largest_file},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo files_suites[] = {
	{"files", NULL, NULL, site_start, site_stop, tests},
	CU_SUITE_INFO_NULL,
};
