/*
 * load: drives a proxy on 127.0.0.1 with one kind of work and prints what that
 * cost the proxy, as one line of NAME=VALUE words:
 *
 *   units=N bytes=N seconds=S cpu_ns=N user_ns=N         (rates)
 *   units=N bytes=0 seconds=S rss_kib=N kernel_kib=N     (idle: growth over the last N
 *                                                        connections)
 *
 * Exit status 0, 1 with the reason on standard error, 2 for wrong usage. Any
 * failed connection is a failed run: figures with errors in them mean nothing.
 */
#include "bench/client.h"
#include "bench/process.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_WAIT 64
#define STALL_MS        10000 /* no event at all for this long: the proxy hangs */
#define IDLE_BASE       100   /* connections opened before memory is first read */
#define OPENING_MAX     16    /* kept connections that shake hands at the same time */
#define IDLE_SETTLE_MS  500   /* for what proxies release shortly after a request */
#define CONNECTIONS_MAX 1000000
#define NANOSECONDS     1000000000u

struct options {
	enum client_work work;
	bool idle;
	struct client_tls tls;
	uint16_t port;
	const char *path;
	size_t upload_size;
	size_t connections;
	double warmup, seconds;
	uint64_t warmup_units; /* before which the warm-up does not end */
	uint64_t units;        /* end of the measurement, if it comes before seconds have passed */
	pid_t process;
};

struct load {
	struct client_plan plan;
	struct client **clients; /* owned, each of them too */
	size_t client_count;
	int epoll_fd;
	uint64_t units; /* finished so far */
	bool parks;     /* a client that has finished one unit stays idle */
	const char *error;
};

static uint64_t load_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

static int load_fail(struct load *load, const char *error)
{
	load->error = error;
	return -1;
}

static int load_advance(struct load *load, struct client *client)
{
	enum client_status status;

	while ((status = client_step(client)) == CLIENT_DONE) {
		load->units++;
		if (!load->parks)
			client_begin(client);
	}
	if (status == CLIENT_FAILED)
		return load_fail(load, client_error(client));
	return 0;
}

static int load_add_client(struct load *load)
{
	struct client *client = client_new(&load->plan, load->epoll_fd);

	if (!client)
		return load_fail(load, "out of memory");
	load->clients[load->client_count++] = client;
	client_begin(client);
	return load_advance(load, client);
}

/* One batch of events. */
static int load_turn(struct load *load)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	int ready = epoll_wait(load->epoll_fd, events, EVENTS_PER_WAIT, STALL_MS);

	if (ready == 0)
		return load_fail(load, "nothing happens any more: the proxy hangs");
	if (ready < 0)
		return errno == EINTR ? 0 : load_fail(load, strerror(errno));
	for (int i = 0; i < ready; i++) {
		if (load_advance(load, events[i].data.ptr) != 0)
			return -1;
	}
	return 0;
}

/* Turns until the time is up or so many units are done. */
static int load_spend(struct load *load, double seconds, uint64_t units)
{
	const uint64_t end = load_clock() + (uint64_t)(seconds * NANOSECONDS);

	while (load->units < units && load_clock() < end) {
		if (load_turn(load) != 0)
			return -1;
	}
	return 0;
}

/*
 * Obtains the session to resume from one answered request: by then the tickets
 * of TLS 1.3, which follow the handshake, have been read as well.
 */
static int load_prime(struct load *load)
{
	const enum client_work work = load->plan.work;
	int result;

	load->plan.work = CLIENT_RESPONSES;
	load->parks = true;
	result = load_add_client(load);
	while (result == 0 && load->units == 0)
		result = load_turn(load);
	if (load->client_count > 0)
		client_free(load->clients[--load->client_count]);
	load->plan.work = work;
	load->parks = false;
	if (result == 0 && !load->plan.session)
		return load_fail(load, "the server gave no session to resume");
	return result;
}

/*
 * Opens all kept connections; each rests after its first answer until the last is open, or the
 * open ones' requests would hold up the handshakes, and handshakes be measured as requests.
 */
static int load_open_kept(struct load *load, size_t total)
{
	load->plan.opened = 0;
	load->parks = true;
	while (load->plan.opened < total) {
		bool may_open = load->client_count < total &&
				load->client_count - load->plan.opened < OPENING_MAX;
		if ((may_open ? load_add_client(load) : load_turn(load)) != 0)
			return -1;
	}
	load->parks = false;
	for (size_t i = 0; i < load->client_count; i++) {
		struct client *client = load->clients[i];
		if (!client_is_resting(client))
			continue;
		client_begin(client);
		if (load_advance(load, client) != 0)
			return -1;
	}
	return 0;
}

