/*
 * pki-responder [--mode LIST] [--journal FILE] DIRECTORY: a CA server for tests, on free
 * ports of 127.0.0.1 and ::1. It makes its CA in DIRECTORY, says where it listens and
 * "ready", and serves until it is killed:
 *
 *   /scep[/MODES]…                     SCEP
 *   /.well-known/est[/MODES]/OPERATION EST, over TLS
 *   /template[/MODES]/ca, /enroll      HTTP templates
 *   /file/NAME                         a file of DIRECTORY, for whoever fetches CA certificates
 *   /mode/MODES                        sets what --mode has set
 *
 * MODES are words separated by commas that say what the client is to meet with.
 */
#include "tests/pki/responder/authority.h"
#include "tests/pki/responder/est.h"
#include "tests/pki/responder/http.h"
#include "tests/pki/responder/journal.h"
#include "tests/pki/responder/scep.h"

#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

#define PATIENCE_SECONDS 30

static struct {
	struct authority authority;
	pthread_mutex_t mutex;
	char modes[256]; /* for all requests, besides those of their URLs */
	SSL_CTX *tls, *rogue_tls;
} responder = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* One for each way in. */
struct door {
	const char *scheme;
	int family;
	SSL_CTX *ctx; /* borrowed; NULL: plain */
	int fd;
};

struct visit {
	int fd;
	SSL_CTX *ctx;
	const char *scheme;
};

/* ---- requests ---- */

/* All segments between the first and the last, when the last is an operation, are modes. */
static bool modes_from_path(struct exchange *exchange, const char *skip, bool has_operation)
{
	char copy[1024], unknown[32];
	char *next, *end;

	snprintf(copy, sizeof(copy), "%s", exchange->path + strlen(skip));
	end = strrchr(copy, '/');
	if (has_operation && end != NULL)
		*end = '\0';
	for (char *word = strtok_r(copy, "/", &next); word != NULL;
		word = strtok_r(NULL, "/", &next)) {
		if (modes_add(&exchange->modes, word, unknown))
			continue;
		journal("unknown", "mode", unknown, NULL);
		http_answer_text(exchange, 404, "unknown mode\n");
		return false;
	}
	return true;
}

static void file_serve(struct exchange *exchange, const char *name)
{
	char path[1024];
	FILE *file;
	size_t len;
	char *text = malloc(HTTP_BODY_MAX);

	snprintf(path, sizeof(path), "%s/%.200s", responder.authority.directory, name);
	file = strstr(name, "..") == NULL && strstr(name, ".key") == NULL ? fopen(path, "re")
									  : NULL;
	if (file == NULL || text == NULL) {
		http_answer_text(exchange, 404, "no such file\n");
	} else {
		len = fread(text, 1, HTTP_BODY_MAX, file);
		http_answer(exchange, 200, "application/octet-stream", NULL, text, len);
	}
	if (file != NULL)
		fclose(file);
	free(text);
}

/* True when all of them are known. */
static bool modes_set(const char *list)
{
	struct modes checked = {0};
	char unknown[32];

	if (!modes_add(&checked, list, unknown))
		return false;
	pthread_mutex_lock(&responder.mutex);
	snprintf(responder.modes, sizeof(responder.modes), "%s", list);
	pthread_mutex_unlock(&responder.mutex);
	return true;
}

static void mode_serve(struct exchange *exchange, const char *list)
{
	if (modes_set(list))
		http_answer_text(exchange, 200, "");
	else
		http_answer_text(exchange, 404, "unknown mode\n");
}

