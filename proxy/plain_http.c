#include "proxy/plain_http.h"

#include "proxy/address.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define HOST_MAX 255

bool plain_http_is_request(const uint8_t *data, size_t len)
{
	/* TLS record types are 20 to 24: no upper-case letter is one. */
	size_t letters = 0;
	while (letters < len && letters < 3 && data[letters] >= 'A' && data[letters] <= 'Z')
		letters++;
	return letters > 0 && (letters == len || letters == 3);
}

static bool is_host_character(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '-' || c == ':' || c == '[' ||
	       c == ']';
}

/* The value of Host when it can stand in a URL as it is. */
static bool find_host(const char *request, size_t len, char host[HOST_MAX + 1])
{
	static const char name[] = "\nhost:";
	for (size_t i = 0; i + sizeof name - 1 < len; i++) {
		if (strncasecmp(request + i, name, sizeof name - 1) != 0)
			continue;
		const char *value = request + i + sizeof name - 1, *end = request + len;
		size_t n = 0;
		while (value < end && *value == ' ')
			value++;
		while (value + n < end && n < HOST_MAX && is_host_character(value[n]))
			n++;
		if (n == 0 || value + n >= end || (value[n] != '\r' && value[n] != '\n'))
			return false;
		memcpy(host, value, n);
		host[n] = '\0';
		return true;
	}
	return false;
}

static void local_address(int fd, char text[ADDRESS_TEXT])
{
	struct sockaddr_storage storage;
	socklen_t len = sizeof storage;
	void *address = &storage;
	if (getsockname(fd, address, &len) < 0)
		storage.ss_family = AF_UNSPEC;
	address_text(address, text);
}

size_t plain_http_reply(int fd, const uint8_t *request, size_t len, char *out, size_t size)
{
	char host[HOST_MAX + 1], body[HOST_MAX + 160];
	_Static_assert(sizeof host >= ADDRESS_TEXT, "an address fits where a host does");
	if (!find_host((const char *)request, len, host))
		local_address(fd, host);
	int body_len = snprintf(body, sizeof body,
		"This port speaks HTTPS, and the request was plain HTTP.\n"
		"Use https://%s/ instead.\n",
		host);
	int n = snprintf(out, size,
		"HTTP/1.1 400 Bad Request\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Length: %d\r\n"
		"Connection: close\r\n"
		"\r\n%s",
		body_len, body);
	return (size_t)n;
}
