#include "proxy/conn.h"

#include "proxy/access_class.h"
#include "proxy/address.h"
#include "proxy/conn_debug.h"
#include "proxy/container.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long a client may take to close after we have (RFC 9112 9.6). */
#define LINGER_MS 2000
/*
 * A backend is asked for a connection when the client's first bytes are there: a
 * scan or a spare connection costs it none. A client that waits for the server to
 * speak first gets its backend after this time.
 */
#define PATIENCE_MS 100
/* The time for what is still queued when no idle time is set. */
#define CLOSING_MS 60000
/* What the log's line may show of a failure's text. */
#define CAUSE_MAX 256
/* Connections beyond max_connections that a worker answers at a time. */
#define EXCESS_MAX 64

static void conn_release(struct conn *conn);

/* The kernel may still touch what belongs to the connection. */
static bool is_busy(const struct conn *conn)
{
	return endpoint_is_busy(&conn->front) ||
	       (conn->service->is_busy && conn->service->is_busy(conn));
}

bool conn_is_tx_plaintext(const struct conn *conn)
{
	return ktls_takes_plaintext(conn->session, KTLS_TX);
}

bool conn_is_rx_plaintext(const struct conn *conn)
{
	return ktls_takes_plaintext(conn->session, KTLS_RX);
}

const struct backend *conn_backend(const struct conn *conn)
{
	struct ktls_info info;
	ktls_session_info(conn->session, &info);
	return server_backend(conn->server, info.name_index);
}

static int64_t conn_idle_ms(const struct conn *conn)
{
	int64_t idle = (int64_t)conn->server->conf->timeout.idle * 1000;
	return !idle && conn->state == CONN_CLOSING ? CLOSING_MS : idle;
}

void conn_touch(struct conn *conn)
{
	int64_t idle = conn_idle_ms(conn);
	int64_t deadline = idle ? conn->worker->now + idle : conn->latest;
	/* Neither the handshake's time nor the client's time to close is prolonged. */
	if (conn->state < CONN_RELAY || conn->state > CONN_CLOSING || conn->lingering)
		return;
	if (conn->latest && conn->latest < deadline)
		deadline = conn->latest;
	if (deadline)
		timer_set(&conn->worker->wheel, &conn->timer, deadline);
	else
		timer_clear(&conn->worker->wheel, &conn->timer); /* of a limit that is gone */
}

void conn_limit(struct conn *conn, int64_t latest)
{
	if (latest == conn->latest)
		return;
	conn->latest = latest;
	conn_touch(conn);
}

static void conn_set_timer(struct conn *conn, int64_t ms)
{
	/* A shorter time than before has to move the timer, not just its deadline. */
	timer_clear(&conn->worker->wheel, &conn->timer);
	if (ms)
		timer_set(&conn->worker->wheel, &conn->timer, conn->worker->now + ms);
}

void conn_again(struct conn *conn)
{
	if (conn->is_again)
		return;
	conn->is_again = true;
	conn->again = conn->worker->again;
	conn->worker->again = conn;
}

/* ---- opening -------------------------------------------------------------- */

static void on_front_receive(struct ring_op *op, const struct ring_result *result);
static void on_front_send(struct ring_op *op, const struct ring_result *result);
static void on_front_ready(struct ring_op *op, const struct ring_result *result);
static void on_front_writable(struct ring_op *op, const struct ring_result *result);
static void on_expired(struct timer *timer);

static bool over_limit(const struct worker *worker, const struct server *server)
{
	return stats_open(worker->stats, server->slot) >= server->conf->max_connections;
}

static struct conn *conn_new(
	struct worker *worker, const struct snapshot_listener *listener, int fd)
{
	const struct server *server = listener->server;
	struct conn *conn = calloc(1, sizeof *conn);
	if (!conn)
		return NULL;
	conn->session = listener->is_secure ? ktls_session_new(server->tls, fd)
					    : ktls_session_new_plain(fd);
	if (!conn->session) {
		free(conn);
		return NULL;
	}
	conn->worker = worker;
	conn->server = server;
	conn->listener = listener;
	conn->service = server->service;
	conn->started = worker->now;
	endpoint_init(&conn->front);
	conn->front.fd = fd;
	conn->front.receive.done = on_front_receive;
	conn->front.send.done = on_front_send;
	conn->front.readable.done = on_front_ready;
	conn->front.writable.done = on_front_writable;
	relay_init(conn);
	conn->timer.expired = on_expired;
	return conn;
}

