#include "tests/unit/clock.h"

#include <stddef.h>

time_t __real_time(time_t *out);
time_t __wrap_time(time_t *out);

time_t clock_offset;

time_t __wrap_time(time_t *out)
{
	time_t now = __real_time(NULL) + clock_offset;
	if (out)
		*out = now;
	return now;
}
