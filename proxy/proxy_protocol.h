/*
 * The PROXY protocol, version 2: tells a backend in front of the first byte who
 * the client is and how it came (HAProxy's proxy-protocol.txt, section 2.2).
 */
#ifndef FERRULE_PROXY_PROXY_PROTOCOL_H
#define FERRULE_PROXY_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* No header is longer. */
#define PROXY_PROTOCOL_MAX 768

/* How the client came; strings may be NULL or "" when there is no such thing. */
struct proxy_protocol_tls {
	const char *version;     /* "TLSv1.3" */
	const char *cipher;      /* OpenSSL's name */
	const char *server_name; /* from SNI */
	const char *common_name; /* of the client's certificate, UTF-8 */
	bool has_certificate;    /* the session has one of the client's */
	bool verified;           /* and it was found good */
	bool resumed; /* it came with the session's first connection, not with this one */
};

/*
 * Writes the header and returns its length, at most PROXY_PROTOCOL_MAX; 0 when it
 * does not fit. `peer` is the client, `local` what it connected to, `tls` NULL for
 * a plain connection. Addresses are sent as TCP over IPv4 when both are that (be
 * it in IPv6's clothes), else as TCP over IPv6; without two IP addresses the
 * command is LOCAL, which says that the connection is the proxy's own.
 *
 * A value longer than its limit (255 bytes; 64 for version and cipher) is left out
 * and not cut: half a name is another name.
 */
size_t proxy_protocol_v2(const struct sockaddr *peer, const struct sockaddr *local,
	const struct proxy_protocol_tls *tls, uint8_t *out, size_t size);

#endif
