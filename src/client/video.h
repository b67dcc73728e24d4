/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The video of one call. Pictures are read and coded on one thread, decoded and shown on another;
 * all between them and the network is done on the loop. Packets leave and enter as plain RTP and
 * RTCP; the peer room encrypts. One loop.
 */
#ifndef CF_CLIENT_VIDEO_H
#define CF_CLIENT_VIDEO_H

#include "base/err.h"
#include "loop/loop.h"
#include "sdp/media.h"

#include <callflow/callflow.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_video;

struct cf_video_callbacks {
	/** A packet to be sent; the buffer has cap bytes, to be encrypted in place. */
	void (*rtp)(uint8_t *packet, size_t n, size_t cap, void *arg);
	void (*rtcp)(uint8_t *packet, size_t n, size_t cap, void *arg);
};

/** Opens files (any thread). *ret_video NULL and 0 where the options ask for no video. 0,
 * CF_EINVAL, CF_ENOTFOUND, CF_EDENIED, CF_EBADMSG, CF_EIO, CF_ENOMEM; why it failed, in words, is
 * in cf_client_why(). */
CF_MUST_CHECK int cf_video_new(
	struct cf_video **ret_video, const struct callflow_video_options *options);
/** Closes files, ends the threads (waits for the picture at hand). Not from their functions. */
struct cf_video *cf_video_free(struct cf_video *video);

/** What to ask for in descriptions. video NULL: none. */
void cf_video_local(const struct cf_video *video, struct cf_sdp_local_video *local);

/** What is agreed on next is for another connection. video may be NULL. */
void cf_video_renew(struct cf_video *video);

/** Puts into practice what was agreed on, first or anew. cname is copied. 0 or CF_ENOMEM. */
CF_MUST_CHECK int cf_video_agree(struct cf_video *video, struct cf_loop *loop,
	const struct cf_sdp_agreed *agreed, const struct cf_sdp_local_video *local,
	const char *cname, const struct cf_video_callbacks *callbacks, void *arg);

/** The path was changed: the rate is learned anew. */
void cf_video_new_path(struct cf_video *video);

/** Whether an RTP packet is video's. video NULL: no. */
bool cf_video_takes(const struct cf_video *video, const uint8_t *packet, size_t n);
/** Packets from the peer; changed in place. */
void cf_video_rtp(struct cf_video *video, uint8_t *packet, size_t n, uint64_t now_us);
void cf_video_rtcp(struct cf_video *video, const uint8_t *packet, size_t n, uint64_t now_us);

/** Fills ret_stats->video. placed_us: as cf_audio_stats(). video NULL: nothing. */
void cf_video_stats(
	const struct cf_video *video, uint64_t placed_us, struct callflow_stats *ret_stats);

#endif
