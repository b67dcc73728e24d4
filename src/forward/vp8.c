/* SPDX-License-Identifier: Apache-2.0 */
/* What of a VP8 payload descriptor (RFC 7741 section 4.2) is the stream's own. */
#include "base/view.h"
#include "forward/forward_priv.h"

/* Where the picture id and TL0PICIDX stand; 0: nowhere. */
struct places {
	size_t picture, tl0;
	bool is_long;
};

static struct places find(struct cf_view payload)
{
	struct places places = {0};
	size_t at = 2;

	if (payload.len < 2 || !(payload.p[0] & 0x80))
		return places;
	if (payload.p[1] & 0x80) { /* I */
		places.picture = at;
		places.is_long = at < payload.len && payload.p[at] & 0x80; /* M */
		at += places.is_long ? 2 : 1;
	}
	if (payload.p[1] & 0x40) /* L */
		places.tl0 = at++;
	return at <= payload.len ? places : (struct places){0};
}

void vp8_read(struct cf_view payload, struct vp8_ids *ret_ids)
{
	struct places places = find(payload);

	*ret_ids = (struct vp8_ids){.has_picture = places.picture,
		.has_tl0 = places.tl0,
		.mask = places.is_long ? 0x7fff : 0x7f};
	if (places.picture)
		ret_ids->picture = places.is_long
					   ? (uint16_t)((payload.p[places.picture] & 0x7f) << 8 |
							payload.p[places.picture + 1])
					   : payload.p[places.picture] & 0x7f;
	if (places.tl0)
		ret_ids->tl0 = payload.p[places.tl0];
}

void vp8_write(uint8_t *payload, size_t n, uint16_t picture, uint8_t tl0)
{
	struct places places = find(cf_view_of(payload, n));

	if (places.picture && places.is_long) {
		payload[places.picture] = (uint8_t)(0x80 | (picture >> 8 & 0x7f));
		payload[places.picture + 1] = (uint8_t)picture;
	} else if (places.picture) {
		payload[places.picture] = picture & 0x7f;
	}
	if (places.tl0)
		payload[places.tl0] = tl0;
}
