/* SPDX-License-Identifier: Apache-2.0 */
#include "http/router.h"

#include "base/text.h"

#include <string.h>

enum { NO_MATCH, MATCH, BAD_PARAM };

static int take_param(struct cf_route_params *params, const char *p, size_t n)
{
	char *out = params->value[params->n];
	int len;

	if (n >= CF_ROUTE_PARAM_BYTES)
		return BAD_PARAM;
	len = cf_percent_decode(out, p, n, false);
	if (len <= 0 || !cf_utf8_valid(out, (size_t)len))
		return BAD_PARAM;
	params->n++;
	return MATCH;
}

/* One segment against one of the pattern: literal, "{id}" or "{id}:verb". */
static int match_segment(const char *pattern, size_t pattern_len, const char *p, size_t n,
	struct cf_route_params *params)
{
	const char *brace =
		pattern_len > 0 && pattern[0] == '{' ? memchr(pattern, '}', pattern_len) : NULL;
	const char *tail, *colon;
	size_t tail_len;

	if (!brace)
		return n == pattern_len && memcmp(p, pattern, n) == 0 ? MATCH : NO_MATCH;
	tail = brace + 1;
	tail_len = pattern_len - (size_t)(tail - pattern);
	if (n <= tail_len || memcmp(p + n - tail_len, tail, tail_len) != 0)
		return NO_MATCH;
	n -= tail_len;
	/* "{id}" alone does not swallow a verb; ids come with their colons encoded. A colon that a
	 * client left as it is belongs to the id unless a verb's letters follow: "8:acs:..." */
	colon = memrchr(p, ':', n);
	if (tail_len == 0 && colon && colon + 1 < p + n && params->n < CF_ROUTE_PARAMS_MAX) {
		const char *c = colon + 1;

		while (c < p + n && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')))
			c++;
		if (c == p + n)
			return NO_MATCH;
	}
	if (params->n >= CF_ROUTE_PARAMS_MAX)
		return NO_MATCH;
	return take_param(params, p, n);
}

static int match(const char *pattern, struct cf_view path, struct cf_route_params *params)
{
	const char *p = (const char *)path.p, *end = p + path.len;

	params->n = 0;
	for (;;) {
		const char *slash, *pattern_slash;
		size_t n, pattern_len;
		int result;

		if (p == end || *p != '/' || *pattern != '/')
			return p == end && !*pattern ? MATCH : NO_MATCH;
		p++;
		pattern++;
		slash = memchr(p, '/', (size_t)(end - p));
		n = slash ? (size_t)(slash - p) : (size_t)(end - p);
		pattern_slash = strchr(pattern, '/');
		pattern_len = pattern_slash ? (size_t)(pattern_slash - pattern) : strlen(pattern);
		result = match_segment(pattern, pattern_len, p, n, params);
		if (result != MATCH)
			return result;
		p += n;
		pattern += pattern_len;
	}
}

static bool method_fits(const char *row, const char *method)
{
	return strcmp(row, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(row, "GET") == 0);
}

static void add_allow(char allow[static CF_ROUTE_ALLOW_MAX], const char *method)
{
	size_t n = strlen(allow), m = strlen(method);
	const char *at = strstr(allow, method);

	if (at && (at[m] == 0 || at[m] == ','))
		return;
	if (n + m + 3 > CF_ROUTE_ALLOW_MAX)
		return;
	if (n > 0) {
		memcpy(allow + n, ", ", 2);
		n += 2;
	}
	memcpy(allow + n, method, m + 1);
}

int cf_route_find(const struct cf_route *routes, size_t n_routes, const char *method,
	struct cf_view path, const struct cf_route **ret_route, struct cf_route_params *params,
	char allow[static CF_ROUTE_ALLOW_MAX])
{
	bool bad = false;

	allow[0] = 0;
	for (size_t i = 0; i < n_routes; i++) {
		int result = match(routes[i].pattern, path, params);

		if (result == BAD_PARAM)
			bad = true;
		if (result != MATCH)
			continue;
		if (method_fits(routes[i].method, method)) {
			*ret_route = &routes[i];
			return 200;
		}
		add_allow(allow, routes[i].method);
	}
	if (bad)
		return 400;
	return *allow ? 405 : 404;
}

/* Queries */

static int find_pair(struct cf_view query, const char *name, struct cf_view *ret_value)
{
	int count = 0;

	while (query.len > 0) {
		const uint8_t *amp = memchr(query.p, '&', query.len), *equal;
		size_t n = amp ? (size_t)(amp - query.p) : query.len, key_len;

		equal = memchr(query.p, '=', n);
		key_len = equal ? (size_t)(equal - query.p) : n;
		if (cf_view_is(cf_view_of(query.p, key_len), name)) {
			*ret_value = equal ? cf_view_of(equal + 1, n - key_len - 1)
					   : (struct cf_view){NULL, 0};
			count++;
		}
		query.p += n + (amp != NULL);
		query.len -= n + (amp != NULL);
	}
	return count;
}

int cf_query_get(struct cf_view query, const char *name, char *out, size_t cap)
{
	struct cf_view value;
	int count = find_pair(query, name, &value);

	if (count == 0)
		return CF_ENOTFOUND;
	if (count > 1)
		return CF_EBADMSG;
	if (value.len >= cap)
		return CF_ENOSPC;
	return cf_percent_decode(out, (const char *)value.p, value.len, true);
}
