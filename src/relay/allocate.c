/* SPDX-License-Identifier: Apache-2.0 */
/* Allocate: RFC 8656 section 7.2. */
#include "relay/relay_priv.h"

#include <string.h>

#define PROTOCOL_UDP 17
#define EVEN_PORT_RESERVE 0x80 /* the R bit, RFC 8656 section 18.7 */

/* What the request asks for. */
struct wish {
	uint8_t family;  /* 0 with a token */
	bool additional; /* IPv6 besides IPv4 */
	bool even, reserve;
	bool has_token;
	uint64_t token;
	uint32_t lifetime_s;
	bool mobile;
};

static uint8_t family_of(struct cf_view v)
{
	return v.p[0] == 1 ? CF_ADDR_IPV4 : v.p[0] == 2 ? CF_ADDR_IPV6 : CF_ADDR_NONE;
}

static uint16_t read_transport(const struct cf_stun_msg *msg)
{
	struct cf_view v;

	if (!cf_stun_msg_attr(msg, CF_TURN_REQUESTED_TRANSPORT, &v) || v.len != 4)
		return 400;
	return v.p[0] == PROTOCOL_UDP ? 0 : 442;
}

static uint16_t read_families(const struct cf_stun_msg *msg, struct wish *wish)
{
	struct cf_view requested, additional;
	bool has_requested = cf_stun_msg_attr(msg, CF_TURN_REQUESTED_ADDRESS_FAMILY, &requested);
	bool has_additional = cf_stun_msg_attr(msg, CF_TURN_ADDITIONAL_ADDRESS_FAMILY, &additional);

	wish->family = CF_ADDR_IPV4;
	if ((has_requested && has_additional) || (has_requested && requested.len != 4) ||
		(has_additional && additional.len != 4))
		return 400;
	if (has_requested) {
		wish->family = family_of(requested);
		if (wish->family == CF_ADDR_NONE)
			return 440;
	}
	if (has_additional && family_of(additional) != CF_ADDR_IPV6)
		return 400; /* step 8: IPv4 is what one gets anyway */
	wish->additional = has_additional;
	if (wish->has_token && (has_requested || has_additional))
		return 400;
	return 0;
}

static uint16_t read_ports(const struct cf_stun_msg *msg, struct wish *wish)
{
	struct cf_view even;
	int err = cf_stun_msg_u64(msg, CF_TURN_RESERVATION_TOKEN, &wish->token);

	if (err == CF_EBADMSG)
		return 400;
	wish->has_token = err == 0;
	if (!cf_stun_msg_attr(msg, CF_TURN_EVEN_PORT, &even))
		return 0;
	if (even.len != 1 || wish->has_token)
		return 400;
	wish->even = true;
	wish->reserve = even.p[0] & EVEN_PORT_RESERVE;
	return 0;
}

/* RFC 8016 section 3.1: an empty ticket asks for one. */
static uint16_t read_ticket(const struct cf_relay_request *req, struct wish *wish)
{
	struct cf_view v;

	if (!cf_stun_msg_attr(req->msg, CF_TURN_MOBILITY_TICKET, &v))
		return 0;
	if (v.len > 0)
		return 400;
	wish->mobile = true;
	return req->relay->config.mobility ? 0 : 405;
}

/* 0 or the code of the refusal. */
static uint16_t read_wish(struct cf_relay_request *req, struct wish *wish)
{
	uint16_t code = read_transport(req->msg);

	if (code == 0)
		code = read_ports(req->msg, wish);
	if (code == 0)
		code = read_families(req->msg, wish);
	if (code == 0 && wish->additional && wish->reserve)
		code = 400; /* step 8 */
	if (code == 0)
		code = read_ticket(req, wish);
	if (code == 0 && !cf_relay_lifetime(req, &wish->lifetime_s))
		code = 400;
	return code;
}

