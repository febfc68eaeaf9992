/*
 * An exchange with the backend: the request's head rewritten, its body as it
 * comes, and the response, which is held to the same rules as requests are.
 */
#include "proxy/http_exchange.h"
#include "proxy/http_forward.h"
#include "proxy/http_log.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"

#include <errno.h>
#include <string.h>

/* Interim responses to one request: there are a few at most, and Go's client took five. */
#define INTERIM_MAX 64

/* ---- the way to a backend ---------------------------------------------------- */

static void relaying_begin(struct conn *conn);

static void not_reached(struct conn *conn, int error)
{
	backend_abort(conn);
	http_fail(conn, error == ETIMEDOUT ? 504 : 502, "backend not reached", error);
}

/* RFC 9110 9.2.2; and a body is not kept to be sent again. */
static bool may_be_sent_twice(const struct http *http)
{
	return http->upload.kind == HTTP_BODY_NONE && http_request_is_idempotent(&http->request);
}

void http_origin_reach(struct conn *conn, bool fresh)
{
	const struct backend *backend = conn_backend(conn);
	http_of(conn)->stage = HTTP_REACHING;
	http_limit_time(conn, conn->worker->now, conn->server->conf->timeout.connect);
	/*
	 * A connection from the pool may be on its way down, and then only a request
	 * that may be sent twice can be rescued: no other takes one.
	 */
	fresh = fresh || !may_be_sent_twice(http_of(conn));
	if (conn->back && fresh)
		backend_abort(conn);
	if (!conn->back && backend_is_used_up(conn->worker, conn->server))
		http_answer_busy(conn, "backend_max_connections reached");
	else if (conn->back || (!fresh && backend_take(conn, backend)))
		relaying_begin(conn);
	else if (!backend_connect(conn, backend))
		not_reached(conn, errno);
}

void http_origin_connected(struct conn *conn, int error)
{
	if (conn->state >= CONN_CLOSING)
		return; /* nothing may follow what ended it */
	if (error)
		not_reached(conn, error);
	else
		relaying_begin(conn);
}

/* ---- another try ---------------------------------------------------------------- */

/* The backend may have given up an idle connection just when we took it. */
static bool can_retry(const struct conn *conn, const struct http *http)
{
	return conn->back->is_reused && !http->retried && !http->response_head &&
	       may_be_sent_twice(http);
}

static void retry(struct conn *conn, struct http *http)
{
	http->retried = true;
	http_origin_reach(conn, true);
}

/* ---- the request ---------------------------------------------------------------- */

/* True when the backend's connection is this client's alone, from its first byte on. */
static bool is_private(const struct conn *conn)
{
	return conn->server->conf->proxy_protocol;
}

static size_t request_head(const struct conn *conn, const struct http *http, struct buf *buf)
{
	const struct conf_server *conf = conn->server->conf;
	struct ktls_info info;
	ktls_session_info(conn->session, &info);
	struct http_forward forward = {
		.peer = conf->forwarded ? &conn->peer.any : NULL,
		.is_secure = conn->listener->is_secure,
		.port = conn->listener->port,
		.upgrade = http->request.upgrade.data && http->upload.kind == HTTP_BODY_NONE,
	};
	if (*info.client_verify)
		forward.certificate = (struct http_client_certificate){
			.verify = info.client_verify,
			.subject = *info.client_subject ? info.client_subject : NULL,
			.fingerprint = *info.client_fingerprint ? info.client_fingerprint : NULL,
		};
	return http_forward_request(&http->request, &forward, (char *)buf->data, BUF_SIZE);
}

static void relaying_begin(struct conn *conn)
{
	struct http *http = http_of(conn);
	struct buf *buf = buf_new(&conn->worker->bufs);
	if (!buf) {
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
		return;
	}
	size_t len = request_head(conn, http, buf);
	if (len == 0) {
		buf_free(&conn->worker->bufs, buf);
		http_fail(conn, 431, "head too long with the headers added", 0);
		return;
	}
	buf->end = (uint32_t)len;
	conn->back->is_asked = false;
	buf_queue_join(&conn->back->endpoint.queue, &conn->worker->bufs, buf);
	http->stage = HTTP_RELAYING;
	http->reached = true;
	http->keeps = false;
	http_response_init(&http->response);
	http_limit_time(conn, 0, 0);
	conn_touch(conn);
}

static bool is_too_large(const struct conn *conn, const struct http *http)
{
	uint64_t most = conn->server->conf->limits.body;
	return most && http->upload.data > most;
}

/*
 * How many of these bytes are the request's. 0 when they are none, or refused: the
 * backend has seen a part of it then, but no end.
 */
