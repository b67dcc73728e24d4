/* SPDX-License-Identifier: Apache-2.0 */
/* Group calls: who is in, who is told, and what the media processor is asked. Calling people into
 * them is in invite.c, and how a call between two becomes one in promote.c. */
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

/* One who is in it. */
static struct cf_leg *member_find(const struct cf_call *call, const char *leg_id)
{
	if (!cf_call_is_group(call) || call->state != CF_CALL_CONNECTED)
		return NULL;
	CF_LIST_FOR(p, &call->participants)
	{
		CF_LIST_FOR(it, &cf_participant_of(p)->legs)
		{
			if (cf_leg_of(it)->state == CF_LEG_ACTIVE &&
				strcmp(cf_leg_of(it)->id, leg_id) == 0)
				return cf_leg_of(it);
		}
	}
	return NULL;
}

struct cf_leg *cf_group_member(const struct cf_call *call, const struct cf_call_endpoint *endpoint)
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

struct cf_call_participant_view cf_group_view(const struct cf_leg *leg)
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

int cf_group_tell_view(struct cf_list *events, struct cf_call *call, const struct cf_leg *except,
	const struct cf_participant *of, const struct cf_call_participant_view *view)
{
	struct cf_call_event ev = cf_call_event_from(CF_CALL_EV_PARTICIPANTS, call, of);

	ev.participants = view;
	ev.n_participants = 1;
	ev.roster = ++call->roster;
	return cf_group_tell(events, call, except, &ev);
}

/* All but the one that changed hear of it. */
static int tell_change(struct cf_list *events, struct cf_call *call, const struct cf_leg *changed)
{
	struct cf_call_participant_view view = cf_group_view(changed);

	return cf_group_tell_view(events, call, changed, changed->participant, &view);
}

/* Its devices that are in, or that it rings. */
static size_t views_of(const struct cf_participant *p, struct cf_call_participant_view *out)
{
	size_t n = 0;

	CF_LIST_FOR(it, &p->legs)
	{
		if (cf_leg_of(it)->state == CF_LEG_ACTIVE)
			out[n++] = cf_group_view(cf_leg_of(it));
	}
	if (n == 0 && p->user)
		out[n++] = cf_group_ringing_view(p);
	return n;
}

int cf_group_tell_all_to(
	struct cf_list *events, struct cf_call *call, const struct cf_leg *newcomer)
{
	struct cf_call_participant_view *views =
		cf_calloc(call->n_members + call->n_participants, sizeof(*views));
	struct cf_call_event ev =
		cf_call_event_from(CF_CALL_EV_PARTICIPANTS, call, newcomer->participant);
	int err;

	if (!views)
		return CF_ENOMEM;
	CF_LIST_FOR(p, &call->participants)
	ev.n_participants += views_of(cf_participant_of(p), &views[ev.n_participants]);
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
	cf_free(leg);
	participant->active = NULL;
	CF_LIST_FOR(it, &participant->legs)
	{
		if (!participant->active && cf_leg_of(it)->state == CF_LEG_ACTIVE)
			participant->active = cf_leg_of(it);
	}
}

void cf_group_leave(struct cf_call_domain *domain, struct cf_leg *leg,
	const struct cf_call_end *end, bool told, struct cf_call_time now)
{
	struct cf_call *call = leg->call;
	struct cf_call_event ended = cf_call_event_from(CF_CALL_EV_ENDED, call, leg->participant);
	struct cf_list events;

	cf_group_not_demoted(domain, call, now);
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

void cf_group_settle(struct cf_call_domain *domain, struct cf_call *call,
	const struct cf_call_end *end, struct cf_call_time now)
{
	bool alone = cf_group_of_people(call) && call->n_members == 1 && !cf_group_rings(call);

	if (call->n_members == 0)
		cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_HANGUP), now);
	else if (alone)
		cf_call_finish(domain, call, *end, now);
	else
		cf_group_moved(domain, call, now);
	if (call->state == CF_CALL_CONNECTED)
		cf_group_demote(domain, call, now);
}

