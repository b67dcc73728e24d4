/* SPDX-License-Identifier: Apache-2.0 */
#include "sdp/session.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* The letters of RFC 8866 section 9 (k= is obsolete, but still to be passed over). */
#define TYPES "vosiuepcbtrzkam"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct cf_view cf_sdp_word(struct cf_view *rest)
{
	struct cf_view word = *rest;
	size_t start = 0, end;

	while (start < word.len && is_blank(word.p[start]))
		start++;
	for (end = start; end < word.len && !is_blank(word.p[end]);)
		end++;
	if (start == end)
		return *rest = cf_view_of(NULL, 0);
	*rest = cf_view_of(word.p + end, word.len - end);
	return cf_view_of(word.p + start, end - start);
}

const struct cf_sdp_line *cf_sdp_attr(
	struct cf_sdp_lines lines, const char *name, const struct cf_sdp_line *prev)
{
	size_t i = prev ? (size_t)(prev - lines.p) + 1 : 0;

	for (; i < lines.n; i++)
		if (lines.p[i].type == 'a' && cf_view_is(lines.p[i].name, name))
			return &lines.p[i];
	return NULL;
}

/* Cuts the next line off *rest, without its end. False at the end of the text. */
static bool next_line(struct cf_view *rest, struct cf_view *ret_line)
{
	const uint8_t *end;
	size_t len;

	if (rest->len == 0)
		return false;
	end = memchr(rest->p, '\n', rest->len);
	len = end ? (size_t)(end - rest->p) : rest->len;
	*ret_line = cf_view_of(rest->p, len > 0 && rest->p[len - 1] == '\r' ? len - 1 : len);
	len += end ? 1 : 0;
	*rest = cf_view_of(rest->p + len, rest->len - len);
	return true;
}

static int line_parse(struct cf_sdp_line *line, struct cf_view text)
{
	const uint8_t *colon;

	/* RFC 8866 section 5: a letter that the parser does not understand means to ignore or
	 * reject the whole description. Section 9: byte-string has no zero and no CR. */
	if (text.len < 2 || text.p[1] != '=' || text.p[0] == 0 || !strchr(TYPES, text.p[0]) ||
		memchr(text.p, 0, text.len) || memchr(text.p, '\r', text.len))
		return CF_EBADMSG;
	line->type = (char)text.p[0];
	line->name = cf_view_of(NULL, 0);
	line->value = cf_view_of(text.p + 2, text.len - 2);
	if (line->type != 'a')
		return 0;
	colon = memchr(line->value.p, ':', line->value.len);
	line->name = line->value;
	line->value = cf_view_of(NULL, 0);
	if (colon) {
		size_t n = (size_t)(colon - line->name.p);

		line->value = cf_view_of(colon + 1, line->name.len - n - 1);
		line->name.len = n;
	}
	return line->name.len ? 0 : CF_EBADMSG;
}

static int origin_parse(struct cf_sdp_origin *origin, struct cf_view value)
{
	struct cf_view version;

	origin->user = cf_sdp_word(&value);
	origin->id = cf_sdp_word(&value);
	version = cf_sdp_word(&value);
	origin->rest = value;
	if (cf_text_u64((const char *)version.p, version.len, &origin->version))
		return CF_EBADMSG;
	return 0;
}

static int section_parse(struct cf_sdp_section *section, struct cf_view value)
{
	struct cf_view port;
	const uint8_t *slash;
	uint64_t n;

	section->kind = cf_sdp_word(&value);
	port = cf_sdp_word(&value);
	section->proto = cf_sdp_word(&value);
	while (value.len && is_blank(value.p[0]))
		value = cf_view_of(value.p + 1, value.len - 1);
	section->formats = value;
	slash = port.len ? memchr(port.p, '/', port.len) : NULL; /* "port/number of ports" */
	if (slash)
		port.len = (size_t)(slash - port.p);
	if (cf_text_u64((const char *)port.p, port.len, &n) || n > UINT16_MAX)
		return CF_EBADMSG;
	section->port = (uint16_t)n;
	return value.len ? 0 : CF_EBADMSG;
}

