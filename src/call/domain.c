/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: endpoints, users, the queue of events, deadlines. */
#include "call/domain.h"

#include "base/mem.h"
#include "base/text.h"
#include "call/call_priv.h"
#include "call/snapshot.h"

#include <stdio.h>

#define DELIVER_ROUNDS 100000

struct cf_queued_event {
	struct cf_list link;
	struct cf_call_event event;
	char *texts; /* owned: all strings of the event */
	struct cf_candidates candidates;
	struct cf_call_participant_view *participants; /* owned; their strings are in texts */
	char call_id[CF_CALL_ID_MAX];
	char endpoint_id[CF_CALL_ID_MAX];
};

struct cf_call_options cf_call_options_defaults(void)
{
	return (struct cf_call_options){
		.setup_timeout_us = 85 * CF_US_PER_S,
		.promote_timeout_us = 10 * CF_US_PER_S,
		.reconnect_timeout_us = 120 * CF_US_PER_S,
		.endpoint_timeout_us = 60 * CF_US_PER_S,
		.leg_record_us = 50 * CF_US_PER_S,
		.ended_keep_us = 60 * CF_US_PER_S,
		.max_endpoints = 50000,
		.max_endpoints_per_user = 16,
		.max_calls = 20000,
		.max_calls_per_endpoint = 8,
		.max_group_members = 350,
		.direct_when_two = true,
	};
}

static void set_options(struct cf_call_domain *domain, const struct cf_call_options *options)
{
	domain->options = *options;
	if (domain->options.max_endpoints_per_user > CF_CALL_LEGS_MAX)
		domain->options.max_endpoints_per_user = CF_CALL_LEGS_MAX;
}

struct cf_call_domain *cf_call_domain_new(
	const struct cf_call_options *options, const struct cf_call_ports *ports, void *arg)
{
	struct cf_call_domain *domain = cf_alloc(sizeof(*domain));

	if (!domain)
		return NULL;
	set_options(domain, options);
	domain->ports = *ports;
	domain->arg = arg;
	domain->seed = cf_rand_u64();
	domain->deadline_us = CF_TIME_NEVER;
	cf_map_init(&domain->endpoints);
	cf_map_init(&domain->users);
	cf_map_init(&domain->calls);
	cf_map_init(&domain->groups);
	cf_list_init(&domain->events);
	return domain;
}

void cf_call_domain_set_media(struct cf_call_domain *domain, const struct cf_call_media *media)
{
	domain->media = media ? *media : (struct cf_call_media){.join = NULL};
}

static void endpoint_free(struct cf_call_endpoint *endpoint)
{
	cf_free(endpoint->display_name);
	cf_free(endpoint);
}

struct cf_call_domain *cf_call_domain_free(struct cf_call_domain *domain)
{
	struct cf_map_node *node;

	if (!domain)
		return NULL;
	while ((node = cf_map_next(&domain->calls, NULL)))
		cf_call_free(domain, CF_CONTAINER_OF(node, struct cf_call, node));
	while ((node = cf_map_next(&domain->endpoints, NULL))) {
		struct cf_call_endpoint *endpoint =
			CF_CONTAINER_OF(node, struct cf_call_endpoint, node);

		cf_map_remove(&domain->endpoints, node);
		if (domain->ports.endpoint_gone)
			domain->ports.endpoint_gone(endpoint, domain->arg);
		endpoint_free(endpoint);
	}
	while ((node = cf_map_next(&domain->users, NULL))) {
		cf_map_remove(&domain->users, node);
		cf_free(CF_CONTAINER_OF(node, struct cf_call_user, node));
	}
	cf_call_events_drop(&domain->events);
	cf_map_done(&domain->groups);
	cf_map_done(&domain->calls);
	cf_map_done(&domain->endpoints);
	cf_map_done(&domain->users);
	return cf_free(domain);
}

/* ---- events ---- */

static void queued_free(struct cf_queued_event *q)
{
	cf_candidates_done(&q->candidates);
	cf_free(q->participants);
	cf_free(q->texts);
	cf_free(q);
}

/* Moves *text into the block at *at. */
static void pack_text(const char **text, char **at)
{
	size_t n;

	if (!*text)
		return;
	n = strlen(*text) + 1;
	memcpy(*at, *text, n);
	*text = *at;
	*at += n;
}

