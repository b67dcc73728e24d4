/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "relay/relay_priv.h"

#include <string.h>

static const uint16_t binding_known[] = {
	CF_STUN_CHANGE_REQUEST,
	CF_STUN_RESPONSE_PORT,
	CF_STUN_USERNAME,
	CF_STUN_MESSAGE_INTEGRITY,
	CF_STUN_MESSAGE_INTEGRITY_SHA256,
	CF_STUN_REALM,
	CF_STUN_NONCE,
	CF_STUN_PASSWORD_ALGORITHM,
	CF_STUN_USERHASH,
};

static const uint16_t turn_known[] = {
	CF_STUN_USERNAME,
	CF_STUN_MESSAGE_INTEGRITY,
	CF_STUN_MESSAGE_INTEGRITY_SHA256,
	CF_STUN_REALM,
	CF_STUN_NONCE,
	CF_STUN_PASSWORD_ALGORITHM,
	CF_STUN_USERHASH,
	CF_TURN_CHANNEL_NUMBER,
	CF_TURN_LIFETIME,
	CF_TURN_XOR_PEER_ADDRESS,
	CF_TURN_DATA_ATTR,
	CF_TURN_REQUESTED_ADDRESS_FAMILY,
	CF_TURN_EVEN_PORT,
	CF_TURN_REQUESTED_TRANSPORT,
	CF_TURN_DONT_FRAGMENT,
	CF_TURN_RESERVATION_TOKEN,
};

void cf_relay_respond_begin(struct cf_relay_request *req, struct cf_stun_writer *w, uint8_t *buf,
	enum cf_stun_class cls)
{
	cf_stun_write_begin(w, buf, CF_RELAY_RESPONSE_MAX, cls, req->msg->method, req->msg->tid);
}

/* Ends a message: its length. */
static size_t finish(const struct cf_relay_request *req, struct cf_stun_writer *w)
{
	struct cf_view key = cf_view_of(req->key, req->key_len);
	int n;

	/* RFC 8489 section 9.2.4: protected by what protected the request. */
	if (req->key_len > 0 && req->mac_sha256)
		cf_stun_write_integrity_sha256(w, key);
	else if (req->key_len > 0)
		cf_stun_write_integrity(w, key);
	if (cf_stun_msg_has(req->msg, CF_STUN_FINGERPRINT)) /* RFC 8489 section 7 */
		cf_stun_write_fingerprint(w);
	n = cf_stun_write_end(w);
	if (n > 0 && req->classic) /* RFC 5389 section 12.2: its transaction id is 16 bytes long */
		memcpy(w->w.p + 4, req->classic, 4);
	return n > 0 ? (size_t)n : 0;
}

static void transmit(struct cf_relay_request *req, const struct cf_stun_writer *w, size_t n)
{
	if (n > 0 && !req->silent)
		req->relay->io.send_client(
			req->to ? req->to : req->from, w->w.p, n, false, req->relay->arg);
}

void cf_relay_respond_end(struct cf_relay_request *req, struct cf_stun_writer *w)
{
	transmit(req, w, finish(req, w));
}

/* How much of an error is told. */
enum detail { DETAIL_ALL, DETAIL_NO_PHRASE, DETAIL_LEAST };

static size_t compose_error(struct cf_relay_request *req, struct cf_stun_writer *w, uint8_t *buf,
	uint16_t code, const char *reason, enum detail detail)
{
	cf_relay_respond_begin(req, w, buf, CF_STUN_ERROR);
	cf_stun_write_error(w, code, detail == DETAIL_ALL ? reason : "");
	if (code == 401 || code == 438)
		cf_relay_write_challenge(req, w, detail != DETAIL_LEAST);
	if (code == 420)
		cf_stun_write_unknown(w, req->unknown, req->n_unknown);
	if (code == 300)
		cf_stun_write_addr(w, CF_STUN_ALTERNATE_SERVER, &req->relay->config.alternate);
	return finish(req, w);
}

/* Most bytes of an answer to this request (docs/adr/0006). Who has authenticated, and whose address
 * is proven by a handshake, is not limited. */
static size_t allowance(const struct cf_relay_request *req)
{
	size_t n = req->msg->raw_len;
	size_t head = req->from->remote.family == CF_ADDR_IPV6 ? 48 : 28; /* IP and UDP */

	if (req->key_len > 0 || req->from->transport != CF_RELAY_UDP)
		return CF_RELAY_RESPONSE_MAX;
	if (req->msg->method == CF_STUN_BINDING)
		return (n + head) * 5 / 4 - head;
	return n * 7 / 4;
}

