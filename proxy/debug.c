#include "proxy/debug.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *key; /* key: JSON */
	unsigned mask;
	const char *summary;
} switches_known[] = {
	{"secure-session", "secure_session", DEBUG_SECURE_SESSION,
		"each new TLS session, with what was negotiated"},
	{"secure-state", "secure_state", DEBUG_SECURE_STATE,
		"each state that a TLS handshake goes through"},
	{"secure-all", "secure_all", DEBUG_SECURE_ALL, "both, and each call into the TLS driver"},
};

#define SWITCHES (sizeof switches_known / sizeof switches_known[0])

static bool parse_action(const char *word, enum debug_action *action)
{
	if (strcmp(word, "") == 0)
		*action = DEBUG_TELL;
	else if (strcmp(word, " on") == 0)
		*action = DEBUG_ON;
	else if (strcmp(word, " off") == 0)
		*action = DEBUG_OFF;
	else
		return false;
	return true;
}

bool debug_parse(const char *words, unsigned *mask, enum debug_action *action)
{
	*mask = 0;
	*action = DEBUG_TELL;
	if (!*words)
		return true;
	size_t len = strcspn(words, " ");
	for (size_t i = 0; i < SWITCHES; i++)
		if (strlen(switches_known[i].name) == len &&
			strncmp(words, switches_known[i].name, len) == 0)
			*mask = switches_known[i].mask;
	return *mask && parse_action(words + len, action);
}

unsigned debug_read(const unsigned *switches)
{
	return __atomic_load_n(switches, __ATOMIC_RELAXED);
}

void debug_apply(unsigned *switches, unsigned mask, enum debug_action action)
{
	unsigned now = debug_read(switches);
	if (action == DEBUG_ON)
		now |= mask;
	else if (action == DEBUG_OFF)
		now &= ~mask;
	__atomic_store_n(switches, now, __ATOMIC_RELAXED);
}

char *debug_status(unsigned switches, bool json)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	for (size_t i = 0; i < SWITCHES; i++) {
		bool on = (switches & switches_known[i].mask) != 0;
		if (json)
			fprintf(out, "%c\"%s\":%s", i ? ',' : '{', switches_known[i].key,
				on ? "true" : "false");
		else
			fprintf(out, "%s: %s\n", switches_known[i].name, on ? "on" : "off");
	}
	fputs(json ? "}\n" : "", out);
	return fclose(out) == 0 ? text : NULL;
}

char *debug_list(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	for (size_t i = 0; i < SWITCHES; i++)
		fprintf(out, "  %-20s  %s\n", switches_known[i].name, switches_known[i].summary);
	return fclose(out) == 0 ? text : NULL;
}
