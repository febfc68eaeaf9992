#include "ktls/session.h"

#include "ktls/alert.h"
#include "ktls/client_auth.h"
#include "ktls/kernel.h"
#include "ktls/secrets.h"
#include "ktls/suites.h"
#include "ktls/trace.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct ktls_session *session_new(int fd)
{
	struct ktls_session *session = calloc(1, sizeof *session);
	if (!session)
		return NULL;
	session->fd = fd;
	session->key_exchange = session->reason = "";
	return session;
}

struct ktls_session *ktls_session_new_plain(int fd)
{
	struct ktls_session *session = session_new(fd);
	if (!session)
		return NULL;
	session->side[KTLS_TX].engine = session->side[KTLS_RX].engine = KTLS_ENGINE_PLAIN;
	session->closed = true; /* for control records, which there are not */
	return session;
}

bool ktls_session_is_plain(const struct ktls_session *session)
{
	return session->side[KTLS_TX].engine == KTLS_ENGINE_PLAIN;
}

struct ktls_session *ktls_session_new(struct ktls_server *server, int fd)
{
	struct ktls_session *session = session_new(fd);
	if (!session)
		return NULL;
	session->server = server;
	session->ssl = SSL_new(server->ctx);
	BIO *bio = BIO_new(server->method);
	if (!session->ssl || !bio) {
		BIO_free(bio);
		ktls_session_free(session);
		return NULL;
	}
	BIO_set_data(bio, session);
	SSL_set_bio(session->ssl, bio, bio);
	SSL_set_app_data(session->ssl, session);
	SSL_set_accept_state(session->ssl);
	return session;
}

void ktls_session_free(struct ktls_session *session)
{
	if (!session)
		return;
	ktls_trace_done(session);
	SSL_free(session->ssl);
	for (int i = KTLS_TX; i <= KTLS_RX; i++) {
		if (session->side[i].engine == KTLS_ENGINE_AEAD)
			ktls_aead_done(&session->side[i].aead);
	}
	free(session->server_name);
	free(session->error);
	ktls_client_free(session->client);
	OPENSSL_cleanse(session->side, sizeof session->side);
	free(session);
}

/* The one place that reads SSL_get_error(3). */
static enum ktls_status ssl_status(struct ktls_session *session, int result)
{
	switch (SSL_get_error(session->ssl, result)) {
	case SSL_ERROR_NONE:
		return KTLS_DONE;
	case SSL_ERROR_WANT_READ:
		return KTLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return KTLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return KTLS_CLOSED;
	default:
		break;
	}
	unsigned long code = ERR_peek_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	const char *refusal = ktls_client_auth_refusal(session->ssl, code);
	session->closed = true; /* libssl has written its alert, or got one */
	ERR_clear_error();
	if (refusal)
		return ktls_fail(session, "client certificate refused: %s", refusal);
	return ktls_fail(session, "%s", reason ? reason : "TLS failed without a reason");
}

/* By the names that operators know; libssl's differ in spelling. */
static const char *group_name(SSL *ssl)
{
	int group = (int)SSL_get_negotiated_group(ssl);
	switch (group) {
	case 0:
		return "";
	case NID_X25519:
		return "X25519";
	case NID_X9_62_prime256v1:
		return "P-256";
	case NID_secp384r1:
		return "P-384";
	default:
		break;
	}
	const char *name = SSL_group_to_name(ssl, group);
	return name ? name : "";
}

static const char *key_exchange_name(struct ktls_session *session)
{
	int nid = SSL_CIPHER_get_kx_nid(session->suite);
	if (session->version == KTLS_TLS12 && session->resumed)
		return "resumed";
	if (nid == NID_kx_rsa)
		return "RSA";
	return nid == NID_kx_dhe ? "DHE" : group_name(session->ssl);
}

enum authentication { AUTH_NONE, AUTH_RSA, AUTH_ECDSA, AUTH_ED25519, AUTH_ED448, AUTH_PSK };

static const char *const authentication_names[] = {
	[AUTH_NONE] = "",
	[AUTH_RSA] = "RSA",
	[AUTH_ECDSA] = "ECDSA",
	[AUTH_ED25519] = "Ed25519",
	[AUTH_ED448] = "Ed448",
	[AUTH_PSK] = "PSK",
};