static void refuse(struct worker *worker, const struct server *server, int fd,
	const struct sockaddr *peer, const char *cause)
{
	unsigned suppressed = 0;
	char text[ADDRESS_TEXT];
	worker->row->servers[server->slot].refused++;
	if (log_limit_pass(&worker->failure_limit, worker->now, &suppressed))
		log_line(worker->log, CONF_LOG_WARNING,
			"connection server=%s peer=%s cause=\"refused: %s\" suppressed=%u",
			server->conf->name, address_text(peer, text), cause, suppressed);
	close(fd);
}

/*
 * May it come in? Beyond max_connections HTTP clients get an answer, as long as the
 * worker has room for the answering.
 */
static bool admit(struct worker *worker, const struct server *server, const struct sockaddr *peer,
	bool *excess, const char **cause)
{
	const struct conf_server *conf = server->conf;
	if (!access_class_permits(conf->access_class, conf->access_rule_count, peer)) {
		*cause = "access class";
		return false;
	}
	*excess = over_limit(worker, server);
	*cause = "max_connections reached";
	return !*excess || (server->service == &http_service && worker->excess_count < EXCESS_MAX);
}

static void conn_link(struct worker *worker, struct conn *conn)
{
	conn->next = worker->conns;
	conn->link = &worker->conns;
	if (conn->next)
		conn->next->link = &conn->next;
	worker->conns = conn;
	worker->conn_count++;
	worker_conn_opened(worker);
}

static void count_open(struct conn *conn)
{
	struct stats_server *stats = &conn->worker->row->servers[conn->server->slot];
	if (conn->excess) {
		conn->worker->excess_count++;
		stats->refused++;
	} else {
		stats->accepted++;
		stats->open++;
	}
}

void conn_open(struct worker *worker, const struct snapshot_listener *listener, int fd)
{
	const struct server *server = listener->server;
	union conn_address peer = {.any.sa_family = AF_UNSPEC};
	socklen_t len = sizeof peer;
	const char *cause;
	bool excess;
	getpeername(fd, &peer.any, &len);
	if (!admit(worker, server, &peer.any, &excess, &cause)) {
		refuse(worker, server, fd, &peer.any, cause);
		return;
	}
	struct conn *conn = conn_new(worker, listener, fd);
	if (!conn) {
		refuse(worker, server, fd, &peer.any, "out of memory");
		return;
	}
	conn->peer = peer;
	conn->excess = excess;
	count_open(conn);
	conn_link(worker, conn);
	conn_set_timer(conn, (int64_t)server->conf->timeout.handshake * 1000);
	handshake_start(conn);
}

/* ---- state ---------------------------------------------------------------- */

static void count_offload(struct conn *conn)
{
	if (!conn->listener->is_secure)
		return;
	struct stats_server *stats = &conn->worker->row->servers[conn->server->slot];
	if (conn_is_rx_plaintext(conn))
		stats->offload_both++;
	else if (conn_is_tx_plaintext(conn))
		stats->offload_tx++;
	else
		stats->offload_none++;
}

static void enter_relay(struct conn *conn)
{
	conn_set_timer(conn, conn_idle_ms(conn));
	while (conn->early.head && conn->state == CONN_RELAY)
		conn->service->client_data(conn, buf_queue_pop(&conn->early));
	if (conn->client_ended && conn->state == CONN_RELAY)
		conn_client_end(conn);
}

