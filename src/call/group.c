/* SPDX-License-Identifier: Apache-2.0 */
/* Group calls: who is in, who is told, and what the media processor is asked. */
#include "base/mem.h"
#include "base/text.h"
#include "call/call_priv.h"

#include <stdio.h>

/* ---- finding one's way ---- */

static bool group_eq(const struct cf_map_node *node, const void *key)
{
	return strcmp(CF_CONTAINER_OF(node, struct cf_call, group_node)->group_id, key) == 0;
}

static uint32_t group_hash(const struct cf_call_domain *domain, const char *group_id)
{
	return cf_hash_bytes(group_id, strlen(group_id), domain->seed);
}

static struct cf_call *group_find(const struct cf_call_domain *domain, const char *group_id)
{
	struct cf_map_node *node =
		cf_map_find(&domain->groups, group_hash(domain, group_id), group_eq, group_id);

	return node ? CF_CONTAINER_OF(node, struct cf_call, group_node) : NULL;
}

static struct cf_leg *member_find(const struct cf_call *call, const char *leg_id)
{
	CF_LIST_FOR(p, &call->participants)
	{
		CF_LIST_FOR(it, &cf_participant_of(p)->legs)
		{
			if (strcmp(cf_leg_of(it)->id, leg_id) == 0)
				return cf_leg_of(it);
		}
	}
	return NULL;
}

static struct cf_leg *member_of(const struct cf_call *call, const struct cf_call_endpoint *endpoint)
{
	CF_LIST_FOR(it, &endpoint->legs)
	{
		struct cf_leg *leg = CF_CONTAINER_OF(it, struct cf_leg, endpoint_link);

		if (leg->call == call)
			return leg;
	}
	return NULL;
}

/* ---- telling the members of each other ---- */

static struct cf_call_participant_view view_of(const struct cf_leg *leg)
{
	return (struct cf_call_participant_view){.raw_id = leg->participant->raw_id,
		.display_name = leg->participant->display_name,
		.endpoint_id = leg->endpoint_id,
		.state = leg->state == CF_LEG_ACTIVE ? "connected" : "disconnected",
		.muted = leg->muted,
		.source = leg->source};
}

int cf_group_tell(struct cf_list *events, const struct cf_call *call, const struct cf_leg *except,
	const struct cf_call_event *event)
{
	int err = 0;

	CF_LIST_FOR(p, &call->participants)
	{
		CF_LIST_FOR(it, &cf_participant_of(p)->legs)
		{
			const struct cf_leg *leg = cf_leg_of(it);

			if (err == 0 && leg != except && leg->endpoint &&
				leg->state == CF_LEG_ACTIVE)
				err = cf_call_event_add(events, leg->endpoint, event);
		}
	}
	return err;
}

/* All but the one that changed hear of it. */
static int tell_change(struct cf_list *events, struct cf_call *call, const struct cf_leg *changed)
{
	struct cf_call_participant_view view = view_of(changed);
	struct cf_call_event ev =
		cf_call_event_from(CF_CALL_EV_PARTICIPANTS, call, changed->participant);

	ev.participants = &view;
	ev.n_participants = 1;
	ev.roster = ++call->roster;
	return cf_group_tell(events, call, changed, &ev);
}

/* A newcomer hears of everybody. */
static int tell_all_to(struct cf_list *events, struct cf_call *call, const struct cf_leg *newcomer)
{
	struct cf_call_participant_view *views = cf_calloc(call->n_members, sizeof(*views));
	struct cf_call_event ev =
		cf_call_event_from(CF_CALL_EV_PARTICIPANTS, call, newcomer->participant);
	int err;

	if (!views)
		return CF_ENOMEM;
	CF_LIST_FOR(p, &call->participants)
	{
		CF_LIST_FOR(it, &cf_participant_of(p)->legs)
		views[ev.n_participants++] = view_of(cf_leg_of(it));
	}
	ev.participants = views;
	ev.roster = call->roster;
	err = cf_call_event_add(events, newcomer->endpoint, &ev);
	cf_free(views);
	return err;
}

/* ---- leaving ---- */

