/* SPDX-License-Identifier: Apache-2.0 */
/* One payload format: what rtp/payload.h asks of it. */
#ifndef CF_RTP_PAYLOAD_PRIV_H
#define CF_RTP_PAYLOAD_PRIV_H

#include "rtp/payload.h"

struct cf_payload_format {
	const char *name;
	int (*cut)(struct cf_payload_cutter *cutter);
	size_t (*next)(struct cf_payload_cutter *cutter, uint8_t *p, bool *ret_last);
	int (*read)(struct cf_view payload, struct cf_payload_part *ret_part);
	int (*append)(struct cf_view payload, uint8_t *out, size_t cap, size_t *len);
};

extern const struct cf_payload_format cf_payload_vp8, cf_payload_h264;

#endif
