#include "tests/e2e/http_backend.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/http.h"
#include "tests/e2e/net.h"
#include "tests/e2e/pattern.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK      65536
#define STACK      (512 * 1024)
#define BACKLOG    4096
#define ANSWERS    128
#define PIECE      10007 /* bytes of a chunk: neither a power of two nor a divisor of one */
#define LATE       20    /* milliseconds */
#define SLOW_READ  16384
#define SLOW_PAUSE 2 /* milliseconds */
#define LINE_SIZE  1024

static const char default_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/* Grows; a NUL is always behind it. */
struct bytes {
	char *data;
	size_t len, room;
};

struct route {
	char path[64]; /* "": any */
	struct http_answer answer;
	unsigned used;
};

struct http_backend {
	int fd;
	bool proxied;
	char address[64];
	pthread_t acceptor;
	pthread_mutex_t mutex; /* guards what follows */
	bool stopping;
	uint16_t fence; /* the peer port of the connection that settle() makes */
	unsigned released;
	struct visit *visits; /* newest first */
	size_t visit_count, open_count;
	struct http_seen *seen, **seen_end; /* in the order they came */
	size_t seen_count;
	struct route routes[ANSWERS];
	size_t route_count;
};

/* One connection and the thread that serves it. */
struct visit {
	struct visit *next;
	struct http_backend *backend;
	pthread_t thread;
	size_t number;
	int fd;           /* -1 once closed; under the mutex */
	struct bytes got; /* all that came; grows under the mutex */
	size_t at;        /* so much of it has been understood */
	bool dying, slow;
	bool proxy_read; /* under the mutex, with the header itself */
	struct http_proxy_header proxy;
	char data[CHUNK];
};

static bool bytes_append(struct bytes *bytes, const void *data, size_t len)
{
	if (bytes->len + len + 1 > bytes->room) {
		size_t room = (bytes->len + len + 1) * 2;
		char *grown = realloc(bytes->data, room);

		if (grown == NULL)
			return false;
		bytes->data = grown;
		bytes->room = room;
	}
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
	bytes->data[bytes->len] = '\0';
	return true;
}

/* ---- reading ---- */

/* At least one more byte; false at the end of the stream. */
static bool visit_more(struct visit *visit)
{
	ssize_t got = net_read(visit->fd, visit->data, visit->slow ? SLOW_READ : CHUNK);
	bool kept;

	if (got <= 0)
		return false;
	if (visit->slow)
		harness_pause(SLOW_PAUSE);
	pthread_mutex_lock(&visit->backend->mutex);
	kept = bytes_append(&visit->got, visit->data, (size_t)got);
	pthread_mutex_unlock(&visit->backend->mutex);
	return kept;
}

static size_t visit_unread(const struct visit *visit)
{
	return visit->got.len - visit->at;
}

static bool visit_need(struct visit *visit, size_t len)
{
	while (visit_unread(visit) < len)
		if (!visit_more(visit))
			return false;
	return true;
}

/* Up to and with the mark: its length, 0 when the stream ends before. */
static size_t visit_find(struct visit *visit, const char *mark)
{
	size_t mark_len = strlen(mark), from = 0;

	for (;;) {
		const char *start = visit->got.data + visit->at + from;
		size_t len = visit_unread(visit) - from;
		const char *found = len > 0 ? memmem(start, len, mark, mark_len) : NULL;

		if (found != NULL)
			return from + (size_t)(found - start) + mark_len;
		from = visit_unread(visit) < mark_len ? 0 : visit_unread(visit) - mark_len + 1;
		if (!visit_more(visit))
			return 0;
	}
}

/* A line without its CR LF. */
static bool visit_line(struct visit *visit, char *line, size_t size)
{
	size_t len = visit_find(visit, "\r\n");

	if (len == 0 || len - 2 >= size)
		return false;
	memcpy(line, visit->got.data + visit->at, len - 2);
	line[len - 2] = '\0';
	visit->at += len;
	return true;
}

