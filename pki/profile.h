/*
 * pki: enrollment profiles: HTTP requests from templates, as IOS' "authentication command" and
 * "enrollment command". Private to pki/.
 *
 *     GET /certs/cacert.der
 *     POST reference_number=$P2&authcode=$P1&pkcs10Request=$REQ
 *     POST /enroll HTTP/1.0
 *     Content-Type: application/pkcs10
 *
 *     $REQ
 *
 * $REQ is the PKCS#10 in base64 without newlines, $P1 to $P8 are the parameters. Both are
 * percent-encoded in the target and in a body of type application/x-www-form-urlencoded (which
 * is the type of a body without a Content-Type), and as they are elsewhere. $$ is a dollar.
 */
#ifndef FERRULE_PKI_PROFILE_H
#define FERRULE_PKI_PROFILE_H

#include "pki/fetch.h"

#define PKI_PROFILE_HEADERS 16
#define PKI_PROFILE_LIMIT   (64 * 1024) /* of a command, and of what becomes of it */

struct pki_profile_values {
	X509_REQ *request;                              /* or NULL: $REQ is then refused */
	const char *parameters[PKI_PROFILE_PARAMETERS]; /* [0] is $P1; NULL: not given */
};

struct pki_profile_http {
	char *url, *content_type, *accept, *body; /* owned, may be NULL but for the url */
	size_t len;
	char *headers[PKI_PROFILE_HEADERS]; /* owned */
	size_t header_count;
	enum pki_fetch_method method;
};

/* Returns 0, or -1 with `error` filled and *out empty. */
int pki_profile_expand(const struct pki_profile_template *step,
	const struct pki_profile_values *values, struct pki_profile_http *out,
	struct pki_error *error);

/* Sets the members of `request` that come from the profile; they borrow from `http`. */
void pki_profile_apply(const struct pki_profile_http *http, struct pki_fetch_request *request);

void pki_profile_http_done(struct pki_profile_http *http); /* wipes: parameters are secrets */

/* The answer: PEM, base64, DER or PKCS#7, with status 200. *out as of pki_paste_parse(). */
int pki_profile_parse(
	const struct pki_fetch_reply *reply, STACK_OF(X509) * *out, struct pki_error *error);

#endif
