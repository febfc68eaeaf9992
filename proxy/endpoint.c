#include "proxy/endpoint.h"

#include "proxy/worker.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void endpoint_init(struct endpoint *endpoint)
{
	memset(endpoint, 0, sizeof *endpoint);
	endpoint->fd = -1;
}

static bool is_sendable(const struct endpoint *endpoint)
{
	return endpoint->queue.bytes > 0 && !endpoint->send.active && !endpoint->writable.active &&
	       !endpoint->failed;
}

/* Of a queue that is not empty. */
static const struct buf *first_bytes(struct worker *worker, struct endpoint *endpoint)
{
	/* Room that was asked for and not used. */
	while (buf_len(endpoint->queue.head) == 0)
		buf_free(&worker->bufs, buf_queue_pop(&endpoint->queue));
	return endpoint->queue.head;
}

void endpoint_flush(struct worker *worker, struct endpoint *endpoint)
{
	if (!is_sendable(endpoint))
		return;
	const struct buf *head = first_bytes(worker, endpoint);
	/* io_uring's own wait for room ends for RDHUP: each such send would take a thread. */
	ring_send(worker->ring, &endpoint->send, endpoint->fd, head->data + head->start,
		buf_len(head), !endpoint->eof && !endpoint->ending);
}

void endpoint_send_last(struct worker *worker, struct endpoint *endpoint)
{
	if (!is_sendable(endpoint))
		return;
	const struct buf *head = first_bytes(worker, endpoint);
	ssize_t n = send(endpoint->fd, head->data + head->start, buf_len(head),
		MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		buf_queue_consume(&endpoint->queue, &worker->bufs, (size_t)n);
}

bool endpoint_sent(struct worker *worker, struct endpoint *endpoint, int result)
{
	if (result > 0)
		buf_queue_consume(&endpoint->queue, &worker->bufs, (size_t)result);
	else if (result == -EAGAIN)
		endpoint_await_writable(worker, endpoint);
	else
		return result == -ECANCELED; /* 0: bytes were asked for, none can be taken */
	endpoint_flush(worker, endpoint);
	return true;
}

struct buf *endpoint_room(struct worker *worker, struct endpoint *endpoint, size_t need)
{
	struct buf *tail = endpoint->queue.tail;
	/* Appending behind bytes that are in flight is fine: their length is settled. */
	if (tail && BUF_SIZE - tail->end >= need)
		return tail;
	struct buf *buf = buf_new(&worker->bufs);
	if (buf)
		buf_queue_push(&endpoint->queue, buf);
	return buf;
}

void endpoint_receive(struct worker *worker, struct endpoint *endpoint, bool wanted)
{
	if (wanted && !endpoint->receive.active)
		ring_receive(worker->ring, &endpoint->receive, endpoint->fd);
	else if (!wanted)
		ring_cancel(worker->ring, &endpoint->receive);
}

void endpoint_await_readable(struct worker *worker, struct endpoint *endpoint)
{
	if (!endpoint->readable.active)
		ring_poll(worker->ring, &endpoint->readable, endpoint->fd, POLLIN | POLLRDHUP);
}

void endpoint_await_writable(struct worker *worker, struct endpoint *endpoint)
{
	if (!endpoint->writable.active)
		ring_await_room(worker->ring, &endpoint->writable, endpoint->fd);
}

void endpoint_reset(const struct endpoint *endpoint)
{
	static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	setsockopt(endpoint->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

bool endpoint_is_busy(const struct endpoint *endpoint)
{
	return endpoint->receive.active || endpoint->send.active || endpoint->readable.active ||
	       endpoint->writable.active;
}

void endpoint_cancel(struct worker *worker, struct endpoint *endpoint)
{
	ring_cancel(worker->ring, &endpoint->receive);
	ring_cancel(worker->ring, &endpoint->send);
	ring_cancel(worker->ring, &endpoint->readable);
	ring_cancel(worker->ring, &endpoint->writable);
}

void endpoint_done(struct worker *worker, struct endpoint *endpoint)
{
	assert(!endpoint_is_busy(endpoint));
	buf_queue_clear(&endpoint->queue, &worker->bufs);
	if (endpoint->fd >= 0)
		close(endpoint->fd);
	endpoint->fd = -1;
}
