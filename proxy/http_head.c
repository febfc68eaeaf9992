#include "proxy/http_head.h"

#include "proxy/http_syntax.h"

#include <string.h>

const struct http_limits http_default_limits = {.head = 16384, .line = 8192, .fields = 100};

/* ---- lines ------------------------------------------------------------- */

static enum http_line line_refuse(struct http_refusal *refusal, int status, const char *reason)
{
	http_refuse(refusal, status, reason);
	return HTTP_LINE_BAD;
}

static enum http_line line_count(
	struct http_lines *lines, const struct http_limits *limits, struct http_refusal *refusal)
{
	lines->count++;
	if (lines->count == 1) {
		lines->first = lines->start;
		lines->fields = lines->scanned;
		return HTTP_LINE_FIRST;
	}
	if (lines->count - 1 > limits->fields)
		return line_refuse(refusal, 431, "too many header lines");
	return HTTP_LINE_MORE;
}

/* Looks at the line that ends at lines->scanned. */
static enum http_line line_check(struct http_lines *lines, const struct http_limits *limits,
	const char *data, struct http_refusal *refusal)
{
	const char *line = data + lines->start;
	size_t len = lines->scanned - lines->start;

	if (lines->count == 0 && len > (size_t)limits->line + 2)
		return line_refuse(refusal, 414, "first line too long");
	if (len < 2 || line[len - 2] != '\r')
		return line_refuse(refusal, 400, "line ends without CR (RFC 9112 2.2)");
	if (len > 2)
		return line_count(lines, limits, refusal);
	if (lines->count > 0)
		return HTTP_LINE_LAST;
	/* RFC 9112 2.2 asks to ignore at least one empty line in front: it gets one. */
	if (lines->skip_empty && lines->start == 0)
		return HTTP_LINE_MORE;
	return line_refuse(refusal, 400, "empty lines in place of the first one (RFC 9112 2.2)");
}

/* Whole lines obey the limits already; this is for the one still coming. */
static enum http_line limits_check(const struct http_lines *lines, const struct http_limits *limits,
	struct http_refusal *refusal)
{
	if (lines->count == 0 && lines->scanned - lines->start > (size_t)limits->line + 1)
		return line_refuse(refusal, 414, "first line too long");
	if (lines->scanned >= limits->head)
		return line_refuse(refusal, 431, "head too long");
	return HTTP_LINE_MORE;
}

enum http_line http_lines_step(struct http_lines *lines, const struct http_limits *limits,
	const char *data, size_t len, struct http_refusal *refusal)
{
	size_t window = len < limits->head ? len : limits->head;
	enum http_line line = HTTP_LINE_MORE;

	while (line == HTTP_LINE_MORE && lines->scanned < window) {
		const char *from = data + lines->scanned;
		const char *newline = memchr(from, '\n', window - lines->scanned);

		if (newline == NULL) {
			lines->scanned = window;
			break;
		}
		lines->scanned += (size_t)(newline - from) + 1;
		line = line_check(lines, limits, data, refusal);
		lines->start = lines->scanned;
	}
	return line == HTTP_LINE_MORE ? limits_check(lines, limits, refusal) : line;
}

struct http_span http_lines_first(const struct http_lines *lines, const char *data)
{
	return (struct http_span){
		.data = data + lines->first, .len = lines->fields - lines->first - 2};
}

struct http_span http_lines_fields(const struct http_lines *lines, const char *data)
{
	return (struct http_span){
		.data = data + lines->fields, .len = lines->scanned - lines->fields - 2};
}

/* ---- header lines ------------------------------------------------------ */

/*
 * The first byte that no value may hold (RFC 9110 5.5). There is one: the line ends in
 * CRLF, another CRLF behind it. Eight bytes at a time as long as they hold none below
 * 0x20, such as a tab, and no 0x7f.
 */
static const char *value_end(const char *at, const char *end)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;

	while (end - at >= 8) {
		uint64_t word, low, del;

		memcpy(&word, at, sizeof(word));
		low = (word - ones * 0x20) & ~word;
		word ^= ones * 0x7f;
		del = (word - ones) & ~word;
		if (((low | del) & high) != 0)
			break;
		at += 8;
	}
	while (http_is(*at, HTTP_TEXT))
		at++;
	return at;
}

/* What is wrong with the line where its name ends. */
static bool name_refuse(struct http_refusal *refusal, const char *line, const char *name_end)
{
	if (*line == ' ' || *line == '\t')
		return http_refuse(refusal, 400, "folded header line (RFC 9112 5.2)");
	if (*name_end == '\r' && name_end[1] == '\n')
		return http_refuse(refusal, 400, "header line without a colon (RFC 9112 5)");
	return http_refuse(refusal, 400, "header name is not a token (RFC 9112 5.1)");
}

bool http_field_parse(
	struct http_span *rest, struct http_field *field, struct http_refusal *refusal)
{
	const char *line = rest->data, *end = rest->data + rest->len, *at = line;

