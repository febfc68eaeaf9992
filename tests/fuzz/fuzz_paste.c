/* What people paste and servers hand out: certificates or a sentence, within bounds. */
#include <assert.h>
#include <openssl/err.h>
#include <string.h>

#include "pki/bag.h"
#include "pki/paste.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	STACK_OF(X509) * found;
	struct pki_error error = {0};
	int result = pki_paste_parse(data, size, "the input", &found, &error);
	assert(result == 0 ? sk_X509_num(found) > 0 : !found && *error.text);
	assert(result || sk_X509_num(found) <= PKI_BAG_MAX);
	assert(ERR_peek_error() == 0);
	assert(strlen(error.text) < sizeof error.text);
	sk_X509_pop_free(found, X509_free);
	return 0;
}
