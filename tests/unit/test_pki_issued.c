/* pki/: what a CA sends: which certificates are trusted, is the issued one what was asked for? */
#include "pki/authority.h"
#include "pki/issued.h"
#include "tests/unit/pki_help.h"

#include <CUnit/CUnit.h>
#include <openssl/x509v3.h>
#include <string.h>

extern CU_SuiteInfo pki_issued_suites[];

#define DAY 86400L

static struct help_ca ca;
static struct pki_names names;
static X509_REQ *request;
static STACK_OF(X509) * trusted, *untrusted;

static void setup(void)
{
	static const char *const alts[] = {"www.example.com"};
	struct pki_trustpoint trustpoint = help_trustpoint(PKI_METHOD_EST);
	struct pki_error error = {""};
	help_open();
	help_ca_init(&ca);
	trustpoint.subject_name = "CN=router1.example.com, O=Example";
	trustpoint.serial_number = "C63EBBE9";
	trustpoint.alt_names = alts;
	trustpoint.alt_name_count = 1;
	CU_ASSERT_EQUAL_FATAL(pki_names_init(&names, &trustpoint, &error), 0);
	request = pki_request_make(
		&trustpoint, &names, help_ec(0), PKI_PURPOSE_GENERAL, NULL, &error);
	trusted = sk_X509_new_null();
	untrusted = sk_X509_new_null();
	sk_X509_push(trusted, ca.root);
	sk_X509_push(untrusted, ca.certificate);
}

static void teardown(void)
{
	sk_X509_free(trusted);
	sk_X509_free(untrusted);
	X509_REQ_free(request);
	pki_names_done(&names);
	help_ca_done(&ca);
	help_close();
}

static struct help_recipe sound(void)
{
	return (struct help_recipe){
		.request = request, .issuer = ca.certificate, .issuer_key = ca.key};
}

/* Judges the recipe's certificate: `refused` and `warned` are words of it, or NULL. */
static void judge(const struct help_recipe *recipe, struct pki_issued_expected expected,
	const char *refused, const char *warned)
{
	struct pki_error error = {""}, warning = {""};
	STACK_OF(X509) *chain = NULL;
	X509 *certificate = help_issue(recipe);
	expected.names = &names;
	expected.trusted = trusted;
	expected.untrusted = untrusted;
	if (!expected.key)
		expected.key = help_ec(0);
	int result = pki_issued_check(certificate, &expected, &chain, &warning, &error);
	CU_ASSERT_EQUAL(result, refused ? -1 : 0);
	if (result && !refused)
		fprintf(stderr, "unexpected: %s\n", error.text);
	if (refused)
		help_has(error.text, refused, NULL);
	if (warned)
		help_has(warning.text, warned, NULL);
	else if (!refused)
		CU_ASSERT_STRING_EQUAL(warning.text, "");
	CU_ASSERT_EQUAL(chain != NULL, result == 0);
	sk_X509_pop_free(chain, X509_free);
	X509_free(certificate);
}

static const struct pki_issued_expected ordinary = {.purpose = PKI_PURPOSE_GENERAL};

static void test_sound(void)
{
	struct help_recipe recipe = sound();
	judge(&recipe, ordinary, NULL, NULL);
	recipe.subject = "C=US, CN=ROUTER1.example.com, serialNumber=C63EBBE9, OU=Added, O=Example";
	judge(&recipe, ordinary, NULL, NULL);
}

static void test_subjects(void)
{
	struct help_recipe recipe = sound();
	recipe.subject = "CN=somebody.else, O=Example, serialNumber=C63EBBE9";
	judge(&recipe, ordinary, "CN = somebody.else", NULL);
	recipe.subject = "CN=router1.example.com, serialNumber=C63EBBE9";
	judge(&recipe, ordinary, "another subject", NULL);
	recipe.subject = "CN=router1.example.com, O=Example";
	judge(&recipe, ordinary, NULL, "left out serialNumber from the subject name");
}

static void test_names(void)
{
	struct help_recipe recipe = sound();
	recipe.alts = "DNS:router1.example.com";
	judge(&recipe, ordinary, NULL, "left out DNS:www.example.com");
	recipe.alts = "DNS:other.example.com";
	judge(&recipe, ordinary, "other names", NULL);
	recipe.alts = NULL;
	recipe.no_alts = true;
	judge(&recipe, ordinary, NULL, "left out DNS:router1.example.com and others");
}

static void test_key(void)
{
	struct help_recipe recipe = sound();
	recipe.key = help_ec(1);
	judge(&recipe, ordinary, "for another key", NULL);
}

