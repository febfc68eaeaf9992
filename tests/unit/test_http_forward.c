#include "proxy/http_forward.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "tests/suite.h"

extern CU_SuiteInfo http_forward_suites[];

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void request_parse(struct http_request *request, const char *head)
{
	http_request_init(request);
	CU_ASSERT_EQUAL(http_request_parse(request, &http_default_limits, head, strlen(head)),
		HTTP_PARSE_DONE);
	CU_ASSERT_EQUAL(request->head_len, strlen(head));
}

static void response_parse(struct http_response *response, const char *head)
{
	http_response_init(response);
	CU_ASSERT_EQUAL(http_response_parse(response, &http_default_limits, head, strlen(head)),
		HTTP_PARSE_DONE);
	CU_ASSERT_EQUAL(response->head_len, strlen(head));
}

static struct http_span span_of(const char *text)
{
	return (struct http_span){.data = text, .len = strlen(text)};
}

/* ---- requests ---------------------------------------------------------- */

typedef size_t writer(const void *message, const void *with, char *out, size_t size);

/*
 * Writes into exactly `size` bytes for each size there may be, so that a sanitizer sees
 * what goes beyond: it fits, or it does not and nothing is claimed.
 */
static void write_check(writer *write, const void *message, const void *with, const char *expected)
{
	size_t len = strlen(expected);

	for (size_t size = 0; size <= len + 1; size++) {
		char *out = malloc(size > 0 ? size : 1);
		size_t written;

		if (out == NULL)
			abort();
		written = write(message, with, out, size);
		CU_ASSERT_EQUAL(written, size < len ? 0 : len);
		if (size >= len && (written != len || memcmp(out, expected, len) != 0)) {
			CU_FAIL("another head than expected");
			fprintf(stderr, "-- expected:\n%s-- but:\n%.*s", expected, (int)written,
				out);
		}
		free(out);
	}
}

static size_t request_write(const void *message, const void *with, char *out, size_t size)
{
	return http_forward_request(message, with, out, size);
}

static size_t response_write(const void *message, const void *with, char *out, size_t size)
{
	return http_forward_response(message, with, out, size);
}

static struct sockaddr_in peer4 = {.sin_family = AF_INET, .sin_port = 1};
static struct sockaddr_in6 peer6 = {.sin6_family = AF_INET6}, mapped = {.sin6_family = AF_INET6};
static struct sockaddr_un peer_unix = {.sun_family = AF_UNIX};

static void peers_make(void)
{
	CU_ASSERT_EQUAL(inet_pton(AF_INET, "192.0.2.10", &peer4.sin_addr), 1);
	CU_ASSERT_EQUAL(inet_pton(AF_INET6, "2001:db8::1", &peer6.sin6_addr), 1);
	CU_ASSERT_EQUAL(inet_pton(AF_INET6, "::ffff:203.0.113.9", &mapped.sin6_addr), 1);
}

struct request_case {
	const char *head, *expected;
	bool has_peer, upgrade;
};

/* clang-format off */
#define GET    "GET / HTTP/1.1\r\nHost: a\r\n"
#define ADDED  "X-Forwarded-For: 192.0.2.10\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n" \
	       "Forwarded: for=192.0.2.10;proto=https\r\n"
