/* config: strings, for values and for messages. */
#ifndef FERRULE_CONFIG_TEXT_H
#define FERRULE_CONFIG_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/* New strings that the caller frees; NULL when memory ran out. */
char *conf_text_copy(const char *text);
char *conf_text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *conf_text_vformat(const char *format, va_list arguments)
	__attribute__((format(printf, 1, 0)));

/* The path as it is when absolute, else below the directory. */
char *conf_path_resolve(const char *directory, const char *path);

/* A value as a message shows it: in quotes, on one line, shortened. */
struct conf_quoted {
	char text[96];
};
struct conf_quoted conf_text_quote(const char *text);

/*
 * Picks the candidate that somebody who wrote `word` most likely meant: offer
 * every candidate, then ask for `best`, which is NULL when none is close.
 */
struct conf_guess {
	const char *word;
	const char *best;
	size_t distance;
};
void conf_guess_offer(struct conf_guess *guess, const char *candidate);

#endif