/* What the server has signed with; where it did not sign, the suite says what it would. */
static enum authentication authentication_of(const struct ktls_session *session)
{
	int nid = 0;
	if (session->version == KTLS_TLS13 && session->resumed)
		return AUTH_PSK;
	if (!session->resumed)
		SSL_get_signature_type_nid(session->ssl, &nid);
	switch (nid) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		return AUTH_RSA;
	case EVP_PKEY_EC:
		return AUTH_ECDSA;
	case EVP_PKEY_ED25519:
		return AUTH_ED25519;
	case EVP_PKEY_ED448:
		return AUTH_ED448;
	default:
		break;
	}
	return SSL_CIPHER_get_auth_nid(session->suite) == NID_auth_rsa ? AUTH_RSA : AUTH_ECDSA;
}

/* What outlives the SSL object. */
static enum ktls_status remember(struct ktls_session *session)
{
	SSL *ssl = session->ssl;
	session->suite = SSL_get_current_cipher(ssl);
	session->version = SSL_version(ssl) == TLS1_3_VERSION ? KTLS_TLS13 : KTLS_TLS12;
	session->is_aead = ktls_suites_cipher(session->suite, &session->cipher) &&
			   session->secrets == KTLS_SECRETS_ALL;
	session->resumed = SSL_session_reused(ssl);
	session->key_exchange = key_exchange_name(session);
	session->authentication = (uint8_t)authentication_of(session);
	if (session->server->client_auth != KTLS_CLIENT_AUTH_NONE &&
		ktls_client_auth_remember(session) < 0)
		return ktls_fail(session, "out of memory");
	return KTLS_DONE;
}

/* The keys behind one direction, for an engine that takes them. 0 or -1. */
static int keys_of(
	const struct ktls_session *session, enum ktls_direction direction, struct ktls_keys *keys)
{
	const struct ktls_side *side = &session->side[direction];
	if (session->version == KTLS_TLS13)
		return ktls_keys_tls13(
			&session->server->crypto, session->cipher, side->secret, keys);
	*keys = side->keys;
	return 0;
}

static int aead_start(
	struct ktls_session *session, enum ktls_direction direction, uint64_t sequence)
{
	struct ktls_keys keys;
	struct ktls_side *side = &session->side[direction];
	int result = keys_of(session, direction, &keys);
	if (result == 0)
		result = ktls_aead_init(&side->aead, &session->server->crypto, session->version,
			session->cipher, &keys, direction, sequence);
	OPENSSL_cleanse(&keys, sizeof keys);
	side->engine = KTLS_ENGINE_AEAD;
	return result;
}

/*
 * Takes the traffic keys from libssl and frees it: from here on both directions
 * are ours. First sequence numbers: TLS 1.2 has sent and received one record, its
 * Finished, under these keys; TLS 1.3 has received none and sent its tickets.
 */
static enum ktls_status keys_take(struct ktls_session *session)
{
	bool is_tls13 = session->version == KTLS_TLS13;
	if (aead_start(session, KTLS_TX, is_tls13 ? session->tickets_sent : 1) < 0 ||
		aead_start(session, KTLS_RX, is_tls13 ? 0 : 1) < 0)
		return ktls_fail(session, "traffic keys could not be derived");
	ktls_trace_done(session);
	SSL_set_quiet_shutdown(session->ssl, 1);
	SSL_free(session->ssl);
	session->ssl = NULL;
	return KTLS_DONE;
}

/*
 * A handshake keeps libssl's buffers, each of which would else be allocated once a
 * flight; a session that libssl stays behind has them only while something is in them.
 */
static void release_buffers(SSL *ssl)
{
	SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_free_buffers(ssl);
}

enum ktls_status ktls_handshake(
	struct ktls_session *session, struct ktls_input *in, struct ktls_output *out)
{
	if (ktls_session_is_plain(session))
		return KTLS_DONE;
	session->in = in;
	session->out = out;
	ERR_clear_error();
	ktls_secrets_listen(session);
	enum ktls_status status = ssl_status(session, SSL_do_handshake(session->ssl));
	ktls_secrets_listen(NULL);
	session->in = NULL;
	session->out = NULL;
	if (status == KTLS_CLOSED)
		return ktls_fail(session, "client closed during the handshake");
	if (status == KTLS_DONE)
		status = remember(session);
	if (status == KTLS_DONE && !session->is_aead)
		release_buffers(session->ssl);
	if (status != KTLS_DONE || !session->is_aead)
		return status;
	/* read_ahead is off: libssl took whole records and nothing behind them. */
	if (SSL_has_pending(session->ssl))
		return ktls_fail(session, "libssl read beyond the handshake");
	return keys_take(session);
}

