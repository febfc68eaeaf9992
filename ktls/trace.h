/* The states of a handshake, told to whoever debugs one. Private to ktls/. */
#ifndef FERRULE_KTLS_TRACE_H
#define FERRULE_KTLS_TRACE_H

#include "ktls/session.h"

/* Before the SSL object goes. */
void ktls_trace_done(struct ktls_session *session);

#endif
