/* show pki certificates: what IOS shows, and SHA-256. */
#include "pki/authority.h"
#include "pki/error.h"
#include "pki/keys.h"
#include "pki/names.h"
#include "pki/request.h"
#include "pki/show.h"
#include "pki/subject.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMES_SIZE 1024

/* A certificate, and the trustpoints that have it. */
struct item {
	X509 *certificate; /* borrowed from a state */
	const char *kind, *title;
	const struct pki_state *state; /* the first that has it */
	char trustpoints[NAMES_SIZE];
	const char *label; /* of its key; NULL: not the device's own */
};

struct items {
	struct item *all; /* owned */
	size_t count;
	bool no_memory;
};

static void add(struct items *items, const struct pki_state *state, X509 *certificate,
	const char *kind, const char *title)
{
	const char *name = state->trustpoint->name;
	for (size_t i = 0; i < items->count; i++) {
		struct item *at = &items->all[i];
		if (strcmp(at->kind, kind) != 0 || X509_cmp(at->certificate, certificate) != 0)
			continue;
		size_t used = strlen(at->trustpoints);
		snprintf(at->trustpoints + used, sizeof at->trustpoints - used, " %s", name);
		return;
	}
	struct item *grown = realloc(items->all, (items->count + 1) * sizeof *grown);
	items->no_memory |= !grown;
	if (!grown)
		return;
	items->all = grown;
	struct item *item = &items->all[items->count++];
	*item = (struct item){
		.certificate = certificate, .kind = kind, .title = title, .state = state};
	snprintf(item->trustpoints, sizeof item->trustpoints, "%s", name);
	if (strcmp(kind, "certificate") == 0)
		item->label = *state->generation.facts.label ? state->generation.facts.label : name;
}

static void add_authority(
	struct items *items, const struct pki_state *state, const STACK_OF(X509) * certificates)
{
	for (int i = 0; i < sk_X509_num(certificates); i++) {
		X509 *certificate = sk_X509_value(certificates, i);
		uint32_t usage = X509_get_key_usage(certificate);
		if (X509_check_ca(certificate))
			add(items, state, certificate, "ca", "CA Certificate");
		else if (!(usage & KU_KEY_ENCIPHERMENT))
			add(items, state, certificate, "ra", "RA Signature Certificate");
		else if (!(usage & KU_DIGITAL_SIGNATURE))
			add(items, state, certificate, "ra", "RA KeyEncipher Certificate");
		else
			add(items, state, certificate, "ra", "RA General Purpose Certificate");
	}
}

static void gather(struct items *items, const struct pki_state *state)
{
	const char *title =
		pki_state_is_selfsigned(state) ? "Router Self-Signed Certificate" : "Certificate";
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++)
		if (state->generation.pairs[pair].certificate)
			add(items, state, state->generation.pairs[pair].certificate, "certificate",
				title);
	add_authority(items, state, state->generation.ca);
	add_authority(items, state, state->generation.others);
}

/* ---- one certificate ---------------------------------------------------------------- */

static const char *status_of(const X509 *certificate)
{
	time_t now = time(NULL);
	if (ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), now) <= 0)
		return "Expired";
	if (ASN1_TIME_cmp_time_t(X509_get0_notBefore(certificate), now) > 0)
		return "Not yet valid";
	return "Available";
}

/* By the certificate itself (RFC 5280 4.2.1.3). */
static const char *usage_of(X509 *certificate)
{
	uint32_t usage = X509_get_key_usage(certificate);
	bool signs = usage & (KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN);
	bool encrypts = usage & (KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT);
	bool is_ec = EVP_PKEY_is_a(X509_get0_pubkey(certificate), "RSA") != 1;
	if (X509_check_ca(certificate) && usage != UINT32_MAX)
		return "Signature";
	if (usage == UINT32_MAX || (signs && (encrypts || is_ec)))
		return "General Purpose";
	return signs ? "Signature" : "Encryption";
}

/* What IOS calls the name of a certificate: whom it is for. */
static char *device_of(const X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	char *name = pki_subject_get(subject, NID_pkcs9_unstructuredName);
	if (!name)
		name = pki_subject_get(subject, NID_commonName);
	if (name)
		pki_make_printable(name);
	return name;
}

