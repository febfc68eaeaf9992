/*
 * pki: the device's identity and whom it trusts. A trustpoint is a named
 * identity; loading one yields an immutable, reference-counted pki_identity
 * (certificate, private key, chain) that a running proxy can hold on to while a
 * newer one is made. Trust anchors are what peers' certificates are judged by.
 */
#ifndef FERRULE_PKI_H
#define FERRULE_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

struct pki_identity;
struct pki_transport;

/* ---- trustpoints ------------------------------------------------------------- */

/* How the device gets its certificate. */
enum pki_method {
	PKI_METHOD_SELFSIGNED,
	PKI_METHOD_PEM,      /* from files that something else manages */
	PKI_METHOD_SCEP,     /* RFC 8894 */
	PKI_METHOD_EST,      /* RFC 7030 */
	PKI_METHOD_TERMINAL, /* cut and paste */
	PKI_METHOD_PROFILE,  /* HTTP requests from templates */
	PKI_METHOD_PKCS12,   /* key and certificate in one file from elsewhere */
	PKI_METHOD_TFTP,     /* request, certificate and CA certificate as files on a server */
	PKI_METHOD_FILE,     /* the same in a directory of this machine */
};
enum pki_key_type { PKI_KEY_EC, PKI_KEY_RSA };
enum pki_usage {
	PKI_USAGE_GENERAL, /* one key pair, one certificate */
	PKI_USAGE_KEYS,    /* two of each: for signatures and for encryption (RSA only) */
};
enum pki_hash { PKI_HASH_SHA256, PKI_HASH_SHA384, PKI_HASH_SHA512 };

/* The word that stands for cut and paste where a profile could have a URL. */
#define PKI_URL_TERMINAL "terminal"

/* One step of an enrollment profile; both NULL or empty when it is not configured. */
struct pki_profile_template {
	const char *url;     /* http, https, tftp, file, or PKI_URL_TERMINAL */
	const char *command; /* "GET /path", "POST body", with $REQ and $P1 to $P8 */
};

#define PKI_PROFILE_PARAMETERS 8

struct pki_profile {
	const char *name;
	struct pki_profile_template authentication, enrollment, reenrollment;
	const struct pki_trustpoint *credential; /* whose certificate proves who asks; or NULL */
	/* $P1 to $P8: a value, or the prompt by which the operator is asked for it; or both NULL */
	struct {
		const char *value, *prompt;
	} parameters[PKI_PROFILE_PARAMETERS];
};

/* What a trustpoint is made from; all pointers are borrowed for the call. */
struct pki_trustpoint {
	const char *name;            /* a safe file name: letters, digits, '-', '_', '.' */
	const char *state_directory; /* created 0700 when missing */
	enum pki_method method;
	/* PKI_METHOD_PEM; certificate and key NULL: it only says whom to trust */
	const char *certificate_file, *key_file, *chain_file; /* chain_file may be NULL */
	const char *ca_file;                                  /* trust anchors; may be NULL */
	/* The key pair */
	enum pki_key_type key_type;
	const char *curve;     /* "P-256" or "P-384" */
	unsigned bits;         /* 2048 to 4096 */
	const char *key_label; /* of a key pair in STATE/keys; NULL: the trustpoint's own */
	bool key_exportable;   /* of one that is yet to be made */
	enum pki_usage usage;
	/* The request's contents */
	const char *hostname, *domain_name; /* domain_name may be NULL or empty */
	const char *const *alt_names;       /* further DNS names and IP addresses for the SAN */
	size_t alt_name_count;
	const char *subject_name;  /* "CN=router1, O=Example"; NULL: CN=HOSTNAME.DOMAIN */
	const char *fqdn;          /* NULL: HOSTNAME.DOMAIN in the SAN only; "none": nowhere */
	const char *ip_address;    /* NULL: none */
	const char *serial_number; /* of the device; NULL: not in the subject */
	enum pki_hash hash;
	/* Where it comes from */
	const char *url;              /* of the CA */
	const char *username;         /* EST: goes with the password; NULL: HOSTNAME.DOMAIN */
	const char *http_proxy;       /* NULL: none */
	const char *source_interface; /* NULL: any */
	unsigned retry_count;         /* 1 to 100 polls of a pending request */
	unsigned retry_period;        /* 1 to 60 minutes between them */
	bool ra;                      /* the server is an RA: it has certificates of its own */
	bool legacy_des;              /* SCEP replies in single DES are accepted */
	bool require_standard;  /* a SCEP server without SCEPStandard is refused (RFC 8894 7.5) */
	bool renews_by_pkcsreq; /* renewals by PKCSReq, signed with the old certificate */
	const char *ra_fingerprint; /* of the RA certificate that is encrypted to; NULL: by usage */
	const char *fingerprint;    /* SHA-256 or SHA-1 of the CA certificate; NULL: none */
	const struct pki_profile *profile; /* PKI_METHOD_PROFILE */
};

