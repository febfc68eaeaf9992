/* Is this the CA's certificate? Only a fingerprint from another way can tell. */
#include "pki/authority.h"
#include "pki/error.h"
#include "pki/pending.h"
#include "pki/retrieve.h"
#include "pki/subject.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct authentication {
	const struct pki_trustpoint *trustpoint;
	const struct pki_authenticate_options *options;
	const struct pki_context *context;
	struct pki_store store;
	struct pki_generation current;
	struct pki_fingerprint fingerprints[2]; /* the trustpoint's and the option's */
	size_t fingerprint_count;
	struct pki_authority authority;
};

static int fingerprint_add(struct authentication *this, const char *text, struct pki_error *error)
{
	if (!text || !*text)
		return 0;
	return pki_fingerprint_parse(text, &this->fingerprints[this->fingerprint_count++], error);
}

static int retrieve(struct authentication *this, STACK_OF(X509) * *out, struct pki_error *error)
{
	if (this->options->file)
		return pki_retrieve_file(this->options->file, out, error);
	return pki_retrieve_authority(this->trustpoint, &this->current, this->context, out, error);
}

/* ---- what is shown ---------------------------------------------------------------------- */

static void say_fingerprint(const struct pki_context *context, const X509 *certificate,
	const char *name, const EVP_MD *digest)
{
	char text[PKI_FINGERPRINT_TEXT];
	pki_fingerprint_text(certificate, digest, text);
	if (*text)
		pki_say(context, "  %11s %s: %s", "Fingerprint", name, text);
}

static void say_attributes(const struct pki_context *context, const X509 *certificate)
{
	char *subject = pki_subject_text(X509_get_subject_name(certificate));
	pki_say(context, "Certificate has the following attributes:");
	if (subject)
		pki_say(context, "       Subject: %s", subject);
	free(subject);
	say_fingerprint(context, certificate, "MD5", EVP_md5());
	say_fingerprint(context, certificate, "SHA1", EVP_sha1());
	say_fingerprint(context, certificate, "SHA256", EVP_sha256());
}

/*
 * Any certificate of the CA could have been slipped in as an RA's: to its owner, passwords would
 * be readable. Only the operator can know.
 */
static void say_others(const struct authentication *this)
{
	for (int i = 0; i < sk_X509_num(this->authority.others); i++) {
		X509 *other = sk_X509_value(this->authority.others, i);
		char text[PKI_FINGERPRINT_TEXT];
		if (X509_check_ca(other))
			continue;
		char *subject = pki_subject_text(X509_get_subject_name(other));
		pki_fingerprint_text(other, EVP_sha256(), text);
		pki_say(this->context,
			"%% Certified by this CA, and taken for an RA of it: %s\n"
			"  Fingerprint SHA256: %s",
			subject ? subject : "?", text);
		free(subject);
	}
}

/* ---- what is decided ---------------------------------------------------------------------- */

static int check_dates(const X509 *ca, struct pki_error *error)
{
	time_t now = time(NULL);
	if (ASN1_TIME_cmp_time_t(X509_get0_notAfter(ca), now) <= 0)
		return pki_error_set(error, "the CA certificate has expired; ask the CA's "
					    "administrator for the new one, and look at the clock "
					    "of this machine");
	if (ASN1_TIME_cmp_time_t(X509_get0_notBefore(ca), now + PKI_CLOCK_SKEW) > 0)
		return pki_error_set(error, "the CA certificate is not valid yet: CA clock ahead, "
					    "or the one of this machine behind; set it "
					    "(timedatectl) and try again");
	return 0;
}

static int accept_it(struct authentication *this, struct pki_error *error)
{
	say_attributes(this->context, this->authority.pinned);
	say_others(this);
	if (this->fingerprint_count > 0) {
		pki_say(this->context, "Certificate validated - fingerprints matched.");
		return 0;
	}
	int answer = pki_confirm(this->context, false, "--fingerprint HEX", error,
		"%% Do you accept this certificate?");
	if (answer == 0)
		return pki_error_set(error, "the CA certificate was not accepted");
	return answer < 0 ? -1 : 0;
}

