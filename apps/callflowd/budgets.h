/* SPDX-License-Identifier: Apache-2.0 */
/* Relay budgets between the store, which remembers, the relay, which counts, and the API. */
#ifndef CALLFLOWD_BUDGETS_H
#define CALLFLOWD_BUDGETS_H

#include "relay.h"

#include "api/api.h"

/** Fills the relay's ledger from the usage rows of this period, of open calls, and from users' own
 * limits. Runs the loop until the store has answered: at the start only. 0, or an error of the
 * store. */
CF_MUST_CHECK int budgets_fill(struct relay_role *role, struct cf_store *store,
	struct cf_loop *loop, const struct cf_conf *conf);

/** "user", "call", "resource"; NULL for none. Static. */
const char *budgets_name(enum cf_relay_budget_kind kind);

/** The warning of a budget that is nearly used up, with the call's id. */
void budgets_log_low(const struct cf_relay_usage *usage);

/** The ports for the API; both pointers are kept. */
struct cf_api_budgets budgets_ports(struct relay_role *role);

#endif
