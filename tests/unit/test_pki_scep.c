/* pki/: SCEP messages against a small CA: what is built, what is believed, what is not. */
#include "pki/bag.h"
#include "pki/scep.h"
#include "tests/unit/pki_ca.h"

#include <CUnit/CUnit.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

extern CU_SuiteInfo pki_scep_suites[];

/* Made once: keys take their time. */
static struct {
	EVP_PKEY *ca_key, *ra_key, *key, *new_key, *other_key, *ec_key;
	X509 *ca, *ra_sign, *ra_encrypt, *other_ca, *transient, *other_transient;
	X509 *issued, *issued_again, *issued_other, *issued_new;
	X509_REQ *request;
	struct pki_scep_authority authority;
	char id[PKI_SCEP_TRANSACTION_ID];
} fixture;

static const unsigned char nonce[PKI_SCEP_NONCE] = "0123456789abcde";
static const unsigned char other_nonce[PKI_SCEP_NONCE] = "0123456789abcdf";

static struct pki_error error;

static void contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		printf("\n  \"%s\"\n  has no \"%s\"\n", text, part);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
}

static STACK_OF(X509) * stack_of(X509 *const *certificates, size_t count)
{
	STACK_OF(X509) *stack = sk_X509_new_null();
	for (size_t i = 0; i < count; i++)
		X509_add_cert(stack, certificates[i], X509_ADD_FLAG_UP_REF);
	return stack;
}

static X509 *issue(const char *name, EVP_PKEY *key, const char *usage, long serial)
{
	return ca_issue(&(struct ca_issue){.name = name,
		.key = key,
		.issuer = fixture.ca,
		.issuer_key = fixture.ca_key,
		.usage = usage,
		.serial = serial});
}

static int suite_begin(void)
{
	fixture.ca_key = ca_key("RSA");
	fixture.ra_key = ca_key("RSA");
	fixture.key = ca_key("RSA");
	fixture.new_key = ca_key("RSA");
	fixture.other_key = ca_key("RSA");
	fixture.ec_key = ca_key("EC");
	/* Only certSign: the chain check of OpenSSL would refuse its replies. */
	fixture.ca = ca_issue(&(struct ca_issue){.name = "Test CA",
		.key = fixture.ca_key,
		.is_ca = true,
		.usage = "critical,keyCertSign"});
	/* A forger's: same name, same serial number, another key. */
	fixture.other_ca = ca_issue(&(struct ca_issue){.name = "Test CA",
		.key = fixture.other_key,
		.is_ca = true,
		.usage = "critical,keyCertSign"});
	fixture.ra_sign = issue("RA", fixture.ra_key, "digitalSignature", 2);
	fixture.ra_encrypt = issue("RA", fixture.ra_key, "keyEncipherment", 3);
	fixture.issued = issue("router1", fixture.key, "digitalSignature", 10);
	fixture.issued_again = issue("router1", fixture.key, "digitalSignature", 11);
	fixture.issued_other = issue("router2", fixture.other_key, "digitalSignature", 12);
	fixture.issued_new = issue("router1", fixture.new_key, "digitalSignature", 13);
	fixture.request = ca_request("router1", fixture.key, "s3cret");
	fixture.transient = pki_scep_transient(fixture.request, fixture.key, "sha256", &error);
	X509_REQ *request = ca_request("router2", fixture.other_key, NULL);
	fixture.other_transient = pki_scep_transient(request, fixture.other_key, "sha256", &error);
	X509_REQ_free(request);
	return pki_scep_authority_init(
		       &fixture.authority, stack_of(&fixture.ca, 1), NULL, &error) ||
	       pki_scep_transaction_id(fixture.key, NULL, fixture.id, &error);
}

static int suite_end(void)
{
	EVP_PKEY *const keys[] = {fixture.ca_key, fixture.ra_key, fixture.key, fixture.new_key,
		fixture.other_key, fixture.ec_key};
	X509 *const certificates[] = {fixture.ca, fixture.ra_sign, fixture.ra_encrypt,
		fixture.other_ca, fixture.transient, fixture.other_transient, fixture.issued,
		fixture.issued_again, fixture.issued_other, fixture.issued_new};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		EVP_PKEY_free(keys[i]);
	for (size_t i = 0; i < sizeof certificates / sizeof *certificates; i++)
		X509_free(certificates[i]);
	X509_REQ_free(fixture.request);
	pki_scep_authority_done(&fixture.authority);
	return 0;
}

/* ---- before the first message ------------------------------------------------ */

