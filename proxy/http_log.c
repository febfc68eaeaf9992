#include "proxy/http_log.h"

#include "proxy/address.h"
#include "proxy/http_exchange.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"

#include <string.h>

static void entry_of_session(struct access_entry *entry, const struct conn *conn)
{
	struct ktls_info info;
	if (!conn->listener->is_secure)
		return;
	ktls_session_info(conn->session, &info);
	entry->tls_version = info.version;
	entry->cipher = info.cipher;
	entry->server_name = *info.server_name ? info.server_name : NULL;
	entry->client_subject = *info.client_subject ? info.client_subject : NULL;
	entry->offload_tx = ktls_engine_name(ktls_session_engine(conn->session, KTLS_TX));
	entry->offload_rx = ktls_engine_name(ktls_session_engine(conn->session, KTLS_RX));
	entry->resumed = info.resumed;
}

/* Only a head that was read whole is still there to be pointed at. */
static void entry_of_request(struct access_entry *entry, const struct http *http)
{
	const struct http_request *request = &http->request;
	if (!http->head)
		return;
	entry->method = request->method;
	entry->target = request->target;
	entry->host = request->host;
	entry->referer = request->referer;
	entry->user_agent = request->user_agent;
	entry->minor_version = request->minor_version;
}

void http_log(struct conn *conn)
{
	struct worker *worker = conn->worker;
	const struct http *http = http_of(conn);
	if (worker->access.fd < 0)
		return;
	const struct backend *backend = conn_backend(conn);
	struct access_entry entry = {
		.time = worker_time(worker),
		.duration_us = (uint64_t)(worker_precise_us() - http->started),
		.peer = &conn->peer.any,
		.user = http->user,
		.server = conn->server->conf->name,
		.listener = conn->listener->listener->text,
		.status = http->status,
		.bytes_sent = http->answered ? conn->down.bytes - http->sent : 0,
		.upstream = http->reached ? backend->text : NULL,
	};
	entry_of_request(&entry, http);
	entry_of_session(&entry, conn);
	if (access_log_add(&worker->access, &entry))
		worker_flush_access(worker);
}

void http_log_failure(struct conn *conn, unsigned status, const char *cause, int error)
{
	struct worker *worker = conn->worker;
	unsigned suppressed = 0;
	char peer[ADDRESS_TEXT];
	if (!log_limit_pass(&worker->failure_limit, worker->now, &suppressed))
		return;
	log_line(worker->log, CONF_LOG_WARNING,
		"request server=%s peer=%s status=%u cause=\"%s%s%s\" suppressed=%u",
		conn->server->conf->name, address_text(&conn->peer.any, peer), status, cause,
		error ? ": " : "", error ? strerror(error) : "", suppressed);
}
