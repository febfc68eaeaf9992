/* pki/: authenticate, enroll by each method, import, export, verify and show, without a network. */
#include "pki/pending.h"
#include "tests/unit/pki_help.h"

#include <CUnit/CUnit.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern CU_SuiteInfo pki_enroll_suites[];

static struct help_ca ca;
static struct help_server server;
static struct help_operator asked;
static struct pki_context context;
static struct pki_error error;

static void setup(void)
{
	help_open();
	help_ca_init(&ca);
	help_server_init(&server, &ca);
	asked = (struct help_operator){.answer = -1};
	context = help_context(&asked, &server);
	error = (struct pki_error){""};
}

static void teardown(void)
{
	help_server_done(&server);
	help_ca_done(&ca);
	help_close();
}

static void sound(int result)
{
	CU_ASSERT_EQUAL(result, 0);
	if (result)
		fprintf(stderr, "unexpected: %s\n", error.text);
}

/* ---- authenticate -------------------------------------------------------------------- */

static int authenticate(const struct pki_trustpoint *trustpoint, const char *fingerprint, bool yes)
{
	struct pki_authenticate_options options = {.fingerprint = fingerprint, .yes = yes};
	return pki_authenticate(trustpoint, &options, &context, &error);
}

static struct pki_trustpoint authenticated(enum pki_method method)
{
	struct pki_trustpoint trustpoint = help_trustpoint(method);
	char *pem = help_pem(ca.certificate, ca.root);
	asked.paste = pem;
	strcpy(server.file[0], pem);
	sound(authenticate(&trustpoint, help_fingerprint(ca.certificate), false));
	asked.paste = NULL;
	free(pem);
	asked.said[0] = '\0';
	return trustpoint;
}

/* Who answers, what they say or what is known beforehand, and what becomes of it. */
static void test_authenticate_decisions(void)
{
	struct pki_trustpoint trustpoint = help_trustpoint(PKI_METHOD_SCEP);
	char right[100], wrong[100];
	strcpy(right, help_fingerprint(ca.certificate));
	strcpy(wrong, help_fingerprint(ca.root));
	wrong[0] = wrong[0] == '0' ? '1' : '0';

	/* Nobody to ask: rejected, --yes or not, naming what answers. */
	CU_ASSERT_EQUAL(authenticate(&trustpoint, NULL, false), -1);
	CU_ASSERT_EQUAL(authenticate(&trustpoint, NULL, true), -1);
	help_has(error.text, "--fingerprint", NULL);
	help_has(asked.said, "Fingerprint MD5", "Fingerprint SHA1", "Fingerprint SHA256",
		"CN = Issuing CA", NULL);
	help_has(asked.asked, "Do you accept this certificate?", NULL);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "lock ");

	asked.answer = 0;
	CU_ASSERT_EQUAL(authenticate(&trustpoint, NULL, false), -1);
	help_has(error.text, "not accepted", NULL);
	CU_ASSERT_EQUAL(authenticate(&trustpoint, wrong, false), -1);
	help_has(error.text, "does not match", NULL);
	trustpoint.fingerprint = wrong;
	CU_ASSERT_EQUAL(authenticate(&trustpoint, right, false), -1);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "lock ");

	/* The operator accepts, or a fingerprint does in their place. */
	trustpoint.fingerprint = NULL;
	asked.answer = 1;
	asked.confirms = 0;
	sound(authenticate(&trustpoint, NULL, false));
	CU_ASSERT_EQUAL(asked.confirms, 1);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP/current"), "ca.pem others.pem ");
	trustpoint.fingerprint = right;
	asked.answer = -1;
	sound(authenticate(&trustpoint, NULL, false));
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 current lock ");
	help_has(asked.said, "fingerprints matched", "Trustpoint CA certificate accepted.", NULL);
}

static void test_authenticate_another_ca(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_SCEP);
	/* The root instead of the one it issued. */
	const char *root = help_fingerprint(ca.root);
	CU_ASSERT_EQUAL(authenticate(&trustpoint, root, false), -1);
	help_has(error.text, "--yes", NULL);
	asked.answer = 0;
	CU_ASSERT_EQUAL(authenticate(&trustpoint, root, false), -1);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 current lock ");
	asked.answer = -1;
	sound(authenticate(&trustpoint, root, true));
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 2 current lock ");
}

/* What cannot be written changes nothing: the key of a request above all. */
static void test_authenticate_keeps_pending(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_TERMINAL);
	struct pki_enroll_options options = {0};
	enum pki_enrolled enrolled;
	char *pem = help_pem(ca.root, NULL);
	sound(pki_enroll(&trustpoint, &options, &context, &enrolled, &error));
	help_write("trustpoints/TP/2", "", 0);
	asked.paste = pem;
	CU_ASSERT_EQUAL(authenticate(&trustpoint, help_fingerprint(ca.root), true), -1);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 2 current lock pending ");
	CU_ASSERT_EQUAL(unlink(help_path("trustpoints/TP/2")), 0);
	sound(authenticate(&trustpoint, help_fingerprint(ca.root), true));
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 2 current lock ");
	free(pem);
}

