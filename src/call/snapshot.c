/* SPDX-License-Identifier: Apache-2.0 */
#include "call/snapshot.h"

#include "base/mem.h"
#include "call/call_priv.h"

#include <stdio.h>

/* Steps traced after the last snapshot have numbers that may not come again. */
#define TRACE_GAP 64

/* ---- writing ---- */

static json_t *candidates_write(const struct cf_candidates *list)
{
	json_t *out = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(
			out, json_pack("{s:s,s:s?,s:i}", "candidate", list->v[i].candidate, "mid",
				     list->v[i].mid, "mline", list->v[i].mline_index));
	return out;
}

static json_t *leg_write(const struct cf_leg *leg)
{
	return json_pack("{s:s,s:s,s:i,s:I,s:b,s:b,s:b,s:o}", "id", leg->id, "endpoint",
		leg->endpoint_id, "state", (int)leg->state, "start", (json_int_t)leg->start_wall_ms,
		"busy", leg->busy, "active", leg->participant->active == leg, "end",
		leg->candidates.end, "candidates", candidates_write(&leg->candidates));
}

static json_t *participant_write(const struct cf_participant *p)
{
	json_t *legs = json_array();

	CF_LIST_FOR(it, &p->legs)
	json_array_append_new(legs, leg_write(CF_CONTAINER_OF(it, struct cf_leg, link)));
	return json_pack(
		"{s:s,s:s?,s:o}", "rawId", p->raw_id, "displayName", p->display_name, "legs", legs);
}

json_t *cf_call_snapshot(const struct cf_call_domain *domain, const char *call_id)
{
	const struct cf_call *call = cf_call_find(domain, call_id);
	json_t *participants;
	int offerer = -1, i = 0;

	if (!call || call->state == CF_CALL_ENDED)
		return NULL;
	participants = json_array();
	CF_LIST_FOR(it, &call->participants)
	{
		const struct cf_participant *p = cf_participant_of(it);

		json_array_append_new(participants, participant_write(p));
		if (call->offerer == p)
			offerer = i;
		i++;
	}
	return json_pack("{s:s,s:s,s:i,s:i,s:I,s:I,s:I,s:s?,s:s?,s:i,s:o}", "group", call->group_id,
		"id", call->id, "state", (int)call->state, "iceTransport", (int)call->ice_transport,
		"created", (json_int_t)call->created_wall_ms, "connected",
		(json_int_t)call->connected_wall_ms, "traceSeq", (json_int_t)call->trace_seq, "sdp",
		call->sdp, "customContext", call->custom_context, "offerer", offerer,
		"participants", participants);
}

/* ---- reading ---- */

static int candidates_read(struct cf_leg *leg, struct cf_json_reader *r)
{
	const json_t *list =
		cf_json_get_array(r, "candidates", CF_JSON_OPTIONAL, CF_CALL_LEG_CANDIDATES_MAX);
	int err = 0;

	for (size_t i = 0; list && i < json_array_size(list) && err == 0; i++) {
		struct cf_call_candidate c;
		struct cf_json_reader item;

		if (!cf_json_get_item(r, "candidates", list, i, &item))
			return CF_EBADMSG;
		c.candidate = cf_json_get_string(
			&item, "candidate", CF_JSON_REQUIRED, CF_CALL_CANDIDATE_MAX);
		c.mid = cf_json_get_string(&item, "mid", CF_JSON_OPTIONAL, CF_CALL_MID_MAX);
		c.mline_index = (int)cf_json_get_int(&item, "mline", CF_JSON_OPTIONAL, -1, 255, -1);
		err = item.err < 0 ? CF_EBADMSG : cf_candidates_append(&leg->candidates, &c, 1);
	}
	leg->n_candidates = leg->candidates.n;
	leg->candidates.end = cf_json_get_bool(r, "end", CF_JSON_OPTIONAL, false);
	return err;
}

static bool copy_id(char out[static CF_CALL_ID_MAX], const char *text)
{
	if (!text || strlen(text) != CF_CALL_ID_MAX - 1)
		return false;
	memcpy(out, text, CF_CALL_ID_MAX);
	return true;
}

/* A leg as it was; bound to its endpoint if that is back. */
static int leg_read(struct cf_call_domain *domain, struct cf_call *call, struct cf_participant *p,
	struct cf_json_reader *r)
{
	struct cf_leg *leg = cf_alloc(sizeof(*leg));

