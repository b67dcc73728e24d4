/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/sdp/sample.h"

static int parse(const char *text)
{
	struct cf_sdp_desc *desc = NULL;
	int err = cf_sdp_desc_parse(&desc, cf_view_str(text));

	cf_sdp_desc_free(desc);
	return err;
}

static void chromium(void **state)
{
	struct cf_sdp_desc *desc = sample_file("sdp/chromium-audio.sdp");
	const struct cf_sdp_media *audio = &desc->media[0];
	const struct cf_sdp_codec *opus = cf_sdp_codec_find(audio, "OPUS", 48000);

	(void)state;
	assert_int_equal(desc->n_media, 1);
	assert_view(audio->mid, "0");
	assert_true(audio->bundle && audio->rtcp_mux && audio->transport.trickle);
	assert_view(audio->transport.ufrag, "Q6ht");
	assert_view(audio->transport.pwd, "x4pUe5sTmD0qYkPz7hK2nWbV");
	assert_int_equal(audio->transport.setup, CF_SDP_SETUP_ACTPASS);
	assert_int_equal(audio->transport.n_fingerprints, 1);
	assert_int_equal(audio->transport.fingerprints[0].hash, CF_SDP_SHA256);
	assert_int_equal(audio->transport.fingerprints[0].len, 32);
	assert_int_equal(audio->transport.fingerprints[0].value[0], 0x7b);
	assert_int_equal(audio->transport.fingerprints[0].value[31], 0x08);
	assert_int_equal(audio->n_codecs, 8);
	assert_int_equal(opus->pt, 111);
	assert_int_equal(opus->channels, 2);
	assert_int_equal(opus->feedback, CF_SDP_FB_TRANSPORT_CC);
	assert_view(cf_sdp_fmtp_param(opus->fmtp, "UseInbandFEC"), "1");
	assert_int_equal(cf_sdp_fmtp_param(opus->fmtp, "stereo").len, 0);
	assert_int_equal(cf_sdp_codec_find(audio, "pcmu", 8000)->pt, 0);
	assert_int_equal(cf_sdp_codec_find(audio, "telephone-event", 48000)->pt, 110);
	assert_int_equal(cf_sdp_codec_find(audio, "telephone-event", 8000)->pt, 126);
	assert_null(cf_sdp_codec_find(audio, "telephone-event", 16000));
	assert_int_equal(audio->n_exts, 4);
	assert_int_equal(audio->exts[3].id, 4);
	assert_view(audio->exts[3].uri, CF_SDP_EXT_MID);
	assert_int_equal(audio->n_candidates, 2);
	assert_int_equal(memcmp(audio->candidates[0].p, "candidate:2896278100 1 udp", 26), 0);
	assert_int_equal(audio->n_ssrcs, 1);
	assert_int_equal(audio->ssrcs[0], 1756321897);
	assert_view(audio->cname, "4TOk42mSjXCkVIa6");
	cf_sdp_desc_free(desc);
}

static void own_transport_within_a_bundle(void **state)
{
	struct cf_sdp_desc *desc = sample_file("sdp/chromium-video-first.sdp");

	(void)state;
	assert_int_equal(desc->n_media, 3);
	assert_view(desc->media[0].transport.ufrag, "vvvv");
	assert_view(desc->media[1].transport.ufrag, "aaaa");
	assert_int_equal(desc->media[1].n_candidates, 1);
	assert_int_equal(desc->media[1].exts[1].id, 11);
	assert_view(desc->media[2].kind, "application");
	assert_int_equal(desc->media[2].n_codecs, 0);
	assert_int_equal(desc->media[0].n_ssrcs, 2);
	assert_int_equal(
		desc->media[0].codecs[0].feedback, CF_SDP_FB_NACK | CF_SDP_FB_PLI | CF_SDP_FB_FIR |
							   CF_SDP_FB_TRANSPORT_CC | CF_SDP_FB_REMB);
	cf_sdp_desc_free(desc);
}

static void bundle_only_takes_the_tags_transport(void **state)
{
	struct cf_sdp_desc *desc = sample_file("sdp/firefox-bundle-only.sdp");
	const struct cf_sdp_media *audio = &desc->media[1];

	(void)state;
	assert_int_equal(audio->port, 0);
	assert_true(audio->bundle_only && audio->bundle && audio->end_of_candidates);
	assert_view(audio->transport.ufrag, "1c2d3e4f");
	assert_view(audio->transport.pwd, "0f1e2d3c4b5a69788796a5b4c3d2e1f0");
	assert_int_equal(audio->transport.setup, CF_SDP_SETUP_ACTPASS);
	assert_int_equal(audio->transport.fingerprints[0].value[0], 0xde); /* session level */
	assert_int_equal(audio->n_candidates, 1);
	assert_true(audio->transport.trickle);
	assert_int_equal(audio->exts[1].direction, CF_SDP_RECVONLY);
	cf_sdp_desc_free(desc);
}

