/* From nothing to a certificate, by every method. */
#include "tests/e2e/harness.h"
#include "tests/e2e/nginx.h"
#include "tests/e2e/process.h"
#include "tests/pki/ca.h"
#include "tests/pki/device.h"
#include "tests/pki/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the way to do it ---- */

struct setting {
	struct ca *ca;
	struct device *device;
};

/* `trustpoint` makes the device's trustpoint for the CA's `path`. */
static bool setting_start(struct setting *setting, const char *path, const char *enrollment,
	const char *more,
	const char *(*trustpoint)(const struct ca *, const char *, const char *, const char *))
{
	setting->device = NULL;
	setting->ca = ca_start();
	if (setting->ca == NULL)
		return false;
	setting->device = device_new(trustpoint(setting->ca, path, enrollment, more), NULL);
	if (EXPECT(setting->device != NULL))
		return true;
	ca_stop(setting->ca);
	return false;
}

static void setting_stop(struct setting *setting)
{
	device_free(setting->device);
	ca_stop(setting->ca);
}

static void expect_valid(const struct setting *setting)
{
	TOOL_EXPECT("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile",
		setting->ca->root, "-untrusted", ca_file(setting->ca, "intermediate.crt"),
		device_certificate(setting->device, "TP"));
}

/* ---- SCEP ---- */

static void test_scep_from_key_to_curl(void)
{
	struct setting setting;
	char value[64];

	if (!setting_start(&setting, "scep/challenge", "", "", trustpoint_scep))
		return;
	if (device_authenticate(setting.device) && device_enroll(setting.device)) {
		expect_valid(&setting);
		ca_last(setting.ca, "scep", "challenge", value, sizeof(value));
		EXPECT_TEXT(value, DEVICE_SECRET);
		ca_last(setting.ca, "scep", "type", value, sizeof(value));
		EXPECT_TEXT(value, "19");
		ca_last(setting.ca, "scep", "cipher", value, sizeof(value));
		EXPECT_TEXT(value, "AES-128-CBC");
		ca_last(setting.ca, "scep", "digest", value, sizeof(value));
		EXPECT_TEXT(value, "SHA256");
		ca_last(setting.ca, "scep", "usage", value, sizeof(value));
		EXPECT_TEXT(value, "both");
		EXPECT_EQUAL(device_grep(setting.device, DEVICE_SECRET), 0);
		if (device_start(setting.device))
			device_serves(setting.device, setting.ca->root);
	}
	setting_stop(&setting);
}

/* A key pair made beforehand, shared by its label. */
static void test_labelled_key(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	char text[2000];

	if (ca == NULL)
		return;
	snprintf(text, sizeof(text),
		"{ name = \"TP\"; enrollment: { method = \"scep\"; url = \"%s\"; };\n"
		"  fingerprint = \"%s\"; subject_name = \"CN=localhost\";\n"
		"  key: { type = \"rsa\"; label = \"web\"; }; }",
		ca_url(ca, "scep"), ca->fingerprint);
	device = device_new(text, NULL);
	DONE(device, "pki", "key", "generate", "web", "rsa", "2048");
	REFUSED(device, "web", "pki", "key", "generate", "web", "rsa", "2048");
	REFUSED(device, "2048", "pki", "key", "generate", "short", "rsa", "1024");
	if (device_authenticate(device) && device_enroll(device) && device_start(device)) {
		device_serves(device, ca->root);
		REFUSED(device, "TP", "pki", "key", "delete", "web");
	}
	device_free(device);
	ca_stop(ca);
}

