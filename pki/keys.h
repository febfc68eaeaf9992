/* pki: key pairs: what may be made, and those that have a label. Private to pki/. */
#ifndef FERRULE_PKI_KEYS_H
#define FERRULE_PKI_KEYS_H

#include "pki/store.h"

/*
 * Key pairs travel as a generation that has no certificates: one or two keys, and
 * among the facts whether they are exportable, their label and when they were made.
 */

/* New ones, as the parameters say. Returns 0, or -1 with `error` filled. */
int pki_keys_make(const struct pki_key_parameters *parameters, struct pki_generation *out,
	struct pki_error *error);

/* The parameters of a trustpoint's keys; its label is borrowed. */
struct pki_key_parameters pki_keys_parameters(const struct pki_trustpoint *trustpoint);

/* Has it the type and size that the trustpoint asks for? */
bool pki_keys_fit(const struct pki_trustpoint *trustpoint, const EVP_PKEY *key);

/* STATE/keys/LABEL; its number is 0 when there is none. */
int pki_keys_load(const char *state_directory, const char *label, struct pki_generation *out,
	struct pki_error *error);

/* Makes them what STATE/keys/LABEL holds; `fresh`: it must not hold any yet. */
int pki_keys_save(const char *state_directory, const char *label, const struct pki_generation *keys,
	bool fresh, struct pki_error *error);

/* "RSA 2048", "EC P-256" */
void pki_keys_describe(const EVP_PKEY *key, char *text, size_t size);

#endif