/* RFC 7030 3.2.3: what may be a secret is for a server that has been verified. */
static void test_authenticate_profile(void)
{
	static const struct {
		const char *command;
		bool unverified;
	} rows[] = {{"GET /ca", true}, {"GET /ca?code=$P1", false},
		{"GET /ca HTTP/1.0\nAuthorization: Basic eDp5\n\n", false}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pki_profile profile = {.name = "E",
			.authentication = {"https://ca", rows[i].command},
			.parameters = {{.value = "secret"}}};
		struct pki_trustpoint trustpoint = help_trustpoint(PKI_METHOD_PROFILE);
		trustpoint.profile = &profile;
		server.bootstrapped = false;
		(void)authenticate(&trustpoint, help_fingerprint(ca.root), false);
		CU_ASSERT_EQUAL(server.bootstrapped, rows[i].unverified);
	}
}

static void test_authenticate_by_each_method(void)
{
	static const enum pki_method methods[] = {
		PKI_METHOD_SCEP, PKI_METHOD_EST, PKI_METHOD_TERMINAL, PKI_METHOD_TFTP};
	static const char *const names[] = {"A", "B", "C", "D"};
	for (size_t i = 0; i < 4; i++) {
		struct pki_trustpoint trustpoint = help_trustpoint(methods[i]);
		char *pem = help_pem(ca.certificate, NULL);
		trustpoint.name = names[i];
		asked.paste = pem;
		strcpy(server.file[0], pem);
		sound(authenticate(&trustpoint, help_fingerprint(ca.certificate), false));
		if (methods[i] == PKI_METHOD_EST)
			CU_ASSERT(server.bootstrapped);
		free(pem);
	}
}

static void test_authenticate_refusals(void)
{
	struct pki_trustpoint trustpoint = help_trustpoint(PKI_METHOD_SELFSIGNED);
	CU_ASSERT_EQUAL(authenticate(&trustpoint, NULL, false), -1);
	help_has(error.text, "self-signed", NULL);
	trustpoint = help_trustpoint(PKI_METHOD_SCEP);
	trustpoint.ra = true;
	CU_ASSERT_EQUAL(authenticate(&trustpoint, NULL, false), -1);
	help_has(error.text, "no RA certificates", NULL);
	trustpoint.ra = false;
	CU_ASSERT_EQUAL(
		authenticate(&trustpoint, "67CB9DC0 13248A82 9BB2171E D11BECD4", false), -1);
	help_has(error.text, "MD5", NULL);
	server.mood = HELP_GARBAGE;
	CU_ASSERT_EQUAL(authenticate(&trustpoint, NULL, false), -1);
	server.mood = HELP_SILENT;
	CU_ASSERT_EQUAL(authenticate(&trustpoint, NULL, false), -1);
	help_has(error.text, "Connection refused", NULL);
	trustpoint = help_trustpoint(PKI_METHOD_TERMINAL);
	asked.paste = "quit\n";
	CU_ASSERT_EQUAL(authenticate(&trustpoint, NULL, false), -1);
}

/* ---- enroll -------------------------------------------------------------------------------- */

static int enroll(const struct pki_trustpoint *trustpoint, bool regenerate, bool replace)
{
	struct pki_enroll_options options = {.regenerate = regenerate, .replace = replace};
	enum pki_enrolled enrolled = PKI_ENROLLED_PENDING;
	int result = pki_enroll(trustpoint, &options, &context, &enrolled, &error);
	return result ? -1 : (int)enrolled;
}

/* The identity that a server would present. */
static struct pki_identity *identity_of(const struct pki_trustpoint *trustpoint)
{
	struct pki_identity *identity = NULL;
	sound(pki_identity_load(trustpoint, false, &identity, &error));
	CU_ASSERT_PTR_NOT_NULL_FATAL(identity);
	return identity;
}

static void check_identity(const struct pki_trustpoint *trustpoint)
{
	struct pki_identity *identity = identity_of(trustpoint);
	CU_ASSERT_EQUAL(sk_X509_num(pki_identity_chain(identity)), 1);
	CU_ASSERT_EQUAL(
		X509_cmp(sk_X509_value(pki_identity_chain(identity), 0), ca.certificate), 0);
	CU_ASSERT_PTR_NULL(pki_identity_warning(identity));
	CU_ASSERT(!pki_identity_is_stale(identity));
	pki_identity_unref(identity);
}

#define ENROLLED "ca.pem certificate.pem facts key.pem others.pem "

