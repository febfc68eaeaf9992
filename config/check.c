#include "config/check.h"

#include <arpa/inet.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf.h"
#include "config/memory.h"
#include "config/report.h"
#include "config/text.h"

/* Where a key is written, or its group when it is not. */
static config_setting_t *member_or_group(config_setting_t *group, const char *name)
{
	config_setting_t *member = config_setting_get_member(group, name);

	return member ? member : group;
}

/* ---- one trustpoint ----------------------------------------------------- */

static bool is_pem(const struct conf_trustpoint *trustpoint)
{
	return trustpoint->method == CONF_METHOD_PEM;
}

static bool is_selfsigned(const struct conf_trustpoint *trustpoint)
{
	return trustpoint->method == CONF_METHOD_SELFSIGNED;
}

static bool is_selfsigned_ec(const struct conf_trustpoint *trustpoint)
{
	return is_selfsigned(trustpoint) && trustpoint->key.type == CONF_KEY_EC;
}

static bool is_selfsigned_rsa(const struct conf_trustpoint *trustpoint)
{
	return is_selfsigned(trustpoint) && trustpoint->key.type == CONF_KEY_RSA;
}

/* Keys that would be ignored, which none may be. */
static const struct {
	const char *group, *name; /* group is NULL for the trustpoint's own keys */
	bool (*is_unused)(const struct conf_trustpoint *trustpoint);
	const char *used_with;
} unused_keys[] = {
	/* clang-format off */
	{ NULL,  "files",            is_selfsigned,     "enrollment.method = \"pem\"" },
	{ NULL,  "key",              is_pem,            "enrollment.method = \"selfsigned\"" },
	{ NULL,  "subject_alt_name", is_pem,            "enrollment.method = \"selfsigned\"" },
	{ "key", "curve",            is_selfsigned_rsa, "type = \"ec\"" },
	{ "key", "bits",             is_selfsigned_ec,  "type = \"rsa\"" },
	/* clang-format on */
};

static void unused_refuse(struct conf_report *report, const config_setting_t *setting,
	const struct conf_trustpoint *trustpoint)
{
	for (size_t i = 0; i < sizeof(unused_keys) / sizeof(unused_keys[0]); i++) {
		const config_setting_t *group = setting;
		if (unused_keys[i].group)
			group = config_setting_get_member(setting, unused_keys[i].group);
		const config_setting_t *member =
			group ? config_setting_get_member(group, unused_keys[i].name) : NULL;
		if (member && unused_keys[i].is_unused(trustpoint))
			conf_report_setting(report, member, "goes only with %s; remove one of them",
				unused_keys[i].used_with);
	}
}

void conf_trustpoint_check(
	struct conf_report *report, struct config_setting_t *setting, const void *element)
{
	const struct conf_trustpoint *trustpoint = element;

	unused_refuse(report, setting, trustpoint);
	if (!is_pem(trustpoint))
		return;
	if (!trustpoint->files.certificate)
		conf_report_setting(report, member_or_group(setting, "files"),
			"needs the certificate's file for method \"pem\"; for example: "
			"files: { certificate = \"cert.pem\"; key = \"key.pem\"; };");
	if (!trustpoint->files.key)
		conf_report_setting(report, member_or_group(setting, "files"),
			"needs the key's file for method \"pem\"; for example: "
			"files: { certificate = \"cert.pem\"; key = \"key.pem\"; };");
}

/* ---- names -------------------------------------------------------------- */

/* The name of a list's element, or NULL: a missing one has been complained about. */
static const char *element_name(const config_setting_t *list, unsigned i)
{
	const config_setting_t *name =
		config_setting_get_member(config_setting_get_elem(list, i), "name");

	return name ? config_setting_get_string(name) : NULL;
}

static void name_check(struct conf_report *report, const config_setting_t *list, unsigned i)
{
	const char *name = element_name(list, i);

	for (unsigned j = 0; name && j < i; j++) {
		const char *other = element_name(list, j);
		if (!other || strcmp(name, other) != 0)
			continue;
		conf_report_setting(report,
			member_or_group(config_setting_get_elem(list, i), "name"),
			"%s is taken by %s[%u]; give each its own", conf_text_quote(name).text,
			config_setting_name(list), j);
		return;
	}
}

static void names_check(struct conf_report *report, const config_setting_t *list, size_t count)
{
	for (unsigned i = 0; i < count; i++)
		name_check(report, list, i);
}

static void lines_note(
	const config_setting_t *servers, const config_setting_t *trustpoints, struct conf *conf)
{
	for (unsigned i = 0; i < conf->server_count; i++)
		conf->servers[i].line =
			(int)config_setting_source_line(config_setting_get_elem(servers, i));
	for (unsigned i = 0; i < conf->trustpoint_count; i++)
		conf->trustpoints[i].line =
			(int)config_setting_source_line(config_setting_get_elem(trustpoints, i));
}

/* ---- the servers' trustpoints ------------------------------------------- */

/* The one that servers without a trustpoint use; NULL when none is marked. */
static const struct conf_trustpoint *primary_find(
	struct conf_report *report, const config_setting_t *list, const struct conf *conf)
{
	const struct conf_trustpoint *primary = NULL;

	for (unsigned i = 0; i < conf->trustpoint_count; i++) {
		const struct conf_trustpoint *trustpoint = &conf->trustpoints[i];
		if (trustpoint->primary && primary)
			conf_report_setting(report,
				member_or_group(config_setting_get_elem(list, i), "primary"),
				"can be true for one trustpoint only, and \"%s\" has it",
				primary->name ? primary->name : "");
		else if (trustpoint->primary)
			primary = trustpoint;
	}
	return primary;
}

