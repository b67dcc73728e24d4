/* SPDX-License-Identifier: Apache-2.0 */
/* SRTP against another implementation (libsrtp2), both ways, and against the shared vector file.
 * Each part says that it skips where its counterpart is absent. */
#include "harness/harness.h"

#include "base/text.h"
#include "dtls/srtp_priv.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define SSRC 0xcafebabe

static size_t unhex(uint8_t *out, const char *hex)
{
	size_t n = strlen(hex) / 2;

	assert_int_equal(cf_hex_decode(out, n, hex, 2 * n), 0);
	return n;
}

static const char *field(const json_t *entry, const char *name)
{
	const char *text = json_string_value(json_object_get(entry, name));

	return text ? text : "";
}

static struct cf_srtp *from_vector(const json_t *v, uint32_t ssrc)
{
	const char *session = field(v, "key");
	uint8_t key[32] = {0}, salt[14] = {0}, auth[20] = {0};
	enum cf_srtp_profile profile = CF_SRTP_AES128_CM_SHA1_80;
	uint32_t roc = (uint32_t)json_integer_value(json_object_get(v, "roc"));
	struct cf_srtp *srtp;

	if (*session)
		profile = unhex(key, session) == 32 ? CF_SRTP_AEAD_AES_256_GCM
						    : CF_SRTP_AEAD_AES_128_GCM;
	else
		unhex(key, field(v, "master_key"));
	unhex(salt, *session ? field(v, "salt") : field(v, "master_salt"));
	assert_int_equal(cf_srtp_new(&srtp, profile, key, salt), 0);
	if (*session) {
		cf_srtp_keys_done(&srtp->rtp);
		cf_srtp_keys_done(&srtp->rtcp);
		assert_int_equal(cf_srtp_keys_init(&srtp->rtp, profile, key, salt, auth), 0);
		assert_int_equal(cf_srtp_keys_init(&srtp->rtcp, profile, key, salt, auth), 0);
	}
	assert_int_equal(cf_srtp_set_roc(srtp, ssrc, roc), 0);
	return srtp;
}

static void check_vector(const json_t *v)
{
	const char *name = field(v, "name");
	bool rtcp = *field(v, "rtcp_hex");
	uint8_t plain[256], wire[256], p[256];
	size_t n = unhex(plain, field(v, rtcp ? "rtcp_hex" : "rtp_hex"));
	size_t n_wire = unhex(wire, field(v, rtcp ? "srtcp_hex" : "srtp_hex"));
	const uint8_t *at = plain + (rtcp ? 4 : 8);
	uint32_t ssrc = (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
	struct cf_srtp *send = from_vector(v, ssrc), *recv = from_vector(v, ssrc);
	uint32_t index = (uint32_t)json_integer_value(json_object_get(v, "index"));

	if (strstr(name, "32") == NULL) {
		memcpy(p, plain, n);
		if (rtcp)
			cf_srtp_seq_mark(&cf_srtp_source_find(send, ssrc)->rtcp, index - 1);
		assert_int_equal(rtcp ? cf_srtp_protect_rtcp(send, p, n, sizeof(p))
				      : cf_srtp_protect_rtp(send, p, n, sizeof(p)),
			n_wire);
		assert_memory_equal(p, wire, n_wire);
		assert_int_equal(rtcp ? cf_srtp_unprotect_rtcp(recv, p, n_wire)
				      : cf_srtp_unprotect_rtp(recv, p, n_wire),
			n);
		assert_memory_equal(p, plain, n);
	}
	cf_srtp_free(send);
	cf_srtp_free(recv);
}

static void shared_vectors(void **state)
{
	const char *dir = getenv("CALLFLOW_VECTORS");
	json_t *root, *v;
	char path[1024];
	size_t i, done = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/srtp/srtp_vectors.json", dir ? dir : "");
	root = dir ? json_load_file(path, 0, NULL) : NULL;
	if (!root) {
		print_message("# skipped: CALLFLOW_VECTORS has no srtp vectors\n");
		return; /* cmocka's own skip() reads as a failure in TAP */
	}
	json_array_foreach(json_object_get(root, "srtp_packets"), i, v)
	{
		/* Other profiles may be in the file; ours is the one with the 80-bit tag. */
		if (strstr(field(v, "name"), "AES_CM_128_HMAC_SHA1_80") == NULL)
			continue;
		check_vector(v);
		done++;
	}
	json_array_foreach(json_object_get(root, "rfc7714"), i, v)
	{
		check_vector(v);
		done++;
	}
	assert_true(done >= 8);
	json_decref(root);
}

#ifdef CF_TEST_ORACLE
#include <srtp2/srtp.h>

static const struct {
	enum cf_srtp_profile ours;
	srtp_profile_t theirs;
} profiles[] = {
	{CF_SRTP_AES128_CM_SHA1_80, srtp_profile_aes128_cm_sha1_80},
	{CF_SRTP_AEAD_AES_128_GCM, srtp_profile_aead_aes_128_gcm},
	{CF_SRTP_AEAD_AES_256_GCM, srtp_profile_aead_aes_256_gcm},
};

#define N_PROFILES (sizeof(profiles) / sizeof(profiles[0]))

struct pair {
	struct cf_srtp *ours;
	srtp_t theirs;
	size_t i;
};

static void pair_init(struct pair *pair, size_t i, bool we_send)
{
	uint8_t key[46];
	srtp_policy_t policy = {.key = key};
	size_t key_len = cf_srtp_key_len(profiles[i].ours);

	for (size_t k = 0; k < sizeof(key); k++)
		key[k] = (uint8_t)(k * 37 + i);
	assert_int_equal(
		srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profiles[i].theirs), 0);
	assert_int_equal(
		srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profiles[i].theirs), 0);
	policy.ssrc.type = we_send ? ssrc_any_inbound : ssrc_any_outbound;
	policy.window_size = 256;
	assert_int_equal(srtp_create(&pair->theirs, &policy), 0);
	assert_int_equal(cf_srtp_new(&pair->ours, profiles[i].ours, key, key + key_len), 0);
	pair->i = i;
}

