/* Who may come in, what is answered and logged, and what a backend is told. */
#include "proxy/access_class.h"
#include "proxy/access_log.h"
#include "proxy/address.h"
#include "proxy/http_reply.h"
#include "proxy/plain_policy.h"
#include "proxy/proxy_protocol.h"
#include "proxy/writer.h"
#include "tests/suite.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

extern CU_SuiteInfo http_policy_suites[];

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct http_span span(const char *text)
{
	return (struct http_span){.data = text, .len = text ? strlen(text) : 0};
}

/* An IPv4 or IPv6 address, or with NULL one that has neither. */
static const struct sockaddr *address(const char *ip, uint16_t port)
{
	static union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
	} ring[4];
	static unsigned next;
	unsigned i = next++ % COUNT(ring);
	memset(&ring[i], 0, sizeof ring[i]);
	if (!ip) {
		ring[i].un.sun_family = AF_UNIX;
	} else if (inet_pton(AF_INET, ip, &ring[i].v4.sin_addr) == 1) {
		ring[i].v4.sin_family = AF_INET;
		ring[i].v4.sin_port = htons(port);
	} else {
		ring[i].v6.sin6_family = AF_INET6;
		ring[i].v6.sin6_port = htons(port);
		CU_ASSERT_EQUAL(inet_pton(AF_INET6, ip, &ring[i].v6.sin6_addr), 1);
	}
	return &ring[i].any;
}

/* ---- addresses and the writer ------------------------------------------------------ */

static void test_addresses_as_ip(void)
{
	char text[ADDRESS_TEXT];
	uint8_t ip[16];
	CU_ASSERT_STRING_EQUAL(address_host(address("192.0.2.1", 1), text), "192.0.2.1");
	CU_ASSERT_STRING_EQUAL(address_host(address("::ffff:192.0.2.1", 1), text), "192.0.2.1");
	CU_ASSERT_STRING_EQUAL(address_host(address("2001:db8::1", 1), text), "2001:db8::1");
	CU_ASSERT_STRING_EQUAL(address_host(address(NULL, 0), text), "-");
	CU_ASSERT_EQUAL(address_ip(address("192.0.2.1", 1), ip), AF_INET);
	CU_ASSERT_EQUAL(memcmp(ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16), 0);
	CU_ASSERT_EQUAL(address_port(address("::1", 8443)), 8443);
	CU_ASSERT_EQUAL(address_port(address("192.0.2.1", 443)), 443);
	CU_ASSERT_EQUAL(address_port(address(NULL, 0)), 0);
}

static void test_writer_stays_within(void)
{
	char out[8] = "........";
	struct writer writer = {.data = out, .size = 5};
	writer_text(&writer, "abc");
	CU_ASSERT_EQUAL(writer_len(&writer), 3);
	writer_number(&writer, 12345);
	CU_ASSERT_EQUAL(writer_len(&writer), 0);
	writer_text(&writer, "x"); /* does not slip in behind what did not fit */
	CU_ASSERT_EQUAL(memcmp(out, "abc.....", 8), 0);
	writer = (struct writer){.data = out, .size = 5};
	writer_number(&writer, 12345);
	CU_ASSERT_EQUAL(writer_len(&writer), 5);
}

/* ---- access classes ---------------------------------------------------------------- */

static struct conf_access_rule rule(bool permit, const char *network, unsigned prefix)
{
	struct conf_access_rule made = {.permit = permit, .prefix = prefix};
	if (!network)
		return made; /* "any": AF_UNSPEC */
	made.family = strchr(network, ':') ? AF_INET6 : AF_INET;
	CU_ASSERT_EQUAL(inet_pton(made.family, network, made.network), 1);
	return made;
}

static void test_access_first_match_counts(void)
{
	const struct conf_access_rule rules[] = {
		rule(false, "10.1.0.0", 16),
		rule(true, "10.0.0.0", 8),
		rule(true, "2001:db8::", 33),
	};
	CU_ASSERT_FALSE(access_class_permits(rules, 3, address("10.1.2.3", 1)));
	CU_ASSERT_TRUE(access_class_permits(rules, 3, address("10.2.2.3", 1)));
	CU_ASSERT_FALSE(access_class_permits(rules, 3, address("11.0.0.1", 1)));
	CU_ASSERT_TRUE(access_class_permits(rules, 3, address("2001:db8:7fff::1", 1)));
	CU_ASSERT_FALSE(access_class_permits(rules, 3, address("2001:db8:8000::1", 1)));
	CU_ASSERT_TRUE(access_class_permits(NULL, 0, address("10.1.2.3", 1)));
	CU_ASSERT_TRUE(access_class_permits(NULL, 0, address(NULL, 0)));
}

