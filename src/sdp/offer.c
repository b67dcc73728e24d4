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
#define EXT_ID_MAX 14
#define MID_TEXT_MAX 8

/* What an audio m-line of ours says besides the local side. */
struct plan {
	struct cf_view proto;
	struct cf_view mid; /* empty: none */
	bool bundle;
	enum cf_sdp_setup setup;
	enum cf_sdp_direction direction;
	int opus;
	int event_48000; /* -1: none */
	int event_8000;
	uint8_t ext_level; /* 0: none */
	uint8_t ext_mid;
	unsigned feedback;
};

/* Lines with a sticky error. */
struct writer {
	struct cf_buf *out;
	size_t start;
	int err;
};

static void put_raw(struct writer *w, struct cf_view text)
{
	if (!w->err)
		w->err = cf_buf_append(w->out, text.p, text.len);
}

/* "name" and a text of any length. */
static void put_view(struct writer *w, const char *name, struct cf_view text)
{
	put_raw(w, cf_view_str(name));
	put_raw(w, text);
	put_raw(w, cf_view_str("\r\n"));
}

static void put(struct writer *w, const char *format, ...) CF_PRINTF(2, 3);

static void put(struct writer *w, const char *format, ...)
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
		put_view(w, "", cf_view_of(line, (size_t)n));
}

static int finish(struct writer *w)
{
	if (w->err)
		w->out->len = w->start;
	return w->err;
}

void cf_sdp_local_defaults(struct cf_sdp_local *local)
{
	*local = (struct cf_sdp_local){.direction = CF_SDP_SENDRECV};
}

static bool local_valid(const struct cf_sdp_local *local)
{
	return local->ufrag.len >= CF_SDP_UFRAG_MIN && local->ufrag.len <= CF_SDP_ICE_TEXT_MAX &&
	       local->pwd.len >= CF_SDP_PWD_MIN && local->pwd.len <= CF_SDP_ICE_TEXT_MAX &&
	       local->fingerprint.len > 0 && local->session_id <= INT64_MAX;
}

static void put_head(struct writer *w, const struct cf_sdp_local *local, const struct plan *plan)
{
	/* RFC 8829 section 5.2.1: what stands here besides the two numbers carries nothing. */
	put(w, "v=0");
	put(w, "o=- %" PRIu64 " %" PRIu64 " IN IP4 127.0.0.1", local->session_id, local->version);
	put(w, "s=-");
	put(w, "t=0 0");
	if (plan && plan->bundle)
		put_view(w, "a=group:BUNDLE ", plan->mid);
	put(w, "a=ice-options:trickle ice2");
	if (local->ice_lite)
		put(w, "a=ice-lite");
}

static void put_fingerprint(struct writer *w, const struct cf_sdp_fingerprint *fp)
{
	char hex[sizeof(fp->value) * 3 + 1] = "";

	for (size_t i = 0; i < fp->len; i++)
		snprintf(hex + 3 * i, 4, "%02X%s", fp->value[i], i + 1 < fp->len ? ":" : "");
	put(w, "a=fingerprint:%s %s", cf_sdp_hash_name(fp->hash), hex);
}

static void put_transport(
	struct writer *w, const struct cf_sdp_local *local, enum cf_sdp_setup setup)
{
	put_view(w, "a=ice-ufrag:", local->ufrag);
	put_view(w, "a=ice-pwd:", local->pwd);
	put_fingerprint(w, &local->fingerprint);
	put(w, "a=setup:%s", cf_sdp_setup_name(setup));
}

static void put_codecs(struct writer *w, const struct cf_sdp_local *local, const struct plan *plan)
{
	char bitrate[40] = "";

	if (local->max_bitrate_bps)
		snprintf(bitrate, sizeof(bitrate), ";maxaveragebitrate=%" PRIu32,
			local->max_bitrate_bps);
	put(w, "a=rtpmap:%d opus/48000/2", plan->opus); /* RFC 7587 section 7: always 2 */
	put(w, "a=fmtp:%d minptime=10;useinbandfec=1%s%s", plan->opus,
		local->dtx ? ";usedtx=1" : "", bitrate);
	if (plan->feedback & CF_SDP_FB_TRANSPORT_CC)
		put(w, "a=rtcp-fb:%d transport-cc", plan->opus);
	if (plan->feedback & CF_SDP_FB_NACK)
		put(w, "a=rtcp-fb:%d nack", plan->opus);
	if (plan->event_48000 >= 0) {
		put(w, "a=rtpmap:%d telephone-event/48000", plan->event_48000);
		put(w, "a=fmtp:%d 0-15", plan->event_48000);
	}
	if (plan->event_8000 >= 0) {
		put(w, "a=rtpmap:%d telephone-event/8000", plan->event_8000);
		put(w, "a=fmtp:%d 0-15", plan->event_8000);
	}
}

