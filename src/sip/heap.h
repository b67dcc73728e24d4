/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines in order: a binary heap of timers that live in their owners' objects. Room is reserved
 * when an owner is made, so that setting a timer later cannot fail; it is given back as owners go.
 * Not thread-safe.
 */
#ifndef CF_SIP_HEAP_H
#define CF_SIP_HEAP_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct cf_sip_timer {
	uint64_t at_us;
	size_t place;   /* in the heap, from 1; 0: not set */
	unsigned owner; /* the owner's kind, for heaps with several */
};

struct cf_sip_heap {
	struct cf_sip_timer **p; /* owned; p[0] is not used */
	size_t n;
	size_t cap;
	size_t reserved;
};

void cf_sip_heap_init(struct cf_sip_heap *heap);
void cf_sip_heap_done(struct cf_sip_heap *heap);

/** Room for one more timer: 0 or CF_ENOMEM. */
CF_MUST_CHECK int cf_sip_heap_reserve(struct cf_sip_heap *heap);
/** Gives that back; the timer is not set any more. */
void cf_sip_heap_release(struct cf_sip_heap *heap, struct cf_sip_timer *timer);

/** Sets a timer for which room is reserved (anew); CF_TIME_NEVER takes it out. */
void cf_sip_heap_set(struct cf_sip_heap *heap, struct cf_sip_timer *timer, uint64_t at_us);

/** The earliest; NULL without one. */
static inline struct cf_sip_timer *cf_sip_heap_first(const struct cf_sip_heap *heap)
{
	return heap->n ? heap->p[1] : NULL;
}

/** When the earliest is due; CF_TIME_NEVER without one. */
uint64_t cf_sip_heap_deadline(const struct cf_sip_heap *heap);

#endif
