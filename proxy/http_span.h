/* Bytes in somebody else's buffer, and the few questions HTTP asks of them. */
#ifndef FERRULE_PROXY_HTTP_SPAN_H
#define FERRULE_PROXY_HTTP_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* data is NULL when there is no such thing. */
struct http_span {
	const char *data;
	size_t len;
};

bool http_span_is(struct http_span span, const char *word);
bool http_span_is_nocase(struct http_span span, const char *word);

/* Takes the part before the separator off the front of `rest`; false: none there. */
bool http_span_cut(struct http_span *rest, char separator, struct http_span *part);

/* Without the optional whitespace around it (RFC 9110 5.6.3). */
struct http_span http_span_trim(struct http_span span);

/* 1*DIGIT up to INT64_MAX and nothing else: no sign, no space. */
bool http_span_decimal(struct http_span span, uint64_t *value);

#endif
