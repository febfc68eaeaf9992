#include "config/syntax.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf.h"

#define BITS(family) ((family) == AF_INET ? 32u : 128u)

/* "permit host ADDRESS" and the NUL. */
#define RULE_SIZE (sizeof("permit host /128") + INET6_ADDRSTRLEN)

static bool refuse(struct conf_reason *why, const char *text)
{
	snprintf(why->text, sizeof(why->text), "%s", text);
	return false;
}

static bool form_refuse(struct conf_reason *why)
{
	return refuse(why, "must be \"permit\" or \"deny\" and \"any\", an address or "
			   "NETWORK/PREFIX, such as \"permit 10.0.0.0/8\"");
}

static void mask_apply(uint8_t network[static 16], unsigned prefix)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned kept = prefix > 8 * i ? prefix - 8 * i : 0;
		if (kept < 8)
			network[i] &= (uint8_t)(0xff00u >> kept);
	}
}

static bool prefix_parse(const char *text, struct conf_access_rule *rule)
{
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > 3 || text[len] != '\0')
		return false;
	rule->prefix = (unsigned)strtoul(text, NULL, 10);
	return rule->prefix <= BITS(rule->family);
}

/* Bits behind the prefix hint at a typing error in one of them. */
static bool host_bits_expect(const struct conf_access_rule *rule, struct conf_reason *why)
{
	char text[INET6_ADDRSTRLEN] = "";
	uint8_t network[16];

	memcpy(network, rule->network, sizeof(network));
	mask_apply(network, rule->prefix);
	if (memcmp(network, rule->network, sizeof(network)) == 0)
		return true;
	inet_ntop(rule->family, network, text, sizeof(text));
	snprintf(why->text, sizeof(why->text),
		"has bits behind its prefix; write \"%s %s/%u\", or the prefix that is meant",
		rule->permit ? "permit" : "deny", text, rule->prefix);
	return false;
}

static bool address_parse(const char *text, struct conf_access_rule *rule, struct conf_reason *why)
{
	struct in6_addr ipv6;

	if (inet_pton(AF_INET, text, rule->network) == 1) {
		rule->family = AF_INET;
		return true;
	}
	if (inet_pton(AF_INET6, text, &ipv6) != 1)
		return form_refuse(why);
	/* Listeners for "::" set IPV6_V6ONLY: it would match nobody. */
	if (IN6_IS_ADDR_V4MAPPED(&ipv6))
		return refuse(why, "has an IPv4 address written as IPv6; write it as IPv4");
	memcpy(rule->network, &ipv6, sizeof(ipv6));
	rule->family = AF_INET6;
	return true;
}

/* ADDRESS or NETWORK/PREFIX, whose slash is overwritten. */
static bool network_parse(char *text, struct conf_access_rule *rule, struct conf_reason *why)
{
	char *slash = strchr(text, '/');

	if (slash)
		*slash = '\0';
	if (!address_parse(text, rule, why))
		return false;
	rule->prefix = BITS(rule->family);
	if (slash && !prefix_parse(slash + 1, rule))
		return refuse(why, rule->family == AF_INET
					   ? "must have a prefix from 0 to 32 behind the slash"
					   : "must have a prefix from 0 to 128 behind the slash");
	return host_bits_expect(rule, why);
}

static bool is_word(const char *word, const char *expected)
{
	return word && strcmp(word, expected) == 0;
}

bool conf_access_rule_parse(
	const char *text, struct conf_access_rule *rule, struct conf_reason *why)
{
	char words[RULE_SIZE];
	char *rest = words;

	*rule = (struct conf_access_rule){.family = AF_UNSPEC};
	if (strlen(text) >= sizeof(words))
		return form_refuse(why);
	memcpy(words, text, strlen(text) + 1);
	const char *action = strtok_r(rest, " \t", &rest);
	char *whom = strtok_r(NULL, " \t", &rest);
	char *last = strtok_r(NULL, " \t", &rest);
	rule->permit = is_word(action, "permit");
	if ((!rule->permit && !is_word(action, "deny")) || !whom || strtok_r(NULL, " \t", &rest))
		return form_refuse(why);
	if (is_word(whom, "any") && !last)
		return true;
	if (!is_word(whom, "host"))
		return last ? form_refuse(why) : network_parse(whom, rule, why);
	if (last && strchr(last, '/'))
		return refuse(why, "must have an address without a prefix behind \"host\"");
	return last ? network_parse(last, rule, why) : form_refuse(why);
}

bool conf_access_rule_covers(
	const struct conf_access_rule *outer, const struct conf_access_rule *inner)
{
	uint8_t network[16];

	if (outer->family == AF_UNSPEC)
		return true;
	if (outer->family != inner->family || outer->prefix > inner->prefix)
		return false;
	memcpy(network, inner->network, sizeof(network));
	mask_apply(network, outer->prefix);
	return memcmp(network, outer->network, sizeof(network)) == 0;
}
