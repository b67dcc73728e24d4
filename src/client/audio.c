/* SPDX-License-Identifier: Apache-2.0 */
#include "client/audio.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "client/why.h"
#include "media/receiver.h"
#include "media/sender.h"
#include "media/sound.h"
#include "media/wav.h"
#include "rtp/packet.h"
#include "rtp/rtcp.h"

#include <stdio.h>
#include <string.h>

#define FRAME_US (20 * CF_US_PER_MS)
/* A loop that was held up makes up for so many frames; of a longer pause the rest is left out. */
#define CATCH_UP_FRAMES 10
#define PACKET_CAP 1500
#define FIRST_REPORT_US (300 * CF_US_PER_MS)
#define REPORT_US (CF_RTP_REPORT_MS * CF_US_PER_MS)
#define DTMF_MS 160
#define CNAME_MAX 64

struct cf_audio {
	struct cf_loop *loop;
	struct cf_timer timer;
	struct cf_audio_callbacks callbacks;
	void *arg;
	callflow_audio_read_fn *read;
	callflow_audio_write_fn *write;
	void *user_arg;
	struct cf_wav_reader *reader;
	struct cf_wav_writer *writer;
	struct cf_sound *sound;
	struct cf_media_sender *sender;
	struct cf_media_receiver *receiver;
	struct cf_media_receiver *last_words; /* of the connection before, or NULL */
	uint64_t first_played_us;             /* 0: nothing of the peer was played yet */
	char cname[CNAME_MAX];
	uint64_t next_frame_us;
	uint64_t next_report_us;
	uint64_t bytes_sent, bytes_received;
	uint32_t digit_ts; /* of the key told last */
	bool digit_known;
	bool muted;
	bool send, recv;
	bool input_over;
	bool ticking;
	bool freed; /* by a callback of a tick: goes when the tick ends */
};

/* Opening */

static int open_files(struct cf_audio *audio, const struct callflow_audio_options *options)
{
	int err;

	if (options->in_file && !options->read) {
		err = cf_wav_reader_open(&audio->reader, options->in_file);
		if (err) {
			cf_client_why_set("%s: %s", options->in_file,
				err == CF_EBADMSG ? "no sound file that is understood"
						  : cf_err_text(err));
			return err;
		}
	}
	if (options->out_file && !options->write) {
		err = cf_wav_writer_open(&audio->writer, options->out_file);
		if (err) {
			cf_client_why_set("%s: %s", options->out_file, cf_err_text(err));
			return err;
		}
	}
	return 0;
}

static int open_sound(struct cf_audio *audio, const struct callflow_audio_options *options)
{
	struct cf_sound_opts sound = {
		.capture = options->read || options->in_file ? NULL : options->device,
		.playback = options->write || options->out_file ? NULL : options->device};
	int err;

	if (!options->device || (!sound.capture && !sound.playback))
		return 0;
	err = cf_sound_open(&audio->sound, &sound);
	if (err)
		cf_client_why_set("%s", cf_sound_why());
	return err;
}

int cf_audio_new(struct cf_audio **ret_audio, const struct callflow_audio_options *options)
{
	struct cf_audio *audio = cf_alloc(sizeof(*audio));
	int err;

	if (!audio)
		return CF_ENOMEM;
	audio->read = options->read;
	audio->write = options->write;
	audio->user_arg = options->arg;
	err = open_files(audio, options);
	if (!err)
		err = open_sound(audio, options);
	if (err)
		cf_audio_free(audio);
	else
		*ret_audio = audio;
	return err;
}

struct cf_audio *cf_audio_free(struct cf_audio *audio)
{
	if (!audio)
		return NULL;
	cf_timer_stop(&audio->timer);
	(void)!cf_wav_writer_close(audio->writer);
	audio->writer = NULL;
	if (audio->ticking) {
		audio->freed = true;
		return NULL;
	}
	cf_media_sender_free(audio->sender);
	cf_media_receiver_free(audio->receiver);
	cf_media_receiver_free(audio->last_words);
	cf_wav_reader_free(audio->reader);
	cf_sound_free(audio->sound);
	return cf_free(audio);
}

/* Sending */

