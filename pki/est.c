#include "pki/est.h"
#include "pki/answer.h"
#include "pki/bag.h"
#include "pki/base64.h"
#include "pki/error.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 7030 3.2.2 */
#define WELL_KNOWN "/.well-known/est"

/* ---- requests --------------------------------------------------------------- */

static const char *operation_name(enum pki_est_operation operation)
{
	switch (operation) {
	case PKI_EST_CACERTS:
		return "cacerts";
	case PKI_EST_SIMPLEENROLL:
		return "simpleenroll";
	case PKI_EST_SIMPLEREENROLL:
		return "simplereenroll";
	}
	return "";
}

/* A label is a path segment of the configuration: /label or /.well-known/est/label. */
static CURLUcode path_complete(CURLU *url, enum pki_est_operation operation)
{
	char *path, *complete;
	CURLUcode code = curl_url_get(url, CURLUPART_PATH, &path, 0);
	if (code != CURLUE_OK)
		return code;
	size_t len = strlen(path);
	while (len > 0 && path[len - 1] == '/')
		len--;
	bool known = strncmp(path, WELL_KNOWN, strlen(WELL_KNOWN)) == 0;
	int made = asprintf(&complete, "%s%.*s/%s", known ? "" : WELL_KNOWN, (int)len, path,
		operation_name(operation));
	curl_free(path);
	if (made < 0)
		return CURLUE_OUT_OF_MEMORY;
	code = curl_url_set(url, CURLUPART_PATH, complete, 0);
	free(complete);
	return code;
}

static CURLUcode url_build(
	CURLU *url, const char *base, enum pki_est_operation operation, char **out)
{
	char *text = NULL;
	CURLUcode code = curl_url_set(url, CURLUPART_URL, base, 0);
	if (code == CURLUE_OK)
		code = path_complete(url, operation);
	if (code == CURLUE_OK)
		code = curl_url_get(url, CURLUPART_URL, &text, 0);
	if (code == CURLUE_OK && !(*out = strdup(text)))
		code = CURLUE_OUT_OF_MEMORY;
	curl_free(text);
	return code;
}

int pki_est_url(
	const char *base, enum pki_est_operation operation, char **out, struct pki_error *error)
{
	*out = NULL;
	/* RFC 7030 3.3: TLS is what authenticates both sides. */
	if (strncasecmp(base, "https://", 8) != 0)
		return pki_error_set(error,
			"the URL %.200s cannot be used for EST, which needs TLS (RFC 7030 3.3); "
			"write "
			"it as https://HOST[:PORT][/LABEL]",
			base);
	CURLU *url = curl_url();
	CURLUcode code = url ? url_build(url, base, operation, out) : CURLUE_OUT_OF_MEMORY;
	curl_url_cleanup(url);
	if (code == CURLUE_OUT_OF_MEMORY)
		return pki_error_memory(error);
	if (code != CURLUE_OK)
		return pki_error_set(error,
			"the URL %.200s cannot be used: %s; write it as "
			"https://HOST[:PORT][/LABEL]",
			base, curl_url_strerror(code));
	return 0;
}

int pki_est_body(X509_REQ *request, char **out, size_t *len, struct pki_error *error)
{
	unsigned char *der = NULL;
	int size = i2d_X509_REQ(request, &der);
	*out = size > 0 ? pki_base64_encode(der, (size_t)size) : NULL;
	*len = *out ? strlen(*out) : 0;
	OPENSSL_clear_free(der, size > 0 ? (size_t)size : 0);
	return *out ? 0 : pki_error_memory(error);
}

/* ---- answers ------------------------------------------------------------------ */

static void what_of(const char *operation, const struct pki_fetch_reply *reply, char out[320])
{
	snprintf(out, 320, "EST %s at %.160s", operation, reply->url);
}

/* RFC 8951 3.2.1: with or without smime-type; other parameters do not matter either. */
static bool is_pkcs7(const char *content_type)
{
	static const char wanted[] = "application/pkcs7-mime";
	size_t len = sizeof wanted - 1;
	return strncasecmp(content_type, wanted, len) == 0 &&
	       (content_type[len] == '\0' || content_type[len] == ';' || content_type[len] == ' ');
}

/* 4.1.3, 4.2.3: base64 of a certs-only PKCS#7; the transfer encoding's header is ignored. */
static int bag_read(const struct pki_fetch_reply *reply, const char *what, STACK_OF(X509) * *out,
	struct pki_error *error)
{
	unsigned char *der;
	size_t len;
	char said[PKI_ANSWER_QUOTE];
	*out = NULL;
	pki_answer_describe(reply->body, reply->len, said);
	if (!is_pkcs7(reply->content_type))
		return pki_error_set(error,
			"%s: the answer has the type \"%.60s\" where application/pkcs7-mime was "
			"expected (RFC 7030 4.2.3), and is %s; check the URL and a label in it",
			what, reply->content_type, said);
	int result = pki_base64_decode(reply->body, reply->len, &der, &len);
	if (result == -ENOMEM)
		return pki_error_memory(error);
	if (result)
		return pki_error_set(error,
			"%s: the answer is not base64 (RFC 8951 3.1) but %s; have the CA corrected",
			what, said);
	char which[340];
	snprintf(which, sizeof which, "the answer to %s", what);
	result = pki_bag_parse_cms(der, len, which, out, error);
	free(der);
	return result;
}

int pki_est_parse_cacerts(
	const struct pki_fetch_reply *reply, STACK_OF(X509) * *out, struct pki_error *error)
{
	char what[320];
	*out = NULL;
	what_of("cacerts", reply, what);
	if (pki_answer_check(reply, what, error))
		return -1;
	return bag_read(reply, what, out, error);
}

static enum pki_est_status issued_read(const struct pki_fetch_reply *reply, const char *what,
	EVP_PKEY *key, struct pki_est_answer *out, struct pki_error *error)
{
	if (bag_read(reply, what, &out->extras, error) == 0 &&
		pki_bag_take(out->extras, key, what, &out->certificate, error) == 0)
		return PKI_EST_ISSUED;
	pki_est_answer_done(out);
	return PKI_EST_INVALID;
}

enum pki_est_status pki_est_parse_enroll(const struct pki_fetch_reply *reply, EVP_PKEY *key,
	struct pki_est_answer *out, struct pki_error *error)
{
	char what[320];
	*out = (struct pki_est_answer){.retry_after = reply->retry_after};
	what_of("enrollment", reply, what);
	if (reply->status == 200)
		return issued_read(reply, what, key, out, error);
	if (reply->status == 202 && reply->retry_after > 0)
		return PKI_EST_WAIT;
	if (reply->status == 202) {
		/* 4.2.3: the server MUST say when. */
		pki_error_set(error,
			"%s: HTTP status 202 without a usable Retry-After (RFC 7030 4.2.3); ask "
			"again later, and have the CA corrected",
			what);
		return PKI_EST_INVALID;
	}
	pki_answer_check(reply, what, error);
	if (reply->status == 429 || reply->status >= 500)
		return PKI_EST_BUSY;
	return reply->status >= 400 ? PKI_EST_REFUSED : PKI_EST_INVALID;
}

void pki_est_answer_done(struct pki_est_answer *answer)
{
	X509_free(answer->certificate);
	sk_X509_pop_free(answer->extras, X509_free);
	*answer = (struct pki_est_answer){.retry_after = answer->retry_after};
}
