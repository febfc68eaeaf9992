/*
 * SCEP answers. The first byte says what the rest is: a list of capabilities, an answer to
 * GetCACert, to GetNextCACert, a whole CertRep; or, because nothing unsigned gets further, what
 * a CA gone mad has signed (the content of a reply) or also enveloped (the bag in it). Keys are
 * made at the start: small ones, for speed.
 */
#include <assert.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "pki/bag.h"
#include "pki/scep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char nonce[PKI_SCEP_NONCE] = "0123456789abcde";
static char id[] = "0123456789ABCDEF";

static struct {
	EVP_PKEY *ca_key, *key;
	X509 *certificate;
	X509_REQ *request;
	struct pki_scep_authority authority;
} fixture;

static X509 *ca_make(void)
{
	X509 *ca = X509_new();
	X509_set_version(ca, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(ca), 1);
	X509_gmtime_adj(X509_getm_notBefore(ca), 0);
	X509_gmtime_adj(X509_getm_notAfter(ca), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(ca), "CN", MBSTRING_ASC,
		(const unsigned char *)"CA", -1, -1, 0);
	X509_set_issuer_name(ca, X509_get_subject_name(ca));
	X509_set_pubkey(ca, fixture.ca_key);
	X509_EXTENSION *extension =
		X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "CA:TRUE");
	X509_add_ext(ca, extension, -1);
	X509_EXTENSION_free(extension);
	X509_sign(ca, fixture.ca_key, EVP_sha256());
	return ca;
}

static void fixture_make(void)
{
	struct pki_error error;
	fixture.ca_key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	fixture.key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	fixture.request = X509_REQ_new();
	X509_REQ_set_pubkey(fixture.request, fixture.key);
	fixture.certificate = pki_scep_transient(fixture.request, fixture.key, "sha256", &error);
	STACK_OF(X509) *all = sk_X509_new_null();
	sk_X509_push(all, ca_make());
	if (!fixture.certificate || pki_scep_authority_init(&fixture.authority, all, NULL, &error))
		abort();
}

static void reply_check(const void *data, size_t len)
{
	struct pki_scep_expected expected = {.transaction_id = id,
		.nonce = nonce,
		.authority = &fixture.authority,
		.certificate = fixture.certificate,
		.key = fixture.key,
		.new_key = fixture.key};
	struct pki_scep_reply reply;
	struct pki_error error = {0};
	enum pki_scep_status status = pki_scep_parse(data, len, &expected, &reply, &error);
	assert((status == PKI_SCEP_SUCCESS) == (reply.certificate != NULL));
	assert(status == PKI_SCEP_SUCCESS || status == PKI_SCEP_PENDING || *error.text);
	if (reply.certificate)
		assert(EVP_PKEY_eq(X509_get0_pubkey(reply.certificate), fixture.key) == 1);
	assert(ERR_peek_error() == 0);
	pki_scep_reply_done(&reply);
}

static void attribute(CMS_SignerInfo *signer, const char *oid, int type, const void *data, int len)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	CMS_signed_add1_attr_by_OBJ(signer, object, type, data, len);
	ASN1_OBJECT_free(object);
}

/* A reply with this content, everything else as it is to be. */
static void signed_check(BIO *content, const char *status)
{
	unsigned char *der = NULL;
	CMS_ContentInfo *cms =
		CMS_sign(NULL, NULL, NULL, content, CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP);
	CMS_SignerInfo *signer = CMS_add1_signer(cms, fixture.authority.ca, fixture.ca_key,
		EVP_sha256(), CMS_NOSMIMECAP | CMS_NOCERTS);
	attribute(signer, "2.16.840.1.113733.1.9.7", V_ASN1_PRINTABLESTRING, id, sizeof id - 1);
	attribute(signer, "2.16.840.1.113733.1.9.2", V_ASN1_PRINTABLESTRING, "3", 1);
	attribute(signer, "2.16.840.1.113733.1.9.3", V_ASN1_PRINTABLESTRING, status,
		(int)strlen(status));
	attribute(signer, "2.16.840.1.113733.1.9.6", V_ASN1_OCTET_STRING, nonce, sizeof nonce);
	if (CMS_final(cms, content, NULL, CMS_BINARY) != 1)
		abort();
	int len = i2d_CMS_ContentInfo(cms, &der);
	ERR_clear_error();
	reply_check(der, (size_t)len);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
}

static void content_check(const uint8_t *data, size_t size)
{
	BIO *content = BIO_new_mem_buf(data, (int)size);
	signed_check(content, "0");
	BIO_free(content);
}

static void bag_check(const uint8_t *data, size_t size)
{
	BIO *bag = BIO_new_mem_buf(data, (int)size), *content = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(content, 0);
	STACK_OF(X509) *recipients = sk_X509_new_null();
	sk_X509_push(recipients, fixture.certificate);
	CMS_ContentInfo *cms = CMS_encrypt(recipients, bag, EVP_aes_128_cbc(), CMS_BINARY);
	if (!cms || i2d_CMS_bio(content, cms) != 1)
		abort();
	signed_check(content, "0");
	CMS_ContentInfo_free(cms);
	sk_X509_free(recipients);
	BIO_free(content);
	BIO_free(bag);
}

static void authority_check(const uint8_t *data, size_t size, bool next)
{
	struct pki_scep_authority authority;
	struct pki_error error = {0};
	int result = next ? pki_scep_next_parse(data, size, &fixture.authority, &authority, &error)
			  : pki_scep_authority_parse(data, size, NULL, &authority, &error);
	assert(result == 0 ? authority.ca && authority.recipient && authority.signer
			   : !authority.all && *error.text);
	assert(ERR_peek_error() == 0);
	pki_scep_authority_done(&authority);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pki_scep_capabilities capabilities;
	if (!fixture.key)
		fixture_make();
	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'c':
		pki_scep_capabilities_parse((const char *)data + 1, size - 1, &capabilities);
		break;
	case 'a':
		authority_check(data + 1, size - 1, false);
		break;
	case 'n':
		authority_check(data + 1, size - 1, true);
		break;
	case 's':
		content_check(data + 1, size - 1);
		break;
	case 'e':
		bag_check(data + 1, size - 1);
		break;
	default:
		reply_check(data + 1, size - 1);
		break;
	}
	return 0;
}
