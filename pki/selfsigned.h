/* pki: the device's persistent self-signed certificate. Private to pki/. */
#ifndef FERRULE_PKI_SELFSIGNED_H
#define FERRULE_PKI_SELFSIGNED_H

#include "pki/store.h"

enum pki_selfsigned {
	PKI_SELFSIGNED_NEEDED, /* read-only, and the store has none that fits */
	PKI_SELFSIGNED_KEPT,   /* the store's one fits */
	PKI_SELFSIGNED_MADE,   /* the store has a new one */
};

/*
 * Sees to it that the store's current generation is a certificate for the
 * trustpoint's names and key, and not expired. A current generation that cannot
 * be read is an error, never a reason to replace what clients have come to
 * trust. Returns 0, or -1 with `error` filled.
 */
int pki_selfsigned_ensure(const struct pki_trustpoint *trustpoint, struct pki_store *store,
	bool read_only, enum pki_selfsigned *out, struct pki_error *error);

/* Makes a new one whatever there is. Needs the store's lock. */
int pki_selfsigned_renew(
	const struct pki_trustpoint *trustpoint, struct pki_store *store, struct pki_error *error);

/* A random serial number; false when memory or entropy ran out. */
bool pki_serial_set(X509 *certificate);

#endif
