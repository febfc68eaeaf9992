#include "proxy/backend.h"

#include "proxy/conn.h"
#include "proxy/container.h"
#include "proxy/proxy_protocol.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * How long a connection is kept without work. Short, because most servers close
 * theirs after 5 s or more, and whoever closes first loses no request.
 */
#define IDLE_MS 4000
/* How often idle ones are looked at: another worker may need what they take up. */
#define LOOK_MS 100

/* ---- the end -------------------------------------------------------------- */

static void free_conn(struct backend_conn *back)
{
	*back->link = back->next;
	if (back->next)
		back->next->link = back->link;
	endpoint_done(back->worker, &back->endpoint);
	free(back);
}

static bool is_busy(const struct backend_conn *back)
{
	return endpoint_is_busy(&back->endpoint) || back->connecting.active;
}

static struct backend_pool *pool_of(const struct backend_conn *back)
{
	return &back->worker->pools[back->backend->slot];
}

static void idle_unlink(struct backend_conn *back)
{
	if (!back->idle_link)
		return;
	*back->idle_link = back->idle_next;
	if (back->idle_next)
		back->idle_next->idle_link = back->idle_link;
	back->idle_link = NULL;
	pool_of(back)->count--;
	back->stats->backend_idle--;
	timer_clear(&back->worker->wheel, &back->timer);
}

/* Nobody owns it any more: it goes with its last operation. */
static void close_conn(struct backend_conn *back)
{
	idle_unlink(back);
	endpoint_cancel(back->worker, &back->endpoint);
	ring_cancel(back->worker->ring, &back->connecting);
	if (!is_busy(back))
		free_conn(back);
}

/* A handler of one that is nobody's: in the pool any news is bad news. */
static void orphan_event(struct backend_conn *back)
{
	if (back->idle_link)
		close_conn(back);
	else if (!is_busy(back))
		free_conn(back);
}

/* ---- the pool --------------------------------------------------------------- */

/* Hears of the backend's end while it is idle. */
static void idle_listen(struct backend_conn *back)
{
	if (back->is_bulk)
		endpoint_await_readable(back->worker, &back->endpoint);
	else
		endpoint_receive(back->worker, &back->endpoint, true);
}

static void on_idle_expired(struct timer *timer)
{
	close_conn(container_of(timer, struct backend_conn, timer));
}

static void idle_link(struct backend_conn *back)
{
	struct backend_pool *pool = pool_of(back);
	struct worker *worker = back->worker;
	back->idle_next = pool->idle;
	back->idle_link = &pool->idle;
	if (back->idle_next)
		back->idle_next->idle_link = &back->idle_next;
	pool->idle = back;
	pool->count++;
	back->stats->backend_idle++;
	timer_set(&worker->wheel, &back->timer, worker->now + IDLE_MS);
	if (!worker->pool_timer.link)
		timer_set(&worker->wheel, &worker->pool_timer, worker->now + LOOK_MS);
	idle_listen(back);
}

struct backend_conn *backend_take(struct conn *conn, const struct backend *backend)
{
	struct backend_conn *back = conn->worker->pools[backend->slot].idle;
	if (!back)
		return NULL;
	idle_unlink(back);
	back->conn = conn;
	back->stats->backend_busy++;
	back->is_reused = true;
	back->is_asked = false;
	conn->back = back;
	conn->down.mode = back->is_bulk ? RELAY_BULK : RELAY_MESSAGE;
	return back;
}

/* What is left in the pipe to it is nobody else's: the next request begins without it. */
static struct backend_conn *detach(struct conn *conn)
{
	struct backend_conn *back = conn->back;
	pipe_return(&conn->worker->pipes, conn->up.pipe);
	conn->up.pipe = NULL;
	back->conn = NULL;
	back->stats->backend_busy--;
	conn->back = NULL;
	return back;
}

