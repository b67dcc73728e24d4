/* SPDX-License-Identifier: Apache-2.0 */
/* A path's life: roles, restart, consent, fail-over, hand-over, the way back, ICE-lite. */
#include "harness/harness.h"

#include "harness/ice_call.h"

#include <stdio.h>

static struct ice_call call;

static const struct vnet_options lab = {.lan_us = 100, .wan_us = 200, .seed = 3};
static const struct vnet_options wide = {
	.lan_us = 500, .wan_us = 20000, .jitter_us = 2000, .seed = 9};

static void report(void)
{
	char why[CF_ICE_WHY_MAX];

	for (int i = 0; i < 2; i++)
		print_message("# side %d: %s, %u paths, %u states: %s\n", i,
			cf_ice_state_name(call.side[i].state), call.side[i].n_paths,
			call.side[i].n_states,
			cf_ice_agent_why(call.side[i].agent, why, sizeof(why)));
}

static void begin(const struct vnet_options *options, enum ice_net_kind a, enum ice_net_kind b)
{
	ice_call_setup(&call, options, a, b);
	call.media = true;
}

static void connect_now(void)
{
	ice_call_start(&call);
	EXPECT(ice_call_connect(&call, 20 * CF_US_PER_S));
}

static bool alive(int side)
{
	return call.side[side].state == CF_ICE_CONNECTED ||
	       call.side[side].state == CF_ICE_COMPLETED;
}

/* Packets accepted by both over a time, in per cent of what is sent. */
static unsigned flow(uint64_t for_us)
{
	uint64_t before[2] = {call.media_taken[0], call.media_taken[1]};
	uint64_t sent, least;

	ice_call_run(&call, for_us);
	sent = for_us / 20000;
	least = call.media_taken[0] - before[0];
	if (call.media_taken[1] - before[1] < least)
		least = call.media_taken[1] - before[1];
	return (unsigned)(100 * least / sent);
}

/* Both agents believe the same role (RFC 8445 section 7.3.1.1). */
static void role_conflict(void **state)
{
	(void)state;
	for (int controlling = 0; controlling < 2; controlling++)
		for (uint64_t a = 1; a <= 3; a++)
			for (uint64_t b = 1; b <= 3; b++) {
				if (a == b)
					continue;
				begin(&lab, PORT, RESTRICTED);
				for (int i = 0; i < 2; i++) {
					call.side[i].options.controlling = controlling;
					call.side[i].options.tie_breaker = i ? b : a;
				}
				connect_now();
				EXPECT(cf_ice_agent_controlling(call.side[0].agent) !=
					cf_ice_agent_controlling(call.side[1].agent));
				EXPECT(flow(CF_US_PER_S) >= 95);
				ice_call_done(&call);
			}
}

/* Once settled the call stays quiet and on its path for minutes. */
static void steady(void **state)
{
	uint64_t sent;

	(void)state;
	begin(&wide, PORT, PORT);
	connect_now();
	ice_call_run(&call, 10 * CF_US_PER_S);
	call.side[0].n_sent = 0;
	sent = call.side[0].n_paths;
	EXPECT(flow(120 * CF_US_PER_S) >= 99);
	EXPECT(call.side[0].n_paths == sent);
	/* Consent each 5 s and its answers, what keeps reserve pairs and the STUN mapping warm.
	 */
	EXPECT(call.side[0].n_sent < 300);
	EXPECT(alive(0) && alive(1));
	ice_call_done(&call);

	/* Without any media, consent and probes keep it alive. */
	begin(&wide, PORT, PORT);
	call.media = false;
	connect_now();
	ice_call_run(&call, 120 * CF_US_PER_S);
	EXPECT(alive(0) && alive(1));
	EXPECT(call.side[0].n_states <= 4);
	ice_call_done(&call);
}

static void restart_keeps_the_path(void **state)
{
	(void)state;
	for (int from = 0; from < 2; from++) {
		char before[64];
		struct cf_addr to;

		begin(&wide, PORT, PORT);
		connect_now();
		ice_call_run(&call, 2 * CF_US_PER_S);
		to = call.side[0].path.to;
		snprintf(before, sizeof(before), "%s", cf_ice_agent_ufrag(call.side[0].agent));
		ice_call_restart(&call, from);
		EXPECT(flow(3 * CF_US_PER_S) >= 98);
		EXPECT(strcmp(before, cf_ice_agent_ufrag(call.side[0].agent)) != 0);
		EXPECT(alive(0) && alive(1));
		EXPECT(cf_addr_eq(&call.side[0].path.to, &to));
		EXPECT(call.side[0].path.nominated && call.side[1].path.nominated);
		/* And once more, while consent goes on for long. */
		ice_call_restart(&call, !from);
		EXPECT(flow(60 * CF_US_PER_S) >= 99);
		EXPECT(alive(0) && alive(1));
		ice_call_done(&call);
	}
}

