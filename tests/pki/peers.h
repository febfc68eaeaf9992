/* Servers that others have written, started for one test each. */
#ifndef FERRULE_TESTS_PKI_PEERS_H
#define FERRULE_TESTS_PKI_PEERS_H

#include <stdint.h>
#include <sys/types.h>

struct peer {
	pid_t pid;
	uint16_t port;
	char directory[300]; /* of its files */
	char log[300];
};

/* micromdm's scepserver, challenge "s3cret"; its CA is DIRECTORY/ca.pem. NULL on failure. */
struct peer *peer_scepserver(void);
/* On NAMESPACE_ADDRESS; files may be created in its directory. */
struct peer *peer_tftpd(void);
/* An HTTP proxy on 127.0.0.1. */
struct peer *peer_tinyproxy(void);
/* NULL is allowed. */
void peer_stop(struct peer *peer);

#endif
