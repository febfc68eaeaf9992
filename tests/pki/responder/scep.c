#include "tests/pki/responder/scep.h"
#include "tests/pki/responder/base64.h"
#include "tests/pki/responder/journal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/cms.h>
#include <openssl/rand.h>

#define MESSAGE_TYPE "application/x-pki-message"
#define SECRET       "s3cret"

enum type { CERTREP = 3, RENEWALREQ = 17, PKCSREQ = 19, CERTPOLL = 20 };
enum status { SUCCESS = 0, FAILURE = 2, PENDING = 3 };
enum fail { BAD_ALG, BAD_MESSAGE_CHECK, BAD_REQUEST, BAD_TIME, BAD_CERT_ID, NO_FAIL = -1 };

/* The attributes of section 3.2.1. */
#define OID_MESSAGE_TYPE    "2.16.840.1.113733.1.9.2"
#define OID_PKI_STATUS      "2.16.840.1.113733.1.9.3"
#define OID_FAIL_INFO       "2.16.840.1.113733.1.9.4"
#define OID_SENDER_NONCE    "2.16.840.1.113733.1.9.5"
#define OID_RECIPIENT_NONCE "2.16.840.1.113733.1.9.6"
#define OID_TRANSACTION_ID  "2.16.840.1.113733.1.9.7"
#define OID_FAIL_INFO_TEXT  "1.3.6.1.5.5.7.24.1"

/* What came, and what is to be said to it. */
struct message {
	const struct authority *authority;
	const struct modes *modes;
	CMS_ContentInfo *cms;
	X509 *signer; /* borrowed from cms */
	CMS_SignerInfo *info;
	char transaction[200];
	unsigned char nonce[16];
	int type;
	enum authority_member recipient;
	const char *cipher;
	BIO *content; /* decrypted */
	X509_REQ *request;
	bool signed_by_issued;
	/* the answer */
	enum status status;
	enum fail fail;
	STACK_OF(X509) * issued;
};

/* ---- transactions ---- */

struct transaction {
	struct transaction *next;
	char id[200];
	X509_REQ *request;
	STACK_OF(X509) * issued;
	long pending; /* how many messages in a row */
};

static struct {
	pthread_mutex_t mutex;
	struct transaction *first;
} transactions = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* With the mutex held. */
static struct transaction *transaction_find(const char *id, bool make)
{
	struct transaction *found = transactions.first;

	while (found != NULL && strcmp(found->id, id) != 0)
		found = found->next;
	if (found != NULL || !make)
		return found;
	found = calloc(1, sizeof(*found));
	if (found == NULL)
		return NULL;
	snprintf(found->id, sizeof(found->id), "%s", id);
	found->next = transactions.first;
	return transactions.first = found;
}

/* ---- reading a message ---- */

static const ASN1_STRING *attribute(CMS_SignerInfo *info, const char *oid, int type)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	const ASN1_STRING *value = CMS_signed_get0_data_by_OBJ(info, object, -3, type);

	ASN1_OBJECT_free(object);
	return value;
}

static bool text_attribute(CMS_SignerInfo *info, const char *oid, char *out, size_t size)
{
	const ASN1_STRING *value = attribute(info, oid, V_ASN1_PRINTABLESTRING);

	if (value == NULL || (size_t)ASN1_STRING_length(value) >= size)
		return false;
	snprintf(out, size, "%.*s", ASN1_STRING_length(value),
		(const char *)ASN1_STRING_get0_data(value));
	return true;
}

/* Every message has these three, section 3.2.1. */
static const char *read_attributes(struct message *message)
{
	const ASN1_STRING *nonce = attribute(message->info, OID_SENDER_NONCE, V_ASN1_OCTET_STRING);
	char type[8];

	if (!text_attribute(message->info, OID_TRANSACTION_ID, message->transaction,
		    sizeof(message->transaction)))
		return "no transactionID";
	if (!text_attribute(message->info, OID_MESSAGE_TYPE, type, sizeof(type)))
		return "no messageType";
	message->type = atoi(type);
	if (nonce == NULL || ASN1_STRING_length(nonce) != (int)sizeof(message->nonce))
		return "no senderNonce of 16 bytes";
	memcpy(message->nonce, ASN1_STRING_get0_data(nonce), sizeof(message->nonce));
	return NULL;
}

