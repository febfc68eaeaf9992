#include "tests/pki/responder/http.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HUGE_SIZE ((long long)1 << 30)
#define PATIENCE  120 /* seconds that a connection is kept hanging */
#define CHUNK     65536

/* ---- requests ---- */

static bool head_read(struct exchange *exchange, size_t *got, size_t *end)
{
	*got = 0;
	while (*got < HTTP_HEAD_MAX) {
		const char *found;
		int count =
			BIO_read(exchange->bio, exchange->head + *got, (int)(HTTP_HEAD_MAX - *got));

		if (count <= 0)
			return false;
		*got += (size_t)count;
		exchange->head[*got] = '\0';
		found = strstr(exchange->head, "\r\n\r\n");
		if (found != NULL) {
			*end = (size_t)(found - exchange->head) + 4;
			return true;
		}
	}
	return false;
}

static bool body_read(struct exchange *exchange, const char *early, size_t early_len)
{
	char value[32];
	size_t wanted, got = early_len;

	if (!http_field(exchange, "Content-Length", value, sizeof(value)))
		return true;
	wanted = strtoul(value, NULL, 10);
	if (wanted > HTTP_BODY_MAX || early_len > wanted)
		return false;
	exchange->body = calloc(1, wanted + 1);
	if (exchange->body == NULL)
		return false;
	memcpy(exchange->body, early, early_len);
	if (http_field(exchange, "Expect", value, sizeof(value)))
		BIO_puts(exchange->bio, "HTTP/1.1 100 Continue\r\n\r\n");
	while (got < wanted) {
		int count = BIO_read(exchange->bio, exchange->body + got, (int)(wanted - got));

		if (count <= 0)
			return false;
		got += (size_t)count;
	}
	exchange->len = got;
	return true;
}

/* Splits "METHOD target HTTP/1.1 CR LF fields". */
static bool line_split(struct exchange *exchange)
{
	char *end = strstr(exchange->head, "\r\n");
	char *target = strchr(exchange->head, ' ');
	char *version = target != NULL ? strchr(target + 1, ' ') : NULL;

	if (version == NULL || version > end)
		return false;
	*target++ = *version = *end = '\0';
	exchange->method = exchange->head;
	exchange->fields = end + 2;
	exchange->path = target;
	exchange->query = strchr(target, '?');
	if (exchange->query != NULL)
		*exchange->query++ = '\0';
	else
		exchange->query = version;
	return true;
}

bool http_receive(struct exchange *exchange)
{
	size_t got, end;

	exchange->head = malloc(HTTP_HEAD_MAX + 1);
	if (exchange->head == NULL || !head_read(exchange, &got, &end))
		return false;
	exchange->body = NULL;
	if (!line_split(exchange))
		return false;
	return body_read(exchange, exchange->head + end, got - end);
}

bool http_field(const struct exchange *exchange, const char *name, char *out, size_t size)
{
	const char *line = exchange->fields;
	size_t len = strlen(name);

	out[0] = '\0';
	while (line != NULL && *line != '\r') {
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1;
			line += strspn(line, " \t");
			snprintf(out, size, "%.*s", (int)strcspn(line, "\r"), line);
			return true;
		}
		line = strstr(line, "\r\n");
		if (line != NULL)
			line += 2;
	}
	return false;
}

static int digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* A "+" stays one: what comes here is base64, and its senders differ. */
static char *decode(const char *text, size_t len)
{
	char *out = malloc(len + 1), *next = out;

	for (size_t i = 0; out != NULL && i < len; i++) {
		if (text[i] == '%' && i + 2 < len && isxdigit((unsigned char)text[i + 1]) &&
			isxdigit((unsigned char)text[i + 2])) {
			*next++ = (char)(digit(text[i + 1]) << 4 | digit(text[i + 2]));
			i += 2;
		} else {
			*next++ = text[i];
		}
	}
	if (out != NULL)
		*next = '\0';
	return out;
}

char *http_parameter(const char *form, const char *name)
{
	size_t len = strlen(name);

	while (*form != '\0') {
		size_t pair = strcspn(form, "&");

		if (pair > len && strncmp(form, name, len) == 0 && form[len] == '=')
			return decode(form + len + 1, pair - len - 1);
		form += pair;
		if (*form == '&')
			form++;
	}
	return NULL;
}

/* ---- answers ---- */

static const char *reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 202:
		return "Accepted";
	case 204:
		return "No Content";
	case 302:
		return "Found";
	case 307:
		return "Temporary Redirect";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 503:
		return "Service Unavailable";
	default:
		return "Error";
	}
}

