/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "rtp/twcc.h"

#include <string.h>

#define MS 1000u

static struct cf_twcc twcc;
static struct cf_twcc_entry entries[2048];

/* Writes one feedback and reads it: how many packets it tells of, -1: nothing written. */
static int round_trip(size_t cap)
{
	uint8_t p[2000];
	struct cf_wire_writer w;
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;

	cf_wire_writer_init(&w, p, cap);
	if (!cf_twcc_write(&twcc, &w, 1, 2)) {
		assert_int_equal(w.err, 0);
		assert_int_equal(w.len, 0);
		return -1;
	}
	assert_int_equal(w.len % 4, 0);
	assert_int_equal(cf_rtcp_check(p, w.len), 0);
	cf_rtcp_iter_init(&it, p, w.len);
	assert_int_equal(cf_rtcp_iter_next(&it, &item), 1);
	assert_true(item.kind == CF_RTCP_TWCC && item.ssrc == 1 && item.media_ssrc == 2);
	return cf_rtcp_item_twcc(&item, entries, 2048);
}

static int begin(void **state)
{
	(void)state;
	twcc = (struct cf_twcc){0};
	return 0;
}

static void arrivals_to_the_tick(void **state)
{
	uint64_t at[300];

	(void)state;
	assert_false(cf_twcc_pending(&twcc));
	assert_int_equal(round_trip(2000), -1);
	for (unsigned i = 0; i < 201; i++) {
		/* Near, far and backwards; every 7th is lost. */
		at[i] = 5000 * MS + i * 3 * MS + (i % 5 == 4 ? 70 * MS : 0) + i * 17;
		if (i % 7 != 3)
			cf_twcc_arrived(&twcc, (uint16_t)(65500 + i), at[i]);
	}
	assert_true(cf_twcc_pending(&twcc));
	assert_int_equal(round_trip(2000), 201);
	assert_false(cf_twcc_pending(&twcc));
	for (unsigned i = 0; i < 201; i++) {
		assert_int_equal(entries[i].seq, (uint16_t)(65500 + i));
		assert_int_equal(entries[i].lost, i % 7 == 3);
		if (!entries[i].lost)
			assert_int_equal(entries[i].arrival_us, at[i] / 250 * 250);
	}
}

/* What a feedback called lost and comes afterwards is told then. */
static void told_again(void **state)
{
	(void)state;
	cf_twcc_arrived(&twcc, 1, 1000 * MS);
	cf_twcc_arrived(&twcc, 3, 1010 * MS);
	assert_int_equal(round_trip(2000), 3);
	assert_true(entries[1].lost);
	cf_twcc_arrived(&twcc, 2, 1020 * MS);
	assert_int_equal(round_trip(2000), 2);
	assert_true(entries[0].seq == 2 && !entries[0].lost && !entries[1].lost);
	assert_int_equal(round_trip(2000), -1);
}

static void more_than_one_can_tell(void **state)
{
	size_t told = 0;
	int n;

	(void)state;
	for (unsigned i = 0; i < 600; i++)
		cf_twcc_arrived(&twcc, (uint16_t)i, 1000 * MS + i * MS);
	while ((n = round_trip(2000)) > 0) {
		assert_true(n <= (int)CF_TWCC_PACKETS_MAX);
		assert_int_equal(entries[0].seq, told);
		told += (size_t)n;
	}
	assert_int_equal(told, 600);
	/* A pause longer than a delta can say ends one and begins another. */
	cf_twcc_arrived(&twcc, 600, 3000 * MS);
	cf_twcc_arrived(&twcc, 601, 30000 * MS);
	assert_int_equal(round_trip(2000), 1);
	assert_int_equal(round_trip(2000), 1);
	assert_int_equal(entries[0].arrival_us, (int64_t)30000 * MS);
}

static void no_room(void **state)
{
	(void)state;
	cf_twcc_arrived(&twcc, 1, 1000 * MS);
	assert_int_equal(round_trip(20), -1);
	assert_int_equal(round_trip(2000), 1);
}

