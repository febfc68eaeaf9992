/* pki: getting certificates, by each method, without judging them. Private to pki/. */
#ifndef FERRULE_PKI_RETRIEVE_H
#define FERRULE_PKI_RETRIEVE_H

#include "pki/store.h"
#include "pki/transport.h"

/*
 * The URL of a trustpoint's file on a TFTP server or in a directory: its url and a
 * suffix; a url without a file's name gets the device's. The caller frees *out.
 * Returns 0, or -1 with `error` filled.
 */
int pki_retrieve_location(const struct pki_trustpoint *trustpoint, const char *url,
	const char *suffix, char **out, struct pki_error *error);

/* What the steps of an enrollment profile without a command stand for. */
enum pki_route {
	PKI_ROUTE_TERMINAL,
	PKI_ROUTE_FILES, /* TFTP or a directory */
	PKI_ROUTE_SCEP,
	PKI_ROUTE_EST,
	PKI_ROUTE_TEMPLATE, /* HTTP by a profile's command */
	PKI_ROUTE_NONE,     /* there is nothing to get: self-signed, PEM files, PKCS#12 */
};

/* How it goes about one step, and with which url. */
struct pki_way {
	enum pki_route route;
	const char *url;                            /* borrowed; NULL: none */
	const struct pki_profile_template *command; /* borrowed; PKI_ROUTE_TEMPLATE */
};
struct pki_way pki_way_of(
	const struct pki_trustpoint *trustpoint, const struct pki_profile_template *step);
struct pki_way pki_way_to_authenticate(const struct pki_trustpoint *trustpoint);
/* `renews`: there is a certificate already. */
struct pki_way pki_way_to_enroll(const struct pki_trustpoint *trustpoint, bool renews);

/* *out: at least one certificate, the caller's. All return 0, or -1 with `error` filled. */
int pki_retrieve_file(const char *path, STACK_OF(X509) * *out, struct pki_error *error);
int pki_retrieve_paste(const struct pki_context *context, const char *prompt, STACK_OF(X509) * *out,
	struct pki_error *error);
int pki_retrieve_url(const struct pki_trustpoint *trustpoint, const char *url,
	const struct pki_context *context, STACK_OF(X509) * *out, struct pki_error *error);

/* The CA's certificates; `current` has the ones that are trusted so far. */
int pki_retrieve_authority(const struct pki_trustpoint *trustpoint,
	const struct pki_generation *current, const struct pki_context *context,
	STACK_OF(X509) * *out, struct pki_error *error);

/*
 * Whom an https server must be certified by: the CA certificates that were authenticated
 * and, with `pool`, whatever the system trusts. PEM, the caller's to free; *out is NULL
 * when there is none.
 */
int pki_retrieve_anchors(
	const struct pki_generation *current, bool pool, char **out, struct pki_error *error);

/* One request by a profile's template; `login` is the client's certificate or NULL. */
int pki_retrieve_template(const struct pki_trustpoint *trustpoint,
	const struct pki_profile_template *step, X509_REQ *request,
	const struct pki_generation *current, const struct pki_credentials *login,
	const struct pki_context *context, STACK_OF(X509) * *out, struct pki_error *error);

#endif
