/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/pace.h"

#define WINDOW_TICKS 4 /* time over which the load is judged */

void cf_pace_turn(struct cf_pace *pace, uint32_t n_events, uint64_t now_us)
{
	uint64_t ticks;

	pace->turn_us = now_us;
	pace->n_turn = n_events;
	pace->n += n_events;
	if (pace->tick_us == 0 || now_us - pace->since_us < WINDOW_TICKS * pace->tick_us)
		return;
	ticks = (now_us - pace->since_us) / pace->tick_us;
	pace->busy = pace->n * (pace->busy ? 2 : 1) >= CF_PACE_BUSY * ticks;
	pace->since_us = now_us;
	pace->n = 0;
}

uint64_t cf_pace_rest_until_us(const struct cf_pace *pace, uint64_t now_us)
{
	uint64_t until_us = pace->turn_us + pace->tick_us;

	if (!pace->busy || pace->n_turn == 0 || pace->n_turn >= CF_PACE_FULL || until_us <= now_us)
		return 0;
	return until_us;
}
