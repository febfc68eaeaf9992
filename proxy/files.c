/* The built-in file server behind `backend = "files:DIRECTORY"`. */
#include "proxy/conn.h"
#include "proxy/http_request.h"
#include "proxy/server.h"
#include "proxy/static_file.h"
#include "proxy/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* Exists from the first byte of a request until its reply is on its way. */
struct files {
	struct buf_queue input; /* owned: bytes not yet taken as a request */
	struct http_request request;
	int fd;          /* owned: the file being sent, -1: none */
	off_t offset;    /* of the next byte */
	uint64_t length; /* still to send */
	bool replying;
	bool close; /* after this reply */
};

static struct files *files_of(struct conn *conn)
{
	struct files *files = conn->service_data;
	if (files)
		return files;
	files = calloc(1, sizeof *files);
	if (!files)
		return NULL;
	files->fd = -1;
	http_request_init(&files->request);
	conn->service_data = files;
	return files;
}

static void files_close(struct conn *conn)
{
	struct files *files = conn->service_data;
	if (!files)
		return;
	if (files->fd >= 0)
		close(files->fd);
	buf_queue_clear(&files->input, &conn->worker->bufs);
	free(files);
	conn->service_data = NULL;
}

/* ---- replying --------------------------------------------------------------- */

/* A file that fits behind its head goes with it, in one record. */
static bool take_small_file(struct files *files, struct buf *buf)
{
	size_t room = KTLS_RECORD_PLAINTEXT - buf->end;
	while (files->length > 0 && files->length <= room) {
		ssize_t n = pread(
			files->fd, buf->data + buf->end, (size_t)files->length, files->offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf->end += (uint32_t)n;
		files->offset += n;
		files->length -= (uint64_t)n;
		room -= (size_t)n;
	}
	return true;
}

static void reply_send(struct conn *conn, struct files *files, const struct static_reply *reply)
{
	struct buf *buf = buf_new(&conn->worker->bufs);
	if (!buf) {
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
		return;
	}
	_Static_assert(STATIC_REPLY_HEAD_MAX + 1024 < KTLS_RECORD_PLAINTEXT, "head and text fit");
	memcpy(buf->data, reply->head, reply->head_len);
	if (reply->body_len)
		memcpy(buf->data + reply->head_len, reply->body, reply->body_len);
	buf->end = (uint32_t)(reply->head_len + reply->body_len);
	bool complete = take_small_file(files, buf);
	conn_write(conn, buf);
	if (!complete)
		conn_cut(conn, "file shorter than announced", 0);
}

static void reply_start(struct conn *conn, struct files *files, const struct static_reply *reply)
{
	conn->requests++;
	files->replying = true;
	files->close = reply->close;
	files->fd = reply->fd;
	files->offset = reply->offset;
	files->length = reply->length;
	reply_send(conn, files, reply);
}

/* ---- requests ----------------------------------------------------------------- */

/* A request head has to lie in one piece: gathers the input in its first buffer. */
static void gather(struct conn *conn, struct files *files)
{
	struct buf_pool *pool = &conn->worker->bufs;
	struct buf *head = files->input.head;
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
			files->input.tail = head;
		buf_free(pool, next);
	}
}

/* Takes one request off the input and answers it; false: none is complete. */
static bool request_step(struct conn *conn, struct files *files)
{
	if (files->input.bytes == 0)
		return false;
	gather(conn, files);
	const struct buf *head = files->input.head;
	struct static_reply reply;
	switch (http_request_parse(
		&files->request, &http_default_limits, (const char *)head->data, buf_len(head))) {
	case HTTP_PARSE_MORE:
		return false;
	case HTTP_PARSE_BAD:
		static_error_reply(files->request.status, time(NULL), &reply);
		break;
	case HTTP_PARSE_DONE:
		if (conn->worker->draining)
			files->request.keep_alive = false;
		static_file_reply(&conn->server->files, &files->request, time(NULL), &reply);
		buf_queue_consume(&files->input, &conn->worker->bufs, files->request.head_len);
		break;
	}
	reply_start(conn, files, &reply);
	return true;
}