static void enter_closed(struct conn *conn)
{
	/* An end that is not the client's own must not look like one to the backend. */
	backend_abort(conn);
	timer_clear(&conn->worker->wheel, &conn->timer);
	endpoint_cancel(conn->worker, &conn->front);
	/* Without TLS only a reset tells the client that its stream ends short. */
	if (ktls_session_is_plain(conn->session) && (conn->cut || !conn->front.shut))
		endpoint_reset(&conn->front);
	if (conn->service->cancel)
		conn->service->cancel(conn);
	conn_again(conn); /* released from the loop: callers may still look at it */
}

static void enter(struct conn *conn)
{
	switch (conn->state) {
	case CONN_CONNECT:
		count_offload(conn);
		conn_set_timer(conn, PATIENCE_MS);
		conn_again(conn);
		break;
	case CONN_RELAY:
		enter_relay(conn);
		break;
	case CONN_UP_ONLY:
		conn->notify = true;
		break;
	case CONN_CLOSING:
		conn->notify = conn->secured && !conn->front.shut && !conn->cut;
		conn->latest = 0;
		conn_set_timer(conn, conn_idle_ms(conn));
		break;
	case CONN_CLOSED:
		enter_closed(conn);
		break;
	case CONN_HANDSHAKE:
	case CONN_OFFLOAD:
	case CONN_DOWN_ONLY:
	case CONN_STATES:
		break;
	}
}

void conn_event(struct conn *conn, enum conn_event event)
{
	enum conn_state next = conn_next(conn->state, event);
	if (next == CONN_INVALID) {
		log_line(conn->worker->log, CONF_LOG_ERROR,
			"bug: event \"%s\" in state %s; connection closed", conn_event_name(event),
			conn_state_name(conn->state));
		next = CONN_CLOSED;
	}
	log_line(conn->worker->log, CONF_LOG_DEBUG, "conn %p %s --%s--> %s", (void *)conn,
		conn_state_name(conn->state), conn_event_name(event), conn_state_name(next));
	conn->state = next;
	enter(conn);
}

/* For the log: an orderly end is no news once something has gone wrong. */
static void set_cause(struct conn *conn, const char *cause, int error, bool orderly)
{
	if (conn->cause && (orderly || !conn->cause_is_orderly))
		return;
	conn->cause = cause;
	conn->cause_errno = error;
	conn->cause_is_orderly = orderly;
	conn->ended_in = conn->state;
}

void conn_end(struct conn *conn, enum conn_event event, const char *cause, int error)
{
	if (conn->state == CONN_CLOSED)
		return;
	set_cause(conn, cause, error, event == CONN_EVENT_ENDED);
	/* What is being closed already cannot be finished again. */
	if (conn->state == CONN_CLOSING && event == CONN_EVENT_FINISH)
		return;
	conn_event(conn, event);
}

void conn_cut(struct conn *conn, const char *cause, int error)
{
	conn->cut = true;
	conn->notify = false;
	conn_end(conn, CONN_EVENT_FINISH, cause, error);
}

void conn_session_failed(struct conn *conn)
{
	if (!conn->secured)
		conn->worker->row->servers[conn->server->slot].handshake_failed++;
	conn_debug_failed(conn);
	relay_drop(conn); /* nothing may follow an alert (RFC 8446 6.2) */
	conn_cut(conn, ktls_session_error(conn->session), 0);
}

void conn_client_end(struct conn *conn)
{
	if (!conn->client_ended)
		conn_debug_call(conn, "receive", KTLS_CLOSED);
	conn->client_ended = conn->front.ending = true;
	if (conn->state != CONN_RELAY && conn->state != CONN_UP_ONLY)
		return; /* told to the service when there is one */
	set_cause(conn, "client closed", 0, true);
	conn_event(conn, CONN_EVENT_CLIENT_END);
}

static bool is_idle(const struct conn *conn)
{
	return conn->service->is_idle && conn->service->is_idle(conn);
}

