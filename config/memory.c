#include "config/memory.h"

#include <stdlib.h>

void *conf_memory_resize(void *old, size_t size)
{
	return realloc(old, size);
}
