/* What a request is to meet with: words in its URL path and on the command line. */
#ifndef FERRULE_TESTS_PKI_RESPONDER_MODES_H
#define FERRULE_TESTS_PKI_RESPONDER_MODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define MODES_MAX 16

struct modes {
	char words[MODES_MAX][32];
	size_t count;
};

/*
 * Adds the words of a list separated by commas. False, with *unknown borrowing the
 * word, when one is in no table: a mistyped mode must not look like good behaviour.
 */
bool modes_add(struct modes *modes, const char *list, char unknown[32]);
bool modes_has(const struct modes *modes, const char *name);
/* The N of the word "NAME-N", or -1. */
long modes_number(const struct modes *modes, const char *name);
/* One line for each mode. */
void modes_describe(FILE *out);

#endif
