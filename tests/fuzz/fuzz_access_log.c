/* What strangers send, in the access log: one line, within its limits, and in JSON JSON. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/access_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every '"' outside of an escape opens or closes a string; control characters are none. */
static void json_check(const char *line, size_t len)
{
	bool in_string = false;
	assert(line[0] == '{' && line[len - 2] == '}');
	for (size_t i = 0; i < len - 1; i++) {
		assert((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
		if (in_string && line[i] == '\\') {
			i++;
			assert(strchr("\"\\u", line[i]));
		} else if (line[i] == '"') {
			in_string = !in_string;
		}
	}
	assert(!in_string);
}

static void combined_check(const char *line, size_t len)
{
	unsigned quotes = 0;
	for (size_t i = 0; i < len - 1; i++) {
		assert(line[i] >= ' ' && line[i] <= '~');
		quotes += line[i] == '"';
		if (line[i] == '\\')
			assert(line[i + 1] == 'x');
	}
	assert(quotes == 12);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char line[ACCESS_LINE_MAX];
	char *copy = malloc(size + 1), *text = malloc(size + 1);
	if (!copy || !text)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	memcpy(text, copy, size);
	text[size] = '\0';
	struct http_span all = {.data = copy, .len = size};
	const struct access_entry entry = {.time = 1700000000,
		.user = text,
		.server = text,
		.method = all,
		.target = all,
		.host = all,
		.referer = all,
		.user_agent = all,
		.server_name = text,
		.client_subject = text};
	size_t n = access_log_format(CONF_ACCESS_JSON, &entry, line, sizeof line);
	assert(n > 0 && memchr(line, '\n', n) == line + n - 1);
	json_check(line, n);
	n = access_log_format(CONF_ACCESS_COMBINED, &entry, line, sizeof line);
	assert(n > 0 && memchr(line, '\n', n) == line + n - 1);
	combined_check(line, n);
	free(text);
	free(copy);
	return 0;
}
