/* SPDX-License-Identifier: Apache-2.0 */
#include "mix/mix.h"

#include "base/mem.h"
#include "base/wire.h"
#include "media/level.h"
#include "mix/mix_priv.h"

#include <string.h>

#define VOICE_LEVEL 50 /* as media/sender.c: louder than -50 dBov is marked as voice */
#define LOSS_TICKS 50  /* encoders follow the listeners' losses once a second */
#define LOSS_MAX_PERCENT 25
#define REPORT_OLD_US 10000000

void cf_mix_opts_defaults(struct cf_mix_opts *opts)
{
	*opts = (struct cf_mix_opts){.talkers_max = 8, .members_max = 350};
	cf_opus_opts_defaults(&opts->opus);
	opts->opus.dtx = true;
}

void cf_mix_member_opts_defaults(struct cf_mix_member_opts *opts)
{
	*opts = (struct cf_mix_member_opts){.recv_opus_pt = 111, .opus_pt = 111};
	cf_jitter_opts_defaults(&opts->jitter);
}

int cf_mix_new(struct cf_mix **ret_mix, const struct cf_mix_opts *opts)
{
	struct cf_mix_opts defaults;
	struct cf_mix *mix;

	cf_mix_opts_defaults(&defaults);
	if (!opts)
		opts = &defaults;
	if (opts->talkers_max < 1 || opts->talkers_max > CF_MIX_MAX_TALKERS ||
		opts->members_max < 1 || opts->members_max > CF_MIX_MAX_MEMBERS)
		return CF_EINVAL;
	mix = cf_alloc(sizeof(*mix));
	if (!mix)
		return CF_ENOMEM;
	mix->opts = *opts;
	mix->rng = 1;
	cf_list_init(&mix->members);
	mix->voices = cf_calloc(2 * (size_t)opts->talkers_max, sizeof(*mix->voices));
	if (!mix->voices) {
		cf_mix_free(mix);
		return CF_ENOMEM;
	}
	*ret_mix = mix;
	return 0;
}

static void member_free(struct cf_mix_member *m)
{
	cf_list_remove(&m->node);
	cf_media_receiver_free(m->receiver);
	cf_free(m);
}

struct cf_mix *cf_mix_free(struct cf_mix *mix)
{
	if (!mix)
		return NULL;
	CF_LIST_FOR_SAFE(it, &mix->members)
	member_free(CF_CONTAINER_OF(it, struct cf_mix_member, node));
	for (unsigned i = 0; i < mix->n_streams; i++)
		cf_mix_stream_free(mix->streams[i]);
	cf_opus_encoder_free(mix->shared.encoder);
	cf_free(mix->voices);
	return cf_free(mix);
}

static int new_receiver(struct cf_mix_member *m)
{
	struct cf_media_receiver_opts opts = {.opus_pt = m->opts.recv_opus_pt,
		.dtmf_pt = m->opts.recv_dtmf_pt,
		.level_ext_id = m->opts.recv_level_ext_id,
		.jitter = m->opts.jitter};

	return cf_media_receiver_new(&m->receiver, &opts);
}

static void member_init(struct cf_mix_member *m, struct cf_mix *mix,
	const struct cf_mix_member_opts *opts, void *owner)
{
	m->mix = mix;
	m->owner = owner;
	m->opts = *opts;
	if (opts->mid)
		memcpy(m->mid, opts->mid, strlen(opts->mid));
	m->opts.mid = m->mid;
	m->listening = true;
	m->ts = opts->ts_seed;
	cf_mix_activity_init(&m->activity);
	cf_mix_gain_init(&m->gain);
	cf_rtp_sender_init(&m->rtp, opts->ssrc, CF_OPUS_RATE, opts->seq_seed);
}

int cf_mix_add(struct cf_mix *mix, const struct cf_mix_member_opts *opts, void *owner,
	struct cf_mix_member **ret_member)
{
	struct cf_mix_member *m;
	int err;

	if (opts->opus_pt > 127 || opts->recv_opus_pt > 127 || opts->recv_dtmf_pt > 127 ||
		(opts->mid && strlen(opts->mid) > CF_MIX_MAX_MID))
		return CF_EINVAL;
	if (mix->stats.members >= mix->opts.members_max)
		return CF_ELIMIT;
	err = cf_mix_streams_grow(mix, mix->stats.members + 1);
	if (err)
		return err;
	m = cf_alloc(sizeof(*m));
	if (!m)
		return CF_ENOMEM;
	member_init(m, mix, opts, owner);
	err = new_receiver(m);
	if (err) {
		member_free(m);
		return err;
	}
	cf_list_push(&mix->members, &m->node);
	mix->stats.members++;
	*ret_member = m;
	return 0;
}

bool cf_mix_pull(struct cf_mix_member *member, int16_t pcm[static CF_OPUS_FRAME])
{
	member->mix->stats.decodes++;
	member->mix->stats.tick_decodes++;
	return cf_media_receiver_pull(member->receiver, pcm, member->mix->now_us);
}

