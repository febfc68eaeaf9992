/*
 * ktls: one TLS session on one socket.
 *
 * libssl does the handshake and nothing else if it can be helped. From then on
 * each direction is protected by one of three engines, or by none:
 *
 *   kernel  the keys are in the socket (CONFIG_TLS): send, recv and splice move
 *           plaintext, control records travel with sendmsg/recvmsg
 *   aead    the same keys in user space: ktls_open() and ktls_seal() turn
 *           records into plaintext and back (TLS 1.3, and 1.2 with AEAD suites)
 *   libssl  everything else (the CBC suites of TLS 1.2)
 *   plain   no TLS at all: the socket moves plaintext, as with the kernel's
 *
 * Alerts, KeyUpdate, close_notify, budgets and record limits are the same code
 * for the first two. A session never performs I/O on its own account except on
 * control records of a kernel direction; bytes come from and go to the caller's
 * buffers. It logs nothing: ktls_session_error() has the text.
 */
#ifndef FERRULE_KTLS_H
#define FERRULE_KTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

/* ---- buffers ---------------------------------------------------------- */

/* Bytes to consume: ktls advances data and shrinks len. */
struct ktls_input {
	const uint8_t *data;
	size_t len;
};

/* Bytes to produce: ktls appends at data + len, never beyond size. */
struct ktls_output {
	uint8_t *data;
	size_t len, size;
};

/* Plaintext of one record (RFC 8446 5.1) and the most a record can add to it. */
#define KTLS_RECORD_PLAINTEXT 16384
#define KTLS_RECORD_OVERHEAD  (5 + 256)
#define KTLS_RECORD_MAX       (KTLS_RECORD_PLAINTEXT + KTLS_RECORD_OVERHEAD)
/* Room that `reply` needs: one control record in the largest wrapping. */
#define KTLS_REPLY_ROOM 128

/* ---- what this kernel can do ------------------------------------------ */

enum ktls_direction { KTLS_TX, KTLS_RX };
enum ktls_version { KTLS_TLS12, KTLS_TLS13 };
enum ktls_cipher { KTLS_AES_128_GCM, KTLS_AES_256_GCM, KTLS_CHACHA20_POLY1305, KTLS_CIPHERS };

/* 0 when it works, else the errno the kernel answered with. */
struct ktls_capabilities {
	int ulp;                         /* setsockopt(TCP_ULP, "tls") */
	int offload[2][KTLS_CIPHERS][2]; /* [version][cipher][direction] */
	bool splice_lossless;            /* K1: a short pipe loses nothing */
	bool rekey;                      /* K5: a second TLS_RX/TLS_TX is taken (Linux 6.14) */
	int splice_rx;                   /* splice(kTLS -> pipe) passed its self-test, else errno */
	bool close_lossless;             /* K2: nothing lost at close without the safe sequence */
};

/*
 * Finds out on loopback pairs, with real keys. Needs CAP_NET_ADMIN when the tls
 * module is not loaded yet, so it is called before privileges are dropped.
 */
void ktls_probe(struct ktls_capabilities *capabilities);

const char *ktls_version_name(enum ktls_version version); /* "TLSv1.3" */
const char *ktls_cipher_name(enum ktls_cipher cipher);    /* "AES-128-GCM" */
/* Who computes it for records in user space: "libcrypto", "libipsec-mb", or "none". */
const char *ktls_cipher_library(enum ktls_cipher cipher);

/* ---- tickets (RFC 5077, RFC 8446 4.6.1) -------------------------------- */

#define KTLS_TICKET_KEYS     4
#define KTLS_TICKET_KEY_SIZE 80 /* name 16, AES-256 key 32, HMAC-SHA256 key 32 */

/*
 * Lives in memory shared by supervisor and workers. The first key encrypts, all
 * of them decrypt. Written by the supervisor alone with ktls_tickets_set().
 */
struct ktls_tickets {
	uint32_t sequence; /* odd while being written */
	uint32_t count;
	uint32_t lifetime; /* seconds */
	uint8_t keys[KTLS_TICKET_KEYS][KTLS_TICKET_KEY_SIZE];
};

/* `keys` holds count (1..KTLS_TICKET_KEYS) keys, newest first. */
void ktls_tickets_set(struct ktls_tickets *tickets, const uint8_t *keys, uint32_t count);
/* Makes a fresh first key and keeps the others behind it. 0 or -1 (no entropy). */
int ktls_tickets_rotate(struct ktls_tickets *tickets);

/* ---- server: policy shared by many sessions ---------------------------- */

