#include "proxy/snapshot.h"

#include "proxy/listener.h"
#include "proxy/stats.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- servers ---------------------------------------------------------------------- */

static bool build_server(const struct snapshot *snapshot, struct server *server,
	const struct snapshot_context *context, struct messages *messages)
{
	int slot = context->slot ? context->slot(context->slot_arg, server->conf->name) : 0;
	if (slot < 0) {
		messages_add(&messages->errors,
			"%s:%d: server \"%s\": this instance has seen %d different server names; "
			"restart it",
			snapshot->conf->path, server->conf->line, server->conf->name,
			STATS_SERVERS);
		return false;
	}
	server->slot = (unsigned)slot;
	const struct server_context parts = {
		.conf = snapshot->conf,
		.capabilities = context->capabilities,
		.tickets = context->tickets,
		.check = context->check,
		.messages = messages,
	};
	return server_build(server, &parts);
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

/* One of a server's two sides: where it listens, and how. */
struct side {
	const struct server *server;
	const struct conf_strings *addresses;
	uint16_t port;
	bool is_secure;
};

static struct listener *inherit(
	const struct snapshot *previous, const struct side *side, const char *address)
{
	for (size_t i = 0; previous && i < previous->listener_count; i++) {
		struct listener *listener = previous->listeners[i].listener;
		if (listener_matches(listener, side->server->conf->name, address, side->port,
			    side->is_secure))
			return listener_ref(listener);
	}
	return NULL;
}

static bool listen_side(struct snapshot *snapshot, const struct side *side,
	const struct snapshot_context *context, struct messages *messages)
{
	const struct conf_server *conf = side->server->conf;
	unsigned sockets = snapshot_sockets(snapshot->conf);
	bool complete = true;
	for (size_t i = 0; i < side->addresses->count; i++) {
		const char *address = side->addresses->items[i];
		char error[256];
		struct listener *listener = inherit(context->previous, side, address);
		if (!listener)
			listener = listener_open(conf->name, address, side->port, side->is_secure,
				sockets, error, sizeof error);
		if (!listener) {
			messages_add(&messages->errors, "%s:%d: server \"%s\": %s",
				snapshot->conf->path, conf->line, conf->name, error);
			complete = false;
			continue;
		}
		snapshot->listeners[snapshot->listener_count++] = (struct snapshot_listener){
			.listener = listener,
			.server = side->server,
			.is_secure = side->is_secure,
			.port = listener->port,
		};
	}
	return complete;
}

static bool listen_server(struct snapshot *snapshot, const struct server *server,
	const struct snapshot_context *context, struct messages *messages)
{
	const struct conf_server *conf = server->conf;
	size_t first = snapshot->listener_count;
	struct side secure = {server, &conf->secure_address, conf->secure_port, true};
	struct side plain = {server, &conf->http_address, conf->http_port, false};
	bool complete = !conf->secure_server || listen_side(snapshot, &secure, context, messages);
	/* Where the plain server redirects to: the port that 0 has become. */
	uint16_t secure_port = snapshot->listener_count > first ? snapshot->listeners[first].port
								: conf->secure_port;
	if (conf->http_server)
		complete = listen_side(snapshot, &plain, context, messages) && complete;
	for (size_t i = first; i < snapshot->listener_count; i++)
		snapshot->listeners[i].secure_port = secure_port;
	return complete;
}

static bool listen_all(struct snapshot *snapshot, const struct snapshot_context *context,
	struct messages *messages)
{
	size_t most = 0;
	for (size_t i = 0; i < snapshot->server_count; i++)
		most += snapshot->conf->servers[i].secure_address.count +
			snapshot->conf->servers[i].http_address.count;
	snapshot->listeners = calloc(most ? most : 1, sizeof *snapshot->listeners);
	bool complete = snapshot->listeners != NULL;
	for (size_t i = 0; snapshot->listeners && i < snapshot->server_count; i++)
		complete = listen_server(snapshot, &snapshot->servers[i], context, messages) &&
			   complete;
	return complete;
}

/* Each backend of each server has a pool of its own in every worker. */
static void number_backends(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->server_count; i++)
		for (size_t j = 0; j < snapshot->servers[i].backend_count; j++)
			snapshot->servers[i].backends[j].slot = snapshot->backend_count++;
}

/* ---- the whole ---------------------------------------------------------------------- */

struct snapshot *snapshot_new(
	struct conf *conf, const struct snapshot_context *context, struct messages *messages)
{
	struct snapshot *snapshot = calloc(1, sizeof *snapshot);
	bool complete = false;
	if (!snapshot) {
		conf_free(conf);
		messages_add(&messages->errors, "out of memory");
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
		complete = build_server(snapshot, &snapshot->servers[i], context, messages) &&
			   complete;
	number_backends(snapshot);
	if (!context->check)
		complete = complete && listen_all(snapshot, context, messages);
out:
	if (complete)
		return snapshot;
	if (!messages->errors)
		messages_add(&messages->errors, "out of memory");
	snapshot_free(snapshot);
	return NULL;
}

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (size_t i = 0; i < snapshot->listener_count; i++)
		listener_unref(snapshot->listeners[i].listener);
	for (size_t i = 0; i < snapshot->server_count; i++)
		server_done(&snapshot->servers[i]);
	free(snapshot->listeners);
	free(snapshot->servers);
	conf_free(snapshot->conf);
	free(snapshot);
}

bool snapshot_is_stale(const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->server_count; i++)
		if (server_is_stale(&snapshot->servers[i]))
			return true;
	return false;
}