/* Which of ours the envelope is for. */
static const char *read_recipient(struct message *message, CMS_ContentInfo *envelope)
{
	static const enum authority_member candidates[] = {
		ROOT, INTERMEDIATE, RA_ENCRYPT, TIER_ENCRYPT, NEXT};
	STACK_OF(CMS_RecipientInfo) *infos = CMS_get0_RecipientInfos(envelope);

	for (int i = 0; i < sk_CMS_RecipientInfo_num(infos); i++) {
		CMS_RecipientInfo *info = sk_CMS_RecipientInfo_value(infos, i);

		if (CMS_RecipientInfo_type(info) != CMS_RECIPINFO_TRANS)
			return "no key transport";
		for (size_t j = 0; j < sizeof(candidates) / sizeof(candidates[0]); j++) {
			message->recipient = candidates[j];
			if (CMS_RecipientInfo_ktri_cert_cmp(info,
				    message->authority->members[candidates[j]].certificate) == 0)
				return NULL;
		}
	}
	return "not encrypted to us";
}

/* OpenSSL has no getter for the cipher: the encoding names it. */
static const char *cipher_of(const unsigned char *der, size_t len)
{
	static const int known[] = {
		NID_aes_128_cbc, NID_aes_192_cbc, NID_aes_256_cbc, NID_des_ede3_cbc, NID_des_cbc};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		unsigned char *oid = NULL;
		int oid_len = i2d_ASN1_OBJECT(OBJ_nid2obj(known[i]), &oid);
		bool found = oid_len > 0 && memmem(der, len, oid, (size_t)oid_len) != NULL;

		OPENSSL_free(oid);
		if (found)
			return OBJ_nid2sn(known[i]);
	}
	return "unknown";
}

static const char *read_envelope(struct message *message, BIO *inner)
{
	const unsigned char *der;
	long len = BIO_get_mem_data(inner, &der);
	CMS_ContentInfo *envelope = d2i_CMS_ContentInfo(NULL, &der, len);
	const struct pair *recipient;
	const char *why;

	if (envelope == NULL)
		return "no EnvelopedData";
	message->cipher = cipher_of(der - len, (size_t)len);
	why = read_recipient(message, envelope);
	recipient = &message->authority->members[message->recipient];
	message->content = BIO_new(BIO_s_mem());
	if (why == NULL && CMS_decrypt(envelope, recipient->key, recipient->certificate, NULL,
				   message->content, 0) != 1)
		why = "the envelope cannot be decrypted";
	CMS_ContentInfo_free(envelope);
	return why;
}

static const char *read_message(struct message *message, const unsigned char *der, size_t len)
{
	const unsigned char *next = der;
	BIO *inner = BIO_new(BIO_s_mem());
	STACK_OF(CMS_SignerInfo) * infos;
	const char *why = NULL;

	message->cms = d2i_CMS_ContentInfo(NULL, &next, (long)len);
	if (message->cms == NULL || next != der + len)
		why = "not a CMS message";
	else if (CMS_verify(message->cms, NULL, NULL, NULL, inner, CMS_NO_SIGNER_CERT_VERIFY) != 1)
		why = "the signature does not verify";
	if (why == NULL) {
		infos = CMS_get0_SignerInfos(message->cms);
		message->info = sk_CMS_SignerInfo_value(infos, 0);
		CMS_SignerInfo_get0_algs(message->info, NULL, &message->signer, NULL, NULL);
		why = read_attributes(message);
	}
	if (why == NULL)
		why = read_envelope(message, inner);
	BIO_free(inner);
	return why;
}

/* ---- deciding ---- */

static void refuse(struct message *message, enum fail fail)
{
	message->status = FAILURE;
	message->fail = fail;
}

