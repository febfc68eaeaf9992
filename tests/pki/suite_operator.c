/* What an operator sees, answers and takes away: terminals, show, export, verify. */
#include "tests/e2e/harness.h"
#include "tests/pki/ca.h"
#include "tests/pki/device.h"
#include "tests/pki/suites.h"
#include "tests/pki/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- questions ---- */

/* As IOS writes them: groups of eight digits. */
static void group(const char *hex, char *out, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; hex[i] != '\0' && len + 2 < size; i++) {
		if (i > 0 && i % 8 == 0)
			out[len++] = ' ';
		out[len++] = hex[i];
	}
	out[len] = '\0';
}

static const char *trustpoint_unknown(const struct ca *ca)
{
	return keep("{ name = \"TP\"; enrollment: { method = \"scep\"; url = \"%s\"; };\n"
		    "  subject_name = \"CN=localhost\"; key: { type = \"rsa\"; }; }",
		ca_url(ca, "scep"));
}

/* Whoever answers as soon as he is asked finds out what is asked too soon. */
static const char *const slow_terminal[] = {"strace", "-qq", "-o", "/dev/null", "-E",
	"ASAN_OPTIONS=detect_leaks=0", "-e", "inject=ioctl:delay_enter=100000", NULL};

/* `ferrule WORDS… -c FILE` on a terminal, whose calls are slow to take effect. */
static struct terminal *device_terminal(const struct device *device, const char *const *words)
{
	const char *argv[24];
	size_t count = 0;

	for (; slow_terminal[count] != NULL; count++)
		argv[count] = slow_terminal[count];
	argv[count++] = harness_ferrule();
	while (*words != NULL && count < 21)
		argv[count++] = *words++;
	argv[count++] = "-c";
	argv[count++] = device->conf;
	argv[count] = NULL;
	return terminal_start(argv);
}

static void expect_fingerprints(const struct ca *ca, const char *text)
{
	static const char *const hashes[] = {"MD5", "SHA1", "SHA256"};

	for (size_t i = 0; i < 3; i++) {
		char hex[100], grouped[120];

		fingerprint_of(ca->root, hashes[i], hex, sizeof(hex));
		group(hex, grouped, sizeof(grouped));
		EXPECT_CONTAINS(text, grouped);
		EXPECT_CONTAINS(text, hashes[i]);
	}
}

static int authenticate_answering(
	const struct ca *ca, const struct device *device, const char *answer)
{
	struct terminal *terminal = device_terminal(device, WORDS("pki", "authenticate", "TP"));
	char *text;
	int status;

	if (terminal == NULL)
		return -1;
	if (terminal_wait(terminal, "accept this certificate"))
		terminal_type(terminal, answer);
	status = terminal_end(terminal, &text);
	expect_fingerprints(ca, text);
	free(text);
	return status;
}

static void test_terminal_asks(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	char *before, *after;

	if (ca == NULL)
		return;
	device = device_new(trustpoint_unknown(ca), NULL);
	before = device_snapshot(device);
	EXPECT_EQUAL(authenticate_answering(ca, device, "no\n"), 1);
	after = device_snapshot(device);
	EXPECT_TEXT(after, before);
	EXPECT_EQUAL(authenticate_answering(ca, device, "yes\n"), 0);
	free(before);
	free(after);
	device_free(device);
	ca_stop(ca);
}

/* Typed without echo, sent to the CA, kept nowhere. */
static void test_password_is_asked(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	struct terminal *terminal;
	char value[64];
	char *text;

	if (ca == NULL)
		return;
	device = device_new(trustpoint_scep(ca, "scep/challenge", "", ""), NULL);
	if (device_authenticate(device) &&
		(terminal = device_terminal(device, WORDS("pki", "enroll", "TP"))) != NULL) {
		if (terminal_wait(terminal, "Password:"))
			terminal_type(terminal, DEVICE_SECRET "\n");
		EXPECT_EQUAL(terminal_end(terminal, &text), 0);
		EXPECT(strstr(text, DEVICE_SECRET) == NULL);
		free(text);
		ca_last(ca, "scep", "challenge", value, sizeof(value));
		EXPECT_TEXT(value, DEVICE_SECRET);
		EXPECT_EQUAL(device_grep(device, DEVICE_SECRET), 0);
	}
	device_free(device);
	ca_stop(ca);
}