/* Each text of a queued event, one after another; NULL behind the last. */
static const char **text_at(struct cf_queued_event *q, size_t i)
{
	struct cf_call_event *event = &q->event;
	struct cf_call_participant_view *view;
	const char **texts[] = {&event->from_raw_id, &event->from_name, &event->from_endpoint_id,
		&event->to_raw_id, &event->sdp, &event->sdp_type, &event->group_id,
		&event->custom_context, &event->end.reason, &event->notification.kind,
		&event->notification.data};

	if (i < CF_ARRAY_LEN(texts))
		return texts[i];
	i -= CF_ARRAY_LEN(texts);
	if (i >= 3 * event->n_participants)
		return NULL;
	view = &q->participants[i / 3];
	return i % 3 == 0 ? &view->raw_id : i % 3 == 1 ? &view->display_name : &view->endpoint_id;
}

/* What the event points to, copied. */
static int queued_fill(struct cf_queued_event *q, const struct cf_call_event *event)
{
	const char **text;
	size_t size = 0;
	char *at;

	q->event = *event;
	if (event->n_participants > 0) {
		q->participants = cf_calloc(event->n_participants, sizeof(*q->participants));
		if (!q->participants)
			return CF_ENOMEM;
		memcpy(q->participants, event->participants,
			event->n_participants * sizeof(*q->participants));
		q->event.participants = q->participants;
	}
	for (size_t i = 0; (text = text_at(q, i)); i++)
		size += *text ? strlen(*text) + 1 : 0;
	q->texts = at = cf_alloc(size + 1);
	if (!at)
		return CF_ENOMEM;
	for (size_t i = 0; (text = text_at(q, i)); i++)
		pack_text(text, &at);
	return cf_candidates_append(&q->candidates, event->candidates, event->n_candidates);
}

int cf_call_event_add(struct cf_list *list, const struct cf_call_endpoint *endpoint,
	const struct cf_call_event *event)
{
	struct cf_queued_event *q = cf_alloc(sizeof(*q));

	if (!q)
		return CF_ENOMEM;
	if (queued_fill(q, event) < 0) {
		queued_free(q);
		return CF_ENOMEM;
	}
	snprintf(q->call_id, sizeof(q->call_id), "%s", event->call_id);
	snprintf(q->endpoint_id, sizeof(q->endpoint_id), "%s", endpoint->id);
	q->event.call_id = q->call_id;
	q->event.endpoint_id = q->endpoint_id;
	q->event.candidates = q->candidates.v;
	cf_list_push(list, &q->link);
	return 0;
}

void cf_call_events_drop(struct cf_list *list)
{
	struct cf_list *node;

	while ((node = cf_list_pop(list)))
		queued_free(CF_CONTAINER_OF(node, struct cf_queued_event, link));
}

void cf_call_events_post(struct cf_call_domain *domain, struct cf_list *list)
{
	struct cf_list *node;

	if (cf_list_empty(list))
		return;
	while ((node = cf_list_pop(list)))
		cf_list_push(&domain->events, node);
	if (domain->ports.wake)
		domain->ports.wake(domain->arg);
}

void cf_call_domain_deliver(struct cf_call_domain *domain)
{
	struct cf_list *node;

	for (int i = 0; i < DELIVER_ROUNDS && (node = cf_list_pop(&domain->events)); i++) {
		struct cf_queued_event *q = CF_CONTAINER_OF(node, struct cf_queued_event, link);
		struct cf_call_endpoint *endpoint = cf_call_endpoint_find(domain, q->endpoint_id);

		if (endpoint && endpoint->sink)
			endpoint->sink(endpoint, &q->event, endpoint->sink_arg);
		queued_free(q);
	}
	if (!cf_list_empty(&domain->events) && domain->ports.wake)
		domain->ports.wake(domain->arg);
}

/* ---- users ---- */

static bool user_eq(const struct cf_map_node *node, const void *key)
{
	return strcmp(CF_CONTAINER_OF(node, struct cf_call_user, node)->raw_id, key) == 0;
}

static uint32_t hash(const struct cf_call_domain *domain, const char *key)
{
	return cf_hash_bytes(key, strlen(key), domain->seed);
}

struct cf_call_user *cf_call_user_find(const struct cf_call_domain *domain, const char *raw_id)
{
	struct cf_map_node *node =
		cf_map_find(&domain->users, hash(domain, raw_id), user_eq, raw_id);

	return node ? CF_CONTAINER_OF(node, struct cf_call_user, node) : NULL;
}