/* The leg is forgotten; its participant stays in the call's history. */
static void member_free(struct cf_leg *leg)
{
	struct cf_participant *participant = leg->participant;

	leg->call->n_members--;
	leg->endpoint->n_calls--;
	cf_leg_detach(leg);
	cf_list_remove(&leg->link);
	participant->active =
		cf_list_empty(&participant->legs) ? NULL : cf_leg_of(participant->legs.next);
	cf_free(leg);
}

void cf_group_leave(struct cf_call_domain *domain, struct cf_leg *leg,
	const struct cf_call_end *end, bool told, struct cf_call_time now)
{
	struct cf_call *call = leg->call;
	struct cf_call_event ended = cf_call_event_from(CF_CALL_EV_ENDED, call, leg->participant);
	struct cf_list events;

	cf_leg_record(domain, leg, end, now);
	if (domain->media.leave)
		domain->media.leave(call->id, leg->id, domain->media.arg);
	leg->state = CF_LEG_GONE;
	ended.end = *end;
	cf_list_init(&events);
	if (told)
		(void)!cf_call_event_add(&events, leg->endpoint, &ended);
	/* Without memory some are not told: they hear that this one has fallen silent. */
	(void)!tell_change(&events, call, leg);
	cf_call_events_post(domain, &events);
	cf_call_trace_step(domain, call, "call", "left", leg->endpoint_id,
		json_pack("{s:s,s:i,s:i,s:s}", "user", leg->participant->raw_id, "code", end->code,
			"subcode", end->subcode, "reason", end->reason ? end->reason : ""),
		now);
	member_free(leg);
	cf_call_changed(domain, call);
}

/* The last one leaves, and the call is over. */
static void leave_or_end(struct cf_call_domain *domain, struct cf_leg *leg,
	const struct cf_call_end *end, bool told, struct cf_call_time now)
{
	struct cf_call *call = leg->call;

	cf_group_leave(domain, leg, end, told, now);
	if (call->n_members == 0)
		cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_HANGUP), now);
}

void cf_group_lost(struct cf_call_domain *domain, struct cf_leg *leg, struct cf_call_time now)
{
	struct cf_call_end end = cf_call_end_of(CF_CALL_END_DEVICE_LOST);

	leave_or_end(domain, leg, &end, false, now);
}

void cf_group_hangup(struct cf_call_domain *domain, struct cf_leg *leg, bool for_everyone,
	const struct cf_call_end *end, struct cf_call_time now)
{
	struct cf_call *call = leg->call;

	if (!for_everyone) {
		leave_or_end(domain, leg, end, true, now);
		return;
	}
	cf_call_trace_step(domain, call, "call", "hangup", leg->endpoint_id, NULL, now);
	cf_call_finish(domain, call, *end, now);
}

void cf_group_end(struct cf_call_domain *domain, struct cf_call *call)
{
	cf_map_remove(&domain->groups, &call->group_node);
	CF_LIST_FOR(p, &call->participants)
	{
		CF_LIST_FOR(it, &cf_participant_of(p)->legs)
		{
			if (domain->media.leave)
				domain->media.leave(call->id, cf_leg_of(it)->id, domain->media.arg);
		}
	}
}

/* ---- joining ---- */

static int join_valid(const struct cf_call_start *start, char group_id[static CF_CALL_ID_MAX])
{
	size_t sdp = start->sdp ? strlen(start->sdp) : 0;

	if (sdp == 0 || sdp > CF_CALL_SDP_MAX)
		return CF_EINVAL;
	return start->group_id ? cf_text_uuid(group_id, start->group_id) : CF_EINVAL;
}

static struct cf_call *group_new(struct cf_call_domain *domain, struct cf_call_endpoint *endpoint,
	const char *group_id, struct cf_call_time now)
{
	struct cf_call *call = cf_call_new(now);

	if (!call)
		return NULL;
	snprintf(call->group_id, sizeof(call->group_id), "%s", group_id);
	call->state = CF_CALL_CONNECTED;
	call->connected_wall_ms = now.wall_ms;
	if (cf_map_insert(&domain->calls, &call->node,
		    cf_hash_bytes(call->id, strlen(call->id), domain->seed)) < 0 ||
		cf_map_insert(&domain->groups, &call->group_node, group_hash(domain, group_id)) <
			0) {
		cf_call_free(domain, call);
		return NULL;
	}
	domain->n_open++;
	cf_call_trace_step(domain, call, "call", "group-started", endpoint->id,
		json_pack("{s:s,s:s}", "group", group_id, "from", endpoint->user->raw_id), now);
	return call;
}

