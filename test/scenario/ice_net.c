/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that spring surprises: loss, delay, twins, strangers, hairpins, late and missing parts.
 */
#include "harness/harness.h"

#include "harness/ice_call.h"

#include <stdio.h>

static struct ice_call call;

static const struct vnet_options lab = {.lan_us = 100, .wan_us = 200, .seed = 3};

static void report(void)
{
	char why[CF_ICE_WHY_MAX];

	for (int i = 0; i < 2; i++)
		if (call.side[i].agent)
			print_message("# side %d: %s, connected %.1f ms, failed %.1f ms: %s\n", i,
				cf_ice_state_name(call.side[i].state),
				(double)(call.side[i].connected_us - call.start_us) / 1e3,
				(double)(call.side[i].failed_us - call.start_us) / 1e3,
				cf_ice_agent_why(call.side[i].agent, why, sizeof(why)));
}

static uint64_t connected_ms(int side)
{
	return (call.side[side].connected_us - call.start_us) / 1000;
}

static void connects(uint64_t within_ms, enum cf_ice_path_kind kind, unsigned relays)
{
	EXPECT(ice_call_connect(&call, 20 * CF_US_PER_S));
	for (int i = 0; i < 2; i++) {
		EXPECT(call.side[i].path.relays == relays);
		EXPECT(call.side[i].path.kind == kind);
		EXPECT(connected_ms(i) <= within_ms);
	}
	/* Both sides mean the same path. */
	EXPECT(call.side[0].path.relays + call.side[1].path.relays == 2 * relays);
}

static void same_lan(void **state)
{
	(void)state;
	ice_call_setup(&call, &lab, SYMMETRIC, SYMMETRIC);
	call.side[1].realm = call.side[0].realm;
	call.side[1].host = "192.168.1.3";
	ice_call_start(&call);
	connects(25, CF_ICE_PATH_DIRECT, 0);
	ice_call_done(&call);
}

static void routed_subnets(void **state)
{
	struct vnet_nat_options nat = {.kind = VNET_SYMMETRIC, .outside = "198.51.100.10"};
	struct vnet_nat_options a = {.kind = VNET_ROUTER, .outside = "10.255.0.1"};
	struct vnet_nat_options b = {.kind = VNET_ROUTER, .outside = "10.255.0.2"};
	int corp;

	(void)state;
	ice_call_setup(&call, &lab, PUBLIC, PUBLIC);
	corp = cf_vnet_realm(call.net, VNET_PUBLIC, &nat);
	call.side[0].realm = cf_vnet_realm(call.net, corp, &a);
	call.side[0].host = "10.10.0.5";
	call.side[1].realm = cf_vnet_realm(call.net, corp, &b);
	call.side[1].host = "192.168.1.9";
	ice_call_start(&call);
	connects(25, CF_ICE_PATH_DIRECT, 0);
	ice_call_done(&call);
}

static void ipv6_and_dual_stack(void **state)
{
	(void)state;
	ice_call_setup(&call, &lab, PUBLIC, PUBLIC);
	call.side[0].host2 = "2001:db8:1::2";
	call.side[1].host2 = "2001:db8:2::2";
	ice_call_start(&call);
	connects(25, CF_ICE_PATH_DIRECT, 0);
	ice_call_done(&call);

	ice_call_setup(&call, &lab, PUBLIC, PUBLIC);
	call.side[0].host = call.side[1].host = NULL;
	call.side[0].host2 = "2001:db8:1::2";
	call.side[1].host2 = "2001:db8:2::2";
	ice_call_start(&call);
	connects(25, CF_ICE_PATH_DIRECT, 0);
	EXPECT(call.side[0].path.local.addr.family == CF_ADDR_IPV6);
	ice_call_done(&call);
}

/* Two homes with the same private range; a stranger lives at the peer's address in ours. */
static void same_private_range(void **state)
{
	(void)state;
	ice_call_setup(&call, &lab, PORT, RESTRICTED);
	call.side[1].host = "192.168.1.9:6000";
	call.side[0].host = "192.168.1.2:6000";
	cf_vnet_stranger(call.net, call.side[0].realm, "192.168.1.9:6000");
	ice_call_start(&call);
	connects(60, CF_ICE_PATH_REFLEXIVE, 0);
	ice_call_done(&call);

	/* The very same address. */
	ice_call_setup(&call, &lab, PORT, PORT);
	call.side[0].host = call.side[1].host = "192.168.1.2:6000";
	ice_call_start(&call);
	connects(60, CF_ICE_PATH_REFLEXIVE, 0);
	ice_call_done(&call);
}

