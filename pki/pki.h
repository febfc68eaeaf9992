/*
 * pki: the device's identity and whom it trusts. A trustpoint is a named
 * identity; loading one yields an immutable, reference-counted pki_identity
 * (certificate, private key, chain) that a running proxy can hold on to while a
 * newer one is made. Trust anchors are what peers' certificates are judged by.
 */
#ifndef FERRULE_PKI_H
#define FERRULE_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

struct pki_identity;

enum pki_method { PKI_METHOD_SELFSIGNED, PKI_METHOD_PEM };
enum pki_key_type { PKI_KEY_EC, PKI_KEY_RSA };

/* What a trustpoint is made from; all pointers are borrowed for the call. */
struct pki_trustpoint {
	const char *name;            /* a safe file name: letters, digits, '-', '_', '.' */
	const char *state_directory; /* created 0700 when missing */
	enum pki_method method;
	/* PKI_METHOD_PEM */
	const char *certificate_file, *key_file, *chain_file; /* chain_file may be NULL */
	/* PKI_METHOD_SELFSIGNED */
	enum pki_key_type key_type;
	const char *curve;                  /* "P-256" or "P-384" */
	unsigned bits;                      /* 2048 to 4096 */
	const char *hostname, *domain_name; /* domain_name may be NULL or empty */
	const char *const *alt_names;       /* further DNS names and IP addresses for the SAN */
	size_t alt_name_count;
};

/* The text of the last failure: what, which file, why, and the cure. */
struct pki_error {
	char text[512];
};

/*
 * Loads the trustpoint's identity. A self-signed one that is missing, expired,
 * or made for other names or another kind of key is made anew and kept
 * (key first, atomic switch, previous generation kept); its certificate, for
 * clients that are to trust it, is
 * STATE/trustpoints/NAME/current/certificate.pem. `read_only` never writes: a
 * self-signed identity that would have to be made is then success with
 * *out = NULL (that is for `ferrule check`). Returns 0 or -1 with `error`
 * filled. The caller owns one reference to *out.
 */
int pki_identity_load(const struct pki_trustpoint *trustpoint, bool read_only,
	struct pki_identity **out, struct pki_error *error);
struct pki_identity *pki_identity_ref(struct pki_identity *identity);
void pki_identity_unref(struct pki_identity *identity);

/* Borrowed for as long as the caller holds its reference. */
X509 *pki_identity_certificate(const struct pki_identity *identity);
EVP_PKEY *pki_identity_key(const struct pki_identity *identity);
STACK_OF(X509) * pki_identity_chain(const struct pki_identity *identity); /* never NULL */

/*
 * What the operator should know although the identity can be used (expired, not
 * yet valid, usages that clients will refuse, a key file that others can read),
 * as one line; NULL when there is nothing to say.
 */
const char *pki_identity_warning(const struct pki_identity *identity);

/* True when this very load made the certificate: clients do not know it yet. */
bool pki_identity_is_new(const struct pki_identity *identity);

/*
 * True when what the identity was loaded from is no longer what it was: a
 * file's inode, size or modification time changed, or the self-signed
 * certificate has expired. Cheap: a few stat() calls.
 */
bool pki_identity_is_stale(const struct pki_identity *identity);

/* ---- trust anchors ----------------------------------------------------- */

struct pki_anchors;

/*
 * Loads every certificate of a PEM file as a trust anchor: of CAs, and of single
 * peers that are trusted as they are. Returns 0 or -1 with `error` filled. The
 * caller owns *out.
 */
int pki_anchors_load(const char *pem_file, struct pki_anchors **out, struct pki_error *error);
void pki_anchors_free(struct pki_anchors *anchors);

X509_STORE *pki_anchors_store(const struct pki_anchors *anchors); /* borrowed */
size_t pki_anchors_count(const struct pki_anchors *anchors);

/* Anchors that are expired or not valid yet, as one line; NULL when there are none. */
const char *pki_anchors_warning(const struct pki_anchors *anchors);

/* True when the file has changed since. Cheap: one stat() call. */
bool pki_anchors_is_stale(const struct pki_anchors *anchors);

#endif