static void test_nobody_to_ask(void)
{
	struct ca *ca = ca_start();
	struct device *device;

	if (ca == NULL)
		return;
	device = device_new(trustpoint_unknown(ca), NULL);
	REFUSED(device, "fingerprint", "pki", "authenticate", "TP");
	DONE(device, "pki", "authenticate", "TP", "--fingerprint", ca->fingerprint);
	REFUSED(device, "--password-file", "pki", "enroll", "TP");
	device_enroll(device);
	REFUSED(device, "--replace", "pki", "enroll", "TP", "--password-file", device->secret);
	device_free(device);
	ca_stop(ca);
}

static void type_lines(struct terminal *terminal, const char *text)
{
	terminal_type(terminal, text);
	terminal_type(terminal, "quit\n");
}

static void test_paste(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	struct terminal *terminal;
	char *pem, *text;

	if (ca == NULL)
		return;
	device = device_new(keep("{ name = \"TP\"; enrollment: { method = \"terminal\"; };\n"
				 "  subject_name = \"CN=localhost\"; key: { type = \"ec\"; }; }"),
		NULL);
	pem = harness_file_read(ca->root, NULL);
	terminal = device_terminal(device, WORDS("pki", "authenticate", "TP"));
	if (pem != NULL && terminal != NULL) {
		terminal_wait(terminal, "certificate");
		type_lines(terminal, pem);
		if (terminal_wait(terminal, "accept this certificate"))
			terminal_type(terminal, "yes\n");
		EXPECT_EQUAL(terminal_end(terminal, &text), 0);
		free(text);
	}
	free(pem);
	device_free(device);
	ca_stop(ca);
}

/* A parameter of a profile, typed with an echo: it is no password. */
static void test_parameter_is_asked(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	struct terminal *terminal;
	char *text;

	if (ca == NULL)
		return;
	device = device_new(
		keep("{ name = \"TP\"; enrollment: { method = \"profile\"; profile = "
		     "\"E\"; }; fingerprint = \"%s\"; subject_name = \"CN=localhost\"; }",
			ca->fingerprint),
		keep("enrollment_profiles = ( { name = \"E\"; enrollment: { url = \"%s\"; command "
		     "= \"POST code=$P1&pkcs10Request=$REQ\"; };\n"
		     "  parameters = ( { prompt = \"Authorization code\"; } ); } );",
			ca_url(ca, "template/enroll")));
	DONE(device, "pki", "import", "TP", "ca", ca->root);
	REFUSED(device, "Authorization code", "pki", "enroll", "TP");
	terminal = device_terminal(device, WORDS("pki", "enroll", "TP"));
	if (terminal != NULL) {
		if (terminal_wait(terminal, "Authorization code"))
			terminal_type(terminal, "0815\n");
		EXPECT_EQUAL(terminal_end(terminal, &text), 0);
		EXPECT_EQUAL(ca_count(ca, "template ", "credentials=\"code=0815&"), 1);
		free(text);
	}
	device_free(device);
	ca_stop(ca);
}

static void test_key_delete(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	struct terminal *terminal;
	char *text;

	if (ca == NULL)
		return;
	device = device_new(trustpoint_scep(ca, "scep", "", ""), NULL);
	DONE(device, "pki", "key", "generate", "spare", "ec", "P-384");
	REFUSED(device, "--yes", "pki", "key", "delete", "spare");
	terminal = device_terminal(device, WORDS("pki", "key", "delete", "spare"));
	if (terminal != NULL) {
		if (terminal_wait(terminal, "?"))
			terminal_type(terminal, "no\n");
		EXPECT_EQUAL(terminal_end(terminal, &text), 1);
		free(text);
	}
	DONE(device, "pki", "key", "delete", "spare", "--yes");
	REFUSED(device, "spare", "pki", "key", "delete", "spare", "--yes");
	REFUSED(device, "DSA", "pki", "key", "generate", "old", "dsa", "2048");
	device_free(device);
	ca_stop(ca);
}

/* ---- show ---- */

static void expect_shown(
	const struct device *device, const char *const *words, const char *const *fields)
{
	char *output;

	EXPECT_EQUAL(device_run(device, words, &output), 0);
	for (; *fields != NULL; fields++)
		EXPECT_CONTAINS(output, *fields);
	free(output);
}

