/* SPDX-License-Identifier: Apache-2.0 */
/* The story of a call as text: what came out of it first, then how, then all that is known. */
#include "trace/words.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS 100

/* Writes text in lines that begin with indent blanks; the first one's are there already. */
static void say_wrapped(struct trace_out *out, const char *text, int indent)
{
	int column = indent;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column > indent && column + (int)word + 1 > COLUMNS) {
			out_say(out, "\n%*s", indent, "");
			column = indent;
		}
		out_say(out, "%s%.*s", column > indent ? " " : "", (int)word, text);
		column += (int)word + (column > indent);
		text += word;
		text += strspn(text, " ");
	}
	out_say(out, "\n");
}

static void say_heading(struct trace_out *out, const char *text)
{
	out_say(out, "\n%s\n", text);
}

static void say_person(struct trace_out *out, const struct story *story, int id)
{
	const struct trace_side *side = &story->call->side[id];
	char raw[TRACE_TEXT_MAX(90)];

	out_say(out, "  %s  %s", id == CALLER ? "from" : "to  ", story->name[id]);
	if (side->raw_id)
		out_say(out, ", %s", trace_clean(raw, 90, side->raw_id));
	out_say(out, "\n");
}

static void say_head(struct trace_out *out, const struct story *story)
{
	const struct trace_call *call = story->call;
	char id[TRACE_TEXT_MAX(60)], text[900], date[40], time[40];

	out_say(out, "Call %s\n", trace_clean(id, 60, call->id ? call->id : "without an id"));
	say_person(out, story, CALLER);
	say_person(out, story, CALLEE);
	if (*story_date(call->start_wall_ms, date))
		out_say(out, "  on    %s\n", date);
	if (call->ended_ms >= 0 && call->accepted_ms >= 0)
		out_say(out, "  for   %s\n",
			story_duration(call->ended_ms - call->accepted_ms, time));
	if (call->ice_transport && strcmp(call->ice_transport, "all") != 0)
		out_say(out, "  paths allowed: %s\n",
			strcmp(call->ice_transport, "relay") == 0 ? "relay only" : "no relay");
	story_verdict(story, text, sizeof(text));
	out_say(out, "\n");
	say_wrapped(out, text, 0);
}

static void say_path(
	struct trace_out *out, const struct story *story, const struct trace_path *path)
{
	char local[STORY_LEG_MAX], remote[STORY_LEG_MAX], outcome[STORY_LEG_MAX], line[500];
	const struct trace_pair *pair;

	if (path->kind) {
		snprintf(line, sizeof(line), "Media %s over %s: %s to %s.", story_way(path),
			story_via(path->via), story_leg(&path->local, local),
			story_leg(&path->remote, remote));
		out_say(out, "  ");
		say_wrapped(out, line, 2);
	}
	if (!story_better(path, 0)) {
		out_say(out, "  %s\n",
			path->kind ? story_no_better(story)
				   : "Not one pair of addresses was there to be tried.");
		return;
	}
	out_say(out, path->kind ? "  Each better one, and what failed on it:\n"
				: "  Each one that was tried, and what failed on it:\n");
	for (size_t i = 0; (pair = story_better(path, i)) != NULL; i++) {
		snprintf(line, sizeof(line), "%s to %s: %s", story_leg(&pair->local, local),
			story_leg(&pair->remote, remote), story_outcome(pair, outcome));
		out_say(out, "    - ");
		say_wrapped(out, line, 6);
	}
}

static void say_why(struct trace_out *out, const struct story *story)
{
	const struct trace_side *side = &story->call->side[story->view];
	char time[40];

	if (side->n_paths == 0 || story_unanswered(story))
		return;
	say_heading(out, side->paths[0].kind ? "Why this path" : "Why there was no path");
	say_path(out, story, &side->paths[0]);
	for (size_t i = 1; i < side->n_paths; i++) {
		const struct trace_path *path = &side->paths[i];

		out_say(out, "\n  Since %s", story_duration(path->at_ms, time));
		if (path->gap_ms >= 1)
			out_say(out, ", after hearing nothing for %s",
				story_duration(path->gap_ms, time));
		out_say(out, ", because %s:\n", story_cause(path->cause));
		say_path(out, story, path);
	}
}

static void say_events(struct trace_out *out, const struct story *story)
{
	double before = 0;
	char time[40];

	say_heading(out, "What happened");
	for (size_t i = 0; i < story->n_events; i++) {
		const struct story_event *event = &story->events[i];

		if (event->at_ms - before >= 1000)
			out_say(out, "            ...\n");
		out_say(out, "  %9s  ", story_duration(event->at_ms, time));
		say_wrapped(out, event->text, 13);
		before = event->at_ms;
	}
	if (story->call->n_left_out > 0)
		out_say(out, "  %zu entries more are not shown.\n", story->call->n_left_out);
}

