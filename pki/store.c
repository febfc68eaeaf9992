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
#include <time.h>
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

int pki_directory_sync(int fd)
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

int pki_store_name_check(const char *what, const char *name, struct pki_error *error)
{
	if (name_is_safe(name))
		return 0;
	return pki_error_set(error,
		"%s \"%s\": use letters, digits, '-', '_' and '.', the first not a '.'", what,
		name);
}

static const char *kind_directory(enum pki_store_kind kind)
{
	return kind == PKI_STORE_KEY_PAIR ? "keys" : "trustpoints";
}

int pki_store_open(struct pki_store *store, enum pki_store_kind kind, const char *state_directory,
	const char *name, struct pki_error *error)
{
	*store = (struct pki_store){.state_directory = state_directory,
		.name = name,
		.kind = kind,
		.directory = -1,
		.lock = -1};
	if (pki_store_name_check(
		    kind == PKI_STORE_KEY_PAIR ? "key label" : "trustpoint name", name, error))
		return -1;
	if (asprintf(&store->path, "%s/%s/%s", state_directory, kind_directory(kind), name) < 0) {
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

/* ---- what a generation holds --------------------------------------------------- */

const char *pki_store_key_file(enum pki_pair pair)
{
	return pair == PKI_PAIR_ENCRYPTION ? "encryption-" PKI_STORE_KEY : PKI_STORE_KEY;
}

const char *pki_store_certificate_file(enum pki_pair pair)
{
	return pair == PKI_PAIR_ENCRYPTION ? "encryption-" PKI_STORE_CERTIFICATE
					   : PKI_STORE_CERTIFICATE;
}

void pki_generation_done(struct pki_generation *generation)
{
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++)
		pki_credentials_done(&generation->pairs[pair]);
	sk_X509_pop_free(generation->ca, X509_free);
	sk_X509_pop_free(generation->others, X509_free);
	*generation = (struct pki_generation){0};
}

int pki_generation_copy(struct pki_generation *to, const struct pki_generation *from)
{
	*to = (struct pki_generation){.facts = from->facts, .number = from->number};
	to->ca = from->ca ? X509_chain_up_ref(from->ca) : NULL;
	to->others = from->others ? X509_chain_up_ref(from->others) : NULL;
	bool complete = !from->ca == !to->ca && !from->others == !to->others;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT && complete; pair++)
		complete = pki_credentials_copy(&to->pairs[pair], &from->pairs[pair]) == 0;
	if (!complete)
		pki_generation_done(to);
	return complete ? 0 : -1;
}

/*
 * A file of generation `number`; through its number, not through `current`, which may
 * be switched between two files. NULL with `error` filled when memory ran out.
 */
static char *generation_path(
	const struct pki_store *store, unsigned number, const char *file, struct pki_error *error)
{
	char *path;
	if (asprintf(&path, "%s/%u/%s", store->path, number, file) >= 0)
		return path;
	pki_error_memory(error);
	return NULL;
}

/* 1: it is there, 0: it is not, -1 with `error` filled. */
static int file_exists(const char *path, struct pki_error *error)
{
	if (faccessat(AT_FDCWD, path, F_OK, 0) == 0)
		return 1;
	return errno == ENOENT ? 0 : pki_error_set(error, "%s: %s", path, strerror(errno));
}

/* In a trustpoint a key goes with a certificate; a labelled key pair has none. */
static int pair_load_files(const struct pki_store *store, const struct pki_pem_files *files,
	struct pki_credentials *out, struct pki_error *error)
{
	int key = file_exists(files->key, error);
	int certificate = key < 0 ? -1 : file_exists(files->certificate, error);
	if (certificate < 0)
		return -1;
	if (store->kind == PKI_STORE_KEY_PAIR)
		return key ? pki_pem_load_key(files->key, &out->key, error) : 0;
	return key || certificate ? pki_pem_load(files, out, error) : 0;
}

static int pair_load(const struct pki_store *store, unsigned number, enum pki_pair pair,
	struct pki_credentials *out, struct pki_error *error)
{
	int result = -1;
	char *key = generation_path(store, number, pki_store_key_file(pair), error);
	char *certificate = generation_path(store, number, pki_store_certificate_file(pair), error);
	if (key && certificate) {
		struct pki_pem_files files = {.certificate = certificate, .key = key};
		result = pair_load_files(store, &files, out, error);
	}
	free(key);
	free(certificate);
	return result;
}

