/* pki: what is to be remembered beside keys and certificates, as lines "word value". Private. */
#ifndef FERRULE_PKI_FACTS_H
#define FERRULE_PKI_FACTS_H

#include "pki/pki.h"

#include <openssl/bio.h>
#include <time.h>

#define PKI_FACTS_FILE "facts"

/* A safe file name of at most 255 characters. */
#define PKI_LABEL_SIZE 256
/* A SCEP transaction's: SHA-256 of the public key in hexadecimal. */
#define PKI_TRANSACTION_SIZE 65

struct pki_facts {
	/* Of the key pairs */
	bool exportable;
	char label[PKI_LABEL_SIZE]; /* "": the trustpoint's own */
	time_t key_made;            /* 0: not recorded; the key file's date tells */
	/* Of the certificates */
	time_t enrolled; /* 0: not enrolled, or not recorded */
	/* Of a request that is out */
	enum pki_method method;
	unsigned polls;   /* done so far */
	time_t next_poll; /* 0: not polled */
	time_t requested; /* when it was made */
	bool regenerate;  /* its key pair is new */
	char transactions[2][PKI_TRANSACTION_SIZE];
};

bool pki_facts_are_default(const struct pki_facts *facts);

/* NULL when memory ran out; the caller frees the BIO. */
BIO *pki_facts_write(const struct pki_facts *facts);

/* Unknown words are left alone: a later version may have written them. */
int pki_facts_read(const char *path, struct pki_facts *facts, struct pki_error *error);

#endif