static void consent_expires(void **state)
{
	uint64_t cut_us;
	struct cf_ice_path path;

	(void)state;
	begin(&wide, PORT, PORT);
	call.side[0].relay_udp = call.side[1].relay_udp = NULL;
	connect_now();
	ice_call_run(&call, 3 * CF_US_PER_S);
	cut_us = cf_vnet_now(call.net);
	cf_vnet_cut(call.net, call.side[1].realm, true);
	ice_call_run(&call, 40 * CF_US_PER_S);
	for (int i = 0; i < 2; i++) {
		EXPECT(call.side[i].disconnected_us - cut_us <= 3 * CF_US_PER_S);
		EXPECT(call.side[i].failed_us - cut_us <= 36 * CF_US_PER_S);
		EXPECT(call.side[i].failed_us - cut_us >= 24 * CF_US_PER_S);
		EXPECT(!cf_ice_agent_selected(call.side[i].agent, &path));
	}
	ice_call_done(&call);
}

static void short_cut_heals(void **state)
{
	(void)state;
	begin(&wide, PORT, PORT);
	call.side[0].relay_udp = call.side[1].relay_udp = NULL;
	connect_now();
	ice_call_run(&call, 3 * CF_US_PER_S);
	cf_vnet_cut(call.net, call.side[0].realm, true);
	ice_call_run(&call, 5 * CF_US_PER_S);
	EXPECT(call.side[0].state == CF_ICE_DISCONNECTED);
	EXPECT(call.side[1].state == CF_ICE_DISCONNECTED);
	cf_vnet_cut(call.net, call.side[0].realm, false);
	ice_call_run(&call, CF_US_PER_S);
	EXPECT(alive(0) && alive(1));
	EXPECT(flow(CF_US_PER_S) >= 95);
	ice_call_done(&call);
}

/* The direct path dies: the call goes on over the relay held in reserve, and comes back by itself
 * when the direct path does. */
static void fail_over_and_back(void **state)
{
	(void)state;
	for (int side = 0; side < 2; side++) {
		begin(&wide, PORT, PORT);
		call.side[side].relay_udp = NULL; /* once the caller's relay, once the other's */
		connect_now();
		ice_call_run(&call, 5 * CF_US_PER_S);
		EXPECT(call.side[0].path.relays == 0);
		/* All that goes between the two NATs is lost; relays are reached on another way. */
		cf_vnet_block(call.net, call.side[0].realm, call.side[1].realm, true);
		ice_call_run(&call, 3 * CF_US_PER_S);
		EXPECT(call.side[0].path.relays == 1 && call.side[1].path.relays == 1);
		EXPECT(call.media_gap_us[0] < 1000000 && call.media_gap_us[1] < 1000000);
		EXPECT(flow(CF_US_PER_S) >= 95);
		EXPECT(alive(0) && alive(1));
		cf_vnet_block(call.net, call.side[0].realm, call.side[1].realm, false);
		ice_call_run(&call, 15 * CF_US_PER_S);
		EXPECT(call.side[0].path.relays == 0 && call.side[1].path.relays == 0);
		EXPECT(flow(CF_US_PER_S) >= 95);
		ice_call_done(&call);
	}
}

/* With a quick liveness setting the loss is below a second. */
static void quick_fail_over(void **state)
{
	(void)state;
	begin(&wide, PORT, PORT);
	call.side[0].options.silence_ms = call.side[1].options.silence_ms = 600;
	connect_now();
	ice_call_run(&call, 5 * CF_US_PER_S);
	cf_vnet_block(call.net, call.side[0].realm, call.side[1].realm, true);
	ice_call_run(&call, 3 * CF_US_PER_S);
	EXPECT(call.side[0].path.relays == 1 && call.side[1].path.relays == 1);
	EXPECT(call.media_gap_us[0] < 1000000 && call.media_gap_us[1] < 1000000);
	ice_call_done(&call);
}

/* A NAT forgets its mappings: the relay's TCP leg or the other side's answer finds the way. */
static void nat_reboot(void **state)
{
	(void)state;
	begin(&wide, PORT, RESTRICTED);
	connect_now();
	ice_call_run(&call, 5 * CF_US_PER_S);
	cf_vnet_reboot(call.net, call.side[0].realm);
	ice_call_run(&call, 20 * CF_US_PER_S);
	EXPECT(alive(0) && alive(1));
	EXPECT(call.side[0].path.relays == 0 && call.side[1].path.relays == 0);
	EXPECT(flow(CF_US_PER_S) >= 95);
	ice_call_done(&call);
}

