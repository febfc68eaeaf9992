#include "proxy/http_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suite.h"

extern CU_SuiteInfo http_body_suites[];

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- which kind it is -------------------------------------------------- */

struct kind_case {
	unsigned status; /* 0: a request */
	bool to_head, chunked, has_length;
	uint64_t length;
	enum http_body_kind kind;
};

/* clang-format off */
static const struct kind_case kind_cases[] = {
	{ 0,   false, false, false, 0, HTTP_BODY_NONE },
	{ 0,   false, false, true,  0, HTTP_BODY_NONE },
	{ 0,   false, false, true,  7, HTTP_BODY_LENGTH },
	{ 0,   false, true,  false, 0, HTTP_BODY_CHUNKED },
	{ 200, false, false, false, 0, HTTP_BODY_CLOSE },
	{ 200, false, false, true,  0, HTTP_BODY_NONE },
	{ 200, false, false, true,  7, HTTP_BODY_LENGTH },
	{ 200, false, true,  false, 0, HTTP_BODY_CHUNKED },
	{ 200, true,  false, false, 0, HTTP_BODY_NONE },
	{ 200, true,  false, true,  7, HTTP_BODY_NONE },
	{ 200, true,  true,  false, 0, HTTP_BODY_NONE },
	{ 100, false, false, true,  7, HTTP_BODY_NONE },
	{ 101, false, false, false, 0, HTTP_BODY_NONE },
	{ 103, false, true,  false, 0, HTTP_BODY_NONE },
	{ 204, false, false, true,  7, HTTP_BODY_NONE },
	{ 304, false, false, true,  7, HTTP_BODY_NONE },
	{ 304, false, true,  false, 0, HTTP_BODY_NONE },
	{ 205, false, false, false, 0, HTTP_BODY_CLOSE },
	{ 599, false, false, true,  7, HTTP_BODY_LENGTH },
};
/* clang-format on */

static void body_make(struct http_body *body, const struct kind_case *from)
{
	struct http_request request = {.chunked = from->chunked,
		.has_content_length = from->has_length,
		.content_length = from->length};
	struct http_response response = {.status = from->status,
		.chunked = from->chunked,
		.has_content_length = from->has_length,
		.content_length = from->length};

	if (from->status == 0)
		http_body_of_request(body, &request);
	else
		http_body_of_response(body, &response, from->to_head);
}

static void test_kinds(void)
{
	for (size_t i = 0; i < COUNT(kind_cases); i++) {
		struct http_body body;
		int expected;

		body_make(&body, &kind_cases[i]);
		CU_ASSERT_EQUAL(body.kind, kind_cases[i].kind);
		CU_ASSERT_EQUAL(body.complete, body.kind == HTTP_BODY_NONE);
		CU_ASSERT_EQUAL(body.is_request, kind_cases[i].status == 0);
		CU_ASSERT_EQUAL(body.left, body.kind == HTTP_BODY_LENGTH ? 7 : 0);
		/* "x" belongs to it, or is what comes behind, or is no chunk. */
		expected = body.kind == HTTP_BODY_CHUNKED ? -1 : !body.complete;
		CU_ASSERT_EQUAL(http_body_scan(&body, "x", 1), expected);
	}
}

static void test_length(void)
{
	const struct kind_case seven = {.has_length = true, .length = 7};
	struct http_body body;

	body_make(&body, &seven);
	CU_ASSERT_EQUAL(http_body_blind(&body), 7);
	CU_ASSERT_EQUAL(http_body_scan(&body, "abc", 3), 3);
	CU_ASSERT_FALSE(body.complete);
	http_body_passed(&body, 2);
	CU_ASSERT_EQUAL(body.left, 2);
	CU_ASSERT_EQUAL(http_body_scan(&body, "\r\nGET", 5), 2);
	CU_ASSERT(body.complete);
	CU_ASSERT_EQUAL(body.data, 7);
	CU_ASSERT_EQUAL(http_body_blind(&body), 0);
	CU_ASSERT_EQUAL(http_body_scan(&body, "GET", 3), 0);
}

static void test_close(void)
{
	const struct kind_case endless = {.status = 200};
	struct http_body body;

	body_make(&body, &endless);
	CU_ASSERT_EQUAL(http_body_blind(&body), UINT64_MAX);
	CU_ASSERT_EQUAL(http_body_scan(&body, "0\r\n\r\n", 5), 5);
	http_body_passed(&body, (uint64_t)1 << 40);
	CU_ASSERT_EQUAL(body.data, 5 + ((uint64_t)1 << 40));
	CU_ASSERT_FALSE(body.complete);
}

/* ---- chunks ------------------------------------------------------------ */

struct chunks {
	const char *text;
	size_t len;
	int data; /* bytes of content, -1: refused */
};

