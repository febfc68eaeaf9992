/* Real clients in front of real servers, and a real server that dies under load. */
#include "tests/e2e/suites.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http_fixture.h"
#include "tests/e2e/nginx.h"
#include "tests/e2e/pattern.h"
#include "tests/e2e/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define SEED         41
#define SMALL        2000
#define LARGE        ((uint64_t)4 << 20)

/* "web0" in front of nginx, "web1" serves the same files itself. */
struct place {
	struct nginx *nginx;
	struct ferrule *ferrule;
};

static bool place_files(const char *root)
{
	char small[400], large[400];

	snprintf(small, sizeof(small), "%s/small", root);
	snprintf(large, sizeof(large), "%s/large", root);
	return pattern_file_write(small, SEED, SMALL) && pattern_file_write(large, SEED, LARGE);
}

static bool place_start(struct place *place)
{
	char files[320];

	place->ferrule = NULL;
	place->nginx = nginx_start();
	if (!EXPECT(place->nginx != NULL))
		return false;
	snprintf(files, sizeof(files), "files:%s", place->nginx->root);
	if (EXPECT(place_files(place->nginx->root)))
		place->ferrule = ferrule_start(&(struct ferrule_settings){
			.mode = "http", .backends = {place->nginx->address, files}});
	if (place->ferrule != NULL)
		return true;
	nginx_stop(place->nginx);
	return false;
}

static void place_stop(struct place *place)
{
	ferrule_stop(place->ferrule);
	nginx_stop(place->nginx);
}

/* ---- curl ---- */

#define CURL_WORDS 8

/*
 * Runs curl with some words more, for a path of one of the servers: its exit status;
 * what the server sent is in "curl.body" and the answer's head in "curl.head".
 */
static int curl(const struct place *place, size_t server, const char *path, const char *input,
	const char *const words[])
{
	const char *argv[CURL_WORDS + 12] = {"curl", "-sS", "--cacert",
		place->ferrule->certificate_path, "-o", harness_path("curl.body"), "-D",
		harness_path("curl.head")};
	size_t count = 8;
	char url[128];

	snprintf(url, sizeof(url), "https://localhost:%u%s", place->ferrule->ports[server], path);
	for (size_t i = 0; i < CURL_WORDS && words[i] != NULL; i++)
		argv[count++] = words[i];
	argv[count] = url;
	unlink(harness_path("curl.body"));
	return process_run(argv, input, harness_path("curl.log"));
}

static void expect_curl_status(const char *status)
{
	char *head = harness_file_read(harness_path("curl.head"), NULL);

	if (EXPECT(head != NULL))
		EXPECT_CONTAINS(head, status);
	free(head);
}

static void expect_curl_body(uint64_t size)
{
	EXPECT(pattern_file_matches(harness_path("curl.body"), SEED, size));
}

/* Downloads of all kinds from either server. */
static const struct {
	const char *words[CURL_WORDS];
	const char *path, *status;
	int64_t size; /* of the pattern; -1: not looked at */
} downloads[] = {
	{{"--http1.1", NULL}, "/large", "HTTP/1.1 200", (int64_t)LARGE},
	{{"--http1.0", NULL}, "/large", "HTTP/1.1 200", (int64_t)LARGE},
	{{"--http0.9", NULL}, "/large", "HTTP/1.1 200", (int64_t)LARGE},
	{{"--http2", NULL}, "/small", "HTTP/1.1 200", SMALL}, /* ALPN leaves it at 1.1 */
	{{"-r", "0-999", NULL}, "/large", "HTTP/1.1 206", 1000},
	{{"-I", NULL}, "/large", "HTTP/1.1 200", -1},
	{{"--path-as-is", NULL}, "/../../etc/passwd", "HTTP/1.1 40", -1},
	{{"--tls-max", "1.2", NULL}, "/large", "HTTP/1.1 200", (int64_t)LARGE},
	{{"--compressed", NULL}, "/large", "HTTP/1.1 200", (int64_t)LARGE},
	{{"-H", "Expect: 100-continue", NULL}, "/small", "HTTP/1.1 200", SMALL},
};

