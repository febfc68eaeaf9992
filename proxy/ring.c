#include "proxy/ring.h"

#include "proxy/pace.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Buffers that the kernel may fill before we look: a power of two. */
#define PROVIDED     128
#define GROUP        0
#define SUBMIT_TRIES 1000

struct ring {
	struct io_uring uring;
	struct io_uring_buf_ring *provided; /* owned mapping */
	struct buf *bufs[PROVIDED];         /* owned; what the kernel holds, by buffer id */
	struct pace pace;
	unsigned missing;      /* ids without a buffer: memory had run out */
	struct buf_pool *pool; /* borrowed */
};

static void provide(struct ring *ring, unsigned id, int offset)
{
	struct buf *buf = buf_new(ring->pool);
	ring->bufs[id] = buf;
	if (!buf) {
		ring->missing++;
		return;
	}
	io_uring_buf_ring_add(ring->provided, buf->data, BUF_SIZE, (unsigned short)id,
		io_uring_buf_ring_mask(PROVIDED), offset);
	io_uring_buf_ring_advance(ring->provided, 1);
}

static int open_buffers(struct ring *ring)
{
	size_t size = PROVIDED * sizeof(struct io_uring_buf);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	ring->provided = memory;
	io_uring_buf_ring_init(ring->provided);
	struct io_uring_buf_reg registration = {
		.ring_addr = (uintptr_t)memory,
		.ring_entries = PROVIDED,
		.bgid = GROUP,
	};
	int result = io_uring_register_buf_ring(&ring->uring, &registration, 0);
	if (result < 0)
		return result;
	for (unsigned id = 0; id < PROVIDED; id++)
		provide(ring, id, 0);
	return 0;
}

int ring_open(struct ring **out, struct buf_pool *pool, unsigned entries)
{
	struct ring *ring = calloc(1, sizeof *ring);
	if (!ring)
		return -ENOMEM;
	ring->pool = pool;
	/* A paced wait of 50 us must not become one of 100. */
	prctl(PR_SET_TIMERSLACK, 1000);
	struct io_uring_params params = {
		/* Completions run when we ask for them, on the one thread there is. */
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
		.cq_entries = 8 * entries,
	};
	int result = io_uring_queue_init_params(entries, &ring->uring, &params);
	if (result < 0) {
		free(ring);
		return result;
	}
	io_uring_ring_dontfork(&ring->uring);
	result = open_buffers(ring);
	if (result < 0) {
		ring_close(ring);
		return result;
	}
	*out = ring;
	return 0;
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	io_uring_queue_exit(&ring->uring);
	if (ring->provided)
		munmap(ring->provided, PROVIDED * sizeof(struct io_uring_buf));
	for (unsigned id = 0; id < PROVIDED; id++)
		buf_free(ring->pool, ring->bufs[id]);
	free(ring);
}

/*
 * A full submission queue is submitted. The kernel takes entries from it even when
 * one of them fails, so that room appears unless the ring itself is broken.
 */
static struct io_uring_sqe *get_sqe(struct ring *ring)
{
	struct io_uring_sqe *sqe;
	for (int i = 0; !(sqe = io_uring_get_sqe(&ring->uring)); i++)
		if (io_uring_submit(&ring->uring) < 0 && i == SUBMIT_TRIES) {
			static const char text[] = "ferrule: io_uring takes no submissions\n";
			if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
				abort();
			abort(); /* the supervisor starts another worker */
		}
	return sqe;
}

static void start(struct io_uring_sqe *sqe, struct ring_op *op)
{
	assert(!op->active && op->done);
	op->active = true;
	op->cancelling = op->awaits_room = false;
	io_uring_sqe_set_data(sqe, op);
}

void ring_accept(struct ring *ring, struct ring_op *op, int fd)
{
	struct io_uring_sqe *sqe = get_sqe(ring);
	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	start(sqe, op);
}

static void select_buffer(struct io_uring_sqe *sqe)
{
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
}

void ring_receive(struct ring *ring, struct ring_op *op, int fd)
{
	struct io_uring_sqe *sqe = get_sqe(ring);
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	select_buffer(sqe);
	start(sqe, op);
}

void ring_receive_once(struct ring *ring, struct ring_op *op, int fd, size_t limit)
{
	struct io_uring_sqe *sqe = get_sqe(ring);
	io_uring_prep_recv(sqe, fd, NULL, limit, 0);
	select_buffer(sqe);
	start(sqe, op);
}

void ring_send(
	struct ring *ring, struct ring_op *op, int fd, const void *data, size_t len, bool waits)
{
	struct io_uring_sqe *sqe = get_sqe(ring);
	io_uring_prep_send(sqe, fd, data, len, MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));
	start(sqe, op);
}

