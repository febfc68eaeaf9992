#include "config/reader.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf.h"
#include "config/memory.h"
#include "config/report.h"
#include "config/schema.h"
#include "config/syntax.h"
#include "config/text.h"

/* number_store() writes every enum as an unsigned. */
static_assert(sizeof(enum conf_offload) == sizeof(unsigned), "enums are as wide as unsigned");

/* ---- fields ------------------------------------------------------------- */

static void *field_at(void *object, size_t offset)
{
	return (char *)object + offset;
}

static void pointer_store(void *object, size_t offset, const void *pointer)
{
	memcpy(field_at(object, offset), &pointer, sizeof(pointer));
}

static void *pointer_fetch(void *object, size_t offset)
{
	void *pointer;

	memcpy(&pointer, field_at(object, offset), sizeof(pointer));
	return pointer;
}

static void count_store(const struct conf_key *key, void *object, size_t count)
{
	memcpy(field_at(object, key->list->count_offset), &count, sizeof(count));
}

static size_t count_fetch(const struct conf_key *key, void *object)
{
	size_t count;

	memcpy(&count, field_at(object, key->list->count_offset), sizeof(count));
	return count;
}

static void bool_store(void *object, size_t offset, bool value)
{
	memcpy(field_at(object, offset), &value, sizeof(value));
}

static void number_store(const struct conf_key *key, void *object, uint64_t value)
{
	void *field = field_at(object, key->offset);

	if (key->type == CONF_TYPE_BOOL) {
		bool_store(object, key->offset, value != 0);
	} else if (key->type == CONF_TYPE_PORT) {
		uint16_t port = (uint16_t)value;
		memcpy(field, &port, sizeof(port));
	} else if (key->type == CONF_TYPE_SIZE) {
		memcpy(field, &value, sizeof(value));
	} else {
		unsigned number = (unsigned)value;
		memcpy(field, &number, sizeof(number));
	}
}

static void text_store(
	struct conf_report *report, const struct conf_key *key, void *object, const char *text)
{
	char *copy = key->type == CONF_TYPE_PATH ? conf_path_resolve(report->directory, text)
						 : conf_text_copy(text);

	for (char *at = copy; key->type == CONF_TYPE_DOMAIN && at && *at; at++)
		*at = (char)tolower((unsigned char)*at);
	pointer_store(object, key->offset, conf_report_memory(report, copy));
}

/* Makes room for `count` strings; false when there is none. */
static bool strings_reserve(struct conf_report *report, struct conf_strings *strings, size_t count)
{
	if (count > 0)
		strings->items = conf_report_memory(
			report, conf_memory_resize(NULL, count * sizeof(*strings->items)));
	return strings->items != NULL;
}

static void strings_append(
	struct conf_report *report, struct conf_strings *strings, const char *text)
{
	char *copy = conf_report_memory(report, conf_text_copy(text));

	if (copy)
		strings->items[strings->count++] = copy;
}

/* The zeroed elements of a list, which are its own from here on; NULL when there are none. */
static char *elements_new(
	struct conf_report *report, const struct conf_key *key, void *object, unsigned count)
{
	size_t size = count * key->list->element_size;

	if (count == 0)
		return NULL;
	char *elements = conf_report_memory(report, conf_memory_resize(NULL, size));
	if (!elements)
		return NULL;
	memset(elements, 0, size);
	pointer_store(object, key->offset, elements);
	count_store(key, object, count);
	return elements;
}

/* ---- defaults ----------------------------------------------------------- */

static void strings_default(
	struct conf_report *report, const struct conf_key *key, struct conf_strings *strings)
{
	size_t count = 0;

	while (key->texts && key->texts[count])
		count++;
	if (!strings_reserve(report, strings, count))
		return;
	for (size_t i = 0; i < count; i++)
		strings_append(report, strings, key->texts[i]);
}

