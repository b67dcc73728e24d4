/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of a call. Each makes everything that can fail first, then changes the state. */
#include "base/mem.h"
#include "call/call_priv.h"

#include <stdio.h>

/* ---- finding one's way ---- */

static int target_valid(const struct cf_call_start *start)
{
	size_t sdp = start->sdp ? strlen(start->sdp) : 0;

	if (sdp == 0 || sdp > CF_CALL_SDP_MAX || !start->target_raw_id ||
		strlen(start->target_raw_id) >= CF_CALL_RAWID_MAX)
		return CF_EINVAL;
	if (start->custom_context && strlen(start->custom_context) > CF_CALL_CONTEXT_MAX)
		return CF_EINVAL;
	return 0;
}

int cf_call_leg_find(const struct cf_call_domain *domain, const char *call_id,
	const struct cf_call_endpoint *endpoint, struct cf_call **ret_call, struct cf_leg **ret_leg)
{
	struct cf_call *call = cf_call_find(domain, call_id);

	if (!call)
		return CF_ENOTFOUND;
	CF_LIST_FOR(it, &endpoint->legs)
	{
		struct cf_leg *leg = CF_CONTAINER_OF(it, struct cf_leg, endpoint_link);

		if (leg->call != call)
			continue;
		*ret_call = call;
		*ret_leg = leg;
		return 0;
	}
	return cf_call_has_user(domain, call_id, endpoint->user->raw_id) ? CF_ESTATE : CF_EDENIED;
}

struct cf_participant *cf_call_other(struct cf_call *call, const struct cf_leg *leg)
{
	return leg->participant == cf_call_caller(call) ? cf_call_callee(call)
							: cf_call_caller(call);
}

struct cf_call_event cf_call_event_from(
	enum cf_call_event_type type, const struct cf_call *call, const struct cf_participant *from)
{
	return (struct cf_call_event){.type = type,
		.call_id = call->id,
		.from_raw_id = from->raw_id,
		.from_name = from->display_name,
		.ice_transport = call->ice_transport};
}

int cf_call_event_to_legs(struct cf_list *events, const struct cf_participant *to,
	enum cf_leg_state state, const struct cf_call_event *event)
{
	int err = 0;

	CF_LIST_FOR(it, &to->legs)
	{
		const struct cf_leg *leg = CF_CONTAINER_OF(it, struct cf_leg, link);

		if (err == 0 && leg->endpoint && leg->state == state)
			err = cf_call_event_add(events, leg->endpoint, event);
	}
	return err;
}

int cf_call_events_commit(struct cf_call_domain *domain, struct cf_list *events, int err)
{
	if (err < 0)
		cf_call_events_drop(events);
	else
		cf_call_events_post(domain, events);
	return err;
}

/* ---- starting ---- */

static struct cf_call *call_new(struct cf_call_domain *domain, struct cf_call_endpoint *caller,
	const struct cf_call_start *start, struct cf_call_time now)
{
	struct cf_call *call = cf_call_new(now);

	if (!call)
		return NULL;
	call->ice_transport = start->ice_transport;
	call->sdp = cf_strdup(start->sdp);
	call->custom_context = cf_strdup(start->custom_context);
	if (!call->sdp || (start->custom_context && !call->custom_context) ||
		!cf_participant_add(call, caller->user->raw_id, caller->display_name) ||
		!cf_participant_add(call, start->target_raw_id, NULL)) {
		cf_call_free(domain, call);
		return NULL;
	}
	return call;
}

/* Caller's leg, everyone's ringing: what can fail of a start. */
static int call_wire(struct cf_call_domain *domain, struct cf_call *call,
	struct cf_call_endpoint *caller, struct cf_list *events, struct cf_call_time now)
{
	struct cf_participant *p = cf_call_caller(call);

	p->active = cf_leg_new(call, p, caller, CF_LEG_CALLING);
	if (!p->active || cf_ringing_begin(domain, cf_call_callee(call), p, now.us) < 0 ||
		cf_ringing_all(cf_call_callee(call), events) < 0)
		return CF_ENOMEM;
	return cf_map_insert(&domain->calls, &call->node,
		cf_hash_bytes(call->id, strlen(call->id), domain->seed));
}

