/*
 * The responder, judged by clients that others have written, before it judges ferrule.
 * micromdm's scepclient is not among them: it signs with a certificate of another name,
 * which RFC 8894 2.3 forbids and the responder refuses.
 */
#include "tests/e2e/harness.h"
#include "tests/e2e/process.h"
#include "tests/pki/ca.h"
#include "tests/pki/suites.h"
#include "tests/pki/tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUBJECT "CN=router1"
#define SECRET  "s3cret"

/* The files of one strongSwan run, all in the scratch directory. */
struct files {
	const char *key, *request, *certificate, *ca, *ra;
};

static struct files files_make(void)
{
	struct files files = {harness_path("key.pem"), harness_path("request.der"),
		harness_path("certificate.pem"), harness_path("got-ca.der"),
		harness_path("got-ra.der")};

	TOOL_EXPECT("openssl", "genrsa", "-out", files.key, "2048");
	TOOL_EXPECT("openssl", "req", "-new", "-key", files.key, "-subj", "/CN=router1", "-outform",
		"DER", "-out", files.request);
	return files;
}

/* `pki` writes the certificate to its standard output: the shell keeps that apart. */
static int strongswan(const char *arguments, char **output)
{
	char command[3000];

	snprintf(command, sizeof(command), "exec pki %s", arguments);
	return tool_run(WORDS("sh", "-c", command), output);
}

static void expect_verified(const struct ca *ca, const char *certificate)
{
	TOOL_EXPECT("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile",
		ca->root, "-untrusted", ca_file(ca, "intermediate.crt"), certificate);
}

/* ---- SCEP ---- */

static void expect_fetched(const struct ca *ca, const struct files *files, const char *path)
{
	char arguments[1000];
	char *output;

	snprintf(arguments, sizeof(arguments), "--scepca --url %s --caout %s --raout %s --force",
		ca_url(ca, path), files->ca, files->ra);
	if (EXPECT_EQUAL(strongswan(arguments, &output), 0)) {
		EXPECT_CONTAINS(output, "Test Root CA");
		if (strstr(path, "ra") != NULL)
			EXPECT_CONTAINS(output, "RA cert is trusted");
		if (strstr(path, "tier") != NULL)
			EXPECT_CONTAINS(output, "Sub CA cert is trusted");
	}
	free(output);
}

static void test_strongswan_reads_ca_certificates(void)
{
	static const char *const paths[] = {
		"scep", "scep/ra", "scep/ra-reversed", "scep/tier", "scep/tier,ra"};
	struct ca *ca = ca_start();
	struct files files;

	if (ca == NULL)
		return;
	files = files_make();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		expect_fetched(ca, &files, paths[i]);
	ca_stop(ca);
}

/*
 * With triple DES: strongSwan 5.9.8 finds no AES in any list of capabilities. `more` are
 * further arguments.
 */
static int strongswan_scep(const struct ca *ca, const struct files *files, const char *path,
	const char *more, char **output)
{
	bool ra = strstr(path, "ra") != NULL, tier = strstr(path, "tier") != NULL;
	const char *sign = tier ? "intermediate.crt" : "root.crt", *encrypt = sign;
	char arguments[2500];

	if (ra) {
		sign = tier ? "tier-sign.crt" : "ra-sign.crt";
		encrypt = tier ? "tier-encrypt.crt" : "ra-encrypt.crt";
	}
	snprintf(arguments, sizeof(arguments),
		"--scep --cipher des3 --url %s --in %s --dn " SUBJECT " --san router1.example.com "
		"--cacert-enc %s --cacert-sig %s --cacert %s --cacert %s --interval 1 "
		"--maxpolltime 20 --outform pem %s >%s",
		ca_url(ca, path), files->key, ca_file(ca, encrypt), ca_file(ca, sign), ca->root,
		ca_file(ca, "intermediate.crt"), more, files->certificate);
	return strongswan(arguments, output);
}

