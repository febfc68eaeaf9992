/*
 * One SSL_CTX per name, chosen as soon as the ClientHello is there: before
 * libssl looks at tickets, so that those of one name are not good for another
 * (RFC 6066 3), which is left to the session id context of each SSL_CTX.
 */
#include "ktls/names.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 1035 2.3.4, and the NUL behind it */
#define NAME_SIZE 254

/* What a session remembers its name with. */
#define NAMES_MAX UINT16_MAX

struct ktls_host {
	char name[NAME_SIZE]; /* lower case, without a dot at its end */
	SSL_CTX *ctx;         /* owned */
	uint16_t index;
};

/* Lower case, without the dot of a complete name. False when it is no name's length. */
static bool normalize(const char *text, size_t len, char name[NAME_SIZE])
{
	if (len > 0 && text[len - 1] == '.')
		len--;
	if (len == 0 || len >= NAME_SIZE)
		return false;
	for (size_t i = 0; i < len; i++)
		name[i] = (char)tolower((unsigned char)text[i]);
	name[len] = '\0';
	return true;
}

/* ---- what was configured --------------------------------------------------- */

static const char *key_type(const EVP_PKEY *key)
{
	return EVP_PKEY_is_a(key, "EC") ? "ECDSA" : EVP_PKEY_get0_type_name(key);
}

/* The default name needs no naming. */
__attribute__((format(printf, 3, 4))) static int refuse_name(
	const struct ktls_problem *problem, const struct ktls_name *name, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (!name->server_name)
		return ktls_refuse(problem, "%s", text);
	return ktls_refuse(problem, "server_name \"%s\": %s", name->server_name, text);
}

/* A wildcard is the whole first label (RFC 6125 6.4.3). */
static int name_check(const struct ktls_name *name, bool is_first, char normal[NAME_SIZE],
	const struct ktls_problem *problem)
{
	const char *text = name->server_name;
	normal[0] = '\0';
	if (!text && is_first)
		return 0;
	if (!text)
		return ktls_refuse(problem, "only the first name can be without server_name");
	const char *rest = strncmp(text, "*.", 2) == 0 ? text + 2 : text;
	if (!*rest || *rest == '.' || strchr(rest, '*') || !normalize(text, strlen(text), normal))
		return refuse_name(problem, name, "not a host name, nor \"*.\" and a domain");
	return 0;
}

/* libssl has one place for each type, and would forget the first one silently. */
static int certificates_check(
	const struct ktls_name *name, unsigned *keys, const struct ktls_problem *problem)
{
	*keys = 0;
	if (name->certificate_count == 0)
		return refuse_name(problem, name, "no certificate");
	for (size_t i = 0; i < name->certificate_count; i++) {
		const EVP_PKEY *key = name->certificates[i].key;
		*keys |= ktls_suites_key(key);
		for (size_t j = 0; j < i; j++)
			if (EVP_PKEY_get_base_id(name->certificates[j].key) ==
				EVP_PKEY_get_base_id(key))
				return refuse_name(problem, name,
					"two certificates with %s keys; a name can have one of "
					"each type, such as RSA and ECDSA",
					key_type(key));
	}
	return 0;
}

/* TLS 1.3 goes with any key; a suite of TLS 1.2 says what signs (RFC 5246 7.4.2). */
static int suites_check(const struct ktls_name *name, unsigned keys,
	const struct ktls_suites *suites, const struct ktls_problem *problem)
{
	for (size_t i = 0; i < suites->count; i++)
		if (ktls_suites_keys(suites->list[i]) & keys)
			return 0;
	bool is_ecdsa = keys == KTLS_KEY_ECDSA;
	return refuse_name(problem, name,
		"no handshake could succeed, as none of the ciphersuites goes with the %s "
		"certificate; add \"%s\", or a certificate for %s",
		is_ecdsa ? "ECDSA" : "RSA",
		is_ecdsa ? "ECDHE-ECDSA-AES128-GCM-SHA256" : "ECDHE-RSA-AES128-GCM-SHA256",
		SSL_CIPHER_get_name(suites->list[0]));
}

static bool is_known(char (*seen)[NAME_SIZE], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (*name && strcmp(seen[i], name) == 0)
			return true;
	return false;
}

