#include "pki/issued.h"
#include "pki/authority.h"
#include "pki/error.h"
#include "pki/subject.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME_TEXT 300

static int check_key(X509 *certificate, EVP_PKEY *key, struct pki_error *error)
{
	bool matches = X509_check_private_key(certificate, key) == 1;
	ERR_clear_error();
	if (matches)
		return 0;
	return pki_error_set(error, "the certificate is for another key than the request's; the CA "
				    "answered somebody else's request");
}

/* ---- subject ---------------------------------------------------------------------------- */

/* What IOS adds of the device; many CAs leave it out, and no TLS client looks at it. */
static bool is_of_device(const ASN1_OBJECT *type)
{
	int nid = OBJ_obj2nid(type);
	return nid == NID_pkcs9_unstructuredName || nid == NID_pkcs9_unstructuredAddress ||
	       nid == NID_serialNumber;
}

/* A CA may add to the subject (RFC 8894 2.3), but it must still be this device's. */
static int check_subject(X509 *certificate, const struct pki_names *names,
	struct pki_error *warning, struct pki_error *error)
{
	const X509_NAME *found = X509_get_subject_name(certificate);
	char left_out[NAME_TEXT] = "";
	for (int i = 0; i < X509_NAME_entry_count(names->subject); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(names->subject, i);
		const ASN1_OBJECT *type = X509_NAME_ENTRY_get_object(entry);
		if (pki_subject_has(found, type, X509_NAME_ENTRY_get_data(entry)))
			continue;
		if (is_of_device(type)) {
			snprintf(left_out + strlen(left_out), sizeof left_out - strlen(left_out),
				"%s%s", *left_out ? ", " : "", OBJ_nid2sn(OBJ_obj2nid(type)));
			continue;
		}
		char *has = pki_subject_text(found), *wanted = pki_subject_text(names->subject);
		pki_error_set(error,
			"the certificate is for another subject: it says \"%s\", the request said "
			"\"%s\"; have the CA issue it as requested, or make subject_name agree "
			"with the CA",
			has ? has : "?", wanted ? wanted : "?");
		free(has);
		free(wanted);
		return -1;
	}
	if (*left_out)
		pki_warn(warning, "the CA has left out %s from the subject name", left_out);
	return 0;
}

static int check_alts(X509 *certificate, const struct pki_names *names, struct pki_error *warning,
	struct pki_error *error)
{
	GENERAL_NAMES *found = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int count = sk_GENERAL_NAME_num(names->alts), missing = 0;
	char text[NAME_TEXT], first[NAME_TEXT] = "";
	for (int i = 0; i < count; i++) {
		GENERAL_NAME *name = sk_GENERAL_NAME_value(names->alts, i);
		if (found && pki_names_have(found, name))
			continue;
		pki_names_text(name, text, sizeof text);
		if (missing++ == 0)
			memcpy(first, text, sizeof first);
	}
	bool has_others = found && sk_GENERAL_NAME_num(found) > 0;
	sk_GENERAL_NAME_pop_free(found, GENERAL_NAME_free);
	ERR_clear_error();
	if (missing == 0)
		return 0;
	if (missing == count && has_others)
		return pki_error_set(error,
			"the certificate is for other names than the request's: none of its "
			"alternative names is one of them (%s%s); have the CA issue it as "
			"requested",
			first, count > 1 ? ", ..." : "");
	pki_warn(warning,
		"the CA has left out %s%s from the alternative names, by which clients know the "
		"server",
		first, missing > 1 ? " and others" : "");
	return 0;
}

/* ---- dates and serial number ----------------------------------------------------------------- */

static void time_text(const ASN1_TIME *when, char *text, size_t size)
{
	struct tm calendar = {0};
	snprintf(text, size, "?");
	if (ASN1_TIME_to_tm(when, &calendar) == 1)
		strftime(text, size, "%Y-%m-%d %H:%M:%S UTC", &calendar);
}

static int check_dates(X509 *certificate, struct pki_error *warning, struct pki_error *error)
{
	char when[32], here[32];
	time_t now = time(NULL);
	const ASN1_TIME *before = X509_get0_notBefore(certificate);
	const ASN1_TIME *after = X509_get0_notAfter(certificate);
	struct tm calendar;
	strftime(here, sizeof here, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &calendar));
	time_text(before, when, sizeof when);
	if (ASN1_TIME_cmp_time_t(before, now + PKI_CLOCK_SKEW) > 0)
		return pki_error_set(error,
			"the certificate is not valid before %s, and here it is %s: CA clock "
			"ahead, or the one of this machine behind; set it (timedatectl) and enroll "
			"again",
			when, here);
	if (ASN1_TIME_cmp_time_t(before, now) > 0)
		pki_warn(warning, "CA clock ahead: the certificate is not valid before %s", when);
	time_text(after, when, sizeof when);
	if (ASN1_TIME_cmp_time_t(after, now) <= 0)
		return pki_error_set(error,
			"the certificate expired on %s, and here it is %s; look at the clocks of "
			"the CA and of this machine",
			when, here);
	return 0;
}

