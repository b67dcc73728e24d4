/* SPDX-License-Identifier: Apache-2.0 */
/* Each pair of nine kinds of network: connects, by the most direct path there is, in little time.
 */
#include "harness/harness.h"

#include "harness/ice_call.h"

#include <stdlib.h>

static bool no_udp(enum ice_net_kind kind)
{
	return kind == TCP_ANY || kind == TCP_443;
}

static bool symmetric(enum ice_net_kind kind)
{
	return kind == SYMMETRIC || kind == CGN_SYM;
}

static bool filters_ports(enum ice_net_kind kind)
{
	return kind == PORT || kind == CGN_CONE || symmetric(kind);
}

/* The number of relays that the most direct path needs. */
static unsigned relays_wanted(enum ice_net_kind a, enum ice_net_kind b)
{
	if (no_udp(a) || no_udp(b))
		return no_udp(a) && no_udp(b) ? 2 : 1;
	return (symmetric(a) && filters_ports(b)) || (symmetric(b) && filters_ports(a));
}

static enum cf_ice_via via_wanted(enum ice_net_kind a, enum ice_net_kind b)
{
	if (a == TCP_443 || b == TCP_443)
		return CF_ICE_VIA_TLS;
	return a == TCP_ANY || b == TCP_ANY ? CF_ICE_VIA_TCP : CF_ICE_VIA_UDP;
}

static double after_ms(const struct ice_call *call, uint64_t at_us)
{
	return at_us ? (double)(at_us - call->start_us) / 1e3 : -1;
}

static void report(const struct ice_call *call, enum ice_net_kind a, enum ice_net_kind b)
{
	char why[CF_ICE_WHY_MAX];

	for (int i = 0; i < 2; i++) {
		const struct ice_side *side = &call->side[i];

		print_message(
			"# %s/%s side %d: %s, data %.1f ms, connected %.1f ms, relays %u: %s\n",
			ice_net_names[a], ice_net_names[b], i, cf_ice_state_name(side->state),
			after_ms(call, side->data_us), after_ms(call, side->connected_us),
			side->path.relays, cf_ice_agent_why(side->agent, why, sizeof(why)));
	}
}

static void check_path(
	const struct ice_call *call, enum ice_net_kind a, enum ice_net_kind b, uint64_t within_us)
{
	unsigned wanted = relays_wanted(a, b);

	for (int i = 0; i < 2; i++) {
		const struct ice_side *side = &call->side[i];

		if (side->connected_us && side->first_path.relays == wanted &&
			side->path.relays == wanted && side->path.via == via_wanted(a, b) &&
			side->connected_us - call->start_us <= within_us)
			continue;
		report(call, a, b);
		fail_msg("%s with %s: side %d has %u (first %u) relays, wants %u", ice_net_names[a],
			ice_net_names[b], i, side->path.relays, side->first_path.relays, wanted);
	}
}

static void run_all(const struct vnet_options *options, uint64_t direct_us, uint64_t relayed_us)
{
	static struct ice_call call;

	for (unsigned a = 0; a < N_KINDS; a++)
		for (unsigned b = 0; b < N_KINDS; b++) {
			uint64_t within_us = relays_wanted(a, b) ? relayed_us : direct_us;

			ice_call_setup(&call, options, a, b);
			ice_call_start(&call);
			ice_call_connect(&call, 20 * CF_US_PER_S);
			if (getenv("CF_TEST_VERBOSE"))
				report(&call, a, b);
			check_path(&call, a, b, within_us);
			ice_call_run(&call, 3 * CF_US_PER_S);
			check_path(&call, a, b, within_us);
			ice_call_done(&call);
		}
}

/* As in a lab: a round trip below 1 ms; signalling takes about 5 ms each way. */
static void lab(void **state)
{
	static const struct vnet_options options = {.lan_us = 100, .wan_us = 200, .seed = 7};

	(void)state;
	run_all(&options, 60000, 150000);
}

/* The whole table under the open Internet's conditions: 80 ms round trips, jitter, 2 % loss. The
 * path stays the same; retransmissions cost time. */
static void internet(void **state)
{
	static const struct vnet_options options = {.lan_us = 1000,
		.wan_us = 40000,
		.jitter_us = 5000,
		.loss_permille = 20,
		.seed = 11};

	(void)state;
	run_all(&options, 900000, 1600000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lab),
		cmocka_unit_test(internet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
