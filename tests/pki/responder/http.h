/* The responder's HTTP: one request and one answer on a connection, plain or TLS. */
#ifndef FERRULE_TESTS_PKI_RESPONDER_HTTP_H
#define FERRULE_TESTS_PKI_RESPONDER_HTTP_H

#include "tests/pki/responder/modes.h"

#include <openssl/bio.h>
#include <openssl/x509.h>

#define HTTP_HEAD_MAX 65536
#define HTTP_BODY_MAX 262144

struct exchange {
	int fd;
	BIO *bio;            /* owned */
	X509 *client;        /* owned: the client's certificate, whoever issued it; or NULL */
	char *head;          /* owned, taken apart in place */
	const char *method;  /* the rest borrows from head */
	char *path, *query;  /* query: "" when there is none */
	const char *fields;  /* the header fields' text */
	unsigned char *body; /* owned, a NUL behind it */
	size_t len;
	struct modes modes;
};

/* Reads the request. False when there is none that could be answered. */
bool http_receive(struct exchange *exchange);
/* A header field's value in `out`; false and "" when there is none. */
bool http_field(const struct exchange *exchange, const char *name, char *out, size_t size);
/* A decoded parameter of the query or of a form, to be freed; NULL when there is none. */
char *http_parameter(const char *form, const char *name);

/* `fields`: further header lines, each with CR LF; or NULL. */
void http_answer(struct exchange *exchange, int status, const char *type, const char *fields,
	const void *body, size_t len);
void http_answer_text(struct exchange *exchange, int status, const char *text);

/*
 * Behaves as a broken server when a mode says so ("html", with prefix "ca-" "ca-html").
 * True: that was the answer.
 */
bool http_misbehave(struct exchange *exchange, const char *prefix);

#endif
