/*
 * pki/fetch: against a small server on loopback that answers as its path says, well or badly.
 * The server is a process of its own, with one more for each connection.
 */
#include "pki/fetch.h"
#include "pki/fetch_wire.h"
#include "tests/unit/pki_ca.h"

#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern CU_SuiteInfo pki_fetch_suites[];

static struct {
	int http, https, tftp, silent, http6; /* ports */
	pid_t servers[4];
	size_t server_count;
	EVP_PKEY *key;
	X509 *certificate, *other;
	char *pem, *other_pem, *key_pem;
} fixture;

static struct pki_error error;

static void contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		printf("\n  \"%s\"\n  has no \"%s\"\n", text, part);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
}

/* ---- the server ------------------------------------------------------------------ */

/* A connection, with TLS or without. */
struct peer {
	int fd;
	SSL *ssl;
	char request[65536];
	size_t len;
};

static ssize_t peer_read(struct peer *peer, void *data, size_t len)
{
	return peer->ssl ? SSL_read(peer->ssl, data, (int)len) : read(peer->fd, data, len);
}

static bool peer_write(struct peer *peer, const void *data, size_t len)
{
	ssize_t put = peer->ssl ? SSL_write(peer->ssl, data, (int)len)
				: send(peer->fd, data, len, MSG_NOSIGNAL);
	return put == (ssize_t)len;
}

static void say(struct peer *peer, const char *text)
{
	peer_write(peer, text, strlen(text));
}

static bool request_read(struct peer *peer)
{
	char *end = NULL;
	size_t body = 0;
	while (!end || peer->len < (size_t)(end + 4 - peer->request) + body) {
		ssize_t got = peer_read(
			peer, peer->request + peer->len, sizeof peer->request - 1 - peer->len);
		if (got <= 0)
			return false;
		peer->len += (size_t)got;
		peer->request[peer->len] = '\0';
		if (*peer->request < 'A') { /* that is TLS */
			say(peer, "HTTP/1.1 400 Bad Request\r\n\r\n");
			return false;
		}
		end = strstr(peer->request, "\r\n\r\n");
		const char *length = strstr(peer->request, "Content-Length: ");
		body = length ? strtoul(length + 16, NULL, 10) : 0;
	}
	return true;
}

static void answer_echo(struct peer *peer)
{
	char head[128];
	snprintf(head, sizeof head,
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
		peer->len);
	say(peer, head);
	peer_write(peer, peer->request, peer->len);
}

/* Whose the other end of the connection is, as the kernel sees it. */
static void answer_uid(struct peer *peer)
{
	struct sockaddr_in other;
	socklen_t size = sizeof other;
	char line[512], wanted[48], text[16], head[128];
	unsigned uid = 0;
	getpeername(peer->fd, (struct sockaddr *)&other, &size);
	snprintf(wanted, sizeof wanted, " 0100007F:%04X 0100007F:%04X 01 ", ntohs(other.sin_port),
		(unsigned)fixture.http);
	FILE *table = fopen("/proc/net/tcp", "r");
	while (table && fgets(line, sizeof line, table)) {
		if (strstr(line, wanted))
			sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %u", &uid);
	}
	if (table)
		fclose(table);
	snprintf(text, sizeof text, "%u", uid);
	snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(text), text);
	say(peer, head);
}

static void answer_endless(struct peer *peer, const char *head, const char *piece)
{
	static char block[16384];
	say(peer, head);
	size_t len = strlen(piece), used = 0;
	for (; used + len < sizeof block; used += len)
		memcpy(block + used, piece, len);
	while (peer_write(peer, block, used))
		;
}

