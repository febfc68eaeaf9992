#include "proxy/http_request.h"

#include "proxy/http_syntax.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

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

	while (len < rest->len && http_is(rest->data[len], HTTP_HOST))
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
		!http_is(text[5], HTTP_DIGIT) || text[6] != '.' || !http_is(text[7], HTTP_DIGIT))
		return refuse(request, 400, "no HTTP version (RFC 9112 2.3)");
	if (text[5] != '1' || text[7] > '1')
		return refuse(request, 505, "HTTP version is neither 1.0 nor 1.1");
	request->minor_version = (unsigned)(text[7] - '0');
	return true;
}

/* RFC 3986 2.1; and no two servers agree on what a NUL in a path means. */
static bool path_has_sound_escapes(struct http_span path)
{
	const char *at = path.data, *end = path.data + path.len;

	while ((at = memchr(at, '%', (size_t)(end - at))) != NULL) {
		if (end - at < 3 || !http_is(at[1], HTTP_HEX) || !http_is(at[2], HTTP_HEX) ||
			memcmp(at + 1, "00", 2) == 0)
			return false;
		at += 3;
	}
	return true;
}

/* How many bytes write a dot here; 0: none does. */
static size_t dot_len(struct http_span rest)
{
	if (rest.len >= 1 && rest.data[0] == '.')
		return 1;
	return rest.len >= 3 && strncasecmp(rest.data, "%2e", 3) == 0 ? 3 : 0;
}

/* Where a segment leads: one level down or, as "..", up; "." and nothing stay. */
static int segment_depth(struct http_span segment)
{
	unsigned dots = 0;
	size_t len;

	while (dots < 3 && (len = dot_len(segment)) > 0) {
		segment.data += len;
		segment.len -= len;
		dots++;
	}
	if (segment.len > 0 || dots > 2)
		return 1;
	return dots == 2 ? -1 : 0;
}

/* RFC 3986 5.2.4 would drop a ".." above the root; servers that do not read it as a way out. */
static bool path_stays_below_root(struct http_span path)
{
	struct http_span segment;
	int depth = 0;
	bool is_last;

	do {
		is_last = !http_span_cut(&path, '/', &segment);
		depth += segment_depth(is_last ? path : segment);
	} while (depth >= 0 && !is_last);
	return depth >= 0;
}

static bool path_check(struct http_request *request)
{
	if (!path_has_sound_escapes(request->path))
		return refuse(request, 400, "bad escape in the path (RFC 3986 2.1)");
	if (!path_stays_below_root(request->path))
		return refuse(request, 400, "path leads above the root (RFC 3986 5.2.4)");
	return true;
}

static bool path_set(struct http_request *request, struct http_span path_and_query)
{
	request->query = path_and_query;
	if (!http_span_cut(&request->query, '?', &request->path)) {
		request->path = path_and_query;
		request->query = (struct http_span){0};
	}
	/* RFC 9110 4.2.3: an empty path is the same as "/". */
	if (request->path.len == 0)
		request->path = (struct http_span){.data = "/", .len = 1};
	return path_check(request);
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
	while (len < rest.len && rest.data[len] != '/' && rest.data[len] != '?')
		len++;
	request->authority = (struct http_span){.data = rest.data, .len = len};
	/* User names in it are for phishing only (RFC 9110 4.2.4) and fail here. */
	if (!host_is_valid(request->authority))
		return refuse(request, 400, "host in the target is not valid (RFC 9110 4.2)");
	rest.data += len;
	rest.len -= len;
	request->form = HTTP_TARGET_ABSOLUTE;
	return path_set(request, rest);
}

static bool target_parse(struct http_request *request)
{
	if (!http_span_has_only(request->target, HTTP_URI))
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
	return path_set(request, request->target);
}

