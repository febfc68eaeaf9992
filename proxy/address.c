#include "proxy/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
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

int address_ip(const struct sockaddr *address, uint8_t ip[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const void *any = address;
	const struct sockaddr_in *v4 = any;
	const struct sockaddr_in6 *v6 = any;
	switch (address->sa_family) {
	case AF_INET:
		memcpy(ip, mapped, sizeof mapped);
		memcpy(ip + sizeof mapped, &v4->sin_addr, 4);
		return AF_INET;
	case AF_INET6:
		memcpy(ip, &v6->sin6_addr, 16);
		return memcmp(ip, mapped, sizeof mapped) == 0 ? AF_INET : AF_INET6;
	default:
		return AF_UNSPEC;
	}
}

uint16_t address_port(const struct sockaddr *address)
{
	const void *any = address;
	const struct sockaddr_in *v4 = any;
	const struct sockaddr_in6 *v6 = any;
	switch (address->sa_family) {
	case AF_INET:
		return ntohs(v4->sin_port);
	case AF_INET6:
		return ntohs(v6->sin6_port);
	default:
		return 0;
	}
}

const char *address_host(const struct sockaddr *address, char out[ADDRESS_TEXT])
{
	uint8_t ip[16];
	int family = address_ip(address, ip);
	if (family == AF_UNSPEC)
		snprintf(out, ADDRESS_TEXT, "-");
	else
		inet_ntop(family, family == AF_INET ? ip + 12 : ip, out, ADDRESS_TEXT);
	return out;
}
