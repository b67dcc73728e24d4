/* SPDX-License-Identifier: Apache-2.0 */
/* H.264 payloads (RFC 6184 section 5): single NAL units, STAP-A, FU-A. */
#include "rtp/payload_priv.h"

#include "base/wire.h"
#include "rtp/h264_sps.h"

#include <string.h>

enum {
	NAL_IDR = 5,
	NAL_SEI,
	NAL_SPS = CF_H264_NAL_SPS,
	NAL_PPS,
	NAL_AUD,
	NAL_STAP_A = 24,
	NAL_FU_A = 28
};

#define TYPE 0x1f
#define NRI 0x60
#define FU_START 0x80
#define FU_END 0x40

/* The unit that begins at pos (behind a start code), and where the next one begins: H.264 annex B.
 * Zeros at its end belong to the start code that follows. */
static struct cf_view unit_at(struct cf_view frame, size_t pos, size_t *ret_next)
{
	size_t end = pos, next = frame.len;

	for (; end + 3 <= frame.len; end++) {
		if (frame.p[end] == 0 && frame.p[end + 1] == 0 && frame.p[end + 2] == 1) {
			next = end + 3;
			break;
		}
	}
	if (next == frame.len && (end + 3 > frame.len))
		end = frame.len;
	while (end > pos && frame.p[end - 1] == 0)
		end--;
	*ret_next = next;
	return cf_view_of(frame.p + pos, end - pos);
}

static void advance(struct cf_payload_cutter *cutter)
{
	cutter->nal_pos = 0;
	cutter->nal = cf_view_of(NULL, 0);
	if (cutter->pos < cutter->frame.len)
		cutter->nal = unit_at(cutter->frame, cutter->pos, &cutter->pos);
}

static int cut(struct cf_payload_cutter *cutter)
{
	const uint8_t *p = cutter->frame.p;
	size_t n = cutter->frame.len, start = n >= 4 && p[2] == 0 ? 4 : 3, next;

	if (n <= start || p[0] || p[1] || p[start - 1] != 1)
		return CF_EINVAL;
	for (cutter->pos = start; cutter->pos < n; cutter->pos = next)
		if (unit_at(cutter->frame, cutter->pos, &next).len == 0)
			return CF_EINVAL;
	cutter->pos = start;
	advance(cutter);
	return 0;
}

/* Section 5.8. Fragments of about equal size. */
static size_t next_fragment(struct cf_payload_cutter *cutter, uint8_t *p)
{
	size_t room = cutter->max - 2, from = cutter->nal_pos ? cutter->nal_pos : 1;
	size_t left = cutter->nal.len - from, parts = (left + room - 1) / room;
	size_t n = (left + parts - 1) / parts;
	uint8_t head = cutter->nal.p[0];

	p[0] = (head & NRI) | NAL_FU_A;
	p[1] = (uint8_t)((from == 1 ? FU_START : 0) | (parts == 1 ? FU_END : 0) | (head & TYPE));
	memcpy(p + 2, cutter->nal.p + from, n);
	cutter->nal_pos = from + n;
	if (parts == 1)
		advance(cutter);
	return n + 2;
}

static bool is_small(struct cf_view nal)
{
	uint8_t type = nal.len ? nal.p[0] & TYPE : 0;

	return type == NAL_SPS || type == NAL_PPS || type == NAL_SEI || type == NAL_AUD;
}

/* Section 5.7.1: parameter sets and their like go together. */
static size_t next_aggregate(struct cf_payload_cutter *cutter, uint8_t *p)
{
	uint8_t nri = 0;
	size_t n = 1;

	do {
		p[n] = (uint8_t)(cutter->nal.len >> 8);
		p[n + 1] = (uint8_t)cutter->nal.len;
		memcpy(p + n + 2, cutter->nal.p, cutter->nal.len);
		if ((cutter->nal.p[0] & NRI) > nri)
			nri = cutter->nal.p[0] & NRI;
		n += 2 + cutter->nal.len;
		advance(cutter);
	} while (is_small(cutter->nal) && n + 2 + cutter->nal.len <= cutter->max);
	p[0] = nri | NAL_STAP_A;
	return n;
}

static bool next_fits_too(const struct cf_payload_cutter *cutter)
{
	struct cf_view after = {NULL, 0};
	size_t next;

	if (is_small(cutter->nal) && cutter->pos < cutter->frame.len)
		after = unit_at(cutter->frame, cutter->pos, &next);
	return is_small(after) && 1 + 2 + cutter->nal.len + 2 + after.len <= cutter->max;
}

