#include "proxy/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "control.sock"
/* A client that does not speak may not hold up the supervisor. */
#define CLIENT_SECONDS 2
#define REPLY_MAX      (1024 * 1024)

static int make_address(const char *run_directory, struct sockaddr_un *address)
{
	memset(address, 0, sizeof *address);
	address->sun_family = AF_UNIX;
	int n = snprintf(
		address->sun_path, sizeof address->sun_path, "%s/" SOCKET_NAME, run_directory);
	return n > 0 && (size_t)n < sizeof address->sun_path ? 0 : -ENAMETOOLONG;
}

static int connect_to(const char *run_directory)
{
	union {
		struct sockaddr any;
		struct sockaddr_un un;
	} address;
	int result = make_address(run_directory, &address.un);
	if (result < 0)
		return result;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &address.any, sizeof address.un) == 0)
		return fd;
	result = -errno;
	close(fd);
	return result;
}

/* A socket nobody listens on is a leftover of an instance that was killed. */
static int remove_leftover(const char *run_directory, const char *path)
{
	int fd = connect_to(run_directory);
	if (fd >= 0) {
		close(fd);
		return -EADDRINUSE;
	}
	if (fd == -ECONNREFUSED)
		unlink(path);
	return 0;
}

static int listen_at(const char *run_directory)
{
	union {
		struct sockaddr any;
		struct sockaddr_un un;
	} address;
	int result = make_address(run_directory, &address.un);
	if (result == 0)
		result = remove_leftover(run_directory, address.un.sun_path);
	if (result < 0)
		return result;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mode_t mask = umask(0177);
	result = bind(fd, &address.any, sizeof address.un) < 0 ? -errno : 0;
	umask(mask);
	if (result == 0 && listen(fd, 16) < 0)
		result = -errno;
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

int control_open(const char *run_directory, char *error, size_t error_size)
{
	if (mkdir(run_directory, 0755) < 0 && errno != EEXIST) {
		snprintf(error, error_size,
			"run_directory %s: %s; see that the directory above it is there and can be "
			"written, or choose another",
			run_directory, strerror(errno));
		return -1;
	}
	int fd = listen_at(run_directory);
	if (fd >= 0)
		return fd;
	if (fd == -EADDRINUSE)
		snprintf(error, error_size,
			"another ferrule runs with run_directory %s; stop it, or give this one "
			"another run_directory",
			run_directory);
	else
		snprintf(error, error_size, "control socket %s/" SOCKET_NAME ": %s", run_directory,
			strerror(-fd));
	return -1;
}

void control_close(int fd, const char *run_directory)
{
	struct sockaddr_un address;
	if (fd < 0)
		return;
	if (make_address(run_directory, &address) == 0)
		unlink(address.sun_path);
	close(fd);
}

int control_accept(int fd, char request[CONTROL_REQUEST_MAX])
{
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0)
		return -1;
	struct timeval timeout = {.tv_sec = CLIENT_SECONDS};
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	ssize_t n = recv(client, request, CONTROL_REQUEST_MAX - 1, 0);
	char *end = n > 0 ? memchr(request, '\n', (size_t)n) : NULL;
	if (!end) {
		close(client);
		return -1;
	}
	*end = '\0';
	return client;
}

void control_reply(int client, int status, const char *text)
{
	char head[16];
	int n = snprintf(head, sizeof head, "%d\n", status);
	size_t len = strlen(text);
	/* A client that has gone away has nothing to be told. */
	if (send(client, head, (size_t)n, MSG_NOSIGNAL | MSG_MORE) == n)
		while (len > 0) {
			ssize_t sent = send(client, text, len, MSG_NOSIGNAL);
			if (sent <= 0)
				break;
			text += sent;
			len -= (size_t)sent;
		}
	/* Workers forked meanwhile have the descriptor as well: close() alone ends nothing. */
	shutdown(client, SHUT_RDWR);
	close(client);
}

/* Everything up to the end of the stream, as a string. */
static char *read_all(int fd)
{
	char *text = malloc(REPLY_MAX + 1);
	size_t len = 0;
	ssize_t n = 1;
	while (text && len < REPLY_MAX && n > 0) {
		n = recv(fd, text + len, REPLY_MAX - len, 0);
		len += n > 0 ? (size_t)n : 0;
	}
	if (text)
		text[len] = '\0';
	return text;
}

int control_call(
	const char *run_directory, const char *request, char **text, char *error, size_t error_size)
{
	int fd = connect_to(run_directory);
	if (fd < 0) {
		snprintf(error, error_size,
			"no ferrule is running with run_directory %s (%s); start it, or name its "
			"file with -c",
			run_directory, strerror(-fd));
		return -1;
	}
	char line[CONTROL_REQUEST_MAX];
	int n = snprintf(line, sizeof line, "%s\n", request);
	char *reply = n < (int)sizeof line && send(fd, line, (size_t)n, MSG_NOSIGNAL) == n
			      ? read_all(fd)
			      : NULL;
	close(fd);
	char *rest = reply ? strchr(reply, '\n') : NULL;
	if (!rest) {
		free(reply);
		snprintf(error, error_size, "the running ferrule gave no answer");
		return -1;
	}
	int status = atoi(reply);
	*text = strdup(rest + 1);
	free(reply);
	return *text ? status : -1;
}
