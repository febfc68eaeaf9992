/*
 * A configuration brought to life: identities loaded, TLS policies built,
 * backends looked up, sockets bound. Immutable once built and shared with the
 * workers across fork(); a reload builds the next one beside it and inherits the
 * sockets, so that no connection waiting in one of them is lost.
 */
#ifndef FERRULE_PROXY_SNAPSHOT_H
#define FERRULE_PROXY_SNAPSHOT_H

#include "proxy/address.h"
#include "proxy/server.h"

/* One address of one server: a group of sockets that the workers divide (SO_REUSEPORT). */
struct listener {
	unsigned references;
	union conn_address address; /* as configured: the port may be 0 */
	char text[ADDRESS_TEXT];    /* as bound */
	uint16_t port;              /* likewise */
	bool is_secure;
	char *server_name;
	int *fds; /* owned */
	unsigned count;
};

struct snapshot_listener {
	struct listener *listener; /* one reference */
	const struct server *server;
	bool is_secure;
	uint16_t port;
	uint16_t secure_port; /* of the same server; what its plain side redirects to */
};

struct snapshot {
	struct conf *conf; /* owned */
	struct server *servers;
	size_t server_count;
	struct snapshot_listener *listeners;
	size_t listener_count;
	unsigned backend_count; /* of all servers */
	unsigned workers;       /* how many processes: at least 1 */
};

/* What a snapshot needs from whoever runs it. */
struct snapshot_context {
	const struct ktls_capabilities *capabilities;
	struct ktls_tickets *tickets;    /* NULL: only a check */
	const struct snapshot *previous; /* whose sockets are taken over; may be NULL */
	/* The slot in the counters for a server's name, or -1 when there is none left. */
	int (*slot)(void *arg, const char *name);
	void *slot_arg;
	bool check; /* build what can be without writing or binding */
};

/*
 * Takes `conf` over in any case. NULL with messages->errors when something failed;
 * messages->warnings may be set in both cases. The caller frees both.
 */
struct snapshot *snapshot_new(
	struct conf *conf, const struct snapshot_context *context, struct messages *messages);
void snapshot_free(struct snapshot *snapshot);

/* How many sockets each address of a configuration gets. */
unsigned snapshot_sockets(const struct conf *conf);

/* Have files changed under an identity, or has it expired? */
bool snapshot_is_stale(const struct snapshot *snapshot);

#endif