/* Where there is no more of it: silence, told once. */
static void end_input(struct cf_audio *audio)
{
	if (audio->input_over)
		return;
	audio->input_over = true;
	audio->callbacks.input_ended(audio->arg);
}

/* The next frame to be sent; false: silence. */
static bool read_frame(struct cf_audio *audio, int16_t pcm[static CF_OPUS_FRAME])
{
	int n = 0;

	if (audio->input_over)
		return false;
	if (audio->read)
		n = audio->read(pcm, CF_OPUS_FRAME, audio->user_arg);
	else if (audio->reader)
		n = cf_wav_reader_frame(audio->reader, pcm) > 0 ? CF_OPUS_FRAME : -1;
	else if (audio->sound)
		return cf_sound_capture(audio->sound, pcm);
	if (n < 0 && !audio->freed)
		end_input(audio);
	if (n <= 0)
		return false;
	if (n < CF_OPUS_FRAME)
		memset(pcm + n, 0, (size_t)(CF_OPUS_FRAME - n) * sizeof(*pcm));
	return true;
}

static void send_frame(struct cf_audio *audio, uint64_t now_us)
{
	uint8_t packet[PACKET_CAP];
	int16_t pcm[CF_OPUS_FRAME];
	bool sound;
	int n;

	if (!audio->send) {
		cf_media_sender_skip(audio->sender);
		return;
	}
	/* A muted file or microphone goes on unheard, as a person's would. */
	sound = read_frame(audio, pcm);
	if (audio->freed)
		return;
	n = cf_media_sender_push(audio->sender, sound && !audio->muted ? pcm : NULL, now_us, packet,
		PACKET_CAP - 64);
	if (n <= 0)
		return;
	audio->bytes_sent += (uint64_t)n;
	audio->callbacks.rtp(packet, (size_t)n, sizeof(packet), audio->arg);
}

static void send_report(struct cf_audio *audio, uint64_t now_us)
{
	struct cf_rtcp_block block;
	struct cf_wire_writer w;
	uint8_t packet[PACKET_CAP];
	bool received = cf_media_receiver_block(audio->receiver, now_us, &block);

	cf_wire_writer_init(&w, packet, PACKET_CAP - 64);
	cf_rtp_sender_write_report(cf_media_sender_rtp(audio->sender), received ? &block : NULL,
		audio->cname, now_us, &w);
	if (!w.err)
		audio->callbacks.rtcp(packet, w.len, sizeof(packet), audio->arg);
}

/* Hearing */

/* Each key once: at its start, or at its end when all packets of the start were lost. */
static void tell_digits(struct cf_audio *audio)
{
	struct cf_dtmf_event_info info;

	while (!audio->freed && cf_media_receiver_dtmf(audio->receiver, &info) != CF_DTMF_NOTHING) {
		if (audio->digit_known && audio->digit_ts == info.ts)
			continue;
		audio->digit_known = true;
		audio->digit_ts = info.ts;
		audio->callbacks.digit(cf_dtmf_key(info.event), audio->arg);
	}
}

/* The first frame that came from the peer, not made up, has just been taken. */
static void note_first(struct cf_audio *audio)
{
	struct cf_media_receiver_stats stats;

	if (audio->first_played_us)
		return;
	cf_media_receiver_stats(audio->receiver, cf_loop_now_us(audio->loop), &stats);
	if (stats.decoded)
		audio->first_played_us = cf_loop_now_us(audio->loop);
}

/* Of the connection before, until something was decoded of the present one. */
static void pull_frame(struct cf_audio *audio, int16_t pcm[static CF_OPUS_FRAME], uint64_t now_us)
{
	struct cf_media_receiver_stats stats;

	cf_media_receiver_pull(audio->receiver, pcm, now_us);
	if (!audio->last_words)
		return;
	cf_media_receiver_stats(audio->receiver, now_us, &stats);
	if (stats.decoded)
		audio->last_words = cf_media_receiver_free(audio->last_words);
	else
		cf_media_receiver_pull(audio->last_words, pcm, now_us);
}

