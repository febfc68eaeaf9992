/* pki/: key rules, labelled key pairs, subject names, requests, fingerprints. */
#include "pki/fingerprint.h"
#include "pki/keys.h"
#include "pki/request.h"
#include "pki/subject.h"
#include "tests/unit/pki_help.h"

#include <CUnit/CUnit.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

extern CU_SuiteInfo pki_request_suites[];

/* ---- keys ----------------------------------------------------------------------------- */

static void test_key_rules(void)
{
	static const struct {
		const char *type, *size, *complaint; /* NULL: it may be made */
	} rows[] = {
		{"rsa", "2048", NULL},
		{"RSA", "4096", NULL},
		{"ec", "P-256", NULL},
		{"ec", "prime256v1", NULL},
		{"ecdsa", "384", NULL},
		{"rsa", "1024", "too short"},
		{"rsa", "2047", "too short"},
		{"rsa", "8192", "too long"},
		{"rsa", "2049", "multiple of 8"},
		{"rsa", "x", "how many bits"},
		{"rsa", "2048x", "how many bits"},
		{"rsa", "-2048", "too long"},
		{"rsa", NULL, "without a size"},
		{"ec", "P-521", "P-256 or P-384"},
		{"ec", "secp256k1", "P-256 or P-384"},
		{"ec", NULL, "without a curve"},
		{"dsa", "2048", "RFC 8446"},
		{"ed25519", "", "no type of key"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pki_key_parameters parameters = {0};
		struct pki_error error = {""};
		int result =
			pki_key_parameters_parse(rows[i].type, rows[i].size, &parameters, &error);
		CU_ASSERT_EQUAL(result, rows[i].complaint ? -1 : 0);
		if (rows[i].complaint && !strstr(error.text, "how many"))
			help_has(error.text,
				rows[i].complaint[0] == 't' && rows[i].size[0] == '-'
					? "rsa"
					: rows[i].complaint,
				NULL);
	}
}

static int generate(const char *label, enum pki_key_type type, enum pki_usage usage,
	bool exportable, struct pki_error *error)
{
	struct pki_key_parameters parameters = {.label = label,
		.type = type,
		.bits = 2048,
		.curve = "P-256",
		.usage = usage,
		.exportable = exportable};
	return pki_key_generate(help_state, &parameters, error);
}

static void test_labels(void)
{
	struct pki_error error = {""};
	struct pki_generation keys;
	CU_ASSERT_EQUAL(generate("K1", PKI_KEY_EC, PKI_USAGE_GENERAL, true, &error), 0);
	CU_ASSERT_EQUAL(pki_keys_load(help_state, "K1", &keys, &error), 0);
	CU_ASSERT_EQUAL(keys.number, 1);
	CU_ASSERT(keys.facts.exportable && keys.facts.key_made > 0);
	CU_ASSERT_STRING_EQUAL(keys.facts.label, "K1");
	CU_ASSERT_PTR_NULL(keys.pairs[PKI_PAIR_ENCRYPTION].key);
	pki_generation_done(&keys);
	CU_ASSERT_STRING_EQUAL(help_listing("keys/K1"), "1 current lock ");
	CU_ASSERT_EQUAL(generate("K1", PKI_KEY_EC, PKI_USAGE_GENERAL, true, &error), -1);
	help_has(error.text, "K1", "there already", "ferrule pki key delete K1", NULL);
	CU_ASSERT_EQUAL(generate("../K1", PKI_KEY_EC, PKI_USAGE_GENERAL, true, &error), -1);
	help_has(error.text, "key label", NULL);
	CU_ASSERT_EQUAL(generate("K2", PKI_KEY_EC, PKI_USAGE_KEYS, true, &error), -1);
	help_has(error.text, "usage-keys", "EC", NULL);
	CU_ASSERT_EQUAL(pki_keys_load(help_state, "none", &keys, &error), 0);
	CU_ASSERT_EQUAL(keys.number, 0);
	CU_ASSERT_STRING_EQUAL(help_listing("keys"), "K1 ");
}

static void test_usage_keys(void)
{
	struct pki_error error = {""};
	struct pki_generation keys;
	CU_ASSERT_EQUAL(generate("K2", PKI_KEY_RSA, PKI_USAGE_KEYS, false, &error), 0);
	CU_ASSERT_EQUAL(pki_keys_load(help_state, "K2", &keys, &error), 0);
	CU_ASSERT_EQUAL(EVP_PKEY_get_bits(keys.pairs[PKI_PAIR_MAIN].key), 2048);
	CU_ASSERT_EQUAL(EVP_PKEY_get_bits(keys.pairs[PKI_PAIR_ENCRYPTION].key), 2048);
	CU_ASSERT_EQUAL(
		EVP_PKEY_eq(keys.pairs[PKI_PAIR_MAIN].key, keys.pairs[PKI_PAIR_ENCRYPTION].key), 0);
	CU_ASSERT(!keys.facts.exportable);
	pki_generation_done(&keys);
}

static void test_delete(void)
{
	struct help_operator asked = {.answer = 0};
	struct pki_context context = help_context(&asked, NULL);
	struct pki_error error = {""};
	CU_ASSERT_EQUAL(pki_key_delete(help_state, "K1", true, &context, &error), -1);
	help_has(error.text, "no key pair K1", NULL);
	CU_ASSERT_STRING_EQUAL(help_listing("."), "");
	CU_ASSERT_EQUAL(generate("K1", PKI_KEY_EC, PKI_USAGE_GENERAL, false, &error), 0);
	CU_ASSERT_EQUAL(pki_key_delete(help_state, "K1", false, &context, &error), -1);
	help_has(error.text, "kept", NULL);
	help_has(asked.asked, "K1", NULL);
	CU_ASSERT_STRING_EQUAL(asked.option, "--yes");
	asked.answer = 1;
	CU_ASSERT_EQUAL(pki_key_delete(help_state, "K1", false, &context, &error), 0);
	CU_ASSERT_STRING_EQUAL(help_listing("keys/K1"), "lock ");
	CU_ASSERT_EQUAL(generate("K1", PKI_KEY_EC, PKI_USAGE_GENERAL, false, &error), 0);
}

/* ---- subject names ------------------------------------------------------------------------ */

static void test_subjects(void)
{
	static const struct {
		const char *text, *shown; /* NULL: refused */
	} rows[] = {
		{"CN=router1", "CN = router1"},
		{"cn=router1,o=Example", "CN = router1, O = Example"},
		{"CN = router1 , O = Example Inc ", "CN = router1, O = Example Inc"},
		{"CN=r1, OU=Lab+L=Here, O=E", "CN = r1, OU = Lab + L = Here, O = E"},
		{"CN=r1, O=Example\\, Inc.", "CN = r1, O = Example\\, Inc."},
		{"CN=r1, O=\"Example, Inc.\"", "CN = r1, O = Example\\, Inc."},
		{"CN=r\\c3\\b6uter", "CN = r\\C3\\B6uter"},
		{"OU=Spiral Dept., O=example.com", "OU = Spiral Dept., O = example.com"},
		{"hostname=r1.example.com", "unstructuredName = r1.example.com"},
		{"1.2.840.113549.1.9.2=r1", "unstructuredName = r1"},
		{"C=DE", "C = DE"},
		{"C=Germany", NULL},
		{"CN=", NULL},
		{"CN=\"x", NULL},
		{"CN=x\\", NULL},
		{"router1", NULL},
		{"XX=router1", NULL},
		{"CN=x,", NULL},
		{"=x", NULL},
		{"", NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pki_error error = {""};
		X509_NAME *name = X509_NAME_new();
		int result = pki_subject_parse(name, rows[i].text, &error);
		CU_ASSERT_EQUAL(result, rows[i].shown ? 0 : -1);
		char *shown = result ? NULL : pki_subject_text(name);
		if (shown)
			CU_ASSERT_STRING_EQUAL(shown, rows[i].shown);
		if (result)
			help_has(error.text, "subject_name", NULL);
		free(shown);
		X509_NAME_free(name);
	}
}

/* Encoded the other way round: the most specific part last (RFC 4514 2.1). */
static void test_subject_order(void)
{
	struct pki_error error;
	char line[128];
	X509_NAME *name = X509_NAME_new();
	CU_ASSERT_EQUAL(pki_subject_parse(name, "CN=a, OU=b+L=c, O=d", &error), 0);
	X509_NAME_oneline(name, line, sizeof line);
	CU_ASSERT_EQUAL(X509_NAME_entry_count(name), 4);
	help_has(line, "/O=d/", "/CN=a", NULL);
	CU_ASSERT(strstr(line, "/O=d") < strstr(line, "/CN=a"));
	X509_NAME_free(name);
}

/* ---- requests ----------------------------------------------------------------------------------
 */

static X509_REQ *request_make(const struct pki_trustpoint *trustpoint, EVP_PKEY *key,
	enum pki_purpose purpose, const struct pki_secret *password)
{
	struct pki_names names;
	struct pki_error error = {""};
	X509_REQ *request = NULL;
	if (pki_names_init(&names, trustpoint, &error) == 0)
		request = pki_request_make(trustpoint, &names, key, purpose, password, &error);
	if (!request)
		fprintf(stderr, "unexpected: %s\n", error.text);
	pki_names_done(&names);
	CU_ASSERT_PTR_NOT_NULL_FATAL(request);
	CU_ASSERT_EQUAL(X509_REQ_verify(request, key), 1);
	return request;
}

static char *request_text(X509_REQ *request)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	X509_REQ_print_ex(bio, request, XN_FLAG_ONELINE, 0);
	long len = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)len);
	BIO_free(bio);
	return text;
}

