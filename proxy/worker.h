/*
 * A worker process: one loop, one ring, many connections; shares nothing with
 * the other workers but listening sockets, counters and ticket keys.
 */
#ifndef FERRULE_PROXY_WORKER_H
#define FERRULE_PROXY_WORKER_H

#include "proxy/access_log.h"
#include "proxy/backend.h"
#include "proxy/buf.h"
#include "proxy/http_span.h"
#include "proxy/log.h"
#include "proxy/pipe_pool.h"
#include "proxy/ring.h"
#include "proxy/stats.h"
#include "proxy/timer.h"

struct auth_verifier;
struct conn;
struct snapshot;

/* Room for four full records, in and out, and a partial one before them. */
#define SCRATCH_SIZE (5 * (16 * 1024 + 512))

struct worker {
	struct ring *ring;
	struct timer_wheel wheel;
	struct buf_pool bufs;
	struct pipe_pool pipes;
	struct backend_conn *backends; /* all there are */
	struct backend_pool *pools;    /* one for each of the snapshot's backends */
	struct timer pool_timer;       /* idle ones: looks whether another worker needs the room */
	int64_t now;                   /* ms, CLOCK_MONOTONIC, as of this turn */
	struct conn *conns;
	unsigned conn_count, excess_count; /* excess: beyond max_connections */
	bool opened;                       /* a connection, since the trim timer was set */
	struct timer trim_timer;
	struct conn *again; /* to be updated in the next turn */
	uint8_t *scratch_in, *scratch_out;
	const struct snapshot *snapshot;
	struct stats *stats;
	struct stats_row *row;
	const struct log *log;
	struct log_limit failure_limit;
	struct listening *listening; /* one for each socket accepted on */
	size_t listening_count;
	bool draining;      /* accepts no more */
	bool stopping;      /* and ends what can be ended */
	bool accept_paused; /* out of descriptors or memory */
	struct timer accept_timer;
	struct timer drain_timer;
	struct timer idle_timer; /* stopping: looks for what has become idle */
	struct ring_op signal_op;
	int signal_fd;
	struct ring_op channel_op;
	int channel_fd; /* owned: news from the supervisor */
	struct access_log access;
	struct timer access_timer;
	struct auth_verifier *verifier; /* owned; NULL until it is needed */
	struct ring_op verifier_op;
	int64_t date_second; /* that `date` is of, by `now` */
	time_t date_time;
	char date[32];
};

/* What a worker is started with; all borrowed from the supervisor's memory. */
struct worker_options {
	const struct snapshot *snapshot;
	struct stats *stats;
	unsigned row;          /* of the stats, this worker's */
	unsigned index, count; /* which of how many */
	const struct log *log;
	int access_fd;  /* of the access log; -1: none. The worker's from then on */
	int channel_fd; /* news from the supervisor; likewise */
	int ready_fd;   /* one byte is written when the worker accepts; then closed */
};

/*
 * Runs until drained; the process exits with what it returns. Privileges have
 * been dropped and signals blocked by the caller.
 */
int worker_run(const struct worker_options *options);

/* The time of day, once a second, and as the value of Date (RFC 9110 5.6.7). */
time_t worker_time(struct worker *worker);
struct http_span worker_date(struct worker *worker);
/* Of a clock that only goes forward, and not of the turn: for durations. */
int64_t worker_precise_us(void);
/* Lines wait in the access log: they are written within a second. */
void worker_flush_access(struct worker *worker);
/* Checks passwords beside the loop; NULL when it cannot be started. */
struct auth_verifier *worker_verifier(struct worker *worker);

/* A connection has come: the heap is looked after when no more do. */
void worker_conn_opened(struct worker *worker);
/* A connection has gone: accepting may resume, a drained worker may end. */
void worker_conn_gone(struct worker *worker);

#endif
