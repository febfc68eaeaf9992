/*
 * What `ferrule debug` has a connection write to the log, in the words of `debug
 * ip http secure-…`. All of them do nothing for connections that began without.
 */
#ifndef FERRULE_PROXY_CONN_DEBUG_H
#define FERRULE_PROXY_CONN_DEBUG_H

#include "ktls/ktls.h"

struct conn;

/* Looks at the switches, once, and has libssl tell its states. */
void conn_debug_start(struct conn *conn);
/* The handshake is complete. */
void conn_debug_established(const struct conn *conn);

/* Calls into ktls, and what came of them: of a step, the bytes it took and made. */
void conn_debug_handshake(
	const struct conn *conn, enum ktls_status status, size_t taken, size_t made);
void conn_debug_wanted(const struct conn *conn, bool is_wanted);
void conn_debug_offload(const struct conn *conn, enum ktls_status status);
void conn_debug_call(const struct conn *conn, const char *call, enum ktls_status status);
/* An alert that is not ktls's own. */
void conn_debug_alert(const struct conn *conn, unsigned description);
/* The session has failed; it knows why. */
void conn_debug_failed(const struct conn *conn);

#endif
