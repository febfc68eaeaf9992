/* media_type: the Content-Type for a file, told from its name. */
#ifndef FERRULE_MEDIA_TYPE_H
#define FERRULE_MEDIA_TYPE_H

/* Never NULL: what has no known extension is application/octet-stream. */
const char *media_type_find(const char *path);

#endif
