/* From a key pair to its certificate, whichever way: prepare, ask, judge, switch. */
#include "pki/enroll.h"
#include "pki/error.h"
#include "pki/issued.h"
#include "pki/authority.h"
#include "pki/keys.h"
#include "pki/scep.h"
#include "pki/selfsigned.h"
#include "pki/subject.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the store ------------------------------------------------------------------------- */

int pki_enrollment_open(struct pki_enrollment *enrollment, const struct pki_trustpoint *trustpoint,
	const struct pki_context *context, struct pki_error *error)
{
	static const struct pki_enroll_options none;
	*enrollment = (struct pki_enrollment){.trustpoint = trustpoint,
		.options = &none,
		.context = context,
		.store = {.directory = -1, .lock = -1}};
	if (pki_store_open(&enrollment->store, PKI_STORE_TRUSTPOINT, trustpoint->state_directory,
		    trustpoint->name, error))
		return -1;
	if (pki_names_init(&enrollment->names, trustpoint, error))
		return -1;
	if (pki_store_lock(&enrollment->store, error))
		return -1;
	if (pki_store_load(&enrollment->store, &enrollment->current, error))
		return -1;
	bool renews = enrollment->current.pairs[PKI_PAIR_MAIN].certificate;
	enrollment->way = pki_way_to_enroll(trustpoint, renews);
	return 0;
}

void pki_enrollment_close(struct pki_enrollment *enrollment)
{
	pki_secret_wipe(&enrollment->password);
	pki_pending_done(&enrollment->pending);
	pki_generation_done(&enrollment->credential);
	pki_generation_done(&enrollment->current);
	pki_names_done(&enrollment->names);
	pki_store_close(&enrollment->store);
}

static bool is_valid_now(const X509 *certificate)
{
	time_t now = time(NULL);
	return ASN1_TIME_cmp_time_t(X509_get0_notBefore(certificate), now) <= 0 &&
	       ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), now) > 0;
}

X509 *pki_enrollment_renewable(const struct pki_enrollment *enrollment, enum pki_pair pair)
{
	X509 *certificate = enrollment->current.pairs[pair].certificate;
	struct pki_error ignored = {""};
	STACK_OF(X509) *others = NULL;
	if (!certificate || !is_valid_now(certificate) || !enrollment->current.ca)
		return NULL;
	if (pki_stack_join(
		    enrollment->current.others, enrollment->current.pairs[pair].chain, &others))
		return NULL;
	STACK_OF(X509) *chain = pki_authority_chain(
		certificate, enrollment->current.ca, others, time(NULL), &ignored);
	bool is_the_same_ca = chain;
	sk_X509_pop_free(chain, X509_free);
	sk_X509_pop_free(others, X509_free);
	return is_the_same_ca ? certificate : NULL;
}

/* ---- keys --------------------------------------------------------------------------------- */

static int keys_count_check(const struct pki_trustpoint *trustpoint,
	const struct pki_generation *keys, struct pki_error *error)
{
	bool has_two = keys->pairs[PKI_PAIR_ENCRYPTION].key;
	if (has_two == (trustpoint->usage == PKI_USAGE_KEYS))
		return 0;
	return pki_error_set(error,
		"the key pair %s is made for %s, but the trustpoint's key.usage says otherwise; "
		"change that, or name another label",
		keys->facts.label, has_two ? "usage-keys" : "general purposes");
}

static void say_generated(const struct pki_enrollment *enrollment)
{
	char text[64];
	pki_keys_describe(enrollment->pending.keys.pairs[PKI_PAIR_MAIN].key, text, sizeof text);
	pki_say(enrollment->context, "%% Generated new %s key pair%s", text,
		enrollment->trustpoint->usage == PKI_USAGE_KEYS ? "s" : "");
}

