/* From a member to the object it is embedded in. */
#ifndef FERRULE_PROXY_CONTAINER_H
#define FERRULE_PROXY_CONTAINER_H

#include <stddef.h>

/* clang-format off */
#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))
/* clang-format on */

#endif
