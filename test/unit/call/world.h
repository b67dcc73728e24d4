/* SPDX-License-Identifier: Apache-2.0 */
/* A domain with recorded events, traces and leg records, for the tests of call. */
#ifndef TEST_UNIT_CALL_WORLD_H
#define TEST_UNIT_CALL_WORLD_H

#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "call/domain.h"
#include "call/snapshot.h"

#include <stdio.h>

#define ALICE "8:acs:res_alice"
#define BOB "8:acs:res_bob"
#define WORLD_EVENTS 512

struct seen {
	enum cf_call_event_type type;
	char endpoint[CF_CALL_ID_MAX];
	char call[CF_CALL_ID_MAX];
	char from[CF_CALL_RAWID_MAX];
	char name[CF_CALL_NAME_MAX];
	char sdp[64];
	char sdp_type[8];
	char group[CF_CALL_ID_MAX];
	char context[64];
	char candidate[CF_CALL_CANDIDATE_MAX + 1]; /* the first */
	size_t n_candidates;
	bool end_of_candidates;
	int code, subcode;
	size_t n_people;
	char person[CF_CALL_RAWID_MAX]; /* the last one */
	char state[16];
	bool muted;
	uint32_t source;
	int person_code; /* why it did not come */
	uint32_t roster;
	char kind[CF_CALL_NOTIFICATION_KIND_MAX + 1];
};

/* What the media processor is asked, one after another. */
struct asked {
	char what[8]; /* "join", "offer", "leave" */
	char leg[CF_CALL_ID_MAX];
	char sdp[64];
};

struct people {
	size_t n;
	struct cf_call_participant_view list[8];
};

struct world {
	struct cf_call_domain *domain;
	struct cf_call_time now;
	struct seen seen[WORLD_EVENTS];
	size_t n_seen, n_taken;
	size_t n_traces, n_legs, n_legs_ended, n_wakes, n_changed, n_gone;
	char last_trace[64];
	char last_detail[512]; /* its beginning */
	size_t trace_bytes;
	int last_code, last_subcode;
	struct asked asked[WORLD_EVENTS];
	size_t n_asked;
	int media_err;
	uint32_t source; /* of the last one that joined */
};

static inline struct asked *world_asked(struct world *w, const char *what, const char *leg_id)
{
	struct asked *asked = &w->asked[w->n_asked++ % WORLD_EVENTS];

	memset(asked, 0, sizeof(*asked));
	snprintf(asked->what, sizeof(asked->what), "%s", what);
	snprintf(asked->leg, sizeof(asked->leg), "%s", leg_id);
	return asked;
}

static inline int world_media_join(
	const char *call_id, const char *leg_id, uint32_t source, const char *sdp, void *arg)
{
	struct world *w = arg;

	(void)call_id;
	if (w->media_err < 0)
		return w->media_err;
	w->source = source;
	snprintf(world_asked(w, "join", leg_id)->sdp, sizeof(w->asked->sdp), "%s", sdp);
	return 0;
}

static inline void world_media_offer(
	const char *call_id, const char *leg_id, const char *sdp, void *arg)
{
	struct world *w = arg;

	(void)call_id;
	snprintf(world_asked(w, "offer", leg_id)->sdp, sizeof(w->asked->sdp), "%s", sdp);
}

static inline void world_media_leave(const char *call_id, const char *leg_id, void *arg)
{
	(void)call_id;
	world_asked(arg, "leave", leg_id);
}

static inline void world_person(const struct cf_call_participant_view *view, void *arg)
{
	struct people *people = arg;

	assert_true(people->n < CF_ARRAY_LEN(people->list));
	people->list[people->n++] = *view;
}

/* Who is in the call. */
static inline void world_look(struct world *w, const char *call_id, struct people *ret_people)
{
	ret_people->n = 0;
	cf_call_look_participants(w->domain, call_id, world_person, ret_people);
}

static inline void world_wake(void *arg)
{
	((struct world *)arg)->n_wakes++;
}

static inline void world_trace(const struct cf_call_trace *entry, void *arg)
{
	struct world *w = arg;

	w->n_traces++;
	snprintf(w->last_trace, sizeof(w->last_trace), "%s", entry->kind);
	snprintf(w->last_detail, sizeof(w->last_detail), "%s", entry->detail ? entry->detail : "");
	w->trace_bytes += entry->detail ? strlen(entry->detail) : 0;
}

static inline void world_leg(const struct cf_call_leg_record *record, void *arg)
{
	struct world *w = arg;

	w->n_legs++;
	w->n_legs_ended += record->ended;
	w->last_code = record->code;
	w->last_subcode = record->subcode;
}

static inline void world_changed(const char *call_id, void *arg)
{
	(void)call_id;
	((struct world *)arg)->n_changed++;
}

static inline void world_gone(struct cf_call_endpoint *endpoint, void *arg)
{
	(void)endpoint;
	((struct world *)arg)->n_gone++;
}

static inline void world_sink(
	struct cf_call_endpoint *endpoint, const struct cf_call_event *event, void *arg)
{
	struct world *w = arg;
	struct seen *s;

