#include "proxy/supervisor.h"

#include "proxy/channel.h"
#include "proxy/control.h"
#include "proxy/debug.h"
#include "proxy/listener.h"
#include "proxy/notify.h"
#include "proxy/privileges.h"
#include "proxy/show.h"
#include "proxy/snapshot.h"
#include "proxy/ticket_keys.h"
#include "proxy/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS         1000
#define WORKER_START_MS 10000
/* How long workers may take to stop accepting. */
#define QUIET_MS 1000
/* A worker that dies at once is not started again at once. */
#define RESPAWN_MS 1000
/* Changed certificates that cannot be loaded are tried again, ever less often. */
#define STALE_PAUSE_MAX_MS 60000
/*
 * Descriptors of a worker that belong to no connection, or to one that is beyond the
 * limits: it gets a 503, or has been given up and goes in the next turn. And its pipes'.
 */
#define DESCRIPTORS_FIXED 128
#define DESCRIPTORS_PIPES 512

struct child {
	pid_t pid;    /* 0: gone */
	unsigned row; /* of the stats */
	int channel;  /* owned: descriptors for it */
};

/* The workers of one snapshot. */
struct generation {
	struct generation *next;
	struct snapshot *snapshot; /* owned */
	struct child *children;    /* as many as snapshot->workers */
	unsigned alive;
	bool draining;
	int64_t respawn_at; /* ms; 0: nothing to start again */
};

/* What new workers get from the supervisor itself. */
struct surroundings {
	struct log log;
	int access_fd;
	struct account account;
};

struct supervisor {
	char *path; /* of the configuration */
	struct log log;
	int access_fd; /* owned: the access log, -1: none */
	struct ktls_capabilities capabilities;
	struct stats *stats; /* shared mapping */
	struct ticket_keys ticket_keys;
	struct account account;
	struct surroundings *before;       /* in a reload: those that may have to come back */
	char *server_names[STATS_SERVERS]; /* by slot */
	bool row_used[STATS_ROWS];
	struct generation *generations; /* the current one first */
	int signal_fd, control_fd;
	pid_t pid;
	bool stopping;
	int64_t stale_at, stale_pause; /* ms: when to look at changed files again */
};

static int64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- building a snapshot ------------------------------------------------------- */

static int find_slot(void *arg, const char *name)
{
	struct supervisor *supervisor = arg;
	for (int i = 0; i < STATS_SERVERS; i++) {
		if (!supervisor->server_names[i])
			supervisor->server_names[i] = strdup(name);
		if (supervisor->server_names[i] && strcmp(supervisor->server_names[i], name) == 0)
			return i;
	}
	return -1;
}

/* All errors of a file in one text, a line each. */
static char *join_errors(const struct conf_errors *errors)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	for (size_t i = 0; i < errors->count; i++)
		fprintf(out, "%s%s", i ? "\n" : "", errors->lines[i]);
	return fclose(out) == 0 ? text : NULL;
}

/* What stands behind a server's clients at most: connections to backends, or files sent. */
static unsigned most_behind(const struct conf_server *server)
{
	bool is_files = server->backend.type == CONF_BACKEND_FILES;
	return is_files ? server->max_connections : server->backend_max_connections;
}

/* Every worker may come to hold every connection. */
static char *descriptors_missing(const struct conf *conf)
{
	unsigned long limit = descriptors_limit(), fixed = DESCRIPTORS_FIXED + DESCRIPTORS_PIPES;
	unsigned long clients = 0, behind = 0;
	char *text = NULL;
	for (size_t i = 0; i < conf->server_count; i++) {
		const struct conf_server *server = &conf->servers[i];
		fixed += (server->secure_address.count + server->http_address.count) *
			 snapshot_sockets(conf);
		clients += server->max_connections;
		behind += most_behind(server);
	}
	unsigned long need = clients + behind + fixed;
	if (need > limit &&
		asprintf(&text,
			"%s:%d: max_connections and backend_max_connections need %lu descriptors "
			"(%lu for clients, %lu for backends or files, %lu besides), but the limit "
			"is %lu; lower one of them or raise the limit (ulimit -Hn, LimitNOFILE=)",
			conf->path, conf->servers[0].line, need, clients, behind, fixed, limit) < 0)
		text = NULL;
	return text;
}