/* RFC 9112 3; single spaces, although it would allow more on reception. */
static bool request_line_parse(struct http_request *request, struct http_span line)
{
	if (!http_span_cut(&line, ' ', &request->method) ||
		!http_span_cut(&line, ' ', &request->target))
		return refuse(
			request, 400, "request line is not METHOD TARGET VERSION (RFC 9112 3)");
	if (!http_span_has_only(request->method, HTTP_TOKEN))
		return refuse(request, 400, "method is not a token (RFC 9110 9.1)");
	return version_parse(request, line) && target_parse(request);
}

/* ---- header lines ------------------------------------------------------ */

/*
 * Where a header goes that may be there once. Two If-Match or If-None-Match lines would be
 * a list (RFC 9110 5.3), but no client sends them so; refused like the rest, as nginx does.
 */
static struct http_span *once_slot(struct http_request *request, enum http_name name)
{
	/* No slot is at the start of the struct. */
	static const uint16_t offsets[HTTP_NAMES] = {
		[HTTP_NAME_RANGE] = offsetof(struct http_request, range),
		[HTTP_NAME_IF_RANGE] = offsetof(struct http_request, if_range),
		[HTTP_NAME_IF_MATCH] = offsetof(struct http_request, if_match),
		[HTTP_NAME_IF_NONE_MATCH] = offsetof(struct http_request, if_none_match),
		[HTTP_NAME_IF_MODIFIED_SINCE] = offsetof(struct http_request, if_modified_since),
		[HTTP_NAME_IF_UNMODIFIED_SINCE] =
			offsetof(struct http_request, if_unmodified_since),
		[HTTP_NAME_AUTHORIZATION] = offsetof(struct http_request, authorization),
	};
	void *slot = (char *)request + offsets[name];

	return offsets[name] == 0 ? NULL : slot;
}

/* Every URI that leads here has a host, so an empty one is not valid either. */
static bool take_host(struct http_request *request, struct http_span value)
{
	if (request->host.data != NULL)
		return refuse(request, 400, "more than one Host (RFC 9112 3.2)");
	if (!host_is_valid(value))
		return refuse(request, 400, "Host is not valid (RFC 9112 3.2)");
	request->host = value;
	request->has_host = true;
	return true;
}

/* For the log only: the first of them will do. */
static void take_first(struct http_span *slot, struct http_span value)
{
	if (slot->data == NULL)
		*slot = value;
}

/* The second line is no list to the one span there is for it: no protocol is asked for. */
static void take_upgrade(struct http_request *request, struct http_span value)
{
	bool is_repeated = request->upgrade.data != NULL;

	request->upgrade = value;
	if (is_repeated)
		request->upgrade.len = 0;
}

/*
 * Programs behind us that turn names into variables, as CGI does, take these for
 * the real ones, and frame the body by them.
 */
static bool passes_for_framing(struct http_span name)
{
	static const struct http_span length = {.data = "content-length", .len = 14};
	static const struct http_span encoding = {.data = "transfer-encoding", .len = 17};

	return (name.len == length.len && http_field_passes_for(name, length)) ||
	       (name.len == encoding.len && http_field_passes_for(name, encoding));
}

static bool field_take(
	struct http_request *request, enum http_name name, const struct http_field *field)
{
	struct http_span *slot = once_slot(request, name);

	if (slot != NULL && slot->data != NULL)
		return refuse(
			request, 400, "a header that may be there once is repeated (RFC 9110 5.3)");
	if (slot != NULL)
		*slot = field->value;
	else if (name == HTTP_NAME_HOST)
		return take_host(request, field->value);
	else if (name == HTTP_NAME_USER_AGENT)
		take_first(&request->user_agent, field->value);
	else if (name == HTTP_NAME_REFERER)
		take_first(&request->referer, field->value);
	else if (name == HTTP_NAME_UPGRADE)
		take_upgrade(request, field->value);
	else if (name == HTTP_NAME_EXPECT)
		request->expects_continue = request->expects_continue ||
					    http_span_is_nocase(field->value, "100-continue");
	else if (name == HTTP_NAME_OTHER && passes_for_framing(field->name))
		return refuse(request, 400, "a name that passes for a framing header");
	return true;
}