/* What servers do differently and clients have to take. */
static void test_scep_varieties(void)
{
	static const struct {
		const char *modes;
		const char *expected; /* in the journal's line */
	} table[] = {
		{"ra", "recipient=\"/O=Ferrule Test/CN=Test RA\""},
		{"ra-reversed", "recipient=\"/O=Ferrule Test/CN=Test RA\""},
		{"tier", "recipient=\"/O=Ferrule Test/CN=Test Issuing CA\""},
		{"tier,ra", "recipient=\"/O=Ferrule Test/CN=Test RA\""},
		{"tier,ra,with-root", "method=\"POST\""},
		{"no-signer", "method=\"POST\""},
		{"ra,no-signer", "method=\"POST\""},
		{"caps-crlf", "cipher=\"AES-128-CBC\""},
		{"caps-get", "method=\"GET\""},
		{"caps-old", "cipher=\"DES-EDE3-CBC\""},
		{"des3", "method=\"POST\""},
		{"sha1", "method=\"POST\""},
	};
	struct ca *ca = ca_start();

	if (ca == NULL)
		return;
	harness_deadline_set(120);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char path[64];
		struct device *device;

		snprintf(path, sizeof(path), "scep/%s", table[i].modes);
		device = device_new(trustpoint_scep(ca, path, "", ""), NULL);
		ca_forget(ca);
		if (!device_authenticate(device) || !device_enroll(device) ||
			!EXPECT_EQUAL(ca_count(ca, "scep ", table[i].expected), 1))
			fprintf(stderr, "mode %s\n", table[i].modes);
		device_free(device);
	}
	ca_stop(ca);
}

/* A client is sent the whole chain. */
static void test_chain_is_sent(void)
{
	struct setting setting;
	char address[32];
	char *output;

	if (!setting_start(&setting, "scep/tier,ra", "", "", trustpoint_scep))
		return;
	if (device_authenticate(setting.device) && device_enroll(setting.device) &&
		device_start(setting.device)) {
		device_serves(setting.device, setting.ca->root);
		snprintf(address, sizeof(address), "127.0.0.1:%u", setting.device->port);
		output = tool_output(WORDS("openssl", "s_client", "-connect", address, "-showcerts",
			"-CAfile", setting.ca->root, "-verify_return_error"));
		EXPECT_CONTAINS(output, "CN = Test Issuing CA");
		EXPECT(strstr(output, "CN = Test RA") == NULL);
		free(output);
	}
	setting_stop(&setting);
}

static void test_scep_over_ipv6(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	char text[2000];

	if (ca == NULL)
		return;
	snprintf(text, sizeof(text),
		"{ name = \"TP\"; enrollment: { method = \"scep\"; url = \"http://[::1]:%u/scep\"; "
		"};\n"
		"  fingerprint = \"%s\"; subject_name = \"CN=localhost\"; key: { type = \"rsa\"; "
		"}; }",
		ca->http6, ca->fingerprint);
	device = device_new(text, NULL);
	if (device_authenticate(device) && device_enroll(device))
		EXPECT(ca_count(ca, "scheme=\"http6\"", "PKIOperation") > 0);
	device_free(device);
	ca_stop(ca);
}

static void test_renewal(void)
{
	struct setting setting;
	char before[100], after[100];

	if (!setting_start(&setting, "scep", "", "", trustpoint_scep))
		return;
	if (device_authenticate(setting.device) && device_enroll(setting.device)) {
		device_serial(setting.device, before, sizeof(before));
		REFUSED(setting.device, "--replace", "pki", "enroll", "TP", "--password-file",
			setting.device->password);
		DONE(setting.device, "pki", "enroll", "TP", "--replace", "--password-file",
			setting.device->password);
		device_serial(setting.device, after, sizeof(after));
		EXPECT(strcmp(before, after) != 0);
		DONE(setting.device, "pki", "enroll", "TP", "--replace", "--regenerate",
			"--password-file", setting.device->password);
		EXPECT_EQUAL(ca_count(setting.ca, "type=\"17\"", "signer=\"issued\""), 2);
		expect_valid(&setting);
		if (device_start(setting.device))
			device_serves(setting.device, setting.ca->root);
	}
	setting_stop(&setting);
}

static void test_ec_key_is_refused_by_scep(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	char text[2000];

	if (ca == NULL)
		return;
	snprintf(text, sizeof(text),
		"{ name = \"TP\"; enrollment: { method = \"scep\"; url = \"%s\"; };\n"
		"  fingerprint = \"%s\"; subject_name = \"CN=localhost\"; key: { type = \"ec\"; }; "
		"}",
		ca_url(ca, "scep"), ca->fingerprint);
	device = device_new(text, NULL);
	/* By `check` or by `enroll`: what counts is the way out. */
	if (device_run(device, WORDS("check"), NULL) == 0) {
		DONE(device, "pki", "authenticate", "TP");
		REFUSED(device, "est", "pki", "enroll", "TP", "--password-file", device->password);
	}
	EXPECT_EQUAL(ca_count(ca, "scep ", "type="), 0);
	device_free(device);
	ca_stop(ca);
}

