#include "ktls/client_auth.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Intermediates between a client's certificate and its anchor. */
#define CHAIN_DEPTH 8
/* RFC 8446 4.2.4: an aid for the client's choice, to be left out rather than to be long. */
#define CA_NAMES_MAX 16384
#define SUBJECT_MAX  1024

#define DIGEST 32

/* ---- the identity --------------------------------------------------------------- */

void ktls_client_free(struct ktls_client *client)
{
	if (!client)
		return;
	free(client->subject);
	free(client->verify);
	free(client);
}

/* RFC 4514, all of it ASCII. What is too long to be kept is cut, and shows it. */
static char *subject_of(const X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL, *data;
	if (!bio)
		return NULL;
	if (X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
		size_t len = (size_t)BIO_get_mem_data(bio, &data);
		bool is_cut = len > SUBJECT_MAX;
		if (asprintf(&text, "%.*s%s", is_cut ? SUBJECT_MAX : (int)len, data,
			    is_cut ? "..." : "") < 0)
			text = NULL;
	}
	BIO_free(bio);
	return text;
}

static char *verdict_of(long result)
{
	char *text;
	if (result == X509_V_OK)
		return strdup("SUCCESS");
	return asprintf(&text, "FAILED:%s", X509_verify_cert_error_string(result)) < 0 ? NULL
										       : text;
}

static bool fingerprint_of(const X509 *certificate, char out[2 * DIGEST + 1])
{
	unsigned char digest[DIGEST];
	if (X509_digest(certificate, EVP_sha256(), digest, NULL) != 1)
		return false;
	for (size_t i = 0; i < DIGEST; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	return true;
}

static int remember(struct ktls_session *session, const X509 *certificate, long result)
{
	struct ktls_client *client = calloc(1, sizeof *client);
	if (client && fingerprint_of(certificate, client->fingerprint) &&
		(client->subject = subject_of(certificate)) &&
		(client->verify = verdict_of(result))) {
		ktls_client_free(session->client);
		session->client = client;
		return 0;
	}
	ktls_client_free(client);
	return -1;
}

/* A resumed session has certificate and verdict from its ticket. */
int ktls_client_auth_remember(struct ktls_session *session)
{
	const X509 *certificate = SSL_get0_peer_certificate(session->ssl);
	if (!certificate)
		return 0;
	return remember(session, certificate, SSL_get_verify_result(session->ssl));
}

const char *ktls_client_auth_refusal(const SSL *ssl, unsigned long error)
{
	if (ERR_GET_LIB(error) != ERR_LIB_SSL)
		return NULL;
	switch (ERR_GET_REASON(error)) {
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return "the client sent none";
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return X509_verify_cert_error_string(SSL_get_verify_result(ssl));
	default:
		return NULL;
	}
}

/* ---- judging ----------------------------------------------------------------------- */

/*
 * Libssl has set purpose and trust to sslclient. Its verify result is what
 * ends up in the ticket, so that an optional failure stays one when resumed.
 */
static int on_verify(X509_STORE_CTX *ctx, void *arg)
{
	(void)arg;
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct ktls_session *session = SSL_get_app_data(ssl);
	/* What stays in the queue would be taken for an error of the handshake. */
	ERR_set_mark();
	bool is_good = X509_verify_cert(ctx) == 1;
	ERR_pop_to_mark();
	if (is_good)
		return 1;
	if (X509_STORE_CTX_get_error(ctx) == X509_V_OK)
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_UNSPECIFIED);
	if (session->server->client_auth == KTLS_CLIENT_AUTH_OPTIONAL)
		return 1;
	/* For the log; the handshake fails, and with memory short it says less. */
	remember(session, X509_STORE_CTX_get0_cert(ctx), X509_STORE_CTX_get_error(ctx));
	return 0;
}

/* Anchors and policy are the same as when the ticket was made; time is not. */
static bool may_resume(const struct ktls_session *session, SSL_SESSION *ticket)
{
	const X509 *certificate = SSL_SESSION_get0_peer(ticket);
	if (!certificate)
		return session->server->client_auth == KTLS_CLIENT_AUTH_OPTIONAL;
	return ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), time(NULL)) > 0;
}