static size_t next(struct cf_payload_cutter *cutter, uint8_t *p, bool *ret_last)
{
	size_t n = cutter->nal.len;

	if (n == 0)
		return 0;
	if (cutter->nal_pos > 0 || n > cutter->max) {
		n = next_fragment(cutter, p);
	} else if (next_fits_too(cutter)) {
		n = next_aggregate(cutter, p);
	} else {
		memcpy(p, cutter->nal.p, n);
		advance(cutter);
	}
	*ret_last = cutter->nal.len == 0;
	return n;
}

static bool refreshes(uint8_t head)
{
	return (head & TYPE) == NAL_IDR || (head & TYPE) == NAL_SPS;
}

/* The next unit of an aggregation packet; false at the end or for a malformed one (r->err). */
static bool read_aggregated(struct cf_wire_reader *r, struct cf_view *ret_nal)
{
	if (cf_wire_left(r) == 0)
		return false;
	*ret_nal = cf_wire_read_view(r, cf_wire_read_u16(r));
	if (!r->err && ret_nal->len == 0)
		r->err = CF_EBADMSG;
	return !r->err;
}

static void read_size(struct cf_view nal, struct cf_payload_part *part)
{
	struct cf_h264_sps sps;

	if ((nal.p[0] & TYPE) != NAL_SPS || cf_h264_sps_read(nal, &sps) < 0)
		return;
	part->width = sps.width;
	part->height = sps.height;
}

static int read_stap(struct cf_view payload, struct cf_payload_part *ret_part)
{
	struct cf_payload_part part = {.begins = true};
	struct cf_wire_reader r;
	struct cf_view nal;
	size_t n = 0;

	cf_wire_reader_init(&r, payload.p + 1, payload.len - 1);
	for (; read_aggregated(&r, &nal); n++) {
		part.key |= refreshes(nal.p[0]);
		read_size(nal, &part);
	}
	if (r.err || n == 0)
		return CF_EBADMSG;
	*ret_part = part;
	return 0;
}

static int read(struct cf_view payload, struct cf_payload_part *ret_part)
{
	uint8_t type;

	if (payload.len == 0 || payload.p[0] & 0x80)
		return CF_EBADMSG;
	type = payload.p[0] & TYPE;
	if (type == NAL_STAP_A)
		return read_stap(payload, ret_part);
	if (type == NAL_FU_A) {
		if (payload.len < 3)
			return CF_EBADMSG;
		*ret_part = (struct cf_payload_part){.begins = payload.p[1] & FU_START};
		ret_part->key = ret_part->begins && refreshes(payload.p[1]);
		return 0;
	}
	if (type == 0 || type > 23)
		return CF_EBADMSG;
	*ret_part = (struct cf_payload_part){.begins = true, .key = refreshes(payload.p[0])};
	read_size(payload, ret_part);
	return 0;
}

static void append_unit(struct cf_wire_writer *w, struct cf_view nal)
{
	cf_wire_write_u32(w, 1);
	cf_wire_write_bytes(w, nal.p, nal.len);
}

static void append_fragment(struct cf_wire_writer *w, struct cf_view payload)
{
	if (payload.p[1] & FU_START) {
		cf_wire_write_u32(w, 1);
		cf_wire_write_u8(w, (uint8_t)((payload.p[0] & NRI) | (payload.p[1] & TYPE)));
	}
	cf_wire_write_bytes(w, payload.p + 2, payload.len - 2);
}

static int append(struct cf_view payload, uint8_t *out, size_t cap, size_t *len)
{
	struct cf_payload_part part;
	struct cf_wire_reader r;
	struct cf_wire_writer w;
	struct cf_view nal;

	if (read(payload, &part) < 0)
		return CF_EBADMSG;
	cf_wire_writer_init(&w, out + *len, cap - *len);
	if ((payload.p[0] & TYPE) == NAL_STAP_A) {
		cf_wire_reader_init(&r, payload.p + 1, payload.len - 1);
		while (read_aggregated(&r, &nal))
			append_unit(&w, nal);
	} else if ((payload.p[0] & TYPE) == NAL_FU_A) {
		append_fragment(&w, payload);
	} else {
		append_unit(&w, payload);
	}
	if (w.err)
		return CF_ENOSPC;
	*len += w.len;
	return 0;
}

const struct cf_payload_format cf_payload_h264 = {
	.name = "H264", .cut = cut, .next = next, .read = read, .append = append};
