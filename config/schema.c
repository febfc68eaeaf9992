#include "config/schema.h"

#include "config/conf.h"
#include "config/element.h"
#include "config/syntax.h"

#define ROOT(field)        .offset = offsetof(struct conf, field)
#define SERVER(field)      .offset = offsetof(struct conf_server, field)
#define TRUSTPOINT(field)  .offset = offsetof(struct conf_trustpoint, field)
#define CERTIFICATE(field) .offset = offsetof(struct conf_certificate, field)
#define PROFILE(field)     .offset = offsetof(struct conf_profile, field)
#define PARAMETER(field)   .offset = offsetof(struct conf_parameter, field)
#define PATH_ACTION(field) .offset = offsetof(struct conf_path_action, field)

#define TYPE(key, kind)  .name = (key), .type = CONF_TYPE_##kind
#define RANGE(low, high) .minimum = (low), .maximum = (high)
#define SYNTAX(kind)     .syntax = &conf_syntax_##kind
#define LATER(key)                                                                                 \
	{                                                                                          \
		TYPE(key, LATER)                                                                   \
	}

/* At most a day; what 0 means is each key's to say. */
#define SECONDS RANGE(0, 86400)

/* clang-format off */

/* ---- choices ------------------------------------------------------------ */

const struct conf_choice conf_offload_choices[] = {
	{ .word = "auto",     .value = CONF_OFFLOAD_AUTO },
	{ .word = "tx",       .value = CONF_OFFLOAD_TX },
	{ .word = "both",     .value = CONF_OFFLOAD_BOTH },
	{ .word = "off",      .value = CONF_OFFLOAD_OFF },
	{ .word = "required", .value = CONF_OFFLOAD_REQUIRED },
	{ .word = NULL },
};

static const struct conf_choice log_levels[] = {
	{ .word = "error",   .value = CONF_LOG_ERROR },
	{ .word = "warning", .value = CONF_LOG_WARNING },
	{ .word = "info",    .value = CONF_LOG_INFO },
	{ .word = "debug",   .value = CONF_LOG_DEBUG },
	{ .word = NULL },
};

static const struct conf_choice modes[] = {
	{ .word = "http",   .value = CONF_MODE_HTTP },
	{ .word = "tunnel", .value = CONF_MODE_TUNNEL },
	{ .word = NULL },
};

static const struct conf_choice actions[] = {
	{ .word = "redirect", .value = CONF_ACTION_REDIRECT },
	{ .word = "proxy",    .value = CONF_ACTION_PROXY },
	{ .word = "refuse",   .value = CONF_ACTION_REFUSE },
	{ .word = NULL },
};

static const struct conf_choice client_auths[] = {
	{ .word = "none",     .value = CONF_CLIENT_AUTH_NONE },
	{ .word = "optional", .value = CONF_CLIENT_AUTH_OPTIONAL },
	{ .word = "required", .value = CONF_CLIENT_AUTH_REQUIRED },
	{ .word = NULL },
};

static const struct conf_choice authentications[] = {
	{ .word = "none",  .value = CONF_AUTHENTICATION_NONE },
	{ .word = "basic", .value = CONF_AUTHENTICATION_BASIC },
	{ .word = NULL },
};

static const struct conf_choice access_formats[] = {
	{ .word = "combined", .value = CONF_ACCESS_COMBINED },
	{ .word = "json",     .value = CONF_ACCESS_JSON },
	{ .word = NULL },
};

static const struct conf_choice tls_versions[] = {
	{ .word = "1.2", .value = offsetof(struct conf_server, tls12) },
	{ .word = "1.3", .value = offsetof(struct conf_server, tls13) },
	{ .word = NULL },
};

static const struct conf_choice methods[] = {
	{ .word = "selfsigned", .value = CONF_METHOD_SELFSIGNED },
	{ .word = "pem",        .value = CONF_METHOD_PEM },
	{ .word = "scep",       .value = CONF_METHOD_SCEP },
	{ .word = "est",        .value = CONF_METHOD_EST },
	{ .word = "terminal",   .value = CONF_METHOD_TERMINAL },
	{ .word = "profile",    .value = CONF_METHOD_PROFILE },
	{ .word = "pkcs12",     .value = CONF_METHOD_PKCS12 },
	{ .word = "tftp",       .value = CONF_METHOD_TFTP },
	{ .word = "file",       .value = CONF_METHOD_FILE },
	{ .word = NULL },
};

