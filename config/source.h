/*
 * config: the bytes of a configuration file, and what has to be looked at
 * before libconfig 1.5 may see them.
 */
#ifndef FERRULE_CONFIG_SOURCE_H
#define FERRULE_CONFIG_SOURCE_H

#include <stdbool.h>

struct conf_report;

/*
 * The file's text, which the caller frees, or NULL and the reason in `why` (valid
 * until the next call). Regular files of at most 1 MiB without NUL bytes.
 */
char *conf_source_read(const char *path, const char **why);

/*
 * Complains about what libconfig would take for something else: integers beyond
 * 32 bits without an L, NUL escapes, comments and includes without an end, files that cannot
 * be included. False when libconfig must not read the text.
 */
bool conf_source_check(struct conf_report *report, const char *text);

#endif