/* The text of the last failure: what, which file, why, and the cure. */
struct pki_error {
	char text[512];
};

/*
 * Loads the trustpoint's identity, to be presented by a server. A self-signed one
 * that is missing, expired, or made for other names or another kind of key is made
 * anew and kept (key first, atomic switch, previous generation kept); its
 * certificate, for clients that are to trust it, is
 * STATE/trustpoints/NAME/current/certificate.pem. `read_only` never writes: a
 * self-signed identity that would have to be made is then success with
 * *out = NULL (that is for `ferrule check`). An enrolled one that is missing, or
 * whose extended key usage forbids servers to use it, is an error. Returns 0 or -1
 * with `error` filled. The caller owns one reference to *out.
 */
int pki_identity_load(const struct pki_trustpoint *trustpoint, bool read_only,
	struct pki_identity **out, struct pki_error *error);
struct pki_identity *pki_identity_ref(struct pki_identity *identity);
void pki_identity_unref(struct pki_identity *identity);

/* Borrowed for as long as the caller holds its reference. */
X509 *pki_identity_certificate(const struct pki_identity *identity);
EVP_PKEY *pki_identity_key(const struct pki_identity *identity);
STACK_OF(X509) * pki_identity_chain(const struct pki_identity *identity); /* never NULL */

/*
 * What the operator should know although the identity can be used (expired, not
 * yet valid, usages that clients will refuse, a key file that others can read),
 * as one line; NULL when there is nothing to say.
 */
const char *pki_identity_warning(const struct pki_identity *identity);

/* True when this very load made the certificate: clients do not know it yet. */
bool pki_identity_is_new(const struct pki_identity *identity);

/*
 * True when what the identity was loaded from is no longer what it was: a
 * file's inode, size or modification time changed, or the self-signed
 * certificate has expired. Cheap: a few stat() calls.
 */
bool pki_identity_is_stale(const struct pki_identity *identity);

/* ---- trust anchors ----------------------------------------------------- */

struct pki_anchors;

/*
 * Loads every certificate of a PEM file as a trust anchor: of CAs, and of single
 * peers that are trusted as they are. Returns 0 or -1 with `error` filled. The
 * caller owns *out.
 */
int pki_anchors_load(const char *pem_file, struct pki_anchors **out, struct pki_error *error);
/*
 * The same for whom a trustpoint trusts: its ca_file or chain_file, or the CA
 * certificates it has authenticated.
 */
int pki_anchors_load_trustpoint(
	const struct pki_trustpoint *trustpoint, struct pki_anchors **out, struct pki_error *error);
void pki_anchors_free(struct pki_anchors *anchors);

X509_STORE *pki_anchors_store(const struct pki_anchors *anchors); /* borrowed */
size_t pki_anchors_count(const struct pki_anchors *anchors);

/* Anchors that are expired or not valid yet, as one line; NULL when there are none. */
const char *pki_anchors_warning(const struct pki_anchors *anchors);

