/*
 * Paths and hosts from strangers: a path that no rule can misread gets the action of
 * the name that any server would make of it, and no URL can break out of its header.
 */
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/plain_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char soap[] = "/soap", slash[] = "/d/";
static struct conf_path_action rules[] = {{soap, CONF_ACTION_PROXY}, {slash, CONF_ACTION_REFUSE}};
static const struct conf_server server = {.http_action = rules, .http_action_count = 2};

static char *copy_of(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1); /* a read beyond its end is noticed */
	if (!copy)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

static int hex(char c)
{
	const char *at = c ? memchr("0123456789abcdef", c | 0x20, 16) : NULL;
	const char *digits = "0123456789abcdef";
	if (c >= '0' && c <= '9')
		return c - '0';
	return at ? (int)(strchr(digits, c | 0x20) - digits) : -1;
}

/* Another reader: decodes, and drops parameters. */
static char *decoded(struct http_span path)
{
	char *name = malloc(path.len + 1);
	size_t len = 0;
	if (!name)
		abort();
	for (size_t i = 0; i < path.len; i++) {
		char c = path.data[i];
		if (c == '%' && path.len - i > 2 && hex(path.data[i + 1]) >= 0) {
			c = (char)(hex(path.data[i + 1]) * 16 + hex(path.data[i + 2]));
			i += 2;
		}
		while (c == ';' && i + 1 < path.len && path.data[i + 1] != '/')
			i++;
		if (c != ';')
			name[len++] = c;
	}
	name[len] = '\0';
	return name;
}

static enum conf_action action_of(const char *name)
{
	if (strncmp(name, "/soap", 5) == 0 && (name[5] == '/' || name[5] == '\0'))
		return CONF_ACTION_PROXY;
	if (strncmp(name, "/d", 2) == 0 && (name[2] == '/' || name[2] == '\0'))
		return CONF_ACTION_REFUSE;
	return CONF_ACTION_REDIRECT;
}

static void path_check(struct http_span path)
{
	bool ambiguous;
	enum conf_action action = plain_action(&server, path, &ambiguous);
	if (ambiguous || path.len == 0 || path.data[0] != '/')
		return;
	char *name = decoded(path);
	assert(action_of(name) == action);
	assert(!strstr(name, "//") && !strstr(name, "/../") && !strchr(name, '\\'));
	free(name);
}

static void location_check(struct http_span host, struct http_span path)
{
	static const struct sockaddr_in local = {.sin_family = AF_INET};
	const void *any = &local;
	char url[512];
	size_t n = https_location(host, any, 8443, path, host, url, sizeof url);
	assert(n <= sizeof url);
	for (size_t i = 0; i < n; i++)
		assert(url[i] > ' ' && url[i] <= '~' && !strchr("\"'<>\\", url[i]));
	assert(n == 0 || memcmp(url, "https://", 8) == 0);
}

/* The host is what stands in front of the first newline. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	size_t host_len = newline ? (size_t)(newline - data) : 0;
	size_t skip = newline ? host_len + 1 : 0;
	char *host = copy_of(data, host_len), *path = copy_of(data + skip, size - skip);
	struct http_span path_span = {.data = path, .len = size - skip};
	path_check(path_span);
	location_check((struct http_span){.data = host, .len = host_len}, path_span);
	free(path);
	free(host);
	return 0;
}
