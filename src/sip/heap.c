/* SPDX-License-Identifier: Apache-2.0 */
#include "sip/heap.h"

#include "base/clock.h"
#include "base/mem.h"

#define LEAST 16

void cf_sip_heap_init(struct cf_sip_heap *heap)
{
	*heap = (struct cf_sip_heap){0};
}

void cf_sip_heap_done(struct cf_sip_heap *heap)
{
	cf_free(heap->p);
	cf_sip_heap_init(heap);
}

static int resize(struct cf_sip_heap *heap, size_t cap)
{
	struct cf_sip_timer **p;

	if (cap > SIZE_MAX / sizeof(struct cf_sip_timer *) / 2)
		return CF_ENOMEM;
	p = cf_realloc(heap->p, (cap + 1) * sizeof(struct cf_sip_timer *));
	if (!p)
		return CF_ENOMEM;
	heap->p = p;
	heap->cap = cap;
	return 0;
}

int cf_sip_heap_reserve(struct cf_sip_heap *heap)
{
	if (heap->reserved == heap->cap && resize(heap, heap->cap ? 2 * heap->cap : LEAST) < 0)
		return CF_ENOMEM;
	heap->reserved++;
	return 0;
}

static void put(struct cf_sip_heap *heap, size_t place, struct cf_sip_timer *timer)
{
	heap->p[place] = timer;
	timer->place = place;
}

static void sift_up(struct cf_sip_heap *heap, size_t place, struct cf_sip_timer *timer)
{
	while (place > 1 && heap->p[place / 2]->at_us > timer->at_us) {
		put(heap, place, heap->p[place / 2]);
		place /= 2;
	}
	put(heap, place, timer);
}

static void sift_down(struct cf_sip_heap *heap, size_t place, struct cf_sip_timer *timer)
{
	for (size_t child; (child = 2 * place) <= heap->n; place = child) {
		if (child < heap->n && heap->p[child + 1]->at_us < heap->p[child]->at_us)
			child++;
		if (heap->p[child]->at_us >= timer->at_us)
			break;
		put(heap, place, heap->p[child]);
	}
	put(heap, place, timer);
}

static void take_out(struct cf_sip_heap *heap, struct cf_sip_timer *timer)
{
	size_t place = timer->place;
	struct cf_sip_timer *last;

	if (!place)
		return;
	timer->place = 0;
	last = heap->p[heap->n--];
	if (last == timer)
		return;
	if (place > 1 && heap->p[place / 2]->at_us > last->at_us)
		sift_up(heap, place, last);
	else
		sift_down(heap, place, last);
}

void cf_sip_heap_set(struct cf_sip_heap *heap, struct cf_sip_timer *timer, uint64_t at_us)
{
	if (timer->place && timer->at_us == at_us)
		return;
	take_out(heap, timer);
	timer->at_us = at_us;
	if (at_us != CF_TIME_NEVER)
		sift_up(heap, ++heap->n, timer);
}

void cf_sip_heap_release(struct cf_sip_heap *heap, struct cf_sip_timer *timer)
{
	take_out(heap, timer);
	heap->reserved--;
	if (heap->cap > LEAST && heap->reserved < heap->cap / 4)
		(void)!resize(heap, heap->cap / 2);
}

uint64_t cf_sip_heap_deadline(const struct cf_sip_heap *heap)
{
	return heap->n ? heap->p[1]->at_us : CF_TIME_NEVER;
}