static void test_request_contents(void)
{
	static const char *const alts[] = {"www.example.net", "2001:db8::7"};
	struct pki_trustpoint trustpoint = help_trustpoint(PKI_METHOD_TERMINAL);
	struct pki_secret password = {.len = 6, .text = "s3cret"};
	trustpoint.subject_name = "CN=r1.example.org, O=Example";
	trustpoint.fqdn = "R1.example.com";
	trustpoint.ip_address = "192.0.2.1";
	trustpoint.serial_number = "C63EBBE9";
	trustpoint.alt_names = alts;
	trustpoint.alt_name_count = 2;
	trustpoint.hash = PKI_HASH_SHA384;
	X509_REQ *request = request_make(&trustpoint, help_ec(0), PKI_PURPOSE_GENERAL, &password);
	char *text = request_text(request);
	help_has(text, "O = Example, CN = r1.example.org", "serialNumber = C63EBBE9",
		"unstructuredAddress = 192.0.2.1", "unstructuredName = R1.example.com",
		"DNS:r1.example.com", "DNS:r1.example.org", "IP Address:192.0.2.1",
		"DNS:www.example.net", "IP Address:2001:DB8:0:0:0:0:0:7", "Digital Signature",
		"TLS Web Server Authentication", "challengePassword", "s3cret", "ecdsa-with-SHA384",
		NULL);
	CU_ASSERT_PTR_NULL(strstr(text, "Key Encipherment"));
	free(text);
	X509_REQ_free(request);
}

