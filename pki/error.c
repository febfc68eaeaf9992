#include "pki/error.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int pki_error_set(struct pki_error *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
	return -1;
}

__attribute__((format(printf, 2, 0))) static void append(
	struct pki_error *error, const char *format, va_list arguments)
{
	size_t used = strlen(error->text);
	vsnprintf(error->text + used, sizeof error->text - used, format, arguments);
}

int pki_error_add(struct pki_error *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	append(error, format, arguments);
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

void pki_warn(struct pki_error *warning, const char *format, ...)
{
	va_list arguments;
	if (*warning->text)
		pki_error_add(warning, "; ");
	va_start(arguments, format);
	append(warning, format, arguments);
	va_end(arguments);
}

/* RFC 5280's times as people write them. */
static void warn_of_time(
	struct pki_error *warning, const char *what, const char *how, const ASN1_TIME *when)
{
	struct tm calendar = {0};
	char text[32] = "?";
	if (ASN1_TIME_to_tm(when, &calendar) == 1)
		strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &calendar);
	pki_warn(warning, "%s %s %s", what, how, text);
}

void pki_warn_of_dates(struct pki_error *warning, const char *what, const X509 *certificate)
{
	const ASN1_TIME *before = X509_get0_notBefore(certificate);
	const ASN1_TIME *after = X509_get0_notAfter(certificate);
	time_t now = time(NULL);
	if (ASN1_TIME_cmp_time_t(before, now) > 0)
		warn_of_time(warning, what, "is not valid before", before);
	if (ASN1_TIME_cmp_time_t(after, now) <= 0)
		warn_of_time(warning, what, "expired on", after);
}

void pki_make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}
