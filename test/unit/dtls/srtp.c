/* SPDX-License-Identifier: Apache-2.0 */
/* SRTP against values that RFC 3711, 6188 and 7714 print, its limits, replay and roll-over. */
#include "harness/harness.h"

#include "base/mem.h"
#include "base/text.h"
#include "dtls/srtp.h"
#include "dtls/srtp_priv.h"

#include <openssl/crypto.h>
#include <stdlib.h>

static const enum cf_srtp_profile all[] = {
	CF_SRTP_AES128_CM_SHA1_80, CF_SRTP_AEAD_AES_128_GCM, CF_SRTP_AEAD_AES_256_GCM};

#define N_ALL (sizeof(all) / sizeof(all[0]))

static size_t unhex(uint8_t *out, const char *hex)
{
	size_t n = strlen(hex) / 2;

	assert_int_equal(cf_hex_decode(out, n, hex, 2 * n), 0);
	return n;
}

static void assert_hex(const uint8_t *p, size_t n, const char *hex)
{
	char text[1024];

	cf_hex_encode(text, p, n);
	assert_string_equal(text, hex);
}

static struct cf_srtp *make(enum cf_srtp_profile profile)
{
	static const uint8_t key[CF_SRTP_MAX_KEY] = {1, 2, 3}, salt[CF_SRTP_MAX_SALT] = {9, 8, 7};
	struct cf_srtp *srtp;

	assert_int_equal(cf_srtp_new(&srtp, profile, key, salt), 0);
	return srtp;
}

static size_t rtp(uint8_t *p, uint16_t seq, uint32_t ssrc)
{
	const uint8_t head[12] = {0x80, 111, (uint8_t)(seq >> 8), (uint8_t)seq, 0, 0, 0, 1,
		(uint8_t)(ssrc >> 24), (uint8_t)(ssrc >> 16), (uint8_t)(ssrc >> 8), (uint8_t)ssrc};

	memcpy(p, head, sizeof(head));
	memset(p + 12, 0x5a, 40);
	return 52;
}

static size_t rtcp(uint8_t *p, uint32_t ssrc)
{
	rtp(p, 0, 0);
	memcpy(p, (uint8_t[]){0x80, 201, 0, 1}, 4);
	p[4] = (uint8_t)(ssrc >> 24), p[5] = (uint8_t)(ssrc >> 16);
	p[6] = (uint8_t)(ssrc >> 8), p[7] = (uint8_t)ssrc;
	return 28;
}

static void derives_as_rfc3711_b3(void **state)
{
	uint8_t key[16], salt[14], out[94];

	(void)state;
	unhex(key, "e1f97a0d3e018be0d64fa32c06de4139");
	unhex(salt, "0ec675ad498afeebb6960b3aabe6");
	assert_int_equal(cf_srtp_derive(out, 16, key, 16, salt, CF_SRTP_LABEL_RTP_KEY), 0);
	assert_hex(out, 16, "c61e7a93744f39ee10734afe3ff7a087");
	assert_int_equal(cf_srtp_derive(out, 14, key, 16, salt, CF_SRTP_LABEL_RTP_SALT), 0);
	assert_hex(out, 14, "30cbbc08863d8c85d49db34a9ae1");
	assert_int_equal(cf_srtp_derive(out, 94, key, 16, salt, CF_SRTP_LABEL_RTP_AUTH), 0);
	assert_hex(out, 94,
		"cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327a"
		"d175578ef72270986371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e47403576"
		"6b68642c59bbfc2f34db60dbdfb2");
}

