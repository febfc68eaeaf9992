#include "pki/keys.h"
#include "pki/error.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- what may be made ------------------------------------------------------------- */

static const struct {
	const char *word, *curve;
} curves[] = {
	{"P-256", "P-256"},
	{"prime256v1", "P-256"},
	{"secp256r1", "P-256"},
	{"256", "P-256"},
	{"P-384", "P-384"},
	{"secp384r1", "P-384"},
	{"384", "P-384"},
};

static int parse_curve(
	const char *size, struct pki_key_parameters *parameters, struct pki_error *error)
{
	for (size_t i = 0; size && i < sizeof curves / sizeof *curves; i++) {
		if (strcasecmp(size, curves[i].word) != 0)
			continue;
		parameters->curve = curves[i].curve;
		return 0;
	}
	return pki_error_set(error,
		"ec %s: no curve that ferrule makes keys on, because not every TLS client has "
		"others; use P-256 or P-384",
		size ? size : "without a curve");
}

static int parse_bits(
	const char *size, struct pki_key_parameters *parameters, struct pki_error *error)
{
	char *end = NULL;
	unsigned long bits = size ? strtoul(size, &end, 10) : 0;
	if (!size || end == size || *end || bits > 1000000)
		return pki_error_set(error, "rsa %s: say how many bits; use 2048, 3072 or 4096",
			size ? size : "without a size");
	if (bits < PKI_RSA_BITS_MIN)
		return pki_error_set(error,
			"rsa %lu: too short; RSA below 2048 bits can be factored in time (NIST SP "
			"800-131A) and TLS clients refuse it; use 2048 to 4096",
			bits);
	if (bits > PKI_RSA_BITS_MAX)
		return pki_error_set(error,
			"rsa %lu: too long; every handshake would take many times as long and "
			"some clients refuse it; use 2048 to 4096, or ec P-384",
			bits);
	if (bits % 8)
		return pki_error_set(error, "rsa %lu: use a multiple of 8", bits);
	parameters->bits = (unsigned)bits;
	return 0;
}

int pki_key_parameters_parse(const char *type, const char *size,
	struct pki_key_parameters *parameters, struct pki_error *error)
{
	if (strcasecmp(type, "rsa") == 0) {
		parameters->type = PKI_KEY_RSA;
		return parse_bits(size, parameters, error);
	}
	if (strcasecmp(type, "ec") == 0 || strcasecmp(type, "ecdsa") == 0) {
		parameters->type = PKI_KEY_EC;
		return parse_curve(size, parameters, error);
	}
	if (strcasecmp(type, "dsa") == 0)
		return pki_error_set(error,
			"dsa: TLS 1.3 has no DSA (RFC 8446 1.2) and browsers have dropped it; "
			"use ec P-256, or rsa 2048");
	return pki_error_set(error, "%s: no type of key; use ec P-256, or rsa 2048", type);
}

/* ---- making ------------------------------------------------------------------------ */

static EVP_PKEY *key_make(const struct pki_key_parameters *parameters)
{
	if (parameters->type == PKI_KEY_RSA)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)parameters->bits);
	return EVP_PKEY_Q_keygen(NULL, NULL, "EC", parameters->curve);
}

int pki_keys_make(const struct pki_key_parameters *parameters, struct pki_generation *out,
	struct pki_error *error)
{
	unsigned count = parameters->usage == PKI_USAGE_KEYS ? 2 : 1;
	*out = (struct pki_generation){0};
	if (count == 2 && parameters->type != PKI_KEY_RSA)
		return pki_error_set(error,
			"usage-keys are for RSA: an EC key cannot encrypt; make one general key, "
			"or use rsa");
	for (unsigned pair = 0; pair < count; pair++) {
		out->pairs[pair].key = key_make(parameters);
		if (out->pairs[pair].key)
			continue;
		pki_generation_done(out);
		return pki_error_openssl(error, "cannot make a key");
	}
	out->facts.exportable = parameters->exportable;
	out->facts.key_made = time(NULL);
	if (parameters->label)
		snprintf(out->facts.label, sizeof out->facts.label, "%s", parameters->label);
	return 0;
}

struct pki_key_parameters pki_keys_parameters(const struct pki_trustpoint *trustpoint)
{
	return (struct pki_key_parameters){
		.label = trustpoint->key_label,
		.type = trustpoint->key_type,
		.bits = trustpoint->bits,
		.curve = trustpoint->curve,
		.usage = trustpoint->usage,
		.exportable = trustpoint->key_exportable,
	};
}

static bool key_has_curve(const EVP_PKEY *key, const char *curve)
{
	char group[64];
	if (EVP_PKEY_is_a(key, "EC") != 1 ||
		EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
		return false;
	/* OpenSSL answers with its own name for the curve: prime256v1. */
	return EC_curve_nist2nid(curve) == OBJ_txt2nid(group);
}

bool pki_keys_fit(const struct pki_trustpoint *trustpoint, const EVP_PKEY *key)
{
	if (trustpoint->key_type == PKI_KEY_RSA)
		return EVP_PKEY_is_a(key, "RSA") == 1 &&
		       EVP_PKEY_get_bits(key) == (int)trustpoint->bits;
	return key_has_curve(key, trustpoint->curve);
}

void pki_keys_describe(const EVP_PKEY *key, char *text, size_t size)
{
	if (key_has_curve(key, "P-256") || key_has_curve(key, "P-384"))
		snprintf(text, size, "EC P-%d", EVP_PKEY_get_bits(key));
	else
		snprintf(text, size, "%s %d", EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key));
}

/* ---- with a label -------------------------------------------------------------------- */

int pki_keys_load(const char *state_directory, const char *label, struct pki_generation *out,
	struct pki_error *error)
{
	struct pki_store store;
	*out = (struct pki_generation){0};
	int result = pki_store_open(&store, PKI_STORE_KEY_PAIR, state_directory, label, error);
	if (result == 0)
		result = pki_store_load(&store, out, error);
	pki_store_close(&store);
	if (result == 0)
		snprintf(out->facts.label, sizeof out->facts.label, "%s", label);
	return result;
}

/* Needs the lock: another may have made one meanwhile. */
static int fresh_check(struct pki_store *store, struct pki_error *error)
{
	struct pki_generation found;
	if (pki_store_load(store, &found, error))
		return -1;
	bool is_there = found.number > 0;
	pki_generation_done(&found);
	if (!is_there)
		return 0;
	return pki_error_set(error,
		"the key pair %s is there already; delete it first (ferrule pki key delete %s), or "
		"choose another label",
		store->name, store->name);
}

int pki_keys_save(const char *state_directory, const char *label, const struct pki_generation *keys,
	bool fresh, struct pki_error *error)
{
	struct pki_store store;
	int result = pki_store_open(&store, PKI_STORE_KEY_PAIR, state_directory, label, error);
	if (result == 0)
		result = pki_store_lock(&store, error);
	if (result == 0 && fresh)
		result = fresh_check(&store, error);
	if (result == 0)
		result = pki_store_save(&store, keys, error);
	pki_store_close(&store);
	return result;
}

int pki_key_generate(const char *state_directory, const struct pki_key_parameters *parameters,
	struct pki_error *error)
{
	struct pki_generation keys;
	/* Asked first: making a key of 4096 bits takes seconds. */
	if (pki_store_name_check("key label", parameters->label, error))
		return -1;
	int result = pki_keys_make(parameters, &keys, error);
	if (result == 0)
		result = pki_keys_save(state_directory, parameters->label, &keys, true, error);
	pki_generation_done(&keys);
	return result;
}