/* ---- a request that waits for somebody's decision ---- */

/* Starts an enrollment that the CA keeps pending, and kills it then. */
static void enroll_and_kill(const struct setting *setting)
{
	const char *argv[] = {harness_ferrule(), "pki", "enroll", "TP", "--password-file",
		setting->device->secret, "-c", setting->device->conf, NULL};
	struct process_options options = {.argv = argv, .output = harness_path("killed.log")};
	pid_t pid = process_spawn(&options);

	EXPECT(ca_wait(setting->ca, "scep ", "status=\"PENDING\"", 1));
	/* It may have ended by itself, the request being out. */
	process_stop(pid, SIGKILL);
}

static void test_pending_goes_on_after_a_kill(void)
{
	struct setting setting;
	char first[200], second[200];

	if (!setting_start(&setting, "scep/pending-1", "", "", trustpoint_scep))
		return;
	if (device_authenticate(setting.device)) {
		enroll_and_kill(&setting);
		ca_last(setting.ca, "scep", "transaction", first, sizeof(first));
		EXPECT_EQUAL(device_grep(setting.device, DEVICE_SECRET), 0);
		device_enroll(setting.device);
		ca_last(setting.ca, "scep", "transaction", second, sizeof(second));
		EXPECT_TEXT(second, first);
		EXPECT_EQUAL(ca_count(setting.ca, "scep ", "status=\"SUCCESS\""), 1);
		expect_valid(&setting);
	}
	setting_stop(&setting);
}

/* The second device's CA needs longer than its patience (retry_count 1) lasts. */
static const char *const pending_paths[] = {"scep/pending-1", "scep/pending-3"};

/* retry_period is a minute at least: this takes that long. */
static void test_pending_is_polled(void)
{
	struct ca *ca = ca_start();
	struct device *devices[2];
	pid_t pids[2];

	if (ca == NULL)
		return;
	harness_deadline_set(120);
	for (size_t i = 0; i < 2; i++) {
		const char *argv[] = {harness_ferrule(), "pki", "enroll", "TP", "--password-file",
			NULL, "-c", NULL, NULL};
		struct process_options options = {
			.argv = argv, .output = harness_path("patience-%zu.log", i)};

		devices[i] = device_new(trustpoint_scep(ca, pending_paths[i], "", ""), NULL);
		device_authenticate(devices[i]);
		argv[5] = devices[i]->secret;
		argv[7] = devices[i]->conf;
		pids[i] = process_spawn(&options);
	}
	EXPECT_EQUAL(process_wait(pids[0]), 0);
	EXPECT_EQUAL(process_wait(pids[1]), 1);
	EXPECT_EQUAL(ca_count(ca, "type=\"20\"", "status=\"SUCCESS\""), 1);
	EXPECT_EQUAL(ca_count(ca, "type=\"20\"", "status=\"PENDING\""), 1);
	for (size_t i = 0; i < 2; i++)
		device_free(devices[i]);
	ca_stop(ca);
}

/* ---- EST ---- */

static void test_est_varieties(void)
{
	static const struct {
		const char *modes;
		bool basic;
	} table[] = {
		{"", false},
		{"newlines", false},
		{"newlines,cte,no-smime", false},
		{"tier", false},
		{"wait-1", false},
		{"wait-1,wait-date", false},
		{"csrattrs-none", false},
		{"basic", true},
	};
	struct ca *ca = ca_start();
	struct device *device;

	if (ca == NULL)
		return;
	harness_deadline_set(120);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		device = device_new(
			trustpoint_est(ca, "", table[i].basic ? "username = \"est\";" : "", ""),
			NULL);
		ca_mode(ca, table[i].modes);
		ca_forget(ca);
		if (!device_authenticate(device) || !device_enroll(device))
			fprintf(stderr, "mode %s\n", table[i].modes);
		EXPECT_EQUAL(ca_count(ca, "est ", "newlines=\"yes\""), 0);
		EXPECT_EQUAL(device_grep(device, DEVICE_SECRET), 0);
		device_free(device);
	}
	ca_stop(ca);
}

