/* SPDX-License-Identifier: Apache-2.0 */
#include "media/receiver.h"

#include "base/mem.h"
#include "media/level.h"

#include <string.h>

/* What can lie decoded and not yet pulled: the longest packet less a frame, and one more frame. */
#define FIFO_MAX (CF_OPUS_MAX_FRAME + CF_OPUS_FRAME)

struct event {
	enum cf_dtmf_result what;
	struct cf_dtmf_event_info info;
};

struct cf_media_receiver {
	struct cf_media_receiver_opts opts;
	struct cf_jitter *jitter;
	struct cf_opus_decoder *decoder;
	struct cf_rtp_source source;
	struct cf_media_receiver_stats stats;
	struct cf_dtmf_receiver dtmf;
	size_t first_event, n_events;
	struct event events[CF_MEDIA_MAX_EVENTS];
	bool decoded_any;
	bool was_dtx;  /* the last packet was a DTX update: comfort noise may go on */
	bool skipping; /* what is in the fifo was not decoded: it is the end of the packet kept */
	uint16_t kept_len; /* 0: nothing kept */
	uint8_t kept[CF_OPUS_MAX_PACKET];
	size_t fifo_len;
	int16_t fifo[FIFO_MAX];
	int16_t scratch[CF_OPUS_MAX_FRAME];
};

void cf_media_receiver_opts_defaults(struct cf_media_receiver_opts *opts)
{
	*opts = (struct cf_media_receiver_opts){.opus_pt = 111};
	cf_jitter_opts_defaults(&opts->jitter);
}

int cf_media_receiver_new(
	struct cf_media_receiver **ret_receiver, const struct cf_media_receiver_opts *opts)
{
	struct cf_media_receiver *r = cf_alloc(sizeof(*r));
	int err;

	if (!r)
		return CF_ENOMEM;
	r->opts = *opts;
	r->stats.level = CF_LEVEL_SILENCE;
	err = cf_jitter_new(&r->jitter, &opts->jitter);
	if (!err)
		err = cf_opus_decoder_new(&r->decoder);
	if (err) {
		cf_media_receiver_free(r);
		return err;
	}
	*ret_receiver = r;
	return 0;
}

struct cf_media_receiver *cf_media_receiver_free(struct cf_media_receiver *receiver)
{
	if (!receiver)
		return NULL;
	cf_jitter_free(receiver->jitter);
	cf_opus_decoder_free(receiver->decoder);
	return cf_free(receiver);
}

static void note_event(struct cf_media_receiver *r, int what, const struct cf_dtmf_event_info *info)
{
	size_t at = (r->first_event + r->n_events) % CF_MEDIA_MAX_EVENTS;

	if (what <= CF_DTMF_NOTHING || r->n_events == CF_MEDIA_MAX_EVENTS)
		return;
	r->events[at] = (struct event){(enum cf_dtmf_result)what, *info};
	r->n_events++;
}

static int put_dtmf(
	struct cf_media_receiver *r, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	struct cf_dtmf_event_info info;
	int what = cf_dtmf_receiver_put(&r->dtmf, packet->payload, packet->ts, now_us, &info);

	if (what < 0)
		return what;
	note_event(r, what, &info);
	/* Its number is not missing from the audio. */
	return cf_jitter_put(r->jitter, packet->ssrc, packet->seq, packet->ts, packet->marker,
		(struct cf_view){NULL, 0}, now_us);
}

/* All packets of an event carry the timestamp of its start; for the jitter the end of what they
 * tell counts (RFC 4733 section 2.5.1.2). */
static uint32_t event_duration(const struct cf_rtp_packet *packet, bool dtmf)
{
	return dtmf && packet->payload.len >= CF_DTMF_PAYLOAD_LEN
		       ? (uint32_t)(packet->payload.p[2] << 8 | packet->payload.p[3])
		       : 0;
}

int cf_media_receiver_put(
	struct cf_media_receiver *receiver, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	struct cf_media_receiver *r = receiver;
	bool dtmf = r->opts.dtmf_pt && packet->payload_type == r->opts.dtmf_pt, voice;

	if (!dtmf && packet->payload_type != r->opts.opus_pt) {
		r->stats.bad++;
		return CF_ENOTFOUND;
	}
	if (!dtmf && cf_opus_packet_samples(packet->payload) < 0) {
		r->stats.bad++;
		return CF_EBADMSG;
	}
	if (!r->source.started || r->source.ssrc != packet->ssrc) {
		cf_rtp_source_init(&r->source, packet->ssrc, CF_OPUS_RATE);
		r->dtmf = (struct cf_dtmf_receiver){0};
	}
	if (!cf_rtp_source_update(&r->source, packet->seq,
		    packet->ts + event_duration(packet, dtmf), packet->payload.len, now_us))
		return CF_EAGAIN;
	cf_rtp_packet_level(packet, r->opts.level_ext_id, &r->stats.level, &voice);
	if (dtmf)
		return put_dtmf(r, packet, now_us);
	return cf_jitter_put(r->jitter, packet->ssrc, packet->seq, packet->ts, packet->marker,
		packet->payload, now_us);
}