/* The user's object, made when missing; give it back with cf_call_user_release(). */
struct cf_call_user *cf_call_user_get(struct cf_call_domain *domain, const char *raw_id)
{
	struct cf_call_user *user = cf_call_user_find(domain, raw_id);

	if (user || strlen(raw_id) >= sizeof(user->raw_id))
		return user;
	user = cf_alloc(sizeof(*user));
	if (!user)
		return NULL;
	snprintf(user->raw_id, sizeof(user->raw_id), "%s", raw_id);
	cf_list_init(&user->endpoints);
	cf_list_init(&user->ringing);
	if (cf_map_insert(&domain->users, &user->node, hash(domain, raw_id)) < 0)
		return cf_free(user);
	return user;
}

/* Frees it when it has neither devices nor ringing calls any more. */
void cf_call_user_release(struct cf_call_domain *domain, struct cf_call_user *user)
{
	if (!cf_list_empty(&user->endpoints) || !cf_list_empty(&user->ringing))
		return;
	cf_map_remove(&domain->users, &user->node);
	cf_free(user);
}

void cf_call_user_remove(struct cf_call_domain *domain, const char *raw_id, struct cf_call_time now)
{
	struct cf_call_user *user;

	/* The last removal may free the user. */
	while ((user = cf_call_user_find(domain, raw_id)) && !cf_list_empty(&user->endpoints))
		cf_call_endpoint_remove(domain,
			CF_CONTAINER_OF(user->endpoints.next, struct cf_call_endpoint, user_link),
			now);
}

/* ---- endpoints ---- */

static bool endpoint_eq(const struct cf_map_node *node, const void *key)
{
	return strcmp(CF_CONTAINER_OF(node, struct cf_call_endpoint, node)->id, key) == 0;
}

struct cf_call_endpoint *cf_call_endpoint_find(
	const struct cf_call_domain *domain, const char *endpoint_id)
{
	struct cf_map_node *node = cf_map_find(
		&domain->endpoints, hash(domain, endpoint_id), endpoint_eq, endpoint_id);

	return node ? CF_CONTAINER_OF(node, struct cf_call_endpoint, node) : NULL;
}

static struct cf_call_endpoint *endpoint_new(
	const struct cf_call_endpoint_info *info, struct cf_call_time now)
{
	struct cf_call_endpoint *endpoint = cf_alloc(sizeof(*endpoint));

	if (!endpoint)
		return NULL;
	endpoint->display_name = cf_strdup(info->display_name);
	if (info->display_name && !endpoint->display_name)
		return cf_free(endpoint);
	cf_rand_uuid(endpoint->id);
	cf_list_init(&endpoint->legs);
	endpoint->sink = info->sink;
	endpoint->sink_arg = info->sink_arg;
	endpoint->internal = info->internal;
	endpoint->online = info->internal;
	endpoint->offline_us = now.us;
	return endpoint;
}

/* Calls that ring the user ring the new device too; no memory means that this one stays silent. */
static void ring_late(
	struct cf_call_domain *domain, struct cf_call_endpoint *endpoint, struct cf_call_time now)
{
	CF_LIST_FOR(it, &endpoint->user->ringing)
	{
		struct cf_participant *callee =
			CF_CONTAINER_OF(it, struct cf_participant, ringing_link);
		struct cf_list events;

		cf_list_init(&events);
		if (cf_ringing_add(callee, endpoint, &events) < 0) {
			cf_call_events_drop(&events);
			continue;
		}
		cf_call_events_post(domain, &events);
		cf_call_trace_ringing(domain, callee->call, endpoint, now);
	}
}

int cf_call_endpoint_register(struct cf_call_domain *domain,
	const struct cf_call_endpoint_info *info, struct cf_call_time now,
	struct cf_call_endpoint **ret_endpoint)
{
	return cf_call_endpoint_add(domain, info, NULL, now, ret_endpoint);
}

int cf_call_endpoint_restore(struct cf_call_domain *domain,
	const struct cf_call_endpoint_info *info, const char *endpoint_id, struct cf_call_time now,
	struct cf_call_endpoint **ret_endpoint)
{
	if (strlen(endpoint_id) != CF_CALL_ID_MAX - 1)
		return CF_EINVAL;
	if (cf_call_endpoint_find(domain, endpoint_id))
		return CF_EEXIST;
	return cf_call_endpoint_add(domain, info, endpoint_id, now, ret_endpoint);
}

