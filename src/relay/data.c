/* SPDX-License-Identifier: Apache-2.0 */
/* Relayed data, both ways: RFC 8656 sections 11 and 12. */
#include "relay/relay_priv.h"

#include <string.h>

#define IPV6_DATA_HEAD 48 /* header 20, XOR-PEER-ADDRESS 24, DATA's head 4 */
#define IPV4_DATA_HEAD 36

_Static_assert(CF_TURN_HEADROOM >= IPV6_DATA_HEAD, "a Data indication is written in front");

/* The cap of one direction. A second's worth may come at once. */
static bool has_tokens(
	const struct cf_relay *relay, struct cf_relay_bucket *bucket, size_t n, uint64_t now_us)
{
	uint64_t rate = relay->config.max_bps / 8, most = rate * CF_US_PER_S;
	uint64_t elapsed = now_us - bucket->last_us;

	if (rate == 0)
		return true;
	if (bucket->last_us == 0 || elapsed >= CF_US_PER_S)
		bucket->tokens = most;
	else
		bucket->tokens += elapsed * rate;
	if (bucket->tokens > most)
		bucket->tokens = most;
	bucket->last_us = now_us;
	if (bucket->tokens < n * CF_US_PER_S)
		return false;
	bucket->tokens -= n * CF_US_PER_S;
	return true;
}

static bool take_tokens(
	struct cf_relay *relay, struct cf_relay_bucket *bucket, size_t n, uint64_t now_us)
{
	bool there = has_tokens(relay, bucket, n, now_us);

	relay->stats.dropped_rate += !there;
	return there;
}

static void to_peer(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_addr *peer, struct cf_view data, size_t client_bytes, bool dont_fragment,
	uint64_t now_us)
{
	struct cf_relay_counters *c = &alloc->counters,
				 *all = &relay->stats.by_transport[alloc->tuple.transport];
	struct cf_relay_side *side = cf_relay_alloc_side(alloc, peer->family);

	if (!side->socket || !take_tokens(relay, &alloc->up, data.len, now_us) ||
		!cf_relay_lease_take(relay, alloc, data.len)) {
		relay->stats.dropped++;
		return;
	}
	c->client_in_packets++;
	c->client_in_bytes += client_bytes;
	c->peer_out_packets++;
	c->peer_out_bytes += data.len;
	all->client_in_packets++;
	all->client_in_bytes += client_bytes;
	all->peer_out_packets++;
	all->peer_out_bytes += data.len;
	relay->io.send_peer(side->socket, peer, data.p, data.len, dont_fragment, relay->arg);
}

/* RFC 8656 section 12.6 */
void cf_relay_channel_input(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const uint8_t *p, size_t n, uint64_t now_us)
{
	struct cf_relay_alloc *alloc = cf_relay_alloc_find(relay, from, now_us);
	struct cf_relay_channel *channel = NULL;
	struct cf_view data;
	uint16_t number;

	if (cf_turn_channel_parse(p, n, &number, &data) == 0 && alloc)
		channel = cf_relay_channel_by_number(alloc, number, now_us);
	if (channel)
		to_peer(relay, alloc, &channel->peer, data, n, false, now_us);
	else
		relay->stats.dropped++;
}

/* RFC 8656 section 11.2 */
void cf_relay_send_input(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const struct cf_stun_msg *msg, uint64_t now_us)
{
	static const uint16_t known[] = {
		CF_TURN_XOR_PEER_ADDRESS, CF_TURN_DATA_ATTR, CF_TURN_DONT_FRAGMENT};
	struct cf_relay_alloc *alloc = cf_relay_alloc_find(relay, from, now_us);
	struct cf_relay_permission *permission = NULL;
	struct cf_addr peer;
	struct cf_view data;
	uint16_t unknown;

	if (alloc && cf_stun_msg_xor_addr(msg, CF_TURN_XOR_PEER_ADDRESS, &peer) == 0 &&
		cf_stun_msg_attr(msg, CF_TURN_DATA_ATTR, &data) &&
		cf_stun_msg_unknown(msg, known, 3, &unknown, 1) == 0)
		permission = cf_relay_permission_find(alloc, &peer);
	/* The policy once more: a permission is for an IP, our own ports are not for anyone. */
	if (permission && now_us < permission->expires_us &&
		cf_relay_peer_allowed(&relay->config, &peer))
		to_peer(relay, alloc, &peer, data, msg->raw_len,
			cf_stun_msg_has(msg, CF_TURN_DONT_FRAGMENT), now_us);
	else
		relay->stats.dropped++;
}