static void far_jumps(void **state)
{
	(void)state;
	cf_twcc_arrived(&twcc, 1, 1000 * MS);
	cf_twcc_arrived(&twcc, 20000, 1001 * MS);
	assert_int_equal(round_trip(2000), 1);
	assert_int_equal(entries[0].seq, 20000);
	/* What the window has no room for is forgotten. */
	for (unsigned i = 0; i < 3000; i++)
		cf_twcc_arrived(&twcc, (uint16_t)(20001 + i), 1100 * MS + i);
	assert_true(round_trip(2000) > 0);
	assert_int_equal(entries[0].seq, 20000 + 3000 - CF_TWCC_WINDOW + 1);
}

/* Chunks of all kinds, as the draft has them (section 3.1). */
static void as_others_write_it(void **state)
{
	static const uint8_t bytes[] = {0x8f, 205, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2, /* head, SSRCs */
		0, 10, 0, 25, 0, 0, 2, 7, /* base 10, 25 packets, reference 128 ms */
		0x20, 3,                  /* run: 3 small ones */
		0xa0, 0,                  /* one bit each: came, 13 lost */
		0xe4, 0,                  /* two bits each: large, small, 5 lost */
		0x00, 1,                  /* run: one lost */
		4, 4, 8, 40, 0xff, 0xfc, 12, 0, 0, 0};
	static const int64_t at[] = {129, 130, 132, 142};
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;

	(void)state;
	cf_rtcp_iter_init(&it, bytes, sizeof(bytes));
	assert_int_equal(cf_rtcp_iter_next(&it, &item), 1);
	assert_int_equal(cf_rtcp_item_twcc(&item, entries, 2048), 25);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(entries[i].arrival_us, at[i] * 1000);
	assert_true(entries[4].lost && entries[16].lost && !entries[17].lost);
	assert_int_equal(entries[17].arrival_us, 141000); /* a step back */
	assert_int_equal(entries[18].arrival_us, 144000);
	assert_int_equal(cf_rtcp_item_twcc(&item, entries, 24), CF_ELIMIT);
}

static void malformed(void **state)
{
	static const struct {
		size_t len;
		uint8_t bytes[20];
		int err;
	} rows[] = {
		{4, {0, 1, 0, 1}, CF_EBADMSG},
		{8, {0, 1, 0, 1, 0, 0, 0, 0}, CF_EBADMSG},                 /* no chunk */
		{12, {0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, CF_EBADMSG},    /* a run of none */
		{12, {0, 1, 0, 1, 0, 0, 0, 0, 0x60, 1, 0, 0}, CF_EBADMSG}, /* symbol 3 */
		{12, {0, 1, 0, 9, 0, 0, 0, 0, 0x20, 9, 1, 1}, CF_EBADMSG}, /* deltas cut */
		{12, {0, 1, 0xff, 0xff, 0, 0, 0, 0, 0x1f, 0xff, 0, 0}, CF_ELIMIT},
		{12, {0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0}, /* tells of nothing */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cf_rtcp_item item = {
			.kind = CF_RTCP_TWCC, .body = cf_view_of(rows[i].bytes, rows[i].len)};

		assert_int_equal(cf_rtcp_item_twcc(&item, entries, 2048), rows[i].err);
		item.kind = CF_RTCP_NACK;
		assert_int_equal(cf_rtcp_item_twcc(&item, entries, 2048), CF_EBADMSG);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(arrivals_to_the_tick, begin),
		cmocka_unit_test_setup(told_again, begin),
		cmocka_unit_test_setup(more_than_one_can_tell, begin),
		cmocka_unit_test_setup(no_room, begin),
		cmocka_unit_test_setup(far_jumps, begin),
		cmocka_unit_test_setup(as_others_write_it, begin),
		cmocka_unit_test_setup(malformed, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
