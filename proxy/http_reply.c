#include "proxy/http_reply.h"

#include "proxy/writer.h"

#include <assert.h>
#include <string.h>

/* Codes and reasons are those of RFC 9110 15 and RFC 6585. */
struct status {
	int status;
	const char *text;
	const char *advice; /* NULL: not a status that http_reply_write() sends */
};

/* clang-format off */
static const struct status statuses[] = {
	{200, "200 OK\n", NULL},
	{206, "206 Partial Content\n", NULL},
	{301, "301 Moved Permanently\n",
		"What was asked for is at another address: see the Location header.\n"},
	{304, "304 Not Modified\n", NULL},
	{308, "308 Permanent Redirect\n",
		"This is served over https only: use the address in the Location header.\n"},
	{400, "400 Bad Request\n",
		"The request is not valid HTTP, or can be understood in more than one way.\n"
		"Send it again in the plain form that RFC 9112 describes.\n"},
	{401, "401 Unauthorized\n",
		"This needs a user name and a password: send them with the request.\n"},
	{403, "403 Forbidden\n",
		"This path is not served over plain HTTP.\nUse https instead.\n"},
	{404, "404 Not Found\n",
		"There is nothing under this path: check the address.\n"},
	{405, "405 Method Not Allowed\n",
		"This path does not take this method: the Allow header names those it takes.\n"},
	{408, "408 Request Timeout\n",
		"The request did not arrive completely in time: send it again.\n"},
	{412, "412 Precondition Failed\n",
		"What was asked for has changed in the meantime: get it again.\n"},
	{413, "413 Content Too Large\n",
		"The body of the request is larger than this server allows: send less at once.\n"},
	{414, "414 URI Too Long\n",
		"The request line is longer than this server allows: shorten the address.\n"},
	{416, "416 Range Not Satisfiable\n",
		"The part that was asked for lies behind the end: ask for an earlier one.\n"},
	{417, "417 Expectation Failed\n",
		"The only expectation this server meets is 100-continue: leave out others.\n"},
	{431, "431 Request Header Fields Too Large\n",
		"The header of the request is larger than this server allows.\n"
		"Send fewer header lines or shorter ones; often it is a matter of cookies.\n"},
	{500, "500 Internal Server Error\n",
		"The proxy failed. Try again later; its log has the cause.\n"},
	{501, "501 Not Implemented\n",
		"This server does not know the method or the transfer coding of the request.\n"},
	{502, "502 Bad Gateway\n",
		"The server behind this proxy cannot be reached, or its answer makes no sense.\n"
		"Try again later.\n"},
	{503, "503 Service Unavailable\n",
		"There is too much to do at the moment: try again a little later.\n"},
	{504, "504 Gateway Timeout\n",
		"The server behind this proxy did not answer in time: try again later.\n"},
	{505, "505 HTTP Version Not Supported\n",
		"This server speaks HTTP/1.1 and HTTP/1.0: use one of them.\n"},
};
/* clang-format on */

static const struct status *find(int status)
{
	static const struct status unknown = {
		500, "500 Internal Server Error\n", "The proxy failed.\n"};
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
		if (statuses[i].status == status)
			return &statuses[i];
	assert(false && "a status without text");
	return &unknown;
}

const char *http_status_text(int status)
{
	return find(status)->text;
}

static void put_line(struct writer *writer, const char *name, struct http_span value)
{
	writer_text(writer, name);
	writer_text(writer, ": ");
	writer_span(writer, value);
	writer_text(writer, "\r\n");
}

static void put_number(struct writer *writer, const char *name, size_t number)
{
	writer_text(writer, name);
	writer_text(writer, ": ");
	writer_number(writer, number);
	writer_text(writer, "\r\n");
}

/* The headers that belong to one status. */
static void put_particulars(struct writer *writer, const struct http_reply *reply)
{
	if (reply->location.data)
		put_line(writer, "Location", reply->location);
	if (reply->allow) /* RFC 9110 10.2.1 */
		put_line(writer, "Allow",
			(struct http_span){.data = reply->allow, .len = strlen(reply->allow)});
	if (reply->retry_after)
		put_number(writer, "Retry-After", reply->retry_after);
	if (!reply->realm)
		return;
	writer_text(writer, "WWW-Authenticate: Basic realm=\""); /* RFC 7617 2, 2.1 */
	writer_text(writer, reply->realm);
	writer_text(writer, "\", charset=\"UTF-8\"\r\n");
}

/* No Server header: it would tell an attacker what to try. */
size_t http_reply_write(const struct http_reply *reply, char *out, size_t size)
{
	struct writer writer = {.data = out, .size = size};
	const struct status *status = find(reply->status);
	const char *text = reply->text ? reply->text : status->advice;
	assert(text && "not an answer of ours");
	writer_text(&writer, "HTTP/1.1 ");
	writer_span(&writer,
		(struct http_span){.data = status->text, .len = strcspn(status->text, "\n")});
	writer_text(&writer, "\r\n");
	if (reply->date.data)
		put_line(&writer, "Date", reply->date);
	put_particulars(&writer, reply);
	writer_text(&writer, "Content-Type: text/plain; charset=utf-8\r\n"
			     "X-Content-Type-Options: nosniff\r\n");
	put_number(&writer, "Content-Length", strlen(status->text) + strlen(text));
	if (reply->close)
		writer_text(&writer, "Connection: close\r\n");
	else if (reply->to_minor_0)
		writer_text(&writer, "Connection: keep-alive\r\n"); /* RFC 9112 C.2.2 */
	writer_span(&writer, reply->added);
	writer_text(&writer, "\r\n");
	if (!reply->to_head) {
		writer_text(&writer, status->text);
		writer_text(&writer, text);
	}
	return writer_len(&writer);
}
