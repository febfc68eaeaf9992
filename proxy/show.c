#include "proxy/show.h"

#include "proxy/json.h"
#include "proxy/show_view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- kernel -------------------------------------------------------------------------- */

/* What stands in the way of offloading anything, or NULL. */
static const char *obstacle(const struct ktls_capabilities *capabilities)
{
	if (capabilities->ulp == ENOENT)
		return "this kernel has no TLS (CONFIG_TLS, module tls)";
	return capabilities->ulp ? strerror(capabilities->ulp) : NULL;
}

static void kernel_head(FILE *out, bool json, const struct ktls_capabilities *capabilities)
{
	const char *why_not = obstacle(capabilities);
	if (json)
		fprintf(out, "\"kernel_tls\":%s,", why_not ? "false" : "true");
	else
		fprintf(out, "Kernel TLS: %s%s\n", why_not ? "no: " : "yes",
			why_not ? why_not : "");
}

static void suites_head(FILE *out, bool json, const struct ktls_capabilities *capabilities)
{
	kernel_head(out, json, capabilities);
	fputs(json ? "" : "\n", out);
}

static void no_head(FILE *out, bool json, const struct ktls_capabilities *capabilities)
{
	(void)out;
	(void)json;
	(void)capabilities;
}

/* ---- offload --------------------------------------------------------------------------- */

static void offload_head(FILE *out, bool json, const struct ktls_capabilities *capabilities)
{
	kernel_head(out, json, capabilities);
	if (!json)
		fprintf(out, "%-16s %-8s %10s %10s %10s\n", "Server", "Policy", "Both", "Tx only",
			"User space");
}

static void offload_json(FILE *out, const struct show_view *view)
{
	const struct stats_server *sum = &view->sum;
	fputs("{\"name\":", out);
	json_string(out, view->server->conf->name);
	fprintf(out,
		",\"policy\":\"%s\",\"connections\":{\"open\":%" PRIu64 ",\"accepted\":%" PRIu64
		",\"refused\":%" PRIu64 ",\"handshakes_failed\":%" PRIu64
		"},\"offload\":{\"both\":%" PRIu64 ",\"tx\":%" PRIu64 ",\"none\":%" PRIu64
		"},\"bytes\":{\"in\":%" PRIu64 ",\"out\":%" PRIu64 "}}",
		conf_offload_name(view->server->conf->offload), sum->open, sum->accepted,
		sum->refused, sum->handshake_failed, sum->offload_both, sum->offload_tx,
		sum->offload_none, sum->bytes_in, sum->bytes_out);
}

static void offload_text(FILE *out, const struct show_view *view)
{
	const struct conf_server *conf = view->server->conf;
	fprintf(out, "%-16s %-8s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", conf->name,
		conf_offload_name(conf->offload), view->sum.offload_both, view->sum.offload_tx,
		view->sum.offload_none);
}

/* ---- sessions -------------------------------------------------------------------------- */

static void sessions_head(FILE *out, bool json, const struct ktls_capabilities *capabilities)
{
	(void)capabilities;
	if (!json)
		fprintf(out, "%-16s %10s %10s %10s %10s %10s\n", "Server", "Open", "Maximum",
			"Accepted", "Refused", "Failed");
}

static void sessions_json(FILE *out, const struct show_view *view)
{
	const struct stats_server *sum = &view->sum;
	fputs("{\"name\":", out);
	json_string(out, view->server->conf->name);
	fprintf(out,
		",\"open\":%" PRIu64 ",\"max_connections\":%u,\"accepted\":%" PRIu64
		",\"refused\":%" PRIu64 ",\"handshakes_failed\":%" PRIu64 "}",
		sum->open, view->server->conf->max_connections, sum->accepted, sum->refused,
		sum->handshake_failed);
}

static void sessions_text(FILE *out, const struct show_view *view)
{
	const struct conf_server *conf = view->server->conf;
	const struct stats_server *sum = &view->sum;
	fprintf(out, "%-16s %10" PRIu64 " %10u %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n",
		conf->name, sum->open, conf->max_connections, sum->accepted, sum->refused,
		sum->handshake_failed);
}

/* ---- the statuses ------------------------------------------------------------------------ */

/* What each status prints: before the servers, and for each of them. */
static const struct status {
	const char *what, *summary;
	void (*head)(FILE *out, bool json, const struct ktls_capabilities *capabilities);
	show_writer *json, *text;
	const char *between; /* the texts of two servers */
} statuses[] = {
	{"server status", "settings and figures of the HTTP and HTTPS sides of each server",
		no_head, show_server_json, show_server_text, "\n"},
	{"server secure status", "the same of the HTTPS side alone", no_head, show_secure_json,
		show_secure_text, "\n"},
	{"ciphersuites", "what each server offers, and what of it this kernel can protect",
		suites_head, show_suites_json, show_suites_text, "\n"},
	{"offload", "connections by who protects their records: kernel or user space", offload_head,
		offload_json, offload_text, ""},
	{"sessions", "connections open, accepted, refused and failed", sessions_head, sessions_json,
		sessions_text, ""},
};

#define STATUSES (sizeof statuses / sizeof statuses[0])

static const struct status *find(const char *what)
{
	for (size_t i = 0; i < STATUSES; i++)
		if (strcmp(what, statuses[i].what) == 0)
			return &statuses[i];
	return NULL;
}

bool show_exists(const char *what)
{
	return find(what) != NULL;
}

char *show_list(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	for (size_t i = 0; i < STATUSES; i++)
		fprintf(out, "  %-20s  %s\n", statuses[i].what, statuses[i].summary);
	fputs("Keys and certificates, without a running instance: ferrule show pki --help.\n", out);
	return fclose(out) == 0 ? text : NULL;
}

/* The port of one side of a server: what is bound, else what the file says. */
static uint16_t bound_port(const struct snapshot *snapshot, const struct server *server,
	bool is_secure, uint16_t configured)
{
	for (size_t i = 0; i < snapshot->listener_count; i++) {
		const struct snapshot_listener *listener = &snapshot->listeners[i];
		if (listener->server == server && listener->is_secure == is_secure)
			return listener->port;
	}
	return configured;
}

static void show_servers(FILE *out, bool json, const struct status *status,
	const struct snapshot *snapshot, const struct stats *stats)
{
	for (size_t i = 0; i < snapshot->server_count; i++) {
		const struct server *server = &snapshot->servers[i];
		struct show_view view = {
			.server = server,
			.http_port = bound_port(snapshot, server, false, server->conf->http_port),
			.secure_port =
				bound_port(snapshot, server, true, server->conf->secure_port),
		};
		stats_sum(stats, server->slot, &view.sum);
		if (i)
			fputs(json ? "," : status->between, out);
		(json ? status->json : status->text)(out, &view);
	}
}

char *show_status(const char *what, bool json, const struct snapshot *snapshot,
	const struct stats *stats, const struct ktls_capabilities *capabilities)
{
	const struct status *status = find(what);
	char *text = NULL;
	size_t size = 0;
	FILE *out = status ? open_memstream(&text, &size) : NULL;
	if (!out)
		return NULL;
	fputs(json ? "{" : "", out);
	status->head(out, json, capabilities);
	fputs(json ? "\"servers\":[" : "", out);
	show_servers(out, json, status, snapshot, stats);
	fputs(json ? "]}\n" : "", out);
	return fclose(out) == 0 ? text : NULL;
}
