/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When packets leave: a token bucket that spreads the bursts of an encoder over time, so that they
 * do not queue up in the network. Audio leaves at once, retransmissions before video. It orders
 * numbers that stand for packets; the packets are the caller's. Pure; one thread at a time; nothing
 * is allocated after _new().
 */
#ifndef CF_CC_PACER_H
#define CF_CC_PACER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_PACER_SLOTS_MAX 8192u

struct cf_pacer;

/* First ones first. */
enum cf_pacer_class {
	CF_PACER_AUDIO, /* never waits; what it takes the others lack */
	CF_PACER_RETRANSMISSION,
	CF_PACER_VIDEO,
	CF_PACER_CLASSES,
};

struct cf_pacer_opts {
	uint32_t percent;  /* of the target rate, default 150, 100 to 1000 */
	uint32_t burst_ms; /* what may leave at once, default 5, 1 to 100 */
	uint32_t queue_ms; /* default 250, 1 to 10,000: what takes longer to send is refused */
	uint32_t slots;    /* default 512; power of two up to CF_PACER_SLOTS_MAX: packets held of
			    * each class */
};

void cf_pacer_opts_defaults(struct cf_pacer_opts *opts);

/** 0; CF_EINVAL for options out of range; CF_ENOMEM. opts NULL: defaults. */
CF_MUST_CHECK int cf_pacer_new(struct cf_pacer **ret_pacer, const struct cf_pacer_opts *opts);
struct cf_pacer *cf_pacer_free(struct cf_pacer *pacer);

/** Sets the target rate, bits per second, above 0 (0 counts as 1). Holds from now_us on. */
void cf_pacer_rate(struct cf_pacer *pacer, uint32_t target_bps, uint64_t now_us);

/** The next bytes leave at rate_bps, where that is faster (see cf_cc_probe()). */
void cf_pacer_probe(struct cf_pacer *pacer, uint32_t rate_bps, uint32_t bytes, uint64_t now_us);

/** Puts a packet behind the others of its class. id: the caller's word for it. 0; CF_ELIMIT when
 * the queue is full or would take longer than queue_ms (audio: only when full): nothing is held. */
CF_MUST_CHECK int cf_pacer_put(
	struct cf_pacer *pacer, enum cf_pacer_class class, uint32_t bytes, uint32_t id);

/** Takes out the next packet that may leave now; false when none may. Send it at once. */
bool cf_pacer_get(struct cf_pacer *pacer, uint64_t now_us, uint32_t *ret_id);

/** Takes out the next packet of a class regardless of time, to drop it; false when none is left. */
bool cf_pacer_drop(struct cf_pacer *pacer, enum cf_pacer_class class, uint32_t *ret_id);

/** Bytes that may leave now. */
uint32_t cf_pacer_budget(struct cf_pacer *pacer, uint64_t now_us);

/** Bytes of one padding packet wanted now, 0 none: a probe goes on and no packet waits. After
 * sending one call cf_pacer_padded(). */
uint32_t cf_pacer_padding(struct cf_pacer *pacer, uint64_t now_us);
void cf_pacer_padded(struct cf_pacer *pacer, uint32_t bytes);

/** When cf_pacer_get() or cf_pacer_padding() has something next; 0 at once; CF_TIME_NEVER. */
uint64_t cf_pacer_deadline_us(const struct cf_pacer *pacer);

/** How long the packets held need to leave, milliseconds. */
uint32_t cf_pacer_queue_ms(const struct cf_pacer *pacer);

#endif
