/* Ciphersuites by the names of OpenSSL, the RFCs and IOS, and the listing of what is offered. */
#include "tests/unit/ktls_pair.h"

#include <errno.h>
#include <string.h>
#include <CUnit/CUnit.h>

static struct made rsa, ec;
static struct ktls_certificate both[2];
static const struct ktls_capabilities no_kernel = {.ulp = ENOENT};

static int certificates_make(void)
{
	rsa = make(&(struct made_as){.cn = "rsa", .is_rsa = true}, NULL);
	ec = make_leaf("ec", NULL);
	both[0] = (struct ktls_certificate){rsa.certificate, rsa.key, NULL};
	both[1] = (struct ktls_certificate){ec.certificate, ec.key, NULL};
	return 0;
}

static int certificates_free(void)
{
	made_done(&rsa);
	made_done(&ec);
	return 0;
}

static struct ktls_server_options options_for(const char *const *suites, size_t count)
{
	static struct ktls_name name;
	name = (struct ktls_name){NULL, both, 2};
	return (struct ktls_server_options){
		.name = "suites",
		.names = &name,
		.name_count = 1,
		.tls12 = true,
		.tls13 = true,
		.ciphersuites = suites,
		.ciphersuite_count = count,
		.capabilities = &no_kernel,
	};
}

/* The names of what a server offers, with a blank between. */
static void offered(const struct ktls_server_options *options, char *text, size_t size)
{
	char error[512] = "";
	struct ktls_suite list[64];
	struct ktls_server *server = ktls_server_new(options, error, sizeof error);
	snprintf(text, size, "%s", server ? "" : error);
	if (!server)
		return;
	size_t count = ktls_server_suites(server, list, 64);
	for (size_t i = 0; i < count; i++)
		snprintf(text + strlen(text), size - strlen(text), "%s%s", i ? " " : "",
			list[i].name);
	ktls_server_free(server);
}

