/*
 * The moving of bytes, each direction in one of two modes. A message is received
 * and sent by the ring, many connections in one system call. Bulk is moved by
 * system calls while both sides are ready: spliced where the kernel holds the
 * keys, else through two buffers that stay in the cache because all connections
 * share them.
 */
#include "proxy/conn.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

/* More than this in a queue, and its source is not read. */
#define QUEUE_MAX (4 * BUF_SIZE)
/* More than this from a client before the service is ready, and it is not read. */
#define EARLY_MAX 4096
/*
 * A bulk direction that moves less than this, so many times in a row, is one of
 * messages again. Not sooner: the beginning of a body is often little, and the rest
 * would be received into buffers that no cache holds.
 */
#define BULK_MIN   (16 * 1024)
#define BULK_TRIES 4
/* Four full TLS 1.3 records as they come in: keeps record boundaries in step. */
#define CHUNK_SEALED (4 * (KTLS_RECORD_PLAINTEXT + 22))

_Static_assert(RELAY_CHUNK + 4 * KTLS_RECORD_OVERHEAD + KTLS_REPLY_ROOM <= SCRATCH_SIZE, "sealed");
_Static_assert(CHUNK_SEALED + KTLS_RECORD_MAX <= SCRATCH_SIZE, "a partial record in front");

/* How a step of a bulk direction ended. */
enum step {
	STEP_MOVED, /* there may be more */
	STEP_DRY,   /* the source has nothing */
	STEP_FULL,  /* the sink takes nothing */
	STEP_ENDED, /* an event has been raised; look at the state */
};

void relay_init(struct conn *conn)
{
	conn->front.ready = true;
}

void relay_done(struct conn *conn)
{
	struct worker *worker = conn->worker;
	pipe_return(&worker->pipes, conn->up.pipe);
	pipe_return(&worker->pipes, conn->down.pipe);
	buf_free(&worker->bufs, conn->partial);
	stash_done(&conn->beginning);
	buf_queue_clear(&conn->early, &worker->bufs);
}

/* The client may still send, and the service is told. */
static bool is_up_open(const struct conn *conn)
{
	return conn->state == CONN_RELAY || conn->state == CONN_UP_ONLY;
}

static bool is_down_open(const struct conn *conn)
{
	return conn->state == CONN_RELAY || conn->state == CONN_DOWN_ONLY;
}

/* The backend's socket once it can be used; NULL: there is none. */
static struct endpoint *back_of(const struct conn *conn)
{
	bool is_there =
		conn->back && conn->back->endpoint.fd >= 0 && !conn->back->connecting.active;
	return is_there ? &conn->back->endpoint : NULL;
}

static bool service_takes(const struct conn *conn, const struct relay *relay)
{
	return !conn->service->takes || conn->service->takes(conn, relay);
}

static void service_update(struct conn *conn)
{
	if (conn->service->update && (is_up_open(conn) || is_down_open(conn)))
		conn->service->update(conn);
}

/* ---- client to service, user-space engines -------------------------------- */

void relay_reply(struct conn *conn, const struct ktls_output *reply)
{
	if (reply->len == 0)
		return;
	if (buf_queue_append(&conn->front.queue, &conn->worker->bufs, reply->data, reply->len) < 0)
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
}

void conn_deliver(struct conn *conn, struct buf *buf)
{
	conn->up.bytes += buf_len(buf);
	if (conn->state == CONN_RELAY || conn->state == CONN_UP_ONLY)
		conn->service->client_data(conn, buf);
	else if (conn->state < CONN_RELAY)
		buf_queue_join(&conn->early, &conn->worker->bufs, buf);
	else
		buf_free(&conn->worker->bufs, buf);
}

static bool takes_records(const struct conn *conn)
{
	/* RFC 8446 6.1: what follows a close_notify is ignored. */
	return !conn->client_ended &&
	       (conn->state == CONN_OFFLOAD || conn->state == CONN_CONNECT || is_up_open(conn));
}