static void test_capabilities(void)
{
	struct pki_scep_capabilities can;
	static const char text[] = "postpkioperation\r\nRENEWAL\nSHA-1\n\nUnknown-Word\r\nDES3";
	pki_scep_capabilities_parse(text, strlen(text), &can);
	CU_ASSERT(can.post && can.renewal && can.sha1 && can.des3);
	CU_ASSERT(!can.aes && !can.sha256 && !can.standard && !can.next_ca);
	pki_scep_capabilities_parse("SCEPStandard\n", 13, &can);
	CU_ASSERT(can.standard && can.aes && can.post && can.sha256 && !can.renewal);
	pki_scep_capabilities_parse(NULL, 0, &can);
	CU_ASSERT(!can.aes && !can.post && !can.sha1);
	pki_scep_capabilities_parse("AESX\0AES", 8, &can);
	CU_ASSERT_FALSE(can.aes); /* a NUL ends no word */
}

static void test_algorithms(void)
{
	static const struct {
		const char *capabilities, *wanted;
		bool legacy_des;
		enum pki_scep_cipher cipher;
		const char *hash;
	} rows[] = {
		{"SCEPStandard", "sha256", false, PKI_SCEP_AES128, "sha256"},
		{"AES\nDES3\nSHA-256\nSHA-512", "sha512", false, PKI_SCEP_AES128, "sha512"},
		{"AES\nSHA-256\nSHA-512", "sha384", false, PKI_SCEP_AES128, "sha512"},
		{"AES\nSHA-1\nSHA-256", "sha1", false, PKI_SCEP_AES128, "sha1"},
		{"DES3\nSHA-1", "sha256", true, PKI_SCEP_DES3, "sha1"},
		{"", "sha256", false, PKI_SCEP_DES3, "sha1"},
		{"", "sha256", true, PKI_SCEP_DES, "sha1"},
	};
	struct pki_scep_capabilities can;
	struct pki_scep_algorithms chosen;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		pki_scep_capabilities_parse(
			rows[i].capabilities, strlen(rows[i].capabilities), &can);
		CU_ASSERT_EQUAL(
			pki_scep_choose(&can, rows[i].wanted, rows[i].legacy_des, &chosen, &error),
			0);
		CU_ASSERT_EQUAL(chosen.cipher, rows[i].cipher);
		CU_ASSERT_STRING_EQUAL(chosen.hash, rows[i].hash);
	}
	CU_ASSERT_EQUAL(pki_scep_choose(&can, "md5", false, &chosen, &error), -1);
	contains(error.text, "md5");
}

static void test_urls(void)
{
	static const struct {
		const char *base, *operation, *message, *url;
	} rows[] = {
		{"http://ca.example.com/scep", "GetCACaps", NULL,
			"http://ca.example.com/scep?operation=GetCACaps"},
		{"http://ca.example.com", "GetCACert", NULL,
			"http://ca.example.com/cgi-bin/pkiclient.exe?operation=GetCACert"},
		{"http://ca.example.com:8080/", "GetCACert", "my ca",
			"http://ca.example.com:8080/cgi-bin/"
			"pkiclient.exe?operation=GetCACert&message=my+ca"},
		{"http://[2001:db8::1]/scep?tenant=7", "GetCACert", "",
			"http://[2001:db8::1]/scep?tenant=7&operation=GetCACert"},
	};
	char *url;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CU_ASSERT_EQUAL(pki_scep_url(rows[i].base, rows[i].operation, rows[i].message, &url,
					&error),
			0);
		CU_ASSERT_STRING_EQUAL(url, rows[i].url);
		free(url);
	}
	/* 0xfb 0xff 0xfe is +//+ in base64: none of it may stand in a query as it is. */
	CU_ASSERT_EQUAL(pki_scep_url_get("http://ca/scep",
				(const unsigned char *)"\xfb\xff\xfe\x01", 4, &url, &error),
		0);
	CU_ASSERT_STRING_EQUAL(
		url, "http://ca/scep?operation=PKIOperation&message=%2b%2f%2f%2bAQ%3d%3d");
	free(url);
	CU_ASSERT_EQUAL(pki_scep_url("http://[zz]/", "GetCACaps", NULL, &url, &error), -1);
	CU_ASSERT_PTR_NULL(url);
	contains(error.text, "http://HOST");
}

static void test_keys(void)
{
	CU_ASSERT_EQUAL(pki_scep_check_key(fixture.key, &error), 0);
	CU_ASSERT_EQUAL(pki_scep_check_key(fixture.ec_key, &error), -1);
	contains(error.text, "\"est\"");
	contains(error.text, "terminal");
}

static void test_transaction_id(void)
{
	char first[PKI_SCEP_TRANSACTION_ID], again[PKI_SCEP_TRANSACTION_ID];
	pki_scep_transaction_id(fixture.key, NULL, first, &error);
	pki_scep_transaction_id(fixture.key, NULL, again, &error);
	CU_ASSERT_STRING_EQUAL(first, again);
	CU_ASSERT_EQUAL(strlen(first), 64);
	pki_scep_transaction_id(fixture.other_key, NULL, again, &error);
	CU_ASSERT_STRING_NOT_EQUAL(first, again);
	pki_scep_transaction_id(fixture.key, fixture.issued, again, &error);
	CU_ASSERT_STRING_NOT_EQUAL(first, again);
}

