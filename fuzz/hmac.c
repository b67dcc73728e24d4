/* SPDX-License-Identifier: Apache-2.0 */
/* Signed requests and what rides in them: the input's lines are target, date, authorization, body;
 * what we sign ourselves has to be accepted in the form a browser would sign, too. */
#include "auth/acs_hmac.h"
#include "auth/rawid.h"
#include "auth/turn_credential.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cf_view line(const uint8_t **p, size_t *n)
{
	const uint8_t *end = *n ? memchr(*p, '\n', *n) : NULL;
	struct cf_view v = {*p, end ? (size_t)(end - *p) : *n};

	*n -= end ? v.len + 1 : v.len;
	*p += end ? v.len + 1 : v.len;
	return v;
}

static void signed_as_form(struct cf_acs_hmac_request *r, const struct cf_access_keys *keys)
{
	const uint8_t *mark = r->target.len ? memchr(r->target.p, '?', r->target.len) : NULL;
	struct cf_acs_hmac_request form = *r;
	struct cf_acs_hmac_headers h;
	size_t path, n;
	char *text;

	if (!mark || mark == r->target.p || r->target.len > CF_ACS_HMAC_TARGET_MAX)
		return;
	path = (size_t)(mark - r->target.p);
	text = malloc(3 * r->target.len + 8);
	memcpy(text, r->target.p, path + 1);
	n = cf_acs_hmac_form_query(text + path + 1, cf_view_of(mark + 1, r->target.len - path - 1));
	form.target = cf_view_of(text, n ? path + 1 + n : path);
	if (cf_acs_hmac_sign(&h, &form, &keys->primary, 1700000000000) < 0)
		abort();
	r->date = cf_view_str(h.date);
	r->content_sha256 = cf_view_str(h.content_sha256);
	r->authorization = cf_view_str(h.authorization);
	if (cf_acs_hmac_check(r, keys, 1700000000000, NULL) < 0)
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cf_access_keys keys = {.primary = {.key = {1, 2, 3}, .len = 16}};
	struct cf_acs_hmac_request r = {.method = cf_view_str("GET"), .host = cf_view_str("h")};
	struct cf_turn_identity id;
	struct cf_rawid raw;
	int64_t ms;

	(void)!cf_rawid_parse(&raw, cf_view_of(data, size));
	(void)!cf_turn_username_parse(&id, cf_view_of(data, size));
	r.target = line(&data, &size);
	r.date = line(&data, &size);
	r.authorization = line(&data, &size);
	r.body = cf_view_of(data, size);
	(void)!cf_acs_hmac_date_parse(&ms, r.date);
	(void)!cf_acs_hmac_check(&r, &keys, 1700000000000, NULL);
	signed_as_form(&r, &keys);
	return 0;
}
