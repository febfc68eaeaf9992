#include "ktls/trace.h"

#include <stdlib.h>
#include <string.h>

struct ktls_trace {
	void (*call)(void *arg, const char *old_state, const char *new_state);
	void *arg;
	const char *state; /* libssl's, static */
};

/* SSL_CTX_set_info_callback(3): called more often than the state changes. */
static void on_info(const SSL *ssl, int where, int result)
{
	(void)where;
	(void)result;
	const struct ktls_session *session = SSL_get_app_data(ssl);
	struct ktls_trace *trace = session->trace;
	const char *state = SSL_state_string_long(ssl);
	if (strcmp(state, trace->state) == 0)
		return;
	const char *before = trace->state;
	trace->state = state;
	trace->call(trace->arg, before, state);
}

void ktls_trace_done(struct ktls_session *session)
{
	if (!session->trace)
		return;
	SSL_set_info_callback(session->ssl, NULL);
	free(session->trace);
	session->trace = NULL;
}

void ktls_session_trace(struct ktls_session *session,
	void (*trace)(void *arg, const char *old_state, const char *new_state), void *arg)
{
	ktls_trace_done(session);
	if (!session->ssl || !trace)
		return;
	session->trace = malloc(sizeof *session->trace);
	if (!session->trace)
		return; /* less to read, nothing else */
	*session->trace = (struct ktls_trace){trace, arg, SSL_state_string_long(session->ssl)};
	SSL_set_info_callback(session->ssl, on_info);
}
