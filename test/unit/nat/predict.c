/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "nat/predict.h"

static const struct cf_nat_side public_side = {
	.nat = {.udp = CF_NAT_YES,
		.mapping = CF_NAT_MAPPING_NONE,
		.filtering = CF_NAT_FILTERING_ENDPOINT_INDEPENDENT},
	.turn_tcp = CF_NAT_YES,
	.turn_tls = CF_NAT_YES,
	.relay = true};

static struct cf_nat_side natted(enum cf_nat_mapping mapping, enum cf_nat_filtering filtering)
{
	struct cf_nat_side side = public_side;

	side.nat.mapping = mapping;
	side.nat.filtering = filtering;
	return side;
}

/* The paths in the order of enum cf_nat_peer: d direct, x reflexive, 1 and 2 relays, - none. */
static void expect(const struct cf_nat_side *side, const char *paths, const char *transports)
{
	for (int peer = 0; peer < CF_NAT_PEERS; peer++) {
		struct cf_nat_prediction p = cf_nat_predict(side, (enum cf_nat_peer)peer);
		char got = p.path == CF_NAT_PATH_DIRECT      ? 'd'
			   : p.path == CF_NAT_PATH_REFLEXIVE ? 'x'
			   : p.path == CF_NAT_PATH_NONE      ? '-'
							     : (char)('0' + p.relays);

		if (got != paths[peer] || p.transport[1] != transports[peer])
			fail_msg("%s: %c over %s instead of %c",
				cf_nat_peer_name((enum cf_nat_peer)peer), got, p.transport,
				paths[peer]);
	}
}

/* Transports by their second letter: udp, tcp, tls. */
static void paths(void **state)
{
	struct cf_nat_side side = public_side;

	(void)state;
	expect(&side, "dxxx11", "ddddcl");
	side = natted(CF_NAT_MAPPING_ENDPOINT_INDEPENDENT, CF_NAT_FILTERING_ENDPOINT_INDEPENDENT);
	expect(&side, "xxxx11", "ddddcl");
	side = natted(
		CF_NAT_MAPPING_ENDPOINT_INDEPENDENT, CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT);
	expect(&side, "xxx111", "ddddcl");
	side = natted(CF_NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT,
		CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT);
	expect(&side, "xx1111", "ddddcl");
	side.nat.udp = CF_NAT_NO;
	expect(&side, "111122", "cccccl");
	side.turn_tcp = CF_NAT_NO;
	expect(&side, "111122", "llllll");
	side.turn_tls = CF_NAT_NO;
	expect(&side, "------", "dddddd");
}

static void without_relay(void **state)
{
	struct cf_nat_side side = natted(CF_NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT,
		CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT);

	(void)state;
	side.relay = false;
	expect(&side, "xx----", "dddddd");
}

static void what_is_not_known(void **state)
{
	struct cf_nat_side side = natted(
		CF_NAT_MAPPING_PORT_INDEPENDENT, CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT);

	(void)state;
	assert_false(cf_nat_predict(&side, CF_NAT_PEER_PORT_RESTRICTED).certain);
	assert_true(cf_nat_predict(&side, CF_NAT_PEER_UDP_BLOCKED).certain);
	side.nat.mapping = CF_NAT_MAPPING_ENDPOINT_INDEPENDENT;
	assert_true(cf_nat_predict(&side, CF_NAT_PEER_PORT_RESTRICTED).certain);
	side.nat.udp = CF_NAT_UNKNOWN;
	assert_false(cf_nat_predict(&side, CF_NAT_PEER_PUBLIC).certain);
	assert_string_equal(cf_nat_path_name(CF_NAT_PATH_REFLEXIVE), "reflexive");
}

static int oom_body(void *arg)
{
	struct cf_addr addr = {.family = CF_ADDR_IPV4, .port = 1},
		       local[CF_NAT_SOCKETS] = {addr, addr};
	struct cf_nat_probe *probe = cf_nat_probe_new(&addr, local, 0);

	(void)arg;
	cf_nat_probe_free(probe);
	return probe ? 0 : CF_ENOMEM;
}

static void no_memory(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(without_relay),
		cmocka_unit_test(what_is_not_known),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
