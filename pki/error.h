/* pki: how failures are put into words. Private to pki/. */
#ifndef FERRULE_PKI_ERROR_H
#define FERRULE_PKI_ERROR_H

#include "pki/pki.h"

/* All return -1, so that a failing step is `return pki_error_set(...)`. */
int pki_error_set(struct pki_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds to the text that is there: the cure, by the caller that knows it. */
int pki_error_add(struct pki_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Ends the text with OpenSSL's reason and empties OpenSSL's queue of errors. */
int pki_error_openssl(struct pki_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

int pki_error_memory(struct pki_error *error);

/* Warnings are gathered into one line. */
void pki_warn(struct pki_error *warning, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* That `what` is not valid yet, or no longer. */
void pki_warn_of_dates(struct pki_error *warning, const char *what, const X509 *certificate);

/* For terminals and JSON: whatever is not printable ASCII becomes a question mark. */
void pki_make_printable(char *text);

#endif
