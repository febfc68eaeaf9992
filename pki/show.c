#include "pki/show.h"
#include "pki/authority.h"
#include "pki/error.h"
#include "pki/fingerprint.h"
#include "pki/request.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

const char *pki_method_name(enum pki_method method)
{
	static const char *const names[] = {
		[PKI_METHOD_SELFSIGNED] = "selfsigned",
		[PKI_METHOD_PEM] = "pem",
		[PKI_METHOD_SCEP] = "scep",
		[PKI_METHOD_EST] = "est",
		[PKI_METHOD_TERMINAL] = "terminal",
		[PKI_METHOD_PROFILE] = "profile",
		[PKI_METHOD_PKCS12] = "pkcs12",
		[PKI_METHOD_TFTP] = "tftp",
		[PKI_METHOD_FILE] = "file",
	};
	return names[method];
}

/* ---- states --------------------------------------------------------------------------- */

static int load_pem(struct pki_state *state)
{
	const struct pki_trustpoint *from = state->trustpoint;
	struct pki_pem_files files = {.certificate = from->certificate_file,
		.key = from->key_file,
		.chain = from->chain_file};
	if (files.certificate &&
		pki_pem_load(&files, &state->generation.pairs[PKI_PAIR_MAIN], &state->error))
		return -1;
	if (!from->ca_file)
		return 0;
	state->generation.ca = sk_X509_new_null();
	if (!state->generation.ca)
		return pki_error_memory(&state->error);
	return pki_pem_load_certificates(from->ca_file, state->generation.ca, &state->error);
}

static int load_store(struct pki_state *state)
{
	struct pki_store store;
	int result = pki_store_open(&store, PKI_STORE_TRUSTPOINT,
		state->trustpoint->state_directory, state->trustpoint->name, &state->error);
	if (result == 0)
		result = pki_store_load(&store, &state->generation, &state->error);
	if (result == 0)
		result = pki_pending_load(&store, &state->pending, &state->error);
	pki_store_close(&store);
	return result;
}

void pki_state_load(struct pki_state *state, const struct pki_trustpoint *trustpoint)
{
	*state = (struct pki_state){.trustpoint = trustpoint};
	int result = trustpoint->method == PKI_METHOD_PEM ? load_pem(state) : load_store(state);
	if (result == 0)
		state->error.text[0] = '\0';
	ERR_clear_error();
}

void pki_state_done(struct pki_state *state)
{
	pki_generation_done(&state->generation);
	pki_pending_done(&state->pending);
}

struct pki_state *pki_states_load(const struct pki_trustpoint *trustpoints, size_t count,
	const struct pki_show_options *options, size_t *loaded, struct pki_error *error)
{
	struct pki_state *states = calloc(count + 1, sizeof *states);
	*loaded = 0;
	if (!states) {
		pki_error_memory(error);
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		if (!options->name || strcmp(options->name, trustpoints[i].name) == 0)
			pki_state_load(&states[(*loaded)++], &trustpoints[i]);
	if (*loaded > 0 || !options->name)
		return states;
	free(states);
	pki_error_set(error, "there is no trustpoint %s", options->name);
	return NULL;
}

void pki_states_free(struct pki_state *states, size_t count)
{
	for (size_t i = 0; i < count; i++)
		pki_state_done(&states[i]);
	free(states);
}

bool pki_state_is_selfsigned(const struct pki_state *state)
{
	X509 *certificate = state->generation.pairs[PKI_PAIR_MAIN].certificate;
	return certificate && pki_certificate_is_selfsigned(certificate);
}

/* ---- parts -------------------------------------------------------------------------------- */

char *pki_show_serial(const X509 *certificate)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	char *text = number ? BN_bn2hex(number) : NULL;
	BN_free(number);
	return text;
}

void pki_show_fingerprints(struct pki_outline *outline, const X509 *certificate, bool with_weak)
{
	const struct {
		const char *key, *label;
		const EVP_MD *digest;
		bool is_weak;
	} kinds[] = {
		{"fingerprint_md5", "Fingerprint MD5", EVP_md5(), true},
		{"fingerprint_sha1", "Fingerprint SHA1", EVP_sha1(), true},
		{"fingerprint_sha256", "Fingerprint SHA256", EVP_sha256(), false},
	};
	char text[PKI_FINGERPRINT_TEXT];
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (kinds[i].is_weak && !with_weak)
			continue;
		pki_fingerprint_text(certificate, kinds[i].digest, text);
		if (*text)
			pki_outline_field(outline, kinds[i].key, kinds[i].label, text);
	}
}

time_t pki_show_seconds(const ASN1_TIME *when)
{
	struct tm calendar = {0};
	return ASN1_TIME_to_tm(when, &calendar) == 1 ? timegm(&calendar) : 0;
}