/* The frame of this tick into ret, fading in or out where the member was or will be silent. */
static void hear(struct cf_mix_member *m, bool go_on, float ret[static CF_OPUS_FRAME])
{
	int16_t pcm[CF_OPUS_FRAME];
	const int16_t *frame = pcm;
	float level_db;

	if (m->have_frame)
		frame = m->probe->pcm;
	else
		cf_mix_pull(m, pcm);
	level_db = -(float)cf_level_dbov(frame, CF_OPUS_FRAME);
	if (m->tells_level)
		cf_mix_activity_compare(&m->activity, level_db);
	else if (!m->have_frame)
		cf_mix_activity_note(&m->activity, level_db);
	cf_mix_gain_apply(&m->gain, frame, m->activity.floor_db, m->heard, go_on, ret);
	m->heard = go_on;
}

struct cf_mix_member *cf_mix_remove(struct cf_mix_member *member)
{
	float last[CF_OPUS_FRAME];
	struct cf_mix *mix;

	if (!member)
		return NULL;
	mix = member->mix;
	if (member->heard) {
		mix->now_us += CF_MIX_TICK_US;
		member->have_frame = false;
		hear(member, false, last);
		mix->now_us -= CF_MIX_TICK_US;
		mix->have_tail = true;
		for (size_t i = 0; i < CF_OPUS_FRAME; i++)
			mix->tail[i] += last[i];
	}
	cf_mix_probe_stop(member);
	cf_mix_order_remove(member);
	if (member->own)
		cf_mix_stream_release(mix, member->own);
	mix->stats.members--;
	member_free(member);
	return NULL;
}

int cf_mix_put(struct cf_mix_member *member, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	uint8_t level;
	bool voice;
	int err = cf_media_receiver_put(member->receiver, packet, now_us);

	if (err || packet->payload_type != member->opts.recv_opus_pt)
		return err;
	member->quiet_ticks = 0;
	member->tells_level =
		cf_rtp_packet_level(packet, member->opts.recv_level_ext_id, &level, &voice) &&
		!cf_mix_activity_distrusted(&member->activity);
	if (member->tells_level)
		cf_mix_activity_note(&member->activity, -(float)level);
	return 0;
}

static void add_voice(struct cf_mix *mix, struct cf_mix_member *m)
{
	struct cf_mix_voice *v = &mix->voices[mix->n_voices++];

	hear(m, m->talker, v->pcm);
	m->voice = v;
	for (size_t i = 0; i < CF_OPUS_FRAME; i++)
		mix->sum[i] += v->pcm[i];
}

/* Decodes those who are heard, and adds them up. */
static void add_up(struct cf_mix *mix)
{
	mix->n_voices = 0;
	memcpy(mix->sum, mix->tail, sizeof(mix->sum));
	cf_mix_noise(&mix->rng, mix->sum);
	CF_LIST_FOR(it, &mix->members)
	{
		struct cf_mix_member *m = CF_CONTAINER_OF(it, struct cf_mix_member, node);

		m->voice = NULL;
		if (m->talker || m->heard)
			add_voice(mix, m);
		else if (!m->have_frame)
			cf_media_receiver_skip(m->receiver, mix->now_us);
		m->have_frame = false;
	}
}

/* Those who talk and are mixed. */
static void name_sources(struct cf_mix *mix)
{
	mix->n_sources = 0;
	for (unsigned i = 0; i < mix->n_speakers && mix->n_sources < CF_MIX_MAX_SOURCES; i++)
		if (mix->speakers[i]->voice && mix->speakers[i]->opts.source)
			mix->sources[mix->n_sources++] = mix->speakers[i];
}

/* Their names, but the member's own; 4 bytes each. Their length. */
static size_t write_sources(const struct cf_mix_member *m, uint8_t p[static 4 * CF_MIX_MAX_SOURCES])
{
	struct cf_wire_writer w;

	cf_wire_writer_init(&w, p, 4 * (size_t)CF_MIX_MAX_SOURCES);
	for (unsigned i = 0; i < m->mix->n_sources; i++)
		if (m->mix->sources[i] != m)
			cf_wire_write_u32(&w, m->mix->sources[i]->opts.source);
	return w.len;
}

static int write_packet(struct cf_mix_member *m, const struct cf_mix_stream *s, uint64_t now_us,
	uint8_t p[static CF_MIX_MAX_PACKET])
{
	uint8_t sources[4 * CF_MIX_MAX_SOURCES];
	uint8_t level = (uint8_t)((s->level < VOICE_LEVEL ? 0x80 : 0) | s->level);
	struct cf_rtp_ext_item items[2] = {{m->opts.level_ext_id, {&level, 1}},
		{m->mid[0] ? m->opts.mid_ext_id : 0, cf_view_str(m->mid)}};
	/* RFC 7587 section 4.2: the marker begins a talk spurt. */
	struct cf_rtp_packet packet = {.marker = !m->sent,
		.payload_type = m->opts.opus_pt,
		.ts = m->ts,
		.csrcs = {sources, write_sources(m, sources)},
		.payload = {s->payload, s->len}};

	return cf_rtp_sender_write(&m->rtp, &packet, items, 2, m->ts, now_us, p, CF_MIX_MAX_PACKET);
}

