/* Enrollment by EST (RFC 7030): with a password, or with the certificate there is. */
#include "pki/enroll.h"
#include "pki/error.h"
#include "pki/est.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MINUTE   60
#define WAIT_MAX (60 * MINUTE)

/* One request, as often as the server wants to see it again. */
struct exchange {
	char *url, *body, *anchors; /* owned */
	size_t len;
	BIO *certificate, *key; /* owned: PEM of the certificate that is renewed */
};

static void exchange_done(struct exchange *exchange)
{
	free(exchange->url);
	free(exchange->body);
	free(exchange->anchors);
	BIO_free(exchange->certificate);
	BIO_free(exchange->key);
}

static const char *bio_text(BIO *bio)
{
	char *data = NULL;
	return bio && BIO_get_mem_data(bio, &data) > 0 ? data : NULL;
}

/* The NUL that makes the PEM text. */
static bool bio_end(BIO *bio)
{
	return bio && BIO_write(bio, "", 1) == 1;
}

static int login_init(const struct pki_enrollment *enrollment, enum pki_pair pair,
	struct exchange *out, struct pki_error *error)
{
	X509 *renewed = pki_enrollment_renewable(enrollment, pair);
	if (!renewed)
		return 0;
	out->certificate =
		pki_pem_write_certificates(renewed, enrollment->current.pairs[pair].chain);
	out->key = pki_pem_write_key(enrollment->current.pairs[pair].key);
	return bio_end(out->certificate) && bio_end(out->key) ? 0 : pki_error_memory(error);
}

/* Re-enrollment is for the same subject and names (4.2.2): after a change it is a new one. */
static enum pki_est_operation operation_of(
	const struct pki_enrollment *enrollment, enum pki_pair pair)
{
	const X509 *renewed = pki_enrollment_renewable(enrollment, pair);
	return renewed && pki_names_match(&enrollment->names, renewed) ? PKI_EST_SIMPLEREENROLL
								       : PKI_EST_SIMPLEENROLL;
}

static int exchange_init(struct pki_enrollment *enrollment, enum pki_pair pair,
	struct exchange *out, struct pki_error *error)
{
	X509_REQ *request = NULL;
	*out = (struct exchange){0};
	int result =
		pki_est_url(enrollment->way.url, operation_of(enrollment, pair), &out->url, error);
	if (result == 0)
		result = pki_enrollment_request(enrollment, pair, &request, error);
	if (result == 0)
		result = pki_est_body(request, &out->body, &out->len, error);
	if (result == 0)
		result = pki_retrieve_anchors(&enrollment->current, false, &out->anchors, error);
	if (result == 0)
		result = login_init(enrollment, pair, out, error);
	X509_REQ_free(request);
	return result;
}

static int exchange_run(const struct pki_enrollment *enrollment, const struct exchange *exchange,
	struct pki_fetch_reply *reply, struct pki_error *error)
{
	const struct pki_trustpoint *trustpoint = enrollment->trustpoint;
	struct pki_fetch_request request =
		pki_transport_request(trustpoint, exchange->url, PKI_FETCH_HTTPS);
	request.method = PKI_FETCH_POST;
	request.content_type = PKI_EST_CONTENT_TYPE;
	request.accept = PKI_EST_ACCEPT;
	request.body = exchange->body;
	request.len = exchange->len;
	request.trust = PKI_FETCH_ANCHORS;
	request.anchors = exchange->anchors;
	request.client_certificate = bio_text(exchange->certificate);
	request.client_key = bio_text(exchange->key);
	if (enrollment->password.len > 0) {
		request.username =
			trustpoint->username ? trustpoint->username : enrollment->names.device;
		request.password = enrollment->password.text;
	}
	return pki_transport_fetch(enrollment->context, &request, reply, error);
}

