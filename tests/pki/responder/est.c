#include "tests/pki/responder/est.h"
#include "tests/pki/responder/base64.h"
#include "tests/pki/responder/journal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/pem.h>

#define CREDENTIALS "est:s3cret"

/* ---- requests ---- */

/* A PKCS#10 in base64, with or without PEM's lines around it, or in DER. */
static X509_REQ *request_read(const unsigned char *body, size_t len)
{
	const unsigned char *next = body;
	BIO *text = BIO_new_mem_buf(body, (int)len);
	X509_REQ *request = d2i_X509_REQ(NULL, &next, (long)len);
	unsigned char *der = NULL;
	int decoded;

	if (request == NULL)
		request = PEM_read_bio_X509_REQ(text, NULL, NULL, NULL);
	if (request == NULL && (decoded = base64_decode((const char *)body, &der)) > 0) {
		next = der;
		request = d2i_X509_REQ(NULL, &next, decoded);
	}
	free(der);
	BIO_free(text);
	return request;
}

/* ---- answers ---- */

static void est_answer(struct exchange *exchange, const unsigned char *der, size_t len)
{
	const struct modes *modes = &exchange->modes;
	char *text = base64_encode(der, len, modes_has(modes, "newlines"));
	size_t text_len = text != NULL ? strlen(text) : 0;

	if (modes_has(modes, "truncated"))
		text_len /= 2;
	http_answer(exchange, 200,
		modes_has(modes, "no-smime") ? "application/pkcs7-mime"
					     : "application/pkcs7-mime; smime-type=certs-only",
		modes_has(modes, "cte") ? "Content-Transfer-Encoding: base64\r\n" : NULL, text,
		text_len);
	free(text);
}

static void est_answer_bag(struct exchange *exchange, STACK_OF(X509) * bag)
{
	unsigned char *der = NULL, *longer;
	int len = bag_encode(bag, &der);

	if (len > 0 && modes_has(&exchange->modes, "trailing") &&
		(longer = OPENSSL_realloc(der, (size_t)len + 9)) != NULL) {
		der = longer;
		memcpy(der + len, "trailing", 9);
		len += 8;
	}
	est_answer(exchange, der, len > 0 ? (size_t)len : 0);
	OPENSSL_free(der);
}

static void ca_certificates(const struct authority *authority, struct exchange *exchange)
{
	STACK_OF(X509) * bag;

	if (http_misbehave(exchange, "ca-"))
		return;
	bag = authority_bag(authority, &exchange->modes);
	est_answer_bag(exchange, bag);
	sk_X509_free(bag);
}

/* SEQUENCE { challengePassword }: RFC 7030, 4.5.2 */
static void attributes(const struct authority *authority, struct exchange *exchange)
{
	static const unsigned char der[] = {
		0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07};
	char *text;

	(void)authority;
	if (modes_has(&exchange->modes, "csrattrs-none")) {
		http_answer(exchange, 204, NULL, NULL, "", 0);
		return;
	}
	text = base64_encode(der, sizeof(der), false);
	http_answer(exchange, 200, "application/csrattrs", NULL, text, strlen(text));
	free(text);
}

/* ---- who asks ---- */

/* "user:password", "" when there is none. */
static void credentials(const struct exchange *exchange, char *out, size_t size)
{
	char field[512];
	unsigned char *decoded = NULL;
	int len;

	out[0] = '\0';
	if (!http_field(exchange, "Authorization", field, sizeof(field)) ||
		strncasecmp(field, "Basic ", 6) != 0)
		return;
	len = base64_decode(field + 6, &decoded);
	if (len > 0)
		snprintf(out, size, "%.*s", len, (const char *)decoded);
	free(decoded);
}

