#include "tests/pki/responder/base64.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>

char *base64_encode(const unsigned char *data, size_t len, bool newlines)
{
	size_t room = (len + 2) / 3 * 4 + len / 48 + 2;
	char *out = malloc(room), *next = out;

	if (out == NULL)
		return NULL;
	*next = '\0';
	for (size_t step = newlines ? 48 : len; len > 0; len -= step, data += step) {
		step = len < step ? len : step;
		next += EVP_EncodeBlock((unsigned char *)next, data, (int)step);
		if (newlines)
			*next++ = '\n';
	}
	*next = '\0';
	return out;
}

int base64_decode(const char *text, unsigned char **out)
{
	char *compact = malloc(strlen(text) + 1);
	size_t len = 0;
	int decoded = -1;

	*out = malloc(strlen(text) + 4);
	for (; compact != NULL && *text != '\0'; text++)
		if (!isspace((unsigned char)*text))
			compact[len++] = *text;
	if (compact != NULL && *out != NULL && len > 3 && len % 4 == 0)
		decoded = EVP_DecodeBlock(*out, (const unsigned char *)compact, (int)len);
	if (decoded > 2)
		decoded -= (compact[len - 1] == '=') + (compact[len - 2] == '=');
	free(compact);
	return decoded;
}
