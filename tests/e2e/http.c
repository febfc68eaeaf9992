#include "tests/e2e/http.h"
#include "tests/e2e/pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CHUNK 65536

/* ---- heads ---- */

bool http_ask(struct client *client, const char *method, const char *path, const char *fields)
{
	char request[2048];
	int len = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
		method, path, fields != NULL ? fields : "");

	return len > 0 && (size_t)len < sizeof(request) &&
	       client_write(client, request, (size_t)len);
}

unsigned http_head_field(const char *head, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);
	const char *line = head;
	unsigned count = 0;

	if (out != NULL)
		out[0] = '\0';
	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, len) != 0 || line[len] != ':')
			continue;
		count++;
		if (out == NULL || count > 1)
			continue;
		line += len + 1;
		line += strspn(line, " ");
		snprintf(out, size, "%.*s", (int)strcspn(line, "\r"), line);
	}
	return count;
}

void http_field(const struct http_response *response, const char *name, char *out, size_t size)
{
	http_head_field(response->head, name, out, size);
}

bool http_read_head(struct client *client, struct http_response *response)
{
	char value[64];
	size_t len = 0;

	response->head[0] = response->trailers[0] = '\0';
	response->status = 0;
	do {
		if (len == sizeof(response->head) - 1)
			return false;
		if (client_read(client, response->head + len, 1) != 1)
			return false;
		response->head[++len] = '\0';
	} while (len < 4 || memcmp(response->head + len - 4, "\r\n\r\n", 4) != 0);
	if (sscanf(response->head, "HTTP/1.1 %d", &response->status) != 1)
		return false;
	http_field(response, "Content-Length", value, sizeof(value));
	response->length = value[0] != '\0' ? strtoll(value, NULL, 10) : -1;
	http_field(response, "Connection", value, sizeof(value));
	response->closes = strcasecmp(value, "close") == 0;
	http_field(response, "Transfer-Encoding", value, sizeof(value));
	response->chunked = strcasecmp(value, "chunked") == 0;
	return true;
}

/* ---- bodies ---- */

static void body_take(struct http_body *body, const uint8_t *data, size_t len)
{
	if (body->text == NULL) {
		body->wrong |= !pattern_matches(body->seed, body->len, data, len);
	} else if (body->len + len < body->size) {
		memcpy(body->text + body->len, data, len);
		body->text[body->len + len] = '\0';
	} else {
		body->wrong = true;
	}
	body->len += len;
}

/* Up to so many bytes; true when all of them came. */
static bool bytes_pass(struct client *client, struct http_body *body, uint64_t count)
{
	uint8_t data[CHUNK];

	while (count > 0) {
		size_t got = client_read(client, data, count < CHUNK ? (size_t)count : CHUNK);

		if (got == 0)
			return false;
		body_take(body, data, got);
		count -= got;
	}
	return true;
}

/* A line without its CR LF; false when the stream ends or it is too long. */
static bool line_read(struct client *client, char *line, size_t size)
{
	size_t len = 0;

	while (len < size && client_read(client, line + len, 1) == 1) {
		if (line[len] == '\n' && len > 0 && line[len - 1] == '\r') {
			line[len - 1] = '\0';
			return true;
		}
		len++;
	}
	return false;
}

static bool trailers_read(struct client *client, char *out, size_t size)
{
	char line[512];
	size_t len = 0;

	while (line_read(client, line, sizeof(line))) {
		if (line[0] == '\0')
			return true;
		if (len < size)
			len += (size_t)snprintf(out + len, size - len, "%s\r\n", line);
	}
	return false;
}

static bool chunks_pass(
	struct client *client, struct http_response *response, struct http_body *body)
{
	char line[512], *end;

	while (line_read(client, line, sizeof(line))) {
		uint64_t len = strtoull(line, &end, 16);

		if (end == line)
			return false;
		if (len == 0)
			return trailers_read(
				client, response->trailers, sizeof(response->trailers));
		if (!bytes_pass(client, body, len) || !line_read(client, line, sizeof(line)) ||
			line[0] != '\0')
			return false;
	}
	return false;
}

static bool has_no_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

bool http_read_body(struct client *client, struct http_response *response, struct http_body *body)
{
	body->len = 0;
	body->wrong = false;
	if (body->text != NULL)
		body->text[0] = '\0';
	if (has_no_body(response->status)) {
		body->complete = true;
	} else if (response->chunked) {
		body->complete = chunks_pass(client, response, body);
	} else if (response->length >= 0) {
		body->complete = bytes_pass(client, body, (uint64_t)response->length);
	} else {
		bytes_pass(client, body, UINT64_MAX);
		body->complete = client_is_complete(client);
	}
	return body->complete && !body->wrong;
}

bool http_read_text(struct client *client, struct http_response *response, char *text, size_t size)
{
	struct http_body body = {.text = text, .size = size};

	return http_read_body(client, response, &body);
}

bool http_read_pattern(
	struct client *client, const struct http_response *response, uint64_t seed, uint64_t offset)
{
	uint8_t data[CHUNK];
	int64_t left = response->length;

	while (left > 0) {
		size_t want = left < (int64_t)sizeof(data) ? (size_t)left : sizeof(data);
		size_t got = client_read(client, data, want);

		if (got == 0 || !pattern_matches(seed, offset, data, got))
			return false;
		offset += got;
		left -= (int64_t)got;
	}
	return response->length >= 0;
}
