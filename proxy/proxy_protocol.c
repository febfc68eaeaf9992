#include "proxy/proxy_protocol.h"

#include "proxy/address.h"
#include "proxy/writer.h"

#include <string.h>

/* proxy-protocol.txt 2.2: all numbers are in network byte order. */
#define VERSION_2_LOCAL 0x20
#define VERSION_2_PROXY 0x21
#define UNSPECIFIED     0x00
#define TCP_OVER_IPV4   0x11
#define TCP_OVER_IPV6   0x21

#define TYPE_AUTHORITY   0x02
#define TYPE_SSL         0x20
#define SUBTYPE_VERSION  0x21
#define SUBTYPE_CN       0x22
#define SUBTYPE_CIPHER   0x23
#define CLIENT_SSL       0x01
#define CLIENT_CERT_CONN 0x02
#define CLIENT_CERT_SESS 0x04
#define SIGNATURE_SIZE   12
#define HEADER_SIZE      16
#define TLV_SIZE         3 /* type and length */
#define NAME_LIMIT       255
#define WORD_LIMIT       64

static void put_16(struct writer *writer, size_t value)
{
	const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
	writer_put(writer, bytes, sizeof bytes);
}

static void put_8(struct writer *writer, uint8_t value)
{
	writer_put(writer, &value, 1);
}

/* Fills in a length that stands at `at` and counts what follows it. */
static void close_length(struct writer *writer, size_t at)
{
	size_t end = writer->len;
	if (end > writer->size)
		return;
	writer->len = at;
	put_16(writer, end - at - 2);
	writer->len = end;
}

static void put_text(struct writer *writer, uint8_t type, const char *text, size_t limit)
{
	size_t len = text ? strlen(text) : 0;
	if (len == 0 || len > limit)
		return;
	put_8(writer, type);
	put_16(writer, len);
	writer_put(writer, text, len);
}

/* `verify` is 0 for "presented and good" only: a missing certificate is not good. */
static void put_tls(struct writer *writer, const struct proxy_protocol_tls *tls)
{
	uint8_t client = CLIENT_SSL;
	const uint8_t verify[4] = {[3] = tls->has_certificate && tls->verified ? 0 : 1};
	if (tls->has_certificate)
		client |= tls->resumed ? CLIENT_CERT_SESS : CLIENT_CERT_CONN | CLIENT_CERT_SESS;
	put_text(writer, TYPE_AUTHORITY, tls->server_name, NAME_LIMIT);
	put_8(writer, TYPE_SSL);
	size_t length = writer->len;
	put_16(writer, 0);
	put_8(writer, client);
	writer_put(writer, verify, sizeof verify);
	put_text(writer, SUBTYPE_VERSION, tls->version, WORD_LIMIT);
	if (tls->has_certificate)
		put_text(writer, SUBTYPE_CN, tls->common_name, NAME_LIMIT);
	put_text(writer, SUBTYPE_CIPHER, tls->cipher, WORD_LIMIT);
	close_length(writer, length);
}

/* Returns the protocol byte: the family that holds both addresses. */
static uint8_t put_addresses(
	struct writer *writer, const struct sockaddr *peer, const struct sockaddr *local)
{
	uint8_t from[16], to[16];
	int from_family = address_ip(peer, from), to_family = address_ip(local, to);
	if (from_family == AF_UNSPEC || to_family == AF_UNSPEC)
		return UNSPECIFIED;
	size_t skip = from_family == AF_INET && to_family == AF_INET ? 12 : 0;
	writer_put(writer, from + skip, sizeof from - skip);
	writer_put(writer, to + skip, sizeof to - skip);
	put_16(writer, address_port(peer));
	put_16(writer, address_port(local));
	return skip ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
}

size_t proxy_protocol_v2(const struct sockaddr *peer, const struct sockaddr *local,
	const struct proxy_protocol_tls *tls, uint8_t *out, size_t size)
{
	static const uint8_t signature[SIGNATURE_SIZE + 1] = "\r\n\r\n\0\r\nQUIT\n";
	_Static_assert(HEADER_SIZE + 2 * 16 + 2 * 2 + 2 * TLV_SIZE + 5 + 2 * WORD_LIMIT +
				       2 * NAME_LIMIT + 3 * TLV_SIZE <=
			       PROXY_PROTOCOL_MAX,
		"the longest header");
	struct writer writer = {.data = (char *)out, .size = size};
	writer_put(&writer, signature, SIGNATURE_SIZE);
	writer_put(&writer, (const uint8_t[4]){VERSION_2_LOCAL, UNSPECIFIED, 0, 0}, 4);
	uint8_t protocol = put_addresses(&writer, peer, local);
	if (protocol != UNSPECIFIED && tls)
		put_tls(&writer, tls);
	if (writer_len(&writer) == 0)
		return 0;
	if (protocol != UNSPECIFIED)
		out[SIGNATURE_SIZE] = VERSION_2_PROXY;
	out[SIGNATURE_SIZE + 1] = protocol;
	close_length(&writer, HEADER_SIZE - 2);
	return writer.len;
}
