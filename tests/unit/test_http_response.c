#include "proxy/http_response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suite.h"

extern CU_SuiteInfo http_response_suites[];

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* What comes behind a head and is none of the parser's business. */
#define NEXT "\r\n\x01 next"

/* ---- heads that are sound ---------------------------------------------- */

struct sound_head {
	const char *head;
	unsigned status;
	const char *reason;
	unsigned minor_version;
	bool keep_alive, chunked;
	int content_length; /* -1: absent */
	const char *flags;  /* u: has_upgrade, o: has_options, d: has_date */
};

/* clang-format off */
#define OK11 "HTTP/1.1 200 OK\r\n"
static const struct sound_head sound_heads[] = {
	{ OK11 "\r\n",                                          200, "OK", 1, true,  false, -1, "" },
	{ "HTTP/1.0 200 OK\r\n\r\n",                            200, "OK", 0, false, false, -1, "" },
	{ "HTTP/1.1 599 \r\n\r\n",                              599, "",   1, true,  false, -1, "" },
	{ "HTTP/1.1 404\r\n\r\n",                               404, "",   1, true,  false, -1, "" },
	{ "HTTP/1.1 100  a\tb \xc3\xa9 \r\n\r\n",               100, " a\tb \xc3\xa9 ", 1, true, false, -1, "" },
	{ OK11 "Date: now\r\nServer: x\r\n\r\n",                200, "OK", 1, true,  false, -1, "d" },
	{ OK11 "Content-Length: 0\r\n\r\n",                     200, "OK", 1, true,  false, 0,  "" },
	{ OK11 "content-length:\t0123 \r\nX:\r\n\r\n",          200, "OK", 1, true,  false, 123, "" },
	{ OK11 "Transfer-Encoding:CHUNKED\r\n\r\n",             200, "OK", 1, true,  true,  -1, "" },
	{ OK11 "Connection: close\r\n\r\n",                     200, "OK", 1, false, false, -1, "" },
	{ OK11 "Connection: x\r\nConnection: keep-alive,Close\r\n\r\n", 200, "OK", 1, false, false, -1, "o" },
	{ "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\n", 200, "OK", 0, true, false, 1, "" },
	{ "HTTP/1.0 200 OK\r\nKeep-Alive: timeout=5\r\n\r\n",   200, "OK", 0, false, false, -1, "" },
	{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: Upgrade\r\n\r\n",
	                                            101, "Switching Protocols", 1, true,  false, -1, "u" },
	{ OK11 "Upgrade: a\r\n\r\n",                            200, "OK", 1, true,  false, -1, "" },
	{ OK11 "Connection: upgrade\r\n\r\n",                   200, "OK", 1, true,  false, -1, "" },
	{ OK11 "Set-Cookie: a\r\nSet-Cookie: b\r\nHost: c\r\nHost: d\r\n\r\n", 200, "OK", 1, true, false, -1, "" },
};
/* clang-format on */

static void sound_head_check(const struct sound_head *sound, const struct http_response *response)
{
	uint64_t length = sound->content_length < 0 ? 0 : (uint64_t)sound->content_length;

	CU_ASSERT_EQUAL(response->head_len, strlen(sound->head));
	CU_ASSERT_EQUAL(response->status, sound->status);
	CU_ASSERT(http_span_is(response->reason, sound->reason));
	CU_ASSERT_EQUAL(response->minor_version, sound->minor_version);
	CU_ASSERT_EQUAL(response->keep_alive, sound->keep_alive);
	CU_ASSERT_EQUAL(response->chunked, sound->chunked);
	CU_ASSERT_EQUAL(response->has_content_length, sound->content_length >= 0);
	CU_ASSERT_EQUAL(response->content_length, length);
	CU_ASSERT_EQUAL(response->has_upgrade, strchr(sound->flags, 'u') != NULL);
	CU_ASSERT_EQUAL(response->has_options, strchr(sound->flags, 'o') != NULL);
	CU_ASSERT_EQUAL(response->has_date, strchr(sound->flags, 'd') != NULL);
}

