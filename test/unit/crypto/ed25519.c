/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/text.h"
#include "crypto/ed25519.h"

#include <string.h>

/* RFC 8032 section 7.1, test 2. */
static void vector(void **state)
{
	static const char key_text[] =
		"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
	static const char public_text[] =
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
	static const char signature_text[] =
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
		"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
	uint8_t key[CF_ED25519_KEY_LEN], public_key[CF_ED25519_KEY_LEN],
		signature[CF_ED25519_SIGNATURE_LEN];
	char hex[2 * CF_ED25519_SIGNATURE_LEN + 1];
	struct cf_view message = cf_view_str("r");

	(void)state;
	assert_int_equal(cf_hex_decode(key, sizeof(key), key_text, strlen(key_text)), 0);
	assert_int_equal(cf_crypto_ed25519_public(public_key, key), 0);
	cf_hex_encode(hex, public_key, sizeof(public_key));
	assert_string_equal(hex, public_text);
	assert_int_equal(cf_crypto_ed25519_sign(signature, key, message), 0);
	cf_hex_encode(hex, signature, sizeof(signature));
	assert_string_equal(hex, signature_text);
	assert_true(cf_crypto_ed25519_check(signature, public_key, message));
	assert_false(cf_crypto_ed25519_check(signature, public_key, cf_view_str("s")));
	signature[0] ^= 1;
	assert_false(cf_crypto_ed25519_check(signature, public_key, message));
	signature[0] ^= 1;
	public_key[3] ^= 1;
	assert_false(cf_crypto_ed25519_check(signature, public_key, message));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(vector)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
