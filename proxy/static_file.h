/*
 * static_file: what a `files:DIRECTORY` backend answers to one request.
 *
 * It opens files and writes response heads; moving bytes is the caller's job. No
 * part of a request can name a file outside of the directory: the kernel holds
 * every path below it (openat2 with RESOLVE_BENEATH).
 *
 * Dates are read and written by the C library in the "C" locale, so the process
 * must not call setlocale() with anything else.
 */
#ifndef FERRULE_STATIC_FILE_H
#define FERRULE_STATIC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "proxy/http_request.h"

#define STATIC_REPLY_HEAD_MAX 2048

/* The served directory: opened once, good for any number of replies. */
struct file_root {
	int fd; /* owned; -1 when closed */
};

struct static_reply {
	int status;
	char head[STATIC_REPLY_HEAD_MAX]; /* with the empty line; not a C string */
	size_t head_len;
	const char *body; /* static text to send behind the head, or NULL */
	size_t body_len;
	int fd;          /* the file to send behind the head, or -1; the caller closes it */
	off_t offset;    /* from here in it … */
	uint64_t length; /* … so many bytes; a shorter file has been cut since: abort */
	bool close;      /* the connection ends after this reply */
};

/*
 * 0 or -errno; -ENOSYS on a kernel, or in a sandbox, without openat2(2). The
 * directory needs search permission for whoever calls static_file_reply() later.
 */
int file_root_open(struct file_root *root, const char *path);
void file_root_close(struct file_root *root);

/*
 * Answers a request whose head http_request_parse() has found DONE. `now` is the
 * time for Date. Every field of `reply` is written; a failure is a reply too.
 * A request that announces a body is refused with `close` set and its body left
 * unread: read a little of it before closing, or a reset may overtake the reply.
 */
void static_file_reply(const struct file_root *root, const struct http_request *request, time_t now,
	struct static_reply *reply);

#endif
