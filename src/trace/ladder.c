/* SPDX-License-Identifier: Apache-2.0 */
/* The ladder: four lifelines, one row for each event, time downwards. Rows are as tall as their
 * text; long silence is one short gap. */
#include "trace/picture.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define LANE_FIRST 230
#define LANE_STEP 276
#define HEAD_W 236
#define HEAD_H 46
#define TIME_X 92
#define TEXT_PX 12
#define ROW_PAD 17
#define GAP_H 44
#define GAP_MS 1000.0
#define TEXT_LINES 3
/* More rows than anybody reads are left out in the middle. */
#define ROWS_FIRST 130
#define ROWS_LAST 40

struct ladder {
	struct trace_out *out; /* NULL: only measuring */
	const struct story *story;
	int y;
	int band_y[SIDES], band_end; /* 0: none */
};

static bool is_pill(const struct story_event *event)
{
	return event->from == event->to || event->tone >= TONE_END;
}

static int lane_x(enum story_lane lane)
{
	return LANE_FIRST + LANE_STEP * (int)lane;
}

static const struct {
	const char *line, *fill, *text;
} tones[] = {
	[TONE_SIGNAL] = {"l-sig", "f-sig", ""},
	[TONE_SERVER] = {"l-stun", "f-stun", ""},
	[TONE_GOOD] = {"l-good", "f-good", ""},
	[TONE_BAD] = {"l-fail", "f-fail", "muted"},
	[TONE_MEDIA] = {"l-media", "f-media", "good"},
	[TONE_NOTE] = {"l-fail", "f-fail", ""},
	[TONE_END] = {"l-fail", "f-fail", ""},
	[TONE_FAILED] = {"l-fail", "f-fail", "bad"},
};

static void head_box(struct ladder *l, enum story_lane lane, const char *name, const char *what)
{
	static const struct svg_style title = {"", FONT_BOLD, 14, ANCHOR_MIDDLE},
				      small = {"muted", FONT_SANS, 11, ANCHOR_MIDDLE};
	int x = lane_x(lane);
	bool service = lane == LANE_CONTROLLER || lane == LANE_RELAY;

	if (!l->out)
		return;
	svg_rect(l->out, service ? "svc" : "card", (struct svg_point){x - HEAD_W / 2, l->y}, HEAD_W,
		HEAD_H, 10);
	svg_text(l->out, (struct svg_point){x, l->y + 20}, &title, HEAD_W - 16, name);
	svg_text(l->out, (struct svg_point){x, l->y + 37}, &small, HEAD_W - 16, what);
}

static void head(struct ladder *l)
{
	const struct story *story = l->story;
	const struct trace_side *callee = &story->call->side[CALLEE];

	l->y += 22;
	head_box(l, LANE_CALLER, story->name[CALLER], "caller");
	head_box(l, LANE_CONTROLLER, "Signalling controller", "HTTPS requests and events");
	head_box(l, LANE_RELAY, "STUN and TURN service", "outside addresses, relays");
	head_box(l, LANE_CALLEE, story->name[CALLEE],
		callee->service ? "callee, part of the service" : "callee");
	l->y += HEAD_H + 14;
}

/* ---- rows ---- */

/* Where a row's text stands and how wide it may be. */
struct span {
	int left, right;
};

static struct span span_of(const struct story_event *event)
{
	int a = lane_x(event->from), b = lane_x(event->to);

	if (a == b)
		return (struct span){a - HEAD_W / 2, a + HEAD_W / 2};
	return a < b ? (struct span){a, b} : (struct span){b, a};
}

static void arrow_head(struct ladder *l, const char *class, int x, int y, int direction)
{
	out_say(l->out, "<path class=\"%s\" d=\"M%d %dl%d -5v10z\"/>\n", class, x, y,
		-10 * direction);
}

static void draw_arrow(struct ladder *l, const struct story_event *event, int y)
{
	bool thick = event->tone == TONE_MEDIA;
	int a = lane_x(event->from), b = lane_x(event->to), direction = a < b ? 1 : -1;
	struct svg_point points[2] = {
		{a + (thick ? 10 * direction : 2 * direction), y}, {b - 9 * direction, y}};

	svg_poly(l->out, tones[event->tone].line, points, 2);
	arrow_head(l, tones[event->tone].fill, b - (thick ? 1 : 2) * direction, y, direction);
	if (thick)
		arrow_head(l, tones[event->tone].fill, a + direction, y, -direction);
	if (event->via != event->to)
		out_say(l->out, "<circle class=\"%s\" cx=\"%d\" cy=\"%d\" r=\"5\"/>\n",
			tones[event->tone].fill, lane_x(event->via), y);
	if (event->tone == TONE_BAD && event->via != event->to)
		svg_cross(l->out, (struct svg_point){(lane_x(event->via) + b) / 2, y});
	else if (event->tone == TONE_BAD)
		svg_cross(l->out, (struct svg_point){(a + b) / 2, y});
}