static void test_scep(void)
{
	struct pki_trustpoint trustpoint = help_trustpoint(PKI_METHOD_SCEP);
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), -1);
	help_has(error.text, "no CA certificate yet", "authenticate TP", NULL);
	trustpoint = authenticated(PKI_METHOD_SCEP);
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), -1);
	help_has(error.text, "--password-file", NULL);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 current lock ");
	asked.secret = "s3cret";
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	CU_ASSERT_STRING_EQUAL(server.password, "s3cret");
	CU_ASSERT_EQUAL(strlen(server.transaction), 64);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 2 current lock ");
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP/current"), ENROLLED);
	help_has(asked.said, "CN = router1.example.com", "RSA 2048", "successfully enrolled", NULL);
	check_identity(&trustpoint);
}

/* A renewal is signed with the certificate there is, and needs no password. */
static void test_scep_renewal(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_SCEP);
	asked.secret = "s3cret";
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	struct pki_identity *identity = identity_of(&trustpoint);
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), -1);
	help_has(error.text, "--replace", NULL);
	asked.secret = NULL;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, true), PKI_ENROLLED_CERTIFICATE);
	CU_ASSERT_EQUAL(server.renewals, 1);
	CU_ASSERT_STRING_EQUAL(server.password, "");
	CU_ASSERT(pki_identity_is_stale(identity));
	struct pki_identity *second = identity_of(&trustpoint);
	CU_ASSERT_EQUAL(EVP_PKEY_eq(pki_identity_key(identity), pki_identity_key(second)), 1);
	CU_ASSERT_EQUAL(enroll(&trustpoint, true, true), PKI_ENROLLED_CERTIFICATE);
	struct pki_identity *third = identity_of(&trustpoint);
	CU_ASSERT_EQUAL(server.renewals, 2);
	CU_ASSERT_EQUAL(EVP_PKEY_eq(pki_identity_key(third), pki_identity_key(second)), 0);
	server.mood = HELP_SAME_AGAIN;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, true), -1);
	help_has(error.text, "same serial number", NULL);
	server.without_renewal = true;
	server.mood = HELP_GRANT;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, true), -1);
	help_has(error.text, "--password-file", NULL);
	pki_identity_unref(identity);
	pki_identity_unref(second);
	pki_identity_unref(third);
}

static void test_scep_settings(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_SCEP);
	asked.secret = "s3cret";
	trustpoint.require_standard = true;
	trustpoint.renews_by_pkcsreq = true;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	asked.secret = NULL;
	server.without_renewal = true;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, true), PKI_ENROLLED_CERTIFICATE);
	CU_ASSERT_EQUAL(server.renewals, 0);
	CU_ASSERT_EQUAL(server.requests, 2);
	server.without_standard = true;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, true), -1);
	help_has(error.text, "SCEPStandard", NULL);
	trustpoint.require_standard = false;
	trustpoint.ra_fingerprint = "12EF53FA 355CD23E 12EF53FA 355CD23E 12EF53FA";
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, true), -1);
}

static void test_scep_pending(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_SCEP);
	asked.secret = "s3cret";
	asked.patience = 100;
	server.mood = HELP_PEND;
	server.pend = 3;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	CU_ASSERT_EQUAL(server.requests, 1);
	CU_ASSERT_EQUAL(server.polls, 3);
	CU_ASSERT_EQUAL(asked.waited, 120);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 2 current lock ");
}

/* What was begun goes on: same key, same transaction, no password, also after the count. */
static void test_scep_resumed(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_SCEP);
	char first[80];
	asked.secret = "s3cret";
	asked.patience = 100;
	server.mood = HELP_PEND;
	server.pend = 100;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_PENDING);
	CU_ASSERT_EQUAL(server.polls, trustpoint.retry_count);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP/pending"), "facts key.pem ");
	strcpy(first, server.transaction);
	asked.patience = 0;
	asked.secret = NULL;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_PENDING);
	CU_ASSERT_STRING_EQUAL(server.transaction, first);
	server.mood = HELP_SILENT;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), -1);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP/pending"), "facts key.pem ");
	/* A wrong certificate is not kept: the CA may correct itself. */
	server.mood = HELP_OTHER_SUBJECT;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), -1);
	help_has(error.text, "another subject", NULL);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP/pending"), "facts key.pem ");
	server.mood = HELP_GRANT;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	CU_ASSERT_STRING_EQUAL(server.transaction, first);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 2 current lock ");
	check_identity(&trustpoint);
}

/* While polling, a server that does not answer is asked again; a refusal ends it. */
static void test_scep_refused_later(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_SCEP);
	asked.secret = "";
	server.mood = HELP_PEND;
	server.pend = 100;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_PENDING);
	server.mood = HELP_REFUSE;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), -1);
	help_has(error.text, "not today", NULL);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 current lock ");
	/* Another key pair instead of the one that waits has to be agreed to. */
	server.mood = HELP_PEND;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_PENDING);
	CU_ASSERT_EQUAL(enroll(&trustpoint, true, false), -1);
	help_has(error.text, "--replace", NULL);
	server.mood = HELP_GRANT;
	CU_ASSERT_EQUAL(enroll(&trustpoint, true, true), PKI_ENROLLED_CERTIFICATE);
}