/* What a receiving session call said, apart from the data. True: go on. */
static bool received(struct conn *conn, enum ktls_status status)
{
	switch (status) {
	case KTLS_DONE:
	case KTLS_WANT_WRITE:
		return takes_records(conn);
	case KTLS_WANT_READ:
		break;
	case KTLS_CLOSED:
		/* Without TLS it was the socket's own end. */
		conn->front.eof = conn->front.eof || ktls_session_is_plain(conn->session);
		conn_client_end(conn);
		break;
	case KTLS_TRUNCATED:
		conn_client_stopped(conn, 0);
		break;
	case KTLS_FAILED:
		conn_session_failed(conn);
		break;
	}
	return false;
}

/* Opens what is whole in `in` and hands the plaintext on. */
static void open_records(struct conn *conn, struct ktls_input *in)
{
	uint8_t space[2 * KTLS_REPLY_ROOM];
	enum ktls_status status;
	do {
		struct buf *plain = buf_new(&conn->worker->bufs);
		if (!plain) {
			conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
			return;
		}
		struct ktls_output out = {plain->data, 0, BUF_SIZE};
		struct ktls_output reply = {space, 0, sizeof space};
		status = ktls_open(conn->session, in, &out, &reply);
		relay_reply(conn, &reply);
		plain->end = (uint32_t)out.len;
		if (out.len > 0)
			conn_deliver(conn, plain);
		else
			buf_free(&conn->worker->bufs, plain);
	} while (received(conn, status));
}

static void open_buf(struct conn *conn, struct buf *buf)
{
	struct ktls_input in = {buf->data + buf->start, buf_len(buf)};
	open_records(conn, &in);
	buf->start = buf->end - (uint32_t)in.len;
}

/* Moves bytes of `from` behind those of `to`, which begin at its start. */
static void fill(struct buf *to, struct buf *from)
{
	memmove(to->data, to->data + to->start, buf_len(to));
	to->end -= to->start;
	to->start = 0;
	size_t n = BUF_SIZE - to->end < buf_len(from) ? BUF_SIZE - to->end : buf_len(from);
	memcpy(to->data + to->end, from->data + from->start, n);
	to->end += (uint32_t)n;
	from->start += (uint32_t)n;
}

/*
 * The beginning of a record is put by until more of it comes, but not in bulk, which goes
 * on and has a backend. Before an installation of keys it stays where it is, too: there it
 * stands for what has still to be opened.
 */
static void put_by(struct conn *conn)
{
	if (conn->partial && conn->state != CONN_OFFLOAD &&
		stash_put(&conn->beginning, &conn->worker->bufs, conn->partial))
		conn->partial = NULL;
}

/* False: memory ran out. */
static bool take_up(struct conn *conn)
{
	if (!conn->beginning.data)
		return true;
	conn->partial = stash_take(&conn->beginning, &conn->worker->bufs);
	if (!conn->partial)
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
	return conn->partial != NULL;
}

void relay_open(struct conn *conn, struct buf *buf)
{
	struct buf_pool *pool = &conn->worker->bufs;
	if (!take_up(conn)) {
		buf_free(pool, buf);
		return;
	}
	while (conn->partial && buf_len(buf) > 0 && takes_records(conn)) {
		struct buf *whole = conn->partial;
		conn->partial = NULL;
		fill(whole, buf);
		open_buf(conn, whole);
		if (buf_len(whole) > 0)
			conn->partial = whole;
		else
			buf_free(pool, whole);
	}
	if (!conn->partial && takes_records(conn) && buf_len(buf) > 0)
		open_buf(conn, buf);
	if (!conn->partial && buf_len(buf) > 0)
		conn->partial = buf;
	else
		buf_free(pool, buf);
	if (takes_records(conn)) {
		put_by(conn);
	} else {
		buf_free(pool, conn->partial);
		conn->partial = NULL;
	}
}