static size_t upload_scan(struct conn *conn, struct http *http, const uint8_t *data, size_t len)
{
	int64_t n = http_body_scan(&http->upload, (const char *)data, len);
	if (n < 0)
		http_fail(conn, 400, http->upload.error, 0);
	else if (is_too_large(conn, http))
		http_fail(conn, 413, "request body beyond limits.body", 0);
	else
		return (size_t)n;
	return 0;
}

/* The whole buffer, or its beginning; false: nothing of it. */
static bool upload_step(struct conn *conn, struct http *http)
{
	struct buf_pool *bufs = &conn->worker->bufs;
	const struct buf *head = http->input.head;
	size_t len = buf_len(head);
	size_t n = upload_scan(conn, http, head->data + head->start, len);
	if (n == 0 || http->stage != HTTP_RELAYING)
		return false;
	if (n == len && !conn->back->endpoint.failed) {
		buf_queue_join(&conn->back->endpoint.queue, bufs, buf_queue_pop(&http->input));
		return true;
	}
	if (!conn->back->endpoint.failed && buf_queue_append(&conn->back->endpoint.queue, bufs,
						    head->data + head->start, n) < 0) {
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
		return false;
	}
	buf_queue_consume(&http->input, bufs, n);
	return true;
}

void http_origin_upload(struct conn *conn)
{
	struct http *http = http_of(conn);
	while (http->input.bytes > 0 && !http->upload.complete &&
		relay_has_room(conn, &conn->back->endpoint) && upload_step(conn, http))
		;
}

void http_origin_upload_bytes(struct conn *conn, const uint8_t *data, size_t len)
{
	struct http *http = http_of(conn);
	size_t n = upload_scan(conn, http, data, len);
	if (http->stage != HTTP_RELAYING || conn->state >= CONN_CLOSING ||
		(n > 0 && !relay_to_backend(conn, data, n)) || n == len)
		return;
	if (buf_queue_append(&http->input, &conn->worker->bufs, data + n, len - n) < 0)
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
}

/* ---- the response's head ------------------------------------------------------------ */

static void nonsense(struct conn *conn, const char *why)
{
	http_fail(conn, 502, why, 0);
}

/* HTTP/1.1 200 and so on: true when the client hears of it (RFC 9110 15.2). */
static bool is_interim(const struct http *http)
{
	return http->response.status < 200 && http->response.status != 101;
}

/* What only all messages together can tell; NULL: all is well. */
static const char *mismatch(const struct http *http)
{
	const struct http_response *response = &http->response;
	if (http->interims > INTERIM_MAX)
		return "backend sent too many interim responses";
	if (response->chunked && http->request.minor_version == 0)
		return "backend sent chunks to HTTP/1.0 (RFC 9112 6.1)";
	if (response->status == 101 &&
		(!http->request.upgrade.data || http->upload.kind != HTTP_BODY_NONE ||
			!response->has_upgrade))
		return "backend switched protocols unasked (RFC 9110 7.8)";
	return NULL;
}

/* Writes the head as the client gets it; false when it did not fit. */
static bool write_head(struct conn *conn, struct http *http, struct buf *out)
{
	struct http_respond respond = {
		.close = http->close,
		.to_minor_0 = http->request.minor_version == 0,
		.upgrade = http->response.status == 101,
	};
	if (!is_interim(http)) {
		respond.added = server_added(conn->server, conn->listener->is_secure);
		respond.date = worker_date(conn->worker);
	}
	size_t len = http_forward_response(
		&http->response, &respond, (char *)out->data + out->end, BUF_SIZE - out->end);
	out->end += (uint32_t)len;
	return len > 0;
}

/* The final head: how the body ends, and whether the connections go on. */
static void settle(struct conn *conn, struct http *http)
{
	bool to_head = http_span_is(http->request.method, "HEAD");
	http_body_of_response(&http->download, &http->response, to_head);
	http->keeps = http->response.keep_alive && http->download.kind != HTTP_BODY_CLOSE;
	http->status = http->response.status;
	/* A backend that goes will not read what the client is still sending. */
	http->close = http_must_close(conn) || http->download.kind == HTTP_BODY_CLOSE ||
		      (!http->upload.complete && !http->response.keep_alive);
}

/*
 * From here on the connection is a tunnel. What either side has sent behind its
 * message belongs to the other protocol.
 */
static void switch_protocols(struct conn *conn, struct http *http)
{
	struct buf *buf;
	http->status = 101;
	http->sent = conn->down.bytes;
	conn->requests++;
	conn->worker->row->servers[conn->server->slot].requests++;
	while ((buf = buf_queue_pop(&http->input)))
		buf_queue_join(&conn->back->endpoint.queue, &conn->worker->bufs, buf);
	http_service.close(conn);
	conn->service = &tunnel_service;
}

