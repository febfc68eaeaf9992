/* A server's policy as an SSL_CTX: certificate, suites, versions, tickets. */
#include "ktls/session.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 8446 5.5: 2^24.5 full-size records for AES-GCM. */
#define RECORD_LIMIT 23726566

#define SUITE_LIST 2048

/* Forward secret AEADs only; older clients need `ciphersuites` in the file. */
static const char *const default_suites[] = {
	"TLS_AES_128_GCM_SHA256",
	"TLS_AES_256_GCM_SHA384",
	"TLS_CHACHA20_POLY1305_SHA256",
	"ECDHE-ECDSA-AES128-GCM-SHA256",
	"ECDHE-RSA-AES128-GCM-SHA256",
	"ECDHE-ECDSA-AES256-GCM-SHA384",
	"ECDHE-RSA-AES256-GCM-SHA384",
	"ECDHE-ECDSA-CHACHA20-POLY1305",
	"ECDHE-RSA-CHACHA20-POLY1305",
};

#define DEFAULT_SUITES (sizeof default_suites / sizeof default_suites[0])

/* OpenSSL keeps the suites of TLS 1.3 and the older ones in two lists. */
struct suites {
	char tls12[SUITE_LIST], tls13[SUITE_LIST];
};

static const char *openssl_error(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	return reason ? reason : "no reason given";
}

static bool append(char *list, const char *name)
{
	size_t len = strlen(list);
	int n = snprintf(list + len, SUITE_LIST - len, "%s%s", len ? ":" : "", name);
	return n > 0 && (size_t)n < SUITE_LIST - len;
}

/* True when the kernel takes that AEAD in both directions. */
static bool kernel_takes(const struct ktls_capabilities *capabilities, const char *suite)
{
	enum ktls_version version = strncmp(suite, "TLS_", 4) == 0 ? KTLS_TLS13 : KTLS_TLS12;
	const bool is_chacha = strstr(suite, "CHACHA20") != NULL;
	const bool is_256 = strstr(suite, "256-GCM") || strstr(suite, "256_GCM");
	enum ktls_cipher cipher = is_chacha ? KTLS_CHACHA20_POLY1305
				  : is_256  ? KTLS_AES_256_GCM
					    : KTLS_AES_128_GCM;
	const int *offload = capabilities->offload[version][cipher];
	return (strstr(suite, "GCM") || is_chacha) && !offload[KTLS_TX] && !offload[KTLS_RX];
}

static int suites_collect(struct suites *suites, const struct ktls_server_options *options,
	char *error, size_t error_size)
{
	bool is_default = options->ciphersuite_count == 0;
	const char *const *names = is_default ? default_suites : options->ciphersuites;
	size_t count = is_default ? DEFAULT_SUITES : options->ciphersuite_count;
	for (size_t i = 0; i < count; i++) {
		bool is_tls13 = strncmp(names[i], "TLS_", 4) == 0;
		if (!(is_tls13 ? options->tls13 : options->tls12) && is_default)
			continue;
		if (options->offload == KTLS_OFFLOAD_REQUIRED &&
			!kernel_takes(options->capabilities, names[i])) {
			if (is_default)
				continue;
			snprintf(error, error_size,
				"ciphersuite %s cannot be offloaded on this kernel; remove it or "
				"set offload = \"auto\" (ferrule probe tells what can)",
				names[i]);
			return -1;
		}
		if (!append(is_tls13 ? suites->tls13 : suites->tls12, names[i])) {
			snprintf(error, error_size, "the list of ciphersuites is too long");
			return -1;
		}
	}
	return 0;
}

static bool ctx_has_suite(SSL_CTX *ctx, const char *name)
{
	STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(ctx);
	for (int i = 0; i < sk_SSL_CIPHER_num(suites); i++)
		if (strcmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(suites, i)), name) == 0)
			return true;
	return false;
}

/*
 * OpenSSL ignores names it does not know unless none is left, and takes words for
 * whole groups ("ALL"): ask for each alone, and look for that very suite.
 */
static int suites_check(
	SSL_CTX *ctx, const struct ktls_server_options *options, char *error, size_t error_size)
{
	for (size_t i = 0; i < options->ciphersuite_count; i++) {
		const char *name = options->ciphersuites[i];
		bool is_tls13 = strncmp(name, "TLS_", 4) == 0;
		if ((is_tls13 ? SSL_CTX_set_ciphersuites(ctx, name)
			      : SSL_CTX_set_cipher_list(ctx, name)) == 1 &&
			ctx_has_suite(ctx, name))
			continue;
		snprintf(error, error_size,
			"ciphersuite \"%s\" is not one of this OpenSSL's (openssl ciphers -s lists "
			"them)",
			name);
		return -1;
	}
	return 0;
}

