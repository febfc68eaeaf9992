/*
 * A server as the workers use it: its part of the configuration, with everything
 * that was looked up, loaded or opened for it. Immutable once built.
 */
#ifndef FERRULE_PROXY_SERVER_H
#define FERRULE_PROXY_SERVER_H

#include "config/conf.h"
#include "ktls/ktls.h"
#include "pki/pki.h"
#include "proxy/conn.h"
#include "proxy/static_file.h"

#include <sys/un.h>

#define BACKEND_ADDRESSES 8

/* Where plaintext goes: the addresses of one name, tried in order. */
struct backend {
	struct {
		union {
			struct sockaddr any;
			struct sockaddr_in v4;
			struct sockaddr_in6 v6;
			struct sockaddr_un un;
		};
		socklen_t len;
	} addresses[BACKEND_ADDRESSES];
	unsigned count;
};

struct server {
	const struct conf_server *conf; /* borrowed from the snapshot's configuration */
	const struct service *service;
	struct pki_identity *identity; /* one reference */
	struct ktls_server *tls;       /* owned */
	struct backend backend;        /* tunnel */
	struct file_root files;        /* files; closed with the server */
	unsigned slot;                 /* in struct stats: the same name, the same slot */
};

#endif
