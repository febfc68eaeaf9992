#include "tests/unit/certificate.h"

#include <stdlib.h>
#include <openssl/x509v3.h>

#define HOUR 3600L

static void add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	if (!extension || X509_add_ext(certificate, extension, -1) != 1)
		abort();
	X509_EXTENSION_free(extension);
}

static EVP_PKEY *key_new(const struct made_as *as)
{
	if (as->is_ed25519)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return as->is_rsa ? EVP_RSA_gen(2048U) : EVP_EC_gen("P-256");
}

struct made make(const struct made_as *as, const struct made *issuer)
{
	static long serial;
	struct made made = {X509_new(), key_new(as)};
	X509_NAME *name = X509_get_subject_name(made.certificate);
	bool is_default = as->from == 0 && as->to == 0;
	X509_set_version(made.certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(made.certificate), is_default ? -HOUR : as->from);
	X509_gmtime_adj(X509_getm_notAfter(made.certificate), is_default ? HOUR : as->to);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_UTF8, (const unsigned char *)as->cn, -1, -1, 0);
	X509_set_issuer_name(
		made.certificate, issuer ? X509_get_subject_name(issuer->certificate) : name);
	X509_set_pubkey(made.certificate, made.key);
	add_extension(made.certificate, NID_basic_constraints,
		as->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (as->usage)
		add_extension(made.certificate, NID_ext_key_usage, as->usage);
	X509_sign(made.certificate, issuer ? issuer->key : made.key,
		as->is_ed25519 && !issuer ? NULL : EVP_sha256());
	return made;
}

void made_done(struct made *made)
{
	X509_free(made->certificate);
	EVP_PKEY_free(made->key);
	*made = (struct made){NULL, NULL};
}

struct made make_leaf(const char *cn, const struct made *issuer)
{
	return make(&(struct made_as){.cn = cn}, issuer);
}

struct made make_ca(const char *cn)
{
	return make(&(struct made_as){.cn = cn, .is_ca = true}, NULL);
}
