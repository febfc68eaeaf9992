#include "tests/pki/device.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_WORDS 24

/* ---- configuration ---- */

static const char global_format[] =
	"state_directory = \"%s\"; run_directory = \"%s/run\";\n"
	"hostname = \"localhost\"; domain_name = \"\"; workers = 1; drain_timeout = 1;\n"
	"user = \"nobody\"; group = \"nogroup\";\n"
	"log: { level = \"info\"; target = \"stderr\"; };\n"
	"servers = ( { name = \"web\"; secure_server = true; secure_address = [ \"127.0.0.1\" ];\n"
	"  secure_port = 0; mode = \"http\"; backend = \"files:%s/www\"; trustpoint = \"TP\"; } "
	");\n"
	"trustpoints = (\n%s\n);\n%s\n";

bool device_configure(const struct device *device, const char *trustpoints, const char *more)
{
	FILE *file = fopen(device->conf, "we");

	if (!EXPECT(file != NULL))
		return false;
	fprintf(file, global_format, device->state, device->directory, device->directory,
		trustpoints, more != NULL ? more : "");
	return EXPECT(fclose(file) == 0);
}

static bool file_put(const char *path, const char *text, mode_t mode)
{
	return harness_file_write(path, text, strlen(text)) && chmod(path, mode) == 0;
}

struct device *device_new(const char *trustpoints, const char *more)
{
	struct device *device = calloc(1, sizeof(*device));
	char www[256], page[300];

	if (device == NULL)
		return NULL;
	device->pid = -1;
	snprintf(device->directory, sizeof(device->directory), "%s", harness_path("device-XXXXXX"));
	if (mkdtemp(device->directory) == NULL || chmod(device->directory, 0755) < 0) {
		free(device);
		return NULL;
	}
#define IN_DIRECTORY(member, name)                                                                 \
	snprintf(device->member, sizeof(device->member), "%s/" name, device->directory)
	IN_DIRECTORY(conf, "ferrule.conf");
	IN_DIRECTORY(state, "state");
	IN_DIRECTORY(log, "ferrule.log");
#undef IN_DIRECTORY
	/* Beside the device: nothing below its own directory may hold the secret. */
	snprintf(device->secret, sizeof(device->secret), "%s/secret", harness_scratch());
	snprintf(device->password, sizeof(device->password), "%s/password", harness_scratch());
	snprintf(www, sizeof(www), "%s/www", device->directory);
	snprintf(page, sizeof(page), "%s/index.html", www);
	EXPECT(mkdir(www, 0755) == 0 && file_put(page, "welcome\n", 0644));
	EXPECT(file_put(device->secret, DEVICE_SECRET "\n", 0600));
	EXPECT(file_put(device->password, "\n", 0600));
	device_configure(device, trustpoints, more);
	return device;
}

void device_free(struct device *device)
{
	if (device == NULL)
		return;
	device_stop(device);
	free(device);
}

const char *trustpoint_scep(
	const struct ca *ca, const char *path, const char *enrollment, const char *more)
{
	return keep("{ name = \"TP\"; enrollment: { method = \"scep\"; url = \"%s\"; "
		    "retry_count = 1; retry_period = 1; %s };\n"
		    "  fingerprint = \"%s\"; subject_name = \"CN=localhost\";\n"
		    "  ip_address = \"127.0.0.1\"; key: { type = \"rsa\"; bits = 2048; }; %s }",
		ca_url(ca, path), enrollment, ca->fingerprint, more);
}

const char *trustpoint_est(
	const struct ca *ca, const char *label, const char *enrollment, const char *more)
{
	return keep(
		"{ name = \"TP\"; enrollment: { method = \"est\"; url = \"%s\"; %s };\n"
		"  fingerprint = \"%s\"; subject_name = \"CN=localhost\";\n"
		"  ip_address = \"127.0.0.1\"; key: { type = \"ec\"; curve = \"P-256\"; }; %s }",
		ca_url_tls(ca, label), enrollment, ca->fingerprint, more);
}

/* ---- commands ---- */

int device_run_with(
	const struct device *device, const char *const *words, const char *input, char **output)
{
	const char *argv[MAX_WORDS] = {harness_ferrule()};
	size_t count = 1;

	while (*words != NULL && count < MAX_WORDS - 3)
		argv[count++] = *words++;
	argv[count++] = "-c";
	argv[count] = device->conf;
	return tool_run_with(argv, input, output);
}

int device_run(const struct device *device, const char *const *words, char **output)
{
	return device_run_with(device, words, NULL, output);
}

