#include "proxy/http_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/http_syntax.h"
#include "tests/suite.h"

extern CU_SuiteInfo http_request_suites[];

/* Of http_default_limits. */
#define HTTP_HEAD_MAX         16384
#define HTTP_REQUEST_LINE_MAX 8192
#define HTTP_FIELDS_MAX       100

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
	{ "GET //b/%2e%01|\"[^` HTTP/1.1\r\nHost: a\r\n\r\n",          ORIGIN,   "GET",  "//b/%2e%01|\"[^`", NULL, "a", 1, true, false, -1 },
	{ "GET /b/../...?%zz HTTP/1.1\r\nHost: a\r\n\r\n",             ORIGIN,   "GET",  "/b/../...", "%zz", "a", 1, true, false, -1 },
	{ "GET /b/c/%2E./%2e%2e HTTP/1.1\r\nHost: a\r\n\r\n",          ORIGIN,   "GET",  "/b/c/%2E./%2e%2e", NULL, "a", 1, true, false, -1 },
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
	return http_request_parse(request, &http_default_limits, *copy, len);
}

static void test_sound_at_once(void)
{
	for (size_t i = 0; i < COUNT(sound_heads); i++) {
		struct http_request request;
		char data[512];
		int len = snprintf(data, sizeof(data), "%s%s", sound_heads[i].head, NEXT);

		http_request_init(&request);
		CU_ASSERT_EQUAL(
			http_request_parse(&request, &http_default_limits, data, (size_t)len),
			HTTP_PARSE_DONE);
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
	CU_ASSERT_EQUAL(http_request_parse(&request, &http_default_limits, head, strlen(head)),
		HTTP_PARSE_DONE);
	CU_ASSERT(span_equals(request.range, "bytes=0-1"));
	CU_ASSERT(span_equals(request.if_range, "\"r\""));
	CU_ASSERT(span_equals(request.if_match, "\"m\""));
	CU_ASSERT(span_equals(request.if_none_match, "*"));
	CU_ASSERT(span_equals(request.if_modified_since, "then"));
	CU_ASSERT(span_equals(request.if_unmodified_since, ""));
}

/* ---- connection -------------------------------------------------------- */

struct connection_head {
	const char *head;
	const char *upgrade; /* NULL: none */
	bool keep_alive, has_options, expects_continue;
};

/* clang-format off */
#define UPGRADE GET11 "Connection: Upgrade\r\n"
static const struct connection_head connection_heads[] = {
	{ UPGRADE "Upgrade: websocket\r\n\r\n",                    "websocket",     true,  false, false },
	{ GET11 "upgrade:a/1, b\r\nCONNECTION:x,upGRADE\r\n\r\n", "a/1, b",        true,  true,  false },
	{ GET11 "Upgrade: a\r\nConnection: close\r\nConnection: upgrade\r\n\r\n", "a", false, false, false },
	/* both have to be there, once, and not in HTTP/1.0 */
	{ GET11 "Upgrade: websocket\r\n\r\n",                      NULL,            true,  false, false },
	{ UPGRADE "\r\n",                                          NULL,            true,  false, false },
	{ UPGRADE "Upgrade:\r\n\r\n",                              NULL,            true,  false, false },
	{ UPGRADE "Upgrade: a\r\nUpgrade: b\r\n\r\n",              NULL,            true,  false, false },
	{ "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n", NULL,     false, false, false },
	/* HTTP by another name */
	{ UPGRADE "Upgrade: h2c\r\n\r\n",                          NULL,            true,  false, false },
	{ UPGRADE "Upgrade: websocket, H2C\r\n\r\n",               NULL,            true,  false, false },
	{ UPGRADE "Upgrade: h2c-14 , a\r\n\r\n",                   NULL,            true,  false, false },
	{ UPGRADE "Upgrade: ,h2c/1\r\n\r\n",                       NULL,            true,  false, false },
	{ UPGRADE "Upgrade: HTTP/2.0\r\n\r\n",                     NULL,            true,  false, false },
	{ UPGRADE "Upgrade: h, httpx, xh2c\r\n\r\n",               "h, httpx, xh2c", true, false, false },
	/* options */
	{ GET11 "Connection: keep-alive, Upgrade ,\tclose\r\n\r\n", NULL,           false, false, false },
	{ GET11 "Connection: TE\r\n\r\n",                          NULL,            true,  true,  false },
	{ GET11 "Connection: ,\r\nConnection: close\r\n\r\n",      NULL,            false, false, false },
	{ "GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", NULL,         false, false, false },
	{ GET11 "Expect: 100-Continue\r\n\r\n",                    NULL,            true,  false, true },
	{ GET11 "Expect: 100-continue, x\r\n\r\n",                 NULL,            true,  false, false },
	{ "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",        NULL,            false, false, false },
};
/* clang-format on */

static void test_connection(void)
{
	for (size_t i = 0; i < COUNT(connection_heads); i++) {
		const struct connection_head *expected = &connection_heads[i];

		for (size_t cut = 0; cut < strlen(expected->head); cut++) {
			struct http_request request;
			char *copy = NULL;

			http_request_init(&request);
			parse_copy(&request, &copy, expected->head, cut);
			CU_ASSERT_EQUAL(
				parse_copy(&request, &copy, expected->head, strlen(expected->head)),
				HTTP_PARSE_DONE);
			CU_ASSERT(span_equals(request.upgrade, expected->upgrade));
			CU_ASSERT_EQUAL(request.keep_alive, expected->keep_alive);
			CU_ASSERT_EQUAL(request.has_options, expected->has_options);
			CU_ASSERT_EQUAL(request.expects_continue, expected->expects_continue);
			free(copy);
		}
	}
}

/* ---- every sound head with more in it ---------------------------------- */

/* The status it gets with these lines at its end: 200 for DONE. */
static int status_with(const char *head, const char *lines, struct http_request *request)
{
	char data[512];
	size_t len = strlen(head) - 2;
	enum http_parse parse;

	snprintf(data, sizeof(data), "%.*s%s\r\n", (int)len, head, lines);
	http_request_init(request);
	parse = http_request_parse(request, &http_default_limits, data, strlen(data));
	CU_ASSERT_NOT_EQUAL(parse, HTTP_PARSE_MORE);
	return parse == HTTP_PARSE_DONE ? 200 : request->status;
}

static void test_framing_variants(void)
{
	static const char length[] = "Content-Length: 5\r\n";
	static const char chunked[] = "transfer-encoding:\tCHUNKED\r\n";

	for (size_t i = 0; i < COUNT(sound_heads); i++) {
		const struct sound_head *sound = &sound_heads[i];
		bool has_length = sound->content_length >= 0;
		bool may_be_chunked = !has_length && !sound->chunked && sound->minor_version == 1;
		struct http_request request;

		CU_ASSERT_EQUAL(status_with(sound->head, length, &request),
			has_length || sound->chunked ? 400 : 200);
		CU_ASSERT(request.status != 0 || request.content_length == 5);
		CU_ASSERT_EQUAL(
			status_with(sound->head, chunked, &request), may_be_chunked ? 200 : 400);
		CU_ASSERT(request.status != 0 || request.chunked);
		CU_ASSERT_EQUAL(
			status_with(sound->head, "Transfer-Encoding: xchunked\r\n", &request),
			sound->chunked ? 400 : 501);
		CU_ASSERT_EQUAL(status_with(sound->head, "X: y\r\n\tz\r\n", &request), 400);
		CU_ASSERT_EQUAL(status_with(sound->head, "X: y\n", &request), 400);
		CU_ASSERT_EQUAL(status_with(sound->head, "Host: a\r\nHost: a\r\n", &request), 400);
	}
}

static void test_idempotent(void)
{
	static const char *const heads[] = {"GET / HTTP/1.0\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n",
		"OPTIONS * HTTP/1.0\r\n\r\n", "TRACE / HTTP/1.0\r\n\r\n", "PUT / HTTP/1.0\r\n\r\n",
		"DELETE / HTTP/1.0\r\n\r\n", "POST / HTTP/1.0\r\n\r\n", "PATCH / HTTP/1.0\r\n\r\n",
		"get / HTTP/1.0\r\n\r\n", "GETS / HTTP/1.0\r\n\r\n"};

	for (size_t i = 0; i < COUNT(heads); i++) {
		struct http_request request;

		http_request_init(&request);
		http_request_parse(&request, &http_default_limits, heads[i], strlen(heads[i]));
		CU_ASSERT_EQUAL(http_request_is_idempotent(&request), i < 6);
	}
}

/* What is there once, and what the log shows. */
static void test_other_fields(void)
{
	static const char head[] = GET11 "Authorization: Basic YTpi\r\nUser-Agent: a\r\n"
					 "Referer: \r\nuser-agent: b\r\nRefererr: c\r\n\r\n";
	struct http_request request;
	struct http_field field;
	struct http_span rest;

	http_request_init(&request);
	CU_ASSERT_EQUAL(http_request_parse(&request, &http_default_limits, head, strlen(head)),
		HTTP_PARSE_DONE);
	CU_ASSERT(span_equals(request.authorization, "Basic YTpi"));
	CU_ASSERT(span_equals(request.user_agent, "a"));
	CU_ASSERT(span_equals(request.referer, ""));
	rest = request.fields;
	CU_ASSERT(http_field_next(&rest, &field));
	CU_ASSERT(span_equals(field.line, "Host: a\r\n"));
	CU_ASSERT(span_equals(field.name, "Host"));
	CU_ASSERT(span_equals(field.value, "a"));
	for (int i = 0; i < 5; i++)
		CU_ASSERT(http_field_next(&rest, &field));
	CU_ASSERT(span_equals(field.line, "Refererr: c\r\n"));
	CU_ASSERT_FALSE(http_field_next(&rest, &field));
}

/* ---- characters and names ---------------------------------------------- */

static bool is_one_of(int c, const char *set)
{
	return c != 0 && strchr(set, c) != NULL;
}

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* The table against the words of the RFCs. */
static void test_characters(void)
{
	for (int c = 0; c < 256; c++) {
		bool is_digit = is_one_of(c, DIGITS), is_letter = is_one_of(c, LETTERS);

		CU_ASSERT_EQUAL(http_is((char)c, HTTP_DIGIT), is_digit);
		CU_ASSERT_EQUAL(http_is((char)c, HTTP_ALNUM), is_digit || is_letter);
		CU_ASSERT_EQUAL(http_is((char)c, HTTP_HEX), is_one_of(c, DIGITS "abcdefABCDEF"));
		CU_ASSERT_EQUAL(http_is((char)c, HTTP_HOST), is_one_of(c, DIGITS LETTERS "-._~"));
		CU_ASSERT_EQUAL(http_is((char)c, HTTP_TOKEN),
			is_one_of(c, DIGITS LETTERS "!#$%&'*+-.^_`|~"));
		CU_ASSERT_EQUAL(http_is((char)c, HTTP_TEXT),
			c == '\t' || (c >= ' ' && c < 0x7f) || c >= 0x80);
		CU_ASSERT_EQUAL(http_is((char)c, HTTP_URI), c > ' ' && c < 0x7f && c != '#');
	}
}

static struct http_span span_of(const char *text)
{
	return (struct http_span){.data = text, .len = strlen(text)};
}

static void test_names(void)
{
	CU_ASSERT_EQUAL(http_name_find(span_of("hOsT")), HTTP_NAME_HOST);
	CU_ASSERT_EQUAL(
		http_name_find(span_of("IF-UNMODIFIED-SINCE")), HTTP_NAME_IF_UNMODIFIED_SINCE);
	CU_ASSERT_EQUAL(http_name_find(span_of("HTTP2-Settings")), HTTP_NAME_HTTP2_SETTINGS);
	CU_ASSERT_EQUAL(http_name_find(span_of("")), HTTP_NAME_OTHER);
	CU_ASSERT_EQUAL(http_name_find(span_of("Hos_")), HTTP_NAME_OTHER);
	CU_ASSERT_EQUAL(http_name_find(span_of("Content_Length")), HTTP_NAME_OTHER);
	CU_ASSERT_EQUAL(http_name_find(span_of("\"os4")), HTTP_NAME_OTHER);
	CU_ASSERT_EQUAL(http_name_find(span_of("If-Unmodified-Sincee")), HTTP_NAME_OTHER);
	CU_ASSERT(http_field_passes_for(span_of("x_Real.iP"), span_of("X-Real-IP")));
	CU_ASSERT_FALSE(http_field_passes_for(span_of("x_Real.i"), span_of("X-Real-IP")));
	CU_ASSERT_FALSE(http_field_passes_for(span_of("xxReal-IP"), span_of("X-Real-IP")));
	CU_ASSERT_FALSE(http_field_passes_for(span_of("X-Real_I0"), span_of("X-Real-IP")));
	CU_ASSERT_FALSE(http_field_passes_for(span_of("X-Real-\x10P"), span_of("X-Real-0P")));
}

static void test_connection_options(void)
{
	struct http_span fields =
		span_of("Connection: a, B\t,\r\nX: x\r\nconnection:c-1 ,d_\r\nC: y\r\n");

	CU_ASSERT(http_field_is_connection_option(fields, span_of("A")));
	CU_ASSERT(http_field_is_connection_option(fields, span_of("b")));
	CU_ASSERT(http_field_is_connection_option(fields, span_of("C-1")));
	CU_ASSERT(http_field_is_connection_option(fields, span_of("D_")));
	CU_ASSERT_FALSE(http_field_is_connection_option(fields, span_of("d-")));
	CU_ASSERT_FALSE(http_field_is_connection_option(fields, span_of("x")));
	CU_ASSERT_FALSE(http_field_is_connection_option(fields, span_of("y")));
	CU_ASSERT_FALSE(http_field_is_connection_option(fields, span_of("")));
}

/* ---- heads that are refused -------------------------------------------- */

struct bad_head {
	int status;
	const char *head;
	size_t len;
};

/* clang-format off */
/* 32 options, all empty, less one. */
#define COMMAS ",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,"
#define BAD(status, head) { status, head, sizeof(head) - 1 }
static const struct bad_head bad_heads[] = {
	/* line ends */
	BAD(400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
	BAD(400, "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /b%0 HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /b%zz?c HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /% HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /../b HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET /b/./%2e%2E//../c HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "GET http://b/.. HTTP/1.1\r\nHost: a\r\n\r\n"),
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
	BAD(501, GET11 "Transfer-Encoding: chunked, gzip\r\n\r\n"),
	BAD(501, GET11 "Transfer-Encoding: , chunked\r\n\r\n"),
	BAD(501, GET11 "Transfer-Encoding: \"chunked\"\r\n\r\n"),
	BAD(501, GET11 "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(400, GET11 "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"),
	BAD(400, GET11 "Transfer-Encoding : chunked\r\n\r\n"),
	BAD(400, GET11 "Transfer-Encoding: \x0b" "chunked\r\n\r\n"),
	BAD(400, GET11 "Transfer-Encoding\r\n: chunked\r\n\r\n"),
	BAD(501, GET11 "Transfer-Encoding:\r\n chunked\r\n\r\n"),
	BAD(400, GET11 "X: y\rTransfer-Encoding: chunked\r\n\r\n"),
	BAD(400, GET11 "X: y\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(400, GET11 "Transfer_Encoding: chunked\r\n\r\n"),
	BAD(400, GET11 "content_LENGTH: 5\r\n\r\n"),
	BAD(400, GET11 "Content.Length: 5\r\n\r\n"),
	BAD(400, "GET / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
	/* connection */
	BAD(400, GET11 "Connection: Content-Length\r\nContent-Length: 5\r\n\r\n"),
	BAD(400, GET11 "Connection: close, transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(400, GET11 "Connection: keep-alive\r\nConnection: x,HOST\t\r\n\r\n"),
	BAD(431, GET11 "Connection: " COMMAS COMMAS "\r\nConnection:,\r\n\r\n"),
	BAD(400, GET11 "Authorization: Basic YTpi\r\nauthorization: Basic YTpj\r\n\r\n"),
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
		parse = http_request_parse(
			&request, &http_default_limits, bad_heads[i].head, bad_heads[i].len);
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

/* In two pieces, cut everywhere. */
static void test_bad_split(void)
{
	for (size_t i = 0; i < COUNT(bad_heads); i++) {
		const struct bad_head *bad = &bad_heads[i];

		for (size_t cut = 0; cut < bad->len; cut++) {
			struct http_request request;
			enum http_parse parse;
			char *copy = NULL;

			http_request_init(&request);
			parse = parse_copy(&request, &copy, bad->head, cut);
			if (parse == HTTP_PARSE_MORE)
				parse = parse_copy(&request, &copy, bad->head, bad->len);
			bad_check(bad, parse, request.status);
			/* And it stays so. */
			CU_ASSERT_EQUAL(
				parse_copy(&request, &copy, bad->head, bad->len), HTTP_PARSE_BAD);
			free(copy);
		}
	}
}

/* Who speaks something else hears it without sending a whole head. */
static void test_bad_request_line_is_told_early(void)
{
	static const char line[] = "EHLO example.com\r\n";
	struct http_request request;

	http_request_init(&request);
	CU_ASSERT_EQUAL(http_request_parse(&request, &http_default_limits, line, strlen(line)),
		HTTP_PARSE_BAD);
	CU_ASSERT_EQUAL(request.status, 400);
}

/* The log tells a folded line from the other shapes of a bad one. */
static void test_reason_of_folded_line(void)
{
	static const char head[] = GET11 "X: b\r\n\tc: d\r\n\r\n";
	struct http_request request;

	http_request_init(&request);
	CU_ASSERT_EQUAL(http_request_parse(&request, &http_default_limits, head, strlen(head)),
		HTTP_PARSE_BAD);
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
		parse = http_request_parse(&slow, &http_default_limits, data, i);
	http_request_init(&request);
	CU_ASSERT_EQUAL(http_request_parse(&request, &http_default_limits, data, len), parse);
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
		http_request_parse(&request, &http_default_limits, data, HTTP_REQUEST_LINE_MAX + 1),
		HTTP_PARSE_MORE);
	CU_ASSERT_EQUAL(
		http_request_parse(&request, &http_default_limits, data, HTTP_REQUEST_LINE_MAX + 2),
		HTTP_PARSE_BAD);
	CU_ASSERT_EQUAL(request.status, 414);
}

static int status_within(const char *head, struct http_limits limits)
{
	struct http_request request;
	enum http_parse parse;

	http_request_init(&request);
	parse = http_request_parse(&request, &limits, head, strlen(head));
	return parse == HTTP_PARSE_DONE ? 200 : request.status;
}

static void test_limits_given(void)
{
	const char *head = GET11 "X: y\r\n\r\n"; /* 33 bytes, lines of 14, 7 and 4 */

	CU_ASSERT_EQUAL(
		status_within(head, (struct http_limits){.head = 33, .line = 14, .fields = 2}),
		200);
	CU_ASSERT_EQUAL(
		status_within(head, (struct http_limits){.head = 32, .line = 14, .fields = 2}),
		431);
	CU_ASSERT_EQUAL(
		status_within(head, (struct http_limits){.head = 33, .line = 13, .fields = 2}),
		414);
	CU_ASSERT_EQUAL(
		status_within(head, (struct http_limits){.head = 33, .line = 14, .fields = 1}),
		431);
}

static CU_TestInfo name_tests[] = {
	{"classes of characters", test_characters},
	{"names", test_names},
	{"options of Connection", test_connection_options},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo parse_tests[] = {
	{"sound heads at once", test_sound_at_once},
	{"sound heads cut at every byte", test_sound_split},
	{"sound heads byte by byte", test_sound_byte_by_byte},
	{"range and condition headers", test_conditions},
	{"connection, upgrade and expectation", test_connection},
	{"sound heads with more in them", test_framing_variants},
	{"methods that may be sent twice", test_idempotent},
	{"other headers", test_other_fields},
	{"bad heads at once", test_bad_at_once},
	{"bad heads byte by byte", test_bad_byte_by_byte},
	{"bad heads cut at every byte", test_bad_split},
	{"bad request line is told early", test_bad_request_line_is_told_early},
	{"reason of a folded line", test_reason_of_folded_line},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo limit_tests[] = {
	{"request line of 8 KiB", test_limit_request_line},
	{"100 header lines", test_limit_fields},
	{"head of 16 KiB", test_limit_head},
	{"endless line", test_limit_endless_line},
	{"limits of the caller's", test_limits_given},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo http_request_suites[] = {
	{.pName = "http_request", .pTests = parse_tests},
	{.pName = "http_request names", .pTests = name_tests},
	{.pName = "http_request limits", .pTests = limit_tests},
	CU_SUITE_INFO_NULL,
};
