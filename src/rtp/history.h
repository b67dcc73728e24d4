/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets that were sent, kept for those who ask again (RFC 4585 section 6.2.1), and the
 * retransmission payload that carries them (RFC 4588, SSRC multiplexing). Pure; one thread at a
 * time; nothing is allocated after _new().
 */
#ifndef CF_RTP_HISTORY_H
#define CF_RTP_HISTORY_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_rtp_history;

#define CF_RTX_HEADER_LEN 2 /* original sequence number, RFC 4588 section 4 */

/** slots: packets kept, power of two up to 32768. max: bytes of a packet at most. 0, CF_EINVAL,
 * CF_ENOMEM. */
CF_MUST_CHECK int cf_rtp_history_new(struct cf_rtp_history **ret_history, size_t slots, size_t max);
struct cf_rtp_history *cf_rtp_history_free(struct cf_rtp_history *history);

/** Keeps a copy of a plain (not encrypted) RTP packet, in place of the one `slots` before it.
 * Longer ones are not kept. */
void cf_rtp_history_put(
	struct cf_rtp_history *history, const uint8_t *packet, size_t n, uint64_t now_us);

/** The packet of that number, whenever it was sent; false when it is not kept. */
bool cf_rtp_history_peek(
	const struct cf_rtp_history *history, uint16_t seq, struct cf_view *ret_packet);

/** The packet of that number, to be sent again; false when it is not kept, or was sent less than
 * rtt_us ago (it is on its way: RFC 4588 section 8 wants no flood). Counts it as sent. */
bool cf_rtp_history_get(struct cf_rtp_history *history, uint16_t seq, uint32_t rtt_us,
	uint64_t now_us, struct cf_view *ret_packet);

/** The newest packet of no more than max bytes, to be sent again as padding; false without one. */
bool cf_rtp_history_newest(
	const struct cf_rtp_history *history, size_t max, struct cf_view *ret_packet);

/** Writes the retransmission of a packet: its header (extensions and CSRCs too) under another
 * payload type, SSRC and number, then the original number and the payload (without padding).
 * The length; CF_ENOSPC; CF_EBADMSG. */
CF_MUST_CHECK int cf_rtx_wrap(uint8_t *p, size_t cap, struct cf_view packet, uint8_t payload_type,
	uint32_t ssrc, uint16_t seq);

/** Turns a received retransmission back into the packet it repeats, in place. The new length;
 * CF_EBADMSG (also for one that holds no original: padding). */
CF_MUST_CHECK int cf_rtx_unwrap(uint8_t *p, size_t n, uint8_t payload_type, uint32_t ssrc);

#endif
