#include "tests/e2e/identity.h"

#include <stdio.h>
#include <sys/stat.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define LIFETIME 86400 /* seconds */

static char alternative_names[] = "DNS:localhost,IP:127.0.0.1,IP:::1";

static bool extension_add(X509 *certificate, int nid, char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;

	X509_EXTENSION_free(extension);
	return added;
}

static bool certificate_fill(X509 *certificate, EVP_PKEY *key, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(certificate);
	const unsigned char *text = (const unsigned char *)common_name;
	int64_t serial;

	if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
		return false;
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), serial & INT64_MAX);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), LIFETIME);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	return X509_set_pubkey(certificate, key) == 1 &&
	       extension_add(certificate, NID_subject_alt_name, alternative_names) &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool certificate_save(const char *path, X509 *certificate)
{
	FILE *file = fopen(path, "we");
	bool written;

	if (file == NULL)
		return false;
	written = PEM_write_X509(file, certificate) == 1;
	return fclose(file) == 0 && written;
}

static bool key_save(const char *path, const EVP_PKEY *key)
{
	FILE *file = fopen(path, "we");
	bool written;

	if (file == NULL)
		return false;
	written = chmod(path, 0600) == 0 &&
		  PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
	return fclose(file) == 0 && written;
}

bool identity_write(enum identity_kind kind, const char *common_name, const char *certificate_path,
	const char *key_path)
{
	EVP_PKEY *key = kind == IDENTITY_EC ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
	X509 *certificate = X509_new();
	bool written = key != NULL && certificate != NULL &&
		       certificate_fill(certificate, key, common_name) && key_save(key_path, key) &&
		       certificate_save(certificate_path, certificate);

	X509_free(certificate);
	EVP_PKEY_free(key);
	return written;
}
