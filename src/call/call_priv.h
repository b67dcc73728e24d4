/* SPDX-License-Identifier: Apache-2.0 */
/* The objects behind call/domain.h and what its files share. For call and its tests only. */
#ifndef CF_CALL_PRIV_H
#define CF_CALL_PRIV_H

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "call/domain.h"
#include "json/json.h"

/* An offer that nobody answers blocks new ones for this long. */
#define CF_CALL_OFFER_US (10 * CF_US_PER_S)

/* Deadlines are looked at together, at most this often. */
#define CF_CALL_TICK_US (100 * CF_US_PER_MS)

enum cf_leg_state {
	CF_LEG_CALLING, /* the caller's, until accepted */
	CF_LEG_RINGING,
	CF_LEG_ACTIVE,
	CF_LEG_GONE, /* declined, cancelled, left */
};

/* A user with devices or with calls that ring. */
struct cf_call_user {
	struct cf_map_node node;
	struct cf_list endpoints; /* struct cf_call_endpoint, user_link */
	struct cf_list ringing;   /* struct cf_participant, ringing_link */
	size_t n_endpoints;
	char raw_id[CF_CALL_RAWID_MAX];
};

struct cf_call_endpoint {
	struct cf_map_node node;
	struct cf_list user_link;
	struct cf_list legs; /* struct cf_leg, endpoint_link */
	struct cf_call_user *user;
	cf_call_event_fn *sink;
	void *sink_arg;
	void *data;
	char *display_name;  /* or NULL */
	uint64_t offline_us; /* when the stream was lost */
	size_t n_calls;      /* legs that are calling or active */
	bool online;
	bool internal;
	char id[CF_CALL_ID_MAX];
};

struct cf_candidates {
	struct cf_call_candidate *v; /* texts owned */
	size_t n;
	bool end;
};

/* One device's part in a call. Belongs to its participant. */
struct cf_leg {
	struct cf_list link;          /* in the participant's legs */
	struct cf_list endpoint_link; /* in the endpoint's legs, while that lives */
	struct cf_call *call;
	struct cf_participant *participant;
	struct cf_call_endpoint *endpoint; /* NULL once it has left */
	enum cf_leg_state state;
	struct cf_candidates candidates; /* what it sent so far, while the call rings */
	size_t n_candidates;             /* since its last offer or answer */
	uint64_t recorded_us;
	int64_t start_wall_ms; /* media may flow since then, 0: not yet */
	uint32_t source;       /* in a group: its name in what the others hear */
	bool busy;             /* declined as busy */
	bool muted;            /* as it says itself; in a group */
	bool relayed;          /* so said its last report that named a path; in a group */
	bool moving;  /* its media is still on the way that it had while the call was between two */
	bool coming;  /* it has offered to the media processor */
	bool arrived; /* and has media with it */
	bool described; /* its description of the way back to the other one is there */
	bool direct;    /* and media on it */
	char id[CF_CALL_ID_MAX];
	char endpoint_id[CF_CALL_ID_MAX];
};

struct cf_participant {
	struct cf_list link; /* in the call's participants */
	struct cf_list legs;
	struct cf_call *call;
	struct cf_leg *active;          /* the one that speaks, or calls */
	struct cf_list ringing_link;    /* in user's `ringing` */
	struct cf_call_user *user;      /* while it rings */
	struct cf_participant *inviter; /* while it rings: who wants it */
	uint64_t ringing_us;            /* since when */
	char *display_name;
	char raw_id[CF_CALL_RAWID_MAX];
};

struct cf_call {
	struct cf_map_node node;
	enum cf_call_state state;
	enum cf_call_ice_transport ice_transport;
	/* The caller stands first, then the callee; in a group those who came, as they came, and
	 * stay in the list when they have left. */
	struct cf_list participants;
	size_t n_participants;
	size_t n_members;               /* of a group: legs that are in it */
	uint32_t roster;                /* numbers what the members are told of each other */
	uint64_t moving_us;             /* since when members move to the media processor */
	uint64_t demoting_us;           /* since when the last two make a way to each other */
	bool not_demoted;               /* they did not find one */
	struct cf_map_node group_node;  /* while it is a group that has not ended */
	struct cf_participant *offerer; /* of an offer without answer yet */
	uint64_t offer_us;
	uint64_t created_us;
	uint64_t ended_us;
	int64_t created_wall_ms;
	int64_t connected_wall_ms;
	int64_t ended_wall_ms;
	struct cf_call_end end;
	char *end_reason; /* owned when the reason is not static */
	char *sdp;        /* the offer, for devices that come late; NULL once accepted */
	char *custom_context;
	uint32_t trace_seq;
	size_t trace_bytes; /* of details so far */
	bool relayed;       /* so said the last report that named a path */
	char id[CF_CALL_ID_MAX];
	/* Empty: two people. The call's own id: a call among people who were called, which is over
	 * when one is left alone. */
	char group_id[CF_CALL_ID_MAX];
};

