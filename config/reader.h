/* config: from libconfig's settings to a struct, as the schema says. */
#ifndef FERRULE_CONFIG_READER_H
#define FERRULE_CONFIG_READER_H

struct conf_key;
struct conf_report;
struct config_setting_t;

/*
 * Fills the fields of the zeroed `object` from a group and complains about all
 * that does not fit. A key that is not there gets its default; one whose value
 * is refused stays zero. `group` is NULL for a group that is not there.
 */
void conf_group_read(struct conf_report *report, const struct conf_key *keys,
	struct config_setting_t *group, void *object);

/* Releases what the fields own, not the object itself. */
void conf_group_free(const struct conf_key *keys, void *object);

#endif