static bool fields_parse(struct http_request *request, struct http_framing *framing)
{
	struct http_refusal refusal = {.status = 0};
	struct http_span rest = request->fields;

	while (rest.len > 0) {
		struct http_field field;
		enum http_name name;

		if (!http_field_parse(&rest, &field, &refusal))
			return refuse(request, refusal.status, refusal.reason);
		name = http_name_find(field.name);
		if (!field_take(request, name, &field))
			return false;
		if (!http_framing_take(framing, name, field.value, &refusal))
			return refuse(request, refusal.status, refusal.reason);
	}
	if (!http_framing_check(framing, request->minor_version, &refusal))
		return refuse(request, refusal.status, refusal.reason);
	return true;
}

/* ---- the head ---------------------------------------------------------- */

static bool is_other_http(struct http_span protocol)
{
	struct http_span name = protocol;

	http_span_cut(&protocol, '/', &name);
	if (http_span_is_nocase(name, "http"))
		return true;
	name.len = name.len > 2 ? 2 : name.len; /* "h2c", "h2c-14", "h2" */
	return http_span_is_nocase(name, "h2");
}

/* See http_request.h for when there is none. */
static void upgrade_decide(struct http_request *request, const struct http_framing *framing)
{
	struct http_span rest = request->upgrade, protocol;
	bool is_asked = framing->says_upgrade && request->minor_version == 1 && rest.len > 0;

	while (is_asked && http_option_next(&rest, &protocol))
		is_asked = !is_other_http(protocol);
	if (!is_asked)
		request->upgrade = (struct http_span){0};
}

static bool head_parse(struct http_request *request)
{
	struct http_framing framing = {0};

	if (!fields_parse(request, &framing))
		return false;
	if (request->minor_version == 1 && request->host.data == NULL)
		return refuse(request, 400, "no Host (RFC 9112 3.2)");
	if (request->form == HTTP_TARGET_ABSOLUTE)
		request->host = request->authority;
	if (request->minor_version == 0)
		request->expects_continue = false;
	upgrade_decide(request, &framing);
	request->keep_alive = http_framing_keeps_alive(&framing, request->minor_version);
	request->chunked = framing.chunked;
	request->has_options = framing.has_options;
	request->has_content_length = framing.has_content_length;
	request->content_length = framing.content_length;
	return true;
}

void http_request_init(struct http_request *request)
{
	*request = (struct http_request){.lines = {.skip_empty = true}};
}

/*
 * The request line is tried at once, so that who speaks something else hears so
 * before a timeout; later calls do it again, as the buffer may have moved.
 */
enum http_parse http_request_parse(struct http_request *request, const struct http_limits *limits,
	const char *data, size_t len)
{
	struct http_refusal refusal = {.status = 0};
	bool is_line_parsed = false;
	enum http_line line;

	if (request->head_len > 0)
		return HTTP_PARSE_DONE;
	if (request->status != 0)
		return HTTP_PARSE_BAD;
	do {
		line = http_lines_step(&request->lines, limits, data, len, &refusal);
		if (line == HTTP_LINE_MORE)
			return HTTP_PARSE_MORE;
		if (line == HTTP_LINE_BAD) {
			refuse(request, refusal.status, refusal.reason);
			return HTTP_PARSE_BAD;
		}
		if (!is_line_parsed &&
			!request_line_parse(request, http_lines_first(&request->lines, data)))
			return HTTP_PARSE_BAD;
		is_line_parsed = true;
	} while (line == HTTP_LINE_FIRST);
	request->fields = http_lines_fields(&request->lines, data);
	if (!head_parse(request))
		return HTTP_PARSE_BAD;
	request->head_len = request->lines.scanned;
	return HTTP_PARSE_DONE;
}

bool http_request_has_body(const struct http_request *request)
{
	return request->chunked || request->content_length > 0;
}

bool http_request_is_idempotent(const struct http_request *request)
{
	static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		if (http_span_is(request->method, methods[i]))
			return true;
	}
	return false;
}
