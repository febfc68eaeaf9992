#include "tests/e2e/slow_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define AT_ONCE 64  /* handshakes under way */
#define SLOTS   10  /* of a second: not all of them drip at the same time */
#define EVENTS  256 /* taken at a time */

static const char beginning[] = "GET /slow HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
/* Application data, as long as it may be (RFC 8446 5.2). */
static const char record_header[] = {23, 3, 3, 0x40, 0};

enum drip_state { DRIP_NONE, DRIP_HANDSHAKE, DRIP_OPEN, DRIP_ENDED };

struct drip {
	enum drip_state state;
	int fd;
	SSL *ssl;
};

struct crowd {
	bool records; /* whose records are slow, and not only their requests */
	SSL_CTX *ctx;
	int epoll;
	uint16_t port;
	struct drip *drips;
	size_t count, begun, open, ended;
	bool told; /* that all are open */
	unsigned slot;
};

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static void drip_end(struct crowd *crowd, struct drip *drip)
{
	if (drip->state == DRIP_OPEN)
		crowd->open--;
	drip->state = DRIP_ENDED;
	crowd->ended++;
	SSL_free(drip->ssl);
	drip->ssl = NULL;
	close(drip->fd);
}

static bool drip_connect(const struct crowd *crowd, struct drip *drip)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(crowd->port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	drip->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (drip->fd < 0)
		return false;
	return connect(drip->fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
	       errno == EINPROGRESS;
}

static bool drip_begin(struct crowd *crowd, struct drip *drip)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = drip};

	if (!drip_connect(crowd, drip))
		return false;
	drip->ssl = SSL_new(crowd->ctx);
	if (drip->ssl == NULL || SSL_set_fd(drip->ssl, drip->fd) != 1)
		return false;
	SSL_set_connect_state(drip->ssl);
	drip->state = DRIP_HANDSHAKE;
	return epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, drip->fd, &event) == 0;
}

/* Nothing is said but what is wanted of the socket: -1 when the connection is over. */
static int result_of(struct drip *drip, int result)
{
	int error = SSL_get_error(drip->ssl, result);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return 0;
	return -1;
}

/* Of a record that is never whole, its bytes go out as they are. */
static int say(const struct crowd *crowd, struct drip *drip, const char *text, size_t len)
{
	if (!crowd->records)
		return SSL_write(drip->ssl, text, (int)len);
	return send(drip->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 1;
}

static bool begin_speaking(const struct crowd *crowd, struct drip *drip)
{
	return crowd->records ? say(crowd, drip, record_header, sizeof(record_header)) > 0
			      : say(crowd, drip, beginning, sizeof(beginning) - 1) > 0;
}

static void handshake_step(struct crowd *crowd, struct drip *drip)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = drip};
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(drip->ssl);
	if (result != 1) {
		int error = SSL_get_error(drip->ssl, result);

		event.events = error == SSL_ERROR_WANT_WRITE ? EPOLLOUT : EPOLLIN;
		if (result_of(drip, result) < 0)
			drip_end(crowd, drip);
		else
			epoll_ctl(crowd->epoll, EPOLL_CTL_MOD, drip->fd, &event);
		return;
	}
	drip->state = DRIP_OPEN;
	crowd->open++;
	epoll_ctl(crowd->epoll, EPOLL_CTL_MOD, drip->fd, &event);
	if (!begin_speaking(crowd, drip))
		drip_end(crowd, drip);
}

/* Tickets come this way, and an answer that nobody has asked for yet is an end, too. */
static void open_step(struct crowd *crowd, struct drip *drip)
{
	char byte;
	int result;

	ERR_clear_error();
	result = SSL_read(drip->ssl, &byte, 1);
	if (result > 0 || result_of(drip, result) < 0)
		drip_end(crowd, drip);
}

static void events_take(struct crowd *crowd, int timeout)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(crowd->epoll, events, EVENTS, timeout);

	for (int i = 0; i < count; i++) {
		struct drip *drip = events[i].data.ptr;

		if (drip->state == DRIP_HANDSHAKE)
			handshake_step(crowd, drip);
		else if (drip->state == DRIP_OPEN)
			open_step(crowd, drip);
	}
}

static void one_byte_each(struct crowd *crowd)
{
	for (size_t i = crowd->slot; i < crowd->begun; i += SLOTS) {
		struct drip *drip = &crowd->drips[i];
		int result;

		if (drip->state != DRIP_OPEN)
			continue;
		ERR_clear_error();
		result = say(crowd, drip, "x", 1);
		if (result <= 0 && result_of(drip, result) < 0)
			drip_end(crowd, drip);
	}
	crowd->slot = (crowd->slot + 1) % SLOTS;
}

static bool more_begin(struct crowd *crowd)
{
	while (crowd->begun < crowd->count && crowd->begun - crowd->open - crowd->ended < AT_ONCE) {
		struct drip *drip = &crowd->drips[crowd->begun];

		if (!drip_begin(crowd, drip)) {
			perror("slow client");
			return false;
		}
		crowd->begun++;
	}
	return true;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int crowd_run(struct crowd *crowd)
{
	int64_t next = now();

	while (!stopped && crowd->ended < crowd->count) {
		int64_t left = next - now();

		if (!more_begin(crowd))
			return 1;
		events_take(crowd, left > 0 ? (int)left : 0);
		if (now() >= next) {
			one_byte_each(crowd);
			next += 1000 / SLOTS;
		}
		if (!crowd->told && crowd->open == crowd->count) {
			printf("open %zu\n", crowd->count);
			fflush(stdout);
			crowd->told = true;
		}
	}
	printf("alive %zu of %zu\n", crowd->open, crowd->count);
	return 0;
}

static SSL_CTX *ctx_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

int slow_client_main(const char *port, const char *count, const char *what)
{
	struct crowd crowd = {.records = strcmp(what, "records") == 0,
		.port = (uint16_t)strtoul(port, NULL, 10),
		.count = strtoul(count, NULL, 10)};
	int status = 1;

	signal(SIGTERM, stop);
	signal(SIGPIPE, SIG_IGN);
	crowd.ctx = ctx_new();
	crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
	crowd.drips = calloc(crowd.count, sizeof(*crowd.drips));
	if (crowd.ctx != NULL && crowd.epoll >= 0 && crowd.drips != NULL)
		status = crowd_run(&crowd);
	for (size_t i = 0; crowd.drips != NULL && i < crowd.begun; i++)
		SSL_free(crowd.drips[i].ssl);
	free(crowd.drips);
	SSL_CTX_free(crowd.ctx);
	return status;
}
