/*
 * libssl has no call that gives a session's keys away. Its key log does, but as text, 64
 * sprintf() to a secret, which is a twentieth of a handshake, and has none for TLS 1.2,
 * whose keys then have to be derived a second time. But it derives all of them with
 * algorithms that it fetches from providers (RFC 8446 7.1: TLS13-KDF, RFC 5246 6.3:
 * TLS1-PRF). So a provider of our own hands out libcrypto's implementations of these two
 * as they are, but for `derive`, which has a look at what comes out.
 */
#include "ktls/secrets.h"

#include "ktls/session.h"
#include "ktls/suites.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <string.h>

#define NAME "ferrule"
/*
 * Theirs hold for ours as well, and a query by a name of our own (which needs the dot)
 * leaves an operator's default query alone. Who does not want it makes "ferrule.keys=no"
 * one.
 */
#define PROPERTIES     "ferrule.derivation=yes,ferrule.keys=yes"
#define QUERY          "?ferrule.derivation=yes"
#define PROPERTIES_MAX 256
#define DISPATCHES     24 /* of a KDF of libcrypto's; 9 in 3.0 */

enum kdf { KDF_TLS13, KDF_TLS12, KDFS };

static int derive_tls13(void *, unsigned char *, size_t, const OSSL_PARAM[]);
static int derive_tls12(void *, unsigned char *, size_t, const OSSL_PARAM[]);

static const struct {
	const char *name;
	OSSL_FUNC_kdf_derive_fn *derive;
} kdfs[KDFS] = {
	[KDF_TLS13] = {OSSL_KDF_NAME_TLS1_3_KDF, derive_tls13},
	[KDF_TLS12] = {OSSL_KDF_NAME_TLS1_PRF, derive_tls12},
};

/* What is libcrypto's, and what is made of it: written once, while it is loaded. */
static struct {
	OSSL_PROVIDER *provider, *ours; /* loaded as long as the process lives */
	void *context;                  /* their provider's, which all of their functions expect */
	OSSL_FUNC_kdf_derive_fn *derive[KDFS];
	OSSL_DISPATCH functions[KDFS][DISPATCHES];
	char properties[KDFS][PROPERTIES_MAX];
	OSSL_ALGORITHM algorithms[KDFS + 1];
} theirs;

static _Thread_local struct ktls_session *listener;

void ktls_secrets_listen(struct ktls_session *session)
{
	listener = session;
}

/* ---- what is derived ---------------------------------------------------------------- */

static bool is_labelled(const OSSL_PARAM params[], const char *key, const char *label)
{
	const OSSL_PARAM *found = OSSL_PARAM_locate_const(params, key);
	return found && found->data_size == strlen(label) &&
	       memcmp(found->data, label, found->data_size) == 0;
}

static void keep_secret(enum ktls_direction direction, const uint8_t *secret, size_t len)
{
	if (len > KTLS_SECRET_MAX)
		return;
	memcpy(listener->side[direction].secret, secret, len);
	listener->secrets |= (uint8_t)(1 << direction);
}

static int derive_tls13(void *ctx, unsigned char *out, size_t len, const OSSL_PARAM params[])
{
	int result = theirs.derive[KDF_TLS13](ctx, out, len, params);
	if (result != 1 || !listener)
		return result;
	if (is_labelled(params, OSSL_KDF_PARAM_LABEL, "c ap traffic"))
		keep_secret(KTLS_RX, out, len);
	else if (is_labelled(params, OSSL_KDF_PARAM_LABEL, "s ap traffic"))
		keep_secret(KTLS_TX, out, len);
	return result;
}

/* The whole key block at once; libssl has agreed on the suite, but does not use it yet. */
static int derive_tls12(void *ctx, unsigned char *out, size_t len, const OSSL_PARAM params[])
{
	int result = theirs.derive[KDF_TLS12](ctx, out, len, params);
	enum ktls_cipher cipher;
	/* The label is the first of several seeds that are taken together. */
	if (result == 1 && listener && is_labelled(params, OSSL_KDF_PARAM_SEED, "key expansion") &&
		ktls_suites_cipher(SSL_get_pending_cipher(listener->ssl), &cipher) &&
		ktls_keys_tls12(cipher, out, len, &listener->side[KTLS_RX].keys,
			&listener->side[KTLS_TX].keys) == 0)
		listener->secrets = KTLS_SECRETS_ALL;
	return result;
}

