/* What the log and the access log say of an exchange. */
#ifndef FERRULE_PROXY_HTTP_LOG_H
#define FERRULE_PROXY_HTTP_LOG_H

struct conn;

/* The exchange is over: its line in the access log. */
void http_log(struct conn *conn);
/* Why a request was not served as it should: static text, errno or 0; rate-limited. */
void http_log_failure(struct conn *conn, unsigned status, const char *cause, int error);

#endif
