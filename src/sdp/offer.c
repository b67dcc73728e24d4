/* SPDX-License-Identifier: Apache-2.0 */
/* Writes our offers and answers. */
#include "base/mem.h"
#include "sdp/sdp_priv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* What Chromium uses too: helps whoever reads the traffic. */
#define PT_OPUS 111
#define PT_EVENT_48000 110
#define PT_EVENT_8000 126
#define PT_VP8 96
#define PT_H264 102
#define PT_DYNAMIC 96
#define EXT_ID_MAX 14
#define MID_TEXT_MAX 8
#define FORMATS_TEXT_MAX 128
#define VIDEO_FEEDBACK \
	(CF_SDP_FB_NACK | CF_SDP_FB_PLI | CF_SDP_FB_FIR | CF_SDP_FB_TRANSPORT_CC | CF_SDP_FB_REMB)

/* What any m-line of ours says besides the local side. */
struct line {
	const char *kind;
	struct cf_view proto;
	struct cf_view mid; /* empty: none */
	bool tagged; /* first of its bundle: candidates stand here (RFC 9143 section 7.1.3) */
	bool bundle_only;
	enum cf_sdp_direction direction;
	uint8_t ext_level, ext_mid, ext_twcc, ext_rid, ext_rrid; /* 0: none */
	uint32_t ssrc, rtx_ssrc;
	char formats[FORMATS_TEXT_MAX];
};

/* A video m-line. */
struct video_plan {
	struct line line;
	size_t index; /* of the m-line, in an answer */
	size_t n_formats;
	struct cf_sdp_video_format formats[CF_SDP_VIDEO_FORMATS_MAX];
	const struct cf_sdp_agreed_video *agreed; /* of an answer */
};

struct plan {
	bool bundle;
	enum cf_sdp_setup setup;
	struct line audio;
	int opus;
	int event_48000; /* -1: none */
	int event_8000;
	unsigned feedback; /* of audio */
	size_t n_videos;
	struct video_plan videos[CF_SDP_VIDEOS_MAX];
};

static void put_raw(struct cf_sdp_writer *w, struct cf_view text)
{
	if (!w->err)
		w->err = cf_buf_append(w->out, text.p, text.len);
}

void cf_sdp_put_view(struct cf_sdp_writer *w, const char *name, struct cf_view text)
{
	put_raw(w, cf_view_str(name));
	put_raw(w, text);
	put_raw(w, cf_view_str("\r\n"));
}

void cf_sdp_put(struct cf_sdp_writer *w, const char *format, ...)
{
	char line[CF_SDP_ICE_TEXT_MAX * 2];
	va_list args;
	int n;

	if (w->err)
		return;
	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(line))
		w->err = CF_EINVAL;
	else
		cf_sdp_put_view(w, "", cf_view_of(line, (size_t)n));
}

static int finish(struct cf_sdp_writer *w)
{
	if (w->err)
		w->out->len = w->start;
	return w->err;
}

void cf_sdp_local_defaults(struct cf_sdp_local *local)
{
	*local = (struct cf_sdp_local){.direction = CF_SDP_SENDRECV,
		.video = {.direction = CF_SDP_SENDRECV, .prefer = CF_VIDEO_CODECS}};
}

static bool local_valid(const struct cf_sdp_local *local)
{
	return local->ufrag.len >= CF_SDP_UFRAG_MIN && local->ufrag.len <= CF_SDP_ICE_TEXT_MAX &&
	       local->pwd.len >= CF_SDP_PWD_MIN && local->pwd.len <= CF_SDP_ICE_TEXT_MAX &&
	       local->fingerprint.len > 0 && local->session_id <= INT64_MAX;
}

static void put_mid(struct cf_sdp_writer *w, const struct line *line)
{
	put_raw(w, cf_view_str(" "));
	put_raw(w, line->mid);
}

/* The tagged m-line's mid stands first: section 7.2.1 of RFC 9143. */
static void put_bundle(struct cf_sdp_writer *w, const struct plan *plan)
{
	put_raw(w, cf_view_str("a=group:BUNDLE"));
	for (size_t i = 0; i < plan->n_videos && plan->videos[i].line.tagged; i++)
		put_mid(w, &plan->videos[i].line);
	put_mid(w, &plan->audio);
	for (size_t i = 0; i < plan->n_videos; i++)
		if (!plan->videos[i].line.tagged)
			put_mid(w, &plan->videos[i].line);
	put_raw(w, cf_view_str("\r\n"));
}