static const struct request_case request_cases[] = {
	{ GET "\r\n",                            GET "\r\n", false, false },
	{ GET "\r\n",                            GET ADDED "\r\n", true, false },
	{ "\r\nGET /b?c=d HTTP/1.1\r\nX:  y\t\r\nhOST:a \r\nx: z\r\n\r\n",
	  "GET /b?c=d HTTP/1.1\r\nX:  y\t\r\nhOST: a\r\nx: z\r\n\r\n", false, false },
	{ "GET /? HTTP/1.1\r\nHost: a\r\n\r\n",  "GET /? HTTP/1.1\r\nHost: a\r\n\r\n", false, false },
	{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", false, false },
	/* HTTP/1.0 */
	{ "GET / HTTP/1.0\r\n\r\n",              "GET / HTTP/1.0\r\n\r\n", false, false },
	{ "GET / HTTP/1.0\r\n\r\n",              "GET / HTTP/1.0\r\n" ADDED "\r\n", true, false },
	{ "GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
	  "GET / HTTP/1.0\r\nHost: a\r\n\r\n", false, false },
	/* absolute-form */
	{ "GET http://b:80/c?d HTTP/1.1\r\nX: y\r\nHost: a\r\n\r\n",
	  "GET /c?d HTTP/1.1\r\nX: y\r\nHost: b:80\r\n\r\n", false, false },
	{ "GET https://b?d HTTP/1.1\r\nHost: b\r\n\r\n", "GET /?d HTTP/1.1\r\nHost: b\r\n\r\n", false, false },
	{ "GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: b\r\n\r\n", false, false },
	{ "GET http://b/ HTTP/1.0\r\nX: y\r\n\r\n",   "GET / HTTP/1.0\r\nHost: b\r\nX: y\r\n\r\n", false, false },
	{ "OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n",   "OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", false, false },
	{ "OPTIONS http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",  "OPTIONS / HTTP/1.1\r\nHost: b\r\n\r\n", false, false },
	{ "OPTIONS http://b?c HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS /?c HTTP/1.1\r\nHost: b\r\n\r\n", false, false },
	/* framing: the meaning goes on */
	{ GET "Content-Length:\t007 \r\nX: y\r\n\r\n", GET "Content-Length: 7\r\nX: y\r\n\r\n", false, false },
	{ GET "Content-Length: 9223372036854775807\r\n\r\n", GET "Content-Length: 9223372036854775807\r\n\r\n", false, false },
	{ GET "transfer-encoding:\tChunked\t\r\nX: y\r\n\r\n", GET "transfer-encoding: chunked\r\nX: y\r\n\r\n", false, false },
	{ GET "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", GET "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", false, false },
	/* of one connection only */
	{ GET "Connection: close\r\nX: y\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\n"
	  "HTTP2-Settings: AA\r\nProxy: evil\r\nTrailer: X\r\n\r\n", GET "X: y\r\nTrailer: X\r\n\r\n", false, false },
	{ GET "X: 1\r\nX-Y: 2\r\nconnection: x-y ,, Z\r\nz: 3\r\nConnection: w\r\nW: 4\r\nZ-Z: 5\r\n\r\n",
	  GET "X: 1\r\nZ-Z: 5\r\n\r\n", false, false },
	{ GET "Connection: expect\r\nExpect: 100-continue\r\n\r\n", GET "\r\n", false, false },
	/* upgrade */
	{ GET "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", GET "\r\n", false, false },
	{ GET "Connection: x, Upgrade\r\nX: y\r\nupgrade: websocket\r\n\r\n",
	  GET "upgrade: websocket\r\nConnection: upgrade\r\n" ADDED "\r\n", true, true },
	{ GET "Upgrade: websocket\r\n\r\n",      GET "\r\n", false, true },
	{ GET "Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n", GET "\r\n", false, true },
	{ GET "Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n", GET "\r\n", false, true },
	/* protected names */
	{ GET "X-Forwarded-For: b\r\nX: y\r\nx_forwarded_host: c\r\nFORWARDED: d\r\nX-Real-IP: e\r\n"
	  "X-Client-Cert-Verify: SUCCESS\r\nx.client.cert.subject: f\r\nX-Forward: g\r\n\r\n",
	  GET "X: y\r\nX-Forward: g\r\n" ADDED "\r\n", true, false },
	{ GET "X-Forwarded-For: b\r\nX: y\r\nx_forwarded_host: c\r\nFORWARDED: d\r\nX-Real-IP: e\r\n"
	  "X-Client-Cert-Verify: SUCCESS\r\nx.client.cert.subject: f\r\n\r\n",
	  GET "X-Forwarded-For: b\r\nX: y\r\nx_forwarded_host: c\r\nFORWARDED: d\r\nX-Real-IP: e\r\n\r\n", false, false },
	/* nobody can have ours taken away */
	{ GET "Connection: X-Forwarded-For, forwarded\r\n\r\n", GET ADDED "\r\n", true, false },
};
/* clang-format on */

static void same_span(struct http_span a, struct http_span b)
{
	CU_ASSERT_EQUAL(a.len, b.len);
	CU_ASSERT(a.len != b.len || a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* What goes on means what came. */
static void request_reparse(const struct http_request *request, const char *forwarded)
{
	struct http_request again;

	request_parse(&again, forwarded);
	same_span(again.method, request->method);
	same_span(again.query, request->query);
	same_span(again.host, request->host);
	CU_ASSERT_EQUAL(again.chunked, request->chunked);
	CU_ASSERT_EQUAL(again.has_content_length, request->has_content_length);
	CU_ASSERT_EQUAL(again.content_length, request->content_length);
	CU_ASSERT_EQUAL(again.minor_version, request->minor_version);
	CU_ASSERT_NOT_EQUAL(again.form, HTTP_TARGET_ABSOLUTE);
}

static void test_requests(void)
{
	peers_make();
	for (size_t i = 0; i < COUNT(request_cases); i++) {
		struct http_forward forward = {
			.is_secure = true, .port = 443, .upgrade = request_cases[i].upgrade};
		struct http_request request;

		if (request_cases[i].has_peer)
			forward.peer = (const struct sockaddr *)&peer4;
		request_parse(&request, request_cases[i].head);
		write_check(request_write, &request, &forward, request_cases[i].expected);
		request_reparse(&request, request_cases[i].expected);
	}
}

static void peer_check(const void *peer, bool is_secure, uint16_t port, const char *added)
{
	struct http_forward forward = {.peer = peer, .is_secure = is_secure, .port = port};
	struct http_request request;
	char expected[512];

	snprintf(expected, sizeof(expected), "%s%s\r\n", GET, added);
	request_parse(&request, GET "\r\n");
	write_check(request_write, &request, &forward, expected);
}

static void test_peers(void)
{
	struct sockaddr_in octets = {.sin_family = AF_INET};

	peers_make();
	peer_check(&peer4, false, 80,
		"X-Forwarded-For: 192.0.2.10\r\nX-Forwarded-Proto: http\r\n"
		"X-Forwarded-Port: 80\r\nForwarded: for=192.0.2.10;proto=http\r\n");
	peer_check(&peer6, true, 65535,
		"X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: https\r\n"
		"X-Forwarded-Port: 65535\r\nForwarded: for=\"[2001:db8::1]\";proto=https\r\n");
	peer_check(&mapped, true, 1,
		"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"
		"X-Forwarded-Port: 1\r\nForwarded: for=203.0.113.9;proto=https\r\n");
	peer_check(&peer_unix, true, 443,
		"X-Forwarded-For: unknown\r\nX-Forwarded-Proto: https\r\n"
		"X-Forwarded-Port: 443\r\nForwarded: for=unknown;proto=https\r\n");
	for (uint32_t octet = 0; octet < 256; octet++) {
		char text[INET_ADDRSTRLEN], added[256];

		octets.sin_addr.s_addr = htonl(octet << 24 | (255 - octet) << 8 | octet);
		CU_ASSERT_PTR_NOT_NULL(inet_ntop(AF_INET, &octets.sin_addr, text, sizeof(text)));
		snprintf(added, sizeof(added),
			"X-Forwarded-For: %s\r\nX-Forwarded-Proto: http\r\n"
			"X-Forwarded-Port: 0\r\nForwarded: for=%s;proto=http\r\n",
			text, text);
		peer_check(&octets, false, 0, added);
	}
}

static void certificate_check(struct http_client_certificate certificate, const char *added)
{
	struct http_forward forward = {.certificate = certificate};
	struct http_request request;
	char expected[512];

	snprintf(expected, sizeof(expected), "%s%s\r\n", GET, added);
	request_parse(&request, GET "X-Client-Cert-Subject: CN=root\r\n\r\n");
	write_check(request_write, &request, &forward, expected);
}

static void test_certificates(void)
{
	certificate_check((struct http_client_certificate){.verify = "NONE"},
		"X-Client-Cert-Verify: NONE\r\n");
	certificate_check(
		(struct http_client_certificate){
			.verify = "SUCCESS", .subject = "CN=a b\\, c,O=d", .fingerprint = "00ff"},
		"X-Client-Cert-Verify: SUCCESS\r\nX-Client-Cert-Subject: CN=a b\\, c,O=d\r\n"
		"X-Client-Cert-Fingerprint: 00ff\r\n");
	certificate_check((struct http_client_certificate){.verify = "FAILED:\r\nX: y",
				  .subject = "CN=\xc3\xa9\t\x7f\r\nHost: b"},
		"X-Client-Cert-Verify: FAILED:\\0D\\0AX: y\r\n"
		"X-Client-Cert-Subject: CN=\\C3\\A9\\09\\7F\\0D\\0AHost: b\r\n");
	/* Nothing is told without an outcome. */
	certificate_check((struct http_client_certificate){.subject = "CN=a"}, "");
}

static void test_protected_names(void)
{
	static const char *const names[] = {"X-Forwarded-For", "x-forwarded-", "X_FORWARDED_PROTO",
		"X-Forwarded.Port", "X-Forwarded-Anything", "Forwarded", "fORWARDED", "X-Real-IP",
		"x~real~ip", "X-Client-Cert-Verify", "x_client_cert_", "X-Client_Cert-Chain",
		/* not these */
		"X-Forwarded", "XForwarded-For", "X-Forwarded1For", "Forwarded-For", "Forward",
		"X-Real-IPs", "X-Real-I", "X-Client-Cert", "X-Client-Certificate", "X", "F", "Host",
		""};

	for (size_t i = 0; i < COUNT(names); i++)
		CU_ASSERT_EQUAL(http_is_protected(span_of(names[i])), i < 12);
}

/* As many options as the parser lets pass find room. */
static void test_many_options(void)
{
	struct http_forward forward = {.port = 1};
	struct http_request request;
	char head[2048], expected[2048];
	int len = snprintf(head, sizeof(head), "%sConnection: a0", GET);

	for (int i = 1; i < 64; i++)
		len += snprintf(head + len, sizeof(head) - (size_t)len, ",a%d", i);
	snprintf(head + len, sizeof(head) - (size_t)len, "\r\nA0: x\r\nA63: x\r\nA64: x\r\n\r\n");
	snprintf(expected, sizeof(expected), "%sA64: x\r\n\r\n", GET);
	request_parse(&request, head);
	write_check(request_write, &request, &forward, expected);
}

/* ---- responses --------------------------------------------------------- */

struct response_case {
	const char *head;
	bool close, to_minor_0, upgrade;
	const char *added, *date;
	const char *expected;
};

/* clang-format off */
#define OK   "HTTP/1.1 200 OK\r\n"
#define HSTS "Strict-Transport-Security: max-age=1\r\n"
static const struct response_case response_cases[] = {
	{ OK "\r\n",                       false, false, false, "", "",    OK "\r\n" },
	{ OK "\r\n",                       false, false, false, "", "now", OK "Date: now\r\n\r\n" },
	{ OK "date: then\r\n\r\n",         false, false, false, "", "now", OK "date: then\r\n\r\n" },
	{ OK "x:  Y\t\r\nX: z\r\n\r\n",    true,  false, false, "", "",    OK "x:  Y\t\r\nX: z\r\nConnection: close\r\n\r\n" },
	{ OK "Connection: close\r\n\r\n",  false, false, false, "", "",    OK "\r\n" },
	{ "HTTP/1.0 404\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nA: b\r\n\r\n",
	                                   false, false, false, "", "",    "HTTP/1.1 404 \r\nA: b\r\n\r\n" },
	{ OK "\r\n",                       false, true,  false, "", "",    OK "Connection: keep-alive\r\n\r\n" },
	{ OK "\r\n",                       true,  true,  false, "", "",    OK "Connection: close\r\n\r\n" },
	{ OK "Connection: A-b\r\nA: 1\r\na-B: 2\r\n\r\n", false, false, false, "", "", OK "A: 1\r\n\r\n" },
	/* framing */
	{ OK "Content-Length: 042\r\nX: y\r\n\r\n", false, false, false, "", "", OK "Content-Length: 42\r\nX: y\r\n\r\n" },
	{ OK "transfer-encoding:\tCHUNKED\r\n\r\n", false, false, false, "", "", OK "transfer-encoding: chunked\r\n\r\n" },
	{ "HTTP/1.1 204 No\r\nContent-Length: 0\r\nX: y\r\n\r\n",    false, false, false, "", "", "HTTP/1.1 204 No\r\nX: y\r\n\r\n" },
	{ "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n",   false, false, false, "", "", "HTTP/1.1 204 No\r\n\r\n" },
	{ "HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n",           false, false, false, "", "", "HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n" },
	{ "HTTP/1.1 103 Early\r\nLink: x\r\nContent-Length: 5\r\n\r\n", true, true, false, "", "now", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" },
	/* upgrade */
	{ "HTTP/1.1 101 S\r\nUpgrade: a\r\nConnection: upgrade, x\r\nX: y\r\n\r\n",
	                                   true,  false, true,  "", "now", "HTTP/1.1 101 S\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n" },
	{ "HTTP/1.1 426 U\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n", false, false, false, "", "", "HTTP/1.1 426 U\r\n\r\n" },
	/* ours */
	{ OK "strict-transport-SECURITY: 0\r\nX: y\r\nServer: s\r\n\r\n",
	                                   false, false, false, HSTS "Server: f\r\n", "", OK "X: y\r\n" HSTS "Server: f\r\n\r\n" },
	{ OK "X: y\r\n\r\n",               true,  false, false, HSTS, "now", OK "X: y\r\nConnection: close\r\n" HSTS "Date: now\r\n\r\n" },
	{ OK "X-Forwarded-For: a\r\nForwarded: b\r\nTE: c\r\nProxy: d\r\n\r\n",
	                                   false, false, false, "", "",    OK "X-Forwarded-For: a\r\nForwarded: b\r\nTE: c\r\nProxy: d\r\n\r\n" },
};
/* clang-format on */

static void response_reparse(
	const struct http_response *response, const struct response_case *expected)
{
	bool has_framing = response->status >= 200 && response->status != 204;
	struct http_response again;

	response_parse(&again, expected->expected);
	CU_ASSERT_EQUAL(again.status, response->status);
	CU_ASSERT_EQUAL(again.chunked, response->chunked && has_framing);
	CU_ASSERT_EQUAL(again.has_content_length, response->has_content_length && has_framing);
	CU_ASSERT_EQUAL(again.content_length, has_framing ? response->content_length : 0);
	CU_ASSERT_EQUAL(again.has_upgrade, expected->upgrade);
	same_span(again.reason, response->reason);
}

static void test_responses(void)
{
	for (size_t i = 0; i < COUNT(response_cases); i++) {
		const struct response_case *expected = &response_cases[i];
		struct http_respond respond = {.close = expected->close,
			.to_minor_0 = expected->to_minor_0,
			.upgrade = expected->upgrade,
			.added = span_of(expected->added),
			.date = span_of(expected->date)};
		struct http_response response;

		response_parse(&response, expected->head);
		write_check(response_write, &response, &respond, expected->expected);
		response_reparse(&response, expected);
	}
}

static void test_nothing_to_add(void)
{
	struct http_respond respond = {.close = false};
	struct http_response response;

	response_parse(&response, OK "\r\n");
	write_check(response_write, &response, &respond, OK "\r\n");
}

static CU_TestInfo tests[] = {
	{"requests", test_requests},
	{"peers", test_peers},
	{"client certificates", test_certificates},
	{"protected names", test_protected_names},
	{"many Connection options", test_many_options},
	{"responses", test_responses},
	{"responses without anything of ours", test_nothing_to_add},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo http_forward_suites[] = {
	{.pName = "http_forward", .pTests = tests},
	CU_SUITE_INFO_NULL,
};
