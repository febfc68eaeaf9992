/* Enrollment by SCEP (RFC 8894): what to send when, and how long to ask again. */
#include "pki/answer.h"
#include "pki/enroll.h"
#include "pki/error.h"
#include "pki/scep.h"
#include "pki/authority.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MINUTE 60

struct pki_scep_session {
	const char *base; /* borrowed: the URL */
	struct pki_scep_capabilities capabilities;
	struct pki_scep_algorithms algorithms;
	struct pki_scep_authority authority;
	char *anchors; /* owned: PEM, for https */
	bool renews_by_pkcsreq;
};

/* Who signs the request of one pair, and to whom the reply is encrypted. */
struct signer {
	X509 *certificate; /* owned */
	EVP_PKEY *key;     /* borrowed */
	enum pki_scep_type type;
	X509 *renewed; /* borrowed: the certificate, when it is one that is renewed */
};

/* ---- the session ------------------------------------------------------------------------ */

static struct pki_fetch_request request_to(const struct pki_enrollment *enrollment,
	const struct pki_scep_session *session, const char *url)
{
	struct pki_fetch_request request = pki_transport_request(
		enrollment->trustpoint, url, PKI_FETCH_HTTP | PKI_FETCH_HTTPS);
	request.trust = PKI_FETCH_ANCHORS;
	request.anchors = session->anchors;
	return request;
}

/* An HTTP error means that the CA says nothing of what it can (3.5.2); no answer is one. */
static int capabilities_ask(const struct pki_enrollment *enrollment,
	struct pki_scep_session *session, struct pki_error *error)
{
	char *url = NULL;
	struct pki_fetch_reply reply;
	if (pki_scep_url(session->base, "GetCACaps", NULL, &url, error))
		return -1;
	struct pki_fetch_request request = request_to(enrollment, session, url);
	int result = pki_transport_fetch(enrollment->context, &request, &reply, error);
	free(url);
	if (result)
		return -1;
	bool has_answered = reply.status == 200;
	pki_scep_capabilities_parse(has_answered ? reply.body : NULL, has_answered ? reply.len : 0,
		&session->capabilities);
	pki_fetch_reply_done(&reply);
	return 0;
}

static int authority_fill(const struct pki_enrollment *enrollment, struct pki_scep_session *session,
	struct pki_error *error)
{
	STACK_OF(X509) *all = NULL;
	if (pki_stack_join(enrollment->current.ca, enrollment->current.others, &all))
		return pki_error_memory(error);
	return pki_scep_authority_init(
		&session->authority, all, enrollment->trustpoint->ra_fingerprint, error);
}

/* The answer to GetCACaps is not protected: somebody between may have weakened it. */
static int standard_check(const struct pki_enrollment *enrollment,
	const struct pki_scep_session *session, struct pki_error *error)
{
	if (!enrollment->trustpoint->require_standard || session->capabilities.standard)
		return 0;
	return pki_error_set(error,
		"the CA does not say SCEPStandard, which enrollment.require_standard asks for (RFC "
		"8894 7.5); see that nobody is between, or remove that key");
}

struct pki_scep_session *pki_scep_session_open(
	struct pki_enrollment *enrollment, struct pki_error *error)
{
	struct pki_scep_session *session = calloc(1, sizeof *session);
	if (!session) {
		pki_error_memory(error);
		return NULL;
	}
	session->base = enrollment->way.url;
	session->renews_by_pkcsreq = enrollment->trustpoint->renews_by_pkcsreq;
	if (pki_retrieve_anchors(&enrollment->current, true, &session->anchors, error) == 0 &&
		authority_fill(enrollment, session, error) == 0 &&
		capabilities_ask(enrollment, session, error) == 0 &&
		standard_check(enrollment, session, error) == 0 &&
		pki_scep_choose(&session->capabilities, pki_hash_name(enrollment->trustpoint->hash),
			enrollment->trustpoint->legacy_des, &session->algorithms, error) == 0)
		return session;
	pki_scep_session_close(session);
	return NULL;
}

void pki_scep_session_close(struct pki_scep_session *session)
{
	if (!session)
		return;
	pki_scep_authority_done(&session->authority);
	free(session->anchors);
	free(session);
}

bool pki_scep_session_renews(const struct pki_scep_session *session)
{
	return session->capabilities.renewal || session->renews_by_pkcsreq;
}

/* ---- one request -------------------------------------------------------------------------- */

/*
 * RFC 8894 2.3: a certificate of this CA signs its renewal; else a transient one. Some CAs
 * want renewals as PKCSReq.
 */
