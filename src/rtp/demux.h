/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the protocols on one 5-tuple apart by the first bytes (RFC 7983 section 7, RFC 5761 section
 * 4 for RTP against RTCP). Looks at two bytes and the length, validates nothing else. Any thread.
 */
#ifndef CF_RTP_DEMUX_H
#define CF_RTP_DEMUX_H

#include <stddef.h>
#include <stdint.h>

enum cf_demux {
	CF_DEMUX_OTHER,
	CF_DEMUX_STUN,
	CF_DEMUX_DTLS,
	CF_DEMUX_CHANNEL, /* TURN ChannelData */
	CF_DEMUX_RTP,
	CF_DEMUX_RTCP,
};

enum cf_demux cf_demux_packet(const uint8_t *p, size_t n);

#endif
