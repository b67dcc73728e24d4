/* SPDX-License-Identifier: Apache-2.0 */
/* RTP packets: what parses can be written and parses again to the same; the demultiplexer. */
#include "rtp/demux.h"
#include "rtp/packet.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cf_rtp_packet packet, again;
	struct cf_rtp_ext_item items[CF_RTP_MAX_EXT_ITEMS];
	size_t n_items = 0;
	uint8_t out[70000], level;
	bool voice;
	int len;

	cf_demux_packet(p, n);
	if (n > 65535 || cf_rtp_packet_parse(&packet, p, n) < 0)
		return 0;
	cf_rtp_packet_level(&packet, 1, &level, &voice);
	for (unsigned id = 1; id < 256 && n_items < CF_RTP_MAX_EXT_ITEMS; id++)
		if (cf_rtp_packet_ext(&packet, (uint8_t)id, &items[n_items].value))
			items[n_items++].id = (uint8_t)id;
	len = cf_rtp_packet_write(out, sizeof(out), &packet, items, n_items);
	if (len < 0 || cf_rtp_packet_parse(&again, out, (size_t)len) < 0 ||
		again.seq != packet.seq || again.ssrc != packet.ssrc ||
		!cf_view_eq(again.payload, packet.payload) ||
		!cf_view_eq(again.csrcs, packet.csrcs))
		abort();
	for (size_t i = 0; i < n_items; i++) {
		struct cf_view v;

		if (!cf_rtp_packet_ext(&again, items[i].id, &v) || !cf_view_eq(v, items[i].value))
			abort();
	}
	return 0;
}