static void append(struct cf_media_receiver *r, const int16_t *pcm, size_t n)
{
	if (n > FIFO_MAX - r->fifo_len)
		n = FIFO_MAX - r->fifo_len;
	memcpy(r->fifo + r->fifo_len, pcm, n * sizeof(*pcm));
	r->fifo_len += n;
}

static void conceal(struct cf_media_receiver *r, struct cf_view next)
{
	int16_t *pcm = r->scratch;

	r->stats.concealed++;
	if (next.len && cf_opus_decode_fec(r->decoder, next, pcm) > 0)
		r->stats.fec++;
	else if (!r->decoded_any || cf_opus_conceal(r->decoder, pcm) < 0)
		memset(pcm, 0, CF_OPUS_FRAME * sizeof(*pcm));
	append(r, pcm, CF_OPUS_FRAME);
}

static void silence(struct cf_media_receiver *r)
{
	r->stats.silent++;
	/* Behind a DTX update the decoder makes comfort noise, else there is nothing to hear. */
	if (!r->was_dtx || cf_opus_conceal(r->decoder, r->scratch) < 0)
		memset(r->scratch, 0, CF_OPUS_FRAME * sizeof(*r->scratch));
	append(r, r->scratch, CF_OPUS_FRAME);
}

static size_t decode(struct cf_media_receiver *r, const struct cf_jitter_frame *frame)
{
	int n;

	if (frame->restarted)
		cf_opus_decoder_reset(r->decoder);
	n = cf_opus_decode(r->decoder, frame->payload, r->scratch, CF_OPUS_MAX_FRAME);
	if (n < 0) {
		r->stats.bad++;
		if (cf_opus_conceal(r->decoder, r->scratch) < 0)
			memset(r->scratch, 0, CF_OPUS_FRAME * sizeof(*r->scratch));
		return CF_OPUS_FRAME;
	}
	r->stats.decoded++;
	r->decoded_any = true;
	r->was_dtx = frame->payload.len <= 2;
	if (n != CF_OPUS_FRAME)
		cf_jitter_played(r->jitter, (uint32_t)n);
	return (size_t)n;
}

/* The second of two frames fades in over the first: one frame's time for both. */
static void blend(int16_t *first, const int16_t *second)
{
	for (int32_t i = 0; i < CF_OPUS_FRAME; i++)
		first[i] =
			(int16_t)((first[i] * (CF_OPUS_FRAME - i) + second[i] * i) / CF_OPUS_FRAME);
}

/* The decoded frame is in scratch: n samples. Takes out a frame, where it is not heard or has to
 * be. */
static bool accelerate(struct cf_media_receiver *r, size_t n, bool must, uint64_t now_us)
{
	bool quiet = cf_level_dbov(r->scratch, n) >= CF_LEVEL_QUIET;
	struct cf_jitter_frame frame;
	int16_t first[CF_OPUS_FRAME];

	if (n != CF_OPUS_FRAME || (!quiet && !must))
		return false;
	memcpy(first, r->scratch, sizeof(first));
	if (cf_jitter_get(r->jitter, now_us, &frame) != CF_JITTER_PACKET) {
		/* A lost one in between is a frame less to conceal. */
		append(r, first, CF_OPUS_FRAME);
		return true;
	}
	n = decode(r, &frame);
	r->stats.accelerated++;
	if (n == CF_OPUS_FRAME) {
		blend(first, r->scratch);
		append(r, first, CF_OPUS_FRAME);
	} else {
		append(r, r->scratch, n);
	}
	return true;
}

static void play(struct cf_media_receiver *r, const struct cf_jitter_frame *frame, uint64_t now_us)
{
	size_t n = decode(r, frame);

	if (frame->stretch == CF_JITTER_ACCELERATE && accelerate(r, n, frame->must, now_us))
		return;
	append(r, r->scratch, n);
	if (frame->stretch != CF_JITTER_EXPAND)
		return;
	if (!frame->must && cf_level_dbov(r->scratch, n) < CF_LEVEL_QUIET)
		return;
	/* One frame more, made up as for a lost one; the buffer gains its length. */
	if (cf_opus_conceal(r->decoder, r->scratch) == CF_OPUS_FRAME) {
		append(r, r->scratch, CF_OPUS_FRAME);
		r->stats.expanded++;
	}
}

static void fetch(struct cf_media_receiver *r, uint64_t now_us)
{
	struct cf_jitter_frame frame;

	switch (cf_jitter_get(r->jitter, now_us, &frame)) {
	case CF_JITTER_PACKET:
		play(r, &frame, now_us);
		break;
	case CF_JITTER_LOST:
	case CF_JITTER_LATE:
		conceal(r, frame.payload);
		break;
	case CF_JITTER_SILENCE:
		silence(r);
		break;
	}
}

/* What tells about keys that go up, and the pace of both ways on. */
static void begin_frame(struct cf_media_receiver *r, uint64_t now_us)
{
	struct cf_dtmf_event_info info;

	note_event(r, cf_dtmf_receiver_tick(&r->dtmf, now_us, &info), &info);
	r->stats.frames++;
}

