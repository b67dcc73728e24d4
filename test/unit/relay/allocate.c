/* SPDX-License-Identifier: Apache-2.0 */
/* Allocate: RFC 8656 section 7.2, step by step, and what an allocation costs. */
#include "unit/relay/rig.h"

#include "relay/relay_priv.h"

static void success(void **state)
{
	struct cf_addr addr;
	struct rig r;
	uint32_t u32;

	(void)state;
	rig_init(&r);
	rig_allocate(&r);
	assert_int_equal(cf_stun_msg_xor_addr(&r.msg, CF_TURN_XOR_RELAYED_ADDRESS, &addr), 0);
	assert_true(cf_addr_eq(&addr, &r.sockets[0].relayed));
	assert_int_equal(cf_stun_msg_xor_addr(&r.msg, CF_STUN_XOR_MAPPED_ADDRESS, &addr), 0);
	assert_true(cf_addr_eq(&addr, &r.from.remote));
	assert_int_equal(cf_stun_msg_u32(&r.msg, CF_TURN_LIFETIME, &u32), 0);
	assert_int_equal(u32, 600);
	assert_false(cf_stun_msg_has(&r.msg, CF_TURN_RESERVATION_TOKEN));
	assert_true(cf_addr_eq(&r.last_open.near, &r.from.local));
	assert_int_equal(cf_relay_n_allocations(r.relay), 1);
	assert_true(cf_relay_has_allocation(r.relay, &r.from, r.now));
	assert_true(sizeof(struct cf_relay_alloc) + sizeof(struct cf_relay_permission) +
			    sizeof(struct cf_relay_channel) <
		    1024);
	rig_done(&r);
	assert_int_equal(r.n_ended, 1);
	assert_string_equal(r.bill_call, "call-1");
	assert_string_equal(r.bill_user, "alice");
}

/* The same transaction twice: one allocation, the same answer. Another one: 437. */
static void retransmission(void **state)
{
	uint8_t first[1024], answer[1024];
	struct rig r;
	size_t n, n_answer;

	(void)state;
	rig_init(&r);
	rig_allocate(&r);
	n = r.w.w.len;
	memcpy(first, r.req, n);
	n_answer = r.out_len;
	memcpy(answer, r.out, n_answer);
	assert_int_equal(cf_relay_client_input(r.relay, &r.from, first, n, r.now), 0);
	assert_int_equal(r.out_len, n_answer);
	assert_memory_equal(r.out, answer, n_answer);
	assert_int_equal(r.n_sockets, 1);
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_signed_error(&r, 437);
	r.from.remote.port++; /* another 5-tuple is another client */
	rig_allocate(&r);
	assert_int_equal(cf_relay_n_allocations(r.relay), 2);
	rig_done(&r);
}

static void attempt(struct rig *r, uint16_t type, const void *value, size_t n, uint16_t code)
{
	rig_begin_allocate(r);
	cf_stun_write_bytes(&r->w, type, value, n);
	rig_send(r);
	rig_expect_signed_error(r, code);
}

static void transport(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_challenge(&r);
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_ALLOCATE);
	rig_send(&r);
	rig_expect_signed_error(&r, 400);
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_ALLOCATE);
	cf_stun_write_bytes(&r.w, CF_TURN_REQUESTED_TRANSPORT, "\x11", 1);
	rig_send(&r);
	rig_expect_signed_error(&r, 400);
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_ALLOCATE);
	cf_stun_write_u32(&r.w, CF_TURN_REQUESTED_TRANSPORT, 6u << 24);
	rig_send(&r);
	rig_expect_signed_error(&r, 442);
	attempt(&r, CF_TURN_LIFETIME, "\0\0", 2, 400);
	assert_int_equal(r.n_sockets, 0);
	rig_done(&r);
}

