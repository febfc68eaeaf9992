/* What the statuses of servers are made from. Private to show.c and its show_*.c. */
#ifndef FERRULE_PROXY_SHOW_VIEW_H
#define FERRULE_PROXY_SHOW_VIEW_H

#include "proxy/server.h"
#include "proxy/stats.h"

#include <stdint.h>
#include <stdio.h>

/* A server as the statuses see it. */
struct show_view {
	const struct server *server;
	uint16_t http_port, secure_port; /* as bound: 0 has become a number */
	struct stats_server sum;         /* of all workers */
};

/* Each writes one server, as a JSON object or as text. */
typedef void show_writer(FILE *out, const struct show_view *view);

/* show_server.c: `server status` and `server secure status`. */
show_writer show_server_json, show_server_text;
show_writer show_secure_json, show_secure_text;

/* show_suites.c: `ciphersuites`. */
show_writer show_suites_json, show_suites_text;
/* What the server offers, for the caller to free; NULL and 0 without a secure side. */
struct ktls_suite *show_suites_of(const struct server *server, size_t *count);

#endif
