/*
 * Endless pseudo-random bytes, addressable by position: both ends of a transfer
 * know what belongs at an offset without holding the body.
 */
#ifndef FERRULE_TESTS_E2E_PATTERN_H
#define FERRULE_TESTS_E2E_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void pattern_fill(uint64_t seed, uint64_t offset, void *data, size_t len);
bool pattern_matches(uint64_t seed, uint64_t offset, const void *data, size_t len);

/* A whole file of it, from offset 0. */
bool pattern_file_write(const char *path, uint64_t seed, uint64_t size);
bool pattern_file_matches(const char *path, uint64_t seed, uint64_t size);

#endif
