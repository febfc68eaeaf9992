/*
 * pki: where keys and certificates are kept. Private to pki/.
 *
 *     STATE/trustpoints/NAME/lock        held by whoever writes
 *     STATE/trustpoints/NAME/6/          the generation before
 *     STATE/trustpoints/NAME/7/          key.pem, certificate.pem (with the chain),
 *                                        encryption-key.pem, encryption-certificate.pem,
 *                                        ca.pem, others.pem, facts; not all of them
 *     STATE/trustpoints/NAME/current     -> 7
 *     STATE/trustpoints/NAME/pending/    a request that is out: pki/pending.h
 *     STATE/keys/LABEL/                  the same for a key pair that has a label
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

#include "pki/facts.h"
#include "pki/pem.h"

#define PKI_STORE_KEY         "key.pem"
#define PKI_STORE_CERTIFICATE "certificate.pem"
#define PKI_STORE_CA          "ca.pem"
#define PKI_STORE_OTHERS      "others.pem"
#define PKI_STORE_LOCK_WAIT   5 /* seconds */

enum pki_pair {
	PKI_PAIR_MAIN,       /* for all purposes, or for signatures */
	PKI_PAIR_ENCRYPTION, /* only with usage-keys */
	PKI_PAIR_COUNT,
};

/* The files of a pair: "key.pem" or "encryption-key.pem". */
const char *pki_store_key_file(enum pki_pair pair);
const char *pki_store_certificate_file(enum pki_pair pair);

/* All owned; anything may be missing. */
struct pki_generation {
	struct pki_credentials pairs[PKI_PAIR_COUNT];
	STACK_OF(X509) * ca; /* trusted; first the one whose fingerprint was accepted; NULL: none */
	STACK_OF(X509) * others; /* came along: of the RA, and issuers above; NULL: none */
	struct pki_facts facts;
	unsigned number; /* 0: there is no generation */
};

void pki_generation_done(struct pki_generation *generation);
/* A reference to everything in `from`. Returns 0, or -1 when memory ran out. */
int pki_generation_copy(struct pki_generation *to, const struct pki_generation *from);

enum pki_store_kind { PKI_STORE_TRUSTPOINT, PKI_STORE_KEY_PAIR };

struct pki_store {
	const char *state_directory, *name; /* borrowed from the caller of open */
	enum pki_store_kind kind;
	char *path;    /* owned: STATE/trustpoints/NAME */
	int directory; /* owned: of path, -1 until it is needed */
	int lock;      /* owned: -1 while not locked */
};

/* All return 0, or -1 with `error` filled. */

/* Writes nothing; the directories need not exist. */
int pki_store_open(struct pki_store *store, enum pki_store_kind kind, const char *state_directory,
	const char *name, struct pki_error *error);

/* The current generation; its number is 0 and all else empty when there is none. */
int pki_store_load(struct pki_store *store, struct pki_generation *out, struct pki_error *error);

/*
 * Makes the directories and waits for the lock, which pki_store_close() releases;
 * not for longer than PKI_STORE_LOCK_WAIT.
 */
int pki_store_lock(struct pki_store *store, struct pki_error *error);

/* Makes it the current generation. Needs the lock. */
int pki_store_save(
	struct pki_store *store, const struct pki_generation *generation, struct pki_error *error);

/* Removes all generations, `current` first. Needs the lock. */
int pki_store_remove(struct pki_store *store, struct pki_error *error);

/* Also after open has failed. */
void pki_store_close(struct pki_store *store);

/* The path of a file of whatever generation is current; NULL when memory ran out. */
char *pki_store_path(const struct pki_store *store, const char *file);

/* Says that the name is none for a trustpoint or label, and why. */
int pki_store_name_check(const char *what, const char *name, struct pki_error *error);

/* fsync(2) of a directory; 0 or -errno. */
int pki_directory_sync(int fd);
/*
 * Creates a file with what a memory BIO holds, and takes the BIO over, which is NULL when
 * memory ran out; 0 or -errno.
 */
int pki_bio_create(int directory, const char *name, BIO *bio);
/* Removes a directory and the files in it; what cannot be removed stays. */
void pki_directory_remove(int parent, const char *name);

#endif