/* ---- the kernel --------------------------------------------------------- */

/* Why no session of this server is ever offloaded; NULL: one may be. */
static const char *never_offloaded(const struct ktls_server *server)
{
	if (server->offload == KTLS_OFFLOAD_OFF)
		return "offload = \"off\"";
	return server->capabilities->ulp ? "this kernel has no TLS (CONFIG_TLS, module tls)" : NULL;
}

/*
 * All preconditions of an offload, each with its reason; NULL: it may be tried.
 * `tx` and `rx` say which directions the policy asks for and the kernel takes.
 */
static const char *offload_refusal(const struct ktls_session *session, bool *tx, bool *rx)
{
	const struct ktls_capabilities *capabilities = session->server->capabilities;
	enum ktls_offload policy = session->server->offload;
	const char *never = never_offloaded(session->server);
	*tx = *rx = false;
	if (never)
		return never;
	enum ktls_cipher cipher;
	if (!ktls_suites_cipher(session->suite, &cipher))
		return "the kernel has no such cipher";
	if (!session->is_aead)
		return "this libcrypto does not show libssl's keys";
	const int *works = capabilities->offload[session->version][session->cipher];
	*tx = !works[KTLS_TX];
	*rx = *tx && !works[KTLS_RX] && !capabilities->splice_rx && policy != KTLS_OFFLOAD_TX;
	if (!*tx)
		return "this kernel does not take the cipher";
	if (!*rx && (policy == KTLS_OFFLOAD_BOTH || policy == KTLS_OFFLOAD_REQUIRED))
		return "this kernel does not take the cipher for receiving";
	return NULL;
}

bool ktls_may_offload(const struct ktls_session *session)
{
	return !ktls_session_is_plain(session) && !never_offloaded(session->server);
}

bool ktls_offload_is_wanted(struct ktls_session *session)
{
	bool tx, rx;
	if (ktls_session_is_plain(session))
		return false;
	const char *refusal = offload_refusal(session, &tx, &rx);
	if (refusal)
		session->reason = refusal;
	return !refusal || session->server->offload == KTLS_OFFLOAD_REQUIRED;
}

/* Hands one direction's key and sequence number over. 0 or -errno. */
static int install(struct ktls_session *session, enum ktls_direction direction)
{
	struct ktls_side *side = &session->side[direction];
	struct ktls_keys keys;
	if (keys_of(session, direction, &keys) < 0)
		return -ENOMEM;
	int result = ktls_kernel_install(session->fd, direction, session->version, session->cipher,
		&keys, side->aead.sequence);
	OPENSSL_cleanse(&keys, sizeof keys);
	if (result < 0)
		return result;
	uint64_t sequence = side->aead.sequence;
	ktls_aead_done(&side->aead);
	side->engine = KTLS_ENGINE_KERNEL;
	side->records = side->verified = side->seen = sequence;
	if (session->version == KTLS_TLS12)
		OPENSSL_cleanse(&side->keys, sizeof side->keys);
	return 0;
}

static enum ktls_status not_offloaded(struct ktls_session *session, const char *reason)
{
	session->reason = reason;
	if (session->server->offload == KTLS_OFFLOAD_REQUIRED)
		return ktls_fail(session, "offload = \"required\": %s", reason);
	return KTLS_DONE;
}

/*
 * RX goes first: should the kernel refuse it, the socket still passes raw bytes
 * and user space carries on. Once it is in, TX has to follow: past that point
 * there is no way back on this socket.
 */
