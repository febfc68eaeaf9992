/* Responses from a backend: however they arrive, head and body end at the same byte. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/http_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parses a copy of exactly `len` bytes, so that a read beyond them is noticed. */
static enum http_parse copy_parse(
	struct http_response *response, char **copy, const uint8_t *data, size_t len)
{
	free(*copy);
	*copy = malloc(len > 0 ? len : 1);
	if (*copy == NULL)
		abort();
	memcpy(*copy, data, len);
	return http_response_parse(response, &http_default_limits, *copy, len);
}

static void same_span(struct http_span a, struct http_span b)
{
	assert((a.data == NULL) == (b.data == NULL));
	assert(a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
}

static void same_response(const struct http_response *a, const struct http_response *b)
{
	assert(a->head_len == b->head_len && a->status == b->status);
	assert(a->minor_version == b->minor_version && a->keep_alive == b->keep_alive);
	assert(a->chunked == b->chunked && a->has_content_length == b->has_content_length);
	assert(a->content_length == b->content_length && a->has_upgrade == b->has_upgrade);
	assert(a->has_options == b->has_options && a->has_date == b->has_date);
	same_span(a->reason, b->reason);
	same_span(a->fields, b->fields);
}

/* The fields are whole lines, one after the other, and nothing else. */
static void fields_check(const struct http_response *response)
{
	struct http_span rest = response->fields;
	struct http_field field;
	size_t sum = 0;

	while (http_field_next(&rest, &field)) {
		assert(field.name.len > 0 && field.line.len >= field.name.len + 3);
		assert(memcmp(field.line.data + field.line.len - 2, "\r\n", 2) == 0);
		assert(memchr(field.line.data, '\r', field.line.len - 2) == NULL);
		assert(memchr(field.line.data, '\0', field.line.len) == NULL);
		sum += field.line.len;
	}
	assert(sum == response->fields.len);
}

static int64_t scan_pieces(struct http_body *body, const char *data, size_t len, size_t step)
{
	int64_t sum = 0;

	for (size_t at = 0; at < len && !body->complete; at += step) {
		uint64_t blind = http_body_blind(body);
		size_t n = step < len - at ? step : len - at;
		int64_t taken = (int64_t)n;

		if (blind >= n)
			http_body_passed(body, n);
		else
			taken = http_body_scan(body, data + at, n);
		if (taken < 0)
			return -1;
		assert(taken == (int64_t)n || body->complete);
		sum += taken;
	}
	return sum;
}

static void body_check(
	const struct http_response *response, bool to_head, const char *data, size_t len)
{
	struct http_body whole, pieces;
	int64_t taken;

	http_body_of_response(&whole, response, to_head);
	http_body_of_response(&pieces, response, to_head);
	taken = http_body_scan(&whole, data, len);
	assert(taken <= (int64_t)len && (taken < 0) == (whole.error != NULL));
	assert(taken < 0 || whole.complete || taken == (int64_t)len);
	assert(taken < 0 || whole.data <= (uint64_t)taken);
	assert(scan_pieces(&pieces, data, len, 1 + len / 32) == taken);
	assert(pieces.error == whole.error && pieces.complete == whole.complete);
	assert(pieces.data == whole.data && pieces.left == whole.left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_response whole, pieces;
	enum http_parse parse, again = HTTP_PARSE_MORE;
	char *copy = NULL, *copy_of_pieces = NULL;
	size_t step = 1 + size / 24;

	http_response_init(&whole);
	parse = copy_parse(&whole, &copy, data, size);
	http_response_init(&pieces);
	for (size_t len = 0; again == HTTP_PARSE_MORE && len < size; len += step)
		again = copy_parse(&pieces, &copy_of_pieces, data, len);
	if (again == HTTP_PARSE_MORE)
		again = copy_parse(&pieces, &copy_of_pieces, data, size);

	assert(parse == again && whole.error == pieces.error);
	assert((parse == HTTP_PARSE_BAD) == (whole.error != NULL));
	if (parse == HTTP_PARSE_DONE) {
		assert(whole.head_len <= size && whole.head_len <= http_default_limits.head);
		same_response(&whole, &pieces);
		fields_check(&whole);
		body_check(&whole, false, copy + whole.head_len, size - whole.head_len);
		body_check(&whole, true, copy + whole.head_len, size - whole.head_len);
	}
	free(copy_of_pieces);
	free(copy);
	return 0;
}