int cf_call_start(struct cf_call_domain *domain, struct cf_call_endpoint *caller,
	const struct cf_call_start *start, struct cf_call_time now,
	char ret_call_id[static CF_CALL_ID_MAX])
{
	struct cf_list events;
	struct cf_call *call;
	int err;

	if (start->group_id)
		return cf_group_join(domain, caller, start, now, ret_call_id);
	if (start->targets)
		return cf_group_start(domain, caller, start, now, ret_call_id);
	err = target_valid(start);
	if (err < 0)
		return err;
	if (domain->n_open >= domain->options.max_calls ||
		caller->n_calls >= domain->options.max_calls_per_endpoint)
		return CF_ELIMIT;
	call = call_new(domain, caller, start, now);
	if (!call)
		return CF_ENOMEM;
	cf_list_init(&events);
	err = call_wire(domain, call, caller, &events, now);
	if (err < 0) {
		cf_call_events_drop(&events);
		cf_call_free(domain, call);
		return err;
	}
	domain->n_open++;
	caller->n_calls++;
	memcpy(ret_call_id, call->id, CF_CALL_ID_MAX);
	cf_call_trace_started(domain, call, now);
	cf_ringing_trace(domain, cf_call_callee(call), now);
	cf_call_deadline_at(domain, now.us + domain->options.setup_timeout_us);
	cf_call_changed(domain, call);
	cf_call_events_post(domain, &events);
	if (!cf_rings(cf_call_callee(call)))
		cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_NO_ENDPOINT), now);
	return 0;
}

/* ---- accepting ---- */

static int accept_events(
	struct cf_call *call, struct cf_leg *leg, const char *sdp, struct cf_list *events)
{
	struct cf_participant *caller = cf_call_caller(call);
	struct cf_call_event ev = cf_call_event_from(CF_CALL_EV_ACCEPTED, call, leg->participant);
	int err;

	ev.from_name = leg->endpoint->display_name;
	ev.sdp = sdp;
	ev.sdp_type = "answer";
	err = cf_call_event_add(events, caller->active->endpoint, &ev);
	if (err == 0 && (leg->candidates.n > 0 || leg->candidates.end)) {
		ev = cf_call_event_from(CF_CALL_EV_CANDIDATES, call, leg->participant);
		ev.candidates = leg->candidates.v;
		ev.n_candidates = leg->candidates.n;
		ev.end_of_candidates = leg->candidates.end;
		err = cf_call_event_add(events, caller->active->endpoint, &ev);
	}
	return err < 0 ? err : cf_ringing_tell_others(events, leg);
}

int cf_call_accept(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *sdp, struct cf_call_time now)
{
	struct cf_list events;
	struct cf_call *call;
	struct cf_leg *leg;
	char *name;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, &leg);

	if (err < 0)
		return err;
	if (!sdp || !*sdp || strlen(sdp) > CF_CALL_SDP_MAX)
		return CF_EINVAL;
	if (cf_call_is_group(call))
		return cf_group_accept(domain, leg, sdp, now);
	if (call->state != CF_CALL_RINGING || leg->state != CF_LEG_RINGING)
		return CF_ESTATE;
	name = cf_strdup(endpoint->display_name);
	if (endpoint->display_name && !name)
		return CF_ENOMEM;
	cf_list_init(&events);
	err = cf_call_events_commit(domain, &events, accept_events(call, leg, sdp, &events));
	if (err < 0) {
		cf_free(name);
		return err;
	}
	call->state = CF_CALL_CONNECTED;
	call->connected_wall_ms = now.wall_ms;
	call->sdp = cf_free(call->sdp);
	leg->state = CF_LEG_ACTIVE;
	leg->participant->active = leg;
	leg->participant->display_name = name;
	cf_call_caller(call)->active->state = CF_LEG_ACTIVE;
	endpoint->n_calls++;
	cf_ringing_silence_others(leg);
	cf_ringing_stop(domain, leg->participant);
	CF_LIST_FOR(it, &call->participants)
	cf_leg_begin(domain, cf_participant_of(it)->active, now);
	cf_call_deadline_at(domain, now.us + domain->options.leg_record_us);
	cf_call_trace_described(domain, call, "accepted", endpoint, sdp, now);
	cf_call_changed(domain, call);
	return 0;
}

/* ---- declining and ending ---- */

int cf_call_reject(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, bool busy, struct cf_call_time now)
{
	struct cf_list events;
	struct cf_call_event ev;
	struct cf_call *call;
	struct cf_leg *leg;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, &leg);

	if (err < 0)
		return err;
	if (leg->state != CF_LEG_RINGING)
		return CF_ESTATE;
	if (cf_call_is_group(call))
		return cf_invite_reject(domain, leg, busy, now);
	cf_list_init(&events);
	ev = cf_call_event_from(CF_CALL_EV_REJECTED, call, leg->participant);
	ev.end = cf_call_end_of(busy ? CF_CALL_END_BUSY : CF_CALL_END_DECLINED);
	err = cf_call_events_commit(domain, &events,
		cf_call_event_add(&events, cf_call_caller(call)->active->endpoint, &ev));
	if (err < 0)
		return err;
	leg->state = CF_LEG_GONE;
	leg->busy = busy;
	cf_leg_detach(leg);
	cf_call_trace_step(domain, call, "call", "rejected", endpoint->id,
		json_pack("{s:b}", "busy", busy), now);
	if (!cf_rings(cf_call_callee(call)))
		cf_call_finish(domain, call, cf_ringing_refusal(leg->participant), now);
	return 0;
}

