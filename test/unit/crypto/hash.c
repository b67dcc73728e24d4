/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/text.h"
#include "crypto/hash.h"

static void expect(const uint8_t *got, size_t n, const char *hex)
{
	char text[65];

	cf_hex_encode(text, got, n);
	assert_string_equal(text, hex);
}

static void digests(void **state)
{
	uint8_t out[32];

	(void)state;
	assert_int_equal(cf_crypto_md5(out, "abc", 3), 0); /* RFC 1321 A.5 */
	expect(out, 16, "900150983cd24fb0d6963f7d28e17f72");
	assert_int_equal(cf_crypto_sha1(out, "abc", 3), 0); /* RFC 3174 7.3 */
	expect(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
	assert_int_equal(cf_crypto_sha256(out, "abc", 3), 0); /* RFC 6234 8.5 */
	expect(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void hmacs(void **state)
{
	struct cf_view parts[2] = {cf_view_str("what do ya want "), cf_view_str("for nothing?")};
	uint8_t out[32];

	(void)state;
	assert_int_equal(
		cf_crypto_hmac_sha1(out, cf_view_str("Jefe"), parts, 2), 0); /* RFC 2202 3 */
	expect(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	assert_int_equal(
		cf_crypto_hmac_sha256(out, cf_view_str("Jefe"), parts, 2), 0); /* RFC 4231 4.3 */
	expect(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_int_equal(cf_crypto_hmac_sha256(out, cf_view_str(""), NULL, 0), 0);
	expect(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void crc(void **state)
{
	(void)state;
	assert_int_equal(cf_crypto_crc32("123456789", 9), 0xcbf43926);
	assert_true(cf_crypto_equal("ab", "ab", 2));
	assert_false(cf_crypto_equal("ab", "ac", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests),
		cmocka_unit_test(hmacs),
		cmocka_unit_test(crc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
