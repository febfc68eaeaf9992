/* Certificates that somebody brings: for a request that is out, or with their key. */
#include "pki/authority.h"
#include "pki/bag.h"
#include "pki/enroll.h"
#include "pki/error.h"
#include "pki/file.h"
#include "pki/issued.h"
#include "pki/pkcs12.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the certificate of a request ---------------------------------------------------------- */

/* Without a request: a further certificate for the key there is. */
static int keys_find(struct pki_enrollment *enrollment, struct pki_error *error)
{
	struct pki_pending *pending = &enrollment->pending;
	const char *name = enrollment->trustpoint->name;
	if (pki_enrollment_load_pending(enrollment, error))
		return -1;
	if (pending->is_there)
		return 0;
	if (!enrollment->current.pairs[PKI_PAIR_MAIN].key)
		return pki_error_set(error,
			"trustpoint %s has not asked for a certificate; ferrule pki enroll %s does",
			name, name);
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		pending->keys.pairs[pair].key = enrollment->current.pairs[pair].key;
		if (pending->keys.pairs[pair].key)
			EVP_PKEY_up_ref(pending->keys.pairs[pair].key);
	}
	pending->keys.facts = enrollment->current.facts;
	pending->keys.facts.regenerate = false;
	pending->keys.facts.requested = time(NULL);
	return pki_pending_save(&enrollment->store, pending, error);
}

/* Which of the keys is it for? -1 when for none that still waits. */
static int pair_of(const struct pki_enrollment *enrollment, const STACK_OF(X509) * bag)
{
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		const struct pki_credentials *at = &enrollment->pending.keys.pairs[pair];
		for (int i = 0; at->key && !at->certificate && i < sk_X509_num(bag); i++) {
			bool is_its = X509_check_private_key(sk_X509_value(bag, i), at->key) == 1;
			ERR_clear_error();
			if (is_its)
				return (int)pair;
		}
	}
	return -1;
}

/* Takes the bag over. */
static int bag_take(
	struct pki_enrollment *enrollment, STACK_OF(X509) * bag, struct pki_error *error)
{
	X509 *certificate = NULL;
	int pair = pair_of(enrollment, bag);
	int result = pair < 0 ? pki_error_set(error,
					"the certificate is for another key than the request of "
					"trustpoint %s; show the CA that request (ferrule pki "
					"enroll %s shows it again)",
					enrollment->trustpoint->name, enrollment->trustpoint->name)
			      : pki_bag_take(bag, enrollment->pending.keys.pairs[pair].key,
					"what was imported", &certificate, error);
	if (result == 0)
		return pki_enrollment_take(
			enrollment, (enum pki_pair)pair, certificate, bag, error);
	sk_X509_pop_free(bag, X509_free);
	return -1;
}

static int bag_fetch(struct pki_enrollment *enrollment, enum pki_pair pair, STACK_OF(X509) * *bag,
	struct pki_error *error)
{
	char suffix[16], *url = NULL;
	pki_files_suffix(enrollment->trustpoint, pair, "crt", suffix);
	if (pki_retrieve_location(enrollment->trustpoint, enrollment->way.url, suffix, &url, error))
		return -1;
	pki_say(enrollment->context, "%% Loading %s", url);
	int result = pki_retrieve_url(enrollment->trustpoint, url, enrollment->context, bag, error);
	free(url);
	return result;
}

static int bag_get(struct pki_enrollment *enrollment, const struct pki_import_options *options,
	enum pki_pair pair, STACK_OF(X509) * *bag, struct pki_error *error)
{
	if (options->file)
		return pki_retrieve_file(options->file, bag, error);
	if (enrollment->way.route == PKI_ROUTE_FILES)
		return bag_fetch(enrollment, pair, bag, error);
	return pki_retrieve_paste(enrollment->context,
		"Enter the base 64 encoded certificate.\n"
		"End with a blank line or the word \"quit\" on a line by itself",
		bag, error);
}

/* From a server both certificates at once, else one at a time. */
static int certificates_get(struct pki_enrollment *enrollment,
	const struct pki_import_options *options, struct pki_error *error)
{
	bool at_once = !options->file && enrollment->way.route == PKI_ROUTE_FILES;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		const struct pki_credentials *at = &enrollment->pending.keys.pairs[pair];
		STACK_OF(X509) *bag = NULL;
		if (!at->key || at->certificate)
			continue;
		if (bag_get(enrollment, options, pair, &bag, error) ||
			bag_take(enrollment, bag, error))
			return -1;
		if (!at_once)
			return 0;
	}
	return 0;
}

