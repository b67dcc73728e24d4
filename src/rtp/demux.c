/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/demux.h"

/* RFC 7983 section 7, figure 3. */
static const struct range {
	uint8_t first, last;
	enum cf_demux kind;
} ranges[] = {
	{0, 3, CF_DEMUX_STUN},
	{20, 63, CF_DEMUX_DTLS},
	{64, 79, CF_DEMUX_CHANNEL},
	{128, 191, CF_DEMUX_RTP},
};

enum cf_demux cf_demux_packet(const uint8_t *p, size_t n)
{
	if (n < 2)
		return CF_DEMUX_OTHER;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (p[0] < ranges[i].first || p[0] > ranges[i].last)
			continue;
		/* RFC 5761 section 4: packet types 192..223 are RTCP. */
		if (ranges[i].kind == CF_DEMUX_RTP && p[1] >= 192 && p[1] <= 223)
			return CF_DEMUX_RTCP;
		return ranges[i].kind;
	}
	return CF_DEMUX_OTHER;
}
