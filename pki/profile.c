#include "pki/profile.h"
#include "pki/answer.h"
#include "pki/base64.h"
#include "pki/error.h"
#include "pki/paste.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FORM "application/x-www-form-urlencoded"

/* ---- text that grows, and is wiped -------------------------------------------- */

struct text {
	char *data;
	size_t len, size;
	bool failed;
};

static void text_done(struct text *text)
{
	if (text->data)
		OPENSSL_cleanse(text->data, text->size);
	free(text->data);
	*text = (struct text){0};
}

static bool text_grow(struct text *text)
{
	size_t size = text->size ? 2 * text->size : 1024;
	char *data = size <= 4 * PKI_PROFILE_LIMIT ? malloc(size) : NULL;
	if (!data)
		return false;
	if (text->len > 0)
		memcpy(data, text->data, text->len);
	size_t len = text->len;
	text_done(text);
	*text = (struct text){.data = data, .len = len, .size = size};
	return true;
}

static void text_add(struct text *text, char c)
{
	if (!text->failed && text->len + 1 >= text->size && !text_grow(text))
		text->failed = true;
	if (text->failed)
		return;
	text->data[text->len++] = c;
	text->data[text->len] = '\0';
}

/* RFC 3986 2.3 */
static bool is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~", c));
}

static void text_add_value(struct text *text, const char *value, bool encode)
{
	static const char hex[] = "0123456789ABCDEF";
	for (; *value; value++) {
		if (!encode || is_unreserved(*value)) {
			text_add(text, *value);
			continue;
		}
		text_add(text, '%');
		text_add(text, hex[(unsigned char)*value >> 4]);
		text_add(text, hex[(unsigned char)*value & 15]);
	}
}

/* ---- values ------------------------------------------------------------------- */

/* What $$ stands for; by its address it is told from values, which are encoded. */
static const char dollar[] = "$";

struct expansion {
	const struct pki_profile_values *values;
	char *request; /* owned: base64, NULL until it is needed */
	struct pki_error *error;
};

static int request_text(struct expansion *expansion)
{
	unsigned char *der = NULL;
	if (expansion->request)
		return 0;
	if (!expansion->values->request)
		return pki_error_set(expansion->error,
			"the command has $REQ in it, but there is no request at this step; $REQ is "
			"for enrollment and reenrollment");
	int len = i2d_X509_REQ(expansion->values->request, &der);
	expansion->request = len > 0 ? pki_base64_encode(der, (size_t)len) : NULL;
	OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
	return expansion->request ? 0 : pki_error_memory(expansion->error);
}

/* A control character in a parameter could end a header and begin another request. */
static bool is_plain(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			return false;
	return true;
}

static int parameter(struct expansion *expansion, size_t number, const char **out)
{
	const char *value = expansion->values->parameters[number - 1];
	if (!value)
		return pki_error_set(expansion->error,
			"the command has $P%zu in it, but the profile has no parameter %zu; add it",
			number, number);
	if (!is_plain(value))
		return pki_error_set(expansion->error,
			"parameter %zu has a control character in it; remove that", number);
	*out = value;
	return 0;
}

/* Sets *value to what `at` (behind a dollar) stands for; returns its length or -1. */
static int variable(struct expansion *expansion, const char *at, size_t len, const char **value)
{
	if (len >= 3 && memcmp(at, "REQ", 3) == 0) {
		if (request_text(expansion))
			return -1;
		*value = expansion->request;
		return 3;
	}
	if (len >= 2 && at[0] == 'P' && at[1] >= '1' && at[1] <= '0' + PKI_PROFILE_PARAMETERS)
		return parameter(expansion, (size_t)(at[1] - '0'), value) ? -1 : 2;
	if (len >= 1 && at[0] == '$') {
		*value = dollar;
		return 1;
	}
	return pki_error_set(expansion->error,
		"the command has a $ that is neither $REQ nor $P1 to $P%d; write a dollar as $$",
		PKI_PROFILE_PARAMETERS);
}

/* Expands a piece of the template; NULL with the error filled. The caller wipes and frees. */
static char *expand(struct expansion *expansion, const char *from, size_t len, bool encode)
{
	struct text text = {0};
	text_add(&text, '\0');
	text.len = 0;
	for (size_t i = 0; i < len && !text.failed; i++) {
		const char *value = NULL;
		if (from[i] != '$') {
			text_add(&text, from[i]);
			continue;
		}
		int used = variable(expansion, from + i + 1, len - i - 1, &value);
		if (used < 0 || !value) {
			text_done(&text);
			return NULL;
		}
		text_add_value(&text, value, encode && value != dollar);
		i += (size_t)used;
	}
	if (!text.failed)
		return text.data;
	text_done(&text);
	pki_error_set(expansion->error, "the expanded command is larger than %d bytes",
		4 * PKI_PROFILE_LIMIT);
	return NULL;
}

