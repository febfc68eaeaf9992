/*
 * config/: what a file means, what is refused and in which words. Run from the
 * tree's root; linked with -Wl,--wrap=conf_memory_resize.
 */
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/conf.h"
#include "config/memory.h"
#include "config/parse.h"
#include "config/schema.h"

extern CU_SuiteInfo config_suites[];

#define SERVER "servers = ( { name = \"web\"; backend = \"127.0.0.1:8080\"; } );\n"
/* One server with further keys, in line 1. */
#define SERVER_WITH(keys)                                                                          \
	"servers = ( { name = \"web\"; backend = \"127.0.0.1:8080\"; " keys " } );\n"
#define TRUSTPOINT_WITH(keys) SERVER "trustpoints = ( { name = \"TP1\"; " keys " } );\n"
/* A trustpoint to trust beside one to show, in line 2. */
#define ANCHORS                                                                                    \
	"trustpoints = ( { name = \"CA\"; enrollment: { method = \"pem\"; };"                      \
	" files: { ca = \"ca.pem\"; }; }, { name = \"TP1\"; } );\n"
#define PEM(files) TRUSTPOINT_WITH("enrollment: { method = \"pem\"; }; " files)

/* ---- help --------------------------------------------------------------- */

static struct conf *parse_sound(const char *text)
{
	struct conf_errors errors = {0};
	struct conf *conf = conf_parse("/test.conf", text, &errors);

	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "unexpected: %s\n", errors.lines[i]);
	CU_ASSERT_EQUAL(errors.count, 0);
	CU_ASSERT_PTR_NOT_NULL(conf);
	conf_errors_clear(&errors);
	return conf;
}

/* Exactly these complaints, in this order; `expected` ends with NULL. */
static void assert_refused(const char *path, const char *text, const char *const *expected)
{
	struct conf_errors errors = {0};
	struct conf *conf = text ? conf_parse(path, text, &errors) : conf_load(path, &errors);
	size_t count = 0;

	CU_ASSERT_PTR_NULL(conf);
	for (; expected[count]; count++) {
		const char *line = count < errors.count ? errors.lines[count] : "(nothing)";
		if (strcmp(line, expected[count]) != 0) {
			fprintf(stderr, "expected: %s\ngot:      %s\n", expected[count], line);
			CU_FAIL("another complaint than expected");
		}
	}
	CU_ASSERT_EQUAL(errors.count, count);
	conf_free(conf);
	conf_errors_clear(&errors);
	CU_ASSERT_EQUAL(errors.count, 0);
	CU_ASSERT_PTR_NULL(errors.lines);
}

struct refusal {
	const char *text;
	const char *complaint; /* behind "/test.conf:" */
};

static void assert_each_refused(const struct refusal *refusals)
{
	for (; refusals->text; refusals++) {
		char line[512];
		snprintf(line, sizeof(line), "/test.conf:%s", refusals->complaint);
		assert_refused("/test.conf", refusals->text, (const char *const[]){line, NULL});
	}
}

/* ---- scratch files ------------------------------------------------------ */

static char scratch[] = "/tmp/ferrule-config.XXXXXX";
static const char *const scratch_names[] = {
	"main.conf", "part.conf", "loop.conf", "nul.conf", "large.conf"};

static const char *scratch_path(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	return path;
}

static void scratch_write(const char *name, const char *bytes, size_t len)
{
	FILE *file = fopen(scratch_path(name), "we");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fwrite(bytes, 1, len, file), len);
	CU_ASSERT_EQUAL(fclose(file), 0);
}

static void scratch_text(const char *name, const char *text)
{
	scratch_write(name, text, strlen(text));
}

static int scratch_open(void)
{
	if (!mkdtemp(scratch))
		return -1;
	return mkdir(scratch_path("directory"), 0700);
}

static int scratch_close(void)
{
	for (size_t i = 0; i < sizeof(scratch_names) / sizeof(scratch_names[0]); i++)
		unlink(scratch_path(scratch_names[i]));
	rmdir(scratch_path("directory"));
	return rmdir(scratch);
}

/* ---- values ------------------------------------------------------------- */

static void test_defaults(void)
{
	struct conf *conf = parse_sound(SERVER);
	if (!conf)
		return;
	CU_ASSERT_STRING_EQUAL(conf->path, "/test.conf");
	CU_ASSERT_STRING_EQUAL(conf->state_directory, "/var/lib/ferrule");
	CU_ASSERT_STRING_EQUAL(conf->run_directory, "/run/ferrule");
	CU_ASSERT_STRING_EQUAL(conf->user, "ferrule");
	CU_ASSERT_STRING_EQUAL(conf->group, "ferrule");
	CU_ASSERT_EQUAL(conf->workers, 0);
	CU_ASSERT_EQUAL(conf->log.level, CONF_LOG_INFO);
	CU_ASSERT_STRING_EQUAL(conf->log.target, "stderr");
	CU_ASSERT_PTR_NULL(conf->log.access);
	CU_ASSERT_EQUAL(conf->log.access_format, CONF_ACCESS_COMBINED);
	CU_ASSERT_PTR_NULL(conf->tickets.file);
	CU_ASSERT_EQUAL(conf->tickets.lifetime, 7200);
	CU_ASSERT_EQUAL(conf->drain_timeout, 30);
	CU_ASSERT_EQUAL(conf->trustpoint_count, 0);
	CU_ASSERT_PTR_NULL(conf->trustpoints);
	conf_free(conf);
}

static void test_server_defaults(void)
{
	struct conf *conf = parse_sound("\n" SERVER);
	if (!conf)
		return;
	CU_ASSERT_EQUAL_FATAL(conf->server_count, 1);
	const struct conf_server *server = &conf->servers[0];
	CU_ASSERT_STRING_EQUAL(server->name, "web");
	CU_ASSERT_EQUAL(server->line, 2);
	CU_ASSERT_TRUE(server->secure_server);
	CU_ASSERT_EQUAL_FATAL(server->secure_address.count, 2);
	CU_ASSERT_STRING_EQUAL(server->secure_address.items[0], "0.0.0.0");
	CU_ASSERT_STRING_EQUAL(server->secure_address.items[1], "::");
	CU_ASSERT_EQUAL(server->secure_port, 443);
	CU_ASSERT_EQUAL(server->mode, CONF_MODE_HTTP);
	CU_ASSERT_PTR_NULL(server->trustpoint);
	CU_ASSERT_EQUAL(server->certificate_count, 0);
	CU_ASSERT_EQUAL(server->client_auth, CONF_CLIENT_AUTH_NONE);
	CU_ASSERT_PTR_NULL(server->client_auth_trustpoint);
	CU_ASSERT_EQUAL(server->access_rule_count, 0);
	CU_ASSERT_EQUAL(server->ciphersuites.count, 0);
	CU_ASSERT_PTR_NULL(server->ciphersuites.items);
	CU_ASSERT_TRUE(server->tls12 && server->tls13);
	CU_ASSERT_EQUAL(server->offload, CONF_OFFLOAD_AUTO);
	CU_ASSERT_EQUAL(server->max_connections, 1000);
	CU_ASSERT_EQUAL(server->timeout.handshake, 10);
	CU_ASSERT_EQUAL(server->timeout.header, 10);
	CU_ASSERT_EQUAL(server->timeout.connect, 10);
	CU_ASSERT_EQUAL(server->timeout.idle, 180);
	CU_ASSERT_EQUAL(server->timeout.life, 0);
	CU_ASSERT_EQUAL(server->timeout.requests, 0);
	conf_free(conf);
}

static void test_http_defaults(void)
{
	struct conf *conf = parse_sound(SERVER);
	if (!conf)
		return;
	const struct conf_server *server = &conf->servers[0];
	CU_ASSERT_FALSE(server->http_server);
	CU_ASSERT_EQUAL_FATAL(server->http_address.count, 2);
	CU_ASSERT_STRING_EQUAL(server->http_address.items[0], "0.0.0.0");
	CU_ASSERT_STRING_EQUAL(server->http_address.items[1], "::");
	CU_ASSERT_EQUAL(server->http_port, 80);
	CU_ASSERT_EQUAL(server->http_action_count, 0);
	CU_ASSERT_PTR_NULL(server->http_action);
	CU_ASSERT_EQUAL(server->limits.request_line, 8192);
	CU_ASSERT_EQUAL(server->limits.head, 16384);
	CU_ASSERT_EQUAL(server->limits.fields, 100);
	CU_ASSERT_EQUAL(server->limits.body, 0);
	CU_ASSERT_EQUAL(server->backend_max_connections, 1000);
	CU_ASSERT_EQUAL(server->backend_connections, 128);
	CU_ASSERT_FALSE(server->proxy_protocol);
	CU_ASSERT_TRUE(server->forwarded);
	CU_ASSERT_EQUAL(server->hsts, 0);
	CU_ASSERT_EQUAL(server->response_headers.count, 0);
	CU_ASSERT_EQUAL(server->authentication.method, CONF_AUTHENTICATION_NONE);
	CU_ASSERT_PTR_NULL(server->authentication.file);
	CU_ASSERT_STRING_EQUAL(server->authentication.realm, "ferrule");
	conf_free(conf);
}

static void test_root_values(void)
{
	struct conf *conf = parse_sound(SERVER
		"state_directory = \"/s\"; run_directory = \"r\"; user = \"u\"; group = \"g\";\n"
		"workers = 64; hostname = \"router1\"; domain_name = \"example.com\";\n"
		"log: { level = \"debug\"; target = \"/var/log/ferrule.log\";\n"
		"access = \"/var/log/access.log\"; access_format = \"json\"; };\n"
		"drain_timeout = 0; tickets: { file = \"keys\"; lifetime = 60; };\n");
	if (!conf)
		return;
	CU_ASSERT_STRING_EQUAL(conf->state_directory, "/s");
	CU_ASSERT_STRING_EQUAL(conf->run_directory, "/r");
	CU_ASSERT_STRING_EQUAL(conf->user, "u");
	CU_ASSERT_STRING_EQUAL(conf->group, "g");
	CU_ASSERT_EQUAL(conf->workers, 64);
	CU_ASSERT_STRING_EQUAL(conf->hostname, "router1");
	CU_ASSERT_STRING_EQUAL(conf->domain_name, "example.com");
	CU_ASSERT_EQUAL(conf->log.level, CONF_LOG_DEBUG);
	CU_ASSERT_STRING_EQUAL(conf->log.target, "/var/log/ferrule.log");
	CU_ASSERT_STRING_EQUAL(conf->log.access, "/var/log/access.log");
	CU_ASSERT_EQUAL(conf->log.access_format, CONF_ACCESS_JSON);
	CU_ASSERT_EQUAL(conf->drain_timeout, 0);
	CU_ASSERT_STRING_EQUAL(conf->tickets.file, "/keys");
	CU_ASSERT_EQUAL(conf->tickets.lifetime, 60);
	conf_free(conf);
}

static void test_server_values(void)
{
	struct conf *conf = parse_sound(SERVER_WITH(
		"secure_address = [ \"192.0.2.1\" ]; secure_port = 0x20fb; mode = \"tunnel\"; "
		"ciphersuites = [ \"ecdhe-rsa-aes-128-gcm-sha256\", \"SSL_RSA_WITH_RC4_128_MD5\" "
		"]; "
		"tls_versions = [ \"1.3\" ]; max_connections = 1000000L; proxy_protocol = true; "
		"timeout_policy: { handshake = 0; connect = 5; idle = 86400; life = 86400; };"));
	if (!conf)
		return;
	const struct conf_server *server = &conf->servers[0];
	CU_ASSERT_TRUE(server->secure_server);
	CU_ASSERT_EQUAL_FATAL(server->secure_address.count, 1);
	CU_ASSERT_STRING_EQUAL(server->secure_address.items[0], "192.0.2.1");
	CU_ASSERT_EQUAL(server->secure_port, 8443);
	CU_ASSERT_EQUAL(server->mode, CONF_MODE_TUNNEL);
	CU_ASSERT_EQUAL_FATAL(server->ciphersuites.count, 2);
	CU_ASSERT_STRING_EQUAL(server->ciphersuites.items[1], "SSL_RSA_WITH_RC4_128_MD5");
	CU_ASSERT_FALSE(server->tls12);
	CU_ASSERT_TRUE(server->tls13);
	CU_ASSERT_EQUAL(server->max_connections, 1000000);
	CU_ASSERT_TRUE(server->proxy_protocol);
	CU_ASSERT_EQUAL(server->timeout.handshake, 0);
	CU_ASSERT_EQUAL(server->timeout.connect, 5);
	CU_ASSERT_EQUAL(server->timeout.idle, 86400);
	CU_ASSERT_EQUAL(server->timeout.life, 86400);
	conf_free(conf);
}

