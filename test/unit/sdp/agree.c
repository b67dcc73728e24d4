/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/sdp/sample.h"

/* An answer of ours and what it was made from. */
struct answer {
	struct cf_sdp_desc *offer;
	struct cf_sdp_desc *desc; /* our answer, read again */
	struct cf_sdp_agreed agreed;
	struct cf_buf text;
};

static void answer_with(
	struct answer *a, struct cf_sdp_desc *offer, const struct cf_sdp_local *local)
{
	a->offer = offer;
	cf_buf_init(&a->text, CF_SDP_TEXT_MAX);
	assert_int_equal(cf_sdp_answer_write(local, offer, &a->text, &a->agreed), 0);
	a->desc = sample_buf(&a->text);
	/* RFC 3264 section 6: the same m-lines in the same order, always. */
	assert_int_equal(a->desc->n_media, offer->n_media);
	for (size_t i = 0; i < offer->n_media; i++) {
		assert_true(cf_view_eq(a->desc->media[i].kind, offer->media[i].kind));
		assert_true(cf_view_eq(a->desc->media[i].proto, offer->media[i].proto));
		assert_true(cf_view_eq(a->desc->media[i].mid, offer->media[i].mid));
	}
}

static void answer_to(struct answer *a, struct cf_sdp_desc *offer)
{
	struct cf_sdp_local local = sample_local();

	answer_with(a, offer, &local);
}

static void done(struct answer *a)
{
	cf_sdp_desc_free(a->offer);
	cf_sdp_desc_free(a->desc);
	cf_buf_done(&a->text);
}

static void answer_to_chromium(void **state)
{
	struct cf_sdp_agreed *agreed;
	struct answer a;

	(void)state;
	answer_to(&a, sample_file("sdp/chromium-audio.sdp"));
	agreed = &a.agreed;
	assert_int_equal(agreed->refusal, CF_SDP_ACCEPTED);
	assert_int_equal(agreed->index, 0);
	assert_ptr_equal(agreed->remote, &a.offer->media[0]);
	assert_true(agreed->dtls_client && agreed->send && agreed->recv && !agreed->remote_hold);
	assert_int_equal(agreed->opus_send_pt, 111);
	assert_int_equal(agreed->opus_recv_pt, 111);
	assert_true(agreed->opus_fec && !agreed->opus_dtx && !agreed->opus_stereo);
	assert_int_equal(agreed->ptime_ms, 20);
	assert_int_equal(agreed->dtmf_send_pt, 110);
	assert_int_equal(agreed->dtmf_send_rate, 48000);
	assert_int_equal(agreed->dtmf_recv_pt[0], 110);
	assert_int_equal(agreed->dtmf_recv_pt[1], 126);
	assert_int_equal(agreed->send_ext_level, 1);
	assert_int_equal(agreed->recv_ext_mid, 4);
	assert_int_equal(agreed->feedback, 0); /* offered, but not handled by the local side */
	assert_has(&a.text, "a=group:BUNDLE 0\r\n");
	assert_has(&a.text, "m=audio 9 UDP/TLS/RTP/SAVPF 111 110 126\r\n");
	assert_has(&a.text, "a=setup:active\r\n");
	assert_has(&a.text, "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n");
	assert_lacks(&a.text, "abs-send-time");
	assert_lacks(&a.text, "transport-cc");
	done(&a);
}

