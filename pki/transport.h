/* pki: how operations reach the network, and tests take its place. Private to pki/. */
#ifndef FERRULE_PKI_TRANSPORT_H
#define FERRULE_PKI_TRANSPORT_H

#include "pki/fetch.h"

struct pki_transport {
	void *context;
	/* As pki_fetch(). */
	int (*fetch)(void *context, const struct pki_fetch_request *request,
		struct pki_fetch_reply *reply, struct pki_error *error);
};

int pki_transport_fetch(const struct pki_context *context, const struct pki_fetch_request *request,
	struct pki_fetch_reply *reply, struct pki_error *error);

/* A request with the trustpoint's proxy and source, and the limits that go for all. */
struct pki_fetch_request pki_transport_request(
	const struct pki_trustpoint *trustpoint, const char *url, unsigned protocols);

/* PKI_FETCH_HTTP | PKI_FETCH_HTTPS and so on of a URL; 0 when it is none of them. */
unsigned pki_transport_protocol(const char *url);

/* ---- the operator ---------------------------------------------------------------- */

void pki_say(const struct pki_context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* 1 yes, 0 no, -1 with `error` filled. `answered`: yes, without asking. */
int pki_confirm(const struct pki_context *context, bool answered, const char *option,
	struct pki_error *error, const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
