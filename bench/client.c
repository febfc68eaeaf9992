#include "bench/client.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE_SIZE      16384 /* one full TLS record */
#define PIECES_PER_STEP 32    /* then the other connections have their turn */
#define HEAD_MAX        4096

/* How an attempt to move bytes, or a state, ended. */
enum progress {
	MOVED,      /* carry on */
	WANT_READ,  /* wait for the socket */
	WANT_WRITE, /* wait for the socket */
	YIELDED,    /* the piece budget is used up; the socket is still ready */
	ENDED,      /* the peer has closed */
	FINISHED,   /* the unit of work is complete */
	BROKEN,     /* client->error says why */
};

enum state { CLOSED, CONNECTING, SHAKING, SENDING, RECEIVING, CLOSING, RESTING, STATE_COUNT };

struct client {
	struct client_plan *plan; /* shared */
	int epoll_fd;             /* borrowed */
	int fd;                   /* owned; -1 while closed */
	SSL *tls;                 /* owned; NULL while closed or plain */
	enum state state;
	uint32_t events; /* what epoll_fd watches fd for */
	size_t sent;     /* of the request's head and body */
	char head[HEAD_MAX];
	size_t head_length;
	size_t body_left; /* valid once the head has ended */
	bool has_head;
	const char *error;
};

/* Plans. */

static int plan_keep_session(SSL *tls, SSL_SESSION *session)
{
	struct client_plan *plan = SSL_CTX_get_app_data(SSL_get_SSL_CTX(tls));

	/* A copy, because libssl marks the session of a connection that ends badly as spent. */
	if (!plan->session && SSL_SESSION_is_resumable(session))
		plan->session = SSL_SESSION_dup(session);
	return 0;
}

/* One suite, so that no server can negotiate anything else. */
static int plan_tls_set_suite(SSL_CTX *tls, const struct client_tls *wanted)
{
	const char *suite = wanted->suite;

	if (wanted->version == TLS1_3_VERSION)
		return SSL_CTX_set_ciphersuites(tls, suite ? suite : "TLS_AES_128_GCM_SHA256");
	return SSL_CTX_set_cipher_list(tls, suite ? suite
						  : "ECDHE-ECDSA-AES128-GCM-SHA256:"
						    "ECDHE-RSA-AES128-GCM-SHA256");
}

static SSL_CTX *plan_tls_new(struct client_plan *plan, const struct client_tls *wanted)
{
	/*
	 * X25519 is agreed upon; TLS 1.2 wants the curve of the server's certificate among the
	 * groups as well (RFC 8422 section 5.1.1). An array, for the macro casts const away.
	 */
	char groups[] = "X25519:P-256";
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (!tls)
		return NULL;
	if (!SSL_CTX_set_min_proto_version(tls, wanted->version) ||
		!SSL_CTX_set_max_proto_version(tls, wanted->version) ||
		!plan_tls_set_suite(tls, wanted) || !SSL_CTX_set1_groups_list(tls, groups)) {
		SSL_CTX_free(tls);
		return NULL;
	}
	SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	/* One read of the socket for a record instead of two. */
	SSL_CTX_set_read_ahead(tls, 1);
	SSL_CTX_set_app_data(tls, plan);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(tls, plan_keep_session);
	return tls;
}

static void plan_write_request(struct client_plan *plan, const char *path)
{
	char length[48] = "";

	if (plan->upload_length > 0)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", plan->upload_length);
	int written = snprintf(plan->request, sizeof(plan->request),
		"%s %s HTTP/1.1\r\nHost: bench\r\n%s\r\n", plan->upload_length > 0 ? "POST" : "GET",
		path, length);
	assert(written > 0 && (size_t)written < sizeof(plan->request));
	plan->request_length = (size_t)written;
}