static void put_head(
	struct cf_sdp_writer *w, const struct cf_sdp_local *local, const struct plan *plan)
{
	/* RFC 8829 section 5.2.1: what stands here besides the two numbers carries nothing. */
	cf_sdp_put(w, "v=0");
	cf_sdp_put(w, "o=- %" PRIu64 " %" PRIu64 " IN IP4 127.0.0.1", local->session_id,
		local->version);
	cf_sdp_put(w, "s=-");
	cf_sdp_put(w, "t=0 0");
	if (plan->bundle)
		put_bundle(w, plan);
	cf_sdp_put(w, "a=ice-options:trickle ice2");
	if (local->ice_lite)
		cf_sdp_put(w, "a=ice-lite");
}

static void put_fingerprint(struct cf_sdp_writer *w, const struct cf_sdp_fingerprint *print)
{
	char text[CF_SDP_FINGERPRINT_TEXT_MAX] = "";

	cf_sdp_fingerprint_print(print, text);
	cf_sdp_put(w, "a=fingerprint:%s %s", cf_sdp_hash_name(print->hash), text);
}

static void put_transport(
	struct cf_sdp_writer *w, const struct cf_sdp_local *local, enum cf_sdp_setup setup)
{
	cf_sdp_put_view(w, "a=ice-ufrag:", local->ufrag);
	cf_sdp_put_view(w, "a=ice-pwd:", local->pwd);
	put_fingerprint(w, &local->fingerprint);
	cf_sdp_put(w, "a=setup:%s", cf_sdp_setup_name(setup));
}

static void put_candidates(struct cf_sdp_writer *w, const struct cf_sdp_local *local)
{
	for (size_t i = 0; i < local->n_candidates; i++)
		cf_sdp_put_view(w, "a=", local->candidates[i]);
	if (local->end_of_candidates)
		cf_sdp_put(w, "a=end-of-candidates");
}

/* What stands before the codecs of any m-line. */
static void put_line(struct cf_sdp_writer *w, const struct cf_sdp_local *local,
	const struct plan *plan, const struct line *line)
{
	/* RFC 8840 section 4.1.1: port 9 and an address of zero until candidates tell better. */
	cf_sdp_put(w, "m=%s %d %.*s %s", line->kind, line->bundle_only ? 0 : 9,
		CF_SDP_ARG(line->proto), line->formats);
	cf_sdp_put(w, "c=IN IP4 0.0.0.0");
	if (line->mid.len)
		cf_sdp_put_view(w, "a=mid:", line->mid);
	if (line->bundle_only)
		cf_sdp_put(w, "a=bundle-only");
	/* RFC 9143 section 7.1.3 wants these in the tagged m-line only. Firefox 153 crashes
	 * over an m-line without a=setup; browsers themselves write them everywhere. */
	put_transport(w, local, plan->setup);
	if (line->ext_level)
		cf_sdp_put(w, "a=extmap:%d %s", line->ext_level, CF_SDP_EXT_AUDIO_LEVEL);
	if (line->ext_mid)
		cf_sdp_put(w, "a=extmap:%d %s", line->ext_mid, CF_SDP_EXT_MID);
	if (line->ext_twcc)
		cf_sdp_put(w, "a=extmap:%d %s", line->ext_twcc, CF_SDP_EXT_TWCC);
	if (line->ext_rid)
		cf_sdp_put(w, "a=extmap:%d %s", line->ext_rid, CF_SDP_EXT_RID);
	if (line->ext_rrid)
		cf_sdp_put(w, "a=extmap:%d %s", line->ext_rrid, CF_SDP_EXT_RRID);
	cf_sdp_put(w, "a=%s", cf_sdp_direction_name(line->direction));
	cf_sdp_put(w, "a=rtcp-mux");
}

