#include "proxy/messages.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void messages_add(char **text, const char *format, ...)
{
	char *line = NULL, *both = NULL;
	va_list arguments;
	va_start(arguments, format);
	int n = vasprintf(&line, format, arguments);
	va_end(arguments);
	if (n < 0)
		return;
	if (!*text) {
		*text = line;
		return;
	}
	if (asprintf(&both, "%s\n%s", *text, line) >= 0) {
		free(*text);
		*text = both;
	}
	free(line);
}
