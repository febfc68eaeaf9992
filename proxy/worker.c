#include "proxy/worker.h"

#include "proxy/auth_verifier.h"
#include "proxy/channel.h"
#include "proxy/conn.h"
#include "proxy/container.h"
#include "proxy/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RING_ENTRIES 1024
/* Free buffers kept for reuse: 2 MiB or so, what a core's cache holds. */
#define BUFS_KEPT 128
#define PIPES_MAX 256
/* Out of descriptors: how long until accepting is tried again. */
#define ACCEPT_PAUSE_MS 100
/* The heap grows by this, and may keep that much free while it is in use. */
#define HEAP_STEP (256 * 1024)
#define HEAP_KEPT (16 * 1024 * 1024)
/* Quiet for so long, the heap gives back what handshakes have left in it. */
#define TRIM_MS 100
/* While stopping: how often connections that have become idle are looked for. */
#define IDLE_LOOK_MS 200
/* How long a line may wait for others before the access log is written. */
#define ACCESS_FLUSH_MS 500
/* Lines about failed handshakes and refused connections, per second. */
#define FAILURE_LINES 50

/* A listening socket and its multishot accept. */
struct listening {
	struct ring_op op;
	struct worker *worker;
	const struct snapshot_listener *listener;
	int fd; /* borrowed from the snapshot */
};

static int64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- accepting ---------------------------------------------------------------- */

static void accept_start(struct worker *worker)
{
	for (size_t i = 0; i < worker->listening_count; i++) {
		struct listening *listening = &worker->listening[i];
		if (!listening->op.active && !worker->draining && !worker->accept_paused)
			ring_accept(worker->ring, &listening->op, listening->fd);
	}
}

/* Nothing is lost: connections wait in the socket's queue meanwhile. */
static void accept_pause(struct worker *worker, int error)
{
	unsigned suppressed;
	if (!worker->accept_paused &&
		log_limit_pass(&worker->failure_limit, worker->now, &suppressed))
		log_line(worker->log, CONF_LOG_WARNING, "accepting paused: %s", strerror(error));
	worker->accept_paused = true;
	timer_set(&worker->wheel, &worker->accept_timer, worker->now + ACCEPT_PAUSE_MS);
}

static void accept_resume(struct worker *worker)
{
	worker->accept_paused = false;
	timer_clear(&worker->wheel, &worker->accept_timer);
	accept_start(worker);
}

static void on_accept_timer(struct timer *timer)
{
	accept_resume(container_of(timer, struct worker, accept_timer));
}

/*
 * The kernel wakes one of those that wait on a socket, and that may have been this
 * accept while it was being cancelled: what it was woken for is ours to take.
 */
static void accept_rest(struct listening *listening)
{
	struct pollfd ready = {.fd = listening->fd, .events = POLLIN};
	while (poll(&ready, 1, 0) > 0) {
		int fd = accept4(listening->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		conn_open(listening->worker, listening->listener, fd);
	}
}

static bool is_accepting(const struct worker *worker)
{
	for (size_t i = 0; i < worker->listening_count; i++)
		if (worker->listening[i].op.active)
			return true;
	return false;
}

/* The supervisor waits for it: a reload is done when nobody accepts by the old file. */
static void tell_accepting(struct worker *worker)
{
	__atomic_store_n(&worker->row->accepting, !worker->draining || is_accepting(worker),
		__ATOMIC_RELEASE);
}

static void on_accept(struct ring_op *op, const struct ring_result *result)
{
	struct listening *listening = container_of(op, struct listening, op);
	struct worker *worker = listening->worker;
	if (result->value >= 0)
		conn_open(worker, listening->listener, result->value);
	else if (result->value == -EINVAL)
		return; /* the socket has been shut down: this server is no more */
	else if (result->value != -ECANCELED && result->value != -ECONNABORTED)
		accept_pause(worker, -result->value);
	if (worker->draining && !op->active)
		accept_rest(listening);
	accept_start(worker);
	if (worker->draining)
		tell_accepting(worker);
}

/* Worker i of n takes every n-th socket of a group, or shares one when there are fewer. */
static bool is_mine(const struct worker_options *options, unsigned count, unsigned socket)
{
	if (options->count > count)
		return options->index % count == socket;
	return socket % options->count == options->index;
}

static int open_listening(struct worker *worker, const struct worker_options *options)
{
	const struct snapshot *snapshot = options->snapshot;
	size_t most = 0;
	for (size_t i = 0; i < snapshot->listener_count; i++)
		most += snapshot->listeners[i].listener->count;
	worker->listening = calloc(most ? most : 1, sizeof *worker->listening);
	if (!worker->listening)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->listener_count; i++) {
		const struct listener *listener = snapshot->listeners[i].listener;
		for (unsigned j = 0; j < listener->count; j++) {
			if (!is_mine(options, listener->count, j))
				continue;
			struct listening *listening = &worker->listening[worker->listening_count++];
			listening->worker = worker;
			listening->listener = &snapshot->listeners[i];
			listening->fd = listener->fds[j];
			listening->op.done = on_accept;
		}
	}
	return 0;
}

