/*
 * splice_relay: a TCP relay without TLS that moves every byte through a pipe in
 * the kernel. The floor of the benchmark: what relaying costs before any
 * cryptography. Usage: splice_relay PORT BACKEND_PORT, both on 127.0.0.1.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_PER_WAIT 64
#define BACKLOG         4096
#define PIPE_SIZE       65536

/* One direction: what `from` has received goes into the pipe and out to `to`. */
struct relay {
	int from, to;    /* borrowed from the conn */
	int pipe[2];     /* owned; -1 before they are open */
	size_t in_pipe;  /* bytes */
	bool has_ended;  /* `from` has reached its end */
	bool has_closed; /* that end has been passed on to `to` */
};

struct conn {
	int front, back; /* owned; -1 before they are open */
	struct relay relays[2];
	bool is_dead;      /* events of the same batch must leave it alone */
	struct conn *next; /* in the list of the dead */
};

static int die(const char *what)
{
	fprintf(stderr, "splice_relay: %s: %s\n", what, strerror(errno));
	return 1;
}

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int listener_open(uint16_t port)
{
	const struct sockaddr_in address = loopback(port);
	const int on = 1;

	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
		listen(fd, BACKLOG) == 0)
		return fd;
	close(fd);
	return -1;
}

static int backend_connect(uint16_t port)
{
	const struct sockaddr_in address = loopback(port);

	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
		errno == EINPROGRESS)
		return fd;
	close(fd);
	return -1;
}

static void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void conn_free(struct conn *conn)
{
	if (!conn)
		return;
	fd_close(conn->front);
	fd_close(conn->back);
	for (size_t i = 0; i < 2; i++) {
		fd_close(conn->relays[i].pipe[0]);
		fd_close(conn->relays[i].pipe[1]);
	}
	free(conn);
}

static int relay_init(struct relay *relay, int from, int to)
{
	relay->from = from;
	relay->to = to;
	return pipe2(relay->pipe, O_NONBLOCK | O_CLOEXEC);
}

static int conn_watch(struct conn *conn, int epoll_fd, int fd)
{
	const int on = 1;
	/* Edge-triggered: relay_step() moves until the kernel says EAGAIN. */
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = conn};

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		return -1;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* Takes over `front`, whatever becomes of it. */
static void conn_open(int epoll_fd, int front, uint16_t backend_port)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	if (!conn) {
		close(front);
		return;
	}
	conn->front = front;
	conn->back = backend_connect(backend_port);
	for (size_t i = 0; i < 2; i++)
		conn->relays[i].pipe[0] = conn->relays[i].pipe[1] = -1;
	if (conn->back < 0 || relay_init(&conn->relays[0], conn->front, conn->back) != 0 ||
		relay_init(&conn->relays[1], conn->back, conn->front) != 0 ||
		conn_watch(conn, epoll_fd, conn->front) != 0 ||
		conn_watch(conn, epoll_fd, conn->back) != 0)
		conn_free(conn);
}

static void listener_accept(int listener, int epoll_fd, uint16_t backend_port)
{
	int front;

	while ((front = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		conn_open(epoll_fd, front, backend_port);
}

/* An unconnected backend socket reads as ENOTCONN until its handshake is over. */
static bool is_temporary(int error)
{
	return error == EAGAIN || error == ENOTCONN;
}

/* Fills the pipe. Returns bytes moved, or -1 when the connection is broken. */
static ssize_t relay_fill(struct relay *relay)
{
	if (relay->has_ended || relay->in_pipe == PIPE_SIZE)
		return 0;
	ssize_t moved = splice(relay->from, NULL, relay->pipe[1], NULL, PIPE_SIZE - relay->in_pipe,
		SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (moved < 0)
		return is_temporary(errno) ? 0 : -1;
	if (moved == 0)
		relay->has_ended = true;
	relay->in_pipe += (size_t)moved;
	return moved;
}

static ssize_t relay_empty(struct relay *relay)
{
	if (relay->in_pipe == 0)
		return 0;
	ssize_t moved = splice(relay->pipe[0], NULL, relay->to, NULL, relay->in_pipe,
		SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (moved < 0)
		return is_temporary(errno) ? 0 : -1;
	relay->in_pipe -= (size_t)moved;
	return moved;
}

/* Moves until neither side can go on. 0, or -1 when the connection is broken. */
static int relay_step(struct relay *relay)
{
	ssize_t in, out;

	do {
		in = relay_fill(relay);
		if (in < 0)
			return -1;
		out = relay_empty(relay);
		if (out < 0)
			return -1;
	} while (in > 0 || out > 0);
	if (relay->has_ended && relay->in_pipe == 0 && !relay->has_closed) {
		relay->has_closed = true;
		return shutdown(relay->to, SHUT_WR);
	}
	return 0;
}

/* Returns whether the connection goes on. */
static bool conn_step(struct conn *conn)
{
	if (relay_step(&conn->relays[0]) != 0 || relay_step(&conn->relays[1]) != 0)
		return false;
	return !conn->relays[0].has_closed || !conn->relays[1].has_closed;
}

static void serve(int listener, int epoll_fd, uint16_t backend_port)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	int ready = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, -1);
	struct conn *dead = NULL;

	for (int i = 0; i < ready; i++) {
		struct conn *conn = events[i].data.ptr;

		if (!conn) {
			listener_accept(listener, epoll_fd, backend_port);
		} else if (!conn->is_dead && !conn_step(conn)) {
			conn->is_dead = true;
			conn->next = dead;
			dead = conn;
		}
	}
	while (dead) {
		struct conn *next = dead->next;
		conn_free(dead);
		dead = next;
	}
}

static uint16_t port_parse(const char *word)
{
	unsigned long port = strtoul(word, NULL, 10);

	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

int main(int argc, char **argv)
{
	uint16_t port = argc == 3 ? port_parse(argv[1]) : 0;
	uint16_t backend_port = argc == 3 ? port_parse(argv[2]) : 0;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	if (port == 0 || backend_port == 0) {
		fputs("usage: splice_relay PORT BACKEND_PORT\n", stderr);
		return 2;
	}
	/* splice() into a socket that was reset raises it. */
	signal(SIGPIPE, SIG_IGN);
	int listener = listener_open(port);
	if (listener < 0)
		return die("listen");
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) != 0)
		return die("epoll");
	for (;;)
		serve(listener, epoll_fd, backend_port);
}
