/* PKCS#12 files, subject names and the store's facts: taken apart or refused in a sentence. */
#include <assert.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "pki/pkcs12.h"
#include "pki/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_file(const uint8_t *data, size_t size)
{
	struct pki_credentials found;
	struct pki_error error = {0};
	int result = pki_pkcs12_read(data, size, "secretsecret", &found, &error);
	assert(result == 0 ? found.key && found.certificate : !found.key && *error.text);
	assert(ERR_peek_error() == 0);
	assert(strlen(error.text) < sizeof error.text);
	pki_credentials_done(&found);
}

static void read_subject(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct pki_error error = {0};
	X509_NAME *name = X509_NAME_new();
	int result = pki_subject_parse(name, text, &error);
	assert(result == 0 ? X509_NAME_entry_count(name) > 0 : *error.text);
	assert(ERR_peek_error() == 0);
	char *shown = pki_subject_text(name);
	for (const char *at = shown; *at; at++)
		assert((unsigned char)*at >= 0x20 && (unsigned char)*at < 0x7f);
	free(shown);
	X509_NAME_free(name);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Its iterations are the file's to say: more than a few would only cost time. */
	if (size > 0 && data[0] == 0x30 && size < 4096)
		read_file(data, size);
	else
		read_subject(data, size);
	return 0;
}
