#include "proxy/static_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/http_reply.h"
#include "proxy/media_type.h"

#define DATE_SIZE 64 /* an IMF-fixdate is 29 bytes, an RFC 850 date up to 33 */

/* Last path segment and query of a redirect, so that its head fits. */
#define LOCATION_MAX 1024

/* One request on its way to its reply. */
struct exchange {
	const struct http_request *request;
	time_t now;
	struct static_reply *reply;
};

/* The file a request asks for. */
struct file {
	char path[PATH_MAX]; /* decoded, relative to the root, without empty segments */
	int fd;              /* owned until it is handed to the reply */
	bool is_directory;
	uint64_t size;
	time_t modified;
	char etag[64];
};

/* A part of a file. */
struct range {
	uint64_t first, length;
};

/* ---- the head ---------------------------------------------------------- */

/* Everything appended is bounded, so that a full head is our own mistake. */
static void __attribute__((format(printf, 2, 3)))
head_add(struct static_reply *reply, const char *format, ...)
{
	size_t room = sizeof(reply->head) - reply->head_len;
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(reply->head + reply->head_len, room, format, arguments);
	va_end(arguments);
	assert(len >= 0 && (size_t)len < room);
	reply->head_len += (size_t)len;
}

/* RFC 9110 5.6.7: IMF-fixdate. */
static void head_add_date(struct static_reply *reply, const char *name, time_t date)
{
	char text[DATE_SIZE];
	struct tm tm;

	gmtime_r(&date, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	head_add(reply, "%s: %s\r\n", name, text);
}

/*
 * No Server header: it would tell an attacker what to try, and nobody else
 * needs it (RFC 9110 10.2.4 has it optional).
 */
static void head_begin(struct exchange *exchange, int status)
{
	struct static_reply *reply = exchange->reply;
	const char *text = http_status_text(status);

	reply->status = status;
	head_add(reply, "HTTP/1.1 %.*s\r\n", (int)strcspn(text, "\n"), text);
	head_add_date(reply, "Date", exchange->now);
	/* Browsers must not take an upload that calls itself text for a script. */
	head_add(reply, "X-Content-Type-Options: nosniff\r\n");
	if (reply->close)
		head_add(reply, "Connection: close\r\n");
	else if (exchange->request->minor_version == 0)
		head_add(reply, "Connection: keep-alive\r\n"); /* RFC 9112 C.2.2 */
}

static bool is_head_request(const struct exchange *exchange)
{
	return http_span_is(exchange->request->method, "HEAD");
}

/* Ends a head begun with an error's or a redirect's status; its text is the body. */
static void head_end_with_text(struct exchange *exchange)
{
	struct static_reply *reply = exchange->reply;
	const char *text = http_status_text(reply->status);

	head_add(reply, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
		strlen(text));
	if (is_head_request(exchange))
		return;
	reply->body = text;
	reply->body_len = strlen(text);
}

static void reply_error(struct exchange *exchange, int status)
{
	head_begin(exchange, status);
	if (status == 405)
		head_add(exchange->reply, "Allow: GET, HEAD\r\n");
	if (status == 503)
		head_add(exchange->reply, "Retry-After: 1\r\n");
	head_end_with_text(exchange);
}

/* ---- the path ---------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Takes one character, decoded, off the front; -1: an escape that is none. */
static int character_take(struct http_span *rest)
{
	int high, low, value = (unsigned char)rest->data[0];
	size_t len = 1;

	if (value == '%') {
		high = rest->len >= 3 ? hex_digit(rest->data[1]) : -1;
		low = rest->len >= 3 ? hex_digit(rest->data[2]) : -1;
		if (high < 0 || low < 0)
			return -1;
		value = high * 16 + low;
		len = 3;
	}
	rest->data += len;
	rest->len -= len;
	return value;
}

/* "." and ".." are among the names that begin with a dot: .git, .htpasswd … */
static bool is_hidden(const char *name)
{
	return name[0] == '.' && strcmp(name, ".well-known") != 0; /* RFC 8615 */
}

/*
 * Decodes a segment to the end of the path, once: what still looks encoded then
 * is part of the name. 0 or an error status.
 */
static int segment_append(struct http_span segment, char *path, size_t *len)
{
	const char *name = path + *len;

	while (segment.len > 0) {
		int c = character_take(&segment);

		if (c <= 0) /* a NUL would end the name for the kernel, not for us */
			return 400;
		if (c == '/') /* no name holds one, and as a separator it comes too late */
			return 404;
		if (*len + 2 >= PATH_MAX) /* separator and NUL */
			return 414;
		path[(*len)++] = (char)c;
	}
	path[*len] = '\0';
	return is_hidden(name) ? 404 : 0;
}

/*
 * The request's path as a relative one: decoded, without empty segments, and in
 * a directory's place ("…/") its index. 0 or an error status.
 */
static int path_decode(struct http_span path, char *decoded)
{
	static const struct http_span index_name = {.data = "index.html", .len = 10};
	struct http_span segment;
	size_t len = 0;
	int status = 0;
	bool is_last;

	do {
		segment = path;
		is_last = !http_span_cut(&path, '/', &segment);
		if (is_last && segment.len == 0)
			segment = index_name;
		if (segment.len == 0)
			continue;
		status = segment_append(segment, decoded, &len);
		if (!is_last)
			decoded[len++] = '/';
	} while (status == 0 && !is_last);
	return status;
}

/* ---- the file ---------------------------------------------------------- */

static int open_beneath(int directory, const char *path)
{
	/* NONBLOCK: opening a FIFO would wait for its writer. NOCTTY: nor a terminal. */
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	/* openat2(2): EAGAIN when a rename elsewhere left it unsure about "..". */
	for (int attempt = 0; attempt < 8; attempt++) {
		fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd >= 0 ? (int)fd : -errno;
}

static int status_of_errno(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return 403;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
	case EINTR:
		return 503;
	case EIO:
	case ENOSYS:
		return 500;
	default:
		/*
		 * ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP; ENXIO for a socket; EXDEV for
		 * a link that leaves the tree, of which a stranger need not know.
		 */
		return 404;
	}
}

/*
 * A strong validator (RFC 9110 8.8.3): time to the nanosecond and size. No inode
 * number, so that two machines with the same files agree.
 */
static void file_describe(struct file *file, const struct stat *status, time_t now)
{
	file->is_directory = S_ISDIR(status->st_mode);
	file->size = (uint64_t)status->st_size;
	snprintf(file->etag, sizeof(file->etag), "\"%" PRIx64 ".%lx-%" PRIx64 "\"",
		(uint64_t)status->st_mtim.tv_sec, (unsigned long)status->st_mtim.tv_nsec,
		file->size);
	/* RFC 9110 8.8.2.1: never later than Date. Nor before dates could be written. */
	file->modified = status->st_mtim.tv_sec;
	if (file->modified > now)
		file->modified = now;
	if (file->modified < 0)
		file->modified = 0;
}

/* Opens file->path. 0 or an error status, and then file->fd is -1. */
static int file_open(const struct file_root *root, time_t now, struct file *file)
{
	struct stat status;
	int fd = open_beneath(root->fd, file->path);

	if (fd < 0)
		return status_of_errno(-fd);
	if (fstat(fd, &status) < 0 || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))) {
		close(fd);
		return 404;
	}
	file->fd = fd;
	file_describe(file, &status, now);
	return 0;
}

