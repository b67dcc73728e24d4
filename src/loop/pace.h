/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a busy loop should rest. Each packet that wakes a sleeping thread costs more than all the
 * work done for it, so a loop that is woken often looks once a tick instead and finds what came in
 * together. A loop with little to do never rests: there the first packet is handled at once. One
 * that finds much on each turn does not either: its turns are full as it is. Pure: time and counts
 * come in.
 */
#ifndef CF_LOOP_PACE_H
#define CF_LOOP_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Rests begin at this many events a tick, and end at half of that. */
#define CF_PACE_BUSY 2
/* No rest after a turn with this many events. */
#define CF_PACE_FULL 48

/* Zeroed: never rests. */
struct cf_pace {
	uint64_t tick_us; /* longest time from one turn to the next, 0: no rests */
	uint64_t since_us;
	uint64_t turn_us; /* when the last turn began */
	uint32_t n;       /* events since since_us */
	uint32_t n_turn;
	bool busy;
};

/** A turn begins with this many events. */
void cf_pace_turn(struct cf_pace *pace, uint32_t n_events, uint64_t now_us);

/** Until when to rest before the next turn; 0: not at all. Never later than a tick after the last
 * turn began. */
uint64_t cf_pace_rest_until_us(const struct cf_pace *pace, uint64_t now_us);

#endif
