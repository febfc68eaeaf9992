#include "pki/names.h"
#include "pki/error.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_LIMIT 63 /* RFC 1035 2.3.4 */
#define NAME_LIMIT  253

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

/* '_' is no letter of a host name (RFC 952), but machines and browsers do not mind. */
static bool label_is_valid(const char *label, size_t len)
{
	return len > 0 && len <= LABEL_LIMIT && strspn(label, LETTERS DIGITS "-_") >= len;
}

/*
 * RFC 1035 2.3.1, with a wildcard as the whole first label (RFC 6125 6.4.3). A
 * last label of digits after a dot can only be a mistyped IPv4 address.
 */
static bool name_is_dns(const char *name)
{
	if (strlen(name) > NAME_LIMIT)
		return false;
	const char *label = strncmp(name, "*.", 2) == 0 ? name + 2 : name;
	size_t len = strcspn(label, ".");
	while (label[len] == '.') {
		if (!label_is_valid(label, len))
			return false;
		label += len + 1;
		len = strcspn(label, ".");
	}
	return label_is_valid(label, len) && (label == name || strspn(label, DIGITS) < len);
}

static ASN1_STRING *value_new(int type, const void *data, int len)
{
	ASN1_STRING *value = ASN1_STRING_type_new(type);
	if (value && ASN1_STRING_set(value, data, len) != 1) {
		ASN1_STRING_free(value);
		value = NULL;
	}
	return value;
}

/* NULL when memory ran out: the text has been checked. */
static GENERAL_NAME *name_new(int type, const void *data, int len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value =
		value_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING, data, len);
	if (name && value) {
		GENERAL_NAME_set0_value(name, type, value);
		return name;
	}
	GENERAL_NAME_free(name);
	ASN1_STRING_free(value);
	return NULL;
}

static GENERAL_NAME *name_new_dns(const char *text)
{
	char lower[NAME_LIMIT + 1];
	size_t len = strlen(text);
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)tolower((unsigned char)text[i]);
	return name_new(GEN_DNS, lower, (int)len);
}

static bool names_have(const GENERAL_NAMES *names, GENERAL_NAME *wanted)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names, i), wanted) == 0)
			return true;
	return false;
}

/* Takes the name over; NULL means that memory ran out. */
static int names_push(struct pki_names *names, GENERAL_NAME *name, struct pki_error *error)
{
	bool known = name && names_have(names->alts, name);
	if (name && !known && sk_GENERAL_NAME_push(names->alts, name) > 0)
		return 0;
	GENERAL_NAME_free(name);
	return known ? 0 : pki_error_memory(error);
}

static int names_add(
	struct pki_names *names, const char *text, const char *setting, struct pki_error *error)
{
	unsigned char address[sizeof(struct in6_addr)];
	if (inet_pton(AF_INET, text, address) == 1)
		return names_push(
			names, name_new(GEN_IPADD, address, sizeof(struct in_addr)), error);
	if (inet_pton(AF_INET6, text, address) == 1)
		return names_push(
			names, name_new(GEN_IPADD, address, sizeof(struct in6_addr)), error);
	if (name_is_dns(text))
		return names_push(names, name_new_dns(text), error);
	return pki_error_set(error,
		"%s: \"%s\" is neither a DNS name (international ones as xn--...) nor an IP "
		"address",
		setting, text);
}

static int names_set_common(
	struct pki_names *names, const struct pki_trustpoint *trustpoint, struct pki_error *error)
{
	const char *domain = trustpoint->domain_name;
	bool complete = !domain || !*domain || strchr(trustpoint->hostname, '.');
	if (asprintf(&names->common_name, "%s%s%s", trustpoint->hostname, complete ? "" : ".",
		    complete ? "" : domain) < 0) {
		names->common_name = NULL;
		return pki_error_memory(error);
	}
	for (char *at = names->common_name; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return 0;
}

static int names_set_alts(
	struct pki_names *names, const struct pki_trustpoint *trustpoint, struct pki_error *error)
{
	names->alts = sk_GENERAL_NAME_new_null();
	if (!names->alts)
		return pki_error_memory(error);
	if (names_add(names, trustpoint->hostname, "hostname", error))
		return -1;
	if (names_add(names, names->common_name, "hostname with domain_name", error))
		return -1;
	for (size_t i = 0; i < trustpoint->alt_name_count; i++)
		if (names_add(names, trustpoint->alt_names[i], "subject_alt_name", error))
			return -1;
	return 0;
}

/* RFC 5280 A.1 allows a common name 64 characters; clients look at the SAN anyway. */
static void names_shorten_common(struct pki_names *names)
{
	if (names->common_name && strlen(names->common_name) > ub_common_name)
		names->common_name[strcspn(names->common_name, ".")] = '\0';
}

int pki_names_init(
	struct pki_names *names, const struct pki_trustpoint *trustpoint, struct pki_error *error)
{
	*names = (struct pki_names){0};
	int result = names_set_common(names, trustpoint, error);
	if (result == 0)
		result = names_set_alts(names, trustpoint, error);
	if (result == 0)
		names_shorten_common(names);
	else
		pki_names_done(names);
	return result;
}

void pki_names_done(struct pki_names *names)
{
	free(names->common_name);
	sk_GENERAL_NAME_pop_free(names->alts, GENERAL_NAME_free);
	*names = (struct pki_names){0};
}

static bool common_name_matches(const struct pki_names *names, const X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (index < 0)
		return false;
	const ASN1_STRING *found = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
	size_t len = strlen(names->common_name);
	return (size_t)ASN1_STRING_length(found) == len &&
	       memcmp(ASN1_STRING_get0_data(found), names->common_name, len) == 0;
}

bool pki_names_match(const struct pki_names *names, const X509 *certificate)
{
	GENERAL_NAMES *found = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int count = sk_GENERAL_NAME_num(names->alts);
	bool same = found && sk_GENERAL_NAME_num(found) == count;
	for (int i = 0; same && i < count; i++)
		same = names_have(found, sk_GENERAL_NAME_value(names->alts, i));
	sk_GENERAL_NAME_pop_free(found, GENERAL_NAME_free);
	return same && common_name_matches(names, certificate);
}
