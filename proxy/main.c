#include "proxy/commands.h"

#include "pki/pki.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"run", cmd_run, "run in the foreground"},
	{"check", cmd_check, "check a configuration file"},
	{"reload", cmd_reload, "make the running instance take its file over"},
	{"show", cmd_show, "status of the running instance"},
	{"debug", cmd_debug, "log more about TLS sessions, while it runs"},
	{"probe", cmd_probe, "what this kernel and this OpenSSL can offload"},
	{"pki", cmd_pki, "key pairs and certificates"},
	{"bench", cmd_bench, "what TLS costs on this machine, beside other proxies"},
};

static void usage(FILE *out)
{
	fputs("usage: ferrule COMMAND [OPTIONS]\n"
	      "Terminates TLS in front of a plain HTTP server. Commands:\n",
		out);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("ferrule COMMAND --help tells more; ferrule --version the version.\n", out);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return 0;
	}
	/* Not for people: the process that talks to a CA. */
	if (argc == 2 && strcmp(argv[1], PKI_FETCH_HELPER) == 0)
		return pki_fetch_helper();
	if (strcmp(argv[1], "--version") == 0) {
		puts("ferrule " FERRULE_VERSION);
		return 0;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "ferrule: unknown command %s\n", argv[1]);
	usage(stderr);
	return EXIT_USAGE;
}