int cf_call_endpoint_add(struct cf_call_domain *domain, const struct cf_call_endpoint_info *info,
	const char *endpoint_id, struct cf_call_time now, struct cf_call_endpoint **ret_endpoint)
{
	struct cf_call_endpoint *endpoint;
	struct cf_call_user *user;

	if (strlen(info->raw_id) >= CF_CALL_RAWID_MAX ||
		(info->display_name && strlen(info->display_name) > CF_CALL_NAME_MAX))
		return CF_EINVAL;
	if (domain->endpoints.count >= domain->options.max_endpoints)
		return CF_ELIMIT;
	user = cf_call_user_get(domain, info->raw_id);
	if (!user)
		return CF_ENOMEM;
	if (user->n_endpoints >= domain->options.max_endpoints_per_user)
		return CF_ELIMIT;
	endpoint = endpoint_new(info, now);
	if (endpoint && endpoint_id)
		memcpy(endpoint->id, endpoint_id, sizeof(endpoint->id));
	if (!endpoint || cf_map_insert(&domain->endpoints, &endpoint->node,
				 hash(domain, endpoint->id)) < 0) {
		if (endpoint)
			endpoint_free(endpoint);
		cf_call_user_release(domain, user);
		return CF_ENOMEM;
	}
	endpoint->user = user;
	user->n_endpoints++;
	cf_list_push(&user->endpoints, &endpoint->user_link);
	if (!endpoint->internal)
		cf_call_deadline_at(domain, now.us + domain->options.endpoint_timeout_us);
	ring_late(domain, endpoint, now);
	*ret_endpoint = endpoint;
	return 0;
}

void cf_call_endpoint_remove(
	struct cf_call_domain *domain, struct cf_call_endpoint *endpoint, struct cf_call_time now)
{
	struct cf_call_user *user = endpoint->user;

	cf_call_endpoint_lost(domain, endpoint, now);
	cf_map_remove(&domain->endpoints, &endpoint->node);
	cf_list_remove(&endpoint->user_link);
	user->n_endpoints--;
	if (domain->ports.endpoint_gone)
		domain->ports.endpoint_gone(endpoint, domain->arg);
	cf_call_user_release(domain, user);
	endpoint_free(endpoint);
}

static uint64_t endpoint_due(
	const struct cf_call_domain *domain, const struct cf_call_endpoint *endpoint)
{
	const struct cf_call_options *o = &domain->options;

	if (endpoint->internal || endpoint->online)
		return CF_TIME_NEVER;
	return endpoint->offline_us +
	       (endpoint->n_calls > 0 ? o->reconnect_timeout_us : o->endpoint_timeout_us);
}

void cf_call_endpoint_online(struct cf_call_domain *domain, struct cf_call_endpoint *endpoint,
	bool online, struct cf_call_time now)
{
	if (endpoint->online == online)
		return;
	endpoint->online = online;
	endpoint->offline_us = now.us;
	if (!online)
		cf_call_deadline_at(domain, endpoint_due(domain, endpoint));
}

const char *cf_call_endpoint_id(const struct cf_call_endpoint *endpoint)
{
	return endpoint->id;
}

const char *cf_call_endpoint_raw_id(const struct cf_call_endpoint *endpoint)
{
	return endpoint->user->raw_id;
}

const char *cf_call_endpoint_name(const struct cf_call_endpoint *endpoint)
{
	return endpoint->display_name;
}

void cf_call_endpoint_set_data(struct cf_call_endpoint *endpoint, void *data)
{
	endpoint->data = data;
}

void *cf_call_endpoint_data(const struct cf_call_endpoint *endpoint)
{
	return endpoint->data;
}

void cf_call_domain_count(const struct cf_call_domain *domain, size_t counts[static CF_CALL_STATES])
{
	struct cf_map_node *node = NULL;

	while ((node = cf_map_next(&domain->calls, node)))
		counts[CF_CONTAINER_OF(node, struct cf_call, node)->state]++;
}

size_t cf_call_domain_n_calls(const struct cf_call_domain *domain)
{
	return domain->n_open;
}

size_t cf_call_domain_n_endpoints(const struct cf_call_domain *domain)
{
	return domain->endpoints.count;
}

/* ---- time ---- */

void cf_call_deadline_at(struct cf_call_domain *domain, uint64_t due_us)
{
	if (due_us >= domain->deadline_us)
		return;
	domain->deadline_us = due_us;
	if (domain->ports.deadline_moved)
		domain->ports.deadline_moved(domain->arg);
}

