#include "pki/watch.h"
#include "pki/error.h"

#include <stdlib.h>
#include <string.h>

static struct stat status_of(const char *path)
{
	struct stat status = {0};
	if (stat(path, &status))
		memset(&status, 0, sizeof status);
	return status;
}

int pki_watch_init(struct pki_watch *watch, char *path, struct pki_error *error)
{
	*watch = (struct pki_watch){.path = path};
	if (!path)
		return pki_error_memory(error);
	watch->status = status_of(path);
	return 0;
}

void pki_watch_done(struct pki_watch *watch)
{
	free(watch->path);
	watch->path = NULL;
}

bool pki_watch_has_changed(const struct pki_watch *watch)
{
	const struct stat now = status_of(watch->path);
	const struct stat *then = &watch->status;
	return now.st_dev != then->st_dev || now.st_ino != then->st_ino ||
	       now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != then->st_mtim.tv_nsec;
}
