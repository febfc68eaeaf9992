#include "proxy/ticket_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One byte more than fits shows a file that is too long. */
#define FILE_MAX (KTLS_TICKET_KEYS * KTLS_TICKET_KEY_SIZE + 1)

/*
 * A key encrypts for half a ticket's life and decrypts until the last ticket under
 * it has expired: three keys at a time, one to spare.
 */
static int64_t period_ms(const struct conf *conf)
{
	return (int64_t)conf->tickets.lifetime * 500;
}

/* Reads 1 to KTLS_TICKET_KEYS keys; the number of bytes or -errno. */
static ssize_t read_keys(const char *path, uint8_t *out, size_t size, struct timespec *modified)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	struct stat status;
	size_t len = 0;
	ssize_t n = 1;
	if (fstat(fd, &status) == 0)
		*modified = status.st_mtim;
	while (len < size && (n = read(fd, out + len, size - len)) > 0)
		len += (size_t)n;
	int error = errno;
	close(fd);
	return n < 0 ? -error : (ssize_t)len;
}

/* Reads and checks the file; the number of keys, or -1 with a sentence in `error`. */
static int read_file(const char *path, uint8_t bytes[FILE_MAX], struct timespec *modified,
	char *error, size_t error_size)
{
	ssize_t len = read_keys(path, bytes, FILE_MAX, modified);
	if (len < 0)
		snprintf(error, error_size, "tickets.file %s: %s", path, strerror((int)-len));
	else if (len == 0 || len % KTLS_TICKET_KEY_SIZE || (size_t)len == FILE_MAX)
		snprintf(error, error_size,
			"tickets.file %s: must hold 1 to %d keys of %d bytes, the newest first "
			"(openssl rand %d)",
			path, KTLS_TICKET_KEYS, KTLS_TICKET_KEY_SIZE, KTLS_TICKET_KEY_SIZE);
	else
		return (int)(len / KTLS_TICKET_KEY_SIZE);
	return -1;
}

static int load(struct ticket_keys *keys, const char *path, char *error, size_t error_size)
{
	uint8_t bytes[FILE_MAX];
	int count = read_file(path, bytes, &keys->modified, error, error_size);
	if (count > 0)
		ktls_tickets_set(keys->tickets, bytes, (uint32_t)count);
	OPENSSL_cleanse(bytes, sizeof bytes);
	return count > 0 ? 0 : -1;
}

int ticket_keys_check(const struct conf *conf, char *error, size_t error_size)
{
	uint8_t bytes[FILE_MAX];
	struct timespec modified;
	if (!conf->tickets.file)
		return 0;
	int count = read_file(conf->tickets.file, bytes, &modified, error, error_size);
	OPENSSL_cleanse(bytes, sizeof bytes);
	return count > 0 ? 0 : -1;
}

static int rotate(struct ticket_keys *keys, const struct conf *conf, int64_t now, char *error,
	size_t error_size)
{
	keys->rotate_at = now + period_ms(conf);
	if (ktls_tickets_rotate(keys->tickets) == 0)
		return 0;
	snprintf(error, error_size, "no random bytes for a ticket key");
	return -1;
}

int ticket_keys_start(struct ticket_keys *keys, const struct conf *conf, int64_t now, char *error,
	size_t error_size)
{
	if (conf->tickets.file)
		return load(keys, conf->tickets.file, error, error_size);
	/* A reload goes on with the keys there are. */
	if (keys->tickets->count > 0 && keys->rotate_at)
		return 0;
	return rotate(keys, conf, now, error, error_size);
}

int ticket_keys_tick(struct ticket_keys *keys, const struct conf *conf, int64_t now, char *error,
	size_t error_size)
{
	struct stat status;
	if (!conf->tickets.file)
		return now < keys->rotate_at                             ? 0
		       : rotate(keys, conf, now, error, error_size) == 0 ? 1
									 : -1;
	if (stat(conf->tickets.file, &status) < 0 ||
		(status.st_mtim.tv_sec == keys->modified.tv_sec &&
			status.st_mtim.tv_nsec == keys->modified.tv_nsec))
		return 0;
	return load(keys, conf->tickets.file, error, error_size) == 0 ? 1 : -1;
}