static const struct conf_choice key_types[] = {
	{ .word = "ec",  .value = CONF_KEY_EC },
	{ .word = "rsa", .value = CONF_KEY_RSA },
	{ .word = "dsa", .why = "has no place in TLS 1.3 (RFC 8446 1.2)" },
	{ .word = NULL },
};

static const struct conf_choice usages[] = {
	{ .word = "general",    .value = CONF_USAGE_GENERAL },
	{ .word = "usage-keys", .value = CONF_USAGE_KEYS },
	{ .word = NULL },
};

static const struct conf_choice hashes[] = {
	{ .word = "sha256", .value = CONF_HASH_SHA256 },
	{ .word = "sha384", .value = CONF_HASH_SHA384 },
	{ .word = "sha512", .value = CONF_HASH_SHA512 },
	{ .word = "sha1",   .why = "signatures can be forged (RFC 9155), so CAs refuse them" },
	{ .word = "md5",    .why = "signatures can be forged (RFC 6151), so CAs refuse them" },
	{ .word = NULL },
};

static const struct conf_choice curves[] = {
	{ .word = "P-256" },
	{ .word = "P-384" },
	{ .word = NULL },
};

/* ---- servers ------------------------------------------------------------ */

static const char *const any_address[] = { "0.0.0.0", "::", NULL };

static const struct conf_key path_action_keys[] = {
	{ TYPE("path", STRING), PATH_ACTION(path), SYNTAX(url_path), .text = "/",
	  .example = "path = \"/soap/\"" },
	{ TYPE("action", CHOICE), PATH_ACTION(action), .choices = actions,
	  .number = CONF_ACTION_REDIRECT, .example = "action = \"refuse\"" },
	{ .name = NULL },
};

static const struct conf_list path_action_list = {
	.count_offset = offsetof(struct conf_server, http_action_count),
	.element_size = sizeof(struct conf_path_action),
	.word = &path_action_keys[1],
};

static const struct conf_key certificate_keys[] = {
	{ TYPE("server_name", DOMAIN), CERTIFICATE(server_name), SYNTAX(server_name) },
	{ TYPE("trustpoint", REFERENCE), .example = "trustpoint = \"TP2\"" },
	{ TYPE("backend", BACKEND), CERTIFICATE(backend) },
	{ .name = NULL },
};

static const struct conf_list certificate_list = {
	.count_offset = offsetof(struct conf_server, certificate_count),
	.element_size = sizeof(struct conf_certificate),
	.check = conf_certificate_check,
};

static const struct conf_list access_list = {
	.count_offset = offsetof(struct conf_server, access_rule_count),
	.element_size = sizeof(struct conf_access_rule),
};

static const struct conf_key timeout_keys[] = {
	{ TYPE("handshake", NUMBER), SERVER(timeout.handshake), SECONDS, .number = 10 },
	{ TYPE("header", NUMBER), SERVER(timeout.header), SECONDS, .number = 10 },
	{ TYPE("connect", NUMBER), SERVER(timeout.connect), SECONDS, .number = 10 },
	{ TYPE("idle", NUMBER), SERVER(timeout.idle), SECONDS, .number = 180 },
	{ TYPE("life", NUMBER), SERVER(timeout.life), SECONDS, .number = 0 },
	{ TYPE("requests", NUMBER), SERVER(timeout.requests), RANGE(0, 86400), .number = 0 },
	{ .name = NULL },
};

static const struct conf_key limits_keys[] = {
	{ TYPE("request_line", NUMBER), SERVER(limits.request_line), RANGE(256, 16000),
	  .number = 8192 },
	{ TYPE("head", NUMBER), SERVER(limits.head), RANGE(1024, 16384), .number = 16384 },
	{ TYPE("fields", NUMBER), SERVER(limits.fields), RANGE(8, 1000), .number = 100 },
	{ TYPE("body", SIZE), SERVER(limits.body), RANGE(0, INT64_MAX), .number = 0 },
	{ .name = NULL },
};

static const struct conf_key authentication_keys[] = {
	{ TYPE("method", CHOICE), SERVER(authentication.method), .choices = authentications,
	  .number = CONF_AUTHENTICATION_NONE },
	{ TYPE("file", PATH), SERVER(authentication.file), .is_empty_default = true },
	{ TYPE("realm", STRING), SERVER(authentication.realm), SYNTAX(realm), .text = "ferrule",
	  .is_empty_default = true },
	{ .name = NULL },
};

