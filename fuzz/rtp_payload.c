/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of strangers are read; frames that are cut are whole again when they are put together.
 */
#include "rtp/payload.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void cut(enum cf_video_codec codec, struct cf_view frame, size_t max)
{
	static uint8_t again[3 * 8192 + 64];
	struct cf_payload_cutter cutter;
	struct cf_payload_part part;
	uint8_t payload[512];
	bool last = false, first = true;
	size_t len = 0, n;

	if (cf_payload_cut(&cutter, codec, frame, 5, max) < 0)
		return;
	for (; (n = cf_payload_next(&cutter, payload, sizeof(payload), &last)) > 0; first = false) {
		struct cf_view view = cf_view_of(payload, n);

		must(n <= max);
		if (codec == CF_VIDEO_VP8) { /* any bytes are a frame to it */
			must(cf_payload_read(codec, view, &part) == 0 && part.begins == first);
			must(cf_payload_append(codec, view, again, sizeof(again), &len) == 0);
		} else if (cf_payload_read(codec, view, &part) == 0) {
			must(cf_payload_append(codec, view, again, sizeof(again), &len) == 0);
		}
	}
	must(last);
	if (codec == CF_VIDEO_VP8)
		must(len == frame.len && memcmp(again, frame.p, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	enum cf_video_codec codec;
	struct cf_payload_part part;
	uint8_t out[256];
	size_t len = 0;
	struct cf_view rest;

	if (n < 2 || n > 8192)
		return 0;
	codec = p[0] & 1 ? CF_VIDEO_H264 : CF_VIDEO_VP8;
	rest = cf_view_of(p + 2, n - 2);
	if (p[0] & 2) {
		cut(codec, rest, CF_PAYLOAD_MIN + p[1]);
		return 0;
	}
	if (cf_payload_read(codec, rest, &part) == 0 && part.key)
		must(part.begins);
	(void)!cf_payload_append(codec, rest, out, sizeof(out), &len);
	must(len <= sizeof(out));
	return 0;
}
