/* Copies of certificates, and of exportable keys, for other programs. */
#include "pki/authority.h"
#include "pki/error.h"
#include "pki/file.h"
#include "pki/paste.h"
#include "pki/pkcs12.h"
#include "pki/retrieve.h"
#include "pki/subject.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PASSWORD_MIN 8

/* ---- what there is ----------------------------------------------------------------------------
 */

static int load(const struct pki_trustpoint *trustpoint, struct pki_generation *out,
	struct pki_error *error)
{
	struct pki_store store;
	*out = (struct pki_generation){0};
	if (trustpoint->method == PKI_METHOD_PEM) {
		struct pki_pem_files files = {.certificate = trustpoint->certificate_file,
			.key = trustpoint->key_file,
			.chain = trustpoint->chain_file};
		if (!files.certificate)
			return pki_error_set(error, "trustpoint %s has no certificate of its own",
				trustpoint->name);
		return pki_pem_load(&files, &out->pairs[PKI_PAIR_MAIN], error);
	}
	int result = pki_store_open(
		&store, PKI_STORE_TRUSTPOINT, trustpoint->state_directory, trustpoint->name, error);
	if (result == 0)
		result = pki_store_load(&store, out, error);
	pki_store_close(&store);
	if (result == 0 && !out->pairs[PKI_PAIR_MAIN].certificate)
		result = pki_error_set(
			error, "trustpoint %s has no certificate yet", trustpoint->name);
	return result;
}

/* The chain that servers send, and the CA certificate at its end, which they do not. */
static int chain_make(
	const struct pki_generation *generation, STACK_OF(X509) * *out, struct pki_error *error)
{
	const STACK_OF(X509) *sent = generation->pairs[PKI_PAIR_MAIN].chain;
	if (pki_stack_join(sent, generation->ca, out))
		return pki_error_memory(error);
	return 0;
}

static int check_key_export(const struct pki_trustpoint *trustpoint,
	const struct pki_generation *generation, const struct pki_export_options *options,
	struct pki_error *error)
{
	if (!options->key)
		return 0;
	if (options->format == PKI_FORMAT_DER || options->format == PKI_FORMAT_P7B)
		return pki_error_set(error, "--key goes with pem and pkcs12: the other formats "
					    "have no place for a key");
	if (trustpoint->method == PKI_METHOD_PEM)
		return pki_error_set(error, "the key of trustpoint %s is in %s already",
			trustpoint->name, trustpoint->key_file);
	if (generation->facts.exportable)
		return 0;
	return pki_error_set(error,
		"the key of trustpoint %s is not exportable; that is decided when it is made "
		"(key.exportable = true, or pki key generate --exportable), so make another: "
		"ferrule pki enroll %s --regenerate",
		trustpoint->name, trustpoint->name);
}

/* ---- as ... ------------------------------------------------------------------------------------
 */

/* Takes the BIO over, which is NULL when memory ran out. */
static int bio_take(BIO *bio, unsigned char **out, size_t *len, struct pki_error *error)
{
	char *data;
	long size = bio ? BIO_get_mem_data(bio, &data) : 0;
	*out = size > 0 ? OPENSSL_memdup(data, (size_t)size) : NULL;
	*len = (size_t)size;
	BIO_free(bio);
	return *out ? 0 : pki_error_memory(error);
}

static bool write_pair(
	BIO *bio, const struct pki_credentials *pair, const struct pki_export_options *options)
{
	return (!options->key ||
		       PEM_write_bio_PrivateKey(bio, pair->key, NULL, NULL, 0, NULL, NULL) == 1) &&
	       PEM_write_bio_X509(bio, pair->certificate) == 1;
}

static int as_pem(const struct pki_generation *generation, const STACK_OF(X509) * chain,
	const struct pki_export_options *options, unsigned char **out, size_t *len,
	struct pki_error *error)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	bool written = bio;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT && written; pair++)
		if (generation->pairs[pair].certificate)
			written = write_pair(bio, &generation->pairs[pair], options);
	for (int i = 0; i < sk_X509_num(chain) && written; i++)
		written = PEM_write_bio_X509(bio, sk_X509_value(chain, i)) == 1;
	if (!written) {
		BIO_free(bio);
		bio = NULL;
	}
	return bio_take(bio, out, len, error);
}

