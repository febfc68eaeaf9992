/* The switches of `ferrule debug`, and the lines they bring. */
#include "proxy/conn.h"
#include "proxy/conn_debug.h"
#include "proxy/debug.h"
#include "proxy/worker.h"
#include "tests/suite.h"
#include "tests/unit/ktls_pair.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- switches ----------------------------------------------------------------------- */

static void test_requests_are_parsed(void)
{
	static const struct {
		const char *words;
		unsigned mask;
		enum debug_action action;
	} good[] = {
		{"", 0, DEBUG_TELL},
		{"secure-session", DEBUG_SECURE_SESSION, DEBUG_TELL},
		{"secure-session on", DEBUG_SECURE_SESSION, DEBUG_ON},
		{"secure-state off", DEBUG_SECURE_STATE, DEBUG_OFF},
		{"secure-all on", DEBUG_SECURE_ALL, DEBUG_ON},
	};
	static const char *const bad[] = {"on", "secure", "secure-all  on", "secure-all onn",
		"secure-all on off", "secure-sessions", " secure-all", "secure-all ", "--json"};
	unsigned mask;
	enum debug_action action;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		CU_ASSERT_TRUE(debug_parse(good[i].words, &mask, &action));
		CU_ASSERT_EQUAL(mask, good[i].mask);
		CU_ASSERT_EQUAL(action, good[i].action);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CU_ASSERT_FALSE(debug_parse(bad[i], &mask, &action));
}

static void test_switches_are_independent(void)
{
	unsigned switches = 0;
	debug_apply(&switches, DEBUG_SECURE_SESSION, DEBUG_ON);
	debug_apply(&switches, DEBUG_SECURE_ALL, DEBUG_ON);
	CU_ASSERT_EQUAL(debug_read(&switches), DEBUG_SECURE_SESSION | DEBUG_SECURE_ALL);
	debug_apply(&switches, DEBUG_SECURE_ALL, DEBUG_OFF);
	CU_ASSERT_EQUAL(debug_read(&switches), DEBUG_SECURE_SESSION);
	debug_apply(&switches, DEBUG_SECURE_SESSION, DEBUG_TELL);
	CU_ASSERT_EQUAL(debug_read(&switches), DEBUG_SECURE_SESSION);
	debug_apply(&switches, DEBUG_SECURE_STATE, DEBUG_OFF);
	CU_ASSERT_EQUAL(debug_read(&switches), DEBUG_SECURE_SESSION);
}

static void test_switches_as_text(void)
{
	char *text = debug_status(DEBUG_SECURE_STATE, false);
	char *json = debug_status(DEBUG_SECURE_ALL | DEBUG_SECURE_SESSION, true);
	char *list = debug_list();
	CU_ASSERT_STRING_EQUAL(text, "secure-session: off\nsecure-state: on\nsecure-all: off\n");
	CU_ASSERT_STRING_EQUAL(
		json, "{\"secure_session\":true,\"secure_state\":false,\"secure_all\":true}\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(list, "secure-all"));
	free(text);
	free(json);
	free(list);
}

/* ---- lines ----------------------------------------------------------------------------- */

/* A connection of which only the parts are there that the lines are made from. */
struct scene {
	struct log log;
	struct stats *stats;
	struct worker worker;
	struct conn conn;
	struct pair *pair;
	char text[16384];
};

/* One handshake from 10.0.0.1 while `switches` are on; what was logged is in scene->text. */
static void play(struct scene *scene, unsigned switches)
{
	struct pair_options options = {
		.version = KTLS_TLS13, .suite = pair_suite(KTLS_TLS13, KTLS_AES_128_GCM)};
	*scene = (struct scene){
		.log = {.level = CONF_LOG_ERROR, .fd = memfd_create("log", MFD_CLOEXEC)},
		.stats = calloc(1, sizeof *scene->stats),
		.pair = pair_prepare(&options),
	};
	CU_ASSERT_PTR_NOT_NULL_FATAL(scene->pair);
	CU_ASSERT_PTR_NOT_NULL_FATAL(scene->stats);
	CU_ASSERT_TRUE_FATAL(scene->log.fd >= 0);
	scene->worker.log = &scene->log;
	scene->worker.stats = scene->stats;
	scene->conn.worker = &scene->worker;
	scene->conn.session = scene->pair->session;
	scene->conn.peer.v4 = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(40312),
		.sin_addr.s_addr = htonl(0x0a000001)};
	debug_apply(&scene->stats->debug, switches, DEBUG_ON);
	conn_debug_start(&scene->conn);
	/* What began with them goes on with them. */
	debug_apply(&scene->stats->debug, switches, DEBUG_OFF);
	CU_ASSERT_EQUAL(pair_handshake(scene->pair, &options), KTLS_DONE);
	conn_debug_handshake(&scene->conn, KTLS_WANT_READ, 517, 1200);
	conn_debug_established(&scene->conn);
	conn_debug_wanted(&scene->conn, true);
	conn_debug_offload(&scene->conn, KTLS_DONE);
	conn_debug_alert(&scene->conn, 40);
	conn_debug_call(&scene->conn, "close_notify", KTLS_DONE);
	conn_debug_failed(&scene->conn);
	ssize_t n = pread(scene->log.fd, scene->text, sizeof scene->text - 1, 0);
	scene->text[n > 0 ? n : 0] = '\0';
	pair_free(scene->pair);
	free(scene->stats);
	close(scene->log.fd);
}

