/* Where the shared ticket keys come from: made here, or a file that machines share. */
#ifndef FERRULE_PROXY_TICKET_KEYS_H
#define FERRULE_PROXY_TICKET_KEYS_H

#include "config/conf.h"
#include "ktls/ktls.h"

#include <sys/stat.h>

struct ticket_keys {
	struct ktls_tickets *tickets; /* borrowed, shared memory */
	struct timespec modified;     /* of the file last read */
	int64_t rotate_at;            /* ms; keys made here */
};

/* Can the configured file be loaded? 0, or -1 with a sentence in `error`. */
int ticket_keys_check(const struct conf *conf, char *error, size_t error_size);
/*
 * Loads the file, or makes a first key. 0, or -1 with a sentence in `error`.
 */
int ticket_keys_start(struct ticket_keys *keys, const struct conf *conf, int64_t now, char *error,
	size_t error_size);
/*
 * Rotates keys that are due, or reads a file that has changed. 1 when something
 * was done, 0 when not, -1 with `error`; the old keys stay then.
 */
int ticket_keys_tick(struct ticket_keys *keys, const struct conf *conf, int64_t now, char *error,
	size_t error_size);

#endif
