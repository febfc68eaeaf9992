#include "proxy/commands.h"

#include "config/conf.h"
#include "proxy/control.h"
#include "proxy/debug.h"
#include "proxy/show.h"
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
		"SIGHUP: take the file over again; SIGUSR1: open the log files anew.\n"
		"FILE: " CONF_DEFAULT_PATH " by default.\n";
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

/* ---- questions about the running instance ------------------------------------------ */

#define WORDS_MAX 64

/* The words of the command line as one; false when that is too long to be anything. */
static bool join_words(const struct options *options, char words[WORDS_MAX])
{
	size_t len = 0;
	words[0] = '\0';
	for (int i = 0; i < options->what_count && len < WORDS_MAX; i++)
		len += (size_t)snprintf(
			words + len, WORDS_MAX - len, "%s%s", i ? " " : "", options->what[i]);
	return len < WORDS_MAX;
}

static int ask(const struct options *options, const char *verb, const char *words)
{
	char request[2 * WORDS_MAX];
	snprintf(request, sizeof request, "%s%s%s%s", verb, *words ? " " : "", words,
		options->json ? " --json" : "");
	return call(options->config, request);
}

/* The usage of a command that a list belongs to, which is freed. */
static char *usage_with(const char *usage, char *list)
{
	char *text = NULL;
	if (asprintf(&text, "%s%s", usage, list ? list : "") < 0)
		text = NULL;
	free(list);
	return text;
}

static int refuse_words(const char *command, const char *words, const char *usage)
{
	if (*words)
		fprintf(stderr, "ferrule %s: \"%s\" is unknown or incomplete\n", command, words);
	fputs(usage, stderr);
	return EXIT_USAGE;
}

int cmd_show(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "pki") == 0)
		return cmd_show_pki(argc, argv);
	struct options options;
	char words[WORDS_MAX];
	char *usage = usage_with("usage: ferrule show STATUS [--json] [-c FILE]\n"
				 "Asks the running instance. STATUS is one of\n",
		show_list());
	int status = usage ? options_parse(&options, argc, argv, usage) : 1;
	if (status < 0)
		status = join_words(&options, words) && show_exists(words)
				 ? ask(&options, "show", words)
				 : refuse_words("show", words, usage);
	free(usage);
	return status;
}

int cmd_debug(int argc, char **argv)
{
	struct options options;
	char words[WORDS_MAX];
	unsigned mask;
	enum debug_action action;
	char *usage = usage_with("usage: ferrule debug [SWITCH [on | off]] [--json] [-c FILE]\n"
				 "Has the running instance log more about new connections, until "
				 "it ends or the\nswitch is off; tells what is on. SWITCH is one "
				 "of\n",
		debug_list());
	int status = usage ? options_parse(&options, argc, argv, usage) : 1;
	if (status < 0)
		status = join_words(&options, words) && debug_parse(words, &mask, &action)
				 ? ask(&options, "debug", words)
				 : refuse_words("debug", words, usage);
	free(usage);
	return status;
}