/* ---- draining ------------------------------------------------------------------- */

/* Ends what can be ended without losing anything. */
static void end_idle(struct worker *worker)
{
	for (struct conn *conn = worker->conns, *next; conn; conn = next) {
		next = conn->next;
		if (conn->state != CONN_RELAY || !conn->service->is_idle ||
			!conn->service->is_idle(conn))
			continue;
		conn_end(conn, CONN_EVENT_FINISH, "shutting down", 0);
		conn_update(conn);
	}
}

/* What was in a handshake or a request has become idle since. */
static void on_idle_timer(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, idle_timer);
	end_idle(worker);
	timer_set(&worker->wheel, timer, worker->now + IDLE_LOOK_MS);
}

static void on_drain_timer(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, drain_timer);
	for (struct conn *conn = worker->conns; conn; conn = conn->next)
		conn_end(conn, CONN_EVENT_ABORT, "cut off: drain_timeout", 0);
}

static void drain(struct worker *worker)
{
	worker->draining = true;
	for (size_t i = 0; i < worker->listening_count; i++)
		ring_cancel(worker->ring, &worker->listening[i].op);
	timer_clear(&worker->wheel, &worker->accept_timer);
	backend_pool_drain(worker);
	tell_accepting(worker);
}

/* SIGTERM: end, within drain_timeout. SIGQUIT: others have taken over, take the time. */
static void on_signal(struct ring_op *op, const struct ring_result *result)
{
	struct worker *worker = container_of(op, struct worker, signal_op);
	struct signalfd_siginfo info;
	(void)result;
	while (read(worker->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		drain(worker);
		if (info.ssi_signo != SIGTERM)
			continue;
		if (worker->stopping)
			continue; /* its time is running already */
		worker->stopping = true;
		on_idle_timer(&worker->idle_timer);
		timer_set(&worker->wheel, &worker->drain_timer,
			worker->now + (int64_t)worker->snapshot->conf->drain_timeout * 1000);
	}
	ring_poll(worker->ring, op, worker->signal_fd, POLLIN);
}

static bool is_finished(const struct worker *worker)
{
	return worker->draining && worker->conn_count == 0 && !is_accepting(worker);
}

/*
 * A handshake leaves tens of kilobytes of free heap between the objects that stay.
 * They serve the next handshake; when none comes they go back to the system.
 */
static void on_trim_timer(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, trim_timer);
	if (!worker->opened) {
		malloc_trim(0);
		return;
	}
	worker->opened = false;
	timer_set(&worker->wheel, timer, worker->now + TRIM_MS);
}

void worker_conn_opened(struct worker *worker)
{
	worker->opened = true;
	if (!worker->trim_timer.link)
		timer_set(&worker->wheel, &worker->trim_timer, worker->now + TRIM_MS);
}

void worker_conn_gone(struct worker *worker)
{
	if (worker->accept_paused)
		accept_resume(worker);
}

/* ---- time of day ------------------------------------------------------------------ */