/* The last one leaves, and the call is over. */
static void leave_or_end(struct cf_call_domain *domain, struct cf_leg *leg,
	const struct cf_call_end *end, bool told, struct cf_call_time now)
{
	struct cf_call *call = leg->call;

	cf_group_leave(domain, leg, end, told, now);
	cf_group_settle(domain, call, end, now);
}

void cf_group_lost(struct cf_call_domain *domain, struct cf_leg *leg, struct cf_call_time now)
{
	struct cf_call_end end = cf_call_end_of(CF_CALL_END_DEVICE_LOST);

	if (leg->state == CF_LEG_RINGING)
		cf_invite_lost(domain, leg, now);
	else
		leave_or_end(domain, leg, &end, false, now);
}

static struct cf_leg *relayed_leg(const struct cf_call *call, const char *raw_id)
{
	const struct cf_participant *p = cf_participant_find(call, raw_id);

	if (!p || call->state == CF_CALL_ENDED)
		return NULL;
	CF_LIST_FOR(it, &p->legs)
	{
		if (cf_leg_of(it)->relayed && cf_leg_of(it)->state == CF_LEG_ACTIVE)
			return cf_leg_of(it);
	}
	return NULL;
}

void cf_group_unrelayed(struct cf_call_domain *domain, struct cf_call *call, const char *raw_id,
	struct cf_call_time now)
{
	struct cf_call_end end = cf_call_end_of(CF_CALL_END_RELAY_BUDGET);
	struct cf_leg *leg;

	while ((leg = relayed_leg(call, raw_id)))
		leave_or_end(domain, leg, &end, true, now);
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
			if (domain->media.leave && cf_leg_of(it)->state == CF_LEG_ACTIVE)
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

int cf_group_open(struct cf_call_domain *domain, struct cf_call *call, const char *group_id)
{
	int err = cf_map_insert(&domain->groups, &call->group_node, group_hash(domain, group_id));

	if (err == 0 && group_id != call->group_id)
		snprintf(call->group_id, sizeof(call->group_id), "%s", group_id);
	return err;
}

/* group_id NULL: its own id. */
static struct cf_call *group_new(struct cf_call_domain *domain, struct cf_call_endpoint *endpoint,
	const char *group_id, struct cf_call_time now)
{
	struct cf_call *call = cf_call_new(now);

	if (!call)
		return NULL;
	group_id = group_id ? group_id : call->id;
	call->state = CF_CALL_CONNECTED;
	call->connected_wall_ms = now.wall_ms;
	if (cf_map_insert(&domain->calls, &call->node,
		    cf_hash_bytes(call->id, strlen(call->id), domain->seed)) < 0 ||
		cf_group_open(domain, call, group_id) < 0) {
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
		if (!cf_list_empty(&cf_participant_of(it)->legs) || cf_participant_of(it)->user)
			continue;
		cf_participant_remove(call, cf_participant_of(it));
		return true;
	}
	return false;
}

struct cf_participant *cf_group_participant(
	struct cf_call *call, const char *raw_id, const char *display_name)
{
	struct cf_participant *p = cf_participant_find(call, raw_id);
	char *name;

	if (!p)
		return make_room(call) ? cf_participant_add(call, raw_id, display_name) : NULL;
	name = cf_strdup(display_name);
	if (name) {
		cf_free(p->display_name);
		p->display_name = name;
	}
	return p;
}

uint32_t cf_group_new_source(const struct cf_call *call)
{
	uint32_t source;
	bool taken;

	do {
		source = cf_rand_u32();
		taken = (source & ~CF_CALL_SCREEN_SOURCE) == 0;
		CF_LIST_FOR(p, &call->participants)
		{
			CF_LIST_FOR(it, &cf_participant_of(p)->legs)
			taken |= (cf_leg_of(it)->source & ~CF_CALL_SCREEN_SOURCE) ==
				 (source & ~CF_CALL_SCREEN_SOURCE);
		}
	} while (taken);
	return source;
}

int cf_group_enter(
	struct cf_call_domain *domain, struct cf_leg *leg, const char *sdp, struct cf_list *events)
{
	struct cf_call *call = leg->call;
	int err;

