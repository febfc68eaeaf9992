#include "config/ports.h"

#include <arpa/inet.h>
#include <libconfig.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf.h"
#include "config/memory.h"
#include "config/report.h"

/* A port that something listens on. */
struct claim {
	const struct conf_server *server; /* borrowed */
	bool is_secure;
	const struct conf_strings *addresses; /* borrowed from the server */
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

struct holder {
	char text[96];
};

/* The plain server of whoever wants the port has no other name than HTTP. */
static struct holder holder_name(const struct claim *holder, const struct claim *wanted)
{
	struct holder name = {"HTTP"};

	if (holder->is_secure || holder->server != wanted->server)
		snprintf(name.text, sizeof(name.text), "%sserver \"%s\"",
			holder->is_secure ? "" : "HTTP ",
			holder->server->name ? holder->server->name : "");
	return name;
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
				claims[i].port, holder_name(&claims[j], &claims[i]).text);
			break;
		}
	}
}

static void addresses_check(struct conf_report *report, config_setting_t *setting, const char *key,
	const struct conf_strings *addresses)
{
	for (size_t i = 0; i < addresses->count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (!addresses_overlap(addresses->items[i], addresses->items[j]))
				continue;
			conf_report_setting(report, conf_report_place(setting, key),
				"has \"%s\" and \"%s\", which overlap; remove one",
				addresses->items[j], addresses->items[i]);
			return;
		}
	}
}

static struct claim plain_claim(const struct conf_server *server, config_setting_t *setting)
{
	return (struct claim){
		.server = server,
		.addresses = &server->http_address,
		.port = server->http_port,
		.setting = conf_report_place(setting, "http_port"),
	};
}

static struct claim secure_claim(const struct conf_server *server, config_setting_t *setting)
{
	return (struct claim){
		.server = server,
		.is_secure = true,
		.addresses = &server->secure_address,
		.port = server->secure_port,
		.setting = conf_report_place(setting, "secure_port"),
	};
}

void conf_ports_check(
	struct conf_report *report, const struct config_setting_t *servers, const struct conf *conf)
{
	size_t count = 0;

	if (conf->server_count == 0)
		return;
	struct claim *claims = conf_report_memory(
		report, conf_memory_resize(NULL, 2 * conf->server_count * sizeof(*claims)));
	if (!claims)
		return;
	for (unsigned i = 0; i < conf->server_count; i++) {
		const struct conf_server *server = &conf->servers[i];
		config_setting_t *setting = config_setting_get_elem(servers, i);
		if (server->http_server) {
			addresses_check(report, setting, "http_address", &server->http_address);
			claims[count++] = plain_claim(server, setting);
		}
		if (server->secure_server) {
			addresses_check(report, setting, "secure_address", &server->secure_address);
			claims[count++] = secure_claim(server, setting);
		}
	}
	claims_compare(report, claims, count);
	free(claims);
}
