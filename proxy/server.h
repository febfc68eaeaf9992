/*
 * A server as the workers use it: its part of the configuration, with everything
 * that was looked up, loaded or opened for it. Immutable once built.
 */
#ifndef FERRULE_PROXY_SERVER_H
#define FERRULE_PROXY_SERVER_H

#include "config/conf.h"
#include "ktls/ktls.h"
#include "pki/pki.h"
#include "proxy/basic_auth.h"
#include "proxy/conn.h"
#include "proxy/http_head.h"
#include "proxy/messages.h"
#include "proxy/static_file.h"

struct server {
	const struct conf_server *conf; /* borrowed from the snapshot's configuration */
	const struct service *service;
	struct pki_identity **identities; /* owned, a reference each */
	size_t identity_count;
	struct pki_anchors *client_anchors; /* owned; NULL: clients do not authenticate */
	struct ktls_server *tls;            /* owned; NULL without a secure server */
	/*
	 * Names that clients ask for lead to backends: backends[name_backends[i]] for the
	 * name that ktls knows as i. The first is the server's own, for any other name.
	 */
	struct backend *backends;
	unsigned *name_backends;
	size_t backend_count, name_count;
	struct file_root files;  /* closed with the server */
	struct basic_auth *auth; /* owned; NULL: none is asked for */
	struct http_limits http_limits;
	char *added, *added_secure; /* owned: header lines set in every response */
	unsigned slot;              /* in struct stats: the same name, the same slot */
};

/* What building a server needs; all borrowed. */
struct server_context {
	const struct conf *conf;
	const struct ktls_capabilities *capabilities;
	struct ktls_tickets *tickets; /* NULL: none */
	bool check;                   /* write nothing */
	struct messages *messages;
};

/*
 * Everything but sockets, from `conf`; files.fd is -1 and all else zero before. False
 * with messages; server_done() is due in any case.
 */
bool server_build(struct server *server, const struct server_context *context);
void server_done(struct server *server);

/* Have files changed under it, or has an identity expired? */
bool server_is_stale(const struct server *server);

/* Where the name leads that ktls knows by this index. */
const struct backend *server_backend(const struct server *server, int name_index);

/* The header lines that are set in every response. */
struct http_span server_added(const struct server *server, bool is_secure);

#endif
