/*
 * pki: where a trustpoint's key and certificate are kept. Private to pki/.
 *
 *     STATE/trustpoints/NAME/lock        held by whoever writes
 *     STATE/trustpoints/NAME/6/          the generation before
 *     STATE/trustpoints/NAME/7/          key.pem, certificate.pem
 *     STATE/trustpoints/NAME/current     -> 7
 *
 * `current` alone says which generation counts, and it is switched by one
 * rename(2) after everything else has reached the disk: at any moment a crash
 * leaves either the old identity or the new one. Any generation but `current`'s
 * and the one before it is rubbish, whether too old or never finished, and is
 * swept by the next writer. The one before is kept for operators who want to go
 * back (ln -sfn 6 current) and for readers who had just looked `current` up.
 */
#ifndef FERRULE_PKI_STORE_H
#define FERRULE_PKI_STORE_H

#include "pki/pem.h"

#define PKI_STORE_KEY         "key.pem"
#define PKI_STORE_CERTIFICATE "certificate.pem"

struct pki_store {
	const char *state_directory, *name; /* borrowed from the caller of open */
	char *path;                         /* owned: STATE/trustpoints/NAME */
	int directory;                      /* owned: of path, -1 until it is needed */
	int lock;                           /* owned: -1 while not locked */
};

/* All return 0, or -1 with `error` filled. */

/* Writes nothing; the directories need not exist. */
int pki_store_open(struct pki_store *store, const char *state_directory, const char *name,
	struct pki_error *error);

/* The current generation; *out is empty (its key NULL) when there is none. */
int pki_store_load(struct pki_store *store, struct pki_credentials *out, struct pki_error *error);

/* Makes the directories and waits for the lock, which pki_store_close() releases. */
int pki_store_lock(struct pki_store *store, struct pki_error *error);

/* Makes the credentials the current generation. Needs the lock. */
int pki_store_save(struct pki_store *store, const struct pki_credentials *credentials,
	struct pki_error *error);

/* Also after open has failed. */
void pki_store_close(struct pki_store *store);

/* The path of a file of whatever generation is current; NULL when memory ran out. */
char *pki_store_path(const struct pki_store *store, const char *file);

#endif
