/* The names of a server and their certificates; choosing by SNI. Private to ktls/. */
#ifndef FERRULE_KTLS_NAMES_H
#define FERRULE_KTLS_NAMES_H

#include "ktls/session.h"
#include "ktls/suites.h"

/* All return 0, or -1 with the problem in words. */

/* Can every name be served: no two alike, no certificate twice, suites for its keys? */
int ktls_names_check(const struct ktls_server_options *options, const struct ktls_suites *suites,
	const struct ktls_problem *problem);

/* Gives an SSL_CTX the certificates of one name. */
int ktls_names_certify(
	SSL_CTX *ctx, const struct ktls_name *name, const struct ktls_problem *problem);

/* One more name of the server, with its SSL_CTX, of which a reference is taken. */
int ktls_names_add(struct ktls_server *server, const struct ktls_name *name, SSL_CTX *ctx,
	const struct ktls_problem *problem);

/* Sorts what was added, and lets ClientHellos choose among it. */
void ktls_names_attach(struct ktls_server *server);
void ktls_names_done(struct ktls_server *server);

#endif