static void test_access_every_prefix_length(void)
{
	for (unsigned bits = 0; bits <= 32; bits++) {
		const struct conf_access_rule one = rule(true, bits ? "170.170.170.170" : "0.0.0.0",
			bits); /* with bits behind the prefix, which do not count */
		uint32_t inside = 0xaaaaaaaa, outside = inside;
		if (bits < 32)
			inside ^= 1;
		outside ^= bits ? 1u << (32 - bits) : 0;
		struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(inside)};
		const void *any = &peer;
		CU_ASSERT_TRUE(access_class_permits(&one, 1, any));
		peer.sin_addr.s_addr = htonl(outside);
		CU_ASSERT_EQUAL(access_class_permits(&one, 1, any), bits == 0);
	}
}

static void test_access_mapped_and_other_families(void)
{
	const struct conf_access_rule v4[] = {rule(true, "192.0.2.0", 24)};
	const struct conf_access_rule v6[] = {rule(true, "::", 0)};
	const struct conf_access_rule mapped[] = {
		rule(false, "::ffff:192.0.2.0", 120), rule(true, NULL, 0)};
	const struct conf_access_rule any[] = {rule(true, NULL, 0)};
	CU_ASSERT_TRUE(access_class_permits(v4, 1, address("::ffff:192.0.2.9", 1)));
	CU_ASSERT_FALSE(access_class_permits(v4, 1, address("::ffff:192.0.3.9", 1)));
	CU_ASSERT_FALSE(access_class_permits(v6, 1, address("::ffff:192.0.2.9", 1)));
	CU_ASSERT_FALSE(access_class_permits(v6, 1, address("192.0.2.9", 1)));
	CU_ASSERT_TRUE(access_class_permits(v6, 1, address("::1", 1)));
	CU_ASSERT_FALSE(access_class_permits(mapped, 2, address("192.0.2.9", 1)));
	CU_ASSERT_TRUE(access_class_permits(mapped, 2, address("192.0.3.9", 1)));
	CU_ASSERT_FALSE(access_class_permits(v4, 1, address(NULL, 0)));
	CU_ASSERT_FALSE(access_class_permits(v6, 1, address(NULL, 0)));
	CU_ASSERT_TRUE(access_class_permits(any, 1, address(NULL, 0)));
}

/* ---- PROXY protocol ------------------------------------------------------------------ */

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void test_proxy_v4(void)
{
	static const char expected[] = SIGNATURE "\x21\x11\0\x0c"
						 "\xc0\0\2\1\xc6\x33\x64\2\x30\x39\x01\xbb";
	uint8_t out[PROXY_PROTOCOL_MAX];
	size_t n = proxy_protocol_v2(
		address("192.0.2.1", 12345), address("198.51.100.2", 443), NULL, out, sizeof out);
	CU_ASSERT_EQUAL(n, sizeof expected - 1);
	CU_ASSERT_EQUAL(memcmp(out, expected, n), 0);
	/* A socket of both families knows IPv4 peers in IPv6's clothes only. */
	n = proxy_protocol_v2(address("::ffff:192.0.2.1", 12345),
		address("::ffff:198.51.100.2", 443), NULL, out, sizeof out);
	CU_ASSERT_EQUAL(n, sizeof expected - 1);
	CU_ASSERT_EQUAL(memcmp(out, expected, n), 0);
}

static void test_proxy_v6_and_mixed(void)
{
	static const char expected[] =
		SIGNATURE "\x21\x21\0\x24"
			  "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1"
			  "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\0\1\x20\xfb";
	uint8_t out[PROXY_PROTOCOL_MAX];
	size_t n = proxy_protocol_v2(
		address("192.0.2.1", 1), address("2001:db8::2", 8443), NULL, out, sizeof out);
	CU_ASSERT_EQUAL(n, sizeof expected - 1);
	CU_ASSERT_EQUAL(memcmp(out, expected, n), 0);
}

static void test_proxy_local(void)
{
	uint8_t out[PROXY_PROTOCOL_MAX];
	const struct proxy_protocol_tls tls = {.version = "TLSv1.3"};
	size_t n = proxy_protocol_v2(address(NULL, 0), address("::1", 1), &tls, out, sizeof out);
	CU_ASSERT_EQUAL(n, 16);
	CU_ASSERT_EQUAL(memcmp(out, SIGNATURE "\x20\0\0\0", 16), 0);
}

static void test_proxy_tls(void)
{
	static const char expected[] = SIGNATURE "\x21\x11\0\x42"
						 "\x7f\0\0\1\x7f\0\0\1\0\1\0\2"
						 "\x02\0\x05h.exa"
						 "\x20\0\x2b\x07\0\0\0\0"
						 "\x21\0\x07TLSv1.3"
						 "\x22\0\x05"
						 "alice"
						 "\x23\0\x11TLS_AES_128_GCM_S";
	const struct proxy_protocol_tls tls = {
		.version = "TLSv1.3",
		.cipher = "TLS_AES_128_GCM_S",
		.server_name = "h.exa",
		.common_name = "alice",
		.has_certificate = true,
		.verified = true,
	};
	uint8_t out[PROXY_PROTOCOL_MAX];
	size_t n = proxy_protocol_v2(
		address("127.0.0.1", 1), address("127.0.0.1", 2), &tls, out, sizeof out);
	CU_ASSERT_EQUAL(n, sizeof expected - 1);
	CU_ASSERT_EQUAL(memcmp(out, expected, n), 0);
	for (size_t size = 0; size < n; size++)
		CU_ASSERT_EQUAL(proxy_protocol_v2(address("127.0.0.1", 1), address("127.0.0.1", 2),
					&tls, out, size),
			0);
}

