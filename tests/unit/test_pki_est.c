/* pki/: EST answers, enrollment profiles and pasted certificates. */
#include "pki/bag.h"
#include "pki/base64.h"
#include "pki/est.h"
#include "pki/paste.h"
#include "pki/profile.h"
#include "tests/unit/pki_ca.h"

#include <CUnit/CUnit.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

extern CU_SuiteInfo pki_est_suites[];

static struct {
	EVP_PKEY *key, *other_key;
	X509 *ca, *issued, *issued_again, *issued_other;
	X509_REQ *request;
} fixture;

static struct pki_error error;

static void contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		printf("\n  \"%s\"\n  has no \"%s\"\n", text, part);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
}

static X509 *issue(const char *name, EVP_PKEY *key, long serial)
{
	return ca_issue(&(struct ca_issue){.name = name,
		.key = key,
		.issuer = fixture.ca,
		.issuer_key = fixture.other_key,
		.serial = serial});
}

static int suite_begin(void)
{
	fixture.key = ca_key("EC");
	fixture.other_key = ca_key("EC");
	fixture.ca = ca_issue(
		&(struct ca_issue){.name = "Test CA", .key = fixture.other_key, .is_ca = true});
	fixture.issued = issue("router1", fixture.key, 2);
	fixture.issued_again = issue("router1", fixture.key, 3);
	fixture.issued_other = issue("router2", fixture.other_key, 4);
	fixture.request = ca_request("router1", fixture.key, "s3cret");
	return 0;
}

static int suite_end(void)
{
	X509 *const certificates[] = {
		fixture.ca, fixture.issued, fixture.issued_again, fixture.issued_other};
	for (size_t i = 0; i < sizeof certificates / sizeof *certificates; i++)
		X509_free(certificates[i]);
	EVP_PKEY_free(fixture.key);
	EVP_PKEY_free(fixture.other_key);
	X509_REQ_free(fixture.request);
	return 0;
}

/* ---- base64 ---------------------------------------------------------------------- */

static void test_base64(void)
{
	static const struct {
		const char *text, *bytes;
		int result;
	} rows[] = {
		{"", "", 0},
		{"Zg==", "f", 0},
		{" Z m\r\n8\t= ", "fo", 0},
		{"Zm9v", "foo", 0},
		{"Zm9vYg==", "foob", 0},
		{"Zm9", NULL, -1},
		{"Zm=v", NULL, -1},
		{"Zg==Zg==", NULL, -1},
		{"====", NULL, -1},
		{"Z===", NULL, -1},
		{"Zm9v-", NULL, -1},
		{"Zm9\xc3", NULL, -1},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned char *bytes;
		size_t len;
		int result = pki_base64_decode(rows[i].text, strlen(rows[i].text), &bytes, &len);
		CU_ASSERT_EQUAL(result < 0, rows[i].result < 0);
		if (result == 0) {
			CU_ASSERT_EQUAL(len, strlen(rows[i].bytes));
			CU_ASSERT_STRING_EQUAL((char *)bytes, rows[i].bytes);
		}
		free(bytes);
	}
	char *text = pki_base64_encode("foob", 4);
	CU_ASSERT_STRING_EQUAL(text, "Zm9vYg==");
	free(text);
}

/* ---- EST --------------------------------------------------------------------------- */

static void test_est_url(void)
{
	static const struct {
		const char *base;
		enum pki_est_operation operation;
		const char *url;
	} rows[] = {
		{"https://ca.example.com", PKI_EST_CACERTS,
			"https://ca.example.com/.well-known/est/cacerts"},
		{"https://ca:8443/", PKI_EST_SIMPLEENROLL,
			"https://ca:8443/.well-known/est/simpleenroll"},
		{"https://[2001:db8::1]:8443/label1", PKI_EST_SIMPLEREENROLL,
			"https://[2001:db8::1]:8443/.well-known/est/label1/simplereenroll"},
		{"https://ca/.well-known/est/label1/", PKI_EST_SIMPLEENROLL,
			"https://ca/.well-known/est/label1/simpleenroll"},
		{"https://ca/.well-known/est", PKI_EST_CACERTS,
			"https://ca/.well-known/est/cacerts"},
	};
	char *url;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CU_ASSERT_EQUAL(pki_est_url(rows[i].base, rows[i].operation, &url, &error), 0);
		CU_ASSERT_STRING_EQUAL(url, rows[i].url);
		free(url);
	}
	CU_ASSERT_EQUAL(pki_est_url("http://ca", PKI_EST_CACERTS, &url, &error), -1);
	contains(error.text, "needs TLS");
	CU_ASSERT_EQUAL(pki_est_url("https://", PKI_EST_CACERTS, &url, &error), -1);
	contains(error.text, "https://HOST");
}

