/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/clock.h"
#include "stun/transaction.h"

/* RFC 8489 section 6.2.1: with an RTO of 500 ms, requests at 0, 500, 1500, 3500, 7500, 15500 and
 * 31500 ms, and the end at 39500 ms. */
static void rfc_schedule(void **state)
{
	static const uint32_t at_ms[] = {0, 500, 1500, 3500, 7500, 15500, 31500};
	struct cf_stun_txn_options options = cf_stun_txn_defaults();
	struct cf_stun_txn txn;
	uint64_t start = 1000;

	(void)state;
	cf_stun_txn_start(&txn, &options, CF_STUN_BINDING, start);
	for (size_t i = 0; i < sizeof(at_ms) / sizeof(at_ms[0]); i++) {
		uint64_t due = start + at_ms[i] * CF_US_PER_MS;

		assert_int_equal(cf_stun_txn_deadline(&txn), due);
		assert_int_equal(cf_stun_txn_poll(&txn, due - 1), CF_STUN_TXN_WAIT);
		assert_int_equal(cf_stun_txn_poll(&txn, due), CF_STUN_TXN_SEND);
		assert_int_equal(cf_stun_txn_poll(&txn, due), CF_STUN_TXN_WAIT);
	}
	assert_int_equal(cf_stun_txn_deadline(&txn), start + 39500 * CF_US_PER_MS);
	assert_int_equal(cf_stun_txn_poll(&txn, start + 39500 * CF_US_PER_MS), CF_STUN_TXN_TIMEOUT);
	assert_true(cf_stun_txn_deadline(&txn) == CF_TIME_NEVER);
	assert_int_equal(cf_stun_txn_poll(&txn, UINT64_MAX), CF_STUN_TXN_WAIT);
}

static void reliable_once(void **state)
{
	struct cf_stun_txn_options options = cf_stun_txn_defaults();
	struct cf_stun_txn txn;

	(void)state;
	options.reliable = true;
	cf_stun_txn_start(&txn, &options, CF_STUN_BINDING, 7);
	assert_int_equal(cf_stun_txn_poll(&txn, 7), CF_STUN_TXN_SEND);
	assert_int_equal(cf_stun_txn_deadline(&txn), 7 + CF_STUN_TI_US);
	assert_int_equal(cf_stun_txn_poll(&txn, 7 + CF_STUN_TI_US - 1), CF_STUN_TXN_WAIT);
	assert_int_equal(cf_stun_txn_poll(&txn, 7 + CF_STUN_TI_US), CF_STUN_TXN_TIMEOUT);
}

static void capped_pause(void **state)
{
	struct cf_stun_txn_options options = {
		.rto_us = 100, .rto_max_us = 250, .rc = 5, .rm = 2, .ti_us = 1};
	static const uint64_t at[] = {0, 100, 300, 550, 800};
	struct cf_stun_txn txn;

	(void)state;
	cf_stun_txn_start(&txn, &options, CF_STUN_BINDING, 0);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(cf_stun_txn_deadline(&txn), at[i]);
		assert_int_equal(cf_stun_txn_poll(&txn, at[i]), CF_STUN_TXN_SEND);
	}
	assert_int_equal(cf_stun_txn_deadline(&txn), 1000);
}

static void matching(void **state)
{
	struct cf_stun_txn_options options = cf_stun_txn_defaults();
	struct cf_stun_txn txn, other;
	struct cf_stun_msg msg = {.cls = CF_STUN_SUCCESS, .method = CF_STUN_BINDING};

	(void)state;
	cf_stun_txn_start(&txn, &options, CF_STUN_BINDING, 0);
	cf_stun_txn_start(&other, &options, CF_STUN_BINDING, 0);
	assert_memory_not_equal(txn.tid, other.tid, CF_STUN_TID_LEN);
	memcpy(msg.tid, txn.tid, CF_STUN_TID_LEN);
	assert_true(cf_stun_txn_matches(&txn, &msg));
	assert_false(cf_stun_txn_matches(&other, &msg));
	msg.cls = CF_STUN_INDICATION;
	assert_false(cf_stun_txn_matches(&txn, &msg));
	msg.cls = CF_STUN_ERROR;
	assert_true(cf_stun_txn_matches(&txn, &msg));
	msg.method = CF_TURN_ALLOCATE;
	assert_false(cf_stun_txn_matches(&txn, &msg));
	msg.method = CF_STUN_BINDING;
	assert_int_equal(cf_stun_txn_poll(&txn, 0), CF_STUN_TXN_SEND);
	assert_int_equal(cf_stun_txn_rtt_us(&txn, 300), 300);
	assert_int_equal(cf_stun_txn_poll(&txn, 500000), CF_STUN_TXN_SEND);
	assert_int_equal(cf_stun_txn_rtt_us(&txn, 500300), 0); /* which of the two was answered? */
	cf_stun_txn_end(&txn);
	assert_false(cf_stun_txn_matches(&txn, &msg));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_schedule),
		cmocka_unit_test(reliable_once),
		cmocka_unit_test(capped_pause),
		cmocka_unit_test(matching),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
