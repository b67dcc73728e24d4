/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "relay/relay_priv.h"

#include <string.h>

/* Two kinds of nonce, neither of which we keep: a MAC over the client's address and the span of
 * time it was made in. It is good in its span and in the next, so for at least half of the nonce
 * lifetime and at most all of it.
 *
 * The whole one begins with the cookie of RFC 8489 section 9.2 and four base64 digits of security
 * features (bit 0, the rightmost, password algorithms; bit 1, user name anonymity). The short one
 * is for requests so small that nothing more fits into the answer (docs/adr/0006). */
#define COOKIE "obMatJos2"
#define COOKIE_LEN (sizeof(COOKIE) - 1)
#define PREFIX_LEN (COOKIE_LEN + 4)
#define NONCE_LEN (PREFIX_LEN + 11) /* 8 bytes of MAC */
#define SHORT_NONCE_LEN 4           /* 3 bytes of MAC */
#define SHORT_REALM_LEN 8

enum nonce_kind { NONCE_SHORT, NONCE_NAMED = 'B', NONCE_ANONYMOUS = 'D' };

#define MAX_USERNAME 509 /* RFC 8489 section 14.3 */
#define MAX_REALM 763
#define USERHASH_LEN 32

/* What we offer, strongest first (RFC 8489 section 14.11). */
static const uint8_t algorithms[] = {
	0, CF_RELAY_ALGORITHM_SHA256, 0, 0, 0, CF_RELAY_ALGORITHM_MD5, 0, 0};

static uint64_t nonce_span(const struct cf_relay *relay, uint64_t now_us)
{
	uint64_t half_us = relay->config.nonce_lifetime_us / 2;

	return half_us ? now_us / half_us : now_us;
}

/* The nonce of this client in a span: its length, 0 without a MAC. */
static size_t nonce_make(const struct cf_relay *relay, const struct cf_relay_tuple *from,
	enum nonce_kind kind, uint64_t span, char text[static NONCE_LEN + 1])
{
	uint8_t meta[12] = {[0] = (uint8_t)kind,
		[1] = from->transport,
		[2] = (uint8_t)(from->remote.port >> 8),
		[3] = (uint8_t)from->remote.port};
	struct cf_view parts[2] = {cf_view_of(from->remote.ip, sizeof(from->remote.ip)),
		cf_view_of(meta, sizeof(meta))};
	uint8_t mac[CF_SHA256_LEN];
	char base64[CF_BASE64_LEN(8)];

	for (size_t i = 0; i < 8; i++)
		meta[4 + i] = (uint8_t)(span >> (8 * i));
	if (cf_crypto_hmac_sha256(mac,
		    cf_view_of(relay->config.nonce_key, sizeof(relay->config.nonce_key)), parts,
		    2) < 0)
		return 0;
	cf_base64_encode(base64, mac, 8);
	if (kind == NONCE_SHORT) {
		memcpy(text, base64, SHORT_NONCE_LEN);
		return SHORT_NONCE_LEN;
	}
	memcpy(text, COOKIE "AAA", PREFIX_LEN - 1);
	text[PREFIX_LEN - 1] = (char)kind;
	memcpy(text + PREFIX_LEN, base64, NONCE_LEN - PREFIX_LEN);
	return NONCE_LEN;
}

static struct cf_view short_realm(const struct cf_relay *relay)
{
	struct cf_view realm = cf_view_str(relay->config.realm);

	return cf_view_of(realm.p, realm.len < SHORT_REALM_LEN ? realm.len : SHORT_REALM_LEN);
}

void cf_relay_write_challenge(struct cf_relay_request *req, struct cf_stun_writer *w, bool whole)
{
	const struct cf_relay *relay = req->relay;
	enum nonce_kind kind = !whole                                          ? NONCE_SHORT
			       : relay->config.anonymity && !req->hash_unknown ? NONCE_ANONYMOUS
									       : NONCE_NAMED;
	char nonce[NONCE_LEN + 1];
	size_t n = nonce_make(relay, req->from, kind, nonce_span(relay, req->now_us), nonce);

	cf_stun_write_view(w, CF_STUN_REALM,
		whole && !req->in_short_realm ? cf_view_str(relay->config.realm)
					      : short_realm(relay));
	cf_stun_write_bytes(w, CF_STUN_NONCE, nonce, n);
	if (whole)
		cf_stun_write_bytes(w, CF_STUN_PASSWORD_ALGORITHMS, algorithms, sizeof(algorithms));
}

