/* SCEP: CertRep (RFC 8894 3.3.2): judged step by step, each refusal with its reason. */
#include "pki/answer.h"
#include "pki/bag.h"
#include "pki/error.h"
#include "pki/scep_cms.h"

#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SHOWN 96

/* ---- signatures ---------------------------------------------------------------- */

static int signed_read(const void *data, size_t len, const char *what, struct scep_signed *out,
	struct pki_error *error)
{
	const unsigned char *at = data;
	out->cms = len <= INT_MAX ? d2i_CMS_ContentInfo(NULL, &at, (long)len) : NULL;
	if (!out->cms || OBJ_obj2nid(CMS_get0_type(out->cms)) != NID_pkcs7_signed) {
		char said[PKI_ANSWER_QUOTE];
		pki_answer_describe(data, len, said);
		ERR_clear_error();
		return pki_error_set(error,
			"%s is not a signed CMS message but %s; check that the URL is the one of "
			"the CA's SCEP service",
			what, said);
	}
	size_t rest = len - (size_t)(at - (const unsigned char *)data);
	if (rest > 0)
		return pki_error_set(error,
			"%s has %zu bytes behind its end, which nobody has signed; it is refused",
			what, rest);
	return 0;
}

/* RFC 8894 2.9: MD5 MUST NOT be used. */
static bool is_digest_allowed(CMS_SignerInfo *signer)
{
	X509_ALGOR *digest = NULL;
	CMS_SignerInfo_get0_algs(signer, NULL, NULL, &digest, NULL);
	int nid = digest ? OBJ_obj2nid(digest->algorithm) : NID_undef;
	return nid == NID_sha1 || nid == NID_sha224 || nid == NID_sha256 || nid == NID_sha384 ||
	       nid == NID_sha512;
}

static int signer_find(struct scep_signed *message, const char *what, struct pki_error *error)
{
	STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(message->cms);
	if (sk_CMS_SignerInfo_num(signers) != 1)
		return pki_error_set(error,
			"%s has %d signatures, where exactly one is expected (RFC 8894 3.2)", what,
			sk_CMS_SignerInfo_num(signers) < 0 ? 0 : sk_CMS_SignerInfo_num(signers));
	message->signer = sk_CMS_SignerInfo_value(signers, 0);
	if (is_digest_allowed(message->signer))
		return 0;
	return pki_error_set(error,
		"%s is signed with MD5 or another hash that does not protect it (RFC 8894 2.9); "
		"have the CA sign with SHA-256",
		what);
}

/* Who says to have signed: from the SignerInfo, or "an unknown key". */
static void signer_name(CMS_SignerInfo *signer, char out[NAME_SHOWN])
{
	X509_NAME *issuer = NULL;
	ASN1_INTEGER *serial = NULL;
	snprintf(out, NAME_SHOWN, "a key that is given by its identifier only");
	if (CMS_SignerInfo_get0_signer_id(signer, NULL, &issuer, &serial) == 1 && issuer)
		X509_NAME_oneline(issuer, out, NAME_SHOWN);
}

static int signer_check(const struct scep_signed *message, const char *what,
	STACK_OF(X509) * signers, struct pki_error *error)
{
	char name[NAME_SHOWN];
	for (int i = 0; i < sk_X509_num(signers); i++)
		if (CMS_SignerInfo_cert_cmp(message->signer, sk_X509_value(signers, i)) == 0)
			return 0;
	signer_name(message->signer, name);
	return pki_error_set(error,
		"%s is signed neither by the CA nor by an RA of it, but with a certificate issued "
		"by %s; if the CA has a new certificate, authenticate the trustpoint again",
		what, name);
}

/*
 * Without chain verification: purposes and dates of the CA's own certificate are not the
 * question, and OpenSSL's refuse CAs whose keyUsage is only certSign. Who signed was compared
 * with the pinned certificates, and no other key is tried (CMS_NOINTERN).
 */
