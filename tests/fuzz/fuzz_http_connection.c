/*
 * A connection through us: one byte of options, what the client sends, SEPARATOR, what
 * the backend sends. Whatever comes, what we write is one sound head with the meaning of
 * the one that came; names that the backend trusts are there as we wrote them or not at
 * all; and neither depends on how the bytes arrive.
 */
#include <assert.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/http_body.h"
#include "proxy/http_forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEPARATOR "\xff\xff"

enum option {
	HAS_PEER = 1,
	IS_IPV6 = 2,
	UPGRADE = 4,
	HAS_CERTIFICATE = 8,
	CLOSE = 16,
	TO_MINOR_0 = 32,
	HAS_ADDED = 64,
	HAS_DATE = 128,
};

/* Large enough for a head with all that is added to it. */
static char out[32768];
static const struct http_limits out_limits = {
	.head = sizeof(out), .line = sizeof(out), .fields = 200};

#define ADDED4                                                                                     \
	"X-Forwarded-For: 192.0.2.10\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"     \
	"Forwarded: for=192.0.2.10;proto=https\r\n"
#define ADDED6                                                                                     \
	"X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"    \
	"Forwarded: for=\"[2001:db8::1]\";proto=https\r\n"
#define CERTIFICATE                                                                                \
	"X-Client-Cert-Verify: SUCCESS\r\nX-Client-Cert-Subject: CN=\\0D\\0Aa\r\n"                 \
	"X-Client-Cert-Fingerprint: 00ff\r\n"
#define ADDED_TO_RESPONSE "Strict-Transport-Security: max-age=1\r\nX-Served: x\r\n"

static const struct sockaddr_in peer4 = {.sin_family = AF_INET, .sin_addr = {.s_addr = 0}};
static const struct in6_addr address6 = {
	{{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}};

static void same_span(struct http_span a, struct http_span b)
{
	assert(a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
}

static struct http_span span_of(const char *text)
{
	return (struct http_span){.data = text, .len = strlen(text)};
}

/* ---- what goes to the backend ------------------------------------------ */

static size_t request_forward(const struct http_request *request, unsigned options, size_t size)
{
	struct sockaddr_in in = peer4;
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = address6};
	struct http_forward forward = {
		.is_secure = true, .port = 443, .upgrade = (options & UPGRADE) != 0};

	in.sin_addr.s_addr = htonl(0xc000020a);
	if ((options & HAS_PEER) != 0)
		forward.peer = (options & IS_IPV6) != 0 ? (const struct sockaddr *)&in6
							: (const struct sockaddr *)&in;
	if ((options & HAS_CERTIFICATE) != 0)
		forward.certificate = (struct http_client_certificate){
			.verify = "SUCCESS", .subject = "CN=\r\na", .fingerprint = "00ff"};
	return http_forward_request(request, &forward, out, size);
}

/* No other line ends than CRLF, in the words of somebody who never saw our parser. */
static void lines_check(const char *head, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		assert(head[i] != '\0');
		assert(head[i] != '\r' || (i + 1 < len && head[i + 1] == '\n'));
		assert(head[i] != '\n' || (i > 0 && head[i - 1] == '\r'));
		assert(i == 0 || head[i - 1] != '\n' || (head[i] != ' ' && head[i] != '\t'));
	}
}

/* As CGI would name it, but for its case: what the backend may take it for. */
static bool is_believed(struct http_span name, const char *known, bool is_prefix)
{
	size_t len = strlen(known);

	if (is_prefix ? name.len < len : name.len != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = isalnum((unsigned char)name.data[i]) ? (char)tolower(name.data[i]) : '_';

		if (c != known[i])
			return false;
	}
	return true;
}

/* Ours are the last lines, and the only ones with such names. */
static void protected_check(struct http_span fields, unsigned options)
{
	const char *added = (options & IS_IPV6) != 0 ? ADDED6 : ADDED4;
	const char *certificate = (options & HAS_CERTIFICATE) != 0 ? CERTIFICATE : "";
	struct http_field field;
	size_t len;

	if ((options & HAS_PEER) == 0)
		added = "";
	len = strlen(added) + strlen(certificate);
	assert(fields.len >= len);
	fields.len -= len;
	assert(memcmp(fields.data + fields.len, added, strlen(added)) == 0);
	assert(memcmp(fields.data + fields.len + strlen(added), certificate, strlen(certificate)) ==
		0);
	while (http_field_next(&fields, &field)) {
		assert(!is_believed(field.name, "x_client_cert_", true));
		if ((options & HAS_PEER) == 0)
			continue;
		assert(!is_believed(field.name, "x_forwarded_", true));
		assert(!is_believed(field.name, "forwarded", false));
		assert(!is_believed(field.name, "x_real_ip", false));
	}
}