static void answer_reset(struct peer *peer)
{
	struct linger hard = {.l_onoff = 1};
	say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

static void answer_plain(struct peer *peer, const char *path)
{
	static const struct {
		const char *path, *answer;
	} rows[] = {
		{"/500", "HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nsorry"},
		{"/html", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n"
			  "<html></html>"},
		{"/202", "HTTP/1.1 202 Accepted\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"},
		{"/loop", "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"},
		{"/file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n"
			  "Content-Length: 0\r\n\r\n"},
		{"/moved", "HTTP/1.1 307 Moved\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n"},
		{"/gigabyte", "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\nabc"},
		{"/short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"},
		{"/garbage", "\x16\x03\x01 what is this\r\n\r\n"},
		{"/nothing", ""},
		{"/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (!strcmp(rows[i].path, path))
			say(peer, rows[i].answer);
}

static void answer(struct peer *peer)
{
	char path[64] = "", location[160];
	sscanf(peer->request, "%*s %63s", path);
	if (!strncmp(path, "/echo", 5) || strstr(path, "://"))
		answer_echo(peer);
	else if (!strcmp(path, "/uid"))
		answer_uid(peer);
	else if (!strcmp(path, "/stream"))
		answer_endless(peer, "HTTP/1.0 200 OK\r\n\r\n", "0123456789");
	else if (!strcmp(path, "/headers"))
		answer_endless(peer, "HTTP/1.1 200 OK\r\n", "X-Filler: 0123456789\r\n");
	else if (!strcmp(path, "/hang"))
		pause();
	else if (!strcmp(path, "/reset"))
		answer_reset(peer);
	else if (!strcmp(path, "/login") && !strstr(peer->request, "Authorization: Basic "))
		say(peer, "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\n"
			  "Content-Length: 0\r\nConnection: close\r\n\r\n");
	else if (!strcmp(path, "/login"))
		answer_echo(peer);
	else if (!strcmp(path, "/plain")) {
		snprintf(location, sizeof location,
			"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/echo\r\n"
			"Content-Length: 0\r\n\r\n",
			fixture.http);
		say(peer, location);
	} else
		answer_plain(peer, path);
}

static int any_certificate(int valid, X509_STORE_CTX *ctx)
{
	(void)valid, (void)ctx;
	return 1;
}

static SSL_CTX *tls_open(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(ctx, fixture.certificate);
	SSL_CTX_use_PrivateKey(ctx, fixture.key);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, any_certificate);
	return ctx;
}

static void serve_one(int fd, SSL_CTX *ctx)
{
	static struct peer peer;
	peer.fd = fd;
	peer.ssl = ctx ? SSL_new(ctx) : NULL;
	if (peer.ssl && (!SSL_set_fd(peer.ssl, fd) || SSL_accept(peer.ssl) != 1))
		_exit(0);
	if (peer.ssl && SSL_get0_peer_certificate(peer.ssl)) {
		peer.len = (size_t)snprintf(peer.request, 64, "GET /shown X");
		if (request_read(&peer))
			answer_echo(&peer);
	} else if (request_read(&peer)) {
		answer(&peer);
	}
	if (peer.ssl)
		SSL_shutdown(peer.ssl);
	close(fd);
	_exit(0);
}

static void server_start(int fd, void (*serve)(int fd, SSL_CTX *ctx), SSL_CTX *ctx)
{
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGCHLD, SIG_IGN);
		serve(fd, ctx);
		_exit(0);
	}
	close(fd);
	fixture.servers[fixture.server_count++] = pid;
}

static void serve_tcp(int fd, SSL_CTX *ctx)
{
	for (;;) {
		int peer = accept(fd, NULL, NULL);
		if (peer >= 0 && fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve_one(peer, ctx);
		}
		if (peer >= 0)
			close(peer);
	}
}

/* RFC 1350, enough for files of one block: RRQ says "tftp says NAME", WRQ takes what comes. */
static void serve_tftp(int fd, SSL_CTX *ctx)
{
	(void)ctx;
	for (;;) {
		unsigned char in[1024], out[600] = {0, 3, 0, 1};
		struct sockaddr_in peer;
		socklen_t size = sizeof peer;
		ssize_t len = recvfrom(fd, in, sizeof in - 1, 0, (struct sockaddr *)&peer, &size);
		if (len < 4)
			continue;
		in[len] = '\0';
		size_t used = 4;
		if (in[1] == 1 && strstr((char *)in + 2, "absent"))
			used += (size_t)snprintf(
					(char *)memcpy(out, "\0\5\0\1", 4) + 4, 100, "No") +
				1;
		else if (in[1] == 1)
			used += (size_t)snprintf((char *)out + 4, 500, "tftp says %s", in + 2);
		else if (in[1] == 2 || in[1] == 3)
			memcpy(out, (unsigned char[]){0, 4, 0, in[1] == 2 ? 0 : in[3]}, 4);
		else
			continue;
		sendto(fd, out, used, 0, (struct sockaddr *)&peer, size);
	}
}

