/*
 * Checks passwords beside a worker's loop: one thread, started when it is first
 * needed, takes jobs from a bounded queue, and an eventfd tells the loop of those
 * that are done. What was granted is remembered for a minute, so that a client pays
 * for its first request only; what is kept of it is a keyed hash.
 *
 * Everything but the hashing itself happens on the loop's thread. The thread reads
 * the job it has taken and the immutable struct basic_auth, nothing else.
 */
#ifndef FERRULE_PROXY_AUTH_VERIFIER_H
#define FERRULE_PROXY_AUTH_VERIFIER_H

#include "proxy/basic_auth.h"

#define AUTH_QUEUE_MAX 64             /* jobs that wait for the thread */
#define AUTH_CACHE_MAX 1024           /* credentials remembered */
#define AUTH_CACHE_MS  INT64_C(60000) /* for so long, used or not */
#define AUTH_KEY_SIZE  32

enum auth_verdict {
	AUTH_GRANTED,
	AUTH_DENIED,  /* answer 401 */
	AUTH_PENDING, /* `done` will be called */
	AUTH_BUSY,    /* too much to do, or out of memory: answer 503 */
};

struct auth_verifier;

/* One check. Belongs to the caller, who keeps it where it is while it is active. */
struct auth_job {
	/*
	 * Set by the caller. Called by auth_verifier_deliver() after AUTH_PENDING, with
	 * the verdict: GRANTED, DENIED or BUSY. The job is not active any more.
	 */
	void (*done)(struct auth_job *job);
	enum auth_verdict verdict;
	bool active;
	char user[BASIC_AUTH_USER_MAX + 1]; /* who it is, or claims to be; "" in garbage */

	/* The verifier's own. */
	struct auth_job *next;
	const struct basic_auth *auth;
	uint8_t key[AUTH_KEY_SIZE];
	char password[BASIC_AUTH_PASSWORD_MAX + 1]; /* wiped as soon as it is checked */
};

/* In the worker's process, not before fork(). NULL with errno. */
struct auth_verifier *auth_verifier_new(void);
/*
 * Waits for the hash that is being made, if any. Jobs that are still active become
 * inactive without a call of `done`.
 */
void auth_verifier_free(struct auth_verifier *verifier);

/* To be polled for reading; auth_verifier_deliver() then. */
int auth_verifier_fd(const struct auth_verifier *verifier);

/*
 * Checks the value of an Authorization header (data NULL: there is none). GRANTED
 * at once for what is remembered, DENIED at once for what is not well-formed, BUSY
 * at once when the queue is full; else PENDING, and then `job` and `auth` stay until
 * job->done is called, even if the connection has gone. `now` is the loop's time in
 * ms, of a clock that only goes forward.
 */
enum auth_verdict auth_verifier_check(struct auth_verifier *verifier, const struct basic_auth *auth,
	struct http_span authorization, int64_t now, struct auth_job *job);

/* Calls `done` of all jobs that have been finished. They may start others. */
void auth_verifier_deliver(struct auth_verifier *verifier, int64_t now);

#endif