/* ---- the provider --------------------------------------------------------------------- */

/* Names of one algorithm are separated by colons. */
static const OSSL_ALGORITHM *algorithm_find(const OSSL_PROVIDER *provider, const char *name)
{
	int no_cache;
	size_t len = strlen(name);
	const OSSL_ALGORITHM *at = OSSL_PROVIDER_query_operation(provider, OSSL_OP_KDF, &no_cache);
	for (; at && at->algorithm_names; at++)
		if (strncmp(at->algorithm_names, name, len) == 0 &&
			strchr(":", at->algorithm_names[len]))
			return at;
	return NULL;
}

/* Their functions, with our derive in the place of theirs. */
static bool functions_take(enum kdf kdf, const OSSL_DISPATCH *from)
{
	for (size_t i = 0; i < DISPATCHES; i++) {
		OSSL_DISPATCH *to = &theirs.functions[kdf][i];
		*to = from[i];
		if (to->function_id == 0)
			return theirs.derive[kdf];
		if (to->function_id != OSSL_FUNC_KDF_DERIVE)
			continue;
		theirs.derive[kdf] = OSSL_FUNC_kdf_derive(&from[i]);
		to->function = (void (*)(void))kdfs[kdf].derive;
	}
	return false;
}

static bool properties_take(enum kdf kdf, const char *from)
{
	int len = snprintf(theirs.properties[kdf], PROPERTIES_MAX, "%s%s" PROPERTIES,
		from ? from : "", from && *from ? "," : "");
	return len > 0 && len < PROPERTIES_MAX;
}

static bool algorithms_take(const OSSL_PROVIDER *provider)
{
	theirs.context = OSSL_PROVIDER_get0_provider_ctx(provider);
	for (enum kdf kdf = 0; kdf < KDFS; kdf++) {
		const OSSL_ALGORITHM *algorithm = algorithm_find(provider, kdfs[kdf].name);
		if (!algorithm || !functions_take(kdf, algorithm->implementation) ||
			!properties_take(kdf, algorithm->property_definition))
			return false;
		theirs.algorithms[kdf] = *algorithm;
		theirs.algorithms[kdf].property_definition = theirs.properties[kdf];
		theirs.algorithms[kdf].implementation = theirs.functions[kdf];
	}
	return true;
}

static const OSSL_ALGORITHM *query_operation(void *context, int operation, int *no_cache)
{
	(void)context;
	*no_cache = 0;
	return operation == OSSL_OP_KDF ? theirs.algorithms : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
	const OSSL_DISPATCH **out, void **context)
{
	static const OSSL_DISPATCH functions[] = {
		{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_operation},
		{0, NULL},
	};
	(void)handle;
	(void)in;
	*out = functions;
	*context = theirs.context;
	return 1;
}

/* Wraps whichever provider libssl would use; it is loaded once more, so that it stays. */
static void provider_load(void)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, NULL);
	const OSSL_PROVIDER *provider = kdf ? EVP_KDF_get0_provider(kdf) : NULL;
	if (provider)
		theirs.provider =
			OSSL_PROVIDER_try_load(NULL, OSSL_PROVIDER_get0_name(provider), 1);
	EVP_KDF_free(kdf);
	if (theirs.provider && algorithms_take(theirs.provider) &&
		OSSL_PROVIDER_add_builtin(NULL, NAME, provider_init) == 1)
		theirs.ours = OSSL_PROVIDER_try_load(NULL, NAME, 1);
}

const char *ktls_secrets_properties(void)
{
	static bool tried;
	if (!tried)
		provider_load();
	tried = true;
	return theirs.ours ? QUERY : NULL;
}
