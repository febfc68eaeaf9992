#include "tests/e2e/http.h"
#include "tests/e2e/pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool http_ask(struct client *client, const char *method, const char *path, const char *fields)
{
	char request[2048];
	int len = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
		method, path, fields != NULL ? fields : "");

	return len > 0 && (size_t)len < sizeof(request) &&
	       client_write(client, request, (size_t)len);
}

void http_field(const struct http_response *response, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);
	const char *line = response->head;

	out[0] = '\0';
	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, len) != 0 || line[len] != ':')
			continue;
		line += len + 1;
		line += strspn(line, " ");
		snprintf(out, size, "%.*s", (int)strcspn(line, "\r"), line);
		return;
	}
}

bool http_read_head(struct client *client, struct http_response *response)
{
	char value[64];
	size_t len = 0;

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
	return true;
}

bool http_read_pattern(
	struct client *client, const struct http_response *response, uint64_t seed, uint64_t offset)
{
	uint8_t data[65536];
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