static void value_default(struct conf_report *report, const struct conf_key *key, void *object)
{
	switch (key->type) {
	case CONF_TYPE_BOOL:
	case CONF_TYPE_NUMBER:
	case CONF_TYPE_SIZE:
	case CONF_TYPE_PORT:
	case CONF_TYPE_CHOICE:
		number_store(key, object, key->number);
		break;
	case CONF_TYPE_WORD:
	case CONF_TYPE_STRING:
	case CONF_TYPE_DOMAIN:
	case CONF_TYPE_PATH:
		if (key->text)
			text_store(report, key, object, key->text);
		break;
	case CONF_TYPE_FLAGS:
		for (const struct conf_choice *choice = key->choices; choice->word; choice++)
			bool_store(object, choice->value, true);
		break;
	case CONF_TYPE_STRINGS:
		strings_default(report, key, field_at(object, key->offset));
		break;
	case CONF_TYPE_GROUP:
		conf_group_read(report, key->keys, NULL, object);
		break;
	case CONF_TYPE_BACKEND:
	case CONF_TYPE_REFERENCE:
	case CONF_TYPE_LIST:
	case CONF_TYPE_ACCESS:
	case CONF_TYPE_LATER:
		break;
	}
}

/* ---- types -------------------------------------------------------------- */

static const char *type_name(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_GROUP:
		return "a group";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "a whole number";
	case CONFIG_TYPE_FLOAT:
		return "a number with a fraction";
	case CONFIG_TYPE_STRING:
		return "a string";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_ARRAY:
		return "an array";
	case CONFIG_TYPE_LIST:
		return "a list";
	default:
		return "something else";
	}
}

/* libconfig 1.5's getters return 0 for a wrong type, so it is looked at first. */
static bool type_expect(
	struct conf_report *report, const config_setting_t *setting, int type, const char *what)
{
	if (config_setting_type(setting) == type)
		return true;
	conf_report_setting(report, setting, "must be %s, not %s", what, type_name(setting));
	return false;
}

static const char *string_expect(
	struct conf_report *report, const config_setting_t *setting, const char *what)
{
	if (!type_expect(report, setting, CONFIG_TYPE_STRING, what))
		return NULL;
	return config_setting_get_string(setting);
}

static bool count_expect(
	struct conf_report *report, const struct conf_key *key, const config_setting_t *setting)
{
	unsigned count = (unsigned)config_setting_length(setting);

	if (count >= key->minimum && count <= key->maximum)
		return true;
	conf_report_setting(report, setting,
		"must have %" PRIu64 " to %" PRIu64 " elements, not %u", key->minimum, key->maximum,
		count);
	return false;
}

static bool array_expect(
	struct conf_report *report, const struct conf_key *key, const config_setting_t *setting)
{
	const char *what = "an array of strings: [ \"...\" ]";

	return type_expect(report, setting, CONFIG_TYPE_ARRAY, what) &&
	       count_expect(report, key, setting);
}

static bool syntax_expect(struct conf_report *report, const struct conf_syntax *syntax,
	const config_setting_t *setting, const char *text)
{
	if (syntax->is_sound(text))
		return true;
	conf_report_setting(
		report, setting, "must be %s, not %s", syntax->what, conf_text_quote(text).text);
	return false;
}

/* ---- one value of each type --------------------------------------------- */

static void bool_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	if (type_expect(report, setting, CONFIG_TYPE_BOOL, "true or false"))
		number_store(key, object, config_setting_get_bool(setting) != 0);
}

static void number_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	char what[64];
	long long value;

	snprintf(what, sizeof(what), "a whole number from %" PRIu64 " to %" PRIu64, key->minimum,
		key->maximum);
	if (config_setting_type(setting) == CONFIG_TYPE_INT64)
		value = config_setting_get_int64(setting);
	else if (type_expect(report, setting, CONFIG_TYPE_INT, what))
		value = config_setting_get_int(setting);
	else
		return;
	if (value < 0 || (uint64_t)value < key->minimum || (uint64_t)value > key->maximum)
		conf_report_setting(report, setting, "must be %s, not %lld", what, value);
	else
		number_store(key, object, (uint64_t)value);
}

