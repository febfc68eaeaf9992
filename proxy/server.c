#include "proxy/server.h"

#include "proxy/trustpoint.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAIL(context, ...) messages_add(&(context)->messages->errors, __VA_ARGS__)
#define WARN(context, ...) messages_add(&(context)->messages->warnings, __VA_ARGS__)

static bool out_of_memory(const struct server_context *context)
{
	FAIL(context, "out of memory");
	return false;
}

/* ---- identities ---------------------------------------------------------------- */

/*
 * The sentences of the HTTPS server's syslog messages, then what exactly is wrong.
 * Of pki's texts those with a cure have it behind a semicolon.
 */
static void refuse_identity(const struct server_context *context, int line,
	const struct pki_trustpoint *trustpoint, const char *why)
{
	const struct conf *conf = context->conf;
	bool has_cure = strchr(why, ';') != NULL;
	if (trustpoint->method == PKI_METHOD_SELFSIGNED)
		FAIL(context,
			"%s:%d: Unable to load self-signed certificate for %s: trustpoint \"%s\": "
			"%s%s",
			conf->path, line, conf->hostname, trustpoint->name, why,
			has_cure ? ""
				 : "; let ferrule read and write state_directory, and see that "
				   "its disk has room");
	else if (trustpoint->method == PKI_METHOD_PEM &&
		 access(trustpoint->certificate_file, F_OK) < 0 && errno == ENOENT)
		FAIL(context,
			"%s:%d: No router certificate for %s: trustpoint \"%s\": there is no %s; "
			"put the certificate there, or correct files.certificate",
			conf->path, line, conf->hostname, trustpoint->name,
			trustpoint->certificate_file);
	else
		FAIL(context,
			"%s:%d: Unable to load router certificate for %s: trustpoint \"%s\": %s%s",
			conf->path, line, conf->hostname, trustpoint->name, why,
			has_cure ? "" : "; correct the trustpoint's files");
}

/* One more identity, from the trustpoint; NULL: the self-signed one. */
static bool load_identity(struct server *server, const struct conf_trustpoint *trustpoint,
	const struct server_context *context)
{
	struct pki_trustpoint parameters;
	struct pki_error error = {""};
	struct pki_identity *identity = NULL;
	const char *path = context->conf->path;
	int line = trustpoint ? trustpoint->line : server->conf->line;
	trustpoint_fill(context->conf, trustpoint, &parameters);
	if (pki_identity_load(&parameters, context->check, &identity, &error) < 0) {
		refuse_identity(context, line, &parameters, error.text);
		return false;
	}
	server->identities[server->identity_count++] = identity;
	const char *warning = identity ? pki_identity_warning(identity) : NULL;
	if (warning)
		WARN(context, "%s:%d: %s", path, line, warning);
	return true;
}

/* The server's own first, then one for each of its further certificates. */
static bool load_identities(struct server *server, const struct server_context *context)
{
	const struct conf_server *conf = server->conf;
	server->identities = calloc(conf->certificate_count + 1, sizeof(struct pki_identity *));
	if (!server->identities)
		return out_of_memory(context);
	bool complete = load_identity(server, conf->trustpoint, context);
	for (size_t i = 0; i < conf->certificate_count; i++)
		complete = load_identity(server, conf->certificates[i].trustpoint, context) &&
			   complete;
	return complete;
}

static bool load_anchors(struct server *server, const struct server_context *context)
{
	const struct conf_trustpoint *trustpoint = server->conf->client_auth_trustpoint;
	struct pki_error error = {""};
	if (server->conf->client_auth == CONF_CLIENT_AUTH_NONE)
		return true;
	struct pki_trustpoint parameters;
	trustpoint_fill(context->conf, trustpoint, &parameters);
	if (pki_anchors_load_trustpoint(&parameters, &server->client_anchors, &error) < 0) {
		FAIL(context, "%s:%d: trustpoint \"%s\": %s", context->conf->path, trustpoint->line,
			trustpoint->name, error.text);
		return false;
	}
	const char *warning = pki_anchors_warning(server->client_anchors);
	if (warning)
		WARN(context, "%s:%d: %s", context->conf->path, trustpoint->line, warning);
	return true;
}

