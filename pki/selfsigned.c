#include "pki/selfsigned.h"
#include "pki/error.h"
#include "pki/keys.h"
#include "pki/names.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

/*
 * Ten years, because what clients have trusted or pinned is this very
 * certificate: each renewal asks every one of them again. Limits of a year or
 * less bind public CAs only; but Apple's systems refuse any server certificate
 * of more than 825 days (support.apple.com/103769): for them, take one from a CA.
 */
#define LIFETIME_DAYS 3650

/* Clients with a clock behind ours, and ours before NTP has set it. */
#define BACKDATE_DAYS 1

/* RFC 5280 4.1.2.2: positive, at most 20 octets; 126 random bits here. */
#define SERIAL_BITS 127

bool pki_serial_set(X509 *certificate)
{
	BIGNUM *serial = BN_new();
	bool done = serial &&
		    BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
		    BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate));
	BN_free(serial);
	return done;
}

static bool validity_set(X509 *certificate)
{
	time_t now = time(NULL);
	return X509_time_adj_ex(X509_getm_notBefore(certificate), -BACKDATE_DAYS, 0, &now) &&
	       X509_time_adj_ex(X509_getm_notAfter(certificate), LIFETIME_DAYS, 0, &now);
}

static bool subject_set(X509 *certificate, const X509_NAME *name)
{
	return X509_set_subject_name(certificate, name) == 1 &&
	       X509_set_issuer_name(certificate, name) == 1;
}

static bool extension_add(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool done = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return done;
}

/*
 * CA:FALSE: whoever steals a device's key must not be able to issue certificates
 * for other sites to the clients that trust the device. OpenSSL and curl take
 * such a certificate as its own anchor, NSS and Chromium as a trusted peer
 * (certutil -t P,,), while Firefox objects to a CA's certificate on a server.
 * keyEncipherment is for the RSA key exchange of TLS 1.2.
 */
static bool extensions_add(X509 *certificate, const struct pki_names *names, bool rsa)
{
	return extension_add(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       extension_add(certificate, NID_key_usage,
		       rsa ? "critical,digitalSignature,keyEncipherment"
			   : "critical,digitalSignature") &&
	       extension_add(certificate, NID_ext_key_usage, "serverAuth") &&
	       extension_add(certificate, NID_subject_key_identifier, "hash") &&
	       X509_add1_ext_i2d(
		       certificate, NID_subject_alt_name, names->alts, 0, X509V3_ADD_DEFAULT) == 1;
}

/* The hash of the curve's own strength; P-256 and RSA up to 4096 bits go with SHA-256. */
static const EVP_MD *digest_for(const EVP_PKEY *key)
{
	bool larger = EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_bits(key) > 256;
	return larger ? EVP_sha384() : EVP_sha256();
}

static bool certificate_fill(X509 *certificate, EVP_PKEY *key, const struct pki_names *names)
{
	return X509_set_version(certificate, X509_VERSION_3) == 1 && pki_serial_set(certificate) &&
	       validity_set(certificate) && subject_set(certificate, names->subject) &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       extensions_add(certificate, names, EVP_PKEY_is_a(key, "RSA") == 1) &&
	       X509_sign(certificate, key, digest_for(key)) > 0;
}

/* The labelled pair, made when it is missing; or a new one of the trustpoint's own. */
static int keys_get(const struct pki_trustpoint *trustpoint, struct pki_generation *out,
	struct pki_error *error)
{
	struct pki_key_parameters parameters = pki_keys_parameters(trustpoint);
	parameters.usage = PKI_USAGE_GENERAL;
	*out = (struct pki_generation){0};
	int result = 0;
	if (trustpoint->key_label)
		result = pki_keys_load(
			trustpoint->state_directory, trustpoint->key_label, out, error);
	if (result || out->number)
		return result;
	result = pki_keys_make(&parameters, out, error);
	if (result == 0 && trustpoint->key_label)
		return pki_keys_save(
			trustpoint->state_directory, trustpoint->key_label, out, true, error);
	/* The file's date says when it was made. */
	out->facts.key_made = 0;
	if (result)
		pki_error_add(error, " (trustpoint %s)", trustpoint->name);
	return result;
}

/* Fills *out also when it fails; the caller disposes of it. */
static int generation_make(const struct pki_trustpoint *trustpoint, const struct pki_names *names,
	struct pki_generation *out, struct pki_error *error)
{
	if (keys_get(trustpoint, out, error))
		return -1;
	struct pki_credentials *made = &out->pairs[PKI_PAIR_MAIN];
	made->certificate = X509_new();
	if (!made->certificate || !certificate_fill(made->certificate, made->key, names))
		return pki_error_openssl(error, "trustpoint %s: cannot make a certificate for %s",
			trustpoint->name, names->device);
	return 0;
}

static bool is_expired(const X509 *certificate)
{
	return ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), time(NULL)) <= 0;
}