static struct conf *load(const char *path, char **why)
{
	struct conf_errors errors = {0};
	struct conf *conf = conf_load(path, &errors);
	*why = conf ? descriptors_missing(conf) : join_errors(&errors);
	conf_errors_clear(&errors);
	if (conf && !*why)
		return conf;
	conf_free(conf);
	return NULL;
}

/* Takes conf over; NULL with a text for the caller to free in *why. */
static struct snapshot *build(
	struct supervisor *supervisor, struct conf *conf, bool check, char **why)
{
	struct messages messages = {0};
	struct snapshot_context context = {
		.capabilities = &supervisor->capabilities,
		.tickets = check ? NULL : &supervisor->stats->tickets,
		.previous = supervisor->generations ? supervisor->generations->snapshot : NULL,
		.slot = check ? NULL : find_slot,
		.slot_arg = supervisor,
		.check = check,
	};
	if (!check)
		supervisor->stats->tickets.lifetime = conf->tickets.lifetime;
	struct snapshot *snapshot = snapshot_new(conf, &context, &messages);
	if (messages.warnings)
		fprintf(stderr, "warning: %s\n", messages.warnings);
	free(messages.warnings);
	*why = messages.errors;
	return snapshot;
}

/* ---- workers --------------------------------------------------------------------- */

static int take_row(struct supervisor *supervisor)
{
	for (unsigned i = 0; i < STATS_ROWS; i++) {
		if (supervisor->row_used[i])
			continue;
		supervisor->row_used[i] = true;
		if (i >= supervisor->stats->rows_used)
			supervisor->stats->rows_used = i + 1;
		return (int)i;
	}
	return -1;
}

static void surroundings_close(struct surroundings *surroundings)
{
	log_close(&surroundings->log);
	if (surroundings->access_fd >= 0)
		close(surroundings->access_fd);
}

/*
 * What is between the supervisor and its other children is nobody else's business; and
 * logs that have been replaced would keep their files on the disk.
 */
static void close_inherited(const struct supervisor *supervisor)
{
	if (supervisor->before)
		surroundings_close(supervisor->before);
	close(supervisor->signal_fd);
	if (supervisor->control_fd >= 0)
		close(supervisor->control_fd);
	for (const struct generation *at = supervisor->generations; at; at = at->next)
		for (unsigned i = 0; i < at->snapshot->workers; i++)
			if (at->children[i].pid > 0)
				close(at->children[i].channel);
}

__attribute__((noreturn)) static void run_child(struct supervisor *supervisor,
	const struct generation *generation, unsigned index, int channel, int ready_fd)
{
	close_inherited(supervisor);
	int result = privileges_drop(&supervisor->account, supervisor->pid);
	if (result < 0) {
		log_line(&supervisor->log, CONF_LOG_ERROR, "privileges not dropped: %s",
			strerror(-result));
		_exit(1);
	}
	struct worker_options options = {
		.snapshot = generation->snapshot,
		.stats = supervisor->stats,
		.row = generation->children[index].row,
		.index = index,
		.count = generation->snapshot->workers,
		.log = &supervisor->log,
		.access_fd = supervisor->access_fd,
		.channel_fd = channel,
		.ready_fd = ready_fd,
	};
	exit(worker_run(&options));
}

/* Starts worker `index`; it writes a byte to ready_fd when it accepts. 0 or -errno. */
static int spawn(
	struct supervisor *supervisor, struct generation *generation, unsigned index, int ready_fd)
{
	struct child *child = &generation->children[index];
	int row = take_row(supervisor), channel[2];
	if (row < 0)
		return -ENOSPC;
	child->row = (unsigned)row;
	int result = channel_open(channel);
	fflush(NULL);
	pid_t pid = result == 0 ? fork() : -1;
	if (pid == 0) {
		close(channel[0]);
		run_child(supervisor, generation, index, channel[1], ready_fd);
	}
	if (pid < 0) {
		int error = result == 0 ? -errno : result;
		supervisor->row_used[row] = false;
		if (result == 0) {
			close(channel[0]);
			close(channel[1]);
		}
		return error;
	}
	close(channel[1]);
	child->channel = channel[0];
	child->pid = pid;
	generation->alive++;
	return 0;
}

static void signal_children(const struct generation *generation, int signal)
{
	for (unsigned i = 0; i < generation->snapshot->workers; i++)
		if (generation->children[i].pid > 0)
			kill(generation->children[i].pid, signal);
}