struct cf_call_domain {
	struct cf_call_options options;
	struct cf_call_ports ports;
	struct cf_call_media media; /* join NULL: there is none */
	void *arg;
	struct cf_map endpoints;
	struct cf_map users;
	struct cf_map calls;
	struct cf_map groups;  /* struct cf_call, group_node, by group_id */
	struct cf_list events; /* queued, struct cf_queued_event */
	size_t n_open;         /* calls that have not ended */
	uint64_t seed;
	uint64_t deadline_us;
};

/* ---- events ---- */

/** Copies an event for an endpoint to the end of list (internal devices and others alike). */
int cf_call_event_add(struct cf_list *list, const struct cf_call_endpoint *endpoint,
	const struct cf_call_event *event);
/** Moves what is in list to the domain's queue and wakes the owner. */
void cf_call_events_post(struct cf_call_domain *domain, struct cf_list *list);
void cf_call_events_drop(struct cf_list *list);

/* ---- objects ---- */

static inline struct cf_participant *cf_participant_of(const struct cf_list *link)
{
	return CF_CONTAINER_OF(link, struct cf_participant, link);
}

static inline struct cf_leg *cf_leg_of(const struct cf_list *link)
{
	return CF_CONTAINER_OF(link, struct cf_leg, link);
}

static inline bool cf_call_is_group(const struct cf_call *call)
{
	return call->group_id[0] != '\0';
}

/* Of a call between two. */
static inline struct cf_participant *cf_call_caller(const struct cf_call *call)
{
	return cf_participant_of(call->participants.next);
}

static inline struct cf_participant *cf_call_callee(const struct cf_call *call)
{
	return cf_participant_of(call->participants.next->next);
}

/** A call without participants, in no table yet; or NULL. */
struct cf_call *cf_call_new(struct cf_call_time now);
/** Somebody more in it. NULL without memory. */
struct cf_participant *cf_participant_add(
	struct cf_call *call, const char *raw_id, const char *display_name);
/** Forgets somebody, with all legs. */
void cf_participant_remove(struct cf_call *call, struct cf_participant *participant);
/** The participant with this id, or NULL. */
struct cf_participant *cf_participant_find(const struct cf_call *call, const char *raw_id);
struct cf_call *cf_call_find(const struct cf_call_domain *domain, const char *call_id);
struct cf_call_user *cf_call_user_find(const struct cf_call_domain *domain, const char *raw_id);
/** As cf_call_endpoint_register(), under a given id; NULL: a new one. */
int cf_call_endpoint_add(struct cf_call_domain *domain, const struct cf_call_endpoint_info *info,
	const char *endpoint_id, struct cf_call_time now, struct cf_call_endpoint **ret_endpoint);
struct cf_call_user *cf_call_user_get(struct cf_call_domain *domain, const char *raw_id);
void cf_call_user_release(struct cf_call_domain *domain, struct cf_call_user *user);
struct cf_leg *cf_leg_new(struct cf_call *call, struct cf_participant *participant,
	struct cf_call_endpoint *endpoint, enum cf_leg_state state);
/** The leg leaves its endpoint; it stays in the call's history. */
void cf_leg_detach(struct cf_leg *leg);
void cf_call_free(struct cf_call_domain *domain, struct cf_call *call);

/** Copies candidates behind what is there. 0, CF_ELIMIT, CF_ENOMEM. */
int cf_candidates_append(struct cf_candidates *list, const struct cf_call_candidate *v, size_t n);
void cf_candidates_done(struct cf_candidates *list);

/* ---- steps that several verbs share ---- */

/** The leg of an endpoint in a call that has not ended. 0, CF_ENOTFOUND, CF_ESTATE (rang here, is
 * elsewhere now), CF_EDENIED. */
int cf_call_leg_find(const struct cf_call_domain *domain, const char *call_id,
	const struct cf_call_endpoint *endpoint, struct cf_call **ret_call,
	struct cf_leg **ret_leg);
struct cf_participant *cf_call_other(struct cf_call *call, const struct cf_leg *leg);
struct cf_call_event cf_call_event_from(enum cf_call_event_type type, const struct cf_call *call,
	const struct cf_participant *from);
/** Adds an event for each leg of a participant that is in this state. */
int cf_call_event_to_legs(struct cf_list *events, const struct cf_participant *to,
	enum cf_leg_state state, const struct cf_call_event *event);
/** Posts the events, or drops them where err says that something failed. Returns err. */
int cf_call_events_commit(struct cf_call_domain *domain, struct cf_list *events, int err);

/* ---- ringing.c ---- */

/** From now on devices that sign in ring for this participant, until cf_ringing_stop(). 0 or
 * CF_ENOMEM. */
