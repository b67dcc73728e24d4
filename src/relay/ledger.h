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

enum cf_relay_budget_kind {
	CF_RELAY_BUDGET_NONE,
	CF_RELAY_BUDGET_USER,
	CF_RELAY_BUDGET_CALL,
	CF_RELAY_BUDGET_RESOURCE,
};

/* A budget of which four fifths are used, told once in a period. kind NONE: there is none. */
struct cf_relay_low {
	enum cf_relay_budget_kind kind;
	uint64_t used, limit; /* bytes */
};

/* A user's, in bytes. */
struct cf_relay_account {
	uint64_t used, limit; /* limit 0: none */
	bool own;             /* the limit is this user's, not the common one */
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

/** Other limits (a reload). What was used stays used; leases go on until they are renewed. */
void cf_relay_ledger_configure(
	struct cf_relay_ledger *ledger, const struct cf_relay_budget *budget);

/** A user's own limit in place of user_bytes; 0: none for this user. Kept over periods. 0,
 * CF_ELIMIT (max_accounts), CF_ENOMEM. */
CF_MUST_CHECK int cf_relay_ledger_set_own(struct cf_relay_ledger *ledger, struct cf_view resource,
	struct cf_view user, uint64_t bytes);
/** The user has user_bytes again. */
void cf_relay_ledger_unset_own(
	struct cf_relay_ledger *ledger, struct cf_view resource, struct cf_view user);

/** Adds bytes that were used before the ledger began. name: the user or the call; empty for a
 * resource. */
void cf_relay_ledger_fill(struct cf_relay_ledger *ledger, enum cf_relay_budget_kind kind,
	struct cf_view resource, struct cf_view name, uint64_t bytes, uint32_t period);

/** Gives a lease of `held` bytes back, `spent` of them used (held 0: there was none), and takes a
 * new one if wanted: its bytes, 0 when the budget is used up, UINT64_MAX when there is no limit.
 * period: a number that changes when users and resources begin anew. ret_low is always written. */
uint64_t cf_relay_ledger_renew(struct cf_relay_ledger *ledger, const struct cf_relay_party *party,
	uint64_t held, uint64_t spent, bool wanted, uint32_t period, struct cf_relay_low *ret_low);

/** The budget that leaves this party less than a packet, or NONE. */
enum cf_relay_budget_kind cf_relay_ledger_spent(
	const struct cf_relay_ledger *ledger, const struct cf_relay_party *party, uint32_t period);

/** Copies what a user may use and has used in this period, as far as leases were settled. */
void cf_relay_ledger_look(const struct cf_relay_ledger *ledger, struct cf_view resource,
	struct cf_view user, uint32_t period, struct cf_relay_account *ret_account);

/** The day of UTC at this time, or the month, and when it began. */
uint32_t cf_relay_period(bool monthly, int64_t wall_ms, int64_t *ret_start_ms);

size_t cf_relay_ledger_n_accounts(const struct cf_relay_ledger *ledger);

#endif
