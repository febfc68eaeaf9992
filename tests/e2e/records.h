/*
 * Records that no TLS library would send: any type, any content, sealed with the
 * client's own keys. AES-128-GCM only. libssl must not send from then on.
 */
#ifndef FERRULE_TESTS_E2E_RECORDS_H
#define FERRULE_TESTS_E2E_RECORDS_H

#include "tests/e2e/client.h"

#define RECORD_HEADER    5
#define RECORD_OVERHEAD  (RECORD_HEADER + 8 + 1 + 16)
#define RECORD_PLAINTEXT 16384

enum record_type {
	RECORD_CHANGE_CIPHER_SPEC = 20,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23,
};

enum { ALERT_WARNING = 1, ALERT_FATAL = 2 };

/* Seals what the client sends; good until its next KeyUpdate. */
struct record_sealer {
	struct client *client; /* borrowed */
	bool tls13;
	uint64_t sequence;
	uint8_t secret[32]; /* TLS 1.3 */
	uint8_t key[16];
	uint8_t iv[12]; /* TLS 1.2: the four bytes of the salt */
};

/* From a client that has shaken hands and sent nothing yet. */
bool record_sealer_init(struct record_sealer *sealer, struct client *client);
/* The bytes of one record; out has room for len + RECORD_OVERHEAD. 0 on failure. */
size_t record_seal(struct record_sealer *sealer, enum record_type type, const void *data,
	size_t len, uint8_t *out);
/* Seals and sends. */
bool record_send(struct record_sealer *sealer, enum record_type type, const void *data, size_t len);
bool record_send_alert(struct record_sealer *sealer, uint8_t level, uint8_t description);
/* Sends `count` KeyUpdates, each under the keys that the one before it announced. */
bool record_send_key_updates(struct record_sealer *sealer, unsigned count, bool request);

#endif
