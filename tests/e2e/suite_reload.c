/* Changing the configuration and stopping, without anyone in front noticing. */
#include "tests/e2e/suites.h"
#include "tests/e2e/ferrule.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http.h"
#include "tests/e2e/net.h"
#include "tests/e2e/nginx.h"
#include "tests/e2e/pattern.h"
#include "tests/e2e/process.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RELOADS  10
#define SEED     31
#define SMALL    2000
#define LARGE    (4 << 20)
#define LOADERS  6
#define REQUESTS 25 /* on one connection */

/* ---- load ---- */

/* One client thread: requests on a kept connection, again and again. */
struct loader {
	pthread_t thread;
	uint16_t port;
	const char *path;
	atomic_bool stop;
	atomic_uint answered;
	struct client *client;
	unsigned asked; /* on this connection */
};

static bool loader_connect(struct loader *loader)
{
	loader->asked = 0;
	loader->client = client_open(&(struct client_options){.port = loader->port});
	return EXPECT(loader->client != NULL);
}

static void loader_disconnect(struct loader *loader)
{
	client_shutdown(loader->client);
	client_free(loader->client);
	loader->client = NULL;
}

/* One request and its whole answer. */
static bool loader_ask(struct loader *loader)
{
	struct client *client = loader->client;
	struct http_response response;

	if (!EXPECT(http_ask(client, "GET", loader->path, NULL)) ||
		!EXPECT(http_read_head(client, &response)) || !EXPECT_EQUAL(response.status, 200) ||
		!EXPECT(http_read_pattern(client, &response, SEED, 0)))
		return false;
	atomic_fetch_add(&loader->answered, 1);
	if (response.closes || ++loader->asked == REQUESTS)
		loader_disconnect(loader);
	return true;
}

static void *loader_main(void *argument)
{
	struct loader *loader = argument;

	while (!atomic_load(&loader->stop)) {
		if (loader->client == NULL && !loader_connect(loader))
			break;
		if (!loader_ask(loader))
			break;
	}
	if (loader->client != NULL)
		loader_disconnect(loader);
	return NULL;
}

/* Half of them fetch large files, and half of either kind from the second server. */
static void loaders_start(struct loader loaders[LOADERS], const struct ferrule *ferrule)
{
	for (size_t i = 0; i < LOADERS; i++) {
		loaders[i].port = ferrule->ports[i / 3 % FERRULE_SERVERS];
		loaders[i].path = i % 2 == 0 ? "/small" : "/large";
		EXPECT(pthread_create(&loaders[i].thread, NULL, loader_main, &loaders[i]) == 0);
	}
}

static void loaders_stop(struct loader loaders[LOADERS])
{
	for (size_t i = 0; i < LOADERS; i++)
		atomic_store(&loaders[i].stop, true);
	for (size_t i = 0; i < LOADERS; i++)
		pthread_join(loaders[i].thread, NULL);
}

/* Waits until every loader got another answer; false when one of them gave up. */
static bool loaders_progress(struct loader loaders[LOADERS])
{
	unsigned before[LOADERS];

	for (size_t i = 0; i < LOADERS; i++)
		before[i] = atomic_load(&loaders[i].answered);
	for (size_t i = 0; i < LOADERS; i++)
		while (atomic_load(&loaders[i].answered) == before[i])
			if (!harness_tick())
				return false;
	return true;
}

static void expect_reload(const struct ferrule *ferrule)
{
	char *output;

	if (!EXPECT_EQUAL(ferrule_reload(ferrule, &output), 0))
		fprintf(stderr, "ferrule reload said: %s\n", output != NULL ? output : "");
	free(output);
}

static void expect_quiet_reloads(struct ferrule *ferrule)
{
	struct loader loaders[LOADERS] = {0};
	pid_t workers[PROCESS_MAX_CHILDREN];

	loaders_start(loaders, ferrule);
	EXPECT(loaders_progress(loaders));
	for (int i = 0; i < RELOADS; i++) {
		expect_reload(ferrule);
		if (!EXPECT(loaders_progress(loaders)))
			break;
	}
	loaders_stop(loaders);
	/* The old workers had nothing left to do: only the newest one stays. */
	while (process_children(ferrule->pid, workers) > 1 && harness_tick())
		;
	EXPECT_EQUAL(process_children(ferrule->pid, workers), 1);
}

