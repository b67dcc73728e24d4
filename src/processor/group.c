/* SPDX-License-Identifier: Apache-2.0 */
/* A call on its worker: every 20 ms what its members sent is mixed, and each gets its own mix. */
#include "base/mem.h"
#include "processor/processor_priv.h"

#include <stdio.h>
#include <string.h>

/* More frames than this are not caught up with: the worker was away, not late. */
#define CATCH_UP 5

static bool group_eq(const struct cf_map_node *node, const void *key)
{
	return strcmp(CF_CONTAINER_OF(node, struct group, node)->id, key) == 0;
}

static void show(void *owner, uint8_t *packet, size_t n, size_t cap, void *arg)
{
	(void)arg;
	member_send_in_place(owner, packet, n, cap);
}

struct group *group_get(struct cf_processor_hall *hall, const char *call_id)
{
	uint32_t hash = cf_hash_bytes(call_id, strlen(call_id), hall->seed);
	struct cf_map_node *node = cf_map_find(&hall->groups, hash, group_eq, call_id);
	struct cf_mix_opts mix;
	struct group *group;

	if (node)
		return CF_CONTAINER_OF(node, struct group, node);
	group = cf_alloc(sizeof(*group));
	if (!group)
		return NULL;
	group->hall = hall;
	cf_list_init(&group->members);
	snprintf(group->id, sizeof(group->id), "%s", call_id);
	cf_mix_opts_defaults(&mix);
	mix.members_max = CF_MIX_MAX_MEMBERS; /* how many may be in it is said before they come */
	if (cf_mix_new(&group->mix, &mix) < 0 || cf_forward_new(&group->forward, show, group) < 0 ||
		cf_map_insert(&hall->groups, &group->node, hash) < 0) {
		cf_mix_free(group->mix);
		cf_forward_free(group->forward);
		return cf_free(group);
	}
	return group;
}

void group_release(struct group *group)
{
	if (!cf_list_empty(&group->members))
		return;
	cf_timer_stop(&group->timer);
	cf_list_remove(&group->flush_link);
	cf_map_remove(&group->hall->groups, &group->node);
	cf_mix_free(group->mix);
	cf_forward_free(group->forward);
	cf_free(group);
}

/* ---- the frame ---- */

static void emit(void *owner, const uint8_t *packet, size_t n, void *arg)
{
	(void)arg;
	member_send(owner, packet, n);
}

/* Each member's turn comes once a second, not all in the same frame. */
static void send_reports(struct group *group)
{
	uint64_t turn = group->frame % REPORT_FRAMES, i = 0;

	CF_LIST_FOR(it, &group->members)
	{
		struct member *member = CF_CONTAINER_OF(it, struct member, link);

		if (i++ % REPORT_FRAMES == turn && member->send)
			member_report(member);
		if (member->send)
			member_feedback(member);
	}
}

static void on_frame(struct cf_timer *timer, void *arg)
{
	struct group *group = arg;
	uint64_t now_us = cf_loop_now_us(group->hall->loop);

	(void)timer;
	if (now_us > group->due_us + CATCH_UP * FRAME_US)
		group->due_us = now_us;
	for (; group->due_us <= now_us; group->due_us += FRAME_US) {
		cf_mix_run(group->mix, now_us, emit, group);
		if (group->frame % LOOK_FRAMES == 0)
			video_look(group);
		send_reports(group);
		group->frame++;
	}
	if (group->n_connected > 0)
		(void)!cf_timer_set(
			&group->timer, group->hall->loop, group->due_us, on_frame, group);
}

void group_connected(struct member *member)
{
	struct group *group = member->group;

	cf_mix_set_listening(member->mix, true);
	if (group->n_connected++ > 0)
		return;
	group->due_us = cf_loop_now_us(group->hall->loop) + FRAME_US;
	(void)!cf_timer_set(&group->timer, group->hall->loop, group->due_us, on_frame, group);
}

void group_disconnected(struct member *member)
{
	if (--member->group->n_connected == 0)
		cf_timer_stop(&member->group->timer);
}
