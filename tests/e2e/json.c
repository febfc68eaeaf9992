#include "tests/e2e/json.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define DEPTH 32

/* Each of these returns what is behind the thing, or NULL when it is not there. */
static const char *value_pass(const char *at, unsigned depth);

static const char *space_pass(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

static const char *escape_pass(const char *at)
{
	if (*at != 'u')
		return *at != '\0' && strchr("\"\\/bfnrt", *at) != NULL ? at + 1 : NULL;
	for (int i = 1; i <= 4; i++)
		if (!isxdigit((unsigned char)at[i]))
			return NULL;
	return at + 5;
}

static const char *string_pass(const char *at)
{
	if (*at++ != '"')
		return NULL;
	while (at != NULL && *at != '"') {
		if ((unsigned char)*at < 0x20)
			return NULL;
		at = *at == '\\' ? escape_pass(at + 1) : at + 1;
	}
	return at != NULL ? at + 1 : NULL;
}

static const char *digits_pass(const char *at)
{
	return isdigit((unsigned char)*at) ? at + strspn(at, "0123456789") : NULL;
}

static const char *number_pass(const char *at)
{
	if (*at == '-')
		at++;
	at = *at == '0' ? at + 1 : digits_pass(at);
	if (at != NULL && *at == '.')
		at = digits_pass(at + 1);
	if (at != NULL && (*at == 'e' || *at == 'E'))
		at = digits_pass(at + 1 + strspn(at + 1, "+-"));
	return at;
}

static const char *member_pass(const char *at, unsigned depth)
{
	at = string_pass(at);
	if (at == NULL)
		return NULL;
	at = space_pass(at);
	return *at == ':' ? value_pass(at + 1, depth) : NULL;
}

static const char *list_pass(const char *at, char end, unsigned depth)
{
	at = space_pass(at + 1);
	if (*at == end)
		return at + 1;
	while (at != NULL && depth < DEPTH) {
		at = end == '}' ? member_pass(space_pass(at), depth) : value_pass(at, depth);
		if (at == NULL)
			return NULL;
		if (*at == end)
			return at + 1;
		at = *at == ',' ? at + 1 : NULL;
	}
	return NULL;
}

static const char *word_pass(const char *at)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strncmp(at, words[i], strlen(words[i])) == 0)
			return at + strlen(words[i]);
	return NULL;
}

/* With the white space around it. */
static const char *value_pass(const char *at, unsigned depth)
{
	at = space_pass(at);
	switch (*at) {
	case '{':
		at = list_pass(at, '}', depth + 1);
		break;
	case '[':
		at = list_pass(at, ']', depth + 1);
		break;
	case '"':
		at = string_pass(at);
		break;
	case 't':
	case 'f':
	case 'n':
		at = word_pass(at);
		break;
	default:
		at = number_pass(at);
		break;
	}
	return at != NULL ? space_pass(at) : NULL;
}

bool json_is_valid(const char *text)
{
	const char *end = value_pass(text, 0);

	return end != NULL && *end == '\0';
}
