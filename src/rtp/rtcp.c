/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/rtcp.h"

#include <string.h>

#define BLOCK_LEN 24
#define SR_INFO_LEN 20
#define SDES_CNAME 1
#define REMB 0x52454d42u /* "REMB" */

enum { PT_SR = 200, PT_RR, PT_SDES, PT_BYE, PT_APP, PT_RTPFB, PT_PSFB };

/* Each reads what stands behind the four bytes of header; errors stick in r. */
static void parse_sr(struct cf_wire_reader *r, struct cf_rtcp_item *item)
{
	item->ssrc = cf_wire_read_u32(r);
	item->info.ntp = cf_wire_read_u64(r);
	item->info.rtp_ts = cf_wire_read_u32(r);
	item->info.packets = cf_wire_read_u32(r);
	item->info.octets = cf_wire_read_u32(r);
	item->body = cf_wire_read_view(r, (size_t)item->count * BLOCK_LEN);
}

static void parse_rr(struct cf_wire_reader *r, struct cf_rtcp_item *item)
{
	item->ssrc = cf_wire_read_u32(r);
	item->body = cf_wire_read_view(r, (size_t)item->count * BLOCK_LEN);
}

/* The items of one SDES chunk up to and with its padding; the CNAME, if it has one. */
static void read_chunk(struct cf_wire_reader *r, uint32_t *ret_ssrc, struct cf_view *ret_cname)
{
	size_t start = r->pos;
	uint8_t type;

	*ret_ssrc = cf_wire_read_u32(r);
	while ((type = cf_wire_read_u8(r)) != 0) {
		struct cf_view text = cf_wire_read_view(r, cf_wire_read_u8(r));

		if (type == SDES_CNAME && !ret_cname->p)
			*ret_cname = text;
	}
	/* RFC 3550 section 6.5: a chunk ends on a 32-bit boundary. */
	if (!r->err)
		cf_wire_skip(r, (4 - (r->pos - start) % 4) % 4);
}

static void parse_sdes(struct cf_wire_reader *r, struct cf_rtcp_item *item)
{
	struct cf_view cname = {NULL, 0};
	struct cf_wire_reader peek = *r;
	uint32_t ssrc = 0;

	for (unsigned i = 0; i < item->count; i++) {
		read_chunk(&peek, &ssrc, &cname);
		if (i == 0)
			item->ssrc = ssrc;
	}
	if (peek.err)
		r->err = peek.err;
	item->body = cf_wire_read_view(r, cf_wire_left(r));
}

static void parse_bye(struct cf_wire_reader *r, struct cf_rtcp_item *item)
{
	item->body = cf_wire_read_view(r, item->count * 4u);
	if (item->body.len) {
		struct cf_wire_reader first;

		cf_wire_reader_init(&first, item->body.p, item->body.len);
		item->ssrc = cf_wire_read_u32(&first);
	}
	if (cf_wire_left(r))
		item->reason = cf_wire_read_view(r, cf_wire_read_u8(r));
}

static void parse_feedback(struct cf_wire_reader *r, struct cf_rtcp_item *item)
{
	item->ssrc = cf_wire_read_u32(r);
	item->media_ssrc = cf_wire_read_u32(r);
	item->body = cf_wire_read_view(r, cf_wire_left(r));
}

/* Columns: packet type, count or format (-1 any), kind, how to read it. */
static const struct row {
	uint8_t type;
	int count;
	enum cf_rtcp_kind kind;
	void (*parse)(struct cf_wire_reader *r, struct cf_rtcp_item *item);
} rows[] = {
	{PT_SR, -1, CF_RTCP_SR, parse_sr},
	{PT_RR, -1, CF_RTCP_RR, parse_rr},
	{PT_SDES, -1, CF_RTCP_SDES, parse_sdes},
	{PT_BYE, -1, CF_RTCP_BYE, parse_bye},
	{PT_RTPFB, 1, CF_RTCP_NACK, parse_feedback},
	{PT_PSFB, 1, CF_RTCP_PLI, parse_feedback},
	{PT_PSFB, 4, CF_RTCP_FIR, parse_feedback},
	{PT_RTPFB, 15, CF_RTCP_TWCC, parse_feedback},
	{PT_PSFB, 15, CF_RTCP_REMB, parse_feedback},
};

