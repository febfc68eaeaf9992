/* Whom the device trusts: the certificates of a file, as a store for libssl. */
#include "pki/error.h"
#include "pki/pem.h"
#include "pki/store.h"
#include "pki/watch.h"

#include <fcntl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pki_anchors {
	X509_STORE *store; /* owned */
	size_t count;
	struct pki_watch file;
	struct pki_error warning;
};

static void warn_of(struct pki_error *warning, const X509 *anchor)
{
	static const char head[] = "the trust anchor ";
	BIO *bio = BIO_new(BIO_s_mem());
	char *what;
	if (bio && BIO_puts(bio, head) > 0 &&
		X509_NAME_print_ex(bio, X509_get_subject_name(anchor), 0, XN_FLAG_RFC2253) >= 0 &&
		BIO_write(bio, "", 1) == 1 && BIO_get_mem_data(bio, &what) > 0)
		pki_warn_of_dates(warning, what, anchor);
	BIO_free(bio);
}

static int add(struct pki_anchors *anchors, X509 *anchor, struct pki_error *error)
{
	if (X509_STORE_add_cert(anchors->store, anchor) != 1)
		return pki_error_openssl(
			error, "%s: a certificate cannot be trusted", anchors->file.path);
	/* Caches the extensions in the certificate, once, before it is shared. */
	X509_check_ca(anchor);
	warn_of(&anchors->warning, anchor);
	anchors->count++;
	return 0;
}

static int fill(struct pki_anchors *anchors, struct pki_error *error)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	anchors->store = X509_STORE_new();
	int result = all && anchors->store ? 0 : pki_error_memory(error);
	if (result == 0)
		result = pki_pem_load_certificates(anchors->file.path, all, error);
	for (int i = 0; i < sk_X509_num(all) && result == 0; i++)
		result = add(anchors, sk_X509_value(all, i), error);
	sk_X509_pop_free(all, X509_free);
	return result;
}

int pki_anchors_load(const char *pem_file, struct pki_anchors **out, struct pki_error *error)
{
	struct pki_anchors *anchors = calloc(1, sizeof *anchors);
	*out = NULL;
	if (!anchors)
		return pki_error_memory(error);
	if (pki_watch_init(&anchors->file, strdup(pem_file), error) || fill(anchors, error)) {
		pki_anchors_free(anchors);
		pki_error_add(error, "; ca_file is to hold the certificates of the CAs, or of "
				     "single peers, that are trusted");
		return -1;
	}
	*out = anchors;
	return 0;
}

void pki_anchors_free(struct pki_anchors *anchors)
{
	if (!anchors)
		return;
	X509_STORE_free(anchors->store);
	pki_watch_done(&anchors->file);
	free(anchors);
}

X509_STORE *pki_anchors_store(const struct pki_anchors *anchors)
{
	return anchors->store;
}

size_t pki_anchors_count(const struct pki_anchors *anchors)
{
	return anchors->count;
}

const char *pki_anchors_warning(const struct pki_anchors *anchors)
{
	return *anchors->warning.text ? anchors->warning.text : NULL;
}

bool pki_anchors_is_stale(const struct pki_anchors *anchors)
{
	return pki_watch_has_changed(&anchors->file);
}

/* ---- of a trustpoint ------------------------------------------------------------------------ */

int pki_anchors_load_trustpoint(
	const struct pki_trustpoint *trustpoint, struct pki_anchors **out, struct pki_error *error)
{
	struct pki_store store;
	const char *file = trustpoint->ca_file ? trustpoint->ca_file : trustpoint->chain_file;
	*out = NULL;
	if (trustpoint->method == PKI_METHOD_PEM)
		return file ? pki_anchors_load(file, out, error)
			    : pki_error_set(error,
				      "trustpoint %s has no CA certificates; name a file of them",
				      trustpoint->name);
	int result = pki_store_open(
		&store, PKI_STORE_TRUSTPOINT, trustpoint->state_directory, trustpoint->name, error);
	char *path = result ? NULL : pki_store_path(&store, PKI_STORE_CA);
	if (result == 0)
		result = path ? pki_anchors_load(path, out, error) : pki_error_memory(error);
	if (result)
		pki_error_add(error, " (ferrule pki authenticate %s gets it)", trustpoint->name);
	free(path);
	pki_store_close(&store);
	return result;
}

const char *pki_trustpool_file(void)
{
	static const char *const places[] = {
		"/etc/ssl/certs/ca-certificates.crt", /* Debian, Arch */
		"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
		"/etc/ssl/ca-bundle.pem",             /* SUSE */
		"/etc/ssl/cert.pem",                  /* Alpine */
	};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (faccessat(AT_FDCWD, places[i], R_OK, 0) == 0)
			return places[i];
	return NULL;
}
