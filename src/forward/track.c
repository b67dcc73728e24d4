/* SPDX-License-Identifier: Apache-2.0 */
/* What a member sends: whose packet it is, what is missing of it, and to whom it goes. */
#include "forward/forward_priv.h"

#include <stdio.h>
#include <string.h>

#define LARGER_PERCENT 130

/* ---- life ---- */

static bool opts_valid(const struct cf_forward_track_opts *opts)
{
	if (opts->n_formats == 0 || opts->n_formats > CF_FORWARD_FORMATS_MAX ||
		opts->n_rids > CF_FORWARD_LAYERS_MAX || opts->source == 0 ||
		(opts->mid && strlen(opts->mid) > CF_FORWARD_MID_MAX))
		return false;
	for (size_t i = 0; i < opts->n_rids; i++)
		if (!opts->rids[i][0] || strlen(opts->rids[i]) > CF_FORWARD_RID_MAX)
			return false;
	for (size_t i = 0; i < opts->n_formats; i++)
		if (opts->formats[i].codec >= CF_VIDEO_CODECS)
			return false;
	return true;
}

static int layers_init(struct cf_forward_track *track, const struct cf_forward_track_opts *opts)
{
	track->n_layers = opts->n_rids > 0 ? opts->n_rids : 1;
	for (size_t i = 0; i < track->n_layers; i++) {
		struct layer *layer = &track->layers[i];
		int err = cf_rtp_history_new(&layer->history, HISTORY_SLOTS, CF_FORWARD_PACKET_MAX);

		if (err < 0)
			return err;
		layer->track = track;
		layer->rank = i;
		track->by_size[i] = layer;
		cf_list_init(&layer->pending_link);
		cf_list_init(&layer->shown);
		cf_list_init(&layer->awaited);
		if (opts->n_rids > 0)
			snprintf(layer->rid, sizeof(layer->rid), "%s", opts->rids[i]);
	}
	return 0;
}

static void track_free(struct cf_forward_track *track)
{
	for (size_t i = 0; i < track->n_layers; i++)
		cf_rtp_history_free(track->layers[i].history);
	cf_free(track);
}

int cf_forward_track_add(struct cf_forward_member *member, const struct cf_forward_track_opts *opts,
	struct cf_forward_track **ret_track)
{
	struct cf_forward_track *track;
	int err;

	if (!opts_valid(opts))
		return CF_EINVAL;
	if (member->n_tracks == CF_FORWARD_TRACKS_MAX)
		return CF_ELIMIT;
	track = cf_alloc(sizeof(*track));
	if (!track)
		return CF_ENOMEM;
	err = layers_init(track, opts);
	if (err < 0) {
		track_free(track);
		return err;
	}
	track->member = member;
	track->screen = opts->screen;
	track->source = opts->source;
	track->mid_ext_id = opts->mid_ext_id;
	track->rid_ext_id = opts->rid_ext_id;
	track->repaired_rid_ext_id = opts->repaired_rid_ext_id;
	track->twcc_ext_id = opts->twcc_ext_id;
	track->n_formats = opts->n_formats;
	memcpy(track->formats, opts->formats, sizeof(track->formats));
	snprintf(track->mid, sizeof(track->mid), "%s", opts->mid ? opts->mid : "");
	cf_list_push(&member->tracks, &track->link);
	cf_list_push(&member->forward->tracks, &track->order_link);
	member->n_tracks++;
	*ret_track = track;
	return 0;
}

void cf_forward_track_on(struct cf_forward_track *track, bool on)
{
	track->off = !on;
}

struct cf_forward_track *cf_forward_track_remove(struct cf_forward_track *track)
{
	if (!track)
		return NULL;
	CF_LIST_FOR(m, &track->member->forward->members)
	{
		CF_LIST_FOR(it, &member_of(m)->slots)
		{
			for (size_t i = 0; i < track->n_layers; i++)
				slot_forget(slot_of(it), &track->layers[i]);
			if (slot_of(it)->track == track)
				slot_of(it)->track = NULL;
		}
	}
	for (size_t i = 0; i < track->n_layers; i++)
		cf_list_remove(&track->layers[i].pending_link);
	track->member->n_tracks--;
	track->member->forward->dirty = true;
	cf_list_remove(&track->link);
	cf_list_remove(&track->order_link);
	track_free(track);
	return NULL;
}

