/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/dtmf.h"

#include "base/clock.h"
#include "base/wire.h"

#include <string.h>

#define VOLUME 10 /* -10 dBm0, RFC 4733 section 2.3.4 */
#define END_BIT 0x80
#define MAX_DURATION 0xffff
#define SILENT_US (200 * CF_US_PER_MS)

static const char keys[] = "0123456789*#ABCD"; /* RFC 4733 section 3.2, table 3 */

int cf_dtmf_event(char key)
{
	const char *at;

	if (key >= 'a' && key <= 'd')
		key = (char)(key - 'a' + 'A');
	at = key ? strchr(keys, key) : NULL;
	return at ? (int)(at - keys) : CF_EINVAL;
}

char cf_dtmf_key(unsigned event)
{
	return event <= CF_DTMF_MAX_EVENT ? keys[event] : '?';
}

int cf_dtmf_sender_start(struct cf_dtmf_sender *s, unsigned event, uint32_t ts, uint32_t total)
{
	if (event > CF_DTMF_MAX_EVENT || !total)
		return CF_EINVAL;
	if (s->active)
		return CF_ESTATE;
	*s = (struct cf_dtmf_sender){.event = (uint8_t)event,
		.volume = VOLUME,
		.ends_left = CF_DTMF_END_PACKETS,
		.active = true,
		.first = true,
		.ts = ts,
		.total = total};
	return 0;
}

bool cf_dtmf_sender_next(struct cf_dtmf_sender *s, uint32_t step,
	uint8_t ret_payload[static CF_DTMF_PAYLOAD_LEN], uint32_t *ret_ts, bool *ret_marker)
{
	struct cf_wire_writer w;
	uint32_t left;
	bool end;

	if (!s->active)
		return false;
	left = s->total - s->duration;
	/* RFC 4733 section 2.5.2.3: a duration beyond 16 bits begins a new segment. */
	if (left && s->duration + (left < step ? left : step) > MAX_DURATION) {
		s->ts += s->duration;
		s->total = left;
		s->duration = 0;
	}
	s->duration += left < step ? left : step;
	end = s->duration == s->total;
	cf_wire_writer_init(&w, ret_payload, CF_DTMF_PAYLOAD_LEN);
	cf_wire_write_u8(&w, s->event);
	cf_wire_write_u8(&w, (uint8_t)((end ? END_BIT : 0) | s->volume));
	cf_wire_write_u16(&w, (uint16_t)s->duration);
	*ret_ts = s->ts;
	*ret_marker = s->first;
	s->first = false;
	/* RFC 4733 section 2.5.1.4: the final packet is sent three times. */
	if (end && --s->ends_left == 0)
		s->active = false;
	return true;
}

/* Whether a payload goes on with what is known: the same event, in the same or a following segment.
 */
static bool same_event(const struct cf_dtmf_receiver *r, uint8_t event, uint32_t ts)
{
	if (!r->known || r->now.event != event)
		return false;
	/* Segments of one long event follow each other without a gap (section 2.5.2.3). */
	return ts == r->segment_ts || ts == r->now.ts ||
	       (r->active && ts - r->now.ts <= r->now.duration + 960 &&
		       ts - r->now.ts >= MAX_DURATION / 2);
}

int cf_dtmf_receiver_put(struct cf_dtmf_receiver *r, struct cf_view payload, uint32_t ts,
	uint64_t now_us, struct cf_dtmf_event_info *ret_info)
{
	struct cf_wire_reader in;
	uint8_t event, flags;
	uint32_t duration;
	bool fresh, end;

	cf_wire_reader_init(&in, payload.p, payload.len);
	event = cf_wire_read_u8(&in);
	flags = cf_wire_read_u8(&in);
	duration = cf_wire_read_u16(&in);
	if (in.err)
		return CF_EBADMSG;
	if (event > CF_DTMF_MAX_EVENT)
		return CF_DTMF_NOTHING;
	/* A packet of an event before the one we know came late. */
	if (r->known && (int32_t)(ts - r->now.ts) < 0)
		return CF_DTMF_NOTHING;
	fresh = !same_event(r, event, ts);
	if (!fresh && !r->active)
		return CF_DTMF_NOTHING; /* END again */
	end = flags & END_BIT;
	if (fresh)
		r->now = (struct cf_dtmf_event_info){
			.event = event, .volume = flags & 0x3f, .ts = ts};
	if (ts - r->now.ts + duration > r->now.duration)
		r->now.duration = ts - r->now.ts + duration;
	r->known = true;
	r->segment_ts = ts;
	r->active = !end;
	r->last_us = now_us;
	*ret_info = r->now;
	if (end)
		return CF_DTMF_END;
	return fresh ? CF_DTMF_START : CF_DTMF_NOTHING;
}

int cf_dtmf_receiver_tick(
	struct cf_dtmf_receiver *r, uint64_t now_us, struct cf_dtmf_event_info *ret_info)
{
	if (!r->active || now_us - r->last_us < SILENT_US)
		return CF_DTMF_NOTHING;
	r->active = false;
	*ret_info = r->now;
	return CF_DTMF_END;
}
