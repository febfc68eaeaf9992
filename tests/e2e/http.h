/* Just enough HTTP/1.1 to ask for pattern files over a TLS client. */
#ifndef FERRULE_TESTS_E2E_HTTP_H
#define FERRULE_TESTS_E2E_HTTP_H

#include "tests/e2e/client.h"

struct http_response {
	char head[4096]; /* status line and fields, as received */
	int status;
	int64_t length; /* Content-Length, or -1 */
	bool closes;    /* Connection: close */
};

/* `fields` are whole header lines, each ended by CR LF; NULL: none. */
bool http_ask(struct client *client, const char *method, const char *path, const char *fields);
bool http_read_head(struct client *client, struct http_response *response);
/* Content-Length bytes that match the pattern from `offset`. */
bool http_read_pattern(struct client *client, const struct http_response *response, uint64_t seed,
	uint64_t offset);
/* A field's value in `out`, "" when there is none. */
void http_field(const struct http_response *response, const char *name, char *out, size_t size);

#endif