/* Who may sign what: sections 2.3 and 3.3.1. */
static bool is_signer_right(const struct message *message)
{
	if (modes_has(message->modes, "credential"))
		return message->signed_by_issued && message->type == PKCSREQ;
	if (message->signed_by_issued)
		return message->type != PKCSREQ || modes_has(message->modes, "renewal-as-pkcsreq");
	return message->type == PKCSREQ &&
	       X509_NAME_cmp(X509_get_subject_name(message->signer),
		       X509_REQ_get_subject_name(message->request)) == 0 &&
	       EVP_PKEY_eq(X509_get0_pubkey(message->signer),
		       X509_REQ_get0_pubkey(message->request)) == 1;
}

static bool check_request(struct message *message)
{
	char challenge[256];

	message->request = d2i_X509_REQ_bio(message->content, NULL);
	if (message->request == NULL ||
		X509_REQ_verify(message->request, X509_REQ_get0_pubkey(message->request)) != 1) {
		refuse(message, BAD_REQUEST);
		return false;
	}
	request_challenge(message->request, challenge, sizeof(challenge));
	if (!is_signer_right(message))
		refuse(message, BAD_MESSAGE_CHECK);
	else if (message->type == RENEWALREQ && modes_has(message->modes, "renewal-as-pkcsreq"))
		refuse(message, BAD_REQUEST);
	else if (message->type == PKCSREQ && modes_has(message->modes, "challenge") &&
		 strcmp(challenge, SECRET) != 0)
		refuse(message, BAD_REQUEST);
	return message->status == SUCCESS;
}

static void issue(struct message *message, struct transaction *transaction)
{
	const struct pair *issuer = message->recipient == NEXT
					    ? &message->authority->members[NEXT]
					    : authority_issuer(message->authority, message->modes);
	X509 *renewed = message->signed_by_issued ? message->signer : NULL;

	if (transaction->issued == NULL || !modes_has(message->modes, "repeat")) {
		sk_X509_pop_free(transaction->issued, X509_free);
		transaction->issued = authority_issue(
			message->authority, message->modes, issuer, transaction->request, renewed);
	}
	message->issued = X509_chain_up_ref(transaction->issued);
}

/* With the mutex held: a poll takes the request of its transaction. */
static void decide_transaction(struct message *message)
{
	struct transaction *transaction =
		transaction_find(message->transaction, message->type != CERTPOLL);

	if (transaction == NULL) {
		refuse(message, BAD_CERT_ID);
		return;
	}
	if (message->request != NULL) {
		X509_REQ_free(transaction->request);
		transaction->request = X509_REQ_dup(message->request);
	}
	if (transaction->pending < modes_number(message->modes, "pending")) {
		transaction->pending++;
		message->status = PENDING;
		return;
	}
	transaction->pending = 0;
	if (modes_number(message->modes, "fail") >= 0)
		refuse(message, (enum fail)modes_number(message->modes, "fail"));
	else if (modes_has(message->modes, "fail-bare"))
		refuse(message, NO_FAIL);
	else
		issue(message, transaction);
}

static void decide(struct message *message)
{
	message->signed_by_issued =
		authority_vouches(message->authority, message->modes, message->signer);
	if (message->type == PKCSREQ || message->type == RENEWALREQ) {
		if (!check_request(message))
			return;
	} else if (message->type != CERTPOLL) {
		refuse(message, BAD_REQUEST);
		return;
	}
	pthread_mutex_lock(&transactions.mutex);
	decide_transaction(message);
	pthread_mutex_unlock(&transactions.mutex);
}

/* ---- the reply ---- */

static void add_attribute(
	CMS_SignerInfo *info, const char *oid, int type, const void *value, size_t len)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);

	CMS_signed_add1_attr_by_OBJ(info, object, type, value, (int)len);
	ASN1_OBJECT_free(object);
}

static void add_text(CMS_SignerInfo *info, const char *oid, const char *text)
{
	add_attribute(info, oid, V_ASN1_PRINTABLESTRING, text, strlen(text));
}