/* Waits until `count` workers have said that they accept. */
static bool await_ready(int fd, unsigned count)
{
	int64_t deadline = clock_ms() + WORKER_START_MS;
	while (count > 0) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		char bytes[STATS_ROWS];
		int64_t left = deadline - clock_ms();
		if (left <= 0 || poll(&ready, 1, (int)left) <= 0)
			return false;
		ssize_t n = read(fd, bytes, count < sizeof bytes ? count : sizeof bytes);
		if (n <= 0)
			return false; /* all writers are gone: a worker has died */
		count -= (unsigned)n;
	}
	return true;
}

/* Starts the workers of a generation that do not run, and waits for them. */
static bool start_workers(struct supervisor *supervisor, struct generation *generation)
{
	int ready[2];
	unsigned started = 0;
	bool complete = true;
	if (pipe2(ready, O_CLOEXEC) < 0)
		return false;
	for (unsigned i = 0; complete && i < generation->snapshot->workers; i++)
		if (generation->children[i].pid == 0) {
			complete = spawn(supervisor, generation, i, ready[1]) == 0;
			started += complete;
		}
	close(ready[1]);
	complete = complete && await_ready(ready[0], started);
	close(ready[0]);
	return complete;
}

static void generation_free(struct generation *generation)
{
	if (!generation)
		return;
	snapshot_free(generation->snapshot);
	free(generation->children);
	free(generation);
}

static struct generation *generation_new(struct snapshot *snapshot)
{
	struct generation *generation = calloc(1, sizeof *generation);
	struct child *children = calloc(snapshot->workers, sizeof *children);
	if (!generation || !children) {
		free(generation);
		free(children);
		return NULL;
	}
	generation->snapshot = snapshot;
	generation->children = children;
	return generation;
}

/* A child has ended: its counters are kept, and it is missed unless it was drained. */
static void child_ended(struct supervisor *supervisor, struct generation *generation,
	struct child *child, int status)
{
	bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	if (failed)
		log_line(&supervisor->log, CONF_LOG_ERROR, "worker %d ended: %s %d",
			(int)child->pid, WIFSIGNALED(status) ? "signal" : "exit status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	stats_retire(supervisor->stats, child->row);
	supervisor->row_used[child->row] = false;
	close(child->channel);
	child->pid = 0;
	generation->alive--;
	if (!generation->draining && !supervisor->stopping)
		generation->respawn_at = clock_ms() + RESPAWN_MS;
}

static void reap(struct supervisor *supervisor)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct generation *at = supervisor->generations; at; at = at->next)
			for (unsigned i = 0; i < at->snapshot->workers; i++)
				if (at->children[i].pid == pid)
					child_ended(supervisor, at, &at->children[i], status);

	struct generation **link = &supervisor->generations;
	while (*link) {
		struct generation *at = *link;
		if (at->draining && at->alive == 0) {
			*link = at->next;
			generation_free(at);
		} else {
			link = &at->next;
		}
	}
}

static void respawn(struct supervisor *supervisor)
{
	struct generation *current = supervisor->generations;
	if (supervisor->stopping || !current->respawn_at || clock_ms() < current->respawn_at)
		return;
	current->respawn_at = 0;
	if (!start_workers(supervisor, current))
		current->respawn_at = clock_ms() + RESPAWN_MS;
}

/* ---- reload ---------------------------------------------------------------------------- */

static bool is_listened_on(const struct snapshot *snapshot, const struct listener *listener)
{
	for (size_t i = 0; i < snapshot->listener_count; i++)
		if (snapshot->listeners[i].listener == listener)
			return true;
	return false;
}

/* Sockets nobody accepts on any more must not take connections in. */
static void close_removed(const struct snapshot *old, const struct snapshot *current)
{
	for (size_t i = 0; i < old->listener_count; i++)
		if (!is_listened_on(current, old->listeners[i].listener))
			listener_shutdown(old->listeners[i].listener);
}

static bool is_accepting(const struct supervisor *supervisor, const struct generation *generation)
{
	for (unsigned i = 0; i < generation->snapshot->workers; i++) {
		const struct child *child = &generation->children[i];
		const uint64_t *accepting = &supervisor->stats->rows[child->row].accepting;
		if (child->pid > 0 && __atomic_load_n(accepting, __ATOMIC_ACQUIRE))
			return true;
	}
	return false;
}

