#include "pki/file.h"
#include "pki/error.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One byte more than the file had is asked for, to notice that it grew. */
static int file_read_all(int fd, struct pki_file *file)
{
	while (file->len < file->size) {
		ssize_t got = read(fd, file->data + file->len, file->size - file->len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		file->len += (size_t)got;
	}
	return -EAGAIN;
}

static int file_read_open(int fd, const char *path, struct pki_file *file, struct pki_error *error)
{
	struct stat status;
	if (fstat(fd, &status))
		return pki_error_set(error, "%s: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return pki_error_set(error, "%s: not a regular file", path);
	if (status.st_size > PKI_FILE_LIMIT)
		return pki_error_set(
			error, "%s: larger than the limit of %d bytes", path, PKI_FILE_LIMIT);
	file->size = (size_t)status.st_size + 1;
	file->data = malloc(file->size);
	if (!file->data)
		return pki_error_memory(error);
	int result = file_read_all(fd, file);
	if (result == -EAGAIN)
		return pki_error_set(error, "%s: grew while it was read, try again", path);
	if (result)
		return pki_error_set(error, "%s: %s", path, strerror(-result));
	return 0;
}

int pki_file_read(const char *path, struct pki_file *file, struct pki_error *error)
{
	*file = (struct pki_file){0};
	/* Without O_NONBLOCK a FIFO in the file's place would hold the program up for ever. */
	int fd = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return pki_error_set(error, "%s: %s", path, strerror(errno));
	int result = file_read_open(fd, path, file, error);
	close(fd);
	if (result)
		pki_file_done(file);
	return result;
}

void pki_file_done(struct pki_file *file)
{
	if (file->data)
		OPENSSL_cleanse(file->data, file->size);
	free(file->data);
	*file = (struct pki_file){0};
}

int pki_file_write(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, data, len);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		data += put;
		len -= (size_t)put;
	}
	return 0;
}

int pki_file_create(int directory, const char *name, const void *data, size_t len)
{
	int fd =
		openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int result = pki_file_write(fd, data, len);
	if (result == 0 && fsync(fd))
		result = -errno;
	close(fd);
	return result;
}