/* Moves bytes to a body. */
static bool body_pass(struct visit *visit, struct bytes *body, uint64_t count)
{
	while (count > 0) {
		size_t len = visit_unread(visit);

		if (len == 0 && !visit_more(visit))
			return false;
		len = visit_unread(visit);
		if (len > count)
			len = (size_t)count;
		if (!bytes_append(body, visit->got.data + visit->at, len))
			return false;
		visit->at += len;
		count -= len;
	}
	return true;
}

static bool trailers_pass(struct visit *visit, char *out, size_t size)
{
	char line[LINE_SIZE];
	size_t len = 0;

	while (visit_line(visit, line, sizeof(line))) {
		if (line[0] == '\0')
			return true;
		if (len < size)
			len += (size_t)snprintf(out + len, size - len, "%s\r\n", line);
	}
	return false;
}

static bool chunks_pass(struct visit *visit, struct http_seen *seen, struct bytes *body)
{
	char line[LINE_SIZE], *end;

	while (visit_line(visit, line, sizeof(line))) {
		uint64_t len = strtoull(line, &end, 16);

		if (end == line)
			return false;
		if (len == 0)
			return trailers_pass(visit, seen->trailers, sizeof(seen->trailers));
		if (!body_pass(visit, body, len) || !visit_line(visit, line, sizeof(line)))
			return false;
	}
	return false;
}

static bool body_read(struct visit *visit, struct http_seen *seen, struct bytes *body)
{
	char value[64];

	if (http_head_field(seen->head, "Transfer-Encoding", value, sizeof(value)) > 0)
		return chunks_pass(visit, seen, body);
	http_head_field(seen->head, "Content-Length", value, sizeof(value));
	return body_pass(visit, body, strtoull(value, NULL, 10));
}

/* ---- what is remembered of a request ---- */

static struct http_seen *seen_begin(struct visit *visit)
{
	size_t len = visit_find(visit, "\r\n\r\n");
	struct http_backend *backend = visit->backend;
	struct http_seen *seen;

	if (len == 0)
		return NULL;
	seen = calloc(1, sizeof(*seen));
	if (seen == NULL)
		return NULL;
	seen->head = strndup(visit->got.data + visit->at, len);
	seen->connection = visit->number;
	visit->at += len;
	pthread_mutex_lock(&backend->mutex);
	*backend->seen_end = seen;
	backend->seen_end = &seen->next;
	backend->seen_count++;
	pthread_mutex_unlock(&backend->mutex);
	return seen;
}

static void seen_end(struct visit *visit, struct http_seen *seen, struct bytes *body, bool complete)
{
	pthread_mutex_lock(&visit->backend->mutex);
	seen->body = body->data != NULL ? body->data : strdup("");
	seen->body_len = body->len;
	seen->complete = complete;
	seen->ended = true;
	pthread_mutex_unlock(&visit->backend->mutex);
}

/* ---- answering ---- */

