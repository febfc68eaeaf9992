/*
 * The responder's certification authority: made in a directory of its own, kept there.
 * In it, as PEM: root.crt, intermediate.crt, ra-sign.crt, ra-encrypt.crt, next.crt,
 * rogue.crt, tls.crt, rogue-tls.crt and the keys (*.key).
 */
#ifndef FERRULE_TESTS_PKI_RESPONDER_AUTHORITY_H
#define FERRULE_TESTS_PKI_RESPONDER_AUTHORITY_H

#include "tests/pki/responder/modes.h"

#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>

struct pair {
	X509 *certificate;
	EVP_PKEY *key;
};

enum authority_member {
	ROOT,
	INTERMEDIATE,
	RA_SIGN,    /* issued by the root */
	RA_ENCRYPT, /* issued by the root */
	TIER_SIGN,  /* the same keys, issued by the intermediate */
	TIER_ENCRYPT,
	NEXT,      /* the root to come */
	ROGUE,     /* named like the root */
	TLS,       /* for localhost, 127.0.0.1 and ::1, issued by the root */
	ROGUE_TLS, /* issued by the rogue */
	MEMBERS
};

struct authority {
	struct pair members[MEMBERS];
	char directory[512];
};

/* Loads it from the directory, or makes it there. */
bool authority_open(struct authority *authority, const char *directory);

/* Whose certificate the modes want. */
const struct pair *authority_issuer(const struct authority *authority, const struct modes *modes);
/* Who signs SCEP replies. */
const struct pair *authority_signer(const struct authority *authority, const struct modes *modes);
/* What clients are to trust and to encrypt to; certificates are borrowed. */
STACK_OF(X509) * authority_bag(const struct authority *authority, const struct modes *modes);
/* True when one of ours issued it. */
bool authority_issued(const struct authority *authority, X509 *certificate);

/* True when it proves who asks: as above, or with the mode "credential" a rogue's. */
bool authority_vouches(
	const struct authority *authority, const struct modes *modes, X509 *certificate);

/*
 * What the request asks for, with the lies that the modes demand; a new reference.
 * `renewed` is the certificate it takes the place of, or NULL.
 */
STACK_OF(X509) * authority_issue(const struct authority *authority, const struct modes *modes,
			 const struct pair *issuer, X509_REQ *request, X509 *renewed);

/* A CMS without signers that holds them; its length, or -1. *der is the caller's. */
int bag_encode(STACK_OF(X509) * certificates, unsigned char **der);

/* The challenge password of a request in `out`, "" when it has none. */
void request_challenge(X509_REQ *request, char *out, size_t size);
/* "/CN=…" of a name, to be freed with OPENSSL_free(). */
char *name_text(const X509_NAME *name);

#endif