static int listen_on(int family, int type, int *port)
{
	struct sockaddr_in six_or_four = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	struct sockaddr_storage bound;
	socklen_t size = sizeof bound;
	int fd = socket(family, type, 0);
	int failed = family == AF_INET
			     ? bind(fd, (struct sockaddr *)&six_or_four, sizeof six_or_four)
			     : bind(fd, (struct sockaddr *)&six, sizeof six);
	if (failed || (type == SOCK_STREAM && listen(fd, 16)) ||
		getsockname(fd, (struct sockaddr *)&bound, &size)) {
		*port = 0;
		close(fd);
		return -1;
	}
	*port = ntohs(family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
					: ((struct sockaddr_in6 *)&bound)->sin6_port);
	return fd;
}

static char *pem_of(X509 *certificate, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	if (certificate)
		PEM_write_bio_X509(bio, certificate);
	else
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	long len = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)len);
	BIO_free(bio);
	return text;
}

/* Self-signed, for the address of loopback. */
static X509 *server_certificate(EVP_PKEY *key, const char *names)
{
	X509 *certificate =
		ca_issue(&(struct ca_issue){.name = "server", .key = key, .is_ca = true});
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	X509_sign(certificate, key, EVP_sha256());
	return certificate;
}

static int suite_begin(void)
{
	fixture.key = ca_key("EC");
	fixture.certificate = server_certificate(fixture.key, "IP:127.0.0.1");
	fixture.pem = pem_of(fixture.certificate, NULL);
	fixture.key_pem = pem_of(NULL, fixture.key);
	EVP_PKEY *other_key = ca_key("EC");
	fixture.other = server_certificate(other_key, "IP:127.0.0.1");
	fixture.other_pem = pem_of(fixture.other, NULL);
	EVP_PKEY_free(other_key);
	int http = listen_on(AF_INET, SOCK_STREAM, &fixture.http);
	int https = listen_on(AF_INET, SOCK_STREAM, &fixture.https);
	int tftp = listen_on(AF_INET, SOCK_DGRAM, &fixture.tftp);
	int http6 = listen_on(AF_INET6, SOCK_STREAM, &fixture.http6);
	listen_on(AF_INET, SOCK_DGRAM, &fixture.silent); /* stays open, unread */
	SSL_CTX *ctx = tls_open();
	server_start(http, serve_tcp, NULL);
	server_start(https, serve_tcp, ctx);
	server_start(tftp, serve_tftp, NULL);
	if (http6 >= 0)
		server_start(http6, serve_tcp, NULL);
	SSL_CTX_free(ctx);
	return 0;
}

static int suite_end(void)
{
	for (size_t i = 0; i < fixture.server_count; i++) {
		kill(fixture.servers[i], SIGKILL);
		waitpid(fixture.servers[i], NULL, 0);
	}
	X509_free(fixture.certificate);
	X509_free(fixture.other);
	EVP_PKEY_free(fixture.key);
	free(fixture.pem);
	free(fixture.other_pem);
	free(fixture.key_pem);
	return 0;
}

/* ---- requests ------------------------------------------------------------------------ */

static char url_text[128];

static const char *url_of(const char *scheme, int port, const char *path)
{
	snprintf(url_text, sizeof url_text, "%s://127.0.0.1:%d%s", scheme, port, path);
	return url_text;
}