/* ---- TLS ------------------------------------------------------------------------- */

static enum ktls_offload offload_policy(enum conf_offload offload)
{
	switch (offload) {
	case CONF_OFFLOAD_AUTO:
		return KTLS_OFFLOAD_AUTO;
	case CONF_OFFLOAD_TX:
		return KTLS_OFFLOAD_TX;
	case CONF_OFFLOAD_BOTH:
		return KTLS_OFFLOAD_BOTH;
	case CONF_OFFLOAD_REQUIRED:
		return KTLS_OFFLOAD_REQUIRED;
	case CONF_OFFLOAD_OFF:
		break;
	}
	return KTLS_OFFLOAD_OFF;
}

static enum ktls_client_auth client_auth_policy(enum conf_client_auth client_auth)
{
	switch (client_auth) {
	case CONF_CLIENT_AUTH_OPTIONAL:
		return KTLS_CLIENT_AUTH_OPTIONAL;
	case CONF_CLIENT_AUTH_REQUIRED:
		return KTLS_CLIENT_AUTH_REQUIRED;
	case CONF_CLIENT_AUTH_NONE:
		break;
	}
	return KTLS_CLIENT_AUTH_NONE;
}

/* The names of a server with their certificates, as ktls wants them. */
struct names {
	struct ktls_name *names;               /* the default first */
	struct ktls_certificate *certificates; /* those of a name lie together */
};

static bool is_name(const struct conf_certificate *certificate, const char *name)
{
	const char *own = certificate->server_name;
	return own && name ? strcmp(own, name) == 0 : own == name;
}

/* An identity that could not be made is only missing in a check. */
static void add_certificate(struct names *names, size_t *used, struct ktls_name *name,
	const struct pki_identity *identity)
{
	if (!identity)
		return;
	if (name->certificate_count == 0)
		name->certificates = &names->certificates[*used];
	names->certificates[(*used)++] = (struct ktls_certificate){
		pki_identity_certificate(identity),
		pki_identity_key(identity),
		pki_identity_chain(identity),
	};
	name->certificate_count++;
}

static bool is_first_of_name(const struct conf_server *conf, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (is_name(&conf->certificates[i], conf->certificates[index].server_name))
			return false;
	return conf->certificates[index].server_name != NULL;
}

static void gather_name(
	struct server *server, struct names *names, size_t *used, struct ktls_name *name)
{
	for (size_t i = 0; i < server->conf->certificate_count; i++)
		if (is_name(&server->conf->certificates[i], name->server_name))
			add_certificate(names, used, name, server->identities[i + 1]);
}

static bool gather_names(struct server *server, struct names *names)
{
	const struct conf_server *conf = server->conf;
	size_t most = conf->certificate_count + 1, used = 0;
	names->names = calloc(most, sizeof *names->names);
	names->certificates = calloc(most, sizeof *names->certificates);
	server->name_backends = calloc(most, sizeof *server->name_backends);
	if (!names->names || !names->certificates || !server->name_backends)
		return false;
	add_certificate(names, &used, &names->names[0], server->identities[0]);
	gather_name(server, names, &used, &names->names[0]);
	server->name_count = 1;
	for (size_t i = 0; i < conf->certificate_count; i++) {
		if (!is_first_of_name(conf, i))
			continue;
		struct ktls_name *name = &names->names[server->name_count];
		name->server_name = conf->certificates[i].server_name;
		gather_name(server, names, &used, name);
		server->name_count++;
	}
	return true;
}

