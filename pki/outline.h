/* pki: one description of what is shown, as text for people or as JSON. Private to pki/. */
#ifndef FERRULE_PKI_OUTLINE_H
#define FERRULE_PKI_OUTLINE_H

#include "pki/pki.h"

#include <openssl/bio.h>
#include <time.h>

#define PKI_OUTLINE_DEPTH 8

/* Memory that runs out is noticed at the end. */
struct pki_outline {
	BIO *bio; /* owned */
	bool json;
	unsigned depth;
	bool is_list[PKI_OUTLINE_DEPTH], has_members[PKI_OUTLINE_DEPTH];
};

void pki_outline_init(struct pki_outline *outline, bool json);
/* The text, which the caller frees; or -1 with `error` filled. */
int pki_outline_finish(struct pki_outline *outline, char **out, struct pki_error *error);

/*
 * A group of fields, or a list of groups. `title` is a line of the text, or NULL: then
 * the text is not indented either. `key` is the JSON's, NULL in a list.
 */
void pki_outline_begin(struct pki_outline *outline, const char *key, const char *title);
void pki_outline_begin_list(struct pki_outline *outline, const char *key, const char *title);
void pki_outline_end(struct pki_outline *outline, const char *title);

/* "label: value"; NULL for what the other form does not have. */
void pki_outline_field(
	struct pki_outline *outline, const char *key, const char *label, const char *value);
void pki_outline_bool(struct pki_outline *outline, const char *key, const char *label, bool value);
void pki_outline_number(
	struct pki_outline *outline, const char *key, const char *label, long long value);
/* "19:14:14 GMT Dec 21 2004" and "2004-12-21T19:14:14Z" */
void pki_outline_time(struct pki_outline *outline, const char *key, const char *label, time_t when);
void pki_outline_line(struct pki_outline *outline, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The parts of a name on lines of their own, behind a line "label:". */
void pki_outline_name(struct pki_outline *outline, const char *key, const char *label,
	const char *device, const X509_NAME *name);

#endif
