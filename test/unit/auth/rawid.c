/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "auth/rawid.h"

#include <stdio.h>

#define R "11111111-2222-3333-4444-555555555555"

static void users(void **state)
{
	struct cf_rawid id;
	char text[CF_RAWID_TEXT_MAX];

	(void)state;
	assert_int_equal(cf_rawid_parse(&id, cf_view_str("8:acs:" R "_u-1")), 0);
	assert_int_equal(id.kind, CF_RAWID_USER);
	assert_true(cf_view_is(id.resource, R));
	assert_true(cf_view_is(id.user, "u-1"));
	assert_int_equal(cf_rawid_format_user(text, cf_view_str(R), cf_view_str(R)), 0);
	assert_string_equal(text, "8:acs:" R "_" R);
	assert_int_equal(strlen(text) + 1 <= CF_RAWID_TEXT_MAX, 1);
	assert_int_equal(cf_rawid_parse(&id, cf_view_str(text)), 0);
	assert_int_equal(
		cf_rawid_format_user(text, cf_view_str("a_b"), cf_view_str("u")), CF_EINVAL);
	assert_int_equal(cf_rawid_format_user(text, cf_view_str("a"), cf_view_str("")), CF_EINVAL);
}

static void others(void **state)
{
	struct cf_rawid id;

	(void)state;
	assert_int_equal(cf_rawid_parse(&id, cf_view_str("4:+4930123456")), 0);
	assert_int_equal(id.kind, CF_RAWID_PHONE);
	assert_true(cf_view_is(id.user, "+4930123456"));
	assert_int_equal(cf_rawid_parse(&id, cf_view_str("8:echo123")), 0);
	assert_int_equal(id.kind, CF_RAWID_BOT);
	assert_true(cf_view_is(id.user, "echo123"));
	assert_int_equal(id.resource.len, 0);
}

static void refused(void **state)
{
	static const char *const bad[] = {"", "8:", "8:acs:", "8:acs:a", "8:acs:a_", "8:acs:_b",
		"8:acs:a_b_c", "8:acs:A_b", "8:acs:a_b ", "8:acs:a b_c", "8:orgid:abc", "4:", "4:+",
		"4:+1", "4:+0123", "4:49301", "4:+1234567890123456", "4:+12a", "8:echo1234",
		"8:acs:" R "-_u", "8:acs:a_" R "0"};
	struct cf_rawid id = {.kind = CF_RAWID_BOT};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cf_rawid_parse(&id, cf_view_str(bad[i])) != CF_EINVAL)
			fail_msg("accepted %s", bad[i]);
	assert_int_equal(id.kind, CF_RAWID_BOT); /* untouched */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users),
		cmocka_unit_test(others),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