/* The client bits and the last byte of `verify`, without a server name. */
static unsigned tls_bits(bool has_certificate, bool verified, bool resumed)
{
	const struct proxy_protocol_tls tls = {.common_name = "alice",
		.has_certificate = has_certificate,
		.verified = verified,
		.resumed = resumed};
	uint8_t out[PROXY_PROTOCOL_MAX];
	size_t n = proxy_protocol_v2(
		address("127.0.0.1", 1), address("127.0.0.1", 2), &tls, out, sizeof out);
	CU_ASSERT_EQUAL(n, 28u + 3 + 5 + (has_certificate ? 8 : 0)); /* no CN of nobody */
	return (unsigned)(out[31] << 8 | out[35]);
}

static void test_proxy_tls_says_who_is_verified(void)
{
	CU_ASSERT_EQUAL(tls_bits(false, false, false), 0x0101);
	CU_ASSERT_EQUAL(tls_bits(false, true, true), 0x0101);
	CU_ASSERT_EQUAL(tls_bits(true, false, false), 0x0701);
	CU_ASSERT_EQUAL(tls_bits(true, true, false), 0x0700);
	CU_ASSERT_EQUAL(tls_bits(true, true, true), 0x0500);
}

static void test_proxy_longest(void)
{
	char name[300], word[100];
	uint8_t out[PROXY_PROTOCOL_MAX];
	memset(name, 'n', sizeof name);
	memset(word, 'w', sizeof word);
	name[255] = word[64] = '\0';
	struct proxy_protocol_tls tls = {.version = word,
		.cipher = word,
		.server_name = name,
		.common_name = name,
		.has_certificate = true};
	size_t n = proxy_protocol_v2(address("::1", 1), address("::1", 2), &tls, out, sizeof out);
	CU_ASSERT_TRUE(n > 0 && n <= PROXY_PROTOCOL_MAX);
	CU_ASSERT_EQUAL((size_t)(out[14] << 8 | out[15]), n - 16);
	name[255] = word[64] = 'x';
	name[256] = word[65] = '\0'; /* too long: left out, not cut */
	n = proxy_protocol_v2(address("::1", 1), address("::1", 2), &tls, out, sizeof out);
	CU_ASSERT_EQUAL(n, 16u + 36 + 3 + 5);
}

/* ---- the plain port ------------------------------------------------------------------ */

static struct conf_path_action path_rules[4];
static struct conf_server plain_server = {.http_action = path_rules};

static void path_rule(const char *path, enum conf_action action)
{
	static char paths[4][64];
	size_t i = plain_server.http_action_count++;
	snprintf(paths[i], sizeof paths[i], "%s", path);
	path_rules[i] = (struct conf_path_action){paths[i], action};
}

static bool ambiguous;

static enum conf_action action_of(const char *path)
{
	return plain_action(&plain_server, span(path), &ambiguous);
}

static bool is_ambiguous(const char *path)
{
	action_of(path);
	return ambiguous;
}

static void test_plain_prefixes(void)
{
	plain_server.http_action_count = 0;
	path_rule("/soap", CONF_ACTION_PROXY);
	path_rule("/dir/", CONF_ACTION_REFUSE);
	CU_ASSERT_EQUAL(action_of("/soap"), CONF_ACTION_PROXY);
	CU_ASSERT_EQUAL(action_of("/soap/"), CONF_ACTION_PROXY);
	CU_ASSERT_EQUAL(action_of("/soap/x"), CONF_ACTION_PROXY);
	CU_ASSERT_EQUAL(action_of("/soapy"), CONF_ACTION_REDIRECT);
	CU_ASSERT_EQUAL(action_of("/soa"), CONF_ACTION_REDIRECT);
	CU_ASSERT_EQUAL(action_of("/SOAP"), CONF_ACTION_REDIRECT);
	CU_ASSERT_EQUAL(action_of("/s%6Fap/x"), CONF_ACTION_PROXY);
	CU_ASSERT_EQUAL(action_of("/s%6fap"), CONF_ACTION_PROXY);
	CU_ASSERT_EQUAL(action_of("/dir"), CONF_ACTION_REFUSE);
	CU_ASSERT_EQUAL(action_of("/dir/x"), CONF_ACTION_REFUSE);
	CU_ASSERT_EQUAL(action_of("/directory"), CONF_ACTION_REDIRECT);
	CU_ASSERT_EQUAL(action_of("/"), CONF_ACTION_REDIRECT);
	CU_ASSERT_EQUAL(action_of("*"), CONF_ACTION_REDIRECT);
	CU_ASSERT_FALSE(ambiguous);
}

