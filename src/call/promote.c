/* SPDX-License-Identifier: Apache-2.0 */
/* How a call between two becomes a group call: the new way is made before the old one is left. */
#include "call/call_priv.h"

#include <stdio.h>

/* ---- becoming a group ---- */

/* Devices that rang and did not win are of no more use. */
static void forget_losers(struct cf_participant *p)
{
	CF_LIST_FOR_SAFE(it, &p->legs)
	{
		struct cf_leg *leg = cf_leg_of(it);

		if (leg == p->active)
			continue;
		cf_leg_detach(leg);
		cf_list_remove(&leg->link);
		cf_free(leg);
	}
}

/* Both are there, and can move: what lives in the service itself cannot. */
static bool can_move(const struct cf_call *call)
{
	CF_LIST_FOR(it, &call->participants)
	{
		const struct cf_leg *leg = cf_participant_of(it)->active;

		if (!leg || !leg->endpoint || leg->endpoint->internal)
			return false;
	}
	return true;
}

static int tell_to_move(struct cf_call *call, struct cf_list *events)
{
	int err = 0;

	CF_LIST_FOR(it, &call->participants)
	{
		struct cf_participant *p = cf_participant_of(it);
		struct cf_call_event ev = cf_call_event_from(CF_CALL_EV_PROMOTE, call, p);

		ev.group_id = call->group_id;
		if (err == 0)
			err = cf_call_event_add(events, p->active->endpoint, &ev);
		if (err == 0)
			err = cf_group_tell_all_to(events, call, p->active);
	}
	return err;
}

int cf_group_promote(struct cf_call_domain *domain, struct cf_call *call, struct cf_list *events,
	struct cf_call_time now)
{
	int err;

	if (!can_move(call))
		return CF_ESTATE;
	err = cf_group_open(domain, call, call->id);
	if (err < 0)
		return err;
	call->offerer = NULL;
	call->moving_us = now.us;
	CF_LIST_FOR(it, &call->participants)
	{
		struct cf_participant *p = cf_participant_of(it);

		forget_losers(p);
		p->active->source = cf_group_new_source(call);
		p->active->moving = true;
		p->active->arrived = false;
		call->n_members++;
	}
	err = tell_to_move(call, events);
	if (err < 0)
		cf_group_unpromote(domain, call);
	return err;
}

void cf_group_unpromote(struct cf_call_domain *domain, struct cf_call *call)
{
	CF_LIST_FOR_SAFE(it, &call->participants)
	{
		struct cf_participant *p = cf_participant_of(it);

		if (!p->active) {
			cf_participant_remove(call, p);
			continue;
		}
		p->active->moving = p->active->arrived = false;
		p->active->source = 0;
	}
	cf_map_remove(&domain->groups, &call->group_node);
	call->group_id[0] = '\0';
	call->n_members = 0;
	call->moving_us = 0;
}

int cf_call_promote(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *sdp, struct cf_call_time now)
{
	struct cf_call *call;
	struct cf_leg *leg;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, &leg);

	if (err < 0)
		return err;
	if (!sdp || !*sdp || strlen(sdp) > CF_CALL_SDP_MAX)
		return CF_EINVAL;
	if (!leg->moving || leg->coming)
		return CF_ESTATE;
	if (!domain->media.join)
		return CF_ENOTSUP;
	err = domain->media.join(call->id, leg->id, leg->source, sdp, domain->media.arg);
	if (err < 0)
		return err;
	leg->coming = true;
	cf_call_trace_described(domain, call, "promote-offer", endpoint, sdp, now);
	return 0;
}

/* ---- all have come, or not ---- */

static bool all_arrived(const struct cf_call *call)
{
	CF_LIST_FOR(p, &call->participants)
	{
		CF_LIST_FOR(it, &cf_participant_of(p)->legs)
		{
			if (cf_leg_of(it)->moving && !cf_leg_of(it)->arrived)
				return false;
		}
	}
	return true;
}

static int tell_moving_legs(
	struct cf_participant *p, const struct cf_call_event *ev, struct cf_list *events)
{
	int err = 0;

	CF_LIST_FOR(it, &p->legs)
	{
		struct cf_leg *leg = cf_leg_of(it);

		if (leg->moving && err == 0)
			err = cf_call_event_add(events, leg->endpoint, ev);
		leg->moving = leg->coming = false;
	}
	return err;
}

/* Tells those that were moving, and they do so no more. */
static void tell_moving(struct cf_call_domain *domain, struct cf_call *call,
	enum cf_call_event_type type, const struct cf_call_end *end)
{
	struct cf_list events;
	int err = 0;

	cf_list_init(&events);
	CF_LIST_FOR(it, &call->participants)
	{
		struct cf_call_event ev = cf_call_event_from(type, call, cf_participant_of(it));

		if (end)
			ev.end = *end;
		if (err == 0)
			err = tell_moving_legs(cf_participant_of(it), &ev, &events);
	}
	/* Without memory they stay on both ways, until the old one ends. */
	(void)!cf_call_events_commit(domain, &events, err);
}

void cf_group_moved(struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now)
{
	if (!call->moving_us || !all_arrived(call))
		return;
	call->moving_us = 0;
	tell_moving(domain, call, CF_CALL_EV_PROMOTED, NULL);
	cf_call_trace_step(domain, call, "call", "promoted", NULL, NULL, now);
	cf_call_changed(domain, call);
}

/* Whether the two are still all who are in it, each on the way to the other. */
static bool still_two(const struct cf_call *call)
{
	size_t n_moving = 0;

	CF_LIST_FOR(p, &call->participants)
	{
		CF_LIST_FOR(it, &cf_participant_of(p)->legs)
		n_moving += cf_leg_of(it)->moving;
	}
	return n_moving == 2 && call->n_members == 2;
}

bool cf_group_not_promoted(struct cf_call_domain *domain, struct cf_call *call,
	const struct cf_call_end *end, struct cf_call_time now)
{
	if (!still_two(call))
		return false;
	CF_LIST_FOR(it, &call->participants)
	{
		struct cf_participant *p = cf_participant_of(it);

		if (p->user)
			cf_invite_cancel(domain, p, end, now);
		if (p->active && p->active->coming && domain->media.leave)
			domain->media.leave(call->id, p->active->id, domain->media.arg);
	}
	tell_moving(domain, call, CF_CALL_EV_NOT_PROMOTED, end);
	cf_group_unpromote(domain, call);
	cf_call_trace_step(domain, call, "call", "not-promoted", NULL,
		json_pack("{s:i,s:i,s:s}", "code", end->code, "subcode", end->subcode, "reason",
			end->reason),
		now);
	cf_call_changed(domain, call);
	return true;
}

/* The first that has not come, or NULL. */
static struct cf_leg *missing(const struct cf_call *call)
{
	CF_LIST_FOR(p, &call->participants)
	{
		CF_LIST_FOR(it, &cf_participant_of(p)->legs)
		{
			if (cf_leg_of(it)->moving && !cf_leg_of(it)->arrived)
				return cf_leg_of(it);
		}
	}
	return NULL;
}

void cf_group_late(struct cf_call_domain *domain, struct cf_call *call,
	const struct cf_call_end *end, struct cf_call_time now)
{
	struct cf_leg *leg;

	if (cf_group_not_promoted(domain, call, end, now))
		return;
	while (call->state == CF_CALL_CONNECTED && (leg = missing(call))) {
		cf_group_leave(domain, leg, end, true, now);
		cf_group_settle(domain, call, end, now);
	}
}
