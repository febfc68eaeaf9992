/*
 * The states of a connection as data. conn_next() is pure; conn.c is the only
 * writer of a connection's state. scripts/state-graph draws the table.
 */
#ifndef FERRULE_PROXY_CONN_STATE_H
#define FERRULE_PROXY_CONN_STATE_H

enum conn_state {
	CONN_HANDSHAKE, /* TLS handshake with the client */
	CONN_OFFLOAD,   /* keys on their way into the kernel */
	CONN_CONNECT,   /* connecting to the backend */
	CONN_RELAY,     /* both directions open */
	CONN_DOWN_ONLY, /* the client has ended its stream, the backend has not */
	CONN_UP_ONLY,   /* the backend has ended its stream, the client has not */
	CONN_CLOSING,   /* last bytes and close_notify or alert, then the peer's end */
	CONN_CLOSED,    /* waiting for the last completion */
	CONN_STATES,
	CONN_INVALID = CONN_STATES, /* no such transition: a bug, logged and closed */
};

enum conn_event {
	CONN_EVENT_HANDSHAKEN,  /* done, and the kernel is wanted */
	CONN_EVENT_SECURED,     /* engines are settled */
	CONN_EVENT_CONNECTED,   /* a backend is there */
	CONN_EVENT_CLIENT_END,  /* client's close_notify */
	CONN_EVENT_BACKEND_END, /* backend's end of stream, all of it handed on */
	CONN_EVENT_FINISH,      /* end in order: what is queued, close_notify or alert */
	CONN_EVENT_ENDED,       /* the client has closed, or had long enough to */
	CONN_EVENT_ABORT,       /* end at once, without close_notify */
	CONN_EVENTS,
};

enum conn_state conn_next(enum conn_state state, enum conn_event event);
const char *conn_state_name(enum conn_state state);
const char *conn_event_name(enum conn_event event);

#endif
