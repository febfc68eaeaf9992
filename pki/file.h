/* pki: whole small files that may hold secrets. Private to pki/. */
#ifndef FERRULE_PKI_FILE_H
#define FERRULE_PKI_FILE_H

#include "pki/pki.h"

/* Far above any chain of certificates, far below what would hurt. */
#define PKI_FILE_LIMIT (1024 * 1024)

struct pki_file {
	char *data; /* owned, wiped by pki_file_done() */
	size_t len;
	size_t size; /* of data */
};

/* Reads a regular file of at most PKI_FILE_LIMIT bytes. Returns 0, or -1 with `error` filled. */
int pki_file_read(const char *path, struct pki_file *file, struct pki_error *error);
void pki_file_done(struct pki_file *file);

/* All of it, whatever the pieces that the kernel takes. Returns 0 or -errno. */
int pki_file_write(int fd, const char *data, size_t len);

/*
 * Creates a file of mode 0600 that must not exist yet and returns once its
 * content is on the disk. Returns 0 or -errno.
 */
int pki_file_create(int directory, const char *name, const void *data, size_t len);

#endif