static bool is_allowed(const struct authority *authority, struct exchange *exchange,
	const char *given, bool needs_certificate)
{
	bool known = exchange->client != NULL &&
		     authority_vouches(authority, &exchange->modes, exchange->client);

	if (known || (!needs_certificate && (!modes_has(&exchange->modes, "basic") ||
						    strcmp(given, CREDENTIALS) == 0)))
		return true;
	if (needs_certificate)
		http_answer_text(exchange, 403, "a certificate of this CA is needed\n");
	else
		http_answer(exchange, 401, "text/plain",
			"WWW-Authenticate: Basic realm=\"est\"\r\n", "who are you?\n", 13);
	return false;
}

/* ---- 202 ---- */

/* How often the same request was told to wait. */
static bool has_to_wait(X509_REQ *request, long rounds)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static struct {
		unsigned char digest[32];
		long count;
	} seen[64];
	static size_t used;
	unsigned char digest[32];
	bool waits = false;

	if (rounds <= 0 || X509_REQ_digest(request, EVP_sha256(), digest, NULL) != 1)
		return false;
	pthread_mutex_lock(&mutex);
	for (size_t i = 0; i <= used && i < sizeof(seen) / sizeof(seen[0]); i++) {
		if (i == used) {
			memcpy(seen[i].digest, digest, sizeof(digest));
			used++;
		}
		if (memcmp(seen[i].digest, digest, sizeof(digest)) != 0)
			continue;
		waits = seen[i].count++ < rounds;
		break;
	}
	pthread_mutex_unlock(&mutex);
	return waits;
}