/* ---- conditions (RFC 9110 13) ------------------------------------------ */

/* The three formats of RFC 9110 5.6.7; false: none of them. */
static bool date_parse(struct http_span span, time_t *date)
{
	static const char *const formats[] = {
		"%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT",
		"%a %b %e %H:%M:%S %Y",
	};
	char text[DATE_SIZE];

	if (span.len >= sizeof(text))
		return false;
	memcpy(text, span.data, span.len);
	text[span.len] = '\0';
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		struct tm tm = {0};
		const char *end = strptime(text, formats[i], &tm);

		if (end == text + span.len) {
			*date = timegm(&tm);
			return true;
		}
	}
	return false;
}

/*
 * Is the tag in a list of entity tags, or the list "*"? A weak tag of the list
 * counts where the comparison may be weak (RFC 9110 8.8.3.2).
 */
static bool etag_is_listed(const char *etag, struct http_span list, bool weak)
{
	size_t len = strlen(etag);
	const char *end = list.data + list.len;

	if (http_span_is(list, "*"))
		return true;
	for (const char *at = list.data; at < end;) {
		bool is_weak = end - at > 2 && memcmp(at, "W/\"", 3) == 0;
		const char *tag = is_weak ? at + 2 : at;
		const char *quote =
			*tag == '"' ? memchr(tag + 1, '"', (size_t)(end - tag) - 1) : NULL;

		if (quote == NULL) {
			at++; /* a comma, a space, or rubbish to pass over */
			continue;
		}
		at = quote + 1;
		if ((weak || !is_weak) && (size_t)(at - tag) == len && memcmp(tag, etag, len) == 0)
			return true;
	}
	return false;
}

