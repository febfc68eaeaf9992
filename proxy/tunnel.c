/* The tunnel: one backend connection per client, bytes as they come. */
#include "proxy/conn.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#include <errno.h>

static void tunnel_open(struct conn *conn)
{
	if (!backend_connect(conn, conn_backend(conn)))
		conn_end(conn, CONN_EVENT_FINISH, "backend not reached", errno);
}

static void tunnel_connected(struct conn *conn, int error)
{
	if (conn->state != CONN_CONNECT)
		return;
	if (error)
		conn_end(conn, CONN_EVENT_FINISH, "backend not reached", error);
	else
		conn_event(conn, CONN_EVENT_CONNECTED);
}

static void tunnel_client_data(struct conn *conn, struct buf *buf)
{
	struct endpoint *back = &conn->back->endpoint;
	if (back->failed)
		buf_free(&conn->worker->bufs, buf); /* its answer may still be on the way */
	else
		buf_queue_join(&back->queue, &conn->worker->bufs, buf);
}

static void tunnel_client_bytes(struct conn *conn, const uint8_t *data, size_t len)
{
	relay_to_backend(conn, data, len);
}

static void tunnel_backend_bytes(struct conn *conn, const uint8_t *data, size_t len)
{
	relay_to_client(conn, data, len);
}

static void tunnel_backend_end(struct conn *conn, int error)
{
	if (error)
		conn_cut(conn, "backend reset", error);
	else
		conn_backend_end(conn);
}

const struct service tunnel_service = {
	.name = "tunnel",
	.open = tunnel_open,
	.connected = tunnel_connected,
	.client_data = tunnel_client_data,
	.client_bytes = tunnel_client_bytes,
	.backend_data = conn_write,
	.backend_bytes = tunnel_backend_bytes,
	.backend_end = tunnel_backend_end,
	.hands_on_end = true,
};
