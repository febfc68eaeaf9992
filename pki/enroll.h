/* pki: what the ways of enrolling have in common. Private to pki/. */
#ifndef FERRULE_PKI_ENROLL_H
#define FERRULE_PKI_ENROLL_H

#include "pki/pending.h"
#include "pki/request.h"
#include "pki/retrieve.h"

/* One enrollment, from the lock to the switch. */
struct pki_enrollment {
	const struct pki_trustpoint *trustpoint;
	const struct pki_enroll_options *options;
	const struct pki_context *context;
	struct pki_store store;        /* locked */
	struct pki_generation current; /* what there was */
	struct pki_names names;
	struct pki_way way;
	struct pki_pending pending;       /* keys, facts, requests; certificates as they come */
	struct pki_generation credential; /* of another trustpoint, for a profile; or empty */
	struct pki_secret password;
	bool is_resumed;  /* the request was out before */
	bool was_pending; /* the CA has said that it will decide later */
	bool was_judged;  /* the certificates are what was asked for */
};

/* What a way of enrolling says about the requests. */
enum pki_step {
	PKI_STEP_ISSUED,  /* each key has its certificate in `pending` */
	PKI_STEP_OUT,     /* somebody is to bring the certificates */
	PKI_STEP_PENDING, /* the CA decides later */
	PKI_STEP_REFUSED, /* `error`: the CA will not issue them */
	PKI_STEP_FAILED,  /* `error`: no answer, or none to be trusted */
};

/* Opens the store, takes the lock and reads what there is. 0, or -1 with `error` filled. */
int pki_enrollment_open(struct pki_enrollment *enrollment, const struct pki_trustpoint *trustpoint,
	const struct pki_context *context, struct pki_error *error);
/* Also after open has failed. */
void pki_enrollment_close(struct pki_enrollment *enrollment);

/* Reads the request that is out, if there is one. 0, or -1 with `error` filled. */
int pki_enrollment_load_pending(struct pki_enrollment *enrollment, struct pki_error *error);

/* The certificate of a pair that may sign for its successor; NULL: none that is valid. */
X509 *pki_enrollment_renewable(const struct pki_enrollment *enrollment, enum pki_pair pair);

/* Asks for it, unless the options have it. */
int pki_enrollment_ask_password(
	struct pki_enrollment *enrollment, const char *prompt, struct pki_error *error);

/* The request of a pair, made anew with the password where it is not kept. */
int pki_enrollment_request(struct pki_enrollment *enrollment, enum pki_pair pair, X509_REQ **out,
	struct pki_error *error);

/* Puts an issued certificate beside its key; takes both over. 0 or -1: memory ran out. */
int pki_enrollment_take(struct pki_enrollment *enrollment, enum pki_pair pair, X509 *certificate,
	STACK_OF(X509) * extras, struct pki_error *error);

/* Does every key have its certificate? */
bool pki_enrollment_is_complete(const struct pki_enrollment *enrollment);

/* Judges the certificates and makes them the trustpoint's. 0, or -1 with `error` filled. */
int pki_enrollment_finish(struct pki_enrollment *enrollment, struct pki_error *error);

/* ---- SCEP ---------------------------------------------------------------------- */

struct pki_scep_session;

/* Asks the CA what it can. NULL with `error` filled when it cannot be asked or cannot enough. */
struct pki_scep_session *pki_scep_session_open(
	struct pki_enrollment *enrollment, struct pki_error *error);
void pki_scep_session_close(struct pki_scep_session *session);
/* Does it take a renewal in place of a password? */
bool pki_scep_session_renews(const struct pki_scep_session *session);
enum pki_step pki_scep_enroll(struct pki_enrollment *enrollment, struct pki_scep_session *session,
	struct pki_error *error);

/* ---- the others ------------------------------------------------------------------ */

enum pki_step pki_est_enroll(struct pki_enrollment *enrollment, struct pki_error *error);
enum pki_step pki_template_enroll(struct pki_enrollment *enrollment, struct pki_error *error);
enum pki_step pki_terminal_enroll(struct pki_enrollment *enrollment, struct pki_error *error);
enum pki_step pki_files_enroll(struct pki_enrollment *enrollment, struct pki_error *error);

/* "-sign.crt": the suffix of a pair's file, by what it is for. */
void pki_files_suffix(const struct pki_trustpoint *trustpoint, enum pki_pair pair, const char *kind,
	char out[16]);

#endif