static struct pki_fetch_request request_to(const char *scheme, int port, const char *path)
{
	return (struct pki_fetch_request){.url = url_of(scheme, port, path),
		.protocols = PKI_FETCH_HTTP | PKI_FETCH_HTTPS | PKI_FETCH_TFTP | PKI_FETCH_FILE,
		.timeout_seconds = 10,
		.size_limit = 100000,
		.redirect_limit = 3};
}

static int fetch(const struct pki_fetch_request *request, struct pki_fetch_reply *reply)
{
	memset(&error, 0, sizeof error);
	int result = pki_fetch(request, NULL, reply, &error);
	CU_ASSERT(result == 0 || (!reply->body && !reply->url && *error.text));
	CU_ASSERT(result != 0 || (reply->body && reply->body[reply->len] == '\0'));
	/* Nothing of it is left. */
	CU_ASSERT_EQUAL(waitpid(-1, NULL, WNOHANG), 0);
	return result;
}

/* Fetches and looks for `part` in the body, or in the error. */
static void expect(const struct pki_fetch_request *request, int result, const char *part)
{
	struct pki_fetch_reply reply;
	int got = fetch(request, &reply);
	if (got != result)
		printf("\n  %s: %s\n", request->url, got ? error.text : reply.body);
	CU_ASSERT_EQUAL(got, result);
	contains(got ? error.text : reply.body, part);
	pki_fetch_reply_done(&reply);
}

static void test_get(void)
{
	struct pki_fetch_request request = request_to("http", fixture.http, "/echo?a=b");
	struct pki_fetch_reply reply;
	static const char *const headers[] = {"X-One: 1"};
	request.headers = headers;
	request.header_count = 1;
	request.accept = "application/x-test";
	CU_ASSERT_EQUAL_FATAL(fetch(&request, &reply), 0);
	CU_ASSERT_EQUAL(reply.status, 200);
	CU_ASSERT_STRING_EQUAL(reply.content_type, "text/plain");
	CU_ASSERT_STRING_EQUAL(reply.url, request.url);
	contains(reply.body, "GET /echo?a=b HTTP/1.1\r\n");
	contains(reply.body, "\r\nX-One: 1\r\n");
	contains(reply.body, "\r\nAccept: application/x-test\r\n");
	contains(reply.body, "\r\nUser-Agent: ferrule/");
	pki_fetch_reply_done(&reply);
}

static void test_post(void)
{
	struct pki_fetch_request request = request_to("http", fixture.http, "/echo");
	request.method = PKI_FETCH_POST;
	request.content_type = "application/x-pki-message";
	request.body = "a\0b";
	request.len = 3;
	struct pki_fetch_reply reply;
	CU_ASSERT_EQUAL_FATAL(fetch(&request, &reply), 0);
	contains(reply.body, "POST /echo");
	contains(reply.body, "\r\nContent-Type: application/x-pki-message\r\n");
	CU_ASSERT_PTR_NULL(strstr(reply.body, "Expect"));
	CU_ASSERT_EQUAL(memcmp(reply.body + reply.len - 4, "\na\0b", 4), 0);
	pki_fetch_reply_done(&reply);
	/* A redirect keeps the method and the body. */
	request.url = url_of("http", fixture.http, "/moved");
	CU_ASSERT_EQUAL_FATAL(fetch(&request, &reply), 0);
	contains(reply.body, "POST /echo");
	contains(reply.url, "/echo");
	pki_fetch_reply_done(&reply);
}

static void test_statuses(void)
{
	static const struct {
		const char *path, *body;
		long status, retry_after;
	} rows[] = {{"/500", "sorry", 500, 0}, {"/202", "", 202, 120}, {"/html", "<html>", 200, 0},
		{"/empty", "", 200, 0}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pki_fetch_request request = request_to("http", fixture.http, rows[i].path);
		struct pki_fetch_reply reply;
		CU_ASSERT_EQUAL_FATAL(fetch(&request, &reply), 0);
		CU_ASSERT_EQUAL(reply.status, rows[i].status);
		CU_ASSERT_EQUAL(reply.retry_after, rows[i].retry_after);
		contains(reply.body, rows[i].body);
		pki_fetch_reply_done(&reply);
	}
}

