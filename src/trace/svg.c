/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/svg.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORNER 12
#define TEXT_BYTES 1024

/* Light first; the same classes again for dark. No variables: not every viewer knows them. */
static const char style_sheet[] =
	"text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu "
	"Sans',sans-serif;fill:#1c2733}\n"
	".mono{font-family:ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}\n"
	".b{font-weight:600}.muted{fill:#5a6878}.bad{fill:#b3261e}.good{fill:#0b6b4b}"
	".old{fill:#8a5300}.sig{fill:#4454a3}\n"
	".bg{fill:#fff}.net{fill:#f3f6fa;stroke:#b4c0cd;stroke-dasharray:6 5}"
	".svc{fill:#eef1fd;stroke:#8795d6}.card{fill:#fff;stroke:#9fadbc}"
	".nat{fill:#fff6e3;stroke:#d3a445}.relay{fill:#e6f5ef;stroke:#4aa585}"
	".pill{fill:#fff;stroke:#b4c0cd}\n"
	".line{fill:none;stroke-linecap:round;stroke-linejoin:round}"
	".l-sig{stroke:#6a79c4;stroke-width:1.4;stroke-dasharray:5 5}"
	".l-stun{stroke:#3f8fb0;stroke-width:1.4;stroke-dasharray:2 5}"
	".l-media{stroke:#12966a;stroke-width:6}"
	".l-old{stroke:#d9922b;stroke-width:4;stroke-dasharray:14 8}"
	".l-fail{stroke:#a9b3bf;stroke-width:1.5}.l-spare{stroke:#4aa585;stroke-width:1.4;"
	"stroke-dasharray:2 5}"
	".l-good{stroke:#12966a;stroke-width:1.8}.l-life{stroke:#c3ccd6;stroke-width:1.5}"
	".l-gap{stroke:#c3ccd6;stroke-width:1.5;stroke-dasharray:2 6}\n"
	".cross{stroke:#c5372d;stroke-width:2.6;fill:none;stroke-linecap:round}"
	".f-media{fill:#12966a}.f-old{fill:#d9922b}.f-sig{fill:#6a79c4}.f-stun{fill:#3f8fb0}"
	".f-fail{fill:#a9b3bf}.f-good{fill:#12966a}.band{fill:#12966a;opacity:.35}"
	".icon{fill:none;stroke:#5a6878;stroke-width:1.6}.on{fill:#fff}\n"
	"@media (prefers-color-scheme:dark){text{fill:#e4eaf1}.muted{fill:#9ba9b8}"
	".bad{fill:#ff9a90}.good{fill:#6fd9b0}.old{fill:#f2b861}.sig{fill:#aab6f5}\n"
	".bg{fill:#10161d}.net{fill:#151d26;stroke:#435062}.svc{fill:#1b2238;stroke:#5c6cb8}"
	".card{fill:#1b2530;stroke:#54657a}.nat{fill:#2a2312;stroke:#8f722c}"
	".relay{fill:#122a22;stroke:#2f7d62}.pill{fill:#1b2530;stroke:#435062}\n"
	".l-sig{stroke:#8795e6}.l-stun{stroke:#66b3d3}.l-media{stroke:#2fc08d}"
	".l-old{stroke:#c98a2c}.l-fail{stroke:#5d6b7b}.l-spare{stroke:#3d9577}"
	".l-good{stroke:#2fc08d}.l-life,.l-gap{stroke:#3a4654}\n"
	".cross{stroke:#ff7a6e}.f-media,.f-good{fill:#2fc08d}.f-old{fill:#c98a2c}"
	".f-sig{fill:#8795e6}.f-stun{fill:#66b3d3}.f-fail{fill:#5d6b7b}.band{fill:#2fc08d}"
	".icon{stroke:#9ba9b8}.on{fill:#10161d}}\n";

void svg_begin(struct trace_out *out, int height, const char *title, const char *desc)
{
	out_say(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
		"height=\"%d\" role=\"img\" aria-labelledby=\"t d\">\n<title id=\"t\">",
		SVG_W, height, SVG_W, height);
	out_xml(out, title);
	out_say(out, "</title>\n<desc id=\"d\">");
	out_xml(out, desc);
	out_say(out, "</desc>\n<style>%s</style>\n", style_sheet);
	svg_rect(out, "bg", (struct svg_point){0, 0}, SVG_W, height, 0);
}

void svg_end(struct trace_out *out)
{
	out_say(out, "</svg>\n");
}

/* ---- measuring ---- */

/* Thousandths of the font's size, of DejaVu Sans: of all that are common the widest. */
static int char_width(unsigned c, enum svg_font font)
{
	static const char narrow[] = "iIjl|!.,:;'`()[]{} /\\frt-\"";
	static const char broad[] = "mwMW@%";
	int width;

	if (font == FONT_MONO)
		return c < 0x2000 || c == 0x2026 ? 610 : 1100;
	if (c >= 0x1100)
		return c >= 0x2010 && c < 0x2100 ? 1000 : 1150;
	if (c >= 0x80)
		return 760;
	width = strchr(narrow, (int)c) ? 420 : strchr(broad, (int)c) ? 1000 : 660;
	return font == FONT_BOLD ? width * 11 / 10 : width;
}