/* clang-format off */
#define GOOD(data, text) { text, sizeof(text) - 1, data }
#define BAD(text)        { text, sizeof(text) - 1, -1 }
#define END              "0\r\n\r\n"
static const struct chunks chunks[] = {
	GOOD(0,  END),
	GOOD(0,  "000\r\n\r\n"),
	GOOD(0,  "0000000000000000\r\n\r\n"),
	GOOD(5,  "5\r\nhello\r\n" END),
	GOOD(5,  "5\r\n\r\n0\r\n\r\n" END),
	GOOD(11, "A\r\n0123456789\r\n1\r\n\r\r\n" END),
	GOOD(10, "0000000a\r\n0123456789\r\n" END),
	/* extensions */
	GOOD(1,  "1;a\r\nx\r\n" END),
	GOOD(1,  "1;a=b;c;d=!#$%&'*+-.^_`|~9\r\nx\r\n0;e\r\n\r\n"),
	GOOD(1,  "1;a=\"\";b=\" \t;=\\\"\\\\\xc3\xa9\"\r\nx\r\n" END),
	GOOD(1,  "1;a=\"b\";c=\"d\"\r\nx\r\n" END),
	/* trailers */
	GOOD(1,  "1\r\nx\r\n0\r\nX: y\r\nZ:\r\n\r\n"),
	GOOD(0,  "0\r\nDigest: \t a=\xc3\xa9: \r\n\r\n"),
	GOOD(0,  "0\r\nA-name-of-more-than-forty-characters-is-fine-as-well: y\r\n\r\n"),
	GOOD(0,  "0\r\nhos: a\r\nhosts: b\r\nX-Forward: c\r\nXForwarded-For: d\r\n\r\n"),
	/* size */
	BAD("\r\n"),
	BAD("\r\n" END),
	BAD("\n" END),
	BAD("g\r\n"),
	BAD("0x0\r\n\r\n"),
	BAD("0X5\r\nhello\r\n"),
	BAD("+5\r\nhello\r\n"),
	BAD("-5\r\nhello\r\n"),
	BAD(" 5\r\nhello\r\n"),
	BAD("\t5\r\nhello\r\n"),
	BAD("5 \r\nhello\r\n"),
	BAD("5\t\r\nhello\r\n"),
	BAD("5 5\r\nhello\r\n"),
	BAD("5,5\r\nhello\r\n"),
	BAD("5.0\r\nhello\r\n"),
	BAD("5\0\r\nhello\r\n"),
	BAD("5\nhello\r\n"),
	BAD("5\rhello\r\n"),
	BAD("5\r\rhello\r\n"),
	BAD("5\r"  "5\nhello\r\n"),
	BAD("00000000000000005\r\nhello\r\n"),
	BAD("8000000000000000\r\n"),
	BAD("ffffffffffffffff\r\n"),
	BAD("10000000000000005\r\nhello\r\n"),
	/* data */
	BAD("5\r\nhello" END),
	BAD("5\r\nhello0\r\n\r\n"),
	BAD("5\r\nhello\n" END),
	BAD("5\r\nhello\r" END),
	BAD("5\r\nhello\r\r\n" END),
	BAD("4\r\nhello\r\n" END),
	BAD("5\r\nhello\r\n\r\n"),
	BAD("5\r\nhello\r\n;a\r\n"),
	/* extensions */
	BAD("1;\r\nx\r\n" END),
	BAD("1;;a\r\nx\r\n" END),
	BAD("1; a\r\nx\r\n" END),
	BAD("1 ;a\r\nx\r\n" END),
	BAD("1;a \r\nx\r\n" END),
	BAD("1;a =b\r\nx\r\n" END),
	BAD("1;a= b\r\nx\r\n" END),
	BAD("1;a=b \r\nx\r\n" END),
	BAD("1;a=\r\nx\r\n" END),
	BAD("1;a=;b\r\nx\r\n" END),
	BAD("1;=b\r\nx\r\n" END),
	BAD("1;a=b=c\r\nx\r\n" END),
	BAD("1;a=b\"c\"\r\nx\r\n" END),
	BAD("1;a=\"b\"c\r\nx\r\n" END),
	BAD("1;a=\"b\r\nx\r\n" END),
	BAD("1;a=\"b\n\"\r\nx\r\n" END),
	BAD("1;a=\"b\r\"\r\nx\r\n" END),
	BAD("1;a=\"b\\\n\"\r\nx\r\n" END),
	BAD("1;a=\"b\\\r\n\"\r\nx\r\n" END),
	BAD("1;a=\"b\0\"\r\nx\r\n" END),
	BAD("1;a=\"b\x7f\"\r\nx\r\n" END),
	BAD("1;a\nx\r\n" END),
	BAD("1;a\rx\r\n" END),
	BAD("1;\nx\r\n" END),
	BAD("1;a[]\r\nx\r\n" END),
	/* trailers */
	BAD("0\r\n\n"),
	BAD("0\r\n\r\r\n"),
	BAD("0\r\n\rX"),
	BAD("0\r\nX\r\n\r\n"),
	BAD("0\r\n: y\r\n\r\n"),
	BAD("0\r\nX : y\r\n\r\n"),
	BAD("0\r\n X: y\r\n\r\n"),
	BAD("0\r\nX: y\r\n z\r\n\r\n"),
	BAD("0\r\nX: y\n\r\n"),
	BAD("0\r\nX: y\rz\r\n\r\n"),
	BAD("0\r\nX: y\0\r\n\r\n"),
	BAD("0\r\nX: y\x7f\r\n\r\n"),
	BAD("0\r\nX\xc3: y\r\n\r\n"),
	BAD("0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD("0\r\ntransfer_encoding: chunked\r\n\r\n"),
	BAD("0\r\nContent-Length: 5\r\n\r\n"),
	BAD("0\r\nHOST: a\r\n\r\n"),
	BAD("0\r\nX: y\r\nConnection: close\r\n\r\n"),
	BAD("0\r\nKeep-Alive: 5\r\n\r\n"),
	BAD("0\r\nTE: trailers\r\n\r\n"),
	BAD("0\r\nTrailer: X\r\n\r\n"),
	BAD("0\r\nUpgrade: h2c\r\n\r\n"),
	BAD("0\r\nAuthorization: Basic YTpi\r\n\r\n"),
	BAD("0\r\nProxy-Authorization: Basic YTpi\r\n\r\n"),
	BAD("0\r\nCookie: a\r\n\r\n"),
	BAD("0\r\nSet-Cookie: a\r\n\r\n"),
	BAD("0\r\nContent-Encoding: gzip\r\n\r\n"),
	BAD("0\r\nContent-Type: text/html\r\n\r\n"),
	BAD("0\r\nContent-Range: bytes 0-1/2\r\n\r\n"),
};
/* Ours to set in a request, and nothing to us in a response. */
static const struct chunks protected_chunks[] = {
	BAD("0\r\nX-Forwarded-For: a\r\n\r\n"),
	BAD("0\r\nx_forwarded_proto: a\r\n\r\n"),
	BAD("0\r\nX-Forwarded-Of-more-than-forty-characters-there-are-none: a\r\n\r\n"),
	BAD("0\r\nForwarded: for=a\r\n\r\n"),
	BAD("0\r\nX-Real.IP: a\r\n\r\n"),
	BAD("0\r\nX-Client-Cert-Verify: SUCCESS\r\n\r\n"),
};
/* clang-format on */

static void chunked_make(struct http_body *body, bool is_request)
{
	const struct kind_case request = {.chunked = true};
	const struct kind_case response = {.status = 200, .chunked = true};

	body_make(body, is_request ? &request : &response);
}

/*
 * How many bytes of these belong to the body, when they come with a cut, -1 when
 * refused. A copy of exactly the bytes lets a sanitizer see what reads beyond.
 */
static int64_t scan_cut(struct http_body *body, const char *text, size_t len, size_t cut)
{
	const size_t pieces[2] = {cut, len - cut};
	int64_t sum = 0;

	for (int i = 0; i < 2; i++) {
		char *copy = malloc(pieces[i] > 0 ? pieces[i] : 1);
		int64_t taken;

		if (copy == NULL)
			abort();
		memcpy(copy, text + (i == 0 ? 0 : cut), pieces[i]);
		taken = http_body_scan(body, copy, pieces[i]);
		free(copy);
		if (taken < 0)
			return -1;
		sum += taken;
	}
	return sum;
}

static void chunks_check(const struct chunks *expected, bool is_request, size_t cut)
{
	struct http_body body;
	int64_t taken;

	chunked_make(&body, is_request);
	taken = scan_cut(&body, expected->text, expected->len, cut);
	CU_ASSERT_EQUAL(taken, expected->data < 0 ? -1 : (int64_t)expected->len);
	CU_ASSERT_EQUAL(body.error != NULL, expected->data < 0);
	CU_ASSERT_EQUAL(body.complete, expected->data >= 0);
	if (body.complete != (expected->data >= 0))
		fprintf(stderr, "  cut at %zu: %s\n", cut, expected->text);
	CU_ASSERT(expected->data < 0 || body.data == (uint64_t)expected->data);
	/* It stays so. */
	CU_ASSERT_EQUAL(http_body_scan(&body, END, 5), expected->data < 0 ? -1 : 0);
}

static void test_chunks(void)
{
	for (size_t i = 0; i < COUNT(chunks); i++) {
		for (size_t cut = 0; cut <= chunks[i].len; cut++) {
			chunks_check(&chunks[i], true, cut);
			chunks_check(&chunks[i], false, cut);
		}
	}
}

static void test_protected_trailers(void)
{
	for (size_t i = 0; i < COUNT(protected_chunks); i++) {
		struct chunks in_response = protected_chunks[i];

		in_response.data = 0;
		for (size_t cut = 0; cut <= in_response.len; cut++) {
			chunks_check(&protected_chunks[i], true, cut);
			chunks_check(&in_response, false, cut);
		}
	}
}

/* What is behind is not looked at, wherever the pieces end. */
static void test_chunks_with_more_behind(void)
{
	for (size_t i = 0; i < COUNT(chunks); i++) {
		char text[256];
		size_t len = chunks[i].len;

		if (chunks[i].data < 0)
			continue;
		memcpy(text, chunks[i].text, len);
		memcpy(text + len, "\r\nGET", 5);
		for (size_t cut = 0; cut <= len + 5; cut++) {
			struct http_body body;

			chunked_make(&body, true);
			CU_ASSERT_EQUAL(scan_cut(&body, text, len + 5, cut), (int64_t)len);
			CU_ASSERT(body.complete);
		}
	}
}

/* Only what frames the chunks has to be looked at. */
static void test_blind_chunks(void)
{
	struct http_body body;

	chunked_make(&body, true);
	CU_ASSERT_EQUAL(http_body_blind(&body), 0);
	CU_ASSERT_EQUAL(http_body_scan(&body, "7fffffffffffffff", 16), 16);
	CU_ASSERT_EQUAL(http_body_blind(&body), 0);
	CU_ASSERT_EQUAL(http_body_scan(&body, "\r\nab", 4), 4);
	CU_ASSERT_EQUAL(http_body_blind(&body), INT64_MAX - 2);
	http_body_passed(&body, INT64_MAX - 3);
	CU_ASSERT_EQUAL(http_body_blind(&body), 1);
	http_body_passed(&body, 1);
	CU_ASSERT_EQUAL(body.data, INT64_MAX);
	CU_ASSERT_EQUAL(http_body_blind(&body), 0);
	CU_ASSERT_EQUAL(http_body_scan(&body, "\r\n" END, 7), 7);
	CU_ASSERT(body.complete);
}

/* A filler between two texts, scanned at once and byte by byte. */
static int64_t scan_filled(const char *before, size_t filler, const char *after)
{
	static char text[8192];
	size_t len = strlen(before);
	struct http_body whole, pieces;
	int64_t taken = 0, step = 0;

	memcpy(text, before, len);
	memset(text + len, 'a', filler);
	len += filler;
	memcpy(text + len, after, strlen(after));
	len += strlen(after);
	chunked_make(&whole, true);
	chunked_make(&pieces, true);
	for (size_t i = 0; step >= 0 && i < len; i++) {
		step = http_body_scan(&pieces, text + i, 1);
		taken = step < 0 ? -1 : taken + step;
	}
	CU_ASSERT_EQUAL(http_body_scan(&whole, text, len), taken);
	return taken < 0 ? -1 : (int64_t)(len - (size_t)taken);
}

static void test_limits(void)
{
	/* "0;" filler "\r" */
	CU_ASSERT_EQUAL(scan_filled("0;", 253, "\r\n\r\n"), 0);
	CU_ASSERT_EQUAL(scan_filled("0;", 254, "\r\n\r\n"), -1);
	CU_ASSERT_EQUAL(scan_filled("0;a=\"", 249, "\"\r\n\r\n"), 0);
	CU_ASSERT_EQUAL(scan_filled("0;a=\"", 250, "\"\r\n\r\n"), -1);
	/* "X:" filler "\r" "Y:\r" "\r" */
	CU_ASSERT_EQUAL(scan_filled("0\r\nX:", 4096 - 7, "\r\nY:\r\n\r\n"), 0);
	CU_ASSERT_EQUAL(scan_filled("0\r\nX:", 4096 - 6, "\r\nY:\r\n\r\n"), -1);
	CU_ASSERT_EQUAL(scan_filled("0\r\n", 4096 - 3, ":\r\n\r\n"), 0);
	CU_ASSERT_EQUAL(scan_filled("0\r\n", 4096 - 2, ":\r\n\r\n"), -1);
}

static CU_TestInfo tests[] = {
	{"which kind it is", test_kinds},
	{"a length", test_length},
	{"up to the end", test_close},
	{"chunks cut at every byte", test_chunks},
	{"trailers that are ours", test_protected_trailers},
	{"chunks with more behind them", test_chunks_with_more_behind},
	{"bytes that need not be looked at", test_blind_chunks},
	{"limits of extensions and trailers", test_limits},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo http_body_suites[] = {
	{.pName = "http_body", .pTests = tests},
	CU_SUITE_INFO_NULL,
};
