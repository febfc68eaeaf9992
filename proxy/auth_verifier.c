#include "proxy/auth_verifier.h"

#include <assert.h>
#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A key may stand in any place of its set; which set, its own bits say. */
#define WAYS 4
#define SETS (AUTH_CACHE_MAX / WAYS)

struct remembered {
	uint8_t key[AUTH_KEY_SIZE];
	int64_t expires; /* 0: empty */
};

struct auth_queue {
	struct auth_job *head, **tail;
	unsigned count;
};

struct auth_verifier {
	/* The loop's. */
	int fd;
	bool has_thread;
	pthread_t thread;
	uint8_t secret[AUTH_KEY_SIZE]; /* the keyed hashes' key: of this process only */
	struct remembered cache[SETS][WAYS];

	/* Of both, under the mutex. */
	pthread_mutex_t mutex;
	pthread_cond_t wake; /* something waits, or the end has come */
	struct auth_queue waiting, finished;
	bool stopping;

	/* The thread's. */
	struct crypt_data scratch;
};

/* ---- queues ----------------------------------------------------------------------- */

static void queue_init(struct auth_queue *queue)
{
	*queue = (struct auth_queue){.tail = &queue->head};
}

static void queue_push(struct auth_queue *queue, struct auth_job *job)
{
	job->next = NULL;
	*queue->tail = job;
	queue->tail = &job->next;
	queue->count++;
}

static struct auth_job *queue_pop(struct auth_queue *queue)
{
	struct auth_job *job = queue->head;
	if (!job)
		return NULL;
	queue->head = job->next;
	if (!queue->head)
		queue->tail = &queue->head;
	queue->count--;
	return job;
}

/* ---- the thread ------------------------------------------------------------------- */

static void wipe_password(struct auth_job *job)
{
	OPENSSL_cleanse(job->password, sizeof job->password);
}

static bool is_same_key(const uint8_t *a, const uint8_t *b)
{
	return CRYPTO_memcmp(a, b, AUTH_KEY_SIZE) == 0;
}

static void job_run(struct auth_job *job, struct crypt_data *scratch)
{
	int result = basic_auth_check(job->auth, job->user, job->password, scratch);
	job->verdict = result > 0 ? AUTH_GRANTED : result == 0 ? AUTH_DENIED : AUTH_BUSY;
	OPENSSL_cleanse(scratch, sizeof *scratch);
	wipe_password(job);
}

/*
 * A client that opens many connections at once asks the same on all of them: one
 * answer is for all that wait for it.
 */
static void finish(struct auth_verifier *verifier, struct auth_job *job)
{
	struct auth_queue waiting = verifier->waiting;
	queue_init(&verifier->waiting);
	for (struct auth_job *other; (other = queue_pop(&waiting));) {
		if (job->verdict == AUTH_BUSY || !is_same_key(other->key, job->key)) {
			queue_push(&verifier->waiting, other);
			continue;
		}
		other->verdict = job->verdict;
		wipe_password(other);
		queue_push(&verifier->finished, other);
	}
	queue_push(&verifier->finished, job);
}

static void tell_loop(int fd)
{
	/* It fails only when the counter is full, and then the loop knows already. */
	if (write(fd, &(uint64_t){1}, sizeof(uint64_t)) < 0)
		assert(errno == EAGAIN);
}

static void *thread_run(void *argument)
{
	struct auth_verifier *verifier = argument;
	pthread_mutex_lock(&verifier->mutex);
	while (!verifier->stopping) {
		struct auth_job *job = queue_pop(&verifier->waiting);
		if (!job) {
			pthread_cond_wait(&verifier->wake, &verifier->mutex);
			continue;
		}
		pthread_mutex_unlock(&verifier->mutex);
		job_run(job, &verifier->scratch);
		pthread_mutex_lock(&verifier->mutex);
		finish(verifier, job);
		tell_loop(verifier->fd);
	}
	pthread_mutex_unlock(&verifier->mutex);
	return NULL;
}

/* ---- what is remembered ----------------------------------------------------------- */

/* From the load of the file, so that a changed file is asked anew, and the pair. */
static bool make_key(const struct auth_verifier *verifier, struct auth_job *job)
{
	uint8_t pair[BASIC_AUTH_ID_SIZE + BASIC_AUTH_USER_MAX + 1 + BASIC_AUTH_PASSWORD_MAX];
	size_t user = strlen(job->user), password = strlen(job->password);
	size_t len = BASIC_AUTH_ID_SIZE + user + 1 + password;
	memcpy(pair, basic_auth_id(job->auth), BASIC_AUTH_ID_SIZE);
	memcpy(pair + BASIC_AUTH_ID_SIZE, job->user, user);
	pair[BASIC_AUTH_ID_SIZE + user] = ':'; /* no user's name has one */
	memcpy(pair + BASIC_AUTH_ID_SIZE + user + 1, job->password, password);
	bool is_made = HMAC(EVP_sha256(), verifier->secret, sizeof verifier->secret, pair, len,
			       job->key, NULL) != NULL;
	OPENSSL_cleanse(pair, sizeof pair);
	return is_made;
}

static struct remembered *set_of(struct auth_verifier *verifier, const uint8_t *key)
{
	return verifier->cache[(key[0] << 8 | key[1]) % SETS];
}

