/* Certificates of every kind, for tests. */
#ifndef FERRULE_TESTS_UNIT_CERTIFICATE_H
#define FERRULE_TESTS_UNIT_CERTIFICATE_H

#include <stdbool.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

struct made {
	X509 *certificate;
	EVP_PKEY *key;
};

struct made_as {
	const char *cn;
	bool is_ca;
	bool is_rsa; /* else EC P-256 */
	bool is_ed25519;
	const char *usage; /* extended key usage, as in openssl.cnf; NULL: none */
	long from, to;     /* seconds from now; both 0: an hour before and after */
};

/* NULL issuer: self-signed. */
struct made make(const struct made_as *as, const struct made *issuer);
void made_done(struct made *made);

/* A client's or server's certificate without further ado. */
struct made make_leaf(const char *cn, const struct made *issuer);
struct made make_ca(const char *cn);

#endif