static const struct row *find_row(const struct cf_rtcp_item *item)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == item->type &&
			(rows[i].count < 0 || rows[i].count == item->count))
			return &rows[i];
	return NULL;
}

void cf_rtcp_iter_init(struct cf_rtcp_iter *it, const uint8_t *p, size_t n)
{
	cf_wire_reader_init(&it->r, p, n);
}

/* Body of the packet at the reader, without padding; sets type and count. */
static struct cf_view next_packet(struct cf_wire_reader *r, struct cf_rtcp_item *item)
{
	uint8_t first = cf_wire_read_u8(r), pad = 0;
	struct cf_view v;

	item->count = first & 31;
	item->type = cf_wire_read_u8(r);
	v = cf_wire_read_view(r, cf_wire_read_u16(r) * 4u);
	if (first >> 6 != 2)
		r->err = CF_EBADMSG;
	if (first & 0x20) {
		/* RFC 3550 section 6.4.1: only the last packet of a compound may be padded. By a
		 * multiple of 4, it says; Chromium fills transport feedback up with 1 to 3. */
		pad = v.len ? v.p[v.len - 1] : 0;
		if (!pad || pad > v.len || cf_wire_left(r))
			r->err = CF_EBADMSG;
	}
	if (r->err)
		return (struct cf_view){NULL, 0};
	v.len -= pad;
	return v;
}

int cf_rtcp_iter_next(struct cf_rtcp_iter *it, struct cf_rtcp_item *ret_item)
{
	struct cf_rtcp_item item = {.kind = CF_RTCP_OTHER};
	const struct row *row;
	struct cf_wire_reader r;
	struct cf_view body;

	if (it->r.err)
		return CF_EBADMSG;
	if (!cf_wire_left(&it->r))
		return 0;
	body = next_packet(&it->r, &item);
	if (it->r.err)
		return CF_EBADMSG;
	cf_wire_reader_init(&r, body.p, body.len);
	row = find_row(&item);
	if (row) {
		item.kind = row->kind;
		row->parse(&r, &item);
	} else {
		item.body = cf_wire_read_view(&r, body.len);
	}
	if (r.err) {
		it->r.err = CF_EBADMSG;
		return CF_EBADMSG;
	}
	*ret_item = item;
	return 1;
}

int cf_rtcp_check(const uint8_t *p, size_t n)
{
	struct cf_rtcp_iter it;
	struct cf_rtcp_item item;
	int more;

	if (!n)
		return CF_EBADMSG;
	cf_rtcp_iter_init(&it, p, n);
	do
		more = cf_rtcp_iter_next(&it, &item);
	while (more > 0);
	return more;
}

bool cf_rtcp_item_block(const struct cf_rtcp_item *item, size_t i, struct cf_rtcp_block *ret_block)
{
	struct cf_rtcp_block b;
	struct cf_wire_reader r;
	uint32_t lost;

	if ((item->kind != CF_RTCP_SR && item->kind != CF_RTCP_RR) || i >= item->count)
		return false;
	cf_wire_reader_init(&r, item->body.p, item->body.len);
	cf_wire_skip(&r, i * BLOCK_LEN);
	b.ssrc = cf_wire_read_u32(&r);
	b.fraction_lost = cf_wire_read_u8(&r);
	lost = cf_wire_read_u24(&r);
	b.lost = (int32_t)lost - (lost & 0x800000 ? 0x1000000 : 0);
	b.highest_seq = cf_wire_read_u32(&r);
	b.jitter = cf_wire_read_u32(&r);
	b.lsr = cf_wire_read_u32(&r);
	b.dlsr = cf_wire_read_u32(&r);
	if (r.err)
		return false;
	*ret_block = b;
	return true;
}