static void derives_as_rfc6188(void **state)
{
	uint8_t key[32], salt[14], out[32];

	(void)state;
	unhex(key, "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6");
	unhex(salt, "3b04803de51ee7c96423ab5b78d2");
	assert_int_equal(cf_srtp_derive(out, 32, key, 32, salt, CF_SRTP_LABEL_RTP_KEY), 0);
	assert_hex(out, 32, "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4");
	assert_int_equal(cf_srtp_derive(out, 14, key, 32, salt, CF_SRTP_LABEL_RTP_SALT), 0);
	assert_hex(out, 14, "fa31791685ca444a9e07c6c64e93");
	assert_int_equal(cf_srtp_derive(out, 20, key, 32, salt, CF_SRTP_LABEL_RTP_AUTH), 0);
	assert_hex(out, 20, "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
}

/* RFC 3711 B.2's key and salt: the keystream of an all-zero payload with SSRC 0 and index 0. */
static void keystream_as_rfc3711_b2(void **state)
{
	struct cf_srtp *srtp = make(CF_SRTP_AES128_CM_SHA1_80);
	uint8_t key[16], salt[14], auth[20] = {0}, p[12 + 48 + 10] = {0x80};

	(void)state;
	unhex(key, "2b7e151628aed2a6abf7158809cf4f3c");
	unhex(salt, "f0f1f2f3f4f5f6f7f8f9fafbfcfd");
	cf_srtp_keys_done(&srtp->rtp);
	assert_int_equal(cf_srtp_keys_init(&srtp->rtp, srtp->profile, key, salt, auth), 0);
	assert_int_equal(cf_srtp_protect_rtp(srtp, p, 60, sizeof(p)), 70);
	assert_hex(p + 12, 48,
		"e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab"
		"41e95b3bb0a2e8dd477901e4fca894c0");
	cf_srtp_free(srtp);
}

struct gcm_case {
	enum cf_srtp_profile profile;
	uint32_t rtcp_index;
	const char *key, *plain, *wire;
};

#define KEY16 "000102030405060708090a0b0c0d0e0f"
#define RTP_PLAIN                                                                   \
	"8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976697361206" \
	"96e207061727465732074726573"
#define RTCP_PLAIN                                                                 \
	"81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeef" \
	"deadbeefdeadbeefdeadbeefdeadbeef"

/* RFC 7714 sections 16.1.1, 16.2.1, 17.1; the keys printed there are session keys. */
static void gcm_as_rfc7714(void **state)
{
	static const struct gcm_case cases[] = {
		{CF_SRTP_AEAD_AES_128_GCM, 0, KEY16, RTP_PLAIN,
			"8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42"
			"a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce"},
		{CF_SRTP_AEAD_AES_256_GCM, 0, KEY16 "101112131415161718191a1b1c1d1e1f", RTP_PLAIN,
			"8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b5"
			"0b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13"},
		{CF_SRTP_AEAD_AES_128_GCM, 0x5d4, KEY16, RTCP_PLAIN,
			"81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f173"
			"0d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct gcm_case *c = &cases[i];
		struct cf_srtp *send = make(c->profile), *recv = make(c->profile);
		uint8_t key[32], salt[12], p[256], auth[20] = {0};
		size_t n = unhex(p, c->plain);
		int len;

		unhex(key, c->key);
		unhex(salt, "517569642070726f2071756f");
		for (int k = 0; k < 2; k++) {
			struct cf_srtp *s = k ? recv : send;

			cf_srtp_keys_done(&s->rtp);
			cf_srtp_keys_done(&s->rtcp);
			assert_int_equal(
				cf_srtp_keys_init(&s->rtp, c->profile, key, salt, auth), 0);
			assert_int_equal(
				cf_srtp_keys_init(&s->rtcp, c->profile, key, salt, auth), 0);
		}
		if (c->rtcp_index) {
			struct cf_srtp_source *src = cf_srtp_source_add(send, 0x4d617273);

			cf_srtp_seq_mark(&src->rtcp, c->rtcp_index - 1);
			len = cf_srtp_protect_rtcp(send, p, n, sizeof(p));
		} else {
			len = cf_srtp_protect_rtp(send, p, n, sizeof(p));
		}
		assert_true(len > 0);
		assert_hex(p, (size_t)len, c->wire);
		len = c->rtcp_index ? cf_srtp_unprotect_rtcp(recv, p, (size_t)len)
				    : cf_srtp_unprotect_rtp(recv, p, (size_t)len);
		assert_int_equal(len, n);
		assert_hex(p, n, c->plain);
		cf_srtp_free(send);
		cf_srtp_free(recv);
	}
}

/* Whole packets with the master key of RFC 3711 B.3, at the edges of the ROC. */
static void packets_at_roc_edges(void **state)
{
	static const struct {
		uint32_t roc;
		const char *plain, *wire;
	} cases[] = {
		{0, "800f1234decafbadcafebabeabababababababababababababababab",
			"800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8d"
			"bb"},
		{0, "800fffffdecafbadcafebabeabababababababababababababababab",
			"800fffffdecafbadcafebabef36e96fc87ac01758cea5f94ba171db81149c9c49efa93c1b4"
			"83"},
		{1, "800f0000decafbadcafebabeabababababababababababababababab",
			"800f0000decafbadcafebabe24ecf92d9c97bf2ac679b796fdfd365a267beecdc56456590e"
			"62"},
		{UINT32_MAX, "800fffffdecafbadcafebabeabababababababababababababababab",
			"800fffffdecafbadcafebabe8600988d69d2456da3f55eaca1a1af4ff3ef51be509e969dd4"
			"34"},
	};
	uint8_t key[16], salt[14];

	(void)state;
	unhex(key, "e1f97a0d3e018be0d64fa32c06de4139");
	unhex(salt, "0ec675ad498afeebb6960b3aabe6");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cf_srtp *send, *recv;
		uint8_t p[64];
		size_t n = unhex(p, cases[i].plain);

		assert_int_equal(cf_srtp_new(&send, CF_SRTP_AES128_CM_SHA1_80, key, salt), 0);
		assert_int_equal(cf_srtp_new(&recv, CF_SRTP_AES128_CM_SHA1_80, key, salt), 0);
		assert_int_equal(cf_srtp_set_roc(send, 0xcafebabe, cases[i].roc), 0);
		assert_int_equal(cf_srtp_set_roc(recv, 0xcafebabe, cases[i].roc), 0);
		assert_int_equal(cf_srtp_protect_rtp(send, p, n, sizeof(p)), n + 10);
		assert_hex(p, n + 10, cases[i].wire);
		assert_int_equal(cf_srtp_unprotect_rtp(recv, p, n + 10), n);
		assert_hex(p, n, cases[i].plain);
		assert_int_equal(cf_srtp_set_roc(recv, 0xcafebabe, 5), CF_EEXIST);
		cf_srtp_free(send);
		cf_srtp_free(recv);
	}
}

static void round_trip_over_roll_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ALL; i++) {
		struct cf_srtp *send = make(all[i]), *recv = make(all[i]);
		uint8_t p[128], want[128];

		for (uint32_t seq = 65000; seq < 2 * 65536 + 100; seq += 7) {
			size_t n = rtp(p, (uint16_t)seq, 77);
			int len;

			memcpy(want, p, n);
			len = cf_srtp_protect_rtp(send, p, n, sizeof(p));
			assert_int_equal(len, n + send->tag_len);
			if (seq % 3 == 0)
				continue; /* lost */
			assert_int_equal(cf_srtp_unprotect_rtp(recv, p, (size_t)len), n);
			assert_memory_equal(p, want, n);
		}
		assert_int_equal(recv->sources[0].rtp.highest >> 16, 2);
		cf_srtp_free(send);
		cf_srtp_free(recv);
	}
}

