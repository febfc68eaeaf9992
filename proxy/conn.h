/*
 * A connection: a client's socket (front), what it is served by (a service), and
 * the connection to a backend that it uses now, if any (back). conn.c owns its life
 * and its state, handshake.c the way up to the relay, relay.c the moving of bytes.
 */
#ifndef FERRULE_PROXY_CONN_H
#define FERRULE_PROXY_CONN_H

#include "ktls/ktls.h"
#include "proxy/backend.h"
#include "proxy/conn_state.h"
#include "proxy/endpoint.h"
#include "proxy/pipe_pool.h"
#include "proxy/timer.h"

#include <netinet/in.h>

struct conn;
struct server;
struct snapshot_listener;
struct worker;

/* How one direction's bytes are moved. */
enum relay_mode {
	RELAY_MESSAGE, /* received and sent by the ring, buffer by buffer */
	RELAY_BULK,    /* moved by system calls as long as both sides are ready */
};

struct relay {
	enum relay_mode mode;
	uint8_t small;     /* bulk: turns in a row that moved little */
	struct pipe *pipe; /* leased while bytes are in it */
	uint64_t bytes;    /* plaintext moved so far */
};

/*
 * What stands behind the client's socket. Plaintext arrives in buffers that the
 * service owns from then on, or, in bulk, in memory that it may only look at; it
 * answers with conn_write() and relay_to_client().
 */
struct service {
	const char *name;
	/* The client has something to say: get ready, then conn_event(CONNECTED). */
	void (*open)(struct conn *conn);
	/* What backend_connect() came to: 0 or errno. */
	void (*connected)(struct conn *conn, int error);
	/* Plaintext from the client. */
	void (*client_data)(struct conn *conn, struct buf *buf);
	/* The same in bulk, at most RELAY_CHUNK bytes. NULL: the service takes none. */
	void (*client_bytes)(struct conn *conn, const uint8_t *data, size_t len);
	/* Plaintext from the backend, and in bulk. */
	void (*backend_data)(struct conn *conn, struct buf *buf);
	void (*backend_bytes)(struct conn *conn, const uint8_t *data, size_t len);
	/* The backend has ended its stream (0) or broken it (errno). */
	void (*backend_end)(struct conn *conn, int error);
	/* Does it take bytes of this direction now? NULL: always. */
	bool (*takes)(const struct conn *conn, const struct relay *relay);
	/* How many bytes of this direction come next that nobody has to look at. */
	uint64_t (*blind)(const struct conn *conn, const struct relay *relay);
	/* So many of those have been spliced. */
	void (*passed)(struct conn *conn, const struct relay *relay, uint64_t len);
	/* Called whenever something has changed: time to go on. */
	void (*update)(struct conn *conn);
	/* The connection's time is up; false: it is to end as an idle one does. */
	bool (*expired)(struct conn *conn);
	/* An operation of the service's own: ask it to end; is it still active? */
	void (*cancel)(struct conn *conn);
	bool (*is_busy)(const struct conn *conn);
	/* True between requests: the connection may be ended without losing one. */
	bool (*is_idle)(const struct conn *conn);
	/* Frees what `open` made; called once, no operation is active any more. */
	void (*close)(struct conn *conn);
	/* The client's end of stream is to reach the backend as such. */
	bool hands_on_end;
};

/* What one connection may move before the others get their turn. */
#define RELAY_TURN (512 * 1024)
/* What is moved at a time: four full records of plaintext. */
#define RELAY_CHUNK (4 * KTLS_RECORD_PLAINTEXT)

union conn_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct conn {
	struct conn *next, **link;   /* the worker's list */
	struct conn *again;          /* the worker's list of those with work left */
	struct worker *worker;       /* borrowed */
	const struct server *server; /* borrowed; lives as long as the worker */
	const struct service *service;
	const struct snapshot_listener *listener; /* borrowed: where it was accepted */
	struct ktls_session *session;             /* owned */
	enum conn_state state;                    /* written by conn_event() alone */
	bool greeted;                             /* the first bytes looked like TLS */
	bool answered;                            /* something has been sent to the client */
	bool secured;                             /* the handshake is complete */
	bool opened;                              /* the service has been asked to get ready */
	bool client_ended;                        /* its close_notify has come */
	bool notify;                              /* the client gets a close_notify at the end */
	bool cut;                                 /* the stream ends short: it gets none */
	bool lingering;                           /* both our ends are done, the client's is not */
	bool cause_is_orderly;                    /* may be replaced by a graver one */
	bool excess;                              /* beyond max_connections: gets a 503 */
	bool settled;  /* K2: its socket was writable after the last data */
	bool is_again; /* it is on that list */
	unsigned requests;
	unsigned debug; /* switches of debug.h, as of its beginning */

	struct endpoint front;
	struct backend_conn *back; /* owned while it is set */
	struct relay up, down;     /* client to backend, backend to client */
	struct buf *partial;       /* owned: the beginning of a record (user-space receive) … */
	struct stash beginning;    /* … or here, as soon as its rest takes its time */
	struct buf_queue early;    /* owned: plaintext from before the service was ready */