/* A label over a lifeline needs a ground of its own; half: of its width. */
static void draw_ground(struct ladder *l, struct span span, int half, int y, int lines, bool pill)
{
	int h = lines * svg_line_height(TEXT_PX), middle = (span.left + span.right) / 2;

	if (pill)
		svg_rect(l->out, "pill", (struct svg_point){span.left, y - 4},
			span.right - span.left, h + 9, 9);
	for (int lane = 0; !pill && lane < LANES; lane++) {
		int x = lane_x((enum story_lane)lane);

		if (x > middle - half - 4 && x < middle + half + 4)
			svg_rect(l->out, "bg", (struct svg_point){x - 3, y - 2}, 6, h + 2, 0);
	}
}

static void draw_time(struct ladder *l, double at_ms, int y)
{
	static const struct svg_style style = {"muted", FONT_MONO, 11, ANCHOR_END};
	char text[40];

	svg_text(l->out, (struct svg_point){TIME_X, y}, &style, TIME_X - 6,
		story_duration(at_ms, text));
}

/* Between its connection and the end a device's lifeline carries media. */
static void note_band(struct ladder *l, const struct story_event *event)
{
	int side = event->from == LANE_CALLER ? CALLER : CALLEE;

	if (event->tone == TONE_MEDIA && event->from != event->to && !l->band_y[side])
		l->band_y[side] = l->y + 10;
	if (event->tone == TONE_END || event->tone == TONE_FAILED)
		l->band_end = l->y;
}

static void row(struct ladder *l, const struct story_event *event)
{
	struct svg_style style = {tones[event->tone].text,
		event->tone == TONE_MEDIA ? FONT_BOLD : FONT_SANS, TEXT_PX, ANCHOR_MIDDLE};
	struct span span = span_of(event);
	bool pill = is_pill(event);
	int half, width = span.right - span.left - (pill ? 16 : 24);
	int lines =
		svg_wrap(NULL, (struct svg_point){0, 0}, &style, width, TEXT_LINES, event->text);
	int bottom = l->y + lines * svg_line_height(TEXT_PX);

	half = svg_text_width(event->text, style.font, TEXT_PX);
	half = (half < width ? half : width) / 2;
	note_band(l, event);
	if (l->out) {
		draw_ground(l, span, half, l->y, lines, pill);
		svg_wrap(l->out,
			(struct svg_point){(span.left + span.right) / 2, l->y + TEXT_PX - 1},
			&style, width, TEXT_LINES, event->text);
		draw_time(l, event->at_ms, pill ? l->y + TEXT_PX - 1 : bottom + 8);
		if (!pill)
			draw_arrow(l, event, bottom + 4);
	}
	l->y = bottom + ROW_PAD;
}

static void gap(struct ladder *l, const char *text)
{
	static const struct svg_style style = {"muted", FONT_SANS, 11, ANCHOR_END};

	if (l->out) {
		for (int lane = 0; lane < LANES; lane++) {
			int x = lane_x((enum story_lane)lane);

			svg_rect(l->out, "bg", (struct svg_point){x - 5, l->y}, 10, GAP_H - 14, 0);
			svg_poly(l->out, "l-gap",
				(struct svg_point[]){{x, l->y}, {x, l->y + GAP_H - 14}}, 2);
		}
		svg_text(l->out, (struct svg_point){TIME_X, l->y + 19}, &style, TIME_X - 6, text);
	}
	l->y += GAP_H;
}

static void rows(struct ladder *l)
{
	const struct story *story = l->story;
	size_t n = story->n_events;
	char text[60], time[40];

	for (size_t i = 0; i < n; i++) {
		const struct story_event *event = &story->events[i];

		if (i == ROWS_FIRST && n > ROWS_FIRST + ROWS_LAST) {
			snprintf(text, sizeof(text), "%zu more", n - ROWS_FIRST - ROWS_LAST);
			gap(l, text);
			i = n - ROWS_LAST - 1;
			continue;
		}
		if (i > 0 && event->at_ms - story->events[i - 1].at_ms >= GAP_MS) {
			snprintf(text, sizeof(text), "%s",
				story_duration(event->at_ms - story->events[i - 1].at_ms, time));
			gap(l, text);
		}
		row(l, event);
	}
}

static void draw_bands(const struct ladder *l, struct trace_out *out, int bottom)
{
	int end = l->band_end ? l->band_end : bottom;

	for (int side = 0; side < SIDES; side++)
		if (l->band_y[side] && end > l->band_y[side])
			svg_rect(out, "band",
				(struct svg_point){
					lane_x(side == CALLER ? LANE_CALLER : LANE_CALLEE) - 4,
					l->band_y[side]},
				8, end - l->band_y[side], 4);
}

int picture_ladder(struct trace_out *out, const struct story *story, int y)
{
	struct ladder l = {.out = NULL, .story = story, .y = y};
	int top, bottom;

	head(&l);
	top = l.y;
	rows(&l);
	bottom = l.y;
	if (out) {
		for (int lane = 0; lane < LANES; lane++) {
			int x = lane_x((enum story_lane)lane);

			svg_poly(
				out, "l-life", (struct svg_point[]){{x, top - 14}, {x, bottom}}, 2);
		}
		draw_bands(&l, out, bottom);
		l.out = out;
		l.y = y;
		head(&l);
		rows(&l);
	}
	return bottom + 26;
}
