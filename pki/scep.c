#include "pki/scep.h"
#include "pki/base64.h"
#include "pki/error.h"
#include "pki/selfsigned.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* RFC 8894 4.1: the path of the first implementations, which IOS takes by default. */
#define DEFAULT_PATH "/cgi-bin/pkiclient.exe"

/* The transient certificate lives as long as a request may be pending. */
#define TRANSIENT_DAYS 30
#define BACKDATE_DAYS  1

int pki_scep_check_key(const EVP_PKEY *key, struct pki_error *error)
{
	if (EVP_PKEY_is_a(key, "RSA") == 1)
		return 0;
	const char *type = EVP_PKEY_get0_type_name(key);
	return pki_error_set(error,
		"SCEP encrypts replies to the device's key, which a key of type %s cannot be used "
		"for; make an RSA key (key.type = \"rsa\"), or enroll with method \"est\" or "
		"\"terminal\"",
		type ? type : "unknown");
}

/* ---- capabilities ---------------------------------------------------------- */

static void capability_set(struct pki_scep_capabilities *out, const char *word, size_t len)
{
	struct {
		const char *name;
		bool *flag;
	} const known[] = {{"AES", &out->aes}, {"DES3", &out->des3},
		{"POSTPKIOperation", &out->post}, {"Renewal", &out->renewal},
		{"GetNextCACert", &out->next_ca}, {"SHA-1", &out->sha1}, {"SHA-256", &out->sha256},
		{"SHA-512", &out->sha512}, {"SCEPStandard", &out->standard}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i].name) == len && strncasecmp(known[i].name, word, len) == 0)
			*known[i].flag = true;
}

void pki_scep_capabilities_parse(const char *text, size_t len, struct pki_scep_capabilities *out)
{
	static const char separators[] = "\r\n\t ";
	*out = (struct pki_scep_capabilities){0};
	for (size_t start = 0, at = 0; text && at <= len; at++) {
		if (at < len && (!text[at] || !strchr(separators, text[at])))
			continue;
		capability_set(out, text + start, at - start);
		start = at + 1;
	}
	/* 3.5.2: the one word stands for what is mandatory (2.9). */
	out->aes |= out->standard;
	out->post |= out->standard;
	out->sha256 |= out->standard;
}

static const char *hash_choose(const struct pki_scep_capabilities *can, const char *wanted)
{
	/* A CA that names none is older than the choice: SHA-1. SHA-384 has no word of its own. */
	if (can->sha512 && (!strcmp(wanted, "sha512") || !strcmp(wanted, "sha384")))
		return "sha512";
	if (can->sha1 && !strcmp(wanted, "sha1"))
		return "sha1";
	if (can->sha256)
		return "sha256";
	return can->sha512 ? "sha512" : "sha1";
}

int pki_scep_choose(const struct pki_scep_capabilities *capabilities, const char *hash,
	bool legacy_des, struct pki_scep_algorithms *out, struct pki_error *error)
{
	/* 2.9: MD5 MUST NOT be used. */
	if (!strncasecmp(hash, "md", 2))
		return pki_error_set(error,
			"SCEP must not be used with the hash %s (RFC 8894 2.9); set hash = "
			"\"sha256\"",
			hash);
	out->hash = hash_choose(capabilities, hash);
	out->cipher = PKI_SCEP_DES3;
	if (capabilities->aes)
		out->cipher = PKI_SCEP_AES128;
	else if (!capabilities->des3 && legacy_des)
		out->cipher = PKI_SCEP_DES;
	return 0;
}

/* ---- URLs ------------------------------------------------------------------- */

static CURLUcode query_add(CURLU *url, const char *name, const char *value)
{
	char *text;
	if (asprintf(&text, "%s=%s", name, value) < 0)
		return CURLUE_OUT_OF_MEMORY;
	CURLUcode code =
		curl_url_set(url, CURLUPART_QUERY, text, CURLU_APPENDQUERY | CURLU_URLENCODE);
	free(text);
	return code;
}

static CURLUcode path_default(CURLU *url)
{
	char *path;
	CURLUcode code = curl_url_get(url, CURLUPART_PATH, &path, 0);
	if (code == CURLUE_OK && !strcmp(path, "/"))
		code = curl_url_set(url, CURLUPART_PATH, DEFAULT_PATH, 0);
	curl_free(path);
	return code;
}

