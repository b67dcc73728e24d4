/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/mem.h"
#include "http/router.h"

#include <stdio.h>

static const struct cf_route routes[] = {
	{"GET", "/openapi.yaml", NULL, NULL},
	{"POST", "/identities", NULL, NULL},
	{"DELETE", "/identities/{id}", NULL, NULL},
	{"POST", "/identities/{id}/:issueAccessToken", NULL, NULL},
	{"POST", "/calls", NULL, NULL},
	{"GET", "/calls/{id}", NULL, NULL},
	{"POST", "/calls/{id}:accept", NULL, NULL},
	{"POST", "/calls/{id}:hangup", NULL, NULL},
	{"DELETE", "/calls/{id}/participants/{user}", NULL, NULL},
	{"POST", "/calls/{id}/participants", NULL, NULL},
	{"GET", "/calls/{id}/participants", NULL, NULL},
	{"GET", "/", NULL, NULL},
};

static void paths_find_their_rows(void **state)
{
	static const struct {
		const char *method, *path;
		int status, row; /* row -1: none */
		const char *first, *second, *allow;
	} rows[] = {
		{"GET", "/openapi.yaml", 200, 0, NULL, NULL, ""},
		{"HEAD", "/openapi.yaml", 200, 0, NULL, NULL, ""},
		{"GET", "/", 200, 11, NULL, NULL, ""},
		{"GET", "/nothing", 404, -1, NULL, NULL, ""},
		{"GET", "/openapi.yaml/", 404, -1, NULL, NULL, ""},
		{"GET", "//openapi.yaml", 404, -1, NULL, NULL, ""},
		{"GET", "/OPENAPI.yaml", 404, -1, NULL, NULL, ""},
		{"GET", "/%6fpenapi.yaml", 404, -1, NULL, NULL, ""},
		{"PUT", "/calls", 405, -1, NULL, NULL, "POST"},
		{"PATCH", "/calls/1/participants", 405, -1, NULL, NULL, "POST, GET"},
		{"DELETE", "/identities/8%3Aacs%3Ar_u", 200, 2, "8:acs:r_u", NULL, ""},
		{"DELETE", "/identities/8:acs:1-2_3", 200, 2, "8:acs:1-2_3", NULL, ""},
		{"POST", "/identities/8%3Aa/:issueAccessToken", 200, 3, "8:a", NULL, ""},
		{"POST", "/identities//:issueAccessToken", 404, -1, NULL, NULL, ""},
		{"POST", "/calls/abc:accept", 200, 6, "abc", NULL, ""},
		{"POST", "/calls/8%3Aacs%3Ax:hangup", 200, 7, "8:acs:x", NULL, ""},
		{"GET", "/calls/abc:accept", 405, -1, NULL, NULL, "POST"},
		{"POST", "/calls/abc:dance", 404, -1, NULL, NULL, ""},
		{"POST", "/calls/:accept", 404, -1, NULL, NULL, ""},
		{"POST", "/calls/abc%3Aaccept", 405, -1, NULL, NULL, "GET"},
		{"GET", "/calls/a%2Fb", 200, 5, "a/b", NULL, ""},
		{"DELETE", "/calls/1/participants/4%3A%2B49", 200, 8, "1", "4:+49", ""},
		{"DELETE", "/calls/1/participants/a+b", 200, 8, "1", "a+b", ""},
		{"GET", "/calls/%zz", 400, -1, NULL, NULL, ""},
		{"GET", "/calls/%00", 400, -1, NULL, NULL, ""},
		{"GET", "/calls/%ff", 400, -1, NULL, NULL, ""},
		{"GET", "/calls/", 404, -1, NULL, NULL, ""},
		{"GET", "", 404, -1, NULL, NULL, ""},
		{"OPTIONS", "*", 404, -1, NULL, NULL, ""},
	};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		const struct cf_route *route = NULL;
		struct cf_route_params params;
		char allow[CF_ROUTE_ALLOW_MAX];
		int status = cf_route_find(routes, CF_ARRAY_LEN(routes), rows[i].method,
			cf_view_str(rows[i].path), &route, &params, allow);

		if (status != rows[i].status)
			fail_msg("%s %s: %d", rows[i].method, rows[i].path, status);
		assert_ptr_equal(route, rows[i].row < 0 ? NULL : &routes[rows[i].row]);
		assert_string_equal(allow, rows[i].allow);
		if (rows[i].first)
			assert_string_equal(params.value[0], rows[i].first);
		if (rows[i].second)
			assert_string_equal(params.value[1], rows[i].second);
		if (status == 200)
			assert_int_equal(params.n, !!rows[i].first + !!rows[i].second);
	}
}

static void long_parameters_are_refused(void **state)
{
	const struct cf_route *route = NULL;
	struct cf_route_params params;
	char allow[CF_ROUTE_ALLOW_MAX], path[CF_ROUTE_PARAM_BYTES + 16] = "/calls/";

	(void)state;
	memset(path + 7, 'a', CF_ROUTE_PARAM_BYTES - 1);
	assert_int_equal(cf_route_find(routes, CF_ARRAY_LEN(routes), "GET", cf_view_str(path),
				 &route, &params, allow),
		200);
	memset(path + 7, 'a', CF_ROUTE_PARAM_BYTES);
	assert_int_equal(cf_route_find(routes, CF_ARRAY_LEN(routes), "GET", cf_view_str(path),
				 &route, &params, allow),
		400);
}

static void query_values_are_decoded(void **state)
{
	struct cf_view query = cf_view_str("a=1&b=x%20y+z&empty=&flag&a2=3&twice=1&twice=2&bad=%f");
	char out[8];

	(void)state;
	assert_int_equal(cf_query_get(query, "a", out, sizeof(out)), 1);
	assert_string_equal(out, "1");
	assert_int_equal(cf_query_get(query, "b", out, sizeof(out)), 5);
	assert_int_equal(cf_query_get(query, "empty", out, sizeof(out)), 0);
	assert_int_equal(cf_query_get(query, "flag", out, sizeof(out)), 0);
	assert_int_equal(cf_query_get(query, "no", out, sizeof(out)), CF_ENOTFOUND);
	assert_int_equal(cf_query_get(query, "twice", out, sizeof(out)), CF_EBADMSG);
	assert_int_equal(cf_query_get(query, "bad", out, sizeof(out)), CF_EBADMSG);
	assert_int_equal(cf_query_get(query, "b", out, 7), CF_ENOSPC);
	assert_int_equal(cf_query_get(cf_view_str("b=%20+z"), "b", out, sizeof(out)), 3);
	assert_string_equal(out, "  z");
	assert_int_equal(cf_query_get(cf_view_str(""), "b", out, sizeof(out)), CF_ENOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_find_their_rows),
		cmocka_unit_test(long_parameters_are_refused),
		cmocka_unit_test(query_values_are_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