int ktls_names_check(const struct ktls_server_options *options, const struct ktls_suites *suites,
	const struct ktls_problem *problem)
{
	size_t count = options->name_count;
	if (count > NAMES_MAX)
		return ktls_refuse(problem, "more than %d names", NAMES_MAX);
	char(*seen)[NAME_SIZE] = calloc(count + 1, sizeof *seen);
	if (!seen)
		return ktls_refuse(problem, "out of memory");
	int result = 0;
	for (size_t i = 0; i < count && result == 0; i++) {
		const struct ktls_name *name = &options->names[i];
		unsigned keys;
		result = name_check(name, i == 0, seen[i], problem);
		if (result == 0 && is_known(seen, i, seen[i]))
			result = refuse_name(problem, name, "the name is there twice");
		if (result == 0)
			result = certificates_check(name, &keys, problem);
		if (result == 0)
			result = suites_check(name, keys, suites, problem);
	}
	free(seen);
	return result;
}

int ktls_names_certify(
	SSL_CTX *ctx, const struct ktls_name *name, const struct ktls_problem *problem)
{
	for (size_t i = 0; i < name->certificate_count; i++) {
		const struct ktls_certificate *from = &name->certificates[i];
		if (SSL_CTX_use_cert_and_key(ctx, from->certificate, from->key, from->chain, 1) !=
			1)
			return refuse_name(
				problem, name, "certificate not usable: %s", ktls_openssl_reason());
	}
	return 0;
}

/* ---- the table ----------------------------------------------------------------- */

int ktls_names_add(struct ktls_server *server, const struct ktls_name *name, SSL_CTX *ctx,
	const struct ktls_problem *problem)
{
	size_t count = server->host_count;
	struct ktls_host *hosts = realloc(server->hosts, (count + 1) * sizeof *hosts);
	if (!hosts)
		return ktls_refuse(problem, "out of memory");
	server->hosts = hosts;
	hosts[count].name[0] = '\0'; /* no ClientHello asks for that */
	if (name->server_name)
		normalize(name->server_name, strlen(name->server_name), hosts[count].name);
	SSL_CTX_up_ref(ctx);
	hosts[count].ctx = ctx;
	hosts[count].index = (uint16_t)count;
	server->host_count++;
	return 0;
}

void ktls_names_done(struct ktls_server *server)
{
	for (size_t i = 0; i < server->host_count; i++)
		SSL_CTX_free(server->hosts[i].ctx);
	free(server->hosts);
}

static int compare(const void *left, const void *right)
{
	const struct ktls_host *one = left, *two = right;
	return strcmp(one->name, two->name);
}

static int compare_name(const void *name, const void *host)
{
	return strcmp(name, ((const struct ktls_host *)host)->name);
}

static const struct ktls_host *find(const struct ktls_server *server, const char *name)
{
	return bsearch(
		name, server->hosts, server->host_count, sizeof *server->hosts, compare_name);
}

/* Exact before wildcard, which stands for exactly one label. Changes `name`. */
static const struct ktls_host *find_best(const struct ktls_server *server, char name[NAME_SIZE])
{
	const struct ktls_host *host = find(server, name);
	size_t label = strcspn(name, ".");
	if (host || label == 0 || !name[label])
		return host;
	name[label - 1] = '*';
	return find(server, name + label - 1);
}

/* ---- the ClientHello ------------------------------------------------------------ */

/*
 * RFC 6066 3: a list with one host_name. Anything else is no name to us; libssl
 * parses it again and has the alert for it.
 */
static bool hello_name(SSL *ssl, char name[NAME_SIZE])
{
	const unsigned char *data;
	size_t len;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &len) != 1 || len < 5)
		return false;
	size_t name_len = (size_t)data[3] << 8 | data[4];
	if (data[2] != TLSEXT_NAMETYPE_host_name || name_len != len - 5 ||
		memchr(data + 5, 0, name_len))
		return false;
	return normalize((const char *)data + 5, name_len, name);
}

static int on_hello(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	struct ktls_session *session = SSL_get_app_data(ssl);
	const struct ktls_server *server = session->server;
	char name[NAME_SIZE];
	const struct ktls_host *host = hello_name(ssl, name) ? find_best(server, name) : NULL;
	if (!host || host->ctx == SSL_get_SSL_CTX(ssl))
		return SSL_CLIENT_HELLO_SUCCESS;
	if (!SSL_set_SSL_CTX(ssl, host->ctx))
		return SSL_CLIENT_HELLO_ERROR;
	session->name_index = host->index;
	return SSL_CLIENT_HELLO_SUCCESS;
}

void ktls_names_attach(struct ktls_server *server)
{
	qsort(server->hosts, server->host_count, sizeof *server->hosts, compare);
	SSL_CTX_set_client_hello_cb(server->ctx, on_hello, NULL);
}