/* The events of an end; without memory a device misses its own, and finds out by asking. */
static void finish_events(struct cf_call_domain *domain, struct cf_call *call)
{
	struct cf_call_event ended =
		cf_call_event_from(CF_CALL_EV_ENDED, call, cf_call_caller(call));
	struct cf_call_event cancelled =
		cf_call_event_from(CF_CALL_EV_CANCELLED, call, cf_call_caller(call));
	struct cf_list events;

	cf_list_init(&events);
	ended.end = cancelled.end = call->end;
	CF_LIST_FOR(it, &call->participants)
	{
		const struct cf_participant *p = cf_participant_of(it);

		(void)cf_call_event_to_legs(&events, p, CF_LEG_CALLING, &ended);
		(void)cf_call_event_to_legs(&events, p, CF_LEG_ACTIVE, &ended);
		(void)cf_call_event_to_legs(&events, p, CF_LEG_RINGING, &cancelled);
	}
	cf_call_events_post(domain, &events);
}

static void finish_legs(
	struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now)
{
	CF_LIST_FOR(p, &call->participants)
	{
		CF_LIST_FOR(it, &cf_participant_of(p)->legs)
		{
			struct cf_leg *leg = cf_leg_of(it);

			if (leg->state == CF_LEG_ACTIVE)
				cf_leg_record(domain, leg, &call->end, now);
			if (leg->endpoint && leg->state != CF_LEG_RINGING &&
				leg->state != CF_LEG_GONE)
				leg->endpoint->n_calls--;
			cf_leg_detach(leg);
		}
	}
}

void cf_call_finish(struct cf_call_domain *domain, struct cf_call *call, struct cf_call_end end,
	struct cf_call_time now)
{
	cf_free(call->end_reason);
	call->end_reason = cf_strdup(end.reason);
	call->end = end;
	call->end.reason = call->end_reason ? call->end_reason : "";
	if (cf_call_is_group(call))
		cf_group_end(domain, call);
	if (!cf_list_empty(&call->participants))
		finish_events(domain, call);
	finish_legs(domain, call, now);
	CF_LIST_FOR(it, &call->participants)
	cf_ringing_stop(domain, cf_participant_of(it));
	call->state = CF_CALL_ENDED;
	call->ended_us = now.us;
	call->ended_wall_ms = now.wall_ms;
	call->sdp = cf_free(call->sdp);
	domain->n_open--;
	cf_call_deadline_at(domain, now.us + domain->options.ended_keep_us);
	cf_call_trace_step(domain, call, "call", "ended", NULL,
		json_pack("{s:i,s:i,s:s}", "code", end.code, "subcode", end.subcode, "reason",
			call->end.reason),
		now);
	cf_call_changed(domain, call);
}

int cf_call_hangup(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, bool for_everyone, const struct cf_call_end *end,
	struct cf_call_time now)
{
	struct cf_call_end why = cf_call_end_of(CF_CALL_END_HANGUP);
	struct cf_call *call;
	struct cf_leg *leg;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, &leg);

	if (err < 0)
		return err;
	if (leg->state == CF_LEG_RINGING)
		return cf_call_reject(domain, call_id, endpoint, false, now);
	if (end && (end->code < 0 || end->code > 699 || end->subcode < 0 || end->subcode > 999999 ||
			   (end->reason && strlen(end->reason) > CF_CALL_REASON_MAX)))
		return CF_EINVAL;
	if (call->state == CF_CALL_RINGING)
		why = cf_call_end_of(CF_CALL_END_CANCELLED);
	if (end && (end->code != 0 || end->subcode != 0))
		why = *end;
	if (cf_call_is_group(call)) {
		cf_group_hangup(domain, leg, for_everyone, &why, now);
		return 0;
	}
	cf_call_trace_step(domain, call, "call", "hangup", endpoint->id, NULL, now);
	cf_call_finish(domain, call, why, now);
	return 0;
}

/* What an endpoint's departure means for one of its legs. */
static void leg_lost(struct cf_call_domain *domain, struct cf_leg *leg, struct cf_call_time now)
{
	struct cf_call *call = leg->call;
	enum cf_leg_state state = leg->state;

	if (cf_call_is_group(call)) {
		cf_group_lost(domain, leg, now);
		return;
	}
	if (state == CF_LEG_RINGING) {
		leg->state = CF_LEG_GONE;
		cf_leg_detach(leg);
		if (!cf_rings(cf_call_callee(call)))
			cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_NO_ENDPOINT), now);
		return;
	}
	if (state == CF_LEG_CALLING)
		cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_SETUP_LOST), now);
	else if (state == CF_LEG_ACTIVE)
		cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_DEVICE_LOST), now);
	cf_leg_detach(leg);
}

void cf_call_endpoint_lost(
	struct cf_call_domain *domain, struct cf_call_endpoint *endpoint, struct cf_call_time now)
{
	while (!cf_list_empty(&endpoint->legs))
		leg_lost(domain, CF_CONTAINER_OF(endpoint->legs.next, struct cf_leg, endpoint_link),
			now);
}