/* ---- commands ------------------------------------------------------------------ */

/* What a command says: spans of it. */
struct command {
	enum pki_fetch_method method;
	const char *target, *headers, *body;
	size_t target_len, headers_len, body_len;
};

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip(const char *at)
{
	while (*at && is_blank(*at))
		at++;
	return at;
}

static const char *line_end(const char *at)
{
	return at + strcspn(at, "\r\n");
}

static const char *next_line(const char *at)
{
	at = line_end(at);
	if (*at == '\r')
		at++;
	return *at == '\n' ? at + 1 : at;
}

/* "GET", "POST": then the target, then, of a request as it goes over the wire, the rest. */
static int command_method(struct command *command, const char **at, struct pki_error *error)
{
	const char *word = skip(*at);
	size_t len = strcspn(word, " \t\r\n");
	*at = skip(word + len);
	command->method = PKI_FETCH_GET;
	if (len == 3 && strncasecmp(word, "GET", 3) == 0)
		return 0;
	command->method = PKI_FETCH_POST;
	if (len == 4 && strncasecmp(word, "POST", 4) == 0)
		return 0;
	return pki_error_set(error,
		"the command begins with \"%.*s\" where GET or POST is expected",
		len < 32 ? (int)len : 32, word);
}

static void command_headers(struct command *command, const char *at)
{
	command->headers = at = next_line(at);
	while (*at && line_end(at) != at)
		at = next_line(at);
	command->headers_len = (size_t)(at - command->headers);
	command->body = next_line(at);
	command->body_len = strlen(command->body);
}

static int command_parse(struct command *command, const char *text, struct pki_error *error)
{
	*command = (struct command){.target = "", .headers = "", .body = ""};
	if (strlen(text) > PKI_PROFILE_LIMIT)
		return pki_error_set(
			error, "the command is larger than %d bytes", PKI_PROFILE_LIMIT);
	if (command_method(command, &text, error))
		return -1;
	if (*text == '/') {
		command->target = text;
		command->target_len = strcspn(text, " \t\r\n");
		command_headers(command, text);
		return 0;
	}
	if (command->method == PKI_FETCH_GET && *text)
		return pki_error_set(
			error, "what follows GET in the command is no path; it is to begin with /");
	command->body = text;
	command->body_len = strlen(text);
	return 0;
}

/* ---- the request ------------------------------------------------------------------ */

static bool is_named(const char *line, const char *name)
{
	size_t len = strlen(name);
	return strncasecmp(line, name, len) == 0 && line[len] == ':';
}

static char *header_value(const char *line)
{
	const char *colon = strchr(line, ':');
	return strdup(colon ? skip(colon + 1) : "");
}

/* The length and the connection are libcurl's business. Takes `line` over. */
static int header_take(struct pki_profile_http *out, char *line, struct pki_error *error)
{
	static const char *const ours[] = {
		"Content-Length", "Transfer-Encoding", "Connection", "Expect"};
	bool drop = false;
	int result = 0;
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		drop |= is_named(line, ours[i]);
	char **known = is_named(line, "Content-Type") ? &out->content_type
		       : is_named(line, "Accept")     ? &out->accept
						      : NULL;
	if (known && !*known) {
		*known = header_value(line);
		result = *known ? 0 : pki_error_memory(error);
	} else if (!drop && !strchr(line, ':')) {
		result = pki_error_set(
			error, "the command has the header line \"%.60s\" without a colon", line);
	} else if (!drop && out->header_count == PKI_PROFILE_HEADERS) {
		result = pki_error_set(
			error, "the command has more than %d headers", PKI_PROFILE_HEADERS);
	} else if (!drop) {
		out->headers[out->header_count++] = line;
		return 0;
	}
	OPENSSL_cleanse(line, strlen(line));
	free(line);
	return result;
}

static int headers_set(
	struct pki_profile_http *out, const struct command *command, struct expansion *expansion)
{
	const char *at = command->headers, *end = at + command->headers_len;
	while (at < end) {
		char *line = expand(expansion, at, (size_t)(line_end(at) - at), false);
		if (!line || header_take(out, line, expansion->error))
			return -1;
		at = next_line(at);
	}
	return 0;
}

/* A form has no blanks in it: those of a template are its line breaks. */
static void blanks_remove(char *text)
{
	char *to = text;
	for (; *text; text++)
		if (!is_blank(*text))
			*to++ = *text;
	*to = '\0';
}

