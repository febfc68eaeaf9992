#include "config/element.h"

#include <libconfig.h>
#include <string.h>
#include <strings.h>

#include "config/conf.h"
#include "config/report.h"
#include "config/syntax.h"
#include "config/text.h"

/* A response's head has room for them and for what the backend sends. */
#define RESPONSE_HEADERS_SIZE_MAX 8192

/* ---- keys that would be ignored, which none may be ----------------------- */

struct unused_key {
	const char *group,
		*name; /* group is NULL for the element's own keys; name ends the array */
	bool (*is_unused)(const void *element);
	const char *used_with;
};

/* An empty string says what is so anyway. */
static bool is_set(const config_setting_t *member)
{
	const char *text = member ? config_setting_get_string(member) : NULL;

	return member && !(text && *text == '\0');
}

static void unused_refuse(struct conf_report *report, const config_setting_t *setting,
	const struct unused_key *keys, const void *element)
{
	for (; keys->name; keys++) {
		const config_setting_t *group = setting;
		if (keys->group)
			group = config_setting_get_member(setting, keys->group);
		const config_setting_t *member =
			group ? config_setting_get_member(group, keys->name) : NULL;
		if (is_set(member) && keys->is_unused(element))
			conf_report_setting(report, member, "goes only with %s; remove one of them",
				keys->used_with);
	}
}

/* ---- rules of which the first that matches counts ------------------------ */

/* Does rule `outer` match whatever rule `inner` does? */
typedef bool covers_fn(const struct conf_server *server, unsigned outer, unsigned inner);

static bool access_covers(const struct conf_server *server, unsigned outer, unsigned inner)
{
	return conf_access_rule_covers(&server->access_class[outer], &server->access_class[inner]);
}

static bool path_covers(const struct conf_server *server, unsigned outer, unsigned inner)
{
	const char *prefix = server->http_action[outer].path;
	const char *path = server->http_action[inner].path;
	size_t len = strlen(prefix);

	if (prefix[len - 1] == '/')
		return strncmp(prefix, path, len) == 0;
	return strcmp(prefix, path) == 0;
}

static void unreached_refuse(struct conf_report *report, const config_setting_t *rules,
	size_t count, const struct conf_server *server, covers_fn *covers)
{
	for (unsigned inner = 1; inner < count; inner++) {
		unsigned outer = 0;
		while (outer < inner && !covers(server, outer, inner))
			outer++;
		if (outer < inner)
			conf_report_setting(report, config_setting_get_elem(rules, inner),
				"is never reached, because %s[%u] matches all of it; "
				"move it up or remove it",
				config_setting_name(rules), outer);
	}
}

/* ---- servers ------------------------------------------------------------ */

static bool is_tunnel(const void *element)
{
	const struct conf_server *server = element;

	return server->mode == CONF_MODE_TUNNEL;
}

static bool is_files(const void *element)
{
	const struct conf_server *server = element;

	return server->backend.type == CONF_BACKEND_FILES;
}

static bool is_tunnel_of_files(const void *element)
{
	return is_tunnel(element) && is_files(element);
}

static bool is_tunnel_with_http(const void *element)
{
	const struct conf_server *server = element;

	return is_tunnel(element) && server->http_server;
}

static bool is_tunnel_with_basic(const void *element)
{
	const struct conf_server *server = element;

	return is_tunnel(element) && server->authentication.method == CONF_AUTHENTICATION_BASIC;
}

static bool is_proxy_protocol_of_files(const void *element)
{
	const struct conf_server *server = element;

	return is_files(element) && server->proxy_protocol;
}

static bool is_without_client_auth(const void *element)
{
	const struct conf_server *server = element;

	return server->client_auth == CONF_CLIENT_AUTH_NONE;
}

static bool is_without_authentication(const void *element)
{
	const struct conf_server *server = element;

	return server->authentication.method == CONF_AUTHENTICATION_NONE;
}

#define MODE_HTTP      "mode = \"http\""
#define PROXY_BACKEND  "a TCP or Unix backend"
#define METHOD_BASIC   "method = \"basic\""
#define CLIENT_AUTH_ON "client_auth = \"optional\" or \"required\""