/* Each ends in one message, and the store is as it was. */
static void test_scep_bad_answers(void)
{
	static const struct {
		enum help_mood mood;
		const char *complaint;
	} rows[] = {
		{HELP_REFUSE, "not today"},
		{HELP_SILENT, "Connection refused"},
		{HELP_GARBAGE, "Service moved"},
		{HELP_OTHER_SUBJECT, "another subject"},
		{HELP_OTHER_KEY, "key"},
	};
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_SCEP);
	asked.secret = "s3cret";
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		server.mood = rows[i].mood;
		CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), -1);
		help_has(error.text, rows[i].complaint, NULL);
		CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 current lock ");
	}
}

static void test_scep_usage_keys(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_SCEP);
	trustpoint.usage = PKI_USAGE_KEYS;
	asked.secret = "";
	asked.patience = 100;
	server.mood = HELP_PEND;
	server.pend = 1;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	CU_ASSERT_EQUAL(server.requests, 2);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP/current"),
		"ca.pem certificate.pem encryption-certificate.pem encryption-key.pem facts "
		"key.pem "
		"others.pem ");
	struct pki_identity *identity = identity_of(&trustpoint);
	CU_ASSERT_EQUAL(
		X509_get_key_usage(pki_identity_certificate(identity)), KU_DIGITAL_SIGNATURE);
	pki_identity_unref(identity);
}

static void test_scep_needs_rsa(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_SCEP);
	trustpoint.key_type = PKI_KEY_EC;
	asked.secret = "";
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), -1);
	CU_ASSERT_EQUAL(server.requests, 0);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 current lock ");
}

static void test_est(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_EST);
	asked.secret = "s3cret";
	server.mood = HELP_PEND;
	server.pend = 2;
	asked.patience = 100;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	CU_ASSERT_EQUAL(server.requests, 3);
	CU_ASSERT_EQUAL(asked.waited, 7);
	CU_ASSERT_STRING_EQUAL(server.password, "s3cret");
	CU_ASSERT_STRING_EQUAL(server.username, "router1.example.com");
	check_identity(&trustpoint);
	/* The certificate is the password then. */
	asked.secret = NULL;
	CU_ASSERT_EQUAL(enroll(&trustpoint, true, true), PKI_ENROLLED_CERTIFICATE);
	CU_ASSERT_EQUAL(server.renewals, 1);
	CU_ASSERT_STRING_EQUAL(server.password, "");
	server.mood = HELP_REFUSE;
	CU_ASSERT_EQUAL(enroll(&trustpoint, true, true), -1);
	help_has(error.text, "403", "not today", NULL);
	check_identity(&trustpoint);
}

static void test_est_resumed(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_EST);
	asked.secret = "s3cret";
	server.mood = HELP_PEND;
	server.pend = 1;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_PENDING);
	CU_ASSERT_STRING_EQUAL(
		help_listing("trustpoints/TP/pending"), "facts key.pem request.pem ");
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 2 current lock ");
}

/* ---- by hand --------------------------------------------------------------------------------- */

static X509_REQ *request_in(const char *text)
{
	const char *at = strstr(text, "-----BEGIN CERTIFICATE REQUEST");
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	BIO *bio = BIO_new_mem_buf(at, -1);
	X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	BIO_free(bio);
	CU_ASSERT_PTR_NOT_NULL_FATAL(request);
	return request;
}

/* What the CA makes of a request that was shown; the caller frees it. */
static char *certificate_for(const char *text, const char *subject, const char *extended)
{
	struct help_recipe recipe = {.request = request_in(text),
		.issuer = ca.certificate,
		.issuer_key = ca.key,
		.subject = subject,
		.extended = extended};
	X509 *certificate = help_issue(&recipe);
	char *pem = help_pem(certificate, NULL);
	X509_free(certificate);
	X509_REQ_free(recipe.request);
	return pem;
}

static int import(const struct pki_trustpoint *trustpoint, const char *paste)
{
	struct pki_import_options options = {0};
	asked.paste = paste;
	int result = pki_import_certificate(trustpoint, &options, &context, &error);
	asked.paste = NULL;
	return result;
}

static void test_terminal(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_TERMINAL);
	CU_ASSERT_EQUAL(import(&trustpoint, "x"), -1);
	help_has(error.text, "has not asked for a certificate", NULL);
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_REQUEST);
	help_has(asked.said, "Certificate Request follows:", "import TP certificate", NULL);
	char *wrong = certificate_for(asked.said, "CN=somebody.else", NULL);
	char *right = certificate_for(asked.said, NULL, NULL);
	/* Asked again, it shows the very same request. */
	char *first = strdup(strstr(asked.said, "-----BEGIN"));
	asked.said[0] = '\0';
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_REQUEST);
	CU_ASSERT_EQUAL(strncmp(strstr(asked.said, "-----BEGIN"), first, 300), 0);
	free(first);
	CU_ASSERT_EQUAL(import(&trustpoint, wrong), -1);
	help_has(error.text, "another subject", NULL);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 current lock pending ");
	CU_ASSERT_STRING_EQUAL(
		help_listing("trustpoints/TP/pending"), "facts key.pem request.pem ");
	char *strange = help_pem(ca.root, NULL);
	CU_ASSERT_EQUAL(import(&trustpoint, strange), -1);
	help_has(error.text, "for another key", NULL);
	sound(import(&trustpoint, right));
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 2 current lock ");
	help_has(asked.said, "Router Certificate successfully imported", NULL);
	check_identity(&trustpoint);
	free(strange);
	free(wrong);
	free(right);
}

