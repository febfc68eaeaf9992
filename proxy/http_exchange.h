/*
 * One request and its response on a client's connection: what the files of the
 * HTTP service share. http.c owns the stages, http_origin.c speaks to the backend,
 * http_answer.c answers itself, files.c sends files.
 */
#ifndef FERRULE_PROXY_HTTP_EXCHANGE_H
#define FERRULE_PROXY_HTTP_EXCHANGE_H

#include "proxy/auth_verifier.h"
#include "proxy/conn.h"
#include "proxy/files.h"
#include "proxy/http_body.h"
#include "proxy/http_reply.h"

enum http_stage {
	HTTP_READING,   /* a request's head is awaited, or coming in */
	HTTP_VERIFYING, /* its credentials are */
	HTTP_REACHING,  /* a connection to the backend is being made */
	HTTP_RELAYING,  /* request to the backend, response to the client */
	HTTP_ANSWERING, /* our own answer, or a file, is on its way to the client */
};

struct http_credentials {
	struct auth_job job;
	struct conn *conn;
};

/* Exists from the first byte of a request to the end of its exchange. */
struct http {
	enum http_stage stage;
	bool close;    /* the client's connection ends with this exchange */
	bool answered; /* the head of the final response has gone to the client */
	bool retried;
	bool reached;      /* a backend has been given the request */
	bool keeps;        /* the backend's connection can serve another exchange */
	unsigned status;   /* of the response; 0: none yet */
	unsigned interims; /* responses 1xx so far */
	int64_t received;  /* ms: the request's first byte */
	int64_t started;   /* us: the same, if somebody wants to know */
	uint64_t sent;     /* conn->down.bytes where the response's body began */

	struct buf_queue input; /* owned: plaintext that nobody has taken yet */
	struct stash beginning; /* owned: all of it, while more of a head is awaited */
	struct buf *head;       /* owned: the request's head, which `request` points into */
	struct http_request request;
	struct http_body upload;

	struct buf *response_head; /* owned: the beginning of one */
	struct http_response response;
	struct http_body download;

	struct file_transfer file;
	struct http_credentials *credentials; /* owned; while they are verified */
	char *user;                           /* owned: whom basic authentication let in */
};

/* http.c: the exchange has failed, and says so to the client if it still can. */
void http_fail(struct conn *conn, unsigned status, const char *cause, int error);
/* The request has passed: the backend, or the file server, answers it. */
void http_dispatch(struct conn *conn);
/*
 * Besides by idling, the connection may run out of time by its life, and by a stage
 * that takes more than so many seconds from `from` (ms) on; 0: no such limit.
 */
void http_limit_time(struct conn *conn, int64_t from, unsigned seconds);
/* The client's connection ends behind this exchange's response. */
bool http_must_close(const struct conn *conn);

/* http_answer.c */
/*
 * Answers the request itself; with `reply` as far as the caller cares. The
 * connection ends behind it when a body of the request is still to come.
 */
void http_answer(struct conn *conn, struct http_reply *reply);
/* 503: there is too much to do at present; says so in the log. */
void http_answer_busy(struct conn *conn, const char *cause);
/* The files backend's answer. */
void http_answer_file(struct conn *conn);
/* Decides about a request before any backend hears of it; true: it has been answered. */
bool http_refuse_by_policy(struct conn *conn);
/* Basic authentication; true: it has been answered, or will be in HTTP_VERIFYING. */
bool http_refuse_by_credentials(struct conn *conn);

/* http_origin.c */
/* Looks for a connection to the backend; `fresh`: not one from the pool. */
void http_origin_reach(struct conn *conn, bool fresh);
void http_origin_connected(struct conn *conn, int error);
/* Moves what there is of the request's body; in bulk from memory. */
void http_origin_upload(struct conn *conn);
void http_origin_upload_bytes(struct conn *conn, const uint8_t *data, size_t len);
/* Bytes from the backend. */
void http_origin_data(struct conn *conn, struct buf *buf);
void http_origin_bytes(struct conn *conn, const uint8_t *data, size_t len);
void http_origin_end(struct conn *conn, int error);
/* The response is complete and all of it handed on: gives the connection back. */
bool http_origin_is_done(const struct conn *conn);
void http_origin_release(struct conn *conn);

static inline struct http *http_of(const struct conn *conn)
{
	return conn->service_data;
}

#endif