static void show_distribution_points(struct pki_outline *outline, const X509 *certificate)
{
	STACK_OF(DIST_POINT) *points =
		X509_get_ext_d2i(certificate, NID_crl_distribution_points, NULL, NULL);
	char text[512];
	if (sk_DIST_POINT_num(points) > 0)
		pki_outline_begin_list(
			outline, "crl_distribution_points", "CRL Distribution Points:");
	for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
		const DIST_POINT_NAME *at = sk_DIST_POINT_value(points, i)->distpoint;
		for (int j = 0; at && at->type == 0 && j < sk_GENERAL_NAME_num(at->name.fullname);
			j++) {
			pki_names_text(
				sk_GENERAL_NAME_value(at->name.fullname, j), text, sizeof text);
			const char *uri = strncmp(text, "URI:", 4) == 0 ? text + 4 : text;
			pki_outline_line(outline, "%s", uri);
			pki_outline_field(outline, "url", NULL, uri);
		}
	}
	if (sk_DIST_POINT_num(points) > 0)
		pki_outline_end(outline, "");
	CRL_DIST_POINTS_free(points);
	ERR_clear_error();
}

static void show_dates(struct pki_outline *outline, const struct item *item)
{
	pki_outline_line(outline, "Validity Date:");
	outline->depth += outline->json ? 0 : 1;
	pki_outline_time(outline, "start", "start date",
		pki_show_seconds(X509_get0_notBefore(item->certificate)));
	pki_outline_time(outline, "end", "end  date",
		pki_show_seconds(X509_get0_notAfter(item->certificate)));
	if (item->label && !pki_state_is_selfsigned(item->state))
		pki_outline_line(outline, "renew date: not set (no automatic enrollment)");
	outline->depth -= outline->json ? 0 : 1;
}

/* ---- verbose --------------------------------------------------------------------------- */

static void show_key_identifier(struct pki_outline *outline, const char *key, const char *label,
	const ASN1_OCTET_STRING *value)
{
	char text[PKI_LABEL_SIZE] = "";
	size_t used = 0;
	if (!value)
		return;
	for (int i = 0; i < ASN1_STRING_length(value) && used + 3 < sizeof text; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%02X",
			i && i % 4 == 0 ? " " : "", ASN1_STRING_get0_data(value)[i]);
	pki_outline_field(outline, key, label, text);
}

/* OpenSSL's own words for an extension, on one line. */
static void show_extension(struct pki_outline *outline, const X509 *certificate, int nid,
	const char *key, const char *label)
{
	int index = X509_get_ext_by_NID(certificate, nid, -1);
	BIO *bio = index < 0 ? NULL : BIO_new(BIO_s_mem());
	char *data, *text = NULL;
	if (bio && X509V3_EXT_print(bio, X509_get_ext(certificate, index), 0, 0) == 1) {
		long len = BIO_get_mem_data(bio, &data);
		text = strndup(data, (size_t)len);
	}
	for (char *at = text; at && *at; at++)
		if (*at == '\n')
			*at = ' ';
	if (text) {
		pki_make_printable(text);
		pki_outline_field(outline, key, label, text);
	}
	free(text);
	BIO_free(bio);
	ERR_clear_error();
}

static void show_details(struct pki_outline *outline, X509 *certificate)
{
	char text[64];
	pki_keys_describe(X509_get0_pubkey(certificate), text, sizeof text);
	pki_outline_field(outline, "public_key", "Public Key", text);
	pki_outline_field(outline, "signature_algorithm", "Signature Algorithm",
		OBJ_nid2ln(X509_get_signature_nid(certificate)));
	pki_show_fingerprints(outline, certificate, true);
	pki_outline_line(outline, "X509v3 extensions:");
	outline->depth += outline->json ? 0 : 1;
	show_extension(outline, certificate, NID_key_usage, "key_usage", "X509v3 Key Usage");
	show_extension(outline, certificate, NID_ext_key_usage, "extended_key_usage",
		"X509v3 Extended Key Usage");
	show_extension(outline, certificate, NID_subject_alt_name, "subject_alt_name",
		"X509v3 Subject Alternative Name");
	show_extension(outline, certificate, NID_basic_constraints, "basic_constraints",
		"X509v3 Basic Constraints");
	show_key_identifier(outline, "subject_key_id", "X509v3 Subject Key ID",
		X509_get0_subject_key_id(certificate));
	show_key_identifier(outline, "authority_key_id", "X509v3 Authority Key ID",
		X509_get0_authority_key_id(certificate));
	show_extension(
		outline, certificate, NID_info_access, "authority_info", "Authority Info Access");
	outline->depth -= outline->json ? 0 : 1;
}

