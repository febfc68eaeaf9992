/* Enrollment where others serve, and where people carry files. */
#include "tests/e2e/harness.h"
#include "tests/e2e/nginx.h"
#include "tests/pki/ca.h"
#include "tests/pki/device.h"
#include "tests/pki/namespace.h"
#include "tests/pki/peers.h"
#include "tests/pki/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- micromdm's scepserver ---- */

/* Single DES, and certificates for clients only. */
static void test_scepserver(void)
{
	static const char format[] =
		"{ name = \"TP\"; enrollment: { method = \"scep\"; url = "
		"\"http://127.0.0.1:%u/scep\"; "
		"%s };\n  fingerprint = \"%s\"; subject_name = \"CN=localhost\"; key: { type = "
		"\"rsa\"; }; }";
	struct peer *peer = peer_scepserver();
	struct device *device;
	char fingerprint[100];
	char *output;

	if (peer == NULL)
		return;
	fingerprint_of(
		keep("%s/ca.pem", peer->directory), "SHA256", fingerprint, sizeof(fingerprint));
	device = device_new(keep(format, peer->port, "", fingerprint), NULL);
	if (device_authenticate(device)) {
		REFUSED(device, "legacy_des", "pki", "enroll", "TP", "--password-file",
			device->secret);
		device_configure(
			device, keep(format, peer->port, "legacy_des = true;", fingerprint), NULL);
		REFUSED(device, "", "pki", "enroll", "TP", "--password-file", device->password);
		EXPECT_EQUAL(
			device_run(device,
				WORDS("pki", "enroll", "TP", "--password-file", device->secret),
				&output),
			0);
		EXPECT_CONTAINS(output, "warning");
		free(output);
		TOOL_EXPECT("openssl", "verify", "-CAfile", keep("%s/ca.pem", peer->directory),
			device_certificate(device, "TP"));
		REFUSED(device, "server", "check");
		EXPECT_EQUAL(device_grep(device, DEVICE_SECRET), 0);
	}
	device_free(device);
	peer_stop(peer);
}

/* ---- through a proxy ---- */

static unsigned count_in(const char *path, const char *text)
{
	char *log = harness_file_read(path, NULL);
	unsigned count = 0;

	for (const char *found = log; found != NULL && (found = strstr(found, text)) != NULL;
		found++)
		count++;
	free(log);
	return count;
}

static void test_http_proxy(void)
{
	struct ca *ca = ca_start();
	struct peer *proxy = peer_tinyproxy();
	struct device *device;

	if (ca != NULL && proxy != NULL) {
		device = device_new(
			trustpoint_scep(ca, "scep",
				keep("http_proxy = \"http://127.0.0.1:%u\";", proxy->port), ""),
			NULL);
		if (device_authenticate(device) && device_enroll(device))
			EXPECT(count_in(proxy->log, "PKIOperation") > 0);
		device_free(device);
	}
	peer_stop(proxy);
	ca_stop(ca);
}

/* An interface by its name, and one that is not there. */
static void test_source_interface(void)
{
	struct ca *ca = ca_start();
	struct device *device;

	if (ca == NULL)
		return;
	device = device_new(trustpoint_scep(ca, "scep", "source_interface = \"lo\";", ""), NULL);
	if (device_authenticate(device))
		device_enroll(device);
	device_configure(
		device, trustpoint_scep(ca, "scep", "source_interface = \"absent7\";", ""), NULL);
	REFUSED(device, "absent7", "pki", "authenticate", "TP");
	device_free(device);
	ca_stop(ca);
}

/* ---- a request that somebody signs ---- */

/* What an administrator does with a request. */
static bool request_sign(const struct ca *ca, const char *request, const char *certificate)
{
	const char *extensions = keep("%s/extensions.cnf", harness_scratch());
	static const char text[] = "extendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n";

	return EXPECT(harness_file_write(extensions, text, sizeof(text) - 1)) &&
	       TOOL_EXPECT("openssl", "x509", "-req", "-in", request, "-CA", ca->root, "-CAkey",
		       ca_file(ca, "root.key"), "-copy_extensions", "copyall", "-extfile",
		       extensions, "-days", "10", "-out", certificate);
}

/* The PEM request within what was printed. */
static bool request_extract(const char *printed, const char *path)
{
	const char *begin = strstr(printed, "-----BEGIN CERTIFICATE REQUEST-----");
	const char *end = strstr(printed, "-----END CERTIFICATE REQUEST-----");

	return EXPECT(begin != NULL && end != NULL) &&
	       EXPECT(harness_file_write(path, begin, (size_t)(end - begin) + 34));
}

