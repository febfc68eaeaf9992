#include "pki/base64.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

char *pki_base64_encode(const void *data, size_t len)
{
	if (len > INT_MAX / 2)
		return NULL;
	char *text = malloc((len + 2) / 3 * 4 + 1);
	if (text)
		EVP_EncodeBlock((unsigned char *)text, data, (int)len);
	return text;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

/* Returns the number of characters of what is base64, or -1. */
static long squeeze(const char *text, size_t len, unsigned char *out, size_t *padding)
{
	size_t used = 0;
	*padding = 0;
	for (size_t i = 0; i < len; i++) {
		if (is_space(text[i]))
			continue;
		if (text[i] == '=')
			++*padding;
		else if (*padding > 0 || !is_digit(text[i]))
			return -1;
		out[used++] = (unsigned char)text[i];
	}
	return *padding <= 2 && used % 4 == 0 ? (long)used : -1;
}

int pki_base64_decode(const char *text, size_t len, unsigned char **out, size_t *out_len)
{
	*out = NULL;
	*out_len = 0;
	if (len > INT_MAX / 2)
		return -EINVAL;
	unsigned char *digits = malloc(len + 1), *bytes = malloc(len / 4 * 3 + 4);
	int result = digits && bytes ? 0 : -ENOMEM;
	size_t padding = 0;
	long used = result == 0 ? squeeze(text, len, digits, &padding) : 0;
	long made = used > 0 ? EVP_DecodeBlock(bytes, digits, (int)used) : used;
	free(digits);
	if (result == 0 && (made < 0 || (size_t)made < padding))
		result = -EINVAL;
	if (result) {
		free(bytes);
		return result;
	}
	*out_len = (size_t)made - padding;
	bytes[*out_len] = '\0';
	*out = bytes;
	return 0;
}
