#include "proxy/http_request.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* ---- characters and spans ---------------------------------------------- */

/* <ctype.h> depends on the locale and on the sign of char; these do not. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

bool http_span_is(struct http_span span, const char *word)
{
	return span.len == strlen(word) && memcmp(span.data, word, span.len) == 0;
}

bool http_span_is_nocase(struct http_span span, const char *word)
{
	return span.len == strlen(word) && strncasecmp(span.data, word, span.len) == 0;
}

bool http_span_cut(struct http_span *rest, char separator, struct http_span *part)
{
	const char *end = memchr(rest->data, separator, rest->len);

	if (end == NULL)
		return false;
	part->data = rest->data;
	part->len = (size_t)(end - rest->data);
	rest->data = end + 1;
	rest->len -= part->len + 1;
	return true;
}

bool http_span_decimal(struct http_span span, uint64_t *value)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < span.len; i++) {
		uint64_t digit = (uint64_t)(span.data[i] - '0');

		if (!is_digit(span.data[i]) || sum > (INT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*value = sum;
	return span.len > 0;
}

/* Without the optional whitespace around it (RFC 9110 5.6.3). */
static struct http_span span_trim(struct http_span span)
{
	while (span.len > 0 && is_one_of(span.data[0], " \t")) {
		span.data++;
		span.len--;
	}
	while (span.len > 0 && is_one_of(span.data[span.len - 1], " \t"))
		span.len--;
	return span;
}

/* RFC 9110 5.6.2 */
static bool span_is_token(struct http_span span)
{
	for (size_t i = 0; i < span.len; i++) {
		if (!is_alnum(span.data[i]) && !is_one_of(span.data[i], "!#$%&'*+-.^_`|~"))
			return false;
	}
	return span.len > 0;
}