static void test_hostile(void)
{
	static const struct {
		const char *path;
		unsigned timeout;
		const char *said;
	} rows[] = {
		{"/gigabyte", 5, "larger than the limit of 100000 bytes"},
		{"/stream", 5, "larger than the limit of 100000 bytes"},
		{"/headers", 5, "larger than the limit"},
		{"/loop", 5, "redirects"},
		{"/file", 5, "scheme that is not allowed"},
		{"/hang", 1, "no complete answer within 1 seconds"},
		{"/reset", 5, "connection broke"},
		{"/short", 5, "cut off"},
		{"/nothing", 5, "hung up without an answer"},
		{"/garbage", 5, "does not speak HTTP"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pki_fetch_request request = request_to("http", fixture.http, rows[i].path);
		request.timeout_seconds = rows[i].timeout;
		expect(&request, -1, rows[i].said);
	}
}

static void test_unreachable(void)
{
	int port;
	close(listen_on(AF_INET, SOCK_STREAM, &port));
	struct pki_fetch_request request = request_to("http", port, "/");
	expect(&request, -1, "check address and port");
	/* Two dots: no name server is asked. */
	request.url = "http://name..invalid/";
	expect(&request, -1, "check the name in the URL");
	/* A server without TLS. */
	request = request_to("https", fixture.http, "/echo");
	request.anchors = fixture.pem;
	expect(&request, -1, "port is one for https");
}

static void test_refused(void)
{
	static const char *const split[] = {"X: a\r\nY: b"};
	struct pki_fetch_request request = request_to("http", fixture.http, "/echo");
	request.password = "s3cret";
	expect(&request, -1, "the password is sent only to a server that has been authenticated");
	CU_ASSERT_PTR_NULL(strstr(error.text, "s3cret"));
	request = request_to("https", fixture.https, "/echo");
	expect(&request, -1, "no CA certificate");
	request.trust = PKI_FETCH_BOOTSTRAP;
	request.password = "s3cret";
	expect(&request, -1, "the password is sent only");
	request.password = NULL;
	request.client_certificate = fixture.pem;
	request.client_key = fixture.key_pem;
	expect(&request, -1, "the certificate is shown only");
	request.trust = PKI_FETCH_ANCHORS;
	request.anchors = fixture.pem;
	request.client_key = NULL;
	expect(&request, -1, "needed together");
	request.trust = PKI_FETCH_BOOTSTRAP;
	request.client_certificate = NULL;
	request.method = PKI_FETCH_POST;
	expect(&request, -1, "nothing is sent");
	request = request_to("http", fixture.http, "/echo");
	request.protocols = PKI_FETCH_HTTPS;
	expect(&request, -1, "begin with one of https://");
	request = request_to("gopher", fixture.http, "/echo");
	expect(&request, -1, "begin with one of http:// https:// tftp:// file://");
	request = request_to("http", fixture.http, "/echo");
	request.headers = split;
	request.header_count = 1;
	expect(&request, -1, "line break");
	request.header_count = 0;
	request.method = PKI_FETCH_PUT;
	expect(&request, -1, "cannot be written to");
	request.method = PKI_FETCH_GET;
	request.http_proxy = "socks5://127.0.0.1";
	expect(&request, -1, "http://HOST:PORT");
	request.http_proxy = NULL;
	request.url = "http://user:word@127.0.0.1/";
	expect(&request, -1, "no user name");
}

static void test_https(void)
{
	struct pki_fetch_request request = request_to("https", fixture.https, "/echo");
	request.anchors = fixture.pem;
	expect(&request, 0, "GET /echo");
	request.anchors = fixture.other_pem;
	expect(&request, -1, "not who the trustpoint trusts");
	request.anchors = "";
	expect(&request, -1, "authenticate it again");
	request.trust = PKI_FETCH_SYSTEM;
	expect(&request, -1, "not who the trustpoint trusts");
	request.trust = PKI_FETCH_BOOTSTRAP;
	expect(&request, 0, "GET /echo");
	/* Trusted, but another name. */
	char url[64];
	snprintf(url, sizeof url, "https://localhost:%d/echo", fixture.https);
	request.url = url;
	request.trust = PKI_FETCH_ANCHORS;
	request.anchors = fixture.pem;
	expect(&request, -1, "not who the trustpoint trusts");
	/* Never from https to http. */
	request.url = url_of("https", fixture.https, "/plain");
	expect(&request, -1, "not allowed here");
}

static void test_credentials(void)
{
	struct pki_fetch_request request = request_to("https", fixture.https, "/login");
	request.anchors = fixture.pem;
	request.username = "device";
	request.password = "s3cret";
	/* device:s3cret */
	expect(&request, 0, "Authorization: Basic ZGV2aWNlOnMzY3JldA==");
	request = request_to("https", fixture.https, "/echo");
	request.anchors = fixture.pem;
	request.client_certificate = fixture.pem;
	request.client_key = fixture.key_pem;
	expect(&request, 0, "GET /shown");
}

static void test_proxy_and_source(void)
{
	char proxy[64];
	struct pki_fetch_request request = request_to("http", fixture.http, "/");
	request.url = "http://ca..invalid/scep";
	snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", fixture.http);
	request.http_proxy = proxy;
	expect(&request, 0, "GET http://ca..invalid/scep HTTP/1.1");
	/* The environment's does not count. */
	setenv("http_proxy", proxy, 1);
	request.http_proxy = NULL;
	expect(&request, -1, "check the name");
	unsetenv("http_proxy");
	request = request_to("http", fixture.http, "/echo");
	request.source_interface = "127.0.0.1";
	expect(&request, 0, "GET /echo");
	request.source_interface = "lo";
	expect(&request, 0, "GET /echo");
	request.source_interface = "nosuch0";
	expect(&request, -1, "source_interface");
}

static void test_ipv6(void)
{
	char url[64];
	struct pki_fetch_request request = request_to("http", fixture.http, "/echo");
	if (!fixture.http6)
		return;
	snprintf(url, sizeof url, "http://[::1]:%d/echo", fixture.http6);
	request.url = url;
	expect(&request, 0, "Host: [::1]");
}

static void test_tftp(void)
{
	struct pki_fetch_request request = request_to("tftp", fixture.tftp, "/router1.ca");
	struct pki_fetch_reply reply;
	CU_ASSERT_EQUAL_FATAL(fetch(&request, &reply), 0);
	CU_ASSERT_EQUAL(reply.status, 200);
	CU_ASSERT_STRING_EQUAL(reply.body, "tftp says router1.ca");
	pki_fetch_reply_done(&reply);
	/* An HTTP proxy is not for TFTP. */
	request.http_proxy = "http://127.0.0.1:1";
	request.method = PKI_FETCH_PUT;
	request.body = "request";
	request.len = 7;
	expect(&request, 0, "");
	request = request_to("tftp", fixture.tftp, "/absent.ca");
	expect(&request, -1, "put the file on the TFTP server");
	request = request_to("tftp", fixture.silent, "/x");
	request.timeout_seconds = 1;
	expect(&request, -1, "");
}

static void test_file(void)
{
	char directory[] = "/tmp/ferrule-fetch-XXXXXX", path[64], url[96];
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/a b.crt", directory);
	snprintf(url, sizeof url, "file://%s/a%%20b.crt", directory);
	struct pki_fetch_request request = request_to("http", 1, "/");
	request.url = url;
	expect(&request, -1, "No such file");
	request.method = PKI_FETCH_PUT;
	request.body = "content";
	request.len = 7;
	expect(&request, 0, "");
	request.method = PKI_FETCH_GET;
	expect(&request, 0, "content");
	request.size_limit = 6;
	expect(&request, -1, "larger than the limit");
	request.size_limit = 0;
	request.url = "file://elsewhere/etc/passwd";
	expect(&request, -1, "file:///PATH");
	unlink(path);
	rmdir(directory);
}

/* ---- the process ----------------------------------------------------------------------- */

static void test_identity(void)
{
	struct pki_fetch_request request = request_to("http", fixture.http, "/uid");
	struct pki_fetch_identity identity = {.helper = "/proc/self/exe"};
	struct pki_fetch_reply reply;
	char wanted[16];
	if (geteuid() == 0) {
		identity.change = true;
		identity.uid = identity.gid = 65534;
	}
	snprintf(wanted, sizeof wanted, "%u", (unsigned)(identity.change ? 65534 : geteuid()));
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(pki_fetch(&request, &identity, &reply, &error), 0);
		CU_ASSERT_STRING_EQUAL(reply.body, wanted);
		pki_fetch_reply_done(&reply);
		identity.helper = NULL;
	}
}

