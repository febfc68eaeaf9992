/* config: collects what is wrong with a file, in the order of its lines. */
#ifndef FERRULE_CONFIG_REPORT_H
#define FERRULE_CONFIG_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "config/conf.h"

struct config_setting_t;

struct conf_complaint {
	char *text;         /* owned: "FILE:LINE: ..." */
	size_t file_length; /* of FILE in it */
	unsigned line;
};

struct conf_report {
	const char *path;      /* borrowed: the file, as the caller named it */
	const char *directory; /* borrowed: the file's, absolute; relative paths start there */
	struct conf_complaint *complaints;
	size_t count;
	bool no_memory;
};

/* `file` is NULL for the configuration file itself, else the name of an included one. */
void conf_report_add(struct conf_report *report, const char *file, unsigned line,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Where the setting is written, its path ("servers[0].name"), a space, the message. */
void conf_report_setting(struct conf_report *report, const struct config_setting_t *setting,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Where a complaint about a key belongs: at the key, or at its group when it is not written. */
struct config_setting_t *conf_report_place(struct config_setting_t *group, const char *name);

/* Memory ran out: returns `pointer`, and remembers when it is NULL. */
void *conf_report_memory(struct conf_report *report, void *pointer);

bool conf_report_is_clean(const struct conf_report *report);

/* Hands the complaints over and empties the report. At least one line follows an unclean one. */
void conf_report_finish(struct conf_report *report, struct conf_errors *errors);

#endif
