/* The transfer with libcurl: only the child of pki_fetch() calls it. */
#include "pki/answer.h"
#include "pki/error.h"
#include "pki/fetch_wire.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Of all answers on the way to the last one. */
#define HEADERS_LIMIT (64 * 1024)
#define CONNECT_LIMIT 15 /* seconds */

struct transfer {
	const struct pki_fetch_request *request;
	struct pki_fetch_reply *reply;
	CURL *curl;
	struct curl_slist *headers;
	size_t sent, headers_len;
	bool is_too_large;
	char detail[CURL_ERROR_SIZE];
};

static size_t on_body(char *data, size_t one, size_t len, void *context)
{
	struct transfer *transfer = context;
	struct pki_fetch_reply *reply = transfer->reply;
	(void)one; /* always 1 */
	if (len > transfer->request->size_limit - reply->len) {
		transfer->is_too_large = true;
		return 0;
	}
	char *grown = realloc(reply->body, reply->len + len + 1);
	if (!grown)
		return 0;
	memcpy(grown + reply->len, data, len);
	reply->body = grown;
	reply->len += len;
	grown[reply->len] = '\0';
	return len;
}

static size_t on_header(char *data, size_t one, size_t len, void *context)
{
	struct transfer *transfer = context;
	(void)data, (void)one;
	transfer->headers_len += len;
	transfer->is_too_large |= transfer->headers_len > HEADERS_LIMIT;
	return transfer->is_too_large ? 0 : len;
}

static size_t on_upload(char *data, size_t one, size_t count, void *context)
{
	struct transfer *transfer = context;
	size_t rest = transfer->request->len - transfer->sent, len = one * count;
	len = len < rest ? len : rest;
	if (len > 0)
		memcpy(data, (const char *)transfer->request->body + transfer->sent, len);
	transfer->sent += len;
	return len;
}

/* ---- options ------------------------------------------------------------------- */

static CURLcode set_text(CURL *curl, CURLoption option, const char *text)
{
	return curl_easy_setopt(curl, option, text);
}

static CURLcode set_number(CURL *curl, CURLoption option, size_t number)
{
	return curl_easy_setopt(curl, option, (long)number);
}

static CURLcode set_blob(CURL *curl, CURLoption option, const char *pem)
{
	struct curl_blob blob = {
		.data = (void *)(uintptr_t)pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};
	return curl_easy_setopt(curl, option, &blob);
}

/* The first failure counts; the steps after it are skipped. */
#define STEP(code, call) ((code) = (code) == CURLE_OK ? (call) : (code))

static CURLcode set_protocols(CURL *curl, const struct pki_fetch_request *request)
{
	char allowed[32] = "";
	unsigned mask = request->protocols;
	snprintf(allowed, sizeof allowed, "%s%s%s", mask & PKI_FETCH_HTTP ? "http," : "",
		mask & PKI_FETCH_HTTPS ? "https," : "", mask & PKI_FETCH_TFTP ? "tftp," : "");
	if (*allowed)
		allowed[strlen(allowed) - 1] = '\0';
	bool secure = strncasecmp(request->url, "https:", 6) == 0;
	CURLcode code = set_text(curl, CURLOPT_PROTOCOLS_STR, allowed);
	STEP(code, set_text(curl, CURLOPT_REDIR_PROTOCOLS_STR,
			   secure                   ? "https"
			   : mask & PKI_FETCH_HTTPS ? "http,https"
						    : "http"));
	STEP(code, set_number(curl, CURLOPT_FOLLOWLOCATION, request->redirect_limit > 0));
	STEP(code, set_number(curl, CURLOPT_MAXREDIRS, request->redirect_limit));
	STEP(code, set_number(curl, CURLOPT_POSTREDIR, CURL_REDIR_POST_ALL));
	/* What is in a URL ends up in logs and in Referer headers. */
	STEP(code, set_number(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1));
	return code;
}

