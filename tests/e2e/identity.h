/* Certificates for the server under test and its clients, as PEM files. */
#ifndef FERRULE_TESTS_E2E_IDENTITY_H
#define FERRULE_TESTS_E2E_IDENTITY_H

#include <stdbool.h>

enum identity_kind { IDENTITY_EC, IDENTITY_RSA };

/*
 * Writes a self-signed certificate for localhost, 127.0.0.1 and ::1, with the
 * given common name, and its key. false on failure.
 */
bool identity_write(enum identity_kind kind, const char *common_name, const char *certificate_path,
	const char *key_path);

/* What else a certificate may be. */
struct identity_options {
	const char *dns_name; /* its only alternative name; NULL: those above */
	const char
		*authority; /* path of the issuer's "NAME.pem" without the ".pem"; NULL: itself */
	bool is_authority;  /* it may issue others */
	bool expired;       /* for an hour already */
};

/* An EC one as NAME.pem with its key in NAME.key; `path` is NAME with its directory. */
bool identity_write_as(
	const char *path, const char *common_name, const struct identity_options *options);
/* SHA-256 of the certificate in hex, lower case, without colons; "" on failure. */
void identity_fingerprint(const char *certificate_path, char out[65]);

#endif
