/* Listening sockets, shared by the snapshots and workers that accept on them. */
#ifndef FERRULE_PROXY_LISTENER_H
#define FERRULE_PROXY_LISTENER_H

#include "proxy/snapshot.h"

/*
 * Binds `count` sockets of one group to a numeric address. Returns NULL with a
 * sentence in `error` (the port is taken, privileged, …).
 */
struct listener *listener_open(const char *server_name, const char *address, uint16_t port,
	bool is_secure, unsigned count, char *error, size_t error_size);
struct listener *listener_ref(struct listener *listener);
void listener_unref(struct listener *listener);
/* Stops listening in every process that holds the sockets. */
void listener_shutdown(const struct listener *listener);

/* True when it was opened for just that; port 0 matches by the server's name. */
bool listener_matches(const struct listener *listener, const char *server_name, const char *address,
	uint16_t port, bool is_secure);

#endif
