/* SPDX-License-Identifier: Apache-2.0 */
/* Who is shown in which slot, and in which size. */
#include "forward/forward_priv.h"

#include <string.h>

/* A larger size has to fit well, and not to have failed lately. */
#define ROOM_PERCENT 125
#define LARGER_AFTER_US (2 * CF_US_PER_S)
#define LARGER_AFTER_CUT_US (8 * CF_US_PER_S)
/* A path that is not full is asked for a little more at a time: nobody knows before what it takes.
 */
#define TRY_US (300 * CF_US_PER_MS)

/* ---- who ---- */

static void add(struct cf_forward *forward, struct cf_forward_track *track)
{
	for (size_t i = 0; i < forward->n_order; i++)
		if (forward->order[i] == track)
			return;
	if (forward->n_order < ORDER_MAX)
		forward->order[forward->n_order++] = track;
}

static struct cf_forward_track *track_by_source(const struct cf_forward *forward, uint32_t source)
{
	CF_LIST_FOR(it, &forward->tracks)
	{
		struct cf_forward_track *track =
			CF_CONTAINER_OF(it, struct cf_forward_track, order_link);

		if (track->source == source)
			return track;
	}
	return NULL;
}

/* Screens, then who spoke last, then the others as they came. */
static void put_in_order(struct cf_forward *forward)
{
	forward->n_order = 0;
	for (int screens = 1; screens >= 0; screens--) {
		for (size_t i = 0; !screens && i < forward->n_speakers; i++) {
			struct cf_forward_track *track =
				track_by_source(forward, forward->speakers[i]);

			if (track && track->live && !track->screen)
				add(forward, track);
		}
		CF_LIST_FOR(it, &forward->tracks)
		{
			struct cf_forward_track *track =
				CF_CONTAINER_OF(it, struct cf_forward_track, order_link);

			if (forward->n_order == ORDER_MAX)
				return;
			if (track->live && track->screen == (screens == 1))
				add(forward, track);
		}
	}
}

/* Rows in which a member shows a track. */
static unsigned rows_of(
	const struct cf_forward_member *member, const struct cf_forward_track *track)
{
	for (size_t i = 0; i < member->n_wishes; i++)
		if (member->wishes[i].source == track->source)
			return member->wishes[i].height;
	return member->others;
}

static bool is_free(const struct cf_forward_slot *slot)
{
	return slot->wanted_source == 0 && slot->height > 0;
}

static bool is_pinned(const struct cf_forward_member *member, const struct cf_forward_track *track)
{
	CF_LIST_FOR(it, &member->slots)
	{
		if (slot_of(it)->height > 0 && slot_of(it)->wanted_source == track->source)
			return true;
	}
	return false;
}

/* The first ones that a member is to see by the service's choice; how many. */
static size_t first_ones(
	const struct cf_forward_member *member, size_t max, struct cf_forward_track **ret_tracks)
{
	const struct cf_forward *forward = member->forward;
	size_t n = 0;

	for (size_t i = 0; i < forward->n_order && n < max; i++) {
		struct cf_forward_track *track = forward->order[i];

		if (track->member != member && !is_pinned(member, track) &&
			rows_of(member, track) > 0)
			ret_tracks[n++] = track;
	}
	return n;
}

static void fill(struct cf_forward_member *member)
{
	struct cf_forward_track *tracks[CF_FORWARD_SLOTS_MAX];
	size_t n_free = 0, n, next = 0;

	CF_LIST_FOR(it, &member->slots)
	n_free += is_free(slot_of(it));
	n = first_ones(member, n_free, tracks);
	/* Who is to be seen and is, stays where it is. */
	CF_LIST_FOR(it, &member->slots)
	{
		struct cf_forward_slot *slot = slot_of(it);
		bool stays = false;

		for (size_t i = 0; is_free(slot) && i < n; i++) {
			if (!tracks[i] || tracks[i] != slot->track)
				continue;
			tracks[i] = NULL;
			stays = true;
		}
		if (is_free(slot) && !stays)
			slot->track = NULL;
	}
	CF_LIST_FOR(it, &member->slots)
	{
		struct cf_forward_slot *slot = slot_of(it);

		while (next < n && !tracks[next])
			next++;
		if (is_free(slot) && !slot->track && next < n)
			slot->track = tracks[next++];
	}
}

