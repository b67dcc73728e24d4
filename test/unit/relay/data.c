/* SPDX-License-Identifier: Apache-2.0 */
/* Relayed data: Send, Data, ChannelData, ICMP, caps and counters; and which peers are allowed. */
#include "unit/relay/rig.h"

static struct cf_addr peer4, peer6;

static void rig_ready(struct rig *r, uint8_t transport)
{
	rig_init(r);
	peer4 = rig_addr("8.8.8.8:700");
	peer6 = rig_addr("[2600::1]:700");
	r->from.transport = transport;
	rig_allocate(r);
	rig_permit(r, &peer4);
	rig_expect_success(r);
}

static int channel_data(struct rig *r, uint16_t number, const char *text)
{
	uint8_t p[256] = {0};
	size_t n = strlen(text);

	memcpy(p + 4, text, n);
	cf_turn_channel_prepend(p + 4, n, number);
	return cf_relay_client_input(r->relay, &r->from, p, 4 + n, r->now);
}

static void send_and_data(void **state)
{
	struct cf_addr got;
	struct cf_view v = {NULL, 0};
	struct rig r;

	(void)state;
	rig_ready(&r, CF_RELAY_UDP);
	assert_true(rig_indicate(&r, &peer4, "hello"));
	assert_int_equal(r.peer_out_len, 5);
	assert_memory_equal(r.peer_out, "hello", 5);
	assert_true(cf_addr_eq(&r.peer_to, &peer4));
	assert_false(r.peer_df);
	for (size_t n = 0; n < 6; n++) { /* each padding */
		char text[8] = "abcdef";

		text[n] = 0;
		assert_true(rig_from_peer(&r, &peer4, text));
		assert_true(r.out_in_place);
		assert_true(cf_addr_eq(&r.out_to.remote, &r.from.remote));
		assert_int_equal(cf_stun_msg_parse(&r.msg, r.out, r.out_len), 0);
		assert_int_equal(r.msg.cls, CF_STUN_INDICATION);
		assert_int_equal(r.msg.method, CF_TURN_DATA);
		assert_int_equal(cf_stun_msg_xor_addr(&r.msg, CF_TURN_XOR_PEER_ADDRESS, &got), 0);
		assert_true(cf_addr_eq(&got, &peer4));
		assert_true(cf_stun_msg_attr(&r.msg, CF_TURN_DATA_ATTR, &v));
		assert_true(cf_view_is(v, text));
	}
	rig_done(&r);
}

static void data_ipv6(void **state)
{
	struct cf_view v = {NULL, 0};
	struct cf_addr got;
	struct rig r;

	(void)state;
	rig_init(&r);
	peer6 = rig_addr("[2600::1]:700");
	rig_challenge(&r);
	rig_begin_allocate(&r);
	cf_stun_write_u32(&r.w, CF_TURN_REQUESTED_ADDRESS_FAMILY, 2u << 24);
	rig_send(&r);
	rig_expect_success(&r);
	rig_permit(&r, &peer6);
	rig_expect_success(&r);
	assert_true(rig_from_peer(&r, &peer6, "hello"));
	assert_int_equal(cf_stun_msg_parse(&r.msg, r.out, r.out_len), 0);
	assert_int_equal(cf_stun_msg_xor_addr(&r.msg, CF_TURN_XOR_PEER_ADDRESS, &got), 0);
	assert_true(cf_addr_eq(&got, &peer6));
	assert_true(cf_stun_msg_attr(&r.msg, CF_TURN_DATA_ATTR, &v));
	assert_true(cf_view_is(v, "hello"));
	rig_done(&r);
}

static void bad_indications(void **state)
{
	struct rig r;
	int before;

	(void)state;
	rig_ready(&r, CF_RELAY_UDP);
	before = r.n_peer_out;
	rig_begin(&r, CF_STUN_INDICATION, CF_TURN_SEND); /* no DATA */
	cf_stun_write_xor_addr(&r.w, CF_TURN_XOR_PEER_ADDRESS, &peer4);
	assert_int_equal(rig_send_raw(&r), 0);
	rig_begin(&r, CF_STUN_INDICATION, CF_TURN_SEND); /* no peer */
	cf_stun_write_view(&r.w, CF_TURN_DATA_ATTR, cf_view_str("x"));
	assert_int_equal(rig_send_raw(&r), 0);
	rig_begin(&r, CF_STUN_INDICATION, CF_TURN_SEND); /* something we do not understand */
	cf_stun_write_xor_addr(&r.w, CF_TURN_XOR_PEER_ADDRESS, &peer4);
	cf_stun_write_view(&r.w, CF_TURN_DATA_ATTR, cf_view_str("x"));
	cf_stun_write_u32(&r.w, 0x7777, 1);
	assert_int_equal(rig_send_raw(&r), 0);
	assert_int_equal(r.n_peer_out, before);
	r.from.remote.port++; /* another client's 5-tuple */
	assert_false(rig_indicate(&r, &peer4, "x"));
	r.from.remote.port--;
	rig_begin(&r, CF_STUN_INDICATION, CF_TURN_SEND);
	cf_stun_write_xor_addr(&r.w, CF_TURN_XOR_PEER_ADDRESS, &peer4);
	cf_stun_write_view(&r.w, CF_TURN_DATA_ATTR, cf_view_str("x"));
	cf_stun_write_empty(&r.w, CF_TURN_DONT_FRAGMENT);
	assert_int_equal(rig_send_raw(&r), 0);
	assert_int_equal(r.n_peer_out, before + 1);
	assert_true(r.peer_df);
	rig_done(&r);
}