int svg_text_width(const char *text, enum svg_font font, int px)
{
	int64_t width = 0;
	unsigned c;

	while ((c = trace_char(&text)) != 0 && width < 1000000)
		width += char_width(c, font);
	return (int)(width * px / 1000);
}

/* Bytes of the longest beginning of text that is at most so wide. */
static size_t fitting(const char *text, enum svg_font font, int px, int width)
{
	const char *at = text, *end = text;
	int64_t sum = 0, limit = (int64_t)width * 1000 / px;
	unsigned c;

	while ((c = trace_char(&at)) != 0) {
		sum += char_width(c, font);
		if (sum > limit)
			break;
		end = at;
	}
	return (size_t)(end - text);
}

/* ---- text ---- */

int svg_line_height(int px)
{
	return px * 13 / 10 + 1;
}

static void put_line(
	struct trace_out *out, struct svg_point at, const struct svg_style *style, const char *text)
{
	static const char *const anchors[] = {
		"", " text-anchor=\"middle\"", " text-anchor=\"end\""};

	if (!out)
		return;
	out_say(out, "<text x=\"%d\" y=\"%d\" font-size=\"%d\" class=\"%s%s%s\"%s>", at.x, at.y,
		style->px,
		style->font == FONT_MONO   ? "mono "
		: style->font == FONT_BOLD ? "b "
					   : "",
		style->class, "", anchors[style->anchor]);
	out_xml(out, text);
	out_say(out, "</text>\n");
}

/* The first n bytes as a line; what goes on behind them ends in an ellipsis. */
static void put_part(struct trace_out *out, struct svg_point at, const struct svg_style *style,
	const char *text, size_t n, bool cut)
{
	char line[TEXT_BYTES];

	if (n > sizeof(line) - 4)
		n = sizeof(line) - 4;
	snprintf(line, sizeof(line), "%.*s%s", (int)n, text, cut ? "\u2026" : "");
	put_line(out, at, style, line);
}

void svg_text(struct trace_out *out, struct svg_point at, const struct svg_style *style, int width,
	const char *text)
{
	size_t n = fitting(text, style->font, style->px, width);
	bool cut = text[n] != 0;

	if (cut)
		n = fitting(text, style->font, style->px, width - style->px);
	put_part(out, at, style, text, n, cut);
}

int svg_wrap(struct trace_out *out, struct svg_point at, const struct svg_style *style, int width,
	int max_lines, const char *text)
{
	int lines = 0;

	while (*text && lines < max_lines) {
		size_t n = fitting(text, style->font, style->px, width), k = n;

		if (lines + 1 == max_lines || !text[n]) {
			if (out)
				svg_text(out, at, style, width, text);
			return lines + 1;
		}
		while (k > 0 && text[k] != ' ')
			k--;
		n = k > 0 ? k : n > 0 ? n : strlen(text);
		put_part(out, at, style, text, n, false);
		at.y += svg_line_height(style->px);
		lines++;
		text += n;
		text += strspn(text, " ");
	}
	return lines;
}

/* ---- shapes ---- */

void svg_rect(struct trace_out *out, const char *class, struct svg_point at, int w, int h, int r)
{
	out_say(out,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\" class=\"%s\"/>\n",
		at.x, at.y, w, h, r, class);
}

/* The point at `distance` from `from` on the way to `to`; lines are upright or level. */
static struct svg_point towards(struct svg_point from, struct svg_point to, int distance)
{
	int dx = to.x - from.x, dy = to.y - from.y, length = abs(dx) + abs(dy);

	if (distance > length / 2)
		distance = length / 2;
	return (struct svg_point){from.x + (dx > 0          ? distance
						   : dx < 0 ? -distance
							    : 0),
		from.y + (dy > 0          ? distance
				 : dy < 0 ? -distance
					  : 0)};
}

void svg_poly(struct trace_out *out, const char *class, const struct svg_point *p, size_t n)
{
	out_say(out, "<path class=\"line %s\" d=\"M%d %d", class, p[0].x, p[0].y);
	for (size_t i = 1; i + 1 < n; i++) {
		struct svg_point in = towards(p[i], p[i - 1], CORNER);
		struct svg_point on = towards(p[i], p[i + 1], CORNER);

		out_say(out, "L%d %dQ%d %d %d %d", in.x, in.y, p[i].x, p[i].y, on.x, on.y);
	}
	out_say(out, "L%d %d\"/>\n", p[n - 1].x, p[n - 1].y);
}

void svg_cross(struct trace_out *out, struct svg_point at)
{
	out_say(out, "<path class=\"cross\" d=\"M%d %dl10 10m0 -10l-10 10\"/>\n", at.x - 5,
		at.y - 5);
}
