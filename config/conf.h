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

/* In place of a trustpoint's name: the system's CA certificates. */
#define CONF_TRUSTPOOL "trustpool"

enum conf_log_level { CONF_LOG_ERROR, CONF_LOG_WARNING, CONF_LOG_INFO, CONF_LOG_DEBUG };
enum conf_offload {
	CONF_OFFLOAD_AUTO,     /* both directions, else tx, else user space */
	CONF_OFFLOAD_TX,       /* only what we send, else user space */
	CONF_OFFLOAD_BOTH,     /* both directions or user space */
	CONF_OFFLOAD_OFF,      /* user space */
	CONF_OFFLOAD_REQUIRED, /* both directions or no connection */
};
enum conf_mode {
	CONF_MODE_HTTP,   /* HTTP/1.1 is read and its heads are rewritten */
	CONF_MODE_TUNNEL, /* bytes pass as they are */
};
enum conf_client_auth {
	CONF_CLIENT_AUTH_NONE,     /* no certificate is asked for */
	CONF_CLIENT_AUTH_OPTIONAL, /* asked for; the backend is told of none or a bad one */
	CONF_CLIENT_AUTH_REQUIRED, /* without a good one the handshake fails */
};
/* What the plain HTTP server does with a request. */
enum conf_action { CONF_ACTION_REDIRECT, CONF_ACTION_PROXY, CONF_ACTION_REFUSE };
enum conf_authentication { CONF_AUTHENTICATION_NONE, CONF_AUTHENTICATION_BASIC };
enum conf_access_format { CONF_ACCESS_COMBINED, CONF_ACCESS_JSON };
enum conf_backend_type { CONF_BACKEND_TCP, CONF_BACKEND_UNIX, CONF_BACKEND_FILES };
enum conf_method {
	CONF_METHOD_SELFSIGNED,
	CONF_METHOD_PEM,
	CONF_METHOD_SCEP,
	CONF_METHOD_EST,
	CONF_METHOD_TERMINAL,
	CONF_METHOD_PROFILE,
	CONF_METHOD_PKCS12,
	CONF_METHOD_TFTP,
	CONF_METHOD_FILE,
};
enum conf_key_type { CONF_KEY_EC, CONF_KEY_RSA };
enum conf_usage { CONF_USAGE_GENERAL, CONF_USAGE_KEYS };
enum conf_hash { CONF_HASH_SHA256, CONF_HASH_SHA384, CONF_HASH_SHA512 };

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
	unsigned header;   /* from the first byte of a request to the end of its head */
	unsigned connect;  /* of a connection to the backend */
	unsigned idle;     /* nothing received, nothing could be sent */
	unsigned life;     /* from the start of the connection; a request in progress is finished */
	unsigned requests; /* on one connection: a number, not a time */
};

/* What a request may be; beyond it is answered 414, 431 or 413. */
struct conf_limits {
	unsigned request_line; /* bytes */
	unsigned head;         /* bytes, of a response's head too */
	unsigned fields;       /* header lines */
	uint64_t body;         /* bytes; 0: no limit */
};

/* One line of an access class, in the order of the file; nothing that matches: denied. */
struct conf_access_rule {
	bool permit;
	int family;          /* AF_INET, AF_INET6, or AF_UNSPEC for "any" */
	unsigned prefix;     /* bits of `network` that count */
	uint8_t network[16]; /* in network byte order; bits behind the prefix are 0 */
};

/* What the plain server does below a path; the first one that matches counts. */
struct conf_path_action {
	char *path; /* begins with '/' */
	enum conf_action action;
};

/* A further certificate of a server. */
struct conf_certificate {
	int line;
	char *server_name; /* exact, or "*.DOMAIN"; NULL: beside the server's own, for any name */
	const struct conf_trustpoint *trustpoint; /* borrowed */
	struct conf_backend backend;              /* for this name; its text is NULL when not set */
};