static void families(void **state)
{
	static const uint8_t v4[] = {1, 0, 0, 0}, v6[] = {2, 0, 0, 0}, odd[] = {3, 0, 0, 0};
	struct cf_addr addr;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_challenge(&r);
	attempt(&r, CF_TURN_REQUESTED_ADDRESS_FAMILY, odd, 4, 440);
	attempt(&r, CF_TURN_REQUESTED_ADDRESS_FAMILY, v4, 3, 400);
	attempt(&r, CF_TURN_ADDITIONAL_ADDRESS_FAMILY, v4, 4, 400);
	r.open_err = CF_ENOTSUP;
	attempt(&r, CF_TURN_REQUESTED_ADDRESS_FAMILY, v6, 4, 440);
	r.open_err = CF_EADDRINUSE;
	attempt(&r, CF_TURN_REQUESTED_ADDRESS_FAMILY, v4, 4, 508);
	r.open_err = 0;
	rig_begin_allocate(&r);
	cf_stun_write_bytes(&r.w, CF_TURN_REQUESTED_ADDRESS_FAMILY, v4, 4);
	cf_stun_write_bytes(&r.w, CF_TURN_ADDITIONAL_ADDRESS_FAMILY, v6, 4);
	rig_send(&r);
	rig_expect_signed_error(&r, 400);

	rig_begin_allocate(&r);
	cf_stun_write_bytes(&r.w, CF_TURN_REQUESTED_ADDRESS_FAMILY, v6, 4);
	rig_send(&r);
	rig_expect_success(&r);
	assert_int_equal(cf_stun_msg_xor_addr(&r.msg, CF_TURN_XOR_RELAYED_ADDRESS, &addr), 0);
	assert_int_equal(addr.family, CF_ADDR_IPV6);

	r.from.remote.port++; /* both at once */
	rig_challenge(&r);
	rig_begin_allocate(&r);
	cf_stun_write_bytes(&r.w, CF_TURN_ADDITIONAL_ADDRESS_FAMILY, v6, 4);
	rig_send(&r);
	rig_expect_success(&r);
	assert_int_equal(r.n_open, 3);
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_REFRESH); /* one of them given back */
	cf_stun_write_u32(&r.w, CF_TURN_LIFETIME, 0);
	cf_stun_write_u32(&r.w, CF_TURN_REQUESTED_ADDRESS_FAMILY, 1u << 24);
	rig_send(&r);
	rig_expect_success(&r);
	assert_int_equal(r.n_open, 2);
	assert_int_equal(cf_relay_n_allocations(r.relay), 2);
	addr = rig_addr("8.8.8.8:1");
	rig_permit(&r, &addr);
	rig_expect_signed_error(&r, 443);
	addr = rig_addr("[2600::1]:1");
	rig_permit(&r, &addr);
	rig_expect_success(&r);
	assert_true(rig_indicate(&r, &addr, "six"));
	rig_refresh(&r, 0);
	rig_expect_success(&r);
	assert_int_equal(r.n_open, 1);
	rig_done(&r);
}

/* The second family is not there: the first stands, the answer says so. */
static int open_v4_only(
	const struct cf_relay_open *request, struct cf_relay_opened *ret_opened, void *arg)
{
	return request->family == CF_ADDR_IPV6 ? CF_ENOTSUP : rig_open(request, ret_opened, arg);
}

