/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTCP (RFC 3550 section 6, RFC 4585 section 6): walk a compound packet as typed items, write one.
 * Reduced-size packets (RFC 5506) are taken. Types that we do not know are items of kind OTHER.
 * Bytes only; the numbers come from rtp/stats.h and rtp/sender.h.
 */
#ifndef CF_RTP_RTCP_H
#define CF_RTP_RTCP_H

#include "base/err.h"
#include "base/view.h"
#include "base/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_RTCP_MAX_BLOCKS 31
#define CF_RTCP_MAX_CNAME 255

enum cf_rtcp_kind {
	CF_RTCP_OTHER,
	CF_RTCP_SR,
	CF_RTCP_RR,
	CF_RTCP_SDES, /* one item per packet: CNAME of the first chunk; more by cf_rtcp_item_cname()
		       */
	CF_RTCP_BYE,
	CF_RTCP_NACK, /* transport feedback 1 */
	CF_RTCP_PLI,  /* payload feedback 1 */
	CF_RTCP_FIR,  /* payload feedback 4 (RFC 5104) */
	CF_RTCP_TWCC, /* transport feedback 15, see rtp/twcc.h */
	CF_RTCP_REMB, /* payload feedback 15 (draft-alvestrand-rmcat-remb) */
};

/* A report block (RFC 3550 section 6.4.1). */
struct cf_rtcp_block {
	uint32_t ssrc;
	uint8_t fraction_lost; /* of 256 */
	int32_t lost;          /* cumulative, 24 bits, may be negative */
	uint32_t highest_seq;  /* extended */
	uint32_t jitter;       /* timestamp units */
	uint32_t lsr;          /* middle 32 bits of the NTP time of the last SR; 0 none */
	uint32_t dlsr;         /* 1/65536 s since it */
};

/* Sender information of an SR. */
struct cf_rtcp_sender_info {
	uint64_t ntp;
	uint32_t rtp_ts;
	uint32_t packets;
	uint32_t octets;
};

/* One packet of a compound; views borrow its bytes. */
struct cf_rtcp_item {
	enum cf_rtcp_kind kind;
	uint8_t type;  /* packet type */
	uint8_t count; /* count or format field: blocks (SR, RR), chunks (SDES), SSRCs (BYE) */
	uint32_t ssrc; /* of the sender (SDES: of the first chunk) */
	uint32_t media_ssrc;             /* NACK, PLI, FIR, TWCC */
	struct cf_rtcp_sender_info info; /* SR */
	struct cf_view body;   /* SR, RR: report blocks; SDES: chunks; BYE: SSRCs; NACK, FIR, TWCC,
				* REMB:   entries; OTHER: all behind the header */
	struct cf_view reason; /* BYE */
};

struct cf_rtcp_iter {
	struct cf_wire_reader r;
};

/** Whether the whole compound is well-formed: 0 or CF_EBADMSG. Iterating a well-formed one cannot
 * fail. */
CF_MUST_CHECK int cf_rtcp_check(const uint8_t *p, size_t n);

/** Begins a walk (borrows p as long as it lasts). */
void cf_rtcp_iter_init(struct cf_rtcp_iter *it, const uint8_t *p, size_t n);

/** Next item: 1, 0 at the end, CF_EBADMSG. */
int cf_rtcp_iter_next(struct cf_rtcp_iter *it, struct cf_rtcp_item *ret_item);

/** The i-th report block of an SR or RR: false when there is none. */
bool cf_rtcp_item_block(const struct cf_rtcp_item *item, size_t i, struct cf_rtcp_block *ret_block);

/** CNAME of an SSRC in an SDES item (borrowed): false when there is none. */
bool cf_rtcp_item_cname(const struct cf_rtcp_item *item, uint32_t ssrc, struct cf_view *ret_cname);

/** Whether a BYE names the SSRC. */
bool cf_rtcp_item_bye(const struct cf_rtcp_item *item, uint32_t ssrc);

/** The sequence numbers that a NACK asks for: fills at most cap, gives their number. */
size_t cf_rtcp_item_nack(const struct cf_rtcp_item *item, uint16_t *ret_seqs, size_t cap);

/** Whether a FIR asks the SSRC for a key frame. */
bool cf_rtcp_item_fir(const struct cf_rtcp_item *item, uint32_t ssrc);

/** The rate that a REMB allows the SSRC to send, bits per second: false when it is not about it. */
bool cf_rtcp_item_remb(const struct cf_rtcp_item *item, uint32_t ssrc, uint64_t *ret_bps);

/* Writing: any of these in order into one cf_wire_writer; check w->err and take w->len at the end.
 * A compound begins with an SR or RR and has an SDES with CNAME (RFC 3550 section 6.1). */
void cf_rtcp_write_sr(struct cf_wire_writer *w, uint32_t ssrc,
	const struct cf_rtcp_sender_info *info, const struct cf_rtcp_block *blocks,
	size_t n_blocks);
void cf_rtcp_write_rr(struct cf_wire_writer *w, uint32_t ssrc, const struct cf_rtcp_block *blocks,
	size_t n_blocks);
void cf_rtcp_write_sdes(struct cf_wire_writer *w, uint32_t ssrc, const char *cname);
void cf_rtcp_write_bye(struct cf_wire_writer *w, uint32_t ssrc, const char *reason);
void cf_rtcp_write_nack(struct cf_wire_writer *w, uint32_t ssrc, uint32_t media_ssrc,
	const uint16_t *seqs, size_t n_seqs); /* seqs ascending (modulo 2^16) */
void cf_rtcp_write_pli(struct cf_wire_writer *w, uint32_t ssrc, uint32_t media_ssrc);

/* A feedback packet of any format, for those who write its entries themselves: what _begin() gave
 * is for _end(). transport: RTPFB, else PSFB. */
size_t cf_rtcp_write_feedback_begin(struct cf_wire_writer *w, bool transport, uint8_t format,
	uint32_t ssrc, uint32_t media_ssrc);
void cf_rtcp_write_feedback_end(struct cf_wire_writer *w, size_t start);

#endif