static void test_request_usages(void)
{
	static const struct {
		enum pki_purpose purpose;
		const char *has, *lacks;
	} rows[] = {
		{PKI_PURPOSE_GENERAL, "Digital Signature, Key Encipherment", "challengePassword"},
		{PKI_PURPOSE_SIGNATURE, "Digital Signature", "Key Encipherment"},
		{PKI_PURPOSE_ENCRYPTION, "Key Encipherment", "Digital Signature"},
	};
	struct pki_trustpoint trustpoint = help_trustpoint(PKI_METHOD_TERMINAL);
	trustpoint.hash = PKI_HASH_SHA512;
	for (size_t i = 0; i < 3; i++) {
		X509_REQ *request = request_make(&trustpoint, help_rsa(0), rows[i].purpose, NULL);
		char *text = request_text(request);
		help_has(text, "CN = router1.example.com", rows[i].has, "DNS:router1.example.com",
			"sha512WithRSAEncryption", NULL);
		CU_ASSERT_PTR_NULL(strstr(text, rows[i].lacks));
		CU_ASSERT_PTR_NULL(strstr(text, "DNS:router1,"));
		free(text);
		X509_REQ_free(request);
	}
}

/* With an umlaut it is no PrintableString any more, and its length is said. */
static void test_request_passwords(void)
{
	static const char *const passwords[] = {"x", "p\xc3\xa4ss@word", ""};
	struct pki_trustpoint trustpoint = help_trustpoint(PKI_METHOD_TERMINAL);
	for (size_t i = 0; i < 3; i++) {
		struct pki_secret password = {0};
		password.len = strlen(passwords[i]);
		strcpy(password.text, passwords[i]);
		X509_REQ *request =
			request_make(&trustpoint, help_ec(0), PKI_PURPOSE_GENERAL, &password);
		int index = X509_REQ_get_attr_by_NID(request, NID_pkcs9_challengePassword, -1);
		CU_ASSERT_EQUAL(index >= 0, password.len > 0);
		if (index >= 0) {
			const ASN1_TYPE *value =
				X509_ATTRIBUTE_get0_type(X509_REQ_get_attr(request, index), 0);
			CU_ASSERT_EQUAL(
				value->type, i == 0 ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING);
			CU_ASSERT_EQUAL(
				(size_t)ASN1_STRING_length(value->value.asn1_string), password.len);
		}
		X509_REQ_free(request);
	}
}

