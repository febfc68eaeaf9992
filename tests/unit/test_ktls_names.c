/* Several names and certificates on one server, chosen by SNI. */
#include "tests/unit/ktls_pair.h"

#include <string.h>
#include <CUnit/CUnit.h>
#include <openssl/err.h>

#define NAMES 4

static const char *const server_names[NAMES] = {
	"first.example", "*.example", "b.example", "*.B.Example."};

static struct made certificates[NAMES];
static struct ktls_certificate given[NAMES];
static struct ktls_name names[NAMES];
static struct ktls_tickets tickets;

static int certificates_make(void)
{
	for (size_t i = 0; i < NAMES; i++) {
		certificates[i] = make_leaf(server_names[i], NULL);
		given[i] = (struct ktls_certificate){
			certificates[i].certificate, certificates[i].key, NULL};
		names[i] = (struct ktls_name){server_names[i], &given[i], 1};
	}
	tickets = (struct ktls_tickets){.lifetime = 3600};
	return ktls_tickets_rotate(&tickets);
}

static int certificates_free(void)
{
	for (size_t i = 0; i < NAMES; i++)
		made_done(&certificates[i]);
	return 0;
}

static struct pair_options options_for(enum ktls_version version, const char *sni)
{
	return (struct pair_options){
		.version = version,
		.suite = pair_suite(version, KTLS_AES_128_GCM),
		.names = names,
		.name_count = NAMES,
		.tickets = &tickets,
		.sni = sni,
	};
}

static bool data_crosses(struct pair *pair)
{
	return pair_write(pair, "question", 8) && pair_open(pair) == KTLS_WANT_READ &&
	       pair->plain_len == 8 && pair_seal_matches(pair, "answer", 6);
}

static struct ktls_info info_of(const struct pair *pair)
{
	struct ktls_info info;
	ktls_session_info(pair->session, &info);
	return info;
}

/* Which of the names' certificates the client has got. */
static int certificate_seen(const struct pair *pair)
{
	X509 *seen = SSL_get0_peer_certificate(pair->client);
	for (int i = 0; i < NAMES; i++)
		if (seen && X509_cmp(seen, certificates[i].certificate) == 0)
			return i;
	return -1;
}

static const struct {
	const char *sni;
	int index;
} sni_cases[] = {
	{"", 0},
	{"first.example", 0}, /* exact beats the wildcard, also for the default */
	{"other.example", 1},
	{"OTHER.Example", 1},
	{"other.example.", 1},
	{"b.example", 2},
	{"B.EXAMPLE", 2},
	{"b.example.", 2},
	{"c.b.example", 3},
	{"C.B.Example.", 3},
	{"d.c.b.example", 0}, /* a wildcard is one label */
	{"c.other.example", 0},
	{"example", 0},
	{".example", 0},
	{"x.test", 0},
	{"a", 0},
};

static void check_sni(enum ktls_version version, const char *sni, int index)
{
	struct pair_options options = options_for(version, sni);
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	struct ktls_info info = info_of(pair);
	CU_ASSERT_EQUAL(info.name_index, index);
	CU_ASSERT_EQUAL(certificate_seen(pair), index);
	CU_ASSERT_STRING_EQUAL(info.server_name, sni);
	CU_ASSERT(data_crosses(pair));
	pair_free(pair);
}

static void test_sni(void)
{
	for (size_t i = 0; i < sizeof sni_cases / sizeof *sni_cases; i++) {
		check_sni(KTLS_TLS13, sni_cases[i].sni, sni_cases[i].index);
		check_sni(KTLS_TLS12, sni_cases[i].sni, sni_cases[i].index);
	}
}