/* ---- whose packet it is ---- */

const struct cf_forward_format *format_of(
	const struct cf_forward_format *formats, size_t n, enum cf_video_codec codec)
{
	for (size_t i = 0; i < n; i++)
		if (formats[i].codec == codec)
			return &formats[i];
	return NULL;
}

static const struct cf_forward_format *format_by_pt(
	const struct cf_forward_track *track, uint8_t pt, bool *ret_rtx)
{
	for (size_t i = 0; i < track->n_formats; i++) {
		const struct cf_forward_format *format = &track->formats[i];

		*ret_rtx = format->rtx_pt && format->rtx_pt == pt;
		if (*ret_rtx || format->pt == pt)
			return format;
	}
	return NULL;
}

static struct layer *layer_by_ssrc(struct cf_forward_track *track, uint32_t ssrc, bool rtx)
{
	for (size_t i = 0; i < track->n_layers; i++) {
		struct layer *layer = &track->layers[i];

		if (layer->alive && (rtx ? layer->rtx_ssrc : layer->source.ssrc) == ssrc)
			return layer;
	}
	return NULL;
}

static bool is(const struct cf_rtp_packet *packet, uint8_t ext_id, const char *text)
{
	struct cf_view value;

	return ext_id && cf_rtp_packet_ext(packet, ext_id, &value) && cf_view_is(value, text);
}

/* Of a source that is not known yet: RFC 8852 section 3. */
static struct layer *layer_by_names(
	struct cf_forward_track *track, const struct cf_rtp_packet *packet, bool rtx)
{
	uint8_t ext_id = rtx ? track->repaired_rid_ext_id : track->rid_ext_id;
	struct cf_view mid;

	if (cf_rtp_packet_ext(packet, track->mid_ext_id, &mid) && !cf_view_is(mid, track->mid))
		return NULL;
	if (track->layers[0].rid[0] == '\0')
		return &track->layers[0];
	for (size_t i = 0; i < track->n_layers; i++)
		if (is(packet, ext_id, track->layers[i].rid))
			return &track->layers[i];
	return NULL;
}

struct found {
	struct layer *layer;
	const struct cf_forward_format *format;
	bool rtx;
};

static bool find(
	struct cf_forward_member *member, const struct cf_rtp_packet *packet, struct found *found)
{
	CF_LIST_FOR(it, &member->tracks)
	{
		found->format = format_by_pt(track_of(it), packet->payload_type, &found->rtx);
		found->layer = found->format ? layer_by_ssrc(track_of(it), packet->ssrc, found->rtx)
					     : NULL;
		if (found->layer)
			return true;
	}
	CF_LIST_FOR(it, &member->tracks)
	{
		found->format = format_by_pt(track_of(it), packet->payload_type, &found->rtx);
		found->layer =
			found->format ? layer_by_names(track_of(it), packet, found->rtx) : NULL;
		if (found->layer)
			return true;
	}
	return false;
}

/* ---- in ---- */

/* Numbers that begin anew are another stream's, for everybody who sees it. */
static void begin(struct layer *layer, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	layer_flush(layer, now_us);
	cf_rtp_source_init(&layer->source, packet->ssrc, CF_VIDEO_CLOCK);
	memset(&layer->gaps, 0, sizeof(layer->gaps));
	layer->alive = true;
	layer->width = layer->height = 0;
	CF_LIST_FOR_SAFE(it, &layer->shown)
	{
		struct cf_forward_slot *slot =
			CF_CONTAINER_OF(it, struct cf_forward_slot, shown_link);

		slot_forget(slot, layer);
		slot_aim(slot, layer);
	}
}

void layer_flush(struct layer *layer, uint64_t now_us)
{
	struct cf_rtp_packet packets[PENDING_MAX];
	size_t n = 0;

	for (size_t i = 0; i < layer->n_pending; i++) {
		struct cf_view kept;

		if (cf_rtp_history_peek(layer->history, layer->pending[i], &kept) &&
			cf_rtp_packet_parse(&packets[n], kept.p, kept.len) == 0)
			n++;
	}
	layer->n_pending = 0;
	cf_list_remove(&layer->pending_link);
	CF_LIST_FOR(it, &layer->shown)
	{
		struct cf_forward_slot *slot =
			CF_CONTAINER_OF(it, struct cf_forward_slot, shown_link);

		for (size_t i = 0; i < n; i++)
			slot_forward(slot, &packets[i], now_us);
	}
}

