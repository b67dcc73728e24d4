/* SPDX-License-Identifier: Apache-2.0 */
/* What a member receives: one stream of its own numbers, whatever is put into it. */
#include "forward/forward_priv.h"

#include <string.h>

#define NACKS_MAX 64
/* The same packet is not sent again sooner, where the round-trip is not known. */
#define AGAIN_US (20 * CF_US_PER_MS)
#define TAIL 64 /* for SRTP */

/* ---- life ---- */

int cf_forward_slot_add(struct cf_forward_member *member, const struct cf_forward_slot_opts *opts,
	struct cf_forward_slot **ret_slot)
{
	size_t mid_len = opts->mid ? strlen(opts->mid) : 0;
	struct cf_forward_slot *slot;

	if (opts->n_formats == 0 || opts->n_formats > CF_FORWARD_FORMATS_MAX ||
		mid_len > CF_FORWARD_MID_MAX)
		return CF_EINVAL;
	if (member->n_slots == CF_FORWARD_SLOTS_MAX)
		return CF_ELIMIT;
	slot = cf_alloc(sizeof(*slot));
	if (!slot)
		return CF_ENOMEM;
	slot->member = member;
	slot->height = UINT16_MAX;
	cf_list_init(&slot->shown_link);
	cf_list_init(&slot->awaited_link);
	cf_rtp_sender_init(&slot->rtp, opts->ssrc, CF_VIDEO_CLOCK, opts->seq_seed);
	slot->last_seq = slot->rtp.next_seq;
	slot->last_ts = opts->ts_seed;
	slot->rtx_ssrc = opts->rtx_ssrc;
	slot->rtx_seq = opts->rtx_seq_seed & 0x7fff;
	slot->last_picture = opts->rtx_seq_seed & 0x3fff;
	slot->mid_ext_id = opts->mid_ext_id;
	slot->twcc_ext_id = opts->twcc_ext_id;
	slot->mid_len = mid_len;
	if (mid_len > 0)
		memcpy(slot->mid, opts->mid, mid_len);
	slot->n_formats = opts->n_formats;
	memcpy(slot->formats, opts->formats, sizeof(slot->formats));
	cf_list_push(&member->slots, &slot->link);
	member->n_slots++;
	member->forward->dirty = true;
	*ret_slot = slot;
	return 0;
}

struct cf_forward_slot *cf_forward_slot_remove(struct cf_forward_slot *slot)
{
	if (!slot)
		return NULL;
	slot_aim(slot, NULL);
	cf_list_remove(&slot->link);
	slot->member->n_slots--;
	slot->member->forward->dirty = true;
	return cf_free(slot);
}

/* ---- what is in it ---- */

static void await(struct cf_forward_slot *slot, struct layer *layer)
{
	cf_list_remove(&slot->awaited_link);
	slot->next = layer;
	if (!layer)
		return;
	cf_list_push(&layer->awaited, &slot->awaited_link);
	layer_want_key(layer);
}

/* A new epoch begins; what was before can still be asked for. */
static struct epoch *show(struct cf_forward_slot *slot, struct layer *layer)
{
	cf_list_remove(&slot->shown_link);
	memmove(&slot->epochs[1], &slot->epochs[0], (EPOCHS - 1) * sizeof(slot->epochs[0]));
	slot->epochs[0] = (struct epoch){.layer = layer, .first = (uint16_t)(slot->last_seq + 1)};
	if (layer)
		cf_list_push(&layer->shown, &slot->shown_link);
	return &slot->epochs[0];
}

void slot_aim(struct cf_forward_slot *slot, struct layer *layer)
{
	if (layer && layer == slot_layer(slot))
		await(slot, NULL);
	else if (layer != slot->next)
		await(slot, layer);
	if (!layer && slot_layer(slot))
		show(slot, NULL);
}

void slot_forget(struct cf_forward_slot *slot, const struct layer *layer)
{
	if (slot->next == layer)
		await(slot, NULL);
	if (slot_layer(slot) == layer)
		show(slot, NULL);
	for (size_t i = 0; i < EPOCHS; i++)
		if (slot->epochs[i].layer == layer)
			slot->epochs[i].layer = NULL;
}

/* Time goes on as it did for who looks, whatever the clocks of the senders. */
static uint32_t next_ts(const struct cf_forward_slot *slot, uint64_t now_us)
{
	uint64_t passed_us = slot->rtp.last_us ? now_us - slot->rtp.last_us : 0;

	return slot->last_ts + (uint32_t)(passed_us * 9 / 100) + 1;
}

