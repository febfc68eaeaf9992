/*
 * mode "http": requests that two parsers could read in two ways. Each is refused with
 * the connection, and the backend hears nothing of it: that is what smuggling needs.
 */
#include "tests/e2e/suites.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http_fixture.h"
#include "tests/e2e/requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sent behind each of them: served by whoever has lost count. */
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* One answer, which says that it is the last one, and an end in order behind it. */
static void expect_refusal(struct client *client, const struct raw_request *refused)
{
	struct http_response response;
	char body[4096];

	if (!EXPECT(http_read_head(client, &response)))
		return;
	if (response.status != refused->or_status)
		EXPECT_EQUAL(response.status, refused->status);
	EXPECT(response.closes);
	EXPECT(http_read_text(client, &response, body, sizeof(body)));
	http_expect_end(client);
}

static void try_one(struct http_fixture *fixture, const struct raw_request *refused)
{
	size_t smuggled = http_backend_count(fixture->backend, "smuggled");
	struct client *client;

	harness_deadline_set(20); /* one row's fault is not the next one's */
	client = http_client(fixture);
	if (client == NULL)
		return;
	EXPECT(client_write(client, refused->text, refused->len));
	EXPECT(client_say(client, SMUGGLED));
	expect_refusal(client, refused);
	client_free(client);
	http_backend_settle(fixture->backend);
	EXPECT_EQUAL(http_backend_count(fixture->backend, "smuggled"), smuggled);
}

/* No pool: so the backend can tell when it has read all there is. */
#define NO_POOL                                                                                    \
	(struct ferrule_settings)                                                                  \
	{                                                                                          \
		.server_extra = { "backend_connections = 0;" }                                     \
	}

static void expect_unseen(const struct raw_request *table)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, NO_POOL))
		return;
	for (; table->text != NULL; table++) {
		uint64_t before = http_backend_bytes(fixture.backend);

		harness_note(table->text);
		try_one(&fixture, table);
		EXPECT_EQUAL(http_backend_bytes(fixture.backend), before);
	}
	harness_note(NULL);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

static void test_framing(void)
{
	expect_unseen(requests_framing);
}

static void test_heads(void)
{
	expect_unseen(requests_heads);
}

/* The head may have gone on by then, but no whole request has. */
static void test_chunks(void)
{
	struct http_fixture fixture;

	if (!http_fixture_start(&fixture, NO_POOL))
		return;
	for (const struct raw_request *row = requests_chunks; row->text != NULL; row++) {
		size_t before = http_backend_count(fixture.backend, NULL);

		harness_note(row->text);
		try_one(&fixture, row);
		EXPECT_EQUAL(http_backend_count(fixture.backend, NULL), before);
	}
	harness_note(NULL);
	http_fixture_expect_service(&fixture);
	http_fixture_stop(&fixture);
}

/* The same when what is wrong arrives long after the head has gone on. */
static void test_late_chunks(void)
{
	static const char good[] = "POST / HTTP/1.1\r\nHost: a\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
	static const struct raw_request late = {400, 0, "5;\n", 3};
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, NO_POOL))
		return;
	client = http_client(&fixture);
	if (client != NULL && EXPECT(client_say(client, good))) {
		http_backend_wait_heads(fixture.backend, 1);
		EXPECT(client_write(client, late.text, late.len));
		EXPECT(client_say(client, SMUGGLED));
		expect_refusal(client, &late);
	}
	client_free(client);
	http_backend_settle(fixture.backend);
	EXPECT_EQUAL(http_backend_count(fixture.backend, NULL), 0);
	EXPECT(!http_backend_has(fixture.backend, "smuggled"));
	http_fixture_stop(&fixture);
}

/* One that is refused behind one that is not: the first is answered, the second refused. */
static void test_refused_behind_good(void)
{
	static const char good[] = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
	struct http_fixture fixture;
	struct client *client;

	if (!http_fixture_start(&fixture, NO_POOL))
		return;
	client = http_client(&fixture);
	if (client != NULL) {
		EXPECT(client_say(client, good));
		EXPECT(client_write(client, requests_framing[0].text, requests_framing[0].len));
		EXPECT(client_say(client, SMUGGLED));
		http_expect_answer(client, 200, "ok");
		expect_refusal(client, &requests_framing[0]);
	}
	client_free(client);
	http_backend_settle(fixture.backend);
	EXPECT_EQUAL(http_backend_requests(fixture.backend), 1);
	http_fixture_stop(&fixture);
}

/* Plain HTTP to the secure port and plain nonsense there: an answer, and no backend. */
static void test_secure_port_asked_plainly(void)
{
	struct http_fixture fixture;
	struct http_response response;
	struct client *client;
	char body[4096];

	if (!http_fixture_start(&fixture, NO_POOL))
		return;
	client = client_open(
		&(struct client_options){.port = fixture.ferrule->ports[0], .plain = true});
	if (EXPECT(client != NULL) && EXPECT(client_say(client, SMUGGLED)) &&
		EXPECT(http_read_head(client, &response))) {
		EXPECT_EQUAL(response.status, 400);
		EXPECT(http_read_text(client, &response, body, sizeof(body)));
		EXPECT_CONTAINS(body, "https://");
	}
	client_free(client);
	http_backend_settle(fixture.backend);
	EXPECT_EQUAL(http_backend_bytes(fixture.backend), 0);
	http_fixture_stop(&fixture);
}

static CU_TestInfo tests[] = {
	{"ambiguous framing", test_framing},
	{"malformed heads", test_heads},
	{"malformed chunks", test_chunks},
	{"malformed chunks come late", test_late_chunks},
	{"refused behind a good one", test_refused_behind_good},
	{"secure port asked plainly", test_secure_port_asked_plainly},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo http_refused_suites[] = {
	{"http refused", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