/* Who is told that a file has been taken over finds it in force. */
static void await_quiet(const struct supervisor *supervisor, const struct generation *generation)
{
	int64_t deadline = clock_ms() + QUIET_MS;
	while (is_accepting(supervisor, generation) && clock_ms() < deadline)
		poll(NULL, 0, 1);
}

static char *switch_generation(struct supervisor *supervisor, struct generation *generation)
{
	struct generation *old = supervisor->generations;
	generation->next = old;
	supervisor->generations = generation;
	if (start_workers(supervisor, generation)) {
		old->draining = true;
		old->respawn_at = 0;
		signal_children(old, SIGQUIT);
		close_removed(old->snapshot, generation->snapshot);
		await_quiet(supervisor, old);
		return NULL;
	}
	/* Roll back: the old workers have never stopped accepting. */
	supervisor->generations = old;
	generation->draining = true;
	generation->next = old->next;
	old->next = generation;
	signal_children(generation, SIGKILL);
	return strdup("the new workers did not start; the log says why");
}

static bool log_fails(const char *key, const char *path, int result, char *error, size_t size)
{
	snprintf(error, size,
		"log.%s %s: %s; see that its directory is there and can be written, or correct it",
		key, path, strerror(-result));
	return false;
}

/* Both logs; false with a text in `error`. */
static bool open_logs(const struct conf *conf, struct surroundings *next, char *error, size_t size)
{
	int result = log_open(&next->log, conf->log.target, conf->log.level);
	if (result < 0)
		return log_fails("target", conf->log.target, result, error, size);
	next->access_fd = conf->log.access ? log_open_file(conf->log.access) : -1;
	if (!conf->log.access || next->access_fd >= 0)
		return true;
	log_close(&next->log);
	return log_fails("access", conf->log.access, next->access_fd, error, size);
}

/* Everything but the workers: false with a text in `error`. */
static bool prepare(const struct supervisor *supervisor, const struct conf *conf,
	struct surroundings *next, char *error, size_t size)
{
	const struct conf *old = supervisor->generations->snapshot->conf;
	if (strcmp(conf->run_directory, old->run_directory) != 0) {
		snprintf(error, size, "run_directory cannot change while ferrule runs; restart it");
		return false;
	}
	/* Opened anew even when the targets are the same: the files may have been rotated. */
	return account_find(conf, &next->account, error, size) &&
	       ticket_keys_check(conf, error, size) == 0 && open_logs(conf, next, error, size);
}

static void surround(struct supervisor *supervisor, const struct surroundings *with)
{
	supervisor->log = with->log;
	supervisor->access_fd = with->access_fd;
	supervisor->account = with->account;
}

static char *take_over(
	struct supervisor *supervisor, struct snapshot *snapshot, struct surroundings *next)
{
	struct generation *generation = generation_new(snapshot);
	if (!generation) {
		surroundings_close(next);
		snapshot_free(snapshot);
		return strdup("out of memory");
	}
	struct surroundings before = {supervisor->log, supervisor->access_fd, supervisor->account};
	surround(supervisor, next);
	supervisor->before = &before;
	char *why = switch_generation(supervisor, generation);
	supervisor->before = NULL;
	if (why) {
		surroundings_close(next);
		surround(supervisor, &before);
		return why;
	}
	surroundings_close(&before);
	char error[512];
	if (ticket_keys_start(
		    &supervisor->ticket_keys, snapshot->conf, clock_ms(), error, sizeof error) < 0)
		log_line(&supervisor->log, CONF_LOG_WARNING, "%s; the old keys stay", error);
	return NULL;
}

/* Log files that have been moved away are made anew; each worker gets them, too. */
static void reopen_logs(struct supervisor *supervisor)
{
	char error[512];
	struct surroundings next;
	if (!open_logs(supervisor->generations->snapshot->conf, &next, error, sizeof error)) {
		log_line(&supervisor->log, CONF_LOG_ERROR, "logs not reopened: %s", error);
		return;
	}
	next.account = supervisor->account;
	for (const struct generation *at = supervisor->generations; at; at = at->next)
		for (unsigned i = 0; i < at->snapshot->workers; i++) {
			if (at->children[i].pid == 0)
				continue;
			if (next.log.fd > STDERR_FILENO)
				channel_send(at->children[i].channel, CHANNEL_LOG, next.log.fd);
			if (next.access_fd >= 0)
				channel_send(at->children[i].channel, CHANNEL_ACCESS_LOG,
					next.access_fd);
		}
	struct surroundings before = {supervisor->log, supervisor->access_fd, supervisor->account};
	surround(supervisor, &next);
	surroundings_close(&before);
	log_line(&supervisor->log, CONF_LOG_INFO, "logs reopened");
}

