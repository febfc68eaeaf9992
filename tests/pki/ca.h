/* The responder (tests/pki/responder) as the tests see it: a CA they can make misbehave. */
#ifndef FERRULE_TESTS_PKI_CA_H
#define FERRULE_TESTS_PKI_CA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ca {
	pid_t pid;
	uint16_t http, http6, https, https6, https_rogue;
	char directory[300]; /* of its certificates: root.crt … */
	char journal[300];
	char root[320];        /* path of root.crt */
	char fingerprint[100]; /* SHA-256 of that, in hex */
};

/* On free ports, well-behaved; the keys are made once for all tests. NULL on failure. */
struct ca *ca_start(void);
/* NULL is allowed. */
void ca_stop(struct ca *ca);
/* Its modes from now on, besides those in URLs: "" is good behaviour. */
bool ca_mode(const struct ca *ca, const char *modes);
/* "http://127.0.0.1:PORT/PATH", as long as keep() keeps it. */
const char *ca_url(const struct ca *ca, const char *path);
/* "https://localhost:PORT/PATH", the same. */
const char *ca_url_tls(const struct ca *ca, const char *path);
/* A file in its directory, the same. */
const char *ca_file(const struct ca *ca, const char *name);

/* How many lines of the journal hold both texts ("" is in every line). */
unsigned ca_count(const struct ca *ca, const char *first, const char *second);
/* Waits for that many. */
bool ca_wait(const struct ca *ca, const char *first, const char *second, unsigned count);
/* The value of a field in the last line that begins with the event, "" when there is none. */
void ca_last(const struct ca *ca, const char *event, const char *field, char *out, size_t size);
void ca_forget(const struct ca *ca); /* empties the journal */

/* Fingerprint of a PEM file's first certificate in hex; hash: "SHA256", "SHA1", "MD5". */
bool fingerprint_of(const char *path, const char *hash, char *out, size_t size);

#endif