/* And what stands behind them. */
static void put_source(
	struct cf_sdp_writer *w, const struct cf_sdp_local *local, const struct line *line)
{
	/* RFC 8829 section 5.2.1: an msid only where something may be sent. */
	if (line->direction & CF_SDP_SENDONLY) {
		cf_sdp_put_view(w, "a=msid:", local->msid.len ? local->msid : cf_view_str("-"));
		if (line->ssrc && line->rtx_ssrc) /* RFC 5576 section 4.2, RFC 4588 section 8.3 */
			cf_sdp_put(w, "a=ssrc-group:FID %" PRIu32 " %" PRIu32, line->ssrc,
				line->rtx_ssrc);
		if (line->ssrc && local->cname.len)
			cf_sdp_put(w, "a=ssrc:%" PRIu32 " cname:%.*s", line->ssrc,
				CF_SDP_ARG(local->cname));
		if (line->rtx_ssrc && local->cname.len)
			cf_sdp_put(w, "a=ssrc:%" PRIu32 " cname:%.*s", line->rtx_ssrc,
				CF_SDP_ARG(local->cname));
	}
	if (line->tagged)
		put_candidates(w, local);
}

static void put_codecs(
	struct cf_sdp_writer *w, const struct cf_sdp_local *local, const struct plan *plan)
{
	char bitrate[40] = "";

	if (local->max_bitrate_bps)
		snprintf(bitrate, sizeof(bitrate), ";maxaveragebitrate=%" PRIu32,
			local->max_bitrate_bps);
	cf_sdp_put(w, "a=rtpmap:%d opus/48000/2", plan->opus); /* RFC 7587 section 7: always 2 */
	cf_sdp_put(w, "a=fmtp:%d minptime=10;useinbandfec=1%s%s", plan->opus,
		local->dtx ? ";usedtx=1" : "", bitrate);
	cf_sdp_put_feedback(w, plan->opus, plan->feedback);
	if (plan->event_48000 >= 0) {
		cf_sdp_put(w, "a=rtpmap:%d telephone-event/48000", plan->event_48000);
		cf_sdp_put(w, "a=fmtp:%d 0-15", plan->event_48000);
	}
	if (plan->event_8000 >= 0) {
		cf_sdp_put(w, "a=rtpmap:%d telephone-event/8000", plan->event_8000);
		cf_sdp_put(w, "a=fmtp:%d 0-15", plan->event_8000);
	}
}

static void audio_formats(struct plan *plan)
{
	char *text = plan->audio.formats;
	int n = snprintf(text, FORMATS_TEXT_MAX, "%d", plan->opus);

	if (plan->event_48000 >= 0)
		n += snprintf(text + n, FORMATS_TEXT_MAX - (size_t)n, " %d", plan->event_48000);
	if (plan->event_8000 >= 0)
		snprintf(text + n, FORMATS_TEXT_MAX - (size_t)n, " %d", plan->event_8000);
}

static void put_audio(struct cf_sdp_writer *w, const struct cf_sdp_local *local, struct plan *plan)
{
	audio_formats(plan);
	plan->audio.kind = "audio";
	plan->audio.ssrc = local->ssrc;
	put_line(w, local, plan, &plan->audio);
	put_codecs(w, local, plan);
	put_source(w, local, &plan->audio);
}

static void put_video(struct cf_sdp_writer *w, const struct cf_sdp_local *local,
	const struct plan *plan, struct video_plan *video)
{
	const struct cf_sdp_local_video *ours =
		local->n_videos ? &local->videos[video - plan->videos] : &local->video;

	cf_sdp_video_pts(video->formats, video->n_formats, video->line.formats, FORMATS_TEXT_MAX);
	video->line.kind = "video";
	video->line.ssrc = ours->ssrc;
	video->line.rtx_ssrc = video->formats[0].codec.rtx_pt ? ours->rtx_ssrc : 0;
	put_line(w, local, plan, &video->line);
	cf_sdp_put_video_formats(w, video->formats, video->n_formats);
	if (video->agreed)
		cf_sdp_put_layers(w, video->agreed->layers, video->agreed->n_layers);
	put_source(w, local, &video->line);
}

