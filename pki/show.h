/* pki: what the parts of a status have in common. Private to pki/. */
#ifndef FERRULE_PKI_SHOW_H
#define FERRULE_PKI_SHOW_H

#include "pki/outline.h"
#include "pki/pending.h"

/* A trustpoint as it is now; PEM files are read into a generation. All owned. */
struct pki_state {
	const struct pki_trustpoint *trustpoint; /* borrowed */
	struct pki_generation generation;
	struct pki_pending pending;
	struct pki_error error; /* why it cannot be read; "" when it can */
};

void pki_state_load(struct pki_state *state, const struct pki_trustpoint *trustpoint);
void pki_state_done(struct pki_state *state);

/*
 * The states of those that the options ask for, each to be disposed of, and the array
 * freed. NULL with `error` filled when there is none of the name.
 */
struct pki_state *pki_states_load(const struct pki_trustpoint *trustpoints, size_t count,
	const struct pki_show_options *options, size_t *loaded, struct pki_error *error);
void pki_states_free(struct pki_state *states, size_t count);

bool pki_state_is_selfsigned(const struct pki_state *state);

/* "14DECE05000000000C48"; NULL when memory ran out, the caller frees it (OPENSSL_free). */
char *pki_show_serial(const X509 *certificate);

void pki_show_fingerprints(struct pki_outline *outline, const X509 *certificate, bool with_weak);

time_t pki_show_seconds(const ASN1_TIME *when);

/* "scep" */
const char *pki_method_name(enum pki_method method);

#endif
