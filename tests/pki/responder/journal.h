/* What the responder received and what it did: one line of name="value" for each event. */
#ifndef FERRULE_TESTS_PKI_RESPONDER_JOURNAL_H
#define FERRULE_TESTS_PKI_RESPONDER_JOURNAL_H

#include <stdbool.h>

/* To a file of its own; without one, to standard output. */
bool journal_open(const char *path);
/* Pairs of a name and a value (NULL: left out), ended by NULL. Any thread may call it. */
void journal(const char *event, ...) __attribute__((sentinel));

#endif