void cf_relay_respond_error(struct cf_relay_request *req, uint16_t code, const char *reason)
{
	struct cf_relay *relay = req->relay;
	size_t most = allowance(req), n = SIZE_MAX;
	uint8_t buf[CF_RELAY_RESPONSE_MAX];
	struct cf_stun_writer w;

	if (req->silent ||
		(req->key_len == 0 && !cf_relay_may_answer(relay, req->from, req->now_us)))
		return;
	for (int detail = DETAIL_ALL; detail <= DETAIL_LEAST && n > most; detail++)
		n = compose_error(req, &w, buf, code, reason, detail);
	if (n > most) { /* too small to be a client's: 28 bytes say so */
		code = 400;
		n = compose_error(req, &w, buf, code, NULL, DETAIL_LEAST);
	}
	relay->stats.errors++;
	relay->stats.challenges += code == 401 || code == 438;
	transmit(req, &w, n);
}

static void respond_empty(struct cf_relay_request *req)
{
	uint8_t buf[CF_RELAY_RESPONSE_MAX];
	struct cf_stun_writer w;

	cf_relay_respond_begin(req, &w, buf, CF_STUN_SUCCESS);
	cf_relay_respond_end(req, &w);
}

bool cf_relay_lifetime(const struct cf_relay_request *req, uint32_t *ret_s)
{
	const struct cf_relay_config *config = &req->relay->config;
	uint32_t s;
	int err = cf_stun_msg_u32(req->msg, CF_TURN_LIFETIME, &s);

	if (err == CF_EBADMSG)
		return false;
	/* RFC 8656 section 7.2: the wish up to our maximum, when that is above the default. */
	if (err < 0 || s < config->lifetime_s)
		s = err == 0 && s == 0 && req->msg->method == CF_TURN_REFRESH ? 0
									      : config->lifetime_s;
	*ret_s = s > config->max_lifetime_s ? config->max_lifetime_s : s;
	return true;
}

/* RFC 8656 section 8.2. */
static bool refresh_family_fits(struct cf_relay_request *req, size_t *ret_side)
{
	struct cf_view v;

	*ret_side = 2;
	if (!cf_stun_msg_attr(req->msg, CF_TURN_REQUESTED_ADDRESS_FAMILY, &v))
		return true;
	if (v.len != 4 || (v.p[0] != 1 && v.p[0] != 2))
		return false;
	*ret_side = v.p[0] == 2;
	return req->alloc->sides[*ret_side].socket != NULL;
}

static void respond_refreshed(struct cf_relay_request *req, uint32_t lifetime_s)
{
	uint8_t buf[CF_RELAY_RESPONSE_MAX];
	struct cf_stun_writer w;

	cf_relay_respond_begin(req, &w, buf, CF_STUN_SUCCESS);
	cf_stun_write_u32(&w, CF_TURN_LIFETIME, lifetime_s);
	if (req->with_ticket && lifetime_s > 0)
		cf_relay_write_ticket(req, &w);
	cf_relay_respond_end(req, &w);
}

/* Lifetime 0: one family of two goes, or the whole allocation. */
static void give_back(struct cf_relay_request *req, size_t side)
{
	struct cf_relay_alloc *alloc = req->alloc;
	struct cf_relay *relay = req->relay;

	respond_refreshed(req, 0);
	if (side < 2 && alloc->sides[!side].socket) {
		relay->io.close(alloc->sides[side].socket, relay->arg);
		alloc->sides[side] = (struct cf_relay_side){0};
		return;
	}
	cf_relay_alloc_end(relay, alloc, true, req->now_us);
	req->alloc = NULL;
}

static bool credential_outlived(const struct cf_relay_request *req)
{
	uint64_t end = req->alloc->credential_expires_us;

	if (end == CF_TIME_NEVER)
		return false;
	return req->now_us > end && req->now_us - end > req->relay->config.expired_grace_us;
}

static void extend(struct cf_relay_request *req, uint32_t lifetime_s)
{
	struct cf_relay *relay = req->relay;
	struct cf_relay_alloc *alloc = req->alloc;

	alloc->expires_us = req->now_us + lifetime_s * CF_US_PER_S;
	if (!req->moving) {
		cf_relay_alloc_arm(relay, alloc, req->now_us);
	} else if (cf_relay_alloc_move(relay, alloc, req->from, req->now_us) < 0) {
		cf_relay_lease_end(relay, alloc);
		cf_relay_lose(alloc, &relay->io, relay->arg, req->now_us);
		cf_relay_respond_error(req, 500, NULL);
		return;
	}
	respond_refreshed(req, lifetime_s);
}