static int signature_check(struct scep_signed *message, const char *what, STACK_OF(X509) * signers,
	struct pki_error *error)
{
	unsigned flags = CMS_NO_SIGNER_CERT_VERIFY | CMS_NOINTERN | CMS_BINARY;
	ASN1_OCTET_STRING **content = CMS_get0_content(message->cms);
	/* A FAILURE has no content (3.3.2.2); of all BIOs, only this kind ends at once. */
	BIO *nothing = content && *content ? NULL : BIO_new_mem_buf("", 0);
	message->content = BIO_new(BIO_s_mem());
	if (!message->content || (content && !*content && !nothing)) {
		BIO_free(nothing);
		return pki_error_memory(error);
	}
	int valid = CMS_verify(message->cms, signers, NULL, nothing, message->content, flags);
	BIO_free(nothing);
	if (valid == 1)
		return 0;
	return pki_error_openssl(error,
		"the signature of %s is broken: it was changed on its way, or is a forgery", what);
}

int scep_signed_open(const void *data, size_t len, const char *what, STACK_OF(X509) * signers,
	struct scep_signed *out, struct pki_error *error)
{
	*out = (struct scep_signed){0};
	if (signed_read(data, len, what, out, error) || signer_find(out, what, error) ||
		signer_check(out, what, signers, error))
		return -1;
	return signature_check(out, what, signers, error);
}

void scep_signed_done(struct scep_signed *message)
{
	CMS_ContentInfo_free(message->cms);
	BIO_free(message->content);
	ERR_clear_error();
	*message = (struct scep_signed){0};
}

/* ---- attributes ------------------------------------------------------------------- */

/* The one value of the one attribute, if it has this type; borrowed. */
static const ASN1_STRING *attribute(CMS_SignerInfo *signer, const char *oid, int type)
{
	const int only_one = -3;
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	const ASN1_STRING *value =
		object ? CMS_signed_get0_data_by_OBJ(signer, object, only_one, type) : NULL;
	ASN1_OBJECT_free(object);
	ERR_clear_error();
	return value;
}

/* They are to be PrintableString and UTF8String; libraries of CAs mix them up, which hurts nobody.
 */
static const ASN1_STRING *attribute_text(CMS_SignerInfo *signer, const char *oid)
{
	static const int types[] = {V_ASN1_PRINTABLESTRING, V_ASN1_UTF8STRING, V_ASN1_IA5STRING};
	const ASN1_STRING *value = NULL;
	for (size_t i = 0; i < sizeof types / sizeof *types && !value; i++)
		value = attribute(signer, oid, types[i]);
	return value;
}

static bool is_text(const ASN1_STRING *value, const char *text)
{
	return value && (size_t)ASN1_STRING_length(value) == strlen(text) &&
	       memcmp(ASN1_STRING_get0_data(value), text, strlen(text)) == 0;
}

/* A decimal number as text; -1 when there is none. */
static int attribute_number(CMS_SignerInfo *signer, const char *oid)
{
	const ASN1_STRING *value = attribute_text(signer, oid);
	int len = value ? ASN1_STRING_length(value) : 0, number = 0;
	for (int i = 0; i < len; i++) {
		unsigned char digit = ASN1_STRING_get0_data(value)[i];
		if (digit < '0' || digit > '9' || len > 3)
			return -1;
		number = number * 10 + (digit - '0');
	}
	return len > 0 ? number : -1;
}

static int transaction_check(
	CMS_SignerInfo *signer, const struct pki_scep_expected *expected, struct pki_error *error)
{
	const ASN1_STRING *id = attribute_text(signer, SCEP_TRANSACTION_ID);
	if (!is_text(id, expected->transaction_id))
		return pki_error_set(error,
			"the CA's reply is %s (RFC 8894 3.2.1.1); it is not used: enroll again",
			id ? "for another transaction than ours" : "without a transaction");
	return 0;
}

