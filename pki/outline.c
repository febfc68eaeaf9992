#include "pki/outline.h"
#include "pki/error.h"
#include "pki/subject.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void pki_outline_init(struct pki_outline *outline, bool json)
{
	*outline = (struct pki_outline){.bio = BIO_new(BIO_s_mem()), .json = json};
	if (json)
		BIO_puts(outline->bio, "{");
}

int pki_outline_finish(struct pki_outline *outline, char **out, struct pki_error *error)
{
	char *data = NULL;
	assert(outline->depth == 0);
	if (outline->json)
		BIO_puts(outline->bio, "}\n");
	long len = outline->bio ? BIO_get_mem_data(outline->bio, &data) : -1;
	*out = len >= 0 ? strndup(data ? data : "", (size_t)len) : NULL;
	BIO_free(outline->bio);
	outline->bio = NULL;
	return *out ? 0 : pki_error_memory(error);
}

/* ---- JSON ---------------------------------------------------------------------------- */

static void json_string(BIO *bio, const char *text)
{
	BIO_puts(bio, "\"");
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;
		if (byte == '"' || byte == '\\')
			BIO_printf(bio, "\\%c", byte);
		else if (byte < 0x20)
			BIO_printf(bio, "\\u%04x", byte);
		else
			BIO_write(bio, text, 1);
	}
	BIO_puts(bio, "\"");
}

/* A comma before all but the first. */
static void json_member(struct pki_outline *outline, const char *key)
{
	if (outline->has_members[outline->depth])
		BIO_puts(outline->bio, ",");
	outline->has_members[outline->depth] = true;
	if (!key || outline->is_list[outline->depth])
		return;
	json_string(outline->bio, key);
	BIO_puts(outline->bio, ":");
}

/* ---- text ------------------------------------------------------------------------------ */

static void indent(struct pki_outline *outline)
{
	for (unsigned i = 0; i < outline->depth; i++)
		BIO_puts(outline->bio, "  ");
}

void pki_outline_line(struct pki_outline *outline, const char *format, ...)
{
	va_list arguments;
	if (outline->json)
		return;
	indent(outline);
	va_start(arguments, format);
	BIO_vprintf(outline->bio, format, arguments);
	va_end(arguments);
	BIO_puts(outline->bio, "\n");
}

/* ---- both --------------------------------------------------------------------------------- */

static void begin(struct pki_outline *outline, const char *key, const char *title, bool list)
{
	if (outline->json) {
		json_member(outline, key);
		BIO_puts(outline->bio, list ? "[" : "{");
	} else if (title) {
		pki_outline_line(outline, "%s", title);
	}
	if (outline->json || title) {
		outline->depth++;
		assert(outline->depth < PKI_OUTLINE_DEPTH);
		outline->is_list[outline->depth] = list;
		outline->has_members[outline->depth] = false;
	}
}

void pki_outline_begin(struct pki_outline *outline, const char *key, const char *title)
{
	begin(outline, key, title, false);
}

void pki_outline_begin_list(struct pki_outline *outline, const char *key, const char *title)
{
	begin(outline, key, title, true);
}

void pki_outline_end(struct pki_outline *outline, const char *title)
{
	if (outline->json)
		BIO_puts(outline->bio, outline->is_list[outline->depth] ? "]" : "}");
	if (outline->json || title)
		outline->depth--;
}

void pki_outline_field(
	struct pki_outline *outline, const char *key, const char *label, const char *value)
{
	if (!outline->json && label)
		pki_outline_line(outline, "%s: %s", label, value);
	if (!outline->json || !key)
		return;
	json_member(outline, key);
	json_string(outline->bio, value);
}

void pki_outline_bool(struct pki_outline *outline, const char *key, const char *label, bool value)
{
	if (!outline->json && label)
		pki_outline_line(outline, "%s: %s", label, value ? "yes" : "no");
	if (!outline->json || !key)
		return;
	json_member(outline, key);
	BIO_puts(outline->bio, value ? "true" : "false");
}

void pki_outline_number(
	struct pki_outline *outline, const char *key, const char *label, long long value)
{
	if (!outline->json && label)
		pki_outline_line(outline, "%s: %lld", label, value);
	if (!outline->json || !key)
		return;
	json_member(outline, key);
	BIO_printf(outline->bio, "%lld", value);
}

void pki_outline_time(struct pki_outline *outline, const char *key, const char *label, time_t when)
{
	struct tm calendar;
	char text[64] = "?";
	if (outline->json) {
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&when, &calendar));
	} else {
		char clock[32], month[16];
		localtime_r(&when, &calendar);
		strftime(clock, sizeof clock, "%H:%M:%S %Z", &calendar);
		strftime(month, sizeof month, "%b", &calendar);
		snprintf(text, sizeof text, "%s %s %d %d", clock, month, calendar.tm_mday,
			calendar.tm_year + 1900);
	}
	pki_outline_field(outline, key, label, text);
}

void pki_outline_name(struct pki_outline *outline, const char *key, const char *label,
	const char *device, const X509_NAME *name)
{
	char *text = pki_subject_text(name);
	if (!text)
		return;
	if (outline->json) {
		pki_outline_field(outline, key, NULL, text);
		free(text);
		return;
	}
	pki_outline_line(outline, "%s:", label);
	outline->depth++;
	if (device)
		pki_outline_line(outline, "Name: %s", device);
	/* An escaped comma is inside a part, not between two. */
	char *part = text;
	for (char *at = text; *at; at++) {
		if (*at == '\\' && at[1]) {
			at++;
		} else if (*at == ',' && at[1] == ' ') {
			*at = '\0';
			pki_outline_line(outline, "%s", part);
			part = at + 2;
		}
	}
	pki_outline_line(outline, "%s", part);
	outline->depth--;
	free(text);
}
