/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions that the tests of this room start from. */
#ifndef CF_TEST_UNIT_SDP_SAMPLE_H
#define CF_TEST_UNIT_SDP_SAMPLE_H

#include "harness/harness.h"

#include "sdp/media.h"

#include <stdlib.h>

#define FP_A                                                     \
	"01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:" \
	"13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F:20"

#define HEAD "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define TRANSPORT                                                  \
	"a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n" \
	"a=fingerprint:sha-256 " FP_A "\r\na=setup:actpass\r\na=rtcp-mux\r\n"
#define AUDIO "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" TRANSPORT "a=rtpmap:111 opus/48000/2\r\n"

static inline struct cf_sdp_desc *sample_text(const char *text)
{
	struct cf_sdp_desc *desc = NULL;

	assert_int_equal(cf_sdp_desc_parse(&desc, cf_view_str(text)), 0);
	return desc;
}

static inline struct cf_sdp_desc *sample_buf(const struct cf_buf *buf)
{
	struct cf_sdp_desc *desc = NULL;

	assert_int_equal(cf_sdp_desc_parse(&desc, cf_buf_view(buf)), 0);
	return desc;
}

static inline struct cf_sdp_desc *sample_file(const char *name)
{
	struct cf_sdp_desc *desc = NULL;
	size_t len;
	uint8_t *text = cf_test_data(name, &len);

	assert_int_equal(cf_sdp_desc_parse(&desc, cf_view_of(text, len)), 0);
	free(text);
	return desc;
}

static inline struct cf_sdp_local sample_local(void)
{
	struct cf_sdp_local local;

	cf_sdp_local_defaults(&local);
	local.session_id = 77;
	local.version = 1;
	local.ufrag = cf_view_str("ours");
	local.pwd = cf_view_str("ourpasswordourpassword");
	local.fingerprint.hash = CF_SDP_SHA256;
	local.fingerprint.len = 32;
	for (int i = 0; i < 32; i++)
		local.fingerprint.value[i] = (uint8_t)(i + 1);
	local.ssrc = 4711;
	local.cname = cf_view_str("cn");
	return local;
}

/* The text of a buffer as a string, for strstr(). */
static inline const char *sample_str(struct cf_buf *buf)
{
	assert_int_equal(cf_buf_append(buf, "", 1), 0);
	buf->len--;
	return (const char *)buf->p;
}

#define assert_has(buf, text) assert_non_null(strstr(sample_str(buf), text))
#define assert_lacks(buf, text) assert_null(strstr(sample_str(buf), text))
#define assert_view(view, text) assert_true(cf_view_is(view, text))

#endif
