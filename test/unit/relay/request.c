/* SPDX-License-Identifier: Apache-2.0 */
/* Binding, Refresh, CreatePermission, ChannelBind: every answer that the RFCs name. */
#include "unit/relay/rig.h"

static void binding(void **state)
{
	struct cf_addr addr;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_begin(&r, CF_STUN_REQUEST, CF_STUN_BINDING);
	assert_int_equal(rig_send_raw(&r), 0);
	rig_parse(&r);
	assert_int_equal(r.msg.cls, CF_STUN_SUCCESS);
	assert_int_equal(cf_stun_msg_xor_addr(&r.msg, CF_STUN_XOR_MAPPED_ADDRESS, &addr), 0);
	assert_true(cf_addr_eq(&addr, &r.from.remote));
	assert_int_equal(r.out_len, 32); /* small: no amplifier */
	assert_false(cf_stun_msg_has(&r.msg, CF_STUN_FINGERPRINT));

	rig_begin(&r, CF_STUN_REQUEST, CF_STUN_BINDING); /* FINGERPRINT is answered in kind */
	cf_stun_write_fingerprint(&r.w);
	assert_int_equal(rig_send_raw(&r), 0);
	rig_parse(&r);
	assert_true(cf_stun_msg_has(&r.msg, CF_STUN_FINGERPRINT));
	rig_done(&r);
}

/* An RFC 3489 client: no cookie, 16 bytes of transaction id, MAPPED-ADDRESS. */
static void classic_binding(void **state)
{
	uint8_t req[CF_STUN_HEADER_LEN + 8] = {0, 1};
	uint8_t large[600] = {0, 1, 580 >> 8, 580 & 0xff};
	struct cf_addr addr;
	uint16_t code = 0;
	struct rig r;

	(void)state;
	rig_init(&r);
	for (uint8_t i = 4; i < CF_STUN_HEADER_LEN; i++)
		req[i] = i;
	assert_int_equal(cf_relay_client_input(r.relay, &r.from, req, 20, r.now), 0);
	assert_int_equal(r.out_len, 32);
	assert_memory_equal(r.out, "\x01\x01\0\x0c", 4);
	assert_memory_equal(r.out + 4, req + 4, 16);
	memcpy(r.out + 4, "\x21\x12\xa4\x42", 4);
	assert_int_equal(cf_stun_msg_parse(&r.msg, r.out, r.out_len), 0);
	assert_int_equal(cf_stun_msg_addr(&r.msg, CF_STUN_MAPPED_ADDRESS, &addr), 0);
	assert_true(cf_addr_eq(&addr, &r.from.remote));

	memcpy(req + 20, "\0\3\0\4\0\0\0\6", 8); /* CHANGE-REQUEST is not served */
	req[3] = 8;
	assert_int_equal(cf_relay_client_input(r.relay, &r.from, req, 28, r.now), 0);
	assert_memory_equal(r.out, "\x01\x11", 2);
	assert_memory_equal(r.out + 4, req + 4, 16);
	memcpy(r.out + 4, "\x21\x12\xa4\x42", 4);
	assert_int_equal(cf_stun_msg_parse(&r.msg, r.out, r.out_len), 0);
	assert_int_equal(cf_stun_msg_error(&r.msg, &code, NULL), 0);
	assert_int_equal(code, 420);
	assert_int_equal(r.n_out, 2);

	assert_int_equal(cf_relay_client_input(r.relay, &r.from, req, 27, r.now), CF_EBADMSG);
	assert_int_equal(cf_relay_client_input(r.relay, &r.from, req, 19, r.now), CF_EBADMSG);
	assert_int_equal(cf_relay_client_input(r.relay, &r.from, large, 600, r.now), CF_EBADMSG);
	req[1] = 3; /* Allocate wants the cookie */
	assert_int_equal(cf_relay_client_input(r.relay, &r.from, req, 28, r.now), CF_EBADMSG);
	assert_int_equal(r.n_out, 2);
	rig_done(&r);
}

static void unknown_attributes(void **state)
{
	struct cf_view v = {NULL, 0};
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_begin(&r, CF_STUN_REQUEST, CF_STUN_BINDING);
	cf_stun_write_u32(&r.w, CF_STUN_CHANGE_REQUEST, 6);
	cf_stun_write_u32(&r.w, 0x9999, 6);
	assert_int_equal(rig_send_raw(&r), 0);
	rig_expect_error(&r, 420);
	assert_true(cf_stun_msg_attr(&r.msg, CF_STUN_UNKNOWN_ATTRIBUTES, &v));
	assert_int_equal(v.len, 2);
	assert_memory_equal(v.p, "\x00\x03", 2);

	rig_challenge(&r);
	rig_begin_allocate(&r);
	cf_stun_write_u32(&r.w, 0x7abc, 6);
	rig_send(&r);
	rig_expect_signed_error(&r, 420);
	assert_int_equal(r.n_open, 0);
	rig_done(&r);
}

