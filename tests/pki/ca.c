#include "tests/pki/ca.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/process.h"
#include "tests/pki/tool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* ---- start and stop ---- */

/* Beside this program; $PKI_RESPONDER says otherwise. */
static const char *responder_path(void)
{
	static char path[512];
	const char *given = getenv("PKI_RESPONDER");
	ssize_t len;

	if (given != NULL)
		return given;
	len = readlink("/proc/self/exe", path, sizeof(path) - 32);
	if (len < 0)
		return "pki-responder";
	path[len] = '\0';
	strcpy(strrchr(path, '/') + 1, "pki-responder");
	return path;
}

/* Ten RSA keys are worth keeping: one directory serves every test of this process. */
static const char *keys_directory(void)
{
	static char path[64];

	if (path[0] == '\0')
		snprintf(path, sizeof(path), "/tmp/ferrule-pki-ca-%d", (int)getpid());
	return path;
}

__attribute__((destructor)) static void keys_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", keys_directory());
	if (system(command) != 0)
		perror(command);
}

static uint16_t port_of(const char *output, const char *scheme)
{
	char line[32];
	const char *found = output;

	snprintf(line, sizeof(line), "%s ", scheme);
	while ((found = strstr(found, line)) != NULL) {
		if (found == output || found[-1] == '\n')
			return (uint16_t)strtoul(found + strlen(line), NULL, 10);
		found++;
	}
	return 0;
}

static bool ca_ready(struct ca *ca, const char *output_path)
{
	char *output;

	do {
		output = harness_file_read(output_path, NULL);
		if (output != NULL && strstr(output, "ready\n") != NULL)
			break;
		free(output);
		if (!process_is_running(ca->pid) || !harness_tick())
			return false;
	} while (true);
	ca->http = port_of(output, "http");
	ca->http6 = port_of(output, "http6");
	ca->https = port_of(output, "https");
	ca->https6 = port_of(output, "https6");
	ca->https_rogue = port_of(output, "https-rogue");
	free(output);
	return ca->http != 0 && ca->https != 0;
}

struct ca *ca_start(void)
{
	struct ca *ca = calloc(1, sizeof(*ca));
	const char *output = harness_path("responder.log");
	const char *argv[] = {
		responder_path(), "--journal", harness_path("journal.log"), keys_directory(), NULL};
	struct process_options options = {.argv = argv, .output = output};

	if (ca == NULL)
		return NULL;
	unlink(output);
	snprintf(ca->directory, sizeof(ca->directory), "%s", keys_directory());
	snprintf(ca->journal, sizeof(ca->journal), "%s", argv[2]);
	snprintf(ca->root, sizeof(ca->root), "%s/root.crt", ca->directory);
	ca->pid = process_spawn(&options);
	if (EXPECT(ca_ready(ca, output)) && EXPECT(fingerprint_of(ca->root, "SHA256",
						    ca->fingerprint, sizeof(ca->fingerprint))))
		return ca;
	process_stop(ca->pid, SIGKILL);
	free(ca);
	return NULL;
}

void ca_stop(struct ca *ca)
{
	if (ca == NULL)
		return;
	process_stop(ca->pid, SIGTERM);
	free(ca);
}

/* ---- addresses ---- */

const char *ca_url(const struct ca *ca, const char *path)
{
	return keep("http://127.0.0.1:%u/%s", ca->http, path);
}

const char *ca_url_tls(const struct ca *ca, const char *path)
{
	return keep("https://localhost:%u%s%s", ca->https, path[0] != '\0' ? "/" : "", path);
}

const char *ca_file(const struct ca *ca, const char *name)
{
	return keep("%s/%s", ca->directory, name);
}

bool ca_mode(const struct ca *ca, const char *modes)
{
	char path[300];

	snprintf(path, sizeof(path), "mode/%s", modes);
	return TOOL_EXPECT("curl", "-sSf", "--noproxy", "*", ca_url(ca, path));
}

/* ---- the journal ---- */

static bool line_holds(const char *line, size_t len, const char *text)
{
	return memmem(line, len, text, strlen(text)) != NULL;
}

unsigned ca_count(const struct ca *ca, const char *first, const char *second)
{
	char *journal = harness_file_read(ca->journal, NULL);
	unsigned count = 0;

	for (const char *line = journal; line != NULL && *line != '\0';) {
		size_t len = strcspn(line, "\n");

		if (line_holds(line, len, first) && line_holds(line, len, second))
			count++;
		line += len;
		if (*line == '\n')
			line++;
	}
	free(journal);
	return count;
}

bool ca_wait(const struct ca *ca, const char *first, const char *second, unsigned count)
{
	do {
		if (ca_count(ca, first, second) >= count)
			return true;
	} while (harness_tick());
	return false;
}

static void field_of(const char *line, const char *field, char *out, size_t size)
{
	char start[64];
	const char *found;

	snprintf(start, sizeof(start), " %s=\"", field);
	found = strstr(line, start);
	if (found == NULL || found > line + strcspn(line, "\n"))
		return;
	found += strlen(start);
	snprintf(out, size, "%.*s", (int)strcspn(found, "\""), found);
}

void ca_last(const struct ca *ca, const char *event, const char *field, char *out, size_t size)
{
	char *journal = harness_file_read(ca->journal, NULL);
	size_t len = strlen(event);

	out[0] = '\0';
	for (const char *line = journal; line != NULL && *line != '\0';) {
		if (strncmp(line, event, len) == 0 && line[len] == ' ')
			field_of(line, field, out, size);
		line += strcspn(line, "\n");
		if (*line == '\n')
			line++;
	}
	free(journal);
}

void ca_forget(const struct ca *ca)
{
	EXPECT(truncate(ca->journal, 0) == 0);
}

/* ---- fingerprints ---- */

bool fingerprint_of(const char *path, const char *hash, char *out, size_t size)
{
	FILE *file = fopen(path, "re");
	X509 *certificate = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	out[0] = '\0';
	if (certificate != NULL)
		X509_digest(certificate, EVP_get_digestbyname(hash), digest, &len);
	for (unsigned i = 0; i < len && 2 * i + 2 < size; i++)
		sprintf(out + 2 * (size_t)i, "%02X", digest[i]);
	X509_free(certificate);
	if (file != NULL)
		fclose(file);
	return len > 0;
}
