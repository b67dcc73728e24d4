/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/sdp/sample.h"

#include "base/mem.h"

#include <stdio.h>

#define VP8 "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:* nack\r\na=rtcp-fb:* nack pli\r\n"
#define BUNDLED HEAD "a=group:BUNDLE a v\r\n" AUDIO "a=mid:a\r\n"

static struct cf_sdp_local local_video(void)
{
	struct cf_sdp_local local = sample_local();

	local.video.on = true;
	local.video.ssrc = 11;
	local.video.rtx_ssrc = 12;
	return local;
}

/* Our answer to an offer, and what the offerer makes of it. */
struct pair {
	struct cf_sdp_desc *offer, *answer;
	struct cf_sdp_agreed mine, theirs;
	struct cf_buf text;
};

static void answer_to(struct pair *p, struct cf_sdp_desc *offer, const struct cf_sdp_local *local)
{
	p->offer = offer;
	cf_buf_init(&p->text, CF_SDP_TEXT_MAX);
	assert_int_equal(cf_sdp_answer_write(local, offer, &p->text, &p->mine), 0);
	p->answer = sample_buf(&p->text);
	assert_int_equal(cf_sdp_agree_answer(offer, p->answer, &p->theirs), 0);
	assert_int_equal(p->mine.video.on, p->theirs.video.on);
}

static void done(struct pair *p)
{
	cf_sdp_desc_free(p->offer);
	cf_sdp_desc_free(p->answer);
	cf_buf_done(&p->text);
}

static struct cf_sdp_desc *offer_of(
	const struct cf_sdp_local *local, const struct cf_sdp_desc *previous)
{
	struct cf_sdp_desc *desc;
	struct cf_buf text;

	cf_buf_init(&text, CF_SDP_TEXT_MAX);
	assert_int_equal(cf_sdp_offer_write(local, previous, &text), 0);
	desc = sample_buf(&text);
	cf_buf_done(&text);
	return desc;
}

static void chromium_offers_video(void **state)
{
	struct cf_sdp_local local = local_video();
	struct cf_sdp_agreed_video *video;
	struct pair p;

	(void)state;
	answer_to(&p, sample_file("sdp/chromium-video-first.sdp"), &local);
	video = &p.mine.video;
	assert_true(video->on && video->send && video->recv);
	assert_int_equal(video->sent.codec, CF_VIDEO_VP8);
	assert_int_equal(video->sent.pt, 96);
	assert_int_equal(video->sent.rtx_pt, 97);
	assert_int_equal(video->n_received, 2);
	assert_int_equal(video->received[1].codec, CF_VIDEO_H264);
	assert_int_equal(video->received[1].rtx_pt, 104);
	assert_int_equal(video->send_ext_mid, 9);
	assert_int_equal(video->send_ext_twcc, 0); /* not offered */
	/* The bundle's first m-line has ICE and DTLS for both, in the answer and in the offer. */
	assert_view(p.mine.transport->transport.ufrag, "vvvv");
	assert_int_equal(p.mine.transport_index, 0);
	assert_has(&p.text, "a=group:BUNDLE video audio\r\n");
	assert_has(&p.text, "m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104\r\n");
	assert_has(&p.text, "profile-level-id=42001f");
	assert_has(&p.text, "a=ssrc-group:FID 11 12\r\n");
	assert_lacks(&p.text, "AV1");
	/* Firefox crashes over an m-line without it. */
	assert_non_null(strstr(strstr(sample_str(&p.text), "m=audio"), "a=setup:active\r\n"));
	assert_int_equal(p.theirs.video.sent.pt, 96);
	done(&p);
}

static void firefox_offers_video(void **state)
{
	struct cf_sdp_local local = local_video();
	struct pair p;

	(void)state;
	answer_to(&p, sample_file("sdp/firefox-bundle-only.sdp"), &local);
	assert_true(p.mine.video.on);
	assert_int_equal(p.mine.video.sent.pt, 120);
	assert_int_equal(p.mine.video.sent.rtx_pt, 124);
	assert_int_equal(p.mine.video.feedback, 0);
	assert_lacks(&p.text, "a=rtcp-fb");
	done(&p);
}