static const struct unused_key server_unused_keys[] = {
	/* clang-format off */
	{ NULL,             "http_server",            is_tunnel_with_http,        MODE_HTTP },
	{ "timeout_policy", "header",                 is_tunnel,                  MODE_HTTP },
	{ "timeout_policy", "requests",               is_tunnel,                  MODE_HTTP },
	{ NULL,             "limits",                 is_tunnel,                  MODE_HTTP },
	{ NULL,             "backend_connections",    is_tunnel,                  MODE_HTTP },
	{ NULL,             "forwarded",              is_tunnel,                  MODE_HTTP },
	{ NULL,             "hsts",                   is_tunnel,                  MODE_HTTP },
	{ NULL,             "response_headers",       is_tunnel,                  MODE_HTTP },
	{ NULL,             "authentication",         is_tunnel_with_basic,       MODE_HTTP },
	{ NULL,             "mode",                   is_tunnel_of_files,         PROXY_BACKEND },
	{ NULL,             "proxy_protocol",         is_proxy_protocol_of_files, PROXY_BACKEND },
	{ NULL,             "client_auth_trustpoint", is_without_client_auth,     CLIENT_AUTH_ON },
	{ "authentication", "file",                   is_without_authentication,  METHOD_BASIC },
	{ "authentication", "realm",                  is_without_authentication,  METHOD_BASIC },
	{ NULL, NULL, NULL, NULL },
	/* clang-format on */
};

#define OF_FRAMING    "which says where the body ends and is ferrule's to set"
#define OF_CONNECTION "which is about one connection and is ferrule's to set"

static const struct {
	const char *name, *why;
} reserved_headers[] = {
	/* clang-format off */
	{ "Content-Length",    OF_FRAMING },
	{ "Transfer-Encoding", OF_FRAMING },
	{ "Trailer",           OF_FRAMING },
	{ "Connection",        OF_CONNECTION },
	{ "Keep-Alive",        OF_CONNECTION },
	{ "Proxy-Connection",  OF_CONNECTION },
	{ "TE",                OF_CONNECTION },
	{ "Upgrade",           OF_CONNECTION },
	{ "Date",              "which is not the same in every response" },
	/* clang-format on */
};

static bool is_header_of(const char *header, const char *name)
{
	size_t len = strlen(name);

	return strncasecmp(header, name, len) == 0 && header[len] == ':';
}

static void header_check(struct conf_report *report, const config_setting_t *setting,
	const struct conf_server *server, const char *header)
{
	for (size_t i = 0; i < sizeof(reserved_headers) / sizeof(reserved_headers[0]); i++) {
		if (is_header_of(header, reserved_headers[i].name))
			conf_report_setting(report, setting, "sets %s, %s; remove it",
				reserved_headers[i].name, reserved_headers[i].why);
	}
	if (server->hsts > 0 && is_header_of(header, "Strict-Transport-Security"))
		conf_report_setting(report, setting,
			"sets Strict-Transport-Security, as hsts does; remove one of them");
}

static void headers_check(struct conf_report *report, const config_setting_t *headers,
	const struct conf_server *server)
{
	size_t size = 0;

	for (unsigned i = 0; i < server->response_headers.count; i++) {
		const char *header = server->response_headers.items[i];
		size += strlen(header);
		header_check(report, config_setting_get_elem(headers, i), server, header);
	}
	if (size > RESPONSE_HEADERS_SIZE_MAX)
		conf_report_setting(report, headers, "has %zu bytes, more than %d; shorten it",
			size, RESPONSE_HEADERS_SIZE_MAX);
}

static void limits_check(
	struct conf_report *report, config_setting_t *setting, const struct conf_limits *limits)
{
	if (limits->request_line >= limits->head)
		conf_report_setting(report, conf_report_place(setting, "limits"),
			"needs request_line below head, but they are %u and %u; change one",
			limits->request_line, limits->head);
}

static void certificate_backends_check(struct conf_report *report,
	const config_setting_t *certificates, const struct conf_server *server)
{
	for (unsigned i = 0; is_files(server) && i < server->certificate_count; i++) {
		if (server->certificates[i].backend.text)
			conf_report_setting(report,
				conf_report_place(
					config_setting_get_elem(certificates, i), "backend"),
				"goes only with a TCP or Unix backend of the server; "
				"remove it or change that");
	}
}

void conf_server_check(
	struct conf_report *report, struct config_setting_t *setting, const void *element)
{
	const struct conf_server *server = element;

