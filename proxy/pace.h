/*
 * When many connections are active, a loop that wakes up for every completion
 * spends a sixth of its time in context switches. Like a network card that
 * moderates its interrupts, a paced loop waits for more of them, at most PACE_NS.
 * It is worth it only while a turn then finds many: few connections would just be
 * delayed. Pure, but for the time that the caller passes in.
 */
#ifndef FERRULE_PROXY_PACE_H
#define FERRULE_PROXY_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* The longest wait of a paced turn, in nanoseconds. */
#define PACE_NS 50000
/* Completions a paced turn waits for: more than come in that time. */
#define PACE_BATCH 64
/* Turns between two decisions. */
#define PACE_WINDOW 64

struct pace {
	bool on;
	unsigned turns, completions; /* in this window */
	int64_t window_start;        /* ns */
	int64_t retry_at;            /* ns: not on again before */
};

/* True when the window is full: call pace_decide() with the time. */
static inline bool pace_turn(struct pace *pace, unsigned completions)
{
	pace->completions += completions;
	return ++pace->turns >= PACE_WINDOW;
}

void pace_decide(struct pace *pace, int64_t now);

#endif
