/* The child of pki_fetch(): one request in, one answer out, nothing kept. */
#include "pki/error.h"
#include "pki/fetch_wire.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the request may need at most; the parent's word is trusted otherwise. */
#define REQUEST_LIMIT ((size_t)8 * 1024 * 1024)

static bool read_all(int fd, void *data, size_t len)
{
	char *to = data;
	while (len > 0) {
		ssize_t got = recv(fd, to, len, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		len -= (size_t)got;
	}
	return true;
}

static bool write_all(int fd, const void *data, size_t len)
{
	const char *from = data;
	while (len > 0) {
		ssize_t put = send(fd, from, len, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		from += put;
		len -= (size_t)put;
	}
	return true;
}

/* No dump, no file, few descriptors; with a parent that dies it dies too. */
static void confine(unsigned timeout)
{
	const struct {
		__rlimit_resource_t resource;
		rlim_t limit;
	} limits[] = {{RLIMIT_CORE, 0}, {RLIMIT_FSIZE, 0}, {RLIMIT_NOFILE, 64},
		{RLIMIT_CPU, timeout + 10}};
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rlimit limit = {limits[i].limit, limits[i].limit};
		setrlimit(limits[i].resource, &limit);
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

static int receive(int fd, struct fetch_job *job)
{
	struct fetch_wire wire = {0};
	size_t len = 0;
	int result = -1;
	*job = (struct fetch_job){0};
	if (read_all(fd, &len, sizeof len) && len <= REQUEST_LIMIT)
		wire.data = OPENSSL_malloc(len + 1);
	wire.size = wire.data ? len + 1 : 0;
	if (wire.data && read_all(fd, wire.data, len)) {
		wire.len = len;
		result = fetch_wire_get_request(&wire, job);
	}
	fetch_wire_done(&wire);
	return result;
}

static bool answer(
	int fd, int result, const struct pki_fetch_reply *reply, const struct pki_error *error)
{
	struct fetch_wire wire = {0};
	fetch_wire_put_number(&wire, result == 0);
	if (result == 0) {
		fetch_wire_put_number(&wire, (size_t)reply->status);
		fetch_wire_put_number(&wire, (size_t)reply->retry_after);
		fetch_wire_put_text(&wire, reply->content_type);
		fetch_wire_put_text(&wire, reply->url);
		fetch_wire_put(&wire, reply->body, reply->len);
	} else {
		fetch_wire_put_text(&wire, error->text);
	}
	bool done = !wire.failed && write_all(fd, &wire.len, sizeof wire.len) &&
		    write_all(fd, wire.data, wire.len);
	fetch_wire_done(&wire);
	return done;
}

void fetch_child_run(int fd)
{
	struct fetch_job job;
	struct pki_fetch_reply reply = {0};
	struct pki_error error = {0};
	confine(0xffff);
	int result = receive(fd, &job);
	if (result == 0) {
		confine(job.request.timeout_seconds);
		result = fetch_transfer(&job.request, &reply, &error);
	} else {
		pki_error_set(&error, "the request did not reach the process for transfers");
	}
	fetch_job_done(&job);
	bool done = answer(fd, result, &reply, &error);
	/* Without the handlers of the process it was forked from. */
	_exit(done ? 0 : 1);
}

int pki_fetch_helper(void)
{
	fetch_child_run(FETCH_CHILD_FD);
}