static void additional_refused(void **state)
{
	struct cf_relay_io io = rig_io();
	struct rig r;
	uint32_t u32;

	(void)state;
	rig_init(&r);
	cf_relay_free(r.relay, r.now);
	io.open = open_v4_only;
	r.relay = cf_relay_new(&r.config, &io, &r);
	rig_challenge(&r);
	rig_begin_allocate(&r);
	cf_stun_write_u32(&r.w, CF_TURN_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
	rig_send(&r);
	rig_expect_success(&r);
	assert_int_equal(cf_stun_msg_u32(&r.msg, CF_TURN_ADDRESS_ERROR_CODE, &u32), 0);
	assert_int_equal(u32, 2u << 24 | 4 << 8 | 40);
	rig_done(&r);
}

static void even_port_and_token(void **state)
{
	static const uint8_t token[] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct rig r;
	uint64_t u64;

	(void)state;
	rig_init(&r);
	rig_challenge(&r);
	attempt(&r, CF_TURN_EVEN_PORT, "\x80\x00", 2, 400);
	attempt(&r, CF_TURN_RESERVATION_TOKEN, token, 7, 400);
	r.open_err = CF_ENOTFOUND;
	attempt(&r, CF_TURN_RESERVATION_TOKEN, token, 8, 508);
	r.open_err = 0;
	rig_begin_allocate(&r);
	cf_stun_write_bytes(&r.w, CF_TURN_RESERVATION_TOKEN, token, 8);
	cf_stun_write_bytes(&r.w, CF_TURN_EVEN_PORT, "\x00", 1);
	rig_send(&r);
	rig_expect_signed_error(&r, 400);
	rig_begin_allocate(&r);
	cf_stun_write_bytes(&r.w, CF_TURN_RESERVATION_TOKEN, token, 8);
	cf_stun_write_u32(&r.w, CF_TURN_REQUESTED_ADDRESS_FAMILY, 1u << 24);
	rig_send(&r);
	rig_expect_signed_error(&r, 400);
	rig_begin_allocate(&r);
	cf_stun_write_bytes(&r.w, CF_TURN_EVEN_PORT, "\x80", 1);
	cf_stun_write_u32(&r.w, CF_TURN_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
	rig_send(&r);
	rig_expect_signed_error(&r, 400);

	rig_begin_allocate(&r);
	cf_stun_write_bytes(&r.w, CF_TURN_EVEN_PORT, "\x80", 1);
	rig_send(&r);
	rig_expect_success(&r);
	assert_true(r.last_open.even_port && r.last_open.reserve_next);
	assert_int_equal(cf_stun_msg_u64(&r.msg, CF_TURN_RESERVATION_TOKEN, &u64), 0);
	assert_true(u64 == 0x1122334455667788u);
	r.from.remote.port++;
	rig_challenge(&r);
	rig_begin_allocate(&r);
	cf_stun_write_bytes(&r.w, CF_TURN_RESERVATION_TOKEN, token, 8);
	rig_send(&r);
	rig_expect_success(&r);
	assert_true(r.last_open.has_token && r.last_open.token == 0x0102030405060708u);
	r.from.remote.port++;
	rig_challenge(&r);
	rig_begin_allocate(&r);
	cf_stun_write_bytes(&r.w, CF_TURN_EVEN_PORT, "\x00", 1);
	rig_send(&r);
	rig_expect_success(&r);
	assert_true(r.last_open.even_port && !r.last_open.reserve_next);
	assert_false(cf_stun_msg_has(&r.msg, CF_TURN_RESERVATION_TOKEN));
	rig_done(&r);
}

static void quotas(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_challenge(&r);
	r.admit_err = CF_ELIMIT;
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_signed_error(&r, 486);
	r.admit_err = CF_ENOSPC;
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_signed_error(&r, 508);
	r.admit_err = 0;
	r.config.max_allocations = 1;
	rig_reconfigure(&r);
	rig_allocate(&r);
	r.from.remote.port++;
	rig_challenge(&r);
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_signed_error(&r, 508);
	rig_done(&r);
}

static void draining(void **state)
{
	struct cf_addr alternate;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_allocate(&r);
	cf_relay_set_draining(r.relay, true);
	rig_refresh(&r, 600); /* what lives goes on */
	rig_expect_success(&r);
	r.from.remote.port++;
	rig_challenge(&r);
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_signed_error(&r, 508);
	r.config.alternate = rig_addr("192.0.2.200:3478");
	rig_reconfigure(&r);
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_signed_error(&r, 300);
	assert_int_equal(cf_stun_msg_addr(&r.msg, CF_STUN_ALTERNATE_SERVER, &alternate), 0);
	assert_true(cf_addr_eq(&alternate, &r.config.alternate));
	rig_done(&r);
}

/* Time: expiry by the wheel, with the last bill; a bill each minute only while bytes flow. */
static void expiry_and_bills(void **state)
{
	struct cf_addr peer;
	struct rig r;
	uint64_t start;

	(void)state;
	rig_init(&r);
	start = r.now;
	assert_true(cf_relay_deadline(r.relay) == CF_TIME_NEVER);
	peer = rig_addr("8.8.8.8:7");
	rig_allocate(&r);
	assert_int_equal(r.n_bills, 1); /* that there is one */
	assert_false(r.bill.ended);
	assert_true(r.bill.end_us == r.bill.start_us);
	rig_permit(&r, &peer);
	assert_true(rig_indicate(&r, &peer, "hello"));
	for (int i = 0; cf_relay_n_allocations(r.relay) > 0; i++) {
		assert_true(i < 20); /* a look each 50 s, not each second */
		assert_true(cf_relay_deadline(r.relay) > r.now);
		r.now = cf_relay_deadline(r.relay);
		cf_relay_tick(r.relay, r.now);
		if (i == 0)
			assert_int_equal(r.n_bills, 2);
	}
	assert_true(r.now - start <= 601 * CF_US_PER_S);
	assert_int_equal(r.n_bills, 3); /* another with the data, one at the end, none while idle */
	assert_int_equal(r.n_ended, 1);
	assert_true(r.bill.ended);
	assert_int_equal(strlen(r.bill.id), 32);
	assert_int_equal(r.bill.counters.peer_out_bytes, 5);
	assert_int_equal(r.bill.counters.peer_out_packets, 1);
	assert_int_equal(r.bill.start_us, start);
	assert_true(cf_addr_eq(&r.bill.client, &r.from.remote));
	assert_true(cf_addr_eq(&r.bill.relayed, &r.sockets[0].relayed));
	assert_true(cf_relay_deadline(r.relay) == CF_TIME_NEVER);
	rig_done(&r);
}

/* A tick that comes far too late still ends what is dead, and a late packet finds nothing. */
static void late_tick(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.expires_us = CF_TIME_NEVER;
	rig_allocate(&r);
	r.from.remote.port++;
	rig_allocate(&r);
	r.now += 700 * CF_US_PER_S;
	assert_false(cf_relay_has_allocation(r.relay, &r.from, r.now));
	cf_relay_tick(r.relay, r.now);
	assert_int_equal(cf_relay_n_allocations(r.relay), 0);
	r.now += 100000 * CF_US_PER_S; /* the wheel starts anew */
	rig_allocate(&r);
	r.now = cf_relay_deadline(r.relay);
	cf_relay_tick(r.relay, r.now);
	assert_int_equal(cf_relay_n_allocations(r.relay), 1);
	rig_done(&r);
}

static void closed_and_ended(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.from.transport = CF_RELAY_TCP;
	rig_allocate(&r);
	cf_relay_client_closed(r.relay, &r.from, r.now);
	assert_int_equal(cf_relay_n_allocations(r.relay), 0);
	cf_relay_client_closed(r.relay, &r.from, r.now);
	for (int i = 0; i < 40; i++) {
		r.from.remote.port++;
		r.username = i % 2 ? "bob" : RIG_CRED;
		rig_set_key(&r);
		rig_allocate(&r);
	}
	assert_int_equal(cf_relay_end(r.relay, cf_view_str("nope"), cf_view_str(""), r.now), 0);
	assert_int_equal(cf_relay_end(r.relay, cf_view_str(""), cf_view_str("bob"), r.now), 20);
	assert_int_equal(cf_relay_end(r.relay, cf_view_str("call-1"), cf_view_str(""), r.now), 20);
	assert_int_equal(cf_relay_n_allocations(r.relay), 0);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(success),
		cmocka_unit_test(retransmission),
		cmocka_unit_test(transport),
		cmocka_unit_test(families),
		cmocka_unit_test(additional_refused),
		cmocka_unit_test(even_port_and_token),
		cmocka_unit_test(quotas),
		cmocka_unit_test(draining),
		cmocka_unit_test(expiry_and_bills),
		cmocka_unit_test(late_tick),
		cmocka_unit_test(closed_and_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