static bool build_tls(struct server *server, const struct server_context *context)
{
	const struct conf_server *conf = server->conf;
	struct names names = {NULL, NULL};
	struct ktls_server_options options = {
		.name = conf->name,
		.tls12 = conf->tls12,
		.tls13 = conf->tls13,
		.ciphersuites = (const char *const *)conf->ciphersuites.items,
		.ciphersuite_count = conf->ciphersuites.count,
		.client_auth = client_auth_policy(conf->client_auth),
		.client_anchors =
			server->client_anchors ? pki_anchors_store(server->client_anchors) : NULL,
		.offload = offload_policy(conf->offload),
		.capabilities = context->capabilities,
		.tickets = context->tickets,
	};
	char error[512] = "out of memory";
	if (gather_names(server, &names)) {
		options.names = names.names;
		/* Only a check may find the server's own certificate not made yet. */
		options.name_count = server->identities[0] ? server->name_count : 0;
		server->tls = ktls_server_new(&options, error, sizeof error);
	}
	free(names.names);
	free(names.certificates);
	if (!server->tls)
		FAIL(context, "%s:%d: server \"%s\": %s", context->conf->path, conf->line,
			conf->name, error);
	return server->tls != NULL;
}

static bool build_secure(struct server *server, const struct server_context *context)
{
	if (!server->conf->secure_server)
		return true;
	return load_identities(server, context) && load_anchors(server, context) &&
	       build_tls(server, context);
}

/* ---- backends ---------------------------------------------------------------------- */

/* Copies what getaddrinfo found; 0 or its error. */
static int look_up(const struct conf_backend *conf, struct backend *backend)
{
	char port[8];
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	snprintf(port, sizeof port, "%u", conf->port);
	int result = getaddrinfo(conf->host, port, &hints, &found);
	if (result)
		return result;
	for (const struct addrinfo *at = found; at && backend->count < BACKEND_ADDRESSES;
		at = at->ai_next) {
		if (at->ai_addrlen > sizeof backend->addresses[0].v6)
			continue;
		memcpy(&backend->addresses[backend->count].any, at->ai_addr, at->ai_addrlen);
		backend->addresses[backend->count++].len = at->ai_addrlen;
	}
	freeaddrinfo(found);
	return backend->count ? 0 : EAI_NONAME;
}

static const char *open_socket_backend(
	const struct server *server, const struct conf_backend *conf, struct backend *backend)
{
	backend->text = conf->text;
	backend->idle_max = server->conf->backend_connections;
	if (conf->type == CONF_BACKEND_TCP) {
		int result = look_up(conf, backend);
		return result ? gai_strerror(result) : NULL;
	}
	backend->count = 1;
	backend->addresses[0].un.sun_family = AF_UNIX;
	snprintf(backend->addresses[0].un.sun_path, sizeof backend->addresses[0].un.sun_path, "%s",
		conf->path);
	backend->addresses[0].len = sizeof(struct sockaddr_un);
	return NULL;
}

/* One more backend: the server's own, or that of one of its names. */
static bool open_backend(struct server *server, const struct conf_backend *conf, int line,
	const struct server_context *context)
{
	const char *why = NULL;
	struct backend *backend = &server->backends[server->backend_count++];
	if (conf->type == CONF_BACKEND_FILES) {
		int result = file_root_open(&server->files, conf->path);
		why = result < 0 ? strerror(-result) : NULL;
		backend->text = conf->text;
	} else {
		why = open_socket_backend(server, conf, backend);
	}
	if (why)
		FAIL(context, "%s:%d: server \"%s\": backend %s: %s; see that it %s, or correct it",
			context->conf->path, line, server->conf->name, conf->text, why,
			conf->type == CONF_BACKEND_FILES ? "is a directory that can be read"
							 : "resolves here");
	return !why;
}

static bool open_backends(struct server *server, const struct server_context *context)
{
	const struct conf_server *conf = server->conf;
	server->backends = calloc(conf->certificate_count + 1, sizeof *server->backends);
	if (!server->backends)
		return out_of_memory(context);
	bool complete = open_backend(server, &conf->backend, conf->line, context);
	for (size_t i = 0; i < conf->certificate_count; i++)
		if (conf->certificates[i].backend.text)
			complete = open_backend(server, &conf->certificates[i].backend,
					   conf->certificates[i].line, context) &&
				   complete;
	return complete;
}

