/*
 * Counters in memory shared by the supervisor and its workers. A worker writes
 * its own row and nothing else; whoever reads adds the rows up. The supervisor
 * writes what is not a row: ticket keys and the switches of `ferrule debug`.
 */
#ifndef FERRULE_PROXY_STATS_H
#define FERRULE_PROXY_STATS_H

#include "ktls/ktls.h"

#include <stdint.h>

#define STATS_SERVERS 64 /* servers by name, over the life of the supervisor */
#define STATS_ROWS    256

struct stats_server {
	uint64_t open;                       /* connections now */
	uint64_t backend_busy, backend_idle; /* to backends now: in use, and in a pool */
	uint64_t accepted, refused, handshake_failed;
	uint64_t offload_both, offload_tx, offload_none;
	uint64_t requests;            /* HTTP */
	uint64_t requests_refused;    /* of them: 503, come again later */
	uint64_t bytes_in, bytes_out; /* plaintext from and to clients */
};

struct stats_row {
	uint64_t accepting; /* 1: the worker may still accept a connection */
	struct stats_server servers[STATS_SERVERS];
};

struct stats {
	struct ktls_tickets tickets;
	struct stats_row retired; /* what ended workers had counted */
	unsigned debug;           /* debug.h; written by the supervisor */
	unsigned rows_used;       /* rows at and beyond this one have never been used */
	struct stats_row rows[STATS_ROWS];
};

/* The sum over all workers, past ones included. */
void stats_sum(const struct stats *stats, unsigned server, struct stats_server *sum);
/* Open connections of a server in all workers: what max_connections limits. */
uint64_t stats_open(const struct stats *stats, unsigned server);
/* The same to its backends, in use and in all: what backend_max_connections limits. */
uint64_t stats_backends_busy(const struct stats *stats, unsigned server);
uint64_t stats_backends(const struct stats *stats, unsigned server);
/* Adds an ended worker's counters to the retired ones and clears its row. */
void stats_retire(struct stats *stats, unsigned row);

#endif
