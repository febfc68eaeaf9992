/* The statuses, to the byte; and the messages of a start-up that fails. */
#include "config/parse.h"
#include "proxy/access_class.h"
#include "proxy/json.h"
#include "proxy/show.h"
#include "tests/suite.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a judge of JSON --------------------------------------------------------------- */

/* Each returns what is behind the value at `at`, or NULL when there is none. */
static const char *json_value(const char *at);

static const char *json_text(const char *at)
{
	if (*at++ != '"')
		return NULL;
	for (; *at != '"'; at++) {
		if ((unsigned char)*at < ' ')
			return NULL;
		if (*at == '\\' && !strchr("\"\\/bfnrtu", *++at))
			return NULL;
	}
	return at + 1;
}

static const char *json_list(const char *at, char end, bool has_keys)
{
	if (*++at == end)
		return at + 1;
	for (;; at++) {
		if (has_keys && (!(at = json_text(at)) || *at++ != ':'))
			return NULL;
		at = json_value(at);
		if (!at || (*at != ',' && *at != end))
			return NULL;
		if (*at == end)
			return at + 1;
	}
}

static const char *json_value(const char *at)
{
	static const char *const words[] = {"true", "false", "null"};
	if (*at == '{')
		return json_list(at, '}', true);
	if (*at == '[')
		return json_list(at, ']', false);
	if (*at == '"')
		return json_text(at);
	for (size_t i = 0; i < 3; i++)
		if (strncmp(at, words[i], strlen(words[i])) == 0)
			return at + strlen(words[i]);
	size_t digits = strspn(at, "0123456789");
	return digits > 0 && (digits == 1 || *at != '0') ? at + digits : NULL;
}

static bool is_json(const char *text)
{
	const char *end = json_value(text);
	return end && strcmp(end, "\n") == 0;
}