struct conf_server {
	char *name;
	int line; /* of the server's group in its file, for messages */
	bool secure_server;
	struct conf_strings secure_address; /* numeric IPv4 and IPv6 addresses */
	uint16_t secure_port;               /* 0: any free port */
	bool http_server;                   /* the plain one */
	struct conf_strings http_address;
	uint16_t http_port;                   /* 0: any free port */
	struct conf_path_action *http_action; /* none that matches: redirect */
	size_t http_action_count;
	struct conf_backend backend;
	enum conf_mode mode;
	const struct conf_trustpoint *trustpoint; /* borrowed; NULL: self-signed default */
	struct conf_certificate *certificates;
	size_t certificate_count;
	struct conf_strings ciphersuites; /* OpenSSL's or IOS's names; empty: the default set */
	bool tls12, tls13;
	enum conf_offload offload;
	enum conf_client_auth client_auth;
	const struct conf_trustpoint *client_auth_trustpoint; /* borrowed; whose anchors count */
	struct conf_access_rule *access_class;
	size_t access_rule_count; /* 0: everybody is permitted */
	unsigned max_connections;
	struct conf_timeout_policy timeout;
	struct conf_limits limits;
	unsigned backend_max_connections; /* open at once, idle ones too; 0: a backend of files */
	unsigned backend_connections;     /* idle ones kept by each worker; 0: none */
	bool proxy_protocol;              /* version 2, in front of what the backend gets */
	bool forwarded;                   /* X-Forwarded-* and Forwarded */
	unsigned hsts;                    /* seconds of Strict-Transport-Security; 0: not sent */
	struct conf_strings response_headers; /* "NAME: VALUE", set in every response */
	struct {
		enum conf_authentication method;
		char *file;  /* htpasswd, absolute; NULL without a method */
		char *realm; /* without '"', '\\' or control characters */
	} authentication;
};

/* One of the values of an enrollment profile; at most one of the two is not NULL. */
struct conf_parameter {
	char *value;
	char *prompt; /* the operator is asked with it */
};

struct conf_profile {
	char *name;
	int line;
	/* An url may be "terminal"; NULL: not set. A command goes with an http or https url. */
	struct {
		char *url, *command;
	} authentication, enrollment, reenrollment;
	const struct conf_trustpoint *credential; /* borrowed; NULL: none */
	struct conf_parameter *parameters;
	size_t parameter_count;
};

struct conf_trustpoint {
	char *name;
	int line;
	bool primary;
	enum conf_method method;
	/* Whatever is "" in the file is NULL here. */
	struct {
		char *url, *username, *http_proxy, *source_interface;
		unsigned retry_count;               /* 1 to 100 */
		unsigned retry_period;              /* 1 to 60 minutes */
		const struct conf_profile *profile; /* borrowed; method profile */
		bool ra, legacy_des;
		bool require_standard; /* of SCEP servers: RFC 8894's mandatory part */
		bool renews_by_pkcsreq;
		char *ra_fingerprint; /* of the RA certificate that requests are encrypted to */
	} enrollment;
	char *fingerprint; /* of the CA's certificate */
	char *subject_name, *fqdn, *ip_address;
	bool serial_number;
	enum conf_hash hash;
	struct {
		/*
		 * Method pem. Certificate and key are both NULL in a trustpoint that only says
		 * whom to trust; chain and ca may be NULL.
		 */
		char *certificate, *key, *chain, *ca;
	} files;
	struct {
		enum conf_key_type type;
		char *curve;   /* "P-256" or "P-384" */
		unsigned bits; /* RSA: 2048 to 4096 */
		char *label;   /* NULL: the trustpoint's own */
		bool exportable;
		enum conf_usage usage;
	} key;
	struct conf_strings subject_alt_name; /* further DNS names or addresses */
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
		char *access; /* absolute path of the access log; NULL: none is written */
		enum conf_access_format access_format;
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
	struct conf_profile *profiles;
	size_t profile_count;
	/*
	 * Whom client_auth_trustpoint = "trustpool" means: its files.ca is the system's CA
	 * certificates when it is NULL.
	 */
	struct conf_trustpoint trustpool;
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
