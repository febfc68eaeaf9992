#include "proxy/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define BACKLOG 4096

static socklen_t parse_address(const char *text, uint16_t port, union conn_address *address)
{
	memset(address, 0, sizeof *address);
	if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_port = htons(port);
		return sizeof address->v4;
	}
	if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1) {
		address->v6.sin6_family = AF_INET6;
		address->v6.sin6_port = htons(port);
		return sizeof address->v6;
	}
	return 0;
}

static int bound_socket(const union conn_address *address, socklen_t len, bool shared)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int one = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
	/* What is accepted inherits it: no call for each connection. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	/* For accept_rest() in worker.c: another worker may be faster. io_uring never blocks. */
	struct timeval moment = {.tv_usec = 1000};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
	if (address->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (bind(fd, &address->any, len) == 0)
		return fd;
	int error = -errno;
	close(fd);
	return error;
}

/*
 * SO_REUSEPORT would let a second ferrule take half of the connections in silence:
 * a socket without it finds out first whether anybody has the port. For port 0 it
 * also finds the port.
 */
static int claim(union conn_address *address, socklen_t len)
{
	int fd = bound_socket(address, len, false);
	if (fd < 0)
		return fd;
	/* A bound socket alone does not conflict: the other may be bound and listen later. */
	int result = listen(fd, 1) < 0 ? -errno : 0;
	if (result == 0 && getsockname(fd, &address->any, &len) < 0)
		result = -errno;
	close(fd);
	return result;
}

static int open_group(struct listener *listener, const union conn_address *bound, socklen_t len)
{
	for (unsigned i = 0; i < listener->count; i++) {
		int fd = bound_socket(bound, len, true);
		if (fd < 0)
			return fd;
		listener->fds[i] = fd;
		if (listen(fd, BACKLOG) < 0)
			return -errno;
	}
	return 0;
}

static void explain(int error, const char *address, uint16_t port, char *out, size_t size)
{
	if (error == -EADDRINUSE)
		snprintf(out, size,
			"Port %u in use by another process (%s); stop that, or choose another port "
			"or address",
			port, address);
	else if (error == -EACCES)
		snprintf(out, size,
			"port %u: permission denied; start as root, grant CAP_NET_BIND_SERVICE, or "
			"use "
			"a port from 1024 on",
			port);
	else
		snprintf(out, size, "cannot listen on %s port %u: %s", address, port,
			strerror(-error));
}

struct listener *listener_open(const char *server_name, const char *address, uint16_t port,
	bool is_secure, unsigned count, char *error, size_t error_size)
{
	struct listener *listener = calloc(1, sizeof *listener);
	int *fds = calloc(count, sizeof *fds);
	if (!listener || !fds) {
		free(listener);
		free(fds);
		explain(-ENOMEM, address, port, error, error_size);
		return NULL;
	}
	listener->references = 1;
	listener->fds = fds;
	listener->count = count;
	listener->is_secure = is_secure;
	for (unsigned i = 0; i < count; i++)
		fds[i] = -1;
	int result = -ENOMEM;
	listener->server_name = strdup(server_name);
	if (!listener->server_name)
		goto failed;
	socklen_t len = parse_address(address, port, &listener->address);
	union conn_address bound = listener->address;
	result = len ? claim(&bound, len) : -EINVAL;
	if (result == 0)
		result = open_group(listener, &bound, len);
	if (result == 0) {
		address_text(&bound.any, listener->text);
		listener->port = address_port(&bound.any);
		return listener;
	}
failed:
	explain(result, address, port, error, error_size);
	listener_unref(listener);
	return NULL;
}

struct listener *listener_ref(struct listener *listener)
{
	listener->references++;
	return listener;
}

void listener_unref(struct listener *listener)
{
	if (!listener || --listener->references > 0)
		return;
	for (unsigned i = 0; listener->fds && i < listener->count; i++)
		if (listener->fds[i] >= 0)
			close(listener->fds[i]);
	free(listener->fds);
	free(listener->server_name);
	free(listener);
}

void listener_shutdown(const struct listener *listener)
{
	for (unsigned i = 0; i < listener->count; i++)
		shutdown(listener->fds[i], SHUT_RDWR);
}

bool listener_matches(const struct listener *listener, const char *server_name, const char *address,
	uint16_t port, bool is_secure)
{
	union conn_address wanted;
	char wanted_text[ADDRESS_TEXT], text[ADDRESS_TEXT];
	if (parse_address(address, port, &wanted) == 0 ||
		strcmp(address_text(&wanted.any, wanted_text),
			address_text(&listener->address.any, text)) != 0)
		return false;
	return port != 0 || (is_secure == listener->is_secure &&
				    strcmp(server_name, listener->server_name) == 0);
}