static void put_source(struct writer *w, const struct cf_sdp_local *local, const struct plan *plan)
{
	/* RFC 8829 section 5.2.1: an msid only where something may be sent. */
	if (!(plan->direction & CF_SDP_SENDONLY))
		return;
	put_view(w, "a=msid:", local->msid.len ? local->msid : cf_view_str("-"));
	if (local->ssrc && local->cname.len)
		put(w, "a=ssrc:%" PRIu32 " cname:%.*s", local->ssrc, CF_SDP_ARG(local->cname));
}

static void put_audio(struct writer *w, const struct cf_sdp_local *local, const struct plan *plan)
{
	char formats[32];
	int n = snprintf(formats, sizeof(formats), "%d", plan->opus);

	if (plan->event_48000 >= 0)
		n += snprintf(formats + n, sizeof(formats) - (size_t)n, " %d", plan->event_48000);
	if (plan->event_8000 >= 0)
		snprintf(formats + n, sizeof(formats) - (size_t)n, " %d", plan->event_8000);
	/* RFC 8840 section 4.1.1: port 9 and an address of zero until candidates tell better. */
	put(w, "m=audio 9 %.*s %s", CF_SDP_ARG(plan->proto), formats);
	put(w, "c=IN IP4 0.0.0.0");
	if (plan->mid.len)
		put_view(w, "a=mid:", plan->mid);
	put_transport(w, local, plan->setup);
	if (plan->ext_level)
		put(w, "a=extmap:%d %s", plan->ext_level, CF_SDP_EXT_AUDIO_LEVEL);
	if (plan->ext_mid)
		put(w, "a=extmap:%d %s", plan->ext_mid, CF_SDP_EXT_MID);
	put(w, "a=%s", cf_sdp_direction_name(plan->direction));
	put(w, "a=rtcp-mux");
	put_codecs(w, local, plan);
	put_source(w, local, plan);
	for (size_t i = 0; i < local->n_candidates; i++)
		put_view(w, "a=", local->candidates[i]);
	if (local->end_of_candidates)
		put(w, "a=end-of-candidates");
}

/* RFC 3264 section 6: a refused m-line stays in its place with port 0. */
static void put_refused(struct writer *w, const struct cf_sdp_media *media)
{
	put_raw(w, cf_view_str("m="));
	put_raw(w, media->kind);
	put_raw(w, cf_view_str(" 0 "));
	put_raw(w, media->proto);
	put_view(w, " ", media->formats);
	put(w, "c=IN IP4 0.0.0.0");
	if (media->mid.len)
		put_view(w, "a=mid:", media->mid);
	put(w, "a=inactive");
}

static int codec_pt(const struct cf_sdp_media *media, const char *name, uint32_t rate)
{
	const struct cf_sdp_codec *codec = cf_sdp_codec_find(media, name, rate);

	return codec ? codec->pt : -1;
}

static uint8_t ext_id(const struct cf_sdp_media *media, const char *uri)
{
	const struct cf_sdp_ext *ext = cf_sdp_ext_find(media, uri);

	return ext ? ext->id : 0;
}

int cf_sdp_answer_write(const struct cf_sdp_local *local, const struct cf_sdp_desc *offer,
	struct cf_buf *out, struct cf_sdp_agreed *ret_agreed)
{
	struct writer w = {.out = out, .start = out->len};
	struct cf_sdp_agreed agreed;
	struct plan plan = {0};

	if (!local_valid(local))
		return CF_EINVAL;
	cf_sdp_agree_offer(local, offer, &agreed);
	if (!agreed.refusal) {
		const struct cf_sdp_media *media = agreed.remote;

		plan.proto = media->proto;
		plan.mid = media->mid;
		plan.bundle = media->bundled;
		plan.setup = agreed.dtls_client ? CF_SDP_SETUP_ACTIVE : CF_SDP_SETUP_PASSIVE;
		plan.direction =
			(agreed.send ? CF_SDP_SENDONLY : 0) | (agreed.recv ? CF_SDP_RECVONLY : 0);
		plan.opus = agreed.opus_recv_pt;
		plan.event_48000 = agreed.dtmf_recv_pt[0];
		plan.event_8000 = agreed.dtmf_recv_pt[1];
		plan.ext_level = agreed.recv_ext_level;
		plan.ext_mid = agreed.recv_ext_mid;
		plan.feedback = agreed.feedback;
	}
	put_head(&w, local, &plan);
	for (size_t i = 0; i < offer->n_media; i++) {
		if (!agreed.refusal && i == agreed.index)
			put_audio(&w, local, &plan);
		else
			put_refused(&w, &offer->media[i]);
	}
	if (finish(&w))
		return w.err;
	*ret_agreed = agreed;
	return 0;
}

