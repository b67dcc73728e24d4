/* SPDX-License-Identifier: Apache-2.0 */
/* A document with a heading and one or both drawings. */
#include "trace/picture.h"

#include <stdio.h>
#include <string.h>

#define MARGIN 30

static void title_of(const struct story *story, char *text, size_t cap)
{
	const struct trace_path *path = story->last;

	if (story_unanswered(story))
		snprintf(text, cap, "%s calls %s: not answered", story->name[CALLER],
			story->name[CALLEE]);
	else if (!path)
		snprintf(text, cap, "%s calls %s", story->name[CALLER], story->name[CALLEE]);
	else if (!path->kind)
		snprintf(text, cap, "%s calls %s: no path was found", story->name[CALLER],
			story->name[CALLEE]);
	else
		snprintf(text, cap, "%s calls %s: %s, over %s", story->name[CALLER],
			story->name[CALLEE], story_way(path), story_via(path->via));
	if (strncmp(text, "the ", 4) == 0)
		text[0] = 'T';
}

static void subtitle_of(const struct story *story, char *text, size_t cap)
{
	const struct trace_call *call = story->call;
	const struct trace_side *side = &call->side[story->view];
	char id[TRACE_TEXT_MAX(40)], date[40], time[40], reason[TRACE_TEXT_MAX(50)];
	int n;

	n = snprintf(text, cap, "call %s", trace_clean(id, 40, call->id ? call->id : "?"));
	if (*story_date(call->start_wall_ms, date))
		n += snprintf(text + n, cap - (size_t)n, "  \u00b7  %s", date);
	if (side->connected_ms >= 0)
		n += snprintf(text + n, cap - (size_t)n, "  \u00b7  connected after %s",
			story_duration(side->connected_ms, time));
	if (call->reason)
		snprintf(text + n, cap - (size_t)n, "  \u00b7  %s after %s (%d/%d)",
			trace_clean(reason, 50, call->reason), story_duration(call->ended_ms, time),
			call->code, call->subcode);
}

int picture_head(struct trace_out *out, const struct story *story)
{
	static const struct svg_style title = {"", FONT_BOLD, 23, ANCHOR_START},
				      sub = {"muted", FONT_SANS, 13, ANCHOR_START},
				      why = {"", FONT_SANS, 14, ANCHOR_START};
	char text[900];
	int lines, width = SVG_W - 2 * MARGIN;

	title_of(story, text, sizeof(text));
	if (out)
		svg_text(out, (struct svg_point){MARGIN, 50}, &title, width, text);
	subtitle_of(story, text, sizeof(text));
	if (out)
		svg_text(out, (struct svg_point){MARGIN, 76}, &sub, width, text);
	story_verdict(story, text, sizeof(text));
	lines = svg_wrap(out, (struct svg_point){MARGIN, 104}, &why, width, 3, text);
	return 104 + lines * svg_line_height(14);
}

void trace_picture(struct trace_out *out, const struct story *story, bool network, bool ladder)
{
	char title[400], desc[900];
	int y = picture_head(NULL, story);

	if (network)
		y = picture_network(NULL, story, y);
	if (ladder)
		y = picture_ladder(NULL, story, y);
	title_of(story, title, sizeof(title));
	story_verdict(story, desc, sizeof(desc));
	svg_begin(out, y, title, desc);
	y = picture_head(out, story);
	if (network)
		y = picture_network(out, story, y);
	if (ladder)
		(void)picture_ladder(out, story, y);
	svg_end(out);
}