void slot_switch(struct cf_forward_slot *slot, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	struct layer *layer = slot->next;
	struct epoch *epoch;
	struct vp8_ids ids;

	await(slot, NULL);
	if (slot_layer(slot))
		layer_flush(slot_layer(slot), now_us);
	epoch = show(slot, layer);
	epoch->seq_add = (uint16_t)(epoch->first - packet->seq);
	epoch->ts_add = next_ts(slot, now_us) - packet->ts;
	vp8_read(packet->payload, &ids);
	epoch->picture_add = (uint16_t)(slot->last_picture + 1 - ids.picture);
	epoch->tl0_add = (uint8_t)(slot->last_tl0 + 1 - ids.tl0);
	slot->stats.switches++;
}

/* ---- packets ---- */

/* The packet as it is in this slot; its length, 0 when it cannot be. */
static size_t rewrite(struct cf_forward_slot *slot, const struct epoch *epoch,
	const struct cf_rtp_packet *in, uint8_t pt, uint8_t *p, size_t cap)
{
	uint16_t twcc_seq = slot->member->twcc_seq;
	uint8_t source[4], number[2] = {(uint8_t)(twcc_seq >> 8), (uint8_t)twcc_seq};
	const struct cf_rtp_ext_item items[] = {
		{slot->mid_len ? slot->mid_ext_id : 0, cf_view_of(slot->mid, slot->mid_len)},
		{slot->twcc_ext_id, cf_view_of(number, sizeof(number))},
	};
	struct cf_rtp_packet out = *in;
	struct vp8_ids ids;
	int n;

	cf_wire_put_u32(source, epoch->layer->track->source);
	out.payload_type = pt;
	out.ssrc = slot->rtp.ssrc;
	out.seq = (uint16_t)(in->seq + epoch->seq_add);
	out.ts = in->ts + epoch->ts_add;
	out.csrcs = cf_view_of(source, sizeof(source));
	out.padding = 0;
	n = cf_rtp_packet_write(p, cap, &out, items, CF_ARRAY_LEN(items));
	if (n <= 0)
		return 0;
	if (epoch->layer->codec == CF_VIDEO_VP8) {
		vp8_read(in->payload, &ids);
		vp8_write(p + n - in->payload.len, in->payload.len,
			(uint16_t)(ids.picture + epoch->picture_add),
			(uint8_t)(ids.tl0 + epoch->tl0_add));
	}
	return (size_t)n;
}

static void emit(struct cf_forward_slot *slot, uint8_t *p, size_t n, size_t cap, uint64_t now_us)
{
	struct cf_forward_member *member = slot->member;

	if (slot->twcc_ext_id)
		cf_cc_sent(member->cc, member->twcc_seq++, (uint32_t)(n + OVERHEAD), now_us);
	slot->stats.packets++;
	slot->stats.bytes += n;
	member->forward->emit(member->owner, p, n, cap, member->forward->arg);
}

/* The latest of what has gone out: what follows a change goes on from there. */
static void note(struct cf_forward_slot *slot, const struct epoch *epoch,
	const struct cf_rtp_packet *in, uint64_t now_us)
{
	uint16_t seq = (uint16_t)(in->seq + epoch->seq_add);
	struct vp8_ids ids;

	slot->rtp.packets++;
	slot->rtp.octets += in->payload.len;
	if (slot->started && (uint16_t)(seq - slot->last_seq) >= 0x8000)
		return;
	slot->started = true;
	slot->last_seq = seq;
	slot->last_ts = slot->rtp.last_ts = in->ts + epoch->ts_add;
	slot->rtp.last_us = now_us;
	if (epoch->layer->codec != CF_VIDEO_VP8)
		return;
	vp8_read(in->payload, &ids);
	if (ids.has_picture)
		slot->last_picture = (uint16_t)(ids.picture + epoch->picture_add) & 0x7fff;
	if (ids.has_tl0)
		slot->last_tl0 = (uint8_t)(ids.tl0 + epoch->tl0_add);
}

void slot_forward(struct cf_forward_slot *slot, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	const struct epoch *epoch = &slot->epochs[0];
	const struct cf_forward_format *format =
		format_of(slot->formats, slot->n_formats, epoch->layer->codec);
	uint16_t seq = (uint16_t)(packet->seq + epoch->seq_add);
	uint8_t p[CF_FORWARD_PACKET_MAX + 2 * TAIL];
	size_t n;

	/* Of before its key frame. */
	if (!format || (uint16_t)(seq - epoch->first) >= 0x8000)
		return;
	n = rewrite(slot, epoch, packet, format->pt, p, sizeof(p) - TAIL);
	if (n == 0)
		return;
	note(slot, epoch, packet, now_us);
	emit(slot, p, n, sizeof(p), now_us);
}

