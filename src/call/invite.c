/* SPDX-License-Identifier: Apache-2.0 */
/* Calling people into a group, taking them out of it, muting them. */
#include "call/call_priv.h"

/* ---- calling ---- */

bool cf_group_rings(const struct cf_call *call)
{
	CF_LIST_FOR(it, &call->participants)
	{
		if (cf_participant_of(it)->user)
			return true;
	}
	return false;
}

struct cf_call_participant_view cf_group_ringing_view(const struct cf_participant *p)
{
	return (struct cf_call_participant_view){
		.raw_id = p->raw_id, .display_name = p->display_name, .state = "ringing"};
}

static size_t n_ringing(const struct cf_call *call)
{
	size_t n = 0;

	CF_LIST_FOR(it, &call->participants)
	n += cf_participant_of(it)->user != NULL;
	return n;
}

static int invite_allowed(const struct cf_call_domain *domain, const struct cf_call *call,
	const struct cf_leg *leg, const char *raw_id)
{
	size_t n = cf_call_is_group(call) ? call->n_members + n_ringing(call) : 2;

	if (!raw_id || !*raw_id || strlen(raw_id) >= CF_CALL_RAWID_MAX)
		return CF_EINVAL;
	if (call->state != CF_CALL_CONNECTED || leg->state != CF_LEG_ACTIVE)
		return CF_ESTATE;
	if (!domain->media.join)
		return CF_ENOTSUP;
	return n < domain->options.max_group_members ? 0 : CF_ENOSPC;
}

/* Those that ring are told no more, and forgotten. */
static void forget_ringing(struct cf_call_domain *domain, struct cf_participant *callee)
{
	cf_ringing_stop(domain, callee);
	CF_LIST_FOR_SAFE(it, &callee->legs)
	{
		struct cf_leg *leg = cf_leg_of(it);

		if (leg->state == CF_LEG_ACTIVE)
			continue;
		cf_leg_detach(leg);
		cf_list_remove(&leg->link);
		cf_free(leg);
	}
}

/* What can fail of it. */
static int ring(struct cf_call_domain *domain, struct cf_participant *callee, struct cf_leg *leg,
	struct cf_list *events, struct cf_call_time now)
{
	struct cf_call_participant_view view;
	int err = cf_ringing_begin(domain, callee, leg->participant, now.us);

	if (err == 0)
		err = cf_ringing_all(callee, events);
	view = cf_group_ringing_view(callee);
	return err < 0 ? err : cf_group_tell_view(events, callee->call, NULL, callee, &view);
}

/* It will not come: everybody hears why. */
static void not_coming(struct cf_call_domain *domain, struct cf_participant *callee,
	const struct cf_call_end *end, struct cf_call_time now)
{
	struct cf_call_participant_view view = {.raw_id = callee->raw_id,
		.display_name = callee->display_name,
		.state = "disconnected",
		.end = *end};
	struct cf_call *call = callee->call;
	struct cf_list events;

	forget_ringing(domain, callee);
	cf_list_init(&events);
	(void)!cf_call_events_commit(
		domain, &events, cf_group_tell_view(&events, call, NULL, callee, &view));
	cf_call_trace_step(domain, call, "call", "not-coming", NULL,
		json_pack("{s:s,s:i,s:i,s:s}", "user", callee->raw_id, "code", end->code, "subcode",
			end->subcode, "reason", end->reason),
		now);
	cf_group_settle(domain, call, end, now);
}

static int invite(struct cf_call_domain *domain, struct cf_leg *leg, const char *raw_id,
	struct cf_call_time now)
{
	bool promoted = !cf_call_is_group(leg->call);
	struct cf_call_end nobody = cf_call_end_of(CF_CALL_END_NO_ENDPOINT);
	struct cf_participant *callee = NULL;
	struct cf_list events;
	int err = 0;