static void test_http_values(void)
{
	struct conf *conf = parse_sound(SERVER_WITH(
		"mode = \"http\"; secure_server = false; http_server = true; "
		"http_address = [ \"::1\" ]; http_port = 0; backend_connections = 0; "
		"backend_max_connections = 7; "
		"timeout_policy: { header = 1; requests = 86400; }; "
		"limits: { request_line = 256; head = 1024; fields = 8; body = 5000000000L; }; "
		"forwarded = false; hsts = 2147483647; "
		"response_headers = [ \"X-A: b c\", \"Set-Cookie: x\" ]; "));
	if (!conf)
		return;
	const struct conf_server *server = &conf->servers[0];
	CU_ASSERT_EQUAL(server->mode, CONF_MODE_HTTP);
	CU_ASSERT_FALSE(server->secure_server);
	CU_ASSERT_TRUE(server->http_server);
	CU_ASSERT_EQUAL_FATAL(server->http_address.count, 1);
	CU_ASSERT_STRING_EQUAL(server->http_address.items[0], "::1");
	CU_ASSERT_EQUAL(server->http_port, 0);
	CU_ASSERT_EQUAL(server->backend_max_connections, 7);
	CU_ASSERT_EQUAL(server->backend_connections, 0);
	CU_ASSERT_EQUAL(server->timeout.header, 1);
	CU_ASSERT_EQUAL(server->timeout.requests, 86400);
	CU_ASSERT_EQUAL(server->limits.request_line, 256);
	CU_ASSERT_EQUAL(server->limits.head, 1024);
	CU_ASSERT_EQUAL(server->limits.fields, 8);
	CU_ASSERT_EQUAL(server->limits.body, 5000000000);
	CU_ASSERT_FALSE(server->forwarded);
	CU_ASSERT_EQUAL(server->hsts, 2147483647);
	CU_ASSERT_EQUAL_FATAL(server->response_headers.count, 2);
	CU_ASSERT_STRING_EQUAL(server->response_headers.items[0], "X-A: b c");
	conf_free(conf);
}

static void test_body_values(void)
{
	static const struct {
		const char *text;
		uint64_t value;
	} cases[] = {
		{"1", 1},
		{"2147483647", 2147483647},
		{"2147483648L", 2147483648},
		{"0x80000000L", 2147483648},
		{"9223372036854775807L", INT64_MAX},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		snprintf(text, sizeof(text), SERVER_WITH("limits: { body = %s; };"), cases[i].text);
		struct conf *conf = parse_sound(text);
		if (conf)
			CU_ASSERT_EQUAL(conf->servers[0].limits.body, cases[i].value);
		conf_free(conf);
	}
}

/* One word stands for a rule about every path. */
static void test_http_action_words(void)
{
	static const char *const words[] = {"redirect", "proxy", "refuse"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char text[256];
		snprintf(text, sizeof(text), SERVER_WITH("http_action = \"%s\";"), words[i]);
		struct conf *conf = parse_sound(text);
		if (!conf)
			continue;
		CU_ASSERT_EQUAL_FATAL(conf->servers[0].http_action_count, 1);
		CU_ASSERT_STRING_EQUAL(conf->servers[0].http_action[0].path, "/");
		CU_ASSERT_EQUAL(conf->servers[0].http_action[0].action, i);
		conf_free(conf);
	}
}

static void test_http_action_list(void)
{
	struct conf *conf = parse_sound(
		SERVER_WITH("http_action = ( { path = \"/soap/\"; action = \"refuse\"; }, "
			    "{ action = \"proxy\"; path = \"/soap\"; }, { path = \"/\"; action = "
			    "\"redirect\"; } );"));
	if (!conf)
		return;
	const struct conf_server *server = &conf->servers[0];
	CU_ASSERT_EQUAL_FATAL(server->http_action_count, 3);
	CU_ASSERT_STRING_EQUAL(server->http_action[0].path, "/soap/");
	CU_ASSERT_EQUAL(server->http_action[0].action, CONF_ACTION_REFUSE);
	CU_ASSERT_STRING_EQUAL(server->http_action[1].path, "/soap");
	CU_ASSERT_EQUAL(server->http_action[1].action, CONF_ACTION_PROXY);
	CU_ASSERT_STRING_EQUAL(server->http_action[2].path, "/");
	CU_ASSERT_EQUAL(server->http_action[2].action, CONF_ACTION_REDIRECT);
	conf_free(conf);
}

static void test_certificates(void)
{
	struct conf *conf = parse_sound(
		SERVER_WITH("certificates = (\n"
			    "{ server_name = \"B.Example.COM\"; trustpoint = \"TP1\"; backend = "
			    "\"unix:s\"; },\n"
			    "{ server_name = \"b.example.com\"; trustpoint = \"TP2\"; backend = "
			    "\"unix:s\"; },\n"
			    "{ server_name = \"*.example.com\"; trustpoint = \"TP1\"; },\n"
			    "{ trustpoint = \"TP2\"; } );") "trustpoints = ( { name = \"TP1\"; }, "
							    "{ name = \"TP2\"; } );");
	if (!conf)
		return;
	CU_ASSERT_EQUAL_FATAL(conf->servers[0].certificate_count, 4);
	const struct conf_certificate *certificates = conf->servers[0].certificates;
	CU_ASSERT_EQUAL(certificates[0].line, 2);
	CU_ASSERT_EQUAL(certificates[3].line, 5);
	CU_ASSERT_STRING_EQUAL(certificates[0].server_name, "b.example.com");
	CU_ASSERT_PTR_EQUAL(certificates[0].trustpoint, &conf->trustpoints[0]);
	CU_ASSERT_EQUAL(certificates[0].backend.type, CONF_BACKEND_UNIX);
	CU_ASSERT_STRING_EQUAL(certificates[0].backend.path, "/s");
	CU_ASSERT_PTR_EQUAL(certificates[1].trustpoint, &conf->trustpoints[1]);
	CU_ASSERT_STRING_EQUAL(certificates[2].server_name, "*.example.com");
	CU_ASSERT_PTR_NULL(certificates[2].backend.text);
	CU_ASSERT_PTR_NULL(certificates[3].server_name);
	conf_free(conf);
}

static void test_client_auth(void)
{
	struct conf *conf = parse_sound(
		"servers = ( { name = \"a\"; backend = \"unix:s\"; trustpoint = \"TP1\"; "
		"client_auth = \"required\"; client_auth_trustpoint = \"CA\"; },\n"
		"{ name = \"b\"; backend = \"unix:s\"; secure_port = 444; "
		"client_auth = \"optional\"; } );\n"
		"trustpoints = ( { name = \"TP1\"; },\n"
		"{ name = \"CA\"; enrollment: { method = \"pem\"; }; files: { ca = \"ca.pem\"; }; "
		"},\n"
		"{ name = \"TP2\"; primary = true; enrollment: { method = \"pem\"; };\n"
		"files: { certificate = \"c\"; key = \"k\"; chain = \"x\"; }; } );");
	if (!conf)
		return;
	CU_ASSERT_EQUAL(conf->servers[0].client_auth, CONF_CLIENT_AUTH_REQUIRED);
	CU_ASSERT_PTR_EQUAL(conf->servers[0].trustpoint, &conf->trustpoints[0]);
	CU_ASSERT_PTR_EQUAL(conf->servers[0].client_auth_trustpoint, &conf->trustpoints[1]);
	CU_ASSERT_STRING_EQUAL(conf->trustpoints[1].files.ca, "/ca.pem");
	CU_ASSERT_EQUAL(conf->servers[1].client_auth, CONF_CLIENT_AUTH_OPTIONAL);
	CU_ASSERT_PTR_EQUAL(conf->servers[1].client_auth_trustpoint, &conf->trustpoints[2]);
	conf_free(conf);
}

