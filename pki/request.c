#include "pki/request.h"
#include "pki/error.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

enum pki_purpose pki_purpose_of(enum pki_usage usage, enum pki_pair pair)
{
	if (usage == PKI_USAGE_GENERAL)
		return PKI_PURPOSE_GENERAL;
	return pair == PKI_PAIR_ENCRYPTION ? PKI_PURPOSE_ENCRYPTION : PKI_PURPOSE_SIGNATURE;
}

const char *pki_purpose_name(enum pki_purpose purpose)
{
	static const char *const names[] = {"General Purpose", "Signature", "Encryption"};
	return names[purpose];
}

const EVP_MD *pki_hash_digest(enum pki_hash hash)
{
	if (hash == PKI_HASH_SHA512)
		return EVP_sha512();
	return hash == PKI_HASH_SHA384 ? EVP_sha384() : EVP_sha256();
}

const char *pki_hash_name(enum pki_hash hash)
{
	if (hash == PKI_HASH_SHA512)
		return "sha512";
	return hash == PKI_HASH_SHA384 ? "sha384" : "sha256";
}

/* ---- extensions ------------------------------------------------------------------------ */

/* RFC 5280 4.2.1.3; keyEncipherment is for the RSA key exchange of TLS 1.2. */
static const char *usages(enum pki_purpose purpose, const EVP_PKEY *key)
{
	if (purpose == PKI_PURPOSE_SIGNATURE)
		return "critical,digitalSignature";
	if (purpose == PKI_PURPOSE_ENCRYPTION)
		return "critical,keyEncipherment";
	return EVP_PKEY_is_a(key, "RSA") == 1 ? "critical,digitalSignature,keyEncipherment"
					      : "critical,digitalSignature";
}

static bool extension_push(STACK_OF(X509_EXTENSION) * extensions, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	if (extension && sk_X509_EXTENSION_push(extensions, extension) > 0)
		return true;
	X509_EXTENSION_free(extension);
	return false;
}

static bool extensions_fill(STACK_OF(X509_EXTENSION) * *extensions, const struct pki_names *names,
	const EVP_PKEY *key, enum pki_purpose purpose)
{
	*extensions = sk_X509_EXTENSION_new_null();
	return *extensions && extension_push(*extensions, NID_key_usage, usages(purpose, key)) &&
	       (purpose == PKI_PURPOSE_ENCRYPTION ||
		       extension_push(*extensions, NID_ext_key_usage, "serverAuth,clientAuth")) &&
	       (sk_GENERAL_NAME_num(names->alts) == 0 ||
		       X509V3_add1_i2d(extensions, NID_subject_alt_name, names->alts, 0,
			       X509V3_ADD_DEFAULT) == 1);
}

static bool extensions_add(X509_REQ *request, const struct pki_names *names, const EVP_PKEY *key,
	enum pki_purpose purpose)
{
	STACK_OF(X509_EXTENSION) *extensions = NULL;
	bool done = extensions_fill(&extensions, names, key, purpose) &&
		    X509_REQ_add_extensions(request, extensions) == 1;
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	return done;
}

/* ---- the request ---------------------------------------------------------------------------- */

static bool is_printable_string(const struct pki_secret *password)
{
	for (size_t i = 0; i < password->len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "
			    "'()+,-./"
			    ":=?",
			    password->text[i]) ||
			!password->text[i])
			return false;
	return true;
}

/* RFC 2985 5.4.1 prefers a PrintableString. With a length of -1 OpenSSL 3.0 would crash. */
static bool password_add(X509_REQ *request, const struct pki_secret *password)
{
	if (!password || password->len == 0)
		return true;
	int type = is_printable_string(password) ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;
	return X509_REQ_add1_attr_by_NID(request, NID_pkcs9_challengePassword, type,
		       (const unsigned char *)password->text, (int)password->len) == 1;
}

X509_REQ *pki_request_make(const struct pki_trustpoint *trustpoint, const struct pki_names *names,
	EVP_PKEY *key, enum pki_purpose purpose, const struct pki_secret *password,
	struct pki_error *error)
{
	X509_REQ *request = X509_REQ_new();
	bool made = request && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
		    X509_REQ_set_subject_name(request, names->subject) == 1 &&
		    X509_REQ_set_pubkey(request, key) == 1 &&
		    extensions_add(request, names, key, purpose) &&
		    password_add(request, password) &&
		    X509_REQ_sign(request, key, pki_hash_digest(trustpoint->hash)) > 0;
	if (made)
		return request;
	X509_REQ_free(request);
	pki_error_openssl(error, "cannot make the certificate request");
	return NULL;
}
