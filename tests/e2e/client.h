/*
 * A TLS client whose bytes can be got at. libssl works on memory BIOs: what it
 * wants to send passes through our hands, and so does what it is given to read.
 * A plain one has the same calls and no TLS.
 */
#ifndef FERRULE_TESTS_E2E_CLIENT_H
#define FERRULE_TESTS_E2E_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <openssl/ssl.h>

struct client_options {
	uint16_t port;
	const char *host;              /* NULL: 127.0.0.1 */
	int version;                   /* TLS1_3_VERSION …; 0: 1.2 or 1.3 */
	const char *ciphers;           /* OpenSSL names; NULL: its defaults */
	const char *groups;            /* the first one gets the key share; NULL: defaults */
	SSL_SESSION *session;          /* to resume, borrowed */
	int receive_buffer;            /* SO_RCVBUF; 0: the system's */
	bool one_byte;                 /* the handshake leaves in one-byte segments */
	bool plain;                    /* TCP only */
	const char *server_name;       /* sent (RFC 6066 3); NULL: none */
	const char *certificate, *key; /* PEM files for a server that asks; NULL: none */
};

/* How the server's direction ended. */
enum client_end {
	CLIENT_OPEN,
	CLIENT_CLOSE_NOTIFY,
	CLIENT_FIN, /* without a close_notify before it: the only end that plain TCP has */
	CLIENT_RESET,
	CLIENT_ALERT,  /* a fatal one: see alert */
	CLIENT_BROKEN, /* what came is not TLS as libssl knows it */
	CLIENT_DEADLINE,
};

struct client {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *incoming, *outgoing; /* owned by ssl; without one, incoming is ours */
	int fd;
	uint16_t local_port; /* the log's "peer=" */
	bool one_byte;
	enum client_end end;
	int alert;                    /* the last one received but close_notify, or -1 */
	unsigned hellos, key_updates; /* ClientHellos sent, KeyUpdates received */
	unsigned tickets;             /* received */
	SSL_SESSION *session;         /* the latest of them */
	uint8_t secret[48];           /* TLS 1.3: of our application traffic, as first agreed */
};

/* The TCP connection and a client ready to shake hands; NULL when refused. */
struct client *client_connect(const struct client_options *options);
/* false: see end and alert. */
bool client_handshake(struct client *client);
/* TLS 1.3: the same, but our Finished stays behind and leaves with what is sent next. */
bool client_handshake_hold(struct client *client);
/* Both; NULL when either fails. */
struct client *client_open(const struct client_options *options);
/* Sends nothing any more; NULL is allowed. */
void client_free(struct client *client);
/* Closes the socket; what is known about the session stays. */
void client_hang_up(struct client *client);
/* Closes with a reset. */
void client_reset(struct client *client);

/* While it waits for room it takes in what arrives, so it cannot deadlock. */
bool client_write(struct client *client, const void *data, size_t len);
/* Writes the text without its NUL. */
bool client_say(struct client *client, const char *text);
/* At least one byte, or 0 when the server's direction has ended: see end. */
size_t client_read(struct client *client, void *data, size_t size);
/* Exactly len bytes. */
bool client_read_all(struct client *client, void *data, size_t len);
/* To the end of the stream as a string; true when that end was a close_notify. */
bool client_read_text(struct client *client, char *text, size_t size);
/* Has the stream ended, and may it be taken for complete? */
bool client_is_complete(const struct client *client);
/* Reads to the end and throws it away. */
enum client_end client_drain(struct client *client);
/* Sends our close_notify; reading goes on. */
bool client_shutdown(struct client *client);
/* The socket's own end, after the TLS one: CLIENT_FIN, CLIENT_RESET or CLIENT_DEADLINE. */
enum client_end client_wait_fin(struct client *client);

/* ---- tampering ---- */

/* Sends bytes as they are, around libssl. */
bool client_send_raw(struct client *client, const void *data, size_t len);
/* Seals data as libssl would and hands the records over instead of sending them. */
size_t client_seal(struct client *client, const void *data, size_t len, uint8_t *out, size_t size);

/* ---- pattern bodies (pattern.h) ---- */

bool client_send_pattern(struct client *client, uint64_t count, uint64_t seed);
/* Until the server's direction ends: bytes that matched, or -1 after a wrong one. */
int64_t client_read_pattern(struct client *client, uint64_t seed);

#endif