static CURLUcode url_build(
	CURLU *url, const char *base, const char *operation, const char *message, char **out)
{
	char *text = NULL;
	CURLUcode code = curl_url_set(url, CURLUPART_URL, base, 0);
	if (code == CURLUE_OK)
		code = path_default(url);
	if (code == CURLUE_OK)
		code = query_add(url, "operation", operation);
	if (code == CURLUE_OK && message && *message)
		code = query_add(url, "message", message);
	if (code == CURLUE_OK)
		code = curl_url_get(url, CURLUPART_URL, &text, 0);
	if (code == CURLUE_OK && !(*out = strdup(text)))
		code = CURLUE_OUT_OF_MEMORY;
	curl_free(text);
	return code;
}

int pki_scep_url(const char *base, const char *operation, const char *message, char **out,
	struct pki_error *error)
{
	CURLU *url = curl_url();
	*out = NULL;
	CURLUcode code = url ? url_build(url, base, operation, message, out) : CURLUE_OUT_OF_MEMORY;
	curl_url_cleanup(url);
	if (code == CURLUE_OUT_OF_MEMORY)
		return pki_error_memory(error);
	if (code != CURLUE_OK)
		return pki_error_set(error,
			"the URL %.200s cannot be used: %s; write it as http://HOST[:PORT]/PATH",
			base, curl_url_strerror(code));
	return 0;
}

int pki_scep_url_get(
	const char *base, const unsigned char *der, size_t len, char **out, struct pki_error *error)
{
	*out = NULL;
	char *message = pki_base64_encode(der, len);
	if (!message)
		return pki_error_memory(error);
	int result = pki_scep_url(base, "PKIOperation", message, out, error);
	free(message);
	return result;
}

/* ---- the transaction --------------------------------------------------------- */

static bool hash_update(EVP_MD_CTX *ctx, unsigned char *der, int len)
{
	bool done = len > 0 && EVP_DigestUpdate(ctx, der, (size_t)len) == 1;
	OPENSSL_free(der);
	return done;
}

static bool hash_key(EVP_MD_CTX *ctx, EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	return hash_update(ctx, der, len);
}

static bool hash_certificate(EVP_MD_CTX *ctx, X509 *certificate)
{
	unsigned char *der = NULL;
	int len = i2d_X509(certificate, &der);
	return hash_update(ctx, der, len);
}

int pki_scep_transaction_id(
	EVP_PKEY *key, X509 *renewed, char out[PKI_SCEP_TRANSACTION_ID], struct pki_error *error)
{
	unsigned char digest[32];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool done = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 && hash_key(ctx, key) &&
		    (!renewed || hash_certificate(ctx, renewed)) &&
		    EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!done)
		return pki_error_openssl(error, "the transaction cannot be named");
	for (size_t i = 0; i < sizeof digest; i++)
		snprintf(out + 2 * i, 3, "%02X", (unsigned)digest[i]);
	return 0;
}

/* 2.3: digitalSignature for the request, keyEncipherment for the reply. */
static bool usage_add(X509 *certificate)
{
	unsigned char bits = 0xa0;
	ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
	bool done = usage && ASN1_BIT_STRING_set(usage, &bits, 1) &&
		    X509_add1_ext_i2d(certificate, NID_key_usage, usage, 1, 0) == 1;
	ASN1_BIT_STRING_free(usage);
	return done;
}

static bool transient_fill(X509 *certificate, const X509_NAME *subject, EVP_PKEY *key)
{
	time_t now = time(NULL);
	return X509_set_version(certificate, X509_VERSION_3) == 1 && pki_serial_set(certificate) &&
	       X509_time_adj_ex(X509_getm_notBefore(certificate), -BACKDATE_DAYS, 0, &now) &&
	       X509_time_adj_ex(X509_getm_notAfter(certificate), TRANSIENT_DAYS, 0, &now) &&
	       X509_set_subject_name(certificate, subject) == 1 &&
	       X509_set_issuer_name(certificate, subject) == 1 &&
	       X509_set_pubkey(certificate, key) == 1 && usage_add(certificate);
}

X509 *pki_scep_transient(
	X509_REQ *request, EVP_PKEY *key, const char *hash, struct pki_error *error)
{
	X509 *certificate = X509_new();
	const EVP_MD *digest = EVP_get_digestbyname(hash);
	if (certificate && digest &&
		transient_fill(certificate, X509_REQ_get_subject_name(request), key) &&
		X509_sign(certificate, key, digest) > 0)
		return certificate;
	X509_free(certificate);
	pki_error_openssl(error, "the certificate that signs the request cannot be made");
	return NULL;
}
