/* What a process may do: as little as its job needs. */
#ifndef FERRULE_PROXY_PRIVILEGES_H
#define FERRULE_PROXY_PRIVILEGES_H

#include "config/conf.h"

#include <stdbool.h>
#include <sys/types.h>

struct account {
	bool change; /* started as root: become this */
	uid_t uid;
	gid_t gid;
};

/*
 * The account that workers run under. Needed and read only when we are root;
 * false with a sentence in `error` that says how to create or name one.
 */
bool account_find(const struct conf *conf, struct account *account, char *error, size_t error_size);

/*
 * Becomes that account for good, without core dumps or new privileges, and ends
 * with `parent`. 0 or -errno (ESRCH: the parent has gone already).
 */
int privileges_drop(const struct account *account, pid_t parent);

/* No core dumps, no ptrace by others: the process holds keys. */
void privileges_no_dumps(void);

/*
 * Raises the soft limit of descriptors to the hard one and returns it.
 */
unsigned long descriptors_limit(void);

#endif
