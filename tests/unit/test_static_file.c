#include "proxy/static_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/media_type.h"
#include "tests/suite.h"

extern CU_SuiteInfo static_file_suites[];

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* "Now" lies before the files are made, but for digits.txt, which has a past. */
#define NOW          1700000000
#define NOW_DATE     "Tue, 14 Nov 2023 22:13:20 GMT"
#define DIGITS_TIME  784111777
#define DIGITS_DATE  "Sun, 06 Nov 1994 08:49:37 GMT"
#define DIGITS_ETAG  "\"2ebc98a1.0-a\""
#define DIGITS_LATER "Sun, 06 Nov 1994 08:49:38 GMT"
#define DIGITS_SOON  "Sun, 06 Nov 1994 08:49:36 GMT"
#define NOBODY       65534

/* ---- a directory to serve ---------------------------------------------- */

static char base[32]; /* holds root/ and what is not served */
static struct file_root root = {.fd = -1};
static struct static_reply reply = {.fd = -1};

static void require(bool success, const char *what)
{
	if (success)
		return;
	fprintf(stderr, "static_file tests: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void file_make(const char *path, const char *content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	require(fd >= 0, path);
	require(write(fd, content, strlen(content)) == (ssize_t)strlen(content), path);
	close(fd);
}

static void directories_make(void)
{
	static const char *const names[] = {"root", "root/sub", "root/bare", "root/.git",
		"root/.well-known", "root/evil.example", "root/a:b", "root/odd",
		"root/odd/index.html"};

	for (size_t i = 0; i < COUNT(names); i++)
		require(mkdir(names[i], 0755) == 0, names[i]);
}

static void links_make(void)
{
	static const char *const links[][2] = {
		{"../digits.txt", "root/sub/inside.txt"},
		{"sub", "root/inside"},
		{"../secret.txt", "root/outside.txt"},
		{"..", "root/outside"},
		{"/etc", "root/absolute"},
		{"/proc/self/exe", "root/magic"},
		{"loop", "root/loop"},
		{"nothing", "root/dangling"},
	};

	for (size_t i = 0; i < COUNT(links); i++)
		require(symlink(links[i][0], links[i][1]) == 0, links[i][1]);
}

static void files_make(void)
{
	const struct timespec times[2] = {{.tv_sec = DIGITS_TIME}, {.tv_sec = DIGITS_TIME}};

	file_make("secret.txt", "secret");
	file_make("root/index.html", "<p>index");
	file_make("root/digits.txt", "0123456789");
	require(utimensat(AT_FDCWD, "root/digits.txt", times, 0) == 0, "utimensat");
	file_make("root/empty.txt", "");
	file_make("root/a b%.txt", "space and percent");
	file_make("root/\xc3\xa9.txt", "utf-8");
	file_make("root/x%41.txt", "named with an escape");
	file_make("root/xA.txt", "not this one");
	file_make("root/sub/index.html", "<p>sub");
	file_make("root/sub/page", "no extension");
	file_make("root/.htpasswd", "secret");
	file_make("root/.git/config", "secret");
	file_make("root/.well-known/acme", "public");
	file_make("root/locked.txt", "secret");
	require(chmod("root/locked.txt", 0) == 0, "chmod");
	require(mkfifo("root/fifo", 0644) == 0, "mkfifo");
	require(mknod("root/socket", S_IFSOCK | 0644, 0) == 0, "mknod");
	file_make("root/huge.bin", "");
	require(truncate("root/huge.bin", 5LL << 30) == 0, "truncate"); /* all of it a hole */
}

static int tree_make(void)
{
	int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	mode_t mask = umask(022);

	snprintf(base, sizeof(base), "/tmp/ferrule-static-XXXXXX");
	require(before >= 0 && mkdtemp(base) != NULL && chdir(base) == 0, base);
	directories_make();
	files_make();
	links_make();
	require(file_root_open(&root, "root") == 0, "file_root_open");
	require(fchdir(before) == 0, "fchdir");
	close(before);
	umask(mask);
	return 0;
}

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

static void reply_forget(void)
{
	if (reply.fd >= 0)
		close(reply.fd);
	/* Every field is to be written, fd too: as it is now it counts as none. */
	memset(&reply, 0xa5, sizeof(reply));
}

static int tree_remove(void)
{
	reply_forget();
	file_root_close(&root);
	return nftw(base, entry_remove, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* ---- asking ------------------------------------------------------------ */

/* Is it one of the head's lines? A line that ends with ':' or ' ' may go on. */
static bool head_has(const char *line)
{
	char wanted[1200];
	size_t len = strlen(line);
	bool may_go_on = line[len - 1] == ':' || line[len - 1] == ' ';

	snprintf(wanted, sizeof(wanted), "\r\n%s%s", line, may_go_on ? "" : "\r\n");
	return memmem(reply.head, reply.head_len, wanted, strlen(wanted)) != NULL;
}

/* What is true of every reply. */
static void reply_check(void)
{
	char status_line[32];

	snprintf(status_line, sizeof(status_line), "HTTP/1.1 %d ", reply.status);
	CU_ASSERT(strncmp(reply.head, status_line, strlen(status_line)) == 0);
	CU_ASSERT(memcmp(reply.head + reply.head_len - 4, "\r\n\r\n", 4) == 0);
	CU_ASSERT(head_has("Date: " NOW_DATE));
	CU_ASSERT(head_has("X-Content-Type-Options: nosniff"));
	CU_ASSERT(!head_has("Server:"));
	CU_ASSERT_EQUAL(head_has("Connection: close"), reply.close);
	CU_ASSERT_EQUAL(reply.status == 304, !head_has("Content-Length:"));
	CU_ASSERT(reply.fd >= 0 ? reply.body == NULL && reply.length > 0 : reply.length == 0);
	CU_ASSERT_EQUAL(reply.body == NULL, reply.body_len == 0);
}

/* Replies to a whole head; gives the status. */
static int ask_head(const char *head)
{
	struct http_request request;

	reply_forget();
	http_request_init(&request);
	/* What is no request at all does not get here. */
	if (http_request_parse(&request, &http_default_limits, head, strlen(head)) !=
		HTTP_PARSE_DONE)
		return request.status;
	static_file_reply(&root, &request, NOW, &reply);
	reply_check();
	return reply.status;
}

/* `fields` are header lines, each with its CRLF. */
static int ask_with(const char *method, const char *path, const char *fields)
{
	char head[16384];

	snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, path, fields);
	return ask_head(head);
}

static int ask(const char *path)
{
	return ask_with("GET", path, "");
}

/* Is this what would be sent behind the head, from the file or from memory? */
static bool content_is(const char *text)
{
	char content[64];
	ssize_t len;

	if (reply.fd < 0)
		return reply.body_len == strlen(text) &&
		       strncmp(reply.body, text, reply.body_len) == 0;
	if (reply.length > sizeof(content))
		return false;
	len = pread(reply.fd, content, (size_t)reply.length, reply.offset);
	return len == (ssize_t)strlen(text) && memcmp(content, text, (size_t)len) == 0;
}

/* A path of segments of `each` letters, `len` bytes in all. */
static void long_path_make(char *path, size_t len, size_t each)
{
	for (size_t i = 0; i < len; i++)
		path[i] = i % (each + 1) == 0 ? '/' : 'a';
	path[len] = '\0';
}

/* ---- paths ------------------------------------------------------------- */

struct path_case {
	const char *path;
	int status;
};

static const struct path_case path_cases[] = {
	{"/", 200},
	{"/index.html", 200},
	{"http://b/digits.txt", 200},
	{"http://b", 200},
	{"/digits.txt?a=/../..", 200},
	{"//digits.txt", 200},
	{"/sub//page", 200},
	{"/sub/", 200},
	{"/d%69gits%2etxt", 200},
	{"/a%20b%25.txt", 200},
	{"/%C3%a9.txt", 200},
	{"/sub/inside.txt", 200},
	{"/inside/inside.txt", 200},
	{"/.well-known/acme", 200},
	{"/%2ewell-known/acme", 200},
	{"/empty.txt", 200},
	/* nothing there, or nothing that is served */
	{"/nothing", 404},
	{"/nothing/", 404},
	{"/digits.txt/", 404},
	{"/digits.txt/x", 404},
	{"/DIGITS.TXT", 404},
	{"/bare/", 404},
	{"/odd/", 404},
	{"/dangling", 404},
	{"/loop", 404},
	{"/socket", 404},
	{"/.htpasswd", 404},
	{"/%2ehtpasswd", 404},
	{"/.git/config", 404},
	{"/sub/../.htpasswd", 404},
	{"/.well-known", 301},
	{"/.well-known/", 404},
	{"/.well-known/../.htpasswd", 404},
	{"/.well-knownx", 404},
	/* out of the tree, or up at all */
	{"/.", 404},
	{"/..", 400},
	{"/../", 400},
	{"/../secret.txt", 400},
	{"/sub/../digits.txt", 404},
	{"/./digits.txt", 404},
	{"/...", 404},
	{"/%2e%2e/secret.txt", 400},
	{"/.%2E/secret.txt", 400},
	{"/%2e%2e%2fsecret.txt", 404},
	{"/..%2fsecret.txt", 404},
	{"/sub%2fpage", 404},
	{"/%2fetc/passwd", 404},
	{"//etc/passwd", 404},
	{"/..\\secret.txt", 404},
	{"/outside.txt", 404},
	{"/outside", 404},
	{"/outside/", 404},
	{"/outside/secret.txt", 404},
	{"/outside/root/digits.txt", 404},
	{"/absolute/passwd", 404},
	{"/magic", 404},
	/* decoded once and no more */
	{"/%252e%252e/secret.txt", 404},
	{"/%2564igits.txt", 404},
	{"/x%2541.txt", 200},
	/* no escapes, or of what no path can hold */
	{"/%", 400},
	{"/%2", 400},
	{"/%zz", 400},
	{"/%2g", 400},
	{"/%+2", 400},
	{"/digits.txt%", 400},
	{"/digits.txt%00", 400},
	{"/digits.txt%00.html", 400},
	{"/%00", 400},
};

static void test_paths(void)
{
	for (size_t i = 0; i < COUNT(path_cases); i++) {
		int status = ask(path_cases[i].path);

		CU_ASSERT_EQUAL(status, path_cases[i].status);
		if (status != path_cases[i].status)
			fprintf(stderr, "  %d for %s\n", status, path_cases[i].path);
	}
}

static void test_path_contents(void)
{
	ask("/");
	CU_ASSERT(content_is("<p>index"));
	CU_ASSERT(head_has("Content-Type: text/html; charset=utf-8"));
	ask("/sub/");
	CU_ASSERT(content_is("<p>sub"));
	ask("/sub/page");
	CU_ASSERT(content_is("no extension"));
	CU_ASSERT(head_has("Content-Type: application/octet-stream"));
	ask("/sub/inside.txt");
	CU_ASSERT(content_is("0123456789"));
	ask("/x%2541.txt");
	CU_ASSERT(content_is("named with an escape"));
	ask("/nothing");
	CU_ASSERT(content_is("404 Not Found\n"));
	CU_ASSERT(head_has("Content-Length: 14"));
	CU_ASSERT(head_has("Content-Type: text/plain; charset=utf-8"));
}

static void test_long_paths(void)
{
	char path[8192];

	long_path_make(path, 256, 255); /* NAME_MAX */
	CU_ASSERT_EQUAL(ask(path), 404);
	long_path_make(path, 257, 256);
	CU_ASSERT_EQUAL(ask(path), 404);
	long_path_make(path, 4095, 100);
	CU_ASSERT_EQUAL(ask(path), 404);
	long_path_make(path, 4096, 100);
	CU_ASSERT_EQUAL(ask(path), 414);
	long_path_make(path, 4096, 5000);
	CU_ASSERT_EQUAL(ask(path), 414);
	long_path_make(path, 8000, 1);
	CU_ASSERT_EQUAL(ask(path), 414);
	/* The index of a directory whose name leaves no room for it. */
	long_path_make(path, 4090, 100);
	path[4089] = '/';
	CU_ASSERT_EQUAL(ask(path), 414);
	/* Empty segments cost nothing. */
	memset(path, '/', 8000);
	path[8000] = '\0';
	CU_ASSERT_EQUAL(ask(path), 200);
}

/* Without O_NONBLOCK this would wait for ever: the alarm ends the tests then. */
static void test_fifo(void)
{
	alarm(10);
	CU_ASSERT_EQUAL(ask("/fifo"), 404);
	alarm(0);
}

/* A root may itself be full of magic links. */
static void test_magic_links(void)
{
	struct file_root served = root;

	CU_ASSERT_EQUAL_FATAL(file_root_open(&root, "/proc/self"), 0);
	CU_ASSERT_EQUAL(ask("/exe"), 404);
	CU_ASSERT_EQUAL(ask("/cwd/"), 404);
	CU_ASSERT_EQUAL(ask("/root/etc/passwd"), 404);
	file_root_close(&root);
	root = served;
}

static void test_redirects(void)
{
	static const char *const locations[][2] = {
		{"/sub", "Location: ./sub/"},
		{"/s%75b", "Location: ./s%75b/"},
		{"/inside", "Location: ./inside/"},
		{"/sub?a=b&c", "Location: ./sub/?a=b&c"},
		{"/sub?", "Location: ./sub/?"},
		{"//evil.example", "Location: ./evil.example/"},
		{"///evil.example", "Location: ./evil.example/"},
		{"/a:b", "Location: ./a:b/"},
		{"/odd/index.html", "Location: ./index.html/"},
		{"http://b/sub", "Location: ./sub/"},
	};

	for (size_t i = 0; i < COUNT(locations); i++) {
		CU_ASSERT_EQUAL(ask(locations[i][0]), 301);
		CU_ASSERT(head_has(locations[i][1]));
		CU_ASSERT(content_is("301 Moved Permanently\n"));
	}
}

static void test_redirect_limit(void)
{
	char path[1100] = "/sub?", location[1200];

	memset(path + 5, 'q', 1021);
	snprintf(location, sizeof(location), "Location: ./sub/%s", path + 4);
	CU_ASSERT_EQUAL(ask(path), 301);
	CU_ASSERT(head_has(location));
	path[5 + 1021] = 'q';
	CU_ASSERT_EQUAL(ask(path), 414);
}

static void test_no_permission(void)
{
	bool is_root = geteuid() == 0;

	CU_ASSERT_EQUAL_FATAL(is_root ? seteuid(NOBODY) : 0, 0);
	CU_ASSERT_EQUAL(ask("/locked.txt"), 403);
	CU_ASSERT_EQUAL(ask("/digits.txt"), 200);
	CU_ASSERT_EQUAL_FATAL(is_root ? seteuid(0) : 0, 0);
}

static int descriptor_next(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	close(fd);
	return fd;
}

static void test_no_descriptors(void)
{
	struct rlimit before, none;

	CU_ASSERT_EQUAL(ask("/nothing"), 404); /* closes the last one's */
	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)descriptor_next();
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &none), 0);
	CU_ASSERT_EQUAL(ask("/digits.txt"), 503);
	CU_ASSERT(head_has("Retry-After: 1"));
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &before), 0);
	CU_ASSERT_EQUAL(ask("/digits.txt"), 200);
}