/* Makes room for somebody new: who left first is forgotten first. */
static bool make_room(struct cf_call *call)
{
	if (call->n_participants < CF_CALL_PARTICIPANTS_KEPT)
		return true;
	CF_LIST_FOR(it, &call->participants)
	{
		if (!cf_list_empty(&cf_participant_of(it)->legs))
			continue;
		cf_participant_remove(call, cf_participant_of(it));
		return true;
	}
	return false;
}

/* Who joins, known from before or new; the name is the device's. NULL without memory or room. */
static struct cf_participant *participant_get(
	struct cf_call *call, const struct cf_call_endpoint *endpoint)
{
	struct cf_participant *p = cf_participant_find(call, endpoint->user->raw_id);
	char *name;

	if (!p)
		return make_room(call) ? cf_participant_add(call, endpoint->user->raw_id,
						 endpoint->display_name)
				       : NULL;
	name = cf_strdup(endpoint->display_name);
	if (name) {
		cf_free(p->display_name);
		p->display_name = name;
	}
	return p;
}

/* A number that no other member has. */
static uint32_t new_source(const struct cf_call *call)
{
	uint32_t source;
	bool taken;

	do {
		source = cf_rand_u32();
		taken = source == 0;
		CF_LIST_FOR(p, &call->participants)
		{
			CF_LIST_FOR(it, &cf_participant_of(p)->legs)
			taken |= cf_leg_of(it)->source == source;
		}
	} while (taken);
	return source;
}

/* The leg, and all that can fail about it. */
static int member_add(struct cf_call_domain *domain, struct cf_call *call,
	struct cf_call_endpoint *endpoint, const struct cf_call_start *start,
	struct cf_list *events, struct cf_leg **ret_leg)
{
	struct cf_participant *participant = participant_get(call, endpoint);
	struct cf_leg *leg =
		participant ? cf_leg_new(call, participant, endpoint, CF_LEG_ACTIVE) : NULL;
	int err;

	if (!leg)
		return CF_ENOMEM;
	leg->source = new_source(call);
	participant->active = leg;
	endpoint->n_calls++;
	call->n_members++;
	err = tell_change(events, call, leg);
	if (err == 0)
		err = tell_all_to(events, call, leg);
	if (err == 0)
		err = domain->media.join(
			call->id, leg->id, leg->source, start->sdp, domain->media.arg);
	if (err < 0)
		member_free(leg);
	*ret_leg = leg;
	return err;
}

/* What stands in the way of joining this call (NULL: it would be a new one). */
static int join_allowed(const struct cf_call_domain *domain, const struct cf_call *call,
	const struct cf_call_endpoint *endpoint)
{
	if (!domain->media.join)
		return CF_ENOTSUP;
	if (call && member_of(call, endpoint))
		return 0; /* in the place of its own leg */
	if (endpoint->n_calls >= domain->options.max_calls_per_endpoint)
		return CF_ELIMIT;
	if (call)
		return call->n_members < domain->options.max_group_members ? 0 : CF_ELIMIT;
	return domain->n_open < domain->options.max_calls ? 0 : CF_ELIMIT;
}

int cf_group_join(struct cf_call_domain *domain, struct cf_call_endpoint *endpoint,
	const struct cf_call_start *start, struct cf_call_time now,
	char ret_call_id[static CF_CALL_ID_MAX])
{
	struct cf_call_end again = cf_call_end_of(CF_CALL_END_HANGUP);
	char group_id[CF_CALL_ID_MAX];
	struct cf_list events;
	struct cf_call *call;
	struct cf_leg *leg;
	int err = join_valid(start, group_id);

	if (err < 0)
		return err;
	call = group_find(domain, group_id);
	err = join_allowed(domain, call, endpoint);
	if (err < 0)
		return err;
	if (!call)
		call = group_new(domain, endpoint, group_id, now);
	if (!call)
		return CF_ENOMEM;
	leg = member_of(call, endpoint);
	if (leg)
		cf_group_leave(domain, leg, &again, false, now);
	cf_list_init(&events);
	err = member_add(domain, call, endpoint, start, &events, &leg);
	err = cf_call_events_commit(domain, &events, err);
	if (err < 0) {
		if (call->n_members == 0)
			cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_HANGUP), now);
		return err;
	}
	memcpy(ret_call_id, call->id, CF_CALL_ID_MAX);
	cf_call_trace_joined(domain, call, leg, start->sdp, now);
	cf_call_changed(domain, call);
	return 0;
}