/* Two certificates, in whichever order they come. */
static void test_terminal_usage_keys(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_TERMINAL);
	trustpoint.usage = PKI_USAGE_KEYS;
	trustpoint.key_type = PKI_KEY_RSA;
	trustpoint.key_label = "K2";
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_REQUEST);
	help_has(asked.said, "Signature key certificate request",
		"Encryption key certificate request", NULL);
	char *signature = certificate_for(asked.said, NULL, NULL);
	char *encryption = certificate_for(strstr(asked.said, "Encryption key"), NULL, NULL);
	sound(import(&trustpoint, encryption));
	help_has(asked.said, "the other key is still to come", NULL);
	CU_ASSERT_EQUAL(import(&trustpoint, encryption), -1);
	sound(import(&trustpoint, signature));
	check_identity(&trustpoint);
	/* The labelled pair is in use now. */
	CU_ASSERT_EQUAL(pki_key_delete(help_state, "K2", true, &context, &error), -1);
	help_has(error.text, "in use by trustpoint TP", NULL);
	free(signature);
	free(encryption);
}

static void test_tftp(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_TFTP);
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_REQUEST);
	help_has(asked.said, "tftp://ca/router1.example.com.req", "Request Fingerprint SHA256",
		NULL);
	CU_ASSERT_EQUAL(import(&trustpoint, NULL), -1);
	char *pem = certificate_for(server.file[1], NULL, NULL);
	strcpy(server.file[2], pem);
	sound(import(&trustpoint, NULL));
	check_identity(&trustpoint);
	free(pem);
}

/* Taken with a warning, but no server can present it. */
static void test_not_for_servers(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_TERMINAL);
	struct pki_identity *identity = NULL;
	CU_ASSERT_EQUAL(pki_identity_load(&trustpoint, false, &identity, &error), -1);
	help_has(error.text, "no certificate yet", "ferrule pki enroll TP", NULL);
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_REQUEST);
	char *pem = certificate_for(asked.said, NULL, "clientAuth");
	sound(import(&trustpoint, pem));
	help_has(asked.said, "lacks serverAuth", NULL);
	CU_ASSERT_EQUAL(pki_identity_load(&trustpoint, false, &identity, &error), -1);
	help_has(error.text, "serverAuth", "RFC 5280", NULL);
	free(pem);
}

static void test_selfsigned(void)
{
	struct pki_trustpoint trustpoint = help_trustpoint(PKI_METHOD_SELFSIGNED);
	trustpoint.ip_address = "10.3.0.18";
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	struct pki_identity *identity = identity_of(&trustpoint);
	CU_ASSERT(!pki_identity_is_new(identity));
	CU_ASSERT_EQUAL(X509_check_ip_asc(pki_identity_certificate(identity), "10.3.0.18", 0), 1);
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), -1);
	help_has(error.text, "--replace", NULL);
	CU_ASSERT(!pki_identity_is_stale(identity));
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, true), PKI_ENROLLED_CERTIFICATE);
	CU_ASSERT(pki_identity_is_stale(identity));
	pki_identity_unref(identity);
}

/* As a crash leaves it behind between the switch and the end: nothing is in the way. */
static void test_done_but_pending(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_EST);
	struct pki_store store;
	struct pki_generation current;
	asked.secret = "";
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	sound(pki_store_open(&store, PKI_STORE_TRUSTPOINT, help_state, "TP", &error));
	sound(pki_store_lock(&store, &error));
	sound(pki_store_load(&store, &current, &error));
	struct pki_pending pending = {.keys = current};
	pending.keys.facts.requested = 1;
	pending.keys.facts.method = PKI_METHOD_EST;
	sound(pki_pending_save(&store, &pending, &error));
	sound(pki_pending_put(&store, &pending, PKI_PAIR_MAIN, &error));
	pki_store_close(&store);
	pki_generation_done(&current);
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), -1);
	help_has(error.text, "--replace", NULL);
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "1 2 current lock ");
	CU_ASSERT_EQUAL(enroll(&trustpoint, true, true), PKI_ENROLLED_CERTIFICATE);
}

static void test_two_at_once(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_TERMINAL);
	struct pki_store store;
	sound(pki_store_open(&store, PKI_STORE_TRUSTPOINT, help_state, "TP", &error));
	sound(pki_store_lock(&store, &error));
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), -1);
	help_has(error.text, "another ferrule command", NULL);
	pki_store_close(&store);
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_REQUEST);
}

