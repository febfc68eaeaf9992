#include "pki/bag.h"
#include "pki/answer.h"
#include "pki/error.h"

#include <limits.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <string.h>

#define SUBJECT_SHOWN 96

static int unreadable(
	const void *data, size_t len, const char *what, const char *wanted, struct pki_error *error)
{
	char said[PKI_ANSWER_QUOTE];
	ERR_clear_error();
	pki_answer_describe(data, len, said);
	return pki_error_set(
		error, "%s is not %s but %s; check the URL or the file", what, wanted, said);
}

static int trailing(const char *what, size_t rest, struct pki_error *error)
{
	return pki_error_set(error,
		"%s has %zu bytes behind its end, which nobody vouches for; it is refused", what,
		rest);
}

/* Adds a reference to the certificate unless the bag has it. */
static int add(STACK_OF(X509) * bag, X509 *certificate, struct pki_error *error)
{
	if (X509_add_cert(bag, certificate, X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_NO_DUP) != 1)
		return pki_error_memory(error);
	return 0;
}

static int finish(STACK_OF(X509) * bag, int result, STACK_OF(X509) * *out)
{
	ERR_clear_error();
	if (result) {
		sk_X509_pop_free(bag, X509_free);
		bag = NULL;
	}
	*out = bag;
	return result;
}

int pki_bag_parse_certificate(const void *der, size_t len, const char *what, STACK_OF(X509) * *out,
	struct pki_error *error)
{
	const unsigned char *at = der;
	*out = NULL;
	X509 *certificate = len <= INT_MAX ? d2i_X509(NULL, &at, (long)len) : NULL;
	if (!certificate)
		return unreadable(der, len, what, "a certificate", error);
	STACK_OF(X509) *bag = sk_X509_new_null();
	size_t rest = len - (size_t)(at - (const unsigned char *)der);
	int result = bag ? add(bag, certificate, error) : pki_error_memory(error);
	if (result == 0 && rest > 0)
		result = trailing(what, rest, error);
	X509_free(certificate);
	return finish(bag, result, out);
}

static int fill(
	STACK_OF(X509) * bag, STACK_OF(X509) * found, const char *what, struct pki_error *error)
{
	if (sk_X509_num(found) < 1)
		return pki_error_set(
			error, "%s has no certificate in it; the CA's own log says why", what);
	if (sk_X509_num(found) > PKI_BAG_MAX)
		return pki_error_set(error, "%s has %d certificates, over the limit of %d", what,
			sk_X509_num(found), PKI_BAG_MAX);
	for (int i = 0; i < sk_X509_num(found); i++)
		if (add(bag, sk_X509_value(found, i), error))
			return -1;
	return 0;
}

int pki_bag_parse_cms(const void *der, size_t len, const char *what, STACK_OF(X509) * *out,
	struct pki_error *error)
{
	const unsigned char *at = der;
	*out = NULL;
	CMS_ContentInfo *cms = len <= INT_MAX ? d2i_CMS_ContentInfo(NULL, &at, (long)len) : NULL;
	if (!cms || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed) {
		CMS_ContentInfo_free(cms);
		return unreadable(der, len, what, "a PKCS#7 with certificates", error);
	}
	size_t rest = len - (size_t)(at - (const unsigned char *)der);
	STACK_OF(X509) *bag = sk_X509_new_null(), *found = CMS_get1_certs(cms);
	int result = bag ? 0 : pki_error_memory(error);
	if (result == 0)
		result = rest > 0 ? trailing(what, rest, error) : fill(bag, found, what, error);
	sk_X509_pop_free(found, X509_free);
	CMS_ContentInfo_free(cms);
	return finish(bag, result, out);
}

/* Both are sequences; one that begins with an OID is a ContentInfo (RFC 5652 3). */
static bool is_cms(const void *der, size_t len)
{
	const unsigned char *at = der;
	long size;
	int tag, class;
	if (len == 0 || len > INT_MAX ||
		(ASN1_get_object(&at, &size, &tag, &class, (long)len) & 0x80) ||
		tag != V_ASN1_SEQUENCE)
		return false;
	return (size_t)(at - (const unsigned char *)der) < len && *at == V_ASN1_OBJECT;
}

int pki_bag_parse(const void *der, size_t len, const char *what, STACK_OF(X509) * *out,
	struct pki_error *error)
{
	bool cms = is_cms(der, len);
	ERR_clear_error();
	return cms ? pki_bag_parse_cms(der, len, what, out, error)
		   : pki_bag_parse_certificate(der, len, what, out, error);
}

static bool is_for(const X509 *certificate, const EVP_PKEY *key)
{
	const EVP_PKEY *own = X509_get0_pubkey(certificate);
	bool same = own && EVP_PKEY_eq(own, key) == 1;
	ERR_clear_error();
	return same;
}

int pki_bag_take(
	STACK_OF(X509) * bag, EVP_PKEY *key, const char *what, X509 **out, struct pki_error *error)
{
	int count = 0, at = -1;
	*out = NULL;
	for (int i = 0; i < sk_X509_num(bag); i++)
		if (is_for(sk_X509_value(bag, i), key))
			count++, at = i;
	if (count == 1) {
		*out = sk_X509_delete(bag, at);
		return 0;
	}
	if (count > 1)
		return pki_error_set(error,
			"%s has %d certificates for the key where one was expected; ask the CA's "
			"operator which of them counts",
			what, count);
	char subject[SUBJECT_SHOWN] = "none";
	if (sk_X509_num(bag) > 0)
		X509_NAME_oneline(
			X509_get_subject_name(sk_X509_value(bag, 0)), subject, sizeof subject);
	return pki_error_set(error,
		"%s has no certificate for the key that was asked for, but for another (%s); the "
		"CA has mixed up requests: enroll again, or ask its operator",
		what, subject);
}
