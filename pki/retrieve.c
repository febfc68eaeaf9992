#include "pki/retrieve.h"
#include "pki/answer.h"
#include "pki/error.h"
#include "pki/est.h"
#include "pki/file.h"
#include "pki/names.h"
#include "pki/paste.h"
#include "pki/profile.h"
#include "pki/scep.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* ---- which way ------------------------------------------------------------------------- */

static bool is_set(const char *text)
{
	return text && *text;
}

struct pki_way pki_way_of(
	const struct pki_trustpoint *trustpoint, const struct pki_profile_template *step)
{
	struct pki_way way = {.route = PKI_ROUTE_NONE, .url = step ? step->url : trustpoint->url};
	switch (trustpoint->method) {
	case PKI_METHOD_SCEP:
		way.route = PKI_ROUTE_SCEP;
		break;
	case PKI_METHOD_EST:
		way.route = PKI_ROUTE_EST;
		break;
	case PKI_METHOD_TERMINAL:
		way.route = PKI_ROUTE_TERMINAL;
		break;
	case PKI_METHOD_TFTP:
	case PKI_METHOD_FILE:
		way.route = PKI_ROUTE_FILES;
		break;
	case PKI_METHOD_PROFILE:
		if (!step || !is_set(step->url))
			break;
		if (strcmp(step->url, PKI_URL_TERMINAL) == 0)
			way.route = PKI_ROUTE_TERMINAL;
		else if (pki_transport_protocol(step->url) & (PKI_FETCH_TFTP | PKI_FETCH_FILE))
			way.route = PKI_ROUTE_FILES;
		else if (is_set(step->command))
			way.route = PKI_ROUTE_TEMPLATE, way.command = step;
		else
			/* As on IOS, a URL without a command speaks SCEP. */
			way.route = PKI_ROUTE_SCEP;
		break;
	case PKI_METHOD_SELFSIGNED:
	case PKI_METHOD_PEM:
	case PKI_METHOD_PKCS12:
		break;
	}
	return way;
}

struct pki_way pki_way_to_authenticate(const struct pki_trustpoint *trustpoint)
{
	return pki_way_of(
		trustpoint, trustpoint->profile ? &trustpoint->profile->authentication : NULL);
}

struct pki_way pki_way_to_enroll(const struct pki_trustpoint *trustpoint, bool renews)
{
	const struct pki_profile *profile = trustpoint->profile;
	if (profile && renews && is_set(profile->reenrollment.url))
		return pki_way_of(trustpoint, &profile->reenrollment);
	return pki_way_of(trustpoint, profile ? &profile->enrollment : NULL);
}

/* ---- files ------------------------------------------------------------------------------- */

int pki_retrieve_location(const struct pki_trustpoint *trustpoint, const char *url,
	const char *suffix, char **out, struct pki_error *error)
{
	struct pki_names names;
	const char *scheme = *url == '/' ? "file://" : "";
	const char *path = strstr(url, "://");
	path = strchr(path ? path + 3 : url, '/');
	bool has_name = path && path[strlen(path) - 1] != '/';
	if (pki_names_init(&names, trustpoint, error))
		return -1;
	if (asprintf(out, "%s%s%s%s%s", scheme, url, path ? "" : "/", has_name ? "" : names.device,
		    suffix) < 0)
		*out = NULL;
	pki_names_done(&names);
	return *out ? 0 : pki_error_memory(error);
}

int pki_retrieve_file(const char *path, STACK_OF(X509) * *out, struct pki_error *error)
{
	struct pki_file file;
	*out = NULL;
	if (pki_file_read(path, &file, error))
		return -1;
	int result = pki_paste_parse(file.data, file.len, path, out, error);
	pki_file_done(&file);
	return result;
}

int pki_retrieve_paste(const struct pki_context *context, const char *prompt, STACK_OF(X509) * *out,
	struct pki_error *error)
{
	char *text = NULL;
	size_t len = 0;
	*out = NULL;
	if (context->interaction->read_paste(
		    context->interaction->context, prompt, &text, &len, error))
		return -1;
	int result = pki_paste_parse(text, len, "what was pasted", out, error);
	OPENSSL_cleanse(text, len);
	free(text);
	return result;
}

