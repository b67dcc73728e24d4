/* SPDX-License-Identifier: Apache-2.0 */
/* VP8 payloads (RFC 7741 section 4). */
#include "rtp/payload_priv.h"

#include "base/wire.h"

#include <string.h>

#define DESCRIPTOR_LEN 4 /* as we write it: X, I and a picture id of 15 bits */

static int cut(struct cf_payload_cutter *cutter)
{
	(void)cutter;
	return 0;
}

/* Pieces of about equal size: small ones at the end would be lost as often as large ones. */
static size_t next(struct cf_payload_cutter *cutter, uint8_t *p, bool *ret_last)
{
	size_t room = cutter->max - DESCRIPTOR_LEN, left = cutter->frame.len - cutter->pos;
	size_t parts = (left + room - 1) / room, n;

	if (left == 0)
		return 0;
	n = (left + parts - 1) / parts;
	p[0] = (uint8_t)(0x80 | (cutter->pos == 0 ? 0x10 : 0)); /* X, S */
	p[1] = 0x80;                                            /* I */
	p[2] = (uint8_t)(0x80 | cutter->picture_id >> 8);       /* M */
	p[3] = (uint8_t)cutter->picture_id;
	memcpy(p + DESCRIPTOR_LEN, cutter->frame.p + cutter->pos, n);
	cutter->pos += n;
	*ret_last = parts == 1;
	return DESCRIPTOR_LEN + n;
}

/* Section 4.2. The reader is behind the descriptor then. */
static int read_descriptor(struct cf_wire_reader *r, bool *ret_first)
{
	uint8_t first = cf_wire_read_u8(r);
	uint8_t more = first & 0x80 ? cf_wire_read_u8(r) : 0;

	*ret_first = (first & 0x1f) == 0x10;          /* S, and partition 0 */
	if (more & 0x80 && cf_wire_read_u8(r) & 0x80) /* I, M */
		cf_wire_skip(r, 1);
	if (more & 0x40) /* L */
		cf_wire_skip(r, 1);
	if (more & 0x30) /* T, K */
		cf_wire_skip(r, 1);
	return r->err || cf_wire_left(r) == 0 ? CF_EBADMSG : 0;
}

/* RFC 6386 section 9.1: behind the frame tag of a key frame stand a start code and the size. */
static void read_size(struct cf_wire_reader *r, struct cf_payload_part *part)
{
	struct cf_view head;

	cf_wire_skip(r, 2);
	head = cf_wire_read_view(r, 7);
	if (r->err || head.p[0] != 0x9d || head.p[1] != 0x01 || head.p[2] != 0x2a)
		return;
	part->width = (head.p[3] | (uint32_t)head.p[4] << 8) & 0x3fff;
	part->height = (head.p[5] | (uint32_t)head.p[6] << 8) & 0x3fff;
}

static int read(struct cf_view payload, struct cf_payload_part *ret_part)
{
	struct cf_wire_reader r;
	bool first;

	cf_wire_reader_init(&r, payload.p, payload.len);
	if (read_descriptor(&r, &first) < 0)
		return CF_EBADMSG;
	*ret_part = (struct cf_payload_part){
		.begins = first, .key = first && !(cf_wire_read_u8(&r) & 1)}; /* section 4.3: P */
	if (ret_part->key)
		read_size(&r, ret_part);
	return 0;
}

static int append(struct cf_view payload, uint8_t *out, size_t cap, size_t *len)
{
	struct cf_wire_reader r;
	bool first;
	size_t n;

	cf_wire_reader_init(&r, payload.p, payload.len);
	if (read_descriptor(&r, &first) < 0)
		return CF_EBADMSG;
	n = cf_wire_left(&r);
	if (n > cap - *len)
		return CF_ENOSPC;
	cf_wire_read_bytes(&r, out + *len, n);
	*len += n;
	return 0;
}

const struct cf_payload_format cf_payload_vp8 = {
	.name = "VP8", .cut = cut, .next = next, .read = read, .append = append};
