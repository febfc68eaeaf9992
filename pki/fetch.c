#include "pki/fetch.h"
#include "pki/error.h"
#include "pki/fetch_wire.h"
#include "pki/file.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_DEFAULT 30
#define TIMEOUT_MAX     3600
#define SIZE_DEFAULT    ((size_t)1024 * 1024)
#define SIZE_MAX_MAX    ((size_t)64 * 1024 * 1024) /* CRLs of large CAs */
#define BODY_MAX        ((size_t)1024 * 1024)
#define REDIRECTS_MAX   10

/* The child keeps the time itself; this is for one that hangs. */
#define GRACE_SECONDS 3

/* ---- what is asked for ------------------------------------------------------ */

static const struct {
	const char *name;
	unsigned bit;
} schemes[] = {{"http", PKI_FETCH_HTTP}, {"https", PKI_FETCH_HTTPS}, {"tftp", PKI_FETCH_TFTP},
	{"file", PKI_FETCH_FILE}};

static unsigned scheme_of(const char *url)
{
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t len = strlen(schemes[i].name);
		if (strncasecmp(url, schemes[i].name, len) == 0 && url[len] == ':')
			return schemes[i].bit;
	}
	return 0;
}

static int check_scheme(
	const struct pki_fetch_request *request, unsigned scheme, struct pki_error *error)
{
	char allowed[64] = "";
	if (scheme & request->protocols)
		return 0;
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t used = strlen(allowed);
		if (request->protocols & schemes[i].bit)
			snprintf(allowed + used, sizeof allowed - used, " %s://", schemes[i].name);
	}
	return pki_error_set(error,
		"%.200s: cannot be used here; the URL is to begin with one of%s", request->url,
		allowed);
}

/* RFC 7030 3.2.3: credentials are for a server that has been authenticated, no other. */
static int check_secrets(
	const struct pki_fetch_request *request, unsigned scheme, struct pki_error *error)
{
	bool verified = scheme == PKI_FETCH_HTTPS && request->trust != PKI_FETCH_BOOTSTRAP;
	if (request->password && !verified)
		return pki_error_set(error,
			"%.200s: the password is sent only to a server that has been "
			"authenticated; use an https:// URL and authenticate the trustpoint first",
			request->url);
	if (request->client_certificate && !verified)
		return pki_error_set(error,
			"%.200s: the certificate is shown only to a server that has been "
			"authenticated; use an https:// URL and authenticate the trustpoint first",
			request->url);
	if (!request->client_certificate != !request->client_key)
		return pki_error_set(error,
			"%.200s: a client certificate and its key are needed together",
			request->url);
	if (request->trust == PKI_FETCH_BOOTSTRAP && request->method != PKI_FETCH_GET)
		return pki_error_set(error,
			"%.200s: nothing is sent to a server that has not been authenticated; "
			"authenticate the trustpoint first",
			request->url);
	if (scheme == PKI_FETCH_HTTPS && request->trust == PKI_FETCH_ANCHORS && !request->anchors)
		return pki_error_set(error,
			"%.200s: there is no CA certificate that the server could be verified by; "
			"authenticate the trustpoint first",
			request->url);
	return 0;
}

static bool is_one_line(const char *text)
{
	return !text || strpbrk(text, "\r\n") == NULL;
}

static int check_lines(const struct pki_fetch_request *request, struct pki_error *error)
{
	bool fine = is_one_line(request->url) && is_one_line(request->content_type) &&
		    is_one_line(request->accept) && is_one_line(request->http_proxy) &&
		    is_one_line(request->source_interface);
	for (size_t i = 0; i < request->header_count; i++)
		fine &= is_one_line(request->headers[i]);
	return fine ? 0
		    : pki_error_set(error,
			      "%.200s: there is a line break in the URL or in a header; remove it",
			      request->url);
}

static int check_proxy(const struct pki_fetch_request *request, struct pki_error *error)
{
	const char *proxy = request->http_proxy;
	if (!proxy || !strstr(proxy, "://") || strncasecmp(proxy, "http://", 7) == 0)
		return 0;
	return pki_error_set(
		error, "http_proxy %.200s: write it as http://HOST:PORT", request->http_proxy);
}

