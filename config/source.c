#include "config/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/memory.h"
#include "config/report.h"
#include "config/text.h"

#define SOURCE_SIZE_MAX (1024 * 1024)
/* MAX_INCLUDE_DEPTH of libconfig. */
#define INCLUDE_DEPTH_MAX 10

/* ---- reading ------------------------------------------------------------ */

static int file_read(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t got = read(fd, buf + len, size - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	buf[len] = '\0';
	return strlen(buf) == len ? 0 : -EILSEQ;
}

static const char *file_refuse(const struct stat *status)
{
	if (!S_ISREG(status->st_mode))
		return "not a regular file";
	if (status->st_size > SOURCE_SIZE_MAX)
		return "larger than 1 MiB";
	return NULL;
}

char *conf_source_read(const char *path, const char **why)
{
	struct stat status;
	char *text = NULL;
	int result = 0;

	*why = NULL;
	/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &status) < 0) {
		result = -errno;
		goto out;
	}
	*why = file_refuse(&status);
	if (*why)
		goto out;
	text = conf_memory_resize(NULL, (size_t)status.st_size + 1);
	result = text ? file_read(fd, text, (size_t)status.st_size) : -ENOMEM;
out:
	if (fd >= 0)
		close(fd);
	if (result == -EILSEQ)
		*why = "not a text file: it has a NUL byte";
	else if (result < 0)
		*why = strerror(-result);
	if (*why) {
		free(text);
		text = NULL;
	}
	return text;
}

/* ---- scanning ----------------------------------------------------------- */

struct scan {
	struct conf_report *report;
	const char *file;  /* NULL: the configuration file itself */
	const char *start; /* of the text */
	const char *at;
	unsigned line;
	unsigned depth;
	bool is_readable;
};

static void text_scan(struct scan *scan, const char *text);

static void scan_refuse(struct scan *scan, unsigned line, const char *message)
{
	conf_report_add(scan->report, scan->file, line, "%s", message);
	scan->is_readable = false;
}

static void scan_skip(struct scan *scan)
{
	if (*scan->at++ == '\n')
		scan->line++;
}

static void comment_scan(struct scan *scan)
{
	unsigned line = scan->line;

	for (scan->at += 2; *scan->at; scan_skip(scan)) {
		if (scan->at[0] == '*' && scan->at[1] == '/') {
			scan->at += 2;
			return;
		}
	}
	/* libconfig would silently ignore everything that follows. */
	scan_refuse(scan, line, "this comment has no end; close it with */");
}

static void string_scan(struct scan *scan)
{
	for (scan->at++; *scan->at; scan_skip(scan)) {
		if (*scan->at == '"') {
			scan->at++;
			return;
		}
		if (*scan->at != '\\')
			continue;
		/* libconfig's strings are C strings: the rest of this one would be lost. */
		if (strncasecmp(scan->at, "\\x00", 4) == 0)
			conf_report_add(scan->report, scan->file, scan->line,
				"a string cannot contain a NUL byte; remove \\x00");
		if (scan->at[1] == '"' || scan->at[1] == '\\')
			scan->at++;
	}
}

static bool is_float(const char *tail)
{
	if (*tail == '.')
		return true;
	if (*tail != 'e' && *tail != 'E')
		return false;
	tail++;
	if (*tail == '+' || *tail == '-')
		tail++;
	return isdigit((unsigned char)*tail);
}

static void float_skip(struct scan *scan)
{
	scan->at += strspn(scan->at, "0123456789.eE+-");
}

static void number_refuse(struct scan *scan, const char *begin, const char *end, const char *why)
{
	conf_report_add(
		scan->report, scan->file, scan->line, "%.*s %s", (int)(end - begin), begin, why);
}

/* libconfig 1.5 reads integers without an L modulo 2^32: 4294967739 would be port 443. */
static void number_scan(struct scan *scan)
{
	const char *begin = scan->at;
	const char *digits = begin + (*begin == '+' || *begin == '-');
	bool is_hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') &&
		      isxdigit((unsigned char)digits[2]);
	char *end;

	errno = 0;
	long long value = strtoll(begin, &end, is_hex ? 16 : 10);
	scan->at = end;
	if (is_float(end))
		float_skip(scan);
	else if (errno == ERANGE)
		number_refuse(scan, begin, end, "is beyond 64 bits; no key takes it");
	else if (*end != 'L' && (value > INT_MAX || value < INT_MIN))
		number_refuse(scan, begin, end, "is beyond 32 bits; put an L behind it");
}

