/* Status of the running instance as text or JSON. */
#ifndef FERRULE_PROXY_SHOW_H
#define FERRULE_PROXY_SHOW_H

#include "proxy/snapshot.h"
#include "proxy/stats.h"

#include <stdbool.h>

/*
 * `what` is the words behind "show". A text for the caller to free, or NULL when
 * there is no such status (or no memory).
 */
char *show_status(const char *what, bool json, const struct snapshot *snapshot,
	const struct stats *stats, const struct ktls_capabilities *capabilities);

bool show_exists(const char *what);
/* Every status and what it shows, a line each, for the caller to free; NULL: no memory. */
char *show_list(void);

#endif