/* One head has been read and goes to the client in `out`; false when that failed. */
static bool head_done(struct conn *conn, struct http *http, struct buf *out)
{
	http->interims += is_interim(http);
	const char *why = mismatch(http);
	/* Said of the idle connection, not of this request (RFC 9110 15.5.9). */
	if (http->response.status == 408 && can_retry(conn, http)) {
		retry(conn, http);
		return false;
	}
	if (!why && !is_interim(http))
		settle(conn, http);
	/* HTTP/1.0 knows no interim responses (RFC 9110 15.2). */
	bool is_told = !is_interim(http) || http->request.minor_version > 0;
	if (!why && is_told && !write_head(conn, http, out))
		why = "head too long with the headers added";
	if (why) {
		nonsense(conn, why);
		return false;
	}
	if (is_interim(http)) {
		http_response_init(&http->response);
		return true;
	}
	http->answered = true;
	http->sent = conn->down.bytes + out->end;
	return true;
}

/* A head that has not come whole is kept in one piece with what comes next. */
static bool keep_partial(struct conn *conn, struct http *http, const uint8_t *data, size_t len)
{
	struct buf *buf = http->response_head;
	if (!buf)
		buf = http->response_head = buf_new(&conn->worker->bufs);
	if (!buf) {
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
		return false;
	}
	size_t n = BUF_SIZE - buf->end < len ? BUF_SIZE - buf->end : len;
	memcpy(buf->data + buf->end, data, n);
	buf->end += (uint32_t)n;
	return true;
}

static void forget_partial(struct conn *conn, struct http *http)
{
	buf_free(&conn->worker->bufs, http->response_head);
	http->response_head = NULL;
}

/* How many of these bytes were the head's, written to `out`; 0: it failed, or is not whole. */
static size_t head_feed(
	struct conn *conn, struct http *http, const uint8_t *data, size_t len, struct buf *out)
{
	size_t before = http->response_head ? buf_len(http->response_head) : 0;
	const uint8_t *whole = data;
	size_t whole_len = len;
	if (before > 0) {
		if (!keep_partial(conn, http, data, len))
			return 0;
		whole = http->response_head->data;
		whole_len = buf_len(http->response_head);
	}
	switch (http_response_parse(
		&http->response, &conn->server->http_limits, (const char *)whole, whole_len)) {
	case HTTP_PARSE_MORE:
		if (before == 0)
			keep_partial(conn, http, data, len);
		return 0;
	case HTTP_PARSE_BAD:
		nonsense(conn, http->response.error);
		return 0;
	case HTTP_PARSE_DONE:
		break;
	}
	size_t used = http->response.head_len - before;
	if (!head_done(conn, http, out))
		return 0;
	forget_partial(conn, http);
	return used;
}

/* ---- the response's body --------------------------------------------------------------- */

/* How many of these bytes are the response's; 0 when what comes is not sound. */
static size_t download_scan(struct conn *conn, struct http *http, const uint8_t *data, size_t len)
{
	int64_t n = http_body_scan(&http->download, (const char *)data, len);
	if (n < 0)
		http_fail(conn, 502, http->download.error, 0);
	/* A second answer that nobody asked for is never delivered. */
	if (n < (int64_t)len)
		http->keeps = false;
	return n > 0 ? (size_t)n : 0;
}

/* What goes behind a head goes with it, as far as one record holds. */
static void body_behind_head(
	struct conn *conn, struct http *http, const uint8_t *data, size_t len, struct buf *out)
{
	size_t n = download_scan(conn, http, data, len);
	if (conn->state >= CONN_CLOSING) {
		buf_free(&conn->worker->bufs, out);
		return;
	}
	size_t room = out->end < KTLS_RECORD_PLAINTEXT ? KTLS_RECORD_PLAINTEXT - out->end : 0;
	size_t joined = n < room ? n : room;
	memcpy(out->data + out->end, data, joined);
	out->end += (uint32_t)joined;
	conn_write(conn, out);
	if (n > joined && conn->state < CONN_CLOSING)
		relay_to_client(conn, data + joined, n - joined);
}

/* The final head goes to the client, and what has come behind it. */
static void answer_begin(
	struct conn *conn, struct http *http, const uint8_t *data, size_t len, struct buf *out)
{
	if (http->response.status != 101) {
		body_behind_head(conn, http, data, len, out);
		return;
	}
	conn_write(conn, out);
	if (conn->state >= CONN_CLOSING)
		return;
	switch_protocols(conn, http);
	if (len > 0)
		relay_to_client(conn, data, len);
}

