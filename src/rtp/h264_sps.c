/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/h264_sps.h"

#include <stdbool.h>
#include <stddef.h>

#define SPS_MAX 256u /* bytes of a sequence parameter set that are looked at */
#define PROFILE_BASELINE 66u
#define MAX_SIDE_MBS 1024u
#define MAX_POC_CYCLE 255u

struct bits {
	uint8_t p[SPS_MAX];
	size_t len, pos; /* in bits */
	bool bad;        /* read behind the end, or a number too large */
};

/* ITU-T H.264 section 7.4.1: 00 00 03 stands for 00 00. */
static void unescape(struct bits *b, struct cf_view nal)
{
	size_t n = 0, zeros = 0;

	*b = (struct bits){.len = 0};
	for (size_t i = 0; i < nal.len && n < SPS_MAX; i++) {
		if (zeros >= 2 && nal.p[i] == 3) {
			zeros = 0;
			continue;
		}
		zeros = nal.p[i] ? 0 : zeros + 1;
		b->p[n++] = nal.p[i];
	}
	b->len = 8 * n;
}

static uint32_t take(struct bits *b, unsigned n)
{
	uint32_t v = 0;

	if (n > b->len - b->pos) {
		b->bad = true;
		b->pos = b->len;
		return 0;
	}
	for (; n; n--, b->pos++)
		v = v << 1 | (b->p[b->pos / 8] >> (7 - b->pos % 8) & 1u);
	return v;
}

/* Section 9.1: an unsigned number; a signed one is as long. */
static uint32_t take_golomb(struct bits *b)
{
	unsigned zeros = 0;

	while (!b->bad && zeros < 32 && take(b, 1) == 0)
		zeros++;
	if (zeros == 32)
		b->bad = true;
	return b->bad ? 0 : (uint32_t)((UINT64_C(1) << zeros) - 1 + take(b, zeros));
}

/* Section 7.3.2.1.1, from pic_order_cnt_type on. */
static void skip_order_count(struct bits *b)
{
	uint32_t type = take_golomb(b), n;

	if (type == 0)
		take_golomb(b);
	if (type != 1)
		return;
	take(b, 1);
	take_golomb(b);
	take_golomb(b);
	n = take_golomb(b);
	if (n > MAX_POC_CYCLE)
		b->bad = true;
	for (; n && !b->bad; n--)
		take_golomb(b);
}

int cf_h264_sps_read(struct cf_view nal, struct cf_h264_sps *ret_sps)
{
	struct bits b;
	uint32_t profile, refs, width, height, frames_only;

	unescape(&b, nal);
	take(&b, 8); /* the unit's header */
	profile = take(&b, 8);
	take(&b, 16);
	take_golomb(&b);
	take_golomb(&b);
	skip_order_count(&b);
	refs = take_golomb(&b);
	take(&b, 1);
	width = take_golomb(&b);
	height = take_golomb(&b);
	frames_only = take(&b, 1);
	if (b.bad || profile != PROFILE_BASELINE || !frames_only)
		return CF_EBADMSG;
	if (width >= MAX_SIDE_MBS || height >= MAX_SIDE_MBS)
		return CF_ELIMIT;
	*ret_sps = (struct cf_h264_sps){
		.width = 16 * (width + 1), .height = 16 * (height + 1), .refs = refs};
	return 0;
}
