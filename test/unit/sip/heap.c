/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sip/heap.h"

#include <stdbool.h>

#define N 500

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Timers set, moved and taken out at random come in their order, and each place is right. */
static void order(void **state)
{
	static struct cf_sip_timer timers[N];
	struct cf_sip_heap heap;
	uint32_t seed = 1;
	size_t set = 0;
	uint64_t last = 0;

	(void)state;
	memset(timers, 0, sizeof(timers));
	cf_sip_heap_init(&heap);
	assert_int_equal(cf_sip_heap_deadline(&heap), CF_TIME_NEVER);
	assert_null(cf_sip_heap_first(&heap));
	for (size_t i = 0; i < N; i++)
		assert_int_equal(cf_sip_heap_reserve(&heap), 0);
	for (size_t i = 0; i < 20 * N; i++) {
		struct cf_sip_timer *timer = &timers[next(&seed) % N];
		bool off = next(&seed) % 4 == 0;

		set += !timer->place && !off;
		set -= timer->place && off;
		cf_sip_heap_set(&heap, timer, off ? CF_TIME_NEVER : next(&seed) % 1000);
		assert_int_equal(heap.n, set);
	}
	for (size_t i = 1; i <= heap.n; i++)
		assert_int_equal(heap.p[i]->place, i);
	while (heap.n) {
		struct cf_sip_timer *timer = cf_sip_heap_first(&heap);

		assert_true(timer->at_us >= last);
		assert_int_equal(cf_sip_heap_deadline(&heap), timer->at_us);
		last = timer->at_us;
		cf_sip_heap_set(&heap, timer, CF_TIME_NEVER);
		assert_int_equal(timer->place, 0);
	}
	cf_sip_heap_done(&heap);
}

/* Room that is reserved is there, and it is given back. */
static void room(void **state)
{
	static struct cf_sip_timer timers[N];
	struct cf_sip_heap heap;
	size_t most;

	(void)state;
	memset(timers, 0, sizeof(timers));
	cf_sip_heap_init(&heap);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(cf_sip_heap_reserve(&heap), 0);
		cf_sip_heap_set(&heap, &timers[i], N - i);
	}
	most = heap.cap;
	assert_true(most >= N);
	for (size_t i = 0; i < N; i++) {
		cf_sip_heap_release(&heap, &timers[i]);
		assert_true(heap.cap >= heap.reserved);
	}
	assert_true(heap.cap < most / 8);
	assert_int_equal(heap.n, 0);
	cf_sip_heap_done(&heap);
}

static int oom_body(void *arg)
{
	static struct cf_sip_timer timers[100];
	struct cf_sip_heap heap;
	size_t n = 0;
	int err = 0;

	(void)arg;
	memset(timers, 0, sizeof(timers));
	cf_sip_heap_init(&heap);
	while (n < 100 && (err = cf_sip_heap_reserve(&heap)) == 0) {
		cf_sip_heap_set(&heap, &timers[n], n);
		n++;
	}
	assert_int_equal(heap.n, n);
	while (n > 0)
		cf_sip_heap_release(&heap, &timers[--n]);
	cf_sip_heap_done(&heap);
	return err;
}

static void out_of_memory(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order),
		cmocka_unit_test(room),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
