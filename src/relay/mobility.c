/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 8016: an allocation follows its client to another 5-tuple. A ticket names worker, place in
 * the table, allocation and how often that has moved, under a MAC; each move makes it worthless. */
#include "base/mem.h"
#include "crypto/hash.h"
#include "relay/relay_priv.h"

#include <string.h>

#define MAC_LEN 12
#define BODY_LEN (CF_RELAY_TICKET_LEN - MAC_LEN)

static int ticket_mac(const struct cf_relay *relay, const uint8_t body[static BODY_LEN],
	uint8_t mac[static CF_SHA256_LEN])
{
	struct cf_view parts[2] = {cf_view_str("mobility ticket"), cf_view_of(body, BODY_LEN)};

	return cf_crypto_hmac_sha256(mac,
		cf_view_of(relay->config.nonce_key, sizeof(relay->config.nonce_key)), parts, 2);
}

void cf_relay_write_ticket(const struct cf_relay_request *req, struct cf_stun_writer *w)
{
	const struct cf_relay_alloc *alloc = req->alloc;
	uint8_t ticket[CF_RELAY_TICKET_LEN], mac[CF_SHA256_LEN];
	struct cf_wire_writer body;

	cf_wire_writer_init(&body, ticket, BODY_LEN);
	cf_wire_write_u8(&body, req->relay->config.worker);
	cf_wire_write_u32(&body, alloc->node.hash);
	cf_wire_write_u32(&body, alloc->moves);
	cf_wire_write_bytes(&body, alloc->id, sizeof(alloc->id));
	if (ticket_mac(req->relay, ticket, mac) < 0)
		return;
	memcpy(ticket + BODY_LEN, mac, MAC_LEN);
	cf_stun_write_bytes(w, CF_TURN_MOBILITY_TICKET, ticket, sizeof(ticket));
}

static bool ticket_read(
	const struct cf_relay *relay, struct cf_view v, struct cf_relay_ticket *ret_ticket)
{
	uint8_t mac[CF_SHA256_LEN];
	struct cf_wire_reader r;

	if (v.len != CF_RELAY_TICKET_LEN || ticket_mac(relay, v.p, mac) < 0 ||
		!cf_crypto_equal(mac, v.p + BODY_LEN, MAC_LEN))
		return false;
	cf_wire_reader_init(&r, v.p, BODY_LEN);
	ret_ticket->worker = cf_wire_read_u8(&r);
	ret_ticket->hash = cf_wire_read_u32(&r);
	ret_ticket->moves = cf_wire_read_u32(&r);
	memcpy(ret_ticket->id, cf_wire_read_view(&r, 16).p, 16);
	return true;
}

static bool ticket_names(const struct cf_map_node *node, const void *key)
{
	const struct cf_relay_alloc *alloc = CF_CONTAINER_OF(node, struct cf_relay_alloc, node);
	const struct cf_relay_ticket *ticket = key;

	return memcmp(alloc->id, ticket->id, sizeof(alloc->id)) == 0;
}

void cf_relay_find_by_ticket(struct cf_relay_request *req)
{
	struct cf_relay *relay = req->relay;
	struct cf_relay_alloc *alloc;
	struct cf_map_node *node;
	struct cf_view v;

	if (!cf_stun_msg_attr(req->msg, CF_TURN_MOBILITY_TICKET, &v))
		return;
	req->with_ticket = true;
	req->ticket_good = ticket_read(relay, v, &req->ticket);
	if (!req->ticket_good || !relay->config.mobility)
		return;
	if (req->alloc) { /* here already: a Refresh sent again, or one back where it came from */
		req->ticket_good = ticket_names(&req->alloc->node, &req->ticket);
		req->moving = req->ticket_good && req->alloc->has_old &&
			      req->alloc->moves == req->ticket.moves;
		return;
	}
	if (req->ticket.worker != relay->config.worker)
		return;
	node = cf_map_find(&relay->by_tuple, req->ticket.hash, ticket_names, &req->ticket);
	alloc = node ? CF_CONTAINER_OF(node, struct cf_relay_alloc, node) : NULL;
	if (alloc && alloc->moves == req->ticket.moves && req->now_us < alloc->expires_us) {
		req->alloc = alloc;
		req->moving = true;
	}
}

uint16_t cf_relay_check_ticket(const struct cf_relay_request *req)
{
	if (!req->with_ticket)
		return 0;
	if (!req->relay->config.mobility)
		return 405;
	return req->ticket_good ? 0 : 400;
}

bool cf_relay_fetch(struct cf_relay_request *req)
{
	struct cf_relay *relay = req->relay;

	if (req->alloc || !req->with_ticket || req->ticket.worker == relay->config.worker ||
		relay->fetched || !relay->io.fetch)
		return false;
	return relay->io.fetch(req->ticket.worker, req->from, req->msg->raw, req->msg->raw_len,
		       relay->arg) == 0;
}

struct cf_relay_alloc *cf_relay_give(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const uint8_t *p, size_t n, uint64_t now_us)
{
	struct cf_relay_request req = {
		.relay = relay, .from = from, .now_us = now_us, .silent = true};
	struct cf_stun_msg msg;
	bool good;

	if (cf_stun_msg_parse(&msg, p, n) < 0)
		return NULL;
	req.msg = &msg;
	cf_relay_find_by_ticket(&req);
	good = req.moving && cf_relay_authenticate(&req) && req.known_user;
	cf_wipe(req.credential.password, sizeof(req.credential.password));
	cf_wipe(req.key, sizeof(req.key));
	if (!good)
		return NULL;
	cf_relay_lease_end(relay, req.alloc);
	cf_relay_alloc_leave(relay, req.alloc);
	return req.alloc;
}

void cf_relay_take(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_relay_tuple *from, const uint8_t *p, size_t n, uint64_t now_us)
{
	if (alloc) {
		alloc->tuple = *from;
		alloc->moves++;
		if (cf_relay_alloc_place(relay, alloc, now_us) < 0)
			cf_relay_alloc_end(relay, alloc, false, now_us);
		else /* used up: the next packet ends it, as anywhere else */
			(void)!cf_relay_lease_begin(relay, alloc);
	}
	relay->fetched = true; /* once is enough */
	(void)cf_relay_client_input(relay, from, p, n, now_us);
	relay->fetched = false;
}

void *cf_relay_alloc_socket(const struct cf_relay_alloc *alloc, uint8_t family)
{
	return alloc->sides[family == CF_ADDR_IPV6].socket;
}
