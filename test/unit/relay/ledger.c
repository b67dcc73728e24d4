/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "relay/ledger.h"

static struct cf_relay_ledger *ledger;
static struct cf_relay_low low; /* the last one told */
static int n_low;

static void open_with(uint64_t user, uint64_t call, uint64_t resource, size_t max)
{
	struct cf_relay_budget budget = {user, call, resource};

	n_low = 0;
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

static uint64_t renew(
	const struct cf_relay_party *p, uint64_t held, uint64_t spent, bool wanted, uint32_t period)
{
	struct cf_relay_low now;
	uint64_t lease = cf_relay_ledger_renew(ledger, p, held, spent, wanted, period, &now);

	if (now.kind != CF_RELAY_BUDGET_NONE) {
		low = now;
		n_low++;
	}
	return lease;
}

/* Leases and spends until nothing is given any more: the bytes. */
static uint64_t use_up(const char *user, const char *call, uint32_t period)
{
	struct cf_relay_party p = party(user, call);
	uint64_t held = 0, all = 0;

	for (int i = 0; i < 10000; i++) {
		held = renew(&p, held, held, true, period);
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
	one = renew(&p, 0, 0, true, 1);
	two = renew(&p, 0, 0, true, 1);
	assert_true(one + two <= 10000);
	two = renew(&p, two, two, true, 1);
	assert_true(one + two <= 10000);
	assert_int_equal(renew(&p, one, 0, false, 1), 0);
	assert_int_equal(renew(&p, two, 0, false, 1), 0);
	assert_int_equal(use_up("a", "", 1), 10000 - 4096);
}

/* Counted all the same: a limit may be set while they relay. */
static void no_limit(void **state)
{
	struct cf_relay_party p = party("a", "c");
	struct cf_relay_budget budget = {10000, 0, 0};
	struct cf_relay_account account;

	(void)state;
	open_with(0, 0, 0, 100);
	assert_true(renew(&p, 0, 0, true, 1) == UINT64_MAX);
	assert_true(renew(&p, 0, 6000, true, 1) == UINT64_MAX);
	cf_relay_ledger_look(ledger, p.resource, p.user, 1, &account);
	assert_int_equal(account.used, 6000);
	assert_int_equal(account.limit, 0);
	cf_relay_ledger_look(ledger, p.resource, p.user, 2, &account);
	assert_int_equal(account.used, 0);
	cf_relay_ledger_configure(ledger, &budget);
	assert_int_equal(use_up("a", "c", 1), 4000);
	budget.user_bytes = 0;
	cf_relay_ledger_configure(ledger, &budget);
	assert_true(renew(&p, 0, 0, true, 1) == UINT64_MAX);
}

static void no_room_no_limit(void **state)
{
	struct cf_relay_party p = party("a", "c");

	(void)state;
	open_with(0, 0, 0, 0);
	assert_true(renew(&p, 0, 100, true, 1) == UINT64_MAX);
	assert_int_equal(cf_relay_ledger_n_accounts(ledger), 0);
}

static void own_limit(void **state)
{
	struct cf_view res = cf_view_str("res"), a = cf_view_str("a"), b = cf_view_str("b");
	struct cf_relay_party p = party("b", "");
	struct cf_relay_account account;

	(void)state;
	open_with(10000, 0, 0, 5);
	assert_int_equal(cf_relay_ledger_set_own(ledger, res, a, 3000), 0);
	assert_int_equal(cf_relay_ledger_set_own(ledger, res, b, 0), 0);
	assert_int_equal(use_up("a", "", 1), 3000);
	assert_true(renew(&p, 0, 0, true, 1) == UINT64_MAX);
	assert_int_equal(use_up("c", "", 1), 10000);
	assert_int_equal(use_up("a", "", 9), 3000); /* outlives periods */
	cf_relay_ledger_look(ledger, res, a, 9, &account);
	assert_true(account.own && account.limit == 3000 && account.used == 3000);
	cf_relay_ledger_unset_own(ledger, res, a);
	cf_relay_ledger_look(ledger, res, a, 9, &account);
	assert_true(!account.own && account.limit == 10000 && account.used == 3000);
	assert_int_equal(use_up("a", "", 9), 7000);
	cf_relay_ledger_unset_own(ledger, res, cf_view_str("nobody"));
	assert_int_equal(cf_relay_ledger_set_own(ledger, res, cf_view_str("d"), 1), 0);
	assert_int_equal(cf_relay_ledger_set_own(ledger, res, cf_view_str("e"), 1), 0);
	assert_int_equal(cf_relay_ledger_set_own(ledger, res, cf_view_str("f"), 1), CF_ELIMIT);
}

/* What was used before the ledger began counts. */
static void filled(void **state)
{
	struct cf_view res = cf_view_str("res"), none = {NULL, 0};

	(void)state;
	open_with(10000, 8000, 15000, 100);
	cf_relay_ledger_fill(ledger, CF_RELAY_BUDGET_USER, res, cf_view_str("a"), 4000, 1);
	cf_relay_ledger_fill(ledger, CF_RELAY_BUDGET_USER, res, cf_view_str("a"), 3000, 1);
	cf_relay_ledger_fill(ledger, CF_RELAY_BUDGET_CALL, res, cf_view_str("c"), 2500, 1);
	cf_relay_ledger_fill(ledger, CF_RELAY_BUDGET_RESOURCE, res, none, 7000, 1);
	assert_int_equal(use_up("b", "c", 1), 5500);
	assert_int_equal(use_up("a", "", 1), 2500); /* all of the resource's */
	assert_int_equal(use_up("a", "", 2), 10000);
}

/* Once in a period, when four fifths are used. */
static void low_once(void **state)
{
	(void)state;
	open_with(1000000, 0, 0, 100);
	assert_int_equal(use_up("a", "", 1), 1000000);
	assert_int_equal(n_low, 1);
	assert_int_equal(low.kind, CF_RELAY_BUDGET_USER);
	assert_int_equal(low.limit, 1000000);
	assert_in_range(low.used, 800000, 999999);
	assert_int_equal(use_up("a", "", 1), 0);
	assert_int_equal(n_low, 1);
	assert_int_equal(use_up("a", "", 2), 1000000);
	assert_int_equal(n_low, 2);
}

static void spent_or_not(void **state)
{
	struct cf_relay_party a = party("a", "c"), b = party("b", "d");

	(void)state;
	open_with(5000, 0, 0, 100);
	assert_int_equal(cf_relay_ledger_spent(ledger, &a, 1), CF_RELAY_BUDGET_NONE);
	assert_int_equal(use_up("a", "c", 1), 5000);
	assert_int_equal(cf_relay_ledger_spent(ledger, &a, 1), CF_RELAY_BUDGET_USER);
	assert_int_equal(cf_relay_ledger_spent(ledger, &b, 1), CF_RELAY_BUDGET_NONE);
	assert_int_equal(cf_relay_ledger_spent(ledger, &a, 2), CF_RELAY_BUDGET_NONE);
	ledger = cf_relay_ledger_free(ledger);
	open_with(0, 5000, 8000, 100);
	assert_int_equal(use_up("a", "c", 1), 5000);
	assert_int_equal(cf_relay_ledger_spent(ledger, &a, 2), CF_RELAY_BUDGET_CALL);
	assert_int_equal(use_up("b", "d", 1), 3000);
	assert_int_equal(cf_relay_ledger_spent(ledger, &b, 1), CF_RELAY_BUDGET_RESOURCE);
}

static void periods(void **state)
{
	int64_t start;

	(void)state; /* 2026-11-23T02:40:00Z */
	assert_int_equal(cf_relay_period(false, 1795401600000, &start), 20780);
	assert_int_equal(start, 1795392000000);
	assert_int_equal(cf_relay_period(true, 1795401600000, &start), 126 * 12 + 10);
	assert_int_equal(start, 1793491200000);
}

static void accounts_end(void **state)
{
	(void)state;
	open_with(100, 0, 0, 3); /* two users and their resource */
	assert_int_equal(use_up("a", "", 1), 100);
	assert_int_equal(use_up("b", "", 1), 100);
	assert_int_equal(use_up("c", "", 1), 0); /* no room */
	assert_int_equal(use_up("c", "", 2), 100);
	assert_int_equal(cf_relay_ledger_n_accounts(ledger), 2);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(to_the_byte), TEST(of_calls_and_resources),
		TEST(together), TEST(no_limit), TEST(no_room_no_limit), TEST(own_limit),
		TEST(filled), TEST(low_once), TEST(spent_or_not), TEST(periods),
		TEST(accounts_end)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