static void test_request_without_fqdn(void)
{
	struct pki_trustpoint trustpoint = help_trustpoint(PKI_METHOD_TERMINAL);
	trustpoint.fqdn = "none";
	X509_REQ *request = request_make(&trustpoint, help_ec(0), PKI_PURPOSE_GENERAL, NULL);
	char *text = request_text(request);
	CU_ASSERT_PTR_NULL(strstr(text, "DNS:"));
	CU_ASSERT_PTR_NULL(strstr(text, "unstructured"));
	free(text);
	X509_REQ_free(request);
}

/* ---- fingerprints
 * ---------------------------------------------------------------------------------- */

static void test_fingerprints(void)
{
	static const struct {
		const char *text, *complaint;
	} rows[] = {
		{"12EF53FA 355CD23E 12EF53FA 355CD23E 12EF53FA", NULL},
		{"12:ef:53:fa:35:5c:d2:3e:12:ef:53:fa:35:5c:d2:3e:12:ef:53:fa", NULL},
		{"12EF53FA355CD23E12EF53FA355CD23E12EF53FA355CD23E12EF53FA355CD23E", NULL},
		{"12EF53FA 355CD23E 12EF53FA 355CD23E", "MD5"},
		{"12EF53FA 355CD23E 12EF53FA 355CD23E 12EF53F", "must be"},
		{"12EF53FA 355CD23E 12EF53FA 355CD23E 12EF53FA 35", "must be"},
		{"xyz", "must be"},
		{"", "must be"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pki_fingerprint fingerprint;
		struct pki_error error = {""};
		int result = pki_fingerprint_parse(rows[i].text, &fingerprint, &error);
		CU_ASSERT_EQUAL(result, rows[i].complaint ? -1 : 0);
		if (result)
			help_has(error.text, rows[i].complaint, NULL);
	}
}

static void test_fingerprint_matches(void)
{
	struct help_recipe recipe = {.subject = "CN=x", .key = help_ec(0)};
	X509 *certificate = help_issue(&recipe);
	struct pki_fingerprint fingerprint;
	struct pki_error error;
	char text[PKI_FINGERPRINT_TEXT];
	CU_ASSERT_EQUAL(
		pki_fingerprint_parse(help_fingerprint(certificate), &fingerprint, &error), 0);
	CU_ASSERT(pki_fingerprint_matches(&fingerprint, certificate));
	pki_fingerprint_text(certificate, EVP_sha1(), text);
	CU_ASSERT_EQUAL(strlen(text), 44);
	CU_ASSERT_EQUAL(text[8], ' ');
	CU_ASSERT_EQUAL(pki_fingerprint_parse(text, &fingerprint, &error), 0);
	CU_ASSERT(pki_fingerprint_matches(&fingerprint, certificate));
	fingerprint.bytes[19] ^= 1;
	CU_ASSERT(!pki_fingerprint_matches(&fingerprint, certificate));
	X509_free(certificate);
}

static CU_TestInfo key_tests[] = {
	{"what may be made", test_key_rules},
	{"labels", test_labels},
	{"usage-keys", test_usage_keys},
	{"deleted with confirmation", test_delete},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo request_tests[] = {
	{"subject names", test_subjects},
	{"subject names are encoded last part first", test_subject_order},
	{"contents", test_request_contents},
	{"usages", test_request_usages},
	{"challenge passwords", test_request_passwords},
	{"without a name", test_request_without_fqdn},
	{"fingerprints", test_fingerprints},
	{"fingerprints match", test_fingerprint_matches},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo pki_request_suites[] = {
	{"pki keys", NULL, NULL, help_open, help_close, key_tests},
	{"pki requests", NULL, NULL, help_open, help_close, request_tests},
	CU_SUITE_INFO_NULL,
};