static void modes_inherit(struct modes *modes)
{
	char list[sizeof(responder.modes)], unknown[32];

	pthread_mutex_lock(&responder.mutex);
	memcpy(list, responder.modes, sizeof(list));
	pthread_mutex_unlock(&responder.mutex);
	modes_add(modes, list, unknown);
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static void dispatch(struct exchange *exchange, const char *scheme)
{
	static const char est[] = "/.well-known/est", scep[] = "/scep", template[] = "/template";
	const char *last = strrchr(exchange->path, '/');
	const char *operation = last != NULL ? last + 1 : "";

	journal("request", "scheme", scheme, "method", exchange->method, "path", exchange->path,
		"query",
		starts_with(exchange->query, "operation=PKI") ? "operation=PKIOperation"
							      : exchange->query,
		NULL);
	modes_inherit(&exchange->modes);
	if (starts_with(exchange->path, "/mode/")) {
		mode_serve(exchange, operation);
	} else if (starts_with(exchange->path, est)) {
		if (modes_from_path(exchange, est, true))
			est_serve(&responder.authority, exchange, operation);
	} else if (starts_with(exchange->path, template)) {
		if (modes_from_path(exchange, template, true))
			template_serve(&responder.authority, exchange, operation);
	} else if (starts_with(exchange->path, "/file/")) {
		file_serve(exchange, operation);
	} else if (starts_with(exchange->path, scep)) {
		if (modes_from_path(exchange, scep, false))
			scep_serve(&responder.authority, exchange);
	} else if (starts_with(exchange->path, "/cgi-bin/pkiclient.exe")) {
		scep_serve(&responder.authority, exchange);
	} else {
		http_answer_text(exchange, 404, "nothing here\n");
	}
}

/* ---- connections ---- */

static BIO *visit_bio(const struct visit *visit, X509 **client)
{
	SSL *ssl;
	BIO *bio;

	if (visit->ctx == NULL)
		return BIO_new_socket(visit->fd, BIO_NOCLOSE);
	ssl = SSL_new(visit->ctx);
	if (ssl == NULL || SSL_set_fd(ssl, visit->fd) != 1 || SSL_accept(ssl) != 1) {
		journal("tls", "failed", "handshake", NULL);
		SSL_free(ssl);
		return NULL;
	}
	*client = SSL_get1_peer_certificate(ssl);
	bio = BIO_new(BIO_f_ssl());
	BIO_set_ssl(bio, ssl, BIO_CLOSE);
	return bio;
}

static void linger(int fd)
{
	char rest[4096];

	shutdown(fd, SHUT_WR);
	while (read(fd, rest, sizeof(rest)) > 0)
		;
}

static void *visit_main(void *argument)
{
	struct visit *visit = argument;
	struct exchange exchange = {.fd = visit->fd};
	struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
	struct linger at_once;
	socklen_t len = sizeof(at_once);

	setsockopt(visit->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(visit->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	exchange.bio = visit_bio(visit, &exchange.client);
	if (exchange.bio != NULL && http_receive(&exchange))
		dispatch(&exchange, visit->scheme);
	BIO_free_all(exchange.bio);
	if (getsockopt(visit->fd, SOL_SOCKET, SO_LINGER, &at_once, &len) == 0 && !at_once.l_onoff)
		linger(visit->fd);
	close(visit->fd);
	X509_free(exchange.client);
	free(exchange.head);
	free(exchange.body);
	free(visit);
	return NULL;
}

static void visit_start(int fd, const struct door *door)
{
	struct visit *visit = malloc(sizeof(*visit));
	pthread_t thread;

	if (visit == NULL) {
		close(fd);
		return;
	}
	*visit = (struct visit){.fd = fd, .ctx = door->ctx, .scheme = door->scheme};
	if (pthread_create(&thread, NULL, visit_main, visit) == 0) {
		pthread_detach(thread);
	} else {
		close(fd);
		free(visit);
	}
}

static void *door_main(void *argument)
{
	const struct door *door = argument;

	for (;;) {
		int fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			visit_start(fd, door);
	}
	return NULL;
}

/* ---- start ---- */

/* Any certificate will do in the handshake: requests are what is refused. */
static int accept_any(int ok, X509_STORE_CTX *ctx)
{
	(void)ok, (void)ctx;
	return 1;
}

static SSL_CTX *tls_ctx(enum authority_member who)
{
	const struct pair *pair = &responder.authority.members[who];
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL || SSL_CTX_use_certificate(ctx, pair->certificate) != 1 ||
		SSL_CTX_use_PrivateKey(ctx, pair->key) != 1)
		return NULL;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	return ctx;
}

/* The port, or 0. */
static unsigned door_open(struct door *door)
{
	struct sockaddr_in6 address = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&address;
	socklen_t len = door->family == AF_INET ? sizeof(*v4) : sizeof(address);

	address.sin6_family = (sa_family_t)door->family;
	if (door->family == AF_INET)
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		address.sin6_addr = in6addr_loopback;
	door->fd = socket(door->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (door->fd < 0 || bind(door->fd, (struct sockaddr *)&address, len) < 0 ||
		listen(door->fd, 64) < 0 ||
		getsockname(door->fd, (struct sockaddr *)&address, &len) < 0)
		return 0;
	return ntohs(address.sin6_port); /* at the same place in both */
}

static void doors_open(void)
{
	static struct door doors[] = {
		{.scheme = "http", .family = AF_INET},
		{.scheme = "http6", .family = AF_INET6},
		{.scheme = "https", .family = AF_INET},
		{.scheme = "https6", .family = AF_INET6},
		{.scheme = "https-rogue", .family = AF_INET},
	};
	pthread_t thread;

	doors[2].ctx = doors[3].ctx = responder.tls;
	doors[4].ctx = responder.rogue_tls;
	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
		printf("%s %u\n", doors[i].scheme, door_open(&doors[i]));
		if (doors[i].fd >= 0 && pthread_create(&thread, NULL, door_main, &doors[i]) != 0)
			exit(1);
	}
	printf("ready\n");
	fflush(stdout);
}

static int usage(FILE *out, int status)
{
	fprintf(out, "usage: pki-responder [--mode LIST] [--journal FILE] DIRECTORY\nmodes:\n");
	modes_describe(out);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"mode", required_argument, NULL, 'm'},
		{"journal", required_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *journal_path = NULL;
	const char *modes = "";
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'm')
			modes = optarg;
		else if (option == 'j')
			journal_path = optarg;
		else
			return usage(option == 'h' ? stdout : stderr, option == 'h' ? 0 : 2);
	}
	if (optind + 1 != argc || !modes_set(modes))
		return usage(stderr, 2);
	signal(SIGPIPE, SIG_IGN);
	OSSL_PROVIDER_load(NULL, "default");
	OSSL_PROVIDER_load(NULL, "legacy"); /* single DES */
	if (!journal_open(journal_path) || !authority_open(&responder.authority, argv[optind]) ||
		(responder.tls = tls_ctx(TLS)) == NULL ||
		(responder.rogue_tls = tls_ctx(ROGUE_TLS)) == NULL) {
		fprintf(stderr, "pki-responder: %s: no CA could be made\n", argv[optind]);
		return 1;
	}
	doors_open();
	for (;;)
		pause();
}
