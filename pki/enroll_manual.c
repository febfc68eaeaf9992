/* Enrollment where somebody carries request and certificate: terminal, files, templates. */
#include "pki/bag.h"
#include "pki/enroll.h"
#include "pki/error.h"

#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_TEXT (EVP_MAX_MD_SIZE * 3)

void pki_files_suffix(
	const struct pki_trustpoint *trustpoint, enum pki_pair pair, const char *kind, char out[16])
{
	const char *which = "";
	if (trustpoint->usage == PKI_USAGE_KEYS)
		which = pair == PKI_PAIR_ENCRYPTION ? "-encr" : "-sign";
	snprintf(out, 16, "%s.%s", which, kind);
}

/* With a NUL behind; NULL when memory ran out. */
static BIO *request_text(X509_REQ *request, char **text)
{
	BIO *bio = BIO_new(BIO_s_mem());
	if (bio && PEM_write_bio_X509_REQ(bio, request) == 1 && BIO_write(bio, "", 1) == 1 &&
		BIO_get_mem_data(bio, text) > 0)
		return bio;
	BIO_free(bio);
	return NULL;
}

/* By which the CA's administrator knows that nobody has put another request in its place. */
static void say_fingerprint(const struct pki_context *context, X509_REQ *request, const char *name,
	const EVP_MD *digest)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	char text[DIGEST_TEXT] = "";
	unsigned len = 0;
	size_t used = 0;
	if (X509_REQ_digest(request, digest, bytes, &len) != 1)
		return;
	for (unsigned i = 0; i < len; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%02X",
			i && i % 4 == 0 ? " " : "", bytes[i]);
	pki_say(context, "  Request Fingerprint %s: %s", name, text);
}

/* ---- cut and paste -------------------------------------------------------------------------- */

static int terminal_show(
	struct pki_enrollment *enrollment, enum pki_pair pair, struct pki_error *error)
{
	static const char *const titles[] = {[PKI_PURPOSE_GENERAL] = "Certificate Request follows:",
		[PKI_PURPOSE_SIGNATURE] =
			"Signature key certificate request -\nCertificate Request follows:",
		[PKI_PURPOSE_ENCRYPTION] =
			"Encryption key certificate request -\nCertificate Request follows:"};
	const struct pki_interaction *asked = enrollment->context->interaction;
	X509_REQ *request = NULL;
	char *text;
	if (pki_enrollment_request(enrollment, pair, &request, error))
		return -1;
	BIO *bio = request_text(request, &text);
	if (bio) {
		pki_say(enrollment->context, "%s\n",
			titles[pki_purpose_of(enrollment->trustpoint->usage, pair)]);
		asked->say(asked->context, text);
		pki_say(enrollment->context,
			"---End - This line not part of the certificate request---\n");
	}
	BIO_free(bio);
	X509_REQ_free(request);
	return bio ? 0 : pki_error_memory(error);
}

enum pki_step pki_terminal_enroll(struct pki_enrollment *enrollment, struct pki_error *error)
{
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++)
		if (enrollment->pending.keys.pairs[pair].key &&
			terminal_show(enrollment, pair, error))
			return PKI_STEP_FAILED;
	pki_say(enrollment->context,
		"%% When the CA has issued it: ferrule pki import %s certificate",
		enrollment->trustpoint->name);
	return PKI_STEP_OUT;
}

/* ---- TFTP and files ---------------------------------------------------------------------------
 */

/* Where the request goes, as a file. */
static int file_send(
	struct pki_enrollment *enrollment, X509_REQ *made, const char *url, struct pki_error *error)
{
	struct pki_fetch_reply reply;
	char *text = NULL;
	BIO *bio = request_text(made, &text);
	if (!bio || !text) {
		BIO_free(bio);
		return pki_error_memory(error);
	}
	struct pki_fetch_request request =
		pki_transport_request(enrollment->trustpoint, url, pki_transport_protocol(url));
	request.method = PKI_FETCH_PUT;
	request.body = text;
	request.len = strlen(text);
	int result = pki_transport_fetch(enrollment->context, &request, &reply, error);
	BIO_free(bio);
	if (result)
		return -1;
	pki_fetch_reply_done(&reply);
	pki_say(enrollment->context, "%% Certificate request written to %s", url);
	say_fingerprint(enrollment->context, made, "MD5", EVP_md5());
	say_fingerprint(enrollment->context, made, "SHA1", EVP_sha1());
	say_fingerprint(enrollment->context, made, "SHA256", EVP_sha256());
	return 0;
}

static int file_put(struct pki_enrollment *enrollment, enum pki_pair pair, struct pki_error *error)
{
	char suffix[16], *url = NULL;
	X509_REQ *made = NULL;
	pki_files_suffix(enrollment->trustpoint, pair, "req", suffix);
	if (pki_retrieve_location(enrollment->trustpoint, enrollment->way.url, suffix, &url, error))
		return -1;
	int result = pki_enrollment_request(enrollment, pair, &made, error);
	if (result == 0)
		result = file_send(enrollment, made, url, error);
	X509_REQ_free(made);
	free(url);
	return result;
}

enum pki_step pki_files_enroll(struct pki_enrollment *enrollment, struct pki_error *error)
{
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++)
		if (enrollment->pending.keys.pairs[pair].key && file_put(enrollment, pair, error))
			return PKI_STEP_FAILED;
	pki_say(enrollment->context,
		"%% When the CA has put the certificate there: ferrule pki import %s certificate",
		enrollment->trustpoint->name);
	return PKI_STEP_OUT;
}

/* ---- templates
 * ------------------------------------------------------------------------------------ */

/* Another trustpoint's certificate, or the one that is renewed, shows who asks. */
static const struct pki_credentials *login_of(
	const struct pki_enrollment *enrollment, enum pki_pair pair)
{
	if (enrollment->credential.pairs[PKI_PAIR_MAIN].certificate)
		return &enrollment->credential.pairs[PKI_PAIR_MAIN];
	return pki_enrollment_renewable(enrollment, pair) ? &enrollment->current.pairs[pair] : NULL;
}

static int template_run(
	struct pki_enrollment *enrollment, enum pki_pair pair, struct pki_error *error)
{
	X509_REQ *request = NULL;
	X509 *certificate = NULL;
	STACK_OF(X509) *bag = NULL;
	int result = pki_enrollment_request(enrollment, pair, &request, error);
	if (result == 0)
		result = pki_retrieve_template(enrollment->trustpoint, enrollment->way.command,
			request, &enrollment->current, login_of(enrollment, pair),
			enrollment->context, &bag, error);
	if (result == 0)
		result = pki_bag_take(bag, enrollment->pending.keys.pairs[pair].key,
			"the CA's answer", &certificate, error);
	X509_REQ_free(request);
	if (result == 0)
		return pki_enrollment_take(enrollment, pair, certificate, bag, error);
	sk_X509_pop_free(bag, X509_free);
	return -1;
}

enum pki_step pki_template_enroll(struct pki_enrollment *enrollment, struct pki_error *error)
{
	for (enum pki_pair pair = 0; pair < PKI_PAIR_COUNT; pair++) {
		const struct pki_credentials *at = &enrollment->pending.keys.pairs[pair];
		if (at->key && !at->certificate && template_run(enrollment, pair, error))
			return PKI_STEP_FAILED;
	}
	return PKI_STEP_ISSUED;
}