static void answer_refuses_video_and_data(void **state)
{
	struct answer a;

	(void)state;
	answer_to(&a, sample_file("sdp/chromium-video-first.sdp"));
	assert_int_equal(a.agreed.refusal, CF_SDP_ACCEPTED);
	assert_int_equal(a.agreed.index, 1);
	assert_int_equal(a.desc->media[0].port, 0);
	assert_int_equal(a.desc->media[1].port, 9);
	assert_int_equal(a.desc->media[2].port, 0);
	assert_view(a.agreed.remote->transport.ufrag, "aaaa");
	assert_int_equal(a.agreed.send_ext_mid, 11);
	/* RFC 9143 section 7.3.3: what is refused leaves the bundle. */
	assert_has(&a.text, "a=group:BUNDLE audio\r\n");
	assert_has(&a.text, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n");
	done(&a);

	answer_to(&a, sample_file("sdp/firefox-bundle-only.sdp"));
	assert_int_equal(a.agreed.refusal, CF_SDP_ACCEPTED);
	assert_int_equal(a.agreed.opus_send_pt, 109);
	assert_true(a.agreed.opus_stereo);
	assert_int_equal(a.agreed.dtmf_send_pt, 101);
	assert_int_equal(a.agreed.dtmf_send_rate, 8000);
	assert_int_equal(a.agreed.dtmf_recv_pt[0], -1);
	assert_has(&a.text, "m=audio 9 UDP/TLS/RTP/SAVPF 109 101\r\n");
	assert_has(&a.text, "a=mid:{5f8a1c55-0002}\r\n");
	done(&a);
}

static void answer_without_extras(void **state)
{
	struct answer a;

	(void)state;
	answer_to(&a, sample_text(HEAD "m=audio 9 RTP/SAVPF 96\r\n" TRANSPORT
				       "a=rtpmap:96 OPUS/48000\r\na=ptime:60\r\n"
				       "a=fmtp:96 usedtx=1; maxaveragebitrate=20000\r\n"));
	assert_int_equal(a.agreed.refusal, CF_SDP_ACCEPTED);
	assert_true(a.agreed.opus_dtx && !a.agreed.opus_fec);
	assert_int_equal(a.agreed.opus_max_bitrate_bps, 20000);
	assert_int_equal(a.agreed.ptime_ms, 60);
	assert_int_equal(a.agreed.dtmf_send_pt, -1);
	assert_int_equal(a.agreed.send_ext_level, 0);
	assert_has(&a.text, "m=audio 9 RTP/SAVPF 96\r\n");
	assert_lacks(&a.text, "a=mid");
	assert_lacks(&a.text, "a=group");
	assert_lacks(&a.text, "a=extmap");
	assert_lacks(&a.text, "telephone-event");
	done(&a);
}

static void refusals(void **state)
{
#define A "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
#define OPUS "a=rtpmap:111 opus/48000/2\r\n"
#define ICE "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
#define FP "a=fingerprint:sha-256 " FP_A "\r\n"
	static const struct {
		const char *offer;
		enum cf_sdp_refusal refusal;
	} rows[] = {
		{HEAD, CF_SDP_NO_AUDIO},
		{HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", CF_SDP_NO_AUDIO},
		{HEAD "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n" TRANSPORT OPUS, CF_SDP_NO_AUDIO},
		{HEAD "m=audio 9 RTP/AVP 111\r\n" TRANSPORT OPUS, CF_SDP_NO_PROFILE},
		{HEAD A ICE FP OPUS, CF_SDP_NO_RTCP_MUX},
		{HEAD A FP OPUS "a=rtcp-mux\r\n", CF_SDP_NO_ICE},
		{HEAD A FP OPUS "a=rtcp-mux\r\na=ice-ufrag:abcd\r\n", CF_SDP_NO_ICE},
		{HEAD A ICE OPUS "a=rtcp-mux\r\n", CF_SDP_NO_FINGERPRINT},
		{HEAD A TRANSPORT "a=rtpmap:111 opus/16000/2\r\n", CF_SDP_NO_CODEC},
		{HEAD A TRANSPORT OPUS "a=setup:holdconn\r\n", CF_SDP_NO_SETUP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a;

		answer_to(&a, sample_text(rows[i].offer));
		assert_int_equal(a.agreed.refusal, rows[i].refusal);
		assert_true(strlen(cf_sdp_refusal_text(a.agreed.refusal)) > 5);
		for (size_t k = 0; k < a.desc->n_media; k++)
			assert_int_equal(a.desc->media[k].port, 0);
		assert_lacks(&a.text, "a=group");
		done(&a);
	}
}

static void second_audio_line_is_refused(void **state)
{
	struct answer a;

	(void)state;
	answer_to(&a, sample_text(HEAD "m=audio 9 RTP/AVP 0\r\n" AUDIO AUDIO));
	assert_int_equal(a.agreed.index, 1);
	assert_int_equal(a.desc->media[0].port, 0);
	assert_int_equal(a.desc->media[1].port, 9);
	assert_int_equal(a.desc->media[2].port, 0);
	done(&a);
}

/* RFC 3264 section 6.1, all sixteen pairs. */
static void directions(void **state)
{
	(void)state;
	for (int theirs = 0; theirs < 4; theirs++) {
		for (int ours = 0; ours < 4; ours++) {
			static const char *const words[] = {
				HEAD AUDIO "a=inactive\r\n",
				HEAD AUDIO "a=sendonly\r\n",
				HEAD AUDIO "a=recvonly\r\n",
				HEAD AUDIO,
			};
			struct cf_sdp_local local = sample_local();
			struct answer a;

			local.direction = (enum cf_sdp_direction)ours;
			answer_with(&a, sample_text(words[theirs]), &local);
			assert_int_equal(a.agreed.send,
				(ours & CF_SDP_SENDONLY) && (theirs & CF_SDP_RECVONLY));
			assert_int_equal(a.agreed.recv,
				(ours & CF_SDP_RECVONLY) && (theirs & CF_SDP_SENDONLY));
			assert_int_equal(a.agreed.remote_hold, !(theirs & CF_SDP_RECVONLY));
			assert_int_equal(a.desc->media[0].direction,
				a.agreed.send * CF_SDP_SENDONLY + a.agreed.recv * CF_SDP_RECVONLY);
			done(&a);
		}
	}
}

static void roles_when_answering(void **state)
{
	static const struct {
		const char *offer;
		enum cf_sdp_setup kept;
		bool client;
	} rows[] = {
		{"a=setup:actpass\r\n", CF_SDP_SETUP_NONE, true},
		{"a=setup:actpass\r\n", CF_SDP_SETUP_ACTIVE, true},
		{"a=setup:actpass\r\n", CF_SDP_SETUP_PASSIVE, false},
		{"a=setup:active\r\n", CF_SDP_SETUP_NONE, false},
		{"a=setup:passive\r\n", CF_SDP_SETUP_NONE, true},
		{"", CF_SDP_SETUP_NONE, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cf_sdp_local local = sample_local();
		struct cf_buf text;
		struct answer a;

		cf_buf_init(&text, 4096);
		assert_int_equal(cf_buf_append_str(&text, HEAD A ICE FP OPUS "a=rtcp-mux\r\n"), 0);
		assert_int_equal(cf_buf_append_str(&text, rows[i].offer), 0);
		local.setup = rows[i].kept;
		answer_with(&a, sample_buf(&text), &local);
		assert_int_equal(a.agreed.dtls_client, rows[i].client);
		assert_int_equal(a.desc->media[0].transport.setup,
			rows[i].client ? CF_SDP_SETUP_ACTIVE : CF_SDP_SETUP_PASSIVE);
		done(&a);
		cf_buf_done(&text);
	}
}

/* Our offer in all its parts, and somebody's answer to it. */
static struct cf_sdp_desc *our_offer(enum cf_sdp_setup setup)
{
	struct cf_sdp_local local = sample_local();
	struct cf_sdp_desc *desc;
	struct cf_buf text;

	cf_buf_init(&text, 4096);
	local.setup = setup;
	local.feedback = CF_SDP_FB_TRANSPORT_CC;
	assert_int_equal(cf_sdp_offer_write(&local, NULL, &text), 0);
	desc = sample_buf(&text);
	cf_buf_done(&text);
	return desc;
}

static struct cf_sdp_agreed agree(enum cf_sdp_setup setup, const char *answer_text)
{
	struct cf_sdp_desc *offer = our_offer(setup), *answer = sample_text(answer_text);
	struct cf_sdp_agreed agreed = {0};

	assert_int_equal(cf_sdp_agree_answer(offer, answer, &agreed), 0);
	cf_sdp_desc_free(offer);
	cf_sdp_desc_free(answer);
	agreed.remote = NULL;
	return agreed;
}

static void both_sides_are_ours(void **state)
{
	struct cf_sdp_agreed agreed;
	struct answer a;

	(void)state;
	answer_to(&a, our_offer(CF_SDP_SETUP_NONE));
	assert_int_equal(cf_sdp_agree_answer(a.offer, a.desc, &agreed), 0);
	assert_int_equal(agreed.refusal, CF_SDP_ACCEPTED);
	assert_true(!agreed.dtls_client && a.agreed.dtls_client);
	assert_true(agreed.send && agreed.recv && agreed.opus_fec);
	assert_int_equal(agreed.dtmf_send_pt, 110);
	assert_int_equal(agreed.send_ext_level, a.agreed.recv_ext_level);
	assert_int_equal(agreed.send_ext_mid, a.agreed.recv_ext_mid);
	assert_int_equal(agreed.remote->ssrcs[0], 4711);
	done(&a);
}

/* No mid, no extension, no SSRC, another payload type: each side sends with the other's number. */
static void bare_answer(void **state)
{
	struct cf_sdp_agreed agreed = agree(CF_SDP_SETUP_NONE,
		HEAD "m=audio 5000 udp/tls/rtp/savpf 96 97\r\na=rtpmap:96 OPUS/48000/2\r\n"
		     "a=rtcp-fb:96 transport-cc\r\na=rtpmap:97 telephone-event/8000\r\n"
		     "a=rtcp-mux\r\na=setup:passive\r\na=recvonly\r\n" ICE FP);

	(void)state;
	assert_int_equal(agreed.refusal, CF_SDP_ACCEPTED);
	assert_int_equal(agreed.opus_send_pt, 96);
	assert_int_equal(agreed.opus_recv_pt, 111);
	assert_int_equal(agreed.dtmf_send_pt, 97);
	assert_int_equal(agreed.dtmf_send_rate, 8000);
	assert_true(agreed.dtls_client && agreed.send && !agreed.recv && !agreed.remote_hold);
	assert_int_equal(agreed.send_ext_mid, 0);
	assert_int_equal(agreed.recv_ext_mid, 0);
	assert_int_equal(agreed.feedback, CF_SDP_FB_TRANSPORT_CC);
}

static void roles_when_offering(void **state)
{
#define ANSWER HEAD A ICE FP OPUS "a=rtcp-mux\r\n"
	(void)state;
	assert_false(agree(CF_SDP_SETUP_NONE, ANSWER "a=setup:active\r\n").dtls_client);
	assert_true(agree(CF_SDP_SETUP_NONE, ANSWER "a=setup:passive\r\n").dtls_client);
	assert_true(agree(CF_SDP_SETUP_NONE, ANSWER).dtls_client);
	assert_false(agree(CF_SDP_SETUP_PASSIVE, ANSWER).dtls_client);
	assert_int_equal(
		agree(CF_SDP_SETUP_NONE, ANSWER "a=setup:actpass\r\n").refusal, CF_SDP_NO_SETUP);
	assert_int_equal(
		agree(CF_SDP_SETUP_ACTIVE, ANSWER "a=setup:active\r\n").refusal, CF_SDP_NO_SETUP);
	assert_int_equal(agree(CF_SDP_SETUP_NONE, HEAD "m=audio 0 RTP/SAVPF 0\r\n").refusal,
		CF_SDP_NO_AUDIO);
	assert_int_equal(agree(CF_SDP_SETUP_NONE, HEAD A TRANSPORT).refusal, CF_SDP_NO_CODEC);
}

static void answer_of_another_shape(void **state)
{
	static const char *const rows[] = {
		HEAD, HEAD AUDIO AUDIO, HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"};
	struct cf_sdp_desc *offer = our_offer(CF_SDP_SETUP_NONE), *answer;
	struct cf_sdp_agreed agreed;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		answer = sample_text(rows[i]);
		assert_int_equal(cf_sdp_agree_answer(offer, answer, &agreed), CF_EBADMSG);
		cf_sdp_desc_free(answer);
	}
	cf_sdp_desc_free(offer);
	/* An offer that holds no audio of ours agrees on none. */
	offer = sample_text(HEAD);
	assert_int_equal(cf_sdp_agree_answer(offer, offer, &agreed), 0);
	assert_int_equal(agreed.refusal, CF_SDP_NO_AUDIO);
	cf_sdp_desc_free(offer);
}

static void strange_ptimes(void **state)
{
	(void)state;
	assert_int_equal(agree(CF_SDP_SETUP_NONE, ANSWER "a=ptime:3\r\n").ptime_ms, 20);
	assert_int_equal(agree(CF_SDP_SETUP_NONE, ANSWER "a=ptime:10\r\n").ptime_ms, 10);
	assert_int_equal(agree(CF_SDP_SETUP_NONE, ANSWER "a=ptime:120\r\n").ptime_ms, 120);
	assert_int_equal(agree(CF_SDP_SETUP_NONE, ANSWER "a=ptime:121\r\n").ptime_ms, 20);
	assert_int_equal(
		agree(CF_SDP_SETUP_NONE, ANSWER "a=fmtp:111 maxaveragebitrate=9999999999\r\n")
			.opus_max_bitrate_bps,
		UINT32_MAX);
}

static void failure_leaves_all(void **state)
{
	struct cf_sdp_desc *offer = sample_text(HEAD AUDIO);
	struct cf_sdp_agreed agreed = {.index = 99};
	struct cf_sdp_local local = sample_local();
	struct cf_buf small;

	(void)state;
	cf_buf_init(&small, 200);
	assert_int_equal(cf_sdp_answer_write(&local, offer, &small, &agreed), CF_ELIMIT);
	local.pwd.len = 1;
	assert_int_equal(cf_sdp_answer_write(&local, offer, &small, &agreed), CF_EINVAL);
	assert_int_equal(agreed.index, 99);
	assert_int_equal(small.len, 0);
	cf_buf_done(&small);
	cf_sdp_desc_free(offer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_to_chromium),
		cmocka_unit_test(answer_refuses_video_and_data),
		cmocka_unit_test(answer_without_extras),
		cmocka_unit_test(refusals),
		cmocka_unit_test(second_audio_line_is_refused),
		cmocka_unit_test(directions),
		cmocka_unit_test(roles_when_answering),
		cmocka_unit_test(both_sides_are_ours),
		cmocka_unit_test(bare_answer),
		cmocka_unit_test(roles_when_offering),
		cmocka_unit_test(answer_of_another_shape),
		cmocka_unit_test(strange_ptimes),
		cmocka_unit_test(failure_leaves_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
