/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/ledger.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"

#include <string.h>
#include <time.h>

#define USER CF_RELAY_BUDGET_USER
#define CALL CF_RELAY_BUDGET_CALL
#define RESOURCE CF_RELAY_BUDGET_RESOURCE
#define N_KINDS (CF_RELAY_BUDGET_RESOURCE + 1)
#define PACKET 1500 /* less than that is as good as nothing */
#define DAY_S 86400

struct account {
	struct cf_map_node node;
	uint64_t used;
	uint64_t leased;
	uint32_t period; /* in which it was last asked for */
	uint8_t kind;
	bool warned; /* in this period */
	bool has_own;
	uint64_t own; /* limit in place of the common one */
	size_t resource_len, len;
	char text[]; /* resource, name */
};

struct key {
	enum cf_relay_budget_kind kind;
	struct cf_view resource, name;
};

struct cf_relay_ledger {
	uint64_t limits[N_KINDS];
	struct cf_map accounts;
	size_t max_accounts;
	uint64_t seed;
	uint32_t swept; /* the period in which old accounts were last dropped */
};

struct cf_relay_ledger *cf_relay_ledger_new(
	const struct cf_relay_budget *budget, size_t max_accounts)
{
	struct cf_relay_ledger *ledger = cf_alloc(sizeof(*ledger));

	if (!ledger)
		return NULL;
	cf_relay_ledger_configure(ledger, budget);
	ledger->max_accounts = max_accounts;
	ledger->seed = cf_rand_u64();
	cf_map_init(&ledger->accounts);
	return ledger;
}

static void account_free(struct cf_relay_ledger *ledger, struct account *account)
{
	cf_map_remove(&ledger->accounts, &account->node);
	cf_free(account);
}

struct cf_relay_ledger *cf_relay_ledger_free(struct cf_relay_ledger *ledger)
{
	struct cf_map_node *node;

	if (!ledger)
		return NULL;
	while ((node = cf_map_next(&ledger->accounts, NULL)))
		account_free(ledger, CF_CONTAINER_OF(node, struct account, node));
	cf_map_done(&ledger->accounts);
	return cf_free(ledger);
}

void cf_relay_ledger_configure(struct cf_relay_ledger *ledger, const struct cf_relay_budget *budget)
{
	ledger->limits[USER] = budget->user_bytes;
	ledger->limits[CALL] = budget->call_bytes;
	ledger->limits[RESOURCE] = budget->resource_bytes;
}

size_t cf_relay_ledger_n_accounts(const struct cf_relay_ledger *ledger)
{
	return ledger->accounts.count;
}

static bool account_eq(const struct cf_map_node *node, const void *wanted)
{
	const struct account *a = CF_CONTAINER_OF(node, struct account, node);
	const struct key *key = wanted;

	return a->kind == key->kind &&
	       cf_view_eq(cf_view_of(a->text, a->resource_len), key->resource) &&
	       cf_view_eq(
		       cf_view_of(a->text + a->resource_len, a->len - a->resource_len), key->name);
}

static uint32_t hash(const struct cf_relay_ledger *ledger, const struct key *key)
{
	return cf_hash_bytes(key->resource.p, key->resource.len, ledger->seed) ^
	       cf_hash_bytes(key->name.p, key->name.len, ~ledger->seed) ^ (uint32_t)key->kind;
}

/* Accounts of older periods that hold no lease say nothing any more. */
static bool is_needed(
	const struct cf_relay_ledger *ledger, const struct account *account, uint32_t period)
{
	if (account->kind != CALL)
		return account->leased > 0 || account->has_own || account->period >= period;
	/* A call may go on over the end of a period. */
	return ledger->limits[CALL] && (account->leased > 0 || account->period + 1 >= period);
}

static void sweep(struct cf_relay_ledger *ledger, uint32_t period)
{
	struct cf_map_node *node = cf_map_next(&ledger->accounts, NULL);

	ledger->swept = period;
	while (node) {
		struct account *account = CF_CONTAINER_OF(node, struct account, node);

		node = cf_map_next(&ledger->accounts, node);
		/* A call may go on over the end of a period. */
		if (is_needed(ledger, account, period))
			continue;
		account_free(ledger, account);
		node = cf_map_next(&ledger->accounts, NULL); /* the table may have shrunk */
	}
}

