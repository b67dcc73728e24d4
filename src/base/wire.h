/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded cursors for wire formats, network byte order. The error is sticky: read or write the
 * whole message, check once at the end. After an error reads give 0 and writes do nothing.
 */
#ifndef CF_BASE_WIRE_H
#define CF_BASE_WIRE_H

#include "base/err.h"
#include "base/view.h"

#include <stddef.h>
#include <stdint.h>

/** A number at p, which has that many bytes. Compilers make one instruction of it. */
static inline uint16_t cf_wire_get_u16(const uint8_t p[static 2])
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t cf_wire_get_u32(const uint8_t p[static 4])
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void cf_wire_put_u32(uint8_t p[static 4], uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

struct cf_wire_reader {
	const uint8_t *p; /* borrowed */
	size_t len;
	size_t pos;
	int err; /* 0 or CF_EBADMSG */
};

void cf_wire_reader_init(struct cf_wire_reader *r, const void *p, size_t len);
uint8_t cf_wire_read_u8(struct cf_wire_reader *r);
uint16_t cf_wire_read_u16(struct cf_wire_reader *r);
uint32_t cf_wire_read_u24(struct cf_wire_reader *r);
uint32_t cf_wire_read_u32(struct cf_wire_reader *r);
uint64_t cf_wire_read_u64(struct cf_wire_reader *r);

/** n bytes, borrowed from the reader's memory; the empty view after an error. */
struct cf_view cf_wire_read_view(struct cf_wire_reader *r, size_t n);

/** Copies n bytes out; zeroes dst after an error. */
void cf_wire_read_bytes(struct cf_wire_reader *r, void *dst, size_t n);

void cf_wire_skip(struct cf_wire_reader *r, size_t n);

static inline size_t cf_wire_left(const struct cf_wire_reader *r)
{
	return r->err ? 0 : r->len - r->pos;
}

struct cf_wire_writer {
	uint8_t *p; /* borrowed */
	size_t cap;
	size_t len;
	int err; /* 0 or CF_ENOSPC */
};

void cf_wire_writer_init(struct cf_wire_writer *w, void *p, size_t cap);
void cf_wire_write_u8(struct cf_wire_writer *w, uint8_t v);
void cf_wire_write_u16(struct cf_wire_writer *w, uint16_t v);
void cf_wire_write_u24(struct cf_wire_writer *w, uint32_t v);
void cf_wire_write_u32(struct cf_wire_writer *w, uint32_t v);
void cf_wire_write_u64(struct cf_wire_writer *w, uint64_t v);
void cf_wire_write_bytes(struct cf_wire_writer *w, const void *p, size_t n);

/** n zero bytes. */
void cf_wire_write_zero(struct cf_wire_writer *w, size_t n);

/** Overwrites two bytes already written at pos. */
void cf_wire_patch_u16(struct cf_wire_writer *w, size_t pos, uint16_t v);

#endif