static void channels(void **state)
{
	(void)state;
	for (uint8_t transport = CF_RELAY_UDP; transport <= CF_RELAY_TLS; transport++) {
		struct cf_addr other = rig_addr("8.8.8.8:701");
		struct rig r;

		rig_ready(&r, transport);
		assert_int_equal(channel_data(&r, 0x4000, "none"), 0);
		assert_int_equal(r.n_peer_out, 0);
		rig_bind(&r, 0x4000, &peer4);
		rig_expect_success(&r);
		assert_int_equal(channel_data(&r, 0x4000, "data"), 0);
		assert_int_equal(r.n_peer_out, 1);
		assert_true(cf_addr_eq(&r.peer_to, &peer4));
		assert_memory_equal(r.peer_out, "data", 4);
		assert_int_equal(channel_data(&r, 0x4001, "data"), 0);
		assert_int_equal(r.n_peer_out, 1);
		assert_true(rig_from_peer(&r, &peer4, "voice"));
		if (transport == CF_RELAY_UDP) {
			assert_int_equal(r.out_len, 9);
			assert_memory_equal(r.out, "\x40\x00\x00\x05voice", 9);
		} else { /* RFC 8656 section 12.5: padded on streams */
			assert_int_equal(r.out_len, 12);
			assert_memory_equal(r.out, "\x40\x00\x00\x05voice\0\0\0", 12);
		}
		assert_true(rig_from_peer(&r, &other, "voice")); /* same IP, no channel */
		assert_int_equal(cf_stun_msg_parse(&r.msg, r.out, r.out_len), 0);
		/* The channel lives 600 s, its permission 300: then data is dropped, RFC 8656 11.3.
		 */
		rig_refresh(&r, 3600);
		r.now += 301 * CF_US_PER_S;
		assert_false(rig_from_peer(&r, &peer4, "voice"));
		rig_bind(&r, 0x4000, &peer4);
		rig_expect_success(&r);
		assert_true(rig_from_peer(&r, &peer4, "voice"));
		r.now += 601 * CF_US_PER_S;
		assert_int_equal(channel_data(&r, 0x4000, "dead"), 0);
		assert_int_equal(r.n_peer_out, 1);
		rig_done(&r);
	}
}

static void broken_channel_data(void **state)
{
	struct rig r;

	(void)state;
	rig_ready(&r, CF_RELAY_UDP);
	rig_bind(&r, 0x4000, &peer4);
	assert_int_equal(cf_relay_client_input(r.relay, &r.from,
				 (const uint8_t *)"\x40\0\0\x05"
						  "abcd",
				 8, r.now),
		0);
	assert_int_equal(r.n_peer_out, 0);
	assert_int_equal(cf_relay_client_input(r.relay, &r.from,
				 (const uint8_t *)"\x40\0\0\x04"
						  "abcd",
				 8, r.now),
		0);
	assert_int_equal(r.n_peer_out, 1);
	rig_done(&r);
}

static void icmp(void **state)
{
	struct cf_addr stranger;
	struct cf_view v = {NULL, 0};
	struct rig r;
	int before;

	(void)state;
	rig_ready(&r, CF_RELAY_UDP);
	stranger = rig_addr("9.9.9.9:9");
	before = r.n_out;
	cf_relay_peer_icmp(r.relay, r.sockets[0].owner, &stranger, 3, 1, 0, r.now);
	assert_int_equal(r.n_out, before);
	cf_relay_peer_icmp(r.relay, r.sockets[0].owner, &peer4, 3, 4, 1400, r.now);
	assert_int_equal(r.n_out, before + 1);
	assert_int_equal(cf_stun_msg_parse(&r.msg, r.out, r.out_len), 0);
	assert_int_equal(r.msg.method, CF_TURN_DATA);
	assert_false(cf_stun_msg_has(&r.msg, CF_TURN_DATA_ATTR));
	assert_true(cf_stun_msg_attr(&r.msg, CF_TURN_ICMP, &v));
	assert_int_equal(v.len, 8);
	assert_memory_equal(v.p, "\0\0\x03\x04\0\0\x05\x78", 8);
	rig_done(&r);
}