static bool is_remembered(struct auth_verifier *verifier, const uint8_t *key, int64_t now)
{
	struct remembered *set = set_of(verifier, key);
	bool found = false;
	for (unsigned i = 0; i < WAYS; i++)
		found |= is_same_key(set[i].key, key) & (set[i].expires > now);
	return found;
}

/* In the place of the one that is forgotten first. */
static void remember(struct auth_verifier *verifier, const uint8_t *key, int64_t now)
{
	struct remembered *set = set_of(verifier, key), *place = set;
	for (unsigned i = 0; i < WAYS; i++) {
		if (is_same_key(set[i].key, key)) {
			place = &set[i];
			break;
		}
		if (set[i].expires < place->expires)
			place = &set[i];
	}
	memcpy(place->key, key, AUTH_KEY_SIZE);
	place->expires = now + AUTH_CACHE_MS;
}

/* ---- the loop's side -------------------------------------------------------------- */

struct auth_verifier *auth_verifier_new(void)
{
	struct auth_verifier *verifier = calloc(1, sizeof *verifier);
	if (!verifier)
		return NULL;
	pthread_mutex_init(&verifier->mutex, NULL);
	pthread_cond_init(&verifier->wake, NULL);
	queue_init(&verifier->waiting);
	queue_init(&verifier->finished);
	verifier->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (verifier->fd >= 0 && RAND_bytes(verifier->secret, sizeof verifier->secret) == 1)
		return verifier;
	int error = verifier->fd < 0 ? errno : EIO;
	auth_verifier_free(verifier);
	errno = error;
	return NULL;
}

static void abandon(struct auth_queue *queue)
{
	for (struct auth_job *job; (job = queue_pop(queue));) {
		wipe_password(job);
		job->active = false;
	}
}

void auth_verifier_free(struct auth_verifier *verifier)
{
	if (!verifier)
		return;
	pthread_mutex_lock(&verifier->mutex);
	verifier->stopping = true;
	pthread_cond_signal(&verifier->wake);
	pthread_mutex_unlock(&verifier->mutex);
	if (verifier->has_thread)
		pthread_join(verifier->thread, NULL);
	abandon(&verifier->waiting);
	abandon(&verifier->finished);
	if (verifier->fd >= 0)
		close(verifier->fd);
	pthread_cond_destroy(&verifier->wake);
	pthread_mutex_destroy(&verifier->mutex);
	OPENSSL_cleanse(verifier, sizeof *verifier);
	free(verifier);
}

int auth_verifier_fd(const struct auth_verifier *verifier)
{
	return verifier->fd;
}

/* It inherits the loop's signal mask, in which whatever a worker waits for is blocked. */
static bool has_thread(struct auth_verifier *verifier)
{
	if (!verifier->has_thread)
		verifier->has_thread =
			pthread_create(&verifier->thread, NULL, thread_run, verifier) == 0;
	return verifier->has_thread;
}

static enum auth_verdict enqueue(struct auth_verifier *verifier, struct auth_job *job)
{
	if (!has_thread(verifier))
		return AUTH_BUSY;
	pthread_mutex_lock(&verifier->mutex);
	bool has_room = verifier->waiting.count < AUTH_QUEUE_MAX;
	if (has_room) {
		job->active = true;
		queue_push(&verifier->waiting, job);
		pthread_cond_signal(&verifier->wake);
	}
	pthread_mutex_unlock(&verifier->mutex);
	return has_room ? AUTH_PENDING : AUTH_BUSY;
}

/* Everything that can be said without hashing, and PENDING when it cannot. */
static enum auth_verdict judge(struct auth_verifier *verifier, struct http_span authorization,
	int64_t now, struct auth_job *job)
{
	if (!basic_auth_parse(authorization, job->user, job->password))
		return AUTH_DENIED;
	if (!make_key(verifier, job))
		return AUTH_BUSY;
	return is_remembered(verifier, job->key, now) ? AUTH_GRANTED : AUTH_PENDING;
}

enum auth_verdict auth_verifier_check(struct auth_verifier *verifier, const struct basic_auth *auth,
	struct http_span authorization, int64_t now, struct auth_job *job)
{
	assert(!job->active);
	job->auth = auth;
	/* Before it is in the queue: from there on it is the thread's. */
	job->verdict = judge(verifier, authorization, now, job);
	if (job->verdict != AUTH_PENDING) {
		wipe_password(job);
		return job->verdict;
	}
	enum auth_verdict verdict = enqueue(verifier, job);
	if (verdict != AUTH_PENDING) {
		wipe_password(job);
		job->verdict = verdict;
	}
	return verdict;
}

void auth_verifier_deliver(struct auth_verifier *verifier, int64_t now)
{
	struct auth_queue finished;
	uint64_t count;
	if (read(verifier->fd, &count, sizeof count) < 0)
		assert(errno == EAGAIN);
	pthread_mutex_lock(&verifier->mutex);
	finished = verifier->finished;
	queue_init(&verifier->finished);
	pthread_mutex_unlock(&verifier->mutex);
	for (struct auth_job *job; (job = queue_pop(&finished));) {
		if (job->verdict == AUTH_GRANTED)
			remember(verifier, job->key, now);
		job->active = false;
		job->done(job);
	}
}