static void test_plain_first_match_counts(void)
{
	plain_server.http_action_count = 0;
	path_rule("/a/b", CONF_ACTION_REFUSE);
	path_rule("/a%20b", CONF_ACTION_REDIRECT);
	path_rule("/", CONF_ACTION_PROXY);
	CU_ASSERT_EQUAL(action_of("/a/b/c"), CONF_ACTION_REFUSE);
	CU_ASSERT_EQUAL(action_of("/a"), CONF_ACTION_PROXY);
	CU_ASSERT_EQUAL(action_of("/a%20b/c"), CONF_ACTION_REDIRECT);
	CU_ASSERT_EQUAL(action_of("*"), CONF_ACTION_PROXY);
	plain_server.http_action_count = 0;
	CU_ASSERT_EQUAL(action_of("/anything"), CONF_ACTION_REDIRECT);
}

static void test_plain_ambiguous_paths(void)
{
	static const char *const two_readings[] = {"/soap/..", "/soap/../x", "/soap/./x", "/.",
		"/x/%2e%2E/soap", "/x/.%2e", "//soap", "/x//y", "/soap%2fx", "/soap%2Fx",
		"/soap\\x", "/soap%5cx", "/soap%00", "/soap%0", "/soap%", "/soap%zz",
		"/x/..;y/soap", "/x/.;/soap", "/soap;v=1", "/soap%3bv=1/x", "/s;x/../soap",
		"/;/soap", "/;x/y"};
	static const char *const one_reading[] = {"/soap", "/soap/...", "/soap/.hidden",
		"/soap/x..", "/soap/a%20b", "/soap/x;v=1", "/x;v=1", "/x;v=1/soap", "/soap/",
		"/soap/%2541", "/"};
	plain_server.http_action_count = 0;
	path_rule("/soap", CONF_ACTION_PROXY);
	for (size_t i = 0; i < COUNT(two_readings); i++)
		if (!is_ambiguous(two_readings[i]))
			CU_FAIL_FATAL("a path of two readings passed");
	for (size_t i = 0; i < COUNT(one_reading); i++)
		if (is_ambiguous(one_reading[i]))
			CU_FAIL_FATAL("a path of one reading was refused");
	/* Where all paths lead to the same nobody has anything to gain. */
	plain_server.http_action_count = 0;
	path_rule("/", CONF_ACTION_PROXY);
	for (size_t i = 0; i < COUNT(two_readings); i++)
		CU_ASSERT_FALSE(is_ambiguous(two_readings[i]));
	plain_server.http_action_count = 0;
	path_rule("/soap", CONF_ACTION_REDIRECT);
	CU_ASSERT_FALSE(is_ambiguous("/soap/../x"));
}

/* ---- the https URL ------------------------------------------------------------------- */

static char url[512];

static const char *location(
	const char *host, const struct sockaddr *local, uint16_t port, const char *path)
{
	const char *query = strchr(path, '?');
	struct http_span head = {.data = path, .len = strcspn(path, "?")};
	size_t n = https_location(span(host), local, port, head,
		query ? span(query + 1) : (struct http_span){0}, url, sizeof url - 1);
	url[n] = '\0';
	return url;
}

static void test_location_from_host(void)
{
	const struct sockaddr *local = address("2001:db8::1", 80);
	CU_ASSERT_STRING_EQUAL(location("a.example", local, 443, "/x"), "https://a.example/x");
	CU_ASSERT_STRING_EQUAL(location("a.example:80", local, 443, "/"), "https://a.example/");
	CU_ASSERT_STRING_EQUAL(location("a.example:", local, 443, "/"), "https://a.example/");
	CU_ASSERT_STRING_EQUAL(
		location("a.example:80", local, 8443, "/x?q=1"), "https://a.example:8443/x?q=1");
	CU_ASSERT_STRING_EQUAL(location("[::1]:80", local, 8443, "/?"), "https://[::1]:8443/?");
	CU_ASSERT_STRING_EQUAL(location("[::1]", local, 443, ""), "https://[::1]/");
	CU_ASSERT_STRING_EQUAL(location("h", local, 443, "//evil"), "https://h//evil");
	CU_ASSERT_STRING_EQUAL(location("h", local, 443, "*"), "");
}

static void test_location_from_address(void)
{
	static const char *const unsound[] = {NULL, "", ":80", "a\r\nX: y", "a\"b", "a b", "a/b",
		"u@h", "[::1", "[::g]", "[::1]x", "[::1]:8x", "h:8x", "a:b:c", "::1", "[]", "["};
	for (size_t i = 0; i < COUNT(unsound); i++)
		CU_ASSERT_STRING_EQUAL(location(unsound[i], address("192.0.2.1", 80), 443, "/x"),
			"https://192.0.2.1/x");
	CU_ASSERT_STRING_EQUAL(
		location(NULL, address("2001:db8::1", 80), 443, "/"), "https://[2001:db8::1]/");
	CU_ASSERT_STRING_EQUAL(location(NULL, address("::ffff:192.0.2.1", 80), 8443, "/"),
		"https://192.0.2.1:8443/");
	CU_ASSERT_STRING_EQUAL(location(NULL, address(NULL, 0), 443, "/"), "");
	CU_ASSERT_STRING_EQUAL(location(NULL, NULL, 443, "/"), "");
}

