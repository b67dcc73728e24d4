/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "api/when.h"

#define NOW 1793491200000LL /* 2026-11-01T00:00:00Z */

static int64_t when(const char *text)
{
	int64_t ms = -7;

	return cf_api_when(text, NOW, &ms) == 0 ? ms : -1;
}

static void points(void **state)
{
	(void)state;
	assert_int_equal(when("2026-11-01"), NOW);
	assert_int_equal(when("2026-11-01T00:00:00Z"), NOW);
	assert_int_equal(when("2026-11-01T01:30:00.25+01:30"), NOW + 250);
	assert_int_equal(when("2026-10-31T22:00:00-02:00"), NOW);
	assert_int_equal(when("2024-02-29"), 1709164800000LL);
	assert_int_equal(when("1970-01-01"), 0);
	assert_int_equal(when("1793491200000"), NOW);
	assert_int_equal(when("now"), NOW);
	assert_int_equal(when("-7d"), NOW - 7 * 86400000LL);
	assert_int_equal(when("-24h"), NOW - 86400000LL);
	assert_int_equal(when("-90m"), NOW - 5400000LL);
	assert_int_equal(when("-30s"), NOW - 30000LL);
}

static void refused(void **state)
{
	static const char *const texts[] = {"", "-", "-d", "-7", "-7w", "-99999999999999d",
		"-18446744073709551616s", "x", "2026-13-01", "2026-00-01", "2026-02-29",
		"2100-02-29", "2026-11-31", "2026-11-00", "2026-11-01T", "2026-11-01T00:00:00",
		"2026-11-01T24:00:00Z", "2026-11-01T00:60:00Z", "2026-11-01T00:00:61Z",
		"2026-11-01T00:00:00.Z", "2026-11-01T00:00:00+1:00", "2026-11-01T00:00:00+24:00",
		"2026-11-01 00:00:00Z", "2026-11-01T00:00:00Zx", "1969-12-31",
		"9223372036854775808", "yesterday"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (when(texts[i]) != -1)
			fail_msg("\"%s\" was taken", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
