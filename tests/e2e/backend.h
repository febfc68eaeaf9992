/*
 * A backend that does what the first line of a connection asks for:
 *
 *   echo                 returns what it reads until the end of the stream
 *   sink SEED            checks the pattern to the end, answers "COUNT good" or "COUNT bad"
 *   slow SEED            the same, but reads no more than 64 KiB every few milliseconds
 *   send COUNT SEED      sends COUNT bytes of the pattern and closes
 *   pieces COUNT SEED    the same, one byte per send
 *   answer COUNT SEED    reads to the end of the stream, then as `send`
 *   half COUNT SEED      as `send`, but only shuts down its side, then as a silent `sink`
 *   reset COUNT SEED     sends COUNT bytes, then resets
 *   pause COUNT SEED     sends COUNT bytes, then waits for the peer's end
 *   deaf COUNT           reads COUNT bytes and shuts down that side only (Unix sockets tell)
 *   stall                neither reads nor sends until the peer ends
 *   close                closes at once
 *
 * It runs on threads of its own; every wait obeys the test's deadline.
 */
#ifndef FERRULE_TESTS_E2E_BACKEND_H
#define FERRULE_TESTS_E2E_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backend;

/* What one connection came to. */
struct backend_report {
	uint64_t received; /* after the first line */
	bool good;         /* all of it matched the pattern */
	bool reset;        /* the peer's end was a reset, not an orderly one */
};

/* On a free port of 127.0.0.1, or on a socket at path. NULL on failure. */
struct backend *backend_start(const char *unix_path);
void backend_stop(struct backend *backend);

/* As the configuration writes it: "127.0.0.1:PORT" or "unix:PATH". */
const char *backend_address(const struct backend *backend);

/* Waits for the connection that ends as the nth (from 0); false at the deadline. */
bool backend_wait(struct backend *backend, size_t nth, struct backend_report *report);

#endif