	if (!leg)
		return CF_ENOMEM;
	leg->call = call;
	leg->participant = p;
	cf_list_push(&p->legs, &leg->link);
	leg->state = (enum cf_leg_state)cf_json_get_int(
		r, "state", CF_JSON_REQUIRED, CF_LEG_CALLING, CF_LEG_GONE, CF_LEG_GONE);
	leg->start_wall_ms = cf_json_get_int(r, "start", CF_JSON_OPTIONAL, 0, INT64_MAX / 2, 0);
	leg->busy = cf_json_get_bool(r, "busy", CF_JSON_OPTIONAL, false);
	if (!copy_id(leg->id, cf_json_get_string(r, "id", CF_JSON_REQUIRED, CF_CALL_ID_MAX)) ||
		!copy_id(leg->endpoint_id,
			cf_json_get_string(r, "endpoint", CF_JSON_REQUIRED, CF_CALL_ID_MAX)))
		return CF_EBADMSG;
	if (cf_json_get_bool(r, "active", CF_JSON_OPTIONAL, false))
		p->active = leg;
	if (leg->state == CF_LEG_GONE)
		return r->err;
	leg->endpoint = cf_call_endpoint_find(domain, leg->endpoint_id);
	if (!leg->endpoint)
		return r->err;
	cf_list_push(&leg->endpoint->legs, &leg->endpoint_link);
	if (leg->state != CF_LEG_RINGING)
		leg->endpoint->n_calls++;
	return candidates_read(leg, r);
}

/* Between two, one device of each has a part in the call, and others ring at most. */
static bool legs_fit(const struct cf_participant *p)
{
	CF_LIST_FOR(it, &p->legs)
	{
		const struct cf_leg *leg = cf_leg_of(it);
		bool has_part = leg->state == CF_LEG_ACTIVE || leg->state == CF_LEG_CALLING;

		if (!cf_call_is_group(p->call) && has_part != (leg == p->active))
			return false;
	}
	return true;
}

static int participant_read(
	struct cf_call_domain *domain, struct cf_call *call, struct cf_json_reader *r)
{
	struct cf_participant *p;
	const char *raw_id =
		cf_json_get_string(r, "rawId", CF_JSON_REQUIRED, CF_CALL_RAWID_MAX - 1);
	const char *name = cf_json_get_string(r, "displayName", CF_JSON_OPTIONAL, CF_CALL_NAME_MAX);
	const json_t *legs = cf_json_get_array(r, "legs", CF_JSON_REQUIRED, 1024);
	int err = r->err;

	if (err < 0)
		return err;
	p = cf_participant_add(call, raw_id, name);
	if (!p)
		return CF_ENOMEM;
	for (size_t i = 0; i < json_array_size(legs) && err == 0; i++) {
		struct cf_json_reader item;

		err = cf_json_get_item(r, "legs", legs, i, &item) ? leg_read(domain, call, p, &item)
								  : CF_EBADMSG;
		if (err == 0)
			err = item.err;
	}
	return err == 0 && !legs_fit(p) ? CF_EBADMSG : err;
}

static int participants_read(
	struct cf_call_domain *domain, struct cf_call *call, struct cf_json_reader *r)
{
	const json_t *list =
		cf_json_get_array(r, "participants", CF_JSON_REQUIRED, CF_CALL_PARTICIPANTS_KEPT);
	size_t n = list ? json_array_size(list) : 0;
	int err = 0;

	if (cf_call_is_group(call) ? n == 0 : n != 2)
		return CF_EBADMSG;
	for (size_t i = 0; i < n && err == 0; i++) {
		struct cf_json_reader item;

		err = cf_json_get_item(r, "participants", list, i, &item)
			      ? participant_read(domain, call, &item)
			      : CF_EBADMSG;
	}
	return err;
}

