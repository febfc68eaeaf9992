#include "pki/pending.h"
#include "pki/error.h"
#include "pki/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PENDING     "pending"
#define PENDING_NEW "pending.new"
#define DIRECTORY   (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static const char *request_file(enum pki_pair pair)
{
	return pair == PKI_PAIR_ENCRYPTION ? "encryption-request.pem" : "request.pem";
}

void pki_pending_done(struct pki_pending *pending)
{
	for (int pair = 0; pair < PKI_PAIR_COUNT; pair++)
		X509_REQ_free(pending->requests[pair]);
	pki_generation_done(&pending->keys);
	*pending = (struct pki_pending){0};
}

/* ---- reading --------------------------------------------------------------------------- */

static char *pending_path(const struct pki_store *store, const char *file, struct pki_error *error)
{
	char *path;
	if (asprintf(&path, "%s/" PENDING "/%s", store->path, file) >= 0)
		return path;
	pki_error_memory(error);
	return NULL;
}

/* The path when the file is there; NULL when not, or when *result is -1. */
static char *path_if_there(
	const struct pki_store *store, const char *file, int *result, struct pki_error *error)
{
	char *path = pending_path(store, file, error);
	if (!path) {
		*result = -1;
		return NULL;
	}
	if (faccessat(AT_FDCWD, path, F_OK, 0) == 0)
		return path;
	if (errno != ENOENT && errno != ENOTDIR)
		*result = pki_error_set(error, "%s: %s", path, strerror(errno));
	free(path);
	return NULL;
}

static int request_read(const char *path, X509_REQ **out, struct pki_error *error)
{
	struct pki_file file;
	if (pki_file_read(path, &file, error))
		return -1;
	BIO *bio = BIO_new_mem_buf(file.data, (int)file.len);
	*out = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	pki_file_done(&file);
	return *out ? 0 : pki_error_openssl(error, "%s: cannot be read", path);
}

static int certificate_read(const char *path, struct pki_credentials *out, struct pki_error *error)
{
	out->chain = sk_X509_new_null();
	if (!out->chain)
		return pki_error_memory(error);
	if (pki_pem_load_certificates(path, out->chain, error))
		return -1;
	out->certificate = sk_X509_shift(out->chain);
	return 0;
}

static int pair_read(const struct pki_store *store, enum pki_pair pair, struct pki_pending *out,
	struct pki_error *error)
{
	int result = 0;
	struct pki_credentials *to = &out->keys.pairs[pair];
	char *key = path_if_there(store, pki_store_key_file(pair), &result, error);
	char *request = path_if_there(store, request_file(pair), &result, error);
	char *certificate = path_if_there(store, pki_store_certificate_file(pair), &result, error);
	if (result == 0 && key)
		result = pki_pem_load_key(key, &to->key, error);
	if (result == 0 && request)
		result = request_read(request, &out->requests[pair], error);
	if (result == 0 && certificate)
		result = certificate_read(certificate, to, error);
	free(key);
	free(request);
	free(certificate);
	return result;
}

int pki_pending_load(
	const struct pki_store *store, struct pki_pending *out, struct pki_error *error)
{
	*out = (struct pki_pending){0};
	int result = 0;
	char *facts = path_if_there(store, PKI_FACTS_FILE, &result, error);
	if (!facts)
		return result;
	struct pki_facts found;
	result = pki_facts_read(facts, &found, error);
	free(facts);
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT && result == 0; pair++)
		result = pair_read(store, pair, out, error);
	if (result == 0 && !out->keys.pairs[PKI_PAIR_MAIN].key)
		result = pki_error_set(error, "%s/" PENDING ": has no key", store->path);
	if (result) {
		pki_pending_done(out);
		return pki_error_add(
			error, "; to forget the pending request, remove %s/" PENDING, store->path);
	}
	out->keys.facts = found;
	out->is_there = true;
	return 0;
}

/* ---- writing ----------------------------------------------------------------------------- */

static BIO *request_write(X509_REQ *request)
{
	BIO *bio = BIO_new(BIO_s_mem());
	if (bio && PEM_write_bio_X509_REQ(bio, request) == 1)
		return bio;
	BIO_free(bio);
	return NULL;
}

