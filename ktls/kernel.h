/*
 * The kernel's side of TLS (Documentation/networking/tls.rst): the only file
 * that issues SOL_TLS calls. Every function returns 0 or more, or -errno.
 */
#ifndef FERRULE_KTLS_KERNEL_H
#define FERRULE_KTLS_KERNEL_H

#include "ktls/record.h"

#include <sys/types.h>

/*
 * setsockopt(TCP_ULP, "tls"): needs an ESTABLISHED socket and cannot be undone,
 * but until keys follow the socket still passes raw bytes. Attaching twice is fine.
 */
int ktls_kernel_attach(int fd);

/* Installs the keys of one direction; a second time replaces them (Linux 6.14). */
int ktls_kernel_install(int fd, enum ktls_direction direction, enum ktls_version version,
	enum ktls_cipher cipher, const struct ktls_keys *keys, uint64_t sequence);

/* The sequence number of the next record, as the kernel counts them. */
int ktls_kernel_sequence(int fd, enum ktls_direction direction, enum ktls_version version,
	enum ktls_cipher cipher, uint64_t *sequence);

/* One recvmsg; *type is the record's (data when the kernel gave none). */
ssize_t ktls_kernel_recv(int fd, void *buf, size_t size, uint8_t *type);

/* One control record. -EAGAIN when the socket is full. */
int ktls_kernel_send(int fd, enum ktls_record_type type, const uint8_t *data, size_t len);

#endif