/* The audio m-line of a description that a further offer goes on with, or NULL. */
static const struct cf_sdp_media *audio_line(const struct cf_sdp_desc *desc)
{
	const struct cf_sdp_media *dead = NULL;

	for (size_t i = 0; i < desc->n_media; i++) {
		const struct cf_sdp_media *media = &desc->media[i];

		if (!cf_view_is_nocase(media->kind, "audio"))
			continue;
		if (cf_sdp_media_live(media))
			return media;
		dead = dead ? dead : media;
	}
	return dead;
}

/* The payload type that the codec has, else `wanted` or the next free one (RFC 3264 section 8.3.2:
 * a number never changes its meaning during a call). */
static int keep_pt(const struct cf_sdp_media *media, const char *name, uint32_t rate, int wanted,
	const struct plan *plan)
{
	int pt = media ? codec_pt(media, name, rate) : -1;

	if (pt >= 0)
		return pt;
	for (pt = wanted;; pt = pt == 127 ? 96 : pt + 1) {
		bool taken = pt == plan->opus || pt == plan->event_48000;

		for (size_t i = 0; media && i < media->n_codecs; i++)
			taken |= media->codecs[i].pt == pt;
		if (!taken) /* CF_SDP_CODECS_MAX may fill all: then the first one is as good */
			return pt;
		if (pt + 1 == wanted)
			return wanted;
	}
}

static uint8_t keep_ext(
	const struct cf_sdp_media *media, const char *uri, uint8_t wanted, uint8_t other)
{
	uint8_t id = media ? ext_id(media, uri) : 0;

	if (id)
		return id;
	for (id = wanted; id <= EXT_ID_MAX; id++) {
		bool taken = id == other;

		for (size_t i = 0; media && i < media->n_exts; i++)
			taken |= media->exts[i].id == id;
		if (!taken)
			return id;
	}
	return 0;
}

/* A mid that no other m-line has. */
static struct cf_view free_mid(const struct cf_sdp_desc *previous, char text[static MID_TEXT_MAX])
{
	bool taken = true;

	for (unsigned n = 0; taken; n++) {
		snprintf(text, MID_TEXT_MAX, "%u", n % 1000);
		taken = false;
		for (size_t i = 0; previous && i < previous->n_media; i++)
			taken |= cf_view_is(previous->media[i].mid, text);
	}
	return cf_view_str(text);
}

static struct plan offer_plan(const struct cf_sdp_local *local, const struct cf_sdp_media *before)
{
	struct plan plan = {
		.proto = cf_view_str("UDP/TLS/RTP/SAVPF"), /* RFC 8829 section 5.1.2 */
		.mid = before ? before->mid : cf_view_of(NULL, 0),
		.bundle = true,
		.setup = local->setup ? local->setup : CF_SDP_SETUP_ACTPASS,
		.direction = local->direction,
		.opus = -1,
		.event_48000 = -1,
		.feedback = local->feedback,
	};

	plan.opus = keep_pt(before, "opus", 48000, PT_OPUS, &plan);
	plan.event_48000 = keep_pt(before, "telephone-event", 48000, PT_EVENT_48000, &plan);
	plan.event_8000 = keep_pt(before, "telephone-event", 8000, PT_EVENT_8000, &plan);
	plan.ext_level = keep_ext(before, CF_SDP_EXT_AUDIO_LEVEL, 1, 0);
	plan.ext_mid = keep_ext(before, CF_SDP_EXT_MID, 2, plan.ext_level);
	return plan;
}

int cf_sdp_offer_write(
	const struct cf_sdp_local *local, const struct cf_sdp_desc *previous, struct cf_buf *out)
{
	const struct cf_sdp_media *before = previous ? audio_line(previous) : NULL;
	struct writer w = {.out = out, .start = out->len};
	char mid[MID_TEXT_MAX];
	struct plan plan;

	if (!local_valid(local))
		return CF_EINVAL;
	if (previous && !before && previous->n_media == CF_SDP_MEDIA_MAX)
		return CF_ELIMIT;
	plan = offer_plan(local, before);
	if (!plan.mid.len)
		plan.mid = free_mid(previous, mid);
	put_head(&w, local, &plan);
	for (size_t i = 0; previous && i < previous->n_media; i++) {
		if (&previous->media[i] == before)
			put_audio(&w, local, &plan);
		else
			put_refused(&w, &previous->media[i]);
	}
	if (!before)
		put_audio(&w, local, &plan);
	return finish(&w);
}
