/*
 * http_head: what the heads of requests and responses have in common: lines that
 * end in CRLF, header lines, an empty line (RFC 9112 2.1, 5).
 *
 * Everything is read strictly: whatever a second parser in front of us or behind
 * could understand differently is refused, even where RFC 9112 would let a
 * recipient be lenient. That difference is what request smuggling lives on.
 */
#ifndef FERRULE_PROXY_HTTP_HEAD_H
#define FERRULE_PROXY_HTTP_HEAD_H

#include "proxy/http_span.h"

enum http_parse {
	HTTP_PARSE_MORE, /* the head is not complete: call again with more bytes */
	HTTP_PARSE_DONE, /* all of it is there and sound */
	HTTP_PARSE_BAD,  /* refused: see `status` and `reason`; the framing is lost */
};

/* What a head may come to. */
struct http_limits {
	uint32_t head;   /* bytes, with the empty line */
	uint32_t line;   /* bytes of the request line, without its CRLF */
	uint32_t fields; /* header lines */
};

extern const struct http_limits http_default_limits; /* 16384, 8192, 100 */

/* How far a head has been searched for line ends: the parsers' own. */
struct http_lines {
	size_t scanned;  /* bytes already searched */
	size_t start;    /* of the line that is being searched */
	size_t first;    /* of the request line or status line */
	size_t fields;   /* of the header lines, once the first line is complete */
	uint32_t count;  /* complete lines, without an empty one in front */
	bool skip_empty; /* one empty line in front is ignored (RFC 9112 2.2) */
};

/* One header line of a head that was found sound. */
struct http_field {
	struct http_span line; /* all of it, with its CRLF */
	struct http_span name;
	struct http_span value; /* trimmed */
};

/* Takes one line off the front of `rest` (a head's `fields`); false at the end. */
bool http_field_next(struct http_span *rest, struct http_field *field);

/*
 * Is `name` one of the comma-separated options of the Connection lines among
 * `fields`? (RFC 9110 7.6.1)
 */
bool http_field_is_connection_option(struct http_span fields, struct http_span name);

/*
 * Could somebody behind us take `name` for `known`? Case does not count, and all
 * characters but letters and digits are the same: CGI makes "_" of each of them.
 */
bool http_field_passes_for(struct http_span name, struct http_span known);

#endif