/* Garbage, responses, unknown methods, Binding indications: silence, and no crash. */
static void silence(void **state)
{
	static const uint8_t garbage[] = {0x80, 1, 2, 3};
	struct rig r;

	(void)state;
	rig_init(&r);
	assert_int_equal(cf_relay_client_input(r.relay, &r.from, garbage, 4, r.now), CF_EBADMSG);
	assert_int_equal(cf_relay_client_input(r.relay, &r.from, garbage, 0, r.now), CF_EBADMSG);
	rig_begin(&r, CF_STUN_REQUEST, 0x00a); /* Connect of RFC 6062 */
	assert_int_equal(rig_send_raw(&r), 0);
	rig_begin(&r, CF_STUN_INDICATION, CF_STUN_BINDING);
	assert_int_equal(rig_send_raw(&r), 0);
	rig_begin(&r, CF_STUN_SUCCESS, CF_STUN_BINDING);
	assert_int_equal(rig_send_raw(&r), 0);
	rig_begin(&r, CF_STUN_INDICATION, CF_TURN_ALLOCATE);
	assert_int_equal(rig_send_raw(&r), 0);
	assert_int_equal(r.n_out, 0);
	rig_done(&r);
}

static void refresh(void **state)
{
	struct rig r;
	uint32_t u32;

	(void)state;
	rig_init(&r);
	rig_challenge(&r);
	rig_refresh(&r, 600);
	rig_expect_signed_error(&r, 437);
	rig_allocate(&r);
	static const struct {
		uint32_t asked, given;
	} cases[] = {{600, 600}, {10, 600}, {1800, 1800}, {100000, 3600}};
	for (size_t i = 0; i < CF_ARRAY_LEN(cases); i++) {
		rig_refresh(&r, cases[i].asked);
		rig_expect_success(&r);
		assert_int_equal(cf_stun_msg_u32(&r.msg, CF_TURN_LIFETIME, &u32), 0);
		assert_int_equal(u32, cases[i].given);
	}
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_REFRESH);
	cf_stun_write_u32(&r.w, CF_TURN_LIFETIME, 600);
	cf_stun_write_u32(&r.w, CF_TURN_REQUESTED_ADDRESS_FAMILY, 2u << 24);
	rig_send(&r);
	rig_expect_signed_error(&r, 443);
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_REFRESH);
	cf_stun_write_u64(&r.w, CF_TURN_LIFETIME, 600);
	rig_send(&r);
	rig_expect_signed_error(&r, 400);
	rig_refresh(&r, 0);
	rig_expect_success(&r);
	assert_int_equal(cf_stun_msg_u32(&r.msg, CF_TURN_LIFETIME, &u32), 0);
	assert_int_equal(u32, 0);
	assert_int_equal(r.n_open, 0);
	assert_int_equal(r.n_ended, 1);
	rig_refresh(&r, 0);
	rig_expect_signed_error(&r, 437);
	rig_done(&r);
}

/* An allocation outlives its credential by the grace and no longer. */
static void outlived_credential(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.expires_us = r.now + 1800 * CF_US_PER_S;
	r.config.expired_grace_us = 600 * CF_US_PER_S;
	r.config.nonce_lifetime_us = 86400 * CF_US_PER_S;
	rig_reconfigure(&r);
	rig_allocate(&r);
	rig_refresh(&r, 3600);
	rig_expect_success(&r);
	r.now += 2399 * CF_US_PER_S;
	rig_refresh(&r, 3600);
	rig_expect_success(&r);
	r.now += 2 * CF_US_PER_S;
	rig_refresh(&r, 3600);
	rig_expect_error(&r, 401);
	rig_refresh(&r, 0); /* going is always allowed */
	rig_expect_success(&r);
	rig_done(&r);
}