/* ---- service to client --------------------------------------------------- */

bool relay_account(struct conn *conn, enum ktls_direction direction, size_t bytes)
{
	uint8_t space[KTLS_REPLY_ROOM];
	struct ktls_output reply = {space, 0, sizeof space};
	enum ktls_status status = ktls_account(conn->session, direction, bytes, &reply);
	relay_reply(conn, &reply);
	if (status == KTLS_FAILED)
		conn_session_failed(conn);
	return conn->state < CONN_CLOSING;
}

static bool seal_into_queue(struct conn *conn, struct ktls_input *in)
{
	while (in->len > 0) {
		size_t len = in->len < KTLS_RECORD_PLAINTEXT ? in->len : KTLS_RECORD_PLAINTEXT;
		struct buf *room = endpoint_room(
			conn->worker, &conn->front, len + KTLS_RECORD_OVERHEAD + KTLS_REPLY_ROOM);
		if (!room)
			return false;
		struct ktls_output out = {room->data, room->end, BUF_SIZE};
		if (ktls_seal(conn->session, in, &out) == KTLS_FAILED)
			return false;
		conn->front.queue.bytes += out.len - room->end;
		room->end = (uint32_t)out.len;
	}
	return true;
}

void conn_write(struct conn *conn, struct buf *buf)
{
	conn->settled = false;
	conn->down.bytes += buf_len(buf);
	if (conn_is_tx_plaintext(conn)) {
		size_t len = buf_len(buf);
		buf_queue_join(&conn->front.queue, &conn->worker->bufs, buf);
		relay_account(conn, KTLS_TX, len);
		return;
	}
	struct ktls_input in = {buf->data + buf->start, buf_len(buf)};
	bool sealed = seal_into_queue(conn, &in);
	buf_free(&conn->worker->bufs, buf);
	if (!sealed)
		conn_end(conn, CONN_EVENT_ABORT, "sealing failed", 0);
}

/*
 * The backend takes no more. What it has answered before may still be read: many
 * a server refuses an upload and closes. Its end then does not count as one in
 * order.
 */
static void backend_broken(struct conn *conn, int error)
{
	struct backend_conn *back = conn->back;
	back->endpoint.failed = true;
	back->error = error;
	conn->up.mode = RELAY_MESSAGE;
	buf_queue_clear(&back->endpoint.queue, &conn->worker->bufs);
	pipe_return(&conn->worker->pipes, conn->up.pipe);
	conn->up.pipe = NULL;
	if (back->endpoint.eof)
		conn_end(conn, CONN_EVENT_FINISH, "backend reset", error);
	/* The client's bytes are no longer spliced, and nothing else may say so. */
	conn_again(conn);
}

static void sink_broken(struct conn *conn, const struct endpoint *sink, int error)
{
	if (sink == &conn->front)
		conn_end(conn, CONN_EVENT_ABORT, "client reset", error);
	else
		backend_broken(conn, error);
}

/* Nothing of an earlier step is left for the sink. */
static bool is_sink_free(const struct endpoint *sink)
{
	return sink->queue.bytes == 0 && !sink->send.active && !sink->writable.active;
}

static bool queue_bytes(
	struct conn *conn, struct endpoint *endpoint, const uint8_t *data, size_t len)
{
	if (buf_queue_append(&endpoint->queue, &conn->worker->bufs, data, len) == 0)
		return true;
	conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
	return false;
}

/*
 * Sends what it can at once; the rest is queued, and the ring sends it when the
 * socket has room. False when the connection has ended over it.
 */
static bool send_now(struct conn *conn, struct endpoint *endpoint, const uint8_t *data, size_t len)
{
	ssize_t n = send(endpoint->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		sink_broken(conn, endpoint, errno);
		return endpoint != &conn->front;
	}
	size_t sent = n > 0 ? (size_t)n : 0;
	if (sent == len)
		return true;
	if (!queue_bytes(conn, endpoint, data + sent, len - sent))
		return false;
	endpoint_flush(conn->worker, endpoint);
	return true;
}

