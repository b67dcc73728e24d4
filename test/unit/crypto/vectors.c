/* SPDX-License-Identifier: Apache-2.0 */
/* Wycheproof's edge cases of HMAC. */
#include "harness/vectors.h"

#include "crypto/hash.h"

typedef int hmac_fn(uint8_t *out, struct cf_view key, const struct cf_view *parts, size_t n);

static int sha1(uint8_t *out, struct cf_view key, const struct cf_view *parts, size_t n)
{
	return cf_crypto_hmac_sha1(out, key, parts, n);
}

static int sha256(uint8_t *out, struct cf_view key, const struct cf_view *parts, size_t n)
{
	return cf_crypto_hmac_sha256(out, key, parts, n);
}

/* The message comes in two parts, cut anywhere. */
static void one_case(const json_t *test, hmac_fn *hmac)
{
	uint8_t key[512], msg[1024], tag[64], out[32];
	size_t key_len = vectors_hex(test, "key", key, sizeof(key));
	size_t n = vectors_hex(test, "msg", msg, sizeof(msg));
	size_t tag_len = vectors_hex(test, "tag", tag, sizeof(tag));

	assert_true(tag_len <= sizeof(out));
	for (size_t cut = 0; cut <= n; cut += 1 + n / 3) {
		struct cf_view parts[2] = {cf_view_of(msg, cut), cf_view_of(msg + cut, n - cut)};

		assert_int_equal(hmac(out, cf_view_of(key, key_len), parts, 2), 0);
		assert_int_equal(
			cf_crypto_equal(out, tag, tag_len), vectors_is(test, "result", "valid"));
	}
}

static void all_cases(const char *name, hmac_fn *hmac)
{
	json_t *doc = vectors_load(name), *group, *test;
	size_t i, k;

	json_array_foreach(json_object_get(doc, "testGroups"), i, group)
		json_array_foreach(json_object_get(group, "tests"), k, test) one_case(test, hmac);
	json_decref(doc);
}

static void hmacs(void **state)
{
	(void)state;
	all_cases("wycheproof/hmac_sha1_test.json", sha1);
	all_cases("wycheproof/hmac_sha256_test.json", sha256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmacs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