static void test_access_class(void)
{
	static const struct {
		const char *text;
		bool permit;
		int family;
		unsigned prefix;
		const char *network;
	} cases[] = {
		{"permit 10.0.0.0/8", true, AF_INET, 8, "10.0.0.0"},
		{"deny 2001:db8::/33", false, AF_INET6, 33, "2001:db8::"},
		{"permit 192.0.2.1", true, AF_INET, 32, "192.0.2.1"},
		{"permit 192.0.2.2/31", true, AF_INET, 31, "192.0.2.2"},
		{"deny host 192.0.2.255", false, AF_INET, 32, "192.0.2.255"},
		{" deny\thost  2001:DB8::1 ", false, AF_INET6, 128, "2001:db8::1"},
		{"permit 0.0.0.0/0", true, AF_INET, 0, "0.0.0.0"},
		{"permit ::/0", true, AF_INET6, 0, "::"},
		{"deny any", false, AF_UNSPEC, 0, "::"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		uint8_t network[16] = {0};
		int family = cases[i].family == AF_INET ? AF_INET : AF_INET6;
		snprintf(text, sizeof(text), SERVER_WITH("access_class = [ \"%s\" ];"),
			cases[i].text);
		struct conf *conf = parse_sound(text);
		if (!conf)
			continue;
		CU_ASSERT_EQUAL_FATAL(conf->servers[0].access_rule_count, 1);
		const struct conf_access_rule *rule = &conf->servers[0].access_class[0];
		CU_ASSERT_EQUAL(rule->permit, cases[i].permit);
		CU_ASSERT_EQUAL(rule->family, cases[i].family);
		CU_ASSERT_EQUAL(rule->prefix, cases[i].prefix);
		CU_ASSERT_EQUAL(inet_pton(family, cases[i].network, network), 1);
		CU_ASSERT_EQUAL(memcmp(rule->network, network, sizeof(network)), 0);
		conf_free(conf);
	}
}

/* Exceptions stand in front of what they are an exception to. */
static void test_access_order(void)
{
	struct conf *conf = parse_sound(SERVER_WITH(
		"access_class = [ \"deny 10.1.0.0/16\", \"permit 10.0.0.0/8\", "
		"\"permit 2001:db8::/32\", \"permit ::/0\", \"deny 11.0.0.0/8\", \"deny any\" ];"));
	if (!conf)
		return;
	CU_ASSERT_EQUAL_FATAL(conf->servers[0].access_rule_count, 6);
	CU_ASSERT_FALSE(conf->servers[0].access_class[0].permit);
	CU_ASSERT_TRUE(conf->servers[0].access_class[1].permit);
	CU_ASSERT_EQUAL(conf->servers[0].access_class[5].family, AF_UNSPEC);
	conf_free(conf);
}

static void test_authentication(void)
{
	struct conf *conf = parse_sound(SERVER_WITH("authentication: { method = \"basic\"; "
						    "file = \"htpasswd\"; realm = \"a b\"; };"));
	if (!conf)
		return;
	CU_ASSERT_EQUAL(conf->servers[0].authentication.method, CONF_AUTHENTICATION_BASIC);
	CU_ASSERT_STRING_EQUAL(conf->servers[0].authentication.file, "/htpasswd");
	CU_ASSERT_STRING_EQUAL(conf->servers[0].authentication.realm, "a b");
	conf_free(conf);
}

/* Keys that may be written out although they say nothing. */
static void test_empty_values(void)
{
	struct conf *conf = parse_sound(SERVER_WITH(
		"authentication: { method = \"none\"; file = \"\"; realm = \"\"; };"
		"certificates = ( ); response_headers = [ ]; http_server = false;") "log: { access "
										    "= \"\"; };");
	if (!conf)
		return;
	CU_ASSERT_PTR_NULL(conf->servers[0].authentication.file);
	CU_ASSERT_STRING_EQUAL(conf->servers[0].authentication.realm, "ferrule");
	CU_ASSERT_PTR_NULL(conf->log.access);
	CU_ASSERT_PTR_NULL(conf->servers[0].certificates);
	conf_free(conf);
}

static void test_offload_values(void)
{
	static const char *const words[] = {"auto", "tx", "both", "off", "required"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char text[256];
		snprintf(text, sizeof(text), SERVER_WITH("offload = \"%s\";"), words[i]);
		struct conf *conf = parse_sound(text);
		if (!conf)
			continue;
		CU_ASSERT_EQUAL(conf->servers[0].offload, i);
		CU_ASSERT_STRING_EQUAL(conf_offload_name(conf->servers[0].offload), words[i]);
		conf_free(conf);
	}
}

static void assert_same(const char *is, const char *should)
{
	if (is && should)
		CU_ASSERT_STRING_EQUAL(is, should);
	CU_ASSERT_EQUAL(is == NULL, should == NULL);
}

static void test_backends(void)
{
	static const struct {
		const char *text;
		struct conf_backend backend;
		const char *host, *path;
	} cases[] = {
		/* clang-format off */
		{ "127.0.0.1:8080", { .type = CONF_BACKEND_TCP, .port = 8080 }, "127.0.0.1", NULL },
		{ "app_1.example.com:65535", { .type = CONF_BACKEND_TCP, .port = 65535 }, "app_1.example.com", NULL },
		{ "[2001:db8::1]:1", { .type = CONF_BACKEND_TCP, .port = 1 }, "2001:db8::1", NULL },
		{ "unix:/run/app", { .type = CONF_BACKEND_UNIX }, NULL, "/run/app" },
		{ "unix:app.sock", { .type = CONF_BACKEND_UNIX }, NULL, "/app.sock" },
		{ "files:/srv/www", { .type = CONF_BACKEND_FILES }, NULL, "/srv/www" },
		{ "files:.", { .type = CONF_BACKEND_FILES }, NULL, "/." },
		/* clang-format on */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		snprintf(text, sizeof(text), "servers = ( { name = \"web\"; backend = \"%s\"; } );",
			cases[i].text);
		struct conf *conf = parse_sound(text);
		if (!conf)
			continue;
		const struct conf_backend *backend = &conf->servers[0].backend;
		CU_ASSERT_EQUAL(backend->type, cases[i].backend.type);
		CU_ASSERT_EQUAL(backend->port, cases[i].backend.port);
		assert_same(backend->text, cases[i].text);
		assert_same(backend->host, cases[i].host);
		assert_same(backend->path, cases[i].path);
		conf_free(conf);
	}
}

static void test_trustpoint_values(void)
{
	struct conf *conf = parse_sound(SERVER
		"trustpoints = (\n"
		"{ name = \"a\"; },\n"
		"{ name = \"b\"; key: { type = \"rsa\"; bits = 4096; };\n"
		"  subject_alt_name = [ \"*.example.com\", \"2001:db8::1\" ]; },\n"
		"{ name = \"c\"; primary = true; enrollment: { method = \"pem\"; };\n"
		"  files: { certificate = \"c.pem\"; key = \"/k.pem\"; chain = \"../x\"; }; } );");
	if (!conf)
		return;
	CU_ASSERT_EQUAL_FATAL(conf->trustpoint_count, 3);
	const struct conf_trustpoint *first = &conf->trustpoints[0];
	CU_ASSERT_EQUAL(first->line, 3);
	CU_ASSERT_FALSE(first->primary);
	CU_ASSERT_EQUAL(first->method, CONF_METHOD_SELFSIGNED);
	CU_ASSERT_EQUAL(first->key.type, CONF_KEY_EC);
	CU_ASSERT_STRING_EQUAL(first->key.curve, "P-256");
	CU_ASSERT_EQUAL(first->key.bits, 2048);
	const struct conf_trustpoint *second = &conf->trustpoints[1];
	CU_ASSERT_EQUAL(second->key.type, CONF_KEY_RSA);
	CU_ASSERT_EQUAL(second->key.bits, 4096);
	CU_ASSERT_EQUAL_FATAL(second->subject_alt_name.count, 2);
	CU_ASSERT_STRING_EQUAL(second->subject_alt_name.items[0], "*.example.com");
	const struct conf_trustpoint *third = &conf->trustpoints[2];
	CU_ASSERT_TRUE(third->primary);
	CU_ASSERT_EQUAL(third->method, CONF_METHOD_PEM);
	CU_ASSERT_STRING_EQUAL(third->files.certificate, "/c.pem");
	CU_ASSERT_STRING_EQUAL(third->files.key, "/k.pem");
	CU_ASSERT_STRING_EQUAL(third->files.chain, "/../x");
	conf_free(conf);
}

static void test_trustpoint_reference(void)
{
	struct conf *conf = parse_sound(
		"servers = ( { name = \"a\"; backend = \"files:/\"; trustpoint = \"TP1\"; },\n"
		"{ name = \"b\"; backend = \"files:/\"; secure_port = 444; } );\n"
		"trustpoints = ( { name = \"TP1\"; }, { name = \"TP2\"; primary = true; } );");
	if (!conf)
		return;
	CU_ASSERT_PTR_EQUAL(conf->servers[0].trustpoint, &conf->trustpoints[0]);
	CU_ASSERT_PTR_EQUAL(conf->servers[1].trustpoint, &conf->trustpoints[1]);
	conf_free(conf);
}

static void test_host_default(void)
{
	char name[HOST_NAME_MAX + 1] = "";
	struct conf *conf = parse_sound(SERVER);

	if (!conf)
		return;
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf->hostname);
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf->domain_name);
	CU_ASSERT_PTR_NULL(strchr(conf->hostname, '.'));
	CU_ASSERT_EQUAL(gethostname(name, sizeof(name) - 1), 0);
	if (name[0] != '\0' && name[0] != '(')
		CU_ASSERT_EQUAL(strncmp(name, conf->hostname, strlen(conf->hostname)), 0);
	conf_free(conf);
}

/* ---- refusals ----------------------------------------------------------- */