static int signer_choose(struct pki_enrollment *enrollment, struct pki_scep_session *session,
	enum pki_pair pair, X509_REQ *request, struct signer *out, struct pki_error *error)
{
	X509 *renewed = pki_enrollment_renewable(enrollment, pair);
	const struct pki_credentials *credential = &enrollment->credential.pairs[PKI_PAIR_MAIN];
	*out = (struct signer){.type = PKI_SCEP_PKCSREQ};
	if (credential->certificate) {
		out->certificate = credential->certificate;
		out->key = credential->key;
	} else if (renewed && pki_scep_session_renews(session)) {
		out->certificate = out->renewed = renewed;
		out->key = enrollment->current.pairs[pair].key;
		if (!session->renews_by_pkcsreq)
			out->type = PKI_SCEP_RENEWALREQ;
	}
	if (out->certificate) {
		X509_up_ref(out->certificate);
		return 0;
	}
	out->key = enrollment->pending.keys.pairs[pair].key;
	out->certificate = pki_scep_transient(
		request, out->key, pki_hash_name(enrollment->trustpoint->hash), error);
	return out->certificate ? 0 : -1;
}

static int message_send(const struct pki_enrollment *enrollment,
	const struct pki_scep_session *session, const struct pki_scep_message *message,
	struct pki_fetch_reply *reply, struct pki_error *error)
{
	char *url = NULL;
	bool post = session->capabilities.post;
	int result =
		post ? pki_scep_url(session->base, "PKIOperation", NULL, &url, error)
		     : pki_scep_url_get(session->base, message->der, message->len, &url, error);
	if (result)
		return -1;
	struct pki_fetch_request request = request_to(enrollment, session, url);
	if (post) {
		request.method = PKI_FETCH_POST;
		request.content_type = PKI_SCEP_CONTENT_TYPE;
		request.body = message->der;
		request.len = message->len;
	}
	result = pki_transport_fetch(enrollment->context, &request, reply, error);
	free(url);
	if (result)
		return -1;
	result = pki_answer_check(reply, "SCEP PKIOperation", error);
	if (result)
		pki_fetch_reply_done(reply);
	return result;
}

static enum pki_step reply_take(struct pki_enrollment *enrollment, enum pki_pair pair,
	enum pki_scep_status status, struct pki_scep_reply *reply, struct pki_error *error)
{
	switch (status) {
	case PKI_SCEP_PENDING:
		return PKI_STEP_PENDING;
	case PKI_SCEP_FAILURE:
		return PKI_STEP_REFUSED;
	case PKI_SCEP_INVALID:
		return PKI_STEP_FAILED;
	case PKI_SCEP_SUCCESS:
		break;
	}
	if (reply->single_des)
		pki_say(enrollment->context,
			"%% Warning: the CA encrypted its reply with single DES, as legacy_des "
			"allows");
	X509 *certificate = reply->certificate;
	STACK_OF(X509) *extras = reply->extras;
	reply->certificate = NULL;
	reply->extras = NULL;
	return pki_enrollment_take(enrollment, pair, certificate, extras, error) ? PKI_STEP_FAILED
										 : PKI_STEP_ISSUED;
}

static enum pki_step message_exchange(struct pki_enrollment *enrollment,
	struct pki_scep_session *session, enum pki_pair pair,
	const struct pki_scep_request *request, struct pki_error *error)
{
	struct pki_scep_message message;
	struct pki_fetch_reply answer;
	struct pki_scep_reply reply = {0};
	if (pki_scep_build(request, &message, error))
		return PKI_STEP_FAILED;
	struct pki_scep_expected expected = {
		.transaction_id = request->transaction_id,
		.nonce = message.nonce,
		.authority = &session->authority,
		.certificate = request->certificate,
		.key = request->key,
		.new_key = enrollment->pending.keys.pairs[pair].key,
		.legacy_des = enrollment->trustpoint->legacy_des,
	};
	enum pki_step outcome = PKI_STEP_FAILED;
	if (message_send(enrollment, session, &message, &answer, error) == 0) {
		enum pki_scep_status status =
			pki_scep_parse(answer.body, answer.len, &expected, &reply, error);
		outcome = reply_take(enrollment, pair, status, &reply, error);
		pki_scep_reply_done(&reply);
		pki_fetch_reply_done(&answer);
	}
	pki_scep_message_done(&message);
	return outcome;
}