static void test_est_body(void)
{
	char *body;
	size_t len, der_len;
	unsigned char *der;
	CU_ASSERT_EQUAL_FATAL(pki_est_body(fixture.request, &body, &len, &error), 0);
	CU_ASSERT_EQUAL(strlen(body), len);
	CU_ASSERT_PTR_NULL(strpbrk(body, "\r\n"));
	CU_ASSERT_EQUAL_FATAL(pki_base64_decode(body, len, &der, &der_len), 0);
	const unsigned char *at = der;
	X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der_len);
	CU_ASSERT_PTR_NOT_NULL(request);
	X509_REQ_free(request);
	free(der);
	free(body);
}

static char url_text[] = "https://ca/.well-known/est/simpleenroll";
static char pkcs7_type[] = "application/pkcs7-mime; smime-type=certs-only";
static char pkcs7_bare[] = "application/pkcs7-mime";
static char html_type[] = "text/html";

/* Base64 in lines of `width` (0: in one), with `behind` further bytes. */
static char *bag_text_behind(X509 *const *certificates, size_t count, size_t width, size_t behind)
{
	size_t len, used = 0;
	unsigned char *bag = ca_bag(certificates, count, &len);
	bag = OPENSSL_realloc(bag, len + behind);
	memset(bag + len, 0, behind);
	len += behind;
	char *text = pki_base64_encode(bag, len), *lines = malloc(2 * strlen(text) + 1);
	for (size_t i = 0; text[i]; i++) {
		lines[used++] = text[i];
		if (width > 0 && i % width == width - 1)
			lines[used++] = '\n';
	}
	lines[used] = '\0';
	free(text);
	OPENSSL_free(bag);
	return lines;
}

static char *bag_text(X509 *const *certificates, size_t count, size_t width)
{
	return bag_text_behind(certificates, count, width, 0);
}

static struct pki_fetch_reply reply_of(long status, char *type, char *body)
{
	return (struct pki_fetch_reply){.status = status,
		.content_type = type,
		.body = body,
		.len = strlen(body),
		.url = url_text};
}

static void test_est_cacerts(void)
{
	for (size_t width = 0; width <= 64; width += 64) {
		char *body = bag_text(&fixture.ca, 1, width);
		struct pki_fetch_reply reply = reply_of(200, width ? pkcs7_type : pkcs7_bare, body);
		STACK_OF(X509) * found;
		CU_ASSERT_EQUAL(pki_est_parse_cacerts(&reply, &found, &error), 0);
		CU_ASSERT_EQUAL(sk_X509_num(found), 1);
		sk_X509_pop_free(found, X509_free);
		free(body);
	}
}

static void test_est_issued(void)
{
	X509 *const bag[] = {fixture.ca, fixture.issued};
	char *body = bag_text(bag, 2, 76);
	struct pki_fetch_reply reply = reply_of(200, pkcs7_type, body);
	struct pki_est_answer answer;
	CU_ASSERT_EQUAL(pki_est_parse_enroll(&reply, fixture.key, &answer, &error), PKI_EST_ISSUED);
	CU_ASSERT_EQUAL(X509_cmp(answer.certificate, fixture.issued), 0);
	CU_ASSERT_EQUAL(sk_X509_num(answer.extras), 1);
	pki_est_answer_done(&answer);
	free(body);
}