static void test_show(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	char grouped[120];

	if (ca == NULL)
		return;
	device = device_new(trustpoint_scep(ca, "scep/crl-dp", "", ""), NULL);
	expect_shown(device, WORDS("show", "pki", "trustpoints", "status"),
		WORDS("Trustpoint TP", "Issuing CA authenticated", "No"));
	device_authenticate(device);
	device_enroll(device);
	group(ca->fingerprint, grouped, sizeof(grouped));
	expect_shown(device, WORDS("show", "pki", "certificates"),
		WORDS("CA Certificate", "Status: Available", "Certificate Serial Number (hex)",
			"Certificate Usage: General Purpose",
			"Issuer:", "Subject:", "CN = Test Root CA", "CN = localhost",
			"CRL Distribution Point", "http://crl.example.com/root.crl",
			"Validity Date:", "start date:", "end", "Associated Trustpoints: TP"));
	expect_shown(device, WORDS("show", "pki", "certificates", "TP", "verbose"),
		WORDS("SHA256", "SHA1", "MD5", "RSA", "2048"));
	expect_shown(device, WORDS("show", "pki", "trustpoints", "status"),
		WORDS("Trustpoint TP", "Issuing CA certificate configured", grouped,
			"General Purpose certificate configured", "Last enrollment status: Granted",
			"State:", "Keys generated", "Yes (General Purpose, non-exportable)",
			"Issuing CA authenticated", "Certificate request(s)"));
	expect_shown(device, WORDS("show", "pki", "keys"), WORDS("RSA", "2048"));
	expect_shown(device, WORDS("show", "pki", "certificates", "--json"),
		WORDS("\"TP\"", "\"", "{", "}"));
	expect_shown(device, WORDS("show", "pki", "trustpoints", "status", "--json"),
		WORDS("\"TP\"", grouped));
	expect_shown(device, WORDS("show", "pki", "keys", "--json"), WORDS("2048"));
	device_free(device);
	ca_stop(ca);
}

/* ---- export ---- */

/* Eight characters at least, as IOS wants them. */
#define PASSPHRASE "correct horse"

static void expect_exports(const struct ca *ca, const struct device *device)
{
	const char *out = keep("%s/exported", harness_scratch());
	const char *root = ca->root;
	char *text;

	DONE(device, "pki", "export", "TP", "pem", "--out", out);
	TOOL_EXPECT("openssl", "verify", "-CAfile", root, "-untrusted",
		ca_file(ca, "intermediate.crt"), out);
	DONE(device, "pki", "export", "TP", "pem", "--chain", "--out", out);
	TOOL_EXPECT("openssl", "verify", "-CAfile", root, "-untrusted", out, out);
	DONE(device, "pki", "export", "TP", "der", "--out", out);
	TOOL_EXPECT("openssl", "verify", "-CAfile", root, "-untrusted",
		ca_file(ca, "intermediate.crt"), out);
	TOOL_EXPECT("openssl", "x509", "-inform", "DER", "-noout", "-in", out);
	DONE(device, "pki", "export", "TP", "p7b", "--chain", "--out", out);
	text = tool_output(WORDS("sh", "-c",
		"openssl pkcs7 -print_certs -in \"$1\" || openssl pkcs7 -inform DER -print_certs "
		"-in \"$1\"",
		"sh", out));
	EXPECT_CONTAINS(text, "CN = localhost");
	EXPECT_CONTAINS(text, "CN = Test Issuing CA");
	free(text);
	/* To standard output when no file is named. */
	EXPECT_EQUAL(device_run(device, WORDS("pki", "export", "TP", "pem"), &text), 0);
	EXPECT_CONTAINS(text, "-----BEGIN CERTIFICATE-----");
	free(text);
}