enum ktls_status ktls_offload_install(struct ktls_session *session)
{
	bool tx, rx;
	if (ktls_session_is_plain(session))
		return KTLS_DONE;
	const char *refusal = offload_refusal(session, &tx, &rx);
	if (refusal)
		return not_offloaded(session, refusal);
	if (ktls_kernel_attach(session->fd) < 0)
		return not_offloaded(session, "the kernel refused TCP_ULP");
	if (rx && install(session, KTLS_RX) < 0) {
		if (session->server->offload != KTLS_OFFLOAD_AUTO)
			return not_offloaded(session, "the kernel refused the RX key");
		rx = false;
	}
	int result = install(session, KTLS_TX);
	if (result < 0 && rx)
		return ktls_fail(
			session, "kernel took the RX key but not TX: %s", strerror(-result));
	if (result < 0)
		return not_offloaded(session, "the kernel refused the TX key");
	if (!rx)
		session->reason = "rx: not taken by this kernel or not asked for";
	return KTLS_DONE;
}

enum ktls_engine ktls_session_engine(
	const struct ktls_session *session, enum ktls_direction direction)
{
	return session->side[direction].engine;
}

bool ktls_takes_plaintext(const struct ktls_session *session, enum ktls_direction direction)
{
	enum ktls_engine engine = session->side[direction].engine;
	return engine == KTLS_ENGINE_KERNEL || engine == KTLS_ENGINE_PLAIN;
}

/* ---- records in user space ------------------------------------------------ */

static enum ktls_status libssl_open(struct ktls_session *session, struct ktls_input *in,
	struct ktls_output *out, struct ktls_output *reply)
{
	session->in = in;
	session->out = reply;
	enum ktls_status status;
	do {
		size_t room = out->size - out->len, n = 0;
		if (room == 0) {
			status = KTLS_WANT_WRITE;
			break;
		}
		ERR_clear_error();
		int result = SSL_read_ex(session->ssl, out->data + out->len, room, &n);
		status = ssl_status(session, result);
		out->len += n;
	} while (status == KTLS_DONE);
	session->in = NULL;
	session->out = NULL;
	return status;
}

/* Opens the record at the head of `in`, whose length is known and which is whole. */
static enum ktls_status aead_open_one(struct ktls_session *session, struct ktls_input *in,
	size_t record_len, struct ktls_output *out, struct ktls_output *reply)
{
	struct ktls_aead *aead = &session->side[KTLS_RX].aead;
	uint8_t type;
	int n = ktls_aead_open(aead, in->data, record_len, out->data + out->len, &type);
	if (n < 0)
		return ktls_fail_alert(session, (uint8_t)-n, reply, "record refused: %s",
			SSL_alert_desc_string_long(-n));
	in->data += record_len;
	in->len -= record_len;
	const uint8_t *data = out->data + out->len;
	if (type == KTLS_RECORD_DATA)
		out->len += (size_t)n;
	enum ktls_status status = ktls_control(session, type, data, (size_t)n, reply);
	return status == KTLS_DONE ? ktls_limit(session, KTLS_RX, reply) : status;
}

static enum ktls_status aead_open(struct ktls_session *session, struct ktls_input *in,
	struct ktls_output *out, struct ktls_output *reply)
{
	enum ktls_status status = KTLS_DONE;
	while (status == KTLS_DONE) {
		if (in->len < KTLS_RECORD_HEADER)
			return KTLS_WANT_READ;
		int len = ktls_record_length(&session->side[KTLS_RX].aead, in->data);
		if (len < 0)
			return ktls_fail_alert(session, (uint8_t)-len, reply,
				"record header refused: %s", SSL_alert_desc_string_long(-len));
		if (in->len < (size_t)len)
			return KTLS_WANT_READ;
		/* A KeyUpdate needs room for its answer, a record for its plaintext. */
		if (out->size - out->len < (size_t)len ||
			reply->size - reply->len < KTLS_REPLY_ROOM)
			return KTLS_WANT_WRITE;
		status = aead_open_one(session, in, (size_t)len, out, reply);
	}
	return status;
}

enum ktls_status ktls_open(struct ktls_session *session, struct ktls_input *in,
	struct ktls_output *out, struct ktls_output *reply)
{
	assert(!ktls_takes_plaintext(session, KTLS_RX));
	if (session->side[KTLS_RX].engine == KTLS_ENGINE_LIBSSL)
		return libssl_open(session, in, out, reply);
	return aead_open(session, in, out, reply);
}

