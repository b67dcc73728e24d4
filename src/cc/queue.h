/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue that stands on a path: how much later than at best packets have come for a while. The
 * trend (cc/trend.h) sees queues grow; one that stays, because what fills it and what empties it
 * are alike, it does not see. A plain value; pure; constant work for each packet.
 */
#ifndef CF_CC_QUEUE_H
#define CF_CC_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* The least of what came in the window at hand and in the one before. */
struct cf_cc_least {
	bool used;
	uint64_t begin_us;
	int64_t now, before;
};

struct cf_cc_queue {
	struct cf_cc_least base;   /* over so long that an empty queue was among them */
	struct cf_cc_least recent; /* over so short that all of them waited */
	int64_t last_us;           /* delay of the last packet */
	uint64_t stands_us;        /* since when; 0: it does not */
};

/** A packet was under way for delay_us, by two clocks: only differences count. */
void cf_cc_queue_add(struct cf_cc_queue *queue, int64_t delay_us, uint64_t now_us);

/** How long each of the last packets waited at least, microseconds. */
int64_t cf_cc_queue_us(const struct cf_cc_queue *queue);

/** Whether a queue stands, and sending less might help. Where it has not helped for long (others
 * fill it, or the path has become longer) the delay counts as the path's own from then on. */
bool cf_cc_queue_stands(struct cf_cc_queue *queue, uint64_t now_us);

#endif