/* A version without a suite cannot be negotiated: say so, or leave it out. */
static int versions_check(const struct suites *suites, const struct ktls_server_options *options,
	char *error, size_t error_size)
{
	bool tls12 = options->tls12 && *suites->tls12;
	bool tls13 = options->tls13 && *suites->tls13;
	if (tls12 || tls13)
		return 0;
	if (options->offload == KTLS_OFFLOAD_REQUIRED && !options->ciphersuite_count)
		snprintf(error, error_size,
			"offload = \"required\", but this kernel takes no TLS keys (%s); load the "
			"module with `modprobe tls`, or set offload = \"auto\"",
			strerror(options->capabilities->ulp ? options->capabilities->ulp
							    : EOPNOTSUPP));
	else
		snprintf(error, error_size,
			"none of the ciphersuites belongs to one of the tls_versions");
	return -1;
}

static int configure_suites(
	SSL_CTX *ctx, const struct ktls_server_options *options, char *error, size_t error_size)
{
	static char groups[] = "X25519:P-256:P-384";
	struct suites suites = {"", ""};
	if (suites_check(ctx, options, error, error_size) < 0 ||
		suites_collect(&suites, options, error, error_size) < 0 ||
		versions_check(&suites, options, error, error_size) < 0)
		return -1;
	bool tls12 = options->tls12 && *suites.tls12, tls13 = options->tls13 && *suites.tls13;
	if ((tls12 && SSL_CTX_set_cipher_list(ctx, suites.tls12) != 1) ||
		(tls13 && SSL_CTX_set_ciphersuites(ctx, suites.tls13) != 1) ||
		SSL_CTX_set_min_proto_version(ctx, tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) != 1 ||
		SSL_CTX_set_max_proto_version(ctx, tls13 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
		SSL_CTX_set1_groups_list(ctx, groups) != 1) {
		snprintf(error, error_size, "ciphersuites: %s", openssl_error());
		return -1;
	}
	return 0;
}

static int configure_certificate(
	SSL_CTX *ctx, const struct ktls_server_options *options, char *error, size_t error_size)
{
	if (SSL_CTX_use_certificate(ctx, options->certificate) == 1 &&
		SSL_CTX_use_PrivateKey(ctx, options->key) == 1 &&
		(!options->chain || SSL_CTX_set1_chain(ctx, options->chain) == 1) &&
		SSL_CTX_check_private_key(ctx) == 1)
		return 0;
	snprintf(error, error_size, "certificate not usable: %s", openssl_error());
	return -1;
}

/* RFC 7301: HTTP/1.1 is what stands behind us; a client that lists none goes on. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned int in_len, void *arg)
{
	static const unsigned char http11[] = "\x08http/1.1";
	(void)ssl;
	(void)arg;
	for (unsigned i = 0; i < in_len; i += 1u + in[i])
		if (in_len - i >= 9 && memcmp(in + i, http11, 9) == 0) {
			*out = in + i + 1;
			*out_len = 8;
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_NOACK;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	struct ktls_session *session = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	if (name && !session->server_name)
		session->server_name = strdup(name);
	return SSL_TLSEXT_ERR_OK;
}

static bool from_hex(const char *hex, uint8_t *out, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		int high = OPENSSL_hexchar2int((unsigned char)hex[2 * i]);
		int low = high < 0 ? -1 : OPENSSL_hexchar2int((unsigned char)hex[2 * i + 1]);
		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* "LABEL CLIENT_RANDOM SECRET" in hex: the only door to TLS 1.3's traffic secrets. */
static void on_keylog(const SSL *ssl, const char *line)
{
	struct ktls_session *session = SSL_get_app_data(ssl);
	enum ktls_direction direction;
	if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0)
		direction = KTLS_RX;
	else if (strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0)
		direction = KTLS_TX;
	else
		return;
	const char *secret = strrchr(line, ' ') + 1;
	size_t size = strlen(secret) / 2;
	if (size <= KTLS_SECRET_MAX && from_hex(secret, session->side[direction].secret, size))
		session->secrets |= (uint8_t)(1 << direction);
	ktls_listen_for_secret(session, false);
}

