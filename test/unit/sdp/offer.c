/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/sdp/sample.h"

static struct cf_buf buf;

static int setup(void **state)
{
	(void)state;
	cf_buf_init(&buf, CF_SDP_TEXT_MAX);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cf_buf_done(&buf);
	return 0;
}

/* The whole text: a change of what we say must be meant. */
static void golden_offer(void **state)
{
	struct cf_view candidates[] = {cf_view_str("candidate:1 1 udp 2 192.0.2.1 5 typ host")};
	struct cf_sdp_local local = sample_local();

	(void)state;
	local.candidates = candidates;
	local.n_candidates = 1;
	local.end_of_candidates = true;
	local.feedback = CF_SDP_FB_NACK | CF_SDP_FB_TRANSPORT_CC;
	local.dtx = true;
	local.max_bitrate_bps = 32000;
	assert_int_equal(cf_sdp_offer_write(&local, NULL, &buf), 0);
	assert_string_equal(sample_str(&buf),
		"v=0\r\no=- 77 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
		"a=ice-options:trickle ice2\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 110 126\r\n"
		"c=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:ours\r\n"
		"a=ice-pwd:ourpasswordourpassword\r\na=fingerprint:sha-256 " FP_A "\r\n"
		"a=setup:actpass\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
		"a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=sendrecv\r\na=rtcp-mux\r\n"
		"a=rtpmap:111 opus/48000/2\r\n"
		"a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1;maxaveragebitrate=32000\r\n"
		"a=rtcp-fb:111 transport-cc\r\na=rtcp-fb:111 nack\r\n"
		"a=rtpmap:110 telephone-event/48000\r\na=fmtp:110 0-15\r\n"
		"a=rtpmap:126 telephone-event/8000\r\na=fmtp:126 0-15\r\na=msid:-\r\n"
		"a=ssrc:4711 cname:cn\r\na=candidate:1 1 udp 2 192.0.2.1 5 typ host\r\n"
		"a=end-of-candidates\r\n");
}

static void hold_says_so(void **state)
{
	static const char *const words[] = {"a=inactive", "a=sendonly", "a=recvonly", "a=sendrecv"};
	struct cf_sdp_local local = sample_local();

	(void)state;
	for (int i = 0; i < 4; i++) {
		buf.len = 0;
		local.direction = (enum cf_sdp_direction)i;
		local.ice_lite = i & 1;
		assert_int_equal(cf_sdp_offer_write(&local, NULL, &buf), 0);
		assert_has(&buf, words[i]);
		/* No source where nothing is sent. */
		assert_int_equal(strstr(sample_str(&buf), "a=ssrc:") != NULL, i & 1);
		assert_int_equal(strstr(sample_str(&buf), "a=ice-lite") != NULL, i & 1);
	}
}

static void invalid_local(void **state)
{
	struct cf_sdp_local local = sample_local();

	(void)state;
	local.ufrag = cf_view_str("abc");
	assert_int_equal(cf_sdp_offer_write(&local, NULL, &buf), CF_EINVAL);
	local = sample_local();
	local.pwd.len = 21;
	assert_int_equal(cf_sdp_offer_write(&local, NULL, &buf), CF_EINVAL);
	local = sample_local();
	local.fingerprint.len = 0;
	assert_int_equal(cf_sdp_offer_write(&local, NULL, &buf), CF_EINVAL);
	local = sample_local();
	local.session_id = UINT64_MAX;
	assert_int_equal(cf_sdp_offer_write(&local, NULL, &buf), CF_EINVAL);
	assert_int_equal(buf.len, 0);
}

/* RFC 3264 section 8: order of m-lines, mids and numbers stay what they were. */
static void further_offer_keeps_the_shape(void **state)
{
	struct cf_sdp_desc *theirs = sample_file("sdp/chromium-video-first.sdp"), *ours;
	struct cf_sdp_local local = sample_local();

	(void)state;
	assert_int_equal(cf_sdp_offer_write(&local, theirs, &buf), 0);
	ours = sample_buf(&buf);
	assert_int_equal(ours->n_media, 3);
	assert_int_equal(ours->media[0].port, 0);
	assert_view(ours->media[0].kind, "video");
	assert_view(ours->media[0].mid, "video");
	assert_int_equal(ours->media[1].port, 9);
	assert_view(ours->media[1].mid, "audio");
	assert_int_equal(cf_sdp_codec_find(&ours->media[1], "opus", 48000)->pt, 111);
	assert_int_equal(ours->media[1].exts[0].id, 6);
	assert_int_equal(ours->media[1].exts[1].id, 11);
	assert_int_equal(ours->media[2].port, 0);
	assert_view(ours->media[2].formats, "webrtc-datachannel");
	assert_has(&buf, "a=group:BUNDLE audio\r\n");
	cf_sdp_desc_free(theirs);
	cf_sdp_desc_free(ours);
}

