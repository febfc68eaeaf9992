#include "tests/pki/namespace.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool interface_up(int fd)
{
	struct ifreq request = {.ifr_name = "lo"};

	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return false;
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

/* As a second address of lo. */
static bool address_add(int fd, const char *text)
{
	struct ifreq request = {.ifr_name = "lo:1"};
	struct sockaddr_in address = {.sin_family = AF_INET};

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1)
		return false;
	memcpy(&request.ifr_addr, &address, sizeof(address));
	return ioctl(fd, SIOCSIFADDR, &request) == 0;
}

bool namespace_enter(void)
{
	int fd;
	bool done;

	if (unshare(CLONE_NEWNET) < 0) {
		perror("test-pki: a network namespace of its own (it needs root)");
		return false;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	done = fd >= 0 && interface_up(fd) && address_add(fd, NAMESPACE_ADDRESS);
	if (!done)
		perror("test-pki: lo");
	if (fd >= 0)
		close(fd);
	return done;
}