static void counters(void **state)
{
	struct cf_relay_stats stats;
	struct rig r;

	(void)state;
	rig_ready(&r, CF_RELAY_UDP);
	rig_bind(&r, 0x4000, &peer4);
	assert_int_equal(channel_data(&r, 0x4000, "12345"), 0);
	assert_int_equal(channel_data(&r, 0x4000, "1234567"), 0);
	assert_true(rig_from_peer(&r, &peer4, "123"));
	cf_relay_free(r.relay, r.now);
	assert_int_equal(r.bill.counters.client_in_packets, 2);
	assert_int_equal(r.bill.counters.client_in_bytes, 20);
	assert_int_equal(r.bill.counters.peer_out_packets, 2);
	assert_int_equal(r.bill.counters.peer_out_bytes, 12);
	assert_int_equal(r.bill.counters.peer_in_packets, 1);
	assert_int_equal(r.bill.counters.peer_in_bytes, 3);
	assert_int_equal(r.bill.counters.client_out_packets, 1);
	assert_int_equal(r.bill.counters.client_out_bytes, 7);
	rig_ready(&r, CF_RELAY_UDP);
	assert_false(rig_from_peer(&r, &peer6, "x"));
	cf_relay_stats(r.relay, &stats);
	assert_int_equal(stats.dropped, 1);
	assert_int_equal(stats.allocations, 1);
	rig_done(&r);
}

/* 80,000 bit/s: 10,000 bytes a second each way, one second's worth at once. */
static void bandwidth_cap(void **state)
{
	char text[101];
	struct rig r;
	int n = 0;

	(void)state;
	memset(text, 'x', 100);
	text[100] = 0;
	rig_ready(&r, CF_RELAY_UDP);
	r.config.max_bps = 80000;
	rig_reconfigure(&r);
	for (int i = 0; i < 500; i++)
		n += rig_indicate(&r, &peer4, text);
	assert_int_equal(n, 100);
	for (int i = 0; i < 1000; i++) { /* 1 ms each: 10 bytes */
		r.now += 1000;
		n += rig_indicate(&r, &peer4, text);
	}
	assert_int_equal(n, 200);
	n = 0;
	for (int i = 0; i < 500; i++) /* the other direction has its own */
		n += rig_from_peer(&r, &peer4, text);
	assert_int_equal(n, 100);
	rig_done(&r);
}

static bool allowed(const struct cf_relay_config *config, const char *text)
{
	struct cf_addr addr = rig_addr(text);

	return cf_relay_peer_allowed(config, &addr);
}

static void policy(void **state)
{
	static const char *const special[] = {"127.0.0.1:1", "10.1.2.3:1", "172.16.0.1:1",
		"192.168.1.1:1", "169.254.169.254:80", "224.0.0.1:1", "255.255.255.255:1",
		"240.0.0.1:1", "0.0.0.0:1", "100.64.0.1:1", "[::1]:1", "[fe80::1]:1", "[fc00::1]:1",
		"[ff02::1]:1", "[::ffff:10.0.0.1]:1", "[64:ff9b::a00:1]:1", "[2002:a00:1::]:1",
		"[::]:1"};
	struct cf_relay_config config = cf_relay_config_defaults();
	struct cf_cidr cidrs[2];
	struct cf_addr own[2] = {rig_addr("198.51.1.1:3478"), rig_addr("198.51.1.2:0")};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(special); i++)
		assert_false(allowed(&config, special[i]));
	assert_true(allowed(&config, "8.8.8.8:1"));
	assert_true(allowed(&config, "[2600::1]:1"));
	assert_int_equal(cf_cidr_parse(&cidrs[0], "10.1.0.0/16"), 0);
	assert_int_equal(cf_cidr_parse(&cidrs[1], "127.0.0.1"), 0);
	config.allow_peers = cidrs;
	config.n_allow_peers = 2;
	config.own = own;
	config.n_own = 2;
	assert_true(allowed(&config, "10.1.2.3:1"));
	assert_true(allowed(&config, "127.0.0.1:1"));
	assert_false(allowed(&config, "10.2.2.3:1"));
	assert_false(allowed(&config, "198.51.1.1:3478"));
	assert_true(allowed(&config, "198.51.1.1:50000")); /* a relayed address of ours */
	assert_false(allowed(&config, "198.51.1.2:50000"));
}

/* A permission is for an IP; our own ports on it stay closed for Send and ChannelBind. */
static void own_ports(void **state)
{
	struct cf_addr own, relayed;
	struct rig r;

	(void)state;
	rig_init(&r);
	own = rig_addr("198.51.1.1:3478");
	relayed = rig_addr("198.51.1.1:50000");
	r.config.own = &own;
	r.config.n_own = 1;
	rig_reconfigure(&r);
	rig_allocate(&r);
	rig_permit(&r, &own);
	rig_expect_success(&r);
	assert_true(rig_indicate(&r, &relayed, "x"));
	assert_false(rig_indicate(&r, &own, "x"));
	rig_bind(&r, 0x4000, &own);
	rig_expect_signed_error(&r, 403);
	rig_bind(&r, 0x4000, &relayed);
	rig_expect_success(&r);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(send_and_data),
		cmocka_unit_test(data_ipv6),
		cmocka_unit_test(bad_indications),
		cmocka_unit_test(channels),
		cmocka_unit_test(broken_channel_data),
		cmocka_unit_test(icmp),
		cmocka_unit_test(counters),
		cmocka_unit_test(bandwidth_cap),
		cmocka_unit_test(policy),
		cmocka_unit_test(own_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
