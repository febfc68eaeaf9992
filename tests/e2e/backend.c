#include "tests/e2e/backend.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/net.h"
#include "tests/e2e/pattern.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK        65536
#define STACK        (256 * 1024)
#define BACKLOG      2048
#define SLOW_PAUSE   3 /* milliseconds between two reads of a slow reader */
#define COMMAND_SIZE 64

struct backend {
	int fd;
	char address[256];
	pthread_t acceptor;
	pthread_mutex_t mutex; /* guards what follows */
	bool stopping;
	struct visit *visits; /* newest first */
	struct backend_report *reports;
	size_t report_count, report_room;
};

/* One connection and the thread that serves it. */
struct visit {
	struct visit *next;
	struct backend *backend;
	pthread_t thread;
	int fd; /* -1 once closed */
	uint64_t count, seed;
	struct backend_report report;
	uint8_t data[CHUNK];
};

/* ---- what a visit can be told to do ---- */

static void body_send(struct visit *visit)
{
	uint64_t offset = 0;

	while (offset < visit->count) {
		uint64_t left = visit->count - offset;
		size_t len = left < CHUNK ? (size_t)left : CHUNK;

		pattern_fill(visit->seed, offset, visit->data, len);
		if (net_write(visit->fd, visit->data, len) < 0)
			return;
		offset += len;
	}
}

/* Reads and checks until the peer ends its side. */
static void body_receive(struct visit *visit, int pause)
{
	struct backend_report *report = &visit->report;
	ssize_t got;

	while ((got = net_read(visit->fd, visit->data, CHUNK)) > 0) {
		if (!pattern_matches(visit->seed, report->received, visit->data, (size_t)got))
			report->good = false;
		report->received += (uint64_t)got;
		if (pause > 0)
			harness_pause(pause);
	}
	report->reset = got < 0 && errno == ECONNRESET;
}

static void receive_and_answer(struct visit *visit, int pause)
{
	char answer[64];
	int len;

	body_receive(visit, pause);
	len = snprintf(answer, sizeof(answer), "%llu %s\n",
		(unsigned long long)visit->report.received, visit->report.good ? "good" : "bad");
	net_write(visit->fd, answer, (size_t)len);
}

static void do_echo(struct visit *visit)
{
	ssize_t got;

	while ((got = net_read(visit->fd, visit->data, CHUNK)) > 0) {
		visit->report.received += (uint64_t)got;
		if (net_write(visit->fd, visit->data, (size_t)got) < 0)
			break;
	}
	visit->report.reset = got < 0 && errno == ECONNRESET;
}

static void do_sink(struct visit *visit)
{
	receive_and_answer(visit, 0);
}

static void do_slow(struct visit *visit)
{
	receive_and_answer(visit, SLOW_PAUSE);
}