/* The kind of a nonce by its form: false when none of ours looks so. */
static bool nonce_kind(struct cf_view nonce, enum nonce_kind *ret_kind)
{
	if (nonce.len == SHORT_NONCE_LEN) {
		*ret_kind = NONCE_SHORT;
		return true;
	}
	if (nonce.len != NONCE_LEN)
		return false;
	*ret_kind = nonce.p[PREFIX_LEN - 1] == NONCE_ANONYMOUS ? NONCE_ANONYMOUS : NONCE_NAMED;
	return true;
}

static bool nonce_valid(const struct cf_relay_request *req, struct cf_view nonce)
{
	uint64_t span = nonce_span(req->relay, req->now_us);
	enum nonce_kind kind;
	char text[NONCE_LEN + 1];

	if (!nonce_kind(nonce, &kind))
		return false;
	for (uint64_t i = 0; i < 2 && i <= span; i++)
		if (nonce_make(req->relay, req->from, kind, span - i, text) == nonce.len &&
			cf_crypto_equal(text, nonce.p, nonce.len))
			return true;
	return false;
}

bool cf_relay_may_answer(struct cf_relay *relay, const struct cf_relay_tuple *from, uint64_t now_us)
{
	uint64_t rate = relay->config.unauth_per_s, gained;
	struct cf_relay_mute *mute;
	uint32_t slot;

	if (rate == 0 || from->transport != CF_RELAY_UDP)
		return true; /* a stream's address is proven */
	/* IPv6: the first 64 bits, for one host has the rest to choose from. */
	slot = cf_hash_bytes(from->remote.ip, 8, relay->seed) % CF_RELAY_MUTE_SLOTS;
	mute = &relay->mutes[slot];
	if (mute->last_us == 0 || now_us - mute->last_us > 2 * CF_US_PER_S)
		gained = 2 * rate * CF_US_PER_S;
	else
		gained = (now_us - mute->last_us) * rate;
	mute->tokens += gained;
	if (mute->tokens > 2 * rate * CF_US_PER_S)
		mute->tokens = 2 * rate * CF_US_PER_S;
	mute->last_us = now_us;
	if (mute->tokens < CF_US_PER_S) {
		relay->stats.muted++;
		return false;
	}
	mute->tokens -= CF_US_PER_S;
	return true;
}

/* RFC 8489 section 9.2.4: both attributes or none, the list as we sent it, the choice out of it. */
static bool algorithm_ok(struct cf_relay_request *req)
{
	struct cf_view list, choice;
	bool has_list = cf_stun_msg_attr(req->msg, CF_STUN_PASSWORD_ALGORITHMS, &list);
	bool has_choice = cf_stun_msg_attr(req->msg, CF_STUN_PASSWORD_ALGORITHM, &choice);

	req->algorithm = CF_RELAY_ALGORITHM_MD5;
	if (!has_list && !has_choice)
		return true;
	if (!has_list || !has_choice || choice.len != 4 || choice.p[0] || choice.p[2] ||
		choice.p[3])
		return false;
	if (!cf_view_eq(list, cf_view_of(algorithms, sizeof(algorithms))))
		return false;
	req->algorithm = choice.p[1];
	return req->algorithm == CF_RELAY_ALGORITHM_MD5 ||
	       req->algorithm == CF_RELAY_ALGORITHM_SHA256;
}

static int derive_key(struct cf_relay_request *req)
{
	struct cf_view password = cf_view_str(req->credential.password);
	int err;

	if (req->algorithm == CF_RELAY_ALGORITHM_SHA256)
		err = cf_stun_key_sha256(req->key, req->username, req->realm, password);
	else
		err = cf_stun_key_md5(req->key, req->username, req->realm, password);
	req->key_len = req->algorithm == CF_RELAY_ALGORITHM_SHA256 ? 32 : 16;
	return err;
}

static bool names_owner(struct cf_relay_request *req)
{
	struct cf_view owner = cf_relay_alloc_username(req->alloc);
	uint8_t hash[USERHASH_LEN];

	if (!req->userhash)
		return cf_view_eq(owner, req->username);
	if (cf_stun_userhash(hash, owner, req->realm) < 0 ||
		!cf_crypto_equal(hash, req->userhash, sizeof(hash)))
		return false;
	req->username = owner;
	return true;
}

