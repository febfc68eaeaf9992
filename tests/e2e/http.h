/* HTTP/1.1 as a client reads it: heads taken apart, bodies of every framing. */
#ifndef FERRULE_TESTS_E2E_HTTP_H
#define FERRULE_TESTS_E2E_HTTP_H

#include "tests/e2e/client.h"

#define HTTP_HEAD_SIZE 32768

struct http_response {
	char head[HTTP_HEAD_SIZE]; /* status line and fields, as received */
	char trailers[1024];       /* of a chunked body, once that has been read */
	int status;
	int64_t length; /* Content-Length, or -1 */
	bool closes;    /* Connection: close */
	bool chunked;
};

/* `fields` are whole header lines, each ended by CR LF; NULL: none. */
bool http_ask(struct client *client, const char *method, const char *path, const char *fields);
bool http_read_head(struct client *client, struct http_response *response);

/* Where a body goes, and what became of it. */
struct http_body {
	char *text; /* as a string; NULL: it is compared with the pattern */
	size_t size;
	uint64_t seed; /* of the pattern */
	uint64_t len;
	bool wrong;    /* it differs from the pattern, or has no room */
	bool complete; /* it ended the way its framing says, or with the stream in order */
};

/* Reads a body of any framing; the same as body->complete && !body->wrong. */
bool http_read_body(struct client *client, struct http_response *response, struct http_body *body);
/* The whole body as a string; false when it is cut short or too long. */
bool http_read_text(struct client *client, struct http_response *response, char *text, size_t size);
/* Content-Length bytes that match the pattern from `offset`. */
bool http_read_pattern(struct client *client, const struct http_response *response, uint64_t seed,
	uint64_t offset);

/* A field's value in `out`, "" when there is none. */
void http_field(const struct http_response *response, const char *name, char *out, size_t size);
/* The same in the text of any head; NULL `out`: how often it is there, nothing else. */
unsigned http_head_field(const char *head, const char *name, char *out, size_t size);

#endif
