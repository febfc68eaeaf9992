#include "config/conf.h"

#include <errno.h>
#include <libconfig.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/check.h"
#include "config/memory.h"
#include "config/parse.h"
#include "config/reader.h"
#include "config/report.h"
#include "config/schema.h"
#include "config/source.h"
#include "config/text.h"

/* A name for machines that have none; gethostname() then says "" or "(none)". */
#define HOSTNAME_FALLBACK "localhost"

const char *conf_offload_name(enum conf_offload offload)
{
	return conf_offload_choices[offload].word;
}

struct conf *conf_ref(struct conf *conf)
{
	conf->references++;
	return conf;
}

void conf_free(struct conf *conf)
{
	if (!conf || conf->references-- > 0)
		return;
	conf_group_free(conf_keys, conf);
	free(conf->trustpool.name);
	free(conf->path);
	free(conf);
}

/* The system's name, cut at the first dot, fills in what the file does not say. */
static void host_default(struct conf_report *report, struct conf *conf)
{
	char name[HOST_NAME_MAX + 1] = "";

	if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0' || name[0] == '(')
		snprintf(name, sizeof(name), "%s", HOSTNAME_FALLBACK);
	size_t label = strcspn(name, ".");
	const char *domain = name[label] == '.' ? name + label + 1 : "";
	if (!conf->domain_name)
		conf->domain_name = conf_report_memory(report, conf_text_copy(domain));
	name[label] = '\0';
	if (!conf->hostname)
		conf->hostname = conf_report_memory(report, conf_text_copy(name));
}

static struct conf *conf_new(struct conf_report *report)
{
	struct conf *conf = conf_report_memory(report, conf_memory_resize(NULL, sizeof(*conf)));

	if (!conf)
		return NULL;
	*conf = (struct conf){0};
	conf->path = conf_report_memory(report, conf_text_copy(report->path));
	return conf;
}

/* libconfig stops at the first one, and its line is where it could not go on. */
static void syntax_refuse(struct conf_report *report, const config_t *config)
{
	const char *text = config_error_text(config);
	const char *hint = "";

	if (strcmp(text, "syntax error") == 0)
		hint = "; look for a missing semicolon, quote or bracket here or in the line "
		       "before";
	conf_report_add(report, config_error_file(config), (unsigned)config_error_line(config),
		"%s%s", text, hint);
}

/* The text has passed conf_source_check(); libconfig itself dies without memory. */
static struct conf *text_parse(struct conf_report *report, const char *text)
{
	config_t config;
	struct conf *conf = NULL;

	config_init(&config);
	config_set_include_dir(&config, report->directory);
	if (config_read_string(&config, text) != CONFIG_TRUE) {
		syntax_refuse(report, &config);
		goto out;
	}
	conf = conf_new(report);
	if (!conf)
		goto out;
	config_setting_t *root = config_root_setting(&config);
	conf_group_read(report, conf_keys, root, conf);
	conf_check(report, root, conf);
	host_default(report, conf);
out:
	config_destroy(&config);
	return conf;
}

/* The absolute directory that the file is in; not that of a symbolic link's target. */
static int directory_find(const char *path, char directory[static PATH_MAX])
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;

	if (len >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, len);
	parent[len] = '\0';
	return realpath(len ? parent : ".", directory) ? 0 : -errno;
}

struct conf *conf_parse(const char *path, const char *text, struct conf_errors *errors)
{
	char directory[PATH_MAX];
	struct conf_report report = {.path = path, .directory = directory};
	struct conf *conf = NULL;

	int result = directory_find(path, directory);
	if (result < 0)
		conf_report_add(
			&report, NULL, 1, "its directory cannot be found: %s", strerror(-result));
	else if (conf_source_check(&report, text))
		conf = text_parse(&report, text);
	if (!conf_report_is_clean(&report)) {
		conf_free(conf);
		conf = NULL;
	}
	conf_report_finish(&report, errors);
	return conf;
}

struct conf *conf_load(const char *path, struct conf_errors *errors)
{
	const char *why;
	char *text = conf_source_read(path, &why);

	if (!text) {
		struct conf_report report = {.path = path};
		conf_report_add(&report, NULL, 1,
			"the file cannot be read: %s; name the right one with -c", why);
		conf_report_finish(&report, errors);
		return NULL;
	}
	struct conf *conf = conf_parse(path, text, errors);
	free(text);
	return conf;
}