/* HelloRetryRequest: the second ClientHello finds the SSL_CTX changed already. */
static void test_sni_hello_retry(void)
{
	static char groups[] = "P-521:P-384";
	struct pair_options options = options_for(KTLS_TLS13, "b.example");
	struct pair *pair = pair_prepare(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	SSL_set1_groups_list(pair->client, groups);
	CU_ASSERT_EQUAL(pair_handshake(pair, &options), KTLS_DONE);
	CU_ASSERT_EQUAL(info_of(pair).name_index, 2);
	CU_ASSERT(data_crosses(pair));
	pair_free(pair);
}

/* Two sessions that take turns on one name's SSL_CTX, where the key log's callback lives. */
static void test_taking_turns(void)
{
	for (int version = KTLS_TLS12; version <= KTLS_TLS13; version++) {
		struct pair_options options = options_for((enum ktls_version)version, "b.example");
		struct pair *one = pair_prepare(&options);
		CU_ASSERT_PTR_NOT_NULL_FATAL(one);
		options.server = one->server;
		uint8_t bytes[8192];
		struct ktls_output out = {bytes, 0, sizeof bytes};
		SSL_do_handshake(one->client);
		int n = BIO_read(one->from_client, one->input, sizeof one->input);
		struct ktls_input in = {one->input, (size_t)n};
		CU_ASSERT_EQUAL(ktls_handshake(one->session, &in, &out), KTLS_WANT_READ);
		pair_deliver(one, &out);

		struct pair *two = pair_new(&options);
		CU_ASSERT_PTR_NOT_NULL_FATAL(two);
		CU_ASSERT_EQUAL(pair_handshake(one, &options), KTLS_DONE);
		CU_ASSERT_EQUAL(info_of(one).name_index, 2);
		CU_ASSERT_EQUAL(info_of(two).name_index, 2);
		CU_ASSERT(data_crosses(two));
		CU_ASSERT(data_crosses(one));
		pair_free(two);
		pair_free(one);
	}
}

static SSL_SESSION *ticket_of(const struct pair_options *options)
{
	struct pair *pair = pair_new(options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT(data_crosses(pair));
	SSL_SESSION *ticket = SSL_get1_session(pair->client);
	SSL_shutdown(pair->client);
	pair_free(pair);
	return ticket;
}

/* The index is known when resumed; another name's ticket is a full handshake (RFC 6066 3). */
static void check_resumption(enum ktls_version version)
{
	struct pair_options options = options_for(version, "b.example");
	SSL_SESSION *ticket = ticket_of(&options);
	options.resume = ticket;
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT(info_of(pair).resumed);
	CU_ASSERT_EQUAL(info_of(pair).name_index, 2);
	CU_ASSERT_STRING_EQUAL(info_of(pair).server_name, "b.example");
	CU_ASSERT(data_crosses(pair));
	pair_free(pair);

	options.sni = "c.example";
	pair = pair_prepare(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	/* libssl's client itself would not ask for it */
	CU_ASSERT_EQUAL(SSL_SESSION_set1_hostname(ticket, "c.example"), 1);
	CU_ASSERT_EQUAL(pair_handshake(pair, &options), KTLS_DONE);
	CU_ASSERT_FALSE(info_of(pair).resumed);
	CU_ASSERT_EQUAL(info_of(pair).name_index, 1);
	CU_ASSERT_EQUAL(certificate_seen(pair), 1);
	pair_free(pair);
	SSL_SESSION_free(ticket);
}

static void test_resumption(void)
{
	check_resumption(KTLS_TLS12);
	check_resumption(KTLS_TLS13);
}

/* ---- RSA and ECDSA side by side ------------------------------------------------ */

static void check_type(enum ktls_version version, const char *suite, char *sigalgs,
	const struct ktls_name *name, int type, const char *authentication)
{
	struct pair_options options = {
		.version = version,
		.sigalgs = sigalgs,
		.names = name,
		.name_count = 1,
		.suite = suite,
	};
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	EVP_PKEY *key = X509_get0_pubkey(SSL_get0_peer_certificate(pair->client));
	CU_ASSERT_EQUAL(EVP_PKEY_get_base_id(key), type);
	CU_ASSERT_STRING_EQUAL(info_of(pair).authentication, authentication);
	CU_ASSERT(data_crosses(pair));
	pair_free(pair);
}

static void test_two_types(void)
{
	static char rsa[] = "rsa_pss_rsae_sha256:rsa_pkcs1_sha256", ecdsa[] = "ECDSA+SHA256";
	static char both[] = "rsa_pss_rsae_sha256:rsa_pkcs1_sha256:ECDSA+SHA256";
	struct made rsa_made = make(&(struct made_as){.cn = "two", .is_rsa = true}, NULL);
	struct made ec_made = make_leaf("two", NULL);
	const struct ktls_certificate two[] = {{rsa_made.certificate, rsa_made.key, NULL},
		{ec_made.certificate, ec_made.key, NULL}};
	const struct ktls_name name = {NULL, two, 2}, only_rsa = {NULL, two, 1};
	for (int version = KTLS_TLS12; version <= KTLS_TLS13; version++) {
		check_type((enum ktls_version)version, NULL, rsa, &name, EVP_PKEY_RSA, "RSA");
		check_type((enum ktls_version)version, NULL, ecdsa, &name, EVP_PKEY_EC, "ECDSA");
		check_type((enum ktls_version)version, NULL, both, &only_rsa, EVP_PKEY_RSA, "RSA");
	}
	/* Both would do: what signs for less, our preference and not the client's. */
	check_type(KTLS_TLS12, NULL, both, &name, EVP_PKEY_EC, "ECDSA");
	check_type(KTLS_TLS12, "AES128-SHA", NULL, &name, EVP_PKEY_RSA, "RSA");
	made_done(&rsa_made);
	made_done(&ec_made);
}

static void test_ed25519(void)
{
	static char ed25519[] = "ed25519", ecdsa[] = "ECDSA+SHA256";
	struct made ed = make(&(struct made_as){.cn = "three", .is_ed25519 = true}, NULL);
	struct made ec_made = make_leaf("three", NULL);
	const struct ktls_certificate two[] = {
		{ed.certificate, ed.key, NULL}, {ec_made.certificate, ec_made.key, NULL}};
	const struct ktls_name name = {NULL, two, 2}, only = {NULL, two, 1};
	for (int i = 0; i < 2; i++) {
		enum ktls_version version = (enum ktls_version)i;
		check_type(version, NULL, ed25519, &name, EVP_PKEY_ED25519, "Ed25519");
		check_type(version, NULL, ecdsa, &name, EVP_PKEY_EC, "ECDSA");
		check_type(version, NULL, NULL, &only, EVP_PKEY_ED25519, "Ed25519");
	}
	made_done(&ed);
	made_done(&ec_made);
}

/* ---- what cannot be ---------------------------------------------------------------- */

static void check_refused(
	const struct ktls_name *list, size_t count, const char *suite, const char *words)
{
	static const struct ktls_capabilities none = {.ulp = 2};
	char error[512] = "";
	struct ktls_server_options options = {
		.name = "refused",
		.names = list,
		.name_count = count,
		.tls12 = true,
		.tls13 = true,
		.ciphersuites = &suite,
		.ciphersuite_count = suite != NULL,
		.capabilities = &none,
	};
	struct ktls_server *server = ktls_server_new(&options, error, sizeof error);
	CU_ASSERT_PTR_NULL(server);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, words));
	if (!strstr(error, words))
		printf("[%s]", error);
	ktls_server_free(server);
}

static void test_refused_names(void)
{
	static const char *const bad[] = {
		"", ".", "*.", "*", "*.*.example", "a.*.example", "*a.example", "*..example"};
	const struct ktls_certificate twice[] = {given[0], given[1]};
	const struct ktls_name two_of_a_kind = {NULL, twice, 2}, none = {"x.example", twice, 0};
	const struct ktls_name same[] = {names[0], names[1], {"FIRST.example.", given, 1}};
	const struct ktls_name nameless[] = {names[0], {NULL, given, 1}};
	const struct ktls_certificate foreign = {
		certificates[0].certificate, certificates[1].key, NULL};
	const struct ktls_name mismatch[] = {names[0], {"m.example", &foreign, 1}};
	check_refused(&two_of_a_kind, 1, NULL, "two certificates with ECDSA keys");
	check_refused(&none, 1, NULL, "server_name \"x.example\": no certificate");
	check_refused(same, 3, NULL, "server_name \"FIRST.example.\": the name is there twice");
	check_refused(nameless, 2, NULL, "without server_name");
	check_refused(mismatch, 2, NULL, "server_name \"m.example\": certificate not usable: ");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const struct ktls_name list[] = {names[0], {bad[i], given, 1}};
		check_refused(list, 2, NULL, "not a host name");
	}
}

