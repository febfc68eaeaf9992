/* Who may connect: the access_class of a server. */
#ifndef FERRULE_PROXY_ACCESS_CLASS_H
#define FERRULE_PROXY_ACCESS_CLASS_H

#include "config/conf.h"

#include <sys/socket.h>

/*
 * The first rule that matches decides; when none does the peer is denied, and
 * without rules permitted. A peer with an IPv4-mapped IPv6 address is an IPv4 one:
 * rules for IPv4 count, and of those for IPv6 only what lies in ::ffff:0:0/96. A
 * peer without an IP address is matched by "any" alone.
 */
bool access_class_permits(
	const struct conf_access_rule *rules, size_t count, const struct sockaddr *peer);

/* "permit ", an IPv6 address, "/128" and the end */
#define ACCESS_RULE_TEXT 64

/* As the configuration has it: "permit 10.0.0.0/8", "deny any". Returns out. */
const char *access_rule_text(const struct conf_access_rule *rule, char out[ACCESS_RULE_TEXT]);

#endif
