#include "proxy/access_class.h"

#include "proxy/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Bits of the prefix in front of an IPv4 address in IPv6's clothes. */
#define MAPPED_PREFIX 96

static bool has_prefix(const uint8_t *ip, const uint8_t *network, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;
	if (memcmp(ip, network, bytes) != 0)
		return false;
	return rest == 0 || ((ip[bytes] ^ network[bytes]) & (0xff00u >> rest) & 0xff) == 0;
}

static bool matches(const struct conf_access_rule *rule, int family, const uint8_t ip[16])
{
	switch (rule->family) {
	case AF_UNSPEC:
		return true;
	case AF_INET:
		return family == AF_INET && has_prefix(ip + 12, rule->network, rule->prefix);
	case AF_INET6:
		/* "::/0" is all of IPv6 and does not mean IPv4. */
		if (family == AF_INET && rule->prefix < MAPPED_PREFIX)
			return false;
		return family != AF_UNSPEC && has_prefix(ip, rule->network, rule->prefix);
	default:
		return false;
	}
}

bool access_class_permits(
	const struct conf_access_rule *rules, size_t count, const struct sockaddr *peer)
{
	uint8_t ip[16] = {0};
	int family = address_ip(peer, ip);
	for (size_t i = 0; i < count; i++)
		if (matches(&rules[i], family, ip))
			return rules[i].permit;
	return count == 0;
}

const char *access_rule_text(const struct conf_access_rule *rule, char out[ACCESS_RULE_TEXT])
{
	const char *action = rule->permit ? "permit" : "deny";
	unsigned bits = rule->family == AF_INET ? 32 : 128;
	char network[INET6_ADDRSTRLEN] = "";
	if (rule->family == AF_UNSPEC) {
		snprintf(out, ACCESS_RULE_TEXT, "%s any", action);
		return out;
	}
	inet_ntop(rule->family, rule->network, network, sizeof network);
	int len = snprintf(out, ACCESS_RULE_TEXT, "%s %s", action, network);
	if (rule->prefix < bits)
		snprintf(out + len, ACCESS_RULE_TEXT - (size_t)len, "/%u", rule->prefix);
	return out;
}
