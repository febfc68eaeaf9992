/* A server's policy as one SSL_CTX per name: certificates, suites, versions, tickets. */
#include "ktls/client_auth.h"
#include "ktls/names.h"
#include "ktls/secrets.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 8446 5.5: 2^24.5 full-size records for AES-GCM. */
#define RECORD_LIMIT 23726566

int ktls_refuse(const struct ktls_problem *problem, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(problem->text, problem->size, format, arguments);
	va_end(arguments);
	return -1;
}

const char *ktls_openssl_reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	ERR_clear_error();
	return reason ? reason : "no reason given";
}

int ktls_refuse_openssl(const struct ktls_problem *problem, const char *what)
{
	return ktls_refuse(problem, "%s: %s", what, ktls_openssl_reason());
}

/* ---- what libssl calls ------------------------------------------------------ */

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

/* Each NewSessionTicket is one record under the application key (RFC 8446 4.6.1). */
static void on_message(
	int write, int version, int type, const void *data, size_t len, SSL *ssl, void *arg)
{
	(void)arg;
	struct ktls_session *session = SSL_get_app_data(ssl);
	if (version != TLS1_3_VERSION || type != SSL3_RT_HANDSHAKE || len == 0)
		return;
	if (write && *(const uint8_t *)data == SSL3_MT_NEWSESSION_TICKET)
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

/* ---- SSL_CTX and server ------------------------------------------------------ */

/*
 * A ticket is good where its session could have been made: the same server and
 * name (RFC 6066 3), the same policy towards clients. The context has room for
 * 32 bytes; names may be longer and must not meet.
 */
static bool set_session_context(
	SSL_CTX *ctx, const struct ktls_server_options *options, const char *server_name)
{
	uint8_t context[32];
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(digest, options->name, strlen(options->name) + 1) == 1 &&
		    EVP_DigestUpdate(digest, server_name, strlen(server_name) + 1) == 1 &&
		    ktls_client_auth_digest(digest, options) &&
		    EVP_DigestFinal_ex(digest, context, NULL) == 1 &&
		    SSL_CTX_set_session_id_context(ctx, context, sizeof context) == 1;
	EVP_MD_CTX_free(digest);
	return done;
}

static void set_tickets(SSL_CTX *ctx, const struct ktls_tickets *tickets)
{
	if (tickets) {
		ktls_tickets_attach(ctx, tickets);
		/* A second one costs every handshake 10 us; a resumption brings the next. */
		SSL_CTX_set_num_tickets(ctx, 1);
	} else {
		/* TLS 1.2 and TLS 1.3: else libssl makes ticket keys of its own */
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx, 0);
	}
}

static SSL_CTX *ctx_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(NULL, ktls_secrets_properties(), TLS_server_method());
	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_ANTI_REPLAY);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_msg_callback(ctx, on_message);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	return ctx;
}

/* The whole policy for one name; NULL for the check of everything else. */
static SSL_CTX *ctx_for(const struct ktls_server_options *options, const struct ktls_suites *suites,
	const struct ktls_name *name, bool is_default, const struct ktls_problem *problem)
{
	SSL_CTX *ctx = ctx_new();
	/* What clients ask the default for has not one name. */
	if (!ctx || !set_session_context(ctx, options, is_default ? "" : name->server_name)) {
		ktls_refuse_openssl(problem, "OpenSSL");
		SSL_CTX_free(ctx);
		return NULL;
	}
	set_tickets(ctx, options->tickets);
	if (ktls_suites_apply(suites, ctx, problem) == 0 &&
		ktls_client_auth_configure(ctx, options, problem) == 0 &&
		(!name || ktls_names_certify(ctx, name, problem) == 0))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static int add_names(struct ktls_server *server, const struct ktls_server_options *options,
	const struct ktls_suites *suites, const struct ktls_problem *problem)
{
	int result = ktls_names_add(server, &options->names[0], server->ctx, problem);
	for (size_t i = 1; i < options->name_count && result == 0; i++) {
		SSL_CTX *ctx = ctx_for(options, suites, &options->names[i], false, problem);
		result = ctx ? ktls_names_add(server, &options->names[i], ctx, problem) : -1;
		SSL_CTX_free(ctx);
	}
	if (result == 0)
		ktls_names_attach(server);
	return result;
}

static int configure(struct ktls_server *server, const struct ktls_server_options *options,
	const struct ktls_problem *problem)
{
	struct ktls_suites suites;
	ERR_clear_error();
	if (ktls_crypto_init(&server->crypto) < 0 || !(server->method = method_new()))
		return ktls_refuse_openssl(problem, "OpenSSL");
	if (ktls_suites_resolve(options, &suites, problem) < 0 ||
		ktls_names_check(options, &suites, problem) < 0)
		return -1;
	server->ctx = ctx_for(
		options, &suites, options->name_count ? &options->names[0] : NULL, true, problem);
	if (!server->ctx)
		return -1;
	/* With one name only, nothing is chosen and nothing is to be paid for it. */
	return options->name_count > 1 ? add_names(server, options, &suites, problem) : 0;
}

struct ktls_server *ktls_server_new(
	const struct ktls_server_options *options, char *error, size_t error_size)
{
	const struct ktls_problem problem = {error, error_size};
	struct ktls_server *server = calloc(1, sizeof *server);
	if (!server) {
		ktls_refuse(&problem, "out of memory");
		return NULL;
	}
	server->capabilities = options->capabilities;
	server->offload = options->offload;
	server->client_auth = options->client_auth;
	server->record_limit = options->record_limit ? options->record_limit : RECORD_LIMIT;
	server->tickets = options->tickets;
	server->keys = options->name_count ? ktls_suites_all_keys(options) : KTLS_KEY_ANY;
	if (configure(server, options, &problem) == 0)
		return server;
	ktls_server_free(server);
	return NULL;
}

void ktls_server_free(struct ktls_server *server)
{
	if (!server)
		return;
	ktls_names_done(server);
	SSL_CTX_free(server->ctx);
	BIO_meth_free(server->method);
	ktls_crypto_done(&server->crypto);
	free(server);
}