static int check(const struct pki_fetch_request *request, unsigned scheme, struct pki_error *error)
{
	if (check_lines(request, error) || check_scheme(request, scheme, error) ||
		check_secrets(request, scheme, error) || check_proxy(request, error))
		return -1;
	bool transferable = scheme == PKI_FETCH_TFTP || scheme == PKI_FETCH_FILE
				    ? request->method != PKI_FETCH_POST
				    : request->method != PKI_FETCH_PUT;
	if (!transferable)
		return pki_error_set(error, "%.200s: such a URL cannot be %s", request->url,
			request->method == PKI_FETCH_PUT ? "written to; use tftp:// or file://"
							 : "posted to; use http:// or https://");
	if (request->len > BODY_MAX)
		return pki_error_set(error, "%.200s: %zu bytes are more than are sent to a CA",
			request->url, request->len);
	return 0;
}

/* ---- files --------------------------------------------------------------------- */

/* The path of a file: URL, percent-decoded; NULL with `error` filled. */
static char *file_path(const char *text, struct pki_error *error)
{
	char *path = NULL;
	CURLU *url = curl_url();
	CURLUcode code = url ? curl_url_set(url, CURLUPART_URL, text, 0) : CURLUE_OUT_OF_MEMORY;
	if (code == CURLUE_OK)
		code = curl_url_get(url, CURLUPART_PATH, &path, CURLU_URLDECODE);
	curl_url_cleanup(url);
	if (code != CURLUE_OK)
		pki_error_set(error, "%.200s: %s; write it as file:///PATH", text,
			curl_url_strerror(code));
	return path;
}

/* A request for a certificate is no secret: it is made for somebody to pick it up. */
static int file_put(
	const char *path, const struct pki_fetch_request *request, struct pki_error *error)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | O_NONBLOCK;
	int fd = openat(AT_FDCWD, path, flags, 0644);
	if (fd < 0)
		return pki_error_set(error, "%s: %s", path, strerror(errno));
	int result = pki_file_write(fd, request->body, request->len);
	if (close(fd) && result == 0)
		result = -errno;
	return result ? pki_error_set(error, "%s: %s", path, strerror(-result)) : 0;
}

static int file_get(const char *path, const struct pki_fetch_request *request,
	struct pki_fetch_reply *reply, struct pki_error *error)
{
	struct pki_file file;
	if (pki_file_read(path, &file, error))
		return -1;
	if (file.len > request->size_limit) {
		pki_file_done(&file);
		return pki_error_set(
			error, "%s: larger than the limit of %zu bytes", path, request->size_limit);
	}
	/* It has room for one byte more than it holds. */
	file.data[file.len] = '\0';
	reply->body = file.data;
	reply->len = file.len;
	return 0;
}

static int reply_complete(struct pki_fetch_reply *reply, const char *url, struct pki_error *error)
{
	reply->status = 200;
	reply->url = strdup(url);
	reply->content_type = strdup("");
	if (!reply->body)
		reply->body = calloc(1, 1);
	if (reply->url && reply->content_type && reply->body)
		return 0;
	pki_fetch_reply_done(reply);
	return pki_error_memory(error);
}

static int file_transfer(const struct pki_fetch_request *request, struct pki_fetch_reply *reply,
	struct pki_error *error)
{
	char *path = file_path(request->url, error);
	if (!path)
		return -1;
	int result = request->method == PKI_FETCH_PUT ? file_put(path, request, error)
						      : file_get(path, request, reply, error);
	curl_free(path);
	return result ? result : reply_complete(reply, request->url, error);
}

/* ---- the child ------------------------------------------------------------------- */

struct child {
	pid_t pid;
	int fd; /* owned: our end of the socket, non-blocking */
	struct timespec deadline;
};

/* Groups first: without root they could not be dropped any more. */
static bool become(const struct pki_fetch_identity *identity)
{
	if (!identity || !identity->change)
		return true;
	return setgroups(0, NULL) == 0 &&
	       setresgid(identity->gid, identity->gid, identity->gid) == 0 &&
	       setresuid(identity->uid, identity->uid, identity->uid) == 0;
}

