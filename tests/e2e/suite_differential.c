/*
 * ferrule and nginx are sent the same bytes, each in front of a backend that records:
 * what nginx refuses as ambiguous, ferrule refuses, too, and what is sound both serve.
 */
#include "tests/e2e/suites.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http_fixture.h"
#include "tests/e2e/nginx.h"
#include "tests/e2e/requests.h"

#include <stdio.h>
#include <string.h>

/* A proxy, where to reach it, and the backend behind it that nobody else has. */
struct side {
	const char *name;
	struct client_options options;
	struct http_backend *backend;
};

struct sides {
	struct http_fixture fixture;
	struct nginx *nginx;
	struct side ferrule, other;
	unsigned accepted, refused; /* by both */
};

/* What became of one request. */
struct outcome {
	int status;      /* 0: no answer */
	size_t requests; /* that reached the backend whole */
	bool refused;
};

static bool sides_start(struct sides *sides)
{
	static const struct ferrule_settings no_pool = {
		.server_extra = {"backend_connections = 0;"}};

	memset(sides, 0, sizeof(*sides));
	if (!http_fixture_start(&sides->fixture, no_pool))
		return false;
	sides->ferrule = (struct side){
		"ferrule", {.port = sides->fixture.ferrule->ports[0]}, sides->fixture.backend};
	sides->other.name = "nginx";
	sides->other.backend = http_backend_start(false);
	if (EXPECT(sides->other.backend != NULL))
		sides->nginx = nginx_start_proxy(http_backend_address(sides->other.backend));
	if (!EXPECT(sides->nginx != NULL)) {
		http_backend_stop(sides->other.backend);
		http_fixture_stop(&sides->fixture);
		return false;
	}
	sides->other.options = (struct client_options){.port = sides->nginx->port, .plain = true};
	return true;
}

static void sides_stop(struct sides *sides)
{
	nginx_stop(sides->nginx);
	http_backend_stop(sides->other.backend);
	http_fixture_stop(&sides->fixture);
}

static struct outcome try(const struct side *side, const struct raw_request *request)
{
	size_t before = http_backend_count(side->backend, NULL);
	struct client *client = client_open(&side->options);
	struct outcome outcome = {0};
	struct http_response response;

	if (!EXPECT(client != NULL))
		return outcome;
	EXPECT(client_write(client, request->text, request->len));
	if (http_read_head(client, &response))
		outcome.status = response.status;
	EXPECT(client->end != CLIENT_DEADLINE);
	client_free(client);
	http_backend_settle(side->backend);
	outcome.requests = http_backend_count(side->backend, NULL) - before;
	outcome.refused = outcome.requests == 0 && (outcome.status >= 400 || outcome.status == 0);
	return outcome;
}

/* Every row of these tables holds no more than one request. */
static void compare(struct sides *sides, const struct raw_request *row)
{
	struct outcome ours, theirs;
	char text[128];

	harness_deadline_set(20);
	ours = try(&sides->ferrule, row);
	theirs = try(&sides->other, row);
	snprintf(text, sizeof(text), "ferrule %d with %zu requests, nginx %d with %zu", ours.status,
		ours.requests, theirs.status, theirs.requests);
	EXPECT(ours.requests <= 1);
	if (theirs.refused && !ours.refused)
		EXPECT_TEXT(text, "refused by both");
	if (row->status == 200 && (ours.status != 200 || theirs.status != 200))
		EXPECT_TEXT(text, "accepted by both");
	if (row->status > 200 && !ours.refused)
		EXPECT_TEXT(text, "refused by ferrule");
	sides->accepted += ours.status == 200 && theirs.status == 200;
	sides->refused += ours.refused && theirs.refused;
}

static void compare_all(struct sides *sides, const struct raw_request *table)
{
	for (; table->text != NULL; table++) {
		harness_note(table->text);
		compare(sides, table);
	}
	harness_note(NULL);
}

static void expect_agreement(const struct raw_request *table)
{
	struct sides sides;

	if (!sides_start(&sides))
		return;
	compare_all(&sides, table);
	printf("%u accepted by both, %u refused by both ", sides.accepted, sides.refused);
	sides_stop(&sides);
}

static void test_sound(void)
{
	expect_agreement(requests_sound);
}

static void test_odd(void)
{
	expect_agreement(requests_odd);
}

/* ferrule leaves these to the backend, or not: never as more than what they are. */
static void test_policy(void)
{
	struct sides sides;

	if (!sides_start(&sides))
		return;
	for (const struct raw_request *row = requests_policy; row->text != NULL; row++) {
		struct outcome ours, theirs;

		harness_note(row->text);
		ours = try(&sides.ferrule, row);
		theirs = try(&sides.other, row);
		EXPECT(theirs.refused);
		EXPECT(ours.refused || (ours.status == 200 && ours.requests == 1));
	}
	harness_note(NULL);
	sides_stop(&sides);
}

static void test_framing(void)
{
	expect_agreement(requests_framing);
}

static void test_heads(void)
{
	expect_agreement(requests_heads);
}

static void test_chunks(void)
{
	expect_agreement(requests_chunks);
}

static CU_TestInfo tests[] = {
	{"sound requests", test_sound},
	{"odd requests", test_odd},
	{"refused by nginx alone", test_policy},
	{"ambiguous framing", test_framing},
	{"malformed heads", test_heads},
	{"malformed chunks", test_chunks},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo differential_suites[] = {
	{"differential", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
