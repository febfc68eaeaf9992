/* A small CA for tests of pki/: certificates, bags and SCEP replies, right and wrong. */
#ifndef FERRULE_TESTS_PKI_CA_H
#define FERRULE_TESTS_PKI_CA_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

EVP_PKEY *ca_key(const char *type); /* "RSA" (2048), "EC" (P-256) */

struct ca_issue {
	const char *name; /* common name */
	EVP_PKEY *key;    /* of the subject */
	X509 *issuer;     /* NULL: self-signed */
	EVP_PKEY *issuer_key;
	bool is_ca;
	const char *usage; /* as in openssl.cnf, or NULL: none */
	long serial;
};

X509 *ca_issue(const struct ca_issue *issue);
X509_REQ *ca_request(const char *name, EVP_PKEY *key, const char *password);

/* A certs-only PKCS#7 of `count` certificates; the caller frees it. */
unsigned char *ca_bag(X509 *const *certificates, size_t count, size_t *len);

/* A CertRep, with every member as it is to be in the message. */
struct ca_reply {
	const char *transaction_id; /* NULL leaves an attribute out, also below */
	const char *message_type, *status, *fail_info, *fail_text;
	const unsigned char *nonce;
	size_t nonce_len;
	const unsigned char *bag; /* enveloped for `recipient`; NULL: no content */
	size_t bag_len;
	const unsigned char *raw; /* content instead of an envelope */
	size_t raw_len;
	X509 *recipient;
	const char *cipher; /* "AES-128-CBC", "DES-CBC" */
	bool ber;           /* the envelope in pieces of indefinite length */
	X509 *signer;
	EVP_PKEY *signer_key;
	const char *hash;
	int text_type;            /* of failInfoText; 0: UTF8String */
	bool without_certificate; /* the signer's is not included */
	bool twice;               /* signed two times */
};

unsigned char *ca_reply(const struct ca_reply *reply, size_t *len);

#endif