/* Another network comes, the first one goes: no restart is needed. */
static void hand_over(void **state)
{
	struct vnet_nat_options nat = {.kind = VNET_PORT, .outside = "198.51.100.44"};
	int mobile;
	unsigned first;

	(void)state;
	begin(&wide, PORT, PORT);
	connect_now();
	ice_call_run(&call, 3 * CF_US_PER_S);
	first = call.side[0].bases[0];
	mobile = cf_vnet_realm(call.net, VNET_PUBLIC, &nat);
	ice_call_add_host(&call, 0, mobile, "172.20.0.7");
	ice_call_run(&call, CF_US_PER_S);
	cf_ice_agent_remove_base(call.side[0].agent, first, cf_vnet_now(call.net));
	ice_call_drain(&call, 0);
	call.media_gap_us[0] = call.media_gap_us[1] = 0;
	ice_call_run(&call, 3 * CF_US_PER_S);
	EXPECT(alive(0) && alive(1));
	EXPECT(call.side[0].path.relays == 0 && call.side[1].path.relays == 0);
	EXPECT(call.media_gap_us[1] < 300000);
	EXPECT(flow(CF_US_PER_S) >= 95);
	ice_call_done(&call);
}

/* The only base goes: disconnected; a new one brings the call back through a restart. */
static void base_lost_then_restart(void **state)
{
	(void)state;
	begin(&wide, PUBLIC, PORT);
	call.side[0].relay_udp = call.side[1].relay_udp = NULL;
	connect_now();
	ice_call_run(&call, 2 * CF_US_PER_S);
	cf_ice_agent_remove_base(call.side[0].agent, call.side[0].bases[0], cf_vnet_now(call.net));
	ice_call_drain(&call, 0);
	EXPECT(call.side[0].state == CF_ICE_DISCONNECTED);
	ice_call_add_host(&call, 0, VNET_PUBLIC, "198.51.100.200");
	ice_call_restart(&call, 0);
	ice_call_run(&call, 2 * CF_US_PER_S);
	EXPECT(alive(0) && alive(1));
	EXPECT(flow(CF_US_PER_S) >= 95);
	ice_call_done(&call);
}

/* The peer is ICE-lite (the media processor): we control, whatever we thought, and nominate. */
static void lite_peer(void **state)
{
	static const enum ice_net_kind kinds[] = {PUBLIC, PORT, SYMMETRIC, CGN_SYM, TCP_443};

	(void)state;
	for (int controlling = 0; controlling < 2; controlling++)
		for (size_t i = 0; i < 5; i++) {
			begin(&wide, kinds[i], PUBLIC);
			call.side[0].options.controlling = controlling;
			call.side[1].options.lite = true;
			call.side[1].relay_udp = NULL;
			call.side[1].stun = NULL;
			connect_now();
			EXPECT(cf_ice_agent_controlling(call.side[0].agent));
			EXPECT(!cf_ice_agent_controlling(call.side[1].agent));
			EXPECT(call.side[0].path.relays == (kinds[i] == TCP_443));
			EXPECT(flow(40 * CF_US_PER_S) >= 99);
			EXPECT(alive(0) && alive(1));
			/* The client vanishes: the lite side notices too. */
			cf_vnet_close(call.net, call.side[0].socks[call.side[0].n_bases - 1]);
			cf_vnet_close(call.net, call.side[0].socks[0]);
			ice_call_run(&call, 40 * CF_US_PER_S);
			EXPECT(call.side[1].state == CF_ICE_FAILED);
			ice_call_done(&call);
		}
}

/* A relay comes up first, the better paths later: the call moves. */
static void moves_to_the_better_path(void **state)
{
	(void)state;
	begin(&wide, PORT, PORT);
	call.side[0].stun = call.side[1].stun =
		NULL; /* nobody knows an outside address: two relays */
	connect_now();
	ice_call_run(&call, CF_US_PER_S);
	EXPECT(call.side[0].path.relays == 2 && call.side[1].path.relays == 2);
	for (int i = 0; i < 2; i++) {
		struct cf_addr stun;

		assert_int_equal(cf_addr_parse(&stun, "192.0.2.1", 3478), 0);
		assert_int_equal(cf_ice_agent_add_stun_server(
					 call.side[i].agent, &stun, cf_vnet_now(call.net)),
			0);
		ice_call_drain(&call, i);
	}
	EXPECT(flow(2 * CF_US_PER_S) >= 98);
	EXPECT(call.side[0].path.relays == 0 && call.side[1].path.relays == 0);
	ice_call_done(&call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(role_conflict),
		cmocka_unit_test(steady),
		cmocka_unit_test(restart_keeps_the_path),
		cmocka_unit_test(consent_expires),
		cmocka_unit_test(short_cut_heals),
		cmocka_unit_test(fail_over_and_back),
		cmocka_unit_test(quick_fail_over),
		cmocka_unit_test(nat_reboot),
		cmocka_unit_test(hand_over),
		cmocka_unit_test(base_lost_then_restart),
		cmocka_unit_test(lite_peer),
		cmocka_unit_test(moves_to_the_better_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
