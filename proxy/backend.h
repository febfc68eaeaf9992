/*
 * A connection to a backend. It serves one client's connection at a time; between
 * two of them it waits in its worker's pool, with a receive armed, so that the
 * backend's end is heard at once.
 */
#ifndef FERRULE_PROXY_BACKEND_H
#define FERRULE_PROXY_BACKEND_H

#include "proxy/endpoint.h"
#include "proxy/timer.h"

#include <netinet/in.h>
#include <sys/un.h>

#define BACKEND_ADDRESSES 8

struct conn;
struct server;

/* Where plaintext goes: the addresses of one name, tried in order. */
struct backend {
	struct {
		union {
			struct sockaddr any;
			struct sockaddr_in v4;
			struct sockaddr_in6 v6;
			struct sockaddr_un un;
		};
		socklen_t len;
	} addresses[BACKEND_ADDRESSES];
	unsigned count;
	unsigned slot;     /* which of the snapshot's backends: its pool in a worker */
	unsigned idle_max; /* connections without work that a worker keeps */
	const char *text;  /* borrowed from the configuration, for logs */
};

struct backend_conn {
	struct endpoint endpoint;
	struct worker *worker;             /* borrowed */
	const struct backend *backend;     /* borrowed; lives as long as the worker */
	struct conn *conn;                 /* whom it serves; NULL: in the pool, or closing */
	struct stats_server *stats;        /* of the worker and the server: where it is counted */
	struct backend_conn *next, **link; /* the worker's list of all */
	struct backend_conn *idle_next, **idle_link; /* its pool's; idle_link is NULL outside */
	struct ring_op connecting;
	struct timer timer; /* how long it may be idle */
	unsigned index;     /* of the next address to try */
	int error;          /* why it takes no more, or was not reached */
	bool is_reused;     /* it has served before: its backend may just have closed it */
	bool is_asked;      /* something has been sent since it was taken */
	bool is_bulk;       /* the last one's bytes came in bulk */
};

/* A worker's idle connections to one backend, the most recently used one first. */
struct backend_pool {
	struct backend_conn *idle;
	unsigned count;
};

/* The worker's pools, one for each backend of its snapshot. 0 or -ENOMEM. */
int backend_pool_init(struct worker *worker);
/*
 * All connections that backend_max_connections allows the server are in use, by this
 * worker or by others: no further one may be taken or made.
 */
bool backend_is_used_up(const struct worker *worker, const struct server *server);
/*
 * Takes one to `backend` out of the pool for `conn`, connected. NULL: there is none.
 */
struct backend_conn *backend_take(struct conn *conn, const struct backend *backend);
/*
 * Starts a new one, for which an idle one goes when there are as many as there may be.
 * conn->service->connected() is told the outcome, but never from within this call. NULL
 * with errno when nothing could be started.
 */
struct backend_conn *backend_connect(struct conn *conn, const struct backend *backend);
/*
 * conn->back has done its work: it goes into the pool when `reusable` and there is
 * room, else it is closed. conn->back is NULL afterwards.
 */
void backend_release(struct conn *conn, bool reusable);
/* Closes it, with a reset unless our stream to it has ended in order: it is not complete. */
void backend_abort(struct conn *conn);
/* Closes what is idle, for a worker that ends. */
void backend_pool_drain(struct worker *worker);
/* The ring is gone: frees whatever is left. */
void backend_pool_done(struct worker *worker);

#endif