int pki_retrieve_url(const struct pki_trustpoint *trustpoint, const char *url,
	const struct pki_context *context, STACK_OF(X509) * *out, struct pki_error *error)
{
	struct pki_fetch_request request =
		pki_transport_request(trustpoint, url, pki_transport_protocol(url));
	struct pki_fetch_reply reply;
	*out = NULL;
	if (pki_transport_fetch(context, &request, &reply, error))
		return -1;
	int result = pki_answer_check(&reply, url, error);
	if (result == 0)
		result = pki_paste_parse(reply.body, reply.len, url, out, error);
	pki_fetch_reply_done(&reply);
	return result;
}

static int retrieve_file_authority(const struct pki_trustpoint *trustpoint, const char *url,
	const struct pki_context *context, STACK_OF(X509) * *out, struct pki_error *error)
{
	char *location = NULL;
	if (pki_retrieve_location(trustpoint, url, ".ca", &location, error))
		return -1;
	pki_say(context, "%% Loading %s", location);
	int result = pki_retrieve_url(trustpoint, location, context, out, error);
	free(location);
	return result;
}

/* ---- https ------------------------------------------------------------------------------- */

static bool append_file(BIO *bio, const char *path)
{
	struct pki_file file;
	struct pki_error ignored = {""};
	if (!path || pki_file_read(path, &file, &ignored))
		return true;
	bool done = BIO_write(bio, file.data, (int)file.len) == (int)file.len;
	pki_file_done(&file);
	return done;
}

int pki_retrieve_anchors(
	const struct pki_generation *current, bool pool, char **out, struct pki_error *error)
{
	BIO *bio = pki_pem_write_certificates(NULL, current->ca);
	char *data;
	*out = NULL;
	bool done = bio && (!pool || append_file(bio, pki_trustpool_file()));
	long len = done ? BIO_get_mem_data(bio, &data) : 0;
	if (done && len > 0) {
		*out = strndup(data, (size_t)len);
		done = *out;
	}
	BIO_free(bio);
	return done ? 0 : pki_error_memory(error);
}

/*
 * CA certificates come from a server nobody can vouch for yet: their fingerprint is what
 * counts (RFC 7030 4.1.1). Once a CA is trusted its server must show it.
 */
static int fetch_authority(const struct pki_trustpoint *trustpoint, const char *url,
	const struct pki_generation *current, bool pool, const struct pki_context *context,
	struct pki_fetch_reply *reply, struct pki_error *error)
{
	char *anchors = NULL;
	struct pki_fetch_request request =
		pki_transport_request(trustpoint, url, PKI_FETCH_HTTP | PKI_FETCH_HTTPS);
	request.trust = current->ca ? PKI_FETCH_ANCHORS : PKI_FETCH_BOOTSTRAP;
	if (current->ca && pki_retrieve_anchors(current, pool, &anchors, error))
		return -1;
	request.anchors = anchors;
	int result = pki_transport_fetch(context, &request, reply, error);
	free(anchors);
	return result;
}

/* ---- by protocol -------------------------------------------------------------------------- */

static int retrieve_scep(const struct pki_trustpoint *trustpoint, const char *base,
	const struct pki_generation *current, const struct pki_context *context,
	STACK_OF(X509) * *out, struct pki_error *error)
{
	char *url = NULL;
	struct pki_fetch_reply reply;
	struct pki_scep_authority authority = {0};
	if (pki_scep_url(base, "GetCACert", NULL, &url, error))
		return -1;
	int result = fetch_authority(trustpoint, url, current, true, context, &reply, error);
	free(url);
	if (result)
		return -1;
	result = pki_answer_check(&reply, "SCEP GetCACert", error);
	if (result == 0)
		result = pki_scep_authority_parse(
			reply.body, reply.len, trustpoint->ra_fingerprint, &authority, error);
	if (result == 0 && trustpoint->ra && authority.recipient == authority.ca)
		result = pki_error_set(error,
			"the server has no RA certificates, only the CA's, but the trustpoint says "
			"ra = true; remove that, or give the URL of the RA");
	if (result == 0) {
		*out = authority.all;
		authority.all = NULL;
	}
	pki_scep_authority_done(&authority);
	pki_fetch_reply_done(&reply);
	return result;
}