void conn_client_stopped(struct conn *conn, int error)
{
	conn->front.eof = true;
	if (conn->state == CONN_HANDSHAKE) {
		conn->worker->row->servers[conn->server->slot].handshake_failed++;
		conn_end(conn, CONN_EVENT_ABORT, "client closed during the handshake", error);
	} else if (error) {
		conn_end(conn, CONN_EVENT_ABORT, "client reset", error);
	} else if (conn->front.shut) {
		/* Many a client answers our close_notify with a plain end. */
		if (conn->state != CONN_CLOSING)
			conn_cut(conn, "client closed", 0);
	} else if (conn->state != CONN_CLOSING && is_idle(conn)) {
		/* Nothing was asked that could be cut short. */
		conn_end(conn, CONN_EVENT_ABORT, "client closed", 0);
	} else if (!conn->client_ended && conn->state != CONN_CLOSING) {
		conn_end(
			conn, CONN_EVENT_ABORT, "truncated: client closed without close_notify", 0);
	}
}

void conn_backend_end(struct conn *conn)
{
	set_cause(conn, "backend closed", 0, true);
	if (conn->state == CONN_RELAY || conn->state == CONN_DOWN_ONLY)
		conn_event(conn, CONN_EVENT_BACKEND_END);
}

static void open_service(struct conn *conn)
{
	conn->opened = true;
	conn_set_timer(conn, (int64_t)conn->server->conf->timeout.connect * 1000);
	conn->service->open(conn);
}

/*
 * Whether the backend's answer was complete only the service knows; ending in
 * order would call it so.
 */
static void idle_expired(struct conn *conn)
{
	conn_end(conn, is_idle(conn) ? CONN_EVENT_FINISH : CONN_EVENT_ABORT, "idle timeout", 0);
}

static void on_expired(struct timer *timer)
{
	struct conn *conn = container_of(timer, struct conn, timer);
	if (conn->state <= CONN_OFFLOAD) {
		conn->worker->row->servers[conn->server->slot].handshake_failed++;
		handshake_expired(conn);
	} else if (conn->state == CONN_CONNECT && !conn->opened) {
		open_service(conn);
	} else if (conn->state == CONN_CONNECT) {
		conn_end(conn, CONN_EVENT_FINISH, "backend connect timed out", 0);
	} else if (conn->state == CONN_CLOSING && conn->lingering) {
		conn_end(conn, CONN_EVENT_ENDED, "client did not close", 0);
	} else if (conn->state == CONN_CLOSING) {
		conn_end(conn, CONN_EVENT_ABORT, "client did not take the rest", 0);
	} else if (!conn->service->expired || !conn->service->expired(conn)) {
		idle_expired(conn);
	}
	conn_update(conn);
}

/* ---- the client's socket ---------------------------------------------------- */

static void front_bytes(struct conn *conn, struct buf *buf)
{
	bool is_full = buf_len(buf) >= KTLS_RECORD_PLAINTEXT;
	if (conn->state == CONN_HANDSHAKE) {
		handshake_received(conn, buf);
		return;
	}
	relay_open(conn, buf); /* frees it when nobody wants records any more */
	/* Pieces of a record that have brought no request yet may go on for ever. */
	if (!is_idle(conn))
		conn_touch(conn);
	if (is_full)
		relay_bulk_upload(conn);
}

static void on_front_receive(struct ring_op *op, const struct ring_result *result)
{
	struct conn *conn = container_of(op, struct conn, front.receive);
	if (result->buf)
		front_bytes(conn, result->buf);
	else if (result->value == 0)
		conn_client_stopped(conn, 0);
	else if (result->value != -ENOBUFS && result->value != -ECANCELED)
		conn_client_stopped(conn, -result->value);
	conn_update(conn);
}

static void on_front_send(struct ring_op *op, const struct ring_result *result)
{
	struct conn *conn = container_of(op, struct conn, front.send);
	if (result->value > 0) {
		conn->answered = true;
		conn_touch(conn);
	}
	if (!endpoint_sent(conn->worker, &conn->front, result->value)) {
		conn->front.failed = true;
		conn_end(conn, CONN_EVENT_ABORT, "client reset", -result->value);
	}
	conn_update(conn);
}