int cf_ringing_begin(struct cf_call_domain *domain, struct cf_participant *callee,
	struct cf_participant *inviter, uint64_t now_us);
/** All devices that are there ring: each gets its leg and events. 0 or CF_ENOMEM. */
int cf_ringing_all(struct cf_participant *callee, struct cf_list *events);
void cf_ringing_stop(struct cf_call_domain *domain, struct cf_participant *callee);
/** One more device rings. 0 or CF_ENOMEM. */
int cf_ringing_add(
	struct cf_participant *callee, struct cf_call_endpoint *endpoint, struct cf_list *events);
/** Whether a device of it rings. */
bool cf_rings(const struct cf_participant *callee);
/** All devices have said no (or are gone): what the inviter is told. */
struct cf_call_end cf_ringing_refusal(const struct cf_participant *callee);
/** The other ringing devices are told that one has answered; then they are out of it. */
int cf_ringing_tell_others(struct cf_list *events, const struct cf_leg *winner);
void cf_ringing_silence_others(const struct cf_leg *winner);
void cf_ringing_trace(struct cf_call_domain *domain, const struct cf_participant *callee,
	struct cf_call_time now);
/** Ends a call: events to everyone still in it, records, trace. Cannot fail. */
void cf_call_finish(struct cf_call_domain *domain, struct cf_call *call, struct cf_call_end end,
	struct cf_call_time now);
/** A device went away: its legs end, and calls that cannot go on without it. */
void cf_call_endpoint_lost(
	struct cf_call_domain *domain, struct cf_call_endpoint *endpoint, struct cf_call_time now);
/** From now on the leg is metered. */
void cf_leg_begin(struct cf_call_domain *domain, struct cf_leg *leg, struct cf_call_time now);
/** Writes what it is metered by; end: NULL while it goes on. Nothing for one that has not begun. */
void cf_leg_record(struct cf_call_domain *domain, struct cf_leg *leg, const struct cf_call_end *end,
	struct cf_call_time now);
void cf_call_changed(struct cf_call_domain *domain, const struct cf_call *call);
void cf_call_deadline_at(struct cf_call_domain *domain, uint64_t due_us);

/* ---- group.c ---- */

/** cf_call_start() of a group. */
int cf_group_join(struct cf_call_domain *domain, struct cf_call_endpoint *endpoint,
	const struct cf_call_start *start, struct cf_call_time now,
	char ret_call_id[static CF_CALL_ID_MAX]);
/** The call can be found by this name from now on. 0 or CF_ENOMEM. */
int cf_group_open(struct cf_call_domain *domain, struct cf_call *call, const char *group_id);
/** cf_call_start() of a group with people that are called. */
int cf_group_start(struct cf_call_domain *domain, struct cf_call_endpoint *caller,
	const struct cf_call_start *start, struct cf_call_time now,
	char ret_call_id[static CF_CALL_ID_MAX]);
/** cf_call_accept() in a group: the device comes in with its offer. */
int cf_group_accept(struct cf_call_domain *domain, struct cf_leg *leg, const char *sdp,
	struct cf_call_time now);
/** A leg comes in: events, the media processor, and the counts. On failure the caller undoes the
 * latter. */
int cf_group_enter(
	struct cf_call_domain *domain, struct cf_leg *leg, const char *sdp, struct cf_list *events);
/** It is in: its user's other devices stop ringing. */
void cf_group_entered(struct cf_call_domain *domain, struct cf_leg *leg, const char *sdp,
	struct cf_call_time now);
/** Somebody, known from before or new; with the name if there is one. NULL without memory or room.
 */
struct cf_participant *cf_group_participant(
	struct cf_call *call, const char *raw_id, const char *display_name);
/** A number that no member has. */
uint32_t cf_group_new_source(const struct cf_call *call);
/** Somebody left, or will not come: the call may be over by it (in a call among people, for one who
 * is alone: by this end). */
void cf_group_settle(struct cf_call_domain *domain, struct cf_call *call,
	const struct cf_call_end *end, struct cf_call_time now);
/** A call among people who were called, not a place to meet. */
static inline bool cf_group_of_people(const struct cf_call *call)
{
	return strcmp(call->group_id, call->id) == 0;
}
/** Next time at which cf_group_tick() has work. */
uint64_t cf_group_due(const struct cf_call_domain *domain, const struct cf_call *call);
void cf_group_tick(struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now);

/** A member, and one who rings, as the others see them. */
struct cf_call_participant_view cf_group_view(const struct cf_leg *leg);
struct cf_call_participant_view cf_group_ringing_view(const struct cf_participant *p);
/** All members but one hear of a change. */
int cf_group_tell_view(struct cf_list *events, struct cf_call *call, const struct cf_leg *except,
	const struct cf_participant *of, const struct cf_call_participant_view *view);