static enum pki_step answer_take(struct pki_enrollment *enrollment, enum pki_pair pair,
	enum pki_est_status status, struct pki_est_answer *answer, struct pki_error *error)
{
	switch (status) {
	case PKI_EST_WAIT:
		return PKI_STEP_PENDING;
	case PKI_EST_REFUSED:
		return PKI_STEP_REFUSED;
	case PKI_EST_BUSY:
	case PKI_EST_INVALID:
		return PKI_STEP_FAILED;
	case PKI_EST_ISSUED:
		break;
	}
	X509 *certificate = answer->certificate;
	STACK_OF(X509) *extras = answer->extras;
	answer->certificate = NULL;
	answer->extras = NULL;
	return pki_enrollment_take(enrollment, pair, certificate, extras, error) ? PKI_STEP_FAILED
										 : PKI_STEP_ISSUED;
}

/* As the CA asks, but no longer than any retry_period may be. */
static unsigned wait_of(const struct pki_enrollment *enrollment, long retry_after)
{
	if (retry_after <= 0)
		return enrollment->trustpoint->retry_period * MINUTE;
	return retry_after < WAIT_MAX ? (unsigned)retry_after : WAIT_MAX;
}

static enum pki_step ask(struct pki_enrollment *enrollment, enum pki_pair pair,
	const struct exchange *exchange, unsigned *retry_after, struct pki_error *error)
{
	struct pki_fetch_reply reply;
	struct pki_est_answer answer = {0};
	if (exchange_run(enrollment, exchange, &reply, error))
		return PKI_STEP_FAILED;
	enum pki_est_status status = pki_est_parse_enroll(
		&reply, enrollment->pending.keys.pairs[pair].key, &answer, error);
	*retry_after = wait_of(enrollment, answer.retry_after);
	enum pki_step outcome = answer_take(enrollment, pair, status, &answer, error);
	pki_est_answer_done(&answer);
	pki_fetch_reply_done(&reply);
	return outcome;
}

static int note_poll(
	struct pki_enrollment *enrollment, unsigned seconds, bool is_first, struct pki_error *error)
{
	struct pki_facts *facts = &enrollment->pending.keys.facts;
	facts->polls = is_first ? 0 : facts->polls + 1;
	facts->next_poll = time(NULL) + seconds;
	return pki_pending_update(&enrollment->store, &enrollment->pending, error);
}

/* 4.2.3: the very same request again, when the server said. */
static enum pki_step pair_enroll(
	struct pki_enrollment *enrollment, enum pki_pair pair, struct pki_error *error)
{
	const struct pki_interaction *asked = enrollment->context->interaction;
	struct exchange exchange;
	unsigned seconds = 0;
	enum pki_step outcome = PKI_STEP_FAILED;
	if (exchange_init(enrollment, pair, &exchange, error) == 0)
		outcome = ask(enrollment, pair, &exchange, &seconds, error);
	for (unsigned count = 0; outcome == PKI_STEP_PENDING; count++) {
		enrollment->was_pending = true;
		if (note_poll(enrollment, seconds, count == 0, error)) {
			outcome = PKI_STEP_FAILED;
			break;
		}
		if (count == enrollment->trustpoint->retry_count)
			break;
		pki_say(enrollment->context,
			"%% The CA decides later (202); asking again in %u s (%u of %u)", seconds,
			count + 1, enrollment->trustpoint->retry_count);
		if (!asked->wait(asked->context, seconds))
			break;
		outcome = ask(enrollment, pair, &exchange, &seconds, error);
	}
	exchange_done(&exchange);
	return outcome;
}

enum pki_step pki_est_enroll(struct pki_enrollment *enrollment, struct pki_error *error)
{
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		const struct pki_credentials *at = &enrollment->pending.keys.pairs[pair];
		if (!at->key || at->certificate)
			continue;
		enum pki_step outcome = pair_enroll(enrollment, pair, error);
		if (outcome != PKI_STEP_ISSUED)
			return outcome;
	}
	return PKI_STEP_ISSUED;
}
