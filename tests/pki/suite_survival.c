/* The identity outlives crashes, and changes under a server that goes on. */
#include "tests/e2e/client.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http.h"
#include "tests/e2e/process.h"
#include "tests/pki/ca.h"
#include "tests/pki/device.h"
#include "tests/pki/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a new certificate under a running server ---- */

/* The serial number that a fresh connection is shown, as device_serial() writes it. */
static void shown_serial(const struct device *device, char *out, size_t size)
{
	struct client *client = client_open(&(struct client_options){.port = device->port});
	X509 *certificate = client != NULL ? SSL_get1_peer_certificate(client->ssl) : NULL;
	BIGNUM *number = certificate != NULL
				 ? ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL)
				 : NULL;
	char *hex = number != NULL ? BN_bn2hex(number) : NULL;

	snprintf(out, size, "serial=%s", hex != NULL ? hex : "");
	OPENSSL_free(hex);
	BN_free(number);
	X509_free(certificate);
	client_free(client);
}

static bool shows_current(const struct device *device)
{
	char current[100], shown[100];

	device_serial(device, current, sizeof(current));
	shown_serial(device, shown, sizeof(shown));
	return strcmp(current, shown) == 0;
}

static bool page_fetch(struct client *client)
{
	struct http_response response;
	char body[8];

	return EXPECT(http_ask(client, "GET", "/index.html", NULL)) &&
	       EXPECT(http_read_head(client, &response)) && EXPECT_EQUAL(response.status, 200) &&
	       EXPECT_EQUAL(response.length, 8) && EXPECT(client_read_all(client, body, 8));
}

static void test_running_server_takes_it_over(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	struct client *client;
	bool taken = false;
	char before[100], after[100];

	if (ca == NULL)
		return;
	harness_deadline_set(90);
	device = device_new(trustpoint_scep(ca, "scep", "", ""), NULL);
	if (device_authenticate(device) && device_enroll(device) && device_start(device)) {
		EXPECT(shows_current(device));
		device_serial(device, before, sizeof(before));
		client = client_open(&(struct client_options){.port = device->port});
		page_fetch(client);
		DONE(device, "pki", "enroll", "TP", "--replace", "--regenerate", "--password-file",
			device->password);
		device_serial(device, after, sizeof(after));
		EXPECT(strcmp(before, after) != 0);
		while (!(taken = shows_current(device)) && harness_tick())
			harness_pause(100); /* nobody has to notice within milliseconds */
		EXPECT(taken);
		page_fetch(client); /* on the connection from before */
		client_free(client);
		device_serves(device, ca->root);
	}
	device_free(device);
	ca_stop(ca);
}

/* ---- a fault at every file-system call ---- */

#define CALLS                                                                                      \
	"openat,mkdirat,renameat,renameat2,symlinkat,linkat,unlinkat,write,fsync,fdatasync,"       \
	"fchmod,fchmodat,ftruncate,flock,newfstatat,readlinkat,close,rename,unlink,mkdir,"         \
	"symlink,link,open,chmod"
#define WRITING                                                                                    \
	"mkdirat renameat renameat2 symlinkat linkat write fsync fdatasync fchmod ftruncate "      \
	"openat"

struct crash {
	struct ca *ca;
	struct device *device;
	const char *const *words; /* the command that is struck */
	const char *trace;        /* of one undisturbed enrollment */
	const char *effect;       /* what strace does at a call: "signal=KILL", "error=ENOSPC" */
	const char *only;         /* calls, separated by blanks; NULL: all of them */
	int status;               /* that it leads to */
	unsigned struck, finished;
};

/* The command under strace, which is told what to do with calls. */
static int command_traced(const struct crash *crash, const char *option, const char *value)
{
	const char *argv[32] = {"strace", "-qq", "-E", "ASAN_OPTIONS=detect_leaks=0", "-o",
		crash->trace, option, value, harness_ferrule()};
	size_t count = 9;

	for (size_t i = 0; crash->words[i] != NULL && count < 29; i++)
		argv[count++] = crash->words[i];
	argv[count++] = "-c";
	argv[count] = crash->device->conf;
	return tool_run(argv, NULL);
}