static void the_preferred_codec_is_sent(void **state)
{
	struct cf_sdp_local local = local_video();
	struct pair p;

	(void)state;
	local.video.prefer = CF_VIDEO_H264;
	answer_to(&p, sample_file("sdp/chromium-video-first.sdp"), &local);
	assert_int_equal(p.mine.video.sent.codec, CF_VIDEO_H264);
	assert_has(&p.text, "m=video 9 UDP/TLS/RTP/SAVPF 103 104 96 97\r\n");
	/* Whose answer begins with it gets it. */
	assert_int_equal(p.theirs.video.sent.codec, CF_VIDEO_H264);
	done(&p);
}

static void between_two_of_us(void **state)
{
	struct cf_sdp_local local = local_video();
	struct pair p;

	(void)state;
	answer_to(&p, offer_of(&local, NULL), &local);
	assert_true(p.offer->media[1].bundle_only && p.offer->media[1].port == 0);
	assert_int_equal(p.answer->media[1].port, 9);
	assert_true(p.theirs.video.send && p.theirs.video.recv && p.mine.video.send);
	assert_int_equal(p.mine.video.sent.codec, CF_VIDEO_VP8);
	assert_int_equal(p.mine.video.sent.rtx_pt, 97);
	assert_int_equal(p.mine.video.feedback, p.theirs.video.feedback);
	assert_true(p.mine.video.feedback & CF_SDP_FB_TRANSPORT_CC);
	assert_true(p.mine.video.send_ext_twcc && p.mine.video.recv_ext_mid);
	assert_int_equal(p.mine.transport_index, 0);
	assert_view(p.answer->media[1].transport.ufrag, "ours"); /* of the bundle */
	done(&p);
}

/* Video joins a call that had none, and leaves it again. */
static void video_comes_later(void **state)
{
	struct cf_sdp_local local = sample_local();
	struct cf_sdp_desc *first, *offer, *second;
	struct pair p;

	(void)state;
	first = sample_text(BUNDLED "a=extmap:3 urn:x\r\n");
	local.video.on = true;
	offer = offer_of(&local, first);
	assert_int_equal(offer->n_media, 2);
	assert_true(offer->media[1].bundle_only);
	assert_int_equal(offer->media[1].codecs[0].pt, 96);
	/* Number 3 means something else already. */
	assert_int_equal(offer->media[1].exts[1].id, 4);
	answer_to(&p, offer, &local);
	assert_true(p.mine.video.on);
	/* Once it is in the bundle it has a port. */
	second = offer_of(&local, p.answer);
	assert_false(second->media[1].bundle_only);
	assert_int_equal(second->media[1].port, 9);
	assert_view(second->media[1].mid, "0");
	cf_sdp_desc_free(second);
	local.video.on = false;
	second = offer_of(&local, p.answer);
	assert_int_equal(second->media[1].port, 0);
	assert_false(second->media[1].bundle_only);
	cf_sdp_desc_free(second);
	cf_sdp_desc_free(first);
	done(&p);
}

static void numbers_have_one_meaning_in_a_bundle(void **state)
{
	struct cf_sdp_local local = local_video();
	struct cf_sdp_desc *first, *offer;

	(void)state;
	first = sample_text(HEAD "a=group:BUNDLE a\r\n"
				 "m=audio 9 UDP/TLS/RTP/SAVPF 96 97 102\r\n" TRANSPORT
				 "a=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n"
				 "a=rtpmap:102 telephone-event/8000\r\na=mid:a\r\n");
	offer = offer_of(&local, first);
	for (size_t i = 0; i < offer->media[1].n_codecs; i++)
		for (size_t k = 0; k < offer->media[0].n_codecs; k++)
			assert_int_not_equal(
				offer->media[1].codecs[i].pt, offer->media[0].codecs[k].pt);
	assert_int_equal(offer->media[1].n_codecs, 4);
	cf_sdp_desc_free(offer);
	cf_sdp_desc_free(first);
}