/* One that is there is used as it is, whatever the trustpoint says about type and size. */
static int keys_get_labelled(struct pki_enrollment *enrollment, struct pki_error *error)
{
	const struct pki_trustpoint *trustpoint = enrollment->trustpoint;
	struct pki_generation *out = &enrollment->pending.keys;
	struct pki_key_parameters parameters = pki_keys_parameters(trustpoint);
	if (pki_keys_load(trustpoint->state_directory, trustpoint->key_label, out, error))
		return -1;
	if (out->number)
		return keys_count_check(trustpoint, out, error);
	if (pki_keys_make(&parameters, out, error))
		return -1;
	say_generated(enrollment);
	return pki_keys_save(trustpoint->state_directory, trustpoint->key_label, out, true, error);
}

static bool keys_can_stay(
	const struct pki_trustpoint *trustpoint, const struct pki_generation *current)
{
	bool has_two = current->pairs[PKI_PAIR_ENCRYPTION].key;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++)
		if (current->pairs[pair].key && !pki_keys_fit(trustpoint, current->pairs[pair].key))
			return false;
	return current->pairs[PKI_PAIR_MAIN].key && !*current->facts.label &&
	       has_two == (trustpoint->usage == PKI_USAGE_KEYS);
}

static int keys_copy(struct pki_generation *to, const struct pki_generation *from)
{
	*to = (struct pki_generation){0};
	to->facts.exportable = from->facts.exportable;
	to->facts.key_made = from->facts.key_made;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		to->pairs[pair].key = from->pairs[pair].key;
		if (to->pairs[pair].key)
			EVP_PKEY_up_ref(to->pairs[pair].key);
	}
	return 0;
}

static int keys_choose(struct pki_enrollment *enrollment, struct pki_error *error)
{
	const struct pki_trustpoint *trustpoint = enrollment->trustpoint;
	struct pki_generation *keys = &enrollment->pending.keys;
	struct pki_key_parameters parameters = pki_keys_parameters(trustpoint);
	if (!enrollment->options->regenerate) {
		if (trustpoint->key_label)
			return keys_get_labelled(enrollment, error);
		if (keys_can_stay(trustpoint, &enrollment->current))
			return keys_copy(keys, &enrollment->current);
	}
	if (pki_keys_make(&parameters, keys, error))
		return -1;
	keys->facts.regenerate = true;
	say_generated(enrollment);
	return 0;
}

/* ---- password and request -------------------------------------------------------------------- */

int pki_enrollment_ask_password(
	struct pki_enrollment *enrollment, const char *prompt, struct pki_error *error)
{
	const struct pki_interaction *asked = enrollment->context->interaction;
	if (enrollment->options->password) {
		enrollment->password = *enrollment->options->password;
		return 0;
	}
	return asked->ask_secret(
		asked->context, prompt, "--password-file FILE", &enrollment->password, error);
}

int pki_enrollment_request(struct pki_enrollment *enrollment, enum pki_pair pair, X509_REQ **out,
	struct pki_error *error)
{
	bool is_scep = enrollment->way.route == PKI_ROUTE_SCEP;
	*out = enrollment->pending.requests[pair];
	if (*out) {
		*out = X509_REQ_dup(*out);
		return *out ? 0 : pki_error_memory(error);
	}
	*out = pki_request_make(enrollment->trustpoint, &enrollment->names,
		enrollment->pending.keys.pairs[pair].key,
		pki_purpose_of(enrollment->trustpoint->usage, pair),
		is_scep ? &enrollment->password : NULL, error);
	return *out ? 0 : -1;
}

/* A request with a password in it is not kept: SCEP makes it anew. */
static int requests_make(struct pki_enrollment *enrollment, struct pki_error *error)
{
	struct pki_pending *pending = &enrollment->pending;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		if (!pending->keys.pairs[pair].key || enrollment->way.route == PKI_ROUTE_SCEP)
			continue;
		if (pki_enrollment_request(enrollment, pair, &pending->requests[pair], error))
			return -1;
	}
	return 0;
}

/* ---- certificates ------------------------------------------------------------------------------
 */