static void test_transient(void)
{
	X509 *made = fixture.transient;
	CU_ASSERT_EQUAL(X509_NAME_cmp(X509_get_subject_name(made),
				X509_REQ_get_subject_name(fixture.request)),
		0);
	CU_ASSERT_EQUAL(X509_NAME_cmp(X509_get_subject_name(made), X509_get_issuer_name(made)), 0);
	CU_ASSERT_EQUAL(X509_verify(made, fixture.key), 1);
	CU_ASSERT_EQUAL(X509_get_key_usage(made), 0x80 | 0x20);
}

/* ---- GetCACert ------------------------------------------------------------------ */

static void test_authority_single(void)
{
	struct pki_scep_authority authority;
	unsigned char *der = NULL;
	int len = i2d_X509(fixture.ca, &der);
	CU_ASSERT_EQUAL(pki_scep_authority_parse(der, (size_t)len, NULL, &authority, &error), 0);
	CU_ASSERT_EQUAL(X509_cmp(authority.ca, fixture.ca), 0);
	CU_ASSERT_PTR_EQUAL(authority.recipient, authority.ca);
	CU_ASSERT_PTR_EQUAL(authority.signer, authority.ca);
	pki_scep_authority_done(&authority);
	OPENSSL_free(der);
}

static void test_authority_bag(void)
{
	/* In no helpful order; with the certificate of a CA above. */
	X509 *root = ca_issue(&(struct ca_issue){
		.name = "Root", .key = fixture.other_key, .is_ca = true, .usage = "keyCertSign"});
	X509 *ca = ca_issue(&(struct ca_issue){.name = "Test CA",
		.key = fixture.ca_key,
		.issuer = root,
		.issuer_key = fixture.other_key,
		.is_ca = true,
		.usage = "keyCertSign",
		.serial = 5});
	X509 *const all[] = {root, fixture.ra_encrypt, ca, fixture.ra_sign};
	size_t len;
	unsigned char *bag = ca_bag(all, 4, &len);
	struct pki_scep_authority authority;
	CU_ASSERT_EQUAL_FATAL(pki_scep_authority_parse(bag, len, NULL, &authority, &error), 0);
	CU_ASSERT_EQUAL(X509_cmp(authority.ca, ca), 0);
	CU_ASSERT_EQUAL(X509_cmp(authority.signer, fixture.ra_sign), 0);
	CU_ASSERT_EQUAL(X509_cmp(authority.recipient, fixture.ra_encrypt), 0);
	CU_ASSERT_EQUAL(sk_X509_num(authority.all), 4);
	CU_ASSERT_EQUAL(sk_X509_num(authority.signers), 3);
	pki_scep_authority_done(&authority);

	/* Overridden: by the fingerprint of the CA. */
	unsigned char digest[32];
	char fingerprint[100] = "";
	X509_digest(ca, EVP_sha256(), digest, NULL);
	for (size_t i = 0; i < sizeof digest; i++)
		sprintf(fingerprint + 3 * i, "%02x%s", (unsigned)digest[i], i < 31 ? ":" : "");
	CU_ASSERT_EQUAL_FATAL(
		pki_scep_authority_parse(bag, len, fingerprint, &authority, &error), 0);
	CU_ASSERT_PTR_EQUAL(authority.recipient, authority.ca);
	pki_scep_authority_done(&authority);
	/* MD5 can be forged. */
	fingerprint[47] = '\0';
	CU_ASSERT_EQUAL(pki_scep_authority_parse(bag, len, fingerprint, &authority, &error), -1);
	contains(error.text, "MD5");
	/* The root has not signed anything for us: no request is encrypted to it. */
	X509_digest(root, EVP_sha1(), digest, NULL);
	for (size_t i = 0; i < 20; i++)
		sprintf(fingerprint + 2 * i, "%02X", (unsigned)digest[i]);
	CU_ASSERT_EQUAL(pki_scep_authority_parse(bag, len, fingerprint, &authority, &error), -1);
	contains(error.text, "fingerprint");
	OPENSSL_free(bag);
	X509_free(root);
	X509_free(ca);
}