/* RFC 3264 section 6: a refused m-line stays in its place with port 0. */
static void put_refused(struct cf_sdp_writer *w, const struct cf_sdp_media *media)
{
	put_raw(w, cf_view_str("m="));
	put_raw(w, media->kind);
	put_raw(w, cf_view_str(" 0 "));
	put_raw(w, media->proto);
	cf_sdp_put_view(w, " ", media->formats);
	cf_sdp_put(w, "c=IN IP4 0.0.0.0");
	if (media->mid.len)
		cf_sdp_put_view(w, "a=mid:", media->mid);
	cf_sdp_put(w, "a=inactive");
}

static enum cf_sdp_direction direction_of(bool send, bool recv)
{
	return (send ? CF_SDP_SENDONLY : 0) | (recv ? CF_SDP_RECVONLY : 0);
}

static void answer_video(struct plan *plan, const struct cf_sdp_agreed_video *video, bool tagged)
{
	struct video_plan *mine = &plan->videos[plan->n_videos++];

	mine->index = video->index;
	mine->line = (struct line){.proto = video->remote->proto,
		.mid = video->remote->mid,
		.tagged = tagged,
		.direction = direction_of(video->send, video->recv),
		.ext_mid = video->recv_ext_mid,
		.ext_twcc = video->recv_ext_twcc,
		.ext_rid = video->recv_ext_rid,
		.ext_rrid = video->recv_ext_rrid};
	mine->agreed = video;
	mine->n_formats = cf_sdp_video_answer_formats(video, mine->formats);
}

static struct plan answer_plan(const struct cf_sdp_agreed *agreed)
{
	const struct cf_sdp_agreed_video *video = &agreed->video;
	struct plan plan = {
		.bundle = agreed->remote->bundle,
		.setup = agreed->dtls_client ? CF_SDP_SETUP_ACTIVE : CF_SDP_SETUP_PASSIVE,
		.audio = {.proto = agreed->remote->proto,
			.mid = agreed->remote->mid,
			.tagged = !video->on || agreed->index < video->index,
			.direction = direction_of(agreed->send, agreed->recv),
			.ext_level = agreed->recv_ext_level,
			.ext_mid = agreed->recv_ext_mid},
		.opus = agreed->opus_recv_pt,
		.event_48000 = agreed->dtmf_recv_pt[0],
		.event_8000 = agreed->dtmf_recv_pt[1],
		.feedback = agreed->feedback,
	};

	for (size_t i = 0; i < agreed->n_videos; i++)
		answer_video(&plan, &agreed->videos[i], i == 0 && !plan.audio.tagged);
	return plan;
}

int cf_sdp_answer_write(const struct cf_sdp_local *local, const struct cf_sdp_desc *offer,
	struct cf_buf *out, struct cf_sdp_agreed *ret_agreed)
{
	struct cf_sdp_writer w = {.out = out, .start = out->len};
	struct cf_sdp_agreed agreed;
	struct plan plan = {0};
	size_t next = 0;

	if (!local_valid(local) || local->n_videos > CF_SDP_VIDEOS_MAX)
		return CF_EINVAL;
	cf_sdp_agree_offer(local, offer, &agreed);
	if (!agreed.refusal)
		plan = answer_plan(&agreed);
	put_head(&w, local, &plan);
	for (size_t i = 0; i < offer->n_media; i++) {
		struct video_plan *video = next < plan.n_videos && plan.videos[next].index == i
						   ? &plan.videos[next++]
						   : NULL;

		if (!agreed.refusal && i == agreed.index)
			put_audio(&w, local, &plan);
		else if (video)
			put_video(&w, local, &plan, video);
		else
			put_refused(&w, &offer->media[i]);
	}
	if (finish(&w))
		return w.err;
	*ret_agreed = agreed;
	return 0;
}

/* Offering */

/* The m-line of a description that a further offer goes on with, or NULL. */
static const struct cf_sdp_media *line_of(const struct cf_sdp_desc *desc, const char *kind)
{
	const struct cf_sdp_media *dead = NULL;

	for (size_t i = 0; desc && i < desc->n_media; i++) {
		const struct cf_sdp_media *media = &desc->media[i];

		if (!cf_view_is_nocase(media->kind, kind))
			continue;
		if (cf_sdp_media_live(media))
			return media;
		dead = dead ? dead : media;
	}
	return dead;
}

