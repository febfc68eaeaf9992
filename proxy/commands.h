/* The subcommands: each takes main()'s words from its own name on and returns the exit status. */
#ifndef FERRULE_PROXY_COMMANDS_H
#define FERRULE_PROXY_COMMANDS_H

#include <stdbool.h>

#define EXIT_USAGE 2

/* What the subcommands have in common. */
struct options {
	const char *config;  /* -c FILE */
	bool json;           /* --json */
	const char *what[4]; /* the words that are no options */
	int what_count;
};

/*
 * Reads the words behind a subcommand's name. Returns -1 to go on, or an exit
 * status: 0 after --help (the usage has been printed), EXIT_USAGE after an error.
 */
int options_parse(struct options *options, int argc, char **argv, const char *usage);

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_debug(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_pki(int argc, char **argv);
/* `ferrule show pki ...`, from "show" on. */
int cmd_show_pki(int argc, char **argv);

#endif