static void test_location_is_clean(void)
{
	CU_ASSERT_STRING_EQUAL(location("h", NULL, 443, "/a\r\nSet-Cookie: x\"'<>\\#`\xc3\x7f?\n"),
		"https://h/a%0D%0ASet-Cookie:%20x%22%27%3C%3E%5C%23%60%C3%7F?%0A");
	CU_ASSERT_STRING_EQUAL(location("h", NULL, 443, "/%41|[]^?{}"), "https://h/%41|[]^?{}");
	char small[18];
	CU_ASSERT_EQUAL(https_location(span("host"), NULL, 443, span("/path"), span(NULL), small,
				sizeof small),
		17);
	CU_ASSERT_EQUAL(
		https_location(span("host"), NULL, 443, span("/path"), span(NULL), small, 16), 0);
}

/* ---- our own answers ----------------------------------------------------------------- */

static char answer[4096];

static size_t write_answer(const struct http_reply *reply)
{
	size_t n = http_reply_write(reply, answer, sizeof answer - 1);
	answer[n] = '\0';
	return n;
}

static bool answer_has(const char *text)
{
	return strstr(answer, text) != NULL;
}

static void test_reply_is_complete(void)
{
	static const int all[] = {301, 308, 400, 401, 403, 404, 405, 408, 412, 413, 414, 416, 417,
		431, 500, 501, 502, 503, 504, 505};
	for (size_t i = 0; i < COUNT(all); i++) {
		struct http_reply reply = {.status = all[i], .close = true};
		char line[32];
		size_t n = write_answer(&reply);
		const char *body = strstr(answer, "\r\n\r\n");
		const char *length = strstr(answer, "Content-Length: ");
		CU_ASSERT_TRUE(n > 0 && n <= 1024);
		CU_ASSERT_PTR_NOT_NULL_FATAL(body);
		CU_ASSERT_PTR_NOT_NULL_FATAL(length);
		CU_ASSERT_EQUAL(strlen(body + 4), (size_t)atoi(length + 16));
		snprintf(line, sizeof line, "HTTP/1.1 %d ", all[i]);
		CU_ASSERT_EQUAL(strncmp(answer, line, strlen(line)), 0);
		CU_ASSERT_EQUAL(answer[n - 1], '\n');
		CU_ASSERT_TRUE(answer_has("\r\nConnection: close\r\n"));
		for (size_t size = 0; size < n; size += 7)
			CU_ASSERT_EQUAL(http_reply_write(&reply, answer, size), 0);
	}
}

static void test_reply_to_head(void)
{
	struct http_reply reply = {.status = 404};
	size_t whole = write_answer(&reply);
	const char *body = strstr(answer, "\r\n\r\n") + 4;
	size_t body_len = strlen(body);
	reply.to_head = true;
	CU_ASSERT_EQUAL(write_answer(&reply), whole - body_len);
	CU_ASSERT_STRING_EQUAL(answer + whole - body_len - 4, "\r\n\r\n");
	CU_ASSERT_FALSE(answer_has("Connection:"));
	reply.to_minor_0 = true;
	write_answer(&reply);
	CU_ASSERT_TRUE(answer_has("\r\nConnection: keep-alive\r\n"));
}

static void test_reply_has_what_it_is_given(void)
{
	struct http_reply reply = {.status = 308,
		.location = span("https://h/"),
		.date = span("Tue, 14 Nov 2023 22:13:20 GMT"),
		.added = span("Strict-Transport-Security: max-age=1\r\nX: y\r\n")};
	write_answer(&reply);
	CU_ASSERT_TRUE(answer_has("\r\nLocation: https://h/\r\n"));
	CU_ASSERT_TRUE(answer_has("\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"));
	CU_ASSERT_TRUE(answer_has("\r\nStrict-Transport-Security: max-age=1\r\nX: y\r\n\r\n"));
	reply = (struct http_reply){.status = 401, .realm = "here"};
	write_answer(&reply);
	CU_ASSERT_TRUE(
		answer_has("\r\nWWW-Authenticate: Basic realm=\"here\", charset=\"UTF-8\"\r\n"));
	reply = (struct http_reply){.status = 503, .retry_after = 7};
	write_answer(&reply);
	CU_ASSERT_TRUE(answer_has("\r\nRetry-After: 7\r\n"));
	reply = (struct http_reply){.status = 405, .allow = "GET, HEAD", .text = "No.\n"};
	write_answer(&reply);
	CU_ASSERT_TRUE(answer_has("\r\nAllow: GET, HEAD\r\n"));
	CU_ASSERT_TRUE(answer_has("\r\n\r\n405 Method Not Allowed\nNo.\n"));
	CU_ASSERT_FALSE(answer_has("Date:"));
}

/* ---- the access log ------------------------------------------------------------------- */

static char line[ACCESS_LINE_MAX + 1];

static const char *format(enum conf_access_format how, const struct access_entry *entry)
{
	size_t n = access_log_format(how, entry, line, sizeof line - 1);
	line[n] = '\0';
	CU_ASSERT_TRUE(n > 0 && n <= ACCESS_LINE_MAX);
	CU_ASSERT_EQUAL(strcspn(line, "\n"), n - 1);
	return line;
}

