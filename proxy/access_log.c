#include "proxy/access_log.h"

#include "proxy/address.h"
#include "proxy/json.h"
#include "proxy/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Most that is written of a value, with its escapes. */
#define WORD_LIMIT  128
#define NAME_LIMIT  512 /* names that strangers choose: host, user, subject */
#define AGENT_LIMIT 1024
#define LONG_LIMIT  2048 /* target and referer */

static struct http_span span_of(const char *text)
{
	return (struct http_span){.data = text, .len = text ? strlen(text) : 0};
}

/* ---- escapes ---------------------------------------------------------------------- */

/* One character of a value on its way into the line. */
struct piece {
	size_t taken;  /* bytes of the value */
	char text[12]; /* what is written for them */
	size_t len;
};

typedef void piece_maker(struct http_span rest, struct piece *piece);

static void piece_copy(struct piece *piece, struct http_span rest, size_t len)
{
	memcpy(piece->text, rest.data, len);
	piece->taken = piece->len = len;
}

static void __attribute__((format(printf, 3, 4)))
piece_escape(struct piece *piece, size_t taken, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	piece->taken = taken;
	piece->len = (size_t)vsnprintf(piece->text, sizeof piece->text, format, arguments);
	va_end(arguments);
}

static void piece_of_quoted(struct http_span rest, struct piece *piece)
{
	unsigned char c = (unsigned char)rest.data[0];
	if (c < ' ' || c > '~' || c == '"' || c == '\\')
		piece_escape(piece, 1, "\\x%02X", c);
	else
		piece_copy(piece, rest, 1);
}

static void piece_of_bare(struct http_span rest, struct piece *piece)
{
	if (rest.data[0] == ' ')
		piece_escape(piece, 1, "\\x%02X", ' ');
	else
		piece_of_quoted(rest, piece);
}

static void piece_of_json(struct http_span rest, struct piece *piece)
{
	piece->taken = json_escape(rest.data, rest.len, piece->text, &piece->len);
}

/* Visible ASCII from `least` on that means nothing in any format. */
static bool is_plain(struct http_span text, char least)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < least || text.data[i] > '~' || text.data[i] == '"' ||
			text.data[i] == '\\')
			return false;
	return true;
}

/*
 * Writes a value piece by piece, and "..." in place of what would make it longer
 * than `limit`: room for that is kept until the last piece is seen to fit.
 */
static void put_pieces(struct writer *line, piece_maker *make, struct http_span rest, size_t limit)
{
	static const char ellipsis[] = "...";
	char text[LONG_LIMIT];
	size_t len = 0, cut = 0; /* bytes made, and of those in front of a "..." */
	if (rest.len <= limit && is_plain(rest, make == piece_of_bare ? '!' : ' ')) {
		writer_span(line, rest); /* nearly always */
		return;
	}
	while (rest.len > 0) {
		struct piece piece;
		make(rest, &piece);
		if (len + piece.len > limit) {
			writer_put(line, text, cut);
			writer_text(line, ellipsis);
			return;
		}
		memcpy(text + len, piece.text, piece.len);
		len += piece.len;
		if (len + strlen(ellipsis) <= limit)
			cut = len;
		rest.data += piece.taken;
		rest.len -= piece.taken;
	}
	writer_put(line, text, len);
}

/* ---- combined --------------------------------------------------------------------- */

static void put_bare(struct writer *line, const char *before, struct http_span value, size_t limit)
{
	writer_text(line, before);
	if (value.len > 0)
		put_pieces(line, piece_of_bare, value, limit);
	else
		writer_text(line, "-");
}

static void put_quoted(
	struct writer *line, const char *before, struct http_span value, size_t limit)
{
	writer_text(line, before);
	writer_text(line, "\"");
	if (value.data)
		put_pieces(line, piece_of_quoted, value, limit);
	else
		writer_text(line, "-");
	writer_text(line, "\"");
}

static void put_word(struct writer *line, const char *before, const char *value)
{
	put_bare(line, before, span_of(value), WORD_LIMIT);
}

