#include "proxy/conn_debug.h"

#include "proxy/address.h"
#include "proxy/conn.h"
#include "proxy/debug.h"
#include "proxy/worker.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX   512
#define REASON_MAX 256

static bool is_on(const struct conn *conn, unsigned mask)
{
	return (conn->debug & (mask | DEBUG_SECURE_ALL)) != 0;
}

static void __attribute__((format(printf, 3, 4)))
write_line(const struct conn *conn, const char *what, const char *format, ...)
{
	/* Somebody has asked for it: it does not depend on log.level. */
	struct log log = *conn->worker->log;
	char peer[ADDRESS_TEXT], text[TEXT_MAX];
	va_list arguments;
	if (log.level < CONF_LOG_INFO)
		log.level = CONF_LOG_INFO;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	log_line(&log, CONF_LOG_INFO, "HTTPS SSL %s - Peer %s, %s", what,
		address_text(&conn->peer.any, peer), text);
}

/* ---- secure-state ------------------------------------------------------------------- */

static void on_state(void *arg, const char *old_state, const char *new_state)
{
	write_line(arg, "State Change", "Old State = %s, New State = %s", old_state, new_state);
}

void conn_debug_start(struct conn *conn)
{
	conn->debug = debug_read(&conn->worker->stats->debug);
	if (is_on(conn, DEBUG_SECURE_STATE))
		ktls_session_trace(conn->session, on_state, conn);
}

/* ---- secure-session ----------------------------------------------------------------- */

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

void conn_debug_established(const struct conn *conn)
{
	struct ktls_info info;
	if (!is_on(conn, DEBUG_SECURE_SESSION))
		return;
	ktls_session_info(conn->session, &info);
	write_line(conn, "Session Established/Handshake done",
		"state = SSL negotiation finished successfully, SessionInfo: Digest=%s SSLVer=%s "
		"KeyEx=%s Auth=%s Cipher=%s(%u) Mac=%s",
		info.cipher, info.version, or_dash(info.key_exchange), or_dash(info.authentication),
		info.cipher_algorithm, info.cipher_bits, info.mac);
}

/* ---- secure-all ----------------------------------------------------------------------- */

static const char *status_name(enum ktls_status status)
{
	switch (status) {
	case KTLS_DONE:
		return "done";
	case KTLS_WANT_READ:
		return "want read";
	case KTLS_WANT_WRITE:
		return "want write";
	case KTLS_CLOSED:
		return "closed";
	case KTLS_TRUNCATED:
		return "truncated";
	case KTLS_FAILED:
		break;
	}
	return "failed";
}

static void __attribute__((format(printf, 3, 4)))
write_call(const struct conn *conn, const char *call, const char *format, ...)
{
	char result[TEXT_MAX];
	va_list arguments;
	if (!is_on(conn, DEBUG_SECURE_ALL))
		return;
	va_start(arguments, format);
	vsnprintf(result, sizeof result, format, arguments);
	va_end(arguments);
	write_line(conn, "Driver Call", "Call = %s, Result = %s", call, result);
}

void conn_debug_call(const struct conn *conn, const char *call, enum ktls_status status)
{
	write_call(conn, call, "%s", status_name(status));
}

void conn_debug_handshake(
	const struct conn *conn, enum ktls_status status, size_t taken, size_t made)
{
	write_call(conn, "handshake", "%s, In = %zu, Out = %zu", status_name(status), taken, made);
}

void conn_debug_wanted(const struct conn *conn, bool is_wanted)
{
	char reason[REASON_MAX];
	write_call(conn, "offload wanted", "%s, Reason = %s", is_wanted ? "yes" : "no",
		log_quote(ktls_session_reason(conn->session), reason, sizeof reason));
}

void conn_debug_offload(const struct conn *conn, enum ktls_status status)
{
	char reason[REASON_MAX];
	write_call(conn, "offload install", "%s, Tx = %s, Rx = %s, Reason = %s",
		status_name(status), ktls_engine_name(ktls_session_engine(conn->session, KTLS_TX)),
		ktls_engine_name(ktls_session_engine(conn->session, KTLS_RX)),
		log_quote(ktls_session_reason(conn->session), reason, sizeof reason));
}

void conn_debug_alert(const struct conn *conn, unsigned description)
{
	write_call(conn, "alert", "queued, Description = %u", description);
}

void conn_debug_failed(const struct conn *conn)
{
	char reason[REASON_MAX];
	write_call(conn, "session", "failed, Reason = %s",
		log_quote(ktls_session_error(conn->session), reason, sizeof reason));
}