static void test_authority_hostile(void)
{
	static const char html[] = "<!DOCTYPE html><html><head><title>403 Forbidden</title>";
	X509 *const foreign[] = {fixture.ca, fixture.other_transient};
	X509 *const no_ca[] = {fixture.ra_sign};
	size_t lens[6] = {sizeof html - 1, 0};
	unsigned char *bags[6] = {NULL};
	bags[1] = ca_bag(NULL, 0, &lens[1]);
	bags[2] = ca_bag(foreign, 2, &lens[2]);
	bags[3] = ca_bag(no_ca, 1, &lens[3]);
	bags[4] = ca_bag(&fixture.ca, 1, &lens[4]);
	bags[4] = OPENSSL_realloc(bags[4], lens[4] + 1);
	bags[4][lens[4]++] = 0;
	const struct {
		const void *data;
		size_t len;
		const char *said;
	} rows[] = {
		{html, lens[0], "an HTML page: \"403 Forbidden\""},
		{bags[1], lens[1], "has no certificate in it"},
		{bags[2], lens[2], "that its CA /CN=Test CA has not issued"},
		{bags[3], lens[3], "has no certificate of a CA"},
		{bags[4], lens[4], "1 bytes behind its end"},
		{"", 0, "nothing"},
		{bags[4], lens[4] - 20, "bytes that begin with 30 "},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pki_scep_authority authority;
		CU_ASSERT_EQUAL(pki_scep_authority_parse(
					rows[i].data, rows[i].len, NULL, &authority, &error),
			-1);
		contains(error.text, rows[i].said);
		CU_ASSERT_PTR_NULL(authority.all);
	}
	for (size_t i = 0; i < 6; i++)
		OPENSSL_free(bags[i]);
}

static void test_next_ca(void)
{
	X509 *const both[] = {fixture.other_ca};
	size_t bag_len, len;
	struct pki_scep_authority next;
	unsigned char *bag = ca_bag(both, 1, &bag_len);
	struct ca_reply reply = {
		.raw = bag, .raw_len = bag_len, .signer = fixture.ca, .signer_key = fixture.ca_key};
	unsigned char *der = ca_reply(&reply, &len);
	CU_ASSERT_EQUAL_FATAL(pki_scep_next_parse(der, len, &fixture.authority, &next, &error), 0);
	CU_ASSERT_EQUAL(X509_cmp(next.ca, fixture.other_ca), 0);
	CU_ASSERT_PTR_EQUAL(next.recipient, next.ca);
	pki_scep_authority_done(&next);
	OPENSSL_free(der);
	/* Signed by itself: anybody can do that. */
	reply.signer = fixture.other_ca;
	reply.signer_key = fixture.other_key;
	der = ca_reply(&reply, &len);
	CU_ASSERT_EQUAL(pki_scep_next_parse(der, len, &fixture.authority, &next, &error), -1);
	contains(error.text, "signature");
	OPENSSL_free(der);
	/* Certificates beside the signature are not signed. */
	CU_ASSERT_EQUAL(pki_scep_next_parse(bag, bag_len, &fixture.authority, &next, &error), -1);
	contains(error.text, "0 signatures");
	OPENSSL_free(bag);
}

/* ---- requests ---------------------------------------------------------------------- */

static struct pki_scep_request request_for(enum pki_scep_type type)
{
	return (struct pki_scep_request){.type = type,
		.transaction_id = fixture.id,
		.certificate = fixture.transient,
		.key = fixture.key,
		.request = fixture.request,
		.authority = &fixture.authority,
		.algorithms = {PKI_SCEP_AES128, "sha256"}};
}

/* What the CA makes of a message: the decrypted content, after the signature held. */
static BIO *received(const struct pki_scep_message *message, X509 *signer)
{
	const unsigned char *at = message->der;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)message->len);
	STACK_OF(X509) *signers = stack_of(&signer, 1);
	BIO *enveloped = BIO_new(BIO_s_mem()), *content = BIO_new(BIO_s_mem());
	CU_ASSERT_EQUAL(CMS_verify(cms, signers, NULL, NULL, enveloped,
				CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY),
		1);
	CMS_ContentInfo *envelope = d2i_CMS_bio(enveloped, NULL);
	CU_ASSERT_EQUAL(
		CMS_decrypt(envelope, fixture.ca_key, fixture.ca, NULL, content, CMS_BINARY), 1);
	CMS_ContentInfo_free(envelope);
	CMS_ContentInfo_free(cms);
	sk_X509_pop_free(signers, X509_free);
	BIO_free(enveloped);
	return content;
}

static void test_build_pkcsreq(void)
{
	struct pki_scep_request request = request_for(PKI_SCEP_PKCSREQ);
	struct pki_scep_message first, second;
	CU_ASSERT_EQUAL_FATAL(pki_scep_build(&request, &first, &error), 0);
	CU_ASSERT_EQUAL_FATAL(pki_scep_build(&request, &second, &error), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(first.nonce, second.nonce, PKI_SCEP_NONCE), 0);
	CU_ASSERT_PTR_NOT_NULL(memmem(first.der, first.len, first.nonce, PKI_SCEP_NONCE));
	CU_ASSERT_PTR_NOT_NULL(memmem(first.der, first.len, fixture.id, strlen(fixture.id)));
	CU_ASSERT_PTR_NULL(memmem(first.der, first.len, "s3cret", 6));
	BIO *content = received(&first, fixture.transient);
	X509_REQ *got = d2i_X509_REQ_bio(content, NULL);
	CU_ASSERT_PTR_NOT_NULL(got);
	CU_ASSERT_EQUAL(X509_REQ_verify(got, fixture.key), 1);
	X509_REQ_free(got);
	BIO_free(content);
	pki_scep_message_done(&first);
	pki_scep_message_done(&second);
}

