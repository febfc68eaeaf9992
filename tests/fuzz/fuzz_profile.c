/*
 * Enrollment profiles: the input is a command, a parameter and a URL, split at NULs. Whatever
 * they are, no header of the request has a line break in it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pki/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_line(const char *text)
{
	assert(!text || !strpbrk(text, "\r\n"));
}

static void http_check(const struct pki_profile_http *http)
{
	one_line(http->url);
	one_line(http->content_type);
	one_line(http->accept);
	assert(http->url && http->header_count <= PKI_PROFILE_HEADERS);
	for (size_t i = 0; i < http->header_count; i++) {
		one_line(http->headers[i]);
		assert(strchr(http->headers[i], ':'));
		assert(strncasecmp(http->headers[i], "Content-Length:", 15) != 0);
	}
	assert(!http->body || strlen(http->body) == http->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 3);
	if (!text)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	const char *command = text, *parameter = command + strlen(command) + 1;
	if (parameter > text + size)
		parameter = text + size;
	const char *url = parameter + strlen(parameter) + 1;
	if (url > text + size || !*url)
		url = "http://ca.example.com:81/cgi";
	struct pki_profile_template step = {.url = url, .command = command};
	struct pki_profile_values values = {.parameters = {parameter, "5001"}};
	struct pki_profile_http http;
	struct pki_error error = {0};
	if (pki_profile_expand(&step, &values, &http, &error) == 0)
		http_check(&http);
	else
		assert(!http.url && *error.text);
	pki_profile_http_done(&http);
	free(text);
	return 0;
}
