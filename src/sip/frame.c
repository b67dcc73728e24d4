/* SPDX-License-Identifier: Apache-2.0 */
#include "sip/message.h"

#include "sip/sip_priv.h"

#include <string.h>

/* Where the head ends, with its empty line; 0: not yet. */
static size_t head_len(struct cf_sip_framer *framer, const uint8_t *p, size_t n)
{
	size_t from = framer->seen > 3 ? framer->seen - 3 : 0;

	for (size_t i = from; n >= 4 && i <= n - 4; i++) {
		const uint8_t *cr = memchr(p + i, '\r', n - 3 - i);

		if (!cr)
			break;
		i = (size_t)(cr - p);
		if (memcmp(cr, "\r\n\r\n", 4) == 0)
			return i + 4;
	}
	framer->seen = n;
	return 0;
}

/* The one Content-Length of a head; with none, or two that differ, nobody knows where the next
 * message begins. */
static int content_length(const uint8_t *p, size_t head, uint64_t *ret_len)
{
	bool found = false;
	uint64_t len;

	for (size_t at = 0; at < head;) {
		const uint8_t *end = memchr(p + at, '\n', head - at);
		size_t n = (size_t)(end - (p + at)) + 1;
		struct cf_view line = cf_sip_trim(cf_view_of(p + at, n >= 2 ? n - 2 : 0));
		struct cf_view name = cf_sip_take_token(&line);

		at += n;
		if (!cf_view_is_nocase(name, "Content-Length") && !cf_view_is_nocase(name, "l"))
			continue;
		line = cf_sip_trim_left(line);
		if (!line.len || line.p[0] != ':')
			continue;
		if (found || (at < head && cf_sip_is_blank(p[at])) ||
			!cf_sip_number(cf_sip_trim(cf_sip_from(line, 1)), UINT32_MAX, &len))
			return CF_EBADMSG;
		found = true;
		*ret_len = len;
	}
	return found ? 0 : CF_EBADMSG;
}

int cf_sip_frame_next(struct cf_sip_framer *framer, const uint8_t *p, size_t n, size_t *ret_len)
{
	uint64_t body;
	size_t head;

	/* RFC 5626 section 3.5.1: CRLF CRLF is a ping, one CRLF alone its answer. */
	if (n && p[0] == '\r' && framer->seen == 0) {
		if (!framer->pings && n >= 4 && memcmp(p, "\r\n\r\n", 4) == 0) {
			*ret_len = 4;
			return CF_SIP_FRAME_PING;
		}
		if (n >= 2 && p[1] != '\n')
			return CF_EBADMSG;
		/* One CRLF may be half a ping, but not for who sends the pings himself. */
		if (n < 2 || (!framer->pings && (n < 3 || (n == 3 && p[2] == '\r'))))
			return CF_SIP_FRAME_MORE;
		*ret_len = 2;
		return CF_SIP_FRAME_PONG;
	}
	head = head_len(framer, p, n);
	if (!head)
		return n > CF_SIP_MESSAGE_MAX ? CF_ELIMIT : CF_SIP_FRAME_MORE;
	if (content_length(p, head, &body) < 0)
		return CF_EBADMSG;
	if (head > CF_SIP_MESSAGE_MAX || body > CF_SIP_MESSAGE_MAX - head)
		return CF_ELIMIT;
	if (n - head < body) {
		framer->seen = head - 1; /* found again at once */
		return CF_SIP_FRAME_MORE;
	}
	framer->seen = 0;
	*ret_len = head + (size_t)body;
	return CF_SIP_FRAME_MESSAGE;
}
