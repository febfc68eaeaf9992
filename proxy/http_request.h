/* http_request: one HTTP/1.x request head, read strictly and without allocating. */
#ifndef FERRULE_PROXY_HTTP_REQUEST_H
#define FERRULE_PROXY_HTTP_REQUEST_H

#include "proxy/http_head.h"

/* The forms of RFC 9112 3.2; authority-form belongs to CONNECT, which gets 501. */
enum http_target { HTTP_TARGET_ORIGIN, HTTP_TARGET_ABSOLUTE, HTTP_TARGET_ASTERISK };

struct http_request {
	/* After HTTP_PARSE_DONE. Spans point into the buffer of that last call. */
	size_t head_len; /* bytes to consume: up to and with the empty line */
	struct http_span method;
	struct http_span target; /* as it was sent */
	enum http_target form;
	struct http_span path;  /* of the target: begins with '/', or is "*"; not decoded */
	struct http_span query; /* behind the '?' */
	struct http_span host;  /* with its port; the target's own one wins (RFC 9112 3.2.2) */
	struct http_span range, if_range;
	struct http_span if_match, if_none_match;
	struct http_span if_modified_since, if_unmodified_since;
	struct http_span authorization, referer, user_agent;
	/*
	 * The protocols asked for, when Connection says so, too. NULL as well for HTTP/1.0
	 * (RFC 9110 7.8), for several lines, and when one of them is another HTTP: with
	 * h2c, requests would pass unseen.
	 */
	struct http_span upgrade;
	struct http_span fields; /* all header lines, for http_field_next() */
	unsigned minor_version;  /* 0 or 1 */
	bool keep_alive;         /* the client wants to go on after this one */
	bool chunked;
	bool expects_continue; /* Expect: 100-continue, and not HTTP/1.0 (RFC 9110 10.1.1) */
	bool has_options;      /* Connection names other things than close, keep-alive, upgrade */
	bool has_host;         /* a Host line, whatever the target says */
	bool has_content_length;
	uint64_t content_length; /* 0 when absent; never beyond INT64_MAX */

	/* After HTTP_PARSE_BAD. */
	int status;         /* 400, 414, 431, 501 or 505 */
	const char *reason; /* static text for the log, with the section it rests on */

	/* The parser's own. */
	struct http_span authority; /* of an absolute-form target */
	struct http_lines lines;
};

/* Before the first call for each request. */
void http_request_init(struct http_request *request);

/*
 * `data` holds everything from the first byte of the request on, `len` of it so
 * far; bytes beyond the head are left alone. After HTTP_PARSE_MORE the caller
 * calls again with a larger len; the buffer may have moved meanwhile. Bytes are
 * searched once and the head is taken apart once, however many calls it takes.
 */
enum http_parse http_request_parse(struct http_request *request, const struct http_limits *limits,
	const char *data, size_t len);

/* Does the request announce content? (Content-Length: 0 does not.) */
bool http_request_has_body(const struct http_request *request);

/* GET, HEAD, OPTIONS, TRACE, PUT, DELETE (RFC 9110 9.2.2): may be sent twice. */
bool http_request_is_idempotent(const struct http_request *request);

#endif
