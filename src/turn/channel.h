/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ChannelData messages (RFC 8656 section 12.4) and how TURN messages are cut out of a stream
 * (section 12.5, RFC 8489 section 6.2.2). Used by both halves of TURN. Pure.
 */
#ifndef CF_TURN_CHANNEL_H
#define CF_TURN_CHANNEL_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_TURN_CHANNEL_MIN 0x4000 /* RFC 8656 section 12: 0x4000 to 0x4FFF */
#define CF_TURN_CHANNEL_MAX 0x4fff
/* RFC 5766 section 11 went up to 0x7FFF, and its clients (coturn's among them) still choose from
 * all of it: the server takes those numbers too, for nothing else begins with these bits there. */
#define CF_TURN_CHANNEL_MAX_RFC5766 0x7fff
#define CF_TURN_CHANNEL_HEADER_LEN 4

/* Longest ChannelData payload that a stream may carry; longer ones are a malformed stream. */
#define CF_TURN_STREAM_DATA_MAX 4096

/* Before the bytes of a datagram: room for a Data or Send indication with an IPv6 address, or a
 * ChannelData header; behind them: the padding. Whoever hands in a datagram with this room lets it
 * be wrapped in place. */
#define CF_TURN_HEADROOM 48
#define CF_TURN_TAILROOM 4

/** Whether the first byte is that of ChannelData (the bits 01). */
static inline bool cf_turn_is_channel_data(const uint8_t *p, size_t n)
{
	return n >= CF_TURN_CHANNEL_HEADER_LEN && (p[0] & 0xc0) == 0x40;
}

/** Length of the first TURN message of a stream, padding included (STUN or ChannelData): 0 when
 * more bytes are needed to tell, CF_EBADMSG when the stream is not TURN or the message too long. */
int cf_turn_frame_len(const uint8_t *p, size_t n);

/** Reads a ChannelData message (padding behind the data is left out): 0 or CF_EBADMSG. */
CF_MUST_CHECK int cf_turn_channel_parse(
	const uint8_t *p, size_t n, uint16_t *ret_channel, struct cf_view *ret_data);

/** Writes a ChannelData header in front of n bytes of data, in the four bytes before p. */
void cf_turn_channel_prepend(uint8_t *p, size_t n, uint16_t channel);

#endif
