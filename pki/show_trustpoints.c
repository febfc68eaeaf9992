/* show pki trustpoints [status]: what IOS shows, and SHA-256. */
#include "pki/authority.h"
#include "pki/error.h"
#include "pki/request.h"
#include "pki/show.h"
#include "pki/subject.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* ---- show pki trustpoints -------------------------------------------------------------- */

static void show_subject(struct pki_outline *outline, const X509 *certificate)
{
	char *serial = pki_show_serial(certificate);
	pki_outline_name(
		outline, "subject", "Subject Name", NULL, X509_get_subject_name(certificate));
	pki_outline_field(outline, "serial_number", "Serial Number (hex)", serial ? serial : "?");
	OPENSSL_free(serial);
}

static const char *filled(const char *text)
{
	return text && *text ? text : NULL;
}

static void show_way(struct pki_outline *outline, const struct pki_trustpoint *trustpoint)
{
	static const char *const labels[] = {[PKI_METHOD_SCEP] = "SCEP URL",
		[PKI_METHOD_EST] = "EST URL",
		[PKI_METHOD_TFTP] = "TFTP URL",
		[PKI_METHOD_FILE] = "File",
		[PKI_METHOD_PKCS12] = "PKCS#12 file",
		[PKI_METHOD_PEM] = NULL};
	pki_outline_field(outline, "method", NULL, pki_method_name(trustpoint->method));
	if (trustpoint->method == PKI_METHOD_SELFSIGNED)
		pki_outline_line(outline, "Persistent self-signed certificate trust point");
	else if (trustpoint->method == PKI_METHOD_TERMINAL)
		pki_outline_line(outline, "Enrollment by cut and paste");
	else if (trustpoint->method == PKI_METHOD_PKCS12 && !filled(trustpoint->url))
		pki_outline_line(outline, "Enrollment by import of a PKCS#12 file");
	else if (trustpoint->method == PKI_METHOD_PROFILE && trustpoint->profile)
		pki_outline_field(
			outline, "profile", "Enrollment profile", trustpoint->profile->name);
	else if (trustpoint->method == PKI_METHOD_PEM && trustpoint->certificate_file)
		pki_outline_field(
			outline, "file", "Certificate file", trustpoint->certificate_file);
	if (filled(trustpoint->url) && trustpoint->method != PKI_METHOD_PROFILE)
		pki_outline_field(outline, "url", labels[trustpoint->method], trustpoint->url);
	if (filled(trustpoint->http_proxy))
		pki_outline_field(outline, "http_proxy", "HTTP proxy", trustpoint->http_proxy);
}

static void show_trustpoint(struct pki_outline *outline, const struct pki_state *state)
{
	const struct pki_generation *generation = &state->generation;
	X509 *own = generation->pairs[PKI_PAIR_MAIN].certificate;
	if (sk_X509_num(generation->ca) > 0)
		show_subject(outline, sk_X509_value(generation->ca, 0));
	else if (own && state->trustpoint->method == PKI_METHOD_SELFSIGNED)
		show_subject(outline, own);
	if (own && state->trustpoint->method != PKI_METHOD_SELFSIGNED)
		pki_outline_line(outline, "Certificate configured.");
	pki_outline_bool(outline, "has_certificate", NULL, own);
	show_way(outline, state->trustpoint);
}

/* ---- show pki trustpoints status ---------------------------------------------------------- */

static void show_certificate(
	struct pki_outline *outline, const char *key, const char *title, const X509 *certificate)
{
	char *subject = pki_subject_text(X509_get_subject_name(certificate));
	pki_outline_begin(outline, key, title);
	pki_outline_line(outline, "Subject Name:");
	pki_outline_line(outline, " %s", subject ? subject : "?");
	pki_outline_field(outline, "subject", NULL, subject ? subject : "?");
	pki_show_fingerprints(outline, certificate, true);
	pki_outline_end(outline, title);
	free(subject);
}

static const char *own_title(const struct pki_state *state, enum pki_pair pair)
{
	if (state->trustpoint->method == PKI_METHOD_SELFSIGNED)
		return "Router Self-Signed certificate configured:";
	if (!state->generation.pairs[PKI_PAIR_ENCRYPTION].certificate)
		return "Router General Purpose certificate configured:";
	return pair == PKI_PAIR_ENCRYPTION ? "Router Encryption certificate configured:"
					   : "Router Signature certificate configured:";
}

