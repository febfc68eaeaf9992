#include "proxy/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

const char *address_text(const struct sockaddr *address, char out[ADDRESS_TEXT])
{
	const void *any = address;
	const struct sockaddr_in *v4 = any;
	const struct sockaddr_in6 *v6 = any;
	const struct sockaddr_un *un = any;
	char host[INET6_ADDRSTRLEN];
	switch (address->sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
		snprintf(out, ADDRESS_TEXT, "%s:%u", host, ntohs(v4->sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
		snprintf(out, ADDRESS_TEXT, "[%s]:%u", host, ntohs(v6->sin6_port));
		break;
	case AF_UNIX:
		snprintf(out, ADDRESS_TEXT, "%s", un->sun_path);
		break;
	default:
		snprintf(out, ADDRESS_TEXT, "-");
		break;
	}
	return out;
}
