/* htpasswd files, Basic credentials, and the thread that checks them. */
#include "proxy/auth_verifier.h"
#include "tests/suite.h"

#include <crypt.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern CU_SuiteInfo auth_suites[];

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Cheap settings: the tests want verdicts, not safety. */
#define BCRYPT   "$2y$04$abcdefghijklmnopqrstuu"
#define SHA512   "$6$rounds=1000$saltsalt$"
#define SHA256   "$5$rounds=1000$saltsalt$"
#define YESCRYPT "$y$j75$abcdefghijklmnopqrstu."

/* ---- files ------------------------------------------------------------------------- */

static char path[64];
static char error[512];

static const char *hash(const char *password, const char *setting)
{
	static struct crypt_data data;
	const char *made = crypt_rn(password, setting, &data, sizeof data);
	CU_ASSERT_PTR_NOT_NULL_FATAL(made);
	return made;
}

static void file_write(const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static struct basic_auth *load(const char *text)
{
	file_write(text, strlen(text));
	error[0] = '\0';
	return basic_auth_load(path, error, sizeof error);
}

/* alice:wonderland, bob:builder (with the hash of the setting), carol with a comment. */
static struct basic_auth *load_users(const char *setting)
{
	char text[1024];
	int n = snprintf(
		text, sizeof text, "# users\n\n  alice:%s\r\n", hash("wonderland", setting));
	n += snprintf(text + n, sizeof text - (size_t)n, "bob:%s\n", hash("builder", setting));
	snprintf(text + n, sizeof text - (size_t)n, "carol:%s:since 2020", hash("c:ol", setting));
	struct basic_auth *auth = load(text);
	CU_ASSERT_STRING_EQUAL(error, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(auth);
	return auth;
}

static struct crypt_data scratch;

static int check(const struct basic_auth *auth, const char *user, const char *password)
{
	return basic_auth_check(auth, user, password, &scratch);
}

static void test_file_of_every_kind(void)
{
	static const char *const settings[] = {BCRYPT, SHA512, SHA256, YESCRYPT,
		"$2b$04$abcdefghijklmnopqrstuu", "$2a$04$abcdefghijklmnopqrstuu"};
	for (size_t i = 0; i < COUNT(settings); i++) {
		struct basic_auth *auth = load_users(settings[i]);
		CU_ASSERT_EQUAL(check(auth, "alice", "wonderland"), 1);
		CU_ASSERT_EQUAL(check(auth, "bob", "builder"), 1);
		CU_ASSERT_EQUAL(check(auth, "carol", "c:ol"), 1);
		CU_ASSERT_EQUAL(check(auth, "alice", "builder"), 0);
		CU_ASSERT_EQUAL(check(auth, "alice", ""), 0);
		CU_ASSERT_EQUAL(check(auth, "alic", "wonderland"), 0);
		CU_ASSERT_EQUAL(check(auth, "# users", "wonderland"), 0);
		/* Somebody unknown is measured with the first user's hash, and not let in by it. */
		CU_ASSERT_EQUAL(check(auth, "mallory", "wonderland"), 0);
		CU_ASSERT_EQUAL(check(auth, "mallory", "builder"), 0);
		basic_auth_free(auth);
	}
}

/* `expected` follows the path. */
static void refused(const char *text, const char *expected)
{
	char whole[1024];
	struct basic_auth *auth = load(text);
	CU_ASSERT_PTR_NULL(auth);
	basic_auth_free(auth);
	snprintf(whole, sizeof whole, "%s%s", path, expected);
	if (strcmp(error, whole) != 0)
		fprintf(stderr, "expected: %s\ngot:      %s\n", whole, error);
	CU_ASSERT_STRING_EQUAL(error, whole);
}

#define CURE "; make it anew with `htpasswd -B` or `openssl passwd -6`"

static void test_file_refuses_weak_hashes(void)
{
	refused("a:$apr1$abc$defghijklmnopqrstuvwxy\n",
		":1: the password of a is Apache's own kind of MD5, which crypt(3) does not "
		"know" CURE);
	refused("#\na:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n",
		":2: the password of a is of a kind that crypt(3) does not know" CURE);
	refused("a:secret\n", ":1: the password of a is plain text or of a kind that crypt(3) does "
			      "not know" CURE);
	refused("a:ab1234567890.\n",
		":1: the password of a is DES, which is not safe any more, or plain text" CURE);
	refused("a:$1$abc$defghijklmnopqrstuvwxy\n",
		":1: the password of a is MD5, which is not safe any more" CURE);
	refused("a:$2x$04$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcde\n",
		":1: the password of a is bcrypt as a faulty program made it, which is not "
		"safe" CURE);
	refused("a:!\n", ":1: the password of a is plain text or of a kind that crypt(3) does not "
			 "know" CURE);
}

static void test_file_refuses_damage(void)
{
	char text[1024];
	refused("a:\n", ":1: the password of a is missing" CURE);
	refused("a:$2y$04$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcd\n",
		":1: the password of a is damaged" CURE);
	refused("a:$2y$4$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcdef\n",
		":1: the password of a is damaged" CURE);
	snprintf(text, sizeof text, "a:%s x\n", hash("x", SHA512));
	refused(text, ":1: the password of a is damaged" CURE);
	refused("a:$2y$17$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcde\n",
		":1: the password of a takes more than seconds to check" CURE);
	snprintf(text, sizeof text, "a:$6$rounds=1000001$salt$%s\n",
		strrchr(hash("x", SHA512), '$') + 1);
	refused(text, ":1: the password of a takes more than seconds to check" CURE);
	refused("\n\nalice\n", ":3: no ':'; a line is USER:HASH, as `htpasswd -B` writes it");
	refused(":x\n", ":1: a user's name has 1 to 512 bytes");
	refused("a\x01:x\n", ":1: a user's name has no control characters");
	refused("# nobody\n", ": there is no user in it; add one with `htpasswd -B`");
	refused("", ": there is no user in it; add one with `htpasswd -B`");
}

static void test_file_refuses_duplicates(void)
{
	char text[1024];
	const char *made = hash("x", BCRYPT);
	snprintf(text, sizeof text, "b:%s\na:%s\n\nb:%s\n", made, made, made);
	refused(text, ":4: user b is in line 1 already; remove one of the two");
}

static void test_file_is_bounded(void)
{
	const char *made = hash("x", BCRYPT);
	size_t size = 1024 * 1024 + 1;
	char *text = malloc(size + 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	memset(text, '\n', size);
	text[size] = '\0';
	refused(text, ": larger than 1 MiB; use several servers");
	size_t n = 0;
	for (int i = 0; i < 10001; i++)
		n += (size_t)snprintf(text + n, size - n, "%05d:%s\n", i, made);
	refused(text, ":10001: more than 10000 users; use several servers");
	text[n - 67] = '\0'; /* 10,000 of them */
	struct basic_auth *auth = load(text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(auth);
	CU_ASSERT_EQUAL(check(auth, "00000", "x"), 1);
	CU_ASSERT_EQUAL(check(auth, "09999", "x"), 1);
	CU_ASSERT_EQUAL(check(auth, "10000", "x"), 0);
	basic_auth_free(auth);
	free(text);
}

static void test_file_must_be_one(void)
{
	CU_ASSERT_PTR_NULL(basic_auth_load("/nonexistent/x", error, sizeof error));
	CU_ASSERT_STRING_EQUAL(error, "/nonexistent/x: No such file or directory; make it with "
				      "`htpasswd -B -c FILE NAME`");
	CU_ASSERT_PTR_NULL(basic_auth_load("/tmp", error, sizeof error));
	CU_ASSERT_STRING_EQUAL(error, "/tmp: not a file");
	file_write("a\0b", 3);
	CU_ASSERT_PTR_NULL(basic_auth_load(path, error, sizeof error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, ": not a text file"));
	basic_auth_free(NULL);
}

static void test_file_says_when_it_is_open_to_all(void)
{
	struct basic_auth *auth = load_users(BCRYPT);
	CU_ASSERT_STRING_EQUAL(basic_auth_warning(auth), "");
	CU_ASSERT_FALSE(basic_auth_is_stale(auth));
	CU_ASSERT_EQUAL(chmod(path, 0644), 0);
	CU_ASSERT_TRUE(basic_auth_is_stale(auth));
	basic_auth_free(auth);
	auth = load_users(BCRYPT);
	CU_ASSERT_PTR_NOT_NULL(strstr(basic_auth_warning(auth), "chmod o-r"));
	basic_auth_free(auth);
	CU_ASSERT_EQUAL(chmod(path, 0600), 0);
}

static void test_file_gets_stale(void)
{
	struct basic_auth *auth = load_users(BCRYPT);
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	CU_ASSERT_FALSE(basic_auth_is_stale(auth));
	CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, times, 0), 0);
	CU_ASSERT_TRUE(basic_auth_is_stale(auth));
	basic_auth_free(auth);
	auth = load_users(BCRYPT);
	unlink(path);
	CU_ASSERT_TRUE(basic_auth_is_stale(auth));
	basic_auth_free(auth);
}

/* ---- credentials --------------------------------------------------------------------- */

static char user[BASIC_AUTH_USER_MAX + 1], password[BASIC_AUTH_PASSWORD_MAX + 1];

static bool parse(const char *value)
{
	struct http_span span = {.data = value, .len = value ? strlen(value) : 0};
	return basic_auth_parse(span, user, password);
}

static const char *encode(const char *pair, size_t len)
{
	static char value[4096];
	int n = snprintf(value, sizeof value, "Basic ");
	EVP_EncodeBlock((unsigned char *)value + n, (const unsigned char *)pair, (int)len);
	return value;
}

static void test_credentials(void)
{
	/* RFC 7617 2 and 2.1 */
	CU_ASSERT_TRUE(parse("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
	CU_ASSERT_STRING_EQUAL(user, "Aladdin");
	CU_ASSERT_STRING_EQUAL(password, "open sesame");
	CU_ASSERT_TRUE(parse("basic   dGVzdDoxMjPCow=="));
	CU_ASSERT_STRING_EQUAL(user, "test");
	CU_ASSERT_STRING_EQUAL(password, "123\xc2\xa3");
	CU_ASSERT_TRUE(parse(encode("a:b:c", 5)));
	CU_ASSERT_STRING_EQUAL(user, "a");
	CU_ASSERT_STRING_EQUAL(password, "b:c");
	CU_ASSERT_TRUE(parse(encode("a:", 2)));
	CU_ASSERT_STRING_EQUAL(password, "");
}

static void test_credentials_are_strict(void)
{
	static const char *const garbage[] = {NULL, "", "Basic", "Basic ",
		"Basic =", "Basic ====", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
		"BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
		"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==",
		"Basic QWxh ZGRpbjpvcGVuIHNlc2FtZQ==", "Basic QWxh\nGRpbjpvcGVuIHNlc2FtZQ==",
		"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== x",
		"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==x===", "Basic QWxhZGRpbjpvcGVuIHNlc2Ft_Q==",
		"Basic QW==ZGRpbjpvcGVuIHNlc2FtZQ==", "Basic QWxhZGRpbg=="};
	for (size_t i = 0; i < COUNT(garbage); i++) {
		CU_ASSERT_FALSE(parse(garbage[i]));
		CU_ASSERT_STRING_EQUAL(password, "");
	}
	CU_ASSERT_FALSE(parse(encode(":b", 2)));
	CU_ASSERT_FALSE(parse(encode("a:b\0c", 5)));
	CU_ASSERT_FALSE(parse(encode("a\0b:c", 5)));
	CU_ASSERT_FALSE(parse(encode("a:b\n", 4)));
	CU_ASSERT_FALSE(parse(encode("a:\x7f", 3)));
}

static void test_credentials_are_bounded(void)
{
	char pair[1100];
	memset(pair, 'x', sizeof pair);
	pair[512] = ':';
	CU_ASSERT_TRUE(parse(encode(pair, 513 + 511)));
	CU_ASSERT_EQUAL(strlen(user), 512);
	CU_ASSERT_EQUAL(strlen(password), 511);
	CU_ASSERT_FALSE(parse(encode(pair, 513 + 512)));
	pair[512] = 'x';
	pair[513] = ':';
	CU_ASSERT_FALSE(parse(encode(pair, 514 + 5)));
	pair[513] = 'x';
	pair[1] = ':';
	CU_ASSERT_FALSE(parse(encode(pair, 2 + 512)));
	CU_ASSERT_FALSE(parse(encode(pair, sizeof pair)));
}

/* ---- the verifier ---------------------------------------------------------------------- */

static struct auth_verifier *verifier;
static unsigned delivered;
static int64_t now = 1000000;

static void on_done(struct auth_job *job)
{
	CU_ASSERT_FALSE(job->active);
	delivered++;
}

static enum auth_verdict ask(const struct basic_auth *auth, const char *pair, struct auth_job *job)
{
	const char *value = encode(pair, strlen(pair));
	job->done = on_done;
	return auth_verifier_check(
		verifier, auth, (struct http_span){.data = value, .len = strlen(value)}, now, job);
}

static bool await(unsigned count)
{
	struct pollfd ready = {.fd = auth_verifier_fd(verifier), .events = POLLIN};
	while (delivered < count && poll(&ready, 1, 30000) == 1)
		auth_verifier_deliver(verifier, now);
	return delivered == count;
}

static enum auth_verdict ask_and_await(const struct basic_auth *auth, const char *pair)
{
	struct auth_job job = {0};
	delivered = 0;
	if (ask(auth, pair, &job) != AUTH_PENDING)
		return job.verdict;
	CU_ASSERT_TRUE(job.active);
	CU_ASSERT_TRUE_FATAL(await(1));
	for (size_t i = 0; i < sizeof job.password; i++)
		CU_ASSERT_EQUAL_FATAL(job.password[i], 0);
	return job.verdict;
}

static void verifier_start(void)
{
	verifier = auth_verifier_new();
	CU_ASSERT_PTR_NOT_NULL_FATAL(verifier);
	delivered = 0;
}

static void test_verifier_grants_and_denies(void)
{
	struct basic_auth *auth = load_users(BCRYPT);
	struct auth_job job = {.done = on_done};
	verifier_start();
	CU_ASSERT_EQUAL(ask_and_await(auth, "alice:wonderland"), AUTH_GRANTED);
	CU_ASSERT_EQUAL(ask_and_await(auth, "alice:wrong"), AUTH_DENIED);
	CU_ASSERT_EQUAL(ask_and_await(auth, "mallory:wonderland"), AUTH_DENIED);
	CU_ASSERT_EQUAL(
		auth_verifier_check(verifier, auth, (struct http_span){0}, now, &job), AUTH_DENIED);
	CU_ASSERT_EQUAL(ask(auth, "alice", &job), AUTH_DENIED);
	CU_ASSERT_EQUAL(job.verdict, AUTH_DENIED);
	CU_ASSERT_FALSE(job.active);
	auth_verifier_free(verifier);
	basic_auth_free(auth);
}

static void test_verifier_remembers_for_a_minute(void)
{
	struct basic_auth *auth = load_users(BCRYPT), *other = load_users(BCRYPT);
	struct auth_job job = {0};
	verifier_start();
	CU_ASSERT_EQUAL(ask_and_await(auth, "bob:builder"), AUTH_GRANTED);
	CU_ASSERT_EQUAL(ask(auth, "bob:builder", &job), AUTH_GRANTED);
	CU_ASSERT_STRING_EQUAL(job.user, "bob");
	CU_ASSERT_STRING_EQUAL(job.password, "");
	now += AUTH_CACHE_MS - 1;
	CU_ASSERT_EQUAL(ask(auth, "bob:builder", &job), AUTH_GRANTED);
	/* Neither another password nor another load of the file profits. */
	delivered = 0;
	CU_ASSERT_EQUAL(ask(auth, "bob:builde", &job), AUTH_PENDING);
	CU_ASSERT_TRUE(await(1));
	CU_ASSERT_EQUAL(job.verdict, AUTH_DENIED);
	CU_ASSERT_EQUAL(ask(other, "bob:builder", &job), AUTH_PENDING);
	CU_ASSERT_TRUE(await(2));
	CU_ASSERT_EQUAL(job.verdict, AUTH_GRANTED);
	now += 1;
	CU_ASSERT_EQUAL(ask(auth, "bob:builder", &job), AUTH_PENDING);
	CU_ASSERT_TRUE(await(3));
	/* What was denied is not remembered. */
	CU_ASSERT_EQUAL(ask(auth, "bob:builde", &job), AUTH_PENDING);
	CU_ASSERT_TRUE(await(4));
	auth_verifier_free(verifier);
	basic_auth_free(other);
	basic_auth_free(auth);
}

static void test_verifier_answers_all_who_ask_the_same(void)
{
	/* Costly enough that the rest are there before the first has been answered. */
	struct basic_auth *auth = load_users("$2y$10$abcdefghijklmnopqrstuu");
	static struct auth_job jobs[40];
	unsigned granted = 0;
	verifier_start();
	for (size_t i = 0; i < COUNT(jobs); i++)
		CU_ASSERT_EQUAL(
			ask(auth, i % 2 ? "alice:no" : "alice:wonderland", &jobs[i]), AUTH_PENDING);
	CU_ASSERT_TRUE(await(COUNT(jobs)));
	for (size_t i = 0; i < COUNT(jobs); i++)
		granted += jobs[i].verdict == AUTH_GRANTED;
	CU_ASSERT_EQUAL(granted, COUNT(jobs) / 2);
	auth_verifier_free(verifier);
	basic_auth_free(auth);
}

/* Different ones, until the queue is full; the end comes while they wait. */
static void test_verifier_is_bounded_and_ends(void)
{
	struct basic_auth *auth = load_users("$2y$08$abcdefghijklmnopqrstuu");
	static struct auth_job jobs[AUTH_QUEUE_MAX + 100];
	unsigned pending = 0, busy = 0;
	verifier_start();
	for (size_t i = 0; i < COUNT(jobs); i++) {
		char pair[32];
		snprintf(pair, sizeof pair, "alice:%zu", i);
		switch (ask(auth, pair, &jobs[i])) {
		case AUTH_PENDING:
			pending++;
			break;
		case AUTH_BUSY:
			busy++;
			CU_ASSERT_FALSE(jobs[i].active);
			break;
		case AUTH_GRANTED:
		case AUTH_DENIED:
			CU_FAIL("nothing is known yet");
		}
	}
	CU_ASSERT_TRUE(busy > 0 && pending >= AUTH_QUEUE_MAX);
	auth_verifier_free(verifier);
	CU_ASSERT_EQUAL(delivered, 0);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		CU_ASSERT_FALSE(jobs[i].active);
		CU_ASSERT_STRING_EQUAL(jobs[i].password, "");
	}
	basic_auth_free(auth);
}

static void test_verifier_forgets_the_oldest(void)
{
	char text[64 * 1024], pair[32];
	size_t n = 0, remembered = 0;
	struct auth_job job = {0};
	const char *made = hash("x", "$2y$04$abcdefghijklmnopqrstuu");
	for (int i = 0; i < 600; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%d:%s\n", i, made);
	struct basic_auth *auth = load(text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(auth);
	verifier_start();
	for (int i = 0; i < 600; i++) {
		snprintf(pair, sizeof pair, "%d:x", i);
		CU_ASSERT_EQUAL_FATAL(ask_and_await(auth, pair), AUTH_GRANTED);
	}
	for (int i = 0; i < 600; i++) {
		snprintf(pair, sizeof pair, "%d:x", i);
		delivered = 0;
		remembered += ask(auth, pair, &job) == AUTH_GRANTED;
		CU_ASSERT_TRUE(!job.active || await(1));
	}
	/* A place may be taken while others are free, but seldom. */
	CU_ASSERT_TRUE(remembered > 500);
	auth_verifier_free(verifier);
	basic_auth_free(auth);
}

static void on_done_ask_again(struct auth_job *job)
{
	delivered++;
	job->done = on_done;
	CU_ASSERT_EQUAL(ask(job->auth, "alice:wrong", job), AUTH_PENDING);
}

static void test_verifier_jobs_may_start_others(void)
{
	struct basic_auth *auth = load_users(BCRYPT);
	struct auth_job job = {0};
	verifier_start();
	CU_ASSERT_EQUAL(ask(auth, "alice:wonderland", &job), AUTH_PENDING);
	job.done = on_done_ask_again;
	CU_ASSERT_TRUE(await(2));
	CU_ASSERT_EQUAL(job.verdict, AUTH_DENIED);
	auth_verifier_free(verifier);
	auth_verifier_free(NULL);
	basic_auth_free(auth);
}

/* ---- suites ------------------------------------------------------------------------------ */

static int setup(void)
{
	snprintf(path, sizeof path, "/tmp/ferrule-htpasswd.XXXXXX");
	int fd = mkstemp(path);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int cleanup(void)
{
	unlink(path); /* a test may have done it */
	return 0;
}

static CU_TestInfo file_tests[] = {
	{"every good kind of hash", test_file_of_every_kind},
	{"weak hashes are refused", test_file_refuses_weak_hashes},
	{"damage is refused", test_file_refuses_damage},
	{"a user is there once", test_file_refuses_duplicates},
	{"the file is bounded", test_file_is_bounded},
	{"the file is one", test_file_must_be_one},
	{"readable by everybody", test_file_says_when_it_is_open_to_all},
	{"a file gets stale", test_file_gets_stale},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo credentials_tests[] = {
	{"credentials", test_credentials},
	{"credentials are strict", test_credentials_are_strict},
	{"credentials are bounded", test_credentials_are_bounded},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo verifier_tests[] = {
	{"granted and denied", test_verifier_grants_and_denies},
	{"remembered for a minute", test_verifier_remembers_for_a_minute},
	{"one answer for all who ask the same", test_verifier_answers_all_who_ask_the_same},
	{"the queue is bounded", test_verifier_is_bounded_and_ends},
	{"the oldest is forgotten", test_verifier_forgets_the_oldest},
	{"a job may start another", test_verifier_jobs_may_start_others},
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo auth_suites[] = {
	{"htpasswd", setup, cleanup, NULL, NULL, file_tests},
	{"Basic credentials", NULL, NULL, NULL, NULL, credentials_tests},
	{"auth verifier", setup, cleanup, NULL, NULL, verifier_tests},
	CU_SUITE_INFO_NULL,
};