static void put_peer(struct writer *line, const struct sockaddr *peer)
{
	char text[ADDRESS_TEXT];
	writer_text(line, peer ? address_host(peer, text) : "-");
}

static void put_duration(struct writer *line, uint64_t us)
{
	char text[32];
	int len = snprintf(
		text, sizeof text, "%" PRIu64 ".%06u", us / 1000000, (unsigned)(us % 1000000));
	writer_put(line, text, (size_t)len);
}

static void put_request_line(struct writer *line, const struct access_entry *entry)
{
	if (!entry->method.data) {
		writer_text(line, "\"-\"");
		return;
	}
	writer_text(line, "\"");
	put_pieces(line, piece_of_quoted, entry->method, WORD_LIMIT);
	writer_text(line, " ");
	put_pieces(line, piece_of_quoted, entry->target, LONG_LIMIT);
	writer_text(line, entry->minor_version == 0 ? " HTTP/1.0\"" : " HTTP/1.1\"");
}

static void put_combined(struct writer *line, const struct access_entry *entry)
{
	char status[16], date[64];
	struct tm tm = {0};
	localtime_r(&entry->time, &tm);
	/* The process is in the "C" locale, so months are in English. */
	strftime(date, sizeof date, " [%d/%b/%Y:%H:%M:%S %z] ", &tm);
	snprintf(status, sizeof status, " %03u ", entry->status);
	put_peer(line, entry->peer);
	put_bare(line, " - ", span_of(entry->user), NAME_LIMIT);
	writer_text(line, date);
	put_request_line(line, entry);
	writer_text(line, status);
	writer_number(line, entry->bytes_sent);
	put_quoted(line, " ", entry->referer, LONG_LIMIT);
	put_quoted(line, " ", entry->user_agent, AGENT_LIMIT);
	put_word(line, " server=", entry->server);
	put_word(line, " listener=", entry->listener);
	put_quoted(line, " host=", entry->host, NAME_LIMIT);
	put_word(line, " tls=", entry->tls_version);
	put_word(line, " cipher=", entry->cipher);
	put_word(line, " resumed=", !entry->tls_version ? NULL : entry->resumed ? "yes" : "no");
	put_quoted(line, " sni=", span_of(entry->server_name), NAME_LIMIT);
	put_quoted(line, " client=", span_of(entry->client_subject), NAME_LIMIT);
	put_word(line, " tx=", entry->offload_tx);
	put_word(line, " rx=", entry->offload_rx);
	put_word(line, " upstream=", entry->upstream);
	writer_text(line, " duration=");
	put_duration(line, entry->duration_us);
	writer_text(line, "\n");
}

/* ---- json ------------------------------------------------------------------------- */

static void put_member(struct writer *line, const char *name, struct http_span value, size_t limit)
{
	writer_text(line, ",\"");
	writer_text(line, name);
	writer_text(line, value.data ? "\":\"" : "\":null");
	if (!value.data)
		return;
	put_pieces(line, piece_of_json, value, limit);
	writer_text(line, "\"");
}

static void put_json_word(struct writer *line, const char *name, const char *value)
{
	put_member(line, name, span_of(value), WORD_LIMIT);
}

static void put_json_request(struct writer *line, const struct access_entry *entry)
{
	char peer[ADDRESS_TEXT];
	put_json_word(line, "peer", entry->peer ? address_host(entry->peer, peer) : NULL);
	put_member(line, "user", span_of(entry->user), NAME_LIMIT);
	put_member(line, "method", entry->method, WORD_LIMIT);
	put_member(line, "target", entry->target, LONG_LIMIT);
	put_json_word(line, "protocol",
		!entry->method.data         ? NULL
		: entry->minor_version == 0 ? "HTTP/1.0"
					    : "HTTP/1.1");
	writer_text(line, ",\"status\":");
	writer_number(line, entry->status);
	writer_text(line, ",\"bytes\":");
	writer_number(line, entry->bytes_sent);
	put_member(line, "referer", entry->referer, LONG_LIMIT);
	put_member(line, "user_agent", entry->user_agent, AGENT_LIMIT);
}