/*
 * libssl spends 64 sprintf() on every secret it logs, on all of them: it is let in
 * on only the two that are wanted, each of which is derived behind a Finished.
 */
void ktls_listen_for_secret(struct ktls_session *session, bool listen)
{
	session->awaits_secret = listen;
	SSL_CTX_set_keylog_callback(session->server->ctx, listen ? on_keylog : NULL);
}

/* Each NewSessionTicket is one record under the application key (RFC 8446 4.6.1). */
static void on_message(
	int write, int version, int type, const void *data, size_t len, SSL *ssl, void *arg)
{
	(void)arg;
	struct ktls_session *session = SSL_get_app_data(ssl);
	if (version != TLS1_3_VERSION || type != SSL3_RT_HANDSHAKE || len == 0)
		return;
	uint8_t message = *(const uint8_t *)data;
	if (message == SSL3_MT_FINISHED)
		ktls_listen_for_secret(session, true);
	else if (write && message == SSL3_MT_NEWSESSION_TICKET)
		session->tickets_sent++;
}

static int bio_read(BIO *bio, char *data, size_t size, size_t *done)
{
	const struct ktls_session *session = BIO_get_data(bio);
	struct ktls_input *in = session->in;
	BIO_clear_retry_flags(bio);
	if (!in || in->len == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	*done = size < in->len ? size : in->len;
	memcpy(data, in->data, *done);
	in->data += *done;
	in->len -= *done;
	return 1;
}

static int bio_write(BIO *bio, const char *data, size_t size, size_t *done)
{
	const struct ktls_session *session = BIO_get_data(bio);
	struct ktls_output *out = session->out;
	BIO_clear_retry_flags(bio);
	if (!out || out->len == out->size) {
		BIO_set_retry_write(bio);
		return 0;
	}
	size_t room = out->size - out->len;
	*done = size < room ? size : room;
	memcpy(out->data + out->len, data, *done);
	out->len += *done;
	return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *method_new(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "ferrule");
	if (method && BIO_meth_set_read_ex(method, bio_read) &&
		BIO_meth_set_write_ex(method, bio_write) &&
		BIO_meth_set_ctrl(method, bio_control) && BIO_meth_set_create(method, bio_create))
		return method;
	BIO_meth_free(method);
	return NULL;
}

/* The context has room for 32 bytes; names may be longer and must not meet. */
static bool set_session_context(SSL_CTX *ctx, const char *name)
{
	uint8_t digest[32];
	return EVP_Digest(name, strlen(name), digest, NULL, EVP_sha256(), NULL) == 1 &&
	       SSL_CTX_set_session_id_context(ctx, digest, sizeof digest) == 1;
}

static SSL_CTX *ctx_new(const struct ktls_server_options *options)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx || !set_session_context(ctx, options->name)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_ANTI_REPLAY);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_msg_callback(ctx, on_message);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	return ctx;
}

struct ktls_server *ktls_server_new(
	const struct ktls_server_options *options, char *error, size_t error_size)
{
	struct ktls_server *server = calloc(1, sizeof *server);
	if (!server || ktls_crypto_init(&server->crypto) < 0 || !(server->method = method_new()) ||
		!(server->ctx = ctx_new(options))) {
		snprintf(error, error_size, "OpenSSL: %s", openssl_error());
		ktls_server_free(server);
		return NULL;
	}
	server->capabilities = options->capabilities;
	server->offload = options->offload;
	server->record_limit = options->record_limit ? options->record_limit : RECORD_LIMIT;
	server->tickets = options->tickets;
	if (server->tickets) {
		ktls_tickets_attach(server);
		/* A second one costs every handshake 10 us; a resumption brings the next. */
		SSL_CTX_set_num_tickets(server->ctx, 1);
	} else {
		/* TLS 1.2 and TLS 1.3: else libssl makes ticket keys of its own */
		SSL_CTX_set_options(server->ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(server->ctx, 0);
	}
	ERR_clear_error();
	if (configure_suites(server->ctx, options, error, error_size) < 0 ||
		(options->certificate &&
			configure_certificate(server->ctx, options, error, error_size) < 0)) {
		ktls_server_free(server);
		return NULL;
	}
	return server;
}

void ktls_server_free(struct ktls_server *server)
{
	if (!server)
		return;
	SSL_CTX_free(server->ctx);
	BIO_meth_free(server->method);
	ktls_crypto_done(&server->crypto);
	free(server);
}