static CURLcode set_limits(CURL *curl, const struct pki_fetch_request *request)
{
	size_t timeout = request->timeout_seconds;
	CURLcode code = set_number(curl, CURLOPT_TIMEOUT, timeout);
	STEP(code, set_number(curl, CURLOPT_CONNECTTIMEOUT,
			   timeout < CONNECT_LIMIT ? timeout : CONNECT_LIMIT));
	STEP(code,
		curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->size_limit));
	STEP(code, set_number(curl, CURLOPT_NOSIGNAL, 1));
	return code;
}

static bool is_tftp(const struct pki_fetch_request *request)
{
	return strncasecmp(request->url, "tftp:", 5) == 0;
}

/* Through this proxy or none: neither http_proxy nor no_proxy of the environment count. */
static CURLcode set_route(CURL *curl, const struct pki_fetch_request *request)
{
	const char *proxy = is_tftp(request) ? NULL : request->http_proxy;
	CURLcode code = set_text(curl, CURLOPT_PROXY, proxy ? proxy : "");
	STEP(code, set_text(curl, CURLOPT_NOPROXY, ""));
	const char *source = request->source_interface;
	if (!source || !*source)
		return code;
	unsigned char address[16];
	bool is_address = inet_pton(AF_INET, source, address) == 1 ||
			  inet_pton(AF_INET6, source, address) == 1;
	char *text;
	if (asprintf(&text, "%s!%s", is_address ? "host" : "if", source) < 0)
		return CURLE_OUT_OF_MEMORY;
	STEP(code, set_text(curl, CURLOPT_INTERFACE, text));
	free(text);
	return code;
}

static CURLcode set_trust(CURL *curl, const struct pki_fetch_request *request)
{
	bool verify = request->trust != PKI_FETCH_BOOTSTRAP;
	CURLcode code = set_number(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	STEP(code, set_number(curl, CURLOPT_SSL_VERIFYPEER, verify));
	STEP(code, set_number(curl, CURLOPT_SSL_VERIFYHOST, verify ? 2 : 0));
	if (request->trust == PKI_FETCH_SYSTEM)
		return code;
	/* libcurl would look into the system's directory beside what it is given. */
	STEP(code, set_text(curl, CURLOPT_CAPATH, NULL));
	STEP(code, set_text(curl, CURLOPT_CAINFO, NULL));
	if (request->anchors && verify)
		STEP(code, set_blob(curl, CURLOPT_CAINFO_BLOB, request->anchors));
	return code;
}

static CURLcode set_credentials(CURL *curl, const struct pki_fetch_request *request)
{
	CURLcode code = CURLE_OK;
	if (request->client_certificate) {
		STEP(code, set_text(curl, CURLOPT_SSLCERTTYPE, "PEM"));
		STEP(code, set_blob(curl, CURLOPT_SSLCERT_BLOB, request->client_certificate));
		STEP(code, set_blob(curl, CURLOPT_SSLKEY_BLOB, request->client_key));
	}
	if (request->password) {
		/* RFC 7030 3.2.3: what the server asks for; to the server of the URL only. */
		STEP(code, set_number(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC | CURLAUTH_DIGEST));
		STEP(code, set_text(curl, CURLOPT_USERNAME,
				   request->username ? request->username : ""));
		STEP(code, set_text(curl, CURLOPT_PASSWORD, request->password));
	}
	return code;
}

static bool header_add(struct transfer *transfer, const char *name, const char *value)
{
	char *line;
	if (asprintf(&line, "%s%s", name, value) < 0)
		return false;
	struct curl_slist *list = curl_slist_append(transfer->headers, line);
	free(line);
	if (!list)
		return false;
	transfer->headers = list;
	return true;
}

static CURLcode set_headers(struct transfer *transfer)
{
	const struct pki_fetch_request *request = transfer->request;
	/* An "Expect: 100-continue" only costs a second with servers that do not know it. */
	bool added = header_add(transfer, "Expect:", "");
	if (request->accept)
		added = added && header_add(transfer, "Accept: ", request->accept);
	if (request->content_type)
		added = added && header_add(transfer, "Content-Type: ", request->content_type);
	for (size_t i = 0; i < request->header_count; i++)
		added = added && header_add(transfer, "", request->headers[i]);
	if (!added)
		return CURLE_OUT_OF_MEMORY;
	CURLcode code = curl_easy_setopt(transfer->curl, CURLOPT_HTTPHEADER, transfer->headers);
	STEP(code, set_text(transfer->curl, CURLOPT_USERAGENT, "ferrule/" FERRULE_VERSION));
	STEP(code, set_number(transfer->curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1));
	return code;
}

static CURLcode set_body(struct transfer *transfer)
{
	const struct pki_fetch_request *request = transfer->request;
	CURL *curl = transfer->curl;
	CURLcode code = CURLE_OK;
	if (request->method == PKI_FETCH_POST) {
		STEP(code, set_number(curl, CURLOPT_POST, 1));
		STEP(code, curl_easy_setopt(
				   curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->len));
		STEP(code, curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
				   request->len > 0 ? request->body : ""));
	}
	if (request->method == PKI_FETCH_PUT) {
		STEP(code, set_number(curl, CURLOPT_UPLOAD, 1));
		STEP(code,
			curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->len));
		STEP(code, curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_upload));
		STEP(code, curl_easy_setopt(curl, CURLOPT_READDATA, transfer));
	}
	STEP(code, curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body));
	STEP(code, curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer));
	STEP(code, curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header));
	STEP(code, curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer));
	return code;
}