static const char *trustpoint_by_hand(
	const struct ca *ca, const char *method, const char *url, const char *more)
{
	return keep("{ name = \"TP\"; enrollment: { method = \"%s\"; %s%s%s };\n"
		    "  fingerprint = \"%s\"; subject_name = \"CN=localhost,O=Example\";\n"
		    "  key: { type = \"ec\"; curve = \"P-384\"; }; %s }",
		method, url != NULL ? "url = \"" : "", url != NULL ? url : "",
		url != NULL ? "\";" : "", ca->fingerprint, more);
}

static void test_terminal(void)
{
	struct ca *ca = ca_start();
	const char *request = harness_path("request.pem");
	const char *certificate = harness_path("certificate.pem");
	struct device *device;
	char *output, *pem;

	if (ca == NULL)
		return;
	device = device_new(trustpoint_by_hand(ca, "terminal", NULL, ""), NULL);
	pem = harness_file_read(ca->root, NULL);
	EXPECT_EQUAL(device_run_with(device, WORDS("pki", "authenticate", "TP"), pem, &output), 0);
	free(output);
	EXPECT_EQUAL(device_run(device, WORDS("pki", "enroll", "TP"), &output), 0);
	if (request_extract(output, request) && request_sign(ca, request, certificate)) {
		DONE(device, "pki", "import", "TP", "certificate", certificate);
		TOOL_EXPECT(
			"openssl", "verify", "-CAfile", ca->root, device_certificate(device, "TP"));
		if (device_start(device))
			device_serves(device, ca->root);
	}
	free(output);
	free(pem);
	device_free(device);
	ca_stop(ca);
}

/* A certificate that is for another request, and one of another CA. */
static void test_wrong_certificate_is_not_imported(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	char *before, *after;

	if (ca == NULL)
		return;
	device = device_new(trustpoint_by_hand(ca, "terminal", NULL, ""), NULL);
	DONE(device, "pki", "import", "TP", "ca", ca->root);
	DONE(device, "pki", "enroll", "TP");
	before = device_snapshot(device);
	REFUSED(device, "key", "pki", "import", "TP", "certificate", ca_file(ca, "tls.crt"));
	REFUSED(device, "", "pki", "import", "TP", "certificate", ca_file(ca, "rogue-tls.crt"));
	REFUSED(device, "", "pki", "import", "TP", "certificate", device->conf);
	REFUSED(device, "fingerprint", "pki", "import", "TP", "ca", ca_file(ca, "rogue.crt"));
	after = device_snapshot(device);
	EXPECT_TEXT(after, before);
	free(before);
	free(after);
	device_free(device);
	ca_stop(ca);
}

/* BASE.ca, BASE.req and BASE.crt, on a server or in a directory. */
static void expect_files(const struct ca *ca, const char *method, const char *url, const char *base)
{
	struct device *device = device_new(trustpoint_by_hand(ca, method, url, ""), NULL);

	TOOL_EXPECT("cp", ca->root, keep("%s.ca", base));
	if (device_authenticate(device)) {
		DONE(device, "pki", "enroll", "TP");
		TOOL_EXPECT("openssl", "req", "-verify", "-noout", "-in", keep("%s.req", base));
		if (request_sign(ca, keep("%s.req", base), keep("%s.crt", base)) &&
			DONE(device, "pki", "import", "TP", "certificate") && device_start(device))
			device_serves(device, ca->root);
	}
	device_free(device);
}

static void test_tftp(void)
{
	struct ca *ca = ca_start();
	struct peer *peer = peer_tftpd();

	if (ca != NULL && peer != NULL)
		expect_files(ca, "tftp",
			keep("tftp://" NAMESPACE_ADDRESS ":%u/router1", peer->port),
			keep("%s/router1", peer->directory));
	peer_stop(peer);
	ca_stop(ca);
}

/* A server that is not there ends in a message, and soon. */
static void test_tftp_server_is_absent(void)
{
	struct ca *ca = ca_start();
	struct device *device;

	if (ca == NULL)
		return;
	harness_deadline_set(90);
	device = device_new(
		trustpoint_by_hand(ca, "tftp", "tftp://" NAMESPACE_ADDRESS ":9/router1", ""), NULL);
	REFUSED(device, "tftp", "pki", "authenticate", "TP");
	device_free(device);
	ca_stop(ca);
}

