/*
 * process: what a proxy costs. Measures the process that was started and
 * everything below it, so that supervisors and workers count as one proxy.
 */
#ifndef FERRULE_BENCH_PROCESS_H
#define FERRULE_BENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_TREE_MAX 64

struct process_tree {
	pid_t pids[PROCESS_TREE_MAX];     /* parents before their children */
	bool is_worker[PROCESS_TREE_MAX]; /* has no children of its own */
	size_t count;
};

/* Fills in root and its descendants as they are now. 0 or -errno; -E2BIG: too many. */
int process_tree_read(struct process_tree *tree, pid_t root);

/*
 * CPU time that all of them have used so far: nanoseconds, and the kernel's clock ticks in user
 * mode and in the kernel, which are too coarse for anything but their ratio.
 */
struct process_cpu {
	uint64_t nanoseconds;
	uint64_t user_ticks, system_ticks;
};

/* 0 or -errno. */
int process_tree_cpu(const struct process_tree *tree, struct process_cpu *cpu);

/* Of the nanoseconds between two readings, those spent in user mode. */
uint64_t process_cpu_user(const struct process_cpu *before, const struct process_cpu *after);

/* Resident memory of the workers; a supervisor does not hold connections. 0 or -errno. */
int process_tree_rss(const struct process_tree *tree, uint64_t *kib);

/* The kernel's own memory, of the whole machine: slabs, stacks and page tables. 0 or -errno. */
int process_kernel_memory(uint64_t *kib);

#endif