/* If-Match, or in its absence If-Unmodified-Since: a reason for 412? */
static bool has_changed(const struct http_request *request, const struct file *file)
{
	time_t date;

	if (request->if_match.data != NULL)
		return !etag_is_listed(file->etag, request->if_match, false);
	return request->if_unmodified_since.data != NULL &&
	       date_parse(request->if_unmodified_since, &date) && file->modified > date;
}

/* If-None-Match, or in its absence If-Modified-Since: a reason for 304? */
static bool is_known(const struct http_request *request, const struct file *file)
{
	time_t date;

	if (request->if_none_match.data != NULL)
		return etag_is_listed(file->etag, request->if_none_match, true);
	return request->if_modified_since.data != NULL &&
	       date_parse(request->if_modified_since, &date) && file->modified <= date;
}

/*
 * If-Range (RFC 9110 13.1.5): is the part wanted of this very version? A date
 * tells only when nothing can have changed within its second (8.8.2.2).
 */
static bool is_same_version(const struct exchange *exchange, const struct file *file)
{
	struct http_span validator = exchange->request->if_range;
	time_t date;

	if (validator.data == NULL)
		return true;
	if (validator.len > 0 && validator.data[0] == '"')
		return http_span_is(validator, file->etag);
	return date_parse(validator, &date) && file->modified == date && date < exchange->now;
}

/* ---- ranges (RFC 9110 14) ---------------------------------------------- */

/* One "first-last", "first-" or "-suffix"; false: anything else. */
static bool range_parse(struct http_span span, uint64_t size, struct range *range)
{
	struct http_span unit, first;
	uint64_t from, to = UINT64_MAX;

	if (!http_span_cut(&span, '=', &unit) || !http_span_is_nocase(unit, "bytes") ||
		!http_span_cut(&span, '-', &first))
		return false;
	if (first.len == 0) {
		if (!http_span_decimal(span, &to))
			return false;
		range->length = to < size ? to : size;
		range->first = size - range->length;
		return true;
	}
	if (!http_span_decimal(first, &from))
		return false;
	if (span.len > 0 && (!http_span_decimal(span, &to) || to < from))
		return false;
	if (to >= size)
		to = size - 1;
	range->first = from;
	range->length = from < size ? to - from + 1 : 0;
	return true;
}

/*
 * What of the file to send: its status, and the range with it. A Range may be
 * ignored (14.2), and is when it is malformed or names several parts, of which a
 * multipart answer could be made to cost much more than the file. So it is for
 * an empty file, where Content-Range has no words for "all of nothing".
 */
static int range_select(
	const struct exchange *exchange, const struct file *file, struct range *range)
{
	const struct http_request *request = exchange->request;

	*range = (struct range){.first = 0, .length = file->size};
	if (request->range.data == NULL || is_head_request(exchange) || file->size == 0)
		return 200;
	if (!is_same_version(exchange, file) || !range_parse(request->range, file->size, range))
		return 200;
	return range->length > 0 ? 206 : 416;
}

/* ---- replies ----------------------------------------------------------- */

/*
 * RFC 9110 15.4.2. Location is relative to the request's own path and begins
 * with "./": the way "//evil.example" was asked for it must not become another
 * host, nor a segment with a colon a scheme (RFC 3986 4.2).
 */