static void further_offer_avoids_taken_numbers(void **state)
{
	struct cf_sdp_desc *before = sample_text(
		HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 111 110 112\na=rtpmap:111 a/1\na=rtpmap:110 b/1\n"
		     "a=rtpmap:112 c/1\na=extmap:1 urn:a\na=extmap:2 urn:b\n"
		     "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:0\n");
	struct cf_sdp_local local = sample_local();
	struct cf_sdp_desc *ours;

	(void)state;
	assert_int_equal(cf_sdp_offer_write(&local, before, &buf), 0);
	ours = sample_buf(&buf);
	assert_view(ours->media[0].mid, "1");
	assert_int_equal(cf_sdp_codec_find(&ours->media[0], "opus", 48000)->pt, 113);
	assert_int_equal(cf_sdp_codec_find(&ours->media[0], "telephone-event", 48000)->pt, 114);
	assert_int_equal(ours->media[0].exts[0].id, 3);
	assert_int_equal(ours->media[0].exts[1].id, 4);
	cf_sdp_desc_free(before);
	cf_sdp_desc_free(ours);
}

static void further_offer_adds_or_revives_audio(void **state)
{
	struct cf_sdp_desc *before, *ours;
	struct cf_sdp_local local = sample_local();

	(void)state;
	before = sample_text(HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:0\n");
	assert_int_equal(cf_sdp_offer_write(&local, before, &buf), 0);
	ours = sample_buf(&buf);
	assert_int_equal(ours->n_media, 2);
	assert_int_equal(ours->media[1].port, 9);
	assert_view(ours->media[1].mid, "1");
	cf_sdp_desc_free(before);
	cf_sdp_desc_free(ours);

	buf.len = 0;
	before = sample_text(HEAD "m=audio 0 UDP/TLS/RTP/SAVPF 0\na=mid:q\n");
	assert_int_equal(cf_sdp_offer_write(&local, before, &buf), 0);
	ours = sample_buf(&buf);
	assert_int_equal(ours->n_media, 1);
	assert_view(ours->media[0].mid, "q");
	assert_int_equal(ours->media[0].port, 9);
	cf_sdp_desc_free(before);
	cf_sdp_desc_free(ours);
}

static void no_seventeenth_line(void **state)
{
	struct cf_sdp_local local = sample_local();
	struct cf_sdp_desc *before;
	struct cf_buf text;

	(void)state;
	cf_buf_init(&text, 4096);
	assert_int_equal(cf_buf_append_str(&text, HEAD), 0);
	for (int i = 0; i < CF_SDP_MEDIA_MAX; i++)
		assert_int_equal(cf_buf_append_str(&text, "m=video 9 RTP/SAVPF 96\n"), 0);
	before = sample_buf(&text);
	assert_int_equal(cf_sdp_offer_write(&local, before, &buf), CF_ELIMIT);
	cf_sdp_desc_free(before);
	cf_buf_done(&text);
}

/* Whatever payload types and ids a stranger takes, an offer comes out that we can read. */
static void crowded_numbers(void **state)
{
	struct cf_sdp_local local = sample_local();
	struct cf_sdp_desc *before, *ours;
	struct cf_buf text;

	(void)state;
	cf_buf_init(&text, 8192);
	assert_int_equal(cf_buf_append_str(&text, HEAD "m=audio 9 RTP/SAVPF"), 0);
	for (int i = 96; i < 128; i++)
		assert_int_equal(cf_buf_printf(&text, " %d", i), 0);
	for (int i = 96; i < 128; i++)
		assert_int_equal(cf_buf_printf(&text, "\na=rtpmap:%d x/1", i), 0);
	for (int i = 1; i < 15; i++)
		assert_int_equal(cf_buf_printf(&text, "\na=extmap:%d urn:x", i), 0);
	before = sample_buf(&text);
	assert_int_equal(cf_sdp_offer_write(&local, before, &buf), 0);
	ours = sample_buf(&buf);
	assert_int_equal(ours->media[0].n_exts, 0);
	assert_non_null(cf_sdp_codec_find(&ours->media[0], "opus", 48000));
	cf_sdp_desc_free(before);
	cf_sdp_desc_free(ours);
	cf_buf_done(&text);
}

static void failure_leaves_the_buffer(void **state)
{
	struct cf_sdp_local local = sample_local();
	struct cf_buf small;

	(void)state;
	cf_buf_init(&small, 200);
	assert_int_equal(cf_buf_append_str(&small, "before"), 0);
	assert_int_equal(cf_sdp_offer_write(&local, NULL, &small), CF_ELIMIT);
	assert_true(cf_view_is(cf_buf_view(&small), "before"));
	cf_buf_done(&small);
}

static int oom_body(void *arg)
{
	struct cf_sdp_local local = sample_local();
	struct cf_buf out;
	int err;

	(void)arg;
	cf_buf_init(&out, CF_SDP_TEXT_MAX);
	err = cf_sdp_offer_write(&local, NULL, &out);
	cf_buf_done(&out);
	return err;
}

static void oom(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(golden_offer),
		T(hold_says_so),
		T(invalid_local),
		T(further_offer_keeps_the_shape),
		T(further_offer_avoids_taken_numbers),
		T(further_offer_adds_or_revives_audio),
		T(no_seventeenth_line),
		T(crowded_numbers),
		T(failure_leaves_the_buffer),
		T(oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
