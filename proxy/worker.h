/*
 * A worker process: one loop, one ring, many connections; shares nothing with
 * the other workers but listening sockets, counters and ticket keys.
 */
#ifndef FERRULE_PROXY_WORKER_H
#define FERRULE_PROXY_WORKER_H

#include "proxy/buf.h"
#include "proxy/log.h"
#include "proxy/pipe_pool.h"
#include "proxy/ring.h"
#include "proxy/stats.h"
#include "proxy/timer.h"

struct conn;
struct snapshot;

/* Room for four full records, in and out, and a partial one before them. */
#define SCRATCH_SIZE (5 * (16 * 1024 + 512))

struct worker {
	struct ring *ring;
	struct timer_wheel wheel;
	struct buf_pool bufs;
	struct pipe_pool pipes;
	int64_t now; /* ms, CLOCK_MONOTONIC, as of this turn */
	struct conn *conns;
	unsigned conn_count;
	bool opened; /* a connection, since the trim timer was set */
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
	struct ring_op signal_op;
	int signal_fd;
};

/* What a worker is started with; all borrowed from the supervisor's memory. */
struct worker_options {
	const struct snapshot *snapshot;
	struct stats *stats;
	unsigned row;          /* of the stats, this worker's */
	unsigned index, count; /* which of how many */
	const struct log *log;
	int ready_fd; /* one byte is written when the worker accepts; then closed */
};

/*
 * Runs until drained; the process exits with what it returns. Privileges have
 * been dropped and signals blocked by the caller.
 */
int worker_run(const struct worker_options *options);

/* A connection has come: the heap is looked after when no more do. */
void worker_conn_opened(struct worker *worker);
/* A connection has gone: accepting may resume, a drained worker may end. */
void worker_conn_gone(struct worker *worker);

#endif