static CURLcode perform(struct transfer *transfer)
{
	CURL *curl = transfer->curl;
	const struct pki_fetch_request *request = transfer->request;
	CURLcode code = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->detail);
	STEP(code, set_text(curl, CURLOPT_URL, request->url));
	STEP(code, set_protocols(curl, request));
	STEP(code, set_limits(curl, request));
	STEP(code, set_route(curl, request));
	STEP(code, set_trust(curl, request));
	STEP(code, set_credentials(curl, request));
	STEP(code, set_headers(transfer));
	STEP(code, set_body(transfer));
	STEP(code, curl_easy_perform(curl));
	return code;
}

/* ---- outcome ---------------------------------------------------------------------- */

static const char *cure(CURLcode code)
{
	static const struct {
		CURLcode code;
		const char *text;
	} cures[] = {
		{CURLE_COULDNT_RESOLVE_HOST, "check the name in the URL, and name resolution"},
		{CURLE_COULDNT_RESOLVE_PROXY, "check the name in http_proxy"},
		{CURLE_COULDNT_CONNECT, "check address and port, that the CA's service runs and "
					"that nothing between blocks it"},
		{CURLE_OPERATION_TIMEDOUT, "the CA or something on the way to it does not answer; "
					   "try again later, or check the way"},
		{CURLE_PEER_FAILED_VERIFICATION,
			"the server is not who the trustpoint trusts; check the name in the URL, "
			"or authenticate the trustpoint again if the CA has changed"},
		{CURLE_SSL_CACERT_BADFILE,
			"the trustpoint's CA certificates cannot be used; authenticate it again"},
		{CURLE_SSL_CONNECT_ERROR, "check that the port is one for https, and what the "
					  "server's log says of the handshake"},
		{CURLE_SSL_CERTPROBLEM, "the client certificate cannot be used; enroll anew"},
		{CURLE_TOO_MANY_REDIRECTS, "set the URL that the redirects are to end at"},
		{CURLE_UNSUPPORTED_PROTOCOL, "the URL, or a redirect, leads to a scheme that is "
					     "not allowed here"},
		{CURLE_URL_MALFORMAT, "write the URL as http://HOST[:PORT]/PATH"},
		{CURLE_LOGIN_DENIED, "put no user name into the URL"},
		{CURLE_GOT_NOTHING, "the server hung up without an answer; its log says more"},
		{CURLE_RECV_ERROR, "the connection broke; try again, or see the server's log"},
		{CURLE_SEND_ERROR, "the connection broke; try again, or see the server's log"},
		{CURLE_PARTIAL_FILE, "the answer was cut off; try again"},
		{CURLE_INTERFACE_FAILED, "check source_interface: the machine has no such "
					 "interface or address, or none that can be used here"},
		{CURLE_TFTP_NOTFOUND, "put the file on the TFTP server, or check its name; some "
				      "servers only overwrite files that exist"},
		{CURLE_TFTP_PERM, "permit the file on the TFTP server"},
		{CURLE_REMOTE_DISK_FULL, "make room on the TFTP server"},
		{CURLE_HTTP_RETURNED_ERROR, "see the server's log"},
	};
	for (size_t i = 0; i < sizeof cures / sizeof *cures; i++)
		if (cures[i].code == code)
			return cures[i].text;
	return "check the URL and the server";
}