/* What ends at this connection, and what Connection named. */
static void dropped_check(struct http_span fields, const struct http_request *before, bool upgrade)
{
	struct http_field field;

	while (http_field_next(&fields, &field)) {
		if (http_span_is_nocase(field.name, "Connection"))
			assert(upgrade && http_span_is(field.value, "upgrade"));
		if (http_span_is_nocase(field.name, "Upgrade"))
			assert(upgrade);
		else if (before->has_options && !http_is_protected(field.name))
			assert(!http_field_is_connection_option(before->fields, field.name));
		assert(!http_span_is_nocase(field.name, "Keep-Alive"));
		assert(!http_span_is_nocase(field.name, "TE"));
		assert(!http_span_is_nocase(field.name, "Proxy"));
		assert(!http_span_is_nocase(field.name, "HTTP2-Settings"));
	}
}

static void request_check(const struct http_request *request, unsigned options)
{
	bool upgrade = (options & UPGRADE) != 0 && request->upgrade.data != NULL;
	size_t len = request_forward(request, options, sizeof(out));
	struct http_request again;

	assert(len > 0);
	lines_check(out, len);
	http_request_init(&again);
	assert(http_request_parse(&again, &out_limits, out, len) == HTTP_PARSE_DONE);
	assert(again.head_len == len && again.form != HTTP_TARGET_ABSOLUTE);
	same_span(again.method, request->method);
	if (again.form != HTTP_TARGET_ASTERISK)
		same_span(again.path, request->path);
	else
		assert(http_span_is(request->method, "OPTIONS"));
	same_span(again.query, request->query);
	same_span(again.host, request->host);
	same_span(again.authorization,
		http_field_is_connection_option(request->fields, span_of("Authorization"))
			? (struct http_span){0}
			: request->authorization);
	assert((again.host.data == NULL) == (request->host.data == NULL));
	assert(again.chunked == request->chunked);
	assert(again.has_content_length == request->has_content_length);
	assert(again.content_length == request->content_length);
	assert(again.minor_version == request->minor_version);
	assert(!again.has_options && again.keep_alive == (again.minor_version == 1));
	assert((again.upgrade.data != NULL) == upgrade);
	protected_check(again.fields, options);
	dropped_check(again.fields, request, upgrade);
	assert(request_forward(request, options, len) == len);
	assert(request_forward(request, options, len - 1) == 0);
}

/* ---- what goes to the client ------------------------------------------- */

static size_t response_forward(const struct http_response *response, unsigned options, size_t size)
{
	struct http_respond respond = {.close = (options & CLOSE) != 0,
		.to_minor_0 = (options & TO_MINOR_0) != 0,
		.upgrade = (options & UPGRADE) != 0 && response->status == 101};

	if ((options & HAS_ADDED) != 0)
		respond.added = span_of(ADDED_TO_RESPONSE);
	if ((options & HAS_DATE) != 0)
		respond.date = span_of("now");
	return http_forward_response(response, &respond, out, size);
}

static void response_check(const struct http_response *response, unsigned options)
{
	bool has_framing = response->status >= 200 && response->status != 204;
	bool upgrade = (options & UPGRADE) != 0 && response->status == 101;
	size_t len = response_forward(response, options, sizeof(out));
	struct http_response again;
	struct http_span rest;
	struct http_field field;
	unsigned added = 0;

	assert(len > 0);
	lines_check(out, len);
	http_response_init(&again);
	assert(http_response_parse(&again, &out_limits, out, len) == HTTP_PARSE_DONE);
	assert(again.head_len == len && again.minor_version == 1);
	assert(again.status == response->status);
	same_span(again.reason, response->reason);
	assert(again.chunked == (response->chunked && has_framing));
	assert(again.has_content_length == (response->has_content_length && has_framing));
	assert(again.content_length == (has_framing ? response->content_length : 0));
	assert(again.keep_alive == ((options & CLOSE) == 0 || again.status < 200));
	assert(!again.has_options && (upgrade || !again.has_upgrade));
	rest = again.fields;
	while (http_field_next(&rest, &field))
		added += http_span_is_nocase(field.name, "Strict-Transport-Security") ||
			 http_span_is_nocase(field.name, "X-Served");
	assert((options & HAS_ADDED) == 0 || added == 2);
	assert(response_forward(response, options, len) == len);
	assert(response_forward(response, options, len - 1) == 0);
}

