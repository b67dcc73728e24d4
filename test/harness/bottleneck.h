/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bottleneck link in virtual time with paced flows over it, for tests of congestion control: a
 * first-in-first-out queue with a rate, random loss, delay and jitter, and a receiver that sends
 * feedback. Deterministic: randomness comes from the seed.
 */
#ifndef CF_TEST_BOTTLENECK_H
#define CF_TEST_BOTTLENECK_H

#include "cc/estimator.h"
#include "cc/pacer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOTTLENECK_FLOWS 2
#define BOTTLENECK_QUEUE 4096
#define BOTTLENECK_FLIGHT 8 /* feedbacks under way */
#define BOTTLENECK_TOLD 1024

struct bottleneck_packet {
	int flow;
	uint32_t number; /* sequence number, not cut to 16 bits */
	uint32_t bytes;
	uint64_t queued_us;
};

struct bottleneck_feedback {
	uint64_t due_us; /* 0 free */
	size_t n;
	struct cf_cc_arrival list[BOTTLENECK_TOLD];
};

/* A sender of video frames at the target rate, and its receiver. */
struct bottleneck_flow {
	struct cf_cc *cc;
	struct cf_pacer *pacer;
	bool on;
	uint32_t most_bps; /* what the application sends at most; 0 all */
	uint64_t frame_us; /* of the next frame */
	uint32_t next;     /* number of the next packet */
	uint32_t told;     /* receiver: all below were told of */
	uint32_t newest;   /* receiver: above all that arrived */
	uint64_t arrival_us[65536];
	uint64_t feedback_us; /* the receiver's next one */
	struct bottleneck_feedback flight[BOTTLENECK_FLIGHT];
	uint64_t arrived_bytes;
};

struct bottleneck {
	uint64_t now_us;
	uint32_t rate_bps;
	uint32_t queue_ms; /* longer queues drop */
	uint32_t delay_us; /* one way */
	uint32_t jitter_us;
	unsigned loss_permille;
	bool mute; /* feedback is lost */
	uint64_t seed;
	struct bottleneck_flow flows[BOTTLENECK_FLOWS];
	struct bottleneck_packet queue[BOTTLENECK_QUEUE];
	uint32_t head;
	uint32_t tail;
	uint64_t queued_bytes;
	uint64_t free_us; /* when the link has sent what it sends */
	uint64_t arrival_us;
	uint64_t wait_us; /* longest wait in the queue since bottleneck_clear() */
};

/** A link with one flow switched on; 25 ms one way, a queue of 300 ms. Freed by bottleneck_free().
 * opts NULL: defaults. */
struct bottleneck *bottleneck_new(uint32_t rate_bps, const struct cf_cc_opts *opts);
void bottleneck_free(struct bottleneck *link);

/** Lets virtual time pass. */
void bottleneck_run(struct bottleneck *link, uint32_t ms);

/** Begins to count what arrives and how long packets wait. */
void bottleneck_clear(struct bottleneck *link);

/** Runs until the target of the first flow is between the bounds; how long that took, or most_ms
 * when it did not come. */
uint32_t bottleneck_until(
	struct bottleneck *link, uint32_t min_bps, uint32_t max_bps, uint32_t most_ms);

/** Runs, and gives what arrived of a flow meanwhile, bits per second. */
uint32_t bottleneck_measure(struct bottleneck *link, int flow, uint32_t ms);

#endif
