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
	{ NULL,             "backend_max_connections", is_tunnel,                 MODE_HTTP },
	{ NULL,             "backend_max_connections", is_files,                  PROXY_BACKEND },
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

/* A client's connection needs one to a backend at most. */
static void backend_limit_complete(struct conf_server *server)
{
	if (is_files(server))
		server->backend_max_connections = 0;
	else if (server->backend_max_connections == 0)
		server->backend_max_connections = server->max_connections;
}

void conf_server_check(struct conf_report *report, struct config_setting_t *setting, void *element)
{
	const struct conf_server *server = element;

	unused_refuse(report, setting, server_unused_keys, server);
	backend_limit_complete(element);
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
	struct conf_report *report, struct config_setting_t *setting, void *element)
{
	const struct conf_certificate *certificate = element;

	unused_refuse(report, setting, certificate_unused_keys, certificate);
	if (certificate->backend.type == CONF_BACKEND_FILES)
		conf_report_setting(report, conf_report_place(setting, "backend"),
			"must be HOST:PORT, [IPv6]:PORT or unix:PATH; it is %s",
			conf_text_quote(certificate->backend.text).text);
}

/* ---- trustpoints: what each method makes use of --------------------------- */

static enum conf_method method_of(const void *element)
{
	const struct conf_trustpoint *trustpoint = element;

	return trustpoint->method;
}

static bool is_pem(const void *element)
{
	return method_of(element) == CONF_METHOD_PEM;
}

static bool is_not_pem(const void *element)
{
	return !is_pem(element);
}

static bool is_pkcs12(const void *element)
{
	return method_of(element) == CONF_METHOD_PKCS12;
}

static bool is_selfsigned(const void *element)
{
	return method_of(element) == CONF_METHOD_SELFSIGNED;
}

/* Its own key and names come from elsewhere. */
static bool is_brought(const void *element)
{
	return is_pem(element) || is_pkcs12(element);
}

/* There is no CA to be asked or known. */
static bool is_without_ca(const void *element)
{
	return is_pem(element) || is_selfsigned(element);
}

static bool is_without_request(const void *element)
{
	return is_brought(element) || is_selfsigned(element);
}

static bool is_without_url(const void *element)
{
	enum conf_method method = method_of(element);

	return is_without_ca(element) || method == CONF_METHOD_TERMINAL ||
	       method == CONF_METHOD_PROFILE;
}

static bool is_not_est(const void *element)
{
	return method_of(element) != CONF_METHOD_EST;
}

static bool is_not_profile(const void *element)
{
	return method_of(element) != CONF_METHOD_PROFILE;
}

/* A profile may speak SCEP too. */
static bool is_not_scep(const void *element)
{
	return method_of(element) != CONF_METHOD_SCEP && is_not_profile(element);
}

static bool is_without_polls(const void *element)
{
	return is_not_scep(element) && is_not_est(element);
}

static bool is_without_http(const void *element)
{
	return is_without_polls(element) && !is_pkcs12(element);
}

static bool is_without_network(const void *element)
{
	return is_without_http(element) && method_of(element) != CONF_METHOD_TFTP;
}

static bool is_ec(const void *element)
{
	const struct conf_trustpoint *trustpoint = element;

	return !is_brought(element) && trustpoint->key.type == CONF_KEY_EC;
}

static bool is_rsa(const void *element)
{
	const struct conf_trustpoint *trustpoint = element;

	return !is_brought(element) && trustpoint->key.type == CONF_KEY_RSA;
}

#define METHOD(word)    "enrollment.method = \"" word "\""
#define METHOD_OF_CA    "an enrollment.method that has a CA"
#define METHOD_OF_KEY   "an enrollment.method that makes a key"
#define METHOD_OF_HTTP  "an enrollment.method over HTTP"
#define METHOD_REQUESTS "an enrollment.method that makes a request"