	leg->state = CF_LEG_ACTIVE;
	leg->source = cf_group_new_source(call);
	leg->participant->active = leg;
	leg->endpoint->n_calls++;
	call->n_members++;
	err = tell_change(events, call, leg);
	if (err == 0)
		err = cf_group_tell_all_to(events, call, leg);
	if (err == 0)
		err = cf_ringing_tell_others(events, leg);
	return err < 0 ? err
		       : domain->media.join(call->id, leg->id, leg->source, sdp, domain->media.arg);
}

void cf_group_entered(
	struct cf_call_domain *domain, struct cf_leg *leg, const char *sdp, struct cf_call_time now)
{
	cf_ringing_silence_others(leg);
	cf_ringing_stop(domain, leg->participant);
	cf_call_trace_joined(domain, leg->call, leg, sdp, now);
	cf_call_changed(domain, leg->call);
}

/* The leg, and all that can fail about it. */
static int member_add(struct cf_call_domain *domain, struct cf_call *call,
	struct cf_call_endpoint *endpoint, const struct cf_call_start *start,
	struct cf_list *events, struct cf_leg **ret_leg)
{
	struct cf_participant *participant =
		cf_group_participant(call, endpoint->user->raw_id, endpoint->display_name);
	struct cf_leg *leg =
		participant ? cf_leg_new(call, participant, endpoint, CF_LEG_ACTIVE) : NULL;
	int err;

	if (!leg)
		return CF_ENOMEM;
	err = cf_group_enter(domain, leg, start->sdp, events);
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
	if (call && cf_group_member(call, endpoint))
		return 0; /* in the place of its own leg */
	if (endpoint->n_calls >= domain->options.max_calls_per_endpoint)
		return CF_ELIMIT;
	if (call)
		return call->n_members < domain->options.max_group_members ? 0 : CF_ENOSPC;
	return domain->n_open < domain->options.max_calls ? 0 : CF_ELIMIT;
}

/* A device that has no leg in the call comes in. On failure a call without members is over. */
static int join(struct cf_call_domain *domain, struct cf_call *call,
	struct cf_call_endpoint *endpoint, const struct cf_call_start *start,
	struct cf_call_time now)
{
	struct cf_list events;
	struct cf_leg *leg = NULL;
	int err;

	cf_list_init(&events);
	err = member_add(domain, call, endpoint, start, &events, &leg);
	err = cf_call_events_commit(domain, &events, err);
	if (err == 0)
		cf_group_entered(domain, leg, start->sdp, now);
	else if (call->n_members == 0)
		cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_HANGUP), now);
	return err;
}

int cf_group_join(struct cf_call_domain *domain, struct cf_call_endpoint *endpoint,
	const struct cf_call_start *start, struct cf_call_time now,
	char ret_call_id[static CF_CALL_ID_MAX])
{
	struct cf_call_end again = cf_call_end_of(CF_CALL_END_HANGUP);
	char group_id[CF_CALL_ID_MAX];
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
	leg = cf_group_member(call, endpoint);
	memcpy(ret_call_id, call->id, CF_CALL_ID_MAX);
	cf_group_not_demoted(domain, call, now);
	call->not_demoted = false;
	if (leg && leg->state == CF_LEG_RINGING)
		return cf_group_accept(domain, leg, start->sdp, now);
	if (leg)
		cf_group_leave(domain, leg, &again, false, now);
	return join(domain, call, endpoint, start, now);
}

