/* SCEP: who the CA is, who signs for it and whom requests are encrypted to. */
#include "pki/bag.h"
#include "pki/error.h"
#include "pki/fingerprint.h"
#include "pki/scep_cms.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define SUBJECT_SHOWN 96

static void subject_of(const X509 *certificate, char out[SUBJECT_SHOWN])
{
	X509_NAME_oneline(X509_get_subject_name(certificate), out, SUBJECT_SHOWN);
}

static bool has_issued(X509 *issuer, X509 *certificate)
{
	bool issued = X509_NAME_cmp(X509_get_subject_name(issuer),
			      X509_get_issuer_name(certificate)) == 0 &&
		      X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
	ERR_clear_error();
	return issued;
}

static bool has_subordinate(const struct pki_scep_authority *authority, X509 *ca)
{
	for (int i = 0; i < sk_X509_num(authority->all); i++) {
		X509 *other = sk_X509_value(authority->all, i);
		if (other != ca && X509_check_ca(other) && has_issued(ca, other) &&
			!has_issued(other, ca))
			return true;
	}
	return false;
}

/* The lowest CA: requests go to the one that issues, not to those above it. */
static int ca_find(struct pki_scep_authority *authority, struct pki_error *error)
{
	for (int i = 0; i < sk_X509_num(authority->all) && !authority->ca; i++) {
		X509 *each = sk_X509_value(authority->all, i);
		if (X509_check_ca(each) && !has_subordinate(authority, each))
			authority->ca = each;
	}
	if (authority->ca)
		return 0;
	char subject[SUBJECT_SHOWN];
	subject_of(sk_X509_value(authority->all, 0), subject);
	return pki_error_set(error,
		"the answer to GetCACert has no certificate of a CA, only of %s; check the URL",
		subject);
}

/*
 * What is not below the pinned CA proves nothing: anybody could have put it into the bag, and
 * for a CA above, a key can be made up that the CA's signature is valid for.
 */
static int signers_find(struct pki_scep_authority *authority, struct pki_error *error)
{
	authority->signers = sk_X509_new_null();
	if (!authority->signers)
		return pki_error_memory(error);
	for (int i = 0; i < sk_X509_num(authority->all); i++) {
		X509 *each = sk_X509_value(authority->all, i);
		if (each == authority->ca || has_issued(authority->ca, each)) {
			if (X509_add_cert(authority->signers, each, X509_ADD_FLAG_UP_REF) != 1)
				return pki_error_memory(error);
		} else if (!X509_check_ca(each)) {
			char subject[SUBJECT_SHOWN], ca[SUBJECT_SHOWN];
			subject_of(each, subject);
			subject_of(authority->ca, ca);
			return pki_error_set(error,
				"the answer to GetCACert has a certificate of %s that its CA %s "
				"has not issued; it is refused, because anybody could have added "
				"it: check the URL",
				subject, ca);
		}
	}
	return 0;
}

/* How well an RA's certificate fits; 0: not at all. Absent, keyUsage permits everything. */
static int fitness(X509 *certificate, uint32_t wanted, uint32_t other)
{
	uint32_t usage = X509_get_key_usage(certificate);
	if (usage == UINT32_MAX)
		return 1;
	if (!(usage & wanted))
		return 0;
	return usage & other ? 2 : 3;
}

static X509 *ra_find(const struct pki_scep_authority *authority, uint32_t wanted, uint32_t other)
{
	X509 *best = authority->ca;
	int most = 0;
	for (int i = 0; i < sk_X509_num(authority->signers); i++) {
		X509 *each = sk_X509_value(authority->signers, i);
		int fits = X509_check_ca(each) ? 0 : fitness(each, wanted, other);
		if (fits > most)
			most = fits, best = each;
	}
	return best;
}

static X509 *signer_find(
	const struct pki_scep_authority *authority, const struct pki_fingerprint *fingerprint)
{
	for (int i = 0; i < sk_X509_num(authority->signers); i++) {
		X509 *each = sk_X509_value(authority->signers, i);
		if (pki_fingerprint_matches(fingerprint, each))
			return each;
	}
	return NULL;
}

static int recipient_find(
	struct pki_scep_authority *authority, const char *fingerprint, struct pki_error *error)
{
	struct pki_fingerprint wanted;
	uint32_t encipherment = KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT;
	authority->signer = ra_find(authority, KU_DIGITAL_SIGNATURE, encipherment);
	authority->recipient = ra_find(authority, encipherment, KU_DIGITAL_SIGNATURE);
	if (!fingerprint || !*fingerprint)
		return 0;
	if (pki_fingerprint_parse(fingerprint, &wanted, error))
		return -1;
	authority->recipient = signer_find(authority, &wanted);
	if (!authority->recipient)
		return pki_error_set(error,
			"neither the CA nor an RA of it has the fingerprint %.95s that requests "
			"are to be encrypted to; correct or remove it",
			fingerprint);
	return 0;
}

int pki_scep_authority_init(struct pki_scep_authority *out, STACK_OF(X509) * all,
	const char *recipient, struct pki_error *error)
{
	*out = (struct pki_scep_authority){.all = all};
	bool found = ca_find(out, error) == 0 && signers_find(out, error) == 0 &&
		     recipient_find(out, recipient, error) == 0;
	/* Extensions that cannot be parsed leave errors behind that nobody asked for. */
	ERR_clear_error();
	if (found)
		return 0;
	pki_scep_authority_done(out);
	return -1;
}

int pki_scep_authority_parse(const void *data, size_t len, const char *recipient,
	struct pki_scep_authority *out, struct pki_error *error)
{
	STACK_OF(X509) * all;
	*out = (struct pki_scep_authority){0};
	if (pki_bag_parse(data, len, "the answer to GetCACert", &all, error))
		return -1;
	return pki_scep_authority_init(out, all, recipient, error);
}

void pki_scep_authority_done(struct pki_scep_authority *authority)
{
	sk_X509_pop_free(authority->all, X509_free);
	sk_X509_pop_free(authority->signers, X509_free);
	*authority = (struct pki_scep_authority){0};
}

/*
 * 4.7.1: the new certificates are the signed content. Those beside the signature are not
 * covered by it and never looked at.
 */
int pki_scep_next_parse(const void *data, size_t len, const struct pki_scep_authority *current,
	struct pki_scep_authority *out, struct pki_error *error)
{
	static const char what[] = "the answer to GetNextCACert";
	struct scep_signed message;
	STACK_OF(X509) *all = NULL;
	*out = (struct pki_scep_authority){0};
	int result = scep_signed_open(data, len, what, current->signers, &message, error);
	if (result == 0) {
		char *content = NULL;
		long size = BIO_get_mem_data(message.content, &content);
		result = pki_bag_parse_cms(content, (size_t)size, what, &all, error);
	}
	scep_signed_done(&message);
	return result ? result : pki_scep_authority_init(out, all, NULL, error);
}