/* Parses a copy of exactly these bytes, so that a sanitizer sees what reads beyond. */
static enum http_parse parse_copy(
	struct http_response *response, char **copy, const char *data, size_t len)
{
	free(*copy);
	*copy = malloc(len > 0 ? len : 1);
	if (*copy == NULL)
		abort();
	memcpy(*copy, data, len);
	return http_response_parse(response, &http_default_limits, *copy, len);
}

static void test_sound_at_once(void)
{
	for (size_t i = 0; i < COUNT(sound_heads); i++) {
		struct http_response response;
		char data[512];
		int len = snprintf(data, sizeof(data), "%s%s", sound_heads[i].head, NEXT);

		http_response_init(&response);
		CU_ASSERT_EQUAL(
			http_response_parse(&response, &http_default_limits, data, (size_t)len),
			HTTP_PARSE_DONE);
		sound_head_check(&sound_heads[i], &response);
	}
}

/* In two pieces, cut everywhere, and in a buffer that moves in between. */
static void test_sound_split(void)
{
	for (size_t i = 0; i < COUNT(sound_heads); i++) {
		const char *head = sound_heads[i].head;

		for (size_t cut = 0; cut < strlen(head); cut++) {
			struct http_response response;
			char *copy = NULL;

			http_response_init(&response);
			CU_ASSERT_EQUAL(parse_copy(&response, &copy, head, cut), HTTP_PARSE_MORE);
			CU_ASSERT_EQUAL(
				parse_copy(&response, &copy, head, strlen(head)), HTTP_PARSE_DONE);
			sound_head_check(&sound_heads[i], &response);
			free(copy);
		}
	}
}

/* ---- heads that are refused -------------------------------------------- */

struct bad_head {
	const char *head;
	size_t len;
};

