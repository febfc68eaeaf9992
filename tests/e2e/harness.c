#include "tests/e2e/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>

#define DEADLINE_SECONDS 30
#define GUEST_FACTOR     4 /* user-mode-linux: one CPU, generic C crypto */
#define LOG_TAIL         12000
#define MAX_PATHS        4096

static struct {
	pthread_mutex_t mutex; /* CUnit's failure list knows nothing of threads */
	atomic_llong deadline;
	char scratch[256];
	char *paths[MAX_PATHS];
	size_t path_count;
	unsigned failures; /* of this program when the test began */
} harness = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- expectations ---- */

static _Thread_local const char *note;

void harness_note(const char *text)
{
	note = text;
}

/* The text and the note, whose control characters are written out. */
static void note_add(char *out, size_t size, const char *text)
{
	size_t len = (size_t)snprintf(out, size, "%s [", text);

	for (const char *next = note; *next != '\0' && len + 8 < size; next++) {
		if (*next == '\r' || *next == '\n')
			len += (size_t)snprintf(
				out + len, size - len, "\\%c", *next == '\r' ? 'r' : 'n');
		else if ((unsigned char)*next < 0x20)
			len += (size_t)snprintf(out + len, size - len, "\\x%02x", (unsigned)*next);
		else
			out[len++] = *next;
	}
	snprintf(out + len, size - len, "]");
}

static bool expect(bool holds, const char *text, const char *file, int line)
{
	char noted[2048];

	if (note != NULL && !holds) {
		note_add(noted, sizeof(noted), text);
		text = noted;
	}
	pthread_mutex_lock(&harness.mutex);
	CU_assertImplementation(holds, (unsigned)line, text, file, "", CU_FALSE);
	pthread_mutex_unlock(&harness.mutex);
	return holds;
}

bool harness_expect(bool holds, const char *what, const char *file, int line)
{
	return expect(holds, what, file, line);
}

bool harness_expect_equal(
	int64_t actual, int64_t expected, const char *what, const char *file, int line)
{
	char text[512];

	snprintf(text, sizeof(text), "%s is %lld, expected %lld", what, (long long)actual,
		(long long)expected);
	return expect(actual == expected, text, file, line);
}

bool harness_expect_text(
	const char *actual, const char *expected, const char *what, const char *file, int line)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s is \"%s\", expected \"%s\"", what, actual, expected);
	return expect(strcmp(actual, expected) == 0, text, file, line);
}

bool harness_expect_contains(
	const char *actual, const char *part, const char *what, const char *file, int line)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s holds no \"%s\": %.800s", what, part, actual);
	return expect(strcasestr(actual, part) != NULL, text, file, line);
}

/* ---- time ---- */

int64_t harness_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void deadline_missed(int signal_number)
{
	static const char text[] = "\ntest-e2e: a test did not end after its deadline\n";

	(void)signal_number;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1); /* children follow: process_spawn() asked for PR_SET_PDEATHSIG */
}

void harness_deadline_set(unsigned seconds)
{
	if (harness_has_ktls())
		seconds *= GUEST_FACTOR;
	atomic_store(&harness.deadline, harness_now() + (int64_t)seconds * 1000);
	/* Nothing should need this: every wait below asks harness_remaining(). */
	signal(SIGALRM, deadline_missed);
	alarm(seconds + 30);
}

int harness_remaining(void)
{
	int64_t left = atomic_load(&harness.deadline) - harness_now();

	return left > 0 ? (int)left : 0;
}

void harness_pause(int milliseconds)
{
	poll(NULL, 0, milliseconds);
}

bool harness_tick(void)
{
	if (harness_remaining() == 0)
		return false;
	harness_pause(5);
	return true;
}

/* ---- one test ---- */

void harness_test_start(void)
{
	const char *parent = getenv("TMPDIR");

	harness.failures = CU_get_number_of_failures();
	harness_note(NULL);
	harness_deadline_set(DEADLINE_SECONDS);
	snprintf(harness.scratch, sizeof(harness.scratch), "%s/ferrule-e2e-XXXXXX",
		parent != NULL ? parent : "/tmp");
	/* Workers run as nobody: the default 0700 would shut them out. */
	if (mkdtemp(harness.scratch) == NULL || chmod(harness.scratch, 0755) < 0) {
		perror(harness.scratch);
		exit(2);
	}
}

static void log_show(const char *path)
{
	size_t len;
	char *text = harness_file_read(path, &len);

	if (text == NULL)
		return;
	fprintf(stderr, "\n---- %s ----\n%s%s", path, len > LOG_TAIL ? "[...]" : "",
		len > LOG_TAIL ? text + len - LOG_TAIL : text);
	free(text);
}

static void logs_show(void)
{
	const char *patterns[] = {harness_path("*.log"), harness_path("*/*.log")};
	glob_t found;

	for (size_t i = 0; i < 2; i++) {
		if (glob(patterns[i], 0, NULL, &found) != 0)
			continue;
		for (size_t j = 0; j < found.gl_pathc; j++)
			log_show(found.gl_pathv[j]);
		globfree(&found);
	}
}

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status, (void)type, (void)where;
	return remove(path);
}

void harness_test_end(void)
{
	if (CU_get_number_of_failures() > harness.failures)
		logs_show();
	nftw(harness.scratch, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
	while (harness.path_count > 0)
		free(harness.paths[--harness.path_count]);
	alarm(0);
}

const char *harness_scratch(void)
{
	return harness.scratch;
}

const char *harness_path(const char *format, ...)
{
	va_list arguments;
	char name[256];
	char *path = NULL;

	va_start(arguments, format);
	vsnprintf(name, sizeof(name), format, arguments);
	va_end(arguments);
	if (harness.path_count == MAX_PATHS ||
		asprintf(&path, "%s/%s", harness.scratch, name) < 0) {
		fprintf(stderr, "test-e2e: no room for the path of %s\n", name);
		exit(2);
	}
	harness.paths[harness.path_count++] = path;
	return path;
}

/* ---- the machine ---- */

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL && strcmp(value, "1") == 0;
}

const char *harness_ferrule(void)
{
	const char *path = getenv("FERRULE");

	return path != NULL ? path : "build/release/ferrule";
}

bool harness_has_ktls(void)
{
	return is_set("FERRULE_KTLS");
}

bool harness_has_rekey(void)
{
	return is_set("FERRULE_REKEY");
}

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

bool harness_is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
	return true;
#else
	return false;
#endif
}

/* ---- files ---- */

char *harness_file_read(const char *path, size_t *len)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	ssize_t got;

	if (file == NULL)
		return NULL;
	got = getdelim(&text, &room, EOF, file);
	fclose(file);
	if (got < 0) { /* empty: getdelim() says -1 */
		free(text);
		text = strdup("");
		got = 0;
	}
	if (len != NULL)
		*len = (size_t)got;
	return text;
}

bool harness_file_write(const char *path, const void *data, size_t len)
{
	FILE *file = fopen(path, "we");
	bool written;

	if (file == NULL)
		return false;
	written = fwrite(data, 1, len, file) == len;
	return fclose(file) == 0 && written;
}
