#include "pki/error.h"
#include "pki/pem.h"
#include "pki/selfsigned.h"
#include "pki/store.h"
#include "pki/watch.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FILE_LIMIT 3 /* certificate, key, chain */

struct pki_identity {
	unsigned references; /* not atomic: a process of ferrule has one thread */
	struct pki_credentials credentials;
	struct pki_watch files[FILE_LIMIT]; /* the key's first */
	size_t file_count;
	bool renews; /* made anew by a load once it has expired */
	bool is_new;
	struct pki_error warning;
};

/* Both give UINT32_MAX, which has every bit, when the certificate does not restrict its use. */
static void warn_of_usages(struct pki_error *warning, X509 *certificate)
{
	/* RFC 5280 4.2.1.12 */
	if (!(X509_get_extended_key_usage(certificate) & (XKU_SSL_SERVER | XKU_ANYEKU)))
		pki_warn(warning,
			"clients will refuse the certificate: its extended key usage lacks "
			"serverAuth");
	/* RFC 8446 4.4.2.2 */
	if (!(X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE))
		pki_warn(warning, "clients will refuse the certificate: its key usage lacks "
				  "digitalSignature");
}

static void warn_of_mode(struct pki_error *warning, const struct pki_watch *file)
{
	mode_t mode = file->status.st_mode & 07777;
	if (mode & (S_IRWXG | S_IRWXO))
		pki_warn(warning,
			"key file %s is open to users other than its owner (mode %04o); "
			"chmod 600 it",
			file->path, (unsigned)mode);
}

static int identity_watch(struct pki_identity *identity, char *path, struct pki_error *error)
{
	return pki_watch_init(&identity->files[identity->file_count++], path, error);
}

static struct pki_identity *identity_new(void)
{
	struct pki_identity *identity = calloc(1, sizeof *identity);
	if (identity)
		identity->references = 1;
	return identity;
}

static int identity_load_pem(struct pki_identity *identity, const struct pki_trustpoint *trustpoint,
	struct pki_error *error)
{
	struct pki_pem_files files = {
		.certificate = trustpoint->certificate_file,
		.key = trustpoint->key_file,
		.chain = trustpoint->chain_file,
	};
	if (identity_watch(identity, strdup(files.key), error))
		return -1;
	if (identity_watch(identity, strdup(files.certificate), error))
		return -1;
	if (files.chain && identity_watch(identity, strdup(files.chain), error))
		return -1;
	return pki_pem_load(&files, &identity->credentials, error);
}

/* With usage-keys a server signs with the one for signatures (RFC 8446 4.4.3). */
static int identity_take(
	struct pki_identity *identity, struct pki_generation *found, struct pki_error *error)
{
	if (pki_credentials_copy(&identity->credentials, &found->pairs[PKI_PAIR_MAIN]))
		return pki_error_memory(error);
	if (!identity->credentials.chain)
		identity->credentials.chain = sk_X509_new_null();
	return identity->credentials.chain ? 0 : pki_error_memory(error);
}

static int identity_load_kept(
	struct pki_identity *identity, struct pki_store *store, struct pki_error *error)
{
	if (identity_watch(identity, pki_store_path(store, PKI_STORE_KEY), error))
		return -1;
	if (identity_watch(identity, pki_store_path(store, PKI_STORE_CERTIFICATE), error))
		return -1;
	struct pki_generation found;
	int result = pki_store_load(store, &found, error);
	if (result == 0)
		result = identity_take(identity, &found, error);
	pki_generation_done(&found);
	return result;
}

/* Leaves the credentials empty when there are none and read_only forbids to make them. */
static int identity_load_selfsigned(struct pki_identity *identity,
	const struct pki_trustpoint *trustpoint, bool read_only, struct pki_error *error)
{
	struct pki_store store;
	enum pki_selfsigned kept = PKI_SELFSIGNED_MADE;
	int result = pki_store_open(
		&store, PKI_STORE_TRUSTPOINT, trustpoint->state_directory, trustpoint->name, error);
	if (result == 0)
		result = pki_selfsigned_ensure(trustpoint, &store, read_only, &kept, error);
	if (result == 0 && kept != PKI_SELFSIGNED_NEEDED)
		result = identity_load_kept(identity, &store, error);
	identity->renews = true;
	identity->is_new = result == 0 && kept == PKI_SELFSIGNED_MADE;
	pki_store_close(&store);
	return result;
}

