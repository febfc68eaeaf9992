/*
 * http_syntax: what the parsers of heads and bodies share and nobody else needs:
 * classes of characters, names with a meaning, lines, framing.
 */
#ifndef FERRULE_PROXY_HTTP_SYNTAX_H
#define FERRULE_PROXY_HTTP_SYNTAX_H

#include "proxy/http_head.h"

/* ---- characters -------------------------------------------------------- */

enum http_class {
	HTTP_TOKEN = 0x01, /* RFC 9110 5.6.2 */
	HTTP_TEXT = 0x02,  /* RFC 9110 5.5: visible, above 0x7f, space and tab */
	HTTP_URI = 0x04,   /* visible but '#': wider than RFC 3986, as browsers send "|" and "^" */
	HTTP_HOST = 0x08,  /* letters, digits, "-._~" */
	HTTP_DIGIT = 0x10,
	HTTP_HEX = 0x20,
	HTTP_ALNUM = 0x40,
};

extern const uint8_t http_classes[256];

/* <ctype.h> depends on the locale and on the sign of char; this does not. */
static inline bool http_is(char c, enum http_class class)
{
	return (http_classes[(unsigned char)c] & class) != 0;
}

/* False for nothing at all. */
bool http_span_has_only(struct http_span span, enum http_class class);

/* ---- names ------------------------------------------------------------- */

/* Header names that somebody here looks for. */
enum http_name {
	HTTP_NAME_OTHER,
	HTTP_NAME_CONTENT_LENGTH,
	HTTP_NAME_TRANSFER_ENCODING,
	HTTP_NAME_CONNECTION,
	HTTP_NAME_HOST,
	HTTP_NAME_UPGRADE,
	HTTP_NAME_EXPECT,
	HTTP_NAME_RANGE,
	HTTP_NAME_IF_RANGE,
	HTTP_NAME_IF_MATCH,
	HTTP_NAME_IF_NONE_MATCH,
	HTTP_NAME_IF_MODIFIED_SINCE,
	HTTP_NAME_IF_UNMODIFIED_SINCE,
	HTTP_NAME_AUTHORIZATION,
	HTTP_NAME_REFERER,
	HTTP_NAME_USER_AGENT,
	HTTP_NAME_DATE,
	HTTP_NAME_KEEP_ALIVE,
	HTTP_NAME_PROXY_CONNECTION,
	HTTP_NAME_TE,
	HTTP_NAME_HTTP2_SETTINGS,
	HTTP_NAME_PROXY,
	HTTP_NAMES,
};

/* Case does not count. `name` may hold HTTP_TEXT. */
enum http_name http_name_find(struct http_span name);
/* Case does not count. Nothing is the same as no name at all. */
bool http_name_is_same(struct http_span a, struct http_span b);

/* ---- lines ------------------------------------------------------------- */

struct http_refusal {
	int status; /* for a request */
	const char *reason;
};

/* Returns false, for the caller to return. */
bool http_refuse(struct http_refusal *refusal, int status, const char *reason);

enum http_line {
	HTTP_LINE_MORE,  /* searched all there is */
	HTTP_LINE_FIRST, /* the first line is complete: look at it, then go on */
	HTTP_LINE_LAST,  /* the empty line is there: the head is data[0] to data[scanned] */
	HTTP_LINE_BAD,
};

enum http_line http_lines_step(struct http_lines *lines, const struct http_limits *limits,
	const char *data, size_t len, struct http_refusal *refusal);

/* Of the first line, without its CRLF, and of the header lines after HTTP_LINE_LAST. */
struct http_span http_lines_first(const struct http_lines *lines, const char *data);
struct http_span http_lines_fields(const struct http_lines *lines, const char *data);

/*
 * Takes a header line off the front of `rest`, which is not empty and ends in CRLF, with
 * another CRLF behind it; false: it is not one.
 */
bool http_field_parse(
	struct http_span *rest, struct http_field *field, struct http_refusal *refusal);

/* ---- framing ----------------------------------------------------------- */

/* More in all Connection lines together are refused: each header line is held against them. */
#define HTTP_CONNECTION_OPTIONS_MAX 64

/* What requests and responses say in the same headers. */
struct http_framing {
	uint64_t content_length;
	unsigned options; /* of Connection, empty ones as well */
	bool has_content_length, chunked;
	bool says_close, says_keep_alive, says_upgrade, has_options;
};

/* Content-Length, Transfer-Encoding and Connection; all other names are let pass. */
bool http_framing_take(struct http_framing *framing, enum http_name name, struct http_span value,
	struct http_refusal *refusal);
/* What only all header lines together can tell. */
bool http_framing_check(
	const struct http_framing *framing, unsigned minor_version, struct http_refusal *refusal);
/* RFC 9112 9.3 */
bool http_framing_keeps_alive(const struct http_framing *framing, unsigned minor_version);

/*
 * Takes an option off the front of a Connection value, trimmed, perhaps empty; false
 * at the end.
 */
bool http_option_next(struct http_span *rest, struct http_span *option);

#endif
