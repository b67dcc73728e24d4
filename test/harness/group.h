/* SPDX-License-Identifier: Apache-2.0 */
/* A group around the audio mixer: callers with a sender and a receiver each, a network that loses
 * and delays, sounds that can be told apart. */
#ifndef CF_TEST_GROUP_H
#define CF_TEST_GROUP_H

#include "media/receiver.h"
#include "media/sender.h"
#include "mix/mix.h"

#define CF_TEST_START ((uint64_t)90000000)
#define CF_TEST_LEVEL_ID 1
#define CF_TEST_FLIGHTS 16
#define CF_TEST_SOURCE(i) (7000 + (uint32_t)(i)) /* of the i-th caller */

struct cf_test_flight {
	uint64_t at;
	size_t len;
	uint8_t p[1500];
};

struct cf_test_caller {
	struct cf_mix_member *member;
	struct cf_media_sender *sender;
	struct cf_media_receiver *receiver;
	struct cf_opus_decoder *direct; /* instead: packets are decoded as they come */
	double hz;                      /* of its sound: harmonics of none of the others */
	double amplitude;               /* 0..32767; 0: says nothing */
	double noise;                   /* in it: default 0.05 */
	bool steady;                    /* without syllables */
	double phase;
	bool deaf;        /* what comes is counted, not decoded */
	bool dumb;        /* sends nothing by itself */
	unsigned packets; /* since it joined */
	unsigned markers;
	uint16_t seq; /* of the last packet */
	uint32_t ts;
	uint64_t at; /* samples of the group */
	uint8_t level;
	size_t len;       /* of the last packet, whole */
	size_t n_sources; /* that it names */
	uint32_t sources[CF_MIX_MAX_SOURCES];
	int16_t *out;     /* what it has heard */
	size_t n_out;     /* samples */
	size_t n_flights; /* on the way to the mixer */
	struct cf_test_flight flights[CF_TEST_FLIGHTS];
};

struct cf_test_group {
	struct cf_mix *mix;
	size_t n;
	struct cf_test_caller *callers;
	uint64_t now;
	uint64_t samples; /* since the start */
	uint32_t rng;
	unsigned loss_percent;
	unsigned jitter_ms;
	bool no_level; /* callers do not tell their level */
};

/** n callers that are all silent and listen; max_s seconds of hearing. Fails the test on error. */
void cf_test_group_init(
	struct cf_test_group *group, size_t n, const struct cf_mix_opts *opts, unsigned max_s);
void cf_test_group_done(struct cf_test_group *group);

/** Adds the i-th caller's member (again). */
void cf_test_group_join(struct cf_test_group *group, size_t i);
void cf_test_group_leave(struct cf_test_group *group, size_t i);

/** So many milliseconds pass. */
void cf_test_group_run(struct cf_test_group *group, unsigned ms);

/** How loud caller `whose` is in what `who` heard in the last ms: dB, 0 is full scale. */
double cf_test_hear_db(const struct cf_test_group *group, size_t who, size_t whose, unsigned ms);

/** Everything that `who` heard in the last ms: dBov. */
double cf_test_total_db(const struct cf_test_group *group, size_t who, unsigned ms);

/** The largest step of the slope in what `who` heard in the last ms, by the second difference, as a
 * part of full scale: a click has a large one. */
double cf_test_click(const struct cf_test_group *group, size_t who, unsigned ms);

/** How far what `a` heard in the last ms is from what `b` of the other group heard: dB below it, of
 * the 20 ms where that is worst (silent ones are left out). */
double cf_test_difference_db(const struct cf_test_group *ga, size_t a,
	const struct cf_test_group *gb, size_t b, unsigned ms);

#endif
