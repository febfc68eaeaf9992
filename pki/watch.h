/* pki: has a file changed since it was read? Private to pki/. */
#ifndef FERRULE_PKI_WATCH_H
#define FERRULE_PKI_WATCH_H

#include "pki/pki.h"

#include <sys/stat.h>

/* What a file was just before it was read. */
struct pki_watch {
	char *path;         /* owned */
	struct stat status; /* all zero when there was none */
};

/*
 * Takes `path` over. To be called before the file is read: a change that comes
 * between then counts as one, instead of going unnoticed. Returns 0, or -1 with
 * `error` filled when path is NULL (memory ran out).
 */
int pki_watch_init(struct pki_watch *watch, char *path, struct pki_error *error);
void pki_watch_done(struct pki_watch *watch);

bool pki_watch_has_changed(const struct pki_watch *watch);

#endif