static void test_file(void)
{
	struct ca *ca = ca_start();
	const char *directory = harness_path("exchange");

	if (ca == NULL)
		return;
	EXPECT(mkdir(directory, 0755) == 0);
	expect_files(
		ca, "file", keep("file://%s/router1", directory), keep("%s/router1", directory));
	ca_stop(ca);
}

/* ---- HTTP templates ---- */

static const char profile_format[] =
	"enrollment_profiles = ( { name = \"E\";\n"
	"  authentication: { url = \"%s\"; command = \"GET /root.der\"; };\n"
	"  enrollment: { url = \"%s\"; command = \"POST "
	"reference_number=$P2&authcode=$P1&pkcs10Request=$REQ\"; };\n"
	"  reenrollment: { url = \"%s\"; command = \"POST renew=1&pkcs10Request=$REQ\"; };\n"
	"  parameters = ( \"aa&a\", \"5001\" ); } );\n";

/* nginx serves the CA certificate, the responder takes the request. */
static void test_profile(void)
{
	static const char *const forms[] = {"", "pem/", "p7/", "base64/"};
	struct ca *ca = ca_start();
	struct nginx *nginx = nginx_start();
	struct device *device = NULL;
	char text[2400];

	if (ca == NULL || nginx == NULL)
		return;
	TOOL_EXPECT("openssl", "x509", "-in", ca->root, "-outform", "DER", "-out",
		keep("%s/root.der", nginx->root));
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const char *url = ca_url(ca, keep("template/%senroll", forms[i]));

		snprintf(text, sizeof(text), profile_format, keep("http://%s/", nginx->address),
			url, url);
		device = device_new(keep("{ name = \"TP\"; enrollment: { method = \"profile\"; "
					 "profile = \"E\"; }; fingerprint = \"%s\"; "
					 "subject_name = \"CN=localhost\"; }",
					    ca->fingerprint),
			text);
		ca_forget(ca);
		if (device_authenticate(device) && DONE(device, "pki", "enroll", "TP"))
			EXPECT_EQUAL(ca_count(ca, "template ",
					     "credentials=\"reference_number=5001&authcode=aa%26a"),
				1);
		DONE(device, "pki", "enroll", "TP", "--replace");
		EXPECT_EQUAL(ca_count(ca, "template ", "credentials=\"renew=1"), 1);
		if (i == 0 && device_start(device))
			device_serves(device, ca->root);
		device_free(device);
	}
	nginx_stop(nginx);
	ca_stop(ca);
}

static void test_profile_refused(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	char text[2400];
	const char *url;

	if (ca == NULL)
		return;
	url = ca_url(ca, "template/enroll");
	snprintf(text, sizeof(text), profile_format, ca_url(ca, "template/ca"), url, url);
	device = device_new(
		keep("{ name = \"TP\"; enrollment: { method = \"profile\"; profile = "
		     "\"E\"; }; fingerprint = \"%s\"; subject_name = \"CN=localhost\"; }",
			ca->fingerprint),
		text);
	/* Its own GET is of no use here: the path would be nginx's. */
	DONE(device, "pki", "import", "TP", "ca", ca->root);
	ca_mode(ca, "refuse");
	REFUSED(device, "closed on Sundays", "pki", "enroll", "TP");
	ca_mode(ca, "other-key");
	REFUSED(device, "key", "pki", "enroll", "TP");
	ca_mode(ca, "html");
	REFUSED(device, "Captive portal", "pki", "enroll", "TP");
	device_free(device);
	ca_stop(ca);
}

/* ---- another trustpoint's certificate as the credential ---- */

/* As the manufacturer has built it in: of a CA that nobody else here trusts. */
static const char *trustpoint_vendor(const struct ca *ca)
{
	return keep("{ name = \"VENDOR\"; enrollment: { method = \"pem\"; };\n"
		    "  files: { certificate = \"%s\"; key = \"%s\"; }; }",
		ca_file(ca, "rogue-tls.crt"), ca_file(ca, "rogue-tls.key"));
}

static void expect_credential(const struct ca *ca, const char *url, const char *command)
{
	struct device *device = device_new(
		keep("{ name = \"TP\"; enrollment: { method = \"profile\"; profile = \"E\"; };\n"
		     "  fingerprint = \"%s\"; subject_name = \"CN=localhost\"; key: { type = "
		     "\"rsa\"; }; },\n%s",
			ca->fingerprint, trustpoint_vendor(ca)),
		keep("enrollment_profiles = ( { name = \"E\"; credential = \"VENDOR\";\n"
		     "  enrollment: { url = \"%s\"; command = \"%s\"; }; } );",
			url, command));

	if (DONE(device, "pki", "import", "TP", "ca", ca->root) &&
		DONE(device, "pki", "enroll", "TP", "--password-file", device->password) &&
		device_start(device))
		device_serves(device, ca->root);
	device_free(device);
}

