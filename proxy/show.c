#include "proxy/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands in the way of offloading anything, or NULL. */
static const char *obstacle(const struct ktls_capabilities *capabilities)
{
	if (capabilities->ulp == ENOENT)
		return "this kernel has no TLS (CONFIG_TLS, module tls)";
	return capabilities->ulp ? strerror(capabilities->ulp) : NULL;
}

static void offload_json(FILE *out, const struct server *server, const struct stats_server *sum)
{
	fprintf(out,
		"{\"name\":\"%s\",\"policy\":\"%s\",\"connections\":{\"open\":%" PRIu64
		",\"accepted\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"handshake_failed\":%" PRIu64
		"},\"offload\":{\"both\":%" PRIu64 ",\"tx\":%" PRIu64 ",\"none\":%" PRIu64
		"},\"bytes\":{\"in\":%" PRIu64 ",\"out\":%" PRIu64 "}}",
		server->conf->name, conf_offload_name(server->conf->offload), sum->open,
		sum->accepted, sum->refused, sum->handshake_failed, sum->offload_both,
		sum->offload_tx, sum->offload_none, sum->bytes_in, sum->bytes_out);
}

static void offload_text(FILE *out, const struct server *server, const struct stats_server *sum)
{
	fprintf(out, "%-16s %-8s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", server->conf->name,
		conf_offload_name(server->conf->offload), sum->offload_both, sum->offload_tx,
		sum->offload_none);
}

static void offload_head(FILE *out, bool json, const struct ktls_capabilities *capabilities)
{
	const char *why_not = obstacle(capabilities);
	if (json)
		fprintf(out, "\"kernel_tls\":%s,", why_not ? "false" : "true");
	else
		fprintf(out, "Kernel TLS: %s%s\n%-16s %-8s %10s %10s %10s\n",
			why_not ? "no: " : "yes", why_not ? why_not : "", "Server", "Policy",
			"Both", "Tx only", "User space");
}

static void sessions_json(FILE *out, const struct server *server, const struct stats_server *sum)
{
	fprintf(out,
		"{\"name\":\"%s\",\"open\":%" PRIu64 ",\"max_connections\":%u,\"accepted\":%" PRIu64
		",\"refused\":%" PRIu64 ",\"handshake_failed\":%" PRIu64 "}",
		server->conf->name, sum->open, server->conf->max_connections, sum->accepted,
		sum->refused, sum->handshake_failed);
}

static void sessions_text(FILE *out, const struct server *server, const struct stats_server *sum)
{
	fprintf(out, "%-16s %10" PRIu64 " %10u %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n",
		server->conf->name, sum->open, server->conf->max_connections, sum->accepted,
		sum->refused, sum->handshake_failed);
}

static void sessions_head(FILE *out, bool json, const struct ktls_capabilities *capabilities)
{
	(void)capabilities;
	if (!json)
		fprintf(out, "%-16s %10s %10s %10s %10s %10s\n", "Server", "Open", "Maximum",
			"Accepted", "Refused", "Failed");
}

/* What each status prints: before the servers, and for each of them. */
static const struct status {
	const char *what;
	void (*head)(FILE *out, bool json, const struct ktls_capabilities *capabilities);
	void (*json)(FILE *out, const struct server *server, const struct stats_server *sum);
	void (*text)(FILE *out, const struct server *server, const struct stats_server *sum);
} statuses[] = {
	{"offload", offload_head, offload_json, offload_text},
	{"sessions", sessions_head, sessions_json, sessions_text},
};

static void show_servers(FILE *out, bool json, const struct status *status,
	const struct snapshot *snapshot, const struct stats *stats)
{
	for (size_t i = 0; i < snapshot->server_count; i++) {
		const struct server *server = &snapshot->servers[i];
		struct stats_server sum;
		stats_sum(stats, server->slot, &sum);
		if (json && i)
			fputc(',', out);
		(json ? status->json : status->text)(out, server, &sum);
	}
}

char *show_status(const char *what, bool json, const struct snapshot *snapshot,
	const struct stats *stats, const struct ktls_capabilities *capabilities)
{
	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
		if (strcmp(what, statuses[i].what) != 0)
			continue;
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);
		if (!out)
			return NULL;
		fputs(json ? "{" : "", out);
		statuses[i].head(out, json, capabilities);
		fputs(json ? "\"servers\":[" : "", out);
		show_servers(out, json, &statuses[i], snapshot, stats);
		fputs(json ? "]}\n" : "", out);
		return fclose(out) == 0 ? text : NULL;
	}
	return NULL;
}
