/* SPDX-License-Identifier: Apache-2.0 */
/* Calls, legs and candidates as objects; records; looking at them. */
#include "base/mem.h"
#include "call/call_priv.h"

#include <stdio.h>

struct cf_call_end cf_call_end_of(enum cf_call_end_kind kind)
{
	static const struct cf_call_end ends[] = {
#define X(name, code, subcode, text) [CF_CALL_END_##name] = {code, subcode, text},
		CF_CALL_END_TABLE(X)
#undef X
	};

	return ends[kind];
}

const char *cf_call_state_name(enum cf_call_state state)
{
	static const char *const names[] = {"ringing", "connected", "ended"};

	return names[state];
}

/* ---- candidates ---- */

void cf_candidates_done(struct cf_candidates *list)
{
	for (size_t i = 0; i < list->n; i++) {
		cf_free((void *)list->v[i].candidate);
		cf_free((void *)list->v[i].mid);
	}
	cf_free(list->v);
	*list = (struct cf_candidates){.v = NULL};
}

static int candidate_copy(struct cf_call_candidate *to, const struct cf_call_candidate *from)
{
	*to = (struct cf_call_candidate){
		cf_strdup(from->candidate), cf_strdup(from->mid), from->mline_index};
	if (to->candidate && (to->mid || !from->mid))
		return 0;
	cf_free((void *)to->candidate);
	cf_free((void *)to->mid);
	return CF_ENOMEM;
}

int cf_candidates_append(struct cf_candidates *list, const struct cf_call_candidate *v, size_t n)
{
	struct cf_call_candidate *grown;
	size_t before = list->n;

	if (n == 0)
		return 0;
	grown = cf_realloc(list->v, (list->n + n) * sizeof(*grown));
	if (!grown)
		return CF_ENOMEM;
	list->v = grown;
	for (size_t i = 0; i < n; i++) {
		if (candidate_copy(&list->v[list->n], &v[i]) == 0) {
			list->n++;
			continue;
		}
		while (list->n > before) {
			list->n--;
			cf_free((void *)list->v[list->n].candidate);
			cf_free((void *)list->v[list->n].mid);
		}
		return CF_ENOMEM;
	}
	return 0;
}

/* ---- legs and calls ---- */

struct cf_leg *cf_leg_new(struct cf_call *call, struct cf_participant *participant,
	struct cf_call_endpoint *endpoint, enum cf_leg_state state)
{
	struct cf_leg *leg = cf_alloc(sizeof(*leg));

	if (!leg)
		return NULL;
	cf_rand_uuid(leg->id);
	memcpy(leg->endpoint_id, endpoint->id, sizeof(leg->endpoint_id));
	leg->call = call;
	leg->participant = participant;
	leg->endpoint = endpoint;
	leg->state = state;
	cf_list_push(&participant->legs, &leg->link);
	cf_list_push(&endpoint->legs, &leg->endpoint_link);
	return leg;
}

void cf_leg_detach(struct cf_leg *leg)
{
	cf_list_remove(&leg->endpoint_link);
	leg->endpoint = NULL;
	cf_candidates_done(&leg->candidates);
}

struct cf_participant *cf_participant_add(
	struct cf_call *call, const char *raw_id, const char *display_name)
{
	struct cf_participant *participant = cf_alloc(sizeof(*participant));

	if (!participant)
		return NULL;
	participant->display_name = cf_strdup(display_name);
	if (display_name && !participant->display_name)
		return cf_free(participant);
	cf_list_init(&participant->legs);
	cf_list_init(&participant->ringing_link);
	participant->call = call;
	snprintf(participant->raw_id, sizeof(participant->raw_id), "%s", raw_id);
	cf_list_push(&call->participants, &participant->link);
	call->n_participants++;
	return participant;
}

void cf_participant_remove(struct cf_call *call, struct cf_participant *participant)
{
	struct cf_list *node;

	call->n_participants--;
	cf_list_remove(&participant->link);
	CF_LIST_FOR(it, &call->participants)
	{
		if (cf_participant_of(it)->inviter == participant)
			cf_participant_of(it)->inviter = NULL;
	}
	while ((node = cf_list_pop(&participant->legs))) {
		struct cf_leg *leg = CF_CONTAINER_OF(node, struct cf_leg, link);

		cf_leg_detach(leg);
		cf_free(leg);
	}
	cf_free(participant->display_name);
	cf_free(participant);
}

struct cf_call *cf_call_new(struct cf_call_time now)
{
	struct cf_call *call = cf_alloc(sizeof(*call));

	if (!call)
		return NULL;
	cf_rand_uuid(call->id);
	cf_list_init(&call->participants);
	call->created_us = now.us;
	call->created_wall_ms = now.wall_ms;
	return call;
}

