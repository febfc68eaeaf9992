/* show pki keys: what IOS shows of key pairs; never a private part. */
#include "pki/error.h"
#include "pki/keys.h"
#include "pki/show.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LINE_BYTES 32

static void show_data(struct pki_outline *outline, const EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	char *text = len > 0 ? malloc((size_t)len * 3) : NULL;
	size_t used = 0;
	pki_outline_line(outline, "Key Data:");
	for (int i = 0; i < len && text; i++) {
		used += (size_t)snprintf(text + used, (size_t)len * 3 - used, "%s%02X",
			i % LINE_BYTES && i % 4 == 0 && !outline->json ? " " : "", der[i]);
		if (outline->json || ((i + 1) % LINE_BYTES && i + 1 < len))
			continue;
		pki_outline_line(outline, "  %s", text);
		used = 0;
	}
	if (text)
		pki_outline_field(outline, "public_key", NULL, text);
	free(text);
	OPENSSL_free(der);
}

/* When the facts do not say when a key was made, its file's date does. */
static time_t made_at(const struct pki_generation *keys, const struct pki_store *store)
{
	struct stat status = {0};
	if (keys->facts.key_made)
		return keys->facts.key_made;
	char *path = pki_store_path(store, PKI_STORE_KEY);
	if (path && stat(path, &status))
		status.st_mtime = 0;
	free(path);
	return status.st_mtime;
}

static const char *usage_of(const struct pki_generation *keys, enum pki_pair pair)
{
	if (!keys->pairs[PKI_PAIR_ENCRYPTION].key)
		return "General Purpose Key";
	return pair == PKI_PAIR_ENCRYPTION ? "Encryption Key" : "Signature Key";
}

static void show_pair(struct pki_outline *outline, const struct pki_generation *keys,
	const struct pki_store *store, enum pki_pair pair)
{
	char type[64];
	time_t made = made_at(keys, store);
	pki_keys_describe(keys->pairs[pair].key, type, sizeof type);
	pki_outline_begin(outline, NULL, NULL);
	if (made)
		pki_outline_time(outline, "made", "% Key pair was generated at", made);
	pki_outline_field(outline, "name", "Key name", store->name);
	pki_outline_field(
		outline, "kind", NULL, store->kind == PKI_STORE_KEY_PAIR ? "label" : "trustpoint");
	pki_outline_field(outline, "type", "Key type", type);
	pki_outline_field(outline, "usage", " Usage", usage_of(keys, pair));
	pki_outline_line(outline, " Key is %sexportable.", keys->facts.exportable ? "" : "not ");
	pki_outline_bool(outline, "exportable", NULL, keys->facts.exportable);
	show_data(outline, keys->pairs[pair].key);
	pki_outline_end(outline, NULL);
}

static void show_store(struct pki_outline *outline, enum pki_store_kind kind,
	const char *state_directory, const char *name)
{
	struct pki_store store;
	struct pki_error error = {""};
	struct pki_generation keys = {0};
	int result = pki_store_open(&store, kind, state_directory, name, &error);
	if (result == 0)
		result = pki_store_load(&store, &keys, &error);
	if (result)
		pki_outline_line(outline, "%% %s: %s", name, error.text);
	/* A labelled pair of a trustpoint is shown once, under its label. */
	bool is_copy = kind == PKI_STORE_TRUSTPOINT && *keys.facts.label;
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT && !is_copy; pair++)
		if (keys.pairs[pair].key)
			show_pair(outline, &keys, &store, pair);
	pki_generation_done(&keys);
	pki_store_close(&store);
}

static int by_name(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int show_labelled(struct pki_outline *outline, const char *state_directory,
	const struct pki_show_options *options, struct pki_error *error)
{
	struct dirent **entries;
	char *path;
	if (asprintf(&path, "%s/keys", state_directory) < 0)
		return pki_error_memory(error);
	int count = scandir(path, &entries, is_visible, by_name);
	if (count < 0 && errno != ENOENT)
		pki_error_set(error, "%s: %s", path, strerror(errno));
	else if (count < 0)
		count = 0;
	free(path);
	if (count < 0)
		return -1;
	for (int i = 0; i < count; i++) {
		if (!options->name || strcmp(options->name, entries[i]->d_name) == 0)
			show_store(
				outline, PKI_STORE_KEY_PAIR, state_directory, entries[i]->d_name);
		free(entries[i]);
	}
	if (count > 0)
		free(entries);
	return 0;
}

int pki_show_keys(const char *state_directory, const struct pki_trustpoint *trustpoints,
	size_t count, const struct pki_show_options *options, char **out, struct pki_error *error)
{
	struct pki_outline outline;
	pki_outline_init(&outline, options->json);
	pki_outline_begin_list(&outline, "keys", NULL);
	int result = show_labelled(&outline, state_directory, options, error);
	for (size_t i = 0; i < count && result == 0; i++)
		if (trustpoints[i].method != PKI_METHOD_PEM &&
			(!options->name || strcmp(options->name, trustpoints[i].name) == 0))
			show_store(&outline, PKI_STORE_TRUSTPOINT, trustpoints[i].state_directory,
				trustpoints[i].name);
	pki_outline_end(&outline, NULL);
	if (result) {
		BIO_free(outline.bio);
		return -1;
	}
	ERR_clear_error();
	return pki_outline_finish(&outline, out, error);
}
