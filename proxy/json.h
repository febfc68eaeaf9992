/* JSON strings (RFC 8259 7): the one place that escapes what goes into them. */
#ifndef FERRULE_PROXY_JSON_H
#define FERRULE_PROXY_JSON_H

#include <stddef.h>
#include <stdio.h>

/* Room for what one character becomes: "\u0000" and the NUL. */
#define JSON_ESCAPE 8

/*
 * Writes the character at the front of `text`, which is not empty, as it stands in
 * a JSON string, *out_len bytes. Returns how many bytes of the text it took; what
 * is no UTF-8 becomes U+FFFD, a byte at a time.
 */
size_t json_escape(const char *text, size_t len, char out[JSON_ESCAPE], size_t *out_len);

/* A whole string in its quotes; NULL: null. */
void json_string(FILE *out, const char *text);

#endif