static void play_frame(struct cf_audio *audio, uint64_t now_us)
{
	int16_t pcm[CF_OPUS_FRAME];

	pull_frame(audio, pcm, now_us);
	note_first(audio);
	if (!audio->recv)
		memset(pcm, 0, sizeof(pcm));
	if (audio->write)
		audio->write(pcm, CF_OPUS_FRAME, audio->user_arg);
	if (audio->writer && cf_wav_writer_write(audio->writer, pcm, CF_OPUS_FRAME) < 0)
		audio->writer = (cf_wav_writer_close(audio->writer), NULL);
	if (audio->sound)
		cf_sound_play(audio->sound, pcm);
}

/* The clock of it */

static void tick(struct cf_audio *audio, uint64_t now_us)
{
	if (now_us > audio->next_frame_us + CATCH_UP_FRAMES * FRAME_US)
		audio->next_frame_us = now_us;
	for (; !audio->freed && audio->next_frame_us <= now_us; audio->next_frame_us += FRAME_US) {
		send_frame(audio, audio->next_frame_us);
		if (!audio->freed)
			play_frame(audio, audio->next_frame_us);
	}
	tell_digits(audio);
	if (!audio->freed && now_us >= audio->next_report_us) {
		audio->next_report_us = now_us + REPORT_US;
		send_report(audio, now_us);
	}
}

static void on_tick(struct cf_timer *timer, void *arg)
{
	struct cf_audio *audio = arg;

	(void)timer;
	/* The application may end the call from inside a callback. */
	audio->ticking = true;
	tick(audio, cf_loop_now_us(audio->loop));
	audio->ticking = false;
	if (audio->freed) {
		cf_audio_free(audio);
		return;
	}
	(void)!cf_timer_set(&audio->timer, audio->loop, audio->next_frame_us, on_tick, audio);
}

static int make_sender(
	struct cf_media_sender **ret_sender, const struct cf_sdp_agreed *agreed, uint32_t ssrc)
{
	struct cf_media_sender_opts opts;
	char mid[CF_MEDIA_MAX_MID + 1] = "";

	cf_media_sender_opts_defaults(&opts);
	opts.ssrc = ssrc;
	opts.seq_seed = (uint16_t)cf_rand_u32();
	opts.ts_seed = cf_rand_u32();
	opts.opus_pt = agreed->opus_send_pt;
	opts.dtmf_pt = agreed->dtmf_send_pt > 0 && agreed->dtmf_send_rate == CF_OPUS_RATE
			       ? (uint8_t)agreed->dtmf_send_pt
			       : 0;
	opts.level_ext_id = agreed->send_ext_level;
	if (agreed->remote->mid.len <= CF_MEDIA_MAX_MID) {
		snprintf(mid, sizeof(mid), "%.*s", (int)agreed->remote->mid.len,
			(const char *)agreed->remote->mid.p);
		opts.mid_ext_id = agreed->send_ext_mid;
		opts.mid = mid;
	}
	opts.opus.fec = agreed->opus_fec;
	opts.opus.dtx = agreed->opus_dtx;
	if (agreed->opus_max_bitrate_bps && agreed->opus_max_bitrate_bps < 32000)
		opts.opus.bitrate_bps = (int)agreed->opus_max_bitrate_bps;
	return cf_media_sender_new(ret_sender, &opts);
}

static int make_receiver(
	struct cf_media_receiver **ret_receiver, const struct cf_sdp_agreed *agreed)
{
	struct cf_media_receiver_opts opts;

	cf_media_receiver_opts_defaults(&opts);
	opts.opus_pt = agreed->opus_recv_pt;
	opts.dtmf_pt = agreed->dtmf_recv_pt[0] > 0 ? (uint8_t)agreed->dtmf_recv_pt[0] : 0;
	opts.level_ext_id = agreed->recv_ext_level;
	return cf_media_receiver_new(ret_receiver, &opts);
}