static void expect_key_exports(const struct ca *ca, const struct device *device)
{
	const char *out = keep("%s/exported-key", harness_scratch());
	const char *passphrase = harness_path("passphrase");
	static const char check[] =
		"openssl pkey -noout -check -in \"$1\" && test \"$(openssl pkey "
		"-pubout -in \"$1\")\" = \"$(openssl x509 -pubkey -noout -in "
		"\"$2\")\"";

	EXPECT(harness_file_write(passphrase, PASSPHRASE "\n", sizeof(PASSPHRASE)));
	DONE(device, "pki", "export", "TP", "pem", "--key", "--out", out);
	TOOL_EXPECT("sh", "-c", check, "sh", out, device_certificate(device, "TP"));
	TOOL_EXPECT("sh", "-c", "test \"$(stat -c %a \"$1\")\" = 600", "sh", out);
	TOOL_EXPECT("rm", out);
	REFUSED(device, "8", "pki", "export", "TP", "pkcs12", "--key", "--password-file",
		device->secret, "--out", out);
	DONE(device, "pki", "export", "TP", "pkcs12", "--key", "--chain", "--password-file",
		passphrase, "--out", out);
	TOOL_EXPECT("openssl", "pkcs12", "-in", out, "-passin", "pass:" PASSPHRASE, "-noout");
	TOOL_EXPECT("sh", "-c",
		"openssl pkcs12 -in \"$1\" -passin \"pass:$2\" -nodes -out \"$1.pem\" && openssl "
		"verify -CAfile \"$3\" -untrusted \"$1.pem\" \"$1.pem\"",
		"sh", out, PASSPHRASE, ca->root);
	TOOL_EXPECT("sh", "-c", check, "sh", keep("%s.pem", out), device_certificate(device, "TP"));
	TOOL_EXPECT("rm", out);
	DONE(device, "pki", "export", "TP", "pkcs12", "--key", "--legacy", "--password-file",
		passphrase, "--out", out);
	TOOL_EXPECT("openssl", "pkcs12", "-legacy", "-in", out, "-passin", "pass:" PASSPHRASE,
		"-noout");
}

static void test_export(void)
{
	struct ca *ca = ca_start();
	struct device *device;

	if (ca == NULL)
		return;
	device = device_new(
		keep("{ name = \"TP\"; enrollment: { method = \"scep\"; url = \"%s\"; };\n"
		     "  fingerprint = \"%s\"; subject_name = \"CN=localhost\";\n"
		     "  key: { type = \"rsa\"; exportable = true; }; }",
			ca_url(ca, "scep/tier"), ca->fingerprint),
		NULL);
	if (device_authenticate(device) && device_enroll(device)) {
		expect_exports(ca, device);
		expect_key_exports(ca, device);
	}
	device_free(device);
	ca_stop(ca);
}

static void test_key_that_is_not_exportable(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	const char *out = harness_path("key.pem");

	if (ca == NULL)
		return;
	device = device_new(trustpoint_scep(ca, "scep", "", ""), NULL);
	if (device_authenticate(device) && device_enroll(device)) {
		REFUSED(device, "exportable", "pki", "export", "TP", "pem", "--key", "--out", out);
		REFUSED(device, "exportable", "pki", "export", "TP", "pkcs12", "--key",
			"--password-file", device->secret, "--out", out);
		EXPECT(harness_file_read(out, NULL) == NULL);
	}
	device_free(device);
	ca_stop(ca);
}

static void test_verify(void)
{
	struct ca *ca = ca_start();
	struct device *device;

	if (ca == NULL)
		return;
	device = device_new(trustpoint_scep(ca, "scep", "", ""), NULL);
	device_authenticate(device);
	DONE(device, "pki", "verify", "TP", ca_file(ca, "tls.crt"));
	DONE(device, "pki", "verify", "TP", ca->root);
	REFUSED(device, "", "pki", "verify", "TP", ca_file(ca, "rogue-tls.crt"));
	REFUSED(device, "", "pki", "verify", "TP", ca_file(ca, "rogue.crt"));
	REFUSED(device, "", "pki", "verify", "TP", device->conf);
	device_free(device);
	ca_stop(ca);
}

/* The system's CA certificates, here of a file of ours. */
static void test_trust_pool(void)
{
	struct ca *ca = ca_start();
	struct device *device;

	if (ca == NULL)
		return;
	device = device_new(
		trustpoint_scep(ca, "scep", "", ""), keep("trustpool = \"%s\";", ca->root));
	DONE(device, "pki", "verify", "trustpool", ca_file(ca, "tls.crt"));
	REFUSED(device, "", "pki", "verify", "trustpool", ca_file(ca, "rogue-tls.crt"));
	device_free(device);
	ca_stop(ca);
}

static CU_TestInfo tests[] = {
	{"a terminal is asked for trust", test_terminal_asks},
	{"a password is asked for", test_password_is_asked},
	{"nobody to ask", test_nobody_to_ask},
	{"paste", test_paste},
	{"a parameter is asked for", test_parameter_is_asked},
	{"key delete", test_key_delete},
	{"show", test_show},
	{"export", test_export},
	{"a key that is not exportable", test_key_that_is_not_exportable},
	{"verify", test_verify},
	{"trust pool", test_trust_pool},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo operator_suites[] = {
	{"operator", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
