/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: names, choosing m-lines, writing lines. */
#ifndef CF_SDP_SDP_PRIV_H
#define CF_SDP_SDP_PRIV_H

#include "sdp/media.h"

/* The arguments of "%.*s" for a view. */
#define CF_SDP_ARG(view) (int)(view).len, (const char *)(view).p

/** "sendrecv", "sendonly", ... of a direction; "actpass", ... of a role. */
const char *cf_sdp_direction_name(enum cf_sdp_direction direction);
const char *cf_sdp_setup_name(enum cf_sdp_setup setup);
/** The hash function of that name, of any case: 0 or CF_ENOTFOUND. */
int cf_sdp_hash_of(struct cf_view name, enum cf_sdp_hash *ret_hash);

/** Whether the m-line stands for a stream in use: a port, or port 0 within a bundle only. */
bool cf_sdp_media_live(const struct cf_sdp_media *media);

/** The extension with this URI that goes both ways, or NULL. */
const struct cf_sdp_ext *cf_sdp_ext_find(const struct cf_sdp_media *media, const char *uri);

/** Whether media of this kind can be had by this m-line, codecs apart. CF_SDP_NO_AUDIO stands for a
 * refused or other one. */
enum cf_sdp_refusal cf_sdp_usable(const struct cf_sdp_media *media, const char *kind);

/** Ids of the extension, where both sides have it. */
void cf_sdp_agree_ext(const struct cf_sdp_media *remote, const struct cf_sdp_media *mine,
	const char *uri, uint8_t *send, uint8_t *recv);

/* "a=rtcp-fb" values that are known. */
#define CF_SDP_FEEDBACKS 5

extern const struct cf_sdp_feedback {
	const char *what, *more;
	unsigned bit;
} cf_sdp_feedbacks[CF_SDP_FEEDBACKS];

/* Video (video.c) */

/** What is agreed on about video, once audio is: sets agreed->videos, and the first of them. */
void cf_sdp_agree_video_offer(const struct cf_sdp_local *local, const struct cf_sdp_desc *offer,
	struct cf_sdp_agreed *agreed);
void cf_sdp_agree_video_answer(const struct cf_sdp_desc *offer, const struct cf_sdp_desc *answer,
	struct cf_sdp_agreed *agreed);

/** Our codecs in an m-line, in its order. */
size_t cf_sdp_video_codecs(const struct cf_sdp_media *media,
	struct cf_sdp_agreed_codec ret_list[static CF_SDP_VIDEO_FORMATS_MAX]);

/* Simulcast (simulcast.c) */

/** Attributes "rid" and "simulcast" of an m-line; 0. What is malformed is passed over. */
int cf_sdp_on_rid(struct cf_sdp_media *media, const struct cf_sdp_line *line);
int cf_sdp_on_simulcast(struct cf_sdp_media *media, const struct cf_sdp_line *line);
/** Once all lines are read: the layers that both tell of. */
void cf_sdp_read_layers(struct cf_sdp_media *media);
/** What an offer's simulcast becomes in our answer. */
void cf_sdp_agree_layers(struct cf_sdp_agreed_video *video);

/** Cuts off *rest what stands before the first c (all, where there is none). */
struct cf_view cf_sdp_cut(struct cf_view *rest, char c);

/* Lines with a sticky error. */
struct cf_sdp_writer {
	struct cf_buf *out;
	size_t start;
	int err;
};

/** A line, without its end; "name" and a text of any length. */
void cf_sdp_put(struct cf_sdp_writer *w, const char *format, ...) CF_PRINTF(2, 3);
void cf_sdp_put_view(struct cf_sdp_writer *w, const char *name, struct cf_view text);

/** "a=rtcp-fb" lines of a payload type. */
void cf_sdp_put_feedback(struct cf_sdp_writer *w, int pt, unsigned feedback);

/** "a=rid" and "a=simulcast" of an answer that takes these. */
void cf_sdp_put_layers(struct cf_sdp_writer *w, const struct cf_view *layers, size_t n);

/* A video codec as we write it. */
struct cf_sdp_video_format {
	struct cf_sdp_agreed_codec codec;
	struct cf_view profile; /* H.264 profile-level-id; empty: ours */
	unsigned feedback;      /* CF_SDP_FB_* */
};

/** The formats of our answer, in its order; of what cf_sdp_agree_video_offer() agreed on. */
size_t cf_sdp_video_answer_formats(const struct cf_sdp_agreed_video *video,
	struct cf_sdp_video_format ret_formats[static CF_SDP_VIDEO_FORMATS_MAX]);

/** Their payload types as "m=video" lists them, then rtpmap, fmtp and rtcp-fb lines. */
void cf_sdp_video_pts(const struct cf_sdp_video_format *formats, size_t n, char *text, size_t cap);
void cf_sdp_put_video_formats(
	struct cf_sdp_writer *w, const struct cf_sdp_video_format *formats, size_t n);

#endif
