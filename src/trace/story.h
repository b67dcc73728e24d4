/* SPDX-License-Identifier: Apache-2.0 */
/* The story that words and pictures share: names, phrases, and the events in their order. For trace
 * and its tests only. */
#ifndef CF_TRACE_STORY_H
#define CF_TRACE_STORY_H

#include "trace/model.h"
#include "trace/out.h"

#define STORY_NAME_CHARS 40
#define STORY_TEXT 320 /* bytes of an event's text */
#define STORY_EVENTS_MAX 480
#define STORY_LEG_MAX 120 /* a candidate in words */

/* The lifelines of the ladder, from left to right. */
enum story_lane { LANE_CALLER, LANE_CONTROLLER, LANE_RELAY, LANE_CALLEE, LANES };

enum story_tone {
	TONE_SIGNAL, /* signalling */
	TONE_SERVER, /* STUN and TURN */
	TONE_GOOD,   /* a check that works, keys */
	TONE_BAD,    /* what failed */
	TONE_MEDIA,  /* media flows, a path */
	TONE_NOTE,
	TONE_END,    /* of the call */
	TONE_FAILED, /* of a call that failed */
};

struct story_event {
	double at_ms;
	size_t order; /* among equals */
	enum story_lane from, to;
	enum story_lane via; /* passes through; equal to `to` when straight */
	enum story_tone tone;
	char text[STORY_TEXT];
};

struct story {
	const struct trace_call *call;
	char name[SIDES][TRACE_TEXT_MAX(STORY_NAME_CHARS)]; /* "Ada"; "the caller" */
	enum trace_side_id view;                            /* whose report tells the path */
	const struct trace_path *first, *last;              /* of the view; NULL: nobody reported */
	size_t n_events;
	struct story_event events[STORY_EVENTS_MAX];
};

/** NULL: no memory. Keeps a reference to call. */
struct story *story_new(const struct trace_call *call);

/** "host 192.168.1.2:5000", "relay 5.6.7.8:9 over tcp". Returns text. */
const char *story_leg(const struct trace_candidate *candidate, char text[static STORY_LEG_MAX]);
/** "5.6.7.8:9" or "[2001:db8::1]:9"; port 0 or 9 of TCP is left out. Returns text. */
const char *story_address(const struct trace_candidate *candidate, char text[static STORY_LEG_MAX]);
/** What became of a pair: "no answer to 5 checks", "works, 12 ms". Returns text. */
const char *story_outcome(const struct trace_pair *pair, char text[static STORY_LEG_MAX]);
/** "directly from device to device", "through one relay", ... Static storage. */
const char *story_way(const struct trace_path *path);
/** "UDP", "TCP", "TLS". */
const char *story_via(enum trace_via via);
/** Why media moved: "the path before went silent". Static storage or borrowed. */
const char *story_cause(const char *cause);

/** The i-th pair that would have been better than the path and did not work; NULL past the end. */
const struct trace_pair *story_better(const struct trace_path *path, size_t i);

/** Whether it ended before anybody accepted it: then there is no path to explain. */
bool story_unanswered(const struct story *story);
/** Why nothing better than the path was tried: a sentence. Static storage. */
const char *story_no_better(const struct story *story);

/** One or two sentences: which way, and why no better one. */
void story_verdict(const struct story *story, char *text, size_t cap);

/** "84 ms", "4.2 s", "3 min 20 s". Returns text. */
const char *story_duration(double ms, char text[static 40]);
/** "532 B", "1.2 MB". Returns text. */
const char *story_bytes(double bytes, char text[static 40]);
/** "2026-11-22 23:38:51 UTC", "" when not known. Returns text. */
const char *story_date(int64_t wall_ms, char text[static 40]);

#endif
