/* The answers that are ferrule's own: head and a short text that says what to do. */
#ifndef FERRULE_PROXY_HTTP_REPLY_H
#define FERRULE_PROXY_HTTP_REPLY_H

#include "proxy/http_span.h"

struct http_reply {
	int status;             /* one that http_reply_write() knows */
	struct http_span date;  /* the value of Date; data NULL: none is sent */
	struct http_span added; /* whole header lines of ours, with their CRLFs */

	struct http_span location; /* 301, 308: becomes the value of Location as it is */
	const char *realm;         /* 401: of WWW-Authenticate; without '"' and '\\' */
	const char *allow;         /* 405: the methods, "GET, HEAD" */
	unsigned retry_after;      /* seconds, 503 above all; 0: not sent */

	const char *text; /* instead of the sentences that belong to the status; ends with '\n' */
	bool close;       /* the connection ends behind it */
	bool to_minor_0;  /* the client speaks HTTP/1.0: it is told of keep-alive */
	bool to_head;     /* it answers a HEAD request: the body is left out */
};

/*
 * Writes the complete answer: 301, 308, 400, 401, 403, 404, 405, 408, 412 to 414, 416,
 * 417, 431, 500 to 505. The texts of 403 and 308 are those of the plain HTTP port. Returns
 * its length; 0 when it does not fit (1 KiB is enough without location and added).
 */
size_t http_reply_write(const struct http_reply *reply, char *out, size_t size);

/* "404 Not Found\n": code and reason of the status line; with its newline a text. */
const char *http_status_text(int status);

#endif
