/* SPDX-License-Identifier: Apache-2.0 */
/* A participant that is called: all devices of the user ring, those that sign in meanwhile too. */
#include "call/call_priv.h"

/* Whose call it is to the callee; an inviter may have been forgotten meanwhile. */
static const struct cf_participant *inviter_of(const struct cf_participant *callee)
{
	return callee->inviter ? callee->inviter : cf_call_caller(callee->call);
}

/* A call between two has its offer with it; into a group the one who accepts offers. */
static struct cf_call_event incoming(const struct cf_participant *callee)
{
	const struct cf_call *call = callee->call;
	struct cf_call_event ev = cf_call_event_from(CF_CALL_EV_INCOMING, call, inviter_of(callee));

	ev.to_raw_id = callee->raw_id;
	ev.custom_context = call->custom_context;
	if (cf_call_is_group(call)) {
		ev.group_id = call->group_id;
	} else {
		ev.sdp = call->sdp;
		ev.sdp_type = "offer";
	}
	return ev;
}

static int add_candidates(const struct cf_participant *callee, struct cf_call_endpoint *endpoint,
	struct cf_list *events)
{
	const struct cf_participant *inviter = inviter_of(callee);
	struct cf_call_event ev = cf_call_event_from(CF_CALL_EV_CANDIDATES, callee->call, inviter);
	const struct cf_candidates *known;

	if (cf_call_is_group(callee->call))
		return 0;
	known = &inviter->active->candidates;
	if (known->n == 0 && !known->end)
		return 0;
	ev.candidates = known->v;
	ev.n_candidates = known->n;
	ev.end_of_candidates = known->end;
	return cf_call_event_add(events, endpoint, &ev);
}

/* Whoever calls oneself rings one's other devices. What lives in the service itself takes calls
 * between two only. */
static bool passed_over(const struct cf_call *call, const struct cf_call_endpoint *endpoint)
{
	if (endpoint->internal && cf_call_is_group(call))
		return true;
	CF_LIST_FOR(it, &endpoint->legs)
	{
		if (CF_CONTAINER_OF(it, struct cf_leg, endpoint_link)->call == call)
			return true;
	}
	return false;
}

int cf_ringing_add(
	struct cf_participant *callee, struct cf_call_endpoint *endpoint, struct cf_list *events)
{
	struct cf_call_event ev = incoming(callee);
	struct cf_leg *leg;
	int err;

	if (passed_over(callee->call, endpoint))
		return 0;
	leg = cf_leg_new(callee->call, callee, endpoint, CF_LEG_RINGING);
	if (!leg)
		return CF_ENOMEM;
	err = cf_call_event_add(events, endpoint, &ev);
	if (err == 0)
		err = add_candidates(callee, endpoint, events);
	if (err < 0) {
		leg->state = CF_LEG_GONE;
		cf_leg_detach(leg);
	}
	return err;
}

int cf_ringing_begin(struct cf_call_domain *domain, struct cf_participant *callee,
	struct cf_participant *inviter, uint64_t now_us)
{
	struct cf_call_user *user = cf_call_user_get(domain, callee->raw_id);

	if (!user)
		return CF_ENOMEM;
	callee->user = user;
	callee->inviter = inviter;
	callee->ringing_us = now_us;
	cf_list_push(&user->ringing, &callee->ringing_link);
	return 0;
}

int cf_ringing_all(struct cf_participant *callee, struct cf_list *events)
{
	int err = 0;

	CF_LIST_FOR(it, &callee->user->endpoints)
	{
		if (err == 0)
			err = cf_ringing_add(callee,
				CF_CONTAINER_OF(it, struct cf_call_endpoint, user_link), events);
	}
	return err;
}

void cf_ringing_stop(struct cf_call_domain *domain, struct cf_participant *callee)
{
	struct cf_call_user *user = callee->user;

	if (!user)
		return;
	cf_list_remove(&callee->ringing_link);
	callee->user = NULL;
	callee->inviter = NULL;
	cf_call_user_release(domain, user);
}

bool cf_rings(const struct cf_participant *callee)
{
	CF_LIST_FOR(it, &callee->legs)
	{
		if (cf_leg_of(it)->state == CF_LEG_RINGING)
			return true;
	}
	return false;
}

struct cf_call_end cf_ringing_refusal(const struct cf_participant *callee)
{
	size_t declined = 0, busy = 0;

	CF_LIST_FOR(it, &callee->legs)
	{
		declined++;
		busy += cf_leg_of(it)->busy;
	}
	if (busy > 0 && busy == declined)
		return cf_call_end_of(CF_CALL_END_BUSY);
	return cf_call_end_of(declined > 1 ? CF_CALL_END_ALL_DECLINED : CF_CALL_END_DECLINED);
}

int cf_ringing_tell_others(struct cf_list *events, const struct cf_leg *winner)
{
	struct cf_call_event ev = cf_call_event_from(
		CF_CALL_EV_CANCELLED, winner->call, inviter_of(winner->participant));
	int err = 0;

	ev.end = cf_call_end_of(CF_CALL_END_ANSWERED_ELSEWHERE);
	CF_LIST_FOR(it, &winner->participant->legs)
	{
		const struct cf_leg *loser = cf_leg_of(it);

		if (err == 0 && loser != winner && loser->state == CF_LEG_RINGING)
			err = cf_call_event_add(events, loser->endpoint, &ev);
	}
	return err;
}

void cf_ringing_silence_others(const struct cf_leg *winner)
{
	CF_LIST_FOR(it, &winner->participant->legs)
	{
		struct cf_leg *leg = cf_leg_of(it);

		if (leg != winner && leg->state == CF_LEG_RINGING) {
			leg->state = CF_LEG_GONE;
			cf_leg_detach(leg);
		}
	}
}

void cf_ringing_trace(
	struct cf_call_domain *domain, const struct cf_participant *callee, struct cf_call_time now)
{
	CF_LIST_FOR(it, &callee->legs)
	{
		if (cf_leg_of(it)->state == CF_LEG_RINGING)
			cf_call_trace_ringing(domain, callee->call, cf_leg_of(it)->endpoint, now);
	}
}