static void end_frame(struct cf_media_receiver *r)
{
	r->fifo_len -= CF_OPUS_FRAME;
	memmove(r->fifo, r->fifo + CF_OPUS_FRAME, r->fifo_len * sizeof(*r->fifo));
}

static void pass(struct cf_media_receiver *r, const struct cf_jitter_frame *frame)
{
	int n = cf_opus_packet_samples(frame->payload);

	if (n < 0 || frame->payload.len > sizeof(r->kept)) {
		r->kept_len = 0;
		n = CF_OPUS_FRAME;
	} else {
		memcpy(r->kept, frame->payload.p, frame->payload.len);
		r->kept_len = (uint16_t)frame->payload.len;
	}
	r->was_dtx = frame->payload.len <= 2;
	if (n != CF_OPUS_FRAME)
		cf_jitter_played(r->jitter, (uint32_t)n);
	r->fifo_len += (size_t)n;
}

void cf_media_receiver_skip(struct cf_media_receiver *receiver, uint64_t now_us)
{
	struct cf_media_receiver *r = receiver;
	struct cf_jitter_frame frame;

	begin_frame(r, now_us);
	r->stats.skipped++;
	if (!r->skipping)
		r->kept_len = 0;
	r->skipping = true;
	while (r->fifo_len < CF_OPUS_FRAME) {
		if (cf_jitter_get(r->jitter, now_us, &frame) != CF_JITTER_PACKET) {
			r->kept_len = 0;
			r->fifo_len += CF_OPUS_FRAME;
			continue;
		}
		pass(r, &frame);
		/* Nobody hears it: the delay may change at once. */
		if (frame.stretch == CF_JITTER_ACCELERATE)
			r->fifo_len -= r->fifo_len < CF_OPUS_FRAME ? r->fifo_len : CF_OPUS_FRAME;
		else if (frame.stretch == CF_JITTER_EXPAND)
			r->fifo_len += CF_OPUS_FRAME;
	}
	r->fifo_len -= CF_OPUS_FRAME;
	if (r->fifo_len > FIFO_MAX)
		r->fifo_len = FIFO_MAX;
}

/* Behind passed frames: the decoder gets to know the last packet, whose end may still be to play.
 */
static void resume(struct cf_media_receiver *r)
{
	int n = 0;

	cf_opus_decoder_reset(r->decoder);
	r->skipping = r->decoded_any = false;
	memset(r->fifo, 0, sizeof(r->fifo));
	if (r->kept_len)
		n = cf_opus_decode(r->decoder, (struct cf_view){r->kept, r->kept_len}, r->scratch,
			CF_OPUS_MAX_FRAME);
	if (n <= 0)
		return;
	r->decoded_any = true;
	r->stats.decoded++;
	if (r->fifo_len > (size_t)n)
		r->fifo_len = (size_t)n;
	memcpy(r->fifo, r->scratch + (size_t)n - r->fifo_len, r->fifo_len * sizeof(*r->fifo));
}

bool cf_media_receiver_pull(
	struct cf_media_receiver *receiver, int16_t pcm[static CF_OPUS_FRAME], uint64_t now_us)
{
	struct cf_media_receiver *r = receiver;
	uint64_t silent = r->stats.silent;

	begin_frame(r, now_us);
	if (r->skipping)
		resume(r);
	/* Packets may be as short as 2.5 ms; each turn adds at least that. */
	while (r->fifo_len < CF_OPUS_FRAME)
		fetch(r, now_us);
	memcpy(pcm, r->fifo, CF_OPUS_FRAME * sizeof(*pcm));
	end_frame(r);
	return r->stats.silent == silent;
}

int cf_media_receiver_dtmf(struct cf_media_receiver *receiver, struct cf_dtmf_event_info *ret_info)
{
	struct event *event = &receiver->events[receiver->first_event];

	if (!receiver->n_events)
		return CF_DTMF_NOTHING;
	receiver->first_event = (receiver->first_event + 1) % CF_MEDIA_MAX_EVENTS;
	receiver->n_events--;
	*ret_info = event->info;
	return (int)event->what;
}

void cf_media_receiver_sr(struct cf_media_receiver *receiver, uint32_t ssrc,
	const struct cf_rtcp_sender_info *info, uint64_t now_us)
{
	if (receiver->source.started && receiver->source.ssrc == ssrc)
		cf_rtp_source_sr(&receiver->source, info, now_us);
}

bool cf_media_receiver_block(
	struct cf_media_receiver *receiver, uint64_t now_us, struct cf_rtcp_block *ret_block)
{
	if (!receiver->source.started)
		return false;
	cf_rtp_source_block(&receiver->source, now_us, ret_block);
	return true;
}

const struct cf_rtp_source *cf_media_receiver_source(const struct cf_media_receiver *receiver)
{
	return &receiver->source;
}

void cf_media_receiver_stats(const struct cf_media_receiver *receiver, uint64_t now_us,
	struct cf_media_receiver_stats *ret_stats)
{
	*ret_stats = receiver->stats;
	cf_jitter_stats(receiver->jitter, now_us, &ret_stats->jitter);
}
