/* The responder as a SCEP server, RFC 8894. */
#ifndef FERRULE_TESTS_PKI_RESPONDER_SCEP_H
#define FERRULE_TESTS_PKI_RESPONDER_SCEP_H

#include "tests/pki/responder/authority.h"
#include "tests/pki/responder/http.h"

void scep_serve(const struct authority *authority, struct exchange *exchange);

#endif