enum ktls_offload {
	KTLS_OFFLOAD_AUTO,
	KTLS_OFFLOAD_TX,
	KTLS_OFFLOAD_BOTH,
	KTLS_OFFLOAD_OFF,
	KTLS_OFFLOAD_REQUIRED,
};

enum ktls_client_auth {
	KTLS_CLIENT_AUTH_NONE,
	KTLS_CLIENT_AUTH_OPTIONAL, /* asked for; a bad one is only reported */
	KTLS_CLIENT_AUTH_REQUIRED, /* without a good one there is no session */
};

/* Borrowed for the call of ktls_server_new(). */
struct ktls_certificate {
	X509 *certificate;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* may be NULL */
};

struct ktls_name {
	/*
	 * A host name, or "*.domain" for one label below it. NULL: the default, for
	 * clients without SNI or with another name.
	 */
	const char *server_name;
	const struct ktls_certificate *certificates; /* at most one per type of key */
	size_t certificate_count;
};

struct ktls_server;

struct ktls_server_options {
	const char *name;              /* session id context: tickets are good for this name only */
	const struct ktls_name *names; /* the first is the default, whatever it is called */
	size_t name_count;             /* 0: only a check of everything else */
	bool tls12, tls13;
	const char *const *ciphersuites; /* OpenSSL's, the RFCs' or IOS's names; none: defaults */
	size_t ciphersuite_count;
	enum ktls_client_auth client_auth;
	X509_STORE *client_anchors; /* a reference is taken; NULL unless clients authenticate */
	enum ktls_offload offload;
	const struct ktls_capabilities *capabilities; /* outlives the server */
	struct ktls_tickets *tickets;                 /* outlives the server; NULL: none */
	uint64_t record_limit; /* records under one key, 0: RFC 8446 5.5's 2^24.5 */
};

/* NULL with a sentence in `error` when the options cannot work together. */
struct ktls_server *ktls_server_new(
	const struct ktls_server_options *options, char *error, size_t error_size);
void ktls_server_free(struct ktls_server *server);

struct ktls_suite {
	const char *name, *standard_name; /* OpenSSL's and the RFC's; static */
	enum ktls_version version;
	bool kernel_tx, kernel_rx; /* this kernel can take over that direction */
	const char *obstacle;      /* to the one that it cannot; static, "" for none */
	bool is_aead;
	int bits;
};

/*
 * What the server offers, in its order of preference, TLS 1.3 first: the suites
 * that its versions and certificates allow. Fills at most `max`, returns how
 * many there are.
 */
size_t ktls_server_suites(const struct ktls_server *server, struct ktls_suite *out, size_t max);

/* ---- session ----------------------------------------------------------- */

enum ktls_status {
	KTLS_DONE,       /* it is done; go on */
	KTLS_WANT_READ,  /* more bytes from the peer are needed */
	KTLS_WANT_WRITE, /* output is full, or the socket is (kernel): empty it, call again */
	KTLS_CLOSED,     /* the peer sent close_notify: a complete end */
	KTLS_TRUNCATED,  /* the peer's stream ended without one (RFC 8446 6.1) */
	KTLS_FAILED,     /* fatal; the alert to send, if any, is in the output */
};

enum ktls_engine { KTLS_ENGINE_LIBSSL, KTLS_ENGINE_AEAD, KTLS_ENGINE_KERNEL, KTLS_ENGINE_PLAIN };

struct ktls_session;

/* `fd` is borrowed. NULL only when memory ran out. */
struct ktls_session *ktls_session_new(struct ktls_server *server, int fd);
/*
 * A session without TLS, secured from the start. Only what a kernel direction
 * has is of use: ktls_recv(), and send or splice. The end of the stream is
 * KTLS_CLOSED: TCP knows no other orderly end. Control records do not exist.
 */
struct ktls_session *ktls_session_new_plain(int fd);
bool ktls_session_is_plain(const struct ktls_session *session);
void ktls_session_free(struct ktls_session *session);

/*
 * Calls `trace` for each change of libssl's state, in its words, until the
 * handshake's SSL object is freed; NULL: no longer.
 */
void ktls_session_trace(struct ktls_session *session,
	void (*trace)(void *arg, const char *old_state, const char *new_state), void *arg);

/*
 * One step of the handshake: consumes whole records of `in` as far as the
 * handshake needs them and never a byte beyond it. WANT_WRITE: `out` is full.
 */
enum ktls_status ktls_handshake(
	struct ktls_session *session, struct ktls_input *in, struct ktls_output *out);

/* Before or after it: may the keys of this session be moved into the kernel at all? */
bool ktls_may_offload(const struct ktls_session *session);