static const struct conf_trustpoint *trustpoint_find(
	struct conf_report *report, const config_setting_t *setting, const struct conf *conf)
{
	/* NULL for a wrong type, which has been complained about. */
	const char *name = config_setting_get_string(setting);
	if (!name)
		return NULL;
	struct conf_guess guess = {.word = name};
	for (size_t i = 0; i < conf->trustpoint_count; i++) {
		const char *candidate = conf->trustpoints[i].name;
		if (candidate && strcmp(candidate, name) == 0)
			return &conf->trustpoints[i];
		if (candidate)
			conf_guess_offer(&guess, candidate);
	}
	struct conf_quoted quoted = conf_text_quote(name);
	if (guess.best)
		conf_report_setting(report, setting, "%s is not defined; did you mean \"%s\"?",
			quoted.text, guess.best);
	else
		conf_report_setting(
			report, setting, "%s is not defined; add it to trustpoints", quoted.text);
	return NULL;
}

static void trustpoints_resolve(struct conf_report *report, const config_setting_t *list,
	struct conf *conf, const struct conf_trustpoint *primary)
{
	for (unsigned i = 0; i < conf->server_count; i++) {
		const config_setting_t *setting =
			config_setting_get_member(config_setting_get_elem(list, i), "trustpoint");
		conf->servers[i].trustpoint =
			setting ? trustpoint_find(report, setting, conf) : primary;
	}
}

/* ---- ports -------------------------------------------------------------- */

/* A port that something listens on. */
struct claim {
	char holder[96]; /* as messages call it */
	const struct conf_strings *addresses;
	unsigned port;
	config_setting_t *setting; /* where the port is written, or who has its default */
};

static bool bytes_overlap(const void *a, const void *b, size_t size)
{
	static const unsigned char wildcard[sizeof(struct in6_addr)];

	return memcmp(a, b, size) == 0 || memcmp(a, wildcard, size) == 0 ||
	       memcmp(b, wildcard, size) == 0;
}

/* A wildcard is every address of its family and none of the other. */
static bool addresses_overlap(const char *a, const char *b)
{
	struct in6_addr left, right;

	if (inet_pton(AF_INET, a, &left) == 1 && inet_pton(AF_INET, b, &right) == 1)
		return bytes_overlap(&left, &right, sizeof(struct in_addr));
	if (inet_pton(AF_INET6, a, &left) == 1 && inet_pton(AF_INET6, b, &right) == 1)
		return bytes_overlap(&left, &right, sizeof(struct in6_addr));
	return false;
}

static bool claims_overlap(const struct claim *a, const struct claim *b)
{
	if (a->port != b->port || a->port == 0)
		return false;
	for (size_t i = 0; i < a->addresses->count; i++) {
		for (size_t j = 0; j < b->addresses->count; j++) {
			if (addresses_overlap(a->addresses->items[i], b->addresses->items[j]))
				return true;
		}
	}
	return false;
}

static void claims_compare(struct conf_report *report, const struct claim *claims, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (!claims_overlap(&claims[i], &claims[j]))
				continue;
			conf_report_add(report, config_setting_source_file(claims[i].setting),
				config_setting_source_line(claims[i].setting),
				"Port %u in use by %s; choose another port or address",
				claims[i].port, claims[j].holder);
			break;
		}
	}
}

static void addresses_check(
	struct conf_report *report, config_setting_t *setting, const struct conf_strings *addresses)
{
	for (size_t i = 0; i < addresses->count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (!addresses_overlap(addresses->items[i], addresses->items[j]))
				continue;
			conf_report_setting(report, member_or_group(setting, "secure_address"),
				"has \"%s\" and \"%s\", which overlap; remove one",
				addresses->items[j], addresses->items[i]);
			return;
		}
	}
}

static void ports_check(
	struct conf_report *report, const config_setting_t *list, const struct conf *conf)
{
	size_t count = 0;

	if (conf->server_count == 0)
		return;
	struct claim *claims = conf_report_memory(
		report, conf_memory_resize(NULL, conf->server_count * sizeof(*claims)));
	if (!claims)
		return;
	for (unsigned i = 0; i < conf->server_count; i++) {
		const struct conf_server *server = &conf->servers[i];
		config_setting_t *setting = config_setting_get_elem(list, i);
		if (!server->secure_server)
			continue;
		addresses_check(report, setting, &server->secure_address);
		struct claim *claim = &claims[count++];
		*claim = (struct claim){.addresses = &server->secure_address,
			.port = server->secure_port,
			.setting = member_or_group(setting, "secure_port")};
		snprintf(claim->holder, sizeof(claim->holder), "server \"%s\"",
			server->name ? server->name : "");
	}
	claims_compare(report, claims, count);
	free(claims);
}

/* ---- all of it ---------------------------------------------------------- */

void conf_check(struct conf_report *report, const struct config_setting_t *root, struct conf *conf)
{
	/* Both are lists of groups or else their counts are 0. */
	const config_setting_t *servers = config_setting_get_member(root, "servers");
	const config_setting_t *trustpoints = config_setting_get_member(root, "trustpoints");

	lines_note(servers, trustpoints, conf);
	names_check(report, servers, conf->server_count);
	names_check(report, trustpoints, conf->trustpoint_count);
	const struct conf_trustpoint *primary = primary_find(report, trustpoints, conf);
	trustpoints_resolve(report, servers, conf, primary);
	ports_check(report, servers, conf);
}