int pki_enrollment_take(struct pki_enrollment *enrollment, enum pki_pair pair, X509 *certificate,
	STACK_OF(X509) * extras, struct pki_error *error)
{
	struct pki_credentials *to = &enrollment->pending.keys.pairs[pair];
	X509_free(to->certificate);
	sk_X509_pop_free(to->chain, X509_free);
	to->certificate = certificate;
	to->chain = extras;
	return pki_pending_put(&enrollment->store, &enrollment->pending, pair, error);
}

bool pki_enrollment_is_complete(const struct pki_enrollment *enrollment)
{
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		const struct pki_credentials *from = &enrollment->pending.keys.pairs[pair];
		if (from->key && !from->certificate)
			return false;
	}
	return true;
}

/* The old certificate counts as renewed only when its CA is the one that is asked. */
static int judge(const struct pki_enrollment *enrollment, enum pki_pair pair,
	STACK_OF(X509) * *chain, struct pki_error *error)
{
	const struct pki_credentials *from = &enrollment->pending.keys.pairs[pair];
	const EVP_PKEY *old = enrollment->current.pairs[pair].key;
	X509 *renewed = pki_enrollment_renewable(enrollment, pair);
	struct pki_error warning = {""};
	STACK_OF(X509) *untrusted = NULL;
	if (pki_stack_join(enrollment->current.others, from->chain, &untrusted))
		return pki_error_memory(error);
	struct pki_issued_expected expected = {
		.names = &enrollment->names,
		.key = from->key,
		.purpose = pki_purpose_of(enrollment->trustpoint->usage, pair),
		.trusted = enrollment->current.ca,
		.untrusted = untrusted,
		.renewed = renewed,
		.same_key = old && EVP_PKEY_eq(old, from->key) == 1,
	};
	int result = pki_issued_check(from->certificate, &expected, chain, &warning, error);
	sk_X509_pop_free(untrusted, X509_free);
	if (result == 0 && *warning.text)
		pki_say(enrollment->context, "%% Warning: %s", warning.text);
	return result;
}

/* What the trustpoint is to have: its CA as it was, keys and certificates of the request. */
static int next_make(
	struct pki_enrollment *enrollment, struct pki_generation *next, struct pki_error *error)
{
	if (pki_generation_copy(next, &enrollment->current))
		return pki_error_memory(error);
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		const struct pki_credentials *from = &enrollment->pending.keys.pairs[pair];
		struct pki_credentials *to = &next->pairs[pair];
		pki_credentials_done(to);
		if (!from->key)
			continue;
		if (judge(enrollment, pair, &to->chain, error))
			return -1;
		to->key = from->key;
		to->certificate = from->certificate;
		EVP_PKEY_up_ref(to->key);
		X509_up_ref(to->certificate);
	}
	next->facts = (struct pki_facts){
		.exportable = enrollment->pending.keys.facts.exportable,
		.key_made = enrollment->pending.keys.facts.key_made,
		.method = enrollment->trustpoint->method,
		.enrolled = time(NULL),
	};
	memcpy(next->facts.label, enrollment->pending.keys.facts.label, sizeof next->facts.label);
	return 0;
}

int pki_enrollment_finish(struct pki_enrollment *enrollment, struct pki_error *error)
{
	const struct pki_trustpoint *trustpoint = enrollment->trustpoint;
	const struct pki_facts *facts = &enrollment->pending.keys.facts;
	struct pki_generation next = {0};
	int result = next_make(enrollment, &next, error);
	enrollment->was_judged = result == 0;
	if (result == 0)
		result = pki_store_save(&enrollment->store, &next, error);
	pki_generation_done(&next);
	/* The trustpoint has its copy: a label without the new key is no harm. */
	if (result == 0 && facts->regenerate && *facts->label)
		result = pki_keys_save(trustpoint->state_directory, facts->label,
			&enrollment->pending.keys, false, error);
	if (result == 0)
		result = pki_pending_remove(&enrollment->store, error);
	ERR_clear_error();
	return result;
}

