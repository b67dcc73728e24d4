/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The business of calls: endpoints (signed-in devices), calls, their participants and legs (one
 * device's part in a call), who rings, who wins, when it ends and why. Signalling, store, metering
 * and the clock are outside: verbs come in with the time, events go out through a queue, and
 * cf_call_domain_deadline() says when to call back. Calls between two users, whose devices talk to
 * each other, and group calls (RFC 4353), whose members talk to the media processor.
 *
 * One thread (the control loop). No callback runs inside a verb: a verb queues events and calls
 * ports->wake; the owner then calls cf_call_domain_deliver(), from a deferred call, which runs the
 * sinks. Sinks may call any verb.
 */
#ifndef CF_CALL_DOMAIN_H
#define CF_CALL_DOMAIN_H

#include "base/err.h"
#include "base/rand.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_CALL_ID_MAX CF_UUID_TEXT_MAX
#define CF_CALL_MEDIA_RAWID "28:media" /* who answers in the name of the media processor */
#define CF_CALL_RAWID_MAX 81
#define CF_CALL_NAME_MAX 256          /* display name, bytes */
#define CF_CALL_REASON_MAX 256        /* text of an end reason, bytes */
#define CF_CALL_CONTEXT_MAX 4096      /* custom context, bytes */
#define CF_CALL_NOTIFICATION_MAX 4096 /* data of a notification, bytes */
#define CF_CALL_NOTIFICATION_KIND_MAX 32
#define CF_CALL_SDP_MAX 65536
#define CF_CALL_CANDIDATES_MAX 64      /* in one request */
#define CF_CALL_LEG_CANDIDATES_MAX 256 /* of one leg between two offers */
#define CF_CALL_CANDIDATE_MAX 512      /* text of one, bytes */
#define CF_CALL_MID_MAX 64
#define CF_CALL_TRACE_MAX 512 /* entries of one call */
/* Details of one call's trace, bytes: the rest is left out. Twice that (a restart in between) is
 * still less than an answer may have. */
#define CF_CALL_TRACE_BYTES_MAX (400 * 1024)
/* What of a device's number names its screen where that names its voice and its camera. */
#define CF_CALL_SCREEN_SOURCE 0x80000000u
#define CF_CALL_WISHES_MAX 64
#define CF_CALL_LEGS_MAX 32    /* devices of one participant that ring */
#define CF_CALL_TARGETS_MAX 16 /* people called with one request */
/* People that one group call knows, those included that have left. */
#define CF_CALL_PARTICIPANTS_KEPT 2000

/* Both clocks, read together. */
struct cf_call_time {
	uint64_t us;     /* monotonic */
	int64_t wall_ms; /* since 1970 */
};

struct cf_call_domain;
struct cf_call_endpoint;

enum cf_call_state { CF_CALL_RINGING, CF_CALL_CONNECTED, CF_CALL_ENDED };
#define CF_CALL_STATES 3
enum cf_call_ice_transport { CF_CALL_ICE_ALL, CF_CALL_ICE_RELAY, CF_CALL_ICE_DIRECT };

/* Why a call, or a part in it, ended; as ACS counts. */
struct cf_call_end {
	int code;
	int subcode;
	const char *reason; /* static, or borrowed until return */
};

/* The ends that the domain itself decides (columns: name, code, subcode, text). */
#define CF_CALL_END_TABLE(X)                                                        \
	X(HANGUP, 0, 0, "ended by a participant")                                   \
	X(CANCELLED, 487, 0, "the caller cancelled")                                \
	X(DECLINED, 603, 0, "declined")                                             \
	X(BUSY, 486, 0, "busy")                                                     \
	X(ANSWERED_ELSEWHERE, 487, 10003, "answered on another device")             \
	X(NO_ANSWER, 487, 10004, "no answer in time")                               \
	X(ALL_DECLINED, 487, 10024, "all devices declined")                         \
	X(NO_ENDPOINT, 480, 10037, "no device of the callee is signed in")          \
	X(SETUP_LOST, 408, 10057, "a device went away while the call was set up")   \
	X(DEVICE_LOST, 410, 3101, "a device lost its connection to the service")    \
	X(MEDIA_NEVER, 410, 301004, "no media path between the devices was found")  \
	X(MEDIA_LOST, 410, 301005, "the media path was lost")                       \
	X(RELAY_BUDGET, 403, 301006, "relay budget used up")                        \
	X(OFFER_REFUSED, 488, 301007, "the media processor cannot take this offer") \
	X(PROCESSOR_LOST, 503, 301008, "the media processor stopped")               \
	X(REMOVED, 0, 5300, "removed from the call by another participant")         \
	X(NOT_MOVED, 410, 301009, "a device did not reach the media processor")

enum cf_call_end_kind {
#define X(name, code, subcode, text) CF_CALL_END_##name,
	CF_CALL_END_TABLE(X)
#undef X
};

/** Static text and numbers of an end. */
struct cf_call_end cf_call_end_of(enum cf_call_end_kind kind);

struct cf_call_candidate {
	const char *candidate; /* "candidate:..." without "a="; never NULL */
	const char *mid;       /* or NULL */
	int mline_index;       /* or -1 */
};

enum cf_call_event_type {
	CF_CALL_EV_INCOMING,     /* from, to, sdp (offer) or group_id, custom_context */
	CF_CALL_EV_ACCEPTED,     /* to the caller: from, sdp (answer) */
	CF_CALL_EV_REJECTED,     /* to the caller: from, end; other devices may still ring */
	CF_CALL_EV_CANCELLED,    /* to a ringing device: end */
	CF_CALL_EV_CANDIDATES,   /* candidates, end_of_candidates */
	CF_CALL_EV_RENEGOTIATE,  /* sdp, sdp_type */
	CF_CALL_EV_PARTICIPANTS, /* participants, roster: of a group, those that changed */
	CF_CALL_EV_ENDED,        /* end */
	CF_CALL_EV_BUDGET_LOW,   /* budget, used_bytes, limit_bytes */
	CF_CALL_EV_NOTIFICATION, /* from, notification */
	CF_CALL_EV_PROMOTE,      /* group_id: offer to the media processor, too */
	CF_CALL_EV_PROMOTED,     /* all have media there: the way between the two is over */
	CF_CALL_EV_NOT_PROMOTED, /* end: the call goes on between the two, as before */
	CF_CALL_EV_DEMOTE,       /* from, sdp (NULL: offer to the other one, else answer this) */
	CF_CALL_EV_DEMOTED,      /* from: both have media on the way between them */
	CF_CALL_EV_NOT_DEMOTED,  /* from: the call goes on over the media processor, as before */
};

/* What one participant's device tells the others; the service passes it on and keeps nothing. */
struct cf_call_notification {
	const char *kind;
	const char *data; /* a JSON object, as text */
};

/* Somebody in a call, or one device of theirs. Borrowed. */
struct cf_call_participant_view {
	const char *raw_id;
	const char *display_name; /* or NULL */
	const char *endpoint_id;  /* of the device that speaks, or NULL */
	const char *state;        /* "calling", "ringing", "connected", "disconnected" */
	bool muted;               /* by its own word; in a group */
	uint32_t source; /* in a group: the contributing source (CSRC) of what is heard of it, and
			  * seen; of its screen: with CF_CALL_SCREEN_SOURCE turned */
	struct cf_call_end end; /* why it did not come; code 0: not so. Static reason */
};

/* Everything in it is borrowed until the sink returns. Fields that a type lacks are NULL or 0. */
struct cf_call_event {
	enum cf_call_event_type type;
	const char *call_id;
	const char *endpoint_id; /* whom it is for */
	const char *from_raw_id;
	const char *from_name;
	const char *from_endpoint_id; /* of a notification in a group */
	const char *to_raw_id;
	const char *sdp;
	const char *sdp_type; /* "offer" or "answer" */
	const char *group_id;
	const char *custom_context;
	enum cf_call_ice_transport ice_transport;
	const struct cf_call_candidate *candidates;
	size_t n_candidates;
	bool end_of_candidates;
	struct cf_call_end end;
	const char *budget; /* whose it is: "user", "call" or "resource". Static */
	uint64_t used_bytes, limit_bytes;
	struct cf_call_notification notification;
	const struct cf_call_participant_view *participants;
	size_t n_participants;
	uint32_t roster; /* one more with each change of the group */
};

/** Takes an event for one endpoint. Runs from cf_call_domain_deliver() only. */
typedef void cf_call_event_fn(
	struct cf_call_endpoint *endpoint, const struct cf_call_event *event, void *arg);

/* One step in the story of a call. Borrowed until return. */
struct cf_call_trace {
	const char *call_id;
	uint32_t seq; /* 1, 2, ... within the call */
	int64_t wall_ms;
	const char *room;        /* "call", "ice", "relay", ... */
	const char *kind;        /* "invited", "accepted", ... */
	const char *endpoint_id; /* or NULL */
	const char *detail;      /* JSON object in text, or NULL */
};

/* A participant's leg, for billing. Written when it connects, each minute and when it ends; the
 * same leg_id replaces what was written before. Borrowed until return. */
struct cf_call_leg_record {
	const char *leg_id;
	const char *call_id;
	const char *raw_id;
	const char *endpoint_id;
	int64_t start_wall_ms;
	int64_t end_wall_ms; /* so far, if not ended */
	bool ended;
	int code;
	int subcode;
};

/* What the domain asks of others. Each may be NULL. They run inside verbs, and call none. */
struct cf_call_ports {
	/* Events wait: call cf_call_domain_deliver() soon, not from here. */
	void (*wake)(void *arg);
	/* The deadline may have moved: ask for it. */
	void (*deadline_moved)(void *arg);
	void (*trace)(const struct cf_call_trace *entry, void *arg);
	void (*leg)(const struct cf_call_leg_record *record, void *arg);
	/* A call changed in a way that must survive a restart. */
	void (*call_changed)(const char *call_id, void *arg);
	/* An endpoint has gone; it is valid until return. */
	void (*endpoint_gone)(struct cf_call_endpoint *endpoint, void *arg);
};

/* The media processor, as the domain asks it for group calls. They copy what they keep, run inside
 * verbs, and call none: what follows comes back by cf_call_media_answered() and
 * cf_call_media_lost(). */
/* In how many rows of pixels a device shows what comes from a source; 0: not at all. */
struct cf_call_wish {
	uint32_t source;
	uint16_t height;
};

struct cf_call_media {
	/* A device comes with its offer; source names it in what the others hear (CSRC): 0;
	 * CF_EAGAIN (no room now), CF_ENOMEM. */
	int (*join)(const char *call_id, const char *leg_id, uint32_t source, const char *sdp,
		void *arg);
	void (*offer)(const char *call_id, const char *leg_id, const char *sdp, void *arg);
	void (*leave)(const char *call_id, const char *leg_id, void *arg);
	/* In which sizes the device shows the pictures of others. */
	void (*view)(const char *call_id, const char *leg_id, const struct cf_call_wish *wishes,
		size_t n, uint16_t others, void *arg);
	void *arg;
};

struct cf_call_options {
	uint64_t setup_timeout_us;     /* ringing, 85 s */
	uint64_t promote_timeout_us;   /* both at the media processor, 10 s */
	uint64_t reconnect_timeout_us; /* device of a running call without event stream, 120 s */
	uint64_t endpoint_timeout_us;  /* any other device without event stream, 60 s */
	uint64_t leg_record_us;        /* how often a leg is metered, 50 s */
	uint64_t ended_keep_us;        /* how long an ended call can be asked for, 60 s */
	size_t max_endpoints;
	size_t max_endpoints_per_user; /* 16 */
	size_t max_calls;
	size_t max_calls_per_endpoint; /* 8 */
	size_t max_group_members;      /* devices in one group call, 350 */
	bool direct_when_two;          /* a call among people, when two are left; yes */
};

struct cf_call_options cf_call_options_defaults(void);

/** A domain, or NULL. Copies options and ports; arg is handed to the ports. */
CF_MUST_CHECK struct cf_call_domain *cf_call_domain_new(
	const struct cf_call_options *options, const struct cf_call_ports *ports, void *arg);
struct cf_call_domain *cf_call_domain_free(struct cf_call_domain *domain);

/** From now on there are group calls. Copies media. NULL: from now on there are no new ones. */
void cf_call_domain_set_media(struct cf_call_domain *domain, const struct cf_call_media *media);

/** Other limits and time-outs, for what is there as well (a reload). Copies options. */
void cf_call_domain_configure(struct cf_call_domain *domain, const struct cf_call_options *options,
	struct cf_call_time now);

/** Runs the sinks for all events queued, those queued meanwhile included (bounded). */
void cf_call_domain_deliver(struct cf_call_domain *domain);

/** Next time at which cf_call_domain_tick() has work, monotonic; CF_TIME_NEVER for none. */
uint64_t cf_call_domain_deadline(const struct cf_call_domain *domain);
void cf_call_domain_tick(struct cf_call_domain *domain, struct cf_call_time now);

size_t cf_call_domain_n_calls(const struct cf_call_domain *domain); /* that have not ended */
/** Adds the calls of each state, those that ended within the last minute too. Walks all. */
void cf_call_domain_count(
	const struct cf_call_domain *domain, size_t counts[static CF_CALL_STATES]);
size_t cf_call_domain_n_endpoints(const struct cf_call_domain *domain);

/* ---- endpoints ---- */

struct cf_call_endpoint_info {
	const char *raw_id;       /* copied */
	const char *display_name; /* or NULL; copied */
	bool internal;            /* lives in this process: never expires, survives no restart */
	cf_call_event_fn *sink;
	void *sink_arg;
};

/** Signs a device in; calls that ring its user ring it too. 0; CF_EINVAL, CF_ELIMIT, CF_ENOMEM. */
CF_MUST_CHECK int cf_call_endpoint_register(struct cf_call_domain *domain,
	const struct cf_call_endpoint_info *info, struct cf_call_time now,
	struct cf_call_endpoint **ret_endpoint);

/** Signs it out: its calls end. The endpoint is gone; no event reaches it any more. */
void cf_call_endpoint_remove(
	struct cf_call_domain *domain, struct cf_call_endpoint *endpoint, struct cf_call_time now);

/** Says whether an event stream is open; without one the device expires after a while. */
void cf_call_endpoint_online(struct cf_call_domain *domain, struct cf_call_endpoint *endpoint,
	bool online, struct cf_call_time now);

/** The endpoint with this id, or NULL. Valid until it is removed or the next tick. */
struct cf_call_endpoint *cf_call_endpoint_find(
	const struct cf_call_domain *domain, const char *endpoint_id);
const char *cf_call_endpoint_id(const struct cf_call_endpoint *endpoint);
const char *cf_call_endpoint_raw_id(const struct cf_call_endpoint *endpoint);
const char *cf_call_endpoint_name(const struct cf_call_endpoint *endpoint); /* or NULL */
/** For the owner's own use: an opaque pointer, NULL at first. */
void cf_call_endpoint_set_data(struct cf_call_endpoint *endpoint, void *data);
void *cf_call_endpoint_data(const struct cf_call_endpoint *endpoint);
/** Removes all devices of a user (deleted, tokens revoked). */
void cf_call_user_remove(
	struct cf_call_domain *domain, const char *raw_id, struct cf_call_time now);

/* ---- calls. All verbs: 0; CF_ENOTFOUND (no such call, or it has ended), CF_EDENIED (the endpoint
 * has no part in it), CF_ESTATE (not now: already accepted, glare, ...), CF_EINVAL, CF_ELIMIT,
 * CF_ENOMEM. On failure nothing has changed. Text arguments are copied. ---- */

struct cf_call_start {
	const char *target_raw_id;  /* whom to call, or */
	const char *group_id;       /* NULL, or the group to join: a UUID, as text; or */
	const char *const *targets; /* NULL, or whom to call all together: a group of its own */
	size_t n_targets;           /* up to CF_CALL_TARGETS_MAX */
	const char *sdp;            /* offer */
	const char *custom_context;
	enum cf_call_ice_transport ice_transport;
};

/** Places a call; its id goes to ret_call_id. A callee without any device ends it at once, by
 * event (480/10037).
 * Or joins a group call, which begins with its first member: the answer of the media processor
 * follows as CF_CALL_EV_ACCEPTED, the members as CF_CALL_EV_PARTICIPANTS. A device that is in it
 * already leaves first (its connection is a new one). Also CF_ENOTSUP (no media processor),
 * CF_ENOSPC (the call is full), CF_EAGAIN (the media processor is busy). */
CF_MUST_CHECK int cf_call_start(struct cf_call_domain *domain, struct cf_call_endpoint *caller,
	const struct cf_call_start *start, struct cf_call_time now,
	char ret_call_id[static CF_CALL_ID_MAX]);

/** The media processor has answered a leg's offer. NULL: it cannot take it, the leg ends. */
void cf_call_media_answered(struct cf_call_domain *domain, const char *call_id, const char *leg_id,
	const char *sdp, struct cf_call_time now);

/** The media of a leg ended: by this end. */
void cf_call_media_lost(struct cf_call_domain *domain, const char *call_id, const char *leg_id,
	struct cf_call_end end, struct cf_call_time now);

/** A leg has media with the media processor. */
void cf_call_media_connected(struct cf_call_domain *domain, const char *call_id, const char *leg_id,
	struct cf_call_time now);

/**
 * Calls somebody into the call: their devices ring, and whoever accepts (with an offer) is in. A
 * call between two becomes a group call by it, under the same id: both devices get
 * CF_CALL_EV_PROMOTE, offer to the media processor by cf_call_promote(), and go on as before until
 * both have media there (CF_CALL_EV_PROMOTED) or one does not get it (CF_CALL_EV_NOT_PROMOTED).
 * Somebody who is in it or rings already stays so. Also CF_ENOTSUP (no media processor), CF_ENOSPC
 * (the call is full).
 */
CF_MUST_CHECK int cf_call_invite(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *raw_id, struct cf_call_time now);

/** The offer of one that was asked for it by CF_CALL_EV_PROMOTE; the answer follows as
 * CF_CALL_EV_ACCEPTED. */
CF_MUST_CHECK int cf_call_promote(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *sdp, struct cf_call_time now);

/**
 * When two are left in a call among people who were called, it becomes one between two again
 * (options.direct_when_two): one gets CF_CALL_EV_DEMOTE and offers to the other one by this; that
 * one gets CF_CALL_EV_DEMOTE with the offer and answers by this, which the first gets as
 * CF_CALL_EV_ACCEPTED. Descriptions have all candidates. Both go on as before until both have told
 * cf_call_direct() (CF_CALL_EV_DEMOTED), or somebody comes, or it takes too long
 * (CF_CALL_EV_NOT_DEMOTED).
 */
CF_MUST_CHECK int cf_call_demote(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *sdp, struct cf_call_time now);

/** The device has media on the way to the other one. */
CF_MUST_CHECK int cf_call_direct(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, struct cf_call_time now);

/** Takes somebody out of a group call, with all devices, or stops their ringing. */
CF_MUST_CHECK int cf_call_remove(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *raw_id, struct cf_call_time now);

/** Asks somebody's devices (raw_id NULL: all others') to mute themselves: a notification "mute". */
CF_MUST_CHECK int cf_call_mute_others(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *raw_id);

/** The first device wins. It and the caller then get the candidates gathered so far. In a group sdp
 * is an offer, and the answer follows as CF_CALL_EV_ACCEPTED. */
CF_MUST_CHECK int cf_call_accept(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *sdp, struct cf_call_time now);

CF_MUST_CHECK int cf_call_reject(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, bool busy, struct cf_call_time now);

/** Routes candidates to the other side; before the call is accepted they wait. */
CF_MUST_CHECK int cf_call_candidates(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const struct cf_call_candidate *candidates, size_t n,
	bool end_of_candidates, struct cf_call_time now);

/** A new offer, or the answer to one. Of two offers that cross the later gets CF_ESTATE. */
CF_MUST_CHECK int cf_call_renegotiate(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *sdp, bool answer, struct cf_call_time now);

/** Leaves; a call between two ends, a group with its last member. for_everyone: ends it for all.
 * end: NULL for a plain hang-up, or why (0 <= code <= 699). */
CF_MUST_CHECK int cf_call_hangup(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, bool for_everyone, const struct cf_call_end *end,
	struct cf_call_time now);

/** Tells the other side of a connected call. 0, CF_ENOTFOUND, CF_EDENIED, CF_ESTATE, CF_EINVAL (no
 * kind, or too long), CF_ELIMIT (too much data), CF_ENOMEM. */
CF_MUST_CHECK int cf_call_notify(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const struct cf_call_notification *notification);

/** A device's report on path and quality (JSON object in text) for trace and record. */
CF_MUST_CHECK int cf_call_report(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const char *report, struct cf_call_time now);

/** In which sizes the device shows the pictures of a group's others: those named, and all else. */
CF_MUST_CHECK int cf_call_view(struct cf_call_domain *domain, const char *call_id,
	struct cf_call_endpoint *endpoint, const struct cf_call_wish *wishes, size_t n,
	uint16_t others);

/** Adds a step to a call's trace on behalf of another room. CF_ELIMIT when the trace is full. */
CF_MUST_CHECK int cf_call_trace_add(struct cf_call_domain *domain, const char *call_id,
	const char *room, const char *kind, const char *detail, struct cf_call_time now);

/* A relay budget that is nearly used up. Borrowed. */
struct cf_call_budget_low {
	const char *budget; /* "user", "call" or "resource". Static */
	const char *raw_id; /* whose allocation it was */
	uint64_t used_bytes, limit_bytes;
};

/** Tells the call's trace, and the devices in the call: of this user; of both when the budget is
 * the call's. A call that is over is told nothing. */
void cf_call_relay_budget_low(struct cf_call_domain *domain, const char *call_id,
	const struct cf_call_budget_low *low, struct cf_call_time now);

/** The relay stopped serving an allocation of this user in the call, as its budget is used up. A
 * call whose last report named a relayed path ends (403/301006), and so does this user's part in a
 * group; any other one goes on. */
void cf_call_relay_budget_used_up(struct cf_call_domain *domain, const char *call_id,
	const char *raw_id, struct cf_call_time now);

/* ---- looking ---- */

/** Takes one participant. Runs within the call; calls no verb. */
typedef void cf_call_participant_fn(const struct cf_call_participant_view *view, void *arg);

struct cf_call_view {
	const char *call_id;
	enum cf_call_state state;
	int64_t created_wall_ms;
	int64_t connected_wall_ms; /* 0: not yet */
	int64_t ended_wall_ms;
	struct cf_call_end end;
	enum cf_call_ice_transport ice_transport;
	const char *group_id; /* NULL: a call between two */
	size_t n_participants;
};

/** The call, ended ones for a minute. Borrowed until the next verb. 0 or CF_ENOTFOUND. */
CF_MUST_CHECK int cf_call_look(
	const struct cf_call_domain *domain, const char *call_id, struct cf_call_view *ret_view);

/** Tells its participants: the caller first, then the callee; those of a group in the order in
 * which they came, those included that have left. */
void cf_call_look_participants(const struct cf_call_domain *domain, const char *call_id,
	cf_call_participant_fn *fn, void *arg);

/** Whether a user has, or had, a part in the call. */
bool cf_call_has_user(const struct cf_call_domain *domain, const char *call_id, const char *raw_id);

const char *cf_call_state_name(enum cf_call_state state);

#endif