static int as_der(const struct pki_generation *generation, unsigned char **out, size_t *len,
	struct pki_error *error)
{
	*out = NULL;
	int size = i2d_X509(generation->pairs[PKI_PAIR_MAIN].certificate, out);
	if (size <= 0)
		return pki_error_openssl(error, "cannot write the certificate");
	*len = (size_t)size;
	return 0;
}

/* RFC 8551 3.8: certificates only, nothing is signed. */
static int as_p7b(const struct pki_generation *generation, const STACK_OF(X509) * chain,
	unsigned char **out, size_t *len, struct pki_error *error)
{
	PKCS7 *bag = PKCS7_new();
	bool done = bag && PKCS7_set_type(bag, NID_pkcs7_signed) == 1 &&
		    PKCS7_content_new(bag, NID_pkcs7_data) == 1;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT && done; pair++)
		if (generation->pairs[pair].certificate)
			done = PKCS7_add_certificate(bag, generation->pairs[pair].certificate) == 1;
	for (int i = 0; i < sk_X509_num(chain) && done; i++)
		done = PKCS7_add_certificate(bag, sk_X509_value(chain, i)) == 1;
	if (done)
		PKCS7_set_detached(bag, 1);
	*out = NULL;
	int size = done ? i2d_PKCS7(bag, out) : -1;
	PKCS7_free(bag);
	if (size <= 0)
		return pki_error_openssl(error, "cannot write the PKCS#7 file");
	*len = (size_t)size;
	return 0;
}

static int password_get(const struct pki_export_options *options, const struct pki_context *context,
	struct pki_secret *out, struct pki_error *error)
{
	const struct pki_interaction *asked = context->interaction;
	if (options->password)
		*out = *options->password;
	else if (asked->ask_secret(asked->context,
			 "Password for the PKCS#12 file: ", "--password-file FILE", out, error))
		return -1;
	if (options->key && out->len < PASSWORD_MIN)
		return pki_error_set(error,
			"a password of %zu characters does not protect a private key; take %d at "
			"least",
			out->len, PASSWORD_MIN);
	return 0;
}

static int as_pkcs12(const struct pki_trustpoint *trustpoint,
	const struct pki_generation *generation, STACK_OF(X509) * chain,
	const struct pki_export_options *options, const struct pki_context *context,
	unsigned char **out, size_t *len, struct pki_error *error)
{
	const struct pki_credentials *pair = &generation->pairs[PKI_PAIR_MAIN];
	struct pki_credentials content = {.certificate = pair->certificate,
		.key = options->key ? pair->key : NULL,
		.chain = chain};
	struct pki_secret password = {0};
	int result = password_get(options, context, &password, error);
	if (result == 0)
		result = pki_pkcs12_write(&content, trustpoint->name, password.text,
			options->legacy, out, len, error);
	pki_secret_wipe(&password);
	return result;
}

static int export_as(const struct pki_trustpoint *trustpoint,
	const struct pki_generation *generation, STACK_OF(X509) * chain,
	const struct pki_export_options *options, const struct pki_context *context,
	unsigned char **out, size_t *len, struct pki_error *error)
{
	switch (options->format) {
	case PKI_FORMAT_PEM:
		return as_pem(generation, chain, options, out, len, error);
	case PKI_FORMAT_DER:
		return as_der(generation, out, len, error);
	case PKI_FORMAT_P7B:
		return as_p7b(generation, chain, out, len, error);
	case PKI_FORMAT_PKCS12:
		break;
	}
	return as_pkcs12(trustpoint, generation, chain, options, context, out, len, error);
}

int pki_export(const struct pki_trustpoint *trustpoint, const struct pki_export_options *options,
	const struct pki_context *context, unsigned char **out, size_t *len,
	struct pki_error *error)
{
	struct pki_generation generation;
	STACK_OF(X509) *chain = NULL;
	*out = NULL;
	if (options->chain && options->format == PKI_FORMAT_DER)
		return pki_error_set(error,
			"--chain does not go with der, which is one certificate; use pem or p7b");
	int result = load(trustpoint, &generation, error);
	if (result == 0)
		result = check_key_export(trustpoint, &generation, options, error);
	if (result == 0 && options->chain)
		result = chain_make(&generation, &chain, error);
	if (result == 0)
		result = export_as(
			trustpoint, &generation, chain, options, context, out, len, error);
	sk_X509_pop_free(chain, X509_free);
	pki_generation_done(&generation);
	return result;
}