/* ---- what is said about it ---- */

/* The epoch that a number of the slot is of; NULL: of none that is known. */
static const struct epoch *epoch_of(const struct cf_forward_slot *slot, uint16_t seq)
{
	for (size_t i = 0; i < EPOCHS; i++)
		if ((uint16_t)(seq - slot->epochs[i].first) < 0x8000)
			return slot->epochs[i].layer ? &slot->epochs[i] : NULL;
	return NULL;
}

static bool was_just_repeated(struct cf_forward_slot *slot, uint16_t seq, uint64_t now_us)
{
	size_t i = seq % REPEATED;
	uint64_t rtt_us = slot->rtp.rtt_us > 0 ? (uint64_t)slot->rtp.rtt_us : AGAIN_US;

	if (slot->repeated[i].at_us && slot->repeated[i].seq == seq &&
		now_us - slot->repeated[i].at_us < rtt_us)
		return true;
	slot->repeated[i].seq = seq;
	slot->repeated[i].at_us = now_us;
	return false;
}

static void repeat(struct cf_forward_slot *slot, uint16_t seq, uint64_t now_us)
{
	const struct epoch *epoch = epoch_of(slot, seq);
	uint8_t plain[CF_FORWARD_PACKET_MAX + TAIL], p[CF_FORWARD_PACKET_MAX + 2 * TAIL];
	const struct cf_forward_format *format;
	struct cf_rtp_packet packet;
	struct cf_view kept;
	size_t n;
	int len;

	if (!epoch ||
		!cf_rtp_history_peek(
			epoch->layer->history, (uint16_t)(seq - epoch->seq_add), &kept) ||
		cf_rtp_packet_parse(&packet, kept.p, kept.len) < 0 ||
		was_just_repeated(slot, seq, now_us))
		return;
	format = format_of(slot->formats, slot->n_formats, epoch->layer->codec);
	n = format ? rewrite(slot, epoch, &packet, format->pt, plain, sizeof(plain)) : 0;
	if (n == 0)
		return;
	slot->stats.repeated++;
	if (!format->rtx_pt) {
		emit(slot, plain, n, sizeof(plain), now_us);
		return;
	}
	len = cf_rtx_wrap(p, sizeof(p) - TAIL, cf_view_of(plain, n), format->rtx_pt, slot->rtx_ssrc,
		slot->rtx_seq);
	if (len > 0) {
		slot->rtx_seq++;
		emit(slot, p, (size_t)len, sizeof(p), now_us);
	}
}

void slot_rtcp(struct cf_forward_slot *slot, const struct cf_rtcp_item *item, uint64_t now_us)
{
	bool ours = item->media_ssrc == slot->rtp.ssrc;
	uint16_t seqs[NACKS_MAX];
	struct cf_rtcp_block block;

	if (item->kind == CF_RTCP_NACK && ours) {
		size_t n = cf_rtcp_item_nack(item, seqs, NACKS_MAX);

		slot->stats.nacks += n;
		for (size_t i = 0; i < n; i++)
			repeat(slot, seqs[i], now_us);
	} else if ((item->kind == CF_RTCP_PLI && ours) || cf_rtcp_item_fir(item, slot->rtp.ssrc)) {
		slot->stats.plis++;
		if (slot_layer(slot))
			layer_want_key(slot_layer(slot));
	}
	for (size_t i = 0; cf_rtcp_item_block(item, i, &block); i++)
		cf_rtp_sender_report(&slot->rtp, &block, now_us);
}

void cf_forward_reports(struct cf_forward_member *member, const char *cname, uint64_t now_us,
	struct cf_wire_writer *w)
{
	struct cf_rtcp_sender_info info;

	CF_LIST_FOR(it, &member->slots)
	{
		const struct cf_forward_slot *slot = slot_of(it);

		if (!slot_layer(slot) || !cf_rtp_sender_info(&slot->rtp, now_us, &info))
			continue;
		cf_rtcp_write_sr(w, slot->rtp.ssrc, &info, NULL, 0);
		cf_rtcp_write_sdes(w, slot->rtp.ssrc, cname);
	}
}

void cf_forward_slot_stats(
	const struct cf_forward_slot *slot, struct cf_forward_slot_stats *ret_stats)
{
	const struct layer *layer = slot_layer(slot);

	*ret_stats = slot->stats;
	ret_stats->source = layer ? layer->track->source : 0;
	ret_stats->layer = layer ? (int)layer->rank : -1;
	ret_stats->waiting = slot->next != NULL;
}