bool cf_rtcp_item_cname(const struct cf_rtcp_item *item, uint32_t ssrc, struct cf_view *ret_cname)
{
	struct cf_wire_reader r;

	if (item->kind != CF_RTCP_SDES)
		return false;
	cf_wire_reader_init(&r, item->body.p, item->body.len);
	for (unsigned i = 0; i < item->count; i++) {
		struct cf_view cname = {NULL, 0};
		uint32_t chunk_ssrc = 0;

		read_chunk(&r, &chunk_ssrc, &cname);
		if (r.err || chunk_ssrc != ssrc || !cname.p)
			continue;
		*ret_cname = cname;
		return true;
	}
	return false;
}

bool cf_rtcp_item_bye(const struct cf_rtcp_item *item, uint32_t ssrc)
{
	struct cf_wire_reader r;

	if (item->kind != CF_RTCP_BYE)
		return false;
	cf_wire_reader_init(&r, item->body.p, item->body.len);
	while (cf_wire_left(&r))
		if (cf_wire_read_u32(&r) == ssrc)
			return true;
	return false;
}

size_t cf_rtcp_item_nack(const struct cf_rtcp_item *item, uint16_t *ret_seqs, size_t cap)
{
	struct cf_wire_reader r;
	size_t n = 0;

	if (item->kind != CF_RTCP_NACK)
		return 0;
	cf_wire_reader_init(&r, item->body.p, item->body.len);
	while (cf_wire_left(&r) >= 4) {
		/* RFC 4585 section 6.2.1: a number and a mask of the 16 that follow it. */
		uint16_t pid = cf_wire_read_u16(&r), mask = cf_wire_read_u16(&r);

		if (n < cap)
			ret_seqs[n++] = pid;
		for (unsigned bit = 0; bit < 16; bit++)
			if (mask >> bit & 1 && n < cap)
				ret_seqs[n++] = (uint16_t)(pid + bit + 1);
	}
	return n;
}

bool cf_rtcp_item_fir(const struct cf_rtcp_item *item, uint32_t ssrc)
{
	struct cf_wire_reader r;

	if (item->kind != CF_RTCP_FIR)
		return false;
	cf_wire_reader_init(&r, item->body.p, item->body.len);
	while (cf_wire_left(&r) >= 8) {
		/* RFC 5104 section 4.3.1.1: an SSRC, a number, three bytes of nothing. */
		if (cf_wire_read_u32(&r) == ssrc)
			return true;
		cf_wire_skip(&r, 4);
	}
	return false;
}

bool cf_rtcp_item_remb(const struct cf_rtcp_item *item, uint32_t ssrc, uint64_t *ret_bps)
{
	struct cf_wire_reader r;
	uint32_t rate;
	uint8_t n;

	if (item->kind != CF_RTCP_REMB)
		return false;
	cf_wire_reader_init(&r, item->body.p, item->body.len);
	if (cf_wire_read_u32(&r) != REMB)
		return false;
	/* draft-alvestrand-rmcat-remb-03 section 2.2: 6 bits of exponent, 18 of mantissa. */
	n = cf_wire_read_u8(&r);
	rate = cf_wire_read_u24(&r);
	for (; n > 0 && !r.err; n--) {
		if (cf_wire_read_u32(&r) != ssrc || r.err)
			continue;
		*ret_bps = rate >> 18 > 40 ? UINT64_MAX >> 1
					   : (uint64_t)(rate & 0x3ffff) << (rate >> 18);
		return true;
	}
	return false;
}

static size_t write_head(struct cf_wire_writer *w, size_t count, uint8_t type)
{
	size_t start = w->len;

	cf_wire_write_u8(w, (uint8_t)(0x80 | count));
	cf_wire_write_u8(w, type);
	cf_wire_write_u16(w, 0);
	return start;
}

static void write_end(struct cf_wire_writer *w, size_t start)
{
	cf_wire_write_zero(w, (4 - (w->len - start) % 4) % 4);
	cf_wire_patch_u16(w, start + 2, (uint16_t)((w->len - start) / 4 - 1));
}

static void write_block(struct cf_wire_writer *w, const struct cf_rtcp_block *b)
{
	cf_wire_write_u32(w, b->ssrc);
	cf_wire_write_u8(w, b->fraction_lost);
	cf_wire_write_u24(w, (uint32_t)b->lost & 0xffffff);
	cf_wire_write_u32(w, b->highest_seq);
	cf_wire_write_u32(w, b->jitter);
	cf_wire_write_u32(w, b->lsr);
	cf_wire_write_u32(w, b->dlsr);
}

