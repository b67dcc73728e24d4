/* SPDX-License-Identifier: Apache-2.0 */
/* RTCP packets, receive statistics and what a sender learns from reports. */
#include "harness/harness.h"

#include "base/clock.h"
#include "rtp/rtcp.h"
#include "rtp/sender.h"
#include "rtp/stats.h"

static size_t compound(uint8_t *p, size_t cap)
{
	static const uint16_t seqs[] = {65530, 65531, 65535, 10, 100};
	struct cf_rtcp_sender_info info = {UINT64_C(0x1122334455667788), 1, 2, 3};
	struct cf_rtcp_block blocks[2] = {{.ssrc = 7,
						  .fraction_lost = 64,
						  .lost = -3,
						  .highest_seq = 0x1ffff,
						  .jitter = 5,
						  .lsr = 6,
						  .dlsr = 8},
		{.ssrc = 9, .lost = 0x7fffff}};
	struct cf_wire_writer w;

	cf_wire_writer_init(&w, p, cap);
	cf_rtcp_write_sr(&w, 1, &info, blocks, 2);
	cf_rtcp_write_sdes(&w, 1, "someone");
	cf_rtcp_write_nack(&w, 1, 7, seqs, 5);
	cf_rtcp_write_pli(&w, 1, 7);
	cf_rtcp_write_rr(&w, 2, blocks, 1);
	cf_rtcp_write_bye(&w, 1, "going");
	return w.err ? 0 : w.len;
}

static void compound_there_and_back(void **state)
{
	static const enum cf_rtcp_kind kinds[] = {
		CF_RTCP_SR, CF_RTCP_SDES, CF_RTCP_NACK, CF_RTCP_PLI, CF_RTCP_RR, CF_RTCP_BYE};
	struct cf_rtcp_item items[6];
	struct cf_rtcp_block b;
	struct cf_rtcp_iter it;
	struct cf_view v;
	uint16_t seqs[8];
	uint8_t p[512];
	size_t n = compound(p, sizeof(p));

	(void)state;
	assert_true(n > 0 && n % 4 == 0);
	assert_int_equal(cf_rtcp_check(p, n), 0);
	cf_rtcp_iter_init(&it, p, n);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(cf_rtcp_iter_next(&it, &items[i]), 1);
		assert_int_equal(items[i].kind, kinds[i]);
	}
	assert_int_equal(cf_rtcp_iter_next(&it, &items[0]), 0);
	assert_int_equal(items[0].ssrc, 1);
	assert_int_equal(items[0].info.ntp, UINT64_C(0x1122334455667788));
	assert_int_equal(items[0].info.octets, 3);
	assert_true(cf_rtcp_item_block(&items[0], 0, &b));
	assert_int_equal(b.ssrc, 7);
	assert_int_equal(b.fraction_lost, 64);
	assert_int_equal(b.lost, -3);
	assert_int_equal(b.highest_seq, 0x1ffff);
	assert_int_equal(b.dlsr, 8);
	assert_true(cf_rtcp_item_block(&items[0], 1, &b));
	assert_int_equal(b.lost, 0x7fffff);
	assert_false(cf_rtcp_item_block(&items[0], 2, &b));
	assert_false(cf_rtcp_item_block(&items[1], 0, &b));
	assert_true(cf_rtcp_item_cname(&items[1], 1, &v) && cf_view_is(v, "someone"));
	assert_false(cf_rtcp_item_cname(&items[1], 2, &v));
	assert_false(cf_rtcp_item_cname(&items[0], 1, &v));
	assert_int_equal(cf_rtcp_item_nack(&items[2], seqs, 8), 5);
	assert_memory_equal(seqs, ((uint16_t[]){65530, 65531, 65535, 10, 100}), 10);
	assert_int_equal(cf_rtcp_item_nack(&items[2], seqs, 2), 2);
	assert_int_equal(cf_rtcp_item_nack(&items[3], seqs, 8), 0);
	assert_int_equal(items[3].media_ssrc, 7);
	assert_int_equal(items[4].ssrc, 2);
	assert_true(cf_rtcp_item_bye(&items[5], 1));
	assert_false(cf_rtcp_item_bye(&items[5], 2));
	assert_false(cf_rtcp_item_bye(&items[4], 2));
	assert_true(cf_view_is(items[5].reason, "going"));
}

static void cut_short(void **state)
{
	uint8_t p[512], small[512];
	size_t n = compound(p, sizeof(p)), whole = 0;

	(void)state;
	for (size_t cut = 0; cut < n; cut++) {
		/* Only where a packet ends is what is left well-formed. */
		whole += cf_rtcp_check(p, cut) == 0;
		assert_int_equal(compound(small, cut), 0);
	}
	assert_int_equal(whole, 5);
}