static void test_no_descriptor_is_left(void)
{
	int before;

	CU_ASSERT_EQUAL(ask("/nothing"), 404);
	before = descriptor_next();
	test_paths();
	CU_ASSERT_EQUAL(ask("/fifo"), 404);
	CU_ASSERT_EQUAL(ask_with("HEAD", "/digits.txt", ""), 200);
	CU_ASSERT_EQUAL(ask_with("GET", "/digits.txt", "Range: bytes=99-\r\n"), 416);
	CU_ASSERT_EQUAL(ask_with("GET", "/digits.txt", "If-None-Match: *\r\n"), 304);
	CU_ASSERT_EQUAL(ask_with("GET", "/digits.txt", "If-Match: \"x\"\r\n"), 412);
	CU_ASSERT_EQUAL(descriptor_next(), before);
}

static void test_root(void)
{
	struct file_root other;
	char path[64];

	CU_ASSERT_EQUAL(file_root_open(&other, "/nonexistent/directory"), -ENOENT);
	CU_ASSERT_EQUAL(other.fd, -1);
	file_root_close(&other);
	snprintf(path, sizeof(path), "%s/secret.txt", base);
	CU_ASSERT_EQUAL(file_root_open(&other, path), -ENOTDIR);
	file_root_close(&other);
}

