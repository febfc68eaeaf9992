/* Certificates of clients: who gets in, what is said when not, and what is remembered. */
#include "tests/unit/ktls_pair.h"
#include "tests/unit/clock.h"

#include <stdlib.h>
#include <string.h>
#include <CUnit/CUnit.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define HOUR 3600L

/* ---- the cast ------------------------------------------------------------------ */

enum who {
	NOBODY,       /* has no certificate */
	GOOD,         /* issued by the CA */
	FAR,          /* by an intermediate, which it sends */
	FAR_ALONE,    /* by an intermediate, which it does not send */
	SELF,         /* self-signed, and an anchor itself (S19) */
	LEAF,         /* of a CA that is not trusted, and an anchor itself */
	LEAF_EXPIRED, /* such a one, too old */
	SELF_CA,      /* self-signed as a CA, and an anchor itself */
	EXPIRED,
	FUTURE,
	STRANGER, /* self-signed, of no one's acquaintance */
	FOREIGN,  /* of a CA that is not trusted */
	FOREIGN_CHAIN,
	SERVER_ONLY, /* extended key usage without clientAuth */
	CLIENT_ONLY, /* with it */
	WHO,
};

static struct made ca, intermediate, foreign_ca, people[WHO];
static X509_STORE *anchors;
static struct ktls_tickets tickets;

static struct made person(
	const char *cn, const struct made *issuer, const char *usage, long from, long to)
{
	return make(&(struct made_as){.cn = cn, .usage = usage, .from = from, .to = to}, issuer);
}

static void people_make(void)
{
	people[GOOD] = make_leaf("good", &ca);
	people[FAR] = make_leaf("far", &intermediate);
	people[FAR_ALONE] = make_leaf("far", &intermediate);
	people[SELF] = make_leaf("self", NULL);
	people[LEAF] = make_leaf("leaf", &foreign_ca);
	people[LEAF_EXPIRED] = person("leaf", &foreign_ca, NULL, -2 * HOUR, -HOUR);
	people[SELF_CA] = make_ca("self-ca");
	people[EXPIRED] = person("expired", &ca, NULL, -2 * HOUR, -HOUR);
	people[FUTURE] = person("future", &ca, NULL, HOUR, 2 * HOUR);
	people[STRANGER] = make_leaf("stranger", NULL);
	people[FOREIGN] = make_leaf("foreign", &foreign_ca);
	people[FOREIGN_CHAIN] = make_leaf("foreign", &foreign_ca);
	people[SERVER_ONLY] = person("server", &ca, "serverAuth", 0, 0);
	people[CLIENT_ONLY] = person("client", &ca, "clientAuth", 0, 0);
}

static int cast_make(void)
{
	ca = make_ca("the CA");
	foreign_ca = make_ca("another CA");
	intermediate = make(&(struct made_as){.cn = "intermediate", .is_ca = true}, &ca);
	people_make();
	anchors = X509_STORE_new();
	X509_STORE_add_cert(anchors, ca.certificate);
	X509_STORE_add_cert(anchors, people[SELF].certificate);
	X509_STORE_add_cert(anchors, people[SELF_CA].certificate);
	X509_STORE_add_cert(anchors, people[LEAF].certificate);
	X509_STORE_add_cert(anchors, people[LEAF_EXPIRED].certificate);
	tickets = (struct ktls_tickets){.lifetime = 7200};
	return ktls_tickets_rotate(&tickets);
}

static int cast_free(void)
{
	for (int i = 0; i < WHO; i++)
		made_done(&people[i]);
	made_done(&ca);
	made_done(&intermediate);
	made_done(&foreign_ca);
	X509_STORE_free(anchors);
	return 0;
}

static const struct made *issuer_of(enum who who)
{
	return who == FAR ? &intermediate : who == FOREIGN_CHAIN ? &foreign_ca : NULL;
}

