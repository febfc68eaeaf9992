/*
 * The program under test: configured, started, watched through its log, stopped.
 * A fixture is one of them in front of one backend of ours.
 */
#ifndef FERRULE_TESTS_E2E_FERRULE_H
#define FERRULE_TESTS_E2E_FERRULE_H

#include "tests/e2e/backend.h"
#include "tests/e2e/client.h"
#include "tests/e2e/identity.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FERRULE_SERVERS 2

/* What a test wants different from the defaults; zero and NULL are the defaults. */
struct ferrule_settings {
	const char *backends[FERRULE_SERVERS]; /* of servers "web0" and "web1" */
	enum identity_kind identity;
	bool self_signed;         /* no trustpoint: the built-in default */
	const char *address;      /* "127.0.0.1" */
	uint16_t secure_port;     /* any free one: for files that are only checked */
	const char *offload;      /* "auto" */
	const char *versions;     /* "\"1.2\", \"1.3\"" */
	const char *ciphersuites; /* OpenSSL names in quotes, separated by commas */
	const char *tickets_file;
	unsigned workers;                          /* 1 */
	unsigned max_connections;                  /* 1000 */
	unsigned handshake_timeout, idle_timeout;  /* 20 and 60 seconds */
	unsigned drain_timeout;                    /* 2 seconds: what a forgotten client costs */
	unsigned descriptors;                      /* RLIMIT_NOFILE; as ours */
	bool keep_user;                            /* workers run as whoever we are */
	const char *mode;                          /* "tunnel"; a "files:" backend has none */
	const char *server_extra[FERRULE_SERVERS]; /* further keys of each server … */
	const char *timeouts;                      /* … and of their timeout_policy */
	const char *log_extra;                     /* further keys of log */
	const char *trustpoints;                   /* further ones, each "{ … }" */
	const char *extra;                         /* top-level text, for what a test breaks */
};

struct ferrule {
	pid_t pid;
	uint16_t ports[FERRULE_SERVERS];
	uint16_t plain_ports[FERRULE_SERVERS]; /* 0: it has no plain listener */
	char directory[256];
	char conf_path[300], log_path[300];
	char certificate_path[300], key_path[300];
};

/* Writes the identity and the configuration and starts it; waits until it is ready. */
struct ferrule *ferrule_start(const struct ferrule_settings *settings);
/* The same without starting it. */
struct ferrule *ferrule_prepare(const struct ferrule_settings *settings);
/* The same without the wait: for configurations that must be refused. */
struct ferrule *ferrule_launch(const struct ferrule_settings *settings);
/* SIGTERM, expects exit status 0 and no word of a sanitizer; frees. NULL is allowed. */
void ferrule_stop(struct ferrule *ferrule);

/* Rewrites the configuration file; nothing is told to the running instance. */
bool ferrule_configure(struct ferrule *ferrule, const struct ferrule_settings *settings);
/* Runs `ferrule reload`: its exit status; what it said is in *output, to be freed. */
int ferrule_reload(const struct ferrule *ferrule, char **output);
/*
 * Runs `ferrule WORDS… -c FILE` with the words up to a NULL, at most six of them: its
 * exit status; what it said is in *output, to be freed.
 */
int ferrule_command(const struct ferrule *ferrule, const char *const words[], char **output);
/* Runs `ferrule show offload --json`; NULL on failure, to be freed. */
char *ferrule_show_offload(const struct ferrule *ferrule);

/* Waits until the log holds the text (any case). */
bool ferrule_wait_log(const struct ferrule *ferrule, const char *text);
/* How often the log holds it now. */
unsigned ferrule_count_log(const struct ferrule *ferrule, const char *text);

/* ---- the line that ends a connection ---- */

#define CONN_LINE_FIELDS 32

struct conn_line {
	char text[4096]; /* taken apart in place */
	struct {
		const char *name, *value;
	} fields[CONN_LINE_FIELDS];
	size_t count;
};

/* Waits for the line of the connection from this port of the client's. */
bool conn_line_wait(const struct ferrule *ferrule, uint16_t client_port, struct conn_line *line);
/* Hangs up first: the line is written when both ends have closed. */
bool conn_line_after(const struct ferrule *ferrule, struct client *client, struct conn_line *line);
/* "" when the line has no such field. */
const char *conn_line_get(const struct conn_line *line, const char *name);
uint64_t conn_line_number(const struct conn_line *line, const char *name);

/* ---- fixture ---- */

struct fixture {
	struct backend *backend;
	struct ferrule *ferrule;
};

/* The settings' first backend becomes the fixture's. false: expectation failed. */
bool fixture_start(struct fixture *fixture, struct ferrule_settings settings);
void fixture_stop(struct fixture *fixture);

/* A client of the fixture that has shaken hands; NULL: expectation failed. */
struct client *fixture_client(const struct fixture *fixture, struct client_options options);
/* The same, and the first line is sent. */
struct client *fixture_visit(
	const struct fixture *fixture, struct client_options options, const char *command);
/* Expects that a fresh connection is served: what every fault must leave intact. */
void fixture_expect_service(const struct fixture *fixture);

#endif
