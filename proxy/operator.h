/* The operator at the terminal, as pki/ speaks to them. */
#ifndef FERRULE_PROXY_OPERATOR_H
#define FERRULE_PROXY_OPERATOR_H

#include "pki/pki.h"

/*
 * Says things on standard output. Asks only on a terminal (standard input); elsewhere a
 * question fails with the option that answers it, but what is pasted may come from a
 * pipe. SIGINT and SIGTERM end a wait, and nothing else of it.
 */
extern const struct pki_interaction operator_interaction;

/* A password of at most PKI_SECRET_MAX - 1 bytes; a last newline does not count. 0 or -1. */
int operator_read_password(const char *path, struct pki_secret *out, struct pki_error *error);

#endif
