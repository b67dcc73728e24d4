/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "loop/thread.h"

#include <stdatomic.h>
#include <unistd.h>

struct order {
	int seen[64];
	size_t n;
};

struct ordered_timer {
	struct cf_timer timer;
	struct order *order;
	int id;
};

static void note(struct cf_timer *timer, void *arg)
{
	struct ordered_timer *t = arg;

	(void)timer;
	t->order->seen[t->order->n++] = t->id;
}

static void timers_fire_in_order(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct order order = {.n = 0};
	struct ordered_timer timers[40];
	uint64_t base_us = cf_loop_now_us(loop);

	(void)state;
	for (int i = 0; i < 40; i++) {
		timers[i] = (struct ordered_timer){.order = &order, .id = i * 7 % 40};
		assert_int_equal(cf_timer_set(&timers[i].timer, loop,
					 base_us + (uint64_t)timers[i].id, note, &timers[i]),
			0);
	}
	for (int i = 0; i < 40; i += 2)
		cf_timer_stop(&timers[i].timer);
	/* Moved to the front. */
	assert_int_equal(cf_timer_set(&timers[39].timer, loop, base_us - 1, note, &timers[39]), 0);
	while (order.n < 20)
		assert_int_equal(cf_loop_run_once(loop, 100), 0);
	assert_int_equal(order.seen[0], timers[39].id);
	for (size_t i = 2; i < order.n; i++)
		assert_true(order.seen[i] > order.seen[i - 1]);
	cf_loop_free(loop);
}

static void on_readable(struct cf_io *io, unsigned events, void *arg)
{
	char c;

	assert_true(events & CF_IO_READ);
	assert_int_equal(read(io->fd, &c, 1), 1);
	cf_io_stop(io);
	*(int *)arg += 1;
}

static void watchers_report_and_stop(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_io io;
	int fds[2], count = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(cf_io_start(&io, loop, fds[0], CF_IO_READ, on_readable, &count), 0);
	assert_int_equal(write(fds[1], "ab", 2), 2);
	cf_loop_run_once(loop, 100);
	cf_loop_run_once(loop, 0);
	assert_int_equal(count, 1);
	close(fds[0]);
	close(fds[1]);
	cf_loop_free(loop);
}

static void add_one(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void posts_cross_threads(void **state)
{
	struct cf_loop_thread *thread = cf_loop_thread_new("test");
	atomic_int count = 0;

	(void)state;
	assert_non_null(thread);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(
			cf_loop_post(cf_loop_thread_loop(thread), add_one, add_one, &count), 0);
	assert_int_equal(cf_loop_post_wait(cf_loop_thread_loop(thread), add_one, &count), 0);
	assert_int_equal(atomic_load(&count), 1001);
	assert_false(cf_loop_is_current(cf_loop_thread_loop(thread)));
	cf_loop_thread_free(thread);
}

static void mailbox_has_a_limit(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	atomic_int dropped = 0;

	(void)state;
	for (int i = 0; i < CF_LOOP_MAILBOX_MAX; i++)
		assert_int_equal(cf_loop_post(loop, add_one, add_one, &dropped), 0);
	assert_int_equal(cf_loop_post(loop, add_one, add_one, &dropped), CF_ELIMIT);
	cf_loop_free(loop);
	assert_int_equal(atomic_load(&dropped), CF_LOOP_MAILBOX_MAX);
}

static void stop_loop(void *arg)
{
	cf_loop_stop(arg);
}

static void pool_works_then_reports(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_pool *pool = cf_pool_new("test", 1, 16);
	atomic_int count = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(cf_pool_run(pool, add_one, NULL, NULL, &count), 0);
	assert_int_equal(cf_pool_run(pool, stop_loop, loop, stop_loop, loop), 0);
	cf_loop_run(loop);
	cf_pool_free(pool);
	assert_int_equal(atomic_load(&count), 10);
	cf_loop_free(loop);
}

static void again(void *arg)
{
	struct {
		struct cf_defer defer;
		struct cf_loop *loop;
		int n;
	} *self = arg;

	if (++self->n < 3)
		cf_defer_set(&self->defer, self->loop, again, self);
}

static void deferred_calls_wait_for_the_next_turn(void **state)
{
	struct {
		struct cf_defer defer;
		struct cf_loop *loop;
		int n;
	} self = {.loop = cf_loop_new()};

	(void)state;
	cf_defer_set(&self.defer, self.loop, again, &self);
	cf_loop_run_once(self.loop, -1);
	assert_int_equal(self.n, 1);
	cf_loop_run_once(self.loop, -1);
	assert_int_equal(self.n, 2);
	cf_defer_cancel(&self.defer);
	cf_loop_run_once(self.loop, 0);
	assert_int_equal(self.n, 2);
	cf_loop_free(self.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order),
		cmocka_unit_test(watchers_report_and_stop),
		cmocka_unit_test(posts_cross_threads),
		cmocka_unit_test(mailbox_has_a_limit),
		cmocka_unit_test(pool_works_then_reports),
		cmocka_unit_test(deferred_calls_wait_for_the_next_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