static int ask_credential(struct cf_relay_request *req)
{
	struct cf_relay *relay = req->relay;
	int err = CF_ENOTFOUND;

	req->credential.expires_us = CF_TIME_NEVER;
	if (req->userhash && !req->known_user && relay->io.auth_hash) {
		err = relay->io.auth_hash(
			req->userhash, req->realm, req->now_us, &req->credential, relay->arg);
		req->username = req->credential.username;
	} else if (!req->userhash || req->known_user) {
		err = relay->io.auth(
			req->username, req->realm, req->now_us, &req->credential, relay->arg);
	}
	req->credential.password[CF_RELAY_PASSWORD_MAX - 1] = 0;
	return err;
}

/* The key of this name: the allocation's own, or by asking. */
static bool find_key(struct cf_relay_request *req)
{
	struct cf_relay_alloc *alloc = req->alloc;

	req->known_user = alloc && names_owner(req);
	if (req->known_user && alloc->algorithm == req->algorithm &&
		alloc->in_short_realm == req->in_short_realm) {
		memcpy(req->key, alloc->key, sizeof(alloc->key));
		req->key_len = alloc->key_len;
		return true;
	}
	return ask_credential(req) == 0 && req->credential.expires_us > req->now_us &&
	       derive_key(req) == 0;
}

static bool mac_ok(const struct cf_relay_request *req)
{
	struct cf_view key = cf_view_of(req->key, req->key_len);

	if (req->mac_sha256)
		return cf_stun_msg_check_integrity_sha256(req->msg, key) == 0;
	return cf_stun_msg_check_integrity(req->msg, key) == 0;
}

/* What a refused request leaves behind must not sign its answer. */
static bool refuse(struct cf_relay_request *req, uint16_t code)
{
	req->key_len = 0;
	cf_relay_respond_error(req, code, NULL);
	return false;
}

/* Our realm, or its beginning where a short challenge told that. */
static bool realm_ours(struct cf_relay_request *req, struct cf_view realm)
{
	req->realm = realm;
	if (cf_view_is(realm, req->relay->config.realm))
		return true;
	req->in_short_realm = cf_view_eq(realm, short_realm(req->relay));
	return req->in_short_realm;
}

/* USERNAME or USERHASH, one of them. */
static bool read_name(struct cf_relay_request *req)
{
	struct cf_view hash;
	bool hashed = cf_stun_msg_attr(req->msg, CF_STUN_USERHASH, &hash);
	bool named = cf_stun_msg_attr(req->msg, CF_STUN_USERNAME, &req->username);

	if (hashed == named || req->username.len > MAX_USERNAME ||
		(hashed && hash.len != USERHASH_LEN))
		return false;
	req->userhash = hashed ? hash.p : NULL;
	return true;
}

/* Names that carry their own proof cannot be found by hash. Who was told to send one is told with a
 * new nonce to send the name instead: a 438 is to be tried again. */
static bool refuse_key(struct cf_relay_request *req, struct cf_view nonce)
{
	req->hash_unknown = req->userhash && nonce.len == NONCE_LEN &&
			    nonce.p[PREFIX_LEN - 1] == NONCE_ANONYMOUS;
	return refuse(req, req->hash_unknown ? 438 : 401);
}

bool cf_relay_authenticate(struct cf_relay_request *req)
{
	const struct cf_stun_msg *msg = req->msg;
	struct cf_view realm, nonce;
	bool sha1 = cf_stun_msg_has(msg, CF_STUN_MESSAGE_INTEGRITY);

	req->mac_sha256 = cf_stun_msg_has(msg, CF_STUN_MESSAGE_INTEGRITY_SHA256);
	/* RFC 8489 section 9.2.4, in its order; a dead nonce is found before a key is looked for.
	 */
	if (!sha1 && !req->mac_sha256)
		return refuse(req, 401);
	if (!read_name(req) || !cf_stun_msg_attr(msg, CF_STUN_REALM, &realm) ||
		!cf_stun_msg_attr(msg, CF_STUN_NONCE, &nonce))
		return refuse(req, 400);
	if (realm.len > MAX_REALM || !algorithm_ok(req))
		return refuse(req, 400);
	if (!realm_ours(req, realm))
		return refuse(req, nonce_valid(req, nonce) ? 401 : 438);
	if (!nonce_valid(req, nonce))
		return refuse(req, 438);
	if (!find_key(req))
		return refuse_key(req, nonce);
	if (!mac_ok(req))
		return refuse(req, 401);
	/* RFC 8656 section 5: who made the allocation is the only one who may change it. */
	if (req->alloc && !req->known_user && msg->method != CF_TURN_ALLOCATE) {
		cf_relay_respond_error(req, 441, NULL);
		return false;
	}
	return true;
}