static void permissions(void **state)
{
	struct cf_addr a, b, v6, local;
	struct rig r;

	(void)state;
	a = rig_addr("203.0.113.77:5000");
	rig_init(&r);
	a = rig_addr("8.8.8.8:53");
	b = rig_addr("9.9.9.9:53");
	v6 = rig_addr("[2600::1]:53");
	local = rig_addr("127.0.0.1:53");
	rig_challenge(&r);
	rig_permit(&r, &a);
	rig_expect_signed_error(&r, 437);
	rig_allocate(&r);
	assert_false(rig_indicate(&r, &a, "no permission"));
	rig_permit(&r, &v6);
	rig_expect_signed_error(&r, 443);
	rig_permit(&r, &local);
	rig_expect_signed_error(&r, 403);
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_CREATE_PERMISSION);
	rig_send(&r);
	rig_expect_signed_error(&r, 400);
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_CREATE_PERMISSION);
	cf_stun_write_u32(&r.w, CF_TURN_XOR_PEER_ADDRESS, 1);
	rig_send(&r);
	rig_expect_signed_error(&r, 400);

	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_CREATE_PERMISSION); /* all or none */
	cf_stun_write_xor_addr(&r.w, CF_TURN_XOR_PEER_ADDRESS, &a);
	cf_stun_write_xor_addr(&r.w, CF_TURN_XOR_PEER_ADDRESS, &local);
	rig_send(&r);
	rig_expect_signed_error(&r, 403);
	assert_false(rig_indicate(&r, &a, "still none"));

	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_CREATE_PERMISSION);
	cf_stun_write_xor_addr(&r.w, CF_TURN_XOR_PEER_ADDRESS, &a);
	cf_stun_write_xor_addr(&r.w, CF_TURN_XOR_PEER_ADDRESS, &b);
	rig_send(&r);
	rig_expect_success(&r);
	a.port = 1; /* a permission is for the IP */
	assert_true(rig_indicate(&r, &a, "a"));
	assert_true(rig_indicate(&r, &b, "b"));
	r.now += 299 * CF_US_PER_S;
	assert_true(rig_indicate(&r, &a, "a"));
	assert_true(rig_from_peer(&r, &a, "a"));
	r.now += 1 * CF_US_PER_S;
	assert_false(rig_indicate(&r, &a, "a"));
	assert_false(rig_from_peer(&r, &a, "a"));
	rig_done(&r);
}

static void channels(void **state)
{
	struct cf_addr a, b;
	struct rig r;

	(void)state;
	rig_init(&r);
	a = rig_addr("8.8.8.8:53");
	b = rig_addr("9.9.9.9:53");
	rig_challenge(&r);
	rig_bind(&r, 0x4000, &a);
	rig_expect_signed_error(&r, 437);
	rig_allocate(&r);
	rig_bind(&r, 0x3fff, &a);
	rig_expect_signed_error(&r, 400);
	rig_bind(&r, 0x8000, &a);
	rig_expect_signed_error(&r, 400);
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_CHANNEL_BIND);
	cf_stun_write_u32(&r.w, CF_TURN_CHANNEL_NUMBER, 0x4000u << 16);
	rig_send(&r);
	rig_expect_signed_error(&r, 400);
	rig_bind(&r, 0x4000,
		&(struct cf_addr){.family = CF_ADDR_IPV4, .ip = {10, 0, 0, 1}, .port = 5});
	rig_expect_signed_error(&r, 403);
	a.family = CF_ADDR_IPV6;
	rig_bind(&r, 0x4000, &a);
	rig_expect_signed_error(&r, 443);
	a.family = CF_ADDR_IPV4;
	rig_bind(&r, 0x4000, &a);
	rig_expect_success(&r);
	rig_bind(&r, 0x4000, &a); /* renewed */
	rig_expect_success(&r);
	rig_bind(&r, 0x4000, &b);
	rig_expect_signed_error(&r, 400);
	rig_bind(&r, 0x4001, &a);
	rig_expect_signed_error(&r, 400);
	rig_bind(&r, 0x7fff, &b); /* as RFC 5766 has it */
	rig_expect_success(&r);
	assert_true(rig_indicate(&r, &a, "a")); /* a binding permits */
	r.now += 600 * CF_US_PER_S;
	rig_done(&r);
}

/* Limits of permissions and channels; what is dead makes room. */
static void limits(void **state)
{
	struct cf_addr a;
	struct rig r;

	(void)state;
	rig_init(&r);
	r.config.max_permissions = 3;
	r.config.max_channels = 2;
	rig_reconfigure(&r);
	rig_allocate(&r);
	a = rig_addr("8.8.8.8:1");
	for (uint16_t i = 0; i < 3; i++) {
		a.port = (uint16_t)(i + 1);
		rig_bind(&r, (uint16_t)(0x4000 + i), &a);
		if (i < 2)
			rig_expect_success(&r);
		else
			rig_expect_signed_error(&r, 508);
	}
	for (uint8_t i = 0; i < 3; i++) {
		a.ip[3] = (uint8_t)(100 + i);
		rig_permit(&r, &a);
		if (i < 2)
			rig_expect_success(&r);
		else
			rig_expect_signed_error(&r, 508);
	}
	rig_refresh(&r, 3600);
	rig_expect_success(&r);
	r.now += 301 * CF_US_PER_S; /* permissions are dead, channels hold one of them */
	for (uint8_t i = 0; i < 3; i++) {
		a.ip[3] = (uint8_t)(200 + i);
		rig_permit(&r, &a);
		if (i < 2)
			rig_expect_success(&r);
		else
			rig_expect_signed_error(&r, 508);
	}
	r.now += 300 * CF_US_PER_S; /* the channels too */
	for (uint16_t i = 0; i < 3; i++) {
		a.ip[3] = (uint8_t)(20 + i);
		rig_bind(&r, (uint16_t)(0x4100 + i), &a);
		if (i < 2)
			rig_expect_success(&r);
		else
			rig_expect_signed_error(&r, 508);
	}
	rig_done(&r);
}

