/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "relay/relay_priv.h"

#include <string.h>

/* A nonce: the cookie of RFC 8489 section 9.2, four base64 digits of security features (bit 0,
 * password algorithms; no user name anonymity: names that carry their own proof cannot be looked up
 * by hash), then in hex the second it dies and a MAC over that second and the client's address. */
#define NONCE_PREFIX "obMatJos2gAAA"
#define PREFIX_LEN (sizeof(NONCE_PREFIX) - 1)
#define MAC_LEN 10
#define NONCE_LEN (PREFIX_LEN + 8 + 2 * MAC_LEN)

#define MAX_USERNAME 509 /* RFC 8489 section 14.3 */
#define MAX_REALM 763

/* What we offer, strongest first (RFC 8489 section 14.11). */
static const uint8_t algorithms[] = {
	0, CF_RELAY_ALGORITHM_SHA256, 0, 0, 0, CF_RELAY_ALGORITHM_MD5, 0, 0};

static void put_u32(uint8_t p[static 4], uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static int nonce_mac(const struct cf_relay *relay, const struct cf_relay_tuple *from,
	uint32_t dies_s, uint8_t mac[static CF_SHA256_LEN])
{
	uint8_t meta[7];
	struct cf_view parts[2] = {cf_view_of(from->remote.ip, sizeof(from->remote.ip)),
		cf_view_of(meta, sizeof(meta))};

	put_u32(meta, dies_s);
	meta[4] = (uint8_t)(from->remote.port >> 8);
	meta[5] = (uint8_t)from->remote.port;
	meta[6] = from->transport;
	return cf_crypto_hmac_sha256(mac,
		cf_view_of(relay->config.nonce_key, sizeof(relay->config.nonce_key)), parts, 2);
}

void cf_relay_write_challenge(struct cf_relay_request *req, struct cf_stun_writer *w)
{
	uint32_t dies_s =
		(uint32_t)((req->now_us + req->relay->config.nonce_lifetime_us) / CF_US_PER_S);
	uint8_t mac[CF_SHA256_LEN] = {0}, bin[4];
	char nonce[NONCE_LEN + 1] = NONCE_PREFIX;

	(void)!nonce_mac(req->relay, req->from, dies_s, mac);
	put_u32(bin, dies_s);
	cf_hex_encode(nonce + PREFIX_LEN, bin, sizeof(bin));
	cf_hex_encode(nonce + PREFIX_LEN + 8, mac, MAC_LEN);
	cf_stun_write_view(w, CF_STUN_REALM, cf_view_str(req->relay->config.realm));
	cf_stun_write_bytes(w, CF_STUN_NONCE, nonce, NONCE_LEN);
	cf_stun_write_bytes(w, CF_STUN_PASSWORD_ALGORITHMS, algorithms, sizeof(algorithms));
}

static bool nonce_valid(const struct cf_relay_request *req, struct cf_view nonce)
{
	const char *text = (const char *)nonce.p;
	uint8_t bin[4], given[MAC_LEN], mac[CF_SHA256_LEN];
	uint32_t dies_s;

	if (nonce.len != NONCE_LEN || memcmp(text, NONCE_PREFIX, PREFIX_LEN) != 0)
		return false;
	if (cf_hex_decode(bin, 4, text + PREFIX_LEN, 8) < 0 ||
		cf_hex_decode(given, MAC_LEN, text + PREFIX_LEN + 8, 2 * MAC_LEN) < 0)
		return false;
	dies_s = (uint32_t)bin[0] << 24 | (uint32_t)bin[1] << 16 | (uint32_t)bin[2] << 8 | bin[3];
	if (req->now_us / CF_US_PER_S >= dies_s ||
		nonce_mac(req->relay, req->from, dies_s, mac) < 0)
		return false;
	return cf_crypto_equal(mac, given, MAC_LEN);
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
	struct cf_view realm = cf_view_str(req->relay->config.realm);
	struct cf_view password = cf_view_str(req->credential.password);
	int err;

	if (req->algorithm == CF_RELAY_ALGORITHM_SHA256)
		err = cf_stun_key_sha256(req->key, req->username, realm, password);
	else
		err = cf_stun_key_md5(req->key, req->username, realm, password);
	req->key_len = req->algorithm == CF_RELAY_ALGORITHM_SHA256 ? 32 : 16;
	return err;
}

/* The key of this name: the allocation's own, or by asking. */
static bool find_key(struct cf_relay_request *req)
{
	struct cf_relay_alloc *alloc = req->alloc;
	struct cf_relay *relay = req->relay;

	if (alloc && alloc->algorithm == req->algorithm &&
		cf_view_eq(cf_relay_alloc_username(alloc), req->username)) {
		memcpy(req->key, alloc->key, sizeof(alloc->key));
		req->key_len = alloc->key_len;
		req->known_user = true;
		return true;
	}
	req->credential.expires_us = CF_TIME_NEVER;
	if (relay->io.auth(req->username, cf_view_str(relay->config.realm), req->now_us,
		    &req->credential, relay->arg) < 0)
		return false;
	req->credential.password[CF_RELAY_PASSWORD_MAX - 1] = 0;
	return req->credential.expires_us > req->now_us && derive_key(req) == 0;
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

bool cf_relay_authenticate(struct cf_relay_request *req)
{
	const struct cf_stun_msg *msg = req->msg;
	struct cf_view realm, nonce;
	bool sha1 = cf_stun_msg_has(msg, CF_STUN_MESSAGE_INTEGRITY);
	bool anonymous = cf_stun_msg_has(msg, CF_STUN_USERHASH);
	bool named = cf_stun_msg_attr(msg, CF_STUN_USERNAME, &req->username);

	req->mac_sha256 = cf_stun_msg_has(msg, CF_STUN_MESSAGE_INTEGRITY_SHA256);
	/* RFC 8489 section 9.2.4, in its order; a dead nonce is found before a key is looked for.
	 */
	if (!sha1 && !req->mac_sha256)
		return refuse(req, 401);
	if ((!named && !anonymous) || !cf_stun_msg_attr(msg, CF_STUN_REALM, &realm) ||
		!cf_stun_msg_attr(msg, CF_STUN_NONCE, &nonce))
		return refuse(req, 400);
	if (req->username.len > MAX_USERNAME || realm.len > MAX_REALM || !algorithm_ok(req))
		return refuse(req, 400);
	if (!nonce_valid(req, nonce))
		return refuse(req, 438);
	if (!named || !cf_view_is(realm, req->relay->config.realm) || !find_key(req) ||
		!mac_ok(req))
		return refuse(req, 401);
	/* RFC 8656 section 5: who made the allocation is the only one who may change it. */
	if (req->alloc && !req->known_user && msg->method != CF_TURN_ALLOCATE) {
		cf_relay_respond_error(req, 441, NULL);
		return false;
	}
	return true;
}
