/* libFuzzer target: any text is either a configuration or refused with a reason. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf.h"
#include "config/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 loses the string that a syntax error stops at. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errors = {0};
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	/* The machine's own files are no part of the input. */
	if (!strstr(text, "@include")) {
		struct conf *conf = conf_parse("/fuzz.conf", text, &errors);
		if ((conf == NULL) != (errors.count > 0))
			abort();
		conf_free(conf);
		conf_errors_clear(&errors);
	}
	free(text);
	return 0;
}