static void test_strongswan_enrolls_by_scep(void)
{
	static const char *const paths[] = {"scep", "scep/challenge", "scep/pending-1",
		"scep/pending-2", "scep/ra", "scep/tier", "scep/tier,ra", "scep/des3,sha1"};
	struct ca *ca = ca_start();
	struct files files;
	char *output;

	if (ca == NULL)
		return;
	files = files_make();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (EXPECT_EQUAL(
			    strongswan_scep(ca, &files, paths[i], "--password " SECRET, &output),
			    0))
			expect_verified(ca, files.certificate);
		free(output);
	}
	EXPECT_EQUAL(ca_count(ca, "type=\"20\"", "status=\"PENDING\""), 1);
	EXPECT_EQUAL(ca_count(ca, "challenge=\"" SECRET "\"", "type=\"19\""), 8);
	ca_stop(ca);
}

static void test_strongswan_renews_by_scep(void)
{
	struct ca *ca = ca_start();
	struct files old, files;
	char more[700];
	char *output;

	if (ca == NULL)
		return;
	old = files = files_make();
	EXPECT_EQUAL(strongswan_scep(ca, &old, "scep", "", &output), 0);
	free(output);
	files.key = harness_path("new-key.pem");
	files.certificate = harness_path("new-certificate.pem");
	TOOL_EXPECT("openssl", "genrsa", "-out", files.key, "2048");
	snprintf(more, sizeof(more), "--cert %s --key %s", old.certificate, old.key);
	if (EXPECT_EQUAL(strongswan_scep(ca, &files, "scep", more, &output), 0))
		expect_verified(ca, files.certificate);
	free(output);
	EXPECT_EQUAL(ca_count(ca, "type=\"17\"", "signer=\"issued\""), 1);
	ca_stop(ca);
}

/* What the responder's lies are to strongSwan: it checks less than ferrule has to. */
static void test_strongswan_refuses_lies(void)
{
	static const char *const paths[] = {"scep/fail-2,fail-text", "scep/unpinned",
		"scep/bad-signature", "scep/wrong-transaction", "scep/wrong-envelope", "scep/empty",
		"scep/html", "scep/http-500", "scep/reset", "scep/truncated"};
	struct ca *ca = ca_start();
	struct files files;
	char *output;

	if (ca == NULL)
		return;
	files = files_make();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (!EXPECT(strongswan_scep(ca, &files, paths[i], "", &output) != 0))
			fprintf(stderr, "accepted: %s\n", paths[i]);
		free(output);
	}
	ca_stop(ca);
}

/* ---- EST ---- */

static int strongswan_est(
	const struct ca *ca, const struct files *files, const char *more, char **output)
{
	char arguments[1500];

	snprintf(arguments, sizeof(arguments),
		"--est --url %s --in %s --cacert %s --interval 1 --maxpolltime 20 --outform pem %s "
		">%s",
		ca_url_tls(ca, ""), files->request, ca->root, more, files->certificate);
	return strongswan(arguments, output);
}

static void test_strongswan_reads_est_cacerts(void)
{
	struct ca *ca = ca_start();
	struct files files;
	char arguments[1000];
	char *output;

	if (ca == NULL)
		return;
	files = files_make();
	snprintf(arguments, sizeof(arguments), "--estca --url %s --cacert %s --caout %s --force",
		ca_url_tls(ca, ""), ca->root, files.ca);
	if (EXPECT_EQUAL(strongswan(arguments, &output), 0))
		EXPECT_CONTAINS(output, "Root CA equals trusted TLS Root CA");
	free(output);
	ca_stop(ca);
}