/*
 * How often each call was made, and at which one the state directory was first spoken of:
 * what comes before is the loader's and the configuration's. Lines of "CALL FIRST LAST".
 */
static char *calls_count(const struct crash *crash)
{
	static const char script[] =
		"awk -v state=\"$2\" '/^[a-z0-9_]+\\(/ { name = $0; sub(/\\(.*/, \"\", name); "
		"count[name]++ }\n"
		"  !started && index($0, state) { started = 1; for (n in count) first[n] = "
		"count[n]; first[name] = count[name] }\n"
		"  END { for (n in count) print n, (n in first) ? first[n] : 1, count[n] }' \"$1\"";

	return tool_output(WORDS("sh", "-c", script, "sh", crash->trace, crash->device->state));
}

/* What has to hold after each fault: a whole identity, the old one or the new one. */
static bool expect_whole(const struct crash *crash, const char *where)
{
	bool good = TOOL_EXPECT("openssl", "verify", "-CAfile", crash->ca->root,
		device_certificate(crash->device, "TP"));

	good = DONE(crash->device, "check") && good;
	good = DONE(crash->device, "show", "pki", "certificates", "TP") && good;
	if (!good)
		fprintf(stderr, "after %s\n", where);
	return good;
}

static bool expect_works_again(const struct crash *crash, bool replace)
{
	const char *password = crash->device->password;

	if (strcmp(crash->words[1], "enroll") != 0)
		return device_done(crash->device, crash->words, __FILE__, __LINE__);

	/* Going on with what is pending, where something is. */
	if (!replace &&
		device_run(crash->device, WORDS("pki", "enroll", "TP", "--password-file", password),
			NULL) == 0)
		return true;
	return DONE(crash->device, "pki", "enroll", "TP", "--replace", "--password-file", password);
}

/* A fault at the N-th of a call; false when something did not hold. */
static bool strike_at(struct crash *crash, const char *name, unsigned number)
{
	const char *inject = keep("inject=%s:%s:when=%u", name, crash->effect, number);
	int status = command_traced(crash, "-e", inject);
	bool good;

	if (status == 0) {
		crash->finished++;
		return expect_whole(crash, inject);
	}
	crash->struck++;
	good = EXPECT_EQUAL(status, crash->status);
	good = expect_whole(crash, inject) && good;
	return expect_works_again(crash, number % 2 == 0) && good;
}

static void strike_everywhere(struct crash *crash, const char *calls)
{
	char name[32];
	unsigned first, last;
	int len;

	while (sscanf(calls, "%31s %u %u\n%n", name, &first, &last, &len) == 3) {
		calls += len;
		if (crash->only != NULL && strstr(crash->only, name) == NULL)
			continue;
		for (unsigned number = first; number <= last; number++)
			if (!strike_at(crash, name, number))
				return;
	}
}

/* `words` with the paths that are known only now; the device has a certificate already. */
static void expect_survival(struct crash *crash, const char *const *words)
{
	char *calls;

	crash->words = words;
	crash->trace = harness_path("strace.out");
	if (EXPECT_EQUAL(command_traced(crash, "-e", "trace=" CALLS), 0)) {
		calls = calls_count(crash);
		strike_everywhere(crash, calls);
		printf("%u faults, %u without consequence ... ", crash->struck, crash->finished);
		EXPECT(crash->struck > 20);
		free(calls);
		if (device_start(crash->device))
			device_serves(crash->device, crash->ca->root);
	}
}

static void expect_enrollment_survives(struct crash *crash)
{
	crash->ca = ca_start();
	if (crash->ca == NULL)
		return;
	harness_deadline_set(600);
	crash->device = device_new(trustpoint_scep(crash->ca, "scep", "", ""), NULL);
	if (device_authenticate(crash->device) && device_enroll(crash->device))
		expect_survival(crash, WORDS("pki", "enroll", "TP", "--replace", "--regenerate",
					       "--password-file", crash->device->password));
	device_free(crash->device);
	ca_stop(crash->ca);
}

static void test_killed_everywhere(void)
{
	struct crash crash = {.effect = "signal=KILL", .status = 128 + SIGKILL};

	expect_enrollment_survives(&crash);
}

