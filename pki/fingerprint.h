/* pki: fingerprints of certificates. Private to pki/. */
#ifndef FERRULE_PKI_FINGERPRINT_H
#define FERRULE_PKI_FINGERPRINT_H

#include "pki/pki.h"

/* What somebody has read to the operator. */
struct pki_fingerprint {
	const EVP_MD *digest; /* borrowed from OpenSSL: SHA-256 or SHA-1 */
	unsigned char bytes[EVP_MAX_MD_SIZE];
};

/* Hexadecimal, with colons and blanks or without. Returns 0, or -1 with `error` filled. */
int pki_fingerprint_parse(const char *text, struct pki_fingerprint *out, struct pki_error *error);

bool pki_fingerprint_matches(const struct pki_fingerprint *fingerprint, const X509 *certificate);

#define PKI_FINGERPRINT_TEXT (EVP_MAX_MD_SIZE * 2 + EVP_MAX_MD_SIZE / 4 + 1)

/* As IOS writes it, in groups of eight digits: "67CB9DC0 13248A82 9BB2171E D11BECD4". */
void pki_fingerprint_text(
	const X509 *certificate, const EVP_MD *digest, char text[PKI_FINGERPRINT_TEXT]);

#endif
