/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "rtp/dtmf.h"

static void keys(void **state)
{
	(void)state;
	for (unsigned event = 0; event <= CF_DTMF_MAX_EVENT; event++)
		assert_int_equal(cf_dtmf_event(cf_dtmf_key(event)), event);
	assert_int_equal(cf_dtmf_event('#'), 11);
	assert_int_equal(cf_dtmf_event('d'), 15);
	assert_int_equal(cf_dtmf_event('e'), CF_EINVAL);
	assert_int_equal(cf_dtmf_event(0), CF_EINVAL);
	assert_int_equal(cf_dtmf_key(16), '?');
}

struct sent {
	uint8_t payload[CF_DTMF_PAYLOAD_LEN];
	uint32_t ts;
	bool marker;
};

static size_t send_all(unsigned event, uint32_t ts, uint32_t total, struct sent *out)
{
	struct cf_dtmf_sender s = {0};
	size_t n = 0;

	assert_int_equal(cf_dtmf_sender_start(&s, event, ts, total), 0);
	assert_int_equal(cf_dtmf_sender_start(&s, event, ts, total), CF_ESTATE);
	while (cf_dtmf_sender_next(&s, 960, out[n].payload, &out[n].ts, &out[n].marker))
		n++;
	return n;
}

static void sends_as_rfc4733(void **state)
{
	struct cf_dtmf_sender s = {0};
	struct sent out[400];
	size_t n = send_all(11, 5000, 100 * 48, out);

	(void)state;
	assert_int_equal(n, 5 + 2);
	for (size_t i = 0; i < n; i++) {
		uint32_t duration = i < 5 ? 960 * ((uint32_t)i + 1) : 4800;

		assert_int_equal(out[i].payload[0], 11);
		assert_int_equal(out[i].payload[1] >> 7, i >= 4);
		assert_int_equal(out[i].payload[2] << 8 | out[i].payload[3], duration);
		assert_int_equal(out[i].ts, 5000);
		assert_int_equal(out[i].marker, i == 0);
	}
	assert_int_equal(cf_dtmf_sender_start(&s, 16, 0, 960), CF_EINVAL);
	assert_int_equal(cf_dtmf_sender_start(&s, 1, 0, 0), CF_EINVAL);
}

/* Which packets arrive: a bit for each; what has to come out. */
static void receives_once(void **state)
{
	static const struct {
		unsigned lost;
		int starts, ends;
	} cases[] = {
		{0x00, 1, 1}, {0x01, 1, 1}, {0x30, 1, 1}, {0x0f, 0, 1}, {0x70, 1, 0}, {0x3f, 0, 1}};

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		struct cf_dtmf_receiver r = {0};
		struct cf_dtmf_event_info info = {0};
		struct sent out[32];
		size_t n = send_all(5, 9000, 4800, out);
		int starts = 0, ends = 0, got;
		uint64_t now = 1;

		for (size_t i = 0; i < n; i++, now += 20000) {
			struct cf_view v = {out[i].payload, 4};

			/* Every packet twice: duplicates change nothing. */
			for (int twice = 0; twice < 2 && !(cases[k].lost >> i & 1); twice++) {
				got = cf_dtmf_receiver_put(&r, v, out[i].ts, now, &info);
				starts += got == CF_DTMF_START;
				ends += got == CF_DTMF_END;
			}
			assert_int_equal(cf_dtmf_receiver_tick(&r, now, &info), CF_DTMF_NOTHING);
		}
		assert_int_equal(starts, cases[k].starts);
		assert_int_equal(ends, cases[k].ends);
		got = cf_dtmf_receiver_tick(&r, now + 200000, &info);
		assert_int_equal(got, cases[k].ends ? CF_DTMF_NOTHING : CF_DTMF_END);
		assert_int_equal(info.event, 5);
		assert_int_equal(info.ts, 9000);
		assert_int_equal(info.duration, cases[k].ends ? 4800 : 3840);
	}
}

static void long_events_are_one(void **state)
{
	struct cf_dtmf_receiver r = {0};
	struct cf_dtmf_event_info info = {0};
	struct sent out[400];
	size_t n = send_all(3, 0xffff0000, 6000 * 48, out), segments = 0;
	int starts = 0, ends = 0;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		int got = cf_dtmf_receiver_put(
			&r, (struct cf_view){out[i].payload, 4}, out[i].ts, i * 20000, &info);

		starts += got == CF_DTMF_START;
		ends += got == CF_DTMF_END;
		segments += i && out[i].ts != out[i - 1].ts;
	}
	assert_int_equal(segments, 4);
	assert_int_equal(starts, 1);
	assert_int_equal(ends, 1);
	assert_int_equal(info.duration, 6000 * 48);
}

static void two_presses_are_two(void **state)
{
	struct cf_dtmf_receiver r = {0};
	struct cf_dtmf_event_info info;
	struct sent a[32], b[32];
	size_t n = send_all(3, 0, 1920, a), m = send_all(3, 9600, 1920, b);
	int starts = 0;

	(void)state;
	for (size_t i = 0; i < n; i++)
		starts += cf_dtmf_receiver_put(&r, (struct cf_view){a[i].payload, 4}, a[i].ts, 1,
				  &info) == CF_DTMF_START;
	for (size_t i = 0; i < m; i++)
		starts += cf_dtmf_receiver_put(&r, (struct cf_view){b[i].payload, 4}, b[i].ts, 1,
				  &info) == CF_DTMF_START;
	assert_int_equal(starts, 2);
	/* One of the first that comes late says nothing new. */
	assert_int_equal(
		cf_dtmf_receiver_put(&r, (struct cf_view){a[0].payload, 4}, a[0].ts, 1, &info),
		CF_DTMF_NOTHING);
	assert_int_equal(cf_dtmf_receiver_put(&r, (struct cf_view){a[0].payload, 3}, 0, 1, &info),
		CF_EBADMSG);
	a[0].payload[0] = 64;
	assert_int_equal(
		cf_dtmf_receiver_put(&r, (struct cf_view){a[0].payload, 4}, 99999, 1, &info),
		CF_DTMF_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(sends_as_rfc4733),
		cmocka_unit_test(receives_once),
		cmocka_unit_test(long_events_are_one),
		cmocka_unit_test(two_presses_are_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
