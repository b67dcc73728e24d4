/* SPDX-License-Identifier: Apache-2.0 */
/* Each pair of nine kinds of network: connects, by the most direct path there is, in little time.
 */
#include "harness/harness.h"

#include "harness/ice_call.h"

#include <stdlib.h>

enum net_kind {
	PUBLIC,
	FULL,
	RESTRICTED,
	PORT,
	SYMMETRIC,
	CGN_CONE,
	CGN_SYM,
	TCP_ANY,
	TCP_443,
	N_KINDS
};

static const char *const names[] = {"public", "full", "restricted", "port", "symmetric", "cgn-cone",
	"cgn-symmetric", "udp-blocked", "tcp-443"};

static int realm_of(struct cf_vnet *net, enum net_kind kind, int side)
{
	static const char *const outside[2] = {"198.51.100.10", "203.0.113.20"};
	static const char *const shared[2] = {"100.64.1.10", "100.65.1.20"};
	static const enum vnet_nat_kind kinds[] = {[FULL] = VNET_FULL,
		[RESTRICTED] = VNET_RESTRICTED,
		[PORT] = VNET_PORT,
		[SYMMETRIC] = VNET_SYMMETRIC,
		[CGN_CONE] = VNET_PORT,
		[CGN_SYM] = VNET_SYMMETRIC,
		[TCP_ANY] = VNET_BLOCKED,
		[TCP_443] = VNET_BLOCKED};
	struct vnet_nat_options nat = {.kind = kinds[kind], .outside = outside[side]};
	int realm;

	if (kind == PUBLIC)
		return VNET_PUBLIC;
	realm = cf_vnet_realm(net, VNET_PUBLIC, &nat);
	if (kind == CGN_CONE || kind == CGN_SYM) {
		/* The home's own NAT behind the carrier's. */
		nat = (struct vnet_nat_options){.kind = VNET_PORT, .outside = shared[side]};
		realm = cf_vnet_realm(net, realm, &nat);
	}
	return realm;
}

static void side_of(struct cf_vnet *net, struct ice_side *side, enum net_kind kind, int index)
{
	static const char *const inside[2] = {"192.168.1.2", "192.168.7.3"};
	static const char *const open[2] = {"198.51.100.77", "203.0.113.88"};
	const char *relay = index ? "192.0.2.12" : "192.0.2.11";

	ice_side_init(side, index == 0, realm_of(net, kind, index),
		kind == PUBLIC ? open[index] : inside[index]);
	side->stun = "192.0.2.1:3478";
	if (kind == TCP_443)
		side->relay_tls = relay;
	else if (kind == TCP_ANY)
		side->relay_tcp = relay;
	else
		side->relay_udp = relay;
}

static bool no_udp(enum net_kind kind)
{
	return kind == TCP_ANY || kind == TCP_443;
}

static bool symmetric(enum net_kind kind)
{
	return kind == SYMMETRIC || kind == CGN_SYM;
}

static bool filters_ports(enum net_kind kind)
{
	return kind == PORT || kind == CGN_CONE || symmetric(kind);
}

/* The number of relays that the most direct path needs. */
static unsigned relays_wanted(enum net_kind a, enum net_kind b)
{
	if (no_udp(a) || no_udp(b))
		return no_udp(a) && no_udp(b) ? 2 : 1;
	return (symmetric(a) && filters_ports(b)) || (symmetric(b) && filters_ports(a));
}

static enum cf_ice_via via_wanted(enum net_kind a, enum net_kind b)
{
	if (a == TCP_443 || b == TCP_443)
		return CF_ICE_VIA_TLS;
	return a == TCP_ANY || b == TCP_ANY ? CF_ICE_VIA_TCP : CF_ICE_VIA_UDP;
}

static void setup(
	struct ice_call *call, const struct vnet_options *options, enum net_kind a, enum net_kind b)
{
	memset(call, 0, sizeof(*call));
	call->net = cf_vnet_new(options);
	call->wan_us = options->wan_us;
	call->signal_us = 2 * options->wan_us + 5000;
	cf_vnet_stun(call->net, "192.0.2.1:3478");
	side_of(call->net, &call->side[0], a, 0);
	side_of(call->net, &call->side[1], b, 1);
}

static double after_ms(const struct ice_call *call, uint64_t at_us)
{
	return at_us ? (double)(at_us - call->start_us) / 1e3 : -1;
}

static void report(const struct ice_call *call, enum net_kind a, enum net_kind b)
{
	char why[CF_ICE_WHY_MAX];

	for (int i = 0; i < 2; i++) {
		const struct ice_side *side = &call->side[i];

		print_message("%s/%s side %d: %s, data %.1f ms, connected %.1f ms, relays %u: %s\n",
			names[a], names[b], i, cf_ice_state_name(side->state),
			after_ms(call, side->data_us), after_ms(call, side->connected_us),
			side->path.relays, cf_ice_agent_why(side->agent, why, sizeof(why)));
	}
}

static void check_path(
	const struct ice_call *call, enum net_kind a, enum net_kind b, uint64_t within_us)
{
	unsigned wanted = relays_wanted(a, b);

	for (int i = 0; i < 2; i++) {
		const struct ice_side *side = &call->side[i];

		if (side->connected_us && side->first_path.relays == wanted &&
			side->path.relays == wanted && side->path.via == via_wanted(a, b) &&
			side->connected_us - call->start_us <= within_us)
			continue;
		report(call, a, b);
		fail_msg("%s with %s: side %d has %u (first %u) relays, wants %u", names[a],
			names[b], i, side->path.relays, side->first_path.relays, wanted);
	}
}

static void run_all(const struct vnet_options *options, uint64_t direct_us, uint64_t relayed_us)
{
	static struct ice_call call;

	for (unsigned a = 0; a < N_KINDS; a++)
		for (unsigned b = 0; b < N_KINDS; b++) {
			uint64_t within_us = relays_wanted(a, b) ? relayed_us : direct_us;

			setup(&call, options, a, b);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lab),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