/* Puts a Data indication's head in front of p; returns its length. The transaction id means
 * nothing in an indication: it is drawn from the counters and the seed. */
static size_t prepend_indication(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_addr *peer, uint8_t *p, size_t n)
{
	size_t head = peer->family == CF_ADDR_IPV6 ? IPV6_DATA_HEAD : IPV4_DATA_HEAD;
	uint8_t tid[CF_STUN_TID_LEN];
	uint64_t count = relay->seed ^ alloc->counters.peer_in_packets;
	struct cf_stun_writer w;
	uint8_t *at = p - head;

	memcpy(tid, &count, 8);
	memcpy(tid + 8, alloc->id, 4);
	cf_stun_write_begin(&w, at, head, CF_STUN_INDICATION, CF_TURN_DATA, tid);
	cf_stun_write_xor_addr(&w, CF_TURN_XOR_PEER_ADDRESS, peer);
	cf_wire_write_u16(&w.w, CF_TURN_DATA_ATTR);
	cf_wire_write_u16(&w.w, (uint16_t)n);
	cf_wire_patch_u16(&w.w, 2, (uint16_t)(head - CF_STUN_HEADER_LEN + ((n + 3) & ~(size_t)3)));
	return head;
}

static void count_down(struct cf_relay_counters *c, size_t peer_bytes, size_t client_bytes)
{
	c->peer_in_packets++;
	c->peer_in_bytes += peer_bytes;
	c->client_out_packets++;
	c->client_out_bytes += client_bytes;
}

void cf_relay_peer_input(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_addr *peer, uint8_t *p, size_t n, uint64_t now_us)
{
	struct cf_relay_channel *channel = cf_relay_channel_by_peer(alloc, peer, now_us);
	struct cf_relay_permission *permission =
		channel ? channel->permission : cf_relay_permission_find(alloc, peer);
	size_t head, pad = -n & 3u;

	/* RFC 8656 section 11.3 */
	if (now_us >= alloc->expires_us || !permission || now_us >= permission->expires_us ||
		n > UINT16_MAX - CF_TURN_HEADROOM - 3 ||
		!take_tokens(relay, &alloc->down, n, now_us) ||
		!cf_relay_lease_take(relay, alloc, n)) {
		relay->stats.dropped++;
		return;
	}
	memset(p + n, 0, pad);
	if (channel) {
		cf_turn_channel_prepend(p, n, channel->number);
		head = CF_TURN_CHANNEL_HEADER_LEN;
		if (alloc->tuple.transport == CF_RELAY_UDP ||
			alloc->tuple.transport == CF_RELAY_DTLS)
			pad = 0; /* section 12.5: datagrams need none */
	} else {
		head = prepend_indication(relay, alloc, peer, p, n);
	}
	count_down(&alloc->counters, n, head + n + pad);
	count_down(&relay->stats.by_transport[alloc->tuple.transport], n, head + n + pad);
	relay->io.send_client(&alloc->tuple, p - head, head + n + pad, true, relay->arg);
}

/* RFC 8656 section 11.5 */
void cf_relay_peer_icmp(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_addr *peer, uint8_t type, uint8_t code, uint32_t data, uint64_t now_us)
{
	struct cf_relay_permission *permission = cf_relay_permission_find(alloc, peer);
	uint8_t tid[CF_STUN_TID_LEN] = {0}, value[8] = {0, 0, type, code}, buf[128];
	struct cf_stun_writer w;
	int n;

	if (now_us >= alloc->expires_us || !permission || now_us >= permission->expires_us)
		return;
	for (size_t i = 8; i > 4; i--, data >>= 8)
		value[i - 1] = (uint8_t)data;
	memcpy(tid, alloc->id, sizeof(tid));
	cf_stun_write_begin(&w, buf, sizeof(buf), CF_STUN_INDICATION, CF_TURN_DATA, tid);
	cf_stun_write_xor_addr(&w, CF_TURN_XOR_PEER_ADDRESS, peer);
	cf_stun_write_bytes(&w, CF_TURN_ICMP, value, sizeof(value));
	n = cf_stun_write_end(&w);
	if (n > 0)
		relay->io.send_client(&alloc->tuple, buf, (size_t)n, false, relay->arg);
}
