/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wire.h"

#include <string.h>

void cf_wire_reader_init(struct cf_wire_reader *r, const void *p, size_t len)
{
	*r = (struct cf_wire_reader){.p = p, .len = len};
}

struct cf_view cf_wire_read_view(struct cf_wire_reader *r, size_t n)
{
	struct cf_view v = {NULL, 0};

	if (r->err || n > r->len - r->pos) {
		r->err = CF_EBADMSG;
		return v;
	}
	v.p = r->p + r->pos;
	v.len = n;
	r->pos += n;
	return v;
}

static uint64_t read_be(struct cf_wire_reader *r, size_t n)
{
	struct cf_view v = cf_wire_read_view(r, n);
	uint64_t x = 0;

	for (size_t i = 0; i < v.len; i++)
		x = x << 8 | v.p[i];
	return x;
}

uint8_t cf_wire_read_u8(struct cf_wire_reader *r)
{
	return (uint8_t)read_be(r, 1);
}

uint16_t cf_wire_read_u16(struct cf_wire_reader *r)
{
	struct cf_view v = cf_wire_read_view(r, 2);

	return v.p ? cf_wire_get_u16(v.p) : 0;
}

uint32_t cf_wire_read_u24(struct cf_wire_reader *r)
{
	return (uint32_t)read_be(r, 3);
}

uint32_t cf_wire_read_u32(struct cf_wire_reader *r)
{
	struct cf_view v = cf_wire_read_view(r, 4);

	return v.p ? cf_wire_get_u32(v.p) : 0;
}

uint64_t cf_wire_read_u64(struct cf_wire_reader *r)
{
	return read_be(r, 8);
}

void cf_wire_read_bytes(struct cf_wire_reader *r, void *dst, size_t n)
{
	struct cf_view v = cf_wire_read_view(r, n);

	if (v.p)
		memcpy(dst, v.p, n);
	else
		memset(dst, 0, n);
}

void cf_wire_skip(struct cf_wire_reader *r, size_t n)
{
	cf_wire_read_view(r, n);
}

void cf_wire_writer_init(struct cf_wire_writer *w, void *p, size_t cap)
{
	*w = (struct cf_wire_writer){.p = p, .cap = cap};
}

static uint8_t *take(struct cf_wire_writer *w, size_t n)
{
	uint8_t *at;

	if (w->err || n > w->cap - w->len) {
		w->err = CF_ENOSPC;
		return NULL;
	}
	at = w->p + w->len;
	w->len += n;
	return at;
}

static void write_be(struct cf_wire_writer *w, uint64_t v, size_t n)
{
	uint8_t *at = take(w, n);

	for (size_t i = n; at && i-- > 0; v >>= 8)
		at[i] = (uint8_t)v;
}

void cf_wire_write_u8(struct cf_wire_writer *w, uint8_t v)
{
	write_be(w, v, 1);
}

void cf_wire_write_u16(struct cf_wire_writer *w, uint16_t v)
{
	write_be(w, v, 2);
}

void cf_wire_write_u24(struct cf_wire_writer *w, uint32_t v)
{
	write_be(w, v, 3);
}

void cf_wire_write_u32(struct cf_wire_writer *w, uint32_t v)
{
	uint8_t *at = take(w, 4);

	if (at)
		cf_wire_put_u32(at, v);
}

void cf_wire_write_u64(struct cf_wire_writer *w, uint64_t v)
{
	write_be(w, v, 8);
}

void cf_wire_write_bytes(struct cf_wire_writer *w, const void *p, size_t n)
{
	uint8_t *at = take(w, n);

	if (at && n)
		memcpy(at, p, n);
}

void cf_wire_write_zero(struct cf_wire_writer *w, size_t n)
{
	uint8_t *at = take(w, n);

	if (at && n)
		memset(at, 0, n);
}

void cf_wire_patch_u16(struct cf_wire_writer *w, size_t pos, uint16_t v)
{
	if (w->err || pos + 2 > w->len)
		return;
	w->p[pos] = (uint8_t)(v >> 8);
	w->p[pos + 1] = (uint8_t)v;
}
