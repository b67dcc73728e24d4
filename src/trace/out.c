/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/out.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 4096

void out_init(struct trace_out *out, size_t max)
{
	cf_buf_init(&out->buf, max);
	out->err = 0;
}

static void put(struct trace_out *out, const char *text, size_t n)
{
	if (out->err == 0)
		out->err = cf_buf_append(&out->buf, text, n);
}

void out_say(struct trace_out *out, const char *format, ...)
{
	char text[LINE_MAX_BYTES];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text))
		out->err = out->err ? out->err : CF_ELIMIT;
	else
		put(out, text, (size_t)n);
}

unsigned trace_char(const char **text)
{
	const unsigned char *p = (const unsigned char *)*text;
	unsigned c = *p;
	int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

	if (c == 0)
		return 0;
	c = more == 3 ? c & 7 : more == 2 ? c & 15 : more == 1 ? c & 31 : c;
	p++;
	for (; more > 0 && (*p & 0xc0) == 0x80; more--)
		c = c << 6 | (*p++ & 63);
	*text = (const char *)p;
	return c;
}

/* Controls of C0 and C1, marks and overrides of direction, invisible ones, non-characters. */
static bool is_unwelcome(unsigned c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff0 && c <= 0xfffb) || (c & 0xfffe) == 0xfffe || c == 0x061c ||
	       (c >= 0xd800 && c <= 0xdfff) || (c >= 0xe0000 && c <= 0xe0fff) || c > 0x10ffff;
}

static bool is_combining(unsigned c)
{
	return (c >= 0x300 && c <= 0x36f) || (c >= 0x1ab0 && c <= 0x1aff) ||
	       (c >= 0x1dc0 && c <= 0x1dff) || (c >= 0x20d0 && c <= 0x20ff) ||
	       (c >= 0xfe20 && c <= 0xfe2f);
}

char *trace_clean(char *text, size_t max_chars, const char *from)
{
	size_t len = 0, n = 0, last = 0;
	unsigned stacked = 0, c;
	const char *at = from;

	while ((c = trace_char(&at)) != 0) {
		const char *begin = from;

		from = at;
		stacked = is_combining(c) ? stacked + 1 : 0;
		/* Marks piled up on one letter would run over the lines above. */
		if (is_unwelcome(c) || stacked > 2)
			continue;
		if (n == max_chars) {
			len = last;
			memcpy(text + len, "\u2026", 3);
			len += 3;
			break;
		}
		last = len;
		memcpy(text + len, begin, (size_t)(at - begin));
		len += (size_t)(at - begin);
		n++;
	}
	text[len] = 0;
	return text;
}

void out_xml(struct trace_out *out, const char *text)
{
	while (*text) {
		const char *begin = text;
		unsigned c = trace_char(&text);

		if (c == '&')
			put(out, "&amp;", 5);
		else if (c == '<')
			put(out, "&lt;", 4);
		else if (c == '>')
			put(out, "&gt;", 4);
		else if (c == '"')
			put(out, "&quot;", 6);
		else if (c == '\'')
			put(out, "&#39;", 5);
		else if ((c < 0x20 && c != '\n' && c != '\t') || (c & 0xfffe) == 0xfffe)
			put(out, "\ufffd", 3);
		else
			put(out, begin, (size_t)(text - begin));
	}
}
