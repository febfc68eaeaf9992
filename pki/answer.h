/* pki: what a CA answered, in its own words and bounded. Private to pki/. */
#ifndef FERRULE_PKI_ANSWER_H
#define FERRULE_PKI_ANSWER_H

#include "pki/fetch.h"

/* Room for what is quoted of an answer. */
#define PKI_ANSWER_QUOTE 160

/*
 * Says in `out` what an answer is that could not be read: empty, an HTML page (its text
 * without tags), other text, or so many bytes. Printable ASCII only.
 */
void pki_answer_describe(const void *data, size_t len, char out[PKI_ANSWER_QUOTE]);

/*
 * 0 for status 200; else -1 with `error`: `what` ("EST enrollment at URL"), the status, the
 * server's own text, its Retry-After, and what to do.
 */
int pki_answer_check(
	const struct pki_fetch_reply *reply, const char *what, struct pki_error *error);

#endif
