/* SPDX-License-Identifier: Apache-2.0 */
/* How a call among people becomes one between two again, when two are left: they make a way to each
 * other beside the one over the media processor, and take it when both have it. */
#include "call/call_priv.h"

static struct cf_leg *other_leg(const struct cf_call *call, const struct cf_leg *leg)
{
	CF_LIST_FOR(it, &call->participants)
	{
		struct cf_participant *p = cf_participant_of(it);

		if (p->active && p != leg->participant)
			return p->active;
	}
	return NULL;
}

/* ---- beginning ---- */

/* Two people with a device each, both with media, and nobody else on the way. */
static bool is_due(const struct cf_call_domain *domain, const struct cf_call *call)
{
	size_t n = 0;

	if (!domain->options.direct_when_two || !cf_group_of_people(call) ||
		call->state != CF_CALL_CONNECTED || call->n_members != 2 || call->moving_us ||
		call->demoting_us || call->not_demoted || cf_group_rings(call))
		return false;
	CF_LIST_FOR(it, &call->participants)
	{
		const struct cf_leg *leg = cf_participant_of(it)->active;

		n += leg && leg->arrived && leg->endpoint && !leg->endpoint->internal;
	}
	return n == 2;
}

/* The first one offers. */
static struct cf_leg *offering_leg(const struct cf_call *call)
{
	CF_LIST_FOR(it, &call->participants)
	{
		if (cf_participant_of(it)->active)
			return cf_participant_of(it)->active;
	}
	return NULL;
}

static int tell(struct cf_call_domain *domain, const struct cf_leg *to,
	enum cf_call_event_type type, const char *sdp)
{
	struct cf_call_event ev =
		cf_call_event_from(type, to->call, other_leg(to->call, to)->participant);
	struct cf_list events;

	ev.sdp = sdp;
	ev.sdp_type = type == CF_CALL_EV_ACCEPTED ? "answer" : "offer";
	cf_list_init(&events);
	return cf_call_events_commit(
		domain, &events, cf_call_event_add(&events, to->endpoint, &ev));
}

void cf_group_demote(struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now)
{
	struct cf_leg *first;

	if (!is_due(domain, call))
		return;
	first = offering_leg(call);
	first->described = first->direct = false;
	other_leg(call, first)->described = other_leg(call, first)->direct = false;
	if (tell(domain, first, CF_CALL_EV_DEMOTE, NULL) < 0)
		return; /* they go on as they are */
	call->demoting_us = now.us;
	cf_call_trace_step(domain, call, "call", "demoting", NULL, NULL, now);
	cf_call_deadline_at(domain, cf_group_due(domain, call));
}

/* ---- the two ---- */

static int find(const struct cf_call_domain *domain, const char *call_id,
	const struct cf_call_endpoint *endpoint, struct cf_leg **ret_leg)
{
	struct cf_call *call;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, ret_leg);

	if (err < 0)
		return err;
	return call->demoting_us && (*ret_leg)->state == CF_LEG_ACTIVE ? 0 : CF_ESTATE;
}

int cf_call_demote(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *sdp, struct cf_call_time now)
{
	const struct cf_leg *other;
	struct cf_leg *leg;
	bool offer;
	int err = find(domain, call_id, endpoint, &leg);

	if (err < 0)
		return err;
	if (!sdp || !*sdp || strlen(sdp) > CF_CALL_SDP_MAX)
		return CF_EINVAL;
	other = other_leg(leg->call, leg);
	offer = leg == offering_leg(leg->call);
	if (leg->described || (!offer && !other->described))
		return CF_ESTATE;
	err = tell(domain, other, offer ? CF_CALL_EV_DEMOTE : CF_CALL_EV_ACCEPTED, sdp);
	if (err < 0)
		return err;
	leg->described = true;
	cf_call_trace_described(
		domain, leg->call, offer ? "demote-offer" : "demote-answer", endpoint, sdp, now);
	return 0;
}

/* Both have media on the way between them. */
static void finish(struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now)
{
	CF_LIST_FOR(it, &call->participants)
	{
		struct cf_leg *leg = cf_participant_of(it)->active;

		if (!leg)
			continue;
		/* Without memory it hears that the other one has gone to the way between them. */
		(void)!tell(domain, leg, CF_CALL_EV_DEMOTED, NULL);
		if (domain->media.leave)
			domain->media.leave(call->id, leg->id, domain->media.arg);
		leg->relayed = false;
	}
	call->demoting_us = 0;
	call->relayed = false;
	cf_group_unpromote(domain, call);
	cf_call_trace_step(domain, call, "call", "demoted", NULL, NULL, now);
	cf_call_changed(domain, call);
}

int cf_call_direct(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, struct cf_call_time now)
{
	struct cf_leg *leg;
	int err = find(domain, call_id, endpoint, &leg);

	if (err < 0)
		return err;
	if (!leg->described)
		return CF_ESTATE;
	leg->direct = true;
	if (other_leg(leg->call, leg)->direct)
		finish(domain, leg->call, now);
	return 0;
}

/* ---- giving it up ---- */

void cf_group_not_demoted(
	struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now)
{
	if (!call->demoting_us)
		return;
	call->demoting_us = 0;
	CF_LIST_FOR(it, &call->participants)
	{
		struct cf_leg *leg = cf_participant_of(it)->active;

		/* Without memory it keeps a way that nobody uses, until the call ends. */
		if (leg && leg->endpoint && other_leg(call, leg))
			(void)!tell(domain, leg, CF_CALL_EV_NOT_DEMOTED, NULL);
	}
	cf_call_trace_step(domain, call, "call", "not-demoted", NULL, NULL, now);
}

void cf_group_demote_late(
	struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now)
{
	if (!call->demoting_us || call->demoting_us + domain->options.promote_timeout_us > now.us)
		return;
	call->not_demoted = true;
	cf_group_not_demoted(domain, call, now);
}