static int retrieve_est(const struct pki_trustpoint *trustpoint, const char *base,
	const struct pki_generation *current, const struct pki_context *context,
	STACK_OF(X509) * *out, struct pki_error *error)
{
	char *url = NULL;
	struct pki_fetch_reply reply;
	if (pki_est_url(base, PKI_EST_CACERTS, &url, error))
		return -1;
	int result = fetch_authority(trustpoint, url, current, false, context, &reply, error);
	free(url);
	if (result)
		return -1;
	result = pki_answer_check(&reply, "EST cacerts", error);
	if (result == 0)
		result = pki_est_parse_cacerts(&reply, out, error);
	pki_fetch_reply_done(&reply);
	return result;
}

/* ---- templates ---------------------------------------------------------------------------- */

/* The values of $P1 to $P8, asked for where the profile says so. */
struct values {
	char *parameters[PKI_PROFILE_PARAMETERS]; /* owned */
};

static void values_done(struct values *values)
{
	for (size_t i = 0; i < PKI_PROFILE_PARAMETERS; i++) {
		if (values->parameters[i])
			OPENSSL_cleanse(values->parameters[i], strlen(values->parameters[i]));
		free(values->parameters[i]);
	}
	*values = (struct values){0};
}

/* Only those that the command uses are asked for. */
static bool command_uses(const char *command, size_t parameter)
{
	char name[8];
	snprintf(name, sizeof name, "$P%zu", parameter + 1);
	return strstr(command, name);
}

static int values_fill(const struct pki_profile *profile, const struct pki_profile_template *step,
	const struct pki_context *context, struct values *out, struct pki_error *error)
{
	for (size_t i = 0; i < PKI_PROFILE_PARAMETERS; i++) {
		const char *value = profile->parameters[i].value;
		const char *prompt = profile->parameters[i].prompt;
		if (!command_uses(step->command, i))
			continue;
		if (value) {
			out->parameters[i] = strdup(value);
			if (!out->parameters[i])
				return pki_error_memory(error);
		} else if (prompt && context->interaction->ask_text(context->interaction->context,
					     prompt, "a value in the profile's parameters",
					     &out->parameters[i], error))
			return -1;
	}
	return 0;
}

/* PEM for the child that does the transfer: a certificate with its chain, and its key. */
struct login {
	BIO *certificate, *key;
};

static void login_done(struct login *login)
{
	BIO_free(login->certificate);
	BIO_free(login->key);
}

static const char *login_text(BIO *bio)
{
	char *data = NULL;
	/* The NUL ends the text in the BIO. */
	if (!bio || BIO_write(bio, "", 1) != 1 || BIO_get_mem_data(bio, &data) <= 0)
		return NULL;
	return data;
}

static int login_apply(struct login *login, const struct pki_credentials *from,
	struct pki_fetch_request *request, struct pki_error *error)
{
	*login = (struct login){0};
	if (!from || !from->certificate || !(request->protocols & PKI_FETCH_HTTPS))
		return 0;
	login->certificate = pki_pem_write_certificates(from->certificate, from->chain);
	login->key = pki_pem_write_key(from->key);
	request->client_certificate = login_text(login->certificate);
	request->client_key = login_text(login->key);
	return request->client_certificate && request->client_key ? 0 : pki_error_memory(error);
}

/* Nothing that is a secret, or may be one: neither headers of its own nor parameters. */
static bool is_bare_get(
	const struct pki_profile_template *step, const struct pki_profile_http *http)
{
	return http->method == PKI_FETCH_GET && http->header_count == 0 &&
	       !strstr(step->command, "$P");
}

