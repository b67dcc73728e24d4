/* SPDX-License-Identifier: Apache-2.0 */
#include "cc/pacer.h"

#include "base/clock.h"
#include "harness/harness.h"

static struct cf_pacer *make(uint32_t target_bps)
{
	struct cf_pacer *pacer = NULL;

	assert_int_equal(cf_pacer_new(&pacer, NULL), 0);
	cf_pacer_rate(pacer, target_bps, 1000000);
	return pacer;
}

static int new_oom(void *arg)
{
	struct cf_pacer *pacer = NULL;
	int err = cf_pacer_new(&pacer, NULL);

	(void)arg;
	cf_pacer_free(pacer);
	return err;
}

static void test_options(void **state)
{
	struct cf_pacer *pacer = NULL;
	struct cf_pacer_opts opts;

	(void)state;
	cf_test_oom(new_oom, NULL, 1);
	cf_pacer_opts_defaults(&opts);
	opts.percent = 99;
	assert_int_equal(cf_pacer_new(&pacer, &opts), CF_EINVAL);
	cf_pacer_opts_defaults(&opts);
	opts.slots = 3;
	assert_int_equal(cf_pacer_new(&pacer, &opts), CF_EINVAL);
	cf_pacer_opts_defaults(&opts);
	opts.queue_ms = 0;
	assert_int_equal(cf_pacer_new(&pacer, &opts), CF_EINVAL);
	assert_null(cf_pacer_free(NULL));
}

/* Ten packets of 1000 bytes at 1.5 times 800 kbit/s: one every 6.67 ms. */
static void test_spreads(void **state)
{
	struct cf_pacer *pacer = make(800000);
	uint64_t now_us = 1000000;
	uint32_t id = 99;

	(void)state;
	assert_true(cf_pacer_deadline_us(pacer) == CF_TIME_NEVER);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(cf_pacer_put(pacer, CF_PACER_VIDEO, 1000, i), 0);
	assert_int_equal(cf_pacer_queue_ms(pacer), 66);
	for (uint32_t i = 0; i < 10; i++) {
		uint64_t due_us = cf_pacer_deadline_us(pacer);

		if (due_us > now_us) {
			assert_false(cf_pacer_get(pacer, due_us - 1, &id));
			now_us = due_us;
		}
		assert_true(cf_pacer_get(pacer, now_us, &id));
		assert_int_equal(id, i);
	}
	assert_in_range(now_us, 1054000, 1060000);
	assert_false(cf_pacer_get(pacer, now_us, &id));
	cf_pacer_free(pacer);
}

static void test_order(void **state)
{
	struct cf_pacer *pacer = make(100000);
	uint32_t id = 99;

	(void)state;
	assert_int_equal(cf_pacer_put(pacer, CF_PACER_VIDEO, 1000, 1), 0);
	assert_int_equal(cf_pacer_put(pacer, CF_PACER_RETRANSMISSION, 1000, 2), 0);
	assert_int_equal(cf_pacer_put(pacer, CF_PACER_AUDIO, 300, 3), 0);
	assert_int_equal(cf_pacer_put(pacer, CF_PACER_AUDIO, 300, 4), 0);
	assert_true(cf_pacer_deadline_us(pacer) == 0);
	assert_true(cf_pacer_get(pacer, 1000000, &id));
	assert_int_equal(id, 3);
	assert_true(cf_pacer_get(pacer, 1000000, &id)); /* audio does not wait for tokens */
	assert_int_equal(id, 4);
	assert_false(cf_pacer_get(pacer, 1000000, &id));
	assert_true(cf_pacer_get(pacer, cf_pacer_deadline_us(pacer), &id));
	assert_int_equal(id, 2);
	assert_true(cf_pacer_get(pacer, cf_pacer_deadline_us(pacer), &id));
	assert_int_equal(id, 1);
	cf_pacer_free(pacer);
}

static void test_limits(void **state)
{
	struct cf_pacer *pacer = make(800000); /* 150 bytes a millisecond */
	uint32_t id, n = 0;

	(void)state;
	while (cf_pacer_put(pacer, CF_PACER_VIDEO, 1000, n) == 0)
		n++;
	assert_int_equal(n, 37);
	assert_int_equal(cf_pacer_put(pacer, CF_PACER_RETRANSMISSION, 1000, n), CF_ELIMIT);
	for (n = 0; cf_pacer_put(pacer, CF_PACER_AUDIO, 100, n) == 0;)
		n++;
	assert_int_equal(n, 512);
	for (n = 0; cf_pacer_drop(pacer, CF_PACER_VIDEO, &id); n++)
		assert_int_equal(id, n);
	assert_int_equal(n, 37);
	while (cf_pacer_drop(pacer, CF_PACER_AUDIO, &id))
		continue;
	assert_int_equal(cf_pacer_queue_ms(pacer), 0);
	/* However slow: one is taken. */
	cf_pacer_rate(pacer, 0, 1000000);
	assert_int_equal(cf_pacer_put(pacer, CF_PACER_VIDEO, 1000, 1), 0);
	assert_int_equal(cf_pacer_put(pacer, CF_PACER_VIDEO, 1000, 1), CF_ELIMIT);
	assert_int_equal(cf_pacer_put(pacer, CF_PACER_VIDEO, 65536, 1), CF_ELIMIT);
	cf_pacer_free(pacer);
}

/* Unused time is not saved up beyond the burst. */
static void test_burst(void **state)
{
	struct cf_pacer *pacer = make(8000000);

	(void)state;
	assert_int_equal(cf_pacer_budget(pacer, 60000000), 7500);
	assert_int_equal(cf_pacer_budget(pacer, 50000000), 7500);
	cf_pacer_free(pacer);
}

static void test_probe(void **state)
{
	struct cf_pacer *pacer = make(300000);
	uint64_t now_us = 1000000, begin_us = 0;
	uint32_t sent = 0, packets = 0, n;

	(void)state;
	assert_int_equal(cf_pacer_padding(pacer, now_us), 0);
	cf_pacer_probe(pacer, 900000, 6000, now_us);
	while (cf_pacer_deadline_us(pacer) != CF_TIME_NEVER) {
		uint64_t due_us = cf_pacer_deadline_us(pacer);

		now_us = due_us > now_us ? due_us : now_us;
		n = cf_pacer_padding(pacer, now_us);
		assert_true(n > 0);
		begin_us = begin_us ? begin_us : now_us;
		cf_pacer_padded(pacer, n);
		sent += n;
		packets++;
	}
	assert_in_range(sent, 6000, 7200);
	assert_true(packets >= 5);
	assert_in_range(now_us - begin_us, 40000, 54000);
	cf_pacer_free(pacer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_spreads),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
