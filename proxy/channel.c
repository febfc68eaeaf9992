#include "proxy/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int channel_open(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0
		       ? -errno
		       : 0;
}

/* Room for one descriptor, aligned as control messages are. */
union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

void channel_send(int fd, enum channel_tag tag, int passed)
{
	char byte = (char)tag;
	union control control = {.space = ""};
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof control.space,
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof passed);
	memcpy(CMSG_DATA(header), &passed, sizeof passed);
	if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
		return; /* it has ended, or its queue is full of the same */
}

int channel_receive(int fd, enum channel_tag *tag)
{
	char byte = 0;
	int passed = -1;
	union control control = {.space = ""};
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof control.space,
	};
	if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) <= 0)
		return -1;
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&passed, CMSG_DATA(header), sizeof passed);
	*tag = (enum channel_tag)byte;
	return passed;
}
