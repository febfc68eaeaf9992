#include "proxy/log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define LINE 2048

int log_open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	return fd < 0 ? -errno : fd;
}

int log_check_file(const char *path)
{
	if (access(path, W_OK) == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	char *directory = strdup(path);
	if (!directory)
		return -ENOMEM;
	int result = access(dirname(directory), W_OK | X_OK) < 0 ? -errno : 0;
	free(directory);
	return result;
}

int log_open(struct log *log, const char *target, enum conf_log_level level)
{
	log->level = level;
	log->is_syslog = strcmp(target, "syslog") == 0;
	log->fd = STDERR_FILENO;
	if (log->is_syslog) {
		openlog("ferrule", LOG_PID | LOG_NDELAY, LOG_DAEMON);
		return 0;
	}
	if (strcmp(target, "stderr") == 0)
		return 0;
	log->fd = log_open_file(target);
	return log->fd < 0 ? log->fd : 0;
}

void log_close(struct log *log)
{
	if (log->is_syslog)
		closelog();
	else if (log->fd > STDERR_FILENO)
		close(log->fd);
	log->fd = STDERR_FILENO;
}

static int priority(enum conf_log_level level)
{
	switch (level) {
	case CONF_LOG_ERROR:
		return LOG_ERR;
	case CONF_LOG_WARNING:
		return LOG_WARNING;
	case CONF_LOG_INFO:
		return LOG_INFO;
	case CONF_LOG_DEBUG:
		break;
	}
	return LOG_DEBUG;
}

void log_line(const struct log *log, enum conf_log_level level, const char *format, ...)
{
	if (level > log->level)
		return;
	char line[LINE];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(line, sizeof line - 1, format, arguments);
	va_end(arguments);
	if (n < 0)
		return;
	size_t len = (size_t)n < sizeof line - 1 ? (size_t)n : sizeof line - 2;
	if (log->is_syslog) {
		syslog(priority(level), "%s", line);
		return;
	}
	line[len++] = '\n';
	/* A log that cannot be written must not stop the proxy. */
	if (write(log->fd, line, len) < 0)
		return;
}

static bool is_plain(const char *value)
{
	for (const char *at = value; *at; at++)
		if (*at <= ' ' || *at > '~' || *at == '"' || *at == '\\')
			return false;
	return *value != '\0';
}

const char *log_quote(const char *value, char *out, unsigned size)
{
	if (is_plain(value) && strlen(value) < size) {
		memcpy(out, value, strlen(value) + 1);
		return out;
	}
	unsigned n = 0;
	out[n++] = '"';
	for (; *value && n + 6 < size; value++) {
		unsigned char c = (unsigned char)*value;
		if (c == '"' || c == '\\')
			out[n++] = '\\';
		if (c >= ' ' && c <= '~')
			out[n++] = (char)c;
		else
			n += (unsigned)snprintf(out + n, 5, "\\x%02x", c);
	}
	out[n++] = '"';
	out[n] = '\0';
	return out;
}

bool log_limit_pass(struct log_limit *limit, int64_t now_ms, unsigned *suppressed)
{
	if (limit->second != now_ms / 1000) {
		limit->second = now_ms / 1000;
		limit->seen = 0;
	}
	if (++limit->seen > limit->burst) {
		limit->suppressed++;
		return false;
	}
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
