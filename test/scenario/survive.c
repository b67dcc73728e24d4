/* SPDX-License-Identifier: Apache-2.0 */
/* What befalls a network in mid-call, in virtual time: how long nothing is heard, and whether the
 * call finds back to the best path. */
#include "harness/harness.h"

#include "harness/ice_call.h"

#include <stdio.h>

static struct ice_call call;

static const struct vnet_options wide = {
	.lan_us = 500, .wan_us = 20000, .jitter_us = 2000, .seed = 9};

static const char *situation = "";

static void report(void)
{
	char why[CF_ICE_WHY_MAX];

	for (int i = 0; i < 2; i++)
		print_message("# %s: side %d: %s, gap %u ms, %u paths, %u doubts, %u relays: %s\n",
			situation, i, cf_ice_state_name(call.side[i].state),
			(unsigned)(call.media_gap_us[i] / 1000), call.side[i].n_paths,
			call.side[i].n_doubts, call.side[i].path.relays,
			cf_ice_agent_why(call.side[i].agent, why, sizeof(why)));
}

static void begin(enum ice_net_kind a, enum ice_net_kind b, unsigned loss_permille)
{
	ice_call_setup(&call, &wide, a, b);
	call.media = true;
	call.side[0].tends = call.side[1].tends = true;
	ice_call_start(&call);
	EXPECT(ice_call_connect(&call, 20 * CF_US_PER_S));
	ice_call_run(&call, 5 * CF_US_PER_S);
	cf_vnet_set_loss(call.net, loss_permille);
	call.media_gap_us[0] = call.media_gap_us[1] = 0;
}

static bool alive(int side)
{
	return call.side[side].state == CF_ICE_CONNECTED ||
	       call.side[side].state == CF_ICE_COMPLETED;
}

/* Nothing may be missing for longer than that beyond the time without any path. */
static bool gaps_below(uint64_t limit_us)
{
	uint64_t now_us = cf_vnet_now(call.net);

	for (int i = 0; i < 2; i++)
		if (call.media_gap_us[i] > limit_us || now_us - call.media_last_us[i] > limit_us)
			return false;
	return true;
}

static void settle(uint64_t limit_us, unsigned relays)
{
	ice_call_run(&call, 3 * CF_US_PER_S);
	EXPECT(alive(0) && alive(1));
	EXPECT(gaps_below(limit_us));
	ice_call_run(&call, 25 * CF_US_PER_S);
	EXPECT(call.side[0].path.relays == relays && call.side[1].path.relays == relays);
	EXPECT(!call.side[0].doubt && !call.side[1].doubt);
	EXPECT(gaps_below(limit_us));
}

struct row {
	enum ice_net_kind a, b;
	unsigned relays; /* of the best path */
};

static const struct row rows[] = {
	{PORT, PUBLIC, 0},
	{PORT, FULL, 0},
	{PORT, RESTRICTED, 0},
	{PORT, PORT, 0},
	{SYMMETRIC, RESTRICTED, 0},
	{SYMMETRIC, SYMMETRIC, 1},
	{CGN_CONE, PORT, 0},
	{RESTRICTED, SYMMETRIC, 0},
};

static char name[200];

static void name_it(const char *event, const struct row *row, int side, unsigned loss)
{
	snprintf(name, sizeof(name), "%s on side %d of %s with %s, loss %u", event, side,
		ice_net_names[row->a], ice_net_names[row->b], loss);
	situation = name;
}

typedef void event_fn(const struct row *row, int side, unsigned loss);

static void each(event_fn *fn)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (int side = 0; side < 2; side++)
			for (unsigned loss = 0; loss <= 50; loss += 50)
				fn(&rows[i], side, loss);
}

static void reboot(const struct row *row, int side, unsigned loss)
{
	name_it("reboot", row, side, loss);
	if ((side ? row->b : row->a) == PUBLIC)
		return;
	begin(row->a, row->b, loss);
	cf_vnet_reboot(call.net, call.side[side].realm);
	settle(CF_US_PER_S, row->relays);
	ice_call_done(&call);
}

static void nat_reboots(void **state)
{
	(void)state;
	each(reboot);
}

static void udp_cut(const struct row *row, int side, unsigned loss)
{
	name_it("udp cut", row, side, loss);
	if ((side ? row->b : row->a) == PUBLIC)
		return;
	begin(row->a, row->b, loss);
	cf_vnet_block_udp(call.net, call.side[side].realm, true);
	settle(CF_US_PER_S, 1);
	cf_vnet_block_udp(call.net, call.side[side].realm, false);
	settle(CF_US_PER_S, row->relays);
	ice_call_done(&call);
}

static void udp_is_cut(void **state)
{
	(void)state;
	each(udp_cut);
}

static void pulled(const struct row *row, int side, unsigned loss)
{
	name_it("cable pulled", row, side, loss);
	if ((side ? row->b : row->a) == PUBLIC)
		return;
	begin(row->a, row->b, loss);
	cf_vnet_cut(call.net, call.side[side].realm, true);
	ice_call_run(&call, 3 * CF_US_PER_S);
	cf_vnet_cut(call.net, call.side[side].realm, false);
	settle(4 * CF_US_PER_S, row->relays);
	ice_call_done(&call);
}

static void cable_is_pulled(void **state)
{
	(void)state;
	each(pulled);
}

static void readdressed(const struct row *row, int side, unsigned loss)
{
	struct vnet_nat_options nat = {.kind = VNET_PORT, .outside = "198.51.100.44"};
	unsigned first;

	name_it("new address", row, side, loss);
	if ((side ? row->a : row->b) == SYMMETRIC)
		return; /* another kind of network on one side: another best path */
	begin(row->a, row->b, loss);
	first = call.side[side].bases[0];
	for (int i = call.side[side].n_bases; i-- > 0;)
		if (call.side[side].bases[i] == first)
			ice_call_remove(&call, side, i);
	call.side[side].realm = cf_vnet_realm(call.net, VNET_PUBLIC, &nat);
	ice_call_add_host(&call, side, call.side[side].realm, "172.20.0.7");
	settle(CF_US_PER_S, 0);
	ice_call_done(&call);
}

static void address_changes(void **state)
{
	(void)state;
	each(readdressed);
}

/* Without any path: what is sent stays bounded, and a return is noticed within a moment. */
static void dead_and_back(void **state)
{
	const uint64_t cut_us = 20 * CF_US_PER_S;
	uint64_t sent[2];

	(void)state;
	situation = "dead for 20 s";
	begin(PORT, PORT, 0);
	for (int i = 0; i < 2; i++)
		sent[i] = call.side[i].n_sent;
	cf_vnet_cut(call.net, call.side[0].realm, true);
	ice_call_run(&call, cut_us);
	for (int i = 0; i < 2; i++) {
		EXPECT(call.side[i].state == CF_ICE_DISCONNECTED);
		EXPECT(call.side[i].n_sent - sent[i] < 40 * cut_us / CF_US_PER_S);
	}
	cf_vnet_cut(call.net, call.side[0].realm, false);
	ice_call_run(&call, CF_US_PER_S);
	EXPECT(alive(0) && alive(1));
	EXPECT(gaps_below(cut_us + 500000));
	ice_call_done(&call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nat_reboots),
		cmocka_unit_test(udp_is_cut),
		cmocka_unit_test(cable_is_pulled),
		cmocka_unit_test(address_changes),
		cmocka_unit_test(dead_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