/* The backend of a name is that of the first of its certificates that has one. */
static void route_names(struct server *server)
{
	const struct conf_server *conf = server->conf;
	size_t name = 0;
	for (size_t i = 0; i < conf->certificate_count; i++) {
		unsigned backend = 1;
		if (!is_first_of_name(conf, i))
			continue;
		name++;
		for (size_t j = 0; j < conf->certificate_count; j++) {
			bool has_own = conf->certificates[j].backend.text != NULL;
			if (has_own && is_name(&conf->certificates[j],
					       conf->certificates[i].server_name)) {
				server->name_backends[name] = backend;
				break;
			}
			backend += has_own;
		}
	}
}

const struct backend *server_backend(const struct server *server, int name_index)
{
	return &server->backends[server->name_backends ? server->name_backends[name_index] : 0];
}

/* ---- what HTTP mode needs ------------------------------------------------------------ */

static bool load_auth(struct server *server, const struct server_context *context)
{
	const struct conf_server *conf = server->conf;
	char error[512];
	if (conf->authentication.method == CONF_AUTHENTICATION_NONE)
		return true;
	server->auth = basic_auth_load(conf->authentication.file, error, sizeof error);
	if (!server->auth) {
		FAIL(context, "%s:%d: server \"%s\": authentication: %s", context->conf->path,
			conf->line, conf->name, error);
		return false;
	}
	if (*basic_auth_warning(server->auth))
		WARN(context, "%s:%d: %s", context->conf->path, conf->line,
			basic_auth_warning(server->auth));
	return true;
}

/* HSTS counts over TLS only (RFC 6797 7.2). */
static char *header_lines(const struct conf_server *conf, bool is_secure)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	if (is_secure && conf->hsts)
		fprintf(out, "Strict-Transport-Security: max-age=%u\r\n", conf->hsts);
	for (size_t i = 0; i < conf->response_headers.count; i++)
		fprintf(out, "%s\r\n", conf->response_headers.items[i]);
	return fclose(out) == 0 ? text : NULL;
}

struct http_span server_added(const struct server *server, bool is_secure)
{
	const char *added = is_secure ? server->added_secure : server->added;
	return (struct http_span){.data = added, .len = strlen(added)};
}

static bool build_http(struct server *server, const struct server_context *context)
{
	const struct conf_server *conf = server->conf;
	server->http_limits = (struct http_limits){
		.head = conf->limits.head,
		.line = conf->limits.request_line,
		.fields = conf->limits.fields,
	};
	server->added = header_lines(conf, false);
	server->added_secure = header_lines(conf, true);
	if (!server->added || !server->added_secure)
		return out_of_memory(context);
	return load_auth(server, context);
}

/* ---- the whole ------------------------------------------------------------------------- */

bool server_build(struct server *server, const struct server_context *context)
{
	bool is_tunnel = server->conf->mode == CONF_MODE_TUNNEL;
	server->service = is_tunnel ? &tunnel_service : &http_service;
	bool complete = open_backends(server, context);
	complete = build_http(server, context) && complete;
	complete = build_secure(server, context) && complete;
	if (complete && server->name_backends)
		route_names(server);
	return complete;
}

void server_done(struct server *server)
{
	ktls_server_free(server->tls);
	for (size_t i = 0; i < server->identity_count; i++)
		pki_identity_unref(server->identities[i]);
	free(server->identities);
	pki_anchors_free(server->client_anchors);
	basic_auth_free(server->auth);
	free(server->backends);
	free(server->name_backends);
	free(server->added);
	free(server->added_secure);
	file_root_close(&server->files);
}

bool server_is_stale(const struct server *server)
{
	for (size_t i = 0; i < server->identity_count; i++)
		if (pki_identity_is_stale(server->identities[i]))
			return true;
	return (server->client_anchors && pki_anchors_is_stale(server->client_anchors)) ||
	       (server->auth && basic_auth_is_stale(server->auth));
}
