#include "pki/names.h"
#include "pki/error.h"
#include "pki/subject.h"

#include <assert.h>
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

bool pki_names_have(const GENERAL_NAMES *names, GENERAL_NAME *wanted)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names, i), wanted) == 0)
			return true;
	return false;
}

/* Takes the name over; NULL means that memory ran out. */
static int names_push(struct pki_names *names, GENERAL_NAME *name, struct pki_error *error)
{
	bool known = name && pki_names_have(names->alts, name);
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

static int device_set(
	struct pki_names *names, const struct pki_trustpoint *trustpoint, struct pki_error *error)
{
	const char *domain = trustpoint->domain_name;
	bool complete = !domain || !*domain || strchr(trustpoint->hostname, '.');
	if (asprintf(&names->device, "%s%s%s", trustpoint->hostname, complete ? "" : ".",
		    complete ? "" : domain) < 0) {
		names->device = NULL;
		return pki_error_memory(error);
	}
	for (char *at = names->device; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return 0;
}

/* NULL: it is not in the request at all. */
static const char *fqdn_of(const struct pki_names *names, const struct pki_trustpoint *trustpoint)
{
	const char *fqdn = trustpoint->fqdn;
	if (!fqdn)
		return names->device;
	return strcmp(fqdn, "none") == 0 ? NULL : fqdn;
}

/* RFC 5280 A.1 allows a common name 64 characters; clients look at the SAN anyway. */
static int subject_set_default(
	struct pki_names *names, const struct pki_trustpoint *trustpoint, struct pki_error *error)
{
	const char *fqdn = fqdn_of(names, trustpoint);
	assert(names->device); /* set first */
	char *common = strdup(fqdn ? fqdn : names->device);
	if (!common)
		return pki_error_memory(error);
	if (strlen(common) > ub_common_name)
		common[strcspn(common, ".")] = '\0';
	int result = pki_subject_add(names->subject, NID_commonName, common, false, error);
	free(common);
	return result;
}

/* IOS: serialNumber=C63EBBE9+ipaddress=10.3.0.18+hostname=test.example.com, one part. */
static int subject_add_device(
	struct pki_names *names, const struct pki_trustpoint *trustpoint, struct pki_error *error)
{
	const struct {
		int nid;
		const char *value;
	} parts[] = {
		{NID_serialNumber, trustpoint->serial_number},
		{NID_pkcs9_unstructuredAddress, trustpoint->ip_address},
		{NID_pkcs9_unstructuredName, trustpoint->fqdn ? fqdn_of(names, trustpoint) : NULL},
	};
	bool joined = false;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (!parts[i].value)
			continue;
		if (pki_subject_add(names->subject, parts[i].nid, parts[i].value, joined, error))
			return -1;
		joined = true;
	}
	return 0;
}

static int subject_set(
	struct pki_names *names, const struct pki_trustpoint *trustpoint, struct pki_error *error)
{
	names->subject = X509_NAME_new();
	if (!names->subject)
		return pki_error_memory(error);
	int result = trustpoint->subject_name
			     ? pki_subject_parse(names->subject, trustpoint->subject_name, error)
			     : subject_set_default(names, trustpoint, error);
	return result ? result : subject_add_device(names, trustpoint, error);
}

/* A common name that no client would look for is left to the subject. */
static int alts_add_common(struct pki_names *names, struct pki_error *error)
{
	unsigned char address[sizeof(struct in6_addr)];
	char *common = pki_subject_get(names->subject, NID_commonName);
	bool is_name = common && strchr(common, '.') && name_is_dns(common);
	bool is_address = common && (inet_pton(AF_INET, common, address) == 1 ||
					    inet_pton(AF_INET6, common, address) == 1);
	int result = is_name || is_address ? names_add(names, common, "subject_name", error) : 0;
	free(common);
	return result;
}

static int alts_set(
	struct pki_names *names, const struct pki_trustpoint *trustpoint, struct pki_error *error)
{
	const char *fqdn = fqdn_of(names, trustpoint);
	names->alts = sk_GENERAL_NAME_new_null();
	if (!names->alts)
		return pki_error_memory(error);
	if (trustpoint->method == PKI_METHOD_SELFSIGNED &&
		names_add(names, trustpoint->hostname, "hostname", error))
		return -1;
	if (fqdn && names_add(names, fqdn, trustpoint->fqdn ? "fqdn" : "hostname with domain_name",
			    error))
		return -1;
	if (trustpoint->subject_name && alts_add_common(names, error))
		return -1;
	if (trustpoint->ip_address && names_add(names, trustpoint->ip_address, "ip_address", error))
		return -1;
	for (size_t i = 0; i < trustpoint->alt_name_count; i++)
		if (names_add(names, trustpoint->alt_names[i], "subject_alt_name", error))
			return -1;
	return 0;
}

int pki_names_init(
	struct pki_names *names, const struct pki_trustpoint *trustpoint, struct pki_error *error)
{
	*names = (struct pki_names){0};
	int result = device_set(names, trustpoint, error);
	if (result == 0)
		result = subject_set(names, trustpoint, error);
	if (result == 0)
		result = alts_set(names, trustpoint, error);
	if (result)
		pki_names_done(names);
	return result;
}

void pki_names_done(struct pki_names *names)
{
	free(names->device);
	X509_NAME_free(names->subject);
	sk_GENERAL_NAME_pop_free(names->alts, GENERAL_NAME_free);
	*names = (struct pki_names){0};
}

bool pki_names_match(const struct pki_names *names, const X509 *certificate)
{
	GENERAL_NAMES *found = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int count = sk_GENERAL_NAME_num(names->alts);
	bool same = found && sk_GENERAL_NAME_num(found) == count;
	for (int i = 0; same && i < count; i++)
		same = pki_names_have(found, sk_GENERAL_NAME_value(names->alts, i));
	sk_GENERAL_NAME_pop_free(found, GENERAL_NAME_free);
	return same && X509_NAME_cmp(X509_get_subject_name(certificate), names->subject) == 0;
}

static void address_text(const ASN1_OCTET_STRING *address, char *text, size_t size)
{
	char numeric[INET6_ADDRSTRLEN] = "?";
	int len = ASN1_STRING_length(address);
	if (len == sizeof(struct in_addr))
		inet_ntop(AF_INET, ASN1_STRING_get0_data(address), numeric, sizeof numeric);
	else if (len == sizeof(struct in6_addr))
		inet_ntop(AF_INET6, ASN1_STRING_get0_data(address), numeric, sizeof numeric);
	snprintf(text, size, "IP:%s", numeric);
}

/* What a CA wrote into an IA5String may be anything: only what is printable is shown. */
static void ia5_text(const char *kind, const ASN1_STRING *value, char *text, size_t size)
{
	const unsigned char *data = ASN1_STRING_get0_data(value);
	int len = ASN1_STRING_length(value);
	size_t used = (size_t)snprintf(text, size, "%s:", kind);
	for (int i = 0; i < len && used + 1 < size; i++)
		text[used++] = isgraph(data[i]) ? (char)data[i] : '?';
	text[used] = '\0';
}

void pki_names_text(const GENERAL_NAME *name, char *text, size_t size)
{
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
	if (type == GEN_DNS || type == GEN_EMAIL || type == GEN_URI)
		ia5_text(type == GEN_DNS     ? "DNS"
			 : type == GEN_EMAIL ? "email"
					     : "URI",
			value, text, size);
	else if (type == GEN_IPADD)
		address_text(value, text, size);
	else
		snprintf(text, size, "other");
}
