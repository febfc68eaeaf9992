/*
 * A plain HTTP/1.1 server that keeps every byte it is sent and answers as the test
 * has laid down, however wrong that may be. It reads requests leniently and on
 * threads of its own; every wait obeys the test's deadline.
 */
#ifndef FERRULE_TESTS_E2E_HTTP_BACKEND_H
#define FERRULE_TESTS_E2E_HTTP_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_backend;

/* What follows an answer on its connection. */
enum http_after {
	HTTP_KEEP,     /* the next request */
	HTTP_CLOSE,    /* its end, at once: a reset where a request's body was left unread */
	HTTP_LINGER,   /* the end of our side; the rest goes unanswered until the peer ends, too */
	HTTP_RESET,    /* a reset */
	HTTP_SILENCE,  /* nothing, until the peer ends */
	HTTP_ECHO,     /* all that comes is sent back until the peer ends */
	HTTP_DIE_NEXT, /* the next request is read and the connection closed without an answer */
};

/* The zero one answers 200 with the two bytes "ok". Texts are borrowed. */
struct http_answer {
	const char *text;       /* head and body as they are sent; "": no answer at all */
	size_t len;             /* of the text; 0: up to its NUL */
	uint64_t pattern, seed; /* so many bytes of the pattern behind the text … */
	bool chunked;           /* … in chunks with extensions, which end with … */
	const char *trailers;   /* … these lines; NULL: none */
	const char *interim;    /* sent when the head of the request is there */
	const char *late;       /* sent a moment after the rest, asked for or not */
	bool early;             /* sent before the request's body is read … */
	bool unread;            /* … which never happens */
	bool slow;              /* the request's body is read in small pieces with pauses */
	bool held;              /* not before http_backend_release() */
	bool pieces;            /* the text leaves byte by byte */
	enum http_after after;
	unsigned times; /* so often, then the path's next answer counts; 0: for ever */
};

/* One request; nothing in it changes any more once it is handed out. */
struct http_seen {
	struct http_seen *next;
	size_t connection; /* from 0, in the order they were accepted */
	char *head;        /* up to and with the empty line, as it came */
	char *body;        /* without the framing of chunks; a NUL behind it */
	size_t body_len;
	char trailers[1024];
	bool complete; /* all of the body has come */
	bool ended;
};

/* The PROXY header (version 2) that began a connection. */
struct http_proxy_header {
	bool present;    /* there was one, and it was sound */
	uint8_t command; /* 0: LOCAL, 1: PROXY */
	uint8_t family;  /* as on the wire: 0x11 TCP over IPv4, 0x21 over IPv6 */
	char source[64], destination[64];
	uint16_t source_port, destination_port;
};

/* On a free port of 127.0.0.1; `proxied`: connections begin with a PROXY header. */
struct http_backend *http_backend_start(bool proxied);
void http_backend_stop(struct http_backend *backend);                 /* NULL is allowed */
const char *http_backend_address(const struct http_backend *backend); /* "127.0.0.1:PORT" */

/* Adds an answer for requests with this target (up to its '?'); NULL: for any. */
void http_backend_answer(
	struct http_backend *backend, const char *path, const struct http_answer *answer);
/* Lets one held answer go, now or when it is reached. */
void http_backend_release(struct http_backend *backend);

/* Waits for the nth request (from 0, in the order of their heads) to be read; NULL at the deadline.
 */
const struct http_seen *http_backend_wait(struct http_backend *backend, size_t nth);
/* Waits until so many requests' heads have come. */
bool http_backend_wait_heads(struct http_backend *backend, size_t count);
/* Waits until every connection made to it so far has been read to its end. */
bool http_backend_settle(struct http_backend *backend);
/* Waits until no more than so many connections are open. */
bool http_backend_wait_open(struct http_backend *backend, size_t most);

size_t http_backend_connections(struct http_backend *backend); /* accepted */
size_t http_backend_open(struct http_backend *backend);        /* of them, now */
size_t http_backend_requests(struct http_backend *backend);    /* heads that came */
uint64_t http_backend_bytes(struct http_backend *backend);     /* on all connections */
/* How many requests have that in their head or body, or NULL: how many are complete. */
size_t http_backend_count(struct http_backend *backend, const char *text);
/* Is it anywhere in what came? */
bool http_backend_has(struct http_backend *backend, const char *text);
/* Waits for the connection; false when it came to nothing. */
bool http_backend_proxy_header(
	struct http_backend *backend, size_t connection, struct http_proxy_header *header);

#endif