static void word_scan(struct scan *scan)
{
	while (isalnum((unsigned char)*scan->at) || (*scan->at && strchr("-_*", *scan->at)))
		scan->at++;
}

/* At the name's opening quote. Returns the name, which the caller frees. */
static char *include_name(struct scan *scan)
{
	const char *begin = scan->at + 1;
	const char *end = strpbrk(begin, "\"\\\n");

	if (!end || *end != '"') {
		scan_refuse(scan, scan->line,
			"@include needs a file name in quotes, without backslashes");
		return NULL;
	}
	scan->at = end + 1;
	return conf_report_memory(
		scan->report, conf_text_format("%.*s", (int)(end - begin), begin));
}

/* libconfig calls exit() when it is made to read a directory. */
static void included_scan(struct scan *scan, const char *name)
{
	char *path =
		conf_report_memory(scan->report, conf_path_resolve(scan->report->directory, name));
	if (!path)
		return;
	const char *why;
	char *text = conf_source_read(path, &why);
	if (text) {
		struct scan inner = {.report = scan->report,
			.file = name,
			.depth = scan->depth + 1,
			.is_readable = true};
		text_scan(&inner, text);
		scan->is_readable = inner.is_readable;
	} else {
		conf_report_add(scan->report, scan->file, scan->line,
			"cannot include %s: %s; name a file below %s", path, why,
			scan->report->directory);
		scan->is_readable = false;
	}
	free(text);
	free(path);
}

static void include_scan(struct scan *scan)
{
	scan->at += strlen("@include");
	scan->at += strspn(scan->at, " \t");
	if (*scan->at != '"')
		return; /* libconfig has a syntax error for that */
	char *name = include_name(scan);
	if (!name)
		return;
	/* libconfig 1.5 puts its include directory in front of absolute names, too. */
	if (name[0] == '/')
		scan_refuse(scan, scan->line,
			"@include takes no absolute path; name the file relative to the directory "
			"of the configuration file");
	else if (scan->depth + 1 >= INCLUDE_DEPTH_MAX)
		scan_refuse(scan, scan->line,
			"included files are nested too deeply; does one include itself?");
	else
		included_scan(scan, name);
	free(name);
}

/* libconfig's lexer knows @include only at the beginning of a line. */
static bool is_include(const struct scan *scan)
{
	const char *before = scan->at;

	if (strncmp(scan->at, "@include", strlen("@include")) != 0)
		return false;
	while (before > scan->start && (before[-1] == ' ' || before[-1] == '\t'))
		before--;
	return before == scan->start || before[-1] == '\n';
}

static bool is_number(const char *at)
{
	return isdigit((unsigned char)at[*at == '+' || *at == '-']);
}

static void token_scan(struct scan *scan)
{
	const char *at = scan->at;

	if (*at == '#' || (at[0] == '/' && at[1] == '/'))
		scan->at += strcspn(at, "\n");
	else if (at[0] == '/' && at[1] == '*')
		comment_scan(scan);
	else if (*at == '"')
		string_scan(scan);
	else if (is_include(scan))
		include_scan(scan);
	else if (is_number(at))
		number_scan(scan);
	else if (*at == '.')
		float_skip(scan);
	else if (isalpha((unsigned char)*at) || *at == '*')
		word_scan(scan);
	else
		scan_skip(scan);
}

static void text_scan(struct scan *scan, const char *text)
{
	scan->start = scan->at = text;
	scan->line = 1;
	while (*scan->at && scan->is_readable)
		token_scan(scan);
}

bool conf_source_check(struct conf_report *report, const char *text)
{
	struct scan scan = {.report = report, .is_readable = true};

	text_scan(&scan, text);
	return scan.is_readable && !report->no_memory;
}
