#include "proxy/stats.h"

#include <stddef.h>
#include <string.h>

static uint64_t read_counter(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* What is open now: of the workers that are there, not of past ones. */
static uint64_t sum_of(const struct stats *stats, unsigned server, size_t offset)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < stats->rows_used; i++) {
		const void *row = &stats->rows[i].servers[server];
		const void *counter = (const char *)row + offset;
		sum += read_counter(counter);
	}
	return sum;
}

static void add(struct stats_server *sum, const struct stats_server *row)
{
	sum->accepted += read_counter(&row->accepted);
	sum->refused += read_counter(&row->refused);
	sum->handshake_failed += read_counter(&row->handshake_failed);
	sum->offload_both += read_counter(&row->offload_both);
	sum->offload_tx += read_counter(&row->offload_tx);
	sum->offload_none += read_counter(&row->offload_none);
	sum->requests += read_counter(&row->requests);
	sum->requests_refused += read_counter(&row->requests_refused);
	sum->bytes_in += read_counter(&row->bytes_in);
	sum->bytes_out += read_counter(&row->bytes_out);
}

void stats_sum(const struct stats *stats, unsigned server, struct stats_server *sum)
{
	*sum = stats->retired.servers[server];
	for (unsigned i = 0; i < stats->rows_used; i++)
		add(sum, &stats->rows[i].servers[server]);
	sum->open = stats_open(stats, server);
	sum->backend_busy = stats_backends_busy(stats, server);
	sum->backend_idle = sum_of(stats, server, offsetof(struct stats_server, backend_idle));
}

uint64_t stats_open(const struct stats *stats, unsigned server)
{
	return sum_of(stats, server, offsetof(struct stats_server, open));
}

uint64_t stats_backends_busy(const struct stats *stats, unsigned server)
{
	return sum_of(stats, server, offsetof(struct stats_server, backend_busy));
}

uint64_t stats_backends(const struct stats *stats, unsigned server)
{
	return stats_backends_busy(stats, server) +
	       sum_of(stats, server, offsetof(struct stats_server, backend_idle));
}

void stats_retire(struct stats *stats, unsigned row)
{
	for (unsigned i = 0; i < STATS_SERVERS; i++)
		add(&stats->retired.servers[i], &stats->rows[row].servers[i]);
	memset(&stats->rows[row], 0, sizeof stats->rows[row]);
}