static void add_status(CMS_SignerInfo *info, const struct message *message)
{
	static const char words[] = "the registration desk is closed on Sundays";
	char number[16];

	snprintf(number, sizeof(number), "%d",
		modes_has(message->modes, "wrong-status") ? 9 : (int)message->status);
	add_text(info, OID_PKI_STATUS, number);
	if (message->status != FAILURE)
		return;
	snprintf(number, sizeof(number), "%d", message->fail);
	if (message->fail != NO_FAIL)
		add_text(info, OID_FAIL_INFO, number);
	if (modes_has(message->modes, "fail-text"))
		add_attribute(
			info, OID_FAIL_INFO_TEXT, V_ASN1_UTF8STRING, words, sizeof(words) - 1);
}

static void add_attributes(CMS_SignerInfo *info, const struct message *message)
{
	unsigned char fresh[16], nonce[16];
	const char *transaction = modes_has(message->modes, "wrong-transaction")
					  ? "somebody-elses-transaction"
					  : message->transaction;

	RAND_bytes(fresh, sizeof(fresh));
	memcpy(nonce, message->nonce, sizeof(nonce));
	if (modes_has(message->modes, "wrong-nonce"))
		nonce[15] ^= 1;
	add_text(info, OID_TRANSACTION_ID, transaction);
	add_text(info, OID_MESSAGE_TYPE, modes_has(message->modes, "wrong-type") ? "19" : "3");
	add_attribute(info, OID_SENDER_NONCE, V_ASN1_OCTET_STRING, fresh, sizeof(fresh));
	if (!modes_has(message->modes, "no-nonce"))
		add_attribute(info, OID_RECIPIENT_NONCE, V_ASN1_OCTET_STRING, nonce, sizeof(nonce));
	add_status(info, message);
}

static const EVP_CIPHER *reply_cipher(const struct modes *modes)
{
	if (modes_has(modes, "des"))
		return EVP_des_cbc();
	return modes_has(modes, "des3") ? EVP_des_ede3_cbc() : EVP_aes_128_cbc();
}

/* The certificates, encrypted to whoever signed the request. */
static BIO *reply_content(const struct message *message)
{
	BIO *content = BIO_new(BIO_s_mem()), *plain;
	STACK_OF(X509) *to = sk_X509_new_null();
	CMS_ContentInfo *envelope;
	unsigned char *bag;
	int len;

	if (message->status != SUCCESS) {
		sk_X509_free(to);
		return content;
	}
	len = bag_encode(message->issued, &bag);
	sk_X509_push(to, modes_has(message->modes, "wrong-envelope")
				 ? message->authority->members[TLS].certificate
				 : message->signer);
	plain = BIO_new_mem_buf(bag, len);
	envelope = CMS_encrypt(to, plain, reply_cipher(message->modes), CMS_BINARY);
	if (envelope != NULL)
		i2d_CMS_bio(content, envelope);
	CMS_ContentInfo_free(envelope);
	BIO_free(plain);
	OPENSSL_free(bag);
	sk_X509_free(to);
	return content;
}

static int reply_encode(const struct message *message, unsigned char **der)
{
	const struct pair *signer = authority_signer(message->authority, message->modes);
	BIO *content = reply_content(message);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, CMS_PARTIAL | CMS_BINARY);
	unsigned flags = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL;
	CMS_SignerInfo *info;
	int len = -1;

	if (modes_has(message->modes, "no-signer"))
		flags |= CMS_NOCERTS;
	info = CMS_add1_signer(cms, signer->certificate, signer->key,
		modes_has(message->modes, "sha1") ? EVP_sha1() : EVP_sha256(), flags);
	if (info != NULL)
		add_attributes(info, message);
	if (info != NULL && CMS_final(cms, content, NULL, CMS_BINARY) == 1)
		len = i2d_CMS_ContentInfo(cms, der);
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	return len;
}