/* True when the file has changed since. Cheap: one stat() call. */
bool pki_anchors_is_stale(const struct pki_anchors *anchors);

/* The system's bundle of CA certificates: the trust pool. NULL when there is none. */
const char *pki_trustpool_file(void);

/* ---- what operations need of their caller --------------------------------------- */

#define PKI_SECRET_MAX 256

/* A password; whoever has one wipes it with pki_secret_wipe(). */
struct pki_secret {
	size_t len;
	char text[PKI_SECRET_MAX];
};
void pki_secret_wipe(struct pki_secret *secret);

/*
 * The operator. pki/ never touches a terminal. What is asked where nobody can answer
 * fails with an error that names `option`, which answers it. All return 0 or -1 with
 * `error` filled, unless stated otherwise.
 */
struct pki_interaction {
	void *context;
	/* One line, or several, without the last line's end. */
	void (*say)(void *context, const char *text);
	/* 1: yes, 0: no. */
	int (*confirm)(
		void *context, const char *question, const char *option, struct pki_error *error);
	/* Without echo; an empty answer is one. */
	int (*ask_secret)(void *context, const char *prompt, const char *option,
		struct pki_secret *out, struct pki_error *error);
	/* With echo; *out is the caller's to free. */
	int (*ask_text)(void *context, const char *prompt, const char *option, char **out,
		struct pki_error *error);
	/* Lines up to a blank one or "quit" or the end; *out is the caller's to free. */
	int (*read_paste)(void *context, const char *prompt, char **out, size_t *len,
		struct pki_error *error);
	/* False when the operator does not want to wait any longer. */
	bool (*wait)(void *context, unsigned seconds);
};

/* Whom the process that talks to the network becomes. */
struct pki_account {
	bool is_set;         /* false: it stays who it is */
	const char *missing; /* why there is none, so that nothing goes over the network; NULL */
	unsigned uid, gid;
	/*
	 * A program whose main() hands over to pki_fetch_helper() when its only argument is
	 * PKI_FETCH_HELPER: it has none of our secrets in memory. NULL: a mere fork.
	 */
	const char *helper;
};

#define PKI_FETCH_HELPER "pki-fetch-helper"
int pki_fetch_helper(void); /* returns the exit status */

/* Common to the operations; all pointers are borrowed. */
struct pki_context {
	const struct pki_interaction *interaction;
	struct pki_account account;
	const struct pki_transport *transport; /* of tests; NULL: the network */
};

/* ---- key pairs --------------------------------------------------------------------- */

#define PKI_RSA_BITS_MIN 2048
#define PKI_RSA_BITS_MAX 4096

struct pki_key_parameters {
	const char *label;
	enum pki_key_type type;
	unsigned bits;     /* RSA */
	const char *curve; /* EC */
	enum pki_usage usage;
	bool exportable;
};

/*
 * Reads "rsa" and "2048", or "ec" and "P-256" (and its other names). Returns 0, or -1
 * with the reason why such a key is none that ferrule makes.
 */
int pki_key_parameters_parse(const char *type, const char *size,
	struct pki_key_parameters *parameters, struct pki_error *error);

/* Makes STATE/keys/LABEL; one that is there is an error. */
int pki_key_generate(const char *state_directory, const struct pki_key_parameters *parameters,
	struct pki_error *error);

/*
 * Refused while one of the trustpoints has a certificate for it or has asked for one;
 * otherwise the operator is asked, unless `yes`.
 */
int pki_key_delete(const char *state_directory, const char *label, bool yes,
	const struct pki_context *context, struct pki_error *error);

/* ---- authenticate, enroll ------------------------------------------------------------ */

struct pki_authenticate_options {
	const char *fingerprint; /* besides the trustpoint's own; NULL: none */
	bool yes;                /* a CA certificate that is there already may be replaced */
	const char *file;        /* where the certificate is; NULL: as the method says */
};

