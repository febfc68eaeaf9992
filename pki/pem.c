#include "pki/pem.h"
#include "pki/error.h"
#include "pki/file.h"

#include <openssl/err.h>
#include <openssl/pem.h>

/*
 * What the default security level 2 of Debian's libssl asks of a key: RSA 2048,
 * EC P-224 (NIST SP 800-57 part 1, table 2).
 */
#define SECURITY_BITS 112

void pki_credentials_done(struct pki_credentials *credentials)
{
	X509_free(credentials->certificate);
	EVP_PKEY_free(credentials->key);
	sk_X509_pop_free(credentials->chain, X509_free);
	*credentials = (struct pki_credentials){0};
}

int pki_credentials_copy(struct pki_credentials *to, const struct pki_credentials *from)
{
	*to = (struct pki_credentials){.certificate = from->certificate, .key = from->key};
	if (to->certificate)
		X509_up_ref(to->certificate);
	if (to->key)
		EVP_PKEY_up_ref(to->key);
	to->chain = from->chain ? X509_chain_up_ref(from->chain) : NULL;
	if (!from->chain == !to->chain)
		return 0;
	pki_credentials_done(to);
	return -1;
}

/*
 * Stands in for OpenSSL's default callback, which asks on the terminal: a server
 * that waits for a passphrase at boot is a server that is down.
 */
static int passphrase_refuse(char *buf, int size, int writing, void *asked)
{
	(void)buf, (void)size, (void)writing;
	*(bool *)asked = true;
	return -1;
}

/* Takes the certificate over, unless it is there already: fullchain.pem beside chain.pem. */
static int certificates_add(STACK_OF(X509) * certificates, X509 *certificate)
{
	bool known = false;
	for (int i = 0; i < sk_X509_num(certificates); i++)
		known |= X509_cmp(sk_X509_value(certificates, i), certificate) == 0;
	if (!known && sk_X509_push(certificates, certificate) > 0)
		return 0;
	X509_free(certificate);
	return known ? 0 : -1;
}

/* Reads to the end of the file, whatever else (a key, comments) is between. */
static int certificates_parse(
	BIO *bio, const char *path, STACK_OF(X509) * certificates, struct pki_error *error)
{
	bool asked = false;
	int count = 0;
	X509 *certificate;
	while ((certificate = PEM_read_bio_X509(bio, NULL, passphrase_refuse, &asked))) {
		count++;
		if (certificates_add(certificates, certificate))
			return pki_error_memory(error);
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return pki_error_openssl(
			error, "%s: certificate number %d cannot be read", path, count + 1);
	ERR_clear_error();
	if (count == 0)
		return pki_error_set(error,
			"%s: holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path);
	return 0;
}

int pki_pem_load_certificates(
	const char *path, STACK_OF(X509) * certificates, struct pki_error *error)
{
	struct pki_file file;
	if (pki_file_read(path, &file, error))
		return -1;
	BIO *bio = BIO_new_mem_buf(file.data, (int)file.len);
	int result =
		bio ? certificates_parse(bio, path, certificates, error) : pki_error_memory(error);
	BIO_free(bio);
	pki_file_done(&file);
	return result;
}

static int key_parse(BIO *bio, const char *path, EVP_PKEY **key, struct pki_error *error)
{
	bool asked = false;
	*key = PEM_read_bio_PrivateKey(bio, NULL, passphrase_refuse, &asked);
	if (*key)
		return 0;
	if (asked) {
		ERR_clear_error();
		return pki_error_set(error,
			"%s: the key is encrypted and a server cannot ask for its passphrase; "
			"decrypt it: (umask 077; openssl pkey -in %s -out NEW.pem)",
			path, path);
	}
	return pki_error_openssl(
		error, "%s: no usable private key in PEM form (-----BEGIN PRIVATE KEY-----)", path);
}

/* Only what TLS servers can sign a handshake with (RFC 8446 4.2.3), and nothing weak. */
int pki_pem_check_key(const EVP_PKEY *key, const char *path, struct pki_error *error)
{
	static const char *const types[] = {"EC", "RSA", "RSA-PSS", "ED25519", "ED448"};
	bool usable = false;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		usable |= EVP_PKEY_is_a(key, types[i]) == 1;
	if (!usable)
		return pki_error_set(error,
			"%s: TLS servers cannot use a key of type %s; make an EC or RSA key", path,
			EVP_PKEY_get0_type_name(key));
	if (EVP_PKEY_get_security_bits(key) < SECURITY_BITS)
		return pki_error_set(error,
			"%s: a key of type %s with %d bits is too weak; "
			"make an EC key (P-256) or an RSA key of at least 2048 bits",
			path, EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key));
	return 0;
}

int pki_pem_load_key(const char *path, EVP_PKEY **key, struct pki_error *error)
{
	struct pki_file file;
	if (pki_file_read(path, &file, error))
		return -1;
	BIO *bio = BIO_new_mem_buf(file.data, (int)file.len);
	int result = bio ? key_parse(bio, path, key, error) : pki_error_memory(error);
	BIO_free(bio);
	pki_file_done(&file);
	if (result == 0 && pki_pem_check_key(*key, path, error)) {
		EVP_PKEY_free(*key);
		*key = NULL;
		result = -1;
	}
	return result;
}

static int pair_check(const struct pki_credentials *credentials, const struct pki_pem_files *files,
	struct pki_error *error)
{
	bool matches = X509_check_private_key(credentials->certificate, credentials->key) == 1;
	bool elsewhere = false;
	for (int i = 0; i < sk_X509_num(credentials->chain) && !matches; i++) {
		X509 *other = sk_X509_value(credentials->chain, i);
		elsewhere |= X509_check_private_key(other, credentials->key) == 1;
	}
	ERR_clear_error();
	if (matches)
		return 0;
	/* RFC 8446 4.4.2: the sender's certificate must come first. */
	return pki_error_set(error,
		elsewhere ? "key %s belongs to a later certificate than the first in %s; "
			    "put the server's own certificate first"
			  : "key %s does not belong to the certificate in %s; give the two "
			    "files that were issued together",
		files->key, files->certificate);
}

int pki_pem_load(
	const struct pki_pem_files *files, struct pki_credentials *out, struct pki_error *error)
{
	int result = -1;
	*out = (struct pki_credentials){.chain = sk_X509_new_null()};
	if (!out->chain) {
		pki_error_memory(error);
		goto out;
	}
	if (pki_pem_load_certificates(files->certificate, out->chain, error))
		goto out;
	if (files->chain && pki_pem_load_certificates(files->chain, out->chain, error))
		goto out;
	out->certificate = sk_X509_shift(out->chain);
	if (pki_pem_load_key(files->key, &out->key, error))
		goto out;
	result = pair_check(out, files, error);
out:
	if (result)
		pki_credentials_done(out);
	return result;
}

/* Secure memory is wiped when the BIO grows and when it is freed. */
BIO *pki_pem_write_key(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	if (bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
		BIO_free(bio);
		bio = NULL;
	}
	return bio;
}

BIO *pki_pem_write_certificates(X509 *first, const STACK_OF(X509) * others)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool written = bio && (!first || PEM_write_bio_X509(bio, first) == 1);
	for (int i = 0; written && i < sk_X509_num(others); i++)
		written = PEM_write_bio_X509(bio, sk_X509_value(others, i)) == 1;
	if (!written) {
		BIO_free(bio);
		bio = NULL;
	}
	return bio;
}