static const struct unused_key trustpoint_unused_keys[] = {
	/* clang-format off */
	{ NULL,         "files",            is_not_pem,         METHOD("pem") },
	{ "enrollment", "url",              is_without_url,     "an enrollment.method that has one" },
	{ "enrollment", "username",         is_not_est,         METHOD("est") },
	{ "enrollment", "http_proxy",       is_without_http,    METHOD_OF_HTTP },
	{ "enrollment", "retry_count",      is_without_polls,   "an enrollment.method that waits" },
	{ "enrollment", "retry_period",     is_without_polls,   "an enrollment.method that waits" },
	{ "enrollment", "source_interface", is_without_network, "an enrollment.method over the network" },
	{ "enrollment", "profile",          is_not_profile,     METHOD("profile") },
	{ "enrollment", "ra",               is_not_scep,        METHOD("scep") },
	{ "enrollment", "legacy_des",       is_not_scep,        METHOD("scep") },
	{ "enrollment", "require_standard", is_not_scep,        METHOD("scep") },
	{ "enrollment", "renews_by_pkcsreq", is_not_scep,        METHOD("scep") },
	{ "enrollment", "ra_fingerprint",   is_not_scep,        METHOD("scep") },
	{ NULL,         "fingerprint",      is_without_ca,      METHOD_OF_CA },
	{ NULL,         "key",              is_pem,             METHOD_OF_KEY },
	{ "key",        "type",             is_pkcs12,          METHOD_OF_KEY },
	{ "key",        "curve",            is_brought,         METHOD_OF_KEY },
	{ "key",        "bits",             is_brought,         METHOD_OF_KEY },
	{ "key",        "label",            is_brought,         METHOD_OF_KEY },
	{ "key",        "usage",            is_brought,         METHOD_OF_KEY },
	{ "key",        "curve",            is_rsa,             "type = \"ec\"" },
	{ "key",        "bits",             is_ec,              "type = \"rsa\"" },
	{ NULL,         "subject_name",     is_brought,         METHOD_REQUESTS },
	{ NULL,         "fqdn",             is_brought,         METHOD_REQUESTS },
	{ NULL,         "ip_address",       is_brought,         METHOD_REQUESTS },
	{ NULL,         "serial_number",    is_brought,         METHOD_REQUESTS },
	{ NULL,         "subject_alt_name", is_brought,         METHOD_REQUESTS },
	{ NULL,         "hash",             is_without_request, METHOD_REQUESTS },
	{ NULL, NULL, NULL, NULL },
	/* clang-format on */
};

/* ---- trustpoints: where the CA is ----------------------------------------- */

static const struct {
	enum conf_method method;
	const char *scheme, *or_scheme, *what, *example;
} method_urls[] = {
	/* clang-format off */
	{ CONF_METHOD_SCEP, "http://",  "https://", "an http or https URL for method \"scep\"",
	  "url = \"http://ca.example.com/scep\";" },
	{ CONF_METHOD_EST,  "https://", "https://", "an https URL for method \"est\"",
	  "url = \"https://ca.example.com\";" },
	{ CONF_METHOD_TFTP, "tftp://",  "tftp://",  "a tftp URL for method \"tftp\"",
	  "url = \"tftp://ca.example.com/router1\";" },
	{ CONF_METHOD_FILE, "file:///", "/",        "an absolute path or a file URL for method \"file\"",
	  "url = \"/var/lib/ca/router1\";" },
	/* clang-format on */
};

