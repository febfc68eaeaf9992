/*
 * A buffer that is written to from front to back. What does not fit is not written
 * but counted, so that a caller may put all it has and ask once whether it fitted.
 */
#ifndef FERRULE_PROXY_WRITER_H
#define FERRULE_PROXY_WRITER_H

#include "proxy/http_span.h"

struct writer {
	char *data;       /* borrowed */
	size_t len, size; /* len > size: something did not fit */
};

void writer_put(struct writer *writer, const void *bytes, size_t len);
void writer_text(struct writer *writer, const char *text);
void writer_span(struct writer *writer, struct http_span span);
void writer_number(struct writer *writer, uint64_t number);

/* What was written; 0 when it did not fit. */
size_t writer_len(const struct writer *writer);

#endif