static const char *last_enrollment(const struct pki_state *state)
{
	if (state->pending.is_there)
		return state->pending.keys.facts.next_poll ? "Pending" : "Requested";
	return state->generation.pairs[PKI_PAIR_MAIN].certificate ? "Granted" : "None";
}

static void show_keys(struct pki_outline *outline, const struct pki_state *state)
{
	const struct pki_generation *keys =
		state->pending.is_there ? &state->pending.keys : &state->generation;
	bool has_two = keys->pairs[PKI_PAIR_ENCRYPTION].key;
	bool made = keys->pairs[PKI_PAIR_MAIN].key;
	if (made)
		pki_outline_line(outline, "Keys generated ............. Yes (%s, %sexportable)",
			has_two ? "Signature, Encryption" : "General Purpose",
			keys->facts.exportable ? "" : "non-");
	else
		pki_outline_line(outline, "Keys generated ............. No");
	pki_outline_bool(outline, "keys_generated", NULL, made);
	pki_outline_bool(outline, "keys_exportable", NULL, made && keys->facts.exportable);
	pki_outline_bool(outline, "usage_keys", NULL, has_two);
}

static void show_state(struct pki_outline *outline, const struct pki_state *state)
{
	bool authenticated = sk_X509_num(state->generation.ca) > 0;
	bool requested =
		state->generation.pairs[PKI_PAIR_MAIN].certificate || state->pending.is_there;
	pki_outline_begin(outline, "state", "State:");
	show_keys(outline, state);
	pki_outline_line(
		outline, "Issuing CA authenticated ....... %s", authenticated ? "Yes" : "No");
	pki_outline_bool(outline, "ca_authenticated", NULL, authenticated);
	pki_outline_line(outline, "Certificate request(s) ..... %s",
		state->pending.is_there ? "Pending"
		: requested             ? "Yes"
					: "None");
	pki_outline_bool(outline, "certificate_requested", NULL, requested);
	pki_outline_bool(outline, "request_pending", NULL, state->pending.is_there);
	pki_outline_end(outline, "State:");
}

static void show_status(struct pki_outline *outline, const struct pki_state *state)
{
	const struct pki_generation *generation = &state->generation;
	pki_outline_field(outline, "method", NULL, pki_method_name(state->trustpoint->method));
	if (sk_X509_num(generation->ca) > 0)
		show_certificate(outline, "ca_certificate",
			"Issuing CA certificate configured:", sk_X509_value(generation->ca, 0));
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++)
		if (generation->pairs[pair].certificate)
			show_certificate(outline,
				pair == PKI_PAIR_ENCRYPTION ? "encryption_certificate"
							    : "certificate",
				own_title(state, pair), generation->pairs[pair].certificate);
	pki_outline_field(
		outline, "last_enrollment", "Last enrollment status", last_enrollment(state));
	show_state(outline, state);
}

int pki_show_trustpoints(const struct pki_trustpoint *trustpoints, size_t count,
	const struct pki_show_options *options, char **out, struct pki_error *error)
{
	size_t loaded;
	char title[PKI_LABEL_SIZE + 16];
	struct pki_outline outline;
	struct pki_state *states = pki_states_load(trustpoints, count, options, &loaded, error);
	if (!states)
		return -1;
	pki_outline_init(&outline, options->json);
	pki_outline_begin_list(&outline, "trustpoints", NULL);
	for (size_t i = 0; i < loaded; i++) {
		snprintf(title, sizeof title, "Trustpoint %s:", states[i].trustpoint->name);
		pki_outline_begin(&outline, NULL, title);
		pki_outline_field(&outline, "name", NULL, states[i].trustpoint->name);
		if (*states[i].error.text)
			pki_outline_field(&outline, "error", "%", states[i].error.text);
		else if (options->status)
			show_status(&outline, &states[i]);
		else
			show_trustpoint(&outline, &states[i]);
		pki_outline_end(&outline, title);
		pki_outline_line(&outline, "%s", "");
	}
	pki_outline_end(&outline, NULL);
	int result = pki_outline_finish(&outline, out, error);
	pki_states_free(states, loaded);
	ERR_clear_error();
	return result;
}
