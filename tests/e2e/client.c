#include "tests/e2e/client.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/net.h"
#include "tests/e2e/pattern.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/err.h>

#define CHUNK 65536

static const char secret_label[] = "CLIENT_TRAFFIC_SECRET_0 ";

/* ---- what libssl tells us ---- */

static void secret_logged(const SSL *ssl, const char *line)
{
	struct client *client = SSL_get_app_data(ssl);
	const char *hex = strrchr(line, ' ');
	long len = 0;
	uint8_t *secret;

	if (strncmp(line, secret_label, sizeof(secret_label) - 1) != 0)
		return;
	secret = OPENSSL_hexstr2buf(hex + 1, &len);
	if (secret != NULL && len > 0 && (size_t)len <= sizeof(client->secret))
		memcpy(client->secret, secret, (size_t)len);
	OPENSSL_free(secret);
}

static void alert_received(const SSL *ssl, int where, int value)
{
	struct client *client = SSL_get_app_data(ssl);

	if (where == SSL_CB_READ_ALERT && (value & 0xff) != SSL_AD_CLOSE_NOTIFY)
		client->alert = value & 0xff;
}

static void message_seen(
	int sent, int version, int type, const void *data, size_t len, SSL *ssl, void *argument)
{
	struct client *client = argument;
	const uint8_t *message = data;

	(void)version, (void)ssl;
	if (type != SSL3_RT_HANDSHAKE || len == 0)
		return;
	if (sent && message[0] == SSL3_MT_CLIENT_HELLO)
		client->hellos++;
	if (!sent && message[0] == SSL3_MT_KEY_UPDATE)
		client->key_updates++;
}

static int ticket_received(SSL *ssl, SSL_SESSION *session)
{
	struct client *client = SSL_get_app_data(ssl);

	SSL_SESSION_free(client->session);
	client->session = session;
	client->tickets++;
	return 1; /* the reference is ours now */
}

/* ---- making one ---- */

static bool ciphers_set(SSL_CTX *ctx, const char *ciphers)
{
	if (ciphers == NULL)
		return true;
	if (strncmp(ciphers, "TLS_", 4) == 0)
		return SSL_CTX_set_ciphersuites(ctx, ciphers) == 1;
	return SSL_CTX_set_cipher_list(ctx, ciphers) == 1;
}

static bool groups_set(SSL_CTX *ctx, const char *groups)
{
	char list[128]; /* the macro below takes no const */

	if (groups == NULL)
		return true;
	snprintf(list, sizeof(list), "%s", groups);
	return SSL_CTX_set1_groups_list(ctx, list) == 1;
}

static bool certificate_set(SSL_CTX *ctx, const struct client_options *options)
{
	if (options->certificate == NULL)
		return true;
	return SSL_CTX_use_certificate_chain_file(ctx, options->certificate) == 1 &&
	       SSL_CTX_use_PrivateKey_file(ctx, options->key, SSL_FILETYPE_PEM) == 1;
}

static SSL_CTX *ctx_new(const struct client_options *options)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int lowest = options->version != 0 ? options->version : TLS1_2_VERSION;

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, ticket_received);
	SSL_CTX_set_keylog_callback(ctx, secret_logged);
	SSL_CTX_set_info_callback(ctx, alert_received);
	SSL_CTX_set_msg_callback(ctx, message_seen);
	if (SSL_CTX_set_min_proto_version(ctx, lowest) == 1 &&
		SSL_CTX_set_max_proto_version(ctx, options->version) == 1 &&
		ciphers_set(ctx, options->ciphers) && groups_set(ctx, options->groups) &&
		certificate_set(ctx, options))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static bool plain_prepare(struct client *client)
{
	client->incoming = BIO_new(BIO_s_mem());
	return client->incoming != NULL;
}

static bool names_set(SSL *ssl, const struct client_options *options)
{
	char name[256]; /* the macro below takes no const */

	if (options->server_name != NULL) {
		snprintf(name, sizeof(name), "%s", options->server_name);
		if (SSL_set_tlsext_host_name(ssl, name) != 1)
			return false;
	}
	return options->session == NULL || SSL_set_session(ssl, options->session) == 1;
}