static void test_curl_downloads(void)
{
	struct place place;

	if (!place_start(&place))
		return;
	for (size_t i = 0; i < 2 * COUNT(downloads); i++) {
		size_t nth = i / 2;

		harness_note(downloads[nth].words[0]);
		EXPECT_EQUAL(
			curl(&place, i % 2, downloads[nth].path, NULL, downloads[nth].words), 0);
		expect_curl_status(downloads[nth].status);
		if (downloads[nth].size >= 0)
			expect_curl_body((uint64_t)downloads[nth].size);
	}
	harness_note(NULL);
	place_stop(&place);
}

static void test_curl_uploads(void)
{
	struct place place;
	char original[400], stored[400];
	const char *const words[][CURL_WORDS] = {
		{"-T", original, "-f", NULL},
		{"-T", "-", "-f", NULL}, /* chunked */
		{"-T", original, "-f", "--http1.0", NULL},
		{"-T", original, "-f", "-H", "Expect:", NULL},
	};

	if (!place_start(&place))
		return;
	snprintf(original, sizeof(original), "%s", harness_path("original"));
	snprintf(stored, sizeof(stored), "%s/stored", place.nginx->root);
	EXPECT(pattern_file_write(original, 14, LARGE));
	for (size_t i = 0; i < COUNT(words); i++) {
		harness_note(words[i][1]);
		unlink(stored);
		EXPECT_EQUAL(curl(&place, 0, "/stored", original, words[i]), 0);
		EXPECT(pattern_file_matches(stored, 14, LARGE));
	}
	harness_note(NULL);
	place_stop(&place);
}

/* Two requests of one curl, whose second one goes over the same connection. */
static void test_curl_keeps_the_connection(void)
{
	struct place place;
	char url[128];

	if (!place_start(&place))
		return;
	snprintf(url, sizeof(url), "https://localhost:%u/small", place.ferrule->ports[0]);
	for (size_t i = 0; i < 2; i++) {
		const char *words[] = {"-w", "%{num_connects} ", "-o", "/dev/null", url, NULL};
		char *log;

		unlink(harness_path("curl.log"));
		snprintf(url, sizeof(url), "https://localhost:%u/small", place.ferrule->ports[i]);
		EXPECT_EQUAL(curl(&place, i, "/small", NULL, words), 0);
		log = harness_file_read(harness_path("curl.log"), NULL);
		if (EXPECT(log != NULL))
			EXPECT_CONTAINS(log, "1 0 ");
		free(log);
	}
	place_stop(&place);
}

/* ---- load generators ---- */

/* They measure nothing here: they are many clients at once that count what goes wrong. */
static bool is_worth_while(void)
{
	if (harness_has_ktls()) {
		printf("(natively only) ");
		return false;
	}
	return true;
}

static char *generate(const char *const argv[])
{
	const char *output = harness_path("load.log");

	unlink(output);
	EXPECT_EQUAL(process_run(argv, NULL, output), 0);
	return harness_file_read(output, NULL);
}

static void expect_wrk(const struct place *place, size_t server, const char *path)
{
	const char *argv[] = {"wrk", "-t1", "-c16", "-d2s", NULL, NULL};
	char url[128];
	char *log;

	snprintf(url, sizeof(url), "https://localhost:%u%s", place->ferrule->ports[server], path);
	argv[4] = url;
	log = generate(argv);
	if (!EXPECT(log != NULL))
		return;
	EXPECT(strstr(log, "Socket errors") == NULL);
	EXPECT(strstr(log, "Non-2xx") == NULL);
	EXPECT_CONTAINS(log, "requests in");
	EXPECT(strstr(log, "\n  0 requests in") == NULL);
	free(log);
}

static void test_wrk(void)
{
	struct place place;

	if (!is_worth_while() || !place_start(&place))
		return;
	for (size_t server = 0; server < 2; server++) {
		expect_wrk(&place, server, "/small");
		expect_wrk(&place, server, "/large");
	}
	place_stop(&place);
}

