/*
 * The access log: a line for each request, in one of two formats, and a buffer in
 * front of the file, so that a busy worker writes whole lines by the dozen.
 *
 * combined: the "combined" format of Apache and nginx, and behind it, always all of
 * them and in this order, pairs that tools for that format pass over:
 *
 *   PEER - USER [02/Jan/2026:15:04:05 +0100] "GET /x?y HTTP/1.1" 200 1234 "REFERER"
 *   "USER-AGENT" server=NAME listener=ADDRESS:PORT host="HOST" tls=TLSv1.3
 *   cipher=SUITE resumed=no sni="NAME" client="SUBJECT" tx=kernel rx=aead
 *   upstream=ADDRESS:PORT duration=0.001234
 *
 * (on one line, duration in seconds). What is missing is "-"; a request that could
 * not be read is "-" as a whole. Bytes other than visible ASCII, and '"' and '\', are
 * written \xHH as nginx does; so is a space where there are no quotes around it.
 *
 * json: one object (RFC 8259) with always the same members:
 *
 *   time (RFC 3339, UTC), peer, user, method, target, protocol, status, bytes,
 *   referer, user_agent, server, listener, host, tls_version, cipher, resumed,
 *   server_name, client_subject, offload_tx, offload_rx, upstream, duration
 *
 * status, bytes and duration are numbers, resumed is a boolean, the rest are
 * strings; what is missing is null. Control characters are written \u00HH, and what
 * is not UTF-8 as U+FFFD.
 *
 * No value is longer than its limit, as it is written: beyond that it ends in "...",
 * never within an escape or a character. Passwords and Authorization are not in
 * either; query strings are as they came.
 */
#ifndef FERRULE_PROXY_ACCESS_LOG_H
#define FERRULE_PROXY_ACCESS_LOG_H

#include "config/conf.h"
#include "proxy/http_span.h"

#include <sys/socket.h>
#include <time.h>

/* No line is longer. */
#define ACCESS_LINE_MAX 12288

/* All borrowed; NULL, or a span without data: there is no such thing. */
struct access_entry {
	time_t time; /* of the request's end, or whenever it is written */
	uint64_t duration_us;
	const struct sockaddr *peer;
	const char *user; /* who has been let in by a password */
	const char *server, *listener;
	struct http_span method, target, host, referer, user_agent;
	unsigned minor_version;
	unsigned status;     /* 499: the client did not wait; 0: nothing was answered */
	uint64_t bytes_sent; /* of the body */
	const char *upstream;
	const char *tls_version; /* NULL: plain HTTP, and none of the following */
	const char *cipher, *server_name, *client_subject, *offload_tx, *offload_rx;
	bool resumed;
};

/* Writes one line with its newline and returns its length; 0 when it does not fit. */
size_t access_log_format(
	enum conf_access_format format, const struct access_entry *entry, char *out, size_t size);

#define ACCESS_LOG_BUFFER 32768

/* One per worker. */
struct access_log {
	enum conf_access_format format;
	int fd;           /* owned, opened with O_APPEND; -1: nothing is logged */
	size_t len;       /* bytes that wait */
	uint64_t dropped; /* lines that could not be written, ever */
	bool is_torn;     /* the file ends in the middle of a line */
	char buffer[ACCESS_LOG_BUFFER];
};

void access_log_init(struct access_log *log, enum conf_access_format format, int fd);
/* Writes what waits and closes. */
void access_log_done(struct access_log *log);

/*
 * Adds a line, and writes what waits when there is no room for it. True when it is
 * now the only one that waits: the caller sees to it that access_log_flush() is
 * called within a second.
 */
bool access_log_add(struct access_log *log, const struct access_entry *entry);

/* One write() of whole lines. What the file does not take is dropped and counted. */
void access_log_flush(struct access_log *log);

/* The file has been moved away: writes what waits to the old one and goes on in `fd`. */
void access_log_reopen(struct access_log *log, int fd);

#endif