static void describe(char *what, size_t size, const char *const *words, int status,
	const char *expected, const char *output)
{
	size_t len = (size_t)snprintf(what, size, "ferrule");

	for (; *words != NULL && len < size; words++)
		len += (size_t)snprintf(what + len, size - len, " %.60s", *words);
	if (len < size)
		snprintf(what + len, size - len, ": status %d, expected %s; said: %.500s", status,
			expected, output);
}

bool device_done(const struct device *device, const char *const *words, const char *file, int line)
{
	char what[1000];
	char *output;
	int status = device_run(device, words, &output);

	describe(what, sizeof(what), words, status, "0", output);
	free(output);
	return harness_expect(status == 0, what, file, line);
}

bool device_refused(const struct device *device, const char *text, const char *const *words,
	const char *file, int line)
{
	char what[1000], expected[200];
	char *output;
	int status = device_run(device, words, &output);
	bool said = strcasestr(output, text) != NULL;

	snprintf(expected, sizeof(expected), "1 and \"%s\"", text);
	describe(what, sizeof(what), words, status, expected, output);
	free(output);
	return harness_expect(status == 1 && said, what, file, line);
}

bool device_authenticate(const struct device *device)
{
	return DONE(device, "pki", "authenticate", "TP");
}

bool device_enroll(const struct device *device)
{
	return DONE(device, "pki", "enroll", "TP", "--password-file", device->secret);
}

const char *device_certificate(const struct device *device, const char *trustpoint)
{
	return keep("%s/trustpoints/%s/current/certificate.pem", device->state, trustpoint);
}

void device_serial(const struct device *device, char *out, size_t size)
{
	char *said;

	out[0] = '\0';
	if (tool_run(WORDS("openssl", "x509", "-noout", "-serial", "-in",
			     device_certificate(device, "TP")),
		    &said) == 0)
		snprintf(out, size, "%.*s", (int)strcspn(said, "\n"), said);
	free(said);
}

/* ---- serving ---- */

static uint16_t port_from_log(const char *log)
{
	const char *found = strstr(log, " (secure, server web)");
	const char *colon = found;

	while (colon != NULL && colon > log && *colon != ':')
		colon--;
	return colon != NULL ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
}

static bool is_ready(struct device *device)
{
	char *log = harness_file_read(device->log, NULL);
	bool ready = log != NULL && strstr(log, "ready\n") != NULL;

	if (ready)
		device->port = port_from_log(log);
	free(log);
	return ready;
}

bool device_start(struct device *device)
{
	const char *argv[] = {harness_ferrule(), "run", "-c", device->conf, NULL};
	struct process_options options = {.argv = argv, .output = device->log};

	snprintf(device->log, sizeof(device->log), "%s/ferrule-%u.log", device->directory,
		device->runs++);
	device->pid = process_spawn(&options);
	while (!is_ready(device) && process_is_running(device->pid) && harness_tick())
		;
	if (EXPECT(is_ready(device)) && EXPECT(device->port != 0))
		return true;
	device_stop(device);
	return false;
}

void device_stop(struct device *device)
{
	if (device->pid > 0)
		EXPECT_EQUAL(process_stop(device->pid, SIGTERM), 0);
	device->pid = -1;
}

bool device_serves(const struct device *device, const char *root)
{
	char url[64];
	char *output;
	bool served;

	snprintf(url, sizeof(url), "https://localhost:%u/index.html", device->port);
	served = tool_run(WORDS("curl", "-sS", "--noproxy", "*", "--cacert", root, "-4", url),
			 &output) == 0;
	EXPECT_TEXT(output, "welcome\n");
	free(output);
	return EXPECT(served);
}

/* ---- the state ---- */

char *device_snapshot(const struct device *device)
{
	static const char script[] =
		"cd \"$1\" 2>/dev/null || exit 0\n"
		"find . ! -name '*lock*' -printf '%m %s %y %p %l\\n' | grep -v ' d ' | sort -k4\n"
		"find . -type f ! -name '*lock*' | sort | xargs -r sha256sum\n";

	return tool_output(WORDS("sh", "-c", script, "sh", device->state));
}

unsigned device_grep(const struct device *device, const char *text)
{
	char *output;
	unsigned count = 0;

	tool_run(WORDS("grep", "-rlaF", "--", text, device->directory), &output);
	for (const char *next = output; *next != '\0'; next++)
		count += *next == '\n';
	if (count > 0)
		fprintf(stderr, "\"%s\" is in:\n%s", text, output);
	free(output);
	return count;
}
