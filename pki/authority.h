/* pki: which of a CA's certificates is trusted, and what the others are for. Private to pki/. */
#ifndef FERRULE_PKI_AUTHORITY_H
#define FERRULE_PKI_AUTHORITY_H

#include "pki/fingerprint.h"

/* A CA's clock may be this many seconds ahead of ours. */
#define PKI_CLOCK_SKEW 300

/* The certificates of a CA, told apart. All owned, never NULL after sorting. */
struct pki_authority {
	X509 *pinned;             /* borrowed from `trusted`, its first */
	STACK_OF(X509) * trusted; /* the pinned one and CAs that it has certified */
	/*
	 * Of the RA, certified by a trusted one; and the issuers of the pinned one, which
	 * are sent to clients in the chain but trusted by nobody here.
	 */
	STACK_OF(X509) * others;
	unsigned left_out; /* connected with none of them */
};

/*
 * Chooses the certificate with all these fingerprints; without any, the CA that issues:
 * the lowest one. Then sorts the others by it; `all` keeps its references. Returns 0, or
 * -1 with `error` filled and *out empty.
 */
int pki_authority_sort(const STACK_OF(X509) * all, const struct pki_fingerprint *fingerprints,
	size_t count, struct pki_authority *out, struct pki_error *error);
void pki_authority_done(struct pki_authority *authority);

/*
 * The chain from `certificate` up to one of `trusted`, by way of `untrusted`, without the
 * certificate itself and without a self-signed one at the end; the caller owns it. The
 * issuers among `untrusted` are appended beyond. NULL with `error` filled when there is no
 * valid one at the time `when`.
 */
STACK_OF(X509) * pki_authority_chain(X509 *certificate, const STACK_OF(X509) * trusted,
			 STACK_OF(X509) * untrusted, time_t when, struct pki_error *error);

bool pki_certificate_is_selfsigned(X509 *certificate);

/* Of every kind; NULL ones count as empty. The caller owns *out. 0, or -1: memory ran out. */
int pki_stack_join(const STACK_OF(X509) * one, const STACK_OF(X509) * two, STACK_OF(X509) * *out);

#endif
