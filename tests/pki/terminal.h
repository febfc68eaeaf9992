/* A program on a terminal of its own, as an operator would use it. */
#ifndef FERRULE_TESTS_PKI_TERMINAL_H
#define FERRULE_TESTS_PKI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct terminal {
	pid_t pid;
	int fd;
	char text[32768]; /* all that was shown, CR left out */
	size_t len;
	size_t seen; /* what terminal_wait() has passed */
};

/* NULL on failure. */
struct terminal *terminal_start(const char *const *argv);
/* Waits until the text (any case) is shown after what was waited for before. */
bool terminal_wait(struct terminal *terminal, const char *text);
bool terminal_type(struct terminal *terminal, const char *text);
/* Waits for its end, keeps what was shown in *text (to be freed); the exit status. */
int terminal_end(struct terminal *terminal, char **text);

#endif
