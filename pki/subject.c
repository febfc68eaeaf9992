#include "pki/subject.h"
#include "pki/error.h"

#include <ctype.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VALUE_LIMIT 256
#define TYPE_LIMIT  64

/* What people and IOS write, beside OpenSSL's own names and dotted OIDs. */
static const struct {
	const char *word;
	int nid;
} types[] = {
	{"CN", NID_commonName},
	{"O", NID_organizationName},
	{"OU", NID_organizationalUnitName},
	{"C", NID_countryName},
	{"L", NID_localityName},
	{"ST", NID_stateOrProvinceName},
	{"SP", NID_stateOrProvinceName},
	{"S", NID_stateOrProvinceName},
	{"E", NID_pkcs9_emailAddress},
	{"EA", NID_pkcs9_emailAddress},
	{"emailAddress", NID_pkcs9_emailAddress},
	{"serialNumber", NID_serialNumber},
	{"hostname", NID_pkcs9_unstructuredName},
	{"unstructuredName", NID_pkcs9_unstructuredName},
	{"ipaddress", NID_pkcs9_unstructuredAddress},
	{"unstructuredAddress", NID_pkcs9_unstructuredAddress},
	{"DC", NID_domainComponent},
	{"UID", NID_userId},
	{"T", NID_title},
	{"title", NID_title},
};

static int type_find(const char *word)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcasecmp(word, types[i].word) == 0)
			return types[i].nid;
	return OBJ_txt2nid(word);
}

/* A position in the text, and the attribute that was read last. */
struct parser {
	const char *at;
	char type[TYPE_LIMIT];
	char value[VALUE_LIMIT];
	size_t value_len;
};

static void skip_spaces(struct parser *parser)
{
	while (*parser->at == ' ')
		parser->at++;
}

static bool parse_type(struct parser *parser)
{
	size_t len = strcspn(parser->at, "=,+\\\"");
	const char *end = parser->at + len;
	if (*end != '=')
		return false;
	while (len > 0 && parser->at[len - 1] == ' ')
		len--;
	if (len == 0 || len >= sizeof parser->type)
		return false;
	memcpy(parser->type, parser->at, len);
	parser->type[len] = '\0';
	parser->at = end + 1;
	return true;
}

static bool put(struct parser *parser, char byte)
{
	if (parser->value_len >= sizeof parser->value - 1)
		return false;
	parser->value[parser->value_len++] = byte;
	return true;
}

/* RFC 4514 2.4: a backslash before a special character, or before two hex digits. */
static bool parse_escape(struct parser *parser)
{
	const char *at = ++parser->at;
	if (isxdigit((unsigned char)at[0]) && isxdigit((unsigned char)at[1])) {
		char digits[] = {at[0], at[1], '\0'};
		parser->at += 2;
		return put(parser, (char)strtol(digits, NULL, 16));
	}
	if (*at == '\0')
		return false;
	parser->at++;
	return put(parser, *at);
}

/* Up to an unescaped comma or plus; spaces at the ends do not count, quotes keep them. */
static bool parse_value(struct parser *parser)
{
	bool quoted = false;
	size_t kept = 0;
	parser->value_len = 0;
	skip_spaces(parser);
	while (*parser->at && (quoted || !strchr(",+", *parser->at))) {
		if (*parser->at == '"') {
			quoted = !quoted;
			parser->at++;
			kept = parser->value_len;
			continue;
		}
		bool space = *parser->at == ' ' && !quoted;
		bool done = *parser->at == '\\' ? parse_escape(parser) : put(parser, *parser->at++);
		if (!done)
			return false;
		if (!space)
			kept = parser->value_len;
	}
	parser->value_len = kept;
	parser->value[kept] = '\0';
	return !quoted && kept > 0;
}

static int complain(const char *text, const struct parser *parser, struct pki_error *error)
{
	return pki_error_set(error,
		"subject_name \"%s\" cannot be read at \"%.32s\"; write it as "
		"CN=router1.example.com, OU=Lab, O=Example",
		text, parser->at);
}