static void reply_finished(struct conn *conn, struct files *files)
{
	files->replying = false;
	if (files->fd >= 0)
		close(files->fd);
	files->fd = -1;
	if (files->close || conn->worker->stopping) {
		conn_end(conn, CONN_EVENT_FINISH, "closed after the reply", 0);
		return;
	}
	http_request_init(&files->request);
	if (files->input.bytes == 0)
		files_close(conn); /* an idle connection keeps nothing */
}

/* ---- the file ------------------------------------------------------------------ */

/* The kernel moves the pages and seals them; false: no more for now, or ended. */
static bool file_splice(struct conn *conn, struct files *files)
{
	size_t want = files->length < RELAY_TURN ? (size_t)files->length : RELAY_TURN;
	conn->settled = false;
	ssize_t n = sendfile(conn->front.fd, files->fd, &files->offset, want);
	if (n > 0) {
		files->length -= (uint64_t)n;
		conn->down.bytes += (uint64_t)n;
		return relay_account(conn, KTLS_TX, (size_t)n);
	}
	if (n < 0 && errno == EINTR)
		return true;
	if (n == 0)
		conn_cut(conn, "file shorter than announced", 0);
	else if (errno == EAGAIN)
		endpoint_await_writable(conn->worker, &conn->front);
	else
		conn_end(conn, CONN_EVENT_ABORT, "client reset", errno);
	return false;
}

static bool file_copy(struct conn *conn, struct files *files)
{
	size_t want = files->length < RELAY_CHUNK ? (size_t)files->length : RELAY_CHUNK;
	ssize_t n = pread(files->fd, conn->worker->scratch_in, want, files->offset);
	if (n <= 0) {
		conn_cut(conn, "file shorter than announced", n < 0 ? errno : 0);
		return false;
	}
	files->offset += n;
	files->length -= (uint64_t)n;
	return relay_send(conn, conn->worker->scratch_in, (size_t)n) &&
	       conn->front.queue.bytes == 0;
}

static void file_send(struct conn *conn, struct files *files)
{
	uint64_t start = conn->down.bytes;
	bool more = true;
	while (more && files->length > 0 && conn->down.bytes - start < RELAY_TURN)
		more = conn_is_tx_kernel(conn) ? file_splice(conn, files) : file_copy(conn, files);
	if (conn->down.bytes != start)
		conn_touch(conn);
	if (more && files->length > 0)
		conn_again(conn);
}

/* ---- service ---------------------------------------------------------------------- */

static void files_drained(struct conn *conn)
{
	struct files *files = conn->service_data;
	if (files && files->replying) {
		if (files->length > 0)
			file_send(conn, files);
		if (conn->state >= CONN_CLOSING || files->length > 0)
			return;
		reply_finished(conn, files);
		files = conn->state < CONN_CLOSING ? conn->service_data : NULL;
	}
	if (files && !files->replying)
		request_step(conn, files);
	files = conn->service_data;
	conn->up_paused = files && files->replying;
	/* All requests are answered and the client will send no other. */
	if (!conn->up_paused && conn->state == CONN_DOWN_ONLY)
		conn_end(conn, CONN_EVENT_FINISH, "client closed", 0);
}

static void files_client_data(struct conn *conn, struct buf *buf)
{
	struct files *files = files_of(conn);
	if (!files) {
		buf_free(&conn->worker->bufs, buf);
		conn_end(conn, CONN_EVENT_ABORT, "out of memory", 0);
		return;
	}
	buf_queue_push(&files->input, buf);
	if (!files->replying)
		request_step(conn, files);
	conn->up_paused = files->replying;
}

static void files_open(struct conn *conn)
{
	conn_event(conn, CONN_EVENT_CONNECTED);
}

static bool files_is_idle(const struct conn *conn)
{
	return conn->service_data == NULL && conn->front.queue.bytes == 0;
}

const struct service files_service = {
	.name = "files",
	.open = files_open,
	.client_data = files_client_data,
	.drained = files_drained,
	.is_idle = files_is_idle,
	.close = files_close,
};