static int nonce_check(
	CMS_SignerInfo *signer, const struct pki_scep_expected *expected, struct pki_error *error)
{
	const ASN1_STRING *nonce = attribute(signer, SCEP_RECIPIENT_NONCE, V_ASN1_OCTET_STRING);
	if (nonce && ASN1_STRING_length(nonce) == PKI_SCEP_NONCE &&
		memcmp(ASN1_STRING_get0_data(nonce), expected->nonce, PKI_SCEP_NONCE) == 0)
		return 0;
	return pki_error_set(error,
		"the CA's reply %s (RFC 8894 3.2.1.5): it may be an old one that is played back; "
		"enroll again",
		nonce ? "repeats another nonce than the one we sent" : "has no recipientNonce");
}

static int type_check(CMS_SignerInfo *signer, struct pki_error *error)
{
	int type = attribute_number(signer, SCEP_MESSAGE_TYPE);
	if (type == 3)
		return 0;
	return pki_error_set(error,
		"the CA answered with a message of type %d where a CertRep (3) was expected "
		"(RFC 8894 3.2.1.2)",
		type);
}

/* 3.2.1.4 */
static const char *fail_words(int fail)
{
	switch (fail) {
	case PKI_SCEP_BAD_ALG:
		return "badAlg: it does not support an algorithm of the request; check hash and "
		       "key of the trustpoint";
	case PKI_SCEP_BAD_MESSAGE_CHECK:
		return "badMessageCheck: it could not verify or decrypt the request; "
		       "authenticate the trustpoint again, its certificate may have changed";
	case PKI_SCEP_BAD_REQUEST:
		return "badRequest: it does not permit this request; check the password, which "
		       "some "
		       "CAs want for renewals too (--password-file), and the subject name, or "
		       "whether "
		       "it knows the device already";
	case PKI_SCEP_BAD_TIME:
		return "badTime: it finds the time wrong; check the clock";
	case PKI_SCEP_BAD_CERT_ID:
		return "badCertId: it does not know the certificate or request that was named; "
		       "enroll again";
	default:
		return "without a failInfo that is known; the CA's own log says more";
	}
}

static enum pki_scep_status refused(
	CMS_SignerInfo *signer, struct pki_scep_reply *out, struct pki_error *error)
{
	int fail = attribute_number(signer, SCEP_FAIL_INFO);
	const ASN1_STRING *text = attribute_text(signer, SCEP_FAIL_INFO_TEXT);
	out->fail_info = fail >= PKI_SCEP_BAD_ALG && fail <= PKI_SCEP_BAD_CERT_ID
				 ? (enum pki_scep_fail)fail
				 : PKI_SCEP_NOT_SAID;
	pki_error_set(error, "the CA refused the request, %s", fail_words(out->fail_info));
	if (text) {
		char said[PKI_ANSWER_QUOTE];
		pki_answer_describe(
			ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text), said);
		pki_error_add(error, "; failInfoText is %s", said);
	}
	return PKI_SCEP_FAILURE;
}

/* ---- the envelope ------------------------------------------------------------------- */

/* Steps over (or into) one element; false when it is not there. */
static bool der_step(const unsigned char **at, const unsigned char *end, int tag, bool enter)
{
	const unsigned char *next = *at;
	long len;
	int found, class;
	if (next >= end || (ASN1_get_object(&next, &len, &found, &class, end - next) & 0x80) ||
		(found | (class & V_ASN1_CONTEXT_SPECIFIC)) != tag)
		return false;
	*at = enter ? next : next + len;
	return true;
}

/*
 * RFC 5652 6.1: the contentEncryptionAlgorithm, which OpenSSL has no call for. What is looked
 * at has been parsed and written again by OpenSSL: it is DER.
 */
static int cipher_of(const unsigned char *der, size_t len)
{
	const unsigned char *at = der, *end = der + len;
	const int context_0 = V_ASN1_CONTEXT_SPECIFIC;
	bool there = der_step(&at, end, V_ASN1_SEQUENCE, true) &&
		     der_step(&at, end, V_ASN1_OBJECT, false) &&
		     der_step(&at, end, context_0, true) &&
		     der_step(&at, end, V_ASN1_SEQUENCE, true) &&
		     der_step(&at, end, V_ASN1_INTEGER, false);
	if (there)
		der_step(&at, end, context_0, false); /* originatorInfo is optional */
	there = there && der_step(&at, end, V_ASN1_SET, false) &&
		der_step(&at, end, V_ASN1_SEQUENCE, true) &&
		der_step(&at, end, V_ASN1_OBJECT, false) &&
		der_step(&at, end, V_ASN1_SEQUENCE, true);
	ASN1_OBJECT *object = there ? d2i_ASN1_OBJECT(NULL, &at, end - at) : NULL;
	int nid = OBJ_obj2nid(object);
	ASN1_OBJECT_free(object);
	ERR_clear_error();
	return nid;
}

