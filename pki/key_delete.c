/* Deleting a key pair that has a label, when nobody needs it any more. */
#include "pki/error.h"
#include "pki/keys.h"
#include "pki/pending.h"
#include "pki/transport.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static bool shares_a_key(const struct pki_generation *one, const struct pki_generation *two)
{
	for (int i = 0; i < PKI_PAIR_COUNT; i++)
		for (int j = 0; j < PKI_PAIR_COUNT; j++)
			if (one->pairs[i].key && two->pairs[j].key &&
				EVP_PKEY_eq(one->pairs[i].key, two->pairs[j].key) == 1)
				return true;
	return false;
}

/* 1: the trustpoint has a certificate for the key, or has asked for one; 0: not; -1: error. */
static int is_used_by(const char *state_directory, const char *name,
	const struct pki_generation *keys, struct pki_error *error)
{
	struct pki_store store;
	struct pki_generation current = {0};
	struct pki_pending pending = {0};
	int result = pki_store_open(&store, PKI_STORE_TRUSTPOINT, state_directory, name, error);
	if (result == 0)
		result = pki_store_load(&store, &current, error);
	if (result == 0)
		result = pki_pending_load(&store, &pending, error);
	if (result == 0)
		result = shares_a_key(&current, keys) || shares_a_key(&pending.keys, keys);
	pki_generation_done(&current);
	pki_pending_done(&pending);
	pki_store_close(&store);
	return result;
}

static int check_unused(const char *state_directory, const char *label,
	const struct pki_generation *keys, struct pki_error *error)
{
	char *path;
	if (asprintf(&path, "%s/trustpoints", state_directory) < 0)
		return pki_error_memory(error);
	DIR *directory = opendir(path);
	free(path);
	if (!directory)
		return errno == ENOENT
			       ? 0
			       : pki_error_set(error, "%s: %s", state_directory, strerror(errno));
	const struct dirent *entry;
	int used = 0;
	while (used == 0 && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		used = is_used_by(state_directory, entry->d_name, keys, error);
		if (used > 0)
			pki_error_set(error,
				"the key pair %s is in use by trustpoint %s; give that another one "
				"first (ferrule pki enroll %s --regenerate, or another key.label)",
				label, entry->d_name, entry->d_name);
	}
	closedir(directory);
	return used ? -1 : 0;
}

static int remove_it(struct pki_store *store, bool yes, const struct pki_context *context,
	struct pki_error *error)
{
	struct pki_generation keys;
	if (pki_store_load(store, &keys, error))
		return -1;
	int result = 0;
	if (keys.number == 0)
		result = pki_error_set(error, "there is no key pair %s", store->name);
	if (result == 0)
		result = check_unused(store->state_directory, store->name, &keys, error);
	pki_generation_done(&keys);
	if (result)
		return -1;
	int answer = pki_confirm(context, yes, "--yes", error,
		"%% The key pair %s will be removed for good. Do you really want to remove it?",
		store->name);
	if (answer != 1)
		return answer < 0 ? -1 : pki_error_set(error, "the key pair was kept");
	return pki_store_remove(store, error);
}

int pki_key_delete(const char *state_directory, const char *label, bool yes,
	const struct pki_context *context, struct pki_error *error)
{
	struct pki_store store;
	int result = pki_store_open(&store, PKI_STORE_KEY_PAIR, state_directory, label, error);
	if (result == 0 && store.directory < 0)
		result = pki_error_set(
			error, "there is no key pair %s in %s/keys", label, state_directory);
	if (result == 0)
		result = pki_store_lock(&store, error);
	if (result == 0)
		result = remove_it(&store, yes, context, error);
	pki_store_close(&store);
	return result;
}
