#include "proxy/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	union {
		struct sockaddr any;
		struct sockaddr_un un;
	} address = {.un = {.sun_family = AF_UNIX}};
	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof address.un.sun_path)
		return;
	memcpy(address.un.sun_path, path, strlen(path));
	if (*path == '@') /* the abstract name space */
		address.un.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	/* Nobody listening is not our trouble: it is the service manager's. */
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, &address.any, len) < 0)
		(void)path;
	close(fd);
}
