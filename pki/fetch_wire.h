/* pki: what goes between pki_fetch() and its child: numbers and strings with their length. */
#ifndef FERRULE_PKI_FETCH_WIRE_H
#define FERRULE_PKI_FETCH_WIRE_H

#include "pki/fetch.h"

/* The descriptor that the child finds its socket at. */
#define FETCH_CHILD_FD 3

/* Room beside body and anchors, for both directions. */
#define FETCH_WIRE_EXTRA (256 * 1024)

/* A message; once something did not fit or memory ran out, `failed` stays. */
struct fetch_wire {
	unsigned char *data; /* owned, wiped */
	size_t len, size, at;
	bool failed;
};

void fetch_wire_done(struct fetch_wire *wire);

void fetch_wire_put_number(struct fetch_wire *wire, size_t number);
void fetch_wire_put(struct fetch_wire *wire, const void *data, size_t len); /* NULL stays NULL */
void fetch_wire_put_text(struct fetch_wire *wire, const char *text);

size_t fetch_wire_get_number(struct fetch_wire *wire);
/* With a NUL behind, owned by the caller; NULL for NULL and when it failed. */
char *fetch_wire_get(struct fetch_wire *wire, size_t limit, size_t *len);
/* The same, and refused when there is a NUL in it. */
char *fetch_wire_get_text(struct fetch_wire *wire, size_t limit);

/* The child's view of a request: all owned. */
struct fetch_job {
	struct pki_fetch_request request;
	char *owned[16];
	size_t owned_count;
	char **headers;
};

void fetch_wire_put_request(struct fetch_wire *wire, const struct pki_fetch_request *request);
/* Returns 0 or -1; fetch_job_done() in both cases. */
int fetch_wire_get_request(struct fetch_wire *wire, struct fetch_job *job);
void fetch_job_done(struct fetch_job *job);

/* The transfer itself, with libcurl. Returns 0 or -1, as pki_fetch(). */
int fetch_transfer(const struct pki_fetch_request *request, struct pki_fetch_reply *reply,
	struct pki_error *error);

/* Serves the one request of the socket and ends the process. */
void fetch_child_run(int fd) __attribute__((noreturn));

#endif