static size_t count_lines(const char *text, const char *beginning)
{
	size_t count = 0;
	for (const char *at = text; *at; at = strchr(at, '\n') + 1)
		count += strncmp(at, beginning, strlen(beginning)) == 0;
	return count;
}

#define STATE "HTTPS SSL State Change - Peer 10.0.0.1:40312, Old State = "
#define CALL  "HTTPS SSL Driver Call - Peer 10.0.0.1:40312, Call = "

static const char session_line[] =
	"HTTPS SSL Session Established/Handshake done - Peer 10.0.0.1:40312, "
	"state = SSL negotiation finished successfully, SessionInfo: "
	"Digest=TLS_AES_128_GCM_SHA256 SSLVer=TLSv1.3 KeyEx=X25519 Auth=ECDSA "
	"Cipher=AES-128-GCM(128) Mac=AEAD\n";

static void test_nothing_is_on(void)
{
	struct scene *scene = malloc(sizeof *scene);
	CU_ASSERT_PTR_NOT_NULL_FATAL(scene);
	play(scene, 0);
	CU_ASSERT_STRING_EQUAL(scene->text, "");
	free(scene);
}

/* Whatever log.level says: it is "error" here. */
static void test_secure_session(void)
{
	struct scene *scene = malloc(sizeof *scene);
	CU_ASSERT_PTR_NOT_NULL_FATAL(scene);
	play(scene, DEBUG_SECURE_SESSION);
	CU_ASSERT_STRING_EQUAL(scene->text, session_line);
	free(scene);
}

static void test_secure_state(void)
{
	static const char first[] =
		STATE "before SSL initialization, New State = SSLv3/TLS read client hello\n";
	struct scene *scene = malloc(sizeof *scene);
	CU_ASSERT_PTR_NOT_NULL_FATAL(scene);
	play(scene, DEBUG_SECURE_STATE);
	CU_ASSERT_EQUAL(strncmp(scene->text, first, strlen(first)), 0);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(scene->text, "New State = SSL negotiation finished successfully\n"));
	CU_ASSERT_TRUE(count_lines(scene->text, STATE) >= 5);
	CU_ASSERT_EQUAL(count_lines(scene->text, STATE), count_lines(scene->text, ""));
	free(scene);
}

static void test_secure_all(void)
{
	static const char *const lines[] = {
		CALL "handshake, Result = want read, In = 517, Out = 1200\n",
		CALL "offload wanted, Result = yes, Reason = \"\"\n",
		CALL "offload install, Result = done, Tx = aead, Rx = aead, Reason = \"\"\n",
		CALL "alert, Result = queued, Description = 40\n",
		CALL "close_notify, Result = done\n",
		CALL "session, Result = failed, Reason = \"\"\n",
	};
	struct scene *scene = malloc(sizeof *scene);
	CU_ASSERT_PTR_NOT_NULL_FATAL(scene);
	play(scene, DEBUG_SECURE_ALL);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(scene->text, lines[i]));
	CU_ASSERT_PTR_NOT_NULL(strstr(scene->text, session_line));
	CU_ASSERT_TRUE(count_lines(scene->text, STATE) >= 5);
	CU_ASSERT_EQUAL(count_lines(scene->text, CALL), 6);
	free(scene);
}

static CU_TestInfo switch_tests[] = {
	{"requests are parsed", test_requests_are_parsed},
	{"switches are independent", test_switches_are_independent},
	{"switches as text", test_switches_as_text},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo line_tests[] = {
	{"nothing is on", test_nothing_is_on},
	{"secure-session", test_secure_session},
	{"secure-state", test_secure_state},
	{"secure-all", test_secure_all},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo debug_suites[];
CU_SuiteInfo debug_suites[] = {
	{"debug switches", NULL, NULL, NULL, NULL, switch_tests},
	{"debug lines", NULL, NULL, NULL, NULL, line_tests},
	CU_SUITE_INFO_NULL,
};