static bool text_send(struct visit *visit, const struct http_answer *answer)
{
	const char *text = answer->text != NULL ? answer->text : default_answer;
	size_t len = answer->len > 0 ? answer->len : strlen(text);
	int on = 1;

	if (!answer->pieces)
		return net_write(visit->fd, text, len) == 0;
	setsockopt(visit->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (size_t i = 0; i < len; i++)
		if (net_write(visit->fd, text + i, 1) < 0)
			return false;
	return true;
}

static bool piece_send(struct visit *visit, const struct http_answer *answer, uint64_t offset)
{
	size_t most = answer->chunked ? PIECE : CHUNK;
	uint64_t left = answer->pattern - offset;
	size_t len = left < most ? (size_t)left : most;
	char line[64];

	pattern_fill(answer->seed, offset, visit->data, len);
	if (!answer->chunked)
		return net_write(visit->fd, visit->data, len) == 0;
	snprintf(line, sizeof(line), "%zX;at=%llu\r\n", len, (unsigned long long)offset);
	return net_write(visit->fd, line, strlen(line)) == 0 &&
	       net_write(visit->fd, visit->data, len) == 0 && net_write(visit->fd, "\r\n", 2) == 0;
}

static bool pattern_send(struct visit *visit, const struct http_answer *answer)
{
	char end[LINE_SIZE];

	for (uint64_t offset = 0; offset < answer->pattern;
		offset += answer->chunked ? PIECE : CHUNK)
		if (!piece_send(visit, answer, offset))
			return false;
	if (!answer->chunked)
		return true;
	snprintf(end, sizeof(end), "0\r\n%s\r\n", answer->trailers != NULL ? answer->trailers : "");
	return net_write(visit->fd, end, strlen(end)) == 0;
}

/* Waits for http_backend_release(), but not for a peer that has gone. */
static void release_await(struct visit *visit)
{
	struct http_backend *backend = visit->backend;
	bool released = false;

	do {
		pthread_mutex_lock(&backend->mutex);
		released = backend->released > 0 || backend->stopping;
		if (backend->released > 0)
			backend->released--;
		pthread_mutex_unlock(&backend->mutex);
	} while (!released && harness_tick());
}

static bool answer_send(struct visit *visit, const struct http_answer *answer)
{
	if (answer->held)
		release_await(visit);
	if (!text_send(visit, answer) || !pattern_send(visit, answer))
		return false;
	if (answer->late == NULL)
		return true;
	harness_pause(LATE);
	return net_write(visit->fd, answer->late, strlen(answer->late)) == 0;
}

static void read_to_end(struct visit *visit)
{
	while (visit_more(visit))
		;
}

static void echo_to_end(struct visit *visit)
{
	do {
		const char *next = visit->got.data + visit->at;
		size_t len = visit_unread(visit);

		visit->at += len;
		if (net_write(visit->fd, next, len) < 0)
			return;
	} while (visit_more(visit));
	shutdown(visit->fd, SHUT_WR);
}

/* Goes on to another request? */
static bool visit_goes_on(struct visit *visit, enum http_after after)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	switch (after) {
	case HTTP_KEEP:
		return true;
	case HTTP_DIE_NEXT:
		visit->dying = true;
		return true;
	case HTTP_LINGER:
		shutdown(visit->fd, SHUT_WR);
		read_to_end(visit);
		return false;
	case HTTP_SILENCE:
		read_to_end(visit);
		return false;
	case HTTP_ECHO:
		echo_to_end(visit);
		return false;
	case HTTP_RESET:
		setsockopt(visit->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		return false;
	case HTTP_CLOSE:
	default:
		return false;
	}
}

static bool route_fits(const struct route *route, const char *path, size_t len)
{
	if (route->answer.times > 0 && route->used == route->answer.times)
		return false;
	return route->path[0] == '\0' ||
	       (strlen(route->path) == len && memcmp(route->path, path, len) == 0);
}

static struct http_answer answer_choose(struct http_backend *backend, const char *head)
{
	struct http_answer answer = {0};
	const char *path = strchr(head, ' ');
	size_t len = path != NULL ? strcspn(++path, " ?\r") : 0;

	pthread_mutex_lock(&backend->mutex);
	for (size_t i = 0; path != NULL && i < backend->route_count; i++) {
		if (!route_fits(&backend->routes[i], path, len))
			continue;
		backend->routes[i].used++;
		answer = backend->routes[i].answer;
		break;
	}
	pthread_mutex_unlock(&backend->mutex);
	return answer;
}

/* ---- a visit ---- */

/* What the kernel takes for it is not read by it. */
static void visit_slow_down(struct visit *visit, bool slow)
{
	int size = 4 * CHUNK; /* less than a few segments of the loopback would stall */

	visit->slow = slow;
	if (slow)
		setsockopt(visit->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static bool request_serve(struct visit *visit)
{
	struct http_seen *seen = seen_begin(visit);
	struct http_answer answer;
	struct bytes body = {0};
	bool complete = false, sent = true;

	if (seen == NULL)
		return false;
	if (visit->dying) {
		seen_end(visit, seen, &body, false);
		return false;
	}
	answer = answer_choose(visit->backend, seen->head);
	visit_slow_down(visit, answer.slow);
	if (answer.interim != NULL)
		sent = net_write(visit->fd, answer.interim, strlen(answer.interim)) == 0;
	if (!answer.early && !answer.unread) {
		complete = body_read(visit, seen, &body);
		/* Before its answer: whoever has that may ask for the request. */
		seen_end(visit, seen, &body, complete);
	}
	if (sent && (complete || answer.early || answer.unread))
		sent = answer_send(visit, &answer);
	if (answer.early && !answer.unread)
		complete = body_read(visit, seen, &body);
	if (answer.early || answer.unread)
		seen_end(visit, seen, &body, complete);
	return visit_goes_on(visit, answer.after) && sent && complete;
}

static void proxy_addresses_read(struct http_proxy_header *header, const char *data, size_t len)
{
	int family = header->family == 0x11 ? AF_INET : AF_INET6;
	size_t size = family == AF_INET ? 4 : 16;

	if ((header->family != 0x11 && header->family != 0x21) || len < 2 * size + 4)
		return;
	inet_ntop(family, data, header->source, sizeof(header->source));
	inet_ntop(family, data + size, header->destination, sizeof(header->destination));
	memcpy(&header->source_port, data + 2 * size, 2);
	memcpy(&header->destination_port, data + 2 * size + 2, 2);
	header->source_port = ntohs(header->source_port);
	header->destination_port = ntohs(header->destination_port);
}

/* https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt, 2.2 */
static void proxy_header_read(struct visit *visit)
{
	static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	struct http_proxy_header header = {0};
	const uint8_t *start;
	size_t len = 0;

	if (visit_need(visit, 16) && memcmp(visit->got.data, signature, 12) == 0) {
		start = (const uint8_t *)visit->got.data;
		len = (size_t)start[14] << 8 | start[15];
		header.command = start[12] & 0xf;
		header.family = start[13];
		header.present = start[12] >> 4 == 2 && visit_need(visit, 16 + len);
	}
	if (header.present) {
		proxy_addresses_read(&header, visit->got.data + 16, len);
		visit->at = 16 + len;
	}
	pthread_mutex_lock(&visit->backend->mutex);
	visit->proxy = header;
	visit->proxy_read = true;
	pthread_mutex_unlock(&visit->backend->mutex);
}

static void *visit_main(void *argument)
{
	struct visit *visit = argument;
	struct http_backend *backend = visit->backend;

	if (backend->proxied)
		proxy_header_read(visit);
	while (request_serve(visit))
		;
	pthread_mutex_lock(&backend->mutex);
	close(visit->fd);
	visit->fd = -1;
	backend->open_count--;
	pthread_mutex_unlock(&backend->mutex);
	return NULL;
}

static bool visit_begin(struct visit *visit)
{
	struct http_backend *backend = visit->backend;
	pthread_attr_t attributes;
	bool begun;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	pthread_mutex_lock(&backend->mutex);
	visit->number = backend->visit_count;
	begun = !backend->stopping &&
		pthread_create(&visit->thread, &attributes, visit_main, visit) == 0;
	if (begun) {
		visit->next = backend->visits;
		backend->visits = visit;
		backend->visit_count++;
		backend->open_count++;
	}
	pthread_mutex_unlock(&backend->mutex);
	pthread_attr_destroy(&attributes);
	return begun;
}

/* Is it the connection that settle() made? Then all before it have been accepted. */
static bool fence_reached(struct http_backend *backend, uint16_t peer_port)
{
	bool reached;

	pthread_mutex_lock(&backend->mutex);
	reached = backend->fence != 0 && backend->fence == peer_port;
	if (reached)
		backend->fence = 0;
	pthread_mutex_unlock(&backend->mutex);
	return reached;
}

static void *acceptor_main(void *argument)
{
	struct http_backend *backend = argument;
	struct sockaddr_in peer;
	int fd;

	for (;;) {
		socklen_t size = sizeof(peer);
		struct visit *visit = NULL;

		/* shutdown() of the listener in http_backend_stop() is what ends this. */
		fd = accept4(backend->fd, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;
		if (!fence_reached(backend, ntohs(peer.sin_port)))
			visit = calloc(1, sizeof(*visit));
		if (visit != NULL) {
			visit->backend = backend;
			visit->fd = fd;
		}
		if (visit == NULL || !visit_begin(visit)) {
			close(fd);
			free(visit);
		}
	}
}

/* ---- start and stop ---- */

struct http_backend *http_backend_start(bool proxied)
{
	struct http_backend *backend = calloc(1, sizeof(*backend));
	uint16_t port = 0;

	if (backend == NULL)
		return NULL;
	pthread_mutex_init(&backend->mutex, NULL);
	backend->proxied = proxied;
	backend->seen_end = &backend->seen;
	backend->fd = net_listen(&port, BACKLOG);
	if (backend->fd < 0)
		goto fail;
	snprintf(backend->address, sizeof(backend->address), "127.0.0.1:%u", port);
	if (pthread_create(&backend->acceptor, NULL, acceptor_main, backend) == 0)
		return backend;
	close(backend->fd);
fail:
	pthread_mutex_destroy(&backend->mutex);
	free(backend);
	return NULL;
}

static void visits_stop(struct http_backend *backend)
{
	pthread_mutex_lock(&backend->mutex);
	backend->stopping = true;
	for (struct visit *visit = backend->visits; visit != NULL; visit = visit->next)
		if (visit->fd >= 0)
			shutdown(visit->fd, SHUT_RDWR);
	pthread_mutex_unlock(&backend->mutex);
}

static void seen_free(struct http_seen *seen)
{
	while (seen != NULL) {
		struct http_seen *next = seen->next;

		free(seen->head);
		free(seen->body);
		free(seen);
		seen = next;
	}
}

void http_backend_stop(struct http_backend *backend)
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
		free(visit->got.data);
		free(visit);
	}
	close(backend->fd);
	seen_free(backend->seen);
	pthread_mutex_destroy(&backend->mutex);
	free(backend);
}

const char *http_backend_address(const struct http_backend *backend)
{
	return backend->address;
}

/* ---- what the test lays down ---- */

void http_backend_answer(
	struct http_backend *backend, const char *path, const struct http_answer *answer)
{
	pthread_mutex_lock(&backend->mutex);
	if (EXPECT(backend->route_count < ANSWERS)) {
		struct route *route = &backend->routes[backend->route_count++];

		snprintf(route->path, sizeof(route->path), "%s", path != NULL ? path : "");
		route->answer = *answer;
	}
	pthread_mutex_unlock(&backend->mutex);
}

void http_backend_release(struct http_backend *backend)
{
	pthread_mutex_lock(&backend->mutex);
	backend->released++;
	pthread_mutex_unlock(&backend->mutex);
}

/* ---- what it asks ---- */

static struct http_seen *seen_at(struct http_backend *backend, size_t nth)
{
	struct http_seen *seen = backend->seen;

	while (seen != NULL && nth-- > 0)
		seen = seen->next;
	return seen;
}

const struct http_seen *http_backend_wait(struct http_backend *backend, size_t nth)
{
	struct http_seen *seen;

	do {
		pthread_mutex_lock(&backend->mutex);
		seen = seen_at(backend, nth);
		if (seen != NULL && !seen->ended)
			seen = NULL;
		pthread_mutex_unlock(&backend->mutex);
	} while (seen == NULL && harness_tick());
	EXPECT(seen != NULL && "a request at the backend");
	return seen;
}

bool http_backend_wait_heads(struct http_backend *backend, size_t count)
{
	while (http_backend_requests(backend) < count)
		if (!harness_tick())
			return EXPECT(false && "requests at the backend");
	return true;
}

bool http_backend_wait_open(struct http_backend *backend, size_t most)
{
	while (http_backend_open(backend) > most)
		if (!harness_tick())
			return EXPECT(false && "connections that the backend may forget");
	return true;
}

static bool fence_is_pending(struct http_backend *backend)
{
	bool pending;

	pthread_mutex_lock(&backend->mutex);
	pending = backend->fence != 0;
	pthread_mutex_unlock(&backend->mutex);
	return pending;
}

bool http_backend_settle(struct http_backend *backend)
{
	struct sockaddr_in address = {0};
	socklen_t size = sizeof(address);
	uint16_t port = 0;
	int fd = net_listen(&port, -1); /* bound: its port is known before it connects */
	bool connected;

	if (!EXPECT(fd >= 0))
		return false;
	pthread_mutex_lock(&backend->mutex);
	backend->fence = port;
	pthread_mutex_unlock(&backend->mutex);
	getsockname(backend->fd, (struct sockaddr *)&address, &size);
	connected = EXPECT(connect(fd, (struct sockaddr *)&address, size) == 0);
	while (connected && fence_is_pending(backend) && harness_tick())
		;
	close(fd);
	return connected && http_backend_wait_open(backend, 0);
}

static uint64_t number_of(struct http_backend *backend, const size_t *number)
{
	uint64_t value;

	pthread_mutex_lock(&backend->mutex);
	value = *number;
	pthread_mutex_unlock(&backend->mutex);
	return value;
}

size_t http_backend_connections(struct http_backend *backend)
{
	return number_of(backend, &backend->visit_count);
}

size_t http_backend_open(struct http_backend *backend)
{
	return number_of(backend, &backend->open_count);
}

size_t http_backend_requests(struct http_backend *backend)
{
	return number_of(backend, &backend->seen_count);
}

uint64_t http_backend_bytes(struct http_backend *backend)
{
	uint64_t bytes = 0;

	pthread_mutex_lock(&backend->mutex);
	for (struct visit *visit = backend->visits; visit != NULL; visit = visit->next)
		bytes += visit->got.len;
	pthread_mutex_unlock(&backend->mutex);
	return bytes;
}

static bool seen_holds(const struct http_seen *seen, const char *text)
{
	if (text == NULL)
		return seen->complete;
	return strstr(seen->head, text) != NULL ||
	       (seen->ended && memmem(seen->body, seen->body_len, text, strlen(text)) != NULL);
}

size_t http_backend_count(struct http_backend *backend, const char *text)
{
	size_t count = 0;

	pthread_mutex_lock(&backend->mutex);
	for (struct http_seen *seen = backend->seen; seen != NULL; seen = seen->next)
		count += seen_holds(seen, text);
	pthread_mutex_unlock(&backend->mutex);
	return count;
}

bool http_backend_has(struct http_backend *backend, const char *text)
{
	bool has = false;

	pthread_mutex_lock(&backend->mutex);
	for (struct visit *visit = backend->visits; visit != NULL; visit = visit->next)
		has |= visit->got.len > 0 &&
		       memmem(visit->got.data, visit->got.len, text, strlen(text)) != NULL;
	pthread_mutex_unlock(&backend->mutex);
	return has;
}

static bool proxy_header_copy(
	struct http_backend *backend, size_t connection, struct http_proxy_header *header)
{
	bool found = false;

	pthread_mutex_lock(&backend->mutex);
	for (struct visit *visit = backend->visits; visit != NULL; visit = visit->next) {
		if (visit->number != connection || !visit->proxy_read)
			continue;
		*header = visit->proxy;
		found = true;
	}
	pthread_mutex_unlock(&backend->mutex);
	return found;
}

bool http_backend_proxy_header(
	struct http_backend *backend, size_t connection, struct http_proxy_header *header)
{
	*header = (struct http_proxy_header){0};
	while (!proxy_header_copy(backend, connection, header))
		if (!harness_tick())
			return EXPECT(false && "a connection with its PROXY header");
	return EXPECT(header->present);
}
