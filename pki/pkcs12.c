#include "pki/pkcs12.h"
#include "pki/error.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <string.h>

#define ITERATIONS 10000 /* NIST SP 800-132 5.2 asks for 1000 at least */

/* Seconds of work; a file may ask for hours, and may come from the network. */
#define ITERATIONS_MAX 5000000

/* ---- reading -------------------------------------------------------------------------------- */

/* Default and legacy algorithms, for this one file only. */
struct context {
	OSSL_LIB_CTX *library;
	OSSL_PROVIDER *sound, *legacy;
};

static void context_close(struct context *context)
{
	if (context->sound)
		OSSL_PROVIDER_unload(context->sound);
	if (context->legacy)
		OSSL_PROVIDER_unload(context->legacy);
	OSSL_LIB_CTX_free(context->library);
}

static bool context_open(struct context *context)
{
	*context = (struct context){.library = OSSL_LIB_CTX_new()};
	if (!context->library)
		return false;
	context->sound = OSSL_PROVIDER_load(context->library, "default");
	context->legacy = OSSL_PROVIDER_load(context->library, "legacy");
	return context->sound && context->legacy;
}

static PKCS12 *parse(const void *data, size_t len, OSSL_LIB_CTX *library)
{
	const unsigned char *at = data;
	PKCS12 *file = PKCS12_init_ex(NID_pkcs7_data, library, NULL);
	if (!file || !d2i_PKCS12(&file, &at, (long)len)) {
		PKCS12_free(file);
		return NULL;
	}
	return file;
}

/* Of another library context, so that it is taken apart and put together again in ours. */
static EVP_PKEY *key_adopt(EVP_PKEY *foreign)
{
	unsigned char *der = NULL;
	int len = i2d_PrivateKey(foreign, &der);
	const unsigned char *at = der;
	EVP_PKEY *key = len > 0 ? d2i_AutoPrivateKey(NULL, &at, len) : NULL;
	OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
	EVP_PKEY_free(foreign);
	return key;
}

static X509 *certificate_adopt(X509 *foreign)
{
	unsigned char *der = NULL;
	int len = i2d_X509(foreign, &der);
	const unsigned char *at = der;
	X509 *certificate = len > 0 ? d2i_X509(NULL, &at, len) : NULL;
	OPENSSL_free(der);
	X509_free(foreign);
	return certificate;
}

static void adopt(struct pki_credentials *found)
{
	if (found->key)
		found->key = key_adopt(found->key);
	if (found->certificate)
		found->certificate = certificate_adopt(found->certificate);
	for (int i = 0; i < sk_X509_num(found->chain); i++)
		(void)sk_X509_set(
			found->chain, i, certificate_adopt(sk_X509_value(found->chain, i)));
}

/* Without a MAC nobody vouches for the CA in it: versions of OpenSSL differ in taking such. */
static int mac_check(const void *data, size_t len, struct pki_error *error)
{
	PKCS12 *file = parse(data, len, NULL);
	const ASN1_INTEGER *count = NULL;
	int64_t iterations = 1; /* RFC 7292 appendix A */
	if (!file)
		return pki_error_set(error, "not a PKCS#12 file");
	bool has_mac = PKCS12_mac_present(file) == 1;
	PKCS12_get0_mac(NULL, NULL, NULL, &count, file);
	bool is_number = !count || ASN1_INTEGER_get_int64(&iterations, count) == 1;
	PKCS12_free(file);
	if (!has_mac)
		return pki_error_set(error, "the PKCS#12 file has no MAC, so that anybody could "
					    "have changed it; export it with a password");
	if (is_number && iterations >= 0 && iterations <= ITERATIONS_MAX)
		return 0;
	return pki_error_set(error,
		"the PKCS#12 file asks for more than %d iterations to check its password; export "
		"it with fewer",
		ITERATIONS_MAX);
}

static bool unpack(const void *data, size_t len, const char *password, OSSL_LIB_CTX *library,
	struct pki_credentials *out)
{
	*out = (struct pki_credentials){0};
	PKCS12 *file = parse(data, len, library);
	bool done = file &&
		    PKCS12_parse(file, password, &out->key, &out->certificate, &out->chain) == 1;
	PKCS12_free(file);
	return done;
}

static bool unpack_legacy(
	const void *data, size_t len, const char *password, struct pki_credentials *out)
{
	struct context context;
	bool done = context_open(&context) && unpack(data, len, password, context.library, out);
	if (done)
		adopt(out);
	context_close(&context);
	return done;
}

static bool has_reason(int wanted)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == wanted;
}

int pki_pkcs12_read(const void *data, size_t len, const char *password, struct pki_credentials *out,
	struct pki_error *error)
{
	*out = (struct pki_credentials){0};
	if (mac_check(data, len, error)) {
		ERR_clear_error();
		return -1;
	}
	bool done = unpack(data, len, password, NULL, out);
	if (!done && !has_reason(PKCS12_R_MAC_VERIFY_FAILURE)) {
		pki_credentials_done(out);
		done = unpack_legacy(data, len, password, out);
	}
	ERR_clear_error();
	if (done && out->key && out->certificate)
		return 0;
	pki_credentials_done(out);
	if (done)
		return pki_error_set(error, "the PKCS#12 file has no private key with its "
					    "certificate; export it with both");
	return pki_error_set(error, "the PKCS#12 file cannot be opened with this password, or is "
				    "encrypted in a way that OpenSSL does not know");
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static PKCS12 *create(const struct pki_credentials *from, const char *name, const char *password,
	bool legacy, OSSL_LIB_CTX *library)
{
	int key_cipher = legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc;
	int certificate_cipher = legacy ? NID_pbe_WithSHA1And40BitRC2_CBC : NID_aes_256_cbc;
	PKCS12 *file = PKCS12_create_ex(password, name, from->key, from->certificate, from->chain,
		key_cipher, certificate_cipher, ITERATIONS, -1, 0, library, NULL);
	if (file && PKCS12_set_mac(file, password, -1, NULL, 0, ITERATIONS,
			    legacy ? EVP_sha1() : EVP_sha256()) == 1)
		return file;
	PKCS12_free(file);
	return NULL;
}

int pki_pkcs12_write(const struct pki_credentials *credentials, const char *name,
	const char *password, bool legacy, unsigned char **out, size_t *len,
	struct pki_error *error)
{
	struct context context = {0};
	*out = NULL;
	if (legacy && !context_open(&context)) {
		context_close(&context);
		return pki_error_openssl(error, "OpenSSL's legacy provider is not installed, which "
						"the encryption for old routers needs");
	}
	PKCS12 *file = create(credentials, name, password, legacy, context.library);
	int size = file ? i2d_PKCS12(file, out) : -1;
	PKCS12_free(file);
	context_close(&context);
	if (size <= 0)
		return pki_error_openssl(error, "cannot make the PKCS#12 file");
	*len = (size_t)size;
	return 0;
}