/* After a restart the same transaction is asked for again by its first message (5.2). */
static int transaction_name(struct pki_enrollment *enrollment, const struct signer *signer,
	enum pki_pair pair, struct pki_error *error)
{
	char *id = enrollment->pending.keys.facts.transactions[pair];
	if (*id)
		return 0;
	if (pki_scep_transaction_id(
		    enrollment->pending.keys.pairs[pair].key, signer->renewed, id, error))
		return -1;
	return pki_pending_update(&enrollment->store, &enrollment->pending, error);
}

static enum pki_step pair_ask(struct pki_enrollment *enrollment, struct pki_scep_session *session,
	enum pki_pair pair, bool is_poll, struct pki_error *error)
{
	X509_REQ *request = NULL;
	struct signer signer = {0};
	enum pki_step outcome = PKI_STEP_FAILED;
	if (pki_enrollment_request(enrollment, pair, &request, error) == 0 &&
		signer_choose(enrollment, session, pair, request, &signer, error) == 0 &&
		transaction_name(enrollment, &signer, pair, error) == 0) {
		struct pki_scep_request message = {
			.type = is_poll ? PKI_SCEP_CERTPOLL : signer.type,
			.transaction_id = enrollment->pending.keys.facts.transactions[pair],
			.certificate = signer.certificate,
			.key = signer.key,
			.request = request,
			.authority = &session->authority,
			.algorithms = session->algorithms,
		};
		outcome = message_exchange(enrollment, session, pair, &message, error);
	}
	X509_free(signer.certificate);
	X509_REQ_free(request);
	return outcome;
}

/* ---- until it is decided ------------------------------------------------------------------- */

/* The first key's whose certificate is not there yet decides how it goes on. */
static enum pki_step pairs_ask(struct pki_enrollment *enrollment, struct pki_scep_session *session,
	bool is_poll, struct pki_error *error)
{
	enum pki_step outcome = PKI_STEP_ISSUED;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		const struct pki_credentials *at = &enrollment->pending.keys.pairs[pair];
		if (!at->key || at->certificate)
			continue;
		enum pki_step of_pair = pair_ask(enrollment, session, pair, is_poll, error);
		if (of_pair == PKI_STEP_REFUSED || of_pair == PKI_STEP_FAILED)
			return of_pair;
		if (of_pair == PKI_STEP_PENDING)
			outcome = PKI_STEP_PENDING;
	}
	return outcome;
}

/* False when the operator has enough of it. */
static bool wait_for_poll(struct pki_enrollment *enrollment, unsigned seconds)
{
	const struct pki_interaction *asked = enrollment->context->interaction;
	return asked->wait(asked->context, seconds);
}

static int note_poll(struct pki_enrollment *enrollment, bool is_first, struct pki_error *error)
{
	struct pki_facts *facts = &enrollment->pending.keys.facts;
	unsigned period = enrollment->trustpoint->retry_period * MINUTE;
	facts->polls = is_first ? 0 : facts->polls + 1;
	facts->next_poll = time(NULL) + period;
	return pki_pending_update(&enrollment->store, &enrollment->pending, error);
}

static enum pki_step poll(struct pki_enrollment *enrollment, struct pki_scep_session *session,
	struct pki_error *error)
{
	const struct pki_trustpoint *trustpoint = enrollment->trustpoint;
	enum pki_step outcome = PKI_STEP_PENDING;
	enrollment->was_pending = true;
	if (note_poll(enrollment, true, error))
		return PKI_STEP_FAILED;
	pki_say(enrollment->context,
		"%% The CA has taken the request and decides later. It is asked every %u "
		"minute(s), "
		"%u times at most;\n  to go on another time, interrupt and enroll again.",
		trustpoint->retry_period, trustpoint->retry_count);
	for (unsigned count = 0; count < trustpoint->retry_count; count++) {
		if (!wait_for_poll(enrollment, trustpoint->retry_period * MINUTE))
			return PKI_STEP_PENDING;
		if (note_poll(enrollment, false, error))
			return PKI_STEP_FAILED;
		outcome = pairs_ask(enrollment, session, true, error);
		if (outcome == PKI_STEP_ISSUED || outcome == PKI_STEP_REFUSED)
			return outcome;
		if (outcome == PKI_STEP_FAILED)
			pki_say(enrollment->context, "%% Poll %u of %u: %s", count + 1,
				trustpoint->retry_count, error->text);
	}
	return outcome;
}

enum pki_step pki_scep_enroll(struct pki_enrollment *enrollment, struct pki_scep_session *session,
	struct pki_error *error)
{
	enum pki_step outcome = pairs_ask(enrollment, session, false, error);
	return outcome == PKI_STEP_PENDING ? poll(enrollment, session, error) : outcome;
}