/*
 * After the handshake: does this session's policy want the kernel, and can the
 * kernel take version and cipher? If not, ktls_session_reason() says why.
 */
bool ktls_offload_is_wanted(struct ktls_session *session);
/*
 * Puts the keys into the kernel. The caller guarantees that all sealed bytes
 * have been passed to the socket and that no receive is in flight on it; the
 * input so far must end on a record boundary (ktls_open() returned WANT_READ
 * with in->len == 0). KTLS_DONE: installed as far as the policy asks and the
 * kernel took it, or the session carries on in user space. KTLS_FAILED: the
 * socket is past the point of no return, or the offload was required.
 */
enum ktls_status ktls_offload_install(struct ktls_session *session);

enum ktls_engine ktls_session_engine(
	const struct ktls_session *session, enum ktls_direction direction);
/* True when the socket itself takes or gives plaintext: engines kernel and plain. */
bool ktls_takes_plaintext(const struct ktls_session *session, enum ktls_direction direction);

/*
 * User-space receive. Opens records of `in` into `out` until `in` holds no whole
 * record (WANT_READ; what is left is the beginning of one), `out` lacks room for
 * the next (WANT_WRITE), or the session ends. A control record's answer goes to
 * `reply`, to be sent before anything sealed later.
 */
enum ktls_status ktls_open(struct ktls_session *session, struct ktls_input *in,
	struct ktls_output *out, struct ktls_output *reply);

/* How many bytes the record at the head of `in` lacks, its header first; 0: whole. */
size_t ktls_missing(const struct ktls_input *in);

/*
 * User-space send. Seals `in` into `out`, one record per 16 KiB, until either is
 * used up: DONE when all of `in` went, WANT_WRITE when `out` has no room left.
 */
enum ktls_status ktls_seal(
	struct ktls_session *session, struct ktls_input *in, struct ktls_output *out);

/*
 * Kernel and plain receive: one recvmsg into `out`. DONE: `out` grew, or a control record
 * was dealt with; call again. WANT_READ: nothing there. WANT_WRITE: `out` is full.
 * Use this, and not recv or splice, whenever a splice said EINVAL (K4).
 */
enum ktls_status ktls_recv(
	struct ktls_session *session, struct ktls_output *out, struct ktls_output *reply);

/*
 * Tells the session that `bytes` of plaintext crossed a kernel direction without
 * it (send, splice, sendfile), so that budgets and record limits hold.
 */
enum ktls_status ktls_account(struct ktls_session *session, enum ktls_direction direction,
	size_t bytes, struct ktls_output *reply);

/*
 * Control records. User space: appended to `reply`. Kernel: sent at once;
 * WANT_WRITE when the socket is full (wait for POLLOUT, call again).
 * close_notify is sent once; later calls are DONE and do nothing.
 */
enum ktls_status ktls_close_notify(struct ktls_session *session, struct ktls_output *reply);
enum ktls_status ktls_alert(
	struct ktls_session *session, uint8_t description, struct ktls_output *reply);
/* Sends a control record that an earlier call could not (kernel, WANT_WRITE). */
enum ktls_status ktls_flush(struct ktls_session *session);
/* True while one waits: poll for POLLOUT, then ktls_flush(). */
bool ktls_is_pending(const struct ktls_session *session);

/* What the log wants to know; strings live as long as the session, "" for none. */
struct ktls_info {
	const char *version;        /* "TLSv1.3", "" before the handshake */
	const char *cipher;         /* OpenSSL's name */
	const char *key_exchange;   /* "X25519", "RSA" … */
	const char *authentication; /* of the server: "RSA", "ECDSA" …, "PSK": resumed (TLS 1.3) */
	const char *cipher_algorithm; /* "AES-128-GCM", "AES-256-CBC" … */
	unsigned cipher_bits;
	const char *mac;         /* "AEAD", "SHA1", "SHA256" … */
	const char *server_name; /* from SNI */
	int name_index;          /* into the server's names; also when resumed */
	bool resumed;
	/*
	 * The client's certificate, also when resumed: subject (RFC 4514), SHA-256 in
	 * hexadecimal, and "SUCCESS", "NONE" (it sent none) or "FAILED:" and the reason;
	 * verify is "" when none was asked for. Failed ones are what the client claims.
	 */
	const char *client_subject, *client_fingerprint, *client_verify;
};
void ktls_session_info(const struct ktls_session *session, struct ktls_info *info);
const char *ktls_session_error(const struct ktls_session *session);  /* "" when none */
const char *ktls_session_reason(const struct ktls_session *session); /* not offloaded: why */
const char *ktls_engine_name(enum ktls_engine engine);               /* plain: "none" */

#endif
