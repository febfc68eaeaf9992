#include "ktls/suites.h"

#include "ktls/session.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SUITE_LIST 8192

/* Forward secret AEADs only; older clients need `ciphersuites` in the file. */
static const char *const default_suites[] = {
	"TLS_AES_128_GCM_SHA256",
	"TLS_AES_256_GCM_SHA384",
	"TLS_CHACHA20_POLY1305_SHA256",
	"ECDHE-ECDSA-AES128-GCM-SHA256",
	"ECDHE-RSA-AES128-GCM-SHA256",
	"ECDHE-ECDSA-AES256-GCM-SHA384",
	"ECDHE-RSA-AES256-GCM-SHA384",
	"ECDHE-ECDSA-CHACHA20-POLY1305",
	"ECDHE-RSA-CHACHA20-POLY1305",
};

#define DEFAULT_SUITES (sizeof default_suites / sizeof default_suites[0])

/* clang-format off */

/* The words of `ip http secure-ciphersuite`; what is broken is not here, but below. */
static const struct {
	const char *name, *suites[2];
} ios_names[] = {
	{"aes-128-cbc-sha", {"AES128-SHA"}},
	{"aes-256-cbc-sha", {"AES256-SHA"}},
	{"dhe-aes-128-cbc-sha", {"DHE-RSA-AES128-SHA"}},
	{"dhe-aes-256-cbc-sha", {"DHE-RSA-AES256-SHA"}},
	{"dhe-aes-cbc-sha2", {"DHE-RSA-AES128-SHA256", "DHE-RSA-AES256-SHA256"}},
	{"dhe-aes-gcm-sha2", {"DHE-RSA-AES128-GCM-SHA256", "DHE-RSA-AES256-GCM-SHA384"}},
	{"ecdhe-ecdsa-aes-128-gcm-sha256", {"ECDHE-ECDSA-AES128-GCM-SHA256"}},
	{"ecdhe-ecdsa-aes-256-gcm-sha384", {"ECDHE-ECDSA-AES256-GCM-SHA384"}},
	{"ecdhe-ecdsa-aes-cbc-sha2", {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384"}},
	{"ecdhe-ecdsa-aes-gcm-sha2",
		{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"}},
	{"ecdhe-rsa-aes-128-cbc-sha", {"ECDHE-RSA-AES128-SHA"}},
	{"ecdhe-rsa-aes-256-cbc-sha", {"ECDHE-RSA-AES256-SHA"}},
	{"ecdhe-rsa-aes-128-gcm-sha256", {"ECDHE-RSA-AES128-GCM-SHA256"}},
	{"ecdhe-rsa-aes-256-gcm-sha384", {"ECDHE-RSA-AES256-GCM-SHA384"}},
	{"ecdhe-rsa-aes-cbc-sha2", {"ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA384"}},
	{"ecdhe-rsa-aes-gcm-sha2", {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"}},
	{"rsa-aes-cbc-sha2", {"AES128-SHA256", "AES256-SHA256"}},
	{"rsa-aes-gcm-sha2", {"AES128-GCM-SHA256", "AES256-GCM-SHA384"}},
	{"tls13-aes128-gcm-sha256", {"TLS_AES_128_GCM_SHA256"}},
	{"tls13-aes256-gcm-sha384", {"TLS_AES_256_GCM_SHA384"}},
	{"tls13-chacha20-poly1305-sha256", {"TLS_CHACHA20_POLY1305_SHA256"}},
};

/* By a part of the name, the worst first; every way to write a suite has these parts. */
static const struct {
	const char *part;
	bool is_broken; /* else it is sound, but of no use here */
	const char *reason;
} flaws[] = {
	{"EXP", true, "EXPORT: keys of 40 bits; RFC 9325 4.1 forbids it"},
	{"EXPORT", true, "EXPORT: keys of 40 bits; RFC 9325 4.1 forbids it"},
	{"EXPORT1024", true, "EXPORT: keys of 56 bits; RFC 9325 4.1 forbids it"},
	{"NULL", true, "NULL: no encryption; RFC 9325 4.1 forbids it"},
	{"anon", true, "anonymous: any server in between is taken for this one; RFC 5246 F.1.1.1"},
	{"ADH", true, "anonymous: any server in between is taken for this one; RFC 5246 F.1.1.1"},
	{"AECDH", true, "anonymous: any server in between is taken for this one; RFC 5246 F.1.1.1"},
	{"RC4", true, "RC4: RFC 7465 forbids it"},
	{"RC2", true, "RC2: keys of 40 bits; RFC 9325 4.1 forbids it"},
	{"3DES", true, "3DES: blocks of 64 bits, Sweet32, CVE-2016-2183"},
	{"CBC3", true, "3DES: blocks of 64 bits, Sweet32, CVE-2016-2183"},
	{"DES", true, "DES: keys of 56 bits; RFC 5469 retired it"},
	{"DES40", true, "DES: keys of 40 bits; RFC 9325 4.1 forbids it"},
	{"IDEA", true, "IDEA: blocks of 64 bits; RFC 5469 retired it"},
	{"MD5", true, "MD5: collisions; RFC 6151"},
	{"PSK", false, "PSK: it needs a key shared with each client, beside certificates"},
	{"SRP", false, "SRP: it needs a password of each client, instead of certificates"},
	{"KRB5", false, "Kerberos: it needs a keytab instead of certificates"},
	{"DSS", false, "DSS: it needs a DSA certificate, which today's clients refuse"},
};

static const struct {
	int nid; /* SSL_CIPHER_get_cipher_nid() */
	enum ktls_cipher cipher;
	const char *algorithm;
} algorithms[] = {
	{NID_aes_128_gcm, KTLS_AES_128_GCM, "AES-128-GCM"},
	{NID_aes_256_gcm, KTLS_AES_256_GCM, "AES-256-GCM"},
	{NID_chacha20_poly1305, KTLS_CHACHA20_POLY1305, "CHACHA20-POLY1305"},
	/* These stay with libssl, and their names there are odd. */
	{NID_aes_128_ccm, KTLS_CIPHERS, "AES-128-CCM"},
	{NID_aes_256_ccm, KTLS_CIPHERS, "AES-256-CCM"},
	{NID_aria_128_gcm, KTLS_CIPHERS, "ARIA-128-GCM"},
	{NID_aria_256_gcm, KTLS_CIPHERS, "ARIA-256-GCM"},
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- what a suite is -------------------------------------------------------- */

static bool is_tls13(const SSL_CIPHER *suite)
{
	return strcmp(SSL_CIPHER_get_version(suite), "TLSv1.3") == 0;
}

bool ktls_suites_cipher(const SSL_CIPHER *suite, enum ktls_cipher *cipher)
{
	int nid = SSL_CIPHER_get_cipher_nid(suite);
	for (size_t i = 0; i < COUNT(algorithms); i++)
		if (algorithms[i].nid == nid && algorithms[i].cipher != KTLS_CIPHERS) {
			*cipher = algorithms[i].cipher;
			return true;
		}
	return false;
}

const char *ktls_suites_algorithm(const SSL_CIPHER *suite)
{
	int nid = SSL_CIPHER_get_cipher_nid(suite);
	for (size_t i = 0; i < COUNT(algorithms); i++)
		if (algorithms[i].nid == nid)
			return algorithms[i].algorithm;
	return OBJ_nid2sn(nid);
}

const char *ktls_suites_mac(const SSL_CIPHER *suite)
{
	return SSL_CIPHER_is_aead(suite) ? "AEAD" : OBJ_nid2sn(SSL_CIPHER_get_digest_nid(suite));
}

unsigned ktls_suites_key(const EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return KTLS_KEY_RSA;
	case EVP_PKEY_RSA_PSS:
		return KTLS_KEY_RSA_PSS;
	default:
		return KTLS_KEY_ECDSA;
	}
}

unsigned ktls_suites_keys(const SSL_CIPHER *suite)
{
	switch (SSL_CIPHER_get_auth_nid(suite)) {
	case NID_auth_rsa:
		return SSL_CIPHER_get_kx_nid(suite) == NID_kx_rsa ? KTLS_KEY_RSA
								  : KTLS_KEY_RSA | KTLS_KEY_RSA_PSS;
	case NID_auth_ecdsa:
		return KTLS_KEY_ECDSA;
	default:
		return KTLS_KEY_ANY;
	}
}

/* Fills the columns that depend on the kernel; returns what is in the way, or "". */
static const char *kernel_columns(
	const struct ktls_capabilities *capabilities, const SSL_CIPHER *suite, bool *tx, bool *rx)
{
	enum ktls_cipher cipher;
	*tx = *rx = false;
	if (capabilities->ulp)
		return "this kernel has no TLS (CONFIG_TLS, module tls)";
	if (!ktls_suites_cipher(suite, &cipher))
		return "kernel TLS has no such cipher";
	const int *offload =
		capabilities->offload[is_tls13(suite) ? KTLS_TLS13 : KTLS_TLS12][cipher];
	*tx = !offload[KTLS_TX];
	*rx = *tx && !offload[KTLS_RX] && !capabilities->splice_rx;
	if (*rx)
		return "";
	if (!*tx)
		return "this kernel does not take the cipher";
	return offload[KTLS_RX] ? "this kernel does not take the cipher for receiving"
				: "splice from kernel TLS fails its test here";
}

/* ---- from names to suites ----------------------------------------------------- */

/* Is `part` one of the words of `name` that '-' and '_' separate? */
static bool has_part(const char *name, const char *part)
{
	size_t len = strlen(part);
	for (;;) {
		size_t word = strcspn(name, "-_");
		if (word == len && strncasecmp(name, part, len) == 0)
			return true;
		if (!name[word])
			return false;
		name += word + 1;
	}
}

unsigned ktls_suites_all_keys(const struct ktls_server_options *options)
{
	unsigned keys = 0;
	for (size_t i = 0; i < options->name_count; i++)
		for (size_t j = 0; j < options->names[i].certificate_count; j++)
			keys |= ktls_suites_key(options->names[i].certificates[j].key);
	return keys;
}

/* The nearest sound suites to one that was refused, for each version that is on. */
static int refuse_suite(const struct ktls_server_options *options, const char *name,
	const char *what, const struct ktls_problem *problem)
{
	bool is_256 = has_part(name, "256") || has_part(name, "AES256");
	bool is_ecdsa = has_part(name, "ECDSA") || ktls_suites_all_keys(options) == KTLS_KEY_ECDSA;
	char tls12[64] = "";
	const char *tls13 = is_256 ? "\"TLS_AES_256_GCM_SHA384\"" : "\"TLS_AES_128_GCM_SHA256\"";
	snprintf(tls12, sizeof tls12, "\"ECDHE-%s-AES%s\"", is_ecdsa ? "ECDSA" : "RSA",
		is_256 ? "256-GCM-SHA384" : "128-GCM-SHA256");
	if (!options->tls13 || !options->tls12)
		return ktls_refuse(problem, "ciphersuite \"%s\" %s; use %s", name, what,
			options->tls13 ? tls13 : tls12);
	return ktls_refuse(problem, "ciphersuite \"%s\" %s; use %s or, for TLS 1.2, %s", name, what,
		tls13, tls12);
}

static int refuse_flawed(const struct ktls_server_options *options, const char *name,
	const char *written, const struct ktls_problem *problem)
{
	char what[128];
	for (size_t i = 0; i < COUNT(flaws); i++) {
		if (!has_part(name, flaws[i].part))
			continue;
		snprintf(what, sizeof what, "%s (%s)",
			flaws[i].is_broken ? "is broken" : "cannot be used here", flaws[i].reason);
		return refuse_suite(options, written, what, problem);
	}
	return 0;
}

/* Everything this libssl has, whether sound or not, in a context that owns the stack. */
static SSL_CTX *catalog_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (ctx && SSL_CTX_set_cipher_list(ctx, "ALL:COMPLEMENTOFALL:@SECLEVEL=0") == 1 &&
		SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
					      "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:"
					      "TLS_AES_128_CCM_8_SHA256") == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* By OpenSSL's name or the RFC's, in which the documents of old wrote SSL_ for TLS_. */
static const SSL_CIPHER *catalog_find(SSL_CTX *catalog, const char *name)
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(catalog);
	bool is_ssl = strncasecmp(name, "SSL_", 4) == 0;
	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *suite = sk_SSL_CIPHER_value(all, i);
		const char *standard = SSL_CIPHER_standard_name(suite);
		if (strcasecmp(name, SSL_CIPHER_get_name(suite)) == 0 ||
			(standard && strcasecmp(name, standard) == 0) ||
			(standard && is_ssl && strcasecmp(name + 4, standard + 4) == 0))
			return suite;
	}
	return NULL;
}

/* The suites that one name stands for; 0 when it is none. */
static size_t lookup(SSL_CTX *catalog, const char *name, const SSL_CIPHER *found[2])
{
	for (size_t i = 0; i < COUNT(ios_names); i++) {
		if (strcasecmp(name, ios_names[i].name) != 0)
			continue;
		size_t count = 0;
		for (size_t j = 0; j < 2 && ios_names[i].suites[j]; j++) {
			found[count] = catalog_find(catalog, ios_names[i].suites[j]);
			count += found[count] != NULL;
		}
		return count;
	}
	found[0] = catalog_find(catalog, name);
	return found[0] != NULL;
}

static int add(
	struct ktls_suites *suites, const SSL_CIPHER *suite, const struct ktls_problem *problem)
{
	for (size_t i = 0; i < suites->count; i++)
		if (suites->list[i] == suite)
			return 0;
	if (suites->count == KTLS_SUITES_MAX)
		return ktls_refuse(problem, "the list of ciphersuites is too long");
	suites->list[suites->count++] = suite;
	return 0;
}

/* True when the policy allows the suite; a named one that it does not is refused by the caller. */
static bool can_offload(const struct ktls_server_options *options, const SSL_CIPHER *suite)
{
	bool tx, rx;
	kernel_columns(options->capabilities, suite, &tx, &rx);
	return options->offload != KTLS_OFFLOAD_REQUIRED || (tx && rx);
}

static int resolve_default(const struct ktls_server_options *options, SSL_CTX *catalog,
	struct ktls_suites *out, const struct ktls_problem *problem)
{
	for (size_t i = 0; i < DEFAULT_SUITES; i++) {
		const SSL_CIPHER *suite = catalog_find(catalog, default_suites[i]);
		if (suite && can_offload(options, suite) && add(out, suite, problem) < 0)
			return -1;
	}
	return 0;
}

static int resolve_one(const struct ktls_server_options *options, SSL_CTX *catalog,
	const char *name, struct ktls_suites *out, const struct ktls_problem *problem)
{
	const SSL_CIPHER *found[2];
	if (refuse_flawed(options, name, name, problem) < 0)
		return -1;
	size_t count = lookup(catalog, name, found);
	if (count == 0)
		return refuse_suite(options, name,
			"is not one of this OpenSSL's (openssl ciphers -s lists them)", problem);
	for (size_t i = 0; i < count; i++) {
		/* OpenSSL's short names do not show everything. */
		if (refuse_flawed(options, SSL_CIPHER_standard_name(found[i]), name, problem) < 0)
			return -1;
		if (!can_offload(options, found[i]))
			return ktls_refuse(problem,
				"ciphersuite %s cannot be offloaded on this kernel; remove it or "
				"set offload = \"auto\" (ferrule probe tells what can)",
				name);
		if (add(out, found[i], problem) < 0)
			return -1;
	}
	return 0;
}

/* Suites and versions that lack each other cannot be negotiated: say so, or leave them out. */
static int versions_check(const struct ktls_server_options *options, struct ktls_suites *suites,
	const struct ktls_problem *problem)
{
	size_t count = 0;
	for (size_t i = 0; i < suites->count; i++) {
		bool tls13 = is_tls13(suites->list[i]);
		suites->tls13 |= options->tls13 && tls13;
		suites->tls12 |= options->tls12 && !tls13;
		if (tls13 ? options->tls13 : options->tls12)
			suites->list[count++] = suites->list[i];
	}
	suites->count = count;
	if (count > 0)
		return 0;
	if (options->offload == KTLS_OFFLOAD_REQUIRED && !options->ciphersuite_count) {
		if (!options->capabilities->ulp)
			return ktls_refuse(problem,
				"offload = \"required\", but this kernel takes no TLS cipher in "
				"both "
				"directions (ferrule probe says why); set offload = \"auto\"");
		return ktls_refuse(problem,
			"offload = \"required\", but this kernel takes no TLS keys (%s); load the "
			"module with `modprobe tls`, or set offload = \"auto\"",
			strerror(options->capabilities->ulp));
	}
	return ktls_refuse(problem, "none of the ciphersuites belongs to one of the tls_versions");
}

int ktls_suites_resolve(const struct ktls_server_options *options, struct ktls_suites *out,
	const struct ktls_problem *problem)
{
	*out = (struct ktls_suites){.count = 0};
	SSL_CTX *catalog = catalog_new();
	if (!catalog)
		return ktls_refuse_openssl(problem, "ciphersuites");
	int result = options->ciphersuite_count == 0
			     ? resolve_default(options, catalog, out, problem)
			     : 0;
	for (size_t i = 0; i < options->ciphersuite_count && result == 0; i++)
		result = resolve_one(options, catalog, options->ciphersuites[i], out, problem);
	SSL_CTX_free(catalog);
	return result == 0 ? versions_check(options, out, problem) : result;
}

/* ---- into an SSL_CTX --------------------------------------------------------------- */

/* OpenSSL keeps the suites of TLS 1.3 and the older ones in two lists. */
static bool join(const struct ktls_suites *suites, bool tls13, char list[SUITE_LIST])
{
	size_t len = 0;
	list[0] = '\0';
	for (size_t i = 0; i < suites->count; i++) {
		if (is_tls13(suites->list[i]) != tls13)
			continue;
		int n = snprintf(list + len, SUITE_LIST - len, "%s%s", len ? ":" : "",
			SSL_CIPHER_get_name(suites->list[i]));
		if (n < 0 || (size_t)n >= SUITE_LIST - len)
			return false;
		len += (size_t)n;
	}
	return true;
}

int ktls_suites_apply(
	const struct ktls_suites *suites, SSL_CTX *ctx, const struct ktls_problem *problem)
{
	static char groups[] = "X25519:P-256:P-384";
	char tls12[SUITE_LIST], tls13[SUITE_LIST];
	int first = suites->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
	int last = suites->tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
	if (!join(suites, false, tls12) || !join(suites, true, tls13) ||
		(suites->tls12 && SSL_CTX_set_cipher_list(ctx, tls12) != 1) ||
		(suites->tls13 && SSL_CTX_set_ciphersuites(ctx, tls13) != 1) ||
		SSL_CTX_set_min_proto_version(ctx, first) != 1 ||
		SSL_CTX_set_max_proto_version(ctx, last) != 1 ||
		/* Without it the DHE suites are never chosen; the group fits the certificate. */
		SSL_CTX_set_dh_auto(ctx, 1) != 1 || SSL_CTX_set1_groups_list(ctx, groups) != 1)
		return ktls_refuse_openssl(problem, "ciphersuites");
	return 0;
}

/* ---- the listing --------------------------------------------------------------------- */

static bool is_offered(const struct ktls_server *server, const SSL_CIPHER *suite)
{
	if (is_tls13(suite))
		return SSL_CTX_get_max_proto_version(server->ctx) == TLS1_3_VERSION;
	return SSL_CTX_get_min_proto_version(server->ctx) == TLS1_2_VERSION &&
	       (ktls_suites_keys(suite) & server->keys);
}

size_t ktls_server_suites(const struct ktls_server *server, struct ktls_suite *out, size_t max)
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(server->ctx);
	size_t count = 0;
	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *suite = sk_SSL_CIPHER_value(all, i);
		if (!is_offered(server, suite) || count++ >= max)
			continue;
		struct ktls_suite *row = &out[count - 1];
		row->name = SSL_CIPHER_get_name(suite);
		row->standard_name = SSL_CIPHER_standard_name(suite);
		row->version = is_tls13(suite) ? KTLS_TLS13 : KTLS_TLS12;
		row->is_aead = SSL_CIPHER_is_aead(suite);
		row->bits = SSL_CIPHER_get_bits(suite, NULL);
		row->obstacle = kernel_columns(
			server->capabilities, suite, &row->kernel_tx, &row->kernel_rx);
	}
	return count;
}