static void test_est_end_to_end_and_renewal(void)
{
	struct setting setting;

	if (!setting_start(&setting, "", "", "", trustpoint_est))
		return;
	if (device_authenticate(setting.device) && device_enroll(setting.device)) {
		expect_valid(&setting);
		DONE(setting.device, "pki", "enroll", "TP", "--replace", "--password-file",
			setting.device->password);
		EXPECT_EQUAL(ca_count(setting.ca, "operation=\"simplereenroll\"", "client=\"/"), 1);
		if (device_start(setting.device))
			device_serves(setting.device, setting.ca->root);
	}
	setting_stop(&setting);
}

static void test_est_label(void)
{
	struct setting setting;

	if (!setting_start(&setting, "newlines", "", "", trustpoint_est))
		return;
	if (device_authenticate(setting.device) && device_enroll(setting.device))
		EXPECT(ca_count(setting.ca, "path=\"/.well-known/est/newlines/simpleenroll\"", "") >
			0);
	setting_stop(&setting);
}

/* Credentials go to a server that was verified, or nowhere. */
static void test_est_server_of_another_ca(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	char text[2000];
	static const char format[] =
		"{ name = \"TP\"; enrollment: { method = \"est\"; username = \"est\";\n"
		"  url = \"https://localhost:%u\"; }; fingerprint = \"%s\";\n"
		"  subject_name = \"CN=localhost\"; key: { type = \"ec\"; }; }";

	if (ca == NULL)
		return;
	snprintf(text, sizeof(text), format, ca->https, ca->fingerprint);
	device = device_new(text, NULL);
	device_authenticate(device);
	snprintf(text, sizeof(text), format, ca->https_rogue, ca->fingerprint);
	device_configure(device, text, NULL);
	REFUSED(device, "certificate", "pki", "enroll", "TP", "--password-file", device->secret);
	EXPECT_EQUAL(ca_count(ca, "est ", "credentials="), 0);
	device_free(device);
	ca_stop(ca);
}

static void test_est_over_ipv6(void)
{
	struct ca *ca = ca_start();
	struct device *device;

	if (ca == NULL)
		return;
	device = device_new(keep("{ name = \"TP\"; enrollment: { method = \"est\"; url = "
				 "\"https://[::1]:%u\"; };\n"
				 "  fingerprint = \"%s\"; subject_name = \"CN=localhost\"; }",
				    ca->https6, ca->fingerprint),
		NULL);
	if (device_authenticate(device) && device_enroll(device))
		EXPECT(ca_count(ca, "scheme=\"https6\"", "simpleenroll") > 0);
	device_free(device);
	ca_stop(ca);
}

/* A CA whose clock is a little ahead: taken, and said. */
static void test_clock_ahead(void)
{
	struct setting setting;
	char *output;

	if (!setting_start(&setting, "scep/ahead", "", "", trustpoint_scep))
		return;
	if (device_authenticate(setting.device)) {
		EXPECT_EQUAL(device_run(setting.device,
				     WORDS("pki", "enroll", "TP", "--password-file",
					     setting.device->secret),
				     &output),
			0);
		EXPECT_CONTAINS(output, "CA clock ahead");
		free(output);
	}
	setting_stop(&setting);
}

static CU_TestInfo scep_tests[] = {
	{"from a key to curl", test_scep_from_key_to_curl},
	{"labelled key", test_labelled_key},
	{"varieties of servers", test_scep_varieties},
	{"chain is sent", test_chain_is_sent},
	{"over IPv6", test_scep_over_ipv6},
	{"renewal", test_renewal},
	{"EC key is refused", test_ec_key_is_refused_by_scep},
	{"pending goes on after a kill", test_pending_goes_on_after_a_kill},
	{"pending is polled", test_pending_is_polled},
	{"CA clock ahead", test_clock_ahead},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo est_tests[] = {
	{"varieties of servers", test_est_varieties},
	{"end to end, renewal", test_est_end_to_end_and_renewal},
	{"label", test_est_label},
	{"over IPv6", test_est_over_ipv6},
	{"server of another CA", test_est_server_of_another_ca},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo enroll_suites[] = {
	{"SCEP", NULL, NULL, harness_test_start, harness_test_end, scep_tests},
	{"EST", NULL, NULL, harness_test_start, harness_test_end, est_tests},
	CU_SUITE_INFO_NULL,
};