/* What did not please is taken out again, so that the right one can be brought. */
static int import_undo(struct pki_enrollment *enrollment, bool was_out)
{
	struct pki_error ignored = {""};
	if (was_out)
		pki_pending_take_back(&enrollment->store, &enrollment->pending, &ignored);
	else
		pki_pending_remove(&enrollment->store, &ignored);
	return -1;
}

static int import_certificate(struct pki_enrollment *enrollment,
	const struct pki_import_options *options, struct pki_error *error)
{
	if (!enrollment->current.ca)
		return pki_error_set(error,
			"trustpoint %s has no CA certificate yet; ferrule pki authenticate %s gets "
			"it",
			enrollment->trustpoint->name, enrollment->trustpoint->name);
	if (keys_find(enrollment, error))
		return -1;
	bool was_out = enrollment->pending.is_there;
	if (certificates_get(enrollment, options, error))
		return was_out ? -1 : import_undo(enrollment, false);
	if (!pki_enrollment_is_complete(enrollment)) {
		pki_say(enrollment->context,
			"%% Certificate imported; the one for the other key is still to come");
		return 0;
	}
	if (pki_enrollment_finish(enrollment, error))
		return import_undo(enrollment, was_out);
	pki_say(enrollment->context, "%% Router Certificate successfully imported");
	return 0;
}

int pki_import_certificate(const struct pki_trustpoint *trustpoint,
	const struct pki_import_options *options, const struct pki_context *context,
	struct pki_error *error)
{
	struct pki_enrollment enrollment;
	if (trustpoint->method == PKI_METHOD_PEM || trustpoint->method == PKI_METHOD_SELFSIGNED)
		return pki_error_set(error,
			"trustpoint %s is of method %s: no certificate can be imported into it",
			trustpoint->name,
			trustpoint->method == PKI_METHOD_PEM ? "pem" : "selfsigned");
	int result = pki_enrollment_open(&enrollment, trustpoint, context, error);
	if (result == 0)
		result = import_certificate(&enrollment, options, error);
	pki_enrollment_close(&enrollment);
	return result;
}

/* ---- PKCS#12 ----------------------------------------------------------------------------------
 */

static int data_get(struct pki_enrollment *enrollment, const struct pki_import_options *options,
	struct pki_file *out, struct pki_error *error)
{
	const char *url = enrollment->trustpoint->url;
	*out = (struct pki_file){0};
	if (options->file)
		return pki_file_read(options->file, out, error);
	if (!url || !*url)
		return pki_error_set(error,
			"name the PKCS#12 file: ferrule pki import %s pkcs12 FILE, or "
			"enrollment.url in the configuration",
			enrollment->trustpoint->name);
	if (*url == '/')
		return pki_file_read(url, out, error);
	struct pki_fetch_reply reply;
	struct pki_fetch_request request =
		pki_transport_request(enrollment->trustpoint, url, pki_transport_protocol(url));
	request.trust = PKI_FETCH_SYSTEM;
	if (pki_transport_fetch(enrollment->context, &request, &reply, error))
		return -1;
	if (reply.status != 200) {
		pki_error_set(error, "%s: HTTP status %ld", url, reply.status);
		pki_fetch_reply_done(&reply);
		return -1;
	}
	*out = (struct pki_file){.data = reply.body, .len = reply.len, .size = reply.len};
	reply.body = NULL;
	pki_fetch_reply_done(&reply);
	return 0;
}

/* Whoever has the file's password vouches for the CA in it; a fingerprint says it twice. */
static int authority_take(struct pki_enrollment *enrollment, struct pki_credentials *found,
	struct pki_generation *next, struct pki_error *error)
{
	struct pki_fingerprint fingerprint;
	struct pki_authority authority;
	const char *text = enrollment->trustpoint->fingerprint;
	size_t count = text && *text ? 1 : 0;
	if (count && pki_fingerprint_parse(text, &fingerprint, error))
		return -1;
	if (sk_X509_num(found->chain) <= 0)
		return count ? pki_error_set(error, "the PKCS#12 file has no CA certificate that "
						    "could have the fingerprint")
			     : 0;
	if (pki_authority_sort(found->chain, &fingerprint, count, &authority, error))
		return -1;
	sk_X509_pop_free(next->ca, X509_free);
	sk_X509_pop_free(next->others, X509_free);
	next->ca = authority.trusted;
	next->others = authority.others;
	if (sk_X509_num(next->others) == 0) {
		sk_X509_free(next->others);
		next->others = NULL;
	}
	return 0;
}

