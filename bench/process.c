#include "bench/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What is of interest in /proc/PID/stat. */
struct process_stat {
	pid_t parent;
	uint64_t user_ticks, system_ticks;
};

static int process_stat_read(pid_t pid, struct process_stat *stat)
{
	char path[64], line[512];
	int result = -ENODATA;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return -errno;
	if (fgets(line, sizeof(line), file)) {
		/* proc(5): the name in parentheses may itself hold spaces and parentheses. */
		const char *rest = strrchr(line, ')');
		if (rest &&
			sscanf(rest,
				") %*c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64,
				&stat->parent, &stat->user_ticks, &stat->system_ticks) == 3)
			result = 0;
	}
	fclose(file);
	return result;
}

static int tree_add(struct process_tree *tree, pid_t pid)
{
	if (tree->count == PROCESS_TREE_MAX)
		return -E2BIG;
	tree->pids[tree->count] = pid;
	tree->is_worker[tree->count] = true;
	tree->count++;
	return 0;
}

static int tree_add_children(struct process_tree *tree, size_t parent)
{
	const struct dirent *entry;
	int result = 0;

	DIR *proc = opendir("/proc");
	if (!proc)
		return -errno;
	while (result == 0 && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		struct process_stat stat;
		if (process_stat_read(pid, &stat) != 0 || stat.parent != tree->pids[parent])
			continue;
		tree->is_worker[parent] = false;
		result = tree_add(tree, pid);
	}
	closedir(proc);
	return result;
}

int process_tree_read(struct process_tree *tree, pid_t root)
{
	tree->count = 0;
	int result = tree_add(tree, root);
	for (size_t i = 0; result == 0 && i < tree->count; i++)
		result = tree_add_children(tree, i);
	return result;
}

int process_tree_cpu(const struct process_tree *tree, struct process_cpu *cpu)
{
	*cpu = (struct process_cpu){0};
	for (size_t i = 0; i < tree->count; i++) {
		struct process_stat stat;
		struct timespec used;
		clockid_t clock;

		/*
		 * The process clock counts nanoseconds, the running slice and threads that
		 * have ended; /proc/PID/stat counts ticks and schedstat one living thread.
		 */
		int error = clock_getcpuclockid(tree->pids[i], &clock);
		if (error != 0)
			return -error;
		if (clock_gettime(clock, &used) != 0)
			return -errno;
		int result = process_stat_read(tree->pids[i], &stat);
		if (result != 0)
			return result;
		cpu->nanoseconds += (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
		cpu->user_ticks += stat.user_ticks;
		cpu->system_ticks += stat.system_ticks;
	}
	return 0;
}

uint64_t process_cpu_user(const struct process_cpu *before, const struct process_cpu *after)
{
	const uint64_t user = after->user_ticks - before->user_ticks;
	const uint64_t all = user + after->system_ticks - before->system_ticks;
	const uint64_t nanoseconds = after->nanoseconds - before->nanoseconds;

	if (all == 0)
		return nanoseconds;
	return (uint64_t)((double)nanoseconds * (double)user / (double)all);
}

static int process_rss(pid_t pid, uint64_t *kib)
{
	char path[64], line[256];
	int result = -ENODATA;

	/* smaps_rollup walks the page table; statm's counters lag by up to 64 pages per core. */
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return -errno;
	while (result != 0 && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Rss: %" SCNu64 " kB", kib) == 1)
			result = 0;
	}
	fclose(file);
	return result;
}

int process_tree_rss(const struct process_tree *tree, uint64_t *kib)
{
	*kib = 0;
	for (size_t i = 0; i < tree->count; i++) {
		uint64_t one;

		if (!tree->is_worker[i])
			continue;
		int result = process_rss(tree->pids[i], &one);
		if (result != 0)
			return result;
		*kib += one;
	}
	return 0;
}

int process_kernel_memory(uint64_t *kib)
{
	static const char *const names[] = {"Slab:", "KernelStack:", "PageTables:"};
	char line[256];

	*kib = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (strncmp(line, names[i], strlen(names[i])) == 0)
				*kib += strtoull(line + strlen(names[i]), NULL, 10);
		}
	}
	fclose(file);
	return *kib > 0 ? 0 : -ENODATA;
}
