/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "api/accept.h"
#include "base/mem.h"

static void best_of_three(void **state)
{
	static const char *const types[] = {"application/json", "text/plain", "image/svg+xml"};
	static const struct {
		const char *accept;
		int best;
	} rows[] = {{NULL, 0}, {"", 0}, {"*/*", 0}, {"text/plain", 1}, {"image/svg+xml", 2},
		{"IMAGE/SVG+XML", 2}, {"image/*", 2}, {"text/*;q=0.5, image/*", 2},
		{"text/html,application/xhtml+xml,*/*;q=0.8", 0}, {"text/html", -1},
		{"image/avif,image/webp,image/svg+xml,image/*;q=0.8,*/*;q=0.5", 2},
		{"*/*, application/json;q=0", 1}, {"*/*;q=0", -1},
		{"text/plain;q=0.2, image/svg+xml;q=0.9", 2},
		{"text/plain ; q=0.9 , */* ; q=0.1", 1},
		{"text/plain;charset=utf-8;q=1.000, */*;q=0.999", 1}, {"text/plain;q=bad", 1},
		{",,;q,text/plainest,image/svg", -1}, {"text/plain;q=0.000", -1}, {"/", -1},
		{"*", -1}};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++)
		if (cf_api_accept(rows[i].accept, types, 3) != rows[i].best)
			fail_msg("%s: %d", rows[i].accept, cf_api_accept(rows[i].accept, types, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(best_of_three)};

	return cmocka_run_group_tests_name("api/accept", tests, NULL, NULL);
}