/* RFC 9110 5.5: visible characters, bytes above 0x7f, space and tab. */
static bool span_is_field_value(struct http_span span)
{
	for (size_t i = 0; i < span.len; i++) {
		unsigned char c = (unsigned char)span.data[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/*
 * Wider than RFC 3986, because browsers send "|", "[", "^" and others as they
 * are; never a space, a control character, a byte above 0x7e or a fragment.
 */
static bool span_is_target(struct http_span span)
{
	for (size_t i = 0; i < span.len; i++) {
		if (span.data[i] <= ' ' || span.data[i] > '~' || span.data[i] == '#')
			return false;
	}
	return span.len > 0;
}

static bool refuse(struct http_request *request, int status, const char *reason)
{
	request->status = status;
	request->reason = reason;
	return false;
}

/* ---- host -------------------------------------------------------------- */

/* Takes "[2001:db8::1]" off the front. */
static bool host_cut_ipv6(struct http_span *rest)
{
	struct http_span literal;
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (!http_span_cut(rest, ']', &literal) || literal.len > sizeof(text))
		return false;
	memcpy(text, literal.data + 1, literal.len - 1);
	text[literal.len - 1] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

/*
 * Takes a name or an IPv4 address off the front. Narrower than RFC 3986's
 * reg-name: no name in DNS holds "%" or a sub-delimiter such as a comma, and
 * what is behind us might split there.
 */
static bool host_cut_name(struct http_span *rest)
{
	size_t len = 0;

	while (len < rest->len && (is_alnum(rest->data[len]) || is_one_of(rest->data[len], "-._~")))
		len++;
	rest->data += len;
	rest->len -= len;
	return len > 0;
}

/* RFC 9110 7.2: uri-host [":" port]. The port may be empty (RFC 3986 3.2.3). */
static bool host_is_valid(struct http_span host)
{
	uint64_t port = 0;

	if (host.len == 0)
		return false;
	if (host.data[0] == '[' ? !host_cut_ipv6(&host) : !host_cut_name(&host))
		return false;
	if (host.len == 0)
		return true;
	if (host.data[0] != ':')
		return false;
	host.data++;
	host.len--;
	return host.len == 0 || (http_span_decimal(host, &port) && port <= UINT16_MAX);
}

/* ---- request line ------------------------------------------------------ */

static bool version_parse(struct http_request *request, struct http_span version)
{
	const char *text = version.data;

	if (version.len != strlen("HTTP/1.1") || memcmp(text, "HTTP/", 5) != 0 ||
		!is_digit(text[5]) || text[6] != '.' || !is_digit(text[7]))
		return refuse(request, 400, "no HTTP version (RFC 9112 2.3)");
	if (text[5] != '1' || text[7] > '1')
		return refuse(request, 505, "HTTP version is neither 1.0 nor 1.1");
	request->minor_version = (unsigned)(text[7] - '0');
	return true;
}

static void path_set(struct http_request *request, struct http_span path_and_query)
{
	request->query = path_and_query;
	if (!http_span_cut(&request->query, '?', &request->path)) {
		request->path = path_and_query;
		request->query = (struct http_span){0};
	}
	/* RFC 9110 4.2.3: an empty path is the same as "/". */
	if (request->path.len == 0)
		request->path = (struct http_span){.data = "/", .len = 1};
}

/* RFC 9112 3.2.2: "http://" or "https://", authority, path and query. */
static bool target_parse_absolute(struct http_request *request)
{
	struct http_span rest = request->target, scheme;
	size_t len = 0;

	if (!http_span_cut(&rest, ':', &scheme) || rest.len < 2 || memcmp(rest.data, "//", 2) != 0)
		return refuse(request, 400, "target has none of the forms of RFC 9112 3.2");
	if (!http_span_is_nocase(scheme, "http") && !http_span_is_nocase(scheme, "https"))
		return refuse(request, 400, "scheme of the target is neither http nor https");
	rest.data += 2;
	rest.len -= 2;
	while (len < rest.len && !is_one_of(rest.data[len], "/?"))
		len++;
	request->authority = (struct http_span){.data = rest.data, .len = len};
	/* User names in it are for phishing only (RFC 9110 4.2.4) and fail here. */
	if (!host_is_valid(request->authority))
		return refuse(request, 400, "host in the target is not valid (RFC 9110 4.2)");
	rest.data += len;
	rest.len -= len;
	request->form = HTTP_TARGET_ABSOLUTE;
	path_set(request, rest);
	return true;
}

static bool target_parse(struct http_request *request)
{
	if (!span_is_target(request->target))
		return refuse(
			request, 400, "target holds a character no URI may hold (RFC 9112 3.2)");
	if (http_span_is(request->method, "CONNECT"))
		return refuse(request, 501, "CONNECT asks for a forward proxy (RFC 9110 9.3.6)");
	if (http_span_is(request->target, "*")) {
		if (!http_span_is(request->method, "OPTIONS"))
			return refuse(request, 400, "target * is for OPTIONS (RFC 9112 3.2.4)");
		request->form = HTTP_TARGET_ASTERISK;
		request->path = request->target;
		return true;
	}
	if (request->target.data[0] != '/')
		return target_parse_absolute(request);
	request->form = HTTP_TARGET_ORIGIN;
	path_set(request, request->target);
	return true;
}

/* RFC 9112 3; single spaces, although it would allow more on reception. */
static bool request_line_parse(struct http_request *request, struct http_span line)
{
	if (!http_span_cut(&line, ' ', &request->method) ||
		!http_span_cut(&line, ' ', &request->target))
		return refuse(
			request, 400, "request line is not METHOD TARGET VERSION (RFC 9112 3)");
	if (!span_is_token(request->method))
		return refuse(request, 400, "method is not a token (RFC 9110 9.1)");
	return version_parse(request, line) && target_parse(request);
}

/* ---- header lines ------------------------------------------------------ */

enum field {
	FIELD_HOST,
	FIELD_CONTENT_LENGTH,
	FIELD_TRANSFER_ENCODING,
	FIELD_CONNECTION,
	FIELD_RANGE,
	FIELD_IF_RANGE,
	FIELD_IF_MATCH,
	FIELD_IF_NONE_MATCH,
	FIELD_IF_MODIFIED_SINCE,
	FIELD_IF_UNMODIFIED_SINCE,
	FIELD_OTHER,
};

/* clang-format off */
#define NAME(text) { .data = (text), .len = sizeof(text) - 1 }
static const struct http_span field_names[FIELD_OTHER] = {
	[FIELD_HOST]                = NAME("Host"),
	[FIELD_CONTENT_LENGTH]      = NAME("Content-Length"),
	[FIELD_TRANSFER_ENCODING]   = NAME("Transfer-Encoding"),
	[FIELD_CONNECTION]          = NAME("Connection"),
	[FIELD_RANGE]               = NAME("Range"),
	[FIELD_IF_RANGE]            = NAME("If-Range"),
	[FIELD_IF_MATCH]            = NAME("If-Match"),
	[FIELD_IF_NONE_MATCH]       = NAME("If-None-Match"),
	[FIELD_IF_MODIFIED_SINCE]   = NAME("If-Modified-Since"),
	[FIELD_IF_UNMODIFIED_SINCE] = NAME("If-Unmodified-Since"),
};
/* clang-format on */

static bool field_is(enum field field, struct http_span name)
{
	const struct http_span *known = &field_names[field];

	return name.len == known->len && strncasecmp(name.data, known->data, name.len) == 0;
}

static enum field field_find(struct http_span name)
{
	unsigned i = 0;

	while (i < FIELD_OTHER && !field_is((enum field)i, name))
		i++;
	return (enum field)i;
}

/*
 * Two If-Match or If-None-Match lines would be a list (RFC 9110 5.3), but no
 * client sends them so; refused like the rest, as nginx does.
 */
static bool field_take_once(
	struct http_request *request, struct http_span *field, struct http_span value)
{
	if (field->data != NULL)
		return refuse(
			request, 400, "a header that may be there once is repeated (RFC 9110 5.3)");
	*field = value;
	return true;
}

/* Every URI that leads here has a host, so an empty one is not valid either. */
static bool field_take_host(struct http_request *request, struct http_span value)
{
	if (request->host.data != NULL)
		return refuse(request, 400, "more than one Host (RFC 9112 3.2)");
	if (!host_is_valid(value))
		return refuse(request, 400, "Host is not valid (RFC 9112 3.2)");
	request->host = value;
	return true;
}

/* RFC 9112 6.3 would let "5, 5" pass as 5: one reading only, so it does not. */
static bool field_take_content_length(struct http_request *request, struct http_span value)
{
	if (request->has_content_length)
		return refuse(request, 400, "more than one Content-Length (RFC 9112 6.3)");
	if (!http_span_decimal(value, &request->content_length))
		return refuse(request, 400, "Content-Length is not a number (RFC 9112 6.3)");
	request->has_content_length = true;
	return true;
}

static bool field_take_transfer_encoding(struct http_request *request, struct http_span value)
{
	if (request->chunked)
		return refuse(request, 400, "more than one Transfer-Encoding (RFC 9112 6.1)");
	if (!http_span_is_nocase(value, "chunked"))
		return refuse(request, 501, "Transfer-Encoding is not chunked (RFC 9112 6.1)");
	request->chunked = true;
	return true;
}

static void field_take_connection(struct http_request *request, struct http_span value)
{
	bool is_last;

	do {
		struct http_span option = value;

		is_last = !http_span_cut(&value, ',', &option);
		option = span_trim(option);
		if (http_span_is_nocase(option, "close"))
			request->says_close = true;
		else if (http_span_is_nocase(option, "keep-alive"))
			request->says_keep_alive = true;
	} while (!is_last);
}

static bool field_take(struct http_request *request, enum field field, struct http_span value)
{
	switch (field) {
	case FIELD_HOST:
		return field_take_host(request, value);
	case FIELD_CONTENT_LENGTH:
		return field_take_content_length(request, value);
	case FIELD_TRANSFER_ENCODING:
		return field_take_transfer_encoding(request, value);
	case FIELD_CONNECTION:
		field_take_connection(request, value);
		return true;
	case FIELD_RANGE:
		return field_take_once(request, &request->range, value);
	case FIELD_IF_RANGE:
		return field_take_once(request, &request->if_range, value);
	case FIELD_IF_MATCH:
		return field_take_once(request, &request->if_match, value);
	case FIELD_IF_NONE_MATCH:
		return field_take_once(request, &request->if_none_match, value);
	case FIELD_IF_MODIFIED_SINCE:
		return field_take_once(request, &request->if_modified_since, value);
	case FIELD_IF_UNMODIFIED_SINCE:
		return field_take_once(request, &request->if_unmodified_since, value);
	case FIELD_OTHER:
		break;
	}
	return true;
}

static bool field_line_parse(struct http_request *request, struct http_span line)
{
	struct http_span name;

	if (is_one_of(line.data[0], " \t"))
		return refuse(request, 400, "folded header line (RFC 9112 5.2)");
	if (!http_span_cut(&line, ':', &name))
		return refuse(request, 400, "header line without a colon (RFC 9112 5)");
	if (!span_is_token(name))
		return refuse(request, 400, "header name is not a token (RFC 9112 5.1)");
	if (!span_is_field_value(line))
		return refuse(request, 400, "control character in a header (RFC 9110 5.5)");
	return field_take(request, field_find(name), span_trim(line));
}

/* ---- the head ---------------------------------------------------------- */

/* What only all header lines together can tell. */
static bool head_check(struct http_request *request)
{
	if (request->minor_version == 1 && request->host.data == NULL)
		return refuse(request, 400, "no Host (RFC 9112 3.2)");
	if (request->chunked && request->has_content_length)
		return refuse(
			request, 400, "Content-Length beside Transfer-Encoding (RFC 9112 6.1)");
	if (request->chunked && request->minor_version == 0)
		return refuse(request, 400, "Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)");
	return true;
}

/* Takes one line without its CRLF, which line_scan() has seen there. */
static struct http_span line_next(struct http_span *rest)
{
	struct http_span line = *rest;

	http_span_cut(rest, '\n', &line);
	line.len--;
	return line;
}

static bool head_parse(struct http_request *request, const char *data)
{
	struct http_span rest = {.data = data, .len = request->head_len};
	struct http_span line = line_next(&rest);

	if (line.len == 0) /* the empty line that line_scan() let pass */
		line = line_next(&rest);
	if (!request_line_parse(request, line))
		return false;
	while ((line = line_next(&rest)).len > 0) {
		if (!field_line_parse(request, line))
			return false;
	}
	if (!head_check(request))
		return false;
	if (request->form == HTTP_TARGET_ABSOLUTE)
		request->host = request->authority;
	/* RFC 9112 9.3 */
	request->keep_alive =
		!request->says_close && (request->minor_version == 1 || request->says_keep_alive);
	return true;
}

/*
 * The request line is tried at once, so that who speaks something else hears so
 * before a timeout; head_parse() does it again, as the buffer may have moved.
 */
static bool line_scan_content(struct http_request *request, struct http_span line)
{
	if (++request->lines == 1)
		return request_line_parse(request, line);
	if (request->lines > 1 + HTTP_FIELDS_MAX)
		return refuse(request, 431, "too many header lines");
	return true;
}

/* Looks at the line that ends at request->scanned. */
static bool line_scan(struct http_request *request, const char *data)
{
	const char *line = data + request->line_start;
	size_t len = request->scanned - request->line_start;

	if (request->lines == 0 && len > HTTP_REQUEST_LINE_MAX + 2)
		return refuse(request, 414, "request line too long");
	if (len < 2 || line[len - 2] != '\r')
		return refuse(request, 400, "line ends without CR (RFC 9112 2.2)");
	if (len > 2)
		return line_scan_content(request, (struct http_span){.data = line, .len = len - 2});
	if (request->lines > 0) {
		request->head_len = request->scanned;
		return head_parse(request, data);
	}
	/* RFC 9112 2.2 asks to ignore at least one empty line in front: it gets one. */
	if (request->line_start > 0)
		return refuse(
			request, 400, "empty lines in place of a request line (RFC 9112 2.2)");
	return true;
}

/* Whole lines obey the limits already; this is for the one still coming. */
static bool limits_check(struct http_request *request)
{
	size_t len = request->scanned - request->line_start;

	if (request->lines == 0 && len > HTTP_REQUEST_LINE_MAX + 1)
		return refuse(request, 414, "request line too long");
	if (request->scanned == HTTP_HEAD_MAX)
		return refuse(request, 431, "head too long");
	return true;
}

void http_request_init(struct http_request *request)
{
	*request = (struct http_request){0};
}

enum http_parse http_request_parse(struct http_request *request, const char *data, size_t len)
{
	size_t window = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX;

	while (request->head_len == 0 && request->scanned < window) {
		const char *from = data + request->scanned;
		const char *newline = memchr(from, '\n', window - request->scanned);

		if (newline == NULL) {
			request->scanned = window;
			break;
		}
		request->scanned += (size_t)(newline - from) + 1;
		if (!line_scan(request, data))
			return HTTP_PARSE_BAD;
		request->line_start = request->scanned;
	}
	if (request->head_len > 0)
		return HTTP_PARSE_DONE;
	return limits_check(request) ? HTTP_PARSE_MORE : HTTP_PARSE_BAD;
}

bool http_request_has_body(const struct http_request *request)
{
	return request->chunked || request->content_length > 0;
}
