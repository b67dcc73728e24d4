/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "rtp/demux.h"
#include "rtp/packet.h"

static void demultiplexes(void **state)
{
	static const struct {
		uint8_t first, second;
		enum cf_demux want;
	} cases[] = {
		{0, 1, CF_DEMUX_STUN},
		{3, 0, CF_DEMUX_STUN},
		{4, 0, CF_DEMUX_OTHER},
		{19, 0, CF_DEMUX_OTHER},
		{20, 0xfe, CF_DEMUX_DTLS},
		{63, 0, CF_DEMUX_DTLS},
		{64, 0, CF_DEMUX_CHANNEL},
		{79, 0, CF_DEMUX_CHANNEL},
		{80, 0, CF_DEMUX_OTHER},
		{127, 0, CF_DEMUX_OTHER},
		{128, 111, CF_DEMUX_RTP},
		{0x90, 111 | 0x80, CF_DEMUX_RTP},
		{128, 191, CF_DEMUX_RTP},
		{128, 192, CF_DEMUX_RTCP},
		{129, 200, CF_DEMUX_RTCP},
		{128, 223, CF_DEMUX_RTCP},
		{128, 224, CF_DEMUX_RTP},
		{192, 200, CF_DEMUX_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cf_demux_packet((uint8_t[]){cases[i].first, cases[i].second}, 2),
			cases[i].want);
	assert_int_equal(cf_demux_packet((uint8_t[]){128, 0}, 1), CF_DEMUX_OTHER);
}

static const uint16_t profiles[] = {0, 0xbede, 0x1000, 0x1000};
static const uint8_t level[1] = {0x80 | 33}, mid[] = "audio0";

static void written_and_read(void **state)
{
	uint8_t p[256], csrcs[8] = {1, 2, 3, 4, 5, 6, 7, 8}, big[40] = {7};
	struct cf_rtp_packet in = {.marker = true,
		.payload_type = 111,
		.seq = 65535,
		.ts = 0xfffffff0,
		.ssrc = 0xdeadbeef,
		.padding = 5,
		.csrcs = {csrcs, sizeof(csrcs)},
		.payload = {(const uint8_t *)"hello", 5}};

	(void)state;
	/* 0: no extension; 1: one-byte form; 2: two-byte for the length; 3: for the id. */
	for (int form = 0; form < 4; form++) {
		struct cf_rtp_ext_item items[] = {{3, {level, 1}}, {0, {NULL, 9}}, {14, {mid, 6}},
			{form == 3 ? 200 : 4, {big, form == 2 ? 40 : 2}}};
		size_t n_items = form == 0 ? 0 : form == 1 ? 3 : 4;
		struct cf_rtp_packet out;
		struct cf_view v;
		uint8_t lvl;
		bool voice;
		int n = cf_rtp_packet_write(p, sizeof(p), &in, items, n_items);

		assert_true(n > 0);
		for (int cap = 0; cap < n; cap++)
			assert_int_equal(cf_rtp_packet_write(p, (size_t)cap, &in, items, n_items),
				CF_ENOSPC);
		assert_int_equal(cf_rtp_packet_write(p, (size_t)n, &in, items, n_items), n);
		assert_int_equal(cf_rtp_packet_parse(&out, p, (size_t)n), 0);
		assert_true(out.marker);
		assert_int_equal(out.payload_type, 111);
		assert_int_equal(out.seq, 65535);
		assert_int_equal(out.ts, 0xfffffff0);
		assert_int_equal(out.ssrc, 0xdeadbeef);
		assert_int_equal(out.padding, 5);
		assert_true(cf_view_eq(out.csrcs, in.csrcs));
		assert_true(cf_view_is(out.payload, "hello"));
		assert_int_equal(out.ext_profile, profiles[form]);
		assert_int_equal(cf_rtp_header_len(p, (size_t)n), n - 10);
		assert_int_equal(cf_rtp_packet_level(&out, 3, &lvl, &voice), form > 0);
		if (form) {
			assert_int_equal(lvl, 33);
			assert_true(voice);
			assert_true(cf_rtp_packet_ext(&out, 14, &v) && cf_view_is(v, "audio0"));
		}
		assert_false(cf_rtp_packet_ext(&out, 5, &v));
		assert_false(cf_rtp_packet_ext(&out, 0, &v));
		assert_int_equal(cf_rtp_packet_ext(&out, 200, &v), form == 3);
	}
}

static void odd_extensions(void **state)
{
	/* Padding inside, ID 0 with a length, ID 15 stops, an element that overruns. */
	static const uint8_t ext[] = {0x00, 0x01, 0xaa, 0xbb, 0x10, 0x55, 0xf0, 0x20};
	struct cf_rtp_packet pkt = {.ext_profile = 0xbede, .ext = {ext, sizeof(ext)}};
	struct cf_view v;

	(void)state;
	assert_true(cf_rtp_packet_ext(&pkt, 1, &v));
	assert_int_equal(v.p[0], 0x55);
	assert_false(cf_rtp_packet_ext(&pkt, 2, &v));
	pkt.ext = (struct cf_view){(const uint8_t *)"\x1f\x01", 2};
	assert_false(cf_rtp_packet_ext(&pkt, 1, &v));
	pkt.ext_profile = 0x1234;
	assert_false(cf_rtp_packet_ext(&pkt, 1, &v));
}

static void bad_packets(void **state)
{
	uint8_t p[40] = {0x80, 111};
	struct cf_rtp_packet out = {.seq = 77};
	struct cf_rtp_ext_item items[9] = {{1, {p, 256}}};

	(void)state;
	for (size_t n = 0; n < 12; n++)
		assert_int_equal(cf_rtp_packet_parse(&out, p, n), CF_EBADMSG);
	assert_int_equal(out.seq, 77);
	p[0] = 0x40; /* version */
	assert_int_equal(cf_rtp_packet_parse(&out, p, 20), CF_EBADMSG);
	p[0] = 0x8f; /* 15 CSRCs */
	assert_int_equal(cf_rtp_packet_parse(&out, p, 40), CF_EBADMSG);
	p[0] = 0x90; /* extension of 4 words */
	p[15] = 4;
	assert_int_equal(cf_rtp_packet_parse(&out, p, 31), CF_EBADMSG);
	assert_int_equal(cf_rtp_header_len(p, 31), CF_EBADMSG);
	assert_int_equal(cf_rtp_packet_parse(&out, p, 32), 0);
	p[0] = 0xa0; /* padding of 0, of too much, of all */
	assert_int_equal(cf_rtp_packet_parse(&out, p, 12), CF_EBADMSG);
	assert_int_equal(cf_rtp_packet_parse(&out, p, 20), CF_EBADMSG);
	p[19] = 9;
	assert_int_equal(cf_rtp_packet_parse(&out, p, 20), CF_EBADMSG);
	p[19] = 8;
	assert_int_equal(cf_rtp_packet_parse(&out, p, 20), 0);
	assert_int_equal(out.payload.len, 0);
	assert_int_equal(cf_rtp_packet_write(p, 40, &out, items, 1), CF_EINVAL);
	assert_int_equal(cf_rtp_packet_write(p, 40, &out, items, 9), CF_EINVAL);
	out.payload_type = 128;
	assert_int_equal(cf_rtp_packet_write(p, 40, &out, NULL, 0), CF_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(demultiplexes),
		cmocka_unit_test(written_and_read),
		cmocka_unit_test(odd_extensions),
		cmocka_unit_test(bad_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
