/* Child processes: started with their output in a file, always waited for. */
#ifndef FERRULE_TESTS_E2E_PROCESS_H
#define FERRULE_TESTS_E2E_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_options {
	const char *const *argv;
	const char *output;   /* file that stdout and stderr go to */
	const char *input;    /* file that is stdin; NULL: /dev/null */
	const char *variable; /* "NAME=value" for its environment, or NULL */
	int inherited_fd;     /* kept open for it; 0: none */
	unsigned descriptors; /* RLIMIT_NOFILE, soft and hard; 0: as ours */
};

/* The child's id, or -1. It dies with the thread that calls this: the main one. */
pid_t process_spawn(const struct process_options *options);
bool process_is_running(pid_t pid);
/* Its exit status, 128 + signal, or -1 when the deadline passed first. */
int process_wait(pid_t pid);
/* Sends the signal and waits; what does not end in time is killed: -1. */
int process_stop(pid_t pid, int signal_number);
/* Spawns and waits. */
int process_run(const char *const *argv, const char *input, const char *output);

/* ---- what /proc says ---- */

#define PROCESS_MAX_CHILDREN 64

size_t process_children(pid_t pid, pid_t children[PROCESS_MAX_CHILDREN]);
/* Of all children together, in KiB. */
int64_t process_children_rss(pid_t pid);
/* Of all children together, in milliseconds since they started. */
int64_t process_children_cpu(pid_t pid);
/* How many descriptors it has open, or -1. */
int process_descriptors(pid_t pid);
/* Changes a running process's RLIMIT_NOFILE. */
bool process_limit_descriptors(pid_t pid, unsigned limit);

#endif
