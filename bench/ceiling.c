/*
 * ceiling: what libssl itself needs for the server's half of a handshake: one thread, both ends
 * in memory, no sockets. Prints one line of NAME=VALUE words as bench/load does:
 *
 *   units=N bytes=0 seconds=S cpu_ns=N user_ns=N
 *
 * Only the server's steps count; the client's half is between two readings of the clock.
 */
#include <getopt.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NANOSECONDS 1000000000u

struct options {
	const char *certificate, *key;
	int version;
	bool resumes;
	double warmup, seconds;
};

struct ceiling {
	SSL_CTX *server, *client;
	SSL_SESSION *session; /* owned; what a resumption resumes */
	uint64_t server_ns;
};

static uint64_t clock_read(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

static int keep_session(SSL *tls, SSL_SESSION *session)
{
	struct ceiling *ceiling = SSL_CTX_get_app_data(SSL_get_SSL_CTX(tls));

	if (!ceiling->session && SSL_SESSION_is_resumable(session))
		ceiling->session = SSL_SESSION_dup(session);
	return 0;
}

static int context_limit(SSL_CTX *tls, const struct options *options)
{
	char groups[] = "X25519:P-256";

	return SSL_CTX_set_min_proto_version(tls, options->version) &&
	       SSL_CTX_set_max_proto_version(tls, options->version) &&
	       SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") &&
	       SSL_CTX_set_cipher_list(
		       tls, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256") &&
	       SSL_CTX_set1_groups_list(tls, groups);
}

static int ceiling_init(struct ceiling *ceiling, const struct options *options)
{
	ceiling->server = SSL_CTX_new(TLS_server_method());
	ceiling->client = SSL_CTX_new(TLS_client_method());
	if (!ceiling->server || !ceiling->client || !context_limit(ceiling->server, options) ||
		!context_limit(ceiling->client, options) ||
		SSL_CTX_use_certificate_chain_file(ceiling->server, options->certificate) != 1 ||
		SSL_CTX_use_PrivateKey_file(ceiling->server, options->key, SSL_FILETYPE_PEM) != 1)
		return -1;
	SSL_CTX_set_session_cache_mode(ceiling->server, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_cache_mode(
		ceiling->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ceiling->client, keep_session);
	SSL_CTX_set_app_data(ceiling->client, ceiling);
	return 0;
}

static void ceiling_done(struct ceiling *ceiling)
{
	SSL_SESSION_free(ceiling->session);
	SSL_CTX_free(ceiling->server);
	SSL_CTX_free(ceiling->client);
}

/* Two ends whose bytes cross in memory; either may be NULL when memory ran out. */
static bool pair_open(const struct ceiling *ceiling, SSL **server, SSL **client)
{
	BIO *one = NULL, *other = NULL;

	*server = SSL_new(ceiling->server);
	*client = SSL_new(ceiling->client);
	if (!*server || !*client || BIO_new_bio_pair(&one, 65536, &other, 65536) != 1)
		return false;
	SSL_set_bio(*server, one, one);
	SSL_set_bio(*client, other, other);
	return true;
}

static bool resume(SSL *client, SSL_SESSION *session)
{
	/* libssl spends a session by resuming it; each its copy. */
	SSL_SESSION *copy = SSL_SESSION_dup(session);
	bool set = copy && SSL_set_session(client, copy) == 1;

	SSL_SESSION_free(copy);
	return set;
}

/* Turn and turn about until both are through; the tickets are read as well. */
static bool pair_shake(struct ceiling *ceiling, SSL *server, SSL *client)
{
	char byte;
	int accepted = 0, connected = 0;

	for (int turn = 0; turn < 16 && (accepted != 1 || connected != 1); turn++) {
		connected = SSL_connect(client);
		const uint64_t start = clock_read(CLOCK_THREAD_CPUTIME_ID);
		accepted = SSL_accept(server);
		ceiling->server_ns += clock_read(CLOCK_THREAD_CPUTIME_ID) - start;
	}
	SSL_read(client, &byte, 1);
	ERR_clear_error();
	return accepted == 1 && connected == 1;
}

static bool shake_once(struct ceiling *ceiling, bool resumes)
{
	SSL *server, *client;
	uint64_t start = clock_read(CLOCK_THREAD_CPUTIME_ID);
	bool good = pair_open(ceiling, &server, &client);

	/* Objects and buffers of two ends, of which the server's is one half. */
	ceiling->server_ns += (clock_read(CLOCK_THREAD_CPUTIME_ID) - start) / 2;
	good = good && (!resumes || resume(client, ceiling->session)) &&
	       pair_shake(ceiling, server, client) && (SSL_session_reused(client) == 1) == resumes;
	start = clock_read(CLOCK_THREAD_CPUTIME_ID);
	SSL_free(server);
	ceiling->server_ns += clock_read(CLOCK_THREAD_CPUTIME_ID) - start;
	SSL_free(client);
	return good;
}

static int shake_for(
	struct ceiling *ceiling, const struct options *options, double seconds, uint64_t *units)
{
	const uint64_t end = clock_read(CLOCK_MONOTONIC) + (uint64_t)(seconds * NANOSECONDS);

	do {
		if (!shake_once(ceiling, options->resumes))
			return -1;
		++*units;
	} while (clock_read(CLOCK_MONOTONIC) < end);
	return 0;
}

static int measure(struct ceiling *ceiling, const struct options *options)
{
	uint64_t units = 0;

	if (options->resumes && (!shake_once(ceiling, false) || !ceiling->session))
		return -1;
	if (shake_for(ceiling, options, options->warmup, &units) != 0)
		return -1;
	units = 0;
	ceiling->server_ns = 0;
	const uint64_t start = clock_read(CLOCK_MONOTONIC);
	if (shake_for(ceiling, options, options->seconds, &units) != 0)
		return -1;
	printf("units=%" PRIu64 " bytes=0 seconds=%.3f cpu_ns=%" PRIu64 " user_ns=%" PRIu64 "\n",
		units, (double)(clock_read(CLOCK_MONOTONIC) - start) / NANOSECONDS,
		ceiling->server_ns, ceiling->server_ns);
	return 0;
}

static int usage(void)
{
	fputs("usage: ceiling --certificate FILE --key FILE --tls 1.2|1.3\n"
	      "               [--work handshakes|resumptions] [--warmup SECONDS] [--seconds "
	      "SECONDS]\n",
		stderr);
	return 2;
}

static int options_set(struct options *options, int option)
{
	switch (option) {
	case 'C':
		options->certificate = optarg;
		return 0;
	case 'K':
		options->key = optarg;
		return 0;
	case 't':
		options->version = strcmp(optarg, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
		return strcmp(optarg, "1.2") == 0 || strcmp(optarg, "1.3") == 0 ? 0 : -1;
	case 'w':
		options->resumes = strcmp(optarg, "resumptions") == 0;
		return options->resumes || strcmp(optarg, "handshakes") == 0 ? 0 : -1;
	case 'W':
		options->warmup = strtod(optarg, NULL);
		return options->warmup >= 0 ? 0 : -1;
	case 's':
		options->seconds = strtod(optarg, NULL);
		return options->seconds > 0 ? 0 : -1;
	default:
		return -1;
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"certificate", required_argument, NULL, 'C'},
		{"key", required_argument, NULL, 'K'},
		{"tls", required_argument, NULL, 't'},
		{"work", required_argument, NULL, 'w'},
		{"warmup", required_argument, NULL, 'W'},
		{"seconds", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.warmup = 0.3, .seconds = 1};
	struct ceiling ceiling = {0};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (options_set(&options, option) != 0)
			return usage();
	}
	if (optind != argc || !options.certificate || !options.key || options.version == 0)
		return usage();
	int result = ceiling_init(&ceiling, &options);
	if (result == 0)
		result = measure(&ceiling, &options);
	if (result != 0) {
		fputs("ceiling: libssl fails\n", stderr);
		ERR_print_errors_fp(stderr);
	}
	ceiling_done(&ceiling);
	return result == 0 ? 0 : 1;
}
