/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask: RFC 8489 section 9.2.4 and the nonce that needs no memory. */
#include "unit/relay/rig.h"

static void challenge(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_challenge(&r);
	assert_memory_equal(r.nonce, "obMatJos2AAAB", 13);
	assert_true(cf_stun_msg_has(&r.msg, CF_STUN_PASSWORD_ALGORITHMS));
	assert_int_equal(cf_relay_n_allocations(r.relay), 0);
	assert_int_equal(r.n_sockets, 0);
	rig_done(&r);
}

/* Integrity without what belongs to it: 400. */
static void missing_parts(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_challenge(&r);
	for (int missing = 0; missing < 3; missing++) {
		rig_begin_allocate(&r);
		if (missing != 0)
			cf_stun_write_view(&r.w, CF_STUN_USERNAME, cf_view_str(r.username));
		if (missing != 1)
			cf_stun_write_view(&r.w, CF_STUN_REALM, cf_view_str("example.org"));
		if (missing != 2)
			cf_stun_write_view(&r.w, CF_STUN_NONCE, cf_view_str(r.nonce));
		cf_stun_write_integrity(&r.w, cf_view_of(r.key, r.key_len));
		assert_int_equal(rig_send_raw(&r), 0);
		rig_expect_error(&r, 400);
	}
	rig_done(&r);
}

static void wrong_credentials(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_challenge(&r);
	r.key[3] ^= 1;
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_error(&r, 401);
	r.key[3] ^= 1;
	r.username = "mallory";
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_error(&r, 401);
	r.username = RIG_CRED;
	rig_begin_allocate(&r); /* another realm */
	cf_stun_write_view(&r.w, CF_STUN_USERNAME, cf_view_str(r.username));
	cf_stun_write_view(&r.w, CF_STUN_REALM, cf_view_str("example.com"));
	cf_stun_write_view(&r.w, CF_STUN_NONCE, cf_view_str(r.nonce));
	cf_stun_write_integrity(&r.w, cf_view_of(r.key, r.key_len));
	assert_int_equal(rig_send_raw(&r), 0);
	rig_expect_error(&r, 401);
	r.auth_err = CF_EEXPIRED;
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_error(&r, 401);
	r.auth_err = 0;
	r.expires_us = r.now; /* to the second */
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_error(&r, 401);
	assert_int_equal(r.n_sockets, 0);
	rig_done(&r);
}

/* Bob can be found by hash; Alice, whose name carries its own proof, cannot. */
static void userhash(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct cf_addr peer = rig_addr("8.8.8.8:1");
		struct rig r;

		rig_init(&r);
		r.config.anonymity = i & 1; /* taken also where it is not offered */
		r.sha256 = r.algorithms = i & 2;
		rig_reconfigure(&r);
		r.userhash = true;
		r.username = "bob";
		rig_set_key(&r);
		rig_allocate(&r);
		assert_memory_equal(r.nonce, i & 1 ? "obMatJos2AAAD" : "obMatJos2AAAB", 13);
		assert_string_equal(r.bill_user, "bob");
		rig_permit(&r, &peer);
		rig_expect_success(&r);
		r.userhash = false; /* one and the same user */
		rig_refresh(&r, 0);
		rig_expect_success(&r);
		rig_done(&r);
	}
}

/* Who was told to hide a name that cannot be found is told at once to show it. */
static void userhash_unknown(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.config.anonymity = true;
	rig_reconfigure(&r);
	rig_challenge(&r);
	r.userhash = true;
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_error(&r, 438);
	assert_memory_equal(r.nonce, "obMatJos2AAAB", 13);
	rig_begin_allocate(&r); /* stubborn */
	rig_send(&r);
	rig_expect_error(&r, 401);
	rig_challenge(&r);
	r.nonce[12] = 'B'; /* forged: anonymity taken out */
	r.userhash = false;
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_error(&r, 438);
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_success(&r);
	r.userhash = true; /* the allocation's own name is known */
	rig_refresh(&r, 600);
	rig_expect_success(&r);
	r.username = "bob";
	rig_set_key(&r);
	rig_refresh(&r, 600);
	rig_expect_signed_error(&r, 441);
	rig_done(&r);
}

/* A name and a hash, or a hash of another length: 400. */
static void userhash_malformed(void **state)
{
	uint8_t hash[32] = {1};
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_challenge(&r);
	for (int i = 0; i < 2; i++) {
		rig_begin_allocate(&r);
		cf_stun_write_bytes(&r.w, CF_STUN_USERHASH, hash, i ? 31 : 32);
		if (i == 0)
			cf_stun_write_view(&r.w, CF_STUN_USERNAME, cf_view_str(r.username));
		cf_stun_write_view(&r.w, CF_STUN_REALM, cf_view_str(r.realm));
		cf_stun_write_view(&r.w, CF_STUN_NONCE, cf_view_str(r.nonce));
		cf_stun_write_integrity(&r.w, cf_view_of(r.key, r.key_len));
		assert_int_equal(rig_send_raw(&r), 0);
		rig_expect_error(&r, 400);
	}
	rig_done(&r);
}

/* One user under two algorithms is one user. */
static void algorithm_changed(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_allocate(&r);
	r.algorithms = r.sha256 = true;
	rig_set_key(&r);
	rig_refresh(&r, 600);
	rig_expect_success(&r);
	rig_done(&r);
}