static void disabled(void **state)
{
	struct cf_view reason = {NULL, 0};
	uint16_t code;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_allocate(&r);
	r.config.enabled = false;
	rig_reconfigure(&r);
	rig_refresh(&r, 600); /* what lives may go on */
	rig_expect_success(&r);
	r.from.remote.port++;
	rig_begin_allocate(&r);
	assert_int_equal(rig_send_raw(&r), 0);
	rig_expect_error(&r, 403);
	assert_int_equal(cf_stun_msg_error(&r.msg, &code, &reason), 0);
	assert_true(cf_view_is(reason, "relay disabled"));
	rig_begin(&r, CF_STUN_REQUEST, CF_STUN_BINDING);
	assert_int_equal(rig_send_raw(&r), 0);
	rig_parse(&r);
	assert_int_equal(r.msg.cls, CF_STUN_SUCCESS);
	rig_done(&r);
}

static int oom_body(void *arg)
{
	struct rig *r = arg;
	struct cf_relay_io io = rig_io();
	struct cf_addr a = {.family = CF_ADDR_IPV4, .ip = {8, 8, 8, 8}, .port = 9};
	struct cf_relay *relay = cf_relay_new(&r->config, &io, r);
	uint16_t code = 0;

	if (!relay)
		return CF_ENOMEM;
	r->relay = relay;
	r->n_sockets = 0;
	rig_challenge(r);
	rig_begin_allocate(r);
	rig_send(r);
	rig_parse(r);
	if (r->msg.cls == CF_STUN_SUCCESS) {
		rig_bind(r, 0x4000, &a);
		rig_parse(r);
	}
	(void)!cf_stun_msg_error(&r->msg, &code, NULL);
	cf_relay_free(relay, r->now);
	assert_int_equal(r->n_open, 0);
	assert_int_equal(r->admitted, 0);
	return code == 500 || code == 508 ? CF_ENOMEM : 0;
}

static void out_of_memory(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	cf_relay_free(r.relay, r.now);
	cf_test_oom(oom_body, &r, 1);
}

/* More peers than 32 in one request are fine; more attributes than we keep are refused, not
 * dropped. */
static void many_attributes(void **state)
{
	static const uint16_t methods[] = {CF_STUN_BINDING, CF_TURN_ALLOCATE, CF_TURN_REFRESH,
		CF_TURN_CREATE_PERMISSION, 0x333};
	struct cf_addr peer = rig_addr("8.8.8.8:1");
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_allocate(&r);
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_CREATE_PERMISSION);
	for (int i = 0; i < 64; i++, peer.ip[3]++)
		cf_stun_write_xor_addr(&r.w, CF_TURN_XOR_PEER_ADDRESS, &peer);
	rig_send(&r);
	rig_expect_success(&r);
	peer.ip[3]--;
	assert_true(rig_indicate(&r, &peer, "to the last of them"));
	for (size_t i = 0; i < CF_ARRAY_LEN(methods); i++) {
		rig_begin(&r, CF_STUN_REQUEST, methods[i]);
		for (int j = 0; j <= CF_STUN_MAX_ATTRS; j++)
			cf_stun_write_empty(&r.w, 0x8100);
		assert_int_equal(rig_send_raw(&r), 0);
		if (methods[i] == 0x333)
			assert_int_equal(r.out_len, 0); /* RFC 8489 section 6.3 */
		else
			rig_expect_error(&r, 400);
	}
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_attributes),
		cmocka_unit_test(binding),
		cmocka_unit_test(classic_binding),
		cmocka_unit_test(unknown_attributes),
		cmocka_unit_test(silence),
		cmocka_unit_test(refresh),
		cmocka_unit_test(outlived_credential),
		cmocka_unit_test(permissions),
		cmocka_unit_test(channels),
		cmocka_unit_test(limits),
		cmocka_unit_test(disabled),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
