/* What the plain HTTP port does with a request, and where it sends the client. */
#ifndef FERRULE_PROXY_PLAIN_POLICY_H
#define FERRULE_PROXY_PLAIN_POLICY_H

#include "config/conf.h"
#include "proxy/http_span.h"

#include <sys/socket.h>

/*
 * The action of the first rule of http_action whose path is the request's path or
 * a directory above it ("/soap" and "/soap/": "/soap", "/soap/x", not "/soapy");
 * without one: redirect. Both paths are compared percent-decoded, case counts. Of
 * the target "*" only "/" is above.
 *
 * *ambiguous: the rules have more than one kind of action, and a server behind us
 * may read the path as another one than we do: dot segments, "//", "\", a NUL or
 * "/" in an escape, escapes that are none, or parameters (";x=1") without which
 * another rule would match. Such a request is refused with 400.
 */
enum conf_action plain_action(
	const struct conf_server *conf, struct http_span path, bool *ambiguous);

/*
 * Writes the https URL for a request: the host of its Host header without the port
 * or, when that is missing or cannot stand in a URL, the address in `local` (NULL:
 * there is none); `secure_port` unless it is 443; path and query. Quotes, "<", ">",
 * "\", "#" and whatever is not visible ASCII are percent-encoded. No NUL is written.
 * Returns the length; 0 when it does not fit or there is no host to be had, or when
 * the path does not begin with '/' (an empty one is "/").
 */
size_t https_location(struct http_span host, const struct sockaddr *local, uint16_t secure_port,
	struct http_span path, struct http_span query, char *out, size_t size);

#endif
