/*
 * pki: one transfer with a CA (HTTP, HTTPS, TFTP) or from a file. Private to pki/.
 *
 * The network is spoken to by a child of its own, which drops to an unprivileged
 * account, opens no file of ours and hands the answer back through a socket that
 * the caller bounds. It is given what the request says and nothing else: the only
 * private key it ever sees is the one for mutual TLS (EST), `client_key`. With
 * `helper` it is a fresh process image; without, a mere fork, whose memory is a
 * copy of the caller's: that is for tests and for callers that hold no keys.
 */
#ifndef FERRULE_PKI_FETCH_H
#define FERRULE_PKI_FETCH_H

#include "pki/pki.h"

#include <sys/types.h>

/* Scheme bits for `protocols`. */
#define PKI_FETCH_HTTP  1u
#define PKI_FETCH_HTTPS 2u
#define PKI_FETCH_TFTP  4u
#define PKI_FETCH_FILE  8u

enum pki_fetch_method { PKI_FETCH_GET, PKI_FETCH_POST, PKI_FETCH_PUT };

enum pki_fetch_trust {
	PKI_FETCH_ANCHORS, /* https servers are verified by `anchors` alone; none: https is refused
			    */
	PKI_FETCH_SYSTEM,  /* by what the system trusts */
	PKI_FETCH_BOOTSTRAP, /* not at all: only for a GET without credentials whose answer the
			      * caller judges by fingerprint (EST /cacerts, RFC 7030 4.1.1) */
};

/* Who the child becomes. */
struct pki_fetch_identity {
	bool change; /* when started as root */
	uid_t uid;
	gid_t gid;
	/* A program whose main() calls pki_fetch_helper() when it is run with the one argument
	 * PKI_FETCH_HELPER ("/proc/self/exe" for ferrule itself), or NULL: fork only. */
	const char *helper;
};

#define PKI_FETCH_HELPER "pki-fetch-helper"

/* All pointers are borrowed for the call; those not said to be needed may be NULL. */
struct pki_fetch_request {
	const char *url; /* needed; IPv6 as http://[2001:db8::1]/; no user names in it */
	enum pki_fetch_method method; /* PUT: TFTP and files only */
	unsigned protocols;           /* what `url` may be; a redirect may never leave https */
	const char *content_type, *accept;
	const char *const *headers; /* further ones, "Name: value" */
	size_t header_count;
	const void *body; /* of POST and PUT */
	size_t len;
	/* Sent only to a verified https server; anything else is refused before connecting. */
	const char *username, *password;
	enum pki_fetch_trust trust;
	const char *anchors;                         /* PEM */
	const char *client_certificate, *client_key; /* PEM: leaf then chain, unencrypted key */
	const char *http_proxy; /* http://HOST:PORT; NULL or "": none, whatever the environment */
	const char *source_interface; /* a name or an address */
	unsigned timeout_seconds;     /* of the whole transfer; 0: 30 */
	size_t size_limit;            /* of the answer; 0: 1 MiB */
	unsigned redirect_limit;
};

struct pki_fetch_reply {
	long status;        /* of HTTP; 200 for TFTP and files */
	char *body;         /* owned, never NULL; a NUL is behind it */
	size_t len;         /* without that NUL */
	char *content_type; /* owned, never NULL */
	char *url;          /* owned, never NULL: where the answer came from */
	long retry_after;   /* seconds, 0: not said */
};

/*
 * Returns 0 with *reply filled, whatever the HTTP status; or -1 with `error` filled and
 * *reply empty: what failed, and what to do. Files are read and written by the caller's
 * own process, with the operator's rights. `identity` may be NULL: as the caller is.
 */
int pki_fetch(const struct pki_fetch_request *request, const struct pki_fetch_identity *identity,
	struct pki_fetch_reply *reply, struct pki_error *error);
void pki_fetch_reply_done(struct pki_fetch_reply *reply); /* wipes the body */

/* The child's whole life, for main(); returns the exit status. */
int pki_fetch_helper(void);

#endif