static void replays_and_old_ones_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ALL; i++) {
		struct cf_srtp *send = make(all[i]), *recv = make(all[i]);
		uint8_t p[300][128], copy[128];
		int len = 0;

		for (uint16_t seq = 0; seq < 300; seq++) {
			size_t n = rtp(p[seq], seq, 1);

			len = cf_srtp_protect_rtp(send, p[seq], n, sizeof(p[seq]));
			assert_true(len > 0);
		}
		/* Reordered within the window: taken once. */
		for (int round = 0; round < 2; round++)
			for (int seq = 299; seq >= 300 - CF_SRTP_WINDOW; seq--) {
				memcpy(copy, p[seq], (size_t)len);
				assert_int_equal(cf_srtp_unprotect_rtp(recv, copy, (size_t)len),
					round ? CF_EREPLAY : 52);
			}
		memcpy(copy, p[299 - CF_SRTP_WINDOW], (size_t)len);
		assert_int_equal(cf_srtp_unprotect_rtp(recv, copy, (size_t)len), CF_EREPLAY);
		/* A sender never uses a nonce twice. */
		rtp(copy, 299, 1);
		assert_int_equal(cf_srtp_protect_rtp(send, copy, 52, sizeof(copy)), CF_EREPLAY);
		cf_srtp_free(send);
		cf_srtp_free(recv);
	}
}

