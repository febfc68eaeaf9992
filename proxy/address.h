/* Socket addresses as text. */
#ifndef FERRULE_PROXY_ADDRESS_H
#define FERRULE_PROXY_ADDRESS_H

#include <sys/socket.h>

/* "[" 45 "]:" 5 and the end, or a unix path */
#define ADDRESS_TEXT 128

/* "192.0.2.1:443", "[2001:db8::1]:443", a unix socket's path, or "-". Returns out. */
const char *address_text(const struct sockaddr *address, char out[ADDRESS_TEXT]);

#endif