static int cipher_check(CMS_ContentInfo *cms, const struct pki_scep_expected *expected,
	struct pki_scep_reply *out, struct pki_error *error)
{
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);
	int nid = len > 0 ? cipher_of(der, (size_t)len) : NID_undef;
	OPENSSL_free(der);
	out->single_des = nid == NID_des_cbc;
	if (nid == NID_aes_128_cbc || nid == NID_aes_192_cbc || nid == NID_aes_256_cbc ||
		nid == NID_des_ede3_cbc || (out->single_des && expected->legacy_des))
		return 0;
	if (out->single_des)
		return pki_error_set(error,
			"the CA encrypted its reply with single DES, which RFC 8894 2.9 forbids; "
			"have the CA changed, or accept it with enrollment.legacy_des = true");
	return pki_error_set(error,
		"the CA encrypted its reply with %s, which is not one of the ciphers of RFC 8894 "
		"2.9 (AES-CBC, triple DES); have the CA changed",
		nid == NID_undef ? "an unknown cipher" : OBJ_nid2sn(nid));
}

/* Whether one of the recipients is this certificate. */
static bool is_recipient(CMS_ContentInfo *cms, X509 *certificate)
{
	STACK_OF(CMS_RecipientInfo) *infos = CMS_get0_RecipientInfos(cms);
	bool found = false;
	for (int i = 0; i < sk_CMS_RecipientInfo_num(infos); i++) {
		CMS_RecipientInfo *info = sk_CMS_RecipientInfo_value(infos, i);
		found |= CMS_RecipientInfo_type(info) == CMS_RECIPINFO_TRANS &&
			 CMS_RecipientInfo_ktri_cert_cmp(info, certificate) == 0;
	}
	return found;
}

/*
 * That a key does not fit may be said: what is decrypted has been signed by the CA, so that
 * nobody can try out ciphertexts on us.
 */
static bool decrypt_with(CMS_ContentInfo *cms, EVP_PKEY *key, X509 *certificate, BIO **out)
{
	*out = BIO_new(BIO_s_mem());
	if (*out &&
		CMS_decrypt(cms, key, certificate, NULL, *out, CMS_DEBUG_DECRYPT | CMS_BINARY) == 1)
		return true;
	BIO_free(*out);
	*out = NULL;
	return false;
}

/* A renewal's reply may also be encrypted to the new key, under whatever name. */
static int decrypt(CMS_ContentInfo *cms, const struct pki_scep_expected *expected, BIO **out,
	struct pki_error *error)
{
	bool ours = is_recipient(cms, expected->certificate);
	if (ours && decrypt_with(cms, expected->key, expected->certificate, out))
		return 0;
	ERR_clear_error();
	if (!ours && (decrypt_with(cms, expected->key, NULL, out) ||
			     decrypt_with(cms, expected->new_key, NULL, out))) {
		ERR_clear_error();
		return 0;
	}
	if (ours)
		return pki_error_openssl(
			error, "the CA's reply is encrypted to our key, but cannot be decrypted");
	ERR_clear_error();
	return pki_error_set(error,
		"the CA's reply is encrypted to another key than ours (RFC 8894 3.2.2); the CA has "
		"mixed up requests: enroll again, or ask its operator");
}

