#include "pki/fingerprint.h"
#include "pki/error.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes the next two digits; false when there are none. */
static bool byte_parse(const char **at, unsigned char *out)
{
	char digits[3] = "";
	for (int i = 0; i < 2; (*at)++) {
		if (strchr(": \t", **at) && **at)
			continue;
		if (!isxdigit((unsigned char)**at))
			return false;
		digits[i++] = **at;
	}
	*out = (unsigned char)strtol(digits, NULL, 16);
	return true;
}

int pki_fingerprint_parse(const char *text, struct pki_fingerprint *out, struct pki_error *error)
{
	const char *at = text;
	size_t len = 0;
	*out = (struct pki_fingerprint){0};
	while (len < sizeof out->bytes && byte_parse(&at, &out->bytes[len]))
		len++;
	at += strspn(at, ": \t");
	if (*at == '\0' && len == 32)
		out->digest = EVP_sha256();
	else if (*at == '\0' && len == 20)
		out->digest = EVP_sha1();
	if (out->digest)
		return 0;
	return pki_error_set(error,
		*at == '\0' && len == 16
			? "fingerprint \"%s\": that is an MD5 fingerprint, which can be forged; "
			  "ask the CA's administrator for the SHA-256 one"
			: "fingerprint \"%s\": must be the 64 hexadecimal digits of SHA-256, or "
			  "the 40 of SHA-1; colons and blanks may be between them",
		text);
}

bool pki_fingerprint_matches(const struct pki_fingerprint *fingerprint, const X509 *certificate)
{
	unsigned char found[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	return X509_digest(certificate, fingerprint->digest, found, &len) == 1 &&
	       CRYPTO_memcmp(found, fingerprint->bytes, len) == 0;
}

void pki_fingerprint_text(
	const X509 *certificate, const EVP_MD *digest, char text[PKI_FINGERPRINT_TEXT])
{
	unsigned char found[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	size_t used = 0;
	text[0] = '\0';
	if (X509_digest(certificate, digest, found, &len) != 1)
		return;
	for (unsigned i = 0; i < len; i++)
		used += (size_t)snprintf(text + used, PKI_FINGERPRINT_TEXT - used, "%s%02X",
			i && i % 4 == 0 ? " " : "", found[i]);
}
