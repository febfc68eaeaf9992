#include "config/check.h"

#include <libconfig.h>
#include <string.h>

#include "config/conf.h"
#include "config/element.h"
#include "config/ports.h"
#include "config/report.h"
#include "config/text.h"

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
			conf_report_place(config_setting_get_elem(list, i), "name"),
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

static void server_lines_note(const config_setting_t *setting, struct conf_server *server)
{
	const config_setting_t *certificates = config_setting_get_member(setting, "certificates");

	server->line = (int)config_setting_source_line(setting);
	for (unsigned i = 0; i < server->certificate_count; i++)
		server->certificates[i].line =
			(int)config_setting_source_line(config_setting_get_elem(certificates, i));
}

static void lines_note(const config_setting_t *servers, const config_setting_t *trustpoints,
	const config_setting_t *profiles, struct conf *conf)
{
	for (unsigned i = 0; i < conf->server_count; i++)
		server_lines_note(config_setting_get_elem(servers, i), &conf->servers[i]);
	for (unsigned i = 0; i < conf->trustpoint_count; i++)
		conf->trustpoints[i].line =
			(int)config_setting_source_line(config_setting_get_elem(trustpoints, i));
	for (unsigned i = 0; i < conf->profile_count; i++)
		conf->profiles[i].line =
			(int)config_setting_source_line(config_setting_get_elem(profiles, i));
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
				conf_report_place(config_setting_get_elem(list, i), "primary"),
				"can be true for one trustpoint only, and \"%s\" has it",
				primary->name ? primary->name : "");
		else if (trustpoint->primary && conf_trustpoint_is_anchors_only(trustpoint))
			conf_report_setting(report,
				conf_report_place(config_setting_get_elem(list, i), "primary"),
				"is for a trustpoint with a certificate; this one has only "
				"files.ca, so remove it");
		else if (trustpoint->primary)
			primary = trustpoint;
	}
	return primary;
}

/* `list` has nothing of the name that was looked for. */
static void complain_undefined(struct conf_report *report, const config_setting_t *setting,
	const struct conf_guess *guess, const char *list)
{
	struct conf_quoted quoted = conf_text_quote(guess->word);
	if (guess->best)
		conf_report_setting(report, setting, "%s is not defined; did you mean \"%s\"?",
			quoted.text, guess->best);
	else
		conf_report_setting(
			report, setting, "%s is not defined; add it to %s", quoted.text, list);
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
	complain_undefined(report, setting, &guess, "trustpoints");
	return NULL;
}

/* What a key refers to, or the fallback when it is not written; false after a complaint. */
static bool reference_resolve(struct conf_report *report, const config_setting_t *setting,
	const struct conf *conf, const struct conf_trustpoint *fallback,
	const struct conf_trustpoint **to)
{
	*to = setting ? trustpoint_find(report, setting, conf) : fallback;
	return *to || !setting;
}

/* The same, for a certificate that a server shows. */
static bool identity_resolve(struct conf_report *report, const config_setting_t *setting,
	const struct conf *conf, const struct conf_trustpoint *fallback,
	const struct conf_trustpoint **to)
{
	if (!reference_resolve(report, setting, conf, fallback, to))
		return false;
	if (!setting || !conf_trustpoint_is_anchors_only(*to))
		return true;
	conf_report_setting(report, setting,
		"\"%s\" has only files.ca; give it files.certificate and files.key, "
		"or name another",
		(*to)->name);
	*to = NULL;
	return false;
}

/* An enrolled one has the CA certificates that it has authenticated. */
static bool has_anchors(const struct conf_trustpoint *trustpoint)
{
	if (!trustpoint || trustpoint->method == CONF_METHOD_SELFSIGNED)
		return false;
	return trustpoint->method != CONF_METHOD_PEM || trustpoint->files.ca ||
	       trustpoint->files.chain;
}

static bool is_trustpool(const config_setting_t *setting)
{
	const char *name = setting ? config_setting_get_string(setting) : NULL;

	return name && strcmp(name, CONF_TRUSTPOOL) == 0;
}

/* Whose anchors count: those of the trustpoint that is named, or of the server's own. */
static void client_auth_resolve(struct conf_report *report, const config_setting_t *group,
	const struct conf *conf, struct conf_server *server)
{
	const config_setting_t *setting =
		config_setting_get_member(group, "client_auth_trustpoint");
	const struct conf_trustpoint **to = &server->client_auth_trustpoint;

	if (is_trustpool(setting)) {
		*to = &conf->trustpool;
		return;
	}
	if (!reference_resolve(report, setting, conf, server->trustpoint, to) || has_anchors(*to))
		return;
	if (setting)
		conf_report_setting(report, setting,
			"\"%s\" has no trust anchors; give it method \"pem\" and files.ca",
			(*to)->name);
	else
		conf_report_setting(report, config_setting_get_member(group, "client_auth"),
			"needs trust anchors; name a trustpoint that has files.ca in "
			"client_auth_trustpoint");
}

static void server_resolve(struct conf_report *report, const config_setting_t *group,
	const struct conf *conf, const struct conf_trustpoint *primary, struct conf_server *server)
{
	const config_setting_t *certificates = config_setting_get_member(group, "certificates");
	bool is_resolved = identity_resolve(report, config_setting_get_member(group, "trustpoint"),
		conf, primary, &server->trustpoint);

	for (unsigned i = 0; i < server->certificate_count; i++) {
		const config_setting_t *certificate = config_setting_get_elem(certificates, i);
		identity_resolve(report, config_setting_get_member(certificate, "trustpoint"), conf,
			NULL, &server->certificates[i].trustpoint);
	}
	if (is_resolved && server->client_auth != CONF_CLIENT_AUTH_NONE)
		client_auth_resolve(report, group, conf, server);
}