/* Handshakes are the work itself: one after the other on each connection. */
static int load_open_shaking(struct load *load, size_t total)
{
	while (load->client_count < total) {
		if (load_add_client(load) != 0)
			return -1;
	}
	return 0;
}

static int load_warm_up(struct load *load, const struct options *options)
{
	load->units = 0;
	if (load_spend(load, options->warmup, UINT64_MAX) != 0)
		return -1;
	while (load->units < options->warmup_units) {
		if (load_turn(load) != 0)
			return -1;
	}
	return 0;
}

static int load_measure_rate(
	struct load *load, const struct options *options, const struct process_tree *tree)
{
	struct process_cpu before, after;

	bool shakes = options->work == CLIENT_HANDSHAKES || options->work == CLIENT_RESUMPTIONS;
	if ((shakes ? load_open_shaking(load, options->connections)
		    : load_open_kept(load, options->connections)) != 0 ||
		load_warm_up(load, options) != 0)
		return -1;
	load->units = 0;
	load->plan.bytes = 0;
	const uint64_t start = load_clock();
	if (process_tree_cpu(tree, &before) != 0 ||
		load_spend(load, options->seconds, options->units) != 0 ||
		process_tree_cpu(tree, &after) != 0)
		return load->error ? -1 : load_fail(load, "the proxy has gone");
	printf("units=%" PRIu64 " bytes=%" PRIu64 " seconds=%.3f cpu_ns=%" PRIu64
	       " user_ns=%" PRIu64 "\n",
		load->units, load->plan.bytes, (double)(load_clock() - start) / NANOSECONDS,
		after.nanoseconds - before.nanoseconds, process_cpu_user(&before, &after));
	return 0;
}

/* Opens connections up to a total, each answered once and then idle. */
static int load_park(struct load *load, size_t total)
{
	const struct timespec settle = {.tv_nsec = IDLE_SETTLE_MS * 1000000L};
	struct epoll_event event;

	while (load->units < total) {
		bool may_open = load->client_count < total &&
				load->client_count - load->units < OPENING_MAX;
		if ((may_open ? load_add_client(load) : load_turn(load)) != 0)
			return -1;
	}
	nanosleep(&settle, NULL);
	/* Whatever arrives now ends an idle connection, and so is an error. */
	while (epoll_wait(load->epoll_fd, &event, 1, 0) > 0) {
		if (load_advance(load, event.data.ptr) != 0)
			return -1;
	}
	return 0;
}

struct memory {
	uint64_t rss, kernel; /* KiB */
};

static int load_read_memory(
	struct load *load, const struct process_tree *tree, struct memory *memory)
{
	if (process_tree_rss(tree, &memory->rss) != 0 ||
		process_kernel_memory(&memory->kernel) != 0)
		return load_fail(load, "the proxy's memory cannot be read");
	return 0;
}

/* Negative when something else gave back more than the connections took. */
static int64_t growth(uint64_t before, uint64_t after)
{
	return (int64_t)after - (int64_t)before;
}

/* The growth between two readings, so that what is there anyway does not count. */
static int load_measure_idle(
	struct load *load, const struct options *options, const struct process_tree *tree)
{
	const uint64_t start = load_clock();
	struct memory before, after;

	load->parks = true;
	if (load_park(load, IDLE_BASE) != 0 || load_read_memory(load, tree, &before) != 0 ||
		load_park(load, IDLE_BASE + options->connections) != 0 ||
		load_read_memory(load, tree, &after) != 0)
		return -1;
	printf("units=%zu bytes=0 seconds=%.3f rss_kib=%" PRId64 " kernel_kib=%" PRId64 "\n",
		options->connections, (double)(load_clock() - start) / NANOSECONDS,
		growth(before.rss, after.rss), growth(before.kernel, after.kernel));
	return 0;
}

static int load_run(struct load *load, const struct options *options)
{
	struct process_tree tree;

	if (process_tree_read(&tree, options->process) != 0)
		return load_fail(load, "the processes below --process cannot be listed");
	if (options->work == CLIENT_RESUMPTIONS && load_prime(load) != 0)
		return -1;
	return options->idle ? load_measure_idle(load, options, &tree)
			     : load_measure_rate(load, options, &tree);
}

static int load_start(const struct options *options)
{
	struct load load = {.epoll_fd = -1};
	int result = -1;

	if (client_plan_init(&load.plan, options->work, options->port, &options->tls, options->path,
		    options->upload_size) != 0) {
		load.error = "libssl refuses the plan";
		goto out;
	}
	load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load.clients = calloc(IDLE_BASE + options->connections, sizeof(*load.clients));
	if (load.epoll_fd < 0 || !load.clients) {
		load.error = strerror(errno);
		goto out;
	}
	result = load_run(&load, options);
out:
	if (load.error)
		fprintf(stderr, "load: %s\n", load.error);
	while (load.client_count > 0)
		client_free(load.clients[--load.client_count]);
	free(load.clients);
	if (load.epoll_fd >= 0)
		close(load.epoll_fd);
	client_plan_done(&load.plan);
	return result;
}