static void test_build_poll(void)
{
	struct pki_scep_request request = request_for(PKI_SCEP_CERTPOLL);
	struct pki_scep_message message;
	CU_ASSERT_EQUAL_FATAL(pki_scep_build(&request, &message, &error), 0);
	BIO *content = received(&message, fixture.transient);
	char *data = NULL;
	long len = BIO_get_mem_data(content, &data);
	const unsigned char *at = (const unsigned char *)data;
	long size;
	int tag, class;
	CU_ASSERT_EQUAL(ASN1_get_object(&at, &size, &tag, &class, len), V_ASN1_CONSTRUCTED);
	X509_NAME *issuer = d2i_X509_NAME(NULL, &at, size);
	X509_NAME *subject = d2i_X509_NAME(NULL, &at, (long)(data + len - (const char *)at));
	CU_ASSERT_EQUAL(X509_NAME_cmp(issuer, X509_get_subject_name(fixture.ca)), 0);
	CU_ASSERT_EQUAL(X509_NAME_cmp(subject, X509_REQ_get_subject_name(fixture.request)), 0);
	CU_ASSERT_PTR_EQUAL(at, data + len);
	X509_NAME_free(issuer);
	X509_NAME_free(subject);
	BIO_free(content);
	pki_scep_message_done(&message);
}

static void test_build_ciphers(void)
{
	static const struct {
		enum pki_scep_cipher cipher;
		const char *oid;
	} rows[] = {{PKI_SCEP_AES128, "\x60\x86\x48\x01\x65\x03\x04\x01\x02"},
		{PKI_SCEP_DES3, "\x2a\x86\x48\x86\xf7\x0d\x03\x07"},
		{PKI_SCEP_DES, "\x2b\x0e\x03\x02\x07"}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pki_scep_request request = request_for(PKI_SCEP_RENEWALREQ);
		struct pki_scep_message message;
		request.algorithms.cipher = rows[i].cipher;
		request.algorithms.hash = "sha1";
		CU_ASSERT_EQUAL(pki_scep_build(&request, &message, &error), 0);
		CU_ASSERT_PTR_NOT_NULL(
			memmem(message.der, message.len, rows[i].oid, strlen(rows[i].oid)));
		pki_scep_message_done(&message);
	}
}

static void test_build_refused(void)
{
	struct pki_scep_request request = request_for(PKI_SCEP_PKCSREQ);
	struct pki_scep_message message;
	struct pki_scep_authority authority;
	X509 *ca =
		ca_issue(&(struct ca_issue){.name = "EC CA", .key = fixture.ec_key, .is_ca = true});
	CU_ASSERT_EQUAL_FATAL(
		pki_scep_authority_init(&authority, stack_of(&ca, 1), NULL, &error), 0);
	request.authority = &authority;
	CU_ASSERT_EQUAL(pki_scep_build(&request, &message, &error), -1);
	contains(error.text, "type EC");
	request.authority = &fixture.authority;
	request.key = fixture.ec_key;
	CU_ASSERT_EQUAL(pki_scep_build(&request, &message, &error), -1);
	contains(error.text, "est");
	CU_ASSERT_PTR_NULL(message.der);
	pki_scep_authority_done(&authority);
	X509_free(ca);
}

/* ---- replies ------------------------------------------------------------------------- */

static struct pki_scep_expected expected(void)
{
	return (struct pki_scep_expected){.transaction_id = fixture.id,
		.nonce = nonce,
		.authority = &fixture.authority,
		.certificate = fixture.transient,
		.key = fixture.key,
		.new_key = fixture.key};
}

/* A right reply; the tests change what is to be wrong. */
static struct ca_reply right(void)
{
	return (struct ca_reply){.transaction_id = fixture.id,
		.message_type = "3",
		.status = "0",
		.nonce = nonce,
		.nonce_len = sizeof nonce,
		.recipient = fixture.transient,
		.signer = fixture.ca,
		.signer_key = fixture.ca_key};
}

static enum pki_scep_status parse(const struct ca_reply *reply,
	const struct pki_scep_expected *wanted, struct pki_scep_reply *out)
{
	size_t len;
	unsigned char *der = ca_reply(reply, &len);
	memset(&error, 0, sizeof error);
	enum pki_scep_status status = pki_scep_parse(der, len, wanted, out, &error);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	OPENSSL_free(der);
	return status;
}

