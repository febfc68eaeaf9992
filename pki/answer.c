#include "pki/answer.h"
#include "pki/error.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* How much of an answer is looked at for a sentence about it. */
#define LOOKED_AT 4096

static bool is_text(const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((data[i] < ' ' && (data[i] < '\t' || data[i] > '\r')) || data[i] == 0x7f)
			return false;
	return true;
}

/* What is neither in a tag nor in the head's style and scripts; blanks become one. */
static void quote(const unsigned char *data, size_t len, bool html, char *out, size_t size)
{
	size_t used = 0;
	bool in_tag = false, blank = false;
	for (size_t i = 0; i < len && used + 2 < size; i++) {
		char c = (char)data[i];
		if (html && (c == '<' || c == '>')) {
			in_tag = c == '<';
			blank = true;
		} else if (!in_tag && (c == ' ' || (c >= '\t' && c <= '\r'))) {
			blank = true;
		} else if (!in_tag) {
			if (blank && used > 0)
				out[used++] = ' ';
			blank = false;
			out[used++] = c > ' ' && c <= '~' && c != '"' ? c : '?';
		}
	}
	out[used] = '\0';
}

static bool is_html(const unsigned char *data, size_t len)
{
	while (len > 0 && (*data == ' ' || (*data >= '\t' && *data <= '\r')))
		data++, len--;
	const char *const starts[] = {"<!doctype", "<html", "<head", "<body"};
	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
		if (len >= strlen(starts[i]) &&
			strncasecmp((const char *)data, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

void pki_answer_describe(const void *data, size_t len, char out[PKI_ANSWER_QUOTE])
{
	const unsigned char *bytes = data;
	size_t looked_at = len < LOOKED_AT ? len : LOOKED_AT;
	if (len == 0) {
		snprintf(out, PKI_ANSWER_QUOTE, "nothing");
		return;
	}
	bool html = is_html(bytes, looked_at);
	if (html || is_text(bytes, looked_at)) {
		char text[PKI_ANSWER_QUOTE - 24];
		quote(bytes, looked_at, html, text, sizeof text);
		snprintf(out, PKI_ANSWER_QUOTE, "%s \"%s\"", html ? "an HTML page:" : "the text",
			text);
		return;
	}
	int used = snprintf(out, PKI_ANSWER_QUOTE, "%zu bytes that begin with", len);
	for (size_t i = 0; i < len && i < 8; i++)
		used += snprintf(
			out + used, PKI_ANSWER_QUOTE - (size_t)used, " %02x", (unsigned)bytes[i]);
}

static const char *cure(long status)
{
	switch (status) {
	case 401:
		return "the CA does not know these credentials; check user name and password, or "
		       "the certificate that was shown to it";
	case 403:
		return "the CA refuses this device; ask its operator to permit it";
	case 404:
	case 410:
		return "check the URL of the trustpoint, and a label or path in it";
	case 405:
	case 411:
		return "the server does not take such requests there; check the URL";
	case 407:
		return "the proxy wants credentials; check http_proxy";
	case 429:
	case 503:
		return "the CA is busy; try again later";
	default:
		break;
	}
	if (status >= 300 && status < 400)
		return "it redirects further than is followed; set the URL it leads to";
	if (status >= 500)
		return "the fault is the CA's; its own log says more";
	if (status >= 400)
		return "the CA does not accept the request; its own log says more";
	return "status 200 was expected; check the URL";
}

int pki_answer_check(const struct pki_fetch_reply *reply, const char *what, struct pki_error *error)
{
	char said[PKI_ANSWER_QUOTE];
	if (reply->status == 200)
		return 0;
	pki_answer_describe(reply->body, reply->len, said);
	pki_error_set(error, "%.200s: HTTP status %ld, with %s", what, reply->status, said);
	if (reply->retry_after > 0)
		pki_error_add(error, ", Retry-After %ld s", reply->retry_after);
	return pki_error_add(error, "; %s", cure(reply->status));
}
