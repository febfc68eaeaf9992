/*
 * What ferrule answers itself: refusals, redirects, files. A request that is
 * answered here reaches no backend.
 */
#include "proxy/container.h"
#include "proxy/http_exchange.h"
#include "proxy/http_log.h"
#include "proxy/plain_policy.h"
#include "proxy/snapshot.h"
#include "proxy/static_file.h"
#include "proxy/worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How soon a client that was one too many may come again, in seconds. */
#define RETRY_AFTER 5
/* What an answer of ours may come to without Location and response_headers. */
#define ANSWER_MAX 1024

/* ---- answers ------------------------------------------------------------------ */

static struct buf *answer_buf(struct conn *conn)
{
	struct buf *buf = buf_new(&conn->worker->bufs);
	if (!buf)
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
	return buf;
}

static void answer_begin(struct http *http, unsigned status)
{
	http->stage = HTTP_ANSWERING;
	http->answered = true;
	http->status = status;
}

void http_answer(struct conn *conn, struct http_reply *reply)
{
	struct http *http = http_of(conn);
	struct buf *buf = answer_buf(conn);
	if (!buf)
		return;
	http_limit_time(conn, 0, 0); /* it was for what is over now */
	/* Nobody reads on to find the end of a body that is not wanted. */
	http->close = http->close || !http->upload.complete || http_must_close(conn);
	reply->close = http->close;
	reply->date = worker_date(conn->worker);
	reply->added = server_added(conn->server, conn->listener->is_secure);
	reply->to_minor_0 = http->head && http->request.minor_version == 0;
	reply->to_head = http->head && http_span_is(http->request.method, "HEAD");
	buf->end = (uint32_t)http_reply_write(reply, (char *)buf->data, BUF_SIZE);
	answer_begin(http, (unsigned)reply->status);
	const uint8_t *body = memmem(buf->data, buf->end, "\r\n\r\n", 4);
	http->sent = conn->down.bytes + (body ? (size_t)(body + 4 - buf->data) : 0);
	conn_write(conn, buf);
}

void http_answer_busy(struct conn *conn, const char *cause)
{
	struct http_reply reply = {.status = 503, .retry_after = RETRY_AFTER};
	conn->worker->row->servers[conn->server->slot].requests_refused++;
	http_log_failure(conn, 503, cause, 0);
	http_answer(conn, &reply);
}

/* The head with our own lines in front of its empty one. */
static bool put_file_head(struct conn *conn, const struct static_reply *reply, struct buf *buf)
{
	struct http_span added = server_added(conn->server, conn->listener->is_secure);
	size_t head = reply->head_len - 2;
	if (reply->head_len + added.len + reply->body_len > KTLS_RECORD_PLAINTEXT)
		return false;
	memcpy(buf->data, reply->head, head);
	if (added.len)
		memcpy(buf->data + head, added.data, added.len);
	memcpy(buf->data + head + added.len, "\r\n", 2);
	buf->end = (uint32_t)(reply->head_len + added.len);
	if (reply->body_len)
		memcpy(buf->data + buf->end, reply->body, reply->body_len);
	buf->end += (uint32_t)reply->body_len;
	return true;
}

void http_answer_file(struct conn *conn)
{
	struct http *http = http_of(conn);
	struct static_reply reply;
	struct buf *buf = answer_buf(conn);
	if (!buf)
		return;
	http->request.keep_alive = !http_must_close(conn);
	static_file_reply(&conn->server->files, &http->request, worker_time(conn->worker), &reply);
	http->close = reply.close;
	http->file = (struct file_transfer){reply.fd, reply.offset, reply.length};
	bool complete = put_file_head(conn, &reply, buf);
	answer_begin(http, (unsigned)reply.status);
	http->sent = conn->down.bytes + buf->end - reply.body_len;
	complete = complete && file_transfer_join(&http->file, buf);
	conn_write(conn, buf);
	if (!complete)
		conn_cut(conn, "file shorter than announced", 0);
}