/*
 * Gets the CA's certificates, shows the fingerprints of the one that is to be trusted,
 * and keeps them once a fingerprint given beforehand matches or the operator has
 * agreed. Returns 0 or -1 with `error` filled and the store as it was.
 */
int pki_authenticate(const struct pki_trustpoint *trustpoint,
	const struct pki_authenticate_options *options, const struct pki_context *context,
	struct pki_error *error);

struct pki_enroll_options {
	const struct pki_secret *password; /* NULL: asked for where the method has one */
	bool regenerate;                   /* a new key pair */
	bool replace; /* the certificate or request that is there need not be asked about */
};

enum pki_enrolled {
	PKI_ENROLLED_CERTIFICATE, /* the store has the new certificate */
	PKI_ENROLLED_REQUEST,     /* the request is out; the certificate is to be imported */
	PKI_ENROLLED_PENDING,     /* the CA has not decided; enrolling again goes on with it */
};

/*
 * Obtains the trustpoint's certificate, or goes on with a request that is pending.
 * Returns 0 with *out, or -1 with `error` filled and the identity as it was.
 */
int pki_enroll(const struct pki_trustpoint *trustpoint, const struct pki_enroll_options *options,
	const struct pki_context *context, enum pki_enrolled *out, struct pki_error *error);

/* ---- import, export, verify -------------------------------------------------------------- */

struct pki_import_options {
	const char *file;                  /* NULL: fetched, or pasted, as the method says */
	const struct pki_secret *password; /* of a PKCS#12 file; NULL: asked for */
	bool exportable;                   /* of a PKCS#12 file's key */
	bool replace;
};

/* The certificate for the request that is out. */
int pki_import_certificate(const struct pki_trustpoint *trustpoint,
	const struct pki_import_options *options, const struct pki_context *context,
	struct pki_error *error);
/* Key, certificate and the CA's certificates. */
int pki_import_pkcs12(const struct pki_trustpoint *trustpoint,
	const struct pki_import_options *options, const struct pki_context *context,
	struct pki_error *error);

enum pki_format { PKI_FORMAT_PEM, PKI_FORMAT_DER, PKI_FORMAT_P7B, PKI_FORMAT_PKCS12 };

struct pki_export_options {
	enum pki_format format;
	bool key;    /* with the private key, if it is exportable (PEM, PKCS12) */
	bool chain;  /* with the issuers, up to the CA certificate */
	bool legacy; /* PKCS12 as old routers read it: 3DES and RC2-40, SHA-1 */
	const struct pki_secret *password; /* of PKCS12; NULL: asked for */
};

/* *out is the caller's, who wipes it (OPENSSL_clear_free). */
int pki_export(const struct pki_trustpoint *trustpoint, const struct pki_export_options *options,
	const struct pki_context *context, unsigned char **out, size_t *len,
	struct pki_error *error);

/*
 * Is the certificate in `file` (with its chain, PEM or DER) one that the trustpoint
 * trusts? A certificate that is itself among the anchors is. 0: yes, and why is said;
 * -1: no, or it could not be found out, with the reason.
 */
int pki_verify(const struct pki_trustpoint *trustpoint, const char *file,
	const struct pki_context *context, struct pki_error *error);

/* ---- show -------------------------------------------------------------------------------- */

struct pki_show_options {
	const char *name; /* of one trustpoint; NULL: all of them */
	bool verbose;     /* certificates */
	bool status;      /* trustpoints */
	bool json;
};

/* Each returns 0 with a text that the caller frees, or -1 with `error` filled. */
int pki_show_certificates(const struct pki_trustpoint *trustpoints, size_t count,
	const struct pki_show_options *options, char **out, struct pki_error *error);
int pki_show_trustpoints(const struct pki_trustpoint *trustpoints, size_t count,
	const struct pki_show_options *options, char **out, struct pki_error *error);
int pki_show_keys(const char *state_directory, const struct pki_trustpoint *trustpoints,
	size_t count, const struct pki_show_options *options, char **out, struct pki_error *error);

#endif