static void test_est_hostile(void)
{
	static char html[] = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body>";
	static char text[] = "no such \"label\"\r\n\xc3\xa4", empty[] = "";
	X509 *const two[] = {fixture.issued, fixture.issued_again};
	X509 *const other[] = {fixture.issued_other};
	char *bodies[] = {bag_text(&fixture.issued, 1, 0), bag_text(two, 2, 0),
		bag_text(other, 1, 0), bag_text(NULL, 0, 0),
		bag_text_behind(&fixture.issued, 1, 0, 3)};
	const struct {
		long status, retry_after;
		char *type, *body;
		enum pki_est_status result;
		const char *said;
	} rows[] = {
		{200, 0, html_type, html, PKI_EST_INVALID, "\"502 Bad Gateway nginx\""},
		{200, 0, html_type, bodies[0], PKI_EST_INVALID, "the type \"text/html\""},
		{200, 0, pkcs7_type, html, PKI_EST_INVALID, "not base64"},
		{200, 0, pkcs7_type, empty, PKI_EST_INVALID, "nothing"},
		{200, 0, pkcs7_type, bodies[1], PKI_EST_INVALID, "2 certificates for the key"},
		{200, 0, pkcs7_type, bodies[2], PKI_EST_INVALID, "/CN=router2"},
		{200, 0, pkcs7_type, bodies[3], PKI_EST_INVALID, "no certificate in it"},
		{200, 0, pkcs7_type, bodies[4], PKI_EST_INVALID, "behind its end"},
		{202, 120, html_type, empty, PKI_EST_WAIT, ""},
		{202, 0, html_type, empty, PKI_EST_INVALID, "Retry-After"},
		{204, 0, html_type, empty, PKI_EST_INVALID, "HTTP status 204"},
		{302, 0, html_type, empty, PKI_EST_INVALID, "redirects"},
		{400, 0, html_type, text, PKI_EST_REFUSED, "\"no such ?label? ??\""},
		{401, 0, html_type, empty, PKI_EST_REFUSED, "password"},
		{403, 0, html_type, empty, PKI_EST_REFUSED, "permit"},
		{404, 0, html_type, html, PKI_EST_REFUSED, "label"},
		{429, 7, html_type, empty, PKI_EST_BUSY, "Retry-After 7 s"},
		{500, 0, html_type, html, PKI_EST_BUSY, "HTTP status 500"},
		{503, 30, html_type, empty, PKI_EST_BUSY, "Retry-After 30 s"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pki_fetch_reply reply = reply_of(rows[i].status, rows[i].type, rows[i].body);
		struct pki_est_answer answer;
		memset(&error, 0, sizeof error);
		reply.retry_after = rows[i].retry_after;
		CU_ASSERT_EQUAL(
			pki_est_parse_enroll(&reply, fixture.key, &answer, &error), rows[i].result);
		CU_ASSERT_EQUAL(answer.retry_after, rows[i].retry_after);
		CU_ASSERT(!answer.certificate && !answer.extras);
		contains(error.text, rows[i].said);
		STACK_OF(X509) * found;
		if (rows[i].status != 200)
			CU_ASSERT_EQUAL(pki_est_parse_cacerts(&reply, &found, &error), -1);
	}
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		free(bodies[i]);
}

/* ---- profiles ------------------------------------------------------------------------ */

static struct pki_profile_values values_of(void)
{
	return (struct pki_profile_values){
		.request = fixture.request, .parameters = {"aaaa-bbbb-cccc", "5001", "a&b c\"%"}};
}

static int expand(const char *url, const char *command, struct pki_profile_http *http)
{
	struct pki_profile_values values = values_of();
	memset(&error, 0, sizeof error);
	return pki_profile_expand(&(struct pki_profile_template){.url = url, .command = command},
		&values, http, &error);
}

/* The two commands of the IOS guide's example. */
static void test_profile_guide(void)
{
	struct pki_profile_http http;
	CU_ASSERT_EQUAL_FATAL(expand("http://entrust:81", "GET /certs/cacert.der", &http), 0);
	CU_ASSERT_EQUAL(http.method, PKI_FETCH_GET);
	CU_ASSERT_STRING_EQUAL(http.url, "http://entrust:81/certs/cacert.der");
	CU_ASSERT_PTR_NULL(http.body);
	pki_profile_http_done(&http);

	CU_ASSERT_EQUAL_FATAL(expand("http://entrust:81/cda-cgi/clientcgi.exe",
				      "POST reference_number=$P2&authcode=$P1\n &retrievedAs=rawDER"
				      "&action=getServerCert&pkcs10Request=$REQ",
				      &http),
		0);
	CU_ASSERT_EQUAL(http.method, PKI_FETCH_POST);
	CU_ASSERT_STRING_EQUAL(http.url, "http://entrust:81/cda-cgi/clientcgi.exe");
	CU_ASSERT_STRING_EQUAL(http.content_type, "application/x-www-form-urlencoded");
	static const char start[] = "reference_number=5001&authcode=aaaa-bbbb-cccc&retrievedAs="
				    "rawDER&action=getServerCert&pkcs10Request=MII";
	CU_ASSERT_EQUAL(strncmp(http.body, start, sizeof start - 1 - 3), 0);
	CU_ASSERT_PTR_NULL(strpbrk(http.body, "+/ \r\n"));
	CU_ASSERT_EQUAL(http.len, strlen(http.body));
	struct pki_fetch_request request = {.timeout_seconds = 7};
	pki_profile_apply(&http, &request);
	CU_ASSERT_PTR_EQUAL(request.body, http.body);
	CU_ASSERT_EQUAL(request.timeout_seconds, 7);
	pki_profile_http_done(&http);
}

static void test_profile_request(void)
{
	struct pki_profile_http http;
	CU_ASSERT_EQUAL_FATAL(
		expand("https://ca/old?x=1",
			"POST /sign?id=$P3 HTTP/1.0\r\nContent-Type: text/plain\r\nX-Key: $P1\r\n"
			"Content-Length: 7\r\nAccept: */*\r\n\r\ncost $$5\nwith $P3 and $REQ\n",
			&http),
		0);
	CU_ASSERT_STRING_EQUAL(http.url, "https://ca/sign?id=a%26b%20c%22%25");
	CU_ASSERT_STRING_EQUAL(http.content_type, "text/plain");
	CU_ASSERT_STRING_EQUAL(http.accept, "*/*");
	CU_ASSERT_EQUAL(http.header_count, 1);
	CU_ASSERT_STRING_EQUAL(http.headers[0], "X-Key: aaaa-bbbb-cccc");
	CU_ASSERT_EQUAL(strncmp(http.body, "cost $5\nwith a&b c\"% and MI", 27), 0);
	pki_profile_http_done(&http);
	/* A value that begins with a dollar is a value all the same. */
	struct pki_profile_values values = {.parameters = {"$a&b= c"}};
	struct pki_profile_template step = {"http://ca", "POST pay=$$&word=$P1"};
	CU_ASSERT_EQUAL_FATAL(pki_profile_expand(&step, &values, &http, &error), 0);
	CU_ASSERT_STRING_EQUAL(http.body, "pay=$&word=%24a%26b%3D%20c");
	pki_profile_http_done(&http);
	CU_ASSERT_EQUAL_FATAL(expand("tftp://ca/ca.crt", NULL, &http), 0);
	CU_ASSERT_STRING_EQUAL(http.url, "tftp://ca/ca.crt");
	CU_ASSERT_EQUAL(http.method, PKI_FETCH_GET);
	pki_profile_http_done(&http);
}

static void test_profile_refused(void)
{
	static const struct {
		const char *url, *command, *said;
	} rows[] = {
		{"http://ca", "PUT /x", "\"PUT\" where GET or POST"},
		{"http://ca", "GET", ""},
		{"http://ca", "GET http://elsewhere/", "begin with /"},
		{"http://ca", "GET /$P9", "neither $REQ nor $P1"},
		{"http://ca", "GET /$P4", "no parameter 4"},
		{"http://ca", "GET /$", "neither"},
		{"http://ca", "POST /a HTTP/1.0\nno colon\n\n", "without a colon"},
		{"tftp://ca/x", "GET /a", "commands are for"},
		{"http://[zz/", "GET /a", "cannot be used"},
	};
	struct pki_profile_http http;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int result = expand(rows[i].url, rows[i].command, &http);
		CU_ASSERT_EQUAL(result, *rows[i].said ? -1 : 0);
		contains(error.text, rows[i].said);
		CU_ASSERT(result == 0 || !http.url);
		pki_profile_http_done(&http);
	}
	/* A parameter cannot begin another header, nor another request. */
	struct pki_profile_values values = {.parameters = {"a\r\nHost: evil"}};
	struct pki_profile_template step = {"http://ca", "GET /x HTTP/1.0\nX: $P1\n\n"};
	CU_ASSERT_EQUAL(pki_profile_expand(&step, &values, &http, &error), -1);
	contains(error.text, "control character");
	step.command = "GET /$REQ";
	CU_ASSERT_EQUAL(pki_profile_expand(&step, &values, &http, &error), -1);
	contains(error.text, "no request at this step");
}