static bool ssl_prepare(struct client *client, const struct client_options *options)
{
	client->ctx = ctx_new(options);
	if (client->ctx == NULL)
		return false;
	client->ssl = SSL_new(client->ctx);
	client->incoming = BIO_new(BIO_s_mem());
	client->outgoing = BIO_new(BIO_s_mem());
	if (client->ssl == NULL || client->incoming == NULL || client->outgoing == NULL) {
		BIO_free(client->incoming);
		BIO_free(client->outgoing);
		client->incoming = NULL;
		return false;
	}
	BIO_set_mem_eof_return(client->incoming, -1); /* empty means: later */
	SSL_set_bio(client->ssl, client->incoming, client->outgoing);
	SSL_set_app_data(client->ssl, client);
	SSL_set_msg_callback_arg(client->ssl, client);
	SSL_set_connect_state(client->ssl);
	return names_set(client->ssl, options);
}

static bool client_prepare(struct client *client, const struct client_options *options)
{
	return options->plain ? plain_prepare(client) : ssl_prepare(client, options);
}

struct client *client_connect(const struct client_options *options)
{
	const char *host = options->host != NULL ? options->host : "127.0.0.1";
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->alert = -1;
	client->one_byte = options->one_byte;
	client->fd = net_connect(host, options->port, options->receive_buffer);
	if (client->fd < 0 || !client_prepare(client, options)) {
		client_free(client);
		return NULL;
	}
	client->local_port = net_local_port(client->fd);
	return client;
}

struct client *client_open(const struct client_options *options)
{
	struct client *client = client_connect(options);

	if (client != NULL && !client_handshake(client)) {
		client_free(client);
		return NULL;
	}
	return client;
}