/* clang-format off */
static const struct {
	const char *name;
	const char *offered; /* or the beginning of the error after the name */
} name_cases[] = {
	/* IOS, document 001 and later */
	{"rc4-128-md5", "is broken (RC4: RFC 7465 forbids it); use \"TLS_AES_128_GCM_SHA256\" or, for TLS 1.2, \"ECDHE-RSA-AES128-GCM-SHA256\""},
	{"rc4-128-sha", "is broken (RC4: RFC 7465"},
	{"3des-ede-cbc-sha", "is broken (3DES: blocks of 64 bits, Sweet32"},
	{"3des-edc-cbc-sha", "is broken (3DES"}, /* the document's own slip */
	{"des-cbc-sha", "is broken (DES: keys of 56 bits"},
	{"null-md5", "is broken (NULL: no encryption"},
	{"null-sha", "is broken (NULL"},
	{"aes-128-cbc-sha", "AES128-SHA"},
	{"aes-256-cbc-sha", "AES256-SHA"},
	{"dhe-aes-128-cbc-sha", "DHE-RSA-AES128-SHA"},
	{"dhe-aes-256-cbc-sha", "DHE-RSA-AES256-SHA"},
	{"ecdhe-rsa-3des-ede-cbc-sha", "is broken (3DES"},
	{"ecdhe-rsa-aes-128-cbc-sha", "ECDHE-RSA-AES128-SHA"},
	{"ecdhe-rsa-aes-256-cbc-sha", "ECDHE-RSA-AES256-SHA"},
	{"ecdhe-rsa-aes-128-gcm-sha256", "ECDHE-RSA-AES128-GCM-SHA256"},
	{"ecdhe-rsa-aes-256-gcm-sha384", "ECDHE-RSA-AES256-GCM-SHA384"},
	{"ecdhe-ecdsa-aes-128-gcm-sha256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{"ecdhe-ecdsa-aes-256-gcm-sha384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{"rsa-aes-cbc-sha2", "AES128-SHA256 AES256-SHA256"},
	{"rsa-aes-gcm-sha2", "AES128-GCM-SHA256 AES256-GCM-SHA384"},
	{"dhe-aes-cbc-sha2", "DHE-RSA-AES128-SHA256 DHE-RSA-AES256-SHA256"},
	{"dhe-aes-gcm-sha2", "DHE-RSA-AES128-GCM-SHA256 DHE-RSA-AES256-GCM-SHA384"},
	{"ecdhe-rsa-aes-cbc-sha2", "ECDHE-RSA-AES128-SHA256 ECDHE-RSA-AES256-SHA384"},
	{"ecdhe-rsa-aes-gcm-sha2", "ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384"},
	{"ecdhe-ecdsa-aes-cbc-sha2", "ECDHE-ECDSA-AES128-SHA256 ECDHE-ECDSA-AES256-SHA384"},
	{"ecdhe-ecdsa-aes-gcm-sha2", "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384"},
	{"tls13-aes128-gcm-sha256", "TLS_AES_128_GCM_SHA256"},
	{"tls13-aes256-gcm-sha384", "TLS_AES_256_GCM_SHA384"},
	{"tls13-chacha20-poly1305-sha256", "TLS_CHACHA20_POLY1305_SHA256"},
	{"ECDHE-rsa-AES-gcm-SHA2", "ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384"},
	/* the four of document 001 */
	{"SSL_RSA_WITH_RC4_128_MD5", "is broken (RC4"},
	{"SSL_RSA_WITH_RC4_128_SHA", "is broken (RC4"},
	{"SSL_RSA_WITH_3DES_EDE_CBC_SHA", "is broken (3DES"},
	{"SSL_RSA_WITH_DES_CBC_SHA", "is broken (DES:"},
	/* RFC names */
	{"SSL_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
	{"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
	{"tls_rsa_with_aes_256_cbc_sha256", "AES256-SHA256"},
	{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
	{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{"TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384"},
	{"TLS_DH_anon_WITH_AES_128_GCM_SHA256", "is broken (anonymous"},
	{"TLS_RSA_EXPORT_WITH_RC4_40_MD5", "is broken (EXPORT"},
	{"TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", "is broken (EXPORT"},
	{"TLS_RSA_WITH_NULL_SHA256", "is broken (NULL"},
	{"TLS_RSA_WITH_IDEA_CBC_SHA", "is broken (IDEA"},
	{"TLS_RSA_WITH_3DES_EDE_CBC_SHA", "is broken (3DES"},
	{"TLS_PSK_WITH_AES_128_GCM_SHA256", "cannot be used here (PSK"},
	{"TLS_SRP_SHA_WITH_AES_128_CBC_SHA", "cannot be used here (SRP"},
	{"TLS_KRB5_WITH_3DES_EDE_CBC_SHA", "is broken (3DES"},
	{"TLS_DHE_DSS_WITH_AES_256_GCM_SHA384", "cannot be used here (DSS"},
	{"TLS_ECDH_ECDSA_WITH_AES_256_GCM_SHA384", "is not one of this OpenSSL's (openssl ciphers -s lists them); use \"TLS_AES_256_GCM_SHA384\" or, for TLS 1.2, \"ECDHE-ECDSA-AES256-GCM-SHA384\""},
	/* OpenSSL's, whose short forms hide the flaw */
	{"AES128-GCM-SHA256", "AES128-GCM-SHA256"},
	{"DES-CBC3-SHA", "is broken (3DES"},
	{"ECDHE-RSA-DES-CBC3-SHA", "is broken (3DES"},
	{"EXP-RC4-MD5", "is broken (EXPORT"},
	{"ADH-AES128-SHA", "is broken (anonymous"},
	{"AECDH-AES256-SHA", "is broken (anonymous"},
	{"NULL-SHA256", "is broken (NULL"},
	{"ECDHE-PSK-AES256-CBC-SHA384", "cannot be used here (PSK"},
	{"SRP-RSA-AES-128-CBC-SHA", "cannot be used here (SRP"},
	{"ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-CCM8"},
	/* no names at all */
	{"", "is not one of this OpenSSL's"},
	{"ALL", "is not one of"},
	{"aNULL", "is not one of"},
	{"AES128-SHA:!RC4", "is not one of"},
	{"TLS_AES_128_GCM_SHA256:AES128-SHA", "is not one of"},
};
/* clang-format on */

static void test_names(void)
{
	for (size_t i = 0; i < sizeof name_cases / sizeof *name_cases; i++) {
		struct ktls_server_options options = options_for(&name_cases[i].name, 1);
		char text[1024], refused[256];
		offered(&options, text, sizeof text);
		snprintf(refused, sizeof refused, "ciphersuite \"%s\" %s", name_cases[i].name,
			name_cases[i].offered);
		bool matches = strcmp(text, name_cases[i].offered) == 0 ||
			       strncmp(text, refused, strlen(refused)) == 0;
		CU_ASSERT(matches);
		if (!matches)
			printf("[%s: %s]", name_cases[i].name, text);
	}
}

static void check_offered(
	const char *const *names, size_t count, bool tls12, bool tls13, const char *expected)
{
	struct ktls_server_options options = options_for(names, count);
	char text[1024];
	options.tls12 = tls12;
	options.tls13 = tls13;
	offered(&options, text, sizeof text);
	CU_ASSERT_STRING_EQUAL(text, expected);
	if (strcmp(text, expected) != 0)
		printf("[%s]", text);
}

/* The order given, TLS 1.3 first, each once, and only what can be negotiated. */
static void test_order(void)
{
	static const char *const mixed[] = {"ECDHE-RSA-AES256-GCM-SHA384", "TLS_AES_256_GCM_SHA384",
		"aes-128-cbc-sha", "ecdhe-rsa-aes-gcm-sha2", "tls13-aes128-gcm-sha256",
		"tls13-aes256-gcm-sha384"};
	check_offered(mixed, 6, true, true,
		"TLS_AES_256_GCM_SHA384 TLS_AES_128_GCM_SHA256 ECDHE-RSA-AES256-GCM-SHA384 "
		"AES128-SHA ECDHE-RSA-AES128-GCM-SHA256");
	check_offered(mixed, 6, false, true, "TLS_AES_256_GCM_SHA384 TLS_AES_128_GCM_SHA256");
	check_offered(mixed, 6, true, false,
		"ECDHE-RSA-AES256-GCM-SHA384 AES128-SHA ECDHE-RSA-AES128-GCM-SHA256");
	check_offered(mixed, 1, true, true, "ECDHE-RSA-AES256-GCM-SHA384");
	check_offered(NULL, 0, false, true,
		"TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256");
}

/* A suite that no certificate goes with is not offered. */
static void test_listing(void)
{
	static const char *const names[] = {"TLS_CHACHA20_POLY1305_SHA256",
		"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256", "AES128-SHA"};
	struct ktls_capabilities kernel = {
		.offload[KTLS_TLS13][KTLS_CHACHA20_POLY1305][KTLS_RX] = ENOENT};
	struct ktls_server_options options = options_for(names, 4);
	const struct ktls_name name = {NULL, both, 1};
	struct ktls_suite rows[4];
	char error[512];
	options.names = &name;
	options.capabilities = &kernel;
	struct ktls_server *server = ktls_server_new(&options, error, sizeof error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(server);
	CU_ASSERT_EQUAL(ktls_server_suites(server, rows, 0), 3);
	CU_ASSERT_EQUAL_FATAL(ktls_server_suites(server, rows, 4), 3);
	CU_ASSERT_STRING_EQUAL(rows[0].name, names[0]);
	CU_ASSERT_EQUAL(rows[0].version, KTLS_TLS13);
	CU_ASSERT(rows[0].kernel_tx && !rows[0].kernel_rx && rows[0].is_aead);
	CU_ASSERT_STRING_EQUAL(rows[1].name, names[1]);
	CU_ASSERT_STRING_EQUAL(rows[1].standard_name, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384");
	CU_ASSERT_EQUAL(rows[1].version, KTLS_TLS12);
	CU_ASSERT_EQUAL(rows[1].bits, 256);
	CU_ASSERT(rows[1].kernel_tx && rows[1].kernel_rx && rows[1].is_aead);
	CU_ASSERT_STRING_EQUAL(rows[2].name, names[3]);
	CU_ASSERT_EQUAL(rows[2].version, KTLS_TLS12);
	CU_ASSERT_EQUAL(rows[2].bits, 128);
	CU_ASSERT(!rows[2].kernel_tx && !rows[2].kernel_rx && !rows[2].is_aead);
	ktls_server_free(server);
}

/* Alternatives fit what is configured. */
static void test_alternatives(void)
{
	static const char *const name = "rc4-128-sha";
	struct ktls_server_options options = options_for(&name, 1);
	const struct ktls_name only_ec = {NULL, &both[1], 1};
	char text[512];
	options.names = &only_ec;
	offered(&options, text, sizeof text);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"ECDHE-ECDSA-AES128-GCM-SHA256\""));
	options.tls13 = false;
	offered(&options, text, sizeof text);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "; use \"ECDHE-ECDSA-AES128-GCM-SHA256\""));
	options.tls13 = true;
	options.tls12 = false;
	offered(&options, text, sizeof text);
	CU_ASSERT_PTR_NULL(strstr(text, "ECDHE"));
}

/* A suite of a version that is off makes up for nothing. */
static void test_version_off(void)
{
	static const char *const names[] = {"TLS_AES_128_GCM_SHA256", "AES128-SHA"};
	struct ktls_server_options options = options_for(names, 2);
	const struct ktls_name only_ec = {NULL, &both[1], 1};
	char text[512];
	options.names = &only_ec;
	offered(&options, text, sizeof text);
	CU_ASSERT_STRING_EQUAL(text, "TLS_AES_128_GCM_SHA256");
	options.tls13 = false;
	offered(&options, text, sizeof text);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "no handshake could"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "a certificate for AES128-SHA"));
}

/* What the session line of the log says about each kind of suite. */
static const struct {
	enum ktls_version version;
	const char *suite, *key_exchange, *authentication, *algorithm;
	unsigned bits;
	const char *mac;
} info_cases[] = {
	{KTLS_TLS13, "TLS_AES_128_GCM_SHA256", "X25519", "ECDSA", "AES-128-GCM", 128, "AEAD"},
	{KTLS_TLS13, "TLS_CHACHA20_POLY1305_SHA256", "X25519", "ECDSA", "CHACHA20-POLY1305", 256,
		"AEAD"},
	{KTLS_TLS13, "TLS_AES_128_CCM_SHA256", "X25519", "ECDSA", "AES-128-CCM", 128, "AEAD"},
	{KTLS_TLS12, "ECDHE-ECDSA-AES256-GCM-SHA384", "X25519", "ECDSA", "AES-256-GCM", 256,
		"AEAD"},
	{KTLS_TLS12, "ECDHE-RSA-AES128-SHA256", "X25519", "RSA", "AES-128-CBC", 128, "SHA256"},
	{KTLS_TLS12, "AES256-SHA", "RSA", "RSA", "AES-256-CBC", 256, "SHA1"},
	{KTLS_TLS12, "DHE-RSA-AES128-GCM-SHA256", "DHE", "RSA", "AES-128-GCM", 128, "AEAD"},
	{KTLS_TLS12, "DHE-RSA-AES256-SHA256", "DHE", "RSA", "AES-256-CBC", 256, "SHA256"},
};

static void test_info(void)
{
	const struct ktls_name name = {NULL, both, 2};
	for (size_t i = 0; i < sizeof info_cases / sizeof *info_cases; i++) {
		struct pair_options options = {
			.version = info_cases[i].version,
			.suite = info_cases[i].suite,
			.names = &name,
			.name_count = 1,
		};
		struct ktls_info info;
		struct pair *pair = pair_new(&options);
		CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
		ktls_session_info(pair->session, &info);
		CU_ASSERT_STRING_EQUAL(info.cipher, info_cases[i].suite);
		CU_ASSERT_STRING_EQUAL(info.key_exchange, info_cases[i].key_exchange);
		CU_ASSERT_STRING_EQUAL(info.authentication, info_cases[i].authentication);
		CU_ASSERT_STRING_EQUAL(info.cipher_algorithm, info_cases[i].algorithm);
		CU_ASSERT_EQUAL(info.cipher_bits, info_cases[i].bits);
		CU_ASSERT_STRING_EQUAL(info.mac, info_cases[i].mac);
		pair_free(pair);
	}
}

static CU_TestInfo suite_tests[] = {
	{"names", test_names},
	{"order", test_order},
	{"listing", test_listing},
	{"alternatives", test_alternatives},
	{"suite of a version that is off", test_version_off},
	{"what the log says", test_info},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo ktls_suites_suites[];
CU_SuiteInfo ktls_suites_suites[] = {
	{"ktls suites", certificates_make, certificates_free, NULL, NULL, suite_tests},
	CU_SUITE_INFO_NULL,
};