static int pkcs12_judge(struct pki_enrollment *enrollment, const struct pki_credentials *found,
	struct pki_generation *next, struct pki_error *error)
{
	struct pki_credentials *to = &next->pairs[PKI_PAIR_MAIN];
	struct pki_error warning = {""};
	struct pki_issued_expected expected = {
		.key = found->key,
		.purpose = PKI_PURPOSE_GENERAL,
		.trusted = next->ca,
		.untrusted = next->others,
	};
	to->certificate = found->certificate;
	to->key = found->key;
	X509_up_ref(to->certificate);
	EVP_PKEY_up_ref(to->key);
	if (!next->ca) {
		pki_say(enrollment->context,
			"%% Warning: the file has no CA certificate; clients get no chain");
		return 0;
	}
	if (pki_issued_check(found->certificate, &expected, &to->chain, &warning, error))
		return -1;
	if (*warning.text)
		pki_say(enrollment->context, "%% Warning: %s", warning.text);
	return 0;
}

static int pkcs12_take(struct pki_enrollment *enrollment, struct pki_credentials *found,
	const struct pki_import_options *options, struct pki_error *error)
{
	struct pki_generation next = {0};
	if (pki_pem_check_key(found->key, "the PKCS#12 file", error))
		return -1;
	int result = authority_take(enrollment, found, &next, error);
	if (result == 0)
		result = pkcs12_judge(enrollment, found, &next, error);
	next.facts = (struct pki_facts){.exportable = options->exportable,
		.method = PKI_METHOD_PKCS12,
		.key_made = time(NULL),
		.enrolled = time(NULL)};
	if (result == 0)
		result = pki_store_save(&enrollment->store, &next, error);
	if (result == 0)
		result = pki_pending_remove(&enrollment->store, error);
	pki_generation_done(&next);
	return result;
}

static int import_pkcs12(struct pki_enrollment *enrollment,
	const struct pki_import_options *options, struct pki_error *error)
{
	struct pki_credentials found = {0};
	struct pki_file file;
	int replaced = 1;
	if (enrollment->current.pairs[PKI_PAIR_MAIN].certificate)
		replaced = pki_confirm(enrollment->context, options->replace, "--replace", error,
			"%% Trustpoint %s has a certificate already. Replace it?",
			enrollment->trustpoint->name);
	if (replaced != 1)
		return replaced < 0 ? -1 : pki_error_set(error, "nothing was changed");
	if (data_get(enrollment, options, &file, error))
		return -1;
	int result =
		pki_enrollment_ask_password(enrollment, "Password of the PKCS#12 file: ", error);
	if (result == 0)
		result = pki_pkcs12_read(
			file.data, file.len, enrollment->password.text, &found, error);
	if (result == 0)
		result = pkcs12_take(enrollment, &found, options, error);
	if (result == 0)
		pki_say(enrollment->context, "%% PKCS#12 import succeeded");
	pki_credentials_done(&found);
	pki_file_done(&file);
	return result;
}

int pki_import_pkcs12(const struct pki_trustpoint *trustpoint,
	const struct pki_import_options *options, const struct pki_context *context,
	struct pki_error *error)
{
	struct pki_enroll_options asked = {.password = options->password};
	struct pki_enrollment enrollment;
	if (trustpoint->method == PKI_METHOD_PEM || trustpoint->method == PKI_METHOD_SELFSIGNED)
		return pki_error_set(error,
			"trustpoint %s is of method %s: nothing can be imported into it; use "
			"method pkcs12",
			trustpoint->name,
			trustpoint->method == PKI_METHOD_PEM ? "pem" : "selfsigned");
	int result = pki_enrollment_open(&enrollment, trustpoint, context, error);
	enrollment.options = &asked;
	if (result == 0)
		result = import_pkcs12(&enrollment, options, error);
	pki_enrollment_close(&enrollment);
	return result;
}
