/* pki: what SCEP's builder and its parser share. Private to pki/scep*.c. */
#ifndef FERRULE_PKI_SCEP_CMS_H
#define FERRULE_PKI_SCEP_CMS_H

#include "pki/scep.h"

#include <openssl/cms.h>
#include <openssl/provider.h>

/* Signed attributes (RFC 8894 3.2.1). */
#define SCEP_MESSAGE_TYPE    "2.16.840.1.113733.1.9.2"
#define SCEP_PKI_STATUS      "2.16.840.1.113733.1.9.3"
#define SCEP_FAIL_INFO       "2.16.840.1.113733.1.9.4"
#define SCEP_SENDER_NONCE    "2.16.840.1.113733.1.9.5"
#define SCEP_RECIPIENT_NONCE "2.16.840.1.113733.1.9.6"
#define SCEP_TRANSACTION_ID  "2.16.840.1.113733.1.9.7"
#define SCEP_FAIL_INFO_TEXT  "1.3.6.1.5.5.7.24.1"

/*
 * Single DES lives in OpenSSL's legacy provider: in a library context of its own, so that
 * nothing else of the process gets it. Returns 0 or -1; `done` takes half-opened ones.
 */
struct scep_legacy {
	OSSL_LIB_CTX *ctx;                  /* owned */
	OSSL_PROVIDER *standard, *outdated; /* owned */
};

int scep_legacy_init(struct scep_legacy *legacy, struct pki_error *error);
void scep_legacy_done(struct scep_legacy *legacy);

/* A signed message: who signed it is one of the pinned certificates, and the signature holds. */
struct scep_signed {
	CMS_ContentInfo *cms;   /* owned */
	CMS_SignerInfo *signer; /* borrowed from cms */
	BIO *content;           /* owned: what was signed, maybe nothing */
};

/* Returns 0, or -1 with `error` filled. The caller calls scep_signed_done() in both cases. */
int scep_signed_open(const void *data, size_t len, const char *what, STACK_OF(X509) * signers,
	struct scep_signed *out, struct pki_error *error);
void scep_signed_done(struct scep_signed *message);

#endif
