/* config: the one place where this folder's memory comes from. */
#ifndef FERRULE_CONFIG_MEMORY_H
#define FERRULE_CONFIG_MEMORY_H

#include <stddef.h>

/*
 * realloc(); what it returns is released with free(). It has a file to itself
 * so that tests can let the n-th call fail: -Wl,--wrap=conf_memory_resize.
 */
void *conf_memory_resize(void *old, size_t size);

#endif
