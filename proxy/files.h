/* The moving of a file's bytes to a client, for the built-in file server. */
#ifndef FERRULE_PROXY_FILES_H
#define FERRULE_PROXY_FILES_H

#include "proxy/buf.h"

#include <stdbool.h>
#include <sys/types.h>

struct conn;

struct file_transfer {
	int fd;        /* owned; -1: none */
	off_t offset;  /* of the next byte */
	uint64_t left; /* still to send */
};

void file_transfer_init(struct file_transfer *file);
/*
 * A file that fits behind its head goes with it, in one record: appends it to
 * `buf`, or nothing. False when it is shorter than announced.
 */
bool file_transfer_join(struct file_transfer *file, struct buf *buf);
/* Sends as much as the client and the connection's turn allow; the sink is free. */
void file_transfer_step(struct conn *conn, struct file_transfer *file);
void file_transfer_done(struct file_transfer *file);

#endif