/* ---- profiles
 * ------------------------------------------------------------------------------------ */

/* Another trustpoint's certificate signs the request of this one. */
static void test_profile_credential(void)
{
	struct pki_trustpoint first = authenticated(PKI_METHOD_SCEP);
	asked.secret = "s3cret";
	CU_ASSERT_EQUAL(enroll(&first, false, false), PKI_ENROLLED_CERTIFICATE);
	struct pki_profile profile = {.name = "E",
		.authentication = {"http://other", NULL},
		.enrollment = {"http://other", NULL},
		.credential = &first};
	struct pki_trustpoint second = help_trustpoint(PKI_METHOD_PROFILE);
	second.name = "TP2";
	second.key_type = PKI_KEY_RSA;
	second.profile = &profile;
	sound(authenticate(&second, help_fingerprint(ca.certificate), false));
	asked.secret = NULL;
	CU_ASSERT_EQUAL(enroll(&second, false, false), PKI_ENROLLED_CERTIFICATE);
	CU_ASSERT_STRING_EQUAL(server.password, "");
	check_identity(&second);
}

/* ---- export, import of PKCS#12, verify ----------------------------------------------------------
 */

static struct pki_trustpoint enrolled(bool exportable)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_EST);
	trustpoint.key_exportable = exportable;
	asked.secret = "s3cret-s3cret";
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	return trustpoint;
}

static int export(const struct pki_trustpoint *trustpoint, struct pki_export_options options,
	unsigned char **out, size_t *len)
{
	return pki_export(trustpoint, &options, &context, out, len, &error);
}

static void test_export_certificates(void)
{
	struct pki_trustpoint trustpoint = enrolled(false);
	unsigned char *data;
	size_t len;
	struct pki_export_options options = {.format = PKI_FORMAT_DER};
	sound(export(&trustpoint, options, &data, &len));
	const unsigned char *at = data;
	X509 *certificate = d2i_X509(NULL, &at, (long)len);
	CU_ASSERT_EQUAL(X509_cmp(certificate, server.last), 0);
	CU_ASSERT_PTR_EQUAL(at, data + len);
	X509_free(certificate);
	OPENSSL_free(data);

	options = (struct pki_export_options){.format = PKI_FORMAT_P7B, .chain = true};
	sound(export(&trustpoint, options, &data, &len));
	at = data;
	PKCS7 *bag = d2i_PKCS7(NULL, &at, (long)len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bag);
	CU_ASSERT_EQUAL(sk_X509_num(bag->d.sign->cert), 2);
	PKCS7_free(bag);
	OPENSSL_free(data);

	options = (struct pki_export_options){.format = PKI_FORMAT_PEM, .key = true};
	CU_ASSERT_EQUAL(export(&trustpoint, options, &data, &len), -1);
	help_has(error.text, "not exportable", NULL);
	options.format = PKI_FORMAT_DER;
	CU_ASSERT_EQUAL(export(&trustpoint, options, &data, &len), -1);
	help_has(error.text, "--key goes with pem and pkcs12", NULL);
}

/* With either encryption, and back in again. */
static void test_pkcs12(void)
{
	struct pki_trustpoint trustpoint = enrolled(true);
	struct pki_trustpoint other = help_trustpoint(PKI_METHOD_PKCS12);
	struct pki_import_options import = {.file = help_path("file.p12"), .replace = true};
	char path[512];
	strcpy(path, import.file);
	import.file = path;
	other.name = "TP2";
	for (int legacy = 0; legacy < 2; legacy++) {
		struct pki_export_options options = {
			.format = PKI_FORMAT_PKCS12, .key = true, .chain = true, .legacy = legacy};
		unsigned char *data;
		size_t len;
		asked.secret = "short";
		CU_ASSERT_EQUAL(export(&trustpoint, options, &data, &len), -1);
		asked.secret = "s3cret-s3cret";
		sound(export(&trustpoint, options, &data, &len));
		help_write("file.p12", data, len);
		OPENSSL_clear_free(data, len);
		asked.secret = "wrong";
		CU_ASSERT_EQUAL(pki_import_pkcs12(&other, &import, &context, &error), -1);
		help_has(error.text, "password", NULL);
		asked.secret = "s3cret-s3cret";
		sound(pki_import_pkcs12(&other, &import, &context, &error));
		check_identity(&other);
	}
	import.replace = false;
	CU_ASSERT_EQUAL(pki_import_pkcs12(&other, &import, &context, &error), -1);
	help_has(error.text, "--replace", NULL);
	other.fingerprint = "12EF53FA 355CD23E 12EF53FA 355CD23E 12EF53FA";
	import.replace = true;
	CU_ASSERT_EQUAL(pki_import_pkcs12(&other, &import, &context, &error), -1);
	help_has(error.text, "does not match", NULL);
	help_write("file.p12", "rubbish", 7);
	CU_ASSERT_EQUAL(pki_import_pkcs12(&other, &import, &context, &error), -1);
	help_has(error.text, "not a PKCS#12 file", NULL);
	check_identity(&other);
}