static void message_done(struct message *message)
{
	CMS_ContentInfo_free(message->cms);
	BIO_free(message->content);
	X509_REQ_free(message->request);
	sk_X509_pop_free(message->issued, X509_free);
}

static void reply_send(struct exchange *exchange, const struct message *message)
{
	unsigned char *der = NULL;
	int encoded = reply_encode(message, &der);
	size_t len = encoded > 0 ? (size_t)encoded : 0;
	unsigned char *longer;

	if (len == 0) {
		http_answer_text(exchange, 500, "the reply could not be made\n");
		return;
	}
	if (modes_has(message->modes, "bad-signature"))
		der[len - 1] ^= 1; /* the signature is what a SignedData ends in */
	if (modes_has(message->modes, "trailing") &&
		(longer = OPENSSL_realloc(der, len + 9)) != NULL) {
		der = longer;
		memcpy(der + len, "trailing", 9);
		len += 8;
	}
	if (modes_has(message->modes, "truncated"))
		len /= 2;
	http_answer(exchange, 200, MESSAGE_TYPE, NULL, der, len);
	OPENSSL_free(der);
}

/* ---- PKIOperation ---- */

static const char *status_name(enum status status)
{
	switch (status) {
	case SUCCESS:
		return "SUCCESS";
	case PENDING:
		return "PENDING";
	case FAILURE:
	default:
		return "FAILURE";
	}
}

/* The transient certificate must be for signatures and key encipherment, section 2.3. */
static bool has_signer_usage(X509 *signer)
{
	uint32_t usage = X509_get_key_usage(signer),
		 both = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT;

	return X509_get_ext_by_NID(signer, NID_key_usage, -1) >= 0 && (usage & both) == both;
}

static void message_log(const struct exchange *exchange, const struct message *message)
{
	char type[16], challenge[256] = "";
	char *subject = NULL, *recipient;
	X509_ALGOR *digest;

	snprintf(type, sizeof(type), "%d", message->type);
	if (message->request != NULL) {
		request_challenge(message->request, challenge, sizeof(challenge));
		subject = name_text(X509_REQ_get_subject_name(message->request));
	}
	recipient = name_text(
		X509_get_subject_name(message->authority->members[message->recipient].certificate));
	CMS_SignerInfo_get0_algs(message->info, NULL, NULL, &digest, NULL);
	journal("scep", "method", exchange->method, "type", type, "transaction",
		message->transaction, "status", status_name(message->status), "subject", subject,
		"challenge", challenge, "signer", message->signed_by_issued ? "issued" : "self",
		"usage", has_signer_usage(message->signer) ? "both" : "other", "recipient",
		recipient, "cipher", message->cipher, "digest",
		OBJ_nid2sn(OBJ_obj2nid(digest->algorithm)), NULL);
	OPENSSL_free(recipient);
	OPENSSL_free(subject);
}

static void operate(
	const struct authority *authority, struct exchange *exchange, const void *der, size_t len)
{
	struct message message = {
		.authority = authority, .modes = &exchange->modes, .fail = NO_FAIL};
	const char *why = read_message(&message, der, len);

	if (why != NULL) {
		journal("scep", "method", exchange->method, "malformed", why, NULL);
		http_answer_text(exchange, 400, why);
	} else {
		decide(&message);
		message_log(exchange, &message);
		if (!http_misbehave(exchange, ""))
			reply_send(exchange, &message);
	}
	message_done(&message);
}

/* By GET the message is base64 in the query, section 4.1. */
static void operate_get(const struct authority *authority, struct exchange *exchange)
{
	char *text = http_parameter(exchange->query, "message");
	unsigned char *der = NULL;
	int len = text != NULL ? base64_decode(text, &der) : -1;

	if (len > 0) {
		operate(authority, exchange, der, (size_t)len);
	} else {
		journal("scep", "method", "GET", "malformed", "no base64", NULL);
		http_answer_text(exchange, 400, "message is not base64\n");
	}
	free(der);
	free(text);
}

