/*
 * Foreign bytes into an established session. The first byte chooses version and
 * cipher; then follow pieces of one byte of flags, one of type and two of length:
 * a sealed piece becomes a correct record of that type, so that the control
 * parser is reached, a raw one goes in as it is.
 */
#include "ktls/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECE_SEALED 1 /* else raw */
#define PIECE_HEAD   4

#define WIRE_SIZE ((size_t)1 << 20)

/* A server without a certificate is enough for sessions that never shake hands. */
static struct ktls_server *server_new(void)
{
	static const struct ktls_capabilities none = {.ulp = 2};
	struct ktls_server *server = calloc(1, sizeof *server);
	if (!server || ktls_crypto_init(&server->crypto) < 0)
		abort();
	server->capabilities = &none;
	server->record_limit = 64;
	return server;
}

/* The peer seals with libcrypto, whoever computes the session's cipher. */
static void peer_init(struct ktls_aead *peer, const struct ktls_session *session,
	const struct ktls_keys *keys, uint64_t sequence)
{
	struct ktls_crypto crypto = session->server->crypto;
	crypto.aead[session->cipher] = &ktls_aead_libcrypto;
	if (ktls_aead_init(
		    peer, &crypto, session->version, session->cipher, keys, KTLS_TX, sequence) < 0)
		abort();
}

/* Both sides under fixed keys, as after a handshake; the secrets are all zeros. */
static struct ktls_session *session_new(
	struct ktls_server *server, uint8_t choice, struct ktls_aead *peer)
{
	struct ktls_session *session = calloc(1, sizeof *session);
	struct ktls_keys keys;
	if (!session)
		abort();
	session->server = server;
	session->fd = -1;
	session->is_aead = true;
	session->version = choice & 1 ? KTLS_TLS13 : KTLS_TLS12;
	session->cipher = (enum ktls_cipher)(choice / 2 % KTLS_CIPHERS);
	memset(&keys, 0, sizeof keys);
	if (session->version == KTLS_TLS13 && ktls_keys_tls13(&server->crypto, session->cipher,
						      session->side[KTLS_RX].secret, &keys) < 0)
		abort();
	const struct ktls_crypto *crypto = &server->crypto;
	for (int direction = KTLS_TX; direction <= KTLS_RX; direction++) {
		session->side[direction].engine = KTLS_ENGINE_AEAD;
		if (ktls_aead_init(&session->side[direction].aead, crypto, session->version,
			    session->cipher, &keys, (enum ktls_direction)direction, 0) < 0)
			abort();
	}
	peer_init(peer, session, &keys, 0);
	return session;
}

/* After a KeyUpdate the peer seals with the session's next keys, as a client would. */
static void peer_follow(const struct ktls_session *session, struct ktls_aead *peer)
{
	struct ktls_keys keys;
	const struct ktls_aead *rx = &session->side[KTLS_RX].aead;
	if (session->version == KTLS_TLS12 || memcmp(rx->iv, peer->iv, sizeof rx->iv) == 0)
		return;
	if (ktls_keys_tls13(&session->server->crypto, session->cipher,
		    session->side[KTLS_RX].secret, &keys) < 0)
		abort();
	peer_init(peer, session, &keys, rx->sequence);
}

/* Appends one piece to the wire; the number of bytes it took from the input. */
static size_t piece(
	struct ktls_aead *peer, const uint8_t *data, size_t size, uint8_t *wire, size_t *wire_len)
{
	size_t len = (size_t)data[2] << 8 | data[3];
	if (len > size - PIECE_HEAD)
		len = size - PIECE_HEAD;
	if (len > KTLS_RECORD_PLAINTEXT)
		len = KTLS_RECORD_PLAINTEXT;
	if (data[0] & PIECE_SEALED) {
		int n = ktls_aead_seal(peer, (enum ktls_record_type)data[1], data + PIECE_HEAD, len,
			wire + *wire_len);
		if (n < 0)
			abort();
		*wire_len += (size_t)n;
	} else {
		memcpy(wire + *wire_len, data + PIECE_HEAD, len);
		*wire_len += len;
	}
	return PIECE_HEAD + len;
}

/* Opens what is on the wire and checks what ktls_open() promises. */
static enum ktls_status open_all(struct ktls_session *session, uint8_t *wire, size_t *wire_len)
{
	static uint8_t plain[2 * KTLS_RECORD_MAX], answer[4096];
	enum ktls_status status;
	struct ktls_input in = {wire, *wire_len};
	do {
		struct ktls_output out = {plain, 0, sizeof plain};
		struct ktls_output reply = {answer, 0, sizeof answer};
		size_t before = in.len;
		status = ktls_open(session, &in, &out, &reply);
		assert(in.len <= before && in.data + in.len == wire + *wire_len);
		assert(out.len <= before && reply.len <= reply.size);
		assert(status != KTLS_WANT_WRITE || in.len < before);
		assert(status != KTLS_DONE && status != KTLS_TRUNCATED);
	} while (status == KTLS_WANT_WRITE);
	memmove(wire, in.data, in.len);
	*wire_len = in.len;
	assert((status == KTLS_FAILED) == (*ktls_session_error(session) != 0));
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ktls_server *server;
	struct ktls_aead peer = {.key = NULL};
	size_t wire_len = 0;
	if (size == 0)
		return 0;
	if (!server)
		server = server_new();
	uint8_t *wire = malloc(WIRE_SIZE);
	if (!wire)
		abort();
	struct ktls_session *session = session_new(server, *data, &peer);
	enum ktls_status status = KTLS_WANT_READ;
	data++;
	size--;
	while (size >= PIECE_HEAD && status == KTLS_WANT_READ &&
		wire_len < WIRE_SIZE - KTLS_RECORD_MAX) {
		size_t taken = piece(&peer, data, size, wire, &wire_len);
		data += taken;
		size -= taken;
		status = open_all(session, wire, &wire_len);
		peer_follow(session, &peer);
	}
	ktls_aead_done(&peer);
	ktls_session_free(session);
	free(wire);
	return 0;
}