static struct pair_options options_for(
	enum ktls_version version, enum ktls_client_auth auth, enum who who)
{
	return (struct pair_options){
		.version = version,
		.suite = pair_suite(version, KTLS_AES_128_GCM),
		.tickets = &tickets,
		.client_auth = auth,
		.anchors = anchors,
		.client = who == NOBODY ? NULL : &people[who],
		.issuer = issuer_of(who),
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

/* ---- who gets in ------------------------------------------------------------------ */

/* clang-format off */
static const struct {
	enum who who;
	int alert; /* RFC 8446 6.2; 0: welcome */
	const char *words;
} verdicts[] = {
	{GOOD, 0, NULL},
	{FAR, 0, NULL},
	{SELF, 0, NULL},
	{LEAF, 0, NULL},
	{SELF_CA, 0, NULL},
	{CLIENT_ONLY, 0, NULL},
	{FAR_ALONE, SSL_AD_UNKNOWN_CA, "unable to get local issuer certificate"},
	{LEAF_EXPIRED, SSL_AD_CERTIFICATE_EXPIRED, "certificate has expired"},
	{EXPIRED, SSL_AD_CERTIFICATE_EXPIRED, "certificate has expired"},
	{FUTURE, SSL_AD_BAD_CERTIFICATE, "certificate is not yet valid"},
	{STRANGER, SSL_AD_UNKNOWN_CA, "self-signed certificate"},
	{FOREIGN, SSL_AD_UNKNOWN_CA, "unable to get local issuer certificate"},
	{FOREIGN_CHAIN, SSL_AD_UNKNOWN_CA, "self-signed certificate in certificate chain"},
	{SERVER_ONLY, SSL_AD_UNSUPPORTED_CERTIFICATE, "unsuitable certificate purpose"},
};
/* clang-format on */

#define VERDICTS (sizeof verdicts / sizeof *verdicts)

static void check_identity(const struct pair *pair, enum who who, const char *failure)
{
	struct ktls_info info = info_of(pair);
	uint8_t digest[32];
	char hex[65], verify[128] = "SUCCESS";
	X509_digest(people[who].certificate, EVP_sha256(), digest, NULL);
	for (size_t i = 0; i < sizeof digest; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	if (failure)
		snprintf(verify, sizeof verify, "FAILED:%s", failure);
	CU_ASSERT_STRING_EQUAL(info.client_fingerprint, hex);
	CU_ASSERT_STRING_EQUAL(info.client_verify, verify);
	CU_ASSERT_EQUAL(strncmp(info.client_subject, "CN=", 3), 0);
	X509_NAME *name = X509_get_subject_name(people[who].certificate);
	char cn[64] = "";
	X509_NAME_get_text_by_NID(name, NID_commonName, cn, sizeof cn);
	CU_ASSERT_STRING_EQUAL(info.client_subject + 3, cn);
}

static void check_welcome(struct pair_options options, enum who who, const char *failure)
{
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT(data_crosses(pair));
	CU_ASSERT_PTR_NULL(pair->session->ssl);
	CU_ASSERT_STRING_EQUAL(ktls_session_error(pair->session), "");
	check_identity(pair, who, failure);
	pair_free(pair);
}

static void check_refused(struct pair_options options, enum who who, int alert, const char *words)
{
	char error[256];
	struct pair *pair = pair_prepare(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT_EQUAL(pair_handshake(pair, &options), KTLS_FAILED);
	snprintf(error, sizeof error, "client certificate refused: %s", words);
	CU_ASSERT_STRING_EQUAL(ktls_session_error(pair->session), error);
	CU_ASSERT_EQUAL(pair_client_alert(pair), alert);
	if (who != NOBODY)
		check_identity(pair, who, words);
	pair_free(pair);
}

static void test_required(void)
{
	for (size_t i = 0; i < 2 * VERDICTS; i++) {
		enum who who = verdicts[i / 2].who;
		struct pair_options options =
			options_for((enum ktls_version)(i % 2), KTLS_CLIENT_AUTH_REQUIRED, who);
		if (verdicts[i / 2].alert)
			check_refused(options, who, verdicts[i / 2].alert, verdicts[i / 2].words);
		else
			check_welcome(options, who, NULL);
	}
	check_refused(options_for(KTLS_TLS13, KTLS_CLIENT_AUTH_REQUIRED, NOBODY), NOBODY,
		SSL_AD_CERTIFICATE_REQUIRED, "the client sent none");
	/* RFC 5246 7.4.6 */
	check_refused(options_for(KTLS_TLS12, KTLS_CLIENT_AUTH_REQUIRED, NOBODY), NOBODY,
		SSL_AD_HANDSHAKE_FAILURE, "the client sent none");
}

static void check_without(
	enum ktls_version version, enum ktls_client_auth auth, enum who who, const char *verify)
{
	struct pair_options options = options_for(version, auth, who);
	struct pair *pair = pair_prepare(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT_STRING_EQUAL(info_of(pair).client_verify, "");
	CU_ASSERT_EQUAL(pair_handshake(pair, &options), KTLS_DONE);
	SSL_do_handshake(pair->client);
	CU_ASSERT(data_crosses(pair));
	CU_ASSERT_STRING_EQUAL(info_of(pair).client_verify, verify);
	CU_ASSERT_STRING_EQUAL(info_of(pair).client_subject, "");
	CU_ASSERT_STRING_EQUAL(info_of(pair).client_fingerprint, "");
	CU_ASSERT_PTR_NULL(pair->session->client);
	pair_free(pair);
}

static void test_optional(void)
{
	for (size_t i = 0; i < 2 * VERDICTS; i++)
		check_welcome(options_for((enum ktls_version)(i % 2), KTLS_CLIENT_AUTH_OPTIONAL,
				      verdicts[i / 2].who),
			verdicts[i / 2].who, verdicts[i / 2].words);
	check_without(KTLS_TLS12, KTLS_CLIENT_AUTH_OPTIONAL, NOBODY, "NONE");
	check_without(KTLS_TLS13, KTLS_CLIENT_AUTH_OPTIONAL, NOBODY, "NONE");
}

static void test_none(void)
{
	for (int version = KTLS_TLS12; version <= KTLS_TLS13; version++) {
		check_without((enum ktls_version)version, KTLS_CLIENT_AUTH_NONE, NOBODY, "");
		check_without((enum ktls_version)version, KTLS_CLIENT_AUTH_NONE, GOOD, "");
	}
}

/* With libssl's own records the SSL object stays; the identity is the same. */
static void test_cbc(void)
{
	struct pair_options options = options_for(KTLS_TLS12, KTLS_CLIENT_AUTH_REQUIRED, GOOD);
	options.suite = "ECDHE-ECDSA-AES128-SHA256";
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	check_identity(pair, GOOD, NULL);
	CU_ASSERT(data_crosses(pair));
	pair_free(pair);
}

static bool is_asked_for(const struct pair *pair, const X509_NAME *name)
{
	const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(pair->client);
	for (int i = 0; i < sk_X509_NAME_num(names); i++)
		if (X509_NAME_cmp(sk_X509_NAME_value(names, i), name) == 0)
			return true;
	return false;
}

/* What browsers choose by: the anchors, and for a peer's own certificate its issuer. */
static void check_ca_names(enum ktls_version version)
{
	struct pair_options options = options_for(version, KTLS_CLIENT_AUTH_OPTIONAL, GOOD);
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT(is_asked_for(pair, X509_get_subject_name(ca.certificate)));
	CU_ASSERT(is_asked_for(pair, X509_get_subject_name(people[SELF].certificate)));
	CU_ASSERT(is_asked_for(pair, X509_get_subject_name(foreign_ca.certificate)));
	CU_ASSERT_FALSE(is_asked_for(pair, X509_get_subject_name(people[LEAF].certificate)));
	CU_ASSERT_EQUAL(sk_X509_NAME_num(SSL_get0_peer_CA_list(pair->client)), 4);
	pair_free(pair);
}

static void test_ca_names(void)
{
	check_ca_names(KTLS_TLS12);
	check_ca_names(KTLS_TLS13);
}

/* Special characters as RFC 4514 writes them; nothing that ends a line or leaves ASCII. */
static void test_subjects(void)
{
	static const struct {
		const char *cn, *subject;
	} cases[] = {
		{"a,b", "CN=a\\,b"},
		{"a\nb", "CN=a\\0Ab"},
		{"\"q\"", "CN=\\\"q\\\""},
		{"#a", "CN=\\#a"},
		{"\xc3\xa4", "CN=\\C3\\A4"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct made odd = make_leaf(cases[i].cn, &ca);
		struct pair_options options =
			options_for(KTLS_TLS13, KTLS_CLIENT_AUTH_REQUIRED, GOOD);
		options.client = &odd;
		struct pair *pair = pair_new(&options);
		CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
		CU_ASSERT_STRING_EQUAL(info_of(pair).client_subject, cases[i].subject);
		pair_free(pair);
		made_done(&odd);
	}
}

/* Kept up to a limit, and not mistaken for another. */
static void test_long_subject(void)
{
	struct made odd = make_leaf("long", &ca);
	X509_NAME *name = X509_get_subject_name(odd.certificate);
	unsigned char unit[61];
	memset(unit, 'u', 60);
	for (int i = 0; i < 30; i++)
		X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_ASC, unit, 60, -1, 0);
	X509_sign(odd.certificate, ca.key, EVP_sha256());
	struct pair_options options = options_for(KTLS_TLS13, KTLS_CLIENT_AUTH_REQUIRED, GOOD);
	options.client = &odd;
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	const char *subject = info_of(pair).client_subject;
	CU_ASSERT_EQUAL(strlen(subject), 1024 + 3);
	CU_ASSERT_STRING_EQUAL(subject + 1024, "...");
	pair_free(pair);
	made_done(&odd);
}

/* More names than a client would read are none at all: it may choose freely. */
static void test_many_ca_names(void)
{
	X509_STORE *many = X509_STORE_new();
	X509_STORE_add_cert(many, ca.certificate);
	for (int i = 0; i < 250; i++) {
		char cn[65];
		snprintf(cn, sizeof cn, "certificate authority with a long name, number %016d", i);
		struct made each = make_ca(cn);
		X509_STORE_add_cert(many, each.certificate);
		made_done(&each);
	}
	for (int version = KTLS_TLS12; version <= KTLS_TLS13; version++) {
		struct pair_options options =
			options_for((enum ktls_version)version, KTLS_CLIENT_AUTH_REQUIRED, GOOD);
		options.anchors = many;
		struct pair *pair = pair_new(&options);
		CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
		CU_ASSERT(sk_X509_NAME_num(SSL_get0_peer_CA_list(pair->client)) <= 0);
		pair_free(pair);
	}
	X509_STORE_free(many);
}

#define LINKS 10

/* A chain longer than any sensible one is not followed to its end. */
static void test_depth(void)
{
	struct made links[LINKS];
	for (int i = 0; i < LINKS; i++)
		links[i] = make(
			&(struct made_as){.cn = "link", .is_ca = true}, i ? &links[i - 1] : &ca);
	struct made end = make_leaf("end", &links[LINKS - 1]);
	struct pair_options options = options_for(KTLS_TLS13, KTLS_CLIENT_AUTH_REQUIRED, GOOD);
	options.client = &end;
	struct pair *pair = pair_prepare(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	for (int i = LINKS - 1; i >= 0; i--)
		SSL_add1_chain_cert(pair->client, links[i].certificate);
	CU_ASSERT_EQUAL(pair_handshake(pair, &options), KTLS_FAILED);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(ktls_session_error(pair->session), "client certificate refused: "));
	CU_ASSERT_EQUAL(pair_client_alert(pair), SSL_AD_UNKNOWN_CA);
	pair_free(pair);
	made_done(&end);
	for (int i = 0; i < LINKS; i++)
		made_done(&links[i]);
}

static void test_without_anchors(void)
{
	struct ktls_server_options refused = {
		.name = "x",
		.tls13 = true,
		.client_auth = KTLS_CLIENT_AUTH_OPTIONAL,
		.capabilities = &(struct ktls_capabilities){.ulp = 2},
	};
	char error[512] = "";
	CU_ASSERT_PTR_NULL(ktls_server_new(&refused, error, sizeof error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "client_auth_trustpoint"));
}

/* ---- resumption ------------------------------------------------------------------- */

static SSL_SESSION *ticket_of(const struct pair_options *options)
{
	struct pair *pair = pair_new(options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT(data_crosses(pair));
	SSL_SESSION *ticket = SSL_get1_session(pair->client);
	SSL_shutdown(pair->client);
	pair_free(pair);
	CU_ASSERT(SSL_SESSION_has_ticket(ticket));
	return ticket;
}

/* Takes no certificate along: who it is must come out of the ticket. */
static void check_resumed(struct pair_options options, enum who who, const char *failure)
{
	SSL_SESSION *ticket = ticket_of(&options);
	options.resume = ticket;
	options.client = NULL;
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT(info_of(pair).resumed);
	CU_ASSERT(data_crosses(pair));
	check_identity(pair, who, failure);
	pair_free(pair);
	SSL_SESSION_free(ticket);
}

static void test_resumed(void)
{
	for (int i = 0; i < 2; i++) {
		enum ktls_version version = (enum ktls_version)i;
		check_resumed(options_for(version, KTLS_CLIENT_AUTH_REQUIRED, GOOD), GOOD, NULL);
		check_resumed(options_for(version, KTLS_CLIENT_AUTH_OPTIONAL, GOOD), GOOD, NULL);
		check_resumed(options_for(version, KTLS_CLIENT_AUTH_OPTIONAL, STRANGER), STRANGER,
			"self-signed certificate");
	}
}

static void test_resumed_without(void)
{
	for (int version = KTLS_TLS12; version <= KTLS_TLS13; version++) {
		struct pair_options options =
			options_for((enum ktls_version)version, KTLS_CLIENT_AUTH_OPTIONAL, NOBODY);
		SSL_SESSION *ticket = ticket_of(&options);
		options.resume = ticket;
		struct pair *pair = pair_new(&options);
		CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
		CU_ASSERT(info_of(pair).resumed);
		CU_ASSERT_STRING_EQUAL(info_of(pair).client_verify, "NONE");
		pair_free(pair);
		SSL_SESSION_free(ticket);
	}
}

static bool is_resumed(struct pair_options options, SSL_SESSION *ticket)
{
	options.resume = ticket;
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	bool resumed = info_of(pair).resumed;
	CU_ASSERT(data_crosses(pair));
	SSL_shutdown(pair->client);
	pair_free(pair);
	return resumed;
}

/* A ticket is good under the policy and the anchors it was made under. */
static void check_policy_change(enum ktls_version version)
{
	struct pair_options none = options_for(version, KTLS_CLIENT_AUTH_NONE, GOOD);
	struct pair_options optional = options_for(version, KTLS_CLIENT_AUTH_OPTIONAL, GOOD);
	struct pair_options required = options_for(version, KTLS_CLIENT_AUTH_REQUIRED, GOOD);
	struct pair_options more = required;
	X509_STORE *others = X509_STORE_new();
	X509_STORE_add_cert(others, ca.certificate);
	more.anchors = others;
	SSL_SESSION *ticket = ticket_of(&none);
	CU_ASSERT(is_resumed(none, ticket));
	CU_ASSERT_FALSE(is_resumed(optional, ticket));
	CU_ASSERT_FALSE(is_resumed(required, ticket));
	SSL_SESSION_free(ticket);
	ticket = ticket_of(&optional);
	CU_ASSERT_FALSE(is_resumed(required, ticket));
	CU_ASSERT_FALSE(is_resumed(none, ticket));
	SSL_SESSION_free(ticket);
	ticket = ticket_of(&required);
	CU_ASSERT(is_resumed(required, ticket));
	CU_ASSERT_FALSE(is_resumed(more, ticket));
	/* without a certificate and with a ticket from before: no way in */
	SSL_SESSION_free(ticket);
	ticket = ticket_of(&none);
	required.client = NULL;
	required.resume = ticket;
	struct pair *pair = pair_prepare(&required);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT_EQUAL(pair_handshake(pair, &required), KTLS_FAILED);
	pair_free(pair);
	SSL_SESSION_free(ticket);
	X509_STORE_free(others);
}

static void test_policy_change(void)
{
	check_policy_change(KTLS_TLS12);
	check_policy_change(KTLS_TLS13);
}

/* The same anchors in another order, in another store, as after a reload. */
static void test_same_anchors(void)
{
	struct pair_options options = options_for(KTLS_TLS13, KTLS_CLIENT_AUTH_REQUIRED, GOOD);
	static const enum who others[] = {LEAF_EXPIRED, SELF_CA, LEAF, SELF};
	X509_STORE *again = X509_STORE_new();
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		X509_STORE_add_cert(again, people[others[i]].certificate);
	X509_STORE_add_cert(again, ca.certificate);
	SSL_SESSION *ticket = ticket_of(&options);
	options.anchors = again;
	CU_ASSERT(is_resumed(options, ticket));
	SSL_SESSION_free(ticket);
	X509_STORE_free(again);
}

/* Still in the ticket's lifetime, but no longer in the certificate's. */
static void check_expiry(enum ktls_version version, enum ktls_client_auth auth)
{
	struct pair_options options = options_for(version, auth, GOOD);
	SSL_SESSION *ticket = ticket_of(&options);
	CU_ASSERT(is_resumed(options, ticket));
	clock_offset = HOUR + 1;
	CU_ASSERT_FALSE(is_resumed(options, ticket));
	clock_offset = 0;
	CU_ASSERT(is_resumed(options, ticket));
	SSL_SESSION_free(ticket);
}

static void test_expiry(void)
{
	for (int version = KTLS_TLS12; version <= KTLS_TLS13; version++) {
		check_expiry((enum ktls_version)version, KTLS_CLIENT_AUTH_REQUIRED);
		check_expiry((enum ktls_version)version, KTLS_CLIENT_AUTH_OPTIONAL);
	}
}

/* Every name of a server asks, and judges by the same anchors. */
static void test_names(void)
{
	struct made one = make_leaf("one", NULL), two = make_leaf("two", NULL);
	const struct ktls_certificate certificates[] = {
		{one.certificate, one.key, NULL}, {two.certificate, two.key, NULL}};
	const struct ktls_name names[] = {
		{NULL, &certificates[0], 1}, {"two.example", &certificates[1], 1}};
	for (size_t i = 0; i < 2 * VERDICTS; i++) {
		enum who who = verdicts[i / 2].who;
		struct pair_options options =
			options_for((enum ktls_version)(i % 2), KTLS_CLIENT_AUTH_REQUIRED, who);
		options.names = names;
		options.name_count = 2;
		options.sni = "two.example";
		if (verdicts[i / 2].alert)
			check_refused(options, who, verdicts[i / 2].alert, verdicts[i / 2].words);
		else
			check_resumed(options, who, NULL);
	}
	made_done(&one);
	made_done(&two);
}

/* RFC 8446 4.6.2: never asked for later, even of a client that offers it. */
static void test_no_post_handshake(void)
{
	struct pair_options options = options_for(KTLS_TLS13, KTLS_CLIENT_AUTH_OPTIONAL, NOBODY);
	struct pair *pair = pair_prepare(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	SSL_set_post_handshake_auth(pair->client, 1);
	CU_ASSERT_EQUAL(pair_handshake(pair, &options), KTLS_DONE);
	CU_ASSERT(data_crosses(pair));
	CU_ASSERT_STRING_EQUAL(info_of(pair).client_verify, "NONE");
	pair_free(pair);
}

static CU_TestInfo client_tests[] = {
	{"required", test_required},
	{"optional", test_optional},
	{"none", test_none},
	{"CBC suites", test_cbc},
	{"names of CAs", test_ca_names},
	{"subjects", test_subjects},
	{"long subject", test_long_subject},
	{"too many names of CAs", test_many_ca_names},
	{"depth", test_depth},
	{"without anchors", test_without_anchors},
	{"resumed identity", test_resumed},
	{"resumed without identity", test_resumed_without},
	{"policy changed", test_policy_change},
	{"same anchors, other order", test_same_anchors},
	{"expired since", test_expiry},
	{"all names", test_names},
	{"no post-handshake authentication", test_no_post_handshake},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo ktls_client_auth_suites[];
CU_SuiteInfo ktls_client_auth_suites[] = {
	{"ktls client auth", cast_make, cast_free, NULL, NULL, client_tests},
	CU_SUITE_INFO_NULL,
};