static void test_judge_of_json(void)
{
	static const char *const good[] = {"{}\n", "[1,\"a\\\"b\",{\"c\":[null,true]}]\n"};
	static const char *const bad[] = {"{}", "[1,]\n", "{\"a\"}\n", "[01]\n", "\"a\n\"\n",
		"[\"\\x\"]\n", "{\"a\":1}}\n", "\"open"};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		CU_ASSERT_TRUE(is_json(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CU_ASSERT_FALSE(is_json(bad[i]));
}

static void test_json_escapes(void)
{
	static const char *const cases[][2] = {
		{"plain", "\"plain\""},
		{"", "\"\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"\n\x1b\x7f", "\"\\u000a\\u001b\\u007f\""},
		{"\xc3\xa9", "\"\xc3\xa9\""},
		{"\xff\xc3", "\"\\ufffd\\ufffd\""},
		{"\xc2\x9b", "\"\\u009b\""}, /* begins a command of a terminal */
		{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
		{NULL, "null"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[64] = "";
		FILE *out = fmemopen(text, sizeof text, "w");
		CU_ASSERT_PTR_NOT_NULL_FATAL(out);
		json_string(out, cases[i][0]);
		fclose(out);
		CU_ASSERT_STRING_EQUAL(text, cases[i][1]);
	}
}

/* ---- an instance without workers ----------------------------------------------------- */

#define GENERAL "state_directory = \"/nonexistent/state\"; hostname = \"router1\";\n"

/* A kernel that takes AES-128-GCM both ways, AES-256-GCM for sending, and nothing else. */
static void fill_capabilities(struct ktls_capabilities *capabilities)
{
	*capabilities = (struct ktls_capabilities){.ulp = 0};
	for (int version = 0; version < 2; version++)
		for (int cipher = 0; cipher < KTLS_CIPHERS; cipher++)
			for (int direction = 0; direction < 2; direction++)
				capabilities->offload[version][cipher][direction] = EINVAL;
	for (int version = 0; version < 2; version++) {
		int(*offload)[2] = capabilities->offload[version];
		offload[KTLS_AES_128_GCM][KTLS_TX] = offload[KTLS_AES_128_GCM][KTLS_RX] = 0;
		offload[KTLS_AES_256_GCM][KTLS_TX] = 0;
	}
}

static int next_slot(void *arg, const char *name)
{
	(void)name;
	return (*(int *)arg)++;
}

/* NULL with the messages in *errors. */
static struct snapshot *snapshot_of(
	const char *text, const struct ktls_capabilities *capabilities, char **errors)
{
	struct conf_errors found = {0};
	struct messages messages = {0};
	int slot = 0;
	struct conf *conf = conf_parse("test.conf", text, &found);
	for (size_t i = 0; i < found.count; i++)
		fprintf(stderr, "%s\n", found.lines[i]);
	conf_errors_clear(&found);
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
	struct snapshot_context context = {
		.capabilities = capabilities,
		.slot = next_slot,
		.slot_arg = &slot,
		.check = true,
	};
	struct snapshot *snapshot = snapshot_new(conf, &context, &messages);
	free(messages.warnings);
	*errors = messages.errors;
	return snapshot;
}

/* What `show` says of a configuration and of some history of its first server. */
static char *status_of(
	const char *text, const char *what, bool json, const struct ktls_capabilities *capabilities)
{
	char *errors = NULL;
	struct snapshot *snapshot = snapshot_of(text, capabilities, &errors);
	struct stats *stats = calloc(1, sizeof *stats);
	if (errors)
		fprintf(stderr, "%s\n", errors);
	free(errors);
	CU_ASSERT_PTR_NOT_NULL_FATAL(snapshot);
	CU_ASSERT_PTR_NOT_NULL_FATAL(stats);
	stats->rows_used = 1;
	stats->rows[0].servers[0] = (struct stats_server){.open = 3,
		.accepted = 20,
		.refused = 2,
		.handshake_failed = 4,
		.offload_both = 7,
		.offload_tx = 6,
		.offload_none = 5,
		.requests = 90,
		.requests_refused = 8,
		.backend_busy = 2,
		.backend_idle = 10};
	char *status = show_status(what, json, snapshot, stats, capabilities);
	snapshot_free(snapshot);
	free(stats);
	return status;
}

static void expect_status(const char *text, const char *what, bool json, const char *expected)
{
	struct ktls_capabilities capabilities;
	fill_capabilities(&capabilities);
	char *status = status_of(text, what, json, &capabilities);
	CU_ASSERT_PTR_NOT_NULL_FATAL(status);
	CU_ASSERT_STRING_EQUAL(status, expected);
	if (strcmp(status, expected) != 0)
		fprintf(stderr, "is:\n%s\nand should be:\n%s\n", status, expected);
	if (json)
		CU_ASSERT_TRUE(is_json(status));
	free(status);
}

/* ---- server status -------------------------------------------------------------------- */

static const char both_sides[] = GENERAL
	"servers = ( { name = \"web\"; backend = \"files:/tmp\"; tls_versions = [ \"1.3\" ];"
	" secure_port = 1025; http_server = true; http_port = 8080; trustpoint = \"TP1\";"
	" access_class = [ \"permit 10.0.0.0/8\", \"permit host 2001:db8::1\", \"deny any\" ];"
	" max_connections = 5; ciphersuites = [ \"tls13-aes256-gcm-sha384\","
	" \"tls13-aes128-gcm-sha256\" ];"
	" timeout_policy: { idle = 600; life = 120; requests = 1; }; } );"
	"trustpoints = ( { name = \"TP1\"; } );";

static const char one_side_each[] = GENERAL
	"servers = ( { name = \"secure\"; backend = \"127.0.0.1:1\"; tls_versions = [ \"1.3\" ];"
	" ciphersuites = [ \"TLS_AES_128_GCM_SHA256\" ]; offload = \"off\";"
	" timeout_policy: { idle = 0; }; },"
	" { name = \"plain\"; backend = \"127.0.0.1:1\"; secure_server = false;"
	" http_server = true; http_action = \"proxy\"; } );";

#define FIGURES                                                                                    \
	"Server current connections: 3\n"                                                          \
	"Server connections accepted: 20\n"                                                        \
	"Server connections refused: 2\n"                                                          \
	"Server requests: 90\n"                                                                    \
	"Server requests refused: 8\n"                                                             \
	"Server current backend connections: 12\n"                                                 \
	"HTTP secure server handshakes failed: 4\n"

#define NO_FIGURES                                                                                 \
	"Server current connections: 0\n"                                                          \
	"Server connections accepted: 0\n"                                                         \
	"Server connections refused: 0\n"                                                          \
	"Server requests: 0\n"                                                                     \
	"Server requests refused: 0\n"                                                             \
	"Server current backend connections: 0\n"                                                  \
	"HTTP secure server handshakes failed: 0\n"

static void test_server_status_has_every_field(void)
{
	expect_status(both_sides, "server status", false,
		"Server web\n"
		"HTTP server status: Enabled\n"
		"HTTP server port: 8080\n"
		"HTTP server authentication method: none\n"
		"HTTP server access class: permit 10.0.0.0/8, permit 2001:db8::1, deny any\n"
		"HTTP server base path: /tmp\n"
		"Maximum number of concurrent server connections allowed: 5\n"
		"Maximum number of concurrent backend connections allowed: 0\n"
		"Server idle time-out: 600 seconds\n"
		"Server life time-out: 120 seconds\n"
		"Maximum number of requests allowed on a connection: 1\n"
		"HTTP secure server capability: Present\n"
		"HTTP secure server status: Enabled\n"
		"HTTP secure server port: 1025\n"
		"HTTP secure server ciphersuite: TLS_AES_256_GCM_SHA384 TLS_AES_128_GCM_SHA256\n"
		"HTTP secure server client authentication: Disabled\n"
		"HTTP secure server trustpoint: TP1\n" FIGURES
		"HTTP secure server offload policy: auto\n"
		"HTTP secure server offload: 7 both directions, 6 transmit only, 5 user space\n");
}

static void test_no_limit_is_said_in_words(void)
{
	expect_status(one_side_each, "server status", false,
		"Server secure\n"
		"HTTP server status: Disabled\n"
		"HTTP server port: 80\n"
		"HTTP server authentication method: none\n"
		"HTTP server access class: none\n"
		"HTTP server base path:\n"
		"Maximum number of concurrent server connections allowed: 1000\n"
		"Maximum number of concurrent backend connections allowed: 1000\n"
		"Server idle time-out: unlimited\n"
		"Server life time-out: unlimited\n"
		"Maximum number of requests allowed on a connection: unlimited\n"
		"HTTP secure server capability: Present\n"
		"HTTP secure server status: Enabled\n"
		"HTTP secure server port: 443\n"
		"HTTP secure server ciphersuite: TLS_AES_128_GCM_SHA256\n"
		"HTTP secure server client authentication: Disabled\n"
		"HTTP secure server trustpoint: self-signed\n" FIGURES
		"HTTP secure server offload policy: off\n"
		"HTTP secure server offload: 7 both directions, 6 transmit only, 5 user space\n"
		"\n"
		"Server plain\n"
		"HTTP server status: Enabled\n"
		"HTTP server port: 80\n"
		"HTTP server authentication method: none\n"
		"HTTP server access class: none\n"
		"HTTP server base path:\n"
		"Maximum number of concurrent server connections allowed: 1000\n"
		"Maximum number of concurrent backend connections allowed: 1000\n"
		"Server idle time-out: 180 seconds\n"
		"Server life time-out: unlimited\n"
		"Maximum number of requests allowed on a connection: unlimited\n"
		"HTTP secure server capability: Present\n"
		"HTTP secure server status: Disabled\n"
		"HTTP secure server port: 443\n"
		"HTTP secure server ciphersuite: default\n"
		"HTTP secure server client authentication: Disabled\n"
		"HTTP secure server trustpoint: self-signed\n" NO_FIGURES
		"HTTP secure server offload policy: auto\n"
		"HTTP secure server offload: 0 both directions, 0 transmit only, 0 user space\n");
}

static void test_server_status_as_json(void)
{
	expect_status(both_sides, "server status", true,
		"{\"servers\":[{\"name\":\"web\",\"http_server_enabled\":true,"
		"\"http_server_port\":8080,\"http_server_authentication_method\":\"none\","
		"\"http_server_access_class\":[\"permit 10.0.0.0/8\",\"permit 2001:db8::1\","
		"\"deny any\"],\"http_server_base_path\":\"/tmp\",\"max_connections\":5,"
		"\"backend_max_connections\":0,\"idle_timeout\":600,\"life_timeout\":120,\"max_"
		"requests\":1,"
		"\"secure_server_capability\":true,\"secure_server_enabled\":true,"
		"\"secure_server_port\":1025,\"secure_server_ciphersuites\":"
		"[\"TLS_AES_256_GCM_SHA384\",\"TLS_AES_128_GCM_SHA256\"],"
		"\"secure_server_client_authentication\":\"none\","
		"\"secure_server_trustpoint\":\"TP1\",\"connections_open\":3,"
		"\"connections_accepted\":20,\"connections_refused\":2,\"requests\":90,"
		"\"requests_refused\":8,\"backend_connections_open\":12,"
		"\"handshakes_failed\":4,\"offload_policy\":\"auto\","
		"\"offload\":{\"both\":7,\"tx\":6,\"none\":5}}]}\n");
}

static void test_secure_status(void)
{
	expect_status(both_sides, "server secure status", false,
		"Server web\n"
		"HTTP secure server status: Enabled\n"
		"HTTP secure server port: 1025\n"
		"HTTP secure server ciphersuite: TLS_AES_256_GCM_SHA384 TLS_AES_128_GCM_SHA256\n"
		"HTTP secure server client authentication: Disabled\n"
		"HTTP secure server trustpoint: TP1\n" FIGURES
		"HTTP secure server offload policy: auto\n"
		"HTTP secure server offload: 7 both directions, 6 transmit only, 5 user space\n");
	expect_status(both_sides, "server secure status", true,
		"{\"servers\":[{\"name\":\"web\",\"secure_server_enabled\":true,"
		"\"secure_server_port\":1025,\"secure_server_ciphersuites\":"
		"[\"TLS_AES_256_GCM_SHA384\",\"TLS_AES_128_GCM_SHA256\"],"
		"\"secure_server_client_authentication\":\"none\","
		"\"secure_server_trustpoint\":\"TP1\",\"connections_open\":3,"
		"\"connections_accepted\":20,\"connections_refused\":2,\"requests\":90,"
		"\"requests_refused\":8,\"backend_connections_open\":12,"
		"\"handshakes_failed\":4,\"offload_policy\":\"auto\","
		"\"offload\":{\"both\":7,\"tx\":6,\"none\":5}}]}\n");
}

/* A port of 0 is shown as what it has become. */
static void test_status_shows_bound_ports(void)
{
	static const char text[] = GENERAL "servers = ( { name = \"web\"; secure_port = 0; "
					   "backend = \"127.0.0.1:1\"; } );";
	struct ktls_capabilities capabilities;
	char *errors = NULL;
	fill_capabilities(&capabilities);
	struct snapshot *snapshot = snapshot_of(text, &capabilities, &errors);
	struct stats *stats = calloc(1, sizeof *stats);
	CU_ASSERT_PTR_NOT_NULL_FATAL(snapshot);
	CU_ASSERT_PTR_NOT_NULL_FATAL(stats);
	struct snapshot_listener listener = {
		.server = snapshot->servers, .is_secure = true, .port = 40443};
	snapshot->listeners = &listener;
	snapshot->listener_count = 1;
	char *status = show_status("server secure status", false, snapshot, stats, &capabilities);
	CU_ASSERT_PTR_NOT_NULL_FATAL(status);
	CU_ASSERT_PTR_NOT_NULL(strstr(status, "\nHTTP secure server port: 40443\n"));
	snapshot->listeners = NULL;
	snapshot->listener_count = 0;
	snapshot_free(snapshot);
	free(status);
	free(stats);
}

static void test_access_rules_as_written(void)
{
	static const struct {
		struct conf_access_rule rule;
		const char *text;
	} cases[] = {
		{{.permit = true, .family = AF_UNSPEC}, "permit any"},
		{{.family = AF_INET, .prefix = 8, .network = {10}}, "deny 10.0.0.0/8"},
		{{.family = AF_INET, .prefix = 0}, "deny 0.0.0.0/0"},
		{{.permit = true, .family = AF_INET, .prefix = 32, .network = {192, 0, 2, 1}},
			"permit 192.0.2.1"},
		{{.permit = true, .family = AF_INET6, .prefix = 127, .network = {0x20, 1}},
			"permit 2001::/127"},
	};
	char text[ACCESS_RULE_TEXT];
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		CU_ASSERT_STRING_EQUAL(access_rule_text(&cases[i].rule, text), cases[i].text);
}

/* ---- ciphersuites ----------------------------------------------------------------------- */

static const char suites[] =
	GENERAL "servers = ( { name = \"web\"; backend = \"127.0.0.1:1\"; ciphersuites = ["
		" \"TLS_AES_128_GCM_SHA256\", \"ECDHE-RSA-AES256-GCM-SHA384\","
		" \"ECDHE-ECDSA-CHACHA20-POLY1305\", \"ecdhe-rsa-aes-128-cbc-sha\" ]; },"
		" { name = \"plain\"; backend = \"127.0.0.1:1\"; secure_server = false;"
		" http_server = true; http_action = \"proxy\"; } );";

static void test_ciphersuites(void)
{
	expect_status(suites, "ciphersuites", false,
		"Kernel TLS: yes\n"
		"\n"
		"Server web, offload auto\n"
		"  Version  Bits  OpenSSL name                   RFC name                         "
		"              Kernel\n"
		"  TLSv1.3   128  TLS_AES_128_GCM_SHA256         TLS_AES_128_GCM_SHA256           "
		"              tx rx\n"
		"  TLSv1.2   256  ECDHE-RSA-AES256-GCM-SHA384    "
		"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384          "
		"tx, no rx: this kernel does not take the cipher for receiving\n"
		"  TLSv1.2   256  ECDHE-ECDSA-CHACHA20-POLY1305  "
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256  "
		"no: this kernel does not take the cipher\n"
		"  TLSv1.2   128  ECDHE-RSA-AES128-SHA           "
		"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA             "
		"no: kernel TLS has no such cipher\n"
		"\n"
		"Server plain, offload auto\n"
		"  secure server Disabled\n");
}

static void test_ciphersuites_as_json(void)
{
	expect_status(suites, "ciphersuites", true,
		"{\"kernel_tls\":true,\"servers\":[{\"name\":\"web\",\"offload_policy\":\"auto\","
		"\"ciphersuites\":["
		"{\"tls_version\":\"TLSv1.3\",\"openssl_name\":\"TLS_AES_128_GCM_SHA256\","
		"\"rfc_name\":\"TLS_AES_128_GCM_SHA256\",\"bits\":128,\"kernel_tx\":true,"
		"\"kernel_rx\":true,\"obstacle\":null},"
		"{\"tls_version\":\"TLSv1.2\",\"openssl_name\":\"ECDHE-RSA-AES256-GCM-SHA384\","
		"\"rfc_name\":\"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\",\"bits\":256,"
		"\"kernel_tx\":true,\"kernel_rx\":false,"
		"\"obstacle\":\"this kernel does not take the cipher for receiving\"},"
		"{\"tls_version\":\"TLSv1.2\",\"openssl_name\":\"ECDHE-ECDSA-CHACHA20-POLY1305\","
		"\"rfc_name\":\"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256\",\"bits\":256,"
		"\"kernel_tx\":false,\"kernel_rx\":false,"
		"\"obstacle\":\"this kernel does not take the cipher\"},"
		"{\"tls_version\":\"TLSv1.2\",\"openssl_name\":\"ECDHE-RSA-AES128-SHA\","
		"\"rfc_name\":\"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA\",\"bits\":128,"
		"\"kernel_tx\":false,\"kernel_rx\":false,"
		"\"obstacle\":\"kernel TLS has no such cipher\"}]},"
		"{\"name\":\"plain\",\"offload_policy\":\"auto\",\"ciphersuites\":[]}]}\n");
}

static void test_ciphersuites_without_kernel_tls(void)
{
	struct ktls_capabilities none = {.ulp = ENOENT};
	char *status = status_of(suites, "ciphersuites", false, &none);
	CU_ASSERT_PTR_NOT_NULL_FATAL(status);
	CU_ASSERT_PTR_NOT_NULL(strstr(status, "Kernel TLS: no: this kernel has no TLS"));
	CU_ASSERT_PTR_NOT_NULL(strstr(status, "  no: this kernel has no TLS (CONFIG_TLS"));
	CU_ASSERT_PTR_NULL(strstr(status, "tx"));
	free(status);
}

/* ---- the others, and none ----------------------------------------------------------------- */

static void test_offload_and_sessions(void)
{
	expect_status(both_sides, "sessions", false,
		"Server                 Open    Maximum   Accepted    Refused     Failed\n"
		"web                       3          5         20          2          4\n");
	expect_status(both_sides, "sessions", true,
		"{\"servers\":[{\"name\":\"web\",\"open\":3,\"max_connections\":5,\"accepted\":20,"
		"\"refused\":2,\"handshakes_failed\":4}]}\n");
	expect_status(both_sides, "offload", false,
		"Kernel TLS: yes\n"
		"Server           Policy         Both    Tx only User space\n"
		"web              auto              7          6          5\n");
	expect_status(both_sides, "offload", true,
		"{\"kernel_tls\":true,\"servers\":[{\"name\":\"web\",\"policy\":\"auto\","
		"\"connections\":{\"open\":3,\"accepted\":20,\"refused\":2,"
		"\"handshakes_failed\":4},\"offload\":{\"both\":7,\"tx\":6,\"none\":5},"
		"\"bytes\":{\"in\":0,\"out\":0}}]}\n");
}

static void test_unknown_status_is_none(void)
{
	static const char *const unknown[] = {"", "server", "status", "server status ", "Offload",
		"server  status", "offload --json"};
	struct ktls_capabilities capabilities;
	fill_capabilities(&capabilities);
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
		CU_ASSERT_FALSE(show_exists(unknown[i]));
		CU_ASSERT_PTR_NULL(status_of(both_sides, unknown[i], false, &capabilities));
	}
}

/* Whatever the list names can be asked for. */
static void test_every_listed_status_exists(void)
{
	static const char *const known[] = {
		"server status", "server secure status", "ciphersuites", "offload", "sessions"};
	char *list = show_list();
	CU_ASSERT_PTR_NOT_NULL_FATAL(list);
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		CU_ASSERT_TRUE(show_exists(known[i]));
		CU_ASSERT_PTR_NOT_NULL(strstr(list, known[i]));
	}
	free(list);
}

/* ---- a start-up that fails ------------------------------------------------------------------ */

static void expect_errors(const char *text, const char *expected)
{
	struct ktls_capabilities capabilities;
	char *errors = NULL;
	fill_capabilities(&capabilities);
	struct snapshot *snapshot = snapshot_of(text, &capabilities, &errors);
	CU_ASSERT_PTR_NULL(snapshot);
	CU_ASSERT_PTR_NOT_NULL_FATAL(errors);
	CU_ASSERT_STRING_EQUAL(errors, expected);
	if (strcmp(errors, expected) != 0)
		fprintf(stderr, "is:\n%s\nand should be:\n%s\n", errors, expected);
	free(errors);
	snapshot_free(snapshot);
}

#define PEM_TRUSTPOINT(certificate)                                                                \
	GENERAL                                                                                    \
	"servers = ( { name = \"web\"; backend = \"127.0.0.1:1\"; trustpoint = \"TP1\"; } );\n"    \
	"trustpoints = ( { name = \"TP1\"; enrollment: { method = \"pem\"; };\n"                   \
	"files: { certificate = \"" certificate "\"; key = \"/dev/null\"; }; } );"

static void test_start_up_errors_name_host_trustpoint_and_cure(void)
{
	expect_errors(PEM_TRUSTPOINT("/nonexistent/cert.pem"),
		"test.conf:3: No router certificate for router1: trustpoint \"TP1\": there is no "
		"/nonexistent/cert.pem; put the certificate there, or correct files.certificate");
	expect_errors(PEM_TRUSTPOINT("/dev/zero"),
		"test.conf:3: Unable to load router certificate for router1: trustpoint \"TP1\": "
		"/dev/zero: not a regular file; correct the trustpoint's files");
	expect_errors("state_directory = \"/dev/null\"; hostname = \"router1\";\n"
		      "servers = ( { name = \"web\"; backend = \"127.0.0.1:1\"; } );",
		"test.conf:2: Unable to load self-signed certificate for router1: trustpoint "
		"\"_self-signed\": /dev/null/trustpoints/_self-signed: Not a directory; let "
		"ferrule read and write state_directory, and see that its disk has room");
}

static CU_TestInfo status_tests[] = {
	{"the judge of JSON", test_judge_of_json},
	{"JSON escapes", test_json_escapes},
	{"server status has every field", test_server_status_has_every_field},
	{"no limit is said in words", test_no_limit_is_said_in_words},
	{"server status as JSON", test_server_status_as_json},
	{"server secure status", test_secure_status},
	{"ports are shown as bound", test_status_shows_bound_ports},
	{"access rules as written", test_access_rules_as_written},
	{"ciphersuites", test_ciphersuites},
	{"ciphersuites as JSON", test_ciphersuites_as_json},
	{"ciphersuites without kernel TLS", test_ciphersuites_without_kernel_tls},
	{"offload and sessions", test_offload_and_sessions},
	{"an unknown status is none", test_unknown_status_is_none},
	{"every listed status exists", test_every_listed_status_exists},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo start_tests[] = {
	{"errors name host, trustpoint and cure",
		test_start_up_errors_name_host_trustpoint_and_cure},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo show_suites[];
CU_SuiteInfo show_suites[] = {
	{"statuses", NULL, NULL, NULL, NULL, status_tests},
	{"start-up errors", NULL, NULL, NULL, NULL, start_tests},
	CU_SUITE_INFO_NULL,
};