void client_hang_up(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

void client_free(struct client *client)
{
	if (client == NULL)
		return;
	SSL_SESSION_free(client->session);
	if (client->ssl == NULL)
		BIO_free(client->incoming);
	SSL_free(client->ssl);
	SSL_CTX_free(client->ctx);
	client_hang_up(client);
	OPENSSL_cleanse(client->secret, sizeof(client->secret));
	free(client);
}

void client_reset(struct client *client)
{
	net_reset(client->fd);
	client->fd = -1;
	client_free(client);
}

/* ---- moving bytes between libssl and the socket ---- */

/* Takes one read's worth from the socket; false when there is no more to come. */
static bool bytes_take(struct client *client)
{
	uint8_t data[CHUNK];
	ssize_t got = net_read(client->fd, data, sizeof(data));

	if (got > 0)
		return BIO_write(client->incoming, data, (int)got) == got;
	if (got == 0)
		client->end = CLIENT_FIN;
	else
		client->end = errno == ETIMEDOUT ? CLIENT_DEADLINE : CLIENT_RESET;
	return false;
}

/* As net_write(), but keeps reading so that two full directions cannot deadlock. */
static bool bytes_give(struct client *client, const uint8_t *data, size_t len)
{
	short wanted = POLLIN | POLLOUT;

	while (len > 0) {
		ssize_t sent = send(client->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int events;

		if (sent > 0) {
			data += sent;
			len -= (size_t)sent;
			continue;
		}
		if (errno != EAGAIN)
			return false;
		events = net_wait(client->fd, wanted);
		if (events < 0)
			return false;
		if ((events & POLLIN) != 0 && !bytes_take(client)) {
			if (client->end != CLIENT_FIN)
				return false;
			wanted = POLLOUT; /* a half-closed peer may still read */
		}
	}
	return true;
}

static bool outgoing_flush(struct client *client)
{
	char *data;
	long len = BIO_get_mem_data(client->outgoing, &data);
	long step = client->one_byte && !SSL_is_init_finished(client->ssl) ? 1 : len;
	bool sent = true;

	for (long at = 0; sent && at < len; at += step)
		sent = bytes_give(client, (const uint8_t *)data + at, (size_t)step);
	BIO_reset(client->outgoing);
	return sent;
}

/*
 * The only reader of SSL_get_error(). True: call libssl again, more has arrived.
 * False: the direction has ended, and `end` says how.
 */
static bool retry(struct client *client, int result)
{
	switch (SSL_get_error(client->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return bytes_take(client);
	case SSL_ERROR_ZERO_RETURN:
		client->end = CLIENT_CLOSE_NOTIFY;
		return false;
	default:
		client->end = client->alert >= 0 ? CLIENT_ALERT : CLIENT_BROKEN;
		return false;
	}
}

static bool shake_hands(struct client *client, bool hold)
{
	for (;;) {
		int result;

		ERR_clear_error();
		result = SSL_do_handshake(client->ssl);
		if (result == 1 && hold)
			return true;
		/* A refusal may be on its way even when our bytes find no taker. */
		outgoing_flush(client);
		if (result == 1)
			return true;
		if (!retry(client, result))
			return false;
	}
}

bool client_handshake(struct client *client)
{
	return client->ssl == NULL || shake_hands(client, false);
}

bool client_handshake_hold(struct client *client)
{
	return shake_hands(client, true);
}

bool client_write(struct client *client, const void *data, size_t len)
{
	const uint8_t *next = data;

	if (client->ssl == NULL)
		return bytes_give(client, data, len);
	while (len > 0) {
		int part = len < CHUNK ? (int)len : CHUNK;
		int written;

		ERR_clear_error();
		written = SSL_write(client->ssl, next, part);
		if (!outgoing_flush(client))
			return false;
		if (written > 0) {
			next += written;
			len -= (size_t)written;
		} else if (!retry(client, written)) {
			return false;
		}
	}
	return true;
}

bool client_say(struct client *client, const char *text)
{
	return client_write(client, text, strlen(text));
}

/* libssl forgets what it said last time: asked again, an alert becomes an end. */
static bool is_over(const struct client *client)
{
	return client->end == CLIENT_CLOSE_NOTIFY || client->end == CLIENT_ALERT ||
	       client->end == CLIENT_BROKEN;
}

static size_t plain_read(struct client *client, void *data, size_t size)
{
	do {
		int got = BIO_read(client->incoming, data, size < CHUNK ? (int)size : CHUNK);

		if (got > 0)
			return (size_t)got;
	} while (bytes_take(client));
	return 0;
}

size_t client_read(struct client *client, void *data, size_t size)
{
	if (client->ssl == NULL)
		return plain_read(client, data, size);
	while (!is_over(client)) {
		int got;

		ERR_clear_error();
		got = SSL_read(client->ssl, data, size < CHUNK ? (int)size : CHUNK);
		outgoing_flush(client); /* an answer to a KeyUpdate, an alert */
		if (got > 0)
			return (size_t)got;
		if (!retry(client, got))
			break;
	}
	return 0;
}

bool client_read_all(struct client *client, void *data, size_t len)
{
	uint8_t *next = data;

	while (len > 0) {
		size_t got = client_read(client, next, len);

		if (got == 0)
			return false;
		next += got;
		len -= got;
	}
	return true;
}

bool client_read_text(struct client *client, char *text, size_t size)
{
	size_t len = 0, got;

	while (len < size - 1 && (got = client_read(client, text + len, size - 1 - len)) > 0)
		len += got;
	text[len] = '\0';
	return client->end == CLIENT_CLOSE_NOTIFY;
}

bool client_is_complete(const struct client *client)
{
	return client->end == (client->ssl != NULL ? CLIENT_CLOSE_NOTIFY : CLIENT_FIN);
}

enum client_end client_drain(struct client *client)
{
	uint8_t data[CHUNK];

	while (client_read(client, data, sizeof(data)) > 0)
		;
	return client->end;
}

bool client_shutdown(struct client *client)
{
	if (client->ssl == NULL)
		return shutdown(client->fd, SHUT_WR) == 0;
	ERR_clear_error();
	return SSL_shutdown(client->ssl) >= 0 && outgoing_flush(client);
}

enum client_end client_wait_fin(struct client *client)
{
	uint8_t data[CHUNK];
	ssize_t got;

	while ((got = net_read(client->fd, data, sizeof(data))) > 0)
		;
	if (got == 0)
		return CLIENT_FIN;
	return errno == ETIMEDOUT ? CLIENT_DEADLINE : CLIENT_RESET;
}

/* ---- tampering ---- */

bool client_send_raw(struct client *client, const void *data, size_t len)
{
	return bytes_give(client, data, len);
}

size_t client_seal(struct client *client, const void *data, size_t len, uint8_t *out, size_t size)
{
	int sealed = 0;

	if (SSL_write(client->ssl, data, (int)len) == (int)len)
		sealed = BIO_read(client->outgoing, out, (int)size);
	return sealed > 0 ? (size_t)sealed : 0;
}

/* ---- pattern bodies ---- */

bool client_send_pattern(struct client *client, uint64_t count, uint64_t seed)
{
	uint8_t data[CHUNK];

	for (uint64_t offset = 0; offset < count;) {
		size_t len = count - offset < CHUNK ? (size_t)(count - offset) : CHUNK;

		pattern_fill(seed, offset, data, len);
		if (!client_write(client, data, len))
			return false;
		offset += len;
	}
	return true;
}

int64_t client_read_pattern(struct client *client, uint64_t seed)
{
	uint8_t data[CHUNK];
	uint64_t offset = 0;
	size_t got;

	while ((got = client_read(client, data, sizeof(data))) > 0) {
		if (!pattern_matches(seed, offset, data, got))
			return -1;
		offset += got;
	}
	return (int64_t)offset;
}
