#include "proxy/http_forward.h"

#include "proxy/http_syntax.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* ---- writing ----------------------------------------------------------- */

/* `is_full` once something did not fit; nothing is written from then on. */
struct out {
	char *data;
	size_t len, size;
	bool is_full;
};

static inline void put(struct out *out, const char *data, size_t len)
{
	if (len > out->size - out->len || out->is_full) {
		out->is_full = true;
		return;
	}
	if (len > 0)
		memcpy(out->data + out->len, data, len);
	out->len += len;
}

#define PUT(out, literal) put((out), (literal), sizeof(literal) - 1)

static inline void put_span(struct out *out, struct http_span span)
{
	put(out, span.data, span.len);
}

static void put_number(struct out *out, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	put(out, digits + at, sizeof(digits) - at);
}

/* Other bytes than visible ones as RFC 4514 escapes them: no line can end in it. */
static void put_escaped(struct out *out, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		const char escape[3] = {'\\', hex[c >> 4], hex[c & 15]};

		if (c >= ' ' && c <= '~')
			put(out, text, 1);
		else
			put(out, escape, sizeof(escape));
	}
}

static size_t out_finish(struct out *out)
{
	PUT(out, "\r\n");
	return out->is_full ? 0 : out->len;
}

/* ---- names ------------------------------------------------------------- */

#define SPAN(text) ((struct http_span){.data = (text), .len = sizeof(text) - 1})

static bool begins_as(struct http_span name, struct http_span known)
{
	return name.len >= known.len &&
	       http_field_passes_for(
		       (struct http_span){.data = name.data, .len = known.len}, known);
}

/* What every reverse proxy sets; with forwarded = false the one in front of us did. */
static bool is_forwarded_name(struct http_span name)
{
	char first = name.len > 0 ? name.data[0] | 0x20 : '\0';

	if (first == 'f')
		return http_field_passes_for(name, SPAN("forwarded"));
	return first == 'x' && (begins_as(name, SPAN("x-forwarded-")) ||
				       http_field_passes_for(name, SPAN("x-real-ip")));
}

static bool is_certificate_name(struct http_span name)
{
	return name.len > 0 && (name.data[0] | 0x20) == 'x' &&
	       begins_as(name, SPAN("x-client-cert-"));
}

bool http_is_protected(struct http_span name)
{
	return is_forwarded_name(name) || is_certificate_name(name);
}

/* Names of lines to leave out, gathered once and held against each line. */
struct name_list {
	size_t count;
	struct http_span names[2 * HTTP_CONNECTION_OPTIONS_MAX];
};

static bool list_has(const struct name_list *list, struct http_span name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (http_name_is_same(list->names[i], name))
			return true;
	}
	return false;
}

/* More than there is room for is more than fits. */
static void list_add(struct name_list *list, struct http_span name, struct out *out)
{
	if (list->count == sizeof(list->names) / sizeof(*list->names))
		out->is_full = true;
	else
		list->names[list->count++] = name;
}

/* The parsers have seen that there are not too many. Upgrade has a rule of its own. */
static void list_add_options(struct name_list *list, struct http_span fields, struct out *out)
{
	struct http_field field;
	struct http_span option;

	while (http_field_next(&fields, &field)) {
		if (http_name_find(field.name) != HTTP_NAME_CONNECTION)
			continue;
		while (http_option_next(&field.value, &option)) {
			if (option.len > 0 && http_name_find(option) != HTTP_NAME_UPGRADE)
				list_add(list, option, out);
		}
	}
}

static void list_add_names(struct name_list *list, struct http_span lines, struct out *out)
{
	struct http_field field;

	while (http_field_next(&lines, &field))
		list_add(list, field.name, out);
}

/* ---- lines ------------------------------------------------------------- */

/* What becomes of a header line. */
enum fate {
	FATE_KEEP,
	FATE_DROP,
	FATE_UPGRADE,
	FATE_FRAMING,
	FATE_HOST,
};

/* By what a head's lines are sorted, and what is written for those that change. */
struct rules {
	const uint8_t *fates; /* by enum http_name */
	bool drops_upgrade;
	bool drops_framing;     /* there is no body by definition */
	bool drops_forwarded;   /* X-Forwarded-* and their like */
	bool drops_certificate; /* X-Client-Cert-* */
	bool is_chunked;
	uint64_t length;
	struct http_span host;
	struct name_list names; /* left out as well */
};

/*
 * Of the lines that frame and route only the meaning goes on: "Content-Length: 007" or a
 * tab before "chunked" may not mean the same to everybody.
 */
static void put_framing(struct out *out, struct http_span name, const struct rules *rules)
{
	put_span(out, name);
	if (rules->is_chunked) {
		PUT(out, ": chunked\r\n");
		return;
	}
	PUT(out, ": ");
	put_number(out, rules->length);
	PUT(out, "\r\n");
}

static void put_host(struct out *out, struct http_span name, struct http_span host)
{
	put_span(out, name);
	PUT(out, ": ");
	put_span(out, host);
	PUT(out, "\r\n");
}

