#include "tests/e2e/pattern.h"

#include <stdio.h>
#include <string.h>

#define WORD  sizeof(uint64_t)
#define CHUNK 65536

/* SplitMix64: passes as random, and any word is reached in one step. */
static uint64_t word_at(uint64_t seed, uint64_t index)
{
	uint64_t z = seed * 0xd1342543de82ef95ULL + index * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* How much of the word at `offset` lies within `len`. */
static size_t part_of_word(uint64_t offset, size_t len)
{
	size_t part = WORD - (size_t)(offset % WORD);

	return part < len ? part : len;
}

void pattern_fill(uint64_t seed, uint64_t offset, void *data, size_t len)
{
	uint8_t *out = data;

	while (len > 0) {
		uint64_t word = word_at(seed, offset / WORD);
		size_t part = part_of_word(offset, len);

		if (part == WORD)
			memcpy(out, &word, WORD); /* inlined: this is the hot path */
		else
			memcpy(out, (const uint8_t *)&word + offset % WORD, part);
		out += part;
		offset += part;
		len -= part;
	}
}

bool pattern_matches(uint64_t seed, uint64_t offset, const void *data, size_t len)
{
	uint8_t expected[4096];
	const uint8_t *actual = data;

	while (len > 0) {
		size_t part = len < sizeof(expected) ? len : sizeof(expected);

		pattern_fill(seed, offset, expected, part);
		if (memcmp(actual, expected, part) != 0)
			return false;
		actual += part;
		offset += part;
		len -= part;
	}
	return true;
}

bool pattern_file_write(const char *path, uint64_t seed, uint64_t size)
{
	FILE *file = fopen(path, "we");
	uint8_t data[CHUNK];
	uint64_t offset = 0;

	if (file == NULL)
		return false;
	while (offset < size) {
		size_t len = size - offset < CHUNK ? (size_t)(size - offset) : CHUNK;

		pattern_fill(seed, offset, data, len);
		if (fwrite(data, 1, len, file) != len)
			break;
		offset += len;
	}
	return fclose(file) == 0 && offset == size;
}

bool pattern_file_matches(const char *path, uint64_t seed, uint64_t size)
{
	FILE *file = fopen(path, "re");
	uint8_t data[CHUNK];
	uint64_t offset = 0;
	size_t got;

	if (file == NULL)
		return false;
	while ((got = fread(data, 1, sizeof(data), file)) > 0) {
		if (!pattern_matches(seed, offset, data, got))
			break;
		offset += got;
	}
	fclose(file);
	return got == 0 && offset == size;
}