/* Numbers that have a meaning in the call: RFC 3264 section 8.3.2 lets none change it, RFC 9143
 * section 10.1.1 lets none have two in a bundle. */
struct numbers {
	bool pt[128];
	bool ext[EXT_ID_MAX + 1];
	const struct cf_sdp_desc *previous;
};

static void note_numbers(struct numbers *used, const struct cf_sdp_desc *previous)
{
	*used = (struct numbers){.previous = previous};
	for (size_t i = 0; previous && i < previous->n_media; i++) {
		for (size_t k = 0; k < previous->media[i].n_codecs; k++)
			used->pt[previous->media[i].codecs[k].pt] = true;
		for (size_t k = 0; k < previous->media[i].n_exts; k++)
			used->ext[previous->media[i].exts[k].id] = true;
	}
}

/* `wanted`, or the next free one. */
static int claim_pt(struct numbers *used, int wanted)
{
	int pt = wanted;

	while (used->pt[pt]) {
		pt = pt == 127 ? PT_DYNAMIC : pt + 1;
		if (pt == wanted) /* all are taken: one is as good as another */
			break;
	}
	used->pt[pt] = true;
	return pt;
}

static int keep_pt(struct numbers *used, const struct cf_sdp_media *media, const char *name,
	uint32_t rate, int wanted)
{
	const struct cf_sdp_codec *codec = media ? cf_sdp_codec_find(media, name, rate) : NULL;

	return codec ? codec->pt : claim_pt(used, wanted);
}

/* The id that the extension has in this m-line, or in any, else a free one, else 0. */
static uint8_t keep_ext(
	struct numbers *used, const struct cf_sdp_media *media, const char *uri, uint8_t wanted)
{
	const struct cf_sdp_ext *own = media ? cf_sdp_ext_find(media, uri) : NULL;

	if (own)
		return own->id;
	for (size_t i = 0; used->previous && i < used->previous->n_media; i++) {
		const struct cf_sdp_ext *ext = cf_sdp_ext_find(&used->previous->media[i], uri);

		if (ext)
			return ext->id;
	}
	for (uint8_t id = wanted; id <= EXT_ID_MAX; id++) {
		if (used->ext[id])
			continue;
		used->ext[id] = true;
		return id;
	}
	return 0;
}

/* A mid that no other m-line has, nor the one that stands beside it. */
static struct cf_view free_mid(
	const struct cf_sdp_desc *previous, struct cf_view beside, char text[static MID_TEXT_MAX])
{
	bool taken = true;

	for (unsigned n = 0; taken; n++) {
		snprintf(text, MID_TEXT_MAX, "%u", n % 1000);
		taken = cf_view_is(beside, text);
		for (size_t i = 0; previous && i < previous->n_media; i++)
			taken |= cf_view_is(previous->media[i].mid, text);
	}
	return cf_view_str(text);
}

/* The formats of our offer: those of before in their place, then what is new. */
static void plan_formats(struct plan *plan, const struct cf_sdp_local *local,
	const struct cf_sdp_media *before, struct numbers *used)
{
	static const int wanted[] = {[CF_VIDEO_VP8] = PT_VP8, [CF_VIDEO_H264] = PT_H264};
	struct cf_sdp_agreed_codec list[CF_SDP_VIDEO_FORMATS_MAX];
	size_t n = before ? cf_sdp_video_codecs(before, list) : 0;

	for (int i = 0; i < CF_VIDEO_CODECS; i++) {
		enum cf_video_codec codec =
			(enum cf_video_codec)(((int)local->video.prefer + i) % CF_VIDEO_CODECS);
		struct cf_sdp_video_format format = {
			.codec = {.codec = codec}, .feedback = VIDEO_FEEDBACK};

		for (size_t k = n; k-- > 0;)
			if (list[k].codec == codec)
				format.codec = list[k];
		if (!format.codec.pt) {
			format.codec.pt = (uint8_t)claim_pt(used, wanted[codec]);
			format.codec.rtx_pt = (uint8_t)claim_pt(used, wanted[codec] + 1);
		}
		plan->videos[0].formats[plan->videos[0].n_formats++] = format;
	}
}