int cf_audio_start(struct cf_audio *audio, struct cf_loop *loop, const struct cf_sdp_agreed *agreed,
	uint32_t ssrc, const char *cname, const struct cf_audio_callbacks *callbacks, void *arg)
{
	int err = make_sender(&audio->sender, agreed, ssrc);

	if (!err)
		err = make_receiver(&audio->receiver, agreed);
	if (err)
		return err;
	audio->loop = loop;
	audio->callbacks = *callbacks;
	audio->arg = arg;
	audio->send = agreed->send;
	audio->recv = agreed->recv;
	snprintf(audio->cname, sizeof(audio->cname), "%s", cname);
	audio->next_frame_us = cf_loop_now_us(loop);
	audio->next_report_us = audio->next_frame_us + FIRST_REPORT_US;
	return cf_timer_set(&audio->timer, loop, audio->next_frame_us, on_tick, audio);
}

int cf_audio_move(struct cf_audio *audio, const struct cf_sdp_agreed *agreed, uint32_t ssrc)
{
	struct cf_media_receiver *receiver;
	struct cf_media_sender *sender;
	int err = make_sender(&sender, agreed, ssrc);

	if (err)
		return err;
	err = make_receiver(&receiver, agreed);
	if (err) {
		cf_media_sender_free(sender);
		return err;
	}
	cf_media_sender_free(audio->sender);
	cf_media_receiver_free(audio->last_words);
	audio->sender = sender;
	audio->last_words = audio->receiver;
	audio->receiver = receiver;
	cf_audio_set_direction(audio, agreed->send, agreed->recv);
	return 0;
}

/* Controls */

void cf_audio_set_direction(struct cf_audio *audio, bool send, bool recv)
{
	audio->send = send;
	audio->recv = recv;
}

void cf_audio_mute(struct cf_audio *audio, bool on)
{
	audio->muted = on;
}

int cf_audio_dtmf(struct cf_audio *audio, const char *keys)
{
	return audio->sender ? cf_media_sender_dtmf(audio->sender, keys, DTMF_MS) : CF_ESTATE;
}

/* Packets of the peer */

void cf_audio_rtp(struct cf_audio *audio, const uint8_t *packet, size_t n, uint64_t now_us)
{
	struct cf_rtp_packet rtp;

	if (!audio->receiver || cf_rtp_packet_parse(&rtp, packet, n) < 0)
		return;
	audio->bytes_received += n;
	cf_media_receiver_put(audio->receiver, &rtp, now_us);
}

void cf_audio_rtcp(struct cf_audio *audio, const uint8_t *packet, size_t n, uint64_t now_us)
{
	struct cf_rtcp_block block;
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;

	if (!audio->receiver || cf_rtcp_check(packet, n) < 0)
		return;
	cf_rtcp_iter_init(&it, packet, n);
	while (cf_rtcp_iter_next(&it, &item) > 0) {
		if (item.kind == CF_RTCP_SR)
			cf_media_receiver_sr(audio->receiver, item.ssrc, &item.info, now_us);
		for (size_t i = 0; cf_rtcp_item_block(&item, i, &block); i++)
			cf_media_sender_report(audio->sender, &block, now_us);
	}
}

void cf_audio_stats(
	const struct cf_audio *audio, uint64_t placed_us, struct callflow_stats *ret_stats)
{
	struct cf_media_receiver_stats received;
	const struct cf_rtp_source *source;
	const struct cf_rtp_sender *sent;

	*ret_stats = (struct callflow_stats){0};
	if (!audio->receiver)
		return;
	sent = cf_media_sender_rtp(audio->sender);
	cf_media_receiver_stats(audio->receiver, cf_loop_now_us(audio->loop), &received);
	*ret_stats = (struct callflow_stats){.packets_sent = sent->packets,
		.bytes_sent = audio->bytes_sent,
		.packets_received = received.jitter.received,
		.bytes_received = audio->bytes_received,
		.packets_lost = received.jitter.lost,
		.frames_concealed = received.concealed,
		.rtt_ms = sent->rtt_us > 0 ? (double)sent->rtt_us / 1000 : 0};
	source = cf_media_receiver_source(audio->receiver);
	if (audio->first_played_us > placed_us)
		ret_stats->first_audio_ms =
			(uint32_t)((audio->first_played_us - placed_us) / CF_US_PER_MS);
	if (source->started)
		ret_stats->jitter_ms = (double)cf_rtp_source_jitter_us(source) / 1000;
}