/* ---- methods and connections ------------------------------------------- */

static void test_head_is_like_get(void)
{
	static const char *const paths[] = {"/", "/digits.txt", "/empty.txt", "/sub", "/nothing"};

	for (size_t i = 0; i < COUNT(paths); i++) {
		char head[STATIC_REPLY_HEAD_MAX];
		size_t len;

		ask(paths[i]);
		len = reply.head_len;
		memcpy(head, reply.head, len);
		ask_with("HEAD", paths[i], "");
		CU_ASSERT_EQUAL(reply.head_len, len);
		CU_ASSERT(memcmp(reply.head, head, len) == 0);
		CU_ASSERT_EQUAL(reply.fd, -1);
		CU_ASSERT_PTR_NULL(reply.body);
	}
}

static void test_methods(void)
{
	static const char *const methods[] = {
		"POST", "PUT", "DELETE", "OPTIONS", "get", "GETX", "GE"};

	for (size_t i = 0; i < COUNT(methods); i++) {
		CU_ASSERT_EQUAL(ask_with(methods[i], "/digits.txt", ""), 405);
		CU_ASSERT(head_has("Allow: GET, HEAD"));
		CU_ASSERT(!reply.close);
	}
	CU_ASSERT_EQUAL(ask_with("OPTIONS", "*", ""), 405);
}

