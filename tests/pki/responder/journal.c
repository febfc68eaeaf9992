#include "tests/pki/responder/journal.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static struct {
	pthread_mutex_t mutex;
	FILE *file;
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER};

bool journal_open(const char *path)
{
	shared.file = path != NULL ? fopen(path, "ae") : stdout;
	return shared.file != NULL;
}

static void value_write(const char *value)
{
	for (const unsigned char *next = (const unsigned char *)value; *next != '\0'; next++) {
		if (*next == '"' || *next == '\\')
			fputc('\\', shared.file);
		if (*next >= ' ' && *next < 0x7f)
			fputc(*next, shared.file);
		else
			fprintf(shared.file, "\\x%02x", *next);
	}
}

void journal(const char *event, ...)
{
	va_list pairs;
	const char *name;

	pthread_mutex_lock(&shared.mutex);
	fputs(event, shared.file);
	va_start(pairs, event);
	while ((name = va_arg(pairs, const char *)) != NULL) {
		const char *value = va_arg(pairs, const char *);

		if (value == NULL)
			continue;
		fprintf(shared.file, " %s=\"", name);
		value_write(value);
		fputc('"', shared.file);
	}
	va_end(pairs);
	fputc('\n', shared.file);
	fflush(shared.file);
	pthread_mutex_unlock(&shared.mutex);
}