/* Two devices with client isolation behind one NAT: only a hairpin lets them meet. */
static void hairpin(bool hairpin, enum cf_ice_path_kind kind, unsigned relays)
{
	struct vnet_nat_options nat = {
		.kind = VNET_FULL, .outside = "198.51.100.99", .hairpin = hairpin};
	struct vnet_nat_options isolated = {.kind = VNET_PORT, .outside = "10.0.0.1"};
	struct vnet_nat_options isolated2 = {.kind = VNET_PORT, .outside = "10.0.0.2"};
	int home;

	ice_call_setup(&call, &lab, PUBLIC, PUBLIC);
	home = cf_vnet_realm(call.net, VNET_PUBLIC, &nat);
	call.side[0].realm = cf_vnet_realm(call.net, home, &isolated);
	call.side[0].host = "192.168.1.5";
	call.side[1].realm = cf_vnet_realm(call.net, home, &isolated2);
	call.side[1].host = "192.168.2.6";
	ice_call_start(&call);
	connects(200, kind, relays);
	ice_call_done(&call);
}

static void hairpin_or_none(void **state)
{
	(void)state;
	hairpin(true, CF_ICE_PATH_REFLEXIVE, 0);
	hairpin(false, CF_ICE_PATH_RELAYED, 1);
}

/* A router that answers unexpected packets itself: the mapping of the one whose peer was faster is
 * spoilt. A relay carries the call in the worst case; it must not take long to know. */
static void answering_router(void **state)
{
	(void)state;
	for (int spoil = 0; spoil < 2; spoil++) {
		struct vnet_nat_options nat = {
			.kind = VNET_PORT, .outside = "203.0.113.99", .answers = true};

		ice_call_setup(&call, &lab, PORT, PORT);
		call.side[spoil].realm = cf_vnet_realm(call.net, VNET_PUBLIC, &nat);
		ice_call_start(&call);
		EXPECT(ice_call_connect(&call, 5 * CF_US_PER_S));
		EXPECT(connected_ms(0) < 200 && connected_ms(1) < 200);
		EXPECT(call.side[0].path.relays == call.side[1].path.relays);
		ice_call_done(&call);
	}
}

static void icmp_rejects(void **state)
{
	struct vnet_options options = lab;

	(void)state;
	options.icmp = true;
	ice_call_setup(&call, &options, PORT, PORT);
	ice_call_start(&call);
	connects(60, CF_ICE_PATH_REFLEXIVE, 0);
	ice_call_done(&call);
	ice_call_setup(&call, &options, SYMMETRIC, TCP_443);
	ice_call_start(&call);
	connects(160, CF_ICE_PATH_RELAYED, 1);
	ice_call_done(&call);
}

static void loss(void **state)
{
	static const struct {
		unsigned permille;
		uint64_t within_ms;
	} rows[] = {{50, 1000}, {100, 1500}, {200, 3000}};
	unsigned relayed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (uint64_t seed = 0; seed < 40; seed++) {
			struct vnet_options options = {.lan_us = 500,
				.wan_us = 20000,
				.jitter_us = 3000,
				.loss_permille = rows[i].permille,
				.seed = seed};

			ice_call_setup(&call, &options, PORT, PORT);
			call.media = true;
			ice_call_start(&call);
			EXPECT(ice_call_connect(&call, 20 * CF_US_PER_S));
			EXPECT(connected_ms(0) <= rows[i].within_ms);
			EXPECT(connected_ms(1) <= rows[i].within_ms);
			relayed += call.side[0].first_path.relays > 0;
			/* What began through a relay for a lost packet moves to the direct path. */
			ice_call_run(&call, 3 * CF_US_PER_S);
			EXPECT(call.side[0].path.relays == 0 && call.side[1].path.relays == 0);
			ice_call_done(&call);
		}
	print_message("# began through a relay: %u of 120\n", relayed);
	assert_true(relayed <= 12);
}

