/*
 * A wheel of coarse timers. Moving a deadline further away, which every byte on a
 * connection does, is one store: the timer is looked at again when its old slot
 * comes up.
 */
#ifndef FERRULE_PROXY_TIMER_H
#define FERRULE_PROXY_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_TICK_MS 100
#define TIMER_SLOTS   512

struct timer {
	struct timer *next, **link; /* link is NULL while the timer is not set */
	int64_t deadline;           /* ms, CLOCK_MONOTONIC */
	int64_t due;                /* ms at which its slot comes up: at most deadline + a tick */
	void (*expired)(struct timer *timer);
};

struct timer_wheel {
	struct timer *slots[TIMER_SLOTS];
	uint64_t occupied[TIMER_SLOTS / 64]; /* slots that may hold a timer */
	int64_t tick;                        /* the next slot to come up, in ticks */
	unsigned count;
};

void timer_wheel_init(struct timer_wheel *wheel, int64_t now);
/* Sets or moves a deadline; `expired` has been set by its owner. */
void timer_set(struct timer_wheel *wheel, struct timer *timer, int64_t deadline);
void timer_clear(struct timer_wheel *wheel, struct timer *timer);
/* Calls what has expired; an expired timer is no longer set. */
void timer_wheel_turn(struct timer_wheel *wheel, int64_t now);
/* Milliseconds until a slot with timers comes up, -1 when no timer is set. */
int timer_wheel_wait(const struct timer_wheel *wheel, int64_t now);

#endif
