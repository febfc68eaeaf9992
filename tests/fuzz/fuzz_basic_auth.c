/* Authorization from strangers: what is taken is within its limits, the rest is wiped. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/basic_auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Neither control characters nor, in a user's name, the separator. */
static void is_clean(const char *text, size_t limit, char separator)
{
	assert(strlen(text) <= limit);
	for (; *text; text++)
		assert((unsigned char)*text >= ' ' && *text != 0x7f && *text != separator);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char user[BASIC_AUTH_USER_MAX + 1], password[BASIC_AUTH_PASSWORD_MAX + 1];
	char *copy = malloc(size > 0 ? size : 1); /* a read beyond its end is noticed */
	if (!copy)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	if (basic_auth_parse((struct http_span){.data = copy, .len = size}, user, password)) {
		assert(user[0] != '\0');
		is_clean(user, BASIC_AUTH_USER_MAX, ':');
		is_clean(password, BASIC_AUTH_PASSWORD_MAX, '\0');
	} else {
		assert(password[0] == '\0');
	}
	free(copy);
	return 0;
}