static int certificates_load(const struct pki_store *store, unsigned number, const char *file,
	STACK_OF(X509) * *out, struct pki_error *error)
{
	char *path = generation_path(store, number, file, error);
	int result = path ? file_exists(path, error) : -1;
	if (result == 1) {
		*out = sk_X509_new_null();
		result = *out ? pki_pem_load_certificates(path, *out, error)
			      : pki_error_memory(error);
	}
	free(path);
	return result;
}

static int facts_load(const struct pki_store *store, unsigned number, struct pki_facts *facts,
	struct pki_error *error)
{
	char *path = generation_path(store, number, PKI_FACTS_FILE, error);
	int result = path ? file_exists(path, error) : -1;
	if (result == 1)
		result = pki_facts_read(path, facts, error);
	free(path);
	return result;
}

static int generation_load(const struct pki_store *store, unsigned number,
	struct pki_generation *out, struct pki_error *error)
{
	*out = (struct pki_generation){.number = number};
	int result = 0;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT && result == 0; pair++)
		result = pair_load(store, number, pair, &out->pairs[pair], error);
	if (result == 0)
		result = certificates_load(store, number, PKI_STORE_CA, &out->ca, error);
	if (result == 0)
		result = certificates_load(store, number, PKI_STORE_OTHERS, &out->others, error);
	if (result == 0)
		result = facts_load(store, number, &out->facts, error);
	if (result == 0 && !out->pairs[PKI_PAIR_MAIN].key && !out->ca)
		result = pki_error_set(error, "%s/%u: is empty", store->path, number);
	if (result)
		pki_generation_done(out);
	return result;
}

int pki_store_load(struct pki_store *store, struct pki_generation *out, struct pki_error *error)
{
	*out = (struct pki_generation){0};
	int generation = store_current_checked(store, error);
	if (generation <= 0)
		return generation;
	return generation_load(store, (unsigned)generation, out, error);
}

/* ---- writing ----------------------------------------------------------------------- */

/* Opens a directory that is made when missing; either way its name is on the disk then. */
static int directory_make(int parent, const char *name)
{
	if (mkdirat(parent, name, 0700) && errno != EEXIST)
		return -errno;
	/* The state directory may be a link to another disk; below it nothing may. */
	int fd = openat(parent, name, DIRECTORY | (parent == AT_FDCWD ? 0 : O_NOFOLLOW));
	if (fd < 0)
		return -errno;
	int result = parent == AT_FDCWD ? 0 : pki_directory_sync(parent);
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

static int store_directory_make(struct pki_store *store, struct pki_error *error)
{
	const char *const steps[] = {
		store->state_directory, kind_directory(store->kind), store->name};
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

/* Asks again and again: flock(2) cannot be told how long to wait. 0 or -errno. */
static int lock_take(int fd)
{
	static const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	int tries = PKI_STORE_LOCK_WAIT * 50;
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EINTR && (errno != EWOULDBLOCK || --tries == 0))
			return -errno;
		nanosleep(&pause, NULL);
	}
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
	int result = lock_take(fd);
	if (result == 0) {
		store->lock = fd;
		return 0;
	}
	close(fd);
	if (result == -EWOULDBLOCK)
		return pki_error_set(error,
			"another ferrule command is changing %s; try again when it has ended",
			store->path);
	return pki_error_set(error, "%s/lock: %s", store->path, strerror(-result));
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

void pki_directory_remove(int parent, const char *name)
{
	DIR *directory = directory_open(parent, name);
	if (!directory)
		return;
	const struct dirent *entry;
	while ((entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
	unlinkat(parent, name, AT_REMOVEDIR);
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
			pki_directory_remove(store->directory, entry->d_name);
	}
	closedir(directory);
	unlinkat(store->directory, CURRENT_NEW, 0);
}

int pki_bio_create(int directory, const char *name, BIO *bio)
{
	char *data;
	if (!bio)
		return -ENOMEM;
	long len = BIO_get_mem_data(bio, &data);
	int result = pki_file_create(directory, name, data, (size_t)len);
	BIO_free(bio);
	return result;
}

static int keys_write(int directory, const struct pki_generation *generation)
{
	int result = 0;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT && result == 0; pair++)
		if (generation->pairs[pair].key)
			result = pki_bio_create(directory, pki_store_key_file(pair),
				pki_pem_write_key(generation->pairs[pair].key));
	return result;
}

static int certificates_write(int directory, const struct pki_generation *generation)
{
	int result = 0;
	if (generation->ca)
		result = pki_bio_create(
			directory, PKI_STORE_CA, pki_pem_write_certificates(NULL, generation->ca));
	if (result == 0 && generation->others)
		result = pki_bio_create(directory, PKI_STORE_OTHERS,
			pki_pem_write_certificates(NULL, generation->others));
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT && result == 0; pair++) {
		const struct pki_credentials *from = &generation->pairs[pair];
		if (from->certificate)
			result = pki_bio_create(directory, pki_store_certificate_file(pair),
				pki_pem_write_certificates(from->certificate, from->chain));
	}
	return result;
}

