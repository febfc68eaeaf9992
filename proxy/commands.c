#include "proxy/commands.h"

#include "config/conf.h"
#include "proxy/control.h"
#include "proxy/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int options_parse(struct options *options, int argc, char **argv, const char *usage)
{
	*options = (struct options){.config = CONF_DEFAULT_PATH};
	const int most = (int)(sizeof options->what / sizeof options->what[0]);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(usage, stdout);
			return 0;
		}
		if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			options->config = argv[++i];
		else if (strcmp(argv[i], "--json") == 0)
			options->json = true;
		else if (*argv[i] != '-' && options->what_count < most)
			options->what[options->what_count++] = argv[i];
		else {
			fprintf(stderr, "ferrule %s: unknown or incomplete option %s\n%s", argv[0],
				argv[i], usage);
			return EXIT_USAGE;
		}
	}
	return -1;
}

/* For commands that take neither words nor --json. */
static int parse_plain(struct options *options, int argc, char **argv, const char *usage)
{
	int parsed = options_parse(options, argc, argv, usage);
	if (parsed >= 0 || (options->what_count == 0 && !options->json))
		return parsed;
	fprintf(stderr, "ferrule %s: %s is not understood here\n%s", argv[0],
		options->json ? "--json" : options->what[0], usage);
	return EXIT_USAGE;
}

int cmd_run(int argc, char **argv)
{
	static const char usage[] =
		"usage: ferrule run [-c FILE]\n"
		"Runs in the foreground. SIGTERM: finish connections and end (drain_timeout);\n"
		"SIGHUP: take the file over again. FILE: " CONF_DEFAULT_PATH " by default.\n";
	struct options options;
	int parsed = parse_plain(&options, argc, argv, usage);
	return parsed >= 0 ? parsed : supervisor_run(options.config);
}

int cmd_check(int argc, char **argv)
{
	static const char usage[] =
		"usage: ferrule check [-c FILE]\n"
		"Says whether FILE could be run; writes and binds nothing. Exit status 0 or 1.\n";
	struct options options;
	int parsed = parse_plain(&options, argc, argv, usage);
	return parsed >= 0 ? parsed : supervisor_check(options.config);
}

/* Loads the file only to learn where the running instance can be reached. */
static char *run_directory_of(const char *path)
{
	struct conf_errors errors = {0};
	struct conf *conf = conf_load(path, &errors);
	for (size_t i = 0; !conf && i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.lines[i]);
	char *run_directory = conf ? strdup(conf->run_directory) : NULL;
	conf_errors_clear(&errors);
	conf_free(conf);
	return run_directory;
}

/* Sends the request and prints the answer where it belongs. */
static int call(const char *path, const char *request)
{
	char error[512] = "out of memory", *text = NULL;
	char *run_directory = run_directory_of(path);
	if (!run_directory)
		return 1;
	int status = control_call(run_directory, request, &text, error, sizeof error);
	free(run_directory);
	if (status < 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	size_t len = strlen(text);
	fprintf(status ? stderr : stdout, "%s%s", text, len && text[len - 1] == '\n' ? "" : "\n");
	free(text);
	return status;
}

int cmd_reload(int argc, char **argv)
{
	static const char usage[] =
		"usage: ferrule reload [-c FILE]\n"
		"The running instance takes FILE over, or keeps its configuration and says why.\n"
		"Established connections go on as they are.\n";
	struct options options;
	int parsed = parse_plain(&options, argc, argv, usage);
	if (parsed >= 0)
		return parsed;
	char request[CONTROL_REQUEST_MAX];
	char *path = realpath(options.config, NULL);
	if (!path) {
		fprintf(stderr, "%s: %s\n", options.config, strerror(errno));
		return 1;
	}
	snprintf(request, sizeof request, "reload %s", path);
	int status = call(path, request);
	free(path);
	return status;
}

int cmd_show(int argc, char **argv)
{
	static const char usage[] =
		"usage: ferrule show offload | sessions [--json] [-c FILE]\n"
		"  offload   connections by who protects their records: kernel or user space\n"
		"  sessions  connections open, accepted, refused and failed\n";
	struct options options;
	int parsed = options_parse(&options, argc, argv, usage);
	if (parsed >= 0)
		return parsed;
	if (options.what_count != 1) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	char request[64];
	int n = snprintf(request, sizeof request, "show %s%s", options.what[0],
		options.json ? " --json" : "");
	if (n >= (int)sizeof request) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	return call(options.config, request);
}
