/*
 * What every end-to-end test leans on: a deadline that all waiting obeys, a
 * scratch directory of its own, and expectations that say what they saw.
 */
#ifndef FERRULE_TESTS_E2E_HARNESS_H
#define FERRULE_TESTS_E2E_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- expectations: any thread may state one; false when it did not hold ---- */

#define EXPECT(condition) harness_expect((condition), #condition, __FILE__, __LINE__)
#define EXPECT_EQUAL(actual, expected)                                                             \
	harness_expect_equal((int64_t)(actual), (int64_t)(expected), #actual, __FILE__, __LINE__)
#define EXPECT_TEXT(actual, expected)                                                              \
	harness_expect_text((actual), (expected), #actual, __FILE__, __LINE__)
#define EXPECT_CONTAINS(actual, part)                                                              \
	harness_expect_contains((actual), (part), #actual, __FILE__, __LINE__)

bool harness_expect(bool holds, const char *what, const char *file, int line);
bool harness_expect_equal(
	int64_t actual, int64_t expected, const char *what, const char *file, int line);
bool harness_expect_text(
	const char *actual, const char *expected, const char *what, const char *file, int line);
/* Letters compare without regard to case: logs are prose. */
bool harness_expect_contains(
	const char *actual, const char *part, const char *what, const char *file, int line);

/*
 * What this thread's expectations are about, named by those that fail: the row of a
 * table. The text must last; NULL and the next test take it back.
 */
void harness_note(const char *text);

/* ---- one test ---- */

/* CUnit's set-up and tear-down; the latter shows every *.log of a failed test. */
void harness_test_start(void);
void harness_test_end(void);

/* Replaces the deadline that harness_test_start() set. */
void harness_deadline_set(unsigned seconds);
/* Milliseconds left, never negative: fit for poll(). */
int harness_remaining(void);
/* Waits a moment before another look; false once the deadline has passed. */
bool harness_tick(void);
/* Takes as long as it says: for slow peers and measuring intervals only. */
void harness_pause(int milliseconds);
int64_t harness_now(void); /* monotonic, in milliseconds */

/* The test's own directory, world-searchable, removed at its end. */
const char *harness_scratch(void);
/* "SCRATCH/name" in memory that lasts until the end of the test. */
const char *harness_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the machine ---- */

const char *harness_ferrule(void); /* path of the binary under test */
bool harness_has_ktls(void);       /* FERRULE_KTLS=1: connections must be offloaded */
bool harness_has_rekey(void);      /* FERRULE_REKEY=1: the kernel takes new keys */
bool harness_is_sanitized(void);   /* built with AddressSanitizer: many times slower */

/* ---- files ---- */

/* Contents with a NUL behind them, to be freed; NULL when it cannot be read. */
char *harness_file_read(const char *path, size_t *len);
bool harness_file_write(const char *path, const void *data, size_t len);

#endif
