/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much a sender may send: a bandwidth estimator that lives with the sender and learns from
 * feedback about each packet's arrival. Delays (draft-ietf-rmcat-gcc-02 section 5), losses
 * (cc/loss.h instead of its section 6), what arrives, and short probes make one target rate.
 *
 * What it leaves to others: the transport-wide sequence number on packets and the feedback message
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01), pacing (cc/pacer.h), the encoder.
 *
 * Pure; one thread at a time. Fixed memory, nothing is allocated after _new(); constant work per
 * packet. now_us is the same clock everywhere; a time before the last one counts as the last one.
 */
#ifndef CF_CC_ESTIMATOR_H
#define CF_CC_ESTIMATOR_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_CC_SLOTS_MAX 32768u /* half the sequence numbers */
#define CF_CC_RATE_MAX 1000000000u

struct cf_cc;

struct cf_cc_opts {
	uint32_t start_bps; /* default 300,000 */
	uint32_t min_bps;   /* default 30,000; above 0 */
	uint32_t max_bps;   /* default 10,000,000; CF_CC_RATE_MAX at most */
	uint32_t slots;     /* default 2048; power of two, 64 to CF_CC_SLOTS_MAX: packets
			     * remembered, which have to last for a round-trip and a feedback */
};

void cf_cc_opts_defaults(struct cf_cc_opts *opts);

/* What the target follows from: to be told to people. */
enum cf_cc_limit {
	CF_CC_LIMIT_NONE,    /* nothing holds it: it grows */
	CF_CC_LIMIT_DELAY,   /* the queue of the path grew not long ago */
	CF_CC_LIMIT_LOSS,    /* the path dropped what was above, not long ago */
	CF_CC_LIMIT_PROBE,   /* a probe is on its way */
	CF_CC_LIMIT_APP,     /* the sender uses less: nothing is learned */
	CF_CC_LIMIT_SILENCE, /* packets go out and no feedback comes */
	CF_CC_LIMIT_MAX,     /* the options allow no more */
};

/* One packet in a feedback. */
struct cf_cc_arrival {
	uint16_t seq;
	bool lost;
	int64_t arrival_us; /* the receiver's clock, any origin; not looked at where lost */
};

struct cf_cc_state {
	uint32_t target_bps; /* min_bps to max_bps */
	uint32_t acked_bps;  /* what arrives, last half second; 0 not known */
	uint32_t sent_bps;   /* what is sent, last half second; 0 not known */
	uint32_t loss_permille;
	double slope;        /* of the one-way delay: ms per ms */
	double threshold_ms; /* of the detector, see cc/trend.h */
	enum cf_cc_limit limit;
	uint64_t strays; /* entries of feedback about packets not sent, told before, or too old */
};

/* A cluster of packets to send faster than the target. */
struct cf_cc_probe {
	uint32_t rate_bps;
	uint32_t bytes;
};

/** 0; CF_EINVAL for options out of range; CF_ENOMEM. opts NULL: defaults. */
CF_MUST_CHECK int cf_cc_new(struct cf_cc **ret_cc, const struct cf_cc_opts *opts);
struct cf_cc *cf_cc_free(struct cf_cc *cc);

/** Changes the bounds, for example when the encoder's most changes. 0, CF_EINVAL (unchanged). */
int cf_cc_bounds(struct cf_cc *cc, uint32_t min_bps, uint32_t max_bps);

/** The path was changed (ICE): forgets what was learned and begins with start_bps. Packets under
 * way count no more. */
void cf_cc_restart(struct cf_cc *cc, uint32_t start_bps, uint64_t now_us);

/** A packet leaves. seq: transport-wide sequence number; bytes: with all headers that the path
 * carries. */
void cf_cc_sent(struct cf_cc *cc, uint16_t seq, uint32_t bytes, uint64_t now_us);

/** A feedback has come. list (borrows until return): packets in the order of their numbers; what it
 * does not name stays open. rtt_us: round-trip time, 0 not known. */
void cf_cc_feedback(struct cf_cc *cc, const struct cf_cc_arrival *list, size_t n, uint32_t rtt_us,
	uint64_t now_us);

/** Whether a probe shall begin now: then send so many bytes at that rate, from now on, padding
 * included (cf_pacer_probe()). Each probe is told once. Ask before sending. */
bool cf_cc_probe(struct cf_cc *cc, uint64_t now_us, struct cf_cc_probe *ret_probe);

/** Lowers the target when feedback stays out. Call at cf_cc_deadline_us() or now and then. */
void cf_cc_tick(struct cf_cc *cc, uint64_t now_us);

/** When cf_cc_tick() has something to do; CF_TIME_NEVER. */
uint64_t cf_cc_deadline_us(const struct cf_cc *cc);

/** The rate to send with all streams together: bits per second. */
uint32_t cf_cc_target_bps(const struct cf_cc *cc);

void cf_cc_state(const struct cf_cc *cc, struct cf_cc_state *ret_state);

/** Name of a limit for traces: "none", "delay", "loss", "probe", "app", "silence", "max". */
const char *cf_cc_limit_name(enum cf_cc_limit limit);

#endif
