/* The device under test: a configuration, a state directory, `ferrule` on both. */
#ifndef FERRULE_TESTS_PKI_DEVICE_H
#define FERRULE_TESTS_PKI_DEVICE_H

#include "tests/pki/ca.h"
#include "tests/pki/tool.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICE_SECRET "s3cret"

struct device {
	pid_t pid; /* of `ferrule run`, or -1 */
	uint16_t port;
	unsigned runs;
	char directory[200];
	char conf[256], state[256], log[256];
	char secret[256];   /* a file with DEVICE_SECRET */
	char password[256]; /* a file with nothing but a line's end */
};

/* `trustpoints` is the text of the trustpoints list; `more` further top-level text, or NULL. */
struct device *device_new(const char *trustpoints, const char *more);
bool device_configure(const struct device *device, const char *trustpoints, const char *more);
/* Stops what runs. NULL is allowed. */
void device_free(struct device *device);

/*
 * The text of a trustpoint TP by SCEP with RSA 2048 for localhost, valid until the end of
 * the test. `enrollment` is further text for its enrollment group, `more` for itself.
 */
const char *trustpoint_scep(
	const struct ca *ca, const char *path, const char *enrollment, const char *more);
/* The same by EST, with an EC key; `label` is "" or a path segment. */
const char *trustpoint_est(
	const struct ca *ca, const char *label, const char *enrollment, const char *more);

/* `ferrule WORDS… -c FILE`: its exit status; what it said in *output, to be freed. */
int device_run(const struct device *device, const char *const *words, char **output);
int device_run_with(
	const struct device *device, const char *const *words, const char *input, char **output);

/* Expects exit status 0. */
#define DONE(device, ...) device_done((device), WORDS(__VA_ARGS__), __FILE__, __LINE__)
/* Expects exit status 1 and this in the one or two lines that were said. */
#define REFUSED(device, text, ...)                                                                 \
	device_refused((device), (text), WORDS(__VA_ARGS__), __FILE__, __LINE__)
bool device_done(const struct device *device, const char *const *words, const char *file, int line);
bool device_refused(const struct device *device, const char *text, const char *const *words,
	const char *file, int line);

/* authenticate and enroll TP, both expected to succeed. */
bool device_authenticate(const struct device *device);
bool device_enroll(const struct device *device);

/* The certificate of a trustpoint's current generation. */
const char *device_certificate(const struct device *device, const char *trustpoint);
/* Its serial number in hex, "" when there is none. */
void device_serial(const struct device *device, char *out, size_t size);

/* `ferrule run` with a server that presents TP; waits until it is ready. */
bool device_start(struct device *device);
void device_stop(struct device *device);
/* curl, trusting this root alone, accepts the server. */
bool device_serves(const struct device *device, const char *root);

/* Of each file and link of the state (but locks): mode, size, path, SHA-256. To be freed. */
char *device_snapshot(const struct device *device);
/* How many files below the device's directory hold the text. */
unsigned device_grep(const struct device *device, const char *text);

#endif