static void session_level_holds_for_all(void **state)
{
	struct cf_sdp_desc *desc = sample_text(
		HEAD "a=inactive\r\na=ice-lite\r\na=extmap:5 urn:x\r\n" TRANSPORT
		     "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
		     "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=sendonly\r\na=setup:passive\r\n");

	(void)state;
	assert_int_equal(desc->media[0].direction, CF_SDP_INACTIVE);
	assert_int_equal(desc->media[1].direction, CF_SDP_SENDONLY);
	assert_int_equal(desc->media[0].transport.setup, CF_SDP_SETUP_ACTPASS);
	assert_int_equal(desc->media[1].transport.setup, CF_SDP_SETUP_PASSIVE);
	assert_view(desc->media[1].transport.ufrag, "abcd");
	assert_true(desc->media[1].transport.ice_lite);
	assert_int_equal(desc->media[1].exts[0].id, 5);
	assert_false(desc->media[0].rtcp_mux); /* means nothing at session level */
	cf_sdp_desc_free(desc);
}

static void any_case_any_order(void **state)
{
	struct cf_sdp_desc *desc = sample_text(HEAD
		"m=AUDIO 9 udp/tls/rtp/savpf 7 96 96 300 x 97 0\n"
		"a=fmtp:96  Stereo = 1 ; cbr=0;;x\na=rtpmap:96 OPUS/48000/2\na=rtpmap:97 Opus\n"
		"a=rtpmap:5 nobody/8000\na=rtpmap:7 z/1/300\na=rtcp-fb:* NACK\na=rtcp-fb:9 nack\n"
		"a=extmap:0 urn:a\na=extmap:15 urn:a\na=extmap:16 urn:a\na=extmap:14 urn:a more\n"
		"a=ssrc:x cname:y\na=ssrc:4294967296 cname:y\na=ptime:40\na=ptime:x\n"
		"a=candidate\na=fingerprint:sha-1 00:11\na=fingerprint:md2\na=ice-options:\n");
	const struct cf_sdp_media *audio = &desc->media[0];

	(void)state;
	assert_int_equal(audio->n_codecs, 2); /* 96 and 0: 7 and 97 have no usable name */
	assert_int_equal(audio->codecs[0].pt, 96);
	assert_view(cf_sdp_fmtp_param(audio->codecs[0].fmtp, "stereo"), "1");
	assert_view(cf_sdp_fmtp_param(audio->codecs[0].fmtp, "cbr"), "0");
	assert_int_equal(audio->codecs[1].feedback, CF_SDP_FB_NACK);
	assert_int_equal(audio->n_exts, 1);
	assert_int_equal(audio->exts[0].id, 14);
	assert_int_equal(audio->n_ssrcs, 0);
	assert_int_equal(audio->ptime_ms, 40);
	assert_int_equal(audio->n_candidates, 0);
	assert_int_equal(audio->transport.n_fingerprints, 0);
	cf_sdp_desc_free(desc);
}

static void best_fingerprints_only(void **state)
{
	struct cf_sdp_desc *desc = sample_text(
		HEAD "m=audio 9 RTP/SAVPF 0\n"
		     "a=fingerprint:sha-512 " FP_A ":" FP_A "\n"
		     "a=fingerprint:SHA-256 " FP_A "\na=fingerprint:sha-512 broken\n"
		     "a=fingerprint:sha-256 " FP_A "\na=fingerprint:sha-256 " FP_A "\n"
		     "a=fingerprint:sha-256 " FP_A "\na=fingerprint:sha-256 " FP_A "\n");
	const struct cf_sdp_transport *t = &desc->media[0].transport;

	(void)state;
	assert_int_equal(t->n_fingerprints, CF_SDP_FINGERPRINTS_MAX);
	for (size_t i = 0; i < t->n_fingerprints; i++)
		assert_int_equal(t->fingerprints[i].hash, CF_SDP_SHA256);
	cf_sdp_desc_free(desc);
	desc = sample_text(HEAD "m=audio 9 RTP/SAVPF 0\na=fingerprint:sha-512 " FP_A ":" FP_A "\n");
	assert_int_equal(desc->media[0].transport.fingerprints[0].len, 64);
	assert_int_equal(desc->media[0].transport.fingerprints[0].value[63], 0x20);
	cf_sdp_desc_free(desc);
}