/* clang-format off */
#define BAD(head) { head, sizeof(head) - 1 }
static const struct bad_head bad_heads[] = {
	/* line ends */
	BAD("\r\n" OK11 "\r\n"),
	BAD("\r\n"),
	BAD("\n"),
	BAD("HTTP/1.1 200 OK\n\r\n"),
	BAD(OK11 "\n"),
	BAD(OK11 "X: b\n\r\n"),
	BAD(OK11 "X: b\rc\r\n\r\n"),
	BAD(OK11 "X: b\r\r\n\r\n"),
	BAD(OK11 "\r\r\n\r\n"),
	/* status line */
	BAD("HTTP/1.1\r\n\r\n"),
	BAD("HTTP/1.1 \r\n\r\n"),
	BAD("HTTP/1.1 20\r\n\r\n"),
	BAD("HTTP/1.1 20 OK\r\n\r\n"),
	BAD("HTTP/1.1 2000 OK\r\n\r\n"),
	BAD("HTTP/1.1 20x OK\r\n\r\n"),
	BAD("HTTP/1.1  200 OK\r\n\r\n"),
	BAD("HTTP/1.1\t200 OK\r\n\r\n"),
	BAD("HTTP/1.1 200\tOK\r\n\r\n"),
	BAD("HTTP/1.1 099 OK\r\n\r\n"),
	BAD("HTTP/1.1 600 OK\r\n\r\n"),
	BAD("HTTP/1.1 -20 OK\r\n\r\n"),
	BAD("HTTP/1.1 200 O\0K\r\n\r\n"),
	BAD("HTTP/1.1 200 O\rK\r\n\r\n"),
	BAD("HTTP/1.1 200 O\x7fK\r\n\r\n"),
	BAD("HTTP/1.1 200 OK\r\r\n\r\n"),
	BAD("HTTP/1.2 200 OK\r\n\r\n"),
	BAD("HTTP/2.0 200 OK\r\n\r\n"),
	BAD("HTTP/2 200 OK\r\n\r\n"),
	BAD("HTTP/0.9 200 OK\r\n\r\n"),
	BAD("http/1.1 200 OK\r\n\r\n"),
	BAD("HTTP/1,1 200 OK\r\n\r\n"),
	BAD("HTTP/1.10 200 OK\r\n\r\n"),
	BAD(" HTTP/1.1 200 OK\r\n\r\n"),
	BAD("ICY 200 OK\r\n\r\n"),
	BAD("220 smtp.example.com\r\n"),
	BAD("\x15\x03\x01\x02\x02\r\n"),
	/* header lines */
	BAD(OK11 "X\r\n\r\n"),
	BAD(OK11 ": b\r\n\r\n"),
	BAD(OK11 "X : b\r\n\r\n"),
	BAD(OK11 "X\t: b\r\n\r\n"),
	BAD(OK11 "X y: b\r\n\r\n"),
	BAD(OK11 "X: b\r\n c\r\n\r\n"),
	BAD(OK11 " X: b\r\n\r\n"),
	BAD(OK11 "X: b\0c\r\n\r\n"),
	BAD(OK11 "X: b\x0b" "c\r\n\r\n"),
	BAD(OK11 "X: 1234567\x7f" "12345678\r\n\r\n"),
	BAD(OK11 "X: 123456789012345\x01" "1\t2345678\r\n\r\n"),
	/* framing */
	BAD(OK11 "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
	BAD(OK11 "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
	BAD(OK11 "Content-Length: 5, 5\r\n\r\n"),
	BAD(OK11 "Content-Length: +5\r\n\r\n"),
	BAD(OK11 "Content-Length: -5\r\n\r\n"),
	BAD(OK11 "Content-Length: 0x5\r\n\r\n"),
	BAD(OK11 "Content-Length: 5 5\r\n\r\n"),
	BAD(OK11 "Content-Length:\r\n\r\n"),
	BAD(OK11 "Content-Length: 9223372036854775808\r\n\r\n"),
	BAD(OK11 "Content-Length: 18446744073709551617\r\n\r\n"),
	BAD(OK11 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(OK11 "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
	BAD(OK11 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(OK11 "Transfer-Encoding: gzip, chunked\r\n\r\n"),
	BAD(OK11 "Transfer-Encoding: xchunked\r\n\r\n"),
	BAD(OK11 "Transfer-Encoding: identity\r\n\r\n"),
	BAD(OK11 "Transfer-Encoding:\r\n\r\n"),
	BAD("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(OK11 "Connection: content-length\r\nContent-Length: 5\r\n\r\n"),
	BAD(OK11 "Connection: a,Transfer-Encoding\r\n\r\n"),
	BAD(OK11 "Connection: host\r\n\r\n"),
};
/* clang-format on */

static void bad_check(
	const struct bad_head *bad, enum http_parse parse, const struct http_response *response)
{
	CU_ASSERT_EQUAL(parse, HTTP_PARSE_BAD);
	CU_ASSERT_PTR_NOT_NULL(response->error);
	if (parse != HTTP_PARSE_BAD)
		fprintf(stderr, "  parse %d for: %s\n", (int)parse, bad->head);
}

/* At once, in two pieces cut everywhere, and byte by byte: for the same reason. */
static void test_bad(void)
{
	for (size_t i = 0; i < COUNT(bad_heads); i++) {
		const struct bad_head *bad = &bad_heads[i];
		struct http_response whole, pieces;
		enum http_parse parse;
		char *copy = NULL;

		http_response_init(&whole);
		bad_check(bad, parse_copy(&whole, &copy, bad->head, bad->len), &whole);
		for (size_t cut = 0; cut < bad->len; cut++) {
			http_response_init(&pieces);
			parse = parse_copy(&pieces, &copy, bad->head, cut);
			if (parse == HTTP_PARSE_MORE)
				parse = parse_copy(&pieces, &copy, bad->head, bad->len);
			bad_check(bad, parse, &pieces);
			CU_ASSERT_PTR_EQUAL(pieces.error, whole.error);
		}
		parse = HTTP_PARSE_MORE;
		http_response_init(&pieces);
		for (size_t len = 1; parse == HTTP_PARSE_MORE && len <= bad->len; len++)
			parse = parse_copy(&pieces, &copy, bad->head, len);
		bad_check(bad, parse, &pieces);
		CU_ASSERT_PTR_EQUAL(pieces.error, whole.error);
		free(copy);
	}
}

static enum http_parse parse_with(
	const char *head, const char *lines, struct http_response *response)
{
	char data[512];
	size_t len = strlen(head) - 2;

	snprintf(data, sizeof(data), "%.*s%s\r\n", (int)len, head, lines);
	http_response_init(response);
	return http_response_parse(response, &http_default_limits, data, strlen(data));
}

/* Every sound head with framing, or another one, in it. */
static void test_framing_variants(void)
{
	for (size_t i = 0; i < COUNT(sound_heads); i++) {
		const struct sound_head *sound = &sound_heads[i];
		bool is_framed = sound->chunked || sound->content_length >= 0;
		struct http_response response;

		CU_ASSERT_EQUAL(parse_with(sound->head, "Content-Length: 5\r\n", &response),
			is_framed ? HTTP_PARSE_BAD : HTTP_PARSE_DONE);
		CU_ASSERT(response.error != NULL || response.content_length == 5);
		CU_ASSERT_EQUAL(
			parse_with(sound->head, "Transfer-Encoding: chunked\r\n", &response),
			is_framed || sound->minor_version == 0 ? HTTP_PARSE_BAD : HTTP_PARSE_DONE);
		CU_ASSERT(response.error != NULL || response.chunked);
		CU_ASSERT_EQUAL(
			parse_with(sound->head, "Transfer-Encoding: xchunked\r\n", &response),
			HTTP_PARSE_BAD);
		CU_ASSERT_EQUAL(parse_with(sound->head, "X: y\n", &response), HTTP_PARSE_BAD);
		CU_ASSERT_EQUAL(
			parse_with(sound->head, "X: y\r\n z\r\n", &response), HTTP_PARSE_BAD);
	}
}

/* What is no HTTP at all is told from its first line. */
static void test_bad_status_line_is_told_early(void)
{
	static const char line[] = "SSH-2.0-OpenSSH_9.6\r\n";
	struct http_response response;

	http_response_init(&response);
	CU_ASSERT_EQUAL(http_response_parse(&response, &http_default_limits, line, strlen(line)),
		HTTP_PARSE_BAD);
}

static enum http_parse parse_within(const char *head, struct http_limits limits)
{
	struct http_response response;

	http_response_init(&response);
	return http_response_parse(&response, &limits, head, strlen(head));
}

static void test_limits(void)
{
	const char *head = OK11 "X: y\r\n\r\n"; /* 25 bytes, lines of 15 and 4 */

	CU_ASSERT_EQUAL(
		parse_within(head, (struct http_limits){.head = 25, .line = 15, .fields = 1}),
		HTTP_PARSE_DONE);
	CU_ASSERT_EQUAL(
		parse_within(head, (struct http_limits){.head = 24, .line = 15, .fields = 1}),
		HTTP_PARSE_BAD);
	CU_ASSERT_EQUAL(
		parse_within(head, (struct http_limits){.head = 25, .line = 14, .fields = 1}),
		HTTP_PARSE_BAD);
	CU_ASSERT_EQUAL(
		parse_within(head, (struct http_limits){.head = 25, .line = 15, .fields = 0}),
		HTTP_PARSE_BAD);
}

static CU_TestInfo tests[] = {
	{"sound heads at once", test_sound_at_once},
	{"sound heads cut at every byte", test_sound_split},
	{"sound heads with more in them", test_framing_variants},
	{"bad heads, however they arrive", test_bad},
	{"bad status line is told early", test_bad_status_line_is_told_early},
	{"limits", test_limits},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo http_response_suites[] = {
	{.pName = "http_response", .pTests = tests},
	CU_SUITE_INFO_NULL,
};
