/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/ledger.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"

#include <string.h>

enum kind { USER, CALL, RESOURCE, N_KINDS };

struct account {
	struct cf_map_node node;
	uint64_t used;
	uint64_t leased;
	uint32_t period; /* in which it was last asked for */
	uint8_t kind;
	size_t resource_len, len;
	char text[]; /* resource, name */
};

struct key {
	enum kind kind;
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
	ledger->limits[USER] = budget->user_bytes;
	ledger->limits[CALL] = budget->call_bytes;
	ledger->limits[RESOURCE] = budget->resource_bytes;
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

bool cf_relay_ledger_limits(const struct cf_relay_ledger *ledger)
{
	return ledger->limits[USER] || ledger->limits[CALL] || ledger->limits[RESOURCE];
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
static void sweep(struct cf_relay_ledger *ledger, uint32_t period)
{
	struct cf_map_node *node = cf_map_next(&ledger->accounts, NULL);

	ledger->swept = period;
	while (node) {
		struct account *account = CF_CONTAINER_OF(node, struct account, node);

		node = cf_map_next(&ledger->accounts, node);
		/* A call may go on over the end of a period. */
		if (account->leased > 0 ||
			account->period + (account->kind == CALL ? 1u : 0u) >= period)
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

/* The account, as of this period; NULL when there is no room for it. */
static struct account *account_get(
	struct cf_relay_ledger *ledger, const struct key *key, uint32_t period)
{
	struct cf_map_node *node =
		cf_map_find(&ledger->accounts, hash(ledger, key), account_eq, key);
	struct account *account;

	account = node ? CF_CONTAINER_OF(node, struct account, node) : account_new(ledger, key);
	if (!account)
		return NULL;
	if (account->period != period && account->kind != CALL)
		account->used = 0;
	account->period = period;
	return account;
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

uint64_t cf_relay_ledger_renew(struct cf_relay_ledger *ledger, const struct cf_relay_party *party,
	uint64_t held, uint64_t spent, bool wanted, uint32_t period)
{
	bool has_call = party->call.len > 0 && !cf_view_is(party->call, "-");
	const struct key keys[N_KINDS] = {{USER, party->resource, party->user},
		{CALL, party->resource, party->call}, {RESOURCE, party->resource, {NULL, 0}}};
	struct account *accounts[N_KINDS] = {NULL};
	uint64_t lease = wanted ? UINT64_MAX : 0;

	if (period != ledger->swept)
		sweep(ledger, period);
	for (size_t i = 0; i < N_KINDS; i++) {
		if (ledger->limits[i] == 0 || (i == CALL && !has_call))
			continue;
		accounts[i] = account_get(ledger, &keys[i], period);
		if (!accounts[i]) {
			lease = 0;
			continue;
		}
		accounts[i]->leased -= held < accounts[i]->leased ? held : accounts[i]->leased;
		accounts[i]->used += spent;
		if (lease > lease_of(left_of(accounts[i], ledger->limits[i])))
			lease = lease_of(left_of(accounts[i], ledger->limits[i]));
	}
	for (size_t i = 0; i < N_KINDS && lease < UINT64_MAX; i++)
		if (accounts[i])
			accounts[i]->leased += lease;
	return lease;
}