size_t ktls_missing(const struct ktls_input *in)
{
	if (in->len < KTLS_RECORD_HEADER)
		return KTLS_RECORD_HEADER - in->len;
	size_t len = KTLS_RECORD_HEADER + ((size_t)in->data[3] << 8 | in->data[4]);
	return len > in->len ? len - in->len : 0;
}

static enum ktls_status libssl_seal(
	struct ktls_session *session, const uint8_t *data, size_t len, struct ktls_output *out)
{
	size_t written = 0;
	session->out = out;
	ERR_clear_error();
	enum ktls_status status =
		ssl_status(session, SSL_write_ex(session->ssl, data, len, &written));
	session->out = NULL;
	assert(status != KTLS_DONE || written == len);
	return status;
}

static enum ktls_status aead_seal(
	struct ktls_session *session, const uint8_t *data, size_t len, struct ktls_output *out)
{
	struct ktls_aead *aead = &session->side[KTLS_TX].aead;
	int n = ktls_aead_seal(aead, KTLS_RECORD_DATA, data, len, out->data + out->len);
	if (n < 0)
		return ktls_fail(session, "sealing a record failed");
	out->len += (size_t)n;
	return ktls_limit(session, KTLS_TX, out);
}

enum ktls_status ktls_seal(
	struct ktls_session *session, struct ktls_input *in, struct ktls_output *out)
{
	assert(!ktls_takes_plaintext(session, KTLS_TX));
	bool is_aead = session->side[KTLS_TX].engine == KTLS_ENGINE_AEAD;
	enum ktls_status status = KTLS_DONE;
	while (in->len > 0 && status == KTLS_DONE) {
		size_t len = in->len < KTLS_RECORD_PLAINTEXT ? in->len : KTLS_RECORD_PLAINTEXT;
		if (out->size - out->len < len + KTLS_RECORD_OVERHEAD + KTLS_REPLY_ROOM)
			return KTLS_WANT_WRITE;
		status = is_aead ? aead_seal(session, in->data, len, out)
				 : libssl_seal(session, in->data, len, out);
		in->data += len;
		in->len -= len;
	}
	return status;
}

/* ---- no records ------------------------------------------------------------- */

/* On plain TCP the end of the stream is an orderly end, and the only one. */
static enum ktls_status plain_recv(struct ktls_session *session, struct ktls_output *out)
{
	if (out->size == out->len)
		return KTLS_WANT_WRITE;
	ssize_t n = recv(session->fd, out->data + out->len, out->size - out->len, MSG_DONTWAIT);
	if (n == 0)
		return KTLS_CLOSED;
	if (n > 0) {
		out->len += (size_t)n;
		return KTLS_DONE;
	}
	if (errno == EAGAIN || errno == EINTR)
		return KTLS_WANT_READ;
	if (errno == ECONNRESET || errno == EPIPE)
		return ktls_fail(session, "client reset");
	return ktls_fail(session, "receive: %s", strerror(errno));
}

/* ---- records in the kernel -------------------------------------------------- */

/*
 * The kernel swallows empty records without a word. But it counts them: what it
 * has taken in while nothing came out was empty.
 */
static enum ktls_status nothing_there(struct ktls_session *session, struct ktls_output *reply)
{
	struct ktls_side *rx = &session->side[KTLS_RX];
	uint64_t sequence;
	if (ktls_kernel_sequence(
		    session->fd, KTLS_RX, session->version, session->cipher, &sequence) < 0)
		return KTLS_WANT_READ;
	uint64_t empty = session->received ? 0 : sequence - rx->seen;
	rx->seen = sequence;
	session->received = false;
	enum ktls_status status = KTLS_DONE;
	for (; empty > 0 && status == KTLS_DONE; empty--)
		status = ktls_control(session, KTLS_RECORD_DATA, NULL, 0, reply);
	return status == KTLS_DONE ? KTLS_WANT_READ : status;
}