int client_plan_init(struct client_plan *plan, enum client_work work, uint16_t port,
	const struct client_tls *tls, const char *path, size_t upload_size)
{
	*plan = (struct client_plan){.work = work, .upload_length = upload_size};
	plan->address.sin_family = AF_INET;
	plan->address.sin_port = htons(port);
	plan->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	plan_write_request(plan, path);
	if (tls->version == 0)
		return 0;
	plan->tls = plan_tls_new(plan, tls);
	return plan->tls ? 0 : -1;
}

void client_plan_done(struct client_plan *plan)
{
	SSL_SESSION_free(plan->session);
	SSL_CTX_free(plan->tls);
	*plan = (struct client_plan){.tls = NULL};
}

/* Bytes over TLS or TCP. */

static enum progress client_break(struct client *client, const char *error)
{
	client->error = error;
	return BROKEN;
}

/* The one place that interprets SSL_get_error(). */
static enum progress client_tls_progress(struct client *client, int result)
{
	switch (SSL_get_error(client->tls, result)) {
	case SSL_ERROR_NONE:
		return MOVED;
	case SSL_ERROR_WANT_READ:
		return WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return ENDED;
	case SSL_ERROR_SSL: {
		const char *reason = ERR_reason_error_string(ERR_peek_last_error());
		ERR_clear_error();
		return client_break(client, reason ? reason : "TLS failed");
	}
	default:
		return client_break(client, "the peer dropped the TLS connection");
	}
}

static enum progress client_tcp_progress(
	struct client *client, ssize_t result, enum progress want, size_t *done)
{
	if (result > 0) {
		*done = (size_t)result;
		return MOVED;
	}
	if (result == 0)
		return ENDED;
	return errno == EAGAIN ? want : client_break(client, strerror(errno));
}

static enum progress client_read(struct client *client, void *buf, size_t size, size_t *done)
{
	if (client->tls)
		return client_tls_progress(client, SSL_read_ex(client->tls, buf, size, done));
	return client_tcp_progress(client, recv(client->fd, buf, size, 0), WANT_READ, done);
}

static enum progress client_write(struct client *client, const void *buf, size_t size, size_t *done)
{
	if (client->tls)
		return client_tls_progress(client, SSL_write_ex(client->tls, buf, size, done));
	return client_tcp_progress(
		client, send(client->fd, buf, size, MSG_NOSIGNAL), WANT_WRITE, done);
}

/* States: each moves the connection on and says how that ended. */

static bool client_is_handshaker(const struct client *client)
{
	return client->plan->work == CLIENT_HANDSHAKES || client->plan->work == CLIENT_RESUMPTIONS;
}

static void client_close(struct client *client)
{
	SSL_free(client->tls);
	client->tls = NULL;
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	client->events = 0;
	client->state = CLOSED;
}

static int client_attach_tls(struct client *client)
{
	const struct client_plan *plan = client->plan;

	client->tls = SSL_new(plan->tls);
	if (!client->tls || !SSL_set_fd(client->tls, client->fd))
		return -1;
	if (plan->work != CLIENT_RESUMPTIONS)
		return 0;
	/*
	 * Each its copy again: libssl spends a TLS 1.3 session by resuming it, because RFC 8446
	 * C.4 advises clients to use a ticket once. Servers without early data do not mind.
	 */
	SSL_SESSION *session = SSL_SESSION_dup(plan->session);
	int result = session && SSL_set_session(client->tls, session) ? 0 : -1;
	SSL_SESSION_free(session);
	return result;
}

static enum progress client_open(struct client *client)
{
	/* Reset instead of TIME_WAIT: thousands of handshakes a second would use up the ports. */
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	const int on = 1;

	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0 ||
		setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) != 0 ||
		setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		return client_break(client, strerror(errno));
	if (client->plan->tls && client_attach_tls(client) != 0)
		return client_break(client, "libssl refuses a new connection");
	client->state = CONNECTING;
	if (connect(client->fd, (const struct sockaddr *)&client->plan->address,
		    sizeof(client->plan->address)) == 0)
		return MOVED;
	return errno == EINPROGRESS ? WANT_WRITE : client_break(client, strerror(errno));
}

