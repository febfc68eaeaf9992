#include "pki/fetch_wire.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE 8
#define ABSENT      UINT64_MAX

void fetch_wire_done(struct fetch_wire *wire)
{
	OPENSSL_clear_free(wire->data, wire->size);
	*wire = (struct fetch_wire){0};
}

static unsigned char *make_room(struct fetch_wire *wire, size_t len)
{
	if (!wire->failed && len > wire->size - wire->len) {
		size_t size = wire->size + len + 4096;
		unsigned char *data = OPENSSL_clear_realloc(wire->data, wire->size, size);
		wire->failed = !data;
		wire->data = data ? data : wire->data;
		wire->size = data ? size : wire->size;
	}
	if (wire->failed)
		return NULL;
	wire->len += len;
	return wire->data + wire->len - len;
}

static void put_u64(struct fetch_wire *wire, uint64_t number)
{
	unsigned char *to = make_room(wire, NUMBER_SIZE);
	if (to)
		memcpy(to, &number, NUMBER_SIZE);
}

static uint64_t get_u64(struct fetch_wire *wire)
{
	uint64_t number = 0;
	if (wire->failed || wire->len - wire->at < NUMBER_SIZE) {
		wire->failed = true;
		return 0;
	}
	memcpy(&number, wire->data + wire->at, NUMBER_SIZE);
	wire->at += NUMBER_SIZE;
	return number;
}

void fetch_wire_put_number(struct fetch_wire *wire, size_t number)
{
	put_u64(wire, number);
}

size_t fetch_wire_get_number(struct fetch_wire *wire)
{
	return get_u64(wire);
}

void fetch_wire_put(struct fetch_wire *wire, const void *data, size_t len)
{
	put_u64(wire, data ? len : ABSENT);
	unsigned char *to = data && len > 0 ? make_room(wire, len) : NULL;
	if (to)
		memcpy(to, data, len);
}

void fetch_wire_put_text(struct fetch_wire *wire, const char *text)
{
	fetch_wire_put(wire, text, text ? strlen(text) : 0);
}

char *fetch_wire_get(struct fetch_wire *wire, size_t limit, size_t *len)
{
	uint64_t size = get_u64(wire);
	*len = 0;
	if (wire->failed || size == ABSENT)
		return NULL;
	char *copy = NULL;
	if (size <= limit && size <= wire->len - wire->at)
		copy = malloc((size_t)size + 1);
	wire->failed = !copy;
	if (!copy)
		return NULL;
	if (size > 0)
		memcpy(copy, wire->data + wire->at, (size_t)size);
	copy[size] = '\0';
	wire->at += (size_t)size;
	*len = (size_t)size;
	return copy;
}

char *fetch_wire_get_text(struct fetch_wire *wire, size_t limit)
{
	size_t len;
	char *text = fetch_wire_get(wire, limit, &len);
	if (text && strlen(text) != len) {
		wire->failed = true;
		free(text);
		text = NULL;
	}
	return text;
}

void fetch_wire_put_request(struct fetch_wire *wire, const struct pki_fetch_request *request)
{
	const char *const texts[] = {request->url, request->content_type, request->accept,
		request->username, request->password, request->anchors, request->client_certificate,
		request->client_key, request->http_proxy, request->source_interface};
	const size_t numbers[] = {request->method, request->protocols, request->trust,
		request->timeout_seconds, request->size_limit, request->redirect_limit,
		request->header_count};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		fetch_wire_put_text(wire, texts[i]);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		fetch_wire_put_number(wire, numbers[i]);
	fetch_wire_put(wire, request->body, request->len);
	for (size_t i = 0; i < request->header_count; i++)
		fetch_wire_put_text(wire, request->headers[i]);
}

static const char *job_text(struct fetch_job *job, struct fetch_wire *wire)
{
	char *text = fetch_wire_get_text(wire, wire->len);
	if (text)
		job->owned[job->owned_count++] = text;
	return text;
}

static void job_headers(struct fetch_job *job, struct fetch_wire *wire, size_t count)
{
	/* Each takes eight bytes at least: a count beyond that is no request of ours. */
	job->headers = count <= wire->len / NUMBER_SIZE ? calloc(count + 1, sizeof(char *)) : NULL;
	wire->failed |= !job->headers;
	for (size_t i = 0; i < count && !wire->failed; i++)
		job->headers[i] = fetch_wire_get_text(wire, wire->len);
	job->request.headers = (const char *const *)job->headers;
	job->request.header_count = wire->failed ? 0 : count;
}

int fetch_wire_get_request(struct fetch_wire *wire, struct fetch_job *job)
{
	*job = (struct fetch_job){0};
	struct pki_fetch_request *request = &job->request;
	const char **texts[] = {&request->url, &request->content_type, &request->accept,
		&request->username, &request->password, &request->anchors,
		&request->client_certificate, &request->client_key, &request->http_proxy,
		&request->source_interface};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		*texts[i] = job_text(job, wire);
	request->method = (enum pki_fetch_method)fetch_wire_get_number(wire);
	request->protocols = (unsigned)fetch_wire_get_number(wire);
	request->trust = (enum pki_fetch_trust)fetch_wire_get_number(wire);
	request->timeout_seconds = (unsigned)fetch_wire_get_number(wire);
	request->size_limit = fetch_wire_get_number(wire);
	request->redirect_limit = (unsigned)fetch_wire_get_number(wire);
	size_t headers = fetch_wire_get_number(wire);
	char *body = fetch_wire_get(wire, wire->len, &request->len);
	request->body = body;
	if (body)
		job->owned[job->owned_count++] = body;
	job_headers(job, wire, headers);
	return wire->failed || !request->url ? -1 : 0;
}

/* The child ends soon after, but the password should not outlive its use. */
void fetch_job_done(struct fetch_job *job)
{
	for (size_t i = 0; i < job->owned_count; i++) {
		OPENSSL_cleanse(job->owned[i], strlen(job->owned[i]));
		free(job->owned[i]);
	}
	for (char **header = job->headers; header && *header; header++)
		free(*header);
	free(job->headers);
	*job = (struct fetch_job){0};
}