static void long_delay(void **state)
{
	struct vnet_options options = {
		.lan_us = 1000, .wan_us = 150000, .jitter_us = 20000, .seed = 5};

	(void)state;
	ice_call_setup(&call, &options, PORT, PORT);
	ice_call_start(&call);
	connects(2500, CF_ICE_PATH_REFLEXIVE, 0);
	EXPECT(call.side[0].first_path.relays == 0);
	ice_call_done(&call);
	ice_call_setup(&call, &options, SYMMETRIC, SYMMETRIC);
	ice_call_start(&call);
	connects(3500, CF_ICE_PATH_RELAYED, 1);
	ice_call_done(&call);
}

/* The other side's candidates trickle in seconds late: nothing fails meanwhile. */
static void late_trickle(void **state)
{
	(void)state;
	ice_call_setup(&call, &lab, PORT, PORT);
	call.side[1].trickle_us = 3 * CF_US_PER_S / 2;
	call.side[1].relay_udp = NULL;
	call.side[0].relay_udp = NULL;
	ice_call_start(&call);
	connects(1600, CF_ICE_PATH_REFLEXIVE, 0);
	ice_call_done(&call);

	/* So late that the answerer has given up: the peer's check revives it. */
	ice_call_setup(&call, &lab, PORT, PORT);
	call.side[1].trickle_us = 5 * CF_US_PER_S;
	call.side[1].relay_udp = NULL;
	call.side[0].relay_udp = NULL;
	ice_call_start(&call);
	ice_call_run(&call, 6 * CF_US_PER_S);
	EXPECT(call.side[1].failed_us);
	connects(6000, CF_ICE_PATH_REFLEXIVE, 0);
	ice_call_done(&call);

	/* Only the relay is late: the direct path does not wait for it. */
	ice_call_setup(&call, &lab, PORT, PORT);
	call.side[0].relay_us = call.side[1].relay_us = 3 * CF_US_PER_S;
	ice_call_start(&call);
	connects(60, CF_ICE_PATH_REFLEXIVE, 0);
	ice_call_done(&call);
}

/* No relay, and none possible: fails soon, with a reason. */
static void without_relay(void **state)
{
	static const enum ice_net_kind kinds[][2] = {
		{PORT, SYMMETRIC}, {SYMMETRIC, SYMMETRIC}, {TCP_443, PUBLIC}, {TCP_ANY, TCP_443}};
	char why[CF_ICE_WHY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		ice_call_setup(&call, &lab, kinds[i][0], kinds[i][1]);
		for (int k = 0; k < 2; k++) {
			call.side[k].options.policy = CF_ICE_POLICY_DIRECT;
			call.side[k].relay_udp = call.side[k].relay_tcp = call.side[k].relay_tls =
				NULL;
		}
		ice_call_start(&call);
		EXPECT(!ice_call_connect(&call, 20 * CF_US_PER_S));
		for (int k = 0; k < 2; k++) {
			EXPECT(call.side[k].failed_us - call.start_us < 5 * CF_US_PER_S);
			cf_ice_agent_why(call.side[k].agent, why, sizeof(why));
			EXPECT(strstr(why, "relays are not allowed"));
			EXPECT(strstr(why, "no answer"));
		}
		ice_call_done(&call);
	}
	/* The others connect all the same. */
	ice_call_setup(&call, &lab, SYMMETRIC, RESTRICTED);
	for (int k = 0; k < 2; k++) {
		call.side[k].options.policy = CF_ICE_POLICY_DIRECT;
		call.side[k].relay_udp = NULL;
	}
	ice_call_start(&call);
	connects(60, CF_ICE_PATH_REFLEXIVE, 0);
	ice_call_done(&call);
}

/* One side refuses relays, the other has one: it must not be used behind its back. */
static void one_side_direct(void **state)
{
	(void)state;
	ice_call_setup(&call, &lab, SYMMETRIC, SYMMETRIC);
	call.side[0].options.policy = CF_ICE_POLICY_DIRECT;
	call.side[0].relay_udp = NULL;
	ice_call_start(&call);
	EXPECT(!ice_call_connect(&call, 20 * CF_US_PER_S));
	EXPECT(!call.side[0].data_us && !call.side[1].data_us);
	ice_call_done(&call);
}