static void do_pieces(struct visit *visit)
{
	int on = 1;

	setsockopt(visit->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (uint64_t offset = 0; offset < visit->count; offset++) {
		pattern_fill(visit->seed, offset, visit->data, 1);
		if (net_write(visit->fd, visit->data, 1) < 0)
			return;
	}
}

static void do_answer(struct visit *visit)
{
	body_receive(visit, 0);
	body_send(visit);
}

static void do_half(struct visit *visit)
{
	body_send(visit);
	shutdown(visit->fd, SHUT_WR);
	body_receive(visit, 0);
}

static void do_reset(struct visit *visit)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	body_send(visit);
	setsockopt(visit->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* Of a Unix socket the peer learns it by EPIPE, and of nothing else. */
static void do_deaf(struct visit *visit)
{
	ssize_t got = 1;

	while (got > 0 && visit->report.received < visit->count) {
		got = net_read(visit->fd, visit->data, CHUNK);
		visit->report.received += got > 0 ? (uint64_t)got : 0;
	}
	shutdown(visit->fd, SHUT_RD);
	/* What is in the socket already would keep its peer waiting for room. */
	while (net_read(visit->fd, visit->data, CHUNK) > 0)
		;
	net_wait(visit->fd, 0); /* POLLHUP */
}

static void do_stall(struct visit *visit)
{
	net_wait(visit->fd, POLLRDHUP);
}

static void do_pause(struct visit *visit)
{
	body_send(visit);
	net_wait(visit->fd, POLLRDHUP);
}

static void do_close(struct visit *visit)
{
	(void)visit;
}

static const struct command {
	const char *name;
	void (*run)(struct visit *visit);
	bool has_count;
} commands[] = {
	{"echo", do_echo, false},
	{"sink", do_sink, false},
	{"slow", do_slow, false},
	{"send", body_send, true},
	{"pieces", do_pieces, true},
	{"answer", do_answer, true},
	{"half", do_half, true},
	{"reset", do_reset, true},
	{"pause", do_pause, true},
	{"deaf", do_deaf, true},
	{"stall", do_stall, false},
	{"close", do_close, false},
};

/* ---- visits ---- */

/* Byte by byte: what follows the line belongs to the command. */
static bool line_read(struct visit *visit, char line[COMMAND_SIZE])
{
	for (size_t len = 0; len < COMMAND_SIZE; len++) {
		if (net_read(visit->fd, &line[len], 1) != 1)
			return false;
		if (line[len] == '\n') {
			line[len] = '\0';
			return true;
		}
	}
	return false;
}

static void line_obey(struct visit *visit, const char *line)
{
	unsigned long long first = 0, second = 0;
	char name[COMMAND_SIZE];

	if (sscanf(line, "%63s %llu %llu", name, &first, &second) < 1)
		return;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		visit->count = commands[i].has_count ? first : 0;
		visit->seed = commands[i].has_count ? second : first;
		commands[i].run(visit);
		return;
	}
}

static void report_add(struct backend *backend, const struct backend_report *report)
{
	if (backend->report_count == backend->report_room) {
		size_t room = backend->report_room * 2 + 16;
		void *reports = realloc(backend->reports, room * sizeof(*report));

		if (reports == NULL)
			return;
		backend->reports = reports;
		backend->report_room = room;
	}
	backend->reports[backend->report_count++] = *report;
}

static void *visit_main(void *argument)
{
	struct visit *visit = argument;
	char line[COMMAND_SIZE];

	visit->report.good = true;
	if (line_read(visit, line))
		line_obey(visit, line);
	pthread_mutex_lock(&visit->backend->mutex);
	close(visit->fd);
	visit->fd = -1;
	report_add(visit->backend, &visit->report);
	pthread_mutex_unlock(&visit->backend->mutex);
	return NULL;
}

static void visit_start(struct backend *backend, int fd)
{
	struct visit *visit = calloc(1, sizeof(*visit));
	pthread_attr_t attributes;

	if (visit == NULL) {
		close(fd);
		return;
	}
	visit->backend = backend;
	visit->fd = fd;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	pthread_mutex_lock(&backend->mutex);
	if (!backend->stopping &&
		pthread_create(&visit->thread, &attributes, visit_main, visit) == 0) {
		visit->next = backend->visits;
		backend->visits = visit;
		visit = NULL;
	}
	pthread_mutex_unlock(&backend->mutex);
	pthread_attr_destroy(&attributes);
	if (visit != NULL) {
		close(fd);
		free(visit);
	}
}

static void *acceptor_main(void *argument)
{
	struct backend *backend = argument;
	int fd;

	/* shutdown() of the listener in backend_stop() is what ends this. */
	while ((fd = accept4(backend->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		visit_start(backend, fd);
	return NULL;
}

/* ---- the backend ---- */

static int listener_open(struct backend *backend, const char *unix_path)
{
	uint16_t port;

	if (unix_path != NULL) {
		snprintf(backend->address, sizeof(backend->address), "unix:%s", unix_path);
		backend->fd = net_listen_unix(unix_path);
	} else {
		backend->fd = net_listen(&port, BACKLOG);
		if (backend->fd >= 0)
			snprintf(backend->address, sizeof(backend->address), "127.0.0.1:%u", port);
	}
	return backend->fd;
}

struct backend *backend_start(const char *unix_path)
{
	struct backend *backend = calloc(1, sizeof(*backend));

	if (backend == NULL)
		return NULL;
	pthread_mutex_init(&backend->mutex, NULL);
	if (listener_open(backend, unix_path) < 0)
		goto fail;
	if (pthread_create(&backend->acceptor, NULL, acceptor_main, backend) != 0) {
		close(backend->fd);
		goto fail;
	}
	return backend;
fail:
	pthread_mutex_destroy(&backend->mutex);
	free(backend);
	return NULL;
}

static void visits_stop(struct backend *backend)
{
	pthread_mutex_lock(&backend->mutex);
	backend->stopping = true;
	for (struct visit *visit = backend->visits; visit != NULL; visit = visit->next)
		if (visit->fd >= 0)
			shutdown(visit->fd, SHUT_RDWR);
	pthread_mutex_unlock(&backend->mutex);
}

void backend_stop(struct backend *backend)
{
	struct visit *visit;

	if (backend == NULL)
		return;
	visits_stop(backend);
	shutdown(backend->fd, SHUT_RDWR);
	pthread_join(backend->acceptor, NULL);
	while ((visit = backend->visits) != NULL) {
		backend->visits = visit->next;
		pthread_join(visit->thread, NULL);
		free(visit);
	}
	close(backend->fd);
	pthread_mutex_destroy(&backend->mutex);
	free(backend->reports);
	free(backend);
}

const char *backend_address(const struct backend *backend)
{
	return backend->address;
}

bool backend_wait(struct backend *backend, size_t nth, struct backend_report *report)
{
	do {
		bool found;

		pthread_mutex_lock(&backend->mutex);
		found = nth < backend->report_count;
		if (found)
			*report = backend->reports[nth];
		pthread_mutex_unlock(&backend->mutex);
		if (found)
			return true;
	} while (harness_tick());
	*report = (struct backend_report){0};
	return false;
}