static void test_suites_without_certificate(void)
{
	check_refused(names, 1, "ECDHE-RSA-AES128-GCM-SHA256",
		"the ECDSA certificate; add \"ECDHE-ECDSA-AES128-GCM-SHA256\"");
	check_refused(
		names, 1, "aes-128-cbc-sha", "server_name \"first.example\": no handshake could");
	struct made rsa = make(&(struct made_as){.cn = "rsa", .is_rsa = true}, NULL);
	const struct ktls_certificate certificate = {rsa.certificate, rsa.key, NULL};
	const struct ktls_name list[] = {{NULL, &certificate, 1}, names[1]};
	check_refused(list, 1, "ECDHE-ECDSA-AES128-GCM-SHA256", "no handshake could");
	/* the default can be served, the other cannot */
	check_refused(list, 2, "ECDHE-RSA-AES128-GCM-SHA256",
		"server_name \"*.example\": no handshake could");
	made_done(&rsa);
}

/* Lists that lie about their lengths, and names with a NUL: never a crash, never a match. */
static void test_strange_extensions(void)
{
	static const uint8_t hellos[][16] = {
		{0, 0, 0, 2, 0, 0},
		{0, 0, 0, 5, 0, 3, 0, 0xff, 0xff},
		{0, 0, 0, 5, 0, 3, 0, 0, 0},
		{0, 0, 0, 9, 0, 7, 1, 0, 4, 'a', 'b', 'c', 'd'},
		{0, 0, 0, 9, 0, 7, 0, 0, 4, 'a', 0, 'c', 'd'},
	};
	for (size_t i = 0; i < sizeof hellos / sizeof *hellos; i++) {
		struct pair_options options = options_for(KTLS_TLS12, "");
		struct pair *pair = pair_prepare(&options);
		CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
		size_t extension = 4u + hellos[i][3], body = 2 + 32 + 1 + 4 + 2 + 2 + extension;
		uint8_t hello[256] = {
			22, 3, 1, 0, (uint8_t)(body + 4), 1, 0, 0, (uint8_t)body, 3, 3};
		uint8_t *at = hello + 9 + 2 + 32 + 1;
		const uint8_t suites[] = {0, 2, 0xc0, 0x2b, 1, 0, 0, (uint8_t)extension};
		memcpy(at, suites, sizeof suites);
		memcpy(at + sizeof suites, hellos[i], extension);
		struct ktls_input in = {hello, 9 + body};
		uint8_t bytes[8192];
		struct ktls_output out = {bytes, 0, sizeof bytes};
		ktls_handshake(pair->session, &in, &out);
		CU_ASSERT_EQUAL(info_of(pair).name_index, 0);
		ERR_clear_error();
		pair_free(pair);
	}
}

static CU_TestInfo name_tests[] = {
	{"SNI", test_sni},
	{"SNI and HelloRetryRequest", test_sni_hello_retry},
	{"two sessions take turns", test_taking_turns},
	{"resumption by name", test_resumption},
	{"RSA and ECDSA side by side", test_two_types},
	{"Ed25519 beside ECDSA", test_ed25519},
	{"refused names", test_refused_names},
	{"suites without a certificate", test_suites_without_certificate},
	{"strange SNI extensions", test_strange_extensions},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo ktls_names_suites[];
CU_SuiteInfo ktls_names_suites[] = {
	{"ktls names", certificates_make, certificates_free, NULL, NULL, name_tests},
	CU_SUITE_INFO_NULL,
};