	assert_string_equal(cf_call_endpoint_id(endpoint), event->endpoint_id);
	if (w->n_seen == WORLD_EVENTS)
		return;
	s = &w->seen[w->n_seen++];
	memset(s, 0, sizeof(*s));
	s->type = event->type;
#define COPY(to, text) snprintf(to, sizeof(to), "%s", (text) ? (text) : "")
	COPY(s->endpoint, event->endpoint_id);
	COPY(s->call, event->call_id);
	COPY(s->from, event->from_raw_id);
	COPY(s->name, event->from_name);
	COPY(s->sdp, event->sdp);
	COPY(s->sdp_type, event->sdp_type);
	COPY(s->group, event->group_id);
	COPY(s->context, event->custom_context);
	COPY(s->candidate, event->n_candidates ? event->candidates[0].candidate : NULL);
#undef COPY
	s->n_candidates = event->n_candidates;
	s->end_of_candidates = event->end_of_candidates;
	s->roster = event->roster;
	s->n_people = event->n_participants;
	if (event->n_participants > 0) {
		const struct cf_call_participant_view *last =
			&event->participants[event->n_participants - 1];

		snprintf(s->person, sizeof(s->person), "%s", last->raw_id);
		snprintf(s->state, sizeof(s->state), "%s", last->state);
		s->muted = last->muted;
		s->source = last->source;
		s->person_code = last->end.code;
	}
	if (event->notification.kind)
		snprintf(s->kind, sizeof(s->kind), "%s", event->notification.kind);
	s->code = event->end.code;
	s->subcode = event->end.subcode;
}

static inline int world_open(struct world *w, const struct cf_call_options *options)
{
	static const struct cf_call_ports ports = {.wake = world_wake,
		.trace = world_trace,
		.leg = world_leg,
		.call_changed = world_changed,
		.endpoint_gone = world_gone};
	struct cf_call_media media = {.join = world_media_join,
		.offer = world_media_offer,
		.leave = world_media_leave,
		.arg = w};
	struct cf_call_options defaults = cf_call_options_defaults();

	memset(w, 0, sizeof(*w));
	w->now = (struct cf_call_time){1000 * CF_US_PER_S, 1700000000000};
	w->domain = cf_call_domain_new(options ? options : &defaults, &ports, w);
	if (!w->domain)
		return CF_ENOMEM;
	cf_call_domain_set_media(w->domain, &media);
	return 0;
}

static inline void world_close(struct world *w)
{
	w->domain = cf_call_domain_free(w->domain);
}

static inline int world_register(struct world *w, const char *raw_id, const char *name,
	struct cf_call_endpoint **ret_endpoint)
{
	struct cf_call_endpoint_info info = {
		.raw_id = raw_id, .display_name = name, .sink = world_sink, .sink_arg = w};
	int err = cf_call_endpoint_register(w->domain, &info, w->now, ret_endpoint);

	if (err == 0)
		cf_call_endpoint_online(w->domain, *ret_endpoint, true, w->now);
	return err;
}

static inline struct cf_call_endpoint *world_device(
	struct world *w, const char *raw_id, const char *name)
{
	struct cf_call_endpoint *endpoint = NULL;

	assert_int_equal(world_register(w, raw_id, name, &endpoint), 0);
	return endpoint;
}

static inline int world_call(struct world *w, struct cf_call_endpoint *from, const char *to,
	char id[static CF_CALL_ID_MAX])
{
	struct cf_call_start start = {.target_raw_id = to, .sdp = "offer", .custom_context = "ctx"};

	return cf_call_start(w->domain, from, &start, w->now, id);
}

/* The next event in order; fails the test unless it is of this type for this endpoint. */
static inline const struct seen *world_expect(
	struct world *w, const struct cf_call_endpoint *endpoint, enum cf_call_event_type type)
{
	const struct seen *s;

	cf_call_domain_deliver(w->domain);
	if (w->n_taken == w->n_seen)
		fail_msg("no event, expected type %d", (int)type);
	s = &w->seen[w->n_taken++];
	if (s->type != type)
		fail_msg("event %d, expected %d", (int)s->type, (int)type);
	if (endpoint)
		assert_string_equal(s->endpoint, cf_call_endpoint_id(endpoint));
	return s;
}

static inline void world_quiet(struct world *w)
{
	cf_call_domain_deliver(w->domain);
	if (w->n_taken != w->n_seen)
		fail_msg("unexpected event %d", (int)w->seen[w->n_taken].type);
}

static inline void world_ended(struct world *w, const struct cf_call_endpoint *endpoint,
	enum cf_call_event_type type, int code, int subcode)
{
	const struct seen *s = world_expect(w, endpoint, type);

	assert_int_equal(s->code, code);
	assert_int_equal(s->subcode, subcode);
}

/* Lets time pass, deadline by deadline. */
static inline void world_pass(struct world *w, uint64_t us)
{
	uint64_t until = w->now.us + us, start = w->now.us;
	int64_t wall = w->now.wall_ms;

	for (int i = 0; i < 100000; i++) {
		uint64_t due = cf_call_domain_deadline(w->domain);

		if (due > until)
			break;
		if (due > w->now.us)
			w->now.us = due;
		w->now.wall_ms = wall + (int64_t)((w->now.us - start) / CF_US_PER_MS);
		cf_call_domain_tick(w->domain, w->now);
	}
	w->now.us = until;
	w->now.wall_ms = wall + (int64_t)(us / CF_US_PER_MS);
}

#endif