static bool write_all(struct exchange *exchange, const void *data, size_t len)
{
	const char *next = data;

	while (len > 0) {
		int count = BIO_write(exchange->bio, next, (int)(len < CHUNK ? len : CHUNK));

		if (count <= 0)
			return false;
		next += count;
		len -= (size_t)count;
	}
	return true;
}

static bool head_write(struct exchange *exchange, int status, const char *type, const char *fields,
	long long length)
{
	char head[2048];
	int len = snprintf(head, sizeof(head), "HTTP/1.1 %d %s\r\nConnection: close\r\n%s%s%s%s",
		status, reason(status), type != NULL ? "Content-Type: " : "",
		type != NULL ? type : "", type != NULL ? "\r\n" : "", fields != NULL ? fields : "");

	if (length >= 0)
		len += snprintf(
			head + len, sizeof(head) - (size_t)len, "Content-Length: %lld\r\n", length);
	len += snprintf(head + len, sizeof(head) - (size_t)len, "\r\n");
	return write_all(exchange, head, (size_t)len);
}

void http_answer(struct exchange *exchange, int status, const char *type, const char *fields,
	const void *body, size_t len)
{
	if (head_write(exchange, status, type, fields, (long long)len))
		write_all(exchange, body, len);
}

void http_answer_text(struct exchange *exchange, int status, const char *text)
{
	http_answer(exchange, status, "text/plain", NULL, text, strlen(text));
}

/* ---- misbehaviour ---- */

static void stream(struct exchange *exchange, long long length)
{
	static const char zeros[CHUNK];

	if (!head_write(exchange, 200, "application/x-pki-message", NULL, length))
		return;
	for (long long sent = 0; sent < HUGE_SIZE; sent += CHUNK)
		if (!write_all(exchange, zeros, sizeof(zeros)))
			return;
}

static void be_huge(struct exchange *exchange)
{
	stream(exchange, HUGE_SIZE);
}

static void be_endless(struct exchange *exchange)
{
	stream(exchange, -1);
}

static void be_html(struct exchange *exchange)
{
	static const char page[] = "<html><head><title>Sign in</title></head>"
				   "<body><h1>Captive portal</h1></body></html>";

	http_answer(exchange, 200, "text/html", NULL, page, sizeof(page) - 1);
}

static void be_500(struct exchange *exchange)
{
	http_answer_text(exchange, 500, "the database is on fire\n");
}

/* To itself: nobody has to count. */
static void be_redirect(struct exchange *exchange)
{
	char field[2048];

	snprintf(field, sizeof(field), "Location: %.1000s?%.900s\r\n", exchange->path,
		exchange->query);
	http_answer(exchange, 302, NULL, field, "", 0);
}

static void be_downgrading(struct exchange *exchange)
{
	http_answer(exchange, 307, NULL, "Location: http://127.0.0.1:9/\r\n", "", 0);
}

static void be_reset(struct exchange *exchange)
{
	struct linger at_once = {.l_onoff = 1};

	setsockopt(exchange->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* Until the other end has had enough. */
static void be_hanging(struct exchange *exchange)
{
	struct pollfd waiting = {.fd = exchange->fd, .events = POLLRDHUP};

	poll(&waiting, 1, PATIENCE * 1000);
}

static void be_empty(struct exchange *exchange)
{
	http_answer(exchange, 200, "application/x-pki-message", NULL, "", 0);
}

static void be_slow(struct exchange *exchange)
{
	struct pollfd waiting = {.fd = exchange->fd, .events = POLLRDHUP};

	if (!head_write(exchange, 200, "application/x-pki-message", NULL, PATIENCE))
		return;
	for (int i = 0; i < PATIENCE; i++)
		if (!write_all(exchange, "0", 1) || poll(&waiting, 1, 1000) > 0)
			return;
}

bool http_misbehave(struct exchange *exchange, const char *prefix)
{
	static const struct {
		const char *mode;
		void (*be)(struct exchange *exchange);
	} table[] = {
		{"html", be_html},
		{"http-500", be_500},
		{"huge", be_huge},
		{"endless", be_endless},
		{"redirect", be_redirect},
		{"downgrade", be_downgrading},
		{"reset", be_reset},
		{"hang", be_hanging},
		{"nothing", be_empty},
		{"slow", be_slow},
	};
	char word[40];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(word, sizeof(word), "%s%s", prefix, table[i].mode);
		if (!modes_has(&exchange->modes, word))
			continue;
		table[i].be(exchange);
		return true;
	}
	return false;
}