static enum progress client_connected(struct client *client)
{
	int error;
	socklen_t len = sizeof(error);

	if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0)
		return client_break(client, strerror(error));
	client->state = client->tls ? SHAKING : SENDING;
	if (!client->tls)
		client->plan->opened++;
	return MOVED;
}

/* Whether the session is of the kind that the plan measures; it sets the error if not. */
static bool client_is_as_planned(struct client *client)
{
	EVP_PKEY *key = NULL;

	if (client->plan->work == CLIENT_RESUMPTIONS) {
		if (!SSL_session_reused(client->tls))
			client->error = "the server did not resume the session";
	} else {
		if (!SSL_get_peer_tmp_key(client->tls, &key) || EVP_PKEY_id(key) != EVP_PKEY_X25519)
			client->error = "the server did not choose X25519";
		EVP_PKEY_free(key);
	}
	return !client->error;
}

static enum progress client_shake(struct client *client)
{
	enum progress progress = client_tls_progress(client, SSL_connect(client->tls));

	if (progress == ENDED)
		return client_break(client, "closed in the handshake");
	if (progress != MOVED)
		return progress;
	if (!client_is_as_planned(client))
		return BROKEN;
	client->plan->opened++;
	if (!client_is_handshaker(client)) {
		client->state = SENDING;
		return MOVED;
	}
	/* The alert fits into any send buffer; what comes of it is seen while CLOSING. */
	SSL_shutdown(client->tls);
	client->state = CLOSING;
	return MOVED;
}

/* The piece of the request that is to be sent next. */
static const char *client_piece(const struct client *client, size_t *len)
{
	static const char body[PIECE_SIZE];
	const struct client_plan *plan = client->plan;

	if (client->sent < plan->request_length) {
		*len = plan->request_length - client->sent;
		return plan->request + client->sent;
	}
	*len = plan->request_length + plan->upload_length - client->sent;
	if (*len > sizeof(body))
		*len = sizeof(body);
	return body;
}

static enum progress client_send(struct client *client)
{
	for (unsigned i = 0; i < PIECES_PER_STEP; i++) {
		size_t len, done;
		const char *piece = client_piece(client, &len);

		if (len == 0) {
			client->state = RECEIVING;
			return MOVED;
		}
		enum progress progress = client_write(client, piece, len, &done);
		if (progress == ENDED)
			return client_break(client, "closed while the request was sent");
		if (progress != MOVED)
			return progress;
		if (client->sent >= client->plan->request_length)
			client->plan->bytes += done;
		client->sent += done;
	}
	return YIELDED;
}

/*
 * Reads status and length out of a complete head, of which `rest` bytes are
 * body. As little of HTTP as our own backend answers: a 2xx that has a
 * Content-Length, or a 204, which has no body (RFC 9112 section 6.3).
 */
static enum progress client_parse_head(struct client *client, size_t rest)
{
	static const char field[] = "\r\nContent-Length:";
	const char *at = strcasestr(client->head, field);
	unsigned status;

	if (sscanf(client->head, "HTTP/1.1 %u", &status) != 1 || status < 200 || status > 299)
		return client_break(client, "the answer is not a success");
	if (!at && status != 204)
		return client_break(client, "the answer has no Content-Length");
	client->body_left = at ? strtoul(at + sizeof(field) - 1, NULL, 10) : 0;
	if (rest > client->body_left)
		return client_break(client, "the answer has too long a body");
	client->body_left -= rest;
	client->has_head = true;
	return MOVED;
}

static enum progress client_receive_head(struct client *client)
{
	size_t done;
	enum progress progress = client_read(client, client->head + client->head_length,
		sizeof(client->head) - 1 - client->head_length, &done);

	if (progress != MOVED)
		return progress;
	client->head_length += done;
	client->head[client->head_length] = '\0';
	const char *end = strstr(client->head, "\r\n\r\n");
	if (!end) {
		if (client->head_length == sizeof(client->head) - 1)
			return client_break(client, "the answer has too long a head");
		return MOVED;
	}
	size_t rest = client->head_length - (size_t)(end + 4 - client->head);
	if (client->plan->upload_length == 0)
		client->plan->bytes += rest;
	return client_parse_head(client, rest);
}

