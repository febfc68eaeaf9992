/* Resumption by tickets, and what a server's options may say. */
#include "tests/unit/ktls_pair.h"

#include <errno.h>
#include <string.h>
#include <CUnit/CUnit.h>

static struct pair_options options_for(enum ktls_version version, struct ktls_tickets *tickets)
{
	return (struct pair_options){
		.version = version,
		.suite = pair_suite(version, KTLS_AES_128_GCM),
		.tickets = tickets,
	};
}

static bool data_crosses(struct pair *pair)
{
	return pair_write(pair, "question", 8) && pair_open(pair) == KTLS_WANT_READ &&
	       pair->plain_len == 8 && pair_seal_matches(pair, "answer", 6);
}

/* A first connection; the session that its client may resume, or NULL. */
static SSL_SESSION *first_connection(const struct pair_options *options)
{
	struct pair *pair = pair_new(options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT(data_crosses(pair)); /* TLS 1.3's tickets come with it */
	SSL_SESSION *session = SSL_get1_session(pair->client);
	SSL_shutdown(pair->client); /* libssl does not resume what ended without */
	pair_free(pair);
	if (SSL_SESSION_is_resumable(session) && SSL_SESSION_has_ticket(session))
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

/* A second connection with that session: is it resumed, and do both sides agree? */
static bool resumes(struct pair_options options, SSL_SESSION *session)
{
	struct ktls_info info;
	options.resume = session;
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	ktls_session_info(pair->session, &info);
	CU_ASSERT_EQUAL(info.resumed, SSL_session_reused(pair->client));
	CU_ASSERT_EQUAL(ktls_session_engine(pair->session, KTLS_TX), KTLS_ENGINE_AEAD);
	CU_ASSERT(data_crosses(pair));
	SSL_shutdown(pair->client);
	pair_free(pair);
	return info.resumed;
}

static void check_rotation(enum ktls_version version)
{
	struct ktls_tickets tickets = {.lifetime = 3600};
	struct pair_options options = options_for(version, &tickets);
	CU_ASSERT_EQUAL(ktls_tickets_rotate(&tickets), 0);
	SSL_SESSION *session = first_connection(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(session);
	CU_ASSERT(resumes(options, session));
	for (int i = 1; i < KTLS_TICKET_KEYS; i++) {
		CU_ASSERT_EQUAL(ktls_tickets_rotate(&tickets), 0);
		CU_ASSERT_EQUAL(tickets.count, (uint32_t)i + 1);
		CU_ASSERT(resumes(options, session));
	}
	/* the key has dropped out at the end: a full handshake, no failure */
	CU_ASSERT_EQUAL(ktls_tickets_rotate(&tickets), 0);
	CU_ASSERT_EQUAL(tickets.count, KTLS_TICKET_KEYS);
	CU_ASSERT_FALSE(resumes(options, session));
	SSL_SESSION_free(session);
}

static void test_rotation(void)
{
	check_rotation(KTLS_TLS12);
	check_rotation(KTLS_TLS13);
}

/* Resumes in TLS 1.2; does the client hold another ticket than before? */
static bool renews(struct pair_options options, SSL_SESSION *session)
{
	const unsigned char *before, *after;
	size_t before_len, after_len;
	options.resume = session;
	SSL_SESSION_get0_ticket(session, &before, &before_len);
	uint8_t copy[1024];
	CU_ASSERT_FATAL(before_len <= sizeof copy);
	memcpy(copy, before, before_len);
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT(SSL_session_reused(pair->client));
	SSL_SESSION_get0_ticket(SSL_get_session(pair->client), &after, &after_len);
	bool renewed = after_len != before_len || memcmp(after, copy, after_len) != 0;
	SSL_shutdown(pair->client);
	pair_free(pair);
	return renewed;
}

/* A ticket under an older key is accepted and replaced before that key drops out. */
static void test_renewal(void)
{
	struct ktls_tickets tickets = {.lifetime = 3600};
	struct pair_options options = options_for(KTLS_TLS12, &tickets);
	CU_ASSERT_EQUAL(ktls_tickets_rotate(&tickets), 0);
	SSL_SESSION *session = first_connection(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(session);
	CU_ASSERT_FALSE(renews(options, session));
	CU_ASSERT_EQUAL(ktls_tickets_rotate(&tickets), 0);
	CU_ASSERT(renews(options, session));
	SSL_SESSION_free(session);
}

/* Two machines with the same keys in their files; one with others. */
static void check_shared_keys(enum ktls_version version)
{
	uint8_t keys[2][KTLS_TICKET_KEY_SIZE];
	struct ktls_tickets one = {.lifetime = 60}, two = {.lifetime = 60},
			    other = {.lifetime = 60};
	memset(keys[0], 1, sizeof keys[0]);
	memset(keys[1], 2, sizeof keys[1]);
	ktls_tickets_set(&one, keys[1], 1);
	ktls_tickets_set(&two, keys[0], 2);
	ktls_tickets_set(&other, keys[0], 1);
	struct pair_options options = options_for(version, &one);
	SSL_SESSION *session = first_connection(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(session);
	CU_ASSERT_EQUAL(SSL_SESSION_get_ticket_lifetime_hint(session), 60);
	CU_ASSERT(resumes(options_for(version, &two), session));
	CU_ASSERT_FALSE(resumes(options_for(version, &other), session));
	SSL_SESSION_free(session);
}

static void test_shared_keys(void)
{
	check_shared_keys(KTLS_TLS12);
	check_shared_keys(KTLS_TLS13);
}

/* Names that differ only behind their 32nd byte. */
static void check_other_server(enum ktls_version version)
{
	struct ktls_tickets tickets = {.lifetime = 3600};
	CU_ASSERT_EQUAL(ktls_tickets_rotate(&tickets), 0);
	struct pair_options options = options_for(version, &tickets);
	options.name = "a server whose name is really very long, number 1";
	SSL_SESSION *session = first_connection(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(session);
	CU_ASSERT(resumes(options, session));
	options.name = "a server whose name is really very long, number 2";
	struct pair_options other = options;
	other.resume = session;
	struct pair *pair = pair_prepare(&other);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	pair_handshake(pair, &other);
	CU_ASSERT_FALSE(SSL_session_reused(pair->client));
	pair_free(pair);
	SSL_SESSION_free(session);
}

static void test_other_server(void)
{
	check_other_server(KTLS_TLS12);
	check_other_server(KTLS_TLS13);
}

static int count_sessions(SSL *ssl, SSL_SESSION *session)
{
	(void)session;
	++*(int *)SSL_get_app_data(ssl);
	return 0;
}

/* As many tickets as libssl sent, so many records the TX key has protected. */
static void test_ticket_count(void)
{
	struct ktls_tickets tickets = {.lifetime = 3600};
	int received = 0;
	CU_ASSERT_EQUAL(ktls_tickets_rotate(&tickets), 0);
	struct pair_options options = options_for(KTLS_TLS13, &tickets);
	struct pair *pair = pair_prepare(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	SSL_CTX_set_session_cache_mode(
		pair->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(pair->ctx, count_sessions);
	SSL_set_app_data(pair->client, &received);
	CU_ASSERT_EQUAL(pair_handshake(pair, &options), KTLS_DONE);
	CU_ASSERT_EQUAL(pair->session->side[KTLS_TX].aead.sequence, 1);
	CU_ASSERT(pair_seal_matches(pair, "x", 1));
	CU_ASSERT_EQUAL(received, 1);
	pair_free(pair);
}

static void test_no_tickets(void)
{
	struct ktls_tickets empty = {.lifetime = 3600};
	for (int version = KTLS_TLS12; version <= KTLS_TLS13; version++) {
		struct pair_options none = options_for((enum ktls_version)version, NULL);
		struct pair_options keyless = options_for((enum ktls_version)version, &empty);
		CU_ASSERT_PTR_NULL(first_connection(&none));
		CU_ASSERT_PTR_NULL(first_connection(&keyless));
	}
}

/* ---- options ------------------------------------------------------------------ */

/* Without kernel TLS every entry is an errno. */
static const struct ktls_capabilities no_kernel = {
	.ulp = ENOENT,
	.offload = {{{ENOENT, ENOENT}, {ENOENT, ENOENT}, {ENOENT, ENOENT}},
		{{ENOENT, ENOENT}, {ENOENT, ENOENT}, {ENOENT, ENOENT}}},
};

struct option_case {
	const char *suite; /* NULL: the default set */
	bool tls12, tls13;
	enum ktls_offload offload;
	const char *error; /* part of it; NULL: accepted */
};

static const struct option_case option_cases[] = {
	{NULL, true, true, KTLS_OFFLOAD_AUTO, "certificate"},
	{"TLS_AES_128_GCM_SHA256", true, true, KTLS_OFFLOAD_AUTO, "certificate"},
	{"ALL", true, true, KTLS_OFFLOAD_AUTO, "\"ALL\""},
	{"AES128-SHA:!RC4", true, true, KTLS_OFFLOAD_AUTO, "not one of"},
	{"ECDHE-RSA-AES128-GCM-SHA999", true, true, KTLS_OFFLOAD_AUTO, "not one of"},
	{"TLS_NULL", true, true, KTLS_OFFLOAD_AUTO, "is broken (NULL"},
	{"", true, true, KTLS_OFFLOAD_AUTO, "not one of"},
	{"TLS_AES_128_GCM_SHA256", true, false, KTLS_OFFLOAD_AUTO, "tls_versions"},
	{"ECDHE-RSA-AES128-SHA256", false, true, KTLS_OFFLOAD_AUTO, "tls_versions"},
	{NULL, false, false, KTLS_OFFLOAD_AUTO, "tls_versions"},
	{NULL, true, true, KTLS_OFFLOAD_REQUIRED, "modprobe tls"},
	{"TLS_AES_128_GCM_SHA256", true, true, KTLS_OFFLOAD_REQUIRED, "cannot be offloaded"},
};

/* A key of another certificate: with it no options lead to a server. */
static void check_options(const struct option_case *c, X509 *certificate, EVP_PKEY *key)
{
	char error[256] = "";
	struct ktls_certificate pair = {.certificate = certificate, .key = key};
	struct ktls_name name = {.certificates = &pair, .certificate_count = 1};
	struct ktls_server_options options = {
		.name = "options",
		.names = &name,
		.name_count = 1,
		.tls12 = c->tls12,
		.tls13 = c->tls13,
		.ciphersuites = &c->suite,
		.ciphersuite_count = c->suite != NULL,
		.offload = c->offload,
		.capabilities = &no_kernel,
	};
	CU_ASSERT_PTR_NULL(ktls_server_new(&options, error, sizeof error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, c->error));
}

static void test_options(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_set_pubkey(certificate, other);
	for (size_t i = 0; i < sizeof option_cases / sizeof *option_cases; i++)
		check_options(&option_cases[i], certificate, key);
	X509_free(certificate);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static CU_TestInfo ticket_tests[] = {
	{"rotated keys", test_rotation},
	{"renewal", test_renewal},
	{"shared keys", test_shared_keys},
	{"another server's ticket", test_other_server},
	{"one ticket, one record", test_ticket_count},
	{"no tickets", test_no_tickets},
	{"options that cannot work", test_options},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo ktls_tickets_suites[];
CU_SuiteInfo ktls_tickets_suites[] = {
	{"ktls tickets", NULL, NULL, NULL, NULL, ticket_tests},
	CU_SUITE_INFO_NULL,
};
