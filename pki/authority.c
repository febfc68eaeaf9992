#include "pki/authority.h"
#include "pki/error.h"
#include "pki/subject.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHAIN_LIMIT 10

/* ---- certificates ------------------------------------------------------------------- */

bool pki_certificate_is_selfsigned(X509 *certificate)
{
	bool is = X509_self_signed(certificate, 1) == 1;
	ERR_clear_error();
	return is;
}

static bool stack_has(const STACK_OF(X509) * stack, const X509 *certificate)
{
	for (int i = 0; i < sk_X509_num(stack); i++)
		if (X509_cmp(sk_X509_value(stack, i), certificate) == 0)
			return true;
	return false;
}

/* A reference, unless it is there already. */
static int stack_add(STACK_OF(X509) * stack, X509 *certificate)
{
	if (stack_has(stack, certificate))
		return 0;
	if (sk_X509_push(stack, certificate) <= 0)
		return -1;
	X509_up_ref(certificate);
	return 0;
}

static int stack_add_all(STACK_OF(X509) * to, const STACK_OF(X509) * from)
{
	int result = 0;
	for (int i = 0; i < sk_X509_num(from) && result == 0; i++)
		result = stack_add(to, sk_X509_value(from, i));
	return result;
}

int pki_stack_join(const STACK_OF(X509) * one, const STACK_OF(X509) * two, STACK_OF(X509) * *out)
{
	*out = sk_X509_new_null();
	if (*out && stack_add_all(*out, one) == 0 && stack_add_all(*out, two) == 0)
		return 0;
	sk_X509_pop_free(*out, X509_free);
	*out = NULL;
	return -1;
}

/* RFC 5280 4.2.1.9; a version 1 certificate of a root is no longer taken for one. */
static bool is_ca(X509 *certificate)
{
	return X509_check_ca(certificate) == 1;
}

/* By name and by signature. */
static bool has_issued(X509 *issuer, X509 *certificate)
{
	bool issued = X509_check_issued(issuer, certificate) == X509_V_OK &&
		      X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
	ERR_clear_error();
	return issued;
}

/* ---- chains -------------------------------------------------------------------------- */

static X509_STORE *anchors_new(const STACK_OF(X509) * trusted)
{
	X509_STORE *store = X509_STORE_new();
	bool complete = store;
	for (int i = 0; i < sk_X509_num(trusted) && complete; i++)
		complete = X509_STORE_add_cert(store, sk_X509_value(trusted, i)) == 1;
	if (complete)
		return store;
	X509_STORE_free(store);
	return NULL;
}

/* The pinned certificate is trusted as it is, self-signed or not: hence PARTIAL_CHAIN. */
static bool verify(X509_STORE_CTX *ctx, X509_STORE *anchors, X509 *certificate,
	STACK_OF(X509) * untrusted, time_t when)
{
	if (X509_STORE_CTX_init(ctx, anchors, certificate, untrusted) != 1)
		return false;
	X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_depth(parameters, CHAIN_LIMIT);
	X509_VERIFY_PARAM_set_time(parameters, when);
	return X509_verify_cert(ctx) == 1;
}

/* Further issuers, as clients need them who trust only the uppermost. */
static int chain_extend(STACK_OF(X509) * chain, const STACK_OF(X509) * others, X509 *last)
{
	for (int i = 0; i < sk_X509_num(others) && sk_X509_num(chain) < CHAIN_LIMIT; i++) {
		X509 *issuer = sk_X509_value(others, i);
		if (pki_certificate_is_selfsigned(last))
			return 0;
		if (!has_issued(issuer, last) || stack_has(chain, issuer))
			continue;
		if (stack_add(chain, issuer))
			return -1;
		last = issuer;
		i = -1;
	}
	return 0;
}

