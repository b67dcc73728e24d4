/* SPDX-License-Identifier: Apache-2.0 */
#include "turn/channel.h"

#include "stun/msg.h"

int cf_turn_frame_len(const uint8_t *p, size_t n)
{
	size_t len;

	if (n == 0)
		return 0;
	if ((p[0] & 0xc0) != 0x40)
		return cf_stun_frame_len(p, n);
	if (n < CF_TURN_CHANNEL_HEADER_LEN)
		return 0;
	len = (size_t)(p[2] << 8 | p[3]);
	if (len > CF_TURN_STREAM_DATA_MAX)
		return CF_EBADMSG;
	/* RFC 8656 section 12.5: over TCP and TLS padded to a multiple of four. */
	return (int)(CF_TURN_CHANNEL_HEADER_LEN + ((len + 3) & ~(size_t)3));
}

int cf_turn_channel_parse(
	const uint8_t *p, size_t n, uint16_t *ret_channel, struct cf_view *ret_data)
{
	size_t len;

	if (!cf_turn_is_channel_data(p, n))
		return CF_EBADMSG;
	len = (size_t)(p[2] << 8 | p[3]);
	if (len > n - CF_TURN_CHANNEL_HEADER_LEN)
		return CF_EBADMSG;
	*ret_channel = (uint16_t)(p[0] << 8 | p[1]);
	*ret_data = cf_view_of(p + CF_TURN_CHANNEL_HEADER_LEN, len);
	return 0;
}

void cf_turn_channel_prepend(uint8_t *p, size_t n, uint16_t channel)
{
	p[-4] = (uint8_t)(channel >> 8);
	p[-3] = (uint8_t)channel;
	p[-2] = (uint8_t)(n >> 8);
	p[-1] = (uint8_t)n;
}
