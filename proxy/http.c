/*
 * The HTTP service: requests are read strictly, one exchange at a time, and their
 * responses go out in order. What is not sound is answered here and reaches no
 * backend in any part.
 */
#include "proxy/http_exchange.h"
#include "proxy/http_log.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#include <stdlib.h>
#include <string.h>

/* More of a request's body than this waits for nobody: its source is not read. */
#define INPUT_MAX (4 * BUF_SIZE)
/* The access log's status of requests whose client has not waited: nginx's number for it. */
#define HTTP_CLIENT_LEFT 499

/* ---- life ------------------------------------------------------------------ */

/* The first byte of a request is there. */
static void exchange_init(struct conn *conn, struct http *http)
{
	http->received = conn->worker->now;
	if (conn->worker->access.fd >= 0)
		http->started = worker_precise_us();
	http_request_init(&http->request);
	file_transfer_init(&http->file);
}

static struct http *http_start(struct conn *conn)
{
	struct http *http = http_of(conn);
	if (http)
		return http;
	http = calloc(1, sizeof *http);
	if (!http) {
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
		return NULL;
	}
	exchange_init(conn, http);
	conn->service_data = http;
	return http;
}

/* What one exchange had; what has come in behind it stays. */
static void exchange_clear(struct conn *conn, struct http *http)
{
	struct buf_pool *bufs = &conn->worker->bufs;
	buf_free(bufs, http->head);
	buf_free(bufs, http->response_head);
	stash_done(&http->beginning); /* of a head that has been refused for its time */
	file_transfer_done(&http->file);
	free(http->credentials);
	free(http->user);
}

static bool has_client_left(const struct conn *conn)
{
	return conn->front.eof || conn->front.failed;
}

static void http_close(struct conn *conn)
{
	struct http *http = http_of(conn);
	if (!http)
		return;
	/* A request has been read that will not be answered. */
	if (!http->status && http->head && has_client_left(conn))
		http->status = HTTP_CLIENT_LEFT;
	if (http->status || http->head)
		http_log(conn);
	exchange_clear(conn, http);
	buf_queue_clear(&http->input, &conn->worker->bufs);
	free(http);
	conn->service_data = NULL;
}

/* No byte of a request is there. */
static bool is_between(const struct http *http)
{
	return http->stage == HTTP_READING && http->input.bytes == 0 && !http->beginning.data;
}

/* ---- time --------------------------------------------------------------------- */

/* When the connection has lived long enough (ms); 0: never, or it has already. */
static int64_t life_end(const struct conn *conn)
{
	int64_t life = (int64_t)conn->server->conf->timeout.life * 1000;
	int64_t end = life ? conn->started + life : 0;
	return end > conn->worker->now ? end : 0;
}

static bool is_life_over(const struct conn *conn)
{
	return conn->server->conf->timeout.life && !life_end(conn);
}

void http_limit_time(struct conn *conn, int64_t from, unsigned seconds)
{
	int64_t life = life_end(conn);
	int64_t end = seconds ? from + (int64_t)seconds * 1000 : 0;
	conn_limit(conn, life && (!end || life < end) ? life : end);
}

static void expired_while_relaying(struct conn *conn, const struct http *http)
{
	if (http->answered && http->download.complete)
		conn_end(conn, CONN_EVENT_FINISH, "idle timeout in the middle of a request", 0);
	else if (http->answered)
		conn_cut(conn, "idle timeout in the middle of a response", 0);
	else if (!http->upload.complete)
		http_fail(conn, 408, "idle timeout in the middle of a request", 0);
	else
		http_fail(conn, 504, "backend gave no answer in time", 0);
}

static bool http_expired(struct conn *conn)
{
	struct http *http = http_of(conn);
	if (!http || is_between(http))
		return false;
	if (http->stage > HTTP_READING && conn->latest && is_life_over(conn)) {
		/* Doc 001: what is being processed is finished first. */
		http->close = true;
		conn_limit(conn, 0);
		conn_touch(conn);
		return true;
	}
	switch (http->stage) {
	case HTTP_READING:
		http_fail(conn, 408, "header timeout", 0);
		break;
	case HTTP_REACHING:
		http_fail(conn, 504, "backend connect timed out", 0);
		break;
	case HTTP_RELAYING:
		expired_while_relaying(conn, http);
		break;
	case HTTP_VERIFYING:
	case HTTP_ANSWERING:
		conn_cut(conn, "idle timeout in the middle of a response", 0);
		break;
	}
	return true;
}

/* ---- the end of an exchange -------------------------------------------------------- */

bool http_must_close(const struct conn *conn)
{
	const struct http *http = http_of(conn);
	unsigned most = conn->server->conf->timeout.requests;
	return http->close || !http->request.keep_alive || conn->worker->draining ||
	       (most && conn->requests + 1 >= most) || is_life_over(conn);
}

