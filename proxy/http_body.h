/*
 * http_body: where a message's body ends (RFC 9112 6 and 7). It looks at bytes as
 * they pass and never changes or keeps any: whoever moves them asks how many of
 * them belong to the body.
 */
#ifndef FERRULE_PROXY_HTTP_BODY_H
#define FERRULE_PROXY_HTTP_BODY_H

#include "proxy/http_request.h"
#include "proxy/http_response.h"

enum http_body_kind {
	HTTP_BODY_NONE,    /* there is none: complete from the start */
	HTTP_BODY_LENGTH,  /* so many bytes */
	HTTP_BODY_CHUNKED, /* up to and with the empty line behind the trailers */
	HTTP_BODY_CLOSE,   /* up to the end of the stream (responses only) */
};

struct http_body {
	enum http_body_kind kind;
	uint64_t left; /* bytes of a LENGTH body, or of this chunk's data, still to come */
	bool complete; /* its last byte has been seen; never for CLOSE */
	bool is_request;
	uint64_t data; /* bytes of content seen so far, without the framing of chunks */

	/* After http_body_scan() returned -1: static text, with the section it rests on. */
	const char *error;

	/* The scanner's own: within the framing of chunks. */
	uint8_t state;
	uint16_t line_len;    /* of the chunk line so far */
	uint16_t trailer_len; /* of the whole trailer section so far */
	uint8_t name_len;     /* of this trailer's name so far */
	char name[40];        /* lower case: to tell names that trailers must not have */
};

void http_body_of_request(struct http_body *body, const struct http_request *request);
/* `to_head`: it answers a HEAD request. 1xx, 204 and 304 have no body either. */
void http_body_of_response(
	struct http_body *body, const struct http_response *response, bool to_head);

/*
 * How many of these bytes belong to the body: all of them unless it ends before.
 * -1 when they are not what RFC 9112 7.1 calls chunks: chunk sizes beyond INT64_MAX,
 * bare LF or CR, chunk extensions or trailers that are too long or hold what a
 * header must not; trailers that name framing, routing or credentials (RFC 9110
 * 6.5.1), or, in a request, headers that the backend trusts us to set (see
 * http_is_protected()).
 */
int64_t http_body_scan(struct http_body *body, const char *data, size_t len);

/* Bytes that come next and need not be looked at; UINT64_MAX up to the end of the stream. */
uint64_t http_body_blind(const struct http_body *body);
/* So many of those have passed unseen. */
void http_body_passed(struct http_body *body, uint64_t len);

#endif
