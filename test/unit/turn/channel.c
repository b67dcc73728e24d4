/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/mem.h"
#include "turn/channel.h"

static void prepend_and_parse(void **state)
{
	uint8_t p[16] = {0};
	struct cf_view data;
	uint16_t channel;

	(void)state;
	memcpy(p + 4, "hello", 5);
	cf_turn_channel_prepend(p + 4, 5, 0x4abc);
	assert_true(cf_turn_is_channel_data(p, 9));
	assert_int_equal(cf_turn_channel_parse(p, 9, &channel, &data), 0);
	assert_int_equal(channel, 0x4abc);
	assert_true(cf_view_is(data, "hello"));
	assert_int_equal(cf_turn_channel_parse(p, 12, &channel, &data), 0); /* padded */
	assert_int_equal(data.len, 5);
	assert_int_equal(cf_turn_channel_parse(p, 8, &channel, &data), CF_EBADMSG);
	assert_int_equal(cf_turn_channel_parse(p, 3, &channel, &data), CF_EBADMSG);
	p[0] = 0x80; /* RTP, not ChannelData */
	assert_int_equal(cf_turn_channel_parse(p, 9, &channel, &data), CF_EBADMSG);
}

/* RFC 8656 section 12.5: on streams the length is rounded up, the length field is not. */
static void stream_frames(void **state)
{
	uint8_t p[4] = {0x40, 1, 0, 0};

	(void)state;
	assert_int_equal(cf_turn_frame_len(p, 0), 0);
	assert_int_equal(cf_turn_frame_len(p, 3), 0);
	for (unsigned len = 0; len < 9; len++) {
		p[3] = (uint8_t)len;
		assert_int_equal(cf_turn_frame_len(p, 4), 4 + (len + 3) / 4 * 4);
	}
	p[2] = CF_TURN_STREAM_DATA_MAX >> 8;
	p[3] = 1;
	assert_int_equal(cf_turn_frame_len(p, 4), CF_EBADMSG);
	p[3] = 0;
	assert_int_equal(cf_turn_frame_len(p, 4), 4 + CF_TURN_STREAM_DATA_MAX);
	assert_int_equal(cf_turn_frame_len((const uint8_t *)"\x80\x00", 2), CF_EBADMSG);
	assert_int_equal(
		cf_turn_frame_len((const uint8_t *)"\x16\x03\x01\x02\x00", 5), 0); /* TLS */
	assert_int_equal(cf_turn_frame_len((const uint8_t *)"\x16\x03\x01\x02\x00\x01\x00\x01", 8),
		CF_EBADMSG);
	assert_int_equal(cf_turn_frame_len((const uint8_t *)"GET ", 4), CF_EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prepend_and_parse),
		cmocka_unit_test(stream_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