/* Base64 with newlines is not among these: strongSwan 5.9.8 cannot read it. */
static void test_strongswan_enrolls_by_est(void)
{
	static const struct {
		const char *modes, *more;
		int status;
	} table[] = {
		{"", "", 0},
		{"no-smime,cte", "", 0},
		{"tier", "", 0},
		{"wait-1", "", 0},
		{"basic", "--userpass est:" SECRET, 0},
		{"basic", "--userpass est:wrong", 1},
		{"need-cert", "", 1},
		{"empty", "", 1},
		{"html", "", 1},
		{"refuse", "", 1},
	};
	struct ca *ca = ca_start();
	struct files files;
	char *output;

	if (ca == NULL)
		return;
	files = files_make();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		ca_mode(ca, table[i].modes);
		if (EXPECT_EQUAL(
			    strongswan_est(ca, &files, table[i].more, &output), table[i].status) &&
			table[i].status == 0)
			expect_verified(ca, files.certificate);
		free(output);
	}
	EXPECT_EQUAL(ca_count(ca, "est ", "credentials=\"est:" SECRET "\""), 1);
	ca_stop(ca);
}

static void test_strongswan_renews_by_est(void)
{
	struct ca *ca = ca_start();
	struct files files;
	char more[700];
	char *output;

	if (ca == NULL)
		return;
	files = files_make();
	EXPECT_EQUAL(strongswan_est(ca, &files, "", &output), 0);
	free(output);
	snprintf(more, sizeof(more), "--cert %s --key %s", files.certificate, files.key);
	files.certificate = harness_path("new-certificate.pem");
	if (EXPECT_EQUAL(strongswan_est(ca, &files, more, &output), 0))
		expect_verified(ca, files.certificate);
	free(output);
	EXPECT_EQUAL(ca_count(ca, "simplereenroll", "client=\"/CN=router1\""), 1);
	ca_stop(ca);
}

/* ---- certmonger ---- */

/*
 * The daemon with a listening socket of its own instead of a message bus, and its state in
 * the scratch directory; it ends with the script that getcert is called from.
 */
static const char certmonger_format[] =
	"cd %s && mkdir -p $1 && cd $1 && mkdir -p requests cas config local tmp &&\n"
	"export CERTMONGER_REQUESTS_DIR=$PWD/requests CERTMONGER_CAS_DIR=$PWD/cas \\\n"
	"    CERTMONGER_CONFIG_DIR=$PWD/config CERTMONGER_LOCAL_CA_DIR=$PWD/local \\\n"
	"    CERTMONGER_TMPDIR=$PWD/tmp &&\n"
	"cat >script <<END\n"
	"getcert add-scep-ca -c T -u %s %s\n"
	"for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do\n"
	"    getcert list-cas -v -c T | grep -q 'SCEP CA\\|capabilities' && break; sleep 0.2\n"
	"done\n"
	"getcert request -w -c T -k $PWD/key.pem -f $PWD/certificate.pem -N " SUBJECT " \\\n"
	"    -D router1.example.com -L " SECRET " -I R1\n"
	"getcert list\n"
	"END\n"
	"exec timeout 25 certmonger -L -P $PWD/socket -n -c \"sh $PWD/script\"\n";

/* `more`: what it is told beforehand about the CA. */
static void expect_certmonger(
	const struct ca *ca, const char *name, const char *path, const char *more)
{
	char script[3500];
	char *output;
	const char *certificate = harness_path("%s/certificate.pem", name);

	snprintf(script, sizeof(script), certmonger_format, harness_scratch(), ca_url(ca, path),
		more);
	if (EXPECT_EQUAL(tool_run(WORDS("sh", "-c", script, "sh", name), &output), 0) &&
		EXPECT_CONTAINS(output, "MONITORING"))
		expect_verified(ca, certificate);
	free(output);
}

static void test_certmonger_enrolls(void)
{
	struct ca *ca = ca_start();
	char both[700];

	if (ca == NULL)
		return;
	harness_deadline_set(120);
	/* A CA that answers itself has to be named: certmonger trusts only what stands above an RA.
	 */
	snprintf(both, sizeof(both), "-r %s -N %s", ca->root, ca->root);
	expect_certmonger(ca, "ra", "scep/ra", "");
	expect_certmonger(ca, "single", "scep/challenge", both);
	EXPECT_EQUAL(ca_count(ca, "cipher=\"AES", "challenge=\"" SECRET "\""), 2);
	expect_certmonger(ca, "get", "scep/ra,caps-get", "");
	EXPECT(ca_count(ca, "scep method=\"GET\"", "status=\"SUCCESS\"") > 0);
	ca_stop(ca);
}

