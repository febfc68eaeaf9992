#include "tests/e2e/process.h"
#include "tests/e2e/harness.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int redirect(const char *path, int flags, int target)
{
	int fd = open(path, flags, 0644);

	if (fd < 0 || dup2(fd, target) < 0)
		return -1;
	return close(fd);
}

/* In the child, between fork and exec. */
static int child_prepare(const struct process_options *options)
{
	struct rlimit limit = {options->descriptors, options->descriptors};
	const char *input = options->input != NULL ? options->input : "/dev/null";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (redirect(input, O_RDONLY, STDIN_FILENO) < 0)
		return -1;
	if (redirect(options->output, O_WRONLY | O_CREAT | O_APPEND, STDOUT_FILENO) < 0)
		return -1;
	if (dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
		return -1;
	if (options->inherited_fd > 0 && fcntl(options->inherited_fd, F_SETFD, 0) < 0)
		return -1;
	if (options->descriptors > 0 && setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	return 0;
}

pid_t process_spawn(const struct process_options *options)
{
	char *variable = options->variable != NULL ? strdup(options->variable) : NULL;
	pid_t pid = fork();

	if (pid == 0) {
		if (variable != NULL)
			putenv(variable);
		if (child_prepare(options) == 0)
			execvp(options->argv[0], (char *const *)(uintptr_t)options->argv);
		dprintf(STDERR_FILENO, "%s: %s\n", options->argv[0], strerror(errno));
		_exit(127);
	}
	free(variable);
	return pid;
}

/* Waits on a pidfd: there is no waitpid() with a deadline. */
static bool has_ended(pid_t pid, int timeout)
{
	struct pollfd waiting = {.events = POLLIN};
	int ready;

	waiting.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (waiting.fd < 0)
		return false;
	ready = poll(&waiting, 1, timeout);
	close(waiting.fd);
	return ready > 0;
}

static int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool process_is_running(pid_t pid)
{
	return pid > 0 && !has_ended(pid, 0);
}

int process_wait(pid_t pid)
{
	if (pid <= 0 || !has_ended(pid, harness_remaining()))
		return -1;
	return status_of(pid);
}

int process_stop(pid_t pid, int signal_number)
{
	int remaining = harness_remaining();

	if (pid <= 0)
		return -1;
	kill(pid, signal_number);
	/* A test that ran out of time still stops its processes in an orderly way. */
	if (has_ended(pid, remaining > 5000 ? remaining : 5000))
		return status_of(pid);
	kill(pid, SIGKILL);
	status_of(pid);
	return -1;
}

int process_run(const char *const *argv, const char *input, const char *output)
{
	struct process_options options = {.argv = argv, .input = input, .output = output};
	pid_t pid = process_spawn(&options);
	int status = process_wait(pid);

	if (status < 0)
		process_stop(pid, SIGKILL);
	return status;
}

/* ---- what /proc says ---- */

/* Field `number` (from 1, as in proc(5)) of /proc/PID/stat, for numbers above 3. */
static int64_t stat_field(pid_t pid, int number)
{
	char path[64], *text, *next;
	int64_t value = -1;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	text = harness_file_read(path, NULL);
	if (text == NULL)
		return -1;
	next = strrchr(text, ')'); /* the command before it may hold anything */
	for (int i = 2; next != NULL && i < number; i++)
		next = strchr(next + 1, ' ');
	if (next != NULL)
		value = strtoll(next, NULL, 10);
	free(text);
	return value;
}

size_t process_children(pid_t pid, pid_t children[PROCESS_MAX_CHILDREN])
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	size_t count = 0;

	if (directory == NULL)
		return 0;
	while ((entry = readdir(directory)) != NULL && count < PROCESS_MAX_CHILDREN) {
		pid_t candidate;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		candidate = (pid_t)strtol(entry->d_name, NULL, 10);
		if (stat_field(candidate, 4) == pid)
			children[count++] = candidate;
	}
	closedir(directory);
	return count;
}

int64_t process_children_rss(pid_t pid)
{
	pid_t children[PROCESS_MAX_CHILDREN];
	size_t count = process_children(pid, children);
	int64_t pages = 0;

	for (size_t i = 0; i < count; i++)
		pages += stat_field(children[i], 24);
	return pages * sysconf(_SC_PAGESIZE) / 1024;
}

int64_t process_children_cpu(pid_t pid)
{
	pid_t children[PROCESS_MAX_CHILDREN];
	size_t count = process_children(pid, children);
	int64_t ticks = 0;

	for (size_t i = 0; i < count; i++)
		ticks += stat_field(children[i], 14) + stat_field(children[i], 15);
	return ticks * 1000 / sysconf(_SC_CLK_TCK);
}

int process_descriptors(pid_t pid)
{
	char path[64];
	DIR *directory;
	int count = -2; /* "." and ".." */

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	directory = opendir(path);
	if (directory == NULL)
		return -1;
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

bool process_limit_descriptors(pid_t pid, unsigned limit)
{
	struct rlimit old, changed;

	if (prlimit(pid, RLIMIT_NOFILE, NULL, &old) < 0)
		return false;
	changed = (struct rlimit){limit, old.rlim_max};
	return prlimit(pid, RLIMIT_NOFILE, &changed, NULL) == 0;
}
