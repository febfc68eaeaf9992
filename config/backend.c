#include "config/syntax.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config/conf.h"
#include "config/text.h"

#define HOST_LENGTH_MAX 253

static const char *const wants_form =
	"must be HOST:PORT, [IPv6]:PORT, unix:PATH or files:DIRECTORY";

static bool port_parse(const char *text, uint16_t *port)
{
	unsigned long value = 0;

	if (*text == '\0' || strlen(text) > 5 || text[strspn(text, "0123456789")] != '\0')
		return false;
	value = strtoul(text, NULL, 10);
	if (value < 1 || value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	return true;
}

static bool is_ipv6(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_host(const char *text)
{
	static const char characters[] = "abcdefghijklmnopqrstuvwxyz"
					 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789-_.";

	return *text != '\0' && text[strspn(text, characters)] == '\0';
}

/* Checks HOST or [IPv6] and takes the brackets off. */
static const char *host_parse(char *host)
{
	size_t len = strlen(host);

	if (host[0] == '[' && len > 2 && host[len - 1] == ']') {
		host[len - 1] = '\0';
		memmove(host, host + 1, len - 1);
		return is_ipv6(host) ? NULL
				     : "has something else than an IPv6 address in its brackets";
	}
	if (strchr(host, ':'))
		return "must have its IPv6 address in brackets: [IPv6]:PORT";
	return is_host(host) ? NULL : wants_form;
}

static int tcp_parse(const char *text, struct conf_backend *backend, const char **why)
{
	char host[HOST_LENGTH_MAX + 1];
	const char *colon = strrchr(text, ':');

	*why = wants_form;
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	*why = "must end in a port from 1 to 65535: HOST:PORT";
	if (!port_parse(colon + 1, &backend->port))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	*why = host_parse(host);
	if (*why)
		return -EINVAL;
	backend->host = conf_text_copy(host);
	return backend->host ? 0 : -ENOMEM;
}

static int path_parse(
	const char *path, const char *directory, struct conf_backend *backend, const char **why)
{
	const struct sockaddr_un *socket_address = NULL;

	*why = "needs a path behind the colon: unix:PATH or files:DIRECTORY";
	if (*path == '\0')
		return -EINVAL;
	backend->path = conf_path_resolve(directory, path);
	if (!backend->path)
		return -ENOMEM;
	*why = "names a path that is too long";
	if (!conf_syntax_path.is_sound(backend->path))
		return -EINVAL;
	*why = "names a socket whose absolute path is longer than 107 bytes; use a shorter one";
	if (backend->type == CONF_BACKEND_UNIX &&
		strlen(backend->path) >= sizeof(socket_address->sun_path))
		return -EINVAL;
	return 0;
}

int conf_backend_parse(
	const char *text, const char *directory, struct conf_backend *backend, const char **why)
{
	backend->text = conf_text_copy(text);
	if (!backend->text)
		return -ENOMEM;
	if (strncmp(text, "unix:", strlen("unix:")) == 0) {
		backend->type = CONF_BACKEND_UNIX;
		return path_parse(text + strlen("unix:"), directory, backend, why);
	}
	if (strncmp(text, "files:", strlen("files:")) == 0) {
		backend->type = CONF_BACKEND_FILES;
		return path_parse(text + strlen("files:"), directory, backend, why);
	}
	backend->type = CONF_BACKEND_TCP;
	return tcp_parse(text, backend, why);
}