void backend_release(struct conn *conn, bool reusable)
{
	if (!conn->back)
		return;
	struct backend_conn *back = detach(conn);
	/* Until a cancelled receive has come back no other can be started. */
	const struct ring_op *receive = &back->endpoint.receive;
	bool is_deaf = receive->active && receive->cancelling;
	if (!reusable || back->worker->draining || is_deaf ||
		pool_of(back)->count >= back->backend->idle_max) {
		close_conn(back);
		return;
	}
	back->is_bulk = conn->down.mode == RELAY_BULK;
	idle_link(back);
}

void backend_abort(struct conn *conn)
{
	if (!conn->back)
		return;
	struct backend_conn *back = detach(conn);
	if (back->endpoint.fd >= 0 && !back->endpoint.shut)
		endpoint_reset(&back->endpoint);
	close_conn(back);
}

void backend_pool_drain(struct worker *worker)
{
	for (struct backend_conn *at = worker->backends, *next; at; at = next) {
		next = at->next;
		if (at->idle_link)
			close_conn(at);
	}
}

void backend_pool_done(struct worker *worker)
{
	for (struct backend_conn *at = worker->backends, *next; at; at = next) {
		next = at->next;
		at->endpoint.receive.active = at->endpoint.send.active = false;
		at->endpoint.readable.active = at->endpoint.writable.active = false;
		free_conn(at);
	}
}

/* ---- the limit ----------------------------------------------------------------- */

bool backend_is_used_up(const struct worker *worker, const struct server *server)
{
	const struct conf_server *conf = server->conf;
	/* No client's connection has two: others need not be asked what max_connections grants. */
	if (conf->backend_max_connections >= conf->max_connections)
		return false;
	return stats_backends_busy(worker->stats, server->slot) >= conf->backend_max_connections;
}

/*
 * Closes one that has been idle long, if any of the server's is idle. The backend hears
 * of its end before it hears of what needs the room.
 */
static void idle_drop(struct worker *worker, const struct server *server)
{
	for (size_t i = 0; i < server->backend_count; i++) {
		struct backend_conn *at = worker->pools[server->backends[i].slot].idle;
		while (at && at->idle_next)
			at = at->idle_next;
		if (!at)
			continue;
		shutdown(at->endpoint.fd, SHUT_RDWR);
		close_conn(at);
		return;
	}
}

static void make_room(struct worker *worker, const struct server *server)
{
	if (stats_backends(worker->stats, server->slot) >= server->conf->backend_max_connections)
		idle_drop(worker, server);
}

/* One worker cannot close another's idle connections: each looks after its own. */
static bool idle_give_way(struct worker *worker, const struct server *server)
{
	const struct stats_server *own = &worker->row->servers[server->slot];
	while (own->backend_idle > 0 &&
		stats_backends(worker->stats, server->slot) > server->conf->backend_max_connections)
		idle_drop(worker, server);
	return own->backend_idle > 0;
}

static void on_pool_timer(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, pool_timer);
	bool has_idle = false;
	for (size_t i = 0; i < worker->snapshot->server_count; i++)
		has_idle = idle_give_way(worker, &worker->snapshot->servers[i]) || has_idle;
	if (has_idle)
		timer_set(&worker->wheel, timer, worker->now + LOOK_MS);
}

int backend_pool_init(struct worker *worker)
{
	worker->pool_timer.expired = on_pool_timer;
	worker->pools = calloc(worker->snapshot->backend_count + 1, sizeof *worker->pools);
	return worker->pools ? 0 : -ENOMEM;
}

/* ---- connecting -------------------------------------------------------------- */

static void on_connected(struct ring_op *op, const struct ring_result *result);

/* Starts a connection to the next address that has one; false: none is left. */
static bool connect_next(struct backend_conn *back)
{
	const struct backend *backend = back->backend;
	if (back->endpoint.fd >= 0)
		close(back->endpoint.fd);
	back->endpoint.fd = -1;
	for (; back->index < backend->count; back->index++) {
		const struct sockaddr *address = &backend->addresses[back->index].any;
		int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0) {
			back->error = errno;
			continue;
		}
		back->endpoint.fd = fd;
		if (address->sa_family != AF_UNIX)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		ring_connect(back->worker->ring, &back->connecting, fd, address,
			backend->addresses[back->index].len);
		back->index++;
		return true;
	}
	return false;
}

