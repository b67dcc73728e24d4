/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of RFC 5769 and RFC 8489 appendix B.1. */
#include "harness/vectors.h"

#include "stun/msg.h"

static int check(const struct cf_stun_msg *msg, bool sha256, struct cf_view key)
{
	return sha256 ? cf_stun_msg_check_integrity_sha256(msg, key)
		      : cf_stun_msg_check_integrity(msg, key);
}

/* Good as printed; with any bit of it changed it is no message, or not the one that was signed. But
 * type and length of FINGERPRINT: what stands behind the signature is not covered by it, and as an
 * attribute that nobody knows it is passed over. */
static void one_message(const json_t *vector)
{
	bool sha256 = vectors_is(vector, "integrity", "sha256");
	uint8_t bytes[512], key_bytes[64];
	size_t n = vectors_hex(vector, "hex", bytes, sizeof(bytes));
	struct cf_view key = cf_view_of(
		key_bytes, vectors_hex(vector, "hmac_key_hex", key_bytes, sizeof(key_bytes)));
	bool fingerprint = json_is_true(json_object_get(vector, "has_fingerprint"));
	struct cf_stun_msg msg;

	assert_int_equal(n, json_integer_value(json_object_get(vector, "bytes")));
	assert_int_equal(cf_stun_msg_parse(&msg, bytes, n), 0);
	assert_int_equal(check(&msg, sha256, key), 0);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		if (fingerprint && bit / 8 >= n - 8 && bit / 8 < n - 4)
			continue;
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (cf_stun_msg_parse(&msg, bytes, n) == 0 && check(&msg, sha256, key) == 0)
			fail_msg("%s: bit %zu may change",
				json_string_value(json_object_get(vector, "name")), bit);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void messages(void **state)
{
	json_t *doc = vectors_load("stun/rfc5769_rfc8489.json"), *vectors;

	(void)state;
	if (!doc)
		return;
	vectors = json_object_get(doc, "vectors");
	assert_true(json_array_size(vectors) >= 5);
	for (size_t i = 0; i < json_array_size(vectors); i++)
		one_message(json_array_get(vectors, i));
	json_decref(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