static bool files_make(const char *root)
{
	char small[400], large[400];

	snprintf(small, sizeof(small), "%s/small", root);
	snprintf(large, sizeof(large), "%s/large", root);
	return pattern_file_write(small, SEED, SMALL) && pattern_file_write(large, SEED, LARGE);
}

static void test_reloads_under_load(void)
{
	struct nginx *nginx = nginx_start();
	struct ferrule *ferrule;
	char files[310];

	if (!EXPECT(nginx != NULL))
		return;
	snprintf(files, sizeof(files), "files:%s", nginx->root);
	EXPECT(files_make(nginx->root));
	ferrule = ferrule_start(&(struct ferrule_settings){
		.backends = {nginx->address, files}, .drain_timeout = 30});
	if (ferrule != NULL)
		expect_quiet_reloads(ferrule);
	ferrule_stop(ferrule);
	nginx_stop(nginx);
}

/* ---- what a reload changes ---- */

/* Version of a fresh connection, 0 when there was none. */
static int version_now(const struct ferrule *ferrule)
{
	struct client *client = client_open(&(struct client_options){.port = ferrule->ports[0]});
	int version = client != NULL ? SSL_version(client->ssl) : 0;

	client_free(client);
	return version;
}

static bool wait_for_version(const struct ferrule *ferrule, int version)
{
	while (version_now(ferrule) != version)
		if (!harness_tick())
			return false;
	return true;
}

static void test_new_settings_are_used(void)
{
	struct ferrule_settings settings = {.backends = {"127.0.0.1:9"}};
	struct ferrule *ferrule = ferrule_start(&settings);

	if (ferrule == NULL)
		return;
	EXPECT_EQUAL(version_now(ferrule), TLS1_3_VERSION);
	settings.versions = "\"1.2\"";
	EXPECT(ferrule_configure(ferrule, &settings));
	expect_reload(ferrule);
	EXPECT_EQUAL(version_now(ferrule), TLS1_2_VERSION);
	settings.versions = NULL;
	EXPECT(ferrule_configure(ferrule, &settings));
	EXPECT(kill(ferrule->pid, SIGHUP) == 0);
	EXPECT(wait_for_version(ferrule, TLS1_3_VERSION));
	ferrule_stop(ferrule);
}

static void test_bad_file_changes_nothing(void)
{
	struct ferrule_settings settings = {.versions = "\"1.2\""};
	struct fixture fixture;
	char *output;

	if (!fixture_start(&fixture, settings))
		return;
	settings.backends[0] = backend_address(fixture.backend);
	settings.versions = NULL;
	settings.extra = "no_such_key = 1;";
	EXPECT(ferrule_configure(fixture.ferrule, &settings));
	EXPECT_EQUAL(ferrule_reload(fixture.ferrule, &output), 1);
	if (EXPECT(output != NULL)) {
		EXPECT_CONTAINS(output, "ferrule.conf:");
		EXPECT_CONTAINS(output, "no_such_key");
	}
	free(output);
	EXPECT_EQUAL(version_now(fixture.ferrule), TLS1_2_VERSION);
	fixture_expect_service(&fixture);
	fixture_stop(&fixture);
}

/* A connection from before the reload stays what it was. */
static void test_old_connection_goes_on(void)
{
	struct fixture fixture;
	struct client *client;
	char answer[8];

	if (!fixture_start(&fixture, (struct ferrule_settings){.drain_timeout = 30}))
		return;
	client = fixture_visit(&fixture, (struct client_options){0}, "echo\nbefore");
	if (client != NULL) {
		EXPECT(client_read_all(client, answer, 6));
		expect_reload(fixture.ferrule);
		fixture_expect_service(&fixture);
		EXPECT(client_say(client, "after"));
		EXPECT(client_read_all(client, answer, 5) && memcmp(answer, "after", 5) == 0);
		EXPECT(client_shutdown(client));
		EXPECT_EQUAL(client_drain(client), CLIENT_CLOSE_NOTIFY);
	}
	client_free(client);
	fixture_stop(&fixture);
}

