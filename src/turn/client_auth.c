/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/text.h"
#include "turn/client_priv.h"

#include <string.h>

/* RFC 8489 section 9.2: a nonce that begins so carries 24 security features in the next four. */
static const char nonce_cookie[] = "obMatJos2";
#define FEATURE_PASSWORD_ALGORITHMS 1u /* section 18.1: bit 0 is the rightmost (erratum 6290) */
#define FEATURE_USERNAME_ANONYMITY 2u
#define ALGORITHM_MD5 1 /* RFC 8489 section 18.5 */
#define ALGORITHM_SHA256 2

static uint32_t nonce_features(const char *nonce)
{
	size_t n = sizeof(nonce_cookie) - 1;
	uint8_t bits[3];

	if (strncmp(nonce, nonce_cookie, n) != 0 || strlen(nonce) < n + 4)
		return 0;
	if (cf_base64_decode(bits, sizeof(bits), nonce + n, 4) != 3)
		return 0;
	return (uint32_t)bits[0] << 16 | (uint32_t)bits[1] << 8 | bits[2];
}

/* The best algorithm in the server's list that we know (RFC 8489 section 9.2.3.1: the first known
 * one): 0 when there is none. */
static uint16_t choose_algorithm(struct cf_view list)
{
	struct cf_wire_reader r;

	cf_wire_reader_init(&r, list.p, list.len);
	while (cf_wire_left(&r) > 0) {
		uint16_t algorithm = cf_wire_read_u16(&r);
		uint16_t len = cf_wire_read_u16(&r);

		cf_wire_skip(&r, len + (-len & 3u));
		if (!r.err && (algorithm == ALGORITHM_MD5 || algorithm == ALGORITHM_SHA256))
			return algorithm;
	}
	return 0;
}

static bool copy_text(
	char text[static CF_TURN_TEXT_MAX + 1], const struct cf_stun_msg *msg, uint16_t type)
{
	struct cf_view v;

	if (!cf_stun_msg_attr(msg, type, &v) || v.len == 0 || v.len > CF_TURN_TEXT_MAX ||
		memchr(v.p, 0, v.len))
		return false;
	memcpy(text, v.p, v.len);
	text[v.len] = 0;
	return true;
}

static int make_key(struct cf_turn_client *client, uint16_t algorithm)
{
	struct cf_view user = cf_view_str(client->options.username);
	struct cf_view realm = cf_view_str(client->realm);
	struct cf_view password = cf_view_str(client->options.password);
	int err;

	if (algorithm == ALGORITHM_SHA256)
		err = cf_stun_key_sha256(client->key, user, realm, password);
	else
		err = cf_stun_key_md5(client->key, user, realm, password);
	client->key_len = err < 0 ? 0 : algorithm == ALGORITHM_SHA256 ? 32 : 16;
	return err;
}

/* RFC 8489 section 9.2.5: the security features that the nonce names must be there, else someone
 * on the way has taken them out. */
static bool adopt(struct cf_turn_client *client, const struct cf_stun_msg *msg)
{
	uint32_t features = nonce_features(client->nonce);
	struct cf_view list = {NULL, 0};
	uint16_t algorithm = ALGORITHM_MD5;

	if (cf_stun_msg_attr(msg, CF_STUN_PASSWORD_ALGORITHMS, &list)) {
		if (list.len > sizeof(client->algorithms))
			return false;
		algorithm = choose_algorithm(list);
		if (algorithm == 0)
			return false;
		memcpy(client->algorithms, list.p, list.len);
	} else if (features & FEATURE_PASSWORD_ALGORITHMS) {
		return false;
	}
	client->n_algorithms = list.len;
	client->sha256 = list.len > 0;
	client->userhash = features & FEATURE_USERNAME_ANONYMITY && !client->options.plain_name;
	return make_key(client, algorithm) == 0;
}

bool cf_turn_client_challenged(
	struct cf_turn_client *client, const struct cf_stun_msg *msg, uint16_t code, uint8_t *tries)
{
	char nonce[CF_TURN_TEXT_MAX + 1];
	bool fresh;

	if (!copy_text(nonce, msg, CF_STUN_NONCE) || ++*tries > CF_TURN_AUTH_TRIES)
		return false;
	fresh = strcmp(nonce, client->nonce) != 0;
	/* RFC 8489 section 9.2.5: the same challenge again means that the credential is wrong. A
	 * 401 behind new nonces alone would go on for ever: the second one counts as well. */
	if (code == 401 && client->key_len > 0 && (!fresh || *tries > 2))
		return false;
	if (!copy_text(client->realm, msg, CF_STUN_REALM) && client->key_len == 0)
		return false;
	memcpy(client->nonce, nonce, sizeof(nonce));
	return adopt(client, msg);
}

void cf_turn_client_write_auth(struct cf_turn_client *client, struct cf_stun_writer *w)
{
	struct cf_view user = cf_view_str(client->options.username);
	struct cf_view realm = cf_view_str(client->realm);
	uint8_t hash[32];

	if (client->key_len == 0)
		return;
	if (client->userhash && cf_stun_userhash(hash, user, realm) == 0)
		cf_stun_write_bytes(w, CF_STUN_USERHASH, hash, sizeof(hash));
	else
		cf_stun_write_view(w, CF_STUN_USERNAME, user);
	cf_stun_write_view(w, CF_STUN_REALM, realm);
	cf_stun_write_view(w, CF_STUN_NONCE, cf_view_str(client->nonce));
	if (client->n_algorithms > 0) {
		cf_stun_write_bytes(
			w, CF_STUN_PASSWORD_ALGORITHMS, client->algorithms, client->n_algorithms);
		cf_stun_write_u32(w, CF_STUN_PASSWORD_ALGORITHM,
			(client->key_len == 32 ? ALGORITHM_SHA256 : ALGORITHM_MD5) << 16);
	}
}

void cf_turn_client_write_mac(struct cf_turn_client *client, struct cf_stun_writer *w)
{
	struct cf_view key = cf_view_of(client->key, client->key_len);

	if (client->key_len == 0)
		return;
	if (client->sha256)
		cf_stun_write_integrity_sha256(w, key);
	else
		cf_stun_write_integrity(w, key);
}

bool cf_turn_client_trusts(const struct cf_turn_client *client, const struct cf_stun_msg *msg)
{
	struct cf_view key = cf_view_of(client->key, client->key_len);
	uint16_t code = 0;
	int err;

	if (client->key_len == 0)
		return msg->cls == CF_STUN_ERROR; /* nothing succeeds without credentials */
	err = client->sha256 ? cf_stun_msg_check_integrity_sha256(msg, key)
			     : cf_stun_msg_check_integrity(msg, key);
	if (err != CF_ENOTFOUND)
		return err == 0;
	/* RFC 8489 section 9.2.4: these the server sends without integrity. */
	if (msg->cls != CF_STUN_ERROR || cf_stun_msg_error(msg, &code, NULL) < 0)
		return false;
	return code == 400 || code == 401 || code == 438;
}