static enum fate fate_of(struct http_span name, const struct rules *rules)
{
	enum http_name found = http_name_find(name);
	enum fate fate = (enum fate)rules->fates[found];

	if (rules->names.count > 0 && list_has(&rules->names, name))
		return FATE_DROP;
	if (fate == FATE_UPGRADE)
		return rules->drops_upgrade ? FATE_DROP : FATE_KEEP;
	if (fate == FATE_FRAMING && rules->drops_framing)
		return FATE_DROP;
	if (found == HTTP_NAME_OTHER && rules->drops_certificate && is_certificate_name(name))
		return FATE_DROP;
	if (found == HTTP_NAME_OTHER && rules->drops_forwarded && is_forwarded_name(name))
		return FATE_DROP;
	return fate;
}

/* Copies what lies between two lines that do not stay as they are in one piece. */
static void put_fields(struct out *out, struct http_span rest, const struct rules *rules)
{
	const char *kept = rest.data;
	struct http_field field;

	while (http_field_next(&rest, &field)) {
		enum fate fate = fate_of(field.name, rules);

		if (fate == FATE_KEEP)
			continue;
		put(out, kept, (size_t)(field.line.data - kept));
		kept = rest.data;
		if (fate == FATE_HOST)
			put_host(out, field.name, rules->host);
		else if (fate == FATE_FRAMING)
			put_framing(out, field.name, rules);
	}
	put(out, kept, (size_t)(rest.data - kept));
}

/* ---- peer -------------------------------------------------------------- */

#define ADDRESS_MAX INET6_ADDRSTRLEN

static size_t ipv4_text(const uint8_t octets[4], char *text)
{
	size_t len = 0;

	for (unsigned i = 0; i < 4; i++) {
		unsigned octet = octets[i];

		if (i > 0)
			text[len++] = '.';
		if (octet >= 100)
			text[len++] = (char)('0' + octet / 100);
		if (octet >= 10)
			text[len++] = (char)('0' + octet / 10 % 10);
		text[len++] = (char)('0' + octet % 10);
	}
	return len;
}

/* "unknown" (RFC 7239 6.2) for a Unix socket. IPv4-mapped addresses are IPv4 to everybody else. */
static struct http_span peer_text(const struct sockaddr *peer, char text[ADDRESS_MAX])
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (peer->sa_family == AF_INET) {
		memcpy(&in, peer, sizeof(in));
		return (struct http_span){text, ipv4_text((const uint8_t *)&in.sin_addr, text)};
	}
	if (peer->sa_family != AF_INET6)
		return SPAN("unknown");
	memcpy(&in6, peer, sizeof(in6));
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		return (struct http_span){text, ipv4_text(in6.sin6_addr.s6_addr + 12, text)};
	inet_ntop(AF_INET6, &in6.sin6_addr, text, ADDRESS_MAX);
	return (struct http_span){text, strlen(text)};
}

/* RFC 7239 6: an IPv6 address is quoted and in brackets there, and only there. */
static void put_peer(struct out *out, const struct http_forward *forward)
{
	char text[ADDRESS_MAX];
	struct http_span address = peer_text(forward->peer, text);
	bool is_ipv6 = memchr(address.data, ':', address.len) != NULL;

	PUT(out, "X-Forwarded-For: ");
	put_span(out, address);
	if (forward->is_secure)
		PUT(out, "\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: ");
	else
		PUT(out, "\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: ");
	put_number(out, forward->port);
	PUT(out, "\r\nForwarded: for=");
	if (is_ipv6)
		PUT(out, "\"[");
	put_span(out, address);
	if (is_ipv6)
		PUT(out, "]\"");
	if (forward->is_secure)
		PUT(out, ";proto=https\r\n");
	else
		PUT(out, ";proto=http\r\n");
}

static void put_certificate(struct out *out, const struct http_client_certificate *certificate)
{
	PUT(out, "X-Client-Cert-Verify: ");
	put_escaped(out, certificate->verify);
	if (certificate->subject != NULL) {
		PUT(out, "\r\nX-Client-Cert-Subject: ");
		put_escaped(out, certificate->subject);
	}
	if (certificate->fingerprint != NULL) {
		PUT(out, "\r\nX-Client-Cert-Fingerprint: ");
		put_escaped(out, certificate->fingerprint);
	}
	PUT(out, "\r\n");
}

/* ---- request ----------------------------------------------------------- */

/* "OPTIONS http://host", without a path, asks of all of the server (RFC 9112 3.2.4). */
static bool is_for_all(const struct http_request *request)
{
	return request->form == HTTP_TARGET_ABSOLUTE &&
	       request->authority.data + request->authority.len ==
		       request->target.data + request->target.len &&
	       http_span_is(request->method, "OPTIONS");
}

static void put_request_line(struct out *out, const struct http_request *request)
{
	put_span(out, request->method);
	PUT(out, " ");
	if (is_for_all(request))
		PUT(out, "*");
	else
		put_span(out, request->path);
	if (request->query.data != NULL) {
		PUT(out, "?");
		put_span(out, request->query);
	}
	if (request->minor_version == 0)
		PUT(out, " HTTP/1.0\r\n");
	else
		PUT(out, " HTTP/1.1\r\n");
}