static struct account *account_new(struct cf_relay_ledger *ledger, const struct key *key)
{
	struct account *account;

	if (ledger->accounts.count >= ledger->max_accounts)
		return NULL;
	account = cf_alloc(sizeof(*account) + key->resource.len + key->name.len);
	if (!account)
		return NULL;
	account->kind = (uint8_t)key->kind;
	account->resource_len = key->resource.len;
	account->len = key->resource.len + key->name.len;
	if (key->resource.len)
		memcpy(account->text, key->resource.p, key->resource.len);
	if (key->name.len)
		memcpy(account->text + key->resource.len, key->name.p, key->name.len);
	if (cf_map_insert(&ledger->accounts, &account->node, hash(ledger, key)) < 0)
		return cf_free(account);
	return account;
}

static struct account *account_find(const struct cf_relay_ledger *ledger, const struct key *key)
{
	struct cf_map_node *node =
		cf_map_find(&ledger->accounts, hash(ledger, key), account_eq, key);

	return node ? CF_CONTAINER_OF(node, struct account, node) : NULL;
}

/* The account, as of this period; NULL when there is no room for it. */
static struct account *account_get(
	struct cf_relay_ledger *ledger, const struct key *key, uint32_t period)
{
	struct account *account = account_find(ledger, key);

	if (!account)
		account = account_new(ledger, key);
	if (!account)
		return NULL;
	if (account->period != period && account->kind != CALL) {
		account->used = 0;
		account->warned = false;
	}
	account->period = period;
	return account;
}

static uint64_t limit_of(const struct cf_relay_ledger *ledger, const struct account *account)
{
	return account->has_own ? account->own : ledger->limits[account->kind];
}

int cf_relay_ledger_set_own(struct cf_relay_ledger *ledger, struct cf_view resource,
	struct cf_view user, uint64_t bytes)
{
	const struct key key = {USER, resource, user};
	struct account *account = account_find(ledger, &key);

	if (!account && ledger->accounts.count >= ledger->max_accounts)
		return CF_ELIMIT;
	if (!account)
		account = account_new(ledger, &key);
	if (!account)
		return CF_ENOMEM;
	account->has_own = true;
	account->own = bytes;
	account->warned = false;
	return 0;
}

void cf_relay_ledger_unset_own(
	struct cf_relay_ledger *ledger, struct cf_view resource, struct cf_view user)
{
	const struct key key = {USER, resource, user};
	struct account *account = account_find(ledger, &key);

	if (!account)
		return;
	account->has_own = false;
	account->warned = false;
}

void cf_relay_ledger_fill(struct cf_relay_ledger *ledger, enum cf_relay_budget_kind kind,
	struct cf_view resource, struct cf_view name, uint64_t bytes, uint32_t period)
{
	const struct key key = {kind, resource, name};
	struct account *account = account_get(ledger, &key, period);

	if (account)
		account->used += bytes;
}

static uint64_t left_of(const struct account *account, uint64_t limit)
{
	uint64_t gone = account->used + account->leased;

	return gone < limit ? limit - gone : 0;
}

/* Smaller and smaller towards the end, so that little lies unused with others. */
static uint64_t lease_of(uint64_t left)
{
	uint64_t lease = left / 8;

	if (lease < CF_RELAY_LEASE_MIN)
		lease = CF_RELAY_LEASE_MIN;
	if (lease > CF_RELAY_LEASE_MAX)
		lease = CF_RELAY_LEASE_MAX;
	return lease < left ? lease : left;
}

static void warn(struct account *account, uint64_t limit, struct cf_relay_low *low)
{
	if (account->warned || low->kind != CF_RELAY_BUDGET_NONE ||
		account->used < limit - limit / 5)
		return;
	account->warned = true;
	*low = (struct cf_relay_low){
		(enum cf_relay_budget_kind)account->kind, account->used, limit};
}

