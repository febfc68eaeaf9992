#include "tests/unit/pki_ca.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void need(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "test CA: %s\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

EVP_PKEY *ca_key(const char *type)
{
	EVP_PKEY *key = strcmp(type, "RSA") ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
					    : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	need(key != NULL, "key");
	return key;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	need(extension && X509_add_ext(certificate, extension, -1) == 1, "extension");
	X509_EXTENSION_free(extension);
}

static void set_name(X509_NAME *name, const char *common_name)
{
	X509_NAME_add_entry_by_NID(
		name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
}

X509 *ca_issue(const struct ca_issue *issue)
{
	X509 *certificate = X509_new();
	need(certificate != NULL, "certificate");
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), issue->serial ? issue->serial : 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 30 * 86400);
	set_name(X509_get_subject_name(certificate), issue->name);
	X509 *issuer = issue->issuer ? issue->issuer : certificate;
	X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
	X509_set_pubkey(certificate, issue->key);
	add_extension(certificate, NID_basic_constraints,
		issue->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (issue->usage)
		add_extension(certificate, NID_key_usage, issue->usage);
	need(X509_sign(certificate, issue->issuer_key ? issue->issuer_key : issue->key,
		     EVP_sha256()) > 0,
		"signature");
	return certificate;
}

X509_REQ *ca_request(const char *name, EVP_PKEY *key, const char *password)
{
	X509_REQ *request = X509_REQ_new();
	need(request != NULL, "request");
	set_name(X509_REQ_get_subject_name(request), name);
	X509_REQ_set_pubkey(request, key);
	if (password)
		X509_REQ_add1_attr_by_NID(request, NID_pkcs9_challengePassword, MBSTRING_ASC,
			(const unsigned char *)password, (int)strlen(password));
	need(X509_REQ_sign(request, key, EVP_sha256()) > 0, "request's signature");
	return request;
}

unsigned char *ca_bag(X509 *const *certificates, size_t count, size_t *len)
{
	PKCS7 *bag = PKCS7_new();
	unsigned char *der = NULL;
	need(bag && PKCS7_set_type(bag, NID_pkcs7_signed) == 1 &&
			PKCS7_content_new(bag, NID_pkcs7_data) == 1,
		"bag");
	PKCS7_set_detached(bag, 1);
	for (size_t i = 0; i < count; i++)
		need(PKCS7_add_certificate(bag, certificates[i]) == 1, "bag's certificate");
	int size = i2d_PKCS7(bag, &der);
	need(size > 0, "bag as DER");
	PKCS7_free(bag);
	*len = (size_t)size;
	return der;
}

static BIO *reply_envelope(const struct ca_reply *reply)
{
	OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
	OSSL_PROVIDER *standard = OSSL_PROVIDER_load(ctx, "default");
	OSSL_PROVIDER *legacy = OSSL_PROVIDER_load(ctx, "legacy");
	EVP_CIPHER *cipher =
		EVP_CIPHER_fetch(ctx, reply->cipher ? reply->cipher : "AES-128-CBC", NULL);
	STACK_OF(X509) *recipients = sk_X509_new_null();
	sk_X509_push(recipients, reply->recipient);
	BIO *in = BIO_new_mem_buf(reply->bag, (int)reply->bag_len), *out = BIO_new(BIO_s_mem());
	unsigned flags = CMS_BINARY | (reply->ber ? CMS_STREAM : 0u);
	CMS_ContentInfo *cms = CMS_encrypt_ex(recipients, in, cipher, flags, ctx, NULL);
	need(cms && (reply->ber ? i2d_CMS_bio_stream(out, cms, in, (int)flags)
				: i2d_CMS_bio(out, cms)) == 1,
		"envelope");
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	sk_X509_free(recipients);
	EVP_CIPHER_free(cipher);
	OSSL_PROVIDER_unload(legacy);
	OSSL_PROVIDER_unload(standard);
	OSSL_LIB_CTX_free(ctx);
	return out;
}

static void add_attribute(
	CMS_SignerInfo *signer, const char *oid, int type, const void *data, size_t len)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	if (data)
		need(CMS_signed_add1_attr_by_OBJ(signer, object, type, data, (int)len) == 1,
			"attribute");
	ASN1_OBJECT_free(object);
}

static void add_text(CMS_SignerInfo *signer, const char *oid, int type, const char *text)
{
	add_attribute(signer, oid, type, text, text ? strlen(text) : 0);
}

static void add_signer(CMS_ContentInfo *cms, const struct ca_reply *reply, bool certificate)
{
	const EVP_MD *hash = EVP_get_digestbyname(reply->hash ? reply->hash : "sha256");
	CMS_SignerInfo *signer = CMS_add1_signer(cms, reply->signer, reply->signer_key, hash,
		CMS_NOSMIMECAP | (certificate ? 0u : CMS_NOCERTS));
	need(signer != NULL, "signer");
	add_text(signer, "2.16.840.1.113733.1.9.7", V_ASN1_PRINTABLESTRING, reply->transaction_id);
	add_text(signer, "2.16.840.1.113733.1.9.2", V_ASN1_PRINTABLESTRING, reply->message_type);
	add_text(signer, "2.16.840.1.113733.1.9.3", V_ASN1_PRINTABLESTRING, reply->status);
	add_text(signer, "2.16.840.1.113733.1.9.4", V_ASN1_PRINTABLESTRING, reply->fail_info);
	add_text(signer, "1.3.6.1.5.5.7.24.1",
		reply->text_type ? reply->text_type : V_ASN1_UTF8STRING, reply->fail_text);
	add_attribute(signer, "2.16.840.1.113733.1.9.6", V_ASN1_OCTET_STRING, reply->nonce,
		reply->nonce_len);
}

unsigned char *ca_reply(const struct ca_reply *reply, size_t *len)
{
	unsigned char *der = NULL;
	BIO *content = reply->bag   ? reply_envelope(reply)
		       : reply->raw ? BIO_new_mem_buf(reply->raw, (int)reply->raw_len)
				    : BIO_new_mem_buf("", 0);
	bool none = !reply->bag && !reply->raw;
	unsigned flags = CMS_BINARY | CMS_PARTIAL | (none ? CMS_DETACHED : 0u);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, content, flags);
	need(cms != NULL, "reply");
	add_signer(cms, reply, !reply->without_certificate);
	if (reply->twice)
		add_signer(cms, reply, false);
	need(CMS_final(cms, content, NULL, CMS_BINARY) == 1, "reply's signature");
	int size = i2d_CMS_ContentInfo(cms, &der);
	need(size > 0, "reply as DER");
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	*len = (size_t)size;
	return der;
}