static const struct conf_key server_keys[] = {
	{ TYPE("name", STRING), SERVER(name), SYNTAX(name), .example = "name = \"web\"" },
	{ TYPE("secure_server", BOOL), SERVER(secure_server), .number = true },
	{ TYPE("secure_address", STRINGS), SERVER(secure_address), RANGE(1, 32), SYNTAX(address),
	  .texts = any_address },
	{ TYPE("secure_port", PORT), SERVER(secure_port), RANGE(0, 65535), .number = 443 },
	{ TYPE("http_server", BOOL), SERVER(http_server), .number = false },
	{ TYPE("http_address", STRINGS), SERVER(http_address), RANGE(1, 32), SYNTAX(address),
	  .texts = any_address },
	{ TYPE("http_port", PORT), SERVER(http_port), RANGE(0, 65535), .number = 80 },
	{ TYPE("http_action", LIST), SERVER(http_action), RANGE(1, 256), .keys = path_action_keys,
	  .list = &path_action_list },
	{ TYPE("backend", BACKEND), SERVER(backend), .example = "backend = \"127.0.0.1:8080\"" },
	{ TYPE("backend_max_connections", NUMBER), SERVER(backend_max_connections),
	  RANGE(1, 1000000), .number = 0 },
	{ TYPE("backend_connections", NUMBER), SERVER(backend_connections), RANGE(0, 10000),
	  .number = 128 },
	{ TYPE("proxy_protocol", BOOL), SERVER(proxy_protocol), .number = false },
	{ TYPE("mode", CHOICE), SERVER(mode), .choices = modes, .number = CONF_MODE_HTTP },
	{ TYPE("trustpoint", REFERENCE) },
	{ TYPE("certificates", LIST), SERVER(certificates), RANGE(0, 1024),
	  .keys = certificate_keys, .list = &certificate_list },
	{ TYPE("ciphersuites", STRINGS), SERVER(ciphersuites), RANGE(0, 64), SYNTAX(ciphersuite) },
	{ TYPE("tls_versions", FLAGS), RANGE(1, 2), .choices = tls_versions },
	{ TYPE("offload", CHOICE), SERVER(offload), .choices = conf_offload_choices,
	  .number = CONF_OFFLOAD_AUTO },
	{ TYPE("client_auth", CHOICE), SERVER(client_auth), .choices = client_auths,
	  .number = CONF_CLIENT_AUTH_NONE },
	{ TYPE("client_auth_trustpoint", REFERENCE) },
	{ TYPE("access_class", ACCESS), SERVER(access_class), RANGE(1, 1024),
	  .list = &access_list },
	{ TYPE("max_connections", NUMBER), SERVER(max_connections), RANGE(1, 1000000),
	  .number = 1000 },
	{ TYPE("timeout_policy", GROUP), .keys = timeout_keys },
	{ TYPE("limits", GROUP), .keys = limits_keys },
	{ TYPE("forwarded", BOOL), SERVER(forwarded), .number = true },
	{ TYPE("hsts", NUMBER), SERVER(hsts), RANGE(0, INT32_MAX), .number = 0 },
	{ TYPE("response_headers", STRINGS), SERVER(response_headers), RANGE(0, 64),
	  SYNTAX(header) },
	{ TYPE("authentication", GROUP), .keys = authentication_keys },
	{ .name = NULL },
};

static const struct conf_list server_list = {
	.count_offset = offsetof(struct conf, server_count),
	.element_size = sizeof(struct conf_server),
	.check = conf_server_check,
};

/* ---- trustpoints -------------------------------------------------------- */

static const struct conf_key enrollment_keys[] = {
	{ TYPE("method", CHOICE), TRUSTPOINT(method), .choices = methods,
	  .number = CONF_METHOD_SELFSIGNED },
	{ TYPE("url", STRING), TRUSTPOINT(enrollment.url), SYNTAX(url), .is_empty_default = true },
	{ TYPE("username", STRING), TRUSTPOINT(enrollment.username), SYNTAX(username),
	  .is_empty_default = true },
	{ TYPE("http_proxy", STRING), TRUSTPOINT(enrollment.http_proxy), SYNTAX(http_proxy),
	  .is_empty_default = true },
	{ TYPE("retry_count", NUMBER), TRUSTPOINT(enrollment.retry_count), RANGE(1, 100),
	  .number = 10 },
	{ TYPE("retry_period", NUMBER), TRUSTPOINT(enrollment.retry_period), RANGE(1, 60),
	  .number = 1 },
	{ TYPE("source_interface", STRING), TRUSTPOINT(enrollment.source_interface),
	  SYNTAX(source_interface), .is_empty_default = true },
	{ TYPE("profile", REFERENCE) },
	{ TYPE("ra", BOOL), TRUSTPOINT(enrollment.ra), .number = false },
	{ TYPE("legacy_des", BOOL), TRUSTPOINT(enrollment.legacy_des), .number = false },
	{ TYPE("require_standard", BOOL), TRUSTPOINT(enrollment.require_standard),
	  .number = false },
	{ TYPE("renews_by_pkcsreq", BOOL), TRUSTPOINT(enrollment.renews_by_pkcsreq),
	  .number = false },
	{ TYPE("ra_fingerprint", STRING), TRUSTPOINT(enrollment.ra_fingerprint),
	  SYNTAX(fingerprint), .is_empty_default = true },
	{ .name = NULL },
};

