#include "tests/e2e/http_fixture.h"
#include "tests/e2e/harness.h"

#include <string.h>

static bool fixture_begin(
	struct http_fixture *fixture, struct ferrule_settings settings, bool proxied)
{
	fixture->ferrule = NULL;
	fixture->backend = http_backend_start(proxied);
	if (!EXPECT(fixture->backend != NULL))
		return false;
	settings.backends[0] = http_backend_address(fixture->backend);
	settings.mode = "http";
	fixture->ferrule = ferrule_start(&settings);
	if (fixture->ferrule != NULL)
		return true;
	http_backend_stop(fixture->backend);
	fixture->backend = NULL;
	return false;
}

bool http_fixture_start(struct http_fixture *fixture, struct ferrule_settings settings)
{
	return fixture_begin(fixture, settings, false);
}

bool http_fixture_start_proxied(struct http_fixture *fixture, struct ferrule_settings settings)
{
	return fixture_begin(fixture, settings, true);
}

void http_fixture_stop(struct http_fixture *fixture)
{
	ferrule_stop(fixture->ferrule);
	http_backend_stop(fixture->backend);
}

struct client *http_client_with(const struct http_fixture *fixture, struct client_options options)
{
	struct client *client;

	options.port =
		options.plain ? fixture->ferrule->plain_ports[0] : fixture->ferrule->ports[0];
	client = client_open(&options);
	EXPECT(client != NULL);
	return client;
}

struct client *http_client(const struct http_fixture *fixture)
{
	return http_client_with(fixture, (struct client_options){0});
}

bool http_expect_answer(struct client *client, int status, const char *body)
{
	struct http_response response;
	char text[4096];

	if (!EXPECT(http_read_head(client, &response)) || !EXPECT_EQUAL(response.status, status))
		return false;
	if (body == NULL)
		return true;
	return EXPECT(http_read_text(client, &response, text, sizeof(text))) &&
	       EXPECT_TEXT(text, body);
}

bool http_expect(struct client *client, const char *request, int status, const char *body)
{
	return EXPECT(client_say(client, request)) && http_expect_answer(client, status, body);
}

bool http_expect_pattern(struct client *client, int status, uint64_t len, uint64_t seed)
{
	struct http_body body = {.seed = seed};
	struct http_response response;

	return EXPECT(http_read_head(client, &response)) && EXPECT_EQUAL(response.status, status) &&
	       EXPECT(http_read_body(client, &response, &body)) && EXPECT_EQUAL(body.len, len);
}

/* What comes that nobody asked for is shown. */
static bool expect_silence(struct client *client)
{
	char text[2048];

	client_read_text(client, text, sizeof(text));
	return EXPECT_TEXT(text, "") && EXPECT(client->end != CLIENT_DEADLINE);
}

bool http_expect_end(struct client *client)
{
	return expect_silence(client) && EXPECT(client_is_complete(client));
}

bool http_expect_cut(struct client *client)
{
	return expect_silence(client) && EXPECT(client->end != CLIENT_CLOSE_NOTIFY);
}

void http_fixture_expect_service(const struct http_fixture *fixture)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nservice\n";
	static const char request[] = "GET /service HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct client *client = http_client(fixture);

	http_backend_answer(fixture->backend, "/service", &(struct http_answer){.text = text});
	if (client != NULL)
		http_expect(client, request, 200, "service\n");
	client_free(client);
}
