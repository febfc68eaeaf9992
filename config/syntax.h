/* config: what the text of a value has to look like. */
#ifndef FERRULE_CONFIG_SYNTAX_H
#define FERRULE_CONFIG_SYNTAX_H

#include <stdbool.h>

struct conf_access_rule;
struct conf_backend;

struct conf_syntax {
	const char *what; /* completes "KEY must be ..." */
	bool (*is_sound)(const char *text);
};

extern const struct conf_syntax conf_syntax_name;    /* of a server or trustpoint */
extern const struct conf_syntax conf_syntax_account; /* user or group */
extern const struct conf_syntax conf_syntax_path;
extern const struct conf_syntax conf_syntax_absolute_path;
extern const struct conf_syntax conf_syntax_host_label; /* up to the first dot */
extern const struct conf_syntax conf_syntax_domain;     /* may be empty */
extern const struct conf_syntax conf_syntax_log_target;
extern const struct conf_syntax conf_syntax_address; /* numeric, to listen on */
extern const struct conf_syntax conf_syntax_ciphersuite;
extern const struct conf_syntax conf_syntax_alt_name;
extern const struct conf_syntax conf_syntax_server_name; /* of TLS: a DNS name */
extern const struct conf_syntax conf_syntax_url_path;    /* of a request, decoded */
extern const struct conf_syntax conf_syntax_header;      /* "NAME: VALUE" */
extern const struct conf_syntax conf_syntax_realm;       /* of HTTP's authentication */
extern const struct conf_syntax conf_syntax_url;         /* of a CA, or an absolute path */
extern const struct conf_syntax conf_syntax_profile_url; /* the same, or "terminal" */
extern const struct conf_syntax conf_syntax_http_proxy;
extern const struct conf_syntax conf_syntax_source_interface;
extern const struct conf_syntax conf_syntax_username;
extern const struct conf_syntax conf_syntax_fingerprint;
extern const struct conf_syntax conf_syntax_subject_name;
extern const struct conf_syntax conf_syntax_fqdn;
extern const struct conf_syntax conf_syntax_command; /* of an enrollment profile */
extern const struct conf_syntax conf_syntax_parameter;

/*
 * Takes a backend apart into newly allocated strings. 0; -EINVAL with the reason
 * in `why` (a constant that completes "KEY ..."); -ENOMEM. What has been
 * allocated hangs from `backend` in any case.
 */
int conf_backend_parse(
	const char *text, const char *directory, struct conf_backend *backend, const char **why);

/* Completes "KEY ...", as `why` of conf_backend_parse() does, with parts of the value in it. */
struct conf_reason {
	char text[192];
};

/* One line of an access class; false with the reason in `why`. */
bool conf_access_rule_parse(
	const char *text, struct conf_access_rule *rule, struct conf_reason *why);

/* Everybody whom `inner` matches is matched by `outer` already. */
bool conf_access_rule_covers(
	const struct conf_access_rule *outer, const struct conf_access_rule *inner);

#endif
