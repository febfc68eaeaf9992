/*
 * nginx as an unchanged backend, which serves and takes files (PUT) over plain HTTP,
 * or as the proxy that ferrule is compared with.
 */
#ifndef FERRULE_TESTS_E2E_NGINX_H
#define FERRULE_TESTS_E2E_NGINX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct nginx {
	pid_t pid;
	int guard; /* bound to the port, not listening: keeps it ours while nginx is gone */
	uint16_t port;
	char address[64]; /* as the configuration writes a backend */
	char root[300];   /* directory of its files */
};

/* On a free port of 127.0.0.1. NULL on failure. */
struct nginx *nginx_start(void);
/* The same in front of "HOST:PORT": requests are passed on, by HTTP/1.1. */
struct nginx *nginx_start_proxy(const char *backend);
/* The end of all its processes without a word; connections are refused from then on. */
void nginx_kill(struct nginx *nginx);
/* On the same port again. */
bool nginx_restart(struct nginx *nginx);
/* NULL is allowed. */
void nginx_stop(struct nginx *nginx);

#endif
