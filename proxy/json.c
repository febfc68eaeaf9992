#include "proxy/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* How many bytes a character takes whose first one is `c`; 0: none begins so. */
static size_t utf8_len(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c < 0xc2) /* a continuation, or longer than needed */
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

/* The length of the character at the front (RFC 3629 4), its code in *code; 0: none. */
static size_t utf8_take(const char *text, size_t text_len, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)text[0];
	size_t len = utf8_len(first);
	if (len == 0 || len > text_len)
		return 0;
	uint32_t value = len == 1 ? first : first & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (c & 0x3f);
	}
	if (value < least[len] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code = value;
	return len;
}

/* C1 control characters too: some terminals obey them. */
static bool is_control(uint32_t code)
{
	return code < ' ' || (code >= 0x7f && code < 0xa0);
}

size_t json_escape(const char *text, size_t len, char out[JSON_ESCAPE], size_t *out_len)
{
	uint32_t code = 0xfffd;
	size_t taken = utf8_take(text, len, &code);
	if (taken == 0 || is_control(code)) {
		*out_len = (size_t)snprintf(out, JSON_ESCAPE, "\\u%04x", (unsigned)code & 0xffff);
		return taken ? taken : 1;
	}
	bool is_special = code == '"' || code == '\\';
	if (is_special)
		*out++ = '\\';
	memcpy(out, text, taken);
	*out_len = taken + is_special;
	return taken;
}

void json_string(FILE *out, const char *text)
{
	if (!text) {
		fputs("null", out);
		return;
	}
	size_t rest = strlen(text);
	fputc('"', out);
	while (rest > 0) {
		char piece[JSON_ESCAPE];
		size_t len, taken = json_escape(text, rest, piece, &len);
		fwrite(piece, 1, len, out);
		text += taken;
		rest -= taken;
	}
	fputc('"', out);
}