struct choice_words {
	char text[128];
};

static struct choice_words choice_list(const struct conf_choice *choices)
{
	struct choice_words words = {""};
	size_t len = 0;

	for (; choices->word; choices++) {
		if (choices->is_later || choices->why)
			continue;
		len += (size_t)snprintf(words.text + len, sizeof(words.text) - len, "%s\"%s\"",
			len ? " or " : "", choices->word);
		assert(len < sizeof(words.text));
	}
	return words;
}

static void choice_refuse(struct conf_report *report, const struct conf_choice *choices,
	const config_setting_t *setting, const char *text)
{
	struct choice_words words = choice_list(choices);
	struct conf_quoted quoted = conf_text_quote(text);
	struct conf_guess guess = {.word = text};

	for (; choices->word; choices++) {
		if (!choices->is_later && !choices->why)
			conf_guess_offer(&guess, choices->word);
	}
	if (guess.best)
		conf_report_setting(report, setting, "must be %s, not %s; did you mean \"%s\"?",
			words.text, quoted.text, guess.best);
	else
		conf_report_setting(report, setting, "must be %s, not %s", words.text, quoted.text);
}

/* The choice that the string names, or NULL after a complaint. */
static const struct conf_choice *choice_expect(struct conf_report *report,
	const struct conf_choice *choices, const config_setting_t *setting)
{
	const char *text = string_expect(report, setting, "a string");
	if (!text)
		return NULL;
	const struct conf_choice *choice = choices;
	while (choice->word && strcmp(choice->word, text) != 0)
		choice++;
	if (choice->word && !choice->is_later && !choice->why)
		return choice;
	if (choice->word && choice->why)
		conf_report_setting(report, setting, "\"%s\" %s; use %s", text, choice->why,
			choice_list(choices).text);
	else if (choice->word)
		conf_report_setting(report, setting, "\"%s\" is not yet supported; use %s", text,
			choice_list(choices).text);
	else
		choice_refuse(report, choices, setting, text);
	return NULL;
}

static void choice_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	const struct conf_choice *choice = choice_expect(report, key->choices, setting);

	if (choice)
		number_store(key, object, choice->value);
}

static void word_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	const struct conf_choice *choice = choice_expect(report, key->choices, setting);

	if (choice)
		text_store(report, key, object, choice->word);
}

static void flags_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	if (!array_expect(report, key, setting))
		return;
	for (unsigned i = 0; i < (unsigned)config_setting_length(setting); i++) {
		const struct conf_choice *choice =
			choice_expect(report, key->choices, config_setting_get_elem(setting, i));
		if (choice)
			bool_store(object, choice->value, true);
	}
}

static void string_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	bool is_path = key->type == CONF_TYPE_PATH;
	const char *text =
		string_expect(report, setting, is_path ? "a path in quotes" : "a string");

	if (!text)
		return;
	if (key->is_empty_default && *text == '\0')
		value_default(report, key, object);
	else if (syntax_expect(report, is_path ? &conf_syntax_path : key->syntax, setting, text))
		text_store(report, key, object, text);
}

static void strings_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	struct conf_strings *strings = field_at(object, key->offset);

	if (!array_expect(report, key, setting))
		return;
	unsigned count = (unsigned)config_setting_length(setting);
	if (!strings_reserve(report, strings, count))
		return;
	for (unsigned i = 0; i < count; i++) {
		config_setting_t *element = config_setting_get_elem(setting, i);
		const char *text = string_expect(report, element, "a string");
		if (text && syntax_expect(report, key->syntax, element, text))
			strings_append(report, strings, text);
	}
}

static void backend_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	struct conf_backend *backend = field_at(object, key->offset);
	const char *text = string_expect(report, setting, "a string such as \"127.0.0.1:8080\"");
	const char *why;

	if (!text)
		return;
	int result = conf_backend_parse(text, report->directory, backend, &why);
	if (result == -EINVAL)
		conf_report_setting(
			report, setting, "%s; it is %s", why, conf_text_quote(text).text);
	else if (result == -ENOMEM)
		conf_report_memory(report, NULL);
}

