/* config: what no key can say alone, because it depends on others. */
#ifndef FERRULE_CONFIG_CHECK_H
#define FERRULE_CONFIG_CHECK_H

struct conf;
struct conf_report;
struct config_setting_t;

/*
 * Names, references and ports of a file that has been read. Resolves the
 * servers' trustpoints and notes the lines of servers, certificates and trustpoints.
 */
void conf_check(struct conf_report *report, const struct config_setting_t *root, struct conf *conf);

#endif