static void test_constraints(void)
{
	struct help_recipe recipe = sound();
	recipe.is_ca = true;
	recipe.usage = "critical,digitalSignature,keyCertSign";
	judge(&recipe, ordinary, "is one of a CA", NULL);
}

static void test_dates(void)
{
	struct help_recipe recipe = sound();
	recipe.from = 600;
	recipe.to = DAY;
	judge(&recipe, ordinary, "CA clock ahead", NULL);
	recipe.from = 120;
	judge(&recipe, ordinary, NULL, "CA clock ahead");
	recipe.from = -2 * DAY;
	recipe.to = -DAY;
	judge(&recipe, ordinary, "expired on", NULL);
}

static void test_issuers(void)
{
	struct help_recipe recipe = sound();
	recipe.hash = EVP_md5();
	judge(&recipe, ordinary, "signed with MD5", NULL);
	recipe = sound();
	recipe.issuer_key = help_rsa(2);
	judge(&recipe, ordinary, "does not lead to the CA certificate", NULL);
	recipe = sound();
	recipe.issuer = NULL;
	recipe.issuer_key = help_ec(0);
	judge(&recipe, ordinary, "does not lead to the CA certificate", NULL);
	recipe = sound();
	(void)sk_X509_pop(untrusted);
	judge(&recipe, ordinary, "authenticate the CA that issues, with its chain", NULL);
}

static void test_usages(void)
{
	struct help_recipe recipe = sound();
	struct pki_issued_expected expected = ordinary;
	recipe.extended = "clientAuth";
	judge(&recipe, expected, NULL, "lacks serverAuth");
	recipe.extended = NULL;
	recipe.usage = "keyAgreement";
	judge(&recipe, expected, NULL, "left out digitalSignature");
	expected.purpose = PKI_PURPOSE_ENCRYPTION;
	recipe.usage = "digitalSignature";
	judge(&recipe, expected, NULL, "left out keyEncipherment");
}

static void test_renewals(void)
{
	struct help_recipe recipe = sound();
	recipe.serial = 7;
	recipe.from = -60;
	recipe.to = DAY;
	X509 *old = help_issue(&recipe);
	struct pki_issued_expected expected = ordinary;
	expected.renewed = old;
	expected.same_key = true;
	judge(&recipe, expected, "the same serial number", NULL);
	recipe.to = 2 * DAY;
	judge(&recipe, expected, "the same serial number", NULL);
	recipe.serial = 8;
	judge(&recipe, expected, NULL, NULL);
	recipe.to = DAY - 100;
	judge(&recipe, expected, "ends no later", NULL);
	expected.same_key = false;
	judge(&recipe, expected, NULL, NULL);
	X509_free(old);
}

/* ---- chains ------------------------------------------------------------------------------- */

/* How many certificates are sent beside the leaf. */
static int chain_length(X509 *pinned, X509 *other)
{
	struct help_recipe recipe = sound();
	struct pki_error error = {""};
	X509 *leaf = help_issue(&recipe);
	STACK_OF(X509) *one = sk_X509_new_null(), *two = sk_X509_new_null();
	sk_X509_push(one, pinned);
	sk_X509_push(two, other);
	STACK_OF(X509) *chain = pki_authority_chain(leaf, one, two, time(NULL), &error);
	int count = chain ? sk_X509_num(chain) : -1;
	if (count > 0)
		CU_ASSERT_EQUAL(X509_cmp(sk_X509_value(chain, 0), ca.certificate), 0);
	sk_X509_pop_free(chain, X509_free);
	sk_X509_free(one);
	sk_X509_free(two);
	X509_free(leaf);
	return count;
}

static void test_chains(void)
{
	/* The root is not sent, the issuing CA is, whichever of them is trusted. */
	CU_ASSERT_EQUAL(chain_length(ca.root, ca.certificate), 1);
	CU_ASSERT_EQUAL(chain_length(ca.certificate, ca.root), 1);
	CU_ASSERT_EQUAL(chain_length(ca.certificate, ca.certificate), 1);
	CU_ASSERT_EQUAL(chain_length(ca.root, ca.root), -1);
}

/* ---- sorting -------------------------------------------------------------------------------- */

static STACK_OF(X509) * stack_of(X509 *a, X509 *b, X509 *c)
{
	STACK_OF(X509) *stack = sk_X509_new_null();
	sk_X509_push(stack, a);
	if (b)
		sk_X509_push(stack, b);
	if (c)
		sk_X509_push(stack, c);
	return stack;
}