static void test_refused_keys(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ SERVER "wokers = 1;", "2: wokers is not a known key; did you mean workers?" },
		{ SERVER "port = 1;", "2: port is not a known key; remove it or see ferrule.conf(5)" },
		{ SERVER_WITH("timeout_policy: { idl = 1; };"),
		  "1: servers[0].timeout_policy.idl is not a known key; did you mean idle?" },
		{ SERVER "user = \"a\";\nuser = \"b\";", "3: duplicate setting name" },
		{ "", "1: needs servers; for example: "
		  "servers = ( { name = \"web\"; backend = \"127.0.0.1:8080\"; } );" },
		{ "servers = ();", "1: servers must have 1 to 64 elements, not 0" },
		{ "servers = (\n { backend = \"files:/\"; } );",
		  "2: servers[0] needs name; for example: name = \"web\";" },
		{ "servers = ( { name = \"web\"; } );",
		  "1: servers[0] needs backend; for example: backend = \"127.0.0.1:8080\";" },
		{ SERVER_WITH("certificates = ( { } );"),
		  "1: servers[0].certificates[0] needs trustpoint; for example: "
		  "trustpoint = \"TP2\";" },
		{ SERVER_WITH("http_action = ( { path = \"/\"; } );"),
		  "1: servers[0].http_action[0] needs action; for example: action = \"refuse\";" },
		{ SERVER_WITH("http_action = ( { action = \"proxy\"; } );"),
		  "1: servers[0].http_action[0] needs path; for example: path = \"/soap/\";" },
		{ SERVER_WITH("limits: { heads = 1; };"),
		  "1: servers[0].limits.heads is not a known key; did you mean head?" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

static void test_refused_types(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ SERVER "user = 1;", "2: user must be a string, not a whole number" },
		{ SERVER "state_directory = true;",
		  "2: state_directory must be a path in quotes, not true or false" },
		{ SERVER "workers = \"1\";",
		  "2: workers must be a whole number from 0 to 64, not a string" },
		{ SERVER "workers = 1.0;",
		  "2: workers must be a whole number from 0 to 64, not a number with a fraction" },
		{ SERVER "log = [ ];", "2: log must be a group: { ... }, not an array" },
		{ SERVER "trustpoints: { };",
		  "2: trustpoints must be a list of groups: ( { ... }, { ... } ), not a group" },
		{ SERVER "trustpoints = ( 1 );",
		  "2: trustpoints[0] must be a group: { ... }, not a whole number" },
		{ SERVER_WITH("secure_server = 1;"),
		  "1: servers[0].secure_server must be true or false, not a whole number" },
		{ SERVER_WITH("secure_address = ( \"::\" );"),
		  "1: servers[0].secure_address must be an array of strings: [ \"...\" ], not a list" },
		{ SERVER_WITH("secure_address = [ 1 ];"),
		  "1: servers[0].secure_address[0] must be a string, not a whole number" },
		{ SERVER_WITH("tls_versions = \"1.2\";"),
		  "1: servers[0].tls_versions must be an array of strings: [ \"...\" ], not a string" },
		{ SERVER_WITH("http_action = 5;"),
		  "1: servers[0].http_action must be \"redirect\" or \"proxy\" or \"refuse\" or "
		  "a list of groups: ( { ... }, { ... } ), not a whole number" },
		{ SERVER_WITH("access_class = \"deny any\";"),
		  "1: servers[0].access_class must be an array of strings: [ \"...\" ], not a string" },
		{ SERVER_WITH("access_class = [ 1 ];"),
		  "1: servers[0].access_class[0] must be a string, not a whole number" },
		{ SERVER_WITH("limits: { body = \"1G\"; };"),
		  "1: servers[0].limits.body must be a whole number from 0 to 9223372036854775807, "
		  "not a string" },
		{ SERVER_WITH("certificates = ( { trustpoint = 5; } );"),
		  "1: servers[0].certificates[0].trustpoint must be a string, not a whole number" },
		{ SERVER_WITH("client_auth = \"required\"; client_auth_trustpoint = 5;"),
		  "1: servers[0].client_auth_trustpoint must be a string, not a whole number" },
		{ SERVER_WITH("trustpoint = 5;"),
		  "1: servers[0].trustpoint must be a string, not a whole number" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

static void test_refused_ranges(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ SERVER "workers = 65;", "2: workers must be a whole number from 0 to 64, not 65" },
		{ SERVER "workers = -1;", "2: workers must be a whole number from 0 to 64, not -1" },
		{ SERVER "workers = 4294967296L;",
		  "2: workers must be a whole number from 0 to 64, not 4294967296" },
		{ SERVER "\nworkers = 4294967297;",
		  "3: 4294967297 is beyond 32 bits; put an L behind it" },
		{ SERVER "workers = 0x100000001;",
		  "2: 0x100000001 is beyond 32 bits; put an L behind it" },
		{ SERVER_WITH("limits: { body = 4294967296; };"),
		  "1: 4294967296 is beyond 32 bits; put an L behind it" },
		{ SERVER_WITH("limits: { body = 9223372036854775808L; };"),
		  "1: 9223372036854775808 is beyond 64 bits; no key takes it" },
		{ SERVER_WITH("limits: { body = -1; };"),
		  "1: servers[0].limits.body must be a whole number from 0 to 9223372036854775807, "
		  "not -1" },
		{ SERVER "drain_timeout = 86401;",
		  "2: drain_timeout must be a whole number from 0 to 86400, not 86401" },
		{ SERVER "tickets: { lifetime = 59; };",
		  "2: tickets.lifetime must be a whole number from 60 to 604800, not 59" },
		{ SERVER_WITH("secure_port = 65536;"),
		  "1: servers[0].secure_port must be a whole number from 0 to 65535, not 65536" },
		{ SERVER_WITH("max_connections = 0;"),
		  "1: servers[0].max_connections must be a whole number from 1 to 1000000, not 0" },
		{ SERVER_WITH("secure_address = [ ];"),
		  "1: servers[0].secure_address must have 1 to 32 elements, not 0" },
		{ SERVER_WITH("tls_versions = [ ];"),
		  "1: servers[0].tls_versions must have 1 to 2 elements, not 0" },
		{ SERVER_WITH("http_port = -1;"),
		  "1: servers[0].http_port must be a whole number from 0 to 65535, not -1" },
		{ SERVER_WITH("http_address = [ ];"),
		  "1: servers[0].http_address must have 1 to 32 elements, not 0" },
		{ SERVER_WITH("http_action = ( );"),
		  "1: servers[0].http_action must have 1 to 256 elements, not 0" },
		{ SERVER_WITH("access_class = [ ];"),
		  "1: servers[0].access_class must have 1 to 1024 elements, not 0" },
		{ SERVER_WITH("backend_max_connections = 0;"),
		  "1: servers[0].backend_max_connections must be a whole number from 1 to 1000000, "
		  "not 0" },
		{ SERVER_WITH("backend_connections = 10001;"),
		  "1: servers[0].backend_connections must be a whole number from 0 to 10000, "
		  "not 10001" },
		{ SERVER_WITH("hsts = 2147483648L;"),
		  "1: servers[0].hsts must be a whole number from 0 to 2147483647, not 2147483648" },
		{ SERVER_WITH("limits: { request_line = 255; };"),
		  "1: servers[0].limits.request_line must be a whole number from 256 to 16000, "
		  "not 255" },
		{ SERVER_WITH("limits: { head = 16385; };"),
		  "1: servers[0].limits.head must be a whole number from 1024 to 16384, not 16385" },
		{ SERVER_WITH("limits: { fields = 7; };"),
		  "1: servers[0].limits.fields must be a whole number from 8 to 1000, not 7" },
		{ SERVER_WITH("timeout_policy: { requests = 86401; };"),
		  "1: servers[0].timeout_policy.requests must be a whole number from 0 to 86400, "
		  "not 86401" },
		{ TRUSTPOINT_WITH("key: { type = \"rsa\"; bits = 1024; };"),
		  "2: trustpoints[0].key.bits must be a whole number from 2048 to 4096, not 1024" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

static void test_refused_words(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ SERVER "log: { level = \"inf\"; };",
		  "2: log.level must be \"error\" or \"warning\" or \"info\" or \"debug\", not \"inf\"; "
		  "did you mean \"info\"?" },
		{ SERVER "log: { target = \"stdout\"; };",
		  "2: log.target must be \"stderr\", \"syslog\" or an absolute path, not \"stdout\"" },
		{ SERVER "user = \"\";", "2: user must be the name of an account: "
		  "1 to 32 letters, digits, '-', '_' or '.', not \"\"" },
		{ SERVER "run_directory = \"\";", "2: run_directory must be a path, not \"\"" },
		{ SERVER "hostname = \"a.b\";",
		  "2: hostname must be a host name up to its first dot (domain_name has the rest), "
		  "not \"a.b\"" },
		{ SERVER "domain_name = \"a..b\";", "2: domain_name must be a domain name such as "
		  "\"example.com\", or empty, not \"a..b\"" },
		{ SERVER_WITH("tls_versions = [ \"SSLv3\" ];"),
		  "1: servers[0].tls_versions[0] must be \"1.2\" or \"1.3\", not \"SSLv3\"" },
		{ SERVER_WITH("secure_address = [ \"localhost\" ];"),
		  "1: servers[0].secure_address[0] must be numeric, such as \"192.0.2.1\" or "
		  "\"2001:db8::1\", not \"localhost\"" },
		{ SERVER_WITH("secure_address = [ \"::ffff:192.0.2.1\" ];"),
		  "1: servers[0].secure_address[0] must be numeric, such as \"192.0.2.1\" or "
		  "\"2001:db8::1\", not \"::ffff:192.0.2.1\"" },
		{ SERVER_WITH("ciphersuites = [ \"ALL:@SECLEVEL=0\" ];"),
		  "1: servers[0].ciphersuites[0] must be the name of one cipher suite, such as "
		  "\"TLS_AES_128_GCM_SHA256\", not \"ALL:@SECLEVEL=0\"" },
		{ SERVER "log: { access = \"access.log\"; };",
		  "2: log.access must be an absolute path, or empty, not \"access.log\"" },
		{ SERVER "log: { access_format = \"common\"; };",
		  "2: log.access_format must be \"combined\" or \"json\", not \"common\"" },
		{ SERVER_WITH("mode = \"https\";"), "1: servers[0].mode must be \"http\" or "
		  "\"tunnel\", not \"https\"; did you mean \"http\"?" },
		{ SERVER_WITH("http_action = \"reject\";"),
		  "1: servers[0].http_action must be \"redirect\" or \"proxy\" or \"refuse\", "
		  "not \"reject\"" },
		{ SERVER_WITH("http_action = ( { path = \"soap\"; action = \"proxy\"; } );"),
		  "1: servers[0].http_action[0].path must be a path of at most 1024 visible characters "
		  "that begins with '/', without '?' and '#', not \"soap\"" },
		{ SERVER_WITH("http_action = ( { path = \"/a?b\"; action = \"proxy\"; } );"),
		  "1: servers[0].http_action[0].path must be a path of at most 1024 visible characters "
		  "that begins with '/', without '?' and '#', not \"/a?b\"" },
		{ SERVER_WITH("client_auth = \"require\";"),
		  "1: servers[0].client_auth must be \"none\" or \"optional\" or \"required\", "
		  "not \"require\"; did you mean \"required\"?" },
		{ SERVER_WITH("certificates = ( { server_name = \"192.0.2.1\"; "
		  "trustpoint = \"CA\"; } );") "trustpoints = ( { name = \"CA\"; } );",
		  "1: servers[0].certificates[0].server_name must be a DNS name such as "
		  "\"www.example.com\" or \"*.example.com\", not \"192.0.2.1\"" },
		{ SERVER_WITH("certificates = ( { server_name = \"a.*.com\"; "
		  "trustpoint = \"CA\"; } );") "trustpoints = ( { name = \"CA\"; } );",
		  "1: servers[0].certificates[0].server_name must be a DNS name such as "
		  "\"www.example.com\" or \"*.example.com\", not \"a.*.com\"" },
		{ SERVER_WITH("authentication: { method = \"digest\"; };"),
		  "1: servers[0].authentication.method must be \"none\" or \"basic\", "
		  "not \"digest\"" },
		{ SERVER_WITH("authentication: { method = \"basic\"; file = \"f\"; "
		  "realm = \"a\\\"b\"; };"),
		  "1: servers[0].authentication.realm must be at most 128 bytes without "
		  "'\"', '\\' and control characters, not \"a\"b\"" },
		{ TRUSTPOINT_WITH("subject_alt_name = [ \"a.*.b\" ];"),
		  "2: trustpoints[0].subject_alt_name[0] must be a DNS name or a numeric address, "
		  "not \"a.*.b\"" },
		{ TRUSTPOINT_WITH("key: { curve = \"P-521\"; };"),
		  "2: trustpoints[0].key.curve must be \"P-256\" or \"P-384\", not \"P-521\"" },
		{ SERVER "trustpoints = ( { name = \"../x\\n\"; } );",
		  "2: trustpoints[0].name must be 1 to 64 letters, digits, '-', '_' or '.', "
		  "the first a letter or digit, not \"../x\\x0a\"" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

#define BACKEND(text) "servers = ( { name = \"web\"; backend = \"" text "\"; } );"
#define FORTY         "/234567890123456789012345678901234567890"

static void test_refused_backends(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ BACKEND("localhost"), "1: servers[0].backend must be HOST:PORT, [IPv6]:PORT, "
		  "unix:PATH or files:DIRECTORY; it is \"localhost\"" },
		{ BACKEND(":80"), "1: servers[0].backend must be HOST:PORT, [IPv6]:PORT, "
		  "unix:PATH or files:DIRECTORY; it is \":80\"" },
		{ BACKEND("a/b:80"), "1: servers[0].backend must be HOST:PORT, [IPv6]:PORT, "
		  "unix:PATH or files:DIRECTORY; it is \"a/b:80\"" },
		{ BACKEND("localhost:0"), "1: servers[0].backend must end in a port from 1 to 65535: "
		  "HOST:PORT; it is \"localhost:0\"" },
		{ BACKEND("localhost:65536"), "1: servers[0].backend must end in a port from 1 to "
		  "65535: HOST:PORT; it is \"localhost:65536\"" },
		{ BACKEND("localhost:+80"), "1: servers[0].backend must end in a port from 1 to "
		  "65535: HOST:PORT; it is \"localhost:+80\"" },
		{ BACKEND("::1:80"), "1: servers[0].backend must have its IPv6 address in brackets: "
		  "[IPv6]:PORT; it is \"::1:80\"" },
		{ BACKEND("[127.0.0.1]:80"), "1: servers[0].backend has something else than an IPv6 "
		  "address in its brackets; it is \"[127.0.0.1]:80\"" },
		{ BACKEND("unix:"), "1: servers[0].backend needs a path behind the colon: unix:PATH or "
		  "files:DIRECTORY; it is \"unix:\"" },
		{ BACKEND("unix:" FORTY FORTY FORTY),
		  "1: servers[0].backend names a socket whose absolute path is longer than 107 bytes; "
		  "use a shorter one; it is \"unix:" FORTY FORTY "/...\"" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

#define HEADER(text) SERVER_WITH("response_headers = [ \"" text "\" ];")
#define NOT_A_HEADER                                                                               \
	"1: servers[0].response_headers[0] must be \"NAME: VALUE\" of at most 4096 bytes, "        \
	"without control characters, not "

static void test_refused_headers(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ HEADER(""), NOT_A_HEADER "\"\"" },
		{ HEADER("X-A"), NOT_A_HEADER "\"X-A\"" },
		{ HEADER("X-A:"), NOT_A_HEADER "\"X-A:\"" },
		{ HEADER("X-A: "), NOT_A_HEADER "\"X-A: \"" },
		{ HEADER("X-A:b"), NOT_A_HEADER "\"X-A:b\"" },
		{ HEADER("X-A: b "), NOT_A_HEADER "\"X-A: b \"" },
		{ HEADER(": b"), NOT_A_HEADER "\": b\"" },
		{ HEADER("X A: b"), NOT_A_HEADER "\"X A: b\"" },
		{ HEADER("X-A: b\\r\\nX-B: c"), NOT_A_HEADER "\"X-A: b\\x0d\\x0aX-B: c\"" },
		{ HEADER("content-length: 1"), "1: servers[0].response_headers[0] sets Content-Length, "
		  "which says where the body ends and is ferrule's to set; remove it" },
		{ HEADER("Connection: close"), "1: servers[0].response_headers[0] sets Connection, "
		  "which is about one connection and is ferrule's to set; remove it" },
		{ HEADER("Date: x"), "1: servers[0].response_headers[0] sets Date, "
		  "which is not the same in every response; remove it" },
		{ SERVER_WITH("hsts = 1; response_headers = [ \"Strict-Transport-Security: x\" ];"),
		  "1: servers[0].response_headers[0] sets Strict-Transport-Security, as hsts does; "
		  "remove one of them" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
	conf_free(parse_sound(HEADER("Strict-Transport-Security: max-age=1")));
}

static void test_large_headers(void)
{
	char text[16 * 1024] = "servers = ( { name = \"web\"; backend = \"unix:s\"; "
			       "response_headers = [ \"A: b\"";

	for (unsigned i = 0; i < 3; i++) {
		size_t len = strlen(text);
		snprintf(text + len, sizeof(text) - len, ",\n\"A: %02850u\"", i);
	}
	snprintf(text + strlen(text), sizeof(text) - strlen(text), " ]; } );");
	assert_refused("/test.conf", text,
		(const char *const[]){"/test.conf:1: servers[0].response_headers has 8563 bytes, "
				      "more than 8192; shorten it",
			NULL});
}

#define RULE(text)   SERVER_WITH("access_class = [ \"" text "\" ];")
#define RULES(texts) SERVER_WITH("access_class = [ " texts " ];")
#define RULE_FORM                                                                                  \
	"1: servers[0].access_class[0] must be \"permit\" or \"deny\" and \"any\", an address or " \
	"NETWORK/PREFIX, such as \"permit 10.0.0.0/8\"; it is "
#define PREFIX_FORM(longest)                                                                       \
	"1: servers[0].access_class[0] must have a prefix from 0 to " longest                      \
	" behind the slash; it is "

static void test_refused_access(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ RULE(""), RULE_FORM "\"\"" },
		{ RULE("permit"), RULE_FORM "\"permit\"" },
		{ RULE("allow any"), RULE_FORM "\"allow any\"" },
		{ RULE("permit any any"), RULE_FORM "\"permit any any\"" },
		{ RULE("permit host"), RULE_FORM "\"permit host\"" },
		{ RULE("permit host any"), RULE_FORM "\"permit host any\"" },
		{ RULE("permit host 10.0.0.1 x"), RULE_FORM "\"permit host 10.0.0.1 x\"" },
		{ RULE("permit 10.0.0.0 0.255.255.255"),
		  RULE_FORM "\"permit 10.0.0.0 0.255.255.255\"" },
		{ RULE("permit localhost"), RULE_FORM "\"permit localhost\"" },
		{ RULE("permit 10.1"), RULE_FORM "\"permit 10.1\"" },
		{ RULE("permit 10.0.0.0/"), PREFIX_FORM("32") "\"permit 10.0.0.0/\"" },
		{ RULE("permit 10.0.0.0/33"), PREFIX_FORM("32") "\"permit 10.0.0.0/33\"" },
		{ RULE("permit 10.0.0.0/-1"), PREFIX_FORM("32") "\"permit 10.0.0.0/-1\"" },
		{ RULE("permit 10.0.0.0/8/8"), PREFIX_FORM("32") "\"permit 10.0.0.0/8/8\"" },
		{ RULE("permit ::/129"), PREFIX_FORM("128") "\"permit ::/129\"" },
		{ RULE("permit ::/4294967296"), PREFIX_FORM("128") "\"permit ::/4294967296\"" },
		{ RULE("permit host 10.0.0.1/32"), "1: servers[0].access_class[0] must have an address "
		  "without a prefix behind \"host\"; it is \"permit host 10.0.0.1/32\"" },
		{ RULE("permit ::ffff:10.0.0.1"), "1: servers[0].access_class[0] has an IPv4 address "
		  "written as IPv6; write it as IPv4; it is \"permit ::ffff:10.0.0.1\"" },
		{ RULE("permit 10.1.2.3/9"), "1: servers[0].access_class[0] has bits behind its prefix; "
		  "write \"permit 10.0.0.0/9\", or the prefix that is meant; "
		  "it is \"permit 10.1.2.3/9\"" },
		{ RULE("deny 2001:db8::1/32"), "1: servers[0].access_class[0] has bits behind its "
		  "prefix; write \"deny 2001:db8::/32\", or the prefix that is meant; "
		  "it is \"deny 2001:db8::1/32\"" },
		{ RULES("\"deny any\",\n\"permit 10.0.0.0/8\""),
		  "2: servers[0].access_class[1] is never reached, because access_class[0] matches all "
		  "of it; move it up or remove it" },
		{ RULES("\"permit 10.0.0.0/8\", \"deny 10.1.0.0/16\""),
		  "1: servers[0].access_class[1] is never reached, because access_class[0] matches all "
		  "of it; move it up or remove it" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

/* Every key and word of the contract that a later version implements. */
static void test_refused_later(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ SERVER "clients = 1;", "2: clients is not yet supported; remove it" },
		{ TRUSTPOINT_WITH("revocation_check = [ ];"),
		  "2: trustpoints[0].revocation_check is not yet supported; remove it" },
		{ TRUSTPOINT_WITH("auto_enroll: { percent = 90; };"),
		  "2: trustpoints[0].auto_enroll is not yet supported; remove it" },
		{ TRUSTPOINT_WITH("crl: { };"),
		  "2: trustpoints[0].crl is not yet supported; remove it" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

static void test_refused_together(void)
{
	assert_refused("/test.conf",
		"wokers = 1;\n"
		"servers = ( { name = \"a\"; backend = \"files:/\"; trustpoint = \"none\"; },\n"
		"  { name = \"a\";\n"
		"    secure_port = 99999; } );\n"
		"clients = ();\n",
		(const char *const[]){
			"/test.conf:1: wokers is not a known key; did you mean workers?",
			"/test.conf:2: servers[0].trustpoint \"none\" is not defined; add it to "
			"trustpoints",
			"/test.conf:3: servers[1] needs backend; for example: backend = "
			"\"127.0.0.1:8080\";",
			"/test.conf:3: servers[1].name \"a\" is taken by servers[0]; give each its "
			"own",
			"/test.conf:4: servers[1].secure_port must be a whole number from 0 to "
			"65535, "
			"not 99999",
			"/test.conf:5: clients is not yet supported; remove it",
			NULL,
		});
}

/* ---- enrollment ----------------------------------------------------------- */

#define SCEP(keys)                                                                                 \
	TRUSTPOINT_WITH("enrollment: { method = \"scep\"; url = \"http://ca/scep\"; }; " keys)
#define METHOD(method, keys) TRUSTPOINT_WITH("enrollment: { method = \"" method "\"; " keys " };")
#define PROFILES(keys)                                                                             \
	SERVER "trustpoints = ( { name = \"TP1\"; enrollment: { method = \"profile\"; profile = "  \
	       "\"E\"; }; }, { name = \"TP2\"; } );\nenrollment_profiles = ( { name = "            \
	       "\"E\"; " keys " "                                                                  \
	       "} );\n"

static void test_enrollment(void)
{
	struct conf *conf = parse_sound(SERVER
		"trustpoints = ( { name = \"TP1\"; enrollment: { method = \"scep\";"
		" url = \"http://[2001:db8::1]:8080/scep\"; http_proxy = \"http://proxy:3128\";"
		" retry_count = 100; retry_period = 60; source_interface = \"eth0\"; ra = true;"
		" legacy_des = true; profile = \"\"; };"
		" fingerprint = \"12EF53FA 355CD23E 12EF53FA 355CD23E 12EF53FA\";"
		" subject_name = \"CN=router1, O=Example\"; fqdn = \"none\"; ip_address = "
		"\"2001:db8::7\"; serial_number = true; subject_alt_name = [ \"a.example\" ];"
		" key: { bits = 3072; label = \"K1\"; exportable = true; usage = \"usage-keys\"; };"
		" hash = \"sha384\"; } );");
	const struct conf_trustpoint *trustpoint = &conf->trustpoints[0];

	CU_ASSERT_EQUAL(trustpoint->method, CONF_METHOD_SCEP);
	CU_ASSERT_STRING_EQUAL(trustpoint->enrollment.url, "http://[2001:db8::1]:8080/scep");
	CU_ASSERT_STRING_EQUAL(trustpoint->enrollment.http_proxy, "http://proxy:3128");
	CU_ASSERT_EQUAL(trustpoint->enrollment.retry_count, 100);
	CU_ASSERT_EQUAL(trustpoint->enrollment.retry_period, 60);
	CU_ASSERT_STRING_EQUAL(trustpoint->enrollment.source_interface, "eth0");
	CU_ASSERT(trustpoint->enrollment.ra && trustpoint->enrollment.legacy_des);
	CU_ASSERT_PTR_NULL(trustpoint->enrollment.profile);
	CU_ASSERT_STRING_EQUAL(trustpoint->subject_name, "CN=router1, O=Example");
	CU_ASSERT_STRING_EQUAL(trustpoint->fqdn, "none");
	CU_ASSERT(trustpoint->serial_number);
	CU_ASSERT_EQUAL(trustpoint->key.type, CONF_KEY_RSA);
	CU_ASSERT_EQUAL(trustpoint->key.bits, 3072);
	CU_ASSERT_STRING_EQUAL(trustpoint->key.label, "K1");
	CU_ASSERT(trustpoint->key.exportable);
	CU_ASSERT_EQUAL(trustpoint->key.usage, CONF_USAGE_KEYS);
	CU_ASSERT_EQUAL(trustpoint->hash, CONF_HASH_SHA384);
	conf_free(conf);
}

static void test_enrollment_defaults(void)
{
	struct conf *conf = parse_sound(TRUSTPOINT_WITH(
		"enrollment: { method = \"est\"; url = \"https://ca\"; http_proxy = \"\"; };"
		" fingerprint = \"\"; subject_name = \"\"; fqdn = \"\"; ip_address = \"\";"));
	const struct conf_trustpoint *trustpoint = &conf->trustpoints[0];

	CU_ASSERT_EQUAL(trustpoint->enrollment.retry_count, 10);
	CU_ASSERT_EQUAL(trustpoint->enrollment.retry_period, 1);
	CU_ASSERT_PTR_NULL(trustpoint->enrollment.http_proxy);
	CU_ASSERT_PTR_NULL(trustpoint->fingerprint);
	CU_ASSERT_PTR_NULL(trustpoint->subject_name);
	CU_ASSERT_PTR_NULL(trustpoint->fqdn);
	CU_ASSERT_PTR_NULL(trustpoint->ip_address);
	CU_ASSERT_PTR_NULL(trustpoint->key.label);
	CU_ASSERT_EQUAL(trustpoint->key.type, CONF_KEY_EC);
	CU_ASSERT_EQUAL(trustpoint->hash, CONF_HASH_SHA256);
	conf_free(conf);
}

static void test_enrollment_profiles(void)
{
	struct conf *conf = parse_sound(SERVER
		"trustpoints = ( { name = \"TP1\"; enrollment: { method = \"profile\"; profile = "
		"\"E\"; }; }, { name = \"TP2\"; enrollment: { method = \"terminal\"; }; } );\n"
		"enrollment_profiles = ( { name = \"E\"; authentication: { url = \"http://ca\"; "
		"command = \"GET /ca.der\"; }; enrollment: { url = \"http://ca\"; command = "
		"\"POST req=$REQ&code=$P1\"; }; reenrollment: { url = \"terminal\"; };"
		" credential = \"TP2\"; parameters = ( \"aaaa\", { prompt = \"Code\"; },"
		" { value = \"5001\"; } ); } );");
	const struct conf_profile *profile = conf->trustpoints[0].enrollment.profile;

	CU_ASSERT_PTR_EQUAL_FATAL(profile, &conf->profiles[0]);
	CU_ASSERT_STRING_EQUAL(profile->authentication.command, "GET /ca.der");
	CU_ASSERT_STRING_EQUAL(profile->enrollment.url, "http://ca");
	CU_ASSERT_STRING_EQUAL(profile->reenrollment.url, "terminal");
	CU_ASSERT_PTR_EQUAL(profile->credential, &conf->trustpoints[1]);
	CU_ASSERT_EQUAL_FATAL(profile->parameter_count, 3);
	CU_ASSERT_STRING_EQUAL(profile->parameters[0].value, "aaaa");
	CU_ASSERT_PTR_NULL(profile->parameters[1].value);
	CU_ASSERT_STRING_EQUAL(profile->parameters[1].prompt, "Code");
	CU_ASSERT_STRING_EQUAL(profile->parameters[2].value, "5001");
	conf_free(conf);
}

static void test_trustpool(void)
{
	struct conf *conf =
		parse_sound(SERVER_WITH("client_auth = \"required\"; client_auth_trustpoint = "
					"\"trustpool\";") "trustpool = \"/etc/bundle.pem\";");

	CU_ASSERT_PTR_EQUAL(conf->servers[0].client_auth_trustpoint, &conf->trustpool);
	CU_ASSERT_STRING_EQUAL(conf->trustpool.name, "trustpool");
	CU_ASSERT_STRING_EQUAL(conf->trustpool.files.ca, "/etc/bundle.pem");
	conf_free(conf);
}

static void test_refused_enrollment(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ METHOD("scep", ""), "2: trustpoints[0].enrollment needs an http or https URL for "
		  "method \"scep\"; for example: url = \"http://ca.example.com/scep\";" },
		{ METHOD("est", "url = \"http://ca\";"), "2: trustpoints[0].enrollment.url must be an "
		  "https URL for method \"est\", not \"http://ca\"; for example: url = "
		  "\"https://ca.example.com\";" },
		{ METHOD("tftp", "url = \"http://ca\";"), "2: trustpoints[0].enrollment.url must be a "
		  "tftp URL for method \"tftp\", not \"http://ca\"; for example: url = "
		  "\"tftp://ca.example.com/router1\";" },
		{ METHOD("file", "url = \"tftp://ca\";"), "2: trustpoints[0].enrollment.url must be an "
		  "absolute path or a file URL for method \"file\", not \"tftp://ca\"; for example: "
		  "url = \"/var/lib/ca/router1\";" },
		{ METHOD("scep", "url = \"http://user:pw@ca\";"), "2: trustpoints[0].enrollment.url "
		  "must be a URL (http, https, tftp or file) without a user name, or an absolute "
		  "path, not \"http://user:pw@ca\"" },
		{ METHOD("terminal", "url = \"http://ca\";"), "2: trustpoints[0].enrollment.url goes "
		  "only with an enrollment.method that has one; remove one of them" },
		{ METHOD("terminal", "retry_count = 3;"), "2: trustpoints[0].enrollment.retry_count "
		  "goes only with an enrollment.method that waits; remove one of them" },
		{ METHOD("terminal", "legacy_des = true;"), "2: trustpoints[0].enrollment.legacy_des "
		  "goes only with enrollment.method = \"scep\"; remove one of them" },
		{ METHOD("scep", "url = \"http://ca\"; username = \"x\";"),
		  "2: trustpoints[0].enrollment.username goes only with enrollment.method = \"est\"; "
		  "remove one of them" },
		{ METHOD("scep", "url = \"http://ca\"; retry_count = 101;"),
		  "2: trustpoints[0].enrollment.retry_count must be a whole number from 1 to 100, not "
		  "101" },
		{ METHOD("scep", "url = \"http://ca\"; retry_period = 0;"),
		  "2: trustpoints[0].enrollment.retry_period must be a whole number from 1 to 60, not "
		  "0" },
		{ METHOD("scep", "url = \"http://ca\"; http_proxy = \"proxy:3128\";"),
		  "2: trustpoints[0].enrollment.http_proxy must be http://HOST:PORT, not "
		  "\"proxy:3128\"" },
		{ METHOD("profile", ""), "2: trustpoints[0].enrollment needs the name of one of "
		  "enrollment_profiles for method \"profile\"; for example: profile = \"E\";" },
		{ METHOD("profile", "profile = \"E\";"), "2: trustpoints[0].enrollment.profile \"E\" is "
		  "not defined; add it to enrollment_profiles" },
		{ METHOD("selfsigned", "profile = \"E\";"), "2: trustpoints[0].enrollment.profile goes "
		  "only with enrollment.method = \"profile\"; remove one of them" },
		{ SCEP("key: { type = \"ec\"; };"), "2: trustpoints[0].key.type must be \"rsa\" with "
		  "method \"scep\", because EC keys cannot encrypt; use that, or enroll by method "
		  "\"est\" or \"terminal\"" },
		{ SCEP("key: { curve = \"P-256\"; };"), "2: trustpoints[0].key.curve goes only with "
		  "type = \"ec\"; remove one of them" },
		{ SCEP("key: { bits = 1024; };"), "2: trustpoints[0].key.bits must be a whole number "
		  "from 2048 to 4096, not 1024" },
		{ TRUSTPOINT_WITH("key: { type = \"dsa\"; };"), "2: trustpoints[0].key.type \"dsa\" has "
		  "no place in TLS 1.3 (RFC 8446 1.2); use \"ec\" or \"rsa\"" },
		{ TRUSTPOINT_WITH("key: { usage = \"usage-keys\"; };"), "2: trustpoints[0].key has "
		  "usage \"usage-keys\", but a self-signed trustpoint has one certificate; use usage "
		  "\"general\"" },
		{ METHOD("terminal", "};\nkey: { type = \"ec\"; usage = \"usage-keys\";"),
		  "3: trustpoints[0].key.type must be \"rsa\" with usage \"usage-keys\", because EC "
		  "keys cannot encrypt; use that, or usage \"general\"" },
		{ SCEP("hash = \"sha1\";"), "2: trustpoints[0].hash \"sha1\" signatures can be forged "
		  "(RFC 9155), so CAs refuse them; use \"sha256\" or \"sha384\" or \"sha512\"" },
		{ SCEP("fingerprint = \"67CB9DC0 13248A82 9BB2171E D11BECD4\";"),
		  "2: trustpoints[0].fingerprint must be the 64 hexadecimal digits of SHA-256, or the "
		  "40 of SHA-1 (MD5 can be forged), not \"67CB9DC0 13248A82 9BB2171E D11BECD4\"" },
		{ SCEP("subject_name = \"router1\";"), "2: trustpoints[0].subject_name must be like "
		  "\"CN=router1.example.com, O=Example\", not \"router1\"" },
		{ SCEP("fqdn = \"a b\";"), "2: trustpoints[0].fqdn must be a DNS name, or \"none\", not "
		  "\"a b\"" },
		{ METHOD("pkcs12", "}; key: { bits = 2048;"), "2: trustpoints[0].key.bits goes only "
		  "with an enrollment.method that makes a key; remove one of them" },
		{ METHOD("pkcs12", "}; subject_name = \"CN=x\"; key: { "), "2: "
		  "trustpoints[0].subject_name goes only with an enrollment.method that makes a "
		  "request; remove one of them" },
		{ PEM("files: { ca = \"a\"; }; fingerprint = \"12EF53FA355CD23E12EF53FA355CD23E12EF53FA"
		  "\";"), "2: trustpoints[0].fingerprint goes only with an enrollment.method that has "
		  "a CA; remove one of them" },
		{ SERVER "trustpoints = ( { name = \"trustpool\"; } );", "2: trustpoints[0].name "
		  "\"trustpool\" stands for the system's CA certificates; choose another" },
		{ SERVER_WITH("trustpoint = \"trustpool\";"), "1: servers[0].trustpoint \"trustpool\" is "
		  "not defined; add it to trustpoints" },
		{ PROFILES(""), "3: enrollment_profiles[0] needs an url; for example: "
		  "enrollment: { url = \"http://ca.example.com/enroll\"; };" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

static void test_refused_profiles(void)
{
	static const struct refusal refusals[] = {
	/* clang-format off */
#define SOUND "enrollment: { url = \"http://ca\"; }; "
		{ PROFILES(SOUND "authentication: { command = \"GET /\"; };"),
		  "3: enrollment_profiles[0].authentication has a command but no url; add the url" },
		{ PROFILES(SOUND "authentication: { url = \"tftp://ca/x\"; command = \"GET /\"; };"),
		  "3: enrollment_profiles[0].authentication has a command, which goes only with an "
		  "http or https url; remove one of them" },
		{ PROFILES(SOUND "credential = \"TP1\";"), "3: enrollment_profiles[0].credential "
		  "\"TP1\" enrolls by this very profile; name another trustpoint" },
		{ PROFILES(SOUND "credential = \"TP2\";"), "3: enrollment_profiles[0].credential "
		  "\"TP2\" is self-signed, which proves nothing to a CA; name another trustpoint" },
		{ PROFILES(SOUND "credential = \"TP9\";"), "3: enrollment_profiles[0].credential "
		  "\"TP9\" is not defined; did you mean \"TP1\"?" },
		{ PROFILES(SOUND "parameters = ( \"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", "
		  "\"8\", \"9\" );"),
		  "3: enrollment_profiles[0].parameters must have 0 to 8 elements, not 9" },
		{ PROFILES(SOUND "parameters = ( { value = \"a\"; prompt = \"b\"; } );"),
		  "3: enrollment_profiles[0].parameters[0] has a value and a prompt; remove one of "
		  "them" },
		{ PROFILES(SOUND "parameters = ( 1 );"), "3: enrollment_profiles[0].parameters[0] must "
		  "be a group: { ... }, not a whole number" },
		{ PROFILES(SOUND "}, { name = \"E\"; enrollment: { url = \"terminal\"; };"),
		  "3: enrollment_profiles[1].name \"E\" is taken by enrollment_profiles[0]; give each "
		  "its own" },
		{ NULL, NULL },
#undef SOUND
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

/* ---- keys that depend on others ----------------------------------------- */

static void test_refused_trustpoints(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ SERVER_WITH("\ntrustpoint = \"TP2\";") "trustpoints = ( { name = \"TP1\"; } );",
		  "2: servers[0].trustpoint \"TP2\" is not defined; did you mean \"TP1\"?" },
		{ SERVER "trustpoints = ( { name = \"x\"; primary = true; },\n"
		  "{ name = \"y\";\n primary = true; } );",
		  "4: trustpoints[1].primary can be true for one trustpoint only, and \"x\" has it" },
		{ SERVER "trustpoints = ( { name = \"x\"; },\n{ name = \"x\"; } );",
		  "3: trustpoints[1].name \"x\" is taken by trustpoints[0]; give each its own" },
		{ PEM("files: { key = \"k\"; };"),
		  "2: trustpoints[0].files needs the certificate's file for method \"pem\"; for example: "
		  "files: { certificate = \"cert.pem\"; key = \"key.pem\"; };" },
		{ PEM("files: { certificate = \"c\"; };"),
		  "2: trustpoints[0].files needs the key's file for method \"pem\"; for example: "
		  "files: { certificate = \"cert.pem\"; key = \"key.pem\"; };" },
		{ PEM("files: { certificate = \"c\"; key = \"k\"; }; key: { };"),
		  "2: trustpoints[0].key goes only with an enrollment.method that makes a key; "
		  "remove one of them" },
		{ TRUSTPOINT_WITH("files: { };"),
		  "2: trustpoints[0].files goes only with enrollment.method = \"pem\"; "
		  "remove one of them" },
		{ TRUSTPOINT_WITH("key: { type = \"rsa\"; curve = \"P-256\"; };"),
		  "2: trustpoints[0].key.curve goes only with type = \"ec\"; remove one of them" },
		{ TRUSTPOINT_WITH("key: { bits = 2048; };"),
		  "2: trustpoints[0].key.bits goes only with type = \"rsa\"; remove one of them" },
		{ PEM("files: { ca = \"a\"; certificate = \"c\"; };"),
		  "2: trustpoints[0].files needs the key's file for method \"pem\"; for example: "
		  "files: { certificate = \"cert.pem\"; key = \"key.pem\"; };" },
		{ PEM("primary = true; files: { ca = \"a\"; };"),
		  "2: trustpoints[0].primary is for a trustpoint with a certificate; this one has only "
		  "files.ca, so remove it" },
		{ SERVER_WITH("trustpoint = \"CA\";") ANCHORS,
		  "1: servers[0].trustpoint \"CA\" has only files.ca; give it files.certificate and "
		  "files.key, or name another" },
		{ SERVER_WITH("certificates = ( { trustpoint = \"CA\"; } );") ANCHORS,
		  "1: servers[0].certificates[0].trustpoint \"CA\" has only files.ca; give it "
		  "files.certificate and files.key, or name another" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

static void test_refused_client_auth(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ SERVER_WITH("client_auth_trustpoint = \"CA\";") ANCHORS,
		  "1: servers[0].client_auth_trustpoint goes only with "
		  "client_auth = \"optional\" or \"required\"; remove one of them" },
		{ SERVER_WITH("client_auth = \"required\"; client_auth_trustpoint = \"TP1\";") ANCHORS,
		  "1: servers[0].client_auth_trustpoint \"TP1\" has no trust anchors; "
		  "give it method \"pem\" and files.ca" },
		{ SERVER_WITH("client_auth = \"required\"; client_auth_trustpoint = \"TP2\";") ANCHORS,
		  "1: servers[0].client_auth_trustpoint \"TP2\" is not defined; "
		  "did you mean \"TP1\"?" },
		{ SERVER_WITH("client_auth = \"optional\";"),
		  "1: servers[0].client_auth needs trust anchors; name a trustpoint that has files.ca "
		  "in client_auth_trustpoint" },
		{ SERVER_WITH("trustpoint = \"TP1\"; client_auth = \"optional\";") ANCHORS,
		  "1: servers[0].client_auth needs trust anchors; name a trustpoint that has files.ca "
		  "in client_auth_trustpoint" },
		{ SERVER_WITH("trustpoint = \"unknown\"; client_auth = \"optional\";") ANCHORS,
		  "1: servers[0].trustpoint \"unknown\" is not defined; add it to trustpoints" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

#define FILES(keys) "servers = ( { name = \"web\"; backend = \"files:/\"; " keys " } );\n"

static void test_refused_certificates(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ SERVER_WITH("certificates = ( { trustpoint = \"TP1\"; },\n{ trustpoint = \"TP1\"; } );")
		  ANCHORS, "2: servers[0].certificates[1] has the server_name and the trustpoint of "
		  "certificates[0]; remove one" },
		{ SERVER_WITH("certificates = ( { server_name = \"a\"; trustpoint = \"TP1\"; },\n"
		  "{ server_name = \"A\"; trustpoint = \"TP1\"; backend = \"unix:s\"; } );")
		  ANCHORS, "2: servers[0].certificates[1] has the server_name and the trustpoint of "
		  "certificates[0]; remove one" },
		{ SERVER_WITH("certificates = ( { server_name = \"a\"; trustpoint = \"T\"; },\n"
		  "{ server_name = \"a\"; trustpoint = \"U\"; backend = \"unix:s\"; } );")
		  "trustpoints = ( { name = \"T\"; }, { name = \"U\"; } );",
		  "2: servers[0].certificates[1] has the server_name of certificates[0], "
		  "but another backend; give both the same" },
		{ SERVER_WITH("certificates = ( { server_name = \"a\"; trustpoint = \"TP2\"; } );") ANCHORS,
		  "1: servers[0].certificates[0].trustpoint \"TP2\" is not defined; "
		  "did you mean \"TP1\"?" },
		{ SERVER_WITH("certificates = ( { trustpoint = \"TP1\"; backend = \"h:1\"; } );") ANCHORS,
		  "1: servers[0].certificates[0].backend goes only with server_name; "
		  "remove one of them" },
		{ SERVER_WITH("certificates = ( { server_name = \"a\"; trustpoint = \"TP1\"; "
		  "backend = \"files:/\"; } );") ANCHORS, "1: servers[0].certificates[0].backend must be "
		  "HOST:PORT, [IPv6]:PORT or unix:PATH; it is \"files:/\"" },
		{ FILES("certificates = ( { server_name = \"a\"; trustpoint = \"TP1\"; "
		  "backend = \"h:1\"; } );") ANCHORS, "1: servers[0].certificates[0].backend goes only "
		  "with a TCP or Unix backend of the server; remove it or change that" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

#define TUNNEL(keys)   SERVER_WITH("mode = \"tunnel\"; " keys)
#define HTTP_ONLY(key) "1: servers[0]." key " goes only with mode = \"http\"; remove one of them"

static void test_refused_modes(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ TUNNEL("http_server = true;"), HTTP_ONLY("http_server") },
		{ TUNNEL("timeout_policy: { header = 10; };"), HTTP_ONLY("timeout_policy.header") },
		{ TUNNEL("timeout_policy: { requests = 0; };"), HTTP_ONLY("timeout_policy.requests") },
		{ TUNNEL("limits: { };"), HTTP_ONLY("limits") },
		{ TUNNEL("backend_connections = 32;"), HTTP_ONLY("backend_connections") },
		{ TUNNEL("backend_max_connections = 9;"), HTTP_ONLY("backend_max_connections") },
		{ FILES("backend_max_connections = 9;"), "1: servers[0].backend_max_connections goes "
		  "only with a TCP or Unix backend; remove one of them" },
		{ TUNNEL("forwarded = true;"), HTTP_ONLY("forwarded") },
		{ TUNNEL("hsts = 0;"), HTTP_ONLY("hsts") },
		{ TUNNEL("response_headers = [ ];"), HTTP_ONLY("response_headers") },
		{ TUNNEL("authentication: { method = \"basic\"; file = \"f\"; };"),
		  HTTP_ONLY("authentication") },
		{ FILES("mode = \"tunnel\";"), "1: servers[0].mode goes only with "
		  "a TCP or Unix backend; remove one of them" },
		{ FILES("proxy_protocol = true;"), "1: servers[0].proxy_protocol goes only with "
		  "a TCP or Unix backend; remove one of them" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
	conf_free(
		parse_sound(TUNNEL("http_server = false; http_port = 80; http_action = \"proxy\"; "
				   "authentication: { method = \"none\"; };")));
	conf_free(parse_sound(FILES("mode = \"http\"; proxy_protocol = false;")));
}

static void test_refused_combinations(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ SERVER_WITH("\nsecure_server = false;"),
		  "2: servers[0].secure_server and http_server are both false, so that nothing "
		  "listens; set one of them to true" },
		{ SERVER_WITH("authentication: { method = \"basic\"; };"),
		  "1: servers[0].authentication needs file for method \"basic\"; "
		  "for example: file = \"htpasswd\";" },
		{ SERVER_WITH("authentication: { file = \"htpasswd\"; };"),
		  "1: servers[0].authentication.file goes only with method = \"basic\"; "
		  "remove one of them" },
		{ SERVER_WITH("authentication: { realm = \"x\"; };"),
		  "1: servers[0].authentication.realm goes only with method = \"basic\"; "
		  "remove one of them" },
		{ SERVER_WITH("limits: { request_line = 2048; head = 2048; };"),
		  "1: servers[0].limits needs request_line below head, but they are 2048 and 2048; "
		  "change one" },
		{ SERVER_WITH("limits: { head = 1024; };"),
		  "1: servers[0].limits needs request_line below head, but they are 8192 and 1024; "
		  "change one" },
		{ SERVER_WITH("http_action = ( { path = \"/a/\"; action = \"proxy\"; },\n"
		  "{ path = \"/a/b\"; action = \"refuse\"; } );"),
		  "2: servers[0].http_action[1] is never reached, because http_action[0] matches all "
		  "of it; move it up or remove it" },
		{ SERVER_WITH("http_action = ( { path = \"/a\"; action = \"proxy\"; },\n"
		  "{ path = \"/a\"; action = \"refuse\"; } );"),
		  "2: servers[0].http_action[1] is never reached, because http_action[0] matches all "
		  "of it; move it up or remove it" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
	conf_free(parse_sound(SERVER_WITH("http_action = ( { path = \"/a\"; action = \"proxy\"; }, "
					  "{ path = \"/ab\"; action = \"refuse\"; } );")));
}

/* Two servers with these keys; the second one begins in line 2. */
#define TWO(first, second)                                                                         \
	"servers = ( { name = \"web\"; backend = \"files:/\"; " first " },\n"                      \
	"{ name = \"other\"; backend = \"files:/\"; " second " } );"
#define IN_USE "Port 443 in use by server \"web\"; choose another port or address"

static void test_refused_ports(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ TWO("", ""), "2: " IN_USE },
		{ TWO("", "\nsecure_port = 443;"), "3: " IN_USE },
		{ TWO("secure_address = [ \"0.0.0.0\" ];", "secure_address = [ \"127.0.0.1\" ];"),
		  "2: " IN_USE },
		{ TWO("secure_address = [ \"::1\" ];", "secure_address = [ \"::\" ];"), "2: " IN_USE },
		{ TWO("secure_address = [ \"::1\" ];", "secure_address = [ \"0::01\" ];"),
		  "2: " IN_USE },
		{ SERVER_WITH("http_server = true; http_port = 8443;\nsecure_port = 8443;"),
		  "2: Port 8443 in use by HTTP; choose another port or address" },
		{ SERVER_WITH("secure_port = 80;\nhttp_server = true;"),
		  "1: Port 80 in use by HTTP; choose another port or address" },
		{ TWO("http_server = true; http_port = 443; secure_server = false;", ""),
		  "2: Port 443 in use by HTTP server \"web\"; choose another port or address" },
		{ TWO("", "secure_server = false; http_server = true;\nhttp_port = 443;"),
		  "3: " IN_USE },
		{ TWO("http_server = true;", "http_server = true; secure_port = 444;"),
		  "2: Port 80 in use by HTTP server \"web\"; choose another port or address" },
		{ SERVER_WITH("http_server = true;\nhttp_address = [ \"::\", \"::1\" ];"),
		  "2: servers[0].http_address has \"::\" and \"::1\", which overlap; remove one" },
		{ SERVER_WITH("\nsecure_address = [ \"0.0.0.0\", \"127.0.0.1\" ];"),
		  "2: servers[0].secure_address has \"0.0.0.0\" and \"127.0.0.1\", which overlap; "
		  "remove one" },
		{ NULL, NULL },
		/* clang-format on */
	};

	assert_each_refused(refusals);
}

static void test_sound_ports(void)
{
	static const char *const texts[] = {
		/* clang-format off */
		TWO("", "secure_port = 444;"),
		TWO("secure_port = 0;", "secure_port = 0;"),
		TWO("", "secure_server = false; http_server = true;"),
		TWO("secure_server = false; http_server = true;", ""),
		TWO("http_server = true;", "http_server = true; http_port = 81; secure_port = 444;"),
		TWO("http_port = 443;", "http_port = 443; secure_port = 444;"),
		SERVER_WITH("http_server = true; http_port = 0; secure_port = 0;"),
		SERVER_WITH("http_server = true; http_port = 443; http_address = [ \"127.0.0.1\" ]; "
		            "secure_address = [ \"127.0.0.2\" ];"),
		TWO("secure_address = [ \"0.0.0.0\" ];", "secure_address = [ \"::\" ];"),
		TWO("secure_address = [ \"127.0.0.1\" ];", "secure_address = [ \"127.0.0.2\" ];"),
		/* clang-format on */
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		conf_free(parse_sound(texts[i]));
}

/* ---- files -------------------------------------------------------------- */

static void assert_file_refused(const char *name, const char *complaint)
{
	char path[PATH_MAX];
	char line[PATH_MAX + 512];

	snprintf(path, sizeof(path), "%s", scratch_path(name));
	snprintf(line, sizeof(line), "%s:%s", path, complaint);
	assert_refused(path, NULL, (const char *const[]){line, NULL});
}

static void test_unreadable_files(void)
{
	static const char nul[] = SERVER "\0user = \"x\";";
	char *large = calloc(1, 1024 * 1024 + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(large);
	memset(large, '\n', 1024 * 1024 + 1);
	scratch_write("nul.conf", nul, sizeof(nul) - 1);
	scratch_write("large.conf", large, 1024 * 1024 + 1);
	free(large);
	assert_file_refused("none.conf", "1: the file cannot be read: No such file or directory; "
					 "name the right one with -c");
	assert_file_refused("directory",
		"1: the file cannot be read: not a regular file; name the right one with -c");
	assert_file_refused("large.conf",
		"1: the file cannot be read: larger than 1 MiB; name the right one with -c");
	assert_file_refused("nul.conf", "1: the file cannot be read: not a text file: it has a NUL "
					"byte; name the right one with -c");
}

static void test_include(void)
{
	struct conf_errors errors = {0};

	scratch_text("main.conf", "workers = 2;\n  @include \"part.conf\"\nuser = \"u\";\n");
	scratch_text("part.conf", "servers = ( { name = \"a\"; backend = \"unix:s\"; } );\n");
	struct conf *conf = conf_load(scratch_path("main.conf"), &errors);
	CU_ASSERT_EQUAL(errors.count, 0);
	CU_ASSERT_PTR_NOT_NULL(conf);
	if (conf) {
		CU_ASSERT_STRING_EQUAL(conf->user, "u");
		CU_ASSERT_STRING_EQUAL(conf->servers[0].name, "a");
		CU_ASSERT_STRING_EQUAL(conf->servers[0].backend.path, scratch_path("s"));
	}
	conf_free(conf);
	conf_errors_clear(&errors);
}

/* A complaint names the file that the key is written in. */
static void test_include_refused(void)
{
	char path[PATH_MAX], first[PATH_MAX + 128], second[PATH_MAX + 128];

	scratch_text("main.conf", SERVER "@include \"part.conf\"\nuser = 1;\n");
	scratch_text("part.conf", "\nworkers = 99;\n");
	snprintf(path, sizeof(path), "%s", scratch_path("main.conf"));
	snprintf(first, sizeof(first),
		"%s/part.conf:2: workers must be a whole number from 0 to 64, not 99", scratch);
	snprintf(second, sizeof(second), "%s:3: user must be a string, not a whole number", path);
	assert_refused(path, NULL, (const char *const[]){first, second, NULL});
	scratch_text("part.conf", "workers = ;\n");
	snprintf(first, sizeof(first),
		"%s/part.conf:1: syntax error; look for a missing semicolon, quote or bracket here "
		"or in the line before",
		scratch);
	assert_refused(path, NULL, (const char *const[]){first, NULL});
}

/* libconfig 1.5 would call exit() here. */
static void test_include_directory(void)
{
	char complaint[256];

	scratch_text("main.conf", SERVER "@include \"directory\"\n");
	snprintf(complaint, sizeof(complaint),
		"2: cannot include %s/directory: not a regular file; name a file below %s", scratch,
		scratch);
	assert_file_refused("main.conf", complaint);
}

static void test_include_malformed(void)
{
	scratch_text("main.conf", "@include \"part.conf\n");
	assert_file_refused(
		"main.conf", "1: @include needs a file name in quotes, without backslashes");
	scratch_text("main.conf", "@include \"/etc/passwd\"\n");
	assert_file_refused("main.conf",
		"1: @include takes no absolute path; name the file relative to the directory of "
		"the configuration file");
	scratch_text("loop.conf", "@include \"loop.conf\"\n");
	assert_file_refused(
		"loop.conf", "1: included files are nested too deeply; does one include itself?");
}

/* What looks like a number or an @include but is not one. */
static void test_lexical_traps(void)
{
	static const struct refusal refusals[] = {
		/* clang-format off */
		{ SERVER "/* no end\n", "2: this comment has no end; close it with */" },
		{ SERVER "user = \"a\\x00b\";", "2: a string cannot contain a NUL byte; remove \\x00" },
		{ SERVER "user = \"a;", "2: syntax error; look for a missing semicolon, quote or bracket "
		  "here or in the line before" },
		{ NULL, NULL },
		/* clang-format on */
	};

	conf_free(parse_sound(SERVER "# 99999999999 /*\n// @include \"directory\"\n"
				     "/* @include \"x\"\n@include \"y\" 99999999999 */\n"
				     "log: { target = \"/a\\\"/*99999999999\\\\\"; };"));
	assert_each_refused(refusals);
}

/* ---- what ships with it -------------------------------------------------- */

static void test_sample(void)
{
	struct conf_errors errors = {0};
	struct conf *conf = conf_load("share/ferrule.conf.sample", &errors);

	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "unexpected: %s\n", errors.lines[i]);
	CU_ASSERT_PTR_NOT_NULL(conf);
	conf_free(conf);
	conf_errors_clear(&errors);
}

/* Every key that works is an item of the manual page. */
static void manual_search(const char *manual, const struct conf_key *keys)
{
	for (; keys->name; keys++) {
		char item[64];
		snprintf(item, sizeof(item), "\n.It Ic %s ", keys->name);
		if (keys->type != CONF_TYPE_LATER && !strstr(manual, item)) {
			fprintf(stderr, "man/ferrule.conf.5 does not have %s\n", keys->name);
			CU_FAIL("a key is not in the manual page");
		}
		if (keys->keys)
			manual_search(manual, keys->keys);
	}
}

static void test_manual(void)
{
	static char manual[64 * 1024];
	FILE *file = fopen("man/ferrule.conf.5", "re");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	size_t len = fread(manual, 1, sizeof(manual) - 1, file);
	fclose(file);
	manual[len] = '\0';
	manual_search(manual, conf_keys);
}

/* ---- memory running out -------------------------------------------------- */

void *__real_conf_memory_resize(void *old, size_t size);
void *__wrap_conf_memory_resize(void *old, size_t size);

static unsigned allocations_left = UINT_MAX;

void *__wrap_conf_memory_resize(void *old, size_t size)
{
	if (allocations_left == 0)
		return NULL;
	allocations_left--;
	return __real_conf_memory_resize(old, size);
}

/* Lets the n-th and every later allocation fail, for each n that there is. */
static unsigned allocations_fail(const char *path, bool is_sound)
{
	for (unsigned n = 0; n < 10000; n++) {
		struct conf_errors errors = {0};
		allocations_left = n;
		struct conf *conf = conf_load(path, &errors);
		bool was_enough = allocations_left > 0;
		allocations_left = UINT_MAX;
		if (was_enough) {
			CU_ASSERT_EQUAL(conf != NULL, is_sound);
			conf_free(conf);
			conf_errors_clear(&errors);
			return n;
		}
		/* Exactly enough for all of it looks like the same count. */
		CU_ASSERT_EQUAL(conf == NULL, errors.count > 0);
		conf_free(conf);
		conf_errors_clear(&errors);
	}
	return 0;
}

/* One server with every kind of value that owns memory. */
#define EVERYTHING                                                                                 \
	"servers = ( { name = \"web\"; backend = \"127.0.0.1:8080\"; trustpoint = \"TP1\";\n"      \
	"http_server = true; http_action = ( { path = \"/a\"; action = \"proxy\"; },\n"            \
	"{ path = \"/\"; action = \"redirect\"; } );\n"                                            \
	"certificates = ( { server_name = \"a.b\"; trustpoint = \"TP1\"; backend = \"unix:s\"; "   \
	"},\n"                                                                                     \
	"{ trustpoint = \"TP1\"; } );\n"                                                           \
	"client_auth = \"required\"; client_auth_trustpoint = \"CA\";\n"                           \
	"access_class = [ \"permit 10.0.0.0/8\", \"deny any\" ]; response_headers = [ \"A: b\" "   \
	"];\n"                                                                                     \
	"authentication: { method = \"basic\"; file = \"f\"; realm = \"r\"; }; },\n"               \
	"{ name = \"other\"; backend = \"files:/\"; secure_port = 444; http_action = \"refuse\"; " \
	"} );\n"                                                                                   \
	"log: { access = \"/a\"; };\n" ANCHORS

static void test_memory(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", scratch_path("main.conf"));
	scratch_text("main.conf",
		"@include \"part.conf\"\n" PEM("files: { certificate = \"c\"; key = \"k\"; };"));
	scratch_text("part.conf", "tickets: { file = \"t\"; };\n");
	CU_ASSERT(allocations_fail(path, true) > 20);
	scratch_text("main.conf", "@include \"part.conf\"\n" EVERYTHING);
	CU_ASSERT(allocations_fail(path, true) > 40);
	scratch_text("main.conf", "a = 1; b = 2;\n@include \"part.conf\"\n" TWO("", ""));
	scratch_text("part.conf", "workers = 99999999999;");
	CU_ASSERT(allocations_fail(path, false) > 20);
}

/* ---- suites -------------------------------------------------------------- */

/* clang-format off */
static CU_TestInfo value_tests[] = {
	{ "defaults of the file", test_defaults },
	{ "defaults of a server", test_server_defaults },
	{ "defaults of HTTP", test_http_defaults },
	{ "values of the file", test_root_values },
	{ "values of a server", test_server_values },
	{ "values of HTTP", test_http_values },
	{ "sizes beyond 32 bits", test_body_values },
	{ "one action of the plain server", test_http_action_words },
	{ "actions of the plain server", test_http_action_list },
	{ "certificates", test_certificates },
	{ "client authentication", test_client_auth },
	{ "lines of an access class", test_access_class },
	{ "order of an access class", test_access_order },
	{ "authentication", test_authentication },
	{ "empty values", test_empty_values },
	{ "offload", test_offload_values },
	{ "backends", test_backends },
	{ "values of trustpoints", test_trustpoint_values },
	{ "a server's trustpoint, or the primary one", test_trustpoint_reference },
	{ "host name of the system", test_host_default },
	CU_TEST_INFO_NULL,
};

static CU_TestInfo refusal_tests[] = {
	{ "unknown, missing and duplicate keys", test_refused_keys },
	{ "types", test_refused_types },
	{ "ranges", test_refused_ranges },
	{ "words", test_refused_words },
	{ "backends", test_refused_backends },
	{ "response headers", test_refused_headers },
	{ "large response headers", test_large_headers },
	{ "access classes", test_refused_access },
	{ "not yet supported", test_refused_later },
	{ "enrollment", test_enrollment },
	{ "enrollment defaults", test_enrollment_defaults },
	{ "enrollment profiles", test_enrollment_profiles },
	{ "trust pool", test_trustpool },
	{ "refused enrollment", test_refused_enrollment },
	{ "refused profiles", test_refused_profiles },
	{ "everything at once, in order", test_refused_together },
	{ "trustpoints", test_refused_trustpoints },
	{ "client authentication", test_refused_client_auth },
	{ "certificates", test_refused_certificates },
	{ "modes", test_refused_modes },
	{ "keys that do not go together", test_refused_combinations },
	{ "ports in use", test_refused_ports },
	{ "ports side by side", test_sound_ports },
	CU_TEST_INFO_NULL,
};

static CU_TestInfo file_tests[] = {
	{ "files that cannot be read", test_unreadable_files },
	{ "include", test_include },
	{ "complaints about included files", test_include_refused },
	{ "include of a directory", test_include_directory },
	{ "malformed includes", test_include_malformed },
	{ "comments, strings and numbers", test_lexical_traps },
	{ "the sample is sound", test_sample },
	{ "the manual page has every key", test_manual },
	{ "memory runs out", test_memory },
	CU_TEST_INFO_NULL,
};

CU_SuiteInfo config_suites[] = {
	{ "config values", NULL, NULL, NULL, NULL, value_tests },
	{ "config refusals", NULL, NULL, NULL, NULL, refusal_tests },
	{ "config files", scratch_open, scratch_close, NULL, NULL, file_tests },
	CU_SUITE_INFO_NULL,
};
/* clang-format on */
