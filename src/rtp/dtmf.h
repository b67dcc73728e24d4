/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telephone events (RFC 4733 section 2): key presses as RTP payloads, in both directions. Payloads
 * only; media/sender.h and media/receiver.h put them into packets. Plain values; pure.
 */
#ifndef CF_RTP_DTMF_H
#define CF_RTP_DTMF_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stdint.h>

#define CF_DTMF_PAYLOAD_LEN 4
#define CF_DTMF_MAX_EVENT 15 /* 0-9, * (10), # (11), A-D (12-15) */
#define CF_DTMF_END_PACKETS 3
#define CF_DTMF_MIN_MS 40
#define CF_DTMF_MAX_MS 6000

/** Event of a key ("0-9*#A-D", a-d too), or CF_EINVAL. */
int cf_dtmf_event(char key);
/** Key of an event 0..15; '?' for others. */
char cf_dtmf_key(unsigned event);

/* Sending of one event at a time. */
struct cf_dtmf_sender {
	uint8_t event;
	uint8_t volume;
	uint8_t ends_left; /* end packets still to send */
	bool active;
	bool first;
	uint32_t ts;       /* of the start: all packets of one segment carry it */
	uint32_t duration; /* so far, timestamp units */
	uint32_t total;
};

/** Starts an event at timestamp ts for total timestamp units. 0; CF_EINVAL; CF_ESTATE when one is
 * still being sent. */
CF_MUST_CHECK int cf_dtmf_sender_start(
	struct cf_dtmf_sender *s, unsigned event, uint32_t ts, uint32_t total);

/** The payload for the next tick of step timestamp units (RFC 4733 section 2.5.1): true, with the
 * timestamp for the packet and whether it has the marker (the first); false when idle. */
bool cf_dtmf_sender_next(struct cf_dtmf_sender *s, uint32_t step,
	uint8_t ret_payload[static CF_DTMF_PAYLOAD_LEN], uint32_t *ret_ts, bool *ret_marker);

/* Receiving. */
struct cf_dtmf_event_info {
	uint8_t event;
	uint8_t volume;    /* -dBm0 */
	uint32_t ts;       /* of the start */
	uint32_t duration; /* timestamp units */
};

struct cf_dtmf_receiver {
	struct cf_dtmf_event_info now;
	bool active;         /* started, no end seen */
	bool known;          /* now holds an event that was started */
	uint32_t segment_ts; /* of the last packet: differs from now.ts in long events */
	uint64_t last_us;
};

enum cf_dtmf_result {
	CF_DTMF_NOTHING,
	CF_DTMF_START, /* a key went down */
	CF_DTMF_END,   /* it came up; duration is final */
};

/** Takes in a payload. Each event gives one START and one END at most; when all start packets
 * were lost, END comes alone; when the end packets were, cf_dtmf_receiver_tick() ends it, or the
 * START of another does without saying so. CF_EBADMSG for a malformed payload; events above 15 are
 * NOTHING. */
int cf_dtmf_receiver_put(struct cf_dtmf_receiver *r, struct cf_view payload, uint32_t ts,
	uint64_t now_us, struct cf_dtmf_event_info *ret_info);

/** Ends an event of which nothing came for 200 ms: END or NOTHING. */
int cf_dtmf_receiver_tick(
	struct cf_dtmf_receiver *r, uint64_t now_us, struct cf_dtmf_event_info *ret_info);

#endif