/** A newcomer hears of everybody. */
int cf_group_tell_all_to(
	struct cf_list *events, struct cf_call *call, const struct cf_leg *newcomer);
/** An event for every device in a group but one (or none). */
int cf_group_tell(struct cf_list *events, const struct cf_call *call, const struct cf_leg *except,
	const struct cf_call_event *event);
/** A device leaves a group (told: it is told so), which may be empty then. The leg is gone. */
void cf_group_leave(struct cf_call_domain *domain, struct cf_leg *leg,
	const struct cf_call_end *end, bool told, struct cf_call_time now);
/** It went away; with the last one the call ends. The leg is gone. */
void cf_group_lost(struct cf_call_domain *domain, struct cf_leg *leg, struct cf_call_time now);
/** The relay serves this user no more: their devices that need it leave. */
void cf_group_unrelayed(struct cf_call_domain *domain, struct cf_call *call, const char *raw_id,
	struct cf_call_time now);
/** The leg of this device, or NULL. */
struct cf_leg *cf_group_member(const struct cf_call *call, const struct cf_call_endpoint *endpoint);
/** It hangs up, for itself or for all. The leg is gone, or the call has ended. */
void cf_group_hangup(struct cf_call_domain *domain, struct cf_leg *leg, bool for_everyone,
	const struct cf_call_end *end, struct cf_call_time now);
/** The call ends: nobody can join it, and the media processor lets go of its members. */
void cf_group_end(struct cf_call_domain *domain, struct cf_call *call);
/** cf_call_renegotiate() and cf_call_notify() in a group; valid arguments. */
int cf_group_renegotiate(struct cf_call_domain *domain, struct cf_leg *leg, const char *sdp,
	bool answer, struct cf_call_time now);
int cf_group_notify(struct cf_call_domain *domain, struct cf_leg *leg,
	const struct cf_call_notification *notification);

/* ---- invite.c ---- */

/** Whether anybody is being called. */
bool cf_group_rings(const struct cf_call *call);
/** A ringing device says no, or went away. */
int cf_invite_reject(
	struct cf_call_domain *domain, struct cf_leg *leg, bool busy, struct cf_call_time now);
void cf_invite_lost(struct cf_call_domain *domain, struct cf_leg *leg, struct cf_call_time now);
/** Nobody is called any more: the devices are told so. */
void cf_invite_cancel(struct cf_call_domain *domain, struct cf_participant *callee,
	const struct cf_call_end *end, struct cf_call_time now);

/* ---- promote.c ---- */

/** A call between two becomes a group: both are told to come to the media processor, and of each
 * other. 0; CF_ESTATE, CF_ENOMEM (undone). */
int cf_group_promote(struct cf_call_domain *domain, struct cf_call *call, struct cf_list *events,
	struct cf_call_time now);
/** Undoes it, without a word. */
void cf_group_unpromote(struct cf_call_domain *domain, struct cf_call *call);
/** Looks whether all have come by now, and tells them. */
void cf_group_moved(struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now);
/** One cannot come: it goes on between the two, who are told; who was called is not any more.
 * False: it cannot, others are in it by now. */
bool cf_group_not_promoted(struct cf_call_domain *domain, struct cf_call *call,
	const struct cf_call_end *end, struct cf_call_time now);

/** Time is up: those who have not come leave, or nobody moves. */
void cf_group_late(struct cf_call_domain *domain, struct cf_call *call,
	const struct cf_call_end *end, struct cf_call_time now);

/* ---- demote.c ---- */

/** Where two are left, and it is wanted: one of them is asked to offer to the other. */
void cf_group_demote(struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now);
/** The group stays one: somebody comes or leaves. Call it before that is so. */
void cf_group_not_demoted(
	struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now);
/** Time passes: where it is up they stay on the media processor. */
void cf_group_demote_late(
	struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now);

/* ---- trace.c ---- */

/** Adds a trace entry; detail is taken (may be NULL). */
void cf_call_trace_step(struct cf_call_domain *domain, struct cf_call *call, const char *room,
	const char *kind, const char *endpoint_id, json_t *detail, struct cf_call_time now);
/** The call as it begins: who calls whom, with which candidates. */
void cf_call_trace_started(
	struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now);
/** Somebody joins a group. */
void cf_call_trace_joined(struct cf_call_domain *domain, struct cf_call *call,
	const struct cf_leg *leg, const char *sdp, struct cf_call_time now);
void cf_call_trace_ringing(struct cf_call_domain *domain, struct cf_call *call,
	const struct cf_call_endpoint *endpoint, struct cf_call_time now);
/** A description came: "accepted" and renegotiations. */
void cf_call_trace_described(struct cf_call_domain *domain, struct cf_call *call, const char *kind,
	const struct cf_call_endpoint *endpoint, const char *sdp, struct cf_call_time now);

#endif
