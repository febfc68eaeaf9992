#include "proxy/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void writer_put(struct writer *writer, const void *bytes, size_t len)
{
	if (len > 0 && writer->len <= writer->size && len <= writer->size - writer->len)
		memcpy(writer->data + writer->len, bytes, len);
	writer->len += len;
}

void writer_text(struct writer *writer, const char *text)
{
	writer_put(writer, text, strlen(text));
}

void writer_span(struct writer *writer, struct http_span span)
{
	writer_put(writer, span.data, span.len);
}

void writer_number(struct writer *writer, uint64_t number)
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%" PRIu64, number);
	writer_put(writer, digits, (size_t)len);
}

size_t writer_len(const struct writer *writer)
{
	return writer->len <= writer->size ? writer->len : 0;
}
