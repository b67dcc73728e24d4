/* SPDX-License-Identifier: Apache-2.0 */
#include "cc/queue.h"

#include "base/clock.h"

#define BASE_US (15 * CF_US_PER_S)
#define RECENT_US (150 * CF_US_PER_MS)
#define STANDS_MORE_US ((int64_t)(70 * CF_US_PER_MS))
#define IN_VAIN_US (5 * CF_US_PER_S)
#define JUMP_US ((int64_t)(3 * CF_US_PER_S)) /* no queue, but another clock */

static void least_add(struct cf_cc_least *least, int64_t value, uint64_t window_us, uint64_t now_us)
{
	if (!least->used) {
		*least = (struct cf_cc_least){true, now_us, value, value};
	} else if (now_us - least->begin_us >= window_us) {
		least->before = least->now;
		least->now = value;
		least->begin_us = now_us;
	} else if (value < least->now) {
		least->now = value;
	}
}

static int64_t least_of(const struct cf_cc_least *least)
{
	return least->now < least->before ? least->now : least->before;
}

void cf_cc_queue_add(struct cf_cc_queue *queue, int64_t delay_us, uint64_t now_us)
{
	int64_t change_us = delay_us - queue->last_us;

	if (change_us > JUMP_US || change_us < -JUMP_US)
		*queue = (struct cf_cc_queue){0};
	queue->last_us = delay_us;
	least_add(&queue->base, delay_us, BASE_US, now_us);
	least_add(&queue->recent, delay_us, RECENT_US, now_us);
}

int64_t cf_cc_queue_us(const struct cf_cc_queue *queue)
{
	return queue->base.used ? least_of(&queue->recent) - least_of(&queue->base) : 0;
}

bool cf_cc_queue_stands(struct cf_cc_queue *queue, uint64_t now_us)
{
	if (cf_cc_queue_us(queue) < STANDS_MORE_US) {
		queue->stands_us = 0;
		return false;
	}
	if (!queue->stands_us)
		queue->stands_us = now_us;
	if (now_us - queue->stands_us < IN_VAIN_US)
		return true;
	queue->base = queue->recent;
	queue->stands_us = 0;
	return false;
}
