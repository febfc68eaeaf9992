#include "pki/error.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int pki_error_set(struct pki_error *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
	return -1;
}

int pki_error_add(struct pki_error *error, const char *format, ...)
{
	size_t used = strlen(error->text);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text + used, sizeof error->text - used, format, arguments);
	va_end(arguments);
	return -1;
}

int pki_error_openssl(struct pki_error *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
	/* The last one names the step that was asked for, the first ones its innards. */
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	pki_error_add(error, ": %s", reason ? reason : "no reason given by OpenSSL");
	/* What stays in the queue would be blamed on the next TLS connection. */
	ERR_clear_error();
	return -1;
}

int pki_error_memory(struct pki_error *error)
{
	ERR_clear_error();
	return pki_error_set(error, "out of memory");
}
