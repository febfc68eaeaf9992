/*
 * pki: EST (RFC 7030, RFC 8951) as functions over memory: URLs, bodies, answers. The caller
 * does the transfers with pki/fetch.h. Private to pki/.
 */
#ifndef FERRULE_PKI_EST_H
#define FERRULE_PKI_EST_H

#include "pki/fetch.h"

enum pki_est_operation {
	PKI_EST_CACERTS,
	PKI_EST_SIMPLEENROLL,
	PKI_EST_SIMPLEREENROLL,
};

#define PKI_EST_CONTENT_TYPE "application/pkcs10"
#define PKI_EST_ACCEPT       "application/pkcs7-mime"

/*
 * The URL of an operation. `base` is https://HOST[:PORT][/LABEL] or already has
 * /.well-known/est in it. Returns 0 or -1; the caller frees *out.
 */
int pki_est_url(
	const char *base, enum pki_est_operation operation, char **out, struct pki_error *error);

/* The PKCS#10 as a body: base64 without newlines. Returns 0 or -1; the caller frees *out. */
int pki_est_body(X509_REQ *request, char **out, size_t *len, struct pki_error *error);

/* The answer to /cacerts. Returns 0 with *out owned by the caller, or -1. */
int pki_est_parse_cacerts(
	const struct pki_fetch_reply *reply, STACK_OF(X509) * *out, struct pki_error *error);

enum pki_est_status {
	PKI_EST_ISSUED,  /* *out is filled */
	PKI_EST_WAIT,    /* 202: repeat the very same request in out->retry_after seconds */
	PKI_EST_REFUSED, /* the server said no; `error` has its words. Asking again is of no use
			  * before something has been changed */
	PKI_EST_BUSY,    /* 429, 5xx: the server cannot now; `error`, out->retry_after or 0 */
	PKI_EST_INVALID, /* what came is not an answer to be trusted; `error` says why */
};

struct pki_est_answer {
	X509 *certificate;       /* owned: for the key that was asked for */
	STACK_OF(X509) * extras; /* owned: whatever else was in the answer */
	long retry_after;
};

/*
 * The answer to simpleenroll and simplereenroll. Says only that the certificate is for `key`:
 * names, dates and issuer are the caller's to check.
 */
enum pki_est_status pki_est_parse_enroll(const struct pki_fetch_reply *reply, EVP_PKEY *key,
	struct pki_est_answer *out, struct pki_error *error);
void pki_est_answer_done(struct pki_est_answer *answer);

#endif