static void write_blocks(
	struct cf_wire_writer *w, const struct cf_rtcp_block *blocks, size_t n_blocks)
{
	for (size_t i = 0; i < n_blocks; i++)
		write_block(w, &blocks[i]);
}

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

void cf_rtcp_write_sr(struct cf_wire_writer *w, uint32_t ssrc,
	const struct cf_rtcp_sender_info *info, const struct cf_rtcp_block *blocks, size_t n_blocks)
{
	size_t n = at_most(n_blocks, CF_RTCP_MAX_BLOCKS), start = write_head(w, n, PT_SR);

	cf_wire_write_u32(w, ssrc);
	cf_wire_write_u64(w, info->ntp);
	cf_wire_write_u32(w, info->rtp_ts);
	cf_wire_write_u32(w, info->packets);
	cf_wire_write_u32(w, info->octets);
	write_blocks(w, blocks, n);
	write_end(w, start);
}

void cf_rtcp_write_rr(struct cf_wire_writer *w, uint32_t ssrc, const struct cf_rtcp_block *blocks,
	size_t n_blocks)
{
	size_t n = at_most(n_blocks, CF_RTCP_MAX_BLOCKS), start = write_head(w, n, PT_RR);

	cf_wire_write_u32(w, ssrc);
	write_blocks(w, blocks, n);
	write_end(w, start);
}

void cf_rtcp_write_sdes(struct cf_wire_writer *w, uint32_t ssrc, const char *cname)
{
	size_t start = write_head(w, 1, PT_SDES), n = strnlen(cname, CF_RTCP_MAX_CNAME);

	cf_wire_write_u32(w, ssrc);
	cf_wire_write_u8(w, SDES_CNAME);
	cf_wire_write_u8(w, (uint8_t)n);
	cf_wire_write_bytes(w, cname, n);
	cf_wire_write_u8(w, 0); /* end of the chunk, then padding */
	write_end(w, start);
}

void cf_rtcp_write_bye(struct cf_wire_writer *w, uint32_t ssrc, const char *reason)
{
	size_t start = write_head(w, 1, PT_BYE), n = reason ? strnlen(reason, 255) : 0;

	cf_wire_write_u32(w, ssrc);
	if (n) {
		cf_wire_write_u8(w, (uint8_t)n);
		cf_wire_write_bytes(w, reason, n);
	}
	write_end(w, start);
}

size_t cf_rtcp_write_feedback_begin(struct cf_wire_writer *w, bool transport, uint8_t format,
	uint32_t ssrc, uint32_t media_ssrc)
{
	size_t start = write_head(w, format, transport ? PT_RTPFB : PT_PSFB);

	cf_wire_write_u32(w, ssrc);
	cf_wire_write_u32(w, media_ssrc);
	return start;
}

void cf_rtcp_write_feedback_end(struct cf_wire_writer *w, size_t start)
{
	write_end(w, start);
}

void cf_rtcp_write_nack(struct cf_wire_writer *w, uint32_t ssrc, uint32_t media_ssrc,
	const uint16_t *seqs, size_t n_seqs)
{
	size_t start = cf_rtcp_write_feedback_begin(w, true, 1, ssrc, media_ssrc);

	for (size_t i = 0; i < n_seqs;) {
		uint16_t pid = seqs[i++], mask = 0;

		for (; i < n_seqs && (uint16_t)(seqs[i] - pid - 1) < 16; i++)
			mask |= (uint16_t)(1u << (uint16_t)(seqs[i] - pid - 1));
		cf_wire_write_u16(w, pid);
		cf_wire_write_u16(w, mask);
	}
	write_end(w, start);
}

void cf_rtcp_write_pli(struct cf_wire_writer *w, uint32_t ssrc, uint32_t media_ssrc)
{
	cf_rtcp_write_feedback_end(w, cf_rtcp_write_feedback_begin(w, false, 1, ssrc, media_ssrc));
}