static void feed_heads(struct conn *conn, struct http *http, const uint8_t *data, size_t len)
{
	while (len > 0 && conn->state < CONN_CLOSING && !http->answered) {
		struct buf *out = buf_new(&conn->worker->bufs);
		if (!out) {
			conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
			return;
		}
		size_t used = head_feed(conn, http, data, len, out);
		if (used == 0) {
			buf_free(&conn->worker->bufs, out);
			return;
		}
		data += used;
		len -= used;
		if (http->answered) {
			answer_begin(conn, http, data, len, out);
			return;
		}
		if (out->end > 0)
			conn_write(conn, out);
		else
			buf_free(&conn->worker->bufs, out); /* not told to HTTP/1.0 */
	}
}

/* Is there a request that these bytes can be the answer to? */
static bool is_expected(struct conn *conn, struct http *http)
{
	if (!http || http->stage != HTTP_RELAYING) {
		backend_release(conn, false);
		return false;
	}
	if (http->download.complete && http->answered) {
		http->keeps = false;
		return false;
	}
	if (conn->back->is_asked)
		return true;
	if (can_retry(conn, http))
		retry(conn, http);
	else
		nonsense(conn, "backend answered before it was asked");
	return false;
}

void http_origin_bytes(struct conn *conn, const uint8_t *data, size_t len)
{
	struct http *http = http_of(conn);
	if (!is_expected(conn, http))
		return;
	if (!http->answered) {
		feed_heads(conn, http, data, len);
		return;
	}
	size_t n = download_scan(conn, http, data, len);
	if (n > 0 && conn->state < CONN_CLOSING)
		relay_to_client(conn, data, n);
}

void http_origin_data(struct conn *conn, struct buf *buf)
{
	struct http *http = http_of(conn);
	const uint8_t *data = buf->data + buf->start;
	size_t n = 0;
	if (!is_expected(conn, http)) {
		buf_free(&conn->worker->bufs, buf);
		return;
	}
	if (!http->answered)
		feed_heads(conn, http, data, buf_len(buf));
	else
		n = download_scan(conn, http, data, buf_len(buf));
	buf->end = buf->start + (uint32_t)n;
	if (n > 0 && conn->state < CONN_CLOSING)
		conn_write(conn, buf);
	else
		buf_free(&conn->worker->bufs, buf);
}

/* ---- the end ------------------------------------------------------------------------------- */

void http_origin_end(struct conn *conn, int error)
{
	struct http *http = http_of(conn);
	if (!http || http->stage != HTTP_RELAYING) {
		backend_release(conn, false);
		return;
	}
	http->keeps = false;
	if (!http->answered && can_retry(conn, http)) {
		retry(conn, http);
	} else if (!http->answered) {
		http_fail(conn, 502, "backend closed without an answer", error);
	} else if (http->download.kind == HTTP_BODY_CLOSE && !error) {
		http->download.complete = true;
	} else if (!http->download.complete) {
		http_fail(conn, 502, "backend closed in the middle of a response", error);
	}
}

/* All of the request has reached the backend's socket. */
static bool is_uploaded(const struct conn *conn, const struct http *http)
{
	const struct endpoint *back = &conn->back->endpoint;
	bool is_piped = conn->up.pipe && conn->up.pipe->bytes > 0;
	return http->upload.complete && back->queue.bytes == 0 && !back->send.active && !is_piped;
}

/*
 * A response may be complete before its request is. Unless the client has been told
 * that the connection ends, it goes on sending, and the backend is there to read it.
 */
static bool is_upload_over(const struct conn *conn, const struct http *http)
{
	const struct endpoint *back = &conn->back->endpoint;
	return http->close || back->failed || back->eof || is_uploaded(conn, http);
}

bool http_origin_is_done(const struct conn *conn)
{
	const struct http *http = http_of(conn);
	bool is_piped = conn->down.pipe && conn->down.pipe->bytes > 0;
	return http->answered && http->download.complete && !is_piped && is_upload_over(conn, http);
}

void http_origin_release(struct conn *conn)
{
	struct http *http = http_of(conn);
	if (!conn->back)
		return;
	const struct endpoint *back = &conn->back->endpoint;
	bool keeps = http->keeps && is_uploaded(conn, http) && !back->failed && !back->eof;
	if (!http->upload.complete)
		http->close = true;
	/* A private one serves nobody else: it stays only while others need not do without. */
	if (keeps && is_private(conn) && !http->close &&
		!backend_is_used_up(conn->worker, conn->server)) {
		conn->back->is_reused = true;
		return;
	}
	backend_release(conn, keeps && !is_private(conn));
}
