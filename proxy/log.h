/*
 * The log: one line per call, one write per line, so that lines of several
 * processes never mix. Values that come from peers are escaped.
 */
#ifndef FERRULE_PROXY_LOG_H
#define FERRULE_PROXY_LOG_H

#include "config/conf.h"

#include <stdbool.h>
#include <stdint.h>

struct log {
	enum conf_log_level level;
	bool is_syslog;
	int fd; /* owned unless it is standard error */
};

/* 0 or -errno: the target's file cannot be opened for appending. */
int log_open(struct log *log, const char *target, enum conf_log_level level);
void log_close(struct log *log);
/* A file to append lines to, made when it is not there; or -errno. */
int log_open_file(const char *path);

/* Without writing anything: is it there and can be written, or could be made? 0 or -errno. */
int log_check_file(const char *path);

void log_line(const struct log *log, enum conf_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Writes value into out, quoted and escaped when it is empty or has anything but
 * visible ASCII other than quote and backslash. Truncates; returns out.
 */
const char *log_quote(const char *value, char *out, unsigned size);

/* Lets `burst` events through in a second, then counts. */
struct log_limit {
	int64_t second;
	unsigned burst, seen, suppressed;
};

/* True when the event may be logged; *suppressed: how many since the last that was. */
bool log_limit_pass(struct log_limit *limit, int64_t now_ms, unsigned *suppressed);

#endif
