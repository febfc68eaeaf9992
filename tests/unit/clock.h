/* time(2) as ferrule's own code sees it (-Wl,--wrap=time); the libraries have the real one. */
#ifndef FERRULE_TESTS_UNIT_CLOCK_H
#define FERRULE_TESTS_UNIT_CLOCK_H

#include <time.h>

extern time_t clock_offset; /* seconds; 0: the real time. Whoever sets it resets it. */

#endif
