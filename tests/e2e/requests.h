/*
 * Requests as they must not be, as they may be, and as nobody knows: raw bytes, each
 * table ended by one without a text.
 */
#ifndef FERRULE_TESTS_E2E_REQUESTS_H
#define FERRULE_TESTS_E2E_REQUESTS_H

#include <stddef.h>

struct raw_request {
	int status, or_status; /* of the right answer; 0: no other, or not known */
	const char *text;
	size_t len;
};

/* To be refused before the backend hears of them: RFC 9112 6 and the rest of the head. */
extern const struct raw_request requests_framing[];
extern const struct raw_request requests_heads[];
/* Sound heads in front of bodies that are not (RFC 9112 7.1). */
extern const struct raw_request requests_chunks[];
extern const struct raw_request requests_sound[];
extern const struct raw_request requests_odd[];
/* One request each, but for paths and methods that a server may not want. */
extern const struct raw_request requests_policy[];

#endif