/* ---- is it to be done at all? ---------------------------------------------------------------- */

static int ask_replace(struct pki_enrollment *enrollment, const char *what, struct pki_error *error)
{
	int answer = pki_confirm(enrollment->context, enrollment->options->replace, "--replace",
		error, "%% Trustpoint %s has %s already. Replace it?", enrollment->trustpoint->name,
		what);
	if (answer == 0)
		return pki_error_set(error, "nothing was changed");
	return answer < 0 ? -1 : 0;
}

/* A crash between the switch and the removal has left what is done already. */
static bool is_done(const struct pki_enrollment *enrollment)
{
	const X509 *taken = enrollment->current.pairs[PKI_PAIR_MAIN].certificate;
	const X509 *issued = enrollment->pending.keys.pairs[PKI_PAIR_MAIN].certificate;
	return taken && issued && X509_cmp(taken, issued) == 0;
}

int pki_enrollment_load_pending(struct pki_enrollment *enrollment, struct pki_error *error)
{
	if (pki_pending_load(&enrollment->store, &enrollment->pending, error))
		return -1;
	if (!enrollment->pending.is_there || !is_done(enrollment))
		return 0;
	pki_pending_done(&enrollment->pending);
	return pki_pending_remove(&enrollment->store, error);
}

/* Goes on with a request that is out, or forgets it. */
static int resume(struct pki_enrollment *enrollment, struct pki_error *error)
{
	struct pki_pending *pending = &enrollment->pending;
	const struct pki_enroll_options *options = enrollment->options;
	if (pki_enrollment_load_pending(enrollment, error))
		return -1;
	if (!pending->is_there)
		return 0;
	if (!options->regenerate && !options->replace &&
		pending->keys.facts.method == enrollment->trustpoint->method) {
		enrollment->is_resumed = true;
		return 0;
	}
	if (ask_replace(enrollment, "a certificate request pending", error))
		return -1;
	pki_pending_done(pending);
	return pki_pending_remove(&enrollment->store, error);
}

static int credential_load(struct pki_enrollment *enrollment, struct pki_error *error)
{
	const struct pki_profile *profile = enrollment->trustpoint->profile;
	struct pki_store store;
	if (!profile || !profile->credential)
		return 0;
	const struct pki_trustpoint *from = profile->credential;
	struct pki_pem_files files = {.certificate = from->certificate_file,
		.key = from->key_file,
		.chain = from->chain_file};
	int result = pki_store_open(
		&store, PKI_STORE_TRUSTPOINT, from->state_directory, from->name, error);
	if (result == 0 && from->method == PKI_METHOD_PEM)
		result = pki_pem_load(&files, &enrollment->credential.pairs[0], error);
	else if (result == 0)
		result = pki_store_load(&store, &enrollment->credential, error);
	pki_store_close(&store);
	const X509 *certificate = enrollment->credential.pairs[PKI_PAIR_MAIN].certificate;
	if (result)
		return -1;
	if (!certificate)
		return pki_error_set(error,
			"trustpoint %s, whose certificate is to prove who asks (credential of "
			"enrollment profile %s), has none; enroll it first",
			from->name, profile->name);
	if (!is_valid_now(certificate))
		return pki_error_set(error,
			"the certificate of trustpoint %s, which is to prove who asks (credential "
			"of enrollment profile %s), is not valid now",
			from->name, profile->name);
	return 0;
}

static int check_possible(struct pki_enrollment *enrollment, struct pki_error *error)
{
	const char *name = enrollment->trustpoint->name;
	if (enrollment->trustpoint->method == PKI_METHOD_PEM)
		return pki_error_set(error,
			"trustpoint %s takes its certificate from files (method pem): whatever "
			"manages them enrolls",
			name);
	if (enrollment->way.route == PKI_ROUTE_NONE)
		return pki_error_set(error,
			"the enrollment profile of trustpoint %s has no enrollment.url; add one",
			name);
	if (!enrollment->current.ca)
		return pki_error_set(error,
			"trustpoint %s has no CA certificate yet; ferrule pki authenticate %s gets "
			"it",
			name, name);
	return 0;
}