/* ---- the servers' certificates ------------------------------------------ */

static bool is_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/*
 * Several certificates of one name differ in their keys and go to the same backend.
 * True when there was something to complain about.
 */
static bool certificate_compare(struct conf_report *report, const config_setting_t *setting,
	const struct conf_certificate *certificates, unsigned i, unsigned j)
{
	const struct conf_certificate *later = &certificates[i], *earlier = &certificates[j];

	if (!is_same_text(later->server_name, earlier->server_name))
		return false;
	bool is_same = later->trustpoint && later->trustpoint == earlier->trustpoint;
	bool is_split =
		later->server_name && !is_same_text(later->backend.text, earlier->backend.text);
	if (is_same)
		conf_report_setting(report, setting,
			"has the server_name and the trustpoint of certificates[%u]; remove one",
			j);
	else if (is_split)
		conf_report_setting(report, setting,
			"has the server_name of certificates[%u], but another backend; "
			"give both the same",
			j);
	return is_same || is_split;
}

static void certificates_check(struct conf_report *report, const config_setting_t *certificates,
	const struct conf_server *server)
{
	for (unsigned i = 0; i < server->certificate_count; i++) {
		const config_setting_t *setting = config_setting_get_elem(certificates, i);
		unsigned j = 0;
		while (j < i && !certificate_compare(report, setting, server->certificates, i, j))
			j++;
	}
}

/* ---- enrollment profiles ------------------------------------------------- */

/* A reference that is written and not "". */
static const config_setting_t *reference_find(const config_setting_t *group, const char *name)
{
	const config_setting_t *setting = group ? config_setting_get_member(group, name) : NULL;
	const char *text = setting ? config_setting_get_string(setting) : NULL;

	return text && *text ? setting : NULL;
}

static const struct conf_profile *profile_find(
	struct conf_report *report, const config_setting_t *setting, const struct conf *conf)
{
	const char *name = config_setting_get_string(setting);
	struct conf_guess guess = {.word = name};

	for (size_t i = 0; i < conf->profile_count; i++) {
		const char *candidate = conf->profiles[i].name;
		if (candidate && strcmp(candidate, name) == 0)
			return &conf->profiles[i];
		if (candidate)
			conf_guess_offer(&guess, candidate);
	}
	complain_undefined(report, setting, &guess, "enrollment_profiles");
	return NULL;
}

static void profile_resolve(struct conf_report *report, const config_setting_t *group,
	const struct conf *conf, struct conf_trustpoint *trustpoint)
{
	const config_setting_t *enrollment = config_setting_get_member(group, "enrollment");
	const config_setting_t *setting = reference_find(enrollment, "profile");

	if (setting && trustpoint->method == CONF_METHOD_PROFILE)
		trustpoint->enrollment.profile = profile_find(report, setting, conf);
}

/* A certificate can prove who asks only when there is one to be had by itself. */
static void credential_resolve(struct conf_report *report, const config_setting_t *group,
	const struct conf *conf, struct conf_profile *profile)
{
	const config_setting_t *setting = reference_find(group, "credential");

	if (!setting || !identity_resolve(report, setting, conf, NULL, &profile->credential))
		return;
	if (profile->credential->method == CONF_METHOD_SELFSIGNED)
		conf_report_setting(report, setting,
			"\"%s\" is self-signed, which proves nothing to a CA; name another "
			"trustpoint",
			profile->credential->name);
	else if (profile->credential->enrollment.profile == profile)
		conf_report_setting(report, setting,
			"\"%s\" enrolls by this very profile; name another trustpoint",
			profile->credential->name);
}

static void profiles_resolve(struct conf_report *report, const config_setting_t *trustpoints,
	const config_setting_t *profiles, struct conf *conf)
{
	for (unsigned i = 0; i < conf->trustpoint_count; i++)
		profile_resolve(report, config_setting_get_elem(trustpoints, i), conf,
			&conf->trustpoints[i]);
	for (unsigned i = 0; i < conf->profile_count; i++)
		credential_resolve(
			report, config_setting_get_elem(profiles, i), conf, &conf->profiles[i]);
}

/* ---- all of it ---------------------------------------------------------- */

void conf_check(struct conf_report *report, const struct config_setting_t *root, struct conf *conf)
{
	/* Both are lists of groups or else their counts are 0. */
	const config_setting_t *servers = config_setting_get_member(root, "servers");
	const config_setting_t *trustpoints = config_setting_get_member(root, "trustpoints");

	const config_setting_t *profiles = config_setting_get_member(root, "enrollment_profiles");

	conf->trustpool.name = conf_report_memory(report, conf_text_copy(CONF_TRUSTPOOL));
	conf->trustpool.method = CONF_METHOD_PEM;
	lines_note(servers, trustpoints, profiles, conf);
	names_check(report, servers, conf->server_count);
	names_check(report, trustpoints, conf->trustpoint_count);
	names_check(report, profiles, conf->profile_count);
	profiles_resolve(report, trustpoints, profiles, conf);
	const struct conf_trustpoint *primary = primary_find(report, trustpoints, conf);
	for (unsigned i = 0; i < conf->server_count; i++) {
		const config_setting_t *server = config_setting_get_elem(servers, i);
		server_resolve(report, server, conf, primary, &conf->servers[i]);
		certificates_check(report, config_setting_get_member(server, "certificates"),
			&conf->servers[i]);
	}
	conf_ports_check(report, servers, conf);
}
