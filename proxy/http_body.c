#include "proxy/http_body.h"

#include "proxy/http_forward.h"
#include "proxy/http_syntax.h"

#include <assert.h>

/* Bytes of a line with a chunk's size and extensions, and of all trailers. */
#define CHUNK_LINE_MAX 256
#define SIZE_DIGITS    16
#define TRAILERS_MAX   4096

/* What the next byte is (RFC 9112 7.1). */
enum state {
	SIZE_FIRST, /* a digit, which there has to be */
	SIZE,
	EXTENSION_NAME_FIRST,
	EXTENSION_NAME,
	EXTENSION_VALUE_FIRST,
	EXTENSION_VALUE,
	QUOTED,
	QUOTED_PAIR, /* behind a backslash */
	QUOTED_END,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST, /* a trailer, or the CR of the empty line */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
};

static bool refuse(struct http_body *body, const char *error)
{
	body->error = error;
	return false;
}

/* ---- where it ends ----------------------------------------------------- */

static void body_init(struct http_body *body, bool is_chunked, uint64_t length)
{
	*body = (struct http_body){.kind = HTTP_BODY_NONE};
	if (is_chunked)
		body->kind = HTTP_BODY_CHUNKED;
	else if (length > 0)
		body->kind = HTTP_BODY_LENGTH;
	body->left = is_chunked ? 0 : length;
	body->complete = body->kind == HTTP_BODY_NONE;
}

void http_body_of_request(struct http_body *body, const struct http_request *request)
{
	body_init(body, request->chunked, request->content_length);
	body->is_request = true;
}

/* RFC 9112 6.3 */
void http_body_of_response(
	struct http_body *body, const struct http_response *response, bool to_head)
{
	bool has_none = to_head || response->status < 200 || response->status == 204 ||
			response->status == 304;

	if (has_none)
		body_init(body, false, 0);
	else
		body_init(body, response->chunked, response->content_length);
	if (!has_none && !response->chunked && !response->has_content_length) {
		body->kind = HTTP_BODY_CLOSE;
		body->complete = false;
	}
}

/* ---- chunk lines ------------------------------------------------------- */

static uint64_t hex_value(char c)
{
	return (uint64_t)(http_is(c, HTTP_DIGIT) ? c - '0' : (c | 0x20) - 'a' + 10);
}

static bool size_take(struct http_body *body, char c)
{
	if (body->left > INT64_MAX >> 4 || body->line_len > SIZE_DIGITS)
		return refuse(body, "chunk size too large (RFC 9112 7.1)");
	body->left = body->left << 4 | hex_value(c);
	body->state = SIZE;
	return true;
}

/* Behind the size or an extension. No whitespace, though RFC 9112 7.1.1 lets it pass. */
static bool size_end_take(struct http_body *body, char c)
{
	if (c == ';')
		body->state = EXTENSION_NAME_FIRST;
	else if (c == '\r')
		body->state = SIZE_LF;
	else
		return refuse(body, "chunk size or extension is not valid (RFC 9112 7.1)");
	return true;
}

static bool size_first_take(struct http_body *body, char c)
{
	body->line_len = 1;
	body->left = 0;
	if (!http_is(c, HTTP_HEX))
		return refuse(body, "chunk without a size (RFC 9112 7.1)");
	return size_take(body, c);
}

/* A token's first byte, or a later one. */
static bool token_take(struct http_body *body, char c, enum state next)
{
	if (!http_is(c, HTTP_TOKEN))
		return refuse(body, "chunk extension is not a token (RFC 9112 7.1.1)");
	body->state = (uint8_t)next;
	return true;
}

static bool extension_name_take(struct http_body *body, char c)
{
	if (c == '=')
		body->state = EXTENSION_VALUE_FIRST;
	else if (!http_is(c, HTTP_TOKEN))
		return size_end_take(body, c);
	return true;
}

/* RFC 9110 5.6.4 */
static bool quoted_take(struct http_body *body, char c)
{
	if (!http_is(c, HTTP_TEXT))
		return refuse(body, "control character in a chunk extension (RFC 9112 7.1.1)");
	if (body->state == QUOTED_PAIR)
		body->state = QUOTED;
	else if (c == '\\')
		body->state = QUOTED_PAIR;
	else if (c == '"')
		body->state = QUOTED_END;
	return true;
}

static bool extension_value_take(struct http_body *body, char c)
{
	if (c == '"' && body->state == EXTENSION_VALUE_FIRST) {
		body->state = QUOTED;
		return true;
	}
	if (body->state == EXTENSION_VALUE && !http_is(c, HTTP_TOKEN))
		return size_end_take(body, c);
	return token_take(body, c, EXTENSION_VALUE);
}

