#include "proxy/http_response.h"

#include "proxy/http_syntax.h"

#include <string.h>

static bool refuse(struct http_response *response, const char *error)
{
	response->error = error;
	return false;
}

/* "HTTP/1.1 200 OK"; servers are about that leave out the space before no reason, too. */
static bool status_line_parse(struct http_response *response, struct http_span line)
{
	const char *text = line.data;

	if (line.len < 9 || memcmp(text, "HTTP/", 5) != 0 || text[8] != ' ')
		return refuse(response, "status line is not VERSION STATUS REASON (RFC 9112 4)");
	if (text[5] != '1' || text[6] != '.' || (text[7] != '0' && text[7] != '1'))
		return refuse(response, "HTTP version is neither 1.0 nor 1.1 (RFC 9112 2.3)");
	if (line.len < 12 || text[9] < '1' || text[9] > '5' || !http_is(text[10], HTTP_DIGIT) ||
		!http_is(text[11], HTTP_DIGIT) || (line.len > 12 && text[12] != ' '))
		return refuse(response, "status is not a number from 100 to 599 (RFC 9110 15)");
	response->minor_version = text[7] == '1' ? 1 : 0;
	response->status = (unsigned)(text[9] - '0') * 100 + (unsigned)(text[10] - '0') * 10 +
			   (unsigned)(text[11] - '0');
	response->reason.data = text + (line.len > 12 ? 13 : 12);
	response->reason.len = line.len > 12 ? line.len - 13 : 0;
	if (response->reason.len > 0 && !http_span_has_only(response->reason, HTTP_TEXT))
		return refuse(response, "control character in the reason phrase (RFC 9112 4)");
	return true;
}

static bool fields_parse(struct http_response *response, struct http_framing *framing)
{
	struct http_refusal refusal = {.status = 0};
	struct http_span rest = response->fields;

	while (rest.len > 0) {
		struct http_field field;
		enum http_name name;

		if (!http_field_parse(&rest, &field, &refusal))
			return refuse(response, refusal.reason);
		name = http_name_find(field.name);
		if (name == HTTP_NAME_DATE)
			response->has_date = true;
		else if (name == HTTP_NAME_UPGRADE)
			response->has_upgrade = true;
		else if (!http_framing_take(framing, name, field.value, &refusal))
			return refuse(response, refusal.reason);
	}
	if (!http_framing_check(framing, response->minor_version, &refusal))
		return refuse(response, refusal.reason);
	return true;
}

static bool head_parse(struct http_response *response)
{
	struct http_framing framing = {0};

	if (!fields_parse(response, &framing))
		return false;
	response->keep_alive = http_framing_keeps_alive(&framing, response->minor_version);
	response->chunked = framing.chunked;
	response->has_content_length = framing.has_content_length;
	response->content_length = framing.content_length;
	response->has_upgrade = response->has_upgrade && framing.says_upgrade;
	response->has_options = framing.has_options;
	return true;
}

void http_response_init(struct http_response *response)
{
	*response = (struct http_response){0};
}

/* The status line is tried at once, as http_request_parse() does with its line. */
enum http_parse http_response_parse(struct http_response *response,
	const struct http_limits *limits, const char *data, size_t len)
{
	struct http_refusal refusal = {.status = 0};
	bool is_line_parsed = false;
	enum http_line line;

	if (response->head_len > 0)
		return HTTP_PARSE_DONE;
	if (response->error != NULL)
		return HTTP_PARSE_BAD;
	do {
		line = http_lines_step(&response->lines, limits, data, len, &refusal);
		if (line == HTTP_LINE_MORE)
			return HTTP_PARSE_MORE;
		if (line == HTTP_LINE_BAD) {
			refuse(response, refusal.reason);
			return HTTP_PARSE_BAD;
		}
		if (!is_line_parsed &&
			!status_line_parse(response, http_lines_first(&response->lines, data)))
			return HTTP_PARSE_BAD;
		is_line_parsed = true;
	} while (line == HTTP_LINE_FIRST);
	response->fields = http_lines_fields(&response->lines, data);
	if (!head_parse(response))
		return HTTP_PARSE_BAD;
	response->head_len = response->lines.scanned;
	return HTTP_PARSE_DONE;
}
