/* config: what the keys of one element of a list say together; checks of struct conf_list. */
#ifndef FERRULE_CONFIG_ELEMENT_H
#define FERRULE_CONFIG_ELEMENT_H

#include <stdbool.h>

struct conf_report;
struct conf_trustpoint;
struct config_setting_t;

/* `element` is what each is named after. */
void conf_server_check(struct conf_report *report, struct config_setting_t *setting, void *element);
void conf_certificate_check(
	struct conf_report *report, struct config_setting_t *setting, void *element);
void conf_trustpoint_check(
	struct conf_report *report, struct config_setting_t *setting, void *element);

void conf_profile_check(
	struct conf_report *report, struct config_setting_t *setting, void *element);
void conf_parameter_check(
	struct conf_report *report, struct config_setting_t *setting, void *element);

/* It says whom to trust and cannot be a server's certificate. */
bool conf_trustpoint_is_anchors_only(const struct conf_trustpoint *trustpoint);

#endif
