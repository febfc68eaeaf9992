/* nginx as an unchanged backend: serves and takes files (PUT) over plain HTTP. */
#ifndef FERRULE_TESTS_E2E_NGINX_H
#define FERRULE_TESTS_E2E_NGINX_H

#include <stdint.h>
#include <sys/types.h>

struct nginx {
	pid_t pid;
	uint16_t port;
	char address[64]; /* as the configuration writes a backend */
	char root[300];   /* directory of its files */
};

/* On a free port of 127.0.0.1. NULL on failure. */
struct nginx *nginx_start(void);
/* NULL is allowed. */
void nginx_stop(struct nginx *nginx);

#endif
