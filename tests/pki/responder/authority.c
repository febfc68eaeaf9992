#include "tests/pki/responder/authority.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#define DAY 86400L

/* The root answers SCEP itself; the intermediate does so although no usage of its allows it. */
#define ROOT_USAGE "critical,keyCertSign,cRLSign,digitalSignature,keyEncipherment"
#define CA_USAGE   "critical,keyCertSign,cRLSign"
#define TLS_NAMES  "DNS:localhost,IP:127.0.0.1,IP:::1"

/* clang-format off */
static const struct member {
	const char *file, *name;
	const char *basic, *usage, *alternative;
	enum authority_member issuer, key; /* its own number: a key of its own */
} table[MEMBERS] = {
	[ROOT]         = {"root", "Test Root CA", "critical,CA:TRUE", ROOT_USAGE, NULL, ROOT, ROOT},
	[INTERMEDIATE] = {"intermediate", "Test Issuing CA", "critical,CA:TRUE,pathlen:0", CA_USAGE,
			  NULL, ROOT, INTERMEDIATE},
	[RA_SIGN]      = {"ra-sign", "Test RA", "CA:FALSE", "critical,digitalSignature", NULL,
			  ROOT, RA_SIGN},
	[RA_ENCRYPT]   = {"ra-encrypt", "Test RA", "CA:FALSE", "critical,keyEncipherment", NULL,
			  ROOT, RA_ENCRYPT},
	[TIER_SIGN]    = {"tier-sign", "Test RA", "CA:FALSE", "critical,digitalSignature", NULL,
			  INTERMEDIATE, RA_SIGN},
	[TIER_ENCRYPT] = {"tier-encrypt", "Test RA", "CA:FALSE", "critical,keyEncipherment", NULL,
			  INTERMEDIATE, RA_ENCRYPT},
	[NEXT]         = {"next", "Test Root CA", "critical,CA:TRUE", ROOT_USAGE, NULL, NEXT, NEXT},
	[ROGUE]        = {"rogue", "Test Root CA", "critical,CA:TRUE", ROOT_USAGE, NULL, ROGUE, ROGUE},
	[TLS]          = {"tls", "localhost", "CA:FALSE", "digitalSignature,keyEncipherment",
			  TLS_NAMES, ROOT, TLS},
	[ROGUE_TLS]    = {"rogue-tls", "localhost", "CA:FALSE", "digitalSignature,keyEncipherment",
			  TLS_NAMES, ROGUE, ROGUE_TLS},
};
/* clang-format on */

/* ---- making certificates ---- */

static bool extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool added;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return added;
}

/* Version, a serial number that nobody had before, and dates, as seconds from now. */
static X509 *begin(long not_before, long not_after)
{
	X509 *certificate = X509_new();
	BIGNUM *serial = BN_new();

	if (certificate != NULL && serial != NULL && BN_rand(serial, 127, 0, 0) == 1) {
		X509_set_version(certificate, X509_VERSION_3);
		BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate));
		X509_gmtime_adj(X509_getm_notBefore(certificate), not_before);
		X509_gmtime_adj(X509_getm_notAfter(certificate), not_after);
	}
	BN_free(serial);
	return certificate;
}

static X509_NAME *member_name(const char *common_name)
{
	X509_NAME *name = X509_NAME_new();

	X509_NAME_add_entry_by_txt(
		name, "O", MBSTRING_UTF8, (const unsigned char *)"Ferrule Test", -1, -1, 0);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
	return name;
}

static X509 *member_certificate(
	const struct authority *authority, const struct member *member, EVP_PKEY *key)
{
	const struct pair *issuer = &authority->members[member->issuer];
	X509 *certificate = begin(-DAY, 3650 * DAY);
	X509_NAME *name = member_name(member->name);
	bool is_root = issuer->certificate == NULL;
	X509 *above = is_root ? certificate : issuer->certificate;

	X509_set_subject_name(certificate, name);
	X509_set_issuer_name(certificate, X509_get_subject_name(above));
	X509_set_pubkey(certificate, key);
	X509_NAME_free(name);
	if (extend(certificate, above, NID_basic_constraints, member->basic) &&
		extend(certificate, above, NID_key_usage, member->usage) &&
		extend(certificate, above, NID_subject_key_identifier, "hash") &&
		extend(certificate, above, NID_authority_key_identifier, "keyid") &&
		(member->alternative == NULL ||
			extend(certificate, above, NID_subject_alt_name, member->alternative)) &&
		X509_sign(certificate, is_root ? key : issuer->key, EVP_sha256()) > 0)
		return certificate;
	X509_free(certificate);
	return NULL;
}

/* ---- the directory ---- */

static FILE *member_file(
	const struct authority *authority, const char *name, const char *suffix, const char *mode)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s.%s", authority->directory, name, suffix);
	return fopen(path, mode);
}