static void reference_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	(void)key;
	(void)object; /* conf_check() has the trustpoints it may point at */
	type_expect(report, setting, CONFIG_TYPE_STRING, "a string");
}

static void group_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	if (type_expect(report, setting, CONFIG_TYPE_GROUP, "a group: { ... }"))
		conf_group_read(report, key->keys, setting, object);
}

static void element_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *element)
{
	size_t complaints = report->count;

	if (key->list->text && config_setting_type(setting) == CONFIG_TYPE_STRING) {
		conf_group_read(report, key->keys, NULL, element);
		string_read(report, key->list->text, setting, element);
		return;
	}
	if (!type_expect(report, setting, CONFIG_TYPE_GROUP, "a group: { ... }"))
		return;
	conf_group_read(report, key->keys, setting, element);
	if (key->list->check && report->count == complaints && !report->no_memory)
		key->list->check(report, setting, element);
}

static void access_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	if (!array_expect(report, key, setting))
		return;
	unsigned count = (unsigned)config_setting_length(setting);
	char *rules = elements_new(report, key, object, count);
	for (unsigned i = 0; rules && i < count; i++) {
		config_setting_t *element = config_setting_get_elem(setting, i);
		struct conf_access_rule rule;
		struct conf_reason why;
		const char *text = string_expect(report, element, "a string");
		if (text && !conf_access_rule_parse(text, &rule, &why))
			conf_report_setting(report, element, "%s; it is %s", why.text,
				conf_text_quote(text).text);
		else if (text)
			memcpy(rules + i * sizeof(rule), &rule, sizeof(rule));
	}
}

/* One word for the whole list. */
static void list_word_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	char *element = elements_new(report, key, object, 1);

	if (!element)
		return;
	conf_group_read(report, key->keys, NULL, element);
	choice_read(report, key->list->word, setting, element);
}

static bool list_expect(
	struct conf_report *report, const struct conf_key *key, const config_setting_t *setting)
{
	const struct conf_key *word = key->list->word;
	char what[192];

	snprintf(what, sizeof(what), "%s%sa list of groups: ( { ... }, { ... } )",
		word ? choice_list(word->choices).text : "", word ? " or " : "");
	return type_expect(report, setting, CONFIG_TYPE_LIST, what) &&
	       count_expect(report, key, setting);
}

static void list_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	if (key->list->word && config_setting_type(setting) == CONFIG_TYPE_STRING) {
		list_word_read(report, key, setting, object);
		return;
	}
	if (!list_expect(report, key, setting))
		return;
	unsigned count = (unsigned)config_setting_length(setting);
	char *elements = elements_new(report, key, object, count);
	for (unsigned i = 0; elements && i < count; i++)
		element_read(report, key, config_setting_get_elem(setting, i),
			elements + i * key->list->element_size);
}

static void later_read(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object)
{
	(void)key;
	(void)object;
	conf_report_setting(report, setting, "is not yet supported; remove it");
}

/* clang-format off */
static void (*const value_read[])(struct conf_report *report, const struct conf_key *key,
	config_setting_t *setting, void *object) = {
	[CONF_TYPE_BOOL]      = bool_read,
	[CONF_TYPE_NUMBER]    = number_read,
	[CONF_TYPE_SIZE]      = number_read,
	[CONF_TYPE_PORT]      = number_read,
	[CONF_TYPE_CHOICE]    = choice_read,
	[CONF_TYPE_WORD]      = word_read,
	[CONF_TYPE_FLAGS]     = flags_read,
	[CONF_TYPE_STRING]    = string_read,
	[CONF_TYPE_DOMAIN]    = string_read,
	[CONF_TYPE_PATH]      = string_read,
	[CONF_TYPE_STRINGS]   = strings_read,
	[CONF_TYPE_BACKEND]   = backend_read,
	[CONF_TYPE_REFERENCE] = reference_read,
	[CONF_TYPE_GROUP]     = group_read,
	[CONF_TYPE_LIST]      = list_read,
	[CONF_TYPE_ACCESS]    = access_read,
	[CONF_TYPE_LATER]     = later_read,
};
/* clang-format on */

