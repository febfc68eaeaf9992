#include "proxy/snapshot.h"

#include "proxy/listener.h"
#include "proxy/stats.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No trustpoint's name in a file can begin with "_". */
#define SELFSIGNED_NAME "_self-signed"

/* ---- messages ----------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add_line(char **text, const char *format, ...)
{
	char *line = NULL, *both = NULL;
	va_list arguments;
	va_start(arguments, format);
	int n = vasprintf(&line, format, arguments);
	va_end(arguments);
	if (n < 0)
		return;
	if (!*text) {
		*text = line;
		return;
	}
	if (asprintf(&both, "%s\n%s", *text, line) >= 0) {
		free(*text);
		*text = both;
	}
	free(line);
}

/* ---- one server ----------------------------------------------------------------- */

static void fill_trustpoint(
	const struct conf *conf, const struct conf_trustpoint *from, struct pki_trustpoint *to)
{
	*to = (struct pki_trustpoint){
		.name = SELFSIGNED_NAME,
		.state_directory = conf->state_directory,
		.method = PKI_METHOD_SELFSIGNED,
		.key_type = PKI_KEY_EC,
		.curve = "P-256",
		.bits = 2048,
		.hostname = conf->hostname,
		.domain_name = conf->domain_name,
	};
	if (!from)
		return;
	to->name = from->name;
	if (from->method == CONF_METHOD_PEM) {
		to->method = PKI_METHOD_PEM;
		to->certificate_file = from->files.certificate;
		to->key_file = from->files.key;
		to->chain_file = from->files.chain;
		return;
	}
	to->key_type = from->key.type == CONF_KEY_RSA ? PKI_KEY_RSA : PKI_KEY_EC;
	to->curve = from->key.curve;
	to->bits = from->key.bits;
	to->alt_names = (const char *const *)from->subject_alt_name.items;
	to->alt_name_count = from->subject_alt_name.count;
}

static bool load_identity(const struct snapshot *snapshot, struct server *server,
	const struct snapshot_context *context, struct snapshot_errors *errors)
{
	const struct conf_server *conf = server->conf;
	const struct conf_trustpoint *trustpoint = conf->trustpoint;
	struct pki_trustpoint parameters;
	struct pki_error error = {""};
	fill_trustpoint(snapshot->conf, trustpoint, &parameters);
	if (pki_identity_load(&parameters, context->check, &server->identity, &error) < 0) {
		/* The sentence of the document, then what exactly is wrong. */
		add_line(&errors->text, "%s:%d: Unable to load %s certificate for %s: %s",
			snapshot->conf->path, trustpoint ? trustpoint->line : conf->line,
			parameters.method == PKI_METHOD_PEM ? "router" : "self-signed",
			snapshot->conf->hostname, error.text);
		return false;
	}
	const char *warning = server->identity ? pki_identity_warning(server->identity) : NULL;
	if (warning)
		add_line(&errors->warnings, "%s:%d: %s", snapshot->conf->path,
			trustpoint ? trustpoint->line : conf->line, warning);
	return true;
}

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

static bool build_tls(const struct snapshot *snapshot, struct server *server,
	const struct snapshot_context *context, struct snapshot_errors *errors)
{
	const struct conf_server *conf = server->conf;
	struct pki_identity *identity = server->identity;
	struct ktls_certificate certificate = {
		.certificate = identity ? pki_identity_certificate(identity) : NULL,
		.key = identity ? pki_identity_key(identity) : NULL,
		.chain = identity ? pki_identity_chain(identity) : NULL,
	};
	struct ktls_name name = {.certificates = &certificate, .certificate_count = 1};
	struct ktls_server_options options = {
		.name = conf->name,
		.names = &name,
		.name_count = identity ? 1 : 0,
		.tls12 = conf->tls12,
		.tls13 = conf->tls13,
		.ciphersuites = (const char *const *)conf->ciphersuites.items,
		.ciphersuite_count = conf->ciphersuites.count,
		.offload = offload_policy(conf->offload),
		.capabilities = context->capabilities,
		.tickets = context->tickets,
	};
	char error[512] = "";
	server->tls = ktls_server_new(&options, error, sizeof error);
	if (!server->tls)
		add_line(&errors->text, "%s:%d: server \"%s\": %s", snapshot->conf->path,
			conf->line, conf->name, error);
	return server->tls != NULL;
}

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

static bool open_backend(
	const struct snapshot *snapshot, struct server *server, struct snapshot_errors *errors)
{
	const struct conf_server *conf = server->conf;
	const char *why = NULL;
	int result;
	switch (conf->backend.type) {
	case CONF_BACKEND_TCP:
		result = look_up(&conf->backend, &server->backend);
		why = result ? gai_strerror(result) : NULL;
		break;
	case CONF_BACKEND_UNIX:
		server->backend.count = 1;
		server->backend.addresses[0].un.sun_family = AF_UNIX;
		snprintf(server->backend.addresses[0].un.sun_path,
			sizeof server->backend.addresses[0].un.sun_path, "%s", conf->backend.path);
		server->backend.addresses[0].len = sizeof(struct sockaddr_un);
		break;
	case CONF_BACKEND_FILES:
		result = file_root_open(&server->files, conf->backend.path);
		why = result < 0 ? strerror(-result) : NULL;
		break;
	}
	server->service =
		conf->backend.type == CONF_BACKEND_FILES ? &files_service : &tunnel_service;
	if (why)
		add_line(&errors->text, "%s:%d: server \"%s\": backend %s: %s",
			snapshot->conf->path, conf->line, conf->name, conf->backend.text, why);
	return !why;
}