void cf_call_domain_configure(struct cf_call_domain *domain, const struct cf_call_options *options,
	struct cf_call_time now)
{
	set_options(domain, options);
	cf_call_deadline_at(domain, now.us); /* a look at all: some may be due earlier now */
}

uint64_t cf_call_domain_deadline(const struct cf_call_domain *domain)
{
	return domain->deadline_us;
}

/* The next time something happens to a call without anyone's doing. */
static uint64_t call_due(const struct cf_call_domain *domain, const struct cf_call *call)
{
	uint64_t due = CF_TIME_NEVER;

	if (call->state == CF_CALL_RINGING)
		return call->created_us + domain->options.setup_timeout_us;
	if (call->state == CF_CALL_ENDED)
		return call->ended_us + domain->options.ended_keep_us;
	if (cf_call_is_group(call))
		due = cf_group_due(domain, call);
	CF_LIST_FOR(p, &call->participants)
	{
		CF_LIST_FOR(it, &cf_participant_of(p)->legs)
		{
			const struct cf_leg *leg = cf_leg_of(it);

			if (leg->state == CF_LEG_ACTIVE &&
				leg->recorded_us + domain->options.leg_record_us < due)
				due = leg->recorded_us + domain->options.leg_record_us;
		}
	}
	return due;
}

/* Those that are due: each leg has its own minute. */
static void record_legs(
	struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now)
{
	CF_LIST_FOR(p, &call->participants)
	{
		CF_LIST_FOR(it, &cf_participant_of(p)->legs)
		{
			struct cf_leg *leg = cf_leg_of(it);

			if (leg->state == CF_LEG_ACTIVE &&
				leg->recorded_us + domain->options.leg_record_us <= now.us)
				cf_leg_record(domain, leg, NULL, now);
		}
	}
}

static void connected_tick(
	struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now)
{
	record_legs(domain, call, now);
	if (cf_call_is_group(call))
		cf_group_tick(domain, call, now);
}

static void call_tick(struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now)
{
	if (call->state == CF_CALL_RINGING)
		cf_call_finish(domain, call, cf_call_end_of(CF_CALL_END_NO_ANSWER), now);
	else if (call->state == CF_CALL_ENDED)
		cf_call_free(domain, call);
	else
		connected_tick(domain, call, now);
}

static uint64_t tick_calls(struct cf_call_domain *domain, struct cf_call_time now)
{
	struct cf_map_node *node = cf_map_next(&domain->calls, NULL), *next;
	uint64_t least = CF_TIME_NEVER;

	for (; node; node = next) {
		struct cf_call *call = CF_CONTAINER_OF(node, struct cf_call, node);
		bool freed = false;
		uint64_t due = call_due(domain, call);

		next = cf_map_next(&domain->calls, node);
		if (due <= now.us) {
			freed = call->state == CF_CALL_ENDED;
			call_tick(domain, call, now);
			due = freed ? CF_TIME_NEVER : call_due(domain, call);
		}
		if (due < least)
			least = due;
	}
	return least;
}

static uint64_t tick_endpoints(struct cf_call_domain *domain, struct cf_call_time now)
{
	struct cf_map_node *node = cf_map_next(&domain->endpoints, NULL), *next;
	uint64_t least = CF_TIME_NEVER;

	for (; node; node = next) {
		struct cf_call_endpoint *endpoint =
			CF_CONTAINER_OF(node, struct cf_call_endpoint, node);
		uint64_t due = endpoint_due(domain, endpoint);

		next = cf_map_next(&domain->endpoints, node);
		if (due <= now.us)
			cf_call_endpoint_remove(domain, endpoint, now);
		else if (due < least)
			least = due;
	}
	return least;
}

void cf_call_domain_tick(struct cf_call_domain *domain, struct cf_call_time now)
{
	size_t n = domain->endpoints.count + domain->calls.count;
	uint64_t calls, endpoints, due;

	if (now.us < domain->deadline_us)
		return;
	endpoints = tick_endpoints(domain, now);
	calls = tick_calls(domain, now);
	due = calls < endpoints ? calls : endpoints;
	/* A table that shrank during the walk may have hidden an object from it: look again. */
	if (domain->endpoints.count + domain->calls.count < n)
		due = 0;
	if (due < now.us + CF_CALL_TICK_US)
		due = now.us + CF_CALL_TICK_US;
	domain->deadline_us = due;
	if (domain->ports.deadline_moved)
		domain->ports.deadline_moved(domain->arg);
}