static bool is_another_ca(const struct authentication *this)
{
	return this->current.ca &&
	       X509_cmp(sk_X509_value(this->current.ca, 0), this->authority.pinned) != 0;
}

static int accept_replacing(struct authentication *this, struct pki_error *error)
{
	if (!is_another_ca(this))
		return 0;
	int answer = pki_confirm(this->context, this->options->yes, "--yes", error,
		"%% Trustpoint %s has the certificate of another CA already. Replace it?",
		this->trustpoint->name);
	if (answer == 0)
		return pki_error_set(error, "the CA certificate was kept as it was");
	return answer < 0 ? -1 : 0;
}

/* ---- what is kept --------------------------------------------------------------------------- */

static bool stacks_equal(const STACK_OF(X509) * one, const STACK_OF(X509) * two)
{
	int count = one ? sk_X509_num(one) : 0;
	if (count != (two ? sk_X509_num(two) : 0))
		return false;
	for (int i = 0; i < count; i++)
		if (X509_cmp(sk_X509_value(one, i), sk_X509_value(two, i)) != 0)
			return false;
	return true;
}

/* The device's own certificate stays: its chain is beside it. */
static int keep(struct authentication *this, struct pki_error *error)
{
	struct pki_generation next;
	if (stacks_equal(this->current.ca, this->authority.trusted) &&
		stacks_equal(this->current.others, this->authority.others))
		return 0;
	if (pki_generation_copy(&next, &this->current))
		return pki_error_memory(error);
	sk_X509_pop_free(next.ca, X509_free);
	sk_X509_pop_free(next.others, X509_free);
	next.ca = this->authority.trusted;
	next.others = sk_X509_num(this->authority.others) > 0 ? this->authority.others : NULL;
	int result = pki_store_save(&this->store, &next, error);
	next.ca = next.others = NULL;
	pki_generation_done(&next);
	/* A request that waits for the other CA's answer would wait for ever. */
	if (result == 0 && is_another_ca(this))
		result = pki_pending_remove(&this->store, error);
	return result;
}

static int judge(struct authentication *this, struct pki_error *error)
{
	STACK_OF(X509) *all = NULL;
	if (retrieve(this, &all, error))
		return -1;
	int result = pki_authority_sort(
		all, this->fingerprints, this->fingerprint_count, &this->authority, error);
	sk_X509_pop_free(all, X509_free);
	if (result == 0)
		result = check_dates(this->authority.pinned, error);
	if (result == 0)
		result = accept_it(this, error);
	if (result == 0 && this->authority.left_out > 0)
		pki_say(this->context,
			"%% %u certificate(s) left out: not certified by this CA, or not valid now",
			this->authority.left_out);
	if (result == 0)
		result = accept_replacing(this, error);
	if (result == 0)
		result = keep(this, error);
	if (result == 0)
		pki_say(this->context, "Trustpoint CA certificate accepted.");
	return result;
}

int pki_authenticate(const struct pki_trustpoint *trustpoint,
	const struct pki_authenticate_options *options, const struct pki_context *context,
	struct pki_error *error)
{
	struct authentication this = {
		.trustpoint = trustpoint, .options = options, .context = context};
	int result = pki_store_open(&this.store, PKI_STORE_TRUSTPOINT, trustpoint->state_directory,
		trustpoint->name, error);
	if (result == 0)
		result = fingerprint_add(&this, trustpoint->fingerprint, error);
	if (result == 0)
		result = fingerprint_add(&this, options->fingerprint, error);
	if (result == 0)
		result = pki_store_lock(&this.store, error);
	if (result == 0)
		result = pki_store_load(&this.store, &this.current, error);
	if (result == 0)
		result = judge(&this, error);
	pki_authority_done(&this.authority);
	pki_generation_done(&this.current);
	pki_store_close(&this.store);
	return result;
}