/* ---- the two streams --------------------------------------------------- */

/* Gives how many bytes the body has, -1 when refused; the same in pieces. */
static int64_t body_check(const struct http_body *start, const char *data, size_t len)
{
	struct http_body whole = *start, pieces = *start;
	int64_t taken = http_body_scan(&whole, data, len), sum = 0, step = 0;

	for (size_t at = 0; step >= 0 && at < len && !pieces.complete; at += 1 + len / 16) {
		size_t n = len - at < 1 + len / 16 ? len - at : 1 + len / 16;

		step = http_body_scan(&pieces, data + at, n);
		sum += step;
	}
	assert(taken < 0 ? step < 0 : sum == taken);
	assert(whole.error == pieces.error && whole.complete == pieces.complete);
	assert(whole.data == pieces.data);
	return whole.complete ? taken : -1;
}

/* The head as it is when its last bytes come in a call of their own. */
static void request_split_check(const struct http_request *whole, const char *data, size_t len)
{
	struct http_request pieces;

	http_request_init(&pieces);
	assert(http_request_parse(&pieces, &http_default_limits, data, whole->head_len / 2) ==
		HTTP_PARSE_MORE);
	assert(http_request_parse(&pieces, &http_default_limits, data, whole->head_len - 1) ==
		HTTP_PARSE_MORE);
	assert(http_request_parse(&pieces, &http_default_limits, data, len) == HTTP_PARSE_DONE);
	assert(pieces.head_len == whole->head_len && pieces.chunked == whole->chunked);
	assert(pieces.content_length == whole->content_length);
	assert(pieces.path.data == whole->path.data && pieces.host.data == whole->host.data);
}

/* The method of the first request, for the first response. */
static bool client_run(const char *data, size_t len, unsigned options)
{
	bool is_head = false;

	for (unsigned count = 0;; count++) {
		struct http_request request;
		struct http_body body;
		int64_t taken;

		http_request_init(&request);
		if (http_request_parse(&request, &http_default_limits, data, len) !=
			HTTP_PARSE_DONE)
			return is_head;
		is_head = is_head || (count == 0 && http_span_is(request.method, "HEAD"));
		request_split_check(&request, data, len);
		request_check(&request, options);
		data += request.head_len;
		len -= request.head_len;
		http_body_of_request(&body, &request);
		taken = body_check(&body, data, len);
		if (taken < 0)
			return is_head;
		data += taken;
		len -= (size_t)taken;
	}
}

static void backend_run(const char *data, size_t len, unsigned options, bool to_head)
{
	for (;;) {
		struct http_response response;
		struct http_body body;
		int64_t taken;

		http_response_init(&response);
		if (http_response_parse(&response, &http_default_limits, data, len) !=
			HTTP_PARSE_DONE)
			return;
		response_check(&response, options);
		data += response.head_len;
		len -= response.head_len;
		http_body_of_response(&body, &response, to_head);
		taken = body_check(&body, data, len);
		if (taken < 0)
			return;
		data += taken;
		len -= (size_t)taken;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *separator;
	size_t client_len;
	bool to_head;
	char *copy;

	if (size == 0)
		return 0;
	separator = memmem(data + 1, size - 1, SEPARATOR, 2);
	client_len = separator != NULL ? (size_t)(separator - data) - 1 : size - 1;
	copy = malloc(size);
	if (copy == NULL)
		abort();
	memcpy(copy, data + 1, client_len);
	to_head = client_run(copy, client_len, data[0]);
	if (separator != NULL) {
		size_t len = size - client_len - 3;

		memcpy(copy, separator + 2, len);
		backend_run(copy, len, data[0], to_head);
	}
	free(copy);
	return 0;
}