void ring_poll(struct ring *ring, struct ring_op *op, int fd, unsigned events)
{
	struct io_uring_sqe *sqe = get_sqe(ring);
	io_uring_prep_poll_add(sqe, fd, events);
	start(sqe, op);
}

static void await_room(struct ring *ring, struct ring_op *op, bool is_multishot)
{
	struct io_uring_sqe *sqe = get_sqe(ring);
	io_uring_prep_poll_add(sqe, op->fd, POLLOUT);
	if (is_multishot)
		sqe->len |= IORING_POLL_ADD_MULTI;
	start(sqe, op);
	op->awaits_room = true;
}

void ring_await_room(struct ring *ring, struct ring_op *op, int fd)
{
	op->fd = fd;
	await_room(ring, op, false);
}

/*
 * A poll of io_uring ends for RDHUP, too, asked for or not: on a socket whose peer has
 * ended its stream it never waits. One of several shots says so once, and then
 * speaks up only when something changes. True: there is no room yet, or the poll is
 * still to end.
 */
static bool is_awaited(struct ring *ring, struct ring_op *op, int events)
{
	if (events != POLLRDHUP && op->active)
		ring_cancel(ring, op);
	else if (events == POLLRDHUP && !op->active && !op->cancelling)
		await_room(ring, op, true);
	return op->active;
}

void ring_connect(struct ring *ring, struct ring_op *op, int fd, const struct sockaddr *address,
	socklen_t len)
{
	struct io_uring_sqe *sqe = get_sqe(ring);
	io_uring_prep_connect(sqe, fd, address, len);
	start(sqe, op);
}

void ring_cancel(struct ring *ring, struct ring_op *op)
{
	if (!op->active || op->cancelling)
		return;
	op->cancelling = true;
	struct io_uring_sqe *sqe = get_sqe(ring);
	io_uring_prep_cancel(sqe, op, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data(sqe, NULL);
}

/* The buffer a receive was given, and a fresh one in its place. */
static struct buf *take_buffer(struct ring *ring, const struct io_uring_cqe *cqe)
{
	if (!(cqe->flags & IORING_CQE_F_BUFFER))
		return NULL;
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	struct buf *buf = ring->bufs[id];
	provide(ring, id, 0);
	if (cqe->res <= 0) {
		buf_free(ring->pool, buf);
		return NULL;
	}
	buf->end = (uint32_t)cqe->res;
	return buf;
}

static void deliver(struct ring *ring, const struct io_uring_cqe *cqe)
{
	struct ring_op *op = io_uring_cqe_get_data(cqe);
	struct ring_result result = {.value = cqe->res, .buf = take_buffer(ring, cqe)};
	if (!op)
		return; /* a cancellation that found nothing to cancel */
	op->active = cqe->flags & IORING_CQE_F_MORE;
	if (!op->awaits_room || !is_awaited(ring, op, result.value))
		op->done(op, &result);
}

static void provide_missing(struct ring *ring)
{
	for (unsigned id = 0; ring->missing > 0 && id < PROVIDED; id++)
		if (!ring->bufs[id]) {
			ring->missing--;
			provide(ring, id, 0);
			if (!ring->bufs[id])
				return;
		}
}

/* Waits for one completion, or, paced, for many of them within a short time. */
static int submit_and_wait(struct ring *ring, int wait_ms)
{
	struct __kernel_timespec timeout = {
		.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000L};
	struct io_uring_cqe *cqe;
	if (!ring->pace.on)
		return io_uring_submit_and_wait_timeout(
			&ring->uring, &cqe, 1, wait_ms < 0 ? NULL : &timeout, NULL);
	timeout.tv_sec = 0;
	timeout.tv_nsec = PACE_NS;
	return io_uring_submit_and_wait_timeout(&ring->uring, &cqe, PACE_BATCH, &timeout, NULL);
}

int ring_wait(struct ring *ring, int wait_ms)
{
	int result = wait_ms == 0 ? io_uring_submit_and_get_events(&ring->uring)
				  : submit_and_wait(ring, wait_ms);
	/* The first four only say that there is nothing, or that completions wait for us. */
	bool is_fine = result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY ||
		       result == -EAGAIN;
	return is_fine ? 0 : result;
}

static int64_t clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void ring_deliver(struct ring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned completions = 0;
	/* One at a time: a handler may submit, and then the kernel adds more behind. */
	while (io_uring_peek_cqe(&ring->uring, &cqe) == 0 && cqe) {
		struct io_uring_cqe copy;
		memcpy(&copy, cqe, sizeof copy);
		io_uring_cqe_seen(&ring->uring, cqe);
		deliver(ring, &copy);
		completions++;
	}
	if (pace_turn(&ring->pace, completions))
		pace_decide(&ring->pace, clock_ns());
	if (ring->missing)
		provide_missing(ring);
}