/* All there can be; the time zone is UTC. */
static struct access_entry full_entry(void)
{
	setenv("TZ", "UTC0", 1);
	return (struct access_entry){
		.time = 1700000000,
		.duration_us = 1000042,
		.peer = address("192.0.2.1", 4711),
		.user = "alice",
		.server = "web",
		.listener = "0.0.0.0:443",
		.method = span("GET"),
		.target = span("/x?y=1"),
		.host = span("a.example"),
		.referer = span("https://b/"),
		.user_agent = span("curl/8"),
		.minor_version = 1,
		.status = 200,
		.bytes_sent = 1234,
		.upstream = "127.0.0.1:8080",
		.tls_version = "TLSv1.3",
		.cipher = "TLS_AES_128_GCM_SHA256",
		.server_name = "a.example",
		.client_subject = "CN=al ice",
		.offload_tx = "kernel",
		.offload_rx = "aead",
		.resumed = true,
	};
}

static void test_log_combined(void)
{
	struct access_entry entry = full_entry();
	CU_ASSERT_STRING_EQUAL(format(CONF_ACCESS_COMBINED, &entry),
		"192.0.2.1 - alice [14/Nov/2023:22:13:20 +0000] \"GET /x?y=1 HTTP/1.1\" 200 1234 "
		"\"https://b/\" \"curl/8\" server=web listener=0.0.0.0:443 host=\"a.example\" "
		"tls=TLSv1.3 cipher=TLS_AES_128_GCM_SHA256 resumed=yes sni=\"a.example\" "
		"client=\"CN=al ice\" tx=kernel rx=aead upstream=127.0.0.1:8080 "
		"duration=1.000042\n");
	entry = (struct access_entry){.time = 1700000000};
	CU_ASSERT_STRING_EQUAL(format(CONF_ACCESS_COMBINED, &entry),
		"- - - [14/Nov/2023:22:13:20 +0000] \"-\" 000 0 \"-\" \"-\" server=- listener=- "
		"host=\"-\" tls=- cipher=- resumed=- sni=\"-\" client=\"-\" tx=- rx=- upstream=- "
		"duration=0.000000\n");
}

static void test_log_json(void)
{
	struct access_entry entry = full_entry();
	CU_ASSERT_STRING_EQUAL(format(CONF_ACCESS_JSON, &entry),
		"{\"time\":\"2023-11-14T22:13:20Z\",\"peer\":\"192.0.2.1\",\"user\":\"alice\","
		"\"method\":\"GET\",\"target\":\"/x?y=1\",\"protocol\":\"HTTP/1.1\","
		"\"status\":200,\"bytes\":1234,\"referer\":\"https://b/\","
		"\"user_agent\":\"curl/8\",\"server\":\"web\",\"listener\":\"0.0.0.0:443\","
		"\"host\":\"a.example\",\"tls_version\":\"TLSv1.3\","
		"\"cipher\":\"TLS_AES_128_GCM_SHA256\",\"resumed\":true,"
		"\"server_name\":\"a.example\",\"client_subject\":\"CN=al ice\","
		"\"offload_tx\":\"kernel\",\"offload_rx\":\"aead\","
		"\"upstream\":\"127.0.0.1:8080\",\"duration\":1.000042}\n");
	entry = (struct access_entry){.time = 1700000000};
	CU_ASSERT_STRING_EQUAL(format(CONF_ACCESS_JSON, &entry),
		"{\"time\":\"2023-11-14T22:13:20Z\",\"peer\":null,\"user\":null,\"method\":null,"
		"\"target\":null,\"protocol\":null,\"status\":0,\"bytes\":0,\"referer\":null,"
		"\"user_agent\":null,\"server\":null,\"listener\":null,\"host\":null,"
		"\"tls_version\":null,\"cipher\":null,\"resumed\":null,\"server_name\":null,"
		"\"client_subject\":null,\"offload_tx\":null,\"offload_rx\":null,"
		"\"upstream\":null,\"duration\":0.000000}\n");
}

static void test_log_escapes_what_strangers_send(void)
{
	struct access_entry entry = full_entry();
	entry.user = "a b\n\"";
	entry.user_agent = span("x\"\\\n\x1b\xc3\xa9 y");
	const char *text = format(CONF_ACCESS_COMBINED, &entry);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " - a\\x20b\\x0A\\x22 ["));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"x\\x22\\x5C\\x0A\\x1B\\xC3\\xA9 y\""));
	text = format(CONF_ACCESS_JSON, &entry);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"user\":\"a b\\u000a\\\"\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"x\\\"\\\\\\u000a\\u001b\xc3\xa9 y\""));
}