static int envelope_read(const struct scep_signed *message, OSSL_LIB_CTX *ctx,
	CMS_ContentInfo **out, struct pki_error *error)
{
	char *data = NULL;
	long len = BIO_get_mem_data(message->content, &data);
	const unsigned char *at = (const unsigned char *)data;
	*out = CMS_ContentInfo_new_ex(ctx, NULL);
	if (!*out)
		return pki_error_memory(error);
	if (len <= 0 || !d2i_CMS_ContentInfo(out, &at, len) ||
		OBJ_obj2nid(CMS_get0_type(*out)) != NID_pkcs7_enveloped) {
		ERR_clear_error();
		return pki_error_set(error,
			"the CA's reply says SUCCESS, but has no enveloped certificate in it "
			"(RFC 8894 3.3.2.1); the CA's own log may say why");
	}
	if (at != (const unsigned char *)data + len)
		return pki_error_set(error,
			"the envelope of the CA's reply has bytes behind its end; it is refused");
	return 0;
}

static int envelope_open(const struct scep_signed *message,
	const struct pki_scep_expected *expected, struct pki_scep_reply *out, BIO **bag,
	struct pki_error *error)
{
	struct scep_legacy legacy = {0};
	CMS_ContentInfo *cms = NULL;
	int result = expected->legacy_des ? scep_legacy_init(&legacy, error) : 0;
	if (result == 0)
		result = envelope_read(message, legacy.ctx, &cms, error);
	if (result == 0)
		result = cipher_check(cms, expected, out, error);
	if (result == 0)
		result = decrypt(cms, expected, bag, error);
	CMS_ContentInfo_free(cms);
	scep_legacy_done(&legacy);
	return result;
}

static int issued_take(const struct scep_signed *message, const struct pki_scep_expected *expected,
	struct pki_scep_reply *out, struct pki_error *error)
{
	static const char what[] = "the CA's reply";
	BIO *bag = NULL;
	char *der = NULL;
	if (envelope_open(message, expected, out, &bag, error))
		return -1;
	long len = BIO_get_mem_data(bag, &der);
	int result = pki_bag_parse_cms(der, (size_t)len, what, &out->extras, error);
	if (result == 0)
		result = pki_bag_take(
			out->extras, expected->new_key, what, &out->certificate, error);
	BIO_free(bag);
	return result;
}

/* ---- all of it ------------------------------------------------------------------------ */

static enum pki_scep_status judge(const struct scep_signed *message,
	const struct pki_scep_expected *expected, struct pki_scep_reply *out,
	struct pki_error *error)
{
	CMS_SignerInfo *signer = message->signer;
	if (transaction_check(signer, expected, error) || nonce_check(signer, expected, error) ||
		type_check(signer, error))
		return PKI_SCEP_INVALID;
	int status = attribute_number(signer, SCEP_PKI_STATUS);
	switch (status) {
	case 0:
		return issued_take(message, expected, out, error) ? PKI_SCEP_INVALID
								  : PKI_SCEP_SUCCESS;
	case 2:
		return refused(signer, out, error);
	case 3:
		return PKI_SCEP_PENDING;
	default:
		pki_error_set(error,
			"the CA's reply has the pkiStatus %d, which does not exist "
			"(RFC 8894 3.2.1.3)",
			status);
		return PKI_SCEP_INVALID;
	}
}

enum pki_scep_status pki_scep_parse(const void *data, size_t len,
	const struct pki_scep_expected *expected, struct pki_scep_reply *out,
	struct pki_error *error)
{
	struct scep_signed message;
	enum pki_scep_status status = PKI_SCEP_INVALID;
	*out = (struct pki_scep_reply){.fail_info = PKI_SCEP_NOT_SAID};
	if (scep_signed_open(data, len, "the CA's reply", expected->authority->signers, &message,
		    error) == 0)
		status = judge(&message, expected, out, error);
	scep_signed_done(&message);
	if (status != PKI_SCEP_SUCCESS) {
		enum pki_scep_fail fail = out->fail_info;
		pki_scep_reply_done(out);
		out->fail_info = fail;
	}
	return status;
}

void pki_scep_reply_done(struct pki_scep_reply *reply)
{
	X509_free(reply->certificate);
	sk_X509_pop_free(reply->extras, X509_free);
	*reply = (struct pki_scep_reply){.fail_info = PKI_SCEP_NOT_SAID};
}
