/* ferrule in mode "http" in front of a backend that tells what it got. */
#ifndef FERRULE_TESTS_E2E_HTTP_FIXTURE_H
#define FERRULE_TESTS_E2E_HTTP_FIXTURE_H

#include "tests/e2e/ferrule.h"
#include "tests/e2e/http.h"
#include "tests/e2e/http_backend.h"

struct http_fixture {
	struct http_backend *backend;
	struct ferrule *ferrule;
};

/* The settings' first backend becomes the fixture's. false: expectation failed. */
bool http_fixture_start(struct http_fixture *fixture, struct ferrule_settings settings);
/* The same with a PROXY header in front of every connection to the backend. */
bool http_fixture_start_proxied(struct http_fixture *fixture, struct ferrule_settings settings);
void http_fixture_stop(struct http_fixture *fixture);

/* A client that has shaken hands; NULL: expectation failed. */
struct client *http_client(const struct http_fixture *fixture);
/* The same with options but for the port, which is the plain listener's if they say so. */
struct client *http_client_with(const struct http_fixture *fixture, struct client_options options);

/* ---- what a client gets: each of these is an expectation ---- */

/* The next response has the status and, unless NULL, this body. */
bool http_expect_answer(struct client *client, int status, const char *body);
/* The same, and this is what is to be said before. */
bool http_expect(struct client *client, const char *request, int status, const char *body);
/* The next response has the status and a body of so many bytes of the pattern. */
bool http_expect_pattern(struct client *client, int status, uint64_t len, uint64_t seed);
/* Nothing more comes, and the stream may be taken for complete (which one may not). */
bool http_expect_end(struct client *client);
bool http_expect_cut(struct client *client);

/* A fresh connection to a path of its own is served: what every fault must leave intact. */
void http_fixture_expect_service(const struct http_fixture *fixture);

#endif