/* ---- verify
 * -------------------------------------------------------------------------------------- */

static int anchors_get(const struct pki_trustpoint *trustpoint, STACK_OF(X509) * *trusted,
	STACK_OF(X509) * *others, struct pki_error *error)
{
	struct pki_store store;
	struct pki_generation found = {0};
	*trusted = *others = NULL;
	if (trustpoint->method == PKI_METHOD_PEM) {
		const char *file =
			trustpoint->ca_file ? trustpoint->ca_file : trustpoint->chain_file;
		if (!file)
			return pki_error_set(error,
				"trustpoint %s says nothing of whom to trust; give it files.ca",
				trustpoint->name);
		/* The trust pool has far more of them than any answer of a CA may have. */
		*trusted = sk_X509_new_null();
		return *trusted ? pki_pem_load_certificates(file, *trusted, error)
				: pki_error_memory(error);
	}
	int result = pki_store_open(
		&store, PKI_STORE_TRUSTPOINT, trustpoint->state_directory, trustpoint->name, error);
	if (result == 0)
		result = pki_store_load(&store, &found, error);
	pki_store_close(&store);
	/* A self-signed certificate is its own anchor. */
	STACK_OF(X509) *own = sk_X509_new_null();
	X509 *leaf = found.pairs[PKI_PAIR_MAIN].certificate;
	if (result == 0 && own && leaf && pki_certificate_is_selfsigned(leaf) &&
		sk_X509_push(own, leaf) > 0)
		X509_up_ref(leaf);
	if (result == 0 && pki_stack_join(own, found.ca, trusted))
		result = pki_error_memory(error);
	if (result == 0 && pki_stack_join(found.others, NULL, others))
		result = pki_error_memory(error);
	sk_X509_pop_free(own, X509_free);
	pki_generation_done(&found);
	if (result == 0 && sk_X509_num(*trusted) == 0)
		result = pki_error_set(error,
			"trustpoint %s has no CA certificate yet; ferrule pki authenticate %s gets "
			"it",
			trustpoint->name, trustpoint->name);
	return result;
}

static bool is_among(const STACK_OF(X509) * anchors, const X509 *certificate)
{
	for (int i = 0; i < sk_X509_num(anchors); i++)
		if (X509_cmp(sk_X509_value(anchors, i), certificate) == 0)
			return true;
	return false;
}

static int judge(const struct pki_trustpoint *trustpoint, STACK_OF(X509) * given,
	const STACK_OF(X509) * trusted, const STACK_OF(X509) * others,
	const struct pki_context *context, struct pki_error *error)
{
	X509 *certificate = sk_X509_value(given, 0);
	char *subject = pki_subject_text(X509_get_subject_name(certificate));
	STACK_OF(X509) *untrusted = NULL;
	int result = pki_stack_join(given, others, &untrusted) ? pki_error_memory(error) : 0;
	STACK_OF(X509) *chain =
		result ? NULL
		       : pki_authority_chain(certificate, trusted, untrusted, time(NULL), error);
	if (chain)
		pki_say(context, "%s: trusted by trustpoint %s%s", subject ? subject : "?",
			trustpoint->name,
			is_among(trusted, certificate) ? " (the certificate itself is in its store)"
						       : "");
	else if (result == 0) {
		struct pki_error reason = *error;
		pki_error_set(error, "%s: not trusted by trustpoint %s: %s",
			subject ? subject : "?", trustpoint->name, reason.text);
	}
	free(subject);
	sk_X509_pop_free(untrusted, X509_free);
	result = chain ? 0 : -1;
	sk_X509_pop_free(chain, X509_free);
	return result;
}

int pki_verify(const struct pki_trustpoint *trustpoint, const char *file,
	const struct pki_context *context, struct pki_error *error)
{
	STACK_OF(X509) *given = NULL, *trusted = NULL, *others = NULL;
	int result = pki_retrieve_file(file, &given, error);
	if (result == 0)
		result = anchors_get(trustpoint, &trusted, &others, error);
	if (result == 0)
		result = judge(trustpoint, given, trusted, others, context, error);
	sk_X509_pop_free(given, X509_free);
	sk_X509_pop_free(trusted, X509_free);
	sk_X509_pop_free(others, X509_free);
	return result;
}
