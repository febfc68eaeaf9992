#include "pki/store.h"
#include "pki/error.h"
#include "pki/file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CURRENT     "current"
#define CURRENT_NEW "current.new"
#define DIRECTORY   (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* Long enough for "999999999", the largest generation there can be. */
#define NUMBER_SIZE 10

/* A generation is a positive decimal number without leading zeros; anything else gives 0. */
static int generation_parse(const char *text)
{
	size_t len = strlen(text);
	if (len == 0 || len >= NUMBER_SIZE || text[0] == '0' || strspn(text, "0123456789") != len)
		return 0;
	return (int)strtol(text, NULL, 10);
}

static void generation_name(int generation, char name[NUMBER_SIZE + 2])
{
	snprintf(name, NUMBER_SIZE + 2, "%d", generation);
}

static int directory_sync(int fd)
{
	/* EINVAL: this file system has nothing to do for a directory (fsync(2)). */
	return fsync(fd) && errno != EINVAL ? -errno : 0;
}

/* A name that is a single, visible file name can neither leave the state directory nor hide. */
static bool name_is_safe(const char *name)
{
	size_t len = strlen(name);
	return len > 0 && len <= NAME_MAX && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       len;
}

int pki_store_open(struct pki_store *store, const char *state_directory, const char *name,
	struct pki_error *error)
{
	*store = (struct pki_store){
		.state_directory = state_directory, .name = name, .directory = -1, .lock = -1};
	if (!name_is_safe(name))
		return pki_error_set(error,
			"trustpoint name \"%s\": use letters, digits, '-', '_' and '.', "
			"the first not a '.'",
			name);
	if (asprintf(&store->path, "%s/trustpoints/%s", state_directory, name) < 0) {
		store->path = NULL;
		return pki_error_memory(error);
	}
	store->directory = openat(AT_FDCWD, store->path, DIRECTORY);
	if (store->directory < 0 && errno != ENOENT)
		return pki_error_set(error, "%s: %s", store->path, strerror(errno));
	return 0;
}

void pki_store_close(struct pki_store *store)
{
	if (store->directory >= 0)
		close(store->directory);
	if (store->lock >= 0)
		close(store->lock);
	free(store->path);
	*store = (struct pki_store){.directory = -1, .lock = -1};
}

char *pki_store_path(const struct pki_store *store, const char *file)
{
	char *path;
	return asprintf(&path, "%s/" CURRENT "/%s", store->path, file) < 0 ? NULL : path;
}

/* The number `current` points to, 0 when there is no such link, or -errno. */
static int store_current(const struct pki_store *store)
{
	char target[NUMBER_SIZE + 1];
	if (store->directory < 0)
		return 0;
	ssize_t len = readlinkat(store->directory, CURRENT, target, sizeof target - 1);
	if (len < 0)
		return errno == ENOENT ? 0 : -errno;
	target[len] = '\0';
	int generation = generation_parse(target);
	return generation ? generation : -EINVAL;
}

static int store_current_checked(const struct pki_store *store, struct pki_error *error)
{
	int generation = store_current(store);
	if (generation == -EINVAL)
		return pki_error_set(error, "%s/" CURRENT ": not a link to a generation (a number)",
			store->path);
	if (generation < 0)
		return pki_error_set(
			error, "%s/" CURRENT ": %s", store->path, strerror(-generation));
	return generation;
}

/* Through its number, not through `current`, which may be switched between the two files. */
static int generation_load(const struct pki_store *store, int generation,
	struct pki_credentials *out, struct pki_error *error)
{
	char *key = NULL, *certificate = NULL;
	int result = -1;
	*out = (struct pki_credentials){0};
	if (asprintf(&key, "%s/%d/" PKI_STORE_KEY, store->path, generation) < 0) {
		key = NULL;
		pki_error_memory(error);
		goto out;
	}
	if (asprintf(&certificate, "%s/%d/" PKI_STORE_CERTIFICATE, store->path, generation) < 0) {
		certificate = NULL;
		pki_error_memory(error);
		goto out;
	}
	struct pki_pem_files files = {.certificate = certificate, .key = key};
	result = pki_pem_load(&files, out, error);
out:
	free(key);
	free(certificate);
	return result;
}

int pki_store_load(struct pki_store *store, struct pki_credentials *out, struct pki_error *error)
{
	*out = (struct pki_credentials){0};
	int generation = store_current_checked(store, error);
	if (generation <= 0)
		return generation;
	return generation_load(store, generation, out, error);
}

/* Opens a directory that is made when missing; either way its name is on the disk then. */
static int directory_make(int parent, const char *name)
{
	if (mkdirat(parent, name, 0700) && errno != EEXIST)
		return -errno;
	/* The state directory may be a link to another disk; below it nothing may. */
	int fd = openat(parent, name, DIRECTORY | (parent == AT_FDCWD ? 0 : O_NOFOLLOW));
	if (fd < 0)
		return -errno;
	int result = parent == AT_FDCWD ? 0 : directory_sync(parent);
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

static int store_directory_make(struct pki_store *store, struct pki_error *error)
{
	const char *const steps[] = {store->state_directory, "trustpoints", store->name};
	int parent = AT_FDCWD;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		int fd = directory_make(parent, steps[i]);
		if (parent != AT_FDCWD)
			close(parent);
		if (fd < 0)
			return pki_error_set(error, "%s: cannot make the directory %s: %s",
				store->path, steps[i], strerror(-fd));
		parent = fd;
	}
	if (store->directory >= 0)
		close(store->directory);
	store->directory = parent;
	return 0;
}