/* What follows an unread body would be taken for a request: no keep-alive. */
static void test_bodies(void)
{
	CU_ASSERT_EQUAL(ask_with("POST", "/", "Content-Length: 5\r\n"), 405);
	CU_ASSERT(reply.close);
	CU_ASSERT_EQUAL(ask_with("GET", "/", "Content-Length: 5\r\n"), 413);
	CU_ASSERT(reply.close);
	CU_ASSERT_EQUAL(ask_with("GET", "/", "Transfer-Encoding: chunked\r\n"), 413);
	CU_ASSERT(reply.close);
	CU_ASSERT_EQUAL(ask_with("GET", "/", "Content-Length: 0\r\n"), 200);
	CU_ASSERT(!reply.close);
}

static void test_connection(void)
{
	CU_ASSERT_EQUAL(ask("/"), 200);
	CU_ASSERT(!reply.close);
	CU_ASSERT(!head_has("Connection:"));
	CU_ASSERT_EQUAL(ask_with("GET", "/", "Connection: close\r\n"), 200);
	CU_ASSERT(reply.close);
	CU_ASSERT_EQUAL(ask_head("GET / HTTP/1.0\r\n\r\n"), 200);
	CU_ASSERT(reply.close);
	CU_ASSERT_EQUAL(ask_head("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 200);
	CU_ASSERT(!reply.close);
	CU_ASSERT(head_has("Connection: keep-alive"));
	CU_ASSERT_EQUAL(ask_with("GET", "/nothing", ""), 404);
	CU_ASSERT(!reply.close);
}

/* ---- ranges ------------------------------------------------------------ */

struct range_case {
	const char *range;
	int status;
	const char *content;
	const char *content_range; /* NULL: none */
};

/* clang-format off */
static const struct range_case range_cases[] = {
	{ "bytes=0-0",                     206, "0",          "0-0/10" },
	{ "bytes=2-4",                     206, "234",        "2-4/10" },
	{ "Bytes=0-9",                     206, "0123456789", "0-9/10" },
	{ "bytes=0-",                      206, "0123456789", "0-9/10" },
	{ "bytes=9-",                      206, "9",          "9-9/10" },
	{ "bytes=5-10",                    206, "56789",      "5-9/10" },
	{ "bytes=5-9223372036854775807",   206, "56789",      "5-9/10" },
	{ "bytes=-3",                      206, "789",        "7-9/10" },
	{ "bytes=-10",                     206, "0123456789", "0-9/10" },
	{ "bytes=-11",                     206, "0123456789", "0-9/10" },
	{ "bytes=-9223372036854775807",    206, "0123456789", "0-9/10" },
	/* well-formed, but not there */
	{ "bytes=10-",                     416, NULL,         "*/10" },
	{ "bytes=10-20",                   416, NULL,         "*/10" },
	{ "bytes=9223372036854775807-",    416, NULL,         "*/10" },
	{ "bytes=-0",                      416, NULL,         "*/10" },
	/* ignored: malformed, several, another unit */
	{ "bytes=4-2",                     200, "0123456789", NULL },
	{ "bytes=12-11",                   200, "0123456789", NULL },
	{ "bytes=-",                       200, "0123456789", NULL },
	{ "bytes=",                        200, "0123456789", NULL },
	{ "bytes",                         200, "0123456789", NULL },
	{ "",                              200, "0123456789", NULL },
	{ "bytes=1",                       200, "0123456789", NULL },
	{ "bytes=a-b",                     200, "0123456789", NULL },
	{ "bytes=0x1-2",                   200, "0123456789", NULL },
	{ "bytes=+1-2",                    200, "0123456789", NULL },
	{ "bytes=1--2",                    200, "0123456789", NULL },
	{ "bytes=--2",                     200, "0123456789", NULL },
	{ "bytes= 1-2",                    200, "0123456789", NULL },
	{ "bytes =1-2",                    200, "0123456789", NULL },
	{ "bytes=1-2 ,",                   200, "0123456789", NULL },
	{ "bytes=0-0,2-3",                 200, "0123456789", NULL },
	{ "bytes=0-,0-,0-,0-",             200, "0123456789", NULL },
	{ "bytes=18446744073709551616-",   200, "0123456789", NULL },
	{ "bytes=-18446744073709551617",   200, "0123456789", NULL },
	{ "items=0-1",                     200, "0123456789", NULL },
};
/* clang-format on */

static void range_check(const struct range_case *expected)
{
	char fields[128], line[128];

	snprintf(fields, sizeof(fields), "Range: %s\r\n", expected->range);
	CU_ASSERT_EQUAL(ask_with("GET", "/digits.txt", fields), expected->status);
	CU_ASSERT_EQUAL(head_has("Content-Range:"), expected->content_range != NULL);
	if (expected->content_range != NULL) {
		snprintf(line, sizeof(line), "Content-Range: bytes %s", expected->content_range);
		CU_ASSERT(head_has(line));
	}
	if (expected->content == NULL) {
		CU_ASSERT(content_is("416 Range Not Satisfiable\n"));
		return;
	}
	CU_ASSERT(content_is(expected->content));
	snprintf(line, sizeof(line), "Content-Length: %zu", strlen(expected->content));
	CU_ASSERT(head_has(line));
	CU_ASSERT(head_has("Accept-Ranges: bytes"));
}

static void test_ranges(void)
{
	for (size_t i = 0; i < COUNT(range_cases); i++)
		range_check(&range_cases[i]);
}

static void test_range_of_head(void)
{
	CU_ASSERT_EQUAL(ask_with("HEAD", "/digits.txt", "Range: bytes=0-1\r\n"), 200);
	CU_ASSERT(head_has("Content-Length: 10"));
}

static void test_range_of_nothing(void)
{
	CU_ASSERT_EQUAL(ask_with("GET", "/empty.txt", "Range: bytes=0-\r\n"), 200);
	CU_ASSERT(head_has("Content-Length: 0"));
	CU_ASSERT_EQUAL(ask_with("GET", "/empty.txt", "Range: bytes=-5\r\n"), 200);
}

static void test_range_beyond_4_gib(void)
{
	CU_ASSERT_EQUAL(
		ask_with("GET", "/huge.bin", "Range: bytes=5000000000-5000000099\r\n"), 206);
	CU_ASSERT_EQUAL(reply.offset, 5000000000);
	CU_ASSERT_EQUAL(reply.length, 100);
	CU_ASSERT(head_has("Content-Range: bytes 5000000000-5000000099/5368709120"));
	CU_ASSERT_EQUAL(ask("/huge.bin"), 200);
	CU_ASSERT_EQUAL(reply.length, 5368709120);
}

/* ---- conditions -------------------------------------------------------- */

struct condition_case {
	const char *fields;
	int status;
};

static const struct condition_case condition_cases[] = {
	/* If-Modified-Since, in the three formats of RFC 9110 5.6.7 */
	{"If-Modified-Since: " DIGITS_DATE "\r\n", 304},
	{"If-Modified-Since: " DIGITS_LATER "\r\n", 304},
	{"If-Modified-Since: " DIGITS_SOON "\r\n", 200},
	{"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 304},
	{"If-Modified-Since: Sunday, 06-Nov-94 08:49:36 GMT\r\n", 200},
	{"If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", 304},
	{"If-Modified-Since: Sun Nov  6 08:49:36 1994\r\n", 200},
	{"If-Modified-Since: " DIGITS_DATE " and more\r\n", 200},
	{"If-Modified-Since: Sun, 06 Nov 1994 08:49:37\r\n", 200},
	{"If-Modified-Since: 784111777\r\n", 200},
	{"If-Modified-Since:\r\n", 200},
	/* If-None-Match, which makes If-Modified-Since void */
	{"If-None-Match: " DIGITS_ETAG "\r\n", 304},
	{"If-None-Match: W/" DIGITS_ETAG "\r\n", 304},
	{"If-None-Match: \"a,b\", W/\"\" ,," DIGITS_ETAG "\r\n", 304},
	{"If-None-Match: *\r\n", 304},
	{"If-None-Match: \"other\"\r\n", 200},
	{"If-None-Match: \"*\"\r\n", 200},
	{"If-None-Match: 2ebc98a1.0-a\r\n", 200},
	{"If-None-Match: \"2ebc98a1.0-a\r\n", 200},
	{"If-None-Match: \"2ebc98a1.0-\"\r\n", 200},
	{"If-None-Match: \"\r\n", 200},
	{"If-None-Match: W/\r\n", 200},
	{"If-None-Match:\r\n", 200},
	{"If-None-Match: \"other\"\r\nIf-Modified-Since: " DIGITS_DATE "\r\n", 200},
	{"If-None-Match: " DIGITS_ETAG "\r\nIf-Modified-Since: " DIGITS_SOON "\r\n", 304},
	/* If-Match, which makes If-Unmodified-Since void */
	{"If-Match: " DIGITS_ETAG "\r\n", 200},
	{"If-Match: \"other\", " DIGITS_ETAG "\r\n", 200},
	{"If-Match: *\r\n", 200},
	{"If-Match: W/" DIGITS_ETAG "\r\n", 412},
	{"If-Match: \"other\"\r\n", 412},
	{"If-Match: " DIGITS_ETAG "\r\nIf-Unmodified-Since: " DIGITS_SOON "\r\n", 200},
	{"If-Unmodified-Since: " DIGITS_DATE "\r\n", 200},
	{"If-Unmodified-Since: " DIGITS_SOON "\r\n", 412},
	{"If-Unmodified-Since: rubbish\r\n", 200},
	/* the order of RFC 9110 13.2.2 */
	{"If-Match: \"other\"\r\nIf-None-Match: *\r\n", 412},
	{"If-None-Match: *\r\nRange: bytes=0-1\r\n", 304},
	{"If-None-Match: *\r\nRange: bytes=99-\r\n", 304},
	/* If-Range */
	{"Range: bytes=0-1\r\nIf-Range: " DIGITS_ETAG "\r\n", 206},
	{"Range: bytes=0-1\r\nIf-Range: W/" DIGITS_ETAG "\r\n", 200},
	{"Range: bytes=0-1\r\nIf-Range: \"other\"\r\n", 200},
	{"Range: bytes=0-1\r\nIf-Range: " DIGITS_DATE "\r\n", 206},
	{"Range: bytes=0-1\r\nIf-Range: " DIGITS_LATER "\r\n", 200},
	{"Range: bytes=0-1\r\nIf-Range: " DIGITS_SOON "\r\n", 200},
	{"Range: bytes=0-1\r\nIf-Range: rubbish\r\n", 200},
	{"Range: bytes=0-1\r\nIf-Range:\r\n", 200},
	{"Range: bytes=99-\r\nIf-Range: \"other\"\r\n", 200},
	{"Range: bytes=99-\r\nIf-Range: " DIGITS_ETAG "\r\n", 416},
	{"If-Range: \"other\"\r\n", 200},
};

static void test_conditions(void)
{
	for (size_t i = 0; i < COUNT(condition_cases); i++) {
		int status = ask_with("GET", "/digits.txt", condition_cases[i].fields);

		CU_ASSERT_EQUAL(status, condition_cases[i].status);
		if (status != condition_cases[i].status)
			fprintf(stderr, "  %d for %s", status, condition_cases[i].fields);
	}
}

static void test_validators(void)
{
	ask("/digits.txt");
	CU_ASSERT(head_has("Last-Modified: " DIGITS_DATE));
	CU_ASSERT(head_has("ETag: " DIGITS_ETAG));
	CU_ASSERT_EQUAL(ask_with("GET", "/digits.txt", "If-None-Match: *\r\n"), 304);
	CU_ASSERT(head_has("Last-Modified: " DIGITS_DATE));
	CU_ASSERT(head_has("ETag: " DIGITS_ETAG));
	CU_ASSERT_EQUAL(reply.fd, -1);
	CU_ASSERT_PTR_NULL(reply.body);
}

/* index.html is from "the future": its date is brought down to now (8.8.2.1). */
static void test_date_not_after_now(void)
{
	ask("/index.html");
	CU_ASSERT(head_has("Last-Modified: " NOW_DATE));
	/* Within its second a date vouches for nothing (8.8.2.2). */
	CU_ASSERT_EQUAL(
		ask_with("GET", "/index.html", "Range: bytes=0-1\r\nIf-Range: " NOW_DATE "\r\n"),
		200);
}

/* ---- media types ------------------------------------------------------- */

static void test_media_types(void)
{
	static const char *const types[][2] = {
		{"a.html", "text/html; charset=utf-8"},
		{"b/a.JS", "text/javascript; charset=utf-8"},
		{"a.tar.gz", "application/gzip"},
		{"a.json", "application/json"},
		{"a.svg", "image/svg+xml"},
		{"a.woff2", "font/woff2"},
		{"a", "application/octet-stream"},
		{"a.", "application/octet-stream"},
		{"a.htmlx", "application/octet-stream"},
		{"html", "application/octet-stream"},
		{"a.html/b", "application/octet-stream"},
	};

	for (size_t i = 0; i < COUNT(types); i++)
		CU_ASSERT_STRING_EQUAL(media_type_find(types[i][0]), types[i][1]);
}

static CU_TestInfo path_tests[] = {
	{"paths", test_paths},
	{"contents", test_path_contents},
	{"long paths", test_long_paths},
	{"FIFO does not block", test_fifo},
	{"magic links", test_magic_links},
	{"redirects to directories", test_redirects},
	{"redirect too long", test_redirect_limit},
	{"no permission", test_no_permission},
	{"no descriptors", test_no_descriptors},
	{"no descriptor is left", test_no_descriptor_is_left},
	{"opening the root", test_root},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo reply_tests[] = {
	{"HEAD is like GET", test_head_is_like_get},
	{"methods", test_methods},
	{"bodies", test_bodies},
	{"connection", test_connection},
	{"ranges", test_ranges},
	{"range of HEAD", test_range_of_head},
	{"range of an empty file", test_range_of_nothing},
	{"range beyond 4 GiB", test_range_beyond_4_gib},
	{"conditions", test_conditions},
	{"validators", test_validators},
	{"Last-Modified not after Date", test_date_not_after_now},
	{"media types", test_media_types},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo static_file_suites[] = {
	{.pName = "static_file",
		.pTests = path_tests,
		.pInitFunc = tree_make,
		.pCleanupFunc = tree_remove},
	{.pName = "static_file replies",
		.pTests = reply_tests,
		.pInitFunc = tree_make,
		.pCleanupFunc = tree_remove},
	CU_SUITE_INFO_NULL,
};
