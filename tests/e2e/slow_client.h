/*
 * test-e2e --slow-client PORT COUNT WHAT: so many TLS clients of a port of 127.0.0.1 in
 * one process, each of which sends one byte of a request's head ("requests"), or of a
 * record ("records"), per second, for ever.
 *
 * It says "open COUNT" when all of them have shaken hands. On SIGTERM, or when the
 * server has ended all of them, it says "alive N of COUNT" and ends with status 0.
 */
#ifndef FERRULE_TESTS_E2E_SLOW_CLIENT_H
#define FERRULE_TESTS_E2E_SLOW_CLIENT_H

int slow_client_main(const char *port, const char *count, const char *what);

#endif
