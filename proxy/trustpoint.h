/* A configuration's trustpoints as pki/ knows them; the one place that translates. */
#ifndef FERRULE_PROXY_TRUSTPOINT_H
#define FERRULE_PROXY_TRUSTPOINT_H

#include "config/conf.h"
#include "pki/pki.h"

/* No trustpoint's name in a file can begin with "_". */
#define SELFSIGNED_NAME "_self-signed"

/*
 * Everything but the profile. `from` NULL: the self-signed one that servers without a
 * trustpoint have. *to borrows from the configuration.
 */
void trustpoint_fill(
	const struct conf *conf, const struct conf_trustpoint *from, struct pki_trustpoint *to);

/* All of a configuration's, with their profiles, for the commands. */
struct trustpoints {
	struct pki_trustpoint *items; /* owned; they borrow from the configuration */
	size_t count;
	struct pki_profile *profiles; /* owned */
	struct pki_trustpoint trustpool;
};

/*
 * The self-signed default is among them when it has been made. Returns 0 or -ENOMEM with
 * nothing to free.
 */
int trustpoints_init(struct trustpoints *trustpoints, const struct conf *conf);
void trustpoints_done(struct trustpoints *trustpoints);

/* By its name, "trustpool" too; NULL when there is none. */
const struct pki_trustpoint *trustpoints_find(
	const struct trustpoints *trustpoints, const char *name);

#endif