void http_fail(struct conn *conn, unsigned status, const char *cause, int error)
{
	struct http *http = http_of(conn);
	struct http_reply reply = {.status = (int)status};
	http_log_failure(conn, status, cause, error);
	if (http->answered) {
		conn_cut(conn, cause, error);
		return;
	}
	backend_abort(conn);
	if (http->stage == HTTP_READING || !http->upload.complete)
		http->close = true;
	http_answer(conn, &reply);
}

/* True when the connection goes on. */
static bool exchange_end(struct conn *conn, struct http *http)
{
	/* Otherwise the client has been told that it may go on, and may be doing so. */
	bool close = http->close || conn->worker->stopping || is_life_over(conn);
	const char *cause = is_life_over(conn) ? "life timeout" : "closed after the response";
	conn->requests++;
	conn->worker->row->servers[conn->server->slot].requests++;
	http_log(conn);
	exchange_clear(conn, http);
	struct buf_queue input = http->input;
	memset(http, 0, sizeof *http);
	http->input = input;
	exchange_init(conn, http);
	if (close)
		conn_end(conn, CONN_EVENT_FINISH, cause, 0);
	return !close;
}

/* ---- requests ------------------------------------------------------------------------- */

/* A head has to lie in one piece: gathers the input in its first buffer. */
static void gather(struct conn *conn, struct http *http)
{
	struct buf_pool *pool = &conn->worker->bufs;
	struct buf *head = http->input.head;
	if (!head->next)
		return;
	memmove(head->data, head->data + head->start, buf_len(head));
	head->end -= head->start;
	head->start = 0;
	while (head->next && head->end < BUF_SIZE) {
		struct buf *next = head->next;
		size_t room = BUF_SIZE - head->end;
		size_t n = buf_len(next) < room ? buf_len(next) : room;
		memcpy(head->data + head->end, next->data + next->start, n);
		head->end += (uint32_t)n;
		next->start += (uint32_t)n;
		if (buf_len(next) > 0)
			break;
		head->next = next->next;
		if (!head->next)
			http->input.tail = head;
		buf_free(pool, next);
	}
}

/*
 * Takes the head off the input, in the buffer it came in: the request's spans point
 * into it. What stands behind it there moves to a buffer of its own.
 */
static bool take_head(struct conn *conn, struct http *http)
{
	struct buf *head = buf_queue_pop(&http->input);
	size_t rest = buf_len(head) - http->request.head_len;
	http->head = head;
	if (rest == 0)
		return true;
	struct buf *behind = buf_new(&conn->worker->bufs);
	if (!behind) {
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
		return false;
	}
	memcpy(behind->data, head->data + head->start + http->request.head_len, rest);
	behind->end = (uint32_t)rest;
	buf_queue_unpop(&http->input, behind);
	return true;
}

/* The request is whole and sound: who answers it? */
static void request_begin(struct conn *conn, struct http *http)
{
	if (!take_head(conn, http))
		return;
	http_body_of_request(&http->upload, &http->request);
	http_limit_time(conn, 0, 0);
	if (!http_refuse_by_policy(conn) && !http_refuse_by_credentials(conn))
		http_dispatch(conn);
}

void http_dispatch(struct conn *conn)
{
	if (conn->server->conf->backend.type == CONF_BACKEND_FILES) {
		http_answer_file(conn);
		return;
	}
	http_origin_reach(conn, false);
}

static enum http_parse request_parse(struct conn *conn, struct http *http)
{
	gather(conn, http);
	const struct buf *head = http->input.head;
	return http_request_parse(&http->request, &conn->server->http_limits,
		(const char *)head->data + head->start, buf_len(head));
}

static void request_bad(struct conn *conn, struct http *http)
{
	http_log_failure(conn, (unsigned)http->request.status, http->request.reason, 0);
	struct http_reply reply = {.status = http->request.status};
	http->close = true;
	http_answer(conn, &reply);
}

/* More of it may take its time, as with clients that send a byte now and then. */
static void put_by(struct conn *conn, struct http *http)
{
	struct buf *head = buf_queue_pop(&http->input);
	if (!stash_put(&http->beginning, &conn->worker->bufs, head))
		buf_queue_unpop(&http->input, head);
}

/* Reads on; true when an exchange has begun. */
static bool request_step(struct conn *conn, struct http *http)
{
	/* Answers that pile up in front of a client that does not read them. */
	if (http->input.bytes == 0 || !relay_has_room(conn, &conn->front))
		return false;
	switch (request_parse(conn, http)) {
	case HTTP_PARSE_MORE:
		put_by(conn, http);
		http_limit_time(conn, http->received, conn->server->conf->timeout.header);
		return false;
	case HTTP_PARSE_BAD:
		request_bad(conn, http);
		return true;
	case HTTP_PARSE_DONE:
		request_begin(conn, http);
		return true;
	}
	return false;
}

/* Between two exchanges nothing is kept. */
static void rest(struct conn *conn, struct http *http)
{
	if (!is_between(http))
		return;
	http_close(conn);
	http_limit_time(conn, 0, 0);
}

/* ---- the service -------------------------------------------------------------------------- */