void choose_tracks(struct cf_forward *forward, uint64_t now_us)
{
	(void)now_us;
	put_in_order(forward);
	CF_LIST_FOR(m, &forward->members)
	{
		CF_LIST_FOR(it, &member_of(m)->slots)
		{
			struct cf_forward_slot *slot = slot_of(it);

			if (!is_free(slot))
				slot->track = slot->height > 0 ? track_by_source(forward,
									 slot->wanted_source)
							       : NULL;
			if (slot->track && slot->track->member == slot->member)
				slot->track = NULL;
		}
		fill(member_of(m));
	}
}

/* ---- in which size ---- */

/* The smallest size that fills what it is shown in; one that has not told its rows may. */
static size_t first_that_fits_the_screen(
	const struct cf_forward_track *track, unsigned height, uint64_t now_us)
{
	size_t best = 0;

	for (size_t i = 0; i < track->n_layers; i++) {
		const struct layer *layer = track->by_size[i];

		if (layer_live(layer, now_us) && layer->height >= height)
			best = i;
	}
	return best;
}

static bool may_grow(const struct cf_forward_slot *slot, uint64_t now_us)
{
	uint64_t cut_us = slot->member->cut_us;

	return now_us - slot->changed_us >= LARGER_AFTER_US &&
	       (cut_us == 0 || now_us - cut_us >= LARGER_AFTER_CUT_US);
}

/* What a member's path has room for. */
struct room {
	uint64_t left_bps;
	bool full; /* it has shown so, by delays or losses */
	bool must; /* something has to be shown */
};

/* Whether there is room for so much: what is shown stays until the path says that it is too much.
 */
static bool fits(struct cf_forward_member *member, const struct room *room, uint64_t bps,
	bool shown, uint64_t now_us)
{
	if (bps <= room->left_bps || (shown && !room->full))
		return true;
	if (room->full || now_us - member->tried_us < TRY_US)
		return false;
	member->tried_us = now_us;
	return true;
}

/* The layer for a slot; NULL: nothing fits. */
static struct layer *pick(struct cf_forward_slot *slot, const struct room *room, uint64_t now_us)
{
	struct cf_forward_track *track = slot->track;
	const struct layer *now = slot_layer(slot);
	unsigned rows = rows_of(slot->member, track);
	struct layer *smallest = NULL;

	rows = rows > 0 && rows < slot->height ? rows : slot->height;
	for (size_t i = first_that_fits_the_screen(track, rows, now_us); i < track->n_layers; i++) {
		struct layer *layer = track->by_size[i];
		bool larger = now ? now->track == track && layer->rank < now->rank
				  : slot->member->cut_us != 0;
		uint64_t bps = layer_bps(layer, now_us);

		if (!layer_live(layer, now_us))
			continue;
		smallest = layer;
		if (larger && layer != slot->next && !may_grow(slot, now_us))
			continue;
		if (fits(slot->member, room, larger ? bps * ROOM_PERCENT / 100 : bps,
			    layer == now || layer == slot->next, now_us))
			return layer;
	}
	return room->must ? smallest : NULL;
}

static struct room room_of(const struct cf_forward_member *member)
{
	struct room room = {.left_bps = UINT32_MAX, .must = true};
	struct cf_cc_state state;

	if (!member->feeds_back)
		return room;
	cf_cc_state(member->cc, &state);
	room.left_bps = state.target_bps;
	room.full = state.limit == CF_CC_LIMIT_DELAY || state.limit == CF_CC_LIMIT_LOSS ||
		    state.limit == CF_CC_LIMIT_SILENCE;
	return room;
}

void choose_layers(struct cf_forward_member *member, uint64_t now_us)
{
	struct room room = room_of(member);

	CF_LIST_FOR(it, &member->slots)
	{
		struct cf_forward_slot *slot = slot_of(it);
		const struct layer *before = slot->next ? slot->next : slot_layer(slot);
		struct layer *layer = slot->track ? pick(slot, &room, now_us) : NULL;
		uint64_t bps = layer ? layer_bps(layer, now_us) : 0;

		if (layer != before) {
			slot->changed_us = now_us;
			/* Smaller than before, or not at all: for want of room. */
			if (before && slot->track == before->track &&
				(!layer || layer->rank > before->rank))
				member->cut_us = now_us;
			slot_aim(slot, layer);
		}
		room.must = room.must && !layer;
		room.left_bps = bps < room.left_bps ? room.left_bps - bps : 0;
	}
}