static int head_read(struct cf_call *call, struct cf_json_reader *r, struct cf_call_time now)
{
	const char *sdp = cf_json_get_string(r, "sdp", CF_JSON_OPTIONAL, CF_CALL_SDP_MAX);
	const char *context =
		cf_json_get_string(r, "customContext", CF_JSON_OPTIONAL, CF_CALL_CONTEXT_MAX);
	const char *group =
		cf_json_get_string(r, "group", CF_JSON_OPTIONAL, sizeof(call->group_id) - 1);
	int64_t age_ms;

	call->state = (enum cf_call_state)cf_json_get_int(
		r, "state", CF_JSON_REQUIRED, CF_CALL_RINGING, CF_CALL_CONNECTED, 0);
	call->ice_transport = (enum cf_call_ice_transport)cf_json_get_int(
		r, "iceTransport", CF_JSON_REQUIRED, CF_CALL_ICE_ALL, CF_CALL_ICE_DIRECT, 0);
	call->created_wall_ms =
		cf_json_get_int(r, "created", CF_JSON_REQUIRED, 0, INT64_MAX / 2, 0);
	call->connected_wall_ms =
		cf_json_get_int(r, "connected", CF_JSON_REQUIRED, 0, INT64_MAX / 2, 0);
	call->trace_seq = TRACE_GAP + (uint32_t)cf_json_get_int(r, "traceSeq", CF_JSON_REQUIRED, 0,
					      UINT32_MAX / 2, 0);
	if (!copy_id(call->id, cf_json_get_string(r, "id", CF_JSON_REQUIRED, CF_CALL_ID_MAX)) ||
		r->err < 0 || (call->state == CF_CALL_RINGING && !sdp))
		return CF_EBADMSG;
	age_ms = now.wall_ms - call->created_wall_ms;
	if (age_ms > 0 && (uint64_t)age_ms < now.us / CF_US_PER_MS)
		call->created_us = now.us - (uint64_t)age_ms * CF_US_PER_MS;
	else
		call->created_us = now.us;
	snprintf(call->group_id, sizeof(call->group_id), "%s", group ? group : "");
	call->sdp = cf_strdup(sdp);
	call->custom_context = cf_strdup(context);
	return (sdp && !call->sdp) || (context && !call->custom_context) ? CF_ENOMEM : 0;
}

static int offerer_read(struct cf_call *call, struct cf_json_reader *r, struct cf_call_time now)
{
	int64_t offerer = cf_json_get_int(r, "offerer", CF_JSON_OPTIONAL, -1, 1, -1);

	if (offerer >= 0 && !cf_call_is_group(call))
		call->offerer = offerer == 0 ? cf_call_caller(call) : cf_call_callee(call);
	call->offer_us = now.us;
	return r->err;
}

/* Metered as before, from where it stood. */
static void begin_legs(struct cf_call *call, struct cf_call_time now)
{
	CF_LIST_FOR(it, &call->participants)
	{
		struct cf_leg *leg = cf_participant_of(it)->active;

		if (!leg)
			continue;
		leg->recorded_us = now.us;
		if (leg->start_wall_ms == 0)
			leg->start_wall_ms = call->connected_wall_ms;
	}
}

/* Whether everyone it needs is back. */
static bool complete(const struct cf_call *call)
{
	const struct cf_leg *caller = cf_call_caller(call)->active;
	const struct cf_leg *callee = cf_call_callee(call)->active;

	if (!caller || !caller->endpoint)
		return false;
	return call->state == CF_CALL_RINGING || (callee && callee->endpoint);
}

static int enter(struct cf_call_domain *domain, struct cf_call *call)
{
	int err = cf_map_insert(&domain->calls, &call->node,
		cf_hash_bytes(call->id, strlen(call->id), domain->seed));

	if (err < 0 || cf_call_is_group(call) || call->state != CF_CALL_RINGING)
		return err;
	return cf_ringing_begin(
		domain, cf_call_callee(call), cf_call_caller(call), call->created_us);
}

int cf_call_restore(struct cf_call_domain *domain, const json_t *snapshot, struct cf_call_time now)
{
	struct cf_call *call = cf_call_new(now);
	struct cf_json_error error;
	struct cf_json_reader r;
	int err;

	if (!call)
		return CF_ENOMEM;
	cf_json_reader_init(&r, snapshot, &error);
	err = r.err < 0 ? r.err : head_read(call, &r, now);
	if (err == 0 && cf_call_find(domain, call->id))
		err = CF_EEXIST;
	if (err == 0)
		err = participants_read(domain, call, &r);
	if (err == 0)
		err = offerer_read(call, &r, now);
	if (err == 0)
		err = enter(domain, call);
	if (err < 0) {
		cf_call_free(domain, call);
		return err;
	}
	domain->n_open++;
	begin_legs(call, now);
	cf_call_trace_step(domain, call, "call", "service-restarted", NULL, NULL, now);
	cf_call_deadline_at(domain, now.us);
	if (cf_call_is_group(call))
		cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_PROCESSOR_LOST), now);
	else if (!complete(call))
		cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_DEVICE_LOST), now);
	return 0;
}
