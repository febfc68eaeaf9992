/* SCEP: messages to the CA: enveloped for it, then signed (RFC 8894 3.2). */
#include "pki/error.h"
#include "pki/scep_cms.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

int scep_legacy_init(struct scep_legacy *legacy, struct pki_error *error)
{
	*legacy = (struct scep_legacy){.ctx = OSSL_LIB_CTX_new()};
	if (!legacy->ctx)
		return pki_error_memory(error);
	legacy->standard = OSSL_PROVIDER_load(legacy->ctx, "default");
	legacy->outdated = OSSL_PROVIDER_load(legacy->ctx, "legacy");
	if (legacy->standard && legacy->outdated)
		return 0;
	return pki_error_openssl(error,
		"single DES is asked for (legacy_des), but OpenSSL's legacy provider cannot be "
		"loaded");
}

void scep_legacy_done(struct scep_legacy *legacy)
{
	if (legacy->outdated)
		OSSL_PROVIDER_unload(legacy->outdated);
	if (legacy->standard)
		OSSL_PROVIDER_unload(legacy->standard);
	OSSL_LIB_CTX_free(legacy->ctx);
	*legacy = (struct scep_legacy){0};
}

/* 3.3.3: IssuerAndSubject ::= SEQUENCE { issuer Name, subject Name } */
static BIO *issuer_and_subject(const X509_NAME *issuer, const X509_NAME *subject)
{
	int len = i2d_X509_NAME(issuer, NULL) + i2d_X509_NAME(subject, NULL);
	int size = ASN1_object_size(1, len, V_ASN1_SEQUENCE);
	unsigned char *der = len > 0 && size > 0 ? OPENSSL_malloc((size_t)size) : NULL, *at = der;
	if (!der)
		return NULL;
	ASN1_put_object(&at, 1, len, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	i2d_X509_NAME(issuer, &at);
	i2d_X509_NAME(subject, &at);
	BIO *bio = BIO_new(BIO_s_secmem());
	if (bio && BIO_write(bio, der, size) != size) {
		BIO_free(bio);
		bio = NULL;
	}
	OPENSSL_free(der);
	return bio;
}

/* The BIO is wiped when it is freed: a PKCS#10 may have the challenge password in it. */
static BIO *content_of(const struct pki_scep_request *request)
{
	if (request->type == PKI_SCEP_CERTPOLL)
		return issuer_and_subject(X509_get_subject_name(request->authority->ca),
			X509_REQ_get_subject_name(request->request));
	BIO *bio = BIO_new(BIO_s_secmem());
	if (bio && i2d_X509_REQ_bio(bio, request->request) != 1) {
		BIO_free(bio);
		bio = NULL;
	}
	return bio;
}

static const char *cipher_name(enum pki_scep_cipher cipher)
{
	switch (cipher) {
	case PKI_SCEP_AES128:
		return "AES-128-CBC";
	case PKI_SCEP_DES3:
		return "DES-EDE3-CBC";
	case PKI_SCEP_DES:
		return "DES-CBC";
	}
	return "none";
}

/* `ctx` is the private one for single DES, else NULL. */
static CMS_ContentInfo *envelope(
	const struct pki_scep_request *request, BIO *content, OSSL_LIB_CTX *ctx)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(ctx, cipher_name(request->algorithms.cipher), NULL);
	STACK_OF(X509) *recipients = sk_X509_new_null();
	CMS_ContentInfo *cms = NULL;
	if (cipher && recipients && sk_X509_push(recipients, request->authority->recipient) > 0)
		cms = CMS_encrypt_ex(recipients, content, cipher, CMS_BINARY, ctx, NULL);
	sk_X509_free(recipients);
	EVP_CIPHER_free(cipher);
	return cms;
}