static void hold_is_for_both(void **state)
{
	struct cf_sdp_local local = local_video(), held = local_video();
	struct pair p;

	(void)state;
	held.direction = held.video.direction = CF_SDP_INACTIVE;
	answer_to(&p, offer_of(&held, NULL), &local);
	assert_true(p.mine.video.on && !p.mine.video.send && !p.mine.video.recv);
	assert_true(p.mine.remote_hold);
	done(&p);
	held.video.direction = CF_SDP_RECVONLY;
	answer_to(&p, offer_of(&held, NULL), &local);
	assert_true(p.mine.video.send && !p.mine.video.recv);
	assert_true(!p.theirs.video.send && p.theirs.video.recv);
	done(&p);
}

/* What is not fit for us is refused, and audio goes on without it. */
static void video_that_does_not_fit(void **state)
{
	static const char *const rows[] = {
		/* not in audio's bundle */
		HEAD AUDIO "a=mid:a\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n" TRANSPORT
			   "a=mid:v\r\n" VP8,
		HEAD "a=group:BUNDLE a\r\na=group:BUNDLE v\r\n" AUDIO
		     "a=mid:a\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n" TRANSPORT "a=mid:v\r\n" VP8,
		/* no codec of ours */
		BUNDLED "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=rtpmap:96 VP9/90000\r\n",
		BUNDLED "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=rtpmap:96 VP8/8000\r\n",
		/* H.264 of another profile, mode or form */
		BUNDLED "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=rtpmap:96 H264/90000\r\n",
		BUNDLED "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=rtpmap:96 H264/90000\r\n"
			"a=fmtp:96 packetization-mode=0;profile-level-id=42e01f\r\n",
		BUNDLED "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=rtpmap:96 H264/90000\r\n"
			"a=fmtp:96 packetization-mode=1;profile-level-id=64001f\r\n",
		BUNDLED "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=rtpmap:96 H264/90000\r\n"
			"a=fmtp:96 packetization-mode=1;profile-level-id=42xx1f\r\n",
		/* refused, plain RTP over something else */
		BUNDLED "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\n" VP8,
		BUNDLED "m=video 9 RTP/AVP 96\r\na=mid:v\r\n" VP8,
	};
	struct cf_sdp_local local = local_video();

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		struct pair p;

		answer_to(&p, sample_text(rows[i]), &local);
		assert_int_equal(p.mine.refusal, CF_SDP_ACCEPTED);
		assert_false(p.mine.video.on);
		assert_int_equal(p.answer->media[1].port, 0);
		done(&p);
	}
}

static void more_formats_than_fit(void **state)
{
	struct cf_sdp_local local = local_video();
	struct cf_buf text;
	struct pair p;

	(void)state;
	cf_buf_init(&text, CF_SDP_TEXT_MAX);
	assert_int_equal(
		cf_buf_append_str(&text, BUNDLED "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101 "
						 "102 103 104 105 106 107\r\na=mid:v\r\n"),
		0);
	for (int pt = 96; pt <= 107; pt++) {
		char line[64];

		snprintf(line, sizeof(line), "a=rtpmap:%d VP8/90000\r\n", pt);
		assert_int_equal(cf_buf_append_str(&text, line), 0);
	}
	answer_to(&p, sample_buf(&text), &local);
	assert_int_equal(p.mine.video.n_received, CF_SDP_VIDEO_FORMATS_MAX);
	assert_int_equal(p.answer->media[1].n_codecs, CF_SDP_VIDEO_FORMATS_MAX);
	cf_buf_done(&text);
	done(&p);
}

