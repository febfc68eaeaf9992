#include "proxy/conn_state.h"

/* clang-format off */
#define NONE CONN_INVALID

static const unsigned char table[CONN_STATES][CONN_EVENTS] = {
	/*                   HANDSHAKEN    SECURED       CONNECTED   CLIENT_END      BACKEND_END   FINISH        ENDED        ABORT */
	[CONN_HANDSHAKE] = { CONN_OFFLOAD, CONN_CONNECT, NONE,       NONE,           NONE,         CONN_CLOSING, NONE,        CONN_CLOSED },
	[CONN_OFFLOAD]   = { NONE,         CONN_CONNECT, NONE,       NONE,           NONE,         CONN_CLOSING, NONE,        CONN_CLOSED },
	[CONN_CONNECT]   = { NONE,         NONE,         CONN_RELAY, NONE,           NONE,         CONN_CLOSING, NONE,        CONN_CLOSED },
	[CONN_RELAY]     = { NONE,         NONE,         NONE,       CONN_DOWN_ONLY, CONN_UP_ONLY, CONN_CLOSING, NONE,        CONN_CLOSED },
	[CONN_DOWN_ONLY] = { NONE,         NONE,         NONE,       NONE,           CONN_CLOSING, CONN_CLOSING, NONE,        CONN_CLOSED },
	[CONN_UP_ONLY]   = { NONE,         NONE,         NONE,       CONN_CLOSING,   NONE,         CONN_CLOSING, NONE,        CONN_CLOSED },
	[CONN_CLOSING]   = { NONE,         NONE,         NONE,       NONE,           NONE,         NONE,         CONN_CLOSED, CONN_CLOSED },
	[CONN_CLOSED]    = { NONE,         NONE,         NONE,       NONE,           NONE,         NONE,         NONE,        NONE        },
};

static const char *const state_names[CONN_STATES] = {
	[CONN_HANDSHAKE] = "HANDSHAKE",
	[CONN_OFFLOAD]   = "OFFLOAD",
	[CONN_CONNECT]   = "CONNECT",
	[CONN_RELAY]     = "RELAY",
	[CONN_DOWN_ONLY] = "DOWN_ONLY",
	[CONN_UP_ONLY]   = "UP_ONLY",
	[CONN_CLOSING]   = "CLOSING",
	[CONN_CLOSED]    = "CLOSED",
};

static const char *const event_names[CONN_EVENTS] = {
	[CONN_EVENT_HANDSHAKEN]  = "handshaken",
	[CONN_EVENT_SECURED]     = "secured",
	[CONN_EVENT_CONNECTED]   = "connected",
	[CONN_EVENT_CLIENT_END]  = "client end",
	[CONN_EVENT_BACKEND_END] = "backend end",
	[CONN_EVENT_FINISH]      = "finish",
	[CONN_EVENT_ENDED]       = "ended",
	[CONN_EVENT_ABORT]       = "abort",
};
/* clang-format on */

enum conn_state conn_next(enum conn_state state, enum conn_event event)
{
	return (enum conn_state)table[state][event];
}

const char *conn_state_name(enum conn_state state)
{
	return state < CONN_STATES ? state_names[state] : "INVALID";
}

const char *conn_event_name(enum conn_event event)
{
	return event < CONN_EVENTS ? event_names[event] : "invalid";
}
