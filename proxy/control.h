/*
 * The control socket in the run directory: one request line, one reply. Only the
 * owner of the supervisor may connect (mode 0600).
 */
#ifndef FERRULE_PROXY_CONTROL_H
#define FERRULE_PROXY_CONTROL_H

#include <stddef.h>

#define CONTROL_REQUEST_MAX 4200 /* "reload " and a path */

/*
 * Opens the listening socket RUN_DIRECTORY/control.sock, making the directory
 * when missing. Returns its descriptor, or -1 with a sentence in `error`: another
 * instance runs there, permissions, …
 */
int control_open(const char *run_directory, char *error, size_t error_size);
void control_close(int fd, const char *run_directory);

/* Accepts one client and reads its request; the client's descriptor or -1. */
int control_accept(int fd, char request[CONTROL_REQUEST_MAX]);
/* Answers with an exit status and a text, and closes. */
void control_reply(int client, int status, const char *text);

/*
 * The other side: sends a request and returns the exit status with *text (the
 * caller frees it), or -1 with a sentence in `error`.
 */
int control_call(const char *run_directory, const char *request, char **text, char *error,
	size_t error_size);

#endif