/* A pair with a label is the right one as it is. */
static int key_fits(const struct pki_trustpoint *trustpoint, const struct pki_generation *found,
	bool *fits, struct pki_error *error)
{
	const EVP_PKEY *key = found->pairs[PKI_PAIR_MAIN].key;
	struct pki_generation labelled;
	if (!trustpoint->key_label) {
		*fits = !*found->facts.label && pki_keys_fit(trustpoint, key);
		return 0;
	}
	if (pki_keys_load(trustpoint->state_directory, trustpoint->key_label, &labelled, error))
		return -1;
	*fits = labelled.number && EVP_PKEY_eq(key, labelled.pairs[PKI_PAIR_MAIN].key) == 1;
	pki_generation_done(&labelled);
	return 0;
}

/* Asks the certificate itself, so that nothing beside it has to be kept in step. */
static int store_has_fitting(struct pki_store *store, const struct pki_trustpoint *trustpoint,
	const struct pki_names *names, bool *fits, struct pki_error *error)
{
	struct pki_generation found;
	int result = 0;
	*fits = false;
	if (pki_store_load(store, &found, error))
		return pki_error_add(
			error, "; to have a new one made, remove %s/current", store->path);
	const X509 *certificate = found.pairs[PKI_PAIR_MAIN].certificate;
	if (certificate && !is_expired(certificate) && pki_names_match(names, certificate))
		result = key_fits(trustpoint, &found, fits, error);
	pki_generation_done(&found);
	ERR_clear_error();
	return result;
}

static int store_renew(struct pki_store *store, const struct pki_trustpoint *trustpoint,
	const struct pki_names *names, struct pki_error *error)
{
	struct pki_generation made;
	int result = generation_make(trustpoint, names, &made, error);
	if (result == 0)
		result = pki_store_save(store, &made, error);
	pki_generation_done(&made);
	return result;
}

int pki_selfsigned_renew(
	const struct pki_trustpoint *trustpoint, struct pki_store *store, struct pki_error *error)
{
	struct pki_names names;
	if (pki_names_init(&names, trustpoint, error))
		return -1;
	int result = store_renew(store, trustpoint, &names, error);
	pki_names_done(&names);
	return result;
}

int pki_selfsigned_ensure(const struct pki_trustpoint *trustpoint, struct pki_store *store,
	bool read_only, enum pki_selfsigned *out, struct pki_error *error)
{
	struct pki_names names;
	bool fits = false;
	if (pki_names_init(&names, trustpoint, error))
		return -1;
	*out = PKI_SELFSIGNED_KEPT;
	int result = store_has_fitting(store, trustpoint, &names, &fits, error);
	if (result || fits)
		goto out;
	*out = PKI_SELFSIGNED_NEEDED;
	if (read_only)
		goto out;
	result = pki_store_lock(store, error);
	if (result)
		goto out;
	/* Another process may have made it while this one waited for the lock. */
	result = store_has_fitting(store, trustpoint, &names, &fits, error);
	if (result == 0 && !fits)
		result = store_renew(store, trustpoint, &names, error);
	*out = fits ? PKI_SELFSIGNED_KEPT : PKI_SELFSIGNED_MADE;
out:
	pki_names_done(&names);
	return result;
}