static void answering(struct conn *conn, struct http *http)
{
	if (http->file.left > 0 && relay_is_front_free(conn))
		file_transfer_step(conn, &http->file);
}

static bool is_done(const struct conn *conn, const struct http *http)
{
	if (http->stage == HTTP_ANSWERING)
		return http->file.left == 0;
	return http->stage == HTTP_RELAYING && http_origin_is_done(conn);
}

static bool is_serving(const struct conn *conn)
{
	return conn->state == CONN_RELAY || conn->state == CONN_DOWN_ONLY;
}

/* One step of the current exchange; false: nothing more can be done for now. */
static bool exchange_step(struct conn *conn, struct http *http)
{
	if (http->stage == HTTP_READING)
		return request_step(conn, http);
	if (http->stage == HTTP_RELAYING)
		http_origin_upload(conn);
	if (http->stage == HTTP_ANSWERING)
		answering(conn, http);
	if (!is_serving(conn) || !is_done(conn, http))
		return false;
	if (http->stage == HTTP_RELAYING)
		http_origin_release(conn);
	return exchange_end(conn, http);
}

/* The backend waits for the rest of a request that will never be whole. */
static bool is_cut_short(const struct conn *conn, const struct http *http)
{
	return conn->state == CONN_DOWN_ONLY && http->stage == HTTP_RELAYING && !http->answered &&
	       !http->upload.complete && http->input.bytes == 0;
}

static void http_update(struct conn *conn)
{
	struct http *http = http_of(conn);
	if (http) {
		if (is_cut_short(conn, http))
			http_fail(conn, 400, "client ended in the middle of a request", 0);
		while (exchange_step(conn, http))
			;
		if (!is_serving(conn))
			return;
		if (http->stage == HTTP_READING)
			rest(conn, http);
	}
	/* All requests are answered and the client will send no other. */
	http = http_of(conn);
	if (conn->state == CONN_DOWN_ONLY && (!http || http->stage == HTTP_READING))
		conn_end(conn, CONN_EVENT_FINISH, "client closed", 0);
}

/* Where the next bytes of the client go; NULL: the connection has ended. */
static struct http *taker_of(struct conn *conn)
{
	struct http *http = http_start(conn);
	if (!http || !http->beginning.data)
		return http;
	struct buf *buf = stash_take(&http->beginning, &conn->worker->bufs);
	if (!buf) {
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
		return NULL;
	}
	buf_queue_push(&http->input, buf);
	return http;
}

static void http_client_data(struct conn *conn, struct buf *buf)
{
	struct http *http = taker_of(conn);
	if (http)
		buf_queue_join(&http->input, &conn->worker->bufs, buf);
	else
		buf_free(&conn->worker->bufs, buf);
}

static void http_client_bytes(struct conn *conn, const uint8_t *data, size_t len)
{
	struct http *http = taker_of(conn);
	if (!http)
		return;
	if (http->stage == HTTP_RELAYING && http->input.bytes == 0 && !http->upload.complete)
		http_origin_upload_bytes(conn, data, len);
	else if (buf_queue_append(&http->input, &conn->worker->bufs, data, len) < 0)
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
}

static void http_open(struct conn *conn)
{
	conn_event(conn, CONN_EVENT_CONNECTED);
	http_limit_time(conn, 0, 0);
}

static bool http_takes(const struct conn *conn, const struct relay *relay)
{
	const struct http *http = http_of(conn);
	if (relay == &conn->down)
		return http && http->stage == HTTP_RELAYING && !http->download.complete;
	if (!http || http->stage == HTTP_READING)
		return true;
	return http->input.bytes < (http->upload.complete ? 1 : INPUT_MAX);
}

static uint64_t http_blind(const struct conn *conn, const struct relay *relay)
{
	const struct http *http = http_of(conn);
	if (!http || http->stage != HTTP_RELAYING)
		return 0;
	if (relay == &conn->down)
		return http->answered ? http_body_blind(&http->download) : 0;
	return http->input.bytes == 0 ? http_body_blind(&http->upload) : 0;
}

static void http_passed(struct conn *conn, const struct relay *relay, uint64_t len)
{
	struct http *http = http_of(conn);
	http_body_passed(relay == &conn->down ? &http->download : &http->upload, len);
}

static bool http_is_busy(const struct conn *conn)
{
	const struct http *http = http_of(conn);
	return http && http->credentials && http->credentials->job.active;
}

static bool http_is_idle(const struct conn *conn)
{
	const struct http *http = http_of(conn);
	return (!http || is_between(http)) && relay_is_front_free(conn);
}

const struct service http_service = {
	.name = "http",
	.open = http_open,
	.connected = http_origin_connected,
	.client_data = http_client_data,
	.client_bytes = http_client_bytes,
	.backend_data = http_origin_data,
	.backend_bytes = http_origin_bytes,
	.backend_end = http_origin_end,
	.takes = http_takes,
	.blind = http_blind,
	.passed = http_passed,
	.update = http_update,
	.expired = http_expired,
	.is_busy = http_is_busy,
	.is_idle = http_is_idle,
	.close = http_close,
};
