/* Just enough JSON to tell whether somebody else could read it. */
#ifndef FERRULE_TESTS_E2E_JSON_H
#define FERRULE_TESTS_E2E_JSON_H

#include <stdbool.h>

/* One JSON text (RFC 8259) with nothing but white space around it. */
bool json_is_valid(const char *text);

#endif
