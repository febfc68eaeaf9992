/*
 * One of a connection's two sockets: what is being received from it and what
 * waits to be sent on it. At most one receive and one send are in flight.
 */
#ifndef FERRULE_PROXY_ENDPOINT_H
#define FERRULE_PROXY_ENDPOINT_H

#include "proxy/ring.h"

struct worker;

struct endpoint {
	int fd;                  /* owned; -1: none */
	struct ring_op receive;  /* bytes into provided buffers */
	struct ring_op send;     /* the first buffer of `queue` */
	struct ring_op readable; /* poll, for what is received by a system call */
	struct ring_op writable; /* poll, for what is sent by a system call */
	struct buf_queue queue;  /* owned; sealed already where sealing is ours */
	bool ready;              /* `readable` came true and nothing said EAGAIN since */
	bool eof;                /* it has ended its stream */
	bool ending;             /* it has, or its socket's end is on the way */
	bool shut;               /* we have ended ours */
	bool failed;             /* it cannot be written to any more */
};

void endpoint_init(struct endpoint *endpoint);
/* Sends the head of the queue unless a send is in flight, or room is awaited. */
void endpoint_flush(struct worker *worker, struct endpoint *endpoint);
/*
 * Sends what is queued so that it goes out together with the end of the stream, which
 * has to follow at once. What the socket does not take stays queued.
 */
void endpoint_send_last(struct worker *worker, struct endpoint *endpoint);
/*
 * Accounts for a completed send: bytes or -errno. True: it goes on, false: the socket
 * takes no more.
 */
bool endpoint_sent(struct worker *worker, struct endpoint *endpoint, int result);
/* The last buffer with room for `need` bytes behind its end; NULL: no memory. */
struct buf *endpoint_room(struct worker *worker, struct endpoint *endpoint, size_t need);

/* Multishot receive on or off; off takes effect when the operation completes. */
void endpoint_receive(struct worker *worker, struct endpoint *endpoint, bool wanted);
void endpoint_await_readable(struct worker *worker, struct endpoint *endpoint);
void endpoint_await_writable(struct worker *worker, struct endpoint *endpoint);

/* Its close will be a reset, which nobody takes for the end of something complete. */
void endpoint_reset(const struct endpoint *endpoint);
bool endpoint_is_busy(const struct endpoint *endpoint);
void endpoint_cancel(struct worker *worker, struct endpoint *endpoint);
/* Closes and frees; no operation may be active. */
void endpoint_done(struct worker *worker, struct endpoint *endpoint);

#endif
