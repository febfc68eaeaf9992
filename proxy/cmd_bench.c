/* ferrule bench: hands over to the benchmark's own program, which is not part of this one. */
#include "proxy/commands.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: ferrule bench ciphers | handshakes | requests | connections | peers [OPTIONS]\n"
	"Measures what TLS costs on this machine; where the benchmark is installed,\n"
	"--help lists its options.\n";

/* Where the benchmark is, seen from the directory of this program: in place or installed. */
static const char *const places[] = {
	"../../bench/harness",
	"../libexec/ferrule/bench/harness",
};

#define PLACES (sizeof places / sizeof places[0])

/* The path of this program; its own name is only good for where it was started. */
static int program_path(char path[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
	if (len < 0)
		return -errno;
	path[len] = '\0';
	return 0;
}

/* Freed by the caller; NULL: not there. */
static char *harness_find(const char *program)
{
	char directory[PATH_MAX];
	snprintf(directory, sizeof directory, "%s", program);
	const char *parent = dirname(directory);
	for (size_t i = 0; i < PLACES; i++) {
		char *path = NULL;
		if (asprintf(&path, "%s/%s", parent, places[i]) < 0)
			return NULL;
		char *found = realpath(path, NULL);
		free(path);
		if (found && access(found, X_OK) == 0)
			return found;
		free(found);
	}
	return NULL;
}

static bool asks_for_help(int argc, char **argv)
{
	return argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
}

/* It measures this very program. Returns only when it cannot be run. */
static int harness_run(const char *harness, const char *program, char **argv)
{
	if (setenv("FERRULE", program, 0) == 0)
		execv(harness, argv);
	int error = errno;
	fprintf(stderr, "ferrule bench: %s: %s%s\n", harness, strerror(error),
		error == ENOENT ? "; it is a program for /usr/bin/python3" : "");
	return 1;
}

int cmd_bench(int argc, char **argv)
{
	char program[PATH_MAX];
	int result = program_path(program);
	if (result < 0) {
		fprintf(stderr, "ferrule bench: /proc/self/exe: %s\n", strerror(-result));
		return 1;
	}
	char *harness = harness_find(program);
	if (harness) {
		result = harness_run(harness, program, argv);
		free(harness);
		return result;
	}
	if (asks_for_help(argc, argv)) {
		fputs(usage, stdout);
		return 0;
	}
	fprintf(stderr,
		"ferrule bench: the benchmark is not there: neither %s nor %s\n"
		"as seen from %s. Run it from the source tree (make, then\n"
		"build/release/ferrule bench), or install it with make install.\n",
		places[0], places[1], program);
	return 1;
}