static void issued_check(struct pki_scep_reply *reply, enum pki_scep_status status, X509 *issued)
{
	if (status != PKI_SCEP_SUCCESS)
		printf("\n  %s\n", error.text);
	CU_ASSERT_EQUAL(status, PKI_SCEP_SUCCESS);
	CU_ASSERT(reply->certificate && X509_cmp(reply->certificate, issued) == 0);
	pki_scep_reply_done(reply);
}

static void test_success(void)
{
	/* The CA's first: found by its key, not by position. */
	X509 *const certificates[] = {fixture.ca, fixture.issued_other, fixture.issued};
	struct ca_reply reply = right();
	struct pki_scep_expected wanted = expected();
	struct pki_scep_reply out;
	unsigned char *bag = ca_bag(certificates, 3, &reply.bag_len);
	reply.bag = bag;
	enum pki_scep_status status = parse(&reply, &wanted, &out);
	CU_ASSERT_EQUAL(sk_X509_num(out.extras), 2);
	CU_ASSERT_FALSE(out.single_des);
	issued_check(&out, status, fixture.issued);
	/* Without the signer's certificate in it, and in triple DES. */
	reply.without_certificate = true;
	reply.cipher = "DES-EDE3-CBC";
	reply.hash = "sha1";
	issued_check(&out, parse(&reply, &wanted, &out), fixture.issued);
	/* BER, as the libraries of some CAs write it. */
	reply.ber = true;
	issued_check(&out, parse(&reply, &wanted, &out), fixture.issued);
	OPENSSL_free(bag);
}

static void test_success_of_ra(void)
{
	X509 *const all[] = {fixture.ra_encrypt, fixture.ra_sign, fixture.ca};
	struct pki_scep_authority authority;
	CU_ASSERT_EQUAL_FATAL(
		pki_scep_authority_init(&authority, stack_of(all, 3), NULL, &error), 0);
	struct ca_reply reply = right();
	struct pki_scep_expected wanted = expected();
	struct pki_scep_reply out;
	unsigned char *bag = ca_bag(&fixture.issued, 1, &reply.bag_len);
	reply.bag = bag;
	reply.signer = fixture.ra_sign;
	reply.signer_key = fixture.ra_key;
	wanted.authority = &authority;
	issued_check(&out, parse(&reply, &wanted, &out), fixture.issued);
	pki_scep_authority_done(&authority);
	OPENSSL_free(bag);
}

/* Signed with the old key, for a new one; the reply may be encrypted to either. */
static void test_renewal(void)
{
	struct ca_reply reply = right();
	struct pki_scep_expected wanted = expected();
	struct pki_scep_reply out;
	unsigned char *bag = ca_bag(&fixture.issued_new, 1, &reply.bag_len);
	reply.bag = bag;
	wanted.certificate = fixture.issued;
	wanted.new_key = fixture.new_key;
	reply.recipient = fixture.issued;
	issued_check(&out, parse(&reply, &wanted, &out), fixture.issued_new);
	reply.recipient = fixture.issued_new;
	issued_check(&out, parse(&reply, &wanted, &out), fixture.issued_new);
	OPENSSL_free(bag);
}

static void test_single_des(void)
{
	struct ca_reply reply = right();
	struct pki_scep_expected wanted = expected();
	struct pki_scep_reply out;
	unsigned char *bag = ca_bag(&fixture.issued, 1, &reply.bag_len);
	reply.bag = bag;
	reply.cipher = "DES-CBC";
	CU_ASSERT_EQUAL(parse(&reply, &wanted, &out), PKI_SCEP_INVALID);
	contains(error.text, "legacy_des");
	wanted.legacy_des = true;
	enum pki_scep_status status = parse(&reply, &wanted, &out);
	CU_ASSERT_TRUE(out.single_des);
	issued_check(&out, status, fixture.issued);
	reply.cipher = "RC2-CBC";
	CU_ASSERT_EQUAL(parse(&reply, &wanted, &out), PKI_SCEP_INVALID);
	contains(error.text, "RC2-CBC");
	/* Nothing else of the process has got it. */
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "DES-CBC", NULL);
	CU_ASSERT_PTR_NULL(cipher);
	ERR_clear_error();
	OPENSSL_free(bag);
}

