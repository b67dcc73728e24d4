/* SPDX-License-Identifier: Apache-2.0 */
/* What happens in a call while it lives: candidates, descriptions, notifications, reports, budgets.
 */
#include "base/mem.h"
#include "call/call_priv.h"

static int candidates_valid(const struct cf_leg *leg, const struct cf_call_candidate *v, size_t n)
{
	if (n > CF_CALL_CANDIDATES_MAX || leg->n_candidates + n > CF_CALL_LEG_CANDIDATES_MAX)
		return CF_ELIMIT;
	for (size_t i = 0; i < n; i++)
		if (strlen(v[i].candidate) > CF_CALL_CANDIDATE_MAX ||
			(v[i].mid && strlen(v[i].mid) > CF_CALL_MID_MAX))
			return CF_EINVAL;
	return 0;
}

/* To the other side: the active leg, or all devices that ring. */
static int route_candidates(struct cf_call *call, const struct cf_leg *leg,
	const struct cf_call_candidate *v, size_t n, bool end, struct cf_list *events)
{
	struct cf_call_event ev = cf_call_event_from(CF_CALL_EV_CANDIDATES, call, leg->participant);
	const struct cf_participant *to;
	int err;

	/* The media processor has an address that everybody can send to, and learns theirs so. */
	if (cf_call_is_group(call))
		return 0;
	to = cf_call_other(call, leg);
	ev.candidates = v;
	ev.n_candidates = n;
	ev.end_of_candidates = end;
	err = cf_call_event_to_legs(events, to, CF_LEG_RINGING, &ev);
	return err < 0 ? err : cf_call_event_to_legs(events, to, CF_LEG_ACTIVE, &ev);
}

static void trace_candidates(struct cf_call_domain *domain, struct cf_call *call,
	const struct cf_leg *leg, const struct cf_call_candidate *v, size_t n, bool end,
	struct cf_call_time now)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(v[i].candidate));
	cf_call_trace_step(domain, call, "call", "candidates", leg->endpoint_id,
		json_pack("{s:o,s:b}", "candidates", list, "end", end), now);
}

int cf_call_candidates(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const struct cf_call_candidate *candidates, size_t n,
	bool end_of_candidates, struct cf_call_time now)
{
	struct cf_list events;
	struct cf_call *call;
	struct cf_leg *leg;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, &leg);

	if (err < 0)
		return err;
	if (leg->state == CF_LEG_GONE)
		return CF_ESTATE;
	err = candidates_valid(leg, candidates, n);
	cf_list_init(&events);
	/* A ringing device's candidates wait: the caller wants those of the one that accepts. */
	if (err == 0 && leg->state != CF_LEG_RINGING)
		err = route_candidates(call, leg, candidates, n, end_of_candidates, &events);
	if (err == 0 && call->state == CF_CALL_RINGING)
		err = cf_candidates_append(&leg->candidates, candidates, n);
	err = cf_call_events_commit(domain, &events, err);
	if (err < 0)
		return err;
	leg->n_candidates += n;
	leg->candidates.end |= end_of_candidates;
	trace_candidates(domain, call, leg, candidates, n, end_of_candidates, now);
	if (call->state == CF_CALL_RINGING)
		cf_call_changed(domain, call);
	return 0;
}

/* RFC 3264 section 4: one offer at a time; the one that comes while another waits is refused. */
static int offer_allowed(
	const struct cf_call *call, const struct cf_leg *leg, bool answer, struct cf_call_time now)
{
	bool open = call->offerer && now.us - call->offer_us < CF_CALL_OFFER_US;

	if (call->state != CF_CALL_CONNECTED || leg->state != CF_LEG_ACTIVE)
		return CF_ESTATE;
	if (answer)
		return call->offerer && call->offerer != leg->participant ? 0 : CF_ESTATE;
	return open ? CF_ESTATE : 0;
}

int cf_call_renegotiate(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *sdp, bool answer, struct cf_call_time now)
{
	struct cf_list events;
	struct cf_call_event ev;
	struct cf_call *call;
	struct cf_leg *leg;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, &leg);

	if (err == 0 && (!sdp || !*sdp || strlen(sdp) > CF_CALL_SDP_MAX))
		err = CF_EINVAL;
	if (err == 0 && cf_call_is_group(call))
		return cf_group_renegotiate(domain, leg, sdp, answer, now);
	if (err == 0)
		err = offer_allowed(call, leg, answer, now);
	if (err < 0)
		return err;
	cf_list_init(&events);
	ev = cf_call_event_from(CF_CALL_EV_RENEGOTIATE, call, leg->participant);
	ev.sdp = sdp;
	ev.sdp_type = answer ? "answer" : "offer";
	err = cf_call_events_commit(domain, &events,
		cf_call_event_to_legs(&events, cf_call_other(call, leg), CF_LEG_ACTIVE, &ev));
	if (err < 0)
		return err;
	call->offerer = answer ? NULL : leg->participant;
	call->offer_us = now.us;
	leg->n_candidates = 0;
	cf_call_changed(domain, call);
	cf_call_trace_described(domain, call, answer ? "renegotiate-answer" : "renegotiate-offer",
		endpoint, sdp, now);
	return 0;
}

