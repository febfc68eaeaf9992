/*
 * pki: SCEP (RFC 8894) as functions over memory: URLs, messages, answers. The caller does the
 * transfers with pki/fetch.h and keeps the state of the transaction. Private to pki/.
 */
#ifndef FERRULE_PKI_SCEP_H
#define FERRULE_PKI_SCEP_H

#include "pki/pki.h"

#define PKI_SCEP_NONCE          16
#define PKI_SCEP_TRANSACTION_ID 65 /* hex SHA-256 and a NUL */
#define PKI_SCEP_CONTENT_TYPE   "application/x-pki-message"

/* ---- before the first message ------------------------------------------ */

/* SCEP needs keys that can also decrypt: EC is refused with the way out. Returns 0 or -1. */
int pki_scep_check_key(const EVP_PKEY *key, struct pki_error *error);

struct pki_scep_capabilities {
	bool aes, des3, post, renewal, next_ca, sha1, sha256, sha512, standard;
};

/* The body of GetCACaps; an empty one (or NULL, after an HTTP error) means none (3.5.2). */
void pki_scep_capabilities_parse(const char *text, size_t len, struct pki_scep_capabilities *out);

enum pki_scep_cipher { PKI_SCEP_AES128, PKI_SCEP_DES3, PKI_SCEP_DES };

/* What a message is protected with. */
struct pki_scep_algorithms {
	enum pki_scep_cipher cipher;
	const char *hash; /* borrowed: "sha256" */
};

/*
 * The best of what the CA says it can: `hash` (sha1, sha256, sha384, sha512) if it can that,
 * else the strongest; AES-128, else triple DES. `legacy_des` (of the trustpoint) allows single
 * DES where the CA names no cipher at all. Returns 0 or -1.
 */
int pki_scep_choose(const struct pki_scep_capabilities *capabilities, const char *hash,
	bool legacy_des, struct pki_scep_algorithms *out, struct pki_error *error);

/*
 * BASE?operation=OPERATION[&message=MESSAGE], a query of BASE kept; a BASE without a path gets
 * the /cgi-bin/pkiclient.exe of IOS. `message` is a CA identifier or NULL. The second is
 * PKIOperation by GET. Return 0 or -1; the caller frees *out.
 */
int pki_scep_url(const char *base, const char *operation, const char *message, char **out,
	struct pki_error *error);
int pki_scep_url_get(const char *base, const unsigned char *der, size_t len, char **out,
	struct pki_error *error);

/*
 * Derived from the public key, so that a transaction goes on after a restart (5.2); from
 * `renewed` too (NULL for a first enrollment): each renewal of one key is a transaction of its
 * own. Returns 0 or -1.
 */
int pki_scep_transaction_id(
	EVP_PKEY *key, X509 *renewed, char out[PKI_SCEP_TRANSACTION_ID], struct pki_error *error);

/*
 * The self-signed certificate that a PKCSReq is signed with: same subject, same key (2.3).
 * Keep it until the transaction is over: the reply is encrypted to it. NULL with `error` filled.
 */
X509 *pki_scep_transient(
	X509_REQ *request, EVP_PKEY *key, const char *hash, struct pki_error *error);

/* ---- GetCACert ----------------------------------------------------------- */

struct pki_scep_authority {
	STACK_OF(X509) * all;     /* owned: all there were, CAs above `ca` too */
	STACK_OF(X509) * signers; /* owned: `ca` and what it issued: who may sign replies */
	X509 *ca;                 /* borrowed from `all`, as the others: whose fingerprint counts */
	X509 *signer;             /* RA that signs, or the CA */
	X509 *recipient;          /* whom requests are encrypted to: RA or CA */
};

/*
 * From the body of GetCACert: one DER certificate, or a bag with the RA's too. `ca` is the CA
 * that issues: the lowest one. Every certificate of an RA must be signed by it, so that all of
 * `signers` are authentic once the caller has checked the fingerprint of `ca`; the CAs above it
 * are not. `recipient` is a fingerprint that overrides the choice, or NULL. Returns 0, or -1
 * with `error` filled and *out empty.
 */