static void test_pending_and_failure(void)
{
	struct ca_reply reply = right();
	struct pki_scep_expected wanted = expected();
	struct pki_scep_reply out;
	reply.status = "3";
	CU_ASSERT_EQUAL(parse(&reply, &wanted, &out), PKI_SCEP_PENDING);
	reply.status = "2";
	reply.fail_info = "2";
	reply.fail_text = "wrong\npassword \xc3\xa4";
	CU_ASSERT_EQUAL(parse(&reply, &wanted, &out), PKI_SCEP_FAILURE);
	CU_ASSERT_EQUAL(out.fail_info, PKI_SCEP_BAD_REQUEST);
	contains(error.text, "badRequest");
	contains(error.text, "\"wrong password ??\"");
	/* Go's encoder makes a PrintableString of it. */
	reply.text_type = V_ASN1_PRINTABLESTRING;
	reply.fail_text = "wrong password";
	CU_ASSERT_EQUAL(parse(&reply, &wanted, &out), PKI_SCEP_FAILURE);
	contains(error.text, "\"wrong password\"");
	reply.fail_info = "77";
	reply.fail_text = NULL;
	CU_ASSERT_EQUAL(parse(&reply, &wanted, &out), PKI_SCEP_FAILURE);
	CU_ASSERT_EQUAL(out.fail_info, PKI_SCEP_NOT_SAID);
	reply.fail_info = "0";
	CU_ASSERT_EQUAL(parse(&reply, &wanted, &out), PKI_SCEP_FAILURE);
	contains(error.text, "badAlg");
}

/* ---- hostile replies: one row each, one sentence each ------------------------------------ */

static void wrong_nonce(struct ca_reply *reply)
{
	reply->nonce = other_nonce;
}

static void no_nonce(struct ca_reply *reply)
{
	reply->nonce = NULL;
}

static void short_nonce(struct ca_reply *reply)
{
	reply->nonce_len = 15;
}

static void wrong_transaction(struct ca_reply *reply)
{
	reply->transaction_id = "0000";
}

static void no_transaction(struct ca_reply *reply)
{
	reply->transaction_id = NULL;
}

static void wrong_type(struct ca_reply *reply)
{
	reply->message_type = "19";
}

static void no_type(struct ca_reply *reply)
{
	reply->message_type = NULL;
}

static void wrong_status(struct ca_reply *reply)
{
	reply->status = "1";
}

static void no_status(struct ca_reply *reply)
{
	reply->status = NULL;
}

static void signer_not_pinned(struct ca_reply *reply)
{
	reply->signer = fixture.issued_other;
	reply->signer_key = fixture.other_key;
}

static void signer_forged(struct ca_reply *reply)
{
	reply->signer = fixture.other_ca;
	reply->signer_key = fixture.other_key;
}

static void signed_with_md5(struct ca_reply *reply)
{
	reply->hash = "md5";
}

static void signed_twice(struct ca_reply *reply)
{
	reply->twice = true;
}

static void other_envelope(struct ca_reply *reply)
{
	reply->recipient = fixture.other_transient;
}

static void no_envelope(struct ca_reply *reply)
{
	reply->bag = NULL;
}

static void html_inside(struct ca_reply *reply)
{
	reply->bag = (const unsigned char *)"<html>";
	reply->bag_len = 6;
}

static void not_enveloped(struct ca_reply *reply)
{
	reply->raw = reply->bag;
	reply->raw_len = reply->bag_len;
	reply->bag = NULL;
}

static const struct {
	const char *name;
	void (*change)(struct ca_reply *);
	const char *said;
} hostile_rows[] = {
	{"wrong nonce", wrong_nonce, "another nonce than the one we sent"},
	{"no nonce", no_nonce, "no recipientNonce"},
	{"short nonce", short_nonce, "another nonce"},
	{"wrong transaction", wrong_transaction, "another transaction than ours"},
	{"no transaction", no_transaction, "without a transaction"},
	{"wrong type", wrong_type, "type 19 where a CertRep (3)"},
	{"no type", no_type, "where a CertRep (3)"},
	{"wrong status", wrong_status, "pkiStatus 1"},
	{"no status", no_status, "pkiStatus -1"},
	{"signer not pinned", signer_not_pinned, "neither by the CA nor by an RA"},
	{"signer forged", signer_forged, "the signature of the CA's reply is broken"},
	{"MD5", signed_with_md5, "MD5"},
	{"two signatures", signed_twice, "2 signatures"},
	{"envelope for another key", other_envelope, "encrypted to another key than ours"},
	{"no envelope", no_envelope, "no enveloped certificate"},
	{"HTML in the envelope", html_inside, "an HTML page"},
	{"bag without an envelope", not_enveloped, "no enveloped certificate"},
};

static void test_hostile(void)
{
	struct pki_scep_expected wanted = expected();
	size_t bag_len;
	unsigned char *bag = ca_bag(&fixture.issued, 1, &bag_len);
	for (size_t i = 0; i < sizeof hostile_rows / sizeof *hostile_rows; i++) {
		struct ca_reply reply = right();
		struct pki_scep_reply out;
		reply.bag = bag;
		reply.bag_len = bag_len;
		hostile_rows[i].change(&reply);
		enum pki_scep_status status = parse(&reply, &wanted, &out);
		if (status != PKI_SCEP_INVALID)
			printf("\n  %s\n", hostile_rows[i].name);
		CU_ASSERT_EQUAL(status, PKI_SCEP_INVALID);
		CU_ASSERT(!out.certificate && !out.extras);
		contains(error.text, hostile_rows[i].said);
	}
	OPENSSL_free(bag);
}