static enum progress client_receive_body(struct client *client)
{
	static char discarded[4 * PIECE_SIZE];
	size_t len = client->body_left < sizeof(discarded) ? client->body_left : sizeof(discarded);
	size_t done;

	enum progress progress = client_read(client, discarded, len, &done);
	if (progress != MOVED)
		return progress;
	client->body_left -= done;
	if (client->plan->upload_length == 0)
		client->plan->bytes += done;
	return MOVED;
}

static enum progress client_receive(struct client *client)
{
	/* What libssl has read ahead raises no event, so it must not be left there. */
	for (unsigned i = 0; i < PIECES_PER_STEP || (client->tls && SSL_has_pending(client->tls));
		i++) {
		enum progress progress = client->has_head ? client_receive_body(client)
							  : client_receive_head(client);
		if (progress == ENDED)
			return client_break(client, "the answer was cut short");
		if (progress != MOVED)
			return progress;
		if (client->has_head && client->body_left == 0) {
			client->state = RESTING;
			return FINISHED;
		}
	}
	return YIELDED;
}

/* Until the server has closed, so that its whole cost falls into the measurement. */
static enum progress client_await_close(struct client *client)
{
	char discarded[256];
	ssize_t got;

	do
		got = recv(client->fd, discarded, sizeof(discarded), 0);
	while (got > 0);
	if (got < 0 && errno == EAGAIN)
		return WANT_READ;
	if (got < 0 && errno != ECONNRESET)
		return client_break(client, strerror(errno));
	client_close(client);
	return FINISHED;
}

static enum progress client_rest(struct client *client)
{
	char byte;
	size_t done;
	enum progress progress = client_read(client, &byte, sizeof(byte), &done);

	if (progress == ENDED || progress == MOVED)
		return client_break(client, "the server did not leave the idle connection alone");
	return progress;
}

/* Registers the socket, or changes what it is watched for. */
static enum client_status client_watch(struct client *client, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = client};
	int action = client->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (client->events == events)
		return CLIENT_WAITING;
	if (epoll_ctl(client->epoll_fd, action, client->fd, &event) != 0) {
		client->error = strerror(errno);
		return CLIENT_FAILED;
	}
	client->events = events;
	return CLIENT_WAITING;
}

struct client *client_new(struct client_plan *plan, int epoll_fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->plan = plan;
	client->epoll_fd = epoll_fd;
	client->fd = -1;
	return client;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	client_close(client);
	free(client);
}

void client_begin(struct client *client)
{
	assert(client->state == CLOSED || client->state == RESTING);
	client->sent = 0;
	client->head_length = 0;
	client->has_head = false;
	if (client->state == RESTING)
		client->state = SENDING;
}

enum client_status client_step(struct client *client)
{
	static enum progress (*const steps[STATE_COUNT])(struct client *) = {
		[CLOSED] = client_open,
		[CONNECTING] = client_connected,
		[SHAKING] = client_shake,
		[SENDING] = client_send,
		[RECEIVING] = client_receive,
		[CLOSING] = client_await_close,
		[RESTING] = client_rest,
	};
	enum progress progress;

	do
		progress = steps[client->state](client);
	while (progress == MOVED);
	switch (progress) {
	case WANT_READ:
		return client_watch(client, EPOLLIN);
	case WANT_WRITE:
		return client_watch(client, EPOLLOUT);
	case YIELDED:
		return client_watch(client, client->state == SENDING ? EPOLLOUT : EPOLLIN);
	case FINISHED:
		return CLIENT_DONE;
	case MOVED:
	case ENDED:
	case BROKEN:
		break;
	}
	return CLIENT_FAILED;
}

bool client_is_resting(const struct client *client)
{
	return client->state == RESTING;
}

const char *client_error(const struct client *client)
{
	return client->error;
}
