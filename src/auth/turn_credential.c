/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/turn_credential.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypto/hash.h"

#include <stdio.h>

static bool part_valid(struct cf_view text, size_t max)
{
	if (text.len == 0 || text.len > max)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '-'))
			return false;
	}
	return true;
}

static bool identity_valid(const struct cf_turn_identity *id)
{
	return id->expiry_s > 0 && part_valid(id->resource, CF_RAWID_PART_MAX) &&
	       part_valid(id->user, CF_RAWID_PART_MAX) && part_valid(id->call, CF_TURN_CALL_MAX);
}

static int password(
	char text[static CF_TURN_PASSWORD_MAX], struct cf_view secret, struct cf_view username)
{
	uint8_t mac[CF_SHA256_LEN];
	int err = cf_crypto_hmac_sha256(mac, secret, &username, 1);

	if (err < 0)
		return err;
	cf_base64_encode(text, mac, sizeof(mac));
	cf_wipe(mac, sizeof(mac));
	return 0;
}

int cf_turn_credential_make(struct cf_turn_credential *ret_credential, struct cf_view secret,
	const struct cf_turn_identity *identity)
{
	struct cf_turn_credential c;
	int err;

	if (!identity_valid(identity))
		return CF_EINVAL;
	snprintf(c.username, sizeof(c.username), "%lld:%.*s:%.*s:%.*s",
		(long long)identity->expiry_s, (int)identity->resource.len,
		(const char *)identity->resource.p, (int)identity->user.len,
		(const char *)identity->user.p, (int)identity->call.len,
		(const char *)identity->call.p);
	err = password(c.password, secret, cf_view_str(c.username));
	if (err < 0)
		return err;
	*ret_credential = c;
	return 0;
}

/* What stands before the next colon (or all the rest), which is then taken off. */
static struct cf_view next_part(struct cf_view *rest)
{
	const uint8_t *colon = rest->len > 0 ? memchr(rest->p, ':', rest->len) : NULL;
	struct cf_view part = *rest;

	if (!colon) {
		*rest = (struct cf_view){NULL, 0};
		return part;
	}
	part.len = (size_t)(colon - rest->p);
	*rest = cf_view_of(colon + 1, rest->len - part.len - 1);
	return part;
}

int cf_turn_username_parse(struct cf_turn_identity *ret_identity, struct cf_view username)
{
	struct cf_turn_identity id;
	struct cf_view expiry, rest = username;
	uint64_t seconds;

	if (username.len >= CF_TURN_USERNAME_MAX)
		return CF_EINVAL;
	expiry = next_part(&rest);
	id.resource = next_part(&rest);
	id.user = next_part(&rest);
	id.call = rest;
	/* Ten digits last until 2286, eleven far longer; more would only be a way to overflow. */
	if (expiry.len == 0 || expiry.len > 11 || expiry.p[0] == '0' ||
		cf_text_u64((const char *)expiry.p, expiry.len, &seconds) < 0)
		return CF_EINVAL;
	id.expiry_s = (int64_t)seconds;
	if (!identity_valid(&id))
		return CF_EINVAL;
	*ret_identity = id;
	return 0;
}

int cf_turn_credential_check(struct cf_turn_identity *ret_identity,
	char ret_password[static CF_TURN_PASSWORD_MAX], struct cf_view secret,
	struct cf_view username, int64_t now_wall_s)
{
	struct cf_turn_identity id;
	int err = cf_turn_username_parse(&id, username);

	if (err < 0)
		return err;
	if (id.expiry_s <= now_wall_s)
		return CF_EEXPIRED;
	err = password(ret_password, secret, username);
	if (err < 0)
		return err;
	*ret_identity = id;
	return 0;
}