/* Takes the verified chain over; what a client has anyway is not sent (RFC 8446 4.4.2). */
static STACK_OF(X509) * chain_finish(STACK_OF(X509) * chain, const STACK_OF(X509) * untrusted,
				struct pki_error *error)
{
	X509 *leaf = sk_X509_shift(chain);
	int count = sk_X509_num(chain);
	int result =
		chain_extend(chain, untrusted, count > 0 ? sk_X509_value(chain, count - 1) : leaf);
	count = sk_X509_num(chain);
	if (count > 0 && pki_certificate_is_selfsigned(sk_X509_value(chain, count - 1)))
		X509_free(sk_X509_pop(chain));
	X509_free(leaf);
	if (result == 0)
		return chain;
	sk_X509_pop_free(chain, X509_free);
	pki_error_memory(error);
	return NULL;
}

/* RFC 6151: two certificates can be made that share an MD5 signature. Anchors need none. */
static X509 *forgeable_in(const STACK_OF(X509) * chain, const STACK_OF(X509) * trusted)
{
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *each = sk_X509_value(chain, i);
		int digest = NID_undef;
		X509_get_signature_info(each, &digest, NULL, NULL, NULL);
		if ((digest == NID_md5 || digest == NID_md4 || digest == NID_md2) &&
			!stack_has(trusted, each))
			return each;
	}
	return NULL;
}

static void complain_of_digest(const X509 *certificate, struct pki_error *error)
{
	char *subject = pki_subject_text(X509_get_subject_name(certificate));
	pki_error_set(error,
		"a certificate is signed with MD5 or older, which can be forged (%s); have the CA "
		"sign with SHA-256",
		subject ? subject : "");
	free(subject);
}

STACK_OF(X509) * pki_authority_chain(X509 *certificate, const STACK_OF(X509) * trusted,
			 STACK_OF(X509) * untrusted, time_t when, struct pki_error *error)
{
	STACK_OF(X509) *chain = NULL;
	X509_STORE *anchors = anchors_new(trusted);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	if (!anchors || !ctx) {
		pki_error_memory(error);
	} else if (!verify(ctx, anchors, certificate, untrusted, when)) {
		char *subject = pki_subject_text(X509_get_subject_name(
			X509_STORE_CTX_get_current_cert(ctx) ? X509_STORE_CTX_get_current_cert(ctx)
							     : certificate));
		pki_error_set(error, "%s (%s)",
			X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)),
			subject ? subject : "");
		free(subject);
	} else {
		chain = X509_STORE_CTX_get1_chain(ctx);
		if (!chain)
			pki_error_memory(error);
		const X509 *forgeable = forgeable_in(chain, trusted);
		if (forgeable) {
			complain_of_digest(forgeable, error);
			sk_X509_pop_free(chain, X509_free);
			chain = NULL;
		}
	}
	ERR_clear_error();
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(anchors);
	return chain ? chain_finish(chain, untrusted, error) : NULL;
}

/* ---- sorting ---------------------------------------------------------------------------- */

static bool matches_all(
	const X509 *certificate, const struct pki_fingerprint *fingerprints, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!pki_fingerprint_matches(&fingerprints[i], certificate))
			return false;
	return true;
}

static int complain_of_fingerprint(const STACK_OF(X509) * all, struct pki_error *error)
{
	char text[PKI_FINGERPRINT_TEXT];
	pki_error_set(error, "the fingerprint does not match: ");
	for (int i = 0; i < sk_X509_num(all) && i < 3; i++) {
		pki_fingerprint_text(sk_X509_value(all, i), EVP_sha256(), text);
		pki_error_add(error, "%s%s", i ? ", " : "what came has SHA-256 ", text);
	}
	return pki_error_add(error,
		"; somebody may be between you and the CA, or the fingerprint is another CA's");
}

static bool has_issued_another(X509 *ca, const STACK_OF(X509) * all)
{
	for (int i = 0; i < sk_X509_num(all); i++) {
		X509 *other = sk_X509_value(all, i);
		if (X509_cmp(other, ca) != 0 && is_ca(other) && has_issued(ca, other))
			return true;
	}
	return false;
}