/* A member of a group call: a camera, three places for others, and what does not fit. */
static void answers_many(void **state)
{
#define LINE(mid, direction)                                  \
	"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n" TRANSPORT VP8 \
	"a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=mid:" mid "\r\na=" direction "\r\n"
	static const char text[] =
		HEAD "a=group:BUNDLE a c s1 s2 s3 d\r\n" AUDIO
		     "a=mid:a\r\n" LINE("c", "sendrecv") LINE("s1", "recvonly")
			     LINE("x", "recvonly") "m=application 9 UDP/DTLS/SCTP "
						   "webrtc-datachannel\r\na=mid:d\r\n" LINE(
							   "s2", "inactive") LINE("s3", "sendonly");
#undef LINE
	static const struct {
		size_t index;
		bool send, recv;
	} wanted[] = {{1, true, true}, {2, true, false}, {5, false, false}, {6, false, true}};
	struct cf_sdp_local_video videos[CF_SDP_VIDEOS_MAX];
	struct cf_sdp_local local = local_video();
	struct cf_sdp_agreed agreed;
	struct cf_sdp_desc *offer = sample_text(text), *answer;
	struct cf_buf out;

	(void)state;
	for (uint32_t i = 0; i < CF_SDP_VIDEOS_MAX; i++)
		videos[i] = (struct cf_sdp_local_video){.on = true,
			.direction = CF_SDP_SENDRECV,
			.prefer = CF_VIDEO_CODECS,
			.ssrc = 100 + i,
			.rtx_ssrc = 200 + i};
	local.videos = videos;
	local.n_videos = CF_SDP_VIDEOS_MAX;
	cf_buf_init(&out, CF_SDP_TEXT_MAX);
	assert_int_equal(cf_sdp_answer_write(&local, offer, &out, &agreed), 0);
	assert_int_equal(agreed.n_videos, CF_ARRAY_LEN(wanted));
	answer = sample_buf(&out);
	for (size_t i = 0; i < CF_ARRAY_LEN(wanted); i++) {
		const struct cf_sdp_agreed_video *video = &agreed.videos[i];
		const struct cf_sdp_media *line = &answer->media[wanted[i].index];

		assert_int_equal(video->index, wanted[i].index);
		assert_int_equal(video->send, wanted[i].send);
		assert_int_equal(video->recv, wanted[i].recv);
		assert_int_equal(video->received[0].rtx_pt, 97);
		assert_int_equal(line->port, 9);
		assert_int_equal(line->direction, (wanted[i].send ? CF_SDP_SENDONLY : 0) |
							  (wanted[i].recv ? CF_SDP_RECVONLY : 0));
		assert_int_equal(line->n_ssrcs, wanted[i].send ? 2 : 0);
		if (wanted[i].send)
			assert_int_equal(line->ssrcs[0], 100 + i);
	}
	assert_int_equal(answer->media[3].port, 0); /* in no bundle */
	assert_int_equal(answer->media[4].port, 0);
	assert_has(&out, "a=group:BUNDLE a c s1 s2 s3\r\n");
	assert_has(&out, "a=ssrc-group:FID 101 201\r\n");
	/* No more than there is room for. */
	local.n_videos = 1;
	out.len = 0;
	assert_int_equal(cf_sdp_answer_write(&local, offer, &out, &agreed), 0);
	assert_int_equal(agreed.n_videos, 1);
	local.n_videos = CF_SDP_VIDEOS_MAX + 1;
	assert_int_equal(cf_sdp_answer_write(&local, offer, &out, &agreed), CF_EINVAL);
	cf_buf_done(&out);
	cf_sdp_desc_free(offer);
	cf_sdp_desc_free(answer);
}