/* Bytes as the socket takes them: behind what is queued, or at once. */
static bool to_socket(struct conn *conn, struct endpoint *sink, const uint8_t *data, size_t len)
{
	return is_sink_free(sink) ? send_now(conn, sink, data, len)
				  : queue_bytes(conn, sink, data, len);
}

bool relay_to_client(struct conn *conn, const uint8_t *data, size_t len)
{
	assert(len <= RELAY_CHUNK);
	struct ktls_output out = {conn->worker->scratch_out, 0, SCRATCH_SIZE};
	struct ktls_input in = {data, len};
	conn->settled = false;
	conn->answered = true;
	conn->down.bytes += len;
	if (conn_is_tx_plaintext(conn))
		return to_socket(conn, &conn->front, data, len) &&
		       relay_account(conn, KTLS_TX, len);
	if (ktls_seal(conn->session, &in, &out) != KTLS_DONE) {
		conn_end(conn, CONN_EVENT_ABORT, "sealing failed", 0);
		return false;
	}
	return to_socket(conn, &conn->front, out.data, out.len);
}

bool relay_to_backend(struct conn *conn, const uint8_t *data, size_t len)
{
	struct endpoint *back = &conn->back->endpoint;
	if (back->failed)
		return true; /* its answer may still be on the way */
	conn->back->is_asked = true;
	return to_socket(conn, back, data, len);
}

bool relay_is_front_free(const struct conn *conn)
{
	return is_sink_free(&conn->front) && !(conn->down.pipe && conn->down.pipe->bytes > 0);
}

/* ---- bulk: splice ----------------------------------------------------------- */

static bool pipe_get(struct conn *conn, struct relay *relay)
{
	if (!relay->pipe)
		relay->pipe = pipe_lease(&conn->worker->pipes);
	return relay->pipe != NULL;
}

static void pipe_put(struct conn *conn, struct relay *relay)
{
	if (relay->pipe && relay->pipe->bytes == 0) {
		pipe_return(&conn->worker->pipes, relay->pipe);
		relay->pipe = NULL;
	}
}

/* Empties the pipe into the sink. */
static enum step splice_out(struct conn *conn, struct relay *relay, struct endpoint *sink)
{
	while (relay->pipe && relay->pipe->bytes > 0) {
		ssize_t n = splice(relay->pipe->read_fd, NULL, sink->fd, NULL, relay->pipe->bytes,
			SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			endpoint_await_writable(conn->worker, sink);
			return STEP_FULL;
		}
		if (n <= 0) {
			sink_broken(conn, sink, errno);
			return STEP_ENDED;
		}
		relay->pipe->bytes -= (size_t)n;
		if (relay == &conn->up)
			conn->back->is_asked = true;
	}
	return STEP_MOVED;
}

bool relay_hand_over(struct conn *conn)
{
	struct endpoint *front = &conn->front;
	if (front->writable.active)
		return false;
	endpoint_flush(conn->worker, front);
	if (front->queue.bytes > 0 || front->send.active)
		return false;
	if (splice_out(conn, &conn->down, front) != STEP_MOVED)
		return false;
	if (!ktls_is_pending(conn->session))
		return true;
	endpoint_await_writable(conn->worker, front);
	return false;
}

bool relay_finish_back(struct conn *conn)
{
	struct endpoint *back = back_of(conn);
	if (!back || !conn->service->hands_on_end || back->shut || back->failed)
		return true;
	if (back->writable.active)
		return false;
	endpoint_flush(conn->worker, back);
	if (back->queue.bytes > 0 || back->send.active ||
		splice_out(conn, &conn->up, back) != STEP_MOVED)
		return back->failed;
	pipe_put(conn, &conn->up);
	shutdown(back->fd, SHUT_WR);
	back->shut = true;
	return true;
}

