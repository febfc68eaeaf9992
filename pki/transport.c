#include "pki/transport.h"
#include "pki/error.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TIMEOUT        30
#define REDIRECT_LIMIT 3
#define QUESTION_SIZE  1024

void pki_secret_wipe(struct pki_secret *secret)
{
	OPENSSL_cleanse(secret, sizeof *secret);
}

int pki_transport_fetch(const struct pki_context *context, const struct pki_fetch_request *request,
	struct pki_fetch_reply *reply, struct pki_error *error)
{
	const struct pki_account *account = &context->account;
	struct pki_fetch_identity identity = {.change = account->is_set,
		.uid = account->uid,
		.gid = account->gid,
		.helper = account->helper};
	if (context->transport)
		return context->transport->fetch(
			context->transport->context, request, reply, error);
	if (account->missing && pki_transport_protocol(request->url) != PKI_FETCH_FILE)
		return pki_error_set(error, "%s", account->missing);
	return pki_fetch(request, &identity, reply, error);
}

static const char *filled(const char *text)
{
	return text && *text ? text : NULL;
}

struct pki_fetch_request pki_transport_request(
	const struct pki_trustpoint *trustpoint, const char *url, unsigned protocols)
{
	return (struct pki_fetch_request){
		.url = url,
		.protocols = protocols,
		.http_proxy = filled(trustpoint->http_proxy),
		.source_interface = filled(trustpoint->source_interface),
		.timeout_seconds = TIMEOUT,
		.redirect_limit = REDIRECT_LIMIT,
	};
}

unsigned pki_transport_protocol(const char *url)
{
	static const struct {
		const char *scheme;
		unsigned protocol;
	} schemes[] = {
		{"http://", PKI_FETCH_HTTP},
		{"https://", PKI_FETCH_HTTPS},
		{"tftp://", PKI_FETCH_TFTP},
		{"file://", PKI_FETCH_FILE},
	};
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		if (strncasecmp(url, schemes[i].scheme, strlen(schemes[i].scheme)) == 0)
			return schemes[i].protocol;
	return 0;
}

/* ---- the operator ---------------------------------------------------------------------- */

void pki_say(const struct pki_context *context, const char *format, ...)
{
	char text[QUESTION_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	context->interaction->say(context->interaction->context, text);
}

int pki_confirm(const struct pki_context *context, bool answered, const char *option,
	struct pki_error *error, const char *format, ...)
{
	char text[QUESTION_SIZE];
	va_list arguments;
	if (answered)
		return 1;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	return context->interaction->confirm(context->interaction->context, text, option, error);
}
