#include "tests/unit/ktls_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/x509.h>

static const struct ktls_capabilities no_kernel = {.ulp = 2};

const char *pair_suite(enum ktls_version version, enum ktls_cipher cipher)
{
	static const char *const names[2][KTLS_CIPHERS] = {
		[KTLS_TLS12] = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
			"ECDHE-ECDSA-CHACHA20-POLY1305"},
		[KTLS_TLS13] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
			"TLS_CHACHA20_POLY1305_SHA256"},
	};
	return names[version][cipher];
}

static struct ktls_server *server_new(const struct pair_options *options)
{
	char error[512] = "";
	struct made own = make_leaf("pair", NULL);
	struct ktls_certificate pair = {own.certificate, own.key, NULL};
	struct ktls_name name = {NULL, &pair, 1};
	struct ktls_server_options server_options = {
		.name = options->name ? options->name : "pair",
		.names = options->names ? options->names : &name,
		.name_count = options->names ? options->name_count : 1,
		.tls12 = options->version == KTLS_TLS12,
		.tls13 = options->version == KTLS_TLS13,
		.ciphersuites = &options->suite,
		.ciphersuite_count = options->suite != NULL,
		.client_auth = options->client_auth,
		.client_anchors = options->anchors,
		.offload = options->offload,
		.capabilities = options->capabilities ? options->capabilities : &no_kernel,
		.tickets = options->tickets,
		.record_limit = options->record_limit,
	};
	struct ktls_server *server = ktls_server_new(&server_options, error, sizeof error);
	if (!server)
		fprintf(stderr, "ktls_server_new: %s\n", error);
	made_done(&own);
	return server;
}

static SSL_CTX *client_ctx_new(const struct pair_options *options)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int version = options->version == KTLS_TLS13 ? TLS1_3_VERSION : TLS1_2_VERSION;
	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	if (options->suite && options->version == KTLS_TLS13)
		SSL_CTX_set_ciphersuites(ctx, options->suite);
	else if (options->suite)
		SSL_CTX_set_cipher_list(ctx, options->suite);
	if (options->sigalgs)
		SSL_CTX_set1_sigalgs_list(ctx, options->sigalgs);
	if (options->client)
		SSL_CTX_use_cert_and_key(
			ctx, options->client->certificate, options->client->key, NULL, 1);
	if (options->client && options->issuer)
		SSL_CTX_add1_chain_cert(ctx, options->issuer->certificate);
	return ctx;
}

struct pair *pair_prepare(const struct pair_options *options)
{
	char sni[256]; /* the macro casts const away */
	struct pair *pair = calloc(1, sizeof *pair);
	snprintf(sni, sizeof sni, "%s", options->sni ? options->sni : "host.example");
	pair->shares_server = options->server != NULL;
	pair->server = options->server ? options->server : server_new(options);
	if (!pair->server) {
		pair_free(pair);
		return NULL;
	}
	for (int i = 0; options->aead && i < KTLS_CIPHERS; i++)
		pair->server->crypto.aead[i] = options->aead;
	pair->session = ktls_session_new(pair->server, options->fd ? options->fd : -1);
	pair->ctx = client_ctx_new(options);
	pair->client = SSL_new(pair->ctx);
	pair->to_client = BIO_new(BIO_s_mem());
	pair->from_client = BIO_new(BIO_s_mem());
	SSL_set_bio(pair->client, pair->to_client, pair->from_client);
	SSL_set_connect_state(pair->client);
	if (*sni)
		SSL_set_tlsext_host_name(pair->client, sni);
	if (options->resume)
		SSL_set_session(pair->client, options->resume);
	return pair;
}

/* Client bytes to the session's input. */
static void collect(struct pair *pair)
{
	int n = BIO_read(pair->from_client, pair->input + pair->input_len,
		(int)(sizeof pair->input - pair->input_len));
	if (n > 0)
		pair->input_len += (size_t)n;
}

static void consumed(struct pair *pair, size_t n)
{
	memmove(pair->input, pair->input + n, pair->input_len - n);
	pair->input_len -= n;
}

void pair_deliver(struct pair *pair, const struct ktls_output *out)
{
	if (out->len)
		BIO_write(pair->to_client, out->data, (int)out->len);
}

/* One call of ktls_handshake() with as much input and room as the options say. */
static enum ktls_status handshake_step(
	struct pair *pair, const struct pair_options *options, size_t *offered)
{
	uint8_t bytes[32768];
	struct ktls_output out = {bytes, 0, options->room ? options->room : sizeof bytes};
	struct ktls_input in = {pair->input, *offered};
	enum ktls_status status = ktls_handshake(pair->session, &in, &out);
	consumed(pair, *offered - in.len);
	*offered = in.len;
	pair_deliver(pair, &out);
	return status;
}

