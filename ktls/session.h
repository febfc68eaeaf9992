/* What the files of ktls/ share about a server and a session. */
#ifndef FERRULE_KTLS_SESSION_H
#define FERRULE_KTLS_SESSION_H

#include "ktls/record.h"

#include <openssl/ssl.h>

/* Consecutive records that carry nothing, or change keys, before a session ends. */
#define BUDGET_KEY_UPDATES        32
#define BUDGET_KEY_UPDATES_SECOND 100
#define BUDGET_EMPTY_RECORDS      32
#define BUDGET_WARNINGS           4

/* Both sides have their secrets: the value of a session's `secrets`. */
#define KTLS_SECRETS_ALL (1 << KTLS_TX | 1 << KTLS_RX)

struct ktls_client;
struct ktls_host;
struct ktls_trace;

struct ktls_server {
	SSL_CTX *ctx;            /* owned; the default name's */
	struct ktls_host *hosts; /* owned; NULL when there is one name only */
	size_t host_count;
	unsigned keys;      /* KTLS_KEY_… of all certificates */
	BIO_METHOD *method; /* owned */
	struct ktls_crypto crypto;
	const struct ktls_capabilities *capabilities; /* borrowed */
	struct ktls_tickets *tickets;                 /* borrowed, may be NULL */
	enum ktls_offload offload;
	enum ktls_client_auth client_auth;
	uint64_t record_limit;
};

/* One direction of a session after the handshake. */
struct ktls_side {
	enum ktls_engine engine;
	union {
		struct ktls_aead aead;     /* engine aead */
		struct {                   /* engine kernel */
			uint64_t records;  /* at most so many under this key */
			uint64_t seen;     /* rx: sequence when there was last nothing to read */
			uint64_t verified; /* `records` when last read back */
		};
	};
	union {
		uint8_t secret[KTLS_SECRET_MAX]; /* TLS 1.3: of the current generation */
		struct ktls_keys keys;           /* TLS 1.2: until the kernel has them */
	};
};

struct ktls_session {
	struct ktls_server *server; /* borrowed; NULL in a plain session */
	SSL *ssl;                   /* owned; NULL once the keys have been taken */
	int fd;                     /* borrowed */
	enum ktls_version version;
	enum ktls_cipher cipher;
	bool is_aead; /* the keys are ours to take; cipher is valid */
	bool closed;  /* close_notify or a fatal alert went out */
	bool resumed;
	uint8_t authentication;   /* index into session.c's names for them */
	struct ktls_side side[2]; /* by enum ktls_direction */

	/* During a call into libssl: where its bytes come from and go to. */
	struct ktls_input *in;
	struct ktls_output *out;
	uint8_t secrets;      /* which sides have theirs: bits by enum ktls_direction */
	uint8_t tickets_sent; /* TLS 1.3 records under the application key so far */

	/* A control record the socket had no room for. */
	uint8_t pending_type, pending_len, pending[5];
	bool pending_rekey; /* it is a KeyUpdate: change the TX key behind it */

	/* A handshake message that began in an earlier record. */
	uint8_t message[5], message_len;
	uint8_t warnings, empty_records, key_updates;
	bool received; /* engine kernel: something since there was last nothing to read */
	uint8_t key_updates_second;
	bool update_requested; /* asked the peer for fresh keys, not yet answered */
	uint16_t name_index;
	uint32_t second; /* CLOCK_MONOTONIC second that key_updates_second counts */

	const SSL_CIPHER *suite;    /* libssl's, static; NULL until the handshake is done */
	const char *key_exchange;   /* static, or libssl's */
	const char *reason;         /* static */
	char *server_name;          /* owned, may be NULL */
	char *error;                /* owned, may be NULL */
	struct ktls_client *client; /* owned, may be NULL */
	struct ktls_trace *trace;   /* owned, may be NULL */
};

/* Keeps the first failure's text. Returns KTLS_FAILED, for `return`. */
enum ktls_status ktls_fail(struct ktls_session *session, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Sends an alert if that is still possible, then as ktls_fail(). */
enum ktls_status ktls_fail_alert(struct ktls_session *session, uint8_t description,
	struct ktls_output *reply, const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * A record arrived on an aead or kernel direction: budgets, alerts, KeyUpdate.
 * DONE: go on with the next one.
 */
enum ktls_status ktls_control(struct ktls_session *session, uint8_t type, const uint8_t *data,
	size_t len, struct ktls_output *reply);

/* Checks the number of records under each key, and changes keys in time (K9). */
enum ktls_status ktls_limit(
	struct ktls_session *session, enum ktls_direction direction, struct ktls_output *reply);

/* Gives an SSL_CTX its ticket callback. */
void ktls_tickets_attach(SSL_CTX *ctx, const struct ktls_tickets *tickets);

#endif
