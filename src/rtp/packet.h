/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTP packets (RFC 3550 section 5) with one- and two-byte header extensions (RFC 8285), the MID
 * (RFC 9143 section 15) and audio level (RFC 6464) extensions. Bytes only: no session state, no
 * crypto.
 */
#ifndef CF_RTP_PACKET_H
#define CF_RTP_PACKET_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_RTP_HEADER_LEN 12
#define CF_RTP_MAX_EXT_ITEMS 8 /* that we write into one packet */
#define CF_RTP_LEVEL_SILENCE 127

/* A parsed packet; its views borrow the packet's bytes. */
struct cf_rtp_packet {
	bool marker;
	uint8_t payload_type; /* 0..127 */
	uint16_t seq;
	uint32_t ts;
	uint32_t ssrc;
	uint8_t padding;      /* bytes of padding, with the count byte */
	uint16_t ext_profile; /* 0xBEDE one-byte, 0x1000..0x100F two-byte; 0 none */
	struct cf_view csrcs; /* 4 bytes each */
	struct cf_view ext;   /* body of the header extension */
	struct cf_view payload;
};

/* One header extension element to write. */
struct cf_rtp_ext_item {
	uint8_t id; /* 1..14 one-byte form, up to 255 two-byte form; 0: skipped */
	struct cf_view value;
};

/** Length of header, CSRCs and extension; CF_EBADMSG when this is no RTP packet. */
int cf_rtp_header_len(const uint8_t *p, size_t n);

/** Parses a whole packet (borrows p). 0 or CF_EBADMSG (ret_packet untouched). */
CF_MUST_CHECK int cf_rtp_packet_parse(struct cf_rtp_packet *ret_packet, const uint8_t *p, size_t n);

/** Value of a header extension element (borrowed); false when there is none. */
bool cf_rtp_packet_ext(const struct cf_rtp_packet *packet, uint8_t id, struct cf_view *ret_value);

/** RFC 6464 level, 0 (loudest) to 127 (silence), and the voice flag; false without one. */
bool cf_rtp_packet_level(
	const struct cf_rtp_packet *packet, uint8_t id, uint8_t *ret_level, bool *ret_voice);

/** Writes header, CSRCs, the given extension elements (instead of packet->ext; one-byte form when
 * it can hold all), payload and padding (a multiple, as given). Returns the length; CF_ENOSPC;
 * CF_EINVAL for an element or field out of range. */
CF_MUST_CHECK int cf_rtp_packet_write(uint8_t *p, size_t cap, const struct cf_rtp_packet *packet,
	const struct cf_rtp_ext_item *items, size_t n_items);

#endif