static int usage(void)
{
	fputs("usage: load --port PORT --process PID [--tls 1.2|1.3] [--suite NAME]\n"
	      "            [--work responses|uploads|handshakes|resumptions|idle]\n"
	      "            [--path /PATH] [--upload-size BYTES] [--connections N]\n"
	      "            [--warmup SECONDS] [--warmup-units N] [--seconds SECONDS] [--units N]\n"
	      "Without --tls the connections are plain TCP.\n",
		stderr);
	return 2;
}

static int options_parse_work(struct options *options, const char *word)
{
	static const struct {
		const char *name;
		enum client_work work;
		bool idle;
	} works[] = {
		{"responses", CLIENT_RESPONSES, false},
		{"uploads", CLIENT_UPLOADS, false},
		{"handshakes", CLIENT_HANDSHAKES, false},
		{"resumptions", CLIENT_RESUMPTIONS, false},
		{"idle", CLIENT_RESPONSES, true},
	};

	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		if (strcmp(word, works[i].name) == 0) {
			options->work = works[i].work;
			options->idle = works[i].idle;
			return 0;
		}
	}
	return -1;
}

static int options_parse_version(struct options *options, const char *word)
{
	if (strcmp(word, "1.2") == 0)
		options->tls.version = TLS1_2_VERSION;
	else if (strcmp(word, "1.3") == 0)
		options->tls.version = TLS1_3_VERSION;
	else
		return -1;
	return 0;
}

/* clang-format off */
static const struct option option_names[] = {
	{"port",          required_argument, NULL, 'p'},
	{"process",       required_argument, NULL, 'P'},
	{"tls",           required_argument, NULL, 't'},
	{"suite",         required_argument, NULL, 'S'},
	{"work",          required_argument, NULL, 'w'},
	{"path",          required_argument, NULL, 'a'},
	{"upload-size",   required_argument, NULL, 'u'},
	{"connections",   required_argument, NULL, 'c'},
	{"warmup",        required_argument, NULL, 'W'},
	{"warmup-units",  required_argument, NULL, 'U'},
	{"seconds",       required_argument, NULL, 's'},
	{"units",         required_argument, NULL, 'n'},
	{NULL, 0, NULL, 0},
};
/* clang-format on */

/* One option; out-of-range numbers are left to options_are_sound(). */
static int options_set(struct options *options, int option)
{
	switch (option) {
	case 'p':
		options->port = (uint16_t)strtoul(optarg, NULL, 10);
		return 0;
	case 'P':
		options->process = (pid_t)strtol(optarg, NULL, 10);
		return 0;
	case 't':
		return options_parse_version(options, optarg);
	case 'S':
		options->tls.suite = optarg;
		return 0;
	case 'w':
		return options_parse_work(options, optarg);
	case 'a':
		options->path = optarg;
		return 0;
	case 'u':
		options->upload_size = strtoul(optarg, NULL, 10);
		return 0;
	case 'c':
		options->connections = strtoul(optarg, NULL, 10);
		return 0;
	case 'W':
		options->warmup = strtod(optarg, NULL);
		return 0;
	case 'U':
		options->warmup_units = strtoull(optarg, NULL, 10);
		return 0;
	case 's':
		options->seconds = strtod(optarg, NULL);
		return 0;
	case 'n':
		options->units = strtoull(optarg, NULL, 10);
		return 0;
	default:
		return -1;
	}
}

static bool options_are_sound(const struct options *options)
{
	const bool shakes =
		options->work == CLIENT_HANDSHAKES || options->work == CLIENT_RESUMPTIONS;

	return options->port > 0 && options->process > 0 && options->connections > 0 &&
	       options->connections <= CONNECTIONS_MAX && options->path[0] == '/' &&
	       strlen(options->path) < 128 && options->warmup >= 0 && options->seconds > 0 &&
	       options->units > 0 && (!shakes || options->tls.version != 0) &&
	       (options->work == CLIENT_UPLOADS) == (options->upload_size > 0);
}

int main(int argc, char **argv)
{
	struct options options = {
		.work = CLIENT_RESPONSES,
		.path = "/",
		.connections = 1,
		.warmup = 0.3,
		.seconds = 1,
		.units = UINT64_MAX,
	};
	int option;

	while ((option = getopt_long(argc, argv, "", option_names, NULL)) != -1) {
		if (options_set(&options, option) != 0)
			return usage();
	}
	if (optind != argc || !options_are_sound(&options))
		return usage();
	/* libssl writes without MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	return load_start(&options) == 0 ? 0 : 1;
}