static bool member_load(
	const struct authority *authority, const struct member *member, struct pair *pair)
{
	FILE *certificate = member_file(authority, member->file, "crt", "re");
	FILE *key = member_file(authority, table[member->key].file, "key", "re");

	if (certificate != NULL)
		pair->certificate = PEM_read_X509(certificate, NULL, NULL, NULL);
	if (key != NULL)
		pair->key = PEM_read_PrivateKey(key, NULL, NULL, NULL);
	if (certificate != NULL)
		fclose(certificate);
	if (key != NULL)
		fclose(key);
	return pair->certificate != NULL && pair->key != NULL;
}

static bool member_save(
	const struct authority *authority, const struct member *member, const struct pair *pair)
{
	FILE *certificate = member_file(authority, member->file, "crt", "we");
	FILE *key = member_file(authority, table[member->key].file, "key", "we");
	bool saved = certificate != NULL && key != NULL &&
		     PEM_write_X509(certificate, pair->certificate) == 1 &&
		     PEM_write_PrivateKey(key, pair->key, NULL, NULL, 0, NULL, NULL) == 1;

	if (certificate != NULL)
		saved = fclose(certificate) == 0 && saved;
	if (key != NULL)
		saved = fclose(key) == 0 && saved;
	return saved;
}

static bool member_make(struct authority *authority, enum authority_member which)
{
	const struct member *member = &table[which];
	struct pair *pair = &authority->members[which];
	EVP_PKEY *shared = authority->members[member->key].key;

	if (shared != NULL && EVP_PKEY_up_ref(shared) == 1)
		pair->key = shared;
	else
		pair->key = EVP_RSA_gen(2048);
	pair->certificate =
		pair->key != NULL ? member_certificate(authority, member, pair->key) : NULL;
	return pair->certificate != NULL && member_save(authority, member, pair);
}

bool authority_open(struct authority *authority, const char *directory)
{
	snprintf(authority->directory, sizeof(authority->directory), "%s", directory);
	mkdir(directory, 0755);
	for (unsigned i = 0; i < MEMBERS; i++)
		if (!member_load(authority, &table[i], &authority->members[i]) &&
			!member_make(authority, i))
			return false;
	return true;
}

/* ---- roles ---- */

const struct pair *authority_issuer(const struct authority *authority, const struct modes *modes)
{
	return &authority->members[modes_has(modes, "tier") ? INTERMEDIATE : ROOT];
}

static bool has_ra(const struct modes *modes)
{
	return modes_has(modes, "ra") || modes_has(modes, "ra-reversed");
}

const struct pair *authority_signer(const struct authority *authority, const struct modes *modes)
{
	bool tier = modes_has(modes, "tier");

	if (modes_has(modes, "unpinned"))
		return &authority->members[ROGUE];
	if (has_ra(modes))
		return &authority->members[tier ? TIER_SIGN : RA_SIGN];
	return authority_issuer(authority, modes);
}

STACK_OF(X509) * authority_bag(const struct authority *authority, const struct modes *modes)
{
	const struct pair *members = authority->members;
	STACK_OF(X509) *bag = sk_X509_new_null();
	bool tier = modes_has(modes, "tier");

	if (has_ra(modes)) {
		sk_X509_push(bag, members[tier ? TIER_SIGN : RA_SIGN].certificate);
		sk_X509_push(bag, members[tier ? TIER_ENCRYPT : RA_ENCRYPT].certificate);
	}
	if (tier)
		sk_X509_push(bag, members[INTERMEDIATE].certificate);
	if (modes_has(modes, "foreign"))
		sk_X509_push(bag, members[ROGUE_TLS].certificate);
	sk_X509_push(bag, members[ROOT].certificate);
	if (!modes_has(modes, "ra-reversed"))
		return bag;
	for (int i = 0, j = sk_X509_num(bag) - 1; i < j; i++, j--) {
		X509 *first = sk_X509_value(bag, i);

		sk_X509_set(bag, i, sk_X509_value(bag, j));
		sk_X509_set(bag, j, first);
	}
	return bag;
}

bool authority_issued(const struct authority *authority, X509 *certificate)
{
	static const enum authority_member issuers[] = {ROOT, INTERMEDIATE, NEXT};

	for (size_t i = 0; i < sizeof(issuers) / sizeof(issuers[0]); i++)
		if (X509_verify(certificate, authority->members[issuers[i]].key) == 1)
			return true;
	return false;
}

bool authority_vouches(
	const struct authority *authority, const struct modes *modes, X509 *certificate)
{
	if (modes_has(modes, "credential"))
		return X509_verify(certificate, authority->members[ROGUE].key) == 1;
	return authority_issued(authority, certificate);
}

/* ---- issuing ---- */

static bool copy_extension(X509 *certificate, const STACK_OF(X509_EXTENSION) * wanted, int nid)
{
	int found = X509v3_get_ext_by_NID(wanted, nid, -1);

	return found < 0 || X509_add_ext(certificate, X509v3_get_ext(wanted, found), -1) == 1;
}

