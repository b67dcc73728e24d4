/* SPDX-License-Identifier: Apache-2.0 */
/* Video in descriptions: codecs with their retransmission payloads and feedback. */
#include "sdp/sdp_priv.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Constrained baseline, level 3.1: what every browser decodes. The level limits nobody: asymmetry
 * is allowed (RFC 6184 section 8.1). */
#define PROFILE "42e01f"

/* RFC 6184 section 8.2.2: profile and mode have to be the same on both sides; of the profiles only
 * baseline is made and read here (0x42), of the modes the non-interleaved one. */
static bool h264_fits(const struct cf_sdp_codec *codec)
{
	struct cf_view mode = cf_sdp_fmtp_param(codec->fmtp, "packetization-mode");
	struct cf_view profile = cf_sdp_fmtp_param(codec->fmtp, "profile-level-id");

	uint8_t level[3];

	return cf_view_is(mode, "1") && profile.len == 6 &&
	       cf_hex_decode(level, sizeof(level), (const char *)profile.p, 6) == 0 &&
	       level[0] == 0x42;
}

/* Whether it is a codec of ours, and which. */
static bool known(const struct cf_sdp_codec *codec, enum cf_video_codec *ret_codec)
{
	if (codec->rate != CF_VIDEO_CLOCK)
		return false;
	if (cf_view_is_nocase(codec->name, cf_video_codec_name(CF_VIDEO_VP8)))
		*ret_codec = CF_VIDEO_VP8;
	else if (cf_view_is_nocase(codec->name, cf_video_codec_name(CF_VIDEO_H264)) &&
		 h264_fits(codec))
		*ret_codec = CF_VIDEO_H264;
	else
		return false;
	return true;
}

/* RFC 4588 section 8.1: the payload type that carries repetitions of pt, 0 without one. */
static uint8_t rtx_of(const struct cf_sdp_media *media, uint8_t pt)
{
	for (size_t i = 0; i < media->n_codecs; i++) {
		const struct cf_sdp_codec *codec = &media->codecs[i];
		struct cf_view apt = cf_sdp_fmtp_param(codec->fmtp, "apt");
		uint64_t n;

		if (cf_view_is_nocase(codec->name, "rtx") && codec->rate == CF_VIDEO_CLOCK &&
			cf_text_u64((const char *)apt.p, apt.len, &n) == 0 && n == pt)
			return codec->pt;
	}
	return 0;
}

size_t cf_sdp_video_codecs(const struct cf_sdp_media *media,
	struct cf_sdp_agreed_codec ret_list[static CF_SDP_VIDEO_FORMATS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < media->n_codecs && n < CF_SDP_VIDEO_FORMATS_MAX; i++) {
		struct cf_sdp_agreed_codec *entry = &ret_list[n];

		if (!known(&media->codecs[i], &entry->codec))
			continue;
		entry->pt = media->codecs[i].pt;
		entry->rtx_pt = rtx_of(media, entry->pt);
		n++;
	}
	return n;
}

static const struct cf_sdp_codec *codec_of(const struct cf_sdp_media *media, uint8_t pt)
{
	for (size_t i = 0; i < media->n_codecs; i++)
		if (media->codecs[i].pt == pt)
			return &media->codecs[i];
	return NULL;
}

/* All that both m-lines say. prefer: the codec that we like to send, or CF_VIDEO_CODECS. */
static void agree(struct cf_sdp_agreed_video *video, const struct cf_sdp_media *mine,
	const struct cf_sdp_media *theirs, enum cf_sdp_direction wanted, enum cf_video_codec prefer)
{
	struct cf_sdp_agreed_codec list[CF_SDP_VIDEO_FORMATS_MAX];
	size_t n = cf_sdp_video_codecs(theirs, list), sent = 0;

	video->n_received = cf_sdp_video_codecs(mine, video->received);
	if (n == 0 || video->n_received == 0)
		return;
	for (size_t i = n; i-- > 0;)
		if (list[i].codec == prefer)
			sent = i;
	video->on = true;
	video->remote = theirs;
	video->sent = list[sent];
	video->feedback = codec_of(theirs, list[sent].pt)->feedback;
	video->send = (wanted & CF_SDP_SENDONLY) && (theirs->direction & CF_SDP_RECVONLY);
	video->recv = (wanted & CF_SDP_RECVONLY) && (theirs->direction & CF_SDP_SENDONLY);
	cf_sdp_agree_ext(theirs, mine, CF_SDP_EXT_MID, &video->send_ext_mid, &video->recv_ext_mid);
	cf_sdp_agree_ext(
		theirs, mine, CF_SDP_EXT_TWCC, &video->send_ext_twcc, &video->recv_ext_twcc);
}

void cf_sdp_agree_video_offer(const struct cf_sdp_local *local, const struct cf_sdp_desc *offer,
	struct cf_sdp_agreed *agreed)
{
	const struct cf_sdp_local_video *ours = local->n_videos ? local->videos : &local->video;
	size_t max = local->n_videos ? local->n_videos : local->video.on;

