#include "proxy/trustpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERIAL_SIZE 65

/* What may stand for a serial number, the nearest first. */
static const char *const serial_files[] = {
	"/sys/class/dmi/id/product_serial",
	"/sys/firmware/devicetree/base/serial-number",
	"/etc/machine-id",
};

/* Letters and digits only: firmware writes "None" or worse with blanks. */
static bool serial_read(const char *path, char serial[SERIAL_SIZE])
{
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	size_t len = fread(serial, 1, SERIAL_SIZE - 1, file);
	fclose(file);
	serial[len] = '\0';
	serial[strspn(serial, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")] =
		'\0';
	return strlen(serial) > 4;
}

/* Read once: it does not change while a machine runs. */
static const char *serial_number(void)
{
	static char serial[SERIAL_SIZE];
	for (size_t i = 0; !*serial && i < sizeof serial_files / sizeof *serial_files; i++)
		if (!serial_read(serial_files[i], serial))
			serial[0] = '\0';
	return *serial ? serial : NULL;
}

static enum pki_method method_of(enum conf_method method)
{
	switch (method) {
	case CONF_METHOD_SELFSIGNED:
		return PKI_METHOD_SELFSIGNED;
	case CONF_METHOD_PEM:
		return PKI_METHOD_PEM;
	case CONF_METHOD_SCEP:
		return PKI_METHOD_SCEP;
	case CONF_METHOD_EST:
		return PKI_METHOD_EST;
	case CONF_METHOD_TERMINAL:
		return PKI_METHOD_TERMINAL;
	case CONF_METHOD_PROFILE:
		return PKI_METHOD_PROFILE;
	case CONF_METHOD_PKCS12:
		return PKI_METHOD_PKCS12;
	case CONF_METHOD_TFTP:
		return PKI_METHOD_TFTP;
	case CONF_METHOD_FILE:
		return PKI_METHOD_FILE;
	}
	return PKI_METHOD_SELFSIGNED;
}

static enum pki_hash hash_of(enum conf_hash hash)
{
	if (hash == CONF_HASH_SHA512)
		return PKI_HASH_SHA512;
	return hash == CONF_HASH_SHA384 ? PKI_HASH_SHA384 : PKI_HASH_SHA256;
}

static void fill_files(const struct conf_trustpoint *from, struct pki_trustpoint *to)
{
	to->certificate_file = from->files.certificate;
	to->key_file = from->files.key;
	to->chain_file = from->files.chain;
	to->ca_file = from->files.ca;
}

static void fill_key(const struct conf_trustpoint *from, struct pki_trustpoint *to)
{
	to->key_type = from->key.type == CONF_KEY_RSA ? PKI_KEY_RSA : PKI_KEY_EC;
	to->curve = from->key.curve;
	to->bits = from->key.bits;
	to->key_label = from->key.label;
	to->key_exportable = from->key.exportable;
	to->usage = from->key.usage == CONF_USAGE_KEYS ? PKI_USAGE_KEYS : PKI_USAGE_GENERAL;
}

static void fill_names(const struct conf_trustpoint *from, struct pki_trustpoint *to)
{
	to->alt_names = (const char *const *)from->subject_alt_name.items;
	to->alt_name_count = from->subject_alt_name.count;
	to->subject_name = from->subject_name;
	to->fqdn = from->fqdn;
	to->ip_address = from->ip_address;
	to->serial_number = from->serial_number ? serial_number() : NULL;
	to->hash = hash_of(from->hash);
}

static void fill_enrollment(const struct conf_trustpoint *from, struct pki_trustpoint *to)
{
	to->url = from->enrollment.url;
	to->username = from->enrollment.username;
	to->http_proxy = from->enrollment.http_proxy;
	to->source_interface = from->enrollment.source_interface;
	to->retry_count = from->enrollment.retry_count;
	to->retry_period = from->enrollment.retry_period;
	to->ra = from->enrollment.ra;
	to->legacy_des = from->enrollment.legacy_des;
	to->require_standard = from->enrollment.require_standard;
	to->renews_by_pkcsreq = from->enrollment.renews_by_pkcsreq;
	to->ra_fingerprint = from->enrollment.ra_fingerprint;
	to->fingerprint = from->fingerprint;
}

void trustpoint_fill(
	const struct conf *conf, const struct conf_trustpoint *from, struct pki_trustpoint *to)
{
	*to = (struct pki_trustpoint){
		.name = SELFSIGNED_NAME,
		.state_directory = conf->state_directory,
		.method = PKI_METHOD_SELFSIGNED,
		.key_type = PKI_KEY_EC,
		.curve = "P-256",
		.bits = 2048,
		.hostname = conf->hostname,
		.domain_name = conf->domain_name,
	};
	if (!from)
		return;
	to->name = from->name;
	to->method = method_of(from->method);
	if (from == &conf->trustpool)
		to->ca_file = from->files.ca ? from->files.ca : pki_trustpool_file();
	else if (from->method == CONF_METHOD_PEM)
		fill_files(from, to);
	if (from->method == CONF_METHOD_PEM)
		return;
	fill_key(from, to);
	fill_names(from, to);
	fill_enrollment(from, to);
}

/* ---- all of them ------------------------------------------------------------------- */

static struct pki_trustpoint *item_of(const struct trustpoints *trustpoints,
	const struct conf *conf, const struct conf_trustpoint *from)
{
	return from ? &trustpoints->items[from - conf->trustpoints] : NULL;
}

static void fill_profile(const struct trustpoints *trustpoints, const struct conf *conf,
	const struct conf_profile *from, struct pki_profile *to)
{
	*to = (struct pki_profile){
		.name = from->name,
		.authentication = {from->authentication.url, from->authentication.command},
		.enrollment = {from->enrollment.url, from->enrollment.command},
		.reenrollment = {from->reenrollment.url, from->reenrollment.command},
		.credential = item_of(trustpoints, conf, from->credential),
	};
	for (size_t i = 0; i < from->parameter_count && i < PKI_PROFILE_PARAMETERS; i++) {
		to->parameters[i].value = from->parameters[i].value;
		to->parameters[i].prompt = from->parameters[i].prompt;
	}
}

static bool has_selfsigned(const struct conf *conf)
{
	char *path;
	if (asprintf(&path, "%s/trustpoints/" SELFSIGNED_NAME "/current", conf->state_directory) <
		0)
		return false;
	bool has = access(path, F_OK) == 0;
	free(path);
	return has;
}

int trustpoints_init(struct trustpoints *trustpoints, const struct conf *conf)
{
	*trustpoints = (struct trustpoints){
		.items = calloc(conf->trustpoint_count + 1, sizeof *trustpoints->items),
		.profiles = calloc(conf->profile_count + 1, sizeof *trustpoints->profiles),
	};
	if (!trustpoints->items || !trustpoints->profiles) {
		trustpoints_done(trustpoints);
		return -ENOMEM;
	}
	for (size_t i = 0; i < conf->profile_count; i++)
		fill_profile(trustpoints, conf, &conf->profiles[i], &trustpoints->profiles[i]);
	for (size_t i = 0; i < conf->trustpoint_count; i++) {
		const struct conf_trustpoint *from = &conf->trustpoints[i];
		struct pki_trustpoint *to = &trustpoints->items[trustpoints->count++];
		trustpoint_fill(conf, from, to);
		if (from->enrollment.profile)
			to->profile =
				&trustpoints->profiles[from->enrollment.profile - conf->profiles];
	}
	if (has_selfsigned(conf))
		trustpoint_fill(conf, NULL, &trustpoints->items[trustpoints->count++]);
	trustpoint_fill(conf, &conf->trustpool, &trustpoints->trustpool);
	return 0;
}

void trustpoints_done(struct trustpoints *trustpoints)
{
	free(trustpoints->items);
	free(trustpoints->profiles);
	*trustpoints = (struct trustpoints){0};
}

const struct pki_trustpoint *trustpoints_find(
	const struct trustpoints *trustpoints, const char *name)
{
	for (size_t i = 0; i < trustpoints->count; i++)
		if (strcmp(trustpoints->items[i].name, name) == 0)
			return &trustpoints->items[i];
	return strcmp(name, CONF_TRUSTPOOL) == 0 ? &trustpoints->trustpool : NULL;
}
