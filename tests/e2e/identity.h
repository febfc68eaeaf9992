/* Certificates for the server under test, as PEM files. */
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

#endif