static void say_candidates(struct trace_out *out, const struct story *story)
{
	char leg[STORY_LEG_MAX], from[CF_ADDR_TEXT_MAX];

	for (int i = 0; i < SIDES; i++) {
		const struct trace_side *side = &story->call->side[i];
		char heading[TRACE_TEXT_MAX(STORY_NAME_CHARS) + 20];

		snprintf(heading, sizeof(heading), "Addresses of %s", story->name[i]);
		say_heading(out, heading);
		for (size_t k = 0; k < side->n_candidates; k++) {
			const struct trace_candidate *c = &side->candidates[k];

			out_say(out, "  %s", story_leg(c, leg));
			if (cf_addr_ip_len(&c->related) && c->type != TYPE_HOST)
				out_say(out, ", %s %s",
					c->type == TYPE_RELAY ? "for" : "outside of",
					cf_addr_text(&c->related, from));
			out_say(out, "\n");
		}
		if (side->hidden)
			out_say(out, "  an address that the browser hides (mDNS)\n");
		if (side->n_candidates == 0 && !side->hidden)
			out_say(out, "  none is known\n");
	}
}

static void say_pairs(struct trace_out *out, const struct story *story)
{
	char local[STORY_LEG_MAX], remote[STORY_LEG_MAX], outcome[STORY_LEG_MAX];

	for (int i = 0; i < SIDES; i++) {
		const struct trace_side *side = &story->call->side[i];
		const struct trace_path *path = side->n_paths ? &side->paths[0] : NULL;
		char heading[TRACE_TEXT_MAX(STORY_NAME_CHARS) + 60];

		if (!path || path->n_pairs == 0)
			continue;
		snprintf(heading, sizeof(heading), "Pairs as %s saw them then, best first",
			story->name[i]);
		say_heading(out, heading);
		for (size_t k = 0; k < path->n_pairs; k++) {
			const struct trace_pair *pair = &path->pairs[k];

			out_say(out, "  %c %s to %s: %s\n", pair->selected ? '*' : ' ',
				story_leg(&pair->local, local), story_leg(&pair->remote, remote),
				story_outcome(pair, outcome));
		}
	}
}

static void say_relays(struct trace_out *out, const struct story *story)
{
	const struct trace_call *call = story->call;
	char from[40], to[40], time[40];

	if (call->n_relays > 0)
		say_heading(out, "Relays");
	for (size_t i = 0; i < call->n_relays; i++) {
		const struct trace_relay *relay = &call->relays[i];

		out_say(out, "  of %s, over %s",
			relay->side < 0 ? "somebody" : story->name[relay->side],
			story_via(relay->via));
		if (relay->counted)
			out_say(out, ": %s from it, %s to it",
				story_bytes(relay->bytes_from_client, from),
				story_bytes(relay->bytes_to_client, to));
		if (relay->start_ms >= 0 && relay->end_ms >= 0)
			out_say(out, ", for %s",
				story_duration(relay->end_ms - relay->start_ms, time));
		else if (relay->end_ms < 0)
			out_say(out, ": not given back yet");
		out_say(out, "\n");
	}
}

static void say_quality(struct trace_out *out, const struct story *story)
{
	bool any = false;

	for (int i = 0; i < SIDES; i++) {
		const struct trace_side *side = &story->call->side[i];
		double lost = side->packets_lost, all = side->packets_received + lost;

		if (!side->has_stats || (side->packets_sent <= 0 && side->packets_received <= 0))
			continue;
		if (!any)
			say_heading(out, "Quality");
		any = true;
		out_say(out,
			"  %s heard %.0f packets, lost %.0f (%.1f %%), jitter %.1f ms, made up "
			"%.0f "
			"frames",
			story->name[i], side->packets_received, lost,
			all > 0 ? 100 * lost / all : 0.0, side->jitter_ms, side->concealed);
		if (side->rtt_ms > 0)
			out_say(out, ", round trip %.1f ms", side->rtt_ms);
		out_say(out, "\n");
	}
}

void trace_words(struct trace_out *out, const struct story *story)
{
	say_head(out, story);
	say_events(out, story);
	say_why(out, story);
	say_candidates(out, story);
	say_pairs(out, story);
	say_relays(out, story);
	say_quality(out, story);
}