int pki_store_lock(struct pki_store *store, struct pki_error *error)
{
	assert(store->lock < 0);
	if (store_directory_make(store, error))
		return -1;
	int fd = openat(store->directory, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return pki_error_set(error, "%s/lock: %s", store->path, strerror(errno));
	int result;
	do {
		result = flock(fd, LOCK_EX);
	} while (result && errno == EINTR);
	if (result) {
		pki_error_set(error, "%s/lock: %s", store->path, strerror(errno));
		close(fd);
		return -1;
	}
	store->lock = fd;
	return 0;
}

/* Opens a directory for reading its entries; NULL when it cannot be. */
static DIR *directory_open(int parent, const char *name)
{
	int fd = openat(parent, name, DIRECTORY | O_NOFOLLOW);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	if (fd >= 0 && !directory)
		close(fd);
	return directory;
}

static void generation_remove(const struct pki_store *store, const char *name)
{
	DIR *directory = directory_open(store->directory, name);
	if (!directory)
		return;
	const struct dirent *entry;
	while ((entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
	unlinkat(store->directory, name, AT_REMOVEDIR);
}

/*
 * Needs the lock. What cannot be removed now is rubbish still at the next sweep,
 * so failures are left to whoever finds the name taken.
 */
static void store_sweep(const struct pki_store *store)
{
	int current = store_current(store);
	DIR *directory = current < 0 ? NULL : directory_open(store->directory, ".");
	if (!directory)
		return;
	const struct dirent *entry;
	while ((entry = readdir(directory))) {
		int generation = generation_parse(entry->d_name);
		if (generation > 0 && generation != current && generation != current - 1)
			generation_remove(store, entry->d_name);
	}
	closedir(directory);
	unlinkat(store->directory, CURRENT_NEW, 0);
}

static int bio_create(int directory, const char *name, BIO *bio)
{
	char *data;
	if (!bio)
		return -ENOMEM;
	long len = BIO_get_mem_data(bio, &data);
	return pki_file_create(directory, name, data, (size_t)len);
}

/* Key before certificate: a certificate without its key is worth nothing. */
static int generation_fill(int directory, const struct pki_credentials *credentials)
{
	BIO *key = pki_pem_write_key(credentials->key);
	BIO *certificates = pki_pem_write_certificates(credentials);
	int result = bio_create(directory, PKI_STORE_KEY, key);
	if (result == 0)
		result = bio_create(directory, PKI_STORE_CERTIFICATE, certificates);
	BIO_free(key);
	BIO_free(certificates);
	return result ? result : directory_sync(directory);
}

static int generation_write(const struct pki_store *store, int generation,
	const struct pki_credentials *credentials, struct pki_error *error)
{
	char name[NUMBER_SIZE + 2];
	generation_name(generation, name);
	int result = mkdirat(store->directory, name, 0700) ? -errno : 0;
	int directory = -1;
	if (result == 0) {
		directory = openat(store->directory, name, DIRECTORY | O_NOFOLLOW);
		result = directory < 0 ? -errno : generation_fill(directory, credentials);
	}
	if (directory >= 0)
		close(directory);
	if (result)
		return pki_error_set(
			error, "cannot write %s/%s: %s", store->path, name, strerror(-result));
	return 0;
}

/* What the disk gives back must be a pair, else a bad disk would become the identity. */
static int generation_check(const struct pki_store *store, int generation, struct pki_error *error)
{
	struct pki_credentials found;
	int result = generation_load(store, generation, &found, error);
	pki_credentials_done(&found);
	return result;
}

static int generation_switch(const struct pki_store *store, int generation)
{
	char name[NUMBER_SIZE + 2];
	generation_name(generation, name);
	if (symlinkat(name, store->directory, CURRENT_NEW))
		return -errno;
	/* The generation's own name is on the disk before anything points to it. */
	int result = directory_sync(store->directory);
	if (result)
		return result;
	if (renameat(store->directory, CURRENT_NEW, store->directory, CURRENT))
		return -errno;
	return directory_sync(store->directory);
}

int pki_store_save(
	struct pki_store *store, const struct pki_credentials *credentials, struct pki_error *error)
{
	assert(store->lock >= 0);
	store_sweep(store);
	int current = store_current_checked(store, error);
	if (current < 0)
		return -1;
	int next = current + 1;
	int result = generation_write(store, next, credentials, error);
	if (result == 0)
		result = generation_check(store, next, error);
	if (result == 0) {
		result = generation_switch(store, next);
		if (result)
			pki_error_set(error, "cannot switch %s/" CURRENT " to %d: %s", store->path,
				next, strerror(-result));
	}
	/* By what `current` says now: the new generation stays when only the last sync failed. */
	store_sweep(store);
	return result ? -1 : 0;
}