static void tell_to_wait(struct exchange *exchange, int status)
{
	char field[80] = "Retry-After: 1\r\n";
	time_t soon = time(NULL) + 2;
	struct tm parts;

	if (modes_has(&exchange->modes, "wait-date") && gmtime_r(&soon, &parts) != NULL)
		strftime(
			field, sizeof(field), "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
	http_answer(exchange, status, "text/plain", field, "later\n", 6);
}

/* ---- enrollment ---- */

static void enroll_log(const struct exchange *exchange, const char *event, const char *operation,
	const char *given, X509_REQ *request)
{
	char challenge[256] = "", type[128];
	char *subject = NULL, *client = NULL;

	http_field(exchange, "Content-Type", type, sizeof(type));
	if (request != NULL) {
		request_challenge(request, challenge, sizeof(challenge));
		subject = name_text(X509_REQ_get_subject_name(request));
	}
	if (exchange->client != NULL)
		client = name_text(X509_get_subject_name(exchange->client));
	journal(event, "operation", operation, "method", exchange->method, "type", type,
		"credentials", given, "client", client, "subject", subject, "challenge", challenge,
		"newlines",
		exchange->body != NULL && strchr((char *)exchange->body, '\n') != NULL ? "yes"
										       : "no",
		NULL);
	OPENSSL_free(subject);
	OPENSSL_free(client);
}

static void issue(const struct authority *authority, struct exchange *exchange, X509_REQ *request)
{
	STACK_OF(X509) *issued = authority_issue(authority, &exchange->modes,
		authority_issuer(authority, &exchange->modes), request, exchange->client);

	est_answer_bag(exchange, issued);
	sk_X509_pop_free(issued, X509_free);
}

static void enroll(
	const struct authority *authority, struct exchange *exchange, const char *operation)
{
	bool again = strcmp(operation, "simplereenroll") == 0;
	X509_REQ *request =
		exchange->body != NULL ? request_read(exchange->body, exchange->len) : NULL;
	char given[256];

	credentials(exchange, given, sizeof(given));
	enroll_log(exchange, "est", operation, given, request);
	if (!is_allowed(authority, exchange, given,
		    again || modes_has(&exchange->modes, "need-cert"))) {
		X509_REQ_free(request);
		return;
	}
	if (request == NULL || X509_REQ_verify(request, X509_REQ_get0_pubkey(request)) != 1)
		http_answer_text(exchange, 400, "not a PKCS#10 in base64\n");
	else if (again && X509_NAME_cmp(X509_REQ_get_subject_name(request),
				  X509_get_subject_name(exchange->client)) != 0)
		http_answer_text(exchange, 400, "a re-enrollment keeps its subject\n");
	else if (modes_has(&exchange->modes, "refuse"))
		http_answer_text(exchange, 403, "the registration desk is closed on Sundays\n");
	else if (modes_has(&exchange->modes, "busy"))
		tell_to_wait(exchange, 503);
	else if (has_to_wait(request, modes_number(&exchange->modes, "wait")))
		tell_to_wait(exchange, 202);
	else if (!http_misbehave(exchange, ""))
		issue(authority, exchange, request);
	X509_REQ_free(request);
}

void est_serve(const struct authority *authority, struct exchange *exchange, const char *operation)
{
	if (strcmp(operation, "cacerts") == 0)
		ca_certificates(authority, exchange);
	else if (strcmp(operation, "csrattrs") == 0)
		attributes(authority, exchange);
	else if (strcmp(operation, "simpleenroll") == 0 || strcmp(operation, "simplereenroll") == 0)
		enroll(authority, exchange, operation);
	else
		http_answer_text(exchange, 404, "no such operation\n");
}

/* ---- templates ---- */

static void template_answer(struct exchange *exchange, STACK_OF(X509) * certificates)
{
	const struct modes *modes = &exchange->modes;
	X509 *first = sk_X509_value(certificates, 0);
	BIO *out = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	char *text = NULL;
	long len;

	if (modes_has(modes, "pem")) {
		for (int i = 0; i < sk_X509_num(certificates); i++)
			PEM_write_bio_X509(out, sk_X509_value(certificates, i));
	} else {
		int encoded = modes_has(modes, "p7") || first == NULL
				      ? bag_encode(certificates, &der)
				      : i2d_X509(first, &der);

		if (encoded > 0 && modes_has(modes, "base64"))
			text = base64_encode(der, (size_t)encoded, true);
		if (text != NULL)
			BIO_puts(out, text);
		else
			BIO_write(out, der, encoded);
	}
	if (modes_has(modes, "trailing"))
		BIO_puts(out, "trailing");
	len = BIO_get_mem_data(out, &text);
	http_answer(exchange, 200, "application/octet-stream", NULL, text, (size_t)len);
	OPENSSL_free(der);
	BIO_free(out);
}

static void template_enroll(const struct authority *authority, struct exchange *exchange)
{
	const char *body = exchange->body != NULL ? (const char *)exchange->body : "";
	char *parameter = http_parameter(body, "pkcs10Request");
	const char *text = parameter != NULL ? parameter : body;
	X509_REQ *request = request_read(
		(const unsigned char *)text, parameter != NULL ? strlen(parameter) : exchange->len);
	STACK_OF(X509) * issued;

	enroll_log(exchange, "template", "enroll", body, request);
	if (!is_allowed(authority, exchange, "", modes_has(&exchange->modes, "need-cert"))) {
		journal("template", "refused", "certificate", NULL);
	} else if (request == NULL) {
		http_answer_text(exchange, 400, "no PKCS#10\n");
	} else if (modes_has(&exchange->modes, "refuse")) {
		http_answer_text(exchange, 403, "the registration desk is closed on Sundays\n");
	} else if (!http_misbehave(exchange, "")) {
		issued = authority_issue(authority, &exchange->modes,
			authority_issuer(authority, &exchange->modes), request, exchange->client);
		template_answer(exchange, issued);
		sk_X509_pop_free(issued, X509_free);
	}
	X509_REQ_free(request);
	free(parameter);
}

void template_serve(
	const struct authority *authority, struct exchange *exchange, const char *operation)
{
	STACK_OF(X509) * bag;

	if (strcmp(operation, "enroll") == 0) {
		template_enroll(authority, exchange);
	} else if (http_misbehave(exchange, "ca-")) {
		return;
	} else if (strcmp(operation, "ca") == 0) {
		bag = authority_bag(authority, &exchange->modes);
		template_answer(exchange, bag);
		sk_X509_free(bag);
	} else {
		http_answer_text(exchange, 404, "no such template\n");
	}
}
