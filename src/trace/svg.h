/* SPDX-License-Identifier: Apache-2.0 */
/* The little of SVG that the pictures need. Text is measured by the widest common font, so that
 * what fits here fits everywhere. For trace and its tests only. */
#ifndef CF_TRACE_SVG_H
#define CF_TRACE_SVG_H

#include "trace/out.h"

#define SVG_W 1200 /* of each picture */

enum svg_font { FONT_SANS, FONT_BOLD, FONT_MONO };
enum svg_anchor { ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END };

struct svg_style {
	const char *class; /* of the style sheet */
	enum svg_font font;
	int px;
	enum svg_anchor anchor;
};

struct svg_point {
	int x, y;
};

/** Begins a document of this height; title and description are for those who listen. */
void svg_begin(struct trace_out *out, int height, const char *title, const char *desc);
void svg_end(struct trace_out *out);

/** Width in pixels, rather too much than too little. */
int svg_text_width(const char *text, enum svg_font font, int px);

/** One line of text, cut off with an ellipsis where it is wider than width. */
void svg_text(struct trace_out *out, struct svg_point at, const struct svg_style *style, int width,
	const char *text);

/** Text in at most max_lines lines of this width, downwards from `at`. How many there were. With
 * out NULL it only counts. */
int svg_wrap(struct trace_out *out, struct svg_point at, const struct svg_style *style, int width,
	int max_lines, const char *text);

/** Distance between lines of a size. */
int svg_line_height(int px);

void svg_rect(struct trace_out *out, const char *class, struct svg_point at, int w, int h, int r);

/** A line through points, corners rounded. */
void svg_poly(struct trace_out *out, const char *class, const struct svg_point *points, size_t n);

/** A cross: this did not work. */
void svg_cross(struct trace_out *out, struct svg_point at);

#endif