static void on_front_ready(struct ring_op *op, const struct ring_result *result)
{
	(void)result;
	struct conn *conn = container_of(op, struct conn, front.readable);
	conn->front.ready = true;
	conn_update(conn);
}

static void on_front_writable(struct ring_op *op, const struct ring_result *result)
{
	(void)result;
	struct conn *conn = container_of(op, struct conn, front.writable);
	conn->settled = true;
	if (conn->state != CONN_CLOSED && ktls_flush(conn->session) == KTLS_FAILED)
		conn_end(conn, CONN_EVENT_ABORT, ktls_session_error(conn->session), 0);
	conn_update(conn);
}

/* ---- the end ------------------------------------------------------------------ */

/* The last record: K2 wants the socket writable before and a lingering close after. */
static bool notify_client(struct conn *conn)
{
	uint8_t space[KTLS_REPLY_ROOM];
	struct ktls_output reply = {space, 0, sizeof space};
	if (conn_is_tx_plaintext(conn) && !conn->settled) {
		endpoint_await_writable(conn->worker, &conn->front);
		return false;
	}
	enum ktls_status status = ktls_close_notify(conn->session, &reply);
	conn_debug_call(conn, "close_notify", status);
	relay_reply(conn, &reply);
	if (status == KTLS_WANT_WRITE) {
		conn->settled = false;
		endpoint_await_writable(conn->worker, &conn->front);
		return false;
	}
	conn->notify = false;
	return true;
}

bool conn_finish_front(struct conn *conn)
{
	if (conn->front.shut)
		return true;
	if (!relay_hand_over(conn) || (conn->notify && !notify_client(conn)))
		return false;
	endpoint_send_last(conn->worker, &conn->front);
	if (!relay_hand_over(conn))
		return false;
	if (!conn->cut || !ktls_session_is_plain(conn->session))
		shutdown(conn->front.fd, SHUT_WR);
	conn->front.shut = true;
	return true;
}

/* Reads and forgets what a kernel direction still delivers, up to the TCP end. */
static void discard_kernel(struct conn *conn)
{
	uint8_t space[KTLS_REPLY_ROOM];
	enum ktls_status status = KTLS_DONE;
	for (int i = 0; i < 16 && (status == KTLS_DONE || status == KTLS_CLOSED); i++) {
		struct ktls_output out = {conn->worker->scratch_in, 0, SCRATCH_SIZE};
		struct ktls_output reply = {space, 0, sizeof space};
		status = ktls_recv(conn->session, &out, &reply);
	}
	bool is_end = status == KTLS_CLOSED && ktls_session_is_plain(conn->session);
	if (is_end || status == KTLS_TRUNCATED || status == KTLS_FAILED)
		conn->front.eof = true;
	else
		endpoint_await_readable(conn->worker, &conn->front);
}

/* Our ends are done: the client has a moment for its own. */
static void linger(struct conn *conn)
{
	if (!conn->lingering) {
		conn->lingering = true;
		conn_set_timer(conn, LINGER_MS);
	}
	if (conn_is_rx_plaintext(conn) && !conn->front.eof && !conn->front.readable.active)
		discard_kernel(conn);
	if (conn->front.eof)
		conn_event(conn, CONN_EVENT_ENDED);
	else if (!conn_is_rx_plaintext(conn))
		endpoint_receive(conn->worker, &conn->front, true);
}

static void closing_update(struct conn *conn)
{
	/* What the client ended in order reaches the backend whole. */
	bool back_done = !conn->client_ended || relay_finish_back(conn);
	if (conn->state == CONN_CLOSING && conn_finish_front(conn) && back_done)
		linger(conn);
}

static void connect_update(struct conn *conn)
{
	endpoint_flush(conn->worker, &conn->front);
	relay_await_client(conn);
	bool is_waiting = conn->state == CONN_CONNECT && !conn->opened;
	if (is_waiting && conn->early.head)
		open_service(conn);
	else if (is_waiting && conn->client_ended)
		conn_end(conn, CONN_EVENT_FINISH, "client closed", 0);
	if (conn->state != CONN_CONNECT)
		conn_update(conn);
}