/* In front of what is there, or joined to the part that is in front. */
static int add_front(
	X509_NAME *name, const struct parser *parser, bool joined, struct pki_error *error)
{
	int nid = type_find(parser->type);
	ERR_clear_error();
	if (nid == NID_undef)
		return pki_error_set(error,
			"subject_name: \"%s\" is no known kind of attribute; use CN, OU, O, L, ST, "
			"C, DC, E, serialNumber, or an OID in dotted form",
			parser->type);
	if (X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
		    (const unsigned char *)parser->value, (int)parser->value_len, 0,
		    joined ? 1 : 0) == 1)
		return 0;
	return pki_error_openssl(
		error, "subject_name: %s=\"%s\" is not possible", parser->type, parser->value);
}

int pki_subject_parse(X509_NAME *name, const char *text, struct pki_error *error)
{
	struct parser parser = {.at = text};
	bool joined = false;
	for (;;) {
		skip_spaces(&parser);
		if (!parse_type(&parser) || !parse_value(&parser))
			return complain(text, &parser, error);
		if (add_front(name, &parser, joined, error))
			return -1;
		if (*parser.at == '\0')
			return 0;
		joined = *parser.at++ == '+';
	}
}

int pki_subject_add(
	X509_NAME *name, int nid, const char *value, bool joined, struct pki_error *error)
{
	joined = joined && X509_NAME_entry_count(name) > 0;
	if (X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const unsigned char *)value, -1,
		    -1, joined ? -1 : 0) == 1)
		return 0;
	return pki_error_openssl(
		error, "%s=\"%s\" is not possible in a subject name", OBJ_nid2sn(nid), value);
}

char *pki_subject_text(const X509_NAME *name)
{
	char *data = NULL, *text = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	/* Control characters escaped: what a CA wrote is shown on terminals. */
	unsigned long flags = XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_DN_REV | XN_FLAG_SPC_EQ |
			      XN_FLAG_FN_SN | XN_FLAG_DUMP_UNKNOWN_FIELDS | ASN1_STRFLGS_ESC_2253 |
			      ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_ESC_MSB |
			      ASN1_STRFLGS_UTF8_CONVERT | ASN1_STRFLGS_DUMP_UNKNOWN |
			      ASN1_STRFLGS_DUMP_DER;
	if (bio && X509_NAME_print_ex(bio, name, 0, flags) >= 0) {
		long len = BIO_get_mem_data(bio, &data);
		text = strndup(data ? data : "", (size_t)len);
	}
	BIO_free(bio);
	return text;
}

char *pki_subject_get(const X509_NAME *name, int nid)
{
	int index = X509_NAME_get_index_by_NID(name, nid, -1);
	unsigned char *utf8 = NULL;
	if (index < 0)
		return NULL;
	int len = ASN1_STRING_to_UTF8(
		&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
	char *text = len < 0 ? NULL : strndup((const char *)utf8, (size_t)len);
	OPENSSL_free(utf8);
	ERR_clear_error();
	return text;
}

static bool values_equal(const ASN1_STRING *left, const ASN1_STRING *right)
{
	unsigned char *a = NULL, *b = NULL;
	int a_len = ASN1_STRING_to_UTF8(&a, left), b_len = ASN1_STRING_to_UTF8(&b, right);
	bool same = a_len >= 0 && a_len == b_len &&
		    strncasecmp((const char *)a, (const char *)b, (size_t)a_len) == 0;
	OPENSSL_free(a);
	OPENSSL_free(b);
	ERR_clear_error();
	return same;
}

bool pki_subject_has(const X509_NAME *name, const ASN1_OBJECT *type, const ASN1_STRING *value)
{
	int index = -1;
	while ((index = X509_NAME_get_index_by_OBJ(name, type, index)) >= 0)
		if (values_equal(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)), value))
			return true;
	return false;
}