static int failed(const struct transfer *transfer, CURLcode code, struct pki_error *error)
{
	const struct pki_fetch_request *request = transfer->request;
	if (transfer->is_too_large || code == CURLE_FILESIZE_EXCEEDED)
		return pki_error_set(error,
			"%.200s: the answer is larger than the limit of %zu bytes: this is not "
			"what a CA sends; check the URL",
			request->url, request->size_limit);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return pki_error_set(error, "%.200s: no complete answer within %u seconds; %s",
			request->url, request->timeout_seconds, cure(code));
	if (code == CURLE_UNSUPPORTED_PROTOCOL && strstr(transfer->detail, "HTTP/0.9"))
		return pki_error_set(error,
			"%.200s: what answers does not speak HTTP; check the port in the URL, and "
			"whether it is to begin with https://",
			request->url);
	pki_error_set(error, "%.200s: %s", request->url, curl_easy_strerror(code));
	/* Its TFTP always complains of an unconnected socket, which is how TFTP works. */
	if (*transfer->detail && strncmp(transfer->detail, "getpeername", 11) != 0)
		pki_error_add(error, " (%.120s)", transfer->detail);
	return pki_error_add(error, "; %s", cure(code));
}

static char *info_text(CURL *curl, CURLINFO info)
{
	char *text = NULL;
	curl_easy_getinfo(curl, info, &text);
	return strdup(text ? text : "");
}

static int finished(struct transfer *transfer, struct pki_error *error)
{
	struct pki_fetch_reply *reply = transfer->reply;
	curl_off_t retry_after = 0;
	curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &reply->status);
	curl_easy_getinfo(transfer->curl, CURLINFO_RETRY_AFTER, &retry_after);
	if (is_tftp(transfer->request))
		reply->status = 200;
	reply->retry_after = retry_after > 0 ? (long)retry_after : 0;
	reply->content_type = info_text(transfer->curl, CURLINFO_CONTENT_TYPE);
	reply->url = info_text(transfer->curl, CURLINFO_EFFECTIVE_URL);
	if (!reply->body)
		reply->body = calloc(1, 1);
	if (!reply->body || !reply->content_type || !reply->url)
		return pki_error_memory(error);
	return 0;
}

int fetch_transfer(const struct pki_fetch_request *request, struct pki_fetch_reply *reply,
	struct pki_error *error)
{
	struct transfer transfer = {.request = request, .reply = reply};
	*reply = (struct pki_fetch_reply){0};
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return pki_error_set(error, "libcurl cannot be started; is it installed whole?");
	transfer.curl = curl_easy_init();
	CURLcode code = transfer.curl ? perform(&transfer) : CURLE_OUT_OF_MEMORY;
	int result = code == CURLE_OK ? finished(&transfer, error) : failed(&transfer, code, error);
	curl_slist_free_all(transfer.headers);
	curl_easy_cleanup(transfer.curl);
	curl_global_cleanup();
	if (result)
		pki_fetch_reply_done(reply);
	return result;
}