/* ---- a new request
 * -------------------------------------------------------------------------------- */

static int say_subject(struct pki_enrollment *enrollment, struct pki_error *error)
{
	char *subject = pki_subject_text(enrollment->names.subject);
	if (!subject)
		return pki_error_memory(error);
	pki_say(enrollment->context, "%% The subject name in the certificate will be: %s", subject);
	free(subject);
	return 0;
}

static int password_get(struct pki_enrollment *enrollment, const struct pki_scep_session *session,
	struct pki_error *error)
{
	bool has_certificate = pki_enrollment_renewable(enrollment, PKI_PAIR_MAIN) ||
			       enrollment->credential.pairs[0].certificate;
	bool is_scep = enrollment->way.route == PKI_ROUTE_SCEP;
	if (!is_scep && enrollment->way.route != PKI_ROUTE_EST)
		return 0;
	if (is_scep && has_certificate)
		has_certificate = enrollment->credential.pairs[0].certificate ||
				  pki_scep_session_renews(session);
	/* Once it has said that it decides later, the CA knows the transaction by its name. */
	bool is_known =
		is_scep && enrollment->is_resumed && enrollment->pending.keys.facts.next_poll;
	bool is_needed = !has_certificate && !is_known;
	if (!is_needed && !enrollment->options->password)
		return 0;
	if (is_scep && !enrollment->options->password)
		pki_say(enrollment->context,
			"%% Enter the challenge password that the CA wants to see with the "
			"request.\n"
			"  It is not stored. Without one, enter an empty line.");
	return pki_enrollment_ask_password(enrollment, "Password: ", error);
}

static int prepare(struct pki_enrollment *enrollment, struct pki_error *error)
{
	struct pki_pending *pending = &enrollment->pending;
	if (say_subject(enrollment, error) || keys_choose(enrollment, error))
		return -1;
	if (enrollment->way.route == PKI_ROUTE_SCEP &&
		pki_scep_check_key(pending->keys.pairs[PKI_PAIR_MAIN].key, error))
		return -1;
	if (requests_make(enrollment, error))
		return -1;
	pending->keys.facts.method = enrollment->trustpoint->method;
	pending->keys.facts.requested = time(NULL);
	if (enrollment->trustpoint->key_label)
		snprintf(pending->keys.facts.label, sizeof pending->keys.facts.label, "%s",
			enrollment->trustpoint->key_label);
	return pki_pending_save(&enrollment->store, pending, error);
}

/* ---- the whole way
 * ---------------------------------------------------------------------------------- */

static enum pki_step step(struct pki_enrollment *enrollment, struct pki_scep_session *session,
	struct pki_error *error)
{
	switch (enrollment->way.route) {
	case PKI_ROUTE_SCEP:
		return pki_scep_enroll(enrollment, session, error);
	case PKI_ROUTE_EST:
		return pki_est_enroll(enrollment, error);
	case PKI_ROUTE_TEMPLATE:
		return pki_template_enroll(enrollment, error);
	case PKI_ROUTE_TERMINAL:
		return pki_terminal_enroll(enrollment, error);
	case PKI_ROUTE_FILES:
		return pki_files_enroll(enrollment, error);
	case PKI_ROUTE_NONE:
		break;
	}
	pki_error_set(error, "trustpoint %s: no way to enroll", enrollment->trustpoint->name);
	return PKI_STEP_FAILED;
}