static BIO *enveloped(const struct pki_scep_request *request, struct pki_error *error)
{
	struct scep_legacy legacy = {0};
	if (request->algorithms.cipher == PKI_SCEP_DES && scep_legacy_init(&legacy, error)) {
		scep_legacy_done(&legacy);
		return NULL;
	}
	BIO *content = content_of(request), *out = BIO_new(BIO_s_mem());
	CMS_ContentInfo *cms = content && out ? envelope(request, content, legacy.ctx) : NULL;
	if (!cms || i2d_CMS_bio(out, cms) != 1) {
		pki_error_openssl(error, "the request cannot be encrypted to the CA");
		BIO_free(out);
		out = NULL;
	}
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	scep_legacy_done(&legacy);
	return out;
}

static bool attribute_add(
	CMS_SignerInfo *signer, const char *oid, int type, const void *data, size_t len)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	bool done =
		object && CMS_signed_add1_attr_by_OBJ(signer, object, type, data, (int)len) == 1;
	ASN1_OBJECT_free(object);
	return done;
}

/* 3.2.1: what every request has. */
static bool attributes_add(CMS_SignerInfo *signer, const struct pki_scep_request *request,
	const unsigned char nonce[PKI_SCEP_NONCE])
{
	char type[12];
	int len = snprintf(type, sizeof type, "%d", (int)request->type);
	return attribute_add(
		       signer, SCEP_MESSAGE_TYPE, V_ASN1_PRINTABLESTRING, type, (size_t)len) &&
	       attribute_add(signer, SCEP_TRANSACTION_ID, V_ASN1_PRINTABLESTRING,
		       request->transaction_id, strlen(request->transaction_id)) &&
	       attribute_add(signer, SCEP_SENDER_NONCE, V_ASN1_OCTET_STRING, nonce, PKI_SCEP_NONCE);
}

static CMS_ContentInfo *sign(const struct pki_scep_request *request, BIO *content,
	const unsigned char nonce[PKI_SCEP_NONCE])
{
	const EVP_MD *digest = EVP_get_digestbyname(request->algorithms.hash);
	unsigned flags = CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP;
	CMS_ContentInfo *cms =
		digest ? CMS_sign_ex(NULL, NULL, NULL, content, flags, NULL, NULL) : NULL;
	CMS_SignerInfo *signer = cms ? CMS_add1_signer(cms, request->certificate, request->key,
					       digest, CMS_NOSMIMECAP)
				     : NULL;
	if (signer && attributes_add(signer, request, nonce) &&
		CMS_final(cms, content, NULL, CMS_BINARY) == 1)
		return cms;
	CMS_ContentInfo_free(cms);
	return NULL;
}

static int recipient_check(const X509 *recipient, struct pki_error *error)
{
	const EVP_PKEY *key = X509_get0_pubkey(recipient);
	if (key && EVP_PKEY_is_a(key, "RSA") == 1)
		return 0;
	return pki_error_set(error,
		"SCEP requests are encrypted to the CA, whose certificate has a key of type %s "
		"that cannot be used for it; enroll with method \"est\" or \"terminal\"",
		key ? EVP_PKEY_get0_type_name(key) : "unknown");
}

int pki_scep_build(const struct pki_scep_request *request, struct pki_scep_message *out,
	struct pki_error *error)
{
	*out = (struct pki_scep_message){0};
	if (pki_scep_check_key(request->key, error) ||
		recipient_check(request->authority->recipient, error))
		return -1;
	/* 3.2.1.5: fresh for every message, also when the same request is sent again. */
	if (RAND_bytes(out->nonce, PKI_SCEP_NONCE) != 1)
		return pki_error_openssl(error, "there is no randomness for a nonce");
	BIO *content = enveloped(request, error);
	if (!content)
		return -1;
	CMS_ContentInfo *cms = sign(request, content, out->nonce);
	int len = cms ? i2d_CMS_ContentInfo(cms, &out->der) : -1;
	out->len = len > 0 ? (size_t)len : 0;
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	if (len <= 0)
		return pki_error_openssl(error, "the request cannot be signed");
	ERR_clear_error();
	return 0;
}

void pki_scep_message_done(struct pki_scep_message *message)
{
	OPENSSL_free(message->der);
	*message = (struct pki_scep_message){0};
}