void cf_call_free(struct cf_call_domain *domain, struct cf_call *call)
{
	while (!cf_list_empty(&call->participants)) {
		cf_ringing_stop(domain, cf_call_caller(call));
		cf_participant_remove(call, cf_call_caller(call));
	}
	if (cf_call_is_group(call))
		cf_map_remove(&domain->groups, &call->group_node);
	cf_map_remove(&domain->calls, &call->node);
	cf_free(call->sdp);
	cf_free(call->custom_context);
	cf_free(call->end_reason);
	cf_free(call);
}

static bool call_eq(const struct cf_map_node *node, const void *key)
{
	return strcmp(CF_CONTAINER_OF(node, struct cf_call, node)->id, key) == 0;
}

struct cf_call *cf_call_find(const struct cf_call_domain *domain, const char *call_id)
{
	struct cf_map_node *node = cf_map_find(&domain->calls,
		cf_hash_bytes(call_id, strlen(call_id), domain->seed), call_eq, call_id);

	return node ? CF_CONTAINER_OF(node, struct cf_call, node) : NULL;
}

/* ---- records ---- */

void cf_leg_begin(struct cf_call_domain *domain, struct cf_leg *leg, struct cf_call_time now)
{
	leg->start_wall_ms = now.wall_ms;
	cf_leg_record(domain, leg, NULL, now);
}

void cf_leg_record(struct cf_call_domain *domain, struct cf_leg *leg, const struct cf_call_end *end,
	struct cf_call_time now)
{
	struct cf_call_leg_record record;

	if (leg->start_wall_ms == 0)
		return;
	leg->recorded_us = now.us;
	if (!domain->ports.leg)
		return;
	record = (struct cf_call_leg_record){.leg_id = leg->id,
		.call_id = leg->call->id,
		.raw_id = leg->participant->raw_id,
		.endpoint_id = leg->endpoint_id,
		.start_wall_ms = leg->start_wall_ms,
		.end_wall_ms = now.wall_ms,
		.ended = end != NULL,
		.code = end ? end->code : 0,
		.subcode = end ? end->subcode : 0};
	domain->ports.leg(&record, domain->arg);
}

void cf_call_changed(struct cf_call_domain *domain, const struct cf_call *call)
{
	if (domain->ports.call_changed)
		domain->ports.call_changed(call->id, domain->arg);
}

/* ---- looking ---- */

static const char *participant_state(
	const struct cf_call *call, const struct cf_participant *participant)
{
	if (call->state != CF_CALL_ENDED && participant->user)
		return "ringing";
	if (call->state == CF_CALL_ENDED || (cf_call_is_group(call) && !participant->active))
		return "disconnected";
	if (call->state == CF_CALL_CONNECTED)
		return "connected";
	return participant == cf_call_caller(call) ? "calling" : "ringing";
}

int cf_call_look(
	const struct cf_call_domain *domain, const char *call_id, struct cf_call_view *ret_view)
{
	const struct cf_call *call = cf_call_find(domain, call_id);

	if (!call)
		return CF_ENOTFOUND;
	*ret_view = (struct cf_call_view){.call_id = call->id,
		.state = call->state,
		.created_wall_ms = call->created_wall_ms,
		.connected_wall_ms = call->connected_wall_ms,
		.ended_wall_ms = call->ended_wall_ms,
		.end = call->end,
		.ice_transport = call->ice_transport,
		.group_id = cf_call_is_group(call) ? call->group_id : NULL,
		.n_participants = call->n_participants};
	return 0;
}

void cf_call_look_participants(const struct cf_call_domain *domain, const char *call_id,
	cf_call_participant_fn *fn, void *arg)
{
	const struct cf_call *call = cf_call_find(domain, call_id);

	if (!call)
		return;
	CF_LIST_FOR(it, &call->participants)
	{
		const struct cf_participant *p = cf_participant_of(it);
		struct cf_call_participant_view view = {.raw_id = p->raw_id,
			.display_name = p->display_name,
			.endpoint_id = p->active ? p->active->endpoint_id : NULL,
			.state = participant_state(call, p),
			.muted = p->active && p->active->muted};

		fn(&view, arg);
	}
}

struct cf_participant *cf_participant_find(const struct cf_call *call, const char *raw_id)
{
	CF_LIST_FOR(it, &call->participants)
	{
		if (strcmp(cf_participant_of(it)->raw_id, raw_id) == 0)
			return cf_participant_of(it);
	}
	return NULL;
}

bool cf_call_has_user(const struct cf_call_domain *domain, const char *call_id, const char *raw_id)
{
	const struct cf_call *call = cf_call_find(domain, call_id);

	return call && cf_participant_find(call, raw_id);
}
