/* SPDX-License-Identifier: Apache-2.0 */
#include "media/sender.h"

#include "base/mem.h"
#include "media/level.h"
#include "rtp/dtmf.h"
#include "rtp/packet.h"

#include <string.h>

#define SAMPLES_PER_MS (CF_OPUS_RATE / 1000)
#define PAUSE_FRAMES 4 /* 80 ms between keys */
#define VOICE_LEVEL 50 /* frames louder than -50 dBov are marked as voice */

struct digit {
	uint8_t event;
	uint32_t duration;
};

struct cf_media_sender {
	struct cf_media_sender_opts opts;
	char mid[CF_MEDIA_MAX_MID + 1];
	struct cf_opus_encoder *encoder;
	struct cf_rtp_sender rtp;
	uint32_t ts;
	bool talking; /* the frame before was sent: no marker */
	uint8_t level;
	struct cf_dtmf_sender dtmf;
	unsigned pause; /* frames until the next key may start */
	size_t first, n_digits;
	struct digit digits[CF_MEDIA_MAX_DIGITS];
};

void cf_media_sender_opts_defaults(struct cf_media_sender_opts *opts)
{
	*opts = (struct cf_media_sender_opts){.opus_pt = 111};
	cf_opus_opts_defaults(&opts->opus);
}

int cf_media_sender_new(
	struct cf_media_sender **ret_sender, const struct cf_media_sender_opts *opts)
{
	struct cf_media_sender *s;
	int err;

	if (opts->opus_pt > 127 || opts->dtmf_pt > 127 ||
		(opts->mid && strlen(opts->mid) > CF_MEDIA_MAX_MID))
		return CF_EINVAL;
	s = cf_alloc(sizeof(*s));
	if (!s)
		return CF_ENOMEM;
	err = cf_opus_encoder_new(&s->encoder, &opts->opus);
	if (err) {
		cf_free(s);
		return err;
	}
	s->opts = *opts;
	if (opts->mid)
		memcpy(s->mid, opts->mid, strlen(opts->mid));
	s->opts.mid = s->mid;
	s->ts = opts->ts_seed;
	s->level = CF_LEVEL_SILENCE;
	cf_rtp_sender_init(&s->rtp, opts->ssrc, CF_OPUS_RATE, opts->seq_seed);
	*ret_sender = s;
	return 0;
}

struct cf_media_sender *cf_media_sender_free(struct cf_media_sender *sender)
{
	if (sender)
		cf_opus_encoder_free(sender->encoder);
	return cf_free(sender);
}

/* One RTP packet with our extensions; counted only when it fits. */
static int write_packet(struct cf_media_sender *s, uint8_t pt, uint32_t ts, bool marker,
	struct cf_view payload, uint64_t now_us, uint8_t *p, size_t cap)
{
	uint8_t level = (uint8_t)((s->level < VOICE_LEVEL ? 0x80 : 0) | s->level);
	struct cf_rtp_ext_item items[2] = {{s->opts.level_ext_id, {&level, 1}},
		{s->mid[0] ? s->opts.mid_ext_id : 0, cf_view_str(s->mid)}};
	struct cf_rtp_packet packet = {
		.marker = marker, .payload_type = pt, .ts = ts, .payload = payload};

	return cf_rtp_sender_write(&s->rtp, &packet, items, 2, s->ts, now_us, p, cap);
}

static void start_digit(struct cf_media_sender *s)
{
	struct digit *d = &s->digits[s->first];

	if (s->dtmf.active || !s->n_digits)
		return;
	if (s->pause) {
		s->pause--;
		return;
	}
	/* Cannot fail: event and duration were checked when they were queued. */
	if (cf_dtmf_sender_start(&s->dtmf, d->event, s->ts, d->duration) == 0)
		s->pause = PAUSE_FRAMES;
	s->first = (s->first + 1) % CF_MEDIA_MAX_DIGITS;
	s->n_digits--;
}

static int push_dtmf(struct cf_media_sender *s, uint64_t now_us, uint8_t *p, size_t cap)
{
	uint8_t payload[CF_DTMF_PAYLOAD_LEN];
	uint32_t ts;
	bool marker;

	if (!cf_dtmf_sender_next(&s->dtmf, CF_OPUS_FRAME, payload, &ts, &marker))
		return 0;
	s->talking = false;
	s->level = CF_LEVEL_SILENCE;
	return write_packet(s, s->opts.dtmf_pt, ts, marker,
		(struct cf_view){payload, sizeof(payload)}, now_us, p, cap);
}

static int push_audio(
	struct cf_media_sender *s, const int16_t *pcm, uint64_t now_us, uint8_t *p, size_t cap)
{
	static const int16_t silence[CF_OPUS_FRAME];
	uint8_t payload[CF_OPUS_MAX_PACKET];
	bool marker = !s->talking;
	int n;

	if (!pcm)
		pcm = silence;
	s->level = cf_level_dbov(pcm, CF_OPUS_FRAME);
	n = cf_opus_encode(s->encoder, pcm, payload, sizeof(payload));
	s->talking = n > 0;
	if (n <= 0)
		return n;
	/* RFC 7587 section 4.2: the marker begins a talk spurt when DTX is used. */
	return write_packet(s, s->opts.opus_pt, s->ts, marker && s->opts.opus.dtx,
		(struct cf_view){payload, (size_t)n}, now_us, p, cap);
}

int cf_media_sender_push(
	struct cf_media_sender *sender, const int16_t *pcm, uint64_t now_us, uint8_t *p, size_t cap)
{
	int n;

	start_digit(sender);
	if (sender->dtmf.active)
		n = push_dtmf(sender, now_us, p, cap);
	else
		n = push_audio(sender, pcm, now_us, p, cap);
	sender->ts += CF_OPUS_FRAME;
	return n;
}

void cf_media_sender_skip(struct cf_media_sender *sender)
{
	sender->talking = false;
	sender->ts += CF_OPUS_FRAME;
}

int cf_media_sender_dtmf(struct cf_media_sender *sender, const char *keys, unsigned duration_ms)
{
	size_t n = strnlen(keys, CF_MEDIA_MAX_DIGITS + 1);

	if (!sender->opts.dtmf_pt)
		return CF_ENOTSUP;
	if (duration_ms < CF_DTMF_MIN_MS || duration_ms > CF_DTMF_MAX_MS || !n)
		return CF_EINVAL;
	for (size_t i = 0; i < n; i++)
		if (cf_dtmf_event(keys[i]) < 0)
			return CF_EINVAL;
	if (n > CF_MEDIA_MAX_DIGITS - sender->n_digits)
		return CF_ELIMIT;
	for (size_t i = 0; i < n; i++) {
		size_t at = (sender->first + sender->n_digits++) % CF_MEDIA_MAX_DIGITS;

		sender->digits[at] = (struct digit){
			(uint8_t)cf_dtmf_event(keys[i]), duration_ms * SAMPLES_PER_MS};
	}
	return 0;
}

bool cf_media_sender_report(
	struct cf_media_sender *sender, const struct cf_rtcp_block *block, uint64_t now_us)
{
	if (!cf_rtp_sender_report(&sender->rtp, block, now_us))
		return false;
	cf_opus_encoder_set_loss(sender->encoder, (block->fraction_lost * 100u + 128) / 256);
	return true;
}

const struct cf_rtp_sender *cf_media_sender_rtp(const struct cf_media_sender *sender)
{
	return &sender->rtp;
}

uint8_t cf_media_sender_level(const struct cf_media_sender *sender)
{
	return sender->level;
}