static void forged_bits_leave_no_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ALL; i++) {
		struct cf_srtp *send = make(all[i]), *recv = make(all[i]);
		uint8_t p[128], copy[128];
		int len = cf_srtp_protect_rtp(send, p, rtp(p, 9, 1), sizeof(p));

		assert_true(len > 0);
		for (size_t bit = 0; bit < 8u * (size_t)len; bit++) {
			memcpy(copy, p, (size_t)len);
			copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_true(cf_srtp_unprotect_rtp(recv, copy, (size_t)len) < 0);
		}
		assert_int_equal(recv->n_sources, 0);
		assert_int_equal(cf_srtp_unprotect_rtp(recv, p, (size_t)len), 52);
		len = cf_srtp_protect_rtcp(send, p, rtcp(p, 1), sizeof(p));
		assert_int_equal(len, 28 + 4 + send->tag_len);
		for (size_t bit = 0; bit < 8u * (size_t)len; bit++) {
			memcpy(copy, p, (size_t)len);
			copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_true(cf_srtp_unprotect_rtcp(recv, copy, (size_t)len) < 0);
		}
		memcpy(copy, p, (size_t)len);
		assert_int_equal(cf_srtp_unprotect_rtcp(recv, p, (size_t)len), 28);
		assert_int_equal(cf_srtp_unprotect_rtcp(recv, copy, (size_t)len), CF_EREPLAY);
		cf_srtp_free(send);
		cf_srtp_free(recv);
	}
}

static void sources_are_limited(void **state)
{
	struct cf_srtp *send[2] = {make(all[1]), make(all[1])}, *recv = make(all[1]);
	uint8_t p[128];
	int len;

	(void)state;
	for (uint32_t ssrc = 0; ssrc <= CF_SRTP_MAX_SOURCES; ssrc++) {
		struct cf_srtp *s = send[ssrc / CF_SRTP_MAX_SOURCES];

		len = cf_srtp_protect_rtp(s, p, rtp(p, 1, ssrc), sizeof(p));
		assert_int_equal(len, 68);
		assert_int_equal(cf_srtp_unprotect_rtp(recv, p, (size_t)len),
			ssrc < CF_SRTP_MAX_SOURCES ? 52 : CF_ELIMIT);
	}
	assert_int_equal(cf_srtp_protect_rtp(send[0], p, rtp(p, 1, 9999), sizeof(p)), CF_ELIMIT);
	assert_int_equal(cf_srtp_protect_rtcp(send[0], p, rtcp(p, 9999), sizeof(p)), CF_ELIMIT);
	assert_int_equal(cf_srtp_set_roc(send[0], 9999, 1), CF_ELIMIT);
	len = cf_srtp_protect_rtcp(send[1], p, rtcp(p, 9999), sizeof(p));
	assert_int_equal(cf_srtp_unprotect_rtcp(recv, p, (size_t)len), CF_ELIMIT);
	cf_srtp_free(send[0]);
	cf_srtp_free(send[1]);
	cf_srtp_free(recv);
}

static void keys_expire(void **state)
{
	struct cf_srtp *send = make(all[0]);
	struct cf_srtp_source *src;
	uint8_t p[128];

	(void)state;
	assert_int_equal(cf_srtp_set_roc(send, 1, UINT32_MAX), 0);
	assert_true(cf_srtp_protect_rtp(send, p, rtp(p, 65535, 1), sizeof(p)) > 0);
	assert_int_equal(cf_srtp_protect_rtp(send, p, rtp(p, 0, 1), sizeof(p)), CF_EEXPIRED);
	src = cf_srtp_source_find(send, 1);
	cf_srtp_seq_mark(&src->rtcp, CF_SRTCP_MAX_INDEX - 1);
	assert_true(cf_srtp_protect_rtcp(send, p, rtcp(p, 1), sizeof(p)) > 0);
	assert_int_equal(cf_srtp_protect_rtcp(send, p, rtcp(p, 1), sizeof(p)), CF_EEXPIRED);
	/* Before ROC 0 there is nothing. */
	assert_true(cf_srtp_protect_rtp(send, p, rtp(p, 5, 2), sizeof(p)) > 0);
	assert_int_equal(cf_srtp_protect_rtp(send, p, rtp(p, 65000, 2), sizeof(p)), CF_EREPLAY);
	cf_srtp_free(send);
}