/* True when a fresh connection is shown a certificate with this common name. */
static bool shows_name(const struct ferrule *ferrule, const char *name)
{
	struct client *client = client_open(&(struct client_options){.port = ferrule->ports[0]});
	X509 *certificate = client != NULL ? SSL_get1_peer_certificate(client->ssl) : NULL;
	char shown[64] = "";

	if (certificate != NULL)
		X509_NAME_get_text_by_NID(
			X509_get_subject_name(certificate), NID_commonName, shown, sizeof(shown));
	X509_free(certificate);
	client_free(client);
	return strcmp(shown, name) == 0;
}

static void test_changed_certificate_is_used(void)
{
	struct ferrule *ferrule =
		ferrule_start(&(struct ferrule_settings){.backends = {"127.0.0.1:9"}});
	bool shown = false;

	if (ferrule == NULL)
		return;
	EXPECT(shows_name(ferrule, "first"));
	EXPECT(identity_write(
		IDENTITY_RSA, "second", ferrule->certificate_path, ferrule->key_path));
	while (!(shown = shows_name(ferrule, "second")) && harness_tick())
		harness_pause(100); /* nobody has to notice within milliseconds */
	EXPECT(shown);
	ferrule_stop(ferrule);
}

/* ---- stopping ---- */

#define DOWNLOAD ((int64_t)32 << 20)

static bool refuses_connections(const struct ferrule *ferrule)
{
	int fd = net_connect("127.0.0.1", ferrule->ports[0], 0);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

/* Nobody may wait in the queue of a listener that will never be served again. */
static void expect_no_listener(const struct ferrule *ferrule)
{
	int64_t limit = harness_now() + 5000;

	while (!refuses_connections(ferrule) && harness_now() < limit && harness_tick())
		;
	EXPECT(refuses_connections(ferrule));
}

static void test_download_survives_stop(void)
{
	struct fixture fixture;
	struct client *client;
	char command[64];

	if (!fixture_start(&fixture, (struct ferrule_settings){.drain_timeout = 40}))
		return;
	snprintf(command, sizeof(command), "send %lld 32\n", (long long)DOWNLOAD);
	client = fixture_visit(&fixture, (struct client_options){.receive_buffer = 65536}, command);
	if (client != NULL) {
		EXPECT(kill(fixture.ferrule->pid, SIGTERM) == 0);
		expect_no_listener(fixture.ferrule);
		EXPECT_EQUAL(client_read_pattern(client, 32), DOWNLOAD);
		EXPECT_EQUAL(client->end, CLIENT_CLOSE_NOTIFY);
	}
	client_free(client);
	fixture_stop(&fixture);
}

static void test_stop_does_not_wait_for_ever(void)
{
	struct fixture fixture;
	struct client *client;
	int64_t start;

	if (!fixture_start(&fixture, (struct ferrule_settings){.drain_timeout = 1}))
		return;
	client = fixture_visit(&fixture, (struct client_options){0}, "stall\n");
	start = harness_now();
	fixture_stop(&fixture);
	EXPECT(harness_now() - start < 10000);
	client_free(client);
}

static CU_TestInfo tests[] = {
	{"ten reloads under load", test_reloads_under_load},
	{"new settings are used", test_new_settings_are_used},
	{"bad file changes nothing", test_bad_file_changes_nothing},
	{"old connection goes on", test_old_connection_goes_on},
	{"changed certificate is used", test_changed_certificate_is_used},
	{"download survives SIGTERM", test_download_survives_stop},
	{"SIGTERM does not wait for ever", test_stop_does_not_wait_for_ever},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo reload_suites[] = {
	{"reload", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