/* Lines of a text, empty ones not counted. */
static size_t count_lines(struct cf_view text)
{
	struct cf_view line;
	size_t n = 0;

	while (next_line(&text, &line))
		n += line.len > 0;
	return n;
}

/* Puts the lines into their sections; `lines` has room for all of them. */
static int fill(struct cf_sdp *sdp, struct cf_sdp_line *lines, struct cf_view text)
{
	struct cf_sdp_lines *current = &sdp->lines;
	struct cf_view raw;
	int err;

	current->p = lines;
	while (next_line(&text, &raw)) {
		if (raw.len == 0)
			continue;
		if ((err = line_parse(lines, raw)))
			return err;
		if (lines->type == 'm') {
			struct cf_sdp_section *section = &sdp->sections[sdp->n_sections];

			if (sdp->n_sections == CF_SDP_MEDIA_MAX)
				return CF_ELIMIT;
			if ((err = section_parse(section, lines->value)))
				return err;
			sdp->n_sections++;
			current = &section->lines;
			current->p = ++lines;
			continue;
		}
		lines++;
		current->n++;
	}
	return 0;
}

static int check_head(struct cf_sdp *sdp)
{
	struct cf_sdp_lines lines = sdp->lines;

	/* RFC 8866 sections 5.1 and 5.2; the other lines may be missing: nothing here needs them.
	 */
	if (lines.n < 2 || lines.p[0].type != 'v' || !cf_view_is(lines.p[0].value, "0") ||
		lines.p[1].type != 'o')
		return CF_EBADMSG;
	return origin_parse(&sdp->origin, lines.p[1].value);
}

int cf_sdp_parse(struct cf_sdp **ret_sdp, struct cf_view text)
{
	struct cf_sdp *sdp;
	size_t n_lines;
	uint8_t *copy;
	int err;

	if (text.len > CF_SDP_TEXT_MAX)
		return CF_ELIMIT;
	n_lines = count_lines(text);
	if (n_lines > CF_SDP_LINES_MAX)
		return CF_ELIMIT;
	/* One piece of memory: the head, the lines, the text. */
	sdp = cf_alloc(sizeof(*sdp) + n_lines * sizeof(struct cf_sdp_line) + text.len + 1);
	if (!sdp)
		return CF_ENOMEM;
	copy = (uint8_t *)((struct cf_sdp_line *)(sdp + 1) + n_lines);
	if (text.len)
		memcpy(copy, text.p, text.len);
	err = fill(sdp, (struct cf_sdp_line *)(sdp + 1), cf_view_of(copy, text.len));
	if (!err)
		err = check_head(sdp);
	if (err) {
		cf_sdp_free(sdp);
		return err;
	}
	*ret_sdp = sdp;
	return 0;
}

struct cf_sdp *cf_sdp_free(struct cf_sdp *sdp)
{
	return cf_free(sdp);
}

static int line_write(const struct cf_sdp_line *line, struct cf_buf *out)
{
	bool attr = line->type == 'a';
	int err;

	if ((err = cf_buf_printf(out, "%c=", line->type)) ||
		(err = cf_buf_append(out, line->name.p, line->name.len)) ||
		(attr && line->value.p && (err = cf_buf_append(out, ":", 1))) ||
		(err = cf_buf_append(out, line->value.p, line->value.len)))
		return err;
	return cf_buf_append(out, "\r\n", 2);
}

static int lines_write(struct cf_sdp_lines lines, struct cf_buf *out)
{
	int err = 0;

	for (size_t i = 0; i < lines.n && !err; i++)
		err = line_write(&lines.p[i], out);
	return err;
}

int cf_sdp_write(const struct cf_sdp *sdp, struct cf_buf *out)
{
	int err = lines_write(sdp->lines, out);

	for (size_t i = 0; i < sdp->n_sections && !err; i++) {
		const struct cf_sdp_section *section = &sdp->sections[i];

		/* The line of "m=" itself stands right before the section's own lines. */
		err = line_write(section->lines.p - 1, out);
		if (!err)
			err = lines_write(section->lines, out);
	}
	return err;
}