static bool build_server(const struct snapshot *snapshot, struct server *server,
	const struct snapshot_context *context, struct snapshot_errors *errors)
{
	int slot = context->slot ? context->slot(context->slot_arg, server->conf->name) : 0;
	if (slot < 0) {
		add_line(&errors->text,
			"%s:%d: server \"%s\": this instance has seen %d different server names; "
			"restart it",
			snapshot->conf->path, server->conf->line, server->conf->name,
			STATS_SERVERS);
		return false;
	}
	server->slot = (unsigned)slot;
	bool built = open_backend(snapshot, server, errors);
	if (!load_identity(snapshot, server, context, errors))
		return false;
	return build_tls(snapshot, server, context, errors) && built;
}

static unsigned worker_count(const struct conf *conf)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned wanted = conf->workers ? conf->workers : cores > 0 ? (unsigned)cores : 1;
	return wanted < STATS_ROWS / 4 ? wanted : STATS_ROWS / 4;
}

unsigned snapshot_sockets(const struct conf *conf)
{
	/* At least one per core, so that a reload may start that many workers. */
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned workers = worker_count(conf);
	return cores > (long)workers ? (unsigned)cores : workers;
}

/* ---- listeners -------------------------------------------------------------------- */

static struct listener *inherit(const struct snapshot *previous, const char *server_name,
	const char *address, uint16_t port)
{
	for (size_t i = 0; previous && i < previous->listener_count; i++)
		if (listener_matches(previous->listeners[i].listener, server_name, address, port))
			return listener_ref(previous->listeners[i].listener);
	return NULL;
}

static bool listen_server(struct snapshot *snapshot, const struct server *server,
	const struct snapshot_context *context, struct snapshot_errors *errors)
{
	const struct conf_server *conf = server->conf;
	unsigned sockets = snapshot_sockets(snapshot->conf);
	bool complete = true;
	for (size_t i = 0; conf->secure_server && i < conf->secure_address.count; i++) {
		const char *address = conf->secure_address.items[i];
		char error[256];
		struct listener *listener =
			inherit(context->previous, conf->name, address, conf->secure_port);
		if (!listener)
			listener = listener_open(conf->name, address, conf->secure_port, sockets,
				error, sizeof error);
		if (!listener) {
			add_line(&errors->text, "%s:%d: server \"%s\": %s", snapshot->conf->path,
				conf->line, conf->name, error);
			complete = false;
			continue;
		}
		snapshot->listeners[snapshot->listener_count++] =
			(struct snapshot_listener){listener, server};
	}
	return complete;
}

static bool listen_all(struct snapshot *snapshot, const struct snapshot_context *context,
	struct snapshot_errors *errors)
{
	size_t most = 0;
	for (size_t i = 0; i < snapshot->server_count; i++)
		most += snapshot->conf->servers[i].secure_address.count;
	snapshot->listeners = calloc(most ? most : 1, sizeof *snapshot->listeners);
	bool complete = snapshot->listeners != NULL;
	for (size_t i = 0; snapshot->listeners && i < snapshot->server_count; i++)
		complete =
			listen_server(snapshot, &snapshot->servers[i], context, errors) && complete;
	return complete;
}

/* ---- the whole ---------------------------------------------------------------------- */

struct snapshot *snapshot_new(
	struct conf *conf, const struct snapshot_context *context, struct snapshot_errors *errors)
{
	struct snapshot *snapshot = calloc(1, sizeof *snapshot);
	bool complete = false;
	if (!snapshot) {
		conf_free(conf);
		add_line(&errors->text, "out of memory");
		return NULL;
	}
	snapshot->conf = conf;
	snapshot->workers = worker_count(conf);
	snapshot->servers = calloc(conf->server_count, sizeof *snapshot->servers);
	if (!snapshot->servers)
		goto out;
	snapshot->server_count = conf->server_count;
	for (size_t i = 0; i < conf->server_count; i++) {
		snapshot->servers[i].conf = &conf->servers[i];
		snapshot->servers[i].files.fd = -1;
	}
	complete = true;
	for (size_t i = 0; i < conf->server_count; i++)
		complete =
			build_server(snapshot, &snapshot->servers[i], context, errors) && complete;
	if (!context->check)
		complete = complete && listen_all(snapshot, context, errors);
out:
	if (complete)
		return snapshot;
	if (!errors->text)
		add_line(&errors->text, "out of memory");
	snapshot_free(snapshot);
	return NULL;
}

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (size_t i = 0; i < snapshot->listener_count; i++)
		listener_unref(snapshot->listeners[i].listener);
	for (size_t i = 0; i < snapshot->server_count; i++) {
		ktls_server_free(snapshot->servers[i].tls);
		pki_identity_unref(snapshot->servers[i].identity);
		file_root_close(&snapshot->servers[i].files);
	}
	free(snapshot->listeners);
	free(snapshot->servers);
	conf_free(snapshot->conf);
	free(snapshot);
}

bool snapshot_is_stale(const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->server_count; i++)
		if (pki_identity_is_stale(snapshot->servers[i].identity))
			return true;
	return false;
}
