/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/rawid.h"

#include <stdio.h>

bool cf_rawid_part_valid(struct cf_view text)
{
	if (text.len == 0 || text.len > CF_RAWID_PART_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return false;
	}
	return true;
}

static bool starts(struct cf_view text, const char *prefix, struct cf_view *ret_rest)
{
	size_t n = strlen(prefix);

	if (text.len < n || memcmp(text.p, prefix, n) != 0)
		return false;
	*ret_rest = cf_view_of(text.p + n, text.len - n);
	return true;
}

static int parse_user(struct cf_rawid *ret_id, struct cf_view rest)
{
	const uint8_t *sep = rest.len > 0 ? memchr(rest.p, '_', rest.len) : NULL;
	struct cf_view resource, user;

	if (!sep)
		return CF_EINVAL;
	resource = cf_view_of(rest.p, (size_t)(sep - rest.p));
	user = cf_view_of(sep + 1, rest.len - resource.len - 1);
	if (!cf_rawid_part_valid(resource) || !cf_rawid_part_valid(user))
		return CF_EINVAL;
	*ret_id = (struct cf_rawid){CF_RAWID_USER, resource, user};
	return 0;
}

/* E.164: "+", a digit that is not zero, at most 15 digits in all. */
static int parse_phone(struct cf_rawid *ret_id, struct cf_view rest)
{
	if (rest.len < 3 || rest.len > 16 || rest.p[0] != '+' || rest.p[1] == '0')
		return CF_EINVAL;
	for (size_t i = 1; i < rest.len; i++)
		if (rest.p[i] < '0' || rest.p[i] > '9')
			return CF_EINVAL;
	*ret_id = (struct cf_rawid){.kind = CF_RAWID_PHONE, .user = rest};
	return 0;
}

int cf_rawid_parse(struct cf_rawid *ret_id, struct cf_view text)
{
	struct cf_view rest;

	if (starts(text, "8:acs:", &rest))
		return parse_user(ret_id, rest);
	if (starts(text, "4:", &rest))
		return parse_phone(ret_id, rest);
	if (cf_view_is(text, CF_RAWID_ECHO_BOT)) {
		*ret_id = (struct cf_rawid){
			.kind = CF_RAWID_BOT, .user = cf_view_of(text.p + 2, text.len - 2)};
		return 0;
	}
	return CF_EINVAL;
}

int cf_rawid_format_user(
	char ret_text[static CF_RAWID_TEXT_MAX], struct cf_view resource, struct cf_view user)
{
	if (!cf_rawid_part_valid(resource) || !cf_rawid_part_valid(user))
		return CF_EINVAL;
	snprintf(ret_text, CF_RAWID_TEXT_MAX, "8:acs:%.*s_%.*s", (int)resource.len,
		(const char *)resource.p, (int)user.len, (const char *)user.p);
	return 0;
}
