/*
 * The loop's io_uring: the only file that knows liburing. One operation is one
 * struct ring_op, embedded in the object it works for; the object may not be
 * freed while the operation is active. Completions are delivered by ring_deliver().
 */
#ifndef FERRULE_PROXY_RING_H
#define FERRULE_PROXY_RING_H

#include "proxy/buf.h"

#include <stdbool.h>
#include <sys/socket.h>

struct ring;
struct ring_op;

struct ring_result {
	int value;       /* what the system call would return, or -errno */
	struct buf *buf; /* receives: the data; now the handler's. NULL: none */
};

/* While a multishot operation goes on, op->active is still true in its handler. */
typedef void ring_handler(struct ring_op *op, const struct ring_result *result);

struct ring_op {
	ring_handler *done;
	bool active;     /* the kernel may still complete it */
	bool cancelling; /* ring_cancel() was called on it */
	bool awaits_room;
	int fd; /* whose room */
};

/*
 * `pool` provides the receive buffers and outlives the ring. Returns 0 or -errno:
 * ENOSYS/EPERM when io_uring is forbidden, EINVAL before Linux 6.1.
 */
int ring_open(struct ring **ring, struct buf_pool *pool, unsigned entries);
void ring_close(struct ring *ring);

/* Each starts an operation on an op that is not active; `done` must be set. */
void ring_accept(struct ring *ring, struct ring_op *op, int fd);  /* multishot */
void ring_receive(struct ring *ring, struct ring_op *op, int fd); /* multishot */
/* One receive of at most `limit` bytes (0: a buffer's size). */
void ring_receive_once(struct ring *ring, struct ring_op *op, int fd, size_t limit);
/* The bytes stay with the caller and unchanged until completion. !waits: -EAGAIN. */
void ring_send(
	struct ring *ring, struct ring_op *op, int fd, const void *data, size_t len, bool waits);
void ring_poll(struct ring *ring, struct ring_op *op, int fd, unsigned events);
/* Until the socket takes bytes, or none any more, whatever its peer has ended. */
void ring_await_room(struct ring *ring, struct ring_op *op, int fd);
void ring_connect(struct ring *ring, struct ring_op *op, int fd, const struct sockaddr *address,
	socklen_t len);
/* Asks for an early end; the operation still completes, perhaps with success. */
void ring_cancel(struct ring *ring, struct ring_op *op);

/*
 * Submits what was started and waits for a completion at most wait_ms (-1: for
 * ever, 0: not at all). 0 or -errno.
 */
int ring_wait(struct ring *ring, int wait_ms);
/* Calls the handlers of all that has completed. */
void ring_deliver(struct ring *ring);

#endif
