/*
 * EST answers: the first byte chooses the status and the type, the rest is the body. What is
 * taken for issued is for our key.
 */
#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "pki/est.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The seeds have certificates for it. */
static const char key_pem[] = "-----BEGIN PUBLIC KEY-----\n"
			      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8BlEWFcY9M7jjpsRv+li9wmsI3rL\n"
			      "cfKZB4wvpVxRxIQSswGNl3WZp21N+JZZx2kSN1h4u5WdeHP7EHvZeTiVlw==\n"
			      "-----END PUBLIC KEY-----\n";

static EVP_PKEY *key_read(void)
{
	BIO *bio = BIO_new_mem_buf(key_pem, -1);
	EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (!key)
		abort();
	return key;
}

static void enroll(const struct pki_fetch_reply *reply, EVP_PKEY *key)
{
	struct pki_est_answer answer;
	struct pki_error error = {0};
	enum pki_est_status status = pki_est_parse_enroll(reply, key, &answer, &error);
	assert((status == PKI_EST_ISSUED) == (answer.certificate != NULL));
	assert(status == PKI_EST_ISSUED || status == PKI_EST_WAIT || *error.text);
	if (answer.certificate)
		assert(EVP_PKEY_eq(X509_get0_pubkey(answer.certificate), key) == 1);
	assert(ERR_peek_error() == 0);
	pki_est_answer_done(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const long statuses[] = {200, 200, 202, 204, 302, 401, 404, 500};
	static char url[] = "https://ca/.well-known/est/simpleenroll";
	static char types[][48] = {
		"application/pkcs7-mime", "application/pkcs7-mime; smime-type=x"};
	static EVP_PKEY *key;
	if (!key)
		key = key_read();
	if (size == 0)
		return 0;
	char *body = calloc(1, size);
	if (!body)
		abort();
	memcpy(body, data + 1, size - 1);
	struct pki_fetch_reply reply = {.status = statuses[data[0] & 7],
		.retry_after = data[0] & 8 ? 60 : 0,
		.content_type = types[data[0] & 1],
		.url = url,
		.body = body,
		.len = size - 1};
	STACK_OF(X509) * found;
	struct pki_error error = {0};
	int result = pki_est_parse_cacerts(&reply, &found, &error);
	assert(result == 0 ? sk_X509_num(found) > 0 : !found && *error.text);
	sk_X509_pop_free(found, X509_free);
	enroll(&reply, key);
	free(body);
	return 0;
}