/* What the kernel's errors on receive mean in TLS's terms (tls_sw.c). */
static enum ktls_status receive_error(
	struct ktls_session *session, int error, struct ktls_output *reply)
{
	switch (error) {
	case EAGAIN:
		return nothing_there(session, reply);
	case EKEYEXPIRED: /* a KeyUpdate was fetched and the new key is not set yet */
		return KTLS_WANT_READ;
	case EBADMSG:
		return ktls_fail_alert(session, KTLS_ALERT_BAD_RECORD_MAC, reply,
			"record refused: bad record mac");
	case EMSGSIZE:
		return ktls_fail_alert(session, KTLS_ALERT_RECORD_OVERFLOW, reply,
			"record refused: record overflow");
	case EINVAL:
		return ktls_fail_alert(session, KTLS_ALERT_PROTOCOL_VERSION, reply,
			"record refused: not a record of this version");
	case ECONNRESET:
	case EPIPE:
		return ktls_fail(session, "client reset");
	default:
		return ktls_fail(session, "receive: %s", strerror(error));
	}
}

enum ktls_status ktls_recv(
	struct ktls_session *session, struct ktls_output *out, struct ktls_output *reply)
{
	if (session->side[KTLS_RX].engine == KTLS_ENGINE_PLAIN)
		return plain_recv(session, out);
	uint8_t *data = out->data + out->len;
	uint8_t type;
	/* Without room for a control record 0 bytes would look like the stream's end. */
	if (out->size - out->len < sizeof session->message)
		return KTLS_WANT_WRITE;
	ssize_t n = ktls_kernel_recv(session->fd, data, out->size - out->len, &type);
	if (n < 0)
		return receive_error(session, (int)-n, reply);
	if (type == 0)
		return KTLS_TRUNCATED;
	if (type == KTLS_RECORD_DATA) {
		out->len += (size_t)n;
		return ktls_account(session, KTLS_RX, (size_t)n, reply);
	}
	session->side[KTLS_RX].records++;
	session->received = true;
	return ktls_control(session, type, data, (size_t)n, reply);
}

enum ktls_status ktls_account(struct ktls_session *session, enum ktls_direction direction,
	size_t bytes, struct ktls_output *reply)
{
	if (session->side[direction].engine == KTLS_ENGINE_PLAIN)
		return KTLS_DONE;
	assert(session->side[direction].engine == KTLS_ENGINE_KERNEL);
	/*
	 * An upper bound for the records of one call: a peer may send them byte by byte,
	 * the kernel may seal a page or less. ktls_limit() reads the exact number back.
	 */
	session->side[direction].records += 1 + bytes;
	if (direction == KTLS_RX) {
		session->received = true;
		enum ktls_status status =
			ktls_control(session, KTLS_RECORD_DATA, NULL, bytes, reply);
		if (status != KTLS_DONE)
			return status;
	}
	return ktls_limit(session, direction, reply);
}

/* ---- for the log -------------------------------------------------------------- */

static const char *verify_text(const struct ktls_session *session)
{
	bool is_asked = session->server && session->server->client_auth != KTLS_CLIENT_AUTH_NONE;
	if (session->client)
		return session->client->verify;
	return is_asked && session->suite ? "NONE" : "";
}

void ktls_session_info(const struct ktls_session *session, struct ktls_info *info)
{
	const SSL_CIPHER *suite = session->suite;
	const struct ktls_client *client = session->client;
	*info = (struct ktls_info){
		.version = suite ? ktls_version_name(session->version) : "",
		.cipher = suite ? SSL_CIPHER_get_name(suite) : "",
		.key_exchange = session->key_exchange,
		.authentication = authentication_names[session->authentication],
		.cipher_algorithm = suite ? ktls_suites_algorithm(suite) : "",
		.cipher_bits = suite ? (unsigned)SSL_CIPHER_get_bits(suite, NULL) : 0,
		.mac = suite ? ktls_suites_mac(suite) : "",
		.server_name = session->server_name ? session->server_name : "",
		.name_index = session->name_index,
		.resumed = session->resumed,
		.client_subject = client ? client->subject : "",
		.client_fingerprint = client ? client->fingerprint : "",
		.client_verify = verify_text(session),
	};
}

const char *ktls_session_error(const struct ktls_session *session)
{
	return session->error ? session->error : "";
}

const char *ktls_session_reason(const struct ktls_session *session)
{
	return session->reason;
}

const char *ktls_engine_name(enum ktls_engine engine)
{
	switch (engine) {
	case KTLS_ENGINE_KERNEL:
		return "kernel";
	case KTLS_ENGINE_AEAD:
		return "aead";
	case KTLS_ENGINE_PLAIN:
		return "none";
	case KTLS_ENGINE_LIBSSL:
		break;
	}
	return "libssl";
}
