/*
 * config: the libconfig file of ferrule(5) as one immutable struct conf.
 *
 * conf_load() reads, checks and returns it; nothing changes it afterwards, so
 * processes may share it across fork() and a reload builds a second one beside
 * the first. All strings are owned by the struct conf they hang from.
 */
#ifndef FERRULE_CONF_H
#define FERRULE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_DEFAULT_PATH "/etc/ferrule/ferrule.conf"

enum conf_log_level { CONF_LOG_ERROR, CONF_LOG_WARNING, CONF_LOG_INFO, CONF_LOG_DEBUG };
enum conf_offload {
	CONF_OFFLOAD_AUTO,     /* both directions, else tx, else user space */
	CONF_OFFLOAD_TX,       /* only what we send, else user space */
	CONF_OFFLOAD_BOTH,     /* both directions or user space */
	CONF_OFFLOAD_OFF,      /* user space */
	CONF_OFFLOAD_REQUIRED, /* both directions or no connection */
};
enum conf_mode { CONF_MODE_TUNNEL };
enum conf_backend_type { CONF_BACKEND_TCP, CONF_BACKEND_UNIX, CONF_BACKEND_FILES };
enum conf_method { CONF_METHOD_SELFSIGNED, CONF_METHOD_PEM };
enum conf_key_type { CONF_KEY_EC, CONF_KEY_RSA };

/* A list of strings; items is NULL when count is 0. */
struct conf_strings {
	char **items;
	size_t count;
};

struct conf_backend {
	enum conf_backend_type type;
	char *text; /* as written, for logs */
	char *host; /* TCP: name or address, without brackets; else NULL */
	char *path; /* UNIX: socket; FILES: directory; else NULL */
	uint16_t port;
};

/* Seconds; 0 means no limit. */
struct conf_timeout_policy {
	unsigned handshake;
	unsigned idle;
};

struct conf_server {
	char *name;
	int line; /* of the server's group in its file, for messages */
	bool secure_server;
	struct conf_strings secure_address; /* numeric IPv4 and IPv6 addresses */
	uint16_t secure_port;               /* 0: any free port */
	struct conf_backend backend;
	enum conf_mode mode;
	const struct conf_trustpoint *trustpoint; /* borrowed; NULL: self-signed default */
	struct conf_strings ciphersuites;         /* empty: the default set */
	bool tls12, tls13;
	enum conf_offload offload;
	unsigned max_connections;
	struct conf_timeout_policy timeout;
};

struct conf_trustpoint {
	char *name;
	int line;
	bool primary;
	enum conf_method method;
	struct {
		char *certificate, *key, *chain; /* method pem; chain may be NULL */
	} files;
	struct {
		enum conf_key_type type;
		char *curve;   /* "P-256" or "P-384" */
		unsigned bits; /* RSA: 2048 to 4096 */
	} key;
	struct conf_strings
		subject_alt_name; /* method selfsigned: further DNS names or addresses */
};

/* All paths in it are absolute, but for its own. */
struct conf {
	unsigned references; /* owners besides the first */
	char *path;          /* of the file this came from, as conf_load() was given it */
	char *state_directory, *run_directory;
	char *user, *group;
	unsigned workers;             /* 0: one per core */
	char *hostname, *domain_name; /* domain_name may be "" */
	struct {
		enum conf_log_level level;
		char *target; /* "stderr", "syslog" or an absolute path */
	} log;
	struct {
		char *file;        /* NULL: keys made and rotated by the supervisor */
		unsigned lifetime; /* seconds a ticket is accepted */
	} tickets;
	unsigned drain_timeout; /* seconds connections may go on after SIGTERM */
	struct conf_server *servers;
	size_t server_count;
	struct conf_trustpoint *trustpoints;
	size_t trustpoint_count;
};

/* Everything that is wrong with a file, in the order of its lines. */
struct conf_errors {
	char **lines; /* "FILE:LINE: KEY what is wrong; what to do" */
	size_t count;
};

/*
 * Reads and checks the file. Returns a configuration that the caller frees, or
 * NULL with at least one error in `errors` (which the caller empties with
 * conf_errors_clear() in either case; pass it zeroed).
 */
struct conf *conf_load(const char *path, struct conf_errors *errors);
/* One more owner; each of them calls conf_free(). */
struct conf *conf_ref(struct conf *conf);
void conf_free(struct conf *conf);

void conf_errors_clear(struct conf_errors *errors);

/* The word of the configuration file for a value, for logs and status. */
const char *conf_offload_name(enum conf_offload offload);

#endif
