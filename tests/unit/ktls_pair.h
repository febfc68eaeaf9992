/*
 * A ktls session and a libssl client joined by memory: no sockets, no time, and
 * libssl as the independent judge of every byte the session writes.
 */
#ifndef FERRULE_TESTS_UNIT_KTLS_PAIR_H
#define FERRULE_TESTS_UNIT_KTLS_PAIR_H

#include "ktls/session.h"
#include "tests/unit/certificate.h"

struct pair_options {
	enum ktls_version version;
	const char *suite; /* the only one that client and server know; NULL: the default set */
	const struct ktls_aead_ops *aead; /* who computes the suite's cipher; NULL: the default */
	enum ktls_offload offload;
	const struct ktls_capabilities *capabilities; /* NULL: a kernel without TLS */
	struct ktls_tickets *tickets;
	uint64_t record_limit;
	size_t chunk;                  /* the handshake is fed so many bytes at a time; 0: all */
	size_t room;                   /* the handshake's output buffer; 0: ample */
	const char *early;             /* written by the client right behind its Finished */
	SSL_SESSION *resume;           /* borrowed */
	const char *name;              /* of the server; NULL: "pair" */
	int fd;                        /* the session's socket; 0: none */
	const struct ktls_name *names; /* NULL: one, with a certificate made for it */
	size_t name_count;
	const char *sni; /* NULL: "host.example"; "": none */
	char *sigalgs;   /* of the client; NULL: its default */
	enum ktls_client_auth client_auth;
	X509_STORE *anchors;        /* borrowed */
	const struct made *client;  /* what the client has; NULL: no certificate */
	const struct made *issuer;  /* which the client sends along; NULL: none */
	struct ktls_server *server; /* borrowed, instead of a new one */
};

#define PAIR_BUFFER (256 * 1024)

struct pair {
	struct ktls_server *server;
	bool shares_server;
	struct ktls_session *session;
	SSL_CTX *ctx;
	SSL *client;
	BIO *to_client, *from_client; /* owned by client */
	struct ktls_aead forger;      /* seals as the client would; see pair_forge() */
	bool forges;
	uint8_t input[PAIR_BUFFER]; /* bytes of the client that the session has not consumed */
	size_t input_len;
	uint8_t plain[PAIR_BUFFER]; /* what the session has opened */
	size_t plain_len;
};

/* The suite of that version and cipher, for an ECDSA certificate. */
const char *pair_suite(enum ktls_version version, enum ktls_cipher cipher);

/* Shakes hands; NULL when the two did not come to terms. */
struct pair *pair_new(const struct pair_options *options);
/* As pair_new() with the defaults and nothing else. */
struct pair *pair_simple(enum ktls_version version, enum ktls_cipher cipher);
/* Server and client without a handshake; pair_handshake() runs it. */
struct pair *pair_prepare(const struct pair_options *options);
enum ktls_status pair_handshake(struct pair *pair, const struct pair_options *options);
void pair_free(struct pair *pair);

/* The client writes through libssl. */
bool pair_write(struct pair *pair, const void *data, size_t len);
/* A record of any type as the client would send it; libssl's client knows nothing of it. */
bool pair_forge(struct pair *pair, uint8_t type, const void *data, size_t len);
/* Bytes that the session will find behind those already there. */
void pair_inject(struct pair *pair, const void *data, size_t len);

/* The session opens all there is; its replies go to the client. */
enum ktls_status pair_open(struct pair *pair);
/* The session seals and the client's libssl reads the same bytes. */
bool pair_seal_matches(struct pair *pair, const void *data, size_t len);
/* Passes bytes of the session to the client. */
void pair_deliver(struct pair *pair, const struct ktls_output *out);

/* The alert that ended the client's side, 0 for close_notify, -1 for none. */
int pair_client_alert(struct pair *pair);
/* Makes the client read what has arrived; the last SSL_get_error. */
int pair_client_read(struct pair *pair);

#endif