static void send_to(struct cf_mix_member *m, cf_mix_emit_fn *emit, void *arg)
{
	const struct cf_mix_stream *s = m->own ? m->own : &m->mix->shared;
	uint8_t p[CF_MIX_MAX_PACKET];
	int n = 0;

	/* A voice does not go back to whom it comes from. */
	if (m->listening && s->len && (m->own || !m->voice))
		n = write_packet(m, s, m->mix->now_us, p);
	m->sent = n > 0;
	m->ts += CF_OPUS_FRAME;
	if (n <= 0)
		return;
	m->mix->stats.packets++;
	m->mix->stats.tick_packets++;
	emit(m->owner, p, (size_t)n, arg);
}

/* FEC for who loses most, within reason: one encoder serves many. */
static void follow_losses(struct cf_mix *mix)
{
	unsigned percent = 0, its;

	CF_LIST_FOR(it, &mix->members)
	{
		struct cf_mix_member *m = CF_CONTAINER_OF(it, struct cf_mix_member, node);

		its = m->rtp.peer_fraction * 100u / 256;
		if (m->rtp.report_us && mix->now_us - m->rtp.report_us < REPORT_OLD_US &&
			its > percent)
			percent = its;
	}
	if (percent > LOSS_MAX_PERCENT)
		percent = LOSS_MAX_PERCENT;
	cf_opus_encoder_set_loss(mix->shared.encoder, percent);
	for (unsigned i = 0; i < mix->n_streams; i++)
		cf_opus_encoder_set_loss(mix->streams[i]->encoder, percent);
}

void cf_mix_run(struct cf_mix *mix, uint64_t now_us, cf_mix_emit_fn *emit, void *arg)
{
	mix->now_us = now_us;
	mix->stats.ticks++;
	mix->stats.tick_decodes = mix->stats.tick_encodes = mix->stats.tick_packets = 0;
	if (!mix->stats.members)
		return;
	cf_mix_probe_run(mix);
	cf_mix_choose(mix);
	cf_mix_order(mix);
	add_up(mix);
	name_sources(mix);
	if (mix->stats.ticks % LOSS_TICKS == 0)
		follow_losses(mix);
	cf_mix_streams_assign(mix);
	cf_mix_streams_encode(mix);
	mix->have_tail = false;
	memset(mix->tail, 0, sizeof(mix->tail));
	CF_LIST_FOR(it, &mix->members)
	send_to(CF_CONTAINER_OF(it, struct cf_mix_member, node), emit, arg);
}

void cf_mix_set_muted(struct cf_mix_member *member, bool muted)
{
	member->muted = muted;
}

void cf_mix_set_listening(struct cf_mix_member *member, bool listening)
{
	member->listening = listening;
}

size_t cf_mix_speaking(const struct cf_mix *mix, void **ret_owners, size_t max)
{
	size_t n = mix->n_speakers < max ? mix->n_speakers : max;

	for (size_t i = 0; i < n; i++)
		ret_owners[i] = mix->speakers[i]->owner;
	return n;
}

int cf_mix_dtmf(struct cf_mix_member *member, struct cf_dtmf_event_info *ret_info)
{
	return cf_media_receiver_dtmf(member->receiver, ret_info);
}

void cf_mix_sr(struct cf_mix_member *member, uint32_t ssrc, const struct cf_rtcp_sender_info *info,
	uint64_t now_us)
{
	cf_media_receiver_sr(member->receiver, ssrc, info, now_us);
}

bool cf_mix_block(struct cf_mix_member *member, uint64_t now_us, struct cf_rtcp_block *ret_block)
{
	return cf_media_receiver_block(member->receiver, now_us, ret_block);
}

bool cf_mix_report(struct cf_mix_member *member, const struct cf_rtcp_block *block, uint64_t now_us)
{
	return cf_rtp_sender_report(&member->rtp, block, now_us);
}

const struct cf_rtp_sender *cf_mix_member_rtp(const struct cf_mix_member *member)
{
	return &member->rtp;
}

void cf_mix_member_stats(
	const struct cf_mix_member *member, uint64_t now_us, struct cf_mix_member_stats *ret_stats)
{
	*ret_stats = (struct cf_mix_member_stats){
		.level = (uint8_t)-member->activity.level_db,
		.gain_db = member->gain.gain_db,
		.talker = member->talker,
		.speaking = member->activity.hold > 0,
		.muted = member->muted,
		.listening = member->listening,
		.own_stream = member->own != NULL,
		.rtt_us = member->rtp.rtt_us,
		.peer_fraction_lost = member->rtp.peer_fraction,
	};
	cf_media_receiver_stats(member->receiver, now_us, &ret_stats->receive);
}

void cf_mix_stats(const struct cf_mix *mix, struct cf_mix_stats *ret_stats)
{
	*ret_stats = mix->stats;
}