void relay_drop(struct conn *conn)
{
	/* In user space the alert is queued behind sealed data, and that is in order. */
	if (!conn_is_tx_plaintext(conn))
		return;
	if (!conn->front.send.active)
		buf_queue_clear(&conn->front.queue, &conn->worker->bufs);
	pipe_return(&conn->worker->pipes, conn->down.pipe);
	conn->down.pipe = NULL;
}

/* K1: only ever into an empty pipe with all its slots. */
static ssize_t splice_in(
	struct conn *conn, struct relay *relay, const struct endpoint *source, uint64_t blind)
{
	assert(relay->pipe->bytes == 0);
	size_t most = blind < RELAY_CHUNK ? (size_t)blind : RELAY_CHUNK;
	ssize_t n;
	do
		n = splice(source->fd, NULL, relay->pipe->write_fd, NULL, most,
			SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	relay->pipe->bytes = (size_t)n;
	relay->bytes += (size_t)n;
	if (n > 0 && conn->service->passed)
		conn->service->passed(conn, relay, (uint64_t)n);
	return n;
}

/*
 * How many bytes can be spliced: too few are not worth it, and none where both
 * sockets do not speak plaintext.
 */
static uint64_t spliceable(struct conn *conn, struct relay *relay)
{
	uint64_t blind = conn->service->blind ? conn->service->blind(conn, relay) : UINT64_MAX;
	return blind >= BULK_MIN && pipe_get(conn, relay) ? blind : 0;
}

/* ---- bulk: backend to client -------------------------------------------------- */

/* The end or an error of a receive from the backend. */
static enum step backend_stopped(struct conn *conn, int error)
{
	struct backend_conn *back = conn->back;
	if (error == EAGAIN || error == EINTR)
		return STEP_DRY;
	back->endpoint.eof = true;
	if (!error && back->endpoint.failed)
		error = back->error;
	conn->service->backend_end(conn, error);
	return STEP_ENDED;
}

static enum step down_copy(struct conn *conn)
{
	const struct backend_conn *back = conn->back;
	uint8_t *data = conn->worker->scratch_in;
	ssize_t n = recv(back->endpoint.fd, data, RELAY_CHUNK, MSG_DONTWAIT);
	if (n <= 0)
		return backend_stopped(conn, n < 0 ? errno : 0);
	conn->service->backend_bytes(conn, data, (size_t)n);
	if (!is_down_open(conn) || conn->back != back)
		return STEP_ENDED;
	if (!is_sink_free(&conn->front))
		return STEP_FULL;
	/* A short receive has emptied the socket: no need to hear EAGAIN. */
	return n < RELAY_CHUNK ? STEP_DRY : STEP_MOVED;
}

static enum step down_splice(struct conn *conn, uint64_t blind)
{
	struct relay *down = &conn->down;
	conn->settled = false;
	conn->answered = true;
	ssize_t n = splice_in(conn, down, &conn->back->endpoint, blind);
	if (n <= 0)
		return backend_stopped(conn, (int)-n);
	return relay_account(conn, KTLS_TX, (size_t)n) ? splice_out(conn, down, &conn->front)
						       : STEP_ENDED;
}

static enum step down_step(struct conn *conn)
{
	enum step step = splice_out(conn, &conn->down, &conn->front);
	if (step != STEP_MOVED)
		return step;
	if (!service_takes(conn, &conn->down))
		return STEP_DRY;
	uint64_t blind = conn_is_tx_plaintext(conn) ? spliceable(conn, &conn->down) : 0;
	return blind ? down_splice(conn, blind) : down_copy(conn);
}

/* ---- bulk: client to backend ---------------------------------------------------- */

/*
 * Before the bytes just received come those of a record that was not whole, and
 * behind them may come the beginning of the next.
 */
static void take_partial(struct conn *conn, uint8_t *data)
{
	struct buf *partial = conn->partial;
	if (partial)
		memcpy(data, partial->data + partial->start, buf_len(partial));
	buf_free(&conn->worker->bufs, partial);
	conn->partial = NULL;
}

static bool keep_partial(struct conn *conn, const struct ktls_input *in)
{
	if (in->len == 0)
		return true;
	assert(in->len < KTLS_RECORD_MAX); /* less than a whole record */
	conn->partial = buf_new(&conn->worker->bufs);
	if (!conn->partial) {
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
		return false;
	}
	memcpy(conn->partial->data, in->data, in->len);
	conn->partial->end = (uint32_t)in->len;
	return true;
}

/* Opens all whole records of `in` and hands their plaintext on. */
static bool open_bulk(struct conn *conn, struct ktls_input *in)
{
	uint8_t space[8 * KTLS_REPLY_ROOM];
	enum ktls_status status;
	do {
		struct ktls_output out = {conn->worker->scratch_out, 0, SCRATCH_SIZE};
		struct ktls_output reply = {space, 0, sizeof space};
		status = ktls_open(conn->session, in, &out, &reply);
		relay_reply(conn, &reply);
		conn->up.bytes += out.len;
		if (out.len > 0 && is_up_open(conn))
			conn->service->client_bytes(conn, out.data, out.len);
	} while (received(conn, status));
	return is_up_open(conn);
}

static bool has_up_room(const struct conn *conn)
{
	return !conn->back || relay_has_room(conn, &conn->back->endpoint);
}

/* Four records' worth of bytes. */
static enum step up_copy(struct conn *conn)
{
	if (!take_up(conn))
		return STEP_ENDED;
	uint8_t *data = conn->worker->scratch_in;
	size_t before = conn->partial ? buf_len(conn->partial) : 0;
	size_t wanted = CHUNK_SEALED > before ? CHUNK_SEALED - before : KTLS_RECORD_MAX;
	/* Received behind where the partial record goes, which stays put on EAGAIN. */
	ssize_t n = recv(conn->front.fd, data + before, wanted, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_DRY;
	if (n <= 0) {
		conn_client_stopped(conn, n < 0 ? errno : 0);
		return STEP_ENDED;
	}
	take_partial(conn, data);
	struct ktls_input in = {data, before + (size_t)n};
	if (!open_bulk(conn, &in) || !keep_partial(conn, &in))
		return STEP_ENDED;
	if (conn->back && !is_sink_free(&conn->back->endpoint))
		return STEP_FULL;
	return (size_t)n < wanted ? STEP_DRY : STEP_MOVED;
}

void relay_bulk_upload(struct conn *conn)
{
	/* A backend's socket is there to move bytes into by system calls. */
	const struct endpoint *back = back_of(conn);
	if (!back || back->failed || !is_up_open(conn))
		return;
	conn->up.mode = RELAY_BULK;
	conn->front.ready = true;
}

/* One recvmsg: data for the service, or a control record (K4). */
static enum step up_receive(struct conn *conn)
{
	uint8_t space[KTLS_REPLY_ROOM];
	struct buf *buf = buf_new(&conn->worker->bufs);
	if (!buf) {
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
		return STEP_ENDED;
	}
	struct ktls_output out = {buf->data, 0, BUF_SIZE};
	struct ktls_output reply = {space, 0, sizeof space};
	enum ktls_status status = ktls_recv(conn->session, &out, &reply);
	relay_reply(conn, &reply);
	buf->end = (uint32_t)out.len;
	if (out.len > 0)
		conn_deliver(conn, buf);
	else
		buf_free(&conn->worker->bufs, buf);
	if (status == KTLS_WANT_READ)
		return STEP_DRY;
	if (!received(conn, status))
		return STEP_ENDED;
	if (out.len >= KTLS_RECORD_PLAINTEXT)
		relay_bulk_upload(conn);
	return STEP_MOVED;
}

static enum step up_splice(struct conn *conn, uint64_t blind)
{
	struct relay *up = &conn->up;
	ssize_t n = splice_in(conn, up, &conn->front, blind);
	if (n == -EAGAIN)
		return STEP_DRY;
	/* EINVAL: a control record is next (K4). 0: an empty record or the end. */
	if (n <= 0)
		return up_receive(conn);
	return relay_account(conn, KTLS_RX, (size_t)n) ? splice_out(conn, up, &conn->back->endpoint)
						       : STEP_ENDED;
}

bool relay_has_room(const struct conn *conn, const struct endpoint *sink)
{
	/* Replies to control records pile up in front of a client that does not read. */
	return sink->queue.bytes < QUEUE_MAX && conn->front.queue.bytes < 2 * QUEUE_MAX;
}

static enum step up_step(struct conn *conn)
{
	struct endpoint *back = back_of(conn);
	if (!service_takes(conn, &conn->up) || !has_up_room(conn))
		return STEP_FULL;
	if (!conn_is_rx_plaintext(conn))
		return up_copy(conn);
	if (conn->up.mode == RELAY_MESSAGE || !back || back->failed)
		return up_receive(conn);
	/* The bytes of messages before go first. */
	if (back->queue.bytes > 0 || back->send.active)
		return STEP_FULL;
	enum step step = splice_out(conn, &conn->up, back);
	if (step != STEP_MOVED)
		return step;
	uint64_t blind = spliceable(conn, &conn->up);
	return blind ? up_splice(conn, blind) : up_receive(conn);
}

/* ---- both directions ---------------------------------------------------------------- */

/*
 * Steps until one side is not ready or the turn is over. `source` is what to wait
 * for when it is dry; a full sink has been arranged for by the step.
 */
static void pump(struct conn *conn, struct relay *relay, struct endpoint *source,
	enum step (*step)(struct conn *conn))
{
	uint64_t start = relay->bytes;
	enum step last = STEP_MOVED;
	for (int i = 0; last == STEP_MOVED && relay->bytes - start < RELAY_TURN && i < 64; i++)
		last = step(conn);
	if (relay->bytes != start)
		conn_touch(conn);
	pipe_put(conn, relay);
	if (last == STEP_MOVED)
		conn_again(conn);
	if (last != STEP_DRY) /* after an end `source` may be no more */
		return;
	source->ready = false;
	relay->small = relay->bytes - start < BULK_MIN ? (uint8_t)(relay->small + 1) : 0;
	if (relay->small < BULK_TRIES)
		return;
	relay->small = 0;
	relay->mode = RELAY_MESSAGE;
}

/* For directions that system calls receive from: pumps, or waits for the source. */
static void pump_when_ready(struct conn *conn, struct relay *relay, struct endpoint *source,
	const struct endpoint *sink, enum step (*step)(struct conn *conn))
{
	if (source->readable.active || (sink && !is_sink_free(sink)))
		return;
	if (source->ready)
		pump(conn, relay, source, step);
}

void relay_await_client(struct conn *conn)
{
	struct endpoint *front = &conn->front;
	struct buf *rest = conn->partial;
	if (rest && buf_len(rest) > 0) {
		/* Records that came right behind the Finished. */
		conn->partial = NULL;
		relay_open(conn, rest);
	}
	if (!takes_records(conn) || conn->client_ended)
		return;
	if (!conn_is_rx_plaintext(conn)) {
		/* Until there is a backend, little is held. */
		endpoint_receive(conn->worker, front, conn->early.bytes < EARLY_MAX);
		return;
	}
	if (conn->early.head)
		return;
	if (!front->ready)
		endpoint_await_readable(conn->worker, front);
	else if (up_receive(conn) == STEP_DRY)
		front->ready = false;
	else if (conn->state == CONN_CONNECT)
		conn_again(conn);
	if (!front->ready && conn->state == CONN_CONNECT)
		endpoint_await_readable(conn->worker, front);
}

static void update_up(struct conn *conn)
{
	struct endpoint *front = &conn->front;
	bool wanted = !front->eof && service_takes(conn, &conn->up) && has_up_room(conn);
	bool by_call = conn_is_rx_plaintext(conn) || conn->up.mode == RELAY_BULK;
	if (!by_call || !wanted) {
		endpoint_receive(conn->worker, front, wanted);
		return;
	}
	if (front->receive.active) {
		endpoint_receive(conn->worker, front, false);
		return;
	}
	pump_when_ready(conn, &conn->up, front, back_of(conn), up_step);
	if (!is_up_open(conn) || conn->is_again)
		return;
	if (!front->ready && (conn_is_rx_plaintext(conn) || conn->up.mode == RELAY_BULK))
		endpoint_await_readable(conn->worker, front);
	else if (conn->up.mode == RELAY_MESSAGE && !conn_is_rx_plaintext(conn))
		endpoint_receive(conn->worker, front, true);
}

static void update_down(struct conn *conn, struct endpoint *back)
{
	if (conn->down.mode == RELAY_MESSAGE || back->receive.active) {
		endpoint_receive(conn->worker, back,
			conn->down.mode == RELAY_MESSAGE && !back->eof &&
				relay_has_room(conn, &conn->front));
		return;
	}
	pump_when_ready(conn, &conn->down, back, &conn->front, down_step);
	if (!is_down_open(conn) || conn->is_again || back != back_of(conn))
		return;
	if (conn->down.mode == RELAY_MESSAGE)
		endpoint_receive(conn->worker, back, true);
	else if (!back->ready)
		endpoint_await_readable(conn->worker, back);
}

/* One look at both directions, and at the service before and after it. */
static void relay_turn(struct conn *conn)
{
	service_update(conn);
	bool took = service_takes(conn, &conn->up);
	if (is_up_open(conn))
		update_up(conn);
	if (is_down_open(conn) && back_of(conn))
		update_down(conn, back_of(conn));
	service_update(conn);
	if (!took && service_takes(conn, &conn->up))
		conn_again(conn);
}

void relay_update(struct conn *conn)
{
	enum conn_state state = conn->state;
	relay_turn(conn);
	/* What was looked at before it changed has to be looked at again. */
	if (conn->state != state)
		conn_again(conn);
	if (conn->state == CONN_DOWN_ONLY)
		relay_finish_back(conn);
	if (conn->state == CONN_UP_ONLY)
		conn_finish_front(conn);
	if (conn->state >= CONN_CLOSING)
		return;
	if (ktls_is_pending(conn->session))
		endpoint_await_writable(conn->worker, &conn->front);
	/* Last: the above may have queued something. */
	endpoint_flush(conn->worker, &conn->front);
	if (back_of(conn))
		endpoint_flush(conn->worker, back_of(conn));
}

/* ---- the backend's socket ---------------------------------------------------------------- */

void relay_back_received(struct conn *conn, const struct ring_result *result)
{
	struct buf *buf = result->buf;
	if (buf && is_down_open(conn)) {
		conn_touch(conn);
		if (buf_len(buf) >= KTLS_RECORD_PLAINTEXT) {
			conn->down.mode = RELAY_BULK;
			conn->back->endpoint.ready = true;
		}
		conn->service->backend_data(conn, buf);
	} else if (buf) {
		buf_free(&conn->worker->bufs, buf);
	} else if (is_down_open(conn) && result->value != -ENOBUFS && result->value != -ECANCELED) {
		backend_stopped(conn, -result->value);
	}
	conn_update(conn);
}

void relay_back_sent(struct conn *conn, int result)
{
	if (result > 0) {
		conn_touch(conn);
		conn->back->is_asked = true;
	}
	if (!endpoint_sent(conn->worker, &conn->back->endpoint, result))
		backend_broken(conn, -result);
	conn_update(conn);
}