static void operation(const struct authority *authority, struct exchange *exchange)
{
	bool is_post = strcmp(exchange->method, "POST") == 0;

	if (!is_post)
		operate_get(authority, exchange);
	else if (modes_has(&exchange->modes, "caps-get") || modes_has(&exchange->modes, "caps-old"))
		http_answer_text(exchange, 405, "POST is not for here\n");
	else
		operate(authority, exchange, exchange->body, exchange->len);
}

/* ---- the other operations ---- */

static void capabilities(const struct authority *authority, struct exchange *exchange)
{
	static const struct {
		const char *mode, *text;
	} table[] = {
		{"caps-empty", ""},
		{"caps-crlf", "postPKIoperation\r\nFrobnicate\r\nsha-256\r\naes\r\nRENEWAL\r\n"},
		{"caps-old", "DES3\nSHA-1\n"},
		{"caps-get", "Renewal\nSHA-1\nSHA-256\nSHA-512\nAES\nDES3\nGetNextCACert\n"},
	};
	const char *text = "AES\nDES3\nGetNextCACert\nPOSTPKIOperation\nRenewal\nSCEPStandard\n"
			   "SHA-1\nSHA-256\nSHA-512\n";

	(void)authority;
	if (modes_has(&exchange->modes, "caps-404")) {
		http_answer_text(exchange, 404, "what?\n");
		return;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (modes_has(&exchange->modes, table[i].mode))
			text = table[i].text;
	http_answer_text(exchange, 200, text);
}

/* One certificate as it is, several in a bag: section 4.2. */
static void ca_certificate(const struct authority *authority, struct exchange *exchange)
{
	STACK_OF(X509) * bag;
	unsigned char *der = NULL;
	bool single;
	int len;

	if (http_misbehave(exchange, "ca-"))
		return;
	bag = authority_bag(authority, &exchange->modes);
	single = sk_X509_num(bag) == 1;
	len = single ? i2d_X509(sk_X509_value(bag, 0), &der) : bag_encode(bag, &der);
	if (modes_has(&exchange->modes, "ca-truncated"))
		len /= 2;
	http_answer(exchange, 200,
		single ? "application/x-x509-ca-cert" : "application/x-x509-ca-ra-cert", NULL, der,
		len > 0 ? (size_t)len : 0);
	OPENSSL_free(der);
	sk_X509_free(bag);
}

/* The new one in a bag, signed by the current one: section 4.7.1. */
static void next_ca_certificate(const struct authority *authority, struct exchange *exchange)
{
	const struct pair *signer = authority_signer(authority, &exchange->modes);
	STACK_OF(X509) *bag = sk_X509_new_null();
	unsigned char *inner = NULL, *der = NULL;
	CMS_ContentInfo *cms;
	BIO *content;
	int len;

	sk_X509_push(bag, authority->members[NEXT].certificate);
	len = bag_encode(bag, &inner);
	content = BIO_new_mem_buf(inner, len);
	cms = CMS_sign(
		signer->certificate, signer->key, NULL, content, CMS_BINARY | CMS_NOSMIMECAP);
	len = i2d_CMS_ContentInfo(cms, &der);
	http_answer(exchange, 200, "application/x-x509-next-ca-cert", NULL, der,
		len > 0 ? (size_t)len : 0);
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	OPENSSL_free(inner);
	OPENSSL_free(der);
	sk_X509_free(bag);
}

void scep_serve(const struct authority *authority, struct exchange *exchange)
{
	static const struct {
		const char *name;
		void (*serve)(const struct authority *authority, struct exchange *exchange);
	} table[] = {
		{"GetCACaps", capabilities},
		{"GetCACert", ca_certificate},
		{"GetNextCACert", next_ca_certificate},
		{"PKIOperation", operation},
	};
	char *name = http_parameter(exchange->query, "operation");

	for (size_t i = 0; name != NULL && i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(name, table[i].name) != 0)
			continue;
		table[i].serve(authority, exchange);
		free(name);
		return;
	}
	http_answer_text(exchange, 404, "no such operation\n");
	free(name);
}
