/* SPDX-License-Identifier: Apache-2.0 */
/* What two descriptions have in common (RFC 3264 sections 6 and 7). */
#include "base/mem.h"
#include "base/text.h"
#include "sdp/sdp_priv.h"

#define PTIME_MS 20

static const char *const refusal_texts[] = {
	[CF_SDP_ACCEPTED] = "accepted",
	[CF_SDP_NO_AUDIO] = "the other side has no audio, or refused it",
	[CF_SDP_NO_PROFILE] = "the other side's audio is not RTP over DTLS-SRTP",
	[CF_SDP_NO_RTCP_MUX] = "the other side cannot carry RTP and RTCP on one port",
	[CF_SDP_NO_ICE] = "the other side gives no ICE credentials",
	[CF_SDP_NO_FINGERPRINT] = "the other side gives no certificate fingerprint that we accept",
	[CF_SDP_NO_SETUP] = "the DTLS roles of both sides do not fit",
	[CF_SDP_NO_CODEC] = "the other side has no Opus",
};

/* RFC 8829 section 5.1.2: profile names vary in the field; the fingerprint says what is meant. */
static const char *const profiles[] = {
	"UDP/TLS/RTP/SAVPF",
	"UDP/TLS/RTP/SAVP",
	"TCP/DTLS/RTP/SAVPF",
	"TCP/DTLS/RTP/SAVP",
	"TCP/TLS/RTP/SAVPF",
	"TCP/TLS/RTP/SAVP",
	"RTP/SAVPF",
	"RTP/SAVP",
};

const char *cf_sdp_refusal_text(enum cf_sdp_refusal refusal)
{
	return refusal_texts[refusal];
}

static bool profile_known(struct cf_view proto)
{
	for (size_t i = 0; i < CF_ARRAY_LEN(profiles); i++)
		if (cf_view_is_nocase(proto, profiles[i]))
			return true;
	return false;
}

enum cf_sdp_refusal cf_sdp_usable(const struct cf_sdp_media *media, const char *kind)
{
	if (!cf_view_is_nocase(media->kind, kind) || !cf_sdp_media_live(media))
		return CF_SDP_NO_AUDIO;
	if (!profile_known(media->proto))
		return CF_SDP_NO_PROFILE;
	/* RFC 9143 section 9.3.1: whoever bundles does rtcp-mux, said or not. */
	if (!media->rtcp_mux && !media->bundle)
		return CF_SDP_NO_RTCP_MUX;
	if (!media->transport.ufrag.len || !media->transport.pwd.len)
		return CF_SDP_NO_ICE;
	if (!media->transport.n_fingerprints)
		return CF_SDP_NO_FINGERPRINT;
	return CF_SDP_ACCEPTED;
}

static enum cf_sdp_refusal usable(const struct cf_sdp_media *media)
{
	enum cf_sdp_refusal refusal = cf_sdp_usable(media, "audio");

	if (!refusal && !cf_sdp_codec_find(media, "opus", 48000))
		return CF_SDP_NO_CODEC;
	return refusal;
}

