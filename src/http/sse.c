/* SPDX-License-Identifier: Apache-2.0 */
#include "http/sse.h"

#include "base/text.h"

#include <string.h>

void cf_sse_init(struct cf_sse *sse, cf_sse_fn *fn, void *arg)
{
	*sse = (struct cf_sse){.retry_ms = -1, .fn = fn, .arg = arg};
	cf_buf_init(&sse->line, CF_SSE_LINE_MAX);
	cf_buf_init(&sse->data, CF_SSE_DATA_MAX);
}

void cf_sse_done(struct cf_sse *sse)
{
	cf_buf_done(&sse->line);
	cf_buf_done(&sse->data);
}

const char *cf_sse_last_id(const struct cf_sse *sse)
{
	return sse->id;
}

/* Copies a field that fits and holds no zero byte; others are ignored. */
static void take_text(char *out, size_t cap, struct cf_view value)
{
	if (value.len >= cap || (value.len && memchr(value.p, 0, value.len)))
		return;
	if (value.len)
		memcpy(out, value.p, value.len);
	out[value.len] = 0;
}

static int take_field(struct cf_sse *sse, struct cf_view name, struct cf_view value)
{
	uint64_t ms;
	int err;

	if (cf_view_is(name, "data")) {
		sse->has_data = true;
		err = cf_buf_append(&sse->data, value.p, value.len);
		return err ? err : cf_buf_append(&sse->data, "\n", 1);
	}
	if (cf_view_is(name, "event"))
		take_text(sse->type, sizeof(sse->type), value);
	else if (cf_view_is(name, "id"))
		take_text(sse->id, sizeof(sse->id), value);
	else if (cf_view_is(name, "retry") &&
		 cf_text_u64((const char *)value.p, value.len, &ms) == 0 && ms <= INT64_MAX)
		sse->retry_ms = (int64_t)ms;
	return 0;
}

static void dispatch(struct cf_sse *sse)
{
	struct cf_sse_event event = {.id = sse->id, .type = sse->type[0] ? sse->type : "message"};

	if (sse->has_data) {
		sse->data.p[sse->data.len - 1] = 0; /* the last line feed */
		event.data = (const char *)sse->data.p;
		event.data_len = sse->data.len - 1;
		sse->fn(&event, sse->arg);
	}
	sse->has_data = false;
	sse->data.len = 0;
	sse->type[0] = 0;
}

static int take_line(struct cf_sse *sse)
{
	struct cf_view line = cf_buf_view(&sse->line);
	const uint8_t *colon;
	struct cf_view name, value = {NULL, 0};

	if (line.len == 0) {
		dispatch(sse);
		return 0;
	}
	colon = memchr(line.p, ':', line.len);
	if (colon == line.p) {
		sse->n_comments++;
		return 0;
	}
	name = colon ? cf_view_of(line.p, (size_t)(colon - line.p)) : line;
	if (colon) {
		value = cf_view_of(colon + 1, line.len - name.len - 1);
		if (value.len && value.p[0] == ' ')
			value = cf_view_of(value.p + 1, value.len - 1);
	}
	return take_field(sse, name, value);
}

static int end_line(struct cf_sse *sse)
{
	static const uint8_t bom[] = {0xef, 0xbb, 0xbf};
	int err;

	if (!sse->begun && sse->line.len >= 3 && memcmp(sse->line.p, bom, 3) == 0)
		cf_buf_consume(&sse->line, 3);
	sse->begun = true;
	err = take_line(sse);
	sse->line.len = 0;
	return err;
}

int cf_sse_feed(struct cf_sse *sse, const void *p, size_t n)
{
	const uint8_t *in = p;
	int err = 0;

	for (size_t i = 0; i < n && !err;) {
		size_t start = i;

		if (sse->was_cr && in[i] == '\n')
			start = ++i;
		sse->was_cr = false;
		while (i < n && in[i] != '\r' && in[i] != '\n')
			i++;
		err = cf_buf_append(&sse->line, in + start, i - start);
		if (err || i == n)
			break;
		sse->was_cr = in[i++] == '\r';
		err = end_line(sse);
	}
	return err;
}

static bool is_one_line(const char *text)
{
	return !text || strpbrk(text, "\r\n") == NULL;
}

static int write_field(struct cf_buf *buf, const char *name, const char *value, size_t n)
{
	int err = cf_buf_append_str(buf, name);

	if (!err)
		err = cf_buf_append(buf, value, n);
	return err ? err : cf_buf_append(buf, "\n", 1);
}

/* Each line break of the text, be it CR, LF or both, begins another field. */
static int write_data(struct cf_buf *buf, const char *data, size_t len)
{
	for (;;) {
		size_t n = 0;
		int err;

		while (n < len && data[n] != '\n' && data[n] != '\r')
			n++;
		err = write_field(buf, "data: ", data, n);
		if (err || n == len)
			return err;
		n += data[n] == '\r' && n + 1 < len && data[n + 1] == '\n' ? 2 : 1;
		data += n;
		len -= n;
	}
}

int cf_sse_write(
	struct cf_buf *buf, const char *id, const char *type, const char *data, size_t data_len)
{
	size_t before = buf->len;
	int err = is_one_line(id) && is_one_line(type) ? 0 : CF_EINVAL;

	if (!err && id)
		err = write_field(buf, "id: ", id, strlen(id));
	if (!err && type)
		err = write_field(buf, "event: ", type, strlen(type));
	if (!err)
		err = write_data(buf, data, data_len);
	if (!err)
		err = cf_buf_append(buf, "\n", 1);
	if (err)
		buf->len = before;
	return err;
}
