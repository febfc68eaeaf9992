#include "tests/e2e/net.h"
#include "tests/e2e/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int net_listen_port(uint16_t port, int backlog)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -1;
	/* Not for any port: the system might choose one that somebody holds. */
	if (port != 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		goto fail;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		goto fail;
	if (backlog >= 0 && listen(fd, backlog) < 0)
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

int net_listen(uint16_t *port, int backlog)
{
	int fd = net_listen_port(0, backlog);

	if (fd >= 0)
		*port = net_local_port(fd);
	return fd;
}

int net_listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (strlen(path) >= sizeof(address.sun_path))
		goto fail;
	strcpy(address.sun_path, path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		goto fail;
	/* Workers run as nobody and need write permission to connect. */
	if (chmod(path, 0666) < 0 || listen(fd, 1024) < 0)
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

static socklen_t address_fill(struct sockaddr_storage *out, const char *host, uint16_t port)
{
	struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (inet_pton(AF_INET, host, &ipv4.sin_addr) == 1) {
		memcpy(out, &ipv4, sizeof(ipv4));
		return sizeof(ipv4);
	}
	inet_pton(AF_INET6, host, &ipv6.sin6_addr);
	memcpy(out, &ipv6, sizeof(ipv6));
	return sizeof(ipv6);
}

static int connect_finish(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (errno != EINPROGRESS || net_wait(fd, POLLOUT) < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -1;
	errno = error;
	return error == 0 ? 0 : -1;
}

int net_connect(const char *host, uint16_t port, int receive_buffer)
{
	struct sockaddr_storage address;
	socklen_t size = address_fill(&address, host, port);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -1;
	if (receive_buffer > 0 &&
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)) < 0)
		goto fail;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&address, size) < 0 && connect_finish(fd) < 0)
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

uint16_t net_local_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return 0;
	memcpy(&ipv4, &address, sizeof(ipv4));
	memcpy(&ipv6, &address, sizeof(ipv6));
	return ntohs(address.ss_family == AF_INET6 ? ipv6.sin6_port : ipv4.sin_port);
}

int net_wait(int fd, short events)
{
	struct pollfd waiting = {.fd = fd, .events = events};
	int ready = poll(&waiting, 1, harness_remaining());

	if (ready > 0)
		return waiting.revents;
	if (ready == 0)
		errno = ETIMEDOUT;
	return -1;
}

ssize_t net_read(int fd, void *data, size_t size)
{
	for (;;) {
		ssize_t got = recv(fd, data, size, MSG_DONTWAIT);

		if (got >= 0 || errno != EAGAIN)
			return got;
		if (net_wait(fd, POLLIN) < 0)
			return -1;
	}
}

int net_write(int fd, const void *data, size_t len)
{
	const uint8_t *next = data;

	while (len > 0) {
		ssize_t sent = send(fd, next, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno != EAGAIN)
			return -1;
		if (sent < 0 && net_wait(fd, POLLOUT) < 0)
			return -1;
		if (sent > 0) {
			next += sent;
			len -= (size_t)sent;
		}
	}
	return 0;
}

void net_reset(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}