static void plan_video(struct plan *plan, const struct cf_sdp_local *local,
	const struct cf_sdp_media *before, struct numbers *used)
{
	plan->n_videos = 1;
	plan->videos[0].line = (struct line){
		.proto = plan->audio.proto,
		.mid = before ? before->mid : cf_view_of(NULL, 0),
		/* Until the other side has put it into the bundle: RFC 9143 section 7.1.3. */
		.bundle_only = !before || !cf_sdp_media_live(before),
		.direction = local->video.direction,
		.ext_mid = before && cf_sdp_ext_find(before, CF_SDP_EXT_MID)
				   ? cf_sdp_ext_find(before, CF_SDP_EXT_MID)->id
				   : plan->audio.ext_mid,
		.ext_twcc = keep_ext(used, before, CF_SDP_EXT_TWCC, 3),
	};
	plan_formats(plan, local, before, used);
}

static struct plan offer_plan(const struct cf_sdp_local *local, const struct cf_sdp_media *before,
	const struct cf_sdp_media *before_video, struct numbers *used)
{
	struct plan plan = {
		.bundle = true,
		.setup = local->setup ? local->setup : CF_SDP_SETUP_ACTPASS,
		.audio = {.proto = cf_view_str("UDP/TLS/RTP/SAVPF"), /* RFC 8829 section 5.1.2 */
			.mid = before ? before->mid : cf_view_of(NULL, 0),
			.tagged = true,
			.direction = local->direction},
		.feedback = local->feedback,
	};

	plan.opus = keep_pt(used, before, "opus", 48000, PT_OPUS);
	plan.event_48000 = keep_pt(used, before, "telephone-event", 48000, PT_EVENT_48000);
	plan.event_8000 = keep_pt(used, before, "telephone-event", 8000, PT_EVENT_8000);
	plan.audio.ext_level = keep_ext(used, before, CF_SDP_EXT_AUDIO_LEVEL, 1);
	plan.audio.ext_mid = keep_ext(used, before, CF_SDP_EXT_MID, 2);
	if (local->video.on)
		plan_video(&plan, local, before_video, used);
	if (before && before_video && before_video < before && plan.n_videos > 0 &&
		!plan.videos[0].line.bundle_only) {
		plan.audio.tagged = false;
		plan.videos[0].line.tagged = true;
	}
	return plan;
}

static size_t lines_needed(const struct cf_sdp_desc *previous, const struct cf_sdp_media *audio,
	const struct cf_sdp_media *video, bool with_video)
{
	return (previous ? previous->n_media : 0) + !audio + (with_video && !video);
}

int cf_sdp_offer_write(
	const struct cf_sdp_local *local, const struct cf_sdp_desc *previous, struct cf_buf *out)
{
	const struct cf_sdp_media *before = line_of(previous, "audio");
	const struct cf_sdp_media *before_video = line_of(previous, "video");
	struct cf_sdp_writer w = {.out = out, .start = out->len};
	char mid[MID_TEXT_MAX], video_mid[MID_TEXT_MAX];
	struct numbers used;
	struct plan plan;

	if (!local_valid(local))
		return CF_EINVAL;
	if (lines_needed(previous, before, before_video, local->video.on) > CF_SDP_MEDIA_MAX)
		return CF_ELIMIT;
	note_numbers(&used, previous);
	plan = offer_plan(local, before, before_video, &used);
	if (!plan.audio.mid.len)
		plan.audio.mid = free_mid(previous, plan.videos[0].line.mid, mid);
	if (!plan.videos[0].line.mid.len)
		plan.videos[0].line.mid = free_mid(previous, plan.audio.mid, video_mid);
	put_head(&w, local, &plan);
	for (size_t i = 0; previous && i < previous->n_media; i++) {
		if (&previous->media[i] == before)
			put_audio(&w, local, &plan);
		else if (plan.n_videos > 0 && &previous->media[i] == before_video)
			put_video(&w, local, &plan, &plan.videos[0]);
		else
			put_refused(&w, &previous->media[i]);
	}
	if (!before)
		put_audio(&w, local, &plan);
	if (plan.n_videos > 0 && !before_video)
		put_video(&w, local, &plan, &plan.videos[0]);
	return finish(&w);
}
