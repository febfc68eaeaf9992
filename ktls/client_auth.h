/* Certificates of clients: asking, judging, remembering. Private to ktls/. */
#ifndef FERRULE_KTLS_CLIENT_AUTH_H
#define FERRULE_KTLS_CLIENT_AUTH_H

#include "ktls/problem.h"
#include "ktls/session.h"

/* What the client showed; sessions without a certificate have none. */
struct ktls_client {
	char fingerprint[2 * 32 + 1]; /* SHA-256 */
	char *subject, *verify;       /* owned */
};

/* Makes the SSL_CTX ask as the options say. 0, or -1 with the problem in words. */
int ktls_client_auth_configure(SSL_CTX *ctx, const struct ktls_server_options *options,
	const struct ktls_problem *problem);

/* Feeds what a verdict on a client depends on: a ticket is good under that only. */
bool ktls_client_auth_digest(EVP_MD_CTX *digest, const struct ktls_server_options *options);

/* Keeps the identity of a session whose handshake is done. 0, or -1: no memory. */
int ktls_client_auth_remember(struct ktls_session *session);

/* Why libssl ended a handshake, if it was for this; else NULL. */
const char *ktls_client_auth_refusal(const SSL *ssl, unsigned long error);

void ktls_client_free(struct ktls_client *client);

#endif