	unused_refuse(report, setting, server_unused_keys, server);
	if (!server->secure_server && !server->http_server)
		conf_report_setting(report, conf_report_place(setting, "secure_server"),
			"and http_server are both false, so that nothing listens; "
			"set one of them to true");
	if (server->authentication.method == CONF_AUTHENTICATION_BASIC &&
		!server->authentication.file)
		conf_report_setting(report, conf_report_place(setting, "authentication"),
			"needs file for method \"basic\"; for example: file = \"htpasswd\";");
	unreached_refuse(report, config_setting_get_member(setting, "access_class"),
		server->access_rule_count, server, access_covers);
	unreached_refuse(report, config_setting_get_member(setting, "http_action"),
		server->http_action_count, server, path_covers);
	limits_check(report, setting, &server->limits);
	headers_check(report, config_setting_get_member(setting, "response_headers"), server);
	certificate_backends_check(
		report, config_setting_get_member(setting, "certificates"), server);
}

/* ---- certificates ------------------------------------------------------- */

static bool is_for_any_name(const void *element)
{
	const struct conf_certificate *certificate = element;

	return !certificate->server_name;
}

static const struct unused_key certificate_unused_keys[] = {
	{NULL, "backend", is_for_any_name, "server_name"},
	{NULL, NULL, NULL, NULL},
};

void conf_certificate_check(
	struct conf_report *report, struct config_setting_t *setting, const void *element)
{
	const struct conf_certificate *certificate = element;

	unused_refuse(report, setting, certificate_unused_keys, certificate);
	if (certificate->backend.type == CONF_BACKEND_FILES)
		conf_report_setting(report, conf_report_place(setting, "backend"),
			"must be HOST:PORT, [IPv6]:PORT or unix:PATH; it is %s",
			conf_text_quote(certificate->backend.text).text);
}

/* ---- trustpoints -------------------------------------------------------- */

static bool is_pem(const void *element)
{
	const struct conf_trustpoint *trustpoint = element;

	return trustpoint->method == CONF_METHOD_PEM;
}

static bool is_selfsigned(const void *element)
{
	const struct conf_trustpoint *trustpoint = element;

	return trustpoint->method == CONF_METHOD_SELFSIGNED;
}

static bool is_selfsigned_ec(const void *element)
{
	const struct conf_trustpoint *trustpoint = element;

	return is_selfsigned(element) && trustpoint->key.type == CONF_KEY_EC;
}

static bool is_selfsigned_rsa(const void *element)
{
	const struct conf_trustpoint *trustpoint = element;

	return is_selfsigned(element) && trustpoint->key.type == CONF_KEY_RSA;
}

static const struct unused_key trustpoint_unused_keys[] = {
	/* clang-format off */
	{ NULL,  "files",            is_selfsigned,     "enrollment.method = \"pem\"" },
	{ NULL,  "key",              is_pem,            "enrollment.method = \"selfsigned\"" },
	{ NULL,  "subject_alt_name", is_pem,            "enrollment.method = \"selfsigned\"" },
	{ "key", "curve",            is_selfsigned_rsa, "type = \"ec\"" },
	{ "key", "bits",             is_selfsigned_ec,  "type = \"rsa\"" },
	{ NULL, NULL, NULL, NULL },
	/* clang-format on */
};

bool conf_trustpoint_is_anchors_only(const struct conf_trustpoint *trustpoint)
{
	return trustpoint->files.ca && !trustpoint->files.certificate && !trustpoint->files.key &&
	       !trustpoint->files.chain;
}

void conf_trustpoint_check(
	struct conf_report *report, struct config_setting_t *setting, const void *element)
{
	const struct conf_trustpoint *trustpoint = element;

	unused_refuse(report, setting, trustpoint_unused_keys, trustpoint);
	if (!is_pem(trustpoint) || conf_trustpoint_is_anchors_only(trustpoint))
		return;
	if (!trustpoint->files.certificate)
		conf_report_setting(report, conf_report_place(setting, "files"),
			"needs the certificate's file for method \"pem\"; for example: "
			"files: { certificate = \"cert.pem\"; key = \"key.pem\"; };");
	if (!trustpoint->files.key)
		conf_report_setting(report, conf_report_place(setting, "files"),
			"needs the key's file for method \"pem\"; for example: "
			"files: { certificate = \"cert.pem\"; key = \"key.pem\"; };");
}
