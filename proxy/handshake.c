/* From accept to settled keys. */
#include "proxy/conn.h"
#include "proxy/conn_debug.h"
#include "proxy/plain_http.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"

/* Room that libssl gets at least for what it wants to send next. */
#define OUTPUT_MIN 1024

/* RFC 8446 6.2 */
#define ALERT_HANDSHAKE_FAILURE 40
#define ALERT_PROTOCOL_VERSION  70

static void receive_more(struct conn *conn, size_t limit)
{
	if (!ktls_may_offload(conn->session))
		endpoint_receive(conn->worker, &conn->front, true);
	/* One at a time: nothing may be received behind our back while keys change. */
	else if (!conn->front.receive.active)
		ring_receive_once(conn->worker->ring, &conn->front.receive, conn->front.fd, limit);
}

void handshake_start(struct conn *conn)
{
	if (conn->listener->is_secure) {
		conn_debug_start(conn);
		receive_more(conn, 0);
		return;
	}
	conn->secured = true;
	conn_event(conn, CONN_EVENT_SECURED);
	conn_update(conn);
}

/* Runs libssl over the bytes of buf until it wants more of them, or is done. */
static enum ktls_status step(struct conn *conn, struct buf *buf)
{
	struct ktls_input in = {buf->data + buf->start, buf_len(buf)};
	enum ktls_status status;
	do {
		struct buf *room = endpoint_room(conn->worker, &conn->front, OUTPUT_MIN);
		if (!room)
			return KTLS_FAILED;
		struct ktls_output out = {room->data, room->end, BUF_SIZE};
		size_t offered = in.len;
		status = ktls_handshake(conn->session, &in, &out);
		conn_debug_handshake(conn, status, offered - in.len, out.len - room->end);
		conn->front.queue.bytes += out.len - room->end;
		room->end = (uint32_t)out.len;
	} while (status == KTLS_WANT_WRITE);
	buf->start = buf->end - (uint32_t)in.len;
	return status;
}

static void handshake_done(struct conn *conn, struct buf *rest)
{
	conn->secured = true;
	if (buf_len(rest) > 0)
		conn->partial = rest;
	else
		buf_free(&conn->worker->bufs, rest);
	bool is_wanted = ktls_offload_is_wanted(conn->session);
	conn_debug_established(conn);
	conn_debug_wanted(conn, is_wanted);
	conn_event(conn, is_wanted ? CONN_EVENT_HANDSHAKEN : CONN_EVENT_SECURED);
}

/* A client that forgot the "s" of https is told so, in its own language. */
static void answer_plain_http(struct conn *conn, struct buf *buf)
{
	struct buf *reply = buf_new(&conn->worker->bufs);
	if (reply) {
		reply->end = (uint32_t)plain_http_reply(conn->front.fd, buf->data + buf->start,
			buf_len(buf), (char *)reply->data, BUF_SIZE);
		buf_queue_push(&conn->front.queue, reply);
	}
	buf_free(&conn->worker->bufs, buf);
	conn->worker->row->servers[conn->server->slot].handshake_failed++;
	conn_end(conn, CONN_EVENT_FINISH, "plain HTTP on the secure port", 0);
}

/*
 * While we have sent nothing the protection is still none on both sides, and an
 * alert can be had for seven bytes; afterwards the client only sees the end.
 */
static void alert_in_clear(struct conn *conn, uint8_t description)
{
	const uint8_t alert[] = {21, 3, 3, 0, 2, 2, description};
	if (conn->answered || conn->front.queue.bytes > 0)
		return;
	conn_debug_alert(conn, description);
	buf_queue_append(&conn->front.queue, &conn->worker->bufs, alert, sizeof alert);
}

void handshake_received(struct conn *conn, struct buf *buf)
{
	if (!conn->greeted && plain_http_is_request(buf->data + buf->start, buf_len(buf))) {
		answer_plain_http(conn, buf);
		return;
	}
	conn->greeted = true;
	enum ktls_status status = step(conn, buf);
	if (status == KTLS_DONE) {
		handshake_done(conn, buf);
		return;
	}
	buf_free(&conn->worker->bufs, buf);
	if (status == KTLS_WANT_READ)
		return; /* handshake_update() asks for more */
	/* libssl sends no alert to what does not look like TLS at all. */
	alert_in_clear(conn, ALERT_PROTOCOL_VERSION);
	conn_session_failed(conn);
}

/*
 * The keys may be installed once the socket has everything sealed in user space,
 * and what was received ends on a record boundary.
 */
static void offload_update(struct conn *conn)
{
	struct buf *rest = conn->partial;
	if (conn->front.queue.bytes > 0 || conn->front.send.active || conn->front.receive.active)
		return;
	if (rest) {
		struct ktls_input in = {rest->data + rest->start, buf_len(rest)};
		size_t missing = ktls_missing(&in);
		if (missing) {
			receive_more(conn, missing);
			return;
		}
		conn->partial = NULL;
		relay_open(conn, rest);
		conn_again(conn);
		return;
	}
	enum ktls_status status = ktls_offload_install(conn->session);
	conn_debug_offload(conn, status);
	if (status == KTLS_DONE)
		conn_event(conn, CONN_EVENT_SECURED);
	else
		conn_session_failed(conn);
	conn_update(conn);
}

void handshake_update(struct conn *conn)
{
	endpoint_flush(conn->worker, &conn->front);
	if (conn->state == CONN_OFFLOAD)
		offload_update(conn);
	else
		receive_more(conn, 0);
}

void handshake_expired(struct conn *conn)
{
	alert_in_clear(conn, ALERT_HANDSHAKE_FAILURE);
	conn_end(conn, CONN_EVENT_FINISH, "handshake timed out", 0);
}
