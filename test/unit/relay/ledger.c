/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "relay/ledger.h"

static struct cf_relay_ledger *ledger;

static void open_with(uint64_t user, uint64_t call, uint64_t resource, size_t max)
{
	struct cf_relay_budget budget = {user, call, resource};

	ledger = cf_relay_ledger_new(&budget, max);
	assert_non_null(ledger);
}

static int teardown(void **state)
{
	(void)state;
	ledger = cf_relay_ledger_free(ledger);
	return 0;
}

static struct cf_relay_party party(const char *user, const char *call)
{
	return (struct cf_relay_party){cf_view_str("res"), cf_view_str(user), cf_view_str(call)};
}

/* Leases and spends until nothing is given any more: the bytes. */
static uint64_t use_up(const char *user, const char *call, uint32_t period)
{
	struct cf_relay_party p = party(user, call);
	uint64_t held = 0, all = 0;

	for (int i = 0; i < 10000; i++) {
		held = cf_relay_ledger_renew(ledger, &p, held, held, true, period);
		if (held == 0)
			return all;
		assert_true(held <= CF_RELAY_LEASE_MAX);
		all += held;
	}
	fail_msg("no end");
	return 0;
}

static void to_the_byte(void **state)
{
	(void)state;
	open_with(1000003, 0, 0, 100);
	assert_int_equal(use_up("a", "c", 1), 1000003);
	assert_int_equal(use_up("a", "d", 1), 0);
	assert_int_equal(use_up("b", "c", 1), 1000003);
	assert_int_equal(use_up("a", "c", 2), 1000003); /* a new period */
}

static void of_calls_and_resources(void **state)
{
	(void)state;
	open_with(0, 5000, 0, 100);
	assert_int_equal(use_up("a", "c", 1), 5000);
	assert_int_equal(use_up("b", "c", 1), 0); /* one call, both users */
	assert_int_equal(use_up("b", "c", 2), 0); /* however long it lasts */
	assert_int_equal(use_up("a", "d", 2), 5000);
	ledger = cf_relay_ledger_free(ledger);
	open_with(9000, 5000, 12000, 100);
	assert_int_equal(use_up("a", "c", 1), 5000);
	assert_int_equal(use_up("a", "d", 1), 4000);
	assert_int_equal(use_up("b", "e", 1), 3000);
	assert_int_equal(use_up("b", "-", 1), 0);
}

/* Two that hold leases at once never have more than the limit, and get back what is left over. */
static void together(void **state)
{
	struct cf_relay_party p = party("a", "");
	uint64_t one, two;

	(void)state;
	open_with(10000, 0, 0, 100);
	one = cf_relay_ledger_renew(ledger, &p, 0, 0, true, 1);
	two = cf_relay_ledger_renew(ledger, &p, 0, 0, true, 1);
	assert_true(one + two <= 10000);
	two = cf_relay_ledger_renew(ledger, &p, two, two, true, 1);
	assert_true(one + two <= 10000);
	assert_int_equal(cf_relay_ledger_renew(ledger, &p, one, 0, false, 1), 0);
	assert_int_equal(cf_relay_ledger_renew(ledger, &p, two, 0, false, 1), 0);
	assert_int_equal(use_up("a", "", 1), 10000 - 4096);
}

static void no_limit(void **state)
{
	struct cf_relay_party p = party("a", "c");

	(void)state;
	open_with(0, 0, 0, 100);
	assert_false(cf_relay_ledger_limits(ledger));
	assert_true(cf_relay_ledger_renew(ledger, &p, 0, 0, true, 1) == UINT64_MAX);
	assert_int_equal(cf_relay_ledger_n_accounts(ledger), 0);
}

static void accounts_end(void **state)
{
	(void)state;
	open_with(100, 0, 0, 2);
	assert_int_equal(use_up("a", "", 1), 100);
	assert_int_equal(use_up("b", "", 1), 100);
	assert_int_equal(use_up("c", "", 1), 0); /* no room */
	assert_int_equal(use_up("c", "", 2), 100);
	assert_int_equal(cf_relay_ledger_n_accounts(ledger), 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(to_the_byte), TEST(of_calls_and_resources),
		TEST(together), TEST(no_limit), TEST(accounts_end)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
