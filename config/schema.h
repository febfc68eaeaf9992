/*
 * config: every key of the configuration file as data. The reader, the defaults
 * and the release of a struct conf are all driven by these tables.
 */
#ifndef FERRULE_CONFIG_SCHEMA_H
#define FERRULE_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_report;
struct conf_syntax;
struct config_setting_t;

/* What a key's value is, and what the field it goes to looks like. */
enum conf_type {
	CONF_TYPE_BOOL,      /* bool */
	CONF_TYPE_NUMBER,    /* unsigned */
	CONF_TYPE_SIZE,      /* uint64_t */
	CONF_TYPE_PORT,      /* uint16_t */
	CONF_TYPE_CHOICE,    /* an enum; a string with one of the choices */
	CONF_TYPE_WORD,      /* char *; a string with one of the choices */
	CONF_TYPE_FLAGS,     /* bools; an array with some of the choices */
	CONF_TYPE_STRING,    /* char * */
	CONF_TYPE_DOMAIN,    /* char *, in lower case */
	CONF_TYPE_PATH,      /* char *, absolute */
	CONF_TYPE_STRINGS,   /* struct conf_strings */
	CONF_TYPE_BACKEND,   /* struct conf_backend */
	CONF_TYPE_REFERENCE, /* no field: resolved when everything has been read */
	CONF_TYPE_GROUP,     /* fields of the same struct as the group's own */
	CONF_TYPE_LIST,      /* an array of structs and its count; a list of groups */
	CONF_TYPE_ACCESS,    /* struct conf_access_rule * and its count; an array of strings */
	CONF_TYPE_LATER,     /* no field: not yet supported */
};

struct conf_choice {
	const char *word; /* NULL ends an array of choices */
	size_t value;     /* CHOICE: the enum's; FLAGS: the offset of a bool */
	bool is_later;    /* not yet supported */
	const char *why;  /* refused: completes "WORD ..."; else NULL */
};

struct conf_list {
	size_t count_offset;
	size_t element_size;
	/*
	 * A CHOICE of the elements. One of its words may stand for the whole list: that
	 * is one element with this choice and the defaults of its other keys. Or NULL.
	 */
	const struct conf_key *word;
	/* A key of the elements: a string in place of a group is its value. Or NULL. */
	const struct conf_key *text;
	/* Looks at an element whose own keys are sound. May be NULL. */
	void (*check)(struct conf_report *report, struct config_setting_t *setting, void *element);
};

struct conf_key {
	const char *name; /* NULL ends an array of keys */
	enum conf_type type;
	size_t offset;             /* of the field in its struct */
	uint64_t minimum, maximum; /* of a number; of the count of elements */
	unsigned number;           /* default of BOOL, NUMBER, SIZE, PORT, CHOICE */
	const char *text;          /* default of STRING, DOMAIN, PATH, WORD; may be NULL */
	bool is_empty_default;     /* "" stands for the default of a STRING or PATH */
	const char *const *texts;  /* default of STRINGS; NULL: none */
	const char *example;       /* of a key that must be there; else NULL */
	const struct conf_choice *choices;
	const struct conf_syntax *syntax; /* of a string or of each string in an array */
	const struct conf_key *keys;      /* of a GROUP or of a LIST's elements */
	const struct conf_list *list;     /* of a LIST or ACCESS */
};

extern const struct conf_key conf_keys[];
extern const struct conf_choice conf_offload_choices[];

#endif
