#include "proxy/plain_policy.h"

#include "proxy/address.h"
#include "proxy/writer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* ---- paths ------------------------------------------------------------------------ */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A character of a path, decoded once. */
struct character {
	int value; /* 0 to 255; -1 at the end */
	size_t len;
	bool is_encoded;
};

/* A '%' that begins no escape is a character of its own. */
static struct character first_of(struct http_span path)
{
	if (path.len == 0)
		return (struct character){.value = -1};
	if (path.data[0] == '%' && path.len >= 3) {
		int high = hex_digit(path.data[1]), low = hex_digit(path.data[2]);
		if (high >= 0 && low >= 0)
			return (struct character){high * 16 + low, 3, true};
	}
	return (struct character){(unsigned char)path.data[0], 1, false};
}

static struct character take(struct http_span *path)
{
	struct character c = first_of(*path);
	path->data += c.len;
	path->len -= c.len;
	return c;
}

static bool is_separator(struct character c)
{
	return c.value == '/' && !c.is_encoded;
}

/* Servers that know path parameters (RFC 3986 3.3) look for names without them. */
static void skip_parameters(struct http_span *path)
{
	if (first_of(*path).value != ';')
		return;
	while (path->len > 0 && path->data[0] != '/') {
		path->data++;
		path->len--;
	}
}

/* Is `rule`, which begins with '/', the path or a directory above it? */
static bool is_below(struct http_span rule, struct http_span path, bool without_parameters)
{
	while (rule.len > 0 && rule.data[rule.len - 1] == '/')
		rule.len--;
	if (rule.len == 0)
		return true; /* "/" is above all, the target "*" of OPTIONS too */
	while (rule.len > 0) {
		if (without_parameters)
			skip_parameters(&path);
		struct character wanted = take(&rule), c = take(&path);
		if (wanted.value != c.value || is_separator(wanted) != is_separator(c))
			return false;
	}
	if (without_parameters)
		skip_parameters(&path);
	return path.len == 0 || is_separator(first_of(path));
}

static enum conf_action find_action(
	const struct conf_server *conf, struct http_span path, bool without_parameters)
{
	for (size_t i = 0; i < conf->http_action_count; i++) {
		const char *text = conf->http_action[i].path;
		struct http_span rule = {.data = text, .len = strlen(text)};
		if (is_below(rule, path, without_parameters))
			return conf->http_action[i].action;
	}
	return CONF_ACTION_REDIRECT;
}

/* Is there more than one kind of action, that of no rule among them? */
static bool depends_on_path(const struct conf_server *conf)
{
	static const struct http_span anything = {.data = "*", .len = 1};
	enum conf_action rest = find_action(conf, anything, false);
	for (size_t i = 0; i < conf->http_action_count; i++)
		if (conf->http_action[i].action != rest)
			return true;
	return false;
}

/*
 * Nothing, "." or "..", with parameters or without, that something follows or could:
 * "/;x/soap" and "/y/..;x/soap" are "/soap" for some.
 */
static bool is_no_name(struct http_span path)
{
	unsigned dots = 0;
	while (first_of(path).value == '.') {
		take(&path);
		dots++;
	}
	struct character next = first_of(path);
	if (next.value == -1)
		return dots == 1 || dots == 2;
	return dots <= 2 && (next.value == '/' || next.value == ';');
}

/* Do servers differ in what they make of it, whatever the rules? */
static bool has_two_readings(struct http_span path)
{
	while (path.len > 0) {
		struct character c = take(&path);
		if (c.value == '\\' || c.value == '\0' || (c.value == '/' && c.is_encoded))
			return true;
		if (c.value == '%' && !c.is_encoded)
			return true;
		if (is_separator(c) && is_no_name(path))
			return true;
	}
	return false;
}

enum conf_action plain_action(
	const struct conf_server *conf, struct http_span path, bool *ambiguous)
{
	enum conf_action action = find_action(conf, path, false);
	*ambiguous = depends_on_path(conf) &&
		     (has_two_readings(path) || find_action(conf, path, true) != action);
	return action;
}

/* ---- the https URL ---------------------------------------------------------------- */

static void put_encoded(struct writer *writer, struct http_span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i], escape[4];
		if (c > ' ' && c <= '~' && !strchr("\"'<>\\#`", c)) {
			writer_put(writer, &c, 1);
			continue;
		}
		snprintf(escape, sizeof escape, "%%%02X", (unsigned char)c);
		writer_put(writer, escape, 3);
	}
}

/* Letters, digits and what names are seen with (RFC 3986 3.2.2, less than reg-name). */
static bool is_name_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("-._~", c));
}

/* The length of "[2001:db8::1]" at the front; 0: no such thing. */
static size_t literal_len(struct http_span host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	const char *end = memchr(host.data, ']', host.len);
	size_t len = end ? (size_t)(end - host.data) : 0;
	if (len < 2 || len > sizeof text)
		return 0;
	memcpy(text, host.data + 1, len - 1);
	text[len - 1] = '\0';
	/* A NUL would be the end for inet_pton() only. */
	bool is_address = strlen(text) == len - 1 && inet_pton(AF_INET6, text, &address) == 1;
	return is_address ? len + 1 : 0;
}

/* The length of the host in front of ":PORT"; 0: not one that can stand in a URL. */
static size_t host_len(struct http_span host)
{
	size_t len = 0;
	if (host.len > 0 && host.data[0] == '[')
		len = literal_len(host);
	else
		while (len < host.len && is_name_character(host.data[len]))
			len++;
	for (size_t i = len; i < host.len; i++)
		if (i == len ? host.data[i] != ':' : host.data[i] < '0' || host.data[i] > '9')
			return 0;
	return len;
}

static bool put_host(struct writer *writer, struct http_span host, const struct sockaddr *local)
{
	char text[ADDRESS_TEXT], bracketed[ADDRESS_TEXT + 2];
	size_t len = host_len(host);
	uint8_t ip[16];
	if (len > 0) {
		writer_put(writer, host.data, len);
		return true;
	}
	int family = local ? address_ip(local, ip) : AF_UNSPEC;
	if (family == AF_UNSPEC)
		return false;
	address_host(local, text);
	snprintf(bracketed, sizeof bracketed, family == AF_INET6 ? "[%s]" : "%s", text);
	writer_text(writer, bracketed);
	return true;
}

size_t https_location(struct http_span host, const struct sockaddr *local, uint16_t secure_port,
	struct http_span path, struct http_span query, char *out, size_t size)
{
	struct writer writer = {.data = out, .size = size};
	if (path.len > 0 && path.data[0] != '/')
		return 0;
	writer_text(&writer, "https://");
	if (!put_host(&writer, host, local))
		return 0;
	if (secure_port != 443) {
		writer_text(&writer, ":");
		writer_number(&writer, secure_port);
	}
	if (path.len == 0)
		writer_text(&writer, "/");
	put_encoded(&writer, path);
	if (query.data)
		writer_text(&writer, "?");
	put_encoded(&writer, query);
	return writer_len(&writer);
}