static uint32_t fmtp_number(struct cf_view fmtp, const char *key)
{
	struct cf_view value = cf_sdp_fmtp_param(fmtp, key);
	uint64_t n;

	if (cf_text_u64((const char *)value.p, value.len, &n))
		return 0;
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void agree_opus(struct cf_sdp_agreed *agreed, const struct cf_sdp_media *mine)
{
	const struct cf_sdp_codec *theirs = cf_sdp_codec_find(agreed->remote, "opus", 48000);

	agreed->opus_send_pt = theirs->pt;
	agreed->opus_recv_pt = cf_sdp_codec_find(mine, "opus", 48000)->pt;
	/* RFC 7587 section 6.1: these say what their writer likes to receive. */
	agreed->opus_fec = fmtp_number(theirs->fmtp, "useinbandfec") == 1;
	agreed->opus_dtx = fmtp_number(theirs->fmtp, "usedtx") == 1;
	agreed->opus_stereo = fmtp_number(theirs->fmtp, "stereo") == 1;
	agreed->opus_max_bitrate_bps = fmtp_number(theirs->fmtp, "maxaveragebitrate");
	agreed->feedback = theirs->feedback;
	agreed->ptime_ms = agreed->remote->ptime_ms ? agreed->remote->ptime_ms : PTIME_MS;
	if (agreed->ptime_ms < 10 || agreed->ptime_ms > 120)
		agreed->ptime_ms = PTIME_MS;
}

static void agree_dtmf(struct cf_sdp_agreed *agreed, const struct cf_sdp_media *mine)
{
	/* RFC 4733 section 2.1: best the clock rate of the audio that the events stand in. */
	static const uint32_t rates[] = {48000, 8000};

	agreed->dtmf_send_pt = -1;
	for (size_t i = 0; i < CF_ARRAY_LEN(rates); i++) {
		const struct cf_sdp_codec *codec;

		codec = cf_sdp_codec_find(mine, "telephone-event", rates[i]);
		agreed->dtmf_recv_pt[i] = codec ? codec->pt : -1;
		codec = cf_sdp_codec_find(agreed->remote, "telephone-event", rates[i]);
		if (codec && agreed->dtmf_send_pt < 0) {
			agreed->dtmf_send_pt = codec->pt;
			agreed->dtmf_send_rate = rates[i];
		}
	}
}

void cf_sdp_agree_ext(const struct cf_sdp_media *remote, const struct cf_sdp_media *mine,
	const char *uri, uint8_t *send, uint8_t *recv)
{
	const struct cf_sdp_ext *theirs = cf_sdp_ext_find(remote, uri);
	const struct cf_sdp_ext *ours = cf_sdp_ext_find(mine, uri);

	if (theirs && ours) {
		*send = theirs->id;
		*recv = ours->id;
	}
}

/* All but the DTLS role. mine: whose payload types and extension ids we receive with. */
static void agree_media(
	struct cf_sdp_agreed *agreed, const struct cf_sdp_media *mine, enum cf_sdp_direction wanted)
{
	enum cf_sdp_direction theirs = agreed->remote->direction;

	/* RFC 3264 section 6.1. An address of 0.0.0.0 (its section 8.4, the old way to hold) means
	 * nothing here: with ICE everybody writes it before candidates are known. */
	agreed->send = (wanted & CF_SDP_SENDONLY) && (theirs & CF_SDP_RECVONLY);
	agreed->recv = (wanted & CF_SDP_RECVONLY) && (theirs & CF_SDP_SENDONLY);
	agreed->remote_hold = !(theirs & CF_SDP_RECVONLY);
	agree_opus(agreed, mine);
	agree_dtmf(agreed, mine);
	cf_sdp_agree_ext(agreed->remote, mine, CF_SDP_EXT_AUDIO_LEVEL, &agreed->send_ext_level,
		&agreed->recv_ext_level);
	cf_sdp_agree_ext(
		agreed->remote, mine, CF_SDP_EXT_MID, &agreed->send_ext_mid, &agreed->recv_ext_mid);
}

/* RFC 8842 section 5.3: our role by their offer. */
static enum cf_sdp_refusal answer_role(
	enum cf_sdp_setup offered, enum cf_sdp_setup kept, bool *ret_client)
{
	switch (offered) {
	case CF_SDP_SETUP_ACTPASS:
		*ret_client = kept != CF_SDP_SETUP_PASSIVE; /* active saves a round trip */
		return CF_SDP_ACCEPTED;
	case CF_SDP_SETUP_PASSIVE:
		*ret_client = true;
		return CF_SDP_ACCEPTED;
	case CF_SDP_SETUP_NONE: /* RFC 4145 section 4: an offer without it is active */
	case CF_SDP_SETUP_ACTIVE:
		*ret_client = false;
		return CF_SDP_ACCEPTED;
	case CF_SDP_SETUP_HOLDCONN:
		break;
	}
	return CF_SDP_NO_SETUP;
}

/* RFC 8842 section 5.4: our role by their answer. */
static enum cf_sdp_refusal offer_role(
	enum cf_sdp_setup offered, enum cf_sdp_setup answered, bool *ret_client)
{
	if (answered == CF_SDP_SETUP_NONE) /* RFC 4145 section 4: an answer without it is passive */
		answered = offered == CF_SDP_SETUP_PASSIVE ? CF_SDP_SETUP_ACTIVE
							   : CF_SDP_SETUP_PASSIVE;
	if (answered != CF_SDP_SETUP_ACTIVE && answered != CF_SDP_SETUP_PASSIVE)
		return CF_SDP_NO_SETUP;
	if (answered == offered)
		return CF_SDP_NO_SETUP;
	*ret_client = answered == CF_SDP_SETUP_PASSIVE;
	return CF_SDP_ACCEPTED;
}

/* RFC 9143 section 7.3.1: of a bundle the first m-line that is not refused. */
static void agree_transport(struct cf_sdp_agreed *agreed)
{
	bool video = agreed->video.on && agreed->video.index < agreed->index;

	agreed->transport = video ? agreed->video.remote : agreed->remote;
	agreed->transport_index = video ? agreed->video.index : agreed->index;
}

void cf_sdp_agree_offer(const struct cf_sdp_local *local, const struct cf_sdp_desc *offer,
	struct cf_sdp_agreed *agreed)
{
	enum cf_sdp_refusal first = CF_SDP_NO_AUDIO;

	*agreed = (struct cf_sdp_agreed){.dtmf_send_pt = -1, .dtmf_recv_pt = {-1, -1}};
	for (size_t i = 0; i < offer->n_media; i++) {
		const struct cf_sdp_media *media = &offer->media[i];
		enum cf_sdp_refusal refusal = usable(media);

		if (!refusal)
			refusal = answer_role(
				media->transport.setup, local->setup, &agreed->dtls_client);
		if (!refusal) {
			agreed->index = i;
			agreed->remote = media;
			agree_media(agreed, media, local->direction);
			agreed->feedback &= local->feedback;
			cf_sdp_agree_video_offer(local, offer, agreed);
			agree_transport(agreed);
			return;
		}
		if (first == CF_SDP_NO_AUDIO)
			first = refusal;
	}
	agreed->refusal = first;
}

int cf_sdp_agree_answer(const struct cf_sdp_desc *offer, const struct cf_sdp_desc *answer,
	struct cf_sdp_agreed *ret_agreed)
{
	struct cf_sdp_agreed agreed = {.dtmf_send_pt = -1, .dtmf_recv_pt = {-1, -1}};
	const struct cf_sdp_media *mine;

	/* RFC 3264 section 6: as many m-lines as the offer has, in its order. */
	if (answer->n_media != offer->n_media)
		return CF_EBADMSG;
	agreed.index = offer->n_media;
	for (size_t i = offer->n_media; i-- > 0;) {
		struct cf_view kind = answer->media[i].kind;

		mine = &offer->media[i];
		if (kind.len != mine->kind.len ||
			strncasecmp((const char *)kind.p, (const char *)mine->kind.p, kind.len) !=
				0)
			return CF_EBADMSG;
		if (usable(mine) == CF_SDP_ACCEPTED)
			agreed.index = i;
	}
	if (agreed.index == offer->n_media) {
		*ret_agreed = (struct cf_sdp_agreed){.refusal = CF_SDP_NO_AUDIO};
		return 0;
	}
	mine = &offer->media[agreed.index];
	agreed.remote = &answer->media[agreed.index];
	agreed.refusal = usable(agreed.remote);
	if (!agreed.refusal)
		agreed.refusal = offer_role(
			mine->transport.setup, agreed.remote->transport.setup, &agreed.dtls_client);
	if (!agreed.refusal) {
		agree_media(&agreed, mine, mine->direction);
		agreed.feedback &= cf_sdp_codec_find(mine, "opus", 48000)->feedback;
		cf_sdp_agree_video_answer(offer, answer, &agreed);
		agree_transport(&agreed);
	}
	*ret_agreed = agreed;
	return 0;
}
