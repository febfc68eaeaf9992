/*
 * pki: a request that is out. Private to pki/.
 *
 *     STATE/trustpoints/NAME/pending/    key.pem, request.pem, certificate.pem (and the
 *                                        same as encryption-...), facts
 *
 * It is there from before the request leaves until its certificate is in a generation
 * of the store, so that the key outlives crashes and a transaction goes on after a
 * restart. It appears by rename(2) and counts only while it has its facts, which are
 * removed first. Passwords are in none of it: a request that has one is not kept but
 * made again. All of it needs the store's lock.
 */
#ifndef FERRULE_PKI_PENDING_H
#define FERRULE_PKI_PENDING_H

#include "pki/store.h"

struct pki_pending {
	bool is_there;
	struct pki_generation keys;         /* keys and facts; certificates as they come */
	X509_REQ *requests[PKI_PAIR_COUNT]; /* owned; NULL: not kept */
};

/* All return 0, or -1 with `error` filled. */
int pki_pending_load(
	const struct pki_store *store, struct pki_pending *out, struct pki_error *error);
int pki_pending_save(
	struct pki_store *store, const struct pki_pending *pending, struct pki_error *error);
/* Writes the facts, or one of the certificates, anew. */
int pki_pending_update(
	struct pki_store *store, const struct pki_pending *pending, struct pki_error *error);
int pki_pending_put(struct pki_store *store, const struct pki_pending *pending, enum pki_pair pair,
	struct pki_error *error);
/* Takes the certificates out again, here and on the disk; keys and requests stay. */
int pki_pending_take_back(
	struct pki_store *store, struct pki_pending *pending, struct pki_error *error);
int pki_pending_remove(struct pki_store *store, struct pki_error *error);

void pki_pending_done(struct pki_pending *pending);

#endif
