/* SPDX-License-Identifier: Apache-2.0 */
/* The events of a call in their order: steps of signalling and relays as the service saw them,
 * servers, checks, keys and paths as the devices told them, on one clock. */
#include "trace/story.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECKS_SHOWN 12

/* ---- names ---- */

static void name_sides(struct story *story)
{
	const struct trace_call *call = story->call;

	for (int i = 0; i < SIDES; i++) {
		const struct trace_side *side = &call->side[i];

		trace_clean(story->name[i], STORY_NAME_CHARS, side->name ? side->name : "");
		/* What is all blanks is no name. */
		if (strspn(story->name[i], " ") == strlen(story->name[i]))
			snprintf(story->name[i], sizeof(story->name[i]), "%s",
				side->service ? "the echo bot"
				: i == CALLER ? "the caller"
					      : "the callee");
	}
	if (strcmp(story->name[CALLER], story->name[CALLEE]) == 0) {
		trace_clean(story->name[CALLER], STORY_NAME_CHARS - 12, call->side[CALLER].name);
		trace_clean(story->name[CALLEE], STORY_NAME_CHARS - 12, call->side[CALLEE].name);
		strncat(story->name[CALLER], " (caller)", 10);
		strncat(story->name[CALLEE], " (callee)", 10);
	}
}

/* ---- events ---- */

static enum story_lane lane_of(int side)
{
	return side == CALLER ? LANE_CALLER : side == CALLEE ? LANE_CALLEE : LANE_CONTROLLER;
}

struct way {
	enum story_lane from, to, via;
	enum story_tone tone;
};

static struct way straight(enum story_lane from, enum story_lane to, enum story_tone tone)
{
	return (struct way){from, to, to, tone};
}

CF_PRINTF(4, 5)
static void add(struct story *story, double at_ms, struct way way, const char *format, ...)
{
	struct story_event *event = &story->events[story->n_events];
	va_list args;

	if (story->n_events == STORY_EVENTS_MAX || at_ms < 0)
		return;
	*event = (struct story_event){.at_ms = at_ms,
		.order = story->n_events++,
		.from = way.from,
		.to = way.to,
		.via = way.via,
		.tone = way.tone};
	va_start(args, format);
	vsnprintf(event->text, sizeof(event->text), format, args);
	va_end(args);
	/* "the caller" begins a sentence here. */
	if (strncmp(event->text, "the ", 4) == 0)
		event->text[0] = 'T';
}

static const char *addresses(size_t n, char text[static 40])
{
	if (n == 0)
		snprintf(text, 40, "no address yet");
	else
		snprintf(text, 40, "%zu address%s", n, n == 1 ? "" : "es");
	return text;
}

static void add_relay_step(struct story *story, const struct trace_step *step)
{
	const struct trace_relay *relay = &story->call->relays[step->n - 1];
	const char *name = relay->side < 0 ? "somebody" : story->name[relay->side];
	struct way way = straight(lane_of(relay->side), LANE_RELAY, TONE_SERVER);
	char from[40], to[40];

	if (step->kind == STEP_ALLOCATED)
		add(story, step->at_ms, way, "A relay is allocated for %s, reached over %s", name,
			story_via(relay->via));
	else
		add(story, step->at_ms, way, "The relay of %s is given back: %s from it, %s to it",
			name, story_bytes(relay->bytes_from_client, from),
			story_bytes(relay->bytes_to_client, to));
}

static void add_candidates(struct story *story, const struct trace_step *step)
{
	int other = step->side == CALLER ? CALLEE : CALLER;
	struct way way = {lane_of(step->side), lane_of(other), LANE_CONTROLLER, TONE_SIGNAL};
	const char *name = story->name[step->side];
	char text[40];

	if (step->n == 0)
		add(story, step->at_ms, way, "%s has no more addresses", name);
	else
		add(story, step->at_ms, way, "%s sends %s more", name, addresses(step->n, text));
}

static void add_ringing(struct story *story, const struct trace_step *step)
{
	char device[TRACE_TEXT_MAX(STORY_NAME_CHARS)];
	struct way way = straight(LANE_CONTROLLER, LANE_CALLEE, TONE_SIGNAL);

	trace_clean(device, STORY_NAME_CHARS, step->text ? step->text : "");
	if (step->side == CALLEE)
		add(story, step->at_ms, way, "It rings at %s", story->name[CALLEE]);
	else
		add(story, step->at_ms, way, "It rings at another device%s%s", *device ? ", " : "",
			device);
}

