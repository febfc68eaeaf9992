/* The responder as an EST server (RFC 7030, RFC 8951) and as one for HTTP templates. */
#ifndef FERRULE_TESTS_PKI_RESPONDER_EST_H
#define FERRULE_TESTS_PKI_RESPONDER_EST_H

#include "tests/pki/responder/authority.h"
#include "tests/pki/responder/http.h"

/* `operation` is the last segment of the path: cacerts, simpleenroll … */
void est_serve(const struct authority *authority, struct exchange *exchange, const char *operation);
/* `operation`: ca (GET) or enroll (POST). */
void template_serve(
	const struct authority *authority, struct exchange *exchange, const char *operation);

#endif