int cf_group_start(struct cf_call_domain *domain, struct cf_call_endpoint *caller,
	const struct cf_call_start *start, struct cf_call_time now,
	char ret_call_id[static CF_CALL_ID_MAX])
{
	struct cf_call *call;
	int err = join_allowed(domain, NULL, caller);

	if (err == 0 && (!start->sdp || !*start->sdp || strlen(start->sdp) > CF_CALL_SDP_MAX))
		err = CF_EINVAL;
	if (err < 0)
		return err;
	call = group_new(domain, caller, NULL, now);
	if (!call)
		return CF_ENOMEM;
	memcpy(ret_call_id, call->id, CF_CALL_ID_MAX);
	call->custom_context = cf_strdup(start->custom_context);
	if (start->custom_context && !call->custom_context)
		err = CF_ENOMEM;
	if (err == 0)
		err = join(domain, call, caller, start, now);
	for (size_t i = 0; err == 0 && i < start->n_targets && call->state != CF_CALL_ENDED; i++)
		err = cf_call_invite(domain, call->id, caller, start->targets[i], now);
	if (err < 0 && call->state != CF_CALL_ENDED)
		cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_HANGUP), now);
	return err;
}

/* ---- what the media processor says ---- */

/* One that has another way yet need not leave for it. */
static void lost(struct cf_call_domain *domain, struct cf_leg *leg, const struct cf_call_end *end,
	struct cf_call_time now)
{
	if (!leg->moving || leg->arrived || !cf_group_not_promoted(domain, leg->call, end, now))
		leave_or_end(domain, leg, end, true, now);
}

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
		lost(domain, leg, &refused, now);
		return;
	}
	first = leg->start_wall_ms == 0 || (leg->moving && !leg->arrived);
	ev = cf_call_event_from(
		first ? CF_CALL_EV_ACCEPTED : CF_CALL_EV_RENEGOTIATE, call, leg->participant);
	ev.from_raw_id = CF_CALL_MEDIA_RAWID;
	ev.from_name = NULL;
	ev.sdp = sdp;
	ev.sdp_type = "answer";
	cf_list_init(&events);
	if (cf_call_events_commit(domain, &events, cf_call_event_add(&events, leg->endpoint, &ev)) <
		0) {
		lost(domain, leg, &refused, now);
		return;
	}
	if (leg->start_wall_ms == 0)
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
		lost(domain, leg, &end, now);
}

void cf_call_media_connected(struct cf_call_domain *domain, const char *call_id, const char *leg_id,
	struct cf_call_time now)
{
	struct cf_call *call = cf_call_find(domain, call_id);
	struct cf_leg *leg = call ? member_find(call, leg_id) : NULL;

	if (!leg)
		return;
	leg->arrived = true;
	cf_group_moved(domain, call, now);
	cf_group_demote(domain, call, now);
}

/* ---- what members say ---- */

int cf_group_renegotiate(struct cf_call_domain *domain, struct cf_leg *leg, const char *sdp,
	bool answer, struct cf_call_time now)
{
	/* The media processor offers nothing by itself. */
	if (answer)
		return CF_ESTATE;
	if (!domain->media.offer || leg->moving)
		return CF_ESTATE;
	domain->media.offer(leg->call->id, leg->id, sdp, domain->media.arg);
	leg->n_candidates = 0;
	cf_call_trace_described(domain, leg->call, "renegotiate-offer", leg->endpoint, sdp, now);
	return 0;
}

int cf_call_view(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const struct cf_call_wish *wishes, size_t n,
	uint16_t others)
{
	struct cf_call *call;
	struct cf_leg *leg;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, &leg);

	if (err == 0 && (!cf_call_is_group(call) || leg->state != CF_LEG_ACTIVE))
		err = CF_ESTATE;
	if (err == 0 && n > CF_CALL_WISHES_MAX)
		err = CF_ELIMIT;
	if (err == 0 && domain->media.view)
		domain->media.view(call->id, leg->id, wishes, n, others, domain->media.arg);
	return err;
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