/* A key frame begins: who waits for it sees this stream from here on. */
static void key_begins(struct layer *layer, const struct cf_rtp_packet *packet,
	const struct cf_payload_part *part, uint64_t now_us)
{
	layer->key_wanted = false;
	layer->width = part->width ? part->width : layer->width;
	layer->height = part->height ? part->height : layer->height;
	if (!cf_list_empty(&layer->awaited))
		layer_flush(layer, now_us);
	CF_LIST_FOR_SAFE(it, &layer->awaited)
	slot_switch(CF_CONTAINER_OF(it, struct cf_forward_slot, awaited_link), packet, now_us);
}

static void distribute(struct layer *layer, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	struct cf_payload_part part = {0};

	if (cf_payload_read(layer->codec, packet->payload, &part) < 0)
		return;
	if (part.begins && part.key)
		key_begins(layer, packet, &part, now_us);
	if (cf_list_empty(&layer->shown))
		return;
	if (layer->n_pending == PENDING_MAX)
		layer_flush(layer, now_us);
	if (layer->n_pending == 0)
		cf_list_push(&layer->track->member->forward->pending, &layer->pending_link);
	layer->pending[layer->n_pending++] = packet->seq;
}

/* A repetition becomes what it repeats. False: it repeats nothing that is known. */
static bool unwrap(const struct found *found, uint8_t *p, size_t *n, struct cf_rtp_packet *packet)
{
	int len;

	found->layer->rtx_ssrc = packet->ssrc;
	if (!found->layer->alive)
		return false;
	len = cf_rtx_unwrap(p, *n, found->format->pt, found->layer->source.ssrc);
	if (len < 0 || cf_rtp_packet_parse(packet, p, (size_t)len) < 0)
		return false;
	*n = (size_t)len;
	return true;
}

static void note_arrival(
	struct cf_forward_track *track, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	struct cf_view v;

	if (cf_rtp_packet_ext(packet, track->twcc_ext_id, &v) && v.len == 2)
		cf_twcc_arrived(&track->member->twcc, cf_wire_get_u16(v.p), now_us);
}

int cf_forward_put(struct cf_forward_member *member, uint8_t *p, size_t n, uint64_t now_us)
{
	struct cf_rtp_packet packet;
	struct found found;
	struct layer *layer;
	int err = n > CF_FORWARD_PACKET_MAX ? CF_ELIMIT : cf_rtp_packet_parse(&packet, p, n);

	if (err < 0)
		return err;
	if (!find(member, &packet, &found))
		return CF_ENOTFOUND;
	layer = found.layer;
	note_arrival(layer->track, &packet, now_us);
	if (found.rtx && !unwrap(&found, p, &n, &packet))
		return CF_EBADMSG;
	if (!found.rtx) {
		if (!layer->alive || layer->source.ssrc != packet.ssrc)
			begin(layer, &packet, now_us);
		cf_rtp_source_update(
			&layer->source, packet.seq, packet.ts, packet.payload.len, now_us);
		layer->codec = found.format->codec;
	}
	layer->last_us = now_us;
	if (!cf_rtp_gaps_arrived(&layer->gaps, packet.seq, now_us))
		return CF_EEXIST;
	layer->track->packets++;
	cf_cc_meter_add(&layer->meter, now_us, (uint32_t)(n + OVERHEAD));
	cf_rtp_history_put(layer->history, p, n, now_us);
	if (packet.payload.len > 0)
		distribute(layer, &packet, now_us);
	return 0;
}

/* ---- feedback ---- */

void layer_want_key(struct layer *layer)
{
	layer->key_wanted = true;
}

uint32_t layer_bps(const struct layer *layer, uint64_t now_us)
{
	return (uint32_t)cf_cc_meter_bps(&layer->meter, now_us);
}

bool layer_live(const struct layer *layer, uint64_t now_us)
{
	return layer->alive && !layer->track->off && now_us - layer->last_us < SILENT_US;
}

/* By what their key frames tell; of streams that have not told yet, by their rates, where one is
 * clearly the larger. */
static bool is_larger(const struct layer *a, const struct layer *b, uint64_t now_us)
{
	if (a->width && b->width)
		return (uint64_t)a->width * a->height > (uint64_t)b->width * b->height;
	return layer_bps(a, now_us) > (uint64_t)layer_bps(b, now_us) * LARGER_PERCENT / 100;
}