/* Key before certificate: a certificate without its key is worth nothing. */
static int generation_fill(int directory, const struct pki_generation *generation)
{
	int result = keys_write(directory, generation);
	if (result == 0)
		result = certificates_write(directory, generation);
	if (result == 0 && !pki_facts_are_default(&generation->facts))
		result = pki_bio_create(
			directory, PKI_FACTS_FILE, pki_facts_write(&generation->facts));
	return result ? result : pki_directory_sync(directory);
}

static int generation_write(const struct pki_store *store, int number,
	const struct pki_generation *generation, struct pki_error *error)
{
	char name[NUMBER_SIZE + 2];
	generation_name(number, name);
	int result = mkdirat(store->directory, name, 0700) ? -errno : 0;
	int directory = -1;
	if (result == 0) {
		directory = openat(store->directory, name, DIRECTORY | O_NOFOLLOW);
		result = directory < 0 ? -errno : generation_fill(directory, generation);
	}
	if (directory >= 0)
		close(directory);
	if (result)
		return pki_error_set(
			error, "cannot write %s/%s: %s", store->path, name, strerror(-result));
	return 0;
}

/* What the disk gives back must be pairs, else a bad disk would become the identity. */
static int generation_check(const struct pki_store *store, int number,
	const struct pki_generation *meant, struct pki_error *error)
{
	struct pki_generation found;
	int result = generation_load(store, (unsigned)number, &found, error);
	if (result == 0 && (sk_X509_num(found.ca) != sk_X509_num(meant->ca) ||
				   sk_X509_num(found.others) != sk_X509_num(meant->others)))
		result = pki_error_set(
			error, "%s/%d: not what was written to it", store->path, number);
	pki_generation_done(&found);
	return result;
}

static int generation_switch(const struct pki_store *store, int generation)
{
	char name[NUMBER_SIZE + 2];
	generation_name(generation, name);
	if (symlinkat(name, store->directory, CURRENT_NEW))
		return -errno;
	/* The generation's own name is on the disk before anything points to it. */
	int result = pki_directory_sync(store->directory);
	if (result)
		return result;
	if (renameat(store->directory, CURRENT_NEW, store->directory, CURRENT))
		return -errno;
	return pki_directory_sync(store->directory);
}

int pki_store_save(
	struct pki_store *store, const struct pki_generation *generation, struct pki_error *error)
{
	assert(store->lock >= 0);
	store_sweep(store);
	int current = store_current_checked(store, error);
	if (current < 0)
		return -1;
	int next = current + 1;
	int result = generation_write(store, next, generation, error);
	if (result == 0)
		result = generation_check(store, next, generation, error);
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

int pki_store_remove(struct pki_store *store, struct pki_error *error)
{
	assert(store->lock >= 0);
	/* From here on there is none, whatever happens to the rest. */
	if (unlinkat(store->directory, CURRENT, 0) && errno != ENOENT)
		return pki_error_set(
			error, "cannot remove %s/" CURRENT ": %s", store->path, strerror(errno));
	store_sweep(store);
	int result = pki_directory_sync(store->directory);
	if (result)
		return pki_error_set(error, "%s: %s", store->path, strerror(-result));
	return 0;
}