/* SSL_CTX_set_session_ticket_cb(3). What is not used is replaced by a new ticket. */
static SSL_TICKET_RETURN on_ticket_opened(SSL *ssl, SSL_SESSION *ticket,
	const unsigned char *key_name, size_t key_name_len, SSL_TICKET_STATUS status, void *arg)
{
	(void)key_name;
	(void)key_name_len;
	(void)arg;
	bool is_open = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
	if (!is_open || !may_resume(SSL_get_app_data(ssl), ticket))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* ---- the policy ----------------------------------------------------------------------- */

static bool has_name(STACK_OF(X509_NAME) * names, const X509_NAME *name)
{
	for (int i = 0; i < sk_X509_NAME_num(names); i++)
		if (X509_NAME_cmp(sk_X509_NAME_value(names, i), name) == 0)
			return true;
	return false;
}

/* Clients choose by issuer: for an anchor that is a client's own certificate, by its issuer's. */
static int add_ca_name(STACK_OF(X509_NAME) * names, X509 *anchor, int *size)
{
	const X509_NAME *name = X509_check_ca(anchor) ? X509_get_subject_name(anchor)
						      : X509_get_issuer_name(anchor);
	if (has_name(names, name))
		return 0;
	X509_NAME *copy = X509_NAME_dup(name);
	if (!copy || sk_X509_NAME_push(names, copy) <= 0) {
		X509_NAME_free(copy);
		return -1;
	}
	*size += i2d_X509_NAME(copy, NULL) + 2;
	return 0;
}

/* RFC 8446 4.2.4 and RFC 5246 7.4.4; browsers show their users only what fits. */
static int set_ca_names(SSL_CTX *ctx, X509_STORE *anchors)
{
	STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(anchors);
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	int result = names ? 0 : -1, size = 0;
	for (int i = 0; i < sk_X509_OBJECT_num(objects) && result == 0; i++) {
		X509 *anchor = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
		if (anchor)
			result = add_ca_name(names, anchor, &size);
	}
	if (result == 0 && size <= CA_NAMES_MAX)
		SSL_CTX_set_client_CA_list(ctx, names);
	else
		sk_X509_NAME_pop_free(names, X509_NAME_free);
	return result;
}

int ktls_client_auth_configure(
	SSL_CTX *ctx, const struct ktls_server_options *options, const struct ktls_problem *problem)
{
	if (options->client_auth == KTLS_CLIENT_AUTH_NONE)
		return 0;
	if (!options->client_anchors)
		return ktls_refuse(problem,
			"client_auth needs certificates to judge clients by; set "
			"client_auth_trustpoint to a trustpoint that has a CA certificate");
	bool is_required = options->client_auth == KTLS_CLIENT_AUTH_REQUIRED;
	SSL_CTX_set_verify(
		ctx, SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
	/* Not the SSL_CTX's general store: that one is also for our own chain. */
	if (SSL_CTX_set1_verify_cert_store(ctx, options->client_anchors) != 1 ||
		X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN) !=
			1 ||
		SSL_CTX_set_session_ticket_cb(ctx, NULL, on_ticket_opened, NULL) != 1 ||
		set_ca_names(ctx, options->client_anchors) < 0)
		return ktls_refuse_openssl(problem, "client_auth");
	return 0;
}

static int compare_digests(const void *left, const void *right)
{
	return memcmp(left, right, DIGEST);
}

static bool object_digest(const X509_OBJECT *object, uint8_t out[DIGEST])
{
	const X509 *certificate = X509_OBJECT_get0_X509(object);
	const X509_CRL *crl = X509_OBJECT_get0_X509_CRL(object);
	memset(out, 0, DIGEST);
	if (certificate)
		return X509_digest(certificate, EVP_sha256(), out, NULL) == 1;
	return !crl || X509_CRL_digest(crl, EVP_sha256(), out, NULL) == 1;
}

/* In an order of their own: libssl sorts the store by and by. */
static bool anchors_digest(EVP_MD_CTX *digest, X509_STORE *anchors)
{
	STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(anchors);
	size_t count = objects ? (size_t)sk_X509_OBJECT_num(objects) : 0;
	uint8_t(*all)[DIGEST] = calloc(count + 1, DIGEST);
	bool done = all != NULL;
	for (size_t i = 0; i < count && done; i++)
		done = object_digest(sk_X509_OBJECT_value(objects, (int)i), all[i]);
	if (done) {
		qsort(all, count, DIGEST, compare_digests);
		done = EVP_DigestUpdate(digest, all, count * DIGEST) == 1;
	}
	free(all);
	return done;
}

bool ktls_client_auth_digest(EVP_MD_CTX *digest, const struct ktls_server_options *options)
{
	if (options->client_auth == KTLS_CLIENT_AUTH_NONE || !options->client_anchors)
		return true;
	uint8_t policy = (uint8_t)options->client_auth;
	unsigned long flags =
		X509_VERIFY_PARAM_get_flags(X509_STORE_get0_param(options->client_anchors));
	return EVP_DigestUpdate(digest, &policy, 1) == 1 &&
	       EVP_DigestUpdate(digest, &flags, sizeof flags) == 1 &&
	       anchors_digest(digest, options->client_anchors);
}
