/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "peer/peer_priv.h"

static void frame_lengths(void **state)
{
	(void)state;
	assert_int_equal(peer_frame_len((const uint8_t *)"", 0), 0);
	assert_int_equal(peer_frame_len((const uint8_t[]){1}, 1), 0);
	assert_int_equal(peer_frame_len((const uint8_t[]){0, 0}, 2), PEER_FRAME_HEAD);
	assert_int_equal(peer_frame_len((const uint8_t[]){1, 2, 9}, 3), PEER_FRAME_HEAD + 258);
	assert_int_equal(peer_frame_len((const uint8_t[]){8, 0}, 2), PEER_FRAME_HEAD + 2048);
	assert_int_equal(peer_frame_len((const uint8_t[]){8, 1}, 2), CF_EBADMSG);
	assert_int_equal(peer_frame_len((const uint8_t[]){255, 255}, 2), CF_EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