static void rules_of_request(struct rules *rules, const struct http_request *request,
	const struct http_forward *forward, struct out *out)
{
	static const uint8_t fates[HTTP_NAMES] = {
		[HTTP_NAME_HOST] = FATE_HOST,
		[HTTP_NAME_CONTENT_LENGTH] = FATE_FRAMING,
		[HTTP_NAME_TRANSFER_ENCODING] = FATE_FRAMING,
		[HTTP_NAME_UPGRADE] = FATE_UPGRADE,
		[HTTP_NAME_CONNECTION] = FATE_DROP,
		[HTTP_NAME_KEEP_ALIVE] = FATE_DROP,
		[HTTP_NAME_PROXY_CONNECTION] = FATE_DROP,
		[HTTP_NAME_TE] = FATE_DROP,
		[HTTP_NAME_HTTP2_SETTINGS] = FATE_DROP,
		[HTTP_NAME_PROXY] = FATE_DROP, /* HTTP_PROXY to CGI: httpoxy.org */
	};

	rules->fates = fates;
	rules->drops_upgrade = !forward->upgrade || request->upgrade.data == NULL;
	rules->drops_framing = false;
	rules->drops_forwarded = forward->peer != NULL;
	rules->drops_certificate = true;
	rules->is_chunked = request->chunked;
	rules->length = request->content_length;
	rules->host = request->host;
	rules->names.count = 0;
	if (request->has_options)
		list_add_options(&rules->names, request->fields, out);
}

size_t http_forward_request(const struct http_request *request, const struct http_forward *forward,
	char *out, size_t size)
{
	struct out head = {.data = out, .size = size};
	struct rules rules;

	rules_of_request(&rules, request, forward, &head);
	put_request_line(&head, request);
	if (request->form == HTTP_TARGET_ABSOLUTE && !request->has_host)
		put_host(&head, SPAN("Host"), request->host);
	put_fields(&head, request->fields, &rules);
	if (!rules.drops_upgrade)
		PUT(&head, "Connection: upgrade\r\n");
	if (forward->peer != NULL)
		put_peer(&head, forward);
	if (forward->certificate.verify != NULL)
		put_certificate(&head, &forward->certificate);
	return out_finish(&head);
}

/* ---- response ---------------------------------------------------------- */

static void put_status_line(struct out *out, const struct http_response *response)
{
	PUT(out, "HTTP/1.1 ");
	put_number(out, response->status);
	PUT(out, " ");
	put_span(out, response->reason);
	PUT(out, "\r\n");
}

static void rules_of_response(struct rules *rules, const struct http_response *response,
	const struct http_respond *respond, struct out *out)
{
	static const uint8_t fates[HTTP_NAMES] = {
		[HTTP_NAME_CONTENT_LENGTH] = FATE_FRAMING,
		[HTTP_NAME_TRANSFER_ENCODING] = FATE_FRAMING,
		[HTTP_NAME_UPGRADE] = FATE_UPGRADE,
		[HTTP_NAME_CONNECTION] = FATE_DROP,
		[HTTP_NAME_KEEP_ALIVE] = FATE_DROP,
		[HTTP_NAME_PROXY_CONNECTION] = FATE_DROP,
	};

	rules->fates = fates;
	rules->drops_upgrade = !respond->upgrade;
	/* RFC 9110 8.6 and RFC 9112 6.1 forbid servers to frame these. */
	rules->drops_framing = response->status < 200 || response->status == 204;
	rules->drops_forwarded = false;
	rules->drops_certificate = false;
	rules->is_chunked = response->chunked;
	rules->length = response->content_length;
	rules->host = (struct http_span){0};
	rules->names.count = 0;
	if (response->has_options)
		list_add_options(&rules->names, response->fields, out);
	list_add_names(&rules->names, respond->added, out);
}

/* An interim response says nothing of the connection: the final one is still to come. */
static void put_connection(
	struct out *out, const struct http_response *response, const struct http_respond *respond)
{
	if (respond->upgrade)
		PUT(out, "Connection: upgrade\r\n");
	else if (response->status < 200)
		return;
	else if (respond->close)
		PUT(out, "Connection: close\r\n");
	else if (respond->to_minor_0)
		PUT(out, "Connection: keep-alive\r\n");
}

size_t http_forward_response(const struct http_response *response,
	const struct http_respond *respond, char *out, size_t size)
{
	struct out head = {.data = out, .size = size};
	struct rules rules;

	rules_of_response(&rules, response, respond, &head);
	put_status_line(&head, response);
	put_fields(&head, response->fields, &rules);
	put_connection(&head, response, respond);
	put_span(&head, respond->added);
	/* RFC 9110 6.6.1: who passes a response on without Date adds it. */
	if (!response->has_date && response->status >= 200 && respond->date.len > 0) {
		PUT(&head, "Date: ");
		put_span(&head, respond->date);
		PUT(&head, "\r\n");
	}
	return out_finish(&head);
}