	cf_group_not_demoted(domain, leg->call, now);
	leg->call->not_demoted = false;
	cf_list_init(&events);
	if (promoted)
		err = cf_group_promote(domain, leg->call, &events, now);
	if (err == 0)
		callee = cf_group_participant(leg->call, raw_id, NULL);
	if (err == 0)
		err = callee ? ring(domain, callee, leg, &events, now) : CF_ENOMEM;
	err = cf_call_events_commit(domain, &events, err);
	if (err < 0) {
		if (callee)
			forget_ringing(domain, callee);
		if (promoted)
			cf_group_unpromote(domain, leg->call);
		return err;
	}
	cf_call_trace_step(domain, leg->call, "call", "invited", leg->endpoint_id,
		json_pack("{s:s}", "user", raw_id), now);
	cf_ringing_trace(domain, callee, now);
	cf_call_deadline_at(domain, cf_group_due(domain, leg->call));
	cf_call_changed(domain, leg->call);
	if (!cf_rings(callee))
		not_coming(domain, callee, &nobody, now);
	return 0;
}

int cf_call_invite(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *raw_id, struct cf_call_time now)
{
	const struct cf_participant *known;
	struct cf_call *call;
	struct cf_leg *leg;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, &leg);

	if (err == 0)
		err = invite_allowed(domain, call, leg, raw_id);
	if (err < 0)
		return err;
	known = cf_participant_find(call, raw_id);
	if (known && (known->active || known->user))
		return 0;
	return invite(domain, leg, raw_id, now);
}

/* ---- what those who are called say ---- */

int cf_group_accept(
	struct cf_call_domain *domain, struct cf_leg *leg, const char *sdp, struct cf_call_time now)
{
	struct cf_call_endpoint *endpoint = leg->endpoint;
	struct cf_participant *participant;
	struct cf_list events;
	int err;

	if (leg->state != CF_LEG_RINGING)
		return CF_ESTATE;
	if (endpoint->n_calls >= domain->options.max_calls_per_endpoint)
		return CF_ELIMIT;
	participant =
		cf_group_participant(leg->call, leg->participant->raw_id, endpoint->display_name);
	cf_list_init(&events);
	err = cf_group_enter(domain, leg, sdp, &events);
	err = cf_call_events_commit(domain, &events, err);
	if (err < 0) {
		leg->state = CF_LEG_RINGING;
		participant->active = NULL;
		endpoint->n_calls--;
		leg->call->n_members--;
		return err;
	}
	cf_group_entered(domain, leg, sdp, now);
	return 0;
}

/* When the last device is silent, the inviter is told why. */
static void fell_silent(struct cf_call_domain *domain, struct cf_participant *callee,
	const struct cf_call_end *end, struct cf_call_time now)
{
	if (callee->user && !cf_rings(callee))
		not_coming(domain, callee, end, now);
}

int cf_invite_reject(
	struct cf_call_domain *domain, struct cf_leg *leg, bool busy, struct cf_call_time now)
{
	struct cf_participant *callee = leg->participant;
	struct cf_call_end end;

	leg->state = CF_LEG_GONE;
	leg->busy = busy;
	cf_leg_detach(leg);
	cf_call_trace_step(domain, callee->call, "call", "rejected", leg->endpoint_id,
		json_pack("{s:b}", "busy", busy), now);
	end = cf_ringing_refusal(callee);
	fell_silent(domain, callee, &end, now);
	return 0;
}

void cf_invite_lost(struct cf_call_domain *domain, struct cf_leg *leg, struct cf_call_time now)
{
	struct cf_call_end end = cf_call_end_of(CF_CALL_END_NO_ENDPOINT);
	struct cf_participant *callee = leg->participant;

	leg->state = CF_LEG_GONE;
	cf_leg_detach(leg);
	fell_silent(domain, callee, &end, now);
}

void cf_invite_cancel(struct cf_call_domain *domain, struct cf_participant *callee,
	const struct cf_call_end *end, struct cf_call_time now)
{
	struct cf_call_event ev = cf_call_event_from(CF_CALL_EV_CANCELLED, callee->call, callee);
	struct cf_list events;

	ev.end = *end;
	cf_list_init(&events);
	/* Without memory it rings on, and finds when it is answered that it is over. */
	(void)!cf_call_events_commit(
		domain, &events, cf_call_event_to_legs(&events, callee, CF_LEG_RINGING, &ev));
	not_coming(domain, callee, end, now);
}