static void put_json(struct writer *line, const struct access_entry *entry)
{
	char date[64];
	struct tm tm = {0};
	gmtime_r(&entry->time, &tm);
	strftime(date, sizeof date, "{\"time\":\"%Y-%m-%dT%H:%M:%SZ\"", &tm);
	writer_text(line, date);
	put_json_request(line, entry);
	put_json_word(line, "server", entry->server);
	put_json_word(line, "listener", entry->listener);
	put_member(line, "host", entry->host, NAME_LIMIT);
	put_json_word(line, "tls_version", entry->tls_version);
	put_json_word(line, "cipher", entry->cipher);
	writer_text(line, ",\"resumed\":");
	writer_text(line, !entry->tls_version ? "null" : entry->resumed ? "true" : "false");
	put_member(line, "server_name", span_of(entry->server_name), NAME_LIMIT);
	put_member(line, "client_subject", span_of(entry->client_subject), NAME_LIMIT);
	put_json_word(line, "offload_tx", entry->offload_tx);
	put_json_word(line, "offload_rx", entry->offload_rx);
	put_json_word(line, "upstream", entry->upstream);
	writer_text(line, ",\"duration\":");
	put_duration(line, entry->duration_us);
	writer_text(line, "}\n");
}

size_t access_log_format(
	enum conf_access_format format, const struct access_entry *entry, char *out, size_t size)
{
	/* Two long values, five or six names, ten words, and what stands between them. */
	_Static_assert(2 * LONG_LIMIT + AGENT_LIMIT + 6 * NAME_LIMIT + 12 * WORD_LIMIT + 1024 <=
			       ACCESS_LINE_MAX,
		"the longest line");
	struct writer line = {.data = out, .size = size};
	if (format == CONF_ACCESS_JSON)
		put_json(&line, entry);
	else
		put_combined(&line, entry);
	return writer_len(&line);
}

/* ---- the buffer ------------------------------------------------------------------- */

void access_log_init(struct access_log *log, enum conf_access_format format, int fd)
{
	*log = (struct access_log){.format = format, .fd = fd};
}

bool access_log_add(struct access_log *log, const struct access_entry *entry)
{
	_Static_assert(ACCESS_LINE_MAX + 1 <= ACCESS_LOG_BUFFER, "a line fits");
	if (log->fd < 0)
		return false;
	if (ACCESS_LOG_BUFFER - log->len < ACCESS_LINE_MAX)
		access_log_flush(log);
	bool is_first = log->len == 0;
	if (log->is_torn)
		log->buffer[log->len++] = '\n';
	log->is_torn = false;
	log->len += access_log_format(
		log->format, entry, log->buffer + log->len, ACCESS_LOG_BUFFER - log->len);
	return is_first;
}

static void drop(struct access_log *log, size_t written)
{
	for (size_t i = written; i < log->len; i++)
		log->dropped += log->buffer[i] == '\n';
	log->is_torn = written > 0 && log->buffer[written - 1] != '\n';
}

void access_log_flush(struct access_log *log)
{
	size_t written = 0;
	while (written < log->len) {
		ssize_t n = write(log->fd, log->buffer + written, log->len - written);
		if (n <= 0 && !(n < 0 && errno == EINTR))
			break;
		written += n > 0 ? (size_t)n : 0;
	}
	if (written < log->len)
		drop(log, written);
	log->len = 0;
}

void access_log_reopen(struct access_log *log, int fd)
{
	enum conf_access_format format = log->format;
	uint64_t dropped = log->dropped;
	access_log_done(log);
	access_log_init(log, format, fd);
	log->dropped = dropped;
}

void access_log_done(struct access_log *log)
{
	if (log->fd < 0)
		return;
	access_log_flush(log);
	close(log->fd);
	log->fd = -1;
}
