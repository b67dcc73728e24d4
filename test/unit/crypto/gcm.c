/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/vectors.h"

#include "base/mem.h"
#include "crypto/gcm.h"

#define LONGEST 2000

static struct cf_gcm *new_gcm(const uint8_t *key, size_t key_len, bool portable)
{
	struct cf_gcm *gcm;

	assert_int_equal(cf_gcm_new(&gcm, key, key_len, portable), 0);
	return gcm;
}

/* Wycheproof */

static void seals(struct cf_gcm *gcm, const uint8_t *iv, struct cf_view aad, struct cf_view msg,
	const uint8_t *ct, const uint8_t *tag)
{
	uint8_t room[LONGEST], got[CF_GCM_TAG_LEN];

	memcpy(room, msg.p, msg.len);
	assert_int_equal(cf_gcm_seal(gcm, iv, aad, room, msg.len, got), 0);
	assert_memory_equal(room, ct, msg.len);
	assert_memory_equal(got, tag, sizeof(got));
}

static void one_case(const json_t *test, bool portable)
{
	bool valid = vectors_is(test, "result", "valid");
	uint8_t key[32], iv[CF_GCM_IV_LEN], aad[LONGEST], msg[LONGEST], ct[LONGEST], tag[16];
	size_t key_len = vectors_hex(test, "key", key, sizeof(key));
	size_t aad_len = vectors_hex(test, "aad", aad, sizeof(aad));
	size_t n = vectors_hex(test, "msg", msg, sizeof(msg));
	struct cf_gcm *gcm = new_gcm(key, key_len, portable);

	assert_int_equal(vectors_hex(test, "iv", iv, sizeof(iv)), sizeof(iv));
	assert_int_equal(vectors_hex(test, "ct", ct, sizeof(ct)), n);
	assert_int_equal(vectors_hex(test, "tag", tag, sizeof(tag)), sizeof(tag));
	if (valid)
		seals(gcm, iv, cf_view_of(aad, aad_len), cf_view_of(msg, n), ct, tag);
	assert_int_equal(
		cf_gcm_open(gcm, iv, cf_view_of(aad, aad_len), ct, n, tag), valid ? 0 : CF_EAUTH);
	if (valid)
		assert_memory_equal(ct, msg, n);
	cf_gcm_free(gcm);
}

static void wycheproof(void **state)
{
	json_t *doc = vectors_load("wycheproof/aes_gcm_test.json"), *group, *test;
	size_t i, k, done = 0;

	(void)state;
	json_array_foreach(json_object_get(doc, "testGroups"), i, group)
	{
		json_int_t key = json_integer_value(json_object_get(group, "keySize"));

		if (json_integer_value(json_object_get(group, "ivSize")) != 96 || key == 192)
			continue;
		json_array_foreach(json_object_get(group, "tests"), k, test)
		{
			one_case(test, false);
			one_case(test, true);
			done++;
		}
	}
	assert_true(!doc || done > 100);
	json_decref(doc);
}

/* Both implementations */

/* What one sealed the other opens; a bit anywhere else, and neither does. */
static void agree(struct cf_gcm *gcm[static 2], size_t n, size_t aad_len)
{
	uint8_t iv[CF_GCM_IV_LEN], aad[64], plain[LONGEST], room[2][LONGEST], tag[2][16];
	struct cf_view a = cf_view_of(aad, aad_len);

	for (size_t i = 0; i < sizeof(iv); i++)
		iv[i] = (uint8_t)(n >> i % 8 ^ aad_len * i);
	memset(aad, (int)n, sizeof(aad));
	for (size_t i = 0; i < n; i++)
		plain[i] = (uint8_t)(i * 7 + n);
	for (int i = 0; i < 2; i++) {
		memcpy(room[i], plain, n);
		assert_int_equal(cf_gcm_seal(gcm[i], iv, a, room[i], n, tag[i]), 0);
	}
	assert_memory_equal(room[0], room[1], n);
	assert_memory_equal(tag[0], tag[1], sizeof(tag[0]));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(cf_gcm_open(gcm[i], iv, a, room[i], n, tag[i]), 0);
		assert_memory_equal(room[i], plain, n);
		tag[i][n % 16] ^= (uint8_t)(1u << n % 8);
		assert_int_equal(cf_gcm_open(gcm[i], iv, a, room[i], n, tag[i]), CF_EAUTH);
	}
}

static void implementations_agree(void **state)
{
	static const uint8_t key[32] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
	static const size_t key_lens[] = {16, 32};

	(void)state;
	for (size_t k = 0; k < CF_ARRAY_LEN(key_lens); k++) {
		struct cf_gcm *gcm[2] = {
			new_gcm(key, key_lens[k], false), new_gcm(key, key_lens[k], true)};

		for (size_t n = 0; n < 1500; n += n < 300 ? 1 : 37)
			agree(gcm, n, n % 65);
		cf_gcm_free(gcm[0]);
		cf_gcm_free(gcm[1]);
	}
}

static int oom_body(void *arg)
{
	static const uint8_t key[16];
	struct cf_gcm *gcm;
	int err = cf_gcm_new(&gcm, key, sizeof(key), *(bool *)arg);

	if (!err)
		cf_gcm_free(gcm);
	return err;
}

static void limits(void **state)
{
	static const uint8_t key[32];
	bool portable[] = {false, true};
	struct cf_gcm *gcm;

	(void)state;
	for (size_t n = 0; n <= sizeof(key); n++)
		if (n != 16 && n != 32)
			assert_int_equal(cf_gcm_new(&gcm, key, n, false), CF_EINVAL);
	assert_null(cf_gcm_free(NULL));
	cf_test_oom(oom_body, &portable[0], 1);
	cf_test_oom(oom_body, &portable[1], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wycheproof),
		cmocka_unit_test(implementations_agree),
		cmocka_unit_test(limits),
	};

	print_message("# fast AES-GCM: %s\n", cf_gcm_is_fast() ? "yes" : "no");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
