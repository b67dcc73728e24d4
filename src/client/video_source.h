/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures of one call on their way out: read from file or application, made as small as the rate
 * demands, coded. All but cf_video_source_new() and _free() runs on a thread of its own.
 */
#ifndef CF_CLIENT_VIDEO_SOURCE_H
#define CF_CLIENT_VIDEO_SOURCE_H

#include "base/err.h"
#include "base/view.h"
#include "rtp/payload.h"

#include <callflow/callflow.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_video_source;

/** 0 or an error, its reason in cf_client_why(). */
CF_MUST_CHECK int cf_video_source_new(
	struct cf_video_source **ret_source, const struct callflow_video_options *options);
struct cf_video_source *cf_video_source_free(struct cf_video_source *source);

/** Microseconds from picture to picture. Any thread. */
uint64_t cf_video_source_interval_us(const struct cf_video_source *source);
/** The most that its pictures are worth, bits per second. Any thread. */
uint32_t cf_video_source_max_bps(const struct cf_video_source *source);

/* What the next picture shall be, and what has become of it. */
struct cf_video_shot {
	enum cf_video_codec codec;
	uint32_t bitrate_bps;
	bool key;
	unsigned skip;    /* pictures to leave out first: there was no time for them */
	uint64_t time_us; /* of capture */
	/* the result */
	int status;          /* 1: coded; 0: none this time; negative: no more */
	struct cf_view data; /* valid until the next one */
	unsigned width, height;
};

void cf_video_source_shoot(struct cf_video_source *source, struct cf_video_shot *shot);

#endif