/* "a=simulcast" of an offer, and the layers that we take of it. */
static void several_sizes(void **state)
{
#define RIDS "a=rid:l send\r\na=rid:m send pt=96\r\na=rid:h send\r\na=rid:r recv\r\n"
#define LONG "0123456789abcdef0"
	static const struct {
		const char *lines, *layers; /* NULL: no simulcast */
		bool no_extension;
	} rows[] = {
		{RIDS "a=simulcast:send l;m;h\r\n", "l;m;h", false},
		{"a=simulcast:send l;m;h\r\n" RIDS, "l;m;h", false},
		{RIDS "a=simulcast:recv r send h;~m\r\n", "h;m", false},
		{RIDS "a=simulcast:send q,h;l,m\r\n", "h;l", false},
		{RIDS "a=simulcast:send l;l;r;m\r\n", "l;m", false},
		{RIDS "a=rid:x send\r\na=simulcast:send h;m;l;x\r\n", "h;m;l", false},
		{RIDS "a=simulcast:send l;m;h\r\n", NULL, true},
		{"a=simulcast:send l;m;h\r\n", NULL, false},
		{RIDS, NULL, false},
		{RIDS "a=simulcast:recv r\r\n", NULL, false},
		{RIDS "a=simulcast:send ;,;~;,,~,\r\n", NULL, false},
		{RIDS "a=simulcast\r\n", NULL, false},
		{"a=rid:" LONG " send\r\na=rid:! send\r\na=rid\r\na=simulcast:send " LONG ";!\r\n",
			NULL, false},
	};
	struct cf_sdp_local_video videos[1] = {{.on = true,
		.direction = CF_SDP_SENDRECV,
		.prefer = CF_VIDEO_CODECS,
		.simulcast = true}};
	struct cf_sdp_local local = local_video();

	(void)state;
	local.videos = videos;
	local.n_videos = 1;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		char text[4096], wanted[64];
		struct pair p;

		snprintf(text, sizeof(text),
			BUNDLED "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" VP8
				"a=mid:v\r\na=recvonly\r\n%s%s%s",
			rows[i].no_extension ? "" : "a=extmap:5 " CF_SDP_EXT_RID "\r\n",
			"a=extmap:6 " CF_SDP_EXT_RRID "\r\n", rows[i].lines);
		answer_to(&p, sample_text(text), &local);
		assert_true(p.mine.video.on);
		assert_int_equal(p.mine.video.n_layers > 0, rows[i].layers != NULL);
		if (!rows[i].layers) {
			assert_lacks(&p.text, "a=simulcast");
			assert_lacks(&p.text, "a=rid");
			done(&p);
			continue;
		}
		snprintf(wanted, sizeof(wanted), "a=simulcast:recv %s\r\n", rows[i].layers);
		assert_has(&p.text, wanted);
		assert_has(&p.text, "a=extmap:5 " CF_SDP_EXT_RID "\r\n");
		assert_int_equal(p.mine.video.recv_ext_rid, 5);
		assert_int_equal(p.mine.video.recv_ext_rrid, 6);
		for (size_t k = 0; k < p.mine.video.n_layers; k++) {
			snprintf(wanted, sizeof(wanted), "a=rid:%.*s recv\r\n",
				(int)p.mine.video.layers[k].len,
				(const char *)p.mine.video.layers[k].p);
			assert_has(&p.text, wanted);
		}
		done(&p);
	}
	/* Who does not forward takes one. */
	videos[0].simulcast = false;
	{
		struct pair p;

		answer_to(&p,
			sample_text(BUNDLED "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" VP8
					    "a=mid:v\r\na=extmap:5 " CF_SDP_EXT_RID "\r\n" RIDS
					    "a=simulcast:send l;m;h\r\n"),
			&local);
		assert_int_equal(p.mine.video.n_layers, 0);
		assert_lacks(&p.text, "a=simulcast");
		done(&p);
	}
#undef RIDS
#undef LONG
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(chromium_offers_video),
		cmocka_unit_test(firefox_offers_video),
		cmocka_unit_test(the_preferred_codec_is_sent),
		cmocka_unit_test(between_two_of_us),
		cmocka_unit_test(video_comes_later),
		cmocka_unit_test(numbers_have_one_meaning_in_a_bundle),
		cmocka_unit_test(hold_is_for_both),
		cmocka_unit_test(video_that_does_not_fit),
		cmocka_unit_test(more_formats_than_fit),
		cmocka_unit_test(answers_many),
		cmocka_unit_test(several_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