static void stale_nonce(void **state)
{
	char old[128];
	struct rig r;

	(void)state;
	rig_init(&r);
	r.expires_us = CF_TIME_NEVER;
	rig_challenge(&r);
	memcpy(old, r.nonce, sizeof(old));
	r.now += 3600 * CF_US_PER_S;
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_error(&r, 438);
	assert_string_not_equal(r.nonce, old);
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_success(&r);
	r.from.remote.port++; /* a nonce is for one client address */
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_error(&r, 438);
	memcpy(r.nonce, "nonsense", 9);
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_error(&r, 438);
	r.nonce[20] = r.nonce[20] == '0' ? '1' : '0'; /* a longer life, forged */
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_error(&r, 438);
	rig_done(&r);
}

/* Both integrities, both keys: the answer is protected as the question was. */
static void answered_in_kind(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct rig r;

		rig_init(&r);
		r.sha256 = i & 1;
		r.algorithms = i & 2;
		rig_set_key(&r);
		rig_allocate(&r);
		assert_int_equal(cf_stun_msg_has(&r.msg, CF_STUN_MESSAGE_INTEGRITY), !r.sha256);
		assert_int_equal(
			cf_stun_msg_has(&r.msg, CF_STUN_MESSAGE_INTEGRITY_SHA256), r.sha256);
		rig_refresh(&r, 600);
		rig_expect_success(&r);
		rig_done(&r);
	}
}

/* RFC 8489 section 9.2.4: list and choice come together and as offered. */
static void bad_algorithms(void **state)
{
	static const uint8_t good[] = {0, 2, 0, 0, 0, 1, 0, 0}, cut[] = {0, 1, 0, 0};
	static const struct {
		const uint8_t *list;
		size_t n_list;
		uint32_t choice;
	} cases[] = {
		{good, 8, 0},
		{NULL, 0, 2u << 16},
		{cut, 4, 1u << 16},
		{good, 8, 7u << 16},
		{good, 8, 2},
	};
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_challenge(&r);
	for (size_t i = 0; i < CF_ARRAY_LEN(cases); i++) {
		rig_begin_allocate(&r);
		if (cases[i].list)
			cf_stun_write_bytes(
				&r.w, CF_STUN_PASSWORD_ALGORITHMS, cases[i].list, cases[i].n_list);
		if (cases[i].choice)
			cf_stun_write_u32(&r.w, CF_STUN_PASSWORD_ALGORITHM, cases[i].choice);
		rig_send(&r);
		rig_expect_error(&r, 400);
	}
	rig_done(&r);
}

/* Another user, whose credentials are right, may not touch this allocation: 441. */
static void wrong_user(void **state)
{
	struct cf_addr peer;
	struct rig r;

	(void)state;
	rig_init(&r);
	peer = rig_addr("8.8.8.8:1");
	rig_allocate(&r);
	r.username = "bob";
	rig_set_key(&r);
	rig_refresh(&r, 0);
	rig_expect_signed_error(&r, 441);
	rig_permit(&r, &peer);
	rig_expect_signed_error(&r, 441);
	rig_bind(&r, 0x4000, &peer);
	rig_expect_signed_error(&r, 441);
	rig_begin_allocate(&r);
	rig_send(&r);
	rig_expect_signed_error(&r, 437);
	r.key[0] ^= 1;
	rig_refresh(&r, 0);
	rig_expect_error(&r, 401);
	assert_int_equal(cf_relay_n_allocations(r.relay), 1);
	rig_done(&r);
}

/* Answers to strangers are counted out per source; streams and other sources are not concerned. */
static void muted(void **state)
{
	struct cf_relay_stats stats;
	struct rig r;

	(void)state;
	rig_init(&r);
	for (int i = 0; i < 1000; i++) {
		r.from.remote.port = (uint16_t)(1000 + i);
		rig_begin_allocate(&r);
		assert_int_equal(rig_send_raw(&r), 0);
	}
	assert_int_equal(r.n_out, 100); /* two seconds' worth at once */
	cf_relay_stats(r.relay, &stats);
	assert_int_equal(stats.muted, 900);
	assert_int_equal(stats.challenges, 100);
	r.from.remote.ip[0] ^= 1;
	rig_challenge(&r);
	r.from.remote.ip[0] ^= 1;
	r.from.transport = CF_RELAY_TCP;
	rig_challenge(&r);
	r.from.transport = CF_RELAY_UDP;
	rig_begin_allocate(&r);
	assert_int_equal(rig_send_raw(&r), 0);
	assert_int_equal(r.out_len, 0);
	r.now += CF_US_PER_S / 50;
	rig_challenge(&r);
	rig_begin(&r, CF_STUN_REQUEST, CF_STUN_BINDING); /* Binding is always answered */
	assert_int_equal(rig_send_raw(&r), 0);
	rig_parse(&r);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenge),
		cmocka_unit_test(missing_parts),
		cmocka_unit_test(wrong_credentials),
		cmocka_unit_test(userhash),
		cmocka_unit_test(userhash_unknown),
		cmocka_unit_test(userhash_malformed),
		cmocka_unit_test(algorithm_changed),
		cmocka_unit_test(stale_nonce),
		cmocka_unit_test(answered_in_kind),
		cmocka_unit_test(bad_algorithms),
		cmocka_unit_test(wrong_user),
		cmocka_unit_test(muted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
