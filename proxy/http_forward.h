/*
 * http_forward: the heads as they go on to the other side. Lines keep their order,
 * their case and their bytes; what is left out is what belongs to one connection
 * only (RFC 9110 7.6.1) and what the backend must be able to believe. Host,
 * Content-Length and Transfer-Encoding keep their place and case, but are written as
 * they were understood.
 */
#ifndef FERRULE_PROXY_HTTP_FORWARD_H
#define FERRULE_PROXY_HTTP_FORWARD_H

#include "proxy/http_request.h"
#include "proxy/http_response.h"

#include <sys/socket.h>

/* What the backend is told of a client's certificate; all NULL: none was asked for. */
struct http_client_certificate {
	const char *verify;      /* "SUCCESS", "NONE" or "FAILED:reason" */
	const char *subject;     /* RFC 4514 text; NULL: there was none */
	const char *fingerprint; /* SHA-256, hex; NULL likewise */
};

/* What is added to a request. */
struct http_forward {
	/*
	 * NULL: no X-Forwarded-* and Forwarded, and the client's stay. Of another family
	 * than IP: "unknown" (RFC 7239 6.2).
	 */
	const struct sockaddr *peer;
	bool is_secure; /* the client came by https */
	uint16_t port;  /* to this port of ours */
	bool upgrade;   /* Connection: upgrade and Upgrade go on, if the request has them */
	struct http_client_certificate certificate;
};

/* What is set in a response. */
struct http_respond {
	bool close;             /* the client's connection ends behind this response */
	bool to_minor_0;        /* the client speaks HTTP/1.0: it is told of keep-alive */
	bool upgrade;           /* it is a 101: Connection: upgrade and Upgrade go on */
	struct http_span added; /* whole header lines of ours, with their CRLFs */
	struct http_span date;  /* the value of Date for a response without one */
};

/*
 * Names of headers that only we may set: X-Forwarded-*, Forwarded, X-Real-IP and
 * X-Client-Cert-*, in each spelling that http_field_passes_for() knows.
 */
bool http_is_protected(struct http_span name);

/*
 * Writes the head for the backend: request line with the target in origin form,
 * HTTP/1.0 for a client that speaks that, else HTTP/1.1; exactly one Host, none for an
 * HTTP/1.0 request that names no host. Left out: Connection and what it names,
 * Keep-Alive, Proxy-Connection, TE, Upgrade (unless `upgrade`), HTTP2-Settings, Proxy
 * (httpoxy), and protected names (those of X-Forwarded-*, Forwarded and X-Real-IP stay
 * when peer is NULL). Expect goes on. Returns its length; 0 when it does not fit.
 */
size_t http_forward_request(const struct http_request *request, const struct http_forward *forward,
	char *out, size_t size);

/*
 * Writes the head for the client, as HTTP/1.1. Left out: Connection and what it
 * names, Keep-Alive, Proxy-Connection, Upgrade (unless `upgrade`), and lines named as
 * one of `added`; in a 204 and a 1xx Content-Length and Transfer-Encoding, too. A 1xx
 * gets neither Date nor, but for an upgrade, Connection. Returns its length; 0 when it
 * does not fit. Chunks for a client that speaks HTTP/1.0 are the caller's to refuse.
 */
size_t http_forward_response(const struct http_response *response,
	const struct http_respond *respond, char *out, size_t size);

#endif
