/* http_response: one HTTP/1.x response head, as strictly read as requests are. */
#ifndef FERRULE_PROXY_HTTP_RESPONSE_H
#define FERRULE_PROXY_HTTP_RESPONSE_H

#include "proxy/http_head.h"

struct http_response {
	/* After HTTP_PARSE_DONE. Spans point into the buffer of that last call. */
	size_t head_len;         /* bytes to consume: up to and with the empty line */
	unsigned status;         /* 100 to 599 */
	struct http_span reason; /* what follows "HTTP/1.1 200 ", may be empty */
	struct http_span fields; /* all header lines, for http_field_next() */
	unsigned minor_version;  /* 0 or 1 */
	bool keep_alive;         /* the server goes on after this one */
	bool chunked;
	bool has_content_length;
	bool has_upgrade; /* Upgrade, and Connection: upgrade */
	bool has_options; /* Connection names other things than close, keep-alive, upgrade */
	bool has_date;
	uint64_t content_length; /* 0 when absent; never beyond INT64_MAX */

	/* After HTTP_PARSE_BAD: static text for the log, with the section it rests on. */
	const char *error;

	/* The parser's own. */
	struct http_lines lines;
};

/* Before the first call for each response. */
void http_response_init(struct http_response *response);

/* As http_request_parse(). */
enum http_parse http_response_parse(struct http_response *response,
	const struct http_limits *limits, const char *data, size_t len);

#endif