static void reply_redirect(struct exchange *exchange)
{
	struct http_span segment = exchange->request->path, parent;
	struct http_span query = exchange->request->query;

	while (http_span_cut(&segment, '/', &parent))
		;
	if (segment.len == 0) { /* index.html is a directory */
		reply_error(exchange, 404);
		return;
	}
	if (segment.len + query.len > LOCATION_MAX) {
		reply_error(exchange, 414);
		return;
	}
	head_begin(exchange, 301);
	head_add(exchange->reply, "Location: ./%.*s/%s%.*s\r\n", (int)segment.len, segment.data,
		query.data != NULL ? "?" : "", (int)query.len,
		query.data != NULL ? query.data : "");
	head_end_with_text(exchange);
}

static void head_add_validators(struct exchange *exchange, const struct file *file)
{
	head_add_date(exchange->reply, "Last-Modified", file->modified);
	head_add(exchange->reply, "ETag: %s\r\n", file->etag);
}

static void reply_not_modified(struct exchange *exchange, const struct file *file)
{
	head_begin(exchange, 304);
	head_add_validators(exchange, file);
	head_add(exchange->reply, "\r\n");
}

static void reply_unsatisfiable(struct exchange *exchange, const struct file *file)
{
	head_begin(exchange, 416);
	head_add(exchange->reply, "Content-Range: bytes */%" PRIu64 "\r\n", file->size);
	head_end_with_text(exchange);
}

static void reply_content(
	struct exchange *exchange, struct file *file, int status, struct range range)
{
	struct static_reply *reply = exchange->reply;

	head_begin(exchange, status);
	head_add_validators(exchange, file);
	if (status == 206)
		head_add(reply, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
			range.first, range.first + range.length - 1, file->size);
	head_add(
		reply, "Accept-Ranges: bytes\r\nContent-Type: %s\r\n", media_type_find(file->path));
	head_add(reply, "Content-Length: %" PRIu64 "\r\n\r\n", range.length);
	if (is_head_request(exchange) || range.length == 0)
		return;
	reply->fd = file->fd;
	reply->offset = (off_t)range.first;
	reply->length = range.length;
	file->fd = -1;
}

/* The order is that of RFC 9110 13.2.2. */
static void reply_file(struct exchange *exchange, struct file *file)
{
	struct range range;
	int status;

	if (has_changed(exchange->request, file)) {
		reply_error(exchange, 412);
		return;
	}
	if (is_known(exchange->request, file)) {
		reply_not_modified(exchange, file);
		return;
	}
	status = range_select(exchange, file, &range);
	if (status == 416)
		reply_unsatisfiable(exchange, file);
	else
		reply_content(exchange, file, status, range);
}

/* 0 or the error status of a request that no file could satisfy. */
static int request_check(const struct http_request *request)
{
	if (!http_span_is(request->method, "GET") && !http_span_is(request->method, "HEAD"))
		return 405;
	if (http_request_has_body(request))
		return 413;
	return 0;
}

static void reply_init(struct static_reply *reply)
{
	reply->head_len = 0;
	reply->body = NULL;
	reply->body_len = 0;
	reply->fd = -1;
	reply->offset = 0;
	reply->length = 0;
}

void static_file_reply(const struct file_root *root, const struct http_request *request, time_t now,
	struct static_reply *reply)
{
	struct exchange exchange = {.request = request, .now = now, .reply = reply};
	struct file file;
	int status = request_check(request);

	reply_init(reply);
	reply->close = !request->keep_alive || http_request_has_body(request);
	file.fd = -1;
	if (status == 0)
		status = path_decode(request->path, file.path);
	if (status == 0)
		status = file_open(root, now, &file);

	if (status != 0)
		reply_error(&exchange, status);
	else if (file.is_directory)
		reply_redirect(&exchange);
	else
		reply_file(&exchange, &file);
	if (file.fd >= 0)
		close(file.fd);
}

/* ---- the directory ----------------------------------------------------- */

int file_root_open(struct file_root *root, const char *path)
{
	/* By openat2 as well, so that its absence shows here and not per request. */
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC};

	root->fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	return root->fd >= 0 ? 0 : -errno;
}

void file_root_close(struct file_root *root)
{
	if (root->fd >= 0)
		close(root->fd);
	root->fd = -1;
}