static int pending_fill(int directory, const struct pki_pending *pending)
{
	int result = 0;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT && result == 0; pair++) {
		EVP_PKEY *key = pending->keys.pairs[pair].key;
		X509_REQ *request = pending->requests[pair];
		if (key)
			result = pki_bio_create(
				directory, pki_store_key_file(pair), pki_pem_write_key(key));
		if (result == 0 && request)
			result = pki_bio_create(
				directory, request_file(pair), request_write(request));
	}
	if (result == 0)
		result = pki_bio_create(
			directory, PKI_FACTS_FILE, pki_facts_write(&pending->keys.facts));
	return result ? result : pki_directory_sync(directory);
}

static int pending_write(struct pki_store *store, const struct pki_pending *pending)
{
	pki_directory_remove(store->directory, PENDING_NEW);
	if (mkdirat(store->directory, PENDING_NEW, 0700))
		return -errno;
	int directory = openat(store->directory, PENDING_NEW, DIRECTORY);
	if (directory < 0)
		return -errno;
	int result = pending_fill(directory, pending);
	close(directory);
	if (result)
		return result;
	if (renameat(store->directory, PENDING_NEW, store->directory, PENDING))
		return -errno;
	return pki_directory_sync(store->directory);
}

int pki_pending_save(
	struct pki_store *store, const struct pki_pending *pending, struct pki_error *error)
{
	assert(store->lock >= 0);
	if (pki_pending_remove(store, error))
		return -1;
	int result = pending_write(store, pending);
	if (result == 0)
		return 0;
	pki_directory_remove(store->directory, PENDING_NEW);
	return pki_error_set(
		error, "cannot write %s/" PENDING ": %s", store->path, strerror(-result));
}

/* Takes the BIO over. What was there stays until the new content is on the disk. */
static int replace(struct pki_store *store, const char *name, BIO *bio, struct pki_error *error)
{
	static const char fresh[] = "new";
	int directory = openat(store->directory, PENDING, DIRECTORY);
	int result = directory < 0 ? -errno : 0;
	if (result == 0 && unlinkat(directory, fresh, 0) && errno != ENOENT)
		result = -errno;
	if (result == 0)
		result = pki_bio_create(directory, fresh, bio);
	else
		BIO_free(bio);
	if (result == 0 && renameat(directory, fresh, directory, name))
		result = -errno;
	if (result == 0)
		result = pki_directory_sync(directory);
	if (directory >= 0)
		close(directory);
	if (result)
		return pki_error_set(error, "cannot write %s/" PENDING "/%s: %s", store->path, name,
			strerror(-result));
	return 0;
}

int pki_pending_update(
	struct pki_store *store, const struct pki_pending *pending, struct pki_error *error)
{
	assert(store->lock >= 0);
	return replace(store, PKI_FACTS_FILE, pki_facts_write(&pending->keys.facts), error);
}

int pki_pending_put(struct pki_store *store, const struct pki_pending *pending, enum pki_pair pair,
	struct pki_error *error)
{
	const struct pki_credentials *from = &pending->keys.pairs[pair];
	assert(store->lock >= 0);
	return replace(store, pki_store_certificate_file(pair),
		pki_pem_write_certificates(from->certificate, from->chain), error);
}

int pki_pending_take_back(
	struct pki_store *store, struct pki_pending *pending, struct pki_error *error)
{
	assert(store->lock >= 0);
	int directory = openat(store->directory, PENDING, DIRECTORY);
	int result = directory < 0 ? -errno : 0;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT && result == 0; pair++) {
		struct pki_credentials *from = &pending->keys.pairs[pair];
		X509_free(from->certificate);
		sk_X509_pop_free(from->chain, X509_free);
		from->certificate = NULL;
		from->chain = NULL;
		if (unlinkat(directory, pki_store_certificate_file(pair), 0) && errno != ENOENT)
			result = -errno;
	}
	if (result == 0)
		result = pki_directory_sync(directory);
	if (directory >= 0)
		close(directory);
	if (result)
		return pki_error_set(
			error, "cannot change %s/" PENDING ": %s", store->path, strerror(-result));
	return 0;
}

int pki_pending_remove(struct pki_store *store, struct pki_error *error)
{
	assert(store->lock >= 0);
	if (unlinkat(store->directory, PENDING "/" PKI_FACTS_FILE, 0) && errno != ENOENT &&
		errno != ENOTDIR)
		return pki_error_set(
			error, "cannot remove %s/" PENDING ": %s", store->path, strerror(errno));
	pki_directory_remove(store->directory, PENDING);
	return 0;
}