/* ---- groups ------------------------------------------------------------- */

static const struct conf_key *key_find(const struct conf_key *keys, const char *name)
{
	while (keys->name && strcmp(keys->name, name) != 0)
		keys++;
	return keys->name ? keys : NULL;
}

static void unknown_refuse(
	struct conf_report *report, const struct conf_key *keys, const config_setting_t *setting)
{
	struct conf_guess guess = {.word = config_setting_name(setting)};

	for (; keys->name; keys++) {
		if (keys->type != CONF_TYPE_LATER)
			conf_guess_offer(&guess, keys->name);
	}
	if (guess.best)
		conf_report_setting(
			report, setting, "is not a known key; did you mean %s?", guess.best);
	else
		conf_report_setting(
			report, setting, "is not a known key; remove it or see ferrule.conf(5)");
}

static void members_read(struct conf_report *report, const struct conf_key *keys,
	const config_setting_t *group, void *object)
{
	for (unsigned i = 0; i < (unsigned)config_setting_length(group); i++) {
		config_setting_t *setting = config_setting_get_elem(group, i);
		const struct conf_key *key = key_find(keys, config_setting_name(setting));
		if (key)
			value_read[key->type](report, key, setting, object);
		else
			unknown_refuse(report, keys, setting);
	}
}

void conf_group_read(struct conf_report *report, const struct conf_key *keys,
	struct config_setting_t *group, void *object)
{
	if (group)
		members_read(report, keys, group, object);
	for (const struct conf_key *key = keys; key->name; key++) {
		if (group && config_setting_get_member(group, key->name))
			continue;
		if (group && key->example)
			conf_report_setting(report, group, "needs %s; for example: %s;", key->name,
				key->example);
		else
			value_default(report, key, object);
	}
}

/* ---- release ------------------------------------------------------------ */

static void strings_free(struct conf_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		free(strings->items[i]);
	free(strings->items);
}

static void backend_free(struct conf_backend *backend)
{
	free(backend->text);
	free(backend->host);
	free(backend->path);
}

static void list_free(const struct conf_key *key, void *object)
{
	char *elements = pointer_fetch(object, key->offset);

	for (size_t i = 0; i < count_fetch(key, object); i++)
		conf_group_free(key->keys, elements + i * key->list->element_size);
	free(elements);
}

static void value_free(const struct conf_key *key, void *object)
{
	switch (key->type) {
	case CONF_TYPE_WORD:
	case CONF_TYPE_STRING:
	case CONF_TYPE_DOMAIN:
	case CONF_TYPE_PATH:
	case CONF_TYPE_ACCESS:
		free(pointer_fetch(object, key->offset));
		break;
	case CONF_TYPE_STRINGS:
		strings_free(field_at(object, key->offset));
		break;
	case CONF_TYPE_BACKEND:
		backend_free(field_at(object, key->offset));
		break;
	case CONF_TYPE_GROUP:
		conf_group_free(key->keys, object);
		break;
	case CONF_TYPE_LIST:
		list_free(key, object);
		break;
	case CONF_TYPE_BOOL:
	case CONF_TYPE_NUMBER:
	case CONF_TYPE_SIZE:
	case CONF_TYPE_PORT:
	case CONF_TYPE_CHOICE:
	case CONF_TYPE_FLAGS:
	case CONF_TYPE_REFERENCE:
	case CONF_TYPE_LATER:
		break;
	}
}

void conf_group_free(const struct conf_key *keys, void *object)
{
	for (; keys->name; keys++)
		value_free(keys, object);
}
