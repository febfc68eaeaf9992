/* For tests of pki/'s operations: a directory, an operator, a CA that answers in memory. */
#ifndef FERRULE_TESTS_PKI_HELP_H
#define FERRULE_TESTS_PKI_HELP_H

#include "pki/pki.h"
#include "pki/transport.h"

/* A state directory of one test; the suite's setup and teardown. */
extern char help_state[64];
void help_open(void);
void help_close(void);
const char *help_path(const char *name);    /* in it */
const char *help_listing(const char *name); /* its names, each followed by a space */
void help_write(const char *name, const void *data, size_t len);

/* Keys that are made once: RSA takes long under a sanitizer. Borrowed. */
EVP_PKEY *help_rsa(unsigned number);
EVP_PKEY *help_ec(unsigned number);

struct help_recipe {
	const char *subject;  /* as for subject_name; NULL: the request's */
	X509_REQ *request;    /* or NULL */
	EVP_PKEY *key;        /* NULL: the request's */
	X509 *issuer;         /* NULL: self-signed */
	EVP_PKEY *issuer_key; /* NULL: key */
	bool is_ca;
	const char *usage, *extended, *alts; /* as in openssl.cnf; NULL: the request's or none */
	bool no_alts;                        /* whatever the request says */
	long from, to;                       /* seconds from now; both 0: from -60 to a day */
	long serial;
	const EVP_MD *hash; /* NULL: SHA-256 */
};
X509 *help_issue(const struct help_recipe *recipe);

/* A CA with RSA keys below a root. */
struct help_ca {
	EVP_PKEY *root_key, *key; /* borrowed */
	X509 *root, *certificate; /* owned */
	long serial;
};
void help_ca_init(struct help_ca *ca);
void help_ca_done(struct help_ca *ca);
const char *help_fingerprint(const X509 *certificate);
char *help_pem(X509 *one, X509 *two); /* the caller frees it; two may be NULL */

/* What the operator answers, and what they were asked and told. */
struct help_operator {
	int answer;                        /* of confirm: 1, 0, or -1: there is nobody */
	const char *secret, *text, *paste; /* NULL: there is nobody to ask */
	char said[16384];
	char asked[1024], option[128];      /* of the last question */
	unsigned confirms, waits, patience; /* so many waits are waited for */
	unsigned waited;                    /* seconds, the last time */
};

enum help_mood {
	HELP_GRANT,
	HELP_PEND, /* so many times, then grant */
	HELP_REFUSE,
	HELP_SILENT,  /* no connection */
	HELP_GARBAGE, /* HTML */
	HELP_OTHER_SUBJECT,
	HELP_OTHER_KEY,
	HELP_SAME_AGAIN, /* the certificate it issued before */
};

/* SCEP and EST, by the URL; TFTP as files in memory. */
struct help_server {
	struct help_ca *ca;
	enum help_mood mood;
	unsigned pend;
	bool with_ra, without_renewal, without_standard;
	unsigned requests, polls, renewals;
	char transaction[80], password[64], username[64];
	X509_REQ *pending[2]; /* owned: the last ones */
	char pending_transactions[2][80];
	X509 *last;         /* owned */
	char file[3][4096]; /* .ca, .req, .crt */
	bool bootstrapped;
	struct pki_transport transport;
};
void help_server_init(struct help_server *server, struct help_ca *ca);
void help_server_done(struct help_server *server);

struct pki_context help_context(struct help_operator *asked, struct help_server *server);

struct pki_trustpoint help_trustpoint(enum pki_method method);

/* Asserts that the text has all the words, which end with NULL. */
void help_has(const char *text, ...);

#endif