void track_rank(struct cf_forward_track *track, uint64_t now_us)
{
	struct layer **order = track->by_size;

	for (size_t i = 1; i < track->n_layers; i++) {
		struct layer *layer = order[i];
		size_t k = i;

		for (; k > 0 && is_larger(layer, order[k - 1], now_us); k--)
			order[k] = order[k - 1];
		order[k] = layer;
	}
	for (size_t i = 0; i < track->n_layers; i++)
		order[i]->rank = i;
}

static bool is_seen(const struct layer *layer)
{
	return !cf_list_empty(&layer->shown) || !cf_list_empty(&layer->awaited);
}

static bool pli_due(const struct layer *layer, uint64_t now_us)
{
	return layer->key_wanted && layer->alive && is_seen(layer) &&
	       (layer->pli_us == 0 || now_us - layer->pli_us >= PLI_US);
}

static bool arrivals_due(const struct cf_forward_member *member, uint64_t now_us)
{
	return cf_twcc_pending(&member->twcc) && now_us - member->feedback_us >= FEEDBACK_US;
}

bool cf_forward_feedback_due(const struct cf_forward_member *member, uint64_t now_us)
{
	if (arrivals_due(member, now_us))
		return true;
	CF_LIST_FOR(it, &member->tracks)
	{
		const struct cf_forward_track *track = track_of(it);

		for (size_t i = 0; i < track->n_layers; i++)
			if (pli_due(&track->layers[i], now_us) || track->layers[i].gaps.n > 0)
				return true;
	}
	return false;
}

static void layer_feedback(
	struct layer *layer, struct cf_wire_writer *w, uint32_t ssrc, uint64_t now_us)
{
	uint16_t seqs[CF_RTP_GAPS_MAX];
	size_t n = cf_rtp_gaps_due(&layer->gaps, now_us, 0, seqs, CF_RTP_GAPS_MAX);

	/* What nobody looks at is not repaired. */
	if (!is_seen(layer))
		return;
	if (cf_rtp_gaps_lost(&layer->gaps))
		layer_want_key(layer);
	if (n > 0)
		cf_rtcp_write_nack(w, ssrc, layer->source.ssrc, seqs, n);
	layer->track->nacks += n;
	if (!pli_due(layer, now_us))
		return;
	layer->pli_us = now_us;
	layer->track->plis++;
	cf_rtcp_write_pli(w, ssrc, layer->source.ssrc);
}

void cf_forward_feedback(
	struct cf_forward_member *member, struct cf_wire_writer *w, uint32_t ssrc, uint64_t now_us)
{
	uint32_t media = 0;

	CF_LIST_FOR(it, &member->tracks)
	{
		struct cf_forward_track *track = track_of(it);

		for (size_t i = 0; i < track->n_layers; i++) {
			if (!track->layers[i].alive)
				continue;
			media = track->layers[i].source.ssrc;
			layer_feedback(&track->layers[i], w, ssrc, now_us);
		}
	}
	if (!arrivals_due(member, now_us))
		return;
	member->feedback_us = now_us;
	while (!w->err && cf_twcc_write(&member->twcc, w, ssrc, media))
		continue;
}

size_t cf_forward_blocks(struct cf_forward_member *member, uint64_t now_us,
	struct cf_rtcp_block *ret_blocks, size_t cap)
{
	size_t n = 0;

	CF_LIST_FOR(it, &member->tracks)
	{
		struct cf_forward_track *track = track_of(it);

		for (size_t i = 0; i < track->n_layers && n < cap; i++)
			if (layer_live(&track->layers[i], now_us))
				cf_rtp_source_block(
					&track->layers[i].source, now_us, &ret_blocks[n++]);
	}
	return n;
}

void cf_forward_track_stats(const struct cf_forward_track *track, uint64_t now_us,
	struct cf_forward_track_stats *ret_stats)
{
	*ret_stats = (struct cf_forward_track_stats){
		.packets = track->packets, .nacks = track->nacks, .plis = track->plis};
	for (size_t i = 0; i < track->n_layers; i++) {
		ret_stats->wanted |= is_seen(&track->layers[i]);
		ret_stats->bps[i] = layer_bps(track->by_size[i], now_us);
	}
}
