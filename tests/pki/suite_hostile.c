/* Servers that lie, break or hang: one clear message, exit 1, the store as it was. */
#include "tests/e2e/harness.h"
#include "tests/e2e/process.h"
#include "tests/pki/ca.h"
#include "tests/pki/device.h"
#include "tests/pki/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A lie, and a word that the message about it cannot do without. */
struct row {
	const char *modes, *word;
};

static unsigned lines_of(const char *text)
{
	unsigned lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

/* What was said: one complaint. What came before it on the way does not count. */
static bool expect_complaint(const struct row *row, int status, const char *output)
{
	bool good = EXPECT_EQUAL(status, 1);

	good = EXPECT_CONTAINS(output, row->word) && good;
	good = EXPECT(lines_of(output) >= 1 && lines_of(output) <= 6) && good;
	good = EXPECT(strstr(output, "Sanitizer") == NULL) && good;
	good = EXPECT(strstr(output, "error:0") == NULL && strstr(output, "error:1") == NULL) &&
	       good; /* OpenSSL's queue is not for operators */
	return good;
}

/* One command under one row; true when all was as it should be. */
static bool expect_row(const struct device *device, const struct ca *ca, const struct row *row,
	const char *const *words)
{
	char *before = device_snapshot(device), *after, *output;
	bool good;
	int status;

	ca_mode(ca, row->modes);
	status = device_run(device, words, &output);
	ca_mode(ca, "");
	after = device_snapshot(device);
	good = expect_complaint(row, status, output);
	good = EXPECT(strcmp(before, after) == 0) && good;
	if (!good)
		fprintf(stderr, "\n%s of \"%s\" (%d): %s\n", words[1], row->modes, status, output);
	if (strcmp(before, after) != 0)
		fprintf(stderr, "the store was:\n%sand is:\n%s", before, after);
	free(before);
	free(after);
	free(output);
	return good;
}

/* ---- SCEP ---- */

static const struct row scep_rows[] = {
	{"wrong-nonce", "nonce"},
	{"no-nonce", "nonce"},
	{"wrong-transaction", "transaction"},
	{"wrong-type", "type"},
	{"wrong-status", "status"},
	{"unpinned", "sign"},
	{"unpinned,no-signer", "sign"},
	{"bad-signature", "signature"},
	{"wrong-envelope", "encrypted"},
	{"other-key", "key"},
	{"other-subject", "subject"},
	{"other-san", "name"},
	{"other-issuer", "issue"},
	{"expired", "expired"},
	{"not-yet", "not valid"},
	{"two", "certificates"},
	{"empty", "no certificate"},
	{"trailing", "behind"},
	{"truncated", ""},
	{"des", "legacy_des"},
	{"fail-0", "badAlg"},
	{"fail-1", "badMessageCheck"},
	{"fail-2", "badRequest"},
	{"fail-3", "badTime"},
	{"fail-4", "badCertId"},
	{"fail-bare", "refused"},
	{"fail-2,fail-text", "the registration desk is closed on Sundays"},
	{"html", "Captive portal"},
	{"nothing", "nothing"},
	{"http-500", "500"},
	{"http-500", "the database is on fire"},
	{"redirect", "redirect"},
	{"reset", ""},
	{"huge", ""},
	{"endless", ""},
};

static void test_scep_first_enrollment(void)
{
	struct ca *ca = ca_start();
	struct device *device;

	if (ca == NULL)
		return;
	harness_deadline_set(240);
	device = device_new(trustpoint_scep(ca, "scep", "", ""), NULL);
	device_authenticate(device);
	/* The first failure may leave the key pair and the request to go on with. */
	ca_mode(ca, "fail-2");
	device_run(device, WORDS("pki", "enroll", "TP", "--password-file", device->secret), NULL);
	for (size_t i = 0; i < sizeof(scep_rows) / sizeof(scep_rows[0]); i++)
		expect_row(device, ca, &scep_rows[i],
			WORDS("pki", "enroll", "TP", "--password-file", device->secret));
	EXPECT_EQUAL(device_grep(device, DEVICE_SECRET), 0);
	device_enroll(device); /* and after all that: */
	device_free(device);
	ca_stop(ca);
}

static void test_scep_renewal(void)
{
	static const struct row old = {"old", ""};
	struct ca *ca = ca_start();
	struct device *device;
	const char *const *words;

	if (ca == NULL)
		return;
	harness_deadline_set(240);
	device = device_new(trustpoint_scep(ca, "scep", "", ""), NULL);
	words = WORDS("pki", "enroll", "TP", "--replace", "--password-file", device->secret);
	if (device_authenticate(device) && device_enroll(device)) {
		for (size_t i = 0; i < sizeof(scep_rows) / sizeof(scep_rows[0]); i++)
			expect_row(device, ca, &scep_rows[i], words);
		expect_row(device, ca, &old, words);
		device_done(device, words, __FILE__, __LINE__);
	}
	device_free(device);
	ca_stop(ca);
}

/* Taken with a warning, and refused where a server would present it. */
static void test_certificate_for_clients_only(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	char *output;

	if (ca == NULL)
		return;
	device = device_new(trustpoint_scep(ca, "scep/client-only", "", ""), NULL);
	if (device_authenticate(device)) {
		EXPECT_EQUAL(
			device_run(device,
				WORDS("pki", "enroll", "TP", "--password-file", device->secret),
				&output),
			0);
		EXPECT_CONTAINS(output, "warning");
		EXPECT_CONTAINS(output, "server");
		free(output);
		REFUSED(device, "server", "check");
	}
	device_free(device);
	ca_stop(ca);
}

/* ---- CA certificates ---- */

static void test_ca_certificate(void)
{
	static const struct row rows[] = {
		{"foreign", ""},
		{"ca-html", "Captive portal"},
		{"ca-nothing", "nothing"},
		{"ca-truncated", ""},
		{"ca-http-500", "500"},
		{"ca-redirect", "redirect"},
		{"ca-reset", ""},
		{"ca-huge", ""},
		{"ca-endless", ""},
	};
	struct ca *ca = ca_start();
	struct device *device;

	if (ca == NULL)
		return;
	harness_deadline_set(120);
	device = device_new(trustpoint_scep(ca, "scep", "", ""), NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_row(device, ca, &rows[i], WORDS("pki", "authenticate", "TP"));
	device_authenticate(device);
	device_free(device);
	ca_stop(ca);
}

static void test_fingerprint(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	char text[2000], sha1[64];
	char *before, *after;
	static const char format[] =
		"{ name = \"TP\"; enrollment: { method = \"scep\"; url = \"%s\"; };\n"
		"  fingerprint = \"%s\"; subject_name = \"CN=localhost\"; key: { type = \"rsa\"; "
		"}; }";

	if (ca == NULL)
		return;
	fingerprint_of(ca->root, "SHA1", sha1, sizeof(sha1));
	snprintf(text, sizeof(text), format, ca_url(ca, "scep"), "");
	device = device_new(text, NULL);
	before = device_snapshot(device);
	REFUSED(device, "fingerprint", "pki", "authenticate", "TP");
	REFUSED(device, "fingerprint", "pki", "authenticate", "TP", "--fingerprint",
		"0000000000000000000000000000000000000000000000000000000000000000");
	after = device_snapshot(device);
	EXPECT_TEXT(after, before);
	/* --yes answers questions, but not whom to trust. */
	REFUSED(device, "fingerprint", "pki", "authenticate", "TP", "--yes");
	DONE(device, "pki", "authenticate", "TP", "--fingerprint", sha1);
	DONE(device, "pki", "authenticate", "TP", "--yes", "--fingerprint", ca->fingerprint);
	free(before);
	free(after);
	device_free(device);
	ca_stop(ca);
}

/* ---- nobody there ---- */

static void test_unreachable(void)
{
	static const struct {
		const char *url, *word;
	} rows[] = {
		{"http://127.0.0.1:9/scep", "connect"},
		{"http://[::1]:9/scep", "connect"},
		{"http://ca.invalid/scep", "ca.invalid"},
	};
	struct ca *ca = ca_start();

	if (ca == NULL)
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct device *device = device_new(
			keep("{ name = \"TP\"; enrollment: { method = \"scep\"; url = \"%s\"; };\n"
			     "  fingerprint = \"%s\"; key: { type = \"rsa\"; }; }",
				rows[i].url, ca->fingerprint),
			NULL);

		REFUSED(device, rows[i].word, "pki", "authenticate", "TP");
		device_free(device);
	}
	ca_stop(ca);
}

/* ---- EST ---- */

static void test_est(void)
{
	static const struct row rows[] = {
		{"other-key", "key"},
		{"other-subject", "subject"},
		{"other-san", "name"},
		{"other-issuer", "issue"},
		{"expired", "expired"},
		{"not-yet", "not valid"},
		{"two", "certificates"},
		{"empty", "no certificate"},
		{"trailing", ""},
		{"truncated", ""},
		{"html", "Captive portal"},
		{"nothing", "nothing"},
		{"http-500", "500"},
		{"redirect", "redirect"},
		{"downgrade", "scheme"},
		{"reset", ""},
		{"huge", ""},
		{"refuse", "the registration desk is closed on Sundays"},
		{"basic", "401"},
		{"need-cert", "403"},
	};
	struct ca *ca = ca_start();
	struct device *device;

	if (ca == NULL)
		return;
	harness_deadline_set(120);
	device = device_new(trustpoint_est(ca, "", "", ""), NULL);
	device_authenticate(device);
	ca_mode(ca, "refuse");
	device_run(device, WORDS("pki", "enroll", "TP", "--password-file", device->password), NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_row(device, ca, &rows[i],
			WORDS("pki", "enroll", "TP", "--password-file", device->password));
	DONE(device, "pki", "enroll", "TP", "--password-file", device->password);
	device_free(device);
	ca_stop(ca);
}

/* ---- patience ---- */

/* The process that talks to the network is the device's user, not root. */
static void expect_unprivileged_child(pid_t pid)
{
	pid_t children[PROCESS_MAX_CHILDREN];
	char *status;

	if (!EXPECT_EQUAL(process_children(pid, children), 1))
		return;
	status = harness_file_read(keep("/proc/%d/status", (int)children[0]), NULL);
	if (EXPECT(status != NULL)) {
		EXPECT_CONTAINS(status, "\nUid:\t65534\t65534\t65534\t65534\n");
		EXPECT_CONTAINS(status, "\nCapEff:\t0000000000000000\n");
		EXPECT_CONTAINS(status, "\nNoNewPrivs:\t1\n");
	}
	free(status);
}

/* Two devices wait at once; each gives up by itself. */
static void test_hanging_servers(void)
{
	static const char *const paths[] = {"scep/hang", "scep/slow"};
	struct ca *ca = ca_start();
	struct device *devices[2];
	const char *outputs[2];
	pid_t pids[2];

	if (ca == NULL)
		return;
	harness_deadline_set(120);
	for (size_t i = 0; i < 2; i++) {
		devices[i] = device_new(trustpoint_scep(ca, paths[i], "", ""), NULL);
		device_authenticate(devices[i]);
	}
	for (size_t i = 0; i < 2; i++) {
		const char *argv[] = {harness_ferrule(), "pki", "enroll", "TP", "--password-file",
			devices[i]->secret, "-c", devices[i]->conf, NULL};
		struct process_options options = {.argv = argv};

		options.output = outputs[i] = harness_path("hanging-%zu.log", i);
		pids[i] = process_spawn(&options);
	}
	EXPECT(ca_wait(ca, "scep ", "type=\"19\"", 2));
	expect_unprivileged_child(pids[0]);
	for (size_t i = 0; i < 2; i++) {
		char *said;

		EXPECT_EQUAL(process_wait(pids[i]), 1);
		said = harness_file_read(outputs[i], NULL);
		EXPECT_CONTAINS(said, "second");
		free(said);
		device_free(devices[i]);
	}
	ca_stop(ca);
}

static CU_TestInfo tests[] = {
	{"SCEP: first enrollment", test_scep_first_enrollment},
	{"SCEP: renewal", test_scep_renewal},
	{"certificate for clients only", test_certificate_for_clients_only},
	{"CA certificate", test_ca_certificate},
	{"fingerprint", test_fingerprint},
	{"unreachable", test_unreachable},
	{"EST", test_est},
	{"hanging servers", test_hanging_servers},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo hostile_suites[] = {
	{"hostile servers", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