static void add_ended(struct story *story, const struct trace_step *step)
{
	const struct trace_call *call = story->call;
	char reason[TRACE_TEXT_MAX(60)];

	trace_clean(reason, 60, call->reason);
	add(story, step->at_ms,
		straight(LANE_CALLER, LANE_CALLEE, call->code == 0 ? TONE_END : TONE_FAILED),
		"The call ends: %s (%d/%d)", reason, call->code, call->subcode);
}

/* Steps between a side and the controller, or through it to the other side. */
static void add_plain(struct story *story, const struct trace_step *step)
{
	static const struct {
		enum story_tone tone;
		bool described; /* with addresses for the other side */
		const char *verb;
	} plain[] = {
		[STEP_ACCEPTED] = {TONE_SIGNAL, true, "accepts, with "},
		[STEP_REJECTED] = {TONE_BAD, false, "declines"},
		[STEP_OFFER] = {TONE_SIGNAL, true, "makes a new offer, with "},
		[STEP_ANSWER] = {TONE_SIGNAL, true, "answers it, with "},
		[STEP_HANGUP] = {TONE_SIGNAL, false, "hangs up"},
	};
	bool known = step->side >= 0, described = plain[step->kind].described;
	enum story_lane from = known ? lane_of(step->side) : LANE_CALLEE;
	struct way way = {from, LANE_CONTROLLER, LANE_CONTROLLER, plain[step->kind].tone};
	char n[40];

	if (described)
		way.to = from == LANE_CALLER ? LANE_CALLEE : LANE_CALLER;
	add(story, step->at_ms, way, "%s %s%s", known ? story->name[step->side] : "Another device",
		plain[step->kind].verb, described ? addresses(step->n, n) : "");
}

static void add_other(struct story *story, const struct trace_step *step)
{
	char text[TRACE_TEXT_MAX(60)];
	enum story_lane lane = lane_of(step->side);

	if (step->kind == STEP_RESTARTED)
		add(story, step->at_ms, straight(lane, lane, TONE_NOTE),
			"The service was started again; the call goes on");
	else if (step->kind == STEP_DISCONNECTED)
		add(story, step->at_ms, straight(lane, lane, TONE_BAD),
			"%s hears nothing any more and looks for another path",
			step->side < 0 ? "Somebody" : story->name[step->side]);
	else
		add(story, step->at_ms, straight(lane, lane, TONE_NOTE), "%s",
			trace_clean(text, 60, step->text ? step->text : "?"));
}

static void add_step(struct story *story, const struct trace_step *step)
{
	char n[40];

	switch (step->kind) {
	case STEP_STARTED:
		add(story, step->at_ms, straight(LANE_CALLER, LANE_CONTROLLER, TONE_SIGNAL),
			"%s calls %s: an offer with %s", story->name[CALLER], story->name[CALLEE],
			addresses(step->n, n));
		break;
	case STEP_RINGING:
		add_ringing(story, step);
		break;
	case STEP_CANDIDATES:
		if (step->side >= 0)
			add_candidates(story, step);
		break;
	case STEP_ALLOCATED:
	case STEP_RELEASED:
		add_relay_step(story, step);
		break;
	case STEP_ENDED:
		add_ended(story, step);
		break;
	case STEP_RESTARTED:
	case STEP_DISCONNECTED:
	case STEP_OTHER:
		add_other(story, step);
		break;
	default:
		add_plain(story, step);
	}
}

/* ---- what the devices told ---- */

static const struct trace_candidate *outside_of(const struct trace_side *side)
{
	for (size_t i = 0; i < side->n_candidates; i++)
		if (side->candidates[i].type == TYPE_SRFLX)
			return &side->candidates[i];
	return NULL;
}

static void add_servers(struct story *story, int id)
{
	const struct trace_side *side = &story->call->side[id];
	const struct trace_candidate *outside = outside_of(side);
	enum story_lane lane = lane_of(id);
	char address[STORY_LEG_MAX];
	double first = TRACE_UNKNOWN;
	size_t silent = 0;

	for (size_t i = 0; i < side->n_servers; i++) {
		const struct trace_server *server = &side->servers[i];

		if (strncmp(server->url, "stun", 4) != 0)
			continue;
		silent += strcmp(server->state, "no-answer") == 0;
		if (server->done_ms >= 0 && (first < 0 || server->done_ms < first))
			first = server->done_ms;
	}
	if (outside)
		add(story, first, straight(LANE_RELAY, lane, TONE_SERVER),
			"STUN tells %s its outside address, %s", story->name[id],
			story_address(outside, address));
	else
		add(story, first, straight(LANE_RELAY, lane, TONE_SERVER),
			"STUN answers %s: there is no NAT", story->name[id]);
	if (silent > 0)
		add(story, side->gathered_ms >= 0 ? side->gathered_ms : side->checking_ms,
			straight(lane, LANE_RELAY, TONE_BAD), "%zu STUN server%s did not answer %s",
			silent, silent == 1 ? "" : "s", story->name[id]);
}

