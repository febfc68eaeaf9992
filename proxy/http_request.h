/*
 * http_request: one HTTP/1.x request head, read strictly and without allocating.
 *
 * Whatever a second parser behind us could understand differently is refused,
 * even where RFC 9112 would let a server be lenient: that difference is what
 * request smuggling lives on.
 */
#ifndef FERRULE_HTTP_REQUEST_H
#define FERRULE_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX         16384 /* the whole head, with the empty line: else 431 */
#define HTTP_REQUEST_LINE_MAX 8192  /* without its CRLF: else 414 */
#define HTTP_FIELDS_MAX       100   /* header lines: else 431 */

/* Bytes in somebody else's buffer; data is NULL when there is no such thing. */
struct http_span {
	const char *data;
	size_t len;
};

enum http_parse {
	HTTP_PARSE_MORE, /* the head is not complete: call again with more bytes */
	HTTP_PARSE_DONE, /* all of it is there and sound */
	HTTP_PARSE_BAD,  /* answer with `status`, then close: the framing is lost */
};

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
	unsigned minor_version; /* 0 or 1 */
	bool keep_alive;        /* the client wants to go on after this one */
	bool chunked;
	bool has_content_length;
	uint64_t content_length; /* 0 when absent; never beyond INT64_MAX */

	/* After HTTP_PARSE_BAD. */
	int status;         /* 400, 414, 431, 501 or 505 */
	const char *reason; /* static text for the log, with the section it rests on */

	/* The parser's own. */
	struct http_span authority; /* of an absolute-form target */
	size_t scanned;             /* bytes already searched for line ends */
	size_t line_start;
	unsigned lines;
	bool says_close, says_keep_alive;
};

/* Before the first call for each request. */
void http_request_init(struct http_request *request);

/*
 * `data` holds everything from the first byte of the request on, `len` of it so
 * far; bytes beyond the head are left alone. After HTTP_PARSE_MORE the caller
 * calls again with a larger len; the buffer may have moved meanwhile. Bytes are
 * searched once and the head is taken apart once, however many calls it takes.
 */
enum http_parse http_request_parse(struct http_request *request, const char *data, size_t len);

/* Does the request announce content? (Content-Length: 0 does not.) */
bool http_request_has_body(const struct http_request *request);

bool http_span_is(struct http_span span, const char *word);
bool http_span_is_nocase(struct http_span span, const char *word);

/* Takes the part before the separator off the front of `rest`; false: none there. */
bool http_span_cut(struct http_span *rest, char separator, struct http_span *part);

/* 1*DIGIT up to INT64_MAX and nothing else: no sign, no space. */
bool http_span_decimal(struct http_span span, uint64_t *value);

#endif
