/* Base64 as servers write it and as clients send it. */
#ifndef FERRULE_TESTS_PKI_RESPONDER_BASE64_H
#define FERRULE_TESTS_PKI_RESPONDER_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Every 64 characters a newline, or none at all. To be freed. */
char *base64_encode(const unsigned char *data, size_t len, bool newlines);
/* Blanks and newlines anywhere are skipped. The number of bytes, or -1; *out is to be freed. */
int base64_decode(const char *text, unsigned char **out);

#endif