	for (size_t i = 0; i < offer->n_media && agreed->n_videos < max; i++) {
		const struct cf_sdp_media *media = &offer->media[i];
		struct cf_sdp_agreed_video *video = &agreed->videos[agreed->n_videos];

		/* One transport for all: RFC 9143 section 7.3.1. */
		if (cf_sdp_usable(media, "video") || !media->bundle ||
			media->bundle != agreed->remote->bundle)
			continue;
		agree(video, media, media, ours[agreed->n_videos].direction,
			ours[agreed->n_videos].prefer);
		if (video->on && ours[agreed->n_videos].simulcast)
			cf_sdp_agree_layers(video);
		video->index = i;
		agreed->n_videos += video->on;
	}
	agreed->video = agreed->n_videos > 0 ? agreed->videos[0]
					     : (struct cf_sdp_agreed_video){.on = false};
}

void cf_sdp_agree_video_answer(const struct cf_sdp_desc *offer, const struct cf_sdp_desc *answer,
	struct cf_sdp_agreed *agreed)
{
	struct cf_sdp_agreed_video *video = &agreed->video;

	for (size_t i = 0; i < offer->n_media && !video->on; i++) {
		const struct cf_sdp_media *mine = &offer->media[i], *theirs = &answer->media[i];

		if (cf_sdp_usable(mine, "video") || cf_sdp_usable(theirs, "video") ||
			!theirs->bundle || theirs->bundle != agreed->remote->bundle)
			continue;
		video->index = i;
		/* Their answer has the order that they like. */
		agree(video, mine, theirs, mine->direction, CF_VIDEO_CODECS);
		if (video->on)
			video->feedback &= mine->n_codecs ? mine->codecs[0].feedback : 0;
	}
	agreed->videos[0] = *video;
	agreed->n_videos = video->on;
}

size_t cf_sdp_video_answer_formats(const struct cf_sdp_agreed_video *video,
	struct cf_sdp_video_format ret_formats[static CF_SDP_VIDEO_FORMATS_MAX])
{
	size_t n = 0;

	/* What we send goes first: the other side does best to send the same. */
	for (int rest = 0; rest < 2; rest++) {
		for (size_t i = 0; i < video->n_received; i++) {
			const struct cf_sdp_codec *theirs =
				codec_of(video->remote, video->received[i].pt);

			if ((video->received[i].pt == video->sent.pt) == (rest == 1))
				continue;
			ret_formats[n++] = (struct cf_sdp_video_format){
				.codec = video->received[i],
				.profile = cf_sdp_fmtp_param(theirs->fmtp, "profile-level-id"),
				.feedback = theirs->feedback,
			};
		}
	}
	return n;
}

void cf_sdp_video_pts(const struct cf_sdp_video_format *formats, size_t n, char *text, size_t cap)
{
	size_t len = 0;

	for (size_t i = 0; i < n && len < cap; i++) {
		const struct cf_sdp_agreed_codec *codec = &formats[i].codec;

		len += (size_t)snprintf(text + len, cap - len, "%s%d", i > 0 ? " " : "", codec->pt);
		if (codec->rtx_pt && len < cap)
			len += (size_t)snprintf(text + len, cap - len, " %d", codec->rtx_pt);
	}
}

void cf_sdp_put_feedback(struct cf_sdp_writer *w, int pt, unsigned feedback)
{
	for (size_t i = 0; i < CF_SDP_FEEDBACKS; i++)
		if (feedback & cf_sdp_feedbacks[i].bit)
			cf_sdp_put(w, "a=rtcp-fb:%d %s%s%s", pt, cf_sdp_feedbacks[i].what,
				*cf_sdp_feedbacks[i].more ? " " : "", cf_sdp_feedbacks[i].more);
}

void cf_sdp_put_video_formats(
	struct cf_sdp_writer *w, const struct cf_sdp_video_format *formats, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct cf_sdp_video_format *format = &formats[i];
		int pt = format->codec.pt, rtx = format->codec.rtx_pt;
		struct cf_view profile =
			format->profile.len ? format->profile : cf_view_str(PROFILE);

		cf_sdp_put(w, "a=rtpmap:%d %s/%d", pt, cf_video_codec_name(format->codec.codec),
			CF_VIDEO_CLOCK);
		if (format->codec.codec == CF_VIDEO_H264)
			cf_sdp_put(w,
				"a=fmtp:%d level-asymmetry-allowed=1;packetization-mode=1;"
				"profile-level-id=%.*s",
				pt, CF_SDP_ARG(profile));
		cf_sdp_put_feedback(w, pt, format->feedback);
		if (rtx) {
			cf_sdp_put(w, "a=rtpmap:%d rtx/%d", rtx, CF_VIDEO_CLOCK);
			cf_sdp_put(w, "a=fmtp:%d apt=%d", rtx, pt);
		}
	}
}
