#include "proxy/plain_http.h"

#include "proxy/address.h"
#include "proxy/http_reply.h"
#include "proxy/plain_policy.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define URL_MAX 300 /* a name has at most 253 characters */

bool plain_http_is_request(const uint8_t *data, size_t len)
{
	/* TLS record types are 20 to 24: no upper-case letter is one. */
	size_t letters = 0;
	while (letters < len && letters < 3 && data[letters] >= 'A' && data[letters] <= 'Z')
		letters++;
	return letters > 0 && (letters == len || letters == 3);
}

/* The value of Host; nothing has looked at it yet. */
static struct http_span find_host(const char *request, size_t len)
{
	static const char name[] = "\nhost:";
	const size_t name_len = sizeof name - 1;
	for (size_t i = 0; i + name_len < len; i++) {
		if (strncasecmp(request + i, name, name_len) != 0)
			continue;
		const char *value = request + i + name_len, *end = value;
		while (end < request + len && *end != '\r' && *end != '\n')
			end++;
		if (end == request + len)
			break; /* the rest of it has not come yet */
		return http_span_trim(
			(struct http_span){.data = value, .len = (size_t)(end - value)});
	}
	return (struct http_span){0};
}

/* The port that the client has used; translated on the way, ours may be another. */
static uint16_t port_of(struct http_span host)
{
	const char *colon = host.len ? memrchr(host.data, ':', host.len) : NULL;
	struct http_span digits = {0};
	uint64_t port;
	if (colon)
		digits = (struct http_span){
			.data = colon + 1, .len = (size_t)(host.data + host.len - colon - 1)};
	if (!http_span_decimal(digits, &port) || port == 0 || port > UINT16_MAX)
		return 443;
	return (uint16_t)port;
}

/* 0: neither the request nor the socket knows a host. */
static size_t find_url(int fd, const uint8_t *request, size_t len, char url[URL_MAX])
{
	static const struct http_span none, root = {.data = "/", .len = 1};
	struct http_span host = find_host((const char *)request, len);
	size_t url_len = https_location(host, NULL, port_of(host), root, none, url, URL_MAX);
	if (url_len > 0)
		return url_len;
	struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
	socklen_t size = sizeof storage;
	void *local = &storage;
	if (getsockname(fd, local, &size) < 0)
		return 0;
	return https_location(none, local, address_port(local), root, none, url, URL_MAX);
}

size_t plain_http_reply(int fd, const uint8_t *request, size_t len, char *out, size_t size)
{
	char url[URL_MAX], text[URL_MAX + 128];
	size_t url_len = find_url(fd, request, len, url);
	snprintf(text, sizeof text,
		"This port speaks HTTPS, and the request was plain HTTP.\nUse %.*s instead.\n",
		url_len ? (int)url_len : 5, url_len ? url : "https");
	struct http_reply reply = {.status = 400, .text = text, .close = true};
	return http_reply_write(&reply, out, size);
}