static void bad_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ALL; i++) {
		struct cf_srtp *s = make(all[i]);
		uint8_t p[128];

		for (size_t n = 0; n < 22; n++) {
			rtp(p, 1, 1);
			assert_int_equal(cf_srtp_unprotect_rtp(s, p, n), CF_EBADMSG);
			rtcp(p, 1);
			assert_true(cf_srtp_unprotect_rtcp(s, p, n) < 0);
		}
		assert_int_equal(cf_srtp_protect_rtp(s, p, 11, sizeof(p)), CF_EBADMSG);
		assert_int_equal(cf_srtp_protect_rtcp(s, p, 7, sizeof(p)), CF_EBADMSG);
		assert_int_equal(
			cf_srtp_protect_rtp(s, p, rtp(p, 1, 1), 52 + s->tag_len - 1), CF_ENOSPC);
		assert_int_equal(
			cf_srtp_protect_rtcp(s, p, rtcp(p, 1), 28 + 4 + s->tag_len - 1), CF_ENOSPC);
		/* E = 0: not encrypted, refused. */
		rtcp(p, 1);
		assert_int_equal(cf_srtp_unprotect_rtcp(s, memset(p, 0x80, 12), 60), CF_EAUTH);
		memset(p + 12, 0, 100);
		assert_int_equal(cf_srtp_unprotect_rtcp(s, p, 60), CF_EAUTH);
		/* Header only, no payload. */
		assert_int_equal(
			cf_srtp_protect_rtp(s, p, (rtp(p, 1, 1), 12), 40), 12 + s->tag_len);
		cf_srtp_free(s);
	}
	{
		struct cf_srtp *none = NULL;
		uint8_t zero[32] = {0};

		assert_int_equal(cf_srtp_new(&none, 3, zero, zero), CF_EINVAL);
		assert_null(none);
		assert_null(cf_srtp_free(NULL));
		assert_int_equal(cf_srtp_key_len(3) + cf_srtp_salt_len(3), 0);
		assert_string_equal(cf_srtp_profile_name(3), "unknown");
		assert_string_equal(cf_srtp_profile_name(7), "AEAD_AES_128_GCM");
	}
}

static size_t ssl_allocations;

static void *count_malloc(size_t n, const char *file, int line)
{
	(void)file, (void)line;
	ssl_allocations++;
	return malloc(n);
}

static void *count_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file, (void)line;
	ssl_allocations++;
	return realloc(p, n);
}

static void count_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	free(p);
}

static void packets_allocate_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ALL; i++) {
		struct cf_srtp *send = make(all[i]), *recv = make(all[i]);
		size_t before = ssl_allocations;
		uint8_t p[128];
		int len;

		assert_true(before > 0);
		cf_mem_fail_after(0);
		for (uint16_t seq = 0; seq < 100; seq++) {
			len = cf_srtp_protect_rtp(send, p, rtp(p, seq, 1), sizeof(p));
			assert_int_equal(cf_srtp_unprotect_rtp(recv, p, (size_t)len), 52);
			len = cf_srtp_protect_rtcp(send, p, rtcp(p, 1), sizeof(p));
			assert_int_equal(cf_srtp_unprotect_rtcp(recv, p, (size_t)len), 28);
		}
		assert_false(cf_mem_failed());
		cf_mem_fail_after(-1);
		assert_int_equal(ssl_allocations, before);
		cf_srtp_free(send);
		cf_srtp_free(recv);
	}
}

static int make_one(void *arg)
{
	static const uint8_t zero[CF_SRTP_MAX_KEY];
	struct cf_srtp *srtp;
	int err = cf_srtp_new(&srtp, CF_SRTP_AEAD_AES_256_GCM, zero, zero);

	(void)arg;
	if (!err)
		cf_srtp_free(srtp);
	return err;
}

static void survives_oom(void **state)
{
	(void)state;
	cf_test_oom(make_one, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(derives_as_rfc3711_b3),
		cmocka_unit_test(derives_as_rfc6188),
		cmocka_unit_test(keystream_as_rfc3711_b2),
		cmocka_unit_test(gcm_as_rfc7714),
		cmocka_unit_test(packets_at_roc_edges),
		cmocka_unit_test(round_trip_over_roll_over),
		cmocka_unit_test(replays_and_old_ones_are_refused),
		cmocka_unit_test(forged_bits_leave_no_state),
		cmocka_unit_test(sources_are_limited),
		cmocka_unit_test(keys_expire),
		cmocka_unit_test(bad_shapes),
		cmocka_unit_test(packets_allocate_nothing),
		cmocka_unit_test(survives_oom),
	};

	if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