	while (http_is(*at, HTTP_TOKEN))
		at++;
	if (*at != ':' || at == line)
		return name_refuse(refusal, line, at);
	field->name = (struct http_span){.data = line, .len = (size_t)(at - line)};
	at++;
	field->value.data = at;
	at = value_end(at, end);
	if (at[0] != '\r' || at[1] != '\n')
		return http_refuse(refusal, 400, "control character in a header (RFC 9110 5.5)");
	field->value.len = (size_t)(at - field->value.data);
	field->value = http_span_trim(field->value);
	field->line = (struct http_span){.data = line, .len = (size_t)(at - line) + 2};
	rest->data += field->line.len;
	rest->len -= field->line.len;
	return true;
}

bool http_field_next(struct http_span *rest, struct http_field *field)
{
	struct http_span value;

	if (!http_span_cut(rest, '\n', &value))
		return false;
	field->line = (struct http_span){.data = value.data, .len = value.len + 1};
	value.len--; /* the CR */
	http_span_cut(&value, ':', &field->name);
	field->value = http_span_trim(value);
	return true;
}

/* ---- framing ----------------------------------------------------------- */

bool http_option_next(struct http_span *rest, struct http_span *option)
{
	if (rest->data == NULL)
		return false;
	if (!http_span_cut(rest, ',', option)) {
		*option = *rest;
		*rest = (struct http_span){0};
	}
	*option = http_span_trim(*option);
	return true;
}

/* RFC 9112 6.3 would let "5, 5" pass as 5: one reading only, so it does not. */
static bool take_content_length(
	struct http_framing *framing, struct http_span value, struct http_refusal *refusal)
{
	if (framing->has_content_length)
		return http_refuse(refusal, 400, "more than one Content-Length (RFC 9112 6.3)");
	if (!http_span_decimal(value, &framing->content_length))
		return http_refuse(refusal, 400, "Content-Length is not a number (RFC 9112 6.3)");
	framing->has_content_length = true;
	return true;
}

static bool take_transfer_encoding(
	struct http_framing *framing, struct http_span value, struct http_refusal *refusal)
{
	if (framing->chunked)
		return http_refuse(refusal, 400, "more than one Transfer-Encoding (RFC 9112 6.1)");
	if (!http_span_is_nocase(value, "chunked"))
		return http_refuse(refusal, 501, "Transfer-Encoding is not chunked (RFC 9112 6.1)");
	framing->chunked = true;
	return true;
}

/* Whoever obeyed such an option would lose what frames or routes the message. */
static bool may_not_be_an_option(enum http_name name)
{
	return name == HTTP_NAME_CONTENT_LENGTH || name == HTTP_NAME_TRANSFER_ENCODING ||
	       name == HTTP_NAME_HOST;
}

static bool take_connection(
	struct http_framing *framing, struct http_span value, struct http_refusal *refusal)
{
	struct http_span option;

	while (http_option_next(&value, &option)) {
		enum http_name name = http_name_find(option);

		if (++framing->options > HTTP_CONNECTION_OPTIONS_MAX)
			return http_refuse(refusal, 431, "too many Connection options");
		if (may_not_be_an_option(name))
			return http_refuse(refusal, 400,
				"Connection names a header for every hop (RFC 9110 7.6.1)");
		if (name == HTTP_NAME_KEEP_ALIVE)
			framing->says_keep_alive = true;
		else if (name == HTTP_NAME_UPGRADE)
			framing->says_upgrade = true;
		else if (http_span_is_nocase(option, "close"))
			framing->says_close = true;
		else if (option.len > 0)
			framing->has_options = true;
	}
	return true;
}

bool http_framing_take(struct http_framing *framing, enum http_name name, struct http_span value,
	struct http_refusal *refusal)
{
	if (name == HTTP_NAME_CONTENT_LENGTH)
		return take_content_length(framing, value, refusal);
	if (name == HTTP_NAME_TRANSFER_ENCODING)
		return take_transfer_encoding(framing, value, refusal);
	if (name == HTTP_NAME_CONNECTION)
		return take_connection(framing, value, refusal);
	return true;
}

bool http_framing_check(
	const struct http_framing *framing, unsigned minor_version, struct http_refusal *refusal)
{
	if (framing->chunked && framing->has_content_length)
		return http_refuse(
			refusal, 400, "Content-Length beside Transfer-Encoding (RFC 9112 6.1)");
	if (framing->chunked && minor_version == 0)
		return http_refuse(refusal, 400, "Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)");
	return true;
}

bool http_framing_keeps_alive(const struct http_framing *framing, unsigned minor_version)
{
	return !framing->says_close && (minor_version == 1 || framing->says_keep_alive);
}

/* ---- names ------------------------------------------------------------- */

bool http_field_is_connection_option(struct http_span fields, struct http_span name)
{
	struct http_field field;

	while (http_field_next(&fields, &field)) {
		struct http_span option;

		if (http_name_find(field.name) != HTTP_NAME_CONNECTION)
			continue;
		while (http_option_next(&field.value, &option)) {
			if (http_name_is_same(option, name))
				return true;
		}
	}
	return false;
}

bool http_field_passes_for(struct http_span name, struct http_span known)
{
	for (size_t i = 0; name.len == known.len && i < name.len; i++) {
		bool is_alnum = http_is(name.data[i], HTTP_ALNUM);

		if (is_alnum != http_is(known.data[i], HTTP_ALNUM))
			return false;
		if (is_alnum && ((name.data[i] ^ known.data[i]) & ~0x20) != 0)
			return false;
	}
	return name.len == known.len;
}