static void refresh(struct cf_relay_request *req)
{
	struct cf_relay_alloc *alloc = req->alloc;
	uint16_t code = cf_relay_check_ticket(req);
	uint32_t lifetime_s;
	size_t side;

	if (code) {
		cf_relay_respond_error(req, code, NULL);
	} else if (cf_relay_fetch(req)) {
		return; /* it comes back through cf_relay_take() */
	} else if (!alloc) {
		cf_relay_respond_error(req, 437, NULL);
	} else if (!cf_relay_lifetime(req, &lifetime_s)) {
		cf_relay_respond_error(req, 400, NULL);
	} else if (!refresh_family_fits(req, &side)) {
		cf_relay_respond_error(req, 443, NULL);
	} else if (lifetime_s == 0) {
		give_back(req, side);
	} else if (credential_outlived(req)) {
		req->key_len = 0;
		cf_relay_respond_error(req, 401, NULL);
	} else {
		extend(req, lifetime_s);
	}
}

/* Whether a peer may be named in this allocation: 0 or the code of the refusal. */
static uint16_t check_peer(const struct cf_relay_request *req, const struct cf_addr *peer)
{
	if (!cf_relay_alloc_side(req->alloc, peer->family)->socket)
		return 443; /* RFC 8656 sections 10.2, 12.2 */
	return cf_relay_peer_allowed(&req->relay->config, peer) ? 0 : 403;
}

static bool is_peer(const struct cf_stun_attr_ref *ref)
{
	return ref->type == CF_TURN_XOR_PEER_ADDRESS;
}

/* All peers of a CreatePermission: 0 or a code. RFC 8656 section 10.2: all or none. */
static uint16_t check_peers(const struct cf_relay_request *req)
{
	const struct cf_stun_msg *msg = req->msg;
	struct cf_addr peer;
	size_t n = 0;

	for (size_t i = 0; i < msg->n_attrs; i++) {
		uint16_t code;

		if (!is_peer(&msg->attrs[i]))
			continue;
		if (cf_stun_attr_xor_addr(msg, &msg->attrs[i], &peer) < 0)
			return 400;
		peer.port = 0; /* permissions are for an IP */
		code = check_peer(req, &peer);
		if (code)
			return code;
		n++;
	}
	return n > 0 ? 0 : 400;
}

static void create_permission(struct cf_relay_request *req)
{
	const struct cf_stun_msg *msg = req->msg;
	struct cf_addr peer;
	uint16_t code = req->alloc ? check_peers(req) : 437;

	for (size_t i = 0; i < msg->n_attrs && code == 0; i++)
		if (is_peer(&msg->attrs[i]) &&
			(cf_stun_attr_xor_addr(msg, &msg->attrs[i], &peer) < 0 ||
				cf_relay_permission_put(
					req->relay, req->alloc, &peer, req->now_us) < 0))
			code = 508;
	if (code)
		cf_relay_respond_error(req, code, NULL);
	else
		respond_empty(req);
}

static void channel_bind(struct cf_relay_request *req)
{
	struct cf_relay_alloc *alloc = req->alloc;
	struct cf_relay_channel *by_number, *by_peer;
	struct cf_addr peer;
	uint16_t code, number;
	uint32_t u32;

	if (!alloc) {
		cf_relay_respond_error(req, 437, NULL);
		return;
	}
	/* RFC 8656 section 12.2 */
	if (cf_stun_msg_u32(req->msg, CF_TURN_CHANNEL_NUMBER, &u32) < 0 ||
		cf_stun_msg_xor_addr(req->msg, CF_TURN_XOR_PEER_ADDRESS, &peer) < 0 ||
		u32 >> 16 < CF_TURN_CHANNEL_MIN || u32 >> 16 > CF_TURN_CHANNEL_MAX_RFC5766) {
		cf_relay_respond_error(req, 400, NULL);
		return;
	}
	number = (uint16_t)(u32 >> 16);
	by_number = cf_relay_channel_by_number(alloc, number, req->now_us);
	by_peer = cf_relay_channel_by_peer(alloc, &peer, req->now_us);
	code = check_peer(req, &peer);
	if (by_number != by_peer)
		code = 400;
	else if (code == 0 &&
		 cf_relay_channel_put(req->relay, alloc, number, &peer, req->now_us) < 0)
		code = 508;
	if (code)
		cf_relay_respond_error(req, code, NULL);
	else
		respond_empty(req);
}

/* RFC 8489 section 2: no credentials asked, nothing kept. A bare request over IPv6 is the one whose
 * answer cannot be small enough: those are counted out per source. */
