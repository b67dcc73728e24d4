/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Budgets of relayed bytes over all workers: an account for each user, call and resource that has
 * used the relay. An allocation holds a lease of bytes that it may relay; what is leased counts as
 * used until it comes back, so that a limit is never exceeded, whoever relays. Pure; the owner
 * locks it.
 */
#ifndef CF_RELAY_LEDGER_H
#define CF_RELAY_LEDGER_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_RELAY_LEASE_MIN 4096
#define CF_RELAY_LEASE_MAX (1024 * 1024)

/* Limits in bytes of payload, both ways together; 0: none. */
struct cf_relay_budget {
	uint64_t user_bytes;     /* of one user in a period */
	uint64_t call_bytes;     /* of one call, whatever it lasts */
	uint64_t resource_bytes; /* of all users of a resource in a period */
};

/* Whose bytes they are. Borrowed. */
struct cf_relay_party {
	struct cf_view resource, user;
	struct cf_view call; /* "-" or empty: none */
};

struct cf_relay_ledger;

/** max_accounts: more users, calls and resources in one period are refused. Copies budget. */
CF_MUST_CHECK struct cf_relay_ledger *cf_relay_ledger_new(
	const struct cf_relay_budget *budget, size_t max_accounts);
struct cf_relay_ledger *cf_relay_ledger_free(struct cf_relay_ledger *ledger);

/** Whether any limit is set; without one nothing is leased and nothing kept. */
bool cf_relay_ledger_limits(const struct cf_relay_ledger *ledger);

/** Gives a lease of `held` bytes back, `spent` of them used (held 0: there was none), and takes a
 * new one if wanted: its bytes, 0 when the budget is used up. period: a number that changes when
 * users and resources begin anew. */
uint64_t cf_relay_ledger_renew(struct cf_relay_ledger *ledger, const struct cf_relay_party *party,
	uint64_t held, uint64_t spent, bool wanted, uint32_t period);

size_t cf_relay_ledger_n_accounts(const struct cf_relay_ledger *ledger);

#endif