	struct timer timer;
	int64_t latest;     /* ms: no activity moves the timer beyond it; 0: no such time */
	void *service_data; /* the service's own */

	int64_t started;   /* ms */
	const char *cause; /* static, or the session's; the first one stays */
	int cause_errno;
	enum conn_state ended_in; /* the state in which the cause arose */
	union conn_address peer;
};

/* Takes the accepted descriptor over; `listener` outlives the worker. */
void conn_open(struct worker *worker, const struct snapshot_listener *listener, int fd);

/* Applies the state table. */
void conn_event(struct conn *conn, enum conn_event event);
/*
 * As above with a reason for the log (static text, errno or 0): the first one
 * stays, but for an orderly end that a failure follows.
 */
void conn_end(struct conn *conn, enum conn_event event, const char *cause, int error);
/* Ends with what is queued, but without close_notify: the stream is not complete. */
void conn_cut(struct conn *conn, const char *cause, int error);
/* The session failed: its alert is queued already, its text is the cause. */
void conn_session_failed(struct conn *conn);

/* Plaintext for the client; owned from here on, whatever comes of it. */
void conn_write(struct conn *conn, struct buf *buf);
/* Plaintext from the client, for the service or kept until it is ready. */
void conn_deliver(struct conn *conn, struct buf *buf);
/* The client's TCP end (error 0) or an error of its socket. */
void conn_client_stopped(struct conn *conn, int error);
/* The client has sent close_notify. */
void conn_client_end(struct conn *conn);
/* The backend has ended its stream in order. */
void conn_backend_end(struct conn *conn);

/* Arms, pumps and ends whatever the state asks for; every handler ends with it. */
void conn_update(struct conn *conn);
/* Something moved: the idle time begins anew. */
void conn_touch(struct conn *conn);
/* From now on activity keeps it alive until `latest` (ms) only; 0: without end. */
void conn_limit(struct conn *conn, int64_t latest);
/* Comes back to conn_resume() in the loop's next turn. */
void conn_again(struct conn *conn);
/* The worker's call for each connection of its `again` list; may free it. */
void conn_resume(struct conn *conn);
/*
 * Ends our stream to the client once all of it is on its way: close_notify where
 * one is due, then the TCP end. True when that is done.
 */
bool conn_finish_front(struct conn *conn);

/* The socket takes, or gives, plaintext: the kernel has the keys, or there are none. */
bool conn_is_tx_plaintext(const struct conn *conn);
bool conn_is_rx_plaintext(const struct conn *conn);
/* Where its plaintext goes: the server's backend, or that of the name it asked for. */
const struct backend *conn_backend(const struct conn *conn);

/* handshake.c: the way up to CONN_CONNECT. */
void handshake_start(struct conn *conn);
void handshake_received(struct conn *conn, struct buf *buf);
void handshake_update(struct conn *conn);
/* The client took too long. */
void handshake_expired(struct conn *conn);

/* relay.c: the moving of bytes once keys and service are there. */
void relay_init(struct conn *conn);
void relay_update(struct conn *conn);
/* Before the service is asked: receives what the client has to say. */
void relay_await_client(struct conn *conn);
/* Ciphertext from the client, for user-space engines; owned from here on. */
void relay_open(struct conn *conn, struct buf *buf);
/* A full buffer came from the client: more of it is moved in bulk. */
void relay_bulk_upload(struct conn *conn);
/* Queues the control records that a session call left in `reply`. */
void relay_reply(struct conn *conn, const struct ktls_output *reply);
/*
 * Sends plaintext to the client, sealed where that is ours: at once by system call,
 * and the socket's refusal is queued. `len` is at most RELAY_CHUNK. False when the
 * connection has ended over it.
 */
bool relay_to_client(struct conn *conn, const uint8_t *data, size_t len);
/* The same towards the backend; what it no longer takes is dropped. */
bool relay_to_backend(struct conn *conn, const uint8_t *data, size_t len);
/* Nothing waits to be sent to the client. */
bool relay_is_front_free(const struct conn *conn);
/* There is room for more in the queue to the client, or to the backend. */
bool relay_has_room(const struct conn *conn, const struct endpoint *sink);
/* Completions of conn->back's operations. */
void relay_back_received(struct conn *conn, const struct ring_result *result);
void relay_back_sent(struct conn *conn, int result);
/* Hands on what is left for the client; true when all of it is on its way. */
bool relay_hand_over(struct conn *conn);
/* The same towards the backend, then ends that stream; true when done or impossible. */
bool relay_finish_back(struct conn *conn);
/* Forgets what is left for the client in pipe and, kernel tx, queue. */
void relay_drop(struct conn *conn);
/*
 * Tells the session of bytes that a kernel direction moved without it; false when
 * the connection has ended over it.
 */
bool relay_account(struct conn *conn, enum ktls_direction direction, size_t bytes);
void relay_done(struct conn *conn);

extern const struct service tunnel_service;
extern const struct service http_service;

#endif