/* Some CAs answer a renewal with the certificate they had issued before. */
static int check_renewed(
	X509 *certificate, const struct pki_issued_expected *expected, struct pki_error *error)
{
	if (!expected->renewed)
		return 0;
	if (X509_cmp(certificate, expected->renewed) == 0 ||
		(X509_NAME_cmp(X509_get_issuer_name(certificate),
			 X509_get_issuer_name(expected->renewed)) == 0 &&
			ASN1_INTEGER_cmp(X509_get0_serialNumber(certificate),
				X509_get0_serialNumber(expected->renewed)) == 0))
		return pki_error_set(error,
			"this is the certificate that is to be replaced (the same serial number); "
			"the CA may refuse renewals until shortly before the end, or want a new "
			"key: ferrule pki enroll --regenerate");
	return 0;
}

/* After the dates: of an expired one it is better to hear that. */
static int check_outlasts(
	X509 *certificate, const struct pki_issued_expected *expected, struct pki_error *error)
{
	if (!expected->renewed || !expected->same_key)
		return 0;
	if (ASN1_TIME_compare(
		    X509_get0_notAfter(certificate), X509_get0_notAfter(expected->renewed)) <= 0)
		return pki_error_set(error,
			"the renewed certificate ends no later than the one it is to replace; see "
			"how long the CA's own certificate is valid");
	return 0;
}

/* ---- constraints ---------------------------------------------------------------------------- */

/*
 * Whoever gets at the key of such a certificate could issue others, for any name. With a
 * PKCS#12 file it may be a self-signed one, as "openssl req -x509" makes them.
 */
static int check_constraints(X509 *certificate, const struct pki_issued_expected *expected,
	struct pki_error *warning, struct pki_error *error)
{
	if (X509_check_ca(certificate) == 0)
		return 0;
	if (expected->names)
		return pki_error_set(error,
			"the certificate is one of a CA (RFC 5280 4.2.1.9: basicConstraints with "
			"cA), where one of a device was requested; have the CA issue such a one");
	pki_warn(warning, "the certificate is one of a CA: its key could certify any name");
	return 0;
}

/* ---- usages ------------------------------------------------------------------------------------
 */

static void warn_of_usages(X509 *certificate, enum pki_purpose purpose, struct pki_error *warning)
{
	uint32_t usage = X509_get_key_usage(certificate);
	uint32_t needed =
		purpose == PKI_PURPOSE_ENCRYPTION ? KU_KEY_ENCIPHERMENT : KU_DIGITAL_SIGNATURE;
	if (!(usage & needed))
		pki_warn(warning, "the CA has left out %s from the key usage",
			purpose == PKI_PURPOSE_ENCRYPTION ? "keyEncipherment" : "digitalSignature");
	if (purpose == PKI_PURPOSE_ENCRYPTION)
		return;
	if (!(X509_get_extended_key_usage(certificate) & (XKU_SSL_SERVER | XKU_ANYEKU)))
		pki_warn(warning,
			"the certificate's extended key usage lacks serverAuth, so that no server "
			"can present it");
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

static int check_chain(X509 *certificate, const struct pki_issued_expected *expected,
	STACK_OF(X509) * *chain, struct pki_error *error)
{
	/* A certificate that begins in a minute is judged by what holds then. */
	time_t when = time(NULL);
	if (ASN1_TIME_cmp_time_t(X509_get0_notBefore(certificate), when) > 0)
		when += PKI_CLOCK_SKEW;
	STACK_OF(X509) *untrusted = NULL;
	if (pki_stack_join(expected->untrusted, NULL, &untrusted))
		return pki_error_memory(error);
	*chain = pki_authority_chain(certificate, expected->trusted, untrusted, when, error);
	sk_X509_pop_free(untrusted, X509_free);
	if (*chain)
		return 0;
	struct pki_error reason = *error;
	char *issuer = pki_subject_text(X509_get_issuer_name(certificate));
	pki_error_set(error,
		"the certificate, issued by \"%s\", does not lead to the CA certificate that was "
		"authenticated: %s; authenticate the CA that issues, with its chain",
		issuer ? issuer : "?", reason.text);
	free(issuer);
	return -1;
}

int pki_issued_check(X509 *certificate, const struct pki_issued_expected *expected,
	STACK_OF(X509) * *chain, struct pki_error *warning, struct pki_error *error)
{
	*chain = NULL;
	*warning = (struct pki_error){""};
	if (check_key(certificate, expected->key, error))
		return -1;
	if (expected->names && (check_subject(certificate, expected->names, warning, error) ||
				       check_alts(certificate, expected->names, warning, error)))
		return -1;
	if (check_constraints(certificate, expected, warning, error))
		return -1;
	if (check_renewed(certificate, expected, error))
		return -1;
	if (check_dates(certificate, warning, error))
		return -1;
	if (check_outlasts(certificate, expected, error))
		return -1;
	if (check_chain(certificate, expected, chain, error))
		return -1;
	warn_of_usages(certificate, expected->purpose, warning);
	return 0;
}