static void expect_h2load(const struct place *place, size_t server, const char *path)
{
	const char *argv[] = {"h2load", "--h1", "-n2000", "-c16", "-t1", NULL, NULL};
	char url[128];
	char *log;

	snprintf(url, sizeof(url), "https://localhost:%u%s", place->ferrule->ports[server], path);
	argv[5] = url;
	log = generate(argv);
	if (EXPECT(log != NULL))
		EXPECT_CONTAINS(log, "2000 succeeded, 0 failed, 0 errored, 0 timeout");
	free(log);
}

static void test_h2load(void)
{
	struct place place;

	if (!is_worth_while() || !place_start(&place))
		return;
	expect_h2load(&place, 0, "/small");
	expect_h2load(&place, 1, "/small");
	place_stop(&place);
}

/* ---- a backend that dies and comes back ---- */

#define LOADERS 6

enum outcome { SERVED, UNAVAILABLE, CUT, OUTCOMES };

/* One client thread, which knows right answers from those that only look like it. */
struct loader {
	pthread_t thread;
	uint16_t port;
	bool large;
	atomic_bool stop;
	atomic_uint outcomes[OUTCOMES];
	atomic_llong slowest;    /* of the 502s and 504s, in milliseconds */
	atomic_llong good_since; /* the head of the first good answer after another outcome */
	enum outcome last;
	struct client *client;
};

static void slowest_note(struct loader *loader, int64_t milliseconds)
{
	if (milliseconds > atomic_load(&loader->slowest))
		atomic_store(&loader->slowest, milliseconds);
}

/* What came of one request; a wrong body, a false end or a hang fails the test. */
static enum outcome answer_judge(struct loader *loader, int64_t start)
{
	struct client *client = loader->client;
	struct http_body body = {.seed = SEED};
	struct http_response response;
	char text[4096];
	bool whole;

	if (!http_read_head(client, &response)) {
		EXPECT(client->end != CLIENT_DEADLINE);
		return CUT;
	}
	if (response.status == 502 || response.status == 504) {
		slowest_note(loader, harness_now() - start);
		EXPECT(http_read_text(client, &response, text, sizeof(text)));
		return UNAVAILABLE;
	}
	EXPECT_EQUAL(response.status, 200);
	if (loader->last != SERVED)
		atomic_store(&loader->good_since, harness_now());
	whole = http_read_body(client, &response, &body);
	EXPECT(!body.wrong);
	if (whole)
		return EXPECT_EQUAL(body.len, loader->large ? LARGE : SMALL) ? SERVED : CUT;
	client_drain(client);
	EXPECT(client->end != CLIENT_CLOSE_NOTIFY);
	EXPECT(client->end != CLIENT_DEADLINE);
	return CUT;
}

static bool loader_ask(struct loader *loader)
{
	int64_t start = harness_now();
	enum outcome outcome;

	if (loader->client == NULL)
		loader->client = client_open(&(struct client_options){.port = loader->port});
	if (!EXPECT(loader->client != NULL))
		return false;
	http_ask(loader->client, "GET", loader->large ? "/large" : "/small", NULL);
	outcome = answer_judge(loader, start);
	loader->last = outcome;
	atomic_fetch_add(&loader->outcomes[outcome], 1);
	if (loader->client->end != CLIENT_OPEN) {
		client_free(loader->client);
		loader->client = NULL;
	}
	return harness_remaining() > 0;
}

static void *loader_main(void *argument)
{
	struct loader *loader = argument;

	while (!atomic_load(&loader->stop) && loader_ask(loader))
		;
	client_free(loader->client);
	return NULL;
}

static unsigned outcomes_of(struct loader loaders[LOADERS], enum outcome outcome)
{
	unsigned sum = 0;

	for (size_t i = 0; i < LOADERS; i++)
		sum += atomic_load(&loaders[i].outcomes[outcome]);
	return sum;
}

/* Waits until every loader has met with it again. */
static bool loaders_meet(struct loader loaders[LOADERS], enum outcome outcome)
{
	unsigned before[LOADERS];

	for (size_t i = 0; i < LOADERS; i++)
		before[i] = atomic_load(&loaders[i].outcomes[outcome]);
	for (size_t i = 0; i < LOADERS; i++)
		while (atomic_load(&loaders[i].outcomes[outcome]) == before[i])
			if (!harness_tick())
				return false;
	return true;
}