static int template_fetch(const struct pki_trustpoint *trustpoint,
	const struct pki_profile_template *step, const struct pki_profile_http *http,
	const struct pki_generation *current, const struct pki_credentials *login,
	const struct pki_context *context, STACK_OF(X509) * *out, struct pki_error *error)
{
	char *anchors = NULL;
	struct login pem = {0};
	struct pki_fetch_reply reply = {0};
	struct pki_fetch_request request =
		pki_transport_request(trustpoint, http->url, pki_transport_protocol(http->url));
	pki_profile_apply(http, &request);
	int result = pki_retrieve_anchors(current, true, &anchors, error);
	request.trust = PKI_FETCH_ANCHORS;
	request.anchors = anchors;
	/* Before anything is trusted only a GET without credentials may go unverified. */
	if (!current->ca && !login && is_bare_get(step, http))
		request.trust = PKI_FETCH_BOOTSTRAP;
	if (result == 0)
		result = login_apply(&pem, login, &request, error);
	if (result == 0)
		result = pki_transport_fetch(context, &request, &reply, error);
	if (result == 0) {
		result = pki_profile_parse(&reply, out, error);
		pki_fetch_reply_done(&reply);
	}
	login_done(&pem);
	free(anchors);
	return result;
}

int pki_retrieve_template(const struct pki_trustpoint *trustpoint,
	const struct pki_profile_template *step, X509_REQ *request,
	const struct pki_generation *current, const struct pki_credentials *login,
	const struct pki_context *context, STACK_OF(X509) * *out, struct pki_error *error)
{
	struct values owned = {0};
	struct pki_profile_values values = {.request = request};
	struct pki_profile_http http = {0};
	*out = NULL;
	int result = values_fill(trustpoint->profile, step, context, &owned, error);
	for (size_t i = 0; i < PKI_PROFILE_PARAMETERS; i++)
		values.parameters[i] = owned.parameters[i];
	if (result == 0)
		result = pki_profile_expand(step, &values, &http, error);
	if (result == 0)
		result = template_fetch(
			trustpoint, step, &http, current, login, context, out, error);
	pki_profile_http_done(&http);
	values_done(&owned);
	return result;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static int refuse(const struct pki_trustpoint *trustpoint, struct pki_error *error)
{
	switch (trustpoint->method) {
	case PKI_METHOD_SELFSIGNED:
		return pki_error_set(error,
			"trustpoint %s is self-signed: there is no CA to authenticate",
			trustpoint->name);
	case PKI_METHOD_PEM:
		return pki_error_set(error,
			"trustpoint %s takes its certificates from files; whom to trust is in "
			"files.ca",
			trustpoint->name);
	case PKI_METHOD_PKCS12:
		return pki_error_set(error,
			"trustpoint %s gets its CA certificate with its own: ferrule pki import %s "
			"pkcs12 FILE",
			trustpoint->name, trustpoint->name);
	case PKI_METHOD_PROFILE:
		return pki_error_set(error,
			"the enrollment profile of trustpoint %s has no authentication.url; add "
			"one, or import the CA certificate: ferrule pki import %s ca FILE",
			trustpoint->name, trustpoint->name);
	case PKI_METHOD_SCEP:
	case PKI_METHOD_EST:
	case PKI_METHOD_TERMINAL:
	case PKI_METHOD_TFTP:
	case PKI_METHOD_FILE:
		break;
	}
	return pki_error_set(error, "trustpoint %s: no way to its CA", trustpoint->name);
}

int pki_retrieve_authority(const struct pki_trustpoint *trustpoint,
	const struct pki_generation *current, const struct pki_context *context,
	STACK_OF(X509) * *out, struct pki_error *error)
{
	struct pki_way way = pki_way_to_authenticate(trustpoint);
	*out = NULL;
	switch (way.route) {
	case PKI_ROUTE_TERMINAL:
		return pki_retrieve_paste(context,
			"Enter the base 64 encoded CA certificate.\n"
			"End with a blank line or the word \"quit\" on a line by itself",
			out, error);
	case PKI_ROUTE_FILES:
		return retrieve_file_authority(trustpoint, way.url, context, out, error);
	case PKI_ROUTE_SCEP:
		return retrieve_scep(trustpoint, way.url, current, context, out, error);
	case PKI_ROUTE_EST:
		return retrieve_est(trustpoint, way.url, current, context, out, error);
	case PKI_ROUTE_TEMPLATE:
		return pki_retrieve_template(
			trustpoint, way.command, NULL, current, NULL, context, out, error);
	case PKI_ROUTE_NONE:
		break;
	}
	return refuse(trustpoint, error);
}
