/* Lines for an operator, collected: what cannot be done, and what is only odd. */
#ifndef FERRULE_PROXY_MESSAGES_H
#define FERRULE_PROXY_MESSAGES_H

/* One line each: "FILE:LINE: what; cure". */
struct messages {
	char *errors; /* owned by the caller, NULL when none */
	char *warnings;
};

/* Adds a line to one of the two. */
void messages_add(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