static X509 *choose_lowest(const STACK_OF(X509) * all, struct pki_error *error)
{
	X509 *lowest = NULL;
	for (int i = 0; i < sk_X509_num(all); i++) {
		X509 *ca = sk_X509_value(all, i);
		if (!is_ca(ca) || has_issued_another(ca, all))
			continue;
		if (lowest) {
			pki_error_set(error, "the certificates are of several CAs that have "
					     "nothing to do with one another; say which one is "
					     "meant by its fingerprint");
			return NULL;
		}
		lowest = ca;
	}
	if (!lowest)
		pki_error_set(error, "there is no certificate of a CA among them (RFC 5280 "
				     "4.2.1.9: basicConstraints with cA); ask the CA's "
				     "administrator for the CA certificate");
	return lowest;
}

static X509 *choose(const STACK_OF(X509) * all, const struct pki_fingerprint *fingerprints,
	size_t count, struct pki_error *error)
{
	if (count == 0)
		return choose_lowest(all, error);
	for (int i = 0; i < sk_X509_num(all); i++) {
		X509 *certificate = sk_X509_value(all, i);
		if (!matches_all(certificate, fingerprints, count))
			continue;
		if (is_ca(certificate))
			return certificate;
		pki_error_set(error, "the fingerprint is that of a certificate that is none of a "
				     "CA (RFC 5280 4.2.1.9); give the one of the CA certificate");
		return NULL;
	}
	complain_of_fingerprint(all, error);
	return NULL;
}

static bool is_above(X509 *certificate, X509 *pinned, const STACK_OF(X509) * all)
{
	X509 *at = pinned;
	for (int depth = 0; depth < CHAIN_LIMIT && !pki_certificate_is_selfsigned(at); depth++) {
		X509 *issuer = NULL;
		for (int i = 0; i < sk_X509_num(all) && !issuer; i++)
			if (is_ca(sk_X509_value(all, i)) && has_issued(sk_X509_value(all, i), at))
				issuer = sk_X509_value(all, i);
		if (!issuer)
			return false;
		if (X509_cmp(issuer, certificate) == 0)
			return true;
		at = issuer;
	}
	return false;
}

static int sort_one(
	X509 *certificate, STACK_OF(X509) * all, struct pki_authority *out, struct pki_error *error)
{
	struct pki_error ignored = {""};
	if (X509_cmp(certificate, out->pinned) == 0)
		return 0;
	STACK_OF(X509) *pinned = sk_X509_new_null();
	int result = pinned && stack_add(pinned, out->pinned) == 0 ? 0 : pki_error_memory(error);
	STACK_OF(X509) *chain =
		result ? NULL : pki_authority_chain(certificate, pinned, all, time(NULL), &ignored);
	if (result == 0 && chain)
		result = stack_add(is_ca(certificate) ? out->trusted : out->others, certificate);
	else if (result == 0 && is_ca(certificate) && is_above(certificate, out->pinned, all))
		result = stack_add(out->others, certificate);
	else if (result == 0)
		out->left_out++;
	sk_X509_pop_free(pinned, X509_free);
	sk_X509_pop_free(chain, X509_free);
	return result ? pki_error_memory(error) : 0;
}

int pki_authority_sort(const STACK_OF(X509) * all, const struct pki_fingerprint *fingerprints,
	size_t count, struct pki_authority *out, struct pki_error *error)
{
	*out = (struct pki_authority){0};
	X509 *pinned = choose(all, fingerprints, count, error);
	if (!pinned)
		return -1;
	STACK_OF(X509) *copy = NULL;
	*out = (struct pki_authority){
		.pinned = pinned, .trusted = sk_X509_new_null(), .others = sk_X509_new_null()};
	int result = 0;
	if (!out->trusted || !out->others || stack_add(out->trusted, pinned) ||
		pki_stack_join(all, NULL, &copy))
		result = pki_error_memory(error);
	for (int i = 0; i < sk_X509_num(copy) && result == 0; i++)
		result = sort_one(sk_X509_value(copy, i), copy, out, error);
	sk_X509_pop_free(copy, X509_free);
	if (result)
		pki_authority_done(out);
	return result;
}

void pki_authority_done(struct pki_authority *authority)
{
	sk_X509_pop_free(authority->trusted, X509_free);
	sk_X509_pop_free(authority->others, X509_free);
	*authority = (struct pki_authority){0};
}
