/*
 * Sockets that never block beyond the test's deadline. Descriptors are
 * non-blocking; calls fail with ETIMEDOUT in errno when the deadline passes.
 */
#ifndef FERRULE_TESTS_E2E_NET_H
#define FERRULE_TESTS_E2E_NET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A listener on a free port of 127.0.0.1, or a port that refuses (backlog < 0). -1 on failure. */
int net_listen(uint16_t *port, int backlog);
/* The same on a port that is known: 0 is any. Several may be bound to it, one may listen. */
int net_listen_port(uint16_t port, int backlog);
int net_listen_unix(const char *path);

/* Connects to the port on host ("127.0.0.1" or "::1"); receive_buffer 0: the system's. */
int net_connect(const char *host, uint16_t port, int receive_buffer);
uint16_t net_local_port(int fd);

/* Waits for one of the events of poll(); what happened, or -1. */
int net_wait(int fd, short events);

/* At least one byte, 0 at the end of the stream, or -1. */
ssize_t net_read(int fd, void *data, size_t size);
/* 0 when all of it was passed to the kernel, else -1. */
int net_write(int fd, const void *data, size_t len);

/* Closes with a reset instead of an orderly end. */
void net_reset(int fd);

#endif