static void only_relay(void **state)
{
	struct cf_ice_candidate c;
	char why[CF_ICE_WHY_MAX];

	(void)state;
	ice_call_setup(&call, &lab, PUBLIC, PUBLIC);
	call.side[0].options.policy = CF_ICE_POLICY_RELAY;
	call.side[0].host = NULL;
	ice_call_start(&call);
	connects(60, CF_ICE_PATH_RELAYED, 1);
	for (size_t i = 0; cf_ice_agent_local(call.side[0].agent, i, &c); i++)
		EXPECT(c.type == CF_ICE_RELAY);
	ice_call_done(&call);

	/* And there is none. */
	ice_call_setup(&call, &lab, PUBLIC, PUBLIC);
	call.side[0].options.policy = CF_ICE_POLICY_RELAY;
	call.side[0].host = call.side[0].relay_udp = NULL;
	ice_call_start(&call);
	ice_call_run(&call, CF_US_PER_S);
	EXPECT(call.side[0].failed_us && call.side[0].failed_us - call.start_us < 100000);
	cf_ice_agent_why(call.side[0].agent, why, sizeof(why));
	EXPECT(strstr(why, "only a relay is allowed"));
	ice_call_done(&call);
}

/* The answer is lost in signalling: bounded in time, though the peer's checks are answered. */
static void no_answer_ever(void **state)
{
	(void)state;
	ice_call_setup(&call, &lab, PORT, PORT);
	call.side[1].deaf = true;
	ice_call_start(&call);
	ice_call_run(&call, 20 * CF_US_PER_S);
	EXPECT(!call.side[0].data_us);
	EXPECT(call.side[0].state == CF_ICE_NEW);
	ice_call_done(&call);
}

/* UDP is blocked and the relay off, but a TCP connection within the site is possible (RFC 6544). */
static void tcp_within_the_site(void **state)
{
	(void)state;
	ice_call_setup(&call, &lab, TCP_443, TCP_443);
	call.side[1].realm = call.side[0].realm;
	for (int i = 0; i < 2; i++) {
		call.side[i].host = NULL;
		call.side[i].relay_tls = NULL;
		call.side[i].tcp_active = i ? "192.168.1.3:9" : "192.168.1.2:9";
		call.side[i].tcp_passive = i ? "192.168.1.3:7001" : "192.168.1.2:7000";
	}
	ice_call_start(&call);
	EXPECT(ice_call_connect(&call, 5 * CF_US_PER_S));
	EXPECT(call.side[0].path.relays == 0 && call.side[0].path.via == CF_ICE_VIA_TCP);
	ice_call_done(&call);
}

/* Both with a UDP relay, and a firewall that lets UDP to the relay only: two relays do it. */
static void two_udp_relays(void **state)
{
	(void)state;
	ice_call_setup(&call, &lab, TCP_443, TCP_443);
	for (int i = 0; i < 2; i++) {
		call.side[i].relay_tls = NULL;
		call.side[i].relay_udp = i ? "192.0.2.12" : "192.0.2.11";
	}
	ice_call_start(&call);
	connects(200, CF_ICE_PATH_RELAYED, 2);
	ice_call_done(&call);
}

/* Many networks at once do not make the first check late or the table overflow. */
static void many_bases(void **state)
{
	(void)state;
	ice_call_setup(&call, &lab, PUBLIC, PUBLIC);
	ice_call_start(&call);
	for (int i = 0; i < 8; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.9.%d.1", i);
		ice_call_add_host(&call, 0, VNET_PUBLIC, addr);
	}
	connects(60, CF_ICE_PATH_DIRECT, 0);
	ice_call_done(&call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_lan),
		cmocka_unit_test(routed_subnets),
		cmocka_unit_test(ipv6_and_dual_stack),
		cmocka_unit_test(same_private_range),
		cmocka_unit_test(hairpin_or_none),
		cmocka_unit_test(answering_router),
		cmocka_unit_test(icmp_rejects),
		cmocka_unit_test(loss),
		cmocka_unit_test(long_delay),
		cmocka_unit_test(late_trickle),
		cmocka_unit_test(without_relay),
		cmocka_unit_test(one_side_direct),
		cmocka_unit_test(only_relay),
		cmocka_unit_test(no_answer_ever),
		cmocka_unit_test(tcp_within_the_site),
		cmocka_unit_test(two_udp_relays),
		cmocka_unit_test(many_bases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