static const struct conf_key files_keys[] = {
	{ TYPE("certificate", PATH), TRUSTPOINT(files.certificate) },
	{ TYPE("key", PATH), TRUSTPOINT(files.key) },
	{ TYPE("chain", PATH), TRUSTPOINT(files.chain) },
	{ TYPE("ca", PATH), TRUSTPOINT(files.ca) },
	{ .name = NULL },
};

static const struct conf_key key_keys[] = {
	{ TYPE("type", CHOICE), TRUSTPOINT(key.type), .choices = key_types,
	  .number = CONF_KEY_EC },
	{ TYPE("curve", WORD), TRUSTPOINT(key.curve), .choices = curves, .text = "P-256" },
	{ TYPE("bits", NUMBER), TRUSTPOINT(key.bits), RANGE(2048, 4096), .number = 2048 },
	{ TYPE("label", STRING), TRUSTPOINT(key.label), SYNTAX(name), .is_empty_default = true },
	{ TYPE("exportable", BOOL), TRUSTPOINT(key.exportable), .number = false },
	{ TYPE("usage", CHOICE), TRUSTPOINT(key.usage), .choices = usages,
	  .number = CONF_USAGE_GENERAL },
	{ .name = NULL },
};

static const struct conf_key trustpoint_keys[] = {
	{ TYPE("name", STRING), TRUSTPOINT(name), SYNTAX(name), .example = "name = \"TP1\"" },
	{ TYPE("primary", BOOL), TRUSTPOINT(primary), .number = false },
	{ TYPE("enrollment", GROUP), .keys = enrollment_keys },
	{ TYPE("files", GROUP), .keys = files_keys },
	{ TYPE("key", GROUP), .keys = key_keys },
	{ TYPE("subject_alt_name", STRINGS), TRUSTPOINT(subject_alt_name), RANGE(0, 64),
	  SYNTAX(alt_name) },
	{ TYPE("fingerprint", STRING), TRUSTPOINT(fingerprint), SYNTAX(fingerprint),
	  .is_empty_default = true },
	{ TYPE("subject_name", STRING), TRUSTPOINT(subject_name), SYNTAX(subject_name),
	  .is_empty_default = true },
	{ TYPE("fqdn", STRING), TRUSTPOINT(fqdn), SYNTAX(fqdn), .is_empty_default = true },
	{ TYPE("ip_address", STRING), TRUSTPOINT(ip_address), SYNTAX(address),
	  .is_empty_default = true },
	{ TYPE("serial_number", BOOL), TRUSTPOINT(serial_number), .number = false },
	{ TYPE("hash", CHOICE), TRUSTPOINT(hash), .choices = hashes,
	  .number = CONF_HASH_SHA256 },
	LATER("auto_enroll"),
	LATER("revocation_check"),
	LATER("crl"),
	{ .name = NULL },
};

static const struct conf_list trustpoint_list = {
	.count_offset = offsetof(struct conf, trustpoint_count),
	.element_size = sizeof(struct conf_trustpoint),
	.check = conf_trustpoint_check,
};

/* ---- enrollment profiles ------------------------------------------------- */

static const struct conf_key authentication_step_keys[] = {
	{ TYPE("url", STRING), PROFILE(authentication.url), SYNTAX(profile_url),
	  .is_empty_default = true },
	{ TYPE("command", STRING), PROFILE(authentication.command), SYNTAX(command),
	  .is_empty_default = true },
	{ .name = NULL },
};

static const struct conf_key enrollment_step_keys[] = {
	{ TYPE("url", STRING), PROFILE(enrollment.url), SYNTAX(profile_url),
	  .is_empty_default = true },
	{ TYPE("command", STRING), PROFILE(enrollment.command), SYNTAX(command),
	  .is_empty_default = true },
	{ .name = NULL },
};