/* ---- time ---- */

uint64_t cf_group_due(const struct cf_call_domain *domain, const struct cf_call *call)
{
	uint64_t due = CF_TIME_NEVER;

	if (call->moving_us)
		due = call->moving_us + domain->options.promote_timeout_us;
	if (call->demoting_us)
		due = call->demoting_us + domain->options.promote_timeout_us;
	CF_LIST_FOR(it, &call->participants)
	{
		const struct cf_participant *p = cf_participant_of(it);

		if (p->user && p->ringing_us + domain->options.setup_timeout_us < due)
			due = p->ringing_us + domain->options.setup_timeout_us;
	}
	return due;
}

/* The first who has rung for too long, or NULL. */
static struct cf_participant *overdue(
	const struct cf_call_domain *domain, const struct cf_call *call, uint64_t now_us)
{
	CF_LIST_FOR(it, &call->participants)
	{
		struct cf_participant *p = cf_participant_of(it);

		if (p->user && p->ringing_us + domain->options.setup_timeout_us <= now_us)
			return p;
	}
	return NULL;
}

void cf_group_tick(struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now)
{
	struct cf_call_end no_answer = cf_call_end_of(CF_CALL_END_NO_ANSWER);
	struct cf_call_end not_moved = cf_call_end_of(CF_CALL_END_NOT_MOVED);
	struct cf_participant *callee;

	if (call->moving_us && call->moving_us + domain->options.promote_timeout_us <= now.us)
		cf_group_late(domain, call, &not_moved, now);
	cf_group_demote_late(domain, call, now);
	while (call->state == CF_CALL_CONNECTED && (callee = overdue(domain, call, now.us)))
		cf_invite_cancel(domain, callee, &no_answer, now);
}

/* ---- taking out, muting ---- */

int cf_call_remove(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *raw_id, struct cf_call_time now)
{
	struct cf_call_end removed = cf_call_end_of(CF_CALL_END_REMOVED);
	struct cf_call_end cancelled = cf_call_end_of(CF_CALL_END_CANCELLED);
	struct cf_participant *p;
	struct cf_call *call;
	struct cf_leg *leg;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, &leg);

	if (err < 0)
		return err;
	if (!cf_call_is_group(call) || leg->state != CF_LEG_ACTIVE)
		return CF_ESTATE;
	p = cf_participant_find(call, raw_id);
	if (!p || (!p->active && !p->user))
		return CF_ENOTFOUND;
	cf_call_trace_step(domain, call, "call", "removed", endpoint->id,
		json_pack("{s:s}", "user", raw_id), now);
	if (p->user)
		cf_invite_cancel(domain, p, &cancelled, now);
	while (call->state == CF_CALL_CONNECTED && p->active) {
		cf_group_leave(domain, p->active, &removed, true, now);
		cf_group_settle(domain, call, &removed, now);
	}
	return 0;
}

int cf_call_mute_others(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *raw_id)
{
	static const struct cf_call_notification mute = {"mute", "{}"};
	const struct cf_participant *only;
	struct cf_call_event ev;
	struct cf_list events;
	struct cf_call *call;
	struct cf_leg *leg;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, &leg);

	if (err < 0)
		return err;
	if (!cf_call_is_group(call) || leg->state != CF_LEG_ACTIVE)
		return CF_ESTATE;
	only = raw_id ? cf_participant_find(call, raw_id) : NULL;
	if (raw_id && (!only || !only->active))
		return CF_ENOTFOUND;
	ev = cf_call_event_from(CF_CALL_EV_NOTIFICATION, call, leg->participant);
	ev.from_endpoint_id = leg->endpoint_id;
	ev.notification = mute;
	cf_list_init(&events);
	err = only ? cf_call_event_to_legs(&events, only, CF_LEG_ACTIVE, &ev)
		   : cf_group_tell(&events, call, leg, &ev);
	return cf_call_events_commit(domain, &events, err);
}
