/* config: a configuration that is in memory already; for conf_load() and tests. */
#ifndef FERRULE_CONFIG_PARSE_H
#define FERRULE_CONFIG_PARSE_H

struct conf;
struct conf_errors;

/* conf_load() of the text; `path` names it in messages, and relative paths start beside it. */
struct conf *conf_parse(const char *path, const char *text, struct conf_errors *errors);

#endif