static void show_item(struct pki_outline *outline, const struct item *item, bool verbose)
{
	X509 *certificate = item->certificate;
	char *serial = pki_show_serial(certificate);
	char *device = item->label ? device_of(certificate) : NULL;
	pki_outline_begin(outline, NULL, item->title);
	pki_outline_field(outline, "kind", NULL, item->kind);
	pki_outline_field(outline, "title", NULL, item->title);
	pki_outline_field(outline, "status", "Status", status_of(certificate));
	pki_outline_field(
		outline, "serial_number", "Certificate Serial Number (hex)", serial ? serial : "?");
	pki_outline_field(outline, "usage", "Certificate Usage", usage_of(certificate));
	pki_outline_name(outline, "issuer", "Issuer", NULL, X509_get_issuer_name(certificate));
	pki_outline_name(outline, "subject", "Subject", device, X509_get_subject_name(certificate));
	show_distribution_points(outline, certificate);
	show_dates(outline, item);
	if (verbose)
		show_details(outline, certificate);
	else
		pki_show_fingerprints(outline, certificate, false);
	pki_outline_field(outline, "trustpoints", "Associated Trustpoints", item->trustpoints);
	if (item->label && verbose)
		pki_outline_field(outline, "key_label", "Key Label", item->label);
	pki_outline_end(outline, item->title);
	pki_outline_line(outline, "%s", "");
	OPENSSL_free(serial);
	free(device);
}

/* ---- what there is beside certificates ----------------------------------------------------- */

static void show_pending(struct pki_outline *outline, const struct pki_state *state)
{
	const struct pki_facts *facts = &state->pending.keys.facts;
	struct pki_names names;
	struct pki_error ignored = {""};
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		const struct pki_credentials *at = &state->pending.keys.pairs[pair];
		if (!at->key)
			continue;
		pki_outline_begin(outline, NULL, "Certificate");
		pki_outline_field(outline, "kind", NULL, "request");
		if (pki_names_init(&names, state->trustpoint, &ignored) == 0)
			pki_outline_name(
				outline, "subject", "Subject", names.device, names.subject);
		pki_names_done(&names);
		pki_outline_field(outline, "status", "Status",
			at->certificate ? "Granted, waits for the other one" : "Pending");
		pki_outline_field(outline, "usage", "Key Usage",
			pki_purpose_name(pki_purpose_of(state->trustpoint->usage, pair)));
		if (facts->requested)
			pki_outline_time(outline, "requested", "requested", facts->requested);
		if (facts->next_poll) {
			pki_outline_number(outline, "polls", "polls so far", facts->polls);
			pki_outline_time(outline, "next_poll", "next poll", facts->next_poll);
		}
		pki_outline_field(
			outline, "trustpoints", "Associated Trustpoints", state->trustpoint->name);
		pki_outline_end(outline, "Certificate");
		pki_outline_line(outline, "%s", "");
	}
}

static void show_error(struct pki_outline *outline, const struct pki_state *state)
{
	if (!*state->error.text)
		return;
	pki_outline_begin(outline, NULL, NULL);
	pki_outline_line(
		outline, "%% Trustpoint %s: %s", state->trustpoint->name, state->error.text);
	pki_outline_field(outline, "trustpoints", NULL, state->trustpoint->name);
	pki_outline_field(outline, "error", NULL, state->error.text);
	pki_outline_end(outline, NULL);
}

int pki_show_certificates(const struct pki_trustpoint *trustpoints, size_t count,
	const struct pki_show_options *options, char **out, struct pki_error *error)
{
	size_t loaded;
	struct items items = {0};
	struct pki_outline outline;
	struct pki_state *states = pki_states_load(trustpoints, count, options, &loaded, error);
	if (!states)
		return -1;
	pki_outline_init(&outline, options->json);
	pki_outline_begin_list(&outline, "certificates", NULL);
	for (size_t i = 0; i < loaded; i++) {
		gather(&items, &states[i]);
		show_error(&outline, &states[i]);
		show_pending(&outline, &states[i]);
	}
	for (size_t i = 0; i < items.count; i++)
		show_item(&outline, &items.all[i], options->verbose);
	pki_outline_end(&outline, NULL);
	int result = pki_outline_finish(&outline, out, error);
	free(items.all);
	pki_states_free(states, loaded);
	ERR_clear_error();
	return result;
}