static void bad_and_odd(void **state)
{
	static const struct {
		int want; /* of the check; kind when 1.. */
		size_t n;
		uint8_t p[16];
	} cases[] = {
		{CF_EBADMSG, 4, {0x40, 200, 0, 0}},             /* version */
		{CF_EBADMSG, 8, {0x81, 201, 0, 1, 0, 0, 0, 1}}, /* block missing */
		{CF_EBADMSG, 8, {0xa0, 201, 0, 1, 0, 0, 0, 0}}, /* padding 0 */
		{CF_EBADMSG, 8, {0xa0, 201, 0, 1, 0, 0, 0, 3}}, /* nothing is left of it */
		{CF_EBADMSG, 8, {0xa0, 201, 0, 1, 0, 0, 0, 8}}, /* more than there is */
		{CF_EBADMSG, 12, {0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, 'a', 0}}, /* item overruns */
		{CF_EBADMSG, 8, {0x81, 203, 0, 0}}, /* BYE without its SSRC */
		{CF_EBADMSG, 12, {0x81, 203, 0, 2, 0, 0, 0, 1, 9, 'x', 0, 0}}, /* reason overruns */
		{CF_EBADMSG, 8, {0x81, 206, 0, 1, 0, 0, 0, 1}},     /* PLI without media SSRC */
		{0, 4, {0x80, 203, 0, 0}},                          /* empty BYE */
		{0, 4, {0x80, 202, 0, 0}},                          /* empty SDES */
		{0, 8, {0x80, 204, 0, 1, 0, 0, 0, 1}},              /* APP: other */
		{0, 12, {0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4}}, /* padded */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cf_rtcp_check(cases[i].p, cases[i].n), cases[i].want);
}

static struct cf_rtcp_item item_of(const uint8_t *p, size_t n)
{
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;

	assert_int_equal(cf_rtcp_check(p, n), 0);
	cf_rtcp_iter_init(&it, p, n);
	assert_int_equal(cf_rtcp_iter_next(&it, &item), 1);
	return item;
}

/* RFC 5104 section 4.3.1.1: entries of an SSRC and a number. */
static void key_frames_asked_for(void **state)
{
	static const uint8_t p[] = {0x84, 206, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, /* two entries */
		0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0, 9, 2, 0, 0, 0};
	struct cf_rtcp_item item = item_of(p, sizeof(p));

	(void)state;
	assert_int_equal(item.kind, CF_RTCP_FIR);
	assert_true(cf_rtcp_item_fir(&item, 7) && cf_rtcp_item_fir(&item, 9));
	assert_false(cf_rtcp_item_fir(&item, 1));
	item.body.len = 4; /* cut */
	assert_false(cf_rtcp_item_fir(&item, 7));
	item.kind = CF_RTCP_PLI;
	assert_false(cf_rtcp_item_fir(&item, 7));
}

/* draft-alvestrand-rmcat-remb-03 section 2.2. */
static void rates_allowed(void **state)
{
	uint8_t p[] = {0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 1, 0x0b, 0xd0,
		0x90, 0, 0, 0, 7};
	struct cf_rtcp_item item = item_of(p, sizeof(p));
	uint64_t bps = 0;

	(void)state;
	assert_int_equal(item.kind, CF_RTCP_REMB);
	assert_true(cf_rtcp_item_remb(&item, 7, &bps));
	assert_int_equal(bps, (0x3d090u) << 2);
	assert_false(cf_rtcp_item_remb(&item, 8, &bps));
	p[17] = 0xff; /* more than any rate */
	assert_true(cf_rtcp_item_remb(&item, 7, &bps) && bps > UINT64_C(1) << 62);
	p[16] = 2; /* says two, holds one */
	assert_false(cf_rtcp_item_remb(&item, 8, &bps));
	p[12] = 'X';
	assert_false(cf_rtcp_item_remb(&item, 7, &bps));
}

/* RFC 3550 wants a multiple of 4; Chromium fills up by what is missing. */
static void filled_up(void **state)
{
	static const uint8_t p[] = {0xaf, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0,
		2, /* transport feedback */
		0, 9, 0, 1, 0, 0, 1, 0, 0x20, 1, 8, 1};

	(void)state;
	assert_int_equal(item_of(p, sizeof(p)).body.len, 11);
}