struct renewal {
	struct key keys[N_KINDS];
	struct account *accounts[N_KINDS];
	uint64_t lease;
};

/* Settles with one account, and keeps the lease within what is left of it. */
static void settle(struct cf_relay_ledger *ledger, struct renewal *r, size_t kind, uint64_t held,
	uint64_t spent, uint32_t period, struct cf_relay_low *low)
{
	struct account *account = account_get(ledger, &r->keys[kind], period);
	uint64_t limit;

	r->accounts[kind] = account;
	if (!account) {
		r->lease = ledger->limits[kind] ? 0 : r->lease;
		return;
	}
	account->leased -= held < account->leased ? held : account->leased;
	account->used += spent;
	limit = limit_of(ledger, account);
	if (limit == 0)
		return;
	if (r->lease > lease_of(left_of(account, limit)))
		r->lease = lease_of(left_of(account, limit));
	warn(account, limit, low);
}

/* Users and resources are counted without a limit too: one may be set while they relay. */
uint64_t cf_relay_ledger_renew(struct cf_relay_ledger *ledger, const struct cf_relay_party *party,
	uint64_t held, uint64_t spent, bool wanted, uint32_t period, struct cf_relay_low *ret_low)
{
	bool has_call = party->call.len > 0 && !cf_view_is(party->call, "-");
	struct renewal r = {.keys = {[USER] = {USER, party->resource, party->user},
				    [CALL] = {CALL, party->resource, party->call},
				    [RESOURCE] = {RESOURCE, party->resource, {NULL, 0}}},
		.lease = wanted ? UINT64_MAX : 0};

	*ret_low = (struct cf_relay_low){CF_RELAY_BUDGET_NONE, 0, 0};
	if (period != ledger->swept)
		sweep(ledger, period);
	for (size_t i = USER; i < N_KINDS; i++)
		if (i != CALL || (has_call && ledger->limits[CALL]))
			settle(ledger, &r, i, held, spent, period, ret_low);
	for (size_t i = USER; i < N_KINDS && r.lease < UINT64_MAX; i++)
		if (r.accounts[i])
			r.accounts[i]->leased += r.lease;
	return r.lease;
}

static uint64_t used_of(const struct account *account, uint32_t period)
{
	return account->period == period || account->kind == CALL ? account->used : 0;
}

enum cf_relay_budget_kind cf_relay_ledger_spent(
	const struct cf_relay_ledger *ledger, const struct cf_relay_party *party, uint32_t period)
{
	const struct key keys[] = {{USER, party->resource, party->user},
		{CALL, party->resource, party->call}, {RESOURCE, party->resource, {NULL, 0}}};

	for (size_t i = 0; i < CF_ARRAY_LEN(keys); i++) {
		const struct account *account = account_find(ledger, &keys[i]);
		uint64_t limit = account ? limit_of(ledger, account) : 0;

		if (limit && used_of(account, period) + PACKET > limit)
			return keys[i].kind;
	}
	return CF_RELAY_BUDGET_NONE;
}

void cf_relay_ledger_look(const struct cf_relay_ledger *ledger, struct cf_view resource,
	struct cf_view user, uint32_t period, struct cf_relay_account *ret_account)
{
	const struct key key = {USER, resource, user};
	const struct account *account = account_find(ledger, &key);

	*ret_account = (struct cf_relay_account){0, ledger->limits[USER], false};
	if (account)
		*ret_account = (struct cf_relay_account){
			used_of(account, period), limit_of(ledger, account), account->has_own};
}

uint32_t cf_relay_period(bool monthly, int64_t wall_ms, int64_t *ret_start_ms)
{
	time_t now_s = (time_t)(wall_ms / 1000);
	struct tm tm;

	*ret_start_ms = wall_ms / 1000 / DAY_S * DAY_S * 1000;
	if (!monthly)
		return (uint32_t)(now_s / DAY_S);
	gmtime_r(&now_s, &tm);
	*ret_start_ms -= (int64_t)(tm.tm_mday - 1) * DAY_S * 1000;
	return (uint32_t)(tm.tm_year * 12 + tm.tm_mon);
}