/* What is in the envelope: certificates of the wrong kind or number. */
static void test_hostile_bags(void)
{
	X509 *const other[] = {fixture.issued_other, fixture.ca};
	X509 *const two[] = {fixture.issued, fixture.issued_again};
	const struct {
		X509 *const *certificates;
		size_t count, behind;
		const char *said;
	} rows[] = {
		{other, 2, 0, "no certificate for the key that was asked for"},
		{two, 2, 0, "2 certificates for the key"},
		{NULL, 0, 0, "no certificate in it"},
		{two, 1, 3, "3 bytes behind its end"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ca_reply reply = right();
		struct pki_scep_expected wanted = expected();
		struct pki_scep_reply out;
		size_t len;
		unsigned char *bag = ca_bag(rows[i].certificates, rows[i].count, &len);
		bag = OPENSSL_realloc(bag, len + 8);
		memset(bag + len, 0, 8);
		reply.bag = bag;
		reply.bag_len = len + rows[i].behind;
		CU_ASSERT_EQUAL(parse(&reply, &wanted, &out), PKI_SCEP_INVALID);
		CU_ASSERT_PTR_NULL(out.certificate);
		contains(error.text, rows[i].said);
		OPENSSL_free(bag);
	}
}

/* What is around the message: anything but one CMS message. */
static void test_hostile_bytes(void)
{
	static const char html[] = "  <html><body>Internal  Server\nError</body></html>";
	struct ca_reply reply = right();
	struct pki_scep_expected wanted = expected();
	struct pki_scep_reply out;
	size_t bag_len, len;
	unsigned char *bag = ca_bag(&fixture.issued, 1, &bag_len);
	reply.bag = bag;
	reply.bag_len = bag_len;
	unsigned char *der = ca_reply(&reply, &len);
	unsigned char *longer = OPENSSL_zalloc(len + 1);
	memcpy(longer, der, len);
	const struct {
		const void *data;
		size_t len;
		const char *said;
	} rows[] = {
		{longer, len + 1, "1 bytes behind its end"},
		{der, len - 1, "not a signed CMS message"},
		{html, sizeof html - 1, "an HTML page: \"Internal Server Error\""},
		{"", 0, "but nothing"},
		{"no\001text", 7, "7 bytes that begin with 6e 6f 01"},
		{bag, bag_len, "0 signatures"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CU_ASSERT_EQUAL(pki_scep_parse(rows[i].data, rows[i].len, &wanted, &out, &error),
			PKI_SCEP_INVALID);
		contains(error.text, rows[i].said);
	}
	/* Each byte of the message flipped: never believed, never a crash. */
	for (size_t i = 0; i < len; i += 7) {
		longer[i] ^= 0x20;
		enum pki_scep_status status = pki_scep_parse(longer, len, &wanted, &out, &error);
		if (status == PKI_SCEP_SUCCESS)
			CU_ASSERT_EQUAL(X509_cmp(out.certificate, fixture.issued), 0);
		pki_scep_reply_done(&out);
		longer[i] ^= 0x20;
	}
	OPENSSL_free(longer);
	OPENSSL_free(der);
	OPENSSL_free(bag);
}

static CU_TestInfo tests[] = {
	{"capabilities", test_capabilities},
	{"algorithms", test_algorithms},
	{"URLs", test_urls},
	{"key types", test_keys},
	{"transaction", test_transaction_id},
	{"transient certificate", test_transient},
	{"GetCACert: one certificate", test_authority_single},
	{"GetCACert: a bag", test_authority_bag},
	{"GetCACert: hostile", test_authority_hostile},
	{"GetNextCACert", test_next_ca},
	{"PKCSReq", test_build_pkcsreq},
	{"CertPoll", test_build_poll},
	{"ciphers of requests", test_build_ciphers},
	{"requests refused", test_build_refused},
	{"SUCCESS", test_success},
	{"SUCCESS from an RA", test_success_of_ra},
	{"renewal", test_renewal},
	{"single DES", test_single_des},
	{"PENDING and FAILURE", test_pending_and_failure},
	{"hostile replies", test_hostile},
	{"hostile bags", test_hostile_bags},
	{"hostile bytes", test_hostile_bytes},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo pki_scep_suites[] = {
	{"pki scep", suite_begin, suite_end, NULL, NULL, tests},
	CU_SUITE_INFO_NULL,
};
