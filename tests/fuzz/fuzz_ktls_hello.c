/*
 * Foreign bytes as the first flight of a client: the ClientHello, of which ktls
 * reads the name itself before libssl has looked at it, on a server of several.
 */
#include "ktls/session.h"

#include <stdlib.h>
#include <openssl/err.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static X509 *certificate_new(EVP_PKEY *key)
{
	X509 *certificate = X509_new();
	X509_set_version(certificate, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, EVP_sha256());
	return certificate;
}

static struct ktls_server *server_new(void)
{
	static const struct ktls_capabilities none = {.ulp = 2};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = certificate_new(key);
	const struct ktls_certificate pair = {certificate, key, NULL};
	const struct ktls_name names[] = {
		{NULL, &pair, 1}, {"a.example", &pair, 1}, {"*.example", &pair, 1}};
	const struct ktls_server_options options = {
		.name = "fuzz",
		.names = names,
		.name_count = 3,
		.tls12 = true,
		.tls13 = true,
		.capabilities = &none,
	};
	char error[512];
	struct ktls_server *server = ktls_server_new(&options, error, sizeof error);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return server;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ktls_server *server;
	uint8_t bytes[8192];
	if (!server && !(server = server_new()))
		abort();
	struct ktls_session *session = ktls_session_new(server, -1);
	if (!session)
		abort();
	struct ktls_input in = {data, size};
	struct ktls_output out = {bytes, 0, sizeof bytes};
	ktls_handshake(session, &in, &out);
	if (session->name_index > 2)
		abort();
	ktls_session_free(session);
	ERR_clear_error();
	return 0;
}