static void test_log_json_is_utf8(void)
{
	static const struct {
		const char *agent, *text;
	} cases[] = {
		{"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
		{"\xe2\x82\xac", "\"\xe2\x82\xac\""},
		{"\xc3", "\"\\ufffd\""},
		{"\xe2\x82", "\"\\ufffd\\ufffd\""},
		{"\xe2\x28\xa1", "\"\\ufffd(\\ufffd\""},
		{"\xc0\xaf", "\"\\ufffd\\ufffd\""},
		{"\xe0\x80\xaf", "\"\\ufffd\\ufffd\\ufffd\""},
		{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
		{"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
		{"\xff\xfe", "\"\\ufffd\\ufffd\""},
		{"\xc2\x9b\x7f", "\"\\u009b\\u007f\""},
	};
	struct access_entry entry = full_entry();
	for (size_t i = 0; i < COUNT(cases); i++) {
		char expected[128];
		snprintf(expected, sizeof expected, "\"user_agent\":%s,", cases[i].text);
		entry.user_agent = span(cases[i].agent);
		CU_ASSERT_PTR_NOT_NULL(strstr(format(CONF_ACCESS_JSON, &entry), expected));
	}
}

/* The value of a member or quoted pair, up to its quote. */
static size_t value_len(const char *text, const char *before, const char **value)
{
	const char *at = strstr(text, before);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	*value = at + strlen(before);
	return strcspn(*value, "\"");
}

static void test_log_cuts_between_escapes(void)
{
	char agent[4096];
	const char *value;
	struct access_entry entry = full_entry();
	for (size_t lead = 0; lead < 8; lead++) {
		memset(agent, 'x', lead);
		memset(agent + lead, '\n', sizeof agent - lead);
		entry.user_agent = (struct http_span){.data = agent, .len = sizeof agent};
		const char *text = format(CONF_ACCESS_COMBINED, &entry);
		size_t len = value_len(text, "\"https://b/\" \"", &value);
		CU_ASSERT_TRUE(len <= 1024 && len > 1016);
		CU_ASSERT_EQUAL(memcmp(value + len - 7, "\\x0A...", 7), 0);
		text = format(CONF_ACCESS_JSON, &entry);
		len = value_len(text, "\"user_agent\":\"", &value);
		CU_ASSERT_TRUE(len <= 1024 && len > 1014);
		CU_ASSERT_EQUAL(memcmp(value + len - 9, "\\u000a...", 9), 0);
	}
	/* What just fits is whole. */
	memset(agent, 'x', sizeof agent);
	agent[0] = '\n';
	entry.user_agent = (struct http_span){.data = agent, .len = 1021};
	size_t len = value_len(format(CONF_ACCESS_COMBINED, &entry), "\" \"", &value);
	CU_ASSERT_EQUAL(len, 1024);
	CU_ASSERT_EQUAL(value[len - 1], 'x');
}

static void test_log_longest_line(void)
{
	static char hostile[8192];
	memset(hostile, '\x01', sizeof hostile - 1);
	struct http_span all = span(hostile);
	struct access_entry entry = {.time = 1700000000,
		.duration_us = UINT64_MAX,
		.peer = address("2001:db8:1111:2222:3333:4444:5555:6666", 1),
		.bytes_sent = UINT64_MAX,
		.status = UINT32_MAX,
		.method = all,
		.target = all,
		.host = all,
		.referer = all,
		.user_agent = all};
	entry.user = entry.server = entry.listener = entry.upstream = hostile;
	entry.tls_version = entry.cipher = entry.server_name = entry.client_subject = hostile;
	entry.offload_tx = entry.offload_rx = hostile;
	size_t n = strlen(format(CONF_ACCESS_COMBINED, &entry));
	CU_ASSERT_TRUE(n > 8192);
	CU_ASSERT_EQUAL(access_log_format(CONF_ACCESS_COMBINED, &entry, line, n - 1), 0);
	format(CONF_ACCESS_JSON, &entry);
}

static char log_path[] = "/tmp/ferrule-access.XXXXXX";

static int log_open_file(void)
{
	int fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	return fd;
}

static size_t log_lines(void)
{
	size_t lines = 0;
	FILE *file = fopen(log_path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	while (fgets(line, sizeof line, file))
		lines += strstr(line, "duration=1.000042\n") != NULL;
	fclose(file);
	return lines;
}

static void test_log_buffers_whole_lines(void)
{
	static struct access_log log;
	struct access_entry entry = full_entry();
	unsigned firsts = 0;
	access_log_init(&log, CONF_ACCESS_COMBINED, log_open_file());
	CU_ASSERT_TRUE(access_log_add(&log, &entry));
	CU_ASSERT_FALSE(access_log_add(&log, &entry));
	CU_ASSERT_EQUAL(log_lines(), 0);
	access_log_flush(&log);
	CU_ASSERT_EQUAL(log_lines(), 2);
	for (int i = 0; i < 1000; i++)
		firsts += access_log_add(&log, &entry);
	CU_ASSERT_TRUE(firsts > 5 && firsts < 30);
	access_log_done(&log);
	CU_ASSERT_EQUAL(log_lines(), 1002);
	CU_ASSERT_EQUAL(log.dropped, 0);
	CU_ASSERT_FALSE(access_log_add(&log, &entry)); /* nothing is logged any more */
	access_log_flush(&log);
	access_log_done(&log);
}

static void test_log_reopens(void)
{
	static struct access_log log;
	struct access_entry entry = full_entry();
	char moved[sizeof log_path + 2];
	snprintf(moved, sizeof moved, "%s.1", log_path);
	access_log_init(&log, CONF_ACCESS_COMBINED, log_open_file());
	access_log_add(&log, &entry);
	CU_ASSERT_EQUAL(rename(log_path, moved), 0);
	access_log_reopen(&log, log_open_file());
	CU_ASSERT_EQUAL(log_lines(), 0);
	struct stat status;
	CU_ASSERT_EQUAL(stat(moved, &status), 0);
	CU_ASSERT_TRUE(status.st_size > 0); /* what waited is in the old one */
	access_log_add(&log, &entry);
	access_log_done(&log);
	CU_ASSERT_EQUAL(log_lines(), 1);
	unlink(moved);
}

static void test_log_drops_and_counts(void)
{
	static struct access_log log;
	struct access_entry entry = full_entry();
	access_log_init(&log, CONF_ACCESS_COMBINED, open("/dev/full", O_WRONLY | O_CLOEXEC));
	for (int i = 0; i < 3; i++)
		access_log_add(&log, &entry);
	access_log_flush(&log);
	CU_ASSERT_EQUAL(log.dropped, 3);
	CU_ASSERT_EQUAL(log.len, 0);
	access_log_done(&log);
}

/* A disk that fills up in the middle of a line does not spoil the next one. */
static void test_log_goes_on_behind_a_torn_line(void)
{
	static struct access_log log;
	struct access_entry entry = full_entry();
	struct rlimit before, small;
	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){.rlim_cur = 1000, .rlim_max = before.rlim_max};
	size_t len = access_log_format(CONF_ACCESS_COMBINED, &entry, line, sizeof line);
	size_t whole = 1000 / len;
	access_log_init(&log, CONF_ACCESS_COMBINED, log_open_file());
	for (size_t i = 0; i < whole + 3; i++)
		access_log_add(&log, &entry);
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	access_log_flush(&log);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, handler);
	CU_ASSERT_EQUAL(log.dropped, 3);
	CU_ASSERT_TRUE(log.is_torn);
	CU_ASSERT_TRUE(access_log_add(&log, &entry));
	access_log_done(&log);
	CU_ASSERT_EQUAL(log_lines(), whole + 1);
}

static int log_setup(void)
{
	int fd = mkstemp(log_path);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int log_cleanup(void)
{
	return unlink(log_path);
}

/* ---- suites ----------------------------------------------------------------------------- */

static CU_TestInfo address_tests[] = {
	{"addresses as IP", test_addresses_as_ip},
	{"a writer stays within its buffer", test_writer_stays_within},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo access_class_tests[] = {
	{"the first match counts", test_access_first_match_counts},
	{"every length of prefix", test_access_every_prefix_length},
	{"mapped addresses and other families", test_access_mapped_and_other_families},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo proxy_protocol_tests[] = {
	{"IPv4", test_proxy_v4},
	{"IPv6 and mixed families", test_proxy_v6_and_mixed},
	{"no addresses: LOCAL", test_proxy_local},
	{"TLS", test_proxy_tls},
	{"who is verified and who is not", test_proxy_tls_says_who_is_verified},
	{"the longest header", test_proxy_longest},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo plain_tests[] = {
	{"prefixes end at segments", test_plain_prefixes},
	{"the first rule counts", test_plain_first_match_counts},
	{"paths of two readings", test_plain_ambiguous_paths},
	{"https URL from Host", test_location_from_host},
	{"https URL from the address", test_location_from_address},
	{"https URL is clean", test_location_is_clean},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo reply_tests[] = {
	{"every answer is complete", test_reply_is_complete},
	{"HEAD has no body", test_reply_to_head},
	{"header lines", test_reply_has_what_it_is_given},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo access_log_tests[] = {
	{"combined", test_log_combined},
	{"json", test_log_json},
	{"what strangers send is escaped", test_log_escapes_what_strangers_send},
	{"json is UTF-8", test_log_json_is_utf8},
	{"values are cut between escapes", test_log_cuts_between_escapes},
	{"the longest line", test_log_longest_line},
	{"whole lines are written", test_log_buffers_whole_lines},
	{"another file", test_log_reopens},
	{"what cannot be written is counted", test_log_drops_and_counts},
	{"behind a torn line", test_log_goes_on_behind_a_torn_line},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo http_policy_suites[] = {
	{"addresses", NULL, NULL, NULL, NULL, address_tests},
	{"access class", NULL, NULL, NULL, NULL, access_class_tests},
	{"PROXY protocol", NULL, NULL, NULL, NULL, proxy_protocol_tests},
	{"plain port", NULL, NULL, NULL, NULL, plain_tests},
	{"own answers", NULL, NULL, NULL, NULL, reply_tests},
	{"access log", log_setup, log_cleanup, NULL, NULL, access_log_tests},
	CU_SUITE_INFO_NULL,
};