static bool chunk_line_take(struct http_body *body, char c)
{
	if (body->state == SIZE_FIRST)
		return size_first_take(body, c);
	if (++body->line_len > CHUNK_LINE_MAX)
		return refuse(body, "chunk size with its extensions too long");
	switch (body->state) {
	case SIZE:
		return http_is(c, HTTP_HEX) ? size_take(body, c) : size_end_take(body, c);
	case EXTENSION_NAME_FIRST:
		return token_take(body, c, EXTENSION_NAME);
	case EXTENSION_NAME:
		return extension_name_take(body, c);
	case QUOTED:
	case QUOTED_PAIR:
		return quoted_take(body, c);
	case QUOTED_END:
		return size_end_take(body, c);
	default:
		return extension_value_take(body, c);
	}
}

/* ---- trailers ---------------------------------------------------------- */

/*
 * RFC 9110 6.5.1: whoever merges trailers into the headers would frame, route or
 * authenticate by them, or read the content differently.
 */
static bool is_forbidden(struct http_span name)
{
	static const char *const names[] = {"transfer-encoding", "content-length", "host",
		"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade",
		"http2-settings", "proxy", "expect", "max-forwards", "range", "authorization",
		"proxy-authorization", "proxy-authenticate", "www-authenticate", "cookie",
		"set-cookie", "content-encoding", "content-type", "content-range", "location"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct http_span known = {.data = names[i], .len = 0};

		while (known.data[known.len] != '\0')
			known.len++;
		if (http_field_passes_for(name, known))
			return true;
	}
	return false;
}

static bool trailer_name_end(struct http_body *body)
{
	struct http_span name = {.data = body->name, .len = body->name_len};

	if (is_forbidden(name))
		return refuse(body, "header that may not be a trailer (RFC 9110 6.5.1)");
	if (body->is_request && http_is_protected(name))
		return refuse(body, "trailer with a name that is ours to set");
	body->state = TRAILER_VALUE;
	return true;
}

/* The part that is kept of a long name is no name that is looked for, but may begin as one. */
static bool trailer_name_take(struct http_body *body, char c)
{
	if (c == ':' && body->state == TRAILER_NAME)
		return trailer_name_end(body);
	if (!http_is(c, HTTP_TOKEN))
		return refuse(body, "trailer name is not a token (RFC 9112 7.1.2)");
	if (body->name_len < sizeof(body->name))
		body->name[body->name_len++] = c;
	body->state = TRAILER_NAME;
	return true;
}

static bool trailer_take(struct http_body *body, char c)
{
	if (++body->trailer_len > TRAILERS_MAX)
		return refuse(body, "trailers too long");
	if (body->state == TRAILER_VALUE) {
		if (c == '\r')
			body->state = TRAILER_LF;
		else if (!http_is(c, HTTP_TEXT))
			return refuse(body, "control character in a trailer (RFC 9110 5.5)");
		return true;
	}
	if (body->state == TRAILER_FIRST) {
		body->name_len = 0;
		if (c == '\r') {
			body->state = LAST_LF;
			return true;
		}
	}
	return trailer_name_take(body, c);
}

/* ---- the body ---------------------------------------------------------- */

static bool cr_take(struct http_body *body, char c)
{
	body->state = DATA_LF;
	return c == '\r' || refuse(body, "chunk longer than its size (RFC 9112 7.1)");
}

static bool lf_take(struct http_body *body, char c)
{
	if (c != '\n')
		return refuse(body, "CR without LF between chunks (RFC 9112 2.2)");
	if (body->state == LAST_LF)
		body->complete = true;
	else if (body->state == DATA_LF)
		body->state = SIZE_FIRST;
	else if (body->left == 0) /* behind the last chunk or a trailer */
		body->state = TRAILER_FIRST;
	else
		body->state = DATA;
	return true;
}

static bool byte_take(struct http_body *body, char c)
{
	switch (body->state) {
	case DATA_CR:
		return cr_take(body, c);
	case SIZE_LF:
	case DATA_LF:
	case TRAILER_LF:
	case LAST_LF:
		return lf_take(body, c);
	case TRAILER_FIRST:
	case TRAILER_NAME:
	case TRAILER_VALUE:
		return trailer_take(body, c);
	default:
		return chunk_line_take(body, c);
	}
}

uint64_t http_body_blind(const struct http_body *body)
{
	if (body->complete || body->error != NULL)
		return 0;
	if (body->kind == HTTP_BODY_CLOSE)
		return UINT64_MAX;
	return body->kind == HTTP_BODY_LENGTH || body->state == DATA ? body->left : 0;
}

void http_body_passed(struct http_body *body, uint64_t len)
{
	assert(len <= http_body_blind(body));
	body->data += len;
	if (body->kind == HTTP_BODY_CLOSE)
		return;
	body->left -= len;
	if (body->left > 0)
		return;
	if (body->kind == HTTP_BODY_LENGTH)
		body->complete = true;
	else if (body->state == DATA)
		body->state = DATA_CR;
}

int64_t http_body_scan(struct http_body *body, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len && !body->complete && body->error == NULL) {
		uint64_t blind = http_body_blind(body);

		if (blind == 0) {
			byte_take(body, data[at++]);
			continue;
		}
		if (blind > len - at)
			blind = len - at;
		http_body_passed(body, blind);
		at += (size_t)blind;
	}
	return body->error != NULL ? -1 : (int64_t)at;
}
