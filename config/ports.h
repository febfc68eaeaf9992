/* config: who listens where; the addresses and ports of all servers. */
#ifndef FERRULE_CONFIG_PORTS_H
#define FERRULE_CONFIG_PORTS_H

struct conf;
struct conf_report;
struct config_setting_t;

/* Complains about addresses that overlap and ports that are taken twice. */
void conf_ports_check(struct conf_report *report, const struct config_setting_t *servers,
	const struct conf *conf);

#endif
