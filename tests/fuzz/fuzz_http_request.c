/*
 * Request heads from strangers: however they arrive, they mean the same; and what
 * the file backend makes of them stays within its buffers and its directory.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/http_request.h"
#include "proxy/static_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/ferrule-fuzz-XXXXXX";
static struct file_root root = {.fd = -1};

static void directory_remove(void)
{
	file_root_close(&root);
	if (chdir(directory) == 0) {
		unlink("index.html");
		rmdir("d");
	}
	rmdir(directory);
}

/* Serves "/", and "/d" with a redirect. */
static void directory_make(void)
{
	char path[sizeof(directory) + 16];
	FILE *file;

	if (mkdtemp(directory) == NULL || atexit(directory_remove) != 0)
		abort();
	snprintf(path, sizeof(path), "%s/d", directory);
	if (mkdir(path, 0755) != 0)
		abort();
	snprintf(path, sizeof(path), "%s/index.html", directory);
	file = fopen(path, "w");
	if (file == NULL || fputs("0123456789", file) == EOF || fclose(file) != 0 ||
		file_root_open(&root, directory) != 0)
		abort();
}

/* Parses a copy of exactly `len` bytes, so that a read beyond them is noticed. */
static enum http_parse copy_parse(
	struct http_request *request, char **copy, const uint8_t *data, size_t len)
{
	free(*copy);
	*copy = malloc(len > 0 ? len : 1);
	if (*copy == NULL)
		abort();
	memcpy(*copy, data, len);
	return http_request_parse(request, &http_default_limits, *copy, len);
}

static void same_span(struct http_span a, struct http_span b)
{
	assert((a.data == NULL) == (b.data == NULL));
	assert(a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
}

static void same_request(const struct http_request *a, const struct http_request *b)
{
	assert(a->head_len == b->head_len && a->form == b->form);
	assert(a->keep_alive == b->keep_alive && a->chunked == b->chunked);
	assert(a->has_content_length == b->has_content_length);
	assert(a->content_length == b->content_length);
	assert(a->minor_version == b->minor_version && a->has_options == b->has_options);
	assert(a->expects_continue == b->expects_continue && a->has_host == b->has_host);
	same_span(a->method, b->method);
	same_span(a->target, b->target);
	same_span(a->path, b->path);
	same_span(a->query, b->query);
	same_span(a->host, b->host);
	same_span(a->range, b->range);
	same_span(a->if_none_match, b->if_none_match);
	same_span(a->authorization, b->authorization);
	same_span(a->upgrade, b->upgrade);
	same_span(a->fields, b->fields);
}

static void reply_check(const struct http_request *request)
{
	struct static_reply reply;

	static_file_reply(&root, request, 1700000000, &reply);
	assert(reply.head_len <= sizeof(reply.head));
	assert(memcmp(reply.head, "HTTP/1.1 ", 9) == 0);
	assert(memcmp(reply.head + reply.head_len - 4, "\r\n\r\n", 4) == 0);
	assert(memmem(reply.head, reply.head_len - 4, "\r\n\r\n", 4) == NULL);
	assert(reply.fd < 0 || (reply.offset >= 0 && (uint64_t)reply.offset + reply.length <= 10));
	if (reply.fd >= 0)
		close(reply.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request whole, pieces;
	enum http_parse parse, again = HTTP_PARSE_MORE;
	char *copy = NULL, *copy_of_pieces = NULL;
	size_t step = 1 + size / 24;

	if (root.fd < 0)
		directory_make();
	http_request_init(&whole);
	parse = copy_parse(&whole, &copy, data, size);
	http_request_init(&pieces);
	for (size_t len = 0; again == HTTP_PARSE_MORE && len < size; len += step)
		again = copy_parse(&pieces, &copy_of_pieces, data, len);
	if (again == HTTP_PARSE_MORE)
		again = copy_parse(&pieces, &copy_of_pieces, data, size);

	assert(parse == again && whole.status == pieces.status);
	assert((parse == HTTP_PARSE_BAD) == (whole.status != 0 && whole.reason != NULL));
	if (parse == HTTP_PARSE_DONE) {
		assert(whole.head_len <= size && whole.head_len <= http_default_limits.head);
		same_request(&whole, &pieces);
		reply_check(&whole);
	}
	free(copy_of_pieces);
	free(copy);
	return 0;
}
