/* SPDX-License-Identifier: Apache-2.0 */
/* An allocation's lease of bytes, from the budgets of its user, call and resource. */
#include "base/mem.h"
#include "relay/relay_priv.h"

static uint64_t payload(const struct cf_relay_alloc *alloc)
{
	return alloc->counters.peer_in_bytes + alloc->counters.peer_out_bytes;
}

static uint64_t renew(struct cf_relay *relay, struct cf_relay_alloc *alloc, bool wanted)
{
	struct cf_relay_party party = {cf_relay_alloc_resource(alloc), cf_relay_alloc_user(alloc),
		cf_relay_alloc_call(alloc)};
	uint64_t now = payload(alloc), spent = now - alloc->lease_settled;

	struct cf_relay_low low;

	alloc->lease_settled = now;
	alloc->lease_held =
		relay->io.lease(&party, alloc->lease_held, spent, wanted, &low, relay->arg);
	if (low.kind != CF_RELAY_BUDGET_NONE)
		alloc->low = low;
	if (alloc->lease_held == UINT64_MAX) {
		alloc->lease_end = alloc->lease_low = UINT64_MAX;
		alloc->lease_held = 0;
		return UINT64_MAX;
	}
	alloc->lease_end = now + alloc->lease_held;
	alloc->lease_low = now + alloc->lease_held / 2;
	return alloc->lease_held;
}

uint16_t cf_relay_lease_begin(struct cf_relay *relay, struct cf_relay_alloc *alloc)
{
	alloc->lease_end = alloc->lease_low = UINT64_MAX;
	if (!relay->io.lease)
		return 0;
	return renew(relay, alloc, true) > 0 ? 0 : 486;
}

void cf_relay_lease_end(struct cf_relay *relay, struct cf_relay_alloc *alloc)
{
	cf_list_remove(&alloc->hungry);
	if (relay->io.lease)
		(void)renew(relay, alloc, false);
}

bool cf_relay_lease_take(struct cf_relay *relay, struct cf_relay_alloc *alloc, size_t n)
{
	uint64_t after = payload(alloc) + n;

	if (after <= alloc->lease_low)
		return true;
	if (!alloc->hungry.next) {
		if (cf_list_empty(&relay->hungry) && relay->io.hungry)
			relay->io.hungry(relay->arg);
		cf_list_push(&relay->hungry, &alloc->hungry);
	}
	if (after <= alloc->lease_end)
		return true;
	alloc->starved = true;
	return false;
}

void cf_relay_settle(struct cf_relay *relay, uint64_t now_us)
{
	struct cf_list *node;

	while ((node = cf_list_pop(&relay->hungry))) {
		struct cf_relay_alloc *alloc = CF_CONTAINER_OF(node, struct cf_relay_alloc, hungry);
		uint64_t held = alloc->lease_end - payload(alloc);

		/* What is left of the old lease comes back with it: less than a packet means that
		 * there is no more. */
		if (renew(relay, alloc, true) <= held && alloc->starved) {
			alloc->budget_used_up = true;
			cf_relay_alloc_end(relay, alloc, true, now_us);
			continue;
		}
		alloc->starved = false;
		/* So much a crash may forget, and no more. */
		cf_relay_alloc_bill(relay, alloc, false, now_us);
	}
}

void cf_relay_relet(struct cf_relay *relay, struct cf_view user, uint64_t now_us)
{
	struct cf_map_node *node = NULL;

	while (relay->io.lease && (node = cf_map_next(&relay->by_tuple, node))) {
		struct cf_relay_alloc *alloc = CF_CONTAINER_OF(node, struct cf_relay_alloc, node);

		if (user.len && !cf_view_eq(user, cf_relay_alloc_user(alloc)))
			continue;
		if (renew(relay, alloc, true) > 0)
			alloc->starved = false;
		if (alloc->low.kind != CF_RELAY_BUDGET_NONE)
			cf_relay_alloc_bill(relay, alloc, false, now_us);
	}
}
