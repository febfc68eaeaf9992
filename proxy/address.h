/* Socket addresses as text. */
#ifndef FERRULE_PROXY_ADDRESS_H
#define FERRULE_PROXY_ADDRESS_H

#include <stdint.h>
#include <sys/socket.h>

/* "[" 45 "]:" 5 and the end, or a unix path */
#define ADDRESS_TEXT 128

/* "192.0.2.1:443", "[2001:db8::1]:443", a unix socket's path, or "-". Returns out. */
const char *address_text(const struct sockaddr *address, char out[ADDRESS_TEXT]);

/* Only the host: "192.0.2.1", "2001:db8::1", or "-". Returns out. */
const char *address_host(const struct sockaddr *address, char out[ADDRESS_TEXT]);

/*
 * The IP address in 16 bytes, an IPv4 one as ::ffff:192.0.2.1 (RFC 4291 2.5.5.2).
 * Returns AF_INET for those, however they came, AF_INET6, or AF_UNSPEC for what
 * has no IP address; nothing is written then.
 */
int address_ip(const struct sockaddr *address, uint8_t ip[16]);

/* In host byte order; 0 for what has none. */
uint16_t address_port(const struct sockaddr *address);

#endif