/* Takes conf over. NULL when it runs now, else why not (for the caller to free). */
static char *reload(struct supervisor *supervisor, struct conf *conf)
{
	char *why = NULL, error[512];
	struct surroundings next;
	struct snapshot *snapshot = build(supervisor, conf, false, &why);
	if (!snapshot)
		return why;
	if (prepare(supervisor, snapshot->conf, &next, error, sizeof error))
		return take_over(supervisor, snapshot, &next);
	snapshot_free(snapshot);
	return strdup(error);
}

/* `conf` is what to reload; NULL: the file has to be read, and has been in vain. */
static char *reload_logged(
	struct supervisor *supervisor, struct conf *conf, char *why, const char *cause)
{
	notify("RELOADING=1");
	if (conf)
		why = reload(supervisor, conf);
	if (why)
		log_line(&supervisor->log, CONF_LOG_ERROR,
			"reload (%s) refused, the old configuration stays: %s", cause, why);
	else
		log_line(&supervisor->log, CONF_LOG_INFO, "reloaded (%s)", cause);
	notify("READY=1");
	return why;
}

static char *reload_file(struct supervisor *supervisor, const char *path, const char *cause)
{
	char *why = NULL;
	struct conf *conf = load(path, &why);
	return reload_logged(supervisor, conf, why, cause);
}

/*
 * Certificates that something else renews are taken over with the configuration
 * that runs: whatever stands in the file by now is not this event's business.
 */