/* ---- curl and openssl ---- */

/* A shell pipeline on a URL: what it printed, expected to hold `part`. */
static void expect_piped(
	const struct ca *ca, const char *url, const char *pipeline, const char *part)
{
	char script[1500];
	char *output;

	snprintf(script, sizeof(script), "curl -sSf --noproxy '*' --cacert '%s' '%s' | %s",
		ca->root, url, pipeline);
	EXPECT_EQUAL(tool_run(WORDS("sh", "-c", script), &output), 0);
	EXPECT_CONTAINS(output, part);
	free(output);
}

static void test_next_ca_certificate(void)
{
	struct ca *ca = ca_start();

	if (ca == NULL)
		return;
	expect_piped(ca, ca_url(ca, "scep?operation=GetNextCACert"),
		keep("openssl cms -verify -inform DER -binary -purpose any -CAfile %s | openssl "
		     "pkcs7 "
		     "-inform DER -print_certs",
			ca->root),
		"CN = Test Root CA");
	ca_stop(ca);
}

static void test_est_as_openssl_sees_it(void)
{
	static const char certificates[] =
		"openssl base64 -d -A | openssl pkcs7 -inform DER -print_certs";
	static const char certificates_in_lines[] =
		"openssl base64 -d | openssl pkcs7 -inform DER -print_certs";
	struct ca *ca = ca_start();

	if (ca == NULL)
		return;
	expect_piped(ca, ca_url_tls(ca, ".well-known/est/cacerts"), certificates, "Test Root CA");
	expect_piped(ca, ca_url_tls(ca, ".well-known/est/tier,ra/cacerts"), certificates,
		"Test Issuing CA");
	expect_piped(ca, ca_url_tls(ca, ".well-known/est/newlines/cacerts"), certificates_in_lines,
		"Test Root CA");
	expect_piped(ca, ca_url_tls(ca, ".well-known/est/csrattrs"),
		"openssl base64 -d -A | openssl asn1parse -inform DER", "challengePassword");
	ca_stop(ca);
}

static void test_templates_as_openssl_sees_them(void)
{
	struct ca *ca = ca_start();

	if (ca == NULL)
		return;
	expect_piped(ca, ca_url(ca, "template/ca"), "openssl x509 -inform DER -noout -subject",
		"Test Root CA");
	expect_piped(
		ca, ca_url(ca, "template/pem/ca"), "openssl x509 -noout -subject", "Test Root CA");
	expect_piped(ca, ca_url(ca, "template/p7/ca"), "openssl pkcs7 -inform DER -print_certs",
		"Test Root CA");
	ca_stop(ca);
}

static CU_TestInfo strongswan_tests[] = {
	{"reads CA certificates by SCEP", test_strongswan_reads_ca_certificates},
	{"enrolls by SCEP", test_strongswan_enrolls_by_scep},
	{"renews by SCEP", test_strongswan_renews_by_scep},
	{"refuses lies", test_strongswan_refuses_lies},
	{"reads CA certificates by EST", test_strongswan_reads_est_cacerts},
	{"enrolls by EST", test_strongswan_enrolls_by_est},
	{"renews by EST", test_strongswan_renews_by_est},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo openssl_tests[] = {
	{"GetNextCACert", test_next_ca_certificate},
	{"EST", test_est_as_openssl_sees_it},
	{"templates", test_templates_as_openssl_sees_them},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo certmonger_tests[] = {
	{"enrolls by SCEP", test_certmonger_enrolls},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo clients_suites[] = {
	{"responder: strongSwan", NULL, NULL, harness_test_start, harness_test_end,
		strongswan_tests},
	{"responder: certmonger", NULL, NULL, harness_test_start, harness_test_end,
		certmonger_tests},
	{"responder: openssl", NULL, NULL, harness_test_start, harness_test_end, openssl_tests},
	CU_SUITE_INFO_NULL,
};