/* ---- what the media processor says ---- */

void cf_call_media_answered(struct cf_call_domain *domain, const char *call_id, const char *leg_id,
	const char *sdp, struct cf_call_time now)
{
	struct cf_call *call = cf_call_find(domain, call_id);
	struct cf_leg *leg = call ? member_find(call, leg_id) : NULL;
	struct cf_call_end refused = cf_call_end_of(CF_CALL_END_OFFER_REFUSED);
	struct cf_call_event ev;
	struct cf_list events;
	bool first;

	if (!leg)
		return;
	if (!sdp) {
		leave_or_end(domain, leg, &refused, true, now);
		return;
	}
	first = leg->start_wall_ms == 0;
	ev = cf_call_event_from(
		first ? CF_CALL_EV_ACCEPTED : CF_CALL_EV_RENEGOTIATE, call, leg->participant);
	ev.from_raw_id = CF_CALL_MEDIA_RAWID;
	ev.from_name = NULL;
	ev.sdp = sdp;
	ev.sdp_type = "answer";
	cf_list_init(&events);
	if (cf_call_events_commit(domain, &events, cf_call_event_add(&events, leg->endpoint, &ev)) <
		0) {
		leave_or_end(domain, leg, &refused, true, now);
		return;
	}
	if (first)
		cf_leg_begin(domain, leg, now);
	cf_call_deadline_at(domain, now.us + domain->options.leg_record_us);
	cf_call_trace_described(
		domain, call, first ? "accepted" : "renegotiate-answer", leg->endpoint, sdp, now);
}

void cf_call_media_lost(struct cf_call_domain *domain, const char *call_id, const char *leg_id,
	struct cf_call_end end, struct cf_call_time now)
{
	struct cf_call *call = cf_call_find(domain, call_id);
	struct cf_leg *leg = call ? member_find(call, leg_id) : NULL;

	if (leg)
		leave_or_end(domain, leg, &end, true, now);
}

/* ---- what members say ---- */

int cf_group_renegotiate(struct cf_call_domain *domain, struct cf_leg *leg, const char *sdp,
	bool answer, struct cf_call_time now)
{
	/* The media processor offers nothing by itself. */
	if (answer)
		return CF_ESTATE;
	if (!domain->media.offer)
		return CF_ESTATE;
	domain->media.offer(leg->call->id, leg->id, sdp, domain->media.arg);
	leg->n_candidates = 0;
	cf_call_trace_described(domain, leg->call, "renegotiate-offer", leg->endpoint, sdp, now);
	return 0;
}

/* Who comes later sees who is muted. */
static void note_state(struct cf_leg *leg, const struct cf_call_notification *n)
{
	const json_t *muted;
	json_t *data;

	if (strcmp(n->kind, "state") != 0 ||
		cf_json_parse(&data, n->data, strlen(n->data), NULL) < 0)
		return;
	muted = json_object_get(data, "muted");
	if (json_is_boolean(muted))
		leg->muted = json_is_true(muted);
	cf_json_free(data);
}

int cf_group_notify(struct cf_call_domain *domain, struct cf_leg *leg,
	const struct cf_call_notification *notification)
{
	struct cf_call_event ev =
		cf_call_event_from(CF_CALL_EV_NOTIFICATION, leg->call, leg->participant);
	struct cf_list events;
	int err;

	ev.from_endpoint_id = leg->endpoint_id;
	ev.notification = *notification;
	cf_list_init(&events);
	err = cf_group_tell(&events, leg->call, leg, &ev);
	err = cf_call_events_commit(domain, &events, err);
	if (err == 0)
		note_state(leg, notification);
	return err;
}
