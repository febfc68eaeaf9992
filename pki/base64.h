/* pki: base64 (RFC 4648 4) in memory. Private to pki/. */
#ifndef FERRULE_PKI_BASE64_H
#define FERRULE_PKI_BASE64_H

#include <stddef.h>

/* Without newlines (RFC 8951 3.1), with a NUL behind; NULL when memory ran out. Caller frees. */
char *pki_base64_encode(const void *data, size_t len);

/*
 * White space is skipped wherever it is, a NUL put behind the result. Returns 0, -EINVAL
 * when it is not base64 or -ENOMEM. The caller frees *out.
 */
int pki_base64_decode(const char *text, size_t len, unsigned char **out, size_t *out_len);

#endif