static void binding(struct cf_relay_request *req)
{
	uint8_t buf[CF_RELAY_RESPONSE_MAX];
	struct cf_relay_tuple to;
	struct cf_stun_writer w;
	uint16_t unknown;
	bool granted;
	size_t n;

	req->n_unknown = cf_stun_msg_unknown(
		req->msg, binding_known, CF_ARRAY_LEN(binding_known), req->unknown, 8);
	unknown = cf_relay_discover(req, &to);
	if (unknown && req->n_unknown < CF_ARRAY_LEN(req->unknown))
		req->unknown[req->n_unknown++] = unknown;
	if (req->n_unknown > 0) {
		cf_relay_respond_error(req, 420, NULL);
		return;
	}
	cf_relay_respond_begin(req, &w, buf, CF_STUN_SUCCESS);
	if (req->classic)
		cf_stun_write_addr(&w, CF_STUN_MAPPED_ADDRESS, &req->from->remote);
	else
		cf_stun_write_xor_addr(&w, CF_STUN_XOR_MAPPED_ADDRESS, &req->from->remote);
	granted = cf_relay_write_discovery(req, &w, &to);
	req->to = &to;
	n = finish(req, &w);
	if (n > allowance(req) && !granted &&
		!cf_relay_may_answer(req->relay, req->from, req->now_us))
		return;
	req->relay->stats.bindings++;
	transmit(req, &w, n);
}

static const struct {
	uint16_t method;
	void (*handle)(struct cf_relay_request *req);
} turn_methods[] = {
	{CF_TURN_ALLOCATE, cf_relay_allocate},
	{CF_TURN_REFRESH, refresh},
	{CF_TURN_CREATE_PERMISSION, create_permission},
	{CF_TURN_CHANNEL_BIND, channel_bind},
};

static void turn_request(struct cf_relay_request *req, void (*handle)(struct cf_relay_request *req))
{
	req->alloc = cf_relay_alloc_find(req->relay, req->from, req->now_us);
	if (req->msg->method == CF_TURN_REFRESH)
		cf_relay_find_by_ticket(req);
	if (!req->relay->config.enabled && !req->alloc) {
		/* RFC 8656 section 18.13: administrative. What lives may end in peace. */
		cf_relay_respond_error(req, 403, "relay disabled");
		return;
	}
	if (cf_relay_authenticate(req)) {
		req->n_unknown = cf_stun_msg_unknown(
			req->msg, turn_known, CF_ARRAY_LEN(turn_known), req->unknown, 8);
		if (req->n_unknown > 0)
			cf_relay_respond_error(req, 420, NULL);
		else
			handle(req);
	}
	cf_wipe(req->credential.password, sizeof(req->credential.password));
	cf_wipe(req->key, sizeof(req->key));
}

void cf_relay_request_input(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const struct cf_stun_msg *msg, uint64_t now_us)
{
	struct cf_relay_request req = {.relay = relay, .from = from, .msg = msg, .now_us = now_us};

	if (msg->method == CF_STUN_BINDING) {
		binding(&req);
		return;
	}
	for (size_t i = 0; i < CF_ARRAY_LEN(turn_methods); i++)
		if (turn_methods[i].method == msg->method)
			turn_request(&req, turn_methods[i].handle);
	/* RFC 8489 section 6.3: an unknown method is passed over in silence. */
}

void cf_relay_request_refuse(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const struct cf_stun_msg *msg, uint64_t now_us)
{
	struct cf_relay_request req = {.relay = relay, .from = from, .msg = msg, .now_us = now_us};
	bool known = msg->method == CF_STUN_BINDING;

	for (size_t i = 0; i < CF_ARRAY_LEN(turn_methods); i++)
		known = known || turn_methods[i].method == msg->method;
	if (known)
		cf_relay_respond_error(&req, 400, "Too Many Attributes");
}

/* RFC 8489 section 11, RFC 5389 section 12.2. With the cookie put in it is a message like others; a
 * FINGERPRINT, which such a client does not know, would be wrong then. */
int cf_relay_classic_input(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const uint8_t *p, size_t n, uint64_t now_us)
{
	static const uint8_t magic[4] = {0x21, 0x12, 0xa4, 0x42};
	uint8_t copy[CF_RELAY_CLASSIC_MAX];
	struct cf_relay_request req = {.relay = relay, .from = from, .now_us = now_us};
	struct cf_stun_msg msg;

	if (n < CF_STUN_HEADER_LEN || n > sizeof(copy) || cf_stun_is_msg(p, n))
		return CF_EBADMSG;
	memcpy(copy, p, n);
	memcpy(copy + 4, magic, sizeof(magic));
	if (cf_stun_msg_parse(&msg, copy, n) < 0 || msg.cls != CF_STUN_REQUEST ||
		msg.method != CF_STUN_BINDING)
		return CF_EBADMSG;
	req.msg = &msg;
	req.classic = p + 4;
	binding(&req);
	return 0;
}