/* A MAC that takes hours to check, and none at all. */
static void test_pkcs12_hostile(void)
{
	struct pki_trustpoint other = help_trustpoint(PKI_METHOD_PKCS12);
	struct pki_import_options import = {.file = help_path("file.p12")};
	char path[512];
	import.file = strcpy(path, import.file);
	asked.secret = "s3cret-s3cret";
	for (int with_mac = 0; with_mac < 2; with_mac++) {
		PKCS12 *file = PKCS12_create(
			asked.secret, "x", ca.key, ca.certificate, NULL, 0, 0, 1, -1, 0);
		const ASN1_INTEGER *found;
		ASN1_INTEGER *iterations;
		unsigned char *der = NULL;
		if (with_mac) {
			PKCS12_set_mac(file, asked.secret, -1, NULL, 0, 2, NULL);
			PKCS12_get0_mac(NULL, NULL, NULL, &found, file);
			memcpy(&iterations, &found, sizeof iterations);
			ASN1_INTEGER_set(iterations, 2000000000);
		}
		int len = i2d_PKCS12(file, &der);
		help_write("file.p12", der, (size_t)len);
		CU_ASSERT_EQUAL(pki_import_pkcs12(&other, &import, &context, &error), -1);
		help_has(error.text, with_mac ? "iterations" : "no MAC", NULL);
		OPENSSL_free(der);
		PKCS12_free(file);
	}
	CU_ASSERT_STRING_EQUAL(help_listing("trustpoints/TP"), "lock ");
}

static void test_verify(void)
{
	struct pki_trustpoint trustpoint = enrolled(false);
	X509 *rows[] = {server.last, ca.certificate, ca.root};
	for (size_t i = 0; i < 3; i++) {
		char *pem = help_pem(rows[i], NULL);
		help_write("peer.pem", pem, strlen(pem));
		free(pem);
		int result = pki_verify(&trustpoint, help_path("peer.pem"), &context, &error);
		CU_ASSERT_EQUAL(result, i < 2 ? 0 : -1);
	}
	help_has(asked.said, "CN = router1.example.com: trusted", "itself is in its store", NULL);
	help_has(error.text, "CN = Root", "not trusted by trustpoint TP", NULL);
	/* A self-signed one is trusted as it is, without a chain. */
	struct pki_trustpoint pem = {.name = "P",
		.state_directory = help_state,
		.method = PKI_METHOD_PEM,
		.ca_file = help_path("peer.pem")};
	sound(pki_verify(&pem, help_path("peer.pem"), &context, &error));
}

/* ---- show
 * ------------------------------------------------------------------------------------------- */

static void test_show(void)
{
	struct pki_trustpoint trustpoints[2] = {enrolled(true)};
	struct pki_show_options options = {0};
	char *text;
	trustpoints[1] = help_trustpoint(PKI_METHOD_SELFSIGNED);
	trustpoints[1].name = "local";
	CU_ASSERT_EQUAL(enroll(&trustpoints[1], false, false), PKI_ENROLLED_CERTIFICATE);

	sound(pki_show_certificates(trustpoints, 2, &options, &text, &error));
	help_has(text, "Certificate\n  Status: Available\n  Certificate Serial Number (hex): ",
		"  Certificate Usage: General Purpose\n  Issuer:\n    CN = Issuing CA\n    O = "
		"Example\n",
		"  Subject:\n    Name: router1.example.com\n    CN = router1.example.com\n",
		"  Validity Date:\n    start date: ", "    end  date: ", "    renew date: ",
		"  Fingerprint SHA256: ", "  Associated Trustpoints: TP\n", "CA Certificate\n",
		"Router Self-Signed Certificate\n", "Associated Trustpoints: local\n", NULL);
	free(text);
	options.verbose = true;
	options.name = "TP";
	sound(pki_show_certificates(trustpoints, 2, &options, &text, &error));
	help_has(text, "Public Key: EC P-256", "Fingerprint MD5", "X509v3 Key Usage", NULL);
	CU_ASSERT_PTR_NULL(strstr(text, "Self-Signed"));
	free(text);
	options.name = "none";
	CU_ASSERT_EQUAL(pki_show_certificates(trustpoints, 2, &options, &text, &error), -1);

	options = (struct pki_show_options){.status = true};
	sound(pki_show_trustpoints(trustpoints, 2, &options, &text, &error));
	help_has(text,
		"Trustpoint TP:\n  Issuing CA certificate configured:\n    Subject Name:\n"
		"     CN = Issuing CA, O = Example\n    Fingerprint MD5: ",
		"  Router General Purpose certificate configured:\n",
		"  Last enrollment status: Granted\n  State:\n"
		"    Keys generated ............. Yes (General Purpose, exportable)\n"
		"    Issuing CA authenticated ....... Yes\n"
		"    Certificate request(s) ..... Yes\n",
		NULL);
	free(text);
	options.status = false;
	sound(pki_show_trustpoints(trustpoints, 2, &options, &text, &error));
	help_has(text, "Trustpoint TP:\n  Subject Name:\n    CN = Issuing CA\n",
		"Certificate configured.", "EST URL: https://ca",
		"Persistent self-signed certificate trust point", NULL);
	free(text);
	sound(pki_show_keys(help_state, trustpoints, 2, &options, &text, &error));
	help_has(text, "% Key pair was generated at: ",
		"Key name: TP\nKey type: EC P-256\n"
		" Usage: General Purpose Key\n Key is exportable.\nKey Data:\n  30593013 06072A86 ",
		"Key name: local\n", "Key is not exportable.", NULL);
	free(text);
	options.json = true;
	sound(pki_show_keys(help_state, trustpoints, 2, &options, &text, &error));
	help_has(text, "{\"keys\":[{\"made\":\"2", "\"name\":\"TP\"", "\"exportable\":true", NULL);
	free(text);
}