static void malformed(void **state)
{
#define M HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 111\n"
	static const char *const bad[] = {
		M "a=ice-ufrag:abc\n",
		M "a=ice-ufrag:ab:cd\n",
		M "a=ice-ufrag:ab cd\n",
		M "a=ice-ufrag\n",
		M "a=ice-pwd:012345678901234567890\n",
		M "a=ice-pwd:0123456789012345678\x01zzzz\n",
		M "a=mid:\n",
		M "a=mid:a b\n",
		M "a=mid\n",
		M "a=setup:maybe\n",
		M "a=setup\n",
		M "a=fingerprint:sha-256\n",
		M "a=fingerprint:sha-256 01:02\n",
		M "a=fingerprint:sha-256 " FP_A ":00\n",
		M "a=fingerprint:sha-384 " FP_A "\n",
		HEAD "a=ice-ufrag:abc\n",
		HEAD "m=au\x01io 9 RTP/SAVPF 0\n",
		HEAD "m=audio 9 RTP/S\xc3\xa4VPF 0\n",
		HEAD "m=audio 9 RTP/SAVPF 0 \x7f\n",
		HEAD "m=audio 9 RTP/SAVPF 0\n"
		     "a=fingerprint:sha-256 0102:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:"
		     "13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F:20:\n",
		HEAD "m=audio 9 RTP/SAVPF 0\n"
		     "a=fingerprint:sha-256 01-02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:"
		     "13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F:20\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i]) != CF_EBADMSG)
			fail_msg("row %zu is taken", i);
	assert_int_equal(parse(M), 0);
	assert_int_equal(parse(""), CF_EBADMSG);
}

static void lengths_of_ice_texts(void **state)
{
	struct cf_buf buf;
	struct cf_sdp_desc *desc = NULL;

	(void)state;
	for (int extra = 0; extra < 2; extra++) {
		cf_buf_init(&buf, 4096);
		assert_int_equal(cf_buf_append_str(&buf, M "a=ice-pwd:"), 0);
		for (int i = 0; i < CF_SDP_ICE_TEXT_MAX + extra; i++)
			assert_int_equal(cf_buf_append_str(&buf, "x"), 0);
		assert_int_equal(
			cf_sdp_desc_parse(&desc, cf_buf_view(&buf)), extra ? CF_EBADMSG : 0);
		cf_buf_done(&buf);
	}
	cf_sdp_desc_free(desc);
}

/* More of everything than there is room for: the first ones count. */
static void limits(void **state)
{
	struct cf_buf buf;
	struct cf_sdp_desc *desc;

	(void)state;
	cf_buf_init(&buf, CF_SDP_TEXT_MAX);
	assert_int_equal(cf_buf_append_str(&buf, HEAD "m=audio 9 RTP/SAVPF"), 0);
	for (int i = 0; i < 128; i++)
		assert_int_equal(cf_buf_printf(&buf, " %d", i), 0);
	for (int i = 0; i < 128; i++)
		assert_int_equal(cf_buf_printf(&buf,
					 "\na=rtpmap:%d c%d/8000\na=extmap:1 urn:%d\n"
					 "a=candidate:%d\na=ssrc:%d cname:c%d",
					 i, i, i, i, i, i),
			0);
	desc = sample_buf(&buf);
	assert_int_equal(desc->media[0].n_codecs, CF_SDP_CODECS_MAX);
	assert_int_equal(desc->media[0].n_exts, CF_SDP_EXTS_MAX);
	assert_int_equal(desc->media[0].n_candidates, CF_SDP_CANDIDATES_MAX);
	assert_int_equal(desc->media[0].n_ssrcs, CF_SDP_SSRCS_MAX);
	assert_view(desc->media[0].candidates[0], "candidate:0");
	assert_view(desc->media[0].cname, "c0");
	cf_sdp_desc_free(desc);
	cf_buf_done(&buf);
}

static void odd_groups(void **state)
{
	struct cf_sdp_desc *desc = sample_text(
		HEAD "a=group\na=group:LS a b\na=group:BUNDLE\na=group:BUNDLE nobody a a b\n"
		     "a=group:bundle b c\n"
		     "m=audio 9 RTP/SAVPF 0\na=mid:a\nm=audio 9 RTP/SAVPF 0\na=mid:b\n"
		     "m=audio 9 RTP/SAVPF 0\na=mid:c\nm=audio 9 RTP/SAVPF 0\n");

	(void)state;
	assert_true(desc->media[0].bundle && desc->media[1].bundle && desc->media[2].bundle);
	assert_false(desc->media[3].bundle);
	cf_sdp_desc_free(desc);
}

static int oom_body(void *arg)
{
	return parse(arg);
}

static void oom(void **state)
{
	(void)state;
	cf_test_oom(oom_body, (void *)(HEAD AUDIO), 1);
	assert_null(cf_sdp_desc_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chromium),
		cmocka_unit_test(own_transport_within_a_bundle),
		cmocka_unit_test(bundle_only_takes_the_tags_transport),
		cmocka_unit_test(session_level_holds_for_all),
		cmocka_unit_test(any_case_any_order),
		cmocka_unit_test(best_fingerprints_only),
		cmocka_unit_test(malformed),
		cmocka_unit_test(lengths_of_ice_texts),
		cmocka_unit_test(limits),
		cmocka_unit_test(odd_groups),
		cmocka_unit_test(oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
