/* A network of the tests' own: servers that listen everywhere listen to us alone. */
#ifndef FERRULE_TESTS_PKI_NAMESPACE_H
#define FERRULE_TESTS_PKI_NAMESPACE_H

#include <stdbool.h>

/* An address that is not loopback, for servers that want one: on the lo of the namespace. */
#define NAMESPACE_ADDRESS "192.0.2.1"

/* Enters it, with lo up. False, with the reason printed, when the kernel does not let us. */
bool namespace_enter(void);

#endif