static bool has_scheme(const char *url, const char *scheme)
{
	return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

static void url_check(struct conf_report *report, config_setting_t *setting,
	const struct conf_trustpoint *trustpoint)
{
	const char *url = trustpoint->enrollment.url;

	for (size_t i = 0; i < sizeof(method_urls) / sizeof(method_urls[0]); i++) {
		if (method_urls[i].method != trustpoint->method)
			continue;
		config_setting_t *enrollment = conf_report_place(setting, "enrollment");
		if (!url)
			conf_report_setting(report, enrollment, "needs %s; for example: %s",
				method_urls[i].what, method_urls[i].example);
		else if (!has_scheme(url, method_urls[i].scheme) &&
			 !has_scheme(url, method_urls[i].or_scheme))
			conf_report_setting(report, conf_report_place(enrollment, "url"),
				"must be %s, not %s; for example: %s", method_urls[i].what,
				conf_text_quote(url).text, method_urls[i].example);
	}
}

/* ---- trustpoints: keys ---------------------------------------------------- */

static const config_setting_t *key_type_find(const config_setting_t *setting)
{
	const config_setting_t *key = config_setting_get_member(setting, "key");

	return key ? config_setting_get_member(key, "type") : NULL;
}

static bool needs_rsa(const struct conf_trustpoint *trustpoint)
{
	return trustpoint->method == CONF_METHOD_SCEP || trustpoint->key.usage == CONF_USAGE_KEYS;
}

/* RFC 8894 3.1: the CA encrypts its reply to the key; EC keys cannot decrypt. */
static void key_check(struct conf_report *report, config_setting_t *setting,
	const struct conf_trustpoint *trustpoint)
{
	const config_setting_t *type = key_type_find(setting);

	if (trustpoint->key.usage == CONF_USAGE_KEYS && is_selfsigned(trustpoint))
		conf_report_setting(report, conf_report_place(setting, "key"),
			"has usage \"usage-keys\", but a self-signed trustpoint has one "
			"certificate; use usage \"general\"");
	else if (needs_rsa(trustpoint) && type && is_ec(trustpoint))
		conf_report_setting(report, type,
			"must be \"rsa\" %s, because EC keys cannot encrypt; use that, or %s",
			trustpoint->method == CONF_METHOD_SCEP ? "with method \"scep\""
							       : "with usage \"usage-keys\"",
			trustpoint->method == CONF_METHOD_SCEP
				? "enroll by method \"est\" or \"terminal\""
				: "usage \"general\"");
}

bool conf_trustpoint_is_anchors_only(const struct conf_trustpoint *trustpoint)
{
	return trustpoint->files.ca && !trustpoint->files.certificate && !trustpoint->files.key &&
	       !trustpoint->files.chain;
}

static void profile_name_check(struct conf_report *report, config_setting_t *setting)
{
	config_setting_t *enrollment = config_setting_get_member(setting, "enrollment");

	if (!is_set(config_setting_get_member(enrollment, "profile")))
		conf_report_setting(report, enrollment,
			"needs the name of one of enrollment_profiles for method \"profile\"; for "
			"example: profile = \"E\";");
}

void conf_trustpoint_check(
	struct conf_report *report, struct config_setting_t *setting, void *element)
{
	struct conf_trustpoint *trustpoint = element;

	/* The default is what works. */
	if (needs_rsa(trustpoint) && !key_type_find(setting))
		trustpoint->key.type = CONF_KEY_RSA;
	if (strcmp(trustpoint->name, CONF_TRUSTPOOL) == 0)
		conf_report_setting(report, conf_report_place(setting, "name"),
			"\"" CONF_TRUSTPOOL "\" stands for the system's CA certificates; choose "
			"another");
	unused_refuse(report, setting, trustpoint_unused_keys, trustpoint);
	url_check(report, setting, trustpoint);
	key_check(report, setting, trustpoint);
	if (trustpoint->method == CONF_METHOD_PROFILE)
		profile_name_check(report, setting);
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

/* ---- enrollment profiles --------------------------------------------------- */

static bool is_http(const char *url)
{
	return has_scheme(url, "http://") || has_scheme(url, "https://");
}

static void step_check(struct conf_report *report, config_setting_t *setting, const char *name,
	const char *url, const char *command)
{
	if (command && !url)
		conf_report_setting(report, conf_report_place(setting, name),
			"has a command but no url; add the url");
	else if (command && !is_http(url))
		conf_report_setting(report, conf_report_place(setting, name),
			"has a command, which goes only with an http or https url; remove one of "
			"them");
}

void conf_profile_check(struct conf_report *report, struct config_setting_t *setting, void *element)
{
	const struct conf_profile *profile = element;

	step_check(report, setting, "authentication", profile->authentication.url,
		profile->authentication.command);
	step_check(report, setting, "enrollment", profile->enrollment.url,
		profile->enrollment.command);
	step_check(report, setting, "reenrollment", profile->reenrollment.url,
		profile->reenrollment.command);
	if (!profile->enrollment.url)
		conf_report_setting(report, conf_report_place(setting, "enrollment"),
			"needs an url; for example: enrollment: { url = "
			"\"http://ca.example.com/enroll\"; };");
}

void conf_parameter_check(
	struct conf_report *report, struct config_setting_t *setting, void *element)
{
	const struct conf_parameter *parameter = element;

	if (parameter->value && parameter->prompt)
		conf_report_setting(
			report, setting, "has a value and a prompt; remove one of them");
}
