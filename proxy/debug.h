/*
 * The switches of `ferrule debug`. They lie in memory that the workers share: the
 * supervisor writes them, a worker looks when a connection begins.
 */
#ifndef FERRULE_PROXY_DEBUG_H
#define FERRULE_PROXY_DEBUG_H

#include <stdbool.h>

enum {
	DEBUG_SECURE_SESSION = 1, /* each session, once it is established */
	DEBUG_SECURE_STATE = 2,   /* each change of libssl's state */
	DEBUG_SECURE_ALL = 4,     /* both, and each call into ktls */
};

enum debug_action { DEBUG_TELL, DEBUG_ON, DEBUG_OFF };

/* False when `words`, those behind "debug", are none of "", "NAME", "NAME on|off". */
bool debug_parse(const char *words, unsigned *mask, enum debug_action *action);
/* Does it, by the only writer. */
void debug_apply(unsigned *switches, unsigned mask, enum debug_action action);
unsigned debug_read(const unsigned *switches);

/* What is on and off; for the caller to free. NULL: no memory. */
char *debug_status(unsigned switches, bool json);
/* Every switch and what it is for, likewise. */
char *debug_list(void);

#endif