static int refuse_for_servers(
	const struct pki_trustpoint *trustpoint, X509 *certificate, struct pki_error *error)
{
	if (X509_get_extended_key_usage(certificate) & (XKU_SSL_SERVER | XKU_ANYEKU))
		return 0;
	return pki_error_set(error,
		"the certificate of trustpoint %s cannot be a server's: its extended key usage "
		"lacks serverAuth (RFC 5280 4.2.1.12), so every client would refuse it; have the "
		"CA issue one for servers and enroll again",
		trustpoint->name);
}

static int identity_load_enrolled(struct pki_identity *identity,
	const struct pki_trustpoint *trustpoint, struct pki_error *error)
{
	struct pki_store store;
	int result = pki_store_open(
		&store, PKI_STORE_TRUSTPOINT, trustpoint->state_directory, trustpoint->name, error);
	if (result == 0)
		result = identity_load_kept(identity, &store, error);
	pki_store_close(&store);
	if (result)
		return result;
	X509 *certificate = identity->credentials.certificate;
	if (!certificate)
		return trustpoint->method == PKI_METHOD_PKCS12
			       ? pki_error_set(error,
					 "trustpoint %s has no certificate yet; ferrule pki import "
					 "%s pkcs12 brings one",
					 trustpoint->name, trustpoint->name)
			       : pki_error_set(error,
					 "trustpoint %s has no certificate yet; ferrule pki enroll "
					 "%s gets one, after ferrule pki authenticate %s",
					 trustpoint->name, trustpoint->name, trustpoint->name);
	return refuse_for_servers(trustpoint, certificate, error);
}

static int identity_load_by_method(struct pki_identity *identity,
	const struct pki_trustpoint *trustpoint, bool read_only, struct pki_error *error)
{
	switch (trustpoint->method) {
	case PKI_METHOD_PEM:
		return identity_load_pem(identity, trustpoint, error);
	case PKI_METHOD_SELFSIGNED:
		return identity_load_selfsigned(identity, trustpoint, read_only, error);
	case PKI_METHOD_SCEP:
	case PKI_METHOD_EST:
	case PKI_METHOD_TERMINAL:
	case PKI_METHOD_PROFILE:
	case PKI_METHOD_PKCS12:
	case PKI_METHOD_TFTP:
	case PKI_METHOD_FILE:
		break;
	}
	return identity_load_enrolled(identity, trustpoint, error);
}

/* X509_get_key_usage() caches in the certificate, so it is done once, before it is shared. */
static void identity_warn(struct pki_identity *identity)
{
	pki_warn_of_dates(&identity->warning, "the certificate", identity->credentials.certificate);
	warn_of_usages(&identity->warning, identity->credentials.certificate);
	warn_of_mode(&identity->warning, &identity->files[0]);
}

int pki_identity_load(const struct pki_trustpoint *trustpoint, bool read_only,
	struct pki_identity **out, struct pki_error *error)
{
	*out = NULL;
	struct pki_identity *identity = identity_new();
	if (!identity)
		return pki_error_memory(error);
	int result = identity_load_by_method(identity, trustpoint, read_only, error);
	if (result || !identity->credentials.certificate) {
		pki_identity_unref(identity);
		return result;
	}
	identity_warn(identity);
	*out = identity;
	return 0;
}

struct pki_identity *pki_identity_ref(struct pki_identity *identity)
{
	identity->references++;
	return identity;
}

void pki_identity_unref(struct pki_identity *identity)
{
	if (!identity || --identity->references > 0)
		return;
	for (size_t i = 0; i < identity->file_count; i++)
		pki_watch_done(&identity->files[i]);
	pki_credentials_done(&identity->credentials);
	free(identity);
}

X509 *pki_identity_certificate(const struct pki_identity *identity)
{
	return identity->credentials.certificate;
}

EVP_PKEY *pki_identity_key(const struct pki_identity *identity)
{
	return identity->credentials.key;
}

STACK_OF(X509) * pki_identity_chain(const struct pki_identity *identity)
{
	return identity->credentials.chain;
}

const char *pki_identity_warning(const struct pki_identity *identity)
{
	return *identity->warning.text ? identity->warning.text : NULL;
}

bool pki_identity_is_new(const struct pki_identity *identity)
{
	return identity->is_new;
}

bool pki_identity_is_stale(const struct pki_identity *identity)
{
	const ASN1_TIME *end = X509_get0_notAfter(identity->credentials.certificate);
	if (identity->renews && ASN1_TIME_cmp_time_t(end, time(NULL)) <= 0)
		return true;
	for (size_t i = 0; i < identity->file_count; i++)
		if (pki_watch_has_changed(&identity->files[i]))
			return true;
	return false;
}
