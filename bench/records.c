/*
 * records: what ferrule's own record engine (ktls/record.c) needs to seal blocks as TLS records,
 * in memory, without sockets, by the library that ferrule would take or (--libcrypto) by the one
 * that `openssl speed` measures. Prints one line of NAME=VALUE words as bench/load does, of which
 * units are records:
 *
 *   units=N bytes=N seconds=S cpu_ns=N user_ns=N
 */
#include "ktls/record.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NANOSECONDS     1000000000u
#define RECORDS_A_CLOCK 256 /* sealed between two looks at the clock */

struct options {
	enum ktls_cipher cipher;
	enum ktls_version version;
	bool by_libcrypto;
	size_t block;
	double warmup, seconds;
};

static uint64_t clock_read(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

static int seal_for(
	struct ktls_aead *aead, const struct options *options, double seconds, uint64_t *units)
{
	static uint8_t data[KTLS_RECORD_PLAINTEXT], record[KTLS_RECORD_PLAINTEXT + 256];
	const uint64_t end = clock_read(CLOCK_MONOTONIC) + (uint64_t)(seconds * NANOSECONDS);

	/* Pages of its own: untouched ones are all the same one, which never leaves the cache. */
	memset(data, 'x', sizeof data);
	*units = 0;
	do {
		for (unsigned i = 0; i < RECORDS_A_CLOCK; i++) {
			if (ktls_aead_seal(aead, KTLS_RECORD_DATA, data, options->block, record) <
				0)
				return -1;
		}
		*units += RECORDS_A_CLOCK;
	} while (clock_read(CLOCK_MONOTONIC) < end);
	return 0;
}

static int measure(struct ktls_aead *aead, const struct options *options)
{
	uint64_t units;

	if (seal_for(aead, options, options->warmup, &units) != 0)
		return -1;
	const uint64_t start = clock_read(CLOCK_MONOTONIC);
	const uint64_t cpu = clock_read(CLOCK_PROCESS_CPUTIME_ID);
	if (seal_for(aead, options, options->seconds, &units) != 0)
		return -1;
	const uint64_t used = clock_read(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("units=%" PRIu64 " bytes=%" PRIu64 " seconds=%.3f cpu_ns=%" PRIu64
	       " user_ns=%" PRIu64 "\n",
		units, units * options->block,
		(double)(clock_read(CLOCK_MONOTONIC) - start) / NANOSECONDS, used, used);
	return 0;
}

static int run(const struct options *options)
{
	static const struct ktls_keys keys = {.key = {1}, .iv = {2}};
	struct ktls_crypto crypto = {0};
	struct ktls_aead aead = {0};
	int result = ktls_crypto_init(&crypto);

	if (result == 0 && options->by_libcrypto)
		crypto.aead[options->cipher] = &ktls_aead_libcrypto;
	if (result == 0)
		result = ktls_aead_init(
			&aead, &crypto, options->version, options->cipher, &keys, KTLS_TX, 0);
	if (result == 0)
		result = measure(&aead, options);
	if (result != 0)
		fputs("records: the cipher fails\n", stderr);
	ktls_aead_done(&aead);
	ktls_crypto_done(&crypto);
	return result;
}

static int usage(void)
{
	fputs("usage: records --cipher AES-128-GCM|AES-256-GCM|CHACHA20-POLY1305\n"
	      "               [--tls 1.2|1.3] [--libcrypto] [--block BYTES]\n"
	      "               [--warmup SECONDS] [--seconds SECONDS]\n",
		stderr);
	return 2;
}

static int options_set_cipher(struct options *options, const char *word)
{
	for (int i = 0; i < KTLS_CIPHERS; i++) {
		if (strcmp(word, ktls_cipher_parameters[i].name) == 0) {
			options->cipher = (enum ktls_cipher)i;
			return 0;
		}
	}
	return -1;
}

static int options_set(struct options *options, int option)
{
	switch (option) {
	case 'c':
		return options_set_cipher(options, optarg);
	case 't':
		options->version = strcmp(optarg, "1.2") == 0 ? KTLS_TLS12 : KTLS_TLS13;
		return strcmp(optarg, "1.2") == 0 || strcmp(optarg, "1.3") == 0 ? 0 : -1;
	case 'l':
		options->by_libcrypto = true;
		return 0;
	case 'b':
		options->block = strtoul(optarg, NULL, 10);
		return options->block > 0 && options->block <= KTLS_RECORD_PLAINTEXT ? 0 : -1;
	case 'W':
		options->warmup = strtod(optarg, NULL);
		return options->warmup >= 0 ? 0 : -1;
	case 's':
		options->seconds = strtod(optarg, NULL);
		return options->seconds > 0 ? 0 : -1;
	default:
		return -1;
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"cipher", required_argument, NULL, 'c'},
		{"tls", required_argument, NULL, 't'},
		{"libcrypto", no_argument, NULL, 'l'},
		{"block", required_argument, NULL, 'b'},
		{"warmup", required_argument, NULL, 'W'},
		{"seconds", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.cipher = KTLS_CIPHERS,
		.version = KTLS_TLS13,
		.block = 16384,
		.warmup = 0.1,
		.seconds = 1};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (options_set(&options, option) != 0)
			return usage();
	}
	if (optind != argc || options.cipher == KTLS_CIPHERS)
		return usage();
	return run(&options) == 0 ? 0 : 1;
}
