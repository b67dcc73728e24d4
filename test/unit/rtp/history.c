/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "rtp/history.h"
#include "rtp/packet.h"

#include <string.h>

#define MS 1000u

static size_t packet_of(uint8_t p[static 100], uint16_t seq, uint8_t padding)
{
	const struct cf_rtp_ext_item item = {3, cf_view_of("\1\2", 2)};
	struct cf_rtp_packet packet = {.marker = true,
		.payload_type = 96,
		.seq = seq,
		.ts = 5,
		.ssrc = 7,
		.padding = padding,
		.payload = cf_view_str("payload")};
	int n = cf_rtp_packet_write(p, 100, &packet, &item, 1);

	assert_true(n > 0);
	return (size_t)n;
}

static void kept_and_replaced(void **state)
{
	struct cf_rtp_history *history;
	struct cf_view found;
	uint8_t p[100];
	size_t n;

	(void)state;
	assert_int_equal(cf_rtp_history_new(&history, 4, 50), 0);
	assert_false(cf_rtp_history_newest(history, 100, &found));
	for (uint16_t seq = 65534; seq != 3; seq++) {
		n = packet_of(p, seq, 0);
		cf_rtp_history_put(history, p, n, 1000 * MS);
	}
	assert_false(cf_rtp_history_peek(history, 65534, &found));
	assert_true(cf_rtp_history_peek(history, 65535, &found));
	assert_true(cf_rtp_history_peek(history, 2, &found));
	assert_true(found.len == n && memcmp(found.p, p, n) == 0);
	assert_true(cf_rtp_history_newest(history, n, &found));
	assert_false(cf_rtp_history_newest(history, n - 1, &found));
	/* Not again within a round-trip, by whatever it was asked for. */
	assert_false(cf_rtp_history_get(history, 1, 50 * MS, 1049 * MS, &found));
	assert_true(cf_rtp_history_get(history, 1, 50 * MS, 1050 * MS, &found));
	assert_false(cf_rtp_history_get(history, 1, 50 * MS, 1099 * MS, &found));
	assert_false(cf_rtp_history_get(history, 9, 0, 2000 * MS, &found));
	cf_rtp_history_free(history);
}

static void limits(void **state)
{
	struct cf_rtp_history *history;
	struct cf_view found;
	uint8_t p[100];
	size_t n = packet_of(p, 1, 0);

	(void)state;
	assert_int_equal(cf_rtp_history_new(&history, 0, 100), CF_EINVAL);
	assert_int_equal(cf_rtp_history_new(&history, 3, 100), CF_EINVAL);
	assert_int_equal(cf_rtp_history_new(&history, 65536, 100), CF_EINVAL);
	assert_int_equal(cf_rtp_history_new(&history, 4, 11), CF_EINVAL);
	assert_int_equal(cf_rtp_history_new(&history, 4, n - 1), 0);
	cf_rtp_history_put(history, p, n, 1);
	cf_rtp_history_put(history, p, 5, 1);
	assert_false(cf_rtp_history_peek(history, 1, &found));
	cf_rtp_history_free(history);
}

static void repeated_and_restored(void **state)
{
	uint8_t p[100], rtx[100];
	struct cf_rtp_packet packet;
	struct cf_view ext;
	size_t n = packet_of(p, 0xabcd, 4);
	int len = cf_rtx_wrap(rtx, sizeof(rtx), cf_view_of(p, n), 97, 8, 0x1111);

	(void)state;
	/* RFC 4588 section 4: all as it was but for type, source and number; the padding is gone.
	 */
	assert_int_equal(len, (int)n - 4 + 2);
	assert_int_equal(cf_rtp_packet_parse(&packet, rtx, (size_t)len), 0);
	assert_true(packet.payload_type == 97 && packet.ssrc == 8 && packet.seq == 0x1111);
	assert_true(packet.marker && packet.ts == 5 && cf_rtp_packet_ext(&packet, 3, &ext));
	assert_memory_equal(packet.payload.p, "\xab\xcd\x70\x61yload", 9);
	len = cf_rtx_unwrap(rtx, (size_t)len, 96, 7);
	assert_int_equal(len, (int)n - 4);
	n = packet_of(p, 0xabcd, 0);
	assert_int_equal(len, (int)n);
	assert_memory_equal(rtx, p, n);
}

static void what_is_no_repetition(void **state)
{
	uint8_t p[100], rtx[100];
	size_t n = packet_of(p, 1, 0);
	struct cf_rtp_packet packet = {.payload_type = 97};
	int len;

	(void)state;
	assert_int_equal(cf_rtx_wrap(rtx, n + 1, cf_view_of(p, n), 97, 8, 1), CF_ENOSPC);
	assert_int_equal(cf_rtx_wrap(rtx, sizeof(rtx), cf_view_of(p, 5), 97, 8, 1), CF_EBADMSG);
	assert_int_equal(cf_rtx_wrap(rtx, sizeof(rtx), cf_view_of(p, n), 128, 8, 1), CF_EBADMSG);
	for (uint8_t padding = 0; padding < 2; padding++) {
		packet.padding = padding;
		packet.payload = cf_view_of("x", padding ? 0 : 1);
		len = cf_rtp_packet_write(p, sizeof(p), &packet, NULL, 0);
		assert_true(len > 0);
		assert_int_equal(cf_rtx_unwrap(p, (size_t)len, 96, 7), CF_EBADMSG);
	}
	assert_int_equal(cf_rtx_unwrap(p, 3, 96, 7), CF_EBADMSG);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_and_replaced),
		cmocka_unit_test(limits),
		cmocka_unit_test(repeated_and_restored),
		cmocka_unit_test(what_is_no_repetition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