static void script_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t put = write(fd, text, strlen(text));
	CU_ASSERT_EQUAL(put, (ssize_t)strlen(text));
	close(fd);
}

/* A child in the hands of the server it talked to, or worse. */
static void test_broken_helpers(void)
{
	static const struct {
		const char *script, *said;
	} rows[] = {
		{"#!/bin/sh\nexit 7\n", "exit status 7"},
		{"#!/bin/sh\nkill -SEGV $$\n", "signal 11"},
		{"#!/bin/sh\nhead -c 100 /dev/zero >&3\n", "nonsense"},
		{"#!/bin/sh\nyes >&3 2>/dev/null\n", "ended without an answer"},
		{"#!/bin/sh\nexec sleep 60\n", "hung"},
		{NULL, "cannot be started"},
	};
	char path[64];
	snprintf(path, sizeof path, "/tmp/ferrule-helper-%d", getpid());
	struct pki_fetch_request request = request_to("http", fixture.http, "/echo");
	struct pki_fetch_identity identity = {.helper = path};
	struct pki_fetch_reply reply;
	request.timeout_seconds = 1;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].script)
			script_write(path, rows[i].script);
		CU_ASSERT_EQUAL(pki_fetch(&request, &identity, &reply, &error), -1);
		contains(error.text, rows[i].said);
		CU_ASSERT_PTR_NULL(reply.body);
		unlink(path);
	}
}