static void test_disk_full_everywhere(void)
{
	struct crash crash = {.effect = "error=ENOSPC", .only = WRITING, .status = 1};

	expect_enrollment_survives(&crash);
}

static void test_authenticate_killed_everywhere(void)
{
	struct crash crash = {.effect = "signal=KILL", .status = 128 + SIGKILL};

	crash.ca = ca_start();
	if (crash.ca == NULL)
		return;
	harness_deadline_set(600);
	crash.device = device_new(trustpoint_scep(crash.ca, "scep", "", ""), NULL);
	if (device_authenticate(crash.device) && device_enroll(crash.device))
		expect_survival(&crash, WORDS("pki", "authenticate", "TP", "--yes"));
	device_free(crash.device);
	ca_stop(crash.ca);
}

static void test_import_killed_everywhere(void)
{
	struct crash crash = {.effect = "signal=KILL", .status = 128 + SIGKILL};
	const char *file = harness_path("bundle.p12");
	const char *const *words;

	crash.ca = ca_start();
	if (crash.ca == NULL)
		return;
	harness_deadline_set(600);
	TOOL_EXPECT("openssl", "pkcs12", "-export", "-in", ca_file(crash.ca, "tls.crt"), "-inkey",
		ca_file(crash.ca, "tls.key"), "-certfile", crash.ca->root, "-passout",
		"pass:" DEVICE_SECRET, "-out", file);
	crash.device = device_new("{ name = \"TP\"; enrollment: { method = \"pkcs12\"; }; }", NULL);
	words = WORDS("pki", "import", "TP", "pkcs12", file, "--replace", "--password-file",
		crash.device->secret);
	if (device_done(crash.device, words, __FILE__, __LINE__))
		expect_survival(&crash, words);
	device_free(crash.device);
	ca_stop(crash.ca);
}

/* ---- two at once ---- */

static void test_two_at_once(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	pid_t pids[2];
	int statuses[2];

	if (ca == NULL)
		return;
	device = device_new(trustpoint_scep(ca, "scep", "", ""), NULL);
	if (device_authenticate(device) && device_enroll(device)) {
		const char *argv[] = {harness_ferrule(), "pki", "enroll", "TP", "--replace",
			"--regenerate", "--password-file", device->password, "-c", device->conf,
			NULL};
		struct process_options options = {.argv = argv};

		for (size_t i = 0; i < 2; i++) {
			options.output = harness_path("both-%zu.log", i);
			pids[i] = process_spawn(&options);
		}
		for (size_t i = 0; i < 2; i++)
			statuses[i] = process_wait(pids[i]);
		/* One after the other, or the second is told to come back. */
		EXPECT(statuses[0] == 0 || statuses[1] == 0);
		EXPECT(statuses[0] <= 1 && statuses[1] <= 1);
		DONE(device, "check");
		TOOL_EXPECT(
			"openssl", "verify", "-CAfile", ca->root, device_certificate(device, "TP"));
	}
	device_free(device);
	ca_stop(ca);
}

/* ---- modes of files ---- */

static void test_modes(void)
{
	static const char script[] =
		"find \"$1\" -type d ! -perm 0700 ; find \"$1\" -type f -name '*key*' ! -perm 0600";
	struct ca *ca = ca_start();
	struct device *device;
	char *output;

	if (ca == NULL)
		return;
	device = device_new(trustpoint_scep(ca, "scep", "", ""), NULL);
	DONE(device, "pki", "key", "generate", "spare", "ec", "P-256");
	if (device_authenticate(device) && device_enroll(device)) {
		output = tool_output(WORDS("sh", "-c", script, "sh", device->state));
		EXPECT_TEXT(output, "");
		free(output);
	}
	device_free(device);
	ca_stop(ca);
}

static CU_TestInfo tests[] = {
	{"a running server takes it over", test_running_server_takes_it_over},
	{"killed at every file-system call", test_killed_everywhere},
	{"killed while it authenticates", test_authenticate_killed_everywhere},
	{"killed while it imports", test_import_killed_everywhere},
	{"disk full at every write", test_disk_full_everywhere},
	{"two at once", test_two_at_once},
	{"modes of files", test_modes},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo survival_suites[] = {
	{"survival", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
