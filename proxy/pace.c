#include "proxy/pace.h"

/* So many completions expected in PACE_NS make it worth a try … */
#define WORTH_TRYING 8
/* … and fewer in a paced turn end it. */
#define WORTH_KEEPING 16
#define RETRY_NS      200000000

void pace_decide(struct pace *pace, int64_t now)
{
	int64_t elapsed = now - pace->window_start;
	if (pace->on && pace->completions < WORTH_KEEPING * pace->turns) {
		pace->on = false;
		pace->retry_at = now + RETRY_NS;
	} else if (!pace->on && now >= pace->retry_at) {
		pace->on = pace->completions * (int64_t)PACE_NS >= WORTH_TRYING * elapsed;
	}
	pace->turns = pace->completions = 0;
	pace->window_start = now;
}