static bool extend_leaf(
	X509 *certificate, X509 *issuer, const struct modes *modes, X509_REQ *request)
{
	STACK_OF(X509_EXTENSION) *wanted = X509_REQ_get_extensions(request);
	bool done = extend(certificate, issuer, NID_basic_constraints,
		modes_has(modes, "ca-true") ? "critical,CA:TRUE" : "critical,CA:FALSE");

	if (modes_has(modes, "other-san"))
		done = done && extend(certificate, issuer, NID_subject_alt_name,
				       "DNS:somebody-else.example.net");
	else
		done = done && copy_extension(certificate, wanted, NID_subject_alt_name);
	if (X509v3_get_ext_by_NID(wanted, NID_key_usage, -1) >= 0)
		done = done && copy_extension(certificate, wanted, NID_key_usage);
	else
		done = done && extend(certificate, issuer, NID_key_usage,
				       "critical,digitalSignature,keyEncipherment");
	done = done &&
	       extend(certificate, issuer, NID_ext_key_usage,
		       modes_has(modes, "client-only") ? "clientAuth" : "serverAuth,clientAuth") &&
	       extend(certificate, issuer, NID_subject_key_identifier, "hash") &&
	       extend(certificate, issuer, NID_authority_key_identifier, "keyid");
	if (modes_has(modes, "crl-dp"))
		done = done && extend(certificate, issuer, NID_crl_distribution_points,
				       "URI:http://crl.example.com/root.crl");
	sk_X509_EXTENSION_pop_free(wanted, X509_EXTENSION_free);
	return done;
}

/* Each one ends later than those before, also within a second: as renewals have to. */
static X509 *begin_leaf(const struct modes *modes)
{
	static atomic_long issued;

	if (modes_has(modes, "expired"))
		return begin(-2 * DAY, -DAY);
	if (modes_has(modes, "not-yet"))
		return begin(2 * DAY, 60 * DAY);
	if (modes_has(modes, "ahead"))
		return begin(120, 30 * DAY);
	return begin(-60, 30 * DAY + atomic_fetch_add(&issued, 1));
}

static X509 *issue_one(const struct authority *authority, const struct modes *modes,
	const struct pair *issuer, X509_REQ *request)
{
	X509 *certificate = begin_leaf(modes);
	X509_NAME *other = member_name("somebody-else");
	EVP_PKEY *key = modes_has(modes, "other-key") ? authority->members[TLS].key
						      : X509_REQ_get0_pubkey(request);
	bool done;

	if (modes_has(modes, "other-issuer"))
		issuer = &authority->members[ROGUE];
	X509_set_subject_name(certificate,
		modes_has(modes, "other-subject") ? other : X509_REQ_get_subject_name(request));
	X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate));
	done = X509_set_pubkey(certificate, key) == 1 &&
	       extend_leaf(certificate, issuer->certificate, modes, request) &&
	       X509_sign(certificate, issuer->key, EVP_sha256()) > 0;
	X509_NAME_free(other);
	if (done)
		return certificate;
	X509_free(certificate);
	return NULL;
}

STACK_OF(X509) * authority_issue(const struct authority *authority, const struct modes *modes,
			 const struct pair *issuer, X509_REQ *request, X509 *renewed)
{
	STACK_OF(X509) *issued = sk_X509_new_null();

	if (modes_has(modes, "empty"))
		return issued;
	if (modes_has(modes, "old") && renewed != NULL) {
		X509_add_cert(issued, renewed, X509_ADD_FLAG_UP_REF);
		return issued;
	}
	sk_X509_push(issued, issue_one(authority, modes, issuer, request));
	if (modes_has(modes, "two"))
		sk_X509_push(issued, issue_one(authority, modes, issuer, request));
	if (modes_has(modes, "tier"))
		X509_add_cert(issued, issuer->certificate, X509_ADD_FLAG_UP_REF);
	if (modes_has(modes, "with-root"))
		X509_add_cert(issued, authority->members[ROOT].certificate, X509_ADD_FLAG_UP_REF);
	return issued;
}

/* As "openssl crl2pkcs7 -nocrl" does. */
int bag_encode(STACK_OF(X509) * certificates, unsigned char **der)
{
	PKCS7 *bag = PKCS7_new();
	int len;

	*der = NULL;
	PKCS7_set_type(bag, NID_pkcs7_signed);
	bag->d.sign->contents->type = OBJ_nid2obj(NID_pkcs7_data);
	bag->d.sign->cert = X509_chain_up_ref(certificates);
	len = i2d_PKCS7(bag, der);
	PKCS7_free(bag);
	return len;
}

/* ---- reading requests ---- */

void request_challenge(X509_REQ *request, char *out, size_t size)
{
	int found = X509_REQ_get_attr_by_NID(request, NID_pkcs9_challengePassword, -1);
	const ASN1_TYPE *value =
		found < 0 ? NULL : X509_ATTRIBUTE_get0_type(X509_REQ_get_attr(request, found), 0);

	out[0] = '\0';
	if (value != NULL && value->type != V_ASN1_BOOLEAN && value->type != V_ASN1_NULL)
		snprintf(out, size, "%.*s", ASN1_STRING_length(value->value.asn1_string),
			(const char *)ASN1_STRING_get0_data(value->value.asn1_string));
}

char *name_text(const X509_NAME *name)
{
	return X509_NAME_oneline(name, NULL, 0);
}
