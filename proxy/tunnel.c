/* The tunnel: one backend connection per client, bytes as they come. */
#include "proxy/conn.h"
#include "proxy/container.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

static void on_connected(struct ring_op *op, const struct ring_result *result);

/* Which of the backend's addresses is being tried; lives until connected. */
struct attempt {
	struct ring_op op;
	struct conn *conn;
	unsigned index;
	int error; /* of the last address that failed */
};

/* Starts a connection to the next address that has one; false: none is left. */
static bool connect_next(struct attempt *attempt)
{
	struct conn *conn = attempt->conn;
	const struct backend *backend = &conn->server->backend;
	endpoint_done(conn->worker, &conn->back);
	for (; attempt->index < backend->count; attempt->index++) {
		const struct sockaddr *address = &backend->addresses[attempt->index].any;
		int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0) {
			attempt->error = errno;
			continue;
		}
		conn->back.fd = fd;
		if (address->sa_family != AF_UNIX)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		ring_connect(conn->worker->ring, &attempt->op, fd, address,
			backend->addresses[attempt->index].len);
		attempt->index++;
		return true;
	}
	return false;
}

static void on_connected(struct ring_op *op, const struct ring_result *result)
{
	struct attempt *attempt = container_of(op, struct attempt, op);
	struct conn *conn = attempt->conn;
	if (conn->state == CONN_CONNECT && result->value < 0) {
		attempt->error = -result->value;
		if (connect_next(attempt))
			return;
		conn_end(conn, CONN_EVENT_FINISH, "backend not reached", attempt->error);
	}
	conn->service_data = NULL;
	free(attempt);
	if (conn->state == CONN_CONNECT)
		conn_event(conn, CONN_EVENT_CONNECTED);
	conn_update(conn);
}

static void tunnel_open(struct conn *conn)
{
	struct attempt *attempt = calloc(1, sizeof *attempt);
	if (!attempt) {
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
		return;
	}
	attempt->conn = conn;
	attempt->op.done = on_connected;
	conn->service_data = attempt;
	if (connect_next(attempt))
		return;
	conn_end(conn, CONN_EVENT_FINISH, "backend not reached", attempt->error);
	conn->service_data = NULL;
	free(attempt);
}

static void tunnel_client_data(struct conn *conn, struct buf *buf)
{
	if (conn->back.failed)
		buf_free(&conn->worker->bufs, buf); /* its answer may still be on the way */
	else
		buf_queue_join(&conn->back.queue, &conn->worker->bufs, buf);
}

static bool tunnel_is_busy(const struct conn *conn)
{
	return conn->service_data != NULL;
}

static void tunnel_cancel(struct conn *conn)
{
	struct attempt *attempt = conn->service_data;
	if (attempt)
		ring_cancel(conn->worker->ring, &attempt->op);
}

const struct service tunnel_service = {
	.name = "tunnel",
	.open = tunnel_open,
	.client_data = tunnel_client_data,
	.backend_data = conn_write,
	.cancel = tunnel_cancel,
	.is_busy = tunnel_is_busy,
};
