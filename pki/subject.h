/* pki: subject names, as IOS and RFC 4514 write them. Private to pki/. */
#ifndef FERRULE_PKI_SUBJECT_H
#define FERRULE_PKI_SUBJECT_H

#include "pki/pki.h"

/*
 * Adds what "CN=router1, OU=Lab+L=Here, O=Example\, Inc." says: the most specific part
 * is written first and encoded last (RFC 4514 2.1). Returns 0, or -1 with `error`
 * filled.
 */
int pki_subject_parse(X509_NAME *name, const char *text, struct pki_error *error);

/* One more attribute: in a part of its own at the end, or joined to the last part. */
int pki_subject_add(
	X509_NAME *name, int nid, const char *value, bool joined, struct pki_error *error);

/* As IOS shows it, on one line: "CN = router1, O = Example". NULL when memory ran out. */
char *pki_subject_text(const X509_NAME *name);

/* The value of its first attribute of this kind in UTF-8; NULL when it has none. */
char *pki_subject_get(const X509_NAME *name, int nid);

/* Is there an attribute of this kind with this value, whatever the case of its letters? */
bool pki_subject_has(const X509_NAME *name, const ASN1_OBJECT *type, const ASN1_STRING *value);

#endif