static void add_checks(struct story *story)
{
	const struct trace_path *path = story->first;
	enum story_lane lane = lane_of((int)story->view);
	enum story_lane other = lane == LANE_CALLER ? LANE_CALLEE : LANE_CALLER;
	char local[STORY_LEG_MAX], remote[STORY_LEG_MAX], outcome[STORY_LEG_MAX];
	double last = TRACE_UNKNOWN;
	size_t shown = 0, left = 0;

	for (size_t i = 0; path && i < path->n_pairs; i++) {
		const struct trace_pair *pair = &path->pairs[i];
		bool good = strcmp(pair->state, "succeeded") == 0;
		struct way way = {lane, other, pair->relays > 0 ? LANE_RELAY : other,
			good ? TONE_GOOD : TONE_BAD};

		if (pair->first_request_ms < 0)
			continue;
		if (shown == CHECKS_SHOWN) {
			left++;
			continue;
		}
		shown++;
		last = pair->first_request_ms > last ? pair->first_request_ms : last;
		add(story, pair->first_request_ms, way, "Check %s to %s: %s",
			story_leg(&pair->local, local), story_leg(&pair->remote, remote),
			story_outcome(pair, outcome));
	}
	if (left > 0)
		add(story, last, straight(lane, lane, TONE_NOTE), "and checks of %zu more pairs",
			left);
}

static struct way media_way(int id, const struct trace_path *path)
{
	int other = id == CALLER ? CALLEE : CALLER;

	return (struct way){lane_of(id), lane_of(other),
		path->relays > 0 ? LANE_RELAY : lane_of(other), TONE_MEDIA};
}

static void add_path_change(struct story *story, int id, const struct trace_path *path)
{
	char gap[60] = "", time[40];

	if (path->gap_ms >= 1)
		snprintf(gap, sizeof(gap), ", after %s of silence",
			story_duration(path->gap_ms, time));
	add(story, path->at_ms, media_way(id, path), "Media of %s moves: now %s over %s%s (%s)",
		story->name[id], story_way(path), story_via(path->via), gap,
		story_cause(path->cause));
}

static void add_media(struct story *story, int id)
{
	const struct trace_side *side = &story->call->side[id];
	char took[40];

	if ((int)story->view == id && side->dtls_done_ms >= 0)
		add(story, side->dtls_done_ms, straight(LANE_CALLER, LANE_CALLEE, TONE_GOOD),
			"DTLS: the media keys are agreed (took %s)",
			story_duration(side->dtls_done_ms - side->dtls_started_ms, took));
	for (size_t i = 0; i < side->n_paths; i++) {
		const struct trace_path *path = &side->paths[i];

		if (i == 0 && path->kind)
			add(story, side->connected_ms >= 0 ? side->connected_ms : path->at_ms,
				media_way(id, path), "%s is connected: media goes %s over %s",
				story->name[id], story_way(path), story_via(path->via));
		else if (i > 0 && path->kind)
			add_path_change(story, id, path);
	}
	if (side->audio_ms >= 0)
		add(story, side->audio_ms, straight(lane_of(id), lane_of(id), TONE_MEDIA),
			"%s hears the first audio", story->name[id]);
}

static int by_time(const void *a, const void *b)
{
	const struct story_event *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static void choose_view(struct story *story)
{
	const struct trace_side *side = story->call->side;

	/* A change of path may be told by one side only. */
	story->view = side[CALLEE].n_paths > side[CALLER].n_paths ? CALLEE : CALLER;
	if (side[story->view].n_paths > 0) {
		story->first = &side[story->view].paths[0];
		story->last = &side[story->view].paths[side[story->view].n_paths - 1];
	}
}

struct story *story_new(const struct trace_call *call)
{
	struct story *story = cf_alloc(sizeof(*story));

	if (!story)
		return NULL;
	story->call = call;
	name_sides(story);
	choose_view(story);
	for (size_t i = 0; i < call->n_steps; i++)
		add_step(story, &call->steps[i]);
	for (int i = 0; i < SIDES; i++)
		add_servers(story, i);
	add_checks(story);
	for (int i = 0; i < SIDES; i++)
		add_media(story, i);
	qsort(story->events, story->n_events, sizeof(story->events[0]), by_time);
	return story;
}
