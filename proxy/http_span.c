#include "proxy/http_span.h"

#include "proxy/http_syntax.h"

#include <string.h>
#include <strings.h>

bool http_span_is(struct http_span span, const char *word)
{
	return span.len == strlen(word) &&
	       (span.len == 0 || memcmp(span.data, word, span.len) == 0);
}

bool http_span_is_nocase(struct http_span span, const char *word)
{
	return span.len == strlen(word) &&
	       (span.len == 0 || strncasecmp(span.data, word, span.len) == 0);
}

bool http_span_cut(struct http_span *rest, char separator, struct http_span *part)
{
	const char *end = rest->len > 0 ? memchr(rest->data, separator, rest->len) : NULL;

	if (end == NULL)
		return false;
	part->data = rest->data;
	part->len = (size_t)(end - rest->data);
	rest->data = end + 1;
	rest->len -= part->len + 1;
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

struct http_span http_span_trim(struct http_span span)
{
	while (span.len > 0 && is_space(span.data[0])) {
		span.data++;
		span.len--;
	}
	while (span.len > 0 && is_space(span.data[span.len - 1]))
		span.len--;
	return span;
}

bool http_span_decimal(struct http_span span, uint64_t *value)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < span.len; i++) {
		uint64_t digit = (uint64_t)(span.data[i] - '0');

		if (!http_is(span.data[i], HTTP_DIGIT) || sum > (INT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*value = sum;
	return span.len > 0;
}

bool http_span_has_only(struct http_span span, enum http_class class)
{
	for (size_t i = 0; i < span.len; i++) {
		if (!http_is(span.data[i], class))
			return false;
	}
	return span.len > 0;
}