int pki_scep_authority_parse(const void *data, size_t len, const char *recipient,
	struct pki_scep_authority *out, struct pki_error *error);

/* The same from certificates kept since; takes `all` over, also when it fails. */
int pki_scep_authority_init(struct pki_scep_authority *out, STACK_OF(X509) * all,
	const char *recipient, struct pki_error *error);
void pki_scep_authority_done(struct pki_scep_authority *authority);

/*
 * The body of GetNextCACert, signed by the current CA (4.7). On success *out is the future
 * authority, whose `recipient` the PKCSReq after it is for.
 */
int pki_scep_next_parse(const void *data, size_t len, const struct pki_scep_authority *current,
	struct pki_scep_authority *out, struct pki_error *error);

/* ---- messages -------------------------------------------------------------- */

/* 3.2.1.2 */
enum pki_scep_type {
	PKI_SCEP_RENEWALREQ = 17, /* signed with the certificate that is renewed */
	PKI_SCEP_PKCSREQ = 19,    /* signed with the transient one; some CAs want it for renewals */
	PKI_SCEP_CERTPOLL = 20,
};

/* All borrowed. */
struct pki_scep_request {
	enum pki_scep_type type;
	const char *transaction_id;
	X509 *certificate; /* who signs: the transient one, or the one that is renewed */
	EVP_PKEY *key;     /* its key */
	X509_REQ *request; /* CertPoll names its subject only */
	const struct pki_scep_authority
		*authority; /* CertPoll names its CA, all go to its recipient */
	struct pki_scep_algorithms algorithms;
};

struct pki_scep_message {
	unsigned char *der; /* owned */
	size_t len;
	unsigned char nonce[PKI_SCEP_NONCE]; /* the reply must repeat it */
};

/* Each call makes a new nonce. Returns 0, or -1 with `error` filled and *out empty. */
int pki_scep_build(const struct pki_scep_request *request, struct pki_scep_message *out,
	struct pki_error *error);
void pki_scep_message_done(struct pki_scep_message *message);

/* ---- CertRep ---------------------------------------------------------------- */

/* What a reply must agree with; all borrowed. */
struct pki_scep_expected {
	const char *transaction_id;
	const unsigned char *nonce; /* of the message it answers */
	const struct pki_scep_authority *authority;
	X509 *certificate; /* the signer of the request, to whom the reply is encrypted */
	EVP_PKEY *key;     /* its key */
	EVP_PKEY
	*new_key;        /* whose certificate is asked for; the same unless a renewal changes it */
	bool legacy_des; /* single DES may be decrypted, in a library context of its own */
};

enum pki_scep_status {
	PKI_SCEP_SUCCESS, /* the certificate is there */
	PKI_SCEP_PENDING, /* poll with CERTPOLL and the same transaction */
	PKI_SCEP_FAILURE, /* the CA refused; `error` has failInfo and failInfoText in words */
	PKI_SCEP_INVALID, /* not a reply to be trusted; `error` says why */
};

/* 3.2.1.4.  Values of failInfo. */
enum pki_scep_fail {
	PKI_SCEP_BAD_ALG = 0,
	PKI_SCEP_BAD_MESSAGE_CHECK = 1,
	PKI_SCEP_BAD_REQUEST = 2,
	PKI_SCEP_BAD_TIME = 3,
	PKI_SCEP_BAD_CERT_ID = 4,
	PKI_SCEP_NOT_SAID = -1,
};

struct pki_scep_reply {
	X509 *certificate;       /* owned: for new_key */
	STACK_OF(X509) * extras; /* owned: whatever else came with it, not verified */
	enum pki_scep_fail fail_info;
	bool single_des; /* was used: worth a line in the log */
};

/*
 * Judges a reply: signature, signer, transaction, nonce, type; then status; then the envelope;
 * then the public key. Names, dates, serial number and issuer of the certificate are the
 * caller's to check.
 */
enum pki_scep_status pki_scep_parse(const void *data, size_t len,
	const struct pki_scep_expected *expected, struct pki_scep_reply *out,
	struct pki_error *error);
void pki_scep_reply_done(struct pki_scep_reply *reply);

#endif
