/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets which encoder's packets. All who listen share one. A talker gets a copy of the shared
 * encoder, state and all, so that its decoder notices nothing, and lingers there for a while after
 * it has stopped: then both encoders have had the same input for long enough that one can take over
 * from the other.
 */
#include "mix/mix_priv.h"

#include "base/mem.h"
#include "media/level.h"

#include <string.h>

#define LINGER_TICKS 25     /* half a second */
#define LINGER_MAX_TICKS 50 /* by then even in the midst of a word */
#define REST_TICKS 20       /* comfort noise is looked at so often while nobody talks */

static int stream_init(struct cf_mix_stream *stream, const struct cf_opus_opts *opts)
{
	stream->limiter.factor = 1;
	stream->level = CF_LEVEL_SILENCE;
	return cf_opus_encoder_new(&stream->encoder, opts);
}

void cf_mix_stream_free(struct cf_mix_stream *stream)
{
	if (stream)
		cf_opus_encoder_free(stream->encoder);
	cf_free(stream);
}

/* As many as can be mixed at a time, those who fade out included. */
int cf_mix_streams_grow(struct cf_mix *mix, unsigned members)
{
	struct cf_mix_stream *stream;
	int err;

	if (!mix->shared.encoder) {
		err = stream_init(&mix->shared, &mix->opts.opus);
		if (err)
			return err;
	}
	if (mix->n_streams >= members || mix->n_streams >= 2 * mix->opts.talkers_max)
		return 0;
	stream = cf_alloc(sizeof(*stream));
	if (!stream)
		return CF_ENOMEM;
	err = stream_init(stream, &mix->opts.opus);
	if (err) {
		cf_mix_stream_free(stream);
		return err;
	}
	mix->streams[mix->n_streams++] = stream;
	return 0;
}

static void go_on_as(struct cf_mix_stream *stream, const struct cf_mix_stream *from)
{
	cf_opus_encoder_copy(stream->encoder, from->encoder);
	stream->limiter = from->limiter;
	stream->idle = from->idle;
	stream->resting = from->resting;
	stream->level = from->level;
}

void cf_mix_stream_release(struct cf_mix *mix, struct cf_mix_stream *stream)
{
	stream->member->own = NULL;
	stream->member = NULL;
	mix->stats.streams--;
}

static void back_to_shared(struct cf_mix *mix, struct cf_mix_stream *stream)
{
	if (!mix->n_shared)
		go_on_as(&mix->shared, stream);
	cf_mix_stream_release(mix, stream);
	mix->n_shared++;
}

/* A free one, or that of who lingers longest. */
static struct cf_mix_stream *find_stream(struct cf_mix *mix)
{
	struct cf_mix_stream *best = NULL;

	for (unsigned i = 0; i < mix->n_streams; i++) {
		struct cf_mix_stream *s = mix->streams[i];

		if (!s->member)
			return s;
		if (s->linger && (!best || s->linger > best->linger))
			best = s;
	}
	if (best)
		back_to_shared(mix, best);
	return best;
}

static void take(struct cf_mix *mix, struct cf_mix_member *m)
{
	struct cf_mix_stream *s = find_stream(mix);

	/* There are as many as voices. */
	if (!s)
		return;
	go_on_as(s, &mix->shared);
	s->member = m;
	s->linger = 0;
	m->own = s;
	mix->stats.streams++;
}

static void linger(struct cf_mix *mix, struct cf_mix_stream *s)
{
	bool quiet;

	if (!s->member)
		return;
	s->linger = s->member->voice ? 0 : s->linger + 1;
	quiet = !mix->n_shared || (s->resting && mix->shared.resting) ||
		(s->level >= CF_LEVEL_QUIET && mix->shared.level >= CF_LEVEL_QUIET);
	if (!s->member->listening)
		cf_mix_stream_release(mix, s);
	else if (s->linger >= LINGER_MAX_TICKS || (s->linger >= LINGER_TICKS && quiet))
		back_to_shared(mix, s);
}

void cf_mix_streams_assign(struct cf_mix *mix)
{
	mix->n_shared = 0;
	CF_LIST_FOR(it, &mix->members)
	{
		struct cf_mix_member *m = CF_CONTAINER_OF(it, struct cf_mix_member, node);

		mix->n_shared += m->listening && !m->own;
	}
	for (unsigned i = 0; i < mix->n_streams; i++)
		linger(mix, mix->streams[i]);
	CF_LIST_FOR(it, &mix->members)
	{
		struct cf_mix_member *m = CF_CONTAINER_OF(it, struct cf_mix_member, node);

		if (m->voice && m->listening && !m->own) {
			take(mix, m);
			mix->n_shared -= m->own != NULL;
		}
	}
}

static void encode(struct cf_mix *mix, struct cf_mix_stream *s, const struct cf_mix_voice *without)
{
	float sum[CF_OPUS_FRAME];
	int n;

	s->len = 0;
	s->idle = mix->n_voices > (without != NULL) || mix->have_tail ? 0 : s->idle + 1;
	/* Nothing but comfort noise, and the encoder has said so: let it be. */
	if (s->resting && s->idle % REST_TICKS)
		return;
	for (size_t i = 0; i < CF_OPUS_FRAME; i++)
		sum[i] = mix->sum[i] - (without ? without->pcm[i] : 0);
	cf_mix_limit(&s->limiter, sum, mix->pcm);
	s->level = cf_level_dbov(mix->pcm, CF_OPUS_FRAME);
	/* The encoder takes a steady tone for background; we know when there is nothing to hear. */
	cf_opus_encoder_set_dtx(s->encoder, mix->opts.opus.dtx && s->idle);
	n = cf_opus_encode(s->encoder, mix->pcm, s->payload, sizeof(s->payload));
	s->len = n > 0 ? (size_t)n : 0;
	s->resting = n == 0 && s->idle;
	mix->stats.encodes++;
	mix->stats.tick_encodes++;
}

void cf_mix_streams_encode(struct cf_mix *mix)
{
	if (mix->n_shared)
		encode(mix, &mix->shared, NULL);
	for (unsigned i = 0; i < mix->n_streams; i++)
		if (mix->streams[i]->member)
			encode(mix, mix->streams[i], mix->streams[i]->member->voice);
}
