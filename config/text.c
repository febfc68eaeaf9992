#include "config/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/memory.h"

/* Longer words are not guessed at: the longest key has 22 letters. */
#define GUESS_LENGTH 64

char *conf_text_vformat(const char *format, va_list arguments)
{
	va_list again;
	va_copy(again, arguments);
	int len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len < 0)
		return NULL;
	size_t size = (size_t)len + 1;
	char *text = conf_memory_resize(NULL, size);
	if (text)
		vsnprintf(text, size, format, arguments);
	return text;
}

char *conf_text_format(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *text = conf_text_vformat(format, arguments);
	va_end(arguments);
	return text;
}

char *conf_text_copy(const char *text)
{
	return conf_text_format("%s", text);
}

char *conf_path_resolve(const char *directory, const char *path)
{
	if (path[0] == '/')
		return conf_text_copy(path);
	bool is_root = strcmp(directory, "/") == 0;
	return conf_text_format("%s/%s", is_root ? "" : directory, path);
}

struct conf_quoted conf_text_quote(const char *text)
{
	struct conf_quoted quoted = {"\""};
	size_t len = 1;
	const size_t room = sizeof(quoted.text) - sizeof("\\x00...\"");

	for (; *text && len < room; text++) {
		unsigned char byte = (unsigned char)*text;
		len += (size_t)snprintf(quoted.text + len, sizeof(quoted.text) - len,
			isprint(byte) ? "%c" : "\\x%02x", byte);
	}
	snprintf(quoted.text + len, sizeof(quoted.text) - len, "%s\"", *text ? "..." : "");
	return quoted;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance, one row of the matrix at a time. */
static size_t text_distance(const char *from, const char *to)
{
	size_t row[GUESS_LENGTH + 1];
	size_t width = strlen(to);

	for (size_t i = 0; i <= width; i++)
		row[i] = i;
	for (size_t y = 0; from[y]; y++) {
		size_t diagonal = row[0];
		row[0] = y + 1;
		for (size_t x = 0; x < width; x++) {
			size_t replaced = diagonal + (from[y] != to[x]);
			diagonal = row[x + 1];
			row[x + 1] = smaller(replaced, smaller(diagonal, row[x]) + 1);
		}
	}
	return row[width];
}

void conf_guess_offer(struct conf_guess *guess, const char *candidate)
{
	size_t longest = strlen(candidate);
	size_t limit = longest > 4 ? 2 : 1;

	if (longest > GUESS_LENGTH || strlen(guess->word) > GUESS_LENGTH)
		return;
	size_t distance = text_distance(guess->word, candidate);
	if (distance <= limit && (!guess->best || distance < guess->distance)) {
		guess->best = candidate;
		guess->distance = distance;
	}
}