/* Asks the backend itself until it listens, and then until it answers. */
struct prober {
	pthread_t thread;
	uint16_t port;
	int64_t listening, answering; /* since when; 0: never */
};

static bool prober_ask(struct prober *prober)
{
	struct client *client =
		client_open(&(struct client_options){.port = prober->port, .plain = true});
	struct http_response response;
	bool answered;

	if (client == NULL)
		return false;
	if (prober->listening == 0)
		prober->listening = harness_now();
	answered = http_ask(client, "HEAD", "/small", NULL) && http_read_head(client, &response) &&
		   response.status == 200;
	if (answered)
		prober->answering = harness_now();
	client_free(client);
	return answered;
}

static void *prober_main(void *argument)
{
	while (!prober_ask(argument) && harness_tick())
		;
	return NULL;
}

/*
 * How soon the clients are served again. nginx takes its time to start, on cores that it
 * shares with clients who ask as fast as they can: only beside the prober's figure is
 * ferrule's own share in theirs to be seen.
 */
static void print_return(const struct prober *prober, struct loader loaders[LOADERS])
{
	int64_t first = INT64_MAX, last = 0;

	for (size_t i = 0; i < LOADERS; i++) {
		int64_t since = atomic_load(&loaders[i].good_since);

		first = since < first ? since : first;
		last = since > last ? since : last;
	}
	printf("(since it listens: answers after %lld ms, through ferrule after %lld to %lld ms) ",
		(long long)(prober->answering - prober->listening),
		(long long)(first - prober->listening), (long long)(last - prober->listening));
}

static void backend_bounce(struct nginx *nginx, struct loader loaders[LOADERS])
{
	struct prober prober = {.port = nginx->port};

	EXPECT(loaders_meet(loaders, SERVED));
	nginx_kill(nginx);
	EXPECT(loaders_meet(loaders, UNAVAILABLE));
	EXPECT(pthread_create(&prober.thread, NULL, prober_main, &prober) == 0);
	EXPECT(nginx_restart(nginx));
	EXPECT(loaders_meet(loaders, SERVED));
	pthread_join(prober.thread, NULL);
	if (EXPECT(prober.listening > 0) && EXPECT(prober.answering > 0))
		print_return(&prober, loaders);
}

static void test_backend_dies_under_load(void)
{
	struct loader loaders[LOADERS] = {0};
	struct place place;
	int64_t slowest = 0;
	unsigned cut;

	harness_deadline_set(60);
	if (!place_start(&place))
		return;
	for (size_t i = 0; i < LOADERS; i++) {
		loaders[i].port = place.ferrule->ports[0];
		loaders[i].large = i % 2 == 1;
		EXPECT(pthread_create(&loaders[i].thread, NULL, loader_main, &loaders[i]) == 0);
	}
	for (int i = 0; i < 3; i++)
		backend_bounce(place.nginx, loaders);
	/* From here on nothing is wrong any more, so nothing may go wrong. */
	cut = outcomes_of(loaders, CUT) + outcomes_of(loaders, UNAVAILABLE);
	EXPECT(loaders_meet(loaders, SERVED));
	EXPECT_EQUAL(outcomes_of(loaders, CUT) + outcomes_of(loaders, UNAVAILABLE), cut);
	for (size_t i = 0; i < LOADERS; i++)
		atomic_store(&loaders[i].stop, true);
	for (size_t i = 0; i < LOADERS; i++) {
		pthread_join(loaders[i].thread, NULL);
		if (atomic_load(&loaders[i].slowest) > slowest)
			slowest = atomic_load(&loaders[i].slowest);
	}
	printf("(%u served, %u unavailable in at most %lld ms, %u cut) ",
		outcomes_of(loaders, SERVED), outcomes_of(loaders, UNAVAILABLE), (long long)slowest,
		outcomes_of(loaders, CUT));
	place_stop(&place);
}

static CU_TestInfo tests[] = {
	{"curl downloads", test_curl_downloads},
	{"curl uploads", test_curl_uploads},
	{"curl keeps the connection", test_curl_keeps_the_connection},
	{"wrk", test_wrk},
	{"h2load", test_h2load},
	{"backend dies under load", test_backend_dies_under_load},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo clients_suites[] = {
	{"clients", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