/* ---- pasted --------------------------------------------------------------------------- */

static char *pem_of(X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *text;
	PEM_write_bio_X509(bio, certificate);
	long len = BIO_get_mem_data(bio, &data);
	text = strndup(data, (size_t)len);
	BIO_free(bio);
	return text;
}

static int paste(const void *data, size_t len, int count)
{
	STACK_OF(X509) * found;
	memset(&error, 0, sizeof error);
	int result = pki_paste_parse(data, len, "what was pasted", &found, &error);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	if (result == 0) {
		CU_ASSERT_EQUAL(sk_X509_num(found), count);
		CU_ASSERT_EQUAL(X509_cmp(sk_X509_value(found, 0), fixture.ca), 0);
	} else {
		CU_ASSERT_PTR_NULL(found);
	}
	sk_X509_pop_free(found, X509_free);
	return result;
}

static void test_paste(void)
{
	char *ca = pem_of(fixture.ca), *issued = pem_of(fixture.issued), *text;
	size_t len;
	CU_ASSERT_EQUAL(paste(ca, strlen(ca), 1), 0);
	/* Both, one of them twice, with chatter and a blank line, ended by quit. */
	int made = asprintf(
		&text, "router# show\n%s\n\nsubject=x\r\n%s%s\n  quit \nrest", ca, issued, ca);
	CU_ASSERT_EQUAL(paste(text, (size_t)made, 2), 0);
	free(text);
	/* Bare, with the lines of the PEM, and quit. */
	char *start = strchr(ca, '\n') + 1;
	len = (size_t)(strstr(ca, "-----END") - start);
	made = asprintf(&text, "\n %.*s\nquit\n", (int)len, start);
	CU_ASSERT_EQUAL(paste(text, (size_t)made, 1), 0);
	free(text);
	/* DER, PKCS#7 as DER and as base64. */
	unsigned char *der = NULL;
	int size = i2d_X509(fixture.ca, &der);
	CU_ASSERT_EQUAL(paste(der, (size_t)size, 1), 0);
	OPENSSL_free(der);
	X509 *const all[] = {fixture.ca, fixture.issued};
	der = ca_bag(all, 2, &len);
	CU_ASSERT_EQUAL(paste(der, len, 2), 0);
	OPENSSL_free(der);
	text = bag_text(all, 2, 64);
	CU_ASSERT_EQUAL(paste(text, strlen(text), 2), 0);
	char *armoured;
	made = asprintf(&armoured, "-----BEGIN PKCS7-----\n%s\n-----END PKCS7-----\n", text);
	CU_ASSERT_EQUAL(paste(armoured, (size_t)made, 2), 0);
	free(armoured);
	free(text);
	free(issued);
	free(ca);
}