static int body_set(
	struct pki_profile_http *out, const struct command *command, struct expansion *expansion)
{
	if (command->method == PKI_FETCH_GET)
		return 0;
	bool form =
		!out->content_type || strncasecmp(out->content_type, FORM, sizeof FORM - 1) == 0;
	out->body = expand(expansion, command->body, command->body_len, form);
	if (!out->content_type)
		out->content_type = strdup(FORM);
	if (!out->body)
		return -1;
	if (!out->content_type)
		return pki_error_memory(expansion->error);
	if (form)
		blanks_remove(out->body);
	out->len = strlen(out->body);
	return 0;
}

static CURLUcode url_resolve(CURLU *url, const char *base, const char *target, char **out)
{
	char *text = NULL;
	const char *query = strchr(target, '?');
	CURLUcode code = curl_url_set(url, CURLUPART_URL, base, 0);
	if (code == CURLUE_OK && *target) {
		char *path = strndup(target, query ? (size_t)(query - target) : strlen(target));
		code = path ? curl_url_set(url, CURLUPART_PATH, path, 0) : CURLUE_OUT_OF_MEMORY;
		free(path);
		if (code == CURLUE_OK)
			code = curl_url_set(url, CURLUPART_QUERY, query ? query + 1 : NULL, 0);
	}
	if (code == CURLUE_OK)
		code = curl_url_get(url, CURLUPART_URL, &text, 0);
	if (code == CURLUE_OK && !(*out = strdup(text)))
		code = CURLUE_OUT_OF_MEMORY;
	curl_free(text);
	return code;
}

static int url_set(struct pki_profile_http *out, const struct pki_profile_template *step,
	const struct command *command, struct expansion *expansion)
{
	char *target = expand(expansion, command->target, command->target_len, true);
	if (!target)
		return -1;
	CURLU *url = curl_url();
	CURLUcode code =
		url ? url_resolve(url, step->url, target, &out->url) : CURLUE_OUT_OF_MEMORY;
	curl_url_cleanup(url);
	OPENSSL_cleanse(target, strlen(target));
	free(target);
	if (code == CURLUE_OUT_OF_MEMORY)
		return pki_error_memory(expansion->error);
	if (code != CURLUE_OK)
		return pki_error_set(expansion->error,
			"the profile's URL %.200s, or the path in its command, cannot be used: %s",
			step->url, curl_url_strerror(code));
	return 0;
}

static bool is_http(const char *url)
{
	return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

int pki_profile_expand(const struct pki_profile_template *step,
	const struct pki_profile_values *values, struct pki_profile_http *out,
	struct pki_error *error)
{
	struct expansion expansion = {.values = values, .error = error};
	bool given = step->command && *skip(step->command);
	struct command command;
	*out = (struct pki_profile_http){0};
	if (given && !is_http(step->url))
		return pki_error_set(error,
			"the profile has a command for %.200s; commands are for http:// and "
			"https://",
			step->url);
	int result = command_parse(&command, given ? step->command : "GET", error);
	out->method = command.method;
	if (result == 0)
		result = url_set(out, step, &command, &expansion);
	if (result == 0)
		result = headers_set(out, &command, &expansion);
	if (result == 0)
		result = body_set(out, &command, &expansion);
	if (expansion.request)
		OPENSSL_cleanse(expansion.request, strlen(expansion.request));
	free(expansion.request);
	if (result)
		pki_profile_http_done(out);
	return result;
}

void pki_profile_apply(const struct pki_profile_http *http, struct pki_fetch_request *request)
{
	request->url = http->url;
	request->method = http->method;
	request->content_type = http->content_type;
	request->accept = http->accept;
	request->body = http->body;
	request->len = http->len;
	request->headers = (const char *const *)http->headers;
	request->header_count = http->header_count;
}

static void wipe(char *text)
{
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

void pki_profile_http_done(struct pki_profile_http *http)
{
	wipe(http->url);
	wipe(http->content_type);
	wipe(http->accept);
	wipe(http->body);
	for (size_t i = 0; i < http->header_count; i++)
		wipe(http->headers[i]);
	*http = (struct pki_profile_http){0};
}

int pki_profile_parse(
	const struct pki_fetch_reply *reply, STACK_OF(X509) * *out, struct pki_error *error)
{
	char what[320];
	*out = NULL;
	snprintf(what, sizeof what, "the answer of %.200s", reply->url);
	if (pki_answer_check(reply, what, error))
		return -1;
	return pki_paste_parse(reply->body, reply->len, what, out, error);
}