static void pair_done(struct pair *pair)
{
	srtp_dealloc(pair->theirs);
	cf_srtp_free(pair->ours);
}

/* A packet whose shape depends on k: CSRCs, extension, length. */
static size_t build(uint8_t *p, uint32_t k, bool rtcp)
{
	size_t n_csrc = rtcp ? 0 : k % 4, n = 12 + 4 * n_csrc;

	memset(p, (int)k, 400);
	p[0] = (uint8_t)(0x80 | n_csrc | (!rtcp && k % 5 == 0 ? 0x10 : 0));
	p[1] = rtcp ? 200 : 111;
	p[2] = rtcp ? 0 : (uint8_t)(k >> 8);
	p[3] = (uint8_t)k;
	memcpy(p + (rtcp ? 4 : 8), (uint8_t[]){0xca, 0xfe, 0xba, 0xbe}, 4);
	if (p[0] & 0x10) {
		memcpy(p + n, (uint8_t[]){0xbe, 0xde, 0, 1}, 4);
		n += 8;
	}
	return rtcp ? 28 + 4 * (k % 8) : n + k % 300;
}

static void we_send(struct pair *pair, uint32_t k, bool rtcp)
{
	uint8_t p[600], want[600];
	size_t n = build(p, k, rtcp);
	int len;

	memcpy(want, p, n);
	len = rtcp ? cf_srtp_protect_rtcp(pair->ours, p, n, sizeof(p))
		   : cf_srtp_protect_rtp(pair->ours, p, n, sizeof(p));
	assert_true(len > 0);
	assert_int_equal(rtcp ? srtp_unprotect_rtcp(pair->theirs, p, &len)
			      : srtp_unprotect(pair->theirs, p, &len),
		srtp_err_status_ok);
	assert_int_equal(len, n);
	assert_memory_equal(p, want, n);
}

static void they_send(struct pair *pair, uint32_t k, bool rtcp)
{
	uint8_t p[600], want[600];
	size_t n = build(p, k, rtcp);
	int len = (int)n;

	memcpy(want, p, n);
	assert_int_equal(rtcp ? srtp_protect_rtcp(pair->theirs, p, &len)
			      : srtp_protect(pair->theirs, p, &len),
		srtp_err_status_ok);
	assert_int_equal(rtcp ? cf_srtp_unprotect_rtcp(pair->ours, p, (size_t)len)
			      : cf_srtp_unprotect_rtp(pair->ours, p, (size_t)len),
		n);
	assert_memory_equal(p, want, n);
}

#define SHUFFLED 4000 /* packets, 23 numbers apart: over the roll-over */
#define NEAR 8        /* 8 * 23 < 256: none falls out of the window */

/* Each block of NEAR packets in another order, some twice: both take and refuse the same. */
static void shuffled(void **state)
{
	uint32_t x = 1;

	(void)state;
	assert_int_equal(srtp_init(), 0);
	for (size_t i = 0; i < N_PROFILES; i++) {
		struct pair send, recv;

		pair_init(&send, i, true);
		pair_init(&recv, i, false);
		srtp_dealloc(recv.theirs);
		recv.theirs = send.theirs;
		for (uint32_t k = 0; k < SHUFFLED; k += NEAR) {
			uint8_t p[NEAR][600], q[600];
			int len[NEAR], n;

			for (uint32_t b = 0; b < NEAR; b++)
				len[b] = cf_srtp_protect_rtp(send.ours, p[b],
					build(p[b], 1000 + (k + b) * 23, false), sizeof(p[b]));
			for (uint32_t t = 0; t < 2 * NEAR; t++) {
				uint32_t b = (x = x * 1103515245 + 12345) >> 16 & (NEAR - 1);
				srtp_err_status_t theirs;
				int ours;

				assert_true(len[b] > 0);
				memcpy(q, p[b], sizeof(q));
				ours = cf_srtp_unprotect_rtp(recv.ours, q, (size_t)len[b]);
				memcpy(q, p[b], sizeof(q));
				n = len[b];
				theirs = srtp_unprotect(recv.theirs, q, &n);
				assert_int_equal(ours > 0 ? ours : 0, theirs ? 0 : n);
				assert_true(
					ours > 0 || (ours == CF_EREPLAY &&
							    theirs == srtp_err_status_replay_fail));
			}
		}
		cf_srtp_free(recv.ours);
		pair_done(&send);
	}
	srtp_shutdown();
}

/* 70,000 numbers, some steps wide: over the roll-over, with every shape of packet. */
static void both_ways(void **state)
{
	(void)state;
	assert_int_equal(srtp_init(), 0);
	for (size_t i = 0; i < N_PROFILES; i++) {
		struct pair to, from;

		pair_init(&to, i, true);
		pair_init(&from, i, false);
		for (uint32_t k = 1000; k < 71000; k += 23) {
			we_send(&to, k, k % 7 == 0);
			they_send(&from, k, k % 7 == 0);
		}
		pair_done(&to);
		pair_done(&from);
	}
	srtp_shutdown();
}
#else
static void both_ways(void **state)
{
	(void)state;
	print_message("# skipped: libsrtp2 was not there when this was built\n");
}

static void shuffled(void **state)
{
	both_ways(state);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_vectors),
		cmocka_unit_test(both_ways),
		cmocka_unit_test(shuffled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