/* A name could clear the screen, or end what a program reads as JSON. */
static void test_show_printable(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_EST);
	struct pki_show_options options = {.verbose = true};
	char *text;
	trustpoint.subject_name = "CN=r\\1B[2J\\C2\\9B";
	asked.secret = "s3cret";
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_CERTIFICATE);
	for (int json = 0; json < 2; json++) {
		options.json = json;
		sound(pki_show_certificates(&trustpoint, 1, &options, &text, &error));
		for (char *at = text; *at; at++)
			CU_ASSERT(*at == '\n' || (*at >= ' ' && *at <= '~'));
		help_has(text, json ? "CN = r" : "Name: r?[2J??\n", NULL);
		free(text);
	}
}

static void test_show_pending(void)
{
	struct pki_trustpoint trustpoint = authenticated(PKI_METHOD_TERMINAL);
	struct pki_show_options options = {.status = true};
	char *text;
	CU_ASSERT_EQUAL(enroll(&trustpoint, false, false), PKI_ENROLLED_REQUEST);
	sound(pki_show_trustpoints(&trustpoint, 1, &options, &text, &error));
	help_has(text, "Last enrollment status: Requested", "Certificate request(s) ..... Pending",
		"Yes (General Purpose, non-exportable)", NULL);
	free(text);
	sound(pki_show_certificates(&trustpoint, 1, &options, &text, &error));
	help_has(text, "Status: Pending", NULL);
	free(text);
	/* A store that cannot be read says so, and the others are shown. */
	help_write("trustpoints/TP/current/ca.pem", "rubbish", 7);
	sound(pki_show_certificates(&trustpoint, 1, &options, &text, &error));
	help_has(text, "% Trustpoint TP: ", "ca.pem", NULL);
	free(text);
}

static CU_TestInfo authenticate_tests[] = {
	{"who decides", test_authenticate_decisions},
	{"another CA", test_authenticate_another_ca},
	{"a profile's secrets and unverified servers", test_authenticate_profile},
	{"another CA that cannot be written", test_authenticate_keeps_pending},
	{"by each method", test_authenticate_by_each_method},
	{"refusals", test_authenticate_refusals},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo enroll_tests[] = {
	{"SCEP", test_scep},
	{"SCEP renewal", test_scep_renewal},
	{"SCEP settings", test_scep_settings},
	{"SCEP pending", test_scep_pending},
	{"SCEP resumed", test_scep_resumed},
	{"SCEP refused later", test_scep_refused_later},
	{"SCEP bad answers", test_scep_bad_answers},
	{"SCEP usage-keys", test_scep_usage_keys},
	{"SCEP needs RSA", test_scep_needs_rsa},
	{"EST", test_est},
	{"EST resumed", test_est_resumed},
	{"terminal", test_terminal},
	{"terminal usage-keys", test_terminal_usage_keys},
	{"TFTP", test_tftp},
	{"not for servers", test_not_for_servers},
	{"self-signed", test_selfsigned},
	{"done, but for its end", test_done_but_pending},
	{"two at once", test_two_at_once},
	{"credential of a profile", test_profile_credential},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo copy_tests[] = {
	{"exported certificates", test_export_certificates},
	{"PKCS#12", test_pkcs12},
	{"a PKCS#12 file without a MAC, or with hours of work", test_pkcs12_hostile},
	{"verify", test_verify},
	{"show", test_show},
	{"show pki: nothing that is not printable", test_show_printable},
	{"show what is pending", test_show_pending},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo pki_enroll_suites[] = {
	{"pki authenticate", NULL, NULL, setup, teardown, authenticate_tests},
	{"pki enroll", NULL, NULL, setup, teardown, enroll_tests},
	{"pki copies", NULL, NULL, setup, teardown, copy_tests},
	CU_SUITE_INFO_NULL,
};