static void sequence_numbers(void **state)
{
	struct cf_rtp_source s;
	struct cf_rtcp_block b;
	uint64_t now = 1000000;

	(void)state;
	cf_rtp_source_init(&s, 5, 48000);
	assert_int_equal(cf_rtp_source_expected(&s), 0);
	/* 65000 .. 66999 over the roll-over, every tenth lost. */
	for (uint32_t seq = 65000; seq < 67000; seq++, now += 20000)
		if (seq % 10 != 5)
			assert_true(cf_rtp_source_update(&s, (uint16_t)seq, seq * 960, 100, now));
	assert_int_equal(cf_rtp_source_expected(&s), 2000);
	assert_int_equal(cf_rtp_source_lost(&s), 200);
	assert_int_equal(s.octets, 180000);
	assert_int_equal(cf_rtp_source_jitter_us(&s), 0);
	cf_rtp_source_block(&s, now, &b);
	assert_int_equal(b.ssrc, 5);
	assert_int_equal(b.lost, 200);
	assert_int_equal(b.fraction_lost, 25);
	assert_int_equal(b.highest_seq, 66999);
	assert_int_equal(b.lsr, 0);
	/* Nothing since: no loss in the interval. Duplicates make it negative. */
	cf_rtp_source_block(&s, now, &b);
	assert_int_equal(b.fraction_lost, 0);
	for (int i = 0; i < 300; i++)
		assert_true(cf_rtp_source_update(&s, (uint16_t)66999, 66999u * 960, 0, now));
	cf_rtp_source_block(&s, now, &b);
	assert_int_equal(b.lost, -100);
	assert_int_equal(b.fraction_lost, 0);
	/* A jump: one doubtful packet, then a restart. */
	assert_false(cf_rtp_source_update(&s, 30000, 0, 0, now));
	assert_true(cf_rtp_source_update(&s, 30001, 960, 0, now));
	assert_int_equal(cf_rtp_source_expected(&s), 1);
	/* All of an interval lost. */
	assert_true(cf_rtp_source_update(&s, 30002 + 999, 960, 0, now));
	cf_rtp_source_block(&s, now, &b);
	cf_rtp_source_block(&s, now, &b);
	assert_int_equal(cf_rtp_source_lost(&s), 999);
}

static void jitter_as_rfc3550(void **state)
{
	struct cf_rtp_source s;
	uint64_t now = 5000000;

	(void)state;
	cf_rtp_source_init(&s, 5, 48000);
	/* Every second packet 8 ms late: differences of 8 ms, to which the estimate converges. */
	for (uint32_t i = 0; i < 500; i++)
		cf_rtp_source_update(
			&s, (uint16_t)i, 1000 + i * 960, 1, now + i * 20000 + i % 2 * 8000);
	assert_in_range(cf_rtp_source_jitter_us(&s), 7500, 8100);
	/* A timestamp jump is no jitter. */
	cf_rtp_source_update(&s, 500, 0x80000000, 1, now + 500 * 20000);
	assert_in_range(cf_rtp_source_jitter_us(&s), 7000, 8100);
}

static void round_trip_time(void **state)
{
	struct cf_rtp_sender sender;
	struct cf_rtp_source source;
	struct cf_rtcp_sender_info info;
	struct cf_rtcp_block b;
	uint64_t t0 = 7 * CF_US_PER_S + 123456;

	(void)state;
	cf_rtp_sender_init(&sender, 9, 48000, 0xffff);
	cf_rtp_source_init(&source, 9, 48000);
	assert_false(cf_rtp_sender_info(&sender, t0, &info));
	assert_int_equal(cf_rtp_sender_next(&sender, 5000, 80, t0), 0x7fff);
	assert_int_equal(cf_rtp_sender_next(&sender, 5960, 80, t0 + 20000), 0x8000);
	assert_true(cf_rtp_sender_info(&sender, t0 + 30000, &info));
	assert_int_equal(info.rtp_ts, 5960 + 480);
	assert_int_equal(info.packets, 2);
	assert_int_equal(info.octets, 160);
	cf_rtp_source_update(&source, 0x7fff, 5000, 80, t0);
	/* 40 ms there, 500 ms at the peer, 35 ms back; the peer's clock is elsewhere. */
	cf_rtp_source_sr(&source, &info, 999 * CF_US_PER_S);
	cf_rtp_source_block(&source, 999 * CF_US_PER_S + 500000, &b);
	assert_int_equal(b.dlsr, 32768);
	assert_int_equal(sender.rtt_us, -1);
	assert_true(cf_rtp_sender_report(&sender, &b, t0 + 30000 + 575000));
	assert_in_range(sender.rtt_us, 74900, 75100);
	b.ssrc = 10;
	assert_false(cf_rtp_sender_report(&sender, &b, t0));
	/* Nonsense: none seen yet; from the future; of an hour. */
	assert_int_equal(cf_rtp_rtt_us(&(struct cf_rtcp_block){0}, t0), CF_ENOTFOUND);
	b.lsr = (uint32_t)(cf_rtp_ntp(t0) >> 16);
	b.dlsr = 5;
	assert_int_equal(cf_rtp_rtt_us(&b, t0), 0);
	b.dlsr = 10 << 16;
	assert_int_equal(cf_rtp_rtt_us(&b, t0), CF_ENOTFOUND);
	assert_int_equal(cf_rtp_ntp(1500000), UINT64_C(0x180000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compound_there_and_back),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(bad_and_odd),
		cmocka_unit_test(key_frames_asked_for),
		cmocka_unit_test(rates_allowed),
		cmocka_unit_test(filled_up),
		cmocka_unit_test(sequence_numbers),
		cmocka_unit_test(jitter_as_rfc3550),
		cmocka_unit_test(round_trip_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