static void test_credential(void)
{
	struct ca *ca = ca_start();

	if (ca == NULL)
		return;
	expect_credential(ca, ca_url(ca, "scep/credential"), "");
	EXPECT_EQUAL(ca_count(ca, "scep ", "signer=\"issued\""), 1);
	expect_credential(ca, ca_url_tls(ca, "template/credential,need-cert/enroll"),
		"POST pkcs10Request=$REQ");
	EXPECT_EQUAL(ca_count(ca, "template ", "client=\"/O=Ferrule Test/CN=localhost\""), 1);
	ca_stop(ca);
}

/* ---- PKCS#12 ---- */

static void expect_pkcs12(const struct ca *ca, const char *file)
{
	struct device *device =
		device_new("{ name = \"TP\"; enrollment: { method = \"pkcs12\"; }; }", NULL);

	REFUSED(device, "password", "pki", "import", "TP", "pkcs12", file, "--password-file",
		device->password);
	if (DONE(device, "pki", "import", "TP", "pkcs12", file, "--password-file",
		    device->secret) &&
		device_start(device))
		device_serves(device, ca->root);
	EXPECT_EQUAL(device_grep(device, DEVICE_SECRET), 0);
	device_free(device);
}

static void test_pkcs12(void)
{
	struct ca *ca = ca_start();
	const char *modern = harness_path("modern.p12"), *legacy = harness_path("legacy.p12");

	if (ca == NULL)
		return;
	TOOL_EXPECT("openssl", "pkcs12", "-export", "-in", ca_file(ca, "tls.crt"), "-inkey",
		ca_file(ca, "tls.key"), "-certfile", ca->root, "-passout", "pass:" DEVICE_SECRET,
		"-out", modern);
	TOOL_EXPECT("openssl", "pkcs12", "-export", "-legacy", "-in", ca_file(ca, "tls.crt"),
		"-inkey", ca_file(ca, "tls.key"), "-certfile", ca->root, "-passout",
		"pass:" DEVICE_SECRET, "-out", legacy);
	expect_pkcs12(ca, modern);
	expect_pkcs12(ca, legacy);
	ca_stop(ca);
}

/* ---- two key pairs ---- */

static void test_usage_keys(void)
{
	struct ca *ca = ca_start();
	struct device *device;
	char *output;

	if (ca == NULL)
		return;
	device = device_new(
		keep("{ name = \"TP\"; enrollment: { method = \"scep\"; url = \"%s\"; };\n"
		     "  fingerprint = \"%s\"; subject_name = \"CN=localhost\";\n"
		     "  key: { type = \"rsa\"; usage = \"usage-keys\"; }; }",
			ca_url(ca, "scep"), ca->fingerprint),
		NULL);
	if (device_authenticate(device) && device_enroll(device)) {
		EXPECT_EQUAL(ca_count(ca, "scep ", "status=\"SUCCESS\""), 2);
		EXPECT_EQUAL(device_run(device, WORDS("show", "pki", "certificates"), &output), 0);
		EXPECT_CONTAINS(output, "Signature");
		EXPECT_CONTAINS(output, "Encryption");
		free(output);
		if (device_start(device))
			device_serves(device, ca->root);
	}
	device_free(device);
	ca_stop(ca);
}

static CU_TestInfo tests[] = {
	{"micromdm scepserver", test_scepserver},
	{"HTTP proxy", test_http_proxy},
	{"source interface", test_source_interface},
	{"terminal", test_terminal},
	{"wrong certificate is not imported", test_wrong_certificate_is_not_imported},
	{"TFTP", test_tftp},
	{"TFTP server is absent", test_tftp_server_is_absent},
	{"file", test_file},
	{"HTTP templates", test_profile},
	{"HTTP templates: refusals", test_profile_refused},
	{"credential of another trustpoint", test_credential},
	{"PKCS#12", test_pkcs12},
	{"usage-keys", test_usage_keys},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo methods_suites[] = {
	{"methods", NULL, NULL, harness_test_start, harness_test_end, tests},
	CU_SUITE_INFO_NULL,
};
