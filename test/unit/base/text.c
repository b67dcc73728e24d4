/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/text.h"

static void base64_vectors(void **state)
{
	/* RFC 4648 section 10. */
	static const char *const rows[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}};
	char text[32];
	uint8_t back[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cf_base64_encode(text, rows[i][0], strlen(rows[i][0]));
		assert_string_equal(text, rows[i][1]);
		assert_int_equal(cf_base64_decode(back, sizeof(back), text, strlen(text)),
			strlen(rows[i][0]));
		assert_memory_equal(back, rows[i][0], strlen(rows[i][0]));
	}
}

static void base64_is_strict(void **state)
{
	static const char *const bad[] = {"Zg", "Zg=", "Zh==", "Z===", "Zm9v\n", "Zm 9", "Zm9-"};
	uint8_t back[32];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
			cf_base64_decode(back, sizeof(back), bad[i], strlen(bad[i])), CF_EBADMSG);
	assert_int_equal(cf_base64_decode(back, 2, "Zm9v", 4), CF_ENOSPC);
	assert_int_equal(cf_base64url_decode(back, 3, "_-8", 3), 2);
	assert_int_equal(cf_base64url_decode(back, 3, "_-9", 3), CF_EBADMSG);
}

static void percent(void **state)
{
	char out[32];

	(void)state;
	assert_int_equal(cf_percent_decode(out, "8%3Aacs%3a1+2", 13, false), 9);
	assert_string_equal(out, "8:acs:1+2");
	assert_int_equal(cf_percent_decode(out, "a+b", 3, true), 3);
	assert_string_equal(out, "a b");
	assert_int_equal(cf_percent_decode(out, "%4", 2, false), CF_EBADMSG);
	assert_int_equal(cf_percent_decode(out, "%zz", 3, false), CF_EBADMSG);
	assert_int_equal(cf_percent_decode(out, "%00", 3, false), CF_EBADMSG);
}

static void utf8(void **state)
{
	(void)state;
	assert_true(cf_utf8_valid("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 15));
	assert_false(cf_utf8_valid("\xc0\xaf", 2));
	assert_false(cf_utf8_valid("\xed\xa0\x80", 3));
	assert_false(cf_utf8_valid("\xf4\x90\x80\x80", 4));
	assert_false(cf_utf8_valid("\xe2\x82", 2));
	assert_false(cf_utf8_valid("a\0b", 3));
}

static void distance_and_numbers(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_int_equal(cf_text_distance("relay.realm", "relay.ralm"), 1);
	assert_int_equal(cf_text_distance("", "abc"), 3);
	assert_int_equal(cf_text_u64("18446744073709551615", 20, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(cf_text_u64("18446744073709551616", 20, &v), CF_EINVAL);
	assert_int_equal(cf_text_u64("-1", 2, &v), CF_EINVAL);
	assert_int_equal(cf_text_u64("", 0, &v), CF_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_vectors),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(percent),
		cmocka_unit_test(utf8),
		cmocka_unit_test(distance_and_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