static void test_wire(void)
{
	static const char *const headers[] = {"A: 1", "B: 2"};
	struct pki_fetch_request request = {.url = "http://x/",
		.method = PKI_FETCH_POST,
		.headers = headers,
		.header_count = 2,
		.body = "a\0b",
		.len = 3,
		.size_limit = 5};
	struct fetch_wire wire = {0};
	struct fetch_job job;
	fetch_wire_put_request(&wire, &request);
	CU_ASSERT_EQUAL(fetch_wire_get_request(&wire, &job), 0);
	CU_ASSERT_STRING_EQUAL(job.request.url, "http://x/");
	CU_ASSERT_STRING_EQUAL(job.request.headers[1], "B: 2");
	CU_ASSERT_EQUAL(job.request.len, 3);
	CU_ASSERT_PTR_NULL(job.request.password);
	fetch_job_done(&job);
	/* Cut off anywhere: refused, never read beyond. */
	size_t len = wire.len;
	for (wire.len = 0; wire.len < len; wire.len++) {
		wire.at = 0;
		wire.failed = false;
		CU_ASSERT_EQUAL(fetch_wire_get_request(&wire, &job), -1);
		fetch_job_done(&job);
	}
	fetch_wire_done(&wire);
}

static CU_TestInfo tests[] = {
	{"GET", test_get},
	{"POST", test_post},
	{"statuses", test_statuses},
	{"hostile servers", test_hostile},
	{"unreachable servers", test_unreachable},
	{"refused before connecting", test_refused},
	{"https", test_https},
	{"password and certificate", test_credentials},
	{"proxy and source", test_proxy_and_source},
	{"IPv6", test_ipv6},
	{"TFTP", test_tftp},
	{"files", test_file},
	{"account of the process", test_identity},
	{"broken processes", test_broken_helpers},
	{"wire", test_wire},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo pki_fetch_suites[] = {
	{"pki fetch", suite_begin, suite_end, NULL, NULL, tests},
	CU_SUITE_INFO_NULL,
};