/* Tells the backend who it is talking to, where it wants that. 0 or errno. */
static int greet(struct backend_conn *back, const struct conn *conn)
{
	uint8_t header[PROXY_PROTOCOL_MAX];
	union conn_address local = {.any.sa_family = AF_UNSPEC};
	socklen_t len = sizeof local;
	struct ktls_info info;
	if (!conn->server->conf->proxy_protocol)
		return 0;
	ktls_session_info(conn->session, &info);
	struct proxy_protocol_tls tls = {
		.version = info.version,
		.cipher = info.cipher,
		.server_name = info.server_name,
		.has_certificate = *info.client_subject != '\0',
		.verified = strcmp(info.client_verify, "SUCCESS") == 0,
		.resumed = info.resumed,
	};
	getsockname(conn->front.fd, &local.any, &len);
	size_t size = proxy_protocol_v2(&conn->peer.any, &local.any,
		conn->listener->is_secure ? &tls : NULL, header, sizeof header);
	return -buf_queue_append(&back->endpoint.queue, &back->worker->bufs, header, size);
}

static void on_connected(struct ring_op *op, const struct ring_result *result)
{
	struct backend_conn *back = container_of(op, struct backend_conn, connecting);
	struct conn *conn = back->conn;
	if (!conn) {
		orphan_event(back);
		return;
	}
	if (result->value < 0) {
		back->error = -result->value;
		if (connect_next(back))
			return;
	}
	conn->service->connected(conn, result->value < 0 ? back->error : greet(back, conn));
	conn_update(conn);
}

/* ---- the ring's news ------------------------------------------------------------ */

static void on_receive(struct ring_op *op, const struct ring_result *result)
{
	struct backend_conn *back = container_of(op, struct backend_conn, endpoint.receive);
	if (back->conn) {
		relay_back_received(back->conn, result);
		return;
	}
	buf_free(&back->worker->bufs, result->buf);
	/* No buffer was free: nothing has been heard of the backend. */
	if (back->idle_link && result->value == -ENOBUFS)
		idle_listen(back);
	else
		orphan_event(back);
}

static void on_send(struct ring_op *op, const struct ring_result *result)
{
	struct backend_conn *back = container_of(op, struct backend_conn, endpoint.send);
	if (back->conn)
		relay_back_sent(back->conn, result->value);
	else
		orphan_event(back);
}

static void on_readable(struct ring_op *op, const struct ring_result *result)
{
	struct backend_conn *back = container_of(op, struct backend_conn, endpoint.readable);
	(void)result;
	back->endpoint.ready = true;
	if (back->conn)
		conn_update(back->conn);
	else
		orphan_event(back);
}

static void on_writable(struct ring_op *op, const struct ring_result *result)
{
	struct backend_conn *back = container_of(op, struct backend_conn, endpoint.writable);
	(void)result;
	if (back->conn)
		conn_update(back->conn);
	else
		orphan_event(back);
}

struct backend_conn *backend_connect(struct conn *conn, const struct backend *backend)
{
	struct worker *worker = conn->worker;
	make_room(worker, conn->server);
	struct backend_conn *back = calloc(1, sizeof *back);
	if (!back) {
		errno = ENOMEM;
		return NULL;
	}
	endpoint_init(&back->endpoint);
	back->endpoint.receive.done = on_receive;
	back->endpoint.send.done = on_send;
	back->endpoint.readable.done = on_readable;
	back->endpoint.writable.done = on_writable;
	back->connecting.done = on_connected;
	back->timer.expired = on_idle_expired;
	back->worker = worker;
	back->stats = &worker->row->servers[conn->server->slot];
	back->backend = backend;
	back->next = worker->backends;
	back->link = &worker->backends;
	if (back->next)
		back->next->link = &back->next;
	worker->backends = back;
	if (!connect_next(back)) {
		errno = back->error ? back->error : EHOSTUNREACH;
		free_conn(back);
		return NULL;
	}
	back->conn = conn;
	back->stats->backend_busy++;
	conn->back = back;
	conn->down.mode = RELAY_MESSAGE;
	return back;
}
