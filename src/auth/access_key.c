/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/access_key.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypto/hash.h"

int cf_access_key_parse(struct cf_access_key *ret_key, struct cf_view base64)
{
	struct cf_access_key key = {.len = 0};
	int n = 0;

	if (base64.len > 0) {
		n = cf_base64_decode(key.key, sizeof(key.key), (const char *)base64.p, base64.len);
		if (n < CF_ACCESS_KEY_MIN)
			return CF_EINVAL;
	}
	key.len = (size_t)n;
	*ret_key = key;
	cf_wipe(&key, sizeof(key));
	return 0;
}

static bool skip_nocase(struct cf_view *text, const char *word)
{
	size_t n = strlen(word);

	if (text->len < n || strncasecmp((const char *)text->p, word, n) != 0)
		return false;
	*text = cf_view_of(text->p + n, text->len - n);
	return true;
}

int cf_connection_string_parse(
	struct cf_view *ret_endpoint, struct cf_access_key *ret_key, struct cf_view text)
{
	struct cf_view endpoint;
	const uint8_t *end;

	if (!skip_nocase(&text, "endpoint=") || text.len == 0)
		return CF_EINVAL;
	end = memchr(text.p, ';', text.len);
	if (!end || end == text.p)
		return CF_EINVAL;
	endpoint = cf_view_of(text.p, (size_t)(end - text.p));
	text = cf_view_of(end + 1, text.len - endpoint.len - 1);
	if (!skip_nocase(&text, "accesskey=") || text.len == 0)
		return CF_EINVAL;
	if (cf_access_key_parse(ret_key, text) < 0)
		return CF_EINVAL;
	*ret_endpoint = endpoint;
	return 0;
}

int cf_auth_derive(
	uint8_t ret_secret[static CF_AUTH_SECRET_LEN], struct cf_view master, const char *label)
{
	/* RFC 5869 section 2.3: T(1) = HMAC(PRK, "" | info | 0x01) */
	const struct cf_view parts[] = {cf_view_str(label), cf_view_of("\x01", 1)};

	return cf_crypto_hmac_sha256(ret_secret, master, parts, CF_ARRAY_LEN(parts));
}