/* What came to nothing leaves no trace, unless the CA still has the request. */
static int give_up(struct pki_enrollment *enrollment, enum pki_step outcome)
{
	struct pki_error ignored = {""};
	bool stays =
		outcome == PKI_STEP_FAILED && (enrollment->is_resumed || enrollment->was_pending);
	/* With a certificate that was refused nobody would ask for a better one. */
	if (stays && pki_enrollment_is_complete(enrollment))
		pki_pending_take_back(&enrollment->store, &enrollment->pending, &ignored);
	else if (!stays)
		pki_pending_remove(&enrollment->store, &ignored);
	return -1;
}

static int carry_on(struct pki_enrollment *enrollment, struct pki_scep_session *session,
	enum pki_enrolled *out, struct pki_error *error)
{
	enum pki_step outcome = step(enrollment, session, error);
	if (outcome == PKI_STEP_REFUSED || outcome == PKI_STEP_FAILED)
		return give_up(enrollment, outcome);
	*out = outcome == PKI_STEP_OUT ? PKI_ENROLLED_REQUEST : PKI_ENROLLED_PENDING;
	if (outcome != PKI_STEP_ISSUED)
		return 0;
	if (pki_enrollment_finish(enrollment, error)) {
		/* The CA may not issue it a second time. */
		if (enrollment->was_judged)
			return pki_error_add(error,
				"; the certificate is kept: enroll again when that is solved");
		return give_up(enrollment, PKI_STEP_FAILED);
	}
	*out = PKI_ENROLLED_CERTIFICATE;
	pki_say(enrollment->context, "%% Certificate successfully enrolled");
	return 0;
}

static int enroll_with_ca(
	struct pki_enrollment *enrollment, enum pki_enrolled *out, struct pki_error *error)
{
	struct pki_scep_session *session = NULL;
	if (check_possible(enrollment, error) || resume(enrollment, error))
		return -1;
	if (!enrollment->is_resumed && enrollment->current.pairs[PKI_PAIR_MAIN].certificate &&
		ask_replace(enrollment, "a certificate", error))
		return -1;
	pki_say(enrollment->context, "%% Start certificate enrollment ..");
	int result = credential_load(enrollment, error);
	if (result == 0 && enrollment->way.route == PKI_ROUTE_SCEP) {
		session = pki_scep_session_open(enrollment, error);
		result = session ? 0 : -1;
	}
	if (result == 0)
		result = password_get(enrollment, session, error);
	if (result == 0 && !enrollment->is_resumed)
		result = prepare(enrollment, error);
	if (result == 0)
		result = carry_on(enrollment, session, out, error);
	pki_scep_session_close(session);
	return result;
}

static int enroll_selfsigned(
	struct pki_enrollment *enrollment, enum pki_enrolled *out, struct pki_error *error)
{
	if (enrollment->current.pairs[PKI_PAIR_MAIN].certificate &&
		ask_replace(enrollment, "a self-signed certificate", error))
		return -1;
	if (say_subject(enrollment, error) ||
		pki_selfsigned_renew(enrollment->trustpoint, &enrollment->store, error))
		return -1;
	*out = PKI_ENROLLED_CERTIFICATE;
	pki_say(enrollment->context, "Router Self Signed Certificate successfully created");
	return 0;
}

int pki_enroll(const struct pki_trustpoint *trustpoint, const struct pki_enroll_options *options,
	const struct pki_context *context, enum pki_enrolled *out, struct pki_error *error)
{
	struct pki_enrollment enrollment;
	if (trustpoint->method == PKI_METHOD_PKCS12) {
		struct pki_import_options import = {.password = options->password,
			.replace = options->replace,
			.exportable = trustpoint->key_exportable};
		*out = PKI_ENROLLED_CERTIFICATE;
		return pki_import_pkcs12(trustpoint, &import, context, error);
	}
	int result = pki_enrollment_open(&enrollment, trustpoint, context, error);
	enrollment.options = options;
	if (result == 0)
		result = trustpoint->method == PKI_METHOD_SELFSIGNED
				 ? enroll_selfsigned(&enrollment, out, error)
				 : enroll_with_ca(&enrollment, out, error);
	pki_enrollment_close(&enrollment);
	return result;
}