static X509 *ra_make(void)
{
	struct help_recipe recipe = {.subject = "CN=RA",
		.key = help_rsa(2),
		.issuer = ca.certificate,
		.issuer_key = ca.key,
		.usage = "digitalSignature"};
	return help_issue(&recipe);
}

static void test_sorting(void)
{
	struct pki_fingerprint fingerprint;
	struct pki_authority out;
	struct pki_error error = {""};
	X509 *ra = ra_make();
	STACK_OF(X509) *all = stack_of(ra, ca.root, ca.certificate);

	/* Nothing said: the CA that issues; the root is only above. */
	CU_ASSERT_EQUAL(pki_authority_sort(all, NULL, 0, &out, &error), 0);
	CU_ASSERT_EQUAL(X509_cmp(out.pinned, ca.certificate), 0);
	CU_ASSERT_EQUAL(sk_X509_num(out.trusted), 1);
	CU_ASSERT_EQUAL(sk_X509_num(out.others), 2);
	CU_ASSERT_EQUAL(out.left_out, 0);
	pki_authority_done(&out);

	/* The root by its fingerprint: what it certified is trusted too. */
	CU_ASSERT_EQUAL(pki_fingerprint_parse(help_fingerprint(ca.root), &fingerprint, &error), 0);
	CU_ASSERT_EQUAL(pki_authority_sort(all, &fingerprint, 1, &out, &error), 0);
	CU_ASSERT_EQUAL(X509_cmp(out.pinned, ca.root), 0);
	CU_ASSERT_EQUAL(X509_cmp(sk_X509_value(out.trusted, 0), ca.root), 0);
	CU_ASSERT_EQUAL(sk_X509_num(out.trusted), 2);
	CU_ASSERT_EQUAL(sk_X509_num(out.others), 1);
	pki_authority_done(&out);

	/* An RA is no CA, whatever its fingerprint. */
	CU_ASSERT_EQUAL(pki_fingerprint_parse(help_fingerprint(ra), &fingerprint, &error), 0);
	CU_ASSERT_EQUAL(pki_authority_sort(all, &fingerprint, 1, &out, &error), -1);
	help_has(error.text, "none of a CA", NULL);
	fingerprint.bytes[0] ^= 1;
	CU_ASSERT_EQUAL(pki_authority_sort(all, &fingerprint, 1, &out, &error), -1);
	help_has(error.text, "does not match", "SHA-256", NULL);
	sk_X509_free(all);
	X509_free(ra);
}

static void test_sorting_strangers(void)
{
	struct pki_fingerprint fingerprint;
	struct pki_authority out;
	struct pki_error error = {""};
	struct help_recipe recipe = {.subject = "CN=Stranger", .key = help_rsa(2), .is_ca = true};
	X509 *stranger = help_issue(&recipe), *ra = ra_make();
	STACK_OF(X509) *all = stack_of(stranger, ca.certificate, ra);
	CU_ASSERT_EQUAL(pki_authority_sort(all, NULL, 0, &out, &error), -1);
	help_has(error.text, "several CAs", "fingerprint", NULL);
	CU_ASSERT_EQUAL(
		pki_fingerprint_parse(help_fingerprint(ca.certificate), &fingerprint, &error), 0);
	CU_ASSERT_EQUAL(pki_authority_sort(all, &fingerprint, 1, &out, &error), 0);
	CU_ASSERT_EQUAL(sk_X509_num(out.trusted), 1);
	CU_ASSERT_EQUAL(sk_X509_num(out.others), 1);
	CU_ASSERT_EQUAL(out.left_out, 1);
	pki_authority_done(&out);
	sk_X509_free(all);
	all = stack_of(ra, NULL, NULL);
	CU_ASSERT_EQUAL(pki_authority_sort(all, NULL, 0, &out, &error), -1);
	help_has(error.text, "no certificate of a CA", NULL);
	sk_X509_free(all);
	X509_free(stranger);
	X509_free(ra);
}

static CU_TestInfo tests[] = {
	{"as requested", test_sound},
	{"subjects", test_subjects},
	{"alternative names", test_names},
	{"keys", test_key},
	{"a CA's certificate for a device", test_constraints},
	{"dates", test_dates},
	{"issuers", test_issuers},
	{"usages", test_usages},
	{"renewals", test_renewals},
	{"chains to send", test_chains},
	{"a CA's certificates told apart", test_sorting},
	{"certificates of strangers", test_sorting_strangers},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo pki_issued_suites[] = {
	{"pki issued", NULL, NULL, setup, teardown, tests},
	CU_SUITE_INFO_NULL,
};