static void reload_stale(struct supervisor *supervisor)
{
	struct snapshot *snapshot = supervisor->generations->snapshot;
	if (clock_ms() < supervisor->stale_at || !snapshot_is_stale(snapshot))
		return;
	char *why =
		reload_logged(supervisor, conf_ref(snapshot->conf), NULL, "certificate changed");
	int64_t pause = supervisor->stale_pause ? 2 * supervisor->stale_pause : TICK_MS;
	supervisor->stale_pause = !why                         ? 0
				  : pause < STALE_PAUSE_MAX_MS ? pause
							       : STALE_PAUSE_MAX_MS;
	supervisor->stale_at = clock_ms() + supervisor->stale_pause;
	free(why);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void answer_reload(struct supervisor *supervisor, int client, const char *path)
{
	char *why = reload_file(supervisor, path, "command");
	if (!why) {
		char *copy = strdup(path);
		if (copy) {
			free(supervisor->path);
			supervisor->path = copy;
		}
	}
	control_reply(client, why ? 1 : 0, why ? why : "configuration taken over");
	free(why);
}

/* Cuts the option off a request's words. */
static bool take_json(char *words)
{
	char *json = strstr(words, " --json");
	if (json)
		*json = '\0';
	return json != NULL;
}

static void answer_show(const struct supervisor *supervisor, int client, char *what)
{
	bool json = take_json(what);
	char *text = show_status(what, json, supervisor->generations->snapshot, supervisor->stats,
		&supervisor->capabilities);
	/* The command has a list of its own, but may be of another version. */
	char *list = text ? NULL : show_list();
	control_reply(client, text ? 0 : 2, text ? text : list ? list : "out of memory");
	free(text);
	free(list);
}

static void answer_debug(struct supervisor *supervisor, int client, char *words)
{
	unsigned mask, *switches = &supervisor->stats->debug;
	enum debug_action action;
	bool json = take_json(words);
	words += *words == ' ';
	if (!debug_parse(words, &mask, &action)) {
		control_reply(client, 2, "unknown switch");
		return;
	}
	debug_apply(switches, mask, action);
	if (action != DEBUG_TELL)
		log_line(&supervisor->log, CONF_LOG_INFO, "debug %s", words);
	char *text = debug_status(debug_read(switches), json);
	control_reply(client, text ? 0 : 1, text ? text : "out of memory");
	free(text);
}

static void on_control(struct supervisor *supervisor)
{
	char request[CONTROL_REQUEST_MAX];
	int client = control_accept(supervisor->control_fd, request);
	if (client < 0)
		return;
	if (strncmp(request, "reload ", 7) == 0)
		answer_reload(supervisor, client, request + 7);
	else if (strncmp(request, "show ", 5) == 0)
		answer_show(supervisor, client, request + 5);
	else if (strncmp(request, "debug", 5) == 0 && (request[5] == ' ' || request[5] == '\0'))
		answer_debug(supervisor, client, request + 5);
	else
		control_reply(client, 2, "unknown request");
}

/* The first signal drains; a second one does not wait any longer. */
static void stop(struct supervisor *supervisor)
{
	notify("STOPPING=1");
	for (struct generation *at = supervisor->generations; at; at = at->next) {
		signal_children(at, supervisor->stopping ? SIGKILL : SIGTERM);
		/* A connection nobody will accept is better refused. */
		for (size_t i = 0; i < at->snapshot->listener_count; i++)
			listener_shutdown(at->snapshot->listeners[i].listener);
	}
	supervisor->stopping = true;
}

static void on_signal(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;
	while (read(supervisor->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			reap(supervisor);
		else if (info.ssi_signo == SIGHUP && !supervisor->stopping)
			free(reload_file(supervisor, supervisor->path, "SIGHUP"));
		else if (info.ssi_signo == SIGUSR1 && !supervisor->stopping)
			reopen_logs(supervisor);
		else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			stop(supervisor);
	}
}

static void tick(struct supervisor *supervisor)
{
	const struct conf *conf = supervisor->generations->snapshot->conf;
	char error[512];
	respawn(supervisor);
	if (supervisor->stopping)
		return;
	if (ticket_keys_tick(&supervisor->ticket_keys, conf, clock_ms(), error, sizeof error) < 0)
		log_line(&supervisor->log, CONF_LOG_WARNING, "%s; the old keys stay", error);
	reload_stale(supervisor);
}

static bool is_running(const struct supervisor *supervisor)
{
	if (!supervisor->stopping)
		return true;
	for (const struct generation *at = supervisor->generations; at; at = at->next)
		if (at->alive > 0)
			return true;
	return false;
}

static void loop(struct supervisor *supervisor)
{
	int64_t next_tick = clock_ms() + TICK_MS;
	while (is_running(supervisor)) {
		struct pollfd fds[2] = {
			{.fd = supervisor->signal_fd, .events = POLLIN},
			{.fd = supervisor->control_fd, .events = POLLIN},
		};
		int64_t wait = next_tick - clock_ms();
		poll(fds, 2, wait > 0 ? (int)wait : 0);
		if (fds[0].revents)
			on_signal(supervisor);
		if (fds[1].revents && !supervisor->stopping)
			on_control(supervisor);
		if (clock_ms() >= next_tick) {
			tick(supervisor);
			next_tick = clock_ms() + TICK_MS;
		}
	}
}

/* ---- start and end -----------------------------------------------------------------------------
 */

static int block_signals(struct supervisor *supervisor)
{
	sigset_t all;
	sigemptyset(&all);
	sigaddset(&all, SIGTERM);
	sigaddset(&all, SIGINT);
	sigaddset(&all, SIGQUIT);
	sigaddset(&all, SIGHUP);
	sigaddset(&all, SIGUSR1);
	sigaddset(&all, SIGCHLD);
	/* K6: a signal in a blocking send aborts a connection; and splice raises SIGPIPE. */
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
		return -errno;
	supervisor->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return supervisor->signal_fd < 0 ? -errno : 0;
}

static int map_stats(struct supervisor *supervisor)
{
	size_t size = sizeof *supervisor->stats;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	madvise(memory, size, MADV_DONTDUMP); /* ticket keys */
	supervisor->stats = memory;
	supervisor->ticket_keys.tickets = &supervisor->stats->tickets;
	return 0;
}

static void announce(const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->listener_count; i++)
		fprintf(stderr, "listening on %s (%s, server %s)\n",
			snapshot->listeners[i].listener->text,
			snapshot->listeners[i].is_secure ? "secure" : "plain",
			snapshot->listeners[i].server->conf->name);
}

/* Everything between a sound configuration and the loop; false with a text in `error`. */
static bool start(
	struct supervisor *supervisor, struct snapshot *snapshot, char *error, size_t size)
{
	const struct conf *conf = snapshot->conf;
	struct surroundings own = {.account = supervisor->account};
	if (!open_logs(conf, &own, error, size))
		return false;
	surround(supervisor, &own);
	if (!account_find(conf, &supervisor->account, error, size) ||
		ticket_keys_start(&supervisor->ticket_keys, conf, clock_ms(), error, size) < 0)
		return false;
	supervisor->control_fd = control_open(conf->run_directory, error, size);
	if (supervisor->control_fd < 0)
		return false;
	struct generation *generation = generation_new(snapshot);
	snprintf(error, size, "the workers did not start");
	if (!generation)
		return false;
	supervisor->generations = generation;
	return start_workers(supervisor, generation);
}

static void supervisor_done(struct supervisor *supervisor)
{
	while (supervisor->generations) {
		struct generation *next = supervisor->generations->next;
		generation_free(supervisor->generations);
		supervisor->generations = next;
	}
	for (int i = 0; i < STATS_SERVERS; i++)
		free(supervisor->server_names[i]);
	if (supervisor->stats)
		munmap(supervisor->stats, sizeof *supervisor->stats);
	log_close(&supervisor->log);
	if (supervisor->access_fd >= 0)
		close(supervisor->access_fd);
	if (supervisor->signal_fd >= 0)
		close(supervisor->signal_fd);
	free(supervisor->path);
}

int supervisor_run(const char *path)
{
	struct supervisor supervisor = {
		.access_fd = -1, .signal_fd = -1, .control_fd = -1, .pid = getpid()};
	char error[512] = "", *why = NULL, *run_directory = NULL;
	int status = 1;
	privileges_no_dumps();
	supervisor.path = realpath(path, NULL);
	if (!supervisor.path)
		supervisor.path = strdup(path);
	if (block_signals(&supervisor) < 0 || map_stats(&supervisor) < 0) {
		perror("ferrule");
		goto out;
	}
	ktls_probe(&supervisor.capabilities);
	struct conf *conf = load(supervisor.path, &why);
	struct snapshot *snapshot = conf ? build(&supervisor, conf, false, &why) : NULL;
	if (!snapshot) {
		fprintf(stderr, "%s\n", why ? why : "out of memory");
		goto out;
	}
	run_directory = strdup(snapshot->conf->run_directory);
	if (!start(&supervisor, snapshot, error, sizeof error)) {
		fprintf(stderr, "%s: %s\n", path, error);
		if (!supervisor.generations)
			snapshot_free(snapshot);
		supervisor.stopping = true;
		stop(&supervisor);
		goto out;
	}
	announce(snapshot);
	fprintf(stderr, "ready\n");
	notify("READY=1");
	loop(&supervisor);
	status = 0;
out:
	if (run_directory)
		control_close(supervisor.control_fd, run_directory);
	free(run_directory);
	free(why);
	supervisor_done(&supervisor);
	return status;
}

/* Only a warning: the service manager may make the directory, or its account be another. */
static void warn_unless_writable(const char *file, const char *key, const char *path)
{
	int result = path && *path == '/' ? log_check_file(path) : 0;
	if (result < 0)
		fprintf(stderr,
			"warning: %s: %s %s: %s; see that its directory is there and can be "
			"written before ferrule runs, or correct it\n",
			file, key, path, strerror(-result));
}

static void warn_of_paths(const char *file, const struct conf *conf)
{
	warn_unless_writable(file, "log.target", conf->log.target);
	warn_unless_writable(file, "log.access", conf->log.access);
	warn_unless_writable(file, "run_directory", conf->run_directory);
}

int supervisor_check(const char *path)
{
	struct supervisor supervisor = {.access_fd = -1, .signal_fd = -1, .control_fd = -1};
	char *why = NULL, error[512];
	ktls_probe(&supervisor.capabilities);
	struct conf *conf = load(path, &why);
	struct snapshot *snapshot = conf ? build(&supervisor, conf, true, &why) : NULL;
	bool sound = snapshot &&
		     account_find(snapshot->conf, &supervisor.account, error, sizeof error) &&
		     ticket_keys_check(snapshot->conf, error, sizeof error) == 0;
	if (snapshot)
		warn_of_paths(path, snapshot->conf);
	if (sound)
		printf("%s: configuration is sound\n", path);
	else if (snapshot)
		fprintf(stderr, "%s: %s\n", path, error);
	else
		fprintf(stderr, "%s\n", why ? why : "out of memory");
	free(why);
	snapshot_free(snapshot);
	return sound ? 0 : 1;
}
