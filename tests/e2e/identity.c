#include "tests/e2e/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define LIFETIME 86400 /* seconds */

#define EXPIRED 3600

static const char alternative_names[] = "DNS:localhost,IP:127.0.0.1,IP:::1";

static bool extension_add(X509 *certificate, int nid, const char *value)
{
	char text[256]; /* OpenSSL takes no const */
	X509_EXTENSION *extension;
	bool added;

	snprintf(text, sizeof(text), "%s", value);
	extension = X509V3_EXT_conf_nid(NULL, NULL, nid, text);
	added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return added;
}

static bool extensions_add(X509 *certificate, const struct identity_options *options)
{
	char name[256];

	if (options->dns_name != NULL)
		snprintf(name, sizeof(name), "DNS:%s", options->dns_name);
	if (!extension_add(certificate, NID_subject_alt_name,
		    options->dns_name != NULL ? name : alternative_names))
		return false;
	return !options->is_authority ||
	       (extension_add(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
		       extension_add(certificate, NID_key_usage, "critical,keyCertSign,cRLSign"));
}

/* All but issuer and signature. */
static bool certificate_fill(X509 *certificate, EVP_PKEY *key, const char *common_name,
	const struct identity_options *options)
{
	X509_NAME *name = X509_get_subject_name(certificate);
	const unsigned char *text = (const unsigned char *)common_name;
	int64_t serial;

	if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
		return false;
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), serial & INT64_MAX);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * EXPIRED);
	X509_gmtime_adj(X509_getm_notAfter(certificate), options->expired ? -EXPIRED : LIFETIME);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0);
	return X509_set_pubkey(certificate, key) == 1 && extensions_add(certificate, options);
}

static X509 *certificate_load(const char *path)
{
	FILE *file = fopen(path, "re");
	X509 *certificate = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

	if (file != NULL)
		fclose(file);
	return certificate;
}

static EVP_PKEY *key_load(const char *path)
{
	FILE *file = fopen(path, "re");
	EVP_PKEY *key = file != NULL ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

	if (file != NULL)
		fclose(file);
	return key;
}

static bool sign_as_itself(X509 *certificate, EVP_PKEY *key)
{
	return X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool sign_as_authority(X509 *certificate, const char *authority)
{
	char path[400];
	X509 *issuer;
	EVP_PKEY *key;
	bool is_signed;

	snprintf(path, sizeof(path), "%s.pem", authority);
	issuer = certificate_load(path);
	snprintf(path, sizeof(path), "%s.key", authority);
	key = key_load(path);
	is_signed = issuer != NULL && key != NULL &&
		    X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
		    X509_sign(certificate, key, EVP_sha256()) > 0;
	EVP_PKEY_free(key);
	X509_free(issuer);
	return is_signed;
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
	struct identity_options options = {0};
	bool written = key != NULL && certificate != NULL &&
		       certificate_fill(certificate, key, common_name, &options) &&
		       sign_as_itself(certificate, key) && key_save(key_path, key) &&
		       certificate_save(certificate_path, certificate);

	X509_free(certificate);
	EVP_PKEY_free(key);
	return written;
}

bool identity_write_as(
	const char *path, const char *common_name, const struct identity_options *options)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	char key_path[400], certificate_path[400];
	bool written = key != NULL && certificate != NULL &&
		       certificate_fill(certificate, key, common_name, options);

	snprintf(key_path, sizeof(key_path), "%s.key", path);
	snprintf(certificate_path, sizeof(certificate_path), "%s.pem", path);
	written = written &&
		  (options->authority != NULL ? sign_as_authority(certificate, options->authority)
					      : sign_as_itself(certificate, key)) &&
		  key_save(key_path, key) && certificate_save(certificate_path, certificate);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return written;
}

void identity_fingerprint(const char *certificate_path, char out[65])
{
	X509 *certificate = certificate_load(certificate_path);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	out[0] = '\0';
	if (certificate != NULL && X509_digest(certificate, EVP_sha256(), digest, &len) == 1)
		for (unsigned i = 0; i < 32; i++)
			snprintf(out + 2 * i, 3, "%02x", digest[i]);
	X509_free(certificate);
}
