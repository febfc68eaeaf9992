#include "proxy/http_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suite.h"

extern CU_SuiteInfo http_request_suites[];

/* What comes behind a head and is none of the parser's business. */
#define NEXT "\r\n\x01 next"

/* ---- heads that are sound ---------------------------------------------- */

struct sound_head {
	const char *head;
	enum http_target form;
	const char *method, *path, *query, *host; /* NULL: absent */
	unsigned minor_version;
	bool keep_alive, chunked;
	int content_length; /* -1: absent */
};

/* clang-format off */
#define GET11 "GET / HTTP/1.1\r\nHost: a\r\n"
#define ORIGIN   HTTP_TARGET_ORIGIN
#define ABSOLUTE HTTP_TARGET_ABSOLUTE
static const struct sound_head sound_heads[] = {
	{ GET11 "\r\n",                                                ORIGIN,   "GET",  "/", NULL, "a", 1, true,  false, -1 },
	{ "\r\n" GET11 "\r\n",                                         ORIGIN,   "GET",  "/", NULL, "a", 1, true,  false, -1 },
	{ "GET /b?c=d?e HTTP/1.1\r\nhOST:\t a:80 \t\r\n\r\n",          ORIGIN,   "GET",  "/b", "c=d?e", "a:80", 1, true, false, -1 },
	{ "GET /b? HTTP/1.1\r\nHost: a\r\n\r\n",                       ORIGIN,   "GET",  "/b", "", "a", 1, true,  false, -1 },
	{ "GET //b/%2e%00|\"[^` HTTP/1.1\r\nHost: a\r\n\r\n",          ORIGIN,   "GET",  "//b/%2e%00|\"[^`", NULL, "a", 1, true, false, -1 },
	{ "M!#$%&'*+-.^_`|~9 / HTTP/1.1\r\nHost: a\r\n\r\n",           ORIGIN,   "M!#$%&'*+-.^_`|~9", "/", NULL, "a", 1, true, false, -1 },
	{ "get / HTTP/1.1\r\nHost: a\r\n\r\n",                         ORIGIN,   "get",  "/", NULL, "a", 1, true,  false, -1 },
	{ "GET / HTTP/1.0\r\n\r\n",                                    ORIGIN,   "GET",  "/", NULL, NULL, 0, false, false, -1 },
	{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",          ORIGIN,   "GET",  "/", NULL, NULL, 0, true, false, -1 },
	{ GET11 "Connection: close\r\n\r\n",                           ORIGIN,   "GET",  "/", NULL, "a", 1, false, false, -1 },
	{ GET11 "Connection: x ,, CLOSE\t, y\r\n\r\n",                 ORIGIN,   "GET",  "/", NULL, "a", 1, false, false, -1 },
	{ GET11 "Connection: close\r\nConnection: keep-alive\r\n\r\n", ORIGIN,   "GET",  "/", NULL, "a", 1, false, false, -1 },
	{ GET11 "Connection: closed, unclose, clos\r\n\r\n",           ORIGIN,   "GET",  "/", NULL, "a", 1, true,  false, -1 },
	{ GET11 "Connection:\r\n\r\n",                                 ORIGIN,   "GET",  "/", NULL, "a", 1, true,  false, -1 },
	{ GET11 "Content-Length: 0\r\n\r\n",                           ORIGIN,   "GET",  "/", NULL, "a", 1, true,  false, 0 },
	{ GET11 "Content-Length:00042\r\n\r\n",                        ORIGIN,   "GET",  "/", NULL, "a", 1, true,  false, 42 },
	{ GET11 "Transfer-Encoding: Chunked\r\n\r\n",                  ORIGIN,   "GET",  "/", NULL, "a", 1, true,  true,  -1 },
	{ GET11 "X:\r\nY: \xc3\xa9\t\x80 z\r\nTransfer-Encodin: x\r\n\r\n", ORIGIN, "GET", "/", NULL, "a", 1, true, false, -1 },
	{ "GET / HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n",         ORIGIN,   "GET",  "/", NULL, "[2001:db8::1]:443", 1, true, false, -1 },
	{ "GET / HTTP/1.1\r\nHost: a_b-c.example.:\r\n\r\n",           ORIGIN,   "GET",  "/", NULL, "a_b-c.example.:", 1, true, false, -1 },
	{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",     HTTP_TARGET_ASTERISK, "OPTIONS", "*", NULL, "a", 1, true,  false, -1 },
	{ "GET http://b/c?d HTTP/1.1\r\nHost: a\r\n\r\n",              ABSOLUTE, "GET",  "/c", "d", "b", 1, true,  false, -1 },
	{ "GET HTTPS://[::1]:8443 HTTP/1.1\r\nHost: a\r\n\r\n",        ABSOLUTE, "GET",  "/", NULL, "[::1]:8443", 1, true, false, -1 },
	{ "GET http://b?d HTTP/1.0\r\n\r\n",                           ABSOLUTE, "GET",  "/", "d", "b", 0, false, false, -1 },
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool span_equals(struct http_span span, const char *text)
{
	if (text == NULL || span.data == NULL)
		return text == NULL && span.data == NULL;
	return http_span_is(span, text);
}

static void sound_head_check(const struct sound_head *sound, const struct http_request *request)
{
	uint64_t length = sound->content_length < 0 ? 0 : (uint64_t)sound->content_length;

	CU_ASSERT_EQUAL(request->head_len, strlen(sound->head));
	CU_ASSERT_EQUAL(request->form, sound->form);
	CU_ASSERT(span_equals(request->method, sound->method));
	CU_ASSERT(span_equals(request->path, sound->path));
	CU_ASSERT(span_equals(request->query, sound->query));
	CU_ASSERT(span_equals(request->host, sound->host));
	CU_ASSERT_EQUAL(request->minor_version, sound->minor_version);
	CU_ASSERT_EQUAL(request->keep_alive, sound->keep_alive);
	CU_ASSERT_EQUAL(request->chunked, sound->chunked);
	CU_ASSERT_EQUAL(request->has_content_length, sound->content_length >= 0);
	CU_ASSERT_EQUAL(request->content_length, length);
	CU_ASSERT_EQUAL(http_request_has_body(request), sound->chunked || length > 0);
}

/* A copy of exactly these bytes, so that a sanitizer sees what reads beyond. */
static char *copy_make(const char *data, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, data, len);
	return copy;
}

static enum http_parse parse_copy(
	struct http_request *request, char **copy, const char *data, size_t len)
{
	free(*copy);
	*copy = copy_make(data, len);
	return http_request_parse(request, *copy, len);
}

static void test_sound_at_once(void)
{
	for (size_t i = 0; i < COUNT(sound_heads); i++) {
		struct http_request request;
		char data[512];
		int len = snprintf(data, sizeof(data), "%s%s", sound_heads[i].head, NEXT);

		http_request_init(&request);
		CU_ASSERT_EQUAL(http_request_parse(&request, data, (size_t)len), HTTP_PARSE_DONE);
		sound_head_check(&sound_heads[i], &request);
	}
}

/* In two pieces, cut everywhere, and in a buffer that moves in between. */
static void test_sound_split(void)
{
	for (size_t i = 0; i < COUNT(sound_heads); i++) {
		size_t len = strlen(sound_heads[i].head);

		for (size_t cut = 0; cut < len; cut++) {
			struct http_request request;
			char *copy = NULL;

			http_request_init(&request);
			CU_ASSERT_EQUAL(parse_copy(&request, &copy, sound_heads[i].head, cut),
				HTTP_PARSE_MORE);
			CU_ASSERT_EQUAL(parse_copy(&request, &copy, sound_heads[i].head, len),
				HTTP_PARSE_DONE);
			sound_head_check(&sound_heads[i], &request);
			free(copy);
		}
	}
}

static void test_sound_byte_by_byte(void)
{
	for (size_t i = 0; i < COUNT(sound_heads); i++) {
		size_t len = strlen(sound_heads[i].head), at = 0;
		enum http_parse parse = HTTP_PARSE_MORE;
		struct http_request request;
		char *copy = NULL;

		http_request_init(&request);
		while (parse == HTTP_PARSE_MORE && at < len)
			parse = parse_copy(&request, &copy, sound_heads[i].head, ++at);
		CU_ASSERT_EQUAL(parse, HTTP_PARSE_DONE);
		CU_ASSERT_EQUAL(at, len);
		sound_head_check(&sound_heads[i], &request);
		free(copy);
	}
}

static void test_conditions(void)
{
	static const char head[] = GET11 "Range: bytes=0-1\r\nIf-Range: \"r\"\r\n"
					 "If-Match: \"m\"\r\nif-none-match: *\r\n"
					 "If-Modified-Since: then\r\nIf-Unmodified-Since:\r\n\r\n";
	struct http_request request;

	http_request_init(&request);
	CU_ASSERT_EQUAL(http_request_parse(&request, head, strlen(head)), HTTP_PARSE_DONE);
	CU_ASSERT(span_equals(request.range, "bytes=0-1"));
	CU_ASSERT(span_equals(request.if_range, "\"r\""));
	CU_ASSERT(span_equals(request.if_match, "\"m\""));
	CU_ASSERT(span_equals(request.if_none_match, "*"));
	CU_ASSERT(span_equals(request.if_modified_since, "then"));
	CU_ASSERT(span_equals(request.if_unmodified_since, ""));
}

/* ---- heads that are refused -------------------------------------------- */

struct bad_head {
	int status;
	const char *head;
	size_t len;
};

/* clang-format off */
#define BAD(status, head) { status, head, sizeof(head) - 1 }
static const struct bad_head bad_heads[] = {
	/* line ends */
	BAD(400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
	BAD(400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, GET11 "X: b\n\r\n"),
	BAD(400, "\r\n\r\n"),
	BAD(400, GET11 "X: b\rc\r\n\r\n"),
	BAD(400, GET11 "X: b\r\r\n\r\n"),
	BAD(400, GET11 "\r\r\n\r\n"),
	/* request line */
	BAD(400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
	BAD(400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /b c HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /\r\n\r\n"),
	BAD(400, "GET\r\n\r\n"),
	BAD(400, "/ HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "G\xc3T / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "\x16\x03\x01\x02\r\n"),
	/* target */
	BAD(400, "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /b#c HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /b\rc HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET b HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET ?b HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET http:/b HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET http:/ HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET http://c@b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET http://b:99999/ HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET http://b/ HTTP/1.1\r\n\r\n"),
	BAD(501, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
	/* version */
	BAD(400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
	BAD(400, "GET / HTTP/1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET / HTTP/x.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET / HTTP/1.x\r\nHost: a\r\n\r\n"),
	BAD(400, "GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
	BAD(505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
	BAD(505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
	BAD(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	/* host */
	BAD(400, "GET / HTTP/1.1\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
	BAD(400, GET11 "Host: a\r\n\r\n"),
	BAD(400, "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: []\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: [1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]\r\n\r\n"),
	/* header lines */
	BAD(400, GET11 "X\r\n\r\n"),
	BAD(400, GET11 ": b\r\n\r\n"),
	BAD(400, GET11 "X : b\r\n\r\n"),
	BAD(400, GET11 "X\t: b\r\n\r\n"),
	BAD(400, GET11 "X y: b\r\n\r\n"),
	BAD(400, GET11 "X(: b\r\n\r\n"),
	BAD(400, GET11 "X: b\r\n c\r\n\r\n"),
	BAD(400, GET11 "X: b\r\n\tc: d\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n"),
	BAD(400, GET11 "X: b\0c\r\n\r\n"),
	BAD(400, GET11 "X: b\x0b" "c\r\n\r\n"),
	BAD(400, GET11 "X: b\x7f\r\n\r\n"),
	BAD(400, GET11 "Range: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n"),
	BAD(400, GET11 "If-Range: \"a\"\r\nIf-Range: \"a\"\r\n\r\n"),
	BAD(400, GET11 "If-None-Match: \"a\"\r\nIf-None-Match: \"b\"\r\n\r\n"),
	/* framing */
	BAD(400, GET11 "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
	BAD(400, GET11 "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
	BAD(400, GET11 "Content-Length: 5, 5\r\n\r\n"),
	BAD(400, GET11 "Content-Length: +5\r\n\r\n"),
	BAD(400, GET11 "Content-Length: -5\r\n\r\n"),
	BAD(400, GET11 "Content-Length: 0x5\r\n\r\n"),
	BAD(400, GET11 "Content-Length: 5 5\r\n\r\n"),
	BAD(400, GET11 "Content-Length: 5.0\r\n\r\n"),
	BAD(400, GET11 "Content-Length:\r\n\r\n"),
	BAD(400, GET11 "Content-Length: 9223372036854775808\r\n\r\n"),
	BAD(400, GET11 "Content-Length: 18446744073709551617\r\n\r\n"),
	BAD(400, GET11 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(400, GET11 "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
	BAD(400, GET11 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(501, GET11 "Transfer-Encoding: gzip, chunked\r\n\r\n"),
	BAD(501, GET11 "Transfer-Encoding: chunked, chunked\r\n\r\n"),
	BAD(501, GET11 "Transfer-Encoding: identity\r\n\r\n"),
	BAD(501, GET11 "Transfer-Encoding: chunked;x=y\r\n\r\n"),
	BAD(501, GET11 "Transfer-Encoding: xchunked\r\n\r\n"),
	BAD(501, GET11 "Transfer-Encoding:\r\n\r\n"),
};
/* clang-format on */

static void bad_check(const struct bad_head *bad, enum http_parse parse, int status)
{
	CU_ASSERT_EQUAL(parse, HTTP_PARSE_BAD);
	CU_ASSERT_EQUAL(status, bad->status);
	if (parse != HTTP_PARSE_BAD || status != bad->status)
		fprintf(stderr, "  parse %d, status %d for: %s\n", (int)parse, status, bad->head);
}

static void test_bad_at_once(void)
{
	for (size_t i = 0; i < COUNT(bad_heads); i++) {
		struct http_request request;
		enum http_parse parse;

		http_request_init(&request);
		parse = http_request_parse(&request, bad_heads[i].head, bad_heads[i].len);
		bad_check(&bad_heads[i], parse, request.status);
		CU_ASSERT_PTR_NOT_NULL(request.reason);
	}
}

static void test_bad_byte_by_byte(void)
{
	for (size_t i = 0; i < COUNT(bad_heads); i++) {
		enum http_parse parse = HTTP_PARSE_MORE;
		struct http_request request;
		char *copy = NULL;

		http_request_init(&request);
		for (size_t len = 1; parse == HTTP_PARSE_MORE && len <= bad_heads[i].len; len++)
			parse = parse_copy(&request, &copy, bad_heads[i].head, len);
		bad_check(&bad_heads[i], parse, request.status);
		free(copy);
	}
}

/* Who speaks something else hears it without sending a whole head. */
static void test_bad_request_line_is_told_early(void)
{
	static const char line[] = "EHLO example.com\r\n";
	struct http_request request;

	http_request_init(&request);
	CU_ASSERT_EQUAL(http_request_parse(&request, line, strlen(line)), HTTP_PARSE_BAD);
	CU_ASSERT_EQUAL(request.status, 400);
}

/* The log tells a folded line from the other shapes of a bad one. */
static void test_reason_of_folded_line(void)
{
	static const char head[] = GET11 "X: b\r\n\tc: d\r\n\r\n";
	struct http_request request;

	http_request_init(&request);
	CU_ASSERT_EQUAL(http_request_parse(&request, head, strlen(head)), HTTP_PARSE_BAD);
	CU_ASSERT_STRING_EQUAL(request.reason, "folded header line (RFC 9112 5.2)");
}

/* ---- limits ------------------------------------------------------------ */

static size_t filler_append(char *data, size_t len, size_t count)
{
	memset(data + len, 'b', count);
	return len + count;
}

static size_t text_append(char *data, size_t len, const char *text)
{
	memcpy(data + len, text, strlen(text));
	return len + strlen(text);
}

/* A request line of `line` bytes, Host, `fields` short lines, one of `filler` and more. */
static size_t large_head_make(char *data, size_t line, size_t fields, size_t filler)
{
	size_t len = text_append(data, 0, "GET /");

	len = filler_append(data, len, line - strlen("GET / HTTP/1.1"));
	len = text_append(data, len, " HTTP/1.1\r\nHost: a\r\n");
	for (size_t i = 0; i < fields; i++)
		len = text_append(data, len, "X: b\r\n");
	if (filler > 0) {
		len = text_append(data, len, "Y: ");
		len = filler_append(data, len, filler);
		len = text_append(data, len, "\r\n");
	}
	return text_append(data, len, "\r\n");
}

/* Gives what parsing at once and byte by byte agree on: 200 for DONE. */
static int large_head_status(size_t line, size_t fields, size_t filler)
{
	static char data[2 * HTTP_HEAD_MAX];
	size_t len = large_head_make(data, line, fields, filler);
	enum http_parse parse = HTTP_PARSE_MORE;
	struct http_request request, slow;

	http_request_init(&slow);
	for (size_t i = 1; parse == HTTP_PARSE_MORE && i <= len; i++)
		parse = http_request_parse(&slow, data, i);
	http_request_init(&request);
	CU_ASSERT_EQUAL(http_request_parse(&request, data, len), parse);
	CU_ASSERT_EQUAL(request.status, slow.status);
	CU_ASSERT_NOT_EQUAL(parse, HTTP_PARSE_MORE);
	if (parse == HTTP_PARSE_DONE)
		CU_ASSERT_EQUAL(request.head_len, len);
	return parse == HTTP_PARSE_DONE ? 200 : request.status;
}

static void test_limit_request_line(void)
{
	CU_ASSERT_EQUAL(large_head_status(HTTP_REQUEST_LINE_MAX, 0, 0), 200);
	CU_ASSERT_EQUAL(large_head_status(HTTP_REQUEST_LINE_MAX + 1, 0, 0), 414);
	CU_ASSERT_EQUAL(large_head_status(HTTP_HEAD_MAX + 10, 0, 0), 414);
}

static void test_limit_fields(void)
{
	/* Host is one of them. */
	CU_ASSERT_EQUAL(large_head_status(20, HTTP_FIELDS_MAX - 1, 0), 200);
	CU_ASSERT_EQUAL(large_head_status(20, HTTP_FIELDS_MAX, 0), 431);
}

static void test_limit_head(void)
{
	/* "…\r\n" "Host: a\r\n" "Y: " filler "\r\n" "\r\n" */
	size_t filler = HTTP_HEAD_MAX - (20 + 2) - 9 - 3 - 2 - 2;

	CU_ASSERT_EQUAL(large_head_status(20, 0, filler), 200);
	CU_ASSERT_EQUAL(large_head_status(20, 0, filler + 1), 431);
	CU_ASSERT_EQUAL(large_head_status(20, 0, filler + HTTP_HEAD_MAX / 2), 431);
}

/* An endless line is refused without waiting for its end. */
static void test_limit_endless_line(void)
{
	static char data[HTTP_HEAD_MAX];
	struct http_request request;

	memset(data, 'b', sizeof(data));
	http_request_init(&request);
	CU_ASSERT_EQUAL(
		http_request_parse(&request, data, HTTP_REQUEST_LINE_MAX + 1), HTTP_PARSE_MORE);
	CU_ASSERT_EQUAL(
		http_request_parse(&request, data, HTTP_REQUEST_LINE_MAX + 2), HTTP_PARSE_BAD);
	CU_ASSERT_EQUAL(request.status, 414);
}

static CU_TestInfo parse_tests[] = {
	{"sound heads at once", test_sound_at_once},
	{"sound heads cut at every byte", test_sound_split},
	{"sound heads byte by byte", test_sound_byte_by_byte},
	{"range and condition headers", test_conditions},
	{"bad heads at once", test_bad_at_once},
	{"bad heads byte by byte", test_bad_byte_by_byte},
	{"bad request line is told early", test_bad_request_line_is_told_early},
	{"reason of a folded line", test_reason_of_folded_line},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo limit_tests[] = {
	{"request line of 8 KiB", test_limit_request_line},
	{"100 header lines", test_limit_fields},
	{"head of 16 KiB", test_limit_head},
	{"endless line", test_limit_endless_line},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo http_request_suites[] = {
	{.pName = "http_request", .pTests = parse_tests},
	{.pName = "http_request limits", .pTests = limit_tests},
	CU_SUITE_INFO_NULL,
};