void conn_update(struct conn *conn)
{
	switch (conn->state) {
	case CONN_HANDSHAKE:
	case CONN_OFFLOAD:
		handshake_update(conn);
		break;
	case CONN_CONNECT:
		connect_update(conn);
		break;
	case CONN_RELAY:
	case CONN_DOWN_ONLY:
	case CONN_UP_ONLY:
		relay_update(conn);
		break;
	case CONN_CLOSING:
		closing_update(conn);
		break;
	case CONN_CLOSED:
		if (!is_busy(conn))
			conn_again(conn);
		break;
	case CONN_STATES:
		break;
	}
}

static void log_conn(struct conn *conn)
{
	struct worker *worker = conn->worker;
	unsigned suppressed = 0;
	/* Failed handshakes cost a peer nothing: they may not fill the disk. */
	if (worker->log->level < CONF_LOG_INFO ||
		(!conn->secured &&
			!log_limit_pass(&worker->failure_limit, worker->now, &suppressed)))
		return;
	if (suppressed)
		log_line(worker->log, CONF_LOG_WARNING,
			"%u lines about failed handshakes suppressed", suppressed);

	struct ktls_info info;
	char peer[ADDRESS_TEXT], cause[CAUSE_MAX + 64], quoted[2 * CAUSE_MAX], reason[CAUSE_MAX];
	char subject[CAUSE_MAX];
	ktls_session_info(conn->session, &info);
	address_text(&conn->peer.any, peer);
	snprintf(cause, sizeof cause, "%s%s%s", conn->cause ? conn->cause : "backend closed",
		conn->cause_errno ? ": " : "",
		conn->cause_errno ? strerror(conn->cause_errno) : "");
	int64_t duration = worker->now - conn->started;
	log_line(worker->log, CONF_LOG_INFO,
		"conn peer=%s server=%s listener=%s tls=%s cipher=%s kx=%s resumed=%s "
		"client_cert=%s offload_tx=%s offload_rx=%s offload_reason=%s bytes_in=%" PRIu64
		" bytes_out=%" PRIu64 " requests=%u duration=%" PRId64 ".%03" PRId64
		" state=%s cause=%s",
		peer, conn->server->conf->name, conn->listener->listener->text,
		*info.version ? info.version : "-", *info.cipher ? info.cipher : "-",
		*info.key_exchange ? info.key_exchange : "-", info.resumed ? "yes" : "no",
		*info.client_subject ? log_quote(info.client_subject, subject, sizeof subject)
				     : "-",
		ktls_engine_name(ktls_session_engine(conn->session, KTLS_TX)),
		ktls_engine_name(ktls_session_engine(conn->session, KTLS_RX)),
		log_quote(ktls_session_reason(conn->session), reason, sizeof reason),
		conn->up.bytes, conn->down.bytes, conn->requests, duration / 1000, duration % 1000,
		conn_state_name(conn->ended_in), log_quote(cause, quoted, sizeof quoted));
}

static void count_bytes(struct conn *conn)
{
	struct stats_server *stats = &conn->worker->row->servers[conn->server->slot];
	stats->bytes_in += conn->up.bytes;
	stats->bytes_out += conn->down.bytes;
	if (conn->excess)
		conn->worker->excess_count--;
	else
		stats->open--;
}

/* Nothing points here any more: no operation is active, no list but the worker's. */
static void conn_release(struct conn *conn)
{
	struct worker *worker = conn->worker;
	log_conn(conn);
	count_bytes(conn);
	if (conn->service->close)
		conn->service->close(conn);
	relay_done(conn);
	endpoint_done(worker, &conn->front);
	ktls_session_free(conn->session);
	*conn->link = conn->next;
	if (conn->next)
		conn->next->link = conn->link;
	worker->conn_count--;
	free(conn);
	worker_conn_gone(worker);
}

void conn_resume(struct conn *conn)
{
	conn->is_again = false;
	if (conn->state != CONN_CLOSED)
		conn_update(conn);
	else if (!is_busy(conn))
		conn_release(conn);
}
