/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/history.h"

#include "base/mem.h"
#include "base/wire.h"
#include "rtp/packet.h"

#include <string.h>

#define SLOTS_MAX 32768u
#define PACKET_MAX 65535u

struct slot {
	uint16_t len; /* 0: empty */
	uint16_t seq;
	uint64_t sent_us;
};

struct cf_rtp_history {
	size_t slots, max;
	bool started;
	uint16_t newest;
	uint8_t *bytes; /* max for each slot */
	struct slot slot[];
};

int cf_rtp_history_new(struct cf_rtp_history **ret_history, size_t slots, size_t max)
{
	struct cf_rtp_history *history;

	if (slots == 0 || slots > SLOTS_MAX || (slots & (slots - 1)) || max < CF_RTP_HEADER_LEN ||
		max > PACKET_MAX)
		return CF_EINVAL;
	history = cf_alloc(sizeof(*history) + slots * sizeof(struct slot));
	if (!history)
		return CF_ENOMEM;
	history->bytes = cf_alloc(slots * max);
	if (!history->bytes) {
		cf_free(history);
		return CF_ENOMEM;
	}
	history->slots = slots;
	history->max = max;
	*ret_history = history;
	return 0;
}

struct cf_rtp_history *cf_rtp_history_free(struct cf_rtp_history *history)
{
	if (history)
		cf_free(history->bytes);
	return cf_free(history);
}

void cf_rtp_history_put(
	struct cf_rtp_history *history, const uint8_t *packet, size_t n, uint64_t now_us)
{
	uint16_t seq;
	size_t i;

	if (n < CF_RTP_HEADER_LEN || n > history->max)
		return;
	seq = cf_wire_get_u16(packet + 2);
	i = seq & (history->slots - 1);
	history->slot[i] = (struct slot){.len = (uint16_t)n, .seq = seq, .sent_us = now_us};
	memcpy(history->bytes + i * history->max, packet, n);
	history->newest = seq;
	history->started = true;
}

bool cf_rtp_history_peek(
	const struct cf_rtp_history *history, uint16_t seq, struct cf_view *ret_packet)
{
	size_t i = seq & (history->slots - 1);

	if (history->slot[i].len == 0 || history->slot[i].seq != seq)
		return false;
	*ret_packet = cf_view_of(history->bytes + i * history->max, history->slot[i].len);
	return true;
}

bool cf_rtp_history_get(struct cf_rtp_history *history, uint16_t seq, uint32_t rtt_us,
	uint64_t now_us, struct cf_view *ret_packet)
{
	struct slot *slot = &history->slot[seq & (history->slots - 1)];

	if (!cf_rtp_history_peek(history, seq, ret_packet) || now_us < slot->sent_us + rtt_us)
		return false;
	slot->sent_us = now_us;
	return true;
}

bool cf_rtp_history_newest(
	const struct cf_rtp_history *history, size_t max, struct cf_view *ret_packet)
{
	return history->started && cf_rtp_history_peek(history, history->newest, ret_packet) &&
	       ret_packet->len <= max;
}

int cf_rtx_wrap(uint8_t *p, size_t cap, struct cf_view packet, uint8_t payload_type, uint32_t ssrc,
	uint16_t seq)
{
	struct cf_rtp_packet original;
	size_t head, n;

	if (cf_rtp_packet_parse(&original, packet.p, packet.len) < 0 || payload_type > 127)
		return CF_EBADMSG;
	head = (size_t)cf_rtp_header_len(packet.p, packet.len);
	n = head + CF_RTX_HEADER_LEN + original.payload.len;
	if (n > cap)
		return CF_ENOSPC;
	memcpy(p, packet.p, head);
	p[0] &= (uint8_t)~0x20; /* the padding stays behind */
	p[1] = (uint8_t)((p[1] & 0x80) | payload_type);
	p[2] = (uint8_t)(seq >> 8);
	p[3] = (uint8_t)seq;
	cf_wire_put_u32(p + 8, ssrc);
	p[head] = packet.p[2];
	p[head + 1] = packet.p[3];
	if (original.payload.len)
		memcpy(p + head + CF_RTX_HEADER_LEN, original.payload.p, original.payload.len);
	return (int)n;
}

int cf_rtx_unwrap(uint8_t *p, size_t n, uint8_t payload_type, uint32_t ssrc)
{
	struct cf_rtp_packet packet;
	size_t head;

	if (cf_rtp_packet_parse(&packet, p, n) < 0 || payload_type > 127 ||
		packet.payload.len < CF_RTX_HEADER_LEN)
		return CF_EBADMSG;
	head = (size_t)cf_rtp_header_len(p, n);
	p[0] &= (uint8_t)~0x20;
	p[1] = (uint8_t)((p[1] & 0x80) | payload_type);
	p[2] = p[head];
	p[3] = p[head + 1];
	cf_wire_put_u32(p + 8, ssrc);
	n = packet.payload.len - CF_RTX_HEADER_LEN;
	memmove(p + head, p + head + CF_RTX_HEADER_LEN, n);
	return (int)(head + n);
}
