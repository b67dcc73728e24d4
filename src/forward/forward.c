/* SPDX-License-Identifier: Apache-2.0 */
/* The call and its members; what members say about what they get and want. */
#include "forward/forward_priv.h"

#include <string.h>

#define START_BPS 1000000
#define MIN_BPS 50000
#define MAX_BPS 50000000
#define CC_SLOTS 1024

int cf_forward_new(struct cf_forward **ret_forward, cf_forward_emit_fn *emit, void *arg)
{
	struct cf_forward *forward = cf_alloc(sizeof(*forward));

	if (!forward)
		return CF_ENOMEM;
	cf_list_init(&forward->members);
	cf_list_init(&forward->tracks);
	cf_list_init(&forward->pending);
	forward->emit = emit;
	forward->arg = arg;
	*ret_forward = forward;
	return 0;
}

struct cf_forward *cf_forward_free(struct cf_forward *forward)
{
	if (!forward)
		return NULL;
	while (!cf_list_empty(&forward->members))
		cf_forward_remove(member_of(forward->members.next));
	return cf_free(forward);
}

int cf_forward_add(struct cf_forward *forward, uint32_t start_bps, void *owner,
	struct cf_forward_member **ret_member)
{
	struct cf_forward_member *member;
	struct cf_cc_opts cc;
	int err;

	if (forward->n_members == CF_FORWARD_MEMBERS_MAX)
		return CF_ELIMIT;
	member = cf_alloc(sizeof(*member));
	if (!member)
		return CF_ENOMEM;
	cf_cc_opts_defaults(&cc);
	cc.start_bps = start_bps ? start_bps : START_BPS;
	cc.min_bps = MIN_BPS;
	cc.max_bps = MAX_BPS;
	cc.slots = CC_SLOTS;
	err = cf_cc_new(&member->cc, &cc);
	if (err < 0) {
		cf_free(member);
		return err;
	}
	member->forward = forward;
	member->owner = owner;
	member->others = UINT16_MAX;
	cf_list_init(&member->tracks);
	cf_list_init(&member->slots);
	cf_list_push(&forward->members, &member->link);
	forward->n_members++;
	*ret_member = member;
	return 0;
}

struct cf_forward_member *cf_forward_remove(struct cf_forward_member *member)
{
	if (!member)
		return NULL;
	while (!cf_list_empty(&member->slots))
		cf_forward_slot_remove(slot_of(member->slots.next));
	while (!cf_list_empty(&member->tracks))
		cf_forward_track_remove(track_of(member->tracks.next));
	cf_list_remove(&member->link);
	member->forward->n_members--;
	cf_cc_free(member->cc);
	return cf_free(member);
}

void cf_forward_want(struct cf_forward_slot *slot, uint32_t source, unsigned height)
{
	slot->wanted_source = source;
	slot->height = height;
	slot->member->forward->dirty = true;
}

void cf_forward_view(struct cf_forward_member *member, const struct cf_forward_wish *wishes,
	size_t n, uint16_t others)
{
	member->n_wishes = n < CF_FORWARD_WISHES_MAX ? n : CF_FORWARD_WISHES_MAX;
	if (member->n_wishes > 0)
		memcpy(member->wishes, wishes, member->n_wishes * sizeof(*wishes));
	member->others = others;
	member->forward->dirty = true;
}

void cf_forward_speaking(struct cf_forward *forward, const uint32_t *sources, size_t n)
{
	if (n > CF_FORWARD_SLOTS_MAX)
		n = CF_FORWARD_SLOTS_MAX;
	if (n == forward->n_speakers &&
		(n == 0 || memcmp(forward->speakers, sources, n * sizeof(*sources)) == 0))
		return;
	if (n > 0)
		memcpy(forward->speakers, sources, n * sizeof(*sources));
	forward->n_speakers = n;
	forward->dirty = true;
}

void cf_forward_flush(struct cf_forward *forward, uint64_t now_us)
{
	while (!cf_list_empty(&forward->pending))
		layer_flush(
			CF_CONTAINER_OF(forward->pending.next, struct layer, pending_link), now_us);
}

/* ---- what comes back ---- */

static void on_arrivals(
	struct cf_forward_member *member, const struct cf_rtcp_item *item, uint64_t now_us)
{
	struct cf_forward *forward = member->forward;
	int n = cf_rtcp_item_twcc(item, forward->entries, CF_ARRAY_LEN(forward->entries));
	uint32_t rtt_us = 0;

	for (int i = 0; i < n; i++)
		forward->arrivals[i] = (struct cf_cc_arrival){.seq = forward->entries[i].seq,
			.lost = forward->entries[i].lost,
			.arrival_us = forward->entries[i].arrival_us};
	CF_LIST_FOR(it, &member->slots)
	{
		if (slot_of(it)->rtp.rtt_us > 0)
			rtt_us = (uint32_t)slot_of(it)->rtp.rtt_us;
	}
	if (n <= 0)
		return;
	member->feeds_back = true;
	cf_cc_feedback(member->cc, forward->arrivals, (size_t)n, rtt_us, now_us);
}

static void on_sr(
	struct cf_forward_member *member, const struct cf_rtcp_item *item, uint64_t now_us)
{
	CF_LIST_FOR(it, &member->tracks)
	{
		struct cf_forward_track *track = track_of(it);

		for (size_t i = 0; i < track->n_layers; i++)
			if (track->layers[i].alive && track->layers[i].source.ssrc == item->ssrc)
				cf_rtp_source_sr(&track->layers[i].source, &item->info, now_us);
	}
}

void cf_forward_rtcp(
	struct cf_forward_member *member, const struct cf_rtcp_item *item, uint64_t now_us)
{
	if (item->kind == CF_RTCP_TWCC)
		on_arrivals(member, item, now_us);
	else if (item->kind == CF_RTCP_SR)
		on_sr(member, item, now_us);
	CF_LIST_FOR(it, &member->slots)
	slot_rtcp(slot_of(it), item, now_us);
}

/* ---- time ---- */

static void look_at_life(struct cf_forward *forward, uint64_t now_us)
{
	CF_LIST_FOR(it, &forward->tracks)
	{
		struct cf_forward_track *track =
			CF_CONTAINER_OF(it, struct cf_forward_track, order_link);
		bool live = false;

		for (size_t i = 0; i < track->n_layers; i++)
			live |= layer_live(&track->layers[i], now_us);
		track_rank(track, now_us);
		forward->dirty |= live != track->live;
		track->live = live;
	}
}

void cf_forward_tick(struct cf_forward *forward, uint64_t now_us)
{
	look_at_life(forward, now_us);
	if (forward->dirty)
		choose_tracks(forward, now_us);
	forward->dirty = false;
	CF_LIST_FOR(it, &forward->members)
	{
		cf_cc_tick(member_of(it)->cc, now_us);
		choose_layers(member_of(it), now_us);
	}
}

uint32_t cf_forward_target_bps(const struct cf_forward_member *member)
{
	return cf_cc_target_bps(member->cc);
}