static const struct conf_key reenrollment_step_keys[] = {
	{ TYPE("url", STRING), PROFILE(reenrollment.url), SYNTAX(profile_url),
	  .is_empty_default = true },
	{ TYPE("command", STRING), PROFILE(reenrollment.command), SYNTAX(command),
	  .is_empty_default = true },
	{ .name = NULL },
};

static const struct conf_key parameter_keys[] = {
	{ TYPE("value", STRING), PARAMETER(value), SYNTAX(parameter), .is_empty_default = true },
	{ TYPE("prompt", STRING), PARAMETER(prompt), SYNTAX(parameter), .is_empty_default = true },
	{ .name = NULL },
};

static const struct conf_list parameter_list = {
	.count_offset = offsetof(struct conf_profile, parameter_count),
	.element_size = sizeof(struct conf_parameter),
	.text = &parameter_keys[0],
	.check = conf_parameter_check,
};

static const struct conf_key profile_keys[] = {
	{ TYPE("name", STRING), PROFILE(name), SYNTAX(name), .example = "name = \"E\"" },
	{ TYPE("authentication", GROUP), .keys = authentication_step_keys },
	{ TYPE("enrollment", GROUP), .keys = enrollment_step_keys },
	{ TYPE("reenrollment", GROUP), .keys = reenrollment_step_keys },
	{ TYPE("credential", REFERENCE) },
	{ TYPE("parameters", LIST), PROFILE(parameters), RANGE(0, 8), .keys = parameter_keys,
	  .list = &parameter_list },
	{ .name = NULL },
};

static const struct conf_list profile_list = {
	.count_offset = offsetof(struct conf, profile_count),
	.element_size = sizeof(struct conf_profile),
	.check = conf_profile_check,
};

/* ---- the file ----------------------------------------------------------- */

static const struct conf_key log_keys[] = {
	{ TYPE("level", CHOICE), ROOT(log.level), .choices = log_levels, .number = CONF_LOG_INFO },
	{ TYPE("target", STRING), ROOT(log.target), SYNTAX(log_target), .text = "stderr" },
	{ TYPE("access", STRING), ROOT(log.access), SYNTAX(absolute_path),
	  .is_empty_default = true },
	{ TYPE("access_format", CHOICE), ROOT(log.access_format), .choices = access_formats,
	  .number = CONF_ACCESS_COMBINED },
	{ .name = NULL },
};

static const struct conf_key tickets_keys[] = {
	{ TYPE("file", PATH), ROOT(tickets.file) },
	{ TYPE("lifetime", NUMBER), ROOT(tickets.lifetime), RANGE(60, 604800), .number = 7200 },
	{ .name = NULL },
};

const struct conf_key conf_keys[] = {
	{ TYPE("state_directory", PATH), ROOT(state_directory), .text = "/var/lib/ferrule" },
	{ TYPE("run_directory", PATH), ROOT(run_directory), .text = "/run/ferrule" },
	{ TYPE("user", STRING), ROOT(user), SYNTAX(account), .text = "ferrule" },
	{ TYPE("group", STRING), ROOT(group), SYNTAX(account), .text = "ferrule" },
	{ TYPE("workers", NUMBER), ROOT(workers), RANGE(0, 64), .number = 0 },
	{ TYPE("hostname", STRING), ROOT(hostname), SYNTAX(host_label) },
	{ TYPE("domain_name", STRING), ROOT(domain_name), SYNTAX(domain) },
	{ TYPE("log", GROUP), .keys = log_keys },
	{ TYPE("drain_timeout", NUMBER), ROOT(drain_timeout), SECONDS, .number = 30 },
	{ TYPE("tickets", GROUP), .keys = tickets_keys },
	{ TYPE("servers", LIST), ROOT(servers), RANGE(1, 64), .keys = server_keys,
	  .list = &server_list,
	  .example = "servers = ( { name = \"web\"; backend = \"127.0.0.1:8080\"; } )" },
	{ TYPE("trustpoints", LIST), ROOT(trustpoints), RANGE(0, 1024), .keys = trustpoint_keys,
	  .list = &trustpoint_list },
	{ TYPE("trustpool", PATH), ROOT(trustpool.files.ca), .is_empty_default = true },
	LATER("clients"),
	{ TYPE("enrollment_profiles", LIST), ROOT(profiles), RANGE(0, 64), .keys = profile_keys,
	  .list = &profile_list },
	{ .name = NULL },
};

/* clang-format on */