static void test_paste_refused(void)
{
	char *ca = pem_of(fixture.ca);
	const struct {
		const char *text, *said;
	} rows[] = {
		{"", "nothing"},
		{"quit\n", "nothing"},
		{"hello", "the text \"hello\""},
		{"<html>no</html>", "HTML"},
		{"QUJD", "not a certificate but the text \"ABC\""},
		{"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n",
			"not a certificate"},
		{"-----BEGIN CERTIFICATE-----\nMII", "cannot be read"},
		{"-----BEGIN CERTIFICATE REQUEST-----\nQUJD\n-----END CERTIFICATE REQUEST-----\n",
			"no certificate"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CU_ASSERT_EQUAL(paste(rows[i].text, strlen(rows[i].text), 0), -1);
		contains(error.text, rows[i].said);
	}
	/* Cut off in the middle. */
	CU_ASSERT_EQUAL(paste(ca, strlen(ca) / 2, 0), -1);
	char *large = calloc(1, PKI_PASTE_LIMIT + 1);
	CU_ASSERT_EQUAL(paste(large, PKI_PASTE_LIMIT + 1, 0), -1);
	contains(error.text, "larger than the limit");
	free(large);
	free(ca);
}

static CU_TestInfo tests[] = {
	{"base64", test_base64},
	{"EST: URLs", test_est_url},
	{"EST: body", test_est_body},
	{"EST: cacerts", test_est_cacerts},
	{"EST: issued", test_est_issued},
	{"EST: hostile and refusing", test_est_hostile},
	{"profile: the guide's example", test_profile_guide},
	{"profile: a whole request", test_profile_request},
	{"profile: refused", test_profile_refused},
	{"paste", test_paste},
	{"paste: refused", test_paste_refused},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo pki_est_suites[] = {
	{"pki est", suite_begin, suite_end, NULL, NULL, tests},
	CU_SUITE_INFO_NULL,
};