/* ---- between the participants ---- */

static int notification_valid(const struct cf_call_notification *n)
{
	if (!n->kind || !n->kind[0] || strlen(n->kind) > CF_CALL_NOTIFICATION_KIND_MAX)
		return CF_EINVAL;
	return n->data && strlen(n->data) <= CF_CALL_NOTIFICATION_MAX ? 0 : CF_ELIMIT;
}

int cf_call_notify(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const struct cf_call_notification *notification)
{
	struct cf_list events;
	struct cf_call_event ev;
	struct cf_call *call;
	struct cf_leg *leg;
	int err = cf_call_leg_find(domain, call_id, endpoint, &call, &leg);

	if (err == 0 && (call->state != CF_CALL_CONNECTED || leg->state != CF_LEG_ACTIVE))
		err = CF_ESTATE;
	if (err == 0)
		err = notification_valid(notification);
	if (err < 0)
		return err;
	if (cf_call_is_group(call))
		return cf_group_notify(domain, leg, notification);
	cf_list_init(&events);
	ev = cf_call_event_from(CF_CALL_EV_NOTIFICATION, call, leg->participant);
	ev.notification = *notification;
	return cf_call_events_commit(domain, &events,
		cf_call_event_to_legs(&events, cf_call_other(call, leg), CF_LEG_ACTIVE, &ev));
}

/* ---- reports and budgets ---- */

/* Clients put the report into a member of that name. */
static void note_path(
	struct cf_call *call, const struct cf_call_endpoint *endpoint, const json_t *body)
{
	const json_t *report = json_object_get(body, "report");
	const json_t *path = json_object_get(report ? report : body, "path");
	const char *kind = json_string_value(json_object_get(path, "kind"));
	struct cf_leg *leg = cf_call_is_group(call) ? cf_group_member(call, endpoint) : NULL;

	if (kind)
		call->relayed = strcmp(kind, "relayed") == 0;
	if (kind && leg)
		leg->relayed = json_integer_value(json_object_get(path, "relays")) > 0;
}

static void tell_budget_low(
	struct cf_call_domain *domain, struct cf_call *call, const struct cf_call_budget_low *low)
{
	bool all = strcmp(low->budget, "call") == 0;
	struct cf_list events;
	int err = 0;

	cf_list_init(&events);
	CF_LIST_FOR(it, &call->participants)
	{
		struct cf_participant *p = cf_participant_of(it);
		struct cf_call_event ev = cf_call_event_from(CF_CALL_EV_BUDGET_LOW, call, p);

		if (!all && strcmp(p->raw_id, low->raw_id) != 0)
			continue;
		ev.budget = low->budget;
		ev.used_bytes = low->used_bytes;
		ev.limit_bytes = low->limit_bytes;
		if (err == 0)
			err = cf_call_event_to_legs(&events, p, CF_LEG_CALLING, &ev);
		if (err == 0)
			err = cf_call_event_to_legs(&events, p, CF_LEG_ACTIVE, &ev);
	}
	/* Without memory nobody is warned: the end comes with its reason all the same. */
	(void)!cf_call_events_commit(domain, &events, err);
}

void cf_call_relay_budget_low(struct cf_call_domain *domain, const char *call_id,
	const struct cf_call_budget_low *low, struct cf_call_time now)
{
	struct cf_call *call = cf_call_find(domain, call_id);
	json_t *detail;

	if (!call || call->state == CF_CALL_ENDED)
		return;
	detail = json_pack("{s:s,s:s,s:I,s:I}", "budget", low->budget, "user", low->raw_id,
		"usedBytes", (json_int_t)low->used_bytes, "limitBytes",
		(json_int_t)low->limit_bytes);
	cf_call_trace_step(domain, call, "relay", "budget-low", NULL, detail, now);
	tell_budget_low(domain, call, low);
}

void cf_call_relay_budget_used_up(struct cf_call_domain *domain, const char *call_id,
	const char *raw_id, struct cf_call_time now)
{
	struct cf_call *call = cf_call_find(domain, call_id);

	if (!call || call->state == CF_CALL_ENDED)
		return;
	cf_call_trace_step(domain, call, "relay", "budget-used-up", NULL,
		json_pack("{s:s}", "user", raw_id), now);
	if (cf_call_is_group(call))
		cf_group_unrelayed(domain, call, raw_id, now);
	else if (call->relayed)
		cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_RELAY_BUDGET), now);
}

int cf_call_report(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *report, struct cf_call_time now)
{
	struct cf_call *call = cf_call_find(domain, call_id);
	json_t *detail;

	if (!call)
		return CF_ENOTFOUND;
	/* The last report comes when the call is over: whoever had a part may send it. */
	if (!cf_call_has_user(domain, call_id, endpoint->user->raw_id))
		return CF_EDENIED;
	if (cf_json_parse(&detail, report, strlen(report), NULL) < 0)
		return CF_EINVAL;
	note_path(call, endpoint, detail);
	cf_call_trace_step(domain, call, "endpoint", "report", endpoint->id, detail, now);
	return 0;
}
