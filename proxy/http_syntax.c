#include "proxy/http_syntax.h"

/* A test derives each bit from the words of the RFCs. */
/* clang-format off */
const uint8_t http_classes[256] = {
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x02, 0x07, 0x06, 0x03, 0x07, 0x07, 0x07, 0x07, 0x06, 0x06, 0x07, 0x07, 0x06, 0x0f, 0x0f, 0x06,
	0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06,
	0x06, 0x6f, 0x6f, 0x6f, 0x6f, 0x6f, 0x6f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f,
	0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x06, 0x06, 0x06, 0x07, 0x0f,
	0x07, 0x6f, 0x6f, 0x6f, 0x6f, 0x6f, 0x6f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f,
	0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x06, 0x07, 0x06, 0x0f, 0x00,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
};

/* Lower case; only letters, digits and '-', see folds_to(). */
#define NAME(text) { .data = (text), .len = sizeof(text) - 1 }
static const struct http_span names[HTTP_NAMES] = {
	[HTTP_NAME_CONTENT_LENGTH]      = NAME("content-length"),
	[HTTP_NAME_TRANSFER_ENCODING]   = NAME("transfer-encoding"),
	[HTTP_NAME_CONNECTION]          = NAME("connection"),
	[HTTP_NAME_HOST]                = NAME("host"),
	[HTTP_NAME_UPGRADE]             = NAME("upgrade"),
	[HTTP_NAME_EXPECT]              = NAME("expect"),
	[HTTP_NAME_RANGE]               = NAME("range"),
	[HTTP_NAME_IF_RANGE]            = NAME("if-range"),
	[HTTP_NAME_IF_MATCH]            = NAME("if-match"),
	[HTTP_NAME_IF_NONE_MATCH]       = NAME("if-none-match"),
	[HTTP_NAME_IF_MODIFIED_SINCE]   = NAME("if-modified-since"),
	[HTTP_NAME_IF_UNMODIFIED_SINCE] = NAME("if-unmodified-since"),
	[HTTP_NAME_AUTHORIZATION]       = NAME("authorization"),
	[HTTP_NAME_REFERER]             = NAME("referer"),
	[HTTP_NAME_USER_AGENT]          = NAME("user-agent"),
	[HTTP_NAME_DATE]                = NAME("date"),
	[HTTP_NAME_KEEP_ALIVE]          = NAME("keep-alive"),
	[HTTP_NAME_PROXY_CONNECTION]    = NAME("proxy-connection"),
	[HTTP_NAME_TE]                  = NAME("te"),
	[HTTP_NAME_HTTP2_SETTINGS]      = NAME("http2-settings"),
	[HTTP_NAME_PROXY]               = NAME("proxy"),
};

/* Length and last letter, of either case, tell them apart: one comparison at most. */
#define NAME_MAX_LEN 19
#define KEY(len, last) ((size_t)(len) * 32 + ((unsigned char)(last) & 31))
static const uint8_t names_by_key[(NAME_MAX_LEN + 1) * 32] = {
	[KEY(14, 'h')] = HTTP_NAME_CONTENT_LENGTH,
	[KEY(17, 'g')] = HTTP_NAME_TRANSFER_ENCODING,
	[KEY(10, 'n')] = HTTP_NAME_CONNECTION,
	[KEY(4,  't')] = HTTP_NAME_HOST,
	[KEY(7,  'e')] = HTTP_NAME_UPGRADE,
	[KEY(6,  't')] = HTTP_NAME_EXPECT,
	[KEY(5,  'e')] = HTTP_NAME_RANGE,
	[KEY(8,  'e')] = HTTP_NAME_IF_RANGE,
	[KEY(8,  'h')] = HTTP_NAME_IF_MATCH,
	[KEY(13, 'h')] = HTTP_NAME_IF_NONE_MATCH,
	[KEY(17, 'e')] = HTTP_NAME_IF_MODIFIED_SINCE,
	[KEY(19, 'e')] = HTTP_NAME_IF_UNMODIFIED_SINCE,
	[KEY(13, 'n')] = HTTP_NAME_AUTHORIZATION,
	[KEY(7,  'r')] = HTTP_NAME_REFERER,
	[KEY(10, 't')] = HTTP_NAME_USER_AGENT,
	[KEY(4,  'e')] = HTTP_NAME_DATE,
	[KEY(10, 'e')] = HTTP_NAME_KEEP_ALIVE,
	[KEY(16, 'n')] = HTTP_NAME_PROXY_CONNECTION,
	[KEY(2,  'e')] = HTTP_NAME_TE,
	[KEY(14, 's')] = HTTP_NAME_HTTP2_SETTINGS,
	[KEY(5,  'y')] = HTTP_NAME_PROXY,
};
/* clang-format on */

/*
 * Among HTTP_TEXT only a letter becomes a letter with this bit, and only '-' and the
 * digits become themselves.
 */
static bool folds_to(struct http_span text, const char *lower)
{
	unsigned difference = 0;

	for (size_t i = 0; i < text.len; i++)
		difference |= ((unsigned char)text.data[i] | 0x20U) ^ (unsigned char)lower[i];
	return difference == 0;
}

enum http_name http_name_find(struct http_span name)
{
	unsigned found;

	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return HTTP_NAME_OTHER;
	found = names_by_key[KEY(name.len, name.data[name.len - 1])];
	if (found == HTTP_NAME_OTHER || !folds_to(name, names[found].data))
		return HTTP_NAME_OTHER;
	return (enum http_name)found;
}

bool http_name_is_same(struct http_span a, struct http_span b)
{
	if (a.len != b.len || a.len == 0)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		int difference = a.data[i] ^ b.data[i];

		if (difference != 0 && (difference != 0x20 || !http_is(a.data[i], HTTP_ALNUM)))
			return false;
	}
	return true;
}

bool http_refuse(struct http_refusal *refusal, int status, const char *reason)
{
	refusal->status = status;
	refusal->reason = reason;
	return false;
}
