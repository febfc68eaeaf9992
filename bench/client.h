/*
 * client: one connection of the load generator, non-blocking, TLS or plain,
 * that does one kind of work over and over on an epoll set.
 */
#ifndef FERRULE_BENCH_CLIENT_H
#define FERRULE_BENCH_CLIENT_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum client_work {
	CLIENT_RESPONSES,   /* GET on a kept connection, until the body has arrived */
	CLIENT_UPLOADS,     /* POST on a kept connection, until it is answered */
	CLIENT_HANDSHAKES,  /* connect, full handshake, close_notify, until the peer closes */
	CLIENT_RESUMPTIONS, /* the same, resuming plan->session */
};

/* What all clients of a run share. */
struct client_plan {
	enum client_work work;
	struct sockaddr_in address;
	SSL_CTX *tls;         /* owned; NULL: plain TCP */
	SSL_SESSION *session; /* owned; the first resumable one a server gave, or NULL */
	char request[256];    /* head of the request */
	size_t request_length;
	size_t upload_length; /* body that follows the head; 0 for a GET */
	uint64_t bytes;       /* of bodies that have arrived or been sent */
	uint64_t opened;      /* connections so far that have got past their handshake */
};

enum client_status {
	CLIENT_WAITING, /* registered for what it waits for; step it on its next event */
	CLIENT_DONE,    /* one unit of work is finished; client_begin() starts another */
	CLIENT_FAILED,  /* the connection is of no more use; client_error() says why */
};

struct client;

/* How the connections are protected. */
struct client_tls {
	int version;       /* TLS1_2_VERSION, TLS1_3_VERSION; 0: plain TCP */
	const char *suite; /* by OpenSSL's name; NULL: AES-128-GCM, whatever the key */
};

/*
 * Points the plan at 127.0.0.1:PORT. A size above 0 makes the request an upload.
 * 0, or -1 when libssl refuses.
 */
int client_plan_init(struct client_plan *plan, enum client_work work, uint16_t port,
	const struct client_tls *tls, const char *path, size_t upload_size);
void client_plan_done(struct client_plan *plan);

/* The plan must outlive the client, as must epoll_fd. NULL when memory ran out. */
struct client *client_new(struct client_plan *plan, int epoll_fd);
void client_free(struct client *client);

/* Starts the next unit of work: on the open connection, or on a new one. */
void client_begin(struct client *client);

/* Goes on until it has to wait. A client that has not begun again must stay silent. */
enum client_status client_step(struct client *client);

/* A unit of work is finished and none has begun. */
bool client_is_resting(const struct client *client);

const char *client_error(const struct client *client);

#endif