/* ---- policy --------------------------------------------------------------------- */

static void redirect(struct conn *conn, struct http *http)
{
	char location[BUF_SIZE - ANSWER_MAX];
	struct http_span added = server_added(conn->server, conn->listener->is_secure);
	union conn_address local;
	socklen_t len = sizeof local;
	struct http_reply reply = {.status = 308};
	bool is_known = getsockname(conn->front.fd, &local.any, &len) == 0;
	reply.location.data = location;
	reply.location.len = https_location(http->request.host, is_known ? &local.any : NULL,
		conn->listener->secure_port, http->request.path, http->request.query, location,
		sizeof location - added.len);
	if (reply.location.len == 0)
		reply = (struct http_reply){.status = 400};
	http_answer(conn, &reply);
}

/* What the plain server does with the request; true: it has been answered. */
static bool refuse_plain(struct conn *conn, struct http *http)
{
	bool ambiguous;
	struct http_reply reply = {.status = 403};
	if (conn->listener->is_secure)
		return false;
	switch (plain_action(conn->server->conf, http->request.path, &ambiguous)) {
	case CONF_ACTION_PROXY:
		if (!ambiguous)
			return false;
		break;
	case CONF_ACTION_REDIRECT:
		if (!ambiguous) {
			redirect(conn, http);
			return true;
		}
		break;
	case CONF_ACTION_REFUSE:
		break;
	}
	if (ambiguous)
		reply.status = 400;
	http_answer(conn, &reply);
	return true;
}

bool http_refuse_by_policy(struct conn *conn)
{
	struct http *http = http_of(conn);
	uint64_t most = conn->server->conf->limits.body;
	if (conn->excess) {
		struct http_reply reply = {.status = 503, .retry_after = RETRY_AFTER};
		http->close = true;
		http_answer(conn, &reply);
		return true;
	}
	if (refuse_plain(conn, http))
		return true;
	if (!most || http->request.content_length <= most)
		return false;
	struct http_reply reply = {.status = 413};
	http_answer(conn, &reply);
	return true;
}

/* ---- basic authentication ----------------------------------------------------------- */

static void deny(struct conn *conn)
{
	struct http_reply reply = {
		.status = 401, .realm = conn->server->conf->authentication.realm};
	http_answer(conn, &reply);
}

/* True when the request has been answered, or will be. */
static bool act_on(struct conn *conn, struct http *http, enum auth_verdict verdict)
{
	switch (verdict) {
	case AUTH_GRANTED:
		http->user = strdup(http->credentials->job.user);
		free(http->credentials);
		http->credentials = NULL;
		return false;
	case AUTH_PENDING:
		http->stage = HTTP_VERIFYING;
		break;
	case AUTH_DENIED:
		deny(conn);
		break;
	case AUTH_BUSY:
		http_answer_busy(conn, "too many passwords to check");
		break;
	}
	return true;
}

static void on_verified(struct auth_job *job)
{
	struct http_credentials *credentials = container_of(job, struct http_credentials, job);
	struct conn *conn = credentials->conn;
	struct http *http = http_of(conn);
	if (conn->state < CONN_CLOSING && !act_on(conn, http, job->verdict))
		http_dispatch(conn);
	conn_update(conn);
}

bool http_refuse_by_credentials(struct conn *conn)
{
	struct http *http = http_of(conn);
	if (!conn->server->auth)
		return false;
	struct auth_verifier *verifier = worker_verifier(conn->worker);
	http->credentials = calloc(1, sizeof *http->credentials);
	if (!verifier || !http->credentials) {
		http_answer_busy(conn, "too many passwords to check");
		return true;
	}
	http->credentials->conn = conn;
	http->credentials->job.done = on_verified;
	return act_on(conn, http,
		auth_verifier_check(verifier, conn->server->auth, http->request.authorization,
			conn->worker->now, &http->credentials->job));
}