__attribute__((noreturn)) static void child_start(int fd, const struct pki_fetch_identity *identity)
{
	static char name[] = "ferrule", word[] = PKI_FETCH_HELPER;
	char *const arguments[] = {name, word, NULL};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int number = 1; number < NSIG; number++)
		signal(number, number == SIGPIPE ? SIG_IGN : SIG_DFL);
	/* Nothing of ours but the socket: no key file, no lock, no listening socket. */
	if (dup2(fd, FETCH_CHILD_FD) < 0 || close_range(FETCH_CHILD_FD + 1, ~0U, 0) ||
		!become(identity))
		_exit(2);
	if (!identity || !identity->helper)
		fetch_child_run(FETCH_CHILD_FD);
	execv(identity->helper, arguments);
	_exit(3);
}

static int child_open(struct child *child, const struct pki_fetch_request *request,
	const struct pki_fetch_identity *identity, struct pki_error *error)
{
	int pair[2];
	*child = (struct child){.fd = -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return pki_error_set(
			error, "no socket for the process for transfers: %s", strerror(errno));
	child->fd = pair[0];
	child->pid = fork();
	if (child->pid == 0) {
		close(pair[0]);
		/* The end that dup2() would leave closed on exec, were it the same number. */
		fcntl(pair[1], F_SETFD, 0);
		child_start(pair[1], identity);
	}
	int reason = errno;
	close(pair[1]);
	fcntl(child->fd, F_SETFL, O_NONBLOCK);
	clock_gettime(CLOCK_MONOTONIC, &child->deadline);
	child->deadline.tv_sec += request->timeout_seconds + GRACE_SECONDS;
	if (child->pid > 0)
		return 0;
	close(child->fd);
	return pki_error_set(error, "no process for transfers: %s", strerror(reason));
}

/* Waits until the socket is ready; false when the time is over. */
static bool child_wait(const struct child *child, short events)
{
	for (;;) {
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		long left = (child->deadline.tv_sec - now.tv_sec) * 1000 +
			    (child->deadline.tv_nsec - now.tv_nsec) / 1000000;
		struct pollfd poller = {.fd = child->fd, .events = events};
		if (left <= 0)
			return false;
		if (poll(&poller, 1, (int)left) > 0)
			return true;
	}
}

static bool child_send(const struct child *child, const void *data, size_t len)
{
	const char *from = data;
	while (len > 0) {
		ssize_t put = send(child->fd, from, len, MSG_NOSIGNAL);
		if (put > 0) {
			from += put;
			len -= (size_t)put;
		} else if (put == 0 || (errno != EAGAIN && errno != EINTR) ||
			   !child_wait(child, POLLOUT)) {
			return false;
		}
	}
	return true;
}

static bool child_receive(const struct child *child, void *data, size_t len)
{
	char *to = data;
	while (len > 0) {
		ssize_t got = recv(child->fd, to, len, 0);
		if (got > 0) {
			to += got;
			len -= (size_t)got;
		} else if (got == 0 || (errno != EAGAIN && errno != EINTR) ||
			   !child_wait(child, POLLIN)) {
			return false;
		}
	}
	return true;
}

/* It has nothing of value: killing it is always right. Says how it ended, if it did before. */
static int child_end(const struct child *child)
{
	int status = 0;
	pid_t ended = waitpid(child->pid, &status, WNOHANG);
	if (ended == 0) {
		kill(child->pid, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(child->fd);
	return ended == child->pid ? status : 0;
}

/* After a failure: the child had no more to say. */
static int child_failed(const struct child *child, const char *url, struct pki_error *error)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec >= child->deadline.tv_sec) {
		child_end(child);
		return pki_error_set(error,
			"%.200s: the process for transfers hung and was ended; try again", url);
	}
	/* The socket closes a moment before the process can be waited for. */
	siginfo_t info;
	for (int tries = 0; tries < 100; tries++) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
			info.si_pid)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	int status = child_end(child);
	if (WIFSIGNALED(status))
		return pki_error_set(error,
			"%.200s: the process for transfers was ended by signal %d (%s); try again, "
			"and report it if it happens again",
			url, WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		return pki_error_set(error,
			"%.200s: the process for transfers could not give up its rights; check "
			"user and group in the configuration",
			url);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
		return pki_error_set(
			error, "%.200s: the program for transfers cannot be started", url);
	return pki_error_set(error,
		"%.200s: the process for transfers ended without an answer (exit status %d)", url,
		WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static int put_request(const struct child *child, const struct pki_fetch_request *request)
{
	struct fetch_wire wire = {0};
	fetch_wire_put_request(&wire, request);
	bool sent = !wire.failed && child_send(child, &wire.len, sizeof wire.len) &&
		    child_send(child, wire.data, wire.len);
	fetch_wire_done(&wire);
	return sent ? 0 : -1;
}

/* ---- the answer: the child may be in the hands of whoever it talked to -------------- */

static int wire_read(const struct child *child, size_t limit, struct fetch_wire *wire)
{
	size_t len;
	if (!child_receive(child, &len, sizeof len) || len > limit + FETCH_WIRE_EXTRA)
		return -1;
	wire->data = OPENSSL_malloc(len + 1);
	wire->size = len + 1;
	wire->len = len;
	return wire->data && child_receive(child, wire->data, len) ? 0 : -1;
}

static int get_reply(struct fetch_wire *wire, size_t limit, struct pki_fetch_reply *reply)
{
	reply->status = (long)(fetch_wire_get_number(wire) % 1000);
	reply->retry_after = (long)(fetch_wire_get_number(wire) & 0x7fffffff);
	reply->content_type = fetch_wire_get_text(wire, 1024);
	reply->url = fetch_wire_get_text(wire, FETCH_WIRE_EXTRA);
	reply->body = fetch_wire_get(wire, limit, &reply->len);
	if (wire->failed || !reply->content_type || !reply->url || !reply->body) {
		pki_fetch_reply_done(reply);
		return -1;
	}
	pki_make_printable(reply->content_type);
	pki_make_printable(reply->url);
	return 0;
}

/* Returns 0, -1 with the child's error, or -2: that was no answer. */
static int wire_decode(struct fetch_wire *wire, size_t limit, struct pki_fetch_reply *reply,
	struct pki_error *error)
{
	if (fetch_wire_get_number(wire) == 1)
		return get_reply(wire, limit, reply) ? -2 : 0;
	char *text = fetch_wire_get_text(wire, sizeof error->text - 1);
	if (!text)
		return -2;
	pki_make_printable(text);
	pki_error_set(error, "%s", text);
	free(text);
	return -1;
}

static int child_transfer(const struct pki_fetch_request *request,
	const struct pki_fetch_identity *identity, struct pki_fetch_reply *reply,
	struct pki_error *error)
{
	struct child child;
	struct fetch_wire wire = {0};
	if (child_open(&child, request, identity, error))
		return -1;
	if (put_request(&child, request) || wire_read(&child, request->size_limit, &wire)) {
		fetch_wire_done(&wire);
		return child_failed(&child, request->url, error);
	}
	child_end(&child);
	int result = wire_decode(&wire, request->size_limit, reply, error);
	fetch_wire_done(&wire);
	if (result == -2)
		return pki_error_set(error,
			"%.200s: the process for transfers answered nonsense; it is not used",
			request->url);
	return result;
}

int pki_fetch(const struct pki_fetch_request *request, const struct pki_fetch_identity *identity,
	struct pki_fetch_reply *reply, struct pki_error *error)
{
	struct pki_fetch_request bounded = *request;
	unsigned scheme = scheme_of(request->url);
	*reply = (struct pki_fetch_reply){0};
	if (check(request, scheme, error))
		return -1;
	if (bounded.timeout_seconds == 0)
		bounded.timeout_seconds = TIMEOUT_DEFAULT;
	if (bounded.timeout_seconds > TIMEOUT_MAX)
		bounded.timeout_seconds = TIMEOUT_MAX;
	if (bounded.size_limit == 0)
		bounded.size_limit = SIZE_DEFAULT;
	if (bounded.size_limit > SIZE_MAX_MAX)
		bounded.size_limit = SIZE_MAX_MAX;
	if (bounded.redirect_limit > REDIRECTS_MAX)
		bounded.redirect_limit = REDIRECTS_MAX;
	if (scheme == PKI_FETCH_FILE)
		return file_transfer(&bounded, reply, error);
	return child_transfer(&bounded, identity, reply, error);
}

void pki_fetch_reply_done(struct pki_fetch_reply *reply)
{
	if (reply->body)
		OPENSSL_cleanse(reply->body, reply->len);
	free(reply->body);
	free(reply->content_type);
	free(reply->url);
	*reply = (struct pki_fetch_reply){0};
}
