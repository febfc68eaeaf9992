#include "pki/paste.h"
#include "pki/answer.h"
#include "pki/bag.h"
#include "pki/base64.h"
#include "pki/error.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The length up to a line "quit", which is base64 too: IOS ends what is pasted with it. */
static size_t length_before_quit(const char *text, size_t len)
{
	for (size_t start = 0; start < len;) {
		const char *newline = memchr(text + start, '\n', len - start);
		size_t end = newline ? (size_t)(newline - text) : len, from = start, to = end;
		while (from < to && is_blank(text[from]))
			from++;
		while (to > from && is_blank(text[to - 1]))
			to--;
		if (to - from == 4 && memcmp(text + from, "quit", 4) == 0)
			return start;
		start = end + 1;
	}
	return len;
}

/* Moves the certificates of `from` to `into`, and frees the former. */
static int join(STACK_OF(X509) * into, STACK_OF(X509) * from, struct pki_error *error)
{
	int result = X509_add_certs(into, from, X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_NO_DUP) == 1
			     ? 0
			     : pki_error_memory(error);
	sk_X509_pop_free(from, X509_free);
	if (result == 0 && sk_X509_num(into) > PKI_BAG_MAX)
		return pki_error_set(error, "there are more than %d certificates", PKI_BAG_MAX);
	return result;
}

/* A block of PEM; what is no certificate is skipped. */
static int add_block(STACK_OF(X509) * into, const char *name, const unsigned char *der, long len,
	const char *what, struct pki_error *error)
{
	STACK_OF(X509) * found;
	bool cms = !strcmp(name, PEM_STRING_PKCS7) || !strcmp(name, PEM_STRING_PKCS7_SIGNED) ||
		   !strcmp(name, PEM_STRING_CMS);
	bool single = !strcmp(name, PEM_STRING_X509) || !strcmp(name, PEM_STRING_X509_OLD);
	if (!cms && !single)
		return 0;
	int result = cms ? pki_bag_parse_cms(der, (size_t)len, what, &found, error)
			 : pki_bag_parse_certificate(der, (size_t)len, what, &found, error);
	return result ? result : join(into, found, error);
}

static int add_blocks(STACK_OF(X509) * into, BIO *bio, const char *what, struct pki_error *error)
{
	char *name, *header;
	unsigned char *der;
	long len;
	while (PEM_read_bio(bio, &name, &header, &der, &len) == 1) {
		int result = add_block(into, name, der, len, what, error);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)len); /* it may be a key */
		if (result)
			return result;
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return pki_error_openssl(error,
			"%s has a part in PEM form that cannot be read; paste all of it, from "
			"-----BEGIN to -----END",
			what);
	ERR_clear_error();
	return 0;
}

static int parse_pem(const char *text, size_t len, const char *what, STACK_OF(X509) * *out,
	struct pki_error *error)
{
	STACK_OF(X509) *found = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	int result = found && bio ? add_blocks(found, bio, what, error) : pki_error_memory(error);
	BIO_free(bio);
	if (result == 0 && sk_X509_num(found) == 0)
		result = pki_error_set(error,
			"%s holds no certificate (-----BEGIN CERTIFICATE-----) but something else",
			what);
	if (result) {
		sk_X509_pop_free(found, X509_free);
		found = NULL;
	}
	*out = found;
	return result;
}

static int parse_base64(const char *text, size_t len, const char *what, STACK_OF(X509) * *out,
	struct pki_error *error)
{
	unsigned char *der;
	size_t der_len;
	char said[PKI_ANSWER_QUOTE];
	int result = pki_base64_decode(text, len, &der, &der_len);
	if (result == -ENOMEM)
		return pki_error_memory(error);
	if (result || der_len == 0) {
		free(der);
		pki_answer_describe(text, len, said);
		return pki_error_set(error,
			"%s is not a certificate (PEM, base64, DER or PKCS#7) but %s", what, said);
	}
	result = pki_bag_parse(der, der_len, what, out, error);
	free(der);
	return result;
}

/* The length of anything of a certificate's size has a second byte that no text has. */
static bool is_der(const unsigned char *data, size_t len)
{
	return len > 2 && data[0] == (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED) && (data[1] & 0x80);
}

int pki_paste_parse(const void *data, size_t len, const char *what, STACK_OF(X509) * *out,
	struct pki_error *error)
{
	static const char armour[] = "-----BEGIN ";
	*out = NULL;
	if (len > PKI_PASTE_LIMIT)
		return pki_error_set(
			error, "%s is larger than the limit of %d bytes", what, PKI_PASTE_LIMIT);
	if (is_der(data, len))
		return pki_bag_parse(data, len, what, out, error);
	size_t text = length_before_quit(data, len);
	if (memmem(data, text, armour, sizeof armour - 1))
		return parse_pem(data, text, what, out, error);
	return parse_base64(data, text, what, out, error);
}