enum ktls_status pair_handshake(struct pair *pair, const struct pair_options *options)
{
	enum ktls_status status = KTLS_WANT_READ;
	size_t offered = 0;
	bool early = false;
	for (int idle = 0; idle < 4 && status != KTLS_DONE && status != KTLS_FAILED;) {
		SSL_do_handshake(pair->client);
		if (SSL_is_init_finished(pair->client) && options->early && !early)
			early = SSL_write(pair->client, options->early,
					(int)strlen(options->early)) > 0;
		collect(pair);
		size_t more = pair->input_len - offered;
		if (options->chunk && more > options->chunk)
			more = options->chunk;
		idle = more || status == KTLS_WANT_WRITE ? 0 : idle + 1;
		offered += more;
		status = handshake_step(pair, options, &offered);
	}
	ERR_clear_error();
	return status;
}

struct pair *pair_new(const struct pair_options *options)
{
	struct pair *pair = pair_prepare(options);
	if (!pair || pair_handshake(pair, options) == KTLS_DONE) {
		if (pair)
			SSL_do_handshake(pair->client);
		return pair;
	}
	fprintf(stderr, "handshake: %s\n", ktls_session_error(pair->session));
	pair_free(pair);
	return NULL;
}

struct pair *pair_simple(enum ktls_version version, enum ktls_cipher cipher)
{
	struct pair_options options = {.version = version, .suite = pair_suite(version, cipher)};
	return pair_new(&options);
}

void pair_free(struct pair *pair)
{
	if (!pair)
		return;
	ktls_aead_done(&pair->forger);
	SSL_free(pair->client);
	SSL_CTX_free(pair->ctx);
	ktls_session_free(pair->session);
	if (!pair->shares_server)
		ktls_server_free(pair->server);
	free(pair);
}

bool pair_write(struct pair *pair, const void *data, size_t len)
{
	size_t written = 0;
	bool wrote = len == 0 || SSL_write_ex(pair->client, data, len, &written) == 1;
	collect(pair);
	return wrote && written == len;
}

/* The client's TX keys are the session's RX keys. */
static bool forger_init(struct pair *pair)
{
	const struct ktls_session *session = pair->session;
	const struct ktls_side *rx = &session->side[KTLS_RX];
	struct ktls_keys keys;
	if (session->version == KTLS_TLS12)
		keys = rx->keys;
	else if (ktls_keys_tls13(&pair->server->crypto, session->cipher, rx->secret, &keys) < 0)
		return false;
	pair->forges = ktls_aead_init(&pair->forger, &pair->server->crypto, session->version,
			       session->cipher, &keys, KTLS_TX, rx->aead.sequence) == 0;
	return pair->forges;
}

bool pair_forge(struct pair *pair, uint8_t type, const void *data, size_t len)
{
	uint8_t record[KTLS_RECORD_MAX];
	if (!pair->forges && !forger_init(pair))
		return false;
	/* libcrypto wants a pointer even for nothing */
	int n = ktls_aead_seal(&pair->forger, type, len ? data : record, len, record);
	if (n > 0)
		pair_inject(pair, record, (size_t)n);
	return n > 0;
}

void pair_inject(struct pair *pair, const void *data, size_t len)
{
	memcpy(pair->input + pair->input_len, data, len);
	pair->input_len += len;
}

enum ktls_status pair_open(struct pair *pair)
{
	uint8_t bytes[4096];
	enum ktls_status status;
	collect(pair);
	do {
		struct ktls_input in = {pair->input, pair->input_len};
		struct ktls_output out = {pair->plain, pair->plain_len, sizeof pair->plain};
		struct ktls_output reply = {bytes, 0, sizeof bytes};
		status = ktls_open(pair->session, &in, &out, &reply);
		consumed(pair, pair->input_len - in.len);
		pair->plain_len = out.len;
		pair_deliver(pair, &reply);
	} while (status == KTLS_WANT_WRITE && pair->plain_len < PAIR_BUFFER / 2);
	return status;
}

bool pair_seal_matches(struct pair *pair, const void *data, size_t len)
{
	struct ktls_input in = {data, len};
	uint8_t *sealed = malloc(PAIR_BUFFER), *read = malloc(len + 1);
	size_t have = 0;
	enum ktls_status status;
	do {
		struct ktls_output out = {sealed, 0, PAIR_BUFFER};
		status = ktls_seal(pair->session, &in, &out);
		pair_deliver(pair, &out);
		size_t n;
		while (have < len && SSL_read_ex(pair->client, read + have, len - have, &n) == 1)
			have += n;
	} while (status == KTLS_WANT_WRITE);
	bool matches = status == KTLS_DONE && have == len && memcmp(read, data, len) == 0;
	free(sealed);
	free(read);
	return matches;
}

int pair_client_read(struct pair *pair)
{
	uint8_t byte;
	size_t n;
	ERR_clear_error();
	return SSL_get_error(pair->client, SSL_read_ex(pair->client, &byte, 1, &n));
}

int pair_client_alert(struct pair *pair)
{
	int error = pair_client_read(pair);
	int reason = ERR_GET_REASON(ERR_peek_error());
	ERR_clear_error();
	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	/* ssl_err.c: the reason of an alert received is 1000 + its number */
	return error == SSL_ERROR_SSL && reason > SSL_AD_REASON_OFFSET
		       ? reason - SSL_AD_REASON_OFFSET
		       : -1;
}
