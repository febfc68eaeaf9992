/* What a client gets that speaks plain HTTP to the secure port. */
#ifndef FERRULE_PROXY_PLAIN_HTTP_H
#define FERRULE_PROXY_PLAIN_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when the first bytes are a method's and not a TLS record's. */
bool plain_http_is_request(const uint8_t *data, size_t len);

/*
 * Writes a 400 that names the https URL: the Host of the request when it has a
 * sound one, else the address of the socket. Returns the length,
 * at most 1 KiB.
 */
size_t plain_http_reply(int fd, const uint8_t *request, size_t len, char *out, size_t size);

#endif