static void respond_allocated(struct cf_relay_request *req)
{
	struct cf_relay_alloc *alloc = req->alloc;
	uint64_t left_us = alloc->expires_us - req->now_us;
	uint8_t buf[CF_RELAY_RESPONSE_MAX];
	struct cf_stun_writer w;

	cf_relay_respond_begin(req, &w, buf, CF_STUN_SUCCESS);
	for (size_t i = 0; i < 2; i++)
		if (alloc->sides[i].socket)
			cf_stun_write_xor_addr(
				&w, CF_TURN_XOR_RELAYED_ADDRESS, &alloc->sides[i].relayed);
	cf_stun_write_u32(&w, CF_TURN_LIFETIME, (uint32_t)(left_us / CF_US_PER_S));
	if (alloc->has_token)
		cf_stun_write_u64(&w, CF_TURN_RESERVATION_TOKEN, alloc->token);
	if (alloc->additional_code) /* section 18.12: family, reserved, class, number */
		cf_stun_write_u32(&w, CF_TURN_ADDRESS_ERROR_CODE,
			2u << 24 | alloc->additional_code / 100u << 8 |
				alloc->additional_code % 100u);
	if (alloc->mobile)
		cf_relay_write_ticket(req, &w);
	cf_stun_write_xor_addr(&w, CF_STUN_XOR_MAPPED_ADDRESS, &req->from->remote);
	cf_relay_respond_end(req, &w);
}

static uint16_t open_side(struct cf_relay_request *req, struct cf_relay_alloc *alloc,
	const struct wish *wish, uint8_t family)
{
	struct cf_relay *relay = req->relay;
	struct cf_relay_open open = {
		.family = family,
		.even_port = wish->even,
		.reserve_next = wish->reserve,
		.has_token = wish->has_token,
		.token = wish->token,
		.near = req->from->local,
		.owner = alloc,
	};
	struct cf_relay_opened opened = {0};
	struct cf_relay_side *side;
	int err = relay->io.open(&open, &opened, relay->arg);

	if (err < 0)
		return err == CF_ENOTSUP ? 440 : 508;
	side = cf_relay_alloc_side(alloc, opened.relayed.family);
	side->socket = opened.socket;
	side->relayed = opened.relayed;
	if (wish->reserve) {
		alloc->has_token = true;
		alloc->token = opened.token;
	}
	return 0;
}

static uint16_t open_sides(
	struct cf_relay_request *req, struct cf_relay_alloc *alloc, const struct wish *wish)
{
	uint16_t code = open_side(req, alloc, wish, wish->family);

	if (!wish->additional)
		return code;
	/* RFC 8656 section 7.2: with one of two families the allocation stands, and the other is
	 * named in ADDRESS-ERROR-CODE. */
	if (code)
		return code;
	alloc->additional_code = open_side(req, alloc, wish, CF_ADDR_IPV6);
	return 0;
}

static uint16_t admit(struct cf_relay_request *req)
{
	struct cf_relay *relay = req->relay;
	int err;

	if (relay->draining)
		return relay->config.alternate.family ? 300 : 508;
	if (relay->stats.allocations >= relay->config.max_allocations)
		return 508;
	if (!relay->io.admit)
		return 0;
	err = relay->io.admit(req->credential.resource, req->credential.user, relay->arg);
	return err == 0 ? 0 : err == CF_ELIMIT ? 486 : 508;
}

static uint16_t make(struct cf_relay_request *req, const struct wish *wish)
{
	struct cf_relay *relay = req->relay;
	struct cf_relay_alloc *alloc;
	uint16_t code = admit(req);

	if (code)
		return code;
	alloc = cf_relay_alloc_new(req);
	if (!alloc) {
		if (relay->io.retire)
			relay->io.retire(
				req->credential.resource, req->credential.user, relay->arg);
		return 500;
	}
	alloc->mobile = wish->mobile;
	alloc->expires_us = req->now_us + wish->lifetime_s * CF_US_PER_S;
	code = cf_relay_lease_begin(relay, alloc);
	req->budget_used_up = code == 486;
	if (code == 0)
		code = open_sides(req, alloc, wish);
	if (code == 0 && cf_relay_alloc_enter(relay, alloc, req->now_us) < 0)
		code = 500;
	if (code) {
		cf_relay_alloc_end(relay, alloc, false, req->now_us);
		return code;
	}
	req->alloc = alloc;
	return 0;
}

void cf_relay_allocate(struct cf_relay_request *req)
{
	struct wish wish = {0};
	uint16_t code;

	/* Step 2: one allocation per 5-tuple. The same transaction is answered as before
	 * (RFC 8489 section 6.3.1: a server may keep no list of responses when it can tell). */
	if (req->alloc) {
		if (memcmp(req->alloc->tid, req->msg->tid, CF_STUN_TID_LEN) == 0)
			respond_allocated(req);
		else
			cf_relay_respond_error(req, 437, NULL);
		return;
	}
	code = read_wish(req, &wish);
	if (code == 0)
		code = make(req, &wish);
	if (code)
		cf_relay_respond_error(
			req, code, req->budget_used_up ? "relay budget used up" : NULL);
	else
		respond_allocated(req);
}