static void tell_time(struct worker *worker)
{
	int64_t second = worker->now / 1000;
	struct tm tm;
	if (second == worker->date_second && *worker->date)
		return;
	worker->date_second = second;
	worker->date_time = time(NULL);
	gmtime_r(&worker->date_time, &tm);
	strftime(worker->date, sizeof worker->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

time_t worker_time(struct worker *worker)
{
	tell_time(worker);
	return worker->date_time;
}

struct http_span worker_date(struct worker *worker)
{
	tell_time(worker);
	return (struct http_span){.data = worker->date, .len = strlen(worker->date)};
}

int64_t worker_precise_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* ---- logs ---------------------------------------------------------------------------- */

static void on_access_timer(struct timer *timer)
{
	access_log_flush(&container_of(timer, struct worker, access_timer)->access);
}

void worker_flush_access(struct worker *worker)
{
	timer_set(&worker->wheel, &worker->access_timer, worker->now + ACCESS_FLUSH_MS);
}

/* Log files that have been moved away: the supervisor has opened them anew. */
static void on_channel(struct ring_op *op, const struct ring_result *result)
{
	struct worker *worker = container_of(op, struct worker, channel_op);
	enum channel_tag tag;
	int fd;
	if (result->value < 0 || (result->value & (POLLHUP | POLLERR)))
		return; /* the supervisor is gone, and its signal is on the way */
	while ((fd = channel_receive(worker->channel_fd, &tag)) >= 0) {
		if (tag == CHANNEL_ACCESS_LOG && worker->access.fd >= 0) {
			access_log_reopen(&worker->access, fd);
			continue;
		}
		if (tag == CHANNEL_LOG)
			dup3(fd, worker->log->fd, O_CLOEXEC);
		close(fd);
	}
	ring_poll(worker->ring, op, worker->channel_fd, POLLIN);
}

/* ---- passwords ------------------------------------------------------------------------ */

static void on_verified(struct ring_op *op, const struct ring_result *result)
{
	struct worker *worker = container_of(op, struct worker, verifier_op);
	(void)result;
	auth_verifier_deliver(worker->verifier, worker->now);
	ring_poll(worker->ring, op, auth_verifier_fd(worker->verifier), POLLIN);
}

struct auth_verifier *worker_verifier(struct worker *worker)
{
	if (worker->verifier)
		return worker->verifier;
	worker->verifier = auth_verifier_new();
	if (worker->verifier)
		ring_poll(worker->ring, &worker->verifier_op, auth_verifier_fd(worker->verifier),
			POLLIN);
	return worker->verifier;
}

/* ---- the loop --------------------------------------------------------------------- */

static void run_again(struct worker *worker)
{
	struct conn *list = worker->again;
	worker->again = NULL;
	while (list) {
		struct conn *conn = list;
		list = conn->again;
		conn_resume(conn);
	}
}

static int loop(struct worker *worker)
{
	while (!is_finished(worker)) {
		int wait = worker->again ? 0 : timer_wheel_wait(&worker->wheel, worker->now);
		int result = ring_wait(worker->ring, wait);
		if (result < 0) {
			log_line(worker->log, CONF_LOG_ERROR, "io_uring: %s", strerror(-result));
			return 1;
		}
		worker->now = clock_ms(); /* before the handlers: they set timers by it */
		ring_deliver(worker->ring);
		timer_wheel_turn(&worker->wheel, worker->now);
		run_again(worker);
	}
	return 0;
}

static int worker_init(struct worker *worker, const struct worker_options *options)
{
	/* on_trim_timer() gives the heap back, and not before handshakes pause. */
	mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
	mallopt(M_TOP_PAD, HEAP_STEP);
	worker->now = clock_ms();
	timer_wheel_init(&worker->wheel, worker->now);
	worker->bufs.keep_max = BUFS_KEPT;
	worker->pipes.max = PIPES_MAX;
	worker->snapshot = options->snapshot;
	worker->stats = options->stats;
	worker->row = &options->stats->rows[options->row];
	worker->log = options->log;
	worker->failure_limit.burst = FAILURE_LINES;
	worker->accept_timer.expired = on_accept_timer;
	worker->drain_timer.expired = on_drain_timer;
	worker->idle_timer.expired = on_idle_timer;
	worker->trim_timer.expired = on_trim_timer;
	worker->access_timer.expired = on_access_timer;
	worker->verifier_op.done = on_verified;
	worker->channel_op.done = on_channel;
	worker->channel_fd = options->channel_fd;
	access_log_init(
		&worker->access, options->snapshot->conf->log.access_format, options->access_fd);
	worker->signal_op.done = on_signal;
	worker->scratch_in = malloc(SCRATCH_SIZE);
	worker->scratch_out = malloc(SCRATCH_SIZE);
	if (!worker->scratch_in || !worker->scratch_out || backend_pool_init(worker) < 0)
		return -ENOMEM;
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGQUIT);
	worker->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (worker->signal_fd < 0)
		return -errno;
	int result = ring_open(&worker->ring, &worker->bufs, RING_ENTRIES);
	return result < 0 ? result : open_listening(worker, options);
}

static void worker_done(struct worker *worker)
{
	ring_close(worker->ring);
	auth_verifier_free(worker->verifier);
	access_log_done(&worker->access);
	backend_pool_done(worker);
	pipe_pool_done(&worker->pipes);
	buf_pool_done(&worker->bufs);
	free(worker->scratch_in);
	free(worker->scratch_out);
	free(worker->pools);
	free(worker->listening);
	if (worker->signal_fd >= 0)
		close(worker->signal_fd);
}

int worker_run(const struct worker_options *options)
{
	static struct worker worker = {.signal_fd = -1}; /* too large for the stack's comfort */
	int status = 1;
	int result = worker_init(&worker, options);
	if (result < 0) {
		log_line(options->log, CONF_LOG_ERROR, "worker cannot start: %s%s",
			strerror(-result),
			result == -EPERM || result == -ENOSYS ? "; io_uring is forbidden here: see "
								"kernel.io_uring_disabled and the "
								"container's seccomp profile"
			: result == -EINVAL                   ? "; io_uring needs Linux 6.1"
							      : "");
	} else {
		ring_poll(worker.ring, &worker.signal_op, worker.signal_fd, POLLIN);
		ring_poll(worker.ring, &worker.channel_op, worker.channel_fd, POLLIN);
		accept_start(&worker);
		tell_accepting(&worker);
		bool told = write(options->ready_fd, "", 1) == 1;
		close(options->ready_fd); /* so that the supervisor notices when all have died */
		if (told)
			status = loop(&worker);
	}
	worker_done(&worker);
	return status;
}
