#include "config/report.h"

#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/memory.h"
#include "config/text.h"

/* What is left to say when there is no memory to say it with. */
static char no_memory_text[] = "out of memory while reading the configuration";
static char *no_memory_lines[] = {no_memory_text};

void *conf_report_memory(struct conf_report *report, void *pointer)
{
	if (!pointer)
		report->no_memory = true;
	return pointer;
}

bool conf_report_is_clean(const struct conf_report *report)
{
	return report->count == 0 && !report->no_memory;
}

static bool is_same_file(const struct conf_complaint *a, const struct conf_complaint *b)
{
	return a->file_length == b->file_length && strncmp(a->text, b->text, a->file_length) == 0;
}

/* Files in the order of their first complaint, lines in theirs: where does the new one go? */
static size_t complaint_place(
	const struct conf_report *report, const struct conf_complaint *complaint)
{
	size_t place = report->count;

	for (size_t i = report->count; i > 0; i--) {
		const struct conf_complaint *other = &report->complaints[i - 1];
		if (!is_same_file(other, complaint))
			continue;
		if (other->line <= complaint->line)
			return i;
		place = i - 1;
	}
	return place;
}

static void complaint_insert(struct conf_report *report, struct conf_complaint complaint)
{
	size_t size = (report->count + 1) * sizeof(complaint);
	struct conf_complaint *grown =
		conf_report_memory(report, conf_memory_resize(report->complaints, size));
	if (!grown) {
		free(complaint.text);
		return;
	}
	report->complaints = grown;
	size_t place = complaint_place(report, &complaint);
	memmove(&grown[place + 1], &grown[place], (report->count - place) * sizeof(complaint));
	grown[place] = complaint;
	report->count++;
}

/* libconfig names an included file as @include does: relative to our directory. */
static char *file_name(const struct conf_report *report, const char *file)
{
	if (!file)
		return conf_text_copy(report->path);
	return conf_path_resolve(report->directory, file);
}

static void complaint_add(struct conf_report *report, const char *file, unsigned line,
	const char *subject, const char *message)
{
	char *name = conf_report_memory(report, file_name(report, file));
	if (!name)
		return;
	struct conf_complaint complaint = {
		.text = conf_text_format(
			"%s:%u: %s%s%s", name, line, subject, *subject ? " " : "", message),
		.file_length = strlen(name),
		.line = line,
	};
	free(name);
	if (conf_report_memory(report, complaint.text))
		complaint_insert(report, complaint);
}

void conf_report_add(
	struct conf_report *report, const char *file, unsigned line, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *message = conf_report_memory(report, conf_text_vformat(format, arguments));
	va_end(arguments);
	if (message)
		complaint_add(report, file, line, "", message);
	free(message);
}

/* Appends the setting's path; recurses as deep as the schema does. */
static size_t setting_path(const config_setting_t *setting, char *buf, size_t size)
{
	const config_setting_t *parent = config_setting_parent(setting);
	if (!parent)
		return 0;
	size_t len = setting_path(parent, buf, size);
	if (len >= size)
		return len;
	const char *name = config_setting_name(setting);
	int added;
	if (name)
		added = snprintf(buf + len, size - len, "%s%s", len ? "." : "", name);
	else
		added = snprintf(buf + len, size - len, "[%d]", config_setting_index(setting));
	return len + (size_t)added;
}

void conf_report_setting(
	struct conf_report *report, const struct config_setting_t *setting, const char *format, ...)
{
	/* The root group has neither path nor line. */
	unsigned line = config_setting_source_line(setting);
	char subject[256] = "";
	setting_path(setting, subject, sizeof(subject));

	va_list arguments;
	va_start(arguments, format);
	char *message = conf_report_memory(report, conf_text_vformat(format, arguments));
	va_end(arguments);
	if (message)
		complaint_add(report, config_setting_source_file(setting), line ? line : 1, subject,
			message);
	free(message);
}

struct config_setting_t *conf_report_place(struct config_setting_t *group, const char *name)
{
	config_setting_t *member = config_setting_get_member(group, name);

	return member ? member : group;
}

void conf_report_finish(struct conf_report *report, struct conf_errors *errors)
{
	char **lines = NULL;

	if (report->count > 0)
		lines = conf_report_memory(
			report, conf_memory_resize(NULL, report->count * sizeof(*lines)));
	for (size_t i = 0; i < report->count; i++) {
		if (report->no_memory)
			free(report->complaints[i].text);
		else
			lines[i] = report->complaints[i].text;
	}
	*errors = (struct conf_errors){.lines = lines, .count = report->count};
	if (report->no_memory) {
		free(lines);
		*errors = (struct conf_errors){.lines = no_memory_lines, .count = 1};
	}
	free(report->complaints);
	report->complaints = NULL;
	report->count = 0;
}

void conf_errors_clear(struct conf_errors *errors)
{
	if (errors->lines != no_memory_lines) {
		for (size_t i = 0; i < errors->count; i++)
			free(errors->lines[i]);
		free(errors->lines);
	}
	*errors = (struct conf_errors){0};
}
