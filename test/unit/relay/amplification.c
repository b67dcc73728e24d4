/* SPDX-License-Identifier: Apache-2.0 */
/* What strangers get is no more than 1.75 times what they sent, Binding 1.25 times with the IP and
 * UDP headers (docs/adr/0006): from both sides, for the small answer has to be of use as well. */
#include "unit/relay/rig.h"

static const uint16_t methods[] = {
	CF_TURN_ALLOCATE, CF_TURN_REFRESH, CF_TURN_CREATE_PERMISSION, CF_TURN_CHANNEL_BIND};

static void use_realm(struct rig *r, const char *realm)
{
	r->realm = r->config.realm = realm;
	rig_set_key(r);
	rig_reconfigure(r);
}

/* Sends what was begun and gives the length of the request. */
static size_t send_counted(struct rig *r)
{
	size_t n = r->w.w.len;

	assert_int_equal(rig_send_raw(r), 0);
	return n;
}

static void padding(struct rig *r, size_t n)
{
	static const char text[] = "0123456789012345678901234567890123456789012345678901234567890";

	if (n > 0)
		cf_stun_write_bytes(&r->w, CF_STUN_SOFTWARE, text, n);
}

/* Every method, with and without FINGERPRINT, at each size; always an answer, never a large one. */
static void within_bounds(void **state)
{
	static const char *const realms[] = {
		"r", "callflow", "example.org", "a realm far too long"};
	struct rig r;

	(void)state;
	rig_init(&r);
	r.config.unauth_per_s = 0;
	for (size_t i = 0; i < 4 * 4 * 2 * 60; i++) {
		uint16_t method = methods[i & 3];
		size_t n;

		use_realm(&r, realms[i >> 2 & 3]);
		rig_begin(&r, CF_STUN_REQUEST, method);
		if (method == CF_TURN_ALLOCATE)
			cf_stun_write_u32(&r.w, CF_TURN_REQUESTED_TRANSPORT, 17u << 24);
		padding(&r, i >> 5);
		if (i & 16)
			cf_stun_write_fingerprint(&r.w);
		n = send_counted(&r);
		assert_true(r.out_len > 0);
		assert_true(r.out_len * 4 <= n * 7);
	}
	rig_done(&r);
}

/* Refusals that answer something signed: the key is wrong, an attribute unknown, and so on. */
static void refusals(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_challenge(&r);
	for (int i = 0; i < 3; i++) {
		size_t n;

		r.key[0] ^= i < 2; /* wrong at first */
		rig_begin_allocate(&r);
		if (i == 1)
			r.nonce[20] ^= 1; /* 438 */
		if (i != 2)
			rig_write_auth(&r);
		else
			cf_stun_write_integrity(&r.w, cf_view_of(r.key, r.key_len)); /* 400 */
		n = send_counted(&r);
		rig_expect_error(&r, (const uint16_t[]){401, 438, 400}[i]);
		assert_true(r.out_len * 4 <= n * 7);
		if (i == 1)
			assert_memory_equal(r.nonce, "obMatJos2AAAB", 13);
	}
	r.config.enabled = false;
	rig_reconfigure(&r);
	rig_begin_allocate(&r);
	assert_true(send_counted(&r) == 28 && r.out_len <= 49);
	rig_expect_error(&r, 403);
	rig_done(&r);
}

/* The bare 28 bytes that browsers send: 48 come back, and they are enough for an allocation. */
static void smallest_challenge(void **state)
{
	static const char *const realms[] = {"callflow", "example.org"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct cf_addr peer = rig_addr("8.8.8.8:1");
		struct rig r;

		rig_init(&r);
		use_realm(&r, realms[i]);
		r.realm = i ? "example." : "callflow"; /* what the client gets to see */
		rig_set_key(&r);
		rig_begin_allocate(&r);
		assert_int_equal(send_counted(&r), 28);
		rig_expect_error(&r, 401);
		assert_int_equal(r.out_len, 48);
		assert_int_equal(strlen(r.nonce), 4);
		rig_begin_allocate(&r);
		rig_send(&r);
		rig_expect_success(&r);
		rig_permit(&r, &peer);
		rig_expect_success(&r);
		r.nonce[2] ^= 1; /* a stale one: the realm stays as it was told */
		rig_refresh(&r, 600);
		rig_expect_error(&r, 438);
		assert_memory_equal(r.nonce, "obMatJos2AAAB", 13);
		rig_refresh(&r, 600);
		rig_expect_success(&r);
		rig_done(&r);
	}
}

/* The whole challenge comes as soon as it may: at 48 bytes, and always where a handshake has proven
 * the address. */
static void whole_challenge(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	use_realm(&r, "callflow");
	rig_begin_allocate(&r);
	padding(&r, 12);
	assert_int_equal(send_counted(&r), 44);
	rig_expect_error(&r, 401);
	assert_false(cf_stun_msg_has(&r.msg, CF_STUN_PASSWORD_ALGORITHMS));
	rig_begin_allocate(&r);
	padding(&r, 16);
	assert_int_equal(send_counted(&r), 48);
	rig_expect_error(&r, 401);
	assert_int_equal(r.out_len, 80);
	assert_memory_equal(r.nonce, "obMatJos2AAAB", 13);
	assert_true(cf_stun_msg_has(&r.msg, CF_STUN_PASSWORD_ALGORITHMS));
	r.from.transport = CF_RELAY_TCP;
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_REFRESH);
	assert_int_equal(send_counted(&r), 20);
	rig_expect_error(&r, 401);
	assert_true(cf_stun_msg_has(&r.msg, CF_STUN_PASSWORD_ALGORITHMS));
	rig_done(&r);
}

/* A request too small for any challenge is told that it is a bad one. */
static void too_small(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_begin(&r, CF_STUN_REQUEST, CF_TURN_ALLOCATE);
	assert_int_equal(send_counted(&r), 20);
	rig_expect_error(&r, 400);
	assert_int_equal(r.out_len, 28);
	rig_done(&r);
}

static void bindings(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	for (int i = 0; i < 4; i++) {
		size_t n;

		rig_begin(&r, CF_STUN_REQUEST, CF_STUN_BINDING);
		if (i & 1)
			cf_stun_write_empty(&r.w, 0x7777); /* 420 */
		if (i & 2)
			cf_stun_write_fingerprint(&r.w);
		n = send_counted(&r);
		assert_true(r.out_len > 0);
		assert_true((r.out_len + 28) * 4 <= (n + 28) * 5);
	}
	rig_done(&r);
}

/* Over IPv6 a bare request cannot be answered within the bound: so many a second and no more. */
static void bindings_over_ipv6(void **state)
{
	int answers = 0;
	struct rig r;

	(void)state;
	rig_init(&r);
	r.from.remote = rig_addr("[2001:db8::1]:4000");
	for (int i = 0; i < 300; i++) {
		rig_begin(&r, CF_STUN_REQUEST, CF_STUN_BINDING);
		assert_int_equal(send_counted(&r), 20);
		answers += r.out_len > 0;
	}
	assert_int_equal(answers, 100);
	rig_begin(&r, CF_STUN_REQUEST, CF_STUN_BINDING);
	padding(&r, 8);
	assert_true(send_counted(&r) == 32 && r.out_len == 44); /* within: not counted */
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(within_bounds),
		cmocka_unit_test(refusals),
		cmocka_unit_test(smallest_challenge),
		cmocka_unit_test(whole_challenge),
		cmocka_unit_test(too_small),
		cmocka_unit_test(bindings),
		cmocka_unit_test(bindings_over_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
