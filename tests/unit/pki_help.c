#include "tests/unit/pki_help.h"

#include "pki/base64.h"
#include "pki/error.h"
#include "pki/subject.h"
#include "tests/unit/pki_ca.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <ftw.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- files -------------------------------------------------------------------------- */

char help_state[64];

void help_open(void)
{
	strcpy(help_state, "/tmp/ferrule-pki.XXXXXX");
	CU_ASSERT_PTR_NOT_NULL(mkdtemp(help_state));
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

void help_close(void)
{
	nftw(help_state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	ERR_clear_error();
}

const char *help_path(const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", help_state, name);
	return path;
}

static int by_name(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

const char *help_listing(const char *name)
{
	static char text[1024];
	struct dirent **entries;
	int count = scandir(help_path(name), &entries, NULL, by_name);
	text[0] = '\0';
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			strcat(strcat(text, entries[i]->d_name), " ");
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return count < 0 ? "(nothing)" : text;
}

void help_write(const char *name, const void *data, size_t len)
{
	FILE *file = fopen(help_path(name), "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fwrite(data, 1, len, file), len);
	fclose(file);
}

void help_has(const char *text, ...)
{
	va_list words;
	va_start(words, text);
	const char *word;
	while ((word = va_arg(words, const char *)))
		if (!strstr(text, word)) {
			fprintf(stderr, "no \"%s\" in: %s\n", word, text);
			CU_FAIL("another text than expected");
		}
	va_end(words);
}

/* ---- certificates ---------------------------------------------------------------------- */

#define KEYS 4

EVP_PKEY *help_rsa(unsigned number)
{
	static EVP_PKEY *keys[KEYS];
	if (!keys[number])
		keys[number] = ca_key("RSA");
	return keys[number];
}

EVP_PKEY *help_ec(unsigned number)
{
	static EVP_PKEY *keys[KEYS];
	if (!keys[number])
		keys[number] = ca_key("EC");
	return keys[number];
}

static void extension_add(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	CU_ASSERT_PTR_NOT_NULL_FATAL(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

/* As the recipe says, or as the request does. */
static void extension_take(
	X509 *certificate, const struct help_recipe *recipe, int nid, const char *value)
{
	STACK_OF(X509_EXTENSION) *asked =
		recipe->request ? X509_REQ_get_extensions(recipe->request) : NULL;
	int index = asked ? X509v3_get_ext_by_NID(asked, nid, -1) : -1;
	if (value)
		extension_add(certificate, nid, value);
	else if (index >= 0 && !(nid == NID_subject_alt_name && recipe->no_alts))
		X509_add_ext(certificate, X509v3_get_ext(asked, index), -1);
	sk_X509_EXTENSION_pop_free(asked, X509_EXTENSION_free);
}

X509 *help_issue(const struct help_recipe *recipe)
{
	static long serials = 100;
	struct pki_error error = {""};
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);
	EVP_PKEY *key = recipe->key ? recipe->key : X509_REQ_get0_pubkey(recipe->request);
	bool dated = recipe->from || recipe->to;
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(
		X509_get_serialNumber(certificate), recipe->serial ? recipe->serial : ++serials);
	if (recipe->subject && pki_subject_parse(name, recipe->subject, &error))
		CU_FAIL("a subject that cannot be");
	if (!recipe->subject)
		X509_set_subject_name(certificate, X509_REQ_get_subject_name(recipe->request));
	X509_set_issuer_name(certificate, recipe->issuer ? X509_get_subject_name(recipe->issuer)
							 : X509_get_subject_name(certificate));
	time_t now = time(NULL);
	X509_time_adj(X509_getm_notBefore(certificate), dated ? recipe->from : -60, &now);
	X509_time_adj(X509_getm_notAfter(certificate), dated ? recipe->to : 86400, &now);
	X509_set_pubkey(certificate, key);
	if (recipe->is_ca)
		extension_add(certificate, NID_basic_constraints, "critical,CA:TRUE");
	extension_take(certificate, recipe, NID_key_usage, recipe->usage);
	extension_take(certificate, recipe, NID_ext_key_usage, recipe->extended);
	extension_take(certificate, recipe, NID_subject_alt_name, recipe->alts);
	CU_ASSERT(X509_sign(certificate, recipe->issuer_key ? recipe->issuer_key : key,
			  recipe->hash ? recipe->hash : EVP_sha256()) > 0);
	return certificate;
}

void help_ca_init(struct help_ca *ca)
{
	*ca = (struct help_ca){.root_key = help_rsa(0), .key = help_rsa(1)};
	struct help_recipe root = {.subject = "CN=Root, O=Example",
		.key = ca->root_key,
		.is_ca = true,
		.usage = "critical,keyCertSign,cRLSign"};
	ca->root = help_issue(&root);
	struct help_recipe own = {.subject = "CN=Issuing CA, O=Example",
		.key = ca->key,
		.issuer = ca->root,
		.issuer_key = ca->root_key,
		.is_ca = true};
	ca->certificate = help_issue(&own);
}

void help_ca_done(struct help_ca *ca)
{
	X509_free(ca->root);
	X509_free(ca->certificate);
}

const char *help_fingerprint(const X509 *certificate)
{
	static char text[100];
	unsigned char digest[32];
	unsigned len;
	X509_digest(certificate, EVP_sha256(), digest, &len);
	for (unsigned i = 0; i < len; i++)
		sprintf(text + 3 * i, "%02x%s", digest[i], i + 1 < len ? ":" : "");
	return text;
}

char *help_pem(X509 *one, X509 *two)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	PEM_write_bio_X509(bio, one);
	if (two)
		PEM_write_bio_X509(bio, two);
	long len = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)len);
	BIO_free(bio);
	return text;
}

/* ---- the operator ------------------------------------------------------------------------ */

static void say(void *context, const char *text)
{
	struct help_operator *asked = context;
	size_t used = strlen(asked->said);
	snprintf(asked->said + used, sizeof asked->said - used, "%s\n", text);
}

static void note(struct help_operator *asked, const char *question, const char *option)
{
	snprintf(asked->asked, sizeof asked->asked, "%s", question);
	snprintf(asked->option, sizeof asked->option, "%s", option ? option : "");
}

static int nobody(const char *option, struct pki_error *error)
{
	return pki_error_set(error, "nobody to ask; use %s", option);
}

static int confirm(void *context, const char *question, const char *option, struct pki_error *error)
{
	struct help_operator *asked = context;
	note(asked, question, option);
	asked->confirms++;
	return asked->answer < 0 ? nobody(option, error) : asked->answer;
}

static int ask_secret(void *context, const char *prompt, const char *option, struct pki_secret *out,
	struct pki_error *error)
{
	struct help_operator *asked = context;
	note(asked, prompt, option);
	if (!asked->secret)
		return nobody(option, error);
	out->len = (size_t)snprintf(out->text, sizeof out->text, "%s", asked->secret);
	return 0;
}

static int ask_text(
	void *context, const char *prompt, const char *option, char **out, struct pki_error *error)
{
	struct help_operator *asked = context;
	note(asked, prompt, option);
	if (!asked->text)
		return nobody(option, error);
	*out = strdup(asked->text);
	return 0;
}

static int read_paste(
	void *context, const char *prompt, char **out, size_t *len, struct pki_error *error)
{
	struct help_operator *asked = context;
	note(asked, prompt, NULL);
	if (!asked->paste)
		return nobody("FILE", error);
	*out = strdup(asked->paste);
	*len = strlen(*out);
	return 0;
}

static bool wait_for(void *context, unsigned seconds)
{
	struct help_operator *asked = context;
	asked->waited = seconds;
	return asked->waits++ < asked->patience;
}

struct pki_context help_context(struct help_operator *asked, struct help_server *server)
{
	static struct pki_interaction interaction;
	interaction = (struct pki_interaction){
		asked, say, confirm, ask_secret, ask_text, read_paste, wait_for};
	return (struct pki_context){
		.interaction = &interaction, .transport = server ? &server->transport : NULL};
}

/* ---- the server ---------------------------------------------------------------------------- */

static void reply_text(struct pki_fetch_reply *reply, long status, const void *data, size_t len)
{
	*reply = (struct pki_fetch_reply){.status = status,
		.body = calloc(1, len + 1),
		.len = len,
		.content_type = strdup("application/octet-stream"),
		.url = strdup("http://ca")};
	if (len)
		memcpy(reply->body, data, len);
}

static X509 *issue(struct help_server *server, X509_REQ *request)
{
	struct help_recipe recipe = {.request = request,
		.issuer = server->ca->certificate,
		.issuer_key = server->ca->key,
		.to = 86400 + 60 * (long)server->requests,
		.from = -60};
	if (server->mood == HELP_OTHER_SUBJECT)
		recipe.subject = "CN=somebody.else";
	if (server->mood == HELP_OTHER_KEY)
		recipe.key = help_rsa(3);
	if (server->mood == HELP_SAME_AGAIN && server->last) {
		X509_up_ref(server->last);
		return server->last;
	}
	X509_free(server->last);
	server->last = help_issue(&recipe);
	X509_up_ref(server->last);
	return server->last;
}

/* What the request's message says of itself. */
struct message {
	char transaction[80], type[8];
	unsigned char nonce[16];
	X509 *signer;      /* owned */
	X509_REQ *request; /* owned; NULL for CertPoll */
};

static void attribute(CMS_SignerInfo *signer, const char *oid, int type, char *out, size_t size)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	const ASN1_STRING *value = CMS_signed_get0_data_by_OBJ(signer, object, -3, type);
	CU_ASSERT_PTR_NOT_NULL_FATAL(value);
	size_t len = (size_t)ASN1_STRING_length(value);
	memcpy(out, ASN1_STRING_get0_data(value), len < size ? len : size);
	ASN1_OBJECT_free(object);
}

static X509_REQ *open_envelope(struct help_server *server, CMS_ContentInfo *outer)
{
	ASN1_OCTET_STRING **content = CMS_get0_content(outer);
	const unsigned char *at = ASN1_STRING_get0_data(*content);
	CMS_ContentInfo *inner = d2i_CMS_ContentInfo(NULL, &at, ASN1_STRING_length(*content));
	BIO *plain = BIO_new(BIO_s_mem());
	CU_ASSERT_EQUAL_FATAL(
		CMS_decrypt(inner, server->ca->key, server->ca->certificate, NULL, plain, 0), 1);
	X509_REQ *request = d2i_X509_REQ_bio(plain, NULL);
	ERR_clear_error();
	BIO_free(plain);
	CMS_ContentInfo_free(inner);
	return request;
}

static void message_open(
	struct help_server *server, const struct pki_fetch_request *from, struct message *out)
{
	const unsigned char *at = from->body;
	CMS_ContentInfo *outer = d2i_CMS_ContentInfo(NULL, &at, (long)from->len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(outer);
	*out = (struct message){0};
	CMS_SignerInfo *signer = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(outer), 0);
	attribute(signer, "2.16.840.1.113733.1.9.7", V_ASN1_PRINTABLESTRING, out->transaction,
		sizeof out->transaction - 1);
	attribute(signer, "2.16.840.1.113733.1.9.2", V_ASN1_PRINTABLESTRING, out->type,
		sizeof out->type - 1);
	attribute(signer, "2.16.840.1.113733.1.9.5", V_ASN1_OCTET_STRING, (char *)out->nonce,
		sizeof out->nonce);
	STACK_OF(X509) *certificates = CMS_get1_certs(outer);
	out->signer = sk_X509_shift(certificates);
	sk_X509_pop_free(certificates, X509_free);
	out->request = open_envelope(server, outer);
	CMS_ContentInfo_free(outer);
}

static void message_done(struct message *message)
{
	X509_free(message->signer);
	X509_REQ_free(message->request);
}

static void note_password(struct help_server *server, X509_REQ *request)
{
	int index = X509_REQ_get_attr_by_NID(request, NID_pkcs9_challengePassword, -1);
	server->password[0] = '\0';
	if (index < 0)
		return;
	const ASN1_TYPE *value = X509_ATTRIBUTE_get0_type(X509_REQ_get_attr(request, index), 0);
	snprintf(server->password, sizeof server->password, "%.*s",
		ASN1_STRING_length(value->value.asn1_string),
		(const char *)ASN1_STRING_get0_data(value->value.asn1_string));
}

static void pending_keep(struct help_server *server, const struct message *message)
{
	X509_REQ_free(server->pending[1]);
	server->pending[1] = server->pending[0];
	strcpy(server->pending_transactions[1], server->pending_transactions[0]);
	server->pending[0] = X509_REQ_dup(message->request);
	strcpy(server->pending_transactions[0], message->transaction);
}

static X509_REQ *pending_find(struct help_server *server, const char *transaction)
{
	return server->pending[strcmp(server->pending_transactions[0], transaction) != 0];
}

static void answer_scep(struct help_server *server, const struct pki_fetch_request *request,
	struct pki_fetch_reply *reply)
{
	struct message message;
	size_t bag_len = 0, len;
	message_open(server, request, &message);
	bool is_poll = strcmp(message.type, "20") == 0;
	server->polls += is_poll;
	server->requests += !is_poll;
	server->renewals += strcmp(message.type, "17") == 0;
	strcpy(server->transaction, message.transaction);
	if (message.request) {
		pending_keep(server, &message);
		note_password(server, message.request);
	}
	bool pends = server->mood == HELP_PEND && server->pend > 0;
	server->pend -= pends;
	struct ca_reply answer = {.transaction_id = message.transaction,
		.message_type = "3",
		.status = server->mood == HELP_REFUSE ? "2"
			  : pends                     ? "3"
						      : "0",
		.fail_info = server->mood == HELP_REFUSE ? "2" : NULL,
		.fail_text = server->mood == HELP_REFUSE ? "not today" : NULL,
		.nonce = message.nonce,
		.nonce_len = sizeof message.nonce,
		.recipient = message.signer,
		.cipher = "AES-128-CBC",
		.signer = server->ca->certificate,
		.signer_key = server->ca->key,
		.hash = "SHA256"};
	unsigned char *bag = NULL;
	if (server->mood != HELP_REFUSE && !pends) {
		X509 *issued = issue(server, pending_find(server, message.transaction));
		bag = ca_bag(&issued, 1, &bag_len);
		X509_free(issued);
		answer.bag = bag;
		answer.bag_len = bag_len;
	}
	unsigned char *der = ca_reply(&answer, &len);
	reply_text(reply, 200, der, len);
	OPENSSL_free(der);
	OPENSSL_free(bag);
	message_done(&message);
}

static void answer_bag(
	struct pki_fetch_reply *reply, X509 *const *certificates, size_t count, bool base64)
{
	size_t len;
	unsigned char *bag = ca_bag(certificates, count, &len);
	char *text = base64 ? pki_base64_encode(bag, len) : NULL;
	reply_text(reply, 200, text ? (void *)text : bag, text ? strlen(text) : len);
	free(reply->content_type);
	reply->content_type = strdup("application/pkcs7-mime");
	free(text);
	OPENSSL_free(bag);
}

static void answer_est(struct help_server *server, const struct pki_fetch_request *request,
	struct pki_fetch_reply *reply)
{
	unsigned char *der = NULL;
	size_t len = 0;
	server->requests++;
	server->renewals += strstr(request->url, "simplereenroll") != NULL;
	snprintf(server->password, sizeof server->password, "%s",
		request->password ? request->password : "");
	snprintf(server->username, sizeof server->username, "%s",
		request->username ? request->username : "");
	if (server->mood == HELP_PEND && server->pend > 0) {
		server->pend--;
		reply_text(reply, 202, "", 0);
		reply->retry_after = 7;
		return;
	}
	if (server->mood == HELP_REFUSE) {
		reply_text(reply, 403, "not today", 9);
		return;
	}
	CU_ASSERT_EQUAL_FATAL(pki_base64_decode(request->body, request->len, &der, &len), 0);
	const unsigned char *at = der;
	X509_REQ *asked = d2i_X509_REQ(NULL, &at, (long)len);
	X509 *issued = issue(server, asked);
	answer_bag(reply, &issued, 1, true);
	X509_free(issued);
	X509_REQ_free(asked);
	free(der);
}

static void answer_file(struct help_server *server, const struct pki_fetch_request *request,
	struct pki_fetch_reply *reply)
{
	static const char *const endings[] = {".ca", ".req", ".crt"};
	for (size_t i = 0; i < 3; i++) {
		if (!strstr(request->url, endings[i]))
			continue;
		if (request->method == PKI_FETCH_PUT)
			snprintf(server->file[i], sizeof server->file[i], "%.*s", (int)request->len,
				(const char *)request->body);
		reply_text(reply, 200, server->file[i], strlen(server->file[i]));
		return;
	}
	reply_text(reply, 404, "", 0);
}

static int fetch(void *context, const struct pki_fetch_request *request,
	struct pki_fetch_reply *reply, struct pki_error *error)
{
	static const char capabilities[] = "AES\nSHA-256\nPOSTPKIOperation\n";
	static const char html[] = "<html><body>Service moved</body></html>";
	struct help_server *server = context;
	*reply = (struct pki_fetch_reply){0};
	server->bootstrapped = request->trust == PKI_FETCH_BOOTSTRAP;
	if (server->mood == HELP_SILENT)
		return pki_error_set(error, "%s: Connection refused", request->url);
	X509 *authority[] = {server->ca->certificate, server->ca->root};
	if (strstr(request->url, "operation=GetCACaps")) {
		char text[128];
		snprintf(text, sizeof text, "%s%s%s", capabilities,
			server->without_standard ? "" : "SCEPStandard\n",
			server->without_renewal ? "" : "Renewal\n");
		reply_text(reply, 200, text, strlen(text));
	} else if (server->mood == HELP_GARBAGE) {
		reply_text(reply, 200, html, strlen(html));
	} else if (strstr(request->url, "operation=GetCACert")) {
		answer_bag(reply, authority, 2, false);
	} else if (strstr(request->url, "operation=PKIOperation")) {
		answer_scep(server, request, reply);
	} else if (strstr(request->url, "/cacerts")) {
		answer_bag(reply, authority, 2, true);
	} else if (strstr(request->url, "/simple")) {
		answer_est(server, request, reply);
	} else {
		answer_file(server, request, reply);
	}
	return 0;
}

void help_server_init(struct help_server *server, struct help_ca *ca)
{
	*server = (struct help_server){.ca = ca};
	server->transport = (struct pki_transport){.context = server, .fetch = fetch};
}

void help_server_done(struct help_server *server)
{
	X509_REQ_free(server->pending[0]);
	X509_REQ_free(server->pending[1]);
	X509_free(server->last);
}

struct pki_trustpoint help_trustpoint(enum pki_method method)
{
	struct pki_trustpoint trustpoint = {.name = "TP",
		.state_directory = help_state,
		.method = method,
		.key_type = method == PKI_METHOD_SCEP ? PKI_KEY_RSA : PKI_KEY_EC,
		.curve = "P-256",
		.bits = 2048,
		.hostname = "router1",
		.domain_name = "example.com",
		.retry_count = 3,
		.retry_period = 2};
	if (method == PKI_METHOD_SCEP)
		trustpoint.url = "http://ca/scep";
	if (method == PKI_METHOD_EST)
		trustpoint.url = "https://ca";
	if (method == PKI_METHOD_TFTP)
		trustpoint.url = "tftp://ca/";
	return trustpoint;
}
