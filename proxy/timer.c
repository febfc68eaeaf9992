#include "proxy/timer.h"

#include <string.h>

void timer_wheel_init(struct timer_wheel *wheel, int64_t now)
{
	memset(wheel, 0, sizeof *wheel);
	wheel->tick = now / TIMER_TICK_MS + 1;
}

static void unlink_timer(struct timer *timer)
{
	*timer->link = timer->next;
	if (timer->next)
		timer->next->link = timer->link;
	timer->link = NULL;
}

/* Into the slot of its deadline, or the farthest one there is. */
static void link_timer(struct timer_wheel *wheel, struct timer *timer)
{
	int64_t tick = (timer->deadline + TIMER_TICK_MS - 1) / TIMER_TICK_MS;
	if (tick < wheel->tick)
		tick = wheel->tick;
	if (tick > wheel->tick + TIMER_SLOTS - 1)
		tick = wheel->tick + TIMER_SLOTS - 1;
	timer->due = tick * TIMER_TICK_MS;
	struct timer **slot = &wheel->slots[tick % TIMER_SLOTS];
	timer->next = *slot;
	timer->link = slot;
	if (timer->next)
		timer->next->link = &timer->next;
	*slot = timer;
	wheel->occupied[tick % TIMER_SLOTS / 64] |= UINT64_C(1) << tick % 64;
}

void timer_set(struct timer_wheel *wheel, struct timer *timer, int64_t deadline)
{
	timer->deadline = deadline;
	if (timer->link) {
		if (deadline >= timer->due - TIMER_TICK_MS)
			return; /* its slot comes up no later: looked at again then */
		unlink_timer(timer);
		wheel->count--;
	}
	link_timer(wheel, timer);
	wheel->count++;
}

void timer_clear(struct timer_wheel *wheel, struct timer *timer)
{
	if (!timer->link)
		return;
	unlink_timer(timer);
	wheel->count--;
}

static void turn_slot(struct timer_wheel *wheel, int64_t now)
{
	struct timer **slot = &wheel->slots[wheel->tick % TIMER_SLOTS];
	struct timer *due = *slot;
	/* Detached first: what `expired` sets anew must not be met again in this turn. */
	*slot = NULL;
	wheel->occupied[wheel->tick % TIMER_SLOTS / 64] &= ~(UINT64_C(1) << wheel->tick % 64);
	if (due)
		due->link = &due;
	wheel->tick++;
	while (due) {
		struct timer *timer = due;
		unlink_timer(timer);
		if (timer->deadline > now) {
			link_timer(wheel, timer);
			continue;
		}
		wheel->count--;
		timer->expired(timer);
	}
}

void timer_wheel_turn(struct timer_wheel *wheel, int64_t now)
{
	/* After a long sleep each slot needs to be seen only once. */
	if (now / TIMER_TICK_MS - wheel->tick >= TIMER_SLOTS)
		wheel->tick = now / TIMER_TICK_MS - TIMER_SLOTS + 1;
	while (wheel->tick * TIMER_TICK_MS <= now)
		turn_slot(wheel, now);
}

/* Ticks from the next one to the first occupied slot. */
static int64_t distance(const struct timer_wheel *wheel)
{
	for (int64_t ahead = 0; ahead < TIMER_SLOTS;) {
		int64_t slot = (wheel->tick + ahead) % TIMER_SLOTS;
		uint64_t bits = wheel->occupied[slot / 64] >> slot % 64;
		if (bits)
			return ahead + __builtin_ctzll(bits);
		ahead += 64 - slot % 64;
	}
	return 0;
}

int timer_wheel_wait(const struct timer_wheel *wheel, int64_t now)
{
	if (wheel->count == 0)
		return -1;
	int64_t wait = (wheel->tick + distance(wheel)) * TIMER_TICK_MS - now;
	return wait > 0 ? (int)wait : 0;
}
